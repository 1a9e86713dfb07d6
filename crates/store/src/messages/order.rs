//! The ids of subjects in the byte order of their names, for wildcards and listings.
//!
//! New ids only wait until somebody asks ([`Order::update`]), so a stream that nobody asks for anything but literal
//! subjects never sorts. They are then sorted, and put to their places one by one, or merged when they are many.
//!
//! Invariant: every id is either in one of the blocks, in order, or pending; no block is empty or longer than 256.
//!
//! Not here: names, which the caller hands in, and which ids have messages.

use std::cmp::Ordering;
use std::ops::Range;

#[derive(Debug, Default)]
pub(super) struct Order {
    blocks: Vec<Vec<u32>>,
    /// How many the blocks hold.
    length: usize,
    pending: Vec<u32>,
}

/// A place in the order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Cursor {
    block: usize,
    index: usize,
}

const BLOCK_MAX: usize = 256;

/// What a block is filled to when all are made anew.
const BLOCK_FILL: usize = 192;

impl Order {
    pub(super) fn add(&mut self, id: u32) {
        self.pending.push(id);
    }

    /// Keeps the ids that are known.
    pub(super) fn retain(&mut self, is_known: impl Fn(u32) -> bool) {
        self.pending.retain(|id| is_known(*id));
        self.blocks.iter_mut().for_each(|block| block.retain(|id| is_known(*id)));
        self.blocks.retain(|block| !block.is_empty());
        self.length = self.blocks.iter().map(Vec::len).sum();
        if self.blocks.len() > 1 && self.blocks.len() * (BLOCK_MAX / 4) > self.length {
            let ids: Vec<u32> = self.blocks.iter().flatten().copied().collect();
            self.fill(&ids);
        }
    }

    /// Whether ids are pending.
    pub(super) fn is_behind(&self) -> bool {
        !self.pending.is_empty()
    }

    /// Puts the pending ids to their places.
    pub(super) fn update<'a>(&mut self, name_of: impl Fn(u32) -> &'a [u8]) {
        let mut pending = std::mem::take(&mut self.pending);
        sort(&mut pending, &name_of);
        if pending.len() > self.length / 8 {
            self.merge(&pending, &name_of);
        } else {
            pending.into_iter().for_each(|id| self.insert(id, &name_of));
        }
    }

    /// The first id whose name is `name` or above.
    pub(super) fn seek<'a>(&self, name: &[u8], name_of: impl Fn(u32) -> &'a [u8]) -> Cursor {
        let begins_at_or_below = |block: &Vec<u32>| block.first().is_some_and(|id| name_of(*id) <= name);
        let block = self.blocks.partition_point(begins_at_or_below).saturating_sub(1);
        let index = self.blocks.get(block).map_or(0, |ids| ids.partition_point(|id| name_of(*id) < name));
        self.normal(Cursor { block, index })
    }

    pub(super) fn get(&self, cursor: Cursor) -> Option<u32> {
        self.blocks.get(cursor.block)?.get(cursor.index).copied()
    }

    /// The place behind.
    pub(super) fn advance(&self, cursor: Cursor) -> Cursor {
        self.normal(Cursor { index: cursor.index + 1, ..cursor })
    }

    pub(super) fn memory_bytes(&self) -> usize {
        let blocks: usize = self.blocks.iter().map(Vec::capacity).sum();
        (blocks + self.pending.capacity()) * 4 + self.blocks.capacity() * size_of::<Vec<u32>>()
    }

    pub(super) fn check_invariants<'a>(&self, ids: usize, name_of: impl Fn(u32) -> &'a [u8]) {
        assert_eq!(self.length + self.pending.len(), ids, "every id is in order or pending");
        assert_eq!(self.length, self.blocks.iter().map(Vec::len).sum::<usize>(), "length");
        assert!(self.blocks.iter().all(|block| (1..=BLOCK_MAX).contains(&block.len())), "blocks");
        let names = self.blocks.iter().flatten().map(|id| name_of(*id));
        assert!(names.is_sorted_by(|a, b| a < b), "names rise");
    }

    fn normal(&self, cursor: Cursor) -> Cursor {
        let is_behind = self.blocks.get(cursor.block).is_some_and(|block| cursor.index >= block.len());
        if is_behind { Cursor { block: cursor.block + 1, index: 0 } } else { cursor }
    }

    fn merge<'a>(&mut self, pending: &[u32], name_of: &impl Fn(u32) -> &'a [u8]) {
        let mut ids = Vec::with_capacity(self.length + pending.len());
        let mut new = pending.iter().copied().peekable();
        for id in self.blocks.iter().flatten().copied() {
            let name = name_of(id);
            while let Some(before) = new.next_if(|new| name_of(*new) < name) {
                ids.push(before);
            }
            ids.push(id);
        }
        ids.extend(new);
        self.fill(&ids);
    }

    fn fill(&mut self, ids: &[u32]) {
        self.blocks = ids.chunks(BLOCK_FILL).map(<[u32]>::to_vec).collect();
        self.length = ids.len();
    }

    fn insert<'a>(&mut self, id: u32, name_of: &impl Fn(u32) -> &'a [u8]) {
        self.length += 1;
        let name = name_of(id);
        let begins_below = |block: &Vec<u32>| block.first().is_some_and(|first| name_of(*first) < name);
        let position = self.blocks.partition_point(begins_below).saturating_sub(1);
        let Some(block) = self.blocks.get_mut(position) else {
            self.blocks.push(vec![id]);
            return;
        };
        block.insert(block.partition_point(|other| name_of(*other) < name), id);
        if block.len() > BLOCK_MAX {
            let upper = block.split_off(block.len() / 2);
            self.blocks.insert(position + 1, upper);
        }
    }
}

