//! From a fresh socket to a stream that a session can use.
//!
//! ```text
//!   INFO ─► (peek: TLS or not?) ─► handshake ─► CONNECT …        usual
//!           handshake ─► INFO ─► CONNECT …                       handshake_first
//!   (peek: anything within the delay?) ─► one of the two         handshake_first: auto
//! ```

use std::{io, sync::Arc};

use firn_auth::authenticate::CertificateNames;
use firn_config::HandshakeFirst;
use firn_id::Monotonic;
use tokio::{io::AsyncWriteExt, net::TcpStream, time};
use tokio_rustls::server::TlsStream;

use super::{Tls, algorithms, certificate};
use crate::{clock, conn::client::TlsFacts};

/// The first byte of a TLS connection.
const HANDSHAKE: u8 = 0x16;

/// A connection on which the protocol can go on.
pub(crate) enum Opened {
    /// Without TLS, where that is allowed; `INFO` was said.
    Plain(TcpStream),
    /// With TLS.
    Secure {
        stream: Box<TlsStream<TcpStream>>,
        facts: Box<TlsFacts>,
        /// Taken out only if users are known by their certificates.
        certificate: Option<Arc<CertificateNames>>,
    },
}

/// Why there is no such connection.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error("Connection throttling is active. Please try again later.")]
    Throttled(TcpStream),
    #[error("TLS handshake error: {0}")]
    Handshake(String),
    #[error("TLS handshake error: i/o timeout")]
    Late,
    #[error("{0}")]
    Socket(#[from] io::Error),
}

/// Opens a connection; all of it must be done `until` then, which is the client's deadline to sign in or the timeout of
/// the handshake, whichever is earlier. `info` is the line that a client is greeted with.
pub(crate) async fn open(tls: &Tls, mut stream: TcpStream, info: &[u8], until: Monotonic) -> Result<Opened, Failure> {
    let until = clock::instant(until.min(clock::monotonic() + tls.timeout));
    let is_first = match tls.handshake_first {
        HandshakeFirst::No => false,
        HandshakeFirst::Yes => true,
        // A client that waits for INFO is silent; one that does not has begun its handshake.
        HandshakeFirst::Fallback(delay) => time::timeout(delay, stream.peek(&mut [0])).await.is_ok(),
    };
    if !is_first {
        time::timeout_at(until, stream.write_all(info)).await.map_err(|_| Failure::Late)??;
        if tls.allow_non_tls && !begins_with_handshake(&stream, until).await? {
            return Ok(Opened::Plain(stream));
        }
    }
    if tls.rate.as_ref().is_some_and(|rate| !rate.admits(clock::monotonic())) {
        return Err(Failure::Throttled(stream));
    }
    let handshake = time::timeout_at(until, tls.acceptor.accept(stream)).await.map_err(|_| Failure::Late)?;
    let stream = Box::new(handshake.map_err(|error| Failure::Handshake(error.to_string()))?);
    let facts = Box::new(facts(&stream, is_first));
    let leaf = facts.peer_certificates.first();
    if !tls.admits(leaf.map(Vec::as_slice)) {
        return Err(Failure::Handshake("certificate not pinned".to_owned()));
    }
    let names = leaf.filter(|_| tls.maps_certificates).and_then(|leaf| certificate::names(leaf));
    Ok(Opened::Secure { certificate: names.map(Arc::new), stream, facts })
}

/// Who says nothing for so long, or nothing any more, is no TLS client.
async fn begins_with_handshake(stream: &TcpStream, until: time::Instant) -> io::Result<bool> {
    let mut first = [0];
    match time::timeout_at(until, stream.peek(&mut first)).await {
        Ok(count) => Ok(count? == 1 && first == [HANDSHAKE]),
        Err(_) => Ok(false),
    }
}

fn facts(stream: &TlsStream<TcpStream>, first: bool) -> TlsFacts {
    let (_, connection) = stream.get_ref();
    let certificates = connection.peer_certificates().unwrap_or_default();
    TlsFacts {
        version: connection.protocol_version().map_or("unknown", algorithms::version_name),
        cipher_suite: connection
            .negotiated_cipher_suite()
            .map_or("unknown", |suite| algorithms::suite_name(suite.suite())),
        first,
        peer_certificates: certificates.iter().map(|certificate| certificate.to_vec()).collect(),
    }
}
