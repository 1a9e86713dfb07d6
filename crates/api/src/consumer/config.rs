//! What a consumer is configured with: every field by its name in JSON, in the order of the wire.

use crate::{
    json::{JsonError, Value, is_default, object, words},
    names::{self, Metadata},
    stream::{StreamConfig, unknown_word},
    time::{Nanos, Time},
};

words! {
    /// Which message comes first.
    pub enum DeliverPolicy: unknown_word {
        /// The first there is.
        #[default]
        All = "all" | "undefined",
        /// The last there is.
        Last = "last",
        /// The next that is stored.
        New = "new",
        /// The one of `opt_start_seq`, or the next there is.
        ByStartSequence = "by_start_sequence",
        /// The first that was stored at `opt_start_time` or later.
        ByStartTime = "by_start_time",
        /// The last of each subject.
        LastPerSubject = "last_per_subject",
    }
}

words! {
    /// What a client acknowledges.
    pub enum AckPolicy: unknown_word {
        /// Nothing: what was sent is done.
        #[default]
        None = "none",
        /// A message, and with it all before it.
        All = "all",
        /// Each message.
        Explicit = "explicit",
        /// What its stream has stored, by answers to flow control.
        FlowControl = "flow_control",
    }
}

words! {
    /// How fast old messages are sent.
    pub enum ReplayPolicy: unknown_word {
        /// As fast as they are taken.
        #[default]
        Instant = "instant",
        /// As fast as they came.
        Original = "original",
    }
}

words! {
    /// Which of several pullers is served.
    pub enum PriorityPolicy: unknown_priority {
        /// The first that asked.
        #[default]
        None = "none",
        /// Some only when enough has piled up.
        Overflow = "overflow",
        /// One, as long as it asks.
        PinnedClient = "pinned_client",
        /// The one with the lowest number.
        Prioritized = "prioritized",
    }
}

