//! Publications with acknowledgements: as many under way as a window allows, on a schedule, or one at a time.
//!
//! ```text
//! PUB subject _INBOX.js.<publisher>.<slot> 128        slot: one of the window's, free again when its answer came
//! ```
//!
//! One thread and one poll for all publishers, as in [`crate::load`]. Every answer is held against what was asked: it
//! comes to a slot that waits, from the stream that was published to, with a sequence that no other publication got.
//! After the measured span everything under way must be answered, or the run is an error.

use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::time::TimeSpec;

use crate::connection::{Connection, Progress, SILENCE_MAX};
use crate::histogram::Histogram;
use crate::load::Span;
use crate::open_loop::{OneWay, Schedule};
use crate::proc::own_cpu_time;
use crate::server::Server;

use super::ack::{Ledger, PubAck};
use super::messages::{Link, Message, number};

pub(super) const PAYLOAD_BYTES: usize = 128;

/// Digits of a slot in a reply subject.
const SLOT_DIGITS: usize = 5;
pub(super) const WINDOW_MAX: usize = 100_000;

/// Longest sleep without a schedule.
const LOOK_UP_EVERY: Duration = Duration::from_millis(100);
/// Shortest sleep with one.
const TICK: Duration = Duration::from_micros(50);

/// What is published to.
#[derive(Clone, Debug)]
pub(super) struct Target {
    pub(super) subject: String,
    /// The stream that takes it, as an index.
    pub(super) stream: usize,
}

/// Publishers, each with a window of its own.
#[derive(Clone, Copy, Debug)]
pub(super) struct Publishers {
    pub(super) count: usize,
    pub(super) window: usize,
}

/// What happened in the measured span.
#[derive(Clone, Copy, Debug)]
pub(super) struct Measured {
    pub(super) acknowledged: u64,
    pub(super) elapsed: Duration,
    pub(super) server_cpu: Duration,
    pub(super) generator_cpu: Duration,
}

/// Publishers under load.
pub(super) struct Load<'a> {
    targets: &'a [Target],
    streams: Vec<Ledger>,
    publishers: Vec<Publisher>,
    published: u64,
    acknowledged: u64,
    started: Instant,
    /// When the last acknowledgement came.
    moved_at: Instant,
    /// Latencies of what was due from here on are recorded.
    record_from: Option<Duration>,
    latencies: Histogram,
}

struct Publisher {
    link: Link,
    inbox: String,
    /// Of the next target.
    position: usize,
    slots: Slots,
    /// Frames to be written, and how far they are.
    out: Vec<u8>,
    written: usize,
}

/// What waits for an answer.
#[derive(Debug)]
struct Slots {
    free: Vec<usize>,
    under_way: Vec<Option<UnderWay>>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct UnderWay {
    stream: usize,
    /// When it should have left, counted from the start of the load.
    due: Duration,
}

/// Readings at one instant.
struct Reading {
    at: Instant,
    acknowledged: u64,
    server_cpu: Duration,
    generator_cpu: Duration,
}

impl<'a> Load<'a> {
    /// Connects the publishers. The targets are published to in their order, each publisher beginning elsewhere.
    pub(super) fn open(
        server: &Server,
        targets: &'a [Target],
        streams: Vec<Ledger>,
        publishers: Publishers,
    ) -> Result<Self> {
        let publishers = (0..publishers.count)
            .map(|index| {
                let position = index * targets.len() / publishers.count;
                let publisher = Publisher::open(server, index, position, publishers.window)?;
                publisher.link.connection.go_nonblocking()?;
                Ok(publisher)
            })
            .collect::<Result<Vec<_>>>()?;
        let started = Instant::now();
        Ok(Self {
            targets,
            streams,
            publishers,
            published: 0,
            acknowledged: 0,
            started,
            moved_at: started,
            record_from: None,
            latencies: Histogram::new(),
        })
    }

    /// Publishes through warm-up and measured span as fast as the windows allow, and waits for what is under way.
    /// Answers what the span came to, and what `look` saw before and after it.
    pub(super) fn run<T>(&mut self, server: &Server, span: Span, look: impl Fn() -> T) -> Result<(Measured, T, T)> {
        self.publish_for(span.warm_up)?;
        let (first, before) = (look(), self.reading(server)?);
        self.publish_for(span.measured)?;
        let (after, last) = (self.reading(server)?, look());
        self.drain()?;
        let acknowledged = after.acknowledged - before.acknowledged;
        let measured = Measured {
            acknowledged,
            elapsed: after.at - before.at,
            server_cpu: after.server_cpu - before.server_cpu,
            generator_cpu: after.generator_cpu - before.generator_cpu,
        };
        Ok((measured, first, last))
    }

