//! A block: frames one after the other, and behind them which group and sequence each of them is.
//!
//! ```text
//!   0        64                                  64 + frames bytes             64 + stored bytes
//!   ┌────────┬───────────────────────────────────┬────────────────────────────┐
//!   │ header │ frames, one after the other       │ directory: offsets · runs  │      of the payload
//!   └────────┴───────────────────────────────────┴────────────────────────────┘
//! ```
//!
//! Whatever flips, no frame is lost but the one that it is in: the runs of the segment know the block's place and
//! checksum; the directory, which has a checksum of its own, knows where frames begin; without it frames lie behind each
//! other, each with its length and its checksum. A frame that is found is compared with the sequence that was asked for.
//!
//! The last block of a segment is an *end block*: a header without a payload, that says how many blocks are before it.
//!
//! Not here: where blocks are.

use crc32c::crc32c;

use super::frame::WholeFrame;
use crate::file::{FileId, VERSION};
use crate::pages::partition_point;
use crate::wal::GroupId;
use crate::wal::number::{disk_size, put, size, u16_at, u32_at, u64_at};

/// Frames of a block, if there is more than one.
pub(super) const FRAMES_BYTES_MAX: usize = 64 << 10;

pub(super) const HEADER_BYTES: usize = 64;

/// The payload is stored as it is.
pub(super) const CODEC_NONE: u8 = 0;

const MAGIC: [u8; 4] = *b"FBLK";

/// Bytes of a run in a directory before its sequences.
const RUN_BYTES: usize = 24;

/// A block that grows.
#[derive(Debug, Default)]
pub(super) struct Builder {
    frames: Vec<u8>,
    offsets: Vec<u16>,
    runs: Vec<OpenRun>,
}

/// The messages of one group in a block that grows.
#[derive(Debug)]
pub(super) struct OpenRun {
    pub(super) group: GroupId,
    pub(super) first_frame: u16,
    pub(super) sequences: Vec<u64>,
    /// The latest time of the group up to here.
    pub(super) time_reached: i64,
}

impl Builder {
    pub(super) fn is_empty(&self) -> bool {
        self.offsets.is_empty()
    }

    /// A frame of that length goes into this block.
    pub(super) fn has_room(&self, bytes: usize) -> bool {
        self.is_empty() || self.frames.len() + bytes <= FRAMES_BYTES_MAX
    }

    /// Adds a frame for which there is room.
    pub(super) fn push(&mut self, group: GroupId, frame: &WholeFrame<'_>, time_reached: i64) {
        let place = u16::try_from(self.offsets.len()).expect("a frame has 32 bytes, so there are at most 2,048");
        let offset = u16::try_from(self.frames.len()).expect("another frame fits, so this is below 64 KiB");
        self.offsets.push(offset);
        self.frames.extend_from_slice(frame.bytes);
        let sequence = frame.sequence;
        let is_near = |run: &OpenRun| {
            run.sequences.first().is_some_and(|first| sequence.wrapping_sub(*first) <= u64::from(u32::MAX))
        };
        match self.runs.last_mut() {
            Some(run) if run.group == group && is_near(run) => {
                run.sequences.push(sequence);
                run.time_reached = time_reached;
            }
            Some(_) | None => {
                self.runs.push(OpenRun { group, first_frame: place, sequences: vec![sequence], time_reached });
            }
        }
    }

    /// The block as bytes, and its runs; the builder is empty again.
    pub(super) fn take(&mut self, id: FileId, offset: u64) -> (Vec<u8>, Vec<OpenRun>) {
        let runs = std::mem::take(&mut self.runs);
        let mut directory = Vec::with_capacity(self.offsets.len() * 2 + runs.len() * RUN_BYTES);
        self.offsets.iter().for_each(|offset| directory.extend_from_slice(&offset.to_le_bytes()));
        for run in &runs {
            encode_run(run, &mut directory);
        }
        let header = Header {
            codec: CODEC_NONE,
            cipher: CODEC_NONE,
            stored_bytes: disk_size(self.frames.len() + directory.len()),
            payload_bytes: disk_size(self.frames.len() + directory.len()),
            frames_bytes: disk_size(self.frames.len()),
            frames: disk_size(self.offsets.len()),
            runs: disk_size(runs.len()),
            checksum: crc32c::crc32c_append(crc32c(&self.frames), &directory),
            directory_checksum: crc32c(&directory),
        };
        let mut bytes = header.encode(id, offset);
        bytes.append(&mut self.frames);
        bytes.append(&mut directory);
        self.offsets.clear();
        (bytes, runs)
    }
}

