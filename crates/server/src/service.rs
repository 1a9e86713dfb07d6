//! The server's own subscriptions: requests under `$SYS` arrive here as messages, by the same routing as any other.
//!
//! In `$SYS` everything can be asked; in every other account only four requests about that account itself: no answer
//! tells one account of another.

mod answer;
mod filter;

use std::sync::Arc;

use bytes::Bytes;
use firn_auth::account::AccountId;
use firn_router::{Delivered, Message, Subscription};
use tokio::sync::mpsc;

pub(crate) use self::answer::{answer, answer_reload};
use crate::{conn::port::Port, state::State};

/// Requests that may wait for an answer.
pub(crate) const REQUESTS_MAX: usize = 1024;

/// A message to the server.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    /// The account in which it was published.
    pub(crate) account: AccountId,
    /// Number of the client that published it.
    pub(crate) sender: u64,
    pub(crate) subject: Bytes,
    pub(crate) reply: Option<Bytes>,
    /// Header block, then payload.
    pub(crate) body: Bytes,
    pub(crate) header_bytes: usize,
}

impl Request {
    /// Whether the answer takes its time.
    pub(crate) fn is_reload(&self) -> bool {
        self.account == AccountId::SYSTEM && self.subject.ends_with(b".RELOAD")
    }

    /// What stands behind the header.
    pub(crate) fn payload(&self) -> &[u8] {
        self.body.get(self.header_bytes..).unwrap_or_default()
    }
}

/// A mailbox that takes messages as a subscriber does; full means lost, as for any slow subscriber.
#[derive(Debug)]
pub(crate) struct Service {
    pub(crate) account: AccountId,
    mailbox: mpsc::Sender<Request>,
}

impl Service {
    pub(crate) fn new(account: AccountId, mailbox: mpsc::Sender<Request>) -> Self {
        Service { account, mailbox }
    }

    pub(crate) fn deliver(&self, subscription: &Arc<Subscription<Port>>, message: &Message<'_>) -> Delivered {
        let body = message.body.as_slice();
        let request = Request {
            account: self.account,
            sender: message.sender,
            subject: Bytes::copy_from_slice(message.subject),
            reply: message.reply.map(Bytes::copy_from_slice),
            body: Bytes::copy_from_slice(body.strip_suffix(b"\r\n").unwrap_or(body)),
            header_bytes: message.header_bytes,
        };
        match self.mailbox.try_send(request) {
            Ok(()) => {
                subscription.count_delivery();
                Delivered::Taken
            }
            Err(_) => Delivered::Refused,
        }
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

/// Listens in every account for what can be asked there.
pub(crate) fn subscribe(state: &State, mailbox: &mpsc::Sender<Request>) {
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
        let service = Arc::new(Service::new(account.id, mailbox.clone()));
        for (index, subject) in subjects.iter().enumerate() {
            let port = Port::Service(Arc::clone(&service));
            let sid = (index + 1).to_string();
            account.insert(Arc::new(Subscription::new(port, subject.as_bytes(), None, sid.as_bytes(), None)));
        }
        account.publish();
    }
}
