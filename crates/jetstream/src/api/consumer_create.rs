//! `CONSUMER.CREATE` in all its forms: a consumer is made, or changed, or is there already, just so.

use firn_api::{
    advisory::Action,
    consumer::{self, ConsumerConfig, ConsumerCreated, CreateRequest, Rules},
    error::ApiError,
    stream::Retention,
    subject::Operation,
};
use firn_subject::pattern;

use super::{
    check,
    consumers::{describe, tell_consumer},
    parse, reply,
};
use crate::{
    consumer::start_sequence,
    input::Request,
    messages::{Fetch, ready},
    shard::Turn,
    stream::Stream,
};

/// Consumers of one stream where nobody says how many.
const CONSUMERS_MAX: usize = 1_000;

/// What becomes of the request.
enum Decision {
    /// It is there, just so.
    There(u64),
    Change(u64, ConsumerConfig),
    New(String, ConsumerConfig),
}

pub(super) fn answer(
    turn: &mut Turn<'_>,
    stream: Option<&mut Stream>,
    request: &Request,
    operation: Operation<'_>,
) -> Result<(), Fetch> {
    let wanted = check(turn, request).and_then(|()| {
        let mut wanted: CreateRequest = parse(turn, request.packet.body())?;
        wanted.check_subject(&operation, false)?;
        Ok(wanted)
    });
    let (wanted, stream) = match (wanted, stream) {
        (Ok(wanted), Some(stream)) => (wanted, stream),
        (Ok(_), None) => return refuse(turn, None, request, ApiError::StreamNotFound),
        (Err(error), stream) => return refuse(turn, stream.as_deref(), request, error),
    };
    let decided = decide(turn, stream, request, wanted);
    let number = match decided {
        Err(error) => return refuse(turn, Some(stream), request, error),
        Ok(Decision::There(number)) => Some(number),
        Ok(Decision::Change(number, config)) => {
            stream.update_consumer(turn, number, &config);
            stream.finish(turn);
            Some(number)
        }
        Ok(Decision::New(name, config)) => {
            let start = ready(start_sequence(&config, &stream.messages))?;
            let number = stream.propose_consumer(turn, &name, &config, start);
            tell_consumer(turn, stream, &name, Action::Create);
            number
        }
    };
    let info = match number {
        Some(number) => describe(turn, stream, number, true)?,
        None => None,
    };
    reply(turn, request, stream.after(), Ok(ConsumerCreated { info }));
    Ok(())
}

/// There is nothing to be read for it.
fn refuse(turn: &mut Turn<'_>, stream: Option<&Stream>, request: &Request, error: ApiError) -> Result<(), Fetch> {
    let after = stream.map_or(turn.directory_after, Stream::after);
    reply::<ConsumerCreated>(turn, request, after, Err(error));
    Ok(())
}

fn decide(
    turn: &mut Turn<'_>,
    stream: &mut Stream,
    request: &Request,
    wanted: CreateRequest,
) -> Result<Decision, ApiError> {
    let account = turn.accounts.get(request.account).and_then(|account| account.limits()).cloned();
    let account = account.ok_or(ApiError::NotEnabledForAccount)?;
    let (action, mut config) = (wanted.action, wanted.config);
    let name = if config.name.is_empty() { config.durable_name.clone() } else { config.name.clone() };
    let old = stream.consumers.find(&name).filter(|_| !name.is_empty());
    let old_config = old.and_then(|number| stream.consumers.get(number)).map(|consumer| consumer.config().clone());
    if let Some(old) = &old_config {
        config.inherit(old);
    }
    config.stamp();
    let rules = Rules {
        server: &turn.settings.limits,
        account: &account,
        stream: &stream.config,
        is_pedantic: wanted.pedantic,
    };
    let config = config.check(&rules)?;
    if let (Some(number), Some(old)) = (old, old_config) {
        if config.is_same(&old) {
            return Ok(Decision::There(number));
        }
        if action == consumer::Action::Create {
            return Err(ApiError::ConsumerAlreadyExists);
        }
        let is_bound = stream
            .call(turn, number, |consumer, turn| consumer.info(turn))
            .is_some_and(|info| ready(info).is_ok_and(|info| info.push_bound));
        config.check_change(&old, is_bound)?;
        check_unique(stream, &config, Some(number))?;
        return Ok(Decision::Change(number, config));
    }
    if action == consumer::Action::Update {
        return Err(ApiError::ConsumerDoesNotExist);
    }
    config.check_new(&stream.config)?;
    let bounds = [stream.config.max_consumers, account.max_consumers];
    let max = bounds.into_iter().filter_map(|max| usize::try_from(max).ok()).filter(|&max| max > 0).min();
    if stream.consumers.len() >= max.unwrap_or(CONSUMERS_MAX) {
        return Err(ApiError::MaximumConsumersLimit);
    }
    check_unique(stream, &config, None)?;
    let name = if name.is_empty() { turn.id().chars().take(8).collect() } else { name };
    Ok(Decision::New(name, config))
}

/// A message of a work queue has one consumer.
fn check_unique(stream: &Stream, config: &ConsumerConfig, own: Option<u64>) -> Result<(), ApiError> {
    if stream.config.retention != Retention::WorkQueue {
        return Ok(());
    }
    let mut others = stream.consumers.iter().filter(|(number, _)| Some(*number) != own).peekable();
    if others.peek().is_none() {
        return Ok(());
    }
    if config.filters().next().is_none() {
        return Err(ApiError::ConsumerWorkQueueMultipleUnfiltered);
    }
    let overlaps = |theirs: &str| config.filters().any(|ours| pattern::overlaps(ours.as_bytes(), theirs.as_bytes()));
    let is_taken = others.any(|(_, other)| {
        let mut theirs = other.config().filters().peekable();
        theirs.peek().is_none() || theirs.any(overlaps)
    });
    if is_taken { Err(ApiError::ConsumerWorkQueueConsumerNotUnique) } else { Ok(()) }
}
