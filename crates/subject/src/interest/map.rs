//! A persistent hash map from byte strings: a hash array mapped trie.
//!
//! ```text
//!   Branch ─► Node { bitmap 0b1001…, entries [Leaf, Branch ─► Node …] }     digit 0 of the hash picks the slot
//!                                                     └► digit 1 …
//! ```
//!
//! A clone shares all nodes. A change copies the nodes from the root to its place that are shared, one per level and at
//! most thirty-two entries each; nodes that nobody shares are changed in place.
//!
//! Invariants: a node has as many entries as its bitmap has bits, in their order; no entry of a node is `Vacant`; below
//! a branch there are two leaves or more, so that what is removed leaves nothing behind.
//!
//! Not here: what a value is, and how many there are.

use std::{array, sync::Arc};

use super::hash::HashKey;

/// Keys to values. The same [`HashKey`] must be handed to every call on one map and its clones.
#[derive(Clone, Debug)]
pub(super) struct Map<T> {
    root: Entry<T>,
}

#[derive(Clone, Debug, Default)]
enum Entry<T> {
    /// The root of an empty map, or for a moment a slot that is about to be filled or was just emptied.
    #[default]
    Vacant,
    /// The only key with these digits.
    Leaf { key: Arc<[u8]>, value: T },
    /// Two keys or more that agree in their digits so far.
    Branch(Arc<Node<[Entry<T>]>>),
}

/// Its entries lie behind the bitmap in one allocation.
#[derive(Debug)]
struct Node<E: ?Sized> {
    bitmap: u32,
    entries: E,
}

/// A key on its way down the trie.
#[derive(Clone, Copy)]
struct Probe<'a> {
    key: &'a [u8],
    hash: u64,
}

const DIGIT_BITS: u32 = 5;
const HASH_DIGITS: usize = 64 / DIGIT_BITS as usize;
const LENGTH_DIGITS: usize = usize::BITS as usize / DIGIT_BITS as usize;

impl<T> Default for Map<T> {
    fn default() -> Self {
        Self { root: Entry::Vacant }
    }
}

impl<T> Map<T> {
    pub(super) fn is_empty(&self) -> bool {
        matches!(self.root, Entry::Vacant)
    }

    pub(super) fn get(&self, hash_key: HashKey, key: &[u8]) -> Option<&T> {
        // A map of one key needs no hash.
        let hash = if matches!(self.root, Entry::Branch(_)) { hash_key.hash(key) } else { 0 };
        self.get_hashed(hash, key)
    }

    /// The same for who knows the key's hash already.
    pub(super) fn get_hashed(&self, hash: u64, key: &[u8]) -> Option<&T> {
        let mut entry = &self.root;
        let probe = Probe { key, hash };
        let mut level = 0;
        loop {
            match entry {
                Entry::Vacant => return None,
                Entry::Leaf { key: present, value } => return (**present == *key).then_some(value),
                Entry::Branch(node) => {
                    let bit = probe.bit(level);
                    if node.bitmap & bit == 0 {
                        return None;
                    }
                    entry = node.entries.get(node.rank(bit))?;
                    level += 1;
                }
            }
        }
    }

    /// Visits every key and value, in no promised order.
    pub(super) fn for_each<'a>(&'a self, visit: &mut impl FnMut(&'a Arc<[u8]>, &'a T)) {
        self.root.for_each(visit);
    }

    /// Panics if an invariant of the module does not hold.
    pub(super) fn check_invariants(&self, hash_key: HashKey) {
        self.root.check_invariants(hash_key, &mut Vec::new());
    }
}

impl<T: Clone> Map<T> {
    /// The value under `key`, made unless it is there.
    pub(super) fn get_or_insert_with(&mut self, hash_key: HashKey, key: &[u8], make: impl FnOnce() -> T) -> &mut T {
        let probe = Probe::new(hash_key, key);
        let mut entry = &mut self.root;
        let mut level = 0;
        match entry {
            Entry::Leaf { key: present, .. } if **present != *key => entry.demote(hash_key, level),
            Entry::Vacant | Entry::Leaf { .. } | Entry::Branch(_) => {}
        }
        while let Entry::Branch(node) = entry {
            entry = Node::open(node, probe.bit(level));
            level += 1;
            match entry {
                Entry::Leaf { key: present, .. } if **present != *key => entry.demote(hash_key, level),
                Entry::Vacant | Entry::Leaf { .. } | Entry::Branch(_) => {}
            }
        }
        if matches!(entry, Entry::Vacant) {
            *entry = Entry::Leaf { key: Arc::from(key), value: make() };
        }
        match entry {
            Entry::Leaf { value, .. } => value,
            Entry::Vacant | Entry::Branch(_) => {
                unreachable!("the loop leaves branches, and a vacant entry was filled")
            }
        }
    }

