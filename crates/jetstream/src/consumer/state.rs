//! What of a consumer survives a restart, and how entries change it. Nothing here knows the time or the stream.
//!
//! ```text
//!   sequences of the stream   1 2 3 4 5 6 7 8 9 10 11 …
//!                             ───────┘ · · └── pending: 6 7 (sent, not acknowledged)
//!                           ack floor      └ delivered: 8       9 … were not looked at, or do not match
//! ```
//!
//! The *ack floor* moves when the first pending message is done: to what lies before the next one, or to all that was
//! delivered.
//!
//! Invariant: each pending sequence is at most the one that was delivered last, and each number too.

use std::collections::BTreeSet;

use firn_api::consumer::ConsumerConfig;
use firn_id::Timestamp;

use super::{
    entry::ConsumerEntry,
    pending::{NEVER, Pending, Slot},
    rules::Rules,
};

/// A place in the consumer's count of deliveries and in the stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) number: u64,
    pub(super) sequence: u64,
}

#[derive(Clone, Debug)]
pub(super) struct State {
    pub(super) config: ConsumerConfig,
    /// Follows from the configuration.
    pub(super) rules: Rules,
    /// The last delivery, and the message that was sent last for the first time.
    pub(super) delivered: Place,
    pub(super) delivered_at: Option<Timestamp>,
    pub(super) floor: Place,
    pub(super) acknowledged_at: Option<Timestamp>,
    pub(super) pending: Pending,
    /// They were sent as often as they may be, and nobody acknowledged them: a stream that keeps what somebody still
    /// needs, keeps them.
    pub(super) exhausted: BTreeSet<u64>,
}

impl State {
    pub(super) fn new(config: ConsumerConfig, start: u64) -> Self {
        let before = Place { number: 0, sequence: start.saturating_sub(1) };
        State {
            rules: Rules::new(&config),
            config,
            delivered: before,
            delivered_at: None,
            floor: before,
            acknowledged_at: None,
            pending: Pending::default(),
            exhausted: BTreeSet::new(),
        }
    }

    /// The first sequence that was not sent yet.
    pub(super) fn next(&self) -> u64 {
        self.delivered.sequence.saturating_add(1)
    }

    /// A message of this number is done.
    fn raise_floor(&mut self, number: u64) {
        match self.pending.first() {
            None => self.floor = self.delivered,
            Some(first) if first.number > number => {
                self.floor = Place { number: first.number - 1, sequence: first.sequence.saturating_sub(1) };
            }
            Some(_) => {}
        }
    }

    /// Somebody may still want this message: it was not sent yet, or not acknowledged.
    pub(super) fn needs(&self, sequence: u64) -> bool {
        sequence > self.delivered.sequence || self.pending.get(sequence).is_some() || self.exhausted.contains(&sequence)
    }

    pub(super) fn apply(&mut self, entry: &ConsumerEntry<'_>) {
        match *entry {
            ConsumerEntry::Delivered { time, runs } => {
                for (sequence, is_redelivery) in runs.messages() {
                    self.deliver(time, sequence, is_redelivery);
                }
            }
            ConsumerEntry::Acknowledged { time, runs } => {
                for (sequence, _) in runs.messages() {
                    self.acknowledge(time, sequence);
                }
            }
            ConsumerEntry::AcknowledgedTo { time, sequence } => self.acknowledge_to(time, sequence, &mut |_| {}),
            ConsumerEntry::Postponed { list, .. } => {
                list.iter().for_each(|one| self.postpone(one.sequence, one.due, one.is_asked_for));
            }
            ConsumerEntry::Exhausted { runs } => runs.messages().for_each(|(sequence, _)| self.exhaust(sequence)),
            ConsumerEntry::Gone { runs } => {
                for (sequence, _) in runs.messages() {
                    self.lose(sequence);
                }
            }
            ConsumerEntry::Skipped { next } => self.skip(next),
            ConsumerEntry::Reset { next } => self.reset(next),
            ConsumerEntry::Paused { until } => self.pause(until),
            ConsumerEntry::Updated { config } => self.update(config),
        }
    }

    /// A message was sent. When it is due again.
    pub(super) fn deliver(&mut self, time: Timestamp, sequence: u64, is_redelivery: bool) -> i64 {
        self.delivered.number = self.delivered.number.saturating_add(1);
        self.delivered_at = Some(time);
        let deliveries =
            if is_redelivery { self.pending.get(sequence).map_or(1, |slot| slot.deliveries + 1) } else { 1 };
        let due = self.rules.due(time, deliveries);
        if is_redelivery {
            self.pending.redeliver(sequence, due);
            return due;
        }
        self.delivered.sequence = self.delivered.sequence.max(sequence);
        if self.rules.is_acknowledged {
            let number = self.delivered.number;
            self.pending.push(Slot { sequence, number, due, deliveries: 1, is_postponed: false, is_ready: false });
        } else {
            self.floor = self.delivered;
        }
        due
    }

