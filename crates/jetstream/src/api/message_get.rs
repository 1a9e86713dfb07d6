//! `STREAM.MSG.GET`: one message, read by the stream's leader.

use firn_api::{
    error::ApiError,
    stream::{MessageFound, MessageGetRequest},
};

use super::{check, parse, reply};
use crate::{input::Request, messages::Fetch, shard::Turn, stream::Stream};

pub(super) fn answer(turn: &mut Turn<'_>, stream: Option<&mut Stream>, request: &Request) -> Result<(), Fetch> {
    let after = stream.as_ref().map_or(turn.directory_after, |stream| stream.after());
    let outcome = match (wanted(turn, request), stream) {
        (Err(error), _) => Err(error),
        (Ok(_), None) => Err(ApiError::StreamNotFound),
        (Ok(wanted), Some(stream)) => stream.get(&wanted)?,
    };
    reply(turn, request, after, outcome.map(|message| MessageFound { message: Some(message) }));
    Ok(())
}

fn wanted(turn: &Turn<'_>, request: &Request) -> Result<MessageGetRequest, ApiError> {
    check(turn, request)?;
    if request.packet.body().is_empty() {
        return Err(ApiError::BadRequest);
    }
    let wanted: MessageGetRequest = parse(turn, request.packet.body())?;
    wanted.check()?;
    Ok(wanted)
}
