//! Bytes to operations and back, for each kind of peer; in this crate so far, clients.
//!
//! ```text
//!   PUB work _INBOX.1 5\r\nhello\r\n   ->  ClientOp::Publish(Publish { subject, reply, body, .. }), borrowed from the input
//!   MSG work 7 5\r\nhello\r\n          <-  encode::message(..)
//! ```
//!
//! Not here: sockets, time, accounts, what an operation means. Decoders are total: any bytes give an operation, "need
//! more" or an error.

pub mod client;
pub mod fuzzing;
pub mod header;
