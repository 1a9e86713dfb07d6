//! Hours under a steady load: does memory stay, and how long are the longest waits?

use std::fmt;
use std::panic::resume_unwind;
use std::thread;
use std::time::Duration;

use anyhow::Result;
use serde::Serialize;

use crate::figure::Figure;
use crate::load::Span;
use crate::open_loop::{self, OneWay, Schedule};
use crate::rows::{Plan, one_to_one_rate};
use crate::server::{Program, Server};

/// The load, as a share of what the same server takes at most from the same generator.
pub(crate) const LOAD: f64 = 0.8;
/// How long that is measured.
pub(crate) const FULL_LOAD: Span = Span { warm_up: Duration::from_secs(1), measured: Duration::from_secs(8) };
const PAYLOAD_BYTES: usize = 128;

/// Before the first look at memory, so that buffers and heaps have their size under load.
const WARM_UP: Duration = Duration::from_secs(5);

/// One server's soak.
#[derive(Debug, Serialize)]
pub(crate) struct Soak {
    server: String,
    minutes: f64,
    messages_per_second: u64,
    resident_bytes_at_start: u64,
    resident_bytes_at_middle: u64,
    resident_bytes_at_end: u64,
    p50_ns: f64,
    p99_ns: f64,
    p9999_ns: f64,
    longest_ns: f64,
    cpu_ns_per_message: f64,
}

/// Measures what the server takes at most, then keeps 80 % of it up for the time, every message with its latency.
///
/// At most: its one-to-one rate, or less where the soak's own generator, which does on one thread what the other does on
/// two, cannot make it so many.
pub(crate) fn soak(program: &Program, plan: &Plan, duration: Duration) -> Result<Soak> {
    eprintln!("measuring the one-to-one rate of {}", program.name);
    let messages_per_second = whole(one_to_one_rate(program, plan)?);
    let full = Schedule { messages_per_second, payload_bytes: PAYLOAD_BYTES, span: FULL_LOAD };
    let rate = open_loop::sustained(&program.start(None)?, full)?;
    eprintln!("{} keeps up with {} of {messages_per_second} messages/s on schedule", program.name, whole(rate));
    let messages_per_second = whole(rate * LOAD);
    let minutes = duration.as_secs_f64() / 60.0;
    eprintln!("soaking {} at {messages_per_second} messages/s for {minutes:.1} minutes", program.name);

    let server = program.start(None)?;
    let span = Span { warm_up: warm_up(duration), measured: duration };
    let schedule = Schedule { messages_per_second, payload_bytes: PAYLOAD_BYTES, span };
    watch(program.name, &server, schedule, || open_loop::run(&server, schedule))
}

/// The warm-up before a soak of this duration.
pub(crate) fn warm_up(duration: Duration) -> Duration {
    WARM_UP.min(duration / 10)
}

/// Looks at a server's memory while a load keeps its schedule.
pub(crate) fn watch(
    name: &str,
    server: &Server,
    schedule: Schedule,
    load: impl FnOnce() -> Result<OneWay> + Send,
) -> Result<Soak> {
    let Schedule { messages_per_second, span: Span { warm_up, measured: duration }, .. } = schedule;
    let minutes = duration.as_secs_f64() / 60.0;
    thread::scope(|scope| {
        let load = scope.spawn(load);
        let mut looks = [0; 3];
        for (look, pause) in looks.iter_mut().zip([warm_up, duration / 2, duration / 2]) {
            thread::sleep(pause);
            *look = server.resident_bytes()?;
        }
        let measured = load.join().unwrap_or_else(|panic| resume_unwind(panic))?;
        let latency = |q| measured.latencies.quantile(q).unwrap_or_default().as_secs_f64() * 1e9;
        let [resident_bytes_at_start, resident_bytes_at_middle, resident_bytes_at_end] = looks;
        Ok(Soak {
            server: name.to_owned(),
            minutes,
            messages_per_second,
            resident_bytes_at_start,
            resident_bytes_at_middle,
            resident_bytes_at_end,
            p50_ns: latency(0.5),
            p99_ns: latency(0.99),
            p9999_ns: latency(0.9999),
            longest_ns: latency(1.0),
            cpu_ns_per_message: measured.server_cpu.as_secs_f64() * 1e9 / measured.latencies.total() as f64,
        })
    })
}

/// The heading of a table of soaks.
pub(crate) const HEADING: &str = "| server | minutes | messages/s | RSS start | middle | end | growth \
    | p50 | p99 | p99.99 | longest | CPU per message |
|--------|--------:|-----------:|----------:|-------:|----:|-------:|----:|----:|-------:|--------:|----------------:|";

impl fmt::Display for Soak {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = |bytes: f64| Figure::BytesPerConnection.format(bytes);
        let time = |nanoseconds: f64| Figure::P50.format(nanoseconds);
        write!(
            f,
            "| {} | {:.1} | {} |",
            self.server,
            self.minutes,
            Figure::MessagesPerSecond.format(self.messages_per_second as f64)
        )?;
        let (start, middle, end) = (
            self.resident_bytes_at_start as f64,
            self.resident_bytes_at_middle as f64,
            self.resident_bytes_at_end as f64,
        );
        write!(f, " {} | {} | {} | {} |", bytes(start), bytes(middle), bytes(end), bytes(end - start))?;
        write!(
            f,
            " {} | {} | {} | {} |",
            time(self.p50_ns),
            time(self.p99_ns),
            time(self.p9999_ns),
            time(self.longest_ns)
        )?;
        write!(f, " {} |", time(self.cpu_ns_per_message))
    }
}

/// The whole part of a rate, which is far below the integers that f64 cannot hold.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a rate is positive and below 2^53")]
pub(crate) fn whole(rate: f64) -> u64 {
    rate as u64
}
