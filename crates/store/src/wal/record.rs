//! A record: what one group wrote at once, as bytes that carry their own checksum and never change again.
//!
//! ```text
//!   0        4        8                16               24       28  29  30   32
//!   ┌────────┬────────┬────────────────┬────────────────┬────────┬───┬───┬────┬───────────┬─────────┐
//!   │checksum│ bytes  │     group      │    sequence    │ count  │ v │ k │ x  │ extension │ payload │
//!   └────────┴────────┴────────────────┴────────────────┴────────┴───┴───┴────┴───────────┴─────────┘
//!            bytes: of the whole record     v: version   k: kind   x: bytes of the extension
//!
//!   extension: fields, one after the other    ┌──────┬───────┬───────┐
//!                                             │ kind │ bytes │ value │
//!                                             └──────┴───────┴───────┘
//!                                              0      2       4
//! ```
//!
//! The checksum is CRC32C over everything behind it. A shard makes the bytes; they go unchanged into the log, from there
//! into a segment and to other servers, so that a flip anywhere on the way is noticed at its end. Neither the position
//! in the log nor the place in a file is part of a record.
//!
//! Not here: what kinds and fields mean. The log copies them.

use std::fmt;

use crc32c::crc32c;
use thiserror::Error;

use super::number::{disk_size, put, size, u16_at, u32_at, u64_at};

/// The version that is written, and the highest that is read.
pub(super) const RECORD_VERSION: u8 = 1;

/// Bytes before the extension.
pub const RECORD_HEAD_BYTES: usize = 32;

/// Longest record. A message of the largest `max_payload` (64 MiB) with its headers and a batch's frame fits.
pub const RECORD_BYTES_MAX: usize = (64 << 20) + (1 << 20);

/// Bytes of a field before its value.
const FIELD_HEAD_BYTES: usize = 4;

/// A stream or a group of replicas: whoever numbers its own entries. Given out by the owner of streams.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GroupId(pub u64);

/// What a record is called, so that a lost one can be named: `count` entries of `group`, from `sequence` on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name {
    /// Who wrote it.
    pub group: GroupId,
    /// The first sequence it holds, in the group's own numbering.
    pub sequence: u64,
    /// How many sequences it holds; 0 when it is not about sequences.
    pub count: u32,
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Name { group, sequence, count } = self;
        match count {
            0 => write!(f, "group {} at {sequence}", group.0),
            1 => write!(f, "group {} sequence {sequence}", group.0),
            _ => {
                let last = sequence.saturating_add(u64::from(count - 1));
                write!(f, "group {} sequences {sequence} to {last}", group.0)
            }
        }
    }
}

/// A record, as it is written and as it is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record<'a> {
    /// What it is called.
    pub name: Name,
    /// What the payload is. The log does not look.
    pub kind: u8,
    /// Typed additions, of which a reader skips those it does not know.
    pub extension: Extension<'a>,
    /// Anything.
    pub payload: &'a [u8],
}

impl<'a> Record<'a> {
    /// Reads the record that `bytes` begin with.
    ///
    /// # Errors
    /// What stands there is no record, or not the one that was written.
    pub fn decode(bytes: &'a [u8]) -> Result<Self, BadRecord> {
        let length = record_bytes(bytes).ok_or(BadRecord::Length)?;
        let record = bytes.get(..length).ok_or(BadRecord::Length)?;
        let (checksum, covered) = record.split_first_chunk().ok_or(BadRecord::Length)?;
        if u32::from_le_bytes(*checksum) != crc32c(covered) {
            return Err(BadRecord::Checksum);
        }
        let head = RecordHead::read(record).ok_or(BadRecord::Length)?;
        if head.version > RECORD_VERSION {
            return Err(BadRecord::Version { found: head.version });
        }
        let (_, rest) = record.split_at_checked(RECORD_HEAD_BYTES).ok_or(BadRecord::Length)?;
        let (extension, payload) = rest.split_at_checked(head.extension_bytes).ok_or(BadRecord::Extension)?;
        let extension = Extension::parse(extension).ok_or(BadRecord::Extension)?;
        Ok(Record { name: head.name, kind: head.kind, extension, payload })
    }

    /// Length in the log.
    pub fn encoded_bytes(&self) -> usize {
        RECORD_HEAD_BYTES + self.extension.bytes.len() + self.payload.len()
    }

    /// Appends the record and returns its checksum.
    fn encode(&self, bytes: &mut Vec<u8>) -> u32 {
        let start = bytes.len();
        let extension_bytes = u16::try_from(self.extension.bytes.len()).expect("an extension is below 64 KiB");
        bytes.extend_from_slice(&[0; 4]);
        bytes.extend_from_slice(&disk_size(self.encoded_bytes()).to_le_bytes());
        bytes.extend_from_slice(&self.name.group.0.to_le_bytes());
        bytes.extend_from_slice(&self.name.sequence.to_le_bytes());
        bytes.extend_from_slice(&self.name.count.to_le_bytes());
        bytes.extend_from_slice(&[RECORD_VERSION, self.kind]);
        bytes.extend_from_slice(&extension_bytes.to_le_bytes());
        bytes.extend_from_slice(self.extension.bytes);
        bytes.extend_from_slice(self.payload);
        let covered = bytes.get(start + 4..).expect("the head is there");
        let checksum = crc32c(covered);
        put(bytes, start, &checksum.to_le_bytes());
        checksum
    }
}

