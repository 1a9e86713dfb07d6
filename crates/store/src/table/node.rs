//! A node of a table: sorted keys, each with a few numbers, where a key spells out only what it does not share with the
//! one before.
//!
//! ```text
//!   0       1      2         4            8         10     12
//!   ┌───────┬──────┬─────────┬────────────┬─────────┬──────┬─────────┬──────────┐
//!   │ level │ zero │ entries │ their bytes│ restarts│ zero │ entries │ restarts │      restart: where in the entries
//!   └───────┴──────┴─────────┴────────────┴─────────┴──────┴─────────┴──────────┘      every 16th begins, 4 bytes each
//!   entry: shared bytes · further bytes · these bytes · numbers          (all numbers as LEB128)
//! ```
//!
//! Every 16th entry shares nothing, so that a key is found by halving and at most 16 steps. A node is closed before it
//! gets longer than 4096 bytes; one of a long key is longer.
//!
//! Not here: what the numbers mean; the checksum, which lies with whoever points to the node.

use crate::pages::partition_point;
use crate::wal::number::{disk_size, size, u16_at, u32_at};

/// A node is closed before it gets longer.
pub(super) const NODE_BYTES: usize = 4096;

const HEAD_BYTES: usize = 12;

/// Entries from one that shares nothing to the next.
const RESTART_ENTRIES: usize = 16;

/// Numbers of an entry: a leaf has three, an inner node four.
pub(super) const NUMBERS_MAX: usize = 4;

/// The numbers of an entry; those it does not have are 0.
pub(super) type Numbers = [u64; NUMBERS_MAX];

/// How many numbers the entries of a level have.
fn numbers_of(level: u8) -> usize {
    if level == 0 { 3 } else { NUMBERS_MAX }
}

/// A node that grows.
#[derive(Debug)]
pub(super) struct Builder {
    level: u8,
    entries: Vec<u8>,
    restarts: Vec<usize>,
    count: usize,
    last_key: Vec<u8>,
}

impl Builder {
    pub(super) fn new(level: u8) -> Self {
        Builder { level, entries: Vec::new(), restarts: Vec::new(), count: 0, last_key: Vec::new() }
    }

    pub(super) fn count(&self) -> usize {
        self.count
    }

    /// Adds an entry. False, and nothing changed, when the node would get too long and has `count_min` entries.
    pub(super) fn push(&mut self, key: &[u8], numbers: Numbers, count_min: usize) -> bool {
        let is_restart = self.count.is_multiple_of(RESTART_ENTRIES);
        let shared = if is_restart { 0 } else { common_bytes(&self.last_key, key) };
        let suffix = key.get(shared..).expect("what is shared is part of the key");
        let start = self.entries.len();
        put_varint(&mut self.entries, shared);
        put_varint(&mut self.entries, suffix.len());
        self.entries.extend_from_slice(suffix);
        for number in numbers.iter().take(numbers_of(self.level)) {
            put_varint_u64(&mut self.entries, *number);
        }
        let restarts = self.restarts.len() + usize::from(is_restart);
        let is_too_long = HEAD_BYTES + self.entries.len() + restarts * 4 > NODE_BYTES;
        if is_too_long && self.count >= count_min || self.count == usize::from(u16::MAX) {
            self.entries.truncate(start);
            return false;
        }
        if is_restart {
            self.restarts.push(start);
        }
        self.count += 1;
        self.last_key.truncate(shared);
        self.last_key.extend_from_slice(suffix);
        true
    }

    /// The bytes of the node; the builder is empty again.
    pub(super) fn take(&mut self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(HEAD_BYTES + self.entries.len() + self.restarts.len() * 4);
        let short = |count: usize| u16::try_from(count).expect("entries are counted").to_le_bytes();
        bytes.extend_from_slice(&[self.level, 0]);
        bytes.extend_from_slice(&short(self.count));
        bytes.extend_from_slice(&disk_size(self.entries.len()).to_le_bytes());
        bytes.extend_from_slice(&short(self.restarts.len()));
        bytes.extend_from_slice(&[0; 2]);
        bytes.append(&mut self.entries);
        self.restarts.drain(..).for_each(|restart| bytes.extend_from_slice(&disk_size(restart).to_le_bytes()));
        self.count = 0;
        self.last_key.clear();
        bytes
    }
}

/// A node that was read. Every function is total over arbitrary bytes: what makes no sense is none.
#[derive(Clone, Copy, Debug)]
pub(super) struct Node<'a> {
    level: u8,
    count: usize,
    entries: &'a [u8],
    restarts: &'a [u8],
}

