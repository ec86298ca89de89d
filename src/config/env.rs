//! The environment as a value: what the process was given, over what `.env` beside the configuration says. Nothing is
//! ever written back to the process.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use zeroize::Zeroizing;

use crate::config::fault::Report;

/// Environment variables by name. `Debug` shows names only; values are wiped with the last holder.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Env(BTreeMap<String, Zeroizing<String>>);

impl Env {
    /// The environment of this process; variables that are not UTF-8 are left out.
    pub fn of_process() -> Self {
        std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect()
    }

    /// One variable; `None` when unset.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(|it| it.as_str())
    }

    /// One variable, unset when empty.
    pub fn filled(&self, name: &str) -> Option<&str> {
        self.get(name).filter(|it| !it.trim().is_empty())
    }

    /// This environment over `others`.
    pub fn over(&self, others: Env) -> Env {
        let mut env = others;
        let own = self.0.iter().map(|(k, v)| (k.clone(), v.clone()));
        env.0.extend(own);
        env
    }

    /// This environment over the file `.env` in `dir`, if there is one.
    pub(super) fn over_file(&self, dir: &Path, report: &mut Report) -> Env {
        let path = dir.join(".env");
        report.files.insert(path.clone());
        if !path.is_file() {
            return self.clone();
        }
        let mut env = Env::default();
        match dotenvy::from_path_iter(&path) {
            Ok(entries) => read_entries(entries, &mut env, report),
            Err(_) => report.fault(".env", "cannot be read; check its permissions"),
        }
        env.0
            .extend(self.0.iter().map(|(k, v)| (k.clone(), v.clone())));
        env
    }
}

/// Reads entries up to the first broken one. The error itself quotes the line, which may hold a secret.
fn read_entries(
    entries: impl Iterator<Item = dotenvy::Result<(String, String)>>,
    env: &mut Env,
    report: &mut Report,
) {
    let mut last = String::new();
    for entry in entries {
        let Ok((name, value)) = entry else {
            let place = if last.is_empty() {
                "in its first entry".to_owned()
            } else {
                format!("after the entry `{last}`")
            };
            report.fault(
                ".env",
                format!("a line cannot be read {place}; write NAME=value"),
            );
            return;
        };
        last.clone_from(&name);
        env.0.insert(name, Zeroizing::new(value));
    }
}

impl FromIterator<(String, String)> for Env {
    fn from_iter<T: IntoIterator<Item = (String, String)>>(pairs: T) -> Self {
        let wiped = |(name, value)| (name, Zeroizing::new(value));
        Env(pairs.into_iter().map(wiped).collect())
    }
}

impl<const N: usize> From<[(&str, &str); N]> for Env {
    fn from(pairs: [(&str, &str); N]) -> Self {
        pairs
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect()
    }
}

impl fmt::Debug for Env {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_process_wins_over_the_file_and_nothing_is_printed() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join(".env"), "A=file\nB='two words'\n").unwrap();
        let mut report = Report::new("config.yaml");
        let env = Env::from([("A", "process")]).over_file(dir.path(), &mut report);
        assert_eq!(env.get("A"), Some("process"));
        assert_eq!(env.get("B"), Some("two words"));
        assert!(report.faults.is_empty());
        assert_eq!(format!("{env:?}"), r#"{"A", "B"}"#);
    }

    #[test]
    fn a_broken_file_is_told_without_its_content() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join(".env"), "A=1\nsk-secret 'x\n").unwrap();
        let mut report = Report::new("config.yaml");
        Env::default().over_file(dir.path(), &mut report);
        let text = report.faults[0].to_string();
        assert!(text.contains("after the entry `A`"), "{text}");
        assert!(!text.contains("sk-secret"), "{text}");
    }
}