    /// Publishes so many messages and waits for their acknowledgements.
    pub(super) fn publish(&mut self, count: u64) -> Result<()> {
        let total = self.published + count;
        while self.published < total {
            self.turn(total, LOOK_UP_EVERY, |_| Duration::ZERO)?;
        }
        self.drain()
    }

    /// Publishes on schedule, each message's latency counted from when it was due.
    pub(super) fn keep_schedule(mut self, server: &Server, schedule: Schedule) -> Result<OneWay> {
        let Schedule { messages_per_second, span, .. } = schedule;
        let nanoseconds = |count: u64| u128::from(count) * 1_000_000_000 / u128::from(messages_per_second);
        let due = |count| Duration::from_nanos(u64::try_from(nanoseconds(count)).unwrap_or(u64::MAX));
        let until = |load: &mut Self, end: Duration| -> Result<()> {
            loop {
                let now = load.started.elapsed();
                if now >= end {
                    return Ok(());
                }
                let total = u128::from(messages_per_second) * now.as_nanos() / 1_000_000_000;
                load.turn(u64::try_from(total)?, TICK, due)?;
            }
        };
        self.started = Instant::now();
        self.record_from = Some(span.warm_up);
        until(&mut self, span.warm_up)?;
        let before = self.reading(server)?;
        until(&mut self, span.warm_up + span.measured)?;
        let after = self.reading(server)?;
        self.drain()?;
        Ok(OneWay {
            latencies: self.latencies,
            elapsed: after.at - before.at,
            server_cpu: after.server_cpu - before.server_cpu,
            generator_cpu: after.generator_cpu - before.generator_cpu,
        })
    }

    /// The streams with what was published to them.
    pub(super) fn into_streams(self) -> Vec<Ledger> {
        self.streams
    }

    fn reading(&self, server: &Server) -> Result<Reading> {
        Ok(Reading {
            at: Instant::now(),
            acknowledged: self.acknowledged,
            server_cpu: server.cpu_time()?,
            generator_cpu: own_cpu_time()?,
        })
    }

    /// Publishes for this long, or until something is acknowledged: a server that syncs each message may answer a whole
    /// window at once, after longer than a short span.
    fn publish_for(&mut self, duration: Duration) -> Result<()> {
        let (begin, before) = (Instant::now(), self.acknowledged);
        while begin.elapsed() < duration || self.acknowledged == before {
            self.turn(u64::MAX, LOOK_UP_EVERY, |_| Duration::ZERO)?;
        }
        Ok(())
    }

    /// Waits for every acknowledgement, and holds the sequences against the publications.
    fn drain(&mut self) -> Result<()> {
        while self.acknowledged < self.published {
            self.turn(self.published, LOOK_UP_EVERY, |_| Duration::ZERO)?;
        }
        for ledger in &self.streams {
            ensure!(ledger.missing() == 0, "{} sequences of stream {} are missing", ledger.missing(), ledger.stream);
        }
        Ok(())
    }

    /// Fills the windows while less than `total` messages are published, writes, sleeps until there is something to do
    /// or `pause` is over, and reads. `due` says when the message of this number should have left.
    fn turn(&mut self, total: u64, pause: Duration, due: impl Fn(u64) -> Duration) -> Result<()> {
        for publisher in &mut self.publishers {
            while self.published < total
                && let Some(slot) = publisher.slots.free.pop()
            {
                let target = publisher.next_target(self.targets);
                publisher.encode(&target.subject, slot);
                let under_way = UnderWay { stream: target.stream, due: due(self.published) };
                publisher.slots.take(slot, under_way);
                self.streams.get_mut(target.stream).context("a target names no stream")?.publish();
                self.published += 1;
            }
            publisher.write()?;
        }
        for index in wait(&self.publishers, pause)? {
            self.read(index)?;
        }
        let missing = self.published - self.acknowledged;
        if missing > 0 && self.moved_at.elapsed() > SILENCE_MAX {
            bail!("no acknowledgement for {SILENCE_MAX:?}: {} came, {missing} are missing", self.acknowledged);
        }
        if missing == 0 {
            self.moved_at = Instant::now();
        }
        Ok(())
    }

