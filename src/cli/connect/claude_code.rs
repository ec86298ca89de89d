//! Claude Code: `env` of its settings.json. What a settings file says wins over variables of the shell, and a token there
//! over a login; a project's files win over the person's (seen with 2.1.328).

use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::Value;

use super::gateway::{ANYTHING, Gateway};
use super::json;
use super::{Change, Copy, How, Note, read};
use crate::cli::files;
use crate::config::{Env, LoadOptions, masked_address};
use crate::types::Secret;

/// The section of its settings that is its environment.
/// Settings of one person for one project.
const OF_A_PROJECT: &str = ".claude/settings.local.json";
const SECTION: &str = "env";
/// Where it calls.
const URL: &str = "ANTHROPIC_BASE_URL";
/// What it shows there, as a bearer token.
const TOKEN: &str = "ANTHROPIC_AUTH_TOKEN";
/// Variables that send it to a cloud instead, whatever its address.
const CLOUDS: [&str; 3] = [
    "CLAUDE_CODE_USE_BEDROCK",
    "CLAUDE_CODE_USE_VERTEX",
    "CLAUDE_CODE_USE_FOUNDRY",
];
/// Settings that an administrator lays over all others.
const MANAGED: [&str; 2] = [
    "/etc/claude-code/managed-settings.json",
    "/Library/Application Support/ClaudeCode/managed-settings.json",
];

/// Which of its files.
#[derive(Debug, Default, Args)]
pub struct ClaudeCode {
    /// Only for the project in this directory: .claude/settings.local.json, which is not to be committed
    #[arg(long)]
    project: bool,
    #[command(flatten)]
    pub(super) how: How,
}

impl ClaudeCode {
    #[cfg(test)]
    pub(super) fn with(how: How) -> Self {
        ClaudeCode {
            project: false,
            how,
        }
    }

    /// The file of settings to change.
    pub(super) fn file(&self, options: &LoadOptions) -> Result<PathBuf, String> {
        if self.project {
            return Ok(options.dir.join(OF_A_PROJECT));
        }
        let home = home(&options.env).ok_or("neither HOME nor CLAUDE_CONFIG_DIR is set")?;
        Ok(home.join("settings.json"))
    }
}

/// Where it keeps its things.
fn home(env: &Env) -> Option<PathBuf> {
    let asked = env.filled("CLAUDE_CONFIG_DIR").map(PathBuf::from);
    asked.or_else(|| Some(Path::new(env.filled("HOME")?).join(".claude")))
}

/// Whether this person uses it: it has been started, or can be.
pub fn is_there(env: &Env) -> bool {
    let paths = env.get("PATH").map(std::env::split_paths);
    let found = paths.is_some_and(|mut it| it.any(|dir| dir.join("claude").is_file()));
    found || home(env).is_some_and(|it| it.is_dir())
}

/// What a file of its settings says of where it calls.
#[derive(Debug)]
pub struct Settings {
    /// The file.
    pub file: PathBuf,
    /// Where it calls.
    pub url: Option<String>,
    /// What it shows there.
    pub token: Option<Secret>,
}

impl Settings {
    /// The file that decides, of those that a Claude Code started in `dir` reads; `None` where it has never been.
    pub fn in_force(env: &Env, dir: &Path) -> Option<Settings> {
        let own = home(env)?;
        let files = [
            dir.join(OF_A_PROJECT),
            dir.join(".claude/settings.json"),
            own.join("settings.json"),
        ];
        let managed = MANAGED.iter().map(PathBuf::from);
        let all: Vec<Settings> = managed.chain(files).filter_map(Settings::read).collect();
        let decides = all.iter().position(|it| it.url.is_some());
        let token = all.iter().find_map(|it| it.token.clone());
        let mut all = all;
        match decides {
            Some(i) => {
                let mut found = all.swap_remove(i);
                found.token = token;
                Some(found)
            }
            None => own.is_dir().then(|| Settings {
                file: own.join("settings.json"),
                url: None,
                token: None,
            }),
        }
    }

    fn read(file: PathBuf) -> Option<Settings> {
        let text = files::read(&file).ok().flatten()?;
        Some(Settings {
            url: json::get(&text, SECTION, URL),
            token: json::get(&text, SECTION, TOKEN).map(Secret::new),
            file,
        })
    }
}

/// The change that points it at `gateway`.
pub(super) fn connect(
    file: PathBuf,
    gateway: &Gateway,
    options: &LoadOptions,
) -> Result<Change, String> {
    let (old, kept) = read(&file)?;
    let text = old.clone().unwrap_or_default();
    let new = with(&text, gateway).map_err(|error| format!("{} {error}", file.display()))?;
    // A copy that is there is of the time before; taking back is what removes it.
    let is_kept = kept.is_some();
    let mut notes = rivals(&file, &new, gateway, options);
    if gateway.key.is_some() && files::is_read_by_others(&file) {
        notes.push(Note {
            wins: false,
            text: format!(
                "others on this machine may read {}, which will hold a gateway key; chmod 600 keeps it to yourself",
                file.display()
            ),
        });
    }
    if gateway.key.is_some() && file.ends_with(OF_A_PROJECT) {
        notes.push(Note {
            wins: false,
            text: format!(
                "keep {OF_A_PROJECT}* out of the repository: it holds the key now, and so may the copy beside it"
            ),
        });
    }
    Ok(Change {
        file,
        old,
        new: Some(new),
        copy: if is_kept { Copy::Stay } else { Copy::Make },
        notes,
        next: vec![
            "start `claude` anew; /status there shows the address".to_owned(),
            "back again: pointsman connect claude-code --undo".to_owned(),
        ],
    })
}

