//! What is to be written: services, routes, address and keys; and the text of it, with a comment for each line.

use std::fmt::Write;

use crate::types::Dialect;

/// A service to ask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    /// What it is called.
    pub name: String,
    /// What it speaks.
    pub dialect: Dialect,
    /// Where it is.
    pub base_url: String,
    /// The variable that holds its key; `None`: it wants none.
    pub variable: Option<String>,
    /// Model names that are its own.
    pub patterns: Vec<String>,
}

/// Who answers for Claude's names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Whose service.
    pub provider: String,
    /// The model to ask for; `None` keeps the client's.
    pub model: Option<String>,
}

/// All of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Best first.
    pub services: Vec<Service>,
    /// Who answers for `claude*`, best first.
    pub claude: Vec<Candidate>,
    /// Where it listens.
    pub host: String,
    /// See `host`.
    pub port: u16,
    /// Whether clients must show a key.
    pub keyed: bool,
}

/// The variable of the gateway key.
pub const GATEWAY_VARIABLE: &str = "POINTSMAN_KEY";

/// Models that stand in for Claude's, by vendor; what they are good for changes by the month, so they are only proposed.
const STAND_INS: &[(&str, &str)] = &[
    ("openai", "gpt-5.2"),
    ("gemini", "gemini-3-pro-preview"),
    ("openrouter", "anthropic/claude-sonnet-4.5"),
    ("deepseek", "deepseek-chat"),
    ("groq", "openai/gpt-oss-120b"),
    ("mistral", "devstral-medium-latest"),
    ("xai", "grok-4"),
    ("moonshot", "kimi-k2-thinking"),
    ("zai", "glm-4.6"),
    ("dashscope", "qwen3-coder-plus"),
    ("minimax", "minimax-m2"),
];

/// The model that may stand in for Claude's at a vendor.
pub fn stand_in(vendor: &str) -> Option<&'static str> {
    STAND_INS.iter().find(|it| it.0 == vendor).map(|it| it.1)
}

const HEAD: &str = "\
# Written by `pointsman init`. Edit it freely: a running Pointsman reads it again by itself.
# `pointsman check` says what is wrong with it, `pointsman doctor` whether everything works.
# Every key there is, with its default: conf/full.yaml; `pointsman schema` prints a JSON Schema for editors.

# Who answers: an entry for each service. ${NAME} is read from the environment, or from the file .env beside this one,
# so that no key stands here.
providers:
";

const ROUTES: &str = "
# Who is asked for which model. Of the patterns that fit, the most specific one counts; the candidate with the smallest
# priority is asked first, the next one when it fails. `passthrough` keeps the name that the client asks for.
model_routes:
";

impl Plan {
    /// The text of the file.
    pub fn yaml(&self) -> String {
        let mut out = HEAD.to_owned();
        for (i, it) in self.services.iter().enumerate() {
            service(it, i == 0, &mut out);
        }
        out.push_str(ROUTES);
        self.routes(&mut out);
        self.settings(&mut out);
        out
    }

    fn routes(&self, out: &mut String) {
        out.push_str("  \"claude*\":                # what Claude Code asks for\n");
        for (i, it) in self.claude.iter().enumerate() {
            let model = it.model.as_deref().unwrap_or("passthrough");
            let _ = writeln!(
                out,
                "    - {{provider: {}, model: {}, priority: {}}}",
                it.provider,
                scalar(model),
                i + 1
            );
        }
        if let [only] = self.claude.as_slice() {
            let other = if only.provider == "openrouter" {
                "another"
            } else {
                "openrouter"
            };
            out.push_str(
                "    # One line more, and somebody else steps in when that one fails; your source code goes there then:\n",
            );
            let _ = writeln!(
                out,
                "    # - {{provider: {other}, model: anthropic/claude-sonnet-4.5, priority: 2}}"
            );
        }
        if let [only] = self.services.as_slice() {
            let name = &only.name;
            let _ = writeln!(
                out,
                "  \"*\":                      # every other name\n    - {{provider: {name}, model: passthrough, priority: 1}}"
            );
            return;
        }
        for it in &self.services {
            let own = it.patterns.iter().filter(|it| *it != "claude*");
            for pattern in own {
                let _ = writeln!(
                    out,
                    "  \"{pattern}\": [{{provider: {}, model: passthrough}}]",
                    it.name
                );
            }
        }
    }

    fn settings(&self, out: &mut String) {
        let (host, port) = (&self.host, self.port);
        let _ = write!(
            out,
            "\nsettings:\n  host: {:<22} # 127.0.0.1 is this machine alone; 0.0.0.0 every address it has, with a key only\n  \
             port: {port:<22} # clients call http://HOST:{port}\n  \
             # log_file_path: logs/logs.jsonl  # a JSON line for each event; without it they are on the console only\n",
            scalar(host)
        );
        out.push_str("\n# What clients must show, in `Authorization: Bearer` or `x-api-key`.\n");
        if self.keyed {
            let _ = writeln!(out, "auth:\n  api_key: ${{{GATEWAY_VARIABLE}}}");
        } else {
            let _ = writeln!(
                out,
                "# Nothing, as long as only this machine gets here:\n# auth:\n#   api_key: ${{{GATEWAY_VARIABLE}}}"
            );
        }
    }
}

