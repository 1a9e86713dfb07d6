//! The state of a performance: what each connection has received and not yet been asked about.
//!
//! **Order between connections.** Two connections race unless the first one's bytes are known to be processed, so
//! before anything happens elsewhere the last sender is *synced*: it sends a PING and reads up to the PONG. That PONG
//! is not shown to the transcript. Silence is proven in the same way, twice over all connections, because one
//! connection's bytes may cause frames on another.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use super::frame::Frames;
use super::pattern::{Captures, Pattern, escape_frame};
use super::{Peer, PeerError, Received};

/// How long a frame may take that the transcript expects.
pub(super) const PATIENCE: Duration = Duration::from_secs(4);

/// How long to listen to a connection that cannot be synced, where silence cannot be proven.
const GLANCE: Duration = Duration::from_millis(30);

const PING: &[u8] = b"PING\r\n";
const PONG: &[u8] = b"PONG\r\n";

/// Connections to one peer and what they have heard.
pub(super) struct Conversation<'peer> {
    peer: &'peer mut dyn Peer,
    connections: BTreeMap<String, Connection>,
    captures: Captures,
    /// The connection whose bytes may still be on their way.
    last_sender: Option<String>,
}

#[derive(Default)]
struct Connection {
    frames: Frames,
    /// Whole frames nobody has asked for yet.
    heard: VecDeque<Vec<u8>>,
    greeting: Greeting,
    nonce: Option<String>,
    /// PONGs the transcript itself has asked for.
    pongs_due: usize,
    /// The line being sent, as far as it has got.
    line: Vec<u8>,
    /// Whether a PING would be read as one: something was sent, and it ended in a line.
    can_sync: bool,
    /// The server has closed it.
    closed: bool,
    /// The transcript knows that it is closed.
    done: bool,
}

/// Where the first INFO of a connection is.
#[derive(Default, PartialEq, Eq)]
enum Greeting {
    /// Nothing has been received.
    #[default]
    Awaited,
    /// It is the next frame, and may be passed over.
    Next,
    /// A line has asked for it, or passed over it.
    Taken,
}

/// What a look at a connection's next frame brings.
#[derive(Debug)]
pub(super) enum Next {
    Frame(Vec<u8>),
    Closed,
    Silence,
}

impl Next {
    /// The same as a reader of a report would want to see it.
    pub(super) fn describe(&self) -> String {
        match self {
            Self::Frame(frame) if frame.starts_with(b"INFO ") => String::from_utf8_lossy(frame).trim_end().to_owned(),
            Self::Frame(frame) => escape_frame(frame),
            Self::Closed => "(closed)".to_owned(),
            Self::Silence => "(nothing)".to_owned(),
        }
    }
}

impl<'peer> Conversation<'peer> {
    pub(super) fn new(peer: &'peer mut dyn Peer) -> Self {
        Self { peer, connections: BTreeMap::new(), captures: Captures::new(), last_sender: None }
    }

    pub(super) fn peer(&mut self) -> &mut dyn Peer {
        self.peer
    }

    pub(super) fn names(&self) -> Vec<String> {
        self.connections.keys().cloned().collect()
    }

    /// Opens the connection on its first mention and receives its INFO.
    pub(super) fn open(&mut self, name: &str) -> Result<(), PeerError> {
        if self.connections.contains_key(name) {
            return Ok(());
        }
        self.open_silently(name)?;
        // A peer that refuses connections may say nothing at all.
        self.peek(name, PATIENCE);
        Ok(())
    }

    /// Opens the connection without waiting for the server to speak.
    pub(super) fn open_silently(&mut self, name: &str) -> Result<(), PeerError> {
        self.sync_last_sender(None)?;
        self.peer.open(name)?;
        self.connections.insert(name.to_owned(), Connection::default());
        Ok(())
    }

    pub(super) fn send(&mut self, name: &str, bytes: &[u8], complete: bool) -> Result<(), PeerError> {
        self.open(name)?;
        self.sync_last_sender(Some(name))?;
        self.peer.send(name, bytes)?;
        let connection = self.connection(name)?;
        connection.can_sync = complete;
        connection.note_pings(bytes);
        self.last_sender = Some(name.to_owned());
        Ok(())
    }

