//! `firn kv put`, `create`, `update`, `del`, `purge`: change what a key holds.

use std::io::{self, IsTerminal as _, Read as _};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use async_nats::HeaderMap;
use async_nats::jetstream::context::PublishErrorKind;
use async_nats::jetstream::kv::{Operation, Store};
use bytes::Bytes;
use clap::Args;
use serde_json::json;

use crate::confirm::confirm;
use crate::duration;
use crate::jetstream::JetStream;
use crate::show;

use super::{bucket, open};

/// What a bucket is and where in it.
#[derive(Args, Debug)]
struct Place {
    /// Name of the bucket
    bucket: String,

    /// The key
    key: String,
}

#[derive(Args, Debug)]
pub(crate) struct PutArgs {
    #[command(flatten)]
    place: Place,

    /// The value; without it, standard input is read
    value: Option<String>,

    /// Show the new revision as JSON
    #[arg(short, long)]
    json: bool,
}

#[derive(Args, Debug)]
pub(crate) struct CreateArgs {
    #[command(flatten)]
    place: Place,

    /// The value; without it, standard input is read
    value: Option<String>,

    /// How long the key is kept, in seconds or more; the bucket needs --marker-ttl
    #[arg(long, value_name = "DURATION", value_parser = duration::parse)]
    ttl: Option<Duration>,

    /// Show the new revision as JSON
    #[arg(short, long)]
    json: bool,
}

#[derive(Args, Debug)]
pub(crate) struct UpdateArgs {
    #[command(flatten)]
    place: Place,

    /// The value
    value: String,

    /// The revision that the key must have
    revision: u64,

    /// Show the new revision as JSON
    #[arg(short, long)]
    json: bool,
}

#[derive(Args, Debug)]
pub(crate) struct DeleteArgs {
    /// Name of the bucket
    bucket: String,

    /// The key; without it, the bucket is deleted
    key: Option<String>,

    /// Do not ask
    #[arg(short, long)]
    force: bool,
}

#[derive(Args, Debug)]
pub(crate) struct PurgeArgs {
    #[command(flatten)]
    place: Place,

    /// How long the key is shown as deleted, in seconds or more; the bucket needs --marker-ttl
    #[arg(long, value_name = "DURATION", value_parser = duration::parse)]
    ttl: Option<Duration>,

    /// Do not ask
    #[arg(short, long)]
    force: bool,
}

/// # Errors
/// The server refuses.
pub(crate) async fn put(args: &PutArgs, jetstream: &JetStream) -> Result<()> {
    let store = open(&args.place.bucket, jetstream).await?;
    let revision = store.put(&args.place.key, value(args.value.as_deref())?).await?;
    show_revision(&args.place, revision, args.json)
}

/// # Errors
/// The key has a value, or the server refuses.
pub(crate) async fn create(args: &CreateArgs, jetstream: &JetStream) -> Result<()> {
    let Place { bucket, key } = &args.place;
    let ttl = args.ttl.map(seconds).transpose()?;
    let store = open(bucket, jetstream).await?;
    let value = value(args.value.as_deref())?;
    let revision = match put_at(&store, key, 0, ttl, value.clone(), jetstream).await? {
        Some(revision) => revision,
        // A key that was deleted has a marker, and is created over it. The library would forget the time to live here.
        None => match store.entry(key).await? {
            Some(entry) if entry.operation == Operation::Put => {
                bail!("key {key} has a value already, revision {}; `firn kv update` changes it", entry.revision)
            }
            Some(entry) => {
                put_at(&store, key, entry.revision, ttl, value, jetstream).await?.context("changed meanwhile")?
            }
            None => bail!("key {key} was changed meanwhile"),
        },
    };
    show_revision(&args.place, revision, args.json)
}

/// # Errors
/// The key has another revision, or the server refuses.
pub(crate) async fn update(args: &UpdateArgs, jetstream: &JetStream) -> Result<()> {
    let store = open(&args.place.bucket, jetstream).await?;
    let value = Bytes::from(args.value.clone());
    let revision = store.update(&args.place.key, value, args.revision).await?;
    show_revision(&args.place, revision, args.json)
}

/// # Errors
/// The server refuses.
pub(crate) async fn delete(args: &DeleteArgs, jetstream: &JetStream) -> Result<()> {
    let DeleteArgs { bucket, key, force } = args;
    let Some(key) = key else {
        return bucket::delete(&bucket::DeleteArgs { bucket: bucket.clone(), force: *force }, jetstream).await;
    };
    confirm(*force, &format!("Delete key {key} of bucket {bucket}"))?;
    open(bucket, jetstream).await?.delete(key).await?;
    show::note(format_args!("Deleted key {key} of bucket {bucket}"));
    Ok(())
}

/// # Errors
/// The server refuses.
pub(crate) async fn purge(args: &PurgeArgs, jetstream: &JetStream) -> Result<()> {
    let Place { bucket, key } = &args.place;
    confirm(args.force, &format!("Delete key {key} of bucket {bucket} with its history"))?;
    let store = open(bucket, jetstream).await?;
    match args.ttl {
        Some(ttl) => store.purge_with_ttl(key, Duration::from_secs(seconds(ttl)?)).await?,
        None => store.purge(key).await?,
    }
    show::note(format_args!("Deleted key {key} of bucket {bucket} with its history"));
    Ok(())
}

/// Puts a value where the key has this revision, 0 for none; returns none where it has another.
async fn put_at(
    store: &Store,
    key: &str,
    revision: u64,
    ttl: Option<u64>,
    value: Bytes,
    jetstream: &JetStream,
) -> Result<Option<u64>> {
    let subject = format!("{}{key}", store.put_prefix.as_ref().unwrap_or(&store.prefix));
    let subject = if store.use_jetstream_prefix { jetstream.api_subject(&subject) } else { subject };
    let mut headers = HeaderMap::new();
    headers.insert("Nats-Expected-Last-Subject-Sequence", revision.to_string());
    if let Some(ttl) = ttl {
        headers.insert("Nats-TTL", ttl.to_string());
    }
    match jetstream.context().publish_with_headers(subject, headers, value).await?.await {
        Ok(ack) => Ok(Some(ack.sequence)),
        Err(error) if error.kind() == PublishErrorKind::WrongLastSequence => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Keys live for whole seconds.
fn seconds(time: Duration) -> Result<u64> {
    ensure!(time.as_secs() > 0 && time.subsec_nanos() == 0, "--ttl is a number of whole seconds");
    Ok(time.as_secs())
}

fn value(given: Option<&str>) -> Result<Bytes> {
    if let Some(text) = given {
        return Ok(text.to_owned().into());
    }
    ensure!(!io::stdin().is_terminal(), "no value; give one, or send it to standard input");
    let mut value = Vec::new();
    io::stdin().lock().read_to_end(&mut value)?;
    Ok(value.into())
}

fn show_revision(Place { bucket, key }: &Place, revision: u64, is_json: bool) -> Result<()> {
    if is_json {
        return show::json(&json!({ "bucket": bucket, "key": key, "revision": revision }));
    }
    Ok(show::line(format_args!("{bucket} > {key} revision: {revision}"))?)
}
