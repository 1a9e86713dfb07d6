//! One line of protocol as a transcript writes it: bytes, escapes and placeholders.
//!
//! | written | means |
//! |---|---|
//! | `\|` unescaped | CRLF, as between a control line and its payload |
//! | `\r` `\n` `\t` `\\` `\|` `\<` `\x00` | one byte |
//! | `<x*5000>` | the byte `x` 5000 times |
//! | `<any>` | one or more bytes other than white space |
//! | `<number>` | one or more digits |
//! | `<text>` | any bytes, also none |
//! | `<any as reply>`, then `<reply>` | the same bytes again |
//! | `<json {"a":1}>` | a JSON value with at least these members |
//! | `<sign SEED>` | the connection's nonce signed by an nkey seed (only in what is sent) |
//!
//! A received `INFO {…}` is compared as JSON without saying so.

use std::collections::BTreeMap;

use data_encoding::{BASE32_NOPAD, BASE64URL_NOPAD};
use ed25519_dalek::{Signer, SigningKey};
use serde_json::Value;

use super::json::is_subset;

/// What named placeholders have matched so far.
pub type Captures = BTreeMap<String, Vec<u8>>;

/// A line of protocol to send, or to compare a received frame with.
#[derive(Debug, Clone)]
pub struct Pattern {
    pieces: Vec<Piece>,
}

#[derive(Debug, Clone)]
enum Piece {
    Bytes(Vec<u8>),
    Hole { hole: Hole, name: Option<String> },
    Json(Value),
    Captured(String),
    Sign(String),
}

#[derive(Debug, Clone, Copy)]
enum Hole {
    Any,
    Number,
    Text,
}

/// Why a line is not a pattern, or a pattern cannot be sent.
#[derive(Debug, thiserror::Error)]
pub enum PatternError {
    /// A backslash before something that has no escape.
    #[error("unknown escape at {0:?}")]
    Escape(String),
    /// A `<` that begins no placeholder; a literal one is written `\<`.
    #[error("unknown placeholder at {0:?}")]
    Placeholder(String),
    /// A JSON value that does not parse.
    #[error("bad JSON at {0:?}")]
    Json(String),
    /// A placeholder that stands for many texts, in a line that is sent.
    #[error("only an expectation can hold a placeholder for unknown bytes")]
    Unsendable,
    /// A named placeholder that nothing has matched yet.
    #[error("nothing has been captured as {0:?}")]
    NotCaptured(String),
    /// A seed that is not an nkey seed, or no nonce to sign.
    #[error("cannot sign: {0}")]
    Sign(&'static str),
}

impl Pattern {
    /// Reads a line that is sent as it stands, without a line ending of its own.
    ///
    /// # Errors
    /// If the line is not well formed.
    pub fn parse_raw(text: &str) -> Result<Self, PatternError> {
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some(first) = rest.chars().next() {
            let (piece, after) = match first {
                '|' => (Piece::Bytes(b"\r\n".to_vec()), &rest[1..]),
                '\\' => escape(rest)?,
                '<' => placeholder(rest)?,
                plain => (Piece::Bytes(plain.to_string().into_bytes()), &rest[plain.len_utf8()..]),
            };
            push(&mut pieces, piece);
            rest = after;
        }
        Ok(Self { pieces })
    }

    /// Reads a line to which CRLF belongs.
    ///
    /// # Errors
    /// If the line is not well formed.
    pub fn parse_line(text: &str) -> Result<Self, PatternError> {
        let mut pattern = Self::parse_raw(text)?;
        push(&mut pattern.pieces, Piece::Bytes(b"\r\n".to_vec()));
        Ok(pattern)
    }

    /// Reads a frame to be received.
    ///
    /// # Errors
    /// If the line is not well formed.
    pub fn parse_expected(text: &str) -> Result<Self, PatternError> {
        match text.strip_prefix("INFO ") {
            Some(json) => {
                let value = serde_json::from_str(json).map_err(|_| PatternError::Json(json.to_owned()))?;
                // The blank before CRLF is part of the line as servers send it.
                let pieces = vec![Piece::Bytes(b"INFO ".to_vec()), Piece::Json(value), Piece::Bytes(b" \r\n".to_vec())];
                Ok(Self { pieces })
            }
            None => Self::parse_line(text),
        }
    }

