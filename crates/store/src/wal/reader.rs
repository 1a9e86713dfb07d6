//! Reading a file of the log from its beginning, through a window, and finding batches in it.

use super::OpenError;
use super::batch::{Header, HeaderFound, footer};
use super::files::{BLOCK, FileId};
use super::number::size;
use crate::disk::{BLOCK_BYTES, BlockBuffer, DiskFile};

/// Bytes read at once.
const WINDOW_BYTES: usize = 1 << 20;

/// A file, and the part of it that was read last.
pub(super) struct Reader<'a, F> {
    file: &'a F,
    id: FileId,
    /// Whole blocks of the file.
    bytes: u64,
    window: BlockBuffer,
    window_start: u64,
    /// Offsets of blocks that the disk could not read; they stand in the window as zeros.
    unreadable: Vec<u64>,
}

impl<'a, F: DiskFile> Reader<'a, F> {
    pub(super) fn new(file: &'a F, id: FileId, bytes: u64) -> Self {
        let window = BlockBuffer::with_capacity(0);
        Reader { file, id, bytes: bytes / BLOCK * BLOCK, window, window_start: 0, unreadable: Vec::new() }
    }

    /// The header of the first batch that begins at `at` or behind it, taken from either end of the batch. Between the
    /// two, no batch can be recognised.
    ///
    /// # Errors
    /// A batch was written by a newer release.
    pub(super) fn find_batch(&mut self, at: u64) -> Result<Option<Header>, OpenError> {
        let mut offset = at;
        while offset < self.bytes {
            let (id, file_bytes) = (self.id, self.bytes);
            let block = self.read(offset, BLOCK_BYTES);
            match Header::decode(block, id.log_id) {
                HeaderFound::Header(header)
                    if header.file == id.number && u64::from(header.offset) == offset && header.end() <= file_bytes =>
                {
                    return Ok(Some(header));
                }
                HeaderFound::Newer { version } => {
                    return Err(OpenError::NewerBatch { file: id.name(), offset, version });
                }
                HeaderFound::Header(_) | HeaderFound::Nothing => {}
            }
            offset += BLOCK;
            // The header at the front is lost, the one at the end may be there.
            if let HeaderFound::Header(header) = Header::decode(footer(block), id.log_id)
                && header.file == id.number
                && header.end() == offset
                && u64::from(header.offset) >= at
            {
                return Ok(Some(header));
            }
        }
        Ok(None)
    }

    /// The bytes of a batch that was found.
    pub(super) fn batch(&mut self, header: &Header) -> &[u8] {
        self.read(header.offset.into(), size(header.bytes))
    }

    /// Some block of the part could not be read.
    pub(super) fn is_unreadable(&self, from: u64, to: u64) -> bool {
        self.unreadable.iter().any(|offset| (from..to).contains(offset))
    }

    /// Whole blocks of the file.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// `length` bytes from `offset`, all of which are in the file.
    fn read(&mut self, offset: u64, length: usize) -> &[u8] {
        let window_end = self.window_start + disk_length(self.window.bytes().len());
        if offset < self.window_start || offset + disk_length(length) > window_end {
            self.fill_window(offset, length);
        }
        let start = usize::try_from(offset - self.window_start).expect("an offset in the window is small");
        self.window.bytes().get(start..start + length).expect("the window was filled")
    }

    fn fill_window(&mut self, offset: u64, length: usize) {
        let left = usize::try_from(self.bytes - offset).unwrap_or(usize::MAX);
        let length = length.max(WINDOW_BYTES).min(left);
        if self.window.capacity() < length {
            self.window = BlockBuffer::with_capacity(length);
        }
        self.window.set_length(length);
        self.window_start = offset;
        if self.file.read_at(offset, self.window.bytes_mut()).is_err() {
            self.fill_window_by_blocks();
        }
    }

    /// Part of the window cannot be read: find out which.
    fn fill_window_by_blocks(&mut self) {
        let mut offset = self.window_start;
        for block in self.window.bytes_mut().chunks_mut(BLOCK_BYTES) {
            if self.file.read_at(offset, block).is_err() {
                block.fill(0);
                self.unreadable.push(offset);
            }
            offset += BLOCK;
        }
    }
}

fn disk_length(bytes: usize) -> u64 {
    u64::try_from(bytes).expect("a length fits")
}
