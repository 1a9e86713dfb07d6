//! What flips is noticed; what it took is named; everything else comes back.

use std::collections::BTreeSet;

use firn_sim::{disk::SimDisk, random::Random};
use firn_store::disk::Disk as _;
use firn_store::wal::{Cause, Place};

use crate::workload::{Model, RawBatch, Reopened, log_at_rest, open, raw_batches};

/// A log at rest, and where everything in it lies.
struct Log {
    model: Model,
    disk: SimDisk,
    sound: Reopened,
    batches: Vec<RawBatch>,
}

impl Log {
    fn new(seed: u64) -> Log {
        let (mut model, disk) = log_at_rest(seed, 60);
        let sound = open(&disk, model.released, model.now).unwrap();
        model.check(&sound).unwrap();
        disk.kill();
        let (_, first) = sound.places.first_key_value().unwrap();
        let batches: Vec<RawBatch> = raw_batches(&disk);
        let live = batches.iter().position(|batch| is_of(first, &batch.file)).unwrap();
        let batches = batches[live..].to_vec();
        Log { model, disk, sound, batches }
    }

    /// Records of which a byte lies in that part of a file.
    fn records_in(&self, file: &str, from: usize, to: usize) -> BTreeSet<u64> {
        let places = self.sound.places.iter().filter(|(_, place)| {
            let start = usize::try_from(place.offset).unwrap();
            is_of(place, file) && start < to && start + usize::try_from(place.bytes).unwrap() > from
        });
        places.map(|(lsn, _)| *lsn).collect()
    }

    /// Opens a damaged copy. Every record of the sound log comes back as it was or is reported, by the right name if by
    /// any, and none of both. Returns the reported ones.
    fn lost(&self, disk: &SimDisk) -> (Reopened, BTreeSet<u64>) {
        let reopened = open(disk, self.model.released, self.model.now).unwrap();
        let mut lost = BTreeSet::new();
        for record in reopened.recovery.damage.iter().flat_map(|damage| &damage.lost) {
            for lsn in record.first.value()..=record.last.value() {
                assert!(lost.insert(lsn), "position {lsn} is reported twice");
                let right = self.sound.records.get(&lsn).map(|written| written.name);
                assert!(record.name.is_none() || record.name == right, "position {lsn} is reported by a wrong name");
            }
        }
        for (lsn, written) in &self.sound.records {
            let back = reopened.records.get(lsn);
            assert!(back.is_none_or(|back| back == written), "position {lsn} came back wrong");
            assert_ne!(back.is_some(), lost.contains(lsn), "position {lsn} comes back or is reported");
        }
        assert!(reopened.records.keys().all(|lsn| self.sound.records.contains_key(lsn)), "nothing is invented");
        (reopened, lost)
    }
}

fn is_of(place: &Place, file: &str) -> bool {
    file.starts_with(&format!("{:08x}-", place.file))
}

#[test]
fn a_flipped_bit_costs_the_record_it_is_in_and_nothing_else() {
    for seed in 0..40 {
        let log = Log::new(seed);
        let mut random = Random::new(seed);
        let (last, others) = log.batches.split_last().unwrap();
        for _ in 0..100 {
            let batch = &others[random.index(others.len())];
            let byte = batch.offset + random.index(batch.bytes);
            let disk = log.disk.fork();
            disk.flip(&batch.file, byte * 8 + random.index(8));
            let (reopened, lost) = log.lost(&disk);
            let at = format!("seed {seed}, byte {byte} of {batch:?}");
            assert_eq!(lost, log.records_in(&batch.file, byte, byte + 1), "{at}");
            assert!(!reopened.recovery.damage.is_empty(), "{at}: not noticed");
            assert!(reopened.recovery.damage.iter().all(|damage| damage.file == batch.file), "{at}");
            assert!(reopened.recovery.damage.iter().all(|damage| damage.lost.iter().all(|lost| lost.name.is_some())));
        }
        // The last batch is a marker: nothing is lost with it.
        let disk = log.disk.fork();
        disk.flip(&last.file, (last.offset + random.index(last.bytes)) * 8);
        assert_eq!(log.lost(&disk).1, BTreeSet::new(), "seed {seed}");
    }
}

