//! What every input must satisfy, as plain functions that a mutation driver calls. They panic where it does not.

mod files;
pub(crate) mod memory;

use std::time::Duration;

use bytes::Bytes;
use crc32c::crc32c;
use firn_id::Monotonic;

use self::memory::MemoryDisk;
use crate::frame::{Frame, Message, NewMessage};
use crate::wal::{Extension, GroupId, Limits, Lsn, Name, Record, Recovered, Start, Submission, Wal};

pub use self::files::{segment_reading, state_recovery, table_reading};

/// A message's frame as somebody may send it. The first byte says whether its checksum is put right, so that it is not
/// what every change meets. What can be read says the same when it is written again, byte for byte.
pub fn frames(data: &[u8]) {
    let Some((how, rest)) = data.split_first() else { return };
    let mut bytes = rest.to_vec();
    if how & 1 == 1
        && let Some(length) = rest.get(4..).and_then(|rest| rest.first_chunk())
        && let Some(covered) = rest.get(4..usize::try_from(u32::from_le_bytes(*length)).unwrap_or(usize::MAX))
    {
        let checksum = crc32c(covered).to_le_bytes();
        bytes.iter_mut().zip(checksum).for_each(|(byte, right)| *byte = right);
    }
    let Ok((frame, length)) = Frame::decode(&bytes) else { return };
    let Frame { sequence, time, subject, headers, body, extension } = frame;
    let mut again = Vec::new();
    NewMessage { sequence, time, subject, headers, body, extension }.encode(&mut again);
    assert_eq!(bytes.get(..length), Some(&again[..]), "a frame can be written in one way");
    let message = Message::verify(Bytes::from(again)).expect("what was decoded is sound");
    assert_eq!((message.sequence(), message.subject()), (sequence, subject), "both readers read the same");
    assert_eq!(message.payload().len(), headers.len() + body.len(), "the payload is the headers and the body");
}

/// Files of a log as somebody may have left them. The first byte says how the data is meant: as the bytes of a file, or
/// as changes to the files of a sound log, six bytes each: which file, what to do, where, and how. Whatever it is, it
/// can be opened and gone on with, and every record that comes back is one that was written.
pub fn log_recovery(data: &[u8]) {
    let Some((how, rest)) = data.split_first() else { return };
    let disk = MemoryDisk::default();
    if how & 1 == 0 {
        disk.insert("00000001-0000000000000007.wal", rest);
    } else {
        write_log(&disk);
        rest.chunks_exact(6).for_each(|change| disk.change(change));
    }
    let before = read_log(&disk);
    assert!(how & 1 == 1 || before.is_empty(), "arbitrary bytes are no records");

    let (mut wal, recovery) = Wal::open(&disk, START, Monotonic::ZERO, &mut |_| {}).expect("memory does not fail");
    assert_eq!(recovery.next, wal.durable().next(), "all that is there is durable");
    let lsn = wal.submit(records(recovery.next.value(), 1)).expect("a fresh log takes records");
    assert_eq!(wal.turn(&disk, Monotonic::ZERO), lsn, "memory becomes durable at once");
    drop(wal);
    let after = read_log(&disk);
    assert_eq!(after, [before, vec![lsn.value()]].concat(), "what was there stays, and what was added is there");
}

const START: Start = Start {
    new_log_id: 7,
    released: Lsn::NONE,
    limits: Limits { file_bytes_min: 16 << 10, file_bytes_max: 16 << 10, ..Limits::USUAL },
};

/// A log of a few files, with batches of one block and of several.
fn write_log(disk: &MemoryDisk) {
    let (mut wal, _) = Wal::open(disk, START, Monotonic::ZERO, &mut |_| {}).expect("memory does not fail");
    for (turn, count) in (1..).zip([1, 3, 40, 2, 1, 1, 20, 5]) {
        let next = wal.durable().next().value();
        let last = wal.submit(records(next, count)).expect("little waits");
        let durable = wal.turn(disk, Monotonic::ZERO + Duration::from_secs(turn));
        assert_eq!(durable, last, "each submission is one batch");
    }
    wal.turn(disk, Monotonic::ZERO + Duration::from_secs(60));
}

/// Records whose names and payloads follow from their positions.
fn records(first: u64, count: u64) -> Submission {
    let mut submission = Submission::new();
    for lsn in first..first + count {
        let name = Name { group: GroupId(lsn % 3), sequence: lsn, count: 1 };
        let record = Record { name, kind: 1, extension: Extension::default(), payload: &payload(lsn) };
        submission.push(&record).expect("short");
    }
    submission
}

fn payload(lsn: u64) -> Vec<u8> {
    lsn.to_le_bytes().repeat(1 + usize::from(lsn.to_le_bytes()[0] % 40))
}

/// The positions that come back, each with the record that was written there.
fn read_log(disk: &MemoryDisk) -> Vec<u64> {
    let mut positions = Vec::new();
    let mut visit = |recovered: Recovered<'_>| {
        let lsn = recovered.lsn.value();
        assert!(positions.last().is_none_or(|last| *last < lsn), "positions rise");
        assert_eq!(recovered.record.name, Name { group: GroupId(lsn % 3), sequence: lsn, count: 1 });
        assert_eq!(recovered.record.payload, payload(lsn), "a record is the one that was written");
        positions.push(lsn);
    };
    Wal::open(disk, START, Monotonic::ZERO, &mut visit).expect("memory does not fail");
    positions
}

#[cfg(test)]
mod tests {
    //! The entry point over arbitrary data; `cargo xtask fuzz` goes on with corpora and mutations.

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_untouched_log_comes_back_whole() {
        let disk = MemoryDisk::default();
        write_log(&disk);
        assert_eq!(read_log(&disk), (1..=73).collect::<Vec<u64>>());
    }

    proptest! {
        #[test]
        fn any_bytes_can_be_opened(data in prop::collection::vec(any::<u8>(), 0..200)) {
            log_recovery(&data);
        }

        #[test]
        fn any_bytes_can_be_read_as_a_frame(mut data in prop::collection::vec(any::<u8>(), 0..100)) {
            frames(&data);
            // Of a length that fits, so that more than the length is looked at.
            let length = u8::try_from(data.len().saturating_sub(1)).unwrap();
            data.splice(5.min(data.len())..9.min(data.len()), [length, 0, 0, 0]);
            frames(&data);
        }

        #[test]
        fn any_changes_can_be_opened(mut data in prop::collection::vec(any::<u8>(), 1..60)) {
            data[0] = 1;
            log_recovery(&data);
        }
    }
}
