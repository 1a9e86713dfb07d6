//! A log under a seeded workload, and the model of what must come back.

use std::collections::BTreeMap;
use std::time::Duration;

use firn_id::Monotonic;
use firn_sim::{disk::SimDisk, random::Random};
use firn_store::wal::{
    Extension, Field, GroupId, Limits, Lsn, Name, OpenError, Place, Record, Recovered, Recovery, Start, Submission, Wal,
};

/// Small, so that a short run has batches of several blocks, several files, and recycled ones.
pub(crate) const LIMITS: Limits = Limits {
    file_bytes_min: 32 << 10,
    file_bytes_max: 64 << 10,
    queued_bytes_max: 64 << 10,
    batch_bytes_max: 16 << 10,
    ..Limits::USUAL
};

pub(crate) fn start(released: u64) -> Start {
    Start { new_log_id: 0x5eed, released: Lsn::new(released), limits: LIMITS }
}

/// A record as a test remembers it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Written {
    pub(crate) name: Name,
    pub(crate) kind: u8,
    pub(crate) extension: Vec<u8>,
    pub(crate) payload: Vec<u8>,
}

impl Written {
    pub(crate) fn record(&self) -> Record<'_> {
        let extension = Extension::parse(&self.extension).unwrap();
        Record { name: self.name, kind: self.kind, extension, payload: &self.payload }
    }

    fn of(record: &Record<'_>) -> Self {
        let mut extension = Vec::new();
        record.extension.fields().for_each(|field| field.push_to(&mut extension));
        Written { name: record.name, kind: record.kind, extension, payload: record.payload.to_vec() }
    }
}

/// What came back when a log was opened.
pub(crate) struct Reopened {
    pub(crate) wal: Wal<SimDisk>,
    pub(crate) recovery: Recovery,
    pub(crate) records: BTreeMap<u64, Written>,
    pub(crate) places: BTreeMap<u64, Place>,
}

/// Opens the log; positions must rise.
pub(crate) fn open(disk: &SimDisk, released: u64, now: Monotonic) -> Result<Reopened, OpenError> {
    let (mut records, mut places) = (BTreeMap::new(), BTreeMap::new());
    let mut visit = |recovered: Recovered<'_>| {
        let lsn = recovered.lsn.value();
        let is_last = records.last_key_value().is_none_or(|(last, _)| *last < lsn);
        assert!(is_last, "position {lsn} comes late or twice");
        records.insert(lsn, Written::of(&recovered.record));
        places.insert(lsn, recovered.place);
    };
    let (wal, recovery) = Wal::open(disk, start(released), now, &mut visit)?;
    Ok(Reopened { wal, recovery, records, places })
}

/// What was submitted and what of it was acknowledged.
#[derive(Clone, Debug)]
pub(crate) struct Model {
    pub(crate) random: Random,
    pub(crate) now: Monotonic,
    /// Each position's record; those behind `acknowledged` may be given to others after a crash.
    pub(crate) submitted: BTreeMap<u64, Written>,
    pub(crate) acknowledged: u64,
    pub(crate) released: u64,
    sequences: BTreeMap<u64, u64>,
}

impl Model {
    pub(crate) fn new(seed: u64) -> Self {
        Model {
            random: Random::new(seed),
            now: Monotonic::ZERO,
            submitted: BTreeMap::new(),
            acknowledged: 0,
            released: 0,
            sequences: BTreeMap::new(),
        }
    }

    /// One of the things that happen to a log. The disk may crash in the middle of it.
    pub(crate) fn step(&mut self, wal: &mut Wal<SimDisk>, disk: &SimDisk) {
        self.now = self.now + Duration::from_micros(self.random.below(1_500));
        match self.random.below(10) {
            0..4 => self.submit(wal),
            4..7 => _ = wal.turn(disk, self.now),
            7 => self.write_while_submitting(wal),
            8 => {
                if let Some(order) = wal.order(self.now) {
                    let result = order.perform(disk);
                    wal.ordered(&order, result, self.now);
                }
            }
            _ => {
                self.released += self.random.below(self.acknowledged + 1 - self.released);
                wal.release(Lsn::new(self.released));
            }
        }
        wal.check_invariants();
        self.acknowledged = self.acknowledged.max(wal.durable().value());
    }

    /// Submits a few records. Many are of one length, so that in a recycled file old and new lie at the same places.
    pub(crate) fn submit(&mut self, wal: &mut Wal<SimDisk>) {
        let records: Vec<Written> = (0..=self.random.below(6)).map(|_| self.record()).collect();
        let mut submission = Submission::new();
        records.iter().for_each(|written| submission.push(&written.record()).unwrap());
        let Ok(last) = wal.submit(submission) else { return };
        let first = last.value() + 1 - u64::try_from(records.len()).unwrap();
        self.submitted.extend((first..).zip(records));
    }

