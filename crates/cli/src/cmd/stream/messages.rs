//! `firn stream view`, `get`, `rmm`: messages as they are stored.
//!
//! Messages are asked for one by one. That needs no consumer, so that a stream's limits on consumers and its retention
//! do not matter, and works on streams that allow no direct gets.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Result, bail, ensure};
use clap::Args;
use data_encoding::BASE64;
use firn_api::json;
use firn_api::stream::{MessageDeleteRequest, MessageDeleted, MessageFound, MessageGetRequest, StoredMessage};
use firn_api::subject::Operation;
use firn_api::time::Time;
use serde_json::{Map, Value, json};

use crate::confirm::confirm;
use crate::duration;
use crate::jetstream::{Answer, JetStream, Refused};
use crate::message;
use crate::show;

/// The server's number for "there is no such message".
const NO_MESSAGE: u16 = 10037;

#[derive(Args, Debug)]
pub(crate) struct ViewArgs {
    /// Name of the stream
    stream: String,

    /// How many messages
    #[arg(default_value_t = 10)]
    size: u64,

    /// From this sequence on
    #[arg(long, value_name = "SEQUENCE", conflicts_with = "since")]
    id: Option<u64>,

    /// From so long ago on
    #[arg(long, value_name = "DURATION", value_parser = duration::parse)]
    since: Option<Duration>,

    /// Only messages whose subject is in this pattern
    #[arg(long, value_name = "PATTERN", default_value = ">")]
    subject: String,

    /// Show bodies and nothing else
    #[arg(long)]
    raw: bool,

    /// Show each body as a program writes it that reads it
    #[arg(long, value_name = "COMMAND")]
    translate: Option<String>,

    /// Show each message as a line of JSON
    #[arg(short, long, conflicts_with_all = ["raw", "translate"])]
    json: bool,
}

#[derive(Args, Debug)]
pub(crate) struct GetArgs {
    /// Name of the stream
    stream: String,

    /// Sequence of the message
    #[arg(required_unless_present = "last_for")]
    id: Option<u64>,

    /// The last message of a subject instead
    #[arg(short = 'S', long, value_name = "SUBJECT", conflicts_with = "id")]
    last_for: Option<String>,

    /// Show the body as a program writes it that reads it
    #[arg(long, value_name = "COMMAND")]
    translate: Option<String>,

    /// Show the message as JSON, headers and body in base64 as the server has them
    #[arg(short, long, conflicts_with = "translate")]
    json: bool,
}

#[derive(Args, Debug)]
pub(crate) struct RemoveMessageArgs {
    /// Name of the stream
    stream: String,

    /// Sequence of the message
    id: u64,

    /// Do not ask
    #[arg(short, long)]
    force: bool,
}

/// # Errors
/// The server refuses, or does not answer.
pub(crate) async fn view(args: &ViewArgs, jetstream: &JetStream) -> Result<()> {
    ensure!(args.size > 0, "a page of 0 messages shows nothing");
    let last_seq = jetstream.stream(&args.stream).await?.body.state.last_seq;
    let mut request = MessageGetRequest { next_by_subj: args.subject.clone(), ..MessageGetRequest::default() };
    match args.since {
        Some(since) => request.start_time = Some(Time::from(show::before(show::now(), since))),
        None => request.seq = args.id.unwrap_or(1).max(1),
    }
    let mut seen = 0;
    for _ in 0..args.size {
        let message = match find(&args.stream, &request, jetstream).await {
            Ok(answer) => answer.body,
            Err(error) if is_missing(&error) => {
                seen = last_seq;
                break;
            }
            Err(error) => return Err(error),
        };
        show_stored(args, &message).await?;
        seen = message.seq;
        request.start_time = None;
        request.seq = message.seq.saturating_add(1);
    }
    if seen < last_seq && !args.raw && !args.json {
        show::note(format_args!("The stream goes on: --id {}", seen + 1));
    }
    Ok(())
}

/// # Errors
/// There is no such message, or the server does not answer.
pub(crate) async fn get(args: &GetArgs, jetstream: &JetStream) -> Result<()> {
    let request = MessageGetRequest {
        seq: args.id.unwrap_or(0),
        last_by_subj: args.last_for.clone().unwrap_or_default(),
        ..MessageGetRequest::default()
    };
    let Answer { body: message, raw } = find(&args.stream, &request, jetstream).await?;
    if args.json {
        return show::json(&raw);
    }
    let (time, ago) = (show::moment(&message.time), show::ago(&Time::from(show::now()), &message.time));
    show::line(format_args!("{}#{} on {} @ {time} ({ago})\n", args.stream, message.seq, message.subject))?;
    let headers = headers(&message.hdrs.0);
    if !headers.is_empty() {
        show::line(format_args!("{}\n", headers.join("\n")))?;
    }
    message::show_body(&message.data.0, args.translate.as_deref()).await
}

