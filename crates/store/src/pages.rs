//! A sorted list of entries of one length, on disk in pages that are read one at a time.
//!
//! ```text
//!   ┌────────┬────────┬─── ───┬────────┬──────┐
//!   │ page 0 │ page 1 │  ...  │ page n │ root │      a page: whole entries, up to 4096 bytes; all but the last are full
//!   └────────┴────────┴─── ───┴────────┴──────┘      root: for each page the key of its first entry, and its checksum
//! ```
//!
//! To find an entry takes the root and one page. What is held in memory is the place of the root: [`Pages`].
//!
//! Not here: what entries mean.

use std::marker::PhantomData;

use bytes::Bytes;
use crc32c::crc32c;

use crate::disk::{BLOCK_BYTES, Disk, DiskError};
use crate::file::{Output, u64_of};
use crate::part::{Fault, Miss, Part, Parts};
use crate::wal::number::{disk_size, size, u32_at, u64_at};

/// Bytes of a root for each page.
const ROOT_ENTRY_BYTES: usize = 20;

/// What entries are sorted by.
pub(crate) type Key = (u64, u64);

/// Something of a fixed length that begins with its key.
pub(crate) trait Entry: Sized {
    /// At most a page.
    const BYTES: usize;

    fn key(&self) -> Key;

    /// Appends exactly [`Entry::BYTES`].
    fn encode(&self, bytes: &mut Vec<u8>);

    /// None when the bytes end before the entry does.
    fn decode(bytes: &[u8]) -> Option<Self>;
}

/// Where a list is.
#[derive(Debug)]
pub(crate) struct Pages<E> {
    file: u64,
    offset: u64,
    entries: u64,
    root_checksum: u32,
    kind: PhantomData<E>,
}

impl<E> Clone for Pages<E> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<E> Copy for Pages<E> {}

impl<E: Entry> Pages<E> {
    /// Bytes of [`Pages::encode`].
    pub(crate) const BYTES: usize = 24;

    const PAGE_ENTRIES: usize = BLOCK_BYTES / E::BYTES;

    /// Writes a list. Entries are sorted.
    pub(crate) fn write<D: Disk>(output: &mut Output<'_, D>, entries: &[E]) -> Result<Self, DiskError> {
        let offset = output.position();
        let mut root = Vec::new();
        for chunk in entries.chunks(Self::PAGE_ENTRIES) {
            let mut page = Vec::new();
            chunk.iter().for_each(|entry| entry.encode(&mut page));
            let first = chunk.first().map(Entry::key).expect("a chunk is not empty");
            root.extend_from_slice(&first.0.to_le_bytes());
            root.extend_from_slice(&first.1.to_le_bytes());
            root.extend_from_slice(&crc32c(&page).to_le_bytes());
            output.write(&page)?;
        }
        output.write(&root)?;
        let file = output.id().number;
        Ok(Pages { file, offset, entries: u64_of(entries.len()), root_checksum: crc32c(&root), kind: PhantomData })
    }

    /// How it stands in a trailer.
    pub(crate) fn encode(&self, bytes: &mut Vec<u8>) {
        bytes.extend_from_slice(&self.offset.to_le_bytes());
        bytes.extend_from_slice(&self.entries.to_le_bytes());
        bytes.extend_from_slice(&self.root_checksum.to_le_bytes());
        bytes.extend_from_slice(&[0; 4]);
    }

    /// None when it cannot be in a file whose content ends at `content_end`.
    pub(crate) fn decode(bytes: &[u8], file: u64, content_end: u64) -> Option<Self> {
        let (offset, entries, root_checksum) = (u64_at(bytes, 0)?, u64_at(bytes, 8)?, u32_at(bytes, 16)?);
        let pages = Pages { file, offset, entries, root_checksum, kind: PhantomData };
        let entry_bytes = entries.checked_mul(u64_of(E::BYTES))?;
        let root_bytes = pages.pages().checked_mul(u64_of(ROOT_ENTRY_BYTES))?;
        let end = offset.checked_add(entry_bytes)?.checked_add(root_bytes)?;
        let is_short = root_bytes <= u64::from(u32::MAX);
        (is_short && end <= content_end).then_some(pages)
    }

    /// How many entries there are.
    pub(crate) fn len(&self) -> u64 {
        self.entries
    }

    fn pages(&self) -> u64 {
        self.entries.div_ceil(u64_of(Self::PAGE_ENTRIES))
    }

    fn root(&self) -> Part {
        let bytes = self.pages() * u64_of(ROOT_ENTRY_BYTES);
        Part {
            file: self.file,
            offset: self.offset + self.entries * u64_of(E::BYTES),
            bytes: u32::try_from(bytes).expect("looked at when it was decoded"),
            checksum: self.root_checksum,
        }
    }

    /// The entry of that place.
    pub(crate) fn get(&self, parts: &impl Parts, place: u64) -> Result<Option<E>, Miss> {
        if place >= self.entries {
            return Ok(None);
        }
        let per_page = u64_of(Self::PAGE_ENTRIES);
        let root = parts.whole(self.root())?;
        let (part, page) = self.page(parts, &root, place / per_page)?;
        let within = usize::try_from(place % per_page).expect("within a page");
        page.get(within * E::BYTES..).and_then(E::decode).map(Some).ok_or_else(|| malformed(part))
    }

