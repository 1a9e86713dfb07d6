//! `firn pub`: what arrives, and what is said when it does not.

use std::io::Write as _;
use std::process::Stdio;

use crate::rig::{Background, Ran, Server};

/// A subscriber that is there before anything is published.
fn subscriber(server: &Server, count: &str) -> Background {
    server.background(&["sub", ">", "--json", "--count", count], "Subscribing on >")
}

fn bodies(ran: &Ran) -> Vec<String> {
    let messages = ran.stdout.lines().map(serde_json::from_str::<serde_json::Value>);
    let bodies = messages.map(|message| message.ok()?.get("data")?.as_str().map(str::to_owned));
    bodies.collect::<Option<_>>().expect("each line is a message with a text")
}

#[test]
fn messages_carry_body_headers_and_reply() {
    let server = Server::start();
    let subscriber = subscriber(&server, "1");
    server.run(&["pub", "a.b", "hello", "-H", "A: 1", "-H", "A:2", "--reply", "back"]).succeeded();
    let message: serde_json::Value = serde_json::from_str(&subscriber.ended().succeeded().stdout).unwrap();
    assert_eq!(message["subject"], "a.b");
    assert_eq!(message["reply"], "back");
    assert_eq!(message["data"], "hello");
    assert!(message["time"].as_str().unwrap().contains('.'), "to the nanosecond");
    assert_eq!(message["headers"]["A"], serde_json::json!(["1", "2"]));
}

#[test]
fn templates_make_messages_differ() {
    let server = Server::start();
    let subscriber = subscriber(&server, "4");
    let said = server.run(&["pub", "n.{{Count}}", "number {{Count}}", "--count", "3"]).succeeded().stderr;
    assert!(said.contains("Published 8 bytes to \"n.3\""), "{said}");
    server.run(&["pub", "n", "{{Count}}", "--templates", "false", "--quiet"]).succeeded();
    assert_eq!(bodies(&subscriber.ended()), ["number 1", "number 2", "number 3", "{{Count}}"]);
}

#[test]
fn standard_input_is_a_body_or_a_body_a_line() {
    let server = Server::start();
    let subscriber = subscriber(&server, "3");
    for arguments in [&["pub", "in"][..], &["pub", "in", "--send-on", "newline"]] {
        let mut child = server.command(arguments).stdin(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(b"one\ntwo\n").unwrap();
        assert!(child.wait().unwrap().success());
    }
    assert_eq!(bodies(&subscriber.ended()), ["one\ntwo\n", "one", "two"]);
}

#[test]
fn a_refused_message_is_an_error() {
    let server = Server::configured(
        "authorization { users = [{ user: u, password: p, permissions: { publish: [ok, \"_INBOX.>\"], subscribe: \"_INBOX.>\" } }] }",
    );
    let as_user = |subject| ["pub", subject, "x", "--user", "u", "--password", "p"];
    server.run(&as_user("ok")).succeeded();
    let refused = server.run(&as_user("secret"));
    assert!(!refused.stderr.contains("Published"), "{refused:?}");
    refused.failed_with("Publish to \"secret\"");
    let subscribe = ["sub", "secret", "--count", "1", "--user", "u", "--password", "p"];
    server.run(&subscribe).failed_with("Subscription to \"secret\"");
}

#[test]
fn a_user_without_an_inbox_can_publish() {
    let server = Server::configured(
        "authorization { users = [{ user: u, password: p, permissions: { publish: ok, subscribe: { deny: \">\" } } }] }",
    );
    server.run(&["pub", "ok", "x", "--user", "u", "--password", "p"]).succeeded();
}

#[test]
fn credentials_come_from_flags_or_the_address() {
    let server = Server::with(&["-user", "u", "-pass", "p"]);
    server.run(&["pub", "a", "b"]).failed_with("authorization violation");
    server.run(&["pub", "a", "b", "--user", "u", "--password", "wrong"]).failed_with("authorization violation");
    server.run(&["pub", "a", "b", "--user", "u", "--password", "p"]).succeeded();
    let address = server.url.replace("nats://", "nats://u:p@");
    assert!(crate::rig::command(&address, &["pub", "a", "b"]).status().unwrap().success());
}

#[test]
fn what_cannot_work_is_said_before_anything_is_sent() {
    let server = Server::start();
    server.run(&["pub", "a", "{{Nope}}"]).failed_with("unknown template `{{Nope}}`");
    server.run(&["pub", "a", "b", "-H", "nope"]).failed_with("invalid header `nope`");
    server.run(&["pub", "a b", "c"]).failed_with("subject");
    server.run(&["pub", "a", "b", "--context", "prod"]).failed_with("contexts are not read");
    server.run(&["pub", "a", "b", "--tlscert", "x"]).failed_with("--tlscert and --tlskey go together");
}

#[test]
fn no_message_at_all_is_refused() {
    let server = Server::start();
    server.run(&["pub", "a", "b", "--count", "0"]).failed_with("--count 0 would send nothing");
    server.run(&["req", "a", "b", "--count", "0"]).failed_with("--count 0 would send nothing");
    server.run(&["reply", "a", "b", "--count", "0"]).failed_with("--count 0 would answer nothing");
}

#[test]
fn errors_say_each_cause_once_and_no_password() {
    let server = Server::with(&["-user", "u", "-pass", "p"]);
    let address = server.url.replace("nats://", "nats://u:wrong@");
    let ran = Ran::from(crate::rig::command(&address, &["pub", "a", "b"]).output().unwrap());
    assert_eq!(ran.stderr, format!("firn: error: cannot connect to {}: authorization violation\n", server.url));
    let ran = server.run(&["pub", "a b", "c", "--user", "u", "--password", "p"]);
    assert_eq!(ran.stderr, "firn: error: invalid subject: invalid subject format\n");
}
