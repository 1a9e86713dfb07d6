//! Secrets, and the two ways of keeping one: as it is, or as a bcrypt hash.

use std::{fmt, sync::Arc};

use data_encoding::Specification;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::Identity;

/// A password or token. Never printed; compared in a time that depends on neither text.
#[derive(Clone, Default)]
pub struct Secret(Box<str>);

impl From<&str> for Secret {
    fn from(text: &str) -> Secret {
        Secret(text.into())
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Secret {
        Secret(text.into())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<redacted>")
    }
}

impl Secret {
    /// No secret at all.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The same text. Hashes are compared, so that not even its length shows.
    pub fn matches(&self, candidate: &str) -> bool {
        Sha256::digest(self.0.as_bytes()).ct_eq(&Sha256::digest(candidate.as_bytes())).into()
    }
}

/// A password as a directory keeps it.
#[derive(Clone, Debug)]
pub(super) enum Stored {
    /// The configuration has it as it is.
    Plain(Secret),
    /// The configuration has its hash.
    Bcrypt(BcryptHash),
    /// The configuration has what begins like a hash and is none: no password matches.
    Unmatchable,
}

/// `$2b$cost$salt and hash`, parsed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct BcryptHash {
    /// Of the work, to base 2.
    cost: u32,
    salt: [u8; SALT_BYTES],
    hash: [u8; HASH_BYTES],
}

/// A password to be compared with a bcrypt hash, which takes from one to many milliseconds.
#[derive(Debug)]
pub struct PasswordCheck {
    password: Secret,
    hash: BcryptHash,
    /// `None` is refused all the same: the work is for show.
    identity: Option<Arc<Identity>>,
}

const SALT_BYTES: usize = 16;
const HASH_BYTES: usize = 23;
/// In base64: 16 bytes and 23 bytes.
const SALT_CHARS: usize = 22;
const HASH_CHARS: usize = 31;
/// Bcrypt takes no more of a password.
const PASSWORD_BYTES_MAX: usize = 72;
const COSTS: std::ops::RangeInclusive<u32> = 4..=31;

impl Stored {
    /// What the configuration has. Like nats-server, anything that begins `$2[abxy]$NN$` is taken for a hash.
    pub(super) fn new(secret: Secret) -> Stored {
        match split_bcrypt(&secret.0) {
            None => Stored::Plain(secret),
            Some((cost, rest)) => BcryptHash::parse(cost, rest).map_or(Stored::Unmatchable, Stored::Bcrypt),
        }
    }

    /// There is no password.
    pub(super) fn is_empty(&self) -> bool {
        matches!(self, Stored::Plain(secret) if secret.is_empty())
    }
}

impl BcryptHash {
    fn parse(cost: &str, rest: &str) -> Option<BcryptHash> {
        let cost = cost.parse().ok().filter(|cost| COSTS.contains(cost))?;
        let (salt, hash) = rest.split_at_checked(SALT_CHARS)?;
        let hash = Some(hash).filter(|hash| hash.len() == HASH_CHARS)?;
        Some(BcryptHash { cost, salt: decode(salt)?, hash: decode(hash)? })
    }

    /// The longer of the two to verify.
    pub(super) fn costlier(self, other: BcryptHash) -> BcryptHash {
        if other.cost > self.cost { other } else { self }
    }

    fn matches(&self, password: &Secret) -> bool {
        let mut key = Vec::with_capacity(PASSWORD_BYTES_MAX);
        key.extend(password.0.bytes().take(PASSWORD_BYTES_MAX));
        // The NUL behind the password is part of the key, if it is not cut off.
        if key.len() < PASSWORD_BYTES_MAX {
            key.push(0);
        }
        let output = bcrypt::bcrypt(self.cost, self.salt, &key);
        let hash = output.first_chunk::<HASH_BYTES>().expect("bcrypt gives 24 bytes");
        hash.ct_eq(&self.hash).into()
    }
}

impl fmt::Debug for BcryptHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BcryptHash(cost {})", self.cost)
    }
}

impl PasswordCheck {
    pub(super) fn new(password: &str, hash: BcryptHash, identity: Option<Arc<Identity>>) -> PasswordCheck {
        PasswordCheck { password: password.into(), hash, identity }
    }

    /// What the password is compared with, to remember once it has matched.
    pub fn hash(&self) -> BcryptHash {
        self.hash
    }

