//! `firn sub`: show the messages on subjects until enough came, nothing comes any more, or somebody presses Ctrl-C.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use async_nats::{Message, Subscriber};
use clap::Args;
use futures_util::stream::{SelectAll, StreamExt as _};
use tokio::{signal, time};

use crate::connection::{Connection, ConnectionArgs};
use crate::duration;
use crate::message::{self, Json};
use crate::show;

#[derive(Args, Debug)]
pub(crate) struct SubscribeArgs {
    /// Subjects to subscribe to, with `*` for a token and `>` for the rest
    #[arg(required_unless_present = "inbox")]
    subjects: Vec<String>,

    /// Take part in a queue group: each message goes to one of its members
    #[arg(long, value_name = "NAME")]
    queue: Option<String>,

    /// Subscribe to an inbox made for this command
    #[arg(short, long)]
    inbox: bool,

    /// End after this many messages
    #[arg(long)]
    count: Option<u64>,

    /// End when nothing came for this long
    #[arg(long, value_name = "DURATION", value_parser = duration::parse)]
    wait: Option<Duration>,

    /// Leave out messages on these subjects; may be repeated
    #[arg(short = 'I', long = "ignore-subject", value_name = "SUBJECT")]
    ignored: Vec<String>,

    /// Show bodies and nothing else
    #[arg(short, long)]
    raw: bool,

    /// Show headers but no bodies
    #[arg(long)]
    headers_only: bool,

    /// Show subjects and nothing else
    #[arg(long)]
    subjects_only: bool,

    /// Show each body as a program writes it that reads it
    #[arg(long, value_name = "COMMAND")]
    translate: Option<String>,

    /// Write each message as JSON into a file of this folder; `-`: to standard output, each ended by a zero byte
    #[arg(long, value_name = "FOLDER")]
    dump: Option<PathBuf>,

    /// Show each message as a line of JSON
    #[arg(short, long, conflicts_with_all = ["raw", "dump", "translate"])]
    json: bool,

    /// Show when each message came, UTC
    #[arg(short, long)]
    timestamp: bool,

    /// Show how long after the start each message came
    #[arg(short, long, conflicts_with = "timestamp")]
    delta_time: bool,
}

/// # Errors
/// A subject cannot be subscribed to, or the output cannot be written.
pub(crate) async fn run(args: &SubscribeArgs, connection: &ConnectionArgs) -> Result<()> {
    ensure!(args.count != Some(0), "--count 0 would show nothing");
    if let Some(folder) = args.dump.as_ref().filter(|folder| folder.as_os_str() != "-") {
        fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    }
    let mut connection = connection.connect().await?;
    let mut messages = subscribe(args, &mut connection).await?;
    receive(args, &mut connection, &mut messages).await?;
    connection.close().await
}

async fn subscribe(args: &SubscribeArgs, connection: &mut Connection) -> Result<SelectAll<Subscriber>> {
    let mut subjects = args.subjects.clone();
    if args.inbox {
        subjects.push(connection.client.new_inbox());
    }
    let mut subscribers = SelectAll::new();
    for subject in &subjects {
        subscribers.push(match &args.queue {
            Some(queue) => connection.client.queue_subscribe(subject.clone(), queue.clone()).await?,
            None => connection.client.subscribe(subject.clone()).await?,
        });
    }
    // Said when messages sent from now on are received, and not before.
    connection.sync().await?;
    show::note(format_args!("Subscribing on {}", subjects.join(", ")));
    Ok(subscribers)
}

async fn receive(
    args: &SubscribeArgs,
    connection: &mut Connection,
    messages: &mut SelectAll<Subscriber>,
) -> Result<()> {
    let begin = Instant::now();
    let mut count = 0;
    while args.count.is_none_or(|most| count < most) {
        // Cancel-safe: what is not taken stays in its stream; the wait begins anew with every message.
        let message = tokio::select! {
            biased;
            message = messages.next() => message,
            reproach = connection.reproach() => return Err(reproach),
            () = time::sleep(args.wait.unwrap_or(Duration::MAX)) => None,
            interrupted = signal::ctrl_c() => {
                interrupted?;
                None
            }
        };
        let Some(message) = message else { return Ok(()) };
        if args.ignored.iter().any(|ignored| matches(ignored, &message.subject)) {
            continue;
        }
        count += 1;
        show_message(args, &message, count, begin).await?;
    }
    Ok(())
}

async fn show_message(args: &SubscribeArgs, message: &Message, count: u64, begin: Instant) -> Result<()> {
    if let Some(folder) = &args.dump {
        return dump(folder, message, count);
    }
    if args.json {
        return Ok(show::line(serde_json::to_string(&Json::from(message))?)?);
    }
    let translate = args.translate.as_deref();
    if args.raw {
        return message::show_body(&message.payload, translate).await;
    }
    let when = match (args.timestamp, args.delta_time) {
        (true, _) => format!(" @ {}", show::rfc3339(show::now())),
        (false, true) => format!(" @ {}", duration::show(begin.elapsed())),
        (false, false) => String::new(),
    };
    let reply = message.reply.as_ref().map(|reply| format!(" with reply \"{reply}\"")).unwrap_or_default();
    show::line(format_args!("[#{count}]{when} Received on \"{}\"{reply}", message.subject))?;
    if args.subjects_only {
        return Ok(());
    }
    let headers = message::header_lines(message.headers.as_ref());
    if !headers.is_empty() {
        show::line(format_args!("{}\n", headers.join("\n")))?;
    }
    if !args.headers_only {
        message::show_body(&message.payload, translate).await?;
        show::line("")?;
    }
    Ok(())
}

fn dump(folder: &std::path::Path, message: &Message, count: u64) -> Result<()> {
    let text = serde_json::to_string(&Json::from(message))?;
    if folder.as_os_str() == "-" {
        return Ok(show::bytes(format!("{text}\0").as_bytes())?);
    }
    let path = folder.join(format!("{count}.json"));
    fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))
}

/// Whether a subject falls under a pattern: `*` is any token, `>` one or more at the end.
pub(crate) fn matches(pattern: &str, subject: &str) -> bool {
    let mut tokens = subject.split('.');
    for wanted in pattern.split('.') {
        match (wanted, tokens.next()) {
            (">", Some(_)) => return true,
            ("*", Some(_)) => {}
            (wanted, Some(token)) if wanted == token => {}
            _ => return false,
        }
    }
    tokens.next().is_none()
}

#[cfg(test)]
mod tests {
    //! What is left out.

    use super::*;

    #[test]
    fn a_pattern_covers_subjects() {
        for (pattern, subject, expected) in [
            ("a.b", "a.b", true),
            ("a.*", "a.b", true),
            ("a.>", "a.b.c", true),
            (">", "a", true),
            ("a.>", "a", false),
            ("a.*", "a.b.c", false),
            ("a", "b", false),
            ("a.b", "a", false),
        ] {
            assert_eq!(matches(pattern, subject), expected, "{pattern} {subject}");
        }
    }
}
