//! The bytes of a log are those that `docs/format.md` draws, and those of other releases are told apart.

use crc32c::crc32c;
use firn_sim::disk::SimDisk;
use firn_store::disk::{Disk as _, DiskFile as _, Durability, Fault};
use firn_store::wal::{Lsn, OpenError};

use crate::workload::{Model, log_at_rest, open, raw_batches, settle};

/// One record in a batch, and its marker: written down by hand from the drawing.
#[test]
fn a_small_log_is_these_bytes() {
    let disk = SimDisk::new(0);
    let (mut model, mut wal) = (1..)
        .find_map(|seed| {
            let mut model = Model::new(seed);
            let mut wal = open(&disk, 0, model.now).unwrap().wal;
            model.submit(&mut wal);
            (model.submitted.len() == 1).then_some((model, wal))
        })
        .expect("some first submission is of one record");
    settle(&mut model, &mut wal, &disk);
    let written = &model.submitted[&1];

    let mut record = Vec::new();
    record.extend(u32::try_from(32 + written.extension.len() + written.payload.len()).unwrap().to_le_bytes());
    record.extend(written.name.group.0.to_le_bytes());
    record.extend(written.name.sequence.to_le_bytes());
    record.extend(written.name.count.to_le_bytes());
    record.extend([1, written.kind]);
    record.extend(u16::try_from(written.extension.len()).unwrap().to_le_bytes());
    record.extend(&written.extension);
    record.extend(&written.payload);
    let checksum = crc32c(&record).to_le_bytes();
    record.splice(0..0, checksum);

    let mut directory = Vec::new();
    directory.extend(written.name.group.0.to_le_bytes());
    directory.extend(written.name.sequence.to_le_bytes());
    directory.extend(written.name.count.to_le_bytes());
    directory.extend(u32::try_from(record.len()).unwrap().to_le_bytes());
    directory.extend(checksum);

    let bytes = (80 + record.len() + 28 + 80).next_multiple_of(4096);
    let header = header([1, 0], 0, bytes, 1, record.len(), crc32c(&directory), [0; 4]);
    let mut batch = header.clone();
    batch.extend(&record);
    batch.resize(bytes - 28 - 80, 0);
    batch.extend(&directory);
    batch.extend(&header);

    let marker_header = self::header([2, 1], bytes, 4096, 0, 0, 0, header[8..12].try_into().unwrap());
    let mut marker = marker_header.clone();
    marker.resize(4096 - 80, 0);
    marker.extend(&marker_header);

    let name = "00000001-0000000000005eed.wal";
    assert_eq!(disk.content(name)[..bytes + 4096], [batch, marker].concat());
}

fn header(
    [first, durable]: [u64; 2],
    offset: usize,
    bytes: usize,
    count: u32,
    record_bytes: usize,
    directory: u32,
    previous: [u8; 4],
) -> Vec<u8> {
    let u32_bytes = |number: usize| u32::try_from(number).unwrap().to_le_bytes();
    let mut header = b"FWAL".to_vec();
    header.extend(1_u16.to_le_bytes());
    header.extend(80_u16.to_le_bytes());
    header.extend(previous);
    header.extend(0x5eed_u64.to_le_bytes());
    header.extend(1_u64.to_le_bytes()); // file
    header.extend(1_u64.to_le_bytes()); // epoch
    header.extend(first.to_le_bytes());
    header.extend(durable.to_le_bytes());
    header.extend(u32_bytes(offset));
    header.extend(u32_bytes(bytes));
    header.extend(count.to_le_bytes());
    header.extend(u32_bytes(record_bytes));
    header.extend(directory.to_le_bytes());
    header.extend([0; 4]);
    let checksum = crc32c(&header).to_le_bytes();
    header.splice(8..8, checksum);
    header
}

#[test]
fn batches_are_whole_blocks_in_a_row() {
    let (_, disk) = log_at_rest(4, 100);
    let batches = raw_batches(&disk);
    assert!(batches.iter().any(|batch| batch.bytes > 4096), "some batches are longer than a block");
    for (before, batch) in batches.iter().zip(batches.iter().skip(1)) {
        assert_eq!(batch.bytes % 4096, 0);
        assert_eq!(batch.first, before.first + u64::from(before.count), "positions have no holes");
        assert_eq!(batch.durable, batch.first - 1, "one batch is in flight");
    }
}

#[test]
fn a_log_of_a_newer_release_is_refused() {
    let (model, disk) = log_at_rest(4, 30);
    let name = disk.names().remove(0);
    let mut header = disk.content(&name)[..80].to_vec();
    header[4] = 2;
    let checksum = crc32c(&[&header[..8], &header[12..]].concat()).to_le_bytes();
    header[8..12].copy_from_slice(&checksum);
    disk.overwrite(&name, 0, &header);
    let refused = open(&disk, 0, model.now).err().unwrap();
    assert_eq!(refused, OpenError::NewerBatch { file: name.clone(), offset: 0, version: 2 });
    assert_eq!(refused.to_string(), format!("{name:?} at 0 is of log version 2; this release reads up to 1"));
}

#[test]
fn two_logs_in_one_folder_are_refused_and_other_files_are_left_alone() {
    let (model, disk) = log_at_rest(4, 30);
    let note = disk.create("note.txt").unwrap();
    note.write_at(0, b"keep", Durability::Durable).unwrap();
    drop(open(&disk, model.released, model.now).unwrap());
    assert_eq!(disk.content("note.txt"), b"keep");

    disk.create("00000001-0000000000000bad.wal").unwrap();
    let refused = open(&disk, model.released, model.now).err().unwrap();
    assert!(matches!(refused, OpenError::TwoLogs { .. }));
    assert!(refused.to_string().ends_with("are of different logs; a folder holds one"), "{refused}");
}

#[test]
fn a_log_is_open_once() {
    let disk = SimDisk::new(1);
    let model = Model::new(1);
    let reopened = open(&disk, 0, model.now).unwrap();
    assert_eq!(reopened.recovery.next, Lsn::new(1));
    let refused = open(&disk, 0, model.now).err().unwrap();
    assert!(matches!(refused, OpenError::Disk(error) if error.fault == Fault::Locked));
}
