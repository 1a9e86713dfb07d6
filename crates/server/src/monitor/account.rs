//! `/accountz` and `/accstatz`: the accounts.

use std::sync::atomic::Ordering::Relaxed;

use firn_auth::account::AccountId;
use firn_router::Account;
use serde::{Deserialize, Serialize};

use super::{json::is_false, query::Refusal, subsz::Numbers};
use crate::{clock, conn::port::Port, state::State};

/// `/accountz`
#[derive(Debug, Serialize)]
pub(crate) struct Accountz {
    server_id: Box<str>,
    now: String,
    #[serde(skip_serializing_if = "str::is_empty")]
    system_account: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    accounts: Vec<Box<str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    account_detail: Option<AccountDetail>,
}

/// One account.
#[derive(Debug, Serialize)]
pub(crate) struct AccountDetail {
    account_name: Box<str>,
    update_time: String,
    #[serde(skip_serializing_if = "is_false")]
    is_system: bool,
    expired: bool,
    complete: bool,
    jetstream_enabled: bool,
    leafnode_connections: usize,
    client_connections: u64,
    subscriptions: u64,
    name_tag: Box<str>,
    sublist_stats: Numbers,
}

/// `/accstatz`
#[derive(Debug, Serialize)]
pub(crate) struct Accstatz {
    server_id: Box<str>,
    now: String,
    account_statz: Vec<AccountStat>,
}

impl Accstatz {
    /// No account at all.
    pub(crate) fn is_empty(&self) -> bool {
        self.account_statz.is_empty()
    }
}

/// What is asked of `STATZ`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct StatOptions {
    /// Empty is all of them.
    pub(crate) accounts: Vec<String>,
    /// Those without a client too.
    pub(crate) include_unused: bool,
}

/// The traffic of one account.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct AccountStat {
    acc: Box<str>,
    name: Box<str>,
    pub(crate) conns: u64,
    leafnodes: u64,
    total_conns: u64,
    pub(crate) num_subscriptions: u64,
    pub(crate) sent: Traffic,
    pub(crate) received: Traffic,
    pub(crate) slow_consumers: u64,
}

/// Traffic, and how much of it came from each kind of peer.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(crate) struct Traffic {
    #[serde(flatten)]
    pub(crate) all: Volume,
    gateways: Volume,
    routes: Volume,
    leafs: Volume,
}

/// Messages and their bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Volume {
    pub(crate) msgs: u64,
    pub(crate) bytes: u64,
}

/// All accounts by name, or one in detail.
///
/// # Errors
/// There is no such account.
pub(crate) fn accountz(state: &State, name: &str) -> Result<Accountz, Refusal> {
    let detail = match name {
        "" => None,
        name => Some(detail(state, name).ok_or_else(|| Refusal(format!("Account {name} does not exist")))?),
    };
    let mut accounts: Vec<_> = state.accounts.iter().map(|account| account.name.clone()).collect();
    accounts.retain(|_| detail.is_none());
    accounts.sort();
    Ok(Accountz {
        server_id: state.keys.id.clone(),
        now: clock::timestamp().to_string(),
        system_account: if state.options.load().no_system_account { "" } else { "$SYS" },
        accounts,
        account_detail: detail,
    })
}

/// One account; `None` when there is no such one.
pub(crate) fn detail(state: &State, name: &str) -> Option<AccountDetail> {
    let account = state.accounts.iter().find(|account| *account.name == *name)?;
    let numbers = Numbers::of(state, account);
    Some(AccountDetail {
        account_name: account.name.clone(),
        update_time: state.config_loaded.load().to_string(),
        is_system: account.id == AccountId::SYSTEM,
        expired: false,
        complete: true,
        jetstream_enabled: false,
        leafnode_connections: 0,
        client_connections: state.totals.of_account(account.id).connections.load(Relaxed),
        subscriptions: numbers.num_subscriptions,
        name_tag: account.name.clone(),
        sublist_stats: numbers,
    })
}

/// Traffic by account.
pub(crate) fn accstatz(state: &State, options: &StatOptions) -> Accstatz {
    let is_asked_for = |account: &Account<Port>| {
        options.accounts.is_empty() || options.accounts.iter().any(|name| **name == *account.name)
    };
    let stats = state.accounts.iter().filter(|account| is_asked_for(account)).map(|account| stat(state, account));
    Accstatz {
        server_id: state.keys.id.clone(),
        now: clock::timestamp().to_string(),
        account_statz: stats.filter(|stat| stat.conns > 0 || options.include_unused).collect(),
    }
}

/// The traffic of one account.
pub(crate) fn stat(state: &State, account: &Account<Port>) -> AccountStat {
    let totals = state.totals.of_account(account.id);
    let conns = totals.connections.load(Relaxed);
    let traffic = |msgs, bytes| Traffic { all: Volume { msgs, bytes }, ..Traffic::default() };
    AccountStat {
        acc: account.name.clone(),
        name: account.name.clone(),
        conns,
        leafnodes: 0,
        total_conns: conns,
        num_subscriptions: account.statistics().subscriptions,
        sent: traffic(totals.out_messages.load(Relaxed), totals.out_bytes.load(Relaxed)),
        received: traffic(totals.in_messages.load(Relaxed), totals.in_bytes.load(Relaxed)),
        slow_consumers: totals.slow_consumers.load(Relaxed),
    }
}
