//! `firn object add`, `rm`: the stream under a bucket, and objects that go.

use anyhow::{Context as _, Result, ensure};
use clap::Args;
use firn_api::stream::{Compression, StreamCreated, StreamDeleted, StreamInfo};
use firn_api::subject::Operation;
use serde_json::{Map, Value, json};

use crate::cmd::stream::sheet::{cluster, limit, metadata};
use crate::confirm::confirm;
use crate::duration;
use crate::jetstream::JetStream;
use crate::members::{self, Kind, Members, Row, Rows};
use crate::show;
use crate::table::{Sheet, yes};

use super::{open, stream};

#[derive(Args, Debug)]
pub(crate) struct AddArgs {
    /// Name of the bucket: letters, digits, `_` and `-`
    bucket: String,

    /// Show what the server says as JSON
    #[arg(short, long)]
    json: bool,

    #[command(flatten)]
    members: Members<Bucket>,
}

#[derive(Args, Debug)]
pub(crate) struct RemoveArgs {
    /// Name of the bucket
    bucket: String,

    /// Name of the object; without it, the bucket is deleted
    object: Option<String>,

    /// Do not ask
    #[arg(short, long)]
    force: bool,
}

/// Flags of a bucket, and what they are to its stream.
#[derive(Debug)]
enum Bucket {}

impl Rows for Bucket {
    const ROWS: &'static [&'static [Row]] = &[ROWS];
}

const fn row(flag: &'static str, kind: Kind, member: &'static str, help: &'static str) -> Row {
    Row { flag, kind, member, help }
}

const ROWS: &[Row] = &[
    row("description", Kind::Text("TEXT"), "description", "For people"),
    row("ttl", Kind::Span, "max_age", "How long it keeps an object"),
    row("max-bucket-size", Kind::Size, "max_bytes", "How many bytes it keeps"),
    row("storage", Kind::Word(&[&["file", "f"], &["memory", "m"]]), "storage", "Where objects are kept"),
    row("compress", Kind::Means(&[("compression", "\"s2\"")]), "", "Compress files"),
    row("replicas", Kind::Count, "num_replicas", "On how many servers of a cluster"),
    row("cluster", Kind::Text("NAME"), "placement.cluster", "On servers of this cluster"),
    row("tags", Kind::Texts("TAG"), "placement.tags", "On servers with this tag; may be repeated"),
    row("metadata", Kind::Pairs, "metadata", "Free text of its owner; may be repeated"),
];

/// # Errors
/// The server refuses.
pub(crate) async fn add(args: &AddArgs, jetstream: &JetStream) -> Result<()> {
    let request = serde_json::to_vec(&stream_of(args)?)?;
    let stream = stream(&args.bucket);
    let answer = jetstream.ask::<StreamCreated>(Operation::StreamCreate { stream: &stream }, request).await?;
    if args.json {
        return show::json(&answer.raw);
    }
    show::note(format_args!("Created bucket {}", args.bucket));
    Ok(show::line(sheet(&args.bucket, &answer.body.info.context("the answer holds no stream")?))?)
}

/// # Errors
/// There is no such bucket or object, or the server refuses.
pub(crate) async fn remove(args: &RemoveArgs, jetstream: &JetStream) -> Result<()> {
    let RemoveArgs { bucket, object, force } = args;
    let Some(object) = object else {
        confirm(*force, &format!("Delete bucket {bucket} with all its objects"))?;
        let stream = stream(bucket);
        jetstream.ask::<StreamDeleted>(Operation::StreamDelete { stream: &stream }, Vec::new()).await?;
        show::note(format_args!("Deleted bucket {bucket}"));
        return Ok(());
    };
    confirm(*force, &format!("Delete object {object} of bucket {bucket}"))?;
    let store = open(bucket, jetstream).await?;
    let deleted = store.info(object).await.is_ok_and(|info| info.deleted);
    ensure!(!deleted, "object {object} of bucket {bucket} is deleted already");
    store.delete(object).await.with_context(|| format!("object {object} of bucket {bucket}"))?;
    show::note(format_args!("Deleted object {object} of bucket {bucket}"));
    Ok(())
}

/// The stream as all clients make it.
fn stream_of(args: &AddArgs) -> Result<Map<String, Value>> {
    let bucket = &args.bucket;
    let is_name =
        !bucket.is_empty() && bucket.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte));
    ensure!(is_name, "a bucket is named by letters, digits, `_` and `-`, not {bucket:?}");
    let mut config = Map::from_iter([
        ("name".to_owned(), json!(stream(bucket))),
        ("subjects".to_owned(), json!([format!("$O.{bucket}.C.>"), format!("$O.{bucket}.M.>")])),
        ("discard".to_owned(), json!("new")),
        ("allow_rollup_hdrs".to_owned(), json!(true)),
        ("allow_direct".to_owned(), json!(true)),
    ]);
    members::merge(&mut config, &args.members.map);
    Ok(config)
}

/// How a bucket is.
pub(crate) fn sheet(bucket: &str, info: &StreamInfo) -> Sheet {
    let (config, state) = (&info.config, &info.state);
    let mut sheet = Sheet::new(format!("Bucket {bucket} created {}", show::moment(&info.created)));
    sheet.text("Description", &config.description);
    sheet.value("Size", show::size(state.bytes));
    sheet.value("Last Update", show::ago(&info.ts, &state.last_ts));
    sheet.value("Maximum Bucket Size", limit(config.max_bytes, show::size));
    sheet
        .value("Maximum Age", limit(config.max_age.0, |nanos| duration::plain(std::time::Duration::from_nanos(nanos))));
    sheet.value("Sealed", yes(config.sealed));
    sheet.value("Storage", config.storage);
    sheet.value("Compressed", yes(config.compression != Compression::None));
    sheet.value("Replicas", config.num_replicas);
    sheet.value("JetStream Stream", &config.name);
    metadata(&config.metadata, &mut sheet);
    if let Some(info) = &info.cluster {
        cluster(info, &mut sheet);
    }
    sheet
}

#[cfg(test)]
mod tests {
    //! The streams of buckets.

    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        add: AddArgs,
    }

    fn parse(line: &str) -> Option<Value> {
        let args = Line::try_parse_from(["add"].into_iter().chain(line.split_whitespace())).ok()?.add;
        stream_of(&args).ok().map(Value::Object)
    }

    #[test]
    fn a_bucket_is_a_stream_as_clients_make_it() {
        let expected = json!({
            "name": "OBJ_b", "subjects": ["$O.b.C.>", "$O.b.M.>"], "discard": "new", "allow_rollup_hdrs": true,
            "allow_direct": true, "max_age": 86_400_000_000_000_i64, "storage": "memory", "compression": "s2",
        });
        assert_eq!(parse("b --ttl 1d --storage m --compress"), Some(expected));
        assert_eq!(parse("a.b"), None);
    }
}
