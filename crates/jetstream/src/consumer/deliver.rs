//! Who gets which message next: what is sent again first, then what was not sent yet, in the stream's order.

use std::io::Write as _;

use firn_api::consumer::{AckPolicy, DeliverPolicy, PriorityPolicy, ReplayPolicy};
use firn_id::Monotonic;
use firn_wire::header;

use super::{
    Consumer,
    effect::{ConsumerEffect, Delivery, Span},
    turn::Turn,
    waiting::Offer,
};
use crate::messages::{Fetch, Loaded, Message, ready};

/// Messages of one call: others want their turn, too.
const MESSAGES_A_CALL: usize = 1_024;

/// Bytes of one call.
const BYTES_A_CALL: u64 = 8 << 20;

/// Header line of a body's length, where only headers are sent.
const SIZE_LINE: &str = "Nats-Msg-Size: ";

/// A message that would be next.
struct Candidate {
    message: Message,
    /// How often it was sent; 0 is not yet.
    deliveries: u32,
}

impl Consumer {
    /// Sends what can be sent. True where there is more, but this call did enough.
    pub fn deliver(&mut self, turn: &mut Turn<'_>) -> bool {
        self.begin(turn);
        if !self.settle(turn) {
            return false;
        }
        self.expire_waits(turn);
        self.calls += 1;
        self.paced_until = None;
        let mut done = Done::default();
        let outcome = if self.is_paused(turn.now) { Ok(false) } else { self.deliver_some(turn, &mut done) };
        done.tell(turn);
        match outcome {
            Ok(true) => return true,
            Ok(false) => self.waiting.end_no_wait(turn),
            Err(fetch) => turn.effects.list.push(ConsumerEffect::Fetch(fetch)),
        }
        false
    }

    fn deliver_some(&mut self, turn: &mut Turn<'_>, done: &mut Done) -> Result<bool, Fetch> {
        if !self.has_demand() {
            return Ok(false);
        }
        let mut pending = self.count_pending(turn)?;
        let mut bytes = 0;
        for _ in 0..MESSAGES_A_CALL {
            if !self.has_demand() {
                return Ok(false);
            }
            let Some(candidate) = self.candidate(turn)? else { return Ok(false) };
            let Some(sent) = self.offer(candidate, &mut pending, turn, done) else { return Ok(false) };
            bytes += sent;
            if bytes > BYTES_A_CALL {
                break;
            }
        }
        Ok(true)
    }

    /// Somebody would take a message.
    fn has_demand(&self) -> bool {
        if self.state.config.is_push() {
            self.push.is_bound && !self.push.is_stalled()
        } else {
            !self.waiting.is_empty()
        }
    }

    /// Messages before it that were not sent yet.
    pub(super) fn count_pending(&mut self, turn: &Turn<'_>) -> Result<u64, Fetch> {
        self.find_lasts(turn)?;
        let lasts = self.lasts.as_ref().filter(|lasts| !lasts.is_empty());
        let position = match lasts {
            Some(_) => self.last_at_creation + 1,
            None => self.state.next(),
        };
        let behind = self.backlog.count(turn.counter, turn.messages, &self.state.rules.filter, position)?;
        Ok(behind + lasts.map_or(0, |lasts| lasts.len() as u64))
    }

    /// Looks for the last message of each subject, if this consumer begins with these and is not beyond them.
    fn find_lasts(&mut self, turn: &Turn<'_>) -> Result<(), Fetch> {
        let begins_so = self.state.config.deliver_policy == DeliverPolicy::LastPerSubject;
        if self.lasts.is_some() || !begins_so {
            return Ok(());
        }
        let (next, last) = (self.state.next(), self.last_at_creation);
        if next > last {
            self.lasts = Some(Default::default());
            return Ok(());
        }
        let lasts = ready(turn.messages.last_per_subject(&self.state.rules.filter, Some(last)))?;
        let lasts = lasts.into_iter().filter(|sequence| *sequence >= next).collect();
        self.lasts = Some(lasts);
        // What is counted lies behind the last of them.
        self.backlog.forget();
        self.pass_lasts();
        Ok(())
    }

    /// Goes on with everything that came later, when the last of each subject are done.
    fn pass_lasts(&mut self) {
        if self.lasts.as_ref().is_some_and(|lasts| lasts.is_empty()) && self.cursor <= self.last_at_creation {
            self.cursor = self.last_at_creation + 1;
        }
    }

