//! One client connection: the handshake, blocking exchanges for setting up, and a socket for the load loops.
//!
//! Opened blocking; [`Connection::go_nonblocking`] hands it to a loop of [`crate::load`] or [`crate::open_loop`].

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};

use crate::receive::Receiver;

/// A server that is silent for this long while an answer is due has failed the run.
pub(crate) const SILENCE_MAX: Duration = Duration::from_secs(20);

/// Room for what a blocking exchange reads at once.
const EXCHANGE_BYTES: usize = 4 * 1024;

const CONNECT: &[u8] = b"CONNECT {\"verbose\":false,\"pedantic\":false,\"headers\":true,\"no_responders\":true,\
    \"lang\":\"bench\",\"version\":\"1\",\"protocol\":1,\"echo\":true}\r\nPING\r\n";

/// A signed-in connection and the counts of what it received.
pub(crate) struct Connection {
    transport: Transport,
    pub(crate) received: Receiver,
}

enum Transport {
    Plain(TcpStream),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
}

/// What a non-blocking read or write achieved.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Progress {
    /// So many bytes.
    Bytes(usize),
    /// Nothing before the socket is ready again.
    Blocked,
}

impl Connection {
    /// Connects, reads INFO, upgrades to TLS if a configuration is given, signs in, and waits for the first PONG.
    pub(crate) fn open(address: SocketAddr, tls: Option<&Arc<ClientConfig>>) -> Result<Self> {
        let stream = TcpStream::connect(address).with_context(|| format!("connecting to {address}"))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(SILENCE_MAX))?;
        stream.set_write_timeout(Some(SILENCE_MAX))?;
        let info = read_info(&stream)?;
        let transport = match tls {
            None => Transport::Plain(stream),
            Some(config) => {
                let info: serde_json::Value = serde_json::from_str(&info).context("INFO is not JSON")?;
                let offers_tls =
                    ["tls_required", "tls_available"].iter().any(|key| info.get(key) == Some(&true.into()));
                ensure!(offers_tls, "the server offers no TLS");
                let client = ClientConnection::new(Arc::clone(config), ServerName::from(address.ip()))?;
                Transport::Tls(Box::new(StreamOwned::new(client, stream)))
            }
        };
        let mut connection = Self { transport, received: Receiver::default() };
        connection.send(CONNECT)?;
        connection.wait_until("the first PONG", |received| received.pongs >= 1)?;
        Ok(connection)
    }

    /// Subscribes with `sid`, optionally in a queue group. The server may not have seen it before the next [`Self::settle`].
    pub(crate) fn subscribe(&mut self, subject: &str, queue: Option<&str>, sid: usize) -> Result<()> {
        match queue {
            Some(queue) => self.send(format!("SUB {subject} {queue} {sid}\r\n").as_bytes()),
            None => self.send(format!("SUB {subject} {sid}\r\n").as_bytes()),
        }
    }

    /// Waits until the server has processed all that was sent.
    pub(crate) fn settle(&mut self) -> Result<()> {
        let due = self.received.pongs + 1;
        self.send(b"PING\r\n")?;
        self.wait_until("a PONG", |received| received.pongs >= due)
    }

    /// Writes all bytes; blocking connections only.
    pub(crate) fn send(&mut self, bytes: &[u8]) -> Result<()> {
        let writer = self.transport.stream();
        writer.write_all(bytes).and_then(|()| writer.flush()).context("writing to the server")
    }

    /// Reads and counts until `done`; blocking connections only. `what` names the thing waited for.
    pub(crate) fn wait_until(&mut self, what: &str, done: impl Fn(&Receiver) -> bool) -> Result<()> {
        let mut buffer = [0; EXCHANGE_BYTES];
        while !done(&self.received) {
            let read = match self.transport.stream().read(&mut buffer) {
                Ok(0) => bail!("the server closed the connection instead of sending {what}"),
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error).with_context(|| format!("waiting for {what}")),
            };
            self.received.feed(buffer.get(..read).unwrap_or_default())?;
            if self.received.pings_unanswered > 0 {
                self.received.pings_unanswered = 0;
                self.send(b"PONG\r\n")?;
            }
        }
        Ok(())
    }

    /// From here on [`Self::try_read`] and [`Self::try_write`] are for use, the blocking methods are not.
    pub(crate) fn go_nonblocking(&self) -> Result<()> {
        Ok(self.transport.socket().set_nonblocking(true)?)
    }

    /// Reads what is there into `buffer`. The end of the connection is an error: no load expects it.
    pub(crate) fn try_read(&mut self, buffer: &mut [u8]) -> Result<Progress> {
        match self.transport.stream().read(buffer) {
            Ok(0) => bail!("the server closed a connection under load"),
            Ok(read) => Ok(Progress::Bytes(read)),
            Err(error) => progress(error).context("reading under load"),
        }
    }

    /// Writes what the socket takes.
    pub(crate) fn try_write(&mut self, bytes: &[u8]) -> Result<Progress> {
        match self.transport.stream().write(bytes) {
            Ok(written) => Ok(Progress::Bytes(written)),
            Err(error) => progress(error).context("writing under load"),
        }
    }

    /// Pushes out what TLS holds back after a write; `Blocked` while some remains.
    pub(crate) fn try_flush(&mut self) -> Result<Progress> {
        let Transport::Tls(tls) = &mut self.transport else { return Ok(Progress::Bytes(0)) };
        if !tls.conn.wants_write() {
            return Ok(Progress::Bytes(0));
        }
        match tls.flush() {
            Ok(()) if tls.conn.wants_write() => Ok(Progress::Blocked),
            Ok(()) => Ok(Progress::Bytes(0)),
            Err(error) => progress(error).context("writing under load"),
        }
    }

    /// Answers a PING of the server: these six bytes must not fall into the middle of a message.
    pub(crate) fn try_answer_ping(&mut self) -> Result<()> {
        if self.received.pings_unanswered == 0 {
            return Ok(());
        }
        match self.try_write(b"PONG\r\n")? {
            Progress::Blocked => return Ok(()),
            Progress::Bytes(written) => ensure!(written == 6, "the socket took half a PONG"),
        }
        self.received.pings_unanswered = 0;
        self.try_flush()?;
        Ok(())
    }

    /// Whether reading must go on until [`Progress::Blocked`], because plain text may wait above the socket.
    pub(crate) fn hides_input(&self) -> bool {
        matches!(self.transport, Transport::Tls(_))
    }
}

