//! `firn kv add`, `info`, `del-bucket`: the stream under a bucket.

use anyhow::{Context as _, Result, ensure};
use clap::Args;
use firn_api::stream::{Compression, StreamCreated, StreamDeleted, StreamInfo};
use firn_api::subject::Operation;
use serde_json::{Map, Value, json};

use crate::cmd::buckets::Buckets;
use crate::cmd::stream::sheet::{cluster, limit, metadata, span};
use crate::confirm::confirm;
use crate::duration;
use crate::jetstream::JetStream;
use crate::members::{self, Kind, Members, Row, Rows};
use crate::show;
use crate::table::{Sheet, yes};

/// Buckets of values.
pub(super) const BUCKETS: Buckets = Buckets { prefix: "KV_", maker: "firn kv add" };

/// Revisions of a key that a bucket may keep.
const HISTORY_MAX: i64 = 64;

#[derive(Args, Debug)]
pub(crate) struct AddArgs {
    /// Name of the bucket: letters, digits, `_` and `-`
    bucket: String,

    /// Be a copy of this bucket
    #[arg(long, value_name = "BUCKET", conflicts_with = "sources")]
    mirror: Option<String>,

    /// The domain of that bucket, if it is another
    #[arg(long, value_name = "DOMAIN", requires = "mirror")]
    mirror_domain: Option<String>,

    /// Hold the keys of this bucket too; may be repeated
    #[arg(long = "source", value_name = "BUCKET")]
    sources: Vec<String>,

    /// Show what the server says as JSON
    #[arg(short, long)]
    json: bool,

    #[command(flatten)]
    members: Members<Bucket>,
}

#[derive(Args, Debug)]
pub(crate) struct InfoArgs {
    /// Name of the bucket
    bucket: String,

    /// Show what the server says of its stream as JSON
    #[arg(short, long)]
    json: bool,
}

#[derive(Args, Debug)]
pub(crate) struct DeleteArgs {
    /// Name of the bucket
    pub(crate) bucket: String,

    /// Do not ask
    #[arg(short, long)]
    pub(crate) force: bool,
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
    row("history", Kind::Count, "max_msgs_per_subject", "How many revisions of a key it keeps, 1 to 64; 1 if not said"),
    row("ttl", Kind::Span, "max_age", "How long it keeps a value"),
    row(
        "marker-ttl",
        Kind::Other("DURATION", marker),
        "",
        "Let keys have a time of their own, and show for how long one expired",
    ),
    row("max-value-size", Kind::Size, "max_msg_size", "Longest value"),
    row("max-bucket-size", Kind::Size, "max_bytes", "How many bytes it keeps"),
    row("storage", Kind::Word(&[&["file", "f"], &["memory", "m"]]), "storage", "Where values are kept"),
    row("compress", Kind::Means(&[("compression", "\"s2\"")]), "", "Compress files"),
    row("replicas", Kind::Count, "num_replicas", "On how many servers of a cluster"),
    row("cluster", Kind::Text("NAME"), "placement.cluster", "On servers of this cluster"),
    row("tags", Kind::Texts("TAG"), "placement.tags", "On servers with this tag; may be repeated"),
    row("republish-source", Kind::Text("PATTERN"), "republish.src", "Publish these subjects again once stored"),
    row("republish-destination", Kind::Text("SUBJECT"), "republish.dest", "Under these"),
    members::switch!("republish-headers", "republish.headers_only", "Publish again without values"),
    row("metadata", Kind::Pairs, "metadata", "Free text of its owner; may be repeated"),
];

fn marker(text: &str) -> Result<Value, String> {
    let nanos = i64::try_from(duration::parse(text)?.as_nanos()).map_err(|_| format!("`{text}` is too long"))?;
    Ok(json!({ "allow_msg_ttl": true, "subject_delete_marker_ttl": nanos }))
}

