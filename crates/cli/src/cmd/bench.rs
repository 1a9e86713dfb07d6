//! `firn bench`: throughput and latency as a client sees them.
//!
//! Not here: comparisons between servers, which the benchmarks of the project make with a faster load generator.

mod buckets;
mod report;
mod streams;

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, bail, ensure};
use async_nats::StatusCode;
use clap::{Args, Subcommand};
use futures_util::StreamExt as _;
use tokio::task::JoinSet;
use tokio::{signal, time};

use crate::connection::ConnectionArgs;
use crate::progress::Progress;
use crate::{duration, show, size};

use report::{Report, Sample};

/// The group whose members share the requests of `bench reply`.
const QUEUE: &str = "nats-bench-service";

#[derive(Debug, Subcommand)]
pub(crate) enum BenchCommand {
    /// Publish messages
    Pub(LoadArgs),

    /// Receive messages; each client waits for all of them
    Sub(LoadArgs),

    /// Send requests, one at a time a client, and measure each
    Request(LoadArgs),

    /// Answer the requests of `bench request` until Ctrl-C
    Reply(ReplyArgs),

    /// Publish to streams, take from consumers, put into buckets
    Js {
        #[command(subcommand)]
        command: JsCommand,
    },

    /// The same as `bench js kv`
    Kv(buckets::KvArgs),

