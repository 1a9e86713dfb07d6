//! What accounts use, and may use.

use firn_api::account::AccountLimits;
use firn_auth::account::AccountId;
use firn_jetstream::settings::Settings;

use crate::world::{World, settings};

const A: AccountId = AccountId(7);
const B: AccountId = AccountId(8);

fn world(count: usize) -> World {
    let bounds = Settings { memory_bytes_max: 102_400, storage_bytes_max: 204_800, ..settings() };
    let mut world = World::with(count, bounds);
    let limits = AccountLimits {
        max_memory: 10_240,
        max_storage: 20_480,
        max_streams: 4,
        max_consumers: 3,
        ..AccountLimits::unlimited()
    };
    world.set_account(A, "A", Some(limits));
    world.set_account(B, "B", None);
    world
}

fn info(numbers: [u64; 5], calls: [u64; 2]) -> String {
    let [memory, storage, reserved_memory, reserved_storage, streams] = numbers;
    let [total, errors] = calls;
    let used = format!(
        r#""memory":{memory},"storage":{storage},"reserved_memory":{reserved_memory},"reserved_storage":{reserved_storage}"#
    );
    let own = r#""max_memory":10240,"max_storage":20480,"max_streams":4,"max_consumers":3,"max_ack_pending":-1"#;
    let of_stream = r#""memory_max_stream_bytes":-1,"storage_max_stream_bytes":-1,"max_bytes_required":false"#;
    let limits = format!("{{{own},{of_stream}}}");
    let api = format!(r#"{{"level":5,"total":{total},"errors":{errors}}}"#);
    format!(r#"account_info_response,{used},"streams":{streams},"consumers":0,"limits":{limits},"api":{api}}}"#)
}

#[test]
fn an_account_has_its_limits() {
    for count in [1, 3] {
        let mut world = world(count);
        world.in_account(A);
        let z = "z".repeat(3_000);
        let refusal = |world: &mut World, name: &str, rest: &str| {
            let answer = world.api(&format!("STREAM.CREATE.{name}"), &format!(r#"{{"name":"{name}"{rest}}}"#));
            answer.split("\"description\":\"").nth(1).map(|rest| rest.split('"').next().unwrap().to_owned())
        };
        let storage = Some("insufficient storage resources available".to_owned());
        assert_eq!(world.api("INFO", ""), info([0; 5], [0, 0]));
        let memory = Some("insufficient memory resources available".to_owned());
        assert_eq!(refusal(&mut world, "A1", r#","storage":"memory","max_bytes":20000"#), memory);
        assert_eq!(refusal(&mut world, "A1", r#","max_bytes":30000"#), storage);
        assert_eq!(refusal(&mut world, "A1", r#","max_bytes":15000"#), None);
        assert_eq!(refusal(&mut world, "A2", r#","max_bytes":15000"#), storage);
        assert_eq!(refusal(&mut world, "A3", r#","storage":"memory","max_msgs":1"#), None);
        assert_eq!(world.api("INFO", ""), info([0, 0, 0, 15_000, 2], [6, 3]));
        for sequence in 1..=5 {
            assert_eq!(world.put("A3", &[], &z), format!(r#"{{"stream":"A3","seq":{sequence}}}"#));
        }
        assert_eq!(refusal(&mut world, "A4", r#","storage":"memory""#), None);
        for sequence in 1..=2 {
            assert_eq!(world.put("A4", &[], &z), format!(r#"{{"stream":"A4","seq":{sequence}}}"#));
        }
        let full = r#"{"error":{"code":400,"err_code":10002,"description":"resource limits exceeded for account"},"stream":"A4","seq":0}"#;
        assert_eq!(world.put("A4", &[], &z), full);
        assert_eq!(refusal(&mut world, "A5", ""), None);
        assert_eq!(refusal(&mut world, "A6", ""), Some("maximum number of streams reached".to_owned()));
        let update = world.api("STREAM.UPDATE.A1", r#"{"name":"A1","max_bytes":25000}"#);
        assert!(update.contains("\"err_code\":10047"), "{update}");
        assert_eq!(world.api("INFO", ""), info([9_054, 0, 0, 15_000, 4], [11, 5]));
        // What is deleted makes room.
        world.api("STREAM.DELETE.A3", "");
        assert!(world.put("A4", &[], &z).contains("\"seq\":3"));
    }
}

#[test]
fn an_account_without_jetstream_hears_so() {
    let mut world = world(1);
    world.in_account(B);
    let error = r#""error":{"code":503,"err_code":10039,"description":"JetStream not enabled for account"}"#;
    for (operation, body, kind, rest) in [
        ("INFO", "", "account_info", ""),
        ("STREAM.CREATE.X", r#"{"name":"X"}"#, "stream_create", ""),
        ("STREAM.NAMES", "", "stream_names", r#","total":0,"offset":0,"limit":0,"streams":null"#),
        ("STREAM.INFO.X", "", "stream_info", r#","total":0,"offset":0,"limit":0"#),
        ("STREAM.DELETE.X", "", "stream_delete", ""),
    ] {
        assert_eq!(world.api(operation, body), format!("{kind}_response,{error}{rest}}}"), "{operation}");
    }
}

#[test]
fn a_server_has_its_limits() {
    let mut world = world(1);
    world.make(r#"{"name":"C2","storage":"memory"}"#);
    let big = r#"{"name":"C1","max_bytes":300000}"#;
    assert!(world.api("STREAM.CREATE.C1", big).contains("\"err_code\":10047"));
    let z = "z".repeat(30_000);
    for sequence in 1..=4 {
        assert_eq!(world.put("C2", &[], &z), format!(r#"{{"stream":"C2","seq":{sequence}}}"#));
    }
    let full =
        r#"{"error":{"code":503,"err_code":10023,"description":"insufficient resources"},"stream":"C2","seq":0}"#;
    assert_eq!(world.put("C2", &[], &z), full);
}

#[test]
fn accounts_do_not_see_one_another() {
    let mut world = world(1);
    world.make(r#"{"name":"S","subjects":["s"]}"#);
    world.in_account(A);
    world.make(r#"{"name":"S","subjects":["s"]}"#);
    world.fill(&["s", "s"]);
    assert_eq!(world.state("S")[0], 2);
    world.in_account(AccountId::GLOBAL);
    assert_eq!(world.state("S")[0], 0);
    world.api("STREAM.DELETE.S", "");
    world.in_account(A);
    assert_eq!(world.state("S")[0], 2);
}
