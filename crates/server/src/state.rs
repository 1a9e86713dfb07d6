//! What all tasks of one server share. Everything here is a snapshot that is replaced whole, an atomic, or has a leaf
//! lock of its own.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use arc_swap::{ArcSwap, ArcSwapOption};
use firn_auth::account::AccountId;
use firn_id::{Monotonic, Timestamp};
use firn_session::{Accounts, CloseReason, Settings};
use tokio::sync::watch;

use crate::{
    conn::{budget::Budget, client::OutboxLimits, port::Port, registry::Registry},
    events::Events,
    files::{Listening, PortsFile},
    keys::ServerKeys,
    monitor::Monitor,
    passwords::Passwords,
    settings::server_name,
    source::ConfigSource,
    tls::Tls,
};

/// A running server.
pub(crate) struct State {
    /// Who this server is: fresh keys at each start.
    pub(crate) keys: ServerKeys,
    /// Where clients connect.
    pub(crate) client_address: SocketAddr,
    /// Where monitoring is served, if it is.
    pub(crate) monitoring: Option<Listening>,
    pub(crate) start: Timestamp,
    pub(crate) started: Monotonic,
    /// What clients notice of the configuration.
    pub(crate) settings: ArcSwap<Settings>,
    /// TLS for clients, where it is configured.
    pub(crate) tls: ArcSwapOption<Tls>,
    /// The whole configuration as it is in force.
    pub(crate) options: ArcSwap<firn_config::Options>,
    pub(crate) config_loaded: ArcSwap<Timestamp>,
    pub(crate) accounts: Arc<Accounts<Port>>,
    pub(crate) registry: Registry,
    pub(crate) budget: Arc<Budget>,
    pub(crate) outbox_limits: Arc<OutboxLimits>,
    pub(crate) passwords: Passwords,
    pub(crate) events: Events,
    pub(crate) totals: Totals,
    /// What monitoring remembers between requests.
    pub(crate) monitor: Monitor,
    /// Whether the server takes clients, and whether it is on its way out.
    pub(crate) phase: watch::Sender<Phase>,
    /// Where the configuration came from.
    pub(crate) source: ConfigSource,
    /// `sha256:…` of the configuration file in force.
    pub(crate) config_digest: ArcSwapOption<String>,
    /// Removed when it is replaced, and at the end.
    pub(crate) ports_file: ArcSwapOption<PortsFile>,
    /// A publish to this subject panics; for the test that a panic ends one connection only.
    pub(crate) panic_subject: Option<Box<[u8]>>,
}

/// How far along its life a server is; it never goes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Phase {
    /// Takes clients.
    Serving,
    /// Takes no clients any more, and lets those it has go one by one.
    LameDuck,
    /// Everybody leaves.
    Stopping,
}

/// Sums over all clients, ever.
#[derive(Debug, Default)]
pub(crate) struct Totals {
    pub(crate) in_messages: AtomicU64,
    pub(crate) in_bytes: AtomicU64,
    pub(crate) out_messages: AtomicU64,
    pub(crate) out_bytes: AtomicU64,
    pub(crate) slow_consumers: AtomicU64,
    pub(crate) stale_connections: AtomicU64,
    pub(crate) stalled_clients: AtomicU64,
    pub(crate) panics: AtomicU64,
    pub(crate) authentication_failures: AtomicU64,
    pub(crate) tls_failures: AtomicU64,
    /// Clients refused because there were too many.
    pub(crate) connections_refused: AtomicU64,
    /// By [`AccountId`]: `$G` and `$SYS`.
    by_account: [AccountTotals; 2],
}

/// Numbers of one account.
#[derive(Debug, Default)]
pub(crate) struct AccountTotals {
    /// Clients signed in now.
    pub(crate) connections: AtomicU64,
    /// Published by its clients, ever.
    pub(crate) in_messages: AtomicU64,
    pub(crate) in_bytes: AtomicU64,
    /// Delivered to its clients, ever.
    pub(crate) out_messages: AtomicU64,
    pub(crate) out_bytes: AtomicU64,
    pub(crate) slow_consumers: AtomicU64,
}

impl Totals {
    /// The numbers of one account.
    pub(crate) fn of_account(&self, id: AccountId) -> &AccountTotals {
        let index = usize::try_from(id.0).unwrap_or(usize::MAX);
        self.by_account.get(index).expect("the accounts of a server are `$G` and `$SYS`")
    }

    /// Counts what a reason means to the operator.
    pub(crate) fn count(&self, reason: CloseReason) {
        match reason {
            CloseReason::SlowConsumerPendingBytes | CloseReason::SlowConsumerWriteDeadline => {
                self.slow_consumers.fetch_add(1, Relaxed);
            }
            CloseReason::StaleConnection => {
                self.stale_connections.fetch_add(1, Relaxed);
            }
            CloseReason::AuthenticationViolation | CloseReason::AuthenticationTimeout => {
                self.authentication_failures.fetch_add(1, Relaxed);
            }
            CloseReason::TlsHandshakeError => {
                self.tls_failures.fetch_add(1, Relaxed);
            }
            CloseReason::MaxConnectionsExceeded => {
                self.connections_refused.fetch_add(1, Relaxed);
            }
            CloseReason::InternalError => {
                self.panics.fetch_add(1, Relaxed);
            }
            _ => {}
        }
    }
}

impl State {
    /// Its configured name, or else its id.
    pub(crate) fn server_name(&self) -> String {
        server_name(&self.options.load(), &self.keys)
    }

    /// Goes on to a later phase; false when the server is there already or further.
    pub(crate) fn advance(&self, phase: Phase) -> bool {
        self.phase.send_if_modified(|now| {
            let is_later = *now < phase;
            if is_later {
                *now = phase;
            }
            is_later
        })
    }

    /// The server no longer takes clients.
    pub(crate) fn is_leaving(&self) -> bool {
        *self.phase.borrow() > Phase::Serving
    }

    /// How long a full socket may take nothing.
    pub(crate) fn write_deadline(&self) -> Duration {
        self.options.load().write_deadline
    }
}
