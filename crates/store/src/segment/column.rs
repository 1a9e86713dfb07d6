//! A column page: for up to 8,192 messages of one group their sequences and the ordinals of their subjects, so that a
//! filter is looked up without reading messages.
//!
//! ```text
//!   0       4      5      6      8
//!   ┌───────┬──────┬──────┬──────┬────────────────────┬─────────────────────┐
//!   │ base  │ s    │ o    │ zero │ sequences, s bytes │ ordinals, o bytes   │
//!   └───────┴──────┴──────┴──────┴────────────────────┴─────────────────────┘
//!   sequences: above the page's first; s is 0 when none is missing, or 4        ordinals: above base; o is 0, 1, 2 or 4
//! ```

use crate::pages::partition_point;
use crate::wal::number::{size, u16_at, u32_at};

/// Messages of a page at most.
pub(super) const PAGE_MESSAGES: usize = 8192;

const HEAD_BYTES: usize = 8;

/// A page as bytes. Sequences rise, and are less than 2^32 apart; there is at least one.
pub(super) fn encode(messages: &[(u64, u32)]) -> Vec<u8> {
    let (first, _) = *messages.first().expect("a page is not empty");
    let deltas = || messages.iter().map(|(sequence, _)| sequence - first);
    let base = messages.iter().map(|(_, ordinal)| *ordinal).min().unwrap_or_default();
    let highest = messages.iter().map(|(_, ordinal)| ordinal - base).max().unwrap_or_default();
    let is_dense = deltas().zip(0..).all(|(delta, place)| delta == place);
    let ordinal_bytes = match highest {
        0 => 0,
        1..=0xff => 1,
        0x100..=0xffff => 2,
        _ => 4,
    };
    let mut bytes = Vec::with_capacity(HEAD_BYTES + messages.len() * 8);
    bytes.extend_from_slice(&base.to_le_bytes());
    bytes.extend_from_slice(&[if is_dense { 0 } else { 4 }, ordinal_bytes, 0, 0]);
    if !is_dense {
        let short = |delta| u32::try_from(delta).expect("sequences of a page are less than 2^32 apart");
        deltas().for_each(|delta| bytes.extend_from_slice(&short(delta).to_le_bytes()));
    }
    for (_, ordinal) in messages {
        let number = (ordinal - base).to_le_bytes();
        bytes.extend(number.iter().take(ordinal_bytes.into()));
    }
    bytes
}

/// A page that was read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Column<'a> {
    first: u64,
    count: usize,
    base: u32,
    sequences: &'a [u8],
    ordinals: &'a [u8],
    ordinal_bytes: usize,
}

impl<'a> Column<'a> {
    /// None when the bytes are not `count` messages.
    pub(super) fn parse(bytes: &'a [u8], first: u64, count: u32) -> Option<Self> {
        let count = size(count);
        let (sequence_bytes, ordinal_bytes) = (usize::from(*bytes.get(4)?), usize::from(*bytes.get(5)?));
        let (sequences, ordinals) = bytes.get(HEAD_BYTES..)?.split_at_checked(count.checked_mul(sequence_bytes)?)?;
        let is_sound = (1..=PAGE_MESSAGES).contains(&count)
            && matches!(sequence_bytes, 0 | 4)
            && matches!(ordinal_bytes, 0 | 1 | 2 | 4)
            && ordinals.len() == count.checked_mul(ordinal_bytes)?;
        is_sound.then_some(Column { first, count, base: u32_at(bytes, 0)?, sequences, ordinals, ordinal_bytes })
    }

    /// The sequence of the message at that place.
    pub(super) fn sequence(&self, place: usize) -> u64 {
        let place_delta = || u64::try_from(place).unwrap_or(u64::MAX);
        let delta = if self.sequences.is_empty() { place_delta() } else { self.delta(place) };
        self.first.saturating_add(delta)
    }

    fn delta(&self, place: usize) -> u64 {
        u32_at(self.sequences, place * 4).map_or(u64::MAX, u64::from)
    }

    /// The ordinal of the subject of the message at that place.
    pub(super) fn ordinal(&self, place: usize) -> u32 {
        let above = match self.ordinal_bytes {
            0 => Some(0),
            1 => self.ordinals.get(place).copied().map(u32::from),
            2 => u16_at(self.ordinals, place * 2).map(u32::from),
            _ => u32_at(self.ordinals, place * 4),
        };
        self.base.saturating_add(above.unwrap_or_default())
    }

    /// The place of the first message whose sequence is not below `from`; the count when there is none.
    pub(super) fn lower_bound(&self, from: u64) -> usize {
        partition_point(self.count, |place| self.sequence(place) < from)
    }

    /// How many messages.
    pub(super) fn count(&self) -> usize {
        self.count
    }
}

#[cfg(test)]
mod tests {
    //! There and back, and arbitrary bytes.

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_page_comes_back(
            first in 1_u64..1 << 40,
            gaps in prop::collection::vec(prop_oneof![9 => Just(1_u64), 1 => 1_u64..100_000], 1..200),
            spread in prop_oneof![Just(1_u32), Just(200), Just(60_000), Just(u32::MAX)],
            drawn in prop::collection::vec(any::<u32>(), 200),
        ) {
            let mut sequence = first;
            let messages: Vec<(u64, u32)> = gaps.iter().zip(&drawn).map(|(gap, ordinal)| {
                sequence += gap;
                (sequence, ordinal % spread)
            }).collect();
            let bytes = encode(&messages);
            let column = Column::parse(&bytes, messages[0].0, u32::try_from(messages.len()).unwrap()).unwrap();
            for (place, (sequence, ordinal)) in messages.iter().enumerate() {
                prop_assert_eq!((column.sequence(place), column.ordinal(place)), (*sequence, *ordinal));
                prop_assert_eq!(column.lower_bound(*sequence), place);
                prop_assert_eq!(column.lower_bound(sequence + 1), place + 1);
            }
        }

        #[test]
        fn arbitrary_bytes_are_read_without_harm(bytes in prop::collection::vec(any::<u8>(), 0..60), count in 0_u32..9) {
            if let Some(column) = Column::parse(&bytes, u64::MAX - 3, count) {
                (0..column.count()).for_each(|place| _ = (column.sequence(place), column.ordinal(place)));
                column.lower_bound(7);
            }
        }
    }

    #[test]
    fn a_message_of_a_dense_stream_with_few_subjects_takes_a_byte() {
        let messages: Vec<(u64, u32)> = (0..8_000).map(|n| (n, 70_000 + u32::try_from(n % 100).unwrap())).collect();
        assert_eq!(encode(&messages).len(), HEAD_BYTES + 8_000);
    }
}
