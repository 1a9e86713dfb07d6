//! `firn consumer`: consumers of a stream, and the messages they hand out.

mod config;
mod list;
mod receive;
mod sheet;

use anyhow::{Context as _, Result};
use clap::{Args, Subcommand};
use firn_api::consumer::{ConsumerDeleted, ConsumerDescribed, ConsumerInfo, ConsumerPaused};
use firn_api::subject::Operation;
use firn_api::time::Time;
use serde_json::json;

use crate::confirm::confirm;
use crate::connection::ConnectionArgs;
use crate::duration;
use crate::jetstream::{self, Answer, JetStream};
use crate::show;

pub(crate) const EXAMPLES: &str = "\
Examples:
  firn consumer add ORDERS worker --filter 'orders.eu.*' --wait 1m --max-deliver 5
  firn consumer add ORDERS feed --target feed.orders --ack none --deliver new
  firn consumer next ORDERS worker --count 10
  firn consumer sub ORDERS worker --raw
  firn consumer pause ORDERS worker 1h
  firn consumer report ORDERS";

#[derive(Debug, Subcommand)]
pub(crate) enum ConsumerCommand {
    /// List the consumers of a stream
    #[command(visible_alias = "list")]
    Ls(list::ListArgs),

    /// Show how a consumer is
    Info(InfoArgs),

    /// Create a consumer
    #[command(visible_aliases = ["create", "new"])]
    Add(Box<config::AddArgs>),

    /// Change a consumer
    #[command(visible_alias = "update")]
    Edit(Box<config::EditArgs>),

    /// Delete a consumer
    #[command(visible_aliases = ["delete", "del"])]
    Rm(RemoveArgs),

    /// Take messages from a pull consumer
    Next(receive::NextArgs),

    /// Take messages from a consumer until Ctrl-C
    Sub(receive::SubArgs),

    /// Let a consumer rest
    Pause(PauseArgs),

    /// Let a consumer go on
    Resume(ResumeArgs),

    /// Show figures of a stream's consumers
    Report(list::ReportArgs),
}

#[derive(Args, Debug)]
pub(crate) struct InfoArgs {
    /// Name of the stream
    stream: String,

    /// Name of the consumer
    consumer: String,

    /// Show what the server says as JSON
    #[arg(short, long)]
    json: bool,
}

#[derive(Args, Debug)]
pub(crate) struct RemoveArgs {
    /// Name of the stream
    stream: String,

    /// Name of the consumer
    consumer: String,

    /// Do not ask
    #[arg(short, long)]
    force: bool,
}

#[derive(Args, Debug)]
pub(crate) struct PauseArgs {
    /// Name of the stream
    stream: String,

    /// Name of the consumer
    consumer: String,

    /// For how long or until when: 1h, 2026-11-21T10:20:30Z, `2026-11-21 10:20:30` in UTC
    #[arg(value_parser = until)]
    until: Time,

    /// Accepted for scripts of the nats CLI; nothing is asked
    #[arg(short, long, hide = true)]
    force: bool,

    /// Show what the server says as JSON
    #[arg(short, long)]
    json: bool,
}

#[derive(Args, Debug)]
pub(crate) struct ResumeArgs {
    /// Name of the stream
    stream: String,

    /// Name of the consumer
    consumer: String,

    /// Accepted for scripts of the nats CLI; nothing is asked
    #[arg(short, long, hide = true)]
    force: bool,

    /// Show what the server says as JSON
    #[arg(short, long)]
    json: bool,
}

/// # Errors
/// The server refuses, or does not answer.
pub(crate) async fn run(command: &ConsumerCommand, connection: &ConnectionArgs) -> Result<()> {
    jetstream::session(connection, async |jetstream| match command {
        ConsumerCommand::Ls(args) => list::list(args, jetstream).await,
        ConsumerCommand::Info(args) => info(args, jetstream).await,
        ConsumerCommand::Add(args) => config::add(args, jetstream).await,
        ConsumerCommand::Edit(args) => config::edit(args, jetstream).await,
        ConsumerCommand::Rm(args) => remove(args, jetstream).await,
        ConsumerCommand::Next(args) => receive::next(args, jetstream).await,
        ConsumerCommand::Sub(args) => receive::sub(args, jetstream).await,
        ConsumerCommand::Pause(args) => pause(args, jetstream).await,
        ConsumerCommand::Resume(args) => resume(args, jetstream).await,
        ConsumerCommand::Report(args) => list::report(args, jetstream).await,
    })
    .await
}

