//! What a reading asks the world for. The world answers in `server`; tests answer from memory.

use std::path::Path;

/// Files and environment.
pub trait Source {
    /// The bytes of a file.
    ///
    /// # Errors
    ///
    /// The whole message as it is to be shown, in the form `open <path>: no such file or directory`.
    fn read(&self, path: &Path) -> Result<Vec<u8>, String>;

    /// The value of an environment variable.
    fn variable(&self, name: &str) -> Option<String>;
}

/// Words whose rules other crates own. Whoever reads a configuration hands those rules in.
#[derive(Clone, Copy)]
pub struct Checks {
    /// Whether this is a subject, wildcards allowed.
    pub is_subject: fn(&str) -> bool,
    /// Whether this is the public nkey of a user.
    pub is_user_nkey: fn(&str) -> bool,
    /// Whether a mapping from the first subject to the second could be added; if not, the server's reason.
    pub mapping: fn(&str, &str) -> Result<(), String>,
}

impl Checks {
    /// Rules of form only: tokens of subjects, length and alphabet of keys, mappings taken as they are.
    pub const FORM: Checks = Checks { is_subject, is_user_nkey, mapping: |_, _| Ok(()) };
}

/// Tokens are not empty and hold no blanks; `>` only stands last.
fn is_subject(subject: &str) -> bool {
    let mut is_open = true;
    for token in subject.split('.') {
        if !is_open || token.is_empty() || token.contains([' ', '\t', '\n', '\r', '\u{c}']) {
            return false;
        }
        is_open = token != ">";
    }
    true
}

/// 35 bytes in base32, the first of which shows as `U`.
fn is_user_nkey(key: &str) -> bool {
    key.len() == 56 && key.starts_with('U') && key.bytes().all(|b| matches!(b, b'A'..=b'Z' | b'2'..=b'7'))
}
