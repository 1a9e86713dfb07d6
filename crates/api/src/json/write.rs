//! From a message to its bytes.

use std::{fmt::Write as _, io};

use serde::Serialize;
use serde_json::ser::{Formatter, Serializer};

/// A message as compact JSON, escaped as clients of the reference server know it.
pub fn write<T: Serialize + ?Sized>(message: &T) -> Vec<u8> {
    let mut out = Vec::new();
    let mut serializer = Serializer::with_formatter(&mut out, GoStrings);
    message.serialize(&mut serializer).expect("messages have text keys and go into memory");
    out
}

/// Compact JSON whose strings escape what Go escapes too: `<`, `>`, `&` and the two Unicode line separators.
struct GoStrings;

impl Formatter for GoStrings {
    fn write_string_fragment<W: ?Sized + io::Write>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        for part in fragment.split_inclusive(is_escaped) {
            let Some(last) = part.chars().next_back().filter(|&last| is_escaped(last)) else {
                writer.write_all(part.as_bytes())?;
                continue;
            };
            let plain = part.strip_suffix(last).expect("the part ends with its last character");
            writer.write_all(plain.as_bytes())?;
            write!(writer, "\\u{:04x}", u32::from(last))?;
        }
        Ok(())
    }
}

fn is_escaped(character: char) -> bool {
    matches!(character, '<' | '>' | '&' | '\u{2028}' | '\u{2029}')
}

/// A text in double quotes, as the reference server quotes in its errors.
pub(crate) fn quote(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for character in text.chars() {
        match character {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\u{7}' => quoted.push_str("\\a"),
            '\u{8}' => quoted.push_str("\\b"),
            '\u{c}' => quoted.push_str("\\f"),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            '\u{b}' => quoted.push_str("\\v"),
            '\0'..' ' | '\u{7f}' => push_escape(&mut quoted, format_args!("\\x{:02x}", u32::from(character))),
            '\u{80}'..'\u{a0}' | '\u{ad}' | '\u{2028}' | '\u{2029}' | '\u{feff}' => {
                push_escape(&mut quoted, format_args!("\\u{:04x}", u32::from(character)));
            }
            plain => quoted.push(plain),
        }
    }
    quoted.push('"');
    quoted
}

fn push_escape(quoted: &mut String, escape: std::fmt::Arguments<'_>) {
    quoted.write_fmt(escape).expect("a string takes any text");
}
