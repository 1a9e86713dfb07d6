//! `firn server check` and `firn rtt`: verdicts and times for monitors and scripts.

use crate::rig::{Ran, Server, command};

#[test]
fn a_server_that_answers_is_ok() {
    let server = Server::start();
    let lax = [
        "--connect-critical",
        "1h",
        "--connect-warn",
        "1h",
        "--rtt-warn",
        "1h",
        "--rtt-critical",
        "1h",
        "--req-warn",
        "1h",
        "--req-critical",
        "1h",
    ];
    let arguments = [&["server", "check", "connection"][..], &lax].concat();
    let ran = server.run(&arguments).succeeded();
    assert!(ran.stdout.starts_with("OK Connection OK:connected to nats://127.0.0.1:"), "{ran:?}");
    for measure in ["connect_time=", "rtt=", "request_time="] {
        assert!(ran.stdout.contains(measure), "{ran:?}");
    }
    let json = server.run(&[&arguments[..], &["--json"]].concat()).succeeded().stdout;
    let verdict: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(verdict["status"], "OK");
    assert_eq!(verdict["perf_data"].as_array().unwrap().len(), 3);
}

#[test]
fn limits_and_failures_have_codes_of_their_own() {
    let server = Server::start();
    let ran = server.run(&["server", "check", "connection", "--rtt-critical", "1ns"]);
    assert_eq!(ran.code, 2, "{ran:?}");
    let ran = server.run(&["server", "check", "conn", "--connect-warn", "1ns", "--connect-critical", "1h"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    let ran = Ran::from(command("nats://127.0.0.1:1", &["server", "check", "connection"]).output().unwrap());
    assert_eq!(ran.code, 2, "{ran:?}");
    assert!(ran.stdout.starts_with("CRITICAL Connection Crit:cannot connect to nats://127.0.0.1:1"), "{ran:?}");
}

#[test]
fn the_round_trip_is_measured() {
    let server = Server::start();
    let ran = server.run(&["rtt", "2"]).succeeded();
    assert!(ran.stdout.starts_with(&format!("{}:\n\n   127.0.0.1:", server.url)), "{ran:?}");
    let json = server.run(&["rtt", "--iterations", "3", "--json"]).succeeded().stdout;
    let targets: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(targets[0]["url"], server.url.as_str());
    assert!(targets[0]["results"][0]["rtt"].as_u64().unwrap() > 0);
    assert!(targets[0]["results"][0]["time"].as_str().unwrap().contains('.'), "to the nanosecond");
}

#[test]
fn a_server_that_is_down_does_not_hide_one_that_is_up() {
    let server = Server::start();
    let both = format!("nats://127.0.0.1:1,{}", server.url);
    let ran = Ran::from(command(&both, &["rtt", "1"]).output().unwrap());
    assert!(ran.stdout.starts_with(&format!("{}:\n\n   127.0.0.1:", server.url)), "{ran:?}");
    ran.failed_with("firn: error: cannot connect to nats://127.0.0.1:1: ");
    let ran = Ran::from(command(&both, &["rtt", "1", "--json"]).output().unwrap());
    assert_eq!(serde_json::from_str::<serde_json::Value>(&ran.stdout).unwrap().as_array().unwrap().len(), 1);
}
