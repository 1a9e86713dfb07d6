//! `firn stream ls`, `report`, `subjects`: tables.

use std::cmp::Reverse;

use anyhow::Result;
use clap::{Args, ValueEnum};
use firn_api::cluster::ClusterInfo;
use firn_api::stream::StreamInfo;

use crate::jetstream::{self, JetStream};
use crate::show;
use crate::table::{Column, Table};

#[derive(Args, Debug)]
pub(crate) struct ListArgs {
    /// Only streams that listen to a subject in this pattern
    #[arg(long, value_name = "PATTERN")]
    subject: Option<String>,

    /// Show names and nothing else
    #[arg(short, long)]
    names: bool,

    /// Show streams of buckets too
    #[arg(short, long)]
    all: bool,

    /// Show names as JSON
    #[arg(short, long)]
    json: bool,
}

#[derive(Args, Debug)]
pub(crate) struct ReportArgs {
    /// Only streams that listen to a subject in this pattern
    #[arg(long, value_name = "PATTERN")]
    subject: Option<String>,

    /// Only streams in this cluster
    #[arg(long, value_name = "NAME")]
    cluster: Option<String>,

    /// Show streams of buckets too
    #[arg(short, long)]
    all: bool,

    /// Most consumers first
    #[arg(short = 'o', long, group = "order")]
    consumers: bool,

    /// Most messages first
    #[arg(short, long, group = "order")]
    messages: bool,

    /// By name
    #[arg(short, long, group = "order")]
    name: bool,

    /// By storage
    #[arg(short = 't', long, group = "order")]
    storage: bool,

    /// Show numbers as they are
    #[arg(short, long)]
    raw: bool,

    /// Show all that the server says as JSON
    #[arg(short, long)]
    json: bool,
}

#[derive(Args, Debug)]
pub(crate) struct SubjectsArgs {
    /// Name of the stream
    stream: String,

    /// Only subjects in this pattern
    #[arg(default_value = ">")]
    filter: String,

    /// What they are sorted by
    #[arg(long, value_name = "WORD", default_value = "messages")]
    sort: SubjectsOrder,

    /// In the other direction
    #[arg(short = 'R', long)]
    reverse: bool,

    /// Show names and nothing else
    #[arg(long)]
    names: bool,

    /// Show subjects and counts as JSON
    #[arg(short, long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum SubjectsOrder {
    /// Most messages first
    #[value(aliases = ["count"])]
    Messages,
    /// By name
    #[value(aliases = ["subjects"])]
    Name,
}

/// # Errors
/// The server refuses, or does not answer.
pub(crate) async fn list(args: &ListArgs, jetstream: &JetStream) -> Result<()> {
    let streams = streams(args.subject.as_deref(), args.all, jetstream).await?;
    let names = || streams.iter().map(|stream| stream.config.name.as_str());
    if args.json {
        return show::json(&names().collect::<Vec<_>>());
    }
    if args.names {
        return names().try_for_each(|name| Ok(show::line(name)?));
    }
    if streams.is_empty() {
        show::note("No streams; `firn stream ls --all` shows those of buckets too");
        return Ok(());
    }
    let mut table = Table::new([
        Column::Left("Name"),
        Column::Left("Description"),
        Column::Left("Created"),
        Column::Right("Messages"),
        Column::Right("Size"),
        Column::Left("Last Message"),
    ]);
    for StreamInfo { config, created, state, ts, .. } in &streams {
        table.row([
            config.name.clone(),
            config.description.clone(),
            show::moment(created),
            show::count(state.messages),
            show::size(state.bytes),
            show::ago(ts, &state.last_ts),
        ]);
    }
    Ok(show::line(table)?)
}

