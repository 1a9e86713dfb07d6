//! Times and lengths of time as JSON holds them: RFC 3339 with its offset, and nanoseconds as an integer.
//!
//! ```text
//!   "2024-02-03T00:00:00.5+01:00"  <->  Time     read leniently, printed exactly, the offset kept
//!   120000000000                   <->  Nanos    any i64; what is negative is a check's business
//! ```
//!
//! Not here: a clock. What is wrong with a time is said in the words of the reference server.

use std::fmt;

use firn_id::{Timestamp, calendar};
use serde::{Serialize, Serializer};

use crate::json::{At, JsonError, Kind, Read, Value, quote};

const SECONDS_A_DAY: i64 = 86_400;

/// A moment with the offset it was written in. The default is the first of January of year 1, which stands for none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Time {
    /// Since 1970-01-01T00:00:00Z.
    unix_seconds: i64,
    /// Below 1,000,000,000.
    nanos: u32,
    /// East of Greenwich.
    offset_minutes: i16,
}

/// A length of time in nanoseconds; printed as `1m30s`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Nanos(pub i64);

impl Time {
    /// Year 1, which stands for "no time".
    pub const ZERO: Time = Time { unix_seconds: -719_162 * SECONDS_A_DAY, nanos: 0, offset_minutes: 0 };

    /// Stands for "no time"?
    pub fn is_zero(&self) -> bool {
        self.is_same_moment(&Time::ZERO)
    }

    /// The same moment, whatever the offsets?
    pub fn is_same_moment(&self, other: &Time) -> bool {
        (self.unix_seconds, self.nanos) == (other.unix_seconds, other.nanos)
    }

    /// None outside the years 1678 to 2261.
    pub fn timestamp(&self) -> Option<Timestamp> {
        let nanos = i128::from(self.unix_seconds) * 1_000_000_000 + i128::from(self.nanos);
        i64::try_from(nanos).ok().map(Timestamp::from_unix_nanos)
    }

    /// Reads what RFC 3339 allows, and what the reference server reads besides: an hour of one digit, a comma before
    /// the fraction.
    ///
    /// # Errors
    /// The text is no time.
    pub fn parse(text: &str) -> Result<Time, JsonError> {
        Scan { text, rest: text }.time()
    }
}

impl Default for Time {
    fn default() -> Self {
        Time::ZERO
    }
}

impl From<Timestamp> for Time {
    fn from(timestamp: Timestamp) -> Self {
        Time { unix_seconds: timestamp.unix_seconds(), nanos: timestamp.subsecond_nanos(), offset_minutes: 0 }
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let local = self.unix_seconds + i64::from(self.offset_minutes) * 60;
        let (year, month, day) = calendar::date(local.div_euclid(SECONDS_A_DAY));
        let second = local.rem_euclid(SECONDS_A_DAY);
        let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}")?;
        if self.nanos != 0 {
            let digits = format!("{:09}", self.nanos);
            write!(f, ".{}", digits.trim_end_matches('0'))?;
        }
        if self.offset_minutes == 0 {
            return f.write_str("Z");
        }
        let sign = if self.offset_minutes < 0 { '-' } else { '+' };
        let offset = self.offset_minutes.unsigned_abs();
        write!(f, "{sign}{:02}:{:02}", offset / 60, offset % 60)
    }
}

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl Read for Time {
    fn read(&mut self, value: &Value<'_>, at: &At<'_>) -> Result<(), JsonError> {
        match &value.kind {
            Kind::Null => {}
            Kind::String(text) => *self = Time::parse(text)?,
            Kind::Bool(_) | Kind::Number(_) | Kind::Array(_) | Kind::Object(_) => {
                return Err(at.mismatch::<Self>(value));
            }
        }
        Ok(())
    }

    fn type_name() -> String {
        "time.Time".to_owned()
    }
}

impl Nanos {
    /// So many seconds.
    pub const fn from_secs(seconds: i64) -> Self {
        Nanos(seconds * 1_000_000_000)
    }

    /// So many milliseconds.
    pub const fn from_millis(millis: i64) -> Self {
        Nanos(millis * 1_000_000)
    }

    /// Zero where it is negative.
    pub fn duration(self) -> std::time::Duration {
        std::time::Duration::from_nanos(u64::try_from(self.0).unwrap_or(0))
    }
}

