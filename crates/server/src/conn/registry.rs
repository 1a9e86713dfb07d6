//! Who is connected, and who was: the open clients by number, and a bounded history of closed ones for monitoring.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use firn_id::Timestamp;
use firn_router::Subscription;
use firn_session::CloseReason;
#[expect(clippy::disallowed_types, reason = "leaf lock: see Registry")]
use parking_lot::Mutex;
use tokio::sync::watch;

use super::{client::Client, port::Port};

/// Subscriptions that are remembered of a client that is gone; ten thousand such clients are remembered.
pub(crate) const SUBSCRIPTIONS_MAX: usize = 1024;
/// Memory of all subscriptions that are remembered of clients that are gone.
const SUBSCRIPTION_BYTES_MAX: usize = 64 << 20;

/// All client connections of a server.
#[derive(Debug)]
#[expect(clippy::disallowed_types, reason = "leaf lock: touched when a client comes or goes, and by monitoring")]
pub(crate) struct Registry {
    last_id: AtomicU64,
    /// Ever accepted.
    total: AtomicU64,
    open: Mutex<Open>,
    closed: Mutex<History>,
    count: watch::Sender<usize>,
}

#[derive(Debug, Default)]
struct Open {
    clients: BTreeMap<u64, Arc<Client>>,
    /// Seats that are held by those who are not clients yet.
    arriving: usize,
}

impl Open {
    fn count(&self) -> usize {
        self.clients.len() + self.arriving
    }
}

/// Clients that are gone, oldest first.
///
/// Invariants: `clients.len() ≤ clients_max`; `subscription_bytes ≤ subscription_bytes_max` is what the clients from
/// `forgotten` on remember, and those before it remember nothing.
#[derive(Debug)]
struct History {
    clients: VecDeque<Arc<Closed>>,
    clients_max: usize,
    subscription_bytes: usize,
    subscription_bytes_max: usize,
    /// How many of the oldest remember no subscriptions any more.
    forgotten: usize,
}

impl History {
    fn new(clients_max: usize, subscription_bytes_max: usize) -> Self {
        History { clients: VecDeque::new(), clients_max, subscription_bytes: 0, subscription_bytes_max, forgotten: 0 }
    }

    fn push(&mut self, closed: Closed) {
        if self.clients_max == 0 {
            return;
        }
        if self.clients.len() >= self.clients_max
            && let Some(oldest) = self.clients.pop_front()
        {
            self.subscription_bytes -= oldest.subscription_bytes();
            self.forgotten = self.forgotten.saturating_sub(1);
        }
        self.subscription_bytes += closed.subscription_bytes();
        self.clients.push_back(Arc::new(closed));
        // The client stays; what it was subscribed to takes the most memory and is asked for the least.
        while self.subscription_bytes > self.subscription_bytes_max
            && let Some(oldest) = self.clients.get_mut(self.forgotten)
        {
            self.subscription_bytes -= oldest.subscription_bytes();
            Arc::make_mut(oldest).subscriptions = Vec::new();
            self.forgotten += 1;
        }
    }
}

/// A client that is gone.
#[derive(Clone, Debug)]
pub(crate) struct Closed {
    pub(crate) client: Arc<Client>,
    pub(crate) stop: Timestamp,
    pub(crate) reason: CloseReason,
    /// Those it held at its end, up to [`SUBSCRIPTIONS_MAX`]; none when younger clients needed the memory.
    pub(crate) subscriptions: Vec<Arc<Subscription<Port>>>,
    pub(crate) pending: usize,
    pub(crate) out_messages: u64,
    pub(crate) out_bytes: u64,
}

impl Closed {
    /// Memory of the subscriptions. They do not change, so it is the same when they are remembered and forgotten.
    fn subscription_bytes(&self) -> usize {
        let bytes = |subscription: &Arc<Subscription<Port>>| {
            let queue_bytes = subscription.queue().map_or(0, <[u8]>::len);
            size_of::<Subscription<Port>>() + subscription.subject().len() + queue_bytes + subscription.sid().len()
        };
        self.subscriptions.iter().map(bytes).sum()
    }
}

#[expect(clippy::disallowed_types, reason = "leaf lock: see Registry")]
impl Registry {
    /// `closed_max` clients are remembered after they are gone.
    pub(crate) fn new(closed_max: usize) -> Self {
        Registry {
            last_id: AtomicU64::new(0),
            total: AtomicU64::new(0),
            open: Mutex::new(Open::default()),
            closed: Mutex::new(History::new(closed_max, SUBSCRIPTION_BYTES_MAX)),
            count: watch::Sender::new(0),
        }
    }

    /// A number that no other client of this server has or had.
    pub(crate) fn next_id(&self) -> u64 {
        self.last_id.fetch_add(1, Relaxed) + 1
    }

    /// Somebody came. False when `max` are there already.
    pub(crate) fn arrive(&self, max: usize) -> bool {
        self.total.fetch_add(1, Relaxed);
        let mut open = self.open.lock();
        if open.count() >= max {
            return false;
        }
        open.arriving += 1;
        self.count.send_replace(open.count());
        true
    }