    /// Whether a whole frame is what this pattern says; named placeholders then add to `captures`.
    pub fn matches(&self, frame: &[u8], captures: &mut Captures) -> bool {
        let mut found = captures.clone();
        let matched = match_pieces(&self.pieces, frame, &mut found);
        if matched {
            *captures = found;
        }
        matched
    }

    /// The bytes to send.
    ///
    /// # Errors
    /// If the pattern leaves something open.
    pub fn render(&self, nonce: Option<&str>, captures: &Captures) -> Result<Vec<u8>, PatternError> {
        let mut bytes = Vec::new();
        for piece in &self.pieces {
            match piece {
                Piece::Bytes(literal) => bytes.extend_from_slice(literal),
                Piece::Captured(name) => {
                    bytes.extend_from_slice(captures.get(name).ok_or_else(|| PatternError::NotCaptured(name.clone()))?)
                }
                Piece::Sign(seed) => bytes.extend_from_slice(sign(seed, nonce)?.as_bytes()),
                Piece::Hole { .. } | Piece::Json(_) => return Err(PatternError::Unsendable),
            }
        }
        Ok(bytes)
    }
}

/// A frame as a transcript would write it.
pub(super) fn escape_frame(frame: &[u8]) -> String {
    if frame.starts_with(b"INFO {") {
        return "INFO {}".to_owned();
    }
    let body = frame.strip_suffix(b"\r\n").unwrap_or(frame);
    let mut text = String::new();
    let mut rest = body;
    while let Some((&first, after)) = rest.split_first() {
        rest = after;
        match first {
            b'\r' => match after.strip_prefix(b"\n") {
                Some(after_line) => {
                    text.push('|');
                    rest = after_line;
                }
                None => text.push_str("\\r"),
            },
            b'\n' => text.push_str("\\n"),
            b'\t' => text.push_str("\\t"),
            b'\\' | b'|' | b'<' => {
                text.push('\\');
                text.push(char::from(first));
            }
            b' '..=b'~' => text.push(char::from(first)),
            odd => text.push_str(&format!("\\x{odd:02x}")),
        }
    }
    text
}

/// Appends a piece, joining neighbouring literals.
fn push(pieces: &mut Vec<Piece>, piece: Piece) {
    match (pieces.last_mut(), piece) {
        (Some(Piece::Bytes(before)), Piece::Bytes(bytes)) => before.extend_from_slice(&bytes),
        (_, piece) => pieces.push(piece),
    }
}

fn escape(text: &str) -> Result<(Piece, &str), PatternError> {
    let unknown = || PatternError::Escape(text.to_owned());
    let mut chars = text.chars();
    chars.next();
    let (byte, len) = match chars.next().ok_or_else(unknown)? {
        'r' => (b'\r', 2),
        'n' => (b'\n', 2),
        't' => (b'\t', 2),
        '\\' => (b'\\', 2),
        '|' => (b'|', 2),
        '<' => (b'<', 2),
        'x' => (u8::from_str_radix(text.get(2..4).ok_or_else(unknown)?, 16).map_err(|_| unknown())?, 4),
        _ => return Err(unknown()),
    };
    Ok((Piece::Bytes(vec![byte]), &text[len..]))
}

fn placeholder(text: &str) -> Result<(Piece, &str), PatternError> {
    let unknown = || PatternError::Placeholder(text.to_owned());
    if let Some(json) = text.strip_prefix("<json ") {
        let mut values = serde_json::Deserializer::from_str(json).into_iter::<Value>();
        let value = values.next().and_then(Result::ok).ok_or_else(|| PatternError::Json(json.to_owned()))?;
        let after = json[values.byte_offset()..].strip_prefix('>').ok_or_else(unknown)?;
        return Ok((Piece::Json(value), after));
    }
    let (inside, after) = text[1..].split_once('>').ok_or_else(unknown)?;
    if let Some((unit, count)) = inside.split_once('*') {
        let unit = Pattern::parse_raw(unit)?.render(None, &Captures::new())?;
        let count: usize = count.parse().map_err(|_| unknown())?;
        return Ok((Piece::Bytes(unit.repeat(count)), after));
    }
    if let Some(seed) = inside.strip_prefix("sign ") {
        return Ok((Piece::Sign(seed.to_owned()), after));
    }
    let (word, name) = match inside.split_once(" as ") {
        Some((word, name)) => (word, Some(name.to_owned())),
        None => (inside, None),
    };
    let piece = match word {
        "any" => Piece::Hole { hole: Hole::Any, name },
        "number" => Piece::Hole { hole: Hole::Number, name },
        "text" => Piece::Hole { hole: Hole::Text, name },
        word if name.is_none() && !word.is_empty() && word.chars().all(|c| c.is_ascii_lowercase()) => {
            Piece::Captured(word.to_owned())
        }
        _ => return Err(unknown()),
    };
    Ok((piece, after))
}

fn match_pieces(pieces: &[Piece], bytes: &[u8], captures: &mut Captures) -> bool {
    let Some((piece, pieces)) = pieces.split_first() else { return bytes.is_empty() };
    match piece {
        Piece::Bytes(literal) => {
            bytes.strip_prefix(literal.as_slice()).is_some_and(|rest| match_pieces(pieces, rest, captures))
        }
        Piece::Captured(name) => {
            let Some(value) = captures.get(name).cloned() else { return false };
            bytes.strip_prefix(value.as_slice()).is_some_and(|rest| match_pieces(pieces, rest, captures))
        }
        Piece::Json(expected) => {
            let mut values = serde_json::Deserializer::from_slice(bytes).into_iter::<Value>();
            let Some(Ok(actual)) = values.next() else { return false };
            let rest = bytes.get(values.byte_offset()..).unwrap_or_default();
            is_subset(expected, &actual) && match_pieces(pieces, rest, captures)
        }
        Piece::Hole { hole, name } => match_hole(*hole, name.as_deref(), pieces, bytes, captures),
        Piece::Sign(_) => false,
    }
}

/// Tries the shortest match of a hole first, then longer ones.
fn match_hole(hole: Hole, name: Option<&str>, pieces: &[Piece], bytes: &[u8], captures: &mut Captures) -> bool {
    let (shortest, longest) = match hole {
        Hole::Any => (1, bytes.iter().take_while(|byte| !byte.is_ascii_whitespace()).count()),
        Hole::Number => (1, bytes.iter().take_while(|byte| byte.is_ascii_digit()).count()),
        Hole::Text => (0, bytes.len()),
    };
    (shortest..=longest).any(|len| {
        let (inside, rest) = bytes.split_at(len);
        if let Some(name) = name {
            captures.insert(name.to_owned(), inside.to_vec());
        }
        match_pieces(pieces, rest, captures)
    })
}

/// The signature of an nkey over the nonce of `INFO`, as CONNECT carries it.
fn sign(seed: &str, nonce: Option<&str>) -> Result<String, PatternError> {
    let nonce = nonce.ok_or(PatternError::Sign("the server sent no nonce"))?;
    // Two prefix bytes say what kind of seed it is, 32 are the key, two are a checksum.
    let decoded = BASE32_NOPAD.decode(seed.as_bytes()).map_err(|_| PatternError::Sign("the seed is not base32"))?;
    let key: [u8; 32] = decoded
        .get(2..34)
        .and_then(|key| key.try_into().ok())
        .ok_or(PatternError::Sign("the seed has the wrong length"))?;
    let signature = SigningKey::from_bytes(&key).sign(nonce.as_bytes());
    Ok(BASE64URL_NOPAD.encode(&signature.to_bytes()))
}
