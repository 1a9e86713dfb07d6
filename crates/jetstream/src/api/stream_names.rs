//! `STREAM.NAMES`: which streams an account has.

use firn_api::{
    envelope::{NAMES_MAX, Page},
    error::ApiError,
    stream::{ListRequest, StreamConfig, StreamNames},
};
use firn_subject::pattern;

use super::{check, parse_lenient, reply};
use crate::{effect::Effects, input::Request, now::Now, shard::Shard};

pub(super) fn answer(shard: &mut Shard, now: Now, request: &Request, effects: &mut Effects) {
    let checked = shard.with_turn(now, effects, |turn| {
        check(turn, request)?;
        parse_lenient::<ListRequest>(turn, request)
    });
    let outcome = checked.and_then(|wanted| names(shard, request, &wanted));
    let after = shard.after_directory();
    shard.with_turn(now, effects, |turn| reply(turn, request, after, outcome));
}

fn names(shard: &Shard, request: &Request, wanted: &ListRequest) -> Result<StreamNames, ApiError> {
    let account = shard.accounts.get(request.account).ok_or(ApiError::NotEnabledForAccount)?;
    let of_account = shard.directory.of_account(&account.settings.name).map(|(_, known)| &known.config);
    let all: Vec<&String> =
        of_account.filter(|config| is_wanted(config, &wanted.subject)).map(|config| &config.name).collect();
    let (page, part) = Page::of(&all, wanted.offset, NAMES_MAX);
    let streams = (!part.is_empty()).then(|| part.iter().copied().cloned().collect());
    Ok(StreamNames { page, streams })
}

/// Does the stream listen to something in this pattern? Empty is any.
pub(super) fn is_wanted(config: &StreamConfig, subject: &str) -> bool {
    let overlaps = |listened: &String| pattern::overlaps(listened.as_bytes(), subject.as_bytes());
    subject.is_empty() || config.subjects.iter().any(overlaps)
}
