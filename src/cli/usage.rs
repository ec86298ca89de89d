//! `pointsman usage`: what the ledger has counted, for people, spreadsheets and programs.

use std::path::PathBuf;
use std::time::SystemTime;

use clap::{Args, ValueEnum};

use super::check::faults_text;
use super::output::{Outcome, Style, columns};
use crate::config::{LoadOptions, load};
use crate::ledger::{By, Question, Report, Words, ask};
use crate::routing::PRICES_AS_OF;

/// What is asked.
#[derive(Debug, Args)]
pub struct Usage {
    /// One line for each
    #[arg(long, value_parser = By::WORDS, default_value = "key")]
    by: String,
    /// From this day (2026-11-01) or moment on, or so long ago (7d, 24h); the last 30 days otherwise
    #[arg(long)]
    since: Option<String>,
    /// Up to this day, which is in it, or moment
    #[arg(long)]
    until: Option<String>,
    /// How it is shown
    #[arg(long, value_enum, default_value = "table")]
    format: Shown,
    /// Read this ledger instead of the configuration's
    #[arg(long, value_name = "FILE")]
    ledger: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Shown {
    Table,
    Csv,
    Json,
}

/// Asks the ledger.
pub fn run(usage: &Usage, options: &LoadOptions, style: Style) -> Outcome {
    let failed = |text: String| Outcome {
        text: format!("{} {text}\n", style.red("✗")),
        code: 1,
    };
    let path = match &usage.ledger {
        Some(path) => path.clone(),
        None => match load(options) {
            Err(faults) => {
                let text = faults_text(&faults, style);
                return Outcome { text, code: 1 };
            }
            Ok(config) => {
                let Some(ledger) = config.ledger else {
                    let text =
                        "there is no ledger; write `ledger: {path: …}` into the configuration";
                    return failed(text.to_owned());
                };
                ledger.path
            }
        },
    };
    let words = Words {
        by: Some(&usage.by),
        since: usage.since.as_deref(),
        until: usage.until.as_deref(),
    };
    let asked = Question::read(words, SystemTime::now())
        .map_err(|error| format!("--{error}"))
        .and_then(|question| ask(&path, &question).map_err(|error| error.to_string()));
    match asked {
        Ok(report) => Outcome {
            text: text(&report, usage.format, style),
            code: 0,
        },
        Err(why) => failed(why),
    }
}

fn text(report: &Report, shown: Shown, style: Style) -> String {
    match shown {
        Shown::Csv => report.csv(),
        Shown::Json => format!("{:#}\n", report.json()),
        Shown::Table => {
            let mut lines = columns(&report.rows());
            if let Some(head) = lines.first_mut() {
                *head = style.bold(head);
            }
            lines.push(String::new());
            lines.push(style.dim(&format!(
                "money in dollars; list prices as of {PRICES_AS_OF} where the configuration has none"
            )));
            lines.join("\n") + "\n"
        }
    }
}
