//! `firn consumer ls`, `report`: tables.

use anyhow::Result;
use clap::Args;
use firn_api::consumer::ConsumerInfo;

use crate::cmd::stream;
use crate::jetstream::JetStream;
use crate::show;
use crate::table::{Column, Table};

#[derive(Args, Debug)]
pub(crate) struct ListArgs {
    /// Name of the stream
    stream: String,

    /// Show names and nothing else
    #[arg(short, long)]
    names: bool,

    /// Show names as JSON
    #[arg(short, long)]
    json: bool,
}

#[derive(Args, Debug)]
pub(crate) struct ReportArgs {
    /// Name of the stream
    stream: String,

    /// Show numbers as they are
    #[arg(short, long)]
    raw: bool,

    /// Show all that the server says as JSON
    #[arg(short, long)]
    json: bool,
}

/// # Errors
/// The server refuses, or does not answer.
pub(crate) async fn list(args: &ListArgs, jetstream: &JetStream) -> Result<()> {
    let consumers = jetstream.consumers(&args.stream).await?;
    let names = || consumers.iter().map(|consumer| consumer.name.as_str());
    if args.json {
        return show::json(&names().collect::<Vec<_>>());
    }
    if args.names {
        return names().try_for_each(|name| Ok(show::line(name)?));
    }
    if consumers.is_empty() {
        show::note(format_args!("No consumers of stream {}", args.stream));
        return Ok(());
    }
    let mut table = Table::new([
        Column::Left("Name"),
        Column::Left("Description"),
        Column::Left("Created"),
        Column::Right("Ack Pending"),
        Column::Right("Unprocessed"),
        Column::Left("Last Delivery"),
    ]);
    for ConsumerInfo { name, config, created, delivered, num_ack_pending, num_pending, ts, .. } in &consumers {
        table.row([
            name.clone(),
            config.as_ref().map(|config| config.description.clone()).unwrap_or_default(),
            show::moment(created),
            num_ack_pending.to_string(),
            show::count(*num_pending),
            delivered.last_active.as_ref().map_or_else(|| "never".to_owned(), |last| show::ago(ts, last)),
        ]);
    }
    Ok(show::line(table)?)
}

/// # Errors
/// The server refuses, or does not answer.
pub(crate) async fn report(args: &ReportArgs, jetstream: &JetStream) -> Result<()> {
    let consumers = jetstream.consumers(&args.stream).await?;
    if args.json {
        return show::json(&consumers);
    }
    let count = |number: u64| if args.raw { number.to_string() } else { show::count(number) };
    let mut table = Table::new([
        Column::Left("Consumer"),
        Column::Left("Mode"),
        Column::Left("Ack Policy"),
        Column::Right("Ack Wait"),
        Column::Right("Ack Pending"),
        Column::Right("Redelivered"),
        Column::Right("Unprocessed"),
        Column::Right("Ack Floor"),
        Column::Right("API Level"),
        Column::Left("Replicas"),
    ]);
    for consumer in &consumers {
        let config = consumer.config.clone().unwrap_or_default();
        let pending = consumer.num_pending;
        table.row([
            consumer.name.clone(),
            if config.is_push() { "Push" } else { "Pull" }.to_owned(),
            config.ack_policy.to_string(),
            stream::sheet::span(config.ack_wait),
            count(u64::try_from(consumer.num_ack_pending).unwrap_or(0)),
            count(u64::try_from(consumer.num_redelivered).unwrap_or(0)),
            count(pending),
            count(consumer.ack_floor.stream_seq),
            config.metadata.get("_nats.req.level").cloned().unwrap_or_default(),
            stream::list::replicas(consumer.cluster.as_ref()),
        ]);
    }
    Ok(show::line(table)?)
}
