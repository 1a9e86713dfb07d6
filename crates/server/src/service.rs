//! The server's own subscriptions: requests under `$SYS` arrive here as messages, by the same routing as any other.
//!
//! In `$SYS` everything can be asked; in every other account only four requests about that account itself: no answer
//! tells one account of another.

mod answer;
mod filter;

use std::{collections::BTreeMap, sync::Arc};

use bytes::Bytes;
use firn_auth::account::AccountId;
use firn_router::{Delivered, Message, Subscription};
#[expect(clippy::disallowed_types, reason = "leaf lock: see Turns")]
use parking_lot::Mutex;
use tokio::sync::mpsc;

pub(crate) use self::answer::{answer, answer_reload};
use crate::{conn::port::Port, state::State};

/// Requests that may wait for an answer in each mailbox.
const REQUESTS_MAX: usize = 1024;
/// Of these, how many one client may have outside of `$SYS`.
const REQUESTS_OF_CLIENT_MAX: usize = 16;
/// Longest header and payload of a request: thousands of names fit, and a full mailbox holds 64 MiB.
const BODY_BYTES_MAX: usize = 64 << 10;

/// A message to the server.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    /// The account in which it was published.
    pub(crate) account: AccountId,
    /// Number of the client that published it.
    pub(crate) sender: u64,
    pub(crate) subject: Bytes,
    pub(crate) reply: Option<Bytes>,
    pub(crate) body: RequestBody,
}

/// What a request says.
#[derive(Clone, Debug)]
pub(crate) enum RequestBody {
    /// The payload, without header.
    Payload(Bytes),
    /// Longer than [`BODY_BYTES_MAX`], so nobody kept it.
    TooLong,
}

impl Request {
    /// Whether the answer takes its time.
    pub(crate) fn is_reload(&self) -> bool {
        self.account == AccountId::SYSTEM
            && self.subject.ends_with(b".RELOAD")
            && matches!(self.body, RequestBody::Payload(_))
    }

    /// The payload; empty when it was too long.
    pub(crate) fn payload(&self) -> &[u8] {
        match &self.body {
            RequestBody::Payload(payload) => payload,
            RequestBody::TooLong => b"",
        }
    }
}

/// Requests that wait for an answer. Those of `$SYS` wait apart: no other account can keep an operator waiting.
#[derive(Debug)]
pub(crate) struct Requests {
    system: mpsc::Receiver<Request>,
    others: mpsc::Receiver<Request>,
    turns: Arc<Turns>,
}

impl Requests {
    /// The next request; `None` when nobody can ask. Cancel-safe.
    pub(crate) async fn next(&mut self) -> Option<Request> {
        // Cancel-safe: nothing is awaited after a request was taken.
        tokio::select! {
            Some(request) = self.system.recv() => Some(request),
            Some(request) = self.others.recv() => {
                self.turns.give_back(request.sender);
                Some(request)
            }
            else => None,
        }
    }
}

/// How many requests of each client wait.
#[derive(Debug, Default)]
#[expect(clippy::disallowed_types, reason = "leaf lock: touched once when a request comes and once when it is taken")]
struct Turns(Mutex<BTreeMap<u64, usize>>);

impl Turns {
    /// False when the client has as many as it may.
    fn take(&self, client: u64) -> bool {
        let mut waiting = self.0.lock();
        let count = waiting.entry(client).or_default();
        let has_room = *count < REQUESTS_OF_CLIENT_MAX;
        *count += usize::from(has_room);
        has_room
    }

    fn give_back(&self, client: u64) {
        let mut waiting = self.0.lock();
        let Some(count) = waiting.get_mut(&client) else { return };
        *count -= 1;
        if *count == 0 {
            waiting.remove(&client);
        }
    }
}

/// A mailbox that takes messages as a subscriber does; full means lost, as for any slow subscriber.
#[derive(Debug)]
pub(crate) struct Service {
    pub(crate) account: AccountId,
    mailbox: mpsc::Sender<Request>,
    /// None in `$SYS`: a dashboard asks for hundreds of documents at once, and an operator is trusted.
    turns: Option<Arc<Turns>>,
}

