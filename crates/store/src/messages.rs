//! The messages of one stream, by sequence and by subject.
//!
//! A stream numbers its messages from its first sequence on. Some of them are gone: removed from either end or from the
//! middle, or never there (a gap in what was appended). What the last message was stays known when it goes.
//!
//! Every question is answered [`Ready`](Access::Ready), or [`Cold`](Access::Cold) when it needs a read from disk first;
//! then nothing was changed, and the caller asks again.
//!
//! ```text
//!   sequence ─► window ─► place ─► chunks: frames in memory, shared with whoever is handed a message
//!                 │
//!                 └─► id ◄─ subjects: name → first, last, count, sequences     ◄─ walk: the matches of a filter
//! ```
//!
//! All messages lie in the window. The window begins somewhere, and what is below that sequence may lie elsewhere: the
//! window's and the subjects' part of each answer are asked for in one place each, here and in `search`.
//!
//! Not here: which messages may come and which must go (limits, retention), the log, and files. A memory stream is a
//! stream that nobody logs.

pub mod filter;

mod window;

mod bits;

mod chunks;

mod subjects;

mod column;

mod names;

mod sequences;

mod order;

mod walk;

mod search;

use std::ops::ControlFlow;

use firn_id::Timestamp;
use smallvec::SmallVec;

use self::chunks::Chunks;
use self::subjects::Subjects;
use self::walk::Walk;
use self::window::{Entry, Window};
use crate::frame::Parts;

pub use self::filter::Filter;
pub use crate::frame::{BadFrame, Frame, Message, NewMessage};

/// How a stream's bytes are counted, and whether its messages are logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Storage {
    /// On disk.
    File,
    /// In memory only.
    Memory,
}

impl Storage {
    /// What a message counts for against limits: what the reference server would store for it.
    pub fn accounted_bytes(self, subject: usize, headers: usize, body: usize) -> u64 {
        let parts = subject + headers + body;
        let around = match self {
            Storage::File if headers > 0 => 22 + 4 + 8,
            Storage::File => 22 + 8,
            Storage::Memory => 16,
        };
        u64::try_from(parts + around).expect("a length fits")
    }
}

/// What is known at once, or only after a read from disk.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "a cold answer has to be asked for again"]
pub enum Access<T> {
    /// The answer.
    Ready(T),
    /// It is not in memory. Nothing was changed; call again when the fetch was answered.
    Cold(Fetch),
}

impl<T> Access<T> {
    /// The answer, if it is there.
    pub fn ready(self) -> Option<T> {
        match self {
            Access::Ready(value) => Some(value),
            Access::Cold(_) => None,
        }
    }

    /// The same of another answer.
    pub fn map<U>(self, change: impl FnOnce(T) -> U) -> Access<U> {
        match self {
            Access::Ready(value) => Access::Ready(change(value)),
            Access::Cold(fetch) => Access::Cold(fetch),
        }
    }
}

/// Names what has to be read: those who wait for equal ones wait for the same.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fetch(u64);

/// What stands at a sequence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Loaded {
    /// A message.
    Message(Message),
    /// No message: removed, never there, or not there yet.
    Missing,
    /// There should be one, and it cannot be read.
    Damaged,
}

/// The live messages of a subject: at least one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SubjectState {
    /// The oldest.
    pub first: u64,
    /// The newest.
    pub last: u64,
    /// How many.
    pub count: u64,
}

/// What a stream says of its messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct State {
    /// Live ones.
    pub messages: u64,
    /// What they count for.
    pub bytes: u64,
    /// The oldest live one; without any, the one after the last.
    pub first_sequence: u64,
    /// When the oldest live one was accepted.
    pub first_time: Option<Timestamp>,
    /// The last that was ever given or skipped, live or not.
    pub last_sequence: u64,
    /// When the last one was accepted, live or not.
    pub last_time: Option<Timestamp>,
    /// Sequences between the first and the last that are not live.
    pub deleted: u64,
    /// How many subjects the live ones have.
    pub subjects: u64,
}

/// A subject that is handed out: most of them are short.
pub type SubjectBytes = SmallVec<[u8; 40]>;

/// A message that is gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Removed {
    /// Which it was.
    pub sequence: u64,
    /// What it was published on.
    pub subject: SubjectBytes,
    /// What it counted for.
    pub bytes: u64,
}

