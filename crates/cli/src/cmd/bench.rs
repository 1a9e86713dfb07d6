//! `firn bench`: throughput and latency as a client sees them.
//!
//! Not here: comparisons between servers, which the benchmarks of the project make with a faster load generator.

mod report;

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, bail, ensure};
use async_nats::StatusCode;
use clap::{Args, Subcommand};
use futures_util::StreamExt as _;
use tokio::task::JoinSet;
use tokio::{signal, time};

use crate::connection::ConnectionArgs;
use crate::duration;
use crate::show;

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

#[derive(Args, Clone, Debug)]
pub(crate) struct LoadArgs {
    /// Subject to use
    subject: String,

    /// How many clients, each with its own connection
    #[arg(long, default_value_t = 1)]
    clients: u64,

    /// How many messages in all
    #[arg(long, default_value_t = 100_000)]
    msgs: u64,

    /// Size of a message: 128, 128B, 4KB, 1MiB
    #[arg(long, default_value = "128B", value_parser = size)]
    size: usize,

    /// How long to wait between two messages
    #[arg(long, value_name = "DURATION", value_parser = duration::parse)]
    sleep: Option<Duration>,

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
    #[arg(long, default_value = "128B", value_parser = size)]
    size: usize,

    /// How long to wait before a reply
    #[arg(long, value_name = "DURATION", value_parser = duration::parse)]
    sleep: Option<Duration>,
}

/// # Errors
/// A client cannot connect, or loses what it waits for.
pub(crate) async fn run(command: &BenchCommand, connection: &ConnectionArgs) -> Result<()> {
    match command {
        BenchCommand::Pub(args) => measure("publisher", args, connection, publish).await,
        BenchCommand::Sub(args) => measure("subscriber", args, connection, subscribe).await,
        BenchCommand::Request(args) | BenchCommand::Service { command: ServiceCommand::Request(args) } => {
            measure("service requester", args, connection, request).await
        }
        BenchCommand::Reply(args) | BenchCommand::Service { command: ServiceCommand::Serve(args) } => {
            reply(args, connection).await
        }
    }
}

/// Runs one client of a measurement for its share of the messages.
type Client<F> = fn(LoadArgs, ConnectionArgs, u64) -> F;

async fn measure<F>(what: &str, args: &LoadArgs, connection: &ConnectionArgs, client: Client<F>) -> Result<()>
where
    F: Future<Output = Result<Sample>> + Send + 'static,
{
    ensure!(args.clients > 0 && args.msgs >= args.clients, "each client needs at least one message");
    if !args.json {
        show::note(format_args!(
            "Starting Core NATS {what} benchmark [clients={}, msg-size={}, msgs={}, subject={}]",
            args.clients,
            show::size(u64::try_from(args.size)?),
            show::count(args.msgs),
            args.subject
        ));
    }
    let mut running = JoinSet::new();
    for index in 0..args.clients {
        let share = if what == "subscriber" { args.msgs } else { share(args.msgs, args.clients, index) };
        running.spawn(client(args.clone(), connection.clone(), share));
    }
    let mut samples = Vec::new();
    while let Some(sample) = running.join_next().await {
        samples.push(sample.context("a client of the benchmark panicked")??);
    }
    let report = Report::new(what, samples);
    show::line(if args.json { serde_json::to_string_pretty(&report)? } else { report.to_string() })?;
    Ok(())
}

/// The first clients take one more when the messages do not divide evenly.
fn share(messages: u64, clients: u64, index: u64) -> u64 {
    messages / clients + u64::from(index < messages % clients)
}

async fn publish(args: LoadArgs, connection: ConnectionArgs, share: u64) -> Result<Sample> {
    let mut connection = connection.connect().await?;
    let payload = payload(args.size);
    let begin = Instant::now();
    for _ in 0..share {
        connection.client.publish(args.subject.clone(), payload.clone()).await?;
        if let Some(sleep) = args.sleep {
            time::sleep(sleep).await;
        }
    }
    connection.sync().await?;
    let sample = Sample::new(share, args.size, begin.elapsed(), Vec::new());
    connection.close().await?;
    Ok(sample)
}

/// Measured from the first message to the last.
async fn subscribe(args: LoadArgs, connection: ConnectionArgs, share: u64) -> Result<Sample> {
    let mut connection = connection.connect().await?;
    let mut messages = connection.client.subscribe(args.subject.clone()).await?;
    connection.sync().await?;
    if !args.json {
        show::note("Ready to receive");
    }
    let mut begin = None;
    for _ in 0..share {
        // Cancel-safe: what is not taken stays in its stream.
        let message = tokio::select! {
            biased;
            message = messages.next() => message,
            reproach = connection.reproach() => return Err(reproach),
        };
        message.context("the connection is closed")?;
        begin.get_or_insert_with(Instant::now);
    }
    let took = begin.map(|begin| begin.elapsed()).unwrap_or_default();
    connection.close().await?;
    Ok(Sample::new(share, args.size, took, Vec::new()))
}

async fn request(args: LoadArgs, connection: ConnectionArgs, share: u64) -> Result<Sample> {
    let connection = connection.connect().await?;
    let client = &connection.client;
    let inbox = client.new_inbox();
    let mut replies = client.subscribe(inbox.clone()).await?;
    let payload = payload(args.size);
    let mut latencies = Vec::new();
    let begin = Instant::now();
    for _ in 0..share {
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
        if let Some(sleep) = args.sleep {
            time::sleep(sleep).await;
        }
    }
    let sample = Sample::new(share, args.size, begin.elapsed(), latencies);
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

/// Reads `128`, `128B`, `4KB`, `1MiB`; the units are powers of 1024, as in the nats CLI.
fn size(text: &str) -> Result<usize, String> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let factor = match unit.to_ascii_uppercase().as_str() {
        "" | "B" => 1,
        "K" | "KB" | "KIB" => 1 << 10,
        "M" | "MB" | "MIB" => 1 << 20,
        "G" | "GB" | "GIB" => 1 << 30,
        _ => return Err(format!("`{text}` is not a size such as 128B or 4KB")),
    };
    let size = number.parse::<usize>().ok().and_then(|number| number.checked_mul(factor));
    size.ok_or_else(|| format!("`{text}` is not a size such as 128B or 4KB"))
}

#[cfg(test)]
mod tests {
    //! Sizes and shares.

    use super::*;

    #[test]
    fn a_size_is_a_number_and_a_unit() {
        let sizes = ["0", "128", "128B", "4kb", "1MiB"].map(|text| size(text).unwrap());
        assert_eq!(sizes, [0, 128, 128, 4096, 1_048_576]);
        for broken in ["", "B", "1X", "-1", "99999999999999999999GB"] {
            assert!(size(broken).is_err(), "{broken}");
        }
    }

    #[test]
    fn shares_add_up() {
        for (messages, clients) in [(10, 3), (9, 3), (3, 3), (100_000, 7)] {
            assert_eq!((0..clients).map(|index| share(messages, clients, index)).sum::<u64>(), messages);
        }
    }
}