    /// `request` and `serve` under the names of the nats CLI
    Service {
        #[command(subcommand)]
        command: ServiceCommand,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum ServiceCommand {
    /// The same as `bench request`
    Request(LoadArgs),

    /// The same as `bench reply`
    Serve(ReplyArgs),
}

#[derive(Debug, Subcommand)]
pub(crate) enum JsCommand {
    /// Publish messages to a stream
    Pub {
        #[command(subcommand)]
        command: streams::PublishCommand,
    },

    /// Take messages from a durable consumer
    Consume(streams::ConsumeArgs),

    /// Put values into a bucket, or get them
    Kv(buckets::KvArgs),
}

#[derive(Args, Clone, Debug)]
pub(crate) struct LoadArgs {
    /// Subject to use
    subject: String,

    #[command(flatten)]
    amount: Amount,
}

/// How much, by how many.
#[derive(Args, Clone, Debug)]
struct Amount {
    /// How many clients, each with its own connection
    #[arg(long, default_value_t = 1)]
    clients: u64,

    /// How many messages in all
    #[arg(long, default_value_t = 100_000)]
    msgs: u64,

    /// Size of a message: 128, 128B, 4KB, 1MiB
    #[arg(long, default_value = "128B", value_parser = size::parse::<usize>)]
    size: usize,

    /// How long to wait between two messages
    #[arg(long, value_name = "DURATION", value_parser = duration::parse)]
    sleep: Option<Duration>,

    /// Show no bar
    #[arg(long)]
    no_progress: bool,

    /// Show the result as JSON
    #[arg(short, long)]
    json: bool,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct ReplyArgs {
    /// Subject to answer on
    subject: String,

    /// How many clients, each with its own connection
    #[arg(long, default_value_t = 1)]
    clients: u64,

    /// Size of a reply
    #[arg(long, default_value = "128B", value_parser = size::parse::<usize>)]
    size: usize,

    /// How long to wait before a reply
    #[arg(long, value_name = "DURATION", value_parser = duration::parse)]
    sleep: Option<Duration>,
}

/// # Errors
/// A client cannot connect, or loses what it waits for.
pub(crate) async fn run(command: &BenchCommand, connection: &ConnectionArgs) -> Result<()> {
    match command {
        BenchCommand::Pub(args) => core("publisher", args, connection, publish).await,
        BenchCommand::Sub(args) => core("subscriber", args, connection, subscribe).await,
        BenchCommand::Request(args) | BenchCommand::Service { command: ServiceCommand::Request(args) } => {
            core("service requester", args, connection, request).await
        }
        BenchCommand::Reply(args) | BenchCommand::Service { command: ServiceCommand::Serve(args) } => {
            reply(args, connection).await
        }
        BenchCommand::Js { command: JsCommand::Pub { command } } => streams::publish(command, connection).await,
        BenchCommand::Js { command: JsCommand::Consume(args) } => streams::consume(args, connection).await,
        BenchCommand::Kv(args) | BenchCommand::Js { command: JsCommand::Kv(args) } => {
            buckets::run(args, connection).await
        }
    }
}

/// What is measured, for people.
struct Title<'a> {
    /// Core NATS or JetStream.
    family: &'static str,
    /// What each client is.
    what: &'static str,
    /// Where messages go to or come from.
    place: &'a str,
}

/// What one client does.
#[derive(Clone)]
struct Part {
    messages: u64,
    /// How many messages the clients before it have.
    before: u64,
    progress: Progress,
}

/// Runs one client of a measurement.
type Client<A, F> = fn(A, ConnectionArgs, Part) -> F;

async fn core<F>(
    what: &'static str,
    args: &LoadArgs,
    connection: &ConnectionArgs,
    client: Client<LoadArgs, F>,
) -> Result<()>
where
    F: Future<Output = Result<Sample>> + Send + 'static,
{
    let title = Title { family: "Core NATS", what, place: &args.subject };
    measure(&title, &args.amount, args, connection, client).await
}

async fn measure<A, F>(
    title: &Title<'_>,
    amount: &Amount,
    args: &A,
    connection: &ConnectionArgs,
    client: Client<A, F>,
) -> Result<()>
where
    A: Clone,
    F: Future<Output = Result<Sample>> + Send + 'static,
{
    ensure!(amount.clients > 0 && amount.msgs >= amount.clients, "each client needs at least one message");
    let Title { family, what, place } = title;
    if !amount.json {
        show::note(format_args!(
            "Starting {family} {what} benchmark [clients={}, msg-size={}, msgs={}, {}={place}]",
            amount.clients,
            show::size(u64::try_from(amount.size)?),
            show::count(amount.msgs),
            if *family == "Core NATS" { "subject" } else { "stream" },
        ));
    }
    // Each subscriber receives everything.
    let is_shared = *what != "subscriber";
    let all = if is_shared { amount.msgs } else { amount.msgs.saturating_mul(amount.clients) };
    let progress = Progress::count(all, !amount.json && !amount.no_progress);
    let mut running = JoinSet::new();
    let mut before = 0;
    for index in 0..amount.clients {
        let messages = if is_shared { share(amount.msgs, amount.clients, index) } else { amount.msgs };
        let part = Part { messages, before, progress: progress.clone() };
        before += messages;
        running.spawn(client(args.clone(), connection.clone(), part));
    }
    let mut samples = Vec::new();
    while let Some(sample) = running.join_next().await {
        samples.push(sample.context("a client of the benchmark panicked")??);
    }
    progress.finish();
    let report = Report::new(family, what, samples);
    if amount.json { show::json(&report) } else { Ok(show::line(report)?) }
}

/// The first clients take one more when the messages do not divide evenly.
fn share(messages: u64, clients: u64, index: u64) -> u64 {
    messages / clients + u64::from(index < messages % clients)
}

async fn publish(args: LoadArgs, connection: ConnectionArgs, part: Part) -> Result<Sample> {
    let mut connection = connection.connect().await?;
    let payload = payload(args.amount.size);
    let begin = Instant::now();
    for _ in 0..part.messages {
        connection.client.publish(args.subject.clone(), payload.clone()).await?;
        part.progress.advance(1);
        if let Some(sleep) = args.amount.sleep {
            time::sleep(sleep).await;
        }
    }
    connection.sync().await?;
    let sample = Sample::new(part.messages, args.amount.size, begin.elapsed(), Vec::new());
    connection.close().await?;
    Ok(sample)
}

/// Measured from the first message to the last.
async fn subscribe(args: LoadArgs, connection: ConnectionArgs, part: Part) -> Result<Sample> {
    let mut connection = connection.connect().await?;
    let mut messages = connection.client.subscribe(args.subject.clone()).await?;
    connection.sync().await?;
    if !args.amount.json {
        show::note("Ready to receive");
    }
    let mut begin = None;
    for _ in 0..part.messages {
        // Cancel-safe: what is not taken stays in its stream.
        let message = tokio::select! {
            biased;
            message = messages.next() => message,
            reproach = connection.reproach() => return Err(reproach),
        };
        message.context("the connection is closed")?;
        begin.get_or_insert_with(Instant::now);
        part.progress.advance(1);
    }
    let took = begin.map(|begin| begin.elapsed()).unwrap_or_default();
    connection.close().await?;
    Ok(Sample::new(part.messages, args.amount.size, took, Vec::new()))
}

async fn request(args: LoadArgs, connection: ConnectionArgs, part: Part) -> Result<Sample> {
    let connection = connection.connect().await?;
    let client = &connection.client;
    let inbox = client.new_inbox();
    let mut replies = client.subscribe(inbox.clone()).await?;
    let payload = payload(args.amount.size);
    let mut latencies = Vec::new();
    let begin = Instant::now();
    for _ in 0..part.messages {
        let sent = Instant::now();
        client.publish_with_reply(args.subject.clone(), inbox.clone(), payload.clone()).await?;
        let reply = time::timeout(connection.timeout, replies.next())
            .await
            .map_err(|_| anyhow!("no reply within {}", duration::show(connection.timeout)))?
            .context("the connection is closed")?;
        if reply.status == Some(StatusCode::NO_RESPONDERS) {
            bail!("no responders are available; start `firn bench reply {}` first", args.subject);
        }
        latencies.push(sent.elapsed());
        part.progress.advance(1);
        if let Some(sleep) = args.amount.sleep {
            time::sleep(sleep).await;
        }
    }
    let sample = Sample::new(part.messages, args.amount.size, begin.elapsed(), latencies);
    connection.close().await?;
    Ok(sample)
}

async fn reply(args: &ReplyArgs, connection: &ConnectionArgs) -> Result<()> {
    let mut running = JoinSet::new();
    for _ in 0..args.clients {
        running.spawn(serve(args.clone(), connection.clone()));
    }
    show::note(format_args!("Answering on {:?}, hit control-c to stop", args.subject));
    // Dropping the set ends its tasks.
    tokio::select! {
        ended = running.join_next() => ended.context("no client to serve with")?.context("a client panicked")?,
        interrupted = signal::ctrl_c() => Ok(interrupted?),
    }
}

async fn serve(args: ReplyArgs, connection: ConnectionArgs) -> Result<()> {
    let mut connection = connection.connect().await?;
    let mut requests = connection.client.queue_subscribe(args.subject, QUEUE.to_owned()).await?;
    connection.sync().await?;
    let payload = payload(args.size);
    while let Some(request) = requests.next().await {
        if let Some(sleep) = args.sleep {
            time::sleep(sleep).await;
        }
        if let Some(to) = request.reply {
            connection.client.publish(to, payload.clone()).await?;
        }
    }
    bail!("the connection is closed")
}

fn payload(size: usize) -> bytes::Bytes {
    vec![b'x'; size].into()
}

#[cfg(test)]
mod tests {
    //! Shares.

    use super::*;

    #[test]
    fn shares_add_up() {
        for (messages, clients) in [(10, 3), (9, 3), (3, 3), (100_000, 7)] {
            assert_eq!((0..clients).map(|index| share(messages, clients, index)).sum::<u64>(), messages);
        }
    }
}