object! {
    /// What a consumer is configured with.
    pub struct ConsumerConfig: "server.ConsumerConfig" {
        /// Name of a consumer that outlives its clients.
        #[serde(skip_serializing_if = "is_default")]
        pub durable_name: String,
        /// Name.
        #[serde(skip_serializing_if = "is_default")]
        pub name: String,
        /// For people.
        #[serde(skip_serializing_if = "is_default")]
        pub description: String,
        /// Which message comes first.
        pub deliver_policy: DeliverPolicy,
        /// With `by_start_sequence`.
        #[serde(skip_serializing_if = "is_default")]
        pub opt_start_seq: u64,
        /// With `by_start_time`.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub opt_start_time: Option<Time>,
        /// What a client acknowledges.
        pub ack_policy: AckPolicy,
        /// How long an acknowledgement may take.
        #[serde(skip_serializing_if = "is_default")]
        pub ack_wait: Nanos,
        /// How often a message is sent; -1 is any number.
        #[serde(skip_serializing_if = "is_default")]
        pub max_deliver: isize,
        /// How long the acknowledgement of each delivery may take, the last of all further ones.
        #[serde(skip_serializing_if = "is_default")]
        pub backoff: Vec<Nanos>,
        /// Only this subject or pattern.
        #[serde(skip_serializing_if = "is_default")]
        pub filter_subject: String,
        /// Only these subjects and patterns.
        #[serde(skip_serializing_if = "is_default")]
        pub filter_subjects: Vec<String>,
        /// How fast old messages are sent.
        pub replay_policy: ReplayPolicy,
        /// Bits a second; 0 is any number.
        #[serde(skip_serializing_if = "is_default")]
        pub rate_limit_bps: u64,
        /// Of how many acknowledgements in a hundred a metric is sent: `"N"` or `"N%"`.
        #[serde(skip_serializing_if = "is_default")]
        pub sample_freq: String,
        /// How many pulls may wait.
        #[serde(skip_serializing_if = "is_default")]
        pub max_waiting: isize,
        /// How many messages may wait for an acknowledgement; -1 is any number.
        #[serde(skip_serializing_if = "is_default")]
        pub max_ack_pending: isize,
        /// Ask the receiver whether it keeps up.
        #[serde(skip_serializing_if = "is_default")]
        pub flow_control: bool,
        /// Without bodies.
        #[serde(skip_serializing_if = "is_default")]
        pub headers_only: bool,
        /// Most messages of a pull.
        #[serde(skip_serializing_if = "is_default")]
        pub max_batch: isize,
        /// Longest wait of a pull.
        #[serde(skip_serializing_if = "is_default")]
        pub max_expires: Nanos,
        /// Most bytes of a pull.
        #[serde(skip_serializing_if = "is_default")]
        pub max_bytes: isize,
        /// Where messages are pushed to; empty is a consumer that is pulled from.
        #[serde(skip_serializing_if = "is_default")]
        pub deliver_subject: String,
        /// Queue group of those that are pushed to.
        #[serde(skip_serializing_if = "is_default")]
        pub deliver_group: String,
        /// After so long without a message, a sign of life is pushed.
        #[serde(skip_serializing_if = "is_default")]
        pub idle_heartbeat: Nanos,
        /// After so long without a client, the consumer is deleted.
        #[serde(skip_serializing_if = "is_default")]
        pub inactive_threshold: Nanos,
        /// On how many servers; 0 is as many as the stream.
        pub num_replicas: isize,
        /// In memory, wherever the stream is.
        #[serde(skip_serializing_if = "is_default")]
        pub mem_storage: bool,
        /// It follows a stream for another and is not listed.
        #[serde(skip_serializing_if = "is_default")]
        pub direct: bool,
        /// It follows a stream for another.
        #[serde(skip_serializing_if = "is_default")]
        pub sourcing: bool,
        /// Free text of its owner.
        #[serde(skip_serializing_if = "is_default")]
        pub metadata: Metadata,
        /// Nothing is sent before.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub pause_until: Option<Time>,
        /// Names of groups of pullers.
        #[serde(skip_serializing_if = "is_default")]
        pub priority_groups: Vec<String>,
        /// Which of several pullers is served.
        #[serde(skip_serializing_if = "is_default")]
        pub priority_policy: PriorityPolicy,
        /// After so long without a pull, a pinned client is another.
        #[serde(skip_serializing_if = "is_default")]
        pub priority_timeout: Nanos,
    }
}

impl ConsumerConfig {
    /// Messages are pushed, not pulled.
    pub fn is_push(&self) -> bool {
        !self.deliver_subject.is_empty()
    }

    /// On how many servers, beside this stream.
    pub fn replicas(&self, stream: &StreamConfig) -> isize {
        if self.num_replicas == 0 { stream.num_replicas } else { self.num_replicas }
    }

    /// The one filter or the several; none is everything.
    pub fn filters(&self) -> impl Iterator<Item = &str> {
        let one = Some(self.filter_subject.as_str()).filter(|filter| !filter.is_empty());
        one.into_iter().chain(self.filter_subjects.iter().map(String::as_str))
    }

    /// The level of the API that a server needs to carry this consumer.
    pub fn required_level(&self) -> u64 {
        let is_paused = self.pause_until.is_some_and(|time| !time.is_zero());
        let has_priorities = self.priority_policy != PriorityPolicy::None
            || self.priority_timeout != Nanos(0)
            || !self.priority_groups.is_empty();
        match self.ack_policy {
            AckPolicy::FlowControl => 4,
            AckPolicy::None | AckPolicy::All | AckPolicy::Explicit => u64::from(is_paused || has_priorities),
        }
    }

    /// Writes down the required level, and drops what a client copied from an answer.
    pub fn stamp(&mut self) {
        let level = self.required_level();
        names::stamp(&mut self.metadata, level);
    }

    /// As it is shown in answers.
    #[must_use]
    pub fn shown(mut self, version: &str) -> Self {
        names::show(&mut self.metadata, version);
        self
    }
}

fn unknown_priority(value: &Value<'_>) -> JsonError {
    JsonError::new(format!("unknown priority policy: {}", String::from_utf8_lossy(value.raw)))
}
