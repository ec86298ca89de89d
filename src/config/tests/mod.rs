//! The whole way from text to configuration.

mod any;
mod behaviour;
mod examples;
mod listeners;
mod oauth;
mod observe;
mod rules;
mod services;
mod teams;
mod vertex;
mod zed;

use std::path::Path;

use super::table::Table;
use super::{Config, ConfigFault, Env, LoadOptions, from_text, keys};

const KEY: &str = "sk-0123456789abcdef";
const ONE: &str =
    "providers: [{name: a, base_url: 'https://a.b', auth_value: sk-0123456789abcdef}]\n";

fn options(env: impl Into<Env>) -> LoadOptions {
    LoadOptions {
        no_env_file: true,
        ..LoadOptions::new(env.into())
    }
}

fn loaded(text: &str, env: impl Into<Env>) -> Result<Config, Vec<String>> {
    from_text("c.yaml", text, Path::new("."), &options(env)).map_err(|it| lines(&it))
}

fn lines(faults: &[ConfigFault]) -> Vec<String> {
    faults.iter().map(ToString::to_string).collect()
}

fn note(config: &Config, path: &str) -> Option<String> {
    let note = config.notes.iter().find(|it| it.path == path)?;
    Some(note.text.clone())
}

/// A provider with these keys besides name, address and key.
fn provider(keys: &str) -> String {
    format!("providers: [{{name: a, base_url: 'https://a.b', auth_value: {KEY}, {keys}}}]\n")
}

/// Every table reachable from the top, with the key that leads there.
fn sections() -> Vec<(Table, &'static str)> {
    let mut found: Vec<(Table, &'static str)> = vec![(keys::TOP, "the top")];
    let mut i = 0;
    while let Some((rows, _)) = found.get(i).copied() {
        for field in rows {
            let below = field.kind.rows();
            if !below.is_empty() && !found.iter().any(|it| names(it.0) == names(below)) {
                found.push((below, field.key));
            }
        }
        i += 1;
    }
    found
}

/// What tells a table from another: constants have no address of their own.
fn names(rows: Table) -> String {
    let names: Vec<&str> = rows.iter().map(|it| it.key).collect();
    names.join(" ")
}
