//! A consumer: who was sent what of a stream, and who is to get what next.
//!
//! ```text
//!   pull ─────► waiting ──┐                         ┌─► Deliver    a message, its ack subject
//!   interest ─► push ─────┴─► deliver ──► accept ───┼─► entry      1..500 delivered
//!                               ▲            │      └─► redelivery timers, one a turn
//!   messages ── next, load ─────┤            ▼
//!   redelivery ─ ready ─────────┘         state: delivered · pending · exhausted
//!   ack ──────► +ACK −NAK +WPI +TERM ──────► ▲ ──► entry, Acknowledged, Confirm
//!                                    log ── apply
//! ```
//!
//! It is a machine of its own. Whoever owns it calls it with a [`Turn`], which shows the messages of its stream and the
//! time and takes what it does, and at the end of its own turn [`Consumer::finish`], which delivers what became possible
//! and hands over the entries for the log. What survives a restart changes only as an entry can change it ([`Consumer::apply`]):
//! the same entries give the same [`Consumer::snapshot`], byte for byte, wherever and whenever they are applied. Pulls
//! that wait, interest, flow control, rate limits, who is pinned, and timers are lost at a restart without harm.
//!
//! What its stream does for it:
//!
//! - It keeps one [`FilterCounter`] for each distinct set of filters and counts there what it appends and removes. Of
//!   removals, consumers hear in no other way, but of a purge ([`Consumer::purged`]).
//! - It calls [`Consumer::appended`] when a message came that the consumer's filter matches and it [`Consumer::is_hungry`];
//!   a consumer that nobody asks costs nothing.
//! - Where messages are kept only as long as somebody needs them, it asks [`Consumer::needs`] of the others when one says
//!   [`ConsumerEffect::Acknowledged`].
//!
//! Not here: whether a configuration is allowed (`firn_api`), names, clocks, entropy, subscriptions, the log.

mod ack;
mod admin;
mod backlog;
mod deliver;
mod effect;
pub mod entry;
pub mod fuzzing;
mod info;
mod pending;
mod pin;
mod pull;
mod push;
mod redelivery;
mod rules;
mod settle;
mod snapshot;
mod start;
mod state;
mod tick;
mod turn;
mod varint;
mod waiting;

use std::collections::VecDeque;

use firn_api::{consumer::ConsumerConfig, subject::AckPrefix};
use firn_id::{Monotonic, Timestamp};

use self::{backlog::Backlog, pin::Pin, push::Push, redelivery::Redelivery, state::State, waiting::Waiting};
pub use self::{
    backlog::{FilterCounter, Removed},
    effect::{ConsumerEffect, ConsumerEffects, ConsumerEvent, Delivery, Span},
    entry::{BadEntry, ConsumerEntry},
    snapshot::BadSnapshot,
    start::{Start, start_sequence},
    turn::{Ack, End, Pull, Turn},
};
use crate::messages::Filter;

/// What a new consumer is made of; all of it is a choice of its proposer.
#[derive(Clone, Debug, PartialEq)]
pub struct Created {
    /// Name of its stream.
    pub stream: String,
    /// Its name.
    pub name: String,
    /// What it is configured with: complete.
    pub config: ConsumerConfig,
    /// When it was made.
    pub created: Timestamp,
    /// Where it begins.
    pub start: Start,
}

/// A consumer.
#[derive(Debug)]
pub struct Consumer {
    stream: String,
    name: String,
    created: Timestamp,
    /// The stream's last sequence when it was made: up to here, the last of each subject, and the pace of old messages.
    last_at_creation: u64,
    state: State,
    /// Entries of this turn.
    entries: entry::Writer,

    /// What ack subjects begin with.
    ack_prefix: AckPrefix,
    redelivery: Redelivery,
    backlog: Backlog,
    waiting: Waiting,
    pin: Pin,
    push: Push,
    /// Everything before was sent or does not match; at least what comes after the delivered.
    cursor: u64,
    /// Of the last of each subject, those that were not sent yet. None: they were not looked for.
    lasts: Option<VecDeque<u64>>,
    /// The last message that was sent at the pace it came, and when.
    paced: Option<(Timestamp, Monotonic)>,
    /// When the next of these may be sent.
    paced_until: Option<Monotonic>,
    /// The stream's removals that are taken into account. None: what is pending has to be looked for.
    settled: Option<u64>,
    /// The last sign of a client.
    active_at: Monotonic,
    is_delete_asked: bool,
    was_paused: bool,
    /// Something can perhaps be sent.
    is_hungry_for_turn: bool,
    /// Hundredths of a sample.
    sampled: u64,
    /// A turn took place since the start of the process.
    is_begun: bool,
    /// Number of calls that deliver.
    calls: u64,
    /// Memory that is used again.
    reply: Vec<u8>,
    expired: Vec<u64>,
}

