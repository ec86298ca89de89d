//! `pointsman serve`: load, say what is served and where, serve.

use super::banner;
use super::check::faults_text;
use super::output::{Outcome, Style, print};
use crate::config::{LoadOptions, load};
use crate::runtime;

/// Serves until a signal ends it. Returns early, with code 1, when it cannot.
pub fn run(options: LoadOptions, style: Style) -> Outcome {
    let config = match load(&options) {
        Ok(config) => config,
        Err(faults) => {
            return Outcome {
                text: faults_text(&faults, style),
                code: 1,
            };
        }
    };
    let prepared = match runtime::prepare(config, options) {
        Ok(prepared) => prepared,
        Err(error) => {
            return Outcome {
                text: format!("{} {error:#}\n", style.red("✗")),
                code: 1,
            };
        }
    };
    let style = match prepared.snapshot.config.settings.log.color {
        Some(false) => Style::PLAIN,
        Some(true) | None => style,
    };
    // A closed standard output is no reason not to serve.
    let _ = print(&banner::text(&prepared, style));
    prepared.run();
    Outcome {
        text: String::new(),
        code: 0,
    }
}