    /// The last entry whose key is not above `key`, and its place.
    pub(crate) fn find(&self, parts: &impl Parts, key: Key) -> Result<Option<(u64, E)>, Miss> {
        if self.entries == 0 {
            return Ok(None);
        }
        let root = parts.whole(self.root())?;
        let first_key = |bytes: &[u8], at: usize| Some((u64_at(bytes, at)?, u64_at(bytes, at + 8)?));
        let pages = root.len() / ROOT_ENTRY_BYTES;
        let below = partition_point(pages, |page| first_key(&root, page * ROOT_ENTRY_BYTES).is_some_and(|k| k <= key));
        let Some(number) = below.checked_sub(1) else { return Ok(None) };
        let (part, page) = self.page(parts, &root, u64_of(number))?;
        let count = page.len() / E::BYTES;
        let below = partition_point(count, |entry| first_key(&page, entry * E::BYTES).is_some_and(|k| k <= key));
        let within = below.checked_sub(1).ok_or_else(|| malformed(part))?;
        let entry = page.get(within * E::BYTES..).and_then(E::decode).ok_or_else(|| malformed(part))?;
        Ok(Some((u64_of(number) * u64_of(Self::PAGE_ENTRIES) + u64_of(within), entry)))
    }

    fn page(&self, parts: &impl Parts, root: &[u8], number: u64) -> Result<(Part, Bytes), Miss> {
        let per_page = u64_of(Self::PAGE_ENTRIES);
        let count = (self.entries - number * per_page).min(per_page);
        let bytes = usize::try_from(count).expect("within a page") * E::BYTES;
        let at = usize::try_from(number).ok().and_then(|number| number.checked_mul(ROOT_ENTRY_BYTES));
        let checksum = at.and_then(|at| u32_at(root, at + 16)).ok_or_else(|| malformed(self.root()))?;
        let offset = self.offset + number * per_page * u64_of(E::BYTES);
        let part = Part { file: self.file, offset, bytes: disk_size(bytes), checksum };
        Ok((part, parts.whole(part)?))
    }

    /// Every part of the list, for whoever verifies it; where the root is damaged, that alone.
    pub(crate) fn parts(&self, parts: &impl Parts) -> Vec<Part> {
        let mut all = vec![self.root()];
        if let Ok(root) = parts.whole(self.root()) {
            let pages = usize::try_from(self.pages()).unwrap_or(usize::MAX);
            let entries = size(disk_size(Self::PAGE_ENTRIES * E::BYTES));
            let mut left = self.entries;
            for (number, entry) in (0_u64..).zip(root.chunks_exact(ROOT_ENTRY_BYTES).take(pages)) {
                let count = left.min(u64_of(Self::PAGE_ENTRIES));
                left -= count;
                all.push(Part {
                    file: self.file,
                    offset: self.offset + number * u64_of(entries),
                    bytes: disk_size(usize::try_from(count).expect("within a page") * E::BYTES),
                    checksum: u32_at(entry, 16).unwrap_or_default(),
                });
            }
        }
        all
    }
}

fn malformed(part: Part) -> Miss {
    Miss::Damaged { part, fault: Fault::Malformed }
}

/// The first of `0..count` for which `is_below` is false; it is true for all before that one.
pub(crate) fn partition_point(count: usize, is_below: impl Fn(usize) -> bool) -> usize {
    let (mut low, mut high) = (0, count);
    while low < high {
        let middle = low + (high - low) / 2;
        if is_below(middle) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    low
}

#[cfg(test)]
mod tests {
    //! Entries are found by place and by key.

    use super::*;
    use crate::file::{self, FileId, Kind};
    use crate::fuzzing::memory::MemoryDisk;
    use crate::part::Files;

    #[derive(Clone, Copy, Debug, PartialEq)]
    struct Pair(u64, u64, u8);

    impl Entry for Pair {
        const BYTES: usize = 17;

        fn key(&self) -> Key {
            (self.0, self.1)
        }

        fn encode(&self, bytes: &mut Vec<u8>) {
            bytes.extend_from_slice(&self.0.to_le_bytes());
            bytes.extend_from_slice(&self.1.to_le_bytes());
            bytes.push(self.2);
        }

        fn decode(bytes: &[u8]) -> Option<Self> {
            Some(Pair(u64_at(bytes, 0)?, u64_at(bytes, 8)?, *bytes.get(16)?))
        }
    }

    #[test]
    fn entries_are_found_by_place_and_by_key() {
        for count in [0_u64, 1, 239, 240, 241, 5_000] {
            let id = FileId { kind: Kind::Segment, number: 1, store: 2 };
            let disk = MemoryDisk::default();
            let entries: Vec<Pair> = (0..count).map(|n| Pair(n / 7, n % 7 * 10, n.to_le_bytes()[0])).collect();
            let mut output = Output::create(&disk, id).unwrap();
            let pages = Pages::write(&mut output, &entries).unwrap();
            let mut fields = Vec::new();
            pages.encode(&mut fields);
            assert_eq!(fields.len(), Pages::<Pair>::BYTES);
            output.finish(&fields).unwrap();
            let file = disk.open(&id.name()).unwrap();
            let ends = file::open(&file, id).unwrap();
            let parts = Files::new([(1, file)]);
            let pages = Pages::<Pair>::decode(&ends.body, 1, ends.content_end).unwrap();
            assert!(Pages::<Pair>::decode(&ends.body, 1, ends.content_end - 1).is_none());
            assert_eq!(pages.len(), count);
            assert_eq!(pages.parts(&parts).len() - 1, entries.len().div_ceil(240));
            assert!(pages.parts(&parts).iter().all(|part| parts.whole(*part).is_ok()));
            for (place, entry) in (0..).zip(&entries) {
                assert_eq!(pages.get(&parts, place).unwrap(), Some(*entry));
                for above in [0, 9] {
                    let found = pages.find(&parts, (entry.0, entry.1 + above)).unwrap();
                    assert_eq!(found, Some((place, *entry)));
                }
            }
            assert_eq!(pages.get(&parts, count).unwrap(), None);
            assert_eq!(pages.find(&parts, (u64::MAX, 0)).unwrap().map(|found| found.0), count.checked_sub(1));
        }
    }
}
