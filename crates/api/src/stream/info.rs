//! How a stream is: its configuration, what it holds, and where that comes from.

use std::collections::BTreeMap;

use super::{External, StreamConfig, SubjectTransform};
use crate::{
    cluster::ClusterInfo,
    error::Failure,
    json::{is_default, object},
    time::{Nanos, Time},
};

object! {
    /// How a stream is.
    pub struct StreamInfo: "*server.StreamInfo" {
        /// What it is configured with.
        pub config: StreamConfig,
        /// When it was made.
        pub created: Time,
        /// What it holds.
        pub state: StreamState,
        /// The domain of its server.
        #[serde(skip_serializing_if = "is_default")]
        pub domain: String,
        /// Who carries it.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub cluster: Option<ClusterInfo>,
        /// How it follows its origin.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub mirror: Option<SourceInfo>,
        /// How it follows its sources.
        #[serde(skip_serializing_if = "is_default")]
        pub sources: Vec<SourceInfo>,
        /// Itself and its mirrors, the nearest first.
        #[serde(skip_serializing_if = "is_default")]
        pub alternates: Vec<Alternate>,
        /// When this was so.
        pub ts: Time,
    }
}

object! {
    /// What a stream holds.
    pub struct StreamState: "server.StreamState" {
        /// Number of messages.
        pub messages: u64,
        /// Their size as it counts against the limits.
        pub bytes: u64,
        /// Sequence of the first message, or of the next where there is none.
        pub first_seq: u64,
        /// When the first was stored.
        pub first_ts: Time,
        /// The highest sequence ever given.
        pub last_seq: u64,
        /// When that was.
        pub last_ts: Time,
        /// Number of subjects.
        #[serde(skip_serializing_if = "is_default")]
        pub num_subjects: isize,
        /// Messages by subject, where asked for.
        #[serde(skip_serializing_if = "is_default")]
        pub subjects: BTreeMap<String, u64>,
        /// Number of gaps between the first and the last.
        #[serde(skip_serializing_if = "is_default")]
        pub num_deleted: isize,
        /// The gaps, where asked for.
        #[serde(skip_serializing_if = "is_default")]
        pub deleted: Vec<u64>,
        /// What could not be read any more.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub lost: Option<LostData>,
        /// Number of consumers.
        pub consumer_count: isize,
    }
}

object! {
    /// What could not be read any more.
    pub struct LostData: "server.LostStreamData" {
        /// Sequences.
        pub msgs: Option<Vec<u64>>,
        /// Their size.
        pub bytes: u64,
    }
}

object! {
    /// How a stream follows another.
    pub struct SourceInfo: "*server.StreamSourceInfo" {
        /// Name of the other.
        pub name: String,
        /// How it is reached.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub external: Option<External>,
        /// How many messages are missing.
        pub lag: u64,
        /// How long ago it was heard of; -1 is never.
        pub active: Nanos,
        /// What is wrong.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub error: Option<Failure>,
        /// Only this subject or pattern.
        #[serde(skip_serializing_if = "is_default")]
        pub filter_subject: String,
        /// Only these patterns, changed.
        #[serde(skip_serializing_if = "is_default")]
        pub subject_transforms: Vec<SubjectTransform>,
    }
}

object! {
    /// A stream with the same messages.
    pub struct Alternate: "server.StreamAlternate" {
        /// Its name.
        pub name: String,
        /// Its domain.
        #[serde(skip_serializing_if = "is_default")]
        pub domain: String,
        /// Its cluster.
        pub cluster: String,
    }
}
