//! The disk as the store sees it: one folder of files, and calls that return when they are done.
//!
//! Only whoever owns the thread calls it: the log thread, a read thread, a checkpoint thread; in a simulation the one
//! thread there is. Three rules of real disks are part of the contract, because recovery depends on them:
//!
//! 1. A write of [`Durability::Durable`] that returned `Ok`, and a write before a [`DiskFile::sync`] that returned `Ok`,
//!    survive a power cut. Any other write survives whole, in part, or not at all, block by block and in any order.
//! 2. A name that was created, renamed or removed survives a power cut after [`Disk::sync_folder`] only.
//! 3. After a failed sync nobody knows what is on the disk, and a second sync that succeeds proves nothing.
//!
//! Not here: an implementation. The server has one over files, `firn-sim` one that fails on purpose.

use std::fmt;

use thiserror::Error;

/// What a disk reads and writes at once, in bytes. Offsets, lengths and memory of the log's writes are multiples of it,
/// as direct I/O demands.
pub const BLOCK_BYTES: usize = 4096;

/// One folder of files, without folders inside. Names are ASCII without `/`.
pub trait Disk {
    /// An open file.
    type File: DiskFile;

    /// Holds the folder against other processes until it is dropped.
    type Lock;

    /// Makes an empty file.
    ///
    /// # Errors
    /// [`Fault::Exists`] when the name is taken, [`Fault::Full`] when there is no room for one more.
    fn create(&self, name: &str) -> Result<Self::File, DiskError>;

    /// Opens a file for reading and writing.
    ///
    /// # Errors
    /// [`Fault::NotFound`] when there is no such file.
    fn open(&self, name: &str) -> Result<Self::File, DiskError>;

    /// Gives a file another name. Handles stay open. A file that had the new name is replaced.
    ///
    /// # Errors
    /// [`Fault::NotFound`] when there is no such file.
    fn rename(&self, from: &str, to: &str) -> Result<(), DiskError>;

    /// Removes a file. Its space is free when the last handle is dropped.
    ///
    /// # Errors
    /// [`Fault::NotFound`] when there is no such file.
    fn remove(&self, name: &str) -> Result<(), DiskError>;

    /// The names of all files, in no order.
    ///
    /// # Errors
    /// The folder cannot be read.
    fn list(&self) -> Result<Vec<String>, DiskError>;

    /// Makes names durable: what was created, renamed or removed before.
    ///
    /// # Errors
    /// [`Fault::Sync`], after which the names are unknown.
    fn sync_folder(&self) -> Result<(), DiskError>;

    /// Bytes that could still be written.
    ///
    /// # Errors
    /// The file system does not say.
    fn free_bytes(&self) -> Result<u64, DiskError>;

    /// Takes the folder for this process, by a lock on a file of that name.
    ///
    /// # Errors
    /// [`Fault::Locked`] when another process has it.
    fn lock(&self, name: &str) -> Result<Self::Lock, DiskError>;
}

/// An open file. A clone is the same open file.
pub trait DiskFile: Clone {
    /// Fills `buffer` from `offset`.
    ///
    /// # Errors
    /// [`Fault::Other`] when a part of it cannot be read or lies behind the end of the file.
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<(), DiskError>;

    /// Writes all of `bytes` at `offset`, and makes the file longer where it must.
    ///
    /// # Errors
    /// [`Fault::Full`] when a part found no room, [`Fault::Sync`] when it was to be durable and may not be. In both
    /// cases the bytes may be there in part.
    fn write_at(&self, offset: u64, bytes: &[u8], durability: Durability) -> Result<(), DiskError>;

    /// Makes everything durable that was written to this file, and its length.
    ///
    /// # Errors
    /// [`Fault::Sync`], or [`Fault::Full`] where room is found only now. The file's content is unknown after either.
    fn sync(&self) -> Result<(), DiskError>;

    /// Makes the file so long: cuts it, or adds zeros that may take no space yet.
    ///
    /// # Errors
    /// [`Fault::Full`] when there is no room.
    fn set_bytes(&self, bytes: u64) -> Result<(), DiskError>;

