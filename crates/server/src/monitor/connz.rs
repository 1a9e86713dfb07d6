//! `/connz`: the connections, open and closed.
//!
//! A request gathers one small row a connection, filters and sorts the rows, and renders only the page asked for.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};

use firn_id::{Monotonic, Timestamp};
use firn_router::Subscription;
use firn_subject::subject;
use serde::{Deserialize, Deserializer, Serialize, de::Error};

use super::{
    json::{is_default, is_false, round_trip, uptime},
    query::{Query, Refusal},
};
use crate::{
    clock,
    conn::{
        client::{Client, Facts},
        port::Port,
        registry::Closed,
    },
    state::State,
    tls::certificate,
};

/// Connections, or subscriptions, to show without a limit.
pub(crate) const LIMIT: i64 = 1024;

/// What is asked.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Options {
    sort: String,
    auth: bool,
    subscriptions: bool,
    subscriptions_detail: bool,
    offset: i64,
    limit: i64,
    cid: u64,
    mqtt_client: String,
    #[serde(deserialize_with = "state_by_number")]
    state: Which,
    user: String,
    #[serde(rename = "acc")]
    pub(crate) account: String,
    filter_subject: String,
}

/// Which connections.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Which {
    #[default]
    Open,
    Closed,
    All,
}

fn state_by_number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Which, D::Error> {
    match u64::deserialize(deserializer)? {
        0 => Ok(Which::Open),
        1 => Ok(Which::Closed),
        2 => Ok(Which::All),
        number => Err(D::Error::custom(format_args!("no state has the number {number}"))),
    }
}

impl Options {
    pub(crate) fn from_query(query: &Query) -> Result<Options, Refusal> {
        let auth = query.flag("auth")?;
        let (subscriptions, subscriptions_detail) = query.subscriptions()?;
        Ok(Options {
            sort: query.text("sort").to_owned(),
            auth,
            subscriptions,
            subscriptions_detail,
            offset: query.int("offset")?,
            limit: query.int("limit")?,
            cid: query.unsigned("cid")?,
            mqtt_client: query.text("mqtt_client").to_owned(),
            state: match query.text("state").to_lowercase().as_str() {
                "" | "open" => Which::Open,
                "closed" => Which::Closed,
                "any" | "all" => Which::All,
                _ => return Err(Refusal(format!("Error decoding state for {}", query.text("state")))),
            },
            user: query.text("user").to_owned(),
            account: query.text("acc").to_owned(),
            filter_subject: String::new(),
        })
    }
}

/// The document.
#[derive(Debug, Serialize)]
pub(crate) struct Connz {
    server_id: Box<str>,
    now: String,
    num_connections: usize,
    total: usize,
    offset: i64,
    limit: i64,
    /// `null` for an account that does not exist.
    connections: Option<Vec<Connection>>,
}

/// One connection, in nats-server's order.
#[derive(Debug, Serialize)]
struct Connection {
    cid: u64,
    kind: &'static str,
    r#type: &'static str,
    ip: String,
    port: u16,
    start: String,
    last_activity: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    stop: String,
    #[serde(skip_serializing_if = "str::is_empty")]
    reason: &'static str,
    rtt: String,
    uptime: String,
    idle: String,
    pending_bytes: usize,
    in_msgs: u64,
    out_msgs: u64,
    in_bytes: u64,
    out_bytes: u64,
    #[serde(skip_serializing_if = "is_default")]
    stalls: u32,
    subscriptions: u32,
    #[serde(skip_serializing_if = "str::is_empty")]
    name: Box<str>,
    #[serde(skip_serializing_if = "str::is_empty")]
    lang: Box<str>,
    #[serde(skip_serializing_if = "str::is_empty")]
    version: Box<str>,
    #[serde(skip_serializing_if = "str::is_empty")]
    tls_version: &'static str,
    #[serde(skip_serializing_if = "str::is_empty")]
    tls_cipher_suite: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tls_peer_certs: Vec<PeerCertificate>,
    #[serde(skip_serializing_if = "is_false")]
    tls_first: bool,
    #[serde(skip_serializing_if = "str::is_empty")]
    authorized_user: Box<str>,
    #[serde(skip_serializing_if = "str::is_empty")]
    account: Box<str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    subscriptions_list: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    subscriptions_list_detail: Vec<Detail>,
    #[serde(skip_serializing_if = "str::is_empty")]
    name_tag: Box<str>,
}

