//! Pulls that wait for messages.
//!
//! They are served in turns, a message each, the first that came first; with priorities, the lowest number as long as
//! it asks. A pull ends when it has all it asked for, when its time is over, or when what it asked for cannot be.

use std::{collections::VecDeque, io::Write as _, time::Duration};

use firn_api::consumer::{NextRequest, PriorityPolicy};
use firn_id::Monotonic;

use super::{effect::Span, pin::Pin, turn::Turn};

#[derive(Debug, Default)]
pub(super) struct Waiting {
    requests: VecDeque<Request>,
    /// Not after the first time that something is to be done.
    wake: Option<Monotonic>,
}

#[derive(Debug)]
pub(super) struct Request {
    pub(super) reply: Box<[u8]>,
    /// Messages still to be sent; 0 is one, where no number was named.
    left: u64,
    /// Bytes of them, where they are limited.
    bytes_left: Option<u64>,
    no_wait: bool,
    is_served: bool,
    expires_at: Option<Monotonic>,
    heartbeat: Option<Duration>,
    beats_at: Monotonic,
    priority: isize,
    min_pending: u64,
    min_ack_pending: u64,
    /// What a pinned client says to be known again, or what it was called when it was pinned.
    pin: Option<String>,
    /// The call in which somebody was seen to listen, and where its reply stands in that call's effects.
    call: u64,
    target: Span,
}

/// A message that shall be sent.
#[derive(Clone, Copy)]
pub(super) struct Offer {
    pub(super) bytes: u64,
    /// Messages that wait to be sent, this one included.
    pub(super) pending: u64,
    pub(super) ack_pending: u64,
    /// Number of the call.
    pub(super) call: u64,
}

impl Request {
    pub(super) fn new(reply: &[u8], request: NextRequest, now: Monotonic) -> Self {
        let limit = |number: i64| u64::try_from(number).unwrap_or(0);
        let expires = request.expires.duration();
        let heartbeat = Some(request.idle_heartbeat.duration()).filter(|heartbeat| !heartbeat.is_zero());
        Request {
            reply: reply.into(),
            left: u64::try_from(request.batch).unwrap_or(0),
            bytes_left: u64::try_from(request.max_bytes).ok().filter(|bytes| *bytes > 0),
            no_wait: request.no_wait,
            is_served: false,
            expires_at: (!expires.is_zero()).then(|| now + expires),
            heartbeat,
            beats_at: now + heartbeat.unwrap_or_default(),
            priority: request.priority,
            min_pending: limit(request.min_pending),
            min_ack_pending: limit(request.min_ack_pending),
            pin: Some(request.id).filter(|id| !id.is_empty()),
            call: 0,
            target: Span::default(),
        }
    }

    fn is_expired(&self, now: Monotonic) -> bool {
        self.expires_at.is_some_and(|at| at <= now)
    }

    /// When something is to be done for it.
    fn wakes_at(&self) -> Option<Monotonic> {
        let beats_at = self.heartbeat.map(|_| self.beats_at);
        self.expires_at.into_iter().chain(beats_at).min()
    }

    /// Enough has piled up for it.
    fn overflows(&self, offer: Offer) -> bool {
        let (pending, ack_pending) = (self.min_pending, self.min_ack_pending);
        (pending == 0 && ack_pending == 0)
            || (pending > 0 && offer.pending >= pending)
            || (ack_pending > 0 && offer.ack_pending >= ack_pending)
    }

    /// A status that says what was not sent.
    fn end(&self, status: &str, turn: &mut Turn<'_>) {
        let (left, bytes) = (self.left, self.bytes_left.unwrap_or(0));
        turn.effects.status(&self.reply, |text| {
            let lines = format_args!("Nats-Pending-Messages: {left}\r\nNats-Pending-Bytes: {bytes}\r\n\r\n");
            write!(text, "NATS/1.0 {status}\r\n{lines}").expect("memory takes all");
        });
    }
}

impl Waiting {
    pub(super) fn len(&self) -> usize {
        self.requests.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.requests.is_empty()
    }

    pub(super) fn wake(&self) -> Option<Monotonic> {
        self.wake
    }

    /// Messages that those who wait want.
    pub(super) fn wanted(&self) -> u64 {
        self.requests.iter().map(|request| request.left.max(1)).fold(0, u64::saturating_add)
    }

    pub(super) fn add(&mut self, request: Request, policy: PriorityPolicy) {
        self.wake = self.wake.into_iter().chain(request.wakes_at()).min();
        self.insert(request, policy);
    }

