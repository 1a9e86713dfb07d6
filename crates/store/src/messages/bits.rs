//! Two hundred and fifty-six bits, counted and searched from either end.

/// How many.
pub(super) const BITS: usize = 256;

const WORDS: usize = BITS / 64;

/// A set of numbers below [`BITS`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Bits([u64; WORDS]);

impl Bits {
    pub(super) fn contains(&self, at: usize) -> bool {
        self.0.get(at / 64).is_some_and(|word| word >> (at % 64) & 1 == 1)
    }

    pub(super) fn insert(&mut self, at: usize) {
        *self.word_mut(at) |= 1 << (at % 64);
    }

    pub(super) fn remove(&mut self, at: usize) {
        *self.word_mut(at) &= !(1 << (at % 64));
    }

    pub(super) fn count(&self) -> usize {
        self.0.iter().map(|word| ones(*word)).sum()
    }

    /// How many are below `at`, which is at most [`BITS`].
    pub(super) fn rank(&self, at: usize) -> usize {
        let (words, bit) = (at / 64, at % 64);
        let whole: usize = self.0.iter().take(words).map(|word| ones(*word)).sum();
        whole + self.0.get(words).map_or(0, |word| ones(*word & ((1_u64 << bit) - 1)))
    }

    /// The first one that is `at` or above.
    pub(super) fn next(&self, at: usize) -> Option<usize> {
        let mut mask = u64::MAX << (at % 64);
        for (index, word) in self.0.iter().enumerate().skip(at / 64) {
            let rest = word & mask;
            if rest != 0 {
                return Some(index * 64 + length(rest.trailing_zeros()));
            }
            mask = u64::MAX;
        }
        None
    }

    /// The last one that is `at` or below.
    pub(super) fn previous(&self, at: usize) -> Option<usize> {
        let mut mask = u64::MAX >> (63 - at % 64);
        for (index, word) in self.0.iter().enumerate().take(at / 64 + 1).rev() {
            let rest = word & mask;
            if rest != 0 {
                return Some(index * 64 + 63 - length(rest.leading_zeros()));
            }
            mask = u64::MAX;
        }
        None
    }

    /// The first that is not in the set, `at` or above.
    pub(super) fn next_missing(&self, at: usize) -> Option<usize> {
        Bits(self.0.map(|word| !word)).next(at)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = usize> {
        let bits = *self;
        std::iter::successors(bits.next(0), move |at| bits.next(at + 1))
    }

    fn word_mut(&mut self, at: usize) -> &mut u64 {
        self.0.get_mut(at / 64).expect("whoever numbers bits stays below 256")
    }
}

fn ones(word: u64) -> usize {
    length(word.count_ones())
}

fn length(count: u32) -> usize {
    usize::try_from(count).expect("a pointer has at least 32 bits")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn bits_are_a_set(numbers in prop::collection::btree_set(0..BITS, 0..40), at in 0..BITS) {
            let mut bits = Bits::default();
            numbers.iter().for_each(|number| bits.insert(*number));
            prop_assert_eq!(bits.iter().collect::<Vec<_>>(), numbers.iter().copied().collect::<Vec<_>>());
            prop_assert_eq!(bits.contains(at), numbers.contains(&at));
            prop_assert_eq!(bits.rank(at), numbers.range(..at).count());
            prop_assert_eq!(bits.rank(BITS), bits.count());
            prop_assert_eq!(bits.next(at), numbers.range(at..).next().copied());
            prop_assert_eq!(bits.next(BITS), None);
            prop_assert_eq!(bits.next_missing(at), (at..BITS).find(|at| !numbers.contains(at)));
            prop_assert_eq!(bits.previous(at), numbers.range(..=at).next_back().copied());
            numbers.iter().for_each(|number| bits.remove(*number));
            prop_assert_eq!(bits, Bits::default());
        }
    }
}
