//! `firn consumer next`, `sub`: take messages, show them, and say what became of them.
//!
//! An acknowledgement is sent as a request: when it is said to be done, the server has it.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, bail, ensure};
use async_nats::{Message, Request, StatusCode, Subscriber};
use clap::Args;
use firn_api::consumer::{AckPolicy, ConsumerConfig, NextRequest};
use firn_api::json;
use firn_api::subject::{Ack, Operation};
use firn_api::time::{Nanos, Time};
use futures_util::StreamExt as _;
use serde::Serialize;
use tokio::{signal, time};

use crate::jetstream::JetStream;
use crate::message::{self, Json};
use crate::template;
use crate::{duration, show};

/// Messages in a pull of `sub`, and how long it waits.
const BATCH: isize = 100;
const EXPIRES: Duration = Duration::from_secs(30);

/// A pull that is not answered so long after it expired was lost.
const LATE: Duration = Duration::from_secs(5);

/// What a server says of a consumer whose receiver must answer before more is sent.
const STALLED: &str = "Nats-Consumer-Stalled";

#[derive(Args, Debug)]
pub(crate) struct NextArgs {
    /// Name of the stream
    stream: String,

    /// Name of the consumer
    consumer: String,

    /// How many messages
    #[arg(long, default_value_t = 1)]
    count: u64,

    #[command(flatten)]
    settle: SettleArgs,

    /// Wait a random time before each acknowledgement, this long at most
    #[arg(long, value_name = "MAX", value_parser = duration::parse)]
    wait: Option<Duration>,

    #[command(flatten)]
    form: FormArgs,
}

#[derive(Args, Debug)]
pub(crate) struct SubArgs {
    /// Name of the stream
    stream: String,

    /// Name of the consumer
    consumer: String,

    /// End after this many messages
    #[arg(long)]
    count: Option<u64>,

    #[command(flatten)]
    settle: SettleArgs,

    /// Queue group to take part in, in place of the consumer's
    #[arg(long, value_name = "NAME")]
    deliver_group: Option<String>,

    #[command(flatten)]
    form: FormArgs,
}

/// What to say of each message.
#[derive(Args, Clone, Copy, Debug)]
struct SettleArgs {
    /// Acknowledge messages; so it is without a word
    #[arg(long, overrides_with = "no_ack")]
    ack: bool,

    /// Say nothing
    #[arg(long)]
    no_ack: bool,

    /// Say that it could not be done and shall be sent again
    #[arg(long, conflicts_with_all = ["ack", "no_ack", "term"])]
    nak: bool,

    /// Say that it cannot be done and shall not be sent again
    #[arg(long, conflicts_with_all = ["ack", "no_ack"])]
    term: bool,
}

/// How messages are shown.
#[derive(Args, Clone, Copy, Debug)]
struct FormArgs {
    /// Show bodies and nothing else
    #[arg(short, long)]
    raw: bool,

    /// Show each message as a line of JSON
    #[arg(short, long, conflicts_with = "raw")]
    json: bool,
}

/// A message as JSON, with its places.
#[derive(Serialize)]
struct Delivered<'a> {
    #[serde(flatten)]
    message: Json<'a>,
    stream: &'a str,
    consumer: &'a str,
    stream_seq: u64,
    consumer_seq: u64,
    deliveries: u64,
    pending: u64,
    stored: Time,
}

/// # Errors
/// There is no message, or the server refuses.
pub(crate) async fn next(args: &NextArgs, jetstream: &JetStream) -> Result<()> {
    ensure!(args.count > 0, "--count 0 would take nothing");
    let config = config(&args.stream, &args.consumer, jetstream).await?;
    ensure!(
        !config.is_push(),
        "consumer {0} pushes its messages; `firn consumer sub {1} {0}`",
        args.consumer,
        args.stream
    );
    let mut pull = Pull::new(&args.stream, &args.consumer, &config, jetstream).await?;
    let word = args.settle.word(&config);
    for taken in 0..args.count {
        let wanted = isize::try_from(args.count - taken).unwrap_or(isize::MAX);
        let Some(message) = pull.next(wanted, jetstream.timeout).await? else {
            ensure!(taken > 0, "no message within {}", duration::show(jetstream.timeout));
            break;
        };
        show_message(args.form, &message).await?;
        if let Some(most) = args.wait {
            let nanos = usize::try_from(most.as_nanos()).unwrap_or(usize::MAX);
            time::sleep(Duration::from_nanos(template::dice(nanos.saturating_add(1)) as u64)).await;
        }
        settle(word, &message, jetstream).await?;
    }
    Ok(())
}

