//! The name of a configuration: SHA-256 over its expanded tree as compact JSON, the way Go writes JSON.
//!
//! It is equal to the digest the NATS server prints for the same file, which also makes it the oracle of this
//! crate's parser tests.

use std::fmt::Write as _;

use sha2::{Digest as _, Sha256};

use crate::value::{Map, Value};

/// `sha256:` and 64 hexadecimal digits.
pub fn digest(root: &Map) -> String {
    let mut json = String::new();
    write_map(&mut json, root);
    json.push('\n');
    let mut text = "sha256:".to_owned();
    for byte in Sha256::digest(json.as_bytes()) {
        write!(text, "{byte:02x}").expect("a String takes all that is written");
    }
    text
}

fn write_map(json: &mut String, map: &Map) {
    json.push('{');
    for (index, (key, node)) in map.sorted().enumerate() {
        if index > 0 {
            json.push(',');
        }
        write_text(json, key);
        json.push(':');
        write_value(json, &node.value);
    }
    json.push('}');
}

fn write_value(json: &mut String, value: &Value) {
    match value {
        Value::Bool(is_on) => json.push_str(if *is_on { "true" } else { "false" }),
        Value::Int(number) => json.push_str(&number.to_string()),
        Value::Float(number) => json.push_str(&float(*number)),
        Value::Text(text) | Value::Datetime(text) => write_text(json, text),
        Value::List(nodes) => {
            json.push('[');
            for (index, node) in nodes.iter().enumerate() {
                if index > 0 {
                    json.push(',');
                }
                write_value(json, &node.value);
            }
            json.push(']');
        }
        Value::Map(map) => write_map(json, map),
    }
}

/// The shortest digits that read back the same; an exponent only for very large and very small numbers.
fn float(number: f64) -> String {
    let size = number.abs();
    if size == 0.0 || (1e-6..1e21).contains(&size) {
        return number.to_string();
    }
    let text = format!("{number:e}");
    if size >= 1e21 { text.replace('e', "e+") } else { text }
}

fn write_text(json: &mut String, text: &str) {
    json.push('"');
    for c in text.chars() {
        match c {
            '"' => json.push_str("\\\""),
            '\\' => json.push_str("\\\\"),
            '\n' => json.push_str("\\n"),
            '\r' => json.push_str("\\r"),
            '\t' => json.push_str("\\t"),
            '\u{8}' => json.push_str("\\b"),
            '\u{c}' => json.push_str("\\f"),
            '\0'..='\u{1f}' | '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => {
                write!(json, "\\u{:04x}", u32::from(c)).expect("a String takes all that is written");
            }
            c => json.push(c),
        }
    }
    json.push('"');
}
