//! The shared write-ahead log: every stream's records in one order, made durable a batch at a time.
//!
//! ```text
//!            submit                prepare               written(Ok)             a later batch says so
//!   records ────────► submitted ────────────► in flight ─────────────► durable ──────────────────────► confirmed
//!                     position given          one batch at most        effects may leave               known after a crash
//!
//!   released ≤ confirmed ≤ durable ≤ in flight < next          (positions; released is the caller's)
//! ```
//!
//! A machine without a thread: whoever owns it calls, in a loop,
//!
//! 1. [`Wal::submit`] for everything that arrived;
//! 2. [`Wal::order`], and [`Order::perform`] here or in another thread, and [`Wal::ordered`] with what came of it;
//! 3. [`Wal::prepare`], and [`Write::perform`], and [`Wal::written`] with what came of it;
//! 4. when there is nothing to do, waits for more, but not beyond [`Wal::deadline`].
//!
//! [`Wal::turn`] does 2 and 3 where there is one thread. Positions are counted from 1 without holes; a submission's
//! last position is the ticket for which its effects wait. Nothing that was reported durable depends on anything that
//! was not: a batch is written when the one before is durable.
//!
//! What ends well and what does not ([`State`]):
//!
//! - *Full*: the batch that found no room is kept and written again, byte for byte, until it fits. New records are
//!   refused meanwhile, what is there is served.
//! - *Poisoned*: a write or sync failed otherwise, so nobody knows what is on the disk. Nothing is acknowledged any more
//!   until the log is opened again; what is durable can be read.
//!
//! Not here: which records belong to a stream, which message a record holds, when a record is no longer needed.

mod record;

mod batch;

mod queue;

mod files;

mod fileset;

mod reader;

mod recover;

mod opening;

mod read;

pub(crate) mod number;

use std::fmt;
use std::time::Duration;

use firn_id::Monotonic;
use thiserror::Error;

use self::batch::{Batch, HEADER_BYTES, Header, disk_batch_bytes, lay_out};
use self::fileset::{FileSet, Lengths};
use self::number::{disk_size, size};
use self::queue::Queue;
use crate::disk::{BlockBuffer, Disk, DiskError, DiskFile, Durability, Fault};

pub use self::batch::BATCH_BYTES_MAX;
pub use self::files::{Done, Make, Order, ReadyFile};
pub use self::read::{ReadError, read_record};
pub use self::record::{
    BadRecord, Extension, Field, GroupId, Name, RECORD_BYTES_MAX, RECORD_HEAD_BYTES, Record, RecordTooLong, Submission,
};
pub use self::recover::{Cause, Damage, Lost, Recovered, Recovery, Torn};

/// Taken while the log is open.
const LOCK_NAME: &str = "lock";

/// A position in the log: records are numbered from 1 over all groups, without holes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Lsn(u64);

impl Lsn {
    /// Before the first record.
    pub const NONE: Lsn = Lsn(0);

    /// The position of that number.
    pub const fn new(value: u64) -> Self {
        Lsn(value)
    }

    /// The number.
    pub const fn value(self) -> u64 {
        self.0
    }

    /// The position behind this one.
    pub const fn next(self) -> Lsn {
        Lsn(self.0 + 1)
    }

    const fn previous(self) -> Lsn {
        Lsn(self.0.saturating_sub(1))
    }

    const fn plus(self, count: u64) -> Lsn {
        Lsn(self.0 + count)
    }
}

/// Where a record lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The file's number, for [`Wal::file`].
    pub file: u64,
    /// Offset in the file.
    pub offset: u32,
    /// Length of the record.
    pub bytes: u32,
}

/// Bounds of a log.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Length of the first file. Each is twice as long as the one before.
    pub file_bytes_min: u64,
    /// Length of the longest file.
    pub file_bytes_max: u64,
    /// Records that may wait to be written. A submission that does not fit is refused, unless nothing waits.
    pub queued_bytes_max: usize,
    /// Longest batch of more than one record.
    pub batch_bytes_max: usize,
    /// How long after the last write a marker confirms it, when nothing else does.
    pub marker_delay: Duration,
    /// How long after finding the disk full to try again.
    pub retry_delay: Duration,
}