    /// Reads once and takes the acknowledgements.
    fn read(&mut self, index: usize) -> Result<()> {
        let Some(publisher) = self.publishers.get_mut(index) else { return Ok(()) };
        publisher.link.read()?;
        let now = self.started.elapsed();
        let before = self.acknowledged;
        while let Some(message) = publisher.link.next()? {
            let under_way = publisher.slots.answer(&message, &mut self.streams)?;
            self.acknowledged += 1;
            if self.record_from.is_some_and(|from| under_way.due >= from) {
                self.latencies.record(now.saturating_sub(under_way.due));
            }
        }
        if self.acknowledged > before {
            self.moved_at = Instant::now();
        }
        if publisher.out.is_empty() {
            publisher.link.connection.try_answer_ping()?;
        }
        Ok(())
    }
}

/// One publication at a time, on a blocking connection: a latency holds nothing of the generator but two system calls.
/// Answers the latencies of the measured span, and what the span came to.
pub(super) fn one_at_a_time(server: &Server, target: &Target, mut ledger: Ledger, span: Span) -> Result<OneWay> {
    let mut publisher = Publisher::open(server, 0, 0, 1)?;
    let mut exchange_for = |duration: Duration| -> Result<Histogram> {
        let mut latencies = Histogram::new();
        let begin = Instant::now();
        while begin.elapsed() < duration {
            let slot = publisher.slots.free.pop().context("the only slot is taken")?;
            publisher.encode(&target.subject, slot);
            publisher.slots.take(slot, UnderWay { stream: 0, due: Duration::ZERO });
            ledger.publish();
            let sent = Instant::now();
            publisher.link.connection.send(&publisher.out)?;
            publisher.out.clear();
            while publisher.slots.free.is_empty() {
                publisher.link.wait("acknowledgement")?;
                let came = sent.elapsed();
                while let Some(message) = publisher.link.next()? {
                    publisher.slots.answer(&message, std::slice::from_mut(&mut ledger))?;
                    latencies.record(came);
                }
            }
        }
        Ok(latencies)
    };
    exchange_for(span.warm_up)?;
    let (server_cpu, generator_cpu) = (server.cpu_time()?, own_cpu_time()?);
    let begin = Instant::now();
    let latencies = exchange_for(span.measured)?;
    Ok(OneWay {
        latencies,
        elapsed: begin.elapsed(),
        server_cpu: server.cpu_time()? - server_cpu,
        generator_cpu: own_cpu_time()? - generator_cpu,
    })
}

impl Publisher {
    fn open(server: &Server, index: usize, position: usize, window: usize) -> Result<Self> {
        ensure!(window <= WINDOW_MAX, "a window of {window} needs more than {SLOT_DIGITS} digits");
        let inbox = format!("_INBOX.js.{index}");
        let mut connection = Connection::open(server.address, None)?;
        connection.subscribe(&format!("{inbox}.*"), None, 1)?;
        connection.settle()?;
        let slots = Slots::new(window);
        Ok(Self { link: Link::new(connection), inbox, position, slots, out: Vec::new(), written: 0 })
    }

    fn next_target<'a>(&mut self, targets: &'a [Target]) -> &'a Target {
        let target = targets.get(self.position % targets.len()).expect("a remainder is below the length");
        self.position += 1;
        target
    }

    fn encode(&mut self, subject: &str, slot: usize) {
        for part in ["PUB ", subject, " ", &self.inbox, "."] {
            self.out.extend_from_slice(part.as_bytes());
        }
        let mut digits = [b'0'; SLOT_DIGITS];
        let mut rest = slot;
        for digit in digits.iter_mut().rev() {
            *digit = b'0' + u8::try_from(rest % 10).expect("a digit");
            rest /= 10;
        }
        self.out.extend_from_slice(&digits);
        self.out.extend_from_slice(b" 128\r\n");
        const { assert!(PAYLOAD_BYTES == 128) };
        self.out.resize(self.out.len() + PAYLOAD_BYTES, b'x');
        self.out.extend_from_slice(b"\r\n");
    }

    /// Writes what the socket takes.
    fn write(&mut self) -> Result<()> {
        while let Some(rest @ [_, ..]) = self.out.get(self.written..) {
            match self.link.connection.try_write(rest)? {
                Progress::Bytes(taken) => self.written += taken,
                Progress::Blocked => return Ok(()),
            }
        }
        self.out.clear();
        self.written = 0;
        Ok(())
    }
}

