//! Client bytes to operations, in place.
//!
//! The decoder has no state: the caller keeps the incomplete tail and passes it again with more bytes behind it. That
//! stays linear because a control line is at most `control_line_bytes_max` bytes, and a body that is not there yet is
//! announced as [`Step::Body`] so that the caller can gather it without decoding the line again.
//!
//! Nor does it know what an operation means: subjects are not checked, `HPUB` is decoded whether or not the client said
//! it uses headers.
//!
//! Invariants, for every input: `consumed ≤ input.len()`; an operation consumes at least one byte; where the input is
//! split changes neither the operations nor the error.
//!
//! The tolerance is nats-server's, except that blanks between a verb and its argument, and text after `PING`, `PONG`
//! and `+OK`, are bounded by the control line limit too, and that a verb followed by nothing but blanks ends its line.

/// What the decoder refuses by size.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Longest argument of a control line in bytes: what stands between the verb with its blanks and the line end.
    pub control_line_bytes_max: usize,
    /// Longest header and payload together, in bytes; `None` is no limit.
    pub payload_bytes_max: Option<usize>,
}

/// One complete operation of a client. Fields borrow from the input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientOp<'a> {
    /// `CONNECT`: the JSON text, unparsed.
    Connect(&'a [u8]),
    /// `PUB` or `HPUB` with its body.
    Publish(Publish<'a>),
    /// `SUB subject [queue] sid`.
    Subscribe {
        /// As sent; not checked.
        subject: &'a [u8],
        /// The queue group; not checked.
        queue: Option<&'a [u8]>,
        /// The client's name for the subscription: any word.
        sid: &'a [u8],
    },
    /// `UNSUB sid [max]`.
    Unsubscribe {
        /// Which subscription.
        sid: &'a [u8],
        /// After how many messages, counted from its start. 0, no number and nothing at all are `None`: now.
        max: Option<u64>,
    },
    /// `PING`, whatever follows it.
    Ping,
    /// `PONG`, whatever follows it.
    Pong,
    /// `INFO`, which a client has no reason to send: the JSON text.
    Info(&'a [u8]),
    /// `+OK`, whatever follows it.
    Ok,
    /// `-ERR`: the text.
    Err(&'a [u8]),
}

/// The control line of a `PUB` or `HPUB`. Invariant: `header_bytes ≤ total_bytes`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PublishLine<'a> {
    /// As sent; not checked.
    pub subject: &'a [u8],
    /// As sent; not checked.
    pub reply: Option<&'a [u8]>,
    /// Bytes of the header block at the start of the body; 0 for `PUB`.
    pub header_bytes: usize,
    /// Bytes of header and payload together, without the closing CRLF.
    pub total_bytes: usize,
    /// The total size as the client wrote it, echoed verbatim to subscribers (`01` stays `01`).
    pub total_token: &'a [u8],
    /// The header size as written; empty for `PUB`.
    pub header_token: &'a [u8],
}

/// A complete publish.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Publish<'a> {
    /// What the line said.
    pub line: PublishLine<'a>,
    /// Header, payload and the closing CRLF: `total_bytes + 2` bytes.
    pub body: &'a [u8],
    /// `[reply] [header size] size`, CRLF and the body in one piece, as they follow the sid in `MSG` and `HMSG` too; empty
    /// where the client's spacing does not allow it.
    pub tail: &'a [u8],
}

/// What a call to [`next`] found at the start of the input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step<'a> {
    /// A complete operation that took this many bytes.
    Op(ClientOp<'a>, usize),
    /// A publish line whose body is not all there. Once it is, [`PublishLine::with_body`] makes the operation.
    Body {
        /// The line.
        line: PublishLine<'a>,
        /// How many bytes it took; the body's [`PublishLine::body_bytes`] follow them.
        line_bytes: usize,
    },
    /// The input ends inside a control line.
    More,
}

/// Why bytes are no operation.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Bad verb or framing: told as `Unknown Protocol Operation`.
    #[error("unknown protocol operation")]
    UnknownOperation,
    /// Wrong number or form of arguments of a known verb: closed without a word, as nats-server does. The verb.
    #[error("bad arguments of {0}")]
    BadArguments(&'static str),
    /// Told as `maximum control line exceeded`.
    #[error("control line too long")]
    ControlLineTooLong,
    /// Told as `Maximum Payload Violation`. The announced size.
    #[error("payload of {0} bytes is too long")]
    PayloadTooLong(usize),
}

/// Decodes the operation at the start of `input`.
///
/// # Errors
/// The peer's fault each; the connection is to be closed. See [`DecodeError`] for which of them are told.
#[inline]
pub fn next<'a>(input: &'a [u8], limits: &Limits) -> Result<Step<'a>, DecodeError> {
    match input {
        [b'P' | b'p', b'U' | b'u', b'B' | b'b', b' ' | b'\t', rest @ ..] => match line(input, rest, limits)? {
            Some(line) => publish(input, publish_line(line.argument)?, line.bytes, limits),
            None => Ok(Step::More),
        },
        [b'H' | b'h', b'P' | b'p', b'U' | b'u', b'B' | b'b', b' ' | b'\t', rest @ ..] => {
            match line(input, rest, limits)? {
                Some(line) => publish(input, header_publish_line(line.argument)?, line.bytes, limits),
                None => Ok(Step::More),
            }
        }
        [b'S' | b's', b'U' | b'u', b'B' | b'b', b' ' | b'\t', rest @ ..] => {
            operation(line(input, rest, limits)?, subscribe)
        }
        [b'U' | b'u', b'N' | b'n', b'S' | b's', b'U' | b'u', b'B' | b'b', b' ' | b'\t', rest @ ..] => {
            operation(line(input, rest, limits)?, unsubscribe)
        }
        [b'P' | b'p', b'I' | b'i', b'N' | b'n', b'G' | b'g', rest @ ..] => {
            operation(line(input, rest, limits)?, |_| Ok(ClientOp::Ping))
        }
        [b'P' | b'p', b'O' | b'o', b'N' | b'n', b'G' | b'g', rest @ ..] => {
            operation(line(input, rest, limits)?, |_| Ok(ClientOp::Pong))
        }
        [b'C' | b'c', b'O' | b'o', b'N' | b'n', b'N' | b'n', b'E' | b'e', b'C' | b'c', b'T' | b't', rest @ ..] => {
            operation(line(input, rest, limits)?, |json| Ok(ClientOp::Connect(json)))
        }
        [b'I' | b'i', b'N' | b'n', b'F' | b'f', b'O' | b'o', rest @ ..] => {
            operation(line(input, rest, limits)?, |json| Ok(ClientOp::Info(json)))
        }
        [b'+', b'O' | b'o', b'K' | b'k', rest @ ..] => operation(line(input, rest, limits)?, |_| Ok(ClientOp::Ok)),
        [b'-', b'E' | b'e', b'R' | b'r', b'R' | b'r', b' ' | b'\t', rest @ ..] => {
            operation(line(input, rest, limits)?, |text| Ok(ClientOp::Err(text)))
        }
        _ if is_beginning_of_a_verb(input) => Ok(Step::More),
        _ => Err(DecodeError::UnknownOperation),
    }
}