fn with(text: &str, gateway: &Gateway) -> Result<String, json::JsonError> {
    let token = gateway.key.as_ref().map_or(ANYTHING, Secret::expose);
    let text = json::set(text, SECTION, URL, &gateway.url)?;
    json::set(&text, SECTION, TOKEN, token)
}

/// The change that takes it back: to the bytes of before where nothing else has changed since, else to the two values of
/// before.
pub(super) fn undo(file: PathBuf) -> Result<Change, String> {
    let (old, kept) = read(&file)?;
    let broken = |error: json::JsonError| format!("{} {error}", file.display());
    let text = old.clone().unwrap_or_default();
    let url = json::get(&text, SECTION, URL);
    if old.is_none() {
        return Err(format!(
            "there is no {}: nothing to take back",
            file.display()
        ));
    }
    if kept.is_none() && !url.as_deref().is_some_and(is_here) {
        let now = url.map_or_else(
            || "it sets no address".to_owned(),
            |url| format!("its address is {}", masked_address(&url)),
        );
        return Err(format!(
            "{} is not connected to a Pointsman of this machine ({now}), and there is no copy of how it was before",
            file.display()
        ));
    }
    let mut new = text.clone();
    for name in [URL, TOKEN] {
        let before = kept.as_deref().and_then(|it| json::get(it, SECTION, name));
        new = match before {
            Some(before) => json::set(&new, SECTION, name, &before),
            None => json::remove(&new, SECTION, name),
        }
        .map_err(broken)?;
    }
    let new = match kept {
        Some(kept) if same(&kept, &new) => Some(kept),
        None if same("{}", &new) => None,
        Some(_) | None => Some(new),
    };
    Ok(Change {
        file,
        old,
        new,
        copy: Copy::Drop,
        notes: Vec::new(),
        next: Vec::new(),
    })
}

/// Whether two files say the same.
fn same(one: &str, other: &str) -> bool {
    let value = |text: &str| serde_json::from_str::<Value>(text.trim_start_matches('\u{feff}'));
    match (value(one), value(other)) {
        (Ok(one), Ok(other)) => one == other,
        _ => one == other,
    }
}

/// Whether an address is on this machine.
fn is_here(url: &str) -> bool {
    let host = url.split("://").nth(1).unwrap_or_default();
    ["127.", "localhost", "[::1]"]
        .iter()
        .any(|it| host.starts_with(it))
}

/// What else the client would listen to, with the new settings in place.
fn rivals(file: &Path, new: &str, gateway: &Gateway, options: &LoadOptions) -> Vec<Note> {
    let mut notes = Vec::new();
    let mut note = |wins: bool, text: String| notes.push(Note { wins, text });
    let higher = MANAGED.iter().map(PathBuf::from).chain([
        options.dir.join(OF_A_PROJECT),
        options.dir.join(".claude/settings.json"),
    ]);
    // Those behind it in this list win over nothing.
    for other in higher.take_while(|it| files::real(it) != files::real(file)) {
        let Some(text) = files::read(&other).ok().flatten() else {
            continue;
        };
        for (name, value) in [(URL, Some(gateway.url.as_str())), (TOKEN, None)] {
            let set = json::get(&text, SECTION, name);
            if set.is_some() && set.as_deref() != value {
                note(
                    true,
                    format!(
                        "{} sets {name}, which wins there; take it out",
                        other.display()
                    ),
                );
            }
        }
    }
    for cloud in CLOUDS {
        let on = |it: Option<&str>| it.is_some_and(|it| !matches!(it, "" | "0" | "false"));
        let in_file = json::get(new, SECTION, cloud);
        if on(in_file.as_deref()) {
            note(
                true,
                format!(
                    "{} sets {cloud}, which sends Claude Code to that cloud whatever its address; take it out",
                    file.display()
                ),
            );
        } else if on(options.env.get(cloud)) {
            note(
                true,
                format!(
                    "{cloud} is set in this shell and sends Claude Code to that cloud whatever its address; unset it"
                ),
            );
        }
    }
    let settings: Value =
        serde_json::from_str(new.trim_start_matches('\u{feff}')).unwrap_or_default();
    if settings.get("apiKeyHelper").is_some() {
        note(false, "apiKeyHelper stays: Claude Code shows its key as well, which Pointsman does not need and passes on to nobody".to_owned());
    }
    let key = "ANTHROPIC_API_KEY";
    if json::get(new, SECTION, key).is_some() || options.env.filled(key).is_some() {
        note(
            false,
            format!(
                "{key} is set: Claude Code shows it as well, and in a terminal asks once whether to; it does no harm here"
            ),
        );
    }
    let signed_in = home(&options.env).is_some_and(|it| it.join(".credentials.json").is_file());
    if signed_in {
        note(
            false,
            "the login with claude.ai stays, and is not used while the token is set".to_owned(),
        );
    }
    notes
}