impl Consumer {
    /// A new one, to which nothing was sent.
    pub fn new(created: Created) -> Self {
        let Created { stream, name, config, created, start } = created;
        Self::with_state(stream, name, created, start.last, State::new(config, start.sequence))
    }

    fn with_state(stream: String, name: String, created: Timestamp, last_at_creation: u64, state: State) -> Self {
        let mut consumer = Consumer {
            ack_prefix: AckPrefix::new(&stream, &name),
            stream,
            name,
            created,
            last_at_creation,
            cursor: state.next(),
            state,
            entries: entry::Writer::default(),
            redelivery: Redelivery::default(),
            backlog: Backlog::default(),
            waiting: Waiting::default(),
            pin: Pin::default(),
            push: Push::default(),
            lasts: None,
            paced: None,
            paced_until: None,
            settled: None,
            active_at: Monotonic::ZERO,
            is_delete_asked: false,
            was_paused: false,
            is_hungry_for_turn: false,
            sampled: 0,
            is_begun: false,
            calls: 0,
            reply: Vec::new(),
            expired: Vec::new(),
        };
        consumer.configure();
        consumer
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it is configured with, its pause included.
    pub fn config(&self) -> &ConsumerConfig {
        &self.state.config
    }

    /// Which messages it consumes.
    pub fn filter(&self) -> &Filter {
        &self.state.rules.filter
    }

    /// When it was made.
    pub fn created(&self) -> Timestamp {
        self.created
    }

    /// Changes what survives a restart, and nothing else.
    ///
    /// At a replay only: live, it changes with the calls that write the entries.
    pub fn apply(&mut self, entry: &ConsumerEntry<'_>) {
        self.state.apply(entry);
        if let ConsumerEntry::Updated { .. } = entry {
            self.configure();
        }
        self.is_begun = false;
    }

    /// Could this message still be wanted? It was not sent yet, or was not acknowledged.
    pub fn needs(&self, sequence: u64, subject: &[u8]) -> bool {
        self.state.needs(sequence) && self.state.rules.filter.matches(subject)
    }

    /// A message that matches would be sent at once: tell by [`Consumer::appended`].
    pub fn is_hungry(&self) -> bool {
        let has_demand = if self.state.config.is_push() { self.push.is_bound } else { !self.waiting.is_empty() };
        has_demand && !self.is_full() && !self.was_paused && !self.push.is_stalled()
    }

    /// A message came that matches: it will be sent with [`Consumer::finish`].
    pub fn appended(&mut self) {
        self.is_hungry_for_turn = true;
    }

    /// Ends a turn: sends what became possible, and appends the entries to those of the turn. True where more could be
    /// sent at once, had this call not done enough: call it again when others had their turn.
    #[must_use = "whoever forgets a consumer that has more to do lets its clients wait"]
    pub fn finish(&mut self, turn: &mut Turn<'_>, entries: &mut Vec<u8>) -> bool {
        let has_more = self.is_hungry_for_turn && self.deliver(turn);
        self.is_hungry_for_turn = has_more;
        self.entries.take(entries);
        has_more
    }

    /// As many messages wait for an acknowledgement as may.
    fn is_full(&self) -> bool {
        self.state.rules.is_acknowledged && self.state.pending.len() >= self.state.rules.pending_max
    }

    /// Takes over a configuration.
    fn configure(&mut self) {
        self.pin.configure(&self.stream, &self.name, &self.state.config);
        self.push.configure(&self.state.config);
        (self.cursor, self.lasts, self.settled) = (self.state.next(), None, None);
        self.backlog.forget();
    }

    /// Before the first turn of a process: what follows from the state and the time.
    fn begin(&mut self, turn: &Turn<'_>) {
        if self.is_begun {
            return;
        }
        self.is_begun = true;
        self.active_at = turn.now.monotonic;
        self.was_paused = self.is_paused(turn.now);
        (self.cursor, self.lasts, self.settled) = (self.state.next(), None, None);
        self.backlog.forget();
        self.redelivery.rebuild(&mut self.state.pending, &self.state.rules, turn.now);
        self.is_hungry_for_turn = true;
    }

    /// Panics where it contradicts itself.
    pub fn check_invariants(&self) {
        self.state.check_invariants();
        assert!(!self.is_begun || self.cursor >= self.state.next(), "the cursor is behind what was delivered");
        assert!(self.state.config.is_push() || !self.push.is_bound, "nobody listens to what is pulled");
    }
}
