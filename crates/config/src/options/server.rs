//! The options of the top level.

use std::collections::BTreeSet;

use super::{
    CONNECT_ERROR_REPORTS, LAME_DUCK_GRACE_PERIOD, MAX_CLOSED_CLIENTS, MAX_CONTROL_LINE, MAX_PAYLOAD, MAX_PENDING,
    Options, PING_INTERVAL, PING_MAX, PORT, RECONNECT_ERROR_REPORTS, TlsOptions, WRITE_DEADLINE, WriteTimeout,
    accounts, authorization, cluster, gateway, jetstream, leafnodes, mappings, mqtt, or, proxies, resolver, some, tls,
    websocket,
};
use crate::{
    go,
    table::{
        Entry, Kind, Read, Reader,
        Reload::{As, Refused, Silently},
        Row, Section, Unknown,
    },
    value::{Map, Value},
};

pub(super) static SERVER: Section<Options> = Section { unknown: Unknown::Field, no_map: "", rows: ROWS };

type ServerRow = Row<Options>;

const ROWS: &[ServerRow] = &[
    // Listeners of clients and monitoring.
    ServerRow::new("listen", Read::Listen(set_listen), "Port, or host and port, to listen on for clients.")
        .default("0.0.0.0:4222")
        .field("Host", Refused)
        .field("Port", Refused),
    ServerRow::new("host", Read::Text(|o, text| o.host = host(text)), "Address to listen on for clients.")
        .or(&["net"])
        .default("0.0.0.0")
        .field("Host", Refused),
    ServerRow::new(
        "port",
        Read::Int(|o, n| o.port = or(n, PORT)),
        "Port to listen on for clients; -1 is any free one.",
    )
    .default("4222")
    .field("Port", Refused),
    ServerRow::new("server_name", Read::Own(Kind::Text, server_name), "Name of the server, without spaces.")
        .field("ServerName", Refused),
    ServerRow::new(
        "client_advertise",
        Read::Text(|o, text| o.client_advertise = some(text)),
        "Host and port to tell clients about instead of the own address.",
    )
    .field("ClientAdvertise", Silently),
    ServerRow::later("proxy_protocol", Kind::Bool, "Expect the PROXY protocol before each client's first byte.")
        .default("false")
        .field("ProxyProtocol", Refused),
    ServerRow::new("http", Read::Listen(set_http), "Port, or host and port, for monitoring by HTTP.")
        .field("HTTPHost", Refused)
        .field("HTTPPort", Refused),
    ServerRow::new("https", Read::Listen(set_https), "Port, or host and port, for monitoring by HTTPS.")
        .field("HTTPHost", Refused)
        .field("HTTPSPort", Refused),
    ServerRow::new("http_port", Read::Int(|o, n| o.monitor.http_port = n), "Port for monitoring by HTTP.")
        .or(&["monitor_port"])
        .field("HTTPPort", Refused),
    ServerRow::new("https_port", Read::Int(|o, n| o.monitor.https_port = n), "Port for monitoring by HTTPS.")
        .field("HTTPSPort", Refused),
    ServerRow::new(
        "http_base_path",
        Read::Text(|o, text| text.clone_into(&mut o.monitor.base_path)),
        "What all paths of monitoring begin with.",
    )
    .default("/")
    .field("HTTPBasePath", Refused),
    // Limits.
    ServerRow::new(
        "max_connections",
        Read::Int(|o, n| o.max_connections = u64::try_from(n).unwrap_or_default()),
        "Clients at a time; zero or less refuses everybody.",
    )
    .or(&["max_conn"])
    .default("65536")
    .field("MaxConn", As("max_connections = {}")),
    ServerRow::new(
        "max_subscriptions",
        Read::Int(|o, n| o.max_subscriptions = u64::try_from(n).unwrap_or_default()),
        "Subscriptions of one connection; zero is no limit.",
    )
    .or(&["max_subs"])
    .default("0")
    .field("MaxSubs", Refused),
    ServerRow::new(
        "max_sub_tokens",
        Read::Own(Kind::Int, max_sub_tokens),
        "Tokens in a subscription's subject, 1 to 255.",
    )
    .or(&["max_subscription_tokens"])
    .field("MaxSubTokens", Refused),
    ServerRow::new("max_control_line", Read::Own(Kind::Int, max_control_line), "Bytes of a protocol line.")
        .default("4096")
        .field("MaxControlLine", As("max_control_line = {}")),
    ServerRow::new("max_payload", Read::Own(Kind::Int, max_payload), "Bytes of a message; at most max_pending.")
        .default("1MB")
        .field("MaxPayload", As("max_payload = {}")),
    ServerRow::new(
        "max_pending",
        Read::Count(|o, n| o.max_pending = or(n, MAX_PENDING)),
        "Bytes that may wait for a client.",
    )
    .default("64MB")
    .field("MaxPending", Refused),
    ServerRow::new(
        "max_closed_clients",
        Read::Count(|o, n| o.max_closed_clients = or(n, MAX_CLOSED_CLIENTS)),
        "Closed connections to remember for monitoring.",
    )
    .default("10000")
    .field("MaxClosedClients", Refused),
    // Timers.
    ServerRow::new(
        "ping_interval",
        Read::LooseDuration(|o, d| o.ping_interval = or(d, PING_INTERVAL)),
        "Time between two PINGs to a silent client.",
    )
    .default("2m")
    .field("PingInterval", As("ping_interval = {}")),
    ServerRow::new(
        "ping_max",
        Read::Count(|o, n| o.ping_max = or(n, PING_MAX)),
        "Unanswered PINGs before a client is closed.",
    )
    .default("2")
    .field("MaxPingsOut", As("ping_max = {}")),
    ServerRow::new(
        "write_deadline",
        Read::LooseDuration(|o, d| o.write_deadline = or(d, WRITE_DEADLINE)),
        "Longest time one write to a client may take.",
    )
    .default("10s")
    .field("WriteDeadline", As("write_deadline = {}")),
    ServerRow::new(
        "write_timeout",
        Read::Own(Kind::Text, write_timeout),
        "What a write beyond its deadline means: default, close or retry.",
    )
    .default("default")
    .field("WriteTimeout", Refused),
    ServerRow::new(
        "lame_duck_duration",
        Read::Own(Kind::Duration, lame_duck_duration),
        "How long lame duck mode takes to close all clients, 30 seconds or more.",
    )
    .default("2m")
    .field("LameDuckDuration", Refused),
    ServerRow::new(
        "lame_duck_grace_period",
        Read::Own(Kind::Duration, lame_duck_grace_period),
        "How long lame duck mode waits before it closes the first client.",
    )
    .default("10s")
    .field("LameDuckGracePeriod", Refused),
    // Behaviour.
    ServerRow::new("no_header_support", Read::Bool(|o, is_on| o.no_header_support = is_on), "Refuse headers.")
        .default("false")
        .field("NoHeaderSupport", Refused),
    ServerRow::new(
        "disable_sublist_cache",
        Read::Bool(|o, is_on| o.disable_sublist_cache = is_on),
        "Match every message without the cache of results.",
    )
    .or(&["no_sublist_cache"])
    .default("false")
    .field("NoSublistCache", Refused),
    ServerRow::new(
        "no_fast_producer_stall",
        Read::Bool(|o, is_on| o.no_fast_producer_stall = is_on),
        "Drop messages for a slow subscriber instead of slowing the producer down.",
    )
    .default("false")
    .field("NoFastProducerStall", As("fast producers will {}be stalled")),
    ServerRow::new(
        "allow_non_tls",
        Read::Bool(|o, is_on| o.allow_non_tls = is_on),
        "Serve clients without TLS beside those with it.",
    )
    .default("false")
    .field("AllowNonTLS", Refused),
    ServerRow::new(
        "no_auth_user",
        Read::Text(|o, text| o.no_auth_user = some(text)),
        "User or nkey of clients that bring no credentials.",
    )
    .field("NoAuthUser", Refused),
    ServerRow::new("feature_flags", Read::Own(Kind::BoolMap, feature_flags), "Features switched on or off by name.")
        .field("FeatureFlags", Refused),
    // Logging.
    ServerRow::new("debug", Read::Bool(|o, is_on| o.log.debug = is_on), "Log decisions.")
        .default("false")
        .field("Debug", As("debug = {}")),
    ServerRow::new("trace", Read::Bool(|o, is_on| o.log.trace = is_on), "Log protocol lines.")
        .default("false")
        .field("Trace", As("trace = {}")),
    ServerRow::new("trace_verbose", Read::Bool(set_trace_verbose), "Log those of the system account too.")
        .default("false")
        .field("TraceVerbose", As("trace_verbose = {}")),
    ServerRow::new("trace_headers", Read::Bool(set_trace_headers), "Log headers of messages, not their payloads.")
        .default("false")
        .field("TraceHeaders", As("trace_headers = {}")),
    ServerRow::new("logtime", Read::Bool(|o, is_on| o.log.logtime = is_on), "Begin log lines with the time.")
        .default("true")
        .field("Logtime", As("logtime = {}")),
    ServerRow::new("logtime_utc", Read::Bool(|o, is_on| o.log.logtime_utc = is_on), "Give the time in UTC.")
        .default("false")
        .field("LogtimeUTC", As("logtime_utc = {}")),
    ServerRow::new("logfile", Read::Text(|o, text| o.log.file = some(text)), "File to log to; stderr without one.")
        .or(&["log_file"])
        .field("LogFile", As("log_file = {}")),
    ServerRow::new(
        "logfile_size_limit",
        Read::Int(|o, n| o.log.size_limit = n),
        "Bytes before a new log file is begun.",
    )
    .or(&["log_size_limit"])
    .default("0")
    .field("LogSizeLimit", Refused),
    ServerRow::new(
        "logfile_max_num",
        Read::Int(|o, n| o.log.max_files = n),
        "Log files to keep, the current one included.",
    )
    .or(&["log_max_num"])
    .default("0")
    .field("LogMaxFiles", Refused),
    ServerRow::new(
        "max_traced_msg_len",
        Read::Int(|o, n| o.log.max_traced_msg_len = n),
        "Bytes of a message to show in a trace; zero shows all.",
    )
    .default("0")
    .field("MaxTracedMsgLen", As("max_traced_msg_len = {}")),
    ServerRow::later("syslog", Kind::Bool, "Log to the system's log.")
        .default("false")
        .field("Syslog", As("syslog = {}")),
    ServerRow::later("remote_syslog", Kind::Text, "Address of a system log to send to.")
        .field("RemoteSyslog", As("remote_syslog = {}")),
    // Files and profiling.
    ServerRow::new("pidfile", Read::Text(|o, text| o.pid_file = some(text)), "File to write the process id to.")
        .or(&["pid_file"])
        .field("PidFile", As("pid_file = {}")),
    ServerRow::new(
        "ports_file_dir",
        Read::Text(|o, text| o.ports_file_dir = some(text)),
        "Folder to write a file with the open ports to.",
    )
    .field("PortsFileDir", As("ports_file_dir = {}")),
    ServerRow::later("prof_port", Kind::Int, "Port for profiling.").default("0").field("ProfPort", Refused),
    ServerRow::later("prof_block_rate", Kind::Int, "How often blocking is profiled.")
        .default("0")
        .field("ProfBlockRate", As("prof_block_rate = {}")),
    ServerRow::new(
        "connect_error_reports",
        Read::Int(|o, n| o.connect_error_reports = or(n, CONNECT_ERROR_REPORTS)),
        "Every how many failed first attempts to connect to a peer are logged.",
    )
    .default("3600")
    .field("ConnectErrorReports", As("connect_error_reports = {}")),
    ServerRow::new(
        "reconnect_error_reports",
        Read::Int(|o, n| o.reconnect_error_reports = or(n, RECONNECT_ERROR_REPORTS)),
        "Every how many failed attempts to connect again are logged.",
    )
    .default("1")
    .field("ReconnectErrorReports", As("reconnect_error_reports = {}")),
    // Labels.
    ServerRow::new("server_tags", Read::Own(Kind::Texts, server_tags), "Labels of the server, kept in lower case.")
        .field("Tags", As("tags")),
    ServerRow::new("server_metadata", Read::Own(Kind::TextMap, server_metadata), "Labels of the server with values.")
        .field("Metadata", As("metadata")),
    // Who may do what.
    ServerRow::new(
        "authorization",
        Read::Own(Kind::Block(&authorization::AUTHORIZATION), authorization::read),
        "Who may connect and what they may do.",
    )
    .field("Users", As("authorization users")),
    ServerRow::new("tls", Read::Own(Kind::Block(&tls::TLS), read_tls), "TLS for clients and for HTTPS.")
        .field("TLSConfig", As("tls = {}")),
    ServerRow::new(
        "mappings",
        Read::Own(Kind::Special, mappings::read),
        "Map of subjects to where their messages go in the account `$G`: a subject, or \
         `{destination, weight, cluster}`, or a list of these.",
    )
    .or(&["maps"])
    .field("Accounts", As("accounts")),
    ServerRow::new(
        "accounts",
        Read::Own(Kind::NamedBlocks(&accounts::ACCOUNT), accounts::read),
        "Accounts. Supported is only `$SYS` with `users`.",
    )
    .field("Accounts", As("accounts")),
    ServerRow::new(
        "system_account",
        Read::Own(Kind::Text, accounts::system_account),
        "Account of the server's own messages. Supported is only `$SYS`.",
    )
    .or(&["system"])
    .default("$SYS")
    .field("SystemAccount", Refused),
    ServerRow::new(
        "no_system_account",
        Read::Bool(|o, is_on| o.no_system_account = is_on),
        "Run without a system account.",
    )
    .or(&["no_system", "no_sys_acc"])
    .default("false")
    .field("NoSystemAccount", Refused),
    ServerRow::later("default_sentinel", Kind::Text, "JWT of clients that bring no credentials.")
        .field("DefaultSentinel", As("default_sentinel = {}")),
    ServerRow::later("operator", Kind::Texts, "Files with the JWTs of operators.")
        .or(&["operators", "root", "roots", "root_operator", "root_operators"])
        .field("TrustedOperators", Refused),
    ServerRow::later("trusted", Kind::Texts, "Public keys of operators.")
        .or(&["trusted_keys"])
        .field("TrustedKeys", Refused),
    ServerRow::later(
        "resolver",
        Kind::TextOrBlock(&resolver::RESOLVER),
        "Where account JWTs come from: `MEMORY`, `URL(…)`, or a folder.",
    )
    .or(&["account_resolver", "accounts_resolver"])
    .field("AccountResolver", As("accounts")),
    ServerRow::later("resolver_tls", Kind::Block(&tls::TLS), "TLS towards the resolver.")
        .field("AccountResolverTLSConfig", As("accounts")),
    ServerRow::later("resolver_preload", Kind::TextMap, "Account JWTs by public key.")
        .field("resolverPreloads", As("accounts")),
    ServerRow::later("resolver_pinned_accounts", Kind::Texts, "Accounts that may connect without a resolver's answer.")
        .field("resolverPinnedAccounts", As("accounts")),
    ServerRow::later("proxies", Kind::Block(&proxies::PROXIES), "Proxies that are trusted.")
        .field("Proxies", As("proxies")),
    // Other protocols, peers and storage.
    ServerRow::later("websocket", Kind::Block(&websocket::WEBSOCKET), "Clients by WebSocket.")
        .or(&["ws"])
        .field("Websocket", Refused),
    ServerRow::later("mqtt", Kind::Block(&mqtt::MQTT), "Clients by MQTT.").field("MQTT", As("MQTT")),
    ServerRow::later("cluster", Kind::Block(&cluster::CLUSTER), "Servers that form a cluster with this one.")
        .field("Cluster", As("cluster")),
    ServerRow::later("gateway", Kind::Block(&gateway::GATEWAY), "Clusters that form a super-cluster with this one.")
        .field("Gateway", Refused),
    ServerRow::later(
        "leafnodes",
        Kind::Block(&leafnodes::LEAFNODES),
        "Leaf nodes, those that connect here and those of this server.",
    )
    .or(&["leaf"])
    .field("LeafNode", As("LeafNode")),
    ServerRow::later(
        "jetstream",
        Kind::SwitchOrBlock(&jetstream::JETSTREAM),
        "Streams: true, false, `enabled`, `disabled`, or a block.",
    )
    .default("false")
    .field("JetStream", As("JetStream")),
    ServerRow::later("store_dir", Kind::Text, "Folder of streams.").or(&["storedir"]).field("StoreDir", Refused),
    ServerRow::later("default_js_domain", Kind::TextMap, "JetStream domains by account.")
        .field("JsAccDefaultDomain", Refused),
    ServerRow::later("ocsp", Kind::BoolOrBlock(&tls::OCSP), "Stapled answers about the own certificate.")
        .field("OCSPConfig", As("OCSP")),
    ServerRow::later(
        "ocsp_cache",
        Kind::BoolOrBlock(&tls::OCSP_CACHE),
        "Cache of answers about certificates of clients.",
    )
    .field("OCSPCacheConfig", Silently),
];

