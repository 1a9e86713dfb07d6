//! The files of the log: what they are called, how long they are, how a new one is made ready.
//!
//! ```text
//!    00000004-9f3a….wal   00000005-9f3a….wal   00000006-9f3a….wal   00000007-9f3a….wal
//!    retired: released    live                 current: written     next: made ready in the background
//!         └────────────────────── renamed to 00000008-… when that is needed ──────────────────────┘
//! ```
//!
//! A number is never used twice. The name carries the log's id, so that files of two logs are told apart before a byte
//! is read. A file is written over its whole length before it is used, because a write into it then changes no metadata
//! and costs one flush instead of two; a retired file has been written over already.

use super::batch::LONE_BATCH_BYTES_MAX;
use crate::disk::{BLOCK_BYTES, BlockBuffer, Disk, DiskError, DiskFile, Durability, Fault};

/// Bytes of zeros written at once into a new file.
const ZEROS_BYTES: usize = 1 << 20;

/// Of the free space, one part in so many goes into a new file at most.
const FREE_SPACE_PARTS: u64 = 16;

pub(super) const BLOCK: u64 = BLOCK_BYTES as u64;

/// Which file of which log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct FileId {
    pub(super) number: u64,
    pub(super) log_id: u64,
}

impl FileId {
    pub(super) fn name(self) -> String {
        format!("{:08x}-{:016x}.wal", self.number, self.log_id)
    }

    /// None for a file that is not the log's.
    pub(super) fn parse(name: &str) -> Option<FileId> {
        let (number, log_id) = name.strip_suffix(".wal")?.split_once('-')?;
        let parse = |digits| u64::from_str_radix(digits, 16).ok();
        let id = FileId { number: parse(number)?, log_id: parse(log_id)? };
        (id.name() == name).then_some(id)
    }
}

/// Something to be done to files, away from the log thread where there is a thread for it.
#[derive(Clone, Debug)]
pub enum Order {
    /// Make the next file ready.
    Make(Make),
    /// Remove a retired file.
    Remove(String),
}

/// What came of an [`Order`].
#[derive(Debug)]
pub enum Done<F> {
    /// The next file is ready.
    Made(ReadyFile<F>),
    /// The file is gone.
    Removed,
}

impl Order {
    /// Does it. It may be done again after it failed.
    ///
    /// # Errors
    /// The disk's; [`Fault::Full`] leaves what was made so far, to be used by the next try.
    pub fn perform<D: Disk>(&self, disk: &D) -> Result<Done<D::File>, DiskError> {
        match self {
            Order::Make(make) => make.perform(disk).map(Done::Made),
            Order::Remove(name) => match disk.remove(name) {
                Err(error) if error.fault != Fault::NotFound => Err(error),
                Ok(()) | Err(_) => Ok(Done::Removed),
            },
        }
    }
}

/// How to make the next file.
#[derive(Clone, Debug)]
pub struct Make {
    pub(super) id: FileId,
    /// A retired file that becomes it.
    pub(super) recycled: Option<String>,
    /// An earlier try may have left a file of that name.
    pub(super) is_begun: bool,
    /// How long it should be, if there is room: twice the one before.
    pub(super) bytes_wanted: u64,
    /// How long it must be.
    pub(super) bytes_min: u64,
}

/// A file that has its name and its length.
#[derive(Debug)]
pub struct ReadyFile<F> {
    pub(super) id: FileId,
    pub(super) bytes: u64,
    pub(super) file: F,
}

impl Make {
    fn perform<D: Disk>(&self, disk: &D) -> Result<ReadyFile<D::File>, DiskError> {
        let file = self.take_file(disk)?;
        let present = file.bytes()? / BLOCK * BLOCK;
        let affordable = disk.free_bytes()? / FREE_SPACE_PARTS / BLOCK * BLOCK;
        let bytes = self.bytes_wanted.min(affordable).max(self.bytes_min).max(present);
        write_zeros(&file, present, bytes)?;
        file.sync()?;
        disk.sync_folder()?;
        Ok(ReadyFile { id: self.id, bytes, file })
    }

    /// The file of that name: left by a try that failed, recycled, or new.
    fn take_file<D: Disk>(&self, disk: &D) -> Result<D::File, DiskError> {
        let name = self.id.name();
        match disk.open(&name) {
            Err(error) if error.fault == Fault::NotFound => {}
            opened => return opened,
        }
        let Some(recycled) = &self.recycled else { return disk.create(&name) };
        disk.rename(recycled, &name)?;
        disk.open(&name)
    }
}

fn write_zeros<F: DiskFile>(file: &F, from: u64, to: u64) -> Result<(), DiskError> {
    let mut zeros = BlockBuffer::with_capacity(ZEROS_BYTES);
    let mut at = from;
    while at < to {
        let length = usize::try_from(to - at).unwrap_or(usize::MAX).min(ZEROS_BYTES);
        zeros.set_length(length);
        file.write_at(at, zeros.bytes(), Durability::Later)?;
        at += u64::try_from(length).expect("a length fits");
    }
    Ok(())
}

/// How long the file after one of `previous` bytes should be: files double, so that a small server keeps a small log.
pub(super) fn next_bytes(previous: Option<u64>, min: u64, max: u64) -> u64 {
    previous.map_or(min, |previous| previous.saturating_mul(2)).clamp(min, max)
}

const _: () = assert!(LONE_BATCH_BYTES_MAX < u32::MAX as usize, "an offset in a file is a u32");

#[cfg(test)]
mod tests {
    //! Names and lengths.

    use super::*;

    #[test]
    fn a_name_says_number_and_log() {
        let id = FileId { number: 7, log_id: 0x9f3a };
        assert_eq!(id.name(), "00000007-0000000000009f3a.wal");
        assert_eq!(FileId::parse(&id.name()), Some(id));
        for other in ["lock", "7-9f3a.wal", "00000007-0000000000009f3a.tmp", "0000000g-0000000000009f3a.wal", ".wal"] {
            assert_eq!(FileId::parse(other), None, "{other}");
        }
    }

    #[test]
    fn files_double_between_their_limits() {
        let mut bytes = None;
        let lengths: Vec<u64> = std::iter::repeat_with(|| {
            bytes = Some(next_bytes(bytes, 4, 100));
            bytes.unwrap()
        })
        .take(7)
        .collect();
        assert_eq!(lengths, [4, 8, 16, 32, 64, 100, 100]);
    }
}
