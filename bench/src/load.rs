//! Closed-loop load: publishers write as fast as a window of undelivered messages allows.
//!
//! One thread and one epoll for all connections, so that the generator needs no locks, has one CPU figure, and leaves
//! the server the rest of the machine. The window counts what the *receivers* have counted:
//!
//! ```text
//! outstanding = published × fan_out − delivered ≤ window
//! ```
//!
//! so no server buffers more than the window and none has a reason to call a subscriber slow. Where nobody receives,
//! each chunk ends with a PING and the PONGs take the place of deliveries.
//!
//! Every published message must arrive: after the measured span the loop goes on without new messages until
//! `outstanding = 0`, and a run whose messages do not all come is an error, not a figure.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};
use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};

use crate::connection::{Connection, Progress, SILENCE_MAX};
use crate::frames::{Chunk, Frames};
use crate::proc::own_cpu_time;
use crate::server::Server;

/// One read; small enough to stay in a core's second-level cache.
const READ_BYTES: usize = 256 * 1024;

/// One write of publications.
pub(crate) const CHUNK_BYTES: usize = 64 * 1024;

/// Bytes of deliveries outstanding at most …
const WINDOW_BYTES: u64 = 2 * 1024 * 1024;
/// … but at least this much for each subscriber, so that a wide fan-out is not sent in drops …
const WINDOW_BYTES_PER_SUBSCRIBER: u64 = 16 * 1024;
/// … and at least this many publications, so that a large payload is not sent in lockstep.
const WINDOW_PUBLICATIONS_MIN: u64 = 8;

const EVENTS_PER_WAIT: usize = 256;
const WAIT_MS_MAX: u16 = 100;

/// How long a load runs before it is measured, and for how long it is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Span {
    pub(crate) warm_up: Duration,
    pub(crate) measured: Duration,
}

/// Where a load stands, for threads that measure something else meanwhile.
#[derive(Debug)]
pub(crate) struct Phase(AtomicU8);

impl Phase {
    const WARM_UP: u8 = 0;
    const MEASURED: u8 = 1;
    const OVER: u8 = 2;

    pub(crate) fn new() -> Self {
        Self(AtomicU8::new(Self::WARM_UP))
    }

    pub(crate) fn is_measured(&self) -> bool {
        self.0.load(Ordering::Relaxed) == Self::MEASURED
    }

    pub(crate) fn is_over(&self) -> bool {
        self.0.load(Ordering::Relaxed) == Self::OVER
    }

    pub(crate) fn begin_measured(&self) {
        self.0.store(Self::MEASURED, Ordering::Relaxed);
    }

    pub(crate) fn end(&self) {
        self.0.store(Self::OVER, Ordering::Relaxed);
    }
}

/// What happened in the measured span.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Measured {
    /// Messages that reached all their receivers; where there are none, messages the server has processed.
    pub(crate) published: u64,
    pub(crate) delivered: u64,
    pub(crate) elapsed: Duration,
    pub(crate) server_cpu: Duration,
    pub(crate) generator_cpu: Duration,
}

/// How the loop learns that a message is through.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Confirmation {
    /// Each publication is delivered this many times.
    Deliveries(u64),
    /// Nobody receives; the chunks end with PING.
    Pongs,
}

/// Connections under load.
pub(crate) struct Load<'a> {
    frames: &'a Frames,
    publishers: Vec<Publisher>,
    subscribers: Vec<Connection>,
    confirmation: Confirmation,
    window: u64,
    published: u64,
    confirmed: u64,
    epoll: Epoll,
    buffer: Vec<u8>,
}

struct Publisher {
    connection: Connection,
    /// The next chunk of the ring.
    position: usize,
    /// The chunk that is being written, and how much of it is.
    current: Option<(Chunk, usize)>,
    is_blocked: bool,
    /// Message counts of the chunks whose PONG is due, oldest first.
    unanswered: VecDeque<u64>,
}

/// Readings at one instant.
struct Reading {
    at: Instant,
    confirmed: u64,
    server_cpu: Duration,
    generator_cpu: Duration,
}

/// How many publications of about `message_bytes` one chunk may hold so that four of them fit into the window.
pub(crate) fn chunk_messages_max(message_bytes: u64, fan_out: u64, subscribers: u64) -> u64 {
    (window_messages(message_bytes, fan_out, subscribers) / fan_out.max(1) / 4).max(1)
}

/// Deliveries that may be outstanding.
fn window_messages(message_bytes: u64, fan_out: u64, subscribers: u64) -> u64 {
    let bytes = WINDOW_BYTES.max(subscribers * WINDOW_BYTES_PER_SUBSCRIBER);
    (bytes / message_bytes.max(1)).max(WINDOW_PUBLICATIONS_MIN * fan_out.max(1))
}

