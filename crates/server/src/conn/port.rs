//! The server's ports: where a routed message goes. Today a client or one of the server's own services; streams, APIs,
//! routes, gateways and leaf nodes get their variants here.

use std::{mem, slice, sync::Arc};

use bytes::Bytes;
use firn_id::Monotonic;
use firn_router::{Body, Delivered, Message, Subscription, deliver_each};
use firn_session::Link;
use firn_subject::interest::Identity;
use firn_wire::client::encode;

use super::{
    client::Client,
    outbox::{Pushed, Queue},
    trace::Trace,
};
use crate::service::Service;

/// A target of messages.
#[derive(Clone, Debug)]
pub(crate) enum Port {
    /// A client connection.
    Client(Arc<Client>),
    /// The server itself, listening under `$SYS`.
    Service(Arc<Service>),
}

impl PartialEq for Port {
    fn eq(&self, other: &Port) -> bool {
        match (self, other) {
            (Port::Client(a), Port::Client(b)) => Arc::ptr_eq(a, b),
            (Port::Service(a), Port::Service(b)) => Arc::ptr_eq(a, b),
            (Port::Client(_), Port::Service(_)) | (Port::Service(_), Port::Client(_)) => false,
        }
    }
}

impl Eq for Port {}

/// Targets written by the publisher itself after its batch; the others are woken.
const INLINE_FLUSHES_MAX: usize = 64;
/// What was appended is written out at the latest after so many bytes, while the processor's caches still hold it.
const UNWRITTEN_BYTES_MAX: usize = 512 * 1024;
/// A publisher lets others run after it put so many bytes into outboxes.
const BATCH_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Either waits until each target has so much on average: among a thousand of them a write for every few messages would
/// cost many times what the messages do.
const BYTES_PER_TARGET_MIN: usize = 8 * 1024;
/// A target with so much waiting slows its publishers down, as long as it reads at all.
const PACED_BYTES: usize = 2 * 1024 * 1024;
/// Above these quarters of `max_pending` a target slows its publishers down even if it does not read.
const STALLED_QUARTERS: usize = 3;
/// A full socket that took nothing for so long counts as not reading.
const STUCK: std::time::Duration = std::time::Duration::from_millis(20);

/// What a publisher gathers over one read batch.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    /// When the turn began.
    pub(crate) now: Monotonic,
    touched: Vec<Arc<Client>>,
    bytes: usize,
    unwritten: usize,
    /// The target that the publisher should wait for.
    pub(crate) behind: Option<Arc<Client>>,
    /// The memory for all outboxes is used up.
    is_scarce: bool,
    /// Deliveries to clients, and their bytes.
    pub(crate) messages: u64,
    pub(crate) message_bytes: u64,
    /// Protocol lines are shown.
    pub(crate) trace: Option<Trace>,
}

impl Batch {
    /// Writes every touched outbox and begins anew.
    pub(crate) fn flush(&mut self) {
        self.bytes = 0;
        self.is_scarce = false;
        self.write();
    }

    /// Who is written to by the next flush.
    pub(crate) fn touched(&self) -> &[Arc<Client>] {
        &self.touched
    }

    fn write(&mut self) {
        let now = self.now;
        self.unwritten = 0;
        let mut touched = mem::take(&mut self.touched);
        for (index, client) in touched.drain(..).enumerate() {
            if index < INLINE_FLUSHES_MAX { client.outbox.flush(now) } else { client.outbox.hand_over() }
        }
        self.touched = touched;
    }

    fn add(&mut self, client: &Arc<Client>, pushed: Pushed, bytes: usize, now: Monotonic) {
        self.bytes += bytes;
        self.is_scarce |= pushed.is_scarce;
        if pushed.must_flush {
            self.touched.push(Arc::clone(client));
        }
        self.unwritten += bytes;
        if self.unwritten > self.bytes_max(UNWRITTEN_BYTES_MAX) {
            self.write();
        }
        if pushed.pending > PACED_BYTES && self.behind.is_none() {
            self.pace(client, pushed, now);
        }
    }

