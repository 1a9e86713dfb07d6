//! Sequences to entries: where a message's frame lies, and which subject it has.
//!
//! ```text
//!   slots   [number 7: 256 live] [8: 3 live] [9: none] [4711: 256 live] [4712: 17 live]
//!               │
//!             Page  live ▓▓▓▓▓░▓▓▓…   present ▓▓▓▓▓▓▓▓▓…   places, subjects: an entry for each present bit
//! ```
//!
//! A page is 256 sequences. While it is full its entries are found by index, 12 bytes a message; when half of them are
//! gone, the rest moves together, and the bits say which is whose. A page goes with its last message. Slots are found by
//! counting from either end, and by halves where pages are missing in between.
//!
//! Invariants: slots rise; the last one has a page, of which nothing may be live; of the others those without live
//! messages have none and are fewer than half, and the first is not one of them. Live bits are present.
//!
//! Not here: what lies at a place.

use std::collections::VecDeque;

use super::bits::{BITS, Bits};
use super::chunks::Place;

/// A message, as far as the window knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) place: Place,
    /// Its id in the subject table.
    pub(super) subject: u32,
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
    slots: VecDeque<Slot>,
    /// Slots without a page.
    vacant: usize,
}

#[derive(Debug)]
struct Slot {
    number: u64,
    /// No message here was later than this, in nanoseconds since 1970.
    time_max: i64,
    live: usize,
    page: Option<Box<Page>>,
}

#[derive(Debug, Default)]
struct Page {
    live: Bits,
    present: Bits,
    places: Vec<Place>,
    subjects: Vec<u32>,
}

const PAGE: u64 = 256;
const _: () = assert!(PAGE == BITS as u64);

/// So few entries are not worth moving together.
const PRESENT_MIN: usize = 8;

impl Window {
    /// The sequence is above all others.
    pub(super) fn push(&mut self, sequence: u64, time: i64, entry: Entry) {
        let (number, at) = split(sequence);
        let is_new = self.slots.back().is_none_or(|slot| slot.number != number);
        if is_new {
            // A stream that filled one page is likely to fill the next.
            let entries = if self.slots.back().is_some_and(|slot| slot.live == BITS) { BITS } else { 0 };
            if let Some(slot) = self.slots.back_mut()
                && slot.live == 0
            {
                slot.page = None;
                self.vacant += 1;
            }
            let page =
                Page { places: Vec::with_capacity(entries), subjects: Vec::with_capacity(entries), ..Page::default() };
            self.slots.push_back(Slot { number, time_max: time, live: 0, page: Some(Box::new(page)) });
            self.drop_vacant();
        }
        let slot = self.slots.back_mut().expect("one was added if there was none");
        let page = slot.page.as_mut().expect("the last slot has a page");
        page.live.insert(at);
        page.present.insert(at);
        page.places.push(entry.place);
        page.subjects.push(entry.subject);
        slot.time_max = slot.time_max.max(time);
        slot.live += 1;
    }

    /// O(1); O(log pages) where whole pages are missing.
    pub(super) fn get(&self, sequence: u64) -> Option<Entry> {
        let (number, at) = split(sequence);
        let (slot, page) = self.page(self.position(number))?;
        (slot.number == number && page.live.contains(at)).then(|| page.entry(at))
    }

    /// O(1), and now and then what it takes to move a page together.
    pub(super) fn remove(&mut self, sequence: u64) -> Option<Entry> {
        let (number, at) = split(sequence);
        let position = self.position(number);
        let is_last = position + 1 == self.slots.len();
        let slot = self.slots.get_mut(position).filter(|slot| slot.number == number)?;
        let page = slot.page.as_mut().filter(|page| page.live.contains(at))?;
        let entry = page.entry(at);
        page.live.remove(at);
        slot.live -= 1;
        if slot.live == 0 && !is_last {
            slot.page = None;
            self.vacant += 1;
            self.drop_vacant();
        } else if !is_last || slot.live == 0 {
            page.move_together(slot.live);
        }
        Some(entry)
    }

    /// The frame of a live message has moved.
    pub(super) fn set_place(&mut self, sequence: u64, place: Place) {
        let (number, at) = split(sequence);
        let position = self.position(number);
        let page = self.slots.get_mut(position).and_then(|slot| slot.page.as_mut()).expect("only a live message moves");
        let index = page.index(at);
        *page.places.get_mut(index).expect("each present bit has an entry") = place;
    }

