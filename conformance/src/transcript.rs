//! A conversation with a server as a text file, and its performance before any [`Peer`].
//!
//! This module owns no socket, clock or process. A runner over TCP is [`crate::tcp`]; a runner over a state machine
//! needs only to implement [`Peer`].
//!
//! ```text
//! file ──parse──▶ Transcript ──run────▶ Ok, or the first line that did not hold
//!                            └─record─▶ the same text with the peer's real answers
//! ```

mod conversation;
mod frame;
mod json;
mod parse;
mod pattern;
mod record;
mod run;

#[cfg(test)]
mod tests;

use std::time::Duration;

pub use self::json::is_subset;
pub use self::parse::{Expectation, Line, ParseError, ServerCommand, Step, Transcript};
pub use self::pattern::{Captures, Pattern, PatternError};
pub use self::record::record;
pub use self::run::{Failure, run};

/// The server's side of a transcript: opens connections by name and carries their bytes.
pub trait Peer {
    /// Opens a client connection under a name not in use.
    ///
    /// # Errors
    /// Whatever keeps the peer from accepting it.
    fn open(&mut self, connection: &str) -> Result<(), PeerError>;

    /// Hands bytes to the server. Bytes to a connection that the server has closed are dropped: the transcript learns
    /// of the end by [`Peer::receive`].
    ///
    /// # Errors
    /// For a connection that was never opened.
    fn send(&mut self, connection: &str, bytes: &[u8]) -> Result<(), PeerError>;

    /// The next bytes from the server, waiting for them no longer than `patience`.
    ///
    /// # Errors
    /// For a connection that was never opened.
    fn receive(&mut self, connection: &str, patience: Duration) -> Result<Received, PeerError>;

    /// Ends a connection from the client's side.
    ///
    /// # Errors
    /// For a connection that was never opened.
    fn close(&mut self, connection: &str) -> Result<(), PeerError>;

    /// Lets time pass: a runner with sockets sleeps, one without moves its clock.
    fn wait(&mut self, duration: Duration);

    /// Starts TLS on an open connection, presenting the client certificate called `identity` if there is one.
    ///
    /// # Errors
    /// If the handshake fails, or the peer has no sockets.
    fn start_tls(&mut self, _connection: &str, _identity: Option<&str>) -> Result<(), PeerError> {
        Err(PeerError::Unsupported("TLS"))
    }

    /// Acts on the server itself.
    ///
    /// # Errors
    /// If the server refuses, or the peer is not a process.
    fn command(&mut self, _command: &ServerCommand) -> Result<(), PeerError> {
        Err(PeerError::Unsupported("commands to the server"))
    }

    /// The body of a monitoring page.
    ///
    /// # Errors
    /// If it cannot be had, or the peer has no monitoring port.
    fn page(&mut self, _path: &str) -> Result<Vec<u8>, PeerError> {
        Err(PeerError::Unsupported("monitoring pages"))
    }
}

/// What one look at a connection brought.
#[derive(Debug)]
pub enum Received {
    /// Some bytes, at least one.
    Bytes(Vec<u8>),
    /// The server ended the connection and everything before that has been received.
    Closed,
    /// Nothing came within the patience given.
    Nothing,
}

/// Why a peer could not do what a transcript asked of it.
#[derive(Debug, thiserror::Error)]
pub enum PeerError {
    /// The transcript needs something this kind of peer does not have; it should be marked `needs: sockets`.
    #[error("this runner has no {0}")]
    Unsupported(&'static str),
    /// The transcript names a connection it has not opened.
    #[error("no connection {0:?}")]
    UnknownConnection(String),
    /// The world failed.
    #[error("{0}")]
    Failed(String),
}
