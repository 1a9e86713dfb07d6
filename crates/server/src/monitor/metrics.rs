//! `/metrics`: the numbers of the other documents in Prometheus' text format, or OpenMetrics when it is asked for.
//!
//! The names with a prefix are those of the exporter that dashboards were made for: gauges all, `gnatsd_…` or, with
//! `?prefix=nats`, `nats_…`. The plain ones (`nats_connections`) and Firn's own are there in any case.
//!
//! A small encoder of its own, because half of the names are made at run time and nothing is registered anywhere.

use std::{fmt::Write as _, sync::atomic::Ordering::Relaxed};

use hyper::{Response, StatusCode};

use super::{
    connz,
    healthz::{self, readyz},
    json::Float,
    query::{Query, Refusal},
    subsz,
    varz::{self, ByKind, Varz},
};
use crate::state::State;

const PROMETHEUS: &str = "text/plain; version=0.0.4; charset=utf-8";
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
/// Longest prefix of names.
const PREFIX_BYTES_MAX: usize = 64;

/// Answers in the format that `accept` asks for.
///
/// # Errors
/// The prefix cannot begin a name.
pub(crate) fn respond(state: &State, query: &Query, accept: &str) -> Result<Response<String>, Refusal> {
    let prefix = match query.text("prefix") {
        "" => "gnatsd",
        prefix if is_prefix(prefix) => prefix,
        _ => return Err(Refusal("prefix must be letters, digits and underscores".to_owned())),
    };
    let is_open = accept.contains("application/openmetrics-text");
    let mut text = Exposition { text: String::new(), is_open, server_id: state.keys.id.clone() };
    let varz = varz::varz(state);
    exporter_varz(&mut text, prefix, state, &varz);
    exporter_others(&mut text, prefix, state)?;
    plain(&mut text, &varz);
    own(&mut text, state);
    let content_type = if is_open { OPEN_METRICS } else { PROMETHEUS };
    Ok(super::respond(StatusCode::OK, content_type, text.finish()))
}