/// The publish at the start of `input`, if it is complete and written as clients write it: the verb in capitals, single
/// spaces, CRLF. Nearly every operation of a busy client is; whatever else [`next`] decodes. Where this gives a publish,
/// `next` gives the same but for [`Publish::tail`].
#[inline]
pub fn usual_publish<'a>(input: &'a [u8], limits: &Limits) -> Option<(Publish<'a>, usize)> {
    let (has_header, rest) = match input {
        [b'P', b'U', b'B', b' ', rest @ ..] => (false, rest),
        [b'H', b'P', b'U', b'B', b' ', rest @ ..] => (true, rest),
        _ => return None,
    };
    let (subject, tail) = usual_word(rest)?;
    let (reply, rest) = match tail {
        [b'0'..=b'9', ..] => (None, tail),
        _ => {
            let (reply, rest) = usual_word(tail)?;
            (Some(reply), rest)
        }
    };
    let (header_bytes, header_token, rest) = if has_header {
        let (bytes, token, rest) = usual_size(rest)?;
        let [b' ', rest @ ..] = rest else { return None };
        // Without a header it goes on as a `MSG`, which the tail would not fit.
        if bytes == 0 {
            return None;
        }
        (bytes, token, rest)
    } else {
        (0, &b""[..], rest)
    };
    let (total_bytes, total_token, rest) = usual_size(rest)?;
    let [b'\r', b'\n', body @ ..] = rest else { return None };
    let line_bytes = input.len() - body.len();
    let is_short = line_bytes <= limits.control_line_bytes_max;
    let is_small = limits.payload_bytes_max.is_none_or(|max| total_bytes <= max);
    if !is_short || !is_small || header_bytes > total_bytes {
        return None;
    }
    let body = body.get(..total_bytes + CRLF.len())?;
    if !body.ends_with(CRLF) {
        return None;
    }
    let bytes = line_bytes + body.len();
    let tail = tail.get(..tail.len() - (input.len() - bytes))?;
    let line = PublishLine { subject, reply, header_bytes, total_bytes, total_token, header_token };
    Some((Publish { line, body, tail }, bytes))
}

