//! One account's interest: a writer that stages changes, and the snapshot that publishers read.
//!
//! Changes are staged under a leaf lock and made visible together by [`Account::publish`], once per read batch of the
//! connection that made them; a snapshot is never edited.

use std::{
    mem,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use arc_swap::ArcSwap;
use firn_auth::account::AccountId;
use firn_subject::interest::{Interest, Matches};
#[expect(clippy::disallowed_types, reason = "leaf lock: each has its reason where it stands")]
use parking_lot::Mutex;

use crate::{
    Port, Subscription,
    generation::{Generations, Place, Touched},
};

/// An account as the router sees it.
#[derive(Debug)]
#[expect(clippy::disallowed_types, reason = "leaf lock: connections of the account stage their changes here")]
pub struct Account<P> {
    /// Its number.
    pub id: AccountId,
    /// Its name.
    pub name: Box<str>,
    /// Which cached routes are still current.
    pub generations: Generations,
    staged: Mutex<Staged<P>>,
    visible: ArcSwap<Interest<Arc<Subscription<P>>>>,
    inserts: AtomicU64,
    removes: AtomicU64,
    matches: AtomicU64,
}

#[derive(Debug)]
struct Staged<P> {
    interest: Interest<Arc<Subscription<P>>>,
    touched: Vec<Touched>,
}

/// The targets of one subject at one moment.
#[derive(Debug)]
pub struct Route<P> {
    /// Everybody who receives each message.
    pub plain: Vec<Arc<Subscription<P>>>,
    /// Groups of which one member receives it.
    pub queues: Vec<Vec<Arc<Subscription<P>>>>,
    is_apart: bool,
}

impl<P> Route<P> {
    /// Everybody receives each message, each at a port of its own and without a look at it: a run of messages may be
    /// handed to one after the other without anybody seeing another order.
    #[inline]
    pub fn is_apart(&self) -> bool {
        self.is_apart
    }

    /// Nobody.
    pub fn is_empty(&self) -> bool {
        self.plain.is_empty() && self.queues.is_empty()
    }

    /// How many receive each message.
    pub fn fan_out(&self) -> usize {
        self.plain.len() + self.queues.len()
    }
}

/// Numbers for monitoring.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Subscriptions now.
    pub subscriptions: u64,
    /// Subscriptions ever made.
    pub inserts: u64,
    /// Subscriptions ever dropped.
    pub removes: u64,
    /// Times that the interest was searched, that is, cache misses.
    pub matches: u64,
}

#[expect(clippy::disallowed_types, reason = "leaf lock: see Account")]
impl<P: Port> Account<P> {
    /// An account without interest; `seed` is random, so that strangers cannot aim at hash collisions.
    pub fn new(id: AccountId, name: &str, seed: u64) -> Self {
        let interest = Interest::with_seed(seed);
        Account {
            id,
            name: name.into(),
            generations: Generations::new(seed),
            visible: ArcSwap::from_pointee(interest.clone()),
            staged: Mutex::new(Staged { interest, touched: Vec::new() }),
            inserts: AtomicU64::new(0),
            removes: AtomicU64::new(0),
            matches: AtomicU64::new(0),
        }
    }

    /// Stages a subscription.
    pub fn insert(&self, subscription: Arc<Subscription<P>>) {
        let touched = self.generations.touched_by(subscription.subject());
        let mut staged = self.staged.lock();
        staged.touched.push(touched);
        let handle = Arc::clone(&subscription);
        staged.interest.insert(subscription.subject(), subscription.queue(), handle);
        drop(staged);
        self.inserts.fetch_add(1, Relaxed);
    }

    /// Stages the end of a subscription; false when it had ended already.
    pub fn remove(&self, subscription: &Arc<Subscription<P>>) -> bool {
        let touched = self.generations.touched_by(subscription.subject());
        let mut staged = self.staged.lock();
        let removed = staged
            .interest
            .remove(subscription.subject(), subscription.queue(), |other| Arc::ptr_eq(other, subscription));
        if removed.is_some() {
            staged.touched.push(touched);
        }
        drop(staged);
        if removed.is_some() {
            self.removes.fetch_add(1, Relaxed);
        }
        removed.is_some()
    }

    /// Makes staged changes visible to every publisher.
    pub fn publish(&self) {
        let mut staged = self.staged.lock();
        if staged.touched.is_empty() {
            return;
        }
        let touched = mem::take(&mut staged.touched);
        // Stored under the lock, so that an older snapshot never follows a newer one.
        let earlier = self.visible.swap(Arc::new(staged.interest.clone()));
        for counter in touched {
            self.generations.raise(counter);
        }
        drop(staged);
        drop(earlier);
    }

    /// Searches the interest as it is now. Take the stamp of `place` before, so that a change meanwhile shows.
    pub fn route(&self, subject: &[u8], scratch: &mut Matches<Arc<Subscription<P>>>) -> Route<P> {
        self.search(subject, scratch);
        let plain: Vec<_> = scratch.plain.drain(..).collect();
        let queues: Vec<_> = scratch.queues.drain(..).map(|(_, members)| members).collect();
        let is_apart = queues.is_empty() && are_apart(&plain);
        Route { plain, queues, is_apart }
    }

    /// The same into a route that was used before, whose memory it takes; for one message, so it never
    /// [is apart](Route::is_apart).
    pub fn route_again(&self, subject: &[u8], scratch: &mut Matches<Arc<Subscription<P>>>, route: &mut Route<P>) {
        self.search(subject, scratch);
        route.plain.clear();
        mem::swap(&mut route.plain, &mut scratch.plain);
        route.is_apart = false;
        route.queues.clear();
        route.queues.extend(scratch.queues.drain(..).map(|(_, members)| members));
    }

    fn search(&self, subject: &[u8], scratch: &mut Matches<Arc<Subscription<P>>>) {
        self.matches.fetch_add(1, Relaxed);
        self.visible.load().matches(subject, scratch);
    }

    /// The current stamp of a place.
    pub fn stamp(&self, place: Place) -> u64 {
        self.generations.stamp(place)
    }

    /// Whether a literal subject has any subscription.
    pub fn is_interested(&self, subject: &[u8]) -> bool {
        self.visible.load().is_interested(subject)
    }

    /// The interest as it is now, for monitoring.
    pub fn interest(&self) -> Arc<Interest<Arc<Subscription<P>>>> {
        self.visible.load_full()
    }

    /// Numbers for monitoring.
    pub fn statistics(&self) -> Statistics {
        Statistics {
            subscriptions: self.visible.load().len() as u64,
            inserts: self.inserts.load(Relaxed),
            removes: self.removes.load(Relaxed),
            matches: self.matches.load(Relaxed),
        }
    }
}

/// See [`Route::is_apart`].
fn are_apart<P: Port>(plain: &[Arc<Subscription<P>>]) -> bool {
    if plain.is_empty() || plain.iter().any(|subscription| subscription.receiver.is_some()) {
        return false;
    }
    if plain.len() == 1 {
        return true;
    }
    let mut ports: Vec<usize> = plain.iter().map(|subscription| subscription.port.identity()).collect();
    ports.sort_unstable();
    ports.windows(2).all(|two| two.first() != two.last())
}
