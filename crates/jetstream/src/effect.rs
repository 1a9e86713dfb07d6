//! What a turn does to the world, and what each of it waits for.

use std::ops::Range;

use firn_api::advisory::{Advisory, ApiAudit, ConsumerAction, Event, StreamAction};
use firn_api::json;
use firn_auth::account::AccountId;
use firn_store::wal::{GroupId, Submission};

use crate::{
    command::Command,
    consumer::ConsumerEvent,
    messages::{self, Fetch},
};

/// Number of a submission of one shard, from 1. Whoever drives the shard knows at which position of the log it ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(u64);

impl Ticket {
    /// Before the first submission: durable from the beginning.
    pub const NONE: Ticket = Ticket(0);

    /// The number.
    pub const fn value(self) -> u64 {
        self.0
    }

    pub(crate) const fn next(self) -> Ticket {
        Ticket(self.0 + 1)
    }
}

/// What must be durable before an effect may leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum After {
    /// Nothing: it shows nothing that a power cut could take back.
    Nothing,
    /// The whole submission of this number, and all before it.
    Log(Ticket),
}

impl From<Ticket> for After {
    fn from(ticket: Ticket) -> Self {
        if ticket == Ticket::NONE { After::Nothing } else { After::Log(ticket) }
    }
}

/// What to do.
#[derive(Debug)]
pub enum Effect {
    /// Publish in an account.
    Message {
        /// What it waits for.
        after: After,
        /// In which account.
        account: AccountId,
        /// Its bytes.
        message: MessageRange,
    },
    /// Send a stored message. What the receiver sees as its subject is the message's own.
    Deliver {
        /// What it waits for.
        after: After,
        /// In which account.
        account: AccountId,
        /// Where it goes, its reply, and its headers as its receiver gets them.
        parts: MessageRange,
        /// The message.
        message: messages::Message,
        /// With its body.
        has_body: bool,
    },
    /// Say by inputs, at once and from now on, whether somebody listens where a consumer pushes to.
    Watch {
        /// In which account.
        account: AccountId,
        /// The stream.
        group: GroupId,
        /// Name of the consumer.
        consumer: String,
        /// Where it pushes to; empty is nowhere any more.
        subject: String,
        /// The queue group that must listen; empty is anybody outside of one.
        queue: String,
    },
    /// Tell who listens.
    Advisory {
        /// What it waits for.
        after: After,
        /// In which account.
        account: AccountId,
        /// What happened.
        advisory: Box<Happened>,
    },
    /// What comes to these subjects is for this stream, from the moment that `after` is durable.
    Listen {
        /// What it waits for.
        after: After,
        /// In which account.
        account: AccountId,
        /// The stream.
        group: GroupId,
        /// Name of the stream.
        stream: String,
        /// All its subjects: those that were there before and are missing are given up. None: the stream is gone.
        subjects: Vec<String>,
        /// It answers direct gets.
        is_direct: bool,
    },
    /// Read this and say so by an input.
    Fetch {
        /// For this stream.
        group: GroupId,
        /// What.
        fetch: Fetch,
    },
    /// Hand this to another shard, behind this turn's submission.
    Command {
        /// What it waits for.
        after: After,
        /// Which shard.
        shard: usize,
        /// What.
        command: Box<Command>,
    },
    /// What is stored of this stream can be removed, once `after` is durable.
    Drop {
        /// What it waits for.
        after: After,
        /// The stream.
        group: GroupId,
    },
}

/// Where the parts of a message lie in an [`Effects`]: subject, reply, headers and body follow one another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MessageRange {
    start: usize,
    reply_at: usize,
    headers_at: usize,
    body_at: usize,
    end: usize,
}

/// A message that is to be published.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message<'a> {
    /// Where.
    pub subject: &'a [u8],
    /// Where its answer goes; empty is nowhere.
    pub reply: &'a [u8],
    /// The block of headers, or nothing.
    pub headers: &'a [u8],
    /// What follows.
    pub body: &'a [u8],
}

/// What happened, for those who watch.
#[derive(Clone, Debug, PartialEq)]
#[expect(clippy::large_enum_variant, reason = "it is always in a box")]
pub enum Happened {
    /// A stream was made, changed or deleted.
    Stream(Advisory<StreamAction>),
    /// A consumer was made or deleted.
    ConsumerMade(Advisory<ConsumerAction>),
    /// Something happened to a consumer, on a server of this domain.
    Consumer(Advisory<ConsumerEvent>, String),
    /// A request was answered.
    Audit(Advisory<ApiAudit>),
}