impl Limits {
    /// What a server uses.
    pub const USUAL: Limits = Limits {
        file_bytes_min: 4 << 20,
        file_bytes_max: 128 << 20,
        queued_bytes_max: 32 << 20,
        batch_bytes_max: BATCH_BYTES_MAX,
        marker_delay: Duration::from_millis(1),
        retry_delay: Duration::from_millis(100),
    };
}

impl Limits {
    fn check(&self) {
        assert!(self.file_bytes_min <= self.file_bytes_max, "the first file is no longer than the longest");
        assert!(self.file_bytes_max < u32::MAX.into(), "an offset in a file is a u32");
        assert!(self.batch_bytes_max <= BATCH_BYTES_MAX, "a batch is bounded");
    }
}

/// What a log is opened with.
#[derive(Clone, Copy, Debug)]
pub struct Start {
    /// Drawn at random: the id of the log if there is none yet. Nobody outside should be able to guess it.
    pub new_log_id: u64,
    /// Up to here records are not needed: what [`Wal::release`] was last told, from where the caller keeps that.
    pub released: Lsn,
    /// Bounds.
    pub limits: Limits,
}

/// The log, open for writing.
#[derive(Debug)]
pub struct Wal<D: Disk> {
    _lock: D::Lock,
    limits: Limits,
    log_id: u64,
    epoch: u64,
    files: FileSet<D::File>,
    queue: Queue,
    /// Position of the next record that is submitted.
    next: Lsn,
    /// Position of the first record in the queue.
    unwritten: Lsn,
    durable: Lsn,
    /// What a header that is durable says is durable.
    confirmed: Lsn,
    released: Lsn,
    /// Checksum of the last batch that is durable.
    chain: u32,
    /// When the last batch became durable.
    written_at: Monotonic,
    flight: Flight<D::File>,
    /// A batch is waiting for a file that the disk has no room for.
    lacks_file: bool,
    poison: Option<DiskError>,
    /// Memory of the last batch.
    buffer: Option<BlockBuffer>,
    statistics: Statistics,
}

/// The one batch that may be on its way.
#[derive(Debug)]
enum Flight<F> {
    None,
    /// Whoever performs it has it.
    Out,
    /// It found no room.
    Kept {
        write: Write<F>,
        retry_at: Monotonic,
    },
}

/// Whether the log takes records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State<'a> {
    /// It does.
    Writing,
    /// The disk has no room; it will when there is.
    Full,
    /// A write or sync failed; it will not before it is opened again.
    Poisoned(&'a DiskError),
}

/// Counters since the log was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Durable batches with records. Each was one durable write.
    pub batches: u64,
    /// Durable batches without.
    pub markers: u64,
    /// Durable records.
    pub records: u64,
    /// Their bytes.
    pub record_bytes: u64,
    /// Bytes of all durable batches, with all that surrounds records.
    pub written_bytes: u64,
    /// Files made ready, new or recycled.
    pub files_made: u64,
    /// Times the disk was full.
    pub full: u64,
    /// Retired files that could not be removed; the next opening tries again.
    pub removals_failed: u64,
}