/// # Errors
/// There is no such message, or the server refuses.
pub(crate) async fn remove(args: &RemoveMessageArgs, jetstream: &JetStream) -> Result<()> {
    let RemoveMessageArgs { stream, id, force } = args;
    confirm(*force, &format!("Remove message {id} from stream {stream}"))?;
    let request = json::write(&MessageDeleteRequest { seq: *id, no_erase: false });
    jetstream.ask::<MessageDeleted>(Operation::MessageDelete { stream }, request).await?;
    show::note(format_args!("Removed message {id} from stream {stream}"));
    Ok(())
}

async fn find(stream: &str, request: &MessageGetRequest, jetstream: &JetStream) -> Result<Answer<StoredMessage>> {
    let answer = jetstream.ask::<MessageFound>(Operation::MessageGet { stream }, json::write(request)).await?;
    let Some((body, Value::Object(raw))) = answer.body.message.zip(answer.raw.get("message").cloned()) else {
        bail!("the answer holds no message");
    };
    Ok(Answer { body, raw })
}

fn is_missing(error: &anyhow::Error) -> bool {
    error.downcast_ref::<Refused>().is_some_and(|Refused(failure)| failure.err_code == NO_MESSAGE)
}

async fn show_stored(args: &ViewArgs, message: &StoredMessage) -> Result<()> {
    if args.json {
        return Ok(show::line(json_of(message))?);
    }
    if args.raw {
        return message::show_body(&message.data.0, args.translate.as_deref()).await;
    }
    show::line(format_args!("[{}] {} @ {}", message.seq, message.subject, show::moment(&message.time)))?;
    let headers = headers(&message.hdrs.0);
    if !headers.is_empty() {
        show::line(format_args!("{}\n", headers.join("\n")))?;
    }
    message::show_body(&message.data.0, args.translate.as_deref()).await?;
    Ok(show::line("")?)
}

/// As `firn sub --json` shows a message, with its sequence.
fn json_of(message: &StoredMessage) -> Value {
    let mut shown = Map::from_iter([
        ("seq".to_owned(), Value::from(message.seq)),
        ("subject".to_owned(), Value::from(message.subject.as_str())),
        ("time".to_owned(), Value::from(message.time.to_string())),
    ]);
    let mut headers: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, value) in message::stored_headers(&message.hdrs.0) {
        headers.entry(name).or_default().push(value);
    }
    if !headers.is_empty() {
        shown.insert("headers".to_owned(), json!(headers));
    }
    let (name, data) = match std::str::from_utf8(&message.data.0) {
        Ok(text) => ("data", Value::from(text)),
        Err(_) => ("data_base64", Value::from(BASE64.encode(&message.data.0))),
    };
    shown.insert(name.to_owned(), data);
    Value::Object(shown)
}

/// `name: value` of every header, in the order in which they are stored.
fn headers(stored: &[u8]) -> Vec<String> {
    message::stored_headers(stored).into_iter().map(|(name, value)| format!("{name}: {value}")).collect()
}

#[cfg(test)]
mod tests {
    //! Messages as a server has them.

    use firn_api::json::Bytes;

    use super::*;

    #[test]
    fn stored_headers_have_a_version_first() {
        let stored = b"NATS/1.0\r\nA: 1\r\nB:x: y\r\nA: 2\r\n\r\n";
        assert_eq!(headers(stored), ["A: 1", "B: x: y", "A: 2"]);
        assert!(headers(b"").is_empty());
    }

    #[test]
    fn a_stored_message_is_a_line_of_json() {
        let message = StoredMessage {
            subject: "a.b".to_owned(),
            seq: 7,
            hdrs: Bytes(b"NATS/1.0\r\nA: 1\r\nA: 2\r\n\r\n".to_vec()),
            data: Bytes(b"hello".to_vec()),
            time: Time::parse("2026-11-21T10:20:30.5Z").unwrap(),
        };
        let expected = json!({
            "seq": 7, "subject": "a.b", "time": "2026-11-21T10:20:30.5Z", "headers": { "A": ["1", "2"] }, "data": "hello",
        });
        assert_eq!(json_of(&message), expected);
        let bytes = StoredMessage { data: Bytes(vec![0xFF]), hdrs: Bytes::default(), ..message };
        assert_eq!(json_of(&bytes)["data_base64"], "/w==");
        assert_eq!(json_of(&bytes).get("headers"), None);
    }
}
