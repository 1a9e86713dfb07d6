//! What follows from a configuration, worked out once.

use std::time::Duration;

use firn_api::consumer::{AckPolicy, ConsumerConfig, PriorityPolicy};
use firn_id::Timestamp;

use super::pending::NEVER;
use crate::messages::Filter;

#[derive(Clone, Debug)]
pub(super) struct Rules {
    pub(super) filter: Filter,
    /// Clients acknowledge, by whatever policy.
    pub(super) is_acknowledged: bool,
    /// With a message, all before it.
    pub(super) acknowledges_all: bool,
    /// Messages that may wait for an acknowledgement.
    pub(super) pending_max: usize,
    /// How often a message may be sent.
    pub(super) deliveries_max: u32,
    pub(super) waiting_max: usize,
    /// Of how many acknowledgements in a hundred a metric is sent.
    pub(super) sampled: u64,
    pub(super) priority: PriorityPolicy,
    /// Nanoseconds until a message is sent again; none is never.
    ack_wait: Option<i64>,
    /// The same after each delivery, the last after all further ones.
    backoff: Vec<i64>,
}

impl Rules {
    pub(super) fn new(config: &ConsumerConfig) -> Self {
        let sampled = config.sample_freq.strip_suffix('%').unwrap_or(&config.sample_freq).parse();
        Rules {
            filter: Filter::new(config.filters()),
            is_acknowledged: config.ack_policy != AckPolicy::None,
            acknowledges_all: matches!(config.ack_policy, AckPolicy::All | AckPolicy::FlowControl),
            pending_max: positive(config.max_ack_pending).unwrap_or(usize::MAX),
            deliveries_max: positive(config.max_deliver).and_then(|most| u32::try_from(most).ok()).unwrap_or(u32::MAX),
            waiting_max: positive(config.max_waiting).unwrap_or(usize::MAX),
            sampled: sampled.unwrap_or(0),
            priority: config.priority_policy,
            ack_wait: Some(config.ack_wait.0).filter(|wait| *wait > 0),
            backoff: config.backoff.iter().map(|wait| wait.0).collect(),
        }
    }

    /// Which wait follows so many deliveries: equal numbers wait equally long.
    pub(super) fn step(&self, deliveries: u32) -> usize {
        let step = usize::try_from(deliveries.saturating_sub(1)).unwrap_or(usize::MAX);
        step.min(self.backoff.len().saturating_sub(1))
    }

    /// In nanoseconds, after so many deliveries.
    pub(super) fn wait(&self, deliveries: u32) -> Option<i64> {
        self.backoff.get(self.step(deliveries)).copied().or(self.ack_wait)
    }

    pub(super) fn wait_duration(&self, deliveries: u32) -> Option<Duration> {
        self.wait(deliveries).map(|wait| Duration::from_nanos(u64::try_from(wait).unwrap_or(0)))
    }

    /// When a message that is sent now for the so-many-th time may be sent again.
    pub(super) fn due(&self, time: Timestamp, deliveries: u32) -> i64 {
        self.wait(deliveries).map_or(NEVER, |wait| time.unix_nanos().saturating_add(wait))
    }
}

fn positive(number: isize) -> Option<usize> {
    usize::try_from(number).ok().filter(|number| *number > 0)
}
