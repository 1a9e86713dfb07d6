//! `/varz`: the server itself.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicU16, Ordering::Relaxed},
};

use firn_config::{Options, WriteTimeout};
use serde::Serialize;

use super::{
    json::{Float, is_default, is_false, nanos, uptime},
    usage,
};
use crate::{clock, state::State};

/// The document, in nats-server's order, and behind it our own.
#[derive(Debug, Serialize)]
pub(crate) struct Varz {
    server_id: Box<str>,
    server_name: String,
    version: String,
    proto: i32,
    #[serde(skip_serializing_if = "String::is_empty")]
    git_commit: String,
    go: String,
    host: String,
    pub(crate) port: u16,
    #[serde(skip_serializing_if = "is_false")]
    auth_required: bool,
    #[serde(skip_serializing_if = "is_false")]
    tls_required: bool,
    #[serde(skip_serializing_if = "is_false")]
    tls_verify: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    connect_urls: Vec<String>,
    pub(crate) max_connections: u64,
    #[serde(skip_serializing_if = "is_default")]
    max_subscriptions: u64,
    pub(crate) ping_interval: i64,
    pub(crate) ping_max: u64,
    http_host: String,
    pub(crate) http_port: i64,
    http_base_path: String,
    pub(crate) https_port: i64,
    pub(crate) auth_timeout: Float,
    pub(crate) max_control_line: u32,
    pub(crate) max_payload: u32,
    pub(crate) max_pending: u64,
    cluster: Nothing,
    gateway: Nothing,
    leaf: Nothing,
    mqtt: Nothing,
    websocket: Nothing,
    jetstream: Nothing,
    pub(crate) tls_timeout: Float,
    pub(crate) write_deadline: i64,
    #[serde(skip_serializing_if = "str::is_empty")]
    write_timeout: &'static str,
    start: String,
    now: String,
    uptime: String,
    pub(crate) mem: u64,
    pub(crate) cores: usize,
    pub(crate) gomaxprocs: usize,
    pub(crate) cpu: Float,
    pub(crate) connections: usize,
    pub(crate) total_connections: u64,
    pub(crate) routes: usize,
    pub(crate) remotes: usize,
    pub(crate) leafnodes: usize,
    pub(crate) in_msgs: u64,
    pub(crate) in_bytes: u64,
    in_client_msgs: u64,
    in_client_bytes: u64,
    pub(crate) out_msgs: u64,
    pub(crate) out_bytes: u64,
    out_client_msgs: u64,
    out_client_bytes: u64,
    pub(crate) slow_consumers: u64,
    pub(crate) stale_connections: u64,
    pub(crate) stalled_clients: u64,
    pub(crate) subscriptions: u64,
    http_req_stats: BTreeMap<&'static str, u64>,
    config_load_time: String,
    config_digest: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tags: Vec<String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    metadata: BTreeMap<String, String>,
    feature_flags: BTreeMap<String, bool>,
    #[serde(skip_serializing_if = "str::is_empty")]
    system_account: &'static str,
    pub(crate) slow_consumer_stats: ByKind,
    pub(crate) stale_connection_stats: ByKind,
    pub(crate) disk_io_wait_stats: DiskWaits,
    #[serde(skip_serializing_if = "String::is_empty")]
    tls_cert_not_after: String,
    /// Version of the program itself.
    firn: &'static str,
}

/// A feature that is not configured.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(crate) struct Nothing {}

/// A number by kind of connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct ByKind {
    pub(crate) clients: u64,
    pub(crate) routes: u64,
    pub(crate) gateways: u64,
    pub(crate) leafs: u64,
}

impl ByKind {
    pub(crate) fn of_clients(clients: u64) -> Self {
        ByKind { clients, ..ByKind::default() }
    }
}

/// Waits for the disk; without streams there are none.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(crate) struct DiskWaits {
    pub(crate) waiters: u64,
    pub(crate) waits: u64,
    pub(crate) wait_time: u64,
    pub(crate) max_wait_time: u64,
}

/// Flags that nats-server shows whether they are configured or not.
const FEATURE_FLAGS: [(&str, bool); 4] = [
    ("js_ack_fc_v2", false),
    ("js_api_reply_v2", false),
    ("js_raft_delete_range", true),
    ("js_snapshot_sources", false),
];

/// The flags in force.
pub(crate) fn feature_flags(options: &Options) -> BTreeMap<String, bool> {
    let known = FEATURE_FLAGS.iter().map(|&(name, is_on)| (name.to_owned(), is_on));
    known.chain(options.feature_flags.clone()).collect()
}

