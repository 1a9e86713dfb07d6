//! Reading the log at the start: what is there, where it ends, and what was lost.
//!
//! The log ends behind its last batch. What a power cut leaves there and what rot leaves inside look alike, byte for
//! byte; this tells them apart. One batch is written at a time, so
//!
//! ```text
//!   a batch is confirmed  ⇔  a batch follows it, in its file or in a later file
//! ```
//!
//! - The last batch, not confirmed and not whole: a *torn tail*. It was never acknowledged, and is left out.
//! - A confirmed batch that is not whole, or positions missing before a batch: *damage*. What was lost is reported,
//!   by name where a name is left; the rest is delivered.
//!
//! Nothing is written over here and nothing removed: the next opening goes on in a new file.

use std::fmt;

use super::batch::{Batch, HEADER_BYTES, Header};
use super::files::FileId;
use super::number::{disk_size, size};
use super::reader::Reader;
use super::record::{BadRecord, Entry, Name, Record};
use super::{Lsn, OpenError, Place};
use crate::disk::DiskFile;

/// A record that was read back.
#[derive(Clone, Copy, Debug)]
pub struct Recovered<'a> {
    /// Its position.
    pub lsn: Lsn,
    /// Where it lies.
    pub place: Place,
    /// What it says.
    pub record: Record<'a>,
}

/// What the opening of a log found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recovery {
    /// Records delivered.
    pub records: u64,
    /// Batches read, markers too.
    pub batches: u64,
    /// Which opening of this log this is, from 1.
    pub epoch: u64,
    /// The position that the next record gets.
    pub next: Lsn,
    /// A batch at the end that a crash cut short, and that nobody was told of.
    pub torn: Option<Torn>,
    /// Records that an earlier opening had left out as torn, and whose positions it gave to others.
    pub superseded: u64,
    /// What was durable and is not there any more, or not as it was, in the order of the log.
    pub damage: Vec<Damage>,
}

/// The place of a torn tail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Torn {
    /// Its file's name.
    pub file: String,
    /// Where the batch begins.
    pub offset: u64,
}

/// A part of the log that is not as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// The file's name.
    pub file: String,
    /// Where it begins.
    pub offset: u64,
    /// What was seen.
    pub cause: Cause,
    /// The records that are gone. None when only what surrounds records was hit.
    pub lost: Vec<Lost>,
}

/// How damage shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// No batch can be recognised where one was.
    Batch,
    /// A batch does not follow the one before.
    Chain,
    /// A batch's header, directory or padding changed; its records are whole.
    Frame,
    /// Nothing is where records were: a file was removed or cut.
    Missing,
    /// A record changed.
    Record,
    /// The disk cannot read it.
    Unreadable,
}

/// Records in a row that are gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lost {
    /// The first position.
    pub first: Lsn,
    /// The last position.
    pub last: Lsn,
    /// What the record was called, where that can be read; then it is one record.
    pub name: Option<Name>,
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cause = match self.cause {
            Cause::Batch => "no batch can be recognised",
            Cause::Chain => "a batch does not follow the one before",
            Cause::Frame => "the frame of a batch changed",
            Cause::Missing => "records are missing",
            Cause::Record => "records changed",
            Cause::Unreadable => "the disk cannot read it",
        };
        write!(f, "{} at {}: {cause}; lost: ", self.file, self.offset)?;
        if self.lost.is_empty() {
            return f.write_str("nothing that is known");
        }
        for (index, lost) in self.lost.iter().enumerate() {
            f.write_str(if index == 0 { "" } else { ", " })?;
            lost.fmt(f)?;
        }
        Ok(())
    }
}

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name {
            Some(name) => name.fmt(f),
            None if self.first == self.last => write!(f, "log position {}", self.first.value()),
            None => write!(f, "log positions {} to {}", self.first.value(), self.last.value()),
        }
    }
}

/// What the scan needs to know of a file.
pub(super) struct ScanFile {
    pub(super) id: FileId,
    /// Positions from here on belong to later files.
    pub(super) ceiling: Option<Lsn>,
    /// There is a batch in a later file.
    pub(super) is_followed: bool,
}

/// A place where something may be missing.
#[derive(Clone, Copy)]
struct Gap {
    file: FileId,
    offset: u64,
    is_unreadable: bool,
}

/// A log as it is read, file by file.
pub(super) struct Scan {
    released: Lsn,
    /// The position that the next record must have; none before the first batch.
    expected: Option<Lsn>,
    /// Checksum of the batch before; none before the first.
    chain: Option<u32>,
    /// The durable position that the last header knows.
    confirmed: Lsn,
    /// The file of the last batch, and the batch's header if all of it is whole.
    last: Option<(FileId, Option<Header>)>,
    /// Behind the last batch of the file before.
    end_before: Option<Gap>,
    recovery: Recovery,
}

