//! `pointsman schema`: the JSON Schema of the configuration, for editors.

use crate::cli::output::Outcome;
use crate::config;

/// The schema, indented.
pub fn run() -> Outcome {
    Outcome {
        text: format!("{:#}\n", config::schema()),
        code: 0,
    }
}