/// A certificate that a client showed.
#[derive(Debug, Serialize)]
struct PeerCertificate {
    #[serde(skip_serializing_if = "String::is_empty")]
    subject: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    spki_sha256: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    cert_sha256: String,
}

impl PeerCertificate {
    fn of(der: &[u8]) -> Self {
        PeerCertificate {
            subject: certificate::subject(der).unwrap_or_default(),
            spki_sha256: certificate::key_sum(der).unwrap_or_default(),
            cert_sha256: certificate::sum(der),
        }
    }
}

/// One subscription.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Detail {
    #[serde(skip_serializing_if = "str::is_empty")]
    account: Box<str>,
    #[serde(skip_serializing_if = "str::is_empty")]
    account_tag: Box<str>,
    pub(crate) subject: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    qgroup: String,
    sid: String,
    msgs: u64,
    #[serde(skip_serializing_if = "is_default")]
    max: u64,
    cid: u64,
}

impl Detail {
    /// Without its account.
    pub(crate) fn of(subscription: &Subscription<Port>) -> Detail {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Detail {
            account: Box::default(),
            account_tag: Box::default(),
            subject: text(subscription.subject()),
            qgroup: subscription.queue().map(text).unwrap_or_default(),
            sid: text(subscription.sid()),
            msgs: subscription.delivered(),
            max: subscription.limit().unwrap_or(0),
            cid: owner(subscription),
        }
    }

    /// Lists are in this order, so that their pages fit together.
    pub(crate) fn order(&self) -> impl Ord + use<'_> {
        (&self.account, &self.subject, self.cid, &self.sid)
    }

    /// With its account.
    pub(crate) fn in_account(self, account: &str) -> Detail {
        Detail { account: account.into(), account_tag: account.into(), ..self }
    }
}

/// The client that holds a subscription; 0 is the server itself.
fn owner(subscription: &Subscription<Port>) -> u64 {
    match &subscription.port {
        Port::Client(client) => client.id,
        Port::Service(_) => 0,
    }
}

/// The account that nobody names: connections in it show none.
const GLOBAL: &str = "$G";

/// Shows the connections that the options ask for.
///
/// # Errors
/// The options contradict each other; the text is nats-server's.
pub(crate) fn connz(state: &State, options: &Options) -> Result<Connz, Refusal> {
    let sort = Sort::parse(&options.sort, options.state)?;
    let limit = match (options.cid, options.limit) {
        (1.., _) => 1,
        (0, limit) if limit <= 0 => LIMIT,
        (0, limit) => limit,
    };
    let page = Page { offset: options.offset.max(0), limit };
    let filter = options.filter_subject.as_str();
    let is_filtered = !matches!(filter, "" | ">");
    if is_filtered && options.account.is_empty() {
        return Err(Refusal("filter by subject only valid with account filtering".to_owned()));
    }
    let now = Now { wall: clock::timestamp(), monotonic: clock::monotonic() };
    let document = |server_id, total, connections: Option<Vec<Connection>>| Connz {
        server_id,
        now: now.wall.to_string(),
        num_connections: connections.as_ref().map_or(0, Vec::len),
        total,
        offset: page.offset,
        limit: page.limit,
        connections,
    };
    let is_known = |account: &str| state.accounts.iter().any(|other| *other.name == *account);
    if !options.account.is_empty() && !is_known(&options.account) {
        return Ok(document(Box::default(), 0, None));
    }
    let mut rows = gather(state, options, now);
    let total = rows.len();
    rows.retain(|row| row.is_asked_for(options));
    if is_filtered {
        let interested = interested_in(state, &options.account, filter);
        rows.retain(|row| row.closed.is_some() || interested.contains(&row.client.id));
    }
    sort.apply(&mut rows);
    let rows = page.of(&rows);
    let lists =
        if options.subscriptions || options.subscriptions_detail { lists(state, rows) } else { BTreeMap::new() };
    let connections = rows.iter().map(|row| row.render(options, now, lists.get(&row.client.id))).collect();
    Ok(document(state.keys.id.clone(), total, Some(connections)))
}

