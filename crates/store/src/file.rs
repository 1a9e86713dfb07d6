//! Immutable files: how they begin and end, what they are called, and how one is written.
//!
//! ```text
//!   0      32                                              − body − 32      − 32       bytes: whole blocks of 4096
//!   ┌──────┬──────────────────────────────────────────────┬────────────────┬──────┐
//!   │ head │ content, each part checksummed by who names it│ body of trailer│ tail │
//!   └──────┴──────────────────────────────────────────────┴────────────────┴──────┘
//! ```
//!
//! A file is written under a name that ends in `.new`, synced, given its own name, and the folder synced. So a file that
//! has its own name is whole, and one that ends in `.new` is what a crash has left: [`remove_unfinished`] removes it.
//! It is synced every few megabytes on the way, so that the last sync has little left to do and delays nobody's log.
//!
//! Head and tail name the file, so that no other can pass for it, and the version in both is at the same place in all
//! versions, so that a newer file is refused by name.
//!
//! Not here: what the content is.

use crc32c::crc32c;
use thiserror::Error;

use crate::disk::{BLOCK_BYTES, BlockBuffer, Disk, DiskError, DiskFile, Durability, Fault};
use crate::wal::number::{disk_size, put, size, u16_at, u32_at, u64_at};

/// The version of all kinds that is written, and the highest that is read.
pub(crate) const VERSION: u16 = 1;

/// Bytes before the content.
pub(crate) const HEAD_BYTES: usize = 32;

/// Bytes at the very end.
const TAIL_BYTES: usize = 32;

/// Longest body of a trailer: it is a fixed number of fields, and zeros up to the end of a block.
const BODY_BYTES_MAX: usize = 2 * BLOCK_BYTES;

/// Bytes that wait to be written.
const BUFFER_BYTES: usize = 256 << 10;

/// A file is synced whenever so much was written.
const SYNC_BYTES: u64 = 4 << 20;

const NEW_SUFFIX: &str = ".new";

const DAMAGED_SUFFIX: &str = ".damaged";

/// Kinds of immutable files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Messages.
    Segment,
    /// Subjects.
    Table,
    /// Everything else, as of a position in the log.
    State,
}

impl Kind {
    const ALL: [Kind; 3] = [Kind::Segment, Kind::Table, Kind::State];

    fn magic(self) -> [u8; 4] {
        match self {
            Kind::Segment => *b"FSEG",
            Kind::Table => *b"FTAB",
            Kind::State => *b"FSTA",
        }
    }

    fn suffix(self) -> &'static str {
        match self {
            Kind::Segment => ".seg",
            Kind::Table => ".tab",
            Kind::State => ".state",
        }
    }
}

/// Which file of which store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileId {
    /// What it holds.
    pub kind: Kind,
    /// From 1, rising over all kinds, never used twice.
    pub number: u64,
    /// The store's: drawn at random when it was made, the log's id.
    pub store: u64,
}

impl FileId {
    /// What the file is called.
    pub fn name(&self) -> String {
        format!("{:08x}-{:016x}{}", self.number, self.store, self.kind.suffix())
    }

    /// None for a file that is none of these, or that is not finished.
    pub fn parse(name: &str) -> Option<FileId> {
        let parse = |digits| u64::from_str_radix(digits, 16).ok();
        let (number, rest) = name.split_once('-')?;
        let (store, suffix) = rest.split_at_checked(16)?;
        let kind = Kind::ALL.into_iter().find(|kind| kind.suffix() == suffix)?;
        let id = FileId { kind, number: parse(number)?, store: parse(store)? };
        (id.name() == name).then_some(id)
    }

    fn new_name(&self) -> String {
        self.name() + NEW_SUFFIX
    }
}

/// Removes what was being written when the process ended, and returns the names.
///
/// # Errors
/// The disk's.
pub fn remove_unfinished<D: Disk>(disk: &D) -> Result<Vec<String>, DiskError> {
    let is_unfinished = |name: &String| name.strip_suffix(NEW_SUFFIX).and_then(FileId::parse).is_some();
    let names: Vec<String> = disk.list()?.into_iter().filter(is_unfinished).collect();
    names.iter().try_for_each(|name| disk.remove(name))?;
    if !names.is_empty() {
        disk.sync_folder()?;
    }
    Ok(names)
}

/// Gives a damaged file a name under which nobody uses it, for whoever wants to look at what is left of it.
///
/// # Errors
/// The disk's.
pub fn set_aside<D: Disk>(disk: &D, id: FileId) -> Result<String, DiskError> {
    let name = id.name() + DAMAGED_SUFFIX;
    disk.rename(&id.name(), &name)?;
    disk.sync_folder()?;
    Ok(name)
}

