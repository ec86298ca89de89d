//! A configuration of an old system becomes one of ours. Its keys move into `.env`, where they can be told by name.

use std::fmt::Write;
use std::path::Path;

use super::found::{FoundKey, Old, Place, Variables, old, variable_for};
use super::{Draft, End, Session, new_gateway_key};
use crate::config::{Config, LoadOptions, from_text};
use crate::types::Secret;

/// The variable of the worker proxy's own key.
const PROXY_KEY: &str = "PROXY_ACCESS_KEY";
/// Its placeholder, as its documents have it.
const PLACEHOLDER: &str = "your-proxy-access-key";

impl Session<'_> {
    /// What an old system left in `dir`, if it is to be taken over.
    pub(super) fn take_over(
        &mut self,
        dir: &Path,
        target: &Path,
        variables: &Variables,
    ) -> Result<Option<Draft>, End> {
        if self.args.fresh || !self.args.provider.is_empty() {
            return Ok(None);
        }
        let Some(old) = old(dir, target) else {
            return Ok(None);
        };
        let shown = old.file().display().to_string();
        let what = match &old {
            Old::Worker(..) => "a configuration of the worker proxy",
            Old::Balancer(..) => "a configuration of the Claude Code Provider Balancer",
        };
        self.say(&format!("{} {shown} is {what}\n", self.style.green("✓")));
        if !self
            .ask
            .yes(&format!("Take {shown} over? It stays as it is"), true)?
        {
            return Ok(None);
        }
        let (text, file) = match &old {
            Old::Worker(file, imported) => {
                for note in &imported.notes {
                    self.say(&format!(
                        "{} {}: {}\n",
                        self.style.yellow("!"),
                        note.path,
                        note.text
                    ));
                }
                (imported.yaml.to_string(), file)
            }
            Old::Balancer(file, text) => (headed(text, file), file),
        };
        let mut draft = Draft {
            yaml: text,
            saved: Vec::new(),
            keys: Vec::new(),
            taken_over: Some(file.clone()),
        };
        self.replace_placeholder(variables, &mut draft)?;
        let options = super::with_saved(self.options, &draft, variables);
        if let Ok(config) = from_text("config.yaml", &draft.yaml, dir, &options) {
            move_keys(&config, dir, &options, &mut draft);
        }
        Ok(Some(draft))
    }

    /// The key that everybody knows, out of the old documents, is no key.
    fn replace_placeholder(&mut self, variables: &Variables, draft: &mut Draft) -> Result<(), End> {
        let known = variables.file.get(PROXY_KEY).map(|it| it.trim());
        if known != Some(PLACEHOLDER) || self.options.env.filled(PROXY_KEY).is_some() {
            return Ok(());
        }
        let question = format!(
            "{PROXY_KEY} in .env is the documents' own, which everybody knows. Make a new one?"
        );
        if self.ask.yes(&question, true)? {
            draft.saved.push((PROXY_KEY.to_owned(), new_gateway_key()?));
            self.say(&format!(
                "{PROXY_KEY} is a new key: clients must show that from now on\n"
            ));
        }
        Ok(())
    }
}

fn headed(text: &str, file: &Path) -> String {
    format!(
        "# Taken over by `pointsman init` from {}. `pointsman check` tries it, `pointsman doctor` whether everything works.\n{text}",
        file.display()
    )
}

/// Puts the keys that stand in the text into `.env`, and their names in their places; where that cannot be done without a
/// doubt, they stay.
fn move_keys(config: &Config, dir: &Path, options: &LoadOptions, draft: &mut Draft) {
    let (mut text, mut moved) = (draft.yaml.clone(), Vec::new());
    for provider in &config.providers {
        for (i, key) in provider.keys.iter().enumerate() {
            if !text.contains(key.expose()) {
                continue;
            }
            let mut variable = variable_for(&provider.name);
            if 0 < i {
                let _ = write!(variable, "_{}", i + 1);
            }
            text = text.replace(key.expose(), &format!("${{{variable}}}"));
            moved.push((variable, key.clone()));
        }
    }
    let mut with_moved = options.clone();
    let entries = moved
        .iter()
        .map(|(name, key)| (name.clone(), key.expose().to_owned()));
    with_moved.env = options.env.over(entries.collect());
    let again = from_text("config.yaml", &text, dir, &with_moved);
    if !again.is_ok_and(|again| keys_of(&again) == keys_of(config)) {
        return;
    }
    draft.yaml = text;
    draft.keys = moved
        .iter()
        .map(|(variable, secret)| FoundKey {
            variable: variable.clone(),
            secret: secret.clone(),
            place: Place::Typed,
        })
        .collect();
    draft.saved.extend(moved);
}

fn keys_of(config: &Config) -> Vec<&Secret> {
    config.providers.iter().flat_map(|it| &it.keys).collect()
}
