//! A message as bytes: made once by the shard that accepted it, and never changed again.
//!
//! ```text
//!   0        4       8          16     24        28      30     32
//!   ┌────────┬───────┬──────────┬──────┬─────────┬───────┬──────┬───────────┬─────────┬─────────┬──────┐
//!   │checksum│ bytes │ sequence │ time │ headers │subject│  x   │ extension │ subject │ headers │ body │
//!   └────────┴───────┴──────────┴──────┴─────────┴───────┴──────┴───────────┴─────────┴─────────┴──────┘
//!            bytes: of the whole frame   headers, subject, x: bytes of the headers, the subject, the extension
//! ```
//!
//! The checksum is CRC32C over everything behind it. The same bytes lie in the log, in memory and in a segment, and
//! travel to whoever reads them last, so that a flip anywhere on the way is noticed. A frame has no version of its own:
//! whatever holds it has one.
//!
//! Invariant: the extension is whole fields, and the four parts fill the frame.
//!
//! Not here: where a frame lies ([`crate::messages`]), and what its headers say.

use std::ops::DerefMut;

use bytes::{BufMut, Bytes};
use crc32c::crc32c;
use firn_id::Timestamp;
use thiserror::Error;

use crate::messages::Storage;
use crate::wal::Extension;
use crate::wal::number::{disk_size, put, size, u16_at, u32_at, u64_at};

/// Bytes before the extension.
pub const FRAME_HEAD_BYTES: usize = 32;

/// A message on its way into a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NewMessage<'a> {
    /// Its place in the stream, from 1.
    pub sequence: u64,
    /// When the stream accepted it.
    pub time: Timestamp,
    /// What it was published on, after all mappings; below 64 KiB.
    pub subject: &'a [u8],
    /// `NATS/1.0` and what follows, up to the empty line; nothing when there are none.
    pub headers: &'a [u8],
    /// What follows the headers.
    pub body: &'a [u8],
    /// Typed additions, of which a reader skips those it does not know.
    pub extension: Extension<'a>,
}

impl NewMessage<'_> {
    /// Length of the frame.
    pub fn frame_bytes(&self) -> usize {
        FRAME_HEAD_BYTES + self.extension.as_bytes().len() + self.subject.len() + self.headers.len() + self.body.len()
    }

    /// Appends the frame.
    ///
    /// # Panics
    /// When the subject is 64 KiB or longer, or the frame 4 GiB.
    pub fn encode(&self, bytes: &mut Vec<u8>) {
        bytes.reserve(self.frame_bytes());
        self.encode_to(bytes);
    }

    pub(crate) fn encode_to(&self, bytes: &mut (impl BufMut + DerefMut<Target = [u8]>)) {
        let start = bytes.len();
        let extension = self.extension.as_bytes();
        bytes.put_u32_le(0);
        bytes.put_u32_le(disk_size(self.frame_bytes()));
        bytes.put_u64_le(self.sequence);
        bytes.put_i64_le(self.time.unix_nanos());
        bytes.put_u32_le(disk_size(self.headers.len()));
        bytes.put_u16_le(u16::try_from(self.subject.len()).expect("a subject is below 64 KiB"));
        bytes.put_u16_le(u16::try_from(extension.len()).expect("an extension is below 64 KiB"));
        bytes.put_slice(extension);
        bytes.put_slice(self.subject);
        bytes.put_slice(self.headers);
        bytes.put_slice(self.body);
        let covered = bytes.get(start + 4..).expect("the head is there");
        let checksum = crc32c(covered);
        put(bytes, start, &checksum.to_le_bytes());
    }

    /// What the message counts for in its stream.
    pub fn accounted_bytes(&self, storage: Storage) -> u64 {
        storage.accounted_bytes(self.subject.len(), self.headers.len(), self.body.len())
    }
}

/// A frame as it is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// Its place in the stream.
    pub sequence: u64,
    /// When the stream accepted it.
    pub time: Timestamp,
    /// What it was published on.
    pub subject: &'a [u8],
    /// The block of headers, or nothing.
    pub headers: &'a [u8],
    /// What follows the headers.
    pub body: &'a [u8],
    /// Typed additions.
    pub extension: Extension<'a>,
}

impl<'a> Frame<'a> {
    /// Reads and verifies the frame that `bytes` begin with; its length comes with it.
    ///
    /// # Errors
    /// What stands there is no frame, or not the one that was written.
    pub fn decode(bytes: &'a [u8]) -> Result<(Self, usize), BadFrame> {
        let length = frame_bytes(bytes).ok_or(BadFrame::Length)?;
        let frame = bytes.get(..length).ok_or(BadFrame::Length)?;
        let (checksum, covered) = frame.split_first_chunk().ok_or(BadFrame::Length)?;
        if u32::from_le_bytes(*checksum) != crc32c(covered) {
            return Err(BadFrame::Checksum);
        }
        let parts = Parts::of(frame).ok_or(BadFrame::Length)?;
        let extension = Extension::parse(parts.extension).ok_or(BadFrame::Extension)?;
        let Parts { subject, headers, body, .. } = parts;
        let frame = Frame { sequence: parts.sequence, time: parts.time, subject, headers, body, extension };
        Ok((frame, length))
    }
}

