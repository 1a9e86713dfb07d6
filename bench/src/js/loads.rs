//! What is done in one run of a row or of a growth table: a fresh store, a fresh server, a load, figures.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use crate::figure::Figure;
use crate::load::Span;
use crate::rows::Outcome;

use super::ack::Ledger;
use super::column::{Column, Running};
use super::layout::{Layout, STREAM, consumer};
use super::publish::{Load, Measured, Publishers, one_at_a_time};
use super::pull;
use super::store::StoreFolder;

/// From the end of a load to the look at memory.
const MEMORY_AFTER: Duration = Duration::from_secs(10);

/// Who fills stores.
const FILLING: Publishers = Publishers { count: 1, window: 1_024 };
pub(super) const ONE: Publishers = Publishers { count: 1, window: 256 };
pub(super) const SIXTEEN: Publishers = Publishers { count: 16, window: 64 };

/// Subjects beside consumers: always as many, so that only the consumers grow.
const SUBJECTS_OF_CONSUMERS: u64 = 100_000;

/// Subjects that a filtered consumer takes, half of all; as many as it has filters if it has many.
pub(super) const SUBJECTS_OF_FILTERS: u64 = 1_000;

const CONSUMER: &str = "reader";

/// What the options say about every run.
pub(super) struct Plan<'a> {
    pub(super) span: Span,
    /// Divides numbers of messages, streams, subjects and consumers: 1, or 100 for a quick proof that all works.
    pub(super) divisor: u64,
    pub(super) stores: &'a StoreFolder,
}

impl Plan<'_> {
    /// A number as this run has it.
    pub(super) fn scaled(&self, number: u64) -> u64 {
        (number / self.divisor).max(1)
    }

    fn memory_after_load(&self, running: &Running) -> Result<(Figure, f64)> {
        thread::sleep(MEMORY_AFTER / u32::try_from(self.divisor)?);
        Ok((Figure::MemoryAfterLoad, running.server.resident_bytes()? as f64))
    }
}

/// Publishing as fast as the windows allow; `has_memory` when the memory afterwards is a figure too.
pub(super) fn publish(
    column: &Column,
    plan: &Plan<'_>,
    layout: &Layout,
    publishers: Publishers,
    has_memory: bool,
) -> Result<Outcome> {
    let running = column.start(plan.stores.store()?)?;
    layout.create(&mut running.api()?)?;
    let mut outcome = publish_to(&running, plan, layout, publishers)?;
    if has_memory {
        outcome.figures.push(plan.memory_after_load(&running)?);
    }
    Ok(outcome)
}

/// What consumers take.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Filter {
    /// Each its own group of subjects: every message matches one consumer.
    OwnGroup,
    /// Each everything, without a filter.
    All,
}

/// Publishing to a stream that has consumers; nobody asks those for messages.
pub(super) fn publish_beside(column: &Column, plan: &Plan<'_>, consumers: u64, filter: Filter) -> Result<Outcome> {
    let running = column.start(plan.stores.store()?)?;
    let layout = Layout::groups(consumers, plan.scaled(SUBJECTS_OF_CONSUMERS), consumers);
    let request = |number: u64| {
        let filters = match filter {
            Filter::OwnGroup => vec![format!("bench.{number}.*")],
            Filter::All => Vec::new(),
        };
        consumer(&format!("C{number:06}"), &filters)
    };
    let requests: Vec<_> = (0..consumers).map(request).collect();
    let mut api = running.api()?;
    layout.create(&mut api)?;
    api.request_many(&requests)?;
    publish_to(&running, plan, &layout, ONE)
}

fn publish_to(running: &Running, plan: &Plan<'_>, layout: &Layout, publishers: Publishers) -> Result<Outcome> {
    let mut load = Load::open(&running.server, &layout.targets, layout.ledgers(), publishers)?;
    let (measured, before, after) = load.run(&running.server, plan.span, || running.syncs())?;
    let mut outcome = outcome(&measured, Figure::CpuPerMessage, Figure::MessagesPerSecond);
    if let Some((before, after)) = before.zip(after)
        && after > before
    {
        outcome.figures.push((Figure::MessagesPerSync, measured.acknowledged as f64 / (after - before)));
    }
    Ok(outcome)
}

/// Publishing one message after the other.
pub(super) fn publish_one_at_a_time(column: &Column, plan: &Plan<'_>) -> Result<Outcome> {
    let running = column.start(plan.stores.store()?)?;
    let layout = Layout::streams(1);
    layout.create(&mut running.api()?)?;
    let target = layout.targets.first().context("a stream has a subject")?;
    let ledger = layout.ledgers().pop().context("a layout has a stream")?;
    let measured = one_at_a_time(&running.server, target, ledger, plan.span)?;
    let latency = |q| measured.latencies.quantile(q).unwrap_or_default().as_secs_f64() * 1e9;
    let messages = measured.latencies.total() as f64;
    let figures = vec![
        (Figure::P50, latency(0.5)),
        (Figure::P99, latency(0.99)),
        (Figure::P999, latency(0.999)),
        (Figure::CpuPerMessage, measured.server_cpu.as_secs_f64() * 1e9 / messages),
    ];
    let generator_cores = measured.generator_cpu.as_secs_f64() / measured.elapsed.as_secs_f64();
    Ok(Outcome { figures, generator_cores: Some(generator_cores) })
}

