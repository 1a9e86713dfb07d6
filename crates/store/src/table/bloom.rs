//! A Bloom filter in pages: whether a key can be in a table, at the cost of one page.
//!
//! Ten bits a key and seven probes, which take one absent key in a hundred for present. All seven lie in one page of
//! 4096 bytes, chosen by the key, so that a filter of any size is asked by reading one page.
//!
//! ```text
//!   ┌────────┬────────┬── ──┬───────────┐
//!   │ page 0 │ page 1 │ ... │ checksums │      checksums: of each page, 4 bytes
//!   └────────┴────────┴── ──┴───────────┘
//! ```

use crc32c::crc32c;

use crate::disk::{Disk, DiskError};
use crate::file::{Output, u64_of};
use crate::part::{Fault, Miss, Part, Parts};
use crate::wal::number::{disk_size, u32_at, u64_at};

const BITS_PER_KEY: u64 = 10;
const PROBES: u32 = 7;
const PAGE_BYTES: usize = 4096;

/// Odd, with bits all over: the golden ratio, and a prime used by xxHash.
const FACTORS: [u64; 2] = [0x9e37_79b9_7f4a_7c15, 0xc2b2_ae3d_27d4_eb4f];

/// What a filter keeps of a key, the same on every machine: eight bytes at a time, the last ones filled with zeros.
pub(super) fn hash(key: &[u8]) -> u64 {
    let [first, second] = FACTORS;
    let mut hash = u64_of(key.len()).wrapping_mul(second);
    for chunk in key.chunks(8) {
        let mut bytes = [0; 8];
        bytes.iter_mut().zip(chunk).for_each(|(byte, from)| *byte = *from);
        hash = (hash ^ u64::from_le_bytes(bytes)).wrapping_mul(first);
        hash ^= hash >> 32;
    }
    hash = hash.wrapping_mul(second);
    hash ^ hash >> 29
}

/// Which page of how many, and the bits in a page of so many bits.
fn places(hash: u64, pages: u32, page_bits: u32) -> (u32, impl Iterator<Item = u32>) {
    let high = |number: u64| u32::try_from(number >> 32).expect("the upper half of a u64");
    let low = |number: u64| u32::try_from(number & 0xffff_ffff).expect("the lower half of a u64");
    let page = high(u64::from(high(hash)) * u64::from(pages));
    let [first, _] = FACTORS;
    let (start, step) = (low(hash), high(hash.wrapping_mul(first)) | 1);
    let bits = (0..PROBES).map(move |probe| start.wrapping_add(probe.wrapping_mul(step)) % page_bits);
    (page, bits)
}

/// A filter that grows.
#[derive(Debug)]
pub(super) struct Builder {
    bits: Vec<u8>,
    pages: u32,
    page_bytes: usize,
}

impl Builder {
    /// For up to `keys` keys; with more, it lets more through.
    pub(super) fn new(keys: u64) -> Self {
        let bytes = usize::try_from(keys.saturating_mul(BITS_PER_KEY).div_ceil(8)).unwrap_or(usize::MAX);
        let page_bytes = bytes.next_multiple_of(8).clamp(8, PAGE_BYTES);
        let pages = bytes.div_ceil(page_bytes).max(1);
        let pages = u32::try_from(pages).unwrap_or(u32::MAX / 4096);
        Builder { bits: vec![0; page_bytes * usize::try_from(pages).expect("a u32 fits")], pages, page_bytes }
    }

    pub(super) fn insert(&mut self, key: &[u8]) {
        let page_bytes = disk_size(self.page_bytes);
        let (page, bits) = places(hash(key), self.pages, page_bytes * 8);
        let start = usize::try_from(page).expect("a u32 fits") * self.page_bytes;
        for bit in bits {
            let at = start + usize::try_from(bit / 8).expect("a u32 fits");
            let byte = self.bits.get_mut(at).expect("a bit is in its page");
            *byte |= 1 << (bit % 8);
        }
    }

