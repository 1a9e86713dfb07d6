//! Messages of the server itself: routed and written at once, by the thread that has something to say.

use std::sync::atomic::Ordering::Relaxed;

use firn_auth::account::AccountId;
use firn_router::{Account, Body, Message, Picker};
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
        let mut picker = Picker::new(entropy::seed());
        route.offer(&mut picker, |subscription| subscription.offer(&message, batch, &mut finished));
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
