//! A sorted table of subjects on disk: how many messages each has, its first and its last.
//!
//! ```text
//!                     ┌──────┐
//!                     │ root │                     inner nodes: where a child begins, what it is called
//!                ┌────┴──┬───┴───┐
//!             ┌──▼─┐  ┌──▼─┐  ┌──▼─┐
//!             │leaf│  │leaf│  │leaf│  ...  ┌───────┐     leaves: key → count, first, last
//!             └────┘  └────┘  └────┘       │ Bloom │     filter: is a key there at all
//!                                          └───────┘
//! ```
//!
//! A leaf is about 4 KiB, and so is every other part. A lookup reads one part of the filter, one of its checksums, and a
//! node of each level: with 20 million keys four, of which all but the last are few. What is held in memory is the place
//! of the root, [`Table`]; parts come from a cache that somebody bounds.
//!
//! The *ordinal* of a key is how many keys are before it.
//!
//! Not here: what a table is of. A segment has one of its streams' subjects, in which a key is the group (8 bytes,
//! big-endian) and a subject.

mod bloom;
mod cursor;
mod matches;
mod merge;
mod node;
mod pattern;
mod writer;

use bytes::Bytes;

use self::bloom::Bloom;
use self::node::{Node, Numbers, Position};
use crate::disk::DiskFile;
use crate::file::{self, FileError, FileId, u64_of};
use crate::part::{Fault, Miss, Part, Parts};
use crate::wal::number::{u32_at, u64_at};

pub use self::cursor::Cursor;
pub use self::matches::Matches;
pub use self::merge::Merge;
pub use self::writer::TableFile;
pub(crate) use self::writer::Writer;

/// Levels of a table, leaves included. Each node has two entries at least, so that this is never reached.
const LEVELS_MAX: u8 = 64;

/// What a table says of a key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Value {
    /// How many messages. 0 says that there are none any more, where a newer table hides an older one.
    pub count: u64,
    /// Sequence of the first.
    pub first: u64,
    /// Sequence of the last: `last ≥ first`.
    pub last: u64,
}

/// A key that was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    /// How many keys are before it.
    pub ordinal: u64,
    /// What is said of it.
    pub value: Value,
}

/// Where a table is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Table {
    keys: u64,
    /// What is subtracted from sequences.
    base: u64,
    /// Any part when there are no keys.
    root: Part,
    levels: u8,
    bloom: Bloom,
}

impl Table {
    /// Bytes in a trailer.
    pub(crate) const BYTES: usize = 56;

    /// Looks at the ends of a table file. What lies between is verified when it is read.
    ///
    /// # Errors
    /// [`FileError`].
    pub fn open<F: DiskFile>(file: &F, id: FileId) -> Result<Table, FileError> {
        let ends = file::open(file, id)?;
        let damaged = || FileError::Damaged { file: id.name(), what: "the trailer" };
        Table::decode(&ends.body, id.number, ends.content_end).ok_or_else(damaged)
    }

    /// How many keys there are.
    pub fn keys(&self) -> u64 {
        self.keys
    }

    /// Levels of nodes, leaves included.
    pub fn levels(&self) -> u8 {
        self.levels
    }

    /// Bytes of the filter on disk.
    pub fn filter_bytes(&self) -> u64 {
        self.bloom.bytes()
    }

    /// What is said of a key.
    ///
    /// # Errors
    /// [`Miss`].
    pub fn lookup(&self, parts: &impl Parts, key: &[u8]) -> Result<Option<Found>, Miss> {
        if self.keys == 0 || !self.bloom.may_contain(parts, key)? {
            return Ok(None);
        }
        let leaf = self.leaf(parts, key)?;
        let node = Node::parse(&leaf.bytes).ok_or_else(|| malformed(self.root))?;
        let position = node.lower_bound(key).filter(|position| position.key == key);
        Ok(position.map(|position| Found { ordinal: leaf.ordinal(&position), value: self.value(&position.numbers) }))
    }

    /// A walk over all keys in their order.
    pub fn cursor(&self) -> Cursor {
        Cursor::new(*self)
    }

    /// A walk over the keys that are `prefix` and a subject that one of the patterns matches. The patterns are valid.
    pub fn matches<P: AsRef<[u8]>>(&self, prefix: &[u8], patterns: impl IntoIterator<Item = P>) -> Matches {
        Matches::new(self.cursor(), prefix, patterns)
    }

