//! Random words of a login, and the challenge of RFC 7636.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use ring::rand::{SecureRandom, SystemRandom};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::types::Secret;

/// 43 characters that nobody guesses: a verifier, or a state. `None` where the machine has no randomness.
pub(super) fn random_word() -> Option<Secret> {
    let mut bytes = Zeroizing::new([0_u8; 32]);
    SystemRandom::new().fill(&mut *bytes).ok()?;
    Some(Secret::new(BASE64_URL_SAFE_NO_PAD.encode(*bytes)))
}

/// The `S256` challenge of a verifier.
pub(super) fn challenge(verifier: &Secret) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(Sha256::digest(verifier.expose().as_bytes()))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_challenge_is_that_of_rfc_7636_appendix_b() {
        let verifier = Secret::new("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk".to_owned());
        assert_eq!(
            challenge(&verifier),
            "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
        );
    }

    #[test]
    fn words_are_as_long_as_the_rfc_wants_and_never_the_same() {
        let words: BTreeSet<String> = (0..100)
            .map(|_| random_word().unwrap().expose().to_owned())
            .collect();
        assert_eq!(words.len(), 100);
        let unreserved = |it: char| it.is_ascii_alphanumeric() || matches!(it, '-' | '_');
        for word in words {
            assert!(word.len() == 43 && word.chars().all(unreserved), "{word}");
        }
    }
}
