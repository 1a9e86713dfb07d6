//! Shards, a log on a simulated disk, and a client.
//!
//! Every effect leaves at once when the log is durable, which it is after every turn; the tests of `waits` look at what
//! effects wait for.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use firn_api::account::AccountLimits;
use firn_auth::account::AccountId;
use firn_id::{Monotonic, Timestamp};
use firn_jetstream::{
    command::shard_of,
    effect::{Effect, Effects},
    input::{Input, Request},
    now::Now,
    packet::Packet,
    settings::{AccountSettings, Settings},
    shard::Shard,
};
use firn_sim::disk::SimDisk;
use firn_store::wal::{GroupId, Limits, Lsn, Record, Recovered, Start, Wal};
use firn_subject::pattern;

/// 2026-01-01T00:00:00Z.
pub(crate) const START: i64 = 1_767_225_600_000_000_000;

/// What a client receives.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Received {
    pub(crate) subject: String,
    pub(crate) headers: String,
    pub(crate) body: String,
}

pub(crate) struct World {
    pub(crate) shards: Vec<Shard>,
    pub(crate) now: Now,
    pub(crate) disk: SimDisk,
    wal: Option<Wal<SimDisk>>,
    /// What streams listen to: account, group, stream, subjects, direct gets.
    pub(crate) listening: BTreeMap<GroupId, (AccountId, String, Vec<String>, bool)>,
    pub(crate) received: Vec<Received>,
    pub(crate) advisories: Vec<(String, String)>,
    /// Where the last deliveries are acknowledged.
    pub(crate) delivered: Vec<String>,
    /// Subjects to which somebody listens.
    pub(crate) heard: BTreeSet<String>,
    /// What waits for the next turn, where several inputs share one.
    pub(crate) batch: Option<Vec<(usize, Input)>>,
    pub(crate) records: Lsn,
    account: AccountId,
}

pub(crate) fn settings() -> Settings {
    Settings { server_name: "SRV".to_owned(), version: "2.15.1".to_owned(), ..Settings::default() }
}

pub(crate) fn shards(count: usize, settings: &Settings) -> Vec<Shard> {
    let shards = (0..count).map(|number| {
        let mut shard = Shard::new(number, count, settings.clone());
        let limits = Some(AccountLimits::unlimited());
        shard.set_account(AccountId::GLOBAL, AccountSettings { name: "$G".to_owned(), limits });
        shard
    });
    shards.collect()
}

impl World {
    pub(crate) fn new() -> Self {
        World::with(1, settings())
    }

    pub(crate) fn with(count: usize, settings: Settings) -> Self {
        let disk = SimDisk::new(1);
        let now = Now { monotonic: Monotonic::ZERO, wall: Timestamp::from_unix_nanos(START) };
        let (wal, _) = Wal::open(&disk, start(), now.monotonic, &mut |_| {}).unwrap();
        World {
            shards: shards(count, &settings),
            now,
            disk,
            wal: Some(wal),
            listening: BTreeMap::new(),
            received: Vec::new(),
            advisories: Vec::new(),
            delivered: Vec::new(),
            heard: BTreeSet::new(),
            batch: None,
            records: Lsn::NONE,
            account: AccountId::GLOBAL,
        }
    }

    /// What follows is said in this account.
    pub(crate) fn in_account(&mut self, account: AccountId) -> &mut Self {
        self.account = account;
        self
    }

    pub(crate) fn set_account(&mut self, id: AccountId, name: &str, limits: Option<AccountLimits>) {
        for shard in &mut self.shards {
            shard.set_account(id, AccountSettings { name: name.to_owned(), limits: limits.clone() });
        }
    }

    pub(crate) fn pass(&mut self, duration: Duration) {
        let nanos = i64::try_from(duration.as_nanos()).unwrap();
        self.now.monotonic = self.now.monotonic + duration;
        self.now.wall = Timestamp::from_unix_nanos(self.now.wall.unix_nanos() + nanos);
        for shard in 0..self.shards.len() {
            // As long as it wants to be called at once.
            let is_batched = self.batch.is_some();
            while !is_batched && self.shards[shard].deadline().is_some_and(|deadline| deadline <= self.now.monotonic) {
                self.input(shard, Input::Tick);
            }
        }
    }

    /// Hands something to a shard, and carries out all that follows.
    pub(crate) fn input(&mut self, shard: usize, input: Input) {
        if let Some(batch) = &mut self.batch {
            batch.push((shard, input));
            return;
        }
        let mut inputs = VecDeque::from([(shard, input)]);
        while let Some((shard, input)) = inputs.pop_front() {
            let mut effects = Effects::new();
            self.shards[shard].turn(self.now, &mut [input].into_iter(), &mut effects);
            self.shards[shard].check_invariants();
            inputs.extend(self.carry_out(effects));
        }
    }

