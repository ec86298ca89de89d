//! `pointsman providers`: how the providers of the running process fare, as a table, again and again with `--watch`, or as
//! the JSON of `GET /providers`.

use std::io::IsTerminal;
use std::thread;
use std::time::Duration;

use clap::Args;
use serde_json::{Value, json};

use super::ask::{Question, ask, listeners};
use super::output::{Outcome, Style, columns, print, print_error};
use crate::config::{LoadOptions, Surface, load};
use crate::types::Secret;

/// Longest answer that is read.
const MAX_ANSWER_BYTES: u64 = 16 << 20;
/// Longest reason that is shown, in characters.
const MAX_REASON: usize = 60;

/// How it is shown.
#[derive(Debug, Args)]
pub struct Providers {
    /// As JSON, as GET /providers has it; with --watch one object on each line
    #[arg(long)]
    json: bool,
    /// Again and again, every so many seconds (2 when none are given), until interrupted
    #[arg(long, short, value_name = "SECONDS", num_args = 0..=1, default_missing_value = "2")]
    watch: Option<f64>,
}

/// Asks; code 0 when all providers that are on are well, 1 when one is not, 2 when nobody answers.
pub fn run(args: &Providers, options: &LoadOptions, style: Style) -> Outcome {
    let Some(seconds) = args.watch else {
        return match asked(options) {
            Ok(value) => Outcome {
                text: shown(&value, args.json, style),
                code: u8::from(!is_well(&value)),
            },
            Err(why) => failed(&why, args.json, style),
        };
    };
    // A terminal is drawn over; a file gets one table after another.
    let redraw = std::io::stdout().is_terminal() && !args.json;
    let pause = Duration::try_from_secs_f64(seconds.max(0.1)).unwrap_or(Duration::from_secs(2));
    loop {
        let text = match asked(options) {
            Ok(value) if args.json => format!("{value}\n"),
            Ok(value) => shown(&value, false, style),
            Err(why) if args.json => format!("{}\n", json!({"ok": false, "message": why})),
            Err(why) => format!("{} {why}\n", style.red("✗")),
        };
        if print(&drawn(&text, redraw)).is_err() {
            return Outcome {
                text: String::new(),
                code: 1,
            };
        }
        thread::sleep(pause);
    }
}

fn failed(why: &str, as_json: bool, style: Style) -> Outcome {
    let text = if as_json {
        format!("{:#}\n", json!({"ok": false, "message": why}))
    } else {
        print_error(&format!("{} {why}\n", style.red("✗")));
        String::new()
    };
    Outcome { text, code: 2 }
}

/// Over what stood there before, without a flicker: each line to its end, and then whatever is below.
fn drawn(text: &str, redraw: bool) -> String {
    if redraw {
        format!("\x1b[H{}\x1b[J", text.replace('\n', "\x1b[K\n"))
    } else {
        format!("{text}\n")
    }
}

fn asked(options: &LoadOptions) -> Result<Value, String> {
    let key: Option<Secret> = load(options).ok().and_then(|it| it.admin.key);
    let question = Question {
        path: "/providers",
        key: key.as_ref(),
        limit: MAX_ANSWER_BYTES,
    };
    let mut why = String::new();
    for listener in listeners(options) {
        if matches!(listener.surface, Surface::Traffic) {
            continue;
        }
        let place = listener.address.to_string();
        let this = match ask(&listener, &question) {
            Ok(answer) if answer.status == 200 => match serde_json::from_str(&answer.body) {
                Ok(value) => return Ok(value),
                Err(_) => format!("{place} does not answer like pointsman"),
            },
            Ok(answer) => match answer.status {
                401 | 403 => {
                    format!("{place} does not let us ask: give admin.key in the configuration")
                }
                status => format!("{place} answers {status} to GET /providers"),
            },
            Err(why) => format!("{why}; is it running, with this configuration?"),
        };
        if why.is_empty() {
            why = this;
        }
    }
    Err(why)
}

fn list(value: &Value) -> &[Value] {
    let list = value.get("providers").and_then(Value::as_array);
    list.map_or(&[], Vec::as_slice)
}

fn is_well(value: &Value) -> bool {
    let is_off = |it: &Value| word(it, "status") == "disabled";
    list(value)
        .iter()
        .all(|it| is_off(it) || it.get("healthy") == Some(&Value::Bool(true)))
}

