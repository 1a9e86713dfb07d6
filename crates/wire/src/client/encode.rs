//! Operations to client bytes, appended to a buffer that the caller owns.
//!
//! Nothing is checked: tokens come from decoded operations or from the server itself.

/// Answer to `PING`.
pub const PONG: &[u8] = b"PONG\r\n";

/// Is the client alive?
pub const PING: &[u8] = b"PING\r\n";

/// What a verbose client hears after each operation.
pub const OK: &[u8] = b"+OK\r\n";

/// Appends `MSG subject sid [reply] size\r\n` (the body with its CRLF is the caller's to append or share).
///
/// `Some(b"")` leaves an empty token, two spaces in a row, as nats-server does in messages of its own without reply.
#[inline]
pub fn message_line(out: &mut Vec<u8>, subject: &[u8], sid: &[u8], reply: Option<&[u8]>, size_token: &[u8]) {
    let reply_bytes = reply.map_or(0, |reply| reply.len() + 1);
    out.reserve(b"MSG   \r\n".len() + subject.len() + sid.len() + reply_bytes + size_token.len());
    out.extend_from_slice(b"MSG ");
    addressed(out, subject, sid, reply);
    out.extend_from_slice(size_token);
    out.extend_from_slice(b"\r\n");
}

/// Appends a whole `MSG` or `HMSG` from what the publisher sent in one piece behind its subject: `[reply] size`, CRLF and
/// the body, which follow the sid here as they followed the subject there.
#[inline]
pub fn message_in_one_piece(out: &mut Vec<u8>, has_header: bool, subject: &[u8], sid: &[u8], tail: &[u8]) {
    out.reserve(b"HMSG ".len() + subject.len() + sid.len() + tail.len() + 2);
    out.extend_from_slice(if has_header { b"HMSG " } else { b"MSG " });
    out.extend_from_slice(subject);
    out.push(b' ');
    out.extend_from_slice(sid);
    out.push(b' ');
    out.extend_from_slice(tail);
}

/// Appends `HMSG subject sid [reply] header_size total_size\r\n`.
#[inline]
pub fn header_message_line(
    out: &mut Vec<u8>,
    subject: &[u8],
    sid: &[u8],
    reply: Option<&[u8]>,
    header_token: &[u8],
    total_token: &[u8],
) {
    let reply_bytes = reply.map_or(0, |reply| reply.len() + 1);
    let token_bytes = header_token.len() + total_token.len();
    out.reserve(b"HMSG    \r\n".len() + subject.len() + sid.len() + reply_bytes + token_bytes);
    out.extend_from_slice(b"HMSG ");
    addressed(out, subject, sid, reply);
    out.extend_from_slice(header_token);
    out.push(b' ');
    out.extend_from_slice(total_token);
    out.extend_from_slice(b"\r\n");
}

/// Appends the whole `HMSG` that tells a requester on `reply` that nobody listens on `subject`.
pub fn no_responders(out: &mut Vec<u8>, reply: &[u8], sid: &[u8], subject: &[u8]) {
    let start = b"NATS/1.0 503\r\nNats-Subject: ";
    let end = b"\r\n\r\n";
    let size = SizeToken::new(start.len() + subject.len() + end.len());
    header_message_line(out, reply, sid, None, size.as_bytes(), size.as_bytes());
    for part in [start.as_slice(), subject, end, b"\r\n"] {
        out.extend_from_slice(part);
    }
}

/// Appends `-ERR 'text'\r\n`.
pub fn error(out: &mut Vec<u8>, text: &str) {
    out.reserve(b"-ERR ''\r\n".len() + text.len());
    out.extend_from_slice(b"-ERR '");
    out.extend_from_slice(text.as_bytes());
    out.extend_from_slice(b"'\r\n");
}

/// Decimal digits of a size without allocating, for messages that the server makes itself.
#[derive(Clone, Copy, Debug)]
pub struct SizeToken {
    /// Right-aligned.
    digits: [u8; 20],
    start: u8,
}

impl SizeToken {
    /// Of this number.
    pub fn new(number: usize) -> Self {
        let mut digits = [b'0'; 20];
        let mut start: u8 = 20;
        let mut rest = number;
        for place in digits.iter_mut().rev() {
            *place += u8::try_from(rest % 10).expect("a digit is below 10");
            rest /= 10;
            start -= 1;
            if rest == 0 {
                break;
            }
        }
        SizeToken { digits, start }
    }

    /// Its digits.
    pub fn as_bytes(&self) -> &[u8] {
        self.digits.get(usize::from(self.start)..).expect("start is below 20")
    }
}

/// Appends `subject sid [reply] `, with the space.
#[inline]
fn addressed(out: &mut Vec<u8>, subject: &[u8], sid: &[u8], reply: Option<&[u8]>) {
    out.extend_from_slice(subject);
    out.push(b' ');
    out.extend_from_slice(sid);
    out.push(b' ');
    if let Some(reply) = reply {
        out.extend_from_slice(reply);
        out.push(b' ');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(expected: &str, encode: impl FnOnce(&mut Vec<u8>)) {
        let mut out = Vec::new();
        encode(&mut out);
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }

    #[test]
    fn message_lines_have_their_optional_reply() {
        check("MSG a 1 5\r\n", |out| message_line(out, b"a", b"1", None, b"5"));
        check("MSG a 1 r 05\r\n", |out| message_line(out, b"a", b"1", Some(b"r"), b"05"));
        check("MSG a 1  5\r\n", |out| message_line(out, b"a", b"1", Some(b""), b"5"));
        check("HMSG a x 12 17\r\n", |out| header_message_line(out, b"a", b"x", None, b"12", b"17"));
        check("HMSG a x r 12 17\r\n", |out| header_message_line(out, b"a", b"x", Some(b"r"), b"12", b"17"));
    }

    #[test]
    fn no_responders_is_a_status_without_payload() {
        check("HMSG _I.1 9 36 36\r\nNATS/1.0 503\r\nNats-Subject: help\r\n\r\n\r\n", |out| {
            no_responders(out, b"_I.1", b"9", b"help");
        });
    }

    #[test]
    fn errors_are_quoted() {
        check("-ERR 'Stale Connection'\r\n", |out| error(out, "Stale Connection"));
    }

    #[test]
    fn size_tokens_are_decimal() {
        for number in [0, 1, 9, 10, 99, 100, 1_048_576, usize::MAX] {
            assert_eq!(SizeToken::new(number).as_bytes(), number.to_string().as_bytes());
        }
    }
}
