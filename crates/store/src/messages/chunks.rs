//! Frames in memory: laid one behind the other in chunks that are shared with whoever was handed a message.
//!
//! ```text
//!   open    ┌frame┬frame┬frame┬ ─ ─ ─ ┐   one allocation, and a handle for each frame in it
//!   sealed  ┌frame┬frame┬frame┬frame┬frame┐   one handle for all of them
//!                    ▲ Place { chunk, offset }
//! ```
//!
//! A frame handed out keeps its chunk's memory alive and copies nothing. When a chunk is full, its frames are copied once
//! into memory of exactly their length. A chunk goes when its last frame is released; one of which less than half is
//! live may be emptied by whoever knows which frames live ([`Chunks::sparse`]), so that what is dead stays below what is
//! live, give or take a chunk.
//!
//! Invariants: the places of live frames stay what they are until they are moved; `live` is the length of a chunk's
//! frames that were not released.
//!
//! Not here: which frame is whose.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};

use crate::frame::{Message, NewMessage, frame_bytes};
use crate::wal::number::{disk_size, size};

/// Where a frame lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    chunk: u32,
    offset: u32,
}

/// Longest chunk of more than one frame.
const CHUNK_BYTES_MAX: usize = 64 << 10;

/// A stream of few messages takes little.
const CHUNK_BYTES_MIN: usize = 1 << 10;

/// A chunk is at most this part of what is live, so that a chunk too many does not matter.
const CHUNKS_WANTED: usize = 8;

#[derive(Debug, Default)]
pub(super) struct Chunks {
    /// By number; none are vacant, and the open one is empty here.
    sealed: Vec<Option<Sealed>>,
    vacant: Vec<u32>,
    open: Option<Open>,
    /// Over all sealed chunks.
    sealed_bytes: usize,
    sealed_live: usize,
    /// Numbers of chunks that were found less than half live; some of them are gone since.
    sparse: VecDeque<u32>,
}

#[derive(Debug)]
struct Sealed {
    bytes: Bytes,
    live: usize,
    is_sparse: bool,
}

#[derive(Debug)]
struct Open {
    number: u32,
    /// What is left of the allocation.
    rest: BytesMut,
    frames: Vec<Bytes>,
    /// Where each frame begins.
    offsets: Vec<u32>,
    bytes: usize,
    live: usize,
}

impl Chunks {
    pub(super) fn push(&mut self, message: &NewMessage<'_>) -> Place {
        let open = self.open_for(message.frame_bytes());
        message.encode_to(&mut open.rest);
        open.take()
    }

    /// Adds a copy of a frame that is about to go.
    pub(super) fn push_copy(&mut self, frame: &[u8]) -> Place {
        let open = self.open_for(frame.len());
        open.rest.extend_from_slice(frame);
        open.take()
    }

    /// A live frame.
    pub(super) fn frame(&self, place: Place) -> &[u8] {
        match &self.open {
            Some(open) if open.number == place.chunk => open.frame(place.offset),
            _ => frame_at(&self.sealed(place.chunk).bytes, place.offset),
        }
    }

    /// A live frame, to be handed out.
    pub(super) fn message(&self, place: Place) -> Message {
        Message::trust(match &self.open {
            Some(open) if open.number == place.chunk => open.frame(place.offset).clone(),
            _ => {
                let bytes = &self.sealed(place.chunk).bytes;
                bytes.slice_ref(frame_at(bytes, place.offset))
            }
        })
    }

    /// A live frame is not needed any more.
    pub(super) fn release(&mut self, place: Place) {
        let length = self.frame(place).len();
        if let Some(open) = &mut self.open
            && open.number == place.chunk
        {
            open.live -= length;
            return;
        }
        self.sealed_live -= length;
        let slot = self.sealed.get_mut(size(place.chunk)).expect("places come from here");
        let chunk = slot.as_mut().expect("the chunk of a live frame is there");
        chunk.live -= length;
        if chunk.live == 0 {
            self.forget(place.chunk);
        } else if !chunk.is_sparse && chunk.live * 2 < chunk.bytes.len() {
            chunk.is_sparse = true;
            self.sparse.push_back(place.chunk);
        }
    }

    /// A chunk to empty, when more is dead than live: its live frames are to be copied elsewhere, and then it is to be
    /// forgotten.
    pub(super) fn sparse(&mut self) -> Option<(u32, Bytes)> {
        while self.sealed_bytes - self.sealed_live > self.sealed_live + self.chunk_bytes() {
            let number = self.sparse.pop_front()?;
            // Its number may have been given again.
            if let Some(chunk) = self.sealed.get_mut(size(number)).and_then(Option::as_mut) {
                chunk.is_sparse = false;
                if chunk.live * 2 < chunk.bytes.len() {
                    return Some((number, chunk.bytes.clone()));
                }
            }
        }
        None
    }

