//! Direct gets: the messages, their headers, and every status.

use crate::world::{Received, World, timeless};

fn world() -> World {
    let mut world = World::new();
    world.make(r#"{"name":"D","subjects":["d.>"],"allow_direct":true}"#);
    world.fill(&["d.a", "d.b", "d.a", "d.c", "d.b", "d.d.e"]);
    world.put("d.h", &[("K", "v"), ("Nats-Msg-Id", "i1")], "H");
    world
}

/// A line each: `sequence subject pending last body`, of a batch; `sequence subject body` of one; or the status with its
/// fields.
fn get(world: &mut World, subject: &str, body: &str) -> Vec<String> {
    let received = world.publish(&format!("$JS.API.DIRECT.GET.{subject}"), "_R", "", body).unwrap();
    received.iter().map(line).collect()
}

fn line(message: &Received) -> String {
    let mut lines = message.headers.split("\r\n");
    let first = lines.next().unwrap();
    if let Some(status) = first.strip_prefix("NATS/1.0 ") {
        let fields: String = lines.filter(|line| !line.is_empty()).map(|line| format!("|{line}")).collect();
        return format!("{status}{fields}");
    }
    let field = |name: &str| {
        let found = message.headers.split(&format!("\r\n{name}: ")).nth(1);
        found.map_or(String::new(), |rest| format!("{} ", rest.split("\r\n").next().unwrap()))
    };
    let names = ["Nats-Sequence", "Nats-Subject", "Nats-Num-Pending", "Nats-Last-Sequence"];
    names.map(field).concat() + &message.body
}

fn end(pending: u64, last: u64) -> String {
    format!("204 EOB|Nats-Num-Pending: {pending}|Nats-Last-Sequence: {last}")
}

#[test]
fn each_request_has_its_answer() {
    let mut world = world();
    let up_to = |pending: u64, last: u64, up_to: u64| format!("{}|Nats-UpTo-Sequence: {up_to}", end(pending, last));
    let all = |first_pending: u64| {
        let rows = [(3, "d.a", 0), (4, "d.c", 3), (5, "d.b", 4), (6, "d.d.e", 5)].into_iter().enumerate();
        let mut lines: Vec<String> = rows
            .map(|(index, (sequence, subject, last))| {
                format!("{sequence} {subject} {} {last} b{sequence}", first_pending - u64::try_from(index).unwrap())
            })
            .collect();
        lines.push("7 d.h 0 6 H".to_owned());
        lines.push(up_to(0, 7, 7));
        lines
    };
    let one = |line: &str| vec![line.to_owned()];
    let many = |lines: &[&str], last: String| {
        let mut lines: Vec<String> = lines.iter().map(|line| (*line).to_owned()).collect();
        lines.push(last);
        lines
    };
    let table: Vec<(&str, Vec<String>)> = vec![
        (r#"{"seq":1}"#, one("1 d.a b1")),
        (r#"{"seq":7}"#, one("7 d.h H")),
        (r#"{"seq":99}"#, one("404 Message Not Found")),
        ("{}", one("408 Empty Request")),
        ("", one("408 Empty Request")),
        ("x", one("408 Malformed Request")),
        ("[]", one("408 Malformed Request")),
        (r#"{"seq":0}"#, one("408 Empty Request")),
        (r#"{"last_by_subj":"d.a"}"#, one("3 d.a b3")),
        (r#"{"last_by_subj":"d.*"}"#, one("7 d.h H")),
        (r#"{"last_by_subj":"zz"}"#, one("404 Message Not Found")),
        (r#"{"next_by_subj":"d.b","seq":3}"#, one("5 d.b b5")),
        (r#"{"next_by_subj":"d.b"}"#, one("2 d.b b2")),
        (r#"{"next_by_subj":"d.b","seq":6}"#, one("404 Message Not Found")),
        (r#"{"start_time":"2020-01-01T00:00:00Z"}"#, one("1 d.a b1")),
        (r#"{"start_time":"2099-01-01T00:00:00Z"}"#, one("404 Message Not Found")),
        (r#"{"start_time":"2020-01-01T00:00:00Z","next_by_subj":"d.c"}"#, one("4 d.c b4")),
        (r#"{"seq":7,"no_hdr":true}"#, one("H")),
        (r#"{"batch":2,"seq":1}"#, many(&["1 d.a 6 0 b1", "2 d.b 5 1 b2"], end(5, 2))),
        (r#"{"batch":2,"seq":2,"next_by_subj":"d.a"}"#, many(&["3 d.a 0 0 b3"], end(0, 3))),
        (r#"{"batch":10,"next_by_subj":"d.b"}"#, many(&["2 d.b 1 0 b2", "5 d.b 0 2 b5"], end(0, 5))),
        (r#"{"batch":10}"#, one("408 Empty Request")),
        (r#"{"batch":10,"seq":99}"#, one("404 Message Not Found")),
        (r#"{"batch":-1,"seq":1}"#, one(&end(7, 0))),
        (r#"{"batch":2,"last_by_subj":"d.a"}"#, one("408 Bad Request")),
        (r#"{"batch":6,"seq":1,"max_bytes":5}"#, many(&["1 d.a 6 0 b1"], end(6, 1))),
        (r#"{"batch":6,"seq":1,"max_bytes":6}"#, many(&["1 d.a 6 0 b1", "2 d.b 5 1 b2"], end(5, 2))),
        (r#"{"batch":6,"seq":1,"max_bytes":-5}"#, many(&["1 d.a 6 0 b1"], end(6, 1))),
        (r#"{"seq":1,"max_bytes":70}"#, one("1 d.a b1")),
        (r#"{"multi_last":["d.a","d.b"]}"#, many(&["3 d.a 1 0 b3", "5 d.b 0 3 b5"], up_to(0, 5, 7))),
        (r#"{"multi_last":["d.>"]}"#, all(4)),
        (r#"{"multi_last":["d.>"],"batch":2}"#, many(&["3 d.a 4 0 b3", "4 d.c 3 3 b4"], up_to(3, 4, 7))),
        (
            r#"{"multi_last":["d.>"],"up_to_seq":4}"#,
            many(&["2 d.b 2 0 b2", "3 d.a 1 2 b3", "4 d.c 0 3 b4"], up_to(0, 4, 4)),
        ),
        (r#"{"multi_last":["d.>"],"up_to_time":"2020-01-01T00:00:00Z"}"#, one("404 No Results")),
        (r#"{"multi_last":["d.>"],"up_to_time":"2099-01-01T00:00:00Z"}"#, all(4)),
        (r#"{"multi_last":["zz"]}"#, one("404 No Results")),
        (r#"{"multi_last":["a..b"]}"#, one("404 No Results")),
        (r#"{"multi_last":[]}"#, one("408 Empty Request")),
        (r#"{"multi_last":["d.c"],"up_to_seq":8}"#, one("404 No Results")),
        (r#"{"multi_last":["d.>"],"up_to_seq":4,"up_to_time":"2099-01-01T00:00:00Z"}"#, one("408 Bad Request")),
        (r#"{"multi_last":["d.>"],"seq":3}"#, all(4)),
        (r#"{"multi_last":["d.>"],"seq":3,"batch":1}"#, many(&["3 d.a 4 0 b3"], up_to(4, 3, 7))),
        (r#"{"multi_last":["d.a"],"batch":-4}"#, many(&["3 d.a 0 0 b3"], up_to(0, 3, 7))),
        (r#"{"batch":2,"seq":6,"no_hdr":true}"#, many(&["b6", "H"], end(2, 7))),
        (r#"{"foo":1}"#, one("408 Empty Request")),
        (r#"{"seq":1,"last_by_subj":"d.a"}"#, one("408 Bad Request")),
        (r#"{"last_by_subj":"d.a","next_by_subj":"d.a"}"#, one("408 Bad Request")),
        (r#"{"seq":1,"up_to_seq":5}"#, one("1 d.a b1")),
        (r#"{"multi_last":["d.a"],"last_by_subj":"d.b"}"#, one("408 Bad Request")),
        (r#"{"multi_last":["d.a"],"next_by_subj":"d.b"}"#, one("408 Bad Request")),
        (r#"{"start_time":"2020-01-01T00:00:00Z","seq":1}"#, one("408 Bad Request")),
        (r#"{"start_time":"2099-01-01T00:00:00Z","batch":2}"#, one("404 Message Not Found")),
        (r#"{"batch":2,"next_by_subj":"zz"}"#, one("404 Message Not Found")),
        (r#"{"multi_last":["d.>"],"start_time":"2020-01-01T00:00:00Z"}"#, all(4)),
        (r#"{"last_by_subj":"d.a","start_time":"2020-01-01T00:00:00Z"}"#, one("408 Bad Request")),
        (r#"{"up_to_seq":3}"#, one("408 Empty Request")),
        (r#"{"max_bytes":5}"#, one("408 Empty Request")),
    ];
    for (body, expected) in table {
        assert_eq!(get(&mut world, "D", body), expected, "{body}");
    }
    for (subject, body, expected) in [
        ("D.d.a", "", "3 d.a b3"),
        ("D.zz", "", "404 Message Not Found"),
        ("D.d.*", "", "7 d.h H"),
        ("D.d.>", "", "7 d.h H"),
        ("D.d.h", r#"{"no_hdr":true}"#, "H"),
        ("D.d.a", r#"{"seq":2}"#, "408 Bad Request"),
        ("D.d.a", "x", "408 Malformed Request"),
        ("D.d.a", "{}", "3 d.a b3"),
        ("ZZ", r#"{"seq":1}"#, "503|Nats-Subject: $JS.API.DIRECT.GET.ZZ"),
    ] {
        assert_eq!(get(&mut world, subject, body), [expected], "{subject} {body}");
    }
}

#[test]
fn a_message_comes_with_its_headers_and_where_it_is() {
    let mut world = world();
    let answer = world.request("$JS.API.DIRECT.GET.D", "", r#"{"seq":7}"#);
    let expected = "NATS/1.0\r\nK: v\r\nNats-Msg-Id: i1\r\nNats-Stream: D\r\nNats-Subject: d.h\r\nNats-Sequence: 7\r\n\
                    Nats-Time-Stamp: T\r\n\r\n";
    assert_eq!((timeless(&answer.headers).as_str(), answer.body.as_str()), (expected, "H"));
    let answer = world.request("$JS.API.DIRECT.GET.D", "", r#"{"seq":7,"no_hdr":true}"#);
    assert_eq!((answer.headers.as_str(), answer.body.as_str()), ("", "H"));
}

#[test]
fn a_level_that_is_too_high_is_a_status() {
    let mut world = world();
    let headers = "NATS/1.0\r\nNats-Required-Api-Level: 99\r\n\r\n";
    for subject in ["$JS.API.DIRECT.GET.D", "$JS.API.DIRECT.GET.D.d.a"] {
        assert_eq!(world.request(subject, headers, "").headers, "NATS/1.0 412 Required Api Level\r\n\r\n");
    }
}

#[test]
fn more_than_a_thousand_subjects_are_too_many() {
    let mut world = World::new();
    world.make(r#"{"name":"D","subjects":["d.>"],"allow_direct":true,"storage":"memory"}"#);
    for number in 0..1_024 {
        world.put(&format!("d.{number}"), &[], "");
    }
    assert_eq!(get(&mut world, "D", r#"{"multi_last":["d.>"]}"#).len(), 1_025);
    world.put("d.more", &[], "");
    assert_eq!(get(&mut world, "D", r#"{"multi_last":["d.>"]}"#), ["413 Too Many Results"]);
}

#[test]
fn a_stream_that_allows_none_does_not_listen() {
    let mut world = World::new();
    world.make(r#"{"name":"D","subjects":["d.>"]}"#);
    assert_eq!(get(&mut world, "D", r#"{"seq":1}"#), ["503|Nats-Subject: $JS.API.DIRECT.GET.D"]);
    world.api("STREAM.UPDATE.D", r#"{"name":"D","subjects":["d.>"],"allow_direct":true}"#);
    assert_eq!(get(&mut world, "D", r#"{"seq":1}"#), ["404 Message Not Found"]);
}
