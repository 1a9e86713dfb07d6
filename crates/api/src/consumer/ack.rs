//! What an acknowledgement says: a word, and for some words what shall happen then.

use crate::{
    json::{self, is_default, object},
    time::Nanos,
};

/// What an acknowledgement says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AckKind<'a> {
    /// The message is done.
    Ack,
    /// The message is done, and more are asked for: the body of a pull.
    Next(&'a [u8]),
    /// The message shall be sent again, after so many nanoseconds; 0 is at once.
    Nak(u64),
    /// It takes longer: wait as if the message had just been sent.
    Progress,
    /// The message shall not be sent again, and why.
    Term(&'a [u8]),
    /// Nothing that is known.
    Unknown,
}

object! {
    /// What stands behind `-NAK`.
    pub struct NakOptions: "server.ConsumerNakOptions" {
        /// How long to wait.
        #[serde(skip_serializing_if = "is_default")]
        pub delay: Nanos,
    }
}

impl<'a> AckKind<'a> {
    /// Reads the body of an acknowledgement. A delay that is no delay is none.
    pub fn parse(body: &'a [u8]) -> Self {
        match body {
            b"" | b"+ACK" | b"+OK" => Self::Ack,
            [b'+', b'N', b'X', b'T', rest @ ..] => Self::Next(rest.trim_ascii()),
            [b'-', b'N', b'A', b'K', rest @ ..] => Self::Nak(delay(rest.trim_ascii()).unwrap_or(0)),
            [b'+', b'W', b'P', b'I', ..] => Self::Progress,
            [b'+', b'T', b'E', b'R', b'M', rest @ ..] => Self::Term(rest.trim_ascii()),
            _ => Self::Unknown,
        }
    }
}

/// In nanoseconds: `{"delay":1000000}` or `1ms`.
fn delay(text: &[u8]) -> Option<u64> {
    if text.starts_with(b"{") {
        let options: NakOptions = json::read(text).ok()?;
        return u64::try_from(options.delay.0).ok();
    }
    duration(std::str::from_utf8(text).ok()?)
}

/// As Go writes it: numbers, each with its unit, without a sign.
fn duration(text: &str) -> Option<u64> {
    const UNITS: [(&str, u64); 8] = [
        ("ns", 1),
        ("us", 1_000),
        ("µs", 1_000),
        ("μs", 1_000),
        ("ms", 1_000_000),
        ("s", 1_000_000_000),
        ("m", 60_000_000_000),
        ("h", 3_600_000_000_000),
    ];
    let mut rest = text.strip_prefix('+').unwrap_or(text);
    let mut nanos = 0_u64;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let end = rest.find(|character: char| !character.is_ascii_digit() && character != '.')?;
        let (number, after) = rest.split_at(end);
        let (unit, scale) = UNITS.iter().find(|(unit, _)| {
            // `m` is not meant where `ms` stands.
            after.strip_prefix(unit).is_some_and(|rest| !rest.starts_with(|next: char| next.is_alphabetic()))
        })?;
        let (whole, part) = number.split_once('.').unwrap_or((number, ""));
        if (whole.is_empty() && part.is_empty()) || part.contains('.') {
            return None;
        }
        let whole = if whole.is_empty() { 0 } else { whole.parse::<u64>().ok()? };
        nanos = nanos.checked_add(whole.checked_mul(*scale)?)?;
        let mut scale = *scale;
        for digit in part.bytes() {
            scale /= 10;
            nanos = nanos.checked_add(u64::from(digit - b'0') * scale)?;
        }
        rest = after.strip_prefix(unit)?;
    }
    i64::try_from(nanos).is_ok().then_some(nanos)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_and_what_shall_happen() {
        #[track_caller]
        fn check(body: &str, expected: AckKind<'_>) {
            assert_eq!(AckKind::parse(body.as_bytes()), expected, "{body}");
        }
        const MS: u64 = 1_000_000;
        check("", AckKind::Ack);
        check("+ACK", AckKind::Ack);
        check("+OK", AckKind::Ack);
        check("+ACK ", AckKind::Unknown);
        check("bogus", AckKind::Unknown);
        check("+NXT", AckKind::Next(b""));
        check("+NXT 2", AckKind::Next(b"2"));
        check(r#"+NXT {"batch":3}"#, AckKind::Next(br#"{"batch":3}"#));
        check("+WPI", AckKind::Progress);
        check("+TERM", AckKind::Term(b""));
        check("+TERM  because of x ", AckKind::Term(b"because of x"));
        check("+TERMx", AckKind::Term(b"x"));
        for (text, delay) in [
            ("", 0),
            (" 100ms", 100 * MS),
            ("100ms ", 100 * MS),
            (" 0.1s", 100 * MS),
            (" 1m1.5s", 61_500 * MS),
            (" .5us", 500),
            (" 1h", 3_600_000 * MS),
            (" 100000000", 0),
            (" 1x", 0),
            (" -1s", 0),
            (" 1s2", 0),
            (" .s", 0),
            (" 9999999999h", 0),
            (" bogus", 0),
            (r#" {"delay":100000000}"#, 100 * MS),
            (r#"{"delay":100000000}"#, 100 * MS),
            (r#" {"delay":"100ms"}"#, 0),
            (r#" {"delay":-5}"#, 0),
            (r#" {"nak":1}"#, 0),
            (" {", 0),
        ] {
            check(&format!("-NAK{text}"), AckKind::Nak(delay));
        }
    }
}
