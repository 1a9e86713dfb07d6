//! Consumers of a stream, through the API: made, asked, acknowledged, and what is kept for them.

use std::time::Duration;

use crate::world::{Received, World, settings, timeless};

fn create(world: &mut World, stream: &str, name: &str, rest: &str) -> String {
    let config = format!(r#"{{"name":"{name}","durable_name":"{name}"{rest}}}"#);
    let body = format!(r#"{{"stream_name":"{stream}","config":{config}}}"#);
    timeless(&world.api(&format!("CONSUMER.CREATE.{stream}.{name}"), &body))
}

const EXPLICIT: &str = r#","ack_policy":"explicit""#;

fn next(world: &mut World, stream: &str, consumer: &str, body: &str) -> Vec<Received> {
    world.delivered.clear();
    world.publish(&format!("$JS.API.CONSUMER.MSG.NEXT.{stream}.{consumer}"), "_R", "", body).unwrap()
}

fn bodies(received: &[Received]) -> Vec<String> {
    received.iter().map(|got| if got.body.is_empty() { got.headers.clone() } else { got.body.clone() }).collect()
}

fn ack(world: &mut World, index: usize, body: &str) -> Vec<Received> {
    let subject = world.delivered[index].clone();
    world.publish(&subject, "_A", "", body).unwrap()
}

fn world() -> World {
    let mut world = World::new();
    world.make(r#"{"name":"S","subjects":["s.>"]}"#);
    world.fill(&["s.a", "s.b", "s.a"]);
    world
}

#[test]
fn a_consumer_is_made_changed_and_shown() {
    let mut world = world();
    let config = |description: &str, metadata: &str| {
        let head =
            format!(r#""durable_name":"C","name":"C",{description}"deliver_policy":"all","ack_policy":"explicit""#);
        let rest = r#""ack_wait":30000000000,"max_deliver":-1,"replay_policy":"instant","max_waiting":512"#;
        format!(r#"{{{head},{rest},"max_ack_pending":1000,"num_replicas":0,"metadata":{{{metadata}}}}}"#)
    };
    let shown = r#""_nats.level":"5","_nats.req.level":"0","_nats.ver":"2.15.1""#;
    let info = |config: &str| {
        let places = r#""delivered":{"consumer_seq":0,"stream_seq":0},"ack_floor":{"consumer_seq":0,"stream_seq":0}"#;
        let counts = r#""num_ack_pending":0,"num_redelivered":0,"num_waiting":0,"num_pending":3,"ts":"T""#;
        format!(r#""stream_name":"S","name":"C","created":"T","config":{config},{places},{counts}}}"#)
    };
    let made = format!("consumer_create_response,{}", info(&config("", shown)));
    assert_eq!(create(&mut world, "S", "C", EXPLICIT), made);
    assert_eq!(create(&mut world, "S", "C", EXPLICIT), made, "the same again");
    let told: Vec<&str> = world.advisories.iter().map(|(subject, _)| subject.as_str()).collect();
    assert_eq!(told.iter().filter(|subject| **subject == "$JS.EVENT.ADVISORY.CONSUMER.CREATED.S.C").count(), 1);
    let described = config(r#""description":"d","#, shown);
    let changed = create(&mut world, "S", "C", r#","ack_policy":"explicit","description":"d""#);
    assert_eq!(changed, format!("consumer_create_response,{}", info(&described)));
    let asked = timeless(&world.api("CONSUMER.INFO.S.C", ""));
    assert_eq!(asked, format!("consumer_info_response,{}", info(&described)));
    let listed = info(&config(r#""description":"d","#, r#""_nats.req.level":"0""#));
    let page = r#""total":1,"offset":0,"limit":256"#;
    assert_eq!(
        timeless(&world.api("CONSUMER.LIST.S", "")),
        format!("consumer_list_response,{page},\"consumers\":[{{{listed}]}}")
    );
    assert!(world.api("STREAM.INFO.S", "").contains(r#""consumer_count":1}"#));
    assert!(world.api("INFO", "").contains(r#""streams":1,"consumers":1,"#));
    let unnamed = world.api("CONSUMER.CREATE.S", r#"{"stream_name":"S","config":{"ack_policy":"explicit"}}"#);
    let name = unnamed.split(r#""name":""#).nth(1).unwrap().split('"').next().unwrap().to_owned();
    assert_eq!(name.len(), 8);
    let old = world.api("CONSUMER.DURABLE.CREATE.S.H", r#"{"stream_name":"S","config":{"durable_name":"H"}}"#);
    assert!(old.contains(r#""config":{"durable_name":"H","name":"H","deliver_policy":"all""#), "{old}");
    let mut names = ["C", "H", &name];
    names.sort_unstable();
    let expected = format!(r#""consumers":["{}"]}}"#, names.join("\",\""));
    assert!(world.api("CONSUMER.NAMES.S", "").ends_with(&expected));
}

#[test]
fn requests_that_are_wrong_are_answered_in_order() {
    let mut world = world();
    create(&mut world, "S", "C", EXPLICIT);
    world.make(r#"{"name":"L","subjects":["l"],"max_consumers":1}"#);
    create(&mut world, "L", "A", "");
    world.make(r#"{"name":"W","subjects":["w.>"],"retention":"workqueue"}"#);
    create(&mut world, "W", "A", r#","ack_policy":"explicit","filter_subject":"w.a""#);
    let request = |stream: &str, name: &str, rest: &str, action: &str| {
        let config = format!(r#"{{"name":"{name}","durable_name":"{name}"{rest}}}"#);
        format!(r#"{{"stream_name":"{stream}","config":{config}{action}}}"#)
    };
    let (no_json, unknown) = (
        "invalid JSON: invalid character 'x' looking for beginning of value at offset 1",
        r#"invalid JSON: json: unknown field \"foo\""#,
    );
    let page = r#","total":0,"offset":0,"limit":0,"consumers":[]"#;
    let paused = r#","paused":false,"pause_until":"0001-01-01T00:00:00Z""#;
    let described = r#","ack_policy":"explicit","description":"d""#;
    let at = |filter: &str| format!(r#","ack_policy":"explicit","filter_subject":"{filter}""#);
    let mismatch = "stream name in subject does not match request";
    let not_unique = "filtered consumer not unique on workqueue stream";
    let unfiltered = "multiple non-filtered consumers not allowed on workqueue stream";
    let table: Vec<(&str, String, u16, u16, &str, &str)> = vec![
        (
            "CREATE.S.C",
            request("S", "C", described, r#","action":"create""#),
            400,
            10148,
            "consumer already exists",
            "",
        ),
        ("CREATE.S.C", request("S", "C", "", ""), 500, 10012, "ack policy can not be updated", ""),
        ("CREATE.S.N", request("S", "N", "", r#","action":"update""#), 400, 10149, "consumer does not exist", ""),
        ("CREATE.ZZ.N", request("ZZ", "N", "", ""), 404, 10059, "stream not found", ""),
        ("CREATE.ZZ.N", "x".to_owned(), 400, 10025, no_json, ""),
        ("CREATE.S.N", String::new(), 400, 10056, mismatch, ""),
        ("CREATE.S.N", r#"{"stream_name":"T"}"#.to_owned(), 400, 10056, mismatch, ""),
        ("CREATE.S.N", r#"{"stream_name":"S","foo":1}"#.to_owned(), 400, 10025, unknown, ""),
        ("CREATE.L.B", request("L", "B", "", ""), 400, 10026, "maximum consumers limit reached", ""),
        ("CREATE.W.B", request("W", "B", &at("w.*"), ""), 400, 10100, not_unique, ""),
        ("CREATE.W.B", request("W", "B", EXPLICIT, ""), 400, 10099, unfiltered, ""),
        ("NAMES.S", r#"{"foo":1}"#.to_owned(), 400, 10025, unknown, page),
        ("NAMES.ZZ", "x".to_owned(), 404, 10059, "stream not found", page),
        ("NAMES.ZZ", r#"{"foo":1}"#.to_owned(), 400, 10025, unknown, page),
        ("LIST.ZZ", String::new(), 404, 10059, "stream not found", page),
        ("INFO.S.C", "x".to_owned(), 400, 10038, "expected an empty request payload", ""),
        ("INFO.ZZ.C", "x".to_owned(), 400, 10038, "expected an empty request payload", ""),
        ("INFO.S.ZZ", String::new(), 404, 10014, "consumer not found", ""),
        ("INFO.ZZ.C", String::new(), 404, 10059, "stream not found", ""),
        ("DELETE.S.ZZ", String::new(), 404, 10014, "consumer not found", ""),
        ("DELETE.S.ZZ", "x".to_owned(), 400, 10038, "expected an empty request payload", ""),
        ("DELETE.ZZ.ZZ", String::new(), 404, 10059, "stream not found", ""),
        ("PAUSE.S.C", r#"{"foo":1}"#.to_owned(), 400, 10025, unknown, paused),
        ("PAUSE.S.ZZ", String::new(), 404, 10014, "consumer not found", paused),
        ("PAUSE.ZZ.C", "x".to_owned(), 404, 10059, "stream not found", paused),
        ("UNPIN.S.C", String::new(), 400, 10025, "invalid JSON: unexpected end of JSON input", ""),
        ("UNPIN.ZZ.C", String::new(), 400, 10025, "invalid JSON: unexpected end of JSON input", ""),
        ("UNPIN.S.ZZ", r#"{"group":"g"}"#.to_owned(), 404, 10014, "consumer not found", ""),
        (
            "UNPIN.S.C",
            r#"{"group":"g"}"#.to_owned(),
            400,
            10160,
            "Provided priority group does not exist for this consumer",
            "",
        ),
        ("LEADER.STEPDOWN.S.C", String::new(), 503, 10010, "JetStream clustering support required", ""),
    ];
    for (operation, body, code, err_code, text, rest) in table {
        let kind = match operation.split('.').next().unwrap() {
            "LEADER" => "leader_stepdown".to_owned(),
            word => word.to_lowercase(),
        };
        let error = format!(r#"{{"code":{code},"err_code":{err_code},"description":"{text}"}}"#);
        let expected = format!(r#"consumer_{kind}_response,"error":{error}{rest}}}"#);
        assert_eq!(world.api(&format!("CONSUMER.{operation}"), &body), expected, "{operation} {body}");
    }
    for operation in ["RESET.S.ZZ", "RESET.ZZ.C"] {
        assert_eq!(world.api(&format!("CONSUMER.{operation}"), ""), "", "{operation}");
    }
    for (stream, consumer) in [("S", "ZZ"), ("ZZ", "ZZ")] {
        let nobody = format!("NATS/1.0 503\r\nNats-Subject: $JS.API.CONSUMER.MSG.NEXT.{stream}.{consumer}\r\n\r\n");
        assert_eq!(bodies(&next(&mut world, stream, consumer, "")), [nobody]);
    }
}

#[test]
fn messages_are_pulled_and_acknowledged() {
    let mut world = world();
    create(&mut world, "S", "C", EXPLICIT);
    assert_eq!(bodies(&next(&mut world, "S", "C", "2")), ["b1", "b2"]);
    assert!(world.delivered[0].starts_with("$JS.ACK.S.C.1.1.1."), "{:?}", world.delivered);
    let confirmed = ack(&mut world, 0, "");
    assert_eq!((confirmed.len(), confirmed[0].subject.as_str()), (1, "_A"));
    let info = world.api("CONSUMER.INFO.S.C", "");
    assert!(info.contains(r#""ack_floor":{"consumer_seq":1,"stream_seq":1,"#), "{info}");
    assert!(info.contains(r#""num_ack_pending":1,"num_redelivered":0,"num_waiting":0,"num_pending":1,"#), "{info}");
    // Who waits gets what comes, in the turn in which it comes.
    assert_eq!(bodies(&next(&mut world, "S", "C", "2")), ["b3"]);
    let received = world.publish("s.new", "_R", "", "new").unwrap();
    assert_eq!(bodies(&received), [r#"{"stream":"S","seq":4}"#, "new"]);
    // What is not acknowledged comes again.
    world.received.clear();
    next(&mut world, "S", "C", "9");
    world.pass(Duration::from_secs(30));
    let again = bodies(&std::mem::take(&mut world.received));
    assert_eq!(again, ["b2", "b3", "new"]);
}

#[test]
fn messages_are_pushed_to_who_listens() {
    let mut world = world();
    create(&mut world, "S", "P", r#","deliver_subject":"push","ack_policy":"none""#);
    assert!(world.received.is_empty());
    world.heard.insert("push".to_owned());
    let deliver = r#","deliver_subject":"push","ack_policy":"none","filter_subject":"s.a""#;
    let body = format!(r#"{{"stream_name":"S","config":{{"name":"Q","durable_name":"Q"{deliver}}}}}"#);
    let received = world.publish("$JS.API.CONSUMER.CREATE.S.Q", "_R", "", &body).unwrap();
    assert_eq!(bodies(&received[1..]), ["b1", "b3"]);
    let received = world.publish("s.a", "", "", "more").unwrap();
    assert_eq!(received.iter().map(|got| got.subject.as_str()).collect::<Vec<_>>(), ["push"]);
    assert!(world.publish("s.b", "", "", "no").unwrap().is_empty());
}

#[test]
fn a_work_queue_gives_each_message_away_once() {
    let mut world = World::new();
    world.make(r#"{"name":"W","subjects":["w.>"],"retention":"workqueue"}"#);
    world.fill(&["w.a", "w.b", "w.a"]);
    create(&mut world, "W", "A", r#","ack_policy":"explicit","filter_subject":"w.a""#);
    assert_eq!(bodies(&next(&mut world, "W", "A", "5")), ["b1", "b3"]);
    ack(&mut world, 0, "");
    assert_eq!(world.state("W"), [2, 70, 2, 3, 0, 2]);
    ack(&mut world, 1, "+TERM");
    assert_eq!(world.state("W"), [1, 35, 2, 3, 1, 1], "what nobody asks for stays");
}

#[test]
fn a_stream_of_interest_keeps_what_somebody_wants() {
    let mut world = World::new();
    world.make(r#"{"name":"I","subjects":["i.>"],"retention":"interest"}"#);
    create(&mut world, "I", "A", r#","ack_policy":"explicit","filter_subject":"i.a""#);
    for subject in ["i.a", "i.b", "i.a"] {
        world.put(subject, &[], "b1");
    }
    assert_eq!(world.state("I"), [2, 70, 1, 3, 1, 1]);
    world.api("CONSUMER.DELETE.I.A", "");
    assert_eq!(world.state("I"), [0, 0, 4, 3, 0, 0]);
    create(&mut world, "I", "A", EXPLICIT);
    create(&mut world, "I", "B", EXPLICIT);
    world.put("i.a", &[], "b1");
    world.put("i.b", &[], "b2");
    next(&mut world, "I", "A", "2");
    ack(&mut world, 0, "");
    assert_eq!(world.state("I")[0], 2, "the other one did not");
    next(&mut world, "I", "B", "2");
    ack(&mut world, 0, "");
    assert_eq!(world.state("I"), [1, 35, 5, 5, 0, 1]);
    world.api("STREAM.PURGE.I", "");
    let info = world.api("CONSUMER.INFO.I.A", "");
    assert!(info.contains(r#""num_pending":0"#), "{info}");
    assert!(
        info.contains(r#""ack_floor":{"consumer_seq":0,"stream_seq":5"#) || info.contains(r#""stream_seq":5"#),
        "{info}"
    );
}

#[test]
fn a_change_of_a_stream_looks_at_its_consumers() {
    for count in [1, 3] {
        let mut world = World::with(count, settings());
        for stream in ["S", "T"] {
            world.make(&format!(r#"{{"name":"{stream}"}}"#));
            world.fill(&[stream, stream, stream]);
        }
        create(&mut world, "T", "C", EXPLICIT);
        let limited = r#"{"name":"T","consumer_limits":{"max_ack_pending":10}}"#;
        let error = r#"{"code":500,"err_code":10069,"description":"change to limits violates consumers: C"}"#;
        let refused = format!(r#"stream_update_response,"error":{error}}}"#);
        assert_eq!(world.api("STREAM.UPDATE.T", limited), refused);
        let threshold = r#"{"name":"T","consumer_limits":{"inactive_threshold":1000000000}}"#;
        assert!(
            world.api("STREAM.UPDATE.T", threshold).contains(r#""consumer_limits":{"inactive_threshold":1000000000}"#)
        );
        // From now on only what somebody wants is kept.
        world.api("STREAM.UPDATE.S", r#"{"name":"S","retention":"interest"}"#);
        assert_eq!(world.state("S"), [0, 0, 4, 3, 0, 0]);
        world.api("STREAM.UPDATE.T", r#"{"name":"T","retention":"interest"}"#);
        assert_eq!(world.state("T")[0], 3);
        world.api("CONSUMER.DELETE.T.C", "");
        assert_eq!(world.state("T"), [0, 0, 4, 3, 0, 0]);
    }
}

#[test]
fn a_consumer_is_as_durable_as_its_stream() {
    let mut world = world();
    create(&mut world, "S", "C", EXPLICIT);
    create(&mut world, "S", "M", r#","ack_policy":"explicit","mem_storage":true"#);
    next(&mut world, "S", "C", "2");
    ack(&mut world, 0, "");
    let before = timeless(&world.api("CONSUMER.INFO.S.C", ""));
    let listening = world.listening.clone();
    world.shards = world.replay(1, &settings());
    world.shards[0].recovered(&mut firn_jetstream::effect::Effects::new());
    world.listening = listening;
    assert_eq!(timeless(&world.api("CONSUMER.INFO.S.C", "")), before);
    assert!(world.api("CONSUMER.NAMES.S", "").ends_with(r#""consumers":["C"]}"#));
    assert_eq!(bodies(&next(&mut world, "S", "C", "5")), ["b3"]);
}

#[test]
fn a_filter_that_was_changed_holds_after_a_restart() {
    let mut world = world();
    create(&mut world, "S", "C", r#","ack_policy":"explicit","filter_subject":"s.a","deliver_policy":"new""#);
    create(&mut world, "S", "C", r#","ack_policy":"explicit","filter_subject":"s.b","deliver_policy":"new""#);
    let listening = world.listening.clone();
    world.shards = world.replay(1, &settings());
    world.shards[0].recovered(&mut firn_jetstream::effect::Effects::new());
    world.listening = listening;
    next(&mut world, "S", "C", "2");
    assert!(world.publish("s.a", "", "", "no").unwrap().is_empty());
    assert_eq!(bodies(&world.publish("s.b", "", "", "yes").unwrap()), ["yes"]);
}

#[test]
fn a_consumer_without_a_client_is_deleted() {
    let mut world = world();
    let body = r#"{"stream_name":"S","config":{"name":"E","ack_policy":"explicit","inactive_threshold":1000000000}}"#;
    world.api("CONSUMER.CREATE.S.E", body);
    world.pass(Duration::from_millis(900));
    assert!(world.api("CONSUMER.NAMES.S", "").contains(r#"["E"]"#));
    for _ in 0..30 {
        world.pass(Duration::from_millis(100));
    }
    assert!(world.api("CONSUMER.NAMES.S", "").contains(r#""consumers":[]"#));
    let told = world.advisories.iter().any(|(subject, _)| subject == "$JS.EVENT.ADVISORY.CONSUMER.DELETED.S.E");
    assert!(told);
}

/// An append is the same work however many consumers wait for nothing.
#[test]
fn idle_consumers_cost_an_append_nothing() {
    let mut world = World::new();
    world.make(r#"{"name":"S","subjects":["s.>"],"storage":"memory","max_consumers":-1}"#);
    for number in 0..900 {
        create(&mut world, "S", &format!("C{number}"), "");
    }
    world.received.clear();
    let received = world.publish("s.a", "_R", "", "x").unwrap();
    assert_eq!(received.len(), 1);
    assert!(world.shards[0].deadline().is_none(), "nobody was called");
}
