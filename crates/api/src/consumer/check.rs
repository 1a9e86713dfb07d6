//! The rules of a consumer's configuration, in the reference server's order: the first that is broken is the answer.
//!
//! First what is missing or can only mean one thing is filled in, from the stream's and the server's limits too; then
//! the whole is looked at. How many consumers a stream has, and what the others want, comes after this and is not here.

use firn_subject::{pattern, subject};

use super::{AckPolicy, ConsumerConfig, DeliverPolicy, PriorityPolicy};
use crate::{
    account::{AccountLimits, ServerLimits},
    error::ApiError,
    json::quote,
    names,
    stream::{Retention, StreamConfig},
    time::Nanos,
};

/// Pulls that may wait where nothing is said.
const MAX_WAITING: isize = 512;

/// Messages that may wait for an acknowledgement where nothing is said.
const MAX_ACK_PENDING: isize = 1_000;

/// How long an acknowledgement may take where nothing is said.
const ACK_WAIT: Nanos = Nanos::from_secs(30);

/// How long a pinned client may be silent where nothing is said.
const PRIORITY_TIMEOUT: Nanos = Nanos::from_secs(120);

/// How long a consumer that is not durable waits for a client where nothing is said.
const INACTIVE_THRESHOLD: Nanos = Nanos::from_secs(5);

/// The one sign of life that goes with acknowledgement by flow control.
const FLOW_CONTROL_HEARTBEAT: Nanos = Nanos::from_secs(1);

const ZERO: Nanos = Nanos(0);

/// What a check may look up.
#[derive(Clone, Copy)]
pub struct Rules<'a> {
    /// Bounds for all accounts.
    pub server: &'a ServerLimits,
    /// Bounds of the account, or of its tier.
    pub account: &'a AccountLimits,
    /// The stream it consumes from, complete.
    pub stream: &'a StreamConfig,
    /// Refuse instead of mending.
    pub is_pedantic: bool,
}

impl ConsumerConfig {
    /// The configuration, complete: what both a new consumer and a changed one must satisfy.
    ///
    /// # Errors
    /// The first rule that is broken.
    pub fn check(mut self, rules: &Rules<'_>) -> Result<ConsumerConfig, ApiError> {
        self.complete_negatives(rules)?;
        self.complete(rules)?;
        self.check_names()?;
        self.check_replicas(rules.stream)?;
        self.check_waits()?;
        self.check_flow_control_acks()?;
        self.check_backoff()?;
        if self.description.len() > names::DESCRIPTION_BYTES_MAX {
            return Err(ApiError::ConsumerDescriptionTooLong { max: names::DESCRIPTION_BYTES_MAX });
        }
        if self.is_push() {
            self.check_push(rules.stream)?
        } else {
            self.check_pull(rules)?
        }
        self.check_limits(rules)?;
        self.check_direct()?;
        self.check_filters()?;
        self.check_start()?;
        self.check_sampling()?;
        if self.flow_control && self.idle_heartbeat == ZERO {
            return Err(ApiError::ConsumerWithFlowControlNeedsHeartbeats);
        }
        if !self.durable_name.is_empty() && !self.name.is_empty() && self.name != self.durable_name {
            return Err(ApiError::ConsumerCreateDurableAndNameMismatch);
        }
        if names::metadata_bytes(&self.metadata) > names::METADATA_BYTES_MAX {
            return Err(ApiError::ConsumerMetadataLength { limit: format!("{}KB", names::METADATA_BYTES_MAX / 1024) });
        }
        self.check_priorities()?;
        if self.durable_name.is_empty() && self.inactive_threshold == ZERO {
            self.inactive_threshold = INACTIVE_THRESHOLD;
        }
        Ok(self)
    }

    /// What only a new consumer must satisfy, after [`ConsumerConfig::check`]: a work queue has its own rules, and a
    /// name must fit.
    ///
    /// # Errors
    /// The first rule that is broken.
    pub fn check_new(&self, stream: &StreamConfig) -> Result<(), ApiError> {
        if stream.retention == Retention::WorkQueue && !self.direct && !self.sourcing {
            if !matches!(self.ack_policy, AckPolicy::Explicit | AckPolicy::FlowControl) {
                return Err(ApiError::ConsumerWorkQueueRequiresExplicitAck);
            }
            if self.deliver_policy != DeliverPolicy::All {
                return Err(ApiError::ConsumerWorkQueueConsumerNotDeliverAll);
            }
        }
        if self.durable_name.len().max(self.name.len()) > names::NAME_BYTES_MAX {
            return Err(ApiError::ConsumerNameTooLong { max: names::NAME_BYTES_MAX });
        }
        Ok(())
    }

