//! Nothing escapes early: what effects wait for, and what a turn writes.

use firn_auth::account::AccountId;
use firn_jetstream::{
    effect::{After, Effect, Effects, Ticket},
    input::{Input, Request},
    packet::Packet,
    shard::Shard,
};
use firn_store::wal::GroupId;

use crate::world::World;

/// What one message and its answer are about: who it went to and what it waits for.
fn turn(world: &mut World, inputs: Vec<Input>) -> (Effects, Vec<(String, After)>) {
    let mut effects = Effects::new();
    let shard: &mut Shard = &mut world.shards[0];
    shard.turn(world.now, &mut inputs.into_iter(), &mut effects);
    shard.check_invariants();
    let messages = effects.list.iter().filter_map(|effect| {
        let Effect::Message { after, message, .. } = effect else { return None };
        Some((String::from_utf8(effects.message(*message).body.to_vec()).unwrap(), *after))
    });
    let messages = messages.collect();
    (effects, messages)
}

fn publish(world: &World, stream: &str, fields: &[(&str, &str)]) -> Input {
    let listener = world.listening.iter().find(|(_, (_, name, ..))| name == stream);
    let (group, (_, _, subjects, _)) = listener.unwrap();
    let headers = crate::world::headers(fields);
    let packet = Packet::new(subjects[0].as_bytes(), b"_R", headers.as_bytes(), b"x");
    Input::Publish { group: *group, packet }
}

fn request(operation: &str, body: &str) -> Input {
    let packet = Packet::new(format!("$JS.API.{operation}").as_bytes(), b"_R", b"", body.as_bytes());
    Input::Request(Request { account: AccountId::GLOBAL, client: None, group: None, packet })
}

