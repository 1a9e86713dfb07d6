//! `SUB` and `UNSUB`.

use std::sync::Arc;

use firn_auth::permission::SubscribeVerdict;
use firn_router::{Receiver, Subscription};
use firn_subject::subject;

use crate::{Link, Session, Turn, quote::Quoted};

/// The queue group of the server's own services.
const RESERVED_QUEUE: &[u8] = b"_sys_";

impl<P: Link> Session<P> {
    pub(crate) fn subscribe(
        &mut self,
        subject: &[u8],
        queue: Option<&[u8]>,
        sid: &[u8],
        turn: &mut Turn<'_, P>,
    ) -> Result<(), crate::Close> {
        let verdict = self.may_subscribe(subject, queue);
        if verdict == SubscribeVerdict::Denied || queue == Some(RESERVED_QUEUE) {
            self.complain(&violation(subject, queue), turn);
            return Ok(());
        }
        // What ended by its own limit within this read batch gives its place and its sid back.
        self.forget_finished();
        if self.settings.subject_tokens_max.is_some_and(|max| subject::tokens(subject).count() > max) {
            self.complain(&format!("{}, too many tokens", violation(subject, None)), turn);
            return Ok(());
        }
        if self.settings.subscriptions_max.is_some_and(|max| self.subscriptions.len() >= max) {
            self.complain("maximum subscriptions exceeded", turn);
            return Ok(());
        }
        if self.subscriptions.find(sid).is_none() {
            if !subject::is_valid_pattern(subject) {
                self.complain("Invalid Subject", turn);
                return Ok(());
            }
            let receiver = self.receiver_for(verdict);
            let subscription = Arc::new(Subscription::new(self.port.clone(), subject, queue, sid, receiver));
            self.subscriptions.insert(Arc::clone(&subscription));
            self.account.insert(subscription);
            self.has_staged = true;
        }
        self.ok_if_verbose(turn);
        Ok(())
    }

    pub(crate) fn unsubscribe(&mut self, sid: &[u8], max: Option<u64>, turn: &mut Turn<'_, P>) {
        if let Some(subscription) = self.subscriptions.find(sid).cloned() {
            let mut ends_now = true;
            self.port.without_deliveries(|| {
                // Counted from the beginning of the subscription, so it may be over already.
                match max.filter(|&max| max > subscription.delivered()) {
                    Some(max) => {
                        subscription.set_limit(max);
                        ends_now = false;
                    }
                    None => subscription.close(),
                }
            });
            if ends_now {
                self.end_subscription(&subscription);
            }
        }
        self.ok_if_verbose(turn);
    }

    /// Forgets subscriptions that ended by their own limit; who delivered the last message took them off the account.
    pub(crate) fn forget_finished(&mut self) {
        for subscription in self.port.take_finished() {
            self.subscriptions.remove(&subscription);
        }
    }

    pub(crate) fn drop_subscriptions(&mut self) {
        for subscription in self.subscriptions.drain() {
            subscription.close();
            self.has_staged |= self.account.remove(&subscription);
        }
        self.show_interest();
    }

    /// After a reload: what is no longer allowed is dropped, and the client is told.
    pub(crate) fn recheck_subscriptions(&mut self, turn: &mut Turn<'_, P>) {
        let all: Vec<_> = self.subscriptions.iter().map(Arc::clone).collect();
        for subscription in all {
            let verdict = self.may_subscribe(subscription.subject(), subscription.queue());
            let rules_changed = !same_rules(subscription.receiver.as_ref(), self.receiver_for(verdict).as_ref());
            if verdict == SubscribeVerdict::Denied {
                self.port.without_deliveries(|| subscription.close());
                self.end_subscription(&subscription);
                let violation = violation(subscription.subject(), subscription.queue());
                self.complain(&format!("{violation} (sid {})", Quoted(subscription.sid())), turn);
            } else if rules_changed {
                self.replace_subscription(&subscription, verdict);
            }
        }
    }

    /// The same subscription under other rules: what it delivered and its limit stay. Publishers that do not know the
    /// new one yet are led to it by the old one.
    fn replace_subscription(&mut self, earlier: &Arc<Subscription<P>>, verdict: SubscribeVerdict) {
        let receiver = self.receiver_for(verdict);
        let mut replacement = None;
        self.port.without_deliveries(|| {
            if !earlier.is_closed() {
                let successor = Arc::new(earlier.with_receiver(receiver));
                earlier.replace_by(Arc::clone(&successor));
                replacement = Some(successor);
            }
        });
        let Some(replacement) = replacement else { return };
        self.account.insert(Arc::clone(&replacement));
        self.end_subscription(earlier);
        self.subscriptions.insert(replacement);
    }

    fn end_subscription(&mut self, subscription: &Arc<Subscription<P>>) {
        self.subscriptions.remove(subscription);
        self.account.remove(subscription);
        self.has_staged = true;
    }

    fn may_subscribe(&self, subject: &[u8], queue: Option<&[u8]>) -> SubscribeVerdict {
        match self.identity.as_ref().and_then(|identity| identity.permissions.as_ref()) {
            Some(permissions) => permissions.may_subscribe(subject, queue),
            None => SubscribeVerdict::Allowed,
        }
    }

    /// The rules that publishers must apply to this subscription, if any.
    fn receiver_for(&self, verdict: SubscribeVerdict) -> Option<Arc<Receiver>> {
        let receiver = self.receiver.as_ref()?;
        let matters = verdict == SubscribeVerdict::AllowedFiltered || receiver.grants.is_some();
        matters.then(|| Arc::clone(receiver))
    }
}

fn same_rules(a: Option<&Arc<Receiver>>, b: Option<&Arc<Receiver>>) -> bool {
    match (a, b) {
        (None, None) => true,
        (Some(a), Some(b)) => Arc::ptr_eq(a, b),
        _ => false,
    }
}

fn violation(subject: &[u8], queue: Option<&[u8]>) -> String {
    let subject = Quoted(subject);
    match queue {
        None => format!("Permissions Violation for Subscription to {subject}"),
        Some(queue) => format!("Permissions Violation for Subscription to {subject} using queue {}", Quoted(queue)),
    }
}
