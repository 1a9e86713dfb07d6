//! Streams as a load finds them, and the subjects that it publishes to.

use anyhow::Result;
use serde_json::{Value, json};

use super::ack::Ledger;
use super::api::{Api, Request};
use super::publish::Target;

/// Prime to every number of subjects that a row has, so that each is visited once, and no neighbour after its neighbour.
const STRIDE: u64 = 7_919;

/// Streams and what is published to them, in order.
pub(super) struct Layout {
    configs: Vec<Value>,
    pub(super) targets: Vec<Target>,
}

impl Layout {
    /// So many streams with one subject each.
    pub(super) fn streams(count: u64) -> Self {
        let configs = (0..count).map(|number| config(&stream_name(number), &format!("bench.{number:06}"))).collect();
        let targets = scattered(count, |number| (format!("bench.{number:06}"), number));
        Self { configs, targets }
    }

    /// One stream with so many subjects.
    pub(super) fn subjects(count: u64) -> Self {
        let targets = scattered(count, |number| (format!("bench.{number:07}"), 0));
        Self { configs: vec![config(&stream_name(0), "bench.*")], targets }
    }

    /// One stream with so many subjects, which lie in groups: `bench.<group>.<subject>`. At most so many consumers.
    pub(super) fn groups(groups: u64, subjects: u64, consumers_max: u64) -> Self {
        let mut config = config(&stream_name(0), "bench.>");
        set(&mut config, "max_consumers", consumers_max.into());
        let targets = scattered(subjects, |number| (format!("bench.{}.{number:06}", number % groups), 0));
        Self { configs: vec![config], targets }
    }

    /// The stream of a key-value bucket with history 1, as clients create it, and a put on each key.
    pub(super) fn bucket(keys: u64) -> Self {
        let config = json!({
            "name": "KV_bench",
            "subjects": ["$KV.bench.>"],
            "storage": "file",
            "num_replicas": 1,
            "max_msgs_per_subject": 1,
            "discard": "new",
            "allow_rollup_hdrs": true,
            "deny_delete": true,
            "allow_direct": true,
        });
        let targets = scattered(keys, |number| (format!("$KV.bench.key.{number:07}"), 0));
        Self { configs: vec![config], targets }
    }

    /// A request to create each stream, in order.
    pub(super) fn creations(&self) -> Vec<Request> {
        let create = |config| Request::new(format!("STREAM.CREATE.{}", name(config)), Value::to_string(config));
        self.configs.iter().map(create).collect()
    }

    pub(super) fn create(&self, api: &mut Api) -> Result<()> {
        api.request_many(&self.creations())
    }

    /// The name of the last stream.
    pub(super) fn last_stream(&self) -> &str {
        self.configs.last().map(name).unwrap_or_default()
    }

    /// An empty ledger for each stream.
    pub(super) fn ledgers(&self) -> Vec<Ledger> {
        self.configs.iter().map(|config| Ledger::new(name(config).to_owned())).collect()
    }
}

/// The stream of layouts that have one.
pub(super) const STREAM: &str = "BENCH000000";

fn stream_name(number: u64) -> String {
    format!("BENCH{number:06}")
}

fn config(name: &str, subject: &str) -> Value {
    json!({ "name": name, "subjects": [subject], "storage": "file", "num_replicas": 1 })
}

fn name(config: &Value) -> &str {
    config.get("name").and_then(Value::as_str).unwrap_or_default()
}

fn set(config: &mut Value, key: &str, value: Value) {
    if let Some(fields) = config.as_object_mut() {
        fields.insert(key.to_owned(), value);
    }
}

/// Each number below `count` once, in scattered order, made into a subject and the index of its stream.
fn scattered(count: u64, target: impl Fn(u64) -> (String, u64)) -> Vec<Target> {
    let place = |position: u64| {
        let (subject, stream) = target(position * STRIDE % count);
        Target { subject, stream: usize::try_from(stream).expect("as many streams as fit into memory") }
    };
    (0..count).map(place).collect()
}

/// A request for a durable pull consumer that acknowledges explicitly; without filters it takes every subject.
pub(super) fn consumer(name: &str, filters: &[String]) -> Request {
    let mut config = json!({ "durable_name": name, "ack_policy": "explicit", "deliver_policy": "all" });
    match filters {
        [] => {}
        [filter] => set(&mut config, "filter_subject", filter.as_str().into()),
        filters => set(&mut config, "filter_subjects", filters.into()),
    }
    let body = json!({ "stream_name": STREAM, "config": config });
    Request::new(format!("CONSUMER.CREATE.{STREAM}.{name}"), body.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    use std::collections::BTreeSet;

    #[test]
    fn every_subject_is_published_to_once_in_a_round() {
        for count in [1, 10, 100, 1_000, 10_000] {
            let layout = Layout::streams(count);
            let streams: BTreeSet<usize> = layout.targets.iter().map(|target| target.stream).collect();
            assert_eq!(streams.len() as u64, count);
            assert_eq!(layout.ledgers().len() as u64, count);
            assert_eq!(layout.last_stream(), stream_name(count - 1));
            let subjects: BTreeSet<_> =
                Layout::bucket(count).targets.into_iter().map(|target| target.subject).collect();
            assert_eq!(subjects.len() as u64, count);
        }
    }

    #[test]
    fn groups_share_the_subjects_evenly() {
        let layout = Layout::groups(10, 1_000, 10);
        let in_group_3 = layout.targets.iter().filter(|target| target.subject.starts_with("bench.3.")).count();
        assert_eq!(in_group_3, 100);
    }

    #[test]
    fn one_filter_and_many_have_fields_of_their_own() {
        let filters = |count: usize| -> Vec<String> { (0..count).map(|number| format!("f.{number}")).collect() };
        assert!(!consumer("C", &[]).body.contains("filter"));
        assert!(consumer("C", &filters(1)).body.contains(r#""filter_subject":"f.0""#));
        assert!(consumer("C", &filters(2)).body.contains(r#""filter_subjects":["f.0","f.1"]"#));
    }
}
