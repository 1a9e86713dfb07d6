//! What this server says it is.

/// The version of nats-server whose behaviour this server has; clients switch features on by it.
pub(crate) const NATS: &str = "2.15.1";

/// The Go release that version of nats-server is built with: clients expect the field, and some show it.
pub(crate) const GO: &str = "go1.27.2";

/// This program's own version.
pub(crate) const FIRN: &str = env!("CARGO_PKG_VERSION");

/// The commit this program was built from, where the build knows it; else empty.
pub(crate) const COMMIT: &str = match option_env!("FIRN_GIT_COMMIT") {
    Some(commit) => commit,
    None => "",
};

/// Level of the JetStream API that [`NATS`] has.
pub(crate) const API_LEVEL: u64 = 5;
