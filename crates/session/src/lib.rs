//! A client connection without its socket: bytes in; messages to other ports, replies to its own port and an end out.
//!
//! ```text
//!              receive(bytes)            ┌─────────────┐   Port::deliver(subscription, message)   other clients
//!   socket ──────────────────────────►   │   Session   │ ──────────────────────────────────────►
//!              tick(now), verified(..)   │             │   Link::write(bytes)                     own outbox
//!   clock, password pool, reload ─────►  └─────────────┘ ──────────────────────────────────────►
//!                                          Err(Close): say nothing more, flush, close
//! ```
//!
//! Calls, in the order in which a server makes them: [`Session::greet`] once; then [`Session::receive`] with whatever
//! arrived, [`Session::tick`] when [`Session::deadline`] has come, [`Session::verified`] when a password check that it
//! asked for is done, [`Session::reload`] when the settings changed; at last [`Session::close`], which drops its
//! subscriptions. `now` never runs backwards between calls.
//!
//! Not here: sockets, tasks, TLS, other kinds of peer.

mod connect;
mod deadline;
mod end;
pub mod fuzzing;
mod gather;
pub mod memory;
mod publish;
mod quote;
mod settings;
mod subscribe;
mod table;

use std::sync::Arc;

use bytes::Bytes;
use firn_auth::authenticate::{BcryptHash, Identity, PasswordCheck};
use firn_id::Monotonic;
use firn_router::{Account, Cache, Picker, Port, Receiver, Subscription};
use firn_subject::interest::Matches;
use firn_wire::client::{
    connect::Connect,
    decode::{self, ClientOp, Step},
    encode,
};

pub use end::{Close, CloseReason};
pub use settings::{Accounts, Origin, Settings};

use crate::{connect::Stage, deadline::Timers, gather::Gather, publish::Destination, table::Subscriptions};

/// A client's port as its own session uses it.
pub trait Link: Port {
    /// Appends bytes for this client, in order with the messages delivered to it.
    fn write(&self, bytes: &[u8], batch: &mut Self::Batch);

    /// Takes a large body into account before it is shared between receivers.
    fn share(&self, body: Bytes) -> Bytes;

    /// Whether messages to this client keep their headers.
    fn set_headers(&self, headers: bool);

    /// Whether the publisher should stop here: it filled somebody's queue, or had its share of this turn.
    fn is_full(batch: &Self::Batch) -> bool;

    /// Runs `change` while no delivery to this client is under way.
    fn without_deliveries(&self, change: impl FnOnce());

    /// Subscriptions of this client that ended by their own limit since the last call.
    fn take_finished(&self) -> Vec<Arc<firn_router::Subscription<Self>>>;
}

/// One turn of a connection: the time it has, and what it gathers for after.
#[derive(Debug)]
pub struct Turn<'a, P: Port> {
    /// When the turn began.
    pub now: Monotonic,
    /// What deliveries gather.
    pub batch: &'a mut P::Batch,
}

/// How far [`Session::receive`] came.
#[derive(Debug)]
pub struct Received {
    /// Bytes that are done with; the rest is to be passed again, with more behind it.
    pub used: usize,
    /// What the session waits for.
    pub wait: Wait,
}

/// What a session waits for.
#[derive(Debug)]
pub enum Wait {
    /// More bytes.
    Input,
    /// Room: write the batch out, let others run, then pass the rest again.
    Room,
    /// The outcome of this check, by [`Session::verified`]; pass nothing before.
    Password(Box<PasswordCheck>),
}

/// What a client published so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Published {
    /// Messages published.
    pub messages: u64,
    /// Their header and payload bytes.
    pub bytes: u64,
}