fn world() -> World {
    let mut world = World::new();
    world.make(r#"{"name":"A","allow_direct":true,"max_msgs":4,"discard":"new"}"#);
    world.make(r#"{"name":"B"}"#);
    world.make(r#"{"name":"M","storage":"memory"}"#);
    world
}

#[test]
fn an_answer_waits_for_the_last_change_of_its_stream() {
    let mut world = world();
    let a = publish(&world, "A", &[("Nats-Msg-Id", "1")]);
    let (effects, messages) = turn(&mut world, vec![a]);
    let first = effects.ticket;
    assert_eq!(messages, [(r#"{"stream":"A","seq":1}"#.to_owned(), After::Log(first))]);
    let b = publish(&world, "B", &[]);
    let (effects, messages) = turn(&mut world, vec![b]);
    let second = effects.ticket;
    assert!(second > first && messages[0].1 == After::Log(second));
    // These write nothing, and show what the first turn wrote: each waits for that, and for no more.
    for (fields, expected) in [
        ([("Nats-Msg-Id", "1")], "duplicate"),
        ([("Nats-Expected-Last-Sequence", "7")], "wrong last sequence: 1"),
        ([("Nats-Expected-Last-Msg-Id", "x")], "wrong last msg ID"),
    ] {
        let input = publish(&world, "A", &fields);
        let (effects, messages) = turn(&mut world, vec![input]);
        assert!(effects.submission.is_empty() && effects.ticket == second, "{expected}");
        assert!(messages[0].0.contains(expected) && messages[0].1 == After::Log(first), "{messages:?}");
    }
    for (operation, body) in [
        ("STREAM.INFO.A", ""),
        ("STREAM.MSG.GET.A", r#"{"seq":1}"#),
        ("STREAM.MSG.GET.A", r#"{"seq":9}"#),
        ("DIRECT.GET.A", r#"{"seq":1}"#),
        ("DIRECT.GET.A", r#"{"seq":9}"#),
        ("DIRECT.GET.A.A", ""),
        ("STREAM.MSG.DELETE.A", r#"{"seq":9}"#),
    ] {
        let (effects, messages) = turn(&mut world, vec![request(operation, body)]);
        assert!(effects.submission.is_empty());
        assert_eq!(messages[0].1, After::Log(first), "{operation} {body}");
    }
    let (_, messages) = turn(&mut world, vec![request("STREAM.LIST", "")]);
    assert_eq!(messages[0].1, After::Log(second), "a list shows all of them");
    let (effects, messages) = turn(&mut world, vec![request("STREAM.PURGE.A", "")]);
    assert_eq!(messages[0].1, After::Log(effects.ticket));
    assert!(effects.ticket > second);
}

#[test]
fn what_is_in_memory_waits_for_nothing() {
    let mut world = world();
    let input = publish(&world, "M", &[]);
    let (effects, messages) = turn(&mut world, vec![input]);
    assert_eq!(messages, [(r#"{"stream":"M","seq":1}"#.to_owned(), After::Nothing)]);
    assert!(effects.submission.is_empty());
}

#[test]
fn a_confirmation_waits_for_its_acknowledgement_and_a_delivery_for_its_message() {
    let mut world = world();
    let consumer = r#"{"stream_name":"A","config":{"name":"C","durable_name":"C","ack_policy":"explicit"}}"#;
    world.api("CONSUMER.CREATE.A.C", consumer);
    let input = publish(&world, "A", &[]);
    let (effects, _) = turn(&mut world, vec![input]);
    let stored = effects.ticket;
    let (mut effects, _) = turn(&mut world, vec![request("CONSUMER.MSG.NEXT.A.C", "1")]);
    let delivered = effects.ticket;
    assert!(delivered > stored, "that it was sent is written down");
    let ack = effects.list.iter().find_map(|effect| match effect {
        Effect::Deliver { after, parts, .. } => Some((*after, effects.message(*parts).reply.to_vec())),
        Effect::Message { .. }
        | Effect::Watch { .. }
        | Effect::Advisory { .. }
        | Effect::Listen { .. }
        | Effect::Fetch { .. }
        | Effect::Command { .. }
        | Effect::Drop { .. } => None,
    });
    let (after, ack) = ack.unwrap();
    assert_eq!(after, After::Log(stored), "and nobody waits for that");
    effects.clear();
    let group = *world.listening.iter().find(|(_, (_, name, ..))| name == "A").unwrap().0;
    let packet = Packet::new(&ack, b"_A", b"", b"");
    let (effects, messages) = turn(&mut world, vec![Input::Ack { group, packet: packet.clone() }]);
    assert!(effects.ticket > delivered);
    assert_eq!(messages, [(String::new(), After::Log(effects.ticket))]);
    let acknowledged = effects.ticket;
    // A second one changes nothing, and is confirmed when the first is.
    let (effects, messages) = turn(&mut world, vec![Input::Ack { group, packet }]);
    assert_eq!((effects.ticket, messages[0].1), (acknowledged, After::Log(acknowledged)));
    let (_, messages) = turn(&mut world, vec![request("CONSUMER.INFO.A.C", "")]);
    assert_eq!(messages[0].1, After::Log(acknowledged));
}

#[test]
fn a_stream_that_persists_asynchronously_waits_for_nothing() {
    let mut world = World::new();
    world.make(r#"{"name":"A","persist_mode":"async"}"#);
    let input = publish(&world, "A", &[]);
    let (effects, messages) = turn(&mut world, vec![input]);
    assert_eq!(messages, [(r#"{"stream":"A","seq":1}"#.to_owned(), After::Nothing)]);
    assert_eq!(effects.submission.count(), 1, "and is written all the same");
}

#[test]
fn a_full_log_refuses_what_it_would_have_to_take() {
    let mut world = world();
    world.fill(&["B"]);
    world.shards[0].set_log_is_full(true);
    let refused =
        r#"{"error":{"code":503,"err_code":10023,"description":"insufficient resources"},"stream":"B","seq":0}"#;
    assert_eq!(world.put("B", &[], "x"), refused);
    assert!(world.api("STREAM.CREATE.N", r#"{"name":"N"}"#).contains("10047"));
    assert!(world.put("M", &[], "x").contains("\"seq\":1"), "memory has room");
    assert_eq!(world.state("B")[0], 1);
    world.shards[0].set_log_is_full(false);
    assert!(world.put("B", &[], "x").contains("\"seq\":2"));
}

#[test]
fn that_a_stream_is_gone_waits_for_its_deletion() {
    let mut world = world();
    let (effects, messages) = turn(&mut world, vec![request("STREAM.DELETE.A", "")]);
    let deleted = effects.ticket;
    assert_eq!(messages[0].1, After::Log(deleted));
    for operation in ["STREAM.INFO.A", "STREAM.DELETE.A", "STREAM.NAMES", "STREAM.PURGE.A", "INFO"] {
        let (_, messages) = turn(&mut world, vec![request(operation, "")]);
        assert_eq!(messages[0].1, After::Log(deleted), "{operation}");
    }
}

#[test]
fn a_run_of_messages_is_one_record() {
    let mut world = world();
    let mut inputs = Vec::new();
    for stream in ["A", "B", "A", "M", "B", "A"] {
        inputs.push(publish(&world, stream, &[]));
    }
    let before = world.record_names().len();
    let (effects, messages) = turn(&mut world, inputs);
    assert_eq!(messages.len(), 6);
    assert_eq!(effects.submission.count(), 2, "one a stream, and none for memory");
    world.carry_out(effects);
    let a = *world.listening.iter().find(|(_, (_, name, ..))| name == "A").unwrap().0;
    let names = world.record_names();
    assert_eq!(names.len(), before + 2);
    assert!(names[before..].contains(&(a.0, 1)), "{names:?}");
}

#[test]
fn what_is_refused_writes_nothing() {
    let mut world = world();
    world.fill(&["A", "A", "A", "A"]);
    for fields in [
        &[][..],
        &[("Nats-Expected-Stream", "Z")],
        &[("Nats-Expected-Last-Sequence", "9")],
        &[("Nats-Rollup", "sub")],
        &[("Nats-TTL", "1")],
    ] {
        let input = publish(&world, "A", fields);
        let (effects, messages) = turn(&mut world, vec![input]);
        assert!(effects.submission.is_empty() && messages[0].0.contains("error"), "{messages:?}");
    }
    for (operation, body) in
        [("STREAM.CREATE.A", r#"{"name":"A"}"#), ("STREAM.UPDATE.B", r#"{"name":"B","storage":"memory"}"#)]
    {
        let (effects, messages) = turn(&mut world, vec![request(operation, body)]);
        assert!(effects.submission.is_empty() && messages[0].0.contains("error"), "{messages:?}");
    }
}

#[test]
fn tickets_begin_with_none() {
    let mut world = World::new();
    let (effects, messages) = turn(&mut world, vec![request("STREAM.NAMES", "")]);
    assert_eq!((effects.ticket, messages[0].1), (Ticket::NONE, After::Nothing));
    assert!(!world.listening.contains_key(&GroupId(1)));
}