/// Why a file cannot be used.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum FileError {
    /// Its ends or what they name are not what was written.
    #[error("{file:?}: {what} is damaged")]
    Damaged {
        /// Its name.
        file: String,
        /// Which part.
        what: &'static str,
    },
    /// The disk failed.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// Written by a newer release.
    #[error("{file:?} is of version {version}; this release reads up to {VERSION}")]
    Newer {
        /// Its name.
        file: String,
        /// Its version.
        version: u16,
    },
    /// Written by a release, or with settings, that know more ways to store a block.
    #[error("{file:?} has blocks of {what} {found}, which this release does not know")]
    UnknownCodec {
        /// Its name.
        file: String,
        /// `codec` or `cipher`.
        what: &'static str,
        /// The lowest one that is not known.
        found: u8,
    },
}

/// The two ends of a file that is whole.
#[derive(Debug)]
pub(crate) struct Ends {
    /// Length of the file.
    pub(crate) bytes: u64,
    /// Fields of the trailer.
    pub(crate) body: Vec<u8>,
    /// Where the content ends.
    pub(crate) content_end: u64,
}

/// Reads and verifies head and trailer.
pub(crate) fn open<F: DiskFile>(file: &F, id: FileId) -> Result<Ends, FileError> {
    let damaged = |what| FileError::Damaged { file: id.name(), what };
    let newer = |version| FileError::Newer { file: id.name(), version };
    let bytes = file.bytes()?;
    if bytes < u64_of(HEAD_BYTES + TAIL_BYTES) {
        return Err(damaged("the length"));
    }
    let head = read_block(file, bytes, 0)?;
    let head_found = check_head(&head, id);
    if let Found::Newer(version) = head_found {
        return Err(newer(version));
    }
    let (body, content_end) = match read_trailer(file, id, bytes)? {
        Found::Sound(trailer) => trailer,
        Found::Newer(version) => return Err(newer(version)),
        Found::Damaged => return Err(damaged("the trailer")),
    };
    match head_found {
        Found::Sound(()) => Ok(Ends { bytes, body, content_end }),
        Found::Newer(_) | Found::Damaged => Err(damaged("the head")),
    }
}

enum Found<T> {
    Sound(T),
    Newer(u16),
    Damaged,
}

/// Up to a block of a file from the block that holds `offset`; zeros where it cannot be read.
fn read_block<F: DiskFile>(file: &F, bytes: u64, offset: u64) -> Result<Vec<u8>, DiskError> {
    let length = usize::try_from(bytes - offset).unwrap_or(usize::MAX).min(BLOCK_BYTES);
    let mut buffer = BlockBuffer::with_capacity(BLOCK_BYTES);
    buffer.set_length(length);
    if file.read_at(offset, buffer.bytes_mut()).is_err() {
        buffer.bytes_mut().fill(0);
    }
    Ok(buffer.bytes().to_vec())
}

fn head_bytes(id: FileId) -> Vec<u8> {
    let mut head = vec![0; HEAD_BYTES];
    put(&mut head, 0, &id.kind.magic());
    put(&mut head, 4, &VERSION.to_le_bytes());
    put(&mut head, 6, &32_u16.to_le_bytes());
    put(&mut head, 16, &id.number.to_le_bytes());
    put(&mut head, 24, &id.store.to_le_bytes());
    let checksum = head_checksum(&head).expect("a head is long enough");
    put(&mut head, 8, &checksum.to_le_bytes());
    head
}

fn head_checksum(head: &[u8]) -> Option<u32> {
    let (before, after) = (head.get(..8)?, head.get(12..)?);
    Some(crc32c::crc32c_append(crc32c(before), after))
}

fn check_head(bytes: &[u8], id: FileId) -> Found<()> {
    let length = u16_at(bytes, 6).map_or(0, usize::from);
    let Some(head) = bytes.get(..length) else { return Found::Damaged };
    let is_sound = head.starts_with(&id.kind.magic())
        && u32_at(head, 8).is_some_and(|checksum| head_checksum(head) == Some(checksum));
    match u16_at(head, 4) {
        Some(version) if is_sound && version > VERSION => Found::Newer(version),
        Some(_) if is_sound && head == head_bytes(id) => Found::Sound(()),
        Some(_) | None => Found::Damaged,
    }
}

