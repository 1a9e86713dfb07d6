//! `STREAM.CREATE`: a stream is made, or is there already, just so.

use firn_api::{
    advisory::{Action, Advisory, StreamAction},
    error::ApiError,
    json,
    stream::{CreateRequest, Rules, Storage, StreamConfig, StreamCreated, StreamInfo},
    time::Time,
};
use firn_store::wal::GroupId;

use super::{check, parse, reply};
use crate::{
    command::{Command, Placed, Placement},
    effect::{After, Effect, Effects, Happened},
    entry::DirectoryEntry,
    input::Request,
    now::Now,
    shard::{Shard, Turn},
};

/// What becomes of the request.
enum Decision {
    /// It is there, and is the same.
    There(GroupId, StreamConfig),
    New(StreamConfig),
}

pub(super) fn answer(shard: &mut Shard, now: Now, request: &Request, name: &str, effects: &mut Effects) {
    let checked = shard.with_turn(now, effects, |turn| {
        check(turn, request)?;
        parse::<CreateRequest>(turn, request.packet.body())
    });
    let account = shard.accounts.get(request.account).map(|account| account.settings.name.clone());
    let account = account.unwrap_or_default();
    match checked.and_then(|wanted| decide(shard, request, &account, name, wanted)) {
        Err(error) => {
            let after = shard.after_directory();
            shard.with_turn(now, effects, |turn| reply::<StreamCreated>(turn, request, after, Err(error)));
        }
        Ok(Decision::There(group, config)) => {
            let created = shard.directory.get(group).map_or(now.wall, |known| known.created);
            place(shard, request, Placement { group, account, created, config, request: None }, effects);
        }
        Ok(Decision::New(config)) => {
            let (group, created) = (shard.directory.next_group(), now.wall);
            let text = json::write(&config);
            let entry = DirectoryEntry::Create { group, account: &account, created, config: &text };
            // A stream in memory is gone after a restart, and its name is free.
            shard.propose(&entry, config.storage == Storage::File, effects);
            place(shard, request, Placement { group, account, created, config, request: None }, effects);
        }
    }
}

fn place(shard: &mut Shard, request: &Request, placement: Placement, effects: &mut Effects) {
    let group = placement.group;
    let request = Some((request.clone(), Placed::Created));
    shard.instruct(group, Command::Place(Box::new(Placement { request, ..placement })), effects);
}

fn decide(
    shard: &Shard,
    request: &Request,
    account: &str,
    name: &str,
    wanted: CreateRequest,
) -> Result<Decision, ApiError> {
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
    let config = wanted.check(name, &rules)?;
    check_supported(&config)?;
    if let Some(group) = directory.find(account, name) {
        let is_same = directory.get(group).is_some_and(|known| known.config == config);
        return if is_same { Ok(Decision::There(group, config)) } else { Err(ApiError::StreamNameExist) };
    }
    let streams_max = usize::try_from(limits.max_streams).ok().filter(|&max| max > 0);
    if streams_max.is_some_and(|max| directory.of_account(account).count() >= max) {
        return Err(ApiError::MaximumStreamsLimit);
    }
    directory.check_reservations(account, limits, &shard.settings, &config)?;
    if directory.overlaps(account, &config) {
        return Err(ApiError::StreamSubjectOverlap);
    }
    if shard.log_is_full && config.storage == Storage::File {
        return Err(ApiError::StorageResourcesExceeded);
    }
    Ok(Decision::New(config))
}

/// What this server cannot do it refuses, rather than taking a stream that behaves as if nothing had been said.
pub(super) fn check_supported(config: &StreamConfig) -> Result<(), ApiError> {
    for (is_asked_for, feature) in [
        (config.mirror.is_some(), "mirror"),
        (!config.sources.is_empty(), "sources"),
        (config.allow_msg_counter, "allow_msg_counter"),
        (config.allow_atomic, "allow_atomic"),
        (config.allow_msg_schedules, "allow_msg_schedules"),
        (config.allow_batched, "allow_batched"),
    ] {
        if is_asked_for {
            return Err(ApiError::invalid_config(format!("not supported yet: {feature}")));
        }
    }
    Ok(())
}

/// The stream is as asked for.
pub(crate) fn created(turn: &mut Turn<'_>, request: &Request, info: StreamInfo, after: After, is_new: bool) {
    if is_new {
        tell(turn, request, &info.config.name, Action::Create, after);
    }
    reply(turn, request, after, Ok(StreamCreated { info: Some(info), did_create: true }));
}

/// Tells who watches streams.
pub(super) fn tell(turn: &mut Turn<'_>, request: &Request, stream: &str, action: Action, after: After) {
    if !turn.listeners.is_observed(request.account) {
        return;
    }
    let event = StreamAction { stream: stream.to_owned(), action, domain: turn.settings.domain.clone() };
    let advisory = Advisory { id: turn.id(), timestamp: Time::from(turn.now.wall), event };
    let advisory = Box::new(Happened::Stream(advisory));
    turn.effects.list.push(Effect::Advisory { after, account: request.account, advisory });
}