    pub(super) fn nonce(&mut self, name: &str) -> Result<Option<String>, PeerError> {
        Ok(self.connection(name)?.nonce.clone())
    }

    pub(super) fn captures(&self) -> &Captures {
        &self.captures
    }

    pub(super) fn close(&mut self, name: &str) -> Result<(), PeerError> {
        self.open(name)?;
        self.sync_last_sender(None)?;
        self.connection(name)?.done = true;
        self.connection(name)?.can_sync = false;
        self.peer.close(name)
    }

    /// Takes the next frame if it matches; otherwise says what is there instead and leaves it.
    pub(super) fn expect(&mut self, name: &str, pattern: &Pattern, patience: Duration) -> Result<(), Next> {
        if self.open(name).is_err() {
            return Err(Next::Closed);
        }
        loop {
            let frame = match self.peek(name, patience) {
                Next::Frame(frame) => frame,
                Next::Closed => return Err(Next::Closed),
                Next::Silence => return Err(Next::Silence),
            };
            let matched = pattern.matches(&frame, &mut self.captures);
            let Some(connection) = self.connections.get_mut(name) else { return Err(Next::Closed) };
            if matched {
                connection.take_front();
                return Ok(());
            }
            if !connection.may_pass_over(&frame) {
                return Err(Next::Frame(frame));
            }
            connection.take_front();
        }
    }

    /// Waits for the server to close the connection.
    pub(super) fn expect_closed(&mut self, name: &str) -> Result<(), Next> {
        if self.open(name).is_err() {
            return Ok(());
        }
        loop {
            match self.peek(name, PATIENCE) {
                Next::Closed => {
                    if let Some(connection) = self.connections.get_mut(name) {
                        connection.done = true;
                    }
                    return Ok(());
                }
                Next::Silence => return Err(Next::Silence),
                Next::Frame(frame) => {
                    let Some(connection) = self.connections.get_mut(name) else { return Ok(()) };
                    if !connection.may_pass_over(&frame) {
                        return Err(Next::Frame(frame));
                    }
                    connection.take_front();
                }
            }
        }
    }

    /// Waits until everything sent so far has been processed and its consequences have arrived.
    pub(super) fn settle(&mut self) -> Result<(), PeerError> {
        for _ in 0..2 {
            for name in self.names() {
                self.sync(&name)?;
            }
        }
        self.last_sender = None;
        for name in self.names() {
            if !self.connection(&name)?.can_sync {
                self.glance(&name)?;
            }
        }
        Ok(())
    }

    /// The frames left over on a connection, and whether it ended without the transcript saying so.
    pub(super) fn leftovers(&mut self, name: &str) -> (Vec<Vec<u8>>, bool) {
        let Some(connection) = self.connections.get_mut(name) else { return (Vec::new(), false) };
        let mut frames: Vec<Vec<u8>> = Vec::new();
        while let Some(frame) = connection.heard.front().cloned() {
            let passed_over = connection.may_pass_over(&frame);
            connection.take_front();
            if !passed_over {
                frames.push(frame);
            }
        }
        let partial = connection.frames.take_partial();
        if !partial.is_empty() {
            frames.push(partial);
        }
        let ended = connection.closed && !connection.done;
        (frames, ended)
    }

    /// Remembers that the transcript has been told of the end of a connection.
    pub(super) fn acknowledge_end(&mut self, name: &str) {
        if let Some(connection) = self.connections.get_mut(name) {
            connection.done = true;
        }
    }

    /// Syncs the last sender, unless it is `next`, which speaks on.
    pub(super) fn sync_last_sender(&mut self, next: Option<&str>) -> Result<(), PeerError> {
        match self.last_sender.take() {
            Some(last) if Some(last.as_str()) != next => self.sync(&last),
            _ => Ok(()),
        }
    }

