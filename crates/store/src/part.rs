//! Parts of immutable files: what is read at once, and who has it.
//!
//! ```text
//!   machine ── part(p) ──► Cache: here it is
//!      │                     └── or: cold ──► any thread: p.fetch(&file) ──► Fetched ──► Cache::insert ──► ask again
//!      └ trailer ─► directory ─► pages, tables, blocks: whoever names a part knows its checksum
//! ```
//!
//! A part is named by its file, place, length and checksum. The checksum lies with whoever points to the part, up to the
//! trailer of the file, so that a part that was written or read at the wrong place is noticed like one that rotted. A
//! [`Fetched`] that leaves this crate comes from [`Part::fetch`], which verifies it.
//!
//! Not here: what is in a part; opening files.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;

use bytes::Bytes;
use crc32c::crc32c;
use foldhash::fast::FixedState;
use hashbrown::HashMap;

use crate::disk::{BLOCK_BYTES, BlockBuffer, DiskFile};
use crate::wal::number::size;

/// A part of an immutable file, by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Part {
    /// Number of the file.
    pub file: u64,
    /// Where it begins.
    pub offset: u64,
    /// How long it is.
    pub bytes: u32,
    /// CRC32C of it.
    pub checksum: u32,
}

impl Part {
    /// Reads it and looks whether it is the one. What cannot be read at all stands as zeros in the answer; what a file
    /// is too short for is not read.
    pub fn fetch<F: DiskFile>(self, file: &F) -> Fetched {
        let end = self.offset.saturating_add(u64::from(self.bytes));
        let file_bytes = file.bytes().unwrap_or(0);
        if end > file_bytes {
            return Fetched { part: self, bytes: Bytes::new(), fault: Some(Fault::Unreadable) };
        }
        let (bytes, is_readable) = read(file, file_bytes, self.offset, size(self.bytes));
        let fault = match is_readable {
            false => Some(Fault::Unreadable),
            true => (crc32c(&bytes) != self.checksum).then_some(Fault::Checksum),
        };
        Fetched { part: self, bytes, fault }
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "file {} at {}, {} bytes", self.file, self.offset, self.bytes)
    }
}

/// Reads whole blocks around what is wanted, as direct I/O demands; block by block where one of them cannot be read.
/// False when one could not. The caller has compared the length with the file's.
pub(crate) fn read<F: DiskFile>(file: &F, file_bytes: u64, offset: u64, length: usize) -> (Bytes, bool) {
    let block = u64::try_from(BLOCK_BYTES).expect("a block is short");
    let start = offset / block * block;
    let before = usize::try_from(offset - start).expect("within a block");
    let available = usize::try_from(file_bytes - start).unwrap_or(usize::MAX);
    let mut buffer = BlockBuffer::with_capacity(before + length);
    buffer.set_length(buffer.capacity().min(available));
    let mut is_readable = true;
    if file.read_at(start, buffer.bytes_mut()).is_err() {
        let mut at = start;
        for piece in buffer.bytes_mut().chunks_mut(BLOCK_BYTES) {
            if file.read_at(at, piece).is_err() {
                piece.fill(0);
                is_readable = false;
            }
            at += block;
        }
    }
    let bytes = buffer.bytes().get(before..before + length).expect("the buffer covers what is wanted");
    (Bytes::copy_from_slice(bytes), is_readable)
}

/// The answer to a part that was cold: its bytes, and whether they are the right ones.
#[derive(Clone, Debug)]
pub struct Fetched {
    part: Part,
    bytes: Bytes,
    fault: Option<Fault>,
}

impl Fetched {
    /// Bytes as if their checksum were right: what a decoder must survive all the same.
    pub(crate) fn unverified(part: Part, bytes: Bytes) -> Self {
        Fetched { part, bytes, fault: None }
    }

    /// What was asked for.
    pub fn part(&self) -> Part {
        self.part
    }

    /// What is wrong with it; none when it is what was written.
    pub fn fault(&self) -> Option<Fault> {
        self.fault
    }

    /// The bytes, damaged or not: something in them may carry a checksum of its own.
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// The same.
    pub fn into_bytes(self) -> Bytes {
        self.bytes
    }

