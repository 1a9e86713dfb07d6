//! The documents as HTTP gives them: their keys as nats-server has them, queries, pages, metrics.

use std::collections::BTreeMap;

use firn_auth::account::AccountId;
use firn_config::Options;
use firn_session::CloseReason;
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::*;
use crate::{
    harness::{client, leave, server, subscribe},
    state::Phase,
};

/// The body of a request without a base path, and whether it was well received.
fn ask(state: &State, target: &str) -> (u16, String) {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let response = answer(state, "", path, query, "");
    (response.status().as_u16(), response.into_body())
}

fn document_of(state: &State, target: &str) -> Value {
    let (status, body) = ask(state, target);
    assert_eq!(status, 200, "{target}: {body}");
    serde_json::from_str(&body).expect("JSON")
}

fn keys(body: &str) -> Vec<String> {
    // In the order of the text, only those of the document itself.
    body.lines()
        .filter_map(|line| line.strip_prefix("  \""))
        .filter_map(|line| line.split_once('"').map(|(key, _)| key.to_owned()))
        .collect()
}

/// Two clients in `$G`, one in `$SYS`, and two that left.
fn busy() -> Arc<State> {
    let (state, _) = server(Options::default());
    let alpha = client(&state, "alpha", AccountId::GLOBAL, 5);
    subscribe(&state, &alpha, "foo.>", "1");
    subscribe(&state, &alpha, "bar", "2");
    let beta = client(&state, "beta", AccountId::GLOBAL, 9);
    subscribe(&state, &beta, "foo.x", "1");
    client(&state, "sys", AccountId::SYSTEM, 1);
    for (name, stop, reason) in [("gone", 2, CloseReason::StaleConnection), ("off", 3, CloseReason::ClientClosed)] {
        let client = client(&state, name, AccountId::GLOBAL, 0);
        leave(&state, &client, stop, reason);
    }
    state
}

#[test]
fn documents_have_the_keys_of_nats_server_in_its_order() {
    let state = busy();
    let check = |target: &str, expected: &str| {
        let (status, body) = ask(&state, target);
        assert_eq!(status, 200);
        assert_eq!(keys(&body), expected.split_whitespace().collect::<Vec<_>>(), "{target}");
    };
    check(
        "/varz",
        "server_id server_name version proto go host port max_connections ping_interval ping_max http_host http_port \
         http_base_path https_port auth_timeout max_control_line max_payload max_pending cluster gateway leaf mqtt \
         websocket jetstream tls_timeout write_deadline start now uptime mem cores gomaxprocs cpu connections \
         total_connections routes remotes leafnodes in_msgs in_bytes in_client_msgs in_client_bytes out_msgs \
         out_bytes out_client_msgs out_client_bytes slow_consumers stale_connections stalled_clients subscriptions \
         http_req_stats config_load_time config_digest feature_flags system_account slow_consumer_stats \
         stale_connection_stats disk_io_wait_stats firn",
    );
    check("/connz", "server_id now num_connections total offset limit connections");
    check(
        "/subsz",
        "server_id now num_subscriptions num_cache num_inserts num_removes num_matches cache_hit_rate max_fanout \
         avg_fanout total offset limit",
    );
    check("/routez", "server_id server_name now num_routes routes");
    check("/gatewayz", "server_id now outbound_gateways inbound_gateways");
    check("/leafz", "server_id now leafnodes leafs");
    check("/accountz", "server_id now system_account accounts");
    check("/accountz?acc=$G", "server_id now system_account account_detail");
    check("/accstatz", "server_id now account_statz");
    check(
        "/jsz",
        "memory storage reserved_memory reserved_storage accounts ha_assets api server_id now disabled config streams \
         consumers messages bytes total",
    );
}

#[test]
fn connections_have_the_keys_of_nats_server_in_its_order() {
    let state = busy();
    let check = |target: &str, expected: &str| {
        let (_, body) = ask(&state, target);
        let keys = body.lines().filter_map(|line| line.strip_prefix("      \"")?.split_once('"'));
        let keys: Vec<_> = keys.map(|(key, _)| key).collect();
        assert_eq!(keys, expected.split_whitespace().collect::<Vec<_>>(), "{target}");
    };
    check(
        "/connz?cid=1&auth=1&subs=1",
        "cid kind type ip port start last_activity rtt uptime idle pending_bytes in_msgs out_msgs in_bytes out_bytes \
         subscriptions name lang version authorized_user subscriptions_list name_tag",
    );
    check(
        "/connz?cid=3&auth=1",
        "cid kind type ip port start last_activity rtt uptime idle pending_bytes in_msgs out_msgs in_bytes out_bytes \
         subscriptions name lang version authorized_user account name_tag",
    );
    check(
        "/connz?state=closed&limit=1",
        "cid kind type ip port start last_activity stop reason rtt uptime idle pending_bytes in_msgs out_msgs in_bytes \
         out_bytes subscriptions name lang version",
    );
}

