//! A shard: the owner of many streams, and of the directory if it is the first.
//!
//! ```text
//!   turn   each input ─► a task of one stream, or of the directory ─► entries, effects, commands
//!          what became too old
//!          runs are closed: one record a stream                     ─► the submission
//! ```
//!
//! A stream that has to read from disk parks what comes for it, in order; the others go on.
//!
//! Replay is the same entries in the order of the log, then [`Shard::recovered`]: streams are brought to what the directory
//! says of them, because a crash may keep the directory's record of a change and not the stream's.
//!
//! Invariants: between turns no run is open, every deadline is in the list, and what accounts use is what their streams hold.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use firn_api::stream::Retention;
use firn_auth::account::AccountId;
use firn_id::Monotonic;
use firn_store::wal::GroupId;

use crate::{
    account::{Accounts, Usage},
    api,
    command::{Command, Placed, Placement, shard_of},
    directory::Directory,
    effect::{After, Effect, Effects, Ticket},
    entry::{self, DirectoryEntry, StreamEntry},
    input::{Input, Request},
    listeners::{Everybody, Listeners},
    messages::{Fetch, Storage},
    now::Now,
    park::Task,
    replica::{Log, Replica},
    settings::{AccountSettings, Settings},
    stream::Stream,
};

mod ids;
mod questions;
mod replay;
mod snapshot;

use self::{ids::Ids, questions::Questions};

pub use self::{replay::ReplayError, snapshot::BadSection};

/// The directory's group.
pub const DIRECTORY_GROUP: GroupId = GroupId(0);

/// A shard.
#[derive(Debug)]
pub struct Shard {
    number: usize,
    shards: usize,
    pub(crate) settings: Settings,
    pub(crate) accounts: Accounts,
    /// Of shard 0 alone.
    pub(crate) directory: Directory,
    directory_replica: Replica,
    streams: BTreeMap<GroupId, Stream>,
    /// When streams are to be looked at, by the wall clock.
    due: BTreeSet<(i64, GroupId)>,
    due_of: BTreeMap<GroupId, i64>,
    pub(crate) questions: Questions,
    /// What it says to itself.
    commands: VecDeque<Command>,
    /// Streams whose consumers were called and not finished.
    busy: BTreeSet<GroupId>,
    /// When consumers of streams are to be called.
    consumers_due: BTreeSet<(Monotonic, GroupId)>,
    consumers_due_of: BTreeMap<GroupId, Monotonic>,
    listeners: Box<dyn Listeners>,
    pub(crate) log_is_full: bool,
    ids: Ids,
    /// The last submission that was not empty.
    ticket: Ticket,
    open: Vec<GroupId>,
    /// When the last turn was.
    now: Option<Now>,
    /// Of the record that is replayed, a part is left.
    is_half_applied: bool,
}

/// What a task may use of its shard.
pub(crate) struct Turn<'t> {
    pub(crate) now: Now,
    pub(crate) effects: &'t mut Effects,
    pub(crate) settings: &'t Settings,
    pub(crate) accounts: &'t mut Accounts,
    /// What showing the directory waits for, where it is here.
    pub(crate) directory_after: After,
    pub(crate) listeners: &'t dyn Listeners,
    pub(crate) log_is_full: bool,
    ids: &'t mut Ids,
    open: &'t mut Vec<GroupId>,
    ticket: Ticket,
}

impl Turn<'_> {
    /// Where entries go.
    pub(crate) fn log(&mut self) -> Log<'_> {
        Log { submission: &mut self.effects.submission, ticket: self.ticket, open: self.open }
    }

    /// For what a subject transform draws.
    pub(crate) fn random(&mut self) -> u64 {
        self.ids.random()
    }

    /// For an advisory.
    pub(crate) fn id(&mut self) -> String {
        self.ids.next()
    }
}

