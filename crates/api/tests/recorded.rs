//! What nats-server 2.15.1 answered, row by row in `recorded`, against what this crate answers.
//!
//! A row of `stream_*` and `consumer_*` has the request, and either the error or what of the configuration differs from
//! the one in the first row; `null` means that a member is not there. A row of `json` is a body sent to create the
//! stream S, and its error or the members that tell what was read. `responses` and `advisories` are texts, which are read
//! and must be written again byte for byte.

use std::fmt::Debug;

use firn_api::{
    account::{AccountLimits, ServerLimits},
    advisory::{self, Advisory},
    consumer,
    envelope::{self, Body, Response},
    error::{ApiError, Failure},
    json::{self, Read},
    stream::{self, StreamConfig},
    subject::{Address, Operation},
};
use serde::Serialize;
use serde_json::{Map, Value};

const VERSION: &str = "2.15.1";

#[test]
fn json_is_read_like_the_reference_server_reads_it() {
    let rows = rows(include_str!("recorded/json.jsonl"));
    let mut wrong = Vec::new();
    for row in &rows {
        let request = text(&row["request"]);
        let outcome = json::read_strict::<stream::CreateRequest>(request.as_bytes()).map_err(ApiError::from);
        let outcome = outcome.and_then(|request| check_stream("S", request));
        let ours = match &outcome {
            Ok(config) => only(&object(&json_of(config)), &row["config"]),
            Err(error) => Value::String(error.to_string()),
        };
        let theirs = if row["error"].is_null() { &row["config"] } else { &row["error"] };
        if ours != *theirs {
            wrong.push(format!("{request}\n  ours   {ours}\n  theirs {theirs}"));
        }
    }
    report(&wrong, rows.len());
}

#[test]
fn a_new_stream_is_checked_like_there() {
    compare(include_str!("recorded/stream_check.jsonl"), |row, _| {
        let subject = text(&row["subject"]);
        let Operation::StreamCreate { stream } = parse(subject) else { panic!("{subject}") };
        check_stream(stream, read(&row["request"])).map(|config| json_of(&config))
    });
}

#[test]
fn a_changed_stream_is_checked_like_there() {
    compare(include_str!("recorded/stream_update.jsonl"), |row, base| {
        let old: StreamConfig = read(&with(base, &row["before"]));
        let request: stream::CreateRequest = read(&row["request"]);
        rules(|rules| {
            let mut new = request.check_update("S", rules)?.check_change(&old, rules)?;
            new.stamp();
            Ok(json_of(&new.shown(VERSION)))
        })
    });
}

#[test]
fn a_new_consumer_is_checked_like_there() {
    compare(include_str!("recorded/consumer_check.jsonl"), |row, _| {
        let subject = text(&row["subject"]);
        let mut request: consumer::CreateRequest = read(&row["request"]);
        request.check_subject(&parse(subject), false)?;
        request.config.stamp();
        if request.action == consumer::Action::Update {
            return Err(ApiError::ConsumerDoesNotExist);
        }
        let mut config = check_consumer(&row["stream"], request)?;
        // A name that the server made up, wholly or at its end.
        if config.name.is_empty() || (config.direct && config.sourcing) {
            text(&row["config"]["name"]).clone_into(&mut config.name);
        }
        Ok(json_of(&config.shown(VERSION)))
    });
}

#[test]
fn a_changed_consumer_is_checked_like_there() {
    compare(include_str!("recorded/consumer_update.jsonl"), |row, base| {
        let old: consumer::ConsumerConfig = read(&with(base, &row["before"]));
        let mut request: consumer::CreateRequest = read(&row["request"]);
        let operation = Operation::ConsumerCreate { stream: "S", consumer: "C" };
        request.check_subject(&operation, false)?;
        request.config.inherit(&old);
        request.config.stamp();
        let action = request.action;
        let new = check_consumer(&row["stream"], request)?;
        if action == consumer::Action::Create && !new.is_same(&old) {
            return Err(ApiError::ConsumerAlreadyExists);
        }
        new.check_change(&old, false)?;
        Ok(json_of(&new.shown(VERSION)))
    });
}

