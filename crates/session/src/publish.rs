//! `PUB` and `HPUB`: the hot path, from a decoded operation to the ports of its receivers, synchronous and in one piece.
//!
//! 1 map the subject · 2 find its destination (cached with the verdict of the permissions) · 3 check the reply ·
//! 4 deliver to each subscription and to one member of each queue group · 5 tell a requester that nobody is there
//!
//! Messages that follow one another under one subject are delivered as a run where that makes no difference: every
//! receiver's lock is then taken once, and its memory touched once, for up to [`RUN_MESSAGES_MAX`] of them.

use std::{mem, sync::Arc};

use bytes::Bytes;
use firn_auth::account::AccountId;
use firn_id::Monotonic;
use firn_router::{Account, Body, Delivered, Found, Message, Picker, Route, Subscription};
use firn_subject::{interest::Matches, mapping::Mapped, subject};
use firn_wire::client::{
    connect::Connect,
    decode::{self, Limits, Publish, PublishLine},
    encode,
};
use smallvec::SmallVec;

use crate::{Close, CloseReason, Link, Session, Turn, gather::SHARED_BYTES_MIN, quote::Quoted};

/// Subjects that only servers may publish to: replies by way of gateways, in their newer and older form.
const RESERVED_SUBJECTS: [&[u8]; 2] = [b"_GR_.", b"$GR."];
/// Subjects that only servers and the system account may publish to.
const SYSTEM_SUBJECTS: &[u8] = b"$NRG.";
/// Reply subjects that only servers may ask for.
const RESERVED_REPLIES: [&[u8]; 4] = [b"_R_.", b"$JS.ACK.", b"_GR_.", b"$GR."];

/// Longest run of messages to one subject that is delivered in one go. So much is put into every outbox before any of
/// them is looked at again.
const RUN_MESSAGES_MAX: usize = 32;
const RUN_BYTES_MAX: usize = 4 * 1024;

/// What the cache keeps of a subject: the verdict of the permissions, and who receives it.
#[derive(Debug)]
pub(crate) enum Destination<P> {
    /// Deliver.
    Route(Route<P>),
    /// This client may not publish there.
    Denied,
}

impl<P: Link> Destination<P> {
    fn search(
        account: &Account<P>,
        subject: &[u8],
        may_publish: bool,
        scratch: &mut Matches<Arc<Subscription<P>>>,
    ) -> Self {
        if may_publish { Destination::Route(account.route(subject, scratch)) } else { Destination::Denied }
    }

    /// How many are kept alive by this destination.
    fn receivers(&self) -> usize {
        match self {
            Destination::Route(route) => route.receivers(),
            Destination::Denied => 0,
        }
    }
}

impl<P: Link> Session<P> {
    /// Publishes what stands in the read buffer.
    #[inline]
    pub(crate) fn publish(&mut self, publish: &Publish<'_>, turn: &mut Turn<'_, P>) -> Result<(), Close> {
        self.publish_body(publish, None, turn)
    }

    /// Publishes a body that was gathered into memory of its own.
    pub(crate) fn publish_shared(
        &mut self,
        publish: &Publish<'_>,
        body: &Bytes,
        turn: &mut Turn<'_, P>,
    ) -> Result<(), Close> {
        self.publish_body(publish, Some(body), turn)
    }

    #[inline]
    fn publish_body(
        &mut self,
        publish: &Publish<'_>,
        shared: Option<&Bytes>,
        turn: &mut Turn<'_, P>,
    ) -> Result<(), Close> {
        let line = &publish.line;
        self.received.messages += 1;
        self.received.bytes += line.total_bytes as u64;
        if line.header_bytes > 0 && !self.connect.headers {
            return Err(Close::silently(CloseReason::ProtocolViolation));
        }
        if self.connect.pedantic && !subject::is_valid_literal(line.subject) {
            self.complain("Invalid Publish Subject", turn);
        }
        self.show_interest();
        if self.has_mappings() {
            return match self.map(line.subject) {
                Mapped::Unchanged => self.route(line.subject, publish, shared, turn),
                Mapped::To(subject) => self.route(&subject, publish, shared, turn),
                Mapped::Dropped => Ok(()),
            };
        }
        self.route(line.subject, publish, shared, turn)
    }

