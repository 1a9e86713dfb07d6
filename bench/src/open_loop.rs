//! Open-loop load: messages leave on a schedule, whatever the server does, and each tells when it was due.
//!
//! The schedule is a tick every 50 µs with `rate × 50 µs` messages. A message's latency runs from its tick to the return
//! of the read that brought it, so time that a stalled server, or this generator, makes a message wait to be sent counts
//! too ("coordinated omission" is included, not omitted).
//!
//! One thread does both sides: it sleeps in `ppoll` until the next tick or until the subscriber's socket is readable.

use std::os::fd::AsFd;
use std::panic::resume_unwind;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::prctl::set_timerslack;
use nix::sys::time::TimeSpec;

use crate::connection::{Connection, Progress, SILENCE_MAX};
use crate::frames::Message;
use crate::histogram::Histogram;
use crate::load::Span;
use crate::proc::own_cpu_time;
use crate::receive::Receiver;
use crate::server::Server;

const TICKS_PER_SECOND: u64 = 20_000;
const NANOSECONDS_PER_TICK: u64 = 1_000_000_000 / TICKS_PER_SECOND;
/// Longest sleep; only a full socket, a full window and the drain come near it.
const LOOK_UP_EVERY: Duration = Duration::from_millis(10);

const STAMP_BYTES: usize = 8;
const READ_BYTES: usize = 256 * 1024;
const SUBJECT: &str = "bench.one.way";

/// Messages on the way at most. A server that is so far behind delays the schedule, which the latencies then show.
const OUTSTANDING_BYTES_MAX: u64 = 8 * 1024 * 1024;

/// What the schedule asks for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Schedule {
    pub(crate) messages_per_second: u64,
    pub(crate) payload_bytes: usize,
    pub(crate) span: Span,
}

/// What came of it, in the measured span.
pub(crate) struct OneWay {
    pub(crate) latencies: Histogram,
    pub(crate) elapsed: Duration,
    pub(crate) server_cpu: Duration,
    pub(crate) generator_cpu: Duration,
}

struct Run {
    schedule: Schedule,
    started: Instant,
    publisher: Connection,
    subscriber: Connection,
    /// Encoded messages for the largest tick; the stamps are written into them tick by tick.
    batch: Vec<u8>,
    frame_bytes: usize,
    stamp_at: usize,
    /// The end of the current tick's messages in `batch`, and how far they are written.
    batch_end: usize,
    written: usize,
    ticks: u64,
    published: u64,
    latencies: Histogram,
    buffer: Vec<u8>,
}

/// Publishes on schedule through warm-up and measured span, then waits for what is still under way.
pub(crate) fn run(server: &Server, schedule: Schedule) -> Result<OneWay> {
    alone(|| keep_schedule(server, schedule))
}

/// How much of the schedule server and generator keep up with, in messages a second.
pub(crate) fn sustained(server: &Server, schedule: Schedule) -> Result<f64> {
    alone(|| {
        let mut run = Run::open(server, schedule)?;
        run.until(schedule.span.warm_up)?;
        let before = run.published;
        run.until(schedule.span.warm_up + schedule.span.measured)?;
        Ok((run.published - before) as f64 / schedule.span.measured.as_secs_f64())
    })
}

/// In a thread of its own: threads and processes inherit the timer slack, and servers must not.
pub(crate) fn alone<T: Send>(load: impl FnOnce() -> Result<T> + Send) -> Result<T> {
    thread::scope(|scope| {
        let load = scope.spawn(|| {
            // The default slack of 50 µs would make every tick late by up to another one.
            set_timerslack(1)?;
            load()
        });
        load.join().unwrap_or_else(|panic| resume_unwind(panic))
    })
}

fn keep_schedule(server: &Server, schedule: Schedule) -> Result<OneWay> {
    let mut run = Run::open(server, schedule)?;
    let measured_from = schedule.span.warm_up;
    let ends = measured_from + schedule.span.measured;

    run.until(measured_from)?;
    let (server_cpu, generator_cpu) = (server.cpu_time()?, own_cpu_time()?);
    run.until(ends)?;
    let (server_cpu, generator_cpu) = (server.cpu_time()? - server_cpu, own_cpu_time()? - generator_cpu);
    run.drain(ends)?;
    Ok(OneWay { latencies: run.latencies, elapsed: schedule.span.measured, server_cpu, generator_cpu })
}

impl Run {
    fn open(server: &Server, schedule: Schedule) -> Result<Self> {
        assert!(schedule.payload_bytes >= STAMP_BYTES, "the time stamp is the payload's head");
        let mut subscriber = Connection::open(server.address, None)?;
        subscriber.subscribe(SUBJECT, None, 1)?;
        subscriber.settle()?;
        subscriber.received = Receiver::with_head(STAMP_BYTES);
        subscriber.go_nonblocking()?;
        let publisher = Connection::open(server.address, None)?;
        publisher.go_nonblocking()?;

        let message = Message { payload_bytes: schedule.payload_bytes, has_header: false };
        let mut frame = Vec::new();
        message.encode(SUBJECT, &mut frame);
        let messages_max = schedule.messages_per_second.div_ceil(TICKS_PER_SECOND);
        let batch = frame.repeat(usize::try_from(messages_max)?);
        Ok(Self {
            schedule,
            started: Instant::now(),
            publisher,
            subscriber,
            batch,
            frame_bytes: frame.len(),
            stamp_at: frame.len() - schedule.payload_bytes - "\r\n".len(),
            batch_end: 0,
            written: 0,
            ticks: 0,
            published: 0,
            latencies: Histogram::new(),
            buffer: vec![0; READ_BYTES],
        })
    }

