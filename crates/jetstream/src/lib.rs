//! Streams and their consumers, as machines: inputs and the time go in, entries for the log and effects come out.

pub mod consumer;
pub mod messages;
pub mod now;
