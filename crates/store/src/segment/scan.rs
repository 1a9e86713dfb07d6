//! Reading a segment by its blocks alone, and making a whole one of what is found.

use thiserror::Error;

use super::block::{Block, CODEC_NONE, HEADER_BYTES, Header, HeaderFound};
use super::check::{Damage, What};
use super::{Segment, SegmentWriter, WriteError};
use crate::disk::{Disk, DiskError, DiskFile};
use crate::file::{FileError, FileId, HEAD_BYTES, u64_of};
use crate::part::read;
use crate::wal::GroupId;
use crate::wal::number::size;

/// Bytes in which a block is looked for at once.
const WINDOW_BYTES: usize = 64 << 10;

/// Why a scan or a repair ended early.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum ScanError {
    /// The file cannot be read, or not by this release.
    #[error(transparent)]
    File(#[from] FileError),
    /// What was found could not be written.
    #[error(transparent)]
    Write(#[from] WriteError),
}

/// Takes a frame of a group.
pub type Visit<'a> = dyn FnMut(GroupId, &[u8]) -> Result<(), WriteError> + 'a;

/// Shows every whole frame of a segment, in its order, and returns what is damaged. It needs neither head nor trailer
/// nor lists.
///
/// # Errors
/// The disk's, blocks of a newer release, and what `visit` returns.
pub fn scan<F: DiskFile>(file: &F, id: FileId, visit: &mut Visit<'_>) -> Result<Vec<Damage>, ScanError> {
    let bytes = file.bytes().map_err(FileError::from)?;
    let mut damage = Vec::new();
    let mut last = None;
    let mut visit_in_order = |group, sequence, frame: &[u8]| {
        // What is written cannot be out of order, so it is not taken for a message.
        let is_next = last.is_none_or(|last| last < (group, sequence));
        if is_next {
            last = Some((group, sequence));
            visit(group, frame)?;
        }
        Ok(is_next)
    };
    let (mut at, mut blocks) = (u64_of(HEAD_BYTES), 0_u32);
    loop {
        match header_at(file, bytes, id, at)? {
            Some(header) if header.is_end() => {
                if header.runs != blocks && damage.is_empty() {
                    damage.push(Damage::new(id, u64_of(HEAD_BYTES), at, What::Unrecognised));
                }
                return Ok(damage);
            }
            Some(header) => {
                let length = HEADER_BYTES + size(header.stored_bytes);
                let (block, _) = read(file, bytes, at, length);
                visit_block(&block, id, at, &mut visit_in_order, &mut damage)?;
                at += u64_of(length);
                blocks = blocks.saturating_add(1);
            }
            None => {
                let next = find_header(file, bytes, id, at)?;
                damage.push(Damage::new(id, at, next.unwrap_or(bytes).saturating_sub(at), What::Unrecognised));
                let Some(next) = next else { return Ok(damage) };
                at = next;
            }
        }
    }
}

/// The header at a place, of a block that lies in the file.
fn header_at<F: DiskFile>(file: &F, bytes: u64, id: FileId, at: u64) -> Result<Option<Header>, FileError> {
    if at.checked_add(u64_of(HEADER_BYTES)).is_none_or(|end| end > bytes) {
        return Ok(None);
    }
    let (found, _) = read(file, bytes, at, HEADER_BYTES);
    match Header::decode(&found, id, at) {
        HeaderFound::Newer(version) => Err(FileError::Newer { file: id.name(), version }),
        HeaderFound::Header(header) => {
            let unknown = |what, found| FileError::UnknownCodec { file: id.name(), what, found };
            if header.codec != CODEC_NONE {
                return Err(unknown("codec", header.codec));
            }
            if header.cipher != CODEC_NONE {
                return Err(unknown("cipher", header.cipher));
            }
            let end = at + u64_of(HEADER_BYTES) + u64::from(header.stored_bytes);
            Ok((end <= bytes).then_some(header))
        }
        HeaderFound::Nothing => Ok(None),
    }
}

/// Where the next header is behind `at`.
fn find_header<F: DiskFile>(file: &F, bytes: u64, id: FileId, at: u64) -> Result<Option<u64>, FileError> {
    let mut start = at + 1;
    while start.saturating_add(u64_of(HEADER_BYTES)) <= bytes {
        let left = usize::try_from(bytes - start).unwrap_or(usize::MAX);
        let (window, _) = read(file, bytes, start, left.min(WINDOW_BYTES + HEADER_BYTES));
        for (place, candidate) in (start..).zip(window.windows(HEADER_BYTES)) {
            if candidate.starts_with(b"FBLK") && header_at(file, bytes, id, place)?.is_some() {
                return Ok(Some(place));
            }
        }
        start += u64_of(WINDOW_BYTES);
    }
    Ok(None)
}

fn visit_block(
    bytes: &[u8],
    id: FileId,
    offset: u64,
    mut visit: impl FnMut(GroupId, u64, &[u8]) -> Result<bool, WriteError>,
    damage: &mut Vec<Damage>,
) -> Result<(), WriteError> {
    let block = Block::read(bytes, id, offset);
    let Some(directory) = block.directory() else {
        damage.push(Damage::new(id, offset, u64_of(bytes.len()), What::Unrecognised));
        return Ok(());
    };
    let mut here = Damage::new(id, offset, u64_of(bytes.len()), What::Block);
    for run in directory.runs() {
        for place in 0..run.count {
            let sequence = run.sequence(place);
            let frame = block.frame(directory, run.first_frame + place).filter(|frame| frame.sequence == sequence);
            let is_shown = match frame {
                Some(frame) => visit(run.group, sequence, frame.bytes)?,
                None => false,
            };
            if !is_shown {
                here.lose(run.group, sequence);
            }
        }
    }
    if !here.lost.is_empty() {
        damage.push(here);
    }
    Ok(())
}

/// What a repair made.
#[derive(Debug)]
pub struct Repaired {
    /// A segment of all messages that could be read.
    pub segment: Segment,
    /// What could not be read. Where it is nothing, the old file is of no use any more; else it is to be kept, under a
    /// name that [`crate::file::set_aside`] gives it.
    pub damage: Vec<Damage>,
}

/// Writes a new segment, `new`, of all messages that can be read from `old`, which stays as it is.
///
/// # Errors
/// [`ScanError`]; there is no new segment then.
pub fn repair<D: Disk>(disk: &D, old: FileId, new: FileId) -> Result<Repaired, ScanError> {
    let disk_error = |error: DiskError| ScanError::File(error.into());
    let file = disk.open(&old.name()).map_err(disk_error)?;
    let mut writer = SegmentWriter::create(disk, new).map_err(disk_error)?;
    let damage = scan(&file, old, &mut |group, frame| writer.push(group, frame))?;
    let segment = writer.finish().map_err(disk_error)?;
    Ok(Repaired { segment, damage })
}
