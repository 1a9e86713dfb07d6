//! `STREAM.MSG.DELETE`: one message is removed.

use firn_api::{
    error::ApiError,
    json,
    stream::{MessageDeleteRequest, MessageDeleted},
};

use super::{check, parse, reply};
use crate::{effect::After, input::Request, messages::Fetch, shard::Turn, stream::Stream};

pub(super) fn answer(turn: &mut Turn<'_>, stream: Option<&mut Stream>, request: &Request) -> Result<(), Fetch> {
    let (outcome, after) = match (wanted(turn, request), stream) {
        (Err(error), _) => (Err(error), After::Nothing),
        (Ok(_), None) => (Err(ApiError::StreamNotFound), turn.directory_after),
        (Ok(wanted), Some(stream)) => {
            let outcome = stream.delete_message(turn, wanted.seq)?;
            (outcome, stream.after())
        }
    };
    reply(turn, request, after, outcome.map(|()| MessageDeleted { success: true }));
    Ok(())
}

fn wanted(turn: &Turn<'_>, request: &Request) -> Result<MessageDeleteRequest, ApiError> {
    check(turn, request)?;
    if json::is_empty_request(request.packet.body()) {
        return Err(ApiError::BadRequest);
    }
    parse(turn, request.packet.body())
}
