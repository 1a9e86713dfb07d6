//! The server's own keys, fresh at each start: its id is the public half of one.

use curve25519_dalek::montgomery::MontgomeryPoint;
use data_encoding::BASE64URL_NOPAD;
use ed25519_dalek::SigningKey;
use firn_auth::nkey::{PublicKey, Role};

/// Bytes of a nonce before they are text.
const NONCE_BYTES: usize = 11;

/// The public halves of the keys as text.
#[derive(Clone, Debug)]
pub(crate) struct ServerKeys {
    /// `N…`
    pub(crate) id: Box<str>,
    /// `X…`
    pub(crate) curve: Box<str>,
}

impl ServerKeys {
    /// New keys from the system's entropy. It is asked directly: the generator of the TLS library gathers entropy of its
    /// own when it is first used, which takes longer than all the rest of a start.
    ///
    /// # Errors
    /// The system gives none.
    pub(crate) fn generate() -> Result<Self, getrandom::Error> {
        let signing = SigningKey::from_bytes(&random()?);
        let curve = MontgomeryPoint::mul_base_clamped(random()?);
        Ok(ServerKeys {
            id: text(Role::Server, signing.verifying_key().to_bytes()),
            curve: text(Role::Curve, curve.to_bytes()),
        })
    }
}

/// What a client with an nkey is asked to sign: 15 characters.
///
/// # Errors
/// The system gives no entropy.
pub(crate) fn nonce() -> Result<Box<str>, getrandom::Error> {
    Ok(BASE64URL_NOPAD.encode(&random::<NONCE_BYTES>()?).into())
}

fn random<const BYTES: usize>() -> Result<[u8; BYTES], getrandom::Error> {
    let mut bytes = [0; BYTES];
    getrandom::fill(&mut bytes)?;
    Ok(bytes)
}

fn text(role: Role, key: [u8; 32]) -> Box<str> {
    PublicKey::new(role, key).to_string().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_nkeys_and_differ_each_time() {
        let (a, b) = (ServerKeys::generate().unwrap(), ServerKeys::generate().unwrap());
        assert!(a.id.starts_with('N') && a.id.len() == 56, "{}", a.id);
        assert!(a.curve.starts_with('X') && a.curve.len() == 56, "{}", a.curve);
        assert_ne!(a.id, b.id);
        assert_ne!(a.curve, b.curve);
    }

    #[test]
    fn nonces_have_15_characters_and_differ() {
        let (a, b) = (nonce().unwrap(), nonce().unwrap());
        assert_eq!(a.len(), 15);
        assert_ne!(a, b);
    }
}