    /// Takes `key` out. When it is not there, nodes may have been copied for nothing: look first.
    pub(super) fn remove(&mut self, hash_key: HashKey, key: &[u8]) -> Option<T> {
        self.root.remove(Probe::new(hash_key, key), 0)
    }
}

impl<T> Entry<T> {
    fn for_each<'a>(&'a self, visit: &mut impl FnMut(&'a Arc<[u8]>, &'a T)) {
        match self {
            Entry::Vacant => {}
            Entry::Leaf { key, value } => visit(key, value),
            Entry::Branch(node) => node.entries.iter().for_each(|entry| entry.for_each(visit)),
        }
    }
}

impl<T: Clone> Entry<T> {
    /// Turns a leaf at `level` into a branch with only that leaf; the caller adds a second one.
    fn demote(&mut self, hash_key: HashKey, level: usize) {
        let leaf = std::mem::take(self);
        let Entry::Leaf { key, .. } = &leaf else { unreachable!("the caller has seen a leaf") };
        let bitmap = Probe::new(hash_key, key).bit(level);
        *self = Entry::Branch(Arc::new(Node { bitmap, entries: [leaf] }));
    }

    fn remove(&mut self, probe: Probe<'_>, level: usize) -> Option<T> {
        match self {
            Entry::Vacant => None,
            Entry::Leaf { key, .. } if **key != *probe.key => None,
            Entry::Leaf { .. } => match std::mem::take(self) {
                Entry::Leaf { value, .. } => Some(value),
                Entry::Vacant | Entry::Branch(_) => unreachable!("matched as a leaf above"),
            },
            Entry::Branch(node) => {
                let bit = probe.bit(level);
                if node.bitmap & bit == 0 {
                    return None;
                }
                let child = Node::open(node, bit);
                let value = child.remove(probe, level + 1)?;
                if matches!(child, Entry::Vacant) {
                    *node = Node::resized(node, node.bitmap & !bit);
                }
                if let [only @ Entry::Leaf { .. }] = &mut Node::unshared(node).entries {
                    *self = std::mem::take(only);
                }
                Some(value)
            }
        }
    }
}

impl<E: ?Sized> Node<E> {
    /// How many entries come before the one of `bit`.
    fn rank(&self, bit: u32) -> usize {
        (self.bitmap & (bit - 1)).count_ones() as usize
    }
}

impl<T: Clone> Node<[Entry<T>]> {
    /// The entry of `bit`, vacant if it is new; the node is the caller's alone afterwards.
    fn open(node: &mut Arc<Self>, bit: u32) -> &mut Entry<T> {
        if node.bitmap & bit == 0 {
            *node = Self::resized(node, node.bitmap | bit);
        }
        let rank = node.rank(bit);
        Self::unshared(node).entries.get_mut(rank).expect("its bit is set")
    }

    /// The node itself if nobody shares it, or else a copy in its place.
    fn unshared(node: &mut Arc<Self>) -> &mut Self {
        if Arc::get_mut(node).is_none() {
            let shared = &node.entries;
            *node = Self::build(node.bitmap, |rank| shared.get(rank).cloned().unwrap_or_default());
        }
        Arc::get_mut(node).expect("unshared from the start, or a copy nobody has seen")
    }

