//! `STREAM.UPDATE`: a stream gets another configuration.

use firn_api::{
    advisory::Action,
    error::ApiError,
    json,
    stream::{CreateRequest, Rules, Storage, StreamConfig, StreamInfo, StreamUpdated},
    subject::{Address, Operation},
};
use firn_store::wal::GroupId;

use super::{
    check, parse, reply,
    stream_create::{check_supported, tell},
};
use crate::{
    command::{Command, Placed, Placement},
    effect::{After, Effects},
    entry::DirectoryEntry,
    input::Request,
    now::Now,
    shard::{Shard, Turn},
};

/// Carries a request out. `fits`: the stream's consumers fit the limits that it sets for them.
pub(super) fn answer(shard: &mut Shard, now: Now, request: &Request, name: &str, fits: bool, effects: &mut Effects) {
    let checked = shard.with_turn(now, effects, |turn| {
        check(turn, request)?;
        parse::<CreateRequest>(turn, request.packet.body())
    });
    let account = shard.accounts.get(request.account).map(|account| account.settings.name.clone());
    let account = account.unwrap_or_default();
    match checked.and_then(|wanted| decide(shard, request, &account, name, wanted)) {
        Err(error) => {
            let after = shard.after_directory();
            shard.with_turn(now, effects, |turn| reply::<StreamUpdated>(turn, request, after, Err(error)));
        }
        Ok((group, config)) => {
            let known = shard.directory.get(group).map(|known| (known.created, known.config == config));
            let (created, is_same) = known.unwrap_or((now.wall, false));
            let limits = config.consumer_limits;
            if !fits && shard.directory.get(group).is_some_and(|known| known.config.consumer_limits != limits) {
                let request = request.clone();
                return shard.instruct(group, Command::MayChange { group, limits, request }, effects);
            }
            if !is_same {
                let text = json::write(&config);
                let entry = DirectoryEntry::Update { group, config: &text };
                shard.propose(&entry, config.storage == Storage::File, effects);
            }
            let request = Some((request.clone(), Placed::Updated));
            let placement = Placement { group, account, created, config, request };
            shard.instruct(group, Command::Place(Box::new(placement)), effects);
        }
    }
}

fn decide(
    shard: &Shard,
    request: &Request,
    account: &str,
    name: &str,
    wanted: CreateRequest,
) -> Result<(GroupId, StreamConfig), ApiError> {
    let limits = shard.accounts.get(request.account).and_then(|account| account.limits());
    let limits = limits.ok_or(ApiError::NotEnabledForAccount)?;
    let directory = &shard.directory;
    let rules = Rules {
        server: &shard.settings.limits,
        account: limits,
        is_pedantic: wanted.pedantic,
        is_clustered: false,
        find: &|name| directory.find(account, name).and_then(|group| directory.get(group)).map(|known| &known.config),
    };
    let config = wanted.check_update(name, &rules)?;
    let group = directory.find(account, name).ok_or(ApiError::StreamNotFound)?;
    let old = &directory.get(group).ok_or(ApiError::StreamNotFound)?.config;
    let config = config.check_change(old, &rules)?;
    check_supported(&config)?;
    if directory.overlaps(account, &config) {
        return Err(ApiError::StreamSubjectOverlap);
    }
    directory.check_reservations(account, limits, &shard.settings, &config)?;
    if shard.log_is_full && config.storage == Storage::File {
        return Err(ApiError::StorageResourcesExceeded);
    }
    Ok((group, config))
}

/// The stream's consumers fit what a request sets for them: from the beginning, because the directory may have changed.
pub(crate) fn change(shard: &mut Shard, now: Now, request: &Request, effects: &mut Effects) {
    let address = Address::parse(request.packet.subject()).map(|address| address.operation);
    if let Some(Operation::StreamUpdate { stream }) = address {
        answer(shard, now, request, stream, true, effects);
    }
}

/// They do not.
pub(crate) fn refuse_limits(turn: &mut Turn<'_>, request: &Request, names: &[String], after: After) {
    let err = format!("change to limits violates consumers: {}", names.join(", "));
    reply::<StreamUpdated>(turn, request, after, Err(ApiError::StreamUpdate { err }));
}

/// The stream is as asked for.
pub(crate) fn updated(turn: &mut Turn<'_>, request: &Request, info: StreamInfo, after: After) {
    tell(turn, request, &info.config.name, Action::Modify, after);
    reply(turn, request, after, Ok(StreamUpdated { info: Some(info) }));
}