fn word<'v>(value: &'v Value, key: &str) -> &'v str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}

fn number(value: &Value, key: &str) -> Option<f64> {
    value.get(key).and_then(Value::as_f64)
}

fn shown(value: &Value, as_json: bool, style: Style) -> String {
    if as_json {
        return format!("{value:#}\n");
    }
    let head = [
        "", "provider", "type", "state", "circuit", "served", "failed", "now", "ttft", "keys",
        "why",
    ];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    rows.extend(list(value).iter().map(row));
    let mut text = String::new();
    for (i, line) in columns(&rows).iter().enumerate() {
        let status = i.checked_sub(1).and_then(|it| list(value).get(it));
        let line = match status.map(|it| word(it, "status")) {
            None => style.bold(line),
            Some("healthy") => style.green(line),
            Some("disabled" | "inactive") => style.dim(line),
            Some(_) => style.red(line),
        };
        text.push_str(&line);
        text.push('\n');
    }
    let count = |key: &str| value.get(key).and_then(Value::as_u64).unwrap_or_default();
    text.push_str(&style.dim(&format!(
        "\n{} of {} well, {} routes, strategy {}\n",
        count("healthy_providers"),
        count("total_providers"),
        count("total_model_routes"),
        word(value, "selection_strategy"),
    )));
    text
}

fn row(it: &Value) -> Vec<String> {
    let status = word(it, "status");
    let whole = |key: &str| number(it, key).map_or("-".to_owned(), |it| format!("{it:.0}"));
    let name = match word(it, "account_email") {
        "" => word(it, "name").to_owned(),
        account => format!("{}#{account}", word(it, "name")),
    };
    let keys = it.get("keys").and_then(Value::as_array);
    let keys = keys
        .filter(|it| !it.is_empty())
        .map_or("-".to_owned(), |keys| {
            let usable = keys
                .iter()
                .filter(|it| word(it, "state") == "usable")
                .count();
            format!("{usable}/{}", keys.len())
        });
    let left = number(it, "cooldown_remaining_seconds");
    let left = left.map_or(String::new(), |it| format!(" ({} s)", it.ceil()));
    let why: String = word(it, "reason").chars().take(MAX_REASON).collect();
    vec![
        match status {
            "healthy" => "✓",
            "disabled" | "inactive" => "·",
            _ => "✗",
        }
        .to_owned(),
        name,
        word(it, "type").to_owned(),
        status.to_owned(),
        match word(it, "circuit") {
            "" => "-".to_owned(),
            circuit => circuit.to_owned(),
        },
        whole("served"),
        whole("failed_attempts"),
        whole("in_flight"),
        number(it, "ttft_ms").map_or("-".to_owned(), |it| format!("{it:.0} ms")),
        keys,
        format!("{why}{left}").trim().to_owned(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Value {
        json!({
            "total_providers": 3, "healthy_providers": 1, "total_model_routes": 2, "selection_strategy": "priority",
            "providers": [
                {"name": "a", "account_email": null, "type": "anthropic", "status": "healthy", "healthy": true,
                 "circuit": "closed", "served": 12, "failed_attempts": 0, "in_flight": 1, "ttft_ms": 412.0,
                 "keys": [{"state": "usable"}, {"state": "resting"}], "reason": null},
                {"name": "b", "account_email": "x@y", "type": "openai", "status": "unhealthy", "healthy": false,
                 "circuit": "open", "served": 0, "failed_attempts": 2, "in_flight": 0, "ttft_ms": null,
                 "keys": [], "reason": "circuit open", "cooldown_remaining_seconds": 12.3},
                {"name": "c", "account_email": null, "type": "gemini", "status": "disabled", "healthy": false},
            ],
        })
    }

    #[test]
    fn the_table_says_who_is_well_and_why_not() {
        let text = shown(&sample(), false, Style::PLAIN);
        insta::assert_snapshot!(text);
        assert!(!is_well(&sample()));
    }

    #[test]
    fn a_terminal_is_drawn_over() {
        assert_eq!(drawn("a\nb\n", true), "\x1b[Ha\x1b[K\nb\x1b[K\n\x1b[J");
        assert_eq!(drawn("a\n", false), "a\n\n");
    }
}