fn is_prefix(prefix: &str) -> bool {
    let begins_well = prefix.starts_with(|c: char| c.is_ascii_alphabetic());
    begins_well && prefix.len() <= PREFIX_BYTES_MAX && prefix.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

/// What `/varz` has in numbers, as the exporter names it.
fn exporter_varz(text: &mut Exposition, prefix: &str, state: &State, varz: &Varz) {
    let name = |rest: &str| format!("{prefix}_varz_{rest}");
    for (rest, value) in [
        ("auth_timeout", varz.auth_timeout.into()),
        ("connections", Number::from(varz.connections)),
        ("cores", varz.cores.into()),
        ("cpu", varz.cpu.into()),
        ("gomaxprocs", varz.gomaxprocs.into()),
        ("http_port", varz.http_port.into()),
        ("https_port", varz.https_port.into()),
        ("in_bytes", varz.in_bytes.into()),
        ("in_client_bytes", varz.in_bytes.into()),
        ("in_client_msgs", varz.in_msgs.into()),
        ("in_msgs", varz.in_msgs.into()),
        ("leafnodes", varz.leafnodes.into()),
        ("max_connections", varz.max_connections.into()),
        ("max_control_line", u64::from(varz.max_control_line).into()),
        ("max_payload", u64::from(varz.max_payload).into()),
        ("max_pending", varz.max_pending.into()),
        ("mem", varz.mem.into()),
        ("out_bytes", varz.out_bytes.into()),
        ("out_client_bytes", varz.out_bytes.into()),
        ("out_client_msgs", varz.out_msgs.into()),
        ("out_msgs", varz.out_msgs.into()),
        ("ping_interval", varz.ping_interval.into()),
        ("ping_max", varz.ping_max.into()),
        ("port", u64::from(varz.port).into()),
        ("proto", i64::from(state.settings.load().info.proto).into()),
        ("remotes", varz.remotes.into()),
        ("routes", varz.routes.into()),
        ("slow_consumers", varz.slow_consumers.into()),
        ("stale_connections", varz.stale_connections.into()),
        ("stalled_clients", varz.stalled_clients.into()),
        ("subscriptions", varz.subscriptions.into()),
        ("tls_timeout", varz.tls_timeout.into()),
        ("total_connections", varz.total_connections.into()),
        ("write_deadline", varz.write_deadline.into()),
        // Times are milliseconds since 1970.
        ("start", (state.start.unix_nanos() / 1_000_000).into()),
        ("config_load_time", (state.config_loaded.load().unix_nanos() / 1_000_000).into()),
        ("disk_io_wait_stats_waiters", varz.disk_io_wait_stats.waiters.into()),
        ("disk_io_wait_stats_waits", varz.disk_io_wait_stats.waits.into()),
        ("disk_io_wait_stats_wait_time", varz.disk_io_wait_stats.wait_time.into()),
        ("disk_io_wait_stats_max_wait_time", varz.disk_io_wait_stats.max_wait_time.into()),
    ] {
        text.gauge(&name(rest), &format!("`{rest}` of /varz"), value);
    }
    for (stats, by_kind) in
        [("slow_consumer_stats", varz.slow_consumer_stats), ("stale_connection_stats", varz.stale_connection_stats)]
    {
        let ByKind { clients, routes, gateways, leafs } = by_kind;
        for (kind, count) in [("clients", clients), ("routes", routes), ("gateways", gateways), ("leafs", leafs)] {
            let rest = format!("{stats}_{kind}");
            text.gauge(&name(&rest), &format!("`{stats}.{kind}` of /varz"), count.into());
        }
    }
    for (path, count) in state.monitor.requests() {
        let rest = format!("http_req_stats_{}", path.trim_start_matches('/'));
        text.gauge(&name(&rest), &format!("requests for {path}"), count.into());
    }
    for (rest, value) in [
        ("server_id", state.keys.id.to_string()),
        ("server_name", state.server_name()),
        ("version", state.settings.load().info.version.clone()),
    ] {
        text.label(&name(rest), &format!("`{rest}` of /varz as a label"), &value);
    }
}

/// What the other documents have in numbers, as the exporter names it.
fn exporter_others(text: &mut Exposition, prefix: &str, state: &State) -> Result<(), Refusal> {
    let open = state.registry.len();
    let limit = usize::try_from(connz::LIMIT).unwrap_or(usize::MAX);
    let sums = connz::sums(state);
    for (rest, value) in [
        ("num_connections", Number::from(open.min(limit))),
        ("total", open.into()),
        ("offset", 0_u64.into()),
        ("limit", limit.into()),
        ("in_bytes", sums.in_bytes.into()),
        ("in_msgs", sums.in_messages.into()),
        ("out_bytes", sums.out_bytes.into()),
        ("out_msgs", sums.out_messages.into()),
        ("pending_bytes", sums.pending.into()),
        ("subscriptions", sums.subscriptions.into()),
    ] {
        text.gauge(&format!("{prefix}_connz_{rest}"), &format!("`{rest}` of /connz, all open connections"), value);
    }
    let subsz = subsz::subsz(state, &subsz::Options::default())?;
    let numbers = subsz.numbers;
    for (rest, value) in [
        ("avg_fanout", Number::from(numbers.avg_fanout)),
        ("cache_hit_rate", numbers.cache_hit_rate.into()),
        ("limit", subsz.limit.into()),
        ("max_fanout", numbers.max_fanout.into()),
        ("num_cache", numbers.num_cache.into()),
        ("num_inserts", numbers.num_inserts.into()),
        ("num_matches", numbers.num_matches.into()),
        ("num_removes", numbers.num_removes.into()),
        ("num_subscriptions", numbers.num_subscriptions.into()),
        ("offset", subsz.offset.into()),
        ("total", subsz.total.into()),
    ] {
        text.gauge(&format!("{prefix}_subsz_{rest}"), &format!("`{rest}` of /subsz"), value);
    }
    text.gauge(&format!("{prefix}_routez_num_routes"), "`num_routes` of /routez", 0_u64.into());
    text.label(&format!("{prefix}_routez_server_id"), "`server_id` of /routez as a label", &state.keys.id);
    text.label(&format!("{prefix}_routez_server_name"), "`server_name` of /routez as a label", &state.server_name());
    let (status, _) = healthz::healthz(state, &healthz::Options::default());
    let is_healthy = status == StatusCode::OK;
    let unhealthy = u64::from(!is_healthy);
    text.gauge(&format!("{prefix}_healthz_status"), "0 when /healthz says ok, otherwise 1", unhealthy.into());
    let word = if is_healthy { "ok" } else { "error" };
    text.label(&format!("{prefix}_healthz_status_value"), "`status` of /healthz as a label", word);
    Ok(())
}

/// The names that people are told to raise alarms on.
fn plain(text: &mut Exposition, varz: &Varz) {
    text.gauge("nats_connections", "clients connected now", varz.connections.into());
    text.gauge("nats_subscriptions", "subscriptions now", varz.subscriptions.into());
    // Gauges all: alarms expect the bare names, which OpenMetrics does not allow for a counter.
    for (name, help, value) in [
        ("nats_total_connections", "clients that ever connected", varz.total_connections),
        ("nats_in_msgs", "messages received from clients", varz.in_msgs),
        ("nats_out_msgs", "messages sent to clients", varz.out_msgs),
        ("nats_in_bytes", "bytes of messages received from clients", varz.in_bytes),
        ("nats_out_bytes", "bytes of messages sent to clients", varz.out_bytes),
        ("nats_slow_consumers", "clients closed because they read too slowly", varz.slow_consumers),
        ("nats_stale_connections", "clients closed because they no longer answered", varz.stale_connections),
        ("nats_stalled_clients", "times that a publisher was slowed down", varz.stalled_clients),
    ] {
        text.gauge(name, help, value.into());
    }
}

/// What only Firn has.
fn own(text: &mut Exposition, state: &State) {
    let totals = &state.totals;
    let refused = [
        ("authentication", totals.authentication_failures.load(Relaxed)),
        ("connections", totals.connections_refused.load(Relaxed)),
        ("tls", totals.tls_failures.load(Relaxed)),
    ];
    text.counter("firn_preauth_rejected", "connections refused before they signed in", "reason", &refused);
    text.counter("firn_panics", "connections ended by a fault of the server", "", &[("", totals.panics.load(Relaxed))]);
    let (used, limit) = state.budget.numbers();
    text.family("firn_mem_budget_bytes", "memory that outboxes hold, and may hold", "gauge");
    text.sample("firn_mem_budget_bytes", &[("pool", "outbox")], used.into());
    text.family("firn_mem_budget_limit_bytes", "memory that a pool may hold", "gauge");
    text.sample("firn_mem_budget_limit_bytes", &[("pool", "outbox")], limit.into());
    let (status, _) = readyz(state);
    text.gauge("firn_ready", "1 while the server takes clients", u64::from(status == StatusCode::OK).into());
}

/// A value of a sample.
#[derive(Clone, Copy, Debug)]
enum Number {
    Signed(i64),
    Unsigned(u64),
    Float(f64),
}

impl From<u64> for Number {
    fn from(number: u64) -> Number {
        Number::Unsigned(number)
    }
}

impl From<i64> for Number {
    fn from(number: i64) -> Number {
        Number::Signed(number)
    }
}

impl From<usize> for Number {
    fn from(number: usize) -> Number {
        Number::Unsigned(u64::try_from(number).unwrap_or(u64::MAX))
    }
}

impl From<Float> for Number {
    fn from(number: Float) -> Number {
        Number::Float(number.0)
    }
}

/// The text as it grows.
struct Exposition {
    text: String,
    is_open: bool,
    server_id: Box<str>,
}

impl Exposition {
    /// A gauge of this server.
    fn gauge(&mut self, name: &str, help: &str, value: Number) {
        self.family(name, help, "gauge");
        let server_id = self.server_id.clone();
        self.sample(name, &[("server_id", &server_id)], value);
    }

    /// A text about this server, as the label `value` of a gauge that is always 1.
    fn label(&mut self, name: &str, help: &str, value: &str) {
        self.family(name, help, "gauge");
        let server_id = self.server_id.clone();
        self.sample(name, &[("server_id", &server_id), ("value", value)], Number::Unsigned(1));
    }

    /// A counter, split by `label` unless that is empty. Its samples are named `…_total`.
    fn counter(&mut self, name: &str, help: &str, label: &str, values: &[(&str, u64)]) {
        let sample = format!("{name}_total");
        // OpenMetrics calls the family by its bare name, the older format by that of its samples.
        self.family(if self.is_open { name } else { &sample }, help, "counter");
        for &(value, count) in values {
            let labels = [(label, value)];
            self.sample(&sample, if label.is_empty() { &[] } else { &labels }, count.into());
        }
    }

    fn family(&mut self, name: &str, help: &str, kind: &str) {
        let help = help.replace('\\', "\\\\").replace('\n', "\\n");
        let _ = writeln!(self.text, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: Number) {
        self.text.push_str(name);
        for (index, (label, text)) in labels.iter().enumerate() {
            let text = text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
            let open = if index == 0 { '{' } else { ',' };
            let _ = write!(self.text, "{open}{label}=\"{text}\"");
        }
        if !labels.is_empty() {
            self.text.push('}');
        }
        let _ = match value {
            Number::Signed(number) => writeln!(self.text, " {number}"),
            Number::Unsigned(number) => writeln!(self.text, " {number}"),
            Number::Float(number) => writeln!(self.text, " {number}"),
        };
    }

    fn finish(mut self) -> String {
        if self.is_open {
            self.text.push_str("# EOF\n");
        }
        self.text
    }
}