    /// Publishes what follows under the same subject in one go: each receiver is asked once for a run of messages. Gives
    /// back the first message that was decoded and does not belong to the run.
    ///
    /// Only where nobody can tell the difference: the receivers are [apart](Route::is_apart), and this client expects
    /// nothing to happen between two messages.
    #[inline]
    pub(crate) fn publish_more<'a>(
        &mut self,
        subject: &[u8],
        input: &'a [u8],
        used: &mut usize,
        limits: &Limits,
        turn: &mut Turn<'_, P>,
    ) -> Option<(Publish<'a>, usize)> {
        let next = decode::usual_publish(input.get(*used..)?, limits)?;
        let may_follow = self.may_run && next.0.line.subject == subject && self.may_be_in_a_run(&next.0);
        if !may_follow || P::is_full(turn.batch) {
            return Some(next);
        }
        self.publish_run(next, input, used, limits, turn)
    }

    #[inline(never)]
    fn publish_run<'a>(
        &mut self,
        first: (Publish<'a>, usize),
        input: &'a [u8],
        used: &mut usize,
        limits: &Limits,
        turn: &mut Turn<'_, P>,
    ) -> Option<(Publish<'a>, usize)> {
        let subject = first.0.line.subject;
        let is_plain = !(self.connect.verbose || self.connect.pedantic || self.has_staged || self.has_mappings());
        let Some(found) = self.cache.find(&self.account, subject).filter(|_| is_plain) else { return Some(first) };
        let Destination::Route(route) = self.cache.value(found) else { return Some(first) };
        if !route.is_apart() {
            return Some(first);
        }
        let sender = Sender { id: self.origin.client_id, port: &self.port, connect: &self.connect };
        let mut messages = SmallVec::<[Message<'a>; RUN_MESSAGES_MAX]>::new();
        let mut bytes = 0;
        let mut next = Some(first);
        while let Some((publish, length)) = next
            && messages.len() < RUN_MESSAGES_MAX
            && bytes < RUN_BYTES_MAX
            && publish.line.subject == subject
            && self.may_be_in_a_run(&publish)
        {
            *used += length;
            self.received.messages += 1;
            self.received.bytes += publish.line.total_bytes as u64;
            if !route.is_empty() {
                bytes += publish.body.len();
                messages.push(sender.message(&publish, publish.line.subject, Body::Borrowed(publish.body), turn.now));
            }
            next = input.get(*used..).and_then(|rest| decode::usual_publish(rest, limits));
        }
        for subscription in &route.plain {
            if !self.connect.echo && subscription.port == self.port {
                continue;
            }
            match subscription.port.deliver_run(subscription, &messages, turn.batch) {
                Delivered::Taken => {}
                Delivered::TakenLast => self.finished.push(Arc::clone(subscription)),
                Delivered::Refused => {
                    // Replaced since the route was made, so that it took nothing of the run.
                    let Some(successor) = subscription.successor() else { continue };
                    for message in &messages {
                        successor.offer(message, turn.batch, &mut self.finished);
                    }
                }
            }
        }
        if !self.finished.is_empty() {
            self.after(messages.len(), subject, None, turn);
        }
        next
    }

    /// A message that asks for no answer, needs nothing but copying, and that this client may send.
    #[inline]
    fn may_be_in_a_run(&self, publish: &Publish<'_>) -> bool {
        publish.line.reply.is_none()
            && !publish.tail.is_empty()
            && publish.body.len() < SHARED_BYTES_MIN
            && (publish.line.header_bytes == 0 || self.connect.headers)
    }

    /// Mappings belong to `$G`; most servers have none.
    #[inline]
    fn has_mappings(&self) -> bool {
        !self.settings.mappings.is_empty() && self.account.id == AccountId::GLOBAL
    }

    #[cold]
    fn map(&mut self, subject: &[u8]) -> Mapped {
        self.settings.mappings.apply(subject, None, self.picker.next_u64())
    }

    /// Finds who receives `subject`, under which the message goes on, and delivers.
    #[inline]
    fn route(
        &mut self,
        subject: &[u8],
        publish: &Publish<'_>,
        shared: Option<&Bytes>,
        turn: &mut Turn<'_, P>,
    ) -> Result<(), Close> {
        let found = match self.cache.find(&self.account, subject) {
            Some(found) => Some(found),
            None => self.resolve(subject),
        };
        let destination = match found {
            Some(found) => self.cache.value(found),
            None => &self.uncached,
        };
        let granted;
        let route = match destination {
            Destination::Route(route) => route,
            Destination::Denied => match self.route_by_grant(subject, turn) {
                Some(route) => {
                    granted = route;
                    &granted
                }
                None => return Ok(()),
            },
        };
        self.may_run = route.is_apart();
        match publish.line.reply {
            None if route.is_empty() && !self.connect.verbose => return Ok(()),
            Some(reply) if is_reserved_reply(reply) => return self.refuse_reply(reply, turn),
            None | Some(_) => {}
        }
        let sender = Sender { id: self.origin.client_id, port: &self.port, connect: &self.connect };
        let taken = sender.send(route, subject, publish, shared, &mut self.picker, &mut self.finished, turn);
        if taken == 0 || !self.finished.is_empty() {
            self.after(taken, subject, publish.line.reply, turn);
        }
        Ok(())
    }

    /// Searches who receives a subject, and whether this client may publish there at all; `None` when the cache does
    /// not keep it.
    #[inline(never)]
    fn resolve(&mut self, subject: &[u8]) -> Option<Found> {
        let place = self.account.generations.place(subject);
        let stamp = self.account.stamp(place);
        let may_publish = self.may_publish(subject);
        let Session { account, cache, matches, uncached, .. } = self;
        let found = cache.insert_with(subject, place, stamp, || {
            let destination = Destination::search(account, subject, may_publish, matches);
            let receivers = destination.receivers();
            (destination, receivers)
        });
        if found.is_none() {
            match uncached {
                Destination::Route(route) if may_publish => account.route_again(subject, matches, route),
                Destination::Route(_) | Destination::Denied => {
                    *uncached = Destination::search(account, subject, may_publish, matches);
                }
            }
        }
        found
    }

    /// What follows when nobody took a message, or a subscription took its last.
    #[cold]
    fn after(&mut self, taken: usize, subject: &[u8], reply: Option<&[u8]>, turn: &mut Turn<'_, P>) {
        for subscription in mem::take(&mut self.finished) {
            self.has_staged |= self.account.remove(&subscription);
        }
        if taken == 0
            && self.connect.no_responders
            && let Some(reply) = reply
        {
            self.answer_no_responders(subject, reply, turn);
        }
    }

    /// A responder may answer where it was asked to, even where it may not publish otherwise. Who may not is told.
    #[cold]
    fn route_by_grant(&mut self, subject: &[u8], turn: &mut Turn<'_, P>) -> Option<Route<P>> {
        let grants = self.receiver.as_ref().and_then(|receiver| receiver.grants.as_ref());
        if self.is_reserved(subject) || !grants.is_some_and(|grants| grants.spend(subject, turn.now)) {
            self.complain(&format!("Permissions Violation for Publish to {}", Quoted(subject)), turn);
            return None;
        }
        Some(self.account.route(subject, &mut self.matches))
    }

    fn may_publish(&self, subject: &[u8]) -> bool {
        if self.is_reserved(subject) {
            return false;
        }
        match self.identity.as_ref().and_then(|identity| identity.permissions.as_ref()) {
            Some(permissions) => permissions.may_publish(subject),
            None => true,
        }
    }

    fn is_reserved(&self, subject: &[u8]) -> bool {
        RESERVED_SUBJECTS.iter().any(|reserved| subject.starts_with(reserved))
            || (subject.starts_with(SYSTEM_SUBJECTS) && self.account.id != AccountId::SYSTEM)
    }

    #[cold]
    fn refuse_reply(&self, reply: &[u8], turn: &mut Turn<'_, P>) -> Result<(), Close> {
        self.complain(&format!("Permissions Violation for Publish with Reply of {}", Quoted(reply)), turn);
        Ok(())
    }

    /// A requester that listens at its own reply subject learns at once that nobody answers. That is no message: it
    /// does not count towards the limit of the subscription.
    #[cold]
    fn answer_no_responders(&mut self, subject: &[u8], reply: &[u8], turn: &mut Turn<'_, P>) {
        let route = self.account.route(reply, &mut self.matches);
        let is_own = |subscription: &&Arc<Subscription<P>>| subscription.port == self.port && !subscription.is_closed();
        let Some(own) = route.plain.iter().find(is_own) else { return };
        let mut notice = Vec::new();
        encode::no_responders(&mut notice, reply, own.sid(), subject);
        self.port.write(&notice, turn.batch);
    }
}

