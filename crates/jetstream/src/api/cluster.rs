//! Calls that only servers with peers carry out, those that this server cannot carry out, and those that nobody answers.

use firn_api::{
    envelope::{
        Body, ConsumerLeaderSteppedDown, StreamLeaderSteppedDown, StreamMoveCancelled, StreamPeerEvacuated,
        StreamPeerRemoved,
    },
    error::ApiError,
    stream::{RestoreReady, SnapshotStarted},
    subject::Operation,
};

use super::{check, reply};
use crate::{effect::After, input::Request, shard::Turn};

const NOT_SUPPORTED: &str = "not supported yet";

pub(super) fn answer(turn: &mut Turn<'_>, request: &Request, operation: Operation<'_>) {
    #[expect(clippy::wildcard_enum_match_arm, reason = "nobody answers the others")]
    match operation {
        Operation::StreamPeerRemove { .. } => refuse::<StreamPeerRemoved>(turn, request),
        Operation::StreamPeerEvacuate { .. } => refuse::<StreamPeerEvacuated>(turn, request),
        Operation::StreamCancelMove { .. } => refuse::<StreamMoveCancelled>(turn, request),
        Operation::StreamLeaderStepDown { .. } => refuse::<StreamLeaderSteppedDown>(turn, request),
        Operation::ConsumerLeaderStepDown { .. } => refuse::<ConsumerLeaderSteppedDown>(turn, request),
        Operation::StreamSnapshot { .. } => {
            refuse_with::<SnapshotStarted>(turn, request, ApiError::StreamSnapshot { err: NOT_SUPPORTED.to_owned() });
        }
        Operation::StreamRestore { .. } => {
            refuse_with::<RestoreReady>(turn, request, ApiError::StreamRestore { err: NOT_SUPPORTED.to_owned() });
        }
        // The reference server is silent too: what it does not know, and what only its system account may ask for.
        _ => {}
    }
}

fn refuse<B: Body>(turn: &mut Turn<'_>, request: &Request) {
    refuse_with::<B>(turn, request, ApiError::ClusterRequired);
}

fn refuse_with<B: Body>(turn: &mut Turn<'_>, request: &Request, error: ApiError) {
    let error = check(turn, request).err().unwrap_or(error);
    reply::<B>(turn, request, After::Nothing, Err(error));
}
