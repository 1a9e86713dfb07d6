//! Public nkeys: Ed25519 keys as text whose first letter says whose they are.
//!
//! ```text
//!   base32 without padding of:  prefix, 1 byte │ key, 32 bytes │ CRC-16/XMODEM of both, little-endian
//! ```
//!
//! Not here: seeds and signing. A server that knows only public keys has nothing to lose.

use std::fmt;

use data_encoding::{BASE32_NOPAD, BASE64, BASE64URL_NOPAD};
use ed25519_dalek::{Signature, VerifyingKey};

/// Whose key it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// `O…`
    Operator,
    /// `A…`
    Account,
    /// `U…`
    User,
    /// `N…`
    Server,
    /// `C…`
    Cluster,
    /// `X…`: an X25519 key, for sealing and not for signing.
    Curve,
}

/// A valid public nkey. Equal keys have equal text.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct PublicKey {
    role: Role,
    key: [u8; KEY_BYTES],
}

/// Why a text is no public nkey.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidNkey {
    /// Not base32 in upper case.
    #[error("not base32")]
    Encoding,
    /// Not as long as a public key.
    #[error("not {TEXT_BYTES} characters long")]
    Length,
    /// The check sum differs: a typing error.
    #[error("wrong check sum")]
    Checksum,
    /// No known kind of public key.
    #[error("unknown prefix")]
    Prefix,
}

/// Length of a signature.
pub const SIGNATURE_BYTES: usize = Signature::BYTE_SIZE;

const KEY_BYTES: usize = 32;
const CRC_BYTES: usize = 2;
const RAW_BYTES: usize = 1 + KEY_BYTES + CRC_BYTES;
const TEXT_BYTES: usize = 56;
const _: () = assert!(TEXT_BYTES * 5 == RAW_BYTES * 8, "35 bytes are 56 letters without a spare bit");

impl Role {
    const ALL: [Role; 6] = [Role::Operator, Role::Account, Role::User, Role::Server, Role::Cluster, Role::Curve];

    /// The first byte: the letter's number in base32, moved to the top five bits.
    const fn prefix(self) -> u8 {
        match self {
            Role::Operator => 14 << 3,
            Role::Account => 0,
            Role::User => 20 << 3,
            Role::Server => 13 << 3,
            Role::Cluster => 2 << 3,
            Role::Curve => 23 << 3,
        }
    }
}

impl PublicKey {
    /// A key from its raw bytes, which need not be a point of the curve; such a key verifies nothing.
    pub const fn new(role: Role, key: [u8; KEY_BYTES]) -> Self {
        PublicKey { role, key }
    }

    /// From its text.
    ///
    /// # Errors
    /// When the text is not exactly what [`PublicKey`] prints for some key.
    pub fn parse(text: &str) -> Result<PublicKey, InvalidNkey> {
        if text.len() != TEXT_BYTES {
            return Err(InvalidNkey::Length);
        }
        let raw = BASE32_NOPAD.decode(text.as_bytes()).map_err(|_| InvalidNkey::Encoding)?;
        let (body, crc) = raw.split_last_chunk::<CRC_BYTES>().ok_or(InvalidNkey::Length)?;
        if u16::from_le_bytes(*crc) != crc16(body) {
            return Err(InvalidNkey::Checksum);
        }
        let (&prefix, key) = body.split_first().ok_or(InvalidNkey::Length)?;
        let role = Role::ALL.into_iter().find(|role| role.prefix() == prefix).ok_or(InvalidNkey::Prefix)?;
        let key = key.try_into().map_err(|_| InvalidNkey::Length)?;
        Ok(PublicKey { role, key })
    }

    /// Whose key it is.
    pub const fn role(&self) -> Role {
        self.role
    }

    /// The raw key.
    pub const fn as_bytes(&self) -> &[u8; KEY_BYTES] {
        &self.key
    }

    /// The holder of this key signed `message`. Never true for keys of low order, which sign everything.
    pub fn verifies(&self, message: &[u8], signature: &[u8; SIGNATURE_BYTES]) -> bool {
        self.role != Role::Curve
            && VerifyingKey::from_bytes(&self.key)
                .is_ok_and(|key| key.verify_strict(message, &Signature::from_bytes(signature)).is_ok())
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut raw = Vec::with_capacity(RAW_BYTES);
        raw.push(self.role.prefix());
        raw.extend_from_slice(&self.key);
        let crc = crc16(&raw);
        raw.extend_from_slice(&crc.to_le_bytes());
        f.write_str(&BASE32_NOPAD.encode(&raw))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({self})")
    }
}

