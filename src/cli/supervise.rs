//! `pointsman run --supervise` and `pointsman upgrade`.

use std::ffi::OsString;
use std::path::PathBuf;

use super::check::faults_text;
use super::memory;
use super::output::{Outcome, Style};
use crate::config::{Config, LoadOptions, Source, load};
use crate::supervise::{self, Plan, candidates};

/// Supervises until a signal ends it. Returns early, with code 1, when nothing can be served.
pub fn run(options: &LoadOptions, style: Style) -> Outcome {
    let config = match load(options) {
        Ok(config) => config,
        Err(faults) => {
            return Outcome {
                text: faults_text(&faults, style),
                code: 1,
            };
        }
    };
    memory::unseal_if(config.settings.core_dumps);
    let env = |name: &str| options.env.filled(name);
    let ended = supervise::run(Plan {
        started_as: std::env::args_os().next().map(PathBuf::from),
        search: env("PATH"),
        arguments: worker_arguments(options, &config),
        directories: directories(options, Some(&config)),
        upgrade_timeout: config.settings.upgrade_timeout,
        notify: [
            env("NOTIFY_SOCKET"),
            env("WATCHDOG_USEC"),
            env("WATCHDOG_PID"),
        ],
        access_log: config.settings.access_log,
        log: config.settings.log,
    });
    match ended {
        Ok(code) => Outcome {
            text: String::new(),
            code,
        },
        Err(why) => Outcome {
            text: fault_line(&why, style),
            code: 1,
        },
    }
}

/// Asks the supervisor for an upgrade and waits until the new worker serves, or does not.
pub fn upgrade(options: &LoadOptions, style: Style) -> Outcome {
    // A configuration with faults is for the new worker to refuse; here it only names the place.
    let config = load(options);
    let directories = directories(options, config.as_ref().ok());
    let (text, code) = match (supervise::ask_for_upgrade(&directories), config) {
        (Some(Ok(answer)), _) if answer.ok => {
            (format!("{} {}\n", style.green("✓"), answer.text), 0)
        }
        (Some(Ok(answer)), _) => (
            format!(
                "{}\nnothing has changed: what served before serves on\n",
                fault_line(&answer.text, style).trim_end()
            ),
            1,
        ),
        (Some(Err(error)), _) => (fault_line(&error.to_string(), style), 1),
        (None, Err(faults)) => (faults_text(&faults, style), 1),
        (None, Ok(_)) => (no_supervisor(&directories, style), 1),
    };
    Outcome { text, code }
}

fn no_supervisor(directories: &[PathBuf], style: Style) -> String {
    let places: Vec<String> = directories
        .iter()
        .map(|it| it.display().to_string())
        .collect();
    let why = format!(
        "no supervisor listens in {}; start one with `pointsman run --supervise`, or name its settings.runtime_dir",
        places.join(" or ")
    );
    fault_line(&why, style)
}

/// Faults of the configuration have their own sign already.
fn fault_line(why: &str, style: Style) -> String {
    if why.starts_with('✗') {
        format!("{why}\n")
    } else {
        format!("{} {why}\n", style.red("✗"))
    }
}

fn directories(options: &LoadOptions, config: Option<&Config>) -> Vec<PathBuf> {
    let configured = config.and_then(|it| it.settings.runtime_dir.as_deref());
    candidates(configured, options.env.filled("XDG_RUNTIME_DIR"))
}

/// What a worker is told besides its environment. The file is named: one that is gone for a moment must not turn the
/// next worker over to another one, or to the keys of the environment.
fn worker_arguments(options: &LoadOptions, config: &Config) -> Vec<OsString> {
    let mut arguments: Vec<OsString> = vec!["worker".into()];
    if let Source::File(file) = &config.source {
        arguments.extend(["--config".into(), file.into()]);
    }
    if let Some(host) = &options.host {
        arguments.extend(["--host".into(), host.into()]);
    }
    if let Some(port) = options.port {
        arguments.extend(["--port".into(), port.to_string().into()]);
    }
    if options.no_env_file {
        arguments.push("--no-env-file".into());
    }
    arguments
}
