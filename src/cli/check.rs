//! `pointsman check`: is this configuration right, and what does it amount to? People first, `--json` for scripts.
//! Nothing is started and nobody is called.

use std::fmt::Write;

use serde_json::{Value, json};

use crate::cli::output::{Outcome, Style, columns};
use crate::config::{
    Certificate, Config, ConfigFault, ListenAddress, Listener, LoadOptions, Note, OnLoss, Provider,
    ProviderAuth, RouteCandidate, Source, Surface, dump, load,
};
use crate::types::Secret;

/// How the result is shown.
#[derive(Clone, Copy, Debug)]
pub struct CheckArgs {
    /// As JSON.
    pub json: bool,
    /// With every value that holds.
    pub verbose: bool,
}

/// Loads the configuration and reports. The exit code is 1 when there are faults.
pub fn run(options: &LoadOptions, args: CheckArgs, style: Style) -> Outcome {
    let result = load(options);
    let code = u8::from(result.is_err());
    let text = match (&result, args.json) {
        (Ok(config), true) => format!("{:#}\n", config_json(config)),
        (Err(faults), true) => format!("{:#}\n", faults_json(faults)),
        (Ok(config), false) => config_text(config, args.verbose, style),
        (Err(faults), false) => faults_text(faults, style),
    };
    Outcome { text, code }
}

/// Faults for people, one line each, and how many there are.
pub fn faults_text(faults: &[ConfigFault], style: Style) -> String {
    let mut lines: Vec<String> = faults
        .iter()
        .map(|fault| format!("{} {fault}", style.red("✗")))
        .collect();
    lines.push(String::new());
    lines.push(style.bold(&counted(faults.len(), "fault")));
    joined(&lines)
}

fn config_text(config: &Config, verbose: bool, style: Style) -> String {
    let mut lines = vec![style.bold(&source(&config.source)), String::new()];
    let rows: Vec<Vec<String>> = config.providers.iter().map(provider_row).collect();
    for (line, provider) in columns(&rows).iter().zip(&config.providers) {
        let line = match (provider.enabled, provider.is_active()) {
            (_, true) => style.green(line),
            (true, false) => style.yellow(line),
            (false, false) => style.dim(line),
        };
        lines.push(format!("  {line}"));
    }
    lines.push(String::new());
    lines.extend(
        columns(&route_rows(config))
            .iter()
            .map(|it| format!("  {it}")),
    );
    lines.push(String::new());
    lines.extend(listens(config));
    if verbose {
        lines.push(String::new());
        lines.push(dump(config).trim_end().to_owned());
    }
    lines.push(String::new());
    // Warnings last: that is where people look.
    let mut notes: Vec<&Note> = config.notes.iter().collect();
    notes.sort_by_key(|it| it.warning);
    lines.extend(notes.into_iter().map(|it| note_line(it, style)));
    lines.push(String::new());
    let warnings = config.notes.iter().filter(|it| it.warning).count();
    lines.push(format!(
        "{} {}, {}, {}",
        style.green("✓"),
        counted(config.providers.len(), "provider"),
        counted(config.routes.len(), "route"),
        counted(warnings, "warning"),
    ));
    // Parts may be empty; two empty lines in a row say nothing.
    lines.dedup_by(|a, b| a.is_empty() && b.is_empty());
    joined(&lines)
}

fn joined(lines: &[String]) -> String {
    let mut text = lines.join("\n");
    text.push('\n');
    text
}

/// A note for people, on one line.
pub fn note_line(note: &Note, style: Style) -> String {
    let sign = if note.warning {
        style.yellow("!")
    } else {
        style.dim("·")
    };
    format!("{sign} {}: {}", note.path, note.text)
}

fn source(source: &Source) -> String {
    match source {
        Source::File(path) => path.display().to_string(),
        Source::Environment => "no file: provider keys from the environment".to_owned(),
        Source::Demo => "no file and no provider key: the demo".to_owned(),
    }
}

fn provider_row(it: &Provider) -> Vec<String> {
    let sign = if it.is_active() { "✓" } else { "✗" };
    let state = match (&it.inactive, it.enabled) {
        (_, false) => "disabled".to_owned(),
        (Some(why), true) => why.clone(),
        (None, true) => credentials(it),
    };
    vec![
        format!("[{sign}] {}", it.id),
        match it.vendor {
            Some(vendor) if vendor.name != it.kind => format!("{} ({})", it.kind, vendor.name),
            _ => it.kind.clone(),
        },
        it.base_url.clone(),
        state,
    ]
}

fn credentials(it: &Provider) -> String {
    match it.auth {
        ProviderAuth::Passthrough => "the client's own credential".to_owned(),
        ProviderAuth::None => "no credential".to_owned(),
        ProviderAuth::OAuth => match &it.oauth {
            Some(profile) => format!("OAuth, profile {}", profile.name),
            None => "OAuth".to_owned(),
        },
        ProviderAuth::ZedAccount => {
            let account = it.zed.as_ref().and_then(|it| it.account.as_ref());
            account.map_or_else(
                || "an account".to_owned(),
                |it| format!("account {}", it.user_id),
            )
        }
        ProviderAuth::ServiceAccount => it
            .service_account
            .as_ref()
            .map(|it| it.email.clone())
            .unwrap_or_default(),
        ProviderAuth::ApiKey | ProviderAuth::AuthToken => match it.keys.as_slice() {
            [only] => only.masked(),
            several => format!("{} keys", several.len()),
        },
    }
}