/// The length that a frame claims, when it is long enough to be one.
pub(crate) fn frame_bytes(bytes: &[u8]) -> Option<usize> {
    u32_at(bytes, 4).map(size).filter(|length| *length >= FRAME_HEAD_BYTES)
}

/// A whole frame, taken apart but not verified.
#[derive(Clone, Copy)]
pub(crate) struct Parts<'a> {
    pub(crate) sequence: u64,
    pub(crate) time: Timestamp,
    pub(crate) extension: &'a [u8],
    pub(crate) subject: &'a [u8],
    pub(crate) headers: &'a [u8],
    pub(crate) body: &'a [u8],
}

impl<'a> Parts<'a> {
    pub(crate) fn of(frame: &'a [u8]) -> Option<Parts<'a>> {
        let time = Timestamp::from_unix_nanos(u64_at(frame, 16)?.cast_signed());
        let rest = frame.get(FRAME_HEAD_BYTES..)?;
        let (extension, rest) = rest.split_at_checked(u16_at(frame, 30)?.into())?;
        let (subject, rest) = rest.split_at_checked(u16_at(frame, 28)?.into())?;
        let (headers, body) = rest.split_at_checked(size(u32_at(frame, 24)?))?;
        Some(Parts { sequence: u64_at(frame, 8)?, time, extension, subject, headers, body })
    }

    pub(crate) fn accounted_bytes(&self, storage: Storage) -> u64 {
        storage.accounted_bytes(self.subject.len(), self.headers.len(), self.body.len())
    }
}

/// Why bytes are not a frame.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum BadFrame {
    /// Something flipped, or something else stands there.
    #[error("the checksum does not match")]
    Checksum,
    /// The fields of the extension do not fill it.
    #[error("the extension is malformed")]
    Extension,
    /// Shorter than a frame, cut off, or its parts do not fit.
    #[error("the length is not a frame's")]
    Length,
}

/// A whole frame that whoever holds it keeps alive, together with what lies beside it in memory. A clone copies nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    frame: Bytes,
}

impl Message {
    /// Takes bytes that are one frame, from wherever they were kept.
    ///
    /// # Errors
    /// They are not one frame, or not as it was written.
    pub fn verify(frame: Bytes) -> Result<Self, BadFrame> {
        let (_, length) = Frame::decode(&frame)?;
        if length == frame.len() { Ok(Message { frame }) } else { Err(BadFrame::Length) }
    }

    /// Takes a frame that this process made, and that only lay in memory since.
    pub(crate) fn trust(frame: Bytes) -> Self {
        debug_assert!(
            Frame::decode(&frame).is_ok_and(|(_, length)| length == frame.len()),
            "a frame changed in memory"
        );
        Message { frame }
    }

    fn parts(&self) -> Parts<'_> {
        Parts::of(&self.frame).expect("a message holds a whole frame")
    }

    /// The frame, as it goes into the log, a segment, or to another server.
    pub fn frame(&self) -> &Bytes {
        &self.frame
    }

    /// Length of the frame.
    pub fn frame_bytes(&self) -> usize {
        self.frame.len()
    }

    /// Its place in the stream.
    pub fn sequence(&self) -> u64 {
        self.parts().sequence
    }

    /// When the stream accepted it.
    pub fn time(&self) -> Timestamp {
        self.parts().time
    }

    /// What it was published on.
    pub fn subject(&self) -> &[u8] {
        self.parts().subject
    }

    /// The block of headers, or nothing.
    pub fn headers(&self) -> &[u8] {
        self.parts().headers
    }

    /// What follows the headers.
    pub fn body(&self) -> &[u8] {
        self.parts().body
    }

    /// Headers and body, which follow each other, without a copy: what a delivery carries.
    pub fn payload(&self) -> Bytes {
        let Parts { headers, body, .. } = self.parts();
        self.frame.slice(self.frame.len() - headers.len() - body.len()..)
    }

    /// Typed additions.
    pub fn extension(&self) -> Extension<'_> {
        Extension::parse(self.parts().extension).expect("a message's extension was parsed when it was made")
    }

    /// What the message counts for in its stream.
    pub fn accounted_bytes(&self, storage: Storage) -> u64 {
        self.parts().accounted_bytes(storage)
    }
}

#[cfg(test)]
mod tests {
    //! A frame as bytes, written out; every frame there and back; no flip that goes unnoticed.

    use proptest::prelude::*;

    use super::*;
    use crate::wal::Field;

    fn encoded(message: &NewMessage<'_>) -> Vec<u8> {
        let mut bytes = Vec::new();
        message.encode(&mut bytes);
        assert_eq!(bytes.len(), message.frame_bytes());
        bytes
    }