    /// The bytes, if they are what was written.
    ///
    /// # Errors
    /// [`Miss::Damaged`].
    pub fn whole(self) -> Result<Bytes, Miss> {
        match self.fault {
            None => Ok(self.bytes),
            Some(fault) => Err(Miss::Damaged { part: self.part, fault }),
        }
    }
}

/// What is wrong with a part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The disk does not read it, or the file ends before.
    Unreadable,
    /// It is not what was written.
    Checksum,
    /// Its checksum is right, and it makes no sense: it was written wrongly.
    Malformed,
}

/// Why something is not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Miss {
    /// This has to be fetched first. Nothing was changed; ask again then.
    Cold(Part),
    /// It cannot be read from this file.
    Damaged {
        /// Where.
        part: Part,
        /// What is wrong there.
        fault: Fault,
    },
}

impl fmt::Display for Miss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Miss::Cold(part) => write!(f, "{part} is not in memory"),
            Miss::Damaged { part, fault: Fault::Unreadable } => write!(f, "{part} cannot be read"),
            Miss::Damaged { part, fault: Fault::Checksum } => write!(f, "{part}: the checksum does not match"),
            Miss::Damaged { part, fault: Fault::Malformed } => write!(f, "{part} is malformed"),
        }
    }
}

impl std::error::Error for Miss {}

/// Who has parts.
pub trait Parts {
    /// A part, as it was fetched.
    ///
    /// # Errors
    /// [`Miss::Cold`].
    fn part(&self, part: Part) -> Result<Fetched, Miss>;

    /// A part that is of use whole only.
    ///
    /// # Errors
    /// Cold or damaged.
    fn whole(&self, part: Part) -> Result<Bytes, Miss> {
        self.part(part)?.whole()
    }
}

/// Reads from open files at once: for threads that may wait. Nothing is ever cold.
#[derive(Clone, Debug)]
pub struct Files<F> {
    files: BTreeMap<u64, F>,
}

impl<F: DiskFile> Files<F> {
    /// Of some files, by number.
    pub fn new(files: impl IntoIterator<Item = (u64, F)>) -> Self {
        Files { files: files.into_iter().collect() }
    }
}

impl<F: DiskFile> Parts for Files<F> {
    fn part(&self, part: Part) -> Result<Fetched, Miss> {
        let file = self.files.get(&part.file);
        file.map(|file| part.fetch(file)).ok_or(Miss::Damaged { part, fault: Fault::Unreadable })
    }
}

/// What was fetched, as much of it as fits. A part that is asked for is kept longer than one that is not.
///
/// One owner, one thread. The budget must hold what one call needs at once; the longest is a column page (64 KiB) or a
/// block with a path of table nodes.
#[derive(Debug)]
pub struct Cache {
    bytes_max: usize,
    /// What is asked for is marked as used, though nobody may see a difference.
    kept: RefCell<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    slots: Vec<Slot>,
    places: HashMap<Part, usize, FixedState>,
    bytes: usize,
    /// The slot that is looked at next when room is needed.
    hand: usize,
}

#[derive(Debug)]
struct Slot {
    fetched: Fetched,
    is_used: bool,
}

/// What a slot costs beside the bytes it holds.
const SLOT_BYTES: usize = 128;

impl Cache {
    /// Holds so many bytes at most, its own tables included.
    pub fn new(bytes_max: usize) -> Self {
        Cache { bytes_max, kept: RefCell::default() }
    }

    /// Keeps what was fetched, and lets go of others until it fits. A part longer than the budget is kept alone.
    pub fn insert(&self, fetched: Fetched) {
        let mut kept = self.kept.borrow_mut();
        if kept.places.contains_key(&fetched.part) {
            return;
        }
        kept.bytes += cost(&fetched);
        while kept.bytes > self.bytes_max && !kept.slots.is_empty() {
            kept.make_room();
        }
        let place = kept.slots.len();
        kept.places.insert(fetched.part, place);
        // A long walk must not push out what is asked for again and again: a part counts as used when it is.
        kept.slots.push(Slot { fetched, is_used: false });
    }

    /// Lets go of everything of a file that is no more.
    pub fn forget(&self, file: u64) {
        let mut kept = self.kept.borrow_mut();
        while let Some(place) = kept.slots.iter().position(|slot| slot.fetched.part.file == file) {
            kept.remove(place);
        }
    }

