//! `firn sub`: the forms in which messages are shown, and when it ends.

use crate::rig::{Server, scratch};

#[track_caller]
fn check(flags: &[&str], expected: &str) {
    let server = Server::start();
    let arguments = [&["sub", "a.>", "--count", "1"], flags].concat();
    let subscriber = server.background(&arguments, "Subscribing on a.>");
    server.run(&["pub", "a.b", "hello", "-H", "K: v", "--reply", "back"]).succeeded();
    assert_eq!(subscriber.ended().succeeded().stdout, expected, "{flags:?}");
}

#[test]
fn a_message_is_shown_as_asked() {
    check(&[], "[#1] Received on \"a.b\" with reply \"back\"\nK: v\n\nhello\n\n");
    check(&["--raw"], "hello\n");
    check(&["--headers-only"], "[#1] Received on \"a.b\" with reply \"back\"\nK: v\n\n");
    check(&["--subjects-only"], "[#1] Received on \"a.b\" with reply \"back\"\n");
    check(&["--raw", "--translate", "tr a-z A-Z"], "HELLO\n");
    check(&["--queue", "workers", "--raw"], "hello\n");
}

#[test]
fn ignored_subjects_are_not_counted() {
    let server = Server::start();
    let arguments = ["sub", ">", "--raw", "--count", "1", "-I", "noise.>"];
    let subscriber = server.background(&arguments, "Subscribing on >");
    server.run(&["pub", "noise.a", "no"]).succeeded();
    server.run(&["pub", "b", "yes"]).succeeded();
    assert_eq!(subscriber.ended().succeeded().stdout, "yes\n");
}

#[test]
fn it_ends_when_nothing_comes() {
    let server = Server::start();
    let ran = server.run(&["sub", "a", "--wait", "10ms"]).succeeded();
    assert_eq!(ran.stdout, "");
}

#[test]
fn messages_are_dumped_as_files() {
    let server = Server::start();
    let folder = scratch("dump");
    let arguments = ["sub", "a", "--count", "2", "--dump", folder.to_str().unwrap()];
    let subscriber = server.background(&arguments, "Subscribing on a");
    server.run(&["pub", "a", "n{{Count}}", "--count", "2"]).succeeded();
    subscriber.ended().succeeded();
    let message: serde_json::Value = serde_json::from_slice(&std::fs::read(folder.join("2.json")).unwrap()).unwrap();
    assert_eq!(message["data"], "n2");
}

#[test]
fn bytes_that_are_no_text_are_shown_in_base64() {
    let server = Server::start();
    let subscriber = server.background(&["sub", "a", "--json", "--count", "1"], "Subscribing on a");
    let mut child = server.command(&["pub", "a"]).stdin(std::process::Stdio::piped()).spawn().unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), &[0xFF, 0x00]).unwrap();
    assert!(child.wait().unwrap().success());
    let message: serde_json::Value = serde_json::from_str(&subscriber.ended().stdout).unwrap();
    assert_eq!(message["data_base64"], "/wA=");
}
