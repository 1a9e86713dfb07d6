//! One subscription of one target, as publishers see it.
//!
//! Invariant: `delivered ≤ limit` when there is a limit. Both are written only under the target's own lock (by its
//! [`Port`](crate::Port)), so plain loads and stores do; the numbers are atomic because monitoring reads them.

use std::{
    collections::HashMap,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use firn_auth::permission::Permissions;
use firn_id::Monotonic;
#[expect(clippy::disallowed_types, reason = "leaf lock: each has its reason where it stands")]
use parking_lot::Mutex;

/// A subscription. Subject, queue group and sid share one allocation: there may be millions of these.
#[derive(Debug)]
pub struct Subscription<P> {
    /// Who receives.
    pub port: P,
    /// What the receiver may see and answer, when that is less than everything.
    pub receiver: Option<Arc<Receiver>>,
    /// `subject ++ queue ++ sid`
    text: Box<[u8]>,
    subject_bytes: u32,
    queue_bytes: u32,
    delivered: AtomicU64,
    /// 0 is no limit.
    limit: AtomicU64,
    closed: AtomicBool,
    /// Who receives in its place, set before it is closed: routes that were made earlier still lead here.
    successor: OnceLock<Arc<Subscription<P>>>,
}

impl<P> Subscription<P> {
    /// A subscription to a valid pattern; `queue` is never empty when given.
    pub fn new(port: P, subject: &[u8], queue: Option<&[u8]>, sid: &[u8], receiver: Option<Arc<Receiver>>) -> Self {
        let queue = queue.unwrap_or_default();
        let length = |bytes: &[u8]| u32::try_from(bytes.len()).expect("a control line is far below 4 GiB");
        Subscription {
            port,
            receiver,
            text: [subject, queue, sid].concat().into_boxed_slice(),
            subject_bytes: length(subject),
            queue_bytes: length(queue),
            delivered: AtomicU64::new(0),
            limit: AtomicU64::new(0),
            closed: AtomicBool::new(false),
            successor: OnceLock::new(),
        }
    }

    /// The same subscription under other rules; what it delivered and its limit go with it. Call under the target's lock.
    pub fn with_receiver(&self, receiver: Option<Arc<Receiver>>) -> Self
    where
        P: Clone,
    {
        Subscription {
            port: self.port.clone(),
            receiver,
            text: self.text.clone(),
            subject_bytes: self.subject_bytes,
            queue_bytes: self.queue_bytes,
            delivered: AtomicU64::new(self.delivered()),
            limit: AtomicU64::new(self.limit.load(Relaxed)),
            closed: AtomicBool::new(false),
            successor: OnceLock::new(),
        }
    }

    /// Closes it for the sake of the same subscription under other rules. Call under the target's lock.
    pub fn replace_by(&self, successor: Arc<Subscription<P>>) {
        // A second successor would mean that it was replaced while closed, which nobody does.
        let _ = self.successor.set(successor);
        self.close();
    }

    /// Who receives what is still sent to this closed subscription.
    pub fn successor(&self) -> Option<&Arc<Subscription<P>>> {
        self.successor.get()
    }

    /// The pattern.
    pub fn subject(&self) -> &[u8] {
        self.split().0
    }

    /// The queue group, if it is a member of one.
    pub fn queue(&self) -> Option<&[u8]> {
        let queue = self.split().1;
        (!queue.is_empty()).then_some(queue)
    }

    /// The client's own name for it.
    pub fn sid(&self) -> &[u8] {
        self.split().2
    }

    /// Messages delivered so far.
    pub fn delivered(&self) -> u64 {
        self.delivered.load(Relaxed)
    }

    /// After how many messages it ends, if that was asked for.
    pub fn limit(&self) -> Option<u64> {
        Some(self.limit.load(Relaxed)).filter(|&limit| limit != 0)
    }

    /// Ends after `limit` messages, counted from its beginning. Call under the target's lock.
    pub fn set_limit(&self, limit: u64) {
        self.limit.store(limit, Relaxed);
    }

    /// Takes nothing more.
    pub fn close(&self) {
        self.closed.store(true, Relaxed);
    }

    /// Whether it takes nothing more.
    pub fn is_closed(&self) -> bool {
        self.closed.load(Relaxed)
    }

    /// Counts one delivery; true when it was the last one asked for. Call under the target's lock, when not closed.
    pub fn count_delivery(&self) -> bool {
        let delivered = self.delivered.load(Relaxed) + 1;
        self.delivered.store(delivered, Relaxed);
        let is_last = delivered == self.limit.load(Relaxed);
        if is_last {
            self.close();
        }
        is_last
    }

    fn split(&self) -> (&[u8], &[u8], &[u8]) {
        let (subject, rest) = self.text.split_at(self.subject_bytes as usize);
        let (queue, sid) = rest.split_at(self.queue_bytes as usize);
        (subject, queue, sid)
    }
}

/// What one receiver may see and answer, shared by its subscriptions.
#[derive(Debug, Default)]
pub struct Receiver {
    /// Asked before each delivery to a subscription that overlaps a denied subject.
    pub filter: Option<Arc<Permissions>>,
    /// Fed by deliveries that carry a reply subject, for users with `allow_responses`.
    pub grants: Option<ReplyGrants>,
}

/// Reply subjects to which a responder may publish for a while.
#[derive(Debug)]
#[expect(clippy::disallowed_types, reason = "leaf lock: publishers grant, the responder spends")]
pub struct ReplyGrants {
    /// Answers per reply subject; negative is unlimited.
    messages_max: i64,
    /// How long a grant lasts; `None` is for ever.
    expires: Option<Duration>,
    open: Mutex<HashMap<Box<[u8]>, Grant>>,
}

#[derive(Clone, Copy, Debug)]
struct Grant {
    left: i64,
    until: Option<Monotonic>,
}

/// Above this many open grants the expired ones are swept before another is added.
const GRANTS_BEFORE_SWEEP: usize = 4096;

#[expect(clippy::disallowed_types, reason = "leaf lock: see ReplyGrants")]
impl ReplyGrants {
    /// `messages_max` answers per reply subject within `expires`; negative and `None` are unlimited.
    pub fn new(messages_max: i64, expires: Option<Duration>) -> Self {
        ReplyGrants { messages_max, expires, open: Mutex::new(HashMap::new()) }
    }

    /// The responder received a message that asks for an answer at `reply`.
    pub fn grant(&self, reply: &[u8], now: Monotonic) {
        let grant = Grant { left: self.messages_max, until: self.expires.map(|expires| now + expires) };
        let mut open = self.open.lock();
        if open.len() >= GRANTS_BEFORE_SWEEP {
            open.retain(|_, grant| grant.until.is_none_or(|until| until > now));
        }
        open.insert(reply.into(), grant);
    }

    /// Whether the responder may publish to `subject` now; spends one answer if so.
    pub fn spend(&self, subject: &[u8], now: Monotonic) -> bool {
        let mut open = self.open.lock();
        let Some(grant) = open.get_mut(subject) else { return false };
        if grant.until.is_some_and(|until| until <= now) || grant.left == 0 {
            open.remove(subject);
            return false;
        }
        if grant.left > 0 {
            grant.left -= 1;
            if grant.left == 0 {
                open.remove(subject);
            }
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_a_subscription_are_kept_apart() {
        let subscription = Subscription::new((), b"work.*", Some(b"q"), b"17", None);
        assert_eq!(subscription.subject(), b"work.*");
        assert_eq!(subscription.queue(), Some(&b"q"[..]));
        assert_eq!(subscription.sid(), b"17");
        assert_eq!(Subscription::new((), b"a", None, b"1", None).queue(), None);
    }

    #[test]
    fn the_last_delivery_closes_a_limited_subscription() {
        let subscription = Subscription::new((), b"a", None, b"1", None);
        assert!(!subscription.count_delivery());
        subscription.set_limit(2);
        assert!(subscription.count_delivery());
        assert!(subscription.is_closed());
    }

    #[test]
    fn a_grant_is_spent_by_answers_and_by_time() {
        let second = Monotonic::from_nanos(1_000_000_000);
        let grants = ReplyGrants::new(2, Some(Duration::from_secs(1)));
        assert!(!grants.spend(b"r", Monotonic::ZERO));
        grants.grant(b"r", Monotonic::ZERO);
        assert!(grants.spend(b"r", Monotonic::ZERO));
        assert!(grants.spend(b"r", Monotonic::ZERO));
        assert!(!grants.spend(b"r", Monotonic::ZERO));
        grants.grant(b"r", Monotonic::ZERO);
        assert!(!grants.spend(b"r", second));
        let unlimited = ReplyGrants::new(-1, None);
        unlimited.grant(b"r", Monotonic::ZERO);
        assert!((0..1000).all(|_| unlimited.spend(b"r", second)));
    }
}
