//! What flips is noticed; it costs the message it is in and no other, which is named; an index comes back.

use std::collections::BTreeSet;
use std::ops::Range;

use firn_sim::disk::SimDisk;
use firn_sim::random::Random;
use firn_store::disk::Disk as _;
use firn_store::file::{FileError, FileId, set_aside};
use firn_store::segment::{Damage, Segment, What, repair};

use crate::workload::{Messages, Reading, Shape, messages, read_back, segment_id, write};

type Names = BTreeSet<(u64, u64)>;

fn named(damage: &[Damage]) -> Names {
    let names = damage.iter().flat_map(|damage| &damage.lost);
    names.flat_map(|name| (0..u64::from(name.count)).map(|n| (name.group.0, name.sequence + n))).collect()
}

/// Opens a damaged segment and reads all of it, after a repair where it needs one. Each message is right or named; what
/// is named is returned.
fn lost(disk: &SimDisk, id: FileId, messages: &Messages) -> (Names, bool) {
    let file = disk.open(&id.name()).unwrap();
    let (segment, damage, is_repaired) = match Segment::open(&file, id) {
        Ok(segment) if segment.check(&file).is_empty() => (segment, segment.verify(&file), false),
        Ok(_) | Err(FileError::Damaged { .. }) => {
            let new = segment_id(id.number + 1);
            let repaired = repair(disk, id, new).unwrap();
            let new_file = disk.open(&new.name()).unwrap();
            assert!(repaired.segment.verify(&new_file).is_empty(), "a repaired segment is whole");
            (repaired.segment, repaired.damage, true)
        }
        Err(error) => panic!("{error}"),
    };
    let names = named(&damage);
    assert!(is_repaired || !damage.is_empty(), "a flip is noticed");
    let reading = Reading::new(disk, segment.id());
    if is_repaired {
        let left: Messages = messages.clone().into_iter().filter(|(name, _)| !names.contains(name)).collect();
        assert!(read_back(&segment, &reading, &left).values().all(|is_whole| *is_whole));
    } else {
        let back = read_back(&segment, &reading, messages);
        let damaged: Names = back.iter().filter(|(_, is_whole)| !**is_whole).map(|(name, _)| *name).collect();
        assert_eq!(damaged, names, "what cannot be read is named, and nothing else");
    }
    (names, is_repaired)
}

/// Where each frame lies in a file, found by its bytes.
fn frames_of(content: &[u8], messages: &Messages) -> Vec<((u64, u64), Range<usize>)> {
    let mut from = 0;
    let mut place = |frame: &[u8]| {
        let start = from + content[from..].windows(frame.len()).position(|window| window == frame).unwrap();
        from = start + frame.len();
        start..from
    };
    messages.iter().map(|(name, written)| (*name, place(&written.frame))).collect()
}

/// The messages of which a byte lies in that part.
fn hit(frames: &[((u64, u64), Range<usize>)], part: &Range<usize>) -> Names {
    let is_hit = |range: &Range<usize>| range.start < part.end && range.end > part.start;
    frames.iter().filter(|(_, range)| is_hit(range)).map(|(name, _)| *name).collect()
}

#[test]
fn each_flipped_bit_of_a_segment_costs_the_message_it_is_in_and_nothing_else() {
    let shape = Shape { groups: 3, messages: 12, body: 20 };
    let drawn = |seed| messages(&mut Random::new(seed), shape);
    let messages = (1..).map(drawn).find(|messages| messages.len() > 14).unwrap();
    let disk = SimDisk::new(1);
    let id = segment_id(1);
    write(&disk, id, &messages).unwrap();
    let content = disk.content(&id.name());
    assert_eq!(content.len(), 4096);
    let frames = frames_of(&content, &messages);
    let mut repairs = 0;
    for bit in 0..content.len() * 8 {
        let disk = disk.fork();
        disk.flip(&id.name(), bit);
        let (names, is_repaired) = lost(&disk, id, &messages);
        assert_eq!(names, hit(&frames, &(bit / 8..bit / 8 + 1)), "bit {bit}");
        repairs += usize::from(is_repaired);
    }
    assert!(repairs > content.len(), "flips in the index were among them");
}

