//! Clients without sockets, for tests and fuzzing: what is written to them stays in memory, and time is an argument.
//!
//! Not here: a bound on what waits for a client, or anything else that needs a real connection.

use std::{mem, sync::Arc};

use bytes::Bytes;
use firn_auth::authenticate::{ConnectionType, PasswordCheck};
use firn_id::Monotonic;
use firn_router::{Delivered, Message, Port, Subscription};
use firn_subject::interest::Identity;
use firn_wire::client::encode;
#[expect(clippy::disallowed_types, reason = "leaf lock: each has its reason where it stands")]
use parking_lot::Mutex;

use crate::{Accounts, Close, CloseReason, Link, Origin, Session, Settings, Turn, Wait};

/// A client's port whose bytes are kept until they are taken.
#[derive(Clone, Debug)]
pub struct MemoryPort(Arc<Client>);

#[derive(Debug, Default)]
#[expect(clippy::disallowed_types, reason = "leaf lock: publishers append, the test takes")]
struct Client {
    outbox: Mutex<Outbox>,
}

#[derive(Debug, Default)]
struct Outbox {
    bytes: Vec<u8>,
    keeps_headers: bool,
    finished: Vec<Arc<Subscription<MemoryPort>>>,
}

/// Makes a publisher pause after so many deliveries, as a full outbox does.
#[derive(Clone, Copy, Debug)]
pub struct Batch {
    deliveries_left: usize,
}

impl PartialEq for MemoryPort {
    fn eq(&self, other: &MemoryPort) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for MemoryPort {}

impl Port for MemoryPort {
    type Batch = Batch;

    fn deliver(&self, subscription: &Arc<Subscription<Self>>, message: &Message<'_>, batch: &mut Batch) -> Delivered {
        let mut outbox = self.0.outbox.lock();
        if subscription.is_closed() {
            return Delivered::Refused;
        }
        batch.deliveries_left = batch.deliveries_left.saturating_sub(1);
        let cut = if outbox.keeps_headers { 0 } else { message.header_bytes };
        append(&mut outbox.bytes, subscription.sid(), message, cut);
        if !subscription.count_delivery() {
            return Delivered::Taken;
        }
        outbox.finished.push(Arc::clone(subscription));
        Delivered::TakenLast
    }
}

impl Identity for MemoryPort {
    fn identity(&self) -> usize {
        self.0.identity()
    }
}

fn append(out: &mut Vec<u8>, sid: &[u8], message: &Message<'_>, cut: usize) {
    let Message { subject, reply, header_bytes, header_token, total_token, tail, body, .. } = *message;
    let body = body.as_slice();
    if cut == 0 && !tail.is_empty() {
        return encode::message_in_one_piece(out, header_bytes > 0, subject, sid, tail);
    }
    if cut > 0 {
        let size = encode::SizeToken::new(body.len() - b"\r\n".len() - cut);
        encode::message_line(out, subject, sid, reply, size.as_bytes());
    } else if header_bytes > 0 {
        encode::header_message_line(out, subject, sid, reply, header_token, total_token);
    } else {
        encode::message_line(out, subject, sid, reply, total_token);
    }
    out.extend_from_slice(body.get(cut..).expect("headers are inside the body"));
}

impl Link for MemoryPort {
    fn write(&self, bytes: &[u8], _batch: &mut Batch) {
        self.0.outbox.lock().bytes.extend_from_slice(bytes);
    }

    fn share(&self, body: Bytes) -> Bytes {
        body
    }

    fn set_headers(&self, headers: bool) {
        self.0.outbox.lock().keeps_headers = headers;
    }

    fn is_full(batch: &Batch) -> bool {
        batch.deliveries_left == 0
    }

    fn without_deliveries(&self, change: impl FnOnce()) {
        let _outbox = self.0.outbox.lock();
        change();
    }

    fn take_finished(&self) -> Vec<Arc<Subscription<Self>>> {
        mem::take(&mut self.0.outbox.lock().finished)
    }
}

/// A client with its session: does what a server's task does, except that passwords are checked on the spot.
#[derive(Debug)]
pub struct MemoryClient {
    port: MemoryPort,
    session: Session<MemoryPort>,
    /// Bytes that make no complete operation yet.
    rest: Vec<u8>,
    deliveries_max: usize,
    end: Option<Close>,
    /// The outcome of a password check is a matter of the test's.
    holds_checks: bool,
}

impl MemoryClient {
    /// A client that was accepted at `now` and has been greeted. `client_id` also seeds what is random.
    pub fn connect(
        settings: &Arc<Settings>,
        accounts: &Arc<Accounts<MemoryPort>>,
        client_id: u64,
        nonce: Option<&str>,
        now: Monotonic,
    ) -> MemoryClient {
        let port = MemoryPort(Arc::default());
        let origin = Origin {
            client_id,
            address: Some(([127, 0, 0, 1], 50_000).into()),
            nonce: nonce.map(Into::into),
            certificate: None,
            connection_type: ConnectionType::Standard,
        };
        let session = Session::new(port.clone(), Arc::clone(settings), Arc::clone(accounts), origin, client_id, now);
        let mut client = MemoryClient {
            port,
            session,
            rest: Vec::new(),
            deliveries_max: usize::MAX,
            end: None,
            holds_checks: false,
        };
        client.turn(now, |session, turn| session.greet(turn));
        client
    }

