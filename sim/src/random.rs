//! Numbers that look random and follow from a seed (SplitMix64).

/// A generator. Two of the same seed give the same numbers.
#[derive(Clone, Debug)]
pub struct Random {
    state: u64,
}

impl Random {
    /// From a seed; any will do.
    pub const fn new(seed: u64) -> Self {
        Random { state: seed }
    }

    /// Any number.
    pub const fn number(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`; 0 when there is none.
    pub const fn below(&mut self, bound: u64) -> u64 {
        if bound == 0 { 0 } else { self.number() % bound }
    }

    /// An index into something of that length.
    ///
    /// # Panics
    /// When there is nothing.
    pub fn index(&mut self, length: usize) -> usize {
        assert!(length > 0, "something to choose from");
        let bound = u64::try_from(length).expect("a length fits");
        usize::try_from(self.below(bound)).expect("below a length")
    }

    /// True once in so many times.
    pub const fn one_in(&mut self, times: u64) -> bool {
        self.below(times) == 0
    }

    /// Fills `bytes`.
    pub fn fill(&mut self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(8) {
            let number = self.number().to_le_bytes();
            for (byte, from) in chunk.iter_mut().zip(number) {
                *byte = from;
            }
        }
    }
}
