//! A batch: what the log writes at once, in whole blocks. A file of the log is batches and nothing else.
//!
//! ```text
//!   offset, a multiple of 4096                                                      offset + bytes
//!   ┌────────┬──────────────────────────┬───────┬───────────────────────────┬────────┐
//!   │ header │ record │ record │ record │ zeros │ directory: entry × count  │ header │
//!   └────────┴──────────────────────────┴───────┴───────────────────────────┴────────┘
//!    80       record_bytes                       28 × count                  80, the same
//!
//!   header   0     magic "FWAL"              24  file number        56  offset in the file
//!            4     version                   32  epoch              60  bytes of the batch
//!            6     bytes of the header       40  first position     64  count of records
//!            8     checksum of the header    48  durable position   68  bytes of the records
//!            12    checksum of the batch     56                     72  checksum of the directory
//!                  before (the chain)                               76  zero
//!            16    log id                                           80
//!
//!   entry    0  group   8  sequence   16  count   20  bytes   24  checksum of the record   28
//! ```
//!
//! All that is needed to read a batch is there twice and apart: the header at both ends, names and lengths in the records
//! and in the directory behind them. One damaged block therefore costs no more than the records in it, and the directory
//! names those, unless it was in the same block; then their number is known.
//!
//! What makes a header belong where it is found: it names its log, its file and its offset, so that neither what the
//! file held in a former life, nor a misdirected write, nor a payload made to look like a batch passes for one. The log
//! id is drawn at random when the log is made, and no client sees it. The first 24 bytes mean the same in all versions.
//!
//! A batch of no records is a *marker*: it says that the batch before it is durable.

use crc32c::{crc32c, crc32c_append};

use super::Lsn;
use super::number::{disk_size, put, size, u16_at, u32_at, u64_at};
use super::record::{Entry, GroupId, Name, RECORD_BYTES_MAX, RECORD_HEAD_BYTES};
use crate::disk::{BLOCK_BYTES, BlockBuffer};

/// The version that is written, and the highest that is read.
pub(super) const BATCH_VERSION: u16 = 1;

const MAGIC: [u8; 4] = *b"FWAL";
pub(super) const HEADER_BYTES: usize = 80;
pub(super) const ENTRY_BYTES: usize = 28;

/// Longest batch of more than one record.
pub const BATCH_BYTES_MAX: usize = 1 << 20;

/// Longest batch there is: one record of the largest size.
pub(super) const LONE_BATCH_BYTES_MAX: usize =
    (RECORD_BYTES_MAX + ENTRY_BYTES + 2 * HEADER_BYTES).next_multiple_of(BLOCK_BYTES);

const _: () = assert!(BATCH_BYTES_MAX.is_multiple_of(BLOCK_BYTES));
const _: () = assert!(2 * HEADER_BYTES <= BLOCK_BYTES, "a marker is one block");

/// What a batch says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    /// Checksum of the batch before; 0 for the first of a log.
    pub(super) previous: u32,
    pub(super) log_id: u64,
    pub(super) file: u64,
    /// How many times the log had been opened when this was written.
    pub(super) epoch: u64,
    /// Position of the first record; of a marker, the position that the next record will get.
    pub(super) first: Lsn,
    /// What was durable when this was written.
    pub(super) durable: Lsn,
    pub(super) offset: u32,
    /// `= batch_bytes(count, record_bytes)`.
    pub(super) bytes: u32,
    pub(super) count: u32,
    pub(super) record_bytes: u32,
    /// Checksum of the directory.
    pub(super) directory: u32,
}

/// What stands where a header may stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum HeaderFound {
    Header(Header),
    /// A whole header of this log, of a version that this release does not read.
    Newer {
        version: u16,
    },
    Nothing,
}

impl Header {
    /// Reads what `bytes` begin with.
    pub(super) fn decode(bytes: &[u8], log_id: u64) -> HeaderFound {
        Header::decode_prefix(bytes, log_id).unwrap_or(HeaderFound::Nothing)
    }

