//! What a worker thread owns so that connections need not: the read buffer, the batch, and a few spare chunks.

use std::cell::RefCell;

use super::{linger::Linger, port::Batch};

/// A full chunk; larger bodies get a chunk of their own size.
pub(crate) const CHUNK_BYTES: usize = 64 * 1024;
/// Bytes read at once.
pub(crate) const READ_BYTES: usize = 256 * 1024;
/// Spare chunks kept by a thread: 2 MiB.
const SPARE_CHUNKS_MAX: usize = 32;

/// A thread's own things, borrowed for one turn of one connection.
#[derive(Debug)]
pub(crate) struct Worker {
    pub(crate) buffer: Vec<u8>,
    pub(crate) batch: Batch,
    pub(crate) linger: Linger,
}

thread_local! {
    static WORKER: RefCell<Worker> = RefCell::new(Worker {
        buffer: vec![0; READ_BYTES],
        batch: Batch::default(),
        linger: Linger::default(),
    });
    static SPARE_CHUNKS: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
}

/// Runs one turn with this thread's worker. Turns do not nest.
pub(crate) fn with<T>(turn: impl FnOnce(&mut Worker) -> T) -> T {
    WORKER.with_borrow_mut(turn)
}

/// An empty chunk of full size, or of `bytes` if that is more.
#[inline]
pub(crate) fn take_chunk(bytes: usize) -> Vec<u8> {
    if bytes > CHUNK_BYTES {
        return Vec::with_capacity(bytes);
    }
    SPARE_CHUNKS.with_borrow_mut(Vec::pop).unwrap_or_else(|| Vec::with_capacity(CHUNK_BYTES))
}

/// Takes back a written chunk, if it is worth keeping.
#[inline]
pub(crate) fn give_chunk(mut chunk: Vec<u8>) {
    if chunk.capacity() != CHUNK_BYTES {
        return;
    }
    SPARE_CHUNKS.with_borrow_mut(|spare| {
        if spare.len() < SPARE_CHUNKS_MAX {
            chunk.clear();
            spare.push(chunk);
        }
    });
}
