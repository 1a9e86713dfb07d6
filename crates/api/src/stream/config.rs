//! What a stream is configured with: every field by its name in JSON, in the order of the wire.
//!
//! Fields that are zero, false or empty are left out where the reference server leaves them out. A zero stands for a
//! default until a check has put the default in its place.

use crate::{
    cluster::Placement,
    json::{At, JsonError, Kind, Read, Value, is_default, object, quote, words},
    names::{self, Metadata},
    time::{Nanos, Time},
};

words! {
    /// When messages are removed beside the limits.
    pub enum Retention: unknown_word {
        /// By the limits alone.
        #[default]
        Limits = "limits",
        /// When every consumer that wants a message has acknowledged it.
        Interest = "interest",
        /// When the one consumer that wants it has acknowledged it.
        WorkQueue = "workqueue",
    }
}

/// What gives way when a limit is reached.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Discard {
    /// The oldest messages.
    #[default]
    Old,
    /// The message that is published.
    New,
}

words! {
    /// Where messages are kept.
    pub enum Storage: unknown_word {
        /// On disk.
        #[default]
        File = "file",
        /// Until the server stops.
        Memory = "memory",
    }
}

words! {
    /// How files are compressed.
    pub enum Compression: unknown_algorithm {
        /// Not at all.
        #[default]
        None = "none",
        /// As S2.
        S2 = "s2",
    }
}

words! {
    /// When a publish is acknowledged.
    pub enum PersistMode: unknown_word {
        /// When the message is written.
        #[default]
        Default = "default" | "",
        /// When it is about to be written.
        Async = "async",
    }
}

object! {
    /// What a stream is configured with.
    pub struct StreamConfig: "server.StreamConfig" {
        /// Name, which cannot be changed.
        pub name: String,
        /// For people.
        #[serde(skip_serializing_if = "is_default")]
        pub description: String,
        /// What it stores; the name, where it neither mirrors nor sources.
        #[serde(skip_serializing_if = "is_default")]
        pub subjects: Vec<String>,
        /// When messages are removed beside the limits.
        pub retention: Retention,
        /// How many consumers it may have; -1 is as many as the account may.
        pub max_consumers: isize,
        /// How many messages it keeps; -1 is any number.
        pub max_msgs: i64,
        /// How many bytes it keeps; -1 is any number.
        pub max_bytes: i64,
        /// How long it keeps a message; 0 is for ever.
        pub max_age: Nanos,
        /// How many messages of one subject it keeps; -1 is any number.
        pub max_msgs_per_subject: i64,
        /// Longest message, header and body together; -1 is any length.
        #[serde(skip_serializing_if = "is_default")]
        pub max_msg_size: i32,
        /// What gives way when a limit is reached.
        pub discard: Discard,
        /// Where messages are kept.
        pub storage: Storage,
        /// On how many servers, 1 to 5.
        pub num_replicas: isize,
        /// Publishers get no acknowledgement.
        #[serde(skip_serializing_if = "is_default")]
        pub no_ack: bool,
        /// How long a message's id is remembered.
        #[serde(skip_serializing_if = "is_default")]
        pub duplicate_window: Nanos,
        /// On which servers.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub placement: Option<Placement>,
        /// The stream of which it is a copy.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub mirror: Option<StreamSource>,
        /// Streams whose messages it stores too.
        #[serde(skip_serializing_if = "is_default")]
        pub sources: Vec<StreamSource>,
        /// How files are compressed.
        pub compression: Compression,
        /// Sequence of the first message; 0 is 1.
        #[serde(skip_serializing_if = "is_default")]
        pub first_seq: u64,
        /// What becomes of a subject before the message is stored.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub subject_transform: Option<SubjectTransform>,
        /// Where stored messages are published again.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub republish: Option<Republish>,
        /// Every replica may answer direct gets.
        pub allow_direct: bool,
        /// A mirror may answer direct gets of its origin.
        pub mirror_direct: bool,
        /// With `discard` new: also a subject that is full refuses new messages.
        #[serde(skip_serializing_if = "is_default")]
        pub discard_new_per_subject: bool,
        /// Nothing comes in or goes out any more.
        pub sealed: bool,
        /// Single messages cannot be deleted.
        pub deny_delete: bool,
        /// It cannot be purged.
        pub deny_purge: bool,
        /// A publisher may replace what is there by its message.
        pub allow_rollup_hdrs: bool,
        /// Defaults and bounds for its consumers.
        pub consumer_limits: ConsumerLimits,
        /// A publisher may say how long its message is kept.
        pub allow_msg_ttl: bool,
        /// How long a marker stays where the last message of a subject expired; 0 is no marker.
        #[serde(skip_serializing_if = "is_default")]
        pub subject_delete_marker_ttl: Nanos,
        /// Messages are increments of counters.
        #[serde(skip_serializing_if = "is_default")]
        pub allow_msg_counter: bool,
        /// Batches that are stored wholly or not at all.
        #[serde(skip_serializing_if = "is_default")]
        pub allow_atomic: bool,
        /// Messages that are published later.
        #[serde(skip_serializing_if = "is_default")]
        pub allow_msg_schedules: bool,
        /// When a publish is acknowledged.
        #[serde(skip_serializing_if = "is_default")]
        pub persist_mode: PersistMode,
        /// Batches that are acknowledged in groups.
        #[serde(skip_serializing_if = "is_default")]
        pub allow_batched: bool,
        /// Free text of its owner.
        #[serde(skip_serializing_if = "is_default")]
        pub metadata: Metadata,
    }
}

