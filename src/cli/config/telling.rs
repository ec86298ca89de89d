//! What came of a command: for people in their language, or as JSON; and the code it ends with.

use serde_json::json;

use super::{Desk, Done, Failure, Telling, shown};
use crate::cli::change::NotChanged;
use crate::cli::output::{Outcome, print_error};
use crate::cli::words::{Said, edit_error, not_changed};
use crate::config::EditError;

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

impl Desk<'_> {
    pub(super) fn told(&self, done: &Done) -> Outcome {
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

    pub(super) fn failed(&self, failure: &Failure) -> Outcome {
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
        text.extend(faults.iter().map(|it| format!("  {it}\n")));
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
