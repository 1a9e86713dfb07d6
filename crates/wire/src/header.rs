//! Message headers: `NATS/1.0[ status[ text]]\r\n`, `Key: value\r\n` …, an empty line.
//!
//! A server passes header blocks on unchecked, so that reading is lenient: [`fields`], [`find`] and [`status`] take any
//! bytes and find what is well-formed in them. Keys are compared byte by byte. [`Builder`] writes only valid blocks.

use std::str;

use memchr::memmem;

const VERSION: &[u8] = b"NATS/1.0";

/// What the first line says beyond the version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Status<'a> {
    /// As `503`.
    pub code: u16,
    /// The text behind the code; often empty.
    pub text: &'a [u8],
}

/// The status of a block; `None` when its first line has no number of three digits.
pub fn status(block: &[u8]) -> Option<Status<'_>> {
    let (first, _) = split_line(block)?;
    let rest = first.strip_prefix(VERSION)?.strip_prefix(b" ")?.trim_ascii_start();
    let (digits, text) = rest.split_at_checked(3)?;
    let code = digits.iter().all(u8::is_ascii_digit).then(|| str::from_utf8(digits).ok()?.parse().ok())??;
    match text {
        [] | [b' ' | b'\t', ..] => Some(Status { code, text: text.trim_ascii() }),
        _ => None,
    }
}

/// The keys and values of a block in order, as far as its empty line. Lines without a colon are passed over.
pub fn fields(block: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    let mut rest = split_line(block).map_or(b"".as_slice(), |(_, rest)| rest);
    std::iter::from_fn(move || {
        loop {
            let (line, after) = split_line(rest).filter(|(line, _)| !line.is_empty())?;
            rest = after;
            if let Some(field) = split_field(line) {
                return Some(field);
            }
        }
    })
}

/// The first value under exactly this key.
pub fn find<'a>(block: &'a [u8], key: &[u8]) -> Option<&'a [u8]> {
    fields(block).find(|&(name, _)| name == key).map(|(_, value)| value)
}

/// The block is what this module describes, from its first to its last byte.
pub fn is_valid(block: &[u8]) -> bool {
    let Some((first, mut rest)) = split_line(block) else { return false };
    match first.strip_prefix(VERSION) {
        Some([]) => {}
        Some(_) if status(block).is_some() => {}
        _ => return false,
    }
    while let Some((line, after)) = split_line(rest) {
        if line.is_empty() {
            return after.is_empty();
        }
        if !split_field(line).is_some_and(|(key, value)| is_valid_key(key) && is_valid_value(value)) {
            return false;
        }
        rest = after;
    }
    false
}

/// Appends a header block to a buffer, field by field.
///
/// ```
/// let mut out = Vec::new();
/// let mut block = firn_wire::header::Builder::new(&mut out);
/// block.field(b"Nats-Subject", b"help")?;
/// assert_eq!(block.finish(), 32);
/// assert_eq!(out, b"NATS/1.0\r\nNats-Subject: help\r\n\r\n");
/// # Ok::<(), firn_wire::header::InvalidField>(())
/// ```
#[derive(Debug)]
pub struct Builder<'o> {
    out: &'o mut Vec<u8>,
    start: usize,
}

/// A key or value that would break out of its line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a header key or value holds a control character or the key is empty")]
pub struct InvalidField;

impl<'o> Builder<'o> {
    /// A block without status.
    pub fn new(out: &'o mut Vec<u8>) -> Self {
        let start = out.len();
        out.extend_from_slice(VERSION);
        out.extend_from_slice(b"\r\n");
        Builder { out, start }
    }

    /// A block with a status: three digits, and a text that may be empty.
    ///
    /// # Errors
    /// When `code` has not three digits or `text` holds a line end.
    pub fn with_status(out: &'o mut Vec<u8>, code: u16, text: &[u8]) -> Result<Self, InvalidField> {
        if !(100..=999).contains(&code) || !is_valid_value(text) {
            return Err(InvalidField);
        }
        let start = out.len();
        out.extend_from_slice(VERSION);
        out.push(b' ');
        out.extend_from_slice(code.to_string().as_bytes());
        if !text.is_empty() {
            out.push(b' ');
            out.extend_from_slice(text);
        }
        out.extend_from_slice(b"\r\n");
        Ok(Builder { out, start })
    }

    /// All of `block`, with more to come. A block that does not end with an empty line is replaced by a new one.
    pub fn extending(out: &'o mut Vec<u8>, block: &[u8]) -> Self {
        let Some(lines) = block.strip_suffix(b"\r\n").filter(|lines| lines.ends_with(b"\r\n")) else {
            return Builder::new(out);
        };
        let start = out.len();
        out.extend_from_slice(lines);
        Builder { out, start }
    }

    /// Adds a field behind those that are there, whatever their keys.
    ///
    /// # Errors
    /// When the key or value would break out of its line; nothing is added then.
    pub fn field(&mut self, key: &[u8], value: &[u8]) -> Result<(), InvalidField> {
        if !is_valid_key(key) || !is_valid_value(value) {
            return Err(InvalidField);
        }
        self.out.reserve(key.len() + value.len() + b": \r\n\r\n".len());
        for part in [key, b": ", value, b"\r\n"] {
            self.out.extend_from_slice(part);
        }
        Ok(())
    }

