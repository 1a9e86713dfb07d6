//! Bytes of a client in quotes, as errors show them: what cannot be printed is escaped, as Go's `%q` does.

use std::fmt::{self, Write};

/// Shows bytes between double quotes.
pub(crate) struct Quoted<'a>(pub(crate) &'a [u8]);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_char('"')?;
        for chunk in self.0.utf8_chunks() {
            chunk.valid().chars().try_for_each(|c| escape(c, f))?;
            chunk.invalid().iter().try_for_each(|byte| write!(f, "\\x{byte:02x}"))?;
        }
        f.write_char('"')
    }
}

fn escape(c: char, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match c {
        '"' | '\\' => write!(f, "\\{c}"),
        ' '..='~' => f.write_char(c),
        '\u{7}' => f.write_str("\\a"),
        '\u{8}' => f.write_str("\\b"),
        '\u{b}' => f.write_str("\\v"),
        '\u{c}' => f.write_str("\\f"),
        '\n' => f.write_str("\\n"),
        '\r' => f.write_str("\\r"),
        '\t' => f.write_str("\\t"),
        _ if c.is_ascii() => write!(f, "\\x{:02x}", u32::from(c)),
        _ if is_printable(c) => f.write_char(c),
        '\u{80}'..='\u{ffff}' => write!(f, "\\u{:04x}", u32::from(c)),
        _ => write!(f, "\\U{:08x}", u32::from(c)),
    }
}

/// Anything but controls, formats, separators and what is not assigned. Behind another character, because a combining
/// mark that stands alone is escaped by the standard library though it can be printed.
fn is_printable(c: char) -> bool {
    ['x', c].iter().collect::<String>().escape_debug().count() == 2
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(bytes: &[u8], expected: &str) {
        assert_eq!(Quoted(bytes).to_string(), expected);
    }

    #[test]
    fn what_cannot_be_printed_is_escaped() {
        check(b"foo.*", r#""foo.*""#);
        check(br#"b"a'r\"#, r#""b\"a'r\\""#);
        check(b"a\x00\x07\t\x1b\x7f", r#""a\x00\a\t\x1b\x7f""#);
        check(b"a\xffb\xe2\x82", r#""a\xffb\xe2\x82""#);
        check("grün e\u{301}".as_bytes(), "\"grün e\u{301}\"");
        check("\u{a0}\u{2028}\u{e0001}".as_bytes(), r#""\u00a0\u2028\U000e0001""#);
    }
}
