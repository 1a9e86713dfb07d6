//! Entry points for immutable files.

use bytes::Bytes;
use firn_id::Timestamp;

use super::memory::MemoryDisk;
use crate::disk::{Disk as _, DiskFile as _};
use crate::file::{FileError, FileId, Kind, u64_of};
use crate::frame::NewMessage;
use crate::messages::Loaded;
use crate::part::{Fault, Fetched, Files, Miss, Part, Parts};
use crate::segment::{ScanError, Segment, SegmentWriter, repair};
use crate::snapshot::{self, Section, Snapshot, SnapshotWriter};
use crate::table::Table;
use crate::wal::{Extension, GroupId, Lsn};

const SEGMENT: FileId = FileId { kind: Kind::Segment, number: 1, store: 7 };
const REPAIRED: FileId = FileId { kind: Kind::Segment, number: 2, store: 7 };
const STATE: FileId = FileId { kind: Kind::State, number: 1, store: 7 };

/// Steps of a walk over a table that makes no sense; a walk that does is shorter.
const STEPS: usize = 500;

/// A segment as somebody may have left it. The first byte says how the data is meant: as the bytes of a file, or as
/// changes to a sound one, six bytes each. Whatever it is, it is opened and read, or repaired and read, and every message
/// that comes back is one that was written.
pub fn segment_reading(data: &[u8]) {
    let Some((how, rest)) = data.split_first() else { return };
    let disk = MemoryDisk::default();
    if how & 1 == 0 {
        disk.insert(&SEGMENT.name(), rest);
    } else {
        write_segment(&disk);
        rest.chunks_exact(6).for_each(|change| disk.change(change));
    }
    let file = disk.open(&SEGMENT.name()).expect("it was made");
    if let Ok(segment) = Segment::open(&file, SEGMENT) {
        let damage = segment.verify(&file);
        let count = read_segment(&disk, &segment);
        assert!(!damage.is_empty() || count == GROUPS * SEQUENCES, "a segment without damage is whole");
    }
    if let Some(segment) = Segment::from_summary(rest, SEGMENT.store) {
        let files = Files::new([(segment.id().number, file.clone())]);
        (0..GROUPS).for_each(|group| search(&segment, &files, GroupId(group)));
        segment.verify(&file);
    }
    match repair(&disk, SEGMENT, REPAIRED) {
        Ok(repaired) => {
            let file = disk.open(&REPAIRED.name()).expect("it was written");
            assert_eq!(repaired.segment.verify(&file), [], "a repaired segment is whole");
            let count = read_segment(&disk, &repaired.segment);
            assert_eq!(count, repaired.segment.messages(), "all that it has can be read");
            assert!(how & 1 == 1 || count == 0, "arbitrary bytes are no messages");
        }
        Err(ScanError::File(FileError::Newer { .. } | FileError::UnknownCodec { .. })) => {}
        Err(error) => panic!("memory does not fail: {error}"),
    }
}

const GROUPS: u64 = 4;
const SEQUENCES: u64 = 20;

fn write_segment(disk: &MemoryDisk) {
    let mut writer = SegmentWriter::create(disk, SEGMENT).expect("memory does not fail");
    for group in 0..GROUPS {
        for place in 0..SEQUENCES {
            writer.push(GroupId(group), &frame(group, sequence(place))).expect("memory does not fail");
        }
    }
    writer.finish().expect("memory does not fail");
}

/// With gaps.
fn sequence(place: u64) -> u64 {
    place + place / 7
}

/// A frame that follows from its name.
fn frame(group: u64, sequence: u64) -> Vec<u8> {
    let subject = format!("orders.{}.{}", group, sequence % 6);
    let body = vec![b'.'; usize::try_from(sequence % 9 * 40).expect("short")];
    let time = Timestamp::from_unix_nanos(i64::try_from(sequence).expect("low") * 10);
    let (headers, extension) = (&b""[..], Extension::default());
    let mut frame = Vec::new();
    NewMessage { sequence, time, subject: subject.as_bytes(), headers, body: &body, extension }.encode(&mut frame);
    frame
}

/// How many messages come back. All searches are made, whatever they answer.
fn read_segment(disk: &MemoryDisk, segment: &Segment) -> u64 {
    let number = segment.id().number;
    let files = Files::new([(number, disk.open(&segment.id().name()).expect("it is there"))]);
    let mut count = 0;
    for group in 0..GROUPS {
        let id = GroupId(group);
        for place in 0..SEQUENCES {
            if let Ok(Loaded::Message(found)) = segment.load(&files, id, sequence(place)) {
                assert_eq!(found.frame()[..], frame(group, sequence(place)), "a message is the one that was written");
                count += 1;
            }
        }
        search(segment, &files, id);
    }
    count
}

