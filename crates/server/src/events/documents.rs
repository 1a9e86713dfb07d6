//! What events say, in nats-server's order.

use std::{collections::BTreeMap, sync::atomic::Ordering::Relaxed, time::Duration};

use firn_id::Timestamp;
use serde::Serialize;

use crate::{
    clock,
    conn::client::Client,
    entropy,
    monitor::{
        account::{AccountStat, Volume},
        json::{is_default, nanos},
        usage,
        varz::{ByKind, feature_flags},
    },
    state::State,
    version,
};

/// Who speaks. Each document has a number of its own.
#[derive(Debug, Serialize)]
pub(crate) struct ServerInfo {
    name: String,
    host: String,
    id: Box<str>,
    ver: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tags: Vec<String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    metadata: BTreeMap<String, String>,
    feature_flags: BTreeMap<String, bool>,
    jetstream: bool,
    flags: u64,
    seq: u64,
    time: String,
}

impl ServerInfo {
    /// Takes the next number.
    pub(crate) fn next(state: &State) -> ServerInfo {
        let options = state.options.load();
        ServerInfo {
            name: state.server_name(),
            host: options.host.clone(),
            id: state.keys.id.clone(),
            ver: version::NATS,
            tags: options.server_tags.clone(),
            metadata: options.server_metadata.clone(),
            feature_flags: feature_flags(&options),
            jetstream: false,
            flags: 0,
            seq: state.events.next_number(),
            time: clock::timestamp().to_string(),
        }
    }
}

/// `LAMEDUCK` and `SHUTDOWN`
#[derive(Debug, Serialize)]
pub(crate) struct ServerEvent {
    pub(crate) server: ServerInfo,
}

/// A client came.
#[derive(Debug, Serialize)]
pub(crate) struct Connect {
    r#type: &'static str,
    id: String,
    timestamp: String,
    server: ServerInfo,
    client: ClientInfo,
}

/// A client went, or was not let in.
#[derive(Debug, Serialize)]
pub(crate) struct Disconnect {
    r#type: &'static str,
    id: String,
    timestamp: String,
    server: ServerInfo,
    client: ClientInfo,
    /// By the client.
    sent: Volume,
    /// By the client.
    received: Volume,
    reason: &'static str,
}

/// The connections of an account.
#[derive(Debug, Serialize)]
pub(crate) struct Connections {
    r#type: &'static str,
    id: String,
    timestamp: String,
    server: ServerInfo,
    #[serde(flatten)]
    stat: AccountStat,
}

#[derive(Debug, Serialize)]
struct ClientInfo {
    start: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    host: String,
    id: u64,
    acc: Box<str>,
    #[serde(skip_serializing_if = "str::is_empty")]
    user: Box<str>,
    #[serde(skip_serializing_if = "str::is_empty")]
    name: Box<str>,
    #[serde(skip_serializing_if = "str::is_empty")]
    lang: Box<str>,
    #[serde(skip_serializing_if = "str::is_empty")]
    ver: Box<str>,
    #[serde(skip_serializing_if = "is_default")]
    rtt: i64,
    #[serde(skip_serializing_if = "String::is_empty")]
    stop: String,
    name_tag: Box<str>,
    kind: &'static str,
    client_type: &'static str,
}

impl ClientInfo {
    fn of(client: &Client, stop: Option<Timestamp>) -> ClientInfo {
        let facts = client.facts();
        let facts = facts.as_deref();
        let account: Box<str> = facts.map_or("$G".into(), |facts| facts.account_name.clone());
        let round_trip = client.counters.round_trip().filter(|_| stop.is_some());
        ClientInfo {
            start: client.start.to_string(),
            host: client.address.map(|address| address.ip().to_string()).unwrap_or_default(),
            id: client.id,
            acc: account.clone(),
            user: facts.map(|facts| facts.user.clone()).unwrap_or_default(),
            name: facts.map(|facts| facts.name.clone()).unwrap_or_default(),
            lang: facts.map(|facts| facts.language.clone()).unwrap_or_default(),
            ver: facts.map(|facts| facts.version.clone()).unwrap_or_default(),
            rtt: nanos(round_trip.unwrap_or(Duration::ZERO)),
            stop: stop.map(|stop| stop.to_string()).unwrap_or_default(),
            name_tag: account,
            kind: "Client",
            client_type: "nats",
        }
    }
}