/// # Errors
/// The server refuses.
pub(crate) async fn add(args: &AddArgs, jetstream: &JetStream) -> Result<()> {
    let config = stream_of(args)?;
    let stream = stream(&args.bucket);
    let request = serde_json::to_vec(&config)?;
    let answer = jetstream.ask::<StreamCreated>(Operation::StreamCreate { stream: &stream }, request).await?;
    if args.json {
        return show::json(&answer.raw);
    }
    show::note(format_args!("Created bucket {}", args.bucket));
    Ok(show::line(sheet(&args.bucket, &answer.body.info.context("the answer holds no stream")?))?)
}

/// # Errors
/// There is no such bucket, or the server does not answer.
pub(crate) async fn info(args: &InfoArgs, jetstream: &JetStream) -> Result<()> {
    let answer = jetstream.stream(&stream(&args.bucket)).await?;
    if args.json { show::json(&answer.raw) } else { Ok(show::line(sheet(&args.bucket, &answer.body))?) }
}

/// # Errors
/// There is no such bucket, or the server refuses.
pub(crate) async fn delete(args: &DeleteArgs, jetstream: &JetStream) -> Result<()> {
    confirm(args.force, &format!("Delete bucket {} with all its keys", args.bucket))?;
    let stream = stream(&args.bucket);
    jetstream.ask::<StreamDeleted>(Operation::StreamDelete { stream: &stream }, Vec::new()).await?;
    show::note(format_args!("Deleted bucket {}", args.bucket));
    Ok(())
}

/// The bucket that an origin is, or the stream where it is none.
fn origin_of(stream: &str) -> &str {
    BUCKETS.bucket_of(stream).unwrap_or(stream)
}

/// What clients call the stream of a bucket.
pub(crate) fn stream(bucket: &str) -> String {
    BUCKETS.stream_of(bucket)
}

/// What all buckets have in common.
pub(crate) fn base(bucket: &str) -> Map<String, Value> {
    Map::from_iter([
        ("name".to_owned(), json!(stream(bucket))),
        ("subjects".to_owned(), json!([format!("$KV.{bucket}.>")])),
        ("max_msgs_per_subject".to_owned(), json!(1)),
        ("discard".to_owned(), json!("new")),
        ("allow_rollup_hdrs".to_owned(), json!(true)),
        ("deny_delete".to_owned(), json!(true)),
        ("allow_direct".to_owned(), json!(true)),
    ])
}

/// The stream as all clients make it.
fn stream_of(args: &AddArgs) -> Result<Map<String, Value>> {
    let bucket = &args.bucket;
    let is_name =
        |name: &str| !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte));
    ensure!(is_name(bucket), "a bucket is named by letters, digits, `_` and `-`, not {bucket:?}");
    let mut config = base(bucket);
    if let Some(origin) = &args.mirror {
        let mut mirror = Map::from_iter([("name".to_owned(), json!(stream(origin)))]);
        if let Some(domain) = &args.mirror_domain {
            mirror.insert("external".to_owned(), json!({ "api": format!("$JS.{domain}.API"), "deliver": "" }));
        }
        config.remove("subjects");
        config.insert("mirror".to_owned(), Value::Object(mirror));
        config.insert("mirror_direct".to_owned(), json!(true));
    }
    if !args.sources.is_empty() {
        let sources = args.sources.iter().map(|source| {
            let transform = json!({ "src": format!("$KV.{source}.>"), "dest": format!("$KV.{bucket}.>") });
            json!({ "name": stream(source), "subject_transforms": [transform] })
        });
        config.insert("sources".to_owned(), sources.collect());
    }
    members::merge(&mut config, &args.members.map);
    let history = config.get("max_msgs_per_subject").and_then(Value::as_i64).unwrap_or(1);
    ensure!((1..=HISTORY_MAX).contains(&history), "--history is 1 to {HISTORY_MAX}, not {history}");
    Ok(config)
}

