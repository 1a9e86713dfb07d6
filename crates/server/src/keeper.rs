//! The keeper of the memory budget: when all outboxes together hold too much, the client that is to blame goes.

use std::{cmp::Reverse, sync::Arc, time::Duration};

use firn_id::Monotonic;
use firn_session::CloseReason;

use crate::{
    clock,
    conn::{client::Client, outbox::Status},
    state::{Phase, State},
};

/// Who took nothing for so long makes no progress.
const STUCK: Duration = Duration::from_millis(100);

/// Watches until the server stops.
pub(crate) async fn run(state: Arc<State>) {
    let mut phase = state.phase.subscribe();
    loop {
        // Both are cancel-safe: a notice that was not taken stays.
        tokio::select! {
            () = state.budget.exceeded() => {}
            _ = phase.wait_for(|&phase| phase == Phase::Stopping) => return,
        }
        let candidates = state.registry.open().into_iter().filter_map(Candidate::of).collect();
        for Candidate { client, is_closing, .. } in ranked(candidates, clock::monotonic()) {
            if state.budget.has_room() {
                break;
            }
            if !is_closing {
                tracing::warn!(
                    client = client.label(),
                    "Slow Consumer Detected: the memory for all clients is used up"
                );
            }
            client.outbox.discard(CloseReason::SlowConsumerPendingBytes);
        }
    }
}

struct Candidate<T> {
    client: T,
    is_closing: bool,
    pending: usize,
    progress: Monotonic,
}

impl Candidate<Arc<Client>> {
    /// None for who holds nothing.
    fn of(client: Arc<Client>) -> Option<Self> {
        let Status { pending, progress, closing, .. } = client.outbox.status();
        (pending > 0).then_some(Candidate { client, is_closing: closing.is_some(), pending, progress })
    }
}

/// First those that are ending anyway, then those that take nothing, then the others; among each, those with the most
/// waiting first.
fn ranked<T>(mut candidates: Vec<Candidate<T>>, now: Monotonic) -> Vec<Candidate<T>> {
    let rank = |candidate: &Candidate<T>| {
        let is_stuck = now.since(candidate.progress) > STUCK;
        (Reverse(candidate.is_closing), Reverse(is_stuck), Reverse(candidate.pending))
    };
    candidates.sort_by_key(rank);
    candidates
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each with what waits for it, for how many milliseconds it took nothing, and whether it ends already.
    fn check(clients: &[(&'static str, usize, u64, bool)], expected: Option<&str>) {
        let candidates = clients.iter().map(|&(client, pending, silent_ms, is_closing)| Candidate {
            client,
            is_closing,
            pending,
            progress: Monotonic::from_nanos((10_000 - silent_ms) * 1_000_000),
        });
        let now = Monotonic::from_nanos(10_000 * 1_000_000);
        let first = ranked(candidates.collect(), now).into_iter().next();
        assert_eq!(first.map(|candidate| candidate.client), expected);
    }

    #[test]
    fn the_largest_of_those_that_take_nothing_goes_first() {
        check(&[], None);
        let small = ("small", 10, 500, false);
        let large = ("large", 20, 500, false);
        check(&[small, large, ("larger but reading", 30, 1, false)], Some("large"));
        check(&[("small", 10, 5, false), ("large", 20, 5, false)], Some("large"));
        check(&[small, large, ("small and ending", 5, 5, true)], Some("small and ending"));
    }
}
