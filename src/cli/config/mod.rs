//! `pointsman config …`: upstreams and their keys from the command line, in a file of ours or in the worker proxy's
//! `config.json`. The words, and the order of arguments, are those that users of that proxy know, both as its documents
//! have it and as it was.

mod arguments;
mod keys;
mod show;
mod telling;

use std::io::{BufRead, IsTerminal};
use std::path::{Path, PathBuf};

use clap::Subcommand;
use serde_json::json;

use super::change::{Changed, May, NotChanged, change};
use super::output::{Outcome, Style, print};
use super::words::{Lang, Said};
use crate::config::{
    ConfigFault, Document, DocumentKind, EditError, Edited, LoadOptions, Update, locate,
};
use arguments::Wrong;

/// What a new `config.json` of the worker proxy begins with.
const FRESH_JSON: &str =
    "{\n  \"upstream\": [],\n  \"currentUpstream\": 0,\n  \"loadBalance\": \"failover\"\n}\n";
/// What a new file of ours begins with.
const FRESH_YAML: &str =
    "# Made by `pointsman config`. Edit it freely; `pointsman check` tries it.\n";
/// Where a new file goes.
const FILE: &str = "config.yaml";

/// What is to be done.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Add an upstream: its address and its type, in any order
    Add(arguments::Add),
    /// Change an upstream; routes follow a new name
    Update(arguments::Change),
    /// Remove an upstream, by name or index; routes that name nobody else go with it
    #[command(visible_alias = "rm")]
    Remove {
        /// Its name, NAME#ACCOUNT, or its index
        upstream: String,
    },
    /// Show the upstreams, with masked keys
    #[command(visible_alias = "list")]
    Show,
    /// Add, list or remove keys of an upstream: `key NAME add KEY…`, `key NAME list`, `key NAME remove KEY…`
    Key {
        /// The upstream, what to do, and the keys; `-` reads keys from standard input, one on a line. A key is removed
        /// by its text or by its place in the list
        #[arg(required = true, num_args = 1.., value_name = "UPSTREAM|add|list|remove|KEY")]
        words: Vec<String>,
    },
    /// Let all requests go to an upstream first
    Use {
        /// Its name, NAME#ACCOUNT, or its index
        upstream: String,
    },
    /// Choose how a key is taken of several: round-robin, random or failover
    Balance {
        /// round-robin, random or failover
        strategy: String,
        /// At this upstream only
        upstream: Option<String>,
    },
    /// Remove all upstreams
    Clear {
        /// Do not ask
        #[arg(long, short)]
        yes: bool,
    },
}

/// How it is told.
#[derive(Clone, Copy)]
pub struct Telling {
    /// As JSON.
    pub json: bool,
    /// In this language.
    pub lang: Lang,
    /// Dressed up or not.
    pub style: Style,
}

/// Why nothing was done.
enum Failure {
    Usage(String),
    Which(String),
    NotChanged(NotChanged),
}

impl From<NotChanged> for Failure {
    fn from(why: NotChanged) -> Self {
        Failure::NotChanged(why)
    }
}

impl From<EditError> for Failure {
    fn from(why: EditError) -> Self {
        Failure::NotChanged(NotChanged::Edit(why))
    }
}

/// What was done.
#[derive(Default)]
struct Done {
    lines: Vec<String>,
    /// Shown instead of lines.
    text: Option<String>,
    json: Option<serde_json::Value>,
    changed: bool,
    backup: Option<PathBuf>,
    unfinished: Vec<ConfigFault>,
}

/// Does it.
pub fn run(command: Command, options: &LoadOptions, telling: Telling) -> Outcome {
    let located = locate(options);
    let desk = Desk {
        file: located.unwrap_or_else(|| match options.dir.as_path() {
            dir if dir == Path::new(".") => PathBuf::from(FILE),
            dir => dir.join(FILE),
        }),
        options,
        telling,
    };
    match desk.does(command) {
        Ok(done) => desk.told(&done),
        Err(failure) => desk.failed(&failure),
    }
}

/// The file, and how to speak of it.
struct Desk<'d> {
    file: PathBuf,
    options: &'d LoadOptions,
    telling: Telling,
}