/// An empty host is the default.
fn host(text: &str) -> String {
    some(text).unwrap_or_else(|| "0.0.0.0".to_owned())
}

fn set_listen(options: &mut Options, address: &str, port: i64) {
    options.host = host(address);
    options.port = or(port, PORT);
}

fn set_http(options: &mut Options, address: &str, port: i64) {
    options.monitor.host = some(address);
    options.monitor.http_port = port;
}

fn set_https(options: &mut Options, address: &str, port: i64) {
    options.monitor.host = some(address);
    options.monitor.https_port = port;
}

/// Both trace options switch plain tracing too, on and off.
fn set_trace_verbose(options: &mut Options, is_on: bool) {
    options.log.trace_verbose = is_on;
    options.log.trace = is_on;
}

fn set_trace_headers(options: &mut Options, is_on: bool) {
    options.log.trace_headers = is_on;
    options.log.trace = is_on;
}

fn server_name(options: &mut Options, entry: &Entry<'_>, reader: &mut Reader<'_>) {
    let Some(name) = reader.text(entry.node) else { return };
    if name.contains(' ') {
        return reader.error(entry.node, "server name cannot contain spaces");
    }
    options.server_name = some(name);
}

fn max_sub_tokens(options: &mut Options, entry: &Entry<'_>, reader: &mut Reader<'_>) {
    let Some(tokens) = reader.int(entry.node) else { return };
    match u8::try_from(tokens) {
        Ok(0) => reader.error(entry.node, format!("{} value can not be negative", entry.key)),
        Ok(tokens) => options.max_sub_tokens = tokens,
        Err(_) if tokens < 0 => reader.error(entry.node, format!("{} value can not be negative", entry.key)),
        Err(_) => reader.error(entry.node, format!("{} value is too big", entry.key)),
    }
}

