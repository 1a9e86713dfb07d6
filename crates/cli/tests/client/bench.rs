//! `firn bench`: every message is counted, whoever measures.

use crate::rig::Server;

fn report(text: &str) -> serde_json::Value {
    serde_json::from_str(text).expect("the report is JSON")
}

#[test]
fn published_messages_are_received() {
    let server = Server::start();
    let subscriber =
        server.background(&["bench", "sub", "load", "--msgs", "1000", "--clients", "2"], "Ready to receive");
    let json = server.run(&["bench", "pub", "load", "--msgs", "1000", "--clients", "3", "--size", "1KB", "--json"]);
    let report = report(&json.succeeded().stdout);
    let clients = report["clients"].as_array().unwrap();
    assert_eq!(clients.iter().map(|client| client["messages"].as_u64().unwrap()).sum::<u64>(), 1000);
    assert_eq!(clients.iter().map(|client| client["bytes"].as_u64().unwrap()).sum::<u64>(), 1000 * 1024);
    let ran = subscriber.ended().succeeded();
    assert!(ran.stdout.contains("NATS Core NATS subscriber stats:"), "{ran:?}");
}

#[test]
fn requests_are_measured_one_by_one() {
    let server = Server::start();
    let responder = server.background(&["bench", "service", "serve", "svc"], "Answering on");
    let json = server.run(&["bench", "request", "svc", "--msgs", "100", "--clients", "2", "--json"]);
    let report = report(&json.succeeded().stdout);
    let latency = |name: &str| report["latency_ns"][name].as_u64().unwrap();
    assert!(latency("min") > 0 && latency("min") <= latency("p50") && latency("p50") <= latency("max"), "{report}");
    responder.kill();
    server.run(&["bench", "request", "svc", "--msgs", "1"]).failed_with("no responders are available");
}