impl Desk<'_> {
    fn does(&self, command: Command) -> Result<Done, Failure> {
        match command {
            Command::Add(add) => self.add(&add),
            Command::Update(change) => self.update(&change),
            Command::Remove { upstream } => self.remove(&upstream),
            Command::Show => self.show(),
            Command::Key { words } => self.key(&words),
            Command::Use { upstream } => self.make_current(&upstream),
            Command::Balance { strategy, upstream } => self.balance(&strategy, upstream.as_deref()),
            Command::Clear { yes } => self.clear(yes),
        }
    }

    fn say(&self, said: &Said<'_>) -> String {
        said.words(self.telling.lang)
    }

    fn usage(&self, said: &Said<'_>) -> Failure {
        Failure::Usage(self.say(said))
    }

    fn wrong(&self, wrong: &Wrong) -> Failure {
        self.usage(&wrong.said())
    }

    fn add(&self, add: &arguments::Add) -> Result<Done, Failure> {
        let kind = self.kind()?;
        let new = add.upstream(kind).map_err(|it| self.wrong(&it))?;
        let place = if new.base_url.is_empty() {
            &new.kind
        } else {
            &new.base_url
        };
        let mut lines = vec![self.say(&Said::Added(&new.name, place))];
        if new.keys.is_empty() && !new.without_key {
            lines.push(self.say(&Said::NoKeyYet(&new.name)));
        }
        self.changes(
            May {
                create: Some(self.fresh()),
                ..May::default()
            },
            |document| Ok((document.add(&new)?, lines)),
        )
    }

    fn update(&self, change: &arguments::Change) -> Result<Done, Failure> {
        let update: Update = change.update(self.kind()?).map_err(|it| self.wrong(&it))?;
        self.changes(May::default(), |document| {
            let index = document.find(&change.upstream)?;
            let name = update.name.clone();
            let name = name.unwrap_or_else(|| label(document, index));
            let lines = vec![self.say(&Said::Updated(&name))];
            Ok((document.update(index, &update)?, lines))
        })
    }

    fn remove(&self, word: &str) -> Result<Done, Failure> {
        self.changes(May::default(), |document| {
            let index = document.find(word)?;
            let edited = document.remove(index)?;
            let mut lines = vec![self.say(&Said::Removed(&label(document, index)))];
            if !edited.told.is_empty() {
                lines.push(self.say(&Said::RoutesGone(&quoted(&edited.told))));
            }
            Ok((edited, lines))
        })
    }

    fn make_current(&self, word: &str) -> Result<Done, Failure> {
        self.changes(May::default(), |document| {
            let index = document.find(word)?;
            let edited = document.make_current(index)?;
            let name = label(document, index);
            let mut lines = vec![self.say(&Said::Used(&name))];
            if edited.switched_on {
                lines.push(self.say(&Said::SwitchedOn(&name)));
            } else if has_no_key(document, index) {
                lines.push(self.say(&Said::NoKeyYet(&name)));
            }
            if !edited.told.is_empty() {
                lines.push(self.say(&Said::OtherRoutes(&quoted(&edited.told))));
            }
            Ok((edited, lines))
        })
    }

    fn balance(&self, word: &str, upstream: Option<&str>) -> Result<Done, Failure> {
        let strategy =
            arguments::strategy(word).ok_or_else(|| self.usage(&Said::UnknownStrategy(word)))?;
        self.changes(May::default(), |document| {
            let index = upstream.map(|it| document.find(it)).transpose()?;
            let lines = vec![self.say(&Said::Balanced(strategy))];
            Ok((document.balance(strategy, index)?, lines))
        })
    }

    fn clear(&self, yes: bool) -> Result<Done, Failure> {
        if !yes && std::io::stdin().is_terminal() && !self.is_meant() {
            return Ok(Done {
                lines: vec![self.say(&Said::LeftAlone)],
                ..Done::default()
            });
        }
        let may = May {
            empty: true,
            ..May::default()
        };
        self.changes(may, |document| {
            Ok((document.clear()?, vec![self.say(&Said::Cleared)]))
        })
    }

    fn is_meant(&self) -> bool {
        let file = self.file.display().to_string();
        let mut answer = String::new();
        print(&self.say(&Said::AskClear(&file))).is_ok()
            && std::io::stdin().lock().read_line(&mut answer).is_ok()
            && matches!(answer.trim().to_lowercase().as_str(), "y" | "yes" | "是")
    }

    fn show(&self) -> Result<Done, Failure> {
        if !self.file.exists() {
            return Ok(Done {
                lines: vec![self.say(&Said::NoFile)],
                json: Some(json!({"ok": true, "file": null, "upstreams": []})),
                ..Done::default()
            });
        }
        let document = self.document()?;
        Ok(Done {
            text: Some(show::text(&document, &self.file, self.telling)),
            json: Some(show::json(&document, &self.file)),
            ..Done::default()
        })
    }

    fn document(&self) -> Result<Document, Failure> {
        let text = std::fs::read(&self.file).map_err(NotChanged::System)?;
        let text = String::from_utf8(text).map_err(|_| NotChanged::NotText)?;
        Ok(Document::read(&text)?)
    }

    /// Whose words the file is written in, or will be.
    fn kind(&self) -> Result<DocumentKind, Failure> {
        if self.file.exists() {
            Ok(self.document()?.kind())
        } else {
            Ok(Document::read(self.fresh())?.kind())
        }
    }

    fn fresh(&self) -> &'static str {
        if self.file.extension().is_some_and(|it| it == "json") {
            FRESH_JSON
        } else {
            FRESH_YAML
        }
    }

    /// Edits the file; what there is to say comes with the edit.
    fn changes(
        &self,
        may: May<'_>,
        edit: impl FnOnce(&Document) -> Result<(Edited, Vec<String>), EditError>,
    ) -> Result<Done, Failure> {
        let mut lines = Vec::new();
        let mut changed = false;
        let Changed { backup, unfinished } = change(&self.file, self.options, may, |old| {
            let (edited, said) = edit(&Document::read(old)?)?;
            lines = said;
            changed = edited.text != old;
            Ok(edited.text)
        })?;
        Ok(Done {
            lines,
            changed,
            backup,
            unfinished,
            ..Done::default()
        })
    }
}

/// What an upstream is called: its name, else its place.
fn label(document: &Document, index: usize) -> String {
    let upstreams = document.upstreams();
    match upstreams.get(index) {
        Some(it) if !it.name.is_empty() => it.name.clone(),
        _ => index.to_string(),
    }
}

fn has_no_key(document: &Document, index: usize) -> bool {
    let upstreams = document.upstreams();
    let of = upstreams.get(index);
    of.is_some_and(|it| it.keys.is_empty() && it.sign_in.is_none())
}

fn quoted(patterns: &[String]) -> String {
    let quoted: Vec<String> = patterns.iter().map(|it| format!("\"{it}\"")).collect();
    quoted.join(", ")
}

/// Help and man page are built from this, also for a language that is not the compiled one.
pub fn in_language(command: clap::Command, lang: Lang) -> clap::Command {
    match lang {
        Lang::En => command,
        Lang::Zh => arguments::in_chinese(command),
    }
}

/// The path of the file for people.
fn shown(file: &Path) -> String {
    file.display().to_string()
}

#[cfg(test)]
mod tests;
