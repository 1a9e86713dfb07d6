//! Acknowledgements of all kinds.

use std::{io::Write as _, time::Duration};

use firn_api::{
    advisory::{ConsumerAck, MaxDeliver, Naked, Terminated},
    consumer::{AckKind, NextRequest},
    time::Nanos,
};

use super::{
    Consumer,
    effect::{ConsumerEffect, ConsumerEvent},
    entry::Postponement,
    pending::Slot,
    pull,
    turn::{Ack, Turn},
};

impl Consumer {
    /// A client says what becomes of a message.
    pub fn ack(&mut self, turn: &mut Turn<'_>, ack: Ack<'_>) {
        self.begin(turn);
        if !self.state.rules.is_acknowledged {
            return unheard(turn, &ack);
        }
        self.active_at = turn.now.monotonic;
        let sequence = ack.delivery.stream_seq;
        match AckKind::parse(ack.body) {
            AckKind::Ack => self.acknowledge(sequence, turn),
            AckKind::Next(body) => {
                self.acknowledge(sequence, turn);
                return match NextRequest::parse(body) {
                    Ok(request) => self.queue(turn, ack.reply, request),
                    Err(error) => pull::refuse(turn, ack.reply, format_args!("400 Bad Request - {error}")),
                };
            }
            AckKind::Nak(delay) => self.refuse_message(&ack, delay, turn),
            AckKind::Progress => self.progress(sequence, turn),
            AckKind::Term(reason) => {
                self.acknowledge(sequence, turn);
                self.tell_terminated(&ack, reason, turn);
            }
            AckKind::Unknown => {}
        }
        if !ack.reply.is_empty() {
            let target = turn.effects.copy(ack.reply);
            turn.effects.list.push(ConsumerEffect::Confirm { target });
        }
    }

    fn acknowledge(&mut self, sequence: u64, turn: &mut Turn<'_>) {
        if self.state.rules.acknowledges_all {
            return self.acknowledge_to(sequence, turn);
        }
        let was_full = self.is_full();
        let (was_needed, slot) = self.state.acknowledge(turn.now.wall, sequence);
        if !was_needed {
            return;
        }
        self.entries.acknowledged(turn.now.wall.unix_nanos(), sequence);
        turn.effects.acknowledged(sequence, sequence);
        self.is_hungry_for_turn |= was_full;
        if let Some(slot) = slot {
            self.sample(slot, turn);
        }
    }

    pub(super) fn acknowledge_to(&mut self, sequence: u64, turn: &mut Turn<'_>) {
        let pending = self.state.pending.first().map(|slot| slot.sequence);
        let first = pending.into_iter().chain(self.state.exhausted.first().copied()).min();
        // What was not sent cannot be acknowledged.
        if sequence > self.state.delivered.sequence || first.is_none_or(|first| first > sequence) {
            return;
        }
        let was_full = self.is_full();
        let slot = self.state.pending.get(sequence).copied();
        let (now, effects) = (turn.now.wall, &mut *turn.effects);
        self.state.acknowledge_to(now, sequence, &mut |sequence| effects.acknowledged(sequence, sequence));
        self.entries.acknowledged_to(now.unix_nanos(), sequence);
        self.is_hungry_for_turn |= was_full;
        if let Some(slot) = slot {
            self.sample(slot, turn);
        }
    }

    /// It takes longer.
    fn progress(&mut self, sequence: u64, turn: &Turn<'_>) {
        let Some(slot) = self.state.pending.get(sequence).copied() else { return };
        let Some(wait) = self.state.rules.wait_duration(slot.deliveries) else { return };
        let due = self.state.rules.due(turn.now.wall, slot.deliveries);
        self.postpone(Postponement { sequence, due, is_asked_for: false }, wait, turn);
    }