#[test]
fn a_lost_block_costs_the_records_in_it_and_nothing_else() {
    for seed in 0..60 {
        let log = Log::new(seed);
        let mut random = Random::new(seed);
        let (_, others) = log.batches.split_last().unwrap();
        for round in 0..30 {
            let batch = &others[random.index(others.len())];
            let start = batch.offset + random.index(batch.bytes / 4096) * 4096;
            let disk = log.disk.fork();
            let mut block = [0; 4096];
            match round % 3 {
                0 => disk.overwrite(&batch.file, start, &block),
                1 => {
                    random.fill(&mut block);
                    disk.overwrite(&batch.file, start, &block);
                }
                _ => disk.make_unreadable(&batch.file, u64::try_from(start).unwrap()),
            }
            let (reopened, lost) = log.lost(&disk);
            let at = format!("seed {seed}, block {start} of {batch:?}");
            assert!(lost.is_subset(&log.records_in(&batch.file, start, start + 4096)), "{at}: {lost:?}");
            let damage = &reopened.recovery.damage;
            assert!(!damage.is_empty(), "{at}: not noticed");
            let is_unreadable = damage.iter().all(|damage| damage.cause == Cause::Unreadable);
            assert_eq!(is_unreadable, round % 3 == 2, "{at}: {damage:?}");
        }
    }
}

#[test]
fn a_lost_or_shortened_file_costs_what_was_in_it() {
    let mut cases = 0;
    for seed in 0..60 {
        let log = Log::new(seed);
        let mut files: Vec<&String> = log.batches.iter().map(|batch| &batch.file).collect();
        files.dedup();
        let Some((_, others)) = files.split_last() else { continue };
        for file in others {
            let disk = log.disk.fork();
            disk.remove(file).unwrap();
            assert_eq!(log.lost(&disk).1, log.records_in(file, 0, usize::MAX), "seed {seed}, {file} is gone");

            let disk = log.disk.fork();
            let end = log.batches.iter().rfind(|batch| &batch.file == *file).unwrap();
            disk.cut(file, end.offset);
            assert_eq!(log.lost(&disk).1, log.records_in(file, end.offset, usize::MAX), "seed {seed}, {file} is cut");
            cases += 1;
        }
    }
    assert!(cases > 30, "only {cases} files were not the last");
}

#[test]
fn damage_is_reported_at_each_opening_and_by_position_until_it_is_released() {
    let log = Log::new(3);
    let is_inside = |pair: &&[RawBatch]| pair[0].file == pair[1].file && pair[0].first > log.model.released;
    let batch = &log.batches.windows(2).find(|pair| is_inside(pair) && pair[0].count > 1).unwrap()[0];
    let disk = log.disk.fork();
    disk.overwrite(&batch.file, batch.offset, &vec![0; batch.bytes]);
    for _ in 0..3 {
        let (reopened, lost) = log.lost(&disk);
        assert_eq!(lost, (batch.first..batch.first + u64::from(batch.count)).collect());
        assert_eq!(
            reopened.recovery.damage[0].to_string(),
            format!(
                "{} at {}: no batch can be recognised; lost: log positions {} to {}",
                batch.file,
                batch.offset,
                batch.first,
                batch.first + u64::from(batch.count) - 1
            )
        );
        disk.kill();
    }
    let released = batch.first + u64::from(batch.count) - 1;
    let reopened = open(&disk, released, log.model.now).unwrap();
    assert!(reopened.recovery.damage.iter().all(|damage| damage.lost.is_empty()));
}

#[test]
fn the_end_of_a_confirmed_log_is_missed() {
    // The marker says that the batch before it was durable. Without that batch, positions are missing at the end.
    let log = Log::new(5);
    let (marker, others) = log.batches.split_last().unwrap();
    let last = others.iter().rfind(|batch| batch.count > 0).unwrap();
    assert_eq!((marker.count, marker.durable), (0, marker.first - 1));
    let disk = log.disk.fork();
    disk.overwrite(&last.file, last.offset, &vec![0; last.bytes]);
    let (reopened, lost) = log.lost(&disk);
    assert_eq!(lost, (last.first..marker.first).collect());
    assert_eq!(reopened.recovery.next.value(), marker.first, "the positions are not given again");
}
