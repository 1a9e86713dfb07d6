//! `STREAM.DELETE`: a stream is no more.

use firn_api::{
    advisory::Action,
    error::ApiError,
    json,
    stream::{Storage, StreamDeleted},
    subject::{Address, Operation},
};
use firn_store::wal::GroupId;

use super::{check, reply, stream_create::tell};
use crate::{
    command::Command,
    effect::{After, Effects},
    entry::DirectoryEntry,
    input::Request,
    now::Now,
    shard::{Shard, Turn},
};

pub(super) fn answer(shard: &mut Shard, now: Now, request: &Request, name: &str, effects: &mut Effects) {
    let checked = shard.with_turn(now, effects, |turn| {
        check(turn, request)?;
        if json::is_empty_request(request.packet.body()) { Ok(()) } else { Err(ApiError::NotEmptyRequest) }
    });
    match checked.and_then(|()| find(shard, request, name)) {
        Err(error) => {
            let after = shard.after_directory();
            shard.with_turn(now, effects, |turn| reply::<StreamDeleted>(turn, request, after, Err(error)));
        }
        Ok((group, is_logged)) => {
            shard.propose(&DirectoryEntry::Delete { group }, is_logged, effects);
            let command = Command::Remove { group, request: Some(request.clone()) };
            shard.instruct(group, command, effects);
        }
    }
}

fn find(shard: &Shard, request: &Request, name: &str) -> Result<(GroupId, bool), ApiError> {
    let account = shard.accounts.get(request.account).ok_or(ApiError::NotEnabledForAccount)?;
    let group = shard.directory.find(&account.settings.name, name).ok_or(ApiError::StreamNotFound)?;
    let known = shard.directory.get(group).ok_or(ApiError::StreamNotFound)?;
    Ok((group, known.config.storage == Storage::File))
}

/// The stream is gone.
pub(crate) fn deleted(turn: &mut Turn<'_>, request: &Request, after: After) {
    if let Some(Address { operation: Operation::StreamDelete { stream }, .. }) =
        Address::parse(request.packet.subject())
    {
        tell(turn, request, stream, Action::Delete, after);
    }
    reply(turn, request, after, Ok(StreamDeleted { success: true }));
}