#[test]
fn queries_choose_sort_and_page_connections() {
    let state = busy();
    let check = |query: &str, cids: &[u64], total: u64| {
        let document = document_of(&state, &format!("/connz?{query}"));
        let found: Vec<u64> =
            document["connections"].as_array().expect("a list").iter().map(|c| c["cid"].as_u64().unwrap()).collect();
        assert_eq!((&*found, document["total"].as_u64()), (cids, Some(total)), "{query}");
        assert_eq!(document["num_connections"], cids.len(), "{query}");
    };
    check("", &[1, 2, 3], 3);
    check("sort=msgs_from", &[2, 1, 3], 3);
    check("sort=subs&limit=1", &[1], 3);
    check("limit=1&offset=1", &[2], 3);
    check("offset=9223372036854775807&limit=9223372036854775807", &[], 3);
    check("offset=-4&limit=-1", &[1, 2, 3], 3);
    check("state=CLOSED", &[4, 5], 2);
    check("state=closed&sort=stop", &[5, 4], 2);
    check("state=closed&sort=reason", &[5, 4], 2);
    check("state=any", &[1, 2, 3, 4, 5], 5);
    check("cid=4&state=all", &[4], 5);
    check("cid=4", &[], 3);
    check("acc=$SYS", &[3], 1);
    check("user=beta&auth=1", &[2], 3);
    check("mqtt_client=m", &[], 3);
}

#[test]
fn subscriptions_are_listed_when_asked_for() {
    let state = busy();
    let plain = document_of(&state, "/connz?cid=1&subs=true");
    assert_eq!(plain["connections"][0]["subscriptions_list"], serde_json::json!(["bar", "foo.>"]));
    let detail = document_of(&state, "/connz?cid=1&subs=detail");
    let first = &detail["connections"][0]["subscriptions_list_detail"][0];
    assert_eq!(*first, serde_json::json!({"subject": "bar", "sid": "2", "msgs": 0, "cid": 1}));
    // The text is escaped as Go does.
    assert!(ask(&state, "/connz?subs=1").1.contains("\"foo.\\u003e\""));
}

#[test]
fn an_unknown_account_has_no_list_of_connections() {
    let state = busy();
    let document = document_of(&state, "/connz?acc=nope");
    assert_eq!((&document["server_id"], &document["connections"]), (&Value::from(""), &Value::Null));
}

#[test]
fn contradicting_queries_are_refused_with_the_words_of_nats_server() {
    let state = busy();
    let check = |target: &str, expected: &str| assert_eq!(ask(&state, target), (400, expected.to_owned()));
    check("/connz?sort=foo", "invalid sorting option: foo");
    check("/connz?sort=stop", "sort by stop only valid on closed connections");
    check("/connz?sort=reason&state=all", "sort by reason only valid on closed connections");
    check("/connz?state=foo", "Error decoding state for foo");
    check("/connz?subs=2", "Error decoding boolean for 'subs': strconv.ParseBool: parsing \"2\": invalid syntax");
    check("/subsz?subs=1&test=foo.*", "invalid test subject, must be valid publish subject: foo.*");
    check("/accountz?acc=zz", "Account zz does not exist");
    check("/metrics?prefix=a%20b", "prefix must be letters, digits and underscores");
    check(
        "/healthz?stream=S",
        "{\"status\":\"error\",\"error\":\"\\\"account\\\" must not be empty when checking stream health\"}",
    );
    assert_eq!(ask(&state, "/nope"), (404, "404 page not found\n".to_owned()));
    assert_eq!(ask(&state, "/varz/").0, 404);
}

#[test]
fn a_test_subject_chooses_the_subscriptions_it_would_reach() {
    let state = busy();
    let check = |query: &str, subjects: &[&str], total: u64| {
        let document = document_of(&state, &format!("/subscriptionsz?{query}"));
        let list = document["subscriptions_list"].as_array().cloned().unwrap_or_default();
        let found: Vec<&str> = list.iter().filter_map(|detail| detail["subject"].as_str()).collect();
        assert_eq!((&*found, document["total"].as_u64()), (subjects, Some(total)), "{query}");
    };
    check("", &[], 0);
    check("subs=1", &["bar", "foo.>", "foo.x"], 3);
    check("subs=1&test=foo.x", &["foo.>", "foo.x"], 2);
    check("subs=1&limit=1&offset=1", &["foo.>"], 3);
    check("subs=1&acc=$SYS", &[], 0);
}

