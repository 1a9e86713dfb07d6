//! Answers to `$JS.API.>`, one call or family a file.
//!
//! ```text
//!   Request ─► level, account ─► about the directory: here      INFO, CREATE, UPDATE, DELETE, NAMES, LIST
//!                             └► about a stream: on its shard   INFO, PURGE, MSG.GET, MSG.DELETE, DIRECT.GET, CONSUMER.>
//! ```
//!
//! Each call checks its request, asks the directory or the stream, and answers with a typed body. An answer waits for
//! what it shows; an error that shows nothing of a stream does too, because it says that a stream is not there.

use std::collections::BTreeMap;

use firn_api::{
    advisory::{Advisory, ApiAudit},
    envelope::{Body, Response},
    error::ApiError,
    json, names,
    stream::StreamInfo,
    subject::{Address, Operation},
    time::Time,
};
use firn_wire::header;

use crate::{
    effect::{After, Effect, Happened, Message},
    input::Request,
    messages::Fetch,
    now::Now,
    settings::Settings,
    shard::{Shard, Turn},
    stream::{Stream, consumers::no_responders, info::Shown},
};

mod account_info;
mod cluster;
mod consumer_create;
mod consumers;
mod message_delete;
mod message_get;
mod stream_create;
mod stream_delete;
mod stream_info;
mod stream_list;
mod stream_names;
mod stream_purge;
mod stream_update;

pub(crate) use self::{
    consumers::tell_consumer,
    stream_create::created,
    stream_delete::deleted,
    stream_list::answer as list,
    stream_update::updated,
    stream_update::{change, refuse_limits},
};

/// What every request must satisfy.
fn check(turn: &Turn<'_>, request: &Request) -> Result<(), ApiError> {
    let required = header::find(request.packet.headers(), names::REQUIRED_LEVEL_HEADER.as_bytes());
    if !std::str::from_utf8(required.unwrap_or_default()).is_ok_and(names::reaches_level) {
        return Err(ApiError::RequiredApiLevel);
    }
    let account = turn.accounts.get(request.account);
    if account.and_then(|account| account.limits()).is_none() {
        return Err(ApiError::NotEnabledForAccount);
    }
    Ok(())
}

/// Answers a request about the directory, or hands it to the shard of its stream.
pub(crate) fn answer(shard: &mut Shard, now: Now, request: Request, effects: &mut crate::effect::Effects) {
    let packet = request.packet.clone();
    let Some(Address { operation, .. }) = Address::parse(packet.subject()) else { return };
    if let Some(stream) = stream_of(&operation) {
        let name = shard.accounts.get(request.account).map(|account| account.settings.name.clone());
        match name.and_then(|name| shard.directory.find(&name, stream)) {
            Some(group) => shard.forward(group, request, effects),
            None => shard.answer_missing(now, &request, effects),
        }
        return;
    }
    #[expect(clippy::wildcard_enum_match_arm, reason = "the others are not about streams")]
    match operation {
        Operation::AccountInfo {} => account_info::answer(shard, now, &request, effects),
        Operation::StreamCreate { stream } => stream_create::answer(shard, now, &request, stream, effects),
        Operation::StreamUpdate { stream } => stream_update::answer(shard, now, &request, stream, false, effects),
        Operation::StreamDelete { stream } => stream_delete::answer(shard, now, &request, stream, effects),
        Operation::StreamNames {} => stream_names::answer(shard, now, &request, effects),
        Operation::StreamList {} => stream_list::ask(shard, now, &request, effects),
        _ => shard.with_turn(now, effects, |turn| cluster::answer(turn, &request, operation)),
    }
}

/// The stream that alone can answer.
fn stream_of<'a>(operation: &Operation<'a>) -> Option<&'a str> {
    #[expect(clippy::wildcard_enum_match_arm, reason = "the others are about none, or about all of them")]
    match *operation {
        Operation::StreamInfo { stream }
        | Operation::StreamPurge { stream }
        | Operation::MessageGet { stream }
        | Operation::MessageDelete { stream }
        | Operation::DirectGet { stream }
        | Operation::DirectGetLast { stream, .. }
        | Operation::ConsumerNext { stream, .. }
        | Operation::ConsumerCreateUnnamed { stream }
        | Operation::ConsumerCreate { stream, .. }
        | Operation::ConsumerCreateFiltered { stream, .. }
        | Operation::ConsumerCreateDurable { stream, .. }
        | Operation::ConsumerNames { stream }
        | Operation::ConsumerList { stream }
        | Operation::ConsumerInfo { stream, .. }
        | Operation::ConsumerDelete { stream, .. }
        | Operation::ConsumerPause { stream, .. }
        | Operation::ConsumerUnpin { stream, .. }
        | Operation::ConsumerReset { stream, .. } => Some(stream),
        _ => None,
    }
}

