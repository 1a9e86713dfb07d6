//! `firn bench js`: every message is counted, whoever measures.

use serde_json::Value;

use crate::rig::suite;

fn messages(report: &Value) -> u64 {
    report["clients"].as_array().unwrap().iter().map(|client| client["messages"].as_u64().unwrap()).sum()
}

#[test]
fn streams_and_buckets_are_measured() {
    suite("firn bench js", |rig| {
        let report = rig.json("bench js pub async load --create --msgs 1000 --clients 3 --batch 100 --size 64");
        assert_eq!(messages(&report), 1000);
        assert_eq!(report["what"], "asynchronous publisher");
        let report = rig.json("bench js pub sync load --msgs 100 --clients 2 --size 64");
        assert!(report["latency_ns"]["p50"].as_u64().unwrap() > 0, "{report}");
        assert_eq!(rig.json("stream info benchstream")["state"]["messages"], 1100);

        for flags in ["--clients 3", "--clients 3 --acks none", "--clients 2 --acks all", "--doubleack"] {
            let report = rig.json(&format!("bench js consume --msgs 1000 --batch 100 {flags}"));
            assert!(messages(&report) >= 1000, "{flags}: {report}");
        }
        rig.run("bench js consume --msgs 5000").failed_with(&["has 1100 messages; --msgs asks for 5000"]);
        assert_eq!(rig.json("consumer ls benchstream"), serde_json::json!([]));

        rig.json("bench js pub async load --create --purge --multisubject --multisubjectmax 10 --msgs 100");
        assert_eq!(rig.json("stream subjects benchstream").as_object().unwrap().len(), 10);
        rig.json("bench js pub async load --dedup --multisubject --msgs 50 --storage memory");
        rig.run("bench js pub sync nowhere --msgs 1").failed_with(&["no stream found for given subject"]);

        assert_eq!(messages(&rig.json("bench js kv put --msgs 100 --clients 2")), 100);
        assert_eq!(messages(&rig.json("bench kv put --msgs 100 --batch 20 --bucket other --history 3")), 100);
        assert_eq!(rig.json("kv ls benchbucket").as_array().unwrap().len(), 100);
        let report = rig.json("bench js kv get --msgs 100 --randomize 50");
        assert!(report["latency_ns"]["max"].as_u64().unwrap() > 0, "{report}");
        rig.run("bench js kv get --msgs 200").failed_with(&["has no value"]);
        rig.run("bench js kv put --msgs 10").showed(&["NATS JetStream KV putter stats: "]);
    });
}