    /// Sends a PING and receives up to its PONG, if the connection is in a state to answer one.
    fn sync(&mut self, name: &str) -> Result<(), PeerError> {
        let connection = self.connection(name)?;
        if !connection.can_sync || connection.closed || connection.done {
            return Ok(());
        }
        let heard = connection.heard.iter().filter(|frame| *frame == PONG).count();
        let mut own_pongs = connection.pongs_due.saturating_sub(heard);
        self.peer.send(name, PING)?;
        loop {
            match self.receive_frame(name, PATIENCE) {
                Next::Frame(frame) if frame == PONG && own_pongs == 0 => return Ok(()),
                Next::Frame(frame) => {
                    own_pongs -= usize::from(frame == PONG);
                    self.connection(name)?.heard.push_back(frame);
                }
                Next::Closed | Next::Silence => return Ok(()),
            }
        }
    }

    /// Hears what has arrived on a connection without asking for anything.
    fn glance(&mut self, name: &str) -> Result<(), PeerError> {
        if self.connection(name)?.done {
            return Ok(());
        }
        while let Next::Frame(frame) = self.receive_frame(name, GLANCE) {
            self.connection(name)?.heard.push_back(frame);
        }
        Ok(())
    }

    /// The next frame, which stays where it is.
    fn peek(&mut self, name: &str, patience: Duration) -> Next {
        if let Some(frame) = self.connections.get(name).and_then(|connection| connection.heard.front()) {
            return Next::Frame(frame.clone());
        }
        let next = self.receive_frame(name, patience);
        if let (Next::Frame(frame), Some(connection)) = (&next, self.connections.get_mut(name)) {
            connection.heard.push_back(frame.clone());
        }
        next
    }

    /// The next frame off the peer.
    fn receive_frame(&mut self, name: &str, patience: Duration) -> Next {
        let Some(connection) = self.connections.get_mut(name) else { return Next::Closed };
        loop {
            if let Some(frame) = connection.frames.next() {
                connection.note_greeting(&frame);
                return Next::Frame(frame);
            }
            if connection.closed {
                return Next::Closed;
            }
            match self.peer.receive(name, patience) {
                Ok(Received::Bytes(bytes)) => connection.frames.extend(&bytes),
                Ok(Received::Nothing) => return Next::Silence,
                Ok(Received::Closed) | Err(_) => connection.closed = true,
            }
        }
    }

    fn connection(&mut self, name: &str) -> Result<&mut Connection, PeerError> {
        self.connections.get_mut(name).ok_or_else(|| PeerError::UnknownConnection(name.to_owned()))
    }
}

impl Connection {
    /// Whether a transcript may leave this frame unmentioned: the first INFO, and the server's own PINGs.
    fn may_pass_over(&self, frame: &[u8]) -> bool {
        self.greeting == Greeting::Next || frame == PING
    }

    /// Remembers what the first INFO says.
    fn note_greeting(&mut self, frame: &[u8]) {
        if self.greeting != Greeting::Awaited {
            return;
        }
        self.greeting = Greeting::Taken;
        if let Some(info) = frame.strip_prefix(b"INFO ") {
            let info: serde_json::Value = serde_json::from_slice(info).unwrap_or_default();
            self.nonce = info.get("nonce").and_then(|nonce| nonce.as_str()).map(str::to_owned);
            self.greeting = Greeting::Next;
        }
    }

    /// Counts the PINGs in what the transcript sends, also those that come in pieces.
    fn note_pings(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.line.push(byte);
            if byte == b'\n' {
                let is_ping = self.line.get(..4).is_some_and(|verb| verb.eq_ignore_ascii_case(b"PING"))
                    && self.line.get(4).is_some_and(u8::is_ascii_whitespace);
                self.pongs_due += usize::from(is_ping);
                self.line.clear();
            }
        }
    }

    fn take_front(&mut self) {
        if self.heard.pop_front().is_some_and(|frame| frame == PONG) {
            self.pongs_due = self.pongs_due.saturating_sub(1);
        }
        self.greeting = Greeting::Taken;
    }
}
