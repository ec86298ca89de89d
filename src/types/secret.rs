//! Secrets that cannot be printed by accident.

use std::fmt;
use std::sync::Arc;

use zeroize::Zeroizing;

/// Characters of a key shown at either end by [`Secret::masked`].
const SHOWN: usize = 4;
/// Shorter keys show nothing: two ends would be half of them.
const SHOW_FROM: usize = 16;

/// A credential. `Debug` prints `***`, there is no `Display` and no `Serialize`; memory is wiped when the last
/// holder lets go. The only way to the text is [`Secret::expose`].
#[derive(Clone)]
pub struct Secret(Arc<Zeroizing<String>>);

impl Secret {
    /// Wraps a credential.
    pub fn new(text: String) -> Self {
        Secret(Arc::new(Zeroizing::new(text)))
    }

    /// The credential itself. Search for this name to see every place that uses one.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// What people may see: `sk-a…9x2f` for a long key, `***` for a short one.
    pub fn masked(&self) -> String {
        let text = self.expose();
        match (
            text.get(..SHOWN),
            text.get(text.len().saturating_sub(SHOWN)..),
        ) {
            (Some(head), Some(tail)) if SHOW_FROM <= text.len() => format!("{head}…{tail}"),
            _ => "***".to_owned(),
        }
    }
}

impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        use subtle::ConstantTimeEq;
        self.expose()
            .as_bytes()
            .ct_eq(other.expose().as_bytes())
            .into()
    }
}

impl Eq for Secret {}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_never_shows_it_and_masking_shows_two_ends() {
        let key = Secret::new("sk-ant-0123456789abcdef".to_owned());
        assert_eq!(format!("{key:?}"), "***");
        assert_eq!(key.masked(), "sk-a…cdef");
        assert_eq!(Secret::new("short".to_owned()).masked(), "***");
        assert_eq!(Secret::new("ключключключ".to_owned()).masked(), "кл…юч");
    }
}
