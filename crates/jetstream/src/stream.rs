//! One stream: its messages, and what becomes of them when entries are applied.
//!
//! ```text
//!   publish · get · purge · …     decide, and propose entries         (looks at the time and at limits)
//!   apply · append                carry an entry out                  (looks at the entry and at what is there)
//!   chores                        what an entry left to do            (limits, roll-ups, purges)
//! ```
//!
//! A chore that has to read from disk first stays; until it is done the stream does nothing else, so that what it does
//! depends on the entries and their order alone. Limits are part of applying a message: no entry says what they remove.
//!
//! Invariants: the configuration is complete; without chores no limit is exceeded; what the account counts is what the
//! messages say.
//!
//! Not here: which streams there are, and what clients read of one (`api`).

use std::collections::VecDeque;

use firn_api::{
    consumer::ConsumerConfig,
    stream::{PersistMode, Retention, StreamConfig},
};
use firn_api::{json, time::Nanos};
use firn_auth::account::AccountId;
use firn_id::Timestamp;
use firn_store::wal::GroupId;
use firn_subject::mapping::Transform;

use self::{chore::Chore, consumers::Consumers, dedupe::Dedupe, expiry::Expiry, headers::Asks, ttl::Ttl};
use crate::{
    consumer::Start,
    effect::After,
    entry::{self, StreamEntry},
    filters::Filters,
    messages::{Fetch, Messages, NewMessage, State, Storage},
    park::Park,
    replica::{Log, Replica},
};

pub(crate) mod age;
pub(crate) mod chore;
pub(crate) mod consumers;
pub(crate) mod dedupe;
pub(crate) mod direct;
pub(crate) mod expiry;
pub(crate) mod get;
pub(crate) mod headers;
pub(crate) mod info;
pub(crate) mod publish;
pub(crate) mod purge;
pub(crate) mod snapshot;
pub(crate) mod ttl;

#[derive(Debug)]
pub(crate) struct Stream {
    pub(crate) replica: Replica,
    /// Name of its account.
    pub(crate) account: String,
    /// The account, where this server has it.
    pub(crate) account_id: Option<AccountId>,
    pub(crate) config: StreamConfig,
    pub(crate) created: Timestamp,
    pub(crate) messages: Messages,
    pub(crate) dedupe: Dedupe,
    pub(crate) expiry: Expiry,
    /// Id of the last message; empty where it had none.
    pub(crate) last_id: Vec<u8>,
    /// When the last sequence was given.
    pub(crate) last_time: Option<Timestamp>,
    chores: VecDeque<Chore>,
    rules: Rules,
    /// Filters of its consumers, who are numbered.
    pub(crate) filters: Filters<u64>,
    pub(crate) consumers: Consumers,
    pub(crate) park: Park,
    /// Bytes that the account counts.
    pub(crate) counted_bytes: u64,
    /// Consumers that it counts.
    pub(crate) counted_consumers: u64,
}

/// What follows from a configuration, ready for use.
#[derive(Debug, Default)]
struct Rules {
    transform: Option<Transform>,
    republish: Option<Transform>,
    /// What every acknowledgement begins with, up to the sequence.
    acknowledgement: Vec<u8>,
}

impl Rules {
    fn of(config: &StreamConfig) -> Self {
        let compile = |src: &str, dest: &str| Transform::new(src.as_bytes(), dest.as_bytes()).ok();
        let transform = config.subject_transform.as_ref().filter(|transform| !transform.dest.is_empty());
        let mut acknowledgement = b"{\"stream\":".to_vec();
        acknowledgement.extend(json::write(config.name.as_str()));
        acknowledgement.extend_from_slice(b",\"seq\":");
        Rules {
            transform: transform.and_then(|transform| compile(&transform.src, &transform.dest)),
            republish: config.republish.as_ref().and_then(|republish| compile(&republish.src, &republish.dest)),
            acknowledgement,
        }
    }
}

