//! `firn reply`: answer requests with a body, with themselves, or with what a program says.

use std::time::Duration;

use anyhow::{Result, ensure};
use async_nats::{HeaderMap, Message};
use clap::Args;
use futures_util::StreamExt as _;
use tokio::{signal, time};

use crate::connection::ConnectionArgs;
use crate::duration;
use crate::message;
use crate::process;
use crate::show;
use crate::template::{self, Facts};

#[derive(Args, Debug)]
pub(crate) struct ReplyArgs {
    /// Subject to answer on
    subject: String,

    /// Body of the replies
    body: Option<String>,

    /// Answer with the request's headers and body
    #[arg(long, conflicts_with_all = ["body", "command"])]
    echo: bool,

    /// Answer with what a program writes; `{{0}}` is the first token of the subject, and so on. The program finds
    /// NATS_REQUEST_SUBJECT and NATS_REQUEST_BODY in its environment
    #[arg(long, conflicts_with = "body")]
    command: Option<String>,

    /// Queue group: each request goes to one of its members
    #[arg(short, long, value_name = "NAME", default_value = "NATS-RPLY-22")]
    queue: String,

    /// Wait a random time before each reply, this long at most
    #[arg(long, value_name = "MAX", value_parser = duration::parse)]
    sleep: Option<Duration>,

    /// Add a header, `Name: value`; may be repeated
    #[arg(short = 'H', long = "header", value_name = "K:V")]
    headers: Vec<String>,

    /// End after this many requests
    #[arg(long)]
    count: Option<u64>,
}

/// # Errors
/// The subject cannot be subscribed to, or a template is not well formed.
pub(crate) async fn run(args: &ReplyArgs, connection: &ConnectionArgs) -> Result<()> {
    ensure!(args.count != Some(0), "--count 0 would answer nothing");
    let mut connection = connection.connect().await?;
    let client = connection.client.clone();
    let mut requests = client.queue_subscribe(args.subject.clone(), args.queue.clone()).await?;
    connection.sync().await?;
    show::note(format_args!("Listening on {:?} in group {:?}", args.subject, args.queue));

    let mut count = 0;
    while args.count.is_none_or(|most| count < most) {
        // Cancel-safe: what is not taken stays in its stream.
        let request = tokio::select! {
            biased;
            request = requests.next() => request,
            reproach = connection.reproach() => return Err(reproach),
            interrupted = signal::ctrl_c() => {
                interrupted?;
                None
            }
        };
        let Some(request) = request else { break };
        count += 1;
        show_request(&request, count)?;
        let Some(to) = request.reply.clone() else { continue };
        if let Some(most) = args.sleep {
            let nanos = usize::try_from(most.as_nanos()).unwrap_or(usize::MAX);
            time::sleep(Duration::from_nanos(template::dice(nanos.saturating_add(1)) as u64)).await;
        }
        let (headers, body) = answer(args, &request, count).await?;
        if headers.is_empty() {
            client.publish(to, body.into()).await?;
        } else {
            client.publish_with_headers(to, headers, body.into()).await?;
        }
    }
    connection.close().await
}

async fn answer(args: &ReplyArgs, request: &Message, count: u64) -> Result<(HeaderMap, Vec<u8>)> {
    let text = String::from_utf8_lossy(&request.payload);
    let facts = Facts { count, request: Some(&text), now: show::now() };
    let mut headers = message::headers(&args.headers, facts)?;
    let body = match (&args.command, &args.body) {
        (Some(command), _) => command_output(command, request, facts).await?,
        (None, Some(body)) => template::expand(body, facts)?.into_bytes(),
        (None, None) => {
            for (name, values) in request.headers.iter().flat_map(HeaderMap::iter) {
                for value in values {
                    headers.append(name.clone(), value.clone());
                }
            }
            headers.append("NATS-Reply-Counter", count.to_string());
            request.payload.to_vec()
        }
    };
    Ok((headers, body))
}

/// What the program says, or nothing if it fails: the requester is not left waiting.
async fn command_output(command: &str, request: &Message, facts: Facts<'_>) -> Result<Vec<u8>> {
    let mut words = process::words(command)?;
    for word in &mut words {
        for (index, token) in request.subject.split('.').enumerate() {
            *word = word.replace(&format!("{{{{{index}}}}}"), token);
        }
        *word = template::expand(word, facts)?;
    }
    let environment =
        [("NATS_REQUEST_SUBJECT", request.subject.as_str()), ("NATS_REQUEST_BODY", facts.request.unwrap_or_default())];
    Ok(process::output(&words, &environment).await.unwrap_or_else(|error| {
        show::note(show::causes(&error));
        Vec::new()
    }))
}

fn show_request(request: &Message, count: u64) -> Result<()> {
    show::note(format_args!("[#{count}] Received on subject {:?}:", request.subject.as_str()));
    for line in message::header_lines(request.headers.as_ref()) {
        show::note(line);
    }
    show::line(format_args!("\n{}", String::from_utf8_lossy(&request.payload)))?;
    Ok(())
}
