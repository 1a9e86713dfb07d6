//! What the stream lost under a consumer: found out when the consumer has something to do, and only then.

use std::ops::ControlFlow;

use firn_api::advisory::Terminated;

use super::{
    Consumer,
    backlog::Removed,
    effect::{ConsumerEffect, ConsumerEvent},
    pending::Slot,
    turn::Turn,
};
use crate::messages::{Fetch, Filter, ready};

/// Why nobody will get a message any more that waited for its acknowledgement.
const REASON: &str = "Unacknowledged message was deleted";

impl Consumer {
    /// Forgets what is pending and gone. False where that cannot be known before something is read.
    pub(super) fn settle(&mut self, turn: &mut Turn<'_>) -> bool {
        let removals = turn.counter.removals();
        if self.settled == Some(removals) {
            return true;
        }
        let settled = match self.gone(turn) {
            Ok(gone) => {
                gone.into_iter().for_each(|sequence| self.lose(sequence, true, turn));
                true
            }
            Err(fetch) => {
                turn.effects.list.push(ConsumerEffect::Fetch(fetch));
                false
            }
        };
        if settled {
            self.settled = Some(removals);
        }
        settled
    }

    /// What was removed since, of that which is pending, exhausted or still to be sent as the last of its subject.
    fn gone(&mut self, turn: &Turn<'_>) -> Result<Vec<u64>, Fetch> {
        let is_idle = self.state.pending.is_empty() && self.state.exhausted.is_empty();
        if is_idle && self.lasts.as_ref().is_none_or(|lasts| lasts.is_empty()) {
            return Ok(Vec::new());
        }
        let mut gone = Vec::new();
        let walked = match self.settled.and_then(|seen| turn.counter.since(seen)) {
            None => ControlFlow::Break(()),
            Some(mut removed) => removed.try_for_each(|what| match what {
                Removed::One(sequence) => {
                    gone.push(sequence);
                    ControlFlow::Continue(())
                }
                Removed::Below(next) => {
                    gone.extend(self.held(next));
                    ControlFlow::Continue(())
                }
                Removed::Some => ControlFlow::Break(()),
            }),
        };
        if walked.is_break() {
            gone.clear();
            for sequence in self.held(u64::MAX) {
                if ready(turn.messages.next(sequence, &Filter::all()))? != Some(sequence) {
                    gone.push(sequence);
                }
            }
        }
        gone.sort_unstable();
        gone.dedup();
        if let Some(lasts) = &mut self.lasts {
            lasts.retain(|sequence| gone.binary_search(sequence).is_err());
        }
        gone.retain(|sequence| self.state.pending.get(*sequence).is_some() || self.state.exhausted.contains(sequence));
        Ok(gone)
    }

    /// All that is held before a sequence.
    fn held(&self, next: u64) -> Vec<u64> {
        let pending = self.state.pending.iter().map(|slot| slot.sequence);
        let lasts = self.lasts.iter().flatten().copied();
        let held = pending.chain(self.state.exhausted.iter().copied()).chain(lasts);
        held.filter(|sequence| *sequence < next).collect()
    }

    /// The stream has it no more.
    pub(super) fn lose(&mut self, sequence: u64, is_told: bool, turn: &mut Turn<'_>) {
        self.entries.gone(sequence);
        let was_full = self.is_full();
        if let Some(slot) = self.state.lose(sequence)
            && is_told
        {
            self.tell_lost(slot, turn);
        }
        self.is_hungry_for_turn |= was_full;
    }

    fn tell_lost(&self, slot: Slot, turn: &mut Turn<'_>) {
        if !turn.is_observed {
            return;
        }
        let event = Terminated {
            stream: self.stream.clone(),
            consumer: self.name.clone(),
            consumer_seq: slot.number,
            stream_seq: slot.sequence,
            deliveries: u64::from(slot.deliveries),
            reason: REASON.to_owned(),
            ..Terminated::default()
        };
        turn.effects.list.push(ConsumerEffect::Advisory(Box::new(ConsumerEvent::Terminated(event))));
    }
}