/// # Errors
/// The consumer is gone, or the server refuses.
pub(crate) async fn sub(args: &SubArgs, jetstream: &JetStream) -> Result<()> {
    ensure!(args.count != Some(0), "--count 0 would take nothing");
    let config = config(&args.stream, &args.consumer, jetstream).await?;
    let mut source = if config.is_push() {
        Source::Push(push(&config, args.deliver_group.as_deref(), jetstream).await?)
    } else {
        ensure!(
            args.deliver_group.is_none(),
            "consumer {} does not push; --deliver-group is for those that do",
            args.consumer
        );
        Source::Pull(Pull::new(&args.stream, &args.consumer, &config, jetstream).await?)
    };
    let word = args.settle.word(&config);
    show::note(format_args!("Taking messages of consumer {} of stream {}", args.consumer, args.stream));
    let mut taken = 0;
    while args.count.is_none_or(|most| taken < most) {
        let left = args.count.map_or(BATCH, |most| isize::try_from(most - taken).unwrap_or(isize::MAX).min(BATCH));
        // Cancel-safe: the loop ends with the interruption, and a message that is not acknowledged is sent again.
        let message = tokio::select! {
            biased;
            message = source.next(left, jetstream) => message?,
            interrupted = signal::ctrl_c() => {
                interrupted?;
                break;
            }
        };
        taken += 1;
        show_message(args.form, &message).await?;
        settle(word, &message, jetstream).await?;
    }
    Ok(())
}

async fn config(stream: &str, consumer: &str, jetstream: &JetStream) -> Result<ConsumerConfig> {
    super::describe(stream, consumer, jetstream).await?.body.config.context("the answer holds no configuration")
}

/// Where messages come from.
enum Source<'a> {
    Pull(Pull<'a>),
    Push(Subscriber),
}

impl Source<'_> {
    /// The next message, however long it takes.
    async fn next(&mut self, wanted: isize, jetstream: &JetStream) -> Result<Message> {
        match self {
            Self::Pull(pull) => loop {
                if let Some(message) = pull.next(wanted, EXPIRES).await? {
                    return Ok(message);
                }
            },
            Self::Push(messages) => loop {
                let message = messages.next().await.context("the connection is closed")?;
                if message.status.is_none() {
                    return Ok(message);
                }
                let stalled = message.headers.as_ref().and_then(|headers| headers.get(STALLED));
                let asked = message.reply.as_ref().map(ToString::to_string);
                if let Some(subject) = asked.or_else(|| stalled.map(ToString::to_string)) {
                    jetstream.client.publish(subject, Vec::new().into()).await?;
                }
            },
        }
    }
}

async fn push(config: &ConsumerConfig, group: Option<&str>, jetstream: &JetStream) -> Result<Subscriber> {
    let subject = config.deliver_subject.clone();
    let group = group.unwrap_or(&config.deliver_group);
    Ok(match group {
        "" => jetstream.client.subscribe(subject).await?,
        group => jetstream.client.queue_subscribe(subject, group.to_owned()).await?,
    })
}

/// Pulls, one after the other, on one inbox.
struct Pull<'a> {
    jetstream: &'a JetStream,
    subject: String,
    inbox: String,
    messages: Subscriber,
    batch_max: isize,
    expires_max: Duration,
    /// How many messages the last pull may still bring, and until when.
    left: isize,
    deadline: Instant,
}