    /// Keeps to the schedule until this long after its start.
    fn until(&mut self, end: Duration) -> Result<()> {
        while self.started.elapsed() < end {
            let pause = self.publish_what_is_due(end)?;
            self.wait_and_read(pause)?;
        }
        Ok(())
    }

    /// Publishes what is late at the end, and waits for all that is under way.
    fn drain(&mut self, end: Duration) -> Result<()> {
        let gives_up = Instant::now() + SILENCE_MAX;
        while self.next_due() < end || self.is_writing() || self.subscriber.received.messages < self.published {
            let pause = self.publish_what_is_due(end)?;
            self.wait_and_read(pause)?;
            let (arrived, published) = (self.subscriber.received.messages, self.published);
            ensure!(Instant::now() < gives_up, "{arrived} of {published} messages arrived");
        }
        Ok(())
    }

    /// When the next tick is due, counted from the start.
    fn next_due(&self) -> Duration {
        Duration::from_nanos(self.ticks * NANOSECONDS_PER_TICK)
    }

    fn is_writing(&self) -> bool {
        self.written < self.batch_end
    }

    /// Publishes tick by tick until the schedule lies in the future or at `end`, or the socket or the window is full.
    /// Answers how long there is nothing to publish if nothing arrives.
    fn publish_what_is_due(&mut self, end: Duration) -> Result<Duration> {
        loop {
            self.write_batch()?;
            let due = self.next_due();
            let under_way = (self.published - self.subscriber.received.messages) * self.frame_bytes as u64;
            if self.is_writing() || due >= end || under_way > OUTSTANDING_BYTES_MAX {
                return Ok(LOOK_UP_EVERY);
            }
            let pause = due.saturating_sub(self.started.elapsed());
            if !pause.is_zero() {
                return Ok(pause);
            }
            self.publisher.try_answer_ping()?;
            self.begin_tick(due)?;
        }
    }

    /// Stamps as many messages as bring the total to the schedule's.
    fn begin_tick(&mut self, due: Duration) -> Result<()> {
        self.ticks += 1;
        let messages = self.schedule.messages_per_second * self.ticks / TICKS_PER_SECOND - self.published;
        let stamp = u64::try_from(due.as_nanos())?.to_be_bytes();
        self.written = 0;
        self.batch_end = usize::try_from(messages)? * self.frame_bytes;
        let batch = self.batch.get_mut(..self.batch_end).expect("a tick has at most the rounded-up messages");
        for frame in batch.chunks_exact_mut(self.frame_bytes) {
            let head = frame.get_mut(self.stamp_at..self.stamp_at + STAMP_BYTES);
            head.expect("a payload holds its stamp").copy_from_slice(&stamp);
        }
        self.published += messages;
        Ok(())
    }

    fn write_batch(&mut self) -> Result<()> {
        if let Some(rest @ [_, ..]) = self.batch.get(self.written..self.batch_end)
            && let Progress::Bytes(taken) = self.publisher.try_write(rest)?
        {
            self.written += taken;
        }
        Ok(())
    }

    /// Sleeps through the pause, or until a socket is readable or has room for an unfinished write.
    fn wait_and_read(&mut self, pause: Duration) -> Result<()> {
        let mut publisher_events = PollFlags::POLLIN;
        publisher_events.set(PollFlags::POLLOUT, self.is_writing());
        let mut sockets = [
            PollFd::new(self.subscriber.as_fd(), PollFlags::POLLIN),
            PollFd::new(self.publisher.as_fd(), publisher_events),
        ];
        match ppoll(&mut sockets, Some(TimeSpec::from_duration(pause)), None) {
            Ok(0) | Err(Errno::EINTR) => return Ok(()),
            Ok(_) => {}
            Err(error) => return Err(error.into()),
        }
        let [subscriber_ready, publisher_ready] =
            sockets.map(|socket| socket.revents().is_some_and(|events| !(events - PollFlags::POLLOUT).is_empty()));
        if subscriber_ready {
            self.read_deliveries()?;
        }
        if publisher_ready && let Progress::Bytes(len) = self.publisher.try_read(&mut self.buffer)? {
            self.publisher.received.feed(self.buffer.get(..len).unwrap_or_default())?;
        }
        Ok(())
    }

    fn read_deliveries(&mut self) -> Result<()> {
        let Progress::Bytes(len) = self.subscriber.try_read(&mut self.buffer)? else { return Ok(()) };
        let arrived = self.started.elapsed();
        let measured_from = self.schedule.span.warm_up;
        let latencies = &mut self.latencies;
        self.subscriber.received.feed_with(self.buffer.get(..len).unwrap_or_default(), |head| {
            let stamp = head.try_into().expect("the head is a stamp");
            let due = Duration::from_nanos(u64::from_be_bytes(stamp));
            if due >= measured_from {
                latencies.record(arrived.saturating_sub(due));
            }
        })?;
        self.subscriber.try_answer_ping()
    }
}