/// What the log goes on from.
pub(super) struct Scanned {
    pub(super) chain: u32,
    pub(super) confirmed: Lsn,
    /// The file of the last batch, and the batch's header if all of it is whole.
    pub(super) last: Option<(FileId, Option<Header>)>,
    pub(super) recovery: Recovery,
}

impl Scan {
    pub(super) fn new(released: Lsn) -> Self {
        Scan {
            released,
            expected: None,
            chain: None,
            confirmed: Lsn::NONE,
            last: None,
            end_before: None,
            recovery: Recovery::default(),
        }
    }

    /// The position behind what was read.
    pub(super) fn next(&self) -> Lsn {
        self.expected.unwrap_or(self.released.next())
    }

    /// Reads one file and hands its records to `visit`.
    ///
    /// # Errors
    /// Something was written by a newer release.
    pub(super) fn file<F: DiskFile>(
        &mut self,
        reader: &mut Reader<'_, F>,
        file: &ScanFile,
        visit: &mut dyn FnMut(Recovered<'_>),
    ) -> Result<(), OpenError> {
        let mut at = 0;
        while let Some(header) = reader.find_batch(at)? {
            let is_superseded = header.count > 0 && file.ceiling.is_some_and(|ceiling| header.first >= ceiling);
            let is_out_of_order = self.expected.is_some_and(|expected| header.first < expected);
            if is_superseded {
                self.recovery.superseded += u64::from(header.count);
            } else if is_out_of_order {
                self.damage(file.id, header.offset.into(), Cause::Chain, Vec::new());
            } else {
                self.look_between(reader, file, at, &header);
                if !self.batch(reader, file, &header, visit)? {
                    self.recovery.torn = Some(Torn { file: file.id.name(), offset: header.offset.into() });
                    break;
                }
            }
            at = header.end();
        }
        let is_unreadable = reader.is_unreadable(at, reader.bytes());
        if is_unreadable && !file.is_followed && self.recovery.torn.is_none() {
            self.damage(file.id, at, Cause::Unreadable, Vec::new());
        }
        self.end_before = Some(Gap { file: file.id, offset: at, is_unreadable });
        Ok(())
    }

    /// Compares where a batch was found, and what it says came before, with what was read before.
    fn look_between<F: DiskFile>(&mut self, reader: &Reader<'_, F>, file: &ScanFile, at: u64, header: &Header) {
        let start = u64::from(header.offset);
        let has_hole = start > at;
        let gap = match self.end_before {
            Some(end) if start == 0 => end,
            Some(_) | None => Gap { file: file.id, offset: at, is_unreadable: reader.is_unreadable(at, start) },
        };
        let first_missing = self.next().max(self.released.next());
        let lost = (header.first > first_missing).then(|| Lost {
            first: first_missing,
            last: header.first.previous(),
            name: None,
        });
        let breaks_chain = self.chain.is_some_and(|chain| chain != header.previous);
        let cause = match (has_hole, lost) {
            (false, None) if !breaks_chain => return,
            _ if gap.is_unreadable => Cause::Unreadable,
            (true, _) => Cause::Batch,
            (false, Some(_)) => Cause::Missing,
            (false, None) => Cause::Chain,
        };
        self.damage(gap.file, gap.offset, cause, lost.into_iter().collect());
    }

    /// Delivers a batch; false when it is a torn tail.
    fn batch<F: DiskFile>(
        &mut self,
        reader: &mut Reader<'_, F>,
        file: &ScanFile,
        header: &Header,
        visit: &mut dyn FnMut(Recovered<'_>),
    ) -> Result<bool, OpenError> {
        self.recovery.epoch = self.recovery.epoch.max(header.epoch);
        let examined = Examined::new(file, Batch { header: *header, bytes: reader.batch(header) })?;
        let (is_whole, is_sound) = (examined.is_whole(), examined.is_whole() && examined.has_sound_frame);
        if is_sound {
            self.deliver(file, header, &examined, visit);
        } else {
            let is_confirmed = file.is_followed || reader.find_batch(header.end())?.is_some();
            if !is_confirmed && !is_whole {
                return Ok(false);
            }
            // Looking ahead moved the reader's window.
            let examined = Examined::new(file, Batch { header: *header, bytes: reader.batch(header) })?;
            let lost = self.deliver(file, header, &examined, visit);
            if is_confirmed {
                let cause = match (reader.is_unreadable(header.offset.into(), header.end()), lost.is_empty()) {
                    (true, _) => Cause::Unreadable,
                    (false, true) => Cause::Frame,
                    (false, false) => Cause::Record,
                };
                self.damage(file.id, header.offset.into(), cause, lost);
            }
        }
        self.confirmed = header.durable;
        self.recovery.batches += 1;
        self.expected = Some(header.next());
        self.chain = Some(header.checksum());
        self.last = Some((file.id, is_whole.then_some(*header)));
        Ok(true)
    }

    /// Hands the whole records of a batch to `visit`, and returns the others.
    fn deliver(
        &mut self,
        file: &ScanFile,
        header: &Header,
        examined: &Examined<'_>,
        visit: &mut dyn FnMut(Recovered<'_>),
    ) -> Vec<Lost> {
        let mut lost: Vec<Lost> = Vec::new();
        let mut lsn = header.first;
        for part in &examined.parts {
            if lsn > self.released {
                match part {
                    Part::Whole { record, at, bytes } => {
                        let place = Place { file: file.id.number, offset: header.offset + at, bytes: *bytes };
                        self.recovery.records += 1;
                        visit(Recovered { lsn, place, record: *record });
                    }
                    Part::Lost(name) => push_lost(&mut lost, lsn, *name),
                }
            }
            lsn = lsn.next();
        }
        lost
    }

    fn damage(&mut self, file: FileId, offset: u64, cause: Cause, lost: Vec<Lost>) {
        self.recovery.damage.push(Damage { file: file.name(), offset, cause, lost });
    }

    /// What the files together say. `has_batches`: any file, read or not, holds a batch. Where records were released there
    /// was one, because the file of the last batch is never released.
    pub(super) fn finish(mut self, last_file: Option<FileId>, has_batches: bool) -> Scanned {
        let is_gone = !has_batches && self.released > Lsn::NONE;
        if is_gone {
            let file = last_file.map(FileId::name).unwrap_or_default();
            self.recovery.damage.push(Damage { file, offset: 0, cause: Cause::Missing, lost: Vec::new() });
        }
        self.recovery.next = self.next().max(self.released.next());
        self.recovery.epoch += 1;
        Scanned {
            chain: self.chain.unwrap_or_default(),
            confirmed: self.confirmed,
            last: self.last,
            recovery: self.recovery,
        }
    }
}

/// Adds a lost record; unnamed ones in a row are one entry.
fn push_lost(lost: &mut Vec<Lost>, lsn: Lsn, name: Option<Name>) {
    match lost.last_mut() {
        Some(before) if name.is_none() && before.name.is_none() => before.last = lsn,
        Some(_) | None => lost.push(Lost { first: lsn, last: lsn, name }),
    }
}

/// The records of a batch, each of which is whole or not.
struct Examined<'a> {
    parts: Vec<Part<'a>>,
    has_directory: bool,
    has_sound_frame: bool,
}

enum Part<'a> {
    Whole {
        record: Record<'a>,
        /// Offset in the batch.
        at: u32,
        bytes: u32,
    },
    Lost(Option<Name>),
}

impl<'a> Examined<'a> {
    fn new(file: &ScanFile, batch: Batch<'a>) -> Result<Self, OpenError> {
        let (parts, has_directory) = match batch.directory() {
            Some(directory) => (parts_by_directory(&batch, directory), true),
            None => (parts_by_heads(&batch), false),
        };
        let parts = parts.map_err(|version| OpenError::NewerRecord { file: file.id.name(), version })?;
        Ok(Examined { parts, has_directory, has_sound_frame: has_directory && batch.has_sound_frame() })
    }