    pub(super) fn write<D: Disk>(&self, output: &mut Output<'_, D>) -> Result<Bloom, DiskError> {
        let offset = output.position();
        output.write(&self.bits)?;
        let mut checksums = Vec::new();
        self.bits.chunks(self.page_bytes).for_each(|page| checksums.extend_from_slice(&crc32c(page).to_le_bytes()));
        output.write(&checksums)?;
        let page_bytes = disk_size(self.page_bytes);
        Ok(Bloom { file: output.id().number, offset, pages: self.pages, page_bytes, checksum: crc32c(&checksums) })
    }
}

/// Where a filter is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Bloom {
    file: u64,
    offset: u64,
    pages: u32,
    page_bytes: u32,
    checksum: u32,
}

impl Bloom {
    pub(super) const BYTES: usize = 20;

    pub(super) fn encode(&self, bytes: &mut Vec<u8>) {
        bytes.extend_from_slice(&self.offset.to_le_bytes());
        bytes.extend_from_slice(&self.pages.to_le_bytes());
        bytes.extend_from_slice(&self.page_bytes.to_le_bytes());
        bytes.extend_from_slice(&self.checksum.to_le_bytes());
    }

    /// None when it cannot be in a file whose content ends at `content_end`.
    pub(super) fn decode(bytes: &[u8], file: u64, content_end: u64) -> Option<Self> {
        let bloom = Bloom {
            file,
            offset: u64_at(bytes, 0)?,
            pages: u32_at(bytes, 8)?,
            page_bytes: u32_at(bytes, 12)?,
            checksum: u32_at(bytes, 16)?,
        };
        let is_sound = (1..=u32::MAX / 4).contains(&bloom.pages)
            && (1..=disk_size(PAGE_BYTES)).contains(&bloom.page_bytes)
            && bloom.offset.checked_add(bloom.bytes()).is_some_and(|end| end <= content_end);
        is_sound.then_some(bloom)
    }

    /// Length on disk.
    pub(super) fn bytes(&self) -> u64 {
        u64::from(self.pages).saturating_mul(u64::from(self.page_bytes) + 4)
    }

    fn checksums(&self) -> Part {
        let offset = self.offset + u64::from(self.pages) * u64::from(self.page_bytes);
        Part { file: self.file, offset, bytes: self.pages * 4, checksum: self.checksum }
    }

    fn page(&self, checksums: &[u8], page: u32) -> Option<Part> {
        let at = usize::try_from(page).ok()?.checked_mul(4)?;
        let offset = self.offset + u64::from(page) * u64::from(self.page_bytes);
        Some(Part { file: self.file, offset, bytes: self.page_bytes, checksum: u32_at(checksums, at)? })
    }

    /// False when the key is not in the table.
    pub(super) fn may_contain(&self, parts: &impl Parts, key: &[u8]) -> Result<bool, Miss> {
        let checksums = parts.whole(self.checksums())?;
        let (page, mut bits) = places(hash(key), self.pages, self.page_bytes * 8);
        let malformed = Miss::Damaged { part: self.checksums(), fault: Fault::Malformed };
        let page = parts.whole(self.page(&checksums, page).ok_or(malformed)?)?;
        Ok(bits.all(|bit| {
            let byte = usize::try_from(bit / 8).ok().and_then(|at| page.get(at));
            byte.is_some_and(|byte| byte & 1 << (bit % 8) != 0)
        }))
    }

    /// Every part of the filter, for whoever verifies it; where the checksums are damaged, those alone.
    pub(super) fn parts(&self, parts: &impl Parts) -> Vec<Part> {
        let mut all = vec![self.checksums()];
        if let Ok(checksums) = parts.whole(self.checksums()) {
            all.extend((0..self.pages).filter_map(|page| self.page(&checksums, page)));
        }
        all
    }
}