impl Happened {
    /// Where it is told. Ask before making the body: usually nobody listens.
    pub fn subject(&self) -> String {
        match self {
            Happened::Stream(advisory) => advisory.event.subject(),
            Happened::ConsumerMade(advisory) => advisory.event.subject(),
            Happened::Consumer(advisory, _) => match &advisory.event {
                ConsumerEvent::Acknowledged(event) => event.subject(),
                ConsumerEvent::Exhausted(event) => event.subject(),
                ConsumerEvent::Naked(event) => event.subject(),
                ConsumerEvent::Terminated(event) => event.subject(),
                ConsumerEvent::Paused(event) => event.subject(),
                ConsumerEvent::Pinned(event) => event.subject(),
                ConsumerEvent::Unpinned(event) => event.subject(),
            },
            Happened::Audit(advisory) => advisory.event.subject(),
        }
    }

    /// What is told.
    pub fn body(&self) -> Vec<u8> {
        match self {
            Happened::Stream(advisory) => json::write(advisory),
            Happened::ConsumerMade(advisory) => json::write(advisory),
            Happened::Consumer(advisory, domain) => consumer_body(advisory, domain),
            Happened::Audit(advisory) => json::write(advisory),
        }
    }
}

fn consumer_body(advisory: &Advisory<ConsumerEvent>, domain: &str) -> Vec<u8> {
    let Advisory { id, timestamp, event } = advisory;
    macro_rules! write {
        ($event:expr) => {{
            let mut event = $event.clone();
            domain.clone_into(&mut event.domain);
            json::write(&Advisory { id: id.clone(), timestamp: *timestamp, event })
        }};
    }
    match event {
        ConsumerEvent::Acknowledged(event) => write!(event),
        ConsumerEvent::Exhausted(event) => write!(event),
        ConsumerEvent::Naked(event) => write!(event),
        ConsumerEvent::Terminated(event) => write!(event),
        ConsumerEvent::Paused(event) => write!(event),
        ConsumerEvent::Pinned(event) => write!(event),
        ConsumerEvent::Unpinned(event) => write!(event),
    }
}

/// What one turn does. Use it again: it keeps its memory.
#[derive(Debug, Default)]
pub struct Effects {
    /// In their order.
    pub list: Vec<Effect>,
    /// What goes into the log, with its number; the number of the last one, where it is empty.
    pub submission: Submission,
    /// Number of the submission.
    pub ticket: Ticket,
    /// Bytes of all messages.
    bytes: Vec<u8>,
}

impl Effects {
    /// Nothing yet.
    pub fn new() -> Self {
        Effects::default()
    }

    /// Forgets the effects; the submission must have been taken.
    pub fn clear(&mut self) {
        self.list.clear();
        self.bytes.clear();
        self.submission = Submission::new();
    }

    /// The message at a range of these effects.
    pub fn message(&self, range: MessageRange) -> Message<'_> {
        let MessageRange { start, reply_at, headers_at, body_at, end } = range;
        Message {
            subject: self.part(start..reply_at),
            reply: self.part(reply_at..headers_at),
            headers: self.part(headers_at..body_at),
            body: self.part(body_at..end),
        }
    }

    fn part(&self, range: Range<usize>) -> &[u8] {
        self.bytes.get(range).expect("a range is of the effects it was made by")
    }

    /// Publishes a message.
    pub(crate) fn publish(&mut self, after: After, account: AccountId, message: Message<'_>) {
        let message = self.copy(message);
        self.list.push(Effect::Message { after, account, message });
    }

    /// Sends a stored message; `parts` have its headers and no body.
    pub(crate) fn deliver(
        &mut self,
        after: After,
        account: AccountId,
        parts: Message<'_>,
        message: messages::Message,
        has_body: bool,
    ) {
        let parts = self.copy(parts);
        self.list.push(Effect::Deliver { after, account, parts, message, has_body });
    }

    fn copy(&mut self, message: Message<'_>) -> MessageRange {
        let Message { subject, reply, headers, body } = message;
        let start = self.bytes.len();
        for part in [subject, reply, headers, body] {
            self.bytes.extend_from_slice(part);
        }
        let (reply_at, end) = (start + subject.len(), self.bytes.len());
        let (headers_at, body_at) = (reply_at + reply.len(), end - body.len());
        MessageRange { start, reply_at, headers_at, body_at, end }
    }

    /// Publishes a message without reply whose headers and body are written by these, which saves a copy of each.
    pub(crate) fn publish_with(
        &mut self,
        after: After,
        account: AccountId,
        subject: &[u8],
        headers: impl FnOnce(&mut Vec<u8>),
        body: impl FnOnce(&mut Vec<u8>),
    ) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(subject);
        let headers_at = self.bytes.len();
        headers(&mut self.bytes);
        let body_at = self.bytes.len();
        body(&mut self.bytes);
        let message = MessageRange { start, reply_at: headers_at, headers_at, body_at, end: self.bytes.len() };
        self.list.push(Effect::Message { after, account, message });
    }
}
