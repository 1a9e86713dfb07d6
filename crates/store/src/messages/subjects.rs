//! The subjects of a stream: a number for each, and for each number its name and its messages.
//!
//! ```text
//!   table  hash → id          4 bytes and a control byte, at most 7/8 full
//!   states id → 24 bytes      name · last sequence · count · distance to the first, or a list of sequences
//!   names  bytes, one behind the other
//!   lists  the sequences of a subject with three messages and more
//!   order  ids by name, made when somebody first asks for it
//! ```
//!
//! A subject whose last message goes stays known, because in work queues and caches the same ones come back. When more
//! than half of them have no messages they are swept out at once, which costs a constant a removal; then their ids are
//! given again. So an id means the same subject as long as it has a message.
//!
//! Invariants: one id a name; `live` counts those that have messages; an id without messages waits to be swept or is
//! vacant; a list is there exactly if there are three messages or more, or two further apart than four bytes can tell.
//!
//! Not here: what matches what (`walk`), and where messages lie.

use std::cell::{Ref, RefCell};
use std::hash::BuildHasher;

use foldhash::fast::FixedState;
use hashbrown::HashTable;

use super::SubjectState;
use super::column::Column;
use super::names::{Name, Names, index};
use super::order::Order;
use super::sequences::Sequences;

#[derive(Debug)]
pub(super) struct Subjects {
    hasher: FixedState,
    table: HashTable<u32>,
    states: Column<Known>,
    names: Names,
    lists: Vec<Option<Sequences>>,
    vacant_lists: Vec<u32>,
    /// Made and kept up when somebody asks, also by a question that changes nothing else.
    order: RefCell<Order>,
    live: usize,
    /// Ids whose last message went since the last sweep; some of them have messages again.
    waiting: Vec<u32>,
    vacant: Vec<u32>,
}

/// What is known of a subject. The mark of its name says that it waits to be swept.
#[derive(Clone, Copy, Debug)]
struct Known {
    name: Name,
    last: u64,
    count: u32,
    /// With two messages the distance of the first from the last, or [`LISTED`]; with more the number of the list.
    link: u32,
}

/// Of a count: the link is the number of a list.
const LISTED: u32 = 1 << 31;

/// Fewer are not swept.
const WAITING_MIN: usize = 64;

impl Known {
    fn count(&self) -> u32 {
        self.count & !LISTED
    }

    fn list(&self) -> Option<usize> {
        (self.count & LISTED != 0).then(|| index(self.link))
    }
}

impl Subjects {
    pub(super) fn new(seed: u64) -> Self {
        Subjects {
            hasher: FixedState::with_seed(seed),
            table: HashTable::new(),
            states: Column::default(),
            names: Names::default(),
            lists: Vec::new(),
            vacant_lists: Vec::new(),
            order: RefCell::default(),
            live: 0,
            waiting: Vec::new(),
            vacant: Vec::new(),
        }
    }

    /// How many have messages.
    pub(super) fn live(&self) -> usize {
        self.live
    }

    /// The id of a subject that has messages, or had some a while ago. O(1).
    pub(super) fn find(&self, subject: &[u8]) -> Option<u32> {
        let hash = self.hasher.hash_one(subject);
        self.table.find(hash, |id| self.name(*id) == subject).copied()
    }

    pub(super) fn name(&self, id: u32) -> &[u8] {
        self.names.get(self.known_as(id).name)
    }

    /// None if it has no messages. O(1).
    pub(super) fn state(&self, id: u32) -> Option<SubjectState> {
        let known = self.known_as(id);
        let first = self.first(known)?;
        Some(SubjectState { first, last: known.last, count: known.count().into() })
    }

    /// Its first message at or after `from`. O(log count).
    pub(super) fn at_or_after(&self, id: u32, from: u64) -> Option<u64> {
        let known = self.known_as(id);
        let first = self.first(known)?;
        if from <= first {
            return Some(first);
        }
        match self.list(known) {
            Some(list) => list.at_or_after(from),
            None => (from <= known.last).then_some(known.last),
        }
    }

    /// Its last message at or before `from`. O(log count).
    pub(super) fn at_or_before(&self, id: u32, from: u64) -> Option<u64> {
        let known = self.known_as(id);
        let first = self.first(known)?;
        if from >= known.last {
            return Some(known.last);
        }
        match self.list(known) {
            Some(list) => list.at_or_before(from),
            None => (from >= first).then_some(first),
        }
    }