/// Replies under these prefixes are refused; the first byte settles nearly all of them.
#[inline]
fn is_reserved_reply(reply: &[u8]) -> bool {
    matches!(reply.first(), Some(b'_' | b'$')) && RESERVED_REPLIES.iter().any(|prefix| reply.starts_with(prefix))
}

/// Who sends, as far as receivers care.
struct Sender<'a, P> {
    id: u64,
    port: &'a P,
    connect: &'a Connect,
}

impl<P: Link> Sender<'_, P> {
    /// Delivers to everybody; gives back how many took it, and adds subscriptions that took their last.
    #[inline]
    #[expect(clippy::too_many_arguments, reason = "the hot path hands down borrows of the session's fields one by one")]
    fn send(
        &self,
        route: &Route<P>,
        subject: &[u8],
        publish: &Publish<'_>,
        shared: Option<&Bytes>,
        picker: &mut Picker,
        finished: &mut Vec<Arc<Subscription<P>>>,
        turn: &mut Turn<'_, P>,
    ) -> usize {
        if self.connect.verbose {
            self.port.write(encode::OK, turn.batch);
        }
        let owned;
        let body = match shared {
            Some(bytes) => Body::Shared(bytes),
            None if publish.body.len() >= SHARED_BYTES_MIN && route.fan_out() > 1 => {
                owned = self.port.share(Bytes::copy_from_slice(publish.body));
                Body::Shared(&owned)
            }
            None => Body::Borrowed(publish.body),
        };
        let message = self.message(publish, subject, body, turn.now);
        route.offer(picker, |subscription| {
            let is_echo = !self.connect.echo && subscription.port == *self.port;
            !is_echo && subscription.offer(&message, turn.batch, finished)
        })
    }

    /// What was published, as receivers see it: under `subject`, which may have been mapped.
    #[inline]
    fn message<'a>(&self, publish: &Publish<'a>, subject: &'a [u8], body: Body<'a>, now: Monotonic) -> Message<'a> {
        let PublishLine { reply, header_bytes, header_token, total_token, .. } = publish.line;
        Message {
            subject,
            reply,
            header_bytes,
            header_token,
            total_token,
            tail: publish.tail,
            body,
            sender: self.id,
            now,
        }
    }
}

impl<P: Link> Session<P> {
    pub(crate) fn limits(&self) -> Limits {
        Limits {
            control_line_bytes_max: self.settings.control_line_bytes_max,
            payload_bytes_max: Some(self.settings.payload_bytes_max),
        }
    }
}