/// A size, its digits, and what follows them.
#[inline]
fn usual_size(input: &[u8]) -> Option<(usize, &[u8], &[u8])> {
    let mut number = 0;
    let mut digits = 0;
    while let Some(digit @ b'0'..=b'9') = input.get(digits) {
        number = number * 10 + usize::from(digit - b'0');
        digits += 1;
        if digits > SIZE_DIGITS_MAX {
            return None;
        }
    }
    let (token, rest) = input.split_at_checked(digits)?;
    (digits > 0).then_some((number, token, rest))
}

/// A word and what follows the one space behind it. `None` when the word is empty, long or ends otherwise.
#[inline]
fn usual_word(input: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut at = 0;
    // Eight bytes at a time: a byte below `!` sets the high bit of its lane (so may a byte above 0x7f, harmlessly).
    while let Some(lanes) = input.get(at..).and_then(|rest| rest.first_chunk::<8>()) {
        let lanes = u64::from_le_bytes(*lanes);
        let blank = lanes.wrapping_sub(0x2121_2121_2121_2121) & !lanes & 0x8080_8080_8080_8080;
        if blank != 0 {
            at += blank.trailing_zeros() as usize / 8;
            break;
        }
        at += 8;
    }
    let end = at + input.get(at..)?.iter().position(|&byte| byte <= b' ')?;
    let (word, rest) = input.split_at_checked(end)?;
    match rest {
        [b' ', rest @ ..] if !word.is_empty() => Some((word, rest)),
        _ => None,
    }
}

impl<'a> PublishLine<'a> {
    /// Bytes of header, payload and the closing CRLF.
    #[inline]
    pub fn body_bytes(&self) -> usize {
        self.total_bytes + CRLF.len()
    }

    /// Completes a publish announced by [`Step::Body`].
    ///
    /// # Errors
    /// [`DecodeError::UnknownOperation`] when the body does not end with CRLF after `total_bytes` bytes.
    #[inline]
    pub fn with_body(self, body: &'a [u8]) -> Result<Publish<'a>, DecodeError> {
        if body.len() != self.body_bytes() || !body.ends_with(CRLF) {
            return Err(DecodeError::UnknownOperation);
        }
        Ok(Publish { line: self, body, tail: b"" })
    }
}

impl<'a> Publish<'a> {
    /// The header block; empty for `PUB`.
    pub fn header(&self) -> &'a [u8] {
        self.body.get(..self.line.header_bytes).expect("the header is inside the body")
    }

    /// The payload without header and closing CRLF.
    pub fn payload(&self) -> &'a [u8] {
        self.body.get(self.line.header_bytes..self.line.total_bytes).expect("the payload is inside the body")
    }
}

const CRLF: &[u8] = b"\r\n";

/// Most digits of a size: up to 999,999,999.
const SIZE_DIGITS_MAX: usize = 9;

