//! Configurations for journeys, written as a person would write them.

use serde_json::json;

use super::zed;

/// A private key that was made for these tests and opens nothing.
const TEST_KEY: &str = include_str!("../../fixtures/credential/throw-away-test-key.pem");

/// One `providers` entry.
pub struct Provider {
    name: String,
    lines: Vec<String>,
    secrets: Vec<String>,
}

impl Provider {
    /// An Anthropic-type provider with one key of its own.
    pub fn anthropic(name: &str, url: &str) -> Provider {
        Provider::of_type("anthropic", name, url).keyed(&[&key_of(name)])
    }

    /// An OpenAI-type provider with one key of its own.
    pub fn openai(name: &str, url: &str) -> Provider {
        Provider::of_type("openai", name, url).keyed(&[&key_of(name)])
    }

    /// A provider of any other type with one key of its own.
    pub fn speaking(kind: &str, name: &str, url: &str) -> Provider {
        Provider::of_type(kind, name, url).keyed(&[&key_of(name)])
    }

    /// A provider of OpenAI Responses with one key of its own.
    pub fn responses(name: &str, url: &str) -> Provider {
        Provider::of_type("openai-responses", name, url).keyed(&[&key_of(name)])
    }

    /// Claude on Google Cloud at `url`, with a service account whose tokens come from `tokens`, on loopback.
    pub fn vertex(name: &str, url: &str, tokens: &str) -> Provider {
        let file = json!({
            "type": "service_account",
            "project_id": "signal-box",
            "private_key_id": "k1",
            "private_key": TEST_KEY,
            "client_email": "points@signal-box.iam.gserviceaccount.com",
            "token_uri": format!("{tokens}/token"),
        });
        let mut provider = Provider::of_type("vertex", name, url)
            .with("location: us-east5")
            .with(&format!("service_account: '{file}'"));
        let key = TEST_KEY.lines().filter(|line| !line.starts_with('-'));
        provider.secrets = key.map(str::to_owned).collect();
        // What every assertion begins with.
        provider.secrets.push("eyJhbGciOi".to_owned());
        provider
    }

    /// The same with a token that somebody else takes care of.
    pub fn vertex_with_token(name: &str, url: &str, token: &str) -> Provider {
        Provider::of_type("vertex", name, url)
            .token(token)
            .with("location: us-east5")
            .with("project: signal-box")
    }

    /// Zed's service, signed in at as the account that the scripted one knows.
    pub fn zed(name: &str, url: &str) -> Provider {
        let account = format!("auth_value: '{} {}'", zed::USER, zed::ACCESS);
        let mut provider = Provider::of_type("zed", name, url).with(&account);
        provider.secrets = (1..9).map(zed::token).collect();
        provider.secrets.push(zed::ACCESS.to_owned());
        provider
    }

    /// A Gemini-type provider with one key of its own.
    pub fn gemini(name: &str, url: &str) -> Provider {
        Provider::of_type("gemini", name, url).keyed(&[&key_of(name)])
    }

    /// An Anthropic-type provider that signs in by OAuth.
    pub fn oauth(name: &str, url: &str) -> Provider {
        Provider::of_type("anthropic", name, url).with("auth_type: oauth")
    }

    fn of_type(kind: &str, name: &str, url: &str) -> Provider {
        Provider {
            name: name.to_owned(),
            lines: vec![format!("type: {kind}"), format!("base_url: {url}")],
            secrets: Vec::new(),
        }
    }

    /// Other keys instead; several make a pool.
    pub fn keyed(mut self, keys: &[&str]) -> Provider {
        self.lines
            .retain(|line| !line.starts_with("auth_") && !line.starts_with("api_keys"));
        self.lines.push("auth_type: api_key".to_owned());
        self.lines.push(match keys {
            [one] => format!("auth_value: {one}"),
            many => format!("api_keys: [{}]", many.join(", ")),
        });
        self.secrets = keys.iter().map(|key| (*key).to_owned()).collect();
        self
    }

    /// A bearer token instead of a key.
    pub fn token(mut self, token: &str) -> Provider {
        self = self.keyed(&[token]);
        for line in &mut self.lines {
            if line == "auth_type: api_key" {
                "auth_type: auth_token".clone_into(line);
            }
        }
        self
    }

    /// The client's own credential goes upstream.
    pub fn passthrough(mut self) -> Provider {
        self.lines
            .retain(|line| !line.starts_with("auth_") && !line.starts_with("api_keys"));
        self.lines.push("auth_type: passthrough".to_owned());
        self.secrets.clear();
        self
    }

    /// Nothing is said about keys.
    pub fn keyless(mut self) -> Provider {
        self = self.passthrough();
        self.lines.retain(|line| !line.starts_with("auth_"));
        self
    }

    /// Adds a line: `timeouts: {first_byte: 300ms}`.
    pub fn with(mut self, line: &str) -> Provider {
        self.lines.push(line.to_owned());
        self
    }
}

/// The key of a provider unless the journey gives others.
pub fn key_of(provider: &str) -> String {
    format!("sk-canary-{provider}-0123456789abcdef")
}

