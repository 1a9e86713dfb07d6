//! Which literal patterns are certainly not there, in one bit a pattern.
//!
//! A publisher to a subject that nobody spells out would walk the map down to some other pattern's leaf, a cache miss a
//! level. This table says no in one read for most of such subjects. It only ever says "perhaps" too often, never too
//! rarely: bits are set and not cleared, so that snapshots share it; when as many were set as it is made for, it is made
//! anew from what is there. Very large maps have none, since making it anew would take long.
//!
//! Not here: where the hashes come from.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering::Relaxed},
};

/// Fewer patterns than these are found as fast without it.
const PATTERNS_MIN: usize = 64;
/// 256 KiB, made anew within some milliseconds.
const PATTERNS_MAX: usize = 128 * 1024;
/// Right after it was made; half of it when it is full.
const BITS_PER_PATTERN: usize = 16;

/// The table. Its clones share the bits, and each counts for itself what it has set.
#[derive(Clone, Debug)]
pub(super) struct Presence {
    /// None: everything may be there. Otherwise a power of two of words.
    words: Option<Arc<[AtomicU64]>>,
    /// Patterns that may still be noted before it is to be made anew.
    room: usize,
}

impl Presence {
    /// For as few patterns as need no table.
    pub(super) const NONE: Presence = Presence { words: None, room: PATTERNS_MIN };

    /// For `count` patterns, which are to be noted in it, and as many again.
    pub(super) fn with_room_for(count: usize) -> Self {
        let count = count.max(PATTERNS_MIN);
        let words = (count <= PATTERNS_MAX).then(|| {
            let words = (count * BITS_PER_PATTERN).next_power_of_two() / u64::BITS as usize;
            (0..words).map(|_| AtomicU64::new(0)).collect()
        });
        Presence { words, room: 2 * count }
    }

    /// Whether what is there needs to be noted; otherwise everything may be there.
    pub(super) fn takes_notes(&self) -> bool {
        self.words.is_some()
    }

    /// False only if no pattern of this hash was noted.
    #[inline]
    pub(super) fn may_hold(&self, hash: u64) -> bool {
        let Some(words) = &self.words else { return true };
        let (word, bit) = place(words, hash);
        // A pattern that others can see was noted before the snapshot that holds it was handed over.
        words.get(word).is_none_or(|word| word.load(Relaxed) & bit != 0)
    }

    /// Notes a pattern; false when there is no room left and it is to be made anew.
    pub(super) fn note(&mut self, hash: u64) -> bool {
        if let Some(words) = &self.words {
            let (word, bit) = place(words, hash);
            if let Some(word) = words.get(word) {
                word.fetch_or(bit, Relaxed);
            }
        }
        self.room = self.room.saturating_sub(1);
        self.room > 0
    }
}

/// The word and the bit in it, from the upper bits of the hash; the map takes the lower ones first.
fn place(words: &[AtomicU64], hash: u64) -> (usize, u64) {
    let upper = hash >> 32;
    ((upper >> 6) as usize & (words.len() - 1), 1 << (upper & 63))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::interest::hash::HashKey;

    #[test]
    fn what_was_noted_may_be_there_and_most_else_is_not() {
        let key = HashKey::new(5);
        let hash = |name: &str, number: usize| key.hash(format!("{name}.{number}").as_bytes());
        for count in [1, 64, 1_000, 100_000] {
            let mut presence = Presence::with_room_for(count);
            assert!((0..count).all(|number| presence.note(hash("there", number))));
            assert!((0..count).all(|number| presence.may_hold(hash("there", number))));
            let wrong = (0..10_000).filter(|&number| presence.may_hold(hash("elsewhere", number))).count();
            assert!(wrong < 1_000, "{wrong} of 10,000 beside {count}");
        }
    }

    #[test]
    fn it_is_made_anew_after_as_many_again() {
        let mut presence = Presence::with_room_for(100);
        let noted = (0..).take_while(|&hash| presence.note(hash)).count();
        assert_eq!(noted, 199);
        let mut none = Presence::NONE;
        assert!((1..PATTERNS_MIN).all(|_| none.note(1)) && !none.note(1) && none.may_hold(2));
        let too_many = Presence::with_room_for(PATTERNS_MAX + 1);
        assert!(!too_many.takes_notes() && too_many.may_hold(7));
        assert!(Presence::with_room_for(PATTERNS_MAX).takes_notes());
    }
}