impl fmt::Display for Nanos {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == 0 {
            return f.write_str("0s");
        }
        let nanos = self.0.unsigned_abs();
        if self.0 < 0 {
            f.write_str("-")?;
        }
        let (unit, name) = match nanos {
            ..1_000 => (1, "ns"),
            1_000..1_000_000 => (1_000, "µs"),
            1_000_000..1_000_000_000 => (1_000_000, "ms"),
            1_000_000_000.. => (1_000_000_000, "s"),
        };
        let (whole, part) = (nanos / unit, nanos % unit);
        let (hours, minutes, rest) =
            if unit == 1_000_000_000 { (whole / 3600, whole / 60 % 60, whole % 60) } else { (0, 0, whole) };
        if hours > 0 {
            write!(f, "{hours}h")?;
        }
        if hours > 0 || minutes > 0 {
            write!(f, "{minutes}m")?;
        }
        write!(f, "{rest}")?;
        if part > 0 {
            let digits = format!("{part:0width$}", width = unit.ilog10() as usize);
            write!(f, ".{}", digits.trim_end_matches('0'))?;
        }
        f.write_str(name)
    }
}

impl Read for Nanos {
    fn read(&mut self, value: &Value<'_>, at: &At<'_>) -> Result<(), JsonError> {
        if let Some(nanos) = value.integer::<Self, i64>(at)? {
            self.0 = nanos;
        }
        Ok(())
    }

    fn type_name() -> String {
        "time.Duration".to_owned()
    }
}

/// Reads a time from left to right.
struct Scan<'a> {
    text: &'a str,
    rest: &'a str,
}

impl<'a> Scan<'a> {
    fn time(mut self) -> Result<Time, JsonError> {
        let year = i64::from(self.digits(4, "2006")?);
        self.literal("-")?;
        let month = self.digits(2, "01")?;
        if !(1..=12).contains(&month) {
            return Err(self.out_of_range("month"));
        }
        self.literal("-")?;
        let day = self.digits(2, "02")?;
        self.literal("T")?;
        let hour = self.hour()?;
        if hour > 23 {
            return Err(self.out_of_range("hour"));
        }
        self.literal(":")?;
        let minute = self.digits(2, "04")?;
        if minute > 59 {
            return Err(self.out_of_range("minute"));
        }
        self.literal(":")?;
        let second = self.digits(2, "05")?;
        if second > 59 {
            return Err(self.out_of_range("second"));
        }
        let nanos = self.fraction();
        let offset_minutes = self.offset()?;
        if !self.rest.is_empty() {
            return Err(self.error(&format!(": extra text: {}", quote(self.rest))));
        }
        let (month, day) = (small(month), small(day));
        if day < 1 || day > calendar::days_in_month(year, month) {
            return Err(self.out_of_range("day"));
        }
        let days = calendar::day_number(year, month, day);
        let local = days * SECONDS_A_DAY + i64::from(hour * 3600 + minute * 60 + second);
        Ok(Time { unix_seconds: local - i64::from(offset_minutes) * 60, nanos, offset_minutes })
    }

    /// So many digits, and no fewer.
    fn digits(&mut self, count: usize, layout: &str) -> Result<u32, JsonError> {
        let digits = self.rest.get(..count).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()));
        let Some(number) = digits.and_then(|digits| digits.parse().ok()) else { return Err(self.unlike(layout)) };
        self.rest = self.rest.get(count..).unwrap_or_default();
        Ok(number)
    }

    /// Two digits or one.
    fn hour(&mut self) -> Result<u32, JsonError> {
        let is_single = !self.rest.as_bytes().get(1).is_some_and(u8::is_ascii_digit);
        self.digits(if is_single { 1 } else { 2 }, "15")
    }

    fn literal(&mut self, text: &str) -> Result<(), JsonError> {
        self.rest = self.rest.strip_prefix(text).ok_or_else(|| self.unlike(text))?;
        Ok(())
    }

    /// Nothing, or a point or comma with digits, of which the first nine count.
    fn fraction(&mut self) -> u32 {
        let Some(digits) = self.rest.strip_prefix(['.', ',']) else { return 0 };
        let end = digits.bytes().position(|byte| !byte.is_ascii_digit()).unwrap_or(digits.len());
        let (digits, rest) = digits.split_at(end);
        if digits.is_empty() {
            return 0;
        }
        self.rest = rest;
        let nine = digits.bytes().chain(std::iter::repeat(b'0')).take(9);
        nine.fold(0, |nanos, digit| nanos * 10 + u32::from(digit - b'0'))
    }

    /// `Z`, or hours and minutes with a sign.
    fn offset(&mut self) -> Result<i16, JsonError> {
        if let Some(rest) = self.rest.strip_prefix('Z') {
            self.rest = rest;
            return Ok(0);
        }
        let &[sign @ (b'+' | b'-'), h1, h2, b':', m1, m2, ..] = self.rest.as_bytes() else {
            return Err(self.unlike("Z07:00"));
        };
        if [h1, h2, m1, m2].iter().any(|byte| !byte.is_ascii_digit()) {
            return Err(self.unlike("Z07:00"));
        }
        let number = |tens: u8, ones: u8| i16::from(tens - b'0') * 10 + i16::from(ones - b'0');
        let (hours, minutes) = (number(h1, h2), number(m1, m2));
        if hours > 23 {
            return Err(self.out_of_range("time zone offset hour"));
        }
        if minutes > 59 {
            return Err(self.out_of_range("time zone offset minute"));
        }
        self.rest = self.rest.get(6..).unwrap_or_default();
        let offset = hours * 60 + minutes;
        Ok(if sign == b'-' { -offset } else { offset })
    }

    fn unlike(&self, layout: &str) -> JsonError {
        let expected = quote("2006-01-02T15:04:05Z07:00");
        self.error(&format!(" as {expected}: cannot parse {} as {}", quote(self.rest), quote(layout)))
    }

    fn out_of_range(&self, what: &str) -> JsonError {
        self.error(&format!(": {what} out of range"))
    }

    fn error(&self, fault: &str) -> JsonError {
        JsonError::new(format!("parsing time {}{fault}", quote(self.text)))
    }
}

