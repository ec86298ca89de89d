//! The envelope of the store: AES-256-GCM under a key that is drawn anew for every writing (HKDF-SHA256 over the
//! operator's key and a random salt), so that no nonce is ever used twice.

use ring::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use ring::hkdf::{HKDF_SHA256, KeyType, Salt};
use ring::rand::{SecureRandom, SystemRandom};
use zeroize::Zeroizing;

use crate::types::Secret;

/// What every file begins with: name and version of the format.
const MAGIC: &[u8; 8] = b"PMOAUTH1";
/// Bytes of the salt behind it.
const SALT: usize = 32;
/// Bytes drawn for one writing: a key, and a nonce.
const DRAWN: usize = 32 + 12;

/// Why a sealed text cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unsealed {
    /// It is no file of ours.
    Foreign,
    /// Another key, or a byte that has changed.
    Refused,
}

struct Length(usize);

impl KeyType for Length {
    fn len(&self) -> usize {
        self.0
    }
}

/// Seals `plain`; `None` where the machine has no randomness.
pub(super) fn seal(key: &Secret, plain: &[u8]) -> Option<Vec<u8>> {
    let mut salt = [0_u8; SALT];
    SystemRandom::new().fill(&mut salt).ok()?;
    let (cipher, nonce) = drawn(key, &salt)?;
    let mut sealed = plain.to_vec();
    cipher
        .seal_in_place_append_tag(nonce, Aad::from(MAGIC), &mut sealed)
        .ok()?;
    let mut file = Vec::with_capacity(MAGIC.len() + SALT + sealed.len());
    file.extend_from_slice(MAGIC);
    file.extend_from_slice(&salt);
    file.extend_from_slice(&sealed);
    Some(file)
}

/// Opens what [`seal`] gave.
pub(super) fn open(key: &Secret, file: &[u8]) -> Result<Zeroizing<Vec<u8>>, Unsealed> {
    let rest = file.strip_prefix(MAGIC).ok_or(Unsealed::Foreign)?;
    let (salt, sealed) = rest.split_at_checked(SALT).ok_or(Unsealed::Refused)?;
    let (cipher, nonce) = drawn(key, salt).ok_or(Unsealed::Refused)?;
    let mut text = Zeroizing::new(sealed.to_vec());
    let length = cipher
        .open_in_place(nonce, Aad::from(MAGIC), &mut text)
        .map_err(|_| Unsealed::Refused)?
        .len();
    text.truncate(length);
    Ok(text)
}

fn drawn(key: &Secret, salt: &[u8]) -> Option<(LessSafeKey, Nonce)> {
    let mut bytes = Zeroizing::new([0_u8; DRAWN]);
    let pseudo_random = Salt::new(HKDF_SHA256, salt).extract(key.expose().as_bytes());
    let expanded = pseudo_random.expand(&[b"pointsman oauth store"], Length(DRAWN));
    expanded.ok()?.fill(&mut *bytes).ok()?;
    let (key, nonce) = bytes.split_at_checked(32)?;
    let key = UnboundKey::new(&AES_256_GCM, key).ok()?;
    let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
    Some((LessSafeKey::new(key), nonce))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn key(text: &str) -> Secret {
        Secret::new(text.to_owned())
    }

    #[test]
    fn another_key_opens_nothing_and_says_so() {
        let file = seal(&key("one"), b"text").unwrap();
        assert_eq!(open(&key("two"), &file).err(), Some(Unsealed::Refused));
        assert_eq!(open(&key("one"), b"{}").err(), Some(Unsealed::Foreign));
        assert_eq!(open(&key("one"), MAGIC).err(), Some(Unsealed::Refused));
        assert_eq!(&**open(&key("one"), &file).unwrap(), b"text");
        assert!(!file.windows(4).any(|it| it == b"text"));
    }

    proptest! {
        /// Every byte is under the seal: one that has changed, or is missing at the end, is found.
        #[test]
        fn torn_and_changed_files_are_never_read(text in "[ -~]{0,80}", at in any::<prop::sample::Index>(), bit in 0..8_u8) {
            let file = seal(&key("k"), text.as_bytes()).unwrap();
            prop_assert_eq!(&**open(&key("k"), &file).unwrap(), text.as_bytes());
            let place = at.index(file.len());
            let mut changed = file.clone();
            changed[place] ^= 1 << bit;
            prop_assert!(open(&key("k"), &changed).is_err());
            prop_assert!(open(&key("k"), &file[..place]).is_err());
        }
    }
}