    fn decode_prefix(bytes: &[u8], log_id: u64) -> Option<HeaderFound> {
        if bytes.first_chunk() != Some(&MAGIC) || u64_at(bytes, 16)? != log_id {
            return None;
        }
        let (version, length) = (u16_at(bytes, 4)?, usize::from(u16_at(bytes, 6)?));
        let header = bytes.get(..length)?;
        if length < HEADER_BYTES || u32_at(header, 8)? != checksum(header)? {
            return None;
        }
        if version > BATCH_VERSION {
            return Some(HeaderFound::Newer { version });
        }
        let found = Header {
            previous: u32_at(header, 12)?,
            log_id,
            file: u64_at(header, 24)?,
            epoch: u64_at(header, 32)?,
            first: Lsn::new(u64_at(header, 40)?),
            durable: Lsn::new(u64_at(header, 48)?),
            offset: u32_at(header, 56)?,
            bytes: u32_at(header, 60)?,
            count: u32_at(header, 64)?,
            record_bytes: u32_at(header, 68)?,
            directory: u32_at(header, 72)?,
        };
        found.is_sane().then_some(HeaderFound::Header(found))
    }

    /// Lengths and positions that a writer of this release can have meant.
    fn is_sane(&self) -> bool {
        let count = u64::from(self.count);
        let records_bytes_min = count * u64::try_from(RECORD_HEAD_BYTES).unwrap_or(u64::MAX);
        u64::from(self.record_bytes) >= records_bytes_min
            && size(self.bytes) <= LONE_BATCH_BYTES_MAX
            && batch_bytes(size(self.count), size(self.record_bytes)) == Some(size(self.bytes))
            && self.durable < self.first
            && self.first.value().checked_add(count).is_some()
    }

    pub(super) fn encode(&self) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        put(&mut bytes, 0, &MAGIC);
        put(&mut bytes, 4, &BATCH_VERSION.to_le_bytes());
        put(&mut bytes, 6, &80_u16.to_le_bytes());
        put(&mut bytes, 12, &self.previous.to_le_bytes());
        put(&mut bytes, 16, &self.log_id.to_le_bytes());
        put(&mut bytes, 24, &self.file.to_le_bytes());
        put(&mut bytes, 32, &self.epoch.to_le_bytes());
        put(&mut bytes, 40, &self.first.value().to_le_bytes());
        put(&mut bytes, 48, &self.durable.value().to_le_bytes());
        put(&mut bytes, 56, &self.offset.to_le_bytes());
        put(&mut bytes, 60, &self.bytes.to_le_bytes());
        put(&mut bytes, 64, &self.count.to_le_bytes());
        put(&mut bytes, 68, &self.record_bytes.to_le_bytes());
        put(&mut bytes, 72, &self.directory.to_le_bytes());
        let checksum = checksum(&bytes).expect("a header is longer than its checksum");
        put(&mut bytes, 8, &checksum.to_le_bytes());
        bytes
    }

    /// What the next batch names as the one before.
    pub(super) fn checksum(&self) -> u32 {
        u32_at(&self.encode(), 8).expect("a header is longer than its checksum")
    }

    /// The position behind the last record.
    pub(super) fn next(&self) -> Lsn {
        self.first.plus(u64::from(self.count))
    }

    /// Offset behind the batch.
    pub(super) fn end(&self) -> u64 {
        u64::from(self.offset) + u64::from(self.bytes)
    }

    fn records_end(&self) -> usize {
        HEADER_BYTES + size(self.record_bytes)
    }

    fn directory_start(&self) -> usize {
        self.footer_start() - size(self.count) * ENTRY_BYTES
    }

    fn footer_start(&self) -> usize {
        size(self.bytes) - HEADER_BYTES
    }
}

/// CRC32C of a header without the checksum itself.
fn checksum(header: &[u8]) -> Option<u32> {
    let before = header.get(..8)?;
    let behind = header.get(12..)?;
    Some(crc32c_append(crc32c(before), behind))
}

