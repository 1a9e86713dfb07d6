//! The bytes of a segment are those that `docs/format.md` draws, and those of other releases are told apart.

use crc32c::crc32c;
use firn_sim::disk::SimDisk;
use firn_store::disk::Disk as _;
use firn_store::file::{FileError, FileId};
use firn_store::segment::{ScanError, Segment, SegmentWriter, repair};
use firn_store::wal::GroupId;

use crate::workload::{STORE, frame, segment_id};

fn join(fields: &[&[u8]]) -> Vec<u8> {
    fields.concat()
}

fn u16(number: usize) -> [u8; 2] {
    u16::try_from(number).unwrap().to_le_bytes()
}

fn u32(number: usize) -> [u8; 4] {
    u32::try_from(number).unwrap().to_le_bytes()
}

fn u64(number: usize) -> [u8; 8] {
    u64::try_from(number).unwrap().to_le_bytes()
}

fn sum(bytes: &[u8]) -> [u8; 4] {
    crc32c(bytes).to_le_bytes()
}

fn header(offset: usize, stored: &[u8], frames_bytes: usize, frames: usize, runs: usize) -> Vec<u8> {
    let length = u32(stored.len());
    let directory = &stored[frames_bytes..];
    let (checksums, zeros) = ([sum(stored), sum(directory)].concat(), [0; 8]);
    let covered = join(&[
        &u16(1),
        &[0, 0],
        &length,
        &length,
        &u32(frames_bytes),
        &u32(frames),
        &u32(runs),
        if frames == 0 { &zeros } else { &checksums },
        &STORE.to_le_bytes(),
        &u64(1),
        &u64(offset),
    ]);
    join(&[b"FBLK", &sum(&covered), &covered])
}

fn filter(key: &[u8]) -> [u8; 8] {
    const A: u64 = 0x9e37_79b9_7f4a_7c15;
    const B: u64 = 0xc2b2_ae3d_27d4_eb4f;
    let mut h = u64::try_from(key.len()).unwrap().wrapping_mul(B);
    for piece in key.chunks(8) {
        let mut bytes = [0; 8];
        bytes[..piece.len()].copy_from_slice(piece);
        h = (h ^ u64::from_le_bytes(bytes)).wrapping_mul(A);
        h ^= h >> 32;
    }
    h = h.wrapping_mul(B);
    h ^= h >> 29;
    let step = h.wrapping_mul(A) >> 32 | 1;
    let mut page = 0_u64;
    for probe in 0..7 {
        page |= 1 << (((h & 0xffff_ffff).wrapping_add(probe * step) & 0xffff_ffff) % 64);
    }
    page.to_le_bytes()
}

