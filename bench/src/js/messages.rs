//! What a server sends to a JetStream client: whole messages with subject, reply subject, headers and payload.
//!
//! [`crate::receive`] counts messages and skips what is in them; acknowledgements and deliveries must be read. A message
//! is handed out where it was read, so nothing is copied but what the end of a read cuts in two.

use crate::connection::{Connection, Progress};
use crate::receive::ReceiveError;

use anyhow::{Result, bail};

/// Room for one read; a message that needs more makes the buffer grow.
const READ_BYTES: usize = 256 * 1024;

/// Longest line of the protocol that is waited for.
const LINE_BYTES_MAX: usize = 32 * 1024;

/// A connection whose messages are read whole.
pub(super) struct Link {
    pub(super) connection: Connection,
    inbound: Inbound,
}

/// Bytes that were read and not yet looked at.
struct Inbound {
    buffer: Vec<u8>,
    begin: usize,
    end: usize,
}

/// One thing a server sends.
#[derive(Debug, PartialEq)]
enum Event<'a> {
    Message(Message<'a>),
    Ping,
    /// PONG, `+OK` or a new INFO.
    Other,
}

/// A message in the buffer it was read into.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Message<'a> {
    pub(super) subject: &'a [u8],
    pub(super) reply: Option<&'a [u8]>,
    pub(super) headers: &'a [u8],
    pub(super) payload: &'a [u8],
}

impl Link {
    /// Takes over a connection that has read all that is due to it.
    pub(super) fn new(connection: Connection) -> Self {
        Self { connection, inbound: Inbound { buffer: vec![0; READ_BYTES], begin: 0, end: 0 } }
    }

    /// Reads once; answers whether anything came. A blocking connection waits for as long as it may be silent.
    pub(super) fn read(&mut self) -> Result<bool> {
        match self.connection.try_read(self.inbound.room())? {
            Progress::Bytes(read) => {
                self.inbound.end += read;
                Ok(true)
            }
            Progress::Blocked => Ok(false),
        }
    }

    /// Reads once on a blocking connection, on which nothing is half written. `what` names the thing waited for.
    pub(super) fn wait(&mut self, what: &str) -> Result<()> {
        self.connection.try_answer_ping()?;
        if !self.read()? {
            bail!("no {what} within {:?}", crate::connection::SILENCE_MAX);
        }
        Ok(())
    }

    /// The next whole message of what was read.
    pub(super) fn next(&mut self) -> Result<Option<Message<'_>>> {
        self.inbound.next(&mut self.connection.received.pings_unanswered)
    }
}

impl Inbound {
    /// Where the next read goes: never empty.
    fn room(&mut self) -> &mut [u8] {
        if self.begin > 0 {
            self.buffer.copy_within(self.begin..self.end, 0);
            self.end -= self.begin;
            self.begin = 0;
        }
        if self.end == self.buffer.len() {
            self.buffer.resize(2 * self.end, 0);
        }
        self.buffer.get_mut(self.end..).unwrap_or_default()
    }

    /// The next message; PINGs before it are counted.
    fn next(&mut self, pings: &mut u64) -> Result<Option<Message<'_>>> {
        loop {
            let input = self.buffer.get(self.begin..self.end).unwrap_or_default();
            let Some((event, len)) = event(input)? else { return Ok(None) };
            self.begin += len;
            match event {
                Event::Message(message) => return Ok(Some(message)),
                Event::Ping => *pings += 1,
                Event::Other => {}
            }
        }
    }
}

impl Message<'_> {
    /// The status line of a message that is not data: `503`, `408 Request Timeout`.
    pub(super) fn status(&self) -> Option<String> {
        let line = self.headers.strip_prefix(b"NATS/1.0")?.split(|&byte| byte == b'\r').next()?;
        let text = String::from_utf8_lossy(line).trim().to_owned();
        (!text.is_empty()).then_some(text)
    }
}

/// The event at the start of `input` and its length; `None` when it is not whole yet.
fn event(input: &[u8]) -> Result<Option<(Event<'_>, usize)>, ReceiveError> {
    let Some(end) = memchr::memchr(b'\n', input) else {
        return if input.len() > LINE_BYTES_MAX { Err(ReceiveError::LineTooLong) } else { Ok(None) };
    };
    let (line, rest) = input.split_at(end + 1);
    let other = |event| Ok(Some((event, line.len())));
    match line {
        [b'M', b'S', b'G', b' ', ..] | [b'H', b'M', b'S', b'G', b' ', ..] => {}
        [b'P', b'I', b'N', b'G', ..] => return other(Event::Ping),
        [b'P', b'O', b'N', b'G', ..] | [b'+', b'O', b'K', ..] | [b'I', b'N', b'F', b'O', ..] => {
            return other(Event::Other);
        }
        [b'-', b'E', b'R', b'R', ..] => return Err(ReceiveError::Reported(text(line))),
        _ => return Err(ReceiveError::Line(text(line))),
    }
    let strange = || ReceiveError::Line(text(line));
    let Announced { subject, reply, header_bytes, total_bytes } = announced(line).ok_or_else(strange)?;
    let Some(content) = rest.get(..total_bytes) else { return Ok(None) };
    let (headers, payload) = content.split_at_checked(header_bytes).ok_or_else(strange)?;
    match rest.get(total_bytes..total_bytes + 2) {
        None => Ok(None),
        Some(b"\r\n") => {
            let message = Message { subject, reply, headers, payload };
            Ok(Some((Event::Message(message), line.len() + total_bytes + 2)))
        }
        Some(_) => Err(strange()),
    }
}

