//! What a server sends, counted without being copied.
//!
//! A reader hands over whatever chunk it read. Of each message only its line and the first `head_bytes` of its payload
//! (a time stamp, or nothing) are looked at; the rest is skipped by its announced size. Only a line that a chunk's end
//! cuts in two is copied.
//!
//! ```text
//! chunk  …payload␍␊ MSG a 1 128␍␊ payload␍␊ MSG a 1 12 | 8␍␊ payload␍␊ …
//!        ──skip──── ────unit───── ──skip─── ───carry───
//! ```
//!
//! Not a validating parser: subjects and sids are taken as they come.

use thiserror::Error;

/// Longest line that is carried from one chunk to the next: an INFO, or a MSG with a long subject.
const LINE_BYTES_MAX: usize = 32 * 1024;

/// How much of the next chunk is tried at once to complete a carried line.
const CARRY_STEP_BYTES: usize = 256;

/// Why a server's bytes could not be counted; each ends the run.
#[derive(Debug, Error)]
pub(crate) enum ReceiveError {
    #[error("the server reports {0:?}")]
    Reported(String),
    #[error("not a protocol line: {0:?}")]
    Line(String),
    #[error("a line of more than {LINE_BYTES_MAX} bytes")]
    LineTooLong,
}

/// Counts what arrives on one connection.
#[derive(Debug, Default)]
pub(crate) struct Receiver {
    /// Messages, counted when their line is complete.
    pub(crate) messages: u64,
    /// PONGs, each the answer to one PING of ours.
    pub(crate) pongs: u64,
    /// PINGs of the server that have not been answered.
    pub(crate) pings_unanswered: u64,
    /// How much of each payload is handed to the caller. A message with headers counts these as payload.
    head_bytes: usize,
    skip: usize,
    carry: Vec<u8>,
    /// The line of the last message and the bytes that followed it: most loads repeat one line millions of times.
    last_line: Vec<u8>,
    last_rest: usize,
}

/// A line and as much of what follows it as must be seen in one piece.
struct Unit<'a> {
    kind: Kind,
    head: &'a [u8],
    /// Bytes of line and head.
    len: usize,
    /// Bytes of the payload and its line end after the head.
    rest: usize,
}

enum Kind {
    Message,
    Ping,
    Pong,
    Other,
}

impl Receiver {
    /// A receiver that shows the first `head_bytes` of each payload.
    pub(crate) fn with_head(head_bytes: usize) -> Self {
        Self { head_bytes, ..Self::default() }
    }

    /// Counts a chunk.
    pub(crate) fn feed(&mut self, chunk: &[u8]) -> Result<(), ReceiveError> {
        self.feed_with(chunk, |_| ())
    }

    /// Counts a chunk and shows the head of each message in it.
    pub(crate) fn feed_with(&mut self, chunk: &[u8], mut on_head: impl FnMut(&[u8])) -> Result<(), ReceiveError> {
        let mut input = chunk;
        loop {
            let skipped = self.skip.min(input.len());
            input = input.get(skipped..).unwrap_or_default();
            self.skip -= skipped;
            if input.is_empty() {
                return Ok(());
            }
            if !self.carry.is_empty() {
                input = self.complete_carry(input, &mut on_head)?;
                continue;
            }
            if let Some(rest) = self.after_repeated_line(input) {
                self.messages += 1;
                self.skip = self.last_rest;
                on_head(&[]);
                input = rest;
                continue;
            }
            match unit(input, self.head_bytes)? {
                Some(unit) => {
                    let len = unit.len;
                    self.remember(&unit, input);
                    self.count(&unit, &mut on_head);
                    input = input.get(len..).unwrap_or_default();
                }
                None if input.len() > LINE_BYTES_MAX => return Err(ReceiveError::LineTooLong),
                None => {
                    self.carry.extend_from_slice(input);
                    return Ok(());
                }
            }
        }
    }