    /// Ends the block; its bytes from start to end.
    pub fn finish(self) -> usize {
        self.out.extend_from_slice(b"\r\n");
        self.out.len() - self.start
    }
}

/// The line up to CRLF, and what is behind it.
fn split_line(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = memmem::find(bytes, b"\r\n")?;
    Some((bytes.get(..end)?, bytes.get(end + 2..)?))
}

/// Key and value of a line; blanks around the value are not part of it.
fn split_field(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let colon = memchr::memchr(b':', line)?;
    Some((line.get(..colon)?, line.get(colon + 1..)?.trim_ascii()))
}

/// Anything printable but a colon and blanks.
fn is_valid_key(key: &[u8]) -> bool {
    !key.is_empty() && key.iter().all(|&byte| byte.is_ascii_graphic() && byte != b':')
}

/// Anything but a line end.
fn is_valid_value(value: &[u8]) -> bool {
    !value.iter().any(|byte| matches!(byte, b'\r' | b'\n'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(block: &str, valid: bool, code: Option<(u16, &str)>, expected: &[(&str, &str)]) {
        let block = block.as_bytes();
        assert_eq!(is_valid(block), valid, "{}", block.escape_ascii());
        let code = code.map(|(code, text)| Status { code, text: text.as_bytes() });
        assert_eq!(status(block), code, "{}", block.escape_ascii());
        let expected: Vec<_> = expected.iter().map(|(key, value)| (key.as_bytes(), value.as_bytes())).collect();
        assert_eq!(fields(block).collect::<Vec<_>>(), expected, "{}", block.escape_ascii());
    }

    #[test]
    fn well_formed_blocks() {
        check("NATS/1.0\r\n\r\n", true, None, &[]);
        check("NATS/1.0 503\r\n\r\n", true, Some((503, "")), &[]);
        check("NATS/1.0 408 Request Timeout\r\nA:b\r\n\r\n", true, Some((408, "Request Timeout")), &[("A", "b")]);
        check(
            "NATS/1.0\r\nA: 1\r\na:2 \r\nA:x:y\r\nE:\r\n\r\n",
            true,
            None,
            &[("A", "1"), ("a", "2"), ("A", "x:y"), ("E", "")],
        );
    }

    #[test]
    fn malformed_blocks_give_what_is_well_formed_in_them() {
        check("", false, None, &[]);
        check("hello", false, None, &[]);
        check("NATS/1.0\r\n", false, None, &[]);
        check("NATS/2.0\r\nA: b\r\n\r\n", false, None, &[("A", "b")]);
        check("NATS/1.0 5\r\n\r\n", false, None, &[]);
        check("NATS/1.0 5030\r\n\r\n", false, None, &[]);
        check("NATS/1.0\r\nno colon\r\nA: b\r\n\r\n", false, None, &[("A", "b")]);
        check("NATS/1.0\r\nA: b", false, None, &[]);
        check("NATS/1.0\r\n\r\nA: b\r\n\r\n", false, None, &[]);
        check("NATS/1.0\r\n: b\r\n\r\n", false, None, &[("", "b")]);
        check("NATS/1.0\r\nA: b\nC: d\r\n\r\n", false, None, &[("A", "b\nC: d")]);
    }

    #[test]
    fn the_first_value_under_a_key_is_found() {
        let block = b"NATS/1.0\r\nAB: 0\r\nB: 1\r\nB: 2\r\n\r\n";
        assert_eq!(find(block, b"B"), Some(b"1".as_slice()));
        assert_eq!(find(block, b"b"), None);
    }

    #[test]
    fn builders_write_valid_blocks_only() {
        let mut out = b"x".to_vec();
        let mut block = Builder::with_status(&mut out, 100, b"Idle Heartbeat").unwrap();
        block.field(b"A", b"1").unwrap();
        for (key, value) in [(&b""[..], &b""[..]), (b"A", b"1\r\nB: 2"), (b"A\r\nB", b""), (b"A:", b""), (b"A B", b"")]
        {
            assert_eq!(block.field(key, value), Err(InvalidField));
        }
        assert_eq!(block.finish(), out.len() - 1);
        assert_eq!(out, b"xNATS/1.0 100 Idle Heartbeat\r\nA: 1\r\n\r\n");
        assert!(Builder::with_status(&mut out, 99, b"").is_err());
        assert!(Builder::with_status(&mut out, 100, b"\n").is_err());
    }

    #[test]
    fn builders_extend_blocks() {
        for (block, expected) in [
            ("NATS/1.0 503\r\nA: 1\r\n\r\n", "NATS/1.0 503\r\nA: 1\r\nB: 2\r\n\r\n"),
            ("", "NATS/1.0\r\nB: 2\r\n\r\n"),
            ("\r\n", "NATS/1.0\r\nB: 2\r\n\r\n"),
            ("junk", "NATS/1.0\r\nB: 2\r\n\r\n"),
        ] {
            let mut out = Vec::new();
            let mut builder = Builder::extending(&mut out, block.as_bytes());
            builder.field(b"B", b"2").unwrap();
            assert_eq!(builder.finish(), expected.len());
            assert_eq!(out, expected.as_bytes());
        }
    }
}