impl<'a> Load<'a> {
    /// Takes over connections that are signed in and subscribed.
    pub(crate) fn new(
        frames: &'a Frames,
        publishers: Vec<Connection>,
        subscribers: Vec<Connection>,
        confirmation: Confirmation,
    ) -> Result<Self> {
        let fan_out = match confirmation {
            Confirmation::Deliveries(fan_out) => fan_out,
            Confirmation::Pongs => 1,
        };
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        let window = window_messages(frames.bytes_per_message(), fan_out, subscribers.len() as u64);
        let mut load = Self {
            frames,
            publishers: Vec::with_capacity(publishers.len()),
            subscribers: Vec::with_capacity(subscribers.len()),
            confirmation,
            window,
            published: 0,
            confirmed: 0,
            epoll,
            buffer: vec![0; READ_BYTES],
        };
        for (index, connection) in publishers.into_iter().enumerate() {
            let connection = watch(&load.epoll, connection, index)?;
            // Publishers of many subjects begin apart from one another.
            let position = index * 7;
            load.publishers.push(Publisher {
                connection,
                position,
                current: None,
                is_blocked: false,
                unanswered: VecDeque::new(),
            });
        }
        for (index, connection) in subscribers.into_iter().enumerate() {
            let connection = watch(&load.epoll, connection, load.publishers.len() + index)?;
            load.subscribers.push(connection);
        }
        Ok(load)
    }

    /// Runs warm-up, measured span and drain.
    pub(crate) fn run(mut self, server: &Server, span: Span, phase: &Phase) -> Result<Measured> {
        self.publish_for(span.warm_up)?;
        let before = self.reading(server)?;
        phase.begin_measured();
        self.publish_for(span.measured)?;
        phase.end();
        let after = self.reading(server)?;
        self.drain()?;

        let confirmed = after.confirmed - before.confirmed;
        let (published, delivered) = match self.confirmation {
            Confirmation::Deliveries(fan_out) => (confirmed / fan_out, confirmed),
            Confirmation::Pongs => (confirmed, 0),
        };
        ensure!(published > 0, "no message went through within {:?}", span.measured);
        Ok(Measured {
            published,
            delivered,
            elapsed: after.at - before.at,
            server_cpu: after.server_cpu - before.server_cpu,
            generator_cpu: after.generator_cpu - before.generator_cpu,
        })
    }

    fn reading(&self, server: &Server) -> Result<Reading> {
        Ok(Reading {
            at: Instant::now(),
            confirmed: self.confirmed,
            server_cpu: server.cpu_time()?,
            generator_cpu: own_cpu_time()?,
        })
    }

    fn publish_for(&mut self, duration: Duration) -> Result<()> {
        let started = Instant::now();
        let mut progress = Watchdog::new(started, self.confirmed);
        loop {
            let can_write = self.write_a_chunk_each(true)?;
            self.wait_and_read(if can_write { 0 } else { WAIT_MS_MAX })?;
            let now = Instant::now();
            if now - started >= duration {
                return Ok(());
            }
            progress.look(now, self.confirmed, self.outstanding())?;
        }
    }

    fn drain(&mut self) -> Result<()> {
        let mut progress = Watchdog::new(Instant::now(), self.confirmed);
        while self.outstanding() > 0 || self.publishers.iter().any(|publisher| publisher.current.is_some()) {
            self.write_a_chunk_each(false)?;
            self.wait_and_read(WAIT_MS_MAX)?;
            progress.look(Instant::now(), self.confirmed, self.outstanding())?;
        }
        let (confirmed, due) = (self.confirmed, self.due());
        ensure!(confirmed == due, "{confirmed} deliveries arrived where {due} were due");
        Ok(())
    }

    /// Confirmations of all that was published.
    fn due(&self) -> u64 {
        match self.confirmation {
            Confirmation::Deliveries(fan_out) => self.published * fan_out,
            Confirmation::Pongs => self.published,
        }
    }

    /// Confirmations that have not come yet. A server that delivers too much is found out when the load has drained.
    fn outstanding(&self) -> u64 {
        self.due().saturating_sub(self.confirmed)
    }

    /// Gives each publisher one write; answers whether another one is possible at once. Without `may_begin` only
    /// chunks that were begun are finished.
    fn write_a_chunk_each(&mut self, may_begin: bool) -> Result<bool> {
        let mut can_write = false;
        for index in 0..self.publishers.len() {
            let has_room = may_begin && self.outstanding() < self.window;
            let Some(publisher) = self.publishers.get_mut(index) else { break };
            if publisher.is_blocked {
                continue;
            }
            if publisher.current.is_none() {
                if !has_room {
                    continue;
                }
                self.published += publisher.begin(self.frames, self.confirmation)?;
            }
            publisher.write(self.frames)?;
            if publisher.is_blocked {
                let events = EpollFlags::EPOLLIN | EpollFlags::EPOLLOUT;
                self.epoll.modify(&publisher.connection, &mut EpollEvent::new(events, index as u64))?;
            } else {
                can_write = true;
            }
        }
        Ok(can_write && may_begin && self.outstanding() < self.window)
    }