#[test]
fn flips_lost_sectors_and_unreadable_blocks_of_a_long_segment_cost_what_they_hit() {
    for seed in 0..12 {
        let mut random = Random::new(seed);
        let messages = messages(&mut random, Shape { groups: 12, messages: 150, body: 900 });
        let disk = SimDisk::new(seed);
        let id = segment_id(1);
        write(&disk, id, &messages).unwrap();
        let content = disk.content(&id.name());
        let frames = frames_of(&content, &messages);
        for round in 0..25 {
            let disk = disk.fork();
            let at = random.index(content.len());
            let part = match round % 3 {
                0 => {
                    disk.flip(&id.name(), at * 8 + random.index(8));
                    at..at + 1
                }
                1 => {
                    let start = at / 512 * 512;
                    disk.overwrite(&id.name(), start, &[0xa5; 512]);
                    start..start + 512
                }
                _ => {
                    let start = at / 4096 * 4096;
                    disk.make_unreadable(&id.name(), u64::try_from(start).unwrap());
                    start..start + 4096
                }
            };
            let (names, _) = match round % 3 {
                0 => lost(&disk, id, &messages),
                // A sector may take a directory, or a header and the frame beside it, at once: then what is lost is not
                // exactly what was hit, and where nothing can be named, something is said all the same.
                _ => match lost_in_sector(&disk, id, &messages) {
                    Some(names) => (names, false),
                    None => continue,
                },
            };
            let hit = hit(&frames, &part);
            assert!(round % 3 != 0 || names == hit, "seed {seed}, round {round}: {names:?} and not {hit:?}");
            assert!(names.is_superset(&hit), "seed {seed}, round {round}: {names:?} and not {hit:?}");
        }
    }
}

/// As [`lost`]; none where the damage took a name.
fn lost_in_sector(disk: &SimDisk, id: FileId, messages: &Messages) -> Option<Names> {
    let file = disk.open(&id.name()).unwrap();
    let needs_repair = Segment::open(&file, id).is_ok_and(|segment| !segment.check(&file).is_empty());
    if needs_repair || Segment::open(&file, id).is_err() {
        let repaired = repair(disk, id, segment_id(9)).unwrap();
        if repaired.damage.iter().any(|damage| damage.what == What::Unrecognised) {
            return None;
        }
        return Some(named(&repaired.damage));
    }
    Some(lost(disk, id, messages).0)
}

#[test]
fn a_lost_trailer_costs_nothing_and_a_cut_file_what_was_behind_the_cut() {
    let mut random = Random::new(5);
    let messages = messages(&mut random, Shape { groups: 4, messages: 200, body: 900 });
    let disk = SimDisk::new(1);
    let id = segment_id(1);
    write(&disk, id, &messages).unwrap();
    let content = disk.content(&id.name());
    let end = content.len() - 4096;
    let fork = disk.fork();
    fork.cut(&id.name(), end);
    assert_eq!(lost(&fork, id, &messages), (Names::new(), true));

    let fork = disk.fork();
    fork.cut(&id.name(), content.len() / 2);
    let repaired = repair(&fork, id, segment_id(2)).unwrap();
    assert_eq!(repaired.damage.len(), 1);
    assert_eq!(repaired.damage[0].what, What::Unrecognised);
    assert!(repaired.segment.messages() > 0);
    assert!(repaired.damage[0].to_string().starts_with("00000001-0000000000005eed.seg at "));
    set_aside(&fork, id).unwrap();
    assert!(fork.names().contains(&"00000001-0000000000005eed.seg.damaged".to_owned()));
}

#[test]
fn damage_is_said_by_group_and_sequence() {
    let drawn = |seed| messages(&mut Random::new(seed), Shape { groups: 1, messages: 50, body: 100 });
    let messages = (1..).map(drawn).find(|messages| messages.len() > 10).unwrap();
    let disk = SimDisk::new(1);
    let id = segment_id(1);
    let segment = write(&disk, id, &messages).unwrap();
    let ((group, sequence), range) = &frames_of(&disk.content(&id.name()), &messages)[3];
    disk.flip(&id.name(), (range.end - 1) * 8);
    let damage = segment.verify(&disk.open(&id.name()).unwrap());
    assert_eq!(damage.len(), 1);
    let said = damage[0].to_string();
    assert!(said.ends_with(&format!("; lost: group {group} sequence {sequence}")), "{said}");
}
