//! One memory budget for all outboxes, so that ten thousand slow clients together cost no more than one server may.

use std::sync::{
    Arc,
    atomic::{AtomicIsize, Ordering::Relaxed},
};

use bytes::Bytes;
use tokio::sync::Notify;

/// Bytes that outboxes hold, against what they may.
#[derive(Debug)]
pub(crate) struct Budget {
    /// Below zero for a moment: who appends takes after its outbox is unlocked, and a writer may give back before.
    used: AtomicIsize,
    limit: usize,
    exceeded: Notify,
}

impl Budget {
    pub(crate) fn new(limit: usize) -> Self {
        Budget { used: AtomicIsize::new(0), limit, exceeded: Notify::new() }
    }

    /// Memory was taken; above the limit the [keeper](Budget::exceeded) is told, and the taker, who is to wait before
    /// it takes more.
    pub(crate) fn take(&self, bytes: usize) -> bool {
        let before = self.used.fetch_add(bytes.cast_signed(), Relaxed);
        let is_scarce = positive(before.saturating_add(bytes.cast_signed())) > self.limit;
        if is_scarce {
            self.exceeded.notify_one();
        }
        is_scarce
    }

    pub(crate) fn give_back(&self, bytes: usize) {
        self.used.fetch_sub(bytes.cast_signed(), Relaxed);
    }

    /// More is held than may be.
    pub(crate) fn is_exceeded(&self) -> bool {
        self.used() > self.limit
    }

    /// So much is free that the keeper may rest.
    pub(crate) fn has_room(&self) -> bool {
        self.used() <= self.limit - self.limit / 16
    }

    /// Returns when the limit was exceeded.
    pub(crate) async fn exceeded(&self) {
        self.exceeded.notified().await;
    }

    /// Bytes held now, and the limit.
    pub(crate) fn numbers(&self) -> (usize, usize) {
        (self.used(), self.limit)
    }

    fn used(&self) -> usize {
        positive(self.used.load(Relaxed))
    }
}

fn positive(used: isize) -> usize {
    used.max(0).cast_unsigned()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_given_back_before_it_is_taken_adds_up() {
        let budget = Budget::new(100);
        budget.give_back(70);
        assert_eq!(budget.numbers(), (0, 100));
        assert!(!budget.is_exceeded() && budget.has_room());
        assert!(!budget.take(70));
        assert_eq!(budget.numbers(), (0, 100));
        assert!(!budget.take(100) && budget.take(1));
        assert!(budget.is_exceeded());
        budget.give_back(101);
        assert!(budget.has_room());
    }
}
