//! `pointsman connect claude-code | codex`: points a client here by editing its own settings. What would change is shown
//! first, the file as it was is kept, and `--undo` takes it back.

mod claude_code;
mod codex;
mod gateway;
mod json;

use std::fmt::Write;
use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::json;

use super::diff;
use super::files;
use super::output::{Outcome, Style};
use super::questions::{Ask, Defaults, Terminal};
use crate::config::LoadOptions;

pub use claude_code::{ClaudeCode, Settings, is_there as has_claude_code};
pub use codex::settings as codex_settings;
pub use gateway::{accepts, addresses};

/// What the file as it was is called, beside it.
const BEFORE: &str = ".before-pointsman";

/// Which client.
#[derive(Debug, Subcommand)]
pub enum Client {
    /// Claude Code: `env` in its settings.json
    ClaudeCode(ClaudeCode),
    /// Codex: a provider in its config.toml
    Codex(codex::Codex),
}

/// How it is done, whatever the client.
#[derive(Debug, Default, Args)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a switch of the command line by itself"
)]
pub struct How {
    /// Show what would change, and change nothing
    #[arg(long)]
    print: bool,
    /// Take it back
    #[arg(long)]
    undo: bool,
    /// Do not ask
    #[arg(long, short)]
    yes: bool,
    /// Where Pointsman is, instead of what its configuration says
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// The gateway key to show there. Without it: the key of the configuration, $POINTSMAN_KEY, or what is typed
    #[arg(long, value_name = "KEY")]
    key: Option<String>,
    /// Say what was done as JSON; needs --yes or --print
    #[arg(long)]
    json: bool,
}

/// What is to become of a client's file.
struct Change {
    file: PathBuf,
    /// `None`: there is none.
    old: Option<String>,
    /// `None`: there is to be none.
    new: Option<String>,
    /// What becomes of the copy of the file as it was.
    copy: Copy,
    /// What else is to be known: what would win over it first.
    notes: Vec<Note>,
    /// What to do then.
    next: Vec<String>,
}

/// What becomes of the copy of a file as it was before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Copy {
    /// It is made.
    Make,
    /// It stays as it is: the file has been connected before.
    Stay,
    /// It is of no use any more.
    Drop,
}

/// Something to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// Whether it keeps the client from coming here.
    pub wins: bool,
    /// What.
    pub text: String,
}

/// What came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Settled {
    /// The file is written.
    Changed,
    /// There was nothing to do.
    Same,
    /// It was only to be shown.
    Shown,
    /// The person said no.
    Declined,
}

/// Does it.
pub fn run(client: &Client, options: &LoadOptions, style: Style) -> Outcome {
    let how = match client {
        Client::ClaudeCode(it) => &it.how,
        Client::Codex(it) => &it.how,
    };
    let asks = !how.yes && !how.print && !how.json;
    let terminal = Terminal::open().filter(|_| asks);
    if terminal.is_none() && !how.yes && !how.print {
        let why = "there is no terminal to ask at; add --yes to change the file, or --print to see what would change";
        return failed(why, how, 2, style);
    }
    if let Some(mut terminal) = terminal {
        return match attend(client, how, options, &mut terminal, style) {
            Ok((_, settled)) => Outcome {
                text: String::new(),
                code: u8::from(settled == Settled::Declined),
            },
            Err(why) => failed(&why, how, 1, style),
        };
    }
    let mut nobody = Defaults::default();
    match attend(client, how, options, &mut nobody, style) {
        Ok((change, settled)) => Outcome {
            text: if how.json {
                format!("{:#}\n", change.json(settled))
            } else {
                nobody.said
            },
            code: 0,
        },
        Err(why) => failed(&why, how, 1, style),
    }
}

fn failed(why: &str, how: &How, code: u8, style: Style) -> Outcome {
    let text = if how.json {
        format!("{:#}\n", json!({"ok": false, "error": why}))
    } else {
        format!("{} {why}\n", style.red("✗"))
    };
    Outcome { text, code }
}

fn attend(
    client: &Client,
    how: &How,
    options: &LoadOptions,
    ask: &mut dyn Ask,
    style: Style,
) -> Result<(Change, Settled), String> {
    let change = match client {
        Client::ClaudeCode(it) => {
            let file = it.file(options)?;
            if how.undo {
                claude_code::undo(file)?
            } else {
                let gateway = gateway::of(how, options, ask)?;
                claude_code::connect(file, &gateway, options)?
            }
        }
        Client::Codex(it) => {
            let file = codex::file(options)?;
            if how.undo {
                codex::undo(file)?
            } else {
                let gateway = gateway::of(how, options, ask)?;
                it.connect(file, &gateway, options)?
            }
        }
    };
    let settled = change.settle(how, ask, style)?;
    Ok((change, settled))
}