/// The length that a record claims, when it is one that a record can have.
pub(super) fn record_bytes(bytes: &[u8]) -> Option<usize> {
    u32_at(bytes, 4).map(size).filter(|length| (RECORD_HEAD_BYTES..=RECORD_BYTES_MAX).contains(length))
}

struct RecordHead {
    name: Name,
    version: u8,
    kind: u8,
    extension_bytes: usize,
}

impl RecordHead {
    fn read(record: &[u8]) -> Option<RecordHead> {
        Some(RecordHead {
            name: Name {
                group: GroupId(u64_at(record, 8)?),
                sequence: u64_at(record, 16)?,
                count: u32_at(record, 24)?,
            },
            version: *record.get(28)?,
            kind: *record.get(29)?,
            extension_bytes: u16_at(record, 30)?.into(),
        })
    }
}

/// Why bytes are not a record.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum BadRecord {
    /// Something flipped, or another record stands there.
    #[error("the checksum does not match")]
    Checksum,
    /// The fields of the extension do not fill it.
    #[error("the extension is malformed")]
    Extension,
    /// Shorter than a record, longer than one may be, or cut off.
    #[error("the length is not a record's")]
    Length,
    /// It is whole, and it is not the one that was asked for.
    #[error("found {found} in its place")]
    Other {
        /// What is there.
        found: Name,
    },
    /// Written by a newer release. Whole, but not understood.
    #[error("record version {found} is newer than {RECORD_VERSION}, the newest that this release reads")]
    Version {
        /// Its version.
        found: u8,
    },
}

/// The fields between a record's head and its payload.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Extension<'a> {
    /// Whole fields, below 64 KiB together.
    bytes: &'a [u8],
}

impl<'a> Extension<'a> {
    /// None when `bytes` are not whole fields or 64 KiB and more.
    pub fn parse(bytes: &'a [u8]) -> Option<Self> {
        let mut rest = bytes;
        while !rest.is_empty() {
            (_, rest) = split_field(rest)?;
        }
        (bytes.len() <= usize::from(u16::MAX)).then_some(Extension { bytes })
    }

    /// What [`Extension::parse`] took.
    pub fn as_bytes(self) -> &'a [u8] {
        self.bytes
    }

    /// The fields, in the order in which they were pushed.
    pub fn fields(self) -> impl Iterator<Item = Field<'a>> {
        let mut rest = self.bytes;
        std::iter::from_fn(move || {
            let (field, after) = split_field(rest)?;
            rest = after;
            Some(field)
        })
    }

    /// The value of the first field of a kind.
    pub fn find(self, kind: u16) -> Option<&'a [u8]> {
        self.fields().find(|field| field.kind == kind).map(|field| field.value)
    }
}

/// One typed addition to a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field<'a> {
    /// What the value is.
    pub kind: u16,
    /// Below 64 KiB.
    pub value: &'a [u8],
}

impl Field<'_> {
    /// Appends the field to bytes that [`Extension::parse`] takes.
    ///
    /// # Panics
    /// When the value is 64 KiB or longer.
    pub fn push_to(&self, bytes: &mut Vec<u8>) {
        let length = u16::try_from(self.value.len()).expect("a field is below 64 KiB");
        bytes.extend_from_slice(&self.kind.to_le_bytes());
        bytes.extend_from_slice(&length.to_le_bytes());
        bytes.extend_from_slice(self.value);
    }
}

fn split_field(bytes: &[u8]) -> Option<(Field<'_>, &[u8])> {
    let kind = u16_at(bytes, 0)?;
    let length = usize::from(u16_at(bytes, 2)?);
    let (value, rest) = bytes.get(FIELD_HEAD_BYTES..)?.split_at_checked(length)?;
    Some((Field { kind, value }, rest))
}

/// What the log's directory says of a record: its name, and what to find where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) name: Name,
    pub(super) bytes: u32,
    pub(super) checksum: u32,
}

/// Records on their way into the log, encoded and checksummed by the shard that made them, so that the log thread only
/// copies. They get positions one after the other; a crash may keep a first part of them and no more.
#[derive(Clone, Debug, Default)]
pub struct Submission {
    entries: Vec<Entry>,
    bytes: Vec<u8>,
}

impl Submission {
    /// Nothing yet.
    pub fn new() -> Self {
        Submission::default()
    }