    /// All records are there as they were written, and the directory proves that they belong here: records alone could
    /// be left from a former life of the file, where records of the same length lay at the same places.
    fn is_whole(&self) -> bool {
        self.has_directory && self.parts.iter().all(|part| matches!(part, Part::Whole { .. }))
    }
}

/// The directory is whole: it says where each record lies, what it is called and what its checksum is. Fails with the
/// version of a record that a newer release wrote.
fn parts_by_directory<'a>(batch: &Batch<'a>, directory: impl Iterator<Item = Entry>) -> Result<Vec<Part<'a>>, u8> {
    let mut at = HEADER_BYTES;
    let mut parts = Vec::with_capacity(size(batch.header.count));
    for entry in directory {
        let bytes = batch.records_from(at);
        let is_the_one = bytes.starts_with(&entry.checksum.to_le_bytes());
        parts.push(match Record::decode(bytes) {
            Ok(record) if is_the_one && record.name == entry.name => {
                Part::Whole { record, at: disk_size(at), bytes: entry.bytes }
            }
            Err(BadRecord::Version { found }) if is_the_one => return Err(found),
            Ok(_) | Err(_) => Part::Lost(Some(entry.name)),
        });
        at = at.saturating_add(size(entry.bytes));
    }
    Ok(parts)
}

/// The directory is lost: each record's own head says where the next one begins, up to one that is not whole. Fails as
/// above.
fn parts_by_heads<'a>(batch: &Batch<'a>) -> Result<Vec<Part<'a>>, u8> {
    let mut at = HEADER_BYTES;
    let mut parts = Vec::with_capacity(size(batch.header.count));
    for _ in 0..batch.header.count {
        let record = match Record::decode(batch.records_from(at)) {
            Ok(record) => record,
            Err(BadRecord::Version { found }) => return Err(found),
            Err(_) => break,
        };
        let bytes = record.encoded_bytes();
        parts.push(Part::Whole { record, at: disk_size(at), bytes: disk_size(bytes) });
        at += bytes;
    }
    parts.resize_with(size(batch.header.count), || Part::Lost(None));
    Ok(parts)
}