/// Where in a node, and what stands there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Position {
    /// Place of the entry in the node.
    pub(super) index: usize,
    pub(super) key: Vec<u8>,
    pub(super) numbers: Numbers,
    /// Where the next entry begins.
    next: usize,
}

/// What [`Node::floor`] finds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Floor {
    /// Place of the entry in the node.
    pub(super) index: usize,
    pub(super) numbers: Numbers,
    /// The key of the entry behind it, if there is one.
    pub(super) next: Option<Vec<u8>>,
}

impl<'a> Node<'a> {
    pub(super) fn parse(bytes: &'a [u8]) -> Option<Self> {
        let entries_bytes = size(u32_at(bytes, 4)?);
        let restarts = usize::from(u16_at(bytes, 8)?);
        let (entries, restart_bytes) = bytes.get(HEAD_BYTES..)?.split_at_checked(entries_bytes)?;
        let count = usize::from(u16_at(bytes, 2)?);
        let is_sound = restart_bytes.len() == restarts * 4 && restarts == count.div_ceil(RESTART_ENTRIES);
        let level = *bytes.first()?;
        is_sound.then_some(Node { level, count, entries, restarts: restart_bytes })
    }

    pub(super) fn level(&self) -> u8 {
        self.level
    }

    /// The first entry, or the one behind `position`. None at the end, and where what follows makes no sense.
    pub(super) fn next(&self, position: Option<Position>) -> Option<Position> {
        let Some(mut position) = position else { return self.at_restart(0) };
        position.index += 1;
        self.read(&mut position).then_some(position)
    }

    /// True when there is an entry behind that place.
    pub(super) fn has_more(&self, index: usize) -> bool {
        index + 1 < self.count
    }

    /// The first entry whose key is not below `key`.
    pub(super) fn lower_bound(&self, key: &[u8]) -> Option<Position> {
        let mut position = self.start_near(key)?;
        while position.key.as_slice() < key {
            position = self.next(Some(position))?;
        }
        Some(position)
    }

    /// The last entry whose key is not above `key`, or the first, and the key of the entry behind it.
    pub(super) fn floor(&self, key: &[u8]) -> Option<Floor> {
        let mut position = self.start_near(key)?;
        let mut floor = Floor { index: position.index, numbers: position.numbers, next: None };
        while self.has_more(position.index) {
            position = self.next(Some(position))?;
            if position.key.as_slice() > key {
                floor.next = Some(position.key);
                break;
            }
            (floor.index, floor.numbers) = (position.index, position.numbers);
        }
        Some(floor)
    }

    /// The last restart whose key is not above `key`, or the first.
    fn start_near(&self, key: &[u8]) -> Option<Position> {
        let restarts = self.restarts.len() / 4;
        let below = partition_point(restarts, |restart| self.restart_key(restart).is_some_and(|found| found <= key));
        self.at_restart(below.saturating_sub(1))
    }

    fn at_restart(&self, restart: usize) -> Option<Position> {
        let next = size(u32_at(self.restarts, restart * 4)?);
        let mut position = Position { index: restart * RESTART_ENTRIES, next, ..Position::default() };
        self.read(&mut position).then_some(position)
    }

    fn restart_key(&self, restart: usize) -> Option<&'a [u8]> {
        let mut bytes = self.entries.get(size(u32_at(self.restarts, restart * 4)?)..)?;
        take_varint(&mut bytes).filter(|shared| *shared == 0)?;
        let length = take_size(&mut bytes)?;
        bytes.get(..length)
    }

    /// Reads the entry at `next` into the position. False at the end, and where it makes no sense.
    fn read(&self, position: &mut Position) -> bool {
        self.read_entry(position).is_some()
    }

    fn read_entry(&self, position: &mut Position) -> Option<()> {
        if position.index >= self.count {
            return None;
        }
        let mut bytes = self.entries.get(position.next..)?;
        let shared = take_size(&mut bytes)?;
        let length = take_size(&mut bytes)?;
        if shared > position.key.len() {
            return None;
        }
        let (suffix, rest) = bytes.split_at_checked(length)?;
        bytes = rest;
        for number in position.numbers.iter_mut().take(numbers_of(self.level)) {
            *number = take_varint(&mut bytes)?;
        }
        position.key.truncate(shared);
        position.key.extend_from_slice(suffix);
        position.next = self.entries.len() - bytes.len();
        Some(())
    }
}

/// How many bytes two keys begin with alike.
pub(super) fn common_bytes(a: &[u8], b: &[u8]) -> usize {
    a.iter().zip(b).take_while(|(a, b)| a == b).count()
}