/// The messages of one stream.
#[derive(Debug)]
pub struct Messages {
    storage: Storage,
    next: u64,
    last_time: Option<Timestamp>,
    messages: u64,
    bytes: u64,
    window: Window,
    chunks: Chunks,
    subjects: Subjects,
}

impl Messages {
    /// None. The first one gets `first_sequence`, of which 0 means 1.
    pub fn new(storage: Storage, first_sequence: u64) -> Self {
        Messages::with_seed(storage, first_sequence, 0)
    }

    /// The same. A random seed keeps clients from choosing subjects whose hashes fall together; it changes no answer.
    pub fn with_seed(storage: Storage, first_sequence: u64, seed: u64) -> Self {
        Messages {
            storage,
            next: first_sequence.max(1),
            last_time: None,
            messages: 0,
            bytes: 0,
            window: Window::default(),
            chunks: Chunks::default(),
            subjects: Subjects::new(seed),
        }
    }

    /// How bytes are counted.
    pub fn storage(&self) -> Storage {
        self.storage
    }

    /// What a stream says of its messages. O(1).
    pub fn state(&self) -> State {
        let first = self.window.first();
        let first_sequence = first.unwrap_or(self.next);
        State {
            messages: self.messages,
            bytes: self.bytes,
            first_sequence,
            first_time: first.and_then(|first| self.parts(first)).map(|parts| parts.time),
            last_sequence: self.next - 1,
            last_time: self.last_time,
            deleted: self.next - first_sequence - if first.is_some() { self.messages } else { 0 },
            subjects: count(self.subjects.live()),
        }
    }

    /// The sequence after the last one that was given or skipped.
    pub fn next_sequence(&self) -> u64 {
        self.next
    }

    /// Adds a message; replay does the same. What its sequence leaves out counts as deleted. O(1).
    ///
    /// # Panics
    /// When the sequence is below the next one, or the subject 64 KiB long.
    pub fn append(&mut self, message: &NewMessage<'_>) {
        let &NewMessage { sequence, time, subject, .. } = message;
        assert!(sequence >= self.next, "sequence {sequence} was given before");
        let place = self.chunks.push(message);
        let subject = self.subjects.add(subject, sequence);
        self.window.push(sequence, time.unix_nanos(), Entry { place, subject });
        self.next = sequence + 1;
        self.last_time = Some(time);
        self.messages += 1;
        self.bytes += message.accounted_bytes(self.storage);
        self.compact();
    }

    /// The live messages of a subject; none if there are none. O(1).
    pub fn subject(&self, subject: &[u8]) -> Access<Option<SubjectState>> {
        Access::Ready(self.subjects.find(subject).and_then(|id| self.subjects.state(id)))
    }

    /// What stands at a sequence. O(1), and nothing is copied.
    pub fn load(&self, sequence: u64) -> Access<Loaded> {
        let entry = self.window.get(sequence);
        Access::Ready(entry.map_or(Loaded::Missing, |entry| Loaded::Message(self.chunks.message(entry.place))))
    }

    /// Removes a message; none if it is not there. O(1), and O(log messages of the subject).
    pub fn remove(&mut self, sequence: u64) -> Access<Option<Removed>> {
        let removed = self.take(sequence);
        self.compact();
        Access::Ready(removed)
    }

    /// Removes all messages below `sequence`, in order, and shows each. Each costs what [`Messages::remove`] costs.
    pub fn remove_below(&mut self, sequence: u64, removed: &mut dyn FnMut(Removed)) -> Access<()> {
        while let Some(first) = self.window.first().filter(|first| *first < sequence) {
            self.take(first).into_iter().for_each(&mut *removed);
        }
        self.compact();
        Access::Ready(())
    }

    /// Gives nothing below `next_sequence` any more: what is left out counts as deleted, or moves an empty stream's first
    /// sequence. Does nothing when that is so already.
    pub fn skip_to(&mut self, next_sequence: u64) {
        self.next = self.next.max(next_sequence);
    }