fn service(it: &Service, explains: bool, out: &mut String) {
    let line = |key: &str, value: &str, comment: &str, out: &mut String| {
        let entry = format!("    {key}: {value}");
        let _ = if explains {
            writeln!(out, "{entry:<48} # {comment}")
        } else {
            writeln!(out, "{entry}")
        };
    };
    let mut first = String::new();
    line(
        "name",
        &it.name,
        "what routes, logs and reports call it",
        &mut first,
    );
    out.push_str(&first.replacen("    name", "  - name", 1));
    let kinds = "what it speaks: anthropic, openai, openai-responses, gemini, vertex";
    line("type", it.dialect.name(), kinds, out);
    line("base_url", &scalar(&it.base_url), "where it is", out);
    match &it.variable {
        Some(name) => {
            let comment = "its key; for several: api_keys: [a, b]";
            line("auth_value", &format!("${{{name}}}"), comment, out);
        }
        None => line("auth_type", "none", "it wants no key", out),
    }
}

/// A text as a YAML scalar.
fn scalar(text: &str) -> String {
    let plain = |it: char| it.is_ascii_alphanumeric() || "./-_@".contains(it);
    let address = text.starts_with("http")
        && text.chars().all(|it| plain(it) || it == ':')
        && !text.ends_with(':');
    let begins = text.starts_with(|it: char| it.is_ascii_alphabetic());
    let is_word = matches!(
        text,
        "true" | "false" | "yes" | "no" | "on" | "off" | "null" | "y" | "n"
    );
    let is_ip = text.parse::<std::net::Ipv4Addr>().is_ok();
    if address || is_ip || (begins && text.chars().all(plain) && !is_word) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', "''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Env, LoadOptions, from_text};

    fn service(name: &str, dialect: Dialect, patterns: &[&str]) -> Service {
        Service {
            name: name.to_owned(),
            dialect,
            base_url: format!("https://api.{name}.example/v1"),
            variable: Some(format!("{}_KEY", name.to_uppercase())),
            patterns: patterns.iter().map(|it| (*it).to_owned()).collect(),
        }
    }

    fn keeps(provider: &str) -> Candidate {
        Candidate {
            provider: provider.to_owned(),
            model: None,
        }
    }

    #[test]
    fn what_is_written_is_a_configuration_that_means_it() {
        let env = Env::from([
            ("A_KEY", "sk-0123456789"),
            ("B_KEY", "sk-9876543210"),
            ("POINTSMAN_KEY", "pmk-0123456789"),
        ]);
        let options = LoadOptions::new(env);
        let (a, b) = (
            service("a", Dialect::Anthropic, &["claude*"]),
            service("b", Dialect::OpenAiChat, &["gpt-*", "*/*"]),
        );
        let stands_in = Candidate {
            provider: "b".to_owned(),
            model: Some("x/y:free".to_owned()),
        };
        for plan in [
            Plan {
                services: vec![a.clone()],
                claude: vec![keeps("a")],
                host: "127.0.0.1".to_owned(),
                port: 8080,
                keyed: false,
            },
            Plan {
                services: vec![a, b.clone()],
                claude: vec![keeps("a"), stands_in.clone()],
                host: "::".to_owned(),
                port: 9000,
                keyed: true,
            },
            Plan {
                services: vec![Service {
                    variable: None,
                    ..b
                }],
                claude: vec![stands_in],
                host: "0.0.0.0".to_owned(),
                port: 1,
                keyed: true,
            },
        ] {
            let text = plan.yaml();
            let config = from_text("c.yaml", &text, std::path::Path::new("."), &options)
                .unwrap_or_else(|faults| panic!("{faults:?}\n{text}"));
            assert!(
                config.notes.iter().all(|it| !it.warning),
                "{:?}\n{text}",
                config.notes
            );
            let route = config
                .routes
                .iter()
                .find(|it| it.pattern == "claude*")
                .unwrap();
            let models: Vec<_> = route.candidates.iter().map(|it| it.model.clone()).collect();
            let planned: Vec<_> = plan.claude.iter().map(|it| it.model.clone()).collect();
            assert_eq!(models, planned, "{text}");
            assert_eq!(
                (config.settings.host.as_str(), config.settings.port),
                (plan.host.as_str(), plan.port)
            );
            assert_eq!(config.auth.is_open(), !plan.keyed);
            assert!(text.lines().all(|it| it.chars().count() <= 120), "{text}");
        }
    }
}