    /// What is held.
    pub fn bytes(&self) -> usize {
        self.kept.borrow().bytes
    }
}

impl Parts for Cache {
    fn part(&self, part: Part) -> Result<Fetched, Miss> {
        let kept = &mut *self.kept.borrow_mut();
        let slot = kept.places.get(&part).and_then(|place| kept.slots.get_mut(*place)).ok_or(Miss::Cold(part))?;
        slot.is_used = true;
        Ok(slot.fetched.clone())
    }
}

impl Kept {
    /// Moves the hand over used slots, which lose their mark, and removes the first that has none.
    fn make_room(&mut self) {
        loop {
            if self.hand >= self.slots.len() {
                self.hand = 0;
            }
            match self.slots.get_mut(self.hand) {
                Some(slot) if slot.is_used => slot.is_used = false,
                Some(_) => {
                    self.remove(self.hand);
                    // What came last is there now; it has its time before it.
                    self.hand += 1;
                    return;
                }
                None => return,
            }
            self.hand += 1;
        }
    }

    /// Removes a slot; the last one takes its place.
    fn remove(&mut self, place: usize) {
        let slot = self.slots.swap_remove(place);
        self.places.remove(&slot.fetched.part);
        self.bytes -= cost(&slot.fetched);
        if let Some(moved) = self.slots.get(place) {
            self.places.insert(moved.fetched.part, place);
        }
    }
}

fn cost(fetched: &Fetched) -> usize {
    fetched.bytes.len() + SLOT_BYTES
}

#[cfg(test)]
mod tests {
    //! What is cold, what is kept, what is wrong.

    use super::*;
    use crate::disk::Disk as _;
    use crate::disk::Durability;
    use crate::fuzzing::memory::MemoryDisk;

    fn part(offset: u64, bytes: &[u8]) -> Part {
        Part { file: 7, offset, bytes: u32::try_from(bytes.len()).unwrap(), checksum: crc32c(bytes) }
    }

    #[test]
    fn a_part_is_what_was_written_or_says_what_is_wrong() {
        let file = MemoryDisk::default().create("a").unwrap();
        let content: Vec<u8> = (0..10_000_u32).map(|number| number.to_le_bytes()[0]).collect();
        file.write_at(0, &content, Durability::Later).unwrap();
        let sound = part(4_000, &content[4_000..9_001]);
        assert_eq!(&sound.fetch(&file).whole().unwrap()[..], &content[4_000..9_001]);
        let other = Part { checksum: 1, ..sound };
        assert_eq!(other.fetch(&file).whole(), Err(Miss::Damaged { part: other, fault: Fault::Checksum }));
        let long = Part { bytes: u32::MAX, ..sound };
        let fetched = long.fetch(&file);
        assert_eq!((fetched.fault(), fetched.bytes().len()), (Some(Fault::Unreadable), 0));
        assert_eq!(fetched.whole().unwrap_err().to_string(), "file 7 at 4000, 4294967295 bytes cannot be read");
        let files = Files::new([(7, file)]);
        assert!(files.whole(sound).is_ok());
        assert!(files.whole(Part { file: 8, ..sound }).is_err());
    }

    #[test]
    fn a_cache_keeps_what_is_asked_for_within_its_budget() {
        let content = vec![3; 1_000];
        let cache = Cache::new(10 * (1_000 + SLOT_BYTES));
        let fetched = |number: u64| Fetched {
            part: part(number, &content),
            bytes: Bytes::copy_from_slice(&content),
            fault: None,
        };
        let favourite = part(0, &content);
        assert_eq!(cache.whole(favourite), Err(Miss::Cold(favourite)));
        cache.insert(fetched(0));
        for number in 1..100 {
            cache.insert(fetched(number));
            cache.insert(fetched(number));
            assert!(cache.bytes() <= 10 * (1_000 + SLOT_BYTES));
            assert!(cache.whole(favourite).is_ok(), "after {number} others");
        }
        assert!(cache.whole(part(99, &content)).is_ok(), "what came last is there");
        cache.forget(7);
        assert_eq!(cache.bytes(), 0);
        assert!(cache.whole(favourite).is_err());
    }
}
