//! What accounts use of what they may use.
//!
//! Each shard counts its own streams, and hears from the others what theirs use.

use std::collections::BTreeMap;

use firn_api::{account::AccountLimits, error::ApiError};
use firn_auth::account::AccountId;

use crate::{
    messages::Storage,
    settings::{AccountSettings, Settings},
};

/// What streams use, and what was asked of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Bytes in memory.
    pub memory: u64,
    /// Bytes on disk.
    pub storage: u64,
    /// Number of consumers.
    pub consumers: u64,
    /// Requests that were answered.
    pub calls: u64,
    /// Those that were answered with an error.
    pub errors: u64,
}

#[derive(Debug)]
pub(crate) struct Account {
    pub(crate) settings: AccountSettings,
    here: Usage,
    /// What the other shards last said.
    elsewhere: BTreeMap<usize, Usage>,
    /// It was not told to the others yet.
    has_changed: bool,
}

#[derive(Debug, Default)]
pub(crate) struct Accounts {
    all: BTreeMap<AccountId, Account>,
    /// All accounts together.
    total: Usage,
}

impl Usage {
    fn of(&self, storage: Storage) -> u64 {
        match storage {
            Storage::File => self.storage,
            Storage::Memory => self.memory,
        }
    }

    fn plus(self, other: Usage) -> Usage {
        Usage {
            memory: self.memory + other.memory,
            storage: self.storage + other.storage,
            consumers: self.consumers + other.consumers,
            calls: self.calls + other.calls,
            errors: self.errors + other.errors,
        }
    }

    fn minus(self, other: Usage) -> Usage {
        Usage {
            memory: self.memory - other.memory,
            storage: self.storage - other.storage,
            consumers: self.consumers - other.consumers,
            calls: self.calls - other.calls,
            errors: self.errors - other.errors,
        }
    }
}

impl Account {
    /// Over all shards.
    pub(crate) fn usage(&self) -> Usage {
        self.elsewhere.values().fold(self.here, |sum, usage| sum.plus(*usage))
    }

    pub(crate) fn limits(&self) -> Option<&AccountLimits> {
        self.settings.limits.as_ref()
    }
}

impl Accounts {
    /// Tells of an account, or tells something new of it.
    pub(crate) fn set(&mut self, id: AccountId, settings: AccountSettings) {
        match self.all.get_mut(&id) {
            Some(account) => account.settings = settings,
            None => {
                let here = Usage::default();
                let account = Account { settings, here, elsewhere: BTreeMap::new(), has_changed: false };
                self.all.insert(id, account);
            }
        }
    }

    pub(crate) fn get(&self, id: AccountId) -> Option<&Account> {
        self.all.get(&id)
    }

    pub(crate) fn find(&self, name: &str) -> Option<AccountId> {
        self.all.iter().find(|(_, account)| account.settings.name == name).map(|(id, _)| *id)
    }

    /// A stream of this shard has so many consumers instead.
    pub(crate) fn consumers_changed(&mut self, id: AccountId, before: u64, now: u64) {
        let Some(account) = self.all.get_mut(&id).filter(|_| before != now) else { return };
        for usage in [&mut account.here, &mut self.total] {
            usage.consumers = usage.consumers + now - before;
        }
        account.has_changed = true;
    }

    /// A request was answered.
    pub(crate) fn count_call(&mut self, id: AccountId, is_error: bool) {
        let Some(account) = self.all.get_mut(&id) else { return };
        for usage in [&mut account.here, &mut self.total] {
            usage.calls += 1;
            usage.errors += u64::from(is_error);
        }
        account.has_changed = true;
    }

    /// A stream of this shard uses so many bytes instead.
    pub(crate) fn changed(&mut self, id: AccountId, storage: Storage, before: u64, now: u64) {
        let Some(account) = self.all.get_mut(&id).filter(|_| before != now) else { return };
        for usage in [&mut account.here, &mut self.total] {
            let bytes = match storage {
                Storage::File => &mut usage.storage,
                Storage::Memory => &mut usage.memory,
            };
            *bytes = *bytes + now - before;
        }
        account.has_changed = true;
    }

    /// Another shard says what its streams use.
    pub(crate) fn heard(&mut self, id: AccountId, shard: usize, usage: Usage) {
        if let Some(account) = self.all.get_mut(&id) {
            let before = account.elsewhere.insert(shard, usage).unwrap_or_default();
            self.total = self.total.plus(usage).minus(before);
        }
    }

    /// What the others have not heard yet.
    pub(crate) fn take_changed(&mut self) -> Vec<(AccountId, Usage)> {
        let changed = self.all.iter_mut().filter(|(_, account)| account.has_changed);
        changed
            .map(|(id, account)| {
                account.has_changed = false;
                (*id, account.here)
            })
            .collect()
    }

    /// May a stream of this account store so many bytes more?
    ///
    /// # Errors
    /// The server is full, or the account has no more.
    pub(crate) fn check_room(
        &self,
        id: AccountId,
        storage: Storage,
        bytes: u64,
        settings: &Settings,
    ) -> Result<(), ApiError> {
        let server_max = match storage {
            Storage::File => settings.storage_bytes_max,
            Storage::Memory => settings.memory_bytes_max,
        };
        if u64::try_from(server_max).is_ok_and(|max| self.total.of(storage) > max) {
            return Err(ApiError::InsufficientResources);
        }
        let Some(account) = self.get(id) else { return Err(ApiError::NotEnabledForAccount) };
        let Some(limits) = account.limits() else { return Err(ApiError::NotEnabledForAccount) };
        let max = match storage {
            Storage::File => limits.max_storage,
            Storage::Memory => limits.max_memory,
        };
        if u64::try_from(max).is_ok_and(|max| account.usage().of(storage) + bytes > max) {
            return Err(ApiError::AccountResourcesExceeded);
        }
        Ok(())
    }

    pub(crate) fn check_invariants(&self) {
        let sum = self.all.values().fold(Usage::default(), |sum, account| sum.plus(account.usage()));
        assert_eq!(sum, self.total, "the total is what accounts use");
    }
}
