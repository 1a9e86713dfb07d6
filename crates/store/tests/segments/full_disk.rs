//! A segment that finds no room, or whose sync fails, is an error and leaves nothing behind; the next try is free.

use firn_sim::disk::SimDisk;
use firn_sim::random::Random;
use firn_store::disk::{Disk as _, Fault};
use firn_store::segment::WriteError;

use crate::workload::{Reading, Shape, messages, read_back, segment_id, write};

const SHAPE: Shape = Shape { groups: 3, messages: 300, body: 9_000 };

#[test]
fn a_full_disk_refuses_and_nothing_is_left() {
    for seed in 0..10 {
        let mut random = Random::new(seed);
        let (disk, messages) = (SimDisk::new(seed), messages(&mut random, SHAPE));
        disk.set_capacity(1 + random.below(100_000));
        let refused = write(&disk, segment_id(1), &messages).unwrap_err();
        assert!(matches!(refused, WriteError::Disk(error) if error.fault == Fault::Full));
        assert!(disk.list().unwrap().is_empty());
        disk.set_capacity(u64::MAX);
        let segment = write(&disk, segment_id(1), &messages).unwrap();
        assert!(read_back(&segment, &Reading::new(&disk, segment_id(1)), &messages).values().all(|whole| *whole));
    }
}

#[test]
fn a_failed_sync_is_an_error() {
    let mut random = Random::new(1);
    let messages = messages(&mut random, SHAPE);
    for from in 1..12 {
        let disk = SimDisk::new(from);
        disk.fail_sync_from(from);
        let result = write(&disk, segment_id(1), &messages);
        assert_eq!(result.is_err(), disk.has_failed_sync(), "from operation {from}");
    }
}

#[test]
fn a_damaged_frame_is_not_written() {
    let (disk, mut random) = (SimDisk::new(1), Random::new(1));
    let mut messages = messages(&mut random, SHAPE);
    let ((group, _), written) = messages.iter_mut().next().unwrap();
    *written.frame.last_mut().unwrap() ^= 1;
    let group = *group;
    let refused = write(&disk, segment_id(1), &messages).unwrap_err();
    assert!(matches!(refused, WriteError::BadFrame { group: found, .. } if found.0 == group), "{refused}");
    assert!(disk.list().unwrap().is_empty());
}