/// Sums over the open connections.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Sums {
    pub(crate) pending: usize,
    pub(crate) subscriptions: u64,
    pub(crate) in_messages: u64,
    pub(crate) in_bytes: u64,
    pub(crate) out_messages: u64,
    pub(crate) out_bytes: u64,
}

/// Adds the open connections up.
pub(crate) fn sums(state: &State) -> Sums {
    let mut sums = Sums::default();
    for client in state.registry.open() {
        let (pending, out_messages, out_bytes) = client.outbox.numbers();
        sums.pending += pending;
        sums.subscriptions += u64::from(client.counters.subscriptions.load(Relaxed));
        sums.in_messages += client.counters.in_messages.load(Relaxed);
        sums.in_bytes += client.counters.in_bytes.load(Relaxed);
        sums.out_messages += out_messages;
        sums.out_bytes += out_bytes;
    }
    sums
}

/// A page of a list.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Page {
    /// Not negative.
    pub(crate) offset: i64,
    /// Positive.
    pub(crate) limit: i64,
}

impl Page {
    /// The part of the list that is on the page, whatever numbers were asked for.
    pub(crate) fn of<T>(self, list: &[T]) -> &[T] {
        let bounded = |number: i64| usize::try_from(number).unwrap_or(usize::MAX);
        let start = bounded(self.offset).min(list.len());
        let end = start + bounded(self.limit).min(list.len() - start);
        list.get(start..end).unwrap_or_default()
    }
}

#[derive(Clone, Copy, Debug)]
struct Now {
    wall: Timestamp,
    monotonic: Monotonic,
}

/// A connection's numbers at the time of the request.
#[derive(Clone, Debug)]
struct Row {
    client: Arc<Client>,
    closed: Option<Arc<Closed>>,
    facts: Option<Arc<Facts>>,
    last_activity: Timestamp,
    pending: usize,
    out_messages: u64,
    out_bytes: u64,
}

/// Those in the state and the account that is asked for, by number.
fn gather(state: &State, options: &Options, now: Now) -> Vec<Row> {
    let mut rows = Vec::new();
    if options.state != Which::Closed {
        rows.extend(state.registry.open().into_iter().map(|client| Row::open(client, now)));
    }
    if options.state != Which::Open {
        rows.extend(state.registry.closed().into_iter().map(|closed| Row::closed(closed, now)));
    }
    if !options.account.is_empty() {
        rows.retain(|row| row.account() == options.account);
    }
    rows
}

/// The clients of an account that hold a subscription which overlaps a pattern.
fn interested_in(state: &State, account: &str, pattern: &str) -> BTreeSet<u64> {
    let mut clients = BTreeSet::new();
    let Some(account) = state.accounts.iter().find(|other| *other.name == *account) else { return clients };
    if subject::is_valid_pattern(pattern.as_bytes()) {
        account.interest().for_each_overlapping(pattern.as_bytes(), |_, _, subscription| {
            clients.insert(owner(subscription));
        });
    }
    clients
}

/// The subscriptions of the connections in `rows`, in the order of their subjects.
fn lists(state: &State, rows: &[Row]) -> BTreeMap<u64, Vec<Detail>> {
    let mut lists: BTreeMap<u64, Vec<Detail>> = BTreeMap::new();
    for row in rows {
        let of_closed = row.closed.iter().flat_map(|closed| &closed.subscriptions);
        lists.insert(
            row.client.id,
            of_closed.map(|subscription| Detail::of(subscription).in_account(row.account())).collect(),
        );
    }
    let has_open = rows.iter().any(|row| row.closed.is_none());
    for account in state.accounts.iter().filter(|_| has_open) {
        account.interest().for_each(|_, _, subscription| {
            if let Port::Client(client) = &subscription.port
                && let Some(list) = lists.get_mut(&client.id)
            {
                list.push(Detail::of(subscription));
            }
        });
    }
    for list in lists.values_mut() {
        list.sort_by(|a, b| a.order().cmp(&b.order()));
        // A client that is just leaving may be found in both places.
        list.dedup_by(|a, b| a.sid == b.sid && a.subject == b.subject);
    }
    lists
}