fn encode_run(run: &OpenRun, directory: &mut Vec<u8>) {
    let first = run.sequences.first().copied().expect("a run has a message");
    let deltas = || run.sequences.iter().map(|sequence| sequence - first);
    let is_dense = deltas().zip(0..).all(|(delta, place)| delta == place);
    directory.extend_from_slice(&run.group.0.to_le_bytes());
    directory.extend_from_slice(&first.to_le_bytes());
    directory.extend_from_slice(&disk_size(run.sequences.len()).to_le_bytes());
    directory.extend_from_slice(&[if is_dense { 0 } else { 4 }, 0, 0, 0]);
    if !is_dense {
        let short = |delta| u32::try_from(delta).expect("sequences of a run are less than 2^32 apart");
        deltas().for_each(|delta| directory.extend_from_slice(&short(delta).to_le_bytes()));
    }
}

/// The block behind the last one.
pub(super) fn end_block(id: FileId, offset: u64, blocks: u32) -> Vec<u8> {
    Header { runs: blocks, ..Header::default() }.encode(id, offset)
}

/// What a block says of itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) codec: u8,
    pub(super) cipher: u8,
    /// Bytes behind the header.
    pub(super) stored_bytes: u32,
    /// As many when they are neither compressed nor encrypted.
    pub(super) payload_bytes: u32,
    pub(super) frames_bytes: u32,
    /// 0 in an end block.
    pub(super) frames: u32,
    /// Runs in the directory; in an end block the blocks before it.
    pub(super) runs: u32,
    /// Of what is stored.
    pub(super) checksum: u32,
    pub(super) directory_checksum: u32,
}

/// What was found where a block should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum HeaderFound {
    Header(Header),
    Newer(u16),
    Nothing,
}

impl Header {
    fn encode(&self, id: FileId, offset: u64) -> Vec<u8> {
        let mut bytes = vec![0; HEADER_BYTES];
        put(&mut bytes, 0, &MAGIC);
        put(&mut bytes, 8, &VERSION.to_le_bytes());
        put(&mut bytes, 10, &[self.codec, self.cipher]);
        put(&mut bytes, 12, &self.stored_bytes.to_le_bytes());
        put(&mut bytes, 16, &self.payload_bytes.to_le_bytes());
        put(&mut bytes, 20, &self.frames_bytes.to_le_bytes());
        put(&mut bytes, 24, &self.frames.to_le_bytes());
        put(&mut bytes, 28, &self.runs.to_le_bytes());
        put(&mut bytes, 32, &self.checksum.to_le_bytes());
        put(&mut bytes, 36, &self.directory_checksum.to_le_bytes());
        put(&mut bytes, 40, &id.store.to_le_bytes());
        put(&mut bytes, 48, &id.number.to_le_bytes());
        put(&mut bytes, 56, &offset.to_le_bytes());
        let checksum = crc32c(bytes.get(8..).expect("a header is longer"));
        put(&mut bytes, 4, &checksum.to_le_bytes());
        bytes
    }

    /// The header that `bytes` begin with, if it is one of that place.
    pub(super) fn decode(bytes: &[u8], id: FileId, offset: u64) -> HeaderFound {
        Self::decode_fields(bytes, id, offset).unwrap_or(HeaderFound::Nothing)
    }

    fn decode_fields(bytes: &[u8], id: FileId, offset: u64) -> Option<HeaderFound> {
        let bytes = bytes.get(..HEADER_BYTES)?;
        let is_sound = bytes.starts_with(&MAGIC)
            && u32_at(bytes, 4)? == crc32c(bytes.get(8..)?)
            && u64_at(bytes, 40)? == id.store
            && u64_at(bytes, 48)? == id.number
            && u64_at(bytes, 56)? == offset;
        if !is_sound {
            return None;
        }
        let version = u16_at(bytes, 8)?;
        if version > VERSION {
            return Some(HeaderFound::Newer(version));
        }
        Some(HeaderFound::Header(Header {
            codec: *bytes.get(10)?,
            cipher: *bytes.get(11)?,
            stored_bytes: u32_at(bytes, 12)?,
            payload_bytes: u32_at(bytes, 16)?,
            frames_bytes: u32_at(bytes, 20)?,
            frames: u32_at(bytes, 24)?,
            runs: u32_at(bytes, 28)?,
            checksum: u32_at(bytes, 32)?,
            directory_checksum: u32_at(bytes, 36)?,
        }))
    }

    /// It is the block behind the last one.
    pub(super) fn is_end(&self) -> bool {
        self.frames == 0
    }
}

/// A block that was read, sound or not.
#[derive(Clone, Copy, Debug)]
pub(super) struct Block<'a> {
    /// Frames and directory.
    payload: &'a [u8],
    directory: Option<Directory<'a>>,
}

/// Where the frame of a sequence is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Located<'a> {
    Frame(WholeFrame<'a>),
    /// The block has no such sequence.
    Missing,
    /// It is there, or cannot be told from what is.
    Damaged,
}

