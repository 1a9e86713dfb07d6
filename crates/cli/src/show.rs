//! What people see: notes with a time on standard error, so that standard output holds nothing but data.

use std::fmt::Display;
use std::io::{self, Write as _};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use firn_api::time::Time;
use firn_id::Timestamp;
use serde::Serialize;

use crate::duration;

/// One line of standard output.
///
/// # Errors
/// The reader is gone.
pub(crate) fn line(text: impl Display) -> io::Result<()> {
    writeln!(io::stdout().lock(), "{text}")
}

/// A value as JSON over several lines of standard output.
///
/// # Errors
/// The reader is gone.
pub(crate) fn json(value: &(impl Serialize + ?Sized)) -> anyhow::Result<()> {
    Ok(line(serde_json::to_string_pretty(value)?)?)
}

/// Bytes of standard output as they are.
///
/// # Errors
/// The reader is gone.
pub(crate) fn bytes(bytes: &[u8]) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(bytes)?;
    out.flush()
}

/// One line of standard error, `10:20:30 Published 5 bytes to "a"`, in UTC.
pub(crate) fn note(text: impl Display) {
    let (_, _, _, hour, minute, second) = now().civil(0);
    eprintln!("{hour:02}:{minute:02}:{second:02} {text}");
}

/// The wall clock.
pub(crate) fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_unix_nanos(i64::try_from(since.as_nanos()).unwrap_or(i64::MAX))
}

/// What went wrong and why, each cause once: libraries repeat the text of a source in their own.
pub(crate) fn causes(error: &anyhow::Error) -> String {
    let chain: Vec<String> = error.chain().map(ToString::to_string).collect();
    let mut causes: Vec<&str> = Vec::new();
    for cause in chain.iter().flat_map(|text| text.split(": ")) {
        // What the client library begins its texts with.
        if cause != "nats" && !causes.contains(&cause) {
            causes.push(cause);
        }
    }
    causes.join(": ")
}

/// `2026-11-21T10:20:30Z`.
pub(crate) fn rfc3339(time: Timestamp) -> String {
    let (year, month, day, hour, minute, second) = time.civil(0);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

/// `2026-11-21T10:20:30Z`, or `never`.
pub(crate) fn moment(time: &Time) -> String {
    match time.timestamp() {
        Some(time) if time.unix_nanos() != 0 => rfc3339(time),
        Some(_) | None => "never".to_owned(),
    }
}

/// A moment that lies so long before another.
pub(crate) fn before(now: Timestamp, time: Duration) -> Timestamp {
    let nanos = i64::try_from(time.as_nanos()).unwrap_or(i64::MAX);
    Timestamp::from_unix_nanos(now.unix_nanos().saturating_sub(nanos))
}

/// How long before `now` something was: `1m30s ago`, or `never`.
pub(crate) fn ago(now: &Time, then: &Time) -> String {
    match (now.timestamp(), then.timestamp()) {
        (Some(now), Some(then)) => format!("{} ago", duration::age(now.since(then))),
        _ => "never".to_owned(),
    }
}

/// `1,234,567`.
pub(crate) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut shown = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            shown.push(',');
        }
        shown.push(digit);
    }
    shown
}

/// `1.5 MiB`.
#[expect(clippy::cast_precision_loss, reason = "two digits are shown")]
pub(crate) fn size(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let mut size = bytes as f64;
    let mut unit = "B";
    for larger in UNITS {
        if size < 1024.0 {
            break;
        }
        size /= 1024.0;
        unit = larger;
    }
    format!("{size:.1} {unit}")
}

/// Holds what people see against what is committed; `UPDATE_SNAPSHOTS=1` commits it anew.
#[cfg(test)]
#[track_caller]
pub(crate) fn assert_shown(name: &str, shown: &str) {
    let path = format!("{}/tests/shown/{name}", env!("CARGO_MANIFEST_DIR"));
    if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
        std::fs::write(&path, shown).expect("it can be written");
    }
    let expected = std::fs::read_to_string(&path).expect("it can be read");
    assert_eq!(shown, expected, "UPDATE_SNAPSHOTS=1 writes the new text");
}

#[cfg(test)]
mod tests {
    //! Numbers as people read them.

    use super::*;

    #[test]
    fn numbers_are_grouped() {
        assert_eq!([0, 999, 1_000, 1_234_567].map(count), ["0", "999", "1,000", "1,234,567"]);
        assert_eq!([0, 1023, 1024, 1_572_864].map(size), ["0 B", "1023 B", "1.0 KiB", "1.5 MiB"]);
    }

    #[test]
    fn each_cause_is_said_once() {
        #[track_caller]
        fn check(texts: &[&'static str], expected: &str) {
            let (first, rest) = texts.split_first().unwrap();
            let error = rest.iter().fold(anyhow::Error::msg(*first), |error, text| error.context(*text));
            assert_eq!(causes(&error), expected);
        }
        check(&["subject format", "subject: subject format"], "subject: subject format");
        check(&["refused: nats: refused", "cannot connect to a:1"], "cannot connect to a:1: refused");
        check(&["no colon", "invalid header `a`"], "invalid header `a`: no colon");
    }

    #[test]
    fn a_time_is_written_in_utc() {
        assert_eq!(rfc3339(Timestamp::from_unix_nanos(1_795_256_430_000_000_000)), "2026-11-21T10:20:30Z");
    }
}
