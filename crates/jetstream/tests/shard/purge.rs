//! What a purge leaves.

use crate::world::World;

#[test]
fn a_purge_removes_what_it_names() {
    // Body, number purged, messages, first and last sequence, deleted.
    let table: [(&str, u64, [u64; 4]); 18] = [
        ("", 6, [0, 7, 6, 0]),
        ("{}", 6, [0, 7, 6, 0]),
        ("x", 6, [0, 7, 6, 0]),
        (r#"{"keep":2}"#, 4, [2, 5, 6, 0]),
        (r#"{"keep":5}"#, 1, [5, 2, 6, 0]),
        (r#"{"keep":0}"#, 6, [0, 7, 6, 0]),
        (r#"{"keep":99}"#, 0, [6, 1, 6, 0]),
        (r#"{"seq":4}"#, 3, [3, 4, 6, 0]),
        (r#"{"seq":1}"#, 0, [6, 1, 6, 0]),
        (r#"{"seq":7}"#, 6, [0, 7, 6, 0]),
        (r#"{"seq":100}"#, 6, [0, 100, 99, 0]),
        (r#"{"filter":"q.a"}"#, 3, [3, 2, 6, 2]),
        (r#"{"filter":"q.a","keep":1}"#, 2, [4, 2, 6, 1]),
        (r#"{"filter":"q.a","seq":4}"#, 2, [4, 2, 6, 1]),
        (r#"{"filter":"q.*","keep":2}"#, 4, [2, 5, 6, 0]),
        (r#"{"filter":"zz"}"#, 0, [6, 1, 6, 0]),
        (r#"{"filter":">"}"#, 6, [0, 7, 6, 0]),
        (r#"{"filter":"q.a","keep":9}"#, 0, [6, 1, 6, 0]),
    ];
    for storage in ["file", "memory"] {
        for (body, purged, expected) in table {
            let mut world = World::new();
            world.make(&format!(r#"{{"name":"Q","subjects":["q.>"],"storage":"{storage}"}}"#));
            world.fill(&["q.a", "q.b", "q.a", "q.c", "q.b", "q.a"]);
            let answer = world.api("STREAM.PURGE.Q", body);
            assert_eq!(answer, format!(r#"stream_purge_response,"success":true,"purged":{purged}}}"#), "{body}");
            let [messages, _, first, last, deleted, _] = world.state("Q");
            assert_eq!([messages, first, last, deleted], expected, "{body}");
        }
    }
}

#[test]
fn a_purge_moves_an_empty_stream() {
    let mut world = World::new();
    world.make(r#"{"name":"Q","subjects":["q.>"]}"#);
    let ends = |state: [u64; 6]| [state[2], state[3]];
    assert_eq!(ends(world.state("Q")), [0, 0]);
    world.api("STREAM.PURGE.Q", r#"{"seq":100}"#);
    assert_eq!(ends(world.state("Q")), [100, 99]);
    assert_eq!(world.put("q.a", &[], ""), r#"{"stream":"Q","seq":100}"#);
    world.api("STREAM.PURGE.Q", "");
    assert_eq!(ends(world.state("Q")), [101, 100]);
    world.api("STREAM.PURGE.Q", r#"{"seq":50}"#);
    assert_eq!(ends(world.state("Q")), [101, 100]);
    world.api("STREAM.PURGE.Q", r#"{"seq":500}"#);
    assert_eq!(ends(world.state("Q")), [500, 499]);
}

#[test]
fn what_cannot_be_purged_is_refused() {
    let mut world = World::new();
    world.make(r#"{"name":"Q","subjects":["q.>"],"deny_purge":true}"#);
    let both = r#"{"seq":3,"keep":1}"#;
    let error = |code: u16, err_code: u16, text: &str| {
        let error = format!(r#"{{"code":{code},"err_code":{err_code},"description":"{text}"}}"#);
        format!(r#"stream_purge_response,"error":{error},"purged":0}}"#)
    };
    let bad = error(400, 10003, "bad request");
    let unknown = error(400, 10025, r#"invalid JSON: json: unknown field \"foo\""#);
    let missing = error(404, 10059, "stream not found");
    let denied = error(500, 10110, "stream purge not permitted");
    for (stream, body, expected) in [
        ("Q", both, &bad),
        ("ZZ", both, &bad),
        ("Q", r#"{"foo":1}"#, &unknown),
        ("ZZ", r#"{"foo":1}"#, &unknown),
        ("ZZ", "x", &missing),
        ("Q", "x", &denied),
    ] {
        assert_eq!(world.api(&format!("STREAM.PURGE.{stream}"), body), *expected, "{stream} {body}");
    }
}