impl Slots {
    fn new(window: usize) -> Self {
        Self { free: (0..window).rev().collect(), under_way: vec![None; window] }
    }

    fn take(&mut self, slot: usize, under_way: UnderWay) {
        *self.under_way.get_mut(slot).expect("a slot of the window") = Some(under_way);
    }

    /// Holds an answer against what waits for it, and frees its slot.
    fn answer(&mut self, message: &Message<'_>, streams: &mut [Ledger]) -> Result<UnderWay> {
        let slot = message.subject.rsplit(|&byte| byte == b'.').next().and_then(number::<usize>);
        let waiting = slot.and_then(|slot| self.under_way.get_mut(slot));
        let Some((slot, under_way)) = slot.zip(waiting.and_then(Option::take)) else {
            bail!(
                "an acknowledgement nobody waits for: {} to {}",
                String::from_utf8_lossy(message.payload),
                String::from_utf8_lossy(message.subject)
            );
        };
        let ack = PubAck::read(message)?;
        let ledger = streams.get_mut(under_way.stream).context("no such stream")?;
        ensure!(ack.stream == ledger.stream, "stream {} acknowledged what {} should store", ack.stream, ledger.stream);
        ledger.acknowledge(ack.seq)?;
        self.free.push(slot);
        Ok(under_way)
    }
}

/// Sleeps until a publisher's socket is readable, or has room for what is half written; answers who can read.
fn wait(publishers: &[Publisher], pause: Duration) -> Result<Vec<usize>> {
    let mut sockets: Vec<_> = publishers
        .iter()
        .map(|publisher| {
            let mut events = PollFlags::POLLIN;
            events.set(PollFlags::POLLOUT, !publisher.out.is_empty());
            PollFd::new(publisher.link.connection.as_fd(), events)
        })
        .collect();
    match ppoll(&mut sockets, Some(TimeSpec::from_duration(pause)), None) {
        Ok(0) | Err(Errno::EINTR) => return Ok(Vec::new()),
        Ok(_) => {}
        Err(error) => return Err(error.into()),
    }
    let can_read = |events: PollFlags| !(events - PollFlags::POLLOUT).is_empty();
    let readable = sockets.iter().enumerate().filter(|(_, socket)| socket.revents().is_some_and(can_read));
    Ok(readable.map(|(index, _)| index).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    const WAITING: UnderWay = UnderWay { stream: 0, due: Duration::ZERO };

    /// Two slots of which slot 1 waits, and a stream that one message was published to.
    fn answered(answers: &[(&str, &str)]) -> Result<usize> {
        let mut slots = Slots::new(2);
        slots.free.retain(|&slot| slot != 1);
        slots.take(1, WAITING);
        let mut ledger = Ledger::new("S".to_owned());
        ledger.publish();
        for (subject, payload) in answers {
            let message =
                Message { subject: subject.as_bytes(), reply: None, headers: b"", payload: payload.as_bytes() };
            slots.answer(&message, std::slice::from_mut(&mut ledger))?;
        }
        Ok(slots.free.len())
    }

    #[test]
    fn an_answer_frees_the_slot_it_names() {
        assert_eq!(answered(&[]).unwrap(), 1);
        assert_eq!(answered(&[("_INBOX.js.0.00001", r#"{"stream":"S","seq":1}"#)]).unwrap(), 2);
    }

    #[test]
    fn an_answer_that_fits_nothing_ends_the_run() {
        fn check(answers: &[(&str, &str)], expected: &str) {
            assert_eq!(answered(answers).unwrap_err().to_string(), expected);
        }
        let one = ("_INBOX.js.0.00001", r#"{"stream":"S","seq":1}"#);
        let nobody = "an acknowledgement nobody waits for: {\"stream\":\"S\",\"seq\":1} to _INBOX.js.0.0000";
        check(&[one, one], &format!("{nobody}1"));
        check(&[("_INBOX.js.0.00000", one.1)], &format!("{nobody}0"));
        check(&[("_INBOX.js.0.00002", one.1)], &format!("{nobody}2"));
        check(&[(one.0, r#"{"stream":"T","seq":1}"#)], "stream T acknowledged what S should store");
        let outside = "sequence 2 of stream S lies outside 1 to 1, all that was published";
        check(&[(one.0, r#"{"stream":"S","seq":2}"#)], outside);
        check(&[(one.0, "")], "not an acknowledgement: \"\"");
    }
}
