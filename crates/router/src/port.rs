//! Where messages go: the seam between routing and whatever takes a message (a client, and later a stream, an API, a
//! route, a gateway or a leaf node).

use std::sync::Arc;

use firn_id::Monotonic;
use firn_subject::interest::Identity;

use crate::Subscription;

/// A target that takes messages. A clone is another handle to the same target; equality is [`Identity`].
pub trait Port: Identity + Clone + Eq + Send + Sync + 'static {
    /// What a publisher gathers over one read batch: the targets it touched and whether one of them is too far behind.
    type Batch;

    /// Takes one message for one of its subscriptions; called from the publisher's own turn, so it must not block.
    fn deliver(
        &self,
        subscription: &Arc<Subscription<Self>>,
        message: &Message<'_>,
        batch: &mut Self::Batch,
    ) -> Delivered;

    /// Takes messages that follow one another, all under one subject, until it refuses one. What became of the last one
    /// that was offered. Worth overriding where each delivery has a price of its own, a lock for instance.
    fn deliver_run(
        &self,
        subscription: &Arc<Subscription<Self>>,
        messages: &[Message<'_>],
        batch: &mut Self::Batch,
    ) -> Delivered {
        deliver_each(self, subscription, messages, batch)
    }
}

/// What [`Port::deliver_run`] does where it is not overridden: one delivery after the other.
pub fn deliver_each<P: Port>(
    port: &P,
    subscription: &Arc<Subscription<P>>,
    messages: &[Message<'_>],
    batch: &mut P::Batch,
) -> Delivered {
    let mut last = Delivered::Refused;
    for message in messages {
        last = port.deliver(subscription, message, batch);
        if last != Delivered::Taken {
            break;
        }
    }
    last
}

/// A message on its way, in the words of its publisher.
#[derive(Clone, Copy, Debug)]
pub struct Message<'a> {
    /// Subject under which subscribers see it.
    pub subject: &'a [u8],
    /// Where an answer is expected.
    pub reply: Option<&'a [u8]>,
    /// Bytes of header at the start of the body; 0 is a message without headers.
    pub header_bytes: usize,
    /// Header size as the publisher wrote it; empty without headers.
    pub header_token: &'a [u8],
    /// Size of header and payload as the publisher wrote it, echoed to subscribers as it is.
    pub total_token: &'a [u8],
    /// Everything that follows the sid on the wire, body included, in one piece; empty where it has to be put together.
    pub tail: &'a [u8],
    /// Header, payload and the closing CRLF.
    pub body: Body<'a>,
    /// Number of the client that published it; 0 is the server itself.
    pub sender: u64,
    /// When the publisher's turn began.
    pub now: Monotonic,
}

/// The bytes behind a message line. Large ones with several receivers are shared instead of copied.
#[derive(Clone, Copy, Debug)]
pub enum Body<'a> {
    /// In the publisher's read buffer: copy it.
    Borrowed(&'a [u8]),
    /// Owned by everybody who holds it: clone the handle.
    Shared(&'a bytes::Bytes),
}

impl Body<'_> {
    /// The bytes, whoever owns them.
    pub fn as_slice(&self) -> &[u8] {
        match self {
            Body::Borrowed(bytes) => bytes,
            Body::Shared(bytes) => bytes,
        }
    }
}

/// What became of a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivered {
    /// Taken.
    Taken,
    /// Taken, and it was the last that the subscription asked for: remove the subscription from its account.
    TakenLast,
    /// Not taken: the subscription or its target is closed, or its rules deny this subject.
    Refused,
}
