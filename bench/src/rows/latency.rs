//! Rows about the time a message takes when the server is not at its limit.

use anyhow::Result;

use crate::figure::Figure;
use crate::histogram::Histogram;
use crate::load::Span;
use crate::open_loop::{self, Schedule};
use crate::ping_pong::PingPong;
use crate::server::Program;

use super::Outcome;

const ONE_WAY_PAYLOAD_BYTES: usize = 128;

pub(super) fn request_reply(program: &Program, span: Span) -> Result<Outcome> {
    let server = program.start(None)?;
    let measured = PingPong::open(server.address)?.run_alone(&server, span)?;
    let requests = measured.round_trips.total() as f64;
    let seconds = measured.elapsed.as_secs_f64();
    let mut figures = vec![
        (Figure::CpuPerRequest, measured.server_cpu.as_secs_f64() * 1e9 / requests),
        (Figure::RequestsPerSecond, requests / seconds),
    ];
    push_quantiles(&measured.round_trips, &mut figures);
    Ok(Outcome { figures, generator_cores: Some(measured.generator_cpu.as_secs_f64() / seconds) })
}

pub(super) fn one_way(program: &Program, span: Span, messages_per_second: u64) -> Result<Outcome> {
    let server = program.start(None)?;
    let schedule = Schedule { messages_per_second, payload_bytes: ONE_WAY_PAYLOAD_BYTES, span };
    let measured = open_loop::run(&server, schedule)?;
    let messages = measured.latencies.total() as f64;
    let mut figures = vec![(Figure::CpuPerMessage, measured.server_cpu.as_secs_f64() * 1e9 / messages)];
    push_quantiles(&measured.latencies, &mut figures);
    let seconds = measured.elapsed.as_secs_f64();
    Ok(Outcome { figures, generator_cores: Some(measured.generator_cpu.as_secs_f64() / seconds) })
}

fn push_quantiles(histogram: &Histogram, figures: &mut Vec<(Figure, f64)>) {
    for (figure, q) in [(Figure::P50, 0.5), (Figure::P99, 0.99), (Figure::P999, 0.999)] {
        if let Some(duration) = histogram.quantile(q) {
            figures.push((figure, duration.as_secs_f64() * 1e9));
        }
    }
}
