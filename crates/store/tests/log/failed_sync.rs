//! After a failed sync nothing is acknowledged any more, until the log is opened again.

use firn_sim::disk::SimDisk;
use firn_store::disk::{BlockBuffer, Fault};
use firn_store::wal::{Lsn, RefusedReason, State, Submission, read_record};

use crate::workload::{Model, open};

#[test]
fn a_failed_sync_poisons_the_log_and_loses_nothing() {
    let mut poisoned = 0;
    for seed in 0..500 {
        let (mut model, disk) = (Model::new(seed), SimDisk::new(seed));
        let mut reopened = open(&disk, 0, model.now).unwrap();
        disk.fail_sync_from(disk.operations() + model.random.below(40));
        for _ in 0..60 {
            if disk.has_failed_sync() {
                break;
            }
            model.step(&mut reopened.wal, &disk);
        }
        if disk.has_failed_sync() {
            poisoned += 1;
            check_poisoned(&mut model, &mut reopened.wal, &disk);
        }
        // What the cache shows may not be on the disk. Opening makes it so, or does not count on it.
        for _ in 0..2 {
            if model.random.one_in(2) {
                disk.kill()
            } else {
                disk.cut_power()
            }
            let reopened = open(&disk, model.released, model.now).unwrap();
            model.check(&reopened).unwrap_or_else(|broken| panic!("seed {seed}: {broken}"));
        }
        disk.cut_power();
        let reopened = open(&disk, model.released, model.now).unwrap();
        model.check(&reopened).unwrap_or_else(|broken| panic!("seed {seed}: {broken}"));
    }
    assert!(poisoned > 400, "only {poisoned} of 500 runs met the failed sync");
}

fn check_poisoned(model: &mut Model, wal: &mut firn_store::wal::Wal<SimDisk>, disk: &SimDisk) {
    let durable = wal.durable();
    assert!(matches!(wal.state(), State::Poisoned(error) if error.fault == Fault::Sync), "{:?}", wal.state());
    assert_eq!(wal.deadline(), None);
    for _ in 0..20 {
        model.step(wal, disk);
        assert_eq!(wal.durable(), durable, "nothing is acknowledged any more");
    }
    let refused = wal.submit(Submission::new()).unwrap_err();
    assert!(matches!(refused.reason, RefusedReason::Poisoned(_)));
}

#[test]
fn a_poisoned_log_serves_what_is_durable() {
    let (mut model, disk) = (Model::new(1), SimDisk::new(1));
    let mut wal = open(&disk, 0, model.now).unwrap().wal;
    model.submit(&mut wal);
    while let Some(order) = wal.order(model.now) {
        let result = order.perform(&disk);
        wal.ordered(&order, result, model.now);
    }
    let write = wal.prepare(model.now).unwrap();
    let places: Vec<_> = write.places().collect();
    let result = write.perform();
    wal.written(write, result, model.now);

    disk.fail_sync_from(0);
    model.submit(&mut wal);
    wal.turn(&disk, model.now);
    assert!(matches!(wal.state(), State::Poisoned(_)));
    let mut buffer = BlockBuffer::with_capacity(0);
    assert_eq!(places.last().map(|(lsn, _)| *lsn), Some(wal.durable()));
    assert!(wal.durable() > Lsn::NONE);
    for (lsn, place) in places {
        let written = &model.submitted[&lsn.value()];
        let file = wal.file(place.file).unwrap();
        assert_eq!(read_record(file, place, written.name, &mut buffer).unwrap(), written.record());
    }
}