object! {
    /// A stream from which another takes messages.
    pub struct StreamSource: "*server.StreamSource" {
        /// Its name.
        pub name: String,
        /// From this sequence on; 0 is from the first.
        #[serde(skip_serializing_if = "is_default")]
        pub opt_start_seq: u64,
        /// From this moment on.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub opt_start_time: Option<Time>,
        /// Only this subject or pattern.
        #[serde(skip_serializing_if = "is_default")]
        pub filter_subject: String,
        /// Only these patterns, each changed as it says.
        #[serde(skip_serializing_if = "is_default")]
        pub subject_transforms: Vec<SubjectTransform>,
        /// Where it is reached, if in another account or domain.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub external: Option<External>,
        /// The consumer through which it is read, if made beforehand.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub consumer: Option<SourceConsumer>,
    }
}

object! {
    /// A subject and what becomes of it.
    pub struct SubjectTransform: "server.SubjectTransformConfig" {
        /// Pattern; empty is all.
        pub src: String,
        /// In the language of mappings; empty is no change.
        pub dest: String,
    }
}

object! {
    /// How a stream of another account or domain is reached.
    pub struct External: "server.ExternalStream" {
        /// In place of `$JS.API`.
        pub api: String,
        /// Prefix of the subject to which messages are delivered.
        pub deliver: String,
    }
}

object! {
    /// A consumer that is made beforehand for a mirror or source.
    pub struct SourceConsumer: "server.StreamConsumerSource" {
        /// Its name.
        #[serde(skip_serializing_if = "is_default")]
        pub name: String,
        /// Where it delivers to.
        #[serde(skip_serializing_if = "is_default")]
        pub deliver_subject: String,
    }
}

object! {
    /// Where stored messages are published again.
    pub struct Republish: "server.RePublish" {
        /// Pattern of what is published again; empty is all.
        #[serde(skip_serializing_if = "is_default")]
        pub src: String,
        /// Under which subject.
        pub dest: String,
        /// Without bodies.
        #[serde(skip_serializing_if = "is_default")]
        pub headers_only: bool,
    }
}

object! {
    /// Defaults and bounds for a stream's consumers.
    #[derive(Copy)]
    pub struct ConsumerLimits: "server.StreamConsumerLimits" {
        /// Longest, and default.
        #[serde(skip_serializing_if = "is_default")]
        pub inactive_threshold: Nanos,
        /// Largest, and default.
        #[serde(skip_serializing_if = "is_default")]
        pub max_ack_pending: isize,
    }
}

impl StreamConfig {
    /// The level of the API that a server needs to carry this stream.
    pub fn required_level(&self) -> u64 {
        let needs_4 = self.allow_batched;
        let needs_2 = self.allow_msg_counter
            || self.allow_atomic
            || self.allow_msg_schedules
            || self.persist_mode == PersistMode::Async;
        let needs_1 = self.allow_msg_ttl || self.subject_delete_marker_ttl > Nanos(0);
        match (needs_4, needs_2, needs_1) {
            (true, _, _) => 4,
            (_, true, _) => 2,
            (_, _, true) => 1,
            (false, false, false) => 0,
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

impl Read for Discard {
    fn read(&mut self, value: &Value<'_>, _: &At<'_>) -> Result<(), JsonError> {
        *self = match value.raw.to_ascii_lowercase().as_slice() {
            br#""old""# => Discard::Old,
            br#""new""# => Discard::New,
            _ => return Err(unknown_word(value)),
        };
        Ok(())
    }

    fn type_name() -> String {
        "server.DiscardPolicy".to_owned()
    }
}

/// What stands there instead of a word is shown as it was written.
pub(crate) fn unknown_word(value: &Value<'_>) -> JsonError {
    JsonError::new(format!("can not unmarshal {}", quote(&String::from_utf8_lossy(value.raw))))
}

fn unknown_algorithm(value: &Value<'_>) -> JsonError {
    match value.kind {
        Kind::Null | Kind::String(_) => JsonError::new("unknown compression algorithm"),
        Kind::Bool(_) | Kind::Number(_) | Kind::Array(_) | Kind::Object(_) => {
            At::root("string", false).mismatch::<String>(value)
        }
    }
}