    /// The entries of `node` in a new node with one bit more or less; they are moved unless somebody shares them.
    fn resized(node: &mut Arc<Self>, bitmap: u32) -> Arc<Self> {
        let old = node.bitmap;
        let changed = (old ^ bitmap).trailing_zeros();
        let place = (old & ((1 << changed) - 1)).count_ones() as usize;
        // Where the new node's entry of this rank was; the new bit itself had none.
        let source = |rank: usize| match bitmap > old {
            true if rank == place => None,
            true => Some(rank - usize::from(rank > place)),
            false => Some(rank + usize::from(rank >= place)),
        };
        match Arc::get_mut(node) {
            Some(Node { entries, .. }) => Self::build(bitmap, |rank| {
                source(rank).and_then(|rank| entries.get_mut(rank)).map(std::mem::take).unwrap_or_default()
            }),
            None => Self::build(bitmap, |rank| {
                source(rank).and_then(|rank| node.entries.get(rank)).cloned().unwrap_or_default()
            }),
        }
    }

    /// A node of the size that `bitmap` asks for. Unsized values come from arrays only, hence a case for each size.
    fn build(bitmap: u32, entry: impl FnMut(usize) -> Entry<T>) -> Arc<Self> {
        macro_rules! sizes {
            ($($size:literal)*) => {
                match bitmap.count_ones() {
                    $($size => Arc::new(Node { bitmap, entries: array::from_fn::<_, $size, _>(entry) }),)*
                    _ => unreachable!("a bitmap of thirty-two bits, never empty: the last leaf moves up"),
                }
            };
        }
        sizes!(1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31 32)
    }
}

impl<'a> Probe<'a> {
    fn new(hash_key: HashKey, key: &'a [u8]) -> Self {
        Self { key, hash: hash_key.hash(key) }
    }

    /// The one bit that stands for this key's digit at `level`. Keys whose whole hashes agree are told apart by their
    /// lengths and then by their bytes, so that two different keys part at some level.
    fn bit(self, level: usize) -> u32 {
        let digit = if level < HASH_DIGITS {
            self.hash >> (DIGIT_BITS as usize * level)
        } else if let Some(level) = level.checked_sub(HASH_DIGITS + LENGTH_DIGITS) {
            let byte = self.key.get(level / 2).copied().unwrap_or_default();
            u64::from(if level.is_multiple_of(2) { byte } else { byte >> DIGIT_BITS })
        } else {
            self.key.len() as u64 >> (DIGIT_BITS as usize * (level - HASH_DIGITS))
        };
        1 << (digit & 31)
    }
}

impl<T> Entry<T> {
    /// `prefix` are the bits of the digits that led here.
    fn check_invariants(&self, hash_key: HashKey, prefix: &mut Vec<u32>) {
        match self {
            Entry::Vacant => assert!(prefix.is_empty(), "a slot of a node is vacant"),
            Entry::Leaf { key, .. } => {
                let probe = Probe::new(hash_key, key);
                let is_here = prefix.iter().enumerate().all(|(level, &bit)| probe.bit(level) == bit);
                assert!(is_here, "a key is not where its digits lead");
            }
            Entry::Branch(node) => {
                assert_eq!(
                    node.bitmap.count_ones() as usize,
                    node.entries.len(),
                    "a bitmap disagrees with its entries"
                );
                assert!(!matches!(node.entries, [Entry::Leaf { .. }]), "a branch leads to a single leaf");
                let bits = (0..u32::BITS).map(|digit| 1 << digit).filter(|bit| node.bitmap & bit != 0);
                for (bit, entry) in bits.zip(&node.entries) {
                    prefix.push(bit);
                    entry.check_invariants(hash_key, prefix);
                    prefix.pop();
                }
            }
        }
    }
}

#[cfg(test)]
impl<T> Map<T> {
    /// How many nodes this map has, and how many of them are not nodes of `other`.
    pub(super) fn nodes_beside(&self, other: &Self) -> (usize, usize) {
        fn nodes<T>(entry: &Entry<T>, found: &mut Vec<*const u32>) {
            if let Entry::Branch(node) = entry {
                found.push(&raw const node.bitmap);
                node.entries.iter().for_each(|entry| nodes(entry, found));
            }
        }
        let (mut own, mut others) = (Vec::new(), Vec::new());
        nodes(&self.root, &mut own);
        nodes(&other.root, &mut others);
        let others: std::collections::HashSet<_> = others.into_iter().collect();
        (own.len(), own.iter().filter(|node| !others.contains(*node)).count())
    }
}
