//! Whether the clients of this person come here, and with a key that is taken.

use super::report::Finding;
use crate::cli::connect::{Settings, accepts, addresses, codex_settings};
use crate::config::{Config, LoadOptions, masked_address};
use crate::types::Secret;

/// Every client that is known.
pub fn all(config: &Config, options: &LoadOptions) -> Vec<Finding> {
    let ours = addresses(config);
    vec![
        claude_code(config, options, &ours),
        codex(config, options, &ours),
    ]
}

fn claude_code(config: &Config, options: &LoadOptions, ours: &[String]) -> Finding {
    let connect = "pointsman connect claude-code";
    let Some(settings) = Settings::in_force(&options.env, &options.dir) else {
        return Finding::note("Claude Code has never been started by this user").with(connect);
    };
    let file = settings.file.display();
    let Some(url) = &settings.url else {
        return Finding::note(format!(
            "Claude Code is not connected: {file} sets no address"
        ))
        .with(connect);
    };
    if !is_one_of(url, ours) {
        return Finding::doubtful(
            format!(
                "Claude Code calls {} ({file}), not this Pointsman",
                masked_address(url)
            ),
            connect,
        );
    }
    match &settings.token {
        Some(token) if accepts(&config.auth, token) => Finding::good(format!(
            "Claude Code comes here ({file}), with a key that is taken"
        )),
        Some(token) => Finding::broken(
            format!(
                "Claude Code comes here ({file}), but shows {}, which is none of the keys",
                token.masked()
            ),
            connect,
        ),
        None if config.auth.is_open() => Finding::doubtful(
            format!(
                "Claude Code comes here ({file}), but shows nothing: without a login it asks for one"
            ),
            connect,
        ),
        None => Finding::broken(
            format!("Claude Code comes here ({file}), but shows no key"),
            connect,
        ),
    }
}

fn codex(config: &Config, options: &LoadOptions, ours: &[String]) -> Finding {
    let connect = "pointsman connect codex";
    let Some(settings) = codex_settings(options) else {
        return Finding::note("Codex has no settings of this user").with(connect);
    };
    let file = settings.file.display();
    let Some(url) = &settings.url else {
        return Finding::note(format!("Codex is not connected ({file})")).with(connect);
    };
    if !is_one_of(url.trim_end_matches("/v1"), ours) {
        let url = masked_address(url);
        return Finding::note(format!("Codex calls {url} ({file}), not this Pointsman"))
            .with(connect);
    }
    let key = settings
        .variable
        .as_deref()
        .map(|it| (it, options.env.filled(it)));
    match key {
        _ if config.auth.is_open() && !matches!(key, Some((_, None))) => {
            Finding::good(format!("Codex comes here ({file})"))
        }
        Some((_, Some(key))) if accepts(&config.auth, &Secret::new(key.to_owned())) => {
            Finding::good(format!(
                "Codex comes here ({file}), with a key that is taken"
            ))
        }
        Some((name, Some(_))) => Finding::broken(
            format!("Codex comes here ({file}), but ${name} is none of the keys"),
            format!("export {name}=<gateway key>"),
        ),
        Some((name, None)) => Finding::doubtful(
            format!(
                "Codex comes here ({file}), and wants its key in ${name}, which is not set in this shell"
            ),
            format!("export {name}=<gateway key>"),
        ),
        None => Finding::broken(
            format!("Codex comes here ({file}), but shows no key"),
            connect,
        ),
    }
}

/// Whether an address is one of ours, whatever this machine is called in it.
fn is_one_of(url: &str, ours: &[String]) -> bool {
    let plain = |url: &str| {
        let url = url.trim_end_matches('/').to_ascii_lowercase();
        url.replace("//localhost", "//127.0.0.1")
            .replace("//[::1]", "//127.0.0.1")
    };
    ours.iter().any(|it| plain(it) == plain(url))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::cli::doctor::report::Level;
    use crate::config::{Env, from_text};

    fn found(auth: &str, settings: &str, toml: &str) -> (Finding, Finding) {
        let dir = tempfile::tempdir().unwrap();
        for (path, text) in [
            (".claude/settings.json", settings),
            (".codex/config.toml", toml),
        ] {
            let path = dir.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let text = format!(
            "providers: [{{name: a, base_url: 'https://a.b', auth_value: sk-0123456789}}]\n{auth}\n"
        );
        let home = dir.path().display().to_string();
        let mut options = LoadOptions::new(Env::from([("HOME", home.as_str())]));
        options.dir = dir.path().join("work");
        let config = from_text("c.yaml", &text, Path::new("/"), &options).unwrap();
        let mut found = all(&config, &options).into_iter();
        (found.next().unwrap(), found.next().unwrap())
    }

    #[test]
    fn whether_they_come_here_and_are_let_in() {
        let key = "auth: {api_key: gw-canary-0123456789}";
        let json = |url: &str, token: &str| {
            format!(
                "{{\"env\": {{\"ANTHROPIC_BASE_URL\": \"{url}\", \"ANTHROPIC_AUTH_TOKEN\": \"{token}\"}}}}"
            )
        };
        let toml = |url: &str, more: &str| {
            format!("model_provider = \"p\"\n[model_providers.p]\nbase_url = \"{url}/v1\"\n{more}")
        };
        let here = "http://localhost:8080";
        for (auth, token, level) in [
            (key, "gw-canary-0123456789", Level::Good),
            (key, "sk-canary-0123456789", Level::Broken),
            ("", "anything", Level::Good),
        ] {
            let (claude, codex) = found(auth, &json(here, token), &toml("http://h:1", ""));
            assert_eq!(claude.level, level, "{claude:?}");
            assert!(!claude.text.contains("canary"), "{claude:?}");
            assert_eq!(codex.level, Level::Note, "{codex:?}");
        }
        let (claude, codex) = found(key, &json("http://h:1", "x"), &toml(here, ""));
        assert_eq!(
            (claude.level, codex.level),
            (Level::Doubtful, Level::Broken)
        );
        let (claude, codex) = found("", "{}", &toml(here, ""));
        assert_eq!((claude.level, codex.level), (Level::Note, Level::Good));
        let (_, codex) = found(key, "{}", &toml(here, "env_key = \"NOT_SET\"\n"));
        assert!(codex.text.contains("NOT_SET"), "{codex:?}");
    }
}