fn search(segment: &Segment, parts: &impl Parts, id: GroupId) {
    let Ok(Some(group)) = segment.group(parts, id) else { return };
    _ = segment.subject(parts, id, b"orders.1.2");
    for time in [0, 77, 5_000] {
        _ = segment.at_time(parts, id, Timestamp::from_unix_nanos(time));
    }
    for pattern in [">", "orders.*.3", "orders.2.>"] {
        let Ok(selection) = segment.select(&group, [pattern]).finish(parts) else { continue };
        for from in [0, 20, u64::MAX] {
            _ = segment.next(parts, from, &selection);
            _ = segment.previous(parts, from, &selection);
            _ = segment.count(parts, from, &selection);
        }
    }
}

/// Bytes in which every part is right, whatever its checksum: what a decoder must survive if it was written wrongly.
struct Raw<'a>(&'a [u8]);

impl Parts for Raw<'_> {
    fn part(&self, part: Part) -> Result<Fetched, Miss> {
        let start = usize::try_from(part.offset).unwrap_or(usize::MAX);
        let bytes = usize::try_from(part.bytes).unwrap_or(usize::MAX);
        let found = self.0.get(start..).and_then(|rest| rest.get(..bytes));
        let found = found.ok_or(Miss::Damaged { part, fault: Fault::Unreadable })?;
        Ok(Fetched::unverified(part, Bytes::copy_from_slice(found)))
    }
}

/// The place of a table, and a file in which all checksums are right. It can be asked and walked.
pub fn table_reading(data: &[u8]) {
    let Some((place, content)) = data.split_at_checked(Table::BYTES) else { return };
    let Some(table) = Table::decode(place, 1, u64_of(content.len())) else { return };
    let parts = Raw(content);
    _ = table.lookup(&parts, b"a.b");
    let mut cursor = table.cursor();
    let mut last: Option<Vec<u8>> = None;
    for _ in 0..STEPS {
        match cursor.advance(&parts) {
            Ok(true) => {
                let value = cursor.value();
                assert!(value.first <= value.last);
                last = Some(cursor.key().to_vec());
            }
            Ok(false) => break,
            Err(_) => cursor.seek(&[last.as_deref().unwrap_or_default(), b"\0"].concat()),
        }
    }
    let mut walk = table.matches(b"", ["a.*", "*.b.>"]);
    for _ in 0..STEPS {
        if !walk.advance(&parts).unwrap_or(false) {
            break;
        }
    }
}

/// A state file as somebody may have left it; as [`segment_reading`]. A section that comes back is one that was
/// written, and a file that counts as whole is.
pub fn state_recovery(data: &[u8]) {
    let Some((how, rest)) = data.split_first() else { return };
    let disk = MemoryDisk::default();
    if how & 1 == 0 {
        disk.insert(&STATE.name(), rest);
    } else {
        write_state(&disk);
        rest.chunks_exact(6).for_each(|change| disk.change(change));
    }
    let mut count = 0;
    let file = disk.open(&STATE.name()).expect("it was made");
    let read = Snapshot::read(&file, STATE, &mut |section| {
        let expected = content(section.group.0);
        assert_eq!((section.bytes, section.kind), (&expected[..], 3), "a section is the one that was written");
        count += 1;
    });
    assert!(read.is_err() || count == SECTIONS, "a snapshot is whole or is none");
    assert!(how & 1 == 1 || read.is_err(), "arbitrary bytes are no snapshot");
    let opened = snapshot::open(&disk, STATE.store, &mut |_| {});
    let is_whole = opened.is_ok_and(|opened| opened.kept.newest.is_some());
    assert_eq!(is_whole, read.is_ok());
    assert!(file.bytes().is_ok());
}

const SECTIONS: u64 = 6;

fn content(group: u64) -> Vec<u8> {
    vec![b's'; usize::try_from(group % SECTIONS * 900).expect("short")]
}

fn write_state(disk: &MemoryDisk) {
    let mut writer = SnapshotWriter::create(disk, STATE).expect("memory does not fail");
    for group in 0..SECTIONS {
        let bytes = &content(group);
        let section = Section { group: GroupId(group), applied: Lsn::new(group * 9), kind: 3, version: 1, bytes };
        writer.push(&section).expect("memory does not fail");
    }
    writer.finish(Lsn::new(5)).expect("memory does not fail");
}

#[cfg(test)]
mod tests {
    //! The entry points over arbitrary data; `cargo xtask fuzz` goes on with corpora and mutations.

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn untouched_files_come_back_whole() {
        segment_reading(&[1]);
        state_recovery(&[1]);
    }

    proptest! {
        #[test]
        fn any_bytes_and_any_changes_can_be_read(mut data in prop::collection::vec(any::<u8>(), 1..200)) {
            table_reading(&data);
            for how in [0, 1] {
                data[0] = how;
                segment_reading(&data);
                state_recovery(&data);
            }
        }
    }
}