fn sheet(bucket: &str, info: &StreamInfo) -> Sheet {
    let (config, state) = (&info.config, &info.state);
    let mut sheet = Sheet::new(format!("Bucket {bucket} created {}", show::moment(&info.created)));
    sheet.text("Description", &config.description);
    sheet.value("History Kept", config.max_msgs_per_subject);
    sheet.value("Values Stored", show::count(state.messages));
    sheet.value("Bucket Size", show::size(state.bytes));
    sheet.value("Last Update", show::ago(&info.ts, &state.last_ts));
    sheet.value("Maximum Bucket Size", limit(config.max_bytes, show::size));
    sheet.value("Maximum Value Size", limit(config.max_msg_size.into(), show::size));
    sheet
        .value("Maximum Age", limit(config.max_age.0, |nanos| duration::plain(std::time::Duration::from_nanos(nanos))));
    sheet.value("Per-Key TTL", yes(config.allow_msg_ttl));
    sheet.value_if(config.subject_delete_marker_ttl.0 > 0, "Limit Marker TTL", span(config.subject_delete_marker_ttl));
    sheet.value("Storage", config.storage);
    sheet.value("Compressed", yes(config.compression != Compression::None));
    sheet.value("Replicas", config.num_replicas);
    sheet.value("JetStream Stream", &config.name);
    if let Some(republish) = &config.republish {
        sheet.value("Republishing", format_args!("{} to {}", republish.src, republish.dest));
    }
    for origin in config.mirror.iter().chain(&config.sources) {
        sheet.value("Origin Bucket", origin_of(&origin.name));
    }
    for origin in info.mirror.iter().chain(&info.sources) {
        sheet.value("Lag", format_args!("{} behind {}", show::count(origin.lag), origin_of(&origin.name)));
    }
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

    #[track_caller]
    fn check(line: &str, differences: Value) {
        let mut expected = json!({
            "name": "KV_b", "subjects": ["$KV.b.>"], "max_msgs_per_subject": 1, "discard": "new",
            "allow_rollup_hdrs": true, "deny_delete": true, "allow_direct": true,
        });
        let (expected_map, differences) = (expected.as_object_mut().unwrap(), differences.as_object().unwrap());
        members::merge(expected_map, differences);
        assert_eq!(parse(line), Some(expected), "{line}");
    }

    #[test]
    fn a_bucket_is_a_stream_as_clients_make_it() {
        check("b", json!({}));
        check("b --history 5 --ttl 1m", json!({ "max_msgs_per_subject": 5, "max_age": 60_000_000_000_i64 }));
        check("b --compress --max-value-size 1KB", json!({ "compression": "s2", "max_msg_size": 1024 }));
        check("b --marker-ttl 1s", json!({ "allow_msg_ttl": true, "subject_delete_marker_ttl": 1_000_000_000 }));
        let far = json!({ "name": "KV_a", "external": { "api": "$JS.hub.API", "deliver": "" } });
        let differences = json!({ "subjects": null, "mirror": far, "mirror_direct": true });
        check("b --mirror a --mirror-domain hub", differences);
        check("b --mirror a", json!({ "subjects": null, "mirror": { "name": "KV_a" }, "mirror_direct": true }));
        let transform = json!({ "src": "$KV.a.>", "dest": "$KV.b.>" });
        check("b --source a", json!({ "sources": [{ "name": "KV_a", "subject_transforms": [transform] }] }));
    }

    #[test]
    fn what_is_no_bucket_is_refused_before_the_server_is_asked() {
        for broken in ["a.b", "a/b", "é", "b --history 65", "b --history 0", "b --mirror a --source c"] {
            assert_eq!(parse(broken), None, "{broken}");
        }
    }

    #[test]
    fn a_bucket_is_shown_as_committed() {
        let text = include_bytes!("../../../tests/shown/bucket.json");
        let info: StreamInfo = firn_api::json::read_strict(text).unwrap();
        show::assert_shown("bucket.txt", &sheet("settings", &info).to_string());
    }
}
