//! `firn bench js kv`: what the users of a bucket see.

use std::time::Instant;

use anyhow::{Result, ensure};
use clap::{Args, Subcommand};
use firn_api::stream::{StreamCreated, StreamUpdated};
use firn_api::subject::Operation;
use serde_json::json;
use tokio::time;

use crate::cmd::kv::bucket;
use crate::connection::ConnectionArgs;
use crate::jetstream::{self, JetStream, Refused};
use crate::{size, template};

use super::report::Sample;
use super::streams::{STREAM_EXISTS, Window, purge_all};
use super::{Amount, Part, Title, measure, payload};

#[derive(Args, Debug)]
pub(crate) struct KvArgs {
    #[command(subcommand)]
    command: KvCommand,
}

#[derive(Debug, Subcommand)]
enum KvCommand {
    /// Put values, under the numbers from 0 on
    Put(PutArgs),

    /// Get values, and measure each
    Get(GetArgs),
}

#[derive(Args, Clone, Debug)]
struct PutArgs {
    #[command(flatten)]
    amount: Amount,

    /// Name of the bucket, which is made or changed first
    #[arg(long, value_name = "NAME", default_value = "benchbucket")]
    bucket: String,

    /// Where it keeps values
    #[arg(long, value_name = "WORD", default_value = "file", value_parser = ["file", "memory"])]
    storage: String,

    /// On how many servers
    #[arg(long, default_value_t = 1)]
    replicas: u32,

    /// How many bytes it keeps
    #[arg(long, value_name = "BYTES", default_value = "1GB", value_parser = size::parse::<u64>)]
    maxbytes: u64,

    /// How many revisions of a key it keeps
    #[arg(long, default_value_t = 1)]
    history: u8,

    /// Remove its values first
    #[arg(long)]
    purge: bool,

    /// How many values are on their way; above 1, latencies are not measured
    #[arg(long, default_value_t = 1)]
    batch: usize,

    /// Use random keys below this number; 0 is one after the other
    #[arg(long, default_value_t = 0)]
    randomize: usize,
}

#[derive(Args, Clone, Debug)]
struct GetArgs {
    #[command(flatten)]
    amount: Amount,

    /// Name of the bucket
    #[arg(long, value_name = "NAME", default_value = "benchbucket")]
    bucket: String,

    /// Use random keys below this number; 0 is one after the other
    #[arg(long, default_value_t = 0)]
    randomize: usize,
}

/// # Errors
/// There is no such bucket, or a value is refused.
pub(crate) async fn run(args: &KvArgs, connection: &ConnectionArgs) -> Result<()> {
    match &args.command {
        KvCommand::Put(args) => {
            ensure!(args.batch > 0, "--batch 0 would put nothing");
            jetstream::session(connection, async |jetstream| prepare(args, jetstream).await).await?;
            let title = Title { family: "JetStream", what: "KV putter", place: &args.bucket };
            measure(&title, &args.amount, args, connection, put).await
        }
        KvCommand::Get(args) => {
            let title = Title { family: "JetStream", what: "KV getter", place: &args.bucket };
            measure(&title, &args.amount, args, connection, get).await
        }
    }
}

async fn prepare(args: &PutArgs, jetstream: &JetStream) -> Result<()> {
    let PutArgs { bucket, storage, replicas, maxbytes, history, .. } = args;
    let mut config = bucket::base(bucket);
    let own = json!({
        "storage": storage, "num_replicas": replicas, "max_bytes": maxbytes, "max_msgs_per_subject": history,
    });
    config.extend(own.as_object().cloned().unwrap_or_default());
    let (stream, config) = (bucket::stream(bucket), serde_json::to_vec(&config)?);
    match jetstream.ask::<StreamCreated>(Operation::StreamCreate { stream: &stream }, config.clone()).await {
        Err(error) if error.downcast_ref::<Refused>().is_some_and(|it| it.0.err_code == STREAM_EXISTS) => {
            jetstream.ask::<StreamUpdated>(Operation::StreamUpdate { stream: &stream }, config).await?;
        }
        created => drop(created?),
    }
    if args.purge {
        purge_all(&stream, jetstream).await?;
    }
    Ok(())
}

fn key(number: u64, randomize: usize) -> String {
    if randomize == 0 { number.to_string() } else { template::dice(randomize).to_string() }
}

async fn put(args: PutArgs, connection: ConnectionArgs, part: Part) -> Result<Sample> {
    let connected = connection.connect().await?;
    let context = JetStream::new(connected.client.clone(), &connection)?.context();
    let store = context.get_key_value(&args.bucket).await?;
    let payload = payload(args.amount.size);
    let mut window = Window::new(args.batch, part.progress.clone());
    let mut latencies = Vec::new();
    let begin = Instant::now();
    for number in part.before..part.before + part.messages {
        let key = key(number, args.randomize);
        let sent = Instant::now();
        if args.batch == 1 {
            store.put(&key, payload.clone()).await?;
            latencies.push(sent.elapsed());
            part.progress.advance(1);
        } else {
            // The library's put waits for each.
            window.push(context.publish(format!("{}{key}", store.prefix), payload.clone()).await?).await?;
        }
        if let Some(sleep) = args.amount.sleep {
            time::sleep(sleep).await;
        }
    }
    window.rest().await?;
    let sample = Sample::new(part.messages, args.amount.size, begin.elapsed(), latencies);
    drop((store, context));
    connected.close().await?;
    Ok(sample)
}

async fn get(args: GetArgs, connection: ConnectionArgs, part: Part) -> Result<Sample> {
    let connected = connection.connect().await?;
    let context = JetStream::new(connected.client.clone(), &connection)?.context();
    let store = context.get_key_value(&args.bucket).await?;
    let (mut latencies, mut bytes) = (Vec::new(), 0);
    let begin = Instant::now();
    for number in part.before..part.before + part.messages {
        let key = key(number, args.randomize);
        let sent = Instant::now();
        let value = store.get(&key).await?;
        let value = value.ok_or_else(|| anyhow::anyhow!("key {key} of bucket {} has no value", args.bucket))?;
        latencies.push(sent.elapsed());
        bytes += value.len() as u64;
        part.progress.advance(1);
        if let Some(sleep) = args.amount.sleep {
            time::sleep(sleep).await;
        }
    }
    let sample = Sample::of_bytes(part.messages, bytes, begin.elapsed()).with_latencies(latencies);
    drop((store, context));
    connected.close().await?;
    Ok(sample)
}
