//! `firn bench js pub`, `consume`: what publishers and consumers of a stream see.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, ensure};
use async_nats::HeaderMap;
use async_nats::jetstream::consumer::{Consumer, pull};
use async_nats::jetstream::context::{Context, PublishAckFuture};
use bytes::Bytes;
use clap::{Args, Subcommand, ValueEnum};
use firn_api::consumer::{ConsumerCreated, ConsumerDeleted};
use firn_api::json;
use firn_api::stream::{PurgeRequest, StreamCreated, StreamPurged, StreamUpdated};
use firn_api::subject::Operation;
use futures_util::StreamExt as _;
use serde_json::json;
use tokio::sync::watch;
use tokio::time;

use crate::connection::ConnectionArgs;
use crate::jetstream::{self, JetStream, Refused};
use crate::{duration, size};

use super::report::Sample;
use super::{Amount, Part, Title, measure, payload};

/// The consumer that is made for a measurement, and deleted after it.
const CONSUMER: &str = "nats-bench";

/// The server's numbers for a consumer that is not there, and for a stream that is there and different.
const NO_CONSUMER: u16 = 10014;
pub(super) const STREAM_EXISTS: u16 = 10058;

#[derive(Debug, Subcommand)]
pub(crate) enum PublishCommand {
    /// Wait for each acknowledgement, and measure it
    Sync(PublishArgs),

    /// Keep many messages on their way
    Async(PublishArgs),
}

#[derive(Args, Clone, Debug)]
pub(crate) struct PublishArgs {
    /// Subject to publish on
    subject: String,

    #[command(flatten)]
    amount: Amount,

    #[command(flatten)]
    stream: StreamArgs,

    /// How many messages wait for their acknowledgement, with `async`
    #[arg(long, default_value_t = 500)]
    batch: usize,

    /// Use many subjects: the number of the message is added as a token
    #[arg(long)]
    multisubject: bool,

    /// How many subjects at most; 0 is any number
    #[arg(long, default_value_t = 100_000)]
    multisubjectmax: u64,

    /// Give each message an id, by which the server finds duplicates
    #[arg(long)]
    dedup: bool,
}

/// The stream that is measured.
#[derive(Args, Clone, Debug)]
struct StreamArgs {
    /// Name of the stream
    #[arg(long = "stream", value_name = "NAME", default_value = "benchstream")]
    name: String,

    /// Create it first, or change it to what is said here
    #[arg(long)]
    create: bool,

    /// Remove its messages first
    #[arg(long)]
    purge: bool,

    /// Where it keeps messages, with --create
    #[arg(long, value_name = "WORD", default_value = "file", value_parser = ["file", "memory"])]
    storage: String,

    /// On how many servers, with --create
    #[arg(long, default_value_t = 1)]
    replicas: u32,

    /// How many bytes it keeps, with --create
    #[arg(long, value_name = "BYTES", default_value = "1GB", value_parser = size::parse::<u64>)]
    maxbytes: u64,

    /// How long the id of a message is remembered, with --create
    #[arg(long, value_name = "DURATION", default_value = "2m", value_parser = duration::parse)]
    dedupwindow: Duration,

