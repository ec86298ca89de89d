//! A configuration that was written anew: read, checked and put in force, or refused while the old one stays.

mod stamp;

use std::sync::Arc;

use parking_lot::Mutex;

use crate::config::{
    Config, ConfigFault, ListenAddress, LoadOptions, Source, Surface, changes, load_with_files,
};
use crate::demo;
use crate::proxy::Reload;
use crate::snapshot::{Live, Snapshot};
use stamp::Stamps;

/// Changes that are told of one reload.
const TOLD: usize = 20;

/// Reads the configuration from where it came from.
pub struct Reloader {
    live: Arc<Live>,
    options: LoadOptions,
    simulated: Option<demo::Addresses>,
    /// Whether other machines reach a listener that serves traffic.
    exposed: bool,
    /// Held while one reads: the last to begin is the last in force.
    turn: Mutex<()>,
    last: Mutex<Last>,
}

/// What the last reading found.
struct Last {
    stamps: Stamps,
    /// Why it was not put in force.
    refused: Option<String>,
}

impl Reloader {
    /// For the process that was started with `options` and serves what `live` holds; `exposed` says whether other
    /// machines reach it.
    pub fn new(
        live: Arc<Live>,
        mut options: LoadOptions,
        simulated: Option<demo::Addresses>,
        exposed: bool,
    ) -> Self {
        // A file that is gone for a moment must not turn the process over to another one, or to the keys of the
        // environment.
        if let Source::File(file) = &live.current().config.source {
            options.config = Some(file.clone());
        }
        let stamps = Stamps::of(&load_with_files(&options).files);
        Reloader {
            live,
            options,
            simulated,
            exposed,
            turn: Mutex::new(()),
            last: Mutex::new(Last {
                stamps,
                refused: None,
            }),
        }
    }

    /// How the files look now, if they do not look as they did when they were read last.
    pub fn changed(&self) -> Option<Stamps> {
        let read = self.last.lock().stamps.clone();
        let now = read.again();
        (now != read).then_some(now)
    }

    fn read(&self) -> Result<Config, String> {
        let before = self.last.lock().stamps.again();
        let loaded = load_with_files(&self.options);
        self.last.lock().stamps = Stamps::of(&loaded.files).with(before);
        let config = loaded.outcome.map_err(|faults| sentence(&faults))?;
        let config = match (&config.source, self.simulated) {
            (Source::Demo, Some(addresses)) => demo::config(addresses, &config),
            _ => config,
        };
        // The file is checked against the address in it, but the listener stays where it is.
        if self.exposed && config.auth.is_open() && !config.auth.open_on_purpose {
            return Err(
                "other machines reach this listener, and the new configuration has no gateway key; set \
                 `auth: {api_key: …}`, or restart (or `pointsman upgrade`) to listen elsewhere"
                    .to_owned(),
            );
        }
        Ok(config)
    }
}

impl Reload for Reloader {
    fn reload(&self) -> Result<Arc<Snapshot>, String> {
        let _turn = self.turn.lock();
        let old = self.live.current();
        let result = self
            .read()
            .and_then(|config| self.live.replace(config).map_err(|error| error.to_string()));
        match &result {
            Ok(new) => {
                log::info!(
                    "configuration reloaded: {} providers, generation {}",
                    new.config.providers.len(),
                    new.generation
                );
                tell_changes(&old.config, &new.config);
                tell_news(&old.config, &new.config);
            }
            Err(why) => {
                log::error!("configuration not reloaded, the old one stays in force: {why}");
            }
        }
        self.last.lock().refused = result.as_ref().err().cloned();
        result
    }

    fn refused(&self) -> Option<String> {
        self.last.lock().refused.clone()
    }
}

fn tell_changes(old: &Config, new: &Config) {
    let all = changes(old, new);
    for change in all.iter().take(TOLD) {
        log::info!("configuration: {change}");
    }
    if TOLD < all.len() {
        log::info!("configuration: and {} more changes", all.len() - TOLD);
    }
}