    /// Who [arrived](Registry::arrive) is a client now.
    pub(crate) fn enter(&self, client: &Arc<Client>) {
        let mut open = self.open.lock();
        open.arriving -= 1;
        open.clients.insert(client.id, Arc::clone(client));
    }

    /// Who [arrived](Registry::arrive) did not become a client.
    pub(crate) fn turn_back(&self) {
        let mut open = self.open.lock();
        open.arriving -= 1;
        self.count.send_replace(open.count());
    }

    /// A client went, or one that was refused.
    pub(crate) fn leave(&self, closed: Closed) {
        let id = closed.client.id;
        self.closed.lock().push(closed);
        let mut open = self.open.lock();
        open.clients.remove(&id);
        self.count.send_replace(open.count());
    }

    /// The client with this number.
    pub(crate) fn find(&self, id: u64) -> Option<Arc<Client>> {
        self.open.lock().clients.get(&id).cloned()
    }

    /// Everybody who is connected, by number.
    pub(crate) fn open(&self) -> Vec<Arc<Client>> {
        self.open.lock().clients.values().cloned().collect()
    }

    /// Those who are gone, oldest first.
    pub(crate) fn closed(&self) -> Vec<Arc<Closed>> {
        self.closed.lock().clients.iter().cloned().collect()
    }

    /// How many are connected or about to be.
    pub(crate) fn len(&self) -> usize {
        *self.count.borrow()
    }

    /// How many ever came.
    pub(crate) fn total(&self) -> u64 {
        self.total.load(Relaxed)
    }

    /// Returns when nobody is connected any more.
    pub(crate) async fn emptied(&self) {
        let mut count = self.count.subscribe();
        // The sender lives as long as the registry, so waiting cannot fail.
        let _ = count.wait_for(|&count| count == 0).await;
    }
}

#[cfg(test)]
mod tests {
    use firn_auth::account::AccountId;
    use firn_config::Options;

    use super::*;
    use crate::harness::{client, server};

    /// How many subscriptions each client of the history remembers, oldest first.
    fn remembered(history: &History) -> Vec<usize> {
        history.clients.iter().map(|closed| closed.subscriptions.len()).collect()
    }

    #[test]
    fn the_oldest_clients_forget_their_subscriptions_when_the_history_is_large() {
        let (state, _) = server(Options::default());
        let closed = |subject_bytes: usize| {
            let client = client(&state, "gone", AccountId::GLOBAL, 0);
            let subject = vec![b'x'; subject_bytes];
            let subscription =
                |sid: &[u8]| Arc::new(Subscription::new(Port::Client(Arc::clone(&client)), &subject, None, sid, None));
            let subscriptions = vec![subscription(b"1"), subscription(b"2"), subscription(b"3")];
            Closed {
                client,
                stop: Timestamp::from_unix_nanos(0),
                reason: CloseReason::ClientClosed,
                subscriptions,
                pending: 0,
                out_messages: 0,
                out_bytes: 0,
            }
        };
        let bytes = closed(1000).subscription_bytes();
        assert!(bytes > 3 * 1000);
        let mut history = History::new(4, 2 * bytes);
        let check = |history: &mut History, subject_bytes: usize, expected: &[usize]| {
            history.push(closed(subject_bytes));
            assert_eq!(remembered(history), expected);
            let sum: usize = history.clients.iter().map(|closed| closed.subscription_bytes()).sum();
            assert_eq!(sum, history.subscription_bytes);
        };
        check(&mut history, 1000, &[3]);
        check(&mut history, 1000, &[3, 3]);
        // Who reads the history meanwhile keeps what it has.
        let reader = history.clients.clone();
        check(&mut history, 1000, &[0, 3, 3]);
        check(&mut history, 1000, &[0, 0, 3, 3]);
        assert_eq!(reader.iter().map(|closed| closed.subscriptions.len()).collect::<Vec<_>>(), [3, 3]);
        // More clients than are remembered.
        check(&mut history, 10, &[0, 0, 3, 3]);
        check(&mut history, 10, &[0, 3, 3, 3]);
        check(&mut history, 10, &[3, 3, 3, 3]);
        // One that is too large by itself.
        check(&mut history, 3000, &[0, 0, 0, 0]);
        check(&mut history, 10, &[0, 0, 0, 3]);
    }

    #[test]
    fn a_history_of_no_clients_stays_empty() {
        let (state, _) = server(Options::default());
        let registry = Registry::new(0);
        let client = client(&state, "gone", AccountId::GLOBAL, 0);
        assert!(registry.arrive(1));
        registry.enter(&client);
        registry.leave(Closed {
            client,
            stop: Timestamp::from_unix_nanos(0),
            reason: CloseReason::ClientClosed,
            subscriptions: Vec::new(),
            pending: 0,
            out_messages: 0,
            out_bytes: 0,
        });
        assert!(registry.closed().is_empty());
    }
}
