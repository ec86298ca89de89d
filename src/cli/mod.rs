//! What people type and read. The only place that prints.

mod ask;
mod banner;
mod change;
pub mod check;
pub mod config;
pub mod connect;
mod diff;
pub mod doctor;
mod files;
mod health;
pub mod import;
pub mod init;
pub mod keys;
pub mod login;
mod memory;
pub mod output;
mod progress;
pub mod providers;
mod questions;
pub mod schema;
mod serve;
pub mod shell;
mod supervise;
pub mod usage;
pub mod words;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

use crate::config::{Env, LoadOptions};
use words::Lang;

/// Keeps AI coding clients running: many providers behind one address.
#[derive(Debug, Parser)]
#[command(name = "pointsman", version, about)]
struct Args {
    /// The configuration; without it $POINTSMAN_CONFIG, ./config.yaml, ./providers.yaml, ./config.json,
    /// ./conf/pointsman.yaml and /etc/pointsman/config.yaml are looked for, then provider keys such as
    /// ANTHROPIC_API_KEY in the environment; without any of them the demo starts
    #[arg(long, short, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Listen on this address instead
    #[arg(long, global = true)]
    host: Option<String>,
    /// Listen on this port instead; 0 takes a free one
    #[arg(long, global = true)]
    port: Option<u16>,
    /// Do not read .env beside the configuration
    #[arg(long, global = true)]
    no_env_file: bool,
    /// Speak this language where it is spoken: the commands below `config`; otherwise that of LANG
    #[arg(long, global = true, value_enum, value_name = "LANG")]
    lang: Option<Lang>,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve; what happens without a command
    #[command(visible_alias = "serve")]
    Run {
        /// Own the listening sockets, and let a worker serve them that can be replaced: see `upgrade`
        #[arg(long)]
        supervise: bool,
    },
    /// Serve two simulated providers, whatever configuration there is
    Demo,
    /// Replace the worker of `run --supervise` by one of the binary and the configuration on disk, without losing a
    /// stream; when that fails, nothing changes
    Upgrade,
    /// Serve the sockets of the supervisor at standard input
    #[command(hide = true)]
    Worker,
    /// Check the configuration and show what it amounts to
    Check {
        /// As JSON
        #[arg(long)]
        json: bool,
        /// With every value that holds
        #[arg(long, short)]
        verbose: bool,
    },
    /// Edit the upstreams of the configuration: their addresses, keys, and which one is asked
    #[command(arg_required_else_help = true)]
    Config {
        /// As JSON
        #[arg(long, global = true)]
        json: bool,
        #[command(subcommand)]
        command: config::Command,
    },
    /// Convert the config.json of the worker proxy into a config.yaml
    Import(import::Import),
    /// Write a configuration after a few questions: finds keys, tries them, and offers to connect Claude Code
    Init(Box<init::Init>),
    /// Make, show and revoke named gateway keys
    Keys {
        #[command(subcommand)]
        command: keys::Command,
    },
    /// Sign an account in by OAuth, for providers of `auth_type: oauth`
    Login(login::LoginArgs),
    /// Point a client at Pointsman by editing its settings, after showing what would change
    Connect {
        #[command(subcommand)]
        client: connect::Client,
    },
    /// Look at everything that can be wrong, each provider and key included, and say what to do
    Doctor(doctor::Doctor),
    /// Show what was used, by key, team, model, provider, day or session
    Usage(usage::Usage),
    /// Show how the providers of the running process fare; the exit code tells whether all are well
    Providers(providers::Providers),
    /// Print the JSON Schema of the configuration, for editors
    Schema,
    /// Ask the process that serves this configuration whether it takes new work; the exit code tells
    Health,
    /// Print the completions of a shell: `pointsman completions bash > /etc/bash_completion.d/pointsman`
    Completions {
        /// bash, zsh, fish, elvish or powershell
        #[arg(value_enum)]
        shell: clap_complete::Shell,
    },
    /// Print the manual page: `pointsman man | man -l -`
    Man(shell::ManArgs),
}

/// Runs the command line.
pub fn run() -> ExitCode {
    memory::seal();
    let env = Env::of_process();
    let args = parsed(&env);
    let lang = Lang::of(args.lang, &env);
    let style = output::Style::of_stdout(env.get("NO_COLOR"));
    let mut options = LoadOptions::new(env);
    options.config = args.config;
    options.host = args.host;
    options.port = args.port;
    options.no_env_file = args.no_env_file;
    let command = args.command.unwrap_or(Command::Run { supervise: false });
    let outcome = match command {
        Command::Run { supervise: false } => serve::run(options, style),
        Command::Demo => {
            options.demo = true;
            serve::run(options, style)
        }
        Command::Run { supervise: true } => supervise::run(&options, style),
        Command::Upgrade => supervise::upgrade(&options, style),
        Command::Worker => serve::run_as_worker(options, style),
        Command::Check { json, verbose } => {
            check::run(&options, check::CheckArgs { json, verbose }, style)
        }
        Command::Config { json, command } => {
            let telling = config::Telling { json, lang, style };
            config::run(command, &options, telling)
        }
        Command::Import(args) => import::run(&args, &options, lang, style),
        Command::Init(args) => init::run(&args, &options, style),
        Command::Keys { command } => keys::run(command, &options, style),
        Command::Login(args) => login::run(&args, &options, style),
        Command::Connect { client } => connect::run(&client, &options, style),
        Command::Doctor(args) => doctor::run(&args, &options, style),
        Command::Usage(usage) => usage::run(&usage, &options, style),
        Command::Providers(args) => providers::run(&args, &options, style),
        Command::Schema => schema::run(),
        Command::Health => health::run(&options),
        Command::Completions { shell } => shell::completions(shell, Args::command()),
        Command::Man(args) => shell::man(&args, Args::command()),
    };
    // What was logged on the way to an early end is told as well.
    log::logger().flush();
    match output::print(&outcome.text) {
        Ok(()) => ExitCode::from(outcome.code),
        Err(_) => ExitCode::FAILURE,
    }
}

/// What was typed; help is in the language that is asked for.
fn parsed(env: &Env) -> Args {
    let mut words = std::env::args_os()
        .map(|it| it.to_string_lossy().into_owned())
        .skip_while(|it| !it.starts_with("--lang"));
    let asked = match words
        .next()
        .as_deref()
        .and_then(|it| it.strip_prefix("--lang"))
    {
        Some("") => words.next(),
        Some(rest) => rest.strip_prefix('=').map(str::to_owned),
        None => None,
    };
    let asked = asked.and_then(|it| clap::ValueEnum::from_str(&it, true).ok());
    let command = config::in_language(Args::command(), Lang::of(asked, env));
    Args::from_arg_matches(&command.get_matches()).unwrap_or_else(|error| error.exit())
}
