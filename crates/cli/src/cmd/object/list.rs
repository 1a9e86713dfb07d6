//! `firn object ls`, `info`, `watch`: what there is, and how it changes.

use anyhow::{Context as _, Result, ensure};
use async_nats::jetstream::object_store::ObjectInfo;
use clap::Args;
use firn_api::stream::StreamInfo;
use firn_id::Timestamp;
use futures_util::{StreamExt as _, TryStreamExt as _};
use tokio::signal;

use crate::cmd::buckets::Form;
use crate::jetstream::JetStream;
use crate::message;
use crate::show;
use crate::table::{Column, Sheet, Table};

use super::{BUCKETS, bucket, open, stream};

#[derive(Args, Debug)]
pub(crate) struct ListArgs {
    /// Name of the bucket whose objects are listed
    bucket: Option<String>,

    /// Show names and nothing else
    #[arg(short, long)]
    names: bool,

    /// Show names of buckets, or all of each object, as JSON
    #[arg(short, long)]
    json: bool,
}

#[derive(Args, Debug)]
pub(crate) struct InfoArgs {
    /// Name of the bucket
    bucket: String,

    /// Name of the object
    object: Option<String>,

    /// Show all that is known as JSON
    #[arg(short, long)]
    json: bool,
}

#[derive(Args, Debug)]
pub(crate) struct WatchArgs {
    /// Name of the bucket
    bucket: String,

    /// Show only what is new
    #[arg(long)]
    updates: bool,

    /// End after this many objects
    #[arg(long)]
    count: Option<u64>,

    /// Show each object as a line of JSON
    #[arg(short, long)]
    json: bool,
}

/// # Errors
/// There is no such bucket, or the server does not answer.
pub(crate) async fn list(args: &ListArgs, jetstream: &JetStream) -> Result<()> {
    let Some(bucket) = &args.bucket else { return buckets(args, jetstream).await };
    let store = open(bucket, jetstream).await?;
    let mut objects: Vec<ObjectInfo> = store.list().await?.try_collect().await?;
    objects.sort_by(|a, b| a.name.cmp(&b.name));
    if args.json {
        return show::json(&objects);
    }
    if args.names {
        return objects.iter().try_for_each(|object| Ok(show::line(&object.name)?));
    }
    if objects.is_empty() {
        show::note(format_args!("No objects in bucket {bucket}"));
        return Ok(());
    }
    let mut table = Table::new([Column::Left("Name"), Column::Right("Size"), Column::Left("Time")]);
    for object in &objects {
        table.row([object.name.clone(), size(object), modified(object)]);
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
                Column::Left("Last Update"),
            ]);
            for (name, stream) in all {
                let StreamInfo { config, created, state, ts, .. } = stream;
                table.row([
                    name.clone(),
                    config.description.clone(),
                    show::moment(created),
                    show::size(state.bytes),
                    show::ago(ts, &state.last_ts),
                ]);
            }
            Ok(show::line(table)?)
        })
        .await
}

/// # Errors
/// There is no such bucket or object, or the server does not answer.
pub(crate) async fn info(args: &InfoArgs, jetstream: &JetStream) -> Result<()> {
    let Some(name) = &args.object else {
        let answer = jetstream.stream(&stream(&args.bucket)).await?;
        return if args.json {
            show::json(&answer.raw)
        } else {
            Ok(show::line(bucket::sheet(&args.bucket, &answer.body))?)
        };
    };
    let store = open(&args.bucket, jetstream).await?;
    let object = store.info(name).await.with_context(|| format!("object {name} of bucket {}", args.bucket))?;
    if args.json { show::json(&object) } else { Ok(show::line(sheet(&object))?) }
}

/// # Errors
/// There is no such bucket, or the connection is lost.
pub(crate) async fn watch(args: &WatchArgs, jetstream: &JetStream) -> Result<()> {
    ensure!(args.count != Some(0), "--count 0 would show nothing");
    let store = open(&args.bucket, jetstream).await?;
    let mut objects = if args.updates { store.watch().await? } else { store.watch_with_history().await? };
    show::note(format_args!("Watching bucket {}", args.bucket));
    let mut count = 0;
    while args.count.is_none_or(|most| count < most) {
        // Cancel-safe: the loop ends with the interruption.
        let object = tokio::select! {
            biased;
            object = objects.next() => object.context("the connection is closed")??,
            interrupted = signal::ctrl_c() => {
                interrupted?;
                break;
            }
        };
        count += 1;
        if args.json {
            show::line(serde_json::to_string(&object)?)?;
            continue;
        }
        let ObjectInfo { bucket, name, chunks, .. } = &object;
        let (what, holds) = match object.deleted {
            true => ("DEL", String::new()),
            false => ("PUT", format!(": {} in {chunks} chunks", size(&object))),
        };
        show::line(format_args!("[{}] {what} {bucket} > {name}{holds}", modified(&object)))?;
    }
    Ok(())
}

/// How an object is.
pub(crate) fn sheet(object: &ObjectInfo) -> Sheet {
    let mut sheet = Sheet::new(format!("Object {} of bucket {}", object.name, object.bucket));
    sheet.text("Description", object.description.as_deref().unwrap_or_default());
    sheet.value("Size", size(object));
    sheet.value("Modified", modified(object));
    sheet.value("Chunks", object.chunks);
    sheet.text("Digest", object.digest.as_deref().unwrap_or_default());
    sheet.value_if(object.deleted, "Deleted", "yes");
    if let Some(link) = object.options.as_ref().and_then(|options| options.link.as_ref()) {
        sheet.value("Link", format_args!("{} of bucket {}", link.name.as_deref().unwrap_or("all"), link.bucket));
    }
    for line in message::header_lines(object.headers.as_ref()) {
        sheet.value("Header", line);
    }
    let metadata = object.metadata.iter().map(|(key, value)| (key.clone(), value.clone())).collect();
    crate::cmd::stream::sheet::metadata(&metadata, &mut sheet);
    sheet
}

fn size(object: &ObjectInfo) -> String {
    show::size(u64::try_from(object.size).unwrap_or(u64::MAX))
}

fn modified(object: &ObjectInfo) -> String {
    let nanos = object.modified.and_then(|time| i64::try_from(time.unix_timestamp_nanos()).ok());
    nanos.map_or_else(|| "unknown".to_owned(), |nanos| show::rfc3339(Timestamp::from_unix_nanos(nanos)))
}
