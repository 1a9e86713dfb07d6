//! Sequences to entries: where a message's frame lies, which subject it has, and how long it is.
//!
//! ```text
//!   pages   [number 7: 256 live] [8: 3 live] [9: vacant] [4711: 256 live] [4712: 17 live]
//!               │
//!               live ▓▓▓▓▓░▓▓▓…   present ▓▓▓▓▓▓▓▓▓…   entries: one for each present bit
//! ```
//!
//! A page is 256 sequences. While it is full its entries are found by index, 16 bytes a message; when half of them are
//! gone, the rest moves together, and the bits say which is whose. A page's entries go with its last message. Pages are
//! found by counting from either end, and by halves where some are missing in between. Bits and number lie side by side,
//! so that an entry anywhere costs two misses of the cache.
//!
//! Invariants: pages rise; those without live messages are vacant, hold no entries and are at most half, and neither the
//! first nor the last is one of them, but that the last may be without live messages. Live bits are present.
//!
//! Not here: what lies at a place.

use std::collections::VecDeque;

use super::Storage;
use super::bits::{BITS, Bits};
use super::chunks::Place;
use crate::frame::{FRAME_HEAD_BYTES, NewMessage};
use crate::wal::number::{disk_size, size};

/// A message, as far as the window knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) place: Place,
    /// Its id in the subject table.
    pub(super) subject: u32,
    pub(super) size: Size,
}

const _: () = assert!(size_of::<Entry>() == 16);

/// How long a message is, so that removing it does not touch its frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Size(u32);

const HAS_HEADERS: u32 = 1 << 30;
const HAS_EXTENSION: u32 = 1 << 31;

impl Size {
    pub(super) fn of(message: &NewMessage<'_>) -> Size {
        let bytes = disk_size(message.subject.len() + message.headers.len() + message.body.len());
        assert!(bytes < HAS_HEADERS, "a message is below 1 GiB");
        let headers = if message.headers.is_empty() { 0 } else { HAS_HEADERS };
        let extension = if message.extension.as_bytes().is_empty() { 0 } else { HAS_EXTENSION };
        Size(bytes | headers | extension)
    }

    pub(super) fn accounted_bytes(self, storage: Storage) -> u64 {
        storage.accounted_bytes(self.bytes(), self.0 & HAS_HEADERS != 0)
    }

    /// None when only the frame can tell.
    pub(super) fn frame_bytes(self) -> Option<usize> {
        (self.0 & HAS_EXTENSION == 0).then(|| FRAME_HEAD_BYTES + self.bytes())
    }

    /// Of subject, headers and body.
    fn bytes(self) -> usize {
        size(self.0 & (HAS_HEADERS - 1))
    }
}

/// How a search that looks at a few messages at a time ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Searched {
    Found(u64),
    /// There is nothing further.
    Nothing,
    /// Nothing so far; go on here.
    GoOn(u64),
}

#[derive(Debug, Default)]
pub(super) struct Window {
    pages: VecDeque<Page>,
    vacant: usize,
}

#[derive(Debug)]
struct Page {
    number: u64,
    live: Bits,
    live_count: usize,
    entries: Vec<Entry>,
    present: Bits,
    /// No message here was later than this, in nanoseconds since 1970.
    time_max: i64,
}

const PAGE: u64 = 256;
const _: () = assert!(PAGE == BITS as u64);

/// So few entries are not worth moving together.
const PRESENT_MIN: usize = 8;

impl Window {
    /// The sequence is above all others.
    pub(super) fn push(&mut self, sequence: u64, time: i64, entry: Entry) {
        let (number, at) = split(sequence);
        if self.pages.back().is_none_or(|page| page.number != number) {
            self.push_page(number, time);
        }
        let page = self.pages.back_mut().expect("one was added if there was none");
        page.live.insert(at);
        page.present.insert(at);
        page.entries.push(entry);
        page.time_max = page.time_max.max(time);
        page.live_count += 1;
    }

    /// O(1); O(log pages) where whole pages are missing.
    pub(super) fn get(&self, sequence: u64) -> Option<Entry> {
        let (number, at) = split(sequence);
        let page = self.pages.get(self.position(number))?;
        (page.number == number && page.live.contains(at)).then(|| page.entry(at))
    }

    /// O(1), and now and then what it takes to move a page together.
    pub(super) fn remove(&mut self, sequence: u64) -> Option<Entry> {
        let (number, at) = split(sequence);
        let position = self.position(number);
        let is_last = position + 1 == self.pages.len();
        let page = self.pages.get_mut(position)?;
        if page.number != number || !page.live.contains(at) {
            return None;
        }
        let entry = page.entry(at);
        page.live.remove(at);
        page.live_count -= 1;
        if page.live_count == 0 && !is_last {
            page.make_vacant();
            self.vacant += 1;
            self.drop_vacant();
        } else if page.live_count == 0 || !is_last {
            page.move_together();
        }
        Some(entry)
    }