impl Service {
    pub(crate) fn deliver(&self, subscription: &Arc<Subscription<Port>>, message: &Message<'_>) -> Delivered {
        // Before anything is copied.
        let Ok(place) = self.mailbox.try_reserve() else { return Delivered::Refused };
        if let Some(turns) = &self.turns
            && !turns.take(message.sender)
        {
            return Delivered::Refused;
        }
        let body = message.body.as_slice();
        let body = body.strip_suffix(b"\r\n").unwrap_or(body);
        place.send(Request {
            account: self.account,
            sender: message.sender,
            subject: Bytes::copy_from_slice(message.subject),
            reply: message.reply.map(Bytes::copy_from_slice),
            body: if body.len() > BODY_BYTES_MAX {
                RequestBody::TooLong
            } else {
                RequestBody::Payload(Bytes::copy_from_slice(body.get(message.header_bytes..).unwrap_or_default()))
            },
        });
        subscription.count_delivery();
        Delivered::Taken
    }
}

/// What can be asked of every account about itself.
const OF_EACH_ACCOUNT: [&str; 4] =
    ["$SYS.REQ.USER.INFO", "$SYS.REQ.ACCOUNT.PING.CONNZ", "$SYS.REQ.ACCOUNT.PING.STATZ", "$SYS.REQ.SERVER.PING.CONNZ"];
/// Documents of a server.
const OF_SERVER: [&str; 11] =
    ["ACCOUNTZ", "CONNZ", "GATEWAYZ", "HEALTHZ", "IDZ", "JSZ", "LEAFZ", "ROUTEZ", "STATSZ", "SUBSZ", "VARZ"];
/// What one server is asked to do.
const ORDERS: [&str; 3] = ["KICK", "LDM", "RELOAD"];
/// Documents of an account.
const OF_ACCOUNT: [&str; 7] = ["CONNS", "CONNZ", "INFO", "JSZ", "LEAFZ", "STATZ", "SUBSZ"];

/// Nobody can ask: there is no system account.
pub(crate) fn no_requests() -> Requests {
    // Both senders are gone at once.
    let ((_, system), (_, others)) = (mpsc::channel(1), mpsc::channel(1));
    Requests { system, others, turns: Arc::default() }
}

/// Listens in every account for what can be asked there.
pub(crate) fn subscribe(state: &State) -> Requests {
    let (of_system, system) = mpsc::channel(REQUESTS_MAX);
    let (of_others, others) = mpsc::channel(REQUESTS_MAX);
    let turns: Arc<Turns> = Arc::default();
    let id = &state.keys.id;
    for account in state.accounts.iter() {
        let mut subjects: Vec<String> = Vec::new();
        if account.id == AccountId::SYSTEM {
            subjects
                .extend(["$SYS.REQ.USER.INFO", "$SYS.REQ.SERVER.PING", "$SYS.DEBUG.SUBSCRIBERS"].map(str::to_owned));
            subjects.extend(OF_SERVER.iter().map(|document| format!("$SYS.REQ.SERVER.PING.{document}")));
            subjects.extend(OF_SERVER.iter().chain(&ORDERS).map(|request| format!("$SYS.REQ.SERVER.{id}.{request}")));
            // The account `PING` is everybody's own.
            subjects.extend(OF_ACCOUNT.iter().map(|document| format!("$SYS.REQ.ACCOUNT.*.{document}")));
        } else {
            subjects.extend(OF_EACH_ACCOUNT.map(str::to_owned));
        }
        let (mailbox, turns) =
            if account.id == AccountId::SYSTEM { (&of_system, None) } else { (&of_others, Some(Arc::clone(&turns))) };
        let service = Arc::new(Service { account: account.id, mailbox: mailbox.clone(), turns });
        for (index, subject) in subjects.iter().enumerate() {
            let port = Port::Service(Arc::clone(&service));
            let sid = (index + 1).to_string();
            account.insert(Arc::new(Subscription::new(port, subject.as_bytes(), None, sid.as_bytes(), None)));
        }
        account.publish();
    }
    Requests { system, others, turns }
}

#[cfg(test)]
mod tests;
