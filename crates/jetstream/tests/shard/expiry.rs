//! What becomes too old goes by itself, and leaves a marker where one is asked for.

use std::time::Duration;

use crate::world::{World, timeless};

fn counts(world: &mut World, stream: &str) -> [u64; 4] {
    let [messages, _, first, last, deleted, _] = world.state(stream);
    [messages, first, last, deleted]
}

#[test]
fn messages_go_when_they_are_too_old() {
    for storage in ["file", "memory"] {
        let mut world = World::new();
        world.make(&format!(r#"{{"name":"S","subjects":["s.>"],"storage":"{storage}","max_age":1000000000}}"#));
        world.fill(&["s.a"]);
        world.pass(Duration::from_millis(600));
        world.fill(&["s.b"]);
        world.pass(Duration::from_millis(399));
        assert_eq!(counts(&mut world, "S"), [2, 1, 2, 0]);
        world.pass(Duration::from_millis(1));
        assert_eq!(counts(&mut world, "S"), [1, 2, 2, 0]);
        world.pass(Duration::from_millis(600));
        assert_eq!(counts(&mut world, "S"), [0, 3, 2, 0]);
    }
}

#[test]
fn an_age_that_is_set_later_counts_for_what_is_there() {
    let mut world = World::new();
    world.make(r#"{"name":"S","subjects":["s.>"]}"#);
    world.fill(&["s.a", "s.b"]);
    world.pass(Duration::from_secs(60));
    world.api(
        "STREAM.UPDATE.S",
        r#"{"name":"S","subjects":["s.>"],"max_age":30000000000,"duplicate_window":30000000000}"#,
    );
    world.pass(Duration::ZERO);
    assert_eq!(counts(&mut world, "S"), [0, 3, 2, 0]);
}

#[test]
fn many_old_messages_go_in_several_turns() {
    let mut world = World::new();
    world.make(r#"{"name":"S","subjects":["s.>"],"storage":"memory","max_age":1000000000}"#);
    for _ in 0..3_000 {
        world.put("s.a", &[], "");
    }
    world.pass(Duration::from_secs(1));
    assert_eq!(counts(&mut world, "S"), [0, 3_001, 3_000, 0]);
}

#[test]
fn a_message_may_have_a_time_of_its_own() {
    let mut world = World::new();
    world.make(r#"{"name":"S","subjects":["s.>"],"allow_msg_ttl":true}"#);
    world.put("s.a", &[("Nats-TTL", "1")], "x");
    world.put("s.b", &[], "x");
    world.put("s.c", &[("Nats-TTL", "2s")], "x");
    world.put("s.d", &[("Nats-TTL", "never")], "x");
    for (expected, after) in [([4, 1, 4, 0], 999), ([3, 2, 4, 0], 1), ([2, 2, 4, 1], 1_000), ([2, 2, 4, 1], 100_000)] {
        world.pass(Duration::from_millis(after));
        assert_eq!(counts(&mut world, "S"), expected);
    }
    assert!(world.put("s.a", &[("Nats-TTL", "0.5s")], "x").contains("10165"));
}

/// As it went with nats-server 2.15.1: `tm.a` keeps a message that never expires, so that it gets no marker; the others
/// get one in the order of their messages; and markers leave nothing.
#[test]
fn a_subject_that_expired_gets_a_marker() {
    for storage in ["file", "memory"] {
        let mut world = World::new();
        let rest = r#""allow_msg_ttl":true,"subject_delete_marker_ttl":5000000000,"max_age":2000000000"#;
        world.make(&format!(r#"{{"name":"S","subjects":["tm.>"],"storage":"{storage}",{rest}}}"#));
        for (subject, ttl) in [("tm.a", "1s"), ("tm.a", "7"), ("tm.a", "never"), ("tm.q", ""), ("tm.b", "1")] {
            world.put(subject, &[("Nats-TTL", ttl)], "x");
        }
        // A message lives at least as long as the marker that follows it.
        let raised = r#""hdrs":"TkFUUy8xLjANCk5hdHMtVFRMOiA1DQoNCg==""#;
        assert!(world.api("STREAM.MSG.GET.S", r#"{"seq":1}"#).contains(raised));
        assert!(world.api("STREAM.MSG.GET.S", r#"{"seq":5}"#).contains(raised));
        world.pass(Duration::from_millis(2_000));
        assert_eq!(counts(&mut world, "S"), [3, 3, 7, 2]);
        for (sequence, subject) in [(6, "tm.q"), (7, "tm.b")] {
            let marker =
                "TkFUUy8xLjANCk5hdHMtTWFya2VyLVJlYXNvbjogTWF4QWdlDQpOYXRzLVRUTDogNXMNCk5hdHMtUm9sbHVwOiBzdWINCg0K";
            let message = format!(r#""subject":"{subject}","seq":{sequence},"hdrs":"{marker}","time":"T""#);
            let expected = format!(r#"stream_msg_get_response,"message":{{{message}}}}}"#);
            let found = world.api("STREAM.MSG.GET.S", &format!(r#"{{"seq":{sequence}}}"#));
            assert_eq!(timeless(&found), expected);
        }
        world.pass(Duration::from_millis(5_000));
        assert_eq!(counts(&mut world, "S"), [1, 3, 7, 4]);
    }
}

#[test]
fn a_clock_that_is_set_back_removes_nothing() {
    let mut world = World::new();
    world.make(r#"{"name":"S","subjects":["s.>"],"max_age":1000000000}"#);
    world.pass(Duration::from_secs(86_400));
    world.fill(&["s.a"]);
    let wall = world.now.wall.unix_nanos() - 86_400_000_000_000;
    world.now.wall = firn_id::Timestamp::from_unix_nanos(wall);
    world.fill(&["s.b"]);
    world.pass(Duration::from_millis(500));
    assert_eq!(counts(&mut world, "S"), [2, 1, 2, 0]);
    world.pass(Duration::from_secs(86_401));
    assert_eq!(counts(&mut world, "S"), [0, 3, 2, 0]);
}