/// How long a batch is, in whole blocks; none when it is beyond all limits.
pub(super) fn batch_bytes(count: usize, record_bytes: usize) -> Option<usize> {
    count
        .checked_mul(ENTRY_BYTES)?
        .checked_add(record_bytes)?
        .checked_add(2 * HEADER_BYTES)?
        .checked_next_multiple_of(BLOCK_BYTES)
}

/// A run of records of one submission, on its way into a batch.
#[derive(Clone, Copy, Debug)]
pub(super) struct Run<'a> {
    pub(super) entries: &'a [Entry],
    pub(super) records: &'a [u8],
}

/// Fills the buffer with the batch that `header` describes; its `directory` is set here. Returns the header as written.
pub(super) fn lay_out<'a>(buffer: &mut BlockBuffer, header: Header, runs: impl Iterator<Item = Run<'a>>) -> Header {
    buffer.set_length(size(header.bytes));
    let bytes = buffer.bytes_mut();
    let (mut record_at, mut entry_at) = (HEADER_BYTES, header.directory_start());
    for run in runs {
        for entry in run.entries {
            put(bytes, entry_at, &encode_entry(entry));
            entry_at += ENTRY_BYTES;
        }
        put(bytes, record_at, run.records);
        record_at += run.records.len();
    }
    assert_eq!(record_at, header.records_end(), "a header counts what it heads");
    let directory = bytes.get(header.directory_start()..entry_at).expect("the directory is within the batch");
    let header = Header { directory: crc32c(directory), ..header };
    seal(bytes, &header);
    header
}

/// Writes what surrounds records and directory: the header at both ends, and zeros.
pub(super) fn seal(bytes: &mut [u8], header: &Header) {
    let encoded = header.encode();
    let zeros = header.records_end()..header.directory_start();
    bytes.get_mut(zeros).expect("records end before the directory").fill(0);
    put(bytes, 0, &encoded);
    put(bytes, header.footer_start(), &encoded);
}

fn encode_entry(entry: &Entry) -> [u8; ENTRY_BYTES] {
    let mut bytes = [0; ENTRY_BYTES];
    put(&mut bytes, 0, &entry.name.group.0.to_le_bytes());
    put(&mut bytes, 8, &entry.name.sequence.to_le_bytes());
    put(&mut bytes, 16, &entry.name.count.to_le_bytes());
    put(&mut bytes, 20, &entry.bytes.to_le_bytes());
    put(&mut bytes, 24, &entry.checksum.to_le_bytes());
    bytes
}

fn decode_entry(bytes: &[u8]) -> Option<Entry> {
    Some(Entry {
        name: Name { group: GroupId(u64_at(bytes, 0)?), sequence: u64_at(bytes, 8)?, count: u32_at(bytes, 16)? },
        bytes: u32_at(bytes, 20)?,
        checksum: u32_at(bytes, 24)?,
    })
}

/// A batch as it was read, with a header that is known to be its own.
#[derive(Clone, Copy, Debug)]
pub(super) struct Batch<'a> {
    pub(super) header: Header,
    /// `header.bytes` of them.
    pub(super) bytes: &'a [u8],
}

impl<'a> Batch<'a> {
    /// The entries of the directory, if it is whole.
    pub(super) fn directory(&self) -> Option<impl Iterator<Item = Entry> + use<'a>> {
        let directory = self.bytes.get(self.header.directory_start()..self.header.footer_start())?;
        let is_whole = crc32c(directory) == self.header.directory;
        is_whole.then(|| directory.chunks_exact(ENTRY_BYTES).filter_map(decode_entry))
    }

    /// The bytes from `at` to the end of the records.
    pub(super) fn records_from(&self, at: usize) -> &'a [u8] {
        self.bytes.get(at..self.header.records_end()).unwrap_or_default()
    }

    /// Both headers and the zeros between records and directory are as they were written.
    pub(super) fn has_sound_frame(&self) -> bool {
        let encoded = self.header.encode();
        let zeros = self.bytes.get(self.header.records_end()..self.header.directory_start());
        self.bytes.starts_with(&encoded)
            && self.bytes.ends_with(&encoded)
            && zeros.is_some_and(|zeros| zeros.iter().all(|byte| *byte == 0))
    }
}