impl Row {
    fn open(client: Arc<Client>, now: Now) -> Row {
        let (pending, out_messages, out_bytes) = client.outbox.numbers();
        Row {
            last_activity: wall_clock(client.counters.last_activity(), now),
            facts: client.facts(),
            closed: None,
            pending,
            out_messages,
            out_bytes,
            client,
        }
    }

    fn closed(closed: Arc<Closed>, now: Now) -> Row {
        Row {
            client: Arc::clone(&closed.client),
            last_activity: wall_clock(closed.client.counters.last_activity(), now),
            facts: closed.client.facts(),
            pending: closed.pending,
            out_messages: closed.out_messages,
            out_bytes: closed.out_bytes,
            closed: Some(closed),
        }
    }

    fn account(&self) -> &str {
        self.facts.as_ref().map_or(GLOBAL, |facts| &facts.account_name)
    }

    fn is_asked_for(&self, options: &Options) -> bool {
        let user = self.facts.as_ref().map_or("", |facts| &facts.user);
        (options.cid == 0 || options.cid == self.client.id)
            && (options.user.is_empty() || options.user == user)
            // Nobody speaks MQTT.
            && options.mqtt_client.is_empty()
    }

    fn stop(&self) -> Option<Timestamp> {
        self.closed.as_ref().map(|closed| closed.stop)
    }

    fn reason(&self) -> &'static str {
        self.closed.as_ref().map_or("", |closed| closed.reason.text())
    }

    fn uptime(&self, now: Timestamp) -> Duration {
        self.stop().unwrap_or(now).since(self.client.start)
    }

    fn render(&self, options: &Options, now: Now, list: Option<&Vec<Detail>>) -> Connection {
        let client = &self.client;
        let facts = self.facts.as_deref();
        let tls = client.tls.as_deref();
        // Only of clients that are still there, as in nats-server.
        let peers = tls.filter(|_| options.auth && self.closed.is_none());
        let peers = peers.map(|tls| &tls.peer_certificates[..]).unwrap_or_default();
        let list = list.map(Vec::as_slice).unwrap_or_default();
        let details = if options.subscriptions_detail { list } else { &[] };
        let subjects = if options.subscriptions_detail { &[] } else { list };
        let text = |of: fn(&Facts) -> &str| facts.map(of).unwrap_or_default().into();
        let shown = |text: Box<str>| if options.auth { text } else { Box::default() };
        let account = self.account();
        let is_global = account == GLOBAL;
        Connection {
            cid: client.id,
            kind: "Client",
            r#type: "nats",
            ip: client.address.map(|address| address.ip().to_string()).unwrap_or_default(),
            port: client.address.map_or(0, |address| address.port()),
            start: client.start.to_string(),
            last_activity: self.last_activity.to_string(),
            stop: self.stop().map(|stop| stop.to_string()).unwrap_or_default(),
            reason: self.reason(),
            rtt: round_trip(client.counters.round_trip()),
            uptime: uptime(self.uptime(now.wall)),
            idle: uptime(self.stop().unwrap_or(now.wall).since(self.last_activity)),
            pending_bytes: self.pending,
            in_msgs: client.counters.in_messages.load(Relaxed),
            out_msgs: self.out_messages,
            in_bytes: client.counters.in_bytes.load(Relaxed),
            out_bytes: self.out_bytes,
            stalls: client.counters.stalls.load(Relaxed),
            subscriptions: client.counters.subscriptions.load(Relaxed),
            name: text(|facts| &facts.name),
            lang: text(|facts| &facts.language),
            version: text(|facts| &facts.version),
            tls_version: tls.map_or("", |tls| tls.version),
            tls_cipher_suite: tls.map_or("", |tls| tls.cipher_suite),
            tls_peer_certs: peers.iter().map(|der| PeerCertificate::of(der)).collect(),
            tls_first: tls.is_some_and(|tls| tls.first),
            authorized_user: shown(text(|facts| &facts.user)),
            account: shown(if is_global { Box::default() } else { account.into() }),
            subscriptions_list: subjects.iter().map(|detail| detail.subject.clone()).collect(),
            subscriptions_list_detail: details.to_vec(),
            name_tag: shown(if is_global && self.closed.is_some() { Box::default() } else { account.into() }),
        }
    }
}

