//! A keyed hash of short byte strings.
//!
//! Clients choose subjects, so a hash whose constants are public could be flooded with subjects that fall together.
//! Here every constant comes from the seed: who does not know the seed cannot aim. Not a cryptographic hash.

/// The key: three secrets derived from one seed.
#[derive(Clone, Copy, Debug)]
pub(super) struct HashKey([u64; 3]);

impl HashKey {
    pub(super) fn new(seed: u64) -> Self {
        // SplitMix64: neighbouring seeds give unrelated secrets.
        let mut state = seed;
        Self(std::array::from_fn(|_| {
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            mixed ^ (mixed >> 31)
        }))
    }

    /// No key at all: every string whose second word is zero has the hash zero.
    #[cfg(test)]
    pub(super) fn zero() -> Self {
        Self([0; 3])
    }

    /// 64 bits of which any few are as good as any others.
    pub(super) fn hash(self, bytes: &[u8]) -> u64 {
        let Self([first, second, last]) = self;
        let mut hash = first;
        let mut rest = bytes;
        while let Some((chunk, more)) = rest.split_first_chunk::<16>()
            && !more.is_empty()
        {
            hash = fold(hash ^ low(chunk), second ^ high(chunk));
            rest = more;
        }
        let (a, b) = ends(rest);
        // The length tells apart the strings that the overlapping reads take for one. It has a step of its own: a client
        // can undo what is added to the bytes that it chooses.
        fold(fold(hash ^ a, second ^ b), last ^ bytes.len() as u64)
    }
}

/// All of 0 to 16 bytes in two words; the reads may overlap.
fn ends(bytes: &[u8]) -> (u64, u64) {
    if let (Some(head), Some(tail)) = (bytes.first_chunk(), bytes.last_chunk()) {
        (u64::from_le_bytes(*head), u64::from_le_bytes(*tail))
    } else if let (Some(head), Some(tail)) = (bytes.first_chunk(), bytes.last_chunk()) {
        (u64::from(u32::from_le_bytes(*head)), u64::from(u32::from_le_bytes(*tail)))
    } else {
        match *bytes {
            [a, b, c] => (u64::from(a) | u64::from(b) << 8, u64::from(c)),
            [a, b] => (u64::from(a), u64::from(b)),
            [a] => (u64::from(a), 0),
            _ => (0, 0),
        }
    }
}

fn low(chunk: &[u8; 16]) -> u64 {
    ends(chunk).0
}

fn high(chunk: &[u8; 16]) -> u64 {
    ends(chunk).1
}

/// Both halves of the product, so that each bit of the input reaches each bit of the result.
fn fold(a: u64, b: u64) -> u64 {
    let [low, high] = wide(u128::from(a) * u128::from(b));
    low ^ high
}

/// The two halves of `product`.
#[expect(clippy::cast_possible_truncation, reason = "the halves are what is wanted")]
fn wide(product: u128) -> [u64; 2] {
    [product as u64, (product >> 64) as u64]
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_byte_the_length_and_the_seed_count() {
        let key = HashKey::new(7);
        for length in 0..70 {
            let bytes = vec![b'a'; length];
            let mut seen = HashSet::from([key.hash(&bytes), HashKey::new(8).hash(&bytes)]);
            assert_eq!(seen.len(), 2, "{length}");
            for changed in 0..length {
                let mut other = bytes.clone();
                other[changed] = b'b';
                assert!(seen.insert(key.hash(&other)), "{length} {changed}");
            }
            assert!(seen.insert(key.hash(&vec![b'a'; length + 1])), "{length}");
        }
    }

    #[test]
    fn each_nibble_of_the_hash_spreads_counted_subjects_evenly() {
        let key = HashKey::new(1);
        let mut counts = [[0_u32; 16]; 16];
        for i in 0..16_000 {
            let hash = key.hash(format!("inbox.{i}").as_bytes());
            for (nibble, counts) in counts.iter_mut().enumerate() {
                counts[usize::try_from(hash >> (4 * nibble) & 15).expect("a nibble")] += 1;
            }
        }
        for count in counts.iter().flatten() {
            assert!((800..1200).contains(count), "{counts:?}");
        }
    }
}
