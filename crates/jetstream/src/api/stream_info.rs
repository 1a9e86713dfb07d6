//! `STREAM.INFO`: how a stream is, with its subjects and gaps where asked for.

use firn_api::{
    error::ApiError,
    stream::{InfoRequest, StreamDescribed},
};

use super::{check, parse_lenient, reply};
use crate::{
    input::Request,
    messages::Fetch,
    shard::Turn,
    stream::{Stream, info::Shown},
};

pub(super) fn answer(turn: &mut Turn<'_>, stream: Option<&mut Stream>, request: &Request) -> Result<(), Fetch> {
    let after = stream.as_ref().map_or(turn.directory_after, |stream| stream.after());
    let outcome = match (check(turn, request).and_then(|()| parse_lenient(turn, request)), stream) {
        (Err(error), _) => Err(error),
        (Ok(_), None) => Err(ApiError::StreamNotFound),
        (Ok(wanted), Some(stream)) => Ok(describe(turn, stream, &wanted)?),
    };
    reply(turn, request, after, outcome);
    Ok(())
}

fn describe(turn: &Turn<'_>, stream: &Stream, wanted: &InfoRequest) -> Result<StreamDescribed, Fetch> {
    let mut info = stream.info(turn.now, turn.settings, Shown::Asked);
    let page = stream.add_details(&mut info.state, wanted)?;
    Ok(StreamDescribed { page, info: Some(info) })
}
