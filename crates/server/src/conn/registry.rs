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

/// All client connections of a server.
#[derive(Debug)]
#[expect(clippy::disallowed_types, reason = "leaf lock: touched when a client comes or goes, and by monitoring")]
pub(crate) struct Registry {
    last_id: AtomicU64,
    /// Ever accepted.
    total: AtomicU64,
    open: Mutex<Open>,
    closed: Mutex<VecDeque<Arc<Closed>>>,
    closed_max: usize,
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

/// A client that is gone.
#[derive(Debug)]
pub(crate) struct Closed {
    pub(crate) client: Arc<Client>,
    pub(crate) stop: Timestamp,
    pub(crate) reason: CloseReason,
    /// Those it held at its end, up to [`SUBSCRIPTIONS_MAX`].
    pub(crate) subscriptions: Vec<Arc<Subscription<Port>>>,
    pub(crate) pending: usize,
    pub(crate) out_messages: u64,
    pub(crate) out_bytes: u64,
}

#[expect(clippy::disallowed_types, reason = "leaf lock: see Registry")]
impl Registry {
    /// `closed_max` clients are remembered after they are gone.
    pub(crate) fn new(closed_max: usize) -> Self {
        Registry {
            last_id: AtomicU64::new(0),
            total: AtomicU64::new(0),
            open: Mutex::new(Open::default()),
            closed: Mutex::new(VecDeque::new()),
            closed_max,
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
        self.remember(closed);
        let mut open = self.open.lock();
        open.clients.remove(&id);
        self.count.send_replace(open.count());
    }

    fn remember(&self, closed: Closed) {
        let mut history = self.closed.lock();
        if history.len() >= self.closed_max {
            history.pop_front();
        }
        if self.closed_max > 0 {
            history.push_back(Arc::new(closed));
        }
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
        self.closed.lock().iter().cloned().collect()
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
