//! Accounts: what one uses and may use, and what a server bounds for all of them.

use std::collections::BTreeMap;

use crate::{
    json::{is_default, object},
    time::Nanos,
};

/// Bounds of a server's configuration; zero is none.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ServerLimits {
    /// `duplicate_window`: the longest, and the default where it is shorter than two minutes.
    pub duplicate_window: Nanos,
    /// `max_ack_pending`: of a consumer.
    pub max_ack_pending: isize,
    /// `max_request_batch`: of a pull.
    pub max_request_batch: isize,
}

object! {
    /// What an account, or a tier of one, may use. -1 is no bound; of the sizes of one stream, 0 too.
    pub struct AccountLimits: "server.JetStreamAccountLimits" {
        /// Bytes in memory.
        pub max_memory: i64,
        /// Bytes on disk.
        pub max_storage: i64,
        /// Number of streams.
        pub max_streams: isize,
        /// Number of consumers of one stream.
        pub max_consumers: isize,
        /// Of one consumer.
        pub max_ack_pending: isize,
        /// Bytes of one stream in memory.
        pub memory_max_stream_bytes: i64,
        /// Bytes of one stream on disk.
        pub storage_max_stream_bytes: i64,
        /// A stream must say how many bytes it keeps.
        pub max_bytes_required: bool,
    }
}

impl AccountLimits {
    /// No bound anywhere.
    pub fn unlimited() -> Self {
        AccountLimits {
            max_memory: -1,
            max_storage: -1,
            max_streams: -1,
            max_consumers: -1,
            max_ack_pending: -1,
            memory_max_stream_bytes: -1,
            storage_max_stream_bytes: -1,
            max_bytes_required: false,
        }
    }
}

object! {
    /// What an account, or a tier of one, uses and may use.
    pub struct Tier: "server.JetStreamTier" {
        /// Bytes in memory.
        pub memory: u64,
        /// Bytes on disk.
        pub storage: u64,
        /// Bytes in memory that streams may still fill.
        pub reserved_memory: u64,
        /// Bytes on disk that streams may still fill.
        pub reserved_storage: u64,
        /// Number of streams.
        pub streams: isize,
        /// Number of consumers.
        pub consumers: isize,
        /// What it may use; with tiers, that of the account is unset.
        pub limits: AccountLimits,
    }
}

object! {
    /// What the API did.
    pub struct ApiStats: "server.JetStreamAPIStats" {
        /// Its level.
        pub level: isize,
        /// Requests.
        pub total: u64,
        /// Requests that were answered with an error.
        pub errors: u64,
        /// Requests that are not answered yet.
        #[serde(skip_serializing_if = "is_default")]
        pub inflight: u64,
    }
}

object! {
    /// What an account uses and may use.
    pub struct AccountInfo: "*server.JetStreamAccountStats" = {
        /// All tiers together.
        pub total: Tier,
    } + {
        /// The domain of the server.
        #[serde(skip_serializing_if = "is_default")]
        pub domain: String,
        /// What the API did.
        pub api: ApiStats,
        /// By name, where the account has tiers.
        #[serde(skip_serializing_if = "is_default")]
        pub tiers: BTreeMap<String, Tier>,
    }
}
