//! Names for advisories, and numbers that nobody expects: both follow from the seed that a shard was given.

const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// Characters of an id, as clients know them.
const ID_CHARS: usize = 22;

#[derive(Debug)]
pub(super) struct Ids {
    state: u64,
}

impl Ids {
    pub(super) fn new(seed: u64) -> Self {
        Ids { state: seed }
    }

    /// SplitMix64.
    pub(super) fn random(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.state ^ (self.state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(super) fn next(&mut self) -> String {
        let mut id = String::with_capacity(ID_CHARS);
        while id.len() < ID_CHARS {
            let mut random = self.random();
            for _ in 0..10.min(ID_CHARS - id.len()) {
                let digit = DIGITS.get(usize::try_from(random % 62).unwrap_or(0)).copied().unwrap_or(b'0');
                id.push(char::from(digit));
                random /= 62;
            }
        }
        id
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_have_22_characters_and_differ() {
        let mut ids = Ids::new(7);
        let (one, other) = (ids.next(), ids.next());
        assert!(one.len() == 22 && one != other);
        assert_eq!(Ids::new(7).next(), one);
    }
}
