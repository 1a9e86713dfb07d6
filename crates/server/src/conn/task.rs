//! A client's own task: one loop that reads, writes when the socket was full, keeps deadlines and obeys orders.
//!
//! It is one hand-written poll: four sources of readiness registered together cost less than a `select!` that makes and
//! drops a future for each at every round. Everything in it is cancel-safe, because nothing is kept between polls but
//! what the struct holds.

use std::{
    future::{Future, poll_fn},
    io,
    pin::Pin,
    sync::{Arc, atomic::Ordering::Relaxed},
    task::{Context, Poll},
    time::Duration,
};

use firn_auth::authenticate::PasswordCheck;
use firn_id::Monotonic;
use firn_router::Subscription;
use firn_session::{Close, CloseReason, Session, Turn, Wait};
use firn_wire::client::decode::Limits;
use tokio::time::Sleep;

use super::{
    client::{Client, Facts},
    port::{Batch, Port},
    registry::{Closed, SUBSCRIPTIONS_MAX},
    trace::Trace,
    transport::Transport,
    worker::{self, READ_BYTES},
};
use crate::{clock, events::Farewell, state::State};

/// Bytes that may wait unparsed for a client that has not signed in, unless `max_control_line` is set higher.
const UNKNOWN_CLIENT_BYTES_MAX: usize = 16 * 1024;
/// A payload with so much missing is read straight into its own memory.
const DIRECT_READ_BYTES_MIN: usize = 16 * 1024;
/// Reads before others on this thread get their turn.
const TURNS_MAX: u32 = 4;
/// Longest that a publisher waits for a target that is behind or for memory, per read batch.
const PACE_MAX: Duration = Duration::from_millis(10);
/// How often it looks.
const PACE_STEP: Duration = Duration::from_millis(1);
/// A client that is told something last gets so long to read it.
const LAST_WORDS: Duration = Duration::from_millis(500);
/// When the server stops, clients that say nothing are not waited for longer than this once all is written.
const LAST_LOOK: Duration = Duration::from_millis(10);

/// A client connection with everything that its task owns.
pub(crate) struct Connection {
    state: Arc<State>,
    client: Arc<Client>,
    session: Session<Port>,
    transport: Transport,
    /// Bytes that arrived and make no complete operation yet.
    tail: Vec<u8>,
    /// The tail holds operations that were put off, not half of one.
    has_backlog: bool,
    /// The transport holds bytes of its own that it could not write yet.
    is_flushing: bool,
    sleep: Pin<Box<Sleep>>,
    armed: Monotonic,
    was_signed_in: bool,
    counted: (u64, u64),
    /// Bytes at the front of the tail that the log has shown already.
    traced: usize,
    end: CloseReason,
    /// What it was subscribed to when it ended.
    last_subscriptions: Vec<Arc<Subscription<Port>>>,
}

/// Whether the client has had its `INFO`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Greeting {
    /// Not yet.
    Owed,
    /// Before its TLS handshake.
    Said,
}

/// Why the poll returned.
enum Event {
    End(Close),
    Verify(Box<PasswordCheck>),
    Reverify(Box<PasswordCheck>),
    /// Let others run, and this one catch up.
    Pace(Option<Arc<Client>>),
}

impl Connection {
    pub(crate) fn new(state: Arc<State>, client: Arc<Client>, session: Session<Port>, transport: Transport) -> Self {
        let armed = session.deadline();
        Connection {
            state,
            client,
            session,
            transport,
            tail: Vec::new(),
            has_backlog: false,
            is_flushing: false,
            sleep: Box::pin(tokio::time::sleep_until(clock::instant(armed))),
            armed,
            was_signed_in: false,
            counted: (0, 0),
            traced: 0,
            end: CloseReason::InternalError,
            last_subscriptions: Vec::new(),
        }
    }

    /// Serves the client until its end.
    ///
    /// By reference, here and below: each `async fn` that takes the connection by value would hold a copy of its own,
    /// and the task is most of what an idle client costs. What is awaited rarely is boxed for the same reason.
    pub(crate) async fn run(&mut self, greeting: Greeting) {
        let close = self.serve(greeting).await;
        Box::pin(self.finish(close)).await;
    }

    /// Tells the client why it may not stay, and ends.
    pub(crate) async fn refuse(&mut self, reason: CloseReason, text: &'static str) {
        let close = self.turn(|session, turn| session.refuse(reason, text, turn));
        Box::pin(self.finish(close)).await;
    }