impl Connect {
    pub(crate) fn of(state: &State, client: &Client) -> Connect {
        Connect {
            r#type: "io.nats.server.advisory.v1.client_connect",
            id: unique(),
            timestamp: clock::timestamp().to_string(),
            server: ServerInfo::next(state),
            client: ClientInfo::of(client, None),
        }
    }
}

impl Disconnect {
    pub(crate) fn of(state: &State, client: &Client, reason: &'static str) -> Disconnect {
        let now = clock::timestamp();
        let (_, out_messages, out_bytes) = client.outbox.numbers();
        Disconnect {
            r#type: "io.nats.server.advisory.v1.client_disconnect",
            id: unique(),
            timestamp: now.to_string(),
            server: ServerInfo::next(state),
            client: ClientInfo::of(client, Some(now)),
            sent: Volume {
                msgs: client.counters.in_messages.load(Relaxed),
                bytes: client.counters.in_bytes.load(Relaxed),
            },
            received: Volume { msgs: out_messages, bytes: out_bytes },
            reason,
        }
    }
}

impl Connections {
    pub(crate) fn of(state: &State, stat: AccountStat) -> Connections {
        Connections {
            r#type: "io.nats.server.advisory.v1.account_connections",
            id: unique(),
            timestamp: clock::timestamp().to_string(),
            server: ServerInfo::next(state),
            stat,
        }
    }
}

/// The server's numbers.
#[derive(Debug, Serialize)]
pub(crate) struct Statsz {
    server: ServerInfo,
    statsz: Numbers,
}

#[derive(Debug, Serialize)]
struct Numbers {
    start: String,
    mem: u64,
    cores: usize,
    cpu: crate::monitor::json::Float,
    connections: usize,
    total_connections: u64,
    active_accounts: usize,
    subscriptions: u64,
    sent: Volume,
    sent_to_clients: Volume,
    received: Volume,
    received_from_clients: Volume,
    slow_consumers: u64,
    #[serde(skip_serializing_if = "is_default")]
    slow_consumer_stats: ByKind,
    #[serde(skip_serializing_if = "is_default")]
    stale_connections: u64,
    #[serde(skip_serializing_if = "is_default")]
    stale_connection_stats: ByKind,
    #[serde(skip_serializing_if = "is_default")]
    stalled_clients: u64,
    active_servers: usize,
    gomaxprocs: usize,
}

impl Statsz {
    pub(crate) fn of(state: &State) -> Statsz {
        let totals = &state.totals;
        let sent = Volume { msgs: totals.out_messages.load(Relaxed), bytes: totals.out_bytes.load(Relaxed) };
        let received = Volume { msgs: totals.in_messages.load(Relaxed), bytes: totals.in_bytes.load(Relaxed) };
        let is_active = |id| totals.of_account(id).connections.load(Relaxed) > 0;
        let slow_consumers = totals.slow_consumers.load(Relaxed);
        let stale_connections = totals.stale_connections.load(Relaxed);
        let cpu = state.monitor.usage.processor_percent(clock::monotonic());
        Statsz {
            server: ServerInfo::next(state),
            statsz: Numbers {
                start: state.start.to_string(),
                mem: usage::resident_bytes(),
                cores: usage::cores(),
                cpu: crate::monitor::json::Float(cpu),
                connections: state.registry.len(),
                total_connections: state.registry.total(),
                active_accounts: state.accounts.iter().filter(|account| is_active(account.id)).count(),
                subscriptions: state.accounts.iter().map(|account| account.statistics().subscriptions).sum(),
                sent,
                sent_to_clients: sent,
                received,
                received_from_clients: received,
                slow_consumers,
                slow_consumer_stats: ByKind::of_clients(slow_consumers),
                stale_connections,
                stale_connection_stats: ByKind::of_clients(stale_connections),
                stalled_clients: totals.stalled_clients.load(Relaxed),
                active_servers: 1,
                gomaxprocs: usage::cores(),
            },
        }
    }
}

/// Twenty-two letters and digits that no other event has.
fn unique() -> String {
    const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let mut number = u128::from(entropy::seed()) << 64 | u128::from(entropy::seed());
    let mut text = String::with_capacity(22);
    for _ in 0..22 {
        let digit = usize::try_from(number % 62).expect("below 62");
        text.push(char::from(*DIGITS.get(digit).expect("there are 62")));
        number /= 62;
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn event_numbers_are_22_letters_and_digits_and_differ() {
        let (a, b) = (unique(), unique());
        assert!(a.len() == 22 && a.bytes().all(|byte| byte.is_ascii_alphanumeric()), "{a}");
        assert_ne!(a, b);
    }
}
