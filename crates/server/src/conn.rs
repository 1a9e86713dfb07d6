//! Connections: what each owns, and the task that runs it.
//!
//! ```text
//!   accept ──► client task: read ─► Session::receive ─► Port::deliver ─► other clients' outboxes ─► their sockets
//!                           └ its own outbox, when the socket was full or the transport is TLS
//! ```

pub(crate) mod budget;
pub(crate) mod client;
pub(crate) mod inflow;
pub(crate) mod linger;
pub(crate) mod outbox;
pub(crate) mod port;
pub(crate) mod registry;
pub(crate) mod task;
pub(crate) mod trace;
pub(crate) mod transport;
pub(crate) mod worker;