    /// What follows the line, if it is the last message's once more. A caller that wants heads gets no shortcut.
    fn after_repeated_line<'a>(&self, input: &'a [u8]) -> Option<&'a [u8]> {
        if self.last_line.is_empty() { None } else { input.strip_prefix(self.last_line.as_slice()) }
    }

    fn remember(&mut self, unit: &Unit<'_>, input: &[u8]) {
        if self.head_bytes == 0 && matches!(unit.kind, Kind::Message) {
            self.last_line.clear();
            self.last_line.extend_from_slice(input.get(..unit.len).unwrap_or_default());
            self.last_rest = unit.rest;
        }
    }

    /// Appends input to the carried piece until that is whole; answers the input that is left.
    fn complete_carry<'a>(
        &mut self,
        input: &'a [u8],
        on_head: &mut impl FnMut(&[u8]),
    ) -> Result<&'a [u8], ReceiveError> {
        let (step, later) = input.split_at(input.len().min(CARRY_STEP_BYTES));
        let carried = self.carry.len();
        self.carry.extend_from_slice(step);
        let carry = std::mem::take(&mut self.carry);
        match unit(&carry, self.head_bytes)? {
            Some(unit) => {
                self.count(&unit, on_head);
                // The carried piece alone was not whole, so the unit ends within this input.
                Ok(input.get(unit.len - carried..).unwrap_or_default())
            }
            None if carry.len() > LINE_BYTES_MAX => Err(ReceiveError::LineTooLong),
            None => {
                self.carry = carry;
                Ok(later)
            }
        }
    }

    fn count(&mut self, unit: &Unit<'_>, on_head: &mut impl FnMut(&[u8])) {
        self.skip = unit.rest;
        match unit.kind {
            Kind::Message => {
                self.messages += 1;
                on_head(unit.head);
            }
            Kind::Ping => self.pings_unanswered += 1,
            Kind::Pong => self.pongs += 1,
            Kind::Other => {}
        }
    }
}

/// The unit at the start of `input`; `None` when it is not whole yet.
fn unit(input: &[u8], head_bytes: usize) -> Result<Option<Unit<'_>>, ReceiveError> {
    let Some(end) = memchr::memchr(b'\n', input) else { return Ok(None) };
    let (line, payload) = input.split_at(end + 1);
    let kind = match line {
        [b'M', b'S', b'G', b' ', ..] | [b'H', b'M', b'S', b'G', b' ', ..] => Kind::Message,
        [b'P', b'I', b'N', b'G', ..] => Kind::Ping,
        [b'P', b'O', b'N', b'G', ..] => Kind::Pong,
        [b'+', b'O', b'K', ..] | [b'I', b'N', b'F', b'O', ..] => Kind::Other,
        [b'-', b'E', b'R', b'R', ..] => return Err(ReceiveError::Reported(text(line))),
        _ => return Err(ReceiveError::Line(text(line))),
    };
    if !matches!(kind, Kind::Message) {
        return Ok(Some(Unit { kind, head: &[], len: line.len(), rest: 0 }));
    }
    let size = last_number(line).ok_or_else(|| ReceiveError::Line(text(line)))?;
    let Some(head) = payload.get(..head_bytes.min(size)) else { return Ok(None) };
    Ok(Some(Unit { kind, head, len: line.len() + head.len(), rest: size - head.len() + "\r\n".len() }))
}

/// The decimal number before the line's end: a message's size in bytes, headers included.
fn last_number(line: &[u8]) -> Option<usize> {
    let digits = line.strip_suffix(b"\r\n")?;
    let mut number: usize = 0;
    let mut power: usize = 1;
    for &byte in digits.iter().rev() {
        match byte {
            b'0'..=b'9' => {
                number = number.checked_add(usize::from(byte - b'0').checked_mul(power)?)?;
                power = power.saturating_mul(10);
            }
            b' ' if power > 1 => return Some(number),
            _ => return None,
        }
    }
    None
}

