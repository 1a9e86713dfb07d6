//! Texts as Go writes and reads them: durations, quoted strings, numbers. The server's messages are made of these.

use std::time::Duration;

/// Reads `1h2m3.5s`. Errors are Go's. Negative durations are `Err` too: no option can use one.
pub(crate) fn parse_duration(text: &str) -> Result<Duration, String> {
    let invalid = || format!("time: invalid duration {}", quote(text));
    let (is_negative, mut rest) = match text.as_bytes().first() {
        Some(b'-') => (true, text.get(1..).unwrap_or_default()),
        Some(b'+') => (false, text.get(1..).unwrap_or_default()),
        _ => (false, text),
    };
    if rest == "0" {
        return Ok(Duration::ZERO);
    }
    if rest.is_empty() {
        return Err(invalid());
    }
    let mut nanos: u128 = 0;
    while !rest.is_empty() {
        let (whole, after) = leading_digits(rest);
        let (fraction, after) = match after.strip_prefix('.') {
            Some(after) => leading_digits(after),
            None => ("", after),
        };
        if whole.is_empty() && fraction.is_empty() {
            return Err(invalid());
        }
        let unit_len = after.find(|c: char| c == '.' || c.is_ascii_digit()).unwrap_or(after.len());
        let (unit, after) = after.split_at(unit_len);
        if unit.is_empty() {
            return Err(format!("time: missing unit in duration {}", quote(text)));
        }
        let scale = unit_nanos(unit)
            .ok_or_else(|| format!("time: unknown unit {} in duration {}", quote(unit), quote(text)))?;
        let whole: u128 = if whole.is_empty() { 0 } else { whole.parse().map_err(|_| invalid())? };
        nanos = whole
            .checked_mul(scale)
            .and_then(|whole| nanos.checked_add(whole)?.checked_add(fraction_nanos(fraction, scale)))
            .filter(|nanos| *nanos <= i64::MAX.unsigned_abs().into())
            .ok_or_else(invalid)?;
        rest = after;
    }
    if is_negative && nanos > 0 {
        return Err(format!("duration {} is negative", quote(text)));
    }
    Ok(Duration::from_nanos(u64::try_from(nanos).map_err(|_| invalid())?))
}

fn leading_digits(text: &str) -> (&str, &str) {
    text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()))
}

fn unit_nanos(unit: &str) -> Option<u128> {
    Some(match unit {
        "ns" => 1,
        "us" | "µs" | "μs" => 1_000,
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        "m" => 60_000_000_000,
        "h" => 3_600_000_000_000,
        _ => return None,
    })
}

/// `scale` times `0.fraction`, rounded down. Digits beyond the 18th do not count.
fn fraction_nanos(fraction: &str, scale: u128) -> u128 {
    let digits = fraction.get(..fraction.len().min(18)).unwrap_or_default();
    let power = 10_u128.pow(u32::try_from(digits.len()).unwrap_or_default());
    digits.parse::<u128>().map_or(0, |digits| digits * scale / power)
}

/// `2m0s`, `1.5s`, `50ms`, `0s`.
pub fn duration(duration: Duration) -> String {
    let nanos = duration.as_nanos();
    let decimal = |scale: u128, unit: &str| {
        let text = format!("{:0width$}", nanos % scale, width = scale.ilog10() as usize);
        let fraction = text.trim_end_matches('0');
        let point = if fraction.is_empty() || scale == 1 { "" } else { "." };
        let fraction = if scale == 1 { "" } else { fraction };
        format!("{}{point}{fraction}{unit}", nanos / scale)
    };
    match nanos {
        0 => "0s".to_owned(),
        1..1_000 => decimal(1, "ns"),
        1_000..1_000_000 => decimal(1_000, "µs"),
        1_000_000..1_000_000_000 => decimal(1_000_000, "ms"),
        _ => {
            let minutes = nanos / 60_000_000_000;
            let seconds_nanos = nanos % 60_000_000_000;
            let fraction = format!("{:09}", seconds_nanos % 1_000_000_000);
            let fraction = fraction.trim_end_matches('0');
            let point = if fraction.is_empty() { "" } else { "." };
            let seconds = format!("{}{point}{fraction}s", seconds_nanos / 1_000_000_000);
            match (minutes / 60, minutes % 60) {
                (0, 0) => seconds,
                (0, minutes) => format!("{minutes}m{seconds}"),
                (hours, minutes) => format!("{hours}h{minutes}m{seconds}"),
            }
        }
    }
}

/// Go's `%q`.
pub fn quote(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for c in text.chars() {
        match c {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\u{7}' => quoted.push_str("\\a"),
            '\u{8}' => quoted.push_str("\\b"),
            '\u{c}' => quoted.push_str("\\f"),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            '\u{b}' => quoted.push_str("\\v"),
            c if c.is_ascii_control() => quoted.push_str(&format!("\\x{:02x}", u32::from(c))),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

/// Go's `%v` of a float.
pub(crate) fn float(number: f64) -> String {
    let size = number.abs();
    if size == 0.0 || (1e-4..1e21).contains(&size) {
        return number.to_string();
    }
    let text = format!("{number:e}");
    let Some((digits, exponent)) = text.split_once('e') else { return text };
    let (sign, exponent) = match exponent.strip_prefix('-') {
        Some(exponent) => ('-', exponent),
        None => ('+', exponent),
    };
    format!("{digits}e{sign}{exponent:0>2}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_and_show_as_in_go() {
        let check = |text: &str, nanos: u64, shown: &str| {
            assert_eq!(parse_duration(text), Ok(Duration::from_nanos(nanos)), "{text}");
            assert_eq!(duration(Duration::from_nanos(nanos)), shown, "{text}");
        };
        check("0", 0, "0s");
        check("+5s", 5_000_000_000, "5s");
        check("2m", 120_000_000_000, "2m0s");
        check("1h", 3_600_000_000_000, "1h0m0s");
        check("1h2m3.5s", 3_723_500_000_000, "1h2m3.5s");
        check("1.5s", 1_500_000_000, "1.5s");
        check(".5s", 500_000_000, "500ms");
        check("1.05ms", 1_050_000, "1.05ms");
        check("250us", 250_000, "250µs");
        check("7ns", 7, "7ns");
        check("100s", 100_000_000_000, "1m40s");
    }

    #[test]
    fn wrong_durations_give_gos_messages() {
        let check = |text: &str, expected: &str| assert_eq!(parse_duration(text), Err(expected.to_owned()));
        check("", "time: invalid duration \"\"");
        check("abc", "time: invalid duration \"abc\"");
        check("10", "time: missing unit in duration \"10\"");
        check("10x", "time: unknown unit \"x\" in duration \"10x\"");
        check("1d", "time: unknown unit \"d\" in duration \"1d\"");
        check("9999999999999h", "time: invalid duration \"9999999999999h\"");
        check("-5s", "duration \"-5s\" is negative");
    }

    #[test]
    fn floats_show_as_in_go() {
        let check = |number: f64, expected: &str| assert_eq!(float(number), expected);
        check(2.0, "2");
        check(0.5, "0.5");
        check(0.00005, "5e-05");
        check(1e21, "1e+21");
    }
}
