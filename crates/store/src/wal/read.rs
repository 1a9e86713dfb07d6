//! Reading one record of the log by its place, in any thread, for what is not in memory any more.

use thiserror::Error;

use super::number::size;
use super::record::{BadRecord, Name, Record};
use super::{Place, files::BLOCK};
use crate::disk::{BLOCK_BYTES, BlockBuffer, DiskError, DiskFile};

/// Reads the record `name` at `place` of `file`, which must be the file of that number. The buffer is replaced when it
/// is too small.
///
/// # Errors
/// The disk's, or what stands there is not that record: nothing that was not written under this name is returned.
pub fn read_record<'b, F: DiskFile>(
    file: &F,
    place: Place,
    name: Name,
    buffer: &'b mut BlockBuffer,
) -> Result<Record<'b>, ReadError> {
    let start = u64::from(place.offset) / BLOCK * BLOCK;
    let before = size(place.offset) % BLOCK_BYTES;
    let length = (before + size(place.bytes)).next_multiple_of(BLOCK_BYTES);
    if buffer.capacity() < length {
        *buffer = BlockBuffer::with_capacity(length);
    }
    buffer.set_length(length);
    file.read_at(start, buffer.bytes_mut())?;
    let record = Record::decode(buffer.bytes().get(before..).unwrap_or_default())?;
    if record.name != name {
        return Err(BadRecord::Other { found: record.name }.into());
    }
    Ok(record)
}

/// A record that could not be read.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum ReadError {
    /// It is not there as it was written.
    #[error(transparent)]
    Bad(#[from] BadRecord),
    /// The disk did not read.
    #[error(transparent)]
    Disk(#[from] DiskError),
}
