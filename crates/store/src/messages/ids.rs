//! A hash table of ids: which one belongs to a name that the caller compares.
//!
//! A table of a million ids that doubles at once stops its stream for a tenth of a second. Here a table that is no longer
//! small is a thousand small ones, each of which doubles by itself.
//!
//! Not here: names and their hashes.

use hashbrown::HashTable;

/// Ids by hash.
#[derive(Debug)]
pub(super) struct Ids {
    /// One, or [`SHARDS`].
    shards: Vec<HashTable<u32>>,
    length: usize,
}

const SHARDS: usize = 1024;

/// More are divided among shards.
const TOGETHER_MAX: usize = 16 << 10;

/// Fewer come together again.
const APART_MIN: usize = TOGETHER_MAX / 4;

impl Ids {
    pub(super) fn new() -> Self {
        Ids { shards: vec![HashTable::new()], length: 0 }
    }

    pub(super) fn len(&self) -> usize {
        self.length
    }

    /// The id of this hash that is it. O(1).
    pub(super) fn find(&self, hash: u64, mut is_it: impl FnMut(u32) -> bool) -> Option<u32> {
        self.shards.get(self.shard(hash))?.find(hash, |id| is_it(*id)).copied()
    }

    /// Adds an id that is not there. O(1), and now and then what it takes to double a thousandth of the table.
    pub(super) fn insert(&mut self, hash: u64, id: u32, hash_of: impl Fn(u32) -> u64) {
        if self.shards.len() == 1 && self.length >= TOGETHER_MAX {
            self.divide(SHARDS, &hash_of);
        }
        let shard = self.shard(hash);
        let shard = self.shards.get_mut(shard).expect("a hash has a shard");
        shard.insert_unique(hash, id, |id| hash_of(*id));
        self.length += 1;
    }

    /// Removes an id if it is there.
    pub(super) fn remove(&mut self, hash: u64, id: u32) {
        let shard = self.shard(hash);
        let entry = self.shards.get_mut(shard).and_then(|shard| shard.find_entry(hash, |other| *other == id).ok());
        if let Some(entry) = entry {
            entry.remove();
            self.length -= 1;
        }
    }

    /// Gives back the room of many that were removed.
    pub(super) fn shrink(&mut self, hash_of: impl Fn(u32) -> u64) {
        if self.shards.len() > 1 && self.length < APART_MIN {
            self.divide(1, &hash_of);
        }
        for shard in &mut self.shards {
            if shard.capacity() > 4 * shard.len().max(4) {
                shard.shrink_to(shard.len() * 2, |id| hash_of(*id));
            }
        }
    }

    /// All of them, in no promised order.
    pub(super) fn iter(&self) -> impl Iterator<Item = u32> {
        self.shards.iter().flatten().copied()
    }

    pub(super) fn memory_bytes(&self) -> usize {
        let shards: usize = self.shards.iter().map(HashTable::allocation_size).sum();
        shards + self.shards.capacity() * size_of::<HashTable<u32>>()
    }

    /// From bits that the tables themselves look at last.
    fn shard(&self, hash: u64) -> usize {
        let [.., a, b, _, _, _] = hash.to_le_bytes();
        usize::from(u16::from_le_bytes([a, b])) % self.shards.len()
    }

    fn divide(&mut self, shards: usize, hash_of: &impl Fn(u32) -> u64) {
        let ids: Vec<u32> = self.iter().collect();
        self.shards = (0..shards).map(|_| HashTable::new()).collect();
        for id in ids {
            let hash = hash_of(id);
            let shard = self.shard(hash);
            let shard = self.shards.get_mut(shard).expect("a hash has a shard");
            shard.insert_unique(hash, id, |id| hash_of(*id));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash_of(id: u32) -> u64 {
        (u64::from(id) + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15)
    }

    #[test]
    fn ids_are_found_while_the_table_is_divided_and_comes_together() {
        let mut ids = Ids::new();
        let many = u32::try_from(TOGETHER_MAX).unwrap() * 3;
        for id in 0..many {
            assert_eq!(ids.find(hash_of(id), |other| other == id), None);
            ids.insert(hash_of(id), id, hash_of);
            assert_eq!(ids.find(hash_of(id), |other| other == id), Some(id));
        }
        assert_eq!((ids.shards.len(), ids.len()), (SHARDS, many as usize));
        assert!((0..many).all(|id| ids.find(hash_of(id), |other| other == id) == Some(id)));
        let full = ids.memory_bytes();
        for id in 100..many {
            ids.remove(hash_of(id), id);
            ids.remove(hash_of(id), id);
        }
        ids.shrink(hash_of);
        let mut left: Vec<u32> = ids.iter().collect();
        left.sort_unstable();
        assert_eq!(left, (0..100).collect::<Vec<u32>>());
        assert_eq!((ids.shards.len(), ids.len()), (1, 100));
        assert!(ids.memory_bytes() < full / 100, "{} of {full}", ids.memory_bytes());
    }
}
