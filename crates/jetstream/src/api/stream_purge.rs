//! `STREAM.PURGE`: messages are removed.

use firn_api::{
    error::ApiError,
    stream::{PurgeRequest, StreamPurged},
};

use super::{check, parse_lenient, reply};
use crate::{effect::After, input::Request, messages::Fetch, shard::Turn, stream::Stream};

pub(super) fn answer(turn: &mut Turn<'_>, stream: Option<&mut Stream>, request: &Request) -> Result<(), Fetch> {
    let checked = check(turn, request).and_then(|()| {
        let wanted: PurgeRequest = parse_lenient(turn, request)?;
        wanted.check()?;
        Ok(wanted)
    });
    let (outcome, after) = match (checked, stream) {
        (Err(error), _) => (Err(error), After::Nothing),
        (Ok(_), None) => (Err(ApiError::StreamNotFound), turn.directory_after),
        (Ok(wanted), Some(stream)) => {
            let outcome = stream.purge(turn, &wanted)?;
            (outcome, stream.after())
        }
    };
    reply(turn, request, after, outcome.map(|purged| StreamPurged { success: true, purged }));
    Ok(())
}
