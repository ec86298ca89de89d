//! A configuration that was written anew: read, checked and put in force, or refused while the old one stays.

use std::sync::Arc;

use crate::config::{ConfigFault, LoadOptions, Source, load};
use crate::demo;
use crate::proxy::Reload;
use crate::snapshot::{Live, Snapshot};

/// Reads the configuration from where it came from.
pub struct Reloader {
    live: Arc<Live>,
    options: LoadOptions,
    simulated: Option<demo::Addresses>,
}

impl Reloader {
    /// For the process that was started with `options`.
    pub fn new(live: Arc<Live>, options: LoadOptions, simulated: Option<demo::Addresses>) -> Self {
        Reloader {
            live,
            options,
            simulated,
        }
    }
}

impl Reload for Reloader {
    fn reload(&self) -> Result<Arc<Snapshot>, String> {
        let result = load(&self.options)
            .map_err(|faults| sentence(&faults))
            .map(|config| match (&config.source, self.simulated) {
                (Source::Demo, Some(addresses)) => demo::config(addresses, &config),
                _ => config,
            })
            .and_then(|config| self.live.replace(config).map_err(|error| error.to_string()));
        match &result {
            Ok(snapshot) => {
                let settings = &snapshot.config.settings;
                log::info!(
                    "configuration reloaded: {} providers",
                    snapshot.config.providers.len()
                );
                log::debug!(
                    "host {} and port {} change with a restart only",
                    settings.host,
                    settings.port
                );
            }
            Err(why) => {
                log::error!("configuration not reloaded, the old one stays in force: {why}");
            }
        }
        result
    }
}

fn sentence(faults: &[ConfigFault]) -> String {
    faults
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join("; ")
}