/// A signature as clients send it: base64, preferably of the URL alphabet without padding, else of the standard one.
pub fn decode_signature(text: &str) -> Option<[u8; SIGNATURE_BYTES]> {
    let text = text.as_bytes();
    let signature = BASE64URL_NOPAD.decode(text).or_else(|_| BASE64.decode(text)).ok()?;
    signature.try_into().ok()
}

/// CRC-16/XMODEM: polynomial 0x1021, nothing inverted.
fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |crc, &byte| {
        (0..8).fold(crc ^ u16::from(byte) << 8, |crc, _| if crc & 0x8000 == 0 { crc << 1 } else { crc << 1 ^ 0x1021 })
    })
}

#[cfg(test)]
mod tests {
    use ed25519_dalek::{Signer, SigningKey};

    use super::*;

    /// From nats-server's own documentation of nkeys.
    const USER: &str = "UDXU4RCSJNZOIQHZNWXHXORDPRTGNJAHAHFRGZNEEJCPQTT2M7NLCNF4";

    fn check(text: &str, expected: Result<Role, InvalidNkey>) {
        assert_eq!(PublicKey::parse(text).map(|key| key.role()), expected, "{text}");
    }

    #[test]
    fn crc_is_xmodem() {
        assert_eq!(crc16(b"123456789"), 0x31C3);
    }

    #[test]
    fn keys_of_every_role_print_what_they_parse() {
        for (role, letter) in Role::ALL.into_iter().zip(["O", "A", "U", "N", "C", "X"]) {
            let key = PublicKey::new(role, [7; 32]);
            let text = key.to_string();
            assert!(text.starts_with(letter), "{text}");
            assert_eq!(PublicKey::parse(&text), Ok(key));
        }
        assert_eq!(PublicKey::parse(USER).unwrap().to_string(), USER);
        // Keys that nats-server announced as its own.
        check("NBC7ZICRFEMWPNBZW76KSVK7YTF7BCDDRXMCQDFOV25PAEJCYW2DWJMG", Ok(Role::Server));
        check("XAUQMRZMLBZIOYJWNXI5JU5ZVVD556RCO63XEZQYQLA5SY6FTWIVNYDE", Ok(Role::Curve));
    }

    #[test]
    fn anything_else_is_no_key() {
        check("", Err(InvalidNkey::Length));
        check(&USER[..55], Err(InvalidNkey::Length));
        check(&format!("{USER}A"), Err(InvalidNkey::Length));
        check(&USER.to_lowercase(), Err(InvalidNkey::Encoding));
        check(&USER.replace('X', "1"), Err(InvalidNkey::Encoding));
        check(&USER.replace("UDX", "UDY"), Err(InvalidNkey::Checksum));
        // A seed's prefix byte with a right check sum.
        let mut raw = vec![18 << 3; 33];
        let crc = crc16(&raw);
        raw.extend_from_slice(&crc.to_le_bytes());
        check(&BASE32_NOPAD.encode(&raw), Err(InvalidNkey::Prefix));
    }

    /// Advisory 2026-23: such a key reached Ed25519 and panicked.
    #[test]
    fn a_key_of_the_wrong_length_with_a_right_check_sum_is_no_key() {
        for key_bytes in [0, 1, 31, 33] {
            let mut raw = vec![Role::User.prefix()];
            raw.resize(1 + key_bytes, 7);
            let crc = crc16(&raw);
            raw.extend_from_slice(&crc.to_le_bytes());
            check(&BASE32_NOPAD.encode(&raw), Err(InvalidNkey::Length));
        }
    }

    #[test]
    fn signatures_verify_in_both_alphabets() {
        let signer = SigningKey::from_bytes(&[42; 32]);
        let key = PublicKey::new(Role::User, signer.verifying_key().to_bytes());
        let signature = signer.sign(b"nonce").to_bytes();
        for text in [BASE64URL_NOPAD.encode(&signature), BASE64.encode(&signature)] {
            let decoded = decode_signature(&text).unwrap();
            assert!(key.verifies(b"nonce", &decoded));
            assert!(!key.verifies(b"other", &decoded));
        }
        let curve = PublicKey::new(Role::Curve, *key.as_bytes());
        assert!(!curve.verifies(b"nonce", &signature));
        assert_eq!(decode_signature(""), None);
        assert_eq!(decode_signature(&BASE64URL_NOPAD.encode(&signature[..63])), None);
        assert_eq!(decode_signature("%"), None);
    }

    #[test]
    fn a_key_of_low_order_verifies_nothing() {
        let mut identity = [0; 32];
        identity[0] = 1;
        let mut signature = [0; 64];
        signature[0] = 1;
        assert!(!PublicKey::new(Role::User, identity).verifies(b"anything", &signature));
        assert!(!PublicKey::new(Role::User, [0xFF; 32]).verifies(b"anything", &signature));
    }
}
