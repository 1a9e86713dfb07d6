//! What a consumer does to the world.

use firn_api::advisory::{ConsumerAck, ConsumerPause, GroupPinned, GroupUnpinned, MaxDeliver, Naked, Terminated};

use crate::messages::{Fetch, Message};

/// Effects of one turn or several, and the bytes they point to. Use it again: it keeps its memory.
#[derive(Debug, Default)]
pub struct ConsumerEffects {
    /// In their order.
    pub list: Vec<ConsumerEffect>,
    text: Vec<u8>,
}

/// Bytes of [`ConsumerEffects`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    start: u32,
    end: u32,
}

/// What to do.
#[derive(Debug)]
pub enum ConsumerEffect {
    /// Send a message. It may leave when the message itself is durable.
    Deliver(Delivery),
    /// Send a block of headers without a body.
    Status {
        /// Where.
        target: Span,
        /// Where to answer; empty is nowhere.
        reply: Span,
        /// The whole block.
        headers: Span,
    },
    /// Answer an acknowledgement with an empty message, when the entries up to here are durable.
    Confirm {
        /// Where.
        target: Span,
    },
    /// Tell who listens. The consumer leaves out what it does not know: the domain, and the account's name.
    Advisory(Box<ConsumerEvent>),
    /// The consumer needs these messages no more: a stream that keeps what is needed asks the others.
    Acknowledged {
        /// Sequence of the first.
        first: u64,
        /// Sequence of the last; of those between, some may never have been this consumer's.
        last: u64,
    },
    /// A message cannot be read: the consumer passed it over.
    Damaged {
        /// Its sequence.
        sequence: u64,
    },
    /// Delete this consumer: it had no client for too long.
    Delete,
    /// Read this and call [`super::Consumer::deliver`].
    Fetch(Fetch),
}

/// A message on its way to a client.
#[derive(Debug)]
pub struct Delivery {
    /// Where it goes. What the client sees as its subject is that of the message.
    pub target: Span,
    /// Where it is acknowledged.
    pub reply: Span,
    /// Lines to add to its headers, each with its end; often nothing. [`Delivery::write_headers`] does so.
    pub lines: Span,
    /// The message.
    pub message: Message,
    /// With its body.
    pub has_body: bool,
}

/// What happened to a consumer.
#[derive(Clone, Debug, PartialEq)]
#[expect(missing_docs, reason = "each holds what it is called")]
pub enum ConsumerEvent {
    Acknowledged(ConsumerAck),
    Exhausted(MaxDeliver),
    Naked(Naked),
    Terminated(Terminated),
    Paused(ConsumerPause),
    Pinned(GroupPinned),
    Unpinned(GroupUnpinned),
}

impl Delivery {
    /// Appends the headers that its receiver gets, as a whole block, or nothing where there are none.
    pub fn write_headers(&self, effects: &ConsumerEffects, out: &mut Vec<u8>) {
        let (headers, lines) = (self.message.headers(), effects.bytes(self.lines));
        if lines.is_empty() {
            return out.extend_from_slice(headers);
        }
        let kept = headers.strip_suffix(b"\r\n").filter(|kept| kept.ends_with(b"\r\n"));
        for part in [kept.unwrap_or(b"NATS/1.0\r\n"), lines, b"\r\n"] {
            out.extend_from_slice(part);
        }
    }
}

impl ConsumerEffects {
    /// Nothing yet.
    pub fn new() -> Self {
        ConsumerEffects::default()
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.list.clear();
        self.text.clear();
    }

    /// The bytes of a span of these effects.
    pub fn bytes(&self, span: Span) -> &[u8] {
        self.text.get(span.start as usize..span.end as usize).expect("a span is of the effects it was made by")
    }

    pub(super) fn span(&mut self, write: impl FnOnce(&mut Vec<u8>)) -> Span {
        let start = position(&self.text);
        write(&mut self.text);
        Span { start, end: position(&self.text) }
    }

    pub(super) fn copy(&mut self, bytes: &[u8]) -> Span {
        self.span(|text| text.extend_from_slice(bytes))
    }

    pub(super) fn status(&mut self, target: &[u8], headers: impl FnOnce(&mut Vec<u8>)) {
        let target = self.copy(target);
        let headers = self.span(headers);
        self.list.push(ConsumerEffect::Status { target, reply: Span::default(), headers });
    }

    pub(super) fn acknowledged(&mut self, first: u64, last: u64) {
        match self.list.last_mut() {
            Some(ConsumerEffect::Acknowledged { last: end, .. }) if *end + 1 == first => *end = last,
            _ => self.list.push(ConsumerEffect::Acknowledged { first, last }),
        }
    }
}

impl Span {
    /// How many bytes.
    pub fn len(&self) -> usize {
        (self.end - self.start) as usize
    }

    /// None.
    pub fn is_empty(&self) -> bool {
        self.start == self.end
    }
}

fn position(text: &[u8]) -> u32 {
    u32::try_from(text.len()).expect("effects are taken long before 4 GiB")
}