impl<D: Disk> Wal<D> {
    /// Opens the log in a folder, or makes one, and hands all records behind `start.released` to `visit`, in order.
    /// When it returns, all of them are durable.
    ///
    /// # Errors
    /// Another process has the log, two logs share the folder, something was written by a newer release, or the disk's.
    /// Damage is no error: see [`Recovery::damage`].
    ///
    /// # Panics
    /// When the limits contradict each other.
    pub fn open(
        disk: &D,
        start: Start,
        now: Monotonic,
        visit: &mut dyn FnMut(Recovered<'_>),
    ) -> Result<(Self, Recovery), OpenError> {
        start.limits.check();
        let lock = disk.lock(LOCK_NAME)?;
        let read = opening::read_log(disk, start.released, start.new_log_id, visit)?;
        let recovery = read.scanned.recovery;
        let lengths = Lengths { min: start.limits.file_bytes_min, max: start.limits.file_bytes_max };
        let wal = Wal {
            _lock: lock,
            limits: start.limits,
            log_id: read.log_id,
            epoch: recovery.epoch,
            files: FileSet::new(lengths, read.log_id, read.live, read.retired, read.last_number),
            queue: Queue::default(),
            next: recovery.next,
            unwritten: recovery.next,
            durable: recovery.next.previous(),
            confirmed: read.scanned.confirmed,
            released: start.released,
            chain: read.scanned.chain,
            written_at: now,
            flight: Flight::None,
            lacks_file: false,
            poison: None,
            buffer: None,
            statistics: Statistics::default(),
        };
        Ok((wal, recovery))
    }

    /// Takes records and returns the position of the last one: they are durable when [`Wal::durable`] reaches it.
    ///
    /// # Errors
    /// Too much waits, the disk is full, or the log is poisoned. Nothing was taken; the records come back.
    pub fn submit(&mut self, submission: Submission) -> Result<Lsn, Refused> {
        let is_too_much = self.queue.bytes() + submission.bytes() > self.limits.queued_bytes_max;
        let reason = match self.state() {
            State::Poisoned(error) => RefusedReason::Poisoned(error.clone()),
            State::Full => RefusedReason::Full,
            State::Writing if is_too_much && !self.queue.is_empty() => RefusedReason::Busy,
            State::Writing => {
                self.next = self.next.plus(count(submission.count()));
                if !submission.is_empty() {
                    self.queue.push(submission);
                }
                return Ok(self.next.previous());
            }
        };
        Err(Refused { reason, submission })
    }

    /// The next write, if there is one: a batch of what was submitted, or a marker. None while one is in flight.
    pub fn prepare(&mut self, now: Monotonic) -> Option<Write<D::File>> {
        if self.poison.is_some() {
            return None;
        }
        match std::mem::replace(&mut self.flight, Flight::None) {
            Flight::None => {
                let write = self.next_write(now)?;
                self.flight = Flight::Out;
                Some(write)
            }
            Flight::Out => {
                self.flight = Flight::Out;
                None
            }
            Flight::Kept { write, retry_at } if now < retry_at => {
                self.flight = Flight::Kept { write, retry_at };
                None
            }
            Flight::Kept { write, .. } => {
                self.flight = Flight::Out;
                Some(write)
            }
        }
    }

    fn next_write(&mut self, now: Monotonic) -> Option<Write<D::File>> {
        if self.queue.is_empty() && self.marker_at().is_none_or(|marker_at| now < marker_at) {
            return None;
        }
        let load = self.queue.next_load(self.limits.batch_bytes_max);
        let bytes = disk_batch_bytes(load.count, load.record_bytes);
        let Some(room) = self.files.room(bytes.into()) else {
            self.lacks_file = true;
            return None;
        };
        self.lacks_file = false;
        let header = Header {
            previous: self.chain,
            log_id: self.log_id,
            file: room.id.number,
            epoch: self.epoch,
            first: self.unwritten,
            durable: self.durable,
            offset: room.offset,
            bytes,
            count: disk_size(load.count),
            record_bytes: disk_size(load.record_bytes),
            directory: 0,
        };
        let mut buffer = self.take_buffer(size(bytes));
        let header = lay_out(&mut buffer, header, self.queue.runs(load.count));
        self.queue.remove(load.count);
        self.unwritten = header.next();
        Some(Write { file: room.file, header, buffer })
    }

    /// Memory for a batch. That of an unusually long one is not kept.
    fn take_buffer(&mut self, bytes: usize) -> BlockBuffer {
        match self.buffer.take() {
            Some(buffer) if buffer.capacity() >= bytes => buffer,
            Some(_) | None => BlockBuffer::with_capacity(bytes.max(self.limits.batch_bytes_max)),
        }
    }

    /// Takes back a write with what came of it, and returns what is durable now.
    ///
    /// # Panics
    /// When it was not prepared by this log.
    pub fn written(&mut self, write: Write<D::File>, result: Result<(), DiskError>, now: Monotonic) -> Lsn {
        assert!(matches!(self.flight, Flight::Out), "what was written is what is in flight");
        self.flight = Flight::None;
        match result {
            Ok(()) => self.became_durable(write, now),
            Err(error) if error.fault == Fault::Full => {
                self.statistics.full += 1;
                self.flight = Flight::Kept { write, retry_at: now + self.limits.retry_delay };
            }
            Err(error) => self.poison = Some(error),
        }
        self.durable
    }

    fn became_durable(&mut self, write: Write<D::File>, now: Monotonic) {
        let Write { header, buffer, .. } = write;
        self.files.written(header.bytes.into(), header.next());
        self.durable = header.next().previous();
        self.confirmed = header.durable;
        self.chain = header.checksum();
        self.written_at = now;
        if buffer.capacity() <= self.limits.batch_bytes_max {
            self.buffer = Some(buffer);
        }
        let statistics = &mut self.statistics;
        *(if header.count == 0 { &mut statistics.markers } else { &mut statistics.batches }) += 1;
        statistics.records += u64::from(header.count);
        statistics.record_bytes += u64::from(header.record_bytes);
        statistics.written_bytes += u64::from(header.bytes);
    }

    /// Something to be done to files, here or in another thread. None while there is nothing.
    pub fn order(&mut self, now: Monotonic) -> Option<Order> {
        if self.poison.is_some() {
            return None;
        }
        self.files.order(now)
    }

    /// Takes what came of an order.
    pub fn ordered(&mut self, order: &Order, result: Result<Done<D::File>, DiskError>, now: Monotonic) {
        match (order, result) {
            (_, Ok(Done::Made(ready))) => {
                self.statistics.files_made += 1;
                self.lacks_file = false;
                self.files.made(ready);
            }
            (_, Ok(Done::Removed)) => {}
            (Order::Remove(_), Err(_)) => self.statistics.removals_failed += 1,
            (Order::Make(_), Err(error)) if error.fault == Fault::Full => {
                self.statistics.full += 1;
                self.files.found_no_room(now + self.limits.retry_delay);
            }
            (Order::Make(_), Err(error)) => self.poison = Some(error),
        }
    }

    /// Does what is due, all in this thread: at most one write, and orders before and after it. Returns what is durable.
    pub fn turn(&mut self, disk: &D, now: Monotonic) -> Lsn {
        self.perform_orders(disk, now);
        if let Some(write) = self.prepare(now) {
            let result = write.perform();
            self.written(write, result, now);
        }
        self.perform_orders(disk, now);
        self.durable
    }

    fn perform_orders(&mut self, disk: &D, now: Monotonic) {
        while let Some(order) = self.order(now) {
            let result = order.perform(disk);
            self.ordered(&order, result, now);
        }
    }

    /// Records up to `lsn` are not needed any more, because what they say is durable elsewhere. The caller keeps `lsn`
    /// durably before, and opens the log with it the next time: files may be gone when this returns.
    pub fn release(&mut self, lsn: Lsn) {
        self.released = self.released.max(lsn.min(self.durable));
        self.files.release(self.released);
    }

    /// Up to here records are durable.
    pub fn durable(&self) -> Lsn {
        self.durable
    }

    /// When to call [`Wal::order`] and [`Wal::prepare`] again if nothing is submitted until then. None: not at all. It
    /// may be past, which means at once.
    pub fn deadline(&self) -> Option<Monotonic> {
        if self.poison.is_some() {
            return None;
        }
        let write_at = match &self.flight {
            Flight::Kept { retry_at, .. } => Some(*retry_at),
            Flight::Out => None,
            Flight::None if self.lacks_file => None,
            Flight::None if self.queue.is_empty() => self.marker_at(),
            Flight::None => Some(self.written_at),
        };
        [write_at, self.files.deadline()].into_iter().flatten().min()
    }

    /// When the last batch is to be confirmed by a marker, if it is not yet.
    fn marker_at(&self) -> Option<Monotonic> {
        (self.confirmed < self.durable).then(|| self.written_at + self.limits.marker_delay)
    }

    /// Whether the log takes records.
    pub fn state(&self) -> State<'_> {
        let is_out_of_room = self.lacks_file && self.files.is_full();
        match (&self.poison, &self.flight) {
            (Some(error), _) => State::Poisoned(error),
            (None, Flight::Kept { .. }) => State::Full,
            (None, Flight::None | Flight::Out) if is_out_of_room => State::Full,
            (None, Flight::None | Flight::Out) => State::Writing,
        }
    }

