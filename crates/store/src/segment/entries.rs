//! What a segment's lists are made of: groups, runs and column pages, each sorted by group and sequence.

use firn_id::Timestamp;

use crate::pages::{Entry, Key};
use crate::part::Part;
use crate::wal::GroupId;
use crate::wal::number::{u16_at, u32_at, u64_at};

/// What a segment has of one stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Group {
    /// The stream's.
    pub group: GroupId,
    /// How many messages.
    pub messages: u64,
    /// Bytes of their frames.
    pub bytes: u64,
    /// Sequence of the first.
    pub first: u64,
    /// Sequence of the last.
    pub last: u64,
    /// Time of the first.
    pub first_time: Timestamp,
    /// Time of the last.
    pub last_time: Timestamp,
    /// Ordinal of its lowest subject in the segment's table.
    pub(crate) first_ordinal: u32,
    /// How many subjects.
    pub subjects: u32,
}

impl Entry for Group {
    const BYTES: usize = 64;

    fn key(&self) -> Key {
        (self.group.0, self.first)
    }

    fn encode(&self, bytes: &mut Vec<u8>) {
        let [first_time, last_time] = [self.first_time, self.last_time].map(|time| time.unix_nanos().cast_unsigned());
        for number in [self.group.0, self.first, self.last, self.messages, self.bytes, first_time, last_time] {
            bytes.extend_from_slice(&number.to_le_bytes());
        }
        bytes.extend_from_slice(&self.first_ordinal.to_le_bytes());
        bytes.extend_from_slice(&self.subjects.to_le_bytes());
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let time = |at| u64_at(bytes, at).map(|nanos| Timestamp::from_unix_nanos(nanos.cast_signed()));
        Some(Group {
            group: GroupId(u64_at(bytes, 0)?),
            first: u64_at(bytes, 8)?,
            last: u64_at(bytes, 16)?,
            messages: u64_at(bytes, 24)?,
            bytes: u64_at(bytes, 32)?,
            first_time: time(40)?,
            last_time: time(48)?,
            first_ordinal: u32_at(bytes, 56)?,
            subjects: u32_at(bytes, 60)?,
        })
    }
}

/// The messages of one group in one block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Run {
    pub(super) group: GroupId,
    pub(super) first: u64,
    pub(super) last: u64,
    /// The latest time of the group up to and including this run.
    pub(super) time_reached: i64,
    pub(super) offset: u64,
    pub(super) bytes: u32,
    pub(super) checksum: u32,
    pub(super) count: u32,
    /// Place of the first one in the block.
    pub(super) first_frame: u16,
    pub(super) codec: u8,
}

impl Run {
    pub(super) fn block(&self, file: u64) -> Part {
        Part { file, offset: self.offset, bytes: self.bytes, checksum: self.checksum }
    }

    /// Every sequence from the first to the last is there.
    pub(super) fn is_dense(&self) -> bool {
        self.last.wrapping_sub(self.first) == u64::from(self.count).wrapping_sub(1)
    }
}

impl Entry for Run {
    const BYTES: usize = 56;

    fn key(&self) -> Key {
        (self.group.0, self.first)
    }

    fn encode(&self, bytes: &mut Vec<u8>) {
        for number in [self.group.0, self.first, self.last, self.time_reached.cast_unsigned(), self.offset] {
            bytes.extend_from_slice(&number.to_le_bytes());
        }
        for number in [self.bytes, self.checksum, self.count] {
            bytes.extend_from_slice(&number.to_le_bytes());
        }
        bytes.extend_from_slice(&self.first_frame.to_le_bytes());
        bytes.extend_from_slice(&[self.codec, 0]);
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        Some(Run {
            group: GroupId(u64_at(bytes, 0)?),
            first: u64_at(bytes, 8)?,
            last: u64_at(bytes, 16)?,
            time_reached: u64_at(bytes, 24)?.cast_signed(),
            offset: u64_at(bytes, 32)?,
            bytes: u32_at(bytes, 40)?,
            checksum: u32_at(bytes, 44)?,
            count: u32_at(bytes, 48)?,
            first_frame: u16_at(bytes, 52)?,
            codec: *bytes.get(54)?,
        })
    }
}

/// Up to 8,192 messages of one group: their sequences and the ordinals of their subjects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ColumnPage {
    pub(super) group: GroupId,
    pub(super) first: u64,
    pub(super) last: u64,
    pub(super) offset: u64,
    pub(super) bytes: u32,
    pub(super) checksum: u32,
    pub(super) count: u32,
    /// Messages of the group in pages before.
    pub(super) before: u32,
}

impl ColumnPage {
    pub(super) fn part(&self, file: u64) -> Part {
        Part { file, offset: self.offset, bytes: self.bytes, checksum: self.checksum }
    }
}

impl Entry for ColumnPage {
    const BYTES: usize = 48;

    fn key(&self) -> Key {
        (self.group.0, self.first)
    }

    fn encode(&self, bytes: &mut Vec<u8>) {
        for number in [self.group.0, self.first, self.last, self.offset] {
            bytes.extend_from_slice(&number.to_le_bytes());
        }
        for number in [self.bytes, self.checksum, self.count, self.before] {
            bytes.extend_from_slice(&number.to_le_bytes());
        }
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        Some(ColumnPage {
            group: GroupId(u64_at(bytes, 0)?),
            first: u64_at(bytes, 8)?,
            last: u64_at(bytes, 16)?,
            offset: u64_at(bytes, 24)?,
            bytes: u32_at(bytes, 32)?,
            checksum: u32_at(bytes, 36)?,
            count: u32_at(bytes, 40)?,
            before: u32_at(bytes, 44)?,
        })
    }
}
