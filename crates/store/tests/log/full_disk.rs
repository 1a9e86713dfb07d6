//! A full disk refuses new records, keeps what it has, and goes on by itself when there is room.

use std::time::Duration;

use firn_sim::disk::SimDisk;
use firn_store::wal::{RefusedReason, State, Submission};

use crate::workload::{LIMITS, Model, open, settle};

#[test]
fn a_full_disk_refuses_and_resumes() {
    for seed in 0..200 {
        let (mut model, disk) = (Model::new(seed), SimDisk::new(seed));
        disk.set_capacity(40_000 + model.random.below(200_000));
        let mut wal = open(&disk, 0, model.now).unwrap().wal;
        let mut steps = 0;
        while wal.state() == State::Writing {
            steps += 1;
            assert!(steps < 2_000, "seed {seed}: the disk never filled up");
            model.submit(&mut wal);
            wal.turn(&disk, model.now);
        }
        assert_eq!(wal.state(), State::Full, "seed {seed}");
        model.acknowledged = wal.durable().value();
        let refused = wal.submit(Submission::new()).unwrap_err();
        assert_eq!(refused.reason, RefusedReason::Full);
        for _ in 0..5 {
            model.now = model.now + LIMITS.retry_delay;
            wal.turn(&disk, model.now);
            assert_eq!(wal.state(), State::Full, "seed {seed}: still full");
        }

        disk.set_capacity(u64::MAX);
        assert!(wal.deadline().unwrap() <= model.now + Duration::from_secs(1), "it tries again within a second");
        settle(&mut model, &mut wal, &disk);
        assert_eq!(wal.state(), State::Writing, "seed {seed}");
        assert_eq!(model.acknowledged, *model.submitted.last_key_value().unwrap().0, "what waited is durable");
        model.submit(&mut wal);
        settle(&mut model, &mut wal, &disk);
        drop(wal);
        disk.cut_power();
        let reopened = open(&disk, 0, model.now).unwrap();
        model.check(&reopened).unwrap_or_else(|broken| panic!("seed {seed}: {broken}"));
    }
}

#[test]
fn a_crash_of_a_full_disk_loses_nothing() {
    for seed in 0..300 {
        let (mut model, disk) = (Model::new(seed), SimDisk::new(seed));
        disk.set_capacity(40_000 + model.random.below(200_000));
        let mut wal = open(&disk, 0, model.now).unwrap().wal;
        for _ in 0..model.random.below(200) {
            model.step(&mut wal, &disk);
        }
        drop(wal);
        disk.cut_power();
        let mut reopened = open(&disk, model.released, model.now).unwrap();
        model.check(&reopened).unwrap_or_else(|broken| panic!("seed {seed}: {broken}"));
        disk.set_capacity(u64::MAX);
        model.submit(&mut reopened.wal);
        settle(&mut model, &mut reopened.wal, &disk);
        assert_eq!(reopened.wal.state(), State::Writing, "seed {seed}");
    }
}

#[test]
fn a_batch_that_found_no_room_is_written_again_as_it_is() {
    for seed in 0..200 {
        let (mut model, disk) = (Model::new(seed), SimDisk::new(seed));
        let mut wal = open(&disk, 0, model.now).unwrap().wal;
        model.submit(&mut wal);
        settle(&mut model, &mut wal, &disk);
        // The file is there in its whole length, and yet there is no room to write into it.
        disk.copy_on_write();
        disk.set_capacity(disk.used_bytes() + model.random.below(4_000));
        model.submit(&mut wal);
        assert_eq!(wal.turn(&disk, model.now).value(), model.acknowledged, "seed {seed}: nothing more is durable");
        assert_eq!(wal.state(), State::Full, "seed {seed}");
        assert!(wal.prepare(model.now).is_none(), "not at once");
        if model.random.one_in(2) {
            disk.set_capacity(u64::MAX);
            settle(&mut model, &mut wal, &disk);
            assert_eq!(model.acknowledged, *model.submitted.last_key_value().unwrap().0, "what waited is durable");
        }
        drop(wal);
        disk.cut_power();
        disk.set_capacity(u64::MAX);
        let reopened = open(&disk, 0, model.now).unwrap();
        model.check(&reopened).unwrap_or_else(|broken| panic!("seed {seed}: {broken}"));
    }
}

#[test]
fn releasing_makes_room() {
    let (mut model, disk) = (Model::new(2), SimDisk::new(2));
    disk.set_capacity(400_000);
    let mut wal = open(&disk, 0, model.now).unwrap().wal;
    for _ in 0..2_000 {
        model.submit(&mut wal);
        wal.turn(&disk, model.now);
        wal.release(wal.durable());
        assert_eq!(wal.state(), State::Writing);
    }
    assert!(wal.statistics().files_made > 20, "files are used again: {:?}", wal.statistics());
}