    /// Makes it pause after so many deliveries, at least one, as a publisher does whose receivers are full.
    pub fn pause_after(&mut self, deliveries: usize) {
        self.deliveries_max = deliveries.max(1);
    }

    /// The client sends; nothing happens any more once its connection has ended.
    pub fn send(&mut self, bytes: &[u8], now: Monotonic) {
        self.rest.extend_from_slice(bytes);
        while self.end.is_none() {
            let input = mem::take(&mut self.rest);
            let received = match self.turn(now, |session, turn| session.receive(&input, turn)) {
                Ok(received) => received,
                Err(close) => return self.finish(close),
            };
            assert!(received.used <= input.len(), "more was used than given");
            self.rest = input.get(received.used..).unwrap_or_default().to_vec();
            match received.wait {
                Wait::Input => return,
                Wait::Room => {}
                Wait::Password(_) if self.holds_checks => return,
                Wait::Password(check) => self.verify(check, now),
            }
        }
    }

    /// From now on password checks have no outcome, until [`MemoryClient::verified_late`].
    pub fn hold_checks(&mut self) {
        self.holds_checks = true;
    }

    /// A password check took too long.
    pub fn verified_late(&mut self, now: Monotonic) {
        let close = self.turn(now, |session, turn| session.verified_late(turn));
        self.finish(close);
    }

    /// Like [`MemoryClient::send`], but what belongs to a large payload is put into its place, as a server's reads do.
    pub fn send_in_place(&mut self, bytes: &[u8], now: Monotonic) {
        let mut bytes = bytes;
        while let Some((body, missing)) = self.session.body_room() {
            let (ours, rest) = bytes.split_at(missing.min(bytes.len()));
            body.extend_from_slice(ours);
            bytes = rest;
            self.send(&[], now);
            if bytes.is_empty() {
                return;
            }
        }
        self.send(bytes, now);
    }

    fn verify(&mut self, check: Box<PasswordCheck>, now: Monotonic) {
        let identity = check.run();
        if let Err(close) = self.turn(now, |session, turn| session.verified(identity, turn)) {
            self.finish(close);
        }
    }

    /// When [`MemoryClient::tick`] is due; `None` after the end.
    pub fn deadline(&self) -> Option<Monotonic> {
        self.end.is_none().then(|| self.session.deadline())
    }

    /// Time has come to `now`.
    pub fn tick(&mut self, now: Monotonic) {
        if self.end.is_none()
            && let Err(close) = self.turn(now, |session, turn| session.tick(turn))
        {
            self.finish(close);
        }
    }

    /// The settings have changed.
    pub fn reload(&mut self, settings: &Arc<Settings>, now: Monotonic) {
        if self.end.is_some() {
            return;
        }
        let settings = Arc::clone(settings);
        let outcome = self.turn(now, |session, turn| {
            let check = session.reload(settings, turn)?;
            check.map_or(Ok(()), |check| session.reverified(check.run(), turn))
        });
        if let Err(close) = outcome {
            self.finish(close);
        }
    }

    /// The client may not stay.
    pub fn refuse(&mut self, reason: CloseReason, text: &str, now: Monotonic) {
        self.take();
        let close = self.turn(now, |session, turn| session.refuse(reason, text, turn));
        self.finish(close);
    }

    /// The client closes its connection.
    pub fn close(&mut self) {
        self.finish(Close::silently(CloseReason::ClientClosed));
    }

    fn finish(&mut self, close: Close) {
        if self.end.is_none() {
            self.end = Some(close);
            self.session.close();
        }
    }

    fn turn<T>(
        &mut self,
        now: Monotonic,
        call: impl FnOnce(&mut Session<MemoryPort>, &mut Turn<'_, MemoryPort>) -> T,
    ) -> T {
        let mut batch = Batch { deliveries_left: self.deliveries_max };
        call(&mut self.session, &mut Turn { now, batch: &mut batch })
    }

    /// Whether anything was written to the client since [`MemoryClient::take`].
    pub fn has_output(&self) -> bool {
        !self.port.0.outbox.lock().bytes.is_empty()
    }

    /// Takes what was written to the client since the last time.
    pub fn take(&mut self) -> Vec<u8> {
        mem::take(&mut self.port.0.outbox.lock().bytes)
    }

    /// How its connection ended, if it has.
    pub fn end(&self) -> Option<Close> {
        self.end
    }

    /// Its session.
    pub fn session(&self) -> &Session<MemoryPort> {
        &self.session
    }

    /// Its port.
    pub fn port(&self) -> &MemoryPort {
        &self.port
    }
}
