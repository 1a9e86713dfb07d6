//! `firn stream add`, `edit`, `copy`: configurations from flags, files and other streams.

use std::path::PathBuf;

use anyhow::{Context as _, Result, ensure};
use clap::Args;
use firn_api::stream::{StreamCreated, StreamInfo, StreamUpdated};
use firn_api::subject::Operation;
use serde_json::{Map, Value};

use crate::jetstream::{Answer, JetStream};
use crate::members::{self, Kind, Members, Row, Rows, switch};
use crate::show;

use super::sheet;

#[derive(Args, Debug)]
pub(crate) struct AddArgs {
    /// Name of the stream; may stand in the file instead
    stream: Option<String>,

    /// Begin with the configuration in a file of JSON; `-` is standard input
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,

    /// Write the configuration into a file, and create nothing
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,

    /// Accepted for scripts of the nats CLI; nothing is asked
    #[arg(long, hide = true)]
    defaults: bool,

    /// Show what the server says as JSON
    #[arg(short, long)]
    json: bool,

    #[command(flatten)]
    members: Members<NewStream>,
}

#[derive(Args, Debug)]
pub(crate) struct EditArgs {
    /// Name of the stream
    stream: String,

    /// Take what a file of JSON says in place of what is there; `-` is standard input
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,

    /// Show what would change, and change nothing
    #[arg(long)]
    dry_run: bool,

    /// Accepted for scripts of the nats CLI; nothing is asked
    #[arg(short, long, hide = true)]
    force: bool,

    /// Show what the server says as JSON
    #[arg(short, long)]
    json: bool,

    #[command(flatten)]
    members: Members<ChangedStream>,
}

#[derive(Args, Debug)]
pub(crate) struct CopyArgs {
    /// Name of the stream whose configuration is taken
    #[arg(value_name = "SOURCE")]
    original: String,

    /// Name of the stream to create
    destination: String,

    /// Show what the server says as JSON
    #[arg(short, long)]
    json: bool,

    #[command(flatten)]
    members: Members<NewStream>,
}

/// Flags of a stream that is made.
#[derive(Debug)]
enum NewStream {}

/// Flags of a stream that is changed.
#[derive(Debug)]
enum ChangedStream {}

impl Rows for NewStream {
    const ROWS: &'static [&'static [Row]] = &[ANY, NEW];
}

impl Rows for ChangedStream {
    const ROWS: &'static [&'static [Row]] = &[ANY, CHANGED];
}

const fn row(flag: &'static str, kind: Kind, member: &'static str, help: &'static str) -> Row {
    Row { flag, kind, member, help }
}

const RETENTION: Kind = Kind::Word(&[&["limits"], &["interest"], &["workqueue", "work", "workq"]]);
const PER_SUBJECT: Kind = Kind::Means(&[("discard", "\"new\""), ("discard_new_per_subject", "true")]);

const ANY: &[Row] = &[
    row("subjects", Kind::Texts("SUBJECT"), "subjects", "What it stores, by commas or repeated; its name if none"),
    row("description", Kind::Text("TEXT"), "description", "For people"),
    row("retention", RETENTION, "retention", "When messages are removed beside the limits"),
    row("discard", Kind::Word(&[&["old"], &["new"]]), "discard", "What gives way when a limit is reached"),
    row("discard-per-subject", PER_SUBJECT, "", "Refuse new messages also of a subject that is full"),
    row("max-msgs", Kind::Count, "max_msgs", "How many messages it keeps"),
    row("max-msgs-per-subject", Kind::Count, "max_msgs_per_subject", "How many messages of a subject it keeps"),
    row("max-bytes", Kind::Size, "max_bytes", "How many bytes it keeps"),
    row("max-age", Kind::Span, "max_age", "How long it keeps a message"),
    row("max-msg-size", Kind::Size, "max_msg_size", "Longest message"),
    row("max-consumers", Kind::Count, "max_consumers", "How many consumers it may have"),
    row("dupe-window", Kind::Span, "duplicate_window", "How long the id of a message is remembered"),
    row("replicas", Kind::Count, "num_replicas", "On how many servers of a cluster"),
    row("cluster", Kind::Text("NAME"), "placement.cluster", "On servers of this cluster"),
    row("tag", Kind::Texts("TAG"), "placement.tags", "On servers with this tag; may be repeated"),
    row("compression", Kind::Word(&[&["none"], &["s2"]]), "compression", "How files are compressed"),
    switch!("ack", "no_ack", "Acknowledge publishes; --no-ack does not", true),
    switch!("allow-direct", "allow_direct", "Let every replica answer gets"),
    switch!("allow-mirror-direct", "mirror_direct", "Let mirrors answer gets"),
    switch!("allow-rollup", "allow_rollup_hdrs", "Let a message replace those before it"),
    switch!("allow-msg-ttl", "allow_msg_ttl", "Let a message say how long it is kept"),
    switch!("allow-counter", "allow_msg_counter", "Let messages be increments of counters"),
    switch!("allow-batch", "allow_atomic", "Take batches wholly or not at all"),
    switch!("allow-fast", "allow_batched", "Take batches that are acknowledged in groups"),
    switch!("allow-schedules", "allow_msg_schedules", "Take messages that are published later"),
    switch!("deny-delete", "deny_delete", "Refuse to remove single messages; cannot be undone"),
    switch!("deny-purge", "deny_purge", "Refuse to purge; cannot be undone"),
    row(
        "subject-del-markers-ttl",
        Kind::Span,
        "subject_delete_marker_ttl",
        "How long a marker stays where the last message of a subject expired",
    ),
    row("mirror", Kind::Text("STREAM"), "mirror.name", "Be a copy of this stream"),
    row("source", Kind::Names("STREAM"), "sources", "Store the messages of this stream too; may be repeated"),
    row("transform-source", Kind::Text("PATTERN"), "subject_transform.src", "Store these subjects under others"),
    row("transform-destination", Kind::Text("SUBJECT"), "subject_transform.dest", "Under these"),
    row("republish-source", Kind::Text("PATTERN"), "republish.src", "Publish these subjects again once stored"),
    row("republish-destination", Kind::Text("SUBJECT"), "republish.dest", "Under these"),
    switch!("republish-headers", "republish.headers_only", "Publish again without bodies"),
    row("limit-consumer-inactive", Kind::Span, "consumer_limits.inactive_threshold", "Longest of its consumers"),
    row("limit-consumer-max-pending", Kind::Count, "consumer_limits.max_ack_pending", "Largest of its consumers"),
    row("metadata", Kind::Pairs, "metadata", "Free text of its owner; may be repeated"),
];

