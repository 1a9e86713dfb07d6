//! The same entries give the same bytes: after a restart, and whatever the clocks of those who apply them say.

use std::{collections::BTreeSet, time::Duration};

use firn_id::{Monotonic, Timestamp};
use firn_jetstream::{effect::Effects, input::Input, now::Now, shard::Shard};
use firn_sim::random::Random;
use firn_store::wal::GroupId;

use crate::world::{World, settings, shards};

type Snapshot = Vec<(GroupId, Vec<u8>)>;

fn snapshot(shards: &[Shard]) -> Snapshot {
    let mut sections: Snapshot = shards.iter().flat_map(Shard::snapshot).collect();
    sections.sort();
    sections
}

/// Configurations that use what a stream can do, in both storages.
const STREAMS: [&str; 9] = [
    r#""name":"A","subjects":["a.>"]"#,
    r#""name":"B","subjects":["b.>"],"max_msgs":5,"max_bytes":400"#,
    r#""name":"C","subjects":["c.>"],"max_msgs_per_subject":2,"allow_rollup_hdrs":true"#,
    r#""name":"D","subjects":["d.>"],"allow_msg_ttl":true,"max_age":3000000000"#,
    r#""name":"E","subjects":["e.>"],"subject_delete_marker_ttl":2000000000,"max_age":1000000000"#,
    r#""name":"F","subjects":["f.>"],"retention":"interest","duplicate_window":500000000"#,
    r#""name":"G","subjects":["g.>"],"discard":"new","max_msgs":4"#,
    r#""name":"H","subjects":["h.>"],"storage":"memory","max_msgs":4"#,
    r#""name":"I","subjects":["i.>"],"first_seq":50,"subject_transform":{"src":"i.*","dest":"z.{{random(3)}}"}"#,
];

/// Headers that change what becomes of a message.
const FIELDS: [(&str, &str); 8] = [
    ("Nats-Msg-Id", "1"),
    ("Nats-Msg-Id", "2"),
    ("Nats-TTL", "1"),
    ("Nats-TTL", "never"),
    ("Nats-Rollup", "sub"),
    ("Nats-Rollup", "all"),
    ("Nats-Expected-Last-Sequence", "3"),
    ("X", "y"),
];

