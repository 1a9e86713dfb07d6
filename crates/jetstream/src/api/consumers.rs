//! What is asked of consumers that are there: `INFO`, `NAMES`, `LIST`, `DELETE`, `PAUSE`, `UNPIN`, `RESET`, `MSG.NEXT`.

use firn_api::{
    advisory::{Action, Advisory, ConsumerAction},
    consumer::{
        ConsumerDeleted, ConsumerDescribed, ConsumerInfo, ConsumerList, ConsumerNames, ConsumerPaused, ConsumerReset,
        ConsumerUnpinned, PauseRequest, ResetRequest, UnpinRequest,
    },
    envelope::{Body, LIST_MAX, NAMES_MAX, Page, PageRequest},
    error::ApiError,
    json,
    time::Time,
};

use super::{check, parse_lenient, reply};
use crate::{
    consumer::Pull,
    effect::{Effect, Happened},
    input::Request,
    messages::{Fetch, ready},
    shard::Turn,
    stream::{Stream, consumers::no_responders},
};

/// How a consumer is; with what answers to it add.
pub(super) fn describe(
    turn: &mut Turn<'_>,
    stream: &mut Stream,
    number: u64,
    is_shown: bool,
) -> Result<Option<ConsumerInfo>, Fetch> {
    let Some(access) = stream.call(turn, number, |consumer, turn| consumer.info(turn)) else { return Ok(None) };
    let mut info = ready(access)?;
    if is_shown {
        info.config = info.config.map(|config| config.shown(&turn.settings.version));
    }
    Ok(Some(info))
}

/// Tells who watches consumers.
pub(crate) fn tell_consumer(turn: &mut Turn<'_>, stream: &Stream, consumer: &str, action: Action) {
    let Some(account) = stream.account_id.filter(|account| turn.listeners.is_observed(*account)) else { return };
    let event = ConsumerAction {
        stream: stream.config.name.clone(),
        consumer: consumer.to_owned(),
        action,
        domain: turn.settings.domain.clone(),
    };
    let advisory = Advisory { id: turn.id(), timestamp: Time::from(turn.now.wall), event };
    let advisory = Box::new(Happened::ConsumerMade(advisory));
    turn.effects.list.push(Effect::Advisory { after: stream.after(), account, advisory });
}

