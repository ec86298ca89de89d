//! `pointsman config …`: upstreams and their keys from the command line, in a file of ours or in the worker proxy's
//! `config.json`. The words, and the order of arguments, are those that users of that proxy know, both as its documents
//! have it and as it was.

mod arguments;
mod show;

use std::io::{BufRead, IsTerminal};
use std::path::{Path, PathBuf};

use clap::Subcommand;
use serde_json::json;

use super::change::{Changed, May, NotChanged, change};
use super::output::{Outcome, Style, print, print_error};
use super::words::{Lang, Said, edit_error, not_changed};
use crate::config::{
    ConfigFault, Document, DocumentKind, EditError, Edited, LoadOptions, Update, Upstream, locate,
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

/// Exit codes, besides 0 for done.
mod code {
    /// Wrong arguments.
    pub const USAGE: u8 = 2;
    /// No such upstream or key, or one that is there already.
    pub const WHICH: u8 = 3;
    /// The file cannot be read, or is written in a way that is not understood.
    pub const UNREADABLE: u8 = 4;
    /// The edit would make the file bad.
    pub const REFUSED: u8 = 5;
    /// The system does not let it be written.
    pub const SYSTEM: u8 = 6;
}

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
        #[arg(required = true, num_args = 1.., allow_hyphen_values = true, value_name = "UPSTREAM|add|list|remove|KEY")]
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

    fn key(&self, words: &[String]) -> Result<Done, Failure> {
        let (upstream, action, keys) = arguments::key(words).map_err(|it| self.wrong(&it))?;
        let keys = match keys {
            [dash] if dash == "-" => lines_of_input(),
            keys => keys.to_vec(),
        };
        if keys.is_empty() && action != arguments::KeyAction::List {
            return Err(self.usage(&Said::Usage("key <upstream> add|remove <key>…")));
        }
        match action {
            arguments::KeyAction::Add => self.add_keys(upstream, &keys),
            arguments::KeyAction::Remove => self.remove_keys(upstream, &keys),
            arguments::KeyAction::List => self.list_keys(upstream),
        }
    }

    fn add_keys(&self, upstream: &str, keys: &[String]) -> Result<Done, Failure> {
        self.changes(May::default(), |document| {
            let index = document.find(upstream)?;
            let all = document.upstreams();
            let there: Vec<&str> = all.get(index).map(texts).unwrap_or_default();
            let mut new: Vec<String> = Vec::new();
            let mut lines = Vec::new();
            for key in keys {
                if there.contains(&key.as_str()) || new.contains(key) {
                    lines.push(self.say(&Said::KeyThere(&show::masked(key))));
                } else {
                    new.push(key.clone());
                }
            }
            let name = label(document, index);
            if new.is_empty() {
                return Ok((document.edited_nowhere(), lines));
            }
            let edited = document.add_keys(index, &new)?;
            lines.push(self.say(&Said::KeysAdded(new.len(), &name)));
            if edited.switched_on {
                lines.push(self.say(&Said::SwitchedOn(&name)));
            }
            Ok((edited, lines))
        })
    }

    fn remove_keys(&self, upstream: &str, keys: &[String]) -> Result<Done, Failure> {
        let mut unknown = None;
        let done = self.changes(May::default(), |document| {
            let index = document.find(upstream)?;
            let all = document.upstreams();
            let there: Vec<&str> = all.get(index).map(texts).unwrap_or_default();
            let place = |key: &String| {
                let by_text = there.iter().position(|it| it == key);
                let by_place = || key.parse().ok().filter(|it| *it < there.len());
                by_text.or_else(by_place)
            };
            let name = label(document, index);
            let places: Option<Vec<usize>> = keys.iter().map(place).collect();
            let Some(places) = places else {
                unknown = Some(self.say(&Said::NoSuchKey(&name)));
                return Ok((document.edited_nowhere(), Vec::new()));
            };
            let lines = vec![self.say(&Said::KeysRemoved(places.len(), &name))];
            Ok((document.remove_keys(index, &places)?, lines))
        })?;
        match unknown {
            Some(why) => Err(Failure::Which(why)),
            None => Ok(done),
        }
    }

    fn list_keys(&self, upstream: &str) -> Result<Done, Failure> {
        let document = self.document()?;
        let index = document.find(upstream)?;
        let all = document.upstreams();
        let keys: Vec<String> = all.get(index).map(show::masked_keys).unwrap_or_default();
        let name = label(&document, index);
        let text = if keys.is_empty() {
            format!("{}\n", self.say(&Said::NoKeys(&name)))
        } else {
            let line = |(i, it): (usize, &String)| format!("  [{i}] {it}\n");
            keys.iter().enumerate().map(line).collect()
        };
        Ok(Done {
            text: Some(text),
            json: Some(json!({"upstream": name, "keys": keys})),
            ..Done::default()
        })
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

    fn told(&self, done: &Done) -> Outcome {
        let Telling { json, style, .. } = self.telling;
        let text = match (json, &done.json, &done.text) {
            (true, Some(value), _) => format!("{value:#}\n"),
            (true, None, _) => format!("{:#}\n", self.done_json(done)),
            (false, _, Some(text)) => text.clone(),
            (false, _, None) => {
                let mut lines: Vec<String> = Vec::new();
                for (i, line) in done.lines.iter().enumerate() {
                    let sign = if done.changed && i == 0 {
                        style.green("✓")
                    } else {
                        style.dim("·")
                    };
                    lines.push(format!("{sign} {line}"));
                }
                lines.extend(self.aftermath(done));
                lines.join("\n") + "\n"
            }
        };
        Outcome { text, code: 0 }
    }

    fn done_json(&self, done: &Done) -> serde_json::Value {
        json!({
            "ok": true,
            "changed": done.changed,
            "file": self.file.display().to_string(),
            "backup": done.backup.as_ref().map(|it| it.display().to_string()),
            "messages": done.lines,
            "unfinished": done.unfinished.iter().map(ToString::to_string).collect::<Vec<_>>(),
        })
    }

    fn aftermath(&self, done: &Done) -> Vec<String> {
        let style = self.telling.style;
        let mut lines = Vec::new();
        if let Some(backup) = &done.backup {
            let backup = shown(backup);
            lines.push(style.dim(&format!("  {}", self.say(&Said::Backup(&backup)))));
        } else if !done.changed && done.lines.is_empty() {
            lines.push(format!("{} {}", style.dim("·"), self.say(&Said::Unchanged)));
        }
        if done.changed && done.unfinished.is_empty() && done.backup.is_some() {
            lines.push(style.dim(&format!("  {}", self.say(&Said::Reload))));
        }
        if !done.unfinished.is_empty() {
            lines.push(format!(
                "{} {}",
                style.yellow("!"),
                self.say(&Said::Unfinished)
            ));
            lines.extend(done.unfinished.iter().map(|it| format!("  {it}")));
        }
        lines
    }

    fn failed(&self, failure: &Failure) -> Outcome {
        let Telling { json, lang, style } = self.telling;
        let (code, name) = failure.code();
        let mut faults = Vec::new();
        let why = match failure {
            Failure::Usage(why) | Failure::Which(why) => why.clone(),
            Failure::NotChanged(NotChanged::Edit(error @ EditError::NoUpstream { .. })) => {
                edit_error(error, lang)
            }
            Failure::NotChanged(why) => {
                if let NotChanged::Faults(told) = why {
                    faults = told.iter().map(ToString::to_string).collect();
                }
                format!("{}: {}", self.file.display(), not_changed(why, lang))
            }
        };
        if json {
            let value = json!({"ok": false, "error": name, "message": why, "faults": faults});
            return Outcome {
                text: format!("{value:#}\n"),
                code,
            };
        }
        let mut text = format!("{} {}\n", style.red(lang.choose("error:", "错误:")), why);
        for fault in faults {
            text.push_str(&format!("  {fault}\n"));
        }
        print_error(&text);
        Outcome {
            text: String::new(),
            code,
        }
    }
}

impl Failure {
    /// The exit code, and its name for programs.
    fn code(&self) -> (u8, &'static str) {
        let unreadable = (code::UNREADABLE, "unreadable");
        let system = (code::SYSTEM, "system");
        match self {
            Failure::Usage(_) => (code::USAGE, "usage"),
            Failure::Which(_) => (code::WHICH, "not_found"),
            Failure::NotChanged(NotChanged::Edit(error)) => match error {
                EditError::NoUpstream { .. } | EditError::Missing(_) => (code::WHICH, "not_found"),
                EditError::Ambiguous(_) => (code::WHICH, "ambiguous"),
                EditError::NameTaken(_) | EditError::Exists(_) => (code::WHICH, "exists"),
                EditError::OtherSignIn(_) => (code::REFUSED, "refused"),
                EditError::Unreadable(_)
                | EditError::Shared(_)
                | EditError::Inherited(_)
                | EditError::Unsure => unreadable,
            },
            Failure::NotChanged(NotChanged::Faults(_)) => (code::REFUSED, "refused"),
            Failure::NotChanged(NotChanged::NotText) => unreadable,
            Failure::NotChanged(NotChanged::Busy | NotChanged::Moved) => (code::SYSTEM, "busy"),
            Failure::NotChanged(NotChanged::System(_)) => system,
        }
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

fn texts(upstream: &Upstream) -> Vec<&str> {
    upstream.keys.iter().map(|it| it.expose()).collect()
}

fn quoted(patterns: &[String]) -> String {
    let quoted: Vec<String> = patterns.iter().map(|it| format!("\"{it}\"")).collect();
    quoted.join(", ")
}

/// Keys from standard input, one on a line.
fn lines_of_input() -> Vec<String> {
    let lines = std::io::stdin().lock().lines();
    lines
        .map_while(Result::ok)
        .map(|it| it.trim().to_owned())
        .filter(|it| !it.is_empty())
        .collect()
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
