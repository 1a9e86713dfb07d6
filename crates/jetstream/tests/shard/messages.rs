//! Single messages, read and deleted through the API.

use crate::world::{World, timeless};

fn world() -> World {
    let mut world = World::new();
    world.make(r#"{"name":"D","subjects":["d.>"],"allow_direct":true,"allow_rollup_hdrs":true}"#);
    world.fill(&["d.a", "d.b", "d.a", "d.c", "d.b", "d.d.e"]);
    world.put("d.h", &[("K", "v"), ("Nats-Msg-Id", "i1")], "H");
    world
}

fn error(code: u16, err_code: u16, text: &str) -> String {
    format!(r#"stream_msg_get_response,"error":{{"code":{code},"err_code":{err_code},"description":"{text}"}}}}"#)
}

fn found(subject: &str, sequence: u64, headers: &str, data: &str) -> String {
    let message = format!(r#""subject":"{subject}","seq":{sequence},{headers}"data":"{data}","time":"T""#);
    format!(r#"stream_msg_get_response,"message":{{{message}}}}}"#)
}

#[test]
fn a_message_is_found_as_it_is_named() {
    let mut world = world();
    let none = error(404, 10037, "no message found");
    let bad = error(400, 10003, "bad request");
    let json = |text: &str| error(400, 10025, &format!("invalid JSON: {text}"));
    let h = r#""hdrs":"TkFUUy8xLjANCks6IHYNCk5hdHMtTXNnLUlkOiBpMQ0KDQo=","#;
    for (body, expected) in [
        (r#"{"seq":1}"#, found("d.a", 1, "", "YjE=")),
        (r#"{"seq":7}"#, found("d.h", 7, h, "SA==")),
        (r#"{"seq":99}"#, none.clone()),
        ("{}", bad.clone()),
        ("", bad.clone()),
        ("x", json("invalid character 'x' looking for beginning of value at offset 1")),
        ("[]", json("json: cannot unmarshal array into Go value of type server.JSApiMsgGetRequest")),
        (r#"{"seq":0}"#, bad.clone()),
        (r#"{"last_by_subj":"d.a"}"#, found("d.a", 3, "", "YjM=")),
        (r#"{"last_by_subj":"d.*"}"#, found("d.h", 7, h, "SA==")),
        (r#"{"last_by_subj":"zz"}"#, none.clone()),
        (r#"{"next_by_subj":"d.b","seq":3}"#, found("d.b", 5, "", "YjU=")),
        (r#"{"next_by_subj":"d.b"}"#, found("d.b", 2, "", "YjI=")),
        (r#"{"next_by_subj":"d.b","seq":6}"#, none.clone()),
        (r#"{"start_time":"2020-01-01T00:00:00Z"}"#, found("d.a", 1, "", "YjE=")),
        (r#"{"start_time":"2099-01-01T00:00:00Z"}"#, none.clone()),
        (r#"{"start_time":"2020-01-01T00:00:00Z","next_by_subj":"d.c"}"#, found("d.c", 4, "", "YjQ=")),
        (r#"{"seq":7,"no_hdr":true}"#, found("d.h", 7, "", "SA==")),
        (r#"{"batch":2,"seq":1}"#, bad.clone()),
        (r#"{"foo":1}"#, json(r#"json: unknown field \"foo\""#)),
        (r#"{"last_by_subj":"a..b"}"#, none),
    ] {
        assert_eq!(timeless(&world.api("STREAM.MSG.GET.D", body)), expected, "{body}");
    }
    for (body, expected) in
        [(r#"{"seq":1}"#, error(404, 10059, "stream not found")), ("", bad.clone()), (r#"{"batch":1}"#, bad)]
    {
        assert_eq!(world.api("STREAM.MSG.GET.ZZ", body), expected, "{body}");
    }
}

#[test]
fn a_message_is_deleted_once() {
    let mut world = world();
    let error = |code: u16, err_code: u16, text: &str| {
        format!(
            r#"stream_msg_delete_response,"error":{{"code":{code},"err_code":{err_code},"description":"{text}"}}}}"#
        )
    };
    let done = r#"stream_msg_delete_response,"success":true}"#.to_owned();
    for (body, expected) in [
        (r#"{"seq":3}"#, done.clone()),
        (r#"{"seq":3}"#, error(400, 10043, "sequence 3 not found")),
        (r#"{"seq":99}"#, error(500, 10057, "stream store EOF")),
        (r#"{"seq":0}"#, error(500, 10057, "no message found")),
        ("", error(400, 10003, "bad request")),
        ("{}", error(400, 10003, "bad request")),
        (r#"{"seq":1,"foo":2}"#, error(400, 10025, r#"invalid JSON: json: unknown field \"foo\""#)),
        (r#"{"seq":2,"no_erase":true}"#, done),
    ] {
        assert_eq!(world.api("STREAM.MSG.DELETE.D", body), expected, "{body}");
    }
    assert_eq!(world.state("D"), [5, 215, 1, 7, 2, 5]);
    let info = world.api("STREAM.INFO.D", r#"{"deleted_details":true}"#);
    assert!(info.contains(r#""num_deleted":2,"deleted":[2,3],"#), "{info}");
    world.api("STREAM.PURGE.D", "");
    assert_eq!(world.api("STREAM.MSG.DELETE.D", r#"{"seq":1}"#), error(500, 10057, "no message found"));
    assert_eq!(world.api("STREAM.MSG.DELETE.ZZ", r#"{"seq":1}"#), error(404, 10059, "stream not found"));
}

#[test]
fn deleting_at_the_ends_moves_the_first_and_not_the_last() {
    let mut world = World::new();
    world.make(r#"{"name":"Q","subjects":["q.>"]}"#);
    world.fill(&["q.a", "q.b", "q.a"]);
    for (sequence, expected) in [(3, [2, 70, 1, 3, 1, 2]), (1, [1, 35, 2, 3, 1, 1]), (2, [0, 0, 4, 3, 0, 0])] {
        world.api("STREAM.MSG.DELETE.Q", &format!(r#"{{"seq":{sequence}}}"#));
        assert_eq!(world.state("Q"), expected, "{sequence}");
    }
}

#[test]
fn what_may_not_be_deleted_stays() {
    let mut world = World::new();
    world.make(r#"{"name":"Q","subjects":["q.>"],"deny_delete":true}"#);
    world.fill(&["q.a"]);
    let refused = r#"stream_msg_delete_response,"error":{"code":500,"err_code":10057,"description":"message delete not permitted"}}"#;
    for sequence in [1, 9] {
        let body = format!(r#"{{"seq":{sequence}}}"#);
        assert_eq!(world.api("STREAM.MSG.DELETE.Q", &body), refused);
    }
    world.api("STREAM.UPDATE.Q", r#"{"name":"Q","subjects":["q.>"],"sealed":true,"deny_delete":true}"#);
    let sealed = r#""error":{"code":400,"err_code":10109,"description":"invalid operation on sealed stream"}"#;
    let body = r#"{"seq":1}"#;
    assert_eq!(world.api("STREAM.MSG.DELETE.Q", body), format!("stream_msg_delete_response,{sealed}}}"));
    assert_eq!(world.api("STREAM.PURGE.Q", ""), format!("stream_purge_response,{sealed},\"purged\":0}}"));
}