/// What the verbs look like as long as they may still become one.
const VERBS: [&[u8]; 10] =
    [b"PUB ", b"HPUB ", b"SUB ", b"UNSUB ", b"PING", b"PONG", b"CONNECT", b"INFO", b"+OK", b"-ERR "];

/// A control line that is all there.
struct Line<'a> {
    /// Without the blanks before it and the line end.
    argument: &'a [u8],
    /// The whole line, from the verb to the line feed.
    bytes: usize,
}

/// The line whose verb stands before `rest`, a tail of `input`. `None` when its end is not there yet.
#[inline]
fn line<'a>(input: &'a [u8], rest: &'a [u8], limits: &Limits) -> Result<Option<Line<'a>>, DecodeError> {
    let verb_bytes = input.len() - rest.len();
    let end = find(rest, b'\n', b'\n');
    let text = end.and_then(|end| rest.get(..end)).unwrap_or(rest);
    // The CR of an incomplete line may be the line end's, so that it does not count against the limit either.
    let text = text.strip_suffix(b"\r").unwrap_or(text);
    let argument = trim_start(text);
    let blank_bytes = text.len() - argument.len();
    if argument.len() > limits.control_line_bytes_max || blank_bytes > limits.control_line_bytes_max {
        return Err(DecodeError::ControlLineTooLong);
    }
    Ok(end.map(|end| Line { argument, bytes: verb_bytes + end + 1 }))
}

#[inline]
fn trim_start(mut text: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] = text {
        text = rest;
    }
    text
}

/// The step for a verb without a body.
fn operation<'a>(
    line: Option<Line<'a>>,
    decode: impl FnOnce(&'a [u8]) -> Result<ClientOp<'a>, DecodeError>,
) -> Result<Step<'a>, DecodeError> {
    match line {
        Some(line) => Ok(Step::Op(decode(line.argument)?, line.bytes)),
        None => Ok(Step::More),
    }
}

/// The step for a publish line that took `line_bytes` of `input`.
#[inline]
fn publish<'a>(
    input: &'a [u8],
    line: PublishLine<'a>,
    line_bytes: usize,
    limits: &Limits,
) -> Result<Step<'a>, DecodeError> {
    if limits.payload_bytes_max.is_some_and(|max| line.total_bytes > max) {
        return Err(DecodeError::PayloadTooLong(line.total_bytes));
    }
    let bytes = line_bytes + line.body_bytes();
    if let Some(body) = input.get(line_bytes..bytes) {
        return Ok(Step::Op(ClientOp::Publish(line.with_body(body)?), bytes));
    }
    // A wrong byte where the closing CR belongs is told at once and not when one more byte arrives.
    match input.get(line_bytes + line.total_bytes) {
        None | Some(b'\r') => Ok(Step::Body { line, line_bytes }),
        Some(_) => Err(DecodeError::UnknownOperation),
    }
}

/// `subject [reply] total`.
#[inline]
fn publish_line(argument: &[u8]) -> Result<PublishLine<'_>, DecodeError> {
    let (subject, rest) = word(argument);
    let (second, rest) = word(rest);
    let (third, rest) = word(rest);
    let (reply, total_token) = if third.is_empty() { (None, second) } else { (Some(second), third) };
    match size(total_token) {
        Some(total_bytes) if is_end(rest) => {
            Ok(PublishLine { subject, reply, header_bytes: 0, total_bytes, total_token, header_token: b"" })
        }
        _ => Err(DecodeError::BadArguments("PUB")),
    }
}

/// `subject [reply] header total`.
#[inline]
fn header_publish_line(argument: &[u8]) -> Result<PublishLine<'_>, DecodeError> {
    let (subject, rest) = word(argument);
    let (second, rest) = word(rest);
    let (third, rest) = word(rest);
    let (fourth, rest) = word(rest);
    let (reply, header_token, total_token) =
        if fourth.is_empty() { (None, second, third) } else { (Some(second), third, fourth) };
    match (size(header_token), size(total_token)) {
        (Some(header_bytes), Some(total_bytes)) if header_bytes <= total_bytes && is_end(rest) => {
            Ok(PublishLine { subject, reply, header_bytes, total_bytes, total_token, header_token })
        }
        _ => Err(DecodeError::BadArguments("HPUB")),
    }
}

