//! Files grow, are used again and go; batches wait, are confirmed and can be read by place.

use std::collections::BTreeMap;
use std::time::Duration;

use firn_id::Monotonic;
use firn_sim::disk::SimDisk;
use firn_store::disk::{BlockBuffer, Disk as _};
use firn_store::wal::{BadRecord, Lsn, Name, Place, ReadError, RefusedReason, Submission, Wal, read_record};

use crate::workload::{LIMITS, Model, Written, open, raw_batches, settle};

fn fresh(seed: u64) -> (Model, SimDisk, Wal<SimDisk>) {
    let (model, disk) = (Model::new(seed), SimDisk::new(seed));
    let wal = open(&disk, 0, model.now).unwrap().wal;
    (model, disk, wal)
}

#[test]
fn files_double_up_to_the_longest() {
    let (mut model, disk, mut wal) = fresh(1);
    while disk.names().len() < 5 {
        model.submit(&mut wal);
        wal.turn(&disk, model.now);
    }
    let lengths: Vec<usize> = disk.names().iter().map(|name| disk.content(name).len() >> 10).collect();
    assert_eq!(lengths, [32, 64, 64, 64, 64]);
}

#[test]
fn a_file_is_at_most_a_sixteenth_of_the_free_space() {
    let (mut model, disk, mut wal) = fresh(1);
    disk.set_capacity(disk.used_bytes() + 16 * (40 << 10) + (32 << 10));
    while disk.names().len() < 2 {
        model.submit(&mut wal);
        wal.turn(&disk, model.now);
    }
    let lengths: Vec<usize> = disk.names().iter().map(|name| disk.content(name).len() >> 10).collect();
    assert_eq!(lengths, [32, 40]);
}

#[test]
fn released_files_are_written_over_and_the_rest_removed() {
    let (mut model, disk, mut wal) = fresh(3);
    while disk.names().len() < 8 {
        model.submit(&mut wal);
        wal.turn(&disk, model.now);
    }
    let before = wal.files();
    wal.release(wal.durable());
    settle(&mut model, &mut wal, &disk);
    assert!(before.0 > 6 && wal.files().0 <= 2, "{before:?}, then {:?}", wal.files());
    assert!(disk.names().len() <= 5, "the live ones, the next and two to be used again: {:?}", disk.names());
    let used = disk.used_bytes();
    for _ in 0..500 {
        model.submit(&mut wal);
        settle(&mut model, &mut wal, &disk);
        wal.release(wal.durable());
    }
    assert!(disk.used_bytes() <= used + (64 << 10), "no more space is taken");
    assert_eq!(wal.statistics().removals_failed, 0);
}

#[test]
fn a_record_longer_than_a_file_gets_a_file_of_its_length() {
    let (mut model, disk, mut wal) = fresh(4);
    let name = Name { sequence: 1, count: 1, ..Name::default() };
    let long = Written { name, kind: 1, extension: Vec::new(), payload: vec![5; 300_000] };
    let mut submission = Submission::new();
    submission.push(&long.record()).unwrap();
    wal.submit(submission).unwrap();
    settle(&mut model, &mut wal, &disk);
    model.submitted.insert(1, long);
    model.submit(&mut wal);
    settle(&mut model, &mut wal, &disk);
    drop(wal);
    disk.cut_power();
    let reopened = open(&disk, 0, model.now).unwrap();
    model.check(&reopened).unwrap();
}

#[test]
fn a_marker_confirms_the_last_batch_when_nothing_else_does() {
    let (mut model, disk, mut wal) = fresh(5);
    model.submit(&mut wal);
    let last = wal.turn(&disk, model.now);
    assert_eq!(wal.deadline(), Some(model.now + LIMITS.marker_delay));
    wal.turn(&disk, model.now + (LIMITS.marker_delay - Duration::from_nanos(1)));
    assert_eq!(raw_batches(&disk).len(), 1, "it is not time yet");
    wal.turn(&disk, model.now + LIMITS.marker_delay);
    let batches = raw_batches(&disk);
    assert_eq!((batches[1].count, batches[1].durable), (0, last.value()));
    assert_eq!(wal.deadline(), None, "an idle log does nothing");
    wal.turn(&disk, model.now + Duration::from_secs(9));
    assert_eq!(raw_batches(&disk).len(), 2);
    assert_eq!((wal.statistics().batches, wal.statistics().markers), (1, 1));
}