    /// What is negative means nothing, or no limit.
    fn complete_negatives(&mut self, rules: &Rules<'_>) -> Result<(), ApiError> {
        if self.max_deliver < -1 {
            rules.mend("max_deliver must be set to -1")?;
            self.max_deliver = -1;
        }
        if self.max_deliver == 0 {
            self.max_deliver = -1;
        }
        raise(&mut self.max_waiting, 0, "max_waiting must not be negative", rules)?;
        raise(&mut self.max_ack_pending, -1, "max_ack_pending must be set to -1", rules)?;
        raise(&mut self.max_batch, 0, "max_batch must not be negative", rules)?;
        raise(&mut self.max_expires, ZERO, "max_expires must not be negative", rules)?;
        raise(&mut self.max_bytes, 0, "max_bytes must not be negative", rules)?;
        raise(&mut self.idle_heartbeat, ZERO, "idle_heartbeat must not be negative", rules)?;
        raise(&mut self.inactive_threshold, ZERO, "inactive_threshold must not be negative", rules)?;
        raise(&mut self.priority_timeout, ZERO, "priority_timeout must not be negative", rules)
    }

    fn complete(&mut self, rules: &Rules<'_>) -> Result<(), ApiError> {
        let limits = &rules.stream.consumer_limits;
        if !self.is_push() && self.max_waiting == 0 {
            self.max_waiting = MAX_WAITING;
        }
        if self.ack_wait == ZERO && matches!(self.ack_policy, AckPolicy::Explicit | AckPolicy::All) {
            self.ack_wait = ACK_WAIT;
        }
        if let Some(&first) = self.backoff.first() {
            if self.ack_wait != first {
                rules.mend("first backoff value has to equal batch AckWait")?;
            }
            self.ack_wait = first;
        }
        if self.max_ack_pending == 0 {
            if limits.max_ack_pending > 0 {
                rules.mend("max_ack_pending must be set if it's configured in stream limits")?;
            }
            self.max_ack_pending = limits.max_ack_pending;
        }
        if self.inactive_threshold == ZERO {
            if limits.inactive_threshold > ZERO {
                rules.mend("inactive_threshold must be set if it's configured in stream limits")?;
            }
            self.inactive_threshold = limits.inactive_threshold;
        }
        if self.max_ack_pending == 0 && self.ack_policy != AckPolicy::None {
            let bounds = [rules.server.max_ack_pending, rules.account.max_ack_pending];
            let bounds = bounds.into_iter().filter(|&bound| bound > 0);
            self.max_ack_pending = bounds.fold(MAX_ACK_PENDING, isize::min);
        }
        if !self.is_push() && self.max_batch == 0 && rules.server.max_request_batch > 0 {
            rules.mend("max_request_batch must be set if it's JetStream limits are set")?;
            self.max_batch = rules.server.max_request_batch;
        }
        if self.priority_policy == PriorityPolicy::PinnedClient && self.priority_timeout == ZERO {
            self.priority_timeout = PRIORITY_TIMEOUT;
        }
        if self.ack_policy == AckPolicy::FlowControl && !rules.is_pedantic {
            self.flow_control = true;
            self.idle_heartbeat = FLOW_CONTROL_HEARTBEAT;
        }
        Ok(())
    }

    fn check_names(&self) -> Result<(), ApiError> {
        for (name, kind) in [(&self.name, "name"), (&self.durable_name, "durable name")] {
            if !name.is_empty() && !names::is_valid(name) {
                let text = format!(r"consumer {kind} can not contain '.', '*', '>', '\', '/'");
                return Err(ApiError::invalid_config(text));
            }
        }
        Ok(())
    }

    fn check_replicas(&self, stream: &StreamConfig) -> Result<(), ApiError> {
        if self.num_replicas > stream.num_replicas {
            return Err(ApiError::ConsumerReplicasExceedsStream);
        }
        if self.num_replicas < 0 {
            return Err(ApiError::ReplicasCountCannotBeNegative);
        }
        // A message goes when all consumers are done, which every server of the stream must know.
        if stream.retention != Retention::Limits && self.replicas(stream) != stream.num_replicas {
            return Err(ApiError::ConsumerReplicasShouldMatchStream);
        }
        Ok(())
    }

    fn check_waits(&self) -> Result<(), ApiError> {
        if self.backoff.iter().any(|&wait| wait < ZERO) {
            return Err(ApiError::ConsumerBackOffNegative);
        }
        if self.ack_wait < ZERO {
            return Err(ApiError::ConsumerAckWaitNegative);
        }
        Ok(())
    }