fn max_control_line(options: &mut Options, entry: &Entry<'_>, reader: &mut Reader<'_>) {
    if let Some(bytes) = size_31_bits(entry, reader) {
        options.max_control_line = or(bytes, MAX_CONTROL_LINE);
    }
}

fn max_payload(options: &mut Options, entry: &Entry<'_>, reader: &mut Reader<'_>) {
    if let Some(bytes) = size_31_bits(entry, reader) {
        options.max_payload = or(bytes, MAX_PAYLOAD);
    }
}

/// Sizes the protocol's peers keep in an `int32`.
fn size_31_bits(entry: &Entry<'_>, reader: &mut Reader<'_>) -> Option<u32> {
    let bytes = reader.count(entry)?;
    let size = u32::try_from(bytes).ok().filter(|size| *size <= i32::MAX.unsigned_abs());
    if size.is_none() {
        reader.error(entry.node, format!("{} value is too big", entry.key));
    }
    size
}

fn write_timeout(options: &mut Options, entry: &Entry<'_>, reader: &mut Reader<'_>) {
    let Some(text) = reader.text(entry.node) else { return };
    options.write_timeout = match text {
        "default" => WriteTimeout::Default,
        "close" => WriteTimeout::Close,
        "retry" => WriteTimeout::Retry,
        _ => {
            return reader.error(entry.node, "write_timeout must be 'default', 'close' or 'retry'");
        }
    };
}

