//! Lame duck mode: the server takes no clients any more, tells those it has, and lets them go one by one, so that they
//! do not all come to another server at once.
//!
//! ```text
//!   stop listening ─► INFO with ldm ─► grace ─► one client after another, over the rest of the time ─► shutdown
//! ```

use std::{sync::Arc, time::Duration};

use firn_session::{CloseReason, Settings};
use tokio::time::sleep;

use crate::{
    conn::outbox::Orders,
    entropy, events,
    state::{Phase, State},
};

/// Longest time between two clients.
const STEP_MAX: Duration = Duration::from_secs(1);
/// For the closing of all clients if the grace period leaves nothing.
const CLOSING_MIN: Duration = Duration::from_secs(1);

/// Lets all clients go; the caller then shuts the server down. Dropped without harm at any time.
pub(crate) async fn run(state: Arc<State>) {
    if !state.advance(Phase::LameDuck) {
        return;
    }
    tracing::info!("Entering lame duck mode, stop accepting new clients");
    events::tell_lame_duck(&state);
    if state.registry.len() == 0 {
        return;
    }
    announce(&state);
    let (duration, grace) = {
        let options = state.options.load();
        (options.lame_duck_duration, options.lame_duck_grace_period)
    };
    if left_early(&state, grace).await {
        return;
    }
    tracing::info!("Closing existing clients");
    let clients = state.registry.open();
    let step = step(duration.saturating_sub(grace).max(CLOSING_MIN), clients.len());
    let last = clients.len().saturating_sub(1);
    for (index, client) in clients.into_iter().enumerate() {
        client.outbox.end(CloseReason::ServerShutdown);
        if index < last && left_early(&state, jittered(step, entropy::seed())).await {
            return;
        }
    }
}

/// Clients that understand it learn that they should look for another server.
fn announce(state: &State) {
    let mut settings = Settings::clone(&state.settings.load());
    settings.info.ldm = true;
    state.settings.store(Arc::new(settings));
    for client in state.registry.open() {
        client.outbox.order(Orders { announce: true, ..Orders::default() });
    }
}

/// Waits, but no longer than there are clients. True when there are none any more.
async fn left_early(state: &State, wait: Duration) -> bool {
    tokio::select! {
        () = sleep(wait) => false,
        () = state.registry.emptied() => true,
    }
}

/// The time between two of so many clients that leave within a while.
fn step(within: Duration, clients: usize) -> Duration {
    let clients = u32::try_from(clients.max(1)).unwrap_or(u32::MAX);
    (within / clients).min(STEP_MAX)
}

/// Half of it or more, but not all.
fn jittered(step: Duration, random: u64) -> Duration {
    let share = u32::try_from(random % 1000).unwrap_or(0);
    step / 2 + step / 2 * share / 1000
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_leave_evenly_and_at_least_one_a_second() {
        assert_eq!(step(Duration::from_secs(110), 11_000), Duration::from_millis(10));
        assert_eq!(step(Duration::from_secs(110), 3), STEP_MAX);
        assert_eq!(step(Duration::from_secs(110), 0), STEP_MAX);
    }

    #[test]
    fn steps_are_spread() {
        let step = Duration::from_millis(100);
        for random in [0, 1, 500, 999, 1000, u64::MAX] {
            let jittered = jittered(step, random);
            assert!((step / 2..step).contains(&jittered), "{random}: {jittered:?}");
        }
    }
}
