//! What operators do to a consumer: pause, reset, unpin, change, and what a purge or a deletion does.

use firn_api::{
    advisory::{ConsumerPause, UnpinReason},
    consumer::{ConsumerConfig, ConsumerPaused, DeliverPolicy, PriorityPolicy},
    error::ApiError,
    json,
    time::{Nanos, Time},
};
use firn_id::Timestamp;

use super::{
    Consumer,
    effect::{ConsumerEffect, ConsumerEvent},
    turn::{End, Turn},
};
use crate::{
    messages::{Access, Fetch, ready},
    now::Now,
};

impl Consumer {
    /// Sends nothing before `until`; what is past, or no time at all, goes on at once.
    pub fn pause(&mut self, turn: &mut Turn<'_>, until: Time) -> ConsumerPaused {
        self.begin(turn);
        let text = until.to_string();
        self.state.pause(&text);
        self.entries.paused(&text);
        self.was_paused = self.is_paused(turn.now);
        self.is_hungry_for_turn = true;
        self.tell_pause(until, turn);
        ConsumerPaused { paused: self.was_paused, pause_until: until, pause_remaining: self.pause_remaining(turn.now) }
    }

    pub(super) fn tell_pause(&self, pause_until: Time, turn: &mut Turn<'_>) {
        if !turn.is_observed {
            return;
        }
        let event = ConsumerPause {
            stream: self.stream.clone(),
            consumer: self.name.clone(),
            paused: self.was_paused,
            pause_until,
            ..ConsumerPause::default()
        };
        turn.effects.list.push(ConsumerEffect::Advisory(Box::new(ConsumerEvent::Paused(event))));
    }

    pub(super) fn is_paused(&self, now: Now) -> bool {
        self.state.config.pause_until.is_some_and(|until| match until.timestamp() {
            Some(until) => until > now.wall,
            // Outside the years that a clock can show.
            None => until.to_string().as_str() > "2000",
        })
    }

    pub(super) fn pause_remaining(&self, now: Now) -> Nanos {
        if !self.is_paused(now) {
            return Nanos(0);
        }
        let until = self.state.config.pause_until.and_then(|until| until.timestamp());
        let until = until.unwrap_or(Timestamp::from_unix_nanos(i64::MAX));
        Nanos(until.unix_nanos().saturating_sub(now.wall.unix_nanos()))
    }

    /// Starts anew: after what is acknowledged, or at a sequence. Where it starts; nothing changed where that has to be
    /// read first.
    ///
    /// # Errors
    /// Its policy begins elsewhere.
    pub fn reset(&mut self, turn: &mut Turn<'_>, sequence: Option<u64>) -> Access<Result<u64, ApiError>> {
        self.begin(turn);
        let sequence = sequence.filter(|sequence| *sequence > 0);
        let next = match sequence {
            None => self.state.floor.sequence + 1,
            Some(sequence) => match self.allows_start(sequence, turn) {
                Ok(Ok(())) => sequence,
                Ok(Err(error)) => return Access::Ready(Err(error)),
                Err(fetch) => return Access::Cold(fetch),
            },
        };
        self.state.reset(next);
        self.entries.reset(next);
        self.redelivery.clear();
        self.backlog.forget();
        (self.cursor, self.lasts, self.paced) = (next, None, None);
        self.is_hungry_for_turn = true;
        Access::Ready(Ok(next))
    }

    fn allows_start(&self, sequence: u64, turn: &Turn<'_>) -> Result<Result<(), ApiError>, Fetch> {
        let config = &self.state.config;
        let first = match config.deliver_policy {
            DeliverPolicy::All => 0,
            DeliverPolicy::ByStartSequence => config.opt_start_seq,
            DeliverPolicy::ByStartTime => match config.opt_start_time.and_then(|time| time.timestamp()) {
                Some(time) => ready(turn.messages.at_time(time))?.unwrap_or(turn.messages.next_sequence()),
                None => 0,
            },
            DeliverPolicy::Last | DeliverPolicy::New | DeliverPolicy::LastPerSubject => {
                return Ok(Err(ApiError::ConsumerInvalidReset { err: "not allowed".into() }));
            }
        };
        let is_allowed = sequence >= first;
        Ok(is_allowed.then_some(()).ok_or_else(|| ApiError::ConsumerInvalidReset { err: "below start seq".into() }))
    }

    /// Serves another client of the group.
    ///
    /// # Errors
    /// It has no such group.
    pub fn unpin(&mut self, turn: &mut Turn<'_>, group: &str) -> Result<(), ApiError> {
        self.begin(turn);
        let config = &self.state.config;
        let is_pinning = config.priority_policy == PriorityPolicy::PinnedClient;
        if !is_pinning || !config.priority_groups.iter().any(|known| known == group) {
            return Err(ApiError::ConsumerInvalidPriorityGroup);
        }
        self.pin.release(UnpinReason::Admin, turn);
        self.is_hungry_for_turn = true;
        Ok(())
    }

    /// Takes over a configuration that may follow the present one, and is complete. From now on, the turns show the counter
    /// of its filters; where it pushes to somewhere else, nobody listens until the consumer hears of it.
    pub fn update(&mut self, turn: &mut Turn<'_>, config: &ConsumerConfig) {
        self.begin(turn);
        let bytes = json::write(config);
        self.state.update(&bytes);
        self.entries.updated(&bytes);
        self.configure();
        self.redelivery.rebuild(&mut self.state.pending, &self.state.rules, turn.now);
        self.was_paused = self.is_paused(turn.now);
        self.is_hungry_for_turn = true;
    }

    /// The stream was purged; this is its first sequence now.
    pub fn purged(&mut self, turn: &mut Turn<'_>, first_sequence: u64) {
        self.begin(turn);
        if first_sequence <= self.state.floor.sequence + 1 && self.state.exhausted.is_empty() {
            return;
        }
        self.state.skip(first_sequence);
        self.entries.skipped(first_sequence);
        self.cursor = self.cursor.max(self.state.next());
        self.backlog.forget();
        self.is_hungry_for_turn = true;
    }

    /// It ends: all who wait are told.
    pub fn end(&mut self, turn: &mut Turn<'_>, end: End) {
        let status: &[u8] = match end {
            End::Deleted => b"NATS/1.0 409 Consumer Deleted\r\n\r\n",
            End::Shutdown => b"NATS/1.0 409 Server Shutdown\r\n\r\n",
            End::LeadershipChange => b"NATS/1.0 409 Leadership Change\r\n\r\n",
        };
        self.waiting.end_all(status, turn);
    }
}
