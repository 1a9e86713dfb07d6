//! Where messages are pushed to: whether somebody listens, keeps up, and how fast it may go.
//!
//! *Flow control*: when more than half a window is on its way, the receiver is asked to answer; when the window is full,
//! nothing more is sent before it did. Each answer doubles the window, up to a bound.

use std::time::Duration;

use firn_api::{consumer::ConsumerConfig, subject::FlowControl};
use firn_id::Monotonic;

use super::turn::Turn;

/// Bytes on their way, at first.
const WINDOW_BYTES_MIN: u64 = 2 << 20;

/// Bytes on their way, at most.
const WINDOW_BYTES_MAX: u64 = 32 << 20;

/// Bytes that a rate limit lets through at once, where messages have no bound of their own.
const BURST_BYTES: u64 = 1 << 20;

#[derive(Debug)]
pub(super) struct Push {
    /// Somebody listens.
    pub(super) is_bound: bool,
    target: Box<[u8]>,
    heartbeat: Option<Duration>,
    beats_at: Monotonic,
    has_flow_control: bool,
    window: u64,
    /// Bytes on their way.
    sent: u64,
    question: Option<Question>,
    questions: u64,
    /// Bytes a second; 0 is any number.
    rate: u64,
    burst: u64,
    /// When all that was sent would have been sent at this rate.
    paced_to: Monotonic,
}

/// What a receiver was asked.
#[derive(Debug)]
struct Question {
    subject: String,
    /// How many bytes were on their way.
    bytes: u64,
}

impl Default for Push {
    fn default() -> Self {
        Push {
            is_bound: false,
            target: Box::default(),
            heartbeat: None,
            beats_at: Monotonic::ZERO,
            has_flow_control: false,
            window: WINDOW_BYTES_MIN,
            sent: 0,
            question: None,
            questions: 0,
            rate: 0,
            burst: BURST_BYTES,
            paced_to: Monotonic::ZERO,
        }
    }
}

impl Push {
    pub(super) fn configure(&mut self, config: &ConsumerConfig) {
        if *self.target != *config.deliver_subject.as_bytes() {
            (self.target, self.is_bound) = (config.deliver_subject.as_bytes().into(), false);
        }
        self.heartbeat = Some(config.idle_heartbeat.duration()).filter(|every| !every.is_zero());
        self.has_flow_control = config.flow_control;
        self.rate = config.rate_limit_bps / 8;
    }

    pub(super) fn target(&self) -> &[u8] {
        &self.target
    }

    /// The longest message of the stream, which a rate limit must let through at once.
    pub(super) fn limit_burst(&mut self, message_bytes_max: Option<u64>) {
        self.burst = message_bytes_max.unwrap_or(BURST_BYTES);
    }

    pub(super) fn bind(&mut self, is_bound: bool, now: Monotonic) {
        if self.is_bound == is_bound {
            return;
        }
        self.is_bound = is_bound;
        (self.sent, self.window, self.question) = (0, WINDOW_BYTES_MIN, None);
        self.beats_at = now + self.heartbeat.unwrap_or_default();
    }

    pub(super) fn is_stalled(&self) -> bool {
        self.has_flow_control && self.sent >= self.window
    }

    /// A message of so many bytes has to wait until then.
    pub(super) fn paced_until(&self, bytes: u64, now: Monotonic) -> Option<Monotonic> {
        if self.rate == 0 || self.paced_to <= now {
            return None;
        }
        let ahead = self.paced_to.since(now) + self.time(bytes);
        let excess = ahead.checked_sub(self.time(self.burst)).filter(|excess| !excess.is_zero())?;
        // What is longer than may go at once waits until nothing is ahead of it.
        Some((now + excess).min(self.paced_to))
    }

    fn time(&self, bytes: u64) -> Duration {
        let nanos = u128::from(bytes) * 1_000_000_000 / u128::from(self.rate.max(1));
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }

    /// A message of so many bytes was sent; stream and consumer are named in a question.
    pub(super) fn sent(&mut self, bytes: u64, names: (&str, &str), turn: &mut Turn<'_>) {
        let now = turn.now.monotonic;
        self.beats_at = now + self.heartbeat.unwrap_or_default();
        if self.rate > 0 {
            self.paced_to = self.paced_to.max(now) + self.time(bytes);
        }
        if !self.has_flow_control {
            return;
        }
        self.sent += bytes;
        if self.sent > self.window / 2 {
            self.ask(names, turn);
        }
    }

    /// Asks whether all that is on its way has come, if no question is open.
    pub(super) fn ask(&mut self, (stream, consumer): (&str, &str), turn: &mut Turn<'_>) {
        if self.question.is_some() {
            return;
        }
        self.questions += 1;
        let token = token(self.questions);
        let subject = FlowControl { domain: None, account_hash: None, stream, consumer, token: &token }.to_string();
        let target = turn.effects.copy(&self.target);
        let reply = turn.effects.copy(subject.as_bytes());
        let headers = turn.effects.copy(b"NATS/1.0 100 FlowControl Request\r\n\r\n");
        turn.effects.list.push(super::effect::ConsumerEffect::Status { target, reply, headers });
        self.question = Some(Question { subject, bytes: self.sent });
    }

    /// The receiver answered: whether it was asked this.
    pub(super) fn answered(&mut self, subject: &[u8]) -> bool {
        let Some(question) = self.question.take_if(|question| question.subject.as_bytes() == subject) else {
            return false;
        };
        self.sent = self.sent.saturating_sub(question.bytes);
        self.window = (self.window * 2).min(WINDOW_BYTES_MAX);
        true
    }

    pub(super) fn deadline(&self) -> Option<Monotonic> {
        self.heartbeat.filter(|_| self.is_bound).map(|_| self.beats_at)
    }

    /// Gives a sign of life, with the open question, when it is time. Whether it was.
    pub(super) fn beat(&mut self, heartbeat: &dyn Fn(&mut Vec<u8>), turn: &mut Turn<'_>) -> bool {
        if self.deadline().is_none_or(|at| at > turn.now.monotonic) {
            return false;
        }
        turn.effects.status(&self.target, |text| {
            heartbeat(text);
            if let Some(question) = &self.question {
                text.truncate(text.len() - b"\r\n".len());
                text.extend_from_slice(b"Nats-Consumer-Stalled: ");
                text.extend_from_slice(question.subject.as_bytes());
                text.extend_from_slice(b"\r\n\r\n");
            }
        });
        self.beats_at = turn.now.monotonic + self.heartbeat.unwrap_or_default();
        true
    }
}

/// Four letters and digits that say which question was answered.
fn token(number: u64) -> String {
    let digits = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let places = [62 * 62 * 62, 62 * 62, 62, 1];
    places.iter().map(|place| char::from(*digits.get((number / place % 62) as usize).unwrap_or(&b'0'))).collect()
}