    /// Acknowledge a message when it is about to be written, with --create
    #[arg(long)]
    persistasync: bool,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct ConsumeArgs {
    #[command(flatten)]
    amount: Amount,

    /// Name of the stream
    #[arg(long, value_name = "NAME", default_value = "benchstream")]
    stream: String,

    /// Durable consumer to use; one that is not the default stays afterwards
    #[arg(long, value_name = "NAME", default_value = CONSUMER)]
    consumer: String,

    /// Messages that a client holds
    #[arg(long, default_value_t = 500)]
    batch: usize,

    /// What clients acknowledge
    #[arg(long, value_name = "WORD", default_value = "explicit")]
    acks: Acks,

    /// Wait until the server has each acknowledgement
    #[arg(long)]
    doubleack: bool,

    /// Only messages whose subject is in this pattern; by commas or repeated
    #[arg(long = "filter", value_name = "PATTERN", value_delimiter = ',')]
    filters: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Acks {
    /// Each message
    Explicit,
    /// A message, and with it all before it
    All,
    /// Nothing
    None,
}

/// # Errors
/// There is no stream for the subject, or a message is not acknowledged.
pub(crate) async fn publish(command: &PublishCommand, connection: &ConnectionArgs) -> Result<()> {
    let (PublishCommand::Sync(args) | PublishCommand::Async(args)) = command;
    ensure!(args.batch > 0, "--batch 0 would send nothing");
    jetstream::session(connection, async |jetstream| prepare(args, jetstream).await).await?;
    let what = match command {
        PublishCommand::Sync(_) => "synchronous publisher",
        PublishCommand::Async(_) => "asynchronous publisher",
    };
    let title = Title { family: "JetStream", what, place: &args.stream.name };
    match command {
        PublishCommand::Sync(_) => measure(&title, &args.amount, args, connection, publish_each).await,
        PublishCommand::Async(_) => measure(&title, &args.amount, args, connection, publish_many).await,
    }
}

async fn prepare(args: &PublishArgs, jetstream: &JetStream) -> Result<()> {
    let StreamArgs { name, create, purge, storage, replicas, maxbytes, dedupwindow, persistasync } = &args.stream;
    if *create {
        let subject = if args.multisubject { format!("{}.*", args.subject) } else { args.subject.clone() };
        let config = serde_json::to_vec(&json!({
            "name": name,
            "subjects": [subject],
            "storage": storage,
            "num_replicas": replicas,
            "max_bytes": maxbytes,
            "duplicate_window": u64::try_from(dedupwindow.as_nanos())?,
            "persist_mode": if *persistasync { "async" } else { "default" },
            "allow_direct": true,
        }))?;
        let created = jetstream.ask::<StreamCreated>(Operation::StreamCreate { stream: name }, config.clone()).await;
        match created {
            Err(error) if is(&error, STREAM_EXISTS) => {
                jetstream.ask::<StreamUpdated>(Operation::StreamUpdate { stream: name }, config).await?;
            }
            created => drop(created?),
        }
    }
    if *purge {
        purge_all(name, jetstream).await?;
    }
    Ok(())
}

/// Removes all messages of a stream.
///
/// # Errors
/// The server refuses.
pub(crate) async fn purge_all(stream: &str, jetstream: &JetStream) -> Result<()> {
    let request = json::write(&PurgeRequest::default());
    jetstream.ask::<StreamPurged>(Operation::StreamPurge { stream }, request).await?;
    Ok(())
}

fn is(error: &anyhow::Error, number: u16) -> bool {
    error.downcast_ref::<Refused>().is_some_and(|Refused(failure)| failure.err_code == number)
}

impl PublishArgs {
    fn subject(&self, number: u64) -> String {
        match (self.multisubject, self.multisubjectmax) {
            (false, _) => self.subject.clone(),
            (true, 0) => format!("{}.{number}", self.subject),
            (true, most) => format!("{}.{}", self.subject, number % most),
        }
    }

    /// Sends message number `number`; `run` tells its id from those of other runs.
    async fn send(&self, context: &Context, run: &str, number: u64, payload: Bytes) -> Result<PublishAckFuture> {
        if !self.dedup {
            return Ok(context.publish(self.subject(number), payload).await?);
        }
        let mut headers = HeaderMap::new();
        headers.insert("Nats-Msg-Id", format!("{run}-{number}"));
        Ok(context.publish_with_headers(self.subject(number), headers, payload).await?)
    }
}

async fn publish_each(args: PublishArgs, connection: ConnectionArgs, part: Part) -> Result<Sample> {
    let connected = connection.connect().await?;
    let context = JetStream::new(connected.client.clone(), &connection)?.context();
    let (payload, run) = (payload(args.amount.size), nuid::next());
    let mut latencies = Vec::new();
    let begin = Instant::now();
    for number in part.before..part.before + part.messages {
        let sent = Instant::now();
        args.send(&context, run.as_str(), number, payload.clone()).await?.await?;
        latencies.push(sent.elapsed());
        part.progress.advance(1);
        if let Some(sleep) = args.amount.sleep {
            time::sleep(sleep).await;
        }
    }
    let sample = Sample::new(part.messages, args.amount.size, begin.elapsed(), latencies);
    drop(context);
    connected.close().await?;
    Ok(sample)
}

async fn publish_many(args: PublishArgs, connection: ConnectionArgs, part: Part) -> Result<Sample> {
    let connected = connection.connect().await?;
    let context = JetStream::new(connected.client.clone(), &connection)?.context();
    let (payload, run) = (payload(args.amount.size), nuid::next());
    let mut waiting = Window::new(args.batch, part.progress.clone());
    let begin = Instant::now();
    for number in part.before..part.before + part.messages {
        waiting.push(args.send(&context, run.as_str(), number, payload.clone()).await?).await?;
        if let Some(sleep) = args.amount.sleep {
            time::sleep(sleep).await;
        }
    }
    waiting.rest().await?;
    let sample = Sample::new(part.messages, args.amount.size, begin.elapsed(), Vec::new());
    drop(context);
    connected.close().await?;
    Ok(sample)
}

/// Messages on their way, so many at most.
pub(super) struct Window {
    acks: VecDeque<PublishAckFuture>,
    most: usize,
    progress: crate::progress::Progress,
}

impl Window {
    pub(super) fn new(most: usize, progress: crate::progress::Progress) -> Self {
        Self { acks: VecDeque::with_capacity(most), most, progress }
    }

    /// Takes one more, and waits for the oldest where there are too many.
    ///
    /// # Errors
    /// A message was refused, or not acknowledged in time.
    pub(super) async fn push(&mut self, ack: PublishAckFuture) -> Result<()> {
        self.acks.push_back(ack);
        if self.acks.len() >= self.most { self.oldest().await } else { Ok(()) }
    }

    /// Waits for all.
    ///
    /// # Errors
    /// As [`Window::push`].
    pub(super) async fn rest(&mut self) -> Result<()> {
        while !self.acks.is_empty() {
            self.oldest().await?;
        }
        Ok(())
    }

    async fn oldest(&mut self) -> Result<()> {
        if let Some(ack) = self.acks.pop_front() {
            ack.into_future().await?;
            self.progress.advance(1);
        }
        Ok(())
    }
}

/// What the clients of a consumer share: it hands a message to any of them.
#[derive(Clone)]
struct Shared {
    args: ConsumeArgs,
    taken: Arc<AtomicU64>,
    done: watch::Sender<bool>,
}

/// # Errors
/// The stream holds too few messages, or a client cannot take them.
pub(crate) async fn consume(args: &ConsumeArgs, connection: &ConnectionArgs) -> Result<()> {
    ensure!(args.batch > 0, "--batch 0 would take nothing");
    let measured = measure_consumer(args, connection).await;
    if args.consumer != CONSUMER {
        return measured;
    }
    let removed = jetstream::session(connection, async |jetstream| remove_consumer(args, jetstream).await).await;
    measured.and(removed)
}

async fn measure_consumer(args: &ConsumeArgs, connection: &ConnectionArgs) -> Result<()> {
    jetstream::session(connection, async |jetstream| make_consumer(args, jetstream).await).await?;
    let shared = Shared { args: args.clone(), taken: Arc::default(), done: watch::channel(false).0 };
    let title = Title { family: "JetStream", what: "durable consumer", place: &args.stream };
    measure(&title, &args.amount, &shared, connection, take).await
}

async fn make_consumer(args: &ConsumeArgs, jetstream: &JetStream) -> Result<()> {
    let ConsumeArgs { stream, consumer, acks, filters, .. } = args;
    if consumer == CONSUMER {
        remove_consumer(args, jetstream).await?;
    }
    let pending = args.batch.saturating_mul(usize::try_from(args.amount.clients)?).saturating_mul(2).max(1_000);
    let config = json!({
        "durable_name": consumer,
        "name": consumer,
        "deliver_policy": "all",
        "filter_subjects": filters,
        "ack_policy": acks.to_possible_value().context("every word has a name")?.get_name(),
        "max_ack_pending": if *acks == Acks::None { 0 } else { pending },
    });
    let request = serde_json::to_vec(&json!({ "stream_name": stream, "config": config }))?;
    let operation = Operation::ConsumerCreate { stream, consumer };
    let info = jetstream.ask::<ConsumerCreated>(operation, request).await?.body.info;
    let pending = info.context("the answer holds no consumer")?.num_pending;
    let wanted = args.amount.msgs;
    ensure!(
        pending >= wanted,
        "consumer {consumer} of stream {stream} has {pending} messages; --msgs asks for {wanted}"
    );
    Ok(())
}

async fn remove_consumer(args: &ConsumeArgs, jetstream: &JetStream) -> Result<()> {
    let ConsumeArgs { stream, consumer, .. } = args;
    match jetstream.ask::<ConsumerDeleted>(Operation::ConsumerDelete { stream, consumer }, Vec::new()).await {
        Err(error) if is(&error, NO_CONSUMER) => Ok(()),
        deleted => deleted.map(drop),
    }
}

/// Takes messages until all clients together have all of them.
async fn take(shared: Shared, connection: ConnectionArgs, part: Part) -> Result<Sample> {
    let Shared { args, taken, done } = shared;
    let mut connected = connection.connect().await?;
    let context = JetStream::new(connected.client.clone(), &connection)?.context();
    let consumer: Consumer<pull::Config> =
        context.get_consumer_from_stream(&args.consumer, &args.stream).await.map_err(|error| anyhow!(error))?;
    let mut messages = consumer.stream().max_messages_per_batch(args.batch).messages().await?;
    let mut is_done = done.subscribe();
    let begin = Instant::now();
    let (mut count, mut bytes, mut took) = (0_u64, 0_usize, Duration::ZERO);
    loop {
        // Cancel-safe: what is not taken stays in its stream, and another client has the last one.
        let message = tokio::select! {
            biased;
            waited = is_done.wait_for(|is_done| *is_done) => {
                waited?;
                break;
            }
            message = messages.next() => message.context("the consumer ends")??,
            reproach = connected.reproach() => return Err(reproach),
        };
        let all = taken.fetch_add(1, Ordering::Relaxed) + 1;
        let is_last = all >= args.amount.msgs;
        count += 1;
        bytes += message.payload.len();
        let acknowledged = match (args.acks, args.doubleack) {
            (Acks::None, _) => Ok(()),
            (Acks::All, _) if !is_last && !count.is_multiple_of(args.batch.div_ceil(2) as u64) => Ok(()),
            (Acks::Explicit | Acks::All, true) => message.double_ack().await,
            (Acks::Explicit | Acks::All, false) => message.ack().await,
        };
        acknowledged.map_err(|error| anyhow!(error)).context("not acknowledged")?;
        took = begin.elapsed();
        part.progress.advance(1);
        if is_last {
            done.send_replace(true);
        }
        if let Some(sleep) = args.amount.sleep {
            time::sleep(sleep).await;
        }
    }
    drop(messages);
    // Acknowledgements are on their way.
    connected.sync().await?;
    connected.close().await?;
    Ok(Sample::of_bytes(count, u64::try_from(bytes)?, took))
}