    fn insert(&mut self, request: Request, policy: PriorityPolicy) {
        if policy != PriorityPolicy::Prioritized {
            return self.requests.push_back(request);
        }
        let behind = self.requests.partition_point(|other| other.priority <= request.priority);
        self.requests.insert(behind, request);
    }

    /// Whose turn it is. Those that cannot be served any more end on the way.
    pub(super) fn choose(&mut self, offer: Offer, pin: &mut Pin, turn: &mut Turn<'_>) -> Option<(usize, Span)> {
        let mut index = 0;
        while let Some(request) = self.requests.get_mut(index) {
            if request.is_expired(turn.now.monotonic) {
                request.end("408 Request Timeout", turn);
                self.requests.remove(index);
                continue;
            }
            if request.call != offer.call {
                if !(turn.has_interest)(&request.reply) {
                    self.requests.remove(index);
                    continue;
                }
                (request.call, request.target) = (offer.call, turn.effects.copy(&request.reply));
            }
            if !request.overflows(offer) || pin.is_other(request.pin.as_deref()) {
                index += 1;
                continue;
            }
            if pin.is_wrong(request.pin.as_deref()) {
                request.end("423 Nats-Wrong-Pin-Id", turn);
                self.requests.remove(index);
                continue;
            }
            if request.bytes_left.is_some_and(|left| left < offer.bytes) {
                request.end("409 Message Size Exceeds MaxBytes", turn);
                self.requests.remove(index);
                continue;
            }
            if let Some(id) = pin.take(turn) {
                request.pin = Some(id);
            }
            return Some((index, request.target));
        }
        None
    }

    /// It got a message of so many bytes: it goes behind the others, or is done.
    pub(super) fn served(&mut self, index: usize, bytes: u64, policy: PriorityPolicy, turn: &mut Turn<'_>) {
        let is_alone = self.requests.len() == 1;
        let Some(request) = self.requests.get_mut(index) else { return };
        request.left = request.left.saturating_sub(1);
        request.bytes_left = request.bytes_left.map(|left| left.saturating_sub(bytes));
        request.is_served = true;
        request.beats_at = turn.now.monotonic + request.heartbeat.unwrap_or_default();
        if request.left > 0 && request.bytes_left != Some(0) {
            if !is_alone && let Some(request) = self.requests.remove(index) {
                self.insert(request, policy);
            }
            return;
        }
        if request.left == 0 && request.bytes_left.is_some_and(|left| left > 0) {
            request.end("409 Batch Completed", turn);
        }
        self.requests.remove(index);
    }

    /// There is nothing more: those that do not wait end.
    pub(super) fn end_no_wait(&mut self, turn: &mut Turn<'_>) {
        self.requests.retain(|request| {
            let ends = request.no_wait && (request.is_served || request.expires_at.is_none());
            if ends {
                turn.effects.status(&request.reply, |text| text.extend_from_slice(b"NATS/1.0 404 No Messages\r\n\r\n"));
            }
            !ends
        });
    }

    /// Ends those whose time is over, and gives signs of life to those that asked for them.
    pub(super) fn expire(&mut self, heartbeat: &dyn Fn(&mut Vec<u8>), turn: &mut Turn<'_>) {
        let now = turn.now.monotonic;
        if self.wake.is_none_or(|wake| wake > now) {
            return;
        }
        let mut wake: Option<Monotonic> = None;
        self.requests.retain_mut(|request| {
            if request.is_expired(now) {
                request.end("408 Request Timeout", turn);
                return false;
            }
            if let Some(every) = request.heartbeat.filter(|_| request.beats_at <= now) {
                turn.effects.status(&request.reply, |text| heartbeat(text));
                request.beats_at = now + every;
            }
            wake = wake.into_iter().chain(request.wakes_at()).min();
            true
        });
        self.wake = wake;
    }

    /// Drops those to whom nobody listens any more.
    pub(super) fn drop_unheard(&mut self, turn: &Turn<'_>) {
        self.requests.retain(|request| (turn.has_interest)(&request.reply));
    }

    /// Ends all with the same status.
    pub(super) fn end_all(&mut self, status: &[u8], turn: &mut Turn<'_>) {
        for request in self.requests.drain(..) {
            turn.effects.status(&request.reply, |text| text.extend_from_slice(status));
        }
        self.wake = None;
    }
}
