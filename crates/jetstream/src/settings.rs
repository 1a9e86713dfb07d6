//! What a server is told about its streams when it starts.

use firn_api::account::{AccountLimits, ServerLimits};

/// The same for all shards of a server.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Name of the server, shown as the leader of its streams.
    pub server_name: String,
    /// Version, shown in metadata.
    pub version: String,
    /// Domain, where it has one.
    pub domain: String,
    /// Requests with unknown fields are refused.
    pub is_strict: bool,
    /// Bounds for all accounts.
    pub limits: ServerLimits,
    /// Bytes of memory for all accounts; -1 is no bound.
    pub memory_bytes_max: i64,
    /// Bytes on disk for all accounts; -1 is no bound.
    pub storage_bytes_max: i64,
    /// Ids of advisories follow from it; different for every start.
    pub seed: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            server_name: "firn".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            domain: String::new(),
            is_strict: true,
            limits: ServerLimits::default(),
            memory_bytes_max: -1,
            storage_bytes_max: -1,
            seed: 0,
        }
    }
}

/// An account as a shard knows it.
#[derive(Clone, Debug, PartialEq)]
pub struct AccountSettings {
    /// Its name, by which its streams are stored.
    pub name: String,
    /// What it may use; none is no JetStream at all.
    pub limits: Option<AccountLimits>,
}
