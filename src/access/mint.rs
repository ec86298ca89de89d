//! New keys. Only the digest of one is ever kept: a key is shown once, to whoever made it.

use std::fmt::Write;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::{SecureRandom, SystemRandom};
use zeroize::Zeroizing;

use crate::access::key::digest;
use crate::types::Secret;

/// What keys begin with, so that scanners for leaked secrets can tell them.
const PREFIX: &str = "pmk-";

/// A new key and the digest that goes into the configuration.
#[derive(Debug)]
pub struct NewKey {
    /// The key.
    pub key: Secret,
    /// SHA-256 of it, in hexadecimal digits.
    pub sha256: String,
}

impl NewKey {
    /// A key of 256 random bits; `None` when the system has no randomness to give.
    pub fn random() -> Option<Self> {
        let mut bytes = Zeroizing::new([0_u8; 32]);
        SystemRandom::new().fill(&mut *bytes).ok()?;
        let mut text = PREFIX.to_owned();
        URL_SAFE_NO_PAD.encode_string(*bytes, &mut text);
        Some(NewKey {
            sha256: hex(&digest(text.as_bytes())),
            key: Secret::new(text),
        })
    }
}

fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        let _ = write!(text, "{byte:02x}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_keys_are_alike() {
        let (one, two) = (NewKey::random().unwrap(), NewKey::random().unwrap());
        assert_eq!(one.key.expose().len(), PREFIX.len() + 43);
        assert_ne!(one.key.expose(), two.key.expose());
        assert_eq!(one.sha256.len(), 64);
        assert_eq!(one.sha256, hex(&digest(one.key.expose().as_bytes())));
        assert_eq!(
            hex(&digest(b"abc")),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
    }
}
