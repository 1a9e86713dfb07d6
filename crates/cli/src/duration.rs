//! Durations as NATS tools write them: `300ms`, `1m30s`, `2h`, `1d`.

use std::fmt::Write as _;
use std::time::Duration;

/// Units and their nanoseconds; longer names first, so that `ms` is not read as `m`.
const UNITS: [(&str, f64); 12] = [
    ("ns", 1.0),
    ("us", 1e3),
    ("µs", 1e3),
    ("μs", 1e3),
    ("ms", 1e6),
    ("s", 1e9),
    ("m", 60e9),
    ("h", 3600e9),
    ("d", 86_400e9),
    ("w", 7.0 * 86_400e9),
    ("M", 30.0 * 86_400e9),
    ("y", 365.0 * 86_400e9),
];

/// Reads `1m30s`; a plain `0` needs no unit.
pub(crate) fn parse(text: &str) -> Result<Duration, String> {
    let invalid = || format!("`{text}` is not a duration such as 300ms or 1m30s");
    if text == "0" {
        return Ok(Duration::ZERO);
    }
    let mut rest = text;
    let mut nanos = 0.0;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').ok_or_else(invalid)?;
        let (number, tail) = rest.split_at(digits);
        let number: f64 = number.parse().map_err(|_| invalid())?;
        let (unit, tail) = UNITS
            .iter()
            .find_map(|(name, unit)| tail.strip_prefix(name).map(|tail| (unit, tail)))
            .ok_or_else(invalid)?;
        nanos += number * unit;
        rest = tail;
    }
    if text.is_empty() {
        return Err(invalid());
    }
    Duration::try_from_secs_f64(nanos / 1e9).map_err(|_| invalid())
}

/// Writes a measured time with three digits behind the point: `123.456µs`, `1.500s`.
pub(crate) fn show(time: Duration) -> String {
    let seconds = time.as_secs_f64();
    match time.as_nanos() {
        0..1_000 => format!("{}ns", time.as_nanos()),
        1_000..1_000_000 => format!("{:.3}µs", seconds * 1e6),
        1_000_000..1_000_000_000 => format!("{:.3}ms", seconds * 1e3),
        _ => format!("{seconds:.3}s"),
    }
}

/// Writes a time that was set, without the parts that are zero: `100ms`, `1m30s`, `2.5s`, `1d`.
pub(crate) fn plain(time: Duration) -> String {
    let (mut rest, nanos) = (time.as_secs(), time.subsec_nanos());
    let mut shown = String::new();
    let mut push = |whole: u64, part: u32, digits: usize, unit: &str| {
        let part = if part == 0 { String::new() } else { format!(".{part:0digits$}") };
        write!(shown, "{whole}{}{unit}", part.trim_end_matches('0')).expect("a String takes everything");
    };
    for (seconds, unit) in [(86_400, "d"), (3_600, "h"), (60, "m")] {
        if rest >= seconds {
            push(rest / seconds, 0, 0, unit);
            rest %= seconds;
        }
    }
    match (time.as_secs(), nanos) {
        (0, 1..1_000) => push(nanos.into(), 0, 0, "ns"),
        (0, 1_000..1_000_000) => push((nanos / 1_000).into(), nanos % 1_000, 3, "µs"),
        (0, 1_000_000..) => push((nanos / 1_000_000).into(), nanos % 1_000_000, 6, "ms"),
        (whole, _) if whole == 0 || rest > 0 || nanos > 0 => push(rest, nanos, 9, "s"),
        _ => {}
    }
    shown
}

/// Writes how long ago something was, to the second: `0s`, `1m30s`, `3d2h`.
pub(crate) fn age(time: Duration) -> String {
    plain(Duration::from_secs(time.as_secs()))
}

#[cfg(test)]
mod tests {
    //! Durations as people type them.

    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Option<u64>) {
        assert_eq!(parse(text).ok(), expected.map(Duration::from_micros), "{text}");
    }

    #[test]
    fn a_duration_is_numbers_with_units() {
        check("300ms", Some(300_000));
        check("1.5s", Some(1_500_000));
        check("1m30s", Some(90_000_000));
        check("2h", Some(7_200_000_000));
        check("1d", Some(86_400_000_000));
        check("1w", Some(604_800_000_000));
        check("1M1y", Some(395 * 86_400_000_000));
        check("7us", Some(7));
        check("7µs", Some(7));
        check("0", Some(0));
        check("5", None);
        check("", None);
        check("s", None);
        check("1x", None);
        check("1.2.3s", None);
        check("-1s", None);
        check("999999999999999999999h", None);
    }

    #[test]
    fn a_measured_time_has_a_fitting_unit() {
        assert_eq!(show(Duration::from_nanos(999)), "999ns");
        assert_eq!(show(Duration::from_nanos(123_456)), "123.456µs");
        assert_eq!(show(Duration::from_micros(1_500)), "1.500ms");
        assert_eq!(show(Duration::from_millis(61_500)), "61.500s");
    }

    #[test]
    fn a_set_time_has_no_parts_that_are_zero() {
        #[track_caller]
        fn check(text: &str) {
            assert_eq!(plain(parse(text).unwrap()), text);
        }
        for text in ["0s", "7ns", "1.5µs", "100ms", "2.5s", "1m", "1m30s", "1h", "2d", "1d2h3m4.005s"] {
            check(text);
        }
        assert_eq!(age(Duration::from_millis(90_999)), "1m30s");
    }
}
