//! Codex: a provider of its config.toml, chosen as the one to use. Comments, order and everything else stay.

use std::path::{Path, PathBuf};

use clap::Args;
use toml_edit::{DocumentMut, InlineTable, Item, Table, TableLike, Value, value};

use super::gateway::{Gateway, VARIABLE};
use super::{Change, Copy, How, Note, read};
use crate::config::LoadOptions;
use crate::routing::{Resolution, Table as Routes};

/// What Pointsman is called among its providers.
const NAME: &str = "pointsman";
const PROVIDERS: &str = "model_providers";
const CHOSEN: &str = "model_provider";
const MODEL: &str = "model";
/// What it asks for unless told otherwise, by family.
const USUAL_MODEL: &str = "gpt-5.2-codex";

/// How it is connected.
#[derive(Debug, Args)]
pub struct Codex {
    /// The model to ask for from now on; without it, what is written there, or Codex's own choice
    #[arg(long)]
    model: Option<String>,
    #[command(flatten)]
    pub(super) how: How,
}

/// Its file of settings.
pub(super) fn file(options: &LoadOptions) -> Result<PathBuf, String> {
    let env = &options.env;
    let asked = env.filled("CODEX_HOME").map(PathBuf::from);
    let home = asked.or_else(|| Some(Path::new(env.filled("HOME")?).join(".codex")));
    home.map(|it| it.join("config.toml"))
        .ok_or_else(|| "neither HOME nor CODEX_HOME is set".to_owned())
}

/// Where it calls, as its settings say.
#[derive(Debug)]
pub struct Settings {
    /// The file.
    pub file: PathBuf,
    /// The address of the provider that is chosen.
    pub url: Option<String>,
    /// The variable that its key is in.
    pub variable: Option<String>,
}

/// What its settings say; `None` where it has none.
pub fn settings(options: &LoadOptions) -> Option<Settings> {
    let file = file(options).ok()?;
    let text = std::fs::read_to_string(&file).ok()?;
    let document = parsed(&text).ok();
    let provider = document.as_ref().and_then(|it| {
        let chosen = it.get(CHOSEN)?.as_str()?;
        it.get(PROVIDERS)?.get(chosen)
    });
    let part = |name: &str| Some(provider?.get(name)?.as_str()?.to_owned());
    Some(Settings {
        url: part("base_url"),
        variable: part("env_key"),
        file,
    })
}

/// What is written.
struct Said<'s> {
    url: &'s str,
    /// Whether the key is read from the environment.
    keyed: bool,
    model: Option<&'s str>,
}

impl Codex {
    /// The change that points it at `gateway`.
    pub(super) fn connect(
        &self,
        file: PathBuf,
        gateway: &Gateway,
        options: &LoadOptions,
    ) -> Result<Change, String> {
        let (old, kept) = read(&file)?;
        let text = old.clone().unwrap_or_default();
        let said = Said {
            url: &gateway.url,
            keyed: gateway.key.is_some(),
            model: self.model.as_deref(),
        };
        let new = with(&text, &said).map_err(|why| format!("{}: {why}", file.display()))?;
        let is_ours = |text: &str| chosen(text).as_deref() == Some(NAME);
        let was_ours = is_ours(&text) && kept.is_some_and(|it| !is_ours(&it));
        let mut next = Vec::new();
        if said.keyed && options.env.filled(VARIABLE).is_none() {
            next.push(format!(
                "export {VARIABLE}=<gateway key>   before `codex`, which reads the key there"
            ));
        }
        next.push("start `codex` anew; /status there shows the provider".to_owned());
        next.push("back again: pointsman connect codex --undo".to_owned());
        Ok(Change {
            notes: notes(&new, gateway, &file),
            file,
            old,
            new: Some(new),
            copy: if was_ours { Copy::Stay } else { Copy::Make },
            next,
        })
    }
}

/// The change that takes it back.
pub(super) fn undo(file: PathBuf) -> Result<Change, String> {
    let (old, kept) = read(&file)?;
    let told = |why: String| format!("{}: {why}", file.display());
    let text = old.clone().unwrap_or_default();
    let mut document = parsed(&text).map_err(told)?;
    if chosen(&text).as_deref() != Some(NAME) {
        return Err(told(format!(
            "is not connected: its {CHOSEN} is not \"{NAME}\""
        )));
    }
    let before = parsed(kept.as_deref().unwrap_or_default()).map_err(told)?;
    // A file without a copy was made by us.
    let first = kept.clone().unwrap_or_default();
    let exact = is_ours_alone(&text, &document, &first).then_some(first);
    let new = if let Some(exact) = exact {
        exact
    } else {
        match before.get(CHOSEN) {
            Some(it) => document[CHOSEN] = it.clone(),
            None => drop(document.remove(CHOSEN)),
        }
        if let Some(providers) = document
            .get_mut(PROVIDERS)
            .and_then(Item::as_table_like_mut)
        {
            providers.remove(NAME);
            if providers.is_empty() {
                document.remove(PROVIDERS);
            }
        }
        document.to_string()
    };
    let is_empty = kept.is_none() && new.trim().is_empty();
    Ok(Change {
        file,
        old,
        new: (!is_empty).then_some(new),
        copy: Copy::Drop,
        notes: Vec::new(),
        next: Vec::new(),
    })
}

