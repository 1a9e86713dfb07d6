//! A stream's consumers: who they are, when each is called, and what becomes of what they do.
//!
//! ```text
//!   append ─► Filters ─► those who wait ─┐
//!   pull · ack · interest · tick ────────┴─► called ─► end of the turn: finish ─► entries, deliveries
//!                                                       acknowledged: removed, where messages are kept for consumers
//! ```
//!
//! A consumer that nobody asks is not touched, however many there are. In the log, a message's removal stands before the
//! acknowledgement that caused it: a crash between the two loses an acknowledgement that nobody was told of.
//!
//! Not here: what a consumer does (`consumer`), and the calls of the API.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use firn_api::{
    advisory::Advisory,
    consumer::ConsumerConfig,
    json,
    stream::{ConsumerLimits, Retention},
    subject,
    time::{Nanos, Time},
};
use firn_id::{Monotonic, Timestamp};
use firn_wire::header;

use super::Stream;
use crate::{
    consumer::{
        Ack, Consumer, ConsumerEffect, ConsumerEffects, ConsumerEntry, Created, Delivery, End, Start,
        Turn as ConsumerTurn,
    },
    effect::{After, Effect, Happened},
    entry::{self, Sequences, StreamEntry, encode_consumer, sequence_bytes},
    filters::FilterId,
    messages::{Fetch, Loaded, ready},
    packet::Packet,
    shard::Turn,
};

/// Messages that are looked at in one go when a consumer is gone.
const MESSAGES_A_TURN: usize = 1_024;

#[derive(Debug, Default)]
pub(crate) struct Consumers {
    by_name: BTreeMap<String, u64>,
    all: BTreeMap<u64, Hosted>,
    /// Numbers are given in this process, and never again.
    last: u64,
    /// Called in this turn, or not done when the last one ended.
    called: BTreeSet<u64>,
    /// They wait for something to be read.
    cold: BTreeSet<u64>,
    deadlines: BTreeSet<(Monotonic, u64)>,
    effects: ConsumerEffects,
    entries: Vec<u8>,
    /// Memory that is used again.
    headers: Vec<u8>,
    /// Answers to acknowledgements that wait for the entries of the turn.
    confirmations: Vec<Vec<u8>>,
    /// What consumers need no more, and was not looked at yet.
    released: VecDeque<Released>,
    /// They had no client for too long.
    inactive: Vec<u64>,
}

#[derive(Debug)]
pub(crate) struct Hosted {
    pub(crate) consumer: Consumer,
    filter: FilterId,
    deadline: Option<Monotonic>,
}

/// Messages of these sequences may be needed no more.
#[derive(Clone, Copy, Debug)]
struct Released {
    first: u64,
    last: u64,
}

impl Consumers {
    pub(crate) fn len(&self) -> usize {
        self.all.len()
    }

    pub(crate) fn find(&self, name: &str) -> Option<u64> {
        self.by_name.get(name).copied()
    }

    pub(crate) fn get(&self, number: u64) -> Option<&Consumer> {
        self.all.get(&number).map(|hosted| &hosted.consumer)
    }

    /// By name.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u64, &Consumer)> {
        self.by_name.values().filter_map(|number| Some((*number, self.get(*number)?)))
    }

    /// Somebody was called and not finished.
    pub(crate) fn is_busy(&self) -> bool {
        !self.called.is_empty() || !self.released.is_empty()
    }

    pub(crate) fn deadline(&self) -> Option<Monotonic> {
        self.deadlines.first().map(|(deadline, _)| *deadline)
    }

    /// Something was read: those who waited for it try again.
    pub(crate) fn fetched(&mut self) {
        self.called.append(&mut self.cold);
    }

    pub(super) fn check_invariants(&self) {
        assert_eq!(self.by_name.len(), self.all.len(), "a consumer has one name");
        for (name, number) in &self.by_name {
            let consumer = self.get(*number).expect("a name leads to a consumer");
            assert_eq!(consumer.name(), name, "a consumer is found by its name");
            consumer.check_invariants();
        }
        let with_deadline = self.all.values().filter(|hosted| hosted.deadline.is_some()).count();
        assert_eq!(with_deadline, self.deadlines.len(), "a deadline is of a consumer");
    }

    fn set_deadline(&mut self, number: u64, deadline: Option<Monotonic>) {
        let Some(hosted) = self.all.get_mut(&number) else { return };
        if let Some(old) = std::mem::replace(&mut hosted.deadline, deadline) {
            self.deadlines.remove(&(old, number));
        }
        self.deadlines.extend(deadline.map(|deadline| (deadline, number)));
    }
}

