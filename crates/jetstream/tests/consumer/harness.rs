//! Runs a script against a consumer and compares what it says with what happens.
//!
//! ```text
//!   consumer {"max_deliver":2}        a new one, of the stream as it is; explicit acknowledgements where nothing is said
//!   put s.a x3 body                   three messages; no body is ten bytes
//!   pull in.1 {"batch":5}             whatever follows the reply is the body
//!   ack 2 -NAK 1s                     what is said of the second delivery; "ack 2>in.9 …" asks for an answer
//!   +250ms                            time passes; the consumer is called whenever it wanted to be
//!   on / off                          somebody listens to what is pushed / nobody does
//!   flow                              the last question of flow control is answered, with a header or without
//!   needs / done                      of the messages of s.a, those still needed / what it said to need no more
//!   clock +60s                        the wall clock is put forward or back
//!   deaf in.1                         nobody listens there any more
//!   delete 3 / limit 3 / purge 3      one message goes / all before it, by limits / all before it, by a purge
//!   info                              how it is, in short
//!   restart                           what survives is written and read, all else is lost
//!   pause +2s, resume, reset 3, reset, unpin g, update {…}, end
//! ```
//!
//! A delivery is written `target subject deliveries.sequence.number left`, what is sent at another time than that of its
//! line begins with the time. At its end, every script applies all entries to a new consumer and compares the bytes.

use std::{collections::BTreeSet, fmt::Write as _, time::Duration};

use firn_api::{
    account::{AccountLimits, ServerLimits},
    consumer::{ConsumerConfig, ConsumerPaused, Rules},
    json, stream,
    subject::Ack as AckSubject,
    time::Time,
};
use firn_id::{Monotonic, Timestamp};
use firn_jetstream::{
    consumer::{
        Ack, Consumer, ConsumerEffect, ConsumerEffects, ConsumerEntry, ConsumerEvent, Created, End, FilterCounter,
        Pull, Removed, Turn, start_sequence,
    },
    messages::{Access, Messages, NewMessage, Storage},
    now::Now,
};

/// 2033-05-18T03:33:20Z.
const START: i64 = 2_000_000_000_000_000_000;

#[track_caller]
pub(crate) fn check(script: &str) {
    check_world(script);
}

/// The world in the end, for what a script cannot say.
#[track_caller]
pub(crate) fn check_world(script: &str) -> World {
    let lines: Vec<&str> = script.lines().map(str::trim_end).filter(|line| !line.trim().is_empty()).collect();
    let margin = lines.iter().map(|line| line.len() - line.trim_start().len()).min().unwrap_or(0);
    let lines: Vec<&str> = lines.into_iter().filter_map(|line| line.get(margin..)).collect();
    let mut world = World::default();
    let mut actual = String::new();
    for line in lines.iter().filter(|line| !line.starts_with(' ')) {
        writeln!(actual, "{line}").expect("memory");
        for effect in world.run(line) {
            writeln!(actual, "  {effect}").expect("memory");
        }
    }
    let expected: String = lines.iter().map(|line| format!("{line}\n")).collect();
    assert!(expected == actual, "expected:\n{expected}\nactual:\n{actual}");
    world.check_replay();
    world
}

pub(crate) struct World {
    pub(crate) messages: Messages,
    pub(crate) counter: FilterCounter,
    pub(crate) consumer: Option<Consumer>,
    /// Everything the log would have.
    pub(crate) entries: Vec<u8>,
    /// The consumer as it was made.
    pub(crate) first: Vec<u8>,
    effects: ConsumerEffects,
    elapsed: Duration,
    /// How far the wall clock is ahead of the time that passed, in seconds.
    ahead: i64,
    deaf: BTreeSet<Vec<u8>>,
    /// Ack subjects of what was delivered.
    pub(crate) delivered: Vec<String>,
    question: Option<String>,
    pub(crate) acknowledged: Vec<(u64, u64)>,
}

impl Default for World {
    fn default() -> Self {
        World {
            messages: Messages::new(Storage::Memory, 1),
            counter: FilterCounter::new(),
            consumer: None,
            entries: Vec::new(),
            first: Vec::new(),
            effects: ConsumerEffects::new(),
            elapsed: Duration::ZERO,
            ahead: 0,
            deaf: BTreeSet::new(),
            delivered: Vec::new(),
            question: None,
            acknowledged: Vec::new(),
        }
    }
}

