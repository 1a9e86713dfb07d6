//! Ids that were seen within the stream's window, so that a message that is sent again is stored once.
//!
//! The window ends by the times of messages, not by a clock: what is forgotten depends on the entries alone. Who asks
//! says how late it is.

use std::collections::VecDeque;

use firn_id::Timestamp;
use foldhash::fast::RandomState;
use hashbrown::HashMap;

use crate::codec::{Reader, Writer};

/// Ids, each with the message that had it last.
#[derive(Debug, Default)]
pub(crate) struct Dedupe {
    by_id: HashMap<Box<[u8]>, Seen, RandomState>,
    /// In the order of their messages; where an id came again, its older place says nothing any more.
    order: VecDeque<(Timestamp, u64, Box<[u8]>)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Seen {
    sequence: u64,
    time: Timestamp,
}

impl Dedupe {
    /// The message that had this id within the window before `now`.
    pub(crate) fn find(&self, id: &[u8], now: Timestamp, window_nanos: i64) -> Option<u64> {
        let seen = self.by_id.get(id)?;
        (now.unix_nanos().saturating_sub(seen.time.unix_nanos()) < window_nanos).then_some(seen.sequence)
    }

    /// A message with this id was stored; what is older than the window before it is forgotten.
    pub(crate) fn insert(&mut self, id: &[u8], sequence: u64, time: Timestamp, window_nanos: i64) {
        self.forget(time.unix_nanos().saturating_sub(window_nanos));
        self.by_id.insert(id.into(), Seen { sequence, time });
        self.order.push_back((time, sequence, id.into()));
    }

    fn forget(&mut self, before_nanos: i64) {
        while let Some((_, sequence, id)) = self.order.pop_front_if(|(time, ..)| time.unix_nanos() <= before_nanos) {
            if self.by_id.get(&id).is_some_and(|seen| seen.sequence == sequence) {
                self.by_id.remove(&id);
            }
        }
    }

    pub(crate) fn snapshot(&self, out: &mut Writer) {
        out.count(self.order.len());
        for (time, sequence, id) in &self.order {
            out.i64(time.unix_nanos());
            out.u64(*sequence);
            out.string(id);
        }
    }

    pub(crate) fn restore(reader: &mut Reader<'_>) -> Option<Self> {
        let mut dedupe = Dedupe::default();
        for _ in 0..reader.count()? {
            let time = Timestamp::from_unix_nanos(reader.i64()?);
            let (sequence, id) = (reader.u64()?, reader.string()?);
            dedupe.by_id.insert(id.into(), Seen { sequence, time });
            dedupe.order.push_back((time, sequence, id.into()));
        }
        Some(dedupe)
    }

    pub(crate) fn check_invariants(&self) {
        for (id, seen) in &self.by_id {
            let place = (seen.time, seen.sequence, id.clone());
            assert!(self.order.contains(&place), "an id is remembered without a place");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(nanos: i64) -> Timestamp {
        Timestamp::from_unix_nanos(nanos)
    }

    #[test]
    fn an_id_is_known_within_the_window() {
        let mut dedupe = Dedupe::default();
        dedupe.insert(b"a", 1, at(100), 50);
        assert_eq!(dedupe.find(b"a", at(149), 50), Some(1));
        assert_eq!(dedupe.find(b"a", at(150), 50), None);
        assert_eq!(dedupe.find(b"b", at(100), 50), None);
        assert_eq!(dedupe.find(b"a", at(90), 50), Some(1), "a clock that was set back");
    }

    #[test]
    fn what_is_out_of_the_window_is_forgotten_and_what_came_again_is_not() {
        let mut dedupe = Dedupe::default();
        dedupe.insert(b"a", 1, at(100), 50);
        dedupe.insert(b"b", 2, at(120), 50);
        dedupe.insert(b"a", 3, at(155), 50);
        assert_eq!(dedupe.order.len(), 2);
        dedupe.insert(b"c", 4, at(175), 50);
        assert_eq!((dedupe.find(b"a", at(176), 50), dedupe.find(b"b", at(176), 50)), (Some(3), None));
        dedupe.check_invariants();
        let mut out = Writer::default();
        dedupe.snapshot(&mut out);
        let restored = Dedupe::restore(&mut Reader::new(&out.bytes)).expect("it was just written");
        assert_eq!(restored.find(b"a", at(176), 50), Some(3));
        restored.check_invariants();
    }
}
