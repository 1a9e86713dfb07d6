//! `firn req` and `firn reply`, facing each other.

use crate::rig::Server;

#[test]
fn a_request_is_answered() {
    let server = Server::start();
    let responder = server
        .background(&["reply", "svc", "{{Count}}: {{Request}}", "-H", "N: {{Count}}", "--count", "3"], "Listening on");
    assert_eq!(server.run(&["req", "svc", "one", "--raw"]).succeeded().stdout, "1: one\n");
    let reply: serde_json::Value =
        serde_json::from_str(&server.run(&["req", "svc", "two", "--json"]).succeeded().stdout).unwrap();
    assert_eq!(reply["data"], "2: two");
    assert_eq!(reply["headers"]["N"], serde_json::json!(["2"]));
    assert!(reply["rtt_ns"].as_u64().unwrap() > 0);
    let ran = server.run(&["req", "svc", "three"]).succeeded();
    assert!(ran.stderr.contains("Received with rtt"), "{ran:?}");
    assert_eq!(responder.ended().succeeded().stdout, "\none\n\ntwo\n\nthree\n");
}

#[test]
fn an_echo_returns_body_and_headers() {
    let server = Server::start();
    let responder = server.background(&["reply", "svc", "--echo", "--count", "1"], "Listening on");
    let reply = server.run(&["req", "svc", "hello", "-H", "A: b", "--json"]).succeeded().stdout;
    let reply: serde_json::Value = serde_json::from_str(&reply).unwrap();
    assert_eq!(reply["data"], "hello");
    assert_eq!(reply["headers"]["A"], serde_json::json!(["b"]));
    assert_eq!(reply["headers"]["NATS-Reply-Counter"], serde_json::json!(["1"]));
    responder.ended().succeeded();
}

#[test]
fn a_program_answers_and_its_arguments_are_no_shell() {
    let server = Server::start();
    let command = "printf '%s|%s|' {{1}} {{Request}}";
    let responder = server.background(&["reply", "svc.*", "--command", command, "--count", "1"], "Listening on");
    let reply = server.run(&["req", "svc.x", "a; echo $HOME", "--raw"]).succeeded();
    assert_eq!(reply.stdout, "x|a; echo $HOME|\n");
    responder.ended().succeeded();
}

#[test]
fn several_replies_are_waited_for() {
    let server = Server::start();
    let responders = ["a", "b"]
        .map(|name| server.background(&["reply", "svc", name, "--queue", name, "--count", "1"], "Listening on"));
    let ran = server.run(&["req", "svc", "x", "--raw", "--replies", "2", "--reply-timeout", "5s"]).succeeded();
    let mut replies: Vec<&str> = ran.stdout.lines().collect();
    replies.sort_unstable();
    assert_eq!(replies, ["a", "b"]);
    for responder in responders {
        responder.ended().succeeded();
    }
}

#[test]
fn no_answer_is_an_error() {
    let server = Server::start();
    server.run(&["req", "nobody", "x"]).failed_with("no responders are available on \"nobody\"");
    let silent = server.background(&["sub", "silent"], "Subscribing on silent");
    server.run(&["req", "silent", "x", "--timeout", "50ms"]).failed_with("no reply on \"silent\" within 50.000ms");
    silent.kill();
}
