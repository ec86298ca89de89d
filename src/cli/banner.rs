//! What a start-up says: which providers, which are skipped and why, where to point a client.

use std::fmt::Write;

use super::check::note_line;
use super::output::{Style, columns};
use crate::config::{Config, LogLevel, Provider, Source};
use crate::demo;
use crate::runtime::Prepared;

/// The banner of a process that is about to serve.
pub fn text(prepared: &Prepared, style: Style) -> String {
    let config = &prepared.snapshot.config;
    if config.source == Source::Demo {
        return demo::banner_text(&prepared.address.to_string());
    }
    let mut text = String::new();
    let active = config
        .providers
        .iter()
        .filter(|provider| provider.is_active())
        .count();
    let _ = writeln!(
        text,
        "{} {}",
        style.bold("Pointsman"),
        style.dim(concat!("v", env!("CARGO_PKG_VERSION")))
    );
    let _ = writeln!(text, "  configuration  {}", source(config));
    let _ = writeln!(
        text,
        "  providers      {active}/{} active",
        config.providers.len()
    );
    let rows: Vec<Vec<String>> = config.providers.iter().map(row).collect();
    for (line, provider) in columns(&rows).iter().zip(&config.providers) {
        let line = if provider.is_active() {
            style.green(line)
        } else {
            style.yellow(line)
        };
        let _ = writeln!(text, "    {line}");
    }
    let _ = writeln!(text, "  log            {}", log(config));
    for note in &config.notes {
        let _ = writeln!(text, "  {}", note_line(note, style));
    }
    if let Some(admin) = prepared.admin {
        let _ = writeln!(text, "  admin          http://{admin}");
    }
    let address = prepared.address;
    let _ = writeln!(
        text,
        "  listening on {}",
        style.bold(&format!("http://{address}"))
    );
    let _ = writeln!(
        text,
        "  Claude Code:   ANTHROPIC_BASE_URL=http://{address} claude"
    );
    text
}

fn source(config: &Config) -> String {
    match &config.source {
        Source::File(path) => path.display().to_string(),
        Source::Environment => "provider keys from the environment".to_owned(),
        Source::Demo => "none: simulated providers".to_owned(),
    }
}

fn row(provider: &Provider) -> Vec<String> {
    let sign = if provider.is_active() { "✓" } else { "✗" };
    let why = match (&provider.inactive, provider.enabled) {
        (_, false) => "disabled".to_owned(),
        (Some(why), true) => why.clone(),
        (None, true) => String::new(),
    };
    vec![
        format!(
            "[{sign}] {} ({}): {}",
            provider.id, provider.kind, provider.base_url
        ),
        why,
    ]
}

fn log(config: &Config) -> String {
    let level = match config.settings.log.level {
        LogLevel::Debug => "DEBUG",
        LogLevel::Info => "INFO",
        LogLevel::Warning => "WARNING",
        LogLevel::Error => "ERROR",
    };
    match &config.settings.log.file {
        Some(file) => format!("{level}, {}", file.display()),
        None => level.to_owned(),
    }
}