fn route_rows(config: &Config) -> Vec<Vec<String>> {
    let mut rows = Vec::new();
    let rules = config.rules.iter().map(|rule| {
        let head = format!("{} {}", rule.label, rule.models.join(", "));
        (head, &rule.candidates)
    });
    let routes = config.routes.iter().map(|route| {
        let default = config.default_route.as_ref() == Some(&route.pattern);
        let sign = if default { " (default)" } else { "" };
        let strict = match route.terms.on_loss {
            OnLoss::Warn => "",
            OnLoss::Refuse => " (refuses losses)",
        };
        let head = format!("\"{}\"{sign}{strict}", route.pattern);
        (head, &route.candidates)
    });
    for (mut head, candidates) in rules.chain(routes) {
        if candidates.is_empty() {
            rows.push(vec![std::mem::take(&mut head), "nobody".to_owned()]);
        }
        for it in candidates {
            let name = config
                .providers
                .get(it.provider)
                .map_or("?", |it| it.id.as_str());
            rows.push(vec![
                std::mem::take(&mut head),
                format!("{} {name}", it.priority),
                it.model.as_deref().unwrap_or("passthrough").to_owned(),
            ]);
        }
    }
    rows
}

/// A line for each listener.
fn listens(config: &Config) -> Vec<String> {
    let key = match config.auth.keys.len() + config.auth.named().len() {
        0 if config.auth.is_open() => "no key needed".to_owned(),
        keys => format!("{} accepted", counted(keys, "key")),
    };
    let line = |it: &Listener| {
        let place = match it.address {
            ListenAddress::Tcp { .. } => format!("{}://{}", it.scheme(), it.address),
            ListenAddress::Unix { .. } => it.address.to_string(),
        };
        let mut line = format!("listens on {place}");
        match it.surface {
            Surface::All | Surface::Traffic => line = format!("{line}, {key}"),
            Surface::Admin => line.push_str(" for administration"),
        }
        if let Some(tls) = &it.tls {
            let until = |it: &Certificate| {
                let names = if it.names.is_empty() {
                    "no name".to_owned()
                } else {
                    it.names.join(" ")
                };
                format!("{names} until {}", it.expires)
            };
            let certificates: Vec<String> = tls.certificates.iter().map(until).collect();
            let _ = write!(line, ", certificates: {}", certificates.join("; "));
        }
        line
    };
    config.listeners.iter().map(line).collect()
}

fn counted(number: usize, noun: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {noun}{plural}")
}

fn listener_json(it: &Listener) -> Value {
    let certificates = it.tls.iter().flat_map(|it| &it.certificates);
    let certificate = |it: &Certificate| json!({"names": it.names, "expires": it.expires, "sha256": it.fingerprint});
    json!({
        "address": it.address.to_string(),
        "scheme": it.scheme(),
        "surface": it.surface.word(),
        "certificates": certificates.map(certificate).collect::<Vec<_>>(),
    })
}

fn faults_json(faults: &[ConfigFault]) -> Value {
    let faults: Vec<Value> = faults
        .iter()
        .map(|it| json!({"file": it.file, "path": it.path, "value": it.value, "remedy": it.remedy}))
        .collect();
    json!({"ok": false, "faults": faults})
}