    /// It shall be sent again.
    fn refuse_message(&mut self, ack: &Ack<'_>, delay: u64, turn: &mut Turn<'_>) {
        let sequence = ack.delivery.stream_seq;
        let Some(slot) = self.state.pending.get(sequence).copied() else { return };
        if turn.is_observed {
            let event = Naked {
                stream: self.stream.clone(),
                consumer: self.name.clone(),
                consumer_seq: ack.delivery.consumer_seq,
                stream_seq: sequence,
                deliveries: ack.delivery.deliveries,
                ..Naked::default()
            };
            turn.effects.list.push(ConsumerEffect::Advisory(Box::new(ConsumerEvent::Naked(event))));
        }
        if delay == 0 && slot.deliveries >= self.state.rules.deliveries_max {
            return self.exhaust(slot, turn);
        }
        let due = turn.now.wall.unix_nanos().saturating_add(i64::try_from(delay).unwrap_or(i64::MAX));
        self.postpone(Postponement { sequence, due, is_asked_for: true }, Duration::from_nanos(delay), turn);
        if delay == 0 {
            self.redelivery.make_ready(sequence, &mut self.state.pending);
            self.is_hungry_for_turn = true;
        }
    }

    fn postpone(&mut self, postponement: Postponement, wait: Duration, turn: &Turn<'_>) {
        let Postponement { sequence, due, is_asked_for } = postponement;
        self.state.postpone(sequence, due, is_asked_for);
        self.entries.postponed(turn.now.wall.unix_nanos(), postponement);
        self.redelivery.postponed(sequence, due, turn.now.monotonic + wait);
    }

    /// It was sent as often as it may be.
    pub(super) fn exhaust(&mut self, slot: Slot, turn: &mut Turn<'_>) {
        self.is_hungry_for_turn |= self.is_full();
        self.state.exhaust(slot.sequence);
        self.entries.exhausted(slot.sequence);
        if turn.is_observed {
            let event = MaxDeliver {
                stream: self.stream.clone(),
                consumer: self.name.clone(),
                stream_seq: slot.sequence,
                deliveries: u64::from(slot.deliveries),
                ..MaxDeliver::default()
            };
            turn.effects.list.push(ConsumerEffect::Advisory(Box::new(ConsumerEvent::Exhausted(event))));
        }
    }

    fn tell_terminated(&self, ack: &Ack<'_>, reason: &[u8], turn: &mut Turn<'_>) {
        if !turn.is_observed {
            return;
        }
        let event = Terminated {
            stream: self.stream.clone(),
            consumer: self.name.clone(),
            consumer_seq: ack.delivery.consumer_seq,
            stream_seq: ack.delivery.stream_seq,
            deliveries: ack.delivery.deliveries,
            reason: String::from_utf8_lossy(reason).into_owned(),
            ..Terminated::default()
        };
        turn.effects.list.push(ConsumerEffect::Advisory(Box::new(ConsumerEvent::Terminated(event))));
    }

    /// Of so many acknowledgements in a hundred, evenly, a metric is told.
    fn sample(&mut self, slot: Slot, turn: &mut Turn<'_>) {
        self.sampled += self.state.rules.sampled.min(100);
        if self.sampled < 100 {
            return;
        }
        self.sampled -= 100;
        if !turn.is_observed {
            return;
        }
        let wait = self.state.rules.wait(slot.deliveries).unwrap_or(0);
        let sent = slot.due.saturating_sub(wait);
        let event = ConsumerAck {
            stream: self.stream.clone(),
            consumer: self.name.clone(),
            consumer_seq: slot.number,
            stream_seq: slot.sequence,
            ack_time: Nanos(turn.now.wall.unix_nanos().saturating_sub(sent).max(0)),
            deliveries: u64::from(slot.deliveries),
            ..ConsumerAck::default()
        };
        turn.effects.list.push(ConsumerEffect::Advisory(Box::new(ConsumerEvent::Acknowledged(event))));
    }
}

/// Nobody listens for acknowledgements of a consumer that wants none, and who waits for an answer is told so.
fn unheard(turn: &mut Turn<'_>, ack: &Ack<'_>) {
    if ack.reply.is_empty() {
        return;
    }
    turn.effects.status(ack.reply, |text| {
        write!(text, "NATS/1.0 503\r\nNats-Subject: ").expect("memory takes all");
        text.extend_from_slice(ack.subject);
        text.extend_from_slice(b"\r\n\r\n");
    });
}