    /// Adds a record.
    ///
    /// # Errors
    /// It is longer than [`RECORD_BYTES_MAX`]; nothing was added.
    pub fn push(&mut self, record: &Record<'_>) -> Result<(), RecordTooLong> {
        let length = record.encoded_bytes();
        if length > RECORD_BYTES_MAX {
            return Err(RecordTooLong { bytes: length });
        }
        self.bytes.reserve(length);
        let checksum = record.encode(&mut self.bytes);
        self.entries.push(Entry { name: record.name, bytes: disk_size(length), checksum });
        Ok(())
    }

    /// How many records.
    pub fn count(&self) -> usize {
        self.entries.len()
    }

    /// There is nothing to submit.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Length of the records in the log.
    pub fn bytes(&self) -> usize {
        self.bytes.len()
    }

    pub(super) fn entries(&self) -> &[Entry] {
        &self.entries
    }

    pub(super) fn encoded(&self) -> &[u8] {
        &self.bytes
    }
}

/// A record is longer than [`RECORD_BYTES_MAX`].
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("a record of {bytes} bytes is longer than {RECORD_BYTES_MAX}")]
pub struct RecordTooLong {
    /// How long it would be.
    pub bytes: usize,
}

#[cfg(test)]
mod tests {
    //! A record as bytes, written out, and every record there and back.

    use proptest::prelude::*;

    use super::*;

    fn encoded(record: &Record<'_>) -> Vec<u8> {
        let mut submission = Submission::new();
        submission.push(record).unwrap();
        submission.encoded().to_vec()
    }

    fn example() -> Record<'static> {
        Record {
            name: Name { group: GroupId(0x0102), sequence: 0x0304, count: 2 },
            kind: 7,
            extension: Extension::parse(&[5, 0, 1, 0, 0xaa]).unwrap(),
            payload: b"snow",
        }
    }

    #[test]
    fn a_record_is_these_bytes() {
        #[rustfmt::skip]
        let covered = [
            41, 0, 0, 0,
            2, 1, 0, 0, 0, 0, 0, 0,
            4, 3, 0, 0, 0, 0, 0, 0,
            2, 0, 0, 0,
            1, 7, 5, 0,
            5, 0, 1, 0, 0xaa,
            b's', b'n', b'o', b'w',
        ];
        let mut expected = crc32c(&covered).to_le_bytes().to_vec();
        expected.extend_from_slice(&covered);
        assert_eq!(encoded(&example()), expected);
    }

    #[test]
    fn the_checksum_is_the_castagnoli_one() {
        assert_eq!(crc32c(b"123456789"), 0xe306_9283);
    }

    #[test]
    fn each_flipped_bit_is_noticed() {
        let bytes = encoded(&example());
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(Record::decode(&flipped).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn a_newer_version_is_refused_by_name() {
        let mut bytes = encoded(&example());
        bytes[28] = 9;
        let checksum = crc32c(&bytes[4..]);
        put(&mut bytes, 0, &checksum.to_le_bytes());
        let refused = Record::decode(&bytes).unwrap_err();
        assert_eq!(refused, BadRecord::Version { found: 9 });
        assert_eq!(refused.to_string(), "record version 9 is newer than 1, the newest that this release reads");
    }

    #[test]
    fn names_are_said_as_ranges() {
        let name = |count| Name { group: GroupId(3), sequence: 10, count }.to_string();
        assert_eq!(name(0), "group 3 at 10");
        assert_eq!(name(1), "group 3 sequence 10");
        assert_eq!(name(5), "group 3 sequences 10 to 14");
    }

    #[test]
    fn a_record_that_is_too_long_is_refused() {
        let payload = vec![0; RECORD_BYTES_MAX - RECORD_HEAD_BYTES + 1];
        let record = Record { payload: &payload, extension: Extension::default(), ..example() };
        let mut submission = Submission::new();
        assert_eq!(submission.push(&record), Err(RecordTooLong { bytes: RECORD_BYTES_MAX + 1 }));
        assert!(submission.is_empty());
    }

    proptest! {
        #[test]
        fn a_record_comes_back(
            (group, sequence, count, kind) in any::<(u64, u64, u32, u8)>(),
            fields in prop::collection::vec((any::<u16>(), prop::collection::vec(any::<u8>(), 0..40)), 0..5),
            payload in prop::collection::vec(any::<u8>(), 0..300),
        ) {
            let mut extension = Vec::new();
            for (kind, value) in &fields {
                Field { kind: *kind, value }.push_to(&mut extension);
            }
            let record = Record {
                name: Name { group: GroupId(group), sequence, count },
                kind,
                extension: Extension::parse(&extension).unwrap(),
                payload: &payload,
            };
            let mut bytes = encoded(&record);
            bytes.extend_from_slice(b"what follows");
            let back = Record::decode(&bytes).unwrap();
            prop_assert_eq!(back, record);
            let back: Vec<_> = back.extension.fields().map(|field| (field.kind, field.value.to_vec())).collect();
            prop_assert_eq!(back, fields);
        }

        #[test]
        fn arbitrary_bytes_are_no_record(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(Record::decode(&bytes).is_err());
        }
    }
}
