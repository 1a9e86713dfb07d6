//! One account's interest: a writer that stages changes, and the snapshot that publishers read.
//!
//! Changes are staged under a leaf lock and made visible together by [`Account::publish`], once per read batch of the
//! connection that made them; a snapshot is never edited. A panic half-way through a change is told while the lock is
//! still held, to a hook that ends the process: nobody is served by interest that is half changed.

use std::{
    mem,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use arc_swap::ArcSwap;
use firn_auth::account::AccountId;
use firn_subject::interest::{Identity, Interest, Matches};
#[expect(clippy::disallowed_types, reason = "leaf lock: each has its reason where it stands")]
use parking_lot::Mutex;

use crate::{
    Picker, Port, Subscription,
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
    on_half_change: fn(),
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
    /// handed to one after the other without anybody seeing another order. So it is with nobody.
    #[inline]
    pub fn is_apart(&self) -> bool {
        self.is_apart
    }

    /// Nobody.
    pub fn is_empty(&self) -> bool {
        self.plain.is_empty() && self.queues.is_empty()
    }

    /// How many are kept alive by this route.
    pub fn receivers(&self) -> usize {
        self.plain.len() + self.queues.iter().map(Vec::len).sum::<usize>()
    }

    /// How many receive each message.
    pub fn fan_out(&self) -> usize {
        self.plain.len() + self.queues.len()
    }

    /// Offers a message to everybody, and in each queue group to one member after the other until one takes it. `offer`
    /// says whether a subscription took it; gives back how many did.
    #[inline]
    pub fn offer(&self, picker: &mut Picker, mut offer: impl FnMut(&Arc<Subscription<P>>) -> bool) -> usize {
        let mut taken = 0;
        for subscription in &self.plain {
            taken += usize::from(offer(subscription));
        }
        for members in &self.queues {
            let first = if members.len() > 1 { picker.below(members.len()) } else { 0 };
            let (before, from) = members.split_at(first);
            // The first that takes it ends the search.
            taken += usize::from(from.iter().chain(before).any(&mut offer));
        }
        taken
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

/// A change that is under way; it is forgotten once it is whole.
struct Unfinished(fn());

impl Drop for Unfinished {
    fn drop(&mut self) {
        (self.0)();
    }
}

#[expect(clippy::disallowed_types, reason = "leaf lock: see Account")]
impl<P: Port> Account<P> {
    /// An account without interest; `seed` is random, so that strangers cannot aim at hash collisions.
    /// `on_half_change` is called when a panic leaves a change half made, and must not return where others still run.
    pub fn new(id: AccountId, name: &str, seed: u64, on_half_change: fn()) -> Self {
        let interest = Interest::with_seed(seed);
        Account {
            id,
            name: name.into(),
            generations: Generations::new(seed),
            visible: ArcSwap::from_pointee(interest.clone()),
            staged: Mutex::new(Staged { interest, touched: Vec::new() }),
            on_half_change,
            inserts: AtomicU64::new(0),
            removes: AtomicU64::new(0),
            matches: AtomicU64::new(0),
        }
    }

    /// Stages a subscription.
    pub fn insert(&self, subscription: Arc<Subscription<P>>) {
        let touched = self.generations.touched_by(subscription.subject());
        self.change(|staged| {
            staged.touched.push(touched);
            let handle = Arc::clone(&subscription);
            staged.interest.insert(subscription.subject(), subscription.queue(), handle);
        });
        self.inserts.fetch_add(1, Relaxed);
    }

    /// Stages the end of a subscription; false when it had ended already.
    pub fn remove(&self, subscription: &Arc<Subscription<P>>) -> bool {
        let touched = self.generations.touched_by(subscription.subject());
        let removed = self.change(|staged| {
            let identity = subscription.identity();
            let removed = staged.interest.remove(subscription.subject(), subscription.queue(), identity);
            if removed.is_some() {
                staged.touched.push(touched);
            }
            removed
        });
        if removed.is_some() {
            self.removes.fetch_add(1, Relaxed);
        }
        removed.is_some()
    }

    /// Makes staged changes visible to every publisher.
    pub fn publish(&self) {
        let earlier = self.change(|staged| {
            if staged.touched.is_empty() {
                return None;
            }
            let touched = mem::take(&mut staged.touched);
            // Stored under the lock, so that an older snapshot never follows a newer one.
            let earlier = self.visible.swap(Arc::new(staged.interest.clone()));
            for counter in touched {
                self.generations.raise(counter);
            }
            Some(earlier)
        });
        // It may be large, and nobody has to wait for its end.
        drop(earlier);
    }

    /// Runs a change under the lock, wholly or not at all as far as others can see.
    fn change<T>(&self, change: impl FnOnce(&mut Staged<P>) -> T) -> T {
        let mut staged = self.staged.lock();
        // Dropped before the lock is released.
        let unfinished = Unfinished(self.on_half_change);
        let value = change(&mut staged);
        mem::forget(unfinished);
        value
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
    if plain.iter().any(|subscription| subscription.receiver.is_some()) {
        return false;
    }
    if plain.len() <= 1 {
        return true;
    }
    let mut ports: Vec<usize> = plain.iter().map(|subscription| subscription.port.identity()).collect();
    ports.sort_unstable();
    ports.windows(2).all(|two| two.first() != two.last())
}

#[cfg(test)]
mod tests {
    use std::{
        panic::{AssertUnwindSafe, catch_unwind},
        sync::atomic::AtomicUsize,
    };

    use super::*;
    use crate::{Delivered, Message};

    #[derive(Clone, Debug, PartialEq, Eq)]
    struct Nobody;

    impl Port for Nobody {
        type Batch = ();

        fn deliver(&self, _: &Arc<Subscription<Self>>, _: &Message<'_>, (): &mut ()) -> Delivered {
            Delivered::Taken
        }
    }

    impl Identity for Nobody {
        fn identity(&self) -> usize {
            0
        }
    }

    static CALLS: AtomicUsize = AtomicUsize::new(0);

    #[test]
    fn a_panic_half_way_through_a_change_is_told_before_anybody_can_see_it() {
        let account = Account::<Nobody>::new(AccountId::GLOBAL, "$G", 7, || {
            CALLS.fetch_add(1, Relaxed);
        });
        let subscription = Arc::new(Subscription::new(Nobody, b"a", None, b"1", None));
        account.insert(Arc::clone(&subscription));
        account.publish();
        account.publish();
        assert!(account.remove(&subscription) && !account.remove(&subscription));
        assert_eq!(CALLS.load(Relaxed), 0, "whole changes are nobody's business");
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            account.change(|staged| {
                staged.touched.clear();
                panic!("half-way");
            })
        }));
        assert!(outcome.is_err());
        assert_eq!(CALLS.load(Relaxed), 1);
        // A connection that unwinds for another reason still withdraws its interest.
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            let _leaving = Leaving(&account);
            panic!("elsewhere");
        }));
        assert!(outcome.is_err());
        assert_eq!(CALLS.load(Relaxed), 1);
    }

    struct Leaving<'a>(&'a Account<Nobody>);

    impl Drop for Leaving<'_> {
        fn drop(&mut self) {
            self.0.publish();
        }
    }
}
