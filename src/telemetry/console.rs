//! Log lines for people: time, level, sentence, `key=value`.

use std::fmt::Write;

use log::Level;
use serde_json::Value as Json;

use crate::telemetry::access_line::ACCESS_TARGET;
use crate::telemetry::line::Line;
use crate::telemetry::timestamp::rfc3339;

const DIM: &str = "\x1b[2m";
const RESET: &str = "\x1b[0m";

/// One line, its line feed included.
pub(super) fn render(line: &Line, color: bool) -> String {
    let paint = |text: &str, with: &str| {
        if color {
            format!("{with}{text}{RESET}")
        } else {
            text.to_owned()
        }
    };
    let time = rfc3339(line.time);
    let level = paint(&format!("{:<5}", line.level.as_str()), color_of(line.level));
    let mut out = format!("{} {level} ", paint(&time, DIM));
    // Our own sentences need no address; a library's do.
    if line.target != ACCESS_TARGET && !is_ours(&line.target) {
        out.push_str(&paint(&escape(&line.target), DIM));
        out.push(' ');
    }
    out.push_str(&escape(&line.message));
    // The access line is written for people already; its fields would say everything twice.
    if line.target != ACCESS_TARGET {
        for (key, value) in &line.fields {
            let key = paint(&format!("{}=", escape(key)), DIM);
            let _ = write!(out, " {key}{}", value_text(value));
        }
    }
    out.push('\n');
    out
}

fn is_ours(target: &str) -> bool {
    let own = env!("CARGO_PKG_NAME");
    target
        .strip_prefix(own)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

fn color_of(level: Level) -> &'static str {
    match level {
        Level::Error => "\x1b[31m",
        Level::Warn => "\x1b[33m",
        Level::Info => "\x1b[32m",
        Level::Debug | Level::Trace => "\x1b[36m",
    }
}

/// Strings are quoted where they would not end visibly.
fn value_text(value: &Json) -> String {
    let Json::String(text) = value else {
        return escape(&value.to_string());
    };
    let is_plain = |c: char| !c.is_whitespace() && c != '"' && c != '=';
    if !text.is_empty() && text.chars().all(is_plain) {
        return escape(text);
    }
    let quoted = text.replace('\\', "\\\\").replace('"', "\\\"");
    format!("\"{}\"", escape(&quoted))
}

/// Makes visible whatever could end the line, move the cursor or turn the text around.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c.is_control() || is_layout(c) => {
                let _ = write!(out, "\\u{{{:x}}}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out
}

/// Line and paragraph separators, and the marks that reverse the direction of what follows.
fn is_layout(c: char) -> bool {
    matches!(c, '\u{2028}' | '\u{2029}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}
