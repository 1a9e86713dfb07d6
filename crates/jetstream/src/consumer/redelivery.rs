//! When pending messages may be sent again, and which already may.
//!
//! ```text
//!   waves, a queue for each wait     due 30.000: 1..500    due 30.002: 501..1000 …     one turn's deliveries each
//!   postponed, a heap                due 31.5: 17                                      what a client asked for
//!        │ expired                        │
//!        ▼                                ▼
//!   ready                            17 · 501 · 502 …                                  in the order they are sent
//! ```
//!
//! All deliveries of a turn wait equally long, so that a timer is one element for all of them. Acknowledgements do not
//! look for theirs: what expires and is not pending any more, or is due at another time, was acknowledged or sent again.
//!
//! All this follows from what is pending and is lost at a restart.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, VecDeque},
    time::Duration,
};

use firn_id::Monotonic;

use super::{
    pending::{NEVER, Pending},
    rules::Rules,
};
use crate::now::Now;

#[derive(Clone, Debug, Default)]
pub(super) struct Redelivery {
    /// By which wait follows the deliveries.
    waves: Vec<VecDeque<Wave>>,
    postponed: BinaryHeap<Reverse<(Monotonic, u64, i64)>>,
    ready: VecDeque<u64>,
}

/// Deliveries of one turn.
#[derive(Clone, Copy, Debug)]
struct Wave {
    at: Monotonic,
    /// What their slots say; those that say something else are not meant.
    due: i64,
    first: u64,
    last: u64,
}

impl Redelivery {
    /// From what is pending, after a restart or when waits are others. What is due by a wall clock that was put back
    /// meanwhile does not wait longer than if it were sent now.
    pub(super) fn rebuild(&mut self, pending: &mut Pending, rules: &Rules, now: Now) {
        *self = Redelivery { ready: std::mem::take(&mut self.ready), ..Redelivery::default() };
        let wall = now.wall.unix_nanos();
        for slot in pending.range_mut(0, u64::MAX).filter(|slot| slot.due != NEVER && !slot.is_ready) {
            let mut rest = u64::try_from(slot.due.saturating_sub(wall)).unwrap_or(0);
            if let Some(wait) = rules.wait(slot.deliveries).filter(|_| !slot.is_postponed) {
                rest = rest.min(u64::try_from(wait).unwrap_or(0));
            }
            let at = now.monotonic + Duration::from_nanos(rest);
            self.postponed.push(Reverse((at, slot.sequence, slot.due)));
        }
    }

    /// A message was sent; `step` is which wait follows.
    pub(super) fn delivered(&mut self, sequence: u64, due: i64, at: Monotonic, step: usize) {
        if due == NEVER {
            return;
        }
        if self.waves.len() <= step {
            self.waves.resize(step + 1, VecDeque::new());
        }
        let Some(waves) = self.waves.get_mut(step) else { return };
        match waves.back_mut().filter(|wave| wave.at == at && wave.due == due && wave.last < sequence) {
            Some(wave) => wave.last = sequence,
            None => waves.push_back(Wave { at, due, first: sequence, last: sequence }),
        }
    }

    /// A message may be sent again at this time.
    pub(super) fn postponed(&mut self, sequence: u64, due: i64, at: Monotonic) {
        if due != NEVER {
            self.postponed.push(Reverse((at, sequence, due)));
        }
    }

    /// A message may be sent again.
    pub(super) fn make_ready(&mut self, sequence: u64, pending: &mut Pending) {
        if let Some(slot) = pending.get_mut(sequence).filter(|slot| !slot.is_ready) {
            slot.is_ready = true;
            self.ready.push_back(sequence);
        }
    }

    /// Which messages may be sent again by now, in the order of their sequences for each wait.
    pub(super) fn expire(&mut self, pending: &mut Pending, now: Monotonic, expired: &mut Vec<u64>) {
        for waves in &mut self.waves {
            while let Some(wave) = waves.front().copied().filter(|wave| wave.at <= now) {
                waves.pop_front();
                let slots = pending.range_mut(wave.first, wave.last);
                expired.extend(slots.filter(|slot| slot.due == wave.due && !slot.is_ready).map(|slot| slot.sequence));
            }
        }
        while let Some(&Reverse((at, sequence, due))) = self.postponed.peek() {
            if at > now {
                break;
            }
            self.postponed.pop();
            let is_meant = pending.get(sequence).is_some_and(|slot| slot.due == due && !slot.is_ready);
            expired.extend(is_meant.then_some(sequence));
        }
    }

    /// The message to be sent again next.
    pub(super) fn next(&mut self, pending: &Pending) -> Option<u64> {
        while let Some(&sequence) = self.ready.front() {
            if pending.get(sequence).is_some_and(|slot| slot.is_ready) {
                return Some(sequence);
            }
            self.ready.pop_front();
        }
        None
    }

    /// Messages that can be sent again, and some that need not be any more.
    pub(super) fn ready(&self) -> usize {
        self.ready.len()
    }

    /// Drops timers of what is acknowledged, where that is easy to see. When the next one ends.
    pub(super) fn prune(&mut self, pending: &Pending) -> Option<Monotonic> {
        let Some(first) = pending.first() else {
            self.waves.iter_mut().for_each(VecDeque::clear);
            self.postponed.clear();
            self.ready.clear();
            return None;
        };
        let mut next: Option<Monotonic> = None;
        for waves in &mut self.waves {
            while waves.front().is_some_and(|wave| wave.last < first.sequence) {
                waves.pop_front();
            }
            next = next.into_iter().chain(waves.front().map(|wave| wave.at)).min();
        }
        next.into_iter().chain(self.postponed.peek().map(|Reverse((at, ..))| *at)).min()
    }

    pub(super) fn clear(&mut self) {
        *self = Redelivery::default();
    }
}