/// Connects Claude Code, as a part of something else that already talks with the person; whether it is connected now.
/// `yes` writes without a question.
pub fn claude_code(
    options: &LoadOptions,
    ask: &mut dyn Ask,
    yes: bool,
    style: Style,
) -> Result<bool, String> {
    let how = How {
        yes,
        ..How::default()
    };
    let file = ClaudeCode::default().file(options)?;
    let gateway = gateway::of(&how, options, ask)?;
    let change = claude_code::connect(file, &gateway, options)?;
    let settled = change.settle(&how, ask, style)?;
    Ok(matches!(settled, Settled::Changed | Settled::Same))
}

impl Change {
    /// Shows it, asks, writes.
    fn settle(&self, how: &How, ask: &mut dyn Ask, style: Style) -> Result<Settled, String> {
        ask.say(&self.shown(style));
        let settled = if self.old == self.new {
            ask.say(&format!(
                "{} {} is as it should be\n",
                style.green("✓"),
                self.file.display()
            ));
            Settled::Same
        } else if how.print {
            return Ok(Settled::Shown);
        } else if how.yes || ask.yes("Write this?", true) == Ok(true) {
            self.write()?;
            ask.say(&format!("{} {}\n", style.green("✓"), self.done()));
            Settled::Changed
        } else {
            ask.say("nothing was changed\n");
            return Ok(Settled::Declined);
        };
        for next in &self.next {
            ask.say(&format!("  {next}\n"));
        }
        Ok(settled)
    }

    /// The difference, and what else is to be known.
    fn shown(&self, style: Style) -> String {
        let text = |it: &Option<String>| it.clone().unwrap_or_default();
        let (old, new) = (text(&self.old), text(&self.new));
        let name = self.file.display().to_string();
        let mut text = diff::unified(&name, &old, &new, self.old.is_some(), style);
        for note in &self.notes {
            let sign = if note.wins {
                style.yellow("!")
            } else {
                style.dim("·")
            };
            let _ = writeln!(text, "{sign} {}", note.text);
        }
        text
    }

    fn write(&self) -> Result<(), String> {
        let told = |error: std::io::Error| format!("{}: {error}", self.file.display());
        let before = self.before();
        if let (Copy::Make, Some(old)) = (self.copy, &self.old) {
            // There may be keys in it: the copy is its owner's, whoever reads the file.
            files::replace_secret(&before, old).map_err(told)?;
        }
        match &self.new {
            Some(new) => files::replace(&self.file, new).map_err(told)?,
            None => std::fs::remove_file(files::real(&self.file)).map_err(told)?,
        }
        if self.copy == Copy::Drop {
            // Best effort: it does no harm.
            let _ = std::fs::remove_file(&before);
        }
        Ok(())
    }

    fn before(&self) -> PathBuf {
        before(&self.file)
    }

    fn done(&self) -> String {
        let file = self.file.display();
        match (&self.new, self.copy, &self.old) {
            (None, ..) => format!("{file} is taken away: nothing else was in it"),
            (Some(_), Copy::Make, Some(_)) => format!(
                "{file} is written; {} is how it was",
                self.before().display()
            ),
            (Some(_), Copy::Drop, _) => format!("{file} is as it was before"),
            (Some(_), ..) => format!("{file} is written"),
        }
    }

    fn json(&self, settled: Settled) -> serde_json::Value {
        let notes = self.notes.iter();
        let notes: Vec<_> = notes
            .map(|it| json!({"wins": it.wins, "text": it.text}))
            .collect();
        json!({
            "ok": true,
            "file": self.file.display().to_string(),
            "changed": settled == Settled::Changed,
            "would_change": settled == Settled::Shown,
            "notes": notes,
            "next": self.next,
        })
    }
}

/// Where the copy of a file as it was is.
fn before(file: &std::path::Path) -> PathBuf {
    files::beside(&files::real(file), BEFORE)
}

/// A file of a client, and its copy from before.
fn read(file: &std::path::Path) -> Result<(Option<String>, Option<String>), String> {
    let told = |error: std::io::Error| format!("{}: {error}", file.display());
    let old = files::read(file).map_err(told)?;
    Ok((old, files::read(&before(file)).unwrap_or_default()))
}

#[cfg(test)]
mod tests;
