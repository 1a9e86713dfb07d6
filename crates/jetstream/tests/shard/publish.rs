//! What a publisher hears, and what of it is stored.

use std::time::Duration;

use crate::world::{Received, World, timeless};

const LAST: &str = "Nats-Expected-Last-Sequence";
const LAST_OF: &str = "Nats-Expected-Last-Subject-Sequence";
const ABOUT: &str = "Nats-Expected-Last-Subject-Sequence-Subject";
const LAST_ID: &str = "Nats-Expected-Last-Msg-Id";

fn stored(stream: &str, sequence: u64) -> String {
    format!(r#"{{"stream":"{stream}","seq":{sequence}}}"#)
}

fn refused(code: u16, err_code: u16, text: &str) -> String {
    let error = format!(r#"{{"code":{code},"err_code":{err_code},"description":"{text}"}}"#);
    format!(r#"{{"error":{error},"stream":"S","seq":0}}"#)
}

fn wrong(sequence: u64) -> String {
    refused(400, 10071, &format!("wrong last sequence: {sequence}"))
}

#[test]
fn what_a_publisher_expects_is_checked() {
    for storage in ["file", "memory"] {
        let mut world = World::new();
        world.make(&format!(r#"{{"name":"S","subjects":["s.>"],"storage":"{storage}"}}"#));
        let mut check = |subject: &str, fields: &[(&str, &str)], expected: String| {
            assert_eq!(world.put(subject, fields, "1"), expected, "{subject} {fields:?}");
        };
        check("s.a", &[(LAST_OF, "0")], stored("S", 1));
        check("s.a", &[(LAST_OF, "0")], wrong(1));
        check("s.a", &[(LAST_OF, "1")], stored("S", 2));
        check("s.a", &[(LAST_OF, "abc")], wrong(2));
        check("s.a", &[(LAST_OF, "-1")], wrong(2));
        check("s.a", &[(LAST_OF, "")], stored("S", 3));
        check("s.a", &[(LAST_OF, "+3")], wrong(3));
        check("s.b", &[(LAST_OF, "0"), (ABOUT, "s.*")], wrong(3));
        check("s.b", &[(LAST_OF, "3"), (ABOUT, "s.*")], stored("S", 4));
        check("s.b", &[(LAST_OF, "4"), (ABOUT, "s.>")], stored("S", 5));
        check("s.b", &[(LAST_OF, "9"), (ABOUT, "other")], wrong(0));
        check("s.b", &[(LAST_OF, "0"), (ABOUT, "other")], stored("S", 6));
        check("s.b", &[(LAST_OF, "0"), (ABOUT, "a..b")], stored("S", 7));
        check("s.c", &[(LAST, "0")], wrong(7));
        check("s.c", &[(LAST, "x")], wrong(7));
        check("s.c", &[(LAST, "")], stored("S", 8));
        check("s.c", &[(LAST, "8")], stored("S", 9));
        check("s.c", &[("nats-expected-last-sequence", "99")], stored("S", 10));
        check("s.c", &[(LAST, "99"), (LAST, "10")], wrong(10));
        check("s.c", &[(LAST_ID, "")], stored("S", 11));
        check("s.c", &[(LAST_ID, "x")], refused(400, 10070, "wrong last msg ID: "));
        check("s.c", &[("Nats-Msg-Id", "A")], stored("S", 12));
        check("s.c", &[(LAST_ID, "A")], stored("S", 13));
        check("s.c", &[(LAST_ID, "A")], refused(400, 10070, "wrong last msg ID: "));
        check("s.c", &[("Nats-Expected-Stream", "")], stored("S", 14));
        check("s.c", &[("Nats-Msg-Id", "")], stored("S", 15));
        check("s.c", &[("Nats-Msg-Id", "")], stored("S", 16));
    }
}

#[test]
fn an_id_is_stored_once_within_the_window() {
    let mut world = World::new();
    world.make(r#"{"name":"S","subjects":["s.>"],"duplicate_window":1000000000}"#);
    let id = [("Nats-Msg-Id", "1")];
    assert_eq!(world.put("s.a", &id, "x"), stored("S", 1));
    assert_eq!(world.put("s.a", &id, "x"), r#"{"stream":"S","seq":1,"duplicate": true}"#);
    world.pass(Duration::from_millis(999));
    assert_eq!(world.put("s.b", &id, "x"), r#"{"stream":"S","seq":1,"duplicate": true}"#);
    // A purge forgets messages and not their ids.
    world.api("STREAM.PURGE.S", "");
    assert_eq!(world.put("s.a", &id, "x"), r#"{"stream":"S","seq":1,"duplicate": true}"#);
    world.pass(Duration::from_millis(1));
    assert_eq!(world.put("s.a", &id, "x"), stored("S", 2));
}

#[test]
fn a_roll_up_replaces_what_was_there() {
    for (storage, bytes) in [("memory", [90, 50, 50]), ("file", [136, 68, 68])] {
        let mut world = World::new();
        world.make(&format!(r#"{{"name":"S","subjects":["r.>"],"storage":"{storage}","allow_rollup_hdrs":true}}"#));
        for subject in ["r.a", "r.b", "r.a", "r.c"] {
            world.put(subject, &[], "x");
        }
        assert_eq!(world.put("r.a", &[("Nats-Rollup", "SUB")], "x"), stored("S", 5));
        assert_eq!(world.state("S"), [3, bytes[0], 2, 5, 1, 3]);
        let invalid = r#"rollup value invalid: \"zz\""#;
        assert_eq!(world.put("r.a", &[("Nats-Rollup", "zz")], "x"), refused(500, 10111, invalid));
        assert_eq!(world.put("r.a", &[("Nats-Rollup", "")], "x"), stored("S", 6));
        assert_eq!(world.put("r.a", &[("Nats-Rollup", "Sub")], "x"), stored("S", 7));
        assert_eq!(world.put("r.z", &[("Nats-Rollup", "ALL")], "x"), stored("S", 8));
        assert_eq!(world.state("S"), [1, bytes[1], 8, 8, 0, 1]);
        assert_eq!(world.put("r.z", &[("Nats-Rollup", "all")], "x"), stored("S", 9));
        assert_eq!(world.state("S"), [1, bytes[2], 9, 9, 0, 1]);
        let update = format!(r#"{{"name":"S","subjects":["r.>"],"storage":"{storage}","deny_purge":true}}"#);
        assert!(world.api("STREAM.UPDATE.S", &update).contains("\"deny_purge\":true"));
        for value in ["sub", "zz"] {
            assert_eq!(world.put("r.a", &[("Nats-Rollup", value)], "x"), refused(500, 10111, "rollup not permitted"));
        }
    }
}

#[test]
fn nobody_wants_what_no_consumer_matches() {
    let mut world = World::new();
    world.make(r#"{"name":"S","subjects":["i.>"],"retention":"interest"}"#);
    assert_eq!(world.put("i.a", &[], "x"), stored("S", 1));
    assert_eq!(world.put("i.a", &[("Nats-Msg-Id", "z")], "x"), stored("S", 2));
    assert_eq!(world.put("i.a", &[("Nats-Msg-Id", "z")], "x"), r#"{"stream":"S","seq":2,"duplicate": true}"#);
    assert_eq!(world.put("i.a", &[(LAST_ID, "z")], "x"), stored("S", 3));
    assert_eq!(world.put("i.a", &[(LAST_OF, "0")], "x"), stored("S", 4));
    assert_eq!(world.put("i.a", &[(LAST, "3")], "x"), wrong(4));
    assert_eq!(world.state("S"), [0, 0, 5, 4, 0, 0]);
    assert!(world.api("STREAM.INFO.S", "").contains(r#""last_ts":"2026-01-01T00:00:00Z""#));
}

#[test]
fn a_subject_is_transformed_before_all_else() {
    let mut world = World::new();
    world.make(r#"{"name":"S","subjects":["t.>"],"subject_transform":{"src":"t.*","dest":"u.{{wildcard(1)}}"}}"#);
    assert_eq!(world.put("t.a", &[], "x"), stored("S", 1));
    assert_eq!(world.put("t.a", &[(LAST_OF, "1")], "x"), stored("S", 2));
    assert_eq!(world.put("t.a", &[(LAST_OF, "2"), (ABOUT, "t.a")], "x"), wrong(0));
    assert_eq!(world.put("t.a", &[(LAST_OF, "2"), (ABOUT, "u.a")], "x"), stored("S", 3));
    assert_eq!(world.put("t.b.c", &[], "x"), stored("S", 4));
    let info = world.api("STREAM.INFO.S", r#"{"subjects_filter":">"}"#);
    assert!(info.contains(r#""subjects":{"t.b.c":1,"u.a":3}"#), "{info}");
}

fn republished(world: &mut World, subject: &str, fields: &[(&str, &str)]) -> Vec<Received> {
    let received = world.publish(subject, "", &crate::world::headers(fields), "hello").unwrap();
    received.into_iter().map(|got| Received { headers: timeless(&got.headers), ..got }).collect()
}

#[test]
fn what_is_stored_is_published_again() {
    let mut world = World::new();
    world.make(r#"{"name":"S","subjects":["x.>"],"republish":{"src":"x.*","dest":"rp.{{wildcard(1)}}"}}"#);
    let expected = |headers: &str| {
        let (headers, body) = (headers.to_owned(), "hello".to_owned());
        vec![Received { subject: "rp.a".to_owned(), headers, body }]
    };
    let first = "NATS/1.0\r\nNats-Stream: S\r\nNats-Subject: x.a\r\nNats-Sequence: 1\r\nNats-Time-Stamp: T\r\n\
                 Nats-Last-Sequence: 0\r\n\r\n";
    assert_eq!(republished(&mut world, "x.a", &[]), expected(first));
    let second = "NATS/1.0\r\nA: b\r\nNats-Msg-Id: q\r\nNats-Stream: S\r\nNats-Subject: x.a\r\nNats-Sequence: 2\r\n\
                  Nats-Time-Stamp: T\r\nNats-Last-Sequence: 1\r\n\r\n";
    assert_eq!(republished(&mut world, "x.a", &[("A", "b"), ("Nats-Msg-Id", "q")]), expected(second));
    assert_eq!(republished(&mut world, "x.a.b", &[]), []);
    assert_eq!(republished(&mut world, "x.a", &[(LAST, "99")]), [], "what is refused is not");
    world.api("STREAM.DELETE.S", "");
    world.make(r#"{"name":"S","subjects":["x.>"],"republish":{"src":"x.>","dest":"rp.>","headers_only":true}}"#);
    let bare = "NATS/1.0\r\nA: b\r\nNats-Stream: S\r\nNats-Subject: x.a\r\nNats-Sequence: 1\r\nNats-Time-Stamp: T\r\n\
                Nats-Last-Sequence: 0\r\nNats-Msg-Size: 5\r\n\r\n";
    let got = republished(&mut world, "x.a", &[("A", "b")]);
    assert_eq!((got[0].headers.as_str(), got[0].body.as_str()), (bare, ""));
}

#[test]
fn a_stream_without_acknowledgements_says_nothing() {
    let mut world = World::new();
    world.make(r#"{"name":"S","subjects":["n.>"],"no_ack":true}"#);
    assert_eq!(world.put("n.a", &[], "x"), "");
    assert_eq!(world.put("n.a", &[(LAST, "99")], "x"), "");
    assert_eq!(world.state("S")[0], 1);
}