    /// Waits for any socket and reads what is there.
    fn wait_and_read(&mut self, timeout_ms: u16) -> Result<()> {
        let mut events = [EpollEvent::empty(); EVENTS_PER_WAIT];
        let ready = match self.epoll.wait(&mut events, EpollTimeout::from(timeout_ms)) {
            Ok(ready) => ready,
            Err(Errno::EINTR) => 0,
            Err(error) => return Err(error.into()),
        };
        for event in events.iter().take(ready) {
            let token = usize::try_from(event.data()).expect("tokens are indices");
            if let Some(publisher) = self.publishers.get_mut(token) {
                if event.events().contains(EpollFlags::EPOLLOUT) {
                    publisher.unblock()?;
                    if !publisher.is_blocked {
                        let events = EpollFlags::EPOLLIN;
                        self.epoll.modify(&publisher.connection, &mut EpollEvent::new(events, event.data()))?;
                    }
                }
                if event.events() != EpollFlags::EPOLLOUT {
                    read(&mut publisher.connection, &mut self.buffer)?;
                }
                self.confirmed += publisher.answered();
            } else if let Some(subscriber) = self.subscribers.get_mut(token - self.publishers.len()) {
                let before = subscriber.received.messages;
                read(subscriber, &mut self.buffer)?;
                self.confirmed += subscriber.received.messages - before;
                subscriber.try_answer_ping()?;
            }
        }
        Ok(())
    }
}

impl Publisher {
    /// Takes the next chunk of the ring; answers its number of messages.
    fn begin(&mut self, frames: &Frames, confirmation: Confirmation) -> Result<u64> {
        self.connection.try_answer_ping()?;
        let chunk = frames.chunk(self.position).clone();
        let messages = chunk.messages;
        if confirmation == Confirmation::Pongs {
            self.unanswered.push_back(messages);
        }
        self.position += 1;
        self.current = Some((chunk, 0));
        Ok(messages)
    }

    /// Writes what the socket takes of the current chunk.
    fn write(&mut self, frames: &Frames) -> Result<()> {
        let Some((chunk, written)) = &mut self.current else { return Ok(()) };
        let rest = frames.bytes(chunk, *written);
        let len = rest.len();
        match self.connection.try_write(rest)? {
            Progress::Bytes(taken) => {
                *written += taken;
                self.is_blocked = taken < len || self.connection.try_flush()? == Progress::Blocked;
                if taken == len {
                    self.current = None;
                }
            }
            Progress::Blocked => self.is_blocked = true,
        }
        Ok(())
    }

    /// The socket takes bytes again.
    fn unblock(&mut self) -> Result<()> {
        self.is_blocked = self.connection.try_flush()? == Progress::Blocked;
        Ok(())
    }

    /// Messages whose PONG came since the last call.
    fn answered(&mut self) -> u64 {
        let pongs = std::mem::take(&mut self.connection.received.pongs);
        (0..pongs).filter_map(|_| self.unanswered.pop_front()).sum()
    }
}

/// Makes a connection part of the loop. What it received while it was set up is not the load's.
fn watch(epoll: &Epoll, mut connection: Connection, token: usize) -> Result<Connection> {
    connection.go_nonblocking()?;
    connection.received.messages = 0;
    connection.received.pongs = 0;
    epoll.add(&connection, EpollEvent::new(EpollFlags::EPOLLIN, token as u64))?;
    Ok(connection)
}

/// Reads and counts what a ready connection holds.
fn read(connection: &mut Connection, buffer: &mut [u8]) -> Result<()> {
    while let Progress::Bytes(len) = connection.try_read(buffer)? {
        connection.received.feed(buffer.get(..len).unwrap_or_default())?;
        if !connection.hides_input() {
            break;
        }
    }
    Ok(())
}

/// Ends a load that stands still.
struct Watchdog {
    confirmed: u64,
    moved_at: Instant,
}

impl Watchdog {
    fn new(now: Instant, confirmed: u64) -> Self {
        Self { confirmed, moved_at: now }
    }

    fn look(&mut self, now: Instant, confirmed: u64, outstanding: u64) -> Result<()> {
        if confirmed != self.confirmed {
            self.confirmed = confirmed;
            self.moved_at = now;
        } else if now - self.moved_at > SILENCE_MAX {
            bail!("nothing arrived for {SILENCE_MAX:?}: {confirmed} deliveries counted, {outstanding} due");
        }
        Ok(())
    }
}
