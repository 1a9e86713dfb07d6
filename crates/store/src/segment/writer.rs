//! Writing a segment: frames go to the disk block by block as they come; what is needed to find them is collected and
//! written behind.

use crc32c::crc32c;
use foldhash::fast::FixedState;
use hashbrown::HashTable;
use std::hash::BuildHasher as _;
use thiserror::Error;

use super::block::{self, CODEC_NONE, HEADER_BYTES};
use super::column::{self, PAGE_MESSAGES};
use super::entries::{ColumnPage, Group, Run};
use super::frame::WholeFrame;
use super::{Lists, Segment};
use crate::disk::{Disk, DiskError};
use crate::file::{FileId, Output, u64_of};
use crate::pages::Pages;
use crate::table::{self, Value};
use crate::wal::GroupId;
use crate::wal::number::disk_size;

/// A segment in the making. It is a job for a thread that may wait. Dropped before it is finished, its file is removed.
pub struct SegmentWriter<'d, D: Disk> {
    output: Output<'d, D>,
    block: block::Builder,
    blocks: u32,
    lists: Lists,
    /// The group that is being written.
    open: Option<OpenGroup>,
    /// Column pages of groups that are done.
    columns: Vec<u8>,
    subjects: Subjects,
    messages: u64,
}

impl<D: Disk> std::fmt::Debug for SegmentWriter<'_, D> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SegmentWriter").field("id", &self.output.id()).field("messages", &self.messages).finish()
    }
}

/// A group of which messages still come.
#[derive(Debug)]
struct OpenGroup {
    group: Group,
    time_reached: i64,
    /// Sequences, and places of their subjects in `subjects`.
    messages: Vec<(u64, u32)>,
}

/// The subjects of all groups: those of the open group in the order in which they came, those before sorted.
#[derive(Debug, Default)]
struct Subjects {
    text: Vec<u8>,
    entries: Vec<SubjectEntry>,
    /// Where those of the open group begin.
    open_from: usize,
    /// Places of the open group's.
    places: HashTable<u32>,
    hasher: FixedState,
}

#[derive(Clone, Copy, Debug)]
struct SubjectEntry {
    group: GroupId,
    start: usize,
    length: u16,
    value: Value,
}

/// Why a message could not be written.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum WriteError {
    /// The frame was damaged before it got here. Nothing was written of it; others may follow.
    #[error("group {}: a frame of {bytes} bytes is damaged", group.0)]
    BadFrame {
        /// Whose it is.
        group: GroupId,
        /// How long it was said to be.
        bytes: usize,
    },
    /// The disk failed; the segment cannot be finished.
    #[error(transparent)]
    Disk(#[from] DiskError),
}

impl<'d, D: Disk> SegmentWriter<'d, D> {
    /// Begins a segment.
    ///
    /// # Errors
    /// The disk's.
    pub fn create(disk: &'d D, id: FileId) -> Result<Self, DiskError> {
        Ok(SegmentWriter {
            output: Output::create(disk, id)?,
            block: block::Builder::default(),
            blocks: 0,
            lists: Lists::default(),
            open: None,
            columns: Vec::new(),
            subjects: Subjects::default(),
            messages: 0,
        })
    }

    /// Adds a message. Groups rise, and sequences within a group.
    ///
    /// # Errors
    /// [`WriteError`].
    ///
    /// # Panics
    /// When a group or a sequence comes late or twice.
    pub fn push(&mut self, group: GroupId, frame: &[u8]) -> Result<(), WriteError> {
        let bytes = frame.len();
        let frame = WholeFrame::read(frame).filter(|found| found.bytes.len() == bytes);
        let frame = frame.ok_or(WriteError::BadFrame { group, bytes })?;
        if self.open.as_ref().is_none_or(|open| open.group.group != group) {
            self.close_group();
            self.open_group(group, &frame);
        }
        if !self.block.has_room(bytes) {
            self.write_block()?;
        }
        let place = self.subjects.insert(group, frame.subject, frame.sequence);
        let open = self.open.as_mut().expect("it was opened");
        assert!(open.messages.is_empty() || frame.sequence > open.group.last, "sequences rise");
        open.group.messages += 1;
        open.group.bytes += u64_of(bytes);
        open.group.last = frame.sequence;
        open.group.last_time = frame.time;
        open.time_reached = open.time_reached.max(frame.time.unix_nanos());
        open.messages.push((frame.sequence, place));
        self.block.push(group, &frame, open.time_reached);
        self.messages += 1;
        Ok(())
    }

