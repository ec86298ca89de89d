//! What is there already: keys in the environment and in `.env`, and configurations of the old systems.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::config::{Imported, LoadOptions, to_yaml};
use crate::types::Secret;
use crate::types::vendor::{VENDORS, Vendor};

/// Where a key was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// In the environment of this process.
    Environment,
    /// In `.env` beside the configuration.
    EnvFile,
    /// It was typed.
    Typed,
}

impl Place {
    /// For people.
    pub fn word(self) -> &'static str {
        match self {
            Place::Environment => "in the environment",
            Place::EnvFile => "in .env",
            Place::Typed => "as typed",
        }
    }
}

/// A key, and the variable that it is in.
#[derive(Clone, Debug)]
pub struct FoundKey {
    /// The variable.
    pub variable: String,
    /// The key.
    pub secret: Secret,
    /// Where the variable is.
    pub place: Place,
}

/// A configuration of an old system.
pub enum Old {
    /// The worker proxy's, as a `config.yaml` of ours.
    Worker(PathBuf, Box<Imported>),
    /// The balancer's, which runs as it is.
    Balancer(PathBuf, Zeroizing<String>),
}

impl Old {
    /// Its file.
    pub fn file(&self) -> &Path {
        match self {
            Old::Worker(path, _) | Old::Balancer(path, _) => path,
        }
    }
}

/// Variables by name, as far as they can be had.
pub struct Variables {
    process: BTreeMap<String, Zeroizing<String>>,
    /// Of `.env`.
    pub file: BTreeMap<String, Zeroizing<String>>,
}

impl Variables {
    /// Those of the process, and of `.env` in `dir` unless it is not to be read.
    pub fn of(options: &LoadOptions, dir: &Path) -> Result<Variables, String> {
        let names = VENDORS.iter().flat_map(|it| it.variables).copied();
        let process = names.filter_map(|name| Some((name, options.env.filled(name)?)));
        let process =
            process.map(|(name, value)| (name.to_owned(), Zeroizing::new(value.to_owned())));
        let path = dir.join(".env");
        let mut file = BTreeMap::new();
        if !options.no_env_file && path.is_file() {
            // The error itself quotes the line, which may hold a key.
            let broken = |_| {
                format!(
                    "{}: a line cannot be read; write NAME=value",
                    path.display()
                )
            };
            for entry in dotenvy::from_path_iter(&path).map_err(broken)? {
                let (name, value) = entry.map_err(broken)?;
                file.insert(name, Zeroizing::new(value));
            }
        }
        Ok(Variables {
            process: process.collect(),
            file,
        })
    }

    /// The key in one of these variables.
    pub fn key(&self, options: &LoadOptions, names: &[String]) -> Option<FoundKey> {
        names.iter().find_map(|name| {
            let own = self.process.get(name).map(|it| it.as_str());
            let own = own.or_else(|| options.env.filled(name));
            let (text, place) = match own {
                Some(text) => (text, Place::Environment),
                None => (self.file.get(name)?.as_str(), Place::EnvFile),
            };
            let text = text.trim();
            let usable = !text.is_empty() && text.bytes().all(|it| it.is_ascii_graphic());
            usable.then(|| FoundKey {
                variable: name.clone(),
                secret: Secret::new(text.to_owned()),
                place,
            })
        })
    }
}

/// The variables in which a vendor's key may be.
pub fn variables_of(vendor: &Vendor) -> Vec<String> {
    if vendor.variables.is_empty() {
        return vec![variable_for(vendor.name)];
    }
    vendor.variables.iter().map(|it| (*it).to_owned()).collect()
}

/// The variable for the key of a service that has none of its own.
pub fn variable_for(name: &str) -> String {
    let upper = name.chars().map(|it| {
        if it.is_ascii_alphanumeric() {
            it.to_ascii_uppercase()
        } else {
            '_'
        }
    });
    format!("{}_API_KEY", upper.collect::<String>())
}

/// The configuration of an old system in `dir`, other than the file that is to be written.
pub fn old(dir: &Path, target: &Path) -> Option<Old> {
    let read = |name: &str| {
        let path = dir.join(name);
        let text = (path != target).then(|| std::fs::read_to_string(&path).ok())?;
        text.map(|text| (path, Zeroizing::new(text)))
    };
    if let Some((path, text)) = read("config.json")
        && let Ok(imported) = to_yaml(&text)
    {
        return Some(Old::Worker(path, Box::new(imported)));
    }
    let (path, text) = read("providers.yaml").or_else(|| read("providers.yml"))?;
    text.contains("providers:")
        .then_some(Old::Balancer(path, text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Env;

    #[test]
    fn the_environment_goes_before_the_file_and_blanks_are_no_key() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(
            dir.path().join(".env"),
            "ANTHROPIC_API_KEY=of-the-file\nOPENROUTER_API_KEY='sk-or-1'\nMY_API_KEY=mine\n",
        )
        .unwrap();
        let options = LoadOptions::new(Env::from([
            ("ANTHROPIC_API_KEY", "own"),
            ("OPENAI_API_KEY", " "),
        ]));
        let variables = Variables::of(&options, dir.path()).unwrap();
        let key = |name: &str| {
            let found = variables.key(&options, &[name.to_owned()])?;
            Some((found.secret.expose().to_owned(), found.place))
        };
        assert_eq!(
            key("ANTHROPIC_API_KEY"),
            Some(("own".to_owned(), Place::Environment))
        );
        assert_eq!(
            key("OPENROUTER_API_KEY"),
            Some(("sk-or-1".to_owned(), Place::EnvFile))
        );
        assert_eq!(key("OPENAI_API_KEY"), None);
        assert_eq!(variable_for("my"), "MY_API_KEY");
        assert!(key("MY_API_KEY").is_some());
        std::fs::write(dir.path().join(".env"), "A=1\nsk-canary 'x\n").unwrap();
        let why = Variables::of(&options, dir.path()).err().unwrap();
        assert!(!why.contains("canary"), "{why}");
    }

    #[test]
    fn files_of_the_old_systems_are_told_apart() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("config.yaml");
        assert!(old(dir.path(), &target).is_none());
        std::fs::write(dir.path().join("providers.yaml"), "providers: []\n").unwrap();
        assert!(matches!(old(dir.path(), &target), Some(Old::Balancer(..))));
        let json = r#"{"upstream": [{"name": "a", "baseUrl": "https://a.b", "apiKeys": ["k1"], "serviceType": "openai"}]}"#;
        std::fs::write(dir.path().join("config.json"), json).unwrap();
        assert!(matches!(old(dir.path(), &target), Some(Old::Worker(..))));
        std::fs::write(dir.path().join("config.json"), "{\"name\": \"a package\"}").unwrap();
        assert!(matches!(old(dir.path(), &target), Some(Old::Balancer(..))));
    }
}