#[test]
fn what_arrives_during_a_write_goes_into_the_next_batch() {
    let (mut model, disk, mut wal) = fresh(6);
    model.submit(&mut wal);
    wal.turn(&disk, model.now);
    model.submit(&mut wal);
    let write = wal.prepare(model.now).unwrap();
    let durable = wal.durable();
    for _ in 0..5 {
        model.submit(&mut wal);
    }
    assert!(wal.prepare(model.now).is_none());
    assert_eq!(wal.durable(), durable, "nothing is durable before it is written");
    let result = write.perform();
    assert!(wal.written(write, result, model.now) > durable);
    assert!(wal.turn(&disk, model.now) > durable);
    assert!(wal.statistics().records > wal.statistics().batches, "records share batches");
}

#[test]
fn too_much_that_waits_is_refused_and_given_back() {
    let (mut model, disk, mut wal) = fresh(7);
    let refused = loop {
        let mut submission = Submission::new();
        let name = Name { sequence: 1, count: 1, ..Name::default() };
        let record = Written { name, kind: 1, extension: Vec::new(), payload: vec![1; 10_000] };
        submission.push(&record.record()).unwrap();
        if let Err(refused) = wal.submit(submission) {
            break refused;
        }
    };
    assert_eq!((refused.reason, refused.submission.count()), (RefusedReason::Busy, 1));
    settle(&mut model, &mut wal, &disk);
    assert!(wal.submit(refused.submission).is_ok(), "when the queue is empty there is room");
}

#[test]
fn an_empty_submission_waits_for_what_was_submitted_before() {
    let (mut model, disk, mut wal) = fresh(8);
    assert_eq!(wal.submit(Submission::new()).unwrap(), Lsn::NONE);
    model.submit(&mut wal);
    let last = wal.submit(Submission::new()).unwrap();
    assert_eq!(wal.turn(&disk, model.now), last);
}

#[test]
fn records_are_read_by_place_under_their_name_only() {
    let (mut model, disk, mut wal) = fresh(9);
    let mut places: BTreeMap<u64, Place> = BTreeMap::new();
    for _ in 0..60 {
        model.submit(&mut wal);
        while let Some(order) = wal.order(model.now) {
            let result = order.perform(&disk);
            wal.ordered(&order, result, model.now);
        }
        let Some(write) = wal.prepare(model.now) else { continue };
        places.extend(write.places().map(|(lsn, place)| (lsn.value(), place)));
        let result = write.perform();
        wal.written(write, result, model.now);
    }
    let mut buffer = BlockBuffer::with_capacity(0);
    for (lsn, place) in &places {
        let (file, written) = (wal.file(place.file).unwrap(), &model.submitted[lsn]);
        assert_eq!(read_record(file, *place, written.name, &mut buffer).unwrap(), written.record());
        let other = Name { sequence: written.name.sequence + 1, ..written.name };
        let refused = read_record(file, *place, other, &mut buffer).unwrap_err();
        assert_eq!(refused, ReadError::Bad(BadRecord::Other { found: written.name }));
    }
    assert_eq!(u64::try_from(places.len()).unwrap(), wal.durable().value());
    let first = places[&1].file;
    wal.release(wal.durable());
    assert!(wal.file(first).is_none(), "what was released is not read");
}

#[test]
fn what_was_released_does_not_come_back() {
    let (mut model, disk, mut wal) = fresh(10);
    for _ in 0..40 {
        model.submit(&mut wal);
        settle(&mut model, &mut wal, &disk);
    }
    model.released = model.acknowledged / 2;
    wal.release(Lsn::new(model.released));
    drop(wal);
    let reopened = open(&disk, model.released, Monotonic::ZERO).unwrap();
    assert_eq!(reopened.records.first_key_value().map(|(lsn, _)| *lsn), Some(model.released + 1));
    model.check(&reopened).unwrap();
    assert!(disk.list().unwrap().len() > 1);
}