impl<'a> Block<'a> {
    /// Of the bytes at that place of a file. A damaged header does no harm.
    pub(super) fn read(bytes: &'a [u8], id: FileId, offset: u64) -> Self {
        let payload = bytes.get(HEADER_BYTES..).unwrap_or_default();
        let directory = match Header::decode(bytes, id, offset) {
            HeaderFound::Header(header) => Directory::read(payload, &header),
            HeaderFound::Newer(_) | HeaderFound::Nothing => None,
        };
        Block { payload, directory }
    }

    pub(super) fn directory(&self) -> Option<&Directory<'a>> {
        self.directory.as_ref()
    }

    /// The frame of a group's sequence, of which the run begins at the `first_frame`-th frame and has `count`.
    pub(super) fn locate(&self, group: GroupId, sequence: u64, first_frame: u16, count: u32) -> Located<'a> {
        let Some(directory) = &self.directory else {
            return self.walk(sequence, usize::from(first_frame), size(count));
        };
        let run = directory.runs().find(|run| run.group == group && run.first_frame == usize::from(first_frame));
        let Some(run) = run else { return Located::Damaged };
        let Some(place) = run.place(sequence) else { return Located::Missing };
        match self.frame(directory, run.first_frame + place) {
            Some(frame) if frame.sequence == sequence => Located::Frame(frame),
            Some(_) | None => Located::Damaged,
        }
    }

    /// The frame at a place of the directory, if it is whole.
    pub(super) fn frame(&self, directory: &Directory<'a>, place: usize) -> Option<WholeFrame<'a>> {
        WholeFrame::read(self.payload.get(directory.range(place)?)?)
    }

    /// Without a directory: from frame to frame.
    fn walk(&self, sequence: u64, first_frame: usize, count: usize) -> Located<'a> {
        let mut rest = self.payload;
        for place in 0..first_frame.saturating_add(count) {
            let Some(frame) = WholeFrame::read(rest) else { return Located::Damaged };
            if place >= first_frame && frame.sequence == sequence {
                return Located::Frame(frame);
            }
            rest = rest.get(frame.bytes.len()..).unwrap_or_default();
        }
        Located::Missing
    }
}

/// Which group and sequence each frame of a block is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Directory<'a> {
    frames_bytes: usize,
    frames: usize,
    offsets: &'a [u8],
    runs: &'a [u8],
}

impl<'a> Directory<'a> {
    /// None when it is damaged, or not stored as it is.
    fn read(payload: &'a [u8], header: &Header) -> Option<Self> {
        if header.codec != CODEC_NONE || header.cipher != CODEC_NONE {
            return None;
        }
        let (frames_bytes, frames) = (size(header.frames_bytes), size(header.frames));
        let directory = payload.get(frames_bytes..size(header.payload_bytes))?;
        if crc32c(directory) != header.directory_checksum {
            return None;
        }
        let (offsets, runs) = directory.split_at_checked(frames.checked_mul(2)?)?;
        Some(Directory { frames_bytes, frames, offsets, runs })
    }

    /// Where a frame lies in the payload.
    fn range(&self, place: usize) -> Option<std::ops::Range<usize>> {
        let start = usize::from(u16_at(self.offsets, place.checked_mul(2)?)?);
        let end = u16_at(self.offsets, place * 2 + 2).map_or(self.frames_bytes, usize::from);
        (start <= end).then_some(start..end)
    }

    pub(super) fn runs(&self) -> impl Iterator<Item = RunRead<'a>> {
        let (mut rest, mut first_frame, frames) = (self.runs, 0_usize, self.frames);
        std::iter::from_fn(move || {
            let count = size(u32_at(rest, 16)?);
            let width = usize::from(*rest.get(20)?);
            let (head, behind) = rest.split_at_checked(RUN_BYTES)?;
            let (deltas, behind) = behind.split_at_checked(count.checked_mul(width)?)?;
            let run = RunRead { group: GroupId(u64_at(head, 0)?), first: u64_at(head, 8)?, first_frame, count, deltas };
            first_frame = first_frame.checked_add(count).filter(|end| *end <= frames)?;
            rest = behind;
            (matches!(width, 0 | 4) && count > 0).then_some(run)
        })
    }
}

/// A run of a directory.
#[derive(Clone, Copy, Debug)]
pub(super) struct RunRead<'a> {
    pub(super) group: GroupId,
    first: u64,
    pub(super) first_frame: usize,
    pub(super) count: usize,
    /// Four bytes each, or nothing when no sequence is missing.
    deltas: &'a [u8],
}

impl RunRead<'_> {
    /// The sequence at a place of the run.
    pub(super) fn sequence(&self, place: usize) -> u64 {
        let dense = || u64::try_from(place).unwrap_or(u64::MAX);
        let delta =
            if self.deltas.is_empty() { dense() } else { u32_at(self.deltas, place * 4).map_or(u64::MAX, u64::from) };
        self.first.saturating_add(delta)
    }

    fn place(&self, sequence: u64) -> Option<usize> {
        let place = partition_point(self.count, |place| self.sequence(place) < sequence);
        (place < self.count && self.sequence(place) == sequence).then_some(place)
    }
}
