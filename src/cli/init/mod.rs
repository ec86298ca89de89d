//! `pointsman init`: from an empty directory to a client that is answered. It looks what is there, asks a few questions
//! that Enter answers, tries the keys, and writes a configuration that explains itself. The same without a terminal, where
//! options say what differs from what was found.

mod choose;
mod env_file;
mod found;
mod plan;
mod taken_over;

use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::{Value, json};

use super::check::faults_text;
use super::connect;
use super::doctor;
use super::files;
use super::output::{Outcome, Style};
use super::questions::{Ask, Defaults, Stopped, Terminal};
use crate::access::NewKey;
use crate::config::{Config, LoadOptions, from_text, load};
use crate::types::Secret;
use found::{FoundKey, Variables};

/// What would otherwise be asked.
#[derive(Debug, Default, Args)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a switch of the command line by itself"
)]
pub struct Init {
    /// Ask nothing: take what is found, and what the other options say
    #[arg(long, short)]
    yes: bool,
    /// Who answers, best first: names of vendors (anthropic, openrouter, deepseek …), or NAME=URL for any other address
    #[arg(long, value_name = "NAME[=URL]", value_delimiter = ',')]
    provider: Vec<String>,
    /// What providers with an address of their own speak: anthropic, openai, openai-responses or gemini
    #[arg(long, value_name = "TYPE", default_value = "anthropic")]
    r#type: String,
    /// Who answers for Claude's models when the first one cannot, best first; your source code goes there then
    #[arg(long, value_name = "NAME=MODEL", value_delimiter = ',')]
    fallback: Vec<String>,
    /// Have clients show a key, which is made; what every address but this machine's own needs
    #[arg(long)]
    gateway_key: bool,
    /// Copy the keys that are found in the environment into .env, so that any shell and any service finds them
    #[arg(long)]
    save_keys: bool,
    /// Leave configurations of the old systems alone
    #[arg(long)]
    fresh: bool,
    /// Replace a configuration that is there; it is kept as FILE.bak
    #[arg(long)]
    force: bool,
    /// Do not try the keys, which costs a token each
    #[arg(long)]
    offline: bool,
    /// Connect Claude Code as well
    #[arg(long)]
    connect: bool,
    /// Say what was done as JSON; needs --yes
    #[arg(long, requires = "yes")]
    json: bool,
}

/// Why nothing was written.
enum End {
    /// The person has ended it.
    Stopped,
    /// It cannot be done.
    Failed(String),
}

impl From<Stopped> for End {
    fn from(_: Stopped) -> Self {
        End::Stopped
    }
}

impl From<String> for End {
    fn from(why: String) -> Self {
        End::Failed(why)
    }
}

/// What is to be written.
struct Draft {
    /// The configuration.
    yaml: String,
    /// What goes into `.env`.
    saved: Vec<(String, Secret)>,
    /// Where each key comes from, for reports.
    keys: Vec<FoundKey>,
    /// Which file of an old system it comes from.
    taken_over: Option<PathBuf>,
}

/// What was done.
struct Done {
    file: PathBuf,
    env_file: Option<PathBuf>,
    config: Config,
    tried: Vec<Value>,
    connected: bool,
    draft: Draft,
}

/// Does it. Code 0: written; 1: not written; 2: there is nobody to ask.
pub fn run(args: &Init, options: &LoadOptions, style: Style) -> Outcome {
    let terminal = Terminal::open().filter(|_| !args.yes);
    let mut nobody = Defaults::default();
    if terminal.is_none() && !args.yes {
        let text = "there is no terminal to ask at; add --yes to take what is found, and see `pointsman init --help`";
        return Outcome {
            text: format!("{} {text}\n", style.red("✗")),
            code: 2,
        };
    }
    let mut terminal = terminal;
    let ask: &mut dyn Ask = match &mut terminal {
        Some(terminal) => terminal,
        None => &mut nobody,
    };
    let mut session = Session {
        args,
        options,
        style,
        ask,
    };
    let ended = session.run();
    let said = std::mem::take(&mut nobody.said);
    match ended {
        Ok(done) if args.json => Outcome {
            text: format!("{:#}\n", done.json()),
            code: 0,
        },
        Ok(_) => Outcome {
            text: said,
            code: 0,
        },
        Err(End::Stopped) => Outcome {
            text: format!("{said}\nnothing was written\n"),
            code: 1,
        },
        Err(End::Failed(why)) if args.json => Outcome {
            text: format!("{:#}\n", json!({"ok": false, "error": why.trim_end()})),
            code: 1,
        },
        Err(End::Failed(why)) => Outcome {
            text: format!(
                "{said}{} {}\nnothing was written\n",
                style.red("✗"),
                why.trim_end()
            ),
            code: 1,
        },
    }
}