impl AsFd for Connection {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match &self.transport {
            Transport::Plain(stream) => stream.as_fd(),
            Transport::Tls(tls) => tls.sock.as_fd(),
        }
    }
}

impl Transport {
    fn stream(&mut self) -> &mut dyn ReadWrite {
        match self {
            Self::Plain(stream) => stream,
            Self::Tls(tls) => tls.as_mut(),
        }
    }

    fn socket(&self) -> &TcpStream {
        match self {
            Self::Plain(stream) => stream,
            Self::Tls(tls) => &tls.sock,
        }
    }
}

trait ReadWrite: Read + Write {}
impl<T: Read + Write> ReadWrite for T {}

fn progress(error: io::Error) -> Result<Progress> {
    if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) {
        return Ok(Progress::Blocked);
    }
    Err(error.into())
}

/// Reads a server's INFO line, and not a byte more: the next one may belong to TLS.
pub(crate) fn read_info(mut stream: &TcpStream) -> Result<String> {
    let mut line = Vec::with_capacity(1024);
    let mut byte = [0];
    while !line.ends_with(b"\n") {
        stream.read_exact(&mut byte).context("reading INFO")?;
        line.extend_from_slice(&byte);
    }
    let line = String::from_utf8(line).context("INFO is not UTF-8")?;
    match line.strip_prefix("INFO ") {
        Some(json) => Ok(json.trim_end().to_owned()),
        None => bail!("expected INFO, got {line:?}"),
    }
}