/// What the server is and does now.
pub(crate) fn varz(state: &State) -> Varz {
    let options = state.options.load();
    let settings = state.settings.load();
    let info = &settings.info;
    let totals = &state.totals;
    let (in_msgs, in_bytes) = (totals.in_messages.load(Relaxed), totals.in_bytes.load(Relaxed));
    let (out_msgs, out_bytes) = (totals.out_messages.load(Relaxed), totals.out_bytes.load(Relaxed));
    let slow_consumers = totals.slow_consumers.load(Relaxed);
    let stale_connections = totals.stale_connections.load(Relaxed);
    let now = clock::monotonic();
    let not_after = state.tls.load().as_ref().and_then(|tls| tls.not_after);
    Varz {
        server_id: state.keys.id.clone(),
        server_name: state.server_name(),
        version: info.version.clone(),
        proto: info.proto,
        git_commit: info.git_commit.clone(),
        go: info.go.clone(),
        host: options.host.clone(),
        port: state.client_address.port(),
        auth_required: requires_sign_in(&options),
        tls_required: info.tls_required,
        tls_verify: info.tls_verify,
        connect_urls: info.connect_urls.clone(),
        max_connections: options.max_connections,
        max_subscriptions: options.max_subscriptions,
        ping_interval: nanos(options.ping_interval),
        ping_max: options.ping_max,
        http_host: options.monitor_host().to_owned(),
        http_port: opened(options.monitor.http_port, &state.monitor.http_port),
        http_base_path: options.monitor.base_path.clone(),
        https_port: opened(options.monitor.https_port, &state.monitor.https_port),
        auth_timeout: Float(options.auth_timeout().as_secs_f64()),
        max_control_line: options.max_control_line,
        max_payload: options.max_payload,
        max_pending: options.max_pending,
        cluster: Nothing {},
        gateway: Nothing {},
        leaf: Nothing {},
        mqtt: Nothing {},
        websocket: Nothing {},
        jetstream: Nothing {},
        tls_timeout: Float(options.tls.as_ref().map_or(2.0, |tls| tls.timeout.as_secs_f64())),
        write_deadline: nanos(options.write_deadline),
        write_timeout: match options.write_timeout {
            WriteTimeout::Default => "",
            WriteTimeout::Close => "close",
            WriteTimeout::Retry => "retry",
        },
        start: state.start.to_string(),
        now: clock::timestamp().to_string(),
        uptime: uptime(now.since(state.started)),
        mem: usage::resident_bytes(),
        cores: usage::cores(),
        gomaxprocs: usage::cores(),
        cpu: Float(state.monitor.usage.processor_percent(now)),
        connections: state.registry.len(),
        total_connections: state.registry.total(),
        routes: 0,
        remotes: 0,
        leafnodes: 0,
        in_msgs,
        in_bytes,
        in_client_msgs: in_msgs,
        in_client_bytes: in_bytes,
        out_msgs,
        out_bytes,
        out_client_msgs: out_msgs,
        out_client_bytes: out_bytes,
        slow_consumers,
        stale_connections,
        stalled_clients: totals.stalled_clients.load(Relaxed),
        subscriptions: state.accounts.iter().map(|account| account.statistics().subscriptions).sum(),
        http_req_stats: state.monitor.requests().collect(),
        config_load_time: state.config_loaded.load().to_string(),
        config_digest: state.config_digest.load().as_deref().cloned().unwrap_or_default(),
        tags: options.server_tags.clone(),
        metadata: options.server_metadata.clone(),
        feature_flags: feature_flags(&options),
        system_account: if options.no_system_account { "" } else { "$SYS" },
        slow_consumer_stats: ByKind::of_clients(slow_consumers),
        stale_connection_stats: ByKind::of_clients(stale_connections),
        disk_io_wait_stats: DiskWaits::default(),
        tls_cert_not_after: not_after.map(|not_after| not_after.to_string()).unwrap_or_default(),
        firn: info.firn,
    }
}

/// A port that the system chose.
fn opened(configured: i64, port: &AtomicU16) -> i64 {
    if configured < 0 { port.load(Relaxed).into() } else { configured }
}

/// Also when `no_auth_user` lets everybody in.
fn requires_sign_in(options: &Options) -> bool {
    let authorization = &options.authorization;
    authorization.user.is_some()
        || authorization.token.is_some()
        || authorization.users.as_ref().is_some_and(|users| !users.is_empty())
}
