//! One memory budget for all outboxes, so that ten thousand slow clients together cost no more than one server may.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::Relaxed},
};

use bytes::Bytes;
use tokio::sync::Notify;

/// Bytes that outboxes hold, against what they may.
#[derive(Debug)]
pub(crate) struct Budget {
    used: AtomicUsize,
    limit: usize,
    exceeded: Notify,
}

impl Budget {
    pub(crate) fn new(limit: usize) -> Self {
        Budget { used: AtomicUsize::new(0), limit, exceeded: Notify::new() }
    }

    /// Memory was taken; above the limit the [keeper](Budget::exceeded) is told.
    pub(crate) fn take(&self, bytes: usize) {
        if self.used.fetch_add(bytes, Relaxed) + bytes > self.limit {
            self.exceeded.notify_one();
        }
    }

    pub(crate) fn give_back(&self, bytes: usize) {
        self.used.fetch_sub(bytes, Relaxed);
    }

    /// By how much the limit is exceeded.
    pub(crate) fn excess(&self) -> usize {
        self.used.load(Relaxed).saturating_sub(self.limit)
    }

    /// Returns when the limit was exceeded.
    pub(crate) async fn exceeded(&self) {
        self.exceeded.notified().await;
    }

    /// Bytes held now, and the limit.
    pub(crate) fn numbers(&self) -> (usize, usize) {
        (self.used.load(Relaxed), self.limit)
    }
}

/// A body that several outboxes hold; its memory counts once, until the last lets go of it.
struct Tracked {
    body: Bytes,
    budget: Arc<Budget>,
}

impl AsRef<[u8]> for Tracked {
    fn as_ref(&self) -> &[u8] {
        &self.body
    }
}

impl Drop for Tracked {
    fn drop(&mut self) {
        self.budget.give_back(self.body.len());
    }
}

impl Budget {
    /// The same body, accounted for as long as anybody holds it.
    pub(crate) fn track(self: &Arc<Self>, body: Bytes) -> Bytes {
        self.take(body.len());
        Bytes::from_owner(Tracked { body, budget: Arc::clone(self) })
    }
}