/// Where messages of such a stream are kept.
pub(crate) fn storage_of(config: &StreamConfig) -> Storage {
    match config.storage {
        firn_api::stream::Storage::File => Storage::File,
        firn_api::stream::Storage::Memory => Storage::Memory,
    }
}

/// A configuration as it stands in an entry.
pub(crate) fn parse_config(config: &[u8]) -> Option<StreamConfig> {
    json::read(config).ok()
}

impl Stream {
    /// An empty one, as its first entry says.
    pub(crate) fn new(group: GroupId, account: &str, created: Timestamp, config: StreamConfig) -> Self {
        let storage = storage_of(&config);
        Stream {
            replica: Replica::new(group, storage == Storage::File),
            account: account.to_owned(),
            account_id: None,
            messages: Messages::new(storage, config.first_seq),
            rules: Rules::of(&config),
            config,
            created,
            dedupe: Dedupe::default(),
            expiry: Expiry::default(),
            last_id: Vec::new(),
            last_time: None,
            chores: VecDeque::new(),
            filters: Filters::default(),
            consumers: Consumers::default(),
            park: Park::default(),
            counted_bytes: 0,
            counted_consumers: 0,
        }
    }

    pub(crate) fn group(&self) -> GroupId {
        self.replica.group()
    }

    pub(crate) fn name(&self) -> &str {
        &self.config.name
    }

    /// What an effect waits for that shows this stream.
    pub(crate) fn after(&self) -> After {
        if self.is_async() { After::Nothing } else { self.replica.after() }
    }

    /// What an effect waits for that shows its messages, and nothing of who consumed them.
    pub(crate) fn after_messages(&self) -> After {
        if self.is_async() { After::Nothing } else { self.replica.after_messages() }
    }

    /// Its owner asked not to wait for the disk.
    fn is_async(&self) -> bool {
        self.config.persist_mode == PersistMode::Async
    }

    pub(crate) fn state(&self) -> State {
        self.messages.state()
    }

    /// Nothing was ever given a sequence.
    pub(crate) fn is_untouched(&self) -> bool {
        self.messages.next_sequence() == 1
    }

    /// The last sequence that was given.
    pub(crate) fn last_sequence(&self) -> u64 {
        self.messages.next_sequence() - 1
    }

    /// It does nothing before something was read.
    pub(crate) fn is_blocked(&self) -> bool {
        !self.chores.is_empty()
    }

    /// Proposes an entry, and applies it.
    ///
    /// # Errors
    /// What has to be read before the entry is carried out; the stream is blocked until then.
    pub(crate) fn propose(&mut self, log: &mut Log<'_>, entry: &StreamEntry<'_>) -> Result<(), Fetch> {
        self.replica.propose(log, entry::STREAM, &entry.encode());
        self.apply(entry);
        self.work()
    }

    /// Proposes a message, and applies it.
    ///
    /// # Errors
    /// Those of [`Stream::propose`].
    pub(crate) fn propose_message(&mut self, log: &mut Log<'_>, message: &NewMessage<'_>) -> Result<(), Fetch> {
        self.replica.propose_message(log, message);
        self.append(message);
        self.work()
    }

    /// Takes an entry; what it leaves to do are chores.
    pub(crate) fn apply(&mut self, entry: &StreamEntry<'_>) {
        match *entry {
            StreamEntry::Create { account, created, config } => {
                if let Some(config) = parse_config(config) {
                    self.begin(account, created, config);
                }
            }
            StreamEntry::Update { config } => {
                if let Some(config) = parse_config(config) {
                    self.reconfigure(config);
                }
            }
            StreamEntry::Skip { sequence, time, id } => {
                self.messages.skip_to(sequence.saturating_add(1));
                self.took_sequence(sequence, time, id);
            }
            StreamEntry::Remove { sequences } => {
                self.chores.extend(sequences.iter().map(Chore::Remove));
                self.expiry.forget(sequences.iter());
            }
            StreamEntry::Purge { filter, below } => self.chores.push_back(Chore::purge(filter, below)),
            StreamEntry::Expire { below } => self.chores.push_back(Chore::Expire { below }),
            StreamEntry::CreateConsumer { name, created, start, last, config } => {
                if let Ok(config) = json::read::<ConsumerConfig>(config) {
                    self.create_consumer(name, created, Start { sequence: start, last }, config);
                }
            }
            StreamEntry::DeleteConsumer { name } => self.remove_consumer(name),
        }
    }

