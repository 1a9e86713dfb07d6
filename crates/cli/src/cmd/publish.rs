//! `firn pub`: send messages, and learn whether the server took them.

use std::time::Duration;

use anyhow::{Result, ensure};
use async_nats::client::PublishErrorKind;
use clap::Args;
use tokio::time;

use crate::connection::{Connection, ConnectionArgs};
use crate::duration;
use crate::message::{Outgoing, OutgoingArgs};
use crate::show;

/// From this many messages on, one line stands for all.
const SHOWN_MAX: u64 = 20;

#[derive(Args, Debug)]
pub(crate) struct PublishArgs {
    #[command(flatten)]
    outgoing: OutgoingArgs,

    /// Subject for replies
    #[arg(long, value_name = "SUBJECT")]
    reply: Option<String>,

    /// How many messages to send
    #[arg(long, default_value_t = 1)]
    count: u64,

    /// How long to wait between two messages
    #[arg(long, value_name = "DURATION", value_parser = duration::parse)]
    sleep: Option<Duration>,

    /// Say nothing about what was sent
    #[arg(short, long)]
    quiet: bool,
}

/// # Errors
/// A message cannot be made or sent, or the server objects to one.
pub(crate) async fn run(args: &PublishArgs, connection: &ConnectionArgs) -> Result<()> {
    ensure!(args.count > 0, "--count 0 would send nothing");
    let mut connection = connection.connect().await?;
    let mut sent = 0;
    for body in args.outgoing.bodies() {
        let body = body?;
        for count in 1..=args.count {
            if let Some(sleep) = args.sleep.filter(|_| sent > 0) {
                time::sleep(sleep).await;
            }
            let outgoing = args.outgoing.message(&body, count)?;
            let shown = (!args.quiet && args.count <= SHOWN_MAX)
                .then(|| format!("Published {} bytes to {:?}", outgoing.body.len(), outgoing.subject));
            publish(&connection, outgoing, args.reply.as_deref()).await?;
            sent += 1;
            if let Some(shown) = shown {
                // It is not published before the server has taken it.
                connection.sync().await?;
                show::note(shown);
            }
        }
    }
    connection.sync().await?;
    if !args.quiet && args.count > SHOWN_MAX {
        show::note(format_args!("Published {} messages", show::count(sent)));
    }
    connection.close().await
}

async fn publish(connection: &Connection, outgoing: Outgoing, reply: Option<&str>) -> Result<()> {
    let Outgoing { subject, headers, body } = outgoing;
    let client = &connection.client;
    let published = match (reply, headers.is_empty()) {
        (None, true) => client.publish(subject, body.into()).await,
        (None, false) => client.publish_with_headers(subject, headers, body.into()).await,
        (Some(reply), true) => client.publish_with_reply(subject, reply.to_owned(), body.into()).await,
        (Some(reply), false) => {
            client.publish_with_reply_and_headers(subject, reply.to_owned(), headers, body.into()).await
        }
    };
    match published {
        Err(error) if error.kind() == PublishErrorKind::MaxPayloadExceeded => {
            let most = client.max_payload();
            Err(anyhow::Error::from(error).context(format!("the server takes {most} bytes at most")))
        }
        published => Ok(published?),
    }
}
