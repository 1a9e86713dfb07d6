//! `firn kv get`, `ls`, `history`, `watch`: show what keys hold and held.

use anyhow::{Context as _, Result, ensure};
use async_nats::jetstream::kv::{Entry, Operation, Store};
use clap::Args;
use data_encoding::BASE64;
use firn_api::json;
use firn_api::stream::{MessageFound, MessageGetRequest, StreamInfo};
use firn_api::subject::Operation as Request;
use firn_id::Timestamp;
use futures_util::{StreamExt as _, TryStreamExt as _};
use serde::Serialize;
use tokio::signal;

use crate::cmd::buckets::Form;
use crate::cmd::subscribe::matches;
use crate::jetstream::JetStream;
use crate::message;
use crate::show;
use crate::table::{Column, Table};

use super::bucket::BUCKETS;
use super::open;

#[derive(Args, Debug)]
pub(crate) struct GetArgs {
    /// Name of the bucket
    bucket: String,

    /// The key
    key: String,

    /// The value of this revision
    #[arg(long)]
    revision: Option<u64>,

    /// Show the value as it is and nothing else
    #[arg(long)]
    raw: bool,

    /// Show value and revision as JSON
    #[arg(short, long, conflicts_with = "raw")]
    json: bool,
}

#[derive(Args, Debug)]
pub(crate) struct ListArgs {
    /// Name of the bucket whose keys are listed
    bucket: Option<String>,

    /// Only keys in this pattern, with `*` for a token and `>` for the rest
    filter: Option<String>,

    /// Show names and nothing else
    #[arg(short, long)]
    names: bool,

    /// Show the revision of each key and when it was put
    #[arg(short, long)]
    verbose: bool,

    /// With --verbose, the value too
    #[arg(long)]
    display_value: bool,

    /// Show names as JSON; with --verbose, all of each key
    #[arg(short, long)]
    json: bool,
}

#[derive(Args, Debug)]
pub(crate) struct HistoryArgs {
    /// Name of the bucket
    bucket: String,

    /// The key
    key: String,

    /// Show revisions as JSON
    #[arg(short, long)]
    json: bool,
}

#[derive(Args, Debug)]
pub(crate) struct WatchArgs {
    /// Name of the bucket
    bucket: String,

    /// The key, or a pattern of keys
    #[arg(default_value = ">")]
    key: String,

    /// Show first what keys held before
    #[arg(long)]
    history: bool,

    /// Show only what is new
    #[arg(long, conflicts_with = "history")]
    updates: bool,

    /// Show first what was put from this revision on
    #[arg(long, conflicts_with_all = ["history", "updates"])]
    revision: Option<u64>,

    /// Leave out deleted keys
    #[arg(long)]
    no_deletes: bool,

    /// End after this many values
    #[arg(long)]
    count: Option<u64>,

    /// Show each value as a line of JSON
    #[arg(short, long)]
    json: bool,
}

/// What a key holds, or that it holds nothing any more.
#[derive(Serialize)]
struct Shown {
    bucket: String,
    key: String,
    revision: u64,
    created: Timed,
    operation: &'static str,
    /// The value, if it is text.
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<String>,
    /// The value in base64, if it is not.
    #[serde(skip_serializing_if = "Option::is_none")]
    value_base64: Option<String>,
    #[serde(skip)]
    bytes: Vec<u8>,
}

/// To the nanosecond.
struct Timed(Timestamp);

impl Serialize for Timed {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

const PUT: &str = "PUT";

impl Shown {
    fn new(
        bucket: &str,
        key: &str,
        revision: u64,
        created: Timestamp,
        operation: &'static str,
        bytes: Vec<u8>,
    ) -> Self {
        let (value, value_base64) = match String::from_utf8(bytes.clone()) {
            _ if operation != PUT => (None, None),
            Ok(text) => (Some(text), None),
            Err(_) => (None, Some(BASE64.encode(&bytes))),
        };
        let (bucket, key, created) = (bucket.to_owned(), key.to_owned(), Timed(created));
        Self { bucket, key, revision, created, operation, value, value_base64, bytes }
    }