    /// A bound, or more where there are so many targets that each would have little: see [`BYTES_PER_TARGET_MIN`].
    #[inline]
    fn bytes_max(&self, bytes_max: usize) -> usize {
        bytes_max.max(self.touched.len() * BYTES_PER_TARGET_MIN)
    }

    #[cold]
    fn pace(&mut self, client: &Arc<Client>, pushed: Pushed, now: Monotonic) {
        let is_stuck = pushed.stuck_since.is_some_and(|since| now.since(since) > STUCK);
        if !is_stuck || pushed.pending > client.limits.pending_bytes_max / 4 * STALLED_QUARTERS {
            self.behind = Some(Arc::clone(client));
        }
    }
}

impl firn_router::Port for Port {
    type Batch = Batch;

    #[inline]
    fn deliver(&self, subscription: &Arc<Subscription<Port>>, message: &Message<'_>, batch: &mut Batch) -> Delivered {
        match self {
            Port::Client(client) => deliver_to_client(client, subscription, slice::from_ref(message), batch),
            Port::Service(service) => service.deliver(subscription, message),
        }
    }

    fn deliver_run(
        &self,
        subscription: &Arc<Subscription<Port>>,
        messages: &[Message<'_>],
        batch: &mut Batch,
    ) -> Delivered {
        match self {
            Port::Client(client) if batch.trace.is_none() => deliver_to_client(client, subscription, messages, batch),
            Port::Client(_) | Port::Service(_) => deliver_each(self, subscription, messages, batch),
        }
    }
}

impl Identity for Port {
    fn identity(&self) -> usize {
        match self {
            Port::Client(client) => client.identity(),
            Port::Service(service) => service.identity(),
        }
    }
}

/// Bodies above this are put into the queue as they are when they are shared; below, copying is cheaper than a chunk.
const SHARED_BYTES_MIN: usize = 4 * 1024;
/// Most that a message line takes besides its subject, sid, reply and sizes.
const LINE_BYTES: usize = 16;
/// What ends a body.
const CRLF_BYTES: usize = 2;

/// Appends messages under one lock until one is refused; gives back what became of the last one that was tried.
#[inline]
fn deliver_to_client(
    client: &Arc<Client>,
    subscription: &Arc<Subscription<Port>>,
    messages: &[Message<'_>],
    batch: &mut Batch,
) -> Delivered {
    let Some(&Message { now, .. }) = messages.first() else { return Delivered::Refused };
    let outcome = client.outbox.push(now, |queue| {
        let (mut last, mut taken, mut bytes) = (Delivered::Refused, 0, 0);
        for message in messages {
            last = append(queue, client, subscription, message, &mut bytes);
            taken += usize::from(last != Delivered::Refused);
            if last != Delivered::Taken {
                break;
            }
        }
        (last, taken, bytes)
    });
    let Ok(((last, taken, bytes), pushed)) = outcome else { return Delivered::Refused };
    batch.messages += taken as u64;
    batch.message_bytes += bytes as u64;
    // Where lines are shown, messages come one by one.
    if let (Some(trace), [message]) = (batch.trace, messages)
        && taken > 0
    {
        trace.delivered(client, message, subscription.sid(), bytes);
    }
    if last != Delivered::Refused || pushed.must_flush {
        batch.add(client, pushed, bytes, now);
    }
    if last == Delivered::Refused {
        client.outbox.hand_over();
    }
    last
}

/// One message; adds its header and payload bytes as the client receives them to `bytes`.
#[inline]
fn append(
    queue: &mut Queue,
    client: &Client,
    subscription: &Arc<Subscription<Port>>,
    message: &Message<'_>,
    bytes: &mut usize,
) -> Delivered {
    let body = message.body.as_slice();
    let sid = subscription.sid();
    if subscription.is_closed() {
        return Delivered::Refused;
    }
    let pending_max = client.limits.pending_bytes_max;
    if client.limits.drops_when_stalled() && queue.pending() > pending_max / 4 * STALLED_QUARTERS {
        return Delivered::Refused;
    }
    if queue.pending() + body.len() > pending_max {
        queue.overflow();
        return Delivered::Refused;
    }
    let has_header = message.header_bytes > 0;
    let cut = if has_header && !queue.keeps_headers() { message.header_bytes } else { 0 };
    if cut == 0 && !message.tail.is_empty() && body.len() <= SHARED_BYTES_MIN {
        let room = LINE_BYTES + message.subject.len() + sid.len() + message.tail.len();
        let buffer = queue.buffer(room);
        let before = buffer.len();
        encode::message_in_one_piece(buffer, has_header, message.subject, sid, message.tail);
        let appended = buffer.len() - before;
        queue.appended(appended);
    } else {
        append_in_pieces(queue, message, sid, cut);
    }
    let message_bytes = body.len() - CRLF_BYTES - cut;
    queue.messages += 1;
    queue.message_bytes += message_bytes as u64;
    *bytes += message_bytes;
    if subscription.count_delivery() {
        queue.finish(subscription);
        return Delivered::TakenLast;
    }
    Delivered::Taken
}

/// The general case: large bodies, headers to cut off, bodies that were gathered.
fn append_in_pieces(queue: &mut Queue, message: &Message<'_>, sid: &[u8], cut: usize) {
    let body = message.body.as_slice();
    let shared = match message.body {
        Body::Shared(body) if body.len() > SHARED_BYTES_MIN => Some(body),
        Body::Shared(_) | Body::Borrowed(_) => None,
    };
    let line_bytes = LINE_BYTES
        + message.subject.len()
        + sid.len()
        + message.reply.map_or(0, <[u8]>::len)
        + message.header_token.len()
        + message.total_token.len();
    let buffer = queue.buffer(if shared.is_some() { line_bytes } else { line_bytes + body.len() });
    let before = buffer.len();
    let Message { subject, reply, header_token, total_token, .. } = *message;
    if cut > 0 {
        let size = encode::SizeToken::new(body.len() - 2 - cut);
        encode::message_line(buffer, subject, sid, reply, size.as_bytes());
    } else if message.header_bytes > 0 {
        encode::header_message_line(buffer, subject, sid, reply, header_token, total_token);
    } else {
        encode::message_line(buffer, subject, sid, reply, total_token);
    }
    if shared.is_none() {
        buffer.extend_from_slice(body.get(cut..).unwrap_or_default());
    }
    let appended = buffer.len() - before;
    queue.appended(appended);
    if let Some(body) = shared {
        queue.share(body.slice(cut..));
    }
}

impl Link for Port {
    fn write(&self, bytes: &[u8], batch: &mut Batch) {
        let Port::Client(client) = self else { return };
        if let Some(trace) = batch.trace {
            trace.said(client, bytes);
        }
        let now = batch.now;
        let pushed = client.outbox.push(now, |queue| {
            // Who asks and does not read the answers is as slow a consumer as any.
            if queue.pending() + bytes.len() > client.limits.pending_bytes_max {
                return queue.overflow();
            }
            queue.buffer(bytes.len()).extend_from_slice(bytes);
            queue.appended(bytes.len());
        });
        if let Ok(((), pushed)) = pushed {
            batch.add(client, pushed, bytes.len(), now);
        }
    }

    fn share(&self, body: Bytes) -> Bytes {
        let Port::Client(client) = self else { return body };
        client.outbox.budget().track(body)
    }

    fn set_headers(&self, headers: bool) {
        if let Port::Client(client) = self {
            client.outbox.set_headers(headers);
        }
    }

    fn is_full(batch: &Batch) -> bool {
        batch.behind.is_some() || batch.is_scarce || batch.bytes > batch.bytes_max(BATCH_BYTES_MAX)
    }

    fn without_deliveries(&self, change: impl FnOnce()) {
        match self {
            Port::Client(client) => client.outbox.exclusively(change),
            Port::Service(_) => change(),
        }
    }

    fn take_finished(&self) -> Vec<Arc<Subscription<Port>>> {
        match self {
            Port::Client(client) => client.outbox.take_finished(),
            Port::Service(_) => Vec::new(),
        }
    }
}