impl Shard {
    /// The shard of that number, of so many, without any stream.
    pub fn new(number: usize, shards: usize, settings: Settings) -> Self {
        assert!(number < shards.max(1), "shards are numbered from 0");
        Shard {
            number,
            shards: shards.max(1),
            ids: Ids::new(settings.seed.wrapping_add(u64::try_from(number).unwrap_or(0))),
            settings,
            accounts: Accounts::default(),
            directory: Directory::default(),
            directory_replica: Replica::new(DIRECTORY_GROUP, true),
            streams: BTreeMap::new(),
            due: BTreeSet::new(),
            due_of: BTreeMap::new(),
            questions: Questions::default(),
            commands: VecDeque::new(),
            busy: BTreeSet::new(),
            consumers_due: BTreeSet::new(),
            consumers_due_of: BTreeMap::new(),
            listeners: Box::new(Everybody),
            log_is_full: false,
            ticket: Ticket::NONE,
            open: Vec::new(),
            now: None,
            is_half_applied: false,
        }
    }

    /// Tells of an account, or tells something new of it. Its streams listen from the next turn on.
    pub fn set_account(&mut self, id: AccountId, settings: AccountSettings) {
        let name = settings.name.clone();
        self.accounts.set(id, settings);
        for stream in self.streams.values_mut().filter(|stream| stream.account == name) {
            stream.account_id = Some(id);
            count_bytes(&mut self.accounts, stream);
            let (group, config) = (stream.group(), stream.config.clone());
            let placement = Placement { group, account: name.clone(), created: stream.created, config, request: None };
            self.commands.push_back(Command::Place(Box::new(placement)));
        }
    }

    /// Says whether the log takes entries. While it does not, new messages and changes are refused, and the rest is served.
    pub fn set_log_is_full(&mut self, is_full: bool) {
        self.log_is_full = is_full;
    }

    /// Whom it asks who listens; without, somebody always does.
    pub fn set_listeners(&mut self, listeners: Box<dyn Listeners>) {
        self.listeners = listeners;
    }

    /// What there is: of shard 0 all streams, of others nothing.
    pub fn directory(&self) -> &Directory {
        &self.directory
    }

    /// Takes what happened, and says what is to be done. `effects` is empty.
    pub fn turn(&mut self, now: Now, inputs: &mut impl Iterator<Item = Input>, effects: &mut Effects) {
        self.now = Some(now);
        self.obey_all(now, effects);
        for input in inputs {
            self.take(now, input, effects);
            self.obey_all(now, effects);
        }
        self.age(now, effects);
        self.obey_all(now, effects);
        self.finish(now, effects);
        self.tell_usage(effects);
        self.close(effects);
    }

    /// When to call [`Shard::turn`] if nothing comes until then.
    pub fn deadline(&self) -> Option<Monotonic> {
        let now = self.now?;
        if !self.busy.is_empty() {
            return Some(now.monotonic);
        }
        let aged = self.due.first().map(|(due, _)| {
            let wait = due.saturating_sub(now.wall.unix_nanos());
            now.monotonic + Duration::from_nanos(u64::try_from(wait).unwrap_or(0))
        });
        [aged, self.consumers_due.first().map(|(due, _)| *due)].into_iter().flatten().min()
    }

    fn take(&mut self, now: Now, input: Input, effects: &mut Effects) {
        match input {
            Input::Publish { group, packet } => self.task(now, group, Task::Publish(packet), effects),
            Input::Ack { group, packet } => self.task(now, group, Task::Ack(packet), effects),
            Input::Interest { group, consumer, is_there } => {
                self.task(now, group, Task::Interest(consumer, is_there), effects);
            }
            Input::Request(request) => self.request(now, request, effects),
            Input::Fetched { group, fetch } => {
                let Some(stream) = self.streams.get_mut(&group) else { return };
                stream.consumers.fetched();
                self.busy.insert(group);
                if stream.park.fetched(&fetch) {
                    self.resume(now, group, effects);
                }
            }
            Input::Command(command) => self.obey(now, command, effects),
            Input::Tick => {}
        }
    }