    /// Where every part of the table is that can be found, for whoever verifies it.
    pub(crate) fn parts(&self, parts: &impl Parts) -> Vec<Part> {
        let mut all = self.bloom.parts(parts);
        if self.keys > 0 {
            self.collect(parts, self.root, self.levels, &mut all);
        }
        all
    }

    fn collect(&self, parts: &impl Parts, part: Part, level: u8, all: &mut Vec<Part>) {
        all.push(part);
        let Some(below) = level.checked_sub(1).filter(|below| *below > 0) else { return };
        let Ok(bytes) = parts.whole(part) else { return };
        let Some(node) = Node::parse(&bytes).filter(|node| node.level() == below) else { return };
        let mut position = node.next(None);
        while let Some(at) = position {
            if let Some((child, _)) = self.child(&at.numbers) {
                self.collect(parts, child, below, all);
            }
            position = node.next(Some(at));
        }
    }

    /// Keys (8) · base (8) · root: offset (8), bytes (4), checksum (4) · filter (20) · levels (1) · zero (3).
    pub(crate) fn encode(&self, bytes: &mut Vec<u8>) {
        bytes.extend_from_slice(&self.keys.to_le_bytes());
        bytes.extend_from_slice(&self.base.to_le_bytes());
        bytes.extend_from_slice(&self.root.offset.to_le_bytes());
        bytes.extend_from_slice(&self.root.bytes.to_le_bytes());
        bytes.extend_from_slice(&self.root.checksum.to_le_bytes());
        self.bloom.encode(bytes);
        bytes.extend_from_slice(&[self.levels, 0, 0, 0]);
    }

    /// None when it cannot be in a file whose content ends at `content_end`.
    pub(crate) fn decode(bytes: &[u8], file: u64, content_end: u64) -> Option<Self> {
        let root = Part { file, offset: u64_at(bytes, 16)?, bytes: u32_at(bytes, 24)?, checksum: u32_at(bytes, 28)? };
        let table = Table {
            keys: u64_at(bytes, 0)?,
            base: u64_at(bytes, 8)?,
            root,
            bloom: Bloom::decode(bytes.get(32..)?, file, content_end)?,
            levels: *bytes.get(32 + Bloom::BYTES)?,
        };
        let end = root.offset.checked_add(u64::from(root.bytes))?;
        let has_root = table.keys == 0 || (1..=LEVELS_MAX).contains(&table.levels) && end <= content_end;
        has_root.then_some(table)
    }

    /// The leaf in which a key is if it is anywhere.
    fn leaf(&self, parts: &impl Parts, key: &[u8]) -> Result<Leaf, Miss> {
        let mut part = self.root;
        let mut leaf = Leaf { part, bytes: parts.whole(part)?, first_ordinal: 0, end: None };
        for level in (0..self.levels).rev() {
            let node = Node::parse(&leaf.bytes).filter(|node| node.level() == level).ok_or_else(|| malformed(part))?;
            if level == 0 {
                return Ok(leaf);
            }
            let floor = node.floor(key).ok_or_else(|| malformed(part))?;
            let (child, ordinal) = self.child(&floor.numbers).ok_or_else(|| malformed(part))?;
            part = child;
            leaf.first_ordinal = ordinal;
            leaf.end = floor.next.or(leaf.end);
            leaf.part = part;
            leaf.bytes = parts.whole(part)?;
        }
        Err(malformed(part))
    }

    /// The part that an inner entry names, and the ordinal of its first key.
    fn child(&self, numbers: &Numbers) -> Option<(Part, u64)> {
        let [offset, bytes, checksum, ordinal] = *numbers;
        let (bytes, checksum) = (u32::try_from(bytes).ok()?, u32::try_from(checksum).ok()?);
        Some((Part { file: self.root.file, offset, bytes, checksum }, ordinal))
    }

    fn value(&self, numbers: &Numbers) -> Value {
        let [count, first, length, _] = *numbers;
        let first = self.base.saturating_add(first);
        Value { count, first, last: first.saturating_add(length) }
    }
}

/// A leaf on the way to which was noted what lies around it.
#[derive(Clone, Debug)]
struct Leaf {
    part: Part,
    bytes: Bytes,
    first_ordinal: u64,
    /// Keys from here on are in the leaves behind.
    end: Option<Vec<u8>>,
}

impl Leaf {
    fn ordinal(&self, position: &Position) -> u64 {
        self.first_ordinal.saturating_add(u64_of(position.index))
    }
}

fn malformed(part: Part) -> Miss {
    Miss::Damaged { part, fault: Fault::Malformed }
}

const _: () = assert!(Table::BYTES == 32 + Bloom::BYTES + 4);
