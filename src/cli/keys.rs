//! `pointsman keys create | list | revoke`: named gateway keys, without anybody having to know what a digest is.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::change::{May, NotChanged, change};
use super::check::faults_text;
use super::output::{Outcome, Style, columns};
use super::words::{Lang, not_changed};
use crate::access::NewKey;
use crate::config::{
    Config, EditError, KeyEntry, LoadOptions, add_key, expiry, load, locate, remove_key, revoke_key,
};
use crate::ledger::{Spending, spending};
use crate::types::calendar::rfc3339;
use crate::types::{Day, MicroUsd};

/// What is to be done.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make a key: it is shown once, the configuration gets its digest
    Create(Box<Create>),
    /// Show the named keys, their limits and what they have spent
    List {
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Mark a key as revoked
    Revoke {
        /// Its name
        name: String,
        /// Take it out of the configuration instead
        #[arg(long)]
        remove: bool,
        /// Change the configuration file; the file as it was becomes FILE.bak
        #[arg(long)]
        write: bool,
    },
}

/// A key to be made.
#[derive(Debug, Args)]
pub struct Create {
    /// Its name
    name: String,
    /// Whose it is, for reports
    #[arg(long)]
    team: Option<String>,
    /// Patterns of the models it may ask for, separated by commas
    #[arg(long, value_delimiter = ',')]
    models: Vec<String>,
    /// Routes it may take
    #[arg(long, value_delimiter = ',')]
    routes: Vec<String>,
    /// Providers that may be asked for it
    #[arg(long, value_delimiter = ',')]
    providers: Vec<String>,
    /// Requests a minute
    #[arg(long)]
    rpm: Option<u32>,
    /// Tokens a minute, such as 200k
    #[arg(long)]
    tpm: Option<String>,
    /// Requests at once
    #[arg(long)]
    max_concurrent: Option<u32>,
    /// Dollars a day
    #[arg(long)]
    daily_usd: Option<f64>,
    /// Dollars a month
    #[arg(long)]
    monthly_usd: Option<f64>,
    /// The last day it is good, as 2027-01-31, or a moment
    #[arg(long)]
    expires: Option<String>,
    /// Put it into the configuration file; the file as it was becomes FILE.bak
    #[arg(long)]
    write: bool,
}

/// Does it.
pub fn run(command: Command, options: &LoadOptions, style: Style) -> Outcome {
    let done = match command {
        Command::Create(create) => self::create(&create, options, style),
        Command::List { json } => return list(options, json, style),
        Command::Revoke {
            name,
            remove,
            write,
        } => revoke(&name, remove, write.then_some(options)),
    };
    match done {
        Ok(text) => Outcome { text, code: 0 },
        Err(why) => Outcome {
            text: format!("{} {why}\n", style.red("✗")),
            code: 1,
        },
    }
}

const RELOAD: &str =
    "a running pointsman takes it in with a reload (SIGHUP, or POST /providers/reload)";

fn create(create: &Create, options: &LoadOptions, style: Style) -> Result<String, String> {
    if create
        .expires
        .as_deref()
        .is_some_and(|it| expiry(it).is_none())
    {
        return Err(
            "--expires: write a day, as 2027-01-31, or a moment, as 2027-01-31T12:00:00Z".into(),
        );
    }
    let new = NewKey::random().ok_or("the system has no randomness to give")?;
    let entry = create.entry(&new.sha256);
    let mut text = format!(
        "the key of {}, shown this once and kept nowhere:\n\n  {}\n\n",
        create.name,
        style.bold(new.key.expose())
    );
    if create.write {
        let file = file(options)?;
        written(&file, options, |old| add_key(old, &create.name, &entry))?;
        let _ = writeln!(text, "its digest is in {}; {RELOAD}", file.display());
    } else {
        text.push_str("put this under `keys:` in the configuration (--write does it):\n\n");
        for line in entry.lines() {
            let _ = writeln!(text, "  {line}");
        }
    }
    Ok(text)
}

impl Create {
    fn entry(&self, sha256: &str) -> String {
        let mut text = format!(
            "- name: {}\n  sha256: {}\n",
            quoted(&self.name),
            quoted(sha256)
        );
        let mut line = |key: &str, value: Option<String>| {
            if let Some(value) = value {
                let _ = writeln!(text, "  {key}: {value}");
            }
        };
        let list = |all: &[String]| (!all.is_empty()).then(|| json!(all).to_string());
        line("team", self.team.as_deref().map(quoted));
        line("models", list(&self.models));
        line("routes", list(&self.routes));
        line("providers", list(&self.providers));
        line("rpm", self.rpm.map(|it| it.to_string()));
        line("tpm", self.tpm.clone().map(plain_or_quoted));
        line(
            "max_concurrent",
            self.max_concurrent.map(|it| it.to_string()),
        );
        line("daily_usd", self.daily_usd.map(|it| it.to_string()));
        line("monthly_usd", self.monthly_usd.map(|it| it.to_string()));
        line("expires", self.expires.as_deref().map(quoted));
        text
    }
}

/// JSON's strings are YAML's.
fn quoted(text: &str) -> String {
    let plain = |it: char| it.is_ascii_alphabetic() || matches!(it, '-' | '_');
    if text.chars().all(plain) && text.starts_with(|it: char| it.is_ascii_alphabetic()) {
        let reserved = ["true", "false", "null", "yes", "no", "on", "off", "y", "n"];
        if !reserved.contains(&text.to_ascii_lowercase().as_str()) {
            return text.to_owned();
        }
    }
    json!(text).to_string()
}