    /// The frame of a live message has moved.
    pub(super) fn set_place(&mut self, sequence: u64, place: Place) {
        let (number, at) = split(sequence);
        let position = self.position(number);
        let page = self.pages.get_mut(position).expect("only a live message moves");
        let index = page.index(at);
        page.entries.get_mut(index).expect("each present bit has an entry").place = place;
    }

    /// The first live sequence. O(1).
    pub(super) fn first(&self) -> Option<u64> {
        let page = self.pages.front()?;
        page.live.next(0).map(|at| join(page.number, at))
    }

    /// The first live sequence at or after `from`. O(1), like [`Window::get`], and a step for every vacant page.
    pub(super) fn next(&self, from: u64) -> Option<u64> {
        let (number, at) = split(from);
        let mut pages = self.pages_from(number);
        pages.find_map(|page| Some(join(page.number, page.live.next(if page.number == number { at } else { 0 })?)))
    }

    /// The last live sequence at or before `from`. O(1), like [`Window::get`], and a step for every vacant page.
    pub(super) fn previous(&self, from: u64) -> Option<u64> {
        let (number, at) = split(from);
        let position = self.position(number);
        if let Some(page) = self.pages.get(position)
            && page.number == number
            && let Some(found) = page.live.previous(at)
        {
            return Some(join(number, found));
        }
        let mut before = self.pages.range(..position.min(self.pages.len())).rev();
        before.find_map(|page| Some(join(page.number, page.live.previous(BITS - 1)?)))
    }

    /// The first sequence at or after `from` that is not live. A step for every full page on the way.
    pub(super) fn next_missing(&self, from: u64) -> u64 {
        let (mut number, mut at) = split(from);
        for page in self.pages_from(number) {
            if page.number != number {
                break;
            }
            if let Some(missing) = page.live.next_missing(at) {
                return join(number, missing);
            }
            number += 1;
            at = 0;
        }
        join(number, at)
    }

    /// How many live sequences there are at or after `from`. A step for every page after it.
    pub(super) fn count(&self, from: u64) -> usize {
        let (number, at) = split(from);
        let whole: usize = self.pages_from(number).map(|page| page.live_count).sum();
        match self.pages.get(self.position(number)) {
            Some(page) if page.number == number => whole - page.live.rank(at),
            Some(_) | None => whole,
        }
    }

    /// Looks for the first live message at or after `from` whose subject is wanted, at `budget` messages at most.
    pub(super) fn search_up(&self, from: u64, mut budget: usize, mut is_wanted: impl FnMut(u32) -> bool) -> Searched {
        let (number, at) = split(from);
        for page in self.pages_from(number) {
            let mut at = if page.number == number { at } else { 0 };
            while let Some(found) = page.live.next(at) {
                if budget == 0 {
                    return Searched::GoOn(join(page.number, found));
                }
                budget -= 1;
                if is_wanted(page.entry(found).subject) {
                    return Searched::Found(join(page.number, found));
                }
                at = found + 1;
            }
        }
        Searched::Nothing
    }

    /// Looks for the last live message at or before `from` whose subject is wanted, at `budget` messages at most.
    pub(super) fn search_down(&self, from: u64, mut budget: usize, mut is_wanted: impl FnMut(u32) -> bool) -> Searched {
        let mut at = from;
        while let Some(found) = self.previous(at) {
            if budget == 0 {
                return Searched::GoOn(found);
            }
            budget -= 1;
            if self.get(found).is_some_and(|entry| is_wanted(entry.subject)) {
                return Searched::Found(found);
            }
            let Some(before) = found.checked_sub(1) else { break };
            at = before;
        }
        Searched::Nothing
    }

    /// The live entries from `from` on, in order, of pages that may hold a message as late as `time_min`.
    pub(super) fn entries(&self, from: u64, time_min: i64) -> impl Iterator<Item = (u64, Entry)> {
        let pages = self.pages_from(split(from).0).filter(move |page| page.time_max >= time_min);
        pages
            .flat_map(|page| page.live.iter().map(move |at| (join(page.number, at), page.entry(at))))
            .skip_while(move |(sequence, _)| *sequence < from)
    }

    pub(super) fn memory_bytes(&self) -> usize {
        let entries: usize = self.pages.iter().map(|page| page.entries.capacity()).sum();
        self.pages.capacity() * size_of::<Page>() + entries * size_of::<Entry>()
    }

