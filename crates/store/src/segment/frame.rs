//! A frame as a segment handles it: verified, with its bytes.

use firn_id::Timestamp;

use crate::frame::Frame;

/// A frame whose checksum is right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct WholeFrame<'a> {
    pub(super) sequence: u64,
    pub(super) time: Timestamp,
    pub(super) subject: &'a [u8],
    pub(super) bytes: &'a [u8],
}

impl<'a> WholeFrame<'a> {
    /// The frame that `bytes` begin with, if there is a whole one.
    pub(super) fn read(bytes: &'a [u8]) -> Option<Self> {
        let (Frame { sequence, time, subject, .. }, length) = Frame::decode(bytes).ok()?;
        Some(WholeFrame { sequence, time, subject, bytes: bytes.get(..length)? })
    }
}