/// Whether a file is that of before with nothing but our own changes.
fn is_ours_alone(text: &str, document: &DocumentMut, before: &str) -> bool {
    let ours = document.get(PROVIDERS).and_then(|it| it.get(NAME));
    let part = |name: &str| ours.and_then(|it| it.get(name)?.as_str());
    let url = part("base_url").unwrap_or_default();
    let url = url.strip_suffix("/v1").unwrap_or(url);
    let keyed = part("env_key").is_some();
    let models = [None, document.get(MODEL).and_then(Item::as_str)];
    models
        .into_iter()
        .any(|model| with(before, &Said { url, keyed, model }).as_deref() == Ok(text))
}

fn parsed(text: &str) -> Result<DocumentMut, String> {
    text.parse::<DocumentMut>().map_err(|error| {
        let at = error.span().map_or(0, |it| it.start);
        let line = text.get(..at).unwrap_or_default().lines().count().max(1);
        format!("is no valid TOML (line {line}); put that right first")
    })
}

fn chosen(text: &str) -> Option<String> {
    let document = parsed(text).ok()?;
    Some(document.get(CHOSEN)?.as_str()?.to_owned())
}

/// The file with our provider in it, chosen.
fn with(text: &str, said: &Said<'_>) -> Result<String, String> {
    let mut document = parsed(text)?;
    if let Some(model) = said.model {
        put(document.as_table_mut(), MODEL, model);
    }
    put(document.as_table_mut(), CHOSEN, NAME);
    if document.get(PROVIDERS).is_none() {
        let mut table = Table::new();
        table.set_implicit(true);
        document.insert(PROVIDERS, Item::Table(table));
    }
    let no_table = || format!("`{PROVIDERS}` is no table; put that right first");
    let providers = document.get_mut(PROVIDERS).ok_or_else(no_table)?;
    let is_inline = providers.is_inline_table();
    let providers = providers.as_table_like_mut().ok_or_else(no_table)?;
    if providers.get(NAME).is_none() {
        let new = if is_inline {
            Item::Value(Value::InlineTable(InlineTable::new()))
        } else {
            Item::Table(Table::new())
        };
        providers.insert(NAME, new);
    }
    let ours = providers.get_mut(NAME).and_then(Item::as_table_like_mut);
    let ours = ours.ok_or_else(|| format!("`{PROVIDERS}.{NAME}` is no table"))?;
    put(ours, "name", "Pointsman");
    put(ours, "base_url", &format!("{}/v1", said.url));
    if said.keyed {
        put(ours, "env_key", VARIABLE);
    } else {
        ours.remove("env_key");
    }
    put(ours, "wire_api", "responses");
    Ok(document.to_string())
}

/// Sets a text, with the blanks and the comment that were around the old one.
fn put(table: &mut dyn TableLike, name: &str, text: &str) {
    match table.get_mut(name) {
        Some(item) => {
            let around = item.as_value().map(|it| it.decor().clone());
            *item = value(text);
            if let (Some(around), Some(value)) = (around, item.as_value_mut()) {
                *value.decor_mut() = around;
            }
        }
        None => {
            table.insert(name, value(text));
        }
    }
}

/// What would keep it from being served.
fn notes(new: &str, gateway: &Gateway, file: &Path) -> Vec<Note> {
    let Ok(document) = parsed(new) else {
        return Vec::new();
    };
    let mut notes = Vec::new();
    let profile = document.get("profile").and_then(Item::as_str);
    if let Some(profile) = profile {
        let chosen = document.get("profiles").and_then(|it| it.get(profile));
        let other = chosen.and_then(|it| it.get(CHOSEN)?.as_str());
        if let Some(other) = other.filter(|it| *it != NAME) {
            notes.push(Note {
                wins: true,
                text: format!(
                    "the profile \"{profile}\" of {} chooses the provider \"{other}\", which wins; change it there",
                    file.display()
                ),
            });
        }
    }
    let model = document.get(MODEL).and_then(Item::as_str);
    let asked = model.unwrap_or(USUAL_MODEL);
    let routes = gateway.config.as_ref().map(Routes::new);
    if let Some(routes) = routes
        && matches!(routes.resolve(asked), Resolution::NoRoute { .. })
    {
        let whose = if model.is_some() {
            "the model"
        } else {
            "a model such as"
        };
        notes.push(Note {
            wins: true,
            text: format!("no route of the configuration serves {whose} {asked}; add one, or choose another with --model"),
        });
    }
    notes
}

#[cfg(test)]
mod tests;