fn text(line: &[u8]) -> String {
    String::from_utf8_lossy(line).trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const STREAM: &[u8] = b"INFO {\"a\":1}\r\nPING\r\nMSG a 1 5\r\nMSG a\r\nPONG\r\nMSG a.b 22 reply 0\r\n\r\n\
        HMSG a 1 12 17\r\nNATS/1.0\r\n\r\n12345\r\n+OK\r\nMSG c 3 10\r\n0123\r\n6789\r\nPONG\r\n";

    #[derive(Debug, PartialEq)]
    struct Counts {
        messages: u64,
        pongs: u64,
        pings: u64,
        heads: Vec<Vec<u8>>,
    }

    fn count(chunks: &[&[u8]], head_bytes: usize) -> Counts {
        let mut receiver = Receiver::with_head(head_bytes);
        let mut heads = Vec::new();
        for chunk in chunks {
            receiver.feed_with(chunk, |head| heads.push(head.to_vec())).unwrap();
        }
        Counts { messages: receiver.messages, pongs: receiver.pongs, pings: receiver.pings_unanswered, heads }
    }

    fn expected(heads: &[&[u8]]) -> Counts {
        Counts { messages: 4, pongs: 2, pings: 1, heads: heads.iter().map(|head| head.to_vec()).collect() }
    }

    #[test]
    fn messages_are_counted_and_payloads_are_never_taken_for_lines() {
        assert_eq!(count(&[STREAM], 0), expected(&[b"", b"", b"", b""]));
        assert_eq!(count(&[STREAM], 3), expected(&[b"MSG", b"", b"NAT", b"012"]));
        assert_eq!(count(&[STREAM], 8), expected(&[b"MSG a", b"", b"NATS/1.0", b"0123\r\n67"]));
    }

    #[test]
    fn the_count_does_not_depend_on_where_chunks_end() {
        for head_bytes in [0, 1, 8] {
            let whole = count(&[STREAM], head_bytes);
            for first in 0..=STREAM.len() {
                for second in first..=STREAM.len() {
                    let chunks = [&STREAM[..first], &STREAM[first..second], &STREAM[second..]];
                    assert_eq!(count(&chunks, head_bytes), whole, "cut at {first} and {second}");
                }
            }
            let bytes: Vec<&[u8]> = STREAM.chunks(1).collect();
            assert_eq!(count(&bytes, head_bytes), whole);
        }
    }

    #[test]
    fn a_payload_longer_than_any_chunk_is_skipped() {
        let mut receiver = Receiver::default();
        receiver.feed(b"MSG a 1 1048576\r\n").unwrap();
        for _ in 0..1_024 {
            receiver.feed(&[b'\n'; 1_024]).unwrap();
        }
        receiver.feed(b"\r\nMSG a 1 0\r\n\r\n").unwrap();
        assert_eq!(receiver.messages, 2);
    }

    #[test]
    fn a_line_as_long_as_several_carry_steps_is_whole_in_the_end() {
        let line = format!("MSG {} 1 2\r\nok\r\nPONG\r\n", "s".repeat(3 * CARRY_STEP_BYTES));
        for size in [1, 7, CARRY_STEP_BYTES, CARRY_STEP_BYTES + 1, 2_000] {
            let chunks: Vec<&[u8]> = line.as_bytes().chunks(size).collect();
            let counts = count(&chunks, 2);
            assert_eq!((counts.messages, counts.pongs, counts.heads), (1, 1, vec![b"ok".to_vec()]), "by {size}");
        }
    }

    #[test]
    fn a_repeated_line_counts_like_a_new_one() {
        let same = "MSG a 1 3\r\nabc\r\n".repeat(50);
        let other = "MSG a 1 30\r\n0123456789012345678901234567\r\n\r\n".repeat(2);
        let input = format!("{same}PONG\r\n{other}{same}PING\r\n{same}");
        for size in [1, 5, 17, 1_000, input.len()] {
            let mut receiver = Receiver::default();
            input.as_bytes().chunks(size).for_each(|chunk| receiver.feed(chunk).unwrap());
            let counts = (receiver.messages, receiver.pongs, receiver.pings_unanswered);
            assert_eq!(counts, (152, 1, 1), "in chunks of {size}");
        }
    }

    #[test]
    fn errors_of_the_server_and_strange_lines_end_the_count() {
        fn check(input: &str, expected: &str) {
            let error = Receiver::default().feed(input.as_bytes()).unwrap_err();
            assert_eq!(error.to_string(), expected);
        }
        check("-ERR 'Slow Consumer'\r\n", "the server reports \"-ERR 'Slow Consumer'\"");
        check("HTTP/1.1 400\r\n", "not a protocol line: \"HTTP/1.1 400\"");
        check("MSG a 1 x5\r\n", "not a protocol line: \"MSG a 1 x5\"");
        check("MSG a 1 \r\n", "not a protocol line: \"MSG a 1\"");
        check("MSG a 1 99999999999999999999999\r\n", "not a protocol line: \"MSG a 1 99999999999999999999999\"");
        check(&"I".repeat(LINE_BYTES_MAX + 1), "a line of more than 32768 bytes");
    }
}
