//! What a segment needs to know of a frame: that it is whole, and what it is called.
//!
//! Not here: making one, headers and bodies.

use crc32c::crc32c;
use firn_id::Timestamp;

use crate::wal::RECORD_BYTES_MAX;
use crate::wal::number::{size, u16_at, u32_at, u64_at};

/// Bytes of a frame before its extension.
pub(super) const FRAME_HEAD_BYTES: usize = 32;

/// A frame whose checksum is right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Frame<'a> {
    pub(super) sequence: u64,
    pub(super) time: Timestamp,
    pub(super) subject: &'a [u8],
    /// All of it.
    pub(super) bytes: &'a [u8],
}

impl<'a> Frame<'a> {
    /// The frame that `bytes` begin with, if there is a whole one.
    pub(super) fn read(bytes: &'a [u8]) -> Option<Self> {
        let length = size(u32_at(bytes, 4)?);
        if !(FRAME_HEAD_BYTES..=RECORD_BYTES_MAX).contains(&length) {
            return None;
        }
        let bytes = bytes.get(..length)?;
        if u32_at(bytes, 0)? != crc32c(bytes.get(4..)?) {
            return None;
        }
        let (subject_bytes, extension_bytes) = (usize::from(u16_at(bytes, 28)?), usize::from(u16_at(bytes, 30)?));
        let headers_bytes = size(u32_at(bytes, 24)?);
        let rest = bytes.get(FRAME_HEAD_BYTES + extension_bytes..)?;
        let (subject, rest) = rest.split_at_checked(subject_bytes)?;
        rest.split_at_checked(headers_bytes)?;
        let nanos = u64_at(bytes, 16)?.cast_signed();
        Some(Frame { sequence: u64_at(bytes, 8)?, time: Timestamp::from_unix_nanos(nanos), subject, bytes })
    }
}