    fn request(&mut self, now: Now, request: Request, effects: &mut Effects) {
        match request.group.filter(|group| self.streams.contains_key(group)) {
            Some(group) => self.task(now, group, Task::Request(request), effects),
            None if self.number == 0 => api::answer(self, now, request, effects),
            // The stream is gone, which the directory knows best.
            None => self.send(0, Command::Request(Request { group: None, ..request }), effects),
        }
    }

    /// Hands a request to the shard of its stream, behind whatever the directory told that shard.
    pub(crate) fn forward(&mut self, group: GroupId, request: Request, effects: &mut Effects) {
        self.instruct(group, Command::Request(Request { group: Some(group), ..request }), effects);
    }

    fn send(&mut self, shard: usize, command: Command, effects: &mut Effects) {
        self.send_after(After::Nothing, shard, command, effects);
    }

    /// Tells the shard of a stream something that rests on the directory, when that is durable.
    pub(crate) fn instruct(&mut self, group: GroupId, command: Command, effects: &mut Effects) {
        let shard = shard_of(group, self.shards);
        self.send_after(self.after_directory(), shard, command, effects);
    }

    fn send_after(&mut self, after: After, shard: usize, command: Command, effects: &mut Effects) {
        if shard == self.number {
            self.commands.push_back(command);
        } else {
            effects.list.push(Effect::Command { after, shard, command: Box::new(command) });
        }
    }

    /// Asks a shard something that rests on the directory.
    pub(crate) fn ask_shard(&mut self, shard: usize, command: Command, effects: &mut Effects) {
        self.send_after(self.after_directory(), shard, command, effects);
    }

    pub(crate) fn shard_of(&self, group: GroupId) -> usize {
        shard_of(group, self.shards)
    }

    fn obey_all(&mut self, now: Now, effects: &mut Effects) {
        while let Some(command) = self.commands.pop_front() {
            self.obey(now, command, effects);
        }
    }

    fn obey(&mut self, now: Now, command: Command, effects: &mut Effects) {
        match command {
            Command::Place(placement) => self.place(now, *placement, effects),
            Command::Remove { group, request } => self.remove(now, group, request, effects),
            Command::Request(request) => self.request(now, request, effects),
            Command::MayChange { group, limits, request } => {
                let names = self.streams.get(&group).map(|stream| stream.consumers_beyond(&limits));
                match names.filter(|names| !names.is_empty()) {
                    Some(names) => {
                        let after = self.streams.get(&group).map_or(After::Nothing, Stream::after);
                        self.with_turn(now, effects, |turn| api::refuse_limits(turn, &request, &names, after));
                    }
                    None => self.send(0, Command::Change(request), effects),
                }
            }
            Command::Change(request) => api::change(self, now, &request, effects),
            Command::Describe { question, groups } => {
                let known = groups.iter().filter_map(|group| self.streams.get(group));
                let after = known.clone().map(Stream::after).max().unwrap_or(After::Nothing);
                let streams = known.map(|stream| (stream.group(), api::listed(stream, now, &self.settings))).collect();
                // Another shard hears of it when it is durable, and knows nothing of tickets of this one.
                let shown = if self.number == 0 { after } else { After::Nothing };
                self.send_after(after, 0, Command::Described { question, streams, after: shown }, effects);
            }
            Command::Described { question, streams, after } => {
                if let Some((request, streams, after)) = self.questions.answered(question, streams, after) {
                    api::list(self, now, &request, streams, after, effects);
                }
            }
            Command::Uses { account, shard, usage } => self.accounts.heard(account, shard, usage),
        }
    }

    /// Does something with a stream, or lets it wait for what waits already.
    fn task(&mut self, now: Now, group: GroupId, task: Task, effects: &mut Effects) {
        let Some(stream) = self.streams.get_mut(&group) else { return };
        stream.park.push(task);
        if stream.park.is_waiting() || stream.is_blocked() {
            return;
        }
        self.resume(now, group, effects);
    }

