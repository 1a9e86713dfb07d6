//! Why a connection ends, in the words that monitoring and events use.

use std::fmt;

use firn_wire::client::decode::DecodeError;

use crate::{Link, Session, Turn};

/// The end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Close {
    /// Why.
    pub reason: CloseReason,
    /// Whether the client was sent an `-ERR`, so that what is queued for it is worth flushing.
    pub told: bool,
}

impl Close {
    pub(crate) const fn silently(reason: CloseReason) -> Self {
        Close { reason, told: false }
    }
}

/// Why a connection ended; `Display` gives nats-server's text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the texts below say it")]
pub enum CloseReason {
    ClientClosed,
    AuthenticationTimeout,
    AuthenticationViolation,
    TlsHandshakeError,
    SlowConsumerPendingBytes,
    SlowConsumerWriteDeadline,
    WriteError,
    ReadError,
    ParseError,
    StaleConnection,
    ProtocolViolation,
    BadClientProtocolVersion,
    MaxConnectionsExceeded,
    MaxPayloadExceeded,
    MaxControlLineExceeded,
    MaxSubscriptionsExceeded,
    ServerShutdown,
    AuthenticationExpired,
    MissingAccount,
    InternalClient,
    NoRespondersRequiresHeaders,
    Kicked,
    /// This one is Firn's own: a fault of the server ended the connection.
    InternalError,
}

impl CloseReason {
    /// The text in monitoring and events.
    pub const fn text(self) -> &'static str {
        match self {
            CloseReason::ClientClosed => "Client Closed",
            CloseReason::AuthenticationTimeout => "Authentication Timeout",
            CloseReason::AuthenticationViolation => "Authentication Failure",
            CloseReason::TlsHandshakeError => "TLS Handshake Failure",
            CloseReason::SlowConsumerPendingBytes => "Slow Consumer (Pending Bytes)",
            CloseReason::SlowConsumerWriteDeadline => "Slow Consumer (Write Deadline)",
            CloseReason::WriteError => "Write Error",
            CloseReason::ReadError => "Read Error",
            CloseReason::ParseError => "Parse Error",
            CloseReason::StaleConnection => "Stale Connection",
            CloseReason::ProtocolViolation => "Protocol Violation",
            CloseReason::BadClientProtocolVersion => "Bad Client Protocol Version",
            CloseReason::MaxConnectionsExceeded => "Maximum Connections Exceeded",
            CloseReason::MaxPayloadExceeded => "Maximum Message Payload Exceeded",
            CloseReason::MaxControlLineExceeded => "Maximum Control Line Exceeded",
            CloseReason::MaxSubscriptionsExceeded => "Maximum Subscriptions Exceeded",
            CloseReason::ServerShutdown => "Server Shutdown",
            CloseReason::AuthenticationExpired => "Authentication Expired",
            CloseReason::MissingAccount => "Missing Account",
            CloseReason::InternalClient => "Internal Client",
            CloseReason::NoRespondersRequiresHeaders => "No Responders Requires Headers",
            CloseReason::Kicked => "Kicked",
            CloseReason::InternalError => "Internal Error",
        }
    }
}

impl fmt::Display for CloseReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

impl<P: Link> Session<P> {
    /// Bytes that are no operation end the connection; which of them are told is nats-server's choice.
    #[cold]
    pub(crate) fn refuse_bytes(&self, error: &DecodeError, turn: &mut Turn<'_, P>) -> Close {
        match error {
            DecodeError::UnknownOperation => {
                self.end(CloseReason::ProtocolViolation, "Unknown Protocol Operation", turn)
            }
            DecodeError::BadArguments(_) => Close::silently(CloseReason::ProtocolViolation),
            DecodeError::ControlLineTooLong => {
                self.end(CloseReason::MaxControlLineExceeded, "maximum control line exceeded", turn)
            }
            DecodeError::PayloadTooLong(_) => {
                self.end(CloseReason::MaxPayloadExceeded, "Maximum Payload Violation", turn)
            }
        }
    }
}