    /// The first live match at or after `from`.
    ///
    /// Of every subject O(1), of one subject O(log of its messages). Otherwise what is less, looking at the messages from
    /// `from` to the match, or at the subjects that match; if there is no match, at the messages up to the end. Whoever
    /// asks again should ask behind what was looked at.
    pub fn next(&self, from: u64, filter: &Filter) -> Access<Option<u64>> {
        Access::Ready(match self.short_way(filter) {
            ShortWay::Every => self.window.next(from),
            ShortWay::One(id) => id.and_then(|id| self.subjects.at_or_after(id, from)),
            ShortWay::None => search::next(&self.window, &self.subjects, from, filter),
        })
    }

    /// The last live match at or before `from`. Costs what [`Messages::next`] costs.
    pub fn previous(&self, from: u64, filter: &Filter) -> Access<Option<u64>> {
        Access::Ready(match self.short_way(filter) {
            ShortWay::Every => self.window.previous(from),
            ShortWay::One(id) => id.and_then(|id| self.subjects.at_or_before(id, from)),
            ShortWay::None => search::previous(&self.window, &self.subjects, from, filter),
        })
    }

    /// How many live matches there are at or after `from`, exactly.
    ///
    /// Of every subject a step for every 256 sequences behind `from`, of one subject O(log of its messages). Otherwise
    /// what is less, looking at the messages from `from` on, or at the subjects that match; from the beginning the
    /// subjects that match, each O(1).
    pub fn count(&self, from: u64, filter: &Filter) -> Access<u64> {
        Access::Ready(match self.short_way(filter) {
            ShortWay::Every => {
                let is_whole = self.window.first().is_none_or(|first| from <= first);
                if is_whole { self.messages } else { count(self.window.count(from)) }
            }
            ShortWay::One(id) => id.map_or(0, |id| self.subjects.count(id, from)),
            ShortWay::None => search::count(&self.window, &self.subjects, from, filter),
        })
    }

    /// The matching subjects after `after`, in byte order, at most `limit`.
    ///
    /// O(limit) for one pattern, and for several what their pages cost together; the first call sorts the subjects, later
    /// ones those that are new since.
    pub fn subjects(
        &self,
        filter: &Filter,
        after: Option<&[u8]>,
        limit: usize,
    ) -> Access<Vec<(Box<[u8]>, SubjectState)>> {
        let mut ids = Walk::page(&self.subjects, filter, after, limit);
        ids.sort_unstable_by(|a, b| self.subjects.name(*a).cmp(self.subjects.name(*b)));
        ids.truncate(limit);
        let state = |id: u32| Some((Box::from(self.subjects.name(id)), self.subjects.state(id)?));
        Access::Ready(ids.into_iter().filter_map(state).collect())
    }

    /// Of each matching subject the last live message, or the last one at or before `up_to`; ascending. O(n log n) in the
    /// subjects that match.
    pub fn last_per_subject(&self, filter: &Filter, up_to: Option<u64>) -> Access<Vec<u64>> {
        let up_to = up_to.unwrap_or(u64::MAX);
        let last = |id: u32| self.subjects.at_or_before(id, up_to);
        let mut last: Vec<u64> = if filter.is_all() {
            self.subjects.ids().filter_map(last).collect()
        } else {
            Walk::new(&self.subjects, filter).filter_map(last).collect()
        };
        last.sort_unstable();
        Access::Ready(last)
    }

    /// The first live message that was accepted at `time` or later. Clocks may have stepped back meanwhile. A step for
    /// every 256 sequences, and at most a few hundred messages are looked at where times rise.
    pub fn at_time(&self, time: Timestamp) -> Access<Option<u64>> {
        let mut entries = self.window.entries(0, time.unix_nanos());
        let found = entries.find(|(_, entry)| parts(self.chunks.frame(entry.place)).time >= time);
        Access::Ready(found.map(|(sequence, _)| sequence))
    }

    /// Sequences from `from` on that lie between the first and the last and are not live; at most `limit`, ascending.
    pub fn deleted(&self, from: u64, limit: usize) -> Vec<u64> {
        let mut deleted = Vec::new();
        let mut at = from.max(self.window.first().unwrap_or(self.next));
        while at < self.next && deleted.len() < limit {
            let gap = self.window.next_missing(at);
            at = self.window.next(gap).unwrap_or(self.next);
            deleted.extend((gap..at).take(limit - deleted.len()));
        }
        deleted
    }