/// Does something at random.
fn step(world: &mut World, random: &mut Random) {
    let stream = STREAMS[random.index(STREAMS.len())];
    let name = stream.split('"').nth(3).unwrap();
    let subject = format!("{}.{}", name.to_lowercase(), random.index(4));
    match random.index(50) {
        0 | 1 | 16 => drop(world.api(&format!("STREAM.CREATE.{name}"), &format!("{{{stream}}}"))),
        2 => drop(world.api(&format!("STREAM.DELETE.{name}"), "")),
        3 => drop(world.api(&format!("STREAM.PURGE.{name}"), &format!(r#"{{"filter":"{subject}"}}"#))),
        4 => drop(world.api(&format!("STREAM.PURGE.{name}"), r#"{"keep":3}"#)),
        5 => drop(world.api(&format!("STREAM.PURGE.{name}"), &format!(r#"{{"seq":{}}}"#, random.index(60)))),
        6 => drop(world.api(&format!("STREAM.MSG.DELETE.{name}"), &format!(r#"{{"seq":{}}}"#, random.index(60)))),
        7 => {
            let retention = ["", "", r#","retention":"interest""#, r#","retention":"limits""#][random.index(4)];
            let update = format!(r#"{{{stream},"description":"{}"{retention}}}"#, random.index(3));
            world.api(&format!("STREAM.UPDATE.{name}"), &update);
        }
        8..=10 => consumer_step(world, random, name),
        11 | 12 => world.pass(Duration::from_millis(u64::try_from(random.index(900)).unwrap())),
        13..16 | 17..22 => consumer_step(world, random, name),
        _ => {
            let fields: Vec<(&str, &str)> = (0..random.index(3)).map(|_| FIELDS[random.index(FIELDS.len())]).collect();
            world.publish(&subject, "_R", &crate::world::headers(&fields), &"x".repeat(random.index(60)));
        }
    }
}

/// Configurations of consumers; the names are theirs.
const CONSUMERS: [&str; 5] = [
    r#""name":"P","durable_name":"P","ack_policy":"explicit","ack_wait":300000000,"max_deliver":2"#,
    r#""name":"Q","durable_name":"Q","ack_policy":"all","deliver_policy":"new""#,
    r#""name":"R","durable_name":"R","ack_policy":"explicit","deliver_subject":"push","max_ack_pending":3"#,
    r#""name":"T","ack_policy":"none","inactive_threshold":500000000"#,
    r#""name":"U","durable_name":"U","ack_policy":"explicit","mem_storage":true"#,
];

fn consumer_step(world: &mut World, random: &mut Random, stream: &str) {
    let config = CONSUMERS[random.index(CONSUMERS.len())];
    let name = config.split('"').nth(3).unwrap();
    match random.index(12) {
        0..3 => {
            let filter = ["", r#","filter_subject":"x.1""#][random.index(2)].replace('x', &stream.to_lowercase());
            let body = format!(r#"{{"stream_name":"{stream}","config":{{{config}{filter}}}}}"#);
            world.api(&format!("CONSUMER.CREATE.{stream}.{name}"), &body);
        }
        3 => drop(world.api(&format!("CONSUMER.DELETE.{stream}.{name}"), "")),
        4 => drop(world.api(&format!("CONSUMER.RESET.{stream}.{name}"), "")),
        5 => drop(world.api(&format!("CONSUMER.PAUSE.{stream}.{name}"), r#"{"pause_until":"2026-01-01T00:01:00Z"}"#)),
        6..9 => {
            let subject = format!("$JS.API.CONSUMER.MSG.NEXT.{stream}.{name}");
            world.publish(&subject, "_P", "", r#"{"batch":3,"expires":400000000}"#);
        }
        _ => {
            let Some(ack) = world.delivered.get(random.index(world.delivered.len().max(1))).cloned() else { return };
            let body = ["", "", "+ACK", "-NAK", "+TERM", "+WPI"][random.index(6)];
            world.publish(&ack, ["", "_A"][random.index(2)], "", body);
        }
    }
}

fn workload(count: usize, seed: u64, steps: usize) -> World {
    let mut world = World::with(count, settings());
    let mut random = Random::new(seed);
    world.heard.insert("push".to_owned());
    for stream in STREAMS {
        world.make(&format!("{{{stream}}}"));
        let name = stream.split('"').nth(3).unwrap();
        for (config, consumer) in [(CONSUMERS[0], "P"), (CONSUMERS[2], "R")] {
            let body = format!(r#"{{"stream_name":"{name}","config":{{{config}}}}}"#);
            world.api(&format!("CONSUMER.CREATE.{name}.{consumer}"), &body);
        }
    }
    // Every other workload has several inputs a turn.
    let is_batched = seed.is_multiple_of(2);
    world.batch = is_batched.then(Vec::new);
    for _ in 0..steps {
        step(&mut world, &mut random);
        if is_batched && random.index(12) == 0 {
            world.turn_batch();
        }
    }
    while world.batch.as_ref().is_some_and(|batch| !batch.is_empty()) {
        world.turn_batch();
    }
    world.batch = None;
    world
}

/// The directory tells each shard which streams there are.
fn recover(shards: &mut [Shard], now: Now) -> usize {
    let known: Vec<GroupId> = shards[0].directory().iter().map(|(group, _)| group).collect();
    let mut effects = Effects::new();
    for shard in shards.iter_mut() {
        shard.keep_only(&|group| known.contains(&group));
        shard.recovered(&mut effects);
    }
    let mut written = 0;
    for shard in shards.iter_mut() {
        let mut effects = Effects::new();
        shard.turn(Now { wall: Timestamp::from_unix_nanos(0), ..now }, &mut [Input::Tick].into_iter(), &mut effects);
        shard.check_invariants();
        written += effects.submission.count();
    }
    written
}

#[test]
fn a_log_that_is_replayed_gives_the_same_bytes() {
    for (count, seed) in [(1, 1), (1, 2), (1, 3), (3, 4), (3, 5), (2, 6)] {
        let mut world = workload(count, seed, 600);
        let expected = snapshot(&world.shards);
        assert!(expected.len() > 1, "there is something to compare");
        let kinds: BTreeSet<u8> = world.record_names().into_iter().map(|(_, kind)| kind).collect();
        assert_eq!(kinds.into_iter().collect::<Vec<u8>>(), [1, 2, 3, 4], "every kind of record is there");
        let mut replayed = world.replay(count, &settings());
        let written = recover(&mut replayed, world.now);
        assert_eq!(written, 0, "seed {seed}: nothing had to be mended");
        assert!(snapshot(&replayed) == expected, "seed {seed}: {}", difference(&snapshot(&replayed), &expected));
    }
}

/// The first group that differs.
fn difference(one: &Snapshot, other: &Snapshot) -> String {
    let groups = |snapshot: &Snapshot| snapshot.iter().map(|(group, _)| group.0).collect::<Vec<u64>>();
    let differ = one.iter().zip(other).find(|(one, other)| one != other);
    let text = differ.map(|((group, one), (_, other))| {
        format!("group {}\n{}\n{}", group.0, one.escape_ascii(), other.escape_ascii())
    });
    format!("{:?} {:?} {}", groups(one), groups(other), text.unwrap_or_default())
}

#[test]
fn clocks_of_those_who_apply_do_not_matter() {
    let mut world = workload(1, 7, 800);
    let expected = snapshot(&world.shards);
    for wall in [0, 4_000_000_000_000_000_000] {
        let mut replica = shards(1, &settings());
        let now = Now { monotonic: Monotonic::ZERO, wall: Timestamp::from_unix_nanos(wall) };
        replica[0].turn(now, &mut std::iter::empty(), &mut Effects::new());
        world.replay_into(&mut replica, 0);
        assert!(snapshot(&replica) == expected, "{}", difference(&snapshot(&replica), &expected));
    }
}

#[test]
fn a_snapshot_and_what_follows_it_give_the_same_bytes() {
    for seed in 10..14 {
        let mut world = workload(1, seed, 300);
        let (middle, at) = (snapshot(&world.shards), world.records);
        let mut random = Random::new(seed + 100);
        for _ in 0..300 {
            step(&mut world, &mut random);
        }
        let expected = snapshot(&world.shards);
        let mut restored = shards(1, &settings());
        for (group, section) in &middle {
            restored[0].restore(*group, section).unwrap();
        }
        assert!(snapshot(&restored) == middle, "what was restored is what was written");
        world.replay_into(&mut restored, at.value());
        recover(&mut restored, world.now);
        assert!(snapshot(&restored) == expected, "seed {seed}: {}", difference(&snapshot(&restored), &expected));
    }
}

#[test]
fn a_section_that_was_cut_is_refused() {
    let world = workload(1, 20, 100);
    for (group, section) in snapshot(&world.shards) {
        for length in 0..section.len() {
            let mut shard = Shard::new(0, 1, settings());
            assert!(shard.restore(group, &section[..length]).is_err(), "group {} cut at {length}", group.0);
        }
    }
}

#[test]
fn whatever_part_of_the_log_is_left_is_a_state_that_goes_on() {
    for seed in [30, 31, 32, 33] {
        let mut world = workload(1, seed, 400);
        let records = world.record_names().len();
        let mut random = Random::new(seed);
        for _ in 0..20 {
            let kept = random.index(records);
            let mut shards = shards(1, &settings());
            world.replay_some(&mut shards, kept);
            recover(&mut shards, world.now);
            // Consumers notice by and by which of their messages are gone.
            recover(&mut shards, world.now);
            let mut again = World::new();
            again.shards = shards;
            for stream in
                again.shards[0].directory().iter().map(|(_, known)| known.config.name.clone()).collect::<Vec<_>>()
            {
                assert!(
                    again.api(&format!("STREAM.INFO.{stream}"), "").contains("\"state\":"),
                    "seed {seed}, {kept} records"
                );
                again.api(&format!("CONSUMER.LIST.{stream}"), "");
            }
        }
    }
}

#[test]
fn a_section_that_was_changed_is_read_or_refused() {
    let world = workload(1, 21, 300);
    let mut random = Random::new(5);
    for (group, section) in snapshot(&world.shards) {
        for _ in 0..2_000 {
            let mut changed = section.clone();
            let at = random.index(changed.len());
            changed[at] ^= 1 << random.index(8);
            let mut shard = Shard::new(0, 1, settings());
            if shard.restore(group, &changed).is_ok() {
                shard.snapshot();
            }
        }
    }
}

#[test]
fn a_crash_between_the_directory_and_the_stream_is_mended() {
    let mut world = World::new();
    world.make(r#"{"name":"S","subjects":["s"]}"#);
    world.fill(&["s"]);
    world.api("STREAM.UPDATE.S", r#"{"name":"S","subjects":["s","t"],"max_msgs":7}"#);
    // Records: directory and stream, twice, and the message between.
    let names = world.record_names();
    assert_eq!(names, [(0, 2), (1, 3), (1, 1), (0, 2), (1, 3)]);
    for kept in 1..=names.len() {
        let mut replayed = shards(1, &settings());
        world.replay_some(&mut replayed, kept);
        recover(&mut replayed, world.now);
        let known = replayed[0].directory().iter().next().unwrap().1.config.clone();
        assert_eq!(known.max_msgs, if kept < 4 { -1 } else { 7 }, "{kept} records");
        let mut again = World::new();
        again.shards = replayed;
        let subjects = if kept < 4 { r#"["s"]"# } else { r#"["s","t"]"# };
        let info = again.api("STREAM.INFO.S", "");
        assert!(info.contains(&format!(r#""subjects":{subjects}"#)), "{kept} records: {info}");
        assert_eq!(again.state("S")[0], u64::from(kept > 2), "{kept} records");
    }
}

#[test]
fn streams_in_memory_are_gone_and_their_names_are_free() {
    let mut world = World::new();
    world.make(r#"{"name":"M","storage":"memory"}"#);
    world.make(r#"{"name":"F"}"#);
    world.fill(&["M", "F"]);
    world.shards = world.replay(1, &settings());
    recover(&mut world.shards, world.now);
    world.listening.clear();
    assert!(world.api("STREAM.NAMES", "").contains(r#""streams":["F"]"#));
    world.make(r#"{"name":"M","storage":"memory","max_msgs":3}"#);
    assert_eq!(world.state("F")[0], 1);
}

#[test]
fn ids_are_known_after_a_restart() {
    let mut world = World::new();
    world.make(r#"{"name":"S","subjects":["s.>"]}"#);
    world.put("s.a", &[("Nats-Msg-Id", "A")], "x");
    let listening = world.listening.clone();
    world.shards = world.replay(1, &settings());
    recover(&mut world.shards, world.now);
    world.listening = listening;
    assert_eq!(world.put("s.a", &[("Nats-Msg-Id", "A")], "x"), r#"{"stream":"S","seq":1,"duplicate": true}"#);
}
