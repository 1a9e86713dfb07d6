//! Messages of the server itself: routed and written at once, by the thread that has something to say.

use std::sync::{Arc, atomic::Ordering::Relaxed};

use firn_auth::account::AccountId;
use firn_router::{Account, Body, Delivered, Message, Picker, Subscription};
use firn_subject::interest::Matches;
use firn_wire::client::encode::SizeToken;

use crate::{
    clock,
    conn::{
        port::{Batch, Port},
        worker,
    },
    entropy,
    state::State,
};

/// Publishes to whoever listens in the account; `header` is a whole header block or empty. Not from within a
/// connection's turn.
pub(crate) fn publish(
    state: &State,
    account: AccountId,
    subject: &[u8],
    reply: Option<&[u8]>,
    header: &[u8],
    payload: &[u8],
) {
    let Some(account) = state.accounts.by_id(account) else { return };
    let mut matches = Matches::default();
    let route = account.route(subject, &mut matches);
    if route.is_empty() {
        return;
    }
    let body = [header, payload, b"\r\n"].concat();
    let (header_size, total_size) = (SizeToken::new(header.len()), SizeToken::new(body.len() - 2));
    let message = Message {
        subject,
        reply,
        header_bytes: header.len(),
        header_token: if header.is_empty() { b"" } else { header_size.as_bytes() },
        total_token: total_size.as_bytes(),
        tail: b"",
        body: Body::Borrowed(&body),
        sender: 0,
        now: clock::monotonic(),
    };
    let mut finished = Vec::new();
    worker::with(|worker| {
        let batch = &mut worker.batch;
        batch.now = message.now;
        for subscription in &route.plain {
            offer(subscription, &message, batch, &mut finished);
        }
        for members in &route.queues {
            let first = Picker::new(entropy::seed()).below(members.len().max(1));
            let (before, from) = members.split_at(first);
            // The first that takes it ends the search.
            let _ = from.iter().chain(before).any(|member| offer(member, &message, batch, &mut finished));
        }
        batch.flush();
        batch.behind = None;
        count(state, account, batch);
    });
    if !finished.is_empty() {
        for subscription in &finished {
            account.remove(subscription);
        }
        account.publish();
    }
}

/// True when the subscription took the message.
fn offer(
    subscription: &Arc<Subscription<Port>>,
    message: &Message<'_>,
    batch: &mut Batch,
    finished: &mut Vec<Arc<Subscription<Port>>>,
) -> bool {
    let filter = subscription.receiver.as_ref().and_then(|receiver| receiver.filter.as_ref());
    if filter.is_some_and(|filter| !filter.may_deliver(message.subject, subscription.queue())) {
        return false;
    }
    match firn_router::Port::deliver(&subscription.port, subscription, message, batch) {
        Delivered::Refused => return false,
        Delivered::Taken => {}
        Delivered::TakenLast => finished.push(Arc::clone(subscription)),
    }
    true
}

fn count(state: &State, account: &Account<Port>, batch: &mut Batch) {
    let (messages, bytes) = (std::mem::take(&mut batch.messages), std::mem::take(&mut batch.message_bytes));
    let of_account = state.totals.of_account(account.id);
    for (total, added) in [
        (&state.totals.out_messages, messages),
        (&state.totals.out_bytes, bytes),
        (&of_account.out_messages, messages),
        (&of_account.out_bytes, bytes),
    ] {
        total.fetch_add(added, Relaxed);
    }
}