/// What a MSG or HMSG line announces.
struct Announced<'a> {
    subject: &'a [u8],
    reply: Option<&'a [u8]>,
    header_bytes: usize,
    /// Headers and payload.
    total_bytes: usize,
}

fn announced(line: &[u8]) -> Option<Announced<'_>> {
    let mut words = [&b""[..]; 6];
    let mut count = 0;
    for word in line.strip_suffix(b"\r\n")?.split(|&byte| byte == b' ') {
        *words.get_mut(count)? = word;
        count += 1;
    }
    let (subject, reply, header_bytes, total_bytes) = match words.get(..count)? {
        [b"MSG", subject, _sid, size] => (subject, None, 0, number(size)?),
        [b"MSG", subject, _sid, reply, size] => (subject, Some(reply), 0, number(size)?),
        [b"HMSG", subject, _sid, headers, size] => (subject, None, number(headers)?, number(size)?),
        [b"HMSG", subject, _sid, reply, headers, size] => (subject, Some(reply), number(headers)?, number(size)?),
        _ => return None,
    };
    Some(Announced { subject, reply: reply.copied(), header_bytes, total_bytes })
}

/// A decimal number that fits.
pub(super) fn number<N: TryFrom<u64>>(digits: &[u8]) -> Option<N> {
    let number = digits.iter().try_fold(0u64, |number, &byte| match byte {
        b'0'..=b'9' => number.checked_mul(10)?.checked_add(u64::from(byte - b'0')),
        _ => None,
    })?;
    if digits.is_empty() { None } else { N::try_from(number).ok() }
}

fn text(line: &[u8]) -> String {
    String::from_utf8_lossy(line).trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const STREAM: &[u8] = b"PING\r\nMSG a.1 1 5\r\nMSG x\r\nPONG\r\nMSG b 1 re.ply 0\r\n\r\n+OK\r\n\
        HMSG c 1 12 14\r\nNATS/1.0\r\n\r\nhi\r\nHMSG d 1 r 16 16\r\nNATS/1.0 503\r\n\r\n\r\nPING\r\n";

    fn told(message: Message<'_>) -> String {
        let text = String::from_utf8_lossy;
        let reply = message.reply.map(|reply| text(reply).into_owned());
        format!("{} {reply:?} {} {:?}", text(message.subject), text(message.payload), message.status())
    }

    fn read(chunks: &[&[u8]]) -> (Vec<String>, u64) {
        let mut inbound = Inbound { buffer: vec![0; 1], begin: 0, end: 0 };
        let (mut seen, mut pings) = (Vec::new(), 0);
        for mut chunk in chunks.iter().copied() {
            while !chunk.is_empty() {
                let room = inbound.room();
                let (now, later) = chunk.split_at(chunk.len().min(room.len()));
                room[..now.len()].copy_from_slice(now);
                inbound.end += now.len();
                chunk = later;
                while let Some(message) = inbound.next(&mut pings).unwrap() {
                    seen.push(told(message));
                }
            }
        }
        (seen, pings)
    }

    #[test]
    fn messages_are_whole_wherever_a_read_ends() {
        let expected =
            ["a.1 None MSG x None", "b Some(\"re.ply\")  None", "c None hi None", "d Some(\"r\")  Some(\"503\")"];
        for first in 0..=STREAM.len() {
            let (seen, pings) = read(&[&STREAM[..first], &STREAM[first..]]);
            assert_eq!((seen.as_slice(), pings), (expected.map(str::to_owned).as_slice(), 2), "cut at {first}");
        }
    }

    #[test]
    fn errors_of_the_server_and_strange_lines_end_the_reading() {
        fn check(input: &str, expected: &str) {
            assert_eq!(event(input.as_bytes()).unwrap_err().to_string(), expected);
        }
        check("-ERR 'Slow Consumer'\r\n", "the server reports \"-ERR 'Slow Consumer'\"");
        check("MSG a 1 x\r\n", "not a protocol line: \"MSG a 1 x\"");
        check("MSG a 1 2\r\nhi!\r\n", "not a protocol line: \"MSG a 1 2\"");
        check("MSG a b c d e f\r\n", "not a protocol line: \"MSG a b c d e f\"");
        check("HMSG a 1 9 2\r\nhi\r\n", "not a protocol line: \"HMSG a 1 9 2\"");
        check(&"I".repeat(LINE_BYTES_MAX + 1), "a line of more than 32768 bytes");
    }

    #[test]
    fn a_number_is_decimal_and_fits() {
        assert_eq!(number::<u8>(b"255"), Some(255));
        assert_eq!(number::<u8>(b"256"), None);
        assert_eq!(number::<u64>(b"18446744073709551616"), None);
        assert_eq!(number::<u64>(b""), None);
        assert_eq!(number::<u64>(b"-1"), None);
    }
}
