//! What a connection does when nothing arrives: sign-in timeout, pings, staleness.

use std::time::Duration;

use firn_id::Monotonic;
use firn_wire::client::encode;

use crate::{Close, CloseReason, Link, Session, Settings, Turn, connect::Stage};

/// The first ping comes soon after `CONNECT`, so that the round trip time is known early.
const FIRST_PING: Duration = Duration::from_secs(2);
/// A round trip time older than this is measured again even while the client is busy.
const ROUND_TRIP_AGE_MAX: Duration = Duration::from_secs(3600);

/// A connection's clocks.
#[derive(Debug)]
pub(crate) struct Timers {
    /// Until when the client must have signed in.
    sign_in: Option<Monotonic>,
    next_ping: Monotonic,
    heard: Monotonic,
    heard_ping: Option<Monotonic>,
    pinged: Option<Monotonic>,
    pings_out: u32,
    round_trip: Option<(Duration, Monotonic)>,
    start: Monotonic,
    /// What is said of the round trip before the first measurement: how long `CONNECT` took to come.
    estimate: Option<Duration>,
    answered_first_ping: bool,
}

impl Timers {
    pub(crate) fn new(now: Monotonic, settings: &Settings, stage: Stage) -> Self {
        let must_sign_in = stage == Stage::SignInFirst;
        Timers {
            sign_in: must_sign_in.then(|| now + settings.authentication_timeout),
            next_ping: now + settings.ping_interval,
            heard: now,
            heard_ping: None,
            pinged: None,
            pings_out: 0,
            round_trip: None,
            start: now,
            estimate: None,
            answered_first_ping: false,
        }
    }

    /// Bytes arrived.
    pub(crate) fn heard(&mut self, now: Monotonic) {
        self.heard = now;
    }

    pub(crate) fn heard_ping(&mut self, now: Monotonic) {
        self.heard_ping = Some(now);
    }

    /// True once: ask at the first ping after the client was let in.
    pub(crate) fn is_first_ping(&mut self) -> bool {
        !std::mem::replace(&mut self.answered_first_ping, true)
    }

    pub(crate) fn pong(&mut self, now: Monotonic) {
        self.pings_out = 0;
        if let Some(pinged) = self.pinged.take() {
            self.round_trip = Some((now.since(pinged), now));
        }
    }

    /// A `CONNECT` arrived.
    pub(crate) fn heard_connect(&mut self, now: Monotonic) {
        self.estimate = Some(now.since(self.start));
    }

    pub(crate) fn has_heard_connect(&self) -> bool {
        self.estimate.is_some()
    }

    /// Nobody has to sign in any more.
    pub(crate) fn let_in(&mut self) {
        self.sign_in = None;
    }

    /// `CONNECT` was taken. `jitter` in 0..1000 spreads the first pings of clients that came together over a fifth.
    pub(crate) fn signed_in(&mut self, now: Monotonic, ping_interval: Duration, jitter: u32) {
        self.sign_in = None;
        let first = ping_interval.min(FIRST_PING);
        self.next_ping = now + first + first * (jitter % 1000) / 5000;
    }

    fn is_ping_needed(&self, now: Monotonic, interval: Duration) -> bool {
        let is_measured = self.round_trip.is_some_and(|(_, when)| now.since(when) <= ROUND_TRIP_AGE_MAX);
        let was_heard = now.since(self.heard) < interval;
        let did_ping = self.heard_ping.is_some_and(|when| now.since(when) < interval);
        !is_measured || !(was_heard || did_ping)
    }
}

impl<P: Link> Session<P> {
    /// When [`Session::tick`] is due.
    pub fn deadline(&self) -> Monotonic {
        self.timers.sign_in.map_or(self.timers.next_ping, |sign_in| sign_in.min(self.timers.next_ping))
    }

    /// When a password check that was asked for at `now` must have an outcome; then comes [`Session::verified_late`].
    pub fn verify_deadline(&self, now: Monotonic) -> Monotonic {
        self.timers.sign_in.unwrap_or(now + self.settings.authentication_timeout)
    }

    /// There was no outcome of the password check in time: whoever cannot be verified may not stay.
    pub fn verified_late(&mut self, turn: &mut Turn<'_, P>) -> Close {
        self.end(CloseReason::AuthenticationTimeout, "Authentication Timeout", turn)
    }

    /// The last measured round trip time; before, an estimate from the `CONNECT`.
    pub fn round_trip(&self) -> Option<Duration> {
        self.timers.round_trip.map(|(duration, _)| duration).or(self.timers.estimate)
    }

    /// When bytes last arrived.
    pub fn last_heard(&self) -> Monotonic {
        self.timers.heard
    }

    /// Does what is due.
    ///
    /// # Errors
    /// The client did not sign in in time, or answers no pings.
    pub fn tick(&mut self, turn: &mut Turn<'_, P>) -> Result<(), Close> {
        let now = turn.now;
        if self.timers.sign_in.is_some_and(|deadline| deadline <= now) {
            return Err(self.end(CloseReason::AuthenticationTimeout, "Authentication Timeout", turn));
        }
        if self.timers.next_ping > now {
            return Ok(());
        }
        let interval = self.settings.ping_interval;
        self.timers.next_ping = now + interval;
        if !self.timers.is_ping_needed(now, interval) {
            return Ok(());
        }
        if self.timers.pings_out + 1 > self.settings.pings_out_max {
            return Err(self.end(CloseReason::StaleConnection, "Stale Connection", turn));
        }
        self.send_ping(turn);
        Ok(())
    }

    fn send_ping(&mut self, turn: &mut Turn<'_, P>) {
        self.timers.pings_out += 1;
        self.timers.pinged = Some(turn.now);
        self.port.write(encode::PING, turn.batch);
    }
}
