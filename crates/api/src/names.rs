//! Which names streams and consumers may have, and what else is bounded in size.
//!
//! Not here: which names are taken.

use std::collections::BTreeMap;

/// Longest name of a stream or consumer.
pub const NAME_BYTES_MAX: usize = 255;

/// Longest description.
pub const DESCRIPTION_BYTES_MAX: usize = 4 * 1024;

/// Keys and values of an asset's metadata together.
pub const METADATA_BYTES_MAX: usize = 128 * 1024;

/// Level of the API that this crate speaks; clients ask for one with [`REQUIRED_LEVEL_HEADER`].
pub const LEVEL: u64 = 5;

/// The header of a request that needs a level.
pub const REQUIRED_LEVEL_HEADER: &str = "Nats-Required-Api-Level";

/// The header with which a sourcing server names the stream it means.
pub const STREAM_IDENTITY_HEADER: &str = "Nats-Stream-Identity";

/// Free text of an asset's owner.
pub type Metadata = BTreeMap<String, String>;

/// Key of the level that an asset requires: the only one of a server's own that is stored.
const REQUIRED_LEVEL: &str = "_nats.req.level";

/// Keys of what an answer says of the server that gives it.
const SERVER_LEVEL: &str = "_nats.level";
const SERVER_VERSION: &str = "_nats.ver";

/// A token of a subject and a part of a path; says nothing of its length.
pub fn is_valid(name: &str) -> bool {
    !name.is_empty() && !name.contains([' ', '\t', '\r', '\n', '\u{c}', '.', '*', '>', '\\', '/'])
}

/// Does a name hold what separates the parts of a path?
pub fn has_path_separator(name: &str) -> bool {
    name.contains(['\\', '/'])
}

/// The name of a priority group: 1 to 16 characters.
pub fn is_valid_group(name: &str) -> bool {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"/_=-".contains(&byte);
    (1..=16).contains(&name.len()) && name.bytes().all(is_allowed)
}

/// Keys and values together.
pub fn metadata_bytes(metadata: &Metadata) -> usize {
    metadata.iter().map(|(key, value)| key.len() + value.len()).sum()
}

/// Writes down the level that an asset requires, and drops what its owner copied from an answer.
pub(crate) fn stamp(metadata: &mut Metadata, level: u64) {
    metadata.remove(SERVER_LEVEL);
    metadata.remove(SERVER_VERSION);
    metadata.insert(REQUIRED_LEVEL.to_owned(), level.to_string());
}

/// Drops all that servers wrote.
pub(crate) fn unstamp(metadata: &mut Metadata) {
    for key in [REQUIRED_LEVEL, SERVER_LEVEL, SERVER_VERSION] {
        metadata.remove(key);
    }
}

/// Adds what an answer says of the server.
pub(crate) fn show(metadata: &mut Metadata, version: &str) {
    metadata.insert(SERVER_LEVEL.to_owned(), LEVEL.to_string());
    metadata.insert(SERVER_VERSION.to_owned(), version.to_owned());
}

/// The level that a stored asset requires, or its text where that is no number.
///
/// # Errors
/// The text, where it is no number.
pub fn required_level(metadata: &Metadata) -> Result<u64, &str> {
    let Some(level) = metadata.get(REQUIRED_LEVEL) else { return Ok(0) };
    level.parse().map_err(|_| level.as_str())
}

/// Does this server reach the level that a request asks for? No header asks for nothing; what is no integer asks for
/// more than there is.
pub fn reaches_level(required: &str) -> bool {
    required.is_empty() || required.parse::<i64>().is_ok_and(|level| level <= 0 || level.unsigned_abs() <= LEVEL)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_token_and_one_part_of_a_path() {
        for name in ["S", "ORDERS_1", "a-b", "é", "$KV", "a\u{1}b", &"x".repeat(300)] {
            assert!(is_valid(name), "{name}");
        }
        for name in ["", "a b", "a.b", "*", "a>", "a/b", "a\\b", "a\tb", "a\n", "\r", "\u{c}"] {
            assert!(!is_valid(name), "{name}");
        }
    }

    #[test]
    fn a_group_has_few_and_plain_characters() {
        for (name, expected) in [
            ("a", true),
            ("A/_=-9", true),
            ("0123456789abcdef", true),
            ("0123456789abcdefg", false),
            ("", false),
            ("a)", false),
        ] {
            assert_eq!(is_valid_group(name), expected, "{name}");
        }
    }

    #[test]
    fn a_level_is_an_integer_that_this_server_reaches() {
        // Each row was sent with INFO to nats-server 2.15.1.
        let table = [
            ("", true),
            ("0", true),
            ("1", true),
            ("5", true),
            ("-1", true),
            ("+3", true),
            ("6", false),
            ("x", false),
            ("0x1", false),
            ("1.0", false),
            ("99999999999999999999", false),
        ];
        for (required, expected) in table {
            assert_eq!(reaches_level(required), expected, "{required}");
        }
    }
}