/// One conversation.
struct Session<'a> {
    args: &'a Init,
    options: &'a LoadOptions,
    style: Style,
    ask: &'a mut dyn Ask,
}

impl Session<'_> {
    fn run(&mut self) -> Result<Done, End> {
        let file = self.target()?;
        let dir = file.parent().map(Path::to_owned).unwrap_or_default();
        self.say(&format!(
            "{}\nEnter takes what stands in brackets; Ctrl-C ends it, and nothing is written before the end.\n\n",
            self.style.bold("A configuration for Pointsman")
        ));
        let variables = Variables::of(self.options, &dir)?;
        let draft = match self.take_over(&dir, &file, &variables)? {
            Some(draft) => draft,
            None => self.draw_up(&variables)?,
        };
        let config = self.checked(&draft, &file, &dir, &variables)?;
        let tried = self.try_keys(&config, &draft, &variables)?;
        let env_file = self.write(&file, &dir, &draft)?;
        let options = self.options_for(&file);
        // Once more as it will be read: from the disk.
        let config = load(&options).map_err(|faults| faults_text(&faults, self.style))?;
        let connected = self.connect(&options);
        self.next_steps(&config, &file, connected);
        Ok(Done {
            file,
            env_file,
            config,
            tried,
            connected,
            draft,
        })
    }

    fn say(&mut self, text: &str) {
        self.ask.say(text);
    }

    /// The file to write.
    fn target(&mut self) -> Result<PathBuf, End> {
        let asked = self.options.config.clone();
        let file = asked.unwrap_or_else(|| PathBuf::from("config.yaml"));
        let file = self.options.dir.join(file);
        let file = file.strip_prefix(".").map(Path::to_owned).unwrap_or(file);
        if !file.exists() || self.args.force {
            return Ok(file);
        }
        let shown = file.display();
        if self.args.yes {
            let why = format!(
                "{shown} is there already: `pointsman doctor` looks whether it works; --force replaces it and keeps it as {shown}.bak"
            );
            return Err(End::Failed(why));
        }
        let question = format!("{shown} is there already. Replace it? It is kept as {shown}.bak");
        if self.ask.yes(&question, false)? {
            Ok(file)
        } else {
            Err(End::Stopped)
        }
    }

    /// The configuration that is to be written, if nothing is wrong with it.
    fn checked(
        &mut self,
        draft: &Draft,
        file: &Path,
        dir: &Path,
        variables: &Variables,
    ) -> Result<Config, End> {
        let options = with_saved(self.options, draft, variables);
        let label = file.display().to_string();
        let dir = if dir.as_os_str().is_empty() {
            Path::new(".")
        } else {
            dir
        };
        from_text(&label, &draft.yaml, dir, &options)
            .map_err(|faults| End::Failed(faults_text(&faults, Style::PLAIN)))
    }

    /// Tries each key with a call, if that is wanted, and says what came of it.
    fn try_keys(
        &mut self,
        config: &Config,
        draft: &Draft,
        variables: &Variables,
    ) -> Result<Vec<Value>, End> {
        let wanted = !self.args.offline
            && self
                .ask
                .yes("\nTry each key now? It costs a token or two each", true)?;
        if !wanted {
            return Ok(Vec::new());
        }
        let options = with_saved(self.options, draft, variables);
        let found = doctor::try_keys(config, &options, !self.args.json)?;
        let mut broken = false;
        for finding in &found {
            self.say(&finding.text(self.style));
            broken |= finding.is_broken();
        }
        if broken
            && !self
                .ask
                .yes("Write the configuration all the same?", true)?
        {
            return Err(End::Stopped);
        }
        Ok(found.iter().map(doctor::Finding::json).collect())
    }

    /// Writes it all; the file of keys, if one was written.
    fn write(&mut self, file: &Path, dir: &Path, draft: &Draft) -> Result<Option<PathBuf>, End> {
        let told = |path: &Path, error: std::io::Error| format!("{}: {error}", path.display());
        let env_file = (!draft.saved.is_empty()).then(|| dir.join(".env"));
        if let Some(path) = &env_file {
            let old = files::read(path).map_err(|error| told(path, error))?;
            let new = env_file::with(&old.unwrap_or_default(), &draft.saved)?;
            files::replace_secret(path, &new).map_err(|error| told(path, error))?;
        }
        if let Some(old) = files::read(file).map_err(|error| told(file, error))? {
            let kept = files::beside(file, ".bak");
            files::replace_secret(&kept, &old).map_err(|error| told(&kept, error))?;
        }
        files::replace_secret(file, &draft.yaml).map_err(|error| told(file, error))?;
        let good = self.style.green("✓");
        self.say(&format!(
            "\n{good} {} is written, and passes `pointsman check`\n",
            file.display()
        ));
        if let Some(path) = &env_file {
            let names: Vec<&str> = draft.saved.iter().map(|it| it.0.as_str()).collect();
            let names = names.join(", ");
            self.say(&format!(
                "{good} {} holds {names}; nobody else may read it\n",
                path.display()
            ));
            if is_in_repository(dir) && !is_ignored(dir) {
                self.say("! this is a git repository: add .env to .gitignore, or the keys end up in it\n");
            }
        }
        Ok(env_file)
    }

    fn options_for(&self, file: &Path) -> LoadOptions {
        LoadOptions {
            config: Some(
                file.strip_prefix(&self.options.dir)
                    .unwrap_or(file)
                    .to_owned(),
            ),
            ..self.options.clone()
        }
    }

    fn connect(&mut self, options: &LoadOptions) -> bool {
        if self.args.yes && !self.args.connect {
            return false;
        }
        if !self.args.connect {
            if !connect::has_claude_code(&options.env) {
                return false;
            }
            let question =
                "\nConnect Claude Code? Its settings are changed, what would change is shown first";
            // Everything is written by now: who leaves here has what was asked for.
            if !self.ask.yes(question, true).unwrap_or(false) {
                return false;
            }
        }
        let done = connect::claude_code(options, self.ask, self.args.yes, self.style);
        match done {
            Ok(connected) => connected,
            // The configuration is written: that stays.
            Err(why) => {
                self.say(&format!(
                    "{} Claude Code is not connected: {why}\n",
                    self.style.yellow("!")
                ));
                false
            }
        }
    }

    fn next_steps(&mut self, config: &Config, file: &Path, connected: bool) {
        let address = connect::addresses(config).into_iter().next();
        let address = address.unwrap_or_default();
        let named =
            if file == self.options.dir.join("config.yaml") || file == Path::new("config.yaml") {
                String::new()
            } else {
                format!(" --config {}", file.display())
            };
        let second = if connected {
            "claude                          # in another terminal: it comes here now".to_owned()
        } else {
            format!("pointsman connect claude-code{named}   # or codex; `--undo` takes it back")
        };
        let text = format!(
            "\n{}\n  1. pointsman{named}                       # serves {address}\n  2. {second}\n  \
             3. pointsman doctor{named}                # whenever something does not work\n",
            self.style.bold("Next")
        );
        self.say(&text);
    }
}