    /// How long the file is so far.
    pub fn bytes(&self) -> u64 {
        self.output.position()
    }

    /// How many messages there are.
    pub fn messages(&self) -> u64 {
        self.messages
    }

    /// Writes the rest and makes the file durable under its name.
    ///
    /// # Errors
    /// The disk's; the file may be there all the same, and is not to be used.
    pub fn finish(mut self) -> Result<Segment, DiskError> {
        self.close_group();
        if !self.block.is_empty() {
            self.write_block()?;
        }
        let id = self.output.id();
        let blocks_end = self.output.position();
        self.output.write(&block::end_block(id, blocks_end, self.blocks))?;
        let columns_start = self.output.position();
        self.lists.columns.iter_mut().for_each(|page| page.offset += columns_start);
        self.output.write(&self.columns)?;
        let table = self.subjects.write_table(&mut self.output)?;
        let groups = Pages::write(&mut self.output, &self.lists.groups)?;
        let runs = Pages::write(&mut self.output, &self.lists.runs)?;
        let columns = Pages::write(&mut self.output, &self.lists.columns)?;
        let content_end = self.output.position();
        let messages = self.messages;
        let mut segment = Segment { id, bytes: 0, blocks_end, content_end, messages, groups, runs, columns, table };
        segment.bytes = self.output.finish(&segment.encode())?;
        Ok(segment)
    }

    fn write_block(&mut self) -> Result<(), DiskError> {
        let offset = self.output.position();
        let (bytes, runs) = self.block.take(self.output.id(), offset);
        debug_assert!(bytes.len() > HEADER_BYTES);
        let checksum = crc32c(&bytes);
        self.output.write(&bytes)?;
        self.blocks += 1;
        self.lists.runs.extend(runs.iter().map(|run| Run {
            group: run.group,
            first: run.sequences.first().copied().unwrap_or_default(),
            last: run.sequences.last().copied().unwrap_or_default(),
            time_reached: run.time_reached,
            offset,
            bytes: disk_size(bytes.len()),
            checksum,
            count: disk_size(run.sequences.len()),
            first_frame: run.first_frame,
            codec: CODEC_NONE,
        }));
        Ok(())
    }

    fn open_group(&mut self, group: GroupId, frame: &WholeFrame<'_>) {
        let before = self.lists.groups.last().map(|before| before.group);
        assert!(before.is_none_or(|before| before < group), "groups rise");
        self.subjects.open_from = self.subjects.entries.len();
        self.open = Some(OpenGroup {
            group: Group {
                group,
                messages: 0,
                bytes: 0,
                first: frame.sequence,
                last: frame.sequence,
                first_time: frame.time,
                last_time: frame.time,
                first_ordinal: disk_size(self.subjects.open_from),
                subjects: 0,
            },
            time_reached: i64::MIN,
            messages: Vec::new(),
        });
    }

    /// Everything of the open group but its frames, which may still be in the open block.
    fn close_group(&mut self) {
        let Some(OpenGroup { mut group, mut messages, .. }) = self.open.take() else { return };
        let ordinals = self.subjects.sort_open();
        for (_, place) in &mut messages {
            *place = ordinals.get(usize::try_from(*place).unwrap_or(usize::MAX)).copied().expect("each has one");
        }
        group.subjects = disk_size(ordinals.len());
        let mut before = 0;
        for page in pages(&messages) {
            let bytes = column::encode(page);
            let sequence = |message: Option<&(u64, u32)>| message.map(|(sequence, _)| *sequence).unwrap_or_default();
            self.lists.columns.push(ColumnPage {
                group: group.group,
                first: sequence(page.first()),
                last: sequence(page.last()),
                // From the beginning of all columns; where that is shows when all blocks are written.
                offset: u64_of(self.columns.len()),
                bytes: disk_size(bytes.len()),
                checksum: crc32c(&bytes),
                count: disk_size(page.len()),
                before,
            });
            before += disk_size(page.len());
            self.columns.extend_from_slice(&bytes);
        }
        self.lists.groups.push(group);
    }
}

