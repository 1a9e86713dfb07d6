//! JSON read and written by the reference server's rules, which no derive knows.
//!
//! ```text
//!   bytes ──parse──► Value, a tree that remembers its text ──Read──► a message that has its defaults already
//!                      "invalid character 'x' …"                       "json: cannot unmarshal string into …"
//!   message ──serde::Serialize──► bytes in which < > & are escaped, as clients of that server know them
//! ```
//!
//! The rules: a key is found whatever its case, the exact one first · a later key adds to what an earlier one said ·
//! `null` leaves a member alone · integers have no fraction and no exponent, and fit · bytes that are not UTF-8 become
//! U+FFFD · a strict reader refuses keys it does not know, and takes several documents in a row as one · a plain
//! reader passes over such keys, and takes exactly one document. Errors have that server's texts, because tools
//! show them. Reading is total: any bytes give a message or an error.
//!
//! Not here: what a message may say.

mod object;
mod parse;
mod read;
mod write;

pub(crate) use self::object::{object, words};
pub use self::{
    parse::{Kind, Value},
    read::{At, Bytes, Member, Object, Read, is_empty_request, is_json, read, read_strict, read_with},
    write::write,
};
pub(crate) use self::{
    read::{is_default, member, read_object},
    write::quote,
};

/// Why bytes are not the message that was expected, in the words of the reference server.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct JsonError(String);

impl JsonError {
    /// With this text.
    pub fn new(text: impl Into<String>) -> Self {
        JsonError(text.into())
    }
}

impl From<JsonError> for crate::error::ApiError {
    fn from(error: JsonError) -> Self {
        Self::InvalidJson { err: error.0 }
    }
}

#[cfg(test)]
mod tests;
