//! The bytes of subjects, one behind the other in blocks.
//!
//! Nothing is given back until all that is needed is copied to new blocks, which whoever holds the names does when half
//! of the bytes are dead.

use crate::wal::number::size;

/// Where a name lies and how long it is: 47 bits and 16; the bit between is the holder's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Name(u64);

/// A name does not reach over the end of its block, and is shorter than one.
const BLOCK_BYTES: usize = 64 << 10;

const LENGTH_BITS: u32 = 16;
const MARK: u64 = 1 << LENGTH_BITS;
const OFFSET_SHIFT: u32 = LENGTH_BITS + 1;

impl Name {
    pub(super) fn length(self) -> usize {
        usize::try_from(self.0 & (MARK - 1)).expect("16 bits fit")
    }

    pub(super) fn is_marked(self) -> bool {
        self.0 & MARK != 0
    }

    pub(super) fn set_mark(&mut self, is_marked: bool) {
        self.0 = if is_marked { self.0 | MARK } else { self.0 & !MARK };
    }

    fn offset(self) -> usize {
        usize::try_from(self.0 >> OFFSET_SHIFT).expect("names lie in memory")
    }
}

#[derive(Debug, Default)]
pub(super) struct Names {
    blocks: Vec<Vec<u8>>,
    live_bytes: usize,
    dead_bytes: usize,
}

impl Names {
    /// Takes a copy.
    ///
    /// # Panics
    /// When it is 64 KiB or longer.
    pub(super) fn push(&mut self, name: &[u8]) -> Name {
        assert!(name.len() < BLOCK_BYTES, "a subject is below 64 KiB");
        if self.blocks.last().is_none_or(|block| block.len() + name.len() > BLOCK_BYTES) {
            // The first block grows as a vector does.
            self.blocks.push(if self.blocks.is_empty() { Vec::new() } else { Vec::with_capacity(BLOCK_BYTES) });
        }
        let before = (self.blocks.len() - 1) * BLOCK_BYTES;
        let block = self.blocks.last_mut().expect("one was added if there was none");
        let offset = before + block.len();
        block.extend_from_slice(name);
        self.live_bytes += name.len();
        let (offset, length) = (wide(offset), wide(name.len()));
        Name(offset << OFFSET_SHIFT | length)
    }

    pub(super) fn get(&self, name: Name) -> &[u8] {
        let (offset, length) = (name.offset(), name.length());
        let block = self.blocks.get(offset / BLOCK_BYTES);
        let bytes = block.and_then(|block| block.get(offset % BLOCK_BYTES..)?.get(..length));
        bytes.expect("a name is where it was put")
    }

    /// Nobody needs this name any more.
    pub(super) fn forget(&mut self, name: Name) {
        self.live_bytes -= name.length();
        self.dead_bytes += name.length();
    }

    /// It is time to copy what is needed.
    pub(super) fn is_half_dead(&self) -> bool {
        self.dead_bytes > self.live_bytes
    }

    pub(super) fn live_bytes(&self) -> usize {
        self.live_bytes
    }

    pub(super) fn memory_bytes(&self) -> usize {
        self.blocks.iter().map(Vec::capacity).sum::<usize>() + self.blocks.capacity() * size_of::<Vec<u8>>()
    }
}

fn wide(number: usize) -> u64 {
    u64::try_from(number).expect("a length fits")
}

/// An id as an index.
pub(super) fn index(id: u32) -> usize {
    size(id)
}