pub(crate) fn config(text: &str) -> ConsumerConfig {
    let mut config: ConsumerConfig = json::read_strict(text.as_bytes()).expect("JSON");
    if !text.contains("ack_policy") {
        config.ack_policy = firn_api::consumer::AckPolicy::Explicit;
    }
    let (server, account) = (ServerLimits::default(), AccountLimits::default());
    let rules =
        stream::Rules { server: &server, account: &account, is_pedantic: false, is_clustered: false, find: &|_| None };
    let stream = json::read_strict::<stream::StreamConfig>(br#"{"name":"S"}"#)
        .expect("a sound script")
        .check(&rules)
        .expect("a sound script");
    config.check(&Rules { server: &server, account: &account, stream: &stream, is_pedantic: false }).expect("allowed")
}

impl World {
    fn now(&self) -> Now {
        now(self.elapsed, self.ahead)
    }

    fn run(&mut self, line: &str) -> Vec<String> {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        let mut said = Vec::new();
        match word {
            "consumer" => self.create(config(if rest.is_empty() { "{}" } else { rest })),
            "put" => self.put(rest),
            "deaf" => drop(self.deaf.insert(rest.into())),
            "delete" => self.delete(rest.parse().expect("a sound script")),
            "limit" => self.limit(rest.parse().expect("a sound script")),
            "purge" => {
                let first = rest.parse().expect("a sound script");
                self.limit(first);
                self.call(|consumer, turn| consumer.purged(turn, first));
            }
            "pull" => {
                let (reply, body) = rest.split_once(' ').unwrap_or((rest, ""));
                self.pull(reply, body);
            }
            "ack" => {
                let (which, body) = rest.split_once(' ').unwrap_or((rest, ""));
                let (which, reply) = which.split_once('>').unwrap_or((which, ""));
                let which: usize = which.parse().expect("a sound script");
                let subject = self.delivered.get(which - 1).expect("so many deliveries").clone();
                self.ack(&subject, body, reply);
            }
            "clock" => self.ahead += rest.trim_end_matches('s').parse::<i64>().expect("seconds"),
            "needs" => {
                let consumer = self.consumer.as_ref().expect("a consumer");
                let needed = (1..self.messages.next_sequence()).filter(|sequence| consumer.needs(*sequence, b"s.a"));
                said.push(format!("{:?}", needed.collect::<Vec<_>>()));
            }
            "done" => said.push(format!("{:?}", std::mem::take(&mut self.acknowledged))),
            "on" | "off" => self.call(|consumer, turn| consumer.interest(turn, word == "on")),
            "flow" => {
                let subject = self.question.take().expect("a question");
                let headers = if rest.is_empty() { String::new() } else { format!("NATS/1.0\r\n{rest}\r\n\r\n") };
                self.call(|consumer, turn| consumer.flow_reply(turn, subject.as_bytes(), headers.as_bytes()));
            }
            "info" => said.push(self.info()),
            "restart" => self.restart(),
            "end" => self.call(|consumer, turn| consumer.end(turn, End::Deleted)),
            "pause" => {
                let paused = self.pause(duration(rest));
                said.push(format!("{} {}", paused.paused, paused.pause_remaining));
            }
            "resume" => {
                let paused = self.call(|consumer, turn| consumer.pause(turn, Time::ZERO));
                said.push(format!("{} {}", paused.paused, paused.pause_remaining));
            }
            "reset" => {
                let access = self.call(|consumer, turn| consumer.reset(turn, rest.parse().ok()));
                said.push(match ready(access) {
                    Ok(next) => format!("from {next}"),
                    Err(error) => error.to_string(),
                });
            }
            "unpin" => {
                if let Err(error) = self.call(|consumer, turn| consumer.unpin(turn, rest)) {
                    said.push(error.to_string());
                }
            }
            "update" => {
                let config = config(rest);
                // Another filter has another counter.
                self.counter = FilterCounter::new();
                self.call(|consumer, turn| consumer.update(turn, &config));
            }
            _ if word.starts_with('+') => self.pass(duration(word), &mut said),
            _ => panic!("what is {line}?"),
        }
        self.take_effects("", &mut said);
        said
    }

    pub(crate) fn create(&mut self, config: ConsumerConfig) {
        let start = ready(start_sequence(&config, &self.messages));
        let created = Created { stream: "S".into(), name: "C".into(), config, created: self.now().wall, start };
        self.consumer = Some(Consumer::new(created));
        self.first.clear();
        self.consumer.as_ref().expect("a sound script").snapshot(&mut self.first);
        self.entries.clear();
        self.counter = FilterCounter::new();
    }

    fn put(&mut self, rest: &str) {
        let mut words = rest.split(' ');
        let subject = words.next().expect("a sound script");
        let mut rest: Vec<&str> = words.collect();
        let times = rest.first().and_then(|word| word.strip_prefix('x')?.parse().ok());
        if times.is_some() {
            rest.remove(0);
        }
        let headers =
            rest.first().and_then(|word| word.strip_prefix("h:")).map(|line| format!("NATS/1.0\r\n{line}\r\n\r\n"));
        if headers.is_some() {
            rest.remove(0);
        }
        let body = rest.first().copied().unwrap_or("0123456789");
        let body = body
            .strip_prefix("bytes:")
            .map_or(body.to_owned(), |count| "x".repeat(count.parse().expect("a sound script")));
        for _ in 0..times.unwrap_or(1) {
            self.publish(subject, headers.as_deref().unwrap_or(""), &body);
        }
        if self.consumer.is_some() {
            self.call(|_, _| ());
        }
    }

    pub(crate) fn publish(&mut self, subject: &str, headers: &str, body: &str) {
        self.messages.append(&NewMessage {
            sequence: self.messages.next_sequence(),
            time: self.now().wall,
            subject: subject.as_bytes(),
            headers: headers.as_bytes(),
            body: body.as_bytes(),
            extension: Default::default(),
        });
        if let Some(consumer) = self.consumer.as_mut().filter(|consumer| consumer.filter().matches(subject.as_bytes()))
        {
            self.counter.appended();
            // As a stream does: who waits for nothing is not called.
            if consumer.is_hungry() {
                consumer.appended();
            }
        }
    }

    pub(crate) fn delete(&mut self, sequence: u64) {
        let removed = ready(self.messages.remove(sequence)).expect("it is there");
        let matches = self.consumer.as_ref().is_some_and(|consumer| consumer.filter().matches(&removed.subject));
        if matches {
            self.counter.removed(Removed::One(sequence));
        }
    }

    pub(crate) fn limit(&mut self, sequence: u64) {
        ready(self.messages.remove_below(sequence, &mut |_| {}));
        self.counter.removed(Removed::Below(sequence));
    }

    pub(crate) fn pull(&mut self, reply: &str, body: &str) {
        let (headers, body) = match body.strip_prefix("level:") {
            Some(level) => (format!("NATS/1.0\r\nNats-Required-Api-Level: {level}\r\n\r\n"), ""),
            None => (String::new(), body),
        };
        let pull = Pull { reply: reply.as_bytes(), body: body.as_bytes(), headers: headers.as_bytes() };
        self.call(|consumer, turn| consumer.pull(turn, pull));
    }

    pub(crate) fn ack(&mut self, subject: &str, body: &str, reply: &str) {
        let delivery = AckSubject::parse(subject.as_bytes()).expect("an ack subject");
        let ack = Ack { subject: subject.as_bytes(), delivery, body: body.as_bytes(), reply: reply.as_bytes() };
        self.call(|consumer, turn| consumer.ack(turn, ack));
    }

    pub(crate) fn pause(&mut self, time: Duration) -> ConsumerPaused {
        let until = START + i64::try_from((self.elapsed + time).as_nanos()).expect("a sound script");
        let until = Time::from(Timestamp::from_unix_nanos(until));
        self.call(|consumer, turn| consumer.pause(turn, until))
    }

    pub(crate) fn restart(&mut self) {
        let mut bytes = Vec::new();
        self.consumer.take().expect("a sound script").snapshot(&mut bytes);
        self.consumer = Some(Consumer::restore(&bytes).expect("its own bytes"));
        self.counter = FilterCounter::new();
        self.call(|_, _| ());
    }

    /// One turn of whoever owns the consumer.
    pub(crate) fn call<R>(&mut self, act: impl FnOnce(&mut Consumer, &mut Turn<'_>) -> R) -> R {
        let consumer = self.consumer.as_mut().expect("a consumer");
        let deaf = &self.deaf;
        let mut turn = Turn {
            now: now(self.elapsed, self.ahead),
            messages: &self.messages,
            counter: &self.counter,
            has_interest: &|subject| !deaf.contains(subject),
            is_observed: true,
            effects: &mut self.effects,
        };
        let result = act(consumer, &mut turn);
        while consumer.finish(&mut turn, &mut self.entries) {}
        consumer.check_invariants();
        result
    }

    pub(crate) fn pass(&mut self, time: Duration, said: &mut Vec<String>) {
        let (start, end) = (self.elapsed, self.elapsed + time);
        let mut calls = 0;
        loop {
            let now = self.now();
            let deadline = self.consumer.as_mut().and_then(|consumer| consumer.deadline(now));
            let at = deadline.map(|at| Duration::from_nanos(at.as_nanos())).filter(|at| *at <= end);
            self.elapsed = at.unwrap_or(end).max(self.elapsed);
            if at.is_none() {
                return;
            }
            calls += 1;
            assert!(calls < 10_000, "it wants to be called without end");
            self.call(|consumer, turn| consumer.tick(turn));
            let after = format!("{:.3} ", (self.elapsed - start).as_secs_f64());
            self.take_effects(&after, said);
        }
    }

    pub(crate) fn take_effects(&mut self, prefix: &str, said: &mut Vec<String>) {
        let mut effects = std::mem::take(&mut self.effects);
        for effect in effects.list.drain(..).collect::<Vec<_>>() {
            let text = self.describe(&effects, effect);
            said.extend(text.map(|text| format!("{prefix}{text}")));
        }
        effects.clear();
        self.effects = effects;
    }

    fn describe(&mut self, effects: &ConsumerEffects, effect: ConsumerEffect) -> Option<String> {
        let text = |span| String::from_utf8_lossy(effects.bytes(span)).into_owned();
        let one_line = |block: String| block.trim_end().replace("NATS/1.0 ", "").replace("\r\n", " | ");
        Some(match effect {
            ConsumerEffect::Deliver(delivery) => {
                let (reply, message) = (text(delivery.reply), &delivery.message);
                let ack = AckSubject::parse(reply.as_bytes()).expect("an ack subject");
                assert_eq!((ack.stream, ack.consumer, ack.stream_seq), ("S", "C", message.sequence()));
                assert_eq!(ack.timestamp, message.time());
                let numbers = format!("{}.{}.{}", ack.deliveries, ack.stream_seq, ack.consumer_seq);
                let mut line = format!(
                    "{} {} {numbers} left {}",
                    text(delivery.target),
                    String::from_utf8_lossy(message.subject()),
                    ack.pending
                );
                let mut headers = Vec::new();
                delivery.write_headers(effects, &mut headers);
                if !headers.is_empty() {
                    let headers = String::from_utf8(headers).expect("text");
                    let lines = headers.strip_prefix("NATS/1.0\r\n").and_then(|lines| lines.strip_suffix("\r\n\r\n"));
                    let lines = lines.expect("a whole block").replace("\r\n", " | ");
                    write!(line, " [{}]", pinless(&lines)).expect("memory");
                }
                if !delivery.has_body {
                    line.push_str(" no body");
                }
                self.delivered.push(reply);
                line
            }
            ConsumerEffect::Status { target, reply, headers } => {
                let mut line = format!("{} {}", text(target), one_line(text(headers)));
                if !reply.is_empty() {
                    write!(line, " > {}", text(reply)).expect("memory");
                    self.question = Some(text(reply));
                }
                line
            }
            ConsumerEffect::Confirm { target } => format!("{} confirmed", text(target)),
            ConsumerEffect::Advisory(event) => advisory(&event),
            ConsumerEffect::Acknowledged { first, last } => {
                self.acknowledged.push((first, last));
                return None;
            }
            ConsumerEffect::Damaged { sequence } => format!("damaged {sequence}"),
            ConsumerEffect::Delete => "delete it".into(),
            ConsumerEffect::Fetch(_) => "fetch".into(),
        })
    }

    pub(crate) fn info(&mut self) -> String {
        let info = ready(self.call(|consumer, turn| consumer.info(turn)));
        let place = |place: &firn_api::consumer::SequenceInfo| format!("{}/{}", place.consumer_seq, place.stream_seq);
        let mut line = format!(
            "delivered {} floor {} pending {} redelivered {} waiting {} left {}",
            place(&info.delivered),
            place(&info.ack_floor),
            info.num_ack_pending,
            info.num_redelivered,
            info.num_waiting,
            info.num_pending
        );
        for (is_so, text) in [(info.push_bound, " bound"), (info.paused, " paused")] {
            line.push_str(if is_so { text } else { "" });
        }
        for group in info.priority_groups {
            let pinned = if group.pinned_client_id.is_empty() { "nobody" } else { "somebody" };
            write!(line, " group {} of {pinned}", group.group).expect("memory");
        }
        line
    }

    /// The same entries give the same bytes, on another machine at another time.
    pub(crate) fn check_replay(&self) {
        let mut replica = Consumer::restore(&self.first).expect("its own bytes");
        let mut rest = &self.entries[..];
        while !rest.is_empty() {
            let (entry, length) = ConsumerEntry::decode(rest).expect("an entry");
            replica.apply(&entry);
            rest = rest.get(length..).expect("an entry lies within its bytes");
        }
        replica.check_invariants();
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        self.consumer.as_ref().expect("a consumer").snapshot(&mut ours);
        replica.snapshot(&mut theirs);
        assert!(
            ours == theirs,
            "the entries give another consumer:\n{}\n{}",
            ours.escape_ascii(),
            theirs.escape_ascii()
        );
    }
}

fn now(elapsed: Duration, ahead: i64) -> Now {
    let nanos = u64::try_from(elapsed.as_nanos()).expect("a sound script");
    let wall = START + ahead * 1_000_000_000 + i64::try_from(nanos).expect("a sound script");
    Now { monotonic: Monotonic::from_nanos(nanos), wall: Timestamp::from_unix_nanos(wall) }
}

pub(crate) fn ready<T>(access: Access<T>) -> T {
    access.ready().expect("memory is warm")
}

/// Ids of pinned clients are any.
fn pinless(lines: &str) -> String {
    match lines.split_once("Nats-Pin-Id: ") {
        Some((before, id)) => format!("{before}pin of {} bytes", id.len()),
        None => lines.to_owned(),
    }
}

fn advisory(event: &ConsumerEvent) -> String {
    let (name, body) = match event {
        ConsumerEvent::Acknowledged(event) => ("ACK", json::write(event)),
        ConsumerEvent::Exhausted(event) => ("MAX_DELIVERIES", json::write(event)),
        ConsumerEvent::Naked(event) => ("MSG_NAKED", json::write(event)),
        ConsumerEvent::Terminated(event) => ("MSG_TERMINATED", json::write(event)),
        ConsumerEvent::Paused(event) => ("PAUSE", json::write(event)),
        ConsumerEvent::Pinned(event) => {
            let event = firn_api::advisory::GroupPinned { pinned_id: "…".into(), ..event.clone() };
            ("PINNED", json::write(&event))
        }
        ConsumerEvent::Unpinned(event) => ("UNPINNED", json::write(event)),
    };
    let body = String::from_utf8(body).expect("a sound script");
    format!("{name} {}", body.replace(r#""stream":"S","consumer":"C","#, ""))
}

fn duration(text: &str) -> Duration {
    let text = text.trim_start_matches('+');
    let (number, unit) = text.split_at(text.find(char::is_alphabetic).expect("a sound script"));
    let number: f64 = number.parse().expect("a sound script");
    Duration::from_secs_f64(number * if unit == "ms" { 0.001 } else { 1.0 })
}
