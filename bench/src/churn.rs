//! A connection that subscribes and unsubscribes without pause, as clients do that make an inbox for each request.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::Result;

use crate::connection::Connection;
use crate::load::Phase;

const TICK: Duration = Duration::from_millis(1);
const PAIRS_PER_TICK: u64 = 20;

/// Pairs of SUB and UNSUB asked for.
pub(crate) const PAIRS_PER_SECOND: u64 = 20_000;
const _: () = assert!(PAIRS_PER_TICK as u128 * (1_000_000_000 / TICK.as_nanos()) == PAIRS_PER_SECOND as u128);

/// Every tick subscribes to new inboxes and drops those of the tick before, so that each lives for a millisecond.
/// A tick ends with PING, and the next one begins only after its PONG: a slow server lowers the rate, and does not build
/// a backlog. Answers the pairs a second that the server confirmed while the load was measured.
pub(crate) fn run(address: SocketAddr, phase: &Phase) -> Result<f64> {
    let mut connection = Connection::open(address, None)?;
    let mut measured: Option<(Instant, Instant, u64)> = None;
    let mut next_tick = Instant::now();
    let mut batch = String::new();
    for tick in 1u64.. {
        if phase.is_over() {
            break;
        }
        batch.clear();
        for pair in 0..PAIRS_PER_TICK {
            let new = tick * PAIRS_PER_TICK + pair;
            batch.push_str(&format!("SUB _INBOX.bench.churn.{new:010} {new}\r\n"));
            if tick > 1 {
                batch.push_str(&format!("UNSUB {}\r\n", new - PAIRS_PER_TICK));
            }
        }
        connection.send(batch.as_bytes())?;
        connection.settle()?;
        if phase.is_measured() {
            let now = Instant::now();
            match &mut measured {
                None => measured = Some((now, now, 0)),
                Some((_, to, pairs)) => {
                    *to = now;
                    *pairs += PAIRS_PER_TICK;
                }
            }
        }
        next_tick += TICK;
        match next_tick.checked_duration_since(Instant::now()) {
            Some(pause) => std::thread::sleep(pause),
            // Too late for this tick: the pace goes on from now, it does not catch up in bursts.
            None => next_tick = Instant::now(),
        }
    }
    Ok(match measured {
        Some((from, to, pairs)) if to > from => pairs as f64 / (to - from).as_secs_f64(),
        _ => 0.0,
    })
}