impl Stream {
    /// Takes a consumer, from its entry or a snapshot.
    pub(crate) fn insert_consumer(&mut self, consumer: Consumer) {
        let patterns: Vec<&str> = consumer.config().filters().collect();
        let filter = self.filters.add(&patterns);
        self.consumers.last += 1;
        let number = self.consumers.last;
        let name = consumer.name().to_owned();
        self.remove_consumer(&name);
        self.consumers.by_name.insert(name, number);
        self.consumers.all.insert(number, Hosted { consumer, filter, deadline: None });
        // It may have something to do from the beginning.
        self.consumers.called.insert(number);
    }

    pub(super) fn remove_consumer(&mut self, name: &str) {
        let Some(number) = self.consumers.by_name.remove(name) else { return };
        self.consumers.set_deadline(number, None);
        if let Some(hosted) = self.consumers.all.remove(&number) {
            self.filters.stop_waiting(hosted.filter, &number);
            self.filters.remove(hosted.filter);
        }
        self.consumers.called.remove(&number);
        self.consumers.cold.remove(&number);
    }

    /// Takes a consumer's entries at a replay.
    pub(crate) fn apply_consumer(&mut self, name: &str, mut entries: &[u8]) -> Result<(), entry::BadEntry> {
        let Some(number) = self.consumers.find(name) else { return Ok(()) };
        let Some(hosted) = self.consumers.all.get_mut(&number) else { return Ok(()) };
        while !entries.is_empty() {
            let (decoded, length) = ConsumerEntry::decode(entries).map_err(|_| entry::BadEntry::Malformed)?;
            hosted.consumer.apply(&decoded);
            entries = entries.get(length..).unwrap_or_default();
        }
        self.refilter(number);
        Ok(())
    }

    /// The consumer's filter may be another one now.
    fn refilter(&mut self, number: u64) {
        let Some(hosted) = self.consumers.all.get_mut(&number) else { return };
        let patterns: Vec<&str> = hosted.consumer.config().filters().collect();
        let filter = self.filters.add(&patterns);
        self.filters.stop_waiting(hosted.filter, &number);
        self.filters.remove(hosted.filter);
        hosted.filter = filter;
    }

    pub(super) fn create_consumer(&mut self, name: &str, created: Timestamp, start: Start, config: ConsumerConfig) {
        let stream = self.config.name.clone();
        self.insert_consumer(Consumer::new(Created { stream, name: name.to_owned(), config, created, start }));
    }

    /// A message came: wakes who waited for it.
    pub(super) fn wake(&mut self, subject: &[u8]) {
        let mut woken = Vec::new();
        self.filters.appended(subject, &mut woken);
        for number in woken {
            if let Some(hosted) = self.consumers.all.get_mut(&number) {
                hosted.consumer.appended();
                self.consumers.called.insert(number);
            }
        }
    }

