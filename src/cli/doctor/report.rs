//! What was found: one line each, and below it what to do.

use std::fmt::Write;

use serde_json::{Value, json};

use crate::cli::output::Style;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// As it should be.
    Good,
    /// Worth knowing.
    Note,
    /// It works, but not as well as it could, or not for long.
    Doubtful,
    /// It does not work.
    Broken,
}

impl Level {
    /// For machines.
    fn word(self) -> &'static str {
        match self {
            Level::Good => "good",
            Level::Note => "note",
            Level::Doubtful => "doubtful",
            Level::Broken => "broken",
        }
    }

    fn sign(self, style: Style) -> String {
        match self {
            Level::Good => style.green("✓"),
            Level::Note => style.dim("·"),
            Level::Doubtful => style.yellow("!"),
            Level::Broken => style.red("✗"),
        }
    }
}

/// One thing that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// How bad it is.
    pub level: Level,
    /// What it is.
    pub text: String,
    /// What to do about it.
    pub remedy: Option<String>,
}

impl Finding {
    /// As it should be.
    pub fn good(text: impl Into<String>) -> Finding {
        Finding {
            level: Level::Good,
            text: visible(text.into()),
            remedy: None,
        }
    }

    /// Worth knowing.
    pub fn note(text: impl Into<String>) -> Finding {
        Finding {
            level: Level::Note,
            ..Finding::good(text)
        }
    }

    /// Not as well as it could be, and what would help.
    pub fn doubtful(text: impl Into<String>, remedy: impl Into<String>) -> Finding {
        Finding {
            level: Level::Doubtful,
            ..Finding::good(text).with(remedy)
        }
    }

    /// It does not work, and what would help.
    pub fn broken(text: impl Into<String>, remedy: impl Into<String>) -> Finding {
        Finding {
            level: Level::Broken,
            ..Finding::doubtful(text, remedy)
        }
    }

    /// For people, with what to do below.
    pub fn text(&self, style: Style) -> String {
        let mut text = format!("  {} {}\n", self.level.sign(style), self.text);
        if let Some(remedy) = &self.remedy {
            let _ = writeln!(text, "      → {remedy}");
        }
        text
    }

    /// For machines.
    pub fn json(&self) -> Value {
        json!({"level": self.level.word(), "text": self.text, "remedy": self.remedy})
    }

    /// Whether it does not work.
    pub fn is_broken(&self) -> bool {
        self.level == Level::Broken
    }

    /// The same with a way out.
    pub fn with(mut self, remedy: impl Into<String>) -> Finding {
        self.remedy = Some(visible(remedy.into()));
        self
    }
}

/// Words of providers get here; a terminal must not take them for orders.
fn visible(text: String) -> String {
    let hidden = |it: char| {
        it.is_control() || matches!(it, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    if text.contains(hidden) {
        text.replace(hidden, "?")
    } else {
        text
    }
}

/// Everything that was found, by what was looked at.
#[derive(Debug, Default)]
pub struct Report {
    sections: Vec<(&'static str, Vec<Finding>)>,
}

impl Report {
    /// Adds what was found about something; nothing is left out.
    pub fn add(&mut self, title: &'static str, findings: Vec<Finding>) {
        if !findings.is_empty() {
            self.sections.push((title, findings));
        }
    }

    fn count(&self, level: Level) -> usize {
        let all = self.sections.iter().flat_map(|it| &it.1);
        all.filter(|it| it.level == level).count()
    }

    /// Whether something does not work.
    pub fn is_broken(&self) -> bool {
        0 < self.count(Level::Broken)
    }

    /// For people.
    pub fn text(&self, style: Style) -> String {
        let mut text = String::new();
        for (title, findings) in &self.sections {
            let _ = writeln!(text, "{}", style.bold(title));
            for it in findings {
                text.push_str(&it.text(style));
            }
        }
        let (broken, doubtful) = (self.count(Level::Broken), self.count(Level::Doubtful));
        let doubts = match doubtful {
            0 => String::new(),
            1 => "1 thing is doubtful".to_owned(),
            many => format!("{many} things are doubtful"),
        };
        let verdict = match (broken, doubtful) {
            (0, 0) => style.green("all is well"),
            (0, _) => style.yellow(&format!("it works; {doubts}")),
            (1, 0) => style.red("1 thing is broken"),
            (many, 0) => style.red(&format!("{many} things are broken")),
            (1, _) => style.red(&format!("1 thing is broken, {doubts}")),
            (many, _) => style.red(&format!("{many} things are broken, {doubts}")),
        };
        let _ = writeln!(text, "\n{verdict}");
        text
    }

    /// For machines.
    pub fn json(&self) -> Value {
        let section = |(title, findings): &(&str, Vec<Finding>)| json!({"title": title, "findings": findings.iter().map(Finding::json).collect::<Vec<_>>()});
        json!({
            "ok": !self.is_broken(),
            "broken": self.count(Level::Broken),
            "doubtful": self.count(Level::Doubtful),
            "sections": self.sections.iter().map(section).collect::<Vec<_>>(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_verdict_counts_and_the_remedy_stands_below() {
        let mut report = Report::default();
        report.add("Keys", vec![Finding::good("a answers")]);
        report.add("Nothing", Vec::new());
        assert_eq!(
            report.text(Style::PLAIN),
            "Keys\n  ✓ a answers\n\nall is well\n"
        );
        report.add("Clock", vec![Finding::doubtful("late", "set it")]);
        let text = report.text(Style::PLAIN);
        assert!(text.contains("  ! late\n      → set it\n"), "{text}");
        assert!(
            text.ends_with("\nit works; 1 thing is doubtful\n"),
            "{text}"
        );
        report.add("Stores", vec![Finding::broken("full", "empty it")]);
        let text = report.text(Style::PLAIN);
        assert!(
            text.ends_with("\n1 thing is broken, 1 thing is doubtful\n"),
            "{text}"
        );
        assert_eq!(
            report.json()["sections"][2]["findings"][0]["level"],
            "broken"
        );
        assert_eq!(report.json()["ok"], false);
    }
}