    /// The open file of that number, to read records that are durable. None when it was released.
    pub fn file(&self, number: u64) -> Option<&D::File> {
        self.files.file(number)
    }

    /// Counters.
    pub fn statistics(&self) -> Statistics {
        self.statistics
    }

    /// How many files hold records that were not released, and how long they are together.
    pub fn files(&self) -> (usize, u64) {
        (self.files.live_count(), self.files.live_bytes())
    }

    /// What must hold between any two calls.
    ///
    /// # Panics
    /// When it does not.
    pub fn check_invariants(&self) {
        assert!(self.released <= self.durable || self.durable == Lsn::NONE, "what is released was durable");
        assert!(self.confirmed <= self.durable, "what is confirmed is durable");
        assert!(self.durable < self.unwritten, "what is durable was written");
        assert!(self.unwritten <= self.next, "what was written was submitted");
        assert_eq!(self.unwritten == self.next, self.queue.is_empty(), "the queue holds what was not written");
        self.files.check_invariants();
    }
}

fn count(records: usize) -> u64 {
    u64::try_from(records).expect("a length fits")
}

/// One durable write of one batch.
#[derive(Debug)]
pub struct Write<F> {
    file: F,
    header: Header,
    buffer: BlockBuffer,
}

impl<F: DiskFile> Write<F> {
    /// Writes and waits until it is durable. It may be called again if the disk was full.
    ///
    /// # Errors
    /// The disk's.
    pub fn perform(&self) -> Result<(), DiskError> {
        self.file.write_at(self.header.offset.into(), self.buffer.bytes(), Durability::Durable)
    }