    /// All that waits, in one turn of each shard.
    pub(crate) fn turn_batch(&mut self) {
        let batch = self.batch.replace(Vec::new()).unwrap_or_default();
        let mut by_shard: BTreeMap<usize, Vec<Input>> = BTreeMap::new();
        for (shard, input) in batch {
            by_shard.entry(shard).or_default().push(input);
        }
        for (shard, inputs) in by_shard {
            let mut effects = Effects::new();
            self.shards[shard].turn(self.now, &mut inputs.into_iter(), &mut effects);
            self.shards[shard].check_invariants();
            let follows = self.carry_out(effects);
            self.batch.as_mut().unwrap().extend(follows);
        }
    }

    /// What follows for shards.
    pub(crate) fn carry_out(&mut self, mut effects: Effects) -> Vec<(usize, Input)> {
        let submission = std::mem::take(&mut effects.submission);
        let wal = self.wal.as_mut().unwrap();
        self.records = wal.submit(submission).unwrap();
        while wal.durable() < self.records {
            wal.turn(&self.disk, self.now.monotonic);
        }
        let mut inputs = Vec::new();
        for effect in std::mem::take(&mut effects.list) {
            match effect {
                Effect::Message { message, .. } => {
                    let message = effects.message(message);
                    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
                    let (subject, headers) = (text(message.subject), text(message.headers));
                    self.received.push(Received { subject, headers, body: text(message.body) });
                }
                Effect::Advisory { advisory, .. } => {
                    let body = String::from_utf8(advisory.body()).unwrap();
                    self.advisories.push((advisory.subject(), body));
                }
                Effect::Listen { account, group, stream, subjects, is_direct, .. } => {
                    if subjects.is_empty() {
                        self.listening.remove(&group);
                    } else {
                        self.listening.insert(group, (account, stream, subjects, is_direct));
                    }
                }
                Effect::Command { shard, command, .. } => inputs.push((shard, Input::Command(*command))),
                Effect::Deliver { parts, message, has_body, .. } => {
                    let parts = effects.message(parts);
                    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
                    let body = if has_body { text(message.body()) } else { String::new() };
                    let headers = text(parts.headers);
                    self.delivered.push(text(parts.reply));
                    self.received.push(Received { subject: text(parts.subject), headers, body });
                }
                Effect::Watch { group, consumer, subject, .. } => {
                    let is_there = self.heard.contains(&subject);
                    let consumer = consumer.into();
                    inputs.push((shard_of(group, self.shards.len()), Input::Interest { group, consumer, is_there }));
                }
                Effect::Fetch { .. } => panic!("nothing is cold here"),
                Effect::Drop { .. } => {}
            }
        }
        inputs
    }

    /// Publishes, and says what came meanwhile. None: nobody listens.
    pub(crate) fn publish(&mut self, subject: &str, reply: &str, headers: &str, body: &str) -> Option<Vec<Received>> {
        let packet = Packet::new(subject.as_bytes(), reply.as_bytes(), headers.as_bytes(), body.as_bytes());
        self.received.clear();
        let (account, count) = (self.account, self.shards.len());
        if let Some(ack) = subject.strip_prefix("$JS.ACK.") {
            let name = ack.split('.').next().unwrap();
            let found = self.listening.iter().find(|(_, (of, stream, ..))| *of == account && stream == name);
            let group = *found?.0;
            self.input(shard_of(group, count), Input::Ack { group, packet });
            return Some(std::mem::take(&mut self.received));
        }
        if subject.starts_with("$JS.API.") {
            self.input(0, Input::Request(Request { account, client: None, group: None, packet }));
            return Some(std::mem::take(&mut self.received));
        }
        let listens = |(of, _, subjects, _): &(AccountId, String, Vec<String>, bool)| {
            *of == account && subjects.iter().any(|listened| pattern::matches(listened.as_bytes(), subject.as_bytes()))
        };
        let group = self.listening.iter().find(|(_, listener)| listens(listener)).map(|(group, _)| *group)?;
        self.input(shard_of(group, count), Input::Publish { group, packet });
        Some(std::mem::take(&mut self.received))
    }

    /// The one answer to a request; `no responders` where nobody listens, and nothing where nobody answers.
    pub(crate) fn request(&mut self, subject: &str, headers: &str, body: &str) -> Received {
        let Some(received) = self.publish(subject, "_R", headers, body) else {
            return Received { subject: "_R".to_owned(), headers: "503".to_owned(), body: String::new() };
        };
        let mut answers = received.into_iter().filter(|message| message.subject == "_R");
        let answer = answers.next().unwrap_or_default();
        assert_eq!(answers.next(), None, "one answer to {subject} {body}");
        answer
    }