/// The memory that so many messages, one after the other over the targets, leave a server with.
pub(super) fn memory(column: &Column, plan: &Plan<'_>, layout: &Layout, messages: u64) -> Result<Outcome> {
    let running = column.start(plan.stores.store()?)?;
    layout.create(&mut running.api()?)?;
    Load::open(&running.server, &layout.targets, layout.ledgers(), ONE)?.publish(messages)?;
    Ok(Outcome { figures: vec![plan.memory_after_load(&running)?], generator_cores: None })
}

/// Reading a stream to its end, from a server that was started on it.
pub(super) fn pull(column: &Column, plan: &Plan<'_>, messages: u64) -> Result<Outcome> {
    let layout = Layout::streams(1);
    let running = column.start(filled(column, plan, &layout, messages)?.stop()?)?;
    running.api()?.request(&consumer(CONSUMER, &[]))?;
    let measured = pull::read_all(&running.server, STREAM, CONSUMER, messages)?;
    Ok(outcome(&measured, Figure::CpuPerDelivery, Figure::DeliveriesPerSecond))
}

/// Reading half of a stream's messages through so many filters: the same messages for any number of filters, because one
/// is a wildcard over what many name each for itself.
pub(super) fn pull_filtered(column: &Column, plan: &Plan<'_>, messages: u64, filters: u64) -> Result<Outcome> {
    let subjects = plan.scaled(SUBJECTS_OF_FILTERS);
    let layout = Layout::groups(2, 2 * subjects, 1);
    let messages = messages.next_multiple_of(2 * subjects);
    let running = column.start(filled(column, plan, &layout, messages)?.stop()?)?;
    let filters: Vec<String> = match filters {
        1 => vec!["bench.0.*".to_owned()],
        _ => layout.targets.iter().map(|target| target.subject.clone()).filter(|s| s.starts_with("bench.0.")).collect(),
    };
    running.api()?.request(&consumer(CONSUMER, &filters))?;
    let measured = pull::read_all(&running.server, STREAM, CONSUMER, messages / 2)?;
    Ok(outcome(&measured, Figure::CpuPerDelivery, Figure::DeliveriesPerSecond))
}

/// Creating streams one after the other.
pub(super) fn create_streams(column: &Column, plan: &Plan<'_>, streams: u64) -> Result<Outcome> {
    let running = column.start(plan.stores.store()?)?;
    let requests = Layout::streams(streams).creations();
    let mut api = running.api()?;
    let begin = Instant::now();
    for request in &requests {
        let answer = api.request(request)?;
        ensure!(answer.get("did_create") == Some(&true.into()), "{} created nothing: {answer}", request.subject);
    }
    let time = begin.elapsed().as_secs_f64() * 1e9;
    Ok(Outcome { figures: vec![(Figure::CreationTime, time)], generator_cores: None })
}

/// Starting on a store after a crash, and again after a clean stop.
pub(super) fn restart(column: &Column, plan: &Plan<'_>, streams: u64, messages: u64) -> Result<Outcome> {
    let layout = Layout::streams(streams);
    let per_stream = (messages / streams).max(1);
    let running = filled(column, plan, &layout, per_stream * streams)?;
    let last = layout.last_stream();
    let nanoseconds = |time: Duration| time.as_secs_f64() * 1e9;
    let running = column.start(running.crash())?;
    let after_crash = nanoseconds(running.recovered(last, per_stream)?);
    let running = column.start(running.stop()?)?;
    let after_stop = nanoseconds(running.recovered(last, per_stream)?);
    let figures = vec![(Figure::StartAfterStop, after_stop), (Figure::StartAfterCrash, after_crash)];
    Ok(Outcome { figures, generator_cores: None })
}

/// A server that has filled its store, and whose last stream says so.
fn filled(column: &Column, plan: &Plan<'_>, layout: &Layout, messages: u64) -> Result<Running> {
    let running = column.to_fill().start(plan.stores.store()?)?;
    layout.create(&mut running.api()?)?;
    let mut load = Load::open(&running.server, &layout.targets, layout.ledgers(), FILLING)?;
    load.publish(messages).context("filling the store")?;
    let in_last_stream = load.into_streams().last().map_or(0, Ledger::last);
    running.recovered(layout.last_stream(), in_last_stream)?;
    Ok(running)
}

fn outcome(measured: &Measured, cpu: Figure, rate: Figure) -> Outcome {
    let (messages, seconds) = (measured.acknowledged as f64, measured.elapsed.as_secs_f64());
    let figures = vec![(cpu, measured.server_cpu.as_secs_f64() * 1e9 / messages), (rate, messages / seconds)];
    Outcome { figures, generator_cores: Some(measured.generator_cpu.as_secs_f64() / seconds) }
}
