//! Sizes as NATS tools write them: `128`, `128B`, `4KB`, `1MiB`. The units are powers of 1024, as in the nats CLI.

/// Reads a number of bytes.
pub(crate) fn parse<N: TryFrom<u64>>(text: &str) -> Result<N, String> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let factor = match unit.to_ascii_uppercase().as_str() {
        "" | "B" => Some(1),
        "K" | "KB" | "KIB" => Some(1 << 10),
        "M" | "MB" | "MIB" => Some(1 << 20),
        "G" | "GB" | "GIB" => Some(1 << 30),
        "T" | "TB" | "TIB" => Some(1 << 40),
        _ => None,
    };
    let bytes = factor.zip(number.parse::<u64>().ok()).and_then(|(factor, number)| number.checked_mul(factor));
    let bytes = bytes.and_then(|bytes| N::try_from(bytes).ok());
    bytes.ok_or_else(|| format!("`{text}` is not a size such as 128B or 4KB"))
}

#[cfg(test)]
mod tests {
    //! Sizes as people type them.

    use super::*;

    #[test]
    fn a_size_is_a_number_and_a_unit() {
        #[track_caller]
        fn check(text: &str, expected: Option<u64>) {
            assert_eq!(parse::<u64>(text).ok(), expected, "{text}");
        }
        check("0", Some(0));
        check("128", Some(128));
        check("128B", Some(128));
        check("4kb", Some(4096));
        check("1MiB", Some(1_048_576));
        check("2G", Some(2_147_483_648));
        check("1TB", Some(1_099_511_627_776));
        for broken in ["", "B", "1X", "-1", "1.5GB", "99999999999999999999GB", "18446744073709551615K"] {
            check(broken, None);
        }
        assert!(parse::<u32>("4GB").is_err(), "it does not fit");
    }
}