    pub(super) fn check_invariants(&self) {
        assert!(self.pages.iter().is_sorted_by(|a, b| a.number < b.number), "pages rise");
        let Some((last, before)) = self.pages.iter().collect::<Vec<_>>().split_last().map(|(a, b)| (*a, b.to_vec()))
        else {
            return;
        };
        let vacant = before.iter().filter(|page| page.live_count == 0).count();
        assert_eq!(vacant, self.vacant, "vacant pages");
        assert!(vacant * 2 <= self.pages.len(), "{vacant} of {} pages are vacant", self.pages.len());
        assert!(
            before.iter().all(|page| page.live_count > 0 || page.entries.capacity() == 0),
            "vacant pages take nothing"
        );
        assert!(before.first().is_none_or(|first| first.live_count > 0), "the front is live");
        for (position, page) in before.into_iter().chain([last]).enumerate() {
            assert_eq!(self.position(page.number), position, "a page is found by its number");
            assert_eq!(page.live.count(), page.live_count, "live");
            assert_eq!(page.entries.len(), page.present.count(), "present");
            assert!(page.live.iter().all(|at| page.present.contains(at)), "live bits are present");
        }
    }

    /// The page with this number, and those behind it.
    fn pages_from(&self, number: u64) -> impl Iterator<Item = &Page> {
        self.pages.range(self.position(number).min(self.pages.len())..)
    }

    fn push_page(&mut self, number: u64, time_max: i64) {
        let mut entries = Vec::new();
        if let Some(last) = self.pages.back_mut() {
            if last.live_count == 0 {
                last.make_vacant();
                self.vacant += 1;
            } else if last.live_count == BITS {
                // A stream that filled one page is likely to fill the next.
                entries.reserve_exact(BITS);
            }
        }
        let (live, present) = (Bits::default(), Bits::default());
        self.pages.push_back(Page { number, live, live_count: 0, entries, present, time_max });
        self.drop_vacant();
    }

    /// Of the page with this number, or of the first one above.
    fn position(&self, number: u64) -> usize {
        let (Some(first), Some(last)) = (self.pages.front(), self.pages.back()) else { return 0 };
        let length = self.pages.len();
        if number > last.number {
            return length;
        }
        // Without holes on the way, the distance of the numbers is the one of the positions.
        if let Ok(distance) = usize::try_from(last.number - number)
            && let Some(position) = (length - 1).checked_sub(distance)
            && self.pages.get(position).is_some_and(|page| page.number == number)
        {
            return position;
        }
        let Some(distance) = number.checked_sub(first.number) else { return 0 };
        if let Ok(position) = usize::try_from(distance)
            && self.pages.get(position).is_some_and(|page| page.number == number)
        {
            return position;
        }
        self.pages.partition_point(|page| page.number < number)
    }

    /// Drops vacant pages from the front, and all of them when they are many. The last page stays.
    fn drop_vacant(&mut self) {
        while self.pages.len() > 1 && self.pages.front().is_some_and(|page| page.live_count == 0) {
            self.pages.pop_front();
            self.vacant -= 1;
        }
        if self.vacant * 2 > self.pages.len() {
            let last = self.pages.back().map(|page| page.number);
            self.pages.retain(|page| page.live_count > 0 || Some(page.number) == last);
            self.vacant = 0;
        }
        if self.pages.capacity() > 16 && self.pages.len() * 4 < self.pages.capacity() {
            self.pages.shrink_to(self.pages.len() * 2);
        }
    }
}

impl Page {
    /// Where the entry of a present bit is.
    fn index(&self, at: usize) -> usize {
        if self.entries.len() == BITS { at } else { self.present.rank(at) }
    }

    fn entry(&self, at: usize) -> Entry {
        *self.entries.get(self.index(at)).expect("each present bit has an entry")
    }

    fn make_vacant(&mut self) {
        self.entries = Vec::new();
        self.present = Bits::default();
    }

    /// Gives back the room of entries that are gone, when they are half of them.
    fn move_together(&mut self) {
        let present = self.entries.len();
        if self.live_count * 2 <= present && present >= PRESENT_MIN {
            self.entries = self.live.iter().map(|at| self.entry(at)).collect();
            self.present = self.live;
        }
    }
}

fn split(sequence: u64) -> (u64, usize) {
    (sequence / PAGE, usize::try_from(sequence % PAGE).expect("a remainder is small"))
}

fn join(number: u64, at: usize) -> u64 {
    number * PAGE + u64::try_from(at).expect("a length fits")
}
