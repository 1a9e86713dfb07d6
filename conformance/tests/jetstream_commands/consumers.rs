//! `firn consumer`.

use serde_json::{Value, json};

use crate::rig::{Rig, suite};

#[test]
fn consumers_and_what_they_hand_out() {
    suite("firn consumer", |rig| {
        rig.run("stream add S --subjects s.>").succeeded();
        made_and_changed(rig);
        pulled(rig);
        pushed(rig);
        rested(rig);
        listed_and_gone(rig);
    });
}

fn made_and_changed(rig: &Rig) {
    let made = rig.json(
        "consumer add S worker --filter s.a,s.b --wait 1m --max-deliver 5 --max-pending 50 --deliver all --replay instant \
         --sample 50 --backoff linear --backoff-min 1s --backoff-max 3s --backoff-steps 3 --max-pull-batch 10 --pull \
         --inactive-threshold 2h --metadata owner=shop --description works",
    );
    let config = &made["config"];
    for (member, expected) in [
        ("durable_name", json!("worker")),
        ("ack_policy", json!("explicit")),
        ("filter_subjects", json!(["s.a", "s.b"])),
        ("max_deliver", json!(5)),
        ("max_ack_pending", json!(50)),
        ("sample_freq", json!("50%")),
        ("backoff", json!([1_000_000_000, 2_000_000_000, 3_000_000_000_i64])),
        ("max_batch", json!(10)),
        ("inactive_threshold", json!(7_200_000_000_000_i64)),
    ] {
        assert_eq!(config[member], expected, "{member}");
    }
    rig.run("consumer edit S worker --max-pending 60 --dry-run").showed(&["max_ack_pending: 50 -> 60\n"]);
    let ran = rig.run("consumer edit S worker --max-pending 60 --filter s.> --backoff none --wait 1m").succeeded();
    assert!(ran.stdout.contains("Max Ack Pending: 60\n") && ran.stdout.contains("Filter: s.>\n"), "{ran:?}");
    assert!(!ran.stdout.contains("Backoff"), "{ran:?}");

    let named = rig.json("consumer add S --ephemeral --deliver 1h --inactive-threshold 1h")["config"].clone();
    assert_eq!((&named["durable_name"], &named["deliver_policy"]), (&Value::Null, &json!("by_start_time")));
    rig.run_with("consumer add S --config -", br#"{"durable_name":"file","ack_policy":"all"}"#)
        .showed(&["Ack Policy: all\n"]);
    rig.run("consumer add S pinned --pinned-groups a --pinned-ttl 1m").showed(&["Priority Policy: pinned_client\n"]);

    rig.run("consumer add S").failed_with(&["the consumer has no name"]);
    rig.run("consumer add NONE c").failed_with(&["stream not found (code 404, error code 10059)"]);
    rig.run("consumer add S worker --ack none").failed_with(&["error code 10148", "firn consumer edit"]);
    rig.run("consumer edit S none --max-pending 1")
        .failed_with(&["consumer not found (code 404, error code 10014)", "hint:"]);
    rig.run("consumer add S c --sample 200").code.filter(|code| *code == 2).unwrap();
}

fn pulled(rig: &Rig) {
    for number in 1..=6 {
        rig.run(&format!("req s.a 'number {number}' -H 'N: {number}'")).succeeded();
    }
    let ran = rig.run("consumer next S worker").succeeded();
    assert_eq!(ran.stdout, "subj: s.a / tries: 1 / cons seq: 1 / str seq: 1 / pending: 5\nN: 1\n\nnumber 1\n\n");
    rig.run("consumer next S worker --nak").showed(&["str seq: 2"]);
    let again = rig.run("consumer next S worker --json").succeeded();
    let again: Value = serde_json::from_str(&again.stdout).unwrap();
    assert_eq!(
        (&again["stream_seq"], &again["deliveries"], &again["data"]),
        (&json!(2), &json!(2), &json!("number 2"))
    );
    rig.run("consumer next S worker --term").showed(&["str seq: 3"]);
    rig.run("consumer next S worker --no-ack").showed(&["str seq: 4"]);
    let info = rig.json("consumer info S worker");
    assert_eq!((&info["num_ack_pending"], &info["ack_floor"]["stream_seq"]), (&json!(1), &json!(3)));
    // More than there are, in pulls as large as the consumer allows.
    let ran = rig.run("consumer next S worker --raw --count 20 --timeout 200ms").succeeded();
    assert_eq!(ran.stdout, "number 5\nnumber 6\n");
    rig.run("consumer next S worker --timeout 50ms").failed_with(&["no message within 50.000ms"]);
    rig.run("consumer next S none").failed_with(&["error code 10014"]);

    rig.run("consumer add S again --deliver 2").succeeded();
    let ran = rig.run("consumer sub S again --raw --count 5").succeeded();
    assert_eq!(ran.stdout, "number 2\nnumber 3\nnumber 4\nnumber 5\nnumber 6\n");
    assert_eq!(rig.json("consumer info S again")["ack_floor"]["stream_seq"], 6);
    let later = rig.background("consumer sub S again --raw --count 1", "Taking messages");
    rig.run("req s.c later").succeeded();
    assert_eq!(later.ended().succeeded().stdout, "later\n");
}

fn pushed(rig: &Rig) {
    rig.run("consumer add S feed --target feed.s --deliver-group readers --flow-control --heartbeat 1s --ack explicit")
        .showed(&["Mode: push to feed.s\n", "Deliver Queue Group: readers\n"]);
    let ran = rig.run("consumer sub S feed --raw --count 7").succeeded();
    assert_eq!(ran.stdout.lines().count(), 7);
    assert_eq!(rig.json("consumer info S feed")["num_ack_pending"], 0);
    rig.run("consumer next S feed").failed_with(&["consumer feed pushes its messages; `firn consumer sub S feed`"]);
    rig.run("consumer sub S worker --deliver-group x").failed_with(&["does not push"]);
    // What acknowledges nothing is not acknowledged.
    rig.run("consumer add S plain --target plain.s --filter s.c").showed(&["Ack Policy: none\n"]);
    assert_eq!(rig.run("consumer sub S plain --raw --count 1").succeeded().stdout, "later\n");
}

fn rested(rig: &Rig) {
    let ran = rig.run("consumer pause S worker 1h").succeeded();
    assert!(ran.stderr.contains("Consumer worker of stream S rests until 20"), "{ran:?}");
    rig.run("consumer info S worker").showed(&["Paused: 59m"]);
    assert_eq!(rig.json("consumer pause S worker '2099-01-01 00:00:00'")["pause_until"], "2099-01-01T00:00:00Z");
    assert_eq!(rig.json("consumer resume S worker")["paused"], false);
    assert_eq!(rig.json("consumer info S worker").get("paused"), None);
    rig.run("consumer pause S worker tomorrow").code.filter(|code| *code == 2).unwrap();
    rig.run("consumer resume S none").failed_with(&["error code 10014"]);
}

fn listed_and_gone(rig: &Rig) {
    let names = rig.json("consumer ls S");
    assert_eq!(names.as_array().unwrap().len(), 7, "{names}");
    assert!(rig.run("consumer ls S --names").succeeded().stdout.contains("again\n"));
    rig.run("consumer ls S").showed(&["Name  ", "\nworker  ", "works"]);
    rig.run("consumer report S").showed(&["Consumer  ", "\nfeed  ", "Push  explicit"]);
    assert_eq!(rig.json("consumer report S")[0]["stream_name"], "S");
    rig.run("consumer rm S worker").failed_with(&["Delete consumer worker of stream S? --force says yes"]);
    rig.run("consumer rm S worker -f").succeeded();
    rig.run("consumer rm S worker -f").failed_with(&["error code 10014"]);
}
