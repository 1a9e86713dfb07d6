//! What every input must satisfy, as plain functions that a mutation driver calls. They panic where it does not.

mod files;
pub(crate) mod memory;

use std::time::Duration;

use firn_id::Monotonic;

use self::memory::MemoryDisk;
use crate::wal::{Extension, GroupId, Limits, Lsn, Name, Record, Recovered, Start, Submission, Wal};

pub use self::files::{segment_reading, state_recovery, table_reading};

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
        fn any_changes_can_be_opened(mut data in prop::collection::vec(any::<u8>(), 1..60)) {
            data[0] = 1;
            log_recovery(&data);
        }
    }
}
