//! Which cached routes a change of interest can touch.
//!
//! A subject has a [`Place`]: one counter for its first token, one for its first two, one for the whole. A change of a
//! literal subscription raises the counter of that whole subject, `a.b.*` raises that of `a.b`, `a.*` that of `a`, and
//! a wildcard in front the one that all share. So an inbox that comes and goes leaves other routes cached.
//!
//! Counters only rise, so the sum of the four that belong to a subject is unchanged only if each of them is. (They wrap
//! after four thousand million changes; a route would have to lie unused for exactly so many to be taken for current.)

use std::{
    hash::BuildHasher,
    sync::atomic::{AtomicU32, Ordering},
};

use firn_subject::subject::tokens;
use foldhash::fast::FixedState;

const FIRST_TOKENS: usize = 256;
const FIRST_TWO_TOKENS: usize = 1024;
const WHOLE_SUBJECTS: usize = 2048;

/// The counters of one account.
#[derive(Debug)]
pub struct Generations {
    hasher: FixedState,
    all: AtomicU32,
    first_token: Box<[AtomicU32]>,
    first_two_tokens: Box<[AtomicU32]>,
    whole_subject: Box<[AtomicU32]>,
}

/// The counters that a subject depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    first_token: u16,
    first_two_tokens: u16,
    whole_subject: u16,
}

/// The counter that a changed pattern raises.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Touched {
    All,
    FirstToken(u16),
    FirstTwoTokens(u16),
    WholeSubject(u16),
}

impl Generations {
    /// All counters at zero; `seed` keeps a stranger from aiming at one counter.
    pub fn new(seed: u64) -> Self {
        let counters = |count| (0..count).map(|_| AtomicU32::new(0)).collect();
        Generations {
            hasher: FixedState::with_seed(seed),
            all: AtomicU32::new(0),
            first_token: counters(FIRST_TOKENS),
            first_two_tokens: counters(FIRST_TWO_TOKENS),
            whole_subject: counters(WHOLE_SUBJECTS),
        }
    }

    /// Where a literal subject belongs.
    pub fn place(&self, subject: &[u8]) -> Place {
        let (one, two) = leading(subject);
        Place {
            first_token: self.slot(one, FIRST_TOKENS),
            first_two_tokens: self.slot(two, FIRST_TWO_TOKENS),
            whole_subject: self.slot(subject, WHOLE_SUBJECTS),
        }
    }

    /// A number that differs from an earlier one if anything that can match subjects of this place changed since.
    pub fn stamp(&self, place: Place) -> u64 {
        let read = |counters: &[AtomicU32], slot: u16| u64::from(counters[usize::from(slot)].load(Ordering::Acquire));
        u64::from(self.all.load(Ordering::Acquire))
            + read(&self.first_token, place.first_token)
            + read(&self.first_two_tokens, place.first_two_tokens)
            + read(&self.whole_subject, place.whole_subject)
    }

    /// Which counter a change of `pattern` raises.
    pub(crate) fn touched_by(&self, pattern: &[u8]) -> Touched {
        let literal = tokens(pattern).take_while(|token| *token != b"*" && *token != b">").count();
        if literal == tokens(pattern).count() {
            return Touched::WholeSubject(self.slot(pattern, WHOLE_SUBJECTS));
        }
        let (one, two) = leading(pattern);
        match literal {
            0 => Touched::All,
            1 => Touched::FirstToken(self.slot(one, FIRST_TOKENS)),
            _ => Touched::FirstTwoTokens(self.slot(two, FIRST_TWO_TOKENS)),
        }
    }

    /// Raises one counter, after the snapshot that holds the change is visible.
    pub(crate) fn raise(&self, touched: Touched) {
        let counter = match touched {
            Touched::All => &self.all,
            Touched::FirstToken(slot) => &self.first_token[usize::from(slot)],
            Touched::FirstTwoTokens(slot) => &self.first_two_tokens[usize::from(slot)],
            Touched::WholeSubject(slot) => &self.whole_subject[usize::from(slot)],
        };
        counter.fetch_add(1, Ordering::Release);
    }

    fn slot(&self, bytes: &[u8], slots: usize) -> u16 {
        let hash = self.hasher.hash_one(bytes) % slots as u64;
        u16::try_from(hash).expect("tables have at most 65,536 slots")
    }
}

/// The first token, and the first two with the dot between them (the whole subject when it has fewer).
fn leading(subject: &[u8]) -> (&[u8], &[u8]) {
    let mut dots = memchr::memchr_iter(b'.', subject);
    let first = dots.next().unwrap_or(subject.len());
    let second = dots.next().unwrap_or(subject.len());
    (&subject[..first], &subject[..second])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(pattern: &[u8], subject: &[u8], expected_to_change: bool) {
        let generations = Generations::new(7);
        let place = generations.place(subject);
        let before = generations.stamp(place);
        generations.raise(generations.touched_by(pattern));
        assert_eq!(generations.stamp(place) != before, expected_to_change, "{pattern:?} {subject:?}");
    }

    #[test]
    fn every_pattern_that_matches_changes_the_stamp() {
        for pattern in ["a.b.c", "a.b.*", "a.*.c", "*.b.c", ">", "a.>", "a.b.>"] {
            check(pattern.as_bytes(), b"a.b.c", true);
        }
        check(b"a", b"a", true);
        check(b"*", b"a", true);
        check(b"a.*", b"a.b", true);
    }

    #[test]
    fn an_inbox_leaves_other_subjects_alone() {
        check(b"_INBOX.x.1", b"orders.eu.1", false);
        check(b"_INBOX.x.*", b"orders.eu.1", false);
        check(b"_INBOX.>", b"orders.eu.1", false);
    }
}
