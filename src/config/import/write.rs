//! The same as the text of a `config.yaml`, with comments for whoever goes on with it.

use std::fmt::Write;

use zeroize::Zeroizing;

use super::read::{Foreign, Upstream};

/// Where the old documents say it listens.
const PORT: u16 = 3000;
/// Texts that YAML takes for something else.
const WORDS: &[&str] = &["true", "false", "yes", "no", "on", "off", "null", "y", "n"];
/// Longest comment, in characters.
const MAX_COMMENT: usize = 200;

const HEAD: &str = "\
# Made by `pointsman import` from the worker proxy's config.json. Edit it freely; `pointsman check` tries it.
# Its .env stays as it is beside this file (PORT, PROXY_ACCESS_KEY, LOG_LEVEL, REQUEST_TIMEOUT, MAX_CONCURRENT_REQUESTS,
# ENABLE_CORS, ENABLE_RATE_LIMIT, HEALTH_CHECK_PATH …) and goes before what is written here.
";
const STRATEGY: &str =
    "# failover: the first key that works; round_robin: one after the other; random";

/// Writes it.
pub(super) fn yaml(foreign: &Foreign) -> Zeroizing<String> {
    // Of its final size: a text that grows leaves copies of keys behind.
    let written: usize = foreign.upstreams.iter().map(size).sum();
    let mut out = Zeroizing::new(String::with_capacity(4096 + written));
    out.push_str(HEAD);
    out.push_str("\nproviders:\n");
    for (i, it) in foreign.upstreams.iter().enumerate() {
        provider(it, foreign, i, &mut out);
    }
    routes(foreign, &mut out);
    let _ = writeln!(out, "\nsettings:\n  port: {PORT}");
    out
}

/// At most so many bytes come of it; a character may become an escape of ten.
fn size(it: &Upstream) -> usize {
    let keys: usize = it.keys.iter().map(|key| 10 * key.len() + 16).sum();
    let about: usize = it.about.len() * (4 * MAX_COMMENT + 8);
    let mapping = |(from, to): &(String, String)| 10 * (from.len() + to.len() + it.name.len()) + 64;
    let mapping: usize = it.mapping.iter().map(mapping).sum();
    keys + about + mapping + 40 * it.name.len() + 10 * it.base_url.len() + 512
}

fn provider(it: &Upstream, foreign: &Foreign, i: usize, out: &mut String) {
    for text in &it.about {
        let _ = writeln!(out, "  # {}", comment(text));
    }
    let (name, url) = (scalar(&it.name), address(&it.base_url));
    let _ = writeln!(out, "  - name: {name}\n    type: {}", it.kind);
    let _ = writeln!(out, "    base_url: {url}");
    if it.kind == "anthropic" && !it.keys.is_empty() && !it.keys.iter().any(|it| is_anthropics(it))
    {
        out.push_str(
            "    auth_type: auth_token          # as a bearer token, which such services want\n",
        );
    }
    let note = if i == 0 { STRATEGY } else { "" };
    let strategy = format!("    key_strategy: {:<16} {note}", foreign.strategy);
    out.push_str(strategy.trim_end());
    out.push('\n');
    if it.keys.is_empty() {
        if i != foreign.current {
            out.push_str("    enabled: false                 # it has no key yet\n");
        }
        out.push_str("    #api_keys: []\n");
        return;
    }
    out.push_str("    api_keys:\n");
    for key in &it.keys {
        let key = Zeroizing::new(quoted(key));
        out.push_str("      - ");
        out.push_str(&key);
        out.push('\n');
    }
}

fn is_anthropics(key: &str) -> bool {
    key.starts_with("sk-ant-") || key.starts_with("${")
}

/// The current one serves everything: the models it has names for under those, all others under their own.
fn routes(foreign: &Foreign, out: &mut String) {
    let Some(current) = foreign.upstreams.get(foreign.current) else {
        return;
    };
    let name = scalar(&current.name);
    out.push_str("\nmodel_routes:\n");
    for (from, to) in &current.mapping {
        let pattern = quoted(&pattern(from));
        let model = scalar(to);
        let _ = write!(
            out,
            "  {pattern}:\n    - {{provider: {name}, model: {model}, priority: 1}}\n"
        );
    }
    let _ = write!(
        out,
        "  \"*\":\n    - {{provider: {name}, model: passthrough, priority: 1}}\n"
    );
    if foreign.others() == 0 {
        return;
    }
    out.push_str(
        "    # Only the current upstream is asked, as before. Take away a `#` to have another one step in when it fails:\n",
    );
    let others = foreign.upstreams.iter().enumerate();
    let others = others.filter(|it| it.0 != foreign.current);
    for ((_, other), priority) in others.zip(2..) {
        let name = scalar(&other.name);
        let line = format!("{{provider: {name}, model: passthrough, priority: {priority}}}");
        let _ = writeln!(out, "    #- {line}");
    }
}

/// Names that hold a text; what is a pattern already stays one.
fn pattern(from: &str) -> String {
    if from.contains('*') {
        from.to_owned()
    } else {
        format!("*{from}*")
    }
}

/// A text on one line that ends no comment.
fn comment(text: &str) -> String {
    let plain = |it: char| it.is_ascii_graphic() || it.is_alphanumeric();
    let spaced: String = text
        .chars()
        .map(|it| if plain(it) { it } else { ' ' })
        .take(MAX_COMMENT)
        .collect();
    spaced.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A text as YAML: bare where it can only be itself, else in quotes.
fn scalar(text: &str) -> String {
    let mut chars = text.chars();
    let starts_well = chars.next().is_some_and(|it| it.is_ascii_alphabetic());
    let fits = |it: char| it.is_ascii_alphanumeric() || matches!(it, '-' | '_' | '.' | '/');
    let is_word = WORDS.iter().any(|it| it.eq_ignore_ascii_case(text));
    if starts_well && chars.all(fits) && !is_word {
        text.to_owned()
    } else {
        quoted(text)
    }
}

/// The same for an address, which begins with a scheme.
fn address(text: &str) -> String {
    let rest = ["https://", "http://"]
        .iter()
        .find_map(|it| text.strip_prefix(it));
    if rest.is_some_and(|rest| scalar(rest) == rest) {
        text.to_owned()
    } else {
        quoted(text)
    }
}

fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(10 * text.len() + 2);
    out.push('"');
    for it in text.chars() {
        match it {
            '"' | '\\' => out.extend(['\\', it]),
            ' ' => out.push(' '),
            it if it.is_ascii_graphic() || it.is_alphanumeric() => out.push(it),
            it => drop(write!(out, "\\U{:08X}", u32::from(it))),
        }
    }
    out.push('"');
    out
}
