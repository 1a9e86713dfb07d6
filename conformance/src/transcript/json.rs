//! JSON compared by what the expectation says: members it leaves out may be anything.

use serde_json::Value;

/// Whether `actual` has everything `expected` has.
///
/// Objects may have further members, arrays may not have further elements. In place of a value the expectation may
/// say `"<any>"`, `"<number>"`, `"<string>"`, `"<object>"`, or `"<absent>"` for a member that must not exist.
#[must_use]
pub fn is_subset(expected: &Value, actual: &Value) -> bool {
    match (expected, actual) {
        (Value::String(hole), actual) if hole.starts_with('<') && hole.ends_with('>') => match hole.as_str() {
            "<any>" => true,
            "<number>" => actual.is_number(),
            "<string>" => actual.is_string(),
            "<object>" => actual.is_object(),
            _ => expected == actual,
        },
        (Value::Object(expected), Value::Object(actual)) => {
            expected.iter().all(|(key, expected)| match actual.get(key) {
                Some(actual) => expected != "<absent>" && is_subset(expected, actual),
                None => expected == "<absent>",
            })
        }
        (Value::Array(expected), Value::Array(actual)) => {
            expected.len() == actual.len()
                && expected.iter().zip(actual).all(|(expected, actual)| is_subset(expected, actual))
        }
        (expected, actual) => expected == actual,
    }
}
