//! Which of two broken rules a publisher hears of.

use crate::world::World;

/// Headers that break a rule each, a mark for a body that is too long, and one that breaks none.
const RULES: [(&str, &str, &str); 16] = [
    ("stream", "Nats-Expected-Stream", "ZZ"),
    ("ttl", "Nats-TTL", "zz"),
    ("ttlok", "Nats-TTL", "5s"),
    ("lastsubj", "Nats-Expected-Last-Subject-Sequence", "77"),
    ("lastseq", "Nats-Expected-Last-Sequence", "78"),
    ("subjalone", "Nats-Expected-Last-Subject-Sequence-Subject", "p.q"),
    ("lastid", "Nats-Expected-Last-Msg-Id", "nope"),
    ("dup", "Nats-Msg-Id", "D1"),
    ("rollup", "Nats-Rollup", "zz"),
    ("incr", "Nats-Incr", "1"),
    ("batch", "Nats-Batch-Id", "b1"),
    ("sched", "Nats-Schedule", "@at 2030-01-01T00:00:00Z"),
    ("source", "Nats-Stream-Source", "zz 1"),
    ("big", "", ""),
    ("apilevel", "Nats-Required-Api-Level", "99"),
    ("bighdr", "X", ""),
];

/// What each of them gets on a stream that is full, and each pair: the first one named wins, in the order of the lines.
///
/// nats-server 2.15.1 was asked all pairs. Its answers follow from one order, which stands here; two pairs do not, because
/// a header that is read with another's name is not there: `ttl` and `ttlok` are the same header, and the first counts.
const ORDER: [(&str, &str); 16] = [
    ("big", "10054"),
    ("batch", "10174"),
    ("bighdr", "10097"),
    ("incr", "10168"),
    ("stream", "10060"),
    ("ttlok", "10166"),
    ("subjalone", "10193"),
    ("lastsubj", "10071"),
    ("lastseq", "10071"),
    ("sched", "10188"),
    ("source", "10227"),
    ("dup", "duplicate"),
    ("lastid", "10070"),
    ("rollup", "10111"),
    ("ttl", "10165"),
    ("apilevel", "10077"),
];

fn full_stream() -> World {
    let mut world = World::new();
    world.make(
        r#"{"name":"P","subjects":["p.*"],"storage":"memory","max_msg_size":100000,"max_msgs":3,"discard":"new"}"#,
    );
    world.put("p.a", &[("Nats-Msg-Id", "D1")], "1");
    world.put("p.a", &[], "1");
    world.put("p.a", &[], "1");
    world
}

fn verdict(world: &mut World, names: &[&str]) -> String {
    let long = "y".repeat(66_000);
    let broken = names.iter().map(|name| RULES.iter().find(|(known, ..)| known == name).unwrap());
    let fields: Vec<(&str, &str)> = broken
        .filter(|(_, key, _)| !key.is_empty())
        .map(|(name, key, value)| (*key, if *name == "bighdr" { long.as_str() } else { *value }))
        .collect();
    let body = "x".repeat(if names.contains(&"big") { 200_000 } else { 1 });
    let answer = world.put("p.a", &fields, &body);
    match answer.split("\"err_code\":").nth(1) {
        Some(rest) => rest[..5].to_owned(),
        None => answer.split('"').find(|word| *word == "duplicate").unwrap_or("stored").to_owned(),
    }
}

#[test]
fn the_first_broken_rule_is_the_answer() {
    let mut world = full_stream();
    for (place, (name, expected)) in ORDER.iter().enumerate() {
        assert_eq!(verdict(&mut world, &[name]), *expected, "{name} alone");
        for (other, of_other) in &ORDER[place + 1..] {
            let same = (*name == "ttlok" && *other == "ttl") || (*name == "subjalone" && *other == "lastsubj");
            if same {
                continue;
            }
            assert_eq!(verdict(&mut world, &[name, other]), *expected, "{name} before {other} ({of_other})");
            assert_eq!(verdict(&mut world, &[other, name]), *expected, "{other} after {name}");
        }
    }
    // Together they are a whole request for another subject.
    assert_eq!(verdict(&mut world, &["subjalone", "lastsubj"]), "10071");
    assert_eq!(verdict(&mut world, &["ttl", "ttlok"]), "10165", "the first of a kind counts");
}

#[test]
fn a_sealed_stream_says_nothing_else() {
    let mut world = full_stream();
    let update = r#"{"name":"P","subjects":["p.*"],"storage":"memory","max_msgs":3,"sealed":true}"#;
    assert!(world.api("STREAM.UPDATE.P", update).contains("\"sealed\":true"));
    for (name, ..) in RULES {
        assert_eq!(verdict(&mut world, &[name]), "10109", "{name}");
    }
}