/// One message of one group: written down by hand from the drawing.
#[test]
fn a_small_segment_is_these_bytes() {
    let disk = SimDisk::new(0);
    let id = segment_id(1);
    let mut writer = SegmentWriter::create(&disk, id).unwrap();
    let message = frame(7, -5, b"a.b", b"", b"snow");
    writer.push(GroupId(3), &message).unwrap();
    writer.finish().unwrap();

    let head_covered = [&b"FSEG\x01\0\x20\0"[..], &[0; 4], &u64(1), &STORE.to_le_bytes()];
    let head = join(&[head_covered[0], &sum(&head_covered.concat()), &head_covered[1..].concat()]);
    let mut content = head;

    let directory = join(&[&u16(0), &u64(3), &u64(7), &u32(1), &[0; 4]]);
    let stored = join(&[&message, &directory]);
    let block = join(&[&header(32, &stored, message.len(), 1, 1), &stored]);
    content.extend(&block);
    let end_block = content.len();
    content.extend(header(end_block, &[], 0, 0, 1));

    let column = (content.len(), [0; 8]);
    content.extend(column.1);

    let key = join(&[&3_u64.to_be_bytes(), b"a.b"]);
    let entry = join(&[&[0, 11], &key, &[1, 0, 0]]);
    let node = join(&[&[0, 0], &u16(1), &u32(entry.len()), &u16(1), &[0; 2], &entry, &u32(0)]);
    let root = content.len();
    content.extend(&node);
    let page = filter(&key);
    let filter_at = content.len();
    content.extend(page);
    content.extend(sum(&page));
    let table = join(&[
        &u64(1),
        &u64(7),
        &u64(root),
        &u32(node.len()),
        &sum(&node),
        &u64(filter_at),
        &u32(1),
        &u32(8),
        &sum(&sum(&page)),
        &[1, 0, 0, 0],
    ]);

    let time = (-5_i64).to_le_bytes();
    let length = message.len();
    let group = join(&[&u64(3), &u64(7), &u64(7), &u64(1), &u64(length), &time, &time, &u32(0), &u32(1)]);
    let run = join(&[&u64(3), &u64(7), &u64(7), &time, &u64(32), &u32(block.len()), &sum(&block), &u32(1), &[0; 4]]);
    let page = join(&[&u64(3), &u64(7), &u64(7), &u64(column.0), &u32(8), &sum(&column.1), &u32(1), &u32(0)]);
    let mut lists = Vec::new();
    for entry in [group, run, page] {
        let root = join(&[&u64(3), &u64(7), &sum(&entry)]);
        lists.push(join(&[&u64(content.len()), &u64(1), &sum(&root), &[0; 4]]));
        content.extend(entry);
        content.extend(root);
    }

    let mut body = join(&[&u64(end_block), &u64(content.len()), &u64(1), &[0; 8], &lists.concat(), &table]);
    body.resize(4096 - 32 - content.len(), 0);
    let tail = join(&[&u64(4096), &u64(1), &u32(body.len()), &u16(1), &[0; 2]]);
    let checksum = sum(&join(&[&body, &tail]));
    let expected = join(&[&content, &body, &tail, &checksum, b"FSEG"]);
    assert_eq!(disk.content("00000001-0000000000005eed.seg"), expected);
}

/// A segment with other bytes at a place of the head, or of the body of the trailer, and the right checksums.
fn changed(change: impl FnOnce(&mut Vec<u8>)) -> (SimDisk, FileId) {
    let disk = SimDisk::new(0);
    let id = segment_id(1);
    let mut writer = SegmentWriter::create(&disk, id).unwrap();
    writer.push(GroupId(3), &frame(7, 1, b"a.b", b"", b"snow")).unwrap();
    writer.finish().unwrap();
    let mut content = disk.content(&id.name());
    change(&mut content);
    let checksum = sum(&[&content[..8], &content[12..32]].concat());
    content[8..12].copy_from_slice(&checksum);
    let tail = content.len() - 32;
    let body_bytes = usize::try_from(u32::from_le_bytes(content[tail + 16..tail + 20].try_into().unwrap())).unwrap();
    let checksum = sum(&content[tail - body_bytes..tail + 24]);
    content[tail + 24..tail + 28].copy_from_slice(&checksum);
    disk.overwrite(&id.name(), 0, &content);
    (disk, id)
}

#[test]
fn a_segment_of_a_newer_release_is_refused_by_name() {
    let expected = "\"00000001-0000000000005eed.seg\" is of version 2; this release reads up to 1";
    for at in [4, 4096 - 12] {
        let (disk, id) = changed(|content| content[at] = 2);
        let refused = Segment::open(&disk.open(&id.name()).unwrap(), id).unwrap_err();
        assert_eq!(refused.to_string(), expected);
    }
}

#[test]
fn an_unknown_codec_is_refused_by_name() {
    let body = |content: &[u8]| {
        let tail = content.len() - 32;
        tail - usize::try_from(u32::from_le_bytes(content[tail + 16..tail + 20].try_into().unwrap())).unwrap()
    };
    for (place, what) in [(24, "codec"), (25, "cipher")] {
        let (disk, id) = changed(|content| {
            let at = body(content) + place;
            content[at] = 3;
        });
        let refused = Segment::open(&disk.open(&id.name()).unwrap(), id).unwrap_err();
        let name = id.name();
        assert_eq!(refused.to_string(), format!("{name:?} has blocks of {what} 3, which this release does not know"));
    }
    let (disk, id) = changed(|content| {
        content[32 + 10] = 2;
        let checksum = sum(&content[40..96]);
        content[36..40].copy_from_slice(&checksum);
    });
    let refused = repair(&disk, id, segment_id(2)).unwrap_err();
    assert!(matches!(refused, ScanError::File(FileError::UnknownCodec { what: "codec", found: 2, .. })));
}
