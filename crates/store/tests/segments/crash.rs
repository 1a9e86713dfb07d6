//! A segment that was written is there, whole, after a crash at any disk operation; one that was not finished is gone.

use firn_sim::disk::SimDisk;
use firn_sim::random::Random;
use firn_store::disk::Disk as _;
use firn_store::file::{FileId, remove_unfinished};
use firn_store::segment::Segment;

use crate::workload::{Messages, Reading, Shape, messages, read_back, segment_id, write};

/// More than the writer holds back at once.
const SHAPE: Shape = Shape { groups: 3, messages: 300, body: 5_000 };

/// Writes one segment, and a second one during which the process crashes. What is there then?
fn run(seed: u64, crash_at: u64, prepare: impl FnOnce(&SimDisk)) -> Result<bool, String> {
    let mut random = Random::new(seed);
    let disk = SimDisk::new(seed ^ crash_at << 32);
    prepare(&disk);
    let (first, second) = (messages(&mut random, SHAPE), messages(&mut random, SHAPE));
    write(&disk, segment_id(1), &first).unwrap();
    disk.crash_at(disk.operations() + crash_at);
    let is_written = write(&disk, segment_id(2), &second).is_ok();
    let is_over = !disk.is_crashed();
    if random.one_in(4) {
        disk.kill()
    } else {
        disk.cut_power()
    }

    remove_unfinished(&disk).unwrap();
    let names = disk.list().unwrap();
    let ids: Vec<FileId> = names.iter().filter_map(|name| FileId::parse(name)).collect();
    if ids.len() != names.len() {
        return Err(format!("something unfinished is left: {names:?}"));
    }
    check(&disk, segment_id(1), &first)?;
    if ids.contains(&segment_id(2)) {
        check(&disk, segment_id(2), &second)?;
    } else if is_written {
        return Err("the second segment was written and is gone".to_owned());
    }
    Ok(is_over)
}

fn check(disk: &SimDisk, id: FileId, messages: &Messages) -> Result<(), String> {
    let file = disk.open(&id.name()).map_err(|error| error.to_string())?;
    let segment = Segment::open(&file, id).map_err(|error| error.to_string())?;
    if let Some(damage) = segment.verify(&file).first() {
        return Err(damage.to_string());
    }
    assert!(read_back(&segment, &Reading::new(disk, id), messages).values().all(|is_whole| *is_whole));
    Ok(())
}

#[test]
fn a_segment_is_whole_or_not_there_after_a_crash_at_any_disk_operation() {
    for seed in 0..20 {
        for crash_at in 1.. {
            let is_over = run(seed, crash_at, |_| {});
            if is_over.unwrap_or_else(|broken| panic!("seed {seed}, crash at operation {crash_at}: {broken}")) {
                assert!(crash_at > 5, "there are operations to crash at");
                break;
            }
        }
    }
}

#[test]
fn without_syncs_the_same_test_finds_losses() {
    let losses = (0..60).filter(|seed| run(*seed, u64::MAX / 2, SimDisk::ignore_syncs).is_err()).count();
    assert!(losses > 20, "only {losses} of 60 runs on a disk that never syncs lost something");
}
