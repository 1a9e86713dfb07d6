//! Black-box conformance: what a NATS server says on its sockets, asserted against `nats-server` and against Firn alike.
//!
//! Nothing here knows how either server is built; a suite that passes against the one and fails against the other has
//! found a difference between them. `nats-server` decides who is right: each suite runs against it too, so that a wrong
//! expectation shows as a failure of the suite and not of Firn.
//!
//! - [`transcript`]: conversations written down as text, without sockets, so that they also run against state machines;
//! - [`tcp`], [`server`], [`certificates`]: the real thing under a transcript;
//! - [`environment`]: the tools of the suites, fetched into `.cache` on first use;
//! - [`area`], [`clients`], [`monitoring`]: the suites; [`suite`]: their one-line reports.

pub mod transcript;

pub mod area;
pub mod certificates;
pub mod clients;
pub mod environment;
pub mod monitoring;
pub mod server;
pub mod suite;
pub mod tcp;