/// A client connection as a state machine.
#[derive(Debug)]
pub struct Session<P: Link> {
    port: P,
    settings: Arc<Settings>,
    accounts: Arc<Accounts<P>>,
    origin: Origin,
    stage: Stage,
    connect: Connect,
    identity: Option<Arc<Identity>>,
    /// What the password of the last `CONNECT` is compared with; who is connected has matched it.
    checked: Option<BcryptHash>,
    account: Arc<Account<P>>,
    receiver: Option<Arc<Receiver>>,
    subscriptions: Subscriptions<P>,
    /// Changes of interest that others cannot see yet.
    has_staged: bool,
    cache: Cache<Destination<P>>,
    /// The destination of the last subject that the cache did not keep.
    uncached: Destination<P>,
    /// The last destination may take messages in runs: whether it is worth trying.
    may_run: bool,
    /// Subscriptions that took the last message they asked for, of the publish at hand.
    finished: Vec<Arc<Subscription<P>>>,
    /// Reused from search to search.
    matches: Matches<Arc<Subscription<P>>>,
    gather: Option<Box<Gather>>,
    picker: Picker,
    timers: Timers,
    received: Published,
}

impl<P: Link> Session<P> {
    /// A connection that was just accepted at `now`. `seed` is random.
    pub fn new(
        port: P,
        settings: Arc<Settings>,
        accounts: Arc<Accounts<P>>,
        origin: Origin,
        seed: u64,
        now: Monotonic,
    ) -> Self {
        let account = Arc::clone(accounts.global());
        let stage = if settings.directory.is_required() { Stage::SignInFirst } else { Stage::Open };
        let timers = Timers::new(now, &settings, stage);
        Session {
            port,
            accounts,
            origin,
            stage,
            connect: Connect::default(),
            identity: None,
            checked: None,
            account,
            receiver: None,
            subscriptions: Subscriptions::new(seed),
            has_staged: false,
            cache: Cache::new(seed),
            uncached: Destination::Denied,
            may_run: false,
            finished: Vec::new(),
            matches: Matches::default(),
            gather: None,
            picker: Picker::new(seed),
            timers,
            received: Published::default(),
            settings,
        }
    }

    /// Says `INFO`.
    pub fn greet(&mut self, turn: &mut Turn<'_, P>) {
        let mut text = Vec::new();
        self.settings.info_for(&self.origin).encode(&mut text);
        self.port.write(&text, turn.batch);
    }

    /// Says `INFO`, and why the client may not stay.
    pub fn refuse(&mut self, reason: CloseReason, text: &str, turn: &mut Turn<'_, P>) -> Close {
        self.greet(turn);
        self.end(reason, text, turn)
    }

    /// Takes what arrived. Bytes of a large payload are better read straight into [`Session::body_room`].
    ///
    /// # Errors
    /// The connection is over; everything that is to be said was written.
    pub fn receive(&mut self, input: &[u8], turn: &mut Turn<'_, P>) -> Result<Received, Close> {
        self.timers.heard(turn.now);
        self.forget_finished();
        let outcome = self.receive_all(input, turn);
        self.show_interest();
        outcome
    }

    fn receive_all(&mut self, input: &[u8], turn: &mut Turn<'_, P>) -> Result<Received, Close> {
        if self.stage == Stage::Verifying {
            // Nobody in particular until the outcome is known, so nothing is done in anybody's name.
            return Ok(Received { used: 0, wait: Wait::Input });
        }
        let limits = self.limits();
        let mut used = self.gather_from(input, turn)?;
        if self.gather.is_some() {
            return Ok(Received { used, wait: Wait::Input });
        }
        // Decoded in the search for more messages to one subject, and not used yet.
        let mut ahead = None;
        loop {
            if P::is_full(turn.batch) {
                return Ok(Received { used, wait: Wait::Room });
            }
            let rest = input.get(used..).unwrap_or_default();
            if self.stage == Stage::SignInFirst {
                self.expect_connect(rest, turn)?;
            } else if let Some((publish, length)) = ahead.take().or_else(|| decode::usual_publish(rest, &limits)) {
                used += length;
                self.publish(&publish, turn)?;
                ahead = self.publish_more(publish.line.subject, input, &mut used, &limits, turn);
                continue;
            }
            match decode::next(rest, &limits) {
                Ok(Step::Op(operation, length)) => {
                    used += length;
                    if let Some(check) = self.control(operation, turn)? {
                        return Ok(Received { used, wait: Wait::Password(check) });
                    }
                }
                Ok(Step::Body { line, line_bytes }) => {
                    if let Some(gather) = Gather::begin(&line, rest.get(line_bytes..).unwrap_or_default()) {
                        self.gather = Some(Box::new(gather));
                        return Ok(Received { used: input.len(), wait: Wait::Input });
                    }
                    return Ok(Received { used, wait: Wait::Input });
                }
                Ok(Step::More) => return Ok(Received { used, wait: Wait::Input }),
                Err(error) => return Err(self.refuse_bytes(&error, turn)),
            }
        }
    }

