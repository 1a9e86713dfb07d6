//! Streams are made, changed, listed and deleted.

use firn_auth::account::AccountId;
use firn_jetstream::listeners::Listeners;

use crate::world::{World, settings, timeless};

const EMPTY: &str = concat!(
    r#"{"messages":0,"bytes":0,"first_seq":0,"first_ts":"0001-01-01T00:00:00Z","last_seq":0,"#,
    r#""last_ts":"0001-01-01T00:00:00Z","consumer_count":0}"#
);

fn config(metadata: &str) -> String {
    let numbers = r#""retention":"limits","max_consumers":-1,"max_msgs":-1,"max_bytes":-1,"max_age":0"#;
    let rest = r#""max_msgs_per_subject":-1,"max_msg_size":-1,"discard":"old","storage":"memory","num_replicas":1"#;
    let flags = r#""duplicate_window":120000000000,"compression":"none","allow_direct":false,"mirror_direct":false"#;
    let denied = r#""sealed":false,"deny_delete":false,"deny_purge":false,"allow_rollup_hdrs":false"#;
    let limits = r#""consumer_limits":{},"allow_msg_ttl":false"#;
    format!(r#"{{"name":"M","subjects":["m.*"],{numbers},{rest},{flags},{denied},{limits},"metadata":{{{metadata}}}}}"#)
}

const SHOWN: &str = r#""_nats.level":"5","_nats.req.level":"0","_nats.ver":"2.15.1""#;

#[test]
fn a_stream_is_made_once_and_shown_as_it_is() {
    let mut world = World::new();
    let request = r#"{"name":"M","subjects":["m.*"],"storage":"memory"}"#;
    let made = format!(
        r#"stream_create_response,"config":{},"created":"T","state":{EMPTY},"ts":"T","did_create":true}}"#,
        config(SHOWN)
    );
    assert_eq!(timeless(&world.api("STREAM.CREATE.M", request)), made);
    assert_eq!(timeless(&world.api("STREAM.CREATE.M", request)), made, "the same again");
    let advisories: Vec<&String> = world.advisories.iter().map(|(subject, _)| subject).collect();
    let (created, audit) = ("$JS.EVENT.ADVISORY.STREAM.CREATED.M", "$JS.EVENT.ADVISORY.API");
    assert_eq!(advisories, [created, audit, audit]);
    let other = r#"{"name":"M","subjects":["m.*","k"],"storage":"memory"}"#;
    let refused = |err_code: u16, text: &str| {
        let error = format!(r#"{{"code":400,"err_code":{err_code},"description":"{text}"}}"#);
        format!(r#"stream_create_response,"error":{error}}}"#)
    };
    let taken = refused(10058, "stream name already in use with a different configuration");
    assert_eq!(world.api("STREAM.CREATE.M", other), taken);
    let overlap = refused(10065, "subjects overlap with an existing stream");
    assert_eq!(world.api("STREAM.CREATE.M2", r#"{"name":"M2","subjects":["m.a"]}"#), overlap);
    world.put("m.a", &[], "x");
    world.put("m.a", &[], "x");
    let ends = r#""first_seq":1,"first_ts":"T","last_seq":2,"last_ts":"T","num_subjects":1,"consumer_count":0"#;
    let state = format!(r#"{{"messages":2,"bytes":40,{ends}}}"#);
    let head = r#"stream_info_response,"total":0,"offset":0,"limit":0"#;
    let info = format!(
        r#"{head},"config":{},"created":"T","state":{state},"cluster":{{"leader":"SRV"}},"ts":"T"}}"#,
        config(SHOWN)
    );
    assert_eq!(timeless(&world.api("STREAM.INFO.M", "")), info);
    let listed = format!(
        r#"stream_list_response,"total":1,"offset":0,"limit":256,"streams":[{{"config":{},"created":"T","state":{state},"ts":"T"}}]}}"#,
        config(r#""_nats.req.level":"0""#)
    );
    assert_eq!(timeless(&world.api("STREAM.LIST", "")), listed);
}

#[test]
fn requests_that_are_wrong_are_answered_in_order() {
    let mut world = World::new();
    world.make(r#"{"name":"D","subjects":["d.>"]}"#);
    world.make(r#"{"name":"ND","subjects":["nd"]}"#);
    let error = |kind: &str, code: u16, err_code: u16, text: &str, rest: &str| {
        let error = format!(r#"{{"code":{code},"err_code":{err_code},"description":"{text}"}}"#);
        format!(r#"{kind}_response,"error":{error}{rest}}}"#)
    };
    let mismatch = "stream name in subject does not match request";
    let name = r"stream name is required and can not contain '.', '*', '\u003e', '\\', '/'";
    let unknown = r#"invalid JSON: json: unknown field \"foo\""#;
    let no_json = "invalid JSON: invalid character 'x' looking for beginning of value at offset 1";
    let (info_rest, names_rest) =
        (r#","total":0,"offset":0,"limit":0"#, r#","total":0,"offset":0,"limit":0,"streams":null"#);
    let not_supported = |feature: &str| format!("not supported yet: {feature}");
    let table = [
        ("STREAM.CREATE.X", "", error("stream_create", 400, 10056, mismatch, "")),
        ("STREAM.CREATE.X", "x", error("stream_create", 400, 10025, no_json, "")),
        ("STREAM.CREATE.X", r#"{"name":"Y"}"#, error("stream_create", 400, 10056, mismatch, "")),
        ("STREAM.CREATE.X", r#"{"name":"X","foo":1}"#, error("stream_create", 400, 10025, unknown, "")),
        ("STREAM.UPDATE.ZZZ", r#"{"name":"ZZZ"}"#, error("stream_update", 404, 10059, "stream not found", "")),
        ("STREAM.UPDATE.ZZZ", "", error("stream_update", 500, 10052, name, "")),
        ("STREAM.UPDATE.ZZZ", r#"{"name":"D"}"#, error("stream_update", 400, 10056, mismatch, "")),
        (
            "STREAM.UPDATE.ND",
            r#"{"name":"ND","subjects":["d.a"]}"#,
            error("stream_update", 400, 10065, "subjects overlap with an existing stream", ""),
        ),
        ("STREAM.DELETE.D", r#"{"a":1}"#, error("stream_delete", 400, 10038, "expected an empty request payload", "")),
        ("STREAM.DELETE.D", "x", error("stream_delete", 400, 10038, "expected an empty request payload", "")),
        ("STREAM.DELETE.ZZ", "x", error("stream_delete", 400, 10038, "expected an empty request payload", "")),
        ("STREAM.DELETE.ZZ", "", error("stream_delete", 404, 10059, "stream not found", "")),
        ("STREAM.INFO.D", r#"{"foo":1}"#, error("stream_info", 400, 10025, unknown, info_rest)),
        ("STREAM.INFO.ZZ", r#"{"foo":1}"#, error("stream_info", 400, 10025, unknown, info_rest)),
        ("STREAM.INFO.ZZ", "", error("stream_info", 404, 10059, "stream not found", info_rest)),
        ("STREAM.NAMES", r#"{"foo":1}"#, error("stream_names", 400, 10025, unknown, names_rest)),
        // What comes with a later issue is refused instead of ignored; the reference server takes it.
        (
            "STREAM.CREATE.X",
            r#"{"name":"X","mirror":{"name":"D"}}"#,
            error("stream_create", 500, 10052, &not_supported("mirror"), ""),
        ),
        (
            "STREAM.CREATE.X",
            r#"{"name":"X","sources":[{"name":"D"}]}"#,
            error("stream_create", 500, 10052, &not_supported("sources"), ""),
        ),
        (
            "STREAM.CREATE.X",
            r#"{"name":"X","allow_msg_counter":true}"#,
            error("stream_create", 500, 10052, &not_supported("allow_msg_counter"), ""),
        ),
        (
            "STREAM.UPDATE.D",
            r#"{"name":"D","subjects":["d.>"],"allow_atomic":true}"#,
            error("stream_update", 500, 10052, &not_supported("allow_atomic"), ""),
        ),
    ];
    for (operation, body, expected) in table {
        assert_eq!(world.api(operation, body), expected, "{operation} {body}");
    }
    let level = "NATS/1.0\r\nNats-Required-Api-Level: 9\r\n\r\n";
    let required = "JetStream minimum api level required";
    for (operation, body, expected) in [
        ("STREAM.NAMES", "", error("stream_names", 412, 10185, required, names_rest)),
        ("STREAM.CREATE.X", "x", error("stream_create", 412, 10185, required, "")),
        ("INFO", "", error("account_info", 412, 10185, required, "")),
        ("STREAM.INFO.ZZ", "", error("stream_info", 412, 10185, required, info_rest)),
    ] {
        assert_eq!(world.api_with(operation, level, body), expected, "{operation}");
    }
    let clustered = "JetStream clustering support required";
    for (operation, kind) in [
        ("STREAM.LEADER.STEPDOWN.D", "stream_leader_stepdown"),
        ("STREAM.PEER.REMOVE.D", "stream_remove_peer"),
        ("STREAM.PEER.EVACUATE.D", "stream_evacuate_peer"),
        ("STREAM.CANCEL_MOVE.D", "stream_cancel_move"),
    ] {
        assert_eq!(world.api(operation, ""), error(kind, 503, 10010, clustered, ""), "{operation}");
    }
    let snapshot = error("stream_snapshot", 500, 10064, "snapshot failed: not supported yet", "");
    assert_eq!(world.api("STREAM.SNAPSHOT.D", r#"{"deliver_subject":"x"}"#), snapshot);
    let restore = error("stream_restore", 500, 10062, "restore failed: not supported yet", r#","deliver_subject":"""#);
    assert_eq!(world.api("STREAM.RESTORE.X", "{}"), restore);
    for operation in ["FOO", "META.LEADER.STEPDOWN", "SERVER.REMOVE", "ACCOUNT.PURGE.X"] {
        assert_eq!(world.api(operation, ""), "", "{operation}");
    }
}

#[test]
fn names_come_in_pages() {
    let mut world = World::new();
    let none = r#"stream_names_response,"total":0,"offset":0,"limit":1024,"streams":null}"#;
    assert_eq!(world.api("STREAM.NAMES", ""), none);
    assert_eq!(world.api("STREAM.LIST", ""), r#"stream_list_response,"total":0,"offset":0,"limit":256,"streams":[]}"#);
    world.make(r#"{"name":"ND","subjects":["nd"]}"#);
    world.make(r#"{"name":"D","subjects":["d.>"]}"#);
    for (body, total, offset, streams) in [
        ("", 2, 0, r#"["D","ND"]"#),
        (r#"{"subject":"d.a"}"#, 1, 0, r#"["D"]"#),
        (r#"{"subject":"zz"}"#, 0, 0, "null"),
        (r#"{"offset":1}"#, 2, 1, r#"["ND"]"#),
        (r#"{"offset":9}"#, 2, 2, "null"),
        (r#"{"offset":-1}"#, 2, 0, r#"["D","ND"]"#),
        ("x", 2, 0, r#"["D","ND"]"#),
    ] {
        let page = format!(r#""total":{total},"offset":{offset},"limit":1024"#);
        let expected = format!(r#"stream_names_response,{page},"streams":{streams}}}"#);
        assert_eq!(world.api("STREAM.NAMES", body), expected, "{body}");
    }
    let empty = r#"stream_list_response,"total":2,"offset":2,"limit":256,"streams":[]}"#;
    assert_eq!(world.api("STREAM.LIST", r#"{"offset":9}"#), empty);
}

#[test]
fn subjects_come_in_pages_and_only_those_asked_for() {
    let mut world = World::new();
    world.make(r#"{"name":"D","subjects":["d.>"]}"#);
    world.fill(&["d.a", "d.b", "d.a", "d.c", "d.b", "d.d.e"]);
    for (body, page, subjects) in [
        ("x", [0, 0, 0], None),
        (r#"{"offset":1}"#, [0, 0, 0], None),
        (r#"{"subjects_filter":">"}"#, [4, 0, 100_000], Some(r#"{"d.a":2,"d.b":2,"d.c":1,"d.d.e":1}"#)),
        (r#"{"subjects_filter":"d.*","offset":2}"#, [3, 2, 100_000], Some(r#"{"d.c":1}"#)),
        (r#"{"subjects_filter":"zz"}"#, [0, 0, 0], None),
        (r#"{"subjects_filter":"a..b"}"#, [0, 0, 0], None),
        (r#"{"subjects_filter":"d.a","offset":9}"#, [1, 9, 100_000], None),
    ] {
        let info = world.api("STREAM.INFO.D", body);
        let [total, offset, limit] = page;
        let head = format!(r#"stream_info_response,"total":{total},"offset":{offset},"limit":{limit},"#);
        assert!(info.starts_with(&head), "{body}: {info}");
        let found = info.split(r#""subjects":{"#).nth(1).map(|rest| rest.split('}').next().unwrap());
        assert_eq!(found.map(|found| format!("{{{found}}}")).as_deref(), subjects, "{body}");
    }
}

#[test]
fn a_change_takes_hold_and_is_told() {
    let mut world = World::new();
    world.make(r#"{"name":"V","subjects":["v"]}"#);
    world.advisories.clear();
    for _ in 0..2 {
        let answer = world.api("STREAM.UPDATE.V", r#"{"name":"V","subjects":["v","w"],"max_msgs":7}"#);
        assert!(answer.starts_with(r#"stream_update_response,"config":{"name":"V","subjects":["v","w"]"#), "{answer}");
    }
    let subjects: Vec<&String> = world.advisories.iter().map(|(subject, _)| subject).collect();
    let (updated, audit) = ("$JS.EVENT.ADVISORY.STREAM.UPDATED.V", "$JS.EVENT.ADVISORY.API");
    assert_eq!(subjects, [updated, audit, updated, audit]);
    let body = &world.advisories[0].1;
    assert!(body.starts_with(r#"{"type":"io.nats.jetstream.advisory.v1.stream_action","id":""#), "{body}");
    assert!(body.ends_with(r#""timestamp":"2026-01-01T00:00:00Z","stream":"V","action":"modify"}"#), "{body}");
    world.fill(&["w", "v"]);
    let refused = r#""description":"stream configuration update can not change storage type""#;
    assert!(world.api("STREAM.UPDATE.V", r#"{"name":"V","storage":"memory"}"#).contains(refused));
    assert_eq!(world.state("V")[0], 2);
}

#[test]
fn a_stream_that_is_deleted_hears_nothing() {
    let mut world = World::new();
    world.make(r#"{"name":"V","subjects":["v"]}"#);
    world.fill(&["v"]);
    assert_eq!(world.api("STREAM.DELETE.V", "{}"), r#"stream_delete_response,"success":true}"#);
    assert_eq!(world.request("v", "", "x").headers, "503");
    let last: Vec<&String> = world.advisories.iter().rev().take(2).map(|(subject, _)| subject).collect();
    assert_eq!(last, ["$JS.EVENT.ADVISORY.API", "$JS.EVENT.ADVISORY.STREAM.DELETED.V"]);
    world.make(r#"{"name":"V","subjects":["v"]}"#);
    assert_eq!(world.state("V"), [0; 6], "a new one of that name begins anew");
}

#[derive(Debug)]
struct Nobody;

impl Listeners for Nobody {
    fn is_heard(&self, _: AccountId, _: &[u8]) -> bool {
        true
    }

    fn is_observed(&self, _: AccountId) -> bool {
        false
    }
}

#[test]
fn what_nobody_watches_is_not_told() {
    let mut world = World::new();
    world.shards[0].set_listeners(Box::new(Nobody));
    world.make(r#"{"name":"V"}"#);
    world.api("CONSUMER.CREATE.V.C", r#"{"stream_name":"V","config":{"name":"C","durable_name":"C"}}"#);
    world.api("STREAM.DELETE.V", "");
    assert!(world.advisories.is_empty());
}

/// One shard, or several, which nobody outside can tell apart.
#[test]
fn several_shards_answer_as_one() {
    let run = |count: usize| {
        let mut world = World::with(count, settings());
        let mut answers = Vec::new();
        for number in 0..7 {
            let name = format!("S{number}");
            answers.push(world.api(&format!("STREAM.CREATE.{name}"), &format!(r#"{{"name":"{name}"}}"#)));
            answers.push(world.put(&name, &[], "x"));
        }
        for operation in
            ["STREAM.LIST", "STREAM.NAMES", "INFO", "STREAM.INFO.S3", "STREAM.PURGE.S4", "STREAM.DELETE.S5"]
        {
            answers.push(world.api(operation, ""));
        }
        for (operation, body) in
            [("STREAM.UPDATE.S6", r#"{"name":"S6","max_msgs":3}"#), ("STREAM.MSG.GET.S6", r#"{"seq":1}"#)]
        {
            answers.push(world.api(operation, body));
        }
        answers.push(world.api("STREAM.LIST", ""));
        answers.push(world.api("INFO", ""));
        answers
    };
    let one = run(1);
    assert!(one.iter().all(|answer| !answer.is_empty()));
    for count in [2, 3, 5] {
        assert_eq!(run(count), one, "{count} shards");
    }
}
