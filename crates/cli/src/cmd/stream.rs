//! `firn stream`: streams of JetStream, and the messages in them.

mod config;
pub(crate) mod list;
mod messages;
mod purge;
pub(crate) mod sheet;

use anyhow::Result;
use clap::{Args, Subcommand};
use firn_api::stream::StreamDeleted;
use firn_api::subject::Operation;

use crate::confirm::confirm;
use crate::connection::ConnectionArgs;
use crate::jetstream::{self, JetStream};
use crate::show;

pub(crate) const EXAMPLES: &str = "\
Examples:
  firn stream add ORDERS --subjects 'orders.>' --max-age 30d --max-bytes 10GB
  firn stream add --config orders.json
  firn stream edit ORDERS --max-age 60d --dry-run
  firn stream view ORDERS --since 1h --subject 'orders.eu.*'
  firn stream get ORDERS --last-for orders.eu --json
  firn stream purge ORDERS --subject orders.test --force";

#[derive(Debug, Subcommand)]
pub(crate) enum StreamCommand {
    /// List streams
    #[command(visible_alias = "list")]
    Ls(list::ListArgs),

    /// Show how a stream is
    Info(InfoArgs),

    /// Create a stream
    #[command(visible_aliases = ["create", "new"])]
    Add(Box<config::AddArgs>),

    /// Change a stream
    #[command(visible_alias = "update")]
    Edit(Box<config::EditArgs>),

    /// Create a stream configured as another; messages are not copied
    #[command(visible_alias = "cp")]
    Copy(Box<config::CopyArgs>),

    /// Delete a stream with all its messages
    #[command(visible_aliases = ["delete", "del"])]
    Rm(RemoveArgs),

    /// Remove messages
    Purge(purge::PurgeArgs),

    /// Show messages, a page at a time
    View(messages::ViewArgs),

    /// Show one message
    Get(messages::GetArgs),

    /// Remove one message and overwrite it
    Rmm(messages::RemoveMessageArgs),

    /// Show which subjects it holds, and how many messages of each
    #[command(visible_alias = "subj")]
    Subjects(list::SubjectsArgs),

    /// Show figures of all streams
    Report(list::ReportArgs),
}

#[derive(Args, Debug)]
pub(crate) struct InfoArgs {
    /// Name of the stream
    stream: String,

    /// Show only what it holds
    #[arg(long)]
    state: bool,

    /// Show what the server says as JSON
    #[arg(short, long)]
    json: bool,
}

#[derive(Args, Debug)]
pub(crate) struct RemoveArgs {
    /// Name of the stream
    stream: String,

    /// Do not ask
    #[arg(short, long)]
    force: bool,
}

/// # Errors
/// The server refuses, or does not answer.
pub(crate) async fn run(command: &StreamCommand, connection: &ConnectionArgs) -> Result<()> {
    jetstream::session(connection, async |jetstream| match command {
        StreamCommand::Ls(args) => list::list(args, jetstream).await,
        StreamCommand::Info(args) => info(args, jetstream).await,
        StreamCommand::Add(args) => config::add(args, jetstream).await,
        StreamCommand::Edit(args) => config::edit(args, jetstream).await,
        StreamCommand::Copy(args) => config::copy(args, jetstream).await,
        StreamCommand::Rm(args) => remove(args, jetstream).await,
        StreamCommand::Purge(args) => purge::purge(args, jetstream).await,
        StreamCommand::View(args) => messages::view(args, jetstream).await,
        StreamCommand::Get(args) => messages::get(args, jetstream).await,
        StreamCommand::Rmm(args) => messages::remove(args, jetstream).await,
        StreamCommand::Subjects(args) => list::subjects(args, jetstream).await,
        StreamCommand::Report(args) => list::report(args, jetstream).await,
    })
    .await
}

async fn info(args: &InfoArgs, jetstream: &JetStream) -> Result<()> {
    let answer = jetstream.stream(&args.stream).await?;
    match (args.json, args.state) {
        (true, true) => show::json(&answer.raw.get("state")),
        (true, false) => show::json(&answer.raw),
        (false, true) => Ok(show::line(sheet::state(&answer.body))?),
        (false, false) => Ok(show::line(sheet::of(&answer.body))?),
    }
}

async fn remove(args: &RemoveArgs, jetstream: &JetStream) -> Result<()> {
    confirm(args.force, &format!("Delete stream {} with all its messages", args.stream))?;
    jetstream.ask::<StreamDeleted>(Operation::StreamDelete { stream: &args.stream }, Vec::new()).await?;
    show::note(format_args!("Deleted stream {}", args.stream));
    Ok(())
}