    /// Visits the live messages from `from` on, in order, until told to stop: what a snapshot or a backup reads. When it
    /// is cold, what came before was visited, and the next call goes on behind it.
    pub fn visit(&self, from: u64, visit: &mut dyn FnMut(u64, Loaded) -> ControlFlow<()>) -> Access<()> {
        for (sequence, entry) in self.window.entries(from, i64::MIN) {
            if visit(sequence, Loaded::Message(self.chunks.message(entry.place))).is_break() {
                break;
            }
        }
        Access::Ready(())
    }

    /// How much memory is taken, without what whoever was handed a message keeps alive.
    pub fn memory_bytes(&self) -> usize {
        self.chunks.memory_bytes() + self.index_memory_bytes()
    }

    /// How much of it is not frames.
    pub fn index_memory_bytes(&self) -> usize {
        size_of::<Messages>() + self.window.memory_bytes() + self.subjects.memory_bytes()
    }

    /// Panics when something does not fit together. O(messages log messages).
    pub fn check_invariants(&self) {
        self.window.check_invariants();
        self.chunks.check_invariants();
        self.subjects.check_invariants();
        let (mut messages, mut bytes, mut frames) = (0, 0, 0);
        for (sequence, entry) in self.window.entries(0, i64::MIN) {
            assert!(sequence < self.next, "{sequence} was not given yet");
            let message = self.chunks.message(entry.place);
            assert_eq!(message.sequence(), sequence, "a place holds the message that it is the place of");
            assert_eq!(message.subject(), self.subjects.name(entry.subject), "a message has its subject's id");
            assert_eq!(self.subjects.at_or_after(entry.subject, sequence), Some(sequence), "its subject knows it");
            messages += 1;
            bytes += message.accounted_bytes(self.storage);
            frames += message.frame_bytes();
        }
        assert_eq!((self.messages, self.bytes), (messages, bytes), "messages and bytes");
        assert_eq!(self.chunks.live_and_all_bytes().0, frames, "bytes of live frames");
        let of_subjects = self.subjects.ids().map(|id| self.subjects.count(id, 0)).sum::<u64>();
        assert_eq!(of_subjects, messages, "each message is under one subject");
    }

    /// Whether the filter can be answered without searching.
    fn short_way(&self, filter: &Filter) -> ShortWay {
        if filter.is_all() {
            return ShortWay::Every;
        }
        match filter.literals().map(|mut literals| (literals.next(), literals.next())) {
            Some((Some(only), None)) => ShortWay::One(self.subjects.find(only)),
            _ => ShortWay::None,
        }
    }

    fn parts(&self, sequence: u64) -> Option<Parts<'_>> {
        Some(parts(self.chunks.frame(self.window.get(sequence)?.place)))
    }

    fn take(&mut self, sequence: u64) -> Option<Removed> {
        let entry = self.window.remove(sequence)?;
        let bytes = parts(self.chunks.frame(entry.place)).accounted_bytes(self.storage);
        let subject = SubjectBytes::from_slice(self.subjects.name(entry.subject));
        self.chunks.release(entry.place);
        self.subjects.remove(entry.subject, sequence);
        self.messages -= 1;
        self.bytes -= bytes;
        Some(Removed { sequence, subject, bytes })
    }

    /// Copies what is live out of chunks that are mostly dead, until what is dead is no more than what is live. Each byte
    /// that is copied is paid for by a removed one.
    fn compact(&mut self) {
        while let Some((number, chunk)) = self.chunks.sparse() {
            for (place, frame) in Chunks::frames(number, &chunk) {
                let sequence = parts(frame).sequence;
                if self.window.get(sequence).is_some_and(|entry| entry.place == place) {
                    let place = self.chunks.push_copy(frame);
                    self.window.set_place(sequence, place);
                }
            }
            self.chunks.forget(number);
        }
    }
}

/// How a filter is answered without searching.
enum ShortWay {
    /// It asks for every subject.
    Every,
    /// It asks for one subject, of which there may be nothing.
    One(Option<u32>),
    /// There is none.
    None,
}

fn parts(frame: &[u8]) -> Parts<'_> {
    Parts::of(frame).expect("chunks hold whole frames")
}

fn count(length: usize) -> u64 {
    u64::try_from(length).expect("a length fits")
}

#[cfg(test)]
mod tests;