/// How a consumer is.
async fn describe(stream: &str, consumer: &str, jetstream: &JetStream) -> Result<Answer<ConsumerInfo>> {
    let operation = Operation::ConsumerInfo { stream, consumer };
    let Answer { body, raw } = jetstream.ask::<ConsumerDescribed>(operation, Vec::new()).await?;
    Ok(Answer { body: body.info.context("the answer holds no consumer")?, raw })
}

async fn info(args: &InfoArgs, jetstream: &JetStream) -> Result<()> {
    let answer = describe(&args.stream, &args.consumer, jetstream).await?;
    if args.json { show::json(&answer.raw) } else { Ok(show::line(sheet::of(&answer.body))?) }
}

async fn remove(args: &RemoveArgs, jetstream: &JetStream) -> Result<()> {
    let RemoveArgs { stream, consumer, force } = args;
    confirm(*force, &format!("Delete consumer {consumer} of stream {stream}"))?;
    jetstream.ask::<ConsumerDeleted>(Operation::ConsumerDelete { stream, consumer }, Vec::new()).await?;
    show::note(format_args!("Deleted consumer {consumer} of stream {stream}"));
    Ok(())
}

async fn pause(args: &PauseArgs, jetstream: &JetStream) -> Result<()> {
    let PauseArgs { stream, consumer, until, .. } = args;
    let request = serde_json::to_vec(&json!({ "pause_until": until }))?;
    let answer = jetstream.ask::<ConsumerPaused>(Operation::ConsumerPause { stream, consumer }, request).await?;
    if args.json {
        return show::json(&answer.raw);
    }
    let ConsumerPaused { paused, pause_until, pause_remaining } = answer.body;
    show::note(match paused {
        true => format!(
            "Consumer {consumer} of stream {stream} rests until {}, for {}",
            show::moment(&pause_until),
            duration::age(pause_remaining.duration())
        ),
        false => format!("Consumer {consumer} of stream {stream} goes on: {} is past", show::moment(until)),
    });
    Ok(())
}

async fn resume(args: &ResumeArgs, jetstream: &JetStream) -> Result<()> {
    let ResumeArgs { stream, consumer, .. } = args;
    let answer = jetstream.ask::<ConsumerPaused>(Operation::ConsumerPause { stream, consumer }, Vec::new()).await?;
    if args.json {
        return show::json(&answer.raw);
    }
    show::note(format_args!("Consumer {consumer} of stream {stream} goes on"));
    Ok(())
}

/// Reads a length of time from now on, or a moment.
fn until(text: &str) -> Result<Time, String> {
    if let Ok(time) = duration::parse(text) {
        let nanos = i64::try_from(time.as_nanos()).unwrap_or(i64::MAX);
        return Ok(firn_id::Timestamp::from_unix_nanos(show::now().unix_nanos().saturating_add(nanos)).into());
    }
    let spelled = text.replace(' ', "T");
    let moment = Time::parse(text).or_else(|_| Time::parse(&format!("{spelled}Z")));
    moment.map_err(|_| format!("`{text}` is neither a duration such as 1h nor a time such as 2026-11-21T10:20:30Z"))
}

#[cfg(test)]
mod tests {
    //! Times as people type them.

    use super::*;

    #[test]
    fn a_pause_has_a_length_or_an_end() {
        for text in ["2026-11-21T10:20:30Z", "2026-11-21 10:20:30", "2026-11-21T11:20:30+01:00"] {
            let time = until(text).unwrap();
            assert_eq!(time.timestamp().map(|time| time.unix_seconds()), Some(1_795_256_430), "{text}");
        }
        let hour = until("1h").unwrap().timestamp().unwrap().since(show::now());
        assert!((3590..=3600).contains(&hour.as_secs()), "{hour:?}");
        for broken in ["", "tomorrow", "2026-11-21", "10"] {
            assert!(until(broken).is_err(), "{broken}");
        }
    }
}