fn small(two_digits: u32) -> u8 {
    u8::try_from(two_digits).expect("two digits are below 100")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_time_is_printed_as_it_was_read() {
        #[track_caller]
        fn check(text: &str, printed: &str) {
            let time = Time::parse(text).unwrap();
            assert_eq!(time.to_string(), printed);
            assert_eq!(Time::parse(printed), Ok(time));
        }
        check("0001-01-01T00:00:00Z", "0001-01-01T00:00:00Z");
        check("0000-01-01T00:00:00Z", "0000-01-01T00:00:00Z");
        check("2024-02-29T23:59:59.120Z", "2024-02-29T23:59:59.12Z");
        check("9999-12-31T23:59:59.999999999Z", "9999-12-31T23:59:59.999999999Z");
        check("2024-01-01T00:00:00.1234567891Z", "2024-01-01T00:00:00.123456789Z");
        check("2024-01-01T1:02:03,5+05:30", "2024-01-01T01:02:03.5+05:30");
        check("2024-01-01T00:00:00-00:30", "2024-01-01T00:00:00-00:30");
        check("2024-01-01T00:00:00-00:00", "2024-01-01T00:00:00Z");
        assert!(Time::default().is_zero());
        assert_eq!(Time::default().timestamp(), None);
    }

    #[test]
    fn an_offset_names_the_same_moment() {
        let (paris, london) = ("2024-06-01T02:00:00+02:00", "2024-06-01T00:00:00Z");
        let (paris, london) = (Time::parse(paris).unwrap(), Time::parse(london).unwrap());
        assert!(paris.is_same_moment(&london) && paris != london);
        assert_eq!(paris.timestamp(), Some(Timestamp::from_unix_nanos(1_717_200_000_000_000_000)));
        assert_eq!(Time::from(paris.timestamp().unwrap()), london);
    }

    #[test]
    fn lengths_print_like_durations_of_the_reference_server() {
        #[track_caller]
        fn check(nanos: i64, expected: &str) {
            assert_eq!(Nanos(nanos).to_string(), expected);
        }
        check(0, "0s");
        check(1, "1ns");
        check(1_500, "1.5µs");
        check(100_000_000, "100ms");
        check(1_000_000_000, "1s");
        check(90_000_000_000, "1m30s");
        check(3_600_000_000_000, "1h0m0s");
        check(3_661_001_000_000, "1h1m1.001s");
        check(-1_500_000, "-1.5ms");
        check(i64::MIN, "-2562047h47m16.854775808s");
    }

    proptest! {
        #[test]
        fn any_timestamp_survives(nanos in any::<i64>()) {
            let time = Time::from(Timestamp::from_unix_nanos(nanos));
            prop_assert_eq!(Time::parse(&time.to_string()), Ok(time));
            prop_assert_eq!(time.timestamp(), Some(Timestamp::from_unix_nanos(nanos)));
        }

        #[test]
        fn any_text_is_a_time_or_an_error(text in "[-0-9T:.,Z+é]{0,30}") {
            let _ = Time::parse(&text);
        }
    }
}