    /// How long the file is.
    ///
    /// # Errors
    /// The file system does not say.
    fn bytes(&self) -> Result<u64, DiskError>;
}

/// What a write promises when it returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// Nothing before the next sync.
    Later,
    /// The bytes survive a power cut, and so does what is needed to read them back.
    Durable,
}

/// A disk operation that failed. The message names the operation, the file and what the system said.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("cannot {operation} {file:?}: {detail}")]
pub struct DiskError {
    /// What kind of failure, as far as callers act differently.
    pub fault: Fault,
    /// A verb: `read`, `write`, `sync`, ….
    pub operation: &'static str,
    /// The file's name in its folder; empty for the folder.
    pub file: String,
    /// What the system said.
    pub detail: String,
}

/// Kinds of failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// No space, no quota, no inodes: it may work again when somebody makes room.
    Full,
    /// What was to be durable may not be.
    Sync,
    /// There is no such file.
    NotFound,
    /// The name is taken.
    Exists,
    /// Another process holds the folder.
    Locked,
    /// Everything else.
    Other,
}

/// Memory that begins at a multiple of [`BLOCK_BYTES`], as direct I/O demands. Its capacity never changes.
pub struct BlockBuffer {
    memory: Vec<u8>,
    /// Where the first aligned byte is: `start + capacity ≤ memory.len()`.
    start: usize,
    capacity: usize,
    length: usize,
}

impl BlockBuffer {
    /// Room for at least `bytes`, in whole blocks, all zero and of no length.
    pub fn with_capacity(bytes: usize) -> Self {
        let capacity = bytes.next_multiple_of(BLOCK_BYTES);
        let memory = vec![0; capacity + BLOCK_BYTES];
        let start = memory.as_ptr().align_offset(BLOCK_BYTES);
        assert!(start <= BLOCK_BYTES, "bytes can always be aligned");
        BlockBuffer { memory, start, capacity, length: 0 }
    }

    /// How many bytes fit.
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// Sets the length; what becomes visible is whatever was there.
    ///
    /// # Panics
    /// When `length` is above the capacity.
    pub fn set_length(&mut self, length: usize) {
        assert!(length <= self.capacity, "a block buffer does not grow");
        self.length = length;
    }

    /// The bytes.
    pub fn bytes(&self) -> &[u8] {
        let end = self.start + self.length;
        self.memory.get(self.start..end).expect("start + capacity is within the memory")
    }

    /// The bytes, to be written to.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        let end = self.start + self.length;
        self.memory.get_mut(self.start..end).expect("start + capacity is within the memory")
    }
}

impl fmt::Debug for BlockBuffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BlockBuffer").field("length", &self.length).field("capacity", &self.capacity).finish()
    }
}

#[cfg(test)]
mod tests {
    //! Alignment, and what an error says.

    use super::*;

    #[test]
    fn a_block_buffer_is_aligned_and_whole_blocks() {
        for bytes in [0, 1, BLOCK_BYTES, BLOCK_BYTES + 1, 1 << 20] {
            let mut buffer = BlockBuffer::with_capacity(bytes);
            assert_eq!(buffer.capacity() % BLOCK_BYTES, 0);
            assert!(buffer.capacity() >= bytes);
            buffer.set_length(buffer.capacity());
            assert_eq!(buffer.bytes().as_ptr().align_offset(BLOCK_BYTES), 0);
            assert_eq!(buffer.bytes().len(), buffer.capacity());
            assert_eq!(buffer.bytes_mut().len(), buffer.capacity());
        }
    }

    #[test]
    fn an_error_names_operation_and_file() {
        let error = DiskError {
            fault: Fault::Full,
            operation: "write",
            file: "00000007.wal".to_owned(),
            detail: "no space left on device".to_owned(),
        };
        assert_eq!(error.to_string(), "cannot write \"00000007.wal\": no space left on device");
    }
}
