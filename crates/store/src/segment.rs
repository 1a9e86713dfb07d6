//! A segment: a file of messages that never changes again, of one stream or of many, and everything to find them by.
//!
//! ```text
//!   ┌──────┬─────────┬─────────┬── ──┬─────┬─────────┬─────────┬──────────────┬─────────┐
//!   │ head │ block 0 │ block 1 │ ... │ end │ columns │ subject │ lists: groups│ trailer │
//!   │      │         │         │     │     │         │ table   │ runs, columns│         │
//!   └──────┴─────────┴─────────┴── ──┴─────┴─────────┴─────────┴──────────────┴─────────┘
//!             frames, ~64 KiB                 │          │          ├ group: how many, first, last, subjects
//!             by group and sequence           │          │          ├ run: the messages of a group in a block
//!                                             │          │          └ column page: where it is
//!                                             │          └ group, subject → count, first, last; ordinal
//!                                             └ sequence, ordinal of the subject of each message
//! ```
//!
//! A hot stream has segments of its own; the light ones share *packs*, so that a checkpoint of 10,000 streams writes one
//! file. What is held in memory of a segment is [`Segment`], whatever is in it; everything else is read in parts.
//!
//! Nothing is wrong silently, and one flip costs one message at most: a damaged block gives back all frames whose own
//! checksums are right, and damage elsewhere is noticed by [`Segment::check`] and repaired by [`repair`], which needs
//! the blocks alone.
//!
//! Not here: which messages were removed since: counts and searches know no deletions. Who gives out numbers of files,
//! and when a file is written or removed.

mod block;
mod check;
mod column;
mod entries;
mod frame;
mod scan;
mod search;
mod writer;

use firn_id::Timestamp;

use self::block::{Block, Located};
use self::entries::{ColumnPage, Run};
use crate::disk::DiskFile;
use crate::file::{self, FileError, FileId, Kind, u64_of};
use crate::frame::Message;
use crate::messages::Loaded;
use crate::pages::Pages;
use crate::part::{Fault, Miss, Parts};
use crate::table::{Matches, Table, Value};
use crate::wal::GroupId;
use crate::wal::number::u64_at;

pub use self::check::{Damage, Scrub, What};
pub use self::entries::Group;
pub use self::scan::{Repaired, ScanError, Visit, repair, scan};
pub use self::search::{Selecting, Selection};
pub use self::writer::{SegmentWriter, WriteError};

/// Where everything in a segment is. It is small, and the same for every segment.
#[derive(Clone, Copy, Debug)]
pub struct Segment {
    id: FileId,
    bytes: u64,
    /// Where the end block is.
    blocks_end: u64,
    content_end: u64,
    messages: u64,
    groups: Pages<Group>,
    runs: Pages<Run>,
    columns: Pages<ColumnPage>,
    table: Table,
}

/// What a segment in the making knows.
#[derive(Debug, Default)]
struct Lists {
    groups: Vec<Group>,
    runs: Vec<Run>,
    columns: Vec<ColumnPage>,
}

impl Segment {
    /// Looks at the ends of a file. [`Segment::check`] looks at everything that is needed to find messages; the messages
    /// are verified when they are read, and by a [`Scrub`].
    ///
    /// # Errors
    /// [`FileError`]; where it is damage, [`repair`] makes a new segment of the blocks.
    pub fn open<F: DiskFile>(file: &F, id: FileId) -> Result<Segment, FileError> {
        let ends = file::open(file, id)?;
        for (what, at) in [("codec", 24), ("cipher", 25)] {
            if let Some(found) = ends.body.get(at).copied().filter(|found| *found > block::CODEC_NONE) {
                return Err(FileError::UnknownCodec { file: id.name(), what, found });
            }
        }
        Segment::decode(&ends, id).ok_or_else(|| FileError::Damaged { file: id.name(), what: "the trailer" })
    }

    /// What a list of all segments has of this one, so that a start opens none of them: [`Segment::SUMMARY_BYTES`].
    pub fn summarize(&self, bytes: &mut Vec<u8>) {
        bytes.extend_from_slice(&self.id.number.to_le_bytes());
        bytes.extend_from_slice(&self.bytes.to_le_bytes());
        bytes.extend_from_slice(&self.encode());
    }

