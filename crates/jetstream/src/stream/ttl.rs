//! How long a message lives by itself: `Nats-TTL`.
//!
//! Seconds, or a length of time of at least one second, of which whole seconds count, or `never`.

/// What a message says of how long it lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ttl {
    /// Neither this nor the stream's `max_age` removes it.
    Never,
    /// So many seconds.
    Seconds(i64),
}

/// It is neither.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct InvalidTtl;

const NANOS_A_SECOND: i64 = 1_000_000_000;

impl Ttl {
    pub(crate) fn parse(text: &[u8]) -> Result<Ttl, InvalidTtl> {
        if text.eq_ignore_ascii_case(b"never") {
            return Ok(Ttl::Never);
        }
        let text = std::str::from_utf8(text).map_err(|_| InvalidTtl)?;
        let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let seconds = if is_number {
            text.parse().map_err(|_| InvalidTtl)?
        } else {
            length_of_time(text).ok_or(InvalidTtl)? / NANOS_A_SECOND
        };
        if seconds < 1 { Err(InvalidTtl) } else { Ok(Ttl::Seconds(seconds)) }
    }

    /// From a stored message; what was accepted can be read.
    pub(crate) fn of_stored(text: &[u8]) -> Option<Ttl> {
        Ttl::parse(text).ok()
    }

    /// When a message that was stored at that time is gone; none is never.
    pub(crate) fn end(self, time: i64) -> Option<i64> {
        match self {
            Ttl::Never => None,
            Ttl::Seconds(seconds) => Some(time.saturating_add(seconds.saturating_mul(NANOS_A_SECOND))),
        }
    }
}

/// In nanoseconds: numbers with units, one after the other, as `1m30s` or `1.5h`.
fn length_of_time(text: &str) -> Option<i64> {
    let (is_negative, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if rest.is_empty() {
        return None;
    }
    let mut nanos: i64 = 0;
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let (number, after) = rest.split_at(end);
        let (unit, after) = unit(after)?;
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        if whole.is_empty() && fraction.is_empty() || fraction.contains('.') {
            return None;
        }
        let whole: i64 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
        nanos = nanos.checked_add(whole.checked_mul(unit)?)?;
        let mut scale = unit;
        for digit in fraction.bytes() {
            scale /= 10;
            nanos = nanos.checked_add(scale.checked_mul(i64::from(digit - b'0'))?)?;
        }
        rest = after;
    }
    Some(if is_negative { -nanos } else { nanos })
}

fn unit(text: &str) -> Option<(i64, &str)> {
    // The longer ones first: `m` begins `ms` too.
    let units = [
        ("ns", 1),
        ("us", 1_000),
        ("µs", 1_000),
        ("μs", 1_000),
        ("ms", 1_000_000),
        ("s", NANOS_A_SECOND),
        ("m", 60 * NANOS_A_SECOND),
        ("h", 3600 * NANOS_A_SECOND),
    ];
    units.iter().find_map(|(name, nanos)| text.strip_prefix(name).map(|rest| (*nanos, rest)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ttl_is_read_as_by_the_reference_server() {
        // Each row was published to nats-server 2.15.1.
        for (text, expected) in [
            ("1", Ok(Ttl::Seconds(1))),
            ("1s", Ok(Ttl::Seconds(1))),
            ("1.5s", Ok(Ttl::Seconds(1))),
            ("0.5s", Err(InvalidTtl)),
            ("1m30s", Ok(Ttl::Seconds(90))),
            ("never", Ok(Ttl::Never)),
            ("NEVER", Ok(Ttl::Never)),
            ("0", Err(InvalidTtl)),
            ("-1", Err(InvalidTtl)),
            ("999999999999", Ok(Ttl::Seconds(999_999_999_999))),
            ("1h", Ok(Ttl::Seconds(3600))),
            ("1500ms", Ok(Ttl::Seconds(1))),
            ("abc", Err(InvalidTtl)),
            ("1d", Err(InvalidTtl)),
            ("2562047h", Ok(Ttl::Seconds(9_223_369_200))),
            ("2562048h", Err(InvalidTtl)),
            ("0s", Err(InvalidTtl)),
            ("+5", Err(InvalidTtl)),
            ("never1", Err(InvalidTtl)),
            ("10us", Err(InvalidTtl)),
        ] {
            assert_eq!(Ttl::parse(text.as_bytes()), expected, "{text}");
        }
    }
}
