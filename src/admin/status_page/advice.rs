//! What to try next, for whoever looks at the page.

use super::recent::Recent;
use super::words::{Mood, Standing, label};
use crate::config::{Config, Source};

/// One piece of advice.
#[derive(Debug, PartialEq, Eq)]
pub struct Advice {
    /// What it is about.
    pub about: String,
    /// Whether something is wrong.
    pub is_a_worry: bool,
    /// What to do.
    pub texts: Vec<String>,
    /// What to type.
    pub commands: Vec<String>,
}

/// What there is to do; `address` is where this page was asked for.
pub fn advice(
    config: &Config,
    standings: &[Standing],
    recent: &Recent,
    refused: Option<&str>,
    address: &str,
) -> Vec<Advice> {
    let mut all = Vec::new();
    if let Some(why) = refused {
        all.push(Advice {
            about: "The configuration on disk is not in force".to_owned(),
            is_a_worry: true,
            texts: vec![
                why.to_owned(),
                "What was in force before goes on serving. This tells all that is wrong with it:"
                    .to_owned(),
            ],
            commands: vec!["pointsman check".to_owned()],
        });
    }
    all.extend(standings.iter().filter_map(of_provider));
    let nothing_served = recent.served.is_empty();
    if recent.requests == 0 || (nothing_served && all.is_empty()) {
        all.push(first_steps(config, address));
    }
    all
}

fn first_steps(config: &Config, address: &str) -> Advice {
    let key = if config.auth.is_open() {
        "demo"
    } else {
        "<gateway key>"
    };
    let text = match config.source {
        Source::Demo => {
            "These are two simulated providers, one of which fails every third call. Point a client here, or ask by hand:"
        }
        Source::File(_) | Source::Environment => "Point a client here, or ask by hand:",
    };
    let header = if config.auth.is_open() {
        String::new()
    } else {
        format!(" -H 'x-api-key: {key}'")
    };
    let body = r#"{"model":"claude-sonnet-5","max_tokens":100,"messages":[{"role":"user","content":"hello"}]}"#;
    Advice {
        about: "Nothing has been asked yet".to_owned(),
        is_a_worry: false,
        texts: vec![text.to_owned()],
        commands: vec![
            format!("ANTHROPIC_BASE_URL={address} ANTHROPIC_AUTH_TOKEN='{key}' claude"),
            format!("OPENAI_BASE_URL={address}/v1 OPENAI_API_KEY='{key}' python your_program.py"),
            format!(
                "curl {address}/v1/messages -H 'content-type: application/json'{header} -d '{body}'"
            ),
        ],
    }
}

fn of_provider(it: &Standing) -> Option<Advice> {
    if !matches!(it.mood, Mood::Down | Mood::Resting) {
        return None;
    }
    let error = it.error.as_ref().map_or("", |(_, what)| label(what));
    let (text, command) = match error {
        _ if it.is_locked_out => (
            "Its keys were refused. Put a good one into the configuration; a reload takes it up."
                .to_owned(),
            "pointsman check",
        ),
        "egress_proxy" => (
            format!(
                "The proxy on its way{} does not let requests through. Ask whoever runs it, or change `proxy`.",
                it.proxy
                    .as_ref()
                    .map(|it| format!(" ({it})"))
                    .unwrap_or_default()
            ),
            "pointsman check",
        ),
        "upstream_unreachable" | "connect_timeout" => (
            "It cannot be reached. Is its address right, and may this machine call it?".to_owned(),
            "pointsman check",
        ),
        "upstream_credit" => (
            "An account there has no credit left. Top it up, or add another key.".to_owned(),
            "",
        ),
        "upstream_auth" => (
            "It refuses a key. Put a good one into the configuration; a reload takes it up."
                .to_owned(),
            "pointsman check",
        ),
        _ if it.mood == Mood::Resting => return None,
        _ => (
            "It is tried again by itself. The log and GET /admin/requests tell what it answered."
                .to_owned(),
            "",
        ),
    };
    let commands = (!command.is_empty()).then(|| command.to_owned());
    Some(Advice {
        about: it.id.clone(),
        is_a_worry: true,
        texts: vec![text],
        commands: commands.into_iter().collect(),
    })
}