    fn check_flow_control_acks(&self) -> Result<(), ApiError> {
        if self.ack_policy != AckPolicy::FlowControl {
            return Ok(());
        }
        if !self.is_push() {
            return Err(ApiError::ConsumerAckFlowControlRequiresPush);
        }
        if !self.flow_control {
            return Err(ApiError::ConsumerAckFlowControlRequiresFlowControl);
        }
        if self.idle_heartbeat != FLOW_CONTROL_HEARTBEAT {
            return Err(ApiError::invalid_config("flow control ack policy heartbeat needs to be 1s"));
        }
        if self.max_ack_pending <= 0 {
            return Err(ApiError::ConsumerAckFlowControlRequiresMaxAckPending);
        }
        if self.ack_wait != ZERO || !self.backoff.is_empty() {
            return Err(ApiError::ConsumerAckFlowControlRequiresNoAckWait);
        }
        if self.max_deliver > 0 {
            return Err(ApiError::ConsumerAckFlowControlRequiresNoMaxDeliver);
        }
        Ok(())
    }

    pub(super) fn check_backoff(&self) -> Result<(), ApiError> {
        let waits = isize::try_from(self.backoff.len()).unwrap_or(isize::MAX);
        if waits > 0 && self.max_deliver != -1 && waits > self.max_deliver {
            return Err(ApiError::ConsumerMaxDeliverBackoff);
        }
        Ok(())
    }

    fn check_push(&self, stream: &StreamConfig) -> Result<(), ApiError> {
        let target = self.deliver_subject.as_bytes();
        if !subject::is_literal(target) {
            return Err(ApiError::ConsumerDeliverToWildcards);
        }
        if !subject::is_valid_literal(target) {
            return Err(ApiError::ConsumerInvalidDeliverSubject);
        }
        if stream.subjects.iter().any(|listened| pattern::is_subset(target, listened.as_bytes())) {
            return Err(ApiError::ConsumerDeliverCycle);
        }
        if self.max_waiting != 0 {
            return Err(ApiError::ConsumerPushMaxWaiting);
        }
        if self.max_ack_pending > 0 && self.ack_policy == AckPolicy::None {
            return Err(ApiError::ConsumerMaxPendingAckPolicyRequired);
        }
        if self.idle_heartbeat > ZERO && self.idle_heartbeat < Nanos::from_millis(100) {
            return Err(ApiError::ConsumerSmallHeartbeat);
        }
        Ok(())
    }

    fn check_pull(&self, rules: &Rules<'_>) -> Result<(), ApiError> {
        if self.ack_policy == AckPolicy::None && rules.stream.retention == Retention::WorkQueue {
            return Err(ApiError::ConsumerPullRequiresAck);
        }
        if self.rate_limit_bps > 0 {
            return Err(ApiError::ConsumerPullWithRateLimit);
        }
        if self.idle_heartbeat > ZERO {
            return Err(ApiError::ConsumerHeartbeatRequiresPush);
        }
        if self.flow_control {
            return Err(ApiError::ConsumerFlowControlRequiresPush);
        }
        if self.max_expires != ZERO && self.max_expires < Nanos::from_millis(1) {
            return Err(ApiError::ConsumerMaxRequestExpiresTooSmall);
        }
        let limit = rules.server.max_request_batch;
        if limit > 0 && self.max_batch > limit {
            return Err(ApiError::ConsumerMaxRequestBatchExceeded { limit });
        }
        Ok(())
    }

    fn check_limits(&self, rules: &Rules<'_>) -> Result<(), ApiError> {
        let limits = &rules.stream.consumer_limits;
        for limit in [rules.server.max_ack_pending, rules.account.max_ack_pending, limits.max_ack_pending] {
            if limit > 0 && self.max_ack_pending > limit {
                return Err(ApiError::ConsumerMaxPendingAckExcess { limit });
            }
        }
        let limit = limits.inactive_threshold;
        if limit > ZERO && self.inactive_threshold > limit {
            return Err(ApiError::ConsumerInactiveThresholdExcess { limit });
        }
        Ok(())
    }

    fn check_direct(&self) -> Result<(), ApiError> {
        if self.direct && !self.is_push() {
            return Err(ApiError::ConsumerDirectRequiresPush);
        }
        if self.direct && !self.durable_name.is_empty() {
            return Err(ApiError::ConsumerDirectRequiresEphemeral);
        }
        Ok(())
    }

