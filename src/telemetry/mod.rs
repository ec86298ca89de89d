//! What is shown: log lines for people on the console, the same as JSON lines in a file.
//!
//! The facade is `log`: a static sentence and key-value pairs named in [`fields`]. This module sets it up, caps
//! libraries, which print credentials at their debug levels, and keeps secrets and control characters out of every line.
//! Call [`init`] after any fork: threads write the console and the file.

pub mod capture;
pub mod fields;
pub mod metrics;
pub mod tracing;

mod access_line;
mod console;
mod json;
mod line;
mod queue;
mod redact;
mod sink;
mod terminal;
mod timestamp;

use std::io::IsTerminal;
use std::sync::Arc;
use std::time::Duration;
use std::time::SystemTime;

use env_logger::Builder;
use env_logger::Logger;
use env_logger::Target;
use env_logger::WriteStyle;
use log::Level;
use log::LevelFilter;
use log::Log;
use log::Metadata;
use log::Record;
use log::SetLoggerError;

use crate::config::AccessLog;
use crate::config::LogLevel;
use crate::config::LogSettings;
use crate::telemetry::line::Line;
use crate::telemetry::sink::FileSink;
use crate::telemetry::terminal::Terminal;

pub use access_line::{ACCESS_TARGET, AccessLine, End, TokenCounts};
pub use timestamp::rfc3339;

/// Our own targets; everything else is a library.
const OWN_TARGETS: [&str; 2] = [env!("CARGO_PKG_NAME"), ACCESS_TARGET];
/// Longest wait for the console, and for the file, at the end.
const FLUSH_WAIT: Duration = Duration::from_secs(1);

/// The logs, for whoever ends the process or rotates the file.
#[derive(Clone)]
pub struct Logs {
    terminal: Terminal,
    file: Option<Arc<FileSink>>,
}

impl Logs {
    /// Waits until every line so far is on the console and in the file, at most a second for each.
    pub fn flush(&self) {
        self.terminal.flush(FLUSH_WAIT);
        if let Some(file) = &self.file {
            file.flush(FLUSH_WAIT);
        }
    }

    /// Opens the file anew before the next line: something has moved it away.
    pub fn reopen(&self) {
        if let Some(file) = &self.file {
            file.reopen();
        }
    }

    /// Lines that never reached the file, because its queue was full or the disk refused them.
    pub fn lost_lines(&self) -> u64 {
        self.file.as_ref().map_or(0, |file| file.lost())
    }
}

/// Sets up logging, once in a process. `RUST_LOG` overrides the level, except for what must not be printed.
///
/// A file that cannot be written is reported on the console and tried again; it never stops the proxy.
pub fn init(settings: &LogSettings, access: AccessLog) -> Result<Logs, SetLoggerError> {
    let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let directives = std::env::var("RUST_LOG").ok();
    let terminal = Terminal::new(std::io::stderr());
    let style = Style {
        color: wants_color(settings.color, no_color, std::io::stderr().is_terminal()),
        json: settings.json,
        access_json: access.json,
    };
    let console = console(settings.level, directives.as_deref(), style, &terminal);
    let file = settings
        .file
        .clone()
        .map(|path| Arc::new(FileSink::new(path)));
    let most = console.filter();
    let outputs = Outputs {
        console,
        terminal: terminal.clone(),
        file: file.clone(),
    };
    log::set_boxed_logger(Box::new(outputs))?;
    log::set_max_level(most);
    Ok(Logs { terminal, file })
}

/// The setting decides, then `NO_COLOR`, then whether somebody is looking.
fn wants_color(setting: Option<bool>, no_color: bool, terminal: bool) -> bool {
    match setting {
        Some(false) => false,
        // The seeds' files all say `log_color: true`, also where the output is a pipe.
        Some(true) | None => terminal && !no_color,
    }
}

/// How lines look on the console.
#[derive(Clone, Copy)]
struct Style {
    color: bool,
    json: bool,
    /// The same for lines of requests.
    access_json: bool,
}

fn console(level: LogLevel, directives: Option<&str>, style: Style, terminal: &Terminal) -> Logger {
    let level = match level {
        LogLevel::Debug => LevelFilter::Debug,
        LogLevel::Info => LevelFilter::Info,
        LogLevel::Warning => LevelFilter::Warn,
        LogLevel::Error => LevelFilter::Error,
    };
    let mut builder = Builder::new();
    builder.filter_level(level.min(LevelFilter::Warn));
    for target in OWN_TARGETS {
        builder.filter_module(target, level);
    }
    if let Some(directives) = directives {
        builder.parse_filters(directives);
    }
    builder.target(Target::Pipe(Box::new(terminal.clone())));
    // Whether there is colour was decided already.
    builder.write_style(WriteStyle::Always);
    builder.format(move |out, record| {
        let line = Line::of(record, SystemTime::now());
        let json = match line.target.as_str() {
            ACCESS_TARGET => style.access_json,
            _ => style.json,
        };
        let text = if json {
            json::render(&line)
        } else {
            console::render(&line, style.color)
        };
        std::io::Write::write_all(out, text.as_bytes())
    });
    builder.build()
}

/// Both outputs behind the facade.
struct Outputs {
    console: Logger,
    terminal: Terminal,
    file: Option<Arc<FileSink>>,
}

impl Log for Outputs {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        may_be_printed(metadata) && self.console.enabled(metadata)
    }

    fn log(&self, record: &Record<'_>) {
        if !may_be_printed(record.metadata()) || is_noise(record) || !self.console.matches(record) {
            return;
        }
        self.console.log(record);
        if let Some(file) = &self.file {
            file.write(json::render(&Line::of(record, SystemTime::now())));
        }
    }

    fn flush(&self) {
        self.console.flush();
        self.terminal.flush(FLUSH_WAIT);
        if let Some(file) = &self.file {
            file.flush(FLUSH_WAIT);
        }
    }
}

/// A library's error that is none: a pooled connection was taken by another request in the same moment, and a new one
/// is opened instead. And verdicts of probes, which we tell ourselves and by name.
fn is_noise(record: &Record<'_>) -> bool {
    let target = record.target();
    target == "pingora_load_balancing"
        || target.starts_with("pingora")
            && record.args().as_str() == Some("failed to acquire reusable stream")
}

/// Libraries never below INFO, whatever is asked for: their debug lines print requests with their credentials. Trace
/// lines are not even compiled (`max_level_debug` of `log`): Pingora's can panic over what an upstream sends.
fn may_be_printed(metadata: &Metadata<'_>) -> bool {
    metadata.level() <= Level::Info || is_own(metadata.target())
}

/// A target of ours, or a module below one.
fn is_own(target: &str) -> bool {
    let below = |rest: &str| rest.is_empty() || rest.starts_with("::");
    OWN_TARGETS
        .iter()
        .any(|own| target.strip_prefix(own).is_some_and(below))
}

#[cfg(test)]
mod tests;
