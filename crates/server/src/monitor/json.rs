//! JSON as nats-server writes it: Go's escapes, Go's numbers, Go's texts for durations.

use std::time::Duration;

use serde::{Serialize, Serializer};

/// Indented by two spaces.
pub(crate) fn pretty(value: &impl Serialize) -> String {
    escape(serde_json::to_string_pretty(value).expect("plain fields into memory"))
}

/// Without any space.
pub(crate) fn compact(value: &impl Serialize) -> String {
    escape(serde_json::to_string(value).expect("plain fields into memory"))
}

/// Go escapes what could mean something in HTML. These characters stand only within the strings of a JSON text.
fn escape(json: String) -> String {
    let is_escaped = |c: char| matches!(c, '<' | '>' | '&' | '\u{2028}' | '\u{2029}');
    if !json.contains(is_escaped) {
        return json;
    }
    let mut text = String::with_capacity(json.len() + 64);
    for c in json.chars() {
        if is_escaped(c) {
            text.push_str(&format!("\\u{:04x}", u32::from(c)));
        } else {
            text.push(c);
        }
    }
    text
}

/// A float that is written without a fraction when it has none.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Float(pub(crate) f64);

impl Serialize for Float {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // Every whole number below 2⁵³ prints as the same integer.
        let is_whole = self.0.fract() == 0.0 && self.0.abs() < 9_007_199_254_740_992.0;
        if is_whole {
            #[expect(clippy::cast_possible_truncation, reason = "whole and below 2⁵³")]
            return serializer.serialize_i64(self.0 as i64);
        }
        serializer.serialize_f64(self.0)
    }
}

/// A duration as the protocol's numbers are: nanoseconds.
pub(crate) fn nanos(duration: Duration) -> i64 {
    i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)
}

/// `1y2d3h4m5s`, whole seconds, leading zero parts left out.
pub(crate) fn uptime(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let (s, m, h) = (seconds % 60, seconds / 60 % 60, seconds / 3600 % 24);
    let days = seconds / 86_400;
    match (days / 365, days % 365, h, m) {
        (0, 0, 0, 0) => format!("{s}s"),
        (0, 0, 0, _) => format!("{m}m{s}s"),
        (0, 0, _, _) => format!("{h}h{m}m{s}s"),
        (0, days, _, _) => format!("{days}d{h}h{m}m{s}s"),
        (years, days, _, _) => format!("{years}y{days}d{h}h{m}m{s}s"),
    }
}

/// A round trip below a millisecond is told in whole microseconds; an unknown one is `0s`.
pub(crate) fn round_trip(duration: Option<Duration>) -> String {
    let duration = duration.unwrap_or_default();
    let is_short = duration > Duration::from_micros(1) && duration < Duration::from_millis(1);
    let micros = Duration::from_micros(u64::try_from(duration.as_micros()).unwrap_or(u64::MAX));
    firn_config::go_duration(if is_short { micros } else { duration })
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
pub(crate) fn is_false(flag: &bool) -> bool {
    !*flag
}

pub(crate) fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_are_escaped_as_go_does() {
        assert_eq!(compact(&"a<b>&\"\u{2028}µ"), r#""a\u003cb\u003e\u0026\"\u2028µ""#);
    }

    #[test]
    fn floats_without_a_fraction_print_as_integers() {
        let check = |number: f64, expected: &str| assert_eq!(compact(&Float(number)), expected);
        check(0.0, "0");
        check(2.0, "2");
        check(0.5, "0.5");
        check(1.0 / 6.0, "0.16666666666666666");
    }

    #[test]
    fn uptimes_leave_out_leading_zero_parts() {
        let check = |seconds: u64, expected: &str| assert_eq!(uptime(Duration::from_secs(seconds)), expected);
        check(0, "0s");
        check(59, "59s");
        check(62, "1m2s");
        check(3600, "1h0m0s");
        check(86_400, "1d0h0m0s");
        check(86_400 * 366 + 3661, "1y1d1h1m1s");
    }

    #[test]
    fn round_trips_print_as_go_durations() {
        let check = |nanos: u64, expected: &str| assert_eq!(round_trip(Some(Duration::from_nanos(nanos))), expected);
        check(383_512, "383µs");
        check(2_669_289, "2.669289ms");
        check(62_000_000_000, "1m2s");
        check(999, "999ns");
        assert_eq!(round_trip(None), "0s");
    }
}