    /// Does what waits, up to what has to be read first.
    fn resume(&mut self, now: Now, group: GroupId, effects: &mut Effects) {
        let Some(stream) = self.streams.get_mut(&group) else { return };
        let cold = loop {
            if let Err(fetch) = stream.work() {
                break Some(fetch);
            }
            let Some(task) = stream.park.pop() else { break None };
            let mut turn = Turn {
                now,
                effects,
                settings: &self.settings,
                accounts: &mut self.accounts,
                directory_after: self.directory_replica.after(),
                listeners: &*self.listeners,
                log_is_full: self.log_is_full,
                ids: &mut self.ids,
                open: &mut self.open,
                ticket: self.ticket.next(),
            };
            let outcome = match &task {
                Task::Publish(packet) => stream.publish(&mut turn, packet),
                Task::Request(request) => api::answer_of_stream(&mut turn, Some(stream), request),
                Task::Ack(packet) => {
                    stream.acknowledged(&mut turn, packet);
                    Ok(())
                }
                Task::Interest(consumer, is_there) => {
                    if let Some(number) = stream.consumers.find(consumer) {
                        stream.call(&mut turn, number, |consumer, turn| consumer.interest(turn, *is_there));
                    }
                    Ok(())
                }
                Task::Age => stream.age(&mut turn),
                Task::Tick => {
                    stream.tick_consumers(&mut turn);
                    Ok(())
                }
            };
            count_bytes(&mut self.accounts, stream);
            if let Err(fetch) = outcome {
                stream.park.push_front(task);
                break Some(fetch);
            }
        };
        if let Some(fetch) = cold {
            ask(stream, fetch, effects);
        }
        count_bytes(&mut self.accounts, stream);
        if stream.consumers.is_busy() {
            self.busy.insert(group);
        }
        let due = stream.due_at().filter(|_| !stream.park.is_waiting());
        self.set_due(group, due);
    }

    /// Ends the turn for consumers that were called.
    fn finish(&mut self, now: Now, effects: &mut Effects) {
        for group in std::mem::take(&mut self.busy) {
            let Some(stream) = self.streams.get_mut(&group) else { continue };
            let mut turn = Turn {
                now,
                effects,
                settings: &self.settings,
                accounts: &mut self.accounts,
                directory_after: self.directory_replica.after(),
                listeners: &*self.listeners,
                log_is_full: self.log_is_full,
                ids: &mut self.ids,
                open: &mut self.open,
                ticket: self.ticket.next(),
            };
            stream.finish(&mut turn);
            count_bytes(&mut self.accounts, stream);
            if let Err(fetch) = stream.work() {
                ask(stream, fetch, effects);
            }
            if stream.consumers.is_busy() {
                self.busy.insert(group);
            }
            let (due, consumers_due) = (stream.due_at(), stream.consumers.deadline());
            self.set_due(group, due);
            self.set_consumers_due(group, consumers_due);
        }
    }

    /// An answer about a stream that is not there.
    pub(crate) fn answer_missing(&mut self, now: Now, request: &Request, effects: &mut Effects) {
        self.with_turn(now, effects, |turn| {
            let answered = api::answer_of_stream(turn, None, request);
            assert!(answered.is_ok(), "nothing is read of a stream that is not there");
        });
    }

