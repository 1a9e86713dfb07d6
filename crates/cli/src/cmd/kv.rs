//! `firn kv`: buckets of keys and values.
//!
//! A bucket is a stream by a convention of clients; buckets are made and shown as such, values go through the client
//! library.

pub(crate) mod bucket;
mod entry;
mod read;

use anyhow::Result;
use async_nats::jetstream::kv::Store;
use clap::Subcommand;

use crate::connection::ConnectionArgs;
use crate::jetstream::{self, JetStream};

pub(crate) const EXAMPLES: &str = "\
Examples:
  firn kv add settings --history 5 --ttl 30d
  firn kv put settings theme dark
  firn kv get settings theme --raw
  firn kv update settings theme light 1       only if the revision is still 1
  firn kv ls settings
  firn kv watch settings 'theme.*' --json";

#[derive(Debug, Subcommand)]
pub(crate) enum KvCommand {
    /// Create a bucket
    #[command(visible_alias = "new")]
    Add(Box<bucket::AddArgs>),

    /// Put a value under a key
    Put(entry::PutArgs),

    /// Show the value of a key
    Get(read::GetArgs),

    /// Put a value under a key that has none
    Create(entry::CreateArgs),

    /// Put a value under a key whose revision is known
    Update(entry::UpdateArgs),

    /// Delete a key, or without one the bucket
    #[command(visible_alias = "rm")]
    Del(entry::DeleteArgs),

    /// Delete a key with its history
    Purge(entry::PurgeArgs),

    /// List buckets, or the keys of one
    #[command(visible_alias = "list")]
    Ls(read::ListArgs),

    /// Show all revisions of a key that are kept
    History(read::HistoryArgs),

    /// Show values as they change, until Ctrl-C
    Watch(read::WatchArgs),

    /// Show how a bucket is
    #[command(visible_aliases = ["status", "view"])]
    Info(bucket::InfoArgs),

    /// Delete a bucket with all its keys
    DelBucket(bucket::DeleteArgs),
}

/// # Errors
/// The server refuses, or does not answer.
pub(crate) async fn run(command: &KvCommand, connection: &ConnectionArgs) -> Result<()> {
    jetstream::session(connection, async |jetstream| match command {
        KvCommand::Add(args) => bucket::add(args, jetstream).await,
        KvCommand::Put(args) => entry::put(args, jetstream).await,
        KvCommand::Get(args) => read::get(args, jetstream).await,
        KvCommand::Create(args) => entry::create(args, jetstream).await,
        KvCommand::Update(args) => entry::update(args, jetstream).await,
        KvCommand::Del(args) => entry::delete(args, jetstream).await,
        KvCommand::Purge(args) => entry::purge(args, jetstream).await,
        KvCommand::Ls(args) => read::list(args, jetstream).await,
        KvCommand::History(args) => read::history(args, jetstream).await,
        KvCommand::Watch(args) => read::watch(args, jetstream).await,
        KvCommand::Info(args) => bucket::info(args, jetstream).await,
        KvCommand::DelBucket(args) => bucket::delete(args, jetstream).await,
    })
    .await
}

async fn open(bucket: &str, jetstream: &JetStream) -> Result<Store> {
    Ok(jetstream.context().get_key_value(bucket).await?)
}
