//! Which streams there are, in all accounts: their configurations, and the group each has.
//!
//! Part of shard 0, with group 0. It decides what may be made, changed and deleted, because that depends on the other
//! streams of an account; the stream itself lives on the shard of its group and is told.
//!
//! Invariants: a name is there once in an account; a group is never given twice.

use std::collections::BTreeMap;

use firn_api::{
    account::AccountLimits,
    error::ApiError,
    json,
    stream::{Storage, StreamConfig},
};
use firn_id::Timestamp;
use firn_store::wal::GroupId;
use firn_subject::pattern;

use crate::{
    codec::{Reader, Writer},
    entry::DirectoryEntry,
    settings::Settings,
    stream::parse_config,
};

/// The version that is written, and the highest that is read.
const VERSION: u8 = 1;

/// All streams.
#[derive(Debug, Default)]
pub struct Directory {
    accounts: BTreeMap<String, BTreeMap<String, GroupId>>,
    streams: BTreeMap<GroupId, Known>,
    /// The highest group that was ever given.
    last_group: u64,
    /// The highest one that is in the log. A stream in memory is in none, and its group is free after a restart.
    last_logged: u64,
}

/// A stream as the directory knows it.
#[derive(Clone, Debug, PartialEq)]
pub struct Known {
    /// Name of its account.
    pub account: String,
    /// When it was made.
    pub created: Timestamp,
    /// Its configuration, complete.
    pub config: StreamConfig,
}

/// What streams of an account may fill.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reserved {
    /// Bytes in memory.
    pub memory: u64,
    /// Bytes on disk.
    pub storage: u64,
}

impl Directory {
    /// The stream of that name.
    pub fn find(&self, account: &str, name: &str) -> Option<GroupId> {
        self.accounts.get(account)?.get(name).copied()
    }

    /// What is known of a stream.
    pub fn get(&self, group: GroupId) -> Option<&Known> {
        self.streams.get(&group)
    }

    /// All streams, by group.
    pub fn iter(&self) -> impl Iterator<Item = (GroupId, &Known)> {
        self.streams.iter().map(|(group, known)| (*group, known))
    }

    /// The streams of an account, by name.
    pub fn of_account(&self, account: &str) -> impl Iterator<Item = (GroupId, &Known)> {
        let groups = self.accounts.get(account).into_iter().flat_map(BTreeMap::values);
        groups.filter_map(|group| Some((*group, self.streams.get(group)?)))
    }

    /// The group that the next stream will have.
    pub(crate) fn next_group(&self) -> GroupId {
        GroupId(self.last_group + 1)
    }

    /// Takes an entry.
    pub(crate) fn apply(&mut self, entry: &DirectoryEntry<'_>) {
        match *entry {
            DirectoryEntry::Create { group, account, created, config } => {
                let Some(config) = parse_config(config) else { return };
                self.last_group = self.last_group.max(group.0);
                if config.storage == Storage::File {
                    self.last_logged = self.last_logged.max(group.0);
                }
                self.accounts.entry(account.to_owned()).or_default().insert(config.name.clone(), group);
                self.streams.insert(group, Known { account: account.to_owned(), created, config });
            }
            DirectoryEntry::Update { group, config } => {
                if let (Some(known), Some(config)) = (self.streams.get_mut(&group), parse_config(config)) {
                    known.config = config;
                }
            }
            DirectoryEntry::Delete { group } => {
                let Some(known) = self.streams.remove(&group) else { return };
                if let Some(names) = self.accounts.get_mut(&known.account) {
                    names.remove(&known.config.name);
                    if names.is_empty() {
                        self.accounts.remove(&known.account);
                    }
                }
            }
        }
    }

    /// Another stream of the account listens to some of these subjects.
    pub(crate) fn overlaps(&self, account: &str, config: &StreamConfig) -> bool {
        let mut others = self.of_account(account).filter(|(_, known)| known.config.name != config.name);
        others.any(|(_, known)| {
            known
                .config
                .subjects
                .iter()
                .any(|theirs| config.subjects.iter().any(|ours| pattern::overlaps(ours.as_bytes(), theirs.as_bytes())))
        })
    }

    /// What the streams of an account may fill by their configurations.
    pub(crate) fn reserved(&self, account: &str) -> Reserved {
        reserved(self.of_account(account).map(|(_, known)| &known.config))
    }

    /// May the account have this stream beside its others, and the server beside all others?
    pub(crate) fn check_reservations(
        &self,
        account: &str,
        limits: &AccountLimits,
        settings: &Settings,
        config: &StreamConfig,
    ) -> Result<(), ApiError> {
        let is_other = |known: &&Known| known.account != account || known.config.name != config.name;
        let own = self.of_account(account).map(|(_, known)| known).filter(is_other);
        let own = of(reserved(own.map(|known| &known.config)), config.storage);
        let all = of(reserved(self.streams.values().filter(is_other).map(|known| &known.config)), config.storage);
        let wanted = u64::try_from(config.max_bytes).unwrap_or(0);
        let (account_max, server_max, refusal) = match config.storage {
            Storage::File => (limits.max_storage, settings.storage_bytes_max, ApiError::StorageResourcesExceeded),
            Storage::Memory => (limits.max_memory, settings.memory_bytes_max, ApiError::MemoryResourcesExceeded),
        };
        let is_beyond = |max: i64, used: u64| u64::try_from(max).is_ok_and(|max| used.saturating_add(wanted) > max);
        if wanted > 0 && (is_beyond(account_max, own) || is_beyond(server_max, all)) {
            return Err(refusal);
        }
        Ok(())
    }

    pub(crate) fn snapshot(&self, out: &mut Writer) {
        out.u8(VERSION);
        out.u64(self.last_logged);
        let logged = || self.streams.iter().filter(|(_, known)| known.config.storage == Storage::File);
        out.count(logged().count());
        for (group, known) in logged() {
            out.u64(group.0);
            out.string(known.account.as_bytes());
            out.i64(known.created.unix_nanos());
            out.string(&json::write(&known.config));
        }
    }

    pub(crate) fn restore(reader: &mut Reader<'_>) -> Option<Self> {
        if reader.u8()? > VERSION {
            return None;
        }
        let last = reader.u64()?;
        let mut directory = Directory { last_group: last, last_logged: last, ..Directory::default() };
        for _ in 0..reader.count()? {
            let group = GroupId(reader.u64()?);
            let account = reader.text()?;
            let created = Timestamp::from_unix_nanos(reader.i64()?);
            let config = reader.string()?;
            directory.apply(&DirectoryEntry::Create { group, account, created, config });
        }
        Some(directory)
    }

    pub(crate) fn check_invariants(&self) {
        let named: usize = self.accounts.values().map(BTreeMap::len).sum();
        assert_eq!(named, self.streams.len(), "a stream has one name");
        for (group, known) in &self.streams {
            assert_eq!(self.find(&known.account, &known.config.name), Some(*group), "a name leads to its stream");
            assert!(group.0 <= self.last_group, "a group was given");
        }
    }
}

fn of(reserved: Reserved, storage: Storage) -> u64 {
    match storage {
        Storage::File => reserved.storage,
        Storage::Memory => reserved.memory,
    }
}

fn reserved<'a>(configs: impl Iterator<Item = &'a StreamConfig>) -> Reserved {
    let mut sum = Reserved::default();
    for config in configs {
        let bytes = u64::try_from(config.max_bytes).unwrap_or(0);
        match config.storage {
            Storage::File => sum.storage += bytes,
            Storage::Memory => sum.memory += bytes,
        }
    }
    sum
}
