//! The JetStream commands of `firn` against nats-server: every command, what it leaves on the server, and what it says
//! when the server refuses.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a suite fails by panicking, in its helpers too")]

mod rig;

mod bench;
mod buckets;
mod consumers;
mod objects;
mod streams;
