//! `pointsman doctor`: looks at everything that can be wrong, from the file to the last token, and says what to do. It
//! changes nothing, but for tokens of accounts that are due to be refreshed; what it calls costs a token a key.

mod clients;
mod keys;
mod listening;
mod machine;
mod port;
mod report;
mod together;
mod ways;

use clap::Args;

use super::output::{Outcome, Style};
use super::progress::Progress;
use crate::config::{Config, LoadOptions, Source, load};
use crate::runtime::{Patient, Trials};
use report::Report;
use together::together;

pub use report::Finding;

/// What is looked at.
#[derive(Debug, Args)]
pub struct Doctor {
    /// Call nobody: without it each key is tried with a call that costs a token
    #[arg(long)]
    no_calls: bool,
    /// As JSON
    #[arg(long)]
    json: bool,
}

/// Looks. Code 0: all works; 1: something does not; 2: the configuration cannot be read, so that the rest was not looked at.
pub fn run(args: &Doctor, options: &LoadOptions, style: Style) -> Outcome {
    let mut report = Report::default();
    let loaded = load(options);
    let code = match loaded {
        Ok(config) => {
            examine(&config, args, options, &mut report);
            u8::from(report.is_broken())
        }
        Err(faults) => {
            let remedy = "put that right; `pointsman check` shows whether it is";
            let fault = |it: &crate::config::ConfigFault| Finding::broken(it.to_string(), remedy);
            report.add("Configuration", faults.iter().map(fault).collect());
            report.add("Environment", machine::environment(options));
            2
        }
    };
    let text = if args.json {
        format!("{:#}\n", report.json())
    } else {
        report.text(style)
    };
    Outcome { text, code }
}

fn examine(config: &Config, args: &Doctor, options: &LoadOptions, report: &mut Report) {
    report.add("Configuration", configuration(config));
    report.add("Listening", listening::all(config));
    if config.source != Source::Demo {
        providers(config, args, options, report);
    }
    report.add("Stores", machine::stores(config, options));
    report.add("Limits", machine::limits(config));
    report.add("Environment", machine::environment(options));
    report.add("Clients", clients::all(config, options));
}

fn configuration(config: &Config) -> Vec<Finding> {
    let active = config.providers.iter().filter(|it| it.is_active()).count();
    let providers = config.providers.len();
    let mut found = vec![match &config.source {
        Source::File(path) => Finding::good(format!(
            "{}: {active} of {providers} providers active",
            path.display()
        )),
        Source::Environment => Finding::good(format!(
            "no file: {active} providers from keys in the environment"
        ))
        .with("`pointsman init` writes a file, in which one can step in for another"),
        Source::Demo => Finding::doubtful(
            "there is neither a configuration nor a provider's key: what starts is the demo",
            "pointsman init",
        ),
    }];
    let notes = config.notes.iter().map(|it| {
        let text = format!("{}: {}", it.path, it.text);
        if it.warning {
            Finding::doubtful(text, "see `pointsman check`")
        } else {
            Finding::note(text)
        }
    });
    found.extend(notes);
    found
}

/// The ways to all providers and their keys, side by side.
fn providers(config: &Config, args: &Doctor, options: &LoadOptions, report: &mut Report) {
    let (trials, runtime) = match begin(config, options) {
        Ok(both) => both,
        Err(why) => {
            let remedy = "see what is said above about the configuration";
            report.add("Providers", vec![Finding::broken(why, remedy)]);
            return;
        }
    };
    let patients = trials.patients();
    let calls: usize = patients.iter().map(|it| it.keys.len()).sum();
    let steps = patients.len() + if args.no_calls { 0 } else { calls };
    let progress = Progress::new("asking providers", steps, !args.json);
    let one = |patient: &Patient| {
        let patient = patient.clone();
        let (trials, progress) = (&trials, &progress);
        let provider = config.providers.iter().find(|it| it.name == patient.name);
        let skips = args.no_calls || provider.is_some_and(keys::is_the_clients);
        async move {
            let steps = trials.way(&patient).await;
            progress.step();
            let arrives = steps.iter().all(|it| it.outcome.is_ok());
            let tried = if arrives && !skips {
                keys::tried(trials, &patient, progress).await
            } else {
                keys::Tries::default()
            };
            (patient, steps, tried)
        }
    };
    let found = runtime.block_on(together(patients.iter().map(one).collect()));
    drop(progress);
    runtime.block_on(trials.settle());
    // Calls that were given up may still resolve names on threads of their own.
    runtime.shutdown_background();
    let mut ways: Vec<Finding> = found
        .iter()
        .flat_map(|(patient, steps, _)| ways::findings(&patient.name, steps))
        .collect();
    ways.extend(ways::skipped(config));
    report.add("Providers", ways);
    let tried = found
        .iter()
        .flat_map(|(patient, _, tries)| keys::findings(config, patient, tries));
    let mut tried: Vec<Finding> = tried.collect();
    if args.no_calls {
        tried.push(Finding::note("no key was tried (--no-calls)"));
    } else if !tried.is_empty() {
        tried.push(Finding::note("each of these calls has cost a token or two"));
    }
    report.add("Keys", tried);
    let clocks: Vec<(String, i64)> = found
        .iter()
        .filter_map(|(patient, _, tries)| Some((patient.name.clone(), tries.ahead?)))
        .collect();
    report.add("Clock", machine::clock(&clocks));
}

/// What calls are made with.
fn begin(
    config: &Config,
    options: &LoadOptions,
) -> Result<(Trials, tokio::runtime::Runtime), String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| error.to_string())?;
    let inside = runtime.enter();
    let trials = Trials::new(config.clone(), options.clone());
    drop(inside);
    Ok((trials.map_err(|error| format!("{error:#}"))?, runtime))
}

/// Tries every key of a configuration, and says what came of it; a way that leads nowhere is told instead.
pub fn try_keys(
    config: &Config,
    options: &LoadOptions,
    shows: bool,
) -> Result<Vec<Finding>, String> {
    let (trials, runtime) = begin(config, options)?;
    let patients = trials.patients();
    let calls = patients.iter().map(|it| it.keys.len()).sum();
    let progress = Progress::new("trying keys", calls, shows);
    let one = |patient: &Patient| {
        let patient = patient.clone();
        let (trials, progress) = (&trials, &progress);
        async move {
            let steps = trials.way(&patient).await;
            if steps.iter().any(|it| it.outcome.is_err()) {
                return ways::findings(&patient.name, &steps);
            }
            let tries = keys::tried(trials, &patient, progress).await;
            keys::findings(config, &patient, &tries)
        }
    };
    let found = runtime.block_on(together(patients.iter().map(one).collect()));
    drop(progress);
    runtime.block_on(trials.settle());
    runtime.shutdown_background();
    Ok(found.into_iter().flatten().collect())
}