    /// The message to be sent next, and nothing changed but what cannot be sent.
    fn candidate(&mut self, turn: &mut Turn<'_>) -> Result<Option<Candidate>, Fetch> {
        while let Some(sequence) = self.redelivery.next(&self.state.pending) {
            let deliveries = self.state.pending.get(sequence).map_or(0, |slot| slot.deliveries);
            match ready(turn.messages.load(sequence))? {
                Loaded::Message(message) => return Ok(Some(Candidate { message, deliveries })),
                Loaded::Missing => self.lose(sequence, true, turn),
                Loaded::Damaged => {
                    turn.effects.list.push(ConsumerEffect::Damaged { sequence });
                    self.lose(sequence, false, turn);
                }
            }
        }
        if self.is_full() {
            return Ok(None);
        }
        while let Some(sequence) = self.next_new(turn)? {
            match ready(turn.messages.load(sequence))? {
                Loaded::Message(message) => {
                    self.paced_until = self.pace(&message, turn);
                    let is_early = self.paced_until.is_some_and(|at| at > turn.now.monotonic);
                    return Ok((!is_early).then_some(Candidate { message, deliveries: 0 }));
                }
                Loaded::Missing => self.pass(sequence),
                Loaded::Damaged => {
                    turn.effects.list.push(ConsumerEffect::Damaged { sequence });
                    self.pass(sequence);
                }
            }
        }
        Ok(None)
    }

    /// The first message that matches and was not sent yet.
    fn next_new(&mut self, turn: &Turn<'_>) -> Result<Option<u64>, Fetch> {
        if let Some(sequence) = self.lasts.as_ref().and_then(|lasts| lasts.front()) {
            return Ok(Some(*sequence));
        }
        let next = ready(turn.messages.next(self.cursor, &self.state.rules.filter))?;
        self.cursor = next.unwrap_or(turn.messages.next_sequence()).max(self.cursor);
        Ok(next)
    }

    /// It was sent, or cannot be.
    fn pass(&mut self, sequence: u64) {
        self.cursor = self.cursor.max(sequence + 1);
        match self.lasts.as_mut().filter(|lasts| !lasts.is_empty()) {
            Some(lasts) => {
                lasts.pop_front();
                self.pass_lasts();
            }
            None => self.backlog.sent(),
        }
    }

    /// When an old message is to be sent, where they come as they came.
    fn pace(&self, message: &Message, turn: &Turn<'_>) -> Option<Monotonic> {
        let is_original = self.state.config.replay_policy == ReplayPolicy::Original;
        if !is_original || message.sequence() > self.last_at_creation {
            return None;
        }
        let (time, at) = self.paced?;
        let at = at + message.time().since(time);
        (at > turn.now.monotonic).then_some(at)
    }

    /// Sends it to who takes it: how many bytes, or none where nobody does.
    fn offer(&mut self, candidate: Candidate, pending: &mut u64, turn: &mut Turn<'_>, done: &mut Done) -> Option<u64> {
        let Candidate { message, deliveries } = candidate;
        let is_new = deliveries == 0;
        let left = pending.saturating_sub(u64::from(is_new));
        let (sequence, number) = (message.sequence(), self.state.delivered.number + 1);
        self.reply.clear();
        let times = u64::from(deliveries) + 1;
        self.ack_prefix.append(times, sequence, number, message.time(), left, &mut self.reply);
        let bytes = self.bytes(&message);

        let is_push = self.state.config.is_push();
        let (receiver, target) = if is_push {
            self.paced_until = self.push.paced_until(bytes, turn.now.monotonic);
            if self.paced_until.is_some() {
                return None;
            }
            let target = *done.target.get_or_insert_with(|| turn.effects.copy(self.push.target()));
            (0, target)
        } else {
            let ack_pending = self.state.pending.len() as u64;
            let offer = Offer { bytes, pending: *pending, ack_pending, call: self.calls };
            self.waiting.choose(offer, &mut self.pin, turn)?
        };
        *pending = left;
        self.active_at = turn.now.monotonic;
        let reply = turn.effects.copy(&self.reply);
        let lines = self.lines(&message, turn);
        self.account(&message, deliveries, turn, done);
        let has_body = !self.state.config.headers_only;
        turn.effects.list.push(ConsumerEffect::Deliver(Delivery { target, reply, lines, message, has_body }));
        if is_push {
            self.push.sent(bytes, (&self.stream, &self.name), turn);
        } else {
            self.waiting.served(receiver, bytes, self.state.rules.priority, turn);
        }
        Some(bytes)
    }