/// Answers a request about a stream, which may not be there.
///
/// # Errors
/// What has to be read first; nothing was done.
pub(crate) fn answer_of_stream(
    turn: &mut Turn<'_>,
    stream: Option<&mut Stream>,
    request: &Request,
) -> Result<(), Fetch> {
    let Some(Address { operation, .. }) = Address::parse(request.packet.subject()) else { return Ok(()) };
    #[expect(clippy::wildcard_enum_match_arm, reason = "the others are answered by the directory")]
    match operation {
        Operation::DirectGet { .. } => direct_get(turn, stream, request, None),
        Operation::DirectGetLast { subject, .. } => direct_get(turn, stream, request, Some(subject)),
        Operation::StreamInfo { .. } => stream_info::answer(turn, stream, request),
        Operation::StreamPurge { .. } => stream_purge::answer(turn, stream, request),
        Operation::MessageGet { .. } => message_get::answer(turn, stream, request),
        Operation::MessageDelete { .. } => message_delete::answer(turn, stream, request),
        Operation::ConsumerNext { consumer, .. } => consumers::next(turn, stream, request, consumer),
        Operation::ConsumerCreateUnnamed { .. }
        | Operation::ConsumerCreate { .. }
        | Operation::ConsumerCreateFiltered { .. }
        | Operation::ConsumerCreateDurable { .. } => consumer_create::answer(turn, stream, request, operation),
        Operation::ConsumerNames { .. } => consumers::names(turn, stream, request),
        Operation::ConsumerList { .. } => consumers::list(turn, stream, request),
        Operation::ConsumerInfo { consumer, .. } => consumers::info(turn, stream, request, consumer),
        Operation::ConsumerDelete { consumer, .. } => consumers::delete(turn, stream, request, consumer),
        Operation::ConsumerPause { consumer, .. } => consumers::pause(turn, stream, request, consumer),
        Operation::ConsumerUnpin { consumer, .. } => consumers::unpin(turn, stream, request, consumer),
        Operation::ConsumerReset { consumer, .. } => consumers::reset(turn, stream, request, consumer),
        _ => Ok(()),
    }
}

/// A stream that is not there, or that answers no direct gets, does not listen.
fn direct_get(
    turn: &mut Turn<'_>,
    stream: Option<&mut Stream>,
    request: &Request,
    subject: Option<&str>,
) -> Result<(), Fetch> {
    match stream.filter(|stream| stream.config.allow_direct) {
        Some(stream) => stream.direct_get(turn, request.account, &request.packet, subject),
        None => {
            no_responders(turn, request);
            Ok(())
        }
    }
}

/// How a stream is, for whoever made or changed it.
pub(crate) fn placed(stream: &Stream, now: Now, settings: &Settings) -> StreamInfo {
    stream.info(now, settings, Shown::Changed)
}

/// How a stream is, in a list.
pub(crate) fn listed(stream: &Stream, now: Now, settings: &Settings) -> StreamInfo {
    stream.info(now, settings, Shown::Listed)
}

/// Streams of a list, by group.
pub(crate) type Streams = BTreeMap<firn_store::wal::GroupId, StreamInfo>;

/// Sends an answer, and tells whoever audits the API.
fn reply<B: Body>(turn: &mut Turn<'_>, request: &Request, after: After, outcome: Result<B, ApiError>) {
    turn.accounts.count_call(request.account, outcome.is_err());
    let body = json::write(&Response::from(outcome));
    let account = request.account;
    let subject = request.packet.reply();
    if !subject.is_empty() {
        let message = Message { subject, reply: b"", headers: b"", body: &body };
        turn.effects.publish(after, account, message);
    }
    if !turn.listeners.is_observed(account) {
        return;
    }
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let audit = ApiAudit {
        server: turn.settings.server_name.clone(),
        client: request.client.as_deref().cloned(),
        subject: text(request.packet.subject()),
        request: text(request.packet.body()),
        response: text(&body),
        domain: turn.settings.domain.clone(),
    };
    let advisory = Advisory { id: turn.id(), timestamp: Time::from(turn.now.wall), event: audit };
    turn.effects.list.push(Effect::Advisory { after, account, advisory: Box::new(Happened::Audit(advisory)) });
}

/// The request's body as JSON; what cannot be JSON counts as nothing.
fn parse_lenient<T: json::Read + Default>(turn: &Turn<'_>, request: &Request) -> Result<T, ApiError> {
    let body = request.packet.body();
    if !json::is_json(body) {
        return Ok(T::default());
    }
    parse(turn, body)
}

fn parse<T: json::Read + Default>(turn: &Turn<'_>, body: &[u8]) -> Result<T, ApiError> {
    json::read_with(body, turn.settings.is_strict).map_err(ApiError::from)
}