    fn check_filters(&self) -> Result<(), ApiError> {
        let invalid = || ApiError::invalid_config("invalid subject");
        if !self.filter_subject.is_empty() && !self.filter_subjects.is_empty() {
            return Err(ApiError::ConsumerDuplicateFilterSubjects);
        }
        if self.filter_subjects.iter().any(String::is_empty) {
            return Err(ApiError::ConsumerEmptyFilter);
        }
        for (index, filter) in self.filters().enumerate() {
            if !subject::is_valid_pattern(filter.as_bytes()) {
                return Err(invalid());
            }
            let mut others = self.filters().enumerate().filter(|&(other, _)| other != index);
            if others.any(|(_, other)| pattern::is_subset(filter.as_bytes(), other.as_bytes())) {
                return Err(ApiError::ConsumerOverlappingSubjectFilters);
            }
        }
        Ok(())
    }

    /// A start goes with its policy, and with no other.
    fn check_start(&self) -> Result<(), ApiError> {
        let policy = match self.deliver_policy {
            DeliverPolicy::All => "all",
            DeliverPolicy::Last => "last",
            DeliverPolicy::New => "new",
            DeliverPolicy::ByStartSequence => "by start sequence",
            DeliverPolicy::ByStartTime => "by start time",
            DeliverPolicy::LastPerSubject => "last per subject",
        };
        let refuse = |what: &str| {
            let err = format!("consumer delivery policy is deliver {policy}, but optional {what}");
            Err(ApiError::ConsumerInvalidPolicy { err })
        };
        let (has_seq, has_time) = (self.opt_start_seq > 0, self.opt_start_time.is_some());
        match self.deliver_policy {
            DeliverPolicy::ByStartSequence if !has_seq => refuse("start sequence is not set"),
            DeliverPolicy::ByStartSequence if has_time => refuse("start time is also set"),
            DeliverPolicy::ByStartTime if !has_time => refuse("start time is not set"),
            // The word twice, as the reference server has it.
            DeliverPolicy::ByStartTime if has_seq => refuse("start start sequence is also set"),
            DeliverPolicy::ByStartSequence | DeliverPolicy::ByStartTime => Ok(()),
            DeliverPolicy::All | DeliverPolicy::Last | DeliverPolicy::New | DeliverPolicy::LastPerSubject => {
                if has_seq {
                    return refuse("start sequence is also set");
                }
                if has_time {
                    return refuse("start time is also set");
                }
                if self.deliver_policy == DeliverPolicy::LastPerSubject && self.filters().next().is_none() {
                    return refuse("filter subject is not set");
                }
                Ok(())
            }
        }
    }

    fn check_sampling(&self) -> Result<(), ApiError> {
        if self.sample_freq.is_empty() {
            return Ok(());
        }
        let number = self.sample_freq.strip_suffix('%').unwrap_or(&self.sample_freq);
        let err = match number.parse::<i64>() {
            Ok(0..) => return Ok(()),
            Ok(_) => "<nil>".to_owned(),
            Err(error) => {
                use std::num::IntErrorKind::{NegOverflow, PosOverflow};
                let is_too_large = matches!(error.kind(), NegOverflow | PosOverflow);
                let fault = if is_too_large { "value out of range" } else { "invalid syntax" };
                format!("strconv.Atoi: parsing {}: {fault}", quote(number))
            }
        };
        Err(ApiError::ConsumerInvalidSampling { err })
    }

    fn check_priorities(&self) -> Result<(), ApiError> {
        if self.priority_policy == PriorityPolicy::None {
            if !self.priority_groups.is_empty() {
                return Err(ApiError::ConsumerPriorityGroupWithPolicyNone);
            }
            if self.priority_timeout > ZERO {
                return Err(ApiError::ConsumerPinnedTtlWithoutPriorityPolicyNone);
            }
            return Ok(());
        }
        if self.is_push() {
            return Err(ApiError::ConsumerPushWithPriorityGroup);
        }
        if self.priority_groups.is_empty() {
            return Err(ApiError::ConsumerPriorityPolicyWithoutGroup);
        }
        for group in &self.priority_groups {
            if group.is_empty() {
                return Err(ApiError::ConsumerEmptyGroupName);
            }
            if !names::is_valid_group(group) {
                return Err(ApiError::ConsumerInvalidGroupName);
            }
        }
        Ok(())
    }
}

impl Rules<'_> {
    /// The server is about to change what the client said.
    fn mend(&self, what_is_wrong: &str) -> Result<(), ApiError> {
        if self.is_pedantic { Err(ApiError::pedantic(what_is_wrong)) } else { Ok(()) }
    }
}

fn raise<N: PartialOrd>(number: &mut N, least: N, text: &str, rules: &Rules<'_>) -> Result<(), ApiError> {
    if *number < least {
        rules.mend(text)?;
        *number = least;
    }
    Ok(())
}
