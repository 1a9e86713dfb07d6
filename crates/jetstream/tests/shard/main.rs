//! What streams promise, one file a promise, seen by a client of a shard: subjects and bytes in, replies out.
//!
//! Every text that is expected here was seen from nats-server 2.15.1, where nothing else is said.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test ends where something is not as it must be")]

mod accounts;
mod consumers;
mod direct;
mod expiry;
mod limits;
mod messages;
mod order;
mod publish;
mod purge;
mod replay;
mod streams;
mod waits;
mod world;