/// So few names are compared as they are.
const COMPARED_MAX: usize = 32;

/// Sorts ids by name. Names differ in a few bytes behind what many of them have in common, and reading one is a miss of
/// the cache: so it sorts by eight bytes behind the common beginning, copied to where the ids are, and then again what
/// agrees in these.
fn sort<'a>(ids: &mut [u32], name_of: &impl Fn(u32) -> &'a [u8]) {
    let mut keyed: Vec<(u64, u32)> = Vec::new();
    let mut work: Vec<(Range<usize>, usize)> = vec![(0..ids.len(), 0)];
    while let Some((range, depth)) = work.pop() {
        let start = range.start;
        let Some(part) = ids.get_mut(range) else { continue };
        let rest_of = |id: u32, depth: usize| name_of(id).get(depth..).unwrap_or_default();
        let Some(first) = part.first().map(|id| rest_of(*id, depth)) else { continue };
        let (mut common, mut longest) = (first.len(), 0);
        if part.len() > COMPARED_MAX {
            for id in &*part {
                let rest = rest_of(*id, depth);
                longest = longest.max(rest.len());
                common = first.iter().zip(rest).take(common).take_while(|(a, b)| a == b).count();
            }
        }
        // Names that go on with zeros have the same eight bytes as names that end.
        if longest <= common || longest == 0 {
            part.sort_unstable_by(|a, b| by_name(name_of, *a, *b));
            continue;
        }
        let depth = depth + common;
        keyed.clear();
        keyed.extend(part.iter().map(|id| (first_eight(rest_of(*id, depth)), *id)));
        keyed.sort_unstable();
        part.iter_mut().zip(&keyed).for_each(|(id, (_, sorted))| *id = *sorted);
        let mut at = start;
        for same in keyed.chunk_by(|(a, _), (b, _)| a == b) {
            if same.len() > 1 {
                work.push((at..at + same.len(), depth + 8));
            }
            at += same.len();
        }
    }
}

fn by_name<'a>(name_of: &impl Fn(u32) -> &'a [u8], a: u32, b: u32) -> Ordering {
    name_of(a).cmp(name_of(b))
}

/// As a number that sorts as the bytes do.
fn first_eight(bytes: &[u8]) -> u64 {
    match bytes.first_chunk() {
        Some(eight) => u64::from_be_bytes(*eight),
        None => bytes.iter().zip((0..8).rev()).fold(0, |key, (byte, place)| key | u64::from(*byte) << (8 * place)),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::super::names::index;
    use super::*;

    fn names(order: &Order, names: &[Vec<u8>]) -> Vec<Vec<u8>> {
        let mut cursor = order.seek(b"", |id| &names[index(id)]);
        let mut found = Vec::new();
        while let Some(id) = order.get(cursor) {
            found.push(names[index(id)].clone());
            cursor = order.advance(cursor);
        }
        found
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn ids_come_by_name(
            all in prop::collection::btree_set("[\\x00ab]{0,30}", 0..700),
            parts in prop::collection::vec(1..400_usize, 1..6),
            dropped in 0..5_u32,
            sought in "[\\x00ab]{0,6}",
        ) {
            // In an order of their own, added in parts, with some dropped between.
            let mut all: Vec<Vec<u8>> = all.into_iter().map(String::into_bytes).collect();
            all.sort_by_key(|name| name.iter().rev().copied().collect::<Vec<u8>>());
            let name_of = |id: u32| &all[index(id)][..];
            let mut order = Order::default();
            let mut model = BTreeSet::new();
            let mut ids = 0..u32::try_from(all.len()).unwrap();
            for part in parts {
                for id in ids.by_ref().take(part) {
                    order.add(id);
                    model.insert(all[index(id)].clone());
                }
                order.update(name_of);
                order.check_invariants(model.len(), name_of);
                order.retain(|id| id % 5 != dropped);
                model.retain(|name| all.iter().position(|one| one == name).unwrap() % 5 != index(dropped));
                order.check_invariants(model.len(), name_of);
            }
            prop_assert_eq!(names(&order, &all), model.iter().cloned().collect::<Vec<_>>());
            let found = order.get(order.seek(sought.as_bytes(), name_of)).map(|id| &all[index(id)]);
            prop_assert_eq!(found, model.range(sought.into_bytes()..).next());
        }
    }
}