    /// How many messages it has at or after `from`. O(log count), and a step for every 256 messages after it.
    pub(super) fn count(&self, id: u32, from: u64) -> u64 {
        let known = self.known_as(id);
        let Some(first) = self.first(known) else { return 0 };
        if from <= first {
            return known.count().into();
        }
        if from > known.last {
            return 0;
        }
        self.list(known).map_or(1, |list| u64::try_from(list.count(from)).expect("a length fits"))
    }

    /// A message was appended, above all others. O(1). Returns the subject's id.
    pub(super) fn add(&mut self, subject: &[u8], sequence: u64) -> u32 {
        let id = self.id(subject);
        let known = *self.known_as(id);
        let (count, link) = match (known.count(), known.list()) {
            (0, _) => {
                self.live += 1;
                (1, 0)
            }
            (1, _) => match u32::try_from(sequence - known.last) {
                Ok(distance) => (2, distance),
                Err(_) => (2 | LISTED, self.new_list(Sequences::new([known.last, sequence]))),
            },
            (2, None) => {
                let first = known.last - u64::from(known.link);
                let mut list = Sequences::new([first, known.last]);
                list.push(sequence);
                (3 | LISTED, self.new_list(list))
            }
            (_, list) => {
                self.list_mut(list).push(sequence);
                assert!(known.count() < LISTED - 1, "a subject has fewer than 2^31 messages");
                (known.count + 1, known.link)
            }
        };
        *self.known_mut(id) = Known { name: known.name, last: sequence, count, link };
        id
    }

    /// A message is gone. O(log count), and now and then a sweep.
    pub(super) fn remove(&mut self, id: u32, sequence: u64) {
        let known = *self.known_as(id);
        let first = self.first(&known).expect("what is removed was there");
        let (last, count, link) = match (known.count(), known.list()) {
            (0 | 1, _) => (0, 0, 0),
            (2, None) => (if sequence == first { known.last } else { first }, 1, 0),
            (count, listed) => {
                let list = self.list_mut(listed);
                let was_there = list.remove(sequence);
                assert!(was_there, "what is removed was there");
                let (first, last) = (list.first(), list.last());
                let (Some(first), Some(last)) = (first, last) else { unreachable!("there were two or more") };
                match u32::try_from(last - first) {
                    Ok(distance) if count <= 3 => {
                        self.drop_list(known.link);
                        (last, count - 1, if count == 3 { distance } else { 0 })
                    }
                    _ => (last, known.count - 1, known.link),
                }
            }
        };
        let is_waiting = known.name.is_marked();
        let known = self.known_mut(id);
        (known.last, known.count, known.link) = (last, count, link);
        if count == 0 {
            known.name.set_mark(true);
            self.live -= 1;
            if !is_waiting {
                self.waiting.push(id);
            }
            if self.waiting.len() > WAITING_MIN.max(self.table.len() / 2) {
                self.sweep();
            }
        }
    }

    /// All ids that have messages, in no promised order.
    pub(super) fn ids(&self) -> impl Iterator<Item = u32> {
        self.table.iter().copied().filter(|id| self.known_as(*id).count() > 0)
    }