fn plain_or_quoted(text: String) -> String {
    if text.chars().all(|it| it.is_ascii_alphanumeric()) {
        text
    } else {
        quoted(&text)
    }
}

fn revoke(name: &str, remove: bool, write: Option<&LoadOptions>) -> Result<String, String> {
    let Some(options) = write else {
        let what = if remove {
            "take its entry out of"
        } else {
            "add `revoked: true` to its entry under"
        };
        return Ok(format!(
            "to revoke {name}, {what} `keys:` in the configuration (--write does it), and reload\n"
        ));
    };
    let file = file(options)?;
    written(&file, options, |old| {
        if remove {
            remove_key(old, name)
        } else {
            revoke_key(old, name)
        }
    })?;
    Ok(format!(
        "{name} is revoked in {}; {RELOAD}\n",
        file.display()
    ))
}

fn file(options: &LoadOptions) -> Result<PathBuf, String> {
    locate(options)
        .ok_or_else(|| "there is no configuration file; name one with --config".to_owned())
}

fn list(options: &LoadOptions, as_json: bool, style: Style) -> Outcome {
    let config = match load(options) {
        Ok(config) => config,
        Err(faults) => {
            let text = faults_text(&faults, style);
            return Outcome { text, code: 1 };
        }
    };
    let now = SystemTime::now();
    let spent = spent(&config, now);
    let text = if as_json {
        let keys = config.auth.named().iter();
        let keys: Vec<Value> = keys.map(|it| key_json(it, &spent, now)).collect();
        format!("{:#}\n", json!({"keys": keys}))
    } else {
        table(&config, &spent, now, style)
    };
    Outcome { text, code: 0 }
}

/// What keys have spent, where there is a ledger to tell.
fn spent(config: &Config, now: SystemTime) -> Vec<Spending> {
    let ledger = config.ledger.as_ref();
    let read = ledger.map(|it| spending(Path::new(&it.path), Day::of(now)));
    read.and_then(Result::ok).unwrap_or_default()
}

fn of<'s>(entry: &KeyEntry, spent: &'s [Spending]) -> Option<&'s Spending> {
    spent.iter().find(|it| it.key == entry.name)
}

fn state(entry: &KeyEntry, now: SystemTime) -> &'static str {
    match entry.expires {
        _ if entry.revoked => "revoked",
        Some(at) if at <= now => "expired",
        Some(_) | None => "good",
    }
}

fn table(config: &Config, spent: &[Spending], now: SystemTime, style: Style) -> String {
    let entries = config.auth.named();
    if entries.is_empty() {
        return "there are no named keys; make one with `pointsman keys create NAME`\n".to_owned();
    }
    let head = [
        "key", "team", "state", "models", "rpm", "tpm", "at once", "today", "month", "expires",
    ];
    let mut rows: Vec<Vec<String>> = vec![head.map(str::to_owned).to_vec()];
    for entry in entries {
        let number = |it: Option<u64>| it.map_or("-".to_owned(), |it| it.to_string());
        let spent = of(entry, spent);
        let money = |cap: Option<MicroUsd>, spent: Option<MicroUsd>| match (spent, cap) {
            (spent, Some(cap)) => format!("{} of {cap}", spent.unwrap_or_default()),
            (Some(spent), None) => spent.to_string(),
            (None, None) => "-".to_owned(),
        };
        rows.push(vec![
            entry.name.clone(),
            entry.team.clone().unwrap_or_else(|| "-".to_owned()),
            state(entry, now).to_owned(),
            if entry.models.is_empty() {
                "all".to_owned()
            } else {
                entry.models.join(", ")
            },
            number(entry.rpm),
            number(entry.tpm),
            number(entry.max_concurrent.map(u64::from)),
            money(entry.daily, spent.map(|it| it.today)),
            money(entry.monthly, spent.map(|it| it.this_month)),
            entry.expires.map_or("-".to_owned(), rfc3339),
        ]);
    }
    let mut text = String::new();
    for (i, line) in columns(&rows).iter().enumerate() {
        let line = if i == 0 {
            style.bold(line)
        } else {
            line.clone()
        };
        let _ = writeln!(text, "{line}");
    }
    text
}

fn key_json(entry: &KeyEntry, spent: &[Spending], now: SystemTime) -> Value {
    let dollars = |it: Option<MicroUsd>| it.map(MicroUsd::dollars);
    let spent = of(entry, spent);
    json!({
        "name": entry.name,
        "team": entry.team,
        "state": state(entry, now),
        "models": entry.models,
        "routes": entry.routes,
        "providers": entry.providers,
        "rpm": entry.rpm,
        "tpm": entry.tpm,
        "max_concurrent": entry.max_concurrent,
        "daily_usd": dollars(entry.daily),
        "monthly_usd": dollars(entry.monthly),
        "spent_today_usd": dollars(spent.map(|it| it.today)),
        "spent_this_month_usd": dollars(spent.map(|it| it.this_month)),
        "expires": entry.expires.map(rfc3339),
    })
}

/// Changes the file, or says why it is as it was, with the way out.
fn written(
    file: &Path,
    options: &LoadOptions,
    edit: impl FnOnce(&str) -> Result<String, EditError>,
) -> Result<(), String> {
    let told = |why: NotChanged| {
        let faults: Vec<String> = match &why {
            NotChanged::Faults(faults) => faults.iter().map(|it| format!("\n  {it}")).collect(),
            _ => Vec::new(),
        };
        let why = not_changed(&why, Lang::En);
        format!("{}: {why}{}", file.display(), faults.concat())
    };
    change(file, options, May::default(), edit)
        .map(drop)
        .map_err(told)
}

#[cfg(test)]
mod tests;
