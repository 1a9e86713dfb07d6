//! A client that does exactly what it is told, with blocking reads, and can misbehave.

use std::io::{BufRead as _, BufReader, ErrorKind, Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpStream};

use socket2::{Domain, Socket, Type};

use crate::process::PATIENCE;

/// A connection.
#[derive(Debug)]
pub(crate) struct Client {
    reader: BufReader<TcpStream>,
}

impl Client {
    /// Connects, and hears the server's greeting.
    pub(crate) fn open(address: SocketAddr) -> Self {
        Self::greeted(TcpStream::connect(address).unwrap())
    }

    /// [`Client::open`] from another address of this machine.
    pub(crate) fn open_from(local: Ipv4Addr, address: SocketAddr) -> Self {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        socket.bind(&SocketAddr::from((local, 0)).into()).unwrap();
        socket.connect(&address.into()).unwrap();
        Self::greeted(socket.into())
    }

    /// A client of this socket.
    pub(crate) fn greeted(stream: TcpStream) -> Self {
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut client = Self { reader: BufReader::new(stream) };
        let info = client.line().expect("the server greets");
        assert!(info.starts_with("INFO "), "{info}");
        client
    }

    /// Connects and signs in as nobody.
    pub(crate) fn connect(address: SocketAddr) -> Self {
        let mut client = Self::open(address);
        client.sign_in("").unwrap();
        client
    }

    /// Signs in with further members of `CONNECT`, such as `"user":"a"`.
    ///
    /// # Errors
    /// What the server answers if it does not let the client in.
    pub(crate) fn sign_in(&mut self, members: &str) -> Result<(), String> {
        let comma = if members.is_empty() { "" } else { "," };
        self.send(&format!("CONNECT {{\"verbose\":false,\"pedantic\":false{comma}{members}}}\r\nPING\r\n"));
        match self.line() {
            Some(line) if line == "PONG" => Ok(()),
            Some(line) => Err(line),
            None => Err("(closed)".to_owned()),
        }
    }

    /// Sends bytes; the end of a connection shows when it is read.
    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.try_send(bytes).ok();
    }

    /// Sends bytes.
    ///
    /// # Errors
    /// If the server has ended the connection.
    pub(crate) fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> std::io::Result<()> {
        self.reader.get_mut().write_all(bytes.as_ref())
    }

    /// The next line without its end; `None` when the server has ended the connection. Pings are answered.
    pub(crate) fn line(&mut self) -> Option<String> {
        loop {
            let mut line = String::new();
            match self.reader.read_line(&mut line) {
                Ok(0) => return None,
                Ok(_) if line == "PING\r\n" => self.send("PONG\r\n"),
                Ok(_) => return Some(line.trim_end_matches(['\r', '\n']).trim_end().to_owned()),
                Err(error) if is_end(error.kind()) => return None,
                Err(error) => panic!("the server says nothing: {error}"),
            }
        }
    }

    /// The payload of the next message; `None` when the server has ended the connection.
    pub(crate) fn message(&mut self) -> Option<String> {
        let line = loop {
            let line = self.line()?;
            if line.starts_with("MSG ") {
                break line;
            }
            assert!(line.starts_with("INFO ") || line == "PONG", "{line}");
        };
        let size: usize = line.rsplit(' ').next().unwrap().parse().unwrap();
        let mut payload = vec![0; size + 2];
        self.reader.read_exact(&mut payload).ok()?;
        payload.truncate(size);
        Some(String::from_utf8(payload).unwrap())
    }

    /// A round trip: what was sent before has been processed.
    pub(crate) fn sync(&mut self) {
        self.send("PING\r\n");
        let answer = self.line();
        assert_eq!(answer.as_deref(), Some("PONG"));
    }

    /// Everything the server says until it ends the connection.
    pub(crate) fn rest(&mut self) -> String {
        let mut rest = Vec::new();
        match self.reader.read_to_end(&mut rest) {
            Err(error) if !is_end(error.kind()) => panic!("the server does not end the connection: {error}"),
            Ok(_) | Err(_) => String::from_utf8_lossy(&rest).into_owned(),
        }
    }

    /// Says that nothing more will come.
    pub(crate) fn finish(&self) {
        self.reader.get_ref().shutdown(Shutdown::Write).ok();
    }

    /// The bare socket, for who wants to misbehave; what was received is lost.
    pub(crate) fn into_stream(self) -> TcpStream {
        self.reader.into_inner()
    }
}

/// Whether an error is how the other side's close can look.
fn is_end(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::ConnectionReset | ErrorKind::ConnectionAborted | ErrorKind::BrokenPipe | ErrorKind::UnexpectedEof
    )
}
