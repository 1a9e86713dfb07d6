//! From a folder of files to a log that can be written: which files there are, in which order they are read, and what
//! becomes of each.

use super::batch::seal;
use super::files::FileId;
use super::reader::Reader;
use super::recover::{Recovered, Scan, ScanFile, Scanned};
use super::{Lsn, OpenError};
use crate::disk::{BlockBuffer, Disk, DiskFile, Durability};

/// A file that holds records which may still be needed.
#[derive(Debug)]
pub(super) struct LiveFile<F> {
    pub(super) id: FileId,
    pub(super) file: F,
    pub(super) bytes: u64,
    /// The position behind its last record.
    pub(super) end: Lsn,
}

/// What [`read_log`] found.
pub(super) struct ReadLog<F> {
    pub(super) log_id: u64,
    pub(super) scanned: Scanned,
    pub(super) live: Vec<LiveFile<F>>,
    /// Names of files without anything that is needed.
    pub(super) retired: Vec<String>,
    /// The number of the last file there ever was.
    pub(super) last_number: u64,
}

/// A file, before its content was read.
struct Candidate<F> {
    id: FileId,
    file: F,
    bytes: u64,
    /// Position of the first batch, if there is a batch.
    first: Option<Lsn>,
    /// The lowest `first` of the files behind it.
    ceiling: Option<Lsn>,
}

/// Reads all files and makes what was read durable.
///
/// # Errors
/// Two logs share the folder, something was written by a newer release, or the disk's.
pub(super) fn read_log<D: Disk>(
    disk: &D,
    released: Lsn,
    new_log_id: u64,
    visit: &mut dyn FnMut(Recovered<'_>),
) -> Result<ReadLog<D::File>, OpenError> {
    let ids = list(disk)?;
    let log_id = ids.first().map_or(new_log_id, |id| id.log_id);
    let last_number = ids.last().map_or(0, |id| id.number);
    let candidates = candidates(disk, &ids)?;
    let last_written = candidates.iter().rposition(|candidate| candidate.first.is_some());

    let (mut live, mut retired) = (Vec::new(), Vec::new());
    let mut scan = Scan::new(released);
    for (index, candidate) in candidates.into_iter().enumerate() {
        let is_released = candidate.ceiling.is_some_and(|ceiling| ceiling <= released.next());
        if is_released {
            retired.push(candidate.id.name());
            continue;
        }
        let Candidate { id, file, bytes, ceiling, .. } = candidate;
        let mut reader = Reader::new(&file, id, bytes);
        let is_followed = last_written.is_some_and(|last| index < last);
        scan.file(&mut reader, &ScanFile { id, ceiling, is_followed }, visit)?;
        live.push(LiveFile { id, file, bytes, end: scan.next() });
    }

    let scanned = scan.finish(live.last().map(|file| file.id), last_written.is_some());
    // Made ready and never used, or begun with a batch that is torn.
    let is_damaged = |name: &str| scanned.recovery.damage.iter().any(|damage| damage.file == name);
    let is_unused = |file: &mut LiveFile<D::File>| {
        scanned.last.is_none_or(|(last, _)| file.id > last) && !is_damaged(&file.id.name())
    };
    while let Some(file) = live.pop_if(is_unused) {
        retired.push(file.id.name());
    }
    confirm_last_batch(disk, &live, &scanned)?;
    Ok(ReadLog { log_id, scanned, live, retired, last_number })
}

/// The log's files in the order of their numbers.
fn list<D: Disk>(disk: &D) -> Result<Vec<FileId>, OpenError> {
    let mut ids: Vec<FileId> = disk.list()?.iter().filter_map(|name| FileId::parse(name)).collect();
    ids.sort_unstable();
    let other = ids.iter().find(|id| ids.first().is_some_and(|first| first.log_id != id.log_id));
    match (ids.first(), other) {
        (Some(one), Some(other)) => Err(OpenError::TwoLogs { one: one.name(), other: other.name() }),
        _ => Ok(ids),
    }
}

/// Opens the files and looks for the first batch of each.
fn candidates<D: Disk>(disk: &D, ids: &[FileId]) -> Result<Vec<Candidate<D::File>>, OpenError> {
    let mut candidates = Vec::with_capacity(ids.len());
    for id in ids {
        let file = disk.open(&id.name())?;
        let bytes = file.bytes()?.min(u32::MAX.into());
        let first = Reader::new(&file, *id, bytes).find_batch(0)?.map(|header| header.first);
        candidates.push(Candidate { id: *id, file, bytes, first, ceiling: None });
    }
    let mut ceiling = None;
    for candidate in candidates.iter_mut().rev() {
        candidate.ceiling = ceiling;
        ceiling = [ceiling, candidate.first].into_iter().flatten().min();
    }
    Ok(candidates)
}

/// Writes the last batch once more, as it is, and durably. The process that wrote it may have been killed before its
/// write was durable, so that what was read came from the system's cache; a sync alone would not do, because after one
/// that failed the cache counts as clean. The bytes are the same, so a crash in between changes nothing.
fn confirm_last_batch<D: Disk>(disk: &D, live: &[LiveFile<D::File>], scanned: &Scanned) -> Result<(), OpenError> {
    let Some((id, Some(header))) = scanned.last else { return Ok(()) };
    let file = live.iter().find(|file| file.id == id).expect("the file of the last batch is live");
    let mut reader = Reader::new(&file.file, file.id, file.bytes);
    let bytes = reader.batch(&header);
    let mut buffer = BlockBuffer::with_capacity(bytes.len());
    buffer.set_length(bytes.len());
    buffer.bytes_mut().copy_from_slice(bytes);
    seal(buffer.bytes_mut(), &header);
    file.file.write_at(header.offset.into(), buffer.bytes(), Durability::Durable)?;
    disk.sync_folder()?;
    Ok(())
}