    /// The first live sequence. O(1).
    pub(super) fn first(&self) -> Option<u64> {
        let (slot, page) = self.page(0)?;
        page.live.next(0).map(|at| join(slot.number, at))
    }

    /// The first live sequence at or after `from`. O(1), like [`Window::get`].
    pub(super) fn next(&self, from: u64) -> Option<u64> {
        let (number, mut at) = split(from);
        let mut position = self.position(number);
        while let Some(slot) = self.slots.get(position) {
            if slot.number != number {
                at = 0;
            }
            if let Some(found) = slot.page.as_ref().and_then(|page| page.live.next(at)) {
                return Some(join(slot.number, found));
            }
            at = 0;
            position += 1;
        }
        None
    }

    /// The last live sequence at or before `from`. O(1), like [`Window::get`].
    pub(super) fn previous(&self, from: u64) -> Option<u64> {
        let (number, at) = split(from);
        let position = self.position(number);
        if let Some((slot, page)) = self.page(position)
            && slot.number == number
            && let Some(found) = page.live.previous(at)
        {
            return Some(join(number, found));
        }
        let before = self.slots.range(..position.min(self.slots.len())).rev();
        let mut found = before.filter_map(|slot| Some(join(slot.number, slot.page.as_ref()?.live.previous(BITS - 1)?)));
        found.next()
    }

    /// The first sequence at or after `from` that is not live. A step for every full page on the way.
    pub(super) fn next_missing(&self, from: u64) -> u64 {
        let (mut number, mut at) = split(from);
        for slot in self.slots.range(self.position(number).min(self.slots.len())..) {
            let missing = match &slot.page {
                _ if slot.number != number => Some(at),
                None => Some(at),
                Some(_) if slot.live == BITS => None,
                Some(page) => page.live.next_missing(at),
            };
            if let Some(missing) = missing {
                return join(number, missing);
            }
            number += 1;
            at = 0;
        }
        join(number, at)
    }

    /// How many live sequences there are at or after `from`. O(pages after it), a nanosecond each.
    pub(super) fn count(&self, from: u64) -> usize {
        let (number, at) = split(from);
        let position = self.position(number).min(self.slots.len());
        let whole: usize = self.slots.range(position..).map(|slot| slot.live).sum();
        match self.page(position) {
            Some((slot, page)) if slot.number == number => whole - page.live.rank(at),
            _ => whole,
        }
    }

    /// Looks for the first live message at or after `from` whose subject is wanted, at `budget` messages at most.
    pub(super) fn search_up(&self, from: u64, mut budget: usize, mut is_wanted: impl FnMut(u32) -> bool) -> Searched {
        let (number, mut at) = split(from);
        for slot in self.slots.range(self.position(number).min(self.slots.len())..) {
            if slot.number != number {
                at = 0;
            }
            let Some(page) = &slot.page else { continue };
            while let Some(found) = page.live.next(at) {
                if budget == 0 {
                    return Searched::GoOn(join(slot.number, found));
                }
                budget -= 1;
                if is_wanted(page.subject(found)) {
                    return Searched::Found(join(slot.number, found));
                }
                at = found + 1;
            }
            at = 0;
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
            let (number, bit) = split(found);
            let subject = self.page(self.position(number)).map(|(_, page)| page.subject(bit));
            if subject.is_some_and(&mut is_wanted) {
                return Searched::Found(found);
            }
            let Some(before) = found.checked_sub(1) else { break };
            at = before;
        }
        Searched::Nothing
    }

    /// The live entries from `from` on, in order, of pages that may hold a message as late as `time_min`.
    pub(super) fn entries(&self, from: u64, time_min: i64) -> impl Iterator<Item = (u64, Entry)> {
        let slots = self.slots.range(self.position(split(from).0).min(self.slots.len())..);
        slots
            .filter(move |slot| slot.time_max >= time_min)
            .filter_map(|slot| Some((slot.number, slot.page.as_ref()?)))
            .flat_map(|(number, page)| page.live.iter().map(move |at| (join(number, at), page.entry(at))))
            .skip_while(move |(sequence, _)| *sequence < from)
    }

    pub(super) fn memory_bytes(&self) -> usize {
        let pages = self.slots.iter().filter_map(|slot| slot.page.as_ref());
        let page = |page: &Page| page.places.capacity() * size_of::<Place>() + page.subjects.capacity() * 4;
        self.slots.capacity() * size_of::<Slot>() + pages.map(|one| size_of::<Page>() + page(one)).sum::<usize>()
    }

