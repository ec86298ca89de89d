//! What is wrong with a configuration, and the collector that lets every fault be told at once.

use std::collections::BTreeSet;
use std::fmt;
use std::path::PathBuf;

use crate::config::Note;

/// Longest piece of a value that is shown.
const SHOWN_CHARS: usize = 60;

/// One fault: where, what was written, and what would be right. `Display` is one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigFault {
    /// The file, with `:line:column` where the text itself is broken, or `environment`.
    pub file: String,
    /// The key: `settings.timeouts.streaming.read`; empty for a fault of the whole file.
    pub path: String,
    /// What was written; credentials in it are `***`, and where it may be one as a whole it is `None`.
    pub value: Option<String>,
    /// What is wrong and what would be right: lower case.
    pub remedy: String,
}

impl ConfigFault {
    /// The fault without the file's name: `3:1: …`, or what is wrong with the whole.
    pub(super) fn place_and_remedy(&self) -> String {
        match self.file.split_once(':') {
            Some((_, place)) => format!("{place}: {}", self.remedy),
            None => self.remedy.clone(),
        }
    }
}

impl fmt::Display for ConfigFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if !self.path.is_empty() {
            write!(f, ": {}", self.path)?;
        }
        if let Some(value) = &self.value {
            write!(f, " = {value}")?;
        }
        write!(f, ": {}", self.remedy)
    }
}

impl std::error::Error for ConfigFault {}

/// Collects faults and notes while a configuration is read.
pub(super) struct Report {
    file: String,
    /// Faults in the order they were met.
    pub faults: Vec<ConfigFault>,
    /// Notes in the order they were met.
    pub notes: Vec<Note>,
    /// Files that were read, or would have been had they been there.
    pub files: BTreeSet<PathBuf>,
}

impl Report {
    /// A collector whose faults name `file`.
    pub fn new(file: impl Into<String>) -> Self {
        Report {
            file: file.into(),
            faults: Vec::new(),
            notes: Vec::new(),
            files: BTreeSet::new(),
        }
    }

    /// Adds a fault without a value: nothing useful to show, or a secret.
    pub fn fault(&mut self, path: impl Into<String>, remedy: impl Into<String>) {
        let file = self.file.clone();
        self.push(file, path.into(), None, remedy.into());
    }

    /// Adds a fault that shows what was written.
    pub fn fault_at(&mut self, path: impl Into<String>, value: &str, remedy: impl Into<String>) {
        let file = self.file.clone();
        self.push(file, path.into(), Some(shown(value)), remedy.into());
    }

    /// Adds a fault of an environment variable; its value is never shown.
    pub fn fault_in_env(&mut self, name: &str, remedy: impl Into<String>) {
        self.push("environment".into(), name.into(), None, remedy.into());
    }

    /// Adds a remark.
    pub fn remark(&mut self, path: impl Into<String>, text: impl Into<String>) {
        self.note(path.into(), text.into(), false);
    }

    /// Adds a warning.
    pub fn warn(&mut self, path: impl Into<String>, text: impl Into<String>) {
        self.note(path.into(), text.into(), true);
    }

    fn note(&mut self, path: String, text: String, warning: bool) {
        let note = Note {
            path,
            text,
            warning,
        };
        if !self.notes.contains(&note) {
            self.notes.push(note);
        }
    }

    fn push(&mut self, file: String, path: String, value: Option<String>, remedy: String) {
        let fault = ConfigFault {
            file,
            path,
            value,
            remedy,
        };
        if !self.faults.contains(&fault) {
            self.faults.push(fault);
        }
    }
}

/// Beginnings of credentials that end up under the wrong key.
const KEY_PREFIXES: &[&str] = &[
    "sk-", "sk_", "gsk_", "xai-", "AIza", "eyJ", "ghp_", "Bearer ",
];
/// From this length a mix of letters and digits is taken for a credential.
const KEY_LENGTH: usize = 32;

/// Whether a value looks like a credential, wherever it was written.
fn looks_like_key(value: &str) -> bool {
    let has = |which: fn(char) -> bool| value.chars().any(which);
    let plain = value
        .chars()
        .all(|it| it.is_ascii_alphanumeric() || matches!(it, '-' | '_'));
    KEY_PREFIXES
        .iter()
        .any(|it| value.trim_start().starts_with(it))
        || KEY_LENGTH <= value.len()
            && plain
            && has(|it| it.is_ascii_digit())
            && has(|it| it.is_ascii_lowercase())
            && (has(|it| it.is_ascii_uppercase()) || !has(|it| matches!(it, '-' | '_')))
}

/// A value on one line and of bounded length, control characters escaped; `***` for what looks like a credential.
pub(super) fn shown(value: &str) -> String {
    if looks_like_key(value) {
        return "***".to_owned();
    }
    let mut text: String = value
        .chars()
        .take(SHOWN_CHARS)
        .flat_map(|it| {
            if it.is_control() {
                it.escape_default().collect()
            } else {
                vec![it]
            }
        })
        .collect();
    if value.chars().nth(SHOWN_CHARS).is_some() {
        text.push('…');
    }
    if text.is_empty() {
        text.push_str("\"\"");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_is_one_line() {
        let mut report = Report::new("config.yaml");
        report.fault_at("settings.host", "a\r\nb", "is not a host");
        assert_eq!(
            report.faults[0].to_string(),
            "config.yaml: settings.host = a\\r\\nb: is not a host"
        );
        assert_eq!(shown(&"é".repeat(70)).chars().count(), 61);
    }

    #[test]
    fn credentials_under_the_wrong_key_are_not_shown() {
        let keys = [
            "sk-ant-0123",
            "AIzaSyC1234567890abcdef",
            "0123456789abcdef0123456789abcdef",
            "aB3-aB3-aB3-aB3-aB3-aB3-aB3-aB3-",
        ];
        for key in keys {
            assert_eq!(shown(key), "***");
        }
        for text in [
            "claude-3-5-sonnet-20241022-thinking-high",
            "*sonnet*",
            "ftp://x",
            "soon",
        ] {
            assert_eq!(shown(text), text);
        }
    }
}