    /// Writes down that it was sent.
    fn account(&mut self, message: &Message, deliveries: u32, turn: &Turn<'_>, done: &mut Done) {
        let (sequence, now) = (message.sequence(), turn.now);
        let is_new = deliveries == 0;
        let due = self.state.deliver(now.wall, sequence, !is_new);
        self.entries.delivered(now.wall.unix_nanos(), sequence, !is_new);
        if is_new {
            self.pass(sequence);
            if self.state.config.replay_policy == ReplayPolicy::Original {
                self.paced = Some((message.time(), now.monotonic));
            }
        }
        if !self.state.rules.is_acknowledged {
            done.add(sequence);
        } else if let Some(wait) = self.state.rules.wait_duration(deliveries + 1) {
            let step = self.state.rules.step(deliveries + 1);
            self.redelivery.delivered(sequence, due, now.monotonic + wait, step);
        }
    }

    /// What counts against a limit of bytes: all that a client sees.
    fn bytes(&self, message: &Message) -> u64 {
        let (headers, body) = (message.headers().len(), message.body().len());
        let parts = if self.state.config.headers_only {
            let line = SIZE_LINE.len() + body.checked_ilog10().map_or(1, |digits| digits as usize + 1) + b"\r\n".len();
            line + if headers == 0 { b"NATS/1.0\r\n\r\n".len() } else { headers }
        } else {
            headers + body
        };
        (message.subject().len() + self.reply.len() + parts) as u64
    }

    /// What is added to its headers.
    fn lines(&self, message: &Message, turn: &mut Turn<'_>) -> Span {
        let pin = self.pin.pinned().filter(|_| self.state.rules.priority == PriorityPolicy::PinnedClient);
        if pin.is_none() && !self.state.config.headers_only {
            return Span::default();
        }
        turn.effects.span(|text| {
            if self.state.config.headers_only {
                write!(text, "{SIZE_LINE}{}\r\n", message.body().len()).expect("memory takes all");
            }
            if let Some(pin) = pin {
                write!(text, "Nats-Pin-Id: {}\r\n", pin.id).expect("memory takes all");
            }
        })
    }

    /// Somebody listens to what is pushed, or nobody does any more.
    pub fn interest(&mut self, turn: &mut Turn<'_>, is_there: bool) {
        self.begin(turn);
        self.active_at = turn.now.monotonic;
        self.push.bind(is_there && self.state.config.is_push(), turn.now.monotonic);
        self.is_hungry_for_turn = true;
    }

    /// Somebody answers at this subject that what was pushed has come. A receiver that stores says with it in a header
    /// up to where, which acknowledges that where this is the policy.
    pub fn flow_reply(&mut self, turn: &mut Turn<'_>, subject: &[u8], headers: &[u8]) {
        self.begin(turn);
        if !self.push.answered(subject) {
            return;
        }
        let last = header::find(headers, b"Nats-Last-Stream").and_then(|last| std::str::from_utf8(last).ok());
        if self.state.config.ack_policy == AckPolicy::FlowControl
            && let Some(last) = last.and_then(|last| last.parse().ok())
        {
            self.acknowledge_to(last, turn);
        }
        self.is_hungry_for_turn = true;
    }

    /// Rate limits let a message of this length through at once; none is a server's usual bound.
    pub fn set_message_bytes_max(&mut self, bytes: Option<u64>) {
        self.push.limit_burst(bytes);
    }

    /// When what is sent slowly goes on.
    pub(super) fn pace_deadline(&self) -> Option<Monotonic> {
        self.paced_until.filter(|_| self.has_demand())
    }
}

/// What a call did besides.
#[derive(Default)]
struct Done {
    /// Where messages are pushed to, in the effects.
    target: Option<Span>,
    /// First and last message of a run that nobody has to acknowledge.
    run: Option<(u64, u64)>,
    /// Runs before it.
    runs: Vec<(u64, u64)>,
}

impl Done {
    fn add(&mut self, sequence: u64) {
        match &mut self.run {
            Some((_, last)) if *last + 1 == sequence => *last = sequence,
            run => self.runs.extend(run.replace((sequence, sequence))),
        }
    }

    fn tell(self, turn: &mut Turn<'_>) {
        for (first, last) in self.runs.into_iter().chain(self.run) {
            turn.effects.list.push(ConsumerEffect::Acknowledged { first, last });
        }
    }
}
