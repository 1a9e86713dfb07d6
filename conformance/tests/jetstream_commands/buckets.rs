//! `firn kv`.

use serde_json::{Value, json};

use crate::rig::{Rig, suite};

#[test]
fn buckets_of_keys_and_values() {
    suite("firn kv", |rig| {
        made(rig);
        changed(rig);
        watched(rig);
        gone(rig);
    });
}

fn made(rig: &Rig) {
    let made = rig.json("kv add b --history 5 --ttl 1h --marker-ttl 1m --max-value-size 1KB --description values");
    let config = &made["config"];
    assert_eq!((&config["name"], &config["max_msgs_per_subject"]), (&json!("KV_b"), &json!(5)));
    assert_eq!((&config["max_age"], &config["allow_msg_ttl"]), (&json!(3_600_000_000_000_i64), &json!(true)));
    rig.run("kv add copy --mirror b").showed(&["Origin Bucket: b\n"]);
    rig.run("kv add merged --source b").showed(&["Origin Bucket: b\n"]);
    rig.run("kv info b").showed(&["Bucket b created 20", "Maximum Age: 1h\n", "Per-Key TTL: yes\n"]);
    rig.run("kv status b").showed(&["JetStream Stream: KV_b\n"]);
    assert_eq!(rig.json("kv info b")["config"]["name"], "KV_b");
    assert_eq!(rig.json("kv ls"), json!(["b", "copy", "merged"]));
    rig.run("kv ls").showed(&["Bucket  Description", "\nb       values"]);
    rig.run("kv add b --history 2").failed_with(&["error code 10058"]);
    rig.run("kv add a.b").failed_with(&["a bucket is named by letters"]);
    rig.run("kv info none").failed_with(&["stream not found (code 404, error code 10059)", "firn kv ls"]);
}

fn changed(rig: &Rig) {
    assert_eq!(rig.run("kv put b k one").succeeded().stdout, "b > k revision: 1\n");
    assert_eq!(rig.json("kv put b k two")["revision"], 2);
    rig.run_with("kv put b in", b"\xFF\x00").succeeded();
    let got = rig.run("kv get b k").succeeded();
    assert!(got.stdout.starts_with("b > k revision: 2 created @ 20") && got.stdout.ends_with("Z\n\ntwo\n"), "{got:?}");
    assert_eq!(rig.run("kv get b k --raw").succeeded().stdout, "two");
    assert_eq!(rig.run("kv get b k --raw --revision 1").succeeded().stdout, "one");
    let got = rig.json("kv get b in");
    assert_eq!((&got["value_base64"], &got["operation"]), (&json!("/wA="), &json!("PUT")));
    rig.run("kv get b none").failed_with(&["key none of bucket b has no value"]);
    let other = rig.run("kv get b k --revision 3");
    assert_eq!(other.stdout, "");
    other.failed_with(&["key k of bucket b has no value of revision 3"]);
    rig.run("kv get b k --revision 99").failed_with(&["error code 10037"]);
    rig.run("kv put none k v").failed_with(&["error code 10059"]);
    rig.run("kv put b 'a b' v").failed_with(&["key"]);

    assert_eq!(rig.json("kv update b k three 2")["revision"], 4);
    rig.run("kv update b k four 2")
        .failed_with(&["wrong last sequence: 4 (code 400, error code 10071)", "hint: it was changed meanwhile"]);
    rig.run("kv create b k five").failed_with(&["key k has a value already, revision 4"]);
    assert_eq!(rig.json("kv create b new 1")["revision"], 5);

    rig.run("kv del b k").failed_with(&["Delete key k of bucket b? --force says yes"]);
    rig.run("kv del b k -f").succeeded();
    rig.run("kv get b k").failed_with(&["has no value"]);
    rig.run("kv get b k --revision 6").failed_with(&["has no value of revision 6"]);
    let history = rig.json("kv history b k");
    let operations: Vec<&Value> = history.as_array().unwrap().iter().map(|entry| &entry["operation"]).collect();
    assert_eq!(operations, ["PUT", "PUT", "PUT", "DEL"]);
    rig.run("kv history b k").showed(&["Key  Revision  Op   Created", "three"]);
    rig.run("kv history b none").failed_with(&["was never there"]);

    // A deleted key is created over its marker, with its time to live.
    rig.json("kv create b k six --ttl 1h");
    let stored = rig.json("stream get KV_b --last-for $KV.b.k");
    assert!(base64(&stored["hdrs"]).contains("Nats-TTL: 3600"), "{stored}");
    rig.run("kv create b other 1 --ttl 1500ms").failed_with(&["whole seconds"]);
    rig.run("kv purge b k -f --ttl 1m").succeeded();
    assert_eq!(rig.json("kv history b k").as_array().unwrap().len(), 1);
    rig.run("kv purge b new -f").succeeded();

    rig.run("kv put b theme.dark 1").succeeded();
    rig.run("kv put b theme.light 2").succeeded();
    assert_eq!(rig.json("kv ls b"), json!(["in", "theme.dark", "theme.light"]));
    assert_eq!(rig.run("kv ls b theme.*").succeeded().stdout, "theme.dark\ntheme.light\n");
    rig.run("kv ls b --verbose --display-value").showed(&["Key          Created", "\ntheme.light  20"]);
    assert_eq!(rig.json("kv ls b theme.light -v")[0]["value"], "2");
}

fn watched(rig: &Rig) {
    let watch = rig.background("kv watch b theme.> --json --count 3", "Watching theme.> of bucket b");
    rig.run("kv put b theme.new 3").succeeded();
    let lines = watch.ended().succeeded().stdout;
    let values: Vec<Value> =
        lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["value"].clone()).collect();
    assert_eq!(values, ["1", "2", "3"]);
    let watch = rig.background("kv watch b --updates --count 1", "Watching > of bucket b");
    rig.run("kv del b theme.new -f").succeeded();
    let shown = watch.ended().succeeded().stdout;
    assert!(shown.starts_with("[20") && shown.ends_with("] DEL b > theme.new\n"), "{shown}");
    rig.run("kv put b h 1").succeeded();
    rig.run("kv put b h 2").succeeded();
    let shown = rig.run("kv watch b h --history --count 2").succeeded().stdout;
    assert!(shown.contains("PUT b > h: 1\n") && shown.ends_with("PUT b > h: 2\n"), "{shown}");
    rig.run("kv watch b theme.> --no-deletes --count 2").showed(&["theme.dark: 1\n", "theme.light: 2\n"]);
}

fn gone(rig: &Rig) {
    rig.run("kv del-bucket copy").failed_with(&["Delete bucket copy with all its keys? --force says yes"]);
    rig.run("kv del-bucket copy --force").succeeded();
    rig.run("kv del merged --force").succeeded();
    assert_eq!(rig.json("kv ls"), json!(["b"]));
    rig.run("kv del-bucket copy --force").failed_with(&["error code 10059"]);
}

/// Text from base64, as far as it is text.
fn base64(value: &Value) -> String {
    let bytes = data_encoding::BASE64.decode(value.as_str().unwrap().as_bytes()).unwrap();
    String::from_utf8_lossy(&bytes).into_owned()
}