    /// The value for a cell of a table.
    fn cell(&self) -> String {
        let text = self.value.as_deref().or(self.value_base64.as_deref()).unwrap_or_default();
        text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(40).collect()
    }
}

impl From<Entry> for Shown {
    fn from(entry: Entry) -> Self {
        let nanos = i64::try_from(entry.created.unix_timestamp_nanos()).unwrap_or(i64::MAX);
        let operation = match entry.operation {
            Operation::Put => PUT,
            Operation::Delete => "DEL",
            Operation::Purge => "PURGE",
        };
        let created = Timestamp::from_unix_nanos(nanos);
        Self::new(&entry.bucket, &entry.key, entry.revision, created, operation, entry.value.to_vec())
    }
}

/// # Errors
/// The key has no value, or the server does not answer.
pub(crate) async fn get(args: &GetArgs, jetstream: &JetStream) -> Result<()> {
    let GetArgs { bucket, key, .. } = args;
    let store = open(bucket, jetstream).await?;
    let shown = match args.revision {
        Some(revision) => at_revision(&store, key, revision, jetstream).await?,
        None => store.entry(key).await?.map(Shown::from),
    };
    let shown = shown.filter(|shown| shown.operation == PUT);
    let shown = shown.with_context(|| match args.revision {
        Some(revision) => format!("key {key} of bucket {bucket} has no value of revision {revision}"),
        None => format!("key {key} of bucket {bucket} has no value"),
    })?;
    if args.json {
        return show::json(&shown);
    }
    if !args.raw {
        let created = show::rfc3339(shown.created.0);
        show::line(format_args!("{bucket} > {key} revision: {} created @ {created}\n", shown.revision))?;
        return message::show_body(&shown.bytes, None).await;
    }
    Ok(show::bytes(&shown.bytes)?)
}

/// The library would write a line of its own to standard output where a revision is another key's.
async fn at_revision(store: &Store, key: &str, revision: u64, jetstream: &JetStream) -> Result<Option<Shown>> {
    let request = json::write(&MessageGetRequest { seq: revision, ..MessageGetRequest::default() });
    let operation = Request::MessageGet { stream: &store.stream_name };
    let message = jetstream.ask::<MessageFound>(operation, request).await?.body.message;
    let message = message.filter(|message| message.subject == format!("{}{key}", store.prefix));
    Ok(message.map(|message| {
        let headers = message::stored_headers(&message.hdrs.0);
        let is_put = !headers.iter().any(|(name, _)| matches!(name.as_str(), "KV-Operation" | "Nats-Marker-Reason"));
        let operation = if is_put { PUT } else { "DEL" };
        let created = message.time.timestamp().unwrap_or_default();
        Shown::new(&store.name, key, message.seq, created, operation, message.data.0)
    }))
}

/// # Errors
/// There is no such bucket, or the server does not answer.
pub(crate) async fn list(args: &ListArgs, jetstream: &JetStream) -> Result<()> {
    let Some(bucket) = &args.bucket else { return buckets(args, jetstream).await };
    let store = open(bucket, jetstream).await?;
    let mut keys: Vec<String> = store.keys().await?.try_collect().await?;
    keys.retain(|key| args.filter.as_deref().is_none_or(|filter| matches(filter, key)));
    keys.sort();
    if !args.verbose {
        if args.json {
            return show::json(&keys);
        }
        if keys.is_empty() {
            show::note(format_args!("No keys in bucket {bucket}"));
        }
        return keys.iter().try_for_each(|key| Ok(show::line(key)?));
    }
    let mut entries = Vec::new();
    for key in keys {
        // It may be deleted meanwhile.
        entries.extend(store.entry(key).await?.map(Shown::from).filter(|shown| shown.operation == PUT));
    }
    if args.json {
        return show::json(&entries);
    }
    let mut table =
        Table::new([Column::Left("Key"), Column::Left("Created"), Column::Right("Revision"), Column::Left("Value")]);
    for shown in &entries {
        let value = if args.display_value { shown.cell() } else { format!("{} bytes", shown.bytes.len()) };
        table.row([shown.key.clone(), show::rfc3339(shown.created.0), shown.revision.to_string(), value]);
    }
    Ok(show::line(table)?)
}

async fn buckets(args: &ListArgs, jetstream: &JetStream) -> Result<()> {
    let form = Form { json: args.json, names: args.names };
    BUCKETS
        .list(form, jetstream, |all| {
            let mut table = Table::new([
                Column::Left("Bucket"),
                Column::Left("Description"),
                Column::Left("Created"),
                Column::Right("Size"),
                Column::Right("Values"),
                Column::Left("Last Update"),
            ]);
            for (name, stream) in all {
                let StreamInfo { config, created, state, ts, .. } = stream;
                table.row([
                    name.clone(),
                    config.description.clone(),
                    show::moment(created),
                    show::size(state.bytes),
                    show::count(state.messages),
                    show::ago(ts, &state.last_ts),
                ]);
            }
            Ok(show::line(table)?)
        })
        .await
}

/// # Errors
/// The key was never there, or the server does not answer.
pub(crate) async fn history(args: &HistoryArgs, jetstream: &JetStream) -> Result<()> {
    let store = open(&args.bucket, jetstream).await?;
    let entries: Vec<Shown> = store.history(&args.key).await?.map_ok(Shown::from).try_collect().await?;
    ensure!(!entries.is_empty(), "key {} of bucket {} was never there", args.key, args.bucket);
    if args.json {
        return show::json(&entries);
    }
    let mut table = Table::new([
        Column::Left("Key"),
        Column::Right("Revision"),
        Column::Left("Op"),
        Column::Left("Created"),
        Column::Right("Length"),
        Column::Left("Value"),
    ]);
    for shown in &entries {
        table.row([
            shown.key.clone(),
            shown.revision.to_string(),
            shown.operation.to_owned(),
            show::rfc3339(shown.created.0),
            shown.bytes.len().to_string(),
            shown.cell(),
        ]);
    }
    Ok(show::line(table)?)
}

/// # Errors
/// There is no such bucket, or the connection is lost.
pub(crate) async fn watch(args: &WatchArgs, jetstream: &JetStream) -> Result<()> {
    ensure!(args.count != Some(0), "--count 0 would show nothing");
    let store = open(&args.bucket, jetstream).await?;
    let key = &args.key;
    let mut entries = match (args.revision, args.history, args.updates) {
        (Some(revision), _, _) => store.watch_from_revision(key, revision).await?,
        (None, true, _) => store.watch_from_revision(key, 1).await?,
        (None, false, true) => store.watch(key).await?,
        // What it calls history are the values that keys have now.
        (None, false, false) => store.watch_with_history(key).await?,
    };
    show::note(format_args!("Watching {key} of bucket {}", args.bucket));
    let mut count = 0;
    while args.count.is_none_or(|most| count < most) {
        // Cancel-safe: the loop ends with the interruption.
        let entry = tokio::select! {
            biased;
            entry = entries.next() => entry.context("the connection is closed")??,
            interrupted = signal::ctrl_c() => {
                interrupted?;
                break;
            }
        };
        let shown = Shown::from(entry);
        if args.no_deletes && shown.operation != PUT {
            continue;
        }
        count += 1;
        if args.json {
            show::line(serde_json::to_string(&shown)?)?;
            continue;
        }
        let Shown { bucket, key, operation, created, .. } = &shown;
        let value =
            if *operation == PUT { format!(": {}", String::from_utf8_lossy(&shown.bytes)) } else { String::new() };
        show::line(format_args!("[{}] {operation} {bucket} > {key}{value}", show::rfc3339(created.0)))?;
    }
    Ok(())
}
