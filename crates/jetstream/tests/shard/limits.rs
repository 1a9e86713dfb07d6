//! What a stream keeps, and what it refuses.

use crate::world::World;

/// One byte of body each; what comes of it: `ok` or the text of the refusal.
fn outcomes(world: &mut World, puts: &[(&str, &str)]) -> Vec<String> {
    let outcome = |answer: String| match answer.split("\"description\":\"").nth(1) {
        Some(rest) => rest.split('"').next().unwrap().to_owned(),
        None => "ok".to_owned(),
    };
    puts.iter().map(|(subject, body)| outcome(world.put(subject, &[], body))).collect()
}

#[test]
fn limits_refuse_or_remove() {
    const TEN: &str = "0123456789";
    const LONG: &str = "0123456789012345678901234567890";
    const MESSAGES: &str = "maximum messages exceeded";
    const BYTES: &str = "maximum bytes exceeded";
    const OF_SUBJECT: &str = "maximum messages per subject exceeded";
    let y200 = "y".repeat(200);
    let y81 = "y".repeat(81);
    let y94 = "y".repeat(94);
    #[track_caller]
    fn check(config: &str, puts: &[(&str, &str)], expected: &[&str], state: [u64; 6]) {
        let mut world = World::new();
        world.make(&format!(r#"{{"name":"L","subjects":["l.>"],{config}}}"#));
        assert_eq!(outcomes(&mut world, puts), expected, "{config}");
        assert_eq!(world.state("L"), state, "{config}");
    }
    let (a, b, c) = (("l.a", "x"), ("l.b", "x"), ("l.c", "x"));
    let memory = |rest: &str| format!(r#""storage":"memory",{rest}"#);
    let new = |rest: &str| format!(r#""storage":"memory","discard":"new",{rest}"#);
    let file_new = |rest: &str| format!(r#""discard":"new",{rest}"#);
    check(&new(r#""max_msgs":3"#), &[a, a, a, a], &["ok", "ok", "ok", MESSAGES], [3, 60, 1, 3, 0, 1]);
    check(&memory(r#""max_msgs":3"#), &[a, a, a, a], &["ok"; 4], [3, 60, 2, 4, 0, 1]);
    let ten = ("l.a", TEN);
    check(&new(r#""max_bytes":100"#), &[ten; 4], &["ok", "ok", "ok", BYTES], [3, 87, 1, 3, 0, 1]);
    check(&file_new(r#""max_bytes":127"#), &[ten; 4], &["ok", "ok", BYTES, BYTES], [2, 86, 1, 2, 0, 1]);
    check(&new(r#""max_bytes":100"#), &[("l.a", &y200)], &[BYTES], [0, 0, 0, 0, 0, 0]);
    check(&new(r#""max_bytes":100"#), &[("l.a", &y81)], &["ok"], [1, 100, 1, 1, 0, 1]);
    check(&file_new(r#""max_bytes":127"#), &[("l.a", &y94)], &["ok"], [1, 127, 1, 1, 0, 1]);
    check(&memory(r#""max_bytes":100"#), &[ten; 4], &["ok"; 4], [3, 87, 2, 4, 0, 1]);
    check(&memory(r#""max_bytes":100"#), &[ten, ten, ("l.a", &y200)], &["ok"; 3], [0, 0, 4, 3, 0, 0]);
    check(&new(r#""max_msgs_per_subject":2"#), &[a; 4], &["ok"; 4], [2, 40, 3, 4, 0, 1]);
    let of_subject = r#""max_msgs_per_subject":2,"discard_new_per_subject":true"#;
    check(&new(of_subject), &[a, a, a, b], &["ok", "ok", OF_SUBJECT, "ok"], [3, 60, 1, 3, 0, 2]);
    let both = r#""max_msgs_per_subject":2,"max_msgs":2,"discard_new_per_subject":true"#;
    check(&new(both), &[a, a, a, b], &["ok", "ok", OF_SUBJECT, MESSAGES], [2, 40, 1, 2, 0, 1]);
    let kv = r#""max_msgs_per_subject":1,"max_msgs":2"#;
    check(&new(kv), &[a, b, a, c], &["ok", "ok", "ok", MESSAGES], [2, 40, 2, 3, 0, 2]);
    let kv = r#""max_msgs_per_subject":1,"max_bytes":120"#;
    let puts = [ten, ("l.b", TEN), ten, ("l.c", TEN), ("l.a", LONG)];
    check(&new(kv), &puts, &["ok", "ok", "ok", "ok", BYTES], [3, 87, 2, 4, 0, 3]);
    check(&file_new(kv), &puts, &["ok", "ok", "ok", BYTES, BYTES], [2, 86, 2, 3, 0, 2]);
}

#[test]
fn a_full_stream_refuses_a_roll_up_too() {
    let mut world = World::new();
    let config = r#"{"name":"L","subjects":["l.>"],"max_msgs":2,"discard":"new","allow_rollup_hdrs":true}"#;
    world.make(config);
    world.fill(&["l.a", "l.a"]);
    let answer = world.put("l.a", &[("Nats-Rollup", "sub")], "x");
    assert!(answer.contains("maximum messages exceeded"), "{answer}");
}

#[test]
fn a_lower_limit_removes_at_once() {
    for storage in ["memory", "file"] {
        let mut world = World::new();
        let config = |rest: &str| format!(r#"{{"name":"L","subjects":["l.>"],"storage":"{storage}"{rest}}}"#);
        world.make(&config(r#","max_msgs_per_subject":2"#));
        world.fill(&["l.a", "l.b", "l.a", "l.b", "l.a", "l.b", "l.a", "l.b"]);
        let counts = |state: [u64; 6]| [state[0], state[2], state[3]];
        world.api("STREAM.UPDATE.L", &config(r#","max_msgs_per_subject":1"#));
        assert_eq!(counts(world.state("L")), [2, 7, 8]);
        world.api("STREAM.UPDATE.L", &config(r#","max_msgs":1"#));
        assert_eq!(counts(world.state("L")), [1, 8, 8]);
        world.api("STREAM.UPDATE.L", &config(r#","max_bytes":10"#));
        assert_eq!(counts(world.state("L")), [0, 9, 8]);
    }
}