    pub(crate) fn with_turn<R>(&mut self, now: Now, effects: &mut Effects, act: impl FnOnce(&mut Turn<'_>) -> R) -> R {
        let ticket = self.ticket.next();
        let mut turn = Turn {
            now,
            effects,
            settings: &self.settings,
            accounts: &mut self.accounts,
            directory_after: self.directory_replica.after(),
            listeners: &*self.listeners,
            log_is_full: self.log_is_full,
            ids: &mut self.ids,
            open: &mut self.open,
            ticket,
        };
        act(&mut turn)
    }

    /// Proposes a change of the directory, and applies it.
    pub(crate) fn propose(&mut self, entry: &DirectoryEntry<'_>, is_logged: bool, effects: &mut Effects) {
        let mut log = Log { submission: &mut effects.submission, ticket: self.ticket.next(), open: &mut self.open };
        if is_logged {
            self.directory_replica.propose(&mut log, entry::DIRECTORY, &entry.encode());
        }
        self.directory.apply(entry);
    }

    /// What an effect waits for that shows the directory.
    pub(crate) fn after_directory(&self) -> After {
        self.directory_replica.after()
    }

    /// The directory says how a stream is to be: makes it, or changes it, and answers who asked for that.
    fn place(&mut self, now: Now, placement: Placement, effects: &mut Effects) {
        let Placement { group, account, created, config, request } = placement;
        let text = firn_api::json::write(&config);
        let account_id = self.accounts.find(&account);
        let is_new = !self.streams.contains_key(&group);
        let stream = self.streams.entry(group).or_insert_with(|| Stream::new(group, &account, created, config.clone()));
        stream.account_id = account_id;
        let mut log = Log { submission: &mut effects.submission, ticket: self.ticket.next(), open: &mut self.open };
        let proposed = if is_new {
            stream.propose(&mut log, &StreamEntry::Create { account: &account, created, config: &text })
        } else if stream.config != config {
            let was_of_interest = stream.config.retention == Retention::Interest;
            let proposed = stream.propose(&mut log, &StreamEntry::Update { config: &text });
            if !was_of_interest {
                stream.release_all();
            }
            proposed
        } else {
            Ok(())
        };
        let stream_after = stream.after().max(self.directory_replica.after());
        if let Err(fetch) = proposed {
            ask(stream, fetch, effects);
        }
        count_bytes(&mut self.accounts, stream);
        listen(stream, stream_after, effects);
        self.busy.insert(group);
        let due = stream.due_at();
        self.set_due(group, due);
        if request.is_none() {
            self.watch_all(now, group, effects);
        }
        if let Some((request, placed)) = request {
            let Some(stream) = self.streams.get(&group) else { return };
            let info = api::placed(stream, now, &self.settings);
            self.with_turn(now, effects, |turn| match placed {
                Placed::Created => api::created(turn, &request, info, stream_after, is_new),
                Placed::Updated => api::updated(turn, &request, info, stream_after),
            });
        }
    }

    /// Asks anew who listens to what a stream's consumers push.
    fn watch_all(&mut self, now: Now, group: GroupId, effects: &mut Effects) {
        let Some(stream) = self.streams.remove(&group) else { return };
        self.with_turn(now, effects, |turn| stream.watch_all(turn));
        self.streams.insert(group, stream);
    }

    /// The directory says that a stream is no more.
    fn remove(&mut self, now: Now, group: GroupId, request: Option<Request>, effects: &mut Effects) {
        let after = self.after_directory();
        self.set_due(group, None);
        self.set_consumers_due(group, None);
        self.busy.remove(&group);
        if let Some(mut stream) = self.streams.remove(&group) {
            self.with_turn(now, effects, |turn| stream.end_consumers(turn));
            // What was proposed in this turn is in order before the directory's record or not at all.
            let mut log = Log { submission: &mut effects.submission, ticket: self.ticket.next(), open: &mut self.open };
            stream.replica.flush(&mut log);
            if let Some(account) = stream.account_id {
                self.accounts.changed(account, stream.messages.storage(), stream.counted_bytes, 0);
                self.accounts.consumers_changed(account, stream.counted_consumers, 0);
                let stream = stream.config.name.clone();
                let (subjects, is_direct) = (Vec::new(), false);
                effects.list.push(Effect::Listen { after, account, group, stream, subjects, is_direct });
            }
            if stream.messages.storage() == Storage::File {
                effects.list.push(Effect::Drop { after, group });
            }
            while let Some(task) = stream.park.pop() {
                if let Task::Request(request) = task {
                    self.send(0, Command::Request(Request { group: None, ..request }), effects);
                }
            }
        }
        if let Some(request) = request {
            self.with_turn(now, effects, |turn| api::deleted(turn, &request, after));
        }
    }

    /// Looks at streams in which something became too old.
    fn age(&mut self, now: Now, effects: &mut Effects) {
        // A stream that is not done within its share is due again, in the next turn.
        let until = (now.wall.unix_nanos(), GroupId(u64::MAX));
        let groups: Vec<GroupId> = self.due.range(..=until).map(|(_, group)| *group).collect();
        for group in groups {
            self.task(now, group, Task::Age, effects);
        }
        let until = (now.monotonic, GroupId(u64::MAX));
        let groups: Vec<GroupId> = self.consumers_due.range(..=until).map(|(_, group)| *group).collect();
        for group in groups {
            self.set_consumers_due(group, None);
            self.task(now, group, Task::Tick, effects);
        }
    }

    fn set_consumers_due(&mut self, group: GroupId, due: Option<Monotonic>) {
        let old = match due {
            Some(due) => self.consumers_due_of.insert(group, due),
            None => self.consumers_due_of.remove(&group),
        };
        if let Some(old) = old {
            self.consumers_due.remove(&(old, group));
        }
        self.consumers_due.extend(due.map(|due| (due, group)));
    }

    fn set_due(&mut self, group: GroupId, due: Option<i64>) {
        let old = match due {
            Some(due) => self.due_of.insert(group, due),
            None => self.due_of.remove(&group),
        };
        if old == due {
            return;
        }
        if let Some(old) = old {
            self.due.remove(&(old, group));
        }
        if let Some(due) = due {
            self.due.insert((due, group));
        }
    }

    fn tell_usage(&mut self, effects: &mut Effects) {
        let changed: Vec<(AccountId, Usage)> = self.accounts.take_changed();
        for (account, usage) in changed {
            for shard in (0..self.shards).filter(|shard| *shard != self.number) {
                let command = Command::Uses { account, shard: self.number, usage };
                effects.list.push(Effect::Command { after: After::Nothing, shard, command: Box::new(command) });
            }
        }
    }

    /// Ends the turn: what was proposed is one submission.
    fn close(&mut self, effects: &mut Effects) {
        let mut unused = Vec::new();
        let mut log = Log { submission: &mut effects.submission, ticket: self.ticket.next(), open: &mut unused };
        for group in self.open.drain(..) {
            if let Some(stream) = self.streams.get_mut(&group) {
                stream.replica.flush(&mut log);
            }
        }
        if !effects.submission.is_empty() {
            self.ticket = self.ticket.next();
        }
        effects.ticket = self.ticket;
    }

    /// What must hold between any two turns.
    ///
    /// # Panics
    /// When it does not.
    pub fn check_invariants(&self) {
        assert!(self.open.is_empty(), "a run is open between turns");
        assert_eq!(self.due.len(), self.due_of.len(), "a stream is due once");
        assert!(self.number == 0 || self.directory.iter().next().is_none(), "only the first shard has the directory");
        self.directory.check_invariants();
        self.accounts.check_invariants();
        for (group, stream) in &self.streams {
            assert_eq!(self.shard_of(*group), self.number, "a stream is where its group says");
            stream.check_invariants();
            let counted = if stream.account_id.is_some() { stream.state().bytes } else { 0 };
            assert_eq!(stream.counted_bytes, counted, "an account uses what its streams hold");
        }
    }
}

fn ask(stream: &mut Stream, fetch: Fetch, effects: &mut Effects) {
    if stream.park.wait_for(&fetch) {
        effects.list.push(Effect::Fetch { group: stream.group(), fetch });
    }
}

fn listen(stream: &Stream, after: After, effects: &mut Effects) {
    let Some(account) = stream.account_id else { return };
    effects.list.push(Effect::Listen {
        after,
        account,
        group: stream.group(),
        stream: stream.config.name.clone(),
        subjects: stream.config.subjects.clone(),
        is_direct: stream.config.allow_direct,
    });
}

/// Tells the account what the stream holds now.
fn count_bytes(accounts: &mut Accounts, stream: &mut Stream) {
    let Some(account) = stream.account_id else { return };
    let bytes = stream.state().bytes;
    accounts.changed(account, stream.messages.storage(), stream.counted_bytes, bytes);
    stream.counted_bytes = bytes;
    let consumers = u64::try_from(stream.consumers.len()).expect("a length fits");
    accounts.consumers_changed(account, stream.counted_consumers, consumers);
    stream.counted_consumers = consumers;
}
