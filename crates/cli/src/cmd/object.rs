//! `firn object`: buckets of objects, which may be larger than a message.
//!
//! A bucket is a stream by a convention of clients; buckets are made and shown as such, objects go through the client
//! library, which checks the digest of what it reads.

mod bucket;
mod list;
mod transfer;

use anyhow::Result;
use async_nats::jetstream::object_store::ObjectStore;
use clap::Subcommand;

use crate::cmd::buckets::Buckets;
use crate::connection::ConnectionArgs;
use crate::jetstream::{self, JetStream};

pub(crate) const EXAMPLES: &str = "\
Examples:
  firn object add backups --ttl 90d --max-bucket-size 100GB
  firn object put backups db.dump --name db/2026-11-21
  firn object get backups db/2026-11-21 --output db.dump
  tar c . | firn object put backups --name tree.tar
  firn object ls backups --json";

#[derive(Debug, Subcommand)]
pub(crate) enum ObjectCommand {
    /// Create a bucket
    Add(Box<bucket::AddArgs>),

    /// Put a file into a bucket
    Put(transfer::PutArgs),

    /// Get an object as a file
    Get(transfer::GetArgs),

    /// List buckets, or the objects of one
    #[command(visible_alias = "list")]
    Ls(list::ListArgs),

    /// Show how a bucket or an object is
    #[command(visible_alias = "show")]
    Info(list::InfoArgs),

    /// Delete an object, or without one the bucket
    #[command(visible_alias = "del")]
    Rm(bucket::RemoveArgs),

    /// Show objects as they change, until Ctrl-C
    Watch(list::WatchArgs),
}

/// # Errors
/// The server refuses, or does not answer.
pub(crate) async fn run(command: &ObjectCommand, connection: &ConnectionArgs) -> Result<()> {
    jetstream::session(connection, async |jetstream| match command {
        ObjectCommand::Add(args) => bucket::add(args, jetstream).await,
        ObjectCommand::Put(args) => transfer::put(args, jetstream).await,
        ObjectCommand::Get(args) => transfer::get(args, jetstream).await,
        ObjectCommand::Ls(args) => list::list(args, jetstream).await,
        ObjectCommand::Info(args) => list::info(args, jetstream).await,
        ObjectCommand::Rm(args) => bucket::remove(args, jetstream).await,
        ObjectCommand::Watch(args) => list::watch(args, jetstream).await,
    })
    .await
}

async fn open(bucket: &str, jetstream: &JetStream) -> Result<ObjectStore> {
    Ok(jetstream.context().get_object_store(bucket).await?)
}

/// Buckets of objects.
const BUCKETS: Buckets = Buckets { prefix: "OBJ_", maker: "firn object add" };

/// What clients call the stream of a bucket.
fn stream(bucket: &str) -> String {
    BUCKETS.stream_of(bucket)
}
