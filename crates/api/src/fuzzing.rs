//! What every input must satisfy, as plain functions that a mutation driver calls. They panic where it does not.

use std::fmt::Debug;

use serde::Serialize;

use crate::{
    account::{AccountLimits, ServerLimits},
    consumer,
    json::{self, Read},
    stream::{self, StreamConfig},
    subject::{Ack, Address, FlowControl, Operation},
};

/// Reads a subject, and then what is asked under it. The data is a subject, a line end and a body.
pub fn request(data: &[u8]) {
    let end = data.iter().position(|&byte| byte == b'\n').unwrap_or(data.len());
    let (subject, body) = data.split_at(end);
    let body = body.get(1..).unwrap_or_default();
    if let Some(address) = Address::parse(subject) {
        assert_eq!(address.to_string().as_bytes(), subject, "an address is printed as it was parsed");
        operation(&address.operation, body);
    }
    if let Some(ack) = Ack::parse(subject) {
        assert_eq!(Ack::parse(ack.to_string().as_bytes()), Some(ack), "a reply is printed as it was parsed");
    }
    if let Some(check) = FlowControl::parse(subject) {
        assert_eq!(FlowControl::parse(check.to_string().as_bytes()), Some(check));
    }
    let _ = consumer::NextRequest::parse(body);
    let _ = consumer::UnpinRequest::parse(body);
    let _ = json::is_empty_request(body);
}

#[expect(clippy::wildcard_enum_match_arm, reason = "only these have rules")]
fn operation(operation: &Operation<'_>, body: &[u8]) {
    match *operation {
        Operation::StreamCreate { stream } | Operation::StreamUpdate { stream } => create_stream(stream, body),
        Operation::ConsumerCreateUnnamed { .. }
        | Operation::ConsumerCreate { .. }
        | Operation::ConsumerCreateFiltered { .. }
        | Operation::ConsumerCreateDurable { .. } => create_consumer(operation, body),
        _ => {
            survives::<stream::ListRequest>(body);
            survives::<stream::InfoRequest>(body);
            survives::<stream::PurgeRequest>(body);
            survives::<stream::MessageGetRequest>(body);
            survives::<stream::RestoreRequest>(body);
            survives::<stream::StreamInfo>(body);
            survives::<consumer::ConsumerInfo>(body);
            survives::<consumer::PauseRequest>(body);
        }
    }
}

fn create_stream(name: &str, body: &[u8]) {
    let Some(request) = survives::<stream::CreateRequest>(body) else { return };
    let (server, account) = (ServerLimits::default(), AccountLimits::unlimited());
    let find = |_: &str| None;
    let rules =
        stream::Rules { server: &server, account: &account, is_pedantic: false, is_clustered: false, find: &find };
    let Ok(config) = request.check(name, &rules) else { return };
    survives::<StreamConfig>(&json::write(&config)).expect("what passed a check can be read");
    assert_eq!(config.clone().check(&rules).as_ref(), Ok(&config), "what is complete stays as it is");
    let pedantic = stream::Rules { is_pedantic: true, ..rules };
    assert_eq!(config.clone().check_change(&config, &pedantic).as_ref(), Ok(&config), "no change is allowed");
}

fn create_consumer(operation: &Operation<'_>, body: &[u8]) {
    let Some(mut request) = survives::<consumer::CreateRequest>(body) else { return };
    if request.check_subject(operation, false).is_err() {
        return;
    }
    let (server, account) = (ServerLimits::default(), AccountLimits::unlimited());
    let stream = StreamConfig { name: request.stream_name, num_replicas: 1, ..StreamConfig::default() };
    let rules = consumer::Rules { server: &server, account: &account, stream: &stream, is_pedantic: false };
    let Ok(config) = request.config.check(&rules) else { return };
    assert_eq!(config.clone().check(&rules).as_ref(), Ok(&config), "what is complete stays as it is");
    assert_eq!(config.check_change(&config, true), Ok(()), "no change is allowed");
    assert!(config.is_same(&config));
}

/// What a strict reader takes, a plain one reads the same from what is written of it.
fn survives<T: Read + Default + Serialize + PartialEq + Debug>(body: &[u8]) -> Option<T> {
    let _ = json::read_with::<T>(body, false);
    let message = json::read_strict::<T>(body).ok()?;
    let written = json::write(&message);
    assert_eq!(json::read::<T>(&written).as_ref(), Ok(&message), "{}", written.escape_ascii());
    Some(message)
}