/// The tail: bytes of the file (8) · number (8) · bytes of the body (4) · version (2) · zero (2) · checksum (4) · magic.
fn tail_bytes(id: FileId, file_bytes: u64, body: &[u8]) -> Vec<u8> {
    let mut tail = vec![0; TAIL_BYTES];
    put(&mut tail, 0, &file_bytes.to_le_bytes());
    put(&mut tail, 8, &id.number.to_le_bytes());
    put(&mut tail, 16, &disk_size(body.len()).to_le_bytes());
    put(&mut tail, 20, &VERSION.to_le_bytes());
    let checksum = crc32c::crc32c_append(crc32c(body), tail.get(..24).expect("a tail is longer"));
    put(&mut tail, 24, &checksum.to_le_bytes());
    put(&mut tail, 28, &id.kind.magic());
    tail
}

/// The body of the trailer and where it begins.
fn read_trailer<F: DiskFile>(file: &F, id: FileId, bytes: u64) -> Result<Found<(Vec<u8>, u64)>, DiskError> {
    let block = u64_of(BLOCK_BYTES);
    let offset = (bytes.saturating_sub(u64_of(BODY_BYTES_MAX) + block)) / block * block;
    let mut end = Vec::new();
    let mut at = offset;
    while at < bytes {
        end.extend(read_block(file, bytes, at)?);
        at += block;
    }
    Ok(check_trailer(&end, id, bytes).map_or(Found::Damaged, |found| match found {
        Found::Sound(body) => {
            let content_end = bytes - u64_of(TAIL_BYTES + body.len());
            Found::Sound((body, content_end))
        }
        Found::Newer(version) => Found::Newer(version),
        Found::Damaged => Found::Damaged,
    }))
}

fn check_trailer(end: &[u8], id: FileId, bytes: u64) -> Option<Found<Vec<u8>>> {
    let (rest, tail) = end.split_at_checked(end.len().checked_sub(TAIL_BYTES)?)?;
    let body_bytes = size(u32_at(tail, 16)?);
    let body = rest.get(rest.len().checked_sub(body_bytes)?..)?;
    let checksum = crc32c::crc32c_append(crc32c(body), tail.get(..24)?);
    if tail.get(28..)? != id.kind.magic() || u32_at(tail, 24)? != checksum {
        return None;
    }
    let version = u16_at(tail, 20)?;
    if version > VERSION {
        return Some(Found::Newer(version));
    }
    // A head of another length is another version's, so the content begins where it begins in this one.
    let is_sound = u64_at(tail, 0)? == bytes
        && u64_at(tail, 8)? == id.number
        && u64_of(HEAD_BYTES + TAIL_BYTES + body_bytes) <= bytes
        && body_bytes <= BODY_BYTES_MAX;
    Some(if is_sound { Found::Sound(body.to_vec()) } else { Found::Damaged })
}

/// A file that is being written. Dropped before it is finished, it is removed.
pub(crate) struct Output<'d, D: Disk> {
    disk: &'d D,
    id: FileId,
    file: D::File,
    buffer: BlockBuffer,
    /// How much of the file was written.
    written: u64,
    synced: u64,
    is_named: bool,
}

impl<'d, D: Disk> Output<'d, D> {
    /// Begins a file. What an earlier try has left under its name is removed.
    pub(crate) fn create(disk: &'d D, id: FileId) -> Result<Self, DiskError> {
        let file = match disk.create(&id.new_name()) {
            Err(error) if error.fault == Fault::Exists => {
                disk.remove(&id.new_name())?;
                disk.create(&id.new_name())?
            }
            created => created?,
        };
        let buffer = BlockBuffer::with_capacity(BUFFER_BYTES);
        let mut output = Output { disk, id, file, buffer, written: 0, synced: 0, is_named: false };
        output.write(&head_bytes(id))?;
        Ok(output)
    }

    /// Which file this becomes.
    pub(crate) fn id(&self) -> FileId {
        self.id
    }

    /// Where the next byte goes.
    pub(crate) fn position(&self) -> u64 {
        self.written + u64_of(self.buffer.bytes().len())
    }