    /// The segment of a store of which `bytes` are the summary. None when they are not one; whether the file is the one
    /// that was summarized shows when it is read, since every part is named with its checksum.
    pub fn from_summary(bytes: &[u8], store: u64) -> Option<Segment> {
        let body = bytes.get(16..Self::SUMMARY_BYTES)?.to_vec();
        let id = FileId { kind: Kind::Segment, number: u64_at(bytes, 0)?, store };
        let ends = file::Ends { bytes: u64_at(bytes, 8)?, content_end: u64_at(&body, 8)?, body };
        Segment::decode(&ends, id).filter(|segment| segment.content_end < segment.bytes)
    }

    /// Length of a summary.
    pub const SUMMARY_BYTES: usize = 16 + 32 + 3 * Pages::<Group>::BYTES + Table::BYTES;

    /// Which file.
    pub fn id(&self) -> FileId {
        self.id
    }

    /// Length of the file.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Messages of all groups.
    pub fn messages(&self) -> u64 {
        self.messages
    }

    /// How many groups there are.
    pub fn groups(&self) -> u64 {
        self.groups.len()
    }

    /// The group at a place, in the order of groups.
    ///
    /// # Errors
    /// [`Miss`].
    pub fn group_at(&self, parts: &impl Parts, place: u64) -> Result<Option<Group>, Miss> {
        self.groups.get(parts, place)
    }

    /// What there is of a group.
    ///
    /// # Errors
    /// [`Miss`].
    pub fn group(&self, parts: &impl Parts, group: GroupId) -> Result<Option<Group>, Miss> {
        let found = self.groups.find(parts, (group.0, u64::MAX))?;
        Ok(found.map(|(_, entry)| entry).filter(|entry| entry.group == group))
    }

    /// The message of that sequence. Its block is in memory as long as somebody holds it.
    ///
    /// # Errors
    /// [`Miss`]; a damaged message is none.
    pub fn load(&self, parts: &impl Parts, group: GroupId, sequence: u64) -> Result<Loaded, Miss> {
        let Some(run) = self.run(parts, group, sequence)? else { return Ok(Loaded::Missing) };
        self.load_from(parts, &run, sequence)
    }

    /// The run in which a sequence is if it is anywhere.
    fn run(&self, parts: &impl Parts, group: GroupId, sequence: u64) -> Result<Option<Run>, Miss> {
        let found = self.runs.find(parts, (group.0, sequence))?;
        Ok(found.map(|(_, run)| run).filter(|run| run.group == group && sequence <= run.last))
    }

    fn load_from(&self, parts: &impl Parts, run: &Run, sequence: u64) -> Result<Loaded, Miss> {
        let bytes = parts.part(run.block(self.id.number))?.into_bytes();
        let block = Block::read(&bytes, self.id, run.offset);
        match block.locate(run.group, sequence, run.first_frame, run.count) {
            Located::Frame(frame) => Ok(Loaded::Message(Message::trust(bytes.slice_ref(frame.bytes)))),
            Located::Missing => Ok(Loaded::Missing),
            Located::Damaged if run.is_dense() => Ok(Loaded::Damaged),
            // The block does not know any more what was in it, the column does.
            Located::Damaged if self.contains(parts, run.group, sequence)? => Ok(Loaded::Damaged),
            Located::Damaged => Ok(Loaded::Missing),
        }
    }

    /// What there is of a subject of a group.
    ///
    /// # Errors
    /// [`Miss`].
    pub fn subject(&self, parts: &impl Parts, group: GroupId, subject: &[u8]) -> Result<Option<Value>, Miss> {
        let mut key = Vec::new();
        subject_key(group, subject, &mut key);
        Ok(self.table.lookup(parts, &key)?.map(|found| found.value))
    }

    /// A walk over the subjects of a group that one of the patterns matches, in byte order.
    pub fn subjects<P: AsRef<[u8]>>(&self, group: GroupId, patterns: impl IntoIterator<Item = P>) -> Matches {
        self.table.matches(&group.0.to_be_bytes(), patterns)
    }