fn config_json(config: &Config) -> Value {
    let name = |i: usize| config.providers.get(i).map(|it| it.id.as_str());
    let providers: Vec<Value> = config
        .providers
        .iter()
        .map(|it| {
            json!({
                "id": it.id.as_str(),
                "type": it.kind,
                "vendor": it.vendor.map(|it| it.name),
                "base_url": it.base_url,
                "enabled": it.enabled,
                "active": it.is_active(),
                "inactive": it.inactive,
                "keys": it.keys.iter().map(Secret::masked).collect::<Vec<_>>(),
            })
        })
        .collect();
    let candidates = |list: &[RouteCandidate]| -> Vec<Value> {
        let list = list.iter().map(|it| {
            json!({
                "provider": name(it.provider),
                "model": it.model.as_deref().unwrap_or("passthrough"),
                "priority": it.priority,
                "weight": it.weight,
            })
        });
        list.collect()
    };
    let routes: Vec<Value> = config
        .routes
        .iter()
        .map(|it| {
            json!({
                "pattern": it.pattern,
                "candidates": candidates(&it.candidates),
                "on_loss": it.terms.on_loss.word(),
            })
        })
        .collect();
    let rules: Vec<Value> = config
        .rules
        .iter()
        .map(|it| {
            json!({
                "models": it.models,
                "candidates": candidates(&it.candidates),
                "on_loss": it.terms.on_loss.word(),
            })
        })
        .collect();
    let notes: Vec<Value> = config
        .notes
        .iter()
        .map(|it| json!({"path": it.path, "text": it.text, "warning": it.warning}))
        .collect();
    json!({
        "ok": true,
        "source": source(&config.source),
        "listen": {"host": config.settings.host, "port": config.settings.port},
        "listeners": config.listeners.iter().map(listener_json).collect::<Vec<_>>(),
        "gateway_keys": config.auth.keys.len(),
        "providers": providers,
        "routes": routes,
        "rules": rules,
        "default_route": config.default_route,
        "notes": notes,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Env;

    const GOOD: &str = "providers:\n- {name: a, base_url: 'https://a.b', auth_value: sk-0123456789abcdef}\n\
                        - {name: b, base_url: 'https://b.b', auth_type: oauth}\nsettings: {cooldown_seconds: 9}\n";

    fn checked(text: &str, json: bool) -> Outcome {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("config.yaml");
        std::fs::write(&file, text).unwrap();
        let options = LoadOptions {
            config: Some(file),
            no_env_file: true,
            ..LoadOptions::new(Env::default())
        };
        let args = CheckArgs {
            json,
            verbose: !json,
        };
        run(&options, args, Style::PLAIN)
    }

    #[test]
    fn a_good_file_is_summed_up() {
        let Outcome { text, code } = checked(GOOD, false);
        assert_eq!(code, 0);
        let lines: Vec<&str> = text.lines().collect();
        for expected in [
            "  [✓] a  anthropic  https://a.b  sk-0…cdef",
            "  [✗] b  anthropic  https://b.b  auth_type oauth needs a profile in `oauth.profiles` (see docs/oauth.md)",
            "  \"*\"  1 a  passthrough",
            "listens on http://127.0.0.1:8080, no key needed",
            "· settings.cooldown_seconds: is an old name; the new one is `failure_cooldown`",
            "! providers[1]: b: auth_type oauth needs a profile in `oauth.profiles` (see docs/oauth.md); it is skipped",
            "✓ 2 providers, 1 route, 1 warning",
        ] {
            assert!(
                lines.contains(&expected),
                "{expected} is missing in\n{text}"
            );
        }
        assert!(!text.contains("0123456789"), "{text}");
    }

    #[test]
    fn services_are_shown_with_their_vendor_and_strict_routes_as_such() {
        let text = "providers:\n- {name: m, vendor: deepseek, base_url: 'https://a.b/v1', auth_value: sk-0123456789abcdef}\n\
                    - {name: g, type: gemini, base_url: 'https://g.b', auth_value: sk-0123456789abcdef}\n\
                    - {name: l, vendor: ollama}\n\
                    model_routes: {'*': {on_loss: refuse, candidates: [{provider: m}, {provider: g}, {provider: l}]}}\n";
        let Outcome { text, code } = checked(text, false);
        assert_eq!(code, 0, "{text}");
        let lines: Vec<&str> = text.lines().collect();
        for expected in [
            "  [✓] m  openai (deepseek)  https://a.b/v1             sk-0…cdef",
            "  [✓] g  gemini             https://g.b                sk-0…cdef",
            "  [✓] l  openai (ollama)    http://localhost:11434/v1  no credential",
            "  \"*\" (refuses losses)  1 m  passthrough",
        ] {
            let found = lines.iter().any(|it| it.trim_end() == expected);
            assert!(found, "{expected} is missing in\n{text}");
        }
        let calls = "calls_go_to: https://g.b/v1beta/models/{model}:generateContent";
        assert!(text.contains(calls), "{text}");
    }

    #[test]
    fn what_would_not_start_does_not_pass() {
        for state in [
            "base_url: 'https://a.b', auth_type: oauth",
            "base_url: 'https://a.b', auth_value: sk-0123456789abcdef, enabled: false",
        ] {
            let Outcome { text, code } =
                checked(&format!("providers: [{{name: a, {state}}}]\n"), false);
            assert_eq!(code, 1, "{text}");
            assert!(text.contains("no provider can be called"), "{text}");
        }
    }

    #[test]
    fn faults_are_lines_and_the_code_says_so() {
        let Outcome { text, code } = checked("providers: []\nsettings: {prot: 1}\n", false);
        assert_eq!(code, 1);
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[0].starts_with("✗ ") && lines[0].contains("settings.prot: is not a known"));
        assert!(lines[1].contains("providers: is an empty list"));
        assert_eq!(lines[3], "2 faults");
    }

    #[test]
    fn json_is_json() {
        let good: Value = serde_json::from_str(&checked(GOOD, true).text).unwrap();
        assert_eq!(good["ok"], true);
        assert_eq!(
            good["providers"][1]["inactive"],
            "auth_type oauth needs a profile in `oauth.profiles` (see docs/oauth.md)"
        );
        assert_eq!(good["routes"][0]["candidates"][0]["provider"], "a");
        let bad: Value = serde_json::from_str(&checked("a: 1\n", true).text).unwrap();
        assert_eq!(bad["ok"], false);
        assert_eq!(bad["faults"][0]["path"], "a");
    }
}