    fn write_while_submitting(&mut self, wal: &mut Wal<SimDisk>) {
        let Some(write) = wal.prepare(self.now) else { return };
        self.submit(wal);
        assert!(wal.prepare(self.now).is_none(), "one batch is in flight");
        let result = write.perform();
        wal.written(write, result, self.now);
    }

    fn record(&mut self) -> Written {
        let group = self.random.below(4);
        let count = 1 + u32::try_from(self.random.below(3)).unwrap();
        let next = self.sequences.entry(group).or_insert(1);
        let name = Name { group: GroupId(group), sequence: *next, count };
        *next += u64::from(count);
        let bytes = match self.random.below(20) {
            0..12 => 468,
            12..19 => self.random.below(3_000),
            _ => self.random.below(40_000),
        };
        let mut payload = vec![0; usize::try_from(bytes).unwrap()];
        self.random.fill(&mut payload);
        let mut extension = Vec::new();
        if self.random.one_in(4) {
            Field { kind: 3, value: &group.to_le_bytes() }.push_to(&mut extension);
        }
        Written { name, kind: 1, extension, payload }
    }

    /// Compares what came back after a crash with what was promised. An error says what the log broke.
    pub(crate) fn check(&mut self, reopened: &Reopened) -> Result<(), String> {
        let Reopened { recovery, records, .. } = reopened;
        if let Some(damage) = recovery.damage.first() {
            return Err(format!("damage without rot: {damage}"));
        }
        let last = recovery.next.value() - 1;
        if last < self.acknowledged {
            return Err(format!("acknowledged up to {}, came back up to {last}", self.acknowledged));
        }
        for lsn in self.released + 1..=last {
            let (back, written) = (records.get(&lsn), self.submitted.get(&lsn));
            if back.is_none() || back != written {
                return Err(format!("position {lsn}: came back {back:?}, was {written:?}"));
            }
        }
        let unknown = records.keys().find(|lsn| **lsn <= self.released || **lsn > last);
        if let Some(lsn) = unknown {
            return Err(format!("position {lsn} came back and is not in the log"));
        }
        // What is not there is free again.
        self.submitted.retain(|lsn, _| *lsn <= last);
        self.acknowledged = last;
        Ok(())
    }
}

/// A log that was worked on without accidents and is at rest: all of it is durable, and a marker confirms that. Some of
/// it is not released.
pub(crate) fn log_at_rest(seed: u64, steps: u64) -> (Model, SimDisk) {
    let (mut model, disk) = (Model::new(seed), SimDisk::new(seed));
    let mut wal = open(&disk, 0, model.now).unwrap().wal;
    for _ in 0..steps {
        model.step(&mut wal, &disk);
    }
    for _ in 0..20 {
        model.submit(&mut wal);
        wal.turn(&disk, model.now);
    }
    settle(&mut model, &mut wal, &disk);
    drop(wal);
    disk.kill();
    (model, disk)
}

/// Takes turns until nothing is due.
pub(crate) fn settle(model: &mut Model, wal: &mut Wal<SimDisk>, disk: &SimDisk) {
    while let Some(deadline) = wal.deadline() {
        model.now = model.now.max(deadline);
        wal.turn(disk, model.now);
    }
    model.acknowledged = model.acknowledged.max(wal.durable().value());
}

/// A batch as `docs/format.md` draws it, read without the code under test.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RawBatch {
    pub(crate) file: String,
    pub(crate) offset: usize,
    pub(crate) bytes: usize,
    pub(crate) count: u32,
    pub(crate) first: u64,
    pub(crate) durable: u64,
}

/// The batches of all files, in the order of the log.
pub(crate) fn raw_batches(disk: &SimDisk) -> Vec<RawBatch> {
    let mut batches = Vec::new();
    for file in disk.names() {
        let content = disk.content(&file);
        let number = u64::from_str_radix(file.split('-').next().unwrap(), 16).unwrap();
        let mut offset = 0;
        while let Some(header) = content.get(offset..offset + 80) {
            let u32_at = |at: usize| u32::from_le_bytes(header[at..at + 4].try_into().unwrap());
            let u64_at = |at: usize| u64::from_le_bytes(header[at..at + 8].try_into().unwrap());
            if !header.starts_with(b"FWAL") || u64_at(24) != number {
                break;
            }
            let bytes = usize::try_from(u32_at(60)).unwrap();
            let (count, first, durable) = (u32_at(64), u64_at(40), u64_at(48));
            batches.push(RawBatch { file: file.clone(), offset, bytes, count, first, durable });
            offset += bytes;
        }
    }
    batches
}