impl<'a> Pull<'a> {
    async fn new(stream: &str, consumer: &str, config: &ConsumerConfig, jetstream: &'a JetStream) -> Result<Self> {
        let inbox = jetstream.client.new_inbox();
        Ok(Self {
            jetstream,
            subject: jetstream.subject(Operation::ConsumerNext { stream, consumer }),
            messages: jetstream.client.subscribe(inbox.clone()).await?,
            inbox,
            batch_max: if config.max_batch > 0 { config.max_batch } else { isize::MAX },
            expires_max: if config.max_expires.0 > 0 { config.max_expires.duration() } else { Duration::MAX },
            left: 0,
            deadline: Instant::now(),
        })
    }

    /// A message of this pull, or of a new one where this one is at its end; none if there is none in time.
    async fn next(&mut self, wanted: isize, expires: Duration) -> Result<Option<Message>> {
        if self.left == 0 {
            self.ask(wanted, expires.min(self.expires_max)).await?;
        }
        let wait = self.deadline.saturating_duration_since(Instant::now());
        let Ok(message) = time::timeout(wait, self.messages.next()).await else {
            self.left = 0;
            return Ok(None);
        };
        let message = message.context("the connection is closed")?;
        let Some(status) = message.status else {
            self.left -= 1;
            return Ok(Some(message));
        };
        let said = message.description.as_deref().unwrap_or_default();
        match (status.as_u16(), said) {
            (100, _) => {}
            (404 | 408, _) | (409, "Batch Completed" | "Leadership Change" | "Server Shutdown") => self.left = 0,
            _ if status == StatusCode::NO_RESPONDERS => bail!("no consumer answers on {}", self.subject),
            (code, said) => bail!("the server ended the pull: {said} (status {code})"),
        }
        Ok(None)
    }

    async fn ask(&mut self, wanted: isize, expires: Duration) -> Result<()> {
        self.left = wanted.min(self.batch_max);
        self.deadline = Instant::now() + expires + LATE;
        let expires = Nanos(i64::try_from(expires.as_nanos()).unwrap_or(i64::MAX));
        let request = json::write(&NextRequest { batch: self.left, expires, ..NextRequest::default() });
        let client = &self.jetstream.client;
        Ok(client.publish_with_reply(self.subject.clone(), self.inbox.clone(), request.into()).await?)
    }
}

impl SettleArgs {
    /// What is sent, if anything.
    fn word(self, config: &ConsumerConfig) -> Option<&'static str> {
        match (config.ack_policy, self) {
            (AckPolicy::None, _) | (_, Self { no_ack: true, .. }) => None,
            (_, Self { nak: true, .. }) => Some("-NAK"),
            (_, Self { term: true, .. }) => Some("+TERM"),
            _ => Some("+ACK"),
        }
    }
}

async fn settle(word: Option<&'static str>, message: &Message, jetstream: &JetStream) -> Result<()> {
    let Some((word, reply)) = word.zip(message.reply.clone()) else { return Ok(()) };
    let request = Request::new().payload(word.into()).timeout(Some(jetstream.timeout));
    jetstream.client.send_request(reply, request).await.map_err(|error| anyhow!(error)).context("not acknowledged")?;
    Ok(())
}

async fn show_message(form: FormArgs, message: &Message) -> Result<()> {
    let ack = message.reply.as_ref().and_then(|reply| Ack::parse(reply.as_bytes()));
    let ack = ack.context("a message without its place in the stream")?;
    if form.json {
        let Ack { stream, consumer, deliveries, stream_seq, consumer_seq, timestamp, pending, .. } = ack;
        let (message, stored) = (Json::from(message), Time::from(timestamp));
        let shown = Delivered { message, stream, consumer, stream_seq, consumer_seq, deliveries, pending, stored };
        return Ok(show::line(serde_json::to_string(&shown)?)?);
    }
    if form.raw {
        return message::show_body(&message.payload, None).await;
    }
    let Ack { deliveries, stream_seq, consumer_seq, pending, .. } = ack;
    show::line(format_args!(
        "subj: {} / tries: {deliveries} / cons seq: {consumer_seq} / str seq: {stream_seq} / pending: {}",
        message.subject,
        show::count(pending)
    ))?;
    let headers = message::header_lines(message.headers.as_ref());
    if !headers.is_empty() {
        show::line(format_args!("{}\n", headers.join("\n")))?;
    }
    message::show_body(&message.payload, None).await?;
    Ok(show::line("")?)
}