    /// Where the batch's records will be: they can be read there once they are durable.
    pub fn places(&self) -> impl Iterator<Item = (Lsn, Place)> {
        let batch = Batch { header: self.header, bytes: self.buffer.bytes() };
        let (file, mut offset) = (self.header.file, self.header.offset + disk_size(HEADER_BYTES));
        let mut lsn = self.header.first;
        batch.directory().into_iter().flatten().map(move |entry| {
            let placed = (lsn, Place { file, offset, bytes: entry.bytes });
            lsn = lsn.next();
            offset += entry.bytes;
            placed
        })
    }

    /// Length of the batch, in whole blocks.
    pub fn bytes(&self) -> usize {
        self.buffer.bytes().len()
    }
}

/// Records that were not taken.
#[derive(Debug)]
pub struct Refused {
    /// Why.
    pub reason: RefusedReason,
    /// The records, as they came.
    pub submission: Submission,
}

/// Why records were not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RefusedReason {
    /// As much waits as may. Try again when something became durable.
    Busy,
    /// The disk is full. Try again later.
    Full,
    /// Nothing is taken before the log is opened again.
    Poisoned(DiskError),
}

impl fmt::Display for RefusedReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RefusedReason::Busy => f.write_str("the log cannot keep up"),
            RefusedReason::Full => f.write_str("the disk is full"),
            RefusedReason::Poisoned(error) => write!(f, "the log stopped: {error}"),
        }
    }
}

/// A log that could not be opened.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum OpenError {
    /// The disk's.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// A newer release wrote a batch.
    #[error("{file:?} at {offset} is of log version {version}; this release reads up to {}", batch::BATCH_VERSION)]
    NewerBatch {
        /// The file's name.
        file: String,
        /// Where.
        offset: u64,
        /// Its version.
        version: u16,
    },
    /// A newer release wrote a record.
    #[error("{file:?} holds a record of version {version}; this release reads up to {}", record::RECORD_VERSION)]
    NewerRecord {
        /// The file's name.
        file: String,
        /// Its version.
        version: u8,
    },
    /// Somebody put files of two logs into one folder.
    #[error("{one:?} and {other:?} are of different logs; a folder holds one")]
    TwoLogs {
        /// A file of one log.
        one: String,
        /// A file of another.
        other: String,
    },
}
