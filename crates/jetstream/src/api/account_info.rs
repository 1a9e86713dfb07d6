//! `INFO`: what an account uses and may use.

use firn_api::{
    account::{AccountInfo, ApiStats, Tier},
    envelope::AccountDescribed,
    error::ApiError,
    names,
};

use super::{check, reply};
use crate::{effect::Effects, input::Request, now::Now, shard::Shard};

pub(super) fn answer(shard: &mut Shard, now: Now, request: &Request, effects: &mut Effects) {
    let after = shard.after_directory();
    let info = describe(shard, request);
    shard.with_turn(now, effects, |turn| {
        let outcome = check(turn, request).and(info).map(|info| AccountDescribed { info: Some(info) });
        reply(turn, request, after, outcome);
    });
}

fn describe(shard: &Shard, request: &Request) -> Result<AccountInfo, ApiError> {
    let account = shard.accounts.get(request.account).ok_or(ApiError::NotEnabledForAccount)?;
    let limits = account.limits().ok_or(ApiError::NotEnabledForAccount)?.clone();
    let name = &account.settings.name;
    let (usage, reserved) = (account.usage(), shard.directory.reserved(name));
    let count = |number: u64| isize::try_from(number).unwrap_or(isize::MAX);
    Ok(AccountInfo {
        total: Tier {
            memory: usage.memory,
            storage: usage.storage,
            reserved_memory: reserved.memory,
            reserved_storage: reserved.storage,
            streams: isize::try_from(shard.directory.of_account(name).count()).unwrap_or(isize::MAX),
            consumers: count(usage.consumers),
            limits,
        },
        domain: shard.settings.domain.clone(),
        api: ApiStats {
            level: isize::try_from(names::LEVEL).unwrap_or(0),
            total: usage.calls,
            errors: usage.errors,
            inflight: 0,
        },
        ..AccountInfo::default()
    })
}