    async fn finish(&mut self, close: Close) {
        self.end = close.reason;
        self.log_end();
        // Nothing is delivered to it any more, but what is queued may still be worth sending.
        worker::with(|worker| {
            worker.batch.now = clock::monotonic();
            self.leave();
            worker.batch.flush();
        });
        if close.told {
            let _ = tokio::time::timeout(LAST_WORDS, self.say_last_words()).await;
        }
    }

    /// Says `INFO`, unless it was said, and serves.
    async fn serve(&mut self, greeting: Greeting) -> Close {
        tracing::debug!(client = self.client.label(), "Client connection created");
        if greeting == Greeting::Owed {
            self.turn(|session, turn| session.greet(turn));
        }
        loop {
            let outcome = match poll_fn(|context| self.poll_event(context)).await {
                Event::End(close) => return close,
                Event::Verify(check) => {
                    let verified = Box::pin(self.verify(check)).await;
                    self.turn(|session, turn| match verified {
                        Some(identity) => session.verified(identity, turn),
                        None => Err(session.verified_late(turn)),
                    })
                }
                Event::Reverify(check) => {
                    let address = self.client.address.map(|address| address.ip());
                    let verified = Box::pin(self.state.passwords.check_patiently(*check, address)).await;
                    self.turn(|session, turn| session.reverified(verified, turn))
                }
                Event::Pace(behind) => {
                    Box::pin(self.pace(behind)).await;
                    Ok(())
                }
            };
            if let Err(close) = outcome {
                return close;
            }
            self.note_sign_in();
        }
    }

    /// `None` when the sign-in deadline came first.
    async fn verify(&self, check: Box<PasswordCheck>) -> Option<Option<Arc<firn_auth::authenticate::Identity>>> {
        let deadline = clock::instant(self.session.verify_deadline(clock::monotonic()));
        let address = self.client.address.map(|address| address.ip());
        tokio::time::timeout_at(deadline, self.state.passwords.check(*check, address)).await.ok()
    }

    /// Waits for the target that is behind, and for memory.
    async fn pace(&self, behind: Option<Arc<Client>>) {
        if let Some(behind) = &behind {
            behind.counters.stalls.fetch_add(1, Relaxed);
            self.state.totals.stalled_clients.fetch_add(1, Relaxed);
        }
        let begin = clock::monotonic();
        tokio::task::yield_now().await;
        while (self.state.budget.is_exceeded() || behind.as_ref().is_some_and(|behind| behind.is_behind()))
            && clock::monotonic().since(begin) < PACE_MAX
        {
            tokio::time::sleep(PACE_STEP).await;
        }
    }

    fn poll_event(&mut self, context: &mut Context<'_>) -> Poll<Event> {
        let client = Arc::clone(&self.client);
        client.outbox.register(context);
        let status = client.outbox.status();
        if let Some(reason) = status.closing {
            // In these cases what waits for the client is worth sending.
            let told = matches!(reason, CloseReason::ServerShutdown | CloseReason::MaxConnectionsExceeded);
            return Poll::Ready(Event::End(Close { reason, told }));
        }
        if status.orders != Default::default()
            && let Some(event) = self.obey()
        {
            return Poll::Ready(event);
        }
        let now = clock::monotonic();
        if status.must_write || self.is_flushing {
            let written = self.transport.poll_write(context, &client.outbox, now);
            self.is_flushing = written.is_pending();
            if self.is_flushing {
                self.arm(client.outbox.status().progress + self.state.write_deadline());
            }
        }
        for _ in 0..TURNS_MAX {
            match self.poll_turn(context) {
                Poll::Ready(Some(event)) => return Poll::Ready(event),
                Poll::Ready(None) => {}
                Poll::Pending => return self.poll_deadline(context),
            }
        }
        // There is more to read, but others come first.
        context.waker().wake_by_ref();
        self.poll_deadline(context)
    }

