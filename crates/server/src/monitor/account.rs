//! `/accountz` and `/accstatz`: the accounts.

use std::{collections::BTreeMap, sync::atomic::Ordering::Relaxed};

use firn_auth::account::AccountId;
use firn_config::MappingOptions;
use firn_router::Account;
use serde::{Deserialize, Serialize};

use super::{json::is_false, query::Refusal, subsz::Numbers};
use crate::{clock, conn::port::Port, state::State};

/// The kind of exports and imports that there are.
const SERVICE: &str = "service";

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
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    mappings: BTreeMap<String, Vec<Share>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    exports: Vec<Export>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    imports: Vec<Import>,
    name_tag: Box<str>,
    sublist_stats: Numbers,
}

/// Where a share of the messages for a mapped subject goes.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Share {
    subject: String,
    /// In percent, with those before it.
    weight: u8,
    #[serde(skip_serializing_if = "String::is_empty")]
    cluster: String,
}

/// What an account offers to others.
#[derive(Debug, Serialize)]
struct Export {
    subject: &'static str,
    r#type: &'static str,
    response_type: &'static str,
}

/// What an account uses of another one.
#[derive(Debug, Serialize)]
struct Import {
    subject: String,
    account: &'static str,
    to: &'static str,
    local_subject: &'static str,
    r#type: &'static str,
    invalid: bool,
    share: bool,
    tracking: bool,
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
    let options = state.options.load();
    let is_system = account.id == AccountId::SYSTEM;
    let mappings = if account.id == AccountId::GLOBAL { shares(&options.mappings) } else { BTreeMap::new() };
    Some(AccountDetail {
        account_name: account.name.clone(),
        update_time: state.config_loaded.load().to_string(),
        is_system,
        expired: false,
        complete: true,
        jetstream_enabled: false,
        leafnode_connections: 0,
        client_connections: state.totals.of_account(account.id).connections.load(Relaxed),
        subscriptions: numbers.num_subscriptions,
        mappings,
        exports: if is_system && !options.no_system_account { exports() } else { Vec::new() },
        imports: if options.no_system_account { Vec::new() } else { imports(account) },
        name_tag: account.name.clone(),
        sublist_stats: numbers,
    })
}

/// The destinations of each mapped subject as nats-server keeps them: the lightest first, with the weights added up;
/// what they leave over goes to the subject itself, unless that is among them.
fn shares(mappings: &[MappingOptions]) -> BTreeMap<String, Vec<Share>> {
    let of_mapping = |mapping: &MappingOptions| {
        let source = &mapping.source;
        let mut of_clusters: BTreeMap<&str, Vec<(&str, u8)>> = BTreeMap::new();
        for to in &mapping.destinations {
            let of_cluster = of_clusters.entry(&*to.cluster).or_default();
            of_cluster.push((&*to.subject, to.weight));
        }
        let keeps_rest = mapping.destinations.iter().all(|to| to.subject != *source);
        let mut shares = Vec::new();
        for (cluster, mut destinations) in of_clusters {
            let whole: u8 = destinations.iter().map(|(_, weight)| weight).sum();
            if keeps_rest && whole < 100 {
                destinations.push((source, 100 - whole));
            }
            destinations.sort_by_key(|(_, weight)| *weight);
            let mut sum = 0;
            for (subject, weight) in destinations {
                sum += weight;
                shares.push(Share { subject: subject.to_owned(), weight: sum, cluster: cluster.to_owned() });
            }
        }
        (source.clone(), shares)
    };
    mappings.iter().map(of_mapping).collect()
}

/// What the system account lets others ask.
fn exports() -> Vec<Export> {
    let export = |(subject, response_type)| Export { subject, r#type: SERVICE, response_type };
    let all = [
        ("$SYS.DEBUG.SUBSCRIBERS", "Singleton"),
        ("$SYS.REQ.ACCOUNT.*.CONNZ", "Streamed"),
        ("$SYS.REQ.ACCOUNT.*.STATZ", "Streamed"),
        ("$SYS.REQ.USER.*.INFO", "Singleton"),
    ];
    all.map(export).into()
}

/// What can be asked in an account about that account.
fn imports(account: &Account<Port>) -> Vec<Import> {
    let import = |asked: &'static str, answered: String, share| Import {
        subject: answered,
        account: "$SYS",
        to: asked,
        local_subject: asked,
        r#type: SERVICE,
        invalid: false,
        share,
        tracking: false,
    };
    let name = &account.name;
    let mut imports = vec![import("$SYS.REQ.USER.INFO", format!("$SYS.REQ.USER.{name}.INFO"), true)];
    if account.id != AccountId::SYSTEM {
        let connz = || format!("$SYS.REQ.ACCOUNT.{name}.CONNZ");
        imports.push(import("$SYS.REQ.ACCOUNT.PING.CONNZ", connz(), false));
        imports.push(import("$SYS.REQ.ACCOUNT.PING.STATZ", format!("$SYS.REQ.ACCOUNT.{name}.STATZ"), false));
        imports.push(import("$SYS.REQ.SERVER.PING.CONNZ", connz(), false));
    }
    imports
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

#[cfg(test)]
mod tests {
    use firn_config::MappingDestination;

    use super::*;

    /// Destinations as `subject weight [cluster]`, and the shares that nats-server shows for them.
    #[track_caller]
    fn check(destinations: &[(&str, u8, &str)], expected: &[(&str, u8, &str)]) {
        let to = |&(subject, weight, cluster): &(&str, u8, &str)| MappingDestination {
            subject: subject.to_owned(),
            weight,
            cluster: cluster.to_owned(),
        };
        let destinations = destinations.iter().map(to).collect();
        let shown = shares(&[MappingOptions { source: "a".to_owned(), destinations, position: None }]);
        let shown: Vec<_> = shown["a"].iter().map(|to| (&*to.subject, to.weight, &*to.cluster)).collect();
        assert_eq!(shown, expected);
    }

    #[test]
    fn weights_are_shown_added_up_with_what_stays() {
        check(&[("b", 100, "")], &[("b", 100, "")]);
        check(&[("b", 40, ""), ("c", 30, "")], &[("c", 30, ""), ("a", 60, ""), ("b", 100, "")]);
        check(&[("b", 50, "")], &[("b", 50, ""), ("a", 100, "")]);
        check(&[("a", 10, ""), ("b", 20, "")], &[("a", 10, ""), ("b", 30, "")]);
        check(&[("b", 100, "X"), ("c", 20, "")], &[("c", 20, ""), ("a", 100, ""), ("b", 100, "X")]);
    }
}
