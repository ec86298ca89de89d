//! `pointsman run`: load, say what is served and where, serve. And the same as a worker of a supervisor.

use std::sync::Arc;

use super::banner;
use super::check::faults_text;
use super::memory;
use super::output::{Outcome, Style, print};
use crate::config::{LoadOptions, load};
use crate::runtime;
use crate::supervise::Post;

/// Serves until a signal ends it. Returns early, with code 1, when it cannot.
pub fn run(options: LoadOptions, style: Style) -> Outcome {
    match serve(options, style, None) {
        Ok(()) => Outcome {
            text: String::new(),
            code: 0,
        },
        Err(text) => Outcome { text, code: 1 },
    }
}

/// The same for the supervisor at standard input, which is told when it cannot.
pub fn run_as_worker(options: LoadOptions, style: Style) -> Outcome {
    let post = match Post::at_stdin() {
        Ok(post) => Arc::new(post),
        Err(_) => {
            return Outcome {
                text: "this command is for the supervisor; write `pointsman run --supervise`\n"
                    .to_owned(),
                code: 2,
            };
        }
    };
    match serve(options, style, Some(&post)) {
        Ok(()) => Outcome {
            text: String::new(),
            code: 0,
        },
        Err(why) => Outcome {
            text: if post.fail(why.trim_end()) {
                String::new()
            } else {
                why
            },
            code: 1,
        },
    }
}

fn serve(options: LoadOptions, style: Style, post: Option<&Arc<Post>>) -> Result<(), String> {
    // What a worker says of its faults is shown elsewhere.
    let faults_style = if post.is_some() { Style::PLAIN } else { style };
    let config = load(&options).map_err(|faults| faults_text(&faults, faults_style))?;
    memory::unseal_if(config.settings.core_dumps);
    let prepared = runtime::prepare(config, options, post)
        .map_err(|error| format!("{} {error:#}\n", faults_style.red("✗")))?;
    let style = match prepared.snapshot.config.settings.log.color {
        Some(false) => Style::PLAIN,
        Some(true) | None => style,
    };
    let text = banner::text(&prepared, style);
    prepared.run(Box::new(move || {
        // A closed standard output is no reason not to serve.
        let _ = print(&text);
    }));
    Ok(())
}
