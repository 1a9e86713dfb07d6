//! What the server tells about itself under `$SYS`, and the task that tells it and answers requests.
//!
//! ```text
//!   connections ──Happening──► run ──publish──► whoever listens in `$SYS`
//!   messages to the server's own subscriptions ──Request──► run ──publish──► the reply subject
//! ```
//!
//! Nothing is promised: what cannot be told in time is dropped, and nobody waits for this task. Not here: compressed
//! answers; `Accept-Encoding` is ignored.

mod documents;
mod publish;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use firn_auth::account::AccountId;
use firn_session::CloseReason;
use serde::Serialize;
use tokio::{
    sync::{Mutex, mpsc, oneshot},
    task::JoinSet,
    time::{Instant, MissedTickBehavior, interval, sleep_until},
};

use self::documents::{Connect, Disconnect, ServerEvent};
pub(crate) use self::{
    documents::{Connections, ServerInfo, Statsz},
    publish::publish,
};
use crate::{
    conn::client::Client,
    monitor::{account, json},
    service::{self, Requests},
    state::State,
};

/// Happenings that may wait to be told.
const HAPPENINGS_MAX: usize = 16 * 1024;
/// Numbers are told so soon after the start, then after twice as long each time, up to the longest pause.
const STATSZ_FIRST: Duration = Duration::from_millis(250);
const STATSZ_PAUSE_MAX: Duration = Duration::from_secs(10);
/// How often the connections of an account are told though nothing changed.
const CONNECTIONS_PAUSE: Duration = Duration::from_secs(30);

/// Where connections report their coming and going.
#[derive(Debug)]
pub(crate) struct Events {
    happenings: mpsc::Sender<Happening>,
    /// Numbers the documents.
    last_number: AtomicU64,
    reloads: mpsc::Sender<ReloadReply>,
    reload_requests: Mutex<mpsc::Receiver<ReloadReply>>,
}

/// Takes the outcome of a reload that was asked for.
pub(crate) type ReloadReply = oneshot::Sender<Result<(), String>>;

/// Something worth an event.
#[derive(Debug)]
pub(crate) enum Happening {
    /// A client signed in.
    Connected(Arc<Client>),
    /// A client is gone.
    Disconnected(Arc<Client>, Farewell),
}

/// How a client went.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Farewell {
    pub(crate) reason: CloseReason,
    pub(crate) was_signed_in: bool,
    /// It asked to be let in, with or without success.
    pub(crate) had_sent_connect: bool,
}

impl Events {
    pub(crate) fn new() -> (Self, mpsc::Receiver<Happening>) {
        let (happenings, receiver) = mpsc::channel(HAPPENINGS_MAX);
        let (reloads, reload_requests) = mpsc::channel(1);
        let events = Events {
            happenings,
            last_number: AtomicU64::new(0),
            reloads,
            reload_requests: Mutex::new(reload_requests),
        };
        (events, receiver)
    }

    /// Told when a client has signed in. More than can be told are dropped: an event is no promise.
    pub(crate) fn connected(&self, client: &Arc<Client>) {
        let _ = self.happenings.try_send(Happening::Connected(Arc::clone(client)));
    }

    /// Told when a client is gone.
    pub(crate) fn disconnected(&self, client: &Arc<Client>, farewell: Farewell) {
        let _ = self.happenings.try_send(Happening::Disconnected(Arc::clone(client), farewell));
    }

    /// The number of the next document.
    pub(crate) fn next_number(&self) -> u64 {
        self.last_number.fetch_add(1, Relaxed) + 1
    }

    /// Returns when somebody asks over NATS to read the configuration again; who calls this does so and replies.
    /// Cancel-safe.
    pub(crate) async fn reload_asked(&self) -> ReloadReply {
        let mut requests = self.reload_requests.lock().await;
        requests.recv().await.expect("the sender lives as long as this")
    }

    /// Asks to read the configuration again.
    ///
    /// # Errors
    /// Why the configuration in force stays, or that nobody reads it.
    pub(crate) async fn reload(&self) -> Result<(), String> {
        let (reply, outcome) = oneshot::channel();
        if self.reloads.try_send(reply).is_err() {
            return Err("a reload is under way".to_owned());
        }
        outcome.await.unwrap_or_else(|_| Err("the configuration cannot be read now".to_owned()))
    }
}

/// Subscribes to the requests that the server answers: before it takes clients, so that none of theirs goes unheard.
pub(crate) fn listen(state: &State) -> Requests {
    if state.options.load().no_system_account { service::no_requests() } else { service::subscribe(state) }
}