#[test]
fn a_base_path_is_in_front_of_every_path() {
    let state = busy();
    let base = normal_base("nats/");
    let status = |path: &str| answer(&state, &base, path, "", "").status().as_u16();
    assert_eq!(
        ["/nats", "/nats/", "/nats/varz", "/varz", "/", "/natsvarz"].map(status),
        [200, 200, 200, 404, 404, 404]
    );
}

#[test]
fn requests_are_counted_by_path() {
    let state = busy();
    for target in ["/subsz", "/subscriptionsz", "/healthz", "/nope"] {
        ask(&state, target);
    }
    let document = document_of(&state, "/varz");
    assert_eq!(document["http_req_stats"], serde_json::json!({"/healthz": 1, "/subsz": 2, "/varz": 1}));
}

#[test]
fn health_names_panics_and_fails_in_lame_duck_mode() {
    let state = busy();
    assert_eq!(ask(&state, "/healthz"), (200, "{\"status\":\"ok\"}".to_owned()));
    state.totals.panics.store(2, Relaxed);
    assert_eq!(ask(&state, "/healthz"), (200, "{\"status\":\"ok\",\"panics\":2}".to_owned()));
    state.phase.send_replace(Phase::LameDuck);
    assert_eq!(["/healthz", "/readyz", "/livez"].map(|target| ask(&state, target).0), [500, 503, 200]);
}

#[test]
fn secrets_are_in_no_document() {
    let mut options = Options::default();
    options.authorization.user = Some("alice".to_owned());
    options.authorization.password = Some(firn_config::Secret::new("pa55word"));
    let (state, _) = server(options);
    client(&state, "alpha", AccountId::GLOBAL, 0);
    for endpoint in Endpoint::ALL {
        let (_, body) = ask(&state, &format!("{}?auth=1&subs=1&unused=1", endpoint.path()));
        assert!(!body.contains("pa55word"), "{}", endpoint.path());
    }
}

/// A sample of the text format: name, labels, value.
type Sample = (String, BTreeMap<String, String>, f64);

/// Reads the text format strictly: each family has HELP, TYPE and then its samples, once.
fn parse_metrics(text: &str, is_open: bool) -> Vec<Sample> {
    let mut families: BTreeMap<String, String> = BTreeMap::new();
    let mut samples = Vec::new();
    let mut family = String::new();
    let mut lines = text.split_inclusive('\n');
    while let Some(line) = lines.next() {
        let line = line.strip_suffix('\n').expect("every line ends");
        if line == "# EOF" {
            assert!(is_open && lines.next().is_none(), "the end comes last");
            return samples;
        }
        if let Some(help) = line.strip_prefix("# HELP ") {
            let (name, _) = help.split_once(' ').expect("a name and a text");
            family = name.to_owned();
            let kind = lines.next().and_then(|line| line.strip_prefix(&format!("# TYPE {name} "))).expect("TYPE");
            let kind = kind.trim_end().to_owned();
            assert!(["gauge", "counter"].contains(&&*kind), "{kind}");
            assert!(families.insert(family.clone(), kind).is_none(), "{name} is there twice");
            continue;
        }
        let (name, labels, value) = parse_sample(line);
        let expected =
            if is_open && families[&family] == "counter" { format!("{family}_total") } else { family.clone() };
        assert_eq!(name, expected, "a sample belongs to the family above it");
        assert!(!samples.iter().any(|(n, l, _)| *n == name && *l == labels), "{line} is there twice");
        samples.push((name, labels, value));
    }
    assert!(!is_open, "OpenMetrics ends with EOF");
    samples
}

fn parse_sample(line: &str) -> Sample {
    let name_bytes = line.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).expect("a value");
    let (name, rest) = line.split_at(name_bytes);
    assert!(name.starts_with(|c: char| c.is_ascii_alphabetic()), "{line}");
    let mut labels = BTreeMap::new();
    let mut rest = rest;
    if let Some(inner) = rest.strip_prefix('{') {
        let mut inner = inner;
        loop {
            let (label, after) = inner.split_once("=\"").expect("a label");
            assert!(label.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'), "{label}");
            let end = (0..after.len())
                .find(|&at| after.as_bytes()[at] == b'"' && (at == 0 || after.as_bytes()[at - 1] != b'\\'))
                .expect("a closed label");
            assert!(labels.insert(label.to_owned(), after[..end].to_owned()).is_none());
            match after[end + 1..].split_at(1) {
                (",", more) => inner = more,
                ("}", more) => {
                    rest = more;
                    break;
                }
                _ => panic!("{line}"),
            }
        }
    }
    let value = rest.strip_prefix(' ').expect("one space").parse().expect("a number");
    (name.to_owned(), labels, value)
}