    /// One read and everything that follows from it.
    fn poll_turn(&mut self, context: &mut Context<'_>) -> Poll<Option<Event>> {
        worker::with(|worker| {
            let waiting = self.tail.len();
            let mut arrived = usize::MAX;
            let outcome = if std::mem::take(&mut self.has_backlog) {
                let backlog = std::mem::take(&mut self.tail);
                self.receive(&backlog, &mut worker.batch)
            } else if let Some((body, missing)) = self.session.body_room()
                && missing >= DIRECT_READ_BYTES_MIN
            {
                match self.transport.poll_read_body(context, body, missing) {
                    Poll::Pending => return Poll::Pending,
                    Poll::Ready(Ok(0)) => return Poll::Ready(Some(closed_by_client())),
                    Poll::Ready(Ok(_)) => self.receive(&[], &mut worker.batch),
                    Poll::Ready(Err(error)) => return Poll::Ready(Some(read_error(&error))),
                }
            } else {
                let room = if self.session.must_sign_in() { self.unknown_client_bytes_max() } else { usize::MAX };
                if waiting + READ_BYTES / 2 > worker.buffer.len() {
                    // A control line longer than the buffer, which the configuration allows.
                    worker.buffer.resize(waiting + READ_BYTES, 0);
                }
                let (front, rest) = worker.buffer.split_at_mut(waiting);
                front.copy_from_slice(&self.tail);
                let room = room.saturating_sub(waiting).clamp(1, rest.len());
                match self.transport.poll_read(context, &mut rest[..room]) {
                    Poll::Pending => return Poll::Pending,
                    Poll::Ready(Ok(0)) => return Poll::Ready(Some(closed_by_client())),
                    Poll::Ready(Ok(count)) => {
                        self.tail.clear();
                        arrived = count;
                        self.receive(&worker.buffer[..waiting + count], &mut worker.batch)
                    }
                    Poll::Ready(Err(error)) => return Poll::Ready(Some(read_error(&error))),
                }
            };
            if self.tail.is_empty() {
                self.tail = Vec::new();
            }
            worker.linger.turn(&self.client, arrived, worker.batch.touched());
            worker.batch.flush();
            let behind = worker.batch.behind.take();
            self.count(&mut worker.batch);
            Poll::Ready(match outcome {
                Err(close) => Some(Event::End(close)),
                Ok(Wait::Input) => {
                    self.note_sign_in();
                    None
                }
                Ok(Wait::Room) => Some(Event::Pace(behind)),
                Ok(Wait::Password(check)) => Some(Event::Verify(check)),
            })
        })
    }

    /// Room for what a client sends before it has signed in: one line of any length that is allowed, and some more.
    #[cold]
    fn unknown_client_bytes_max(&self) -> usize {
        let line = usize::try_from(self.state.options.load().max_control_line).unwrap_or(usize::MAX);
        UNKNOWN_CLIENT_BYTES_MAX.max(line.saturating_add(UNKNOWN_CLIENT_BYTES_MAX / 4))
    }

    /// Passes bytes to the session and keeps what it does not use.
    fn receive(&mut self, input: &[u8], batch: &mut Batch) -> Result<Wait, Close> {
        let now = clock::monotonic();
        batch.now = now;
        if self.state.panic_subject.is_some() {
            self.inject_panic(input);
        }
        batch.trace = Trace::asked(|| self.state.options.load().log.clone());
        if let Some(trace) = batch.trace {
            self.trace_input(trace, input);
        }
        let received = self.session.receive(input, &mut Turn { now, batch })?;
        self.traced = self.traced.saturating_sub(received.used);
        self.tail.extend_from_slice(input.get(received.used..).unwrap_or_default());
        self.has_backlog = !matches!(received.wait, Wait::Input) && !self.tail.is_empty();
        self.client.counters.touch(now);
        Ok(received.wait)
    }

    /// For the test that a fault ends one connection only.
    #[cold]
    fn inject_panic(&self, input: &[u8]) {
        let Some(subject) = self.state.panic_subject.as_deref() else { return };
        let publish = [b"PUB ", subject, b" "].concat();
        assert!(!input.windows(publish.len()).any(|window| window == publish), "this subject was asked to panic");
    }

    /// Shows what was not shown before: operations that were put off come here again.
    #[cold]
    fn trace_input(&mut self, trace: Trace, input: &[u8]) {
        // What is left of a large payload is no operation.
        let payload = self.session.body_room().map_or(0, |(_, missing)| missing);
        let begin = self.traced.max(payload).min(input.len());
        let options = self.state.options.load();
        let limits = Limits {
            control_line_bytes_max: usize::try_from(options.max_control_line).unwrap_or(usize::MAX),
            payload_bytes_max: usize::try_from(options.max_payload).ok(),
        };
        self.traced = begin + trace.received(&self.client, input.get(begin..).unwrap_or_default(), &limits);
    }

    fn poll_deadline(&mut self, context: &mut Context<'_>) -> Poll<Event> {
        self.arm(self.session.deadline());
        while self.sleep.as_mut().poll(context).is_ready() {
            let now = clock::monotonic();
            let status = self.client.outbox.status();
            let write_deadline = status.progress + self.state.write_deadline();
            if status.must_write && write_deadline <= now {
                let reason = CloseReason::SlowConsumerWriteDeadline;
                return Poll::Ready(Event::End(Close { reason, told: false }));
            }
            if let Err(close) = self.turn(|session, turn| session.tick(turn)) {
                return Poll::Ready(Event::End(close));
            }
            let next = self.session.deadline();
            self.rearm(if status.must_write { next.min(write_deadline) } else { next });
        }
        Poll::Pending
    }

