//! `STREAM.LIST`: how the streams of an account are, gathered from the shards that have them.

use std::collections::BTreeMap;

use firn_api::{
    envelope::{LIST_MAX, Page},
    error::ApiError,
    stream::{ListRequest, StreamInfo, StreamList},
};
use firn_store::wal::GroupId;

use super::{Streams, check, parse_lenient, reply, stream_names::is_wanted};
use crate::{
    command::Command,
    effect::{After, Effects},
    input::Request,
    now::Now,
    shard::Shard,
};

/// Asks the shards that have streams of the page.
pub(super) fn ask(shard: &mut Shard, now: Now, request: &Request, effects: &mut Effects) {
    match chosen(shard, now, request, effects) {
        Err(error) => {
            let after = shard.after_directory();
            shard.with_turn(now, effects, |turn| reply::<StreamList>(turn, request, after, Err(error)));
        }
        Ok((_, groups)) if groups.is_empty() => {
            let after = shard.after_directory();
            answer(shard, now, request, Streams::new(), after, effects);
        }
        Ok((_, groups)) => {
            let mut by_shard: BTreeMap<usize, Vec<GroupId>> = BTreeMap::new();
            for group in groups {
                by_shard.entry(shard.shard_of(group)).or_default().push(group);
            }
            let question = shard.questions.ask(request.clone(), by_shard.len());
            for (to, groups) in by_shard {
                shard.ask_shard(to, Command::Describe { question, groups }, effects);
            }
        }
    }
}

/// Answers with what was gathered. A stream that was deleted meanwhile is missing.
pub(crate) fn answer(
    shard: &mut Shard,
    now: Now,
    request: &Request,
    streams: Streams,
    after: After,
    effects: &mut Effects,
) {
    let outcome = chosen(shard, now, request, effects).map(|(page, _)| {
        let mut streams: Vec<StreamInfo> = streams.into_values().collect();
        streams.sort_by(|one, other| one.config.name.cmp(&other.config.name));
        StreamList { page, streams, ..StreamList::default() }
    });
    let after = after.max(shard.after_directory());
    shard.with_turn(now, effects, |turn| reply(turn, request, after, outcome));
}

/// The page that a request asks for.
fn chosen(
    shard: &mut Shard,
    now: Now,
    request: &Request,
    effects: &mut Effects,
) -> Result<(Page, Vec<GroupId>), ApiError> {
    let wanted = shard.with_turn(now, effects, |turn| {
        check(turn, request)?;
        parse_lenient::<ListRequest>(turn, request)
    })?;
    let account = shard.accounts.get(request.account).ok_or(ApiError::NotEnabledForAccount)?;
    let of_account = shard.directory.of_account(&account.settings.name);
    let all: Vec<GroupId> =
        of_account.filter(|(_, known)| is_wanted(&known.config, &wanted.subject)).map(|(group, _)| group).collect();
    let (page, part) = Page::of(&all, wanted.offset, LIST_MAX);
    Ok((page, part.to_vec()))
}
