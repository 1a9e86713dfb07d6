//! Looking for damage: at once for everything by which messages are found, block by block for the messages.

use std::fmt;

use super::Segment;
use super::block::{self, Block, Located};
use super::entries::Run;
use crate::disk::DiskFile;
use crate::file::{FileId, u64_of};
use crate::part::{Fetched, Files, Miss, Part, Parts, read};
use crate::wal::{GroupId, Name};

/// Something in a segment that is not what was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// Name of the file.
    pub file: String,
    /// Where it begins.
    pub offset: u64,
    /// How long the part is that holds it.
    pub bytes: u64,
    /// Which part.
    pub what: What,
    /// The messages that cannot be read, by group and sequence.
    pub lost: Vec<Name>,
}

/// Parts of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// A block. All of its messages that are not lost can be read.
    Block,
    /// Lists, columns, table, or the end block: what messages are found by. No message is lost; a repair brings it back.
    Index,
    /// Where a block should be, none can be recognised, and what was in it is not known from here.
    Unrecognised,
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.what {
            What::Block => "a block",
            What::Index => "the index",
            What::Unrecognised => "what should be a block",
        };
        write!(f, "{} at {}: {what} of {} bytes is damaged", self.file, self.offset, self.bytes)?;
        let mut separator = "; lost: ";
        for name in &self.lost {
            write!(f, "{separator}{name}")?;
            separator = ", ";
        }
        Ok(())
    }
}

impl Damage {
    pub(super) fn new(id: FileId, offset: u64, bytes: u64, what: What) -> Self {
        Damage { file: id.name(), offset, bytes, what, lost: Vec::new() }
    }

    /// Enters a message that cannot be read.
    pub(super) fn lose(&mut self, group: GroupId, sequence: u64) {
        match self.lost.last_mut() {
            Some(name) if name.group == group && name.sequence.checked_add(name.count.into()) == Some(sequence) => {
                name.count += 1;
            }
            Some(_) | None => self.lost.push(Name { group, sequence, count: 1 }),
        }
    }
}

impl Segment {
    /// Reads and verifies everything but the blocks, a few percent of the file. Whatever is named calls for
    /// [`super::repair`].
    pub fn check<F: DiskFile>(&self, file: &F) -> Vec<Damage> {
        let files = Files::new([(self.id.number, file.clone())]);
        let index = |part: Part| Damage::new(self.id, part.offset, part.bytes.into(), What::Index);
        let mut all = self.groups.parts(&files);
        all.extend(self.runs.parts(&files));
        all.extend(self.columns.parts(&files));
        all.extend(self.table.parts(&files));
        let mut damage: Vec<Damage> = all.into_iter().filter(|part| files.whole(*part).is_err()).map(index).collect();
        for place in 0..self.columns.len() {
            if let Ok(Some(page)) = self.columns.get(&files, place)
                && files.whole(page.part(self.id.number)).is_err()
            {
                damage.push(index(page.part(self.id.number)));
            }
        }
        let (end, _) = read(file, self.bytes, self.blocks_end, block::HEADER_BYTES);
        let is_end = matches!(
            block::Header::decode(&end, self.id, self.blocks_end),
            block::HeaderFound::Header(header) if header.is_end()
        );
        if !is_end {
            damage.push(Damage::new(self.id, self.blocks_end, u64_of(block::HEADER_BYTES), What::Index));
        }
        damage
    }

    /// The messages of a run that cannot be read from a damaged block.
    fn lost(&self, parts: &impl Parts, run: &Run, bytes: &[u8]) -> Result<Vec<u64>, Miss> {
        let block = Block::read(bytes, self.id, run.offset);
        let mut lost = Vec::new();
        let mut next = self.next_present(parts, run.group, run.first)?;
        while let Some(sequence) = next.filter(|sequence| *sequence <= run.last) {
            let located = block.locate(run.group, sequence, run.first_frame, run.count);
            if !matches!(located, Located::Frame(_)) {
                lost.push(sequence);
            }
            next = match sequence.checked_add(1) {
                Some(behind) => self.next_present(parts, run.group, behind)?,
                None => None,
            };
        }
        Ok(lost)
    }

    /// Reads and verifies all of the file.
    pub fn verify<F: DiskFile>(&self, file: &F) -> Vec<Damage> {
        let mut damage = self.check(file);
        if damage.is_empty() {
            let files = Files::new([(self.id.number, file.clone())]);
            let mut scrub = Scrub::new(*self);
            while let Ok(true) = scrub.advance(&files, &mut damage) {}
        }
        damage
    }
}

/// A walk over all blocks that verifies them, as slowly as its owner likes.
#[derive(Clone, Debug)]
pub struct Scrub {
    segment: Segment,
    /// The next run.
    place: u64,
    /// The block that was read last.
    block: Option<Fetched>,
}

impl Scrub {
    /// From the first block on.
    pub fn new(segment: Segment) -> Self {
        Scrub { segment, place: 0, block: None }
    }

    /// Verifies the messages of one group in one block; false when there is none left. A damaged block is entered once,
    /// with all that it took.
    ///
    /// # Errors
    /// [`Miss`]: cold, or the lists that say where messages are were damaged since they were checked.
    pub fn advance(&mut self, parts: &impl Parts, damage: &mut Vec<Damage>) -> Result<bool, Miss> {
        let segment = &self.segment;
        let Some(run) = segment.runs.get(parts, self.place)? else { return Ok(false) };
        let part = run.block(segment.id.number);
        let fetched = match &self.block {
            Some(block) if block.part() == part => block.clone(),
            Some(_) | None => parts.part(part)?,
        };
        if fetched.fault().is_some() {
            let lost = segment.lost(parts, &run, fetched.bytes())?;
            let is_entered =
                damage.last().is_some_and(|entry| entry.offset == part.offset && entry.file == segment.id.name());
            if !is_entered {
                damage.push(Damage::new(segment.id, part.offset, part.bytes.into(), What::Block));
            }
            let entry = damage.last_mut().expect("it was entered");
            lost.into_iter().for_each(|sequence| entry.lose(run.group, sequence));
        }
        self.block = Some(fetched);
        self.place += 1;
        Ok(true)
    }
}
