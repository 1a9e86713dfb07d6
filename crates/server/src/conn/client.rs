//! One client connection as the rest of the server sees it: its outbox, and facts that monitoring reads without asking.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use arc_swap::ArcSwapOption;
use firn_auth::account::AccountId;
use firn_id::{Monotonic, Timestamp};

use super::outbox::Outbox;

/// Publishers that waited for a client go on when no more than this waits for it.
const RESUMED_BYTES: usize = 1024 * 1024;

/// A client connection.
#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) id: u64,
    /// None for a connection within the process.
    pub(crate) address: Option<SocketAddr>,
    pub(crate) start: Timestamp,
    pub(crate) outbox: Outbox,
    pub(crate) limits: Arc<OutboxLimits>,
    pub(crate) counters: Counters,
    /// Known once the client has signed in.
    pub(crate) facts: ArcSwapOption<Facts>,
    /// Known once the TLS handshake is done.
    pub(crate) tls: Option<Box<TlsFacts>>,
}

/// What each outbox of a server may hold.
#[derive(Debug)]
pub(crate) struct OutboxLimits {
    /// `max_pending`, as it was at the start.
    pub(crate) pending_bytes_max: usize,
    drops_when_stalled: AtomicBool,
}

impl OutboxLimits {
    pub(crate) fn new(pending_bytes_max: usize, drops_when_stalled: bool) -> Self {
        OutboxLimits { pending_bytes_max, drops_when_stalled: AtomicBool::new(drops_when_stalled) }
    }

    /// `no_fast_producer_stall`: drop deliveries instead of slowing the producer down.
    #[inline]
    pub(crate) fn drops_when_stalled(&self) -> bool {
        self.drops_when_stalled.load(Relaxed)
    }

    /// Holds from now on, for clients that are connected as well.
    pub(crate) fn set_drops_when_stalled(&self, drops: bool) {
        self.drops_when_stalled.store(drops, Relaxed);
    }
}

/// Numbers that the client's task writes and monitoring reads.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) in_messages: AtomicU64,
    pub(crate) in_bytes: AtomicU64,
    pub(crate) subscriptions: AtomicU32,
    /// Times that this client's deliveries held a producer up.
    pub(crate) stalls: AtomicU32,
    /// Nanoseconds of monotonic time.
    last_activity: AtomicU64,
    /// Nanoseconds; 0 is unknown.
    round_trip: AtomicU64,
}

impl Counters {
    pub(crate) fn touch(&self, now: Monotonic) {
        self.last_activity.store(now.as_nanos(), Relaxed);
    }

    pub(crate) fn last_activity(&self) -> Monotonic {
        Monotonic::from_nanos(self.last_activity.load(Relaxed))
    }

    pub(crate) fn set_round_trip(&self, round_trip: Option<Duration>) {
        let nanos = round_trip.map_or(0, |duration| u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX).max(1));
        self.round_trip.store(nanos, Relaxed);
    }

    pub(crate) fn round_trip(&self) -> Option<Duration> {
        Some(self.round_trip.load(Relaxed)).filter(|&nanos| nanos != 0).map(Duration::from_nanos)
    }
}

/// What a client said of itself, and who it proved to be.
#[derive(Clone, Debug)]
pub(crate) struct Facts {
    pub(crate) name: Box<str>,
    pub(crate) language: Box<str>,
    pub(crate) version: Box<str>,
    /// As monitoring shows it; empty without authentication.
    pub(crate) user: Box<str>,
    pub(crate) account: AccountId,
    pub(crate) account_name: Box<str>,
}

/// What a TLS handshake settled.
#[derive(Clone, Debug)]
pub(crate) struct TlsFacts {
    pub(crate) version: &'static str,
    pub(crate) cipher_suite: &'static str,
    /// The handshake came before `INFO`.
    pub(crate) first: bool,
    /// The client's certificates, DER.
    pub(crate) peer_certificates: Vec<Vec<u8>>,
}

impl Client {
    /// The address as log lines and monitoring show it.
    pub(crate) fn address_text(&self) -> String {
        self.address.map_or_else(|| "in-process".to_owned(), |address| address.to_string())
    }

    /// What log lines about this client begin with: its address, its number, and once it has signed in what it says it
    /// is and whose it is.
    pub(crate) fn label(&self) -> String {
        let mut label = format!("{} - cid:{}", self.address_text(), self.id);
        let Some(facts) = self.facts() else { return label };
        let version = Some(&facts.version).filter(|version| !version.is_empty()).map(|version| format!("v{version}"));
        let words = [version.as_deref().unwrap_or_default(), &facts.language, &facts.name];
        let program = words.into_iter().filter(|word| !word.is_empty()).collect::<Vec<_>>().join(":");
        if !program.is_empty() {
            label.push_str(&format!(" - {program:?}"));
        }
        let user = if facts.user.is_empty() { String::new() } else { format!("/user:{}", facts.user) };
        label.push_str(&format!(" - {:?}", format!("{}{user}", facts.account_name)));
        label
    }

    /// Whether so much waits for this client that its publishers go on waiting.
    pub(crate) fn is_behind(&self) -> bool {
        self.outbox.status().pending > RESUMED_BYTES
    }

    /// The facts, if the client has signed in.
    pub(crate) fn facts(&self) -> Option<Arc<Facts>> {
        self.facts.load_full()
    }
}
