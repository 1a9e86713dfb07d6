//! How a consumer is.

use super::ConsumerConfig;
use crate::{
    cluster::ClusterInfo,
    json::{is_default, object},
    time::{Nanos, Time},
};

object! {
    /// How a consumer is.
    pub struct ConsumerInfo: "*server.ConsumerInfo" {
        /// Name of its stream.
        pub stream_name: String,
        /// Its name.
        pub name: String,
        /// When it was made.
        pub created: Time,
        /// What it is configured with.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub config: Option<ConsumerConfig>,
        /// The last that was sent.
        pub delivered: SequenceInfo,
        /// Up to here, all is acknowledged.
        pub ack_floor: SequenceInfo,
        /// Messages that wait for an acknowledgement.
        pub num_ack_pending: isize,
        /// Of these, so many were sent more than once.
        pub num_redelivered: isize,
        /// Pulls that wait.
        pub num_waiting: isize,
        /// Messages that were not sent yet.
        pub num_pending: u64,
        /// Who carries it.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub cluster: Option<ClusterInfo>,
        /// Somebody listens where it pushes to.
        #[serde(skip_serializing_if = "is_default")]
        pub push_bound: bool,
        /// Nothing is sent.
        #[serde(skip_serializing_if = "is_default")]
        pub paused: bool,
        /// For so long.
        #[serde(skip_serializing_if = "is_default")]
        pub pause_remaining: Nanos,
        /// When this was so.
        pub ts: Time,
        /// How its groups of pullers are.
        #[serde(skip_serializing_if = "is_default")]
        pub priority_groups: Vec<PriorityGroupState>,
    }
}

object! {
    /// A place in the consumer's count and in the stream's.
    #[derive(Copy)]
    pub struct SequenceInfo: "server.SequenceInfo" {
        /// Number of the delivery.
        pub consumer_seq: u64,
        /// Sequence in the stream.
        pub stream_seq: u64,
        /// When it was reached.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub last_active: Option<Time>,
    }
}

object! {
    /// How a group of pullers is.
    pub struct PriorityGroupState: "server.PriorityGroupState" {
        /// Its name.
        pub group: String,
        /// The one that is served.
        #[serde(skip_serializing_if = "is_default")]
        pub pinned_client_id: String,
        /// Since when.
        pub pinned_ts: Time,
    }
}