/// # Errors
/// The server refuses, or does not answer.
pub(crate) async fn report(args: &ReportArgs, jetstream: &JetStream) -> Result<()> {
    let mut streams = streams(args.subject.as_deref(), args.all, jetstream).await?;
    if let Some(wanted) = &args.cluster {
        streams.retain(|stream| stream.cluster.as_ref().is_some_and(|cluster| cluster.name == *wanted));
    }
    match (args.consumers, args.messages, args.storage) {
        (true, _, _) => streams.sort_by_key(|stream| Reverse(stream.state.consumer_count)),
        (_, true, _) => streams.sort_by_key(|stream| Reverse(stream.state.messages)),
        (_, _, true) => streams.sort_by_key(|stream| stream.config.storage.as_str()),
        (false, false, false) => streams.sort_by(|a, b| a.config.name.cmp(&b.config.name)),
    }
    if args.json {
        return show::json(&streams);
    }
    let count = |number: u64| if args.raw { number.to_string() } else { show::count(number) };
    let mut table = Table::new([
        Column::Left("Stream"),
        Column::Left("Storage"),
        Column::Left("Placement"),
        Column::Right("Consumers"),
        Column::Right("Messages"),
        Column::Right("Bytes"),
        Column::Right("Lost"),
        Column::Right("Deleted"),
        Column::Right("API Level"),
        Column::Left("Replicas"),
    ]);
    for StreamInfo { config, state, cluster, .. } in &streams {
        let placement = config.placement.as_ref().map(|placement| {
            let tags = placement.tags.iter().map(String::as_str);
            std::iter::once(placement.cluster.as_str()).chain(tags).filter(|part| !part.is_empty()).collect::<Vec<_>>()
        });
        table.row([
            config.name.clone(),
            config.storage.to_string(),
            placement.unwrap_or_default().join(" "),
            state.consumer_count.to_string(),
            count(state.messages),
            if args.raw { state.bytes.to_string() } else { show::size(state.bytes) },
            state.lost.as_ref().map(|lost| lost.msgs.as_ref().map_or(0, Vec::len)).unwrap_or_default().to_string(),
            count(u64::try_from(state.num_deleted).unwrap_or(0)),
            config.metadata.get("_nats.req.level").cloned().unwrap_or_default(),
            replicas(cluster.as_ref()),
        ]);
    }
    Ok(show::line(table)?)
}

/// # Errors
/// The server refuses, or does not answer.
pub(crate) async fn subjects(args: &SubjectsArgs, jetstream: &JetStream) -> Result<()> {
    let subjects = jetstream.subjects(&args.stream, &args.filter).await?;
    let mut sorted: Vec<(&String, u64)> = subjects.iter().map(|(subject, count)| (subject, *count)).collect();
    if args.sort == SubjectsOrder::Messages {
        sorted.sort_by_key(|(_, count)| Reverse(*count));
    }
    if args.reverse {
        sorted.reverse();
    }
    match (args.json, args.names) {
        (true, true) => return show::json(&sorted.iter().map(|(subject, _)| subject).collect::<Vec<_>>()),
        (true, false) => return show::json(&subjects),
        (false, true) => return sorted.iter().try_for_each(|(subject, _)| Ok(show::line(subject)?)),
        (false, false) => {}
    }
    if sorted.is_empty() {
        show::note(format_args!("No subjects in {} of stream {}", args.filter, args.stream));
        return Ok(());
    }
    let mut table = Table::new([Column::Left("Subject"), Column::Right("Messages")]);
    for (subject, count) in sorted {
        table.row([subject.clone(), show::count(count)]);
    }
    Ok(show::line(table)?)
}

async fn streams(subject: Option<&str>, all: bool, jetstream: &JetStream) -> Result<Vec<StreamInfo>> {
    let mut streams = jetstream.streams(subject).await?;
    streams.retain(|stream| all || !jetstream::is_internal(&stream.config.name));
    Ok(streams)
}

/// The servers that carry it, the leader with a star, those that are behind with a bang.
pub(crate) fn replicas(cluster: Option<&ClusterInfo>) -> String {
    let Some(cluster) = cluster else { return String::new() };
    let leader = Some(format!("{}*", cluster.leader)).filter(|_| !cluster.leader.is_empty());
    let others = cluster.replicas.iter().map(|replica| {
        let is_behind = !replica.current || replica.offline;
        format!("{}{}", replica.name, if is_behind { "!" } else { "" })
    });
    leader.into_iter().chain(others).collect::<Vec<_>>().join(", ")
}
