//! What happens because time passes.

use std::{io::Write as _, time::Duration};

use firn_api::consumer::AckPolicy;
use firn_id::Monotonic;

use super::{Consumer, effect::ConsumerEffect, turn::Turn};
use crate::now::Now;

/// How soon to look again at what expired while something had to be read.
const UNSETTLED_WAIT: Duration = Duration::from_millis(10);

impl Consumer {
    /// Does what is due: redelivery, ends of pulls, signs of life, pins, the end of a pause, the end of a consumer that
    /// nobody uses. What can be sent then, is sent with [`Consumer::finish`].
    pub fn tick(&mut self, turn: &mut Turn<'_>) {
        self.begin(turn);
        let now = turn.now;
        if self.was_paused && !self.is_paused(now) {
            self.was_paused = false;
            self.is_hungry_for_turn = true;
            self.tell_pause(self.state.config.pause_until.unwrap_or_default(), turn);
        }
        self.expire_waits(turn);
        self.is_hungry_for_turn |= self.pin.expire(turn);

        let delivered = self.state.delivered;
        let heartbeat = |text: &mut Vec<u8>| {
            let (number, sequence) = (delivered.number, delivered.sequence);
            let lines = format_args!("Nats-Last-Consumer: {number}\r\nNats-Last-Stream: {sequence}\r\n\r\n");
            write!(text, "NATS/1.0 100 Idle Heartbeat\r\n{lines}").expect("memory takes all");
        };
        // What can be sent now is no reason for a sign of life, nor for the end of a pull.
        if self.is_hungry_for_turn || self.pace_deadline().is_some_and(|at| at <= now.monotonic) {
            self.is_hungry_for_turn = self.deliver(turn);
        }
        let has_waited = !self.waiting.is_empty();
        self.waiting.expire(&heartbeat, turn);
        if has_waited && self.waiting.is_empty() {
            self.active_at = now.monotonic;
        }
        let is_idle = self.push.beat(&heartbeat, turn);
        // Acknowledgements come as answers: when nothing more is sent, the last ones have to be asked for.
        let acks_by_answers = self.state.config.ack_policy == AckPolicy::FlowControl;
        if is_idle && acks_by_answers && !self.state.pending.is_empty() {
            self.push.ask((&self.stream, &self.name), turn);
        }
        self.expire_consumer(turn);
    }

    /// When [`Consumer::tick`] has something to do; at the earliest, for what ends sooner is not looked for.
    pub fn deadline(&mut self, now: Now) -> Option<Monotonic> {
        if !self.is_begun || self.is_hungry_for_turn {
            return Some(now.monotonic);
        }
        let pause = (self.was_paused).then(|| now.monotonic + self.pause_remaining(now).duration());
        let threshold = self.inactive_threshold().map(|threshold| self.active_at + threshold);
        let times = [
            self.redelivery.prune(&self.state.pending),
            self.waiting.wake(),
            self.push.deadline(),
            self.pin.deadline(),
            self.pace_deadline(),
            threshold,
            pause,
        ];
        times.into_iter().flatten().min()
    }

    /// Messages whose acknowledgement did not come are sent again, or were sent often enough.
    pub(super) fn expire_waits(&mut self, turn: &mut Turn<'_>) {
        let mut expired = std::mem::take(&mut self.expired);
        self.redelivery.expire(&mut self.state.pending, turn.now.monotonic, &mut expired);
        if !expired.is_empty() && !self.settle(turn) {
            // What is gone is not known yet: a little later it will be.
            for sequence in expired.drain(..) {
                let due = self.state.pending.get(sequence).map_or(0, |slot| slot.due);
                self.redelivery.postponed(sequence, due, turn.now.monotonic + UNSETTLED_WAIT);
            }
        }
        for sequence in expired.drain(..) {
            let Some(slot) = self.state.pending.get(sequence).copied() else { continue };
            if slot.deliveries >= self.state.rules.deliveries_max {
                self.exhaust(slot, turn);
            } else {
                self.redelivery.make_ready(sequence, &mut self.state.pending);
                self.is_hungry_for_turn = true;
            }
        }
        self.expired = expired;
    }

    fn inactive_threshold(&self) -> Option<Duration> {
        let threshold = self.state.config.inactive_threshold.duration();
        (!threshold.is_zero() && !self.is_delete_asked).then_some(threshold)
    }

    fn expire_consumer(&mut self, turn: &mut Turn<'_>) {
        let now = turn.now.monotonic;
        if self.inactive_threshold().is_none_or(|threshold| self.active_at + threshold > now) {
            return;
        }
        self.waiting.drop_unheard(turn);
        if self.push.is_bound || !self.waiting.is_empty() {
            self.active_at = now;
            return;
        }
        self.is_delete_asked = true;
        turn.effects.list.push(ConsumerEffect::Delete);
    }
}