/// A new key for clients.
fn new_gateway_key() -> Result<Secret, End> {
    let new = NewKey::random().ok_or("the system has no randomness to give".to_owned())?;
    Ok(new.key)
}

/// The options with what `.env` is going to say.
fn with_saved(options: &LoadOptions, draft: &Draft, variables: &Variables) -> LoadOptions {
    let mut options = options.clone();
    let file = variables
        .file
        .iter()
        .map(|(name, value)| (name.clone(), value.to_string()));
    let saved = draft.saved.iter();
    let saved = saved.map(|(name, secret)| (name.clone(), secret.expose().to_owned()));
    options.env = options.env.over(file.chain(saved).collect());
    options.no_env_file = true;
    options
}

fn is_in_repository(dir: &Path) -> bool {
    let dir = std::fs::canonicalize(dir).unwrap_or_else(|_| dir.to_owned());
    dir.ancestors().any(|it| it.join(".git").exists())
}

/// Whether a line of `.gitignore` here is about `.env`.
fn is_ignored(dir: &Path) -> bool {
    let text = std::fs::read_to_string(dir.join(".gitignore")).unwrap_or_default();
    text.lines()
        .any(|it| matches!(it.trim(), ".env" | "/.env" | ".env*" | "*.env" | "*"))
}

impl Done {
    fn json(&self) -> Value {
        let key = |it: &FoundKey| json!({"variable": it.variable, "found": it.place.word(), "key": it.secret.masked()});
        let keys: Vec<Value> = self.draft.keys.iter().map(key).collect();
        json!({
            "ok": true,
            "file": self.file.display().to_string(),
            "env_file": self.env_file.as_ref().map(|it| it.display().to_string()),
            "taken_over": self.draft.taken_over.as_ref().map(|it| it.display().to_string()),
            "providers": self.config.providers.iter().map(|it| it.id.as_str()).collect::<Vec<_>>(),
            "keys": keys,
            "url": connect::addresses(&self.config).first(),
            "gateway_key": !self.config.auth.is_open(),
            "tried": self.tried,
            "connected": self.connected,
        })
    }
}

#[cfg(test)]
mod tests;