    /// Wakes at `deadline` or earlier.
    fn arm(&mut self, deadline: Monotonic) {
        if deadline < self.armed {
            self.rearm(deadline);
        }
    }

    fn rearm(&mut self, deadline: Monotonic) {
        self.armed = deadline;
        self.sleep.as_mut().reset(clock::instant(deadline));
    }

    /// Carries out what the server asked for.
    #[cold]
    fn obey(&mut self) -> Option<Event> {
        let orders = self.client.outbox.take_orders();
        let settings = self.state.settings.load_full();
        if orders.leave {
            self.turn(|session, turn| session.ask_to_leave(turn));
        }
        if !(orders.reload || orders.announce) {
            return None;
        }
        // Settings that are announced may be those of a reload whose order is still to come.
        let reloaded = self.turn(|session, turn| session.reload(settings, turn));
        if orders.announce && reloaded.is_ok() {
            self.turn(|session, turn| session.announce(turn));
        }
        match reloaded {
            Ok(None) => None,
            Ok(Some(check)) => Some(Event::Reverify(check)),
            Err(close) => Some(Event::End(close)),
        }
    }

    /// Runs one call of the session with this thread's batch, and writes what it caused.
    fn turn<T>(&mut self, call: impl FnOnce(&mut Session<Port>, &mut Turn<'_, Port>) -> T) -> T {
        worker::with(|worker| {
            let now = clock::monotonic();
            worker.batch.now = now;
            worker.batch.trace = Trace::asked(|| self.state.options.load().log.clone());
            let value = call(&mut self.session, &mut Turn { now, batch: &mut worker.batch });
            worker.batch.flush();
            worker.batch.behind = None;
            self.count(&mut worker.batch);
            value
        })
    }

    /// Adds what a turn did to the numbers that monitoring reads.
    fn count(&mut self, batch: &mut Batch) {
        let published = self.session.received();
        let totals = &self.state.totals;
        let account = totals.of_account(self.session.account().id);
        let counters = &self.client.counters;
        let (messages, bytes) = (published.messages, published.bytes);
        if messages != self.counted.0 {
            totals.in_messages.fetch_add(messages - self.counted.0, Relaxed);
            totals.in_bytes.fetch_add(bytes - self.counted.1, Relaxed);
            account.in_messages.fetch_add(messages - self.counted.0, Relaxed);
            account.in_bytes.fetch_add(bytes - self.counted.1, Relaxed);
            counters.in_messages.store(messages, Relaxed);
            counters.in_bytes.store(bytes, Relaxed);
            self.counted = (messages, bytes);
        }
        if batch.messages > 0 {
            let (messages, bytes) = (std::mem::take(&mut batch.messages), std::mem::take(&mut batch.message_bytes));
            totals.out_messages.fetch_add(messages, Relaxed);
            totals.out_bytes.fetch_add(bytes, Relaxed);
            account.out_messages.fetch_add(messages, Relaxed);
            account.out_bytes.fetch_add(bytes, Relaxed);
        }
        counters.subscriptions.store(u32::try_from(self.session.subscription_count()).unwrap_or(u32::MAX), Relaxed);
        counters.set_round_trip(self.session.round_trip());
    }

    /// Tells the rest of the server once the client has signed in.
    fn note_sign_in(&mut self) {
        if self.was_signed_in || !self.session.is_signed_in() {
            return;
        }
        self.was_signed_in = true;
        let facts = self.facts();
        self.state.totals.of_account(facts.account).connections.fetch_add(1, Relaxed);
        self.client.facts.store(Some(Arc::new(facts)));
        self.state.events.connected(&self.client);
    }

    /// What the client says of itself, and who it is or, before it has signed in, claims to be.
    fn facts(&self) -> Facts {
        let connect = self.session.connect();
        let account = self.session.account();
        let claimed = connect.nkey.as_deref().or(connect.user.as_deref());
        let redacted = connect.auth_token.as_ref().map(|_| "[REDACTED]");
        Facts {
            name: connect.name.clone(),
            language: connect.lang.clone(),
            version: connect.version.clone(),
            user: match self.session.identity() {
                Some(identity) => identity.name.clone(),
                None => claimed.or(redacted).unwrap_or_default().into(),
            },
            account: account.id,
            account_name: account.name.clone(),
        }
    }

    /// Nothing is delivered any more; what it was subscribed to is kept for monitoring.
    fn leave(&mut self) {
        if self.last_subscriptions.is_empty() {
            self.last_subscriptions = self.session.subscriptions().take(SUBSCRIPTIONS_MAX).cloned().collect();
        }
        self.session.close();
    }

    /// What an operator should hear of is said; the rest is for those who look closer.
    fn log_end(&self) {
        let client = &self.client;
        match self.end {
            CloseReason::AuthenticationViolation => {
                let user = self.session.connect().user.as_deref().unwrap_or_default();
                tracing::error!(client = client.label(), "authentication error - User {user:?}");
            }
            CloseReason::SlowConsumerPendingBytes => {
                let max = client.limits.pending_bytes_max;
                tracing::info!(client = client.label(), "Slow Consumer Detected: MaxPending of {max} Exceeded");
            }
            CloseReason::SlowConsumerWriteDeadline => {
                let deadline = self.state.write_deadline();
                tracing::info!(
                    client = client.label(),
                    "Slow Consumer Detected: WriteDeadline of {deadline:?} exceeded"
                );
            }
            CloseReason::MaxConnectionsExceeded
            | CloseReason::MaxPayloadExceeded
            | CloseReason::MaxControlLineExceeded
            | CloseReason::ParseError
            | CloseReason::ProtocolViolation
            | CloseReason::ReadError => tracing::error!(client = client.label(), "{}", self.end),
            _ => {}
        }
    }

    /// Writes what is queued, ends the writing side, and lets the client read it: a socket that is closed with bytes
    /// unread would be reset, and the reset would overtake the last words.
    async fn say_last_words(&mut self) {
        let outbox = &self.client.outbox;
        let transport = &mut self.transport;
        poll_fn(|context| transport.poll_write(context, outbox, clock::monotonic())).await;
        poll_fn(|context| transport.poll_shutdown(context, outbox)).await;
        // The array lives in the closure, or it would make every connection's task larger.
        let patience = if self.end == CloseReason::ServerShutdown { LAST_LOOK } else { LAST_WORDS };
        loop {
            let read = poll_fn(|context| transport.poll_read(context, &mut [0; 512]));
            let Ok(Ok(1..)) = tokio::time::timeout(patience, read).await else { return };
        }
    }
}

impl Drop for Connection {
    /// Runs at the end and when a panic unwinds: in both cases nothing may go on delivering to a client that is gone.
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.end = CloseReason::InternalError;
            worker::with(|worker| worker.batch.flush());
        }
        self.leave();
        let facts = self.client.facts().unwrap_or_else(|| Arc::new(self.facts()));
        let account = self.state.totals.of_account(facts.account);
        if self.was_signed_in {
            account.connections.fetch_sub(1, Relaxed);
        } else {
            self.client.facts.store(Some(facts));
        }
        if matches!(self.end, CloseReason::SlowConsumerPendingBytes | CloseReason::SlowConsumerWriteDeadline) {
            account.slow_consumers.fetch_add(1, Relaxed);
        }
        let (pending, out_messages, out_bytes) = self.client.outbox.numbers();
        self.state.totals.count(self.end);
        let stop = clock::timestamp();
        let closed = Closed {
            client: Arc::clone(&self.client),
            stop,
            reason: self.end,
            subscriptions: std::mem::take(&mut self.last_subscriptions),
            pending,
            out_messages,
            out_bytes,
        };
        tracing::debug!(client = self.client.label(), "Client connection closed: {}", self.end);
        let farewell = Farewell {
            reason: self.end,
            was_signed_in: self.was_signed_in,
            had_sent_connect: self.session.has_sent_connect(),
        };
        self.state.events.disconnected(&self.client, farewell);
        self.state.registry.leave(closed);
        // Last: whoever sees the socket close finds all of the above done.
        self.client.outbox.close();
    }
}

fn closed_by_client() -> Event {
    Event::End(Close { reason: CloseReason::ClientClosed, told: false })
}

#[cold]
fn read_error(error: &io::Error) -> Event {
    let reason = match error.kind() {
        io::ErrorKind::ConnectionReset | io::ErrorKind::UnexpectedEof => CloseReason::ClientClosed,
        _ => CloseReason::ReadError,
    };
    Event::End(Close { reason, told: false })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn future_bytes<F: Future>(_: impl Fn(&'static mut Connection, Greeting) -> F) -> usize {
        size_of::<F>()
    }

    /// A field more is fine; a second copy of the connection, as an `async fn` by value would hold, is not.
    #[test]
    fn the_task_of_a_client_is_little_more_than_its_connection() {
        let (task, connection) = (future_bytes(Connection::run), size_of::<Connection>());
        assert!(task <= connection / 4, "{task} bytes of futures around {connection}");
    }
}
