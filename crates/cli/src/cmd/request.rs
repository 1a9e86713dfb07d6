//! `firn req`: send requests and show the replies.

use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};
use async_nats::{Message, StatusCode};
use clap::Args;
use futures_util::StreamExt as _;
use tokio::time;

use crate::connection::{Connection, ConnectionArgs};
use crate::duration;
use crate::message::{self, Json, Outgoing, OutgoingArgs};
use crate::show;

#[derive(Args, Debug)]
pub(crate) struct RequestArgs {
    #[command(flatten)]
    outgoing: OutgoingArgs,

    /// How many requests to send, one after the other
    #[arg(long, default_value_t = 1)]
    count: u64,

    /// How many replies to wait for; 0: all that come within --timeout
    #[arg(long, default_value_t = 1)]
    replies: u64,

    /// Longest wait from one reply to the next
    #[arg(long, value_name = "DURATION", default_value = "300ms", value_parser = duration::parse)]
    reply_timeout: Duration,

    /// Take replies until an empty one
    #[arg(long, conflicts_with = "replies")]
    wait_for_empty: bool,

    /// Show bodies and nothing else
    #[arg(short, long)]
    raw: bool,

    /// Show each body as a program writes it that reads it
    #[arg(long, value_name = "COMMAND")]
    translate: Option<String>,

    /// Show each reply as a line of JSON
    #[arg(short, long, conflicts_with_all = ["raw", "translate"])]
    json: bool,
}

/// # Errors
/// Nobody answers, or the server objects.
pub(crate) async fn run(args: &RequestArgs, connection: &ConnectionArgs) -> Result<()> {
    ensure!(args.count > 0, "--count 0 would send nothing");
    let mut connection = connection.connect().await?;
    for body in args.outgoing.bodies() {
        let body = body?;
        for count in 1..=args.count {
            request(args, &mut connection, args.outgoing.message(&body, count)?).await?;
        }
    }
    connection.close().await
}

async fn request(args: &RequestArgs, connection: &mut Connection, outgoing: Outgoing) -> Result<()> {
    let Outgoing { subject, headers, body } = outgoing;
    if !args.raw && !args.json {
        show::note(format_args!("Sending request on {subject:?}"));
    }
    let client = connection.client.clone();
    let inbox = client.new_inbox();
    let mut replies = client.subscribe(inbox.clone()).await?;
    let begin = Instant::now();
    if headers.is_empty() {
        client.publish_with_reply(subject.clone(), inbox, body.into()).await?;
    } else {
        client.publish_with_reply_and_headers(subject.clone(), inbox, headers, body.into()).await?;
    }

    let mut received = 0;
    loop {
        let wait = match received {
            0 => connection.timeout,
            _ if args.replies == 0 => connection.timeout.saturating_sub(begin.elapsed()),
            _ => args.reply_timeout,
        };
        // Cancel-safe: what is not taken stays in its stream.
        let reply = tokio::select! {
            biased;
            reply = replies.next() => reply,
            reproach = connection.reproach() => return Err(reproach),
            () = time::sleep(wait) => None,
        };
        let Some(reply) = reply else { break };
        if reply.status == Some(StatusCode::NO_RESPONDERS) {
            bail!("no responders are available on {subject:?}");
        }
        received += 1;
        show_reply(args, &reply, begin.elapsed()).await?;
        let is_last = if args.wait_for_empty { reply.payload.is_empty() } else { received == args.replies };
        if is_last {
            return Ok(());
        }
    }
    match received {
        0 => bail!("no reply on {subject:?} within {}", duration::show(connection.timeout)),
        _ => Ok(()),
    }
}

async fn show_reply(args: &RequestArgs, reply: &Message, rtt: Duration) -> Result<()> {
    if args.json {
        let json = Json::from(reply).with_rtt(rtt);
        return Ok(show::line(serde_json::to_string(&json)?)?);
    }
    if args.raw {
        return message::show_body(&reply.payload, args.translate.as_deref()).await;
    }
    show::note(format_args!("Received with rtt {}", duration::show(rtt)));
    for line in message::header_lines(reply.headers.as_ref()) {
        show::note(line);
    }
    message::show_body(&reply.payload, args.translate.as_deref()).await?;
    Ok(show::line("")?)
}
