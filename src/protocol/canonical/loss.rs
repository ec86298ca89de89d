//! What a translation could not express. Collected, never dropped in silence: one log line, one metric, and with
//! `x-pointsman-debug: 1` a response header.

use std::fmt;

/// One thing that the target dialect has no word for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loss {
    /// Where it stood, as a path into the request: `messages[3].content[1]`, `top_k`.
    pub path: String,
    /// What became of it: `dropped`, `sent as text`, `clamped to 4`.
    pub what: &'static str,
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.path, self.what)
    }
}

/// The losses of one translation, bounded: a long conversation may lose the same thing a thousand times.
#[derive(Clone, Debug, Default)]
pub struct Losses {
    kept: Vec<Loss>,
    more: usize,
}

/// Losses kept with their path; further ones are only counted.
const MAX_KEPT: usize = 32;

impl Losses {
    /// Records one loss.
    pub fn add(&mut self, path: impl Into<String>, what: &'static str) {
        if self.kept.len() < MAX_KEPT {
            self.kept.push(Loss {
                path: path.into(),
                what,
            });
        } else {
            self.more = self.more.saturating_add(1);
        }
    }

    /// Whether nothing was lost.
    pub fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }

    /// The first losses, in order.
    pub fn kept(&self) -> &[Loss] {
        &self.kept
    }

    /// All losses, those beyond the kept ones included.
    pub fn total(&self) -> usize {
        self.kept.len().saturating_add(self.more)
    }
}

impl fmt::Display for Losses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, loss) in self.kept.iter().enumerate() {
            if 0 < i {
                f.write_str("; ")?;
            }
            write!(f, "{loss}")?;
        }
        if 0 < self.more {
            write!(f, "; and {} more", self.more)?;
        }
        Ok(())
    }
}