/// A whole configuration.
#[derive(Default)]
pub struct Setup {
    providers: Vec<Provider>,
    routes: Vec<String>,
    settings: Vec<String>,
    sections: Vec<String>,
    secrets: Vec<String>,
    /// It listens where a list says.
    listed: bool,
    /// A whole file of another's making instead, and what it is called.
    file: Option<(String, String)>,
    /// Files beside it.
    beside: Vec<(String, String)>,
}

impl Setup {
    /// These providers; without a route of its own every model goes to them in this order.
    pub fn of(providers: impl IntoIterator<Item = Provider>) -> Setup {
        Setup {
            providers: providers.into_iter().collect(),
            ..Setup::default()
        }
    }

    /// A whole file as it is, under its own name.
    pub fn file(name: &str, text: impl Into<String>) -> Setup {
        Setup {
            file: Some((name.to_owned(), text.into())),
            ..Setup::default()
        }
    }

    /// With a file beside the configuration.
    pub fn beside(mut self, name: &str, text: impl Into<String>) -> Setup {
        self.beside.push((name.to_owned(), text.into()));
        self
    }

    /// What the configuration is called.
    pub fn name(&self) -> &str {
        self.file.as_ref().map_or("config.yaml", |it| &it.0)
    }

    /// The files beside it, with their names.
    pub fn others(&self) -> &[(String, String)] {
        &self.beside
    }

    /// Listens there and nowhere else: one text a listener, `{address: "127.0.0.1:0", tls: …}`.
    pub fn listening(mut self, listeners: &[&str]) -> Setup {
        self.listed = true;
        let list = listeners.join("\n  - ");
        self.section(&format!("listeners:\n  - {list}"))
    }

    /// The same for a setup that has its routes already.
    pub fn providers(mut self, providers: impl IntoIterator<Item = Provider>) -> Setup {
        self.providers.extend(providers);
        self
    }

    /// Adds a route: pattern and the list of candidates as YAML.
    pub fn route(mut self, pattern: &str, candidates: &[&str]) -> Setup {
        let mut text = format!("  \"{pattern}\":\n");
        for candidate in candidates {
            text.push_str(&format!("    - {{{candidate}}}\n"));
        }
        self.routes.push(text);
        self
    }

    /// Adds a route that refuses losses, to these providers in this order.
    pub fn strict_route(self, pattern: &str, providers: &[&str]) -> Setup {
        self.route_saying(pattern, "on_loss: refuse", providers)
    }

    /// Adds a route that says something besides: `hedge_after: 0`.
    pub fn route_saying(mut self, pattern: &str, line: &str, providers: &[&str]) -> Setup {
        let mut text = format!("  \"{pattern}\":\n    {line}\n    candidates:\n");
        for (index, name) in providers.iter().enumerate() {
            let priority = index + 1;
            text.push_str(&format!(
                "      - {{provider: {name}, priority: {priority}}}\n"
            ));
        }
        self.routes.push(text);
        self
    }

    /// Adds a setting: `failure_cooldown: 1`.
    pub fn setting(mut self, line: &str) -> Setup {
        self.settings.push(line.to_owned());
        self
    }

    /// Adds a top-level section: `admin: {key: …}`.
    pub fn section(mut self, text: &str) -> Setup {
        self.sections.push(text.to_owned());
        self
    }

    /// Clients must show this key.
    pub fn gateway_key(self, key: &str) -> Setup {
        let section = format!("auth: {{enabled: true, api_key: {key}}}");
        self.section(&section).secret(key)
    }

    /// Names a further secret that may never be printed.
    pub fn secret(mut self, secret: &str) -> Setup {
        self.secrets.push(secret.to_owned());
        self
    }

    /// Everything that may never be printed.
    pub fn secrets(&self) -> Vec<String> {
        let keys = self.providers.iter().flat_map(|provider| &provider.secrets);
        keys.chain(&self.secrets).cloned().collect()
    }

    /// The file.
    pub fn yaml(&self) -> String {
        if let Some((_, text)) = &self.file {
            return text.clone();
        }
        let mut text = "providers:\n".to_owned();
        for provider in &self.providers {
            text.push_str(&format!("  - name: {}\n", provider.name));
            for line in &provider.lines {
                text.push_str(&format!("    {line}\n"));
            }
        }
        text.push_str("model_routes:\n");
        if self.routes.is_empty() {
            text.push_str("  \"*\":\n");
            for (index, provider) in self.providers.iter().enumerate() {
                text.push_str(&format!(
                    "    - {{provider: {}, model: passthrough, priority: {}}}\n",
                    provider.name,
                    index + 1
                ));
            }
        }
        text.push_str(&self.routes.concat());
        text.push_str("settings:\n  log_file_path: journey.jsonl\n");
        if !self.listed {
            text.push_str("  port: 0\n");
        }
        let host = (!self.listed).then_some(("host", "127.0.0.1"));
        // Most journeys say themselves when the file is read again.
        for (key, value) in host.into_iter().chain([("watch_config", "0")]) {
            if !self.settings.iter().any(|line| line.starts_with(key)) {
                text.push_str(&format!("  {key}: {value}\n"));
            }
        }
        for line in &self.settings {
            text.push_str(&format!("  {line}\n"));
        }
        for section in &self.sections {
            text.push_str(section);
            text.push('\n');
        }
        text
    }
}