/// Where the footer of a batch stands that ends where `block` ends.
pub(super) fn footer(block: &[u8]) -> &[u8] {
    block.split_at_checked(block.len().saturating_sub(HEADER_BYTES)).map_or(&[], |(_, footer)| footer)
}

/// The batch's length as the header tells it.
pub(super) fn disk_batch_bytes(count: usize, record_bytes: usize) -> u32 {
    disk_size(batch_bytes(count, record_bytes).expect("a batch within the limits has a length"))
}

#[cfg(test)]
mod tests {
    //! The header as bytes, written out, and every flip noticed.

    use super::*;

    fn header() -> Header {
        Header {
            previous: 0x0102_0304,
            log_id: 0x1112_1314_1516_1718,
            file: 9,
            epoch: 3,
            first: Lsn::new(1000),
            durable: Lsn::new(999),
            offset: 8192,
            bytes: 4096,
            count: 2,
            record_bytes: 100,
            directory: 0x2122_2324,
        }
    }

    #[test]
    fn a_header_is_these_bytes() {
        let bytes = header().encode();
        #[rustfmt::skip]
        let expected: [u8; HEADER_BYTES] = [
            b'F', b'W', b'A', b'L', 1, 0, 80, 0,
            bytes[8], bytes[9], bytes[10], bytes[11], 4, 3, 2, 1,
            0x18, 0x17, 0x16, 0x15, 0x14, 0x13, 0x12, 0x11,
            9, 0, 0, 0, 0, 0, 0, 0,
            3, 0, 0, 0, 0, 0, 0, 0,
            0xe8, 3, 0, 0, 0, 0, 0, 0,
            0xe7, 3, 0, 0, 0, 0, 0, 0,
            0, 0x20, 0, 0, 0, 0x10, 0, 0,
            2, 0, 0, 0, 100, 0, 0, 0,
            0x24, 0x23, 0x22, 0x21, 0, 0, 0, 0,
        ];
        assert_eq!(bytes, expected);
        assert_eq!(header().checksum(), checksum(&expected).unwrap());
        assert_eq!(Header::decode(&bytes, header().log_id), HeaderFound::Header(header()));
    }

    #[test]
    fn a_header_of_another_log_is_none() {
        assert_eq!(Header::decode(&header().encode(), 1), HeaderFound::Nothing);
    }

    #[test]
    fn each_flipped_bit_of_a_header_is_noticed() {
        let bytes = header().encode();
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes;
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Header::decode(&flipped, header().log_id), HeaderFound::Nothing, "bit {bit}");
        }
    }

    #[test]
    fn a_newer_header_is_told_from_a_damaged_one() {
        let mut bytes = [header().encode().as_slice(), &[0; 16]].concat();
        bytes[4] = 2;
        bytes[6] = 96;
        assert_eq!(Header::decode(&bytes, header().log_id), HeaderFound::Nothing);
        let checksum = checksum(&bytes[..96]).unwrap();
        put(&mut bytes, 8, &checksum.to_le_bytes());
        assert_eq!(Header::decode(&bytes, header().log_id), HeaderFound::Newer { version: 2 });
    }

    #[test]
    fn a_header_whose_lengths_disagree_is_none() {
        for wrong in [
            Header { bytes: 8192, ..header() },
            Header { record_bytes: 10, ..header() },
            Header { first: Lsn::NONE, durable: Lsn::NONE, ..header() },
            Header { durable: Lsn::new(1000), ..header() },
            Header { first: Lsn::new(u64::MAX), ..header() },
            Header { count: u32::MAX, record_bytes: u32::MAX, ..header() },
        ] {
            assert_eq!(Header::decode(&wrong.encode(), wrong.log_id), HeaderFound::Nothing, "{wrong:?}");
        }
    }
}
