//! Two kinds of time: [`Monotonic`] orders events inside one process, [`Timestamp`] is what people read.
//!
//! Invariant: a `Monotonic` handed to a machine never runs backwards; a `Timestamp` may.

use std::{fmt, ops, time::Duration};

use crate::calendar;

/// Nanoseconds since an origin that the process chose at its start. Only differences mean anything.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Monotonic(u64);

impl Monotonic {
    /// The origin.
    pub const ZERO: Monotonic = Monotonic(0);

    /// From nanoseconds since the origin.
    pub const fn from_nanos(nanos: u64) -> Self {
        Monotonic(nanos)
    }

    /// Nanoseconds since the origin.
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// How long after `earlier` this is; zero when it is not after.
    pub const fn since(self, earlier: Monotonic) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

impl ops::Add<Duration> for Monotonic {
    type Output = Monotonic;

    /// Saturates: a deadline 600 years ahead is never.
    fn add(self, duration: Duration) -> Monotonic {
        let nanos = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        Monotonic(self.0.saturating_add(nanos))
    }
}

/// Wall-clock time in nanoseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    /// From nanoseconds since the Unix epoch.
    pub const fn from_unix_nanos(nanos: i64) -> Self {
        Timestamp(nanos)
    }

    /// Nanoseconds since the Unix epoch.
    pub const fn unix_nanos(self) -> i64 {
        self.0
    }

    /// Whole seconds since the Unix epoch, rounded towards the past.
    pub const fn unix_seconds(self) -> i64 {
        self.0.div_euclid(1_000_000_000)
    }

    /// Nanoseconds within the second, 0 to 999,999,999.
    pub const fn subsecond_nanos(self) -> u32 {
        self.0.rem_euclid(1_000_000_000) as u32
    }

    /// How long after `earlier` this is; zero when it is not after.
    pub fn since(self, earlier: Timestamp) -> Duration {
        Duration::from_nanos(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// Year, month (1 to 12), day (1 to 31), hour, minute, second in UTC, shifted by `offset_seconds` east.
    pub fn civil(self, offset_seconds: i32) -> (i64, u8, u8, u8, u8, u8) {
        let seconds = self.unix_seconds().saturating_add(i64::from(offset_seconds));
        let (days, second_of_day) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
        let (year, month, day) = calendar::date(days);
        let part = |value: i64| u8::try_from(value).expect("a part of a day is below 60");
        (year, month, day, part(second_of_day / 3600), part(second_of_day / 60 % 60), part(second_of_day % 60))
    }
}

/// RFC 3339 in UTC with as many digits of the second's fraction as are not zero, as Go prints it.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day, hour, minute, second) = self.civil(0);
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}")?;
        let nanos = self.subsecond_nanos();
        if nanos != 0 {
            let digits = format!("{nanos:09}");
            write!(f, ".{}", digits.trim_end_matches('0'))?;
        }
        f.write_str("Z")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(nanos: i64, expected: &str) {
        assert_eq!(Timestamp::from_unix_nanos(nanos).to_string(), expected);
    }

    #[test]
    fn timestamps_print_as_rfc_3339() {
        check(0, "1970-01-01T00:00:00Z");
        check(-1, "1969-12-31T23:59:59.999999999Z");
        check(951_782_400_000_000_000, "2000-02-29T00:00:00Z");
        check(1_795_235_797_556_510_000, "2026-11-21T04:36:37.55651Z");
        check(4_107_542_399_000_000_000, "2100-02-28T23:59:59Z");
    }

    #[test]
    fn monotonic_differences_never_go_below_zero() {
        let (early, late) = (Monotonic::from_nanos(5), Monotonic::from_nanos(9));
        assert_eq!(late.since(early), Duration::from_nanos(4));
        assert_eq!(early.since(late), Duration::ZERO);
        assert_eq!((late + Duration::MAX).as_nanos(), u64::MAX);
    }
}