    /// Frames of a sealed chunk, each with its place.
    pub(super) fn frames(number: u32, chunk: &Bytes) -> impl Iterator<Item = (Place, &[u8])> {
        let mut at = 0;
        std::iter::from_fn(move || {
            let place = Place { chunk: number, offset: disk_size(at) };
            let frame = (at < chunk.len()).then(|| frame_at(chunk, place.offset))?;
            at += frame.len();
            Some((place, frame))
        })
    }

    /// Gives a sealed chunk's memory back, as far as nobody else holds it.
    pub(super) fn forget(&mut self, number: u32) {
        let slot = self.sealed.get_mut(size(number)).expect("numbers come from here");
        let chunk = slot.take().expect("a chunk is forgotten once");
        self.sealed_bytes -= chunk.bytes.len();
        self.sealed_live -= chunk.live;
        self.vacant.push(number);
    }

    pub(super) fn memory_bytes(&self) -> usize {
        let open = self.open.as_ref().map_or(0, |open| {
            open.bytes
                + open.rest.capacity()
                + open.frames.capacity() * size_of::<Bytes>()
                + open.offsets.capacity() * 4
        });
        self.sealed_bytes + self.sealed.capacity() * size_of::<Option<Sealed>>() + open
    }

    /// How long the frames that were not released are, and all there are.
    pub(super) fn live_and_all_bytes(&self) -> (usize, usize) {
        let (live, bytes) = self.open.as_ref().map_or((0, 0), |open| (open.live, open.bytes));
        (self.sealed_live + live, self.sealed_bytes + bytes)
    }

    pub(super) fn check_invariants(&self) {
        let all = || self.sealed.iter().flatten();
        assert_eq!(self.sealed_bytes, all().map(|chunk| chunk.bytes.len()).sum::<usize>(), "sealed bytes");
        assert_eq!(self.sealed_live, all().map(|chunk| chunk.live).sum::<usize>(), "sealed and live bytes");
        assert!(all().all(|chunk| chunk.live > 0 && chunk.live <= chunk.bytes.len()), "an empty chunk goes");
        let dead = self.sealed_bytes - self.sealed_live;
        assert!(
            dead <= self.sealed_live + CHUNK_BYTES_MAX,
            "{dead} bytes are dead beside {} live ones",
            self.sealed_live
        );
        let open = usize::from(self.open.is_some());
        assert_eq!(all().count() + open + self.vacant.len(), self.sealed.len(), "each number is used or vacant");
    }

    /// How long the next chunk is, unless a frame is longer.
    fn chunk_bytes(&self) -> usize {
        (self.live_and_all_bytes().0 / CHUNKS_WANTED).next_power_of_two().clamp(CHUNK_BYTES_MIN, CHUNK_BYTES_MAX)
    }

    fn sealed(&self, number: u32) -> &Sealed {
        let slot = self.sealed.get(size(number)).expect("places come from here");
        slot.as_ref().expect("the chunk of a live frame is there")
    }

    /// The open chunk, which has room for a frame of this length.
    fn open_for(&mut self, length: usize) -> &mut Open {
        if self.open.as_ref().is_some_and(|open| open.rest.capacity() < length) {
            self.seal();
        }
        if self.open.is_none() {
            let number = self.vacant.pop().unwrap_or_else(|| {
                self.sealed.push(None);
                disk_size(self.sealed.len() - 1)
            });
            let rest = BytesMut::with_capacity(self.chunk_bytes().max(length));
            self.open = Some(Open { number, rest, frames: Vec::new(), offsets: Vec::new(), bytes: 0, live: 0 });
        }
        self.open.as_mut().expect("it was opened")
    }

    fn seal(&mut self) {
        let Some(open) = self.open.take() else { return };
        if open.live == 0 {
            self.vacant.push(open.number);
            return;
        }
        let bytes = match open.frames.as_slice() {
            [frame] => frame.clone(),
            frames => Bytes::from(frames.concat()),
        };
        self.sealed_bytes += bytes.len();
        self.sealed_live += open.live;
        let is_sparse = open.live * 2 < bytes.len();
        if is_sparse {
            self.sparse.push_back(open.number);
        }
        let slot = self.sealed.get_mut(size(open.number)).expect("the open chunk has a number");
        *slot = Some(Sealed { bytes, live: open.live, is_sparse });
    }
}

impl Open {
    /// Takes the frame that was written to the rest.
    fn take(&mut self) -> Place {
        let frame = self.rest.split().freeze();
        let offset = disk_size(self.bytes);
        self.bytes += frame.len();
        self.live += frame.len();
        self.frames.push(frame);
        self.offsets.push(offset);
        Place { chunk: self.number, offset }
    }

    fn frame(&self, offset: u32) -> &Bytes {
        let index = self.offsets.binary_search(&offset).expect("places come from here");
        self.frames.get(index).expect("each offset has a frame")
    }
}

fn frame_at(chunk: &[u8], offset: u32) -> &[u8] {
    let rest = chunk.get(size(offset)..).unwrap_or_default();
    let frame = frame_bytes(rest).and_then(|length| rest.get(..length));
    frame.expect("chunks hold whole frames, and places are where they begin")
}