/// Tells what happens and answers requests until the task is dropped.
pub(crate) async fn run(state: Arc<State>, mut happenings: mpsc::Receiver<Happening>, mut requests: Requests) {
    let is_mute = state.options.load().no_system_account;
    // The only requests that take time; the others do not wait for them.
    let mut reloads = JoinSet::new();
    let mut statsz_pause = STATSZ_FIRST;
    let mut statsz_at = Instant::now() + statsz_pause;
    let mut connections_tick = interval(CONNECTIONS_PAUSE);
    connections_tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        // Cancel-safe: what a branch takes is dealt with before the next round.
        tokio::select! {
            happening = happenings.recv() => match happening {
                Some(happening) if !is_mute => tell(&state, &happening),
                Some(_) => {}
                None => return,
            },
            Some(request) = requests.next() => if request.is_reload() {
                let state = Arc::clone(&state);
                reloads.spawn(async move { service::answer_reload(&state, &request).await });
            } else {
                service::answer(&state, &request);
            },
            Some(_) = reloads.join_next() => {}
            () = sleep_until(statsz_at), if !is_mute => {
                tell_statsz(&state);
                statsz_pause = (statsz_pause * 2).min(STATSZ_PAUSE_MAX);
                statsz_at = Instant::now() + statsz_pause;
            }
            _ = connections_tick.tick(), if !is_mute => {
                for account in state.accounts.iter() {
                    if state.totals.of_account(account.id).connections.load(Relaxed) > 0 {
                        tell_connections(&state, account.id);
                    }
                }
            }
        }
    }
}

/// Tells that the server takes no clients any more.
pub(crate) fn tell_lame_duck(state: &State) {
    tell_server(state, "LAMEDUCK");
}

/// Tells that the server ends; call it while those who listen are still there.
pub(crate) fn tell_shutdown(state: &State) {
    tell_server(state, "SHUTDOWN");
}

fn tell_server(state: &State, what: &str) {
    if !state.options.load().no_system_account {
        let subject = format!("$SYS.SERVER.{}.{what}", state.keys.id);
        say(state, &[&subject], || ServerEvent { server: ServerInfo::next(state) });
    }
}

fn tell_statsz(state: &State) {
    let subject = format!("$SYS.SERVER.{}.STATSZ", state.keys.id);
    say(state, &[&subject], || Statsz::of(state));
}

fn tell(state: &State, happening: &Happening) {
    match happening {
        Happening::Connected(client) => {
            let Some(facts) = client.facts() else { return };
            tell_connections(state, facts.account);
            let subject = format!("$SYS.ACCOUNT.{}.CONNECT", facts.account_name);
            say(state, &[&subject], || Connect::of(state, client));
        }
        Happening::Disconnected(client, Farewell { reason, was_signed_in, had_sent_connect }) => {
            let facts = client.facts();
            let account = facts.as_deref().map_or("$G", |facts| &facts.account_name);
            if let (true, Some(facts)) = (was_signed_in, facts.as_deref()) {
                tell_connections(state, facts.account);
            }
            if *reason == CloseReason::AuthenticationViolation {
                if *had_sent_connect {
                    let account = facts.as_deref().map_or(AccountId::GLOBAL, |facts| facts.account);
                    let document = || Disconnect::of(state, client, reason.text());
                    say_in(state, account, "$SYS.ACCOUNT.CLIENT.AUTH.ERR", document);
                }
                let subject = format!("$SYS.SERVER.{}.CLIENT.AUTH.ERR", state.keys.id);
                say(state, &[&subject], || Disconnect::of(state, client, reason.text()));
            }
            let subject = format!("$SYS.ACCOUNT.{account}.DISCONNECT");
            say(state, &[&subject], || Disconnect::of(state, client, reason.text()));
        }
    }
}

/// Tells how many clients an account has. Nobody is told of `$G`, as in nats-server.
fn tell_connections(state: &State, id: AccountId) {
    let Some(account) = state.accounts.by_id(id).filter(|_| id != AccountId::GLOBAL) else { return };
    let subjects =
        [format!("$SYS.SERVER.ACCOUNT.{}.CONNS", account.name), format!("$SYS.ACCOUNT.{}.SERVER.CONNS", account.name)];
    say(state, &[&subjects[0], &subjects[1]], || Connections::of(state, account::stat(state, account)));
}

/// Publishes a document in `$SYS`, made only where somebody listens.
fn say<T: Serialize>(state: &State, subjects: &[&str], document: impl Fn() -> T) {
    for subject in subjects {
        say_in(state, AccountId::SYSTEM, subject, &document);
    }
}

/// Publishes a document in an account, made only where somebody listens.
fn say_in<T: Serialize>(state: &State, account: AccountId, subject: &str, document: impl Fn() -> T) {
    let subject = subject.as_bytes();
    if state.accounts.by_id(account).is_some_and(|account| account.is_interested(subject)) {
        let payload = json::compact(&document());
        publish(state, account, subject, Some(b""), b"", payload.as_bytes());
    }
}

#[cfg(test)]
mod tests;