/// The wall-clock time of a moment before now.
fn wall_clock(at: Monotonic, now: Now) -> Timestamp {
    let ago = i64::try_from(now.monotonic.since(at).as_nanos()).unwrap_or(i64::MAX);
    Timestamp::from_unix_nanos(now.wall.unix_nanos().saturating_sub(ago))
}

/// What connections are sorted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sort {
    Number,
    Subscriptions,
    Pending,
    OutMessages,
    InMessages,
    OutBytes,
    InBytes,
    LastActivity,
    Idle,
    Uptime,
    Stop,
    Reason,
    RoundTrip,
}

impl Sort {
    fn parse(text: &str, which: Which) -> Result<Sort, Refusal> {
        let sort = match text {
            "" | "cid" | "start" => Sort::Number,
            "subs" => Sort::Subscriptions,
            "pending" => Sort::Pending,
            "msgs_to" => Sort::OutMessages,
            "msgs_from" => Sort::InMessages,
            "bytes_to" => Sort::OutBytes,
            "bytes_from" => Sort::InBytes,
            "last" => Sort::LastActivity,
            "idle" => Sort::Idle,
            "uptime" => Sort::Uptime,
            "stop" => Sort::Stop,
            "reason" => Sort::Reason,
            "rtt" => Sort::RoundTrip,
            _ => return Err(Refusal(format!("invalid sorting option: {text}"))),
        };
        if matches!(sort, Sort::Stop | Sort::Reason) && which != Which::Closed {
            return Err(Refusal(format!("sort by {text} only valid on closed connections")));
        }
        Ok(sort)
    }

    /// Largest first, except numbers, uptimes and reasons; equals stay in the order of their numbers.
    fn apply(self, rows: &mut [Row]) {
        rows.sort_by_key(|row| row.client.id);
        match self {
            Sort::Number => {}
            // Numbers that others write meanwhile are read once, or the order would contradict itself.
            Sort::Subscriptions => {
                rows.sort_by_cached_key(|row| Reverse(row.client.counters.subscriptions.load(Relaxed)));
            }
            Sort::Pending => rows.sort_by_key(|row| Reverse(row.pending)),
            Sort::OutMessages => rows.sort_by_key(|row| Reverse(row.out_messages)),
            Sort::InMessages => {
                rows.sort_by_cached_key(|row| Reverse(row.client.counters.in_messages.load(Relaxed)));
            }
            Sort::OutBytes => rows.sort_by_key(|row| Reverse(row.out_bytes)),
            Sort::InBytes => rows.sort_by_cached_key(|row| Reverse(row.client.counters.in_bytes.load(Relaxed))),
            Sort::LastActivity => rows.sort_by_key(|row| Reverse(row.last_activity)),
            Sort::Idle => rows.sort_by_key(|row| row.last_activity),
            Sort::Uptime => {
                let now = clock::timestamp();
                rows.sort_by_key(|row| row.uptime(now));
            }
            Sort::Stop => rows.sort_by_key(|row| Reverse(row.stop())),
            Sort::Reason => rows.sort_by_key(Row::reason),
            Sort::RoundTrip => rows.sort_by_cached_key(|row| Reverse(row.client.counters.round_trip())),
        }
    }
}