    /// Everything that is not a publish; rare enough to be out of the way.
    #[inline(never)]
    fn control(
        &mut self,
        operation: ClientOp<'_>,
        turn: &mut Turn<'_, P>,
    ) -> Result<Option<Box<PasswordCheck>>, Close> {
        match operation {
            ClientOp::Connect(json) => return self.sign_in(json, turn),
            ClientOp::Subscribe { subject, queue, sid } => self.subscribe(subject, queue, sid, turn)?,
            ClientOp::Unsubscribe { sid, max } => self.unsubscribe(sid, max, turn),
            ClientOp::Ping => self.ping(turn),
            ClientOp::Pong => self.timers.pong(turn.now),
            ClientOp::Publish(publish) => self.publish(&publish, turn)?,
            ClientOp::Ok | ClientOp::Info(_) => {}
            ClientOp::Err(_) => return Err(Close::silently(CloseReason::ClientClosed)),
        }
        Ok(None)
    }

    fn ping(&mut self, turn: &mut Turn<'_, P>) {
        // Who pings in order to know that its subscriptions are in place must not hear back before they are.
        self.show_interest();
        self.timers.heard_ping(turn.now);
        self.port.write(encode::PONG, turn.batch);
        // Whom a user stood in for counts as having sent its `CONNECT`.
        let is_let_in = self.stage == Stage::Connected || self.identity.is_some();
        if is_let_in && self.timers.is_first_ping() {
            self.after_first_pong(turn);
        }
    }

    /// Makes staged subscriptions visible to publishers.
    fn show_interest(&mut self) {
        if self.has_staged {
            self.has_staged = false;
            self.account.publish();
        }
    }

    /// Ends the session: nothing is delivered to it any more.
    pub fn close(&mut self) {
        self.drop_subscriptions();
        self.cache.clear();
        self.uncached = Destination::Denied;
        self.gather = None;
    }

    /// Whether this client was let in.
    pub fn is_signed_in(&self) -> bool {
        matches!(self.stage, Stage::Connected)
    }

    /// Whether a `CONNECT` came, whatever became of it.
    pub fn has_sent_connect(&self) -> bool {
        self.timers.has_heard_connect()
    }

    /// Whether nothing but a `CONNECT` will do now.
    pub fn must_sign_in(&self) -> bool {
        matches!(self.stage, Stage::SignInFirst | Stage::Verifying)
    }

    /// Who the client proved to be; nobody in particular without authentication.
    pub fn identity(&self) -> Option<&Arc<Identity>> {
        self.identity.as_ref()
    }

    /// What the client said of itself.
    pub fn connect(&self) -> &Connect {
        &self.connect
    }

    /// Where the client comes from.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// The account that its subjects belong to.
    pub fn account(&self) -> &Arc<Account<P>> {
        &self.account
    }

    /// How many subscriptions it holds.
    pub fn subscription_count(&self) -> usize {
        self.subscriptions.len()
    }

    /// Its subscriptions.
    pub fn subscriptions(&self) -> impl Iterator<Item = &Arc<firn_router::Subscription<P>>> {
        self.subscriptions.iter()
    }

    /// What it published so far.
    pub fn received(&self) -> Published {
        self.received
    }

    /// Tells the client of a failure that does not end the connection.
    fn complain(&self, text: &str, turn: &mut Turn<'_, P>) {
        let mut line = Vec::new();
        encode::error(&mut line, text);
        self.port.write(&line, turn.batch);
    }

    /// Tells the client why its connection ends.
    fn end(&self, reason: CloseReason, text: &str, turn: &mut Turn<'_, P>) -> Close {
        self.complain(text, turn);
        Close { reason, told: true }
    }

    fn ok_if_verbose(&self, turn: &mut Turn<'_, P>) {
        if self.connect.verbose {
            self.port.write(encode::OK, turn.batch);
        }
    }
}

#[cfg(test)]
mod tests;