fn put_varint(bytes: &mut Vec<u8>, number: usize) {
    put_varint_u64(bytes, u64::from(disk_size(number)));
}

fn put_varint_u64(bytes: &mut Vec<u8>, mut number: u64) {
    loop {
        let [low, ..] = number.to_le_bytes();
        number >>= 7;
        if number == 0 {
            return bytes.push(low & 0x7f);
        }
        bytes.push(low | 0x80);
    }
}

fn take_varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0_u64;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        let bits = u64::from(byte & 0x7f);
        if bits << shift >> shift != bits {
            return None;
        }
        number |= bits << shift;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

fn take_size(bytes: &mut &[u8]) -> Option<usize> {
    take_varint(bytes).and_then(|number| usize::try_from(number).ok())
}

#[cfg(test)]
mod tests {
    //! A node against a sorted list, and arbitrary bytes.

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn numbers_come_back() {
        for number in [0, 1, 127, 128, 300, u64::from(u32::MAX), u64::MAX - 1, u64::MAX] {
            let mut bytes = Vec::new();
            put_varint_u64(&mut bytes, number);
            let mut rest = &bytes[..];
            assert_eq!(take_varint(&mut rest), Some(number));
            assert!(rest.is_empty());
        }
        assert_eq!(take_varint(&mut &[0xff; 10][..]), None);
        assert_eq!(take_varint(&mut &[0x80; 3][..]), None);
    }

    fn all(node: &Node<'_>) -> Vec<(Vec<u8>, Numbers)> {
        let mut position = node.next(None);
        let mut found = Vec::new();
        while let Some(at) = position {
            assert_eq!(at.index, found.len());
            found.push((at.key.clone(), at.numbers));
            position = node.next(Some(at));
        }
        found
    }

    proptest! {
        #[test]
        fn a_node_is_a_sorted_list(
            keys in prop::collection::btree_set("[ab.]{0,6}", 1..80),
            level in 0_u8..2,
            asked in prop::collection::vec("[abc.]{0,6}", 10),
        ) {
            let mut builder = Builder::new(level);
            let entries: Vec<(Vec<u8>, Numbers)> = (0..)
                .zip(&keys)
                .map(|(n, key)| (key.clone().into_bytes(), [n, n * 1000, u64::MAX - n, if level == 0 { 0 } else { n }]))
                .collect();
            entries.iter().for_each(|(key, numbers)| assert!(builder.push(key, *numbers, 1)));
            let bytes = builder.take();
            let node = Node::parse(&bytes).unwrap();
            prop_assert_eq!(&all(&node), &entries);
            for key in asked.iter().map(String::as_bytes).chain(entries.iter().map(|(key, _)| &key[..])) {
                let at = entries.partition_point(|(found, _)| &found[..] < key);
                prop_assert_eq!(node.lower_bound(key).map(|found| found.index), (at < entries.len()).then_some(at));
                let below = entries.partition_point(|(found, _)| &found[..] <= key).saturating_sub(1);
                let next = entries.get(below + 1).map(|(key, _)| key.clone());
                prop_assert_eq!(node.floor(key), Some(Floor { index: below, numbers: entries[below].1, next }));
            }
        }

        #[test]
        fn arbitrary_bytes_are_read_without_harm(
            count in 0_u16..40,
            content in prop::collection::vec(any::<u8>(), 0..200),
        ) {
            let restarts = count.div_ceil(16);
            let Some(entries) = content.len().checked_sub(usize::from(restarts) * 4) else { return Ok(()) };
            let mut bytes = vec![0, 0];
            bytes.extend(count.to_le_bytes());
            bytes.extend(disk_size(entries).to_le_bytes());
            bytes.extend(restarts.to_le_bytes());
            bytes.extend([0, 0]);
            bytes.extend(&content);
            let node = Node::parse(&bytes).unwrap();
            prop_assert!(all(&node).len() <= usize::from(count));
            node.lower_bound(b"a.b");
            node.floor(b"a.b");
        }
    }

    #[test]
    fn a_node_closes_before_it_gets_too_long() {
        let mut builder = Builder::new(0);
        let mut count = 0_u64;
        while builder.push(format!("orders.{count:08}").as_bytes(), [1, count, 0, 0], 1) {
            count += 1;
        }
        assert!(builder.take().len() <= NODE_BYTES);
        assert!(count > 200, "{count}");
        let long = vec![b'x'; 60_000];
        assert!(builder.push(&long, [0; 4], 1) && !builder.push(b"y", [0; 4], 1));
        assert!(Node::parse(&builder.take()).is_some());
    }
}
