//! `firn stream` and `firn account info`.

use std::fs;

use serde_json::{Value, json};

use crate::rig::{Rig, suite};

#[test]
fn streams_and_their_messages() {
    suite("firn stream", |rig| {
        made_and_changed(rig);
        messages(rig);
        listed(rig);
        purged(rig);
        gone(rig);
        account(rig);
    });
}

fn made_and_changed(rig: &Rig) {
    let made = rig.json(
        "stream add ORDERS --subjects orders.*,returns.> --description 'all orders' --max-age 1d12h --max-bytes 10MB \
         --max-msgs -1 --max-msgs-per-subject 100 --dupe-window 30s --retention limits --discard old --storage f \
         --no-ack --allow-rollup --deny-delete --no-deny-delete --compression s2 --metadata owner=shop",
    );
    let config = &made["config"];
    for (member, expected) in [
        ("subjects", json!(["orders.*", "returns.>"])),
        ("description", json!("all orders")),
        ("max_age", json!(129_600_000_000_000_i64)),
        ("max_bytes", json!(10_485_760)),
        ("max_msgs", json!(-1)),
        ("max_msgs_per_subject", json!(100)),
        ("duplicate_window", json!(30_000_000_000_i64)),
        ("storage", json!("file")),
        ("no_ack", json!(true)),
        ("allow_rollup_hdrs", json!(true)),
        ("allow_direct", json!(true)),
        ("deny_delete", json!(false)),
        ("compression", json!("s2")),
    ] {
        assert_eq!(config[member], expected, "{member}");
    }
    assert_eq!(config["metadata"]["owner"], "shop");

    rig.run("stream edit ORDERS --max-age 2d --dry-run").showed(&["max_age: 129600000000000 -> 172800000000000\n"]);
    assert_eq!(rig.json("stream info ORDERS")["config"]["max_age"], 129_600_000_000_000_i64);
    let ran = rig.run("stream edit ORDERS --max-age 2d --ack -f").succeeded();
    assert!(ran.stderr.contains("Changed stream ORDERS") && ran.stdout.contains("Maximum Age: 2d\n"), "{ran:?}");
    let ran = rig.run("stream edit ORDERS --max-age 2d").succeeded();
    assert!(ran.stderr.contains("Nothing changes"), "{ran:?}");

    // A file is a whole configuration, and flags go before it.
    rig.run("stream add --config - --output made.json --max-msgs 5").failed_with(&["holds no object of JSON"]);
    let file = rig.path("made.json");
    rig.run_with("stream add --config - --output made.json --max-msgs 5", br#"{"name":"FILE","max_bytes":1000}"#)
        .succeeded();
    let written: Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
    assert_eq!(written, json!({ "name": "FILE", "max_bytes": 1000, "max_msgs": 5 }));
    assert_eq!(rig.json("stream add --config made.json")["config"]["max_msgs"], 5);
    rig.run("stream edit ORDERS --config made.json").failed_with(&["the file is about stream \"FILE\""]);

    let copied = rig.json("stream copy ORDERS COPY --subjects copy.* --storage memory");
    assert_eq!(copied["config"]["max_age"], 172_800_000_000_000_i64);
    assert_eq!(copied["config"]["storage"], "memory");
    rig.run("stream add MIRROR --mirror ORDERS").showed(&["Mirror: ORDERS\n"]);
    rig.run("stream add MERGED --source ORDERS --source COPY").showed(&["Source: ORDERS\n", "Source: COPY\n"]);

    rig.run("stream add OTHER --subjects orders.eu").failed_with(&[
        "firn: error: subjects overlap with an existing stream (code 400, error code 10065)",
        "firn: hint: `firn stream ls --subject",
    ]);
    rig.run("stream add ORDERS --subjects x").failed_with(&["error code 10058", "firn stream edit"]);
    rig.run("stream add").failed_with(&["the stream has no name"]);
    rig.run("stream add a.b").failed_with(&["`STREAM.CREATE.a.b` holds a name that no stream"]);
    rig.run("stream edit NONE --max-msgs 1").failed_with(&["stream not found (code 404, error code 10059)", "hint:"]);
    rig.run_with("stream add --config -", br#"{"name":"X","max_mgs":5}"#)
        .failed_with(&["invalid JSON: json: unknown field \"max_mgs\" (code 400, error code 10025)"]);
}

fn messages(rig: &Rig) {
    for number in 1..=5 {
        rig.run(&format!("req orders.eu 'number {number}' -H 'N: {number}'")).succeeded();
    }
    rig.run("req returns.us back").succeeded();

    let got = rig.run("stream get ORDERS 2").succeeded();
    assert!(got.stdout.starts_with("ORDERS#2 on orders.eu @ 20"), "{got:?}");
    assert!(got.stdout.ends_with(")\n\nN: 2\n\nnumber 2\n"), "{got:?}");
    let got = rig.json("stream get ORDERS --last-for orders.eu");
    assert_eq!((&got["seq"], &got["data"]), (&json!(5), &json!("bnVtYmVyIDU=")));
    rig.run("stream get ORDERS -S orders.eu --translate 'tr a-z A-Z'").showed(&["NUMBER 5\n"]);
    rig.run("stream get ORDERS 99").failed_with(&["no message found (code 404, error code 10037)", "hint:"]);

    let viewed = rig.run("stream view ORDERS 2").succeeded();
    assert!(
        viewed.stdout.starts_with("[1] orders.eu @ ") && viewed.stdout.ends_with("N: 2\n\nnumber 2\n\n"),
        "{viewed:?}"
    );
    assert!(viewed.stderr.contains("The stream goes on: --id 3"), "{viewed:?}");
    let viewed = rig.run("stream view ORDERS --id 4 --raw").succeeded();
    assert_eq!(viewed.stdout, "number 4\nnumber 5\nback\n");
    let viewed = rig.run("stream view ORDERS --subject returns.* --json").succeeded();
    let message: Value = serde_json::from_str(&viewed.stdout).unwrap();
    assert_eq!((&message["seq"], &message["data"]), (&json!(6), &json!("back")));
    assert_eq!(rig.run("stream view ORDERS --since 1h --raw").succeeded().stdout.lines().count(), 6);
    assert_eq!(rig.run("stream view ORDERS --since 0 --raw").succeeded().stdout, "");

    rig.run("stream rmm ORDERS 3").failed_with(&["--force says yes"]);
    rig.run("stream rmm ORDERS 3 --force").succeeded();
    rig.run("stream rmm ORDERS 3 --force").failed_with(&["error code 10043", "hint:"]);
    assert_eq!(rig.run("stream view ORDERS --id 3 1 --raw").succeeded().stdout, "number 4\n");
}

fn listed(rig: &Rig) {
    rig.run("kv add hidden").succeeded();
    assert_eq!(rig.json("stream ls"), json!(["COPY", "FILE", "MERGED", "MIRROR", "ORDERS"]));
    assert_eq!(rig.json("stream ls --all")[2], "KV_hidden");
    assert_eq!(rig.run("stream ls -n --subject orders.us").succeeded().stdout, "ORDERS\n");
    rig.run("stream ls").showed(&["Name    Description  Created", "\nORDERS  all orders"]);
    rig.run("stream info ORDERS").showed(&["Stream ORDERS created 20", "Subjects: orders.*, returns.>\n"]);
    assert_eq!(rig.json("stream info ORDERS --state")["messages"], 5);
    rig.run("stream info ORDERS --state").showed(&["State of stream ORDERS\n", "Deleted Messages: 1\n"]);
    rig.run("stream info NONE").failed_with(&["error code 10059"]);

    let report = rig.run("stream report --messages").succeeded().stdout;
    let first = report.lines().nth(1).unwrap();
    assert!(report.starts_with("Stream  Storage") && !report.contains("KV_hidden"), "{report}");
    assert!(first.starts_with("ORDERS") || first.starts_with("M"), "{report}");
    assert_eq!(rig.json("stream report -n")[0]["config"]["name"], "COPY");

    assert_eq!(rig.json("stream subjects ORDERS"), json!({ "orders.eu": 4, "returns.us": 1 }));
    assert_eq!(rig.run("stream subjects ORDERS --names").succeeded().stdout, "orders.eu\nreturns.us\n");
    assert_eq!(rig.run("stream subjects ORDERS --names --reverse").succeeded().stdout, "returns.us\norders.eu\n");
    rig.run("stream subjects ORDERS returns.>").showed(&["Subject     Messages\nreturns.us         1\n"]);
}

fn purged(rig: &Rig) {
    rig.run("stream purge ORDERS").failed_with(&["Remove messages from stream ORDERS? --force says yes"]);
    rig.run("stream purge ORDERS --seq 1 --keep 1 -f").code.filter(|code| *code == 2).unwrap();
    rig.run("stream purge ORDERS --keep 0 -f").failed_with(&["leave them out"]);
    assert_eq!(rig.json("stream purge ORDERS --seq 2 -f")["purged"], 1);
    assert_eq!(rig.json("stream purge ORDERS --subject returns.> -f")["purged"], 1);
    assert_eq!(rig.json("stream purge ORDERS --keep 1 -f")["purged"], 2);
    let ran = rig.run("stream purge ORDERS -f").succeeded();
    assert!(ran.stderr.contains("Removed 1 messages from stream ORDERS"), "{ran:?}");
    rig.run("stream add KEEP --deny-purge").succeeded();
    rig.run("stream purge KEEP -f").failed_with(&["stream purge not permitted (code 500, error code 10110)", "hint:"]);
}

fn gone(rig: &Rig) {
    rig.run("stream rm COPY").failed_with(&["Delete stream COPY with all its messages? --force says yes"]);
    rig.run("stream rm COPY --force").succeeded();
    rig.run("stream rm COPY --force").failed_with(&["error code 10059"]);
    rig.run("stream ls --js-domain nowhere")
        .failed_with(&["no JetStream answers on $JS.nowhere.API.STREAM.LIST", "hint:"]);
    rig.run("stream ls --js-domain a --js-api-prefix b").failed_with(&["use one"]);
    assert_eq!(rig.json("stream ls --js-api-prefix $JS.API."), json!(["FILE", "KEEP", "MERGED", "MIRROR", "ORDERS"]));
}

fn account(rig: &Rig) {
    rig.run("account info").showed(&["Account: $G\n", "JetStream:\n", "Streams: 6 of unlimited\n"]);
    let shown = rig.json("account info");
    assert_eq!((&shown["jetstream"]["streams"], &shown["user"]["account"]), (&json!(6), &json!("$G")));
}