    /// Whether somebody still waited for that, and as it was where it was pending.
    pub(super) fn acknowledge(&mut self, time: Timestamp, sequence: u64) -> (bool, Option<Slot>) {
        let slot = self.pending.remove(sequence);
        let was_needed = slot.is_some() || (!self.exhausted.is_empty() && self.exhausted.remove(&sequence));
        if was_needed {
            self.acknowledged_at = Some(time);
        }
        if let Some(slot) = slot {
            self.raise_floor(slot.number);
        }
        (was_needed, slot)
    }

    pub(super) fn acknowledge_to(&mut self, time: Timestamp, sequence: u64, removed: &mut dyn FnMut(u64)) {
        self.acknowledged_at = Some(time);
        if let Some(last) = self.remove_to(sequence, removed) {
            self.floor = Place { number: last.number, sequence: last.sequence };
        }
        while let Some(first) = self.exhausted.first().copied().filter(|first| *first <= sequence) {
            self.exhausted.remove(&first);
            removed(first);
        }
    }

    /// The last one that was removed.
    fn remove_to(&mut self, sequence: u64, removed: &mut dyn FnMut(u64)) -> Option<Slot> {
        let mut last = None;
        self.pending.remove_to(sequence, &mut |slot| {
            last = Some(slot);
            removed(slot.sequence);
        });
        last
    }

    pub(super) fn postpone(&mut self, sequence: u64, due: i64, is_asked_for: bool) {
        if let Some(slot) = self.pending.get_mut(sequence) {
            (slot.due, slot.is_postponed, slot.is_ready) = (due, is_asked_for, false);
        }
    }

    pub(super) fn exhaust(&mut self, sequence: u64) {
        if let Some(slot) = self.pending.remove(sequence) {
            self.exhausted.insert(sequence);
            self.raise_floor(slot.number);
        }
    }

    /// The stream lost it. As it was, where it was waited for.
    pub(super) fn lose(&mut self, sequence: u64) -> Option<Slot> {
        self.exhausted.remove(&sequence);
        let slot = self.pending.remove(sequence)?;
        self.raise_floor(slot.number);
        Some(slot)
    }

    pub(super) fn skip(&mut self, next: u64) {
        let before = next.saturating_sub(1);
        self.exhausted = self.exhausted.split_off(&next);
        self.delivered.sequence = self.delivered.sequence.max(before);
        match self.remove_to(before, &mut |_| {}) {
            Some(last) => self.raise_floor(last.number),
            None if self.pending.is_empty() => self.floor = self.delivered,
            None => {}
        }
    }

    pub(super) fn reset(&mut self, next: u64) {
        self.pending.clear();
        self.exhausted.clear();
        self.delivered = Place { number: 0, sequence: next.saturating_sub(1) };
        self.floor = self.delivered;
        (self.delivered_at, self.acknowledged_at) = (None, None);
    }

    /// A text that is no time is none of ours; what the proposer wrote is one.
    pub(super) fn pause(&mut self, until: &str) {
        self.config.pause_until = firn_api::time::Time::parse(until).ok().filter(|time| !time.is_zero());
    }

    /// Bytes that are no configuration are none of ours.
    pub(super) fn update(&mut self, config: &[u8]) {
        let Some(config) = read_config(config) else { return };
        let rules = Rules::new(&config);
        // Who waits for longer or shorter from now on, waits so for what was sent before, too.
        for slot in self.pending.range_mut(0, u64::MAX).filter(|slot| !slot.is_postponed) {
            slot.due = match (self.rules.wait(slot.deliveries), rules.wait(slot.deliveries)) {
                (Some(old), Some(new)) if slot.due != NEVER => slot.due.saturating_sub(old).saturating_add(new),
                _ => slot.due,
            };
        }
        if !rules.is_acknowledged {
            self.pending.clear();
            self.floor = self.delivered;
        }
        (self.config, self.rules) = (config, rules);
    }

    pub(super) fn check_invariants(&self) {
        self.pending.check_invariants();
        for slot in self.pending.iter() {
            assert!(slot.sequence <= self.delivered.sequence && slot.number <= self.delivered.number);
            assert!(!self.exhausted.contains(&slot.sequence), "what is exhausted is not waited for");
        }
        assert!(self.rules.is_acknowledged || self.pending.is_empty());
        assert!(self.floor.number <= self.delivered.number && self.floor.sequence <= self.delivered.sequence);
        assert!(self.pending.first().is_none_or(|first| first.number > self.floor.number));
    }
}

/// A configuration that can be worked with, whoever wrote it.
pub(super) fn read_config(json: &[u8]) -> Option<ConsumerConfig> {
    let config = firn_api::json::read::<ConsumerConfig>(json).ok()?;
    let is_sound = config.filters().all(|filter| firn_subject::subject::is_valid_pattern(filter.as_bytes()));
    is_sound.then_some(config)
}
