//! The keeper of the memory budget: when all outboxes together hold too much, the client that is to blame goes.

use std::{cmp::Reverse, sync::Arc, time::Duration};

use firn_id::Monotonic;
use firn_session::CloseReason;

use crate::{
    clock,
    conn::client::Client,
    state::{Phase, State},
};

/// Who took nothing for so long makes no progress.
const STUCK: Duration = Duration::from_millis(100);
/// Time for a client that was ended to give its memory back.
const RELEASE: Duration = Duration::from_millis(5);

/// Watches until the server stops.
pub(crate) async fn run(state: Arc<State>) {
    let mut phase = state.phase.subscribe();
    loop {
        // Both are cancel-safe: a notice that was not taken stays.
        tokio::select! {
            () = state.budget.exceeded() => {}
            _ = phase.wait_for(|&phase| phase == Phase::Stopping) => return,
        }
        while state.budget.excess() > 0 {
            let candidates: Vec<_> = state.registry.open().into_iter().filter_map(Candidate::of).collect();
            if candidates.is_empty() {
                break;
            }
            // As many at once as it takes: one at a time would lose the race against a large fan-out.
            let mut excess = state.budget.excess();
            for Candidate { client, pending, .. } in ranked(candidates, clock::monotonic()) {
                tracing::warn!(
                    client = client.label(),
                    "Slow Consumer Detected: the memory for all clients is used up"
                );
                client.outbox.end(CloseReason::SlowConsumerPendingBytes);
                excess = excess.saturating_sub(pending);
                if excess == 0 {
                    break;
                }
            }
            tokio::time::sleep(RELEASE).await;
        }
    }
}

struct Candidate<T> {
    client: T,
    pending: usize,
    progress: Monotonic,
}

impl Candidate<Arc<Client>> {
    /// None for who holds nothing or is on its way out.
    fn of(client: Arc<Client>) -> Option<Self> {
        let status = client.outbox.status();
        let is_candidate = status.pending > 0 && status.closing.is_none();
        is_candidate.then_some(Candidate { client, pending: status.pending, progress: status.progress })
    }
}

/// First those that take nothing, then the others; among each, those with the most waiting first.
fn ranked<T>(mut candidates: Vec<Candidate<T>>, now: Monotonic) -> Vec<Candidate<T>> {
    let rank = |candidate: &Candidate<T>| {
        let is_stuck = now.since(candidate.progress) > STUCK;
        (Reverse(is_stuck), Reverse(candidate.pending))
    };
    candidates.sort_by_key(rank);
    candidates
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(clients: &[(&'static str, usize, u64)], expected: Option<&str>) {
        let candidates = clients.iter().map(|&(client, pending, silent_ms)| Candidate {
            client,
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
        check(&[("small", 10, 500), ("large", 20, 500), ("larger but reading", 30, 1)], Some("large"));
        check(&[("small", 10, 5), ("large", 20, 5)], Some("large"));
    }
}