/// `subject [queue] sid`.
fn subscribe(argument: &[u8]) -> Result<ClientOp<'_>, DecodeError> {
    let mut words = words(argument);
    match (words.next(), words.next(), words.next(), words.next()) {
        (Some(subject), Some(sid), None, _) => Ok(ClientOp::Subscribe { subject, queue: None, sid }),
        (Some(subject), Some(queue), Some(sid), None) => Ok(ClientOp::Subscribe { subject, queue: Some(queue), sid }),
        _ => Err(DecodeError::BadArguments("SUB")),
    }
}

/// `sid [max]`; a `max` that is no number is as good as none.
fn unsubscribe(argument: &[u8]) -> Result<ClientOp<'_>, DecodeError> {
    let mut words = words(argument);
    match (words.next(), words.next(), words.next()) {
        (Some(sid), max, None) => {
            let max = max.and_then(size).and_then(|max| u64::try_from(max).ok()).filter(|&max| max > 0);
            Ok(ClientOp::Unsubscribe { sid, max })
        }
        _ => Err(DecodeError::BadArguments("UNSUB")),
    }
}

/// The first word of a publish line and what is behind it; empty at the end. A CR inside the line is part of a word.
#[inline]
fn word(text: &[u8]) -> (&[u8], &[u8]) {
    let text = trim_start(text);
    text.split_at(find(text, b' ', b'\t').unwrap_or(text.len()))
}

/// Where the first of two bytes is: eight bytes at a time, because words are too short for a vector search to pay.
#[inline]
fn find(text: &[u8], one: u8, other: u8) -> Option<usize> {
    let (chunks, tail) = text.as_chunks::<8>();
    for (index, chunk) in chunks.iter().enumerate() {
        let chunk = u64::from_le_bytes(*chunk);
        let hits = positions(chunk, one) | positions(chunk, other);
        if hits != 0 {
            let within = usize::try_from(hits.trailing_zeros() / 8).expect("below 8");
            return Some(index * 8 + within);
        }
    }
    tail.iter().position(|&byte| byte == one || byte == other).map(|end| chunks.len() * 8 + end)
}

/// The high bit of each byte of `chunk` that is `byte`; above the lowest such byte there may be false ones.
#[inline]
fn positions(chunk: u64, byte: u8) -> u64 {
    const LOW: u64 = u64::from_le_bytes([0x01; 8]);
    const HIGH: u64 = u64::from_le_bytes([0x80; 8]);
    let zero_where_equal = chunk ^ LOW.wrapping_mul(u64::from(byte));
    zero_where_equal.wrapping_sub(LOW) & !zero_where_equal & HIGH
}

/// No word follows.
#[inline]
fn is_end(text: &[u8]) -> bool {
    trim_start(text).is_empty()
}

/// The words of `SUB` and `UNSUB`, which a CR inside the line separates too.
fn words(argument: &[u8]) -> impl Iterator<Item = &[u8]> {
    argument.split(|byte| matches!(byte, b' ' | b'\t' | b'\r')).filter(|word| !word.is_empty())
}

/// A decimal number of at most [`SIZE_DIGITS_MAX`] digits, leading zeros included.
#[inline]
fn size(token: &[u8]) -> Option<usize> {
    if token.is_empty() || token.len() > SIZE_DIGITS_MAX {
        return None;
    }
    token.iter().try_fold(0_usize, |number, &byte| {
        let digit = byte.wrapping_sub(b'0');
        (digit < 10).then(|| number * 10 + usize::from(digit))
    })
}

/// More bytes may still make `input` a verb.
fn is_beginning_of_a_verb(input: &[u8]) -> bool {
    VERBS.iter().any(|verb| verb.get(..input.len()).is_some_and(|start| start.eq_ignore_ascii_case(input)))
}

#[cfg(test)]
mod tests;
