//! A consumer alone, driven by scripts.
//!
//! A script is lines: what happens, and indented below it what the consumer does then. See [`harness::check`].

mod acks;
mod administration;
mod durability;
mod groups;
mod harness;
mod policies;
mod pull;
mod push;
mod random;
mod removal;