    /// Whom to let in without doing the work again: `matched` is what the same password matched before.
    pub fn matched_before(&self, matched: BcryptHash) -> Option<Arc<Identity>> {
        self.identity.clone().filter(|_| self.hash == matched)
    }

    /// Does the work: whom to let in, if anybody.
    pub fn run(self) -> Option<Arc<Identity>> {
        let is_right = self.hash.matches(&self.password);
        self.identity.filter(|_| is_right)
    }
}

/// Cost and the rest of a text that begins like a bcrypt hash.
fn split_bcrypt(text: &str) -> Option<(&str, &str)> {
    let rest = text.strip_prefix("$2")?.strip_prefix(['a', 'b', 'x', 'y'])?.strip_prefix('$')?;
    let (cost, rest) = rest.split_once('$')?;
    (cost.len() == 2 && cost.bytes().all(|byte| byte.is_ascii_digit())).then_some((cost, rest))
}

/// Bcrypt's base64: its own alphabet, no padding, spare bits ignored.
fn decode<const N: usize>(text: &str) -> Option<[u8; N]> {
    let mut base64 = Specification::new();
    base64.symbols.push_str("./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789");
    base64.check_trailing_bits = false;
    let base64 = base64.encoding().expect("64 different letters");
    base64.decode(text.as_bytes()).ok()?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Made by libxcrypt; the third password is cut off after 72 bytes, of which the fourth is one short.
    const HASHES: [(&str, &str); 5] = [
        ("", "$2b$04$DCq7YPn5Rq63x1Lad4cll.gPqnXZmDhhq3zJUTSJckzck53/zZY4W"),
        ("U*U*", "$2b$05$CCCCCCCCCCCCCCCCCCCCC.VGOzA784oUp/Z0DY336zx7pLYAy0lwK"),
        (
            "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
            "$2a$04$abcdefghijklmnopqrstuubzadhGtS2zEF.gu0yd0opP6cVzb.e0i",
        ),
        (
            "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
            "$2a$04$abcdefghijklmnopqrstuu.gc7UY/21CSNJGJg21jJzx9QiOpJ9bO",
        ),
        ("éééééééééééééééééééééééééééééééééééé", "$2y$04$abcdefghijklmnopqrstuuKiIlCeXB6chNXkLyAo8C7XcLPzh6zUe"),
    ];

    fn check(stored: &str, password: &str, expected: bool) {
        let Stored::Bcrypt(hash) = Stored::new(stored.into()) else { panic!("no hash: {stored}") };
        assert_eq!(hash.matches(&password.into()), expected, "{stored} {password}");
    }

    #[test]
    fn bcrypt_hashes_match_their_password_only() {
        for (password, stored) in HASHES {
            check(stored, password, true);
            check(stored, "another", false);
        }
        check(&HASHES[1].1.replace("$2b$", "$2x$"), "U*U*", true);
    }

    #[test]
    fn what_only_begins_like_a_hash_matches_nothing() {
        for text in ["$2a$05$", "$2b$05$short", "$2y$03$CCCCCCCCCCCCCCCCCCCCC.VGOzA784oUp/Z0DY336zx7pLYAy0lwK"] {
            assert!(matches!(Stored::new(text.into()), Stored::Unmatchable), "{text}");
        }
        let not_ascii = format!("$2a$05${}é", "C".repeat(51));
        assert!(matches!(Stored::new(not_ascii.into()), Stored::Unmatchable));
        for text in ["", "$", "$2c$05$x", "$2a$5$x", "$2a$005$x", "2a$05$x", "$2a$+5$x", "$2a$05"] {
            assert!(matches!(Stored::new(text.into()), Stored::Plain(_)), "{text}");
        }
    }

    #[test]
    fn secrets_compare_and_are_not_printed() {
        let secret = Secret::from("s3cret");
        assert!(secret.matches("s3cret"));
        for other in ["", "s3cre", "s3crets", "S3CRET"] {
            assert!(!secret.matches(other), "{other}");
        }
        let check = PasswordCheck::new("s3cret", BcryptHash { cost: 4, salt: [1; 16], hash: [2; 23] }, None);
        assert!(!format!("{secret:?} {:?} {check:?}", Stored::new(secret.clone())).contains("s3cret"));
        assert!(check.run().is_none());
    }
}