    pub(super) fn check_invariants(&self) {
        assert!(self.slots.iter().is_sorted_by(|a, b| a.number < b.number), "slots rise");
        let vacant = self.slots.iter().filter(|slot| slot.page.is_none()).count();
        assert_eq!(vacant, self.vacant, "vacant slots");
        assert!(vacant == 0 || vacant * 2 <= self.slots.len(), "{vacant} of {} are vacant", self.slots.len());
        assert!(self.slots.back().is_none_or(|slot| slot.page.is_some()), "the last slot has a page");
        assert!(self.slots.len() < 2 || self.slots.front().is_some_and(|slot| slot.live > 0), "the front is live");
        for (position, slot) in self.slots.iter().enumerate() {
            assert_eq!(self.position(slot.number), position, "a slot is found by its number");
            let Some(page) = &slot.page else {
                assert_eq!(slot.live, 0, "what is live has a page");
                continue;
            };
            assert_eq!(page.live.count(), slot.live, "live");
            assert!(position + 1 == self.slots.len() || slot.live > 0, "a page goes with its last message");
            assert_eq!((page.places.len(), page.subjects.len()), (page.present.count(), page.present.count()));
            assert!(page.live.iter().all(|at| page.present.contains(at)), "live bits are present");
        }
    }

    fn page(&self, position: usize) -> Option<(&Slot, &Page)> {
        let slot = self.slots.get(position)?;
        Some((slot, slot.page.as_deref()?))
    }

    /// Of the slot with this number, or of the first one above.
    fn position(&self, number: u64) -> usize {
        let (Some(first), Some(last)) = (self.slots.front(), self.slots.back()) else { return 0 };
        let length = self.slots.len();
        if number > last.number {
            return length;
        }
        // Without holes on the way, the distance of the numbers is the one of the positions.
        if let Ok(distance) = usize::try_from(last.number - number)
            && let Some(position) = (length - 1).checked_sub(distance)
            && self.slots.get(position).is_some_and(|slot| slot.number == number)
        {
            return position;
        }
        let Some(distance) = number.checked_sub(first.number) else { return 0 };
        if let Ok(position) = usize::try_from(distance)
            && self.slots.get(position).is_some_and(|slot| slot.number == number)
        {
            return position;
        }
        self.slots.partition_point(|slot| slot.number < number)
    }

    /// Drops vacant slots from the front, and all of them when they are many.
    fn drop_vacant(&mut self) {
        while self.slots.front().is_some_and(|slot| slot.page.is_none()) {
            self.slots.pop_front();
            self.vacant -= 1;
        }
        if self.vacant * 2 > self.slots.len() {
            self.slots.retain(|slot| slot.page.is_some());
            self.vacant = 0;
        }
        if self.slots.capacity() > 64 && self.slots.len() * 4 < self.slots.capacity() {
            self.slots.shrink_to(self.slots.len() * 2);
        }
    }
}

impl Page {
    /// Where the entry of a present bit is.
    fn index(&self, at: usize) -> usize {
        if self.places.len() == BITS { at } else { self.present.rank(at) }
    }

    fn entry(&self, at: usize) -> Entry {
        let index = self.index(at);
        let place = *self.places.get(index).expect("each present bit has an entry");
        Entry { place, subject: *self.subjects.get(index).expect("each present bit has an entry") }
    }

    fn subject(&self, at: usize) -> u32 {
        *self.subjects.get(self.index(at)).expect("each present bit has an entry")
    }

    /// Gives back the room of entries that are gone, when they are half of them.
    fn move_together(&mut self, live: usize) {
        let present = self.places.len();
        if live * 2 > present || present < PRESENT_MIN {
            return;
        }
        let entries = || self.live.iter().map(|at| self.entry(at));
        (self.places, self.subjects) =
            (entries().map(|entry| entry.place).collect(), entries().map(|entry| entry.subject).collect());
        self.present = self.live;
    }
}

fn split(sequence: u64) -> (u64, usize) {
    (sequence / PAGE, usize::try_from(sequence % PAGE).expect("a remainder is small"))
}

fn join(number: u64, at: usize) -> u64 {
    number * PAGE + u64::try_from(at).expect("a length fits")
}