    pub(crate) fn write(&mut self, mut bytes: &[u8]) -> Result<(), DiskError> {
        while !bytes.is_empty() {
            let length = self.buffer.bytes().len();
            let room = (self.buffer.capacity() - length).min(bytes.len());
            let (now, later) = bytes.split_at_checked(room).expect("room is at most the length");
            self.buffer.set_length(length + room);
            put(self.buffer.bytes_mut(), length, now);
            if self.buffer.bytes().len() == self.buffer.capacity() {
                self.flush()?;
            }
            bytes = later;
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), DiskError> {
        self.file.write_at(self.written, self.buffer.bytes(), Durability::Later)?;
        self.written += u64_of(self.buffer.bytes().len());
        self.buffer.set_length(0);
        if self.written - self.synced >= SYNC_BYTES {
            self.file.sync()?;
            self.synced = self.written;
        }
        Ok(())
    }

    /// Ends the file with a trailer of these fields and makes it durable under its own name. Returns its length.
    pub(crate) fn finish(mut self, fields: &[u8]) -> Result<u64, DiskError> {
        let unpadded = self.position() + u64_of(fields.len() + TAIL_BYTES);
        let bytes = unpadded.next_multiple_of(u64_of(BLOCK_BYTES));
        let mut body = fields.to_vec();
        body.resize(fields.len() + usize::try_from(bytes - unpadded).expect("less than a block"), 0);
        self.write(&body)?;
        self.write(&tail_bytes(self.id, bytes, &body))?;
        if !self.buffer.bytes().is_empty() {
            self.flush()?;
        }
        self.file.sync()?;
        self.disk.rename(&self.id.new_name(), &self.id.name())?;
        self.is_named = true;
        self.disk.sync_folder()?;
        Ok(bytes)
    }
}

impl<D: Disk> Drop for Output<'_, D> {
    fn drop(&mut self) {
        if !self.is_named {
            // Where this fails, the file is removed at the next start.
            drop(self.disk.remove(&self.id.new_name()));
        }
    }
}

pub(crate) fn u64_of(bytes: usize) -> u64 {
    u64::try_from(bytes).expect("a length fits")
}

#[cfg(test)]
mod tests {
    //! Names, ends, and what is left of a file that was not finished.

    use super::*;
    use crate::fuzzing::memory::MemoryDisk;

    const ID: FileId = FileId { kind: Kind::Segment, number: 0x2a, store: 0x5eed };

    #[test]
    fn a_name_says_number_store_and_kind() {
        assert_eq!(ID.name(), "0000002a-0000000000005eed.seg");
        for kind in Kind::ALL {
            let id = FileId { kind, ..ID };
            assert_eq!(FileId::parse(&id.name()), Some(id));
            assert_eq!(FileId::parse(&id.new_name()), None);
        }
        for other in ["lock", "0000002a-0000000000005eed.wal", "2a-0000000000005eed.seg", "0000002a-5eed.seg"] {
            assert_eq!(FileId::parse(other), None, "{other}");
        }
    }

    fn written(content: &[u8], fields: &[u8]) -> MemoryDisk {
        let disk = MemoryDisk::default();
        let mut output = Output::create(&disk, ID).unwrap();
        output.write(content).unwrap();
        assert_eq!(output.position(), u64_of(HEAD_BYTES + content.len()));
        output.finish(fields).unwrap();
        disk
    }

    #[test]
    fn a_file_is_whole_blocks_with_its_name_at_both_ends() {
        for length in [0, 1, 4_000, 4_020, 4_096, 3 << 20] {
            let disk = written(&vec![9; length], b"fields");
            assert_eq!(disk.list().unwrap(), [ID.name()]);
            let file = disk.open(&ID.name()).unwrap();
            let ends = open(&file, ID).unwrap();
            assert_eq!(ends.bytes % u64_of(BLOCK_BYTES), 0);
            assert_eq!(ends.content_end, u64_of(HEAD_BYTES + length));
            assert!(ends.body.starts_with(b"fields"));
            let other = FileId { number: 9, ..ID };
            assert!(matches!(open(&file, other), Err(FileError::Damaged { .. })));
        }
    }

    #[test]
    fn a_newer_file_is_refused_by_name() {
        let disk = written(b"content", b"fields");
        let file = disk.open(&ID.name()).unwrap();
        let mut head = head_bytes(ID);
        head[4] = 2;
        let checksum = head_checksum(&head).unwrap();
        put(&mut head, 8, &checksum.to_le_bytes());
        file.write_at(0, &head, Durability::Later).unwrap();
        let refused = open(&file, ID).unwrap_err();
        assert_eq!(
            refused.to_string(),
            "\"0000002a-0000000000005eed.seg\" is of version 2; this release reads up to 1"
        );
    }

    #[test]
    fn what_was_not_finished_is_removed() {
        let disk = MemoryDisk::default();
        drop(Output::create(&disk, ID).unwrap());
        assert!(disk.list().unwrap().is_empty(), "dropped");
        for name in [ID.new_name(), "note.new".to_owned(), ID.name()] {
            disk.create(&name).unwrap();
        }
        assert_eq!(remove_unfinished(&disk).unwrap(), [ID.new_name()]);
        assert_eq!(disk.list().unwrap(), [ID.name(), "note.new".to_owned()]);
        disk.create(&ID.new_name()).unwrap();
        assert!(Output::create(&disk, ID).is_ok(), "left by an earlier try");
    }
}