/// Pieces of a group's messages that are short enough for a page, and near enough to each other.
fn pages(messages: &[(u64, u32)]) -> impl Iterator<Item = &[(u64, u32)]> {
    let mut rest = messages;
    std::iter::from_fn(move || {
        let (first, _) = *rest.first()?;
        let is_near = |(sequence, _): &(u64, u32)| sequence - first <= u64::from(u32::MAX);
        let near = rest.partition_point(is_near).min(PAGE_MESSAGES);
        let (page, behind) = rest.split_at_checked(near)?;
        rest = behind;
        Some(page)
    })
}

impl Subjects {
    /// The place of the open group's subject, which has one more message.
    fn insert(&mut self, group: GroupId, subject: &[u8], sequence: u64) -> u32 {
        let Subjects { text, entries, open_from, places, hasher } = self;
        let open = entries.get_mut(*open_from..).unwrap_or_default();
        let of = |entry: &SubjectEntry| text.get(entry.start..entry.start + usize::from(entry.length));
        let at = |place: u32| usize::try_from(place).unwrap_or(usize::MAX);
        let is_same = |place: &u32| open.get(at(*place)).and_then(of) == Some(subject);
        let hash = hasher.hash_one(subject);
        if let Some(place) = places.find(hash, is_same).copied() {
            if let Some(entry) = open.get_mut(at(place)) {
                entry.value.count += 1;
                entry.value.last = sequence;
            }
            return place;
        }
        let place = disk_size(open.len());
        let start = text.len();
        text.extend_from_slice(subject);
        let length = u16::try_from(subject.len()).expect("a frame's subject is below 64 KiB");
        entries.push(SubjectEntry { group, start, length, value: Value { count: 1, first: sequence, last: sequence } });
        let hash_of = |place: &u32| {
            let entry = entries.get(*open_from + at(*place));
            let subject = entry.and_then(|entry| text.get(entry.start..entry.start + usize::from(entry.length)));
            hasher.hash_one(subject.unwrap_or_default())
        };
        places.insert_unique(hash, place, hash_of);
        place
    }

    /// Sorts the open group's subjects. Returns for each place the ordinal.
    fn sort_open(&mut self) -> Vec<u32> {
        let Subjects { text, entries, open_from, places, .. } = self;
        let of = |entry: &SubjectEntry| text.get(entry.start..entry.start + usize::from(entry.length));
        let open = entries.get_mut(*open_from..).unwrap_or_default();
        let mut order: Vec<(u32, SubjectEntry)> = (0..).zip(open.iter().copied()).collect();
        order.sort_unstable_by(|(_, a), (_, b)| of(a).cmp(&of(b)));
        let mut ordinals = vec![0; order.len()];
        for ((entry, ordinal), (place, sorted)) in open.iter_mut().zip(disk_size(*open_from)..).zip(order) {
            *entry = sorted;
            if let Some(slot) = ordinals.get_mut(usize::try_from(place).unwrap_or(usize::MAX)) {
                *slot = ordinal;
            }
        }
        places.clear();
        ordinals
    }

    fn write_table<D: Disk>(&self, output: &mut Output<'_, D>) -> Result<table::Table, DiskError> {
        let base = self.entries.iter().map(|entry| entry.value.first).min().unwrap_or_default();
        let mut writer = table::Writer::new(u64_of(self.entries.len()), base);
        let mut key = Vec::new();
        for entry in &self.entries {
            let subject = self.text.get(entry.start..entry.start + usize::from(entry.length));
            super::subject_key(entry.group, subject.unwrap_or_default(), &mut key);
            writer.push(output, &key, entry.value)?;
        }
        writer.finish(output)
    }
}
