//! Calls that only servers with peers carry out, and those that nobody answers.

use firn_api::{
    envelope::{
        Body, ConsumerLeaderSteppedDown, StreamLeaderSteppedDown, StreamMoveCancelled, StreamPeerEvacuated,
        StreamPeerRemoved,
    },
    error::ApiError,
    subject::Operation,
};

use super::{check, reply};
use crate::{effect::After, input::Request, shard::Turn};

pub(super) fn answer(turn: &mut Turn<'_>, request: &Request, operation: Operation<'_>) {
    #[expect(clippy::wildcard_enum_match_arm, reason = "nobody answers the others")]
    match operation {
        Operation::StreamPeerRemove { .. } => refuse::<StreamPeerRemoved>(turn, request),
        Operation::StreamPeerEvacuate { .. } => refuse::<StreamPeerEvacuated>(turn, request),
        Operation::StreamCancelMove { .. } => refuse::<StreamMoveCancelled>(turn, request),
        Operation::StreamLeaderStepDown { .. } => refuse::<StreamLeaderSteppedDown>(turn, request),
        Operation::ConsumerLeaderStepDown { .. } => refuse::<ConsumerLeaderSteppedDown>(turn, request),
        // The reference server is silent too: what it does not know, and what only its system account may ask for.
        _ => {}
    }
}

fn refuse<B: Body>(turn: &mut Turn<'_>, request: &Request) {
    let error = check(turn, request).err().unwrap_or(ApiError::ClusterRequired);
    reply::<B>(turn, request, After::Nothing, Err(error));
}
