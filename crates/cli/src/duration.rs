//! Durations as NATS tools write them: `300ms`, `1m30s`, `2h`, `1d`.

use std::time::Duration;

/// Units and their nanoseconds; longer names first, so that `ms` is not read as `m`.
const UNITS: [(&str, f64); 9] = [
    ("ns", 1.0),
    ("us", 1e3),
    ("µs", 1e3),
    ("μs", 1e3),
    ("ms", 1e6),
    ("s", 1e9),
    ("m", 60e9),
    ("h", 3600e9),
    ("d", 86_400e9),
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
}