    fn begin(&mut self, account: &str, created: Timestamp, config: StreamConfig) {
        let group = self.group();
        let replica = std::mem::replace(&mut self.replica, Replica::new(group, false));
        let account_id = self.account_id;
        *self = Stream { replica, account_id, ..Stream::new(group, account, created, config) };
    }

    /// Takes a message.
    pub(crate) fn append(&mut self, message: &NewMessage<'_>) {
        let asks = if message.headers.is_empty() { Asks::default() } else { Asks::of(message.headers) };
        self.messages.append(message);
        self.took_sequence(message.sequence, message.time, asks.id.unwrap_or_default());
        if let Some(ttl) = asks.ttl.filter(|_| self.config.allow_msg_ttl).and_then(Ttl::of_stored) {
            self.expiry.insert(ttl, message.sequence, message.time);
        }
        if let Some(rollup) = asks.rollup.filter(|_| self.config.allow_rollup_hdrs) {
            self.chores.extend(Chore::rollup(rollup, message.subject, message.sequence));
        }
        // Nearly always nothing has to be read and nothing else is left to do.
        if !self.chores.is_empty() || self.keep_subject(message.subject).is_err() {
            self.chores.extend([Chore::subject(message.subject), Chore::Limits]);
        } else if self.keep_limits().is_err() {
            self.chores.push_back(Chore::Limits);
        }
    }

    fn took_sequence(&mut self, sequence: u64, time: Timestamp, id: &[u8]) {
        self.last_time = Some(time);
        self.last_id.clear();
        if !id.is_empty() {
            self.last_id.extend_from_slice(id);
            self.dedupe.insert(id, sequence, time, self.config.duplicate_window.0);
        }
    }

    fn reconfigure(&mut self, config: StreamConfig) {
        let keeps_fewer_of_each = config.max_msgs_per_subject > 0
            && (self.config.max_msgs_per_subject <= 0
                || config.max_msgs_per_subject < self.config.max_msgs_per_subject);
        self.rules = Rules::of(&config);
        self.config = config;
        if keeps_fewer_of_each {
            self.chores.push_back(Chore::EverySubject { after: None });
        }
        self.chores.push_back(Chore::Limits);
    }

    /// Removes what every consumer there is has no use for, which only streams of interest do.
    pub(crate) fn is_wanted(&self, subject: &[u8]) -> bool {
        self.config.retention != Retention::Interest || self.filters.is_wanted(subject)
    }

    /// How long messages live; none is for ever.
    pub(crate) fn max_age(&self) -> Option<Nanos> {
        (self.config.max_age > Nanos(0)).then_some(self.config.max_age)
    }

    pub(crate) fn check_invariants(&self) {
        self.replica.check_invariants();
        self.messages.check_invariants();
        self.dedupe.check_invariants();
        self.filters.check_invariants();
        self.consumers.check_invariants();
        if self.is_blocked() {
            return;
        }
        let (state, config) = (self.state(), &self.config);
        let is_within = |limit: i64, used: u64| limit <= 0 || u64::try_from(limit).is_ok_and(|limit| used <= limit);
        assert!(is_within(config.max_msgs, state.messages), "{} keeps too many messages", self.name());
        assert!(is_within(config.max_bytes, state.bytes), "{} keeps too many bytes", self.name());
    }
}