    /// The ids by name. O(1); O(n log n) in those that came since it was asked for last.
    pub(super) fn order(&self) -> Ref<'_, Order> {
        if self.order.borrow().is_behind() {
            self.order.borrow_mut().update(|id| self.name(id));
        }
        self.order.borrow()
    }

    pub(super) fn memory_bytes(&self) -> usize {
        let lists: usize = self.lists.iter().flatten().map(Sequences::memory_bytes).sum();
        let numbers = self.vacant_lists.capacity() + self.waiting.capacity() + self.vacant.capacity();
        self.table.allocation_size()
            + self.states.memory_bytes()
            + self.names.memory_bytes()
            + self.lists.capacity() * size_of::<Option<Sequences>>()
            + lists
            + numbers * 4
            + self.order.borrow().memory_bytes()
    }

    pub(super) fn check_invariants(&self) {
        assert_eq!(self.ids().count(), self.live, "live");
        assert_eq!(self.table.len() + self.vacant.len(), self.states.len(), "an id is used or vacant");
        let marked = self.table.iter().filter(|id| self.known_as(**id).name.is_marked()).count();
        assert_eq!(marked, self.waiting.len(), "waiting");
        assert!(self.waiting.len() <= WAITING_MIN.max(self.table.len() / 2), "swept in time");
        let bytes: usize = self.table.iter().map(|id| self.name(*id).len()).sum();
        assert_eq!(bytes, self.names.live_bytes(), "bytes of names");
        let mut lists = 0;
        for id in self.table.iter().copied() {
            assert_eq!(self.find(self.name(id)), Some(id), "a name has one id");
            let known = self.known_as(id);
            assert!(known.count() > 0 || known.name.is_marked(), "an id without messages waits");
            if let Some(list) = self.list(known) {
                lists += 1;
                list.check_invariants();
                assert_eq!(list.iter().count(), index(known.count()), "a list is whole");
                assert_eq!(list.last(), Some(known.last), "last");
            }
            assert!(known.count() < 3 || known.list().is_some(), "three messages have a list");
        }
        assert_eq!(self.lists.iter().flatten().count(), lists, "lists belong to subjects");
        assert_eq!(self.lists.len(), lists + self.vacant_lists.len(), "a list is used or vacant");
        self.order.borrow().check_invariants(self.table.len(), |id| self.name(id));
    }

    fn known_as(&self, id: u32) -> &Known {
        self.states.get(index(id)).expect("ids come from here")
    }

    fn known_mut(&mut self, id: u32) -> &mut Known {
        self.states.get_mut(index(id)).expect("ids come from here")
    }

    fn first(&self, known: &Known) -> Option<u64> {
        match (known.count(), self.list(known)) {
            (0, _) => None,
            (1, _) => Some(known.last),
            (_, Some(list)) => list.first(),
            (_, None) => Some(known.last - u64::from(known.link)),
        }
    }

    fn list(&self, known: &Known) -> Option<&Sequences> {
        self.lists.get(known.list()?)?.as_ref()
    }

    fn list_mut(&mut self, number: Option<usize>) -> &mut Sequences {
        let list = number.and_then(|number| self.lists.get_mut(number)?.as_mut());
        list.expect("whoever has three messages has a list")
    }

    fn new_list(&mut self, list: Sequences) -> u32 {
        let Some(number) = self.vacant_lists.pop() else {
            self.lists.push(Some(list));
            return u32::try_from(self.lists.len() - 1).expect("there are fewer lists than ids");
        };
        *self.lists.get_mut(index(number)).expect("numbers come from here") = Some(list);
        number
    }

    fn drop_list(&mut self, number: u32) {
        *self.lists.get_mut(index(number)).expect("numbers come from here") = None;
        self.vacant_lists.push(number);
    }

    /// The id of a subject, which is new if there is none.
    fn id(&mut self, subject: &[u8]) -> u32 {
        let hash = self.hasher.hash_one(subject);
        let Self { table, states, names, .. } = self;
        let name_of = |id: u32| names.get(states.get(index(id)).expect("ids come from here").name);
        if let Some(id) = table.find(hash, |id| name_of(*id) == subject) {
            return *id;
        }
        let name = names.push(subject);
        let known = Known { name, last: 0, count: 0, link: 0 };
        let id = match self.vacant.pop() {
            Some(id) => {
                *states.get_mut(index(id)).expect("ids come from here") = known;
                id
            }
            None => {
                states.push(known);
                u32::try_from(states.len() - 1).expect("a stream has fewer than 2^32 subjects")
            }
        };
        let name_of = |id: u32| names.get(states.get(index(id)).expect("ids come from here").name);
        table.insert_unique(hash, id, |id| self.hasher.hash_one(name_of(*id)));
        self.order.get_mut().add(id);
        id
    }

    /// Forgets the subjects that have no messages.
    fn sweep(&mut self) {
        let waiting = std::mem::take(&mut self.waiting);
        let vacant_before = self.vacant.len();
        for id in waiting {
            let known = *self.known_as(id);
            if known.count() > 0 {
                self.known_mut(id).name.set_mark(false);
                continue;
            }
            let hash = self.hasher.hash_one(self.names.get(known.name));
            if let Ok(entry) = self.table.find_entry(hash, |other| *other == id) {
                entry.remove();
            }
            self.names.forget(known.name);
            self.vacant.push(id);
        }
        if self.vacant.len() > vacant_before {
            let states = &self.states;
            let is_known = |id: u32| states.get(index(id)).is_some_and(|known| known.count() > 0);
            self.order.get_mut().retain(is_known);
        }
        let Self { table, states, names, hasher, .. } = self;
        if names.is_half_dead() {
            let mut copy = Names::default();
            for id in &*table {
                let known = states.get_mut(index(*id)).expect("ids come from here");
                let is_marked = known.name.is_marked();
                known.name = copy.push(names.get(known.name));
                known.name.set_mark(is_marked);
            }
            *names = copy;
        }
        if table.capacity() > 4 * WAITING_MIN.max(table.len()) {
            let name_of = |id: u32| names.get(states.get(index(id)).expect("ids come from here").name);
            table.shrink_to(table.len() * 2, |id| hasher.hash_one(name_of(*id)));
        }
    }
}