fn lame_duck_duration(options: &mut Options, entry: &Entry<'_>, reader: &mut Reader<'_>) {
    let Some(duration) = reader.duration(entry) else { return };
    if duration.as_secs() < 30 {
        let shown = go::duration(duration);
        return reader.error(entry.node, format!("invalid lame_duck_duration of {shown}, minimum is 30 seconds"));
    }
    options.lame_duck_duration = duration;
}

fn lame_duck_grace_period(options: &mut Options, entry: &Entry<'_>, reader: &mut Reader<'_>) {
    let Some(text) = reader.text(entry.node) else { return };
    // The sign has a message of its own here.
    if text.starts_with('-') && go::parse_duration(text.trim_start_matches('-')).is_ok_and(|d| !d.is_zero()) {
        return reader.error(entry.node, "invalid lame_duck_grace_period, needs to be positive");
    }
    if let Some(duration) = reader.duration(entry) {
        options.lame_duck_grace_period = or(duration, LAME_DUCK_GRACE_PERIOD);
    }
}

fn server_tags(options: &mut Options, entry: &Entry<'_>, reader: &mut Reader<'_>) {
    let Some(nodes) = entry.node.as_list_or_text() else {
        let found = entry.node.value.go_type();
        return reader.error(entry.node, format!("error parsing tags: unsupported type {found}"));
    };
    let mut known: BTreeSet<String> = options.server_tags.iter().cloned().collect();
    for node in nodes {
        let Some(tag) = node.value.as_text() else {
            let text = "error parsing tags: unsupported type *conf.token where string is expected";
            return reader.error(entry.node, text);
        };
        let tag = tag.trim().to_lowercase();
        if !tag.is_empty() && known.insert(tag.clone()) {
            options.server_tags.push(tag);
        }
    }
}

