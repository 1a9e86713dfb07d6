//! A connection's subscriptions by sid: one pointer each, since an idle connection has one and a busy one a million.

use std::{hash::BuildHasher, sync::Arc};

use firn_router::Subscription;
use foldhash::fast::FixedState;
use hashbrown::HashTable;

#[derive(Debug)]
pub(crate) struct Subscriptions<P> {
    hasher: FixedState,
    by_sid: HashTable<Arc<Subscription<P>>>,
}

impl<P> Subscriptions<P> {
    pub(crate) fn new(seed: u64) -> Self {
        Subscriptions { hasher: FixedState::with_seed(seed), by_sid: HashTable::new() }
    }

    pub(crate) fn find(&self, sid: &[u8]) -> Option<&Arc<Subscription<P>>> {
        self.by_sid.find(self.hasher.hash_one(sid), |subscription| subscription.sid() == sid)
    }

    /// The sid must not be there yet.
    pub(crate) fn insert(&mut self, subscription: Arc<Subscription<P>>) {
        let hasher = &self.hasher;
        let hash = hasher.hash_one(subscription.sid());
        self.by_sid.insert_unique(hash, subscription, |other| hasher.hash_one(other.sid()));
    }

    /// Takes out exactly this subscription, not another that reuses its sid.
    pub(crate) fn remove(&mut self, subscription: &Arc<Subscription<P>>) -> bool {
        let hash = self.hasher.hash_one(subscription.sid());
        match self.by_sid.find_entry(hash, |other| Arc::ptr_eq(other, subscription)) {
            Ok(entry) => {
                entry.remove();
                self.shrink_when_sparse();
                true
            }
            Err(_) => false,
        }
    }

    pub(crate) fn drain(&mut self) -> impl Iterator<Item = Arc<Subscription<P>>> + use<P> {
        std::mem::take(&mut self.by_sid).into_iter()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<Subscription<P>>> {
        self.by_sid.iter()
    }

    pub(crate) fn len(&self) -> usize {
        self.by_sid.len()
    }

    /// Who dropped most of many subscriptions gets the memory back.
    fn shrink_when_sparse(&mut self) {
        if self.by_sid.capacity() > 1024 && self.by_sid.len() < self.by_sid.capacity() / 8 {
            let hasher = &self.hasher;
            self.by_sid.shrink_to(self.by_sid.len() * 2, |other| hasher.hash_one(other.sid()));
        }
    }
}