/// Answers about a consumer; `act` does what is asked for.
fn with_consumer<B: Body>(
    turn: &mut Turn<'_>,
    stream: Option<&mut Stream>,
    request: &Request,
    name: &str,
    checked: Result<(), ApiError>,
    act: impl FnOnce(&mut Turn<'_>, &mut Stream, u64) -> Result<Result<B, ApiError>, Fetch>,
) -> Result<(), Fetch> {
    let checked = check(turn, request).and(checked);
    let (outcome, after) = match (checked, stream) {
        (Err(error), stream) => (Err(error), stream.map_or(turn.directory_after, |stream| stream.after())),
        (Ok(()), None) => (Err(ApiError::StreamNotFound), turn.directory_after),
        (Ok(()), Some(stream)) => {
            // What consumers did in this turn is in the log before it is shown.
            stream.finish(turn);
            let outcome = match stream.consumers.find(name) {
                Some(number) => act(turn, stream, number)?,
                None => Err(ApiError::ConsumerNotFound),
            };
            stream.finish(turn);
            (outcome, stream.after())
        }
    };
    reply(turn, request, after, outcome);
    Ok(())
}

fn check_empty(request: &Request) -> Result<(), ApiError> {
    if json::is_empty_request(request.packet.body()) { Ok(()) } else { Err(ApiError::NotEmptyRequest) }
}

pub(super) fn info(
    turn: &mut Turn<'_>,
    stream: Option<&mut Stream>,
    request: &Request,
    name: &str,
) -> Result<(), Fetch> {
    with_consumer(turn, stream, request, name, check_empty(request), |turn, stream, number| {
        Ok(Ok(ConsumerDescribed { info: describe(turn, stream, number, true)? }))
    })
}

pub(super) fn delete(
    turn: &mut Turn<'_>,
    stream: Option<&mut Stream>,
    request: &Request,
    name: &str,
) -> Result<(), Fetch> {
    with_consumer(turn, stream, request, name, check_empty(request), |turn, stream, number| {
        stream.delete_consumer(turn, number);
        Ok(Ok(ConsumerDeleted { success: true }))
    })
}

pub(super) fn pause(
    turn: &mut Turn<'_>,
    stream: Option<&mut Stream>,
    request: &Request,
    name: &str,
) -> Result<(), Fetch> {
    let wanted = parse_lenient::<PauseRequest>(turn, request);
    let until = wanted.as_ref().map_or(Time::ZERO, |wanted| wanted.pause_until);
    with_consumer(turn, stream, request, name, wanted.map(drop), |turn, stream, number| {
        let paused = stream.call(turn, number, |consumer, turn| consumer.pause(turn, until));
        Ok(paused.ok_or(ApiError::ConsumerNotFound) as Result<ConsumerPaused, ApiError>)
    })
}

pub(super) fn unpin(
    turn: &mut Turn<'_>,
    stream: Option<&mut Stream>,
    request: &Request,
    name: &str,
) -> Result<(), Fetch> {
    let wanted = UnpinRequest::parse(request.packet.body());
    let group = wanted.as_ref().map_or(String::new(), |wanted| wanted.group.clone());
    with_consumer(turn, stream, request, name, wanted.map(drop), |turn, stream, number| {
        let unpinned = stream.call(turn, number, |consumer, turn| consumer.unpin(turn, &group));
        Ok(unpinned.unwrap_or(Err(ApiError::ConsumerNotFound)).map(|()| ConsumerUnpinned {}))
    })
}

/// Of a consumer that is not there, nobody answers.
pub(super) fn reset(
    turn: &mut Turn<'_>,
    stream: Option<&mut Stream>,
    request: &Request,
    name: &str,
) -> Result<(), Fetch> {
    let Some(stream) = stream.filter(|stream| stream.consumers.find(name).is_some()) else { return Ok(()) };
    let body = request.packet.body();
    let wanted: Result<ResetRequest, ApiError> =
        if body.is_empty() { Ok(ResetRequest::default()) } else { json::read(body).map_err(ApiError::from) };
    let sequence = wanted.as_ref().ok().map(|wanted| wanted.seq);
    with_consumer(turn, Some(stream), request, name, wanted.map(drop), |turn, stream, number| {
        let Some(access) = stream.call(turn, number, |consumer, turn| consumer.reset(turn, sequence)) else {
            return Ok(Err(ApiError::ConsumerNotFound));
        };
        let reset_seq = match ready(access)? {
            Ok(reset_seq) => reset_seq,
            Err(error) => return Ok(Err(error)),
        };
        let info = describe(turn, stream, number, true)?;
        Ok(Ok(ConsumerReset { info, reset_seq }))
    })
}

pub(super) fn names(turn: &mut Turn<'_>, stream: Option<&mut Stream>, request: &Request) -> Result<(), Fetch> {
    let wanted = check(turn, request).and_then(|()| parse_lenient::<PageRequest>(turn, request));
    let after = stream.as_ref().map_or(turn.directory_after, |stream| stream.after());
    let outcome = wanted.and_then(|wanted| {
        let stream = stream.ok_or(ApiError::StreamNotFound)?;
        let all: Vec<&str> = stream.consumers.iter().map(|(_, consumer)| consumer.name()).collect();
        let (page, part) = Page::of(&all, wanted.offset, NAMES_MAX);
        Ok(ConsumerNames { page, consumers: part.iter().map(|name| (*name).to_owned()).collect() })
    });
    reply(turn, request, after, outcome);
    Ok(())
}

pub(super) fn list(turn: &mut Turn<'_>, stream: Option<&mut Stream>, request: &Request) -> Result<(), Fetch> {
    let wanted = check(turn, request).and_then(|()| parse_lenient::<PageRequest>(turn, request));
    let (outcome, after) = match (wanted, stream) {
        (Err(error), stream) => (Err(error), stream.map_or(turn.directory_after, |stream| stream.after())),
        (Ok(_), None) => (Err(ApiError::StreamNotFound), turn.directory_after),
        (Ok(wanted), Some(stream)) => {
            stream.finish(turn);
            let all: Vec<u64> = stream.consumers.iter().map(|(number, _)| number).collect();
            let (page, part) = Page::of(&all, wanted.offset, LIST_MAX);
            let mut consumers = Vec::new();
            for number in part {
                consumers.extend(describe(turn, stream, *number, false)?);
            }
            stream.finish(turn);
            (Ok(ConsumerList { page, consumers, ..ConsumerList::default() }), stream.after())
        }
    };
    reply(turn, request, after, outcome);
    Ok(())
}

/// Somebody asks for messages. Who asks a consumer that is not there hears that nobody listens.
pub(super) fn next(
    turn: &mut Turn<'_>,
    stream: Option<&mut Stream>,
    request: &Request,
    name: &str,
) -> Result<(), Fetch> {
    let found = stream.and_then(|stream| stream.consumers.find(name).map(|number| (stream, number)));
    let Some((stream, number)) = found else {
        no_responders(turn, request);
        return Ok(());
    };
    let packet = &request.packet;
    let pull = Pull { reply: packet.reply(), body: packet.body(), headers: packet.headers() };
    stream.call(turn, number, |consumer, turn| consumer.pull(turn, pull));
    Ok(())
}