    /// The first message of a group that is not older than `time`.
    ///
    /// # Errors
    /// [`Miss`].
    pub fn at_time(&self, parts: &impl Parts, group: GroupId, time: Timestamp) -> Result<Option<u64>, Miss> {
        let Some(run) = self.run_at_time(parts, group, time.unix_nanos())? else { return Ok(None) };
        let part = run.block(self.id.number);
        let bytes = parts.part(part)?.into_bytes();
        let block = Block::read(&bytes, self.id, run.offset);
        let damaged = Miss::Damaged { part, fault: Fault::Checksum };
        let directory = block.directory().ok_or(damaged)?;
        let frames = usize::from(run.first_frame)..;
        let frames = frames.take(usize::try_from(run.count).unwrap_or(usize::MAX));
        // Of a damaged message nobody knows the time; whoever loads it learns that it is damaged.
        let found = frames.map(|place| (place, block.frame(directory, place)));
        let mut found = found.filter(|(_, frame)| frame.as_ref().is_none_or(|frame| frame.time >= time));
        let Some((place, _)) = found.next() else { return Err(damaged) };
        let run_read = directory.runs().find(|read| read.first_frame == usize::from(run.first_frame)).ok_or(damaged)?;
        Ok(Some(run_read.sequence(place - run_read.first_frame)))
    }

    /// The first run of a group with a message that is not older than `time`.
    fn run_at_time(&self, parts: &impl Parts, group: GroupId, time: i64) -> Result<Option<Run>, Miss> {
        let Some(entry) = self.group(parts, group)? else { return Ok(None) };
        let place = |sequence| Ok(self.runs.find(parts, (group.0, sequence))?.map_or(0, |(place, _)| place));
        let (mut low, mut high) = (place(entry.first)?, place(entry.last)? + 1);
        let end = high;
        while low < high {
            let middle = low + (high - low) / 2;
            if self.runs.get(parts, middle)?.is_some_and(|run| run.time_reached < time) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        if low < end { self.runs.get(parts, low) } else { Ok(None) }
    }

    fn encode(&self) -> Vec<u8> {
        let mut fields = Vec::new();
        for number in [self.blocks_end, self.content_end, self.messages] {
            fields.extend_from_slice(&number.to_le_bytes());
        }
        // The highest codec and cipher of a block, so that a release that does not know them refuses the file at once.
        fields.extend_from_slice(&[block::CODEC_NONE, block::CODEC_NONE, 0, 0, 0, 0, 0, 0]);
        self.groups.encode(&mut fields);
        self.runs.encode(&mut fields);
        self.columns.encode(&mut fields);
        self.table.encode(&mut fields);
        fields
    }

    fn decode(ends: &file::Ends, id: FileId) -> Option<Segment> {
        let body = ends.body.as_slice();
        let (blocks_end, content_end, messages) = (u64_at(body, 0)?, u64_at(body, 8)?, u64_at(body, 16)?);
        let lists = body.get(32..)?;
        let list = Pages::<Group>::BYTES;
        let is_known = body.get(24..26)? == [block::CODEC_NONE; 2];
        let is_sound = content_end == ends.content_end
            && is_known
            && blocks_end >= u64_of(file::HEAD_BYTES)
            && blocks_end.checked_add(u64_of(block::HEADER_BYTES)).is_some_and(|end| end <= content_end);
        let number = id.number;
        is_sound.then_some(Segment {
            id,
            bytes: ends.bytes,
            blocks_end,
            content_end,
            messages,
            groups: Pages::decode(lists, number, content_end)?,
            runs: Pages::decode(lists.get(list..)?, number, content_end)?,
            columns: Pages::decode(lists.get(2 * list..)?, number, content_end)?,
            table: Table::decode(lists.get(3 * list..)?, number, content_end)?,
        })
    }
}

/// How a subject is called in the table: groups stand in their order.
fn subject_key(group: GroupId, subject: &[u8], key: &mut Vec<u8>) {
    key.clear();
    key.extend_from_slice(&group.0.to_be_bytes());
    key.extend_from_slice(subject);
}
