//! A connection's own memory of routes: publish to the same subject again and nothing is searched, locked or allocated.
//!
//! Four-way sets, chosen by the subject's hash. It begins empty (an idle connection owns no memory here), grows while
//! subjects push one another out, and stops at [`SETS_MAX`]; beyond that only some of the misses may replace an entry,
//! because a publisher that never repeats a subject would pay for entries that it never finds again.
//!
//! Routes of many receivers weigh more: all values together hold [`RECEIVERS_MAX`], since each receiver is kept alive by
//! the routes that lead to it, long after it has gone if this connection is idle.
//!
//! ```text
//!   hash ──► set: [h₀ h₁ h₂ h₃] ──equal?──► entry: subject, place, stamp, value
//! ```

use std::{hash::BuildHasher, mem};

use foldhash::fast::FixedState;

use crate::{Account, Place, Port};

const WAYS: usize = 4;
const SETS_MIN: usize = 2;
/// 8,192 subjects: about 1 MiB for a connection that uses them all.
const SETS_MAX: usize = 2048;
/// Each time that it grows.
const GROWTH: usize = 4;
/// It grows to the maximum exactly.
const _: () = assert!((SETS_MAX / SETS_MIN).ilog2().is_multiple_of(GROWTH.ilog2()) && SETS_MAX.is_power_of_two());
/// Receivers of all values together, unless a single value has more.
const RECEIVERS_MAX: usize = 16 * 1024;
/// In a full cache one miss in so many replaces an entry.
const ADMIT_ONE_OF: u32 = 16;

/// Subject to value, kept while the account's interest in that subject stands still.
#[derive(Debug)]
pub struct Cache<V> {
    hasher: FixedState,
    sets: Vec<Set<V>>,
    /// What was found last: most publishers repeat themselves.
    last: Option<Found>,
    replaced: usize,
    misses: u32,
    /// Of all values.
    receivers: usize,
}

#[derive(Debug)]
struct Set<V> {
    hashes: [u64; WAYS],
    entries: [Option<Box<Entry<V>>>; WAYS],
}

#[derive(Debug)]
struct Entry<V> {
    place: Place,
    stamp: u64,
    subject: Box<[u8]>,
    value: V,
    receivers: usize,
}

/// What [`Cache::find`] knows of a subject.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    set: usize,
    way: usize,
}

impl<V> Cache<V> {
    /// Empty; `seed` is random.
    pub fn new(seed: u64) -> Self {
        Cache {
            hasher: FixedState::with_seed(seed),
            sets: Vec::new(),
            last: None,
            replaced: 0,
            misses: 0,
            receivers: 0,
        }
    }

    /// Where the value of `subject` is, if it is there and still current.
    #[inline]
    pub fn find<P: Port>(&mut self, account: &Account<P>, subject: &[u8]) -> Option<Found> {
        let found = match self.last.filter(|&last| self.entry(last).is_some_and(|entry| *entry.subject == *subject)) {
            Some(last) => last,
            None => self.search(subject)?,
        };
        let entry = self.entry(found)?;
        if account.stamp(entry.place) != entry.stamp {
            return None;
        }
        self.last = Some(found);
        Some(found)
    }

    #[inline]
    fn search(&self, subject: &[u8]) -> Option<Found> {
        if self.sets.is_empty() {
            return None;
        }
        let hash = self.hash(subject);
        let set = self.set_of(hash);
        let way = self.sets[set].hashes.iter().position(|&other| other == hash)?;
        let found = Found { set, way };
        (*self.entry(found)?.subject == *subject).then_some(found)
    }

    #[inline]
    fn entry(&self, found: Found) -> Option<&Entry<V>> {
        self.sets.get(found.set)?.entries[found.way].as_deref()
    }

    /// The value found a moment ago.
    #[inline]
    pub fn value(&self, found: Found) -> &V {
        &self.entry(found).expect("nothing was inserted since it was found").value
    }

    /// Keeps the value of `subject`, whose place had this stamp before; `make` gives it with the number of its
    /// receivers. `None`, and nothing is made, if it is not worth keeping.
    pub fn insert_with(
        &mut self,
        subject: &[u8],
        place: Place,
        stamp: u64,
        make: impl FnOnce() -> (V, usize),
    ) -> Option<Found> {
        if self.sets.is_empty() {
            self.sets.resize_with(SETS_MIN, Set::empty);
        }
        if self.replaced > self.sets.len() && self.sets.len() < SETS_MAX {
            self.grow();
        }
        let hash = self.hash(subject);
        let set = self.set_of(hash);
        let Set { hashes, entries } = &self.sets[set];
        let same = hashes.iter().position(|&other| other == hash);
        let way = same.or_else(|| entries.iter().position(Option::is_none));
        let way = match way {
            Some(way) => way,
            None => {
                self.misses = self.misses.wrapping_add(1);
                if self.sets.len() == SETS_MAX && !self.misses.is_multiple_of(ADMIT_ONE_OF) {
                    return None;
                }
                self.replaced += 1;
                self.misses as usize / ADMIT_ONE_OF as usize % WAYS
            }
        };
        let earlier = self.sets[set].entries[way].take();
        self.receivers -= earlier.map_or(0, |earlier| earlier.receivers);
        let (value, receivers) = make();
        if self.receivers + receivers > RECEIVERS_MAX {
            self.sets.iter_mut().for_each(|set| *set = Set::empty());
            self.receivers = 0;
            self.last = None;
        }
        let entry = Entry { place, stamp, subject: subject.into(), value, receivers };
        self.receivers += receivers;
        self.sets[set].hashes[way] = hash;
        self.sets[set].entries[way] = Some(Box::new(entry));
        Some(Found { set, way })
    }

    /// Forgets everything and gives the memory back.
    pub fn clear(&mut self) {
        self.sets = Vec::new();
        self.last = None;
        self.replaced = 0;
        self.receivers = 0;
    }

    /// How many subjects are kept.
    pub fn len(&self) -> usize {
        self.sets.iter().flat_map(|set| &set.entries).flatten().count()
    }

    /// Nothing is kept.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn grow(&mut self) {
        self.replaced = 0;
        self.last = None;
        let more = self.sets.len() * GROWTH;
        let mut sets = Vec::new();
        sets.resize_with(more, Set::empty);
        for set in mem::replace(&mut self.sets, sets) {
            for (hash, entry) in set.hashes.into_iter().zip(set.entries) {
                let Some(entry) = entry else { continue };
                let index = self.set_of(hash);
                let target = &mut self.sets[index];
                // Each set is split into four, so what shared one still fits.
                let way = target.entries.iter().position(Option::is_none).expect("a split set has room");
                target.hashes[way] = hash;
                target.entries[way] = Some(entry);
            }
        }
    }

    #[inline]
    fn hash(&self, subject: &[u8]) -> u64 {
        self.hasher.hash_one(subject)
    }

    #[inline]
    fn set_of(&self, hash: u64) -> usize {
        // The number of sets is a power of two; the truncation keeps the low bits, which are the ones asked for.
        (hash as usize) & (self.sets.len() - 1)
    }
}

impl<V> Set<V> {
    fn empty() -> Self {
        Set { hashes: [0; WAYS], entries: [const { None }; WAYS] }
    }
}