/// Warnings that the last configuration did not cause, and what a reload cannot change.
fn tell_news(old: &Config, new: &Config) {
    for note in new.notes.iter().filter(|it| !old.notes.contains(it)) {
        if note.warning {
            log::warn!("{}: {}", note.path, note.text);
        } else {
            log::info!("{}: {}", note.path, note.text);
        }
    }
    let kept = needs_restart(old, new);
    if !kept.is_empty() {
        log::warn!("restart or upgrade to change {}", kept.join(", "));
    }
}

/// The keys whose new values take effect with a restart only.
fn needs_restart(old: &Config, new: &Config) -> Vec<&'static str> {
    let (a, b) = (&old.settings, &new.settings);
    [
        ("settings.host", a.host != b.host),
        ("settings.port", a.port != b.port),
        (
            "settings.proxy_protocol",
            a.proxy_protocol != b.proxy_protocol,
        ),
        ("settings.threads", a.threads != b.threads),
        ("settings.core_dumps", a.core_dumps != b.core_dumps),
        ("settings.log_level", a.log.level != b.log.level),
        ("settings.log_color", a.log.color != b.log.color),
        ("settings.log_file_path", a.log.file != b.log.file),
        ("settings.log_format", a.log.json != b.log.json),
        (
            "settings.access_log.format",
            a.access_log.json != b.access_log.json,
        ),
        ("admin.listen", old.admin.listen != new.admin.listen),
        ("listeners", listed(old) != listed(new)),
    ]
    .into_iter()
    .filter_map(|(key, differs)| differs.then_some(key))
    .collect()
}

/// What only a restart changes about listeners: certificates and HTTP versions are those in force.
fn listed(config: &Config) -> Vec<(&ListenAddress, Surface, bool)> {
    let all = config.listeners.iter();
    let listed = all.filter(|it| it.name.starts_with("listeners"));
    listed
        .map(|it| (&it.address, it.surface, it.proxy_protocol))
        .collect()
}

fn sentence(faults: &[ConfigFault]) -> String {
    faults
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Env, load};

    const FILE: &str =
        "providers: [{name: a, base_url: 'https://a.b', auth_value: sk-0123456789}]\n";

    #[test]
    fn a_file_that_is_gone_is_not_replaced_by_what_else_there_is() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("config.yaml");
        std::fs::write(&file, FILE).unwrap();
        let mut options = LoadOptions::new(Env::from([("ANTHROPIC_API_KEY", "sk-9876543210")]));
        options.dir = dir.path().to_owned();
        let live = Arc::new(Live::new(load(&options).unwrap()).unwrap());
        let reloader = Reloader::new(Arc::clone(&live), options, None, false);
        assert!(reloader.reload().is_ok());

        std::fs::rename(&file, dir.path().join("providers.yaml")).unwrap();
        let why = reloader.reload().err().unwrap();
        assert!(why.contains("config.yaml: does not exist"), "{why}");
        std::fs::remove_file(dir.path().join("providers.yaml")).unwrap();
        let why = reloader.reload().err().unwrap();
        assert!(why.contains("config.yaml: does not exist"), "{why}");
        assert_eq!(live.current().config.providers[0].name, "a");
    }

    #[test]
    fn keys_that_wait_for_a_restart_are_named() {
        let config = |text: &str| {
            let options = LoadOptions::new(Env::default());
            let text = format!("{FILE}{text}");
            crate::config::from_text("c.yaml", &text, std::path::Path::new("."), &options).unwrap()
        };
        let old = config("settings: {port: 1}\n");
        assert_eq!(needs_restart(&old, &old), Vec::<&str>::new());
        let new = config("settings: {port: 2, threads: 1}\nadmin: {listen: '127.0.0.1:3'}\n");
        assert_eq!(
            needs_restart(&old, &new),
            ["settings.port", "settings.threads", "admin.listen"]
        );
    }
}
