//! What of a text was shown already, so that its whole, which comes again at the end, adds what is missing and nothing
//! else.

/// The length and a fingerprint of what was shown.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shown {
    bytes: usize,
    hash: u64,
}

/// FNV-1a: needs no state but the number, and takes text in any pieces.
const START: u64 = 0xcbf2_9ce4_8422_2325;
const PRIME: u64 = 0x0000_0100_0000_01b3;

fn hash(start: u64, text: &str) -> u64 {
    text.bytes().fold(start, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(PRIME)
    })
}

impl Default for Shown {
    fn default() -> Self {
        Shown {
            bytes: 0,
            hash: START,
        }
    }
}

impl Shown {
    /// More was shown.
    pub fn add(&mut self, text: &str) {
        self.bytes = self.bytes.saturating_add(text.len());
        self.hash = hash(self.hash, text);
    }

    /// Nothing was shown.
    pub fn is_empty(self) -> bool {
        self.bytes == 0
    }

    /// What `whole` says beyond what was shown; nothing when it says something else.
    pub fn missing(self, whole: &str) -> &str {
        match whole.split_at_checked(self.bytes) {
            Some((head, tail)) if hash(START, head) == self.hash => tail,
            Some(_) | None => "",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_continues_is_missing() {
        let mut shown = Shown::default();
        assert_eq!(shown.missing("héllo"), "héllo");
        shown.add("h");
        shown.add("é");
        assert_eq!(shown.missing("héllo"), "llo");
        assert_eq!(shown.missing("hé"), "");
        assert_eq!(shown.missing("hello"), "");
        assert_eq!(shown.missing("h"), "");
    }
}