#[test]
fn metrics_are_valid_text_with_the_names_of_the_exporter() {
    let state = busy();
    let ask = |query: &str, accept: &str| answer(&state, "", "/metrics", query, accept);
    let plain = ask("", "");
    assert_eq!(plain.headers()["content-type"], "text/plain; version=0.0.4; charset=utf-8");
    let samples = parse_metrics(plain.body(), false);
    let value = |name: &str| samples.iter().find(|(other, ..)| other == name).map(|(_, _, value)| *value);
    assert_eq!(value("gnatsd_varz_connections"), Some(3.0));
    assert_eq!(value("gnatsd_connz_in_msgs"), Some(15.0));
    assert_eq!(value("gnatsd_connz_subscriptions"), Some(3.0));
    assert_eq!(value("gnatsd_subsz_num_subscriptions"), Some(3.0));
    assert_eq!(value("gnatsd_routez_num_routes"), Some(0.0));
    assert_eq!(value("gnatsd_healthz_status"), Some(0.0));
    assert_eq!(value("gnatsd_varz_slow_consumer_stats_clients"), Some(0.0));
    assert_eq!(value("nats_connections"), Some(3.0));
    assert_eq!(value("firn_panics_total"), Some(0.0));
    assert!(value("firn_mem_budget_bytes").is_some());
    let version = samples.iter().find(|(name, ..)| name == "gnatsd_varz_version").expect("a version");
    assert_eq!((&*version.1["server_id"], &*version.1["value"]), (&*state.keys.id, "2.15.1"));

    let open = ask("prefix=nats", "application/openmetrics-text;version=1.0.0,text/plain;q=0.5");
    assert!(open.headers()["content-type"].to_str().unwrap().starts_with("application/openmetrics-text"));
    let samples = parse_metrics(open.body(), true);
    assert!(samples.iter().any(|(name, ..)| name == "nats_varz_connections"));
    assert!(!samples.iter().any(|(name, ..)| name.starts_with("gnatsd_")));
}

/// Serves monitoring within these limits, and where.
async fn served(limits: Limits) -> (tokio::task::JoinHandle<()>, std::net::SocketAddr) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    (tokio::spawn(async move { serve_within(limits, busy(), listener, "", None).await }), address)
}

/// A connection from an address of this host.
async fn connect(from: [u8; 4], to: std::net::SocketAddr) -> TcpStream {
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    socket.bind((from, 0).into()).unwrap();
    socket.connect(to).await.unwrap()
}

/// What an HTTP client hears of the server's health; empty when it is turned away.
async fn probe(from: [u8; 4], to: std::net::SocketAddr) -> String {
    let mut stream = connect(from, to).await;
    let mut text = Vec::new();
    // Who is turned away may not even be able to write.
    let _ = stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await;
    let _ = stream.read_to_end(&mut text).await;
    String::from_utf8(text).unwrap()
}

const LONG: Duration = Duration::from_secs(3600);

#[tokio::test]
async fn who_reads_no_answers_does_not_keep_others_out() {
    let patience = Duration::from_millis(300);
    let limits = Limits { connections_max: 2, connections_of_address_max: 2, patience, reading_max: LONG };
    let (serving, address) = served(limits).await;
    let requests = b"GET /varz HTTP/1.1\r\nHost: x\r\n\r\n".repeat(10_000);
    let mut deaf = Vec::new();
    for _ in 0..limits.connections_max {
        let mut stream = connect([127, 0, 0, 1], address).await;
        // As much as the server takes: it stops to read when its answers are not read.
        let _ = tokio::time::timeout(patience / 3, stream.write_all(&requests)).await;
        deaf.push(stream);
    }
    let health = tokio::time::timeout(Duration::from_secs(30), probe([127, 0, 0, 1], address)).await;
    assert!(health.is_ok_and(|text| text.starts_with("HTTP/1.1 200")));
    serving.abort();
}

#[tokio::test]
async fn one_address_does_not_take_all_connections() {
    let limits = Limits { connections_max: 3, connections_of_address_max: 2, patience: LONG, reading_max: LONG };
    let (serving, address) = served(limits).await;
    let mut idle = Vec::new();
    for _ in 0..limits.connections_max {
        idle.push(connect([127, 0, 0, 2], address).await);
    }
    let health = tokio::time::timeout(Duration::from_secs(30), probe([127, 0, 0, 3], address)).await;
    assert!(health.is_ok_and(|text| text.starts_with("HTTP/1.1 200")));
    assert_eq!(probe([127, 0, 0, 2], address).await, "");
    serving.abort();
}