    /// The answer of the API without what its type begins with.
    pub(crate) fn api(&mut self, operation: &str, body: &str) -> String {
        self.api_with(operation, "", body)
    }

    pub(crate) fn api_with(&mut self, operation: &str, headers: &str, body: &str) -> String {
        let answer = self.request(&format!("$JS.API.{operation}"), headers, body).body;
        let rest = answer.strip_prefix(r#"{"type":"io.nats.jetstream.api.v1."#).unwrap_or(&answer);
        rest.replacen("\",", ",", 1).replacen("\"}", "}", usize::from(!rest.contains("\",")))
    }

    /// Makes a stream, which must work.
    pub(crate) fn make(&mut self, config: &str) {
        let name = config.split("\"name\":\"").nth(1).unwrap().split('"').next().unwrap();
        let answer = self.api(&format!("STREAM.CREATE.{name}"), config);
        assert!(answer.contains("did_create"), "{answer}");
    }

    /// Publishes and returns the acknowledgement.
    pub(crate) fn put(&mut self, subject: &str, fields: &[(&str, &str)], body: &str) -> String {
        self.request(subject, &headers(fields), body).body
    }

    /// Publishes messages with bodies `b1`, `b2` …, which must work.
    pub(crate) fn fill(&mut self, subjects: &[&str]) {
        for (index, subject) in subjects.iter().enumerate() {
            let answer = self.put(subject, &[], &format!("b{}", index + 1));
            assert!(answer.contains("\"seq\":") && !answer.contains("error"), "{answer}");
        }
    }

    /// Of a stream: messages, bytes, first and last sequence, deleted, subjects.
    pub(crate) fn state(&mut self, stream: &str) -> [u64; 6] {
        let info = self.api(&format!("STREAM.INFO.{stream}"), "");
        let state = info.split("\"state\":{").nth(1).unwrap().split("\"consumer_count\"").next().unwrap();
        let number = |key: &str| {
            let found = state.split(&format!("\"{key}\":")).nth(1);
            found.map_or(0, |rest| rest.split(',').next().unwrap().parse().unwrap())
        };
        ["messages", "bytes", "first_seq", "last_seq", "num_deleted", "num_subjects"].map(number)
    }

    /// All records of the log, into other shards.
    pub(crate) fn replay(&mut self, count: usize, settings: &Settings) -> Vec<Shard> {
        let mut fresh = shards(count, settings);
        self.replay_into(&mut fresh, 0);
        fresh
    }

    /// The records behind a position.
    pub(crate) fn replay_into(&mut self, shards: &mut [Shard], behind: u64) {
        let count = shards.len();
        self.visit(&mut |lsn, record| {
            if lsn > behind {
                shards[shard_of(record.name.group, count)].replay(record).unwrap();
            }
        });
    }

    /// The first records.
    pub(crate) fn replay_some(&mut self, shards: &mut [Shard], kept: usize) {
        let mut left = kept;
        self.visit(&mut |_, record| {
            if left > 0 {
                shards[0].replay(record).unwrap();
                left -= 1;
            }
        });
    }

    /// Group and kind of each record.
    pub(crate) fn record_names(&mut self) -> Vec<(u64, u8)> {
        let mut names = Vec::new();
        self.visit(&mut |_, record| names.push((record.name.group.0, record.kind)));
        names
    }

    fn visit(&mut self, visit: &mut dyn FnMut(u64, &Record<'_>)) {
        self.wal = None;
        let mut show = |recovered: Recovered<'_>| visit(recovered.lsn.value(), &recovered.record);
        let (wal, recovery) = Wal::open(&self.disk, start(), self.now.monotonic, &mut show).unwrap();
        assert!(recovery.damage.is_empty());
        self.wal = Some(wal);
    }
}

fn start() -> Start {
    Start { new_log_id: 7, released: Lsn::NONE, limits: Limits { file_bytes_min: 1 << 20, ..Limits::USUAL } }
}

/// A block of headers; nothing where there are no fields.
pub(crate) fn headers(fields: &[(&str, &str)]) -> String {
    if fields.is_empty() {
        return String::new();
    }
    let lines: String = fields.iter().map(|(key, value)| format!("{key}: {value}\r\n")).collect();
    format!("NATS/1.0\r\n{lines}\r\n")
}

/// A text in which every time is `T`.
pub(crate) fn timeless(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("2026-") {
        out.push_str(&rest[..at]);
        out.push('T');
        let end = rest[at..].find('Z').unwrap() + at + 1;
        rest = &rest[end..];
    }
    out + rest
}