#[test]
fn answers_are_read_and_written_byte_for_byte() {
    let rows = rows(include_str!("recorded/responses.jsonl"));
    for row in &rows {
        let answer = text(&row["response"]);
        #[expect(clippy::wildcard_enum_match_arm, reason = "a row of another kind needs an arm")]
        match parse(text(&row["subject"])) {
            Operation::AccountInfo {} => check_answer::<envelope::AccountDescribed>(answer),
            Operation::StreamCreate { .. } => check_answer::<stream::StreamCreated>(answer),
            Operation::StreamUpdate { .. } => check_answer::<stream::StreamUpdated>(answer),
            Operation::StreamNames {} => check_answer::<stream::StreamNames>(answer),
            Operation::StreamList {} => check_answer::<stream::StreamList>(answer),
            Operation::StreamInfo { .. } => check_answer::<stream::StreamDescribed>(answer),
            Operation::StreamDelete { .. } => check_answer::<stream::StreamDeleted>(answer),
            Operation::StreamPurge { .. } => check_answer::<stream::StreamPurged>(answer),
            Operation::MessageGet { .. } => check_answer::<stream::MessageFound>(answer),
            Operation::MessageDelete { .. } => check_answer::<stream::MessageDeleted>(answer),
            Operation::StreamSnapshot { .. } => check_answer::<stream::SnapshotStarted>(answer),
            Operation::StreamRestore { .. } => check_answer::<stream::RestoreReady>(answer),
            Operation::StreamLeaderStepDown { .. } => check_answer::<envelope::StreamLeaderSteppedDown>(answer),
            Operation::StreamPeerRemove { .. } => check_answer::<envelope::StreamPeerRemoved>(answer),
            Operation::ConsumerCreate { .. } => check_answer::<consumer::ConsumerCreated>(answer),
            Operation::ConsumerInfo { .. } => check_answer::<consumer::ConsumerDescribed>(answer),
            Operation::ConsumerNames { .. } => check_answer::<consumer::ConsumerNames>(answer),
            Operation::ConsumerList { .. } => check_answer::<consumer::ConsumerList>(answer),
            Operation::ConsumerDelete { .. } => check_answer::<consumer::ConsumerDeleted>(answer),
            Operation::ConsumerPause { .. } => check_answer::<consumer::ConsumerPaused>(answer),
            Operation::ConsumerUnpin { .. } => check_answer::<consumer::ConsumerUnpinned>(answer),
            Operation::ConsumerReset { .. } => check_answer::<consumer::ConsumerReset>(answer),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn advisories_are_read_and_written_byte_for_byte() {
    for row in &rows(include_str!("recorded/advisories.jsonl")) {
        let (subject, told) = (text(&row["subject"]), text(&row["advisory"]));
        let kind = serde_json::from_str::<Value>(told).unwrap()["type"].as_str().unwrap().to_owned();
        match kind.rsplit('.').next().unwrap() {
            "stream_action" => check_advisory::<advisory::StreamAction>(subject, told),
            "consumer_action" => check_advisory::<advisory::ConsumerAction>(subject, told),
            "consumer_pause" => check_advisory::<advisory::ConsumerPause>(subject, told),
            "consumer_ack" => check_advisory::<advisory::ConsumerAck>(subject, told),
            "max_deliver" => check_advisory::<advisory::MaxDeliver>(subject, told),
            "nak" => check_advisory::<advisory::Naked>(subject, told),
            "terminated" => check_advisory::<advisory::Terminated>(subject, told),
            "consumer_group_pinned" => check_advisory::<advisory::GroupPinned>(subject, told),
            "consumer_group_unpinned" => check_advisory::<advisory::GroupUnpinned>(subject, told),
            "snapshot_create" => check_advisory::<advisory::SnapshotCreate>(subject, told),
            "snapshot_complete" => check_advisory::<advisory::SnapshotComplete>(subject, told),
            "restore_create" => check_advisory::<advisory::RestoreCreate>(subject, told),
            "restore_complete" => check_advisory::<advisory::RestoreComplete>(subject, told),
            "stream_batch_abandoned" => check_advisory::<advisory::BatchAbandoned>(subject, told),
            "api_audit" => check_advisory::<advisory::ApiAudit>(subject, told),
            other => panic!("{other}"),
        }
    }
}

#[track_caller]
fn check_answer<B: Body + PartialEq + Debug>(answer: &str) {
    let read = json::read::<Response<B>>(answer.as_bytes()).expect("an answer");
    assert_eq!(String::from_utf8_lossy(&json::write(&read)), answer);
}

#[track_caller]
fn check_advisory<E: advisory::Event>(subject: &str, told: &str) {
    let read = json::read::<Advisory<E>>(told.as_bytes()).expect("an advisory");
    assert_eq!(String::from_utf8_lossy(&json::write(&read)), told);
    assert_eq!(read.event.subject(), subject);
}

/// Runs `ours` over each row but the first, which is the base, and compares with what is recorded.
fn compare(recorded: &str, ours: impl Fn(&Value, &Value) -> Result<Value, ApiError>) {
    let rows = rows(recorded);
    let (base, rows) = rows.split_first().expect("a base");
    let mut wrong = Vec::new();
    for row in rows {
        let ours = ours(row, &base["base"]).map_err(|error| json_of(&Failure::from(&error)));
        let theirs =
            if row["error"].is_null() { Ok(with(&base["base"], &row["config"])) } else { Err(row["error"].clone()) };
        if ours != theirs {
            let differences = match (&ours, &theirs) {
                (Ok(ours), Ok(theirs)) => differences(ours, theirs),
                (ours, theirs) => format!("\n  ours   {ours:?}\n  theirs {theirs:?}"),
            };
            wrong.push(format!("{} {}{differences}", row["before"], row["request"]));
        }
    }
    report(&wrong, rows.len());
}

#[track_caller]
fn report(wrong: &[String], all: usize) {
    assert!(wrong.is_empty(), "{} of {all} differ:\n{}", wrong.len(), wrong.join("\n"));
    assert!(all > 20, "{all} rows only");
}

fn differences(ours: &Value, theirs: &Value) -> String {
    let (ours, theirs) = (object(ours), object(theirs));
    let keys = ours.keys().chain(theirs.keys());
    let different = keys.filter(|key| ours.get(*key) != theirs.get(*key));
    different.map(|key| format!("\n  {key}: ours {:?}, theirs {:?}", ours.get(key), theirs.get(key))).collect()
}

fn check_stream(name: &str, request: stream::CreateRequest) -> Result<StreamConfig, ApiError> {
    rules(|rules| Ok(request.check(name, rules)?.shown(VERSION)))
}

fn rules<T>(run: impl FnOnce(&stream::Rules<'_>) -> T) -> T {
    let (server, account) = (ServerLimits::default(), AccountLimits::unlimited());
    run(&stream::Rules { server: &server, account: &account, is_pedantic: false, is_clustered: false, find: &|_| None })
}

fn check_consumer(stream: &Value, request: consumer::CreateRequest) -> Result<consumer::ConsumerConfig, ApiError> {
    let stream = check_stream("S", read(stream)).expect("a valid stream");
    let (server, account) = (ServerLimits::default(), AccountLimits::unlimited());
    let is_pedantic = request.pedantic;
    let rules = consumer::Rules { server: &server, account: &account, stream: &stream, is_pedantic };
    let config = request.config.check(&rules)?;
    config.check_new(&stream)?;
    Ok(config)
}

fn rows(recorded: &str) -> Vec<Value> {
    recorded.lines().map(|line| serde_json::from_str(line).expect("a row of JSON")).collect()
}

fn parse(subject: &str) -> Operation<'_> {
    Address::parse(subject.as_bytes()).expect("a subject of the API").operation
}

fn read<T: Read + Default>(value: &Value) -> T {
    json::read_strict(value.to_string().as_bytes()).expect("a message")
}

fn json_of<T: Serialize>(message: &T) -> Value {
    serde_json::from_slice(&json::write(message)).expect("what was written")
}

fn with(base: &Value, changes: &Value) -> Value {
    let mut all = object(base);
    for (key, value) in object(changes) {
        if value.is_null() {
            all.remove(&key);
        } else {
            all.insert(key, value);
        }
    }
    Value::Object(all)
}

fn only(all: &Map<String, Value>, wanted: &Value) -> Value {
    let kept = object(wanted).keys().filter_map(|key| all.get(key).map(|value| (key.clone(), value.clone()))).collect();
    Value::Object(kept)
}

fn object(value: &Value) -> Map<String, Value> {
    value.as_object().cloned().unwrap_or_default()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