fn server_metadata(options: &mut Options, entry: &Entry<'_>, reader: &mut Reader<'_>) {
    let Some(map) = labels(entry, reader, "metadata") else { return };
    for (key, node) in map.iter() {
        if let Some(text) = reader.text(node) {
            options.server_metadata.insert(key.to_owned(), text.to_owned());
        }
    }
}

fn feature_flags(options: &mut Options, entry: &Entry<'_>, reader: &mut Reader<'_>) {
    let Some(map) = labels(entry, reader, "feature flags") else { return };
    for (key, node) in map.iter() {
        let Some(is_on) = node.value.as_bool() else {
            let (key, found) = (go::quote(key), node.value.go_type());
            reader.error(node, format!("error parsing feature flag {key}: expected bool, got {found}"));
            continue;
        };
        options.feature_flags.insert(key.to_owned(), is_on);
    }
}

fn labels<'n>(entry: &Entry<'n>, reader: &mut Reader<'_>, what: &str) -> Option<&'n Map> {
    if let Value::Map(map) = &entry.node.value {
        return Some(map);
    }
    let found = entry.node.value.go_type();
    reader.error(entry.node, format!("error parsing {what}: unsupported type {found}"));
    None
}

fn read_tls(options: &mut Options, entry: &Entry<'_>, reader: &mut Reader<'_>) {
    let mut tls = TlsOptions { position: reader.position(entry.node), ..TlsOptions::default() };
    tls::read(&mut tls, entry, reader);
    options.tls = Some(tls);
}