const NEW: &[Row] = &[
    row("storage", Kind::Word(&[&["file", "f"], &["memory", "m"]]), "storage", "Where messages are kept"),
    row("first-sequence", Kind::Count, "first_seq", "Sequence of the first message"),
    row(
        "persist-mode",
        Kind::Word(&[&["default"], &["async"]]),
        "persist_mode",
        "Acknowledge a message when it is written, or when it is about to be",
    ),
];

const CHANGED: &[Row] = &[
    row("no-mirror", Kind::Remove, "mirror", "Be a copy no longer"),
    row("no-transform", Kind::Remove, "subject_transform", "Store subjects as they are"),
    row("no-republish", Kind::Remove, "republish", "Publish nothing again"),
];

/// # Errors
/// The file cannot be used, or the server refuses.
pub(crate) async fn add(args: &AddArgs, jetstream: &JetStream) -> Result<()> {
    let mut config = match &args.config {
        Some(file) => members::from_file(file)?,
        // As the nats CLI does.
        None => Map::from_iter([("allow_direct".to_owned(), Value::Bool(true))]),
    };
    members::merge(&mut config, &args.members.map);
    if let Some(stream) = &args.stream {
        config.insert("name".to_owned(), Value::from(stream.as_str()));
    }
    if let Some(file) = &args.output {
        let text = serde_json::to_string_pretty(&config)?;
        return std::fs::write(file, text + "\n").with_context(|| format!("cannot write {}", file.display()));
    }
    create(config, args.json, jetstream).await
}

/// # Errors
/// There is no such stream, or the server refuses the new one.
pub(crate) async fn copy(args: &CopyArgs, jetstream: &JetStream) -> Result<()> {
    let mut config = config_of(&jetstream.stream(&args.original).await?)?;
    members::merge(&mut config, &args.members.map);
    config.insert("name".to_owned(), Value::from(args.destination.as_str()));
    create(config, args.json, jetstream).await
}

async fn create(config: Map<String, Value>, is_json: bool, jetstream: &JetStream) -> Result<()> {
    let stream = config.get("name").and_then(Value::as_str).context("the stream has no name")?.to_owned();
    let request = serde_json::to_vec(&config)?;
    let answer = jetstream.ask::<StreamCreated>(Operation::StreamCreate { stream: &stream }, request).await?;
    if !is_json {
        show::note(format_args!("Created stream {stream}"));
    }
    show_answer(&answer.raw, answer.body.info.as_ref(), is_json)
}

/// # Errors
/// The file cannot be used, there is no such stream, or the server refuses the change.
pub(crate) async fn edit(args: &EditArgs, jetstream: &JetStream) -> Result<()> {
    let stream = &args.stream;
    let before = config_of(&jetstream.stream(stream).await?)?;
    let mut after = match &args.config {
        Some(file) => members::from_file(file)?,
        None => before.clone(),
    };
    members::merge(&mut after, &args.members.map);
    let named = after.entry("name").or_insert_with(|| Value::from(stream.as_str()));
    ensure!(*named == stream.as_str(), "the file is about stream {named}, not about {stream}");
    let differences = members::differences(&before, &after);
    if differences.is_empty() {
        show::note(format_args!("Nothing changes in stream {stream}"));
        return Ok(());
    }
    if args.dry_run {
        return Ok(show::line(differences.join("\n"))?);
    }
    let request = serde_json::to_vec(&after)?;
    let answer = jetstream.ask::<StreamUpdated>(Operation::StreamUpdate { stream }, request).await?;
    if !args.json {
        for difference in differences {
            show::note(difference);
        }
        show::note(format_args!("Changed stream {stream}"));
    }
    show_answer(&answer.raw, answer.body.info.as_ref(), args.json)
}

fn config_of(answer: &Answer<StreamInfo>) -> Result<Map<String, Value>> {
    answer.raw.get("config").and_then(Value::as_object).cloned().context("the answer holds no configuration")
}

fn show_answer(raw: &Map<String, Value>, info: Option<&StreamInfo>, is_json: bool) -> Result<()> {
    if is_json {
        return show::json(raw);
    }
    Ok(show::line(sheet::of(info.context("the answer holds no stream")?))?)
}
