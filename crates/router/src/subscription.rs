//! One subscription of one target, as publishers see it.
//!
//! Invariant: `delivered ≤ limit` when there is a limit. Both are written only under the target's own lock (by its
//! [`Port`]), so plain loads and stores do; the numbers are atomic because monitoring reads them.

use std::{
    collections::{BTreeMap, HashMap},
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

use crate::{Delivered, Message, Port};

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

impl<P: Port> Subscription<P> {
    /// Delivers a message if the receiver's rules let it through, and notes what follows: a subscription that took its
    /// last joins `finished`, and who may answer is granted it. A subscription that was replaced since the route was
    /// made hands over to its successor. True when the message was taken.
    #[inline]
    pub fn offer(
        self: &Arc<Self>,
        message: &Message<'_>,
        batch: &mut P::Batch,
        finished: &mut Vec<Arc<Subscription<P>>>,
    ) -> bool {
        let mut subscription = self;
        loop {
            let receiver = subscription.receiver.as_deref();
            if let Some(filter) = receiver.and_then(|receiver| receiver.filter.as_ref())
                && !filter.may_deliver(message.subject, subscription.queue())
            {
                return false;
            }
            match subscription.port.deliver(subscription, message, batch) {
                Delivered::Refused => {
                    let Some(successor) = subscription.successor() else { return false };
                    subscription = successor;
                    continue;
                }
                Delivered::Taken => {}
                Delivered::TakenLast => finished.push(Arc::clone(subscription)),
            }
            if let (Some(grants), Some(reply)) = (receiver.and_then(|receiver| receiver.grants.as_ref()), message.reply)
                && !reply.is_empty()
            {
                grants.grant(reply, message.now);
            }
            return true;
        }
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

/// Reply subjects to which a responder may publish for a while, 65,536 of them at most.
///
/// All last equally long, so the oldest ones expire first: granting looks at two of those and at no other.
#[derive(Debug)]
#[expect(clippy::disallowed_types, reason = "leaf lock: publishers grant, the responder spends")]
pub struct ReplyGrants {
    /// Answers per reply subject; negative is unlimited.
    messages_max: i64,
    /// How long a grant lasts; `None` is for ever.
    expires: Option<Duration>,
    open: Mutex<Open>,
}

/// Invariant: both hold the same grants.
#[derive(Debug, Default)]
struct Open {
    grants: HashMap<Arc<[u8]>, Grant>,
    /// By their numbers, that is, the oldest first.
    by_age: BTreeMap<u64, Arc<[u8]>>,
    next_number: u64,
}

#[derive(Clone, Copy, Debug)]
struct Grant {
    left: i64,
    until: Option<Monotonic>,
    number: u64,
}

impl Grant {
    fn is_over(&self, now: Monotonic) -> bool {
        self.left == 0 || self.until.is_some_and(|until| until <= now)
    }
}

/// The oldest grant ends when there would be more: a requester that chooses reply subjects cannot fill the memory, and
/// nobody else's request goes without an answer for as long as the old ones last.
const GRANTS_MAX: usize = 65_536;

#[expect(clippy::disallowed_types, reason = "leaf lock: see ReplyGrants")]
impl ReplyGrants {
    /// `messages_max` answers per reply subject within `expires`; negative and `None` are unlimited.
    pub fn new(messages_max: i64, expires: Option<Duration>) -> Self {
        ReplyGrants { messages_max, expires, open: Mutex::default() }
    }

    /// The responder received a message that asks for an answer at `reply`.
    pub fn grant(&self, reply: &[u8], now: Monotonic) {
        let until = self.expires.map(|expires| now + expires);
        let mut open = self.open.lock();
        open.insert(reply, self.messages_max, until);
        // Two go for one that comes: the old ones become fewer, and nobody waits for many of them.
        for _ in 0..2 {
            if open.grants.len() > GRANTS_MAX || open.oldest().is_some_and(|oldest| oldest.is_over(now)) {
                open.remove_oldest();
            }
        }
    }

    /// Whether the responder may publish to `subject` now; spends one answer if so.
    pub fn spend(&self, subject: &[u8], now: Monotonic) -> bool {
        let mut open = self.open.lock();
        let Some(grant) = open.grants.get_mut(subject) else { return false };
        let is_open = !grant.is_over(now);
        if grant.left > 0 {
            grant.left -= 1;
        }
        if grant.is_over(now) {
            open.remove(subject);
        }
        is_open
    }
}

impl Open {
    /// Grants anew, in place of an earlier grant of the same reply subject.
    fn insert(&mut self, reply: &[u8], left: i64, until: Option<Monotonic>) {
        self.remove(reply);
        let number = self.next_number;
        self.next_number += 1;
        let reply: Arc<[u8]> = reply.into();
        self.by_age.insert(number, Arc::clone(&reply));
        self.grants.insert(reply, Grant { left, until, number });
    }

    fn remove(&mut self, reply: &[u8]) {
        if let Some(grant) = self.grants.remove(reply) {
            self.by_age.remove(&grant.number);
        }
    }

    fn oldest(&self) -> Option<&Grant> {
        self.grants.get(self.by_age.first_key_value()?.1)
    }

    fn remove_oldest(&mut self) {
        if let Some((_, reply)) = self.by_age.pop_first() {
            self.grants.remove(&reply);
        }
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

    /// The number of grants, after a look at the invariant.
    fn count(grants: &ReplyGrants) -> usize {
        let open = grants.open.lock();
        assert_eq!(open.grants.len(), open.by_age.len());
        for (number, reply) in &open.by_age {
            assert_eq!(open.grants[reply].number, *number);
        }
        open.grants.len()
    }

    #[test]
    fn expired_grants_go_with_the_next_one() {
        let at = |seconds: u64| Monotonic::from_nanos(seconds * 1_000_000_000);
        let grants = ReplyGrants::new(1, Some(Duration::from_secs(10)));
        grants.grant(b"early", at(0));
        grants.grant(b"again", at(0));
        grants.grant(b"later", at(5));
        grants.grant(b"again", at(6));
        assert_eq!(count(&grants), 3);
        grants.grant(b"new", at(10));
        assert_eq!(count(&grants), 3, "later, again, new");
        grants.grant(b"new", at(15));
        assert_eq!(count(&grants), 2, "again, new");
        assert!(grants.spend(b"again", at(15)) && grants.spend(b"new", at(15)));
        assert_eq!(count(&grants), 0);
    }

    #[test]
    fn above_the_maximum_the_oldest_grant_ends() {
        let grants = ReplyGrants::new(-1, None);
        let reply = |number: usize| format!("r.{number}").into_bytes();
        for number in 0..GRANTS_MAX {
            grants.grant(&reply(number), Monotonic::ZERO);
        }
        // Now the second one is the oldest.
        grants.grant(&reply(0), Monotonic::ZERO);
        assert!(grants.spend(&reply(1), Monotonic::ZERO));
        grants.grant(b"one more", Monotonic::ZERO);
        assert_eq!(count(&grants), GRANTS_MAX);
        assert!(!grants.spend(&reply(1), Monotonic::ZERO));
        for kept in [&reply(0)[..], &reply(2), b"one more"] {
            assert!(grants.spend(kept, Monotonic::ZERO));
        }
    }
}