    /// Calls a consumer; what it does is carried out, and the rest at the end of the turn.
    pub(crate) fn call<R>(
        &mut self,
        turn: &mut Turn<'_>,
        number: u64,
        act: impl FnOnce(&mut Consumer, &mut ConsumerTurn<'_>) -> R,
    ) -> Option<R> {
        let account = self.account_id;
        let Consumers { all, effects, .. } = &mut self.consumers;
        let hosted = all.get_mut(&number)?;
        let listeners = turn.listeners;
        let result = act(
            &mut hosted.consumer,
            &mut ConsumerTurn {
                now: turn.now,
                messages: &self.messages,
                counter: self.filters.counter(hosted.filter),
                has_interest: &|subject| account.is_some_and(|account| listeners.is_heard(account, subject)),
                is_observed: account.is_some_and(|account| listeners.is_observed(account)),
                effects,
            },
        );
        self.consumers.called.insert(number);
        self.carry_out_effects(turn, number);
        Some(result)
    }

    fn carry_out_effects(&mut self, turn: &mut Turn<'_>, number: u64) {
        let mut effects = std::mem::take(&mut self.consumers.effects);
        for effect in std::mem::take(&mut effects.list) {
            match effect {
                ConsumerEffect::Deliver(delivery) => self.deliver(turn, &effects, delivery),
                ConsumerEffect::Status { target, reply, headers } => {
                    let Some(account) = self.account_id else { continue };
                    let (subject, reply) = (effects.bytes(target), effects.bytes(reply));
                    let message = crate::effect::Message { subject, reply, headers: effects.bytes(headers), body: b"" };
                    turn.effects.publish(self.after_messages(), account, message);
                }
                ConsumerEffect::Confirm { target } => {
                    self.consumers.confirmations.push(effects.bytes(target).to_vec());
                }
                ConsumerEffect::Advisory(event) => {
                    let Some(account) = self.account_id else { continue };
                    let advisory = Advisory { id: turn.id(), timestamp: Time::from(turn.now.wall), event: *event };
                    let advisory = Box::new(Happened::Consumer(advisory, turn.settings.domain.clone()));
                    turn.effects.list.push(Effect::Advisory { after: self.after(), account, advisory });
                }
                ConsumerEffect::Acknowledged { first, last } if self.config.retention != Retention::Limits => {
                    self.consumers.released.push_back(Released { first, last });
                }
                ConsumerEffect::Acknowledged { .. } | ConsumerEffect::Damaged { .. } => {}
                ConsumerEffect::Delete => self.consumers.inactive.push(number),
                ConsumerEffect::Fetch(fetch) => {
                    self.consumers.cold.insert(number);
                    turn.effects.list.push(Effect::Fetch { group: self.group(), fetch });
                }
            }
        }
        effects.clear();
        self.consumers.effects = effects;
    }

    /// A delivery shows messages, and nothing of what is known of who consumed them.
    fn deliver(&mut self, turn: &mut Turn<'_>, effects: &ConsumerEffects, delivery: Delivery) {
        let Some(account) = self.account_id else { return };
        let mut headers = std::mem::take(&mut self.consumers.headers);
        headers.clear();
        delivery.write_headers(effects, &mut headers);
        let parts = crate::effect::Message {
            subject: effects.bytes(delivery.target),
            reply: effects.bytes(delivery.reply),
            headers: &headers,
            body: b"",
        };
        turn.effects.deliver(self.after_messages(), account, parts, delivery.message, delivery.has_body);
        self.consumers.headers = headers;
    }

    /// Ends the turn for its consumers.
    pub(crate) fn finish(&mut self, turn: &mut Turn<'_>) {
        let mut proposals = Vec::new();
        for number in std::mem::take(&mut self.consumers.called) {
            let mut entries = std::mem::take(&mut self.consumers.entries);
            entries.clear();
            let has_more = self.call(turn, number, |consumer, turn| consumer.finish(turn, &mut entries));
            // The call noted that it took place; it is over.
            self.consumers.called.remove(&number);
            if has_more == Some(true) && !self.consumers.cold.contains(&number) {
                self.consumers.called.insert(number);
            }
            if !entries.is_empty() {
                proposals.push((number, entries.clone()));
            }
            self.consumers.entries = entries;
            self.settle(turn, number);
        }
        if let Err(fetch) = self.release(turn) {
            turn.effects.list.push(Effect::Fetch { group: self.group(), fetch });
        }
        for (number, entries) in proposals {
            let Some(consumer) = self.consumers.get(number) else { continue };
            // What is kept in memory by its configuration is gone after a restart, and needs no log.
            if !consumer.config().mem_storage {
                let payload = encode_consumer(consumer.name(), &entries);
                self.replica.propose(&mut turn.log(), entry::CONSUMER, &payload);
            }
        }
        let after = self.after();
        if let Some(account) = self.account_id {
            for target in std::mem::take(&mut self.consumers.confirmations) {
                let message = crate::effect::Message { subject: &target, reply: b"", headers: b"", body: b"" };
                turn.effects.publish(after, account, message);
            }
        }
        for number in std::mem::take(&mut self.consumers.inactive) {
            self.delete_consumer(turn, number);
        }
    }

    /// After a call: whether it waits for messages, and when it is to be called again.
    fn settle(&mut self, turn: &Turn<'_>, number: u64) {
        let Some(hosted) = self.consumers.all.get_mut(&number) else { return };
        if hosted.consumer.is_hungry() {
            self.filters.wait(hosted.filter, number);
        } else {
            self.filters.stop_waiting(hosted.filter, &number);
        }
        let deadline = hosted.consumer.deadline(turn.now);
        self.consumers.set_deadline(number, deadline);
    }

    /// Calls those whose time has come.
    pub(crate) fn tick_consumers(&mut self, turn: &mut Turn<'_>) {
        let until = (turn.now.monotonic, u64::MAX);
        let due: Vec<u64> = self.consumers.deadlines.range(..=until).map(|(_, number)| *number).collect();
        for number in due {
            self.consumers.set_deadline(number, None);
            self.call(turn, number, |consumer, turn| consumer.tick(turn));
        }
    }

    /// Removes what no consumer needs any more, where messages are kept for consumers.
    fn release(&mut self, turn: &mut Turn<'_>) -> Result<(), Fetch> {
        let mut removed = Vec::new();
        while let Some(Released { first, last }) = self.consumers.released.front().copied() {
            let mut next = Some(first.max(self.state().first_sequence));
            while let Some(sequence) = next.filter(|&sequence| sequence <= last) {
                if removed.len() >= MESSAGES_A_TURN {
                    break;
                }
                let found = match ready(self.messages.load(sequence)) {
                    Ok(Loaded::Message(message)) => Some(message),
                    Ok(Loaded::Missing | Loaded::Damaged) => None,
                    Err(fetch) => {
                        self.remove_released(turn, &removed);
                        return Err(fetch);
                    }
                };
                if found.is_some_and(|message| !self.is_needed(sequence, message.subject())) {
                    removed.push(sequence_bytes(sequence));
                }
                next = sequence.checked_add(1);
                if let Some(released) = self.consumers.released.front_mut() {
                    released.first = sequence + 1;
                }
            }
            if removed.len() >= MESSAGES_A_TURN {
                break;
            }
            self.consumers.released.pop_front();
        }
        self.remove_released(turn, &removed);
        Ok(())
    }

    fn remove_released(&mut self, turn: &mut Turn<'_>, removed: &[[u8; 8]]) {
        if !removed.is_empty() {
            let entry = StreamEntry::Remove { sequences: Sequences::new(removed) };
            let _ = self.propose(&mut turn.log(), &entry);
        }
    }

    /// A work queue keeps what nobody asks for; a stream of interest does not.
    fn is_needed(&self, sequence: u64, subject: &[u8]) -> bool {
        let mut matching = self.consumers.all.values().map(|hosted| &hosted.consumer).peekable();
        if self.config.retention == Retention::WorkQueue {
            let mut matching = matching.filter(|consumer| consumer.filter().matches(subject)).peekable();
            return matching.peek().is_none() || matching.any(|consumer| consumer.needs(sequence, subject));
        }
        matching.any(|consumer| consumer.needs(sequence, subject))
    }

    /// Names of the consumers that do not fit such limits.
    pub(crate) fn consumers_beyond(&self, limits: &ConsumerLimits) -> Vec<String> {
        let is_beyond = |config: &ConsumerConfig| {
            (limits.max_ack_pending > 0 && config.max_ack_pending > limits.max_ack_pending)
                || (limits.inactive_threshold > Nanos(0) && config.inactive_threshold > limits.inactive_threshold)
        };
        let beyond = self.consumers.iter().filter(|(_, consumer)| is_beyond(consumer.config()));
        beyond.map(|(_, consumer)| consumer.name().to_owned()).collect()
    }

    /// All of it may be removed where it is kept for consumers: one of them is gone.
    pub(crate) fn release_all(&mut self) {
        if self.config.retention == Retention::Interest {
            let last = self.last_sequence();
            self.consumers.released.push_back(Released { first: 0, last });
        }
    }

    /// Makes a consumer; says which it is.
    pub(crate) fn propose_consumer(
        &mut self,
        turn: &mut Turn<'_>,
        name: &str,
        config: &ConsumerConfig,
        start: Start,
    ) -> Option<u64> {
        let text = json::write(config);
        let Start { sequence, last } = start;
        let entry = StreamEntry::CreateConsumer { name, created: turn.now.wall, start: sequence, last, config: &text };
        if config.mem_storage {
            self.apply(&entry);
        } else {
            let _ = self.propose(&mut turn.log(), &entry);
        }
        self.watch(turn, name, config, true);
        self.consumers.find(name)
    }

    /// Ends a consumer.
    pub(crate) fn delete_consumer(&mut self, turn: &mut Turn<'_>, number: u64) {
        self.call(turn, number, |consumer, turn| consumer.end(turn, End::Deleted));
        let Some(consumer) = self.consumers.get(number) else { return };
        let (name, config) = (consumer.name().to_owned(), consumer.config().clone());
        // What it did in this turn is over with it.
        let entry = StreamEntry::DeleteConsumer { name: &name };
        if config.mem_storage {
            self.apply(&entry);
        } else {
            let _ = self.propose(&mut turn.log(), &entry);
        }
        self.release_all();
        self.watch(turn, &name, &config, false);
        crate::api::tell_consumer(turn, self, &name, firn_api::advisory::Action::Delete);
    }

    /// Whoever routes is to say whether somebody listens to what is pushed.
    pub(crate) fn watch(&self, turn: &mut Turn<'_>, name: &str, config: &ConsumerConfig, is_there: bool) {
        let Some(account) = self.account_id.filter(|_| config.is_push()) else { return };
        turn.effects.list.push(Effect::Watch {
            account,
            group: self.group(),
            consumer: name.to_owned(),
            subject: if is_there { config.deliver_subject.clone() } else { String::new() },
            queue: config.deliver_group.clone(),
        });
    }

    /// After a restart: all that consumers push to.
    pub(crate) fn watch_all(&self, turn: &mut Turn<'_>) {
        for (_, consumer) in self.consumers.iter() {
            self.watch(turn, consumer.name(), consumer.config(), true);
        }
    }

    /// Changes a consumer's configuration.
    pub(crate) fn update_consumer(&mut self, turn: &mut Turn<'_>, number: u64, config: &ConsumerConfig) {
        let name = self.consumers.get(number).map(|consumer| consumer.name().to_owned()).unwrap_or_default();
        self.call(turn, number, |consumer, turn| consumer.update(turn, config));
        self.refilter(number);
        self.watch(turn, &name, config, true);
    }

    /// All who wait hear that the stream is gone.
    pub(crate) fn end_consumers(&mut self, turn: &mut Turn<'_>) {
        let numbers: Vec<u64> = self.consumers.all.keys().copied().collect();
        for number in numbers {
            self.call(turn, number, |consumer, turn| consumer.end(turn, End::Deleted));
        }
    }

    /// A purge took place.
    pub(super) fn purged(&mut self, turn: &mut Turn<'_>) {
        let first = self.state().first_sequence;
        let numbers: Vec<u64> = self.consumers.all.keys().copied().collect();
        for number in numbers {
            self.call(turn, number, |consumer, turn| consumer.purged(turn, first));
        }
    }
}

/// A request that nobody answers, as clients know it.
pub(crate) fn no_responders(turn: &mut Turn<'_>, request: &crate::input::Request) {
    let reply = request.packet.reply();
    if reply.is_empty() {
        return;
    }
    let headers = |out: &mut Vec<u8>| {
        if let Ok(mut block) = header::Builder::with_status(out, 503, b"") {
            let _ = block.field(b"Nats-Subject", request.packet.subject());
            block.finish();
        }
    };
    let after: After = turn.directory_after;
    turn.effects.publish_with(after, request.account, reply, headers, |_| {});
}

impl Stream {
    /// A message came to a subject at which deliveries are acknowledged, or the flow of them.
    pub(crate) fn acknowledged(&mut self, turn: &mut Turn<'_>, packet: &Packet) {
        let subject = packet.subject();
        if let Some(delivery) = subject::Ack::parse(subject) {
            let Some(number) = self.consumers.find(delivery.consumer) else { return };
            let ack = Ack { subject, delivery, body: packet.body(), reply: packet.reply() };
            self.call(turn, number, |consumer, turn| consumer.ack(turn, ack));
        } else if let Some(flow) = subject::FlowControl::parse(subject) {
            let Some(number) = self.consumers.find(flow.consumer) else { return };
            self.call(turn, number, |consumer, turn| consumer.flow_reply(turn, subject, packet.headers()));
        }
    }
}
