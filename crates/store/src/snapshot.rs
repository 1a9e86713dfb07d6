//! The state of everything as of a position in the log, in one file: where a start begins, instead of at the first
//! record ever.
//!
//! ```text
//!   ┌──────┬────────────────────┬────────────────────┬── ──┬─────────┐
//!   │ head │ section: head bytes│ section: head bytes│ ... │ trailer │     section: group, applied, kind, version
//!   └──────┴────────────────────┴────────────────────┴── ──┴─────────┘     trailer: how many, and what they cover
//! ```
//!
//! A section is something that one group keeps, as of the position that it had *applied*; replay skips the group's
//! records up to there. Groups are written one after the other while they work on, so that each has a position of its
//! own. A snapshot *covers* a position when nothing of the log up to there is needed to go on from it.
//!
//! Two are kept. A start takes the newest that is whole. Where that is not the newest, it says so and goes on from the
//! one before, which needs more of the log. Hence the rule of [`Kept::release`]: **the log is released up to what the
//! older of the two covers, and a file that the older one names is not removed**; with one snapshot nothing is released
//! at all.
//!
//! Not here: what is in a section, and when a snapshot is due.

use crc32c::{crc32c, crc32c_append};

use crate::disk::{Disk, DiskError, DiskFile, Fault};
use crate::file::{self, Ends, FileError, FileId, HEAD_BYTES, Kind, Output, u64_of};
use crate::part::read;
use crate::wal::number::{disk_size, put, size, u16_at, u32_at, u64_at};
use crate::wal::{GroupId, Lsn};

/// Bytes of a section before its content.
const SECTION_HEAD_BYTES: usize = 40;

/// Something that a group keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Section<'a> {
    /// Whose it is.
    pub group: GroupId,
    /// The group's records up to here are in it.
    pub applied: Lsn,
    /// What it is.
    pub kind: u16,
    /// The version of its content.
    pub version: u16,
    /// Anything shorter than 4 GiB.
    pub bytes: &'a [u8],
}

impl Section<'_> {
    /// The head: its checksum (4) · checksum of the content (4) · group (8) · applied (8) · kind (2) · version (2) ·
    /// bytes of the content (4) · place, from 0 (4) · zero (4).
    fn head(&self, place: u32) -> Vec<u8> {
        let mut head = vec![0; SECTION_HEAD_BYTES];
        put(&mut head, 4, &crc32c(self.bytes).to_le_bytes());
        put(&mut head, 8, &self.group.0.to_le_bytes());
        put(&mut head, 16, &self.applied.value().to_le_bytes());
        put(&mut head, 24, &self.kind.to_le_bytes());
        put(&mut head, 26, &self.version.to_le_bytes());
        put(&mut head, 28, &disk_size(self.bytes.len()).to_le_bytes());
        put(&mut head, 32, &place.to_le_bytes());
        let checksum = crc32c(head.get(4..).expect("a head is longer"));
        put(&mut head, 0, &checksum.to_le_bytes());
        head
    }
}

/// A snapshot that is written. Dropped before it is finished, its file is removed.
pub struct SnapshotWriter<'d, D: Disk> {
    output: Output<'d, D>,
    sections: u32,
    heads_checksum: u32,
}

impl<D: Disk> std::fmt::Debug for SnapshotWriter<'_, D> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SnapshotWriter").field("id", &self.output.id()).field("sections", &self.sections).finish()
    }
}

impl<'d, D: Disk> SnapshotWriter<'d, D> {
    /// Begins a snapshot.
    ///
    /// # Errors
    /// The disk's.
    pub fn create(disk: &'d D, id: FileId) -> Result<Self, DiskError> {
        assert!(id.kind == Kind::State, "a snapshot is a state file");
        Ok(SnapshotWriter { output: Output::create(disk, id)?, sections: 0, heads_checksum: 0 })
    }

    /// Adds a section. A reader gets sections in this order.
    ///
    /// # Errors
    /// The disk's.
    pub fn push(&mut self, section: &Section<'_>) -> Result<(), DiskError> {
        let head = section.head(self.sections);
        self.heads_checksum = crc32c_append(self.heads_checksum, &head);
        self.sections += 1;
        self.output.write(&head)?;
        self.output.write(section.bytes)
    }

    /// Makes it durable. `covers`: nothing of the log up to there is needed beside it.
    ///
    /// # Errors
    /// The disk's; the file may be there all the same, and is not to be used.
    pub fn finish(self, covers: Lsn) -> Result<Snapshot, DiskError> {
        let content_end = self.output.position();
        let mut snapshot = Snapshot { id: self.output.id(), bytes: 0, sections: self.sections, covers };
        let mut fields = Vec::new();
        fields.extend_from_slice(&covers.value().to_le_bytes());
        fields.extend_from_slice(&content_end.to_le_bytes());
        fields.extend_from_slice(&self.sections.to_le_bytes());
        fields.extend_from_slice(&self.heads_checksum.to_le_bytes());
        snapshot.bytes = self.output.finish(&fields)?;
        Ok(snapshot)
    }
}

/// A snapshot that is whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Snapshot {
    id: FileId,
    bytes: u64,
    sections: u32,
    covers: Lsn,
}