    fn example() -> NewMessage<'static> {
        NewMessage {
            sequence: 0x0102,
            time: Timestamp::from_unix_nanos(-2),
            subject: b"a.b",
            headers: b"NATS/1.0\r\n\r\n",
            body: b"body",
            extension: Extension::default(),
        }
    }

    #[test]
    fn a_frame_is_these_bytes() {
        let bytes = encoded(&example());
        assert_eq!(bytes[4..8], [51, 0, 0, 0], "32 + 3 + 12 + 4 bytes");
        assert_eq!(bytes[8..16], [2, 1, 0, 0, 0, 0, 0, 0], "sequence");
        assert_eq!(bytes[16..24], [254, 255, 255, 255, 255, 255, 255, 255], "time");
        assert_eq!(bytes[24..32], [12, 0, 0, 0, 3, 0, 0, 0], "lengths of headers, subject and extension");
        assert_eq!(&bytes[32..], b"a.bNATS/1.0\r\n\r\nbody");
        assert_eq!(bytes[..4], crc32c(&bytes[4..]).to_le_bytes());
    }

    #[test]
    fn bytes_count_as_for_the_reference_server() {
        let plain = NewMessage { headers: b"", ..example() };
        assert_eq!(plain.accounted_bytes(Storage::File), 22 + 3 + 4 + 8);
        assert_eq!(plain.accounted_bytes(Storage::Memory), 3 + 4 + 16);
        assert_eq!(example().accounted_bytes(Storage::File), 22 + 3 + 4 + 12 + 4 + 8);
        assert_eq!(example().accounted_bytes(Storage::Memory), 3 + 12 + 4 + 16);
    }

    #[test]
    fn lengths_that_are_no_frames_are_refused() {
        let whole = encoded(&example());
        for length in 0..whole.len() {
            assert_eq!(Frame::decode(&whole[..length]), Err(BadFrame::Length), "{length}");
        }
        // The checksum is right and the parts are not.
        for (at, value) in [(24, 17), (28, 20), (30, 30), (4, 31)] {
            let mut bytes = whole.clone();
            bytes[at] = value;
            let checksum = crc32c(&bytes[4..]);
            bytes[..4].copy_from_slice(&checksum.to_le_bytes());
            assert_eq!(Frame::decode(&bytes), Err(BadFrame::Length), "{at}");
        }
        let two = [&whole[..], &whole[..]].concat();
        assert_eq!(Message::verify(two.into()), Err(BadFrame::Length), "two frames are not one");
    }

    #[test]
    fn an_extension_of_broken_fields_is_refused() {
        let mut bytes = encoded(&NewMessage { subject: b"abcdefg", ..example() });
        (bytes[28], bytes[30]) = (4, 3);
        let checksum = crc32c(&bytes[4..]);
        bytes[..4].copy_from_slice(&checksum.to_le_bytes());
        assert_eq!(Frame::decode(&bytes), Err(BadFrame::Extension));
    }

    proptest! {
        #[test]
        fn frames_come_back_and_every_flip_is_noticed(
            sequence in any::<u64>(),
            nanos in any::<i64>(),
            subject in prop::collection::vec(any::<u8>(), 1..40),
            headers in prop::collection::vec(any::<u8>(), 0..40),
            body in prop::collection::vec(any::<u8>(), 0..300),
            fields in prop::collection::vec((any::<u16>(), prop::collection::vec(any::<u8>(), 0..20)), 0..3),
            flip in any::<prop::sample::Index>(),
            bit in 0..8,
        ) {
            let mut extension = Vec::new();
            for (kind, value) in &fields {
                Field { kind: *kind, value }.push_to(&mut extension);
            }
            let message = NewMessage {
                sequence,
                time: Timestamp::from_unix_nanos(nanos),
                subject: &subject,
                headers: &headers,
                body: &body,
                extension: Extension::parse(&extension).unwrap(),
            };
            let mut bytes = encoded(&message);
            let length = bytes.len();
            bytes.extend_from_slice(b"what follows");
            let NewMessage { sequence, time, subject, headers, body, extension } = message;
            let expected = Frame { sequence, time, subject, headers, body, extension };
            prop_assert_eq!(Frame::decode(&bytes), Ok((expected, length)));

            bytes.truncate(length);
            let whole = Message::verify(bytes.clone().into()).unwrap();
            prop_assert_eq!((whole.sequence(), whole.time(), whole.frame_bytes()), (sequence, time, length));
            prop_assert_eq!((whole.subject(), whole.headers(), whole.body()), (subject, headers, body));
            prop_assert_eq!(whole.extension(), extension);
            prop_assert_eq!(&whole.payload()[..], &[headers, body].concat()[..]);
            bytes[flip.index(length)] ^= 1_u8 << bit;
            prop_assert!(Frame::decode(&bytes).is_err());
            prop_assert!(Message::verify(bytes.into()).is_err());
        }
    }
}
