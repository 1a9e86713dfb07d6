//! Performs transcripts over TCP and TLS against a server process.
//!
//! No threads: a transcript only listens to a connection when it asks for a frame, which is also how a slow consumer
//! is played.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufReader, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use crate::certificates;
use crate::server::{Reload, Server};
use crate::transcript::{Peer, PeerError, Received, ServerCommand};

/// The connections of one transcript to one server.
#[derive(Debug)]
pub struct TcpPeer<'server> {
    server: &'server mut Server,
    streams: HashMap<String, Stream>,
}

#[derive(Debug)]
enum Stream {
    Plain(TcpStream),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
}

impl<'server> TcpPeer<'server> {
    /// A peer without connections yet.
    pub fn new(server: &'server mut Server) -> Self {
        Self { server, streams: HashMap::new() }
    }

    /// The server behind the connections.
    #[must_use]
    pub fn server(&self) -> &Server {
        self.server
    }

    fn stream(&mut self, connection: &str) -> Result<&mut Stream, PeerError> {
        self.streams.get_mut(connection).ok_or_else(|| PeerError::UnknownConnection(connection.to_owned()))
    }
}

impl Peer for TcpPeer<'_> {
    fn open(&mut self, connection: &str) -> Result<(), PeerError> {
        let stream = TcpStream::connect(self.server.address()).map_err(failed)?;
        stream.set_nodelay(true).map_err(failed)?;
        self.streams.insert(connection.to_owned(), Stream::Plain(stream));
        Ok(())
    }

    fn send(&mut self, connection: &str, bytes: &[u8]) -> Result<(), PeerError> {
        let sent = match self.stream(connection)? {
            Stream::Plain(stream) => stream.write_all(bytes),
            Stream::Tls(stream) => stream.write_all(bytes).and_then(|()| stream.flush()),
        };
        // The end of a connection shows when it is read, after what the server said last.
        sent.or_else(|error| if is_end(error.kind()) { Ok(()) } else { Err(failed(error)) })
    }

    fn receive(&mut self, connection: &str, patience: Duration) -> Result<Received, PeerError> {
        let mut buffer = [0; 65_536];
        let stream = self.stream(connection)?;
        stream.socket().set_read_timeout(Some(patience)).map_err(failed)?;
        match stream.read(&mut buffer) {
            Ok(0) => Ok(Received::Closed),
            Ok(len) => Ok(Received::Bytes(buffer.get(..len).unwrap_or_default().to_vec())),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => Ok(Received::Nothing),
            Err(error) if is_end(error.kind()) => Ok(Received::Closed),
            Err(error) => Err(failed(error)),
        }
    }

    fn close(&mut self, connection: &str) -> Result<(), PeerError> {
        self.stream(connection)?.socket().shutdown(Shutdown::Both).ok();
        Ok(())
    }

    fn wait(&mut self, duration: Duration) {
        std::thread::sleep(duration);
    }

    fn start_tls(&mut self, connection: &str, identity: Option<&str>) -> Result<(), PeerError> {
        let Some(Stream::Plain(stream)) = self.streams.remove(connection) else {
            return Err(PeerError::Failed(format!("{connection} already speaks TLS")));
        };
        let config = client_config(identity).map_err(|error| PeerError::Failed(error.to_string()))?;
        let name = ServerName::try_from("localhost").map_err(failed)?;
        let session = ClientConnection::new(Arc::new(config), name).map_err(failed)?;
        stream.set_read_timeout(Some(Duration::from_secs(4))).map_err(failed)?;
        let mut stream = StreamOwned::new(session, stream);
        while stream.conn.is_handshaking() {
            stream.conn.complete_io(&mut stream.sock).map_err(failed)?;
        }
        self.streams.insert(connection.to_owned(), Stream::Tls(Box::new(stream)));
        Ok(())
    }

    fn command(&mut self, command: &ServerCommand) -> Result<(), PeerError> {
        match command {
            ServerCommand::Reload(config) => self.server.reload(config, Reload::Taken).map_err(failed),
            ServerCommand::Refuse(config) => self.server.reload(config, Reload::Refused).map_err(failed),
            ServerCommand::Interrupt => self.server.signal("INT").map_err(failed),
            ServerCommand::LameDuck => self.server.signal("USR2").map_err(failed),
        }
    }

    fn page(&mut self, path: &str) -> Result<Vec<u8>, PeerError> {
        Ok(self.server.page(path).map_err(failed)?.body)
    }
}

impl Stream {
    fn socket(&self) -> &TcpStream {
        match self {
            Self::Plain(stream) => stream,
            Self::Tls(stream) => &stream.sock,
        }
    }

    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.read(buffer),
            Self::Tls(stream) => stream.read(buffer),
        }
    }
}

/// Trusts the suites' authority and shows the certificate called `identity`, if any.
fn client_config(identity: Option<&str>) -> Result<ClientConfig, Box<dyn std::error::Error>> {
    let folder = certificates::folder()?;
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(folder.join("ca.pem"))?)?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots);
    let Some(identity) = identity else { return Ok(builder.with_no_client_auth()) };
    let mut chain = BufReader::new(File::open(folder.join(format!("{identity}.pem")))?);
    let chain = CertificateDer::pem_reader_iter(&mut chain).collect::<Result<Vec<_>, _>>()?;
    let key = PrivateKeyDer::from_pem_file(folder.join(format!("{identity}-key.pem")))?;
    Ok(builder.with_client_auth_cert(chain, key)?)
}

/// Whether an error is how the other side's close can look.
fn is_end(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::ConnectionReset | ErrorKind::ConnectionAborted | ErrorKind::BrokenPipe | ErrorKind::UnexpectedEof
    )
}

fn failed(error: impl std::fmt::Display) -> PeerError {
    PeerError::Failed(error.to_string())
}