impl Snapshot {
    /// Reads all of a file, shows its sections one after the other, and says at the end whether that was all. A section
    /// that is shown is what was written; what follows may be damaged, so that nobody should act before the end:
    /// [`open`] reads twice.
    ///
    /// # Errors
    /// [`FileError`].
    pub fn read<F: DiskFile>(file: &F, id: FileId, visit: &mut dyn FnMut(Section<'_>)) -> Result<Snapshot, FileError> {
        let damaged = |what| FileError::Damaged { file: id.name(), what };
        let Ends { bytes, body, content_end } = file::open(file, id)?;
        let fields = || Some((u64_at(&body, 0)?, u64_at(&body, 8)?, u32_at(&body, 16)?, u32_at(&body, 20)?));
        let (covers, end, sections, heads_checksum) = fields().ok_or_else(|| damaged("the trailer"))?;
        if end != content_end {
            return Err(damaged("the trailer"));
        }
        let (mut at, mut checksum) = (u64_of(HEAD_BYTES), 0);
        for place in 0..sections {
            if at + u64_of(SECTION_HEAD_BYTES) > end {
                return Err(damaged("a section"));
            }
            let (head, _) = read(file, bytes, at, SECTION_HEAD_BYTES);
            at += u64_of(SECTION_HEAD_BYTES);
            let found = SectionHead::decode(&head, place).filter(|found| at + u64::from(found.bytes) <= end);
            let found = found.ok_or_else(|| damaged("a section"))?;
            checksum = crc32c_append(checksum, &head);
            let (content, _) = read(file, bytes, at, size(found.bytes));
            at += u64::from(found.bytes);
            if crc32c(&content) != found.checksum {
                return Err(damaged("a section"));
            }
            visit(found.section(&content));
        }
        if at != end || checksum != heads_checksum {
            return Err(damaged("the list of sections"));
        }
        Ok(Snapshot { id, bytes, sections, covers: Lsn::new(covers) })
    }

    /// Which file.
    pub fn id(&self) -> FileId {
        self.id
    }

    /// Length of the file.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// How many sections there are.
    pub fn sections(&self) -> u32 {
        self.sections
    }

    /// Nothing of the log up to here is needed to go on from this snapshot.
    pub fn covers(&self) -> Lsn {
        self.covers
    }
}

struct SectionHead {
    checksum: u32,
    group: GroupId,
    applied: Lsn,
    kind: u16,
    version: u16,
    bytes: u32,
}

impl SectionHead {
    fn decode(head: &[u8], place: u32) -> Option<Self> {
        if u32_at(head, 0)? != crc32c(head.get(4..)?) || u32_at(head, 32)? != place {
            return None;
        }
        Some(SectionHead {
            checksum: u32_at(head, 4)?,
            group: GroupId(u64_at(head, 8)?),
            applied: Lsn::new(u64_at(head, 16)?),
            kind: u16_at(head, 24)?,
            version: u16_at(head, 26)?,
            bytes: u32_at(head, 28)?,
        })
    }

    fn section<'a>(&self, bytes: &'a [u8]) -> Section<'a> {
        Section { group: self.group, applied: self.applied, kind: self.kind, version: self.version, bytes }
    }
}

/// The snapshots of a store: the newest, and the one before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Kept {
    /// The one before the newest.
    pub older: Option<Snapshot>,
    /// None in a new store only.
    pub newest: Option<Snapshot>,
}

impl Kept {
    /// A snapshot was written. Returns the one that is not needed any more.
    ///
    /// # Panics
    /// When its number is not above the newest one's.
    pub fn written(&mut self, snapshot: Snapshot) -> Option<Snapshot> {
        assert!(self.newest.is_none_or(|newest| newest.id.number < snapshot.id.number), "numbers rise");
        let replaced = std::mem::replace(&mut self.older, self.newest);
        self.newest = Some(snapshot);
        replaced
    }

    /// The log may be released up to here: should the newest snapshot be damaged, the older one and the log are enough.
    pub fn release(&self) -> Lsn {
        self.older.map_or(Lsn::NONE, |older| older.covers)
    }
}

/// What a start finds.
#[derive(Debug)]
pub struct Opened {
    /// The two newest that are whole.
    pub kept: Kept,
    /// Each one that is not whole, the newest first. They stay where they are; if there is no whole one beside them, the
    /// state is lost and a start has to be refused.
    pub damaged: Vec<FileError>,
    /// Whole ones that are not needed any more, which a crash left.
    pub spare: Vec<FileId>,
}

/// Finds the snapshots of a store and verifies them. Nothing is shown before all of the newest whole one was verified;
/// then its sections are.
///
/// # Errors
/// The disk's, a snapshot of a newer release, or one that rotted between two looks at it.
pub fn open<D: Disk>(disk: &D, store: u64, visit: &mut dyn FnMut(Section<'_>)) -> Result<Opened, FileError> {
    let is_ours = |id: &FileId| id.kind == Kind::State && id.store == store;
    let mut ids: Vec<FileId> = disk.list()?.iter().filter_map(|name| FileId::parse(name)).filter(is_ours).collect();
    ids.sort_unstable_by_key(|id| std::cmp::Reverse(id.number));
    let mut opened = Opened { kept: Kept::default(), damaged: Vec::new(), spare: Vec::new() };
    for id in ids {
        let file = disk.open(&id.name())?;
        match Snapshot::read(&file, id, &mut |_| {}) {
            Ok(snapshot) if opened.kept.newest.is_none() => opened.kept.newest = Some(snapshot),
            Ok(snapshot) if opened.kept.older.is_none() => opened.kept.older = Some(snapshot),
            Ok(_) => opened.spare.push(id),
            Err(error @ FileError::Damaged { .. }) => opened.damaged.push(error),
            Err(FileError::Disk(error)) if error.fault == Fault::Other => {
                opened.damaged.push(FileError::Damaged { file: id.name(), what: "a part that cannot be read" });
            }
            Err(error @ (FileError::Disk(_) | FileError::Newer { .. } | FileError::UnknownCodec { .. })) => {
                return Err(error);
            }
        }
    }
    if let Some(newest) = opened.kept.newest {
        Snapshot::read(&disk.open(&newest.id.name())?, newest.id, visit)?;
    }
    Ok(opened)
}
