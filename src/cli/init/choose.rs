//! The questions: who answers, who stands in, where it listens, who may call.

use std::net::TcpListener;

use super::found::{FoundKey, Place, Variables, variable_for, variables_of};
use super::plan::{Candidate, GATEWAY_VARIABLE, Plan, Service, stand_in};
use super::{Draft, End, Session, new_gateway_key};
use crate::types::Dialect;
use crate::types::vendor::{KeyPlace, VENDORS, Vendor};

/// Times that an answer may make no sense.
const TRIES: usize = 5;
/// Columns of a line.
const WIDTH: usize = 90;
const LOCAL: [&str; 3] = ["127.0.0.1", "::1", "localhost"];
/// Ports that are looked at for a free one.
const PORTS: std::ops::Range<u16> = 8080..8100;

impl Session<'_> {
    /// A configuration from what is found and answered.
    pub(super) fn draw_up(&mut self, variables: &Variables) -> Result<Draft, End> {
        let mut keys = self.keys_at_hand(variables);
        let services = self.services(&mut keys, variables)?;
        let claude = self.who_answers_claude(&services)?;
        let (host, port) = self.address()?;
        let mut saved = Vec::new();
        let keyed = self.wants_gateway_key(&host)?;
        if keyed {
            // One that is in use stays: clients have it.
            match variables.key(self.options, &[GATEWAY_VARIABLE.to_owned()]) {
                None => saved.push((GATEWAY_VARIABLE.to_owned(), new_gateway_key()?)),
                Some(found) if found.place == Place::EnvFile => {}
                Some(found) => saved.push((GATEWAY_VARIABLE.to_owned(), found.secret)),
            }
        }
        let uses = |it: &&FoundKey| {
            services
                .iter()
                .any(|service| service.variable.as_deref() == Some(it.variable.as_str()))
        };
        let keys: Vec<FoundKey> = keys.iter().filter(uses).cloned().collect();
        let at_hand = keys.iter().any(|it| it.place == Place::Environment);
        let question = "Copy the keys from the environment into .env, so that Pointsman finds them wherever it is started?";
        let copies = at_hand && (self.args.save_keys || self.ask.yes(question, false)?);
        let goes = |it: &&FoundKey| match it.place {
            Place::Typed => true,
            Place::Environment => copies,
            Place::EnvFile => false,
        };
        saved.extend(
            keys.iter()
                .filter(goes)
                .map(|it| (it.variable.clone(), it.secret.clone())),
        );
        let plan = Plan {
            services,
            claude,
            host,
            port,
            keyed,
        };
        Ok(Draft {
            yaml: plan.yaml(),
            saved,
            keys,
            taken_over: None,
        })
    }

    /// Keys of vendors that are found, best first as the table of vendors has it.
    fn keys_at_hand(&mut self, variables: &Variables) -> Vec<FoundKey> {
        let vendors = VENDORS.iter().filter(|it| !it.variables.is_empty());
        let found = vendors.filter_map(|it| variables.key(self.options, &variables_of(it)));
        let found: Vec<FoundKey> = found.collect();
        for it in &found {
            let line = format!(
                "{} {} {} ({})\n",
                self.style.green("✓"),
                it.variable,
                it.place.word(),
                it.secret.masked()
            );
            self.say(&line);
        }
        if found.is_empty() {
            self.say("No provider's key is in the environment or in .env.\n");
        }
        found
    }

    fn services(
        &mut self,
        keys: &mut Vec<FoundKey>,
        variables: &Variables,
    ) -> Result<Vec<Service>, End> {
        let of_keys = |vendor: &&Vendor| {
            let names = variables_of(vendor);
            keys.iter().any(|it| names.contains(&it.variable))
        };
        let found: Vec<&str> = VENDORS.iter().filter(of_keys).map(|it| it.name).collect();
        let mut words = self.args.provider.clone();
        if words.is_empty() {
            let usual = if found.is_empty() && !self.args.yes {
                "anthropic".to_owned()
            } else {
                found.join(" ")
            };
            self.say(&known());
            let answer = self.ask.line("Who answers, best first", &usual)?;
            words = answer
                .split([' ', ','])
                .filter(|it| !it.is_empty())
                .map(str::to_owned)
                .collect();
        }
        let mut services: Vec<Service> = Vec::new();
        for word in &words {
            if let Some(service) = self.service(word, keys, variables)? {
                if services.iter().any(|it| it.name == service.name) {
                    return Err(End::Failed(format!("{} is there twice", service.name)));
                }
                services.push(service);
            }
        }
        if services.is_empty() {
            let why = "nobody is left to answer: set a provider's key (ANTHROPIC_API_KEY, OPENROUTER_API_KEY …) and come \
                       again; `pointsman` alone starts a demo that needs none";
            return Err(End::Failed(why.to_owned()));
        }
        Ok(services)
    }

    /// One service that was named; `None`: without a key it is left out.
    fn service(
        &mut self,
        word: &str,
        keys: &mut Vec<FoundKey>,
        variables: &Variables,
    ) -> Result<Option<Service>, End> {
        let (name, url) = match word.split_once('=') {
            Some((name, url)) => (name, Some(url.to_owned())),
            None => (word, None),
        };
        let vendor = Vendor::named(name);
        let good = |it: char| it.is_ascii_alphanumeric() || matches!(it, '-' | '_');
        if name.is_empty()
            || !name.chars().all(good)
            || !name.starts_with(|it: char| it.is_ascii_alphabetic())
        {
            return Err(End::Failed(format!(
                "{name:?} is no name for a provider: letters, digits, - and _"
            )));
        }
        let base_url = match (url, vendor) {
            (Some(url), _) => url,
            (None, Some(vendor)) if !vendor.base_url.is_empty() => vendor.base_url.to_owned(),
            (None, Some(_)) => self.asked_address(name)?,
            (None, None) => {
                return Err(End::Failed(format!(
                    "there is no vendor \"{name}\" here; write its address: {name}=https://…"
                )));
            }
        };
        let dialect = match vendor {
            Some(vendor) => vendor.dialect,
            None => self.dialect(name)?,
        };
        let names = match vendor {
            Some(vendor) => variables_of(vendor),
            None => vec![variable_for(name)],
        };
        let wants = vendor.is_none_or(|it| it.key != KeyPlace::Nowhere);
        let mut service = Service {
            name: name.to_owned(),
            dialect,
            base_url,
            variable: None,
            patterns: vendor
                .map(|it| it.patterns.iter().map(|it| (*it).to_owned()).collect())
                .unwrap_or_default(),
        };
        if !wants {
            return Ok(Some(service));
        }
        let key = match variables.key(self.options, &names) {
            Some(key) => Some(key),
            None => self.typed_key(name, &names)?,
        };
        let Some(key) = key else {
            let text = format!(
                "{} {name} has no key ({}) and is left out\n",
                self.style.yellow("!"),
                names.join(" or ")
            );
            self.say(&text);
            return Ok(None);
        };
        service.variable = Some(key.variable.clone());
        if !keys.iter().any(|it| it.variable == key.variable) {
            keys.push(key);
        }
        Ok(Some(service))
    }

    fn typed_key(&mut self, name: &str, names: &[String]) -> Result<Option<FoundKey>, End> {
        let question =
            format!("Key of {name} (it is not shown, and goes into .env; Enter for none)");
        for _ in 0..TRIES {
            let Some(secret) = self.ask.secret(&question)? else {
                return Ok(None);
            };
            if secret
                .expose()
                .bytes()
                .all(|it| it.is_ascii_graphic() && !matches!(it, b'\'' | b'\\'))
            {
                return Ok(Some(FoundKey {
                    variable: names.first().cloned().unwrap_or_default(),
                    secret,
                    place: Place::Typed,
                }));
            }
            self.say("That is no key: it holds a blank, a quote or a letter outside ASCII.\n");
        }
        Err(End::Stopped)
    }

    fn asked_address(&mut self, name: &str) -> Result<String, End> {
        if self.args.yes {
            let why = format!("{name} has no address of its own; write it: {name}=https://…");
            return Err(End::Failed(why));
        }
        for _ in 0..TRIES {
            let url = self
                .ask
                .line(&format!("Address of {name} (https://…)"), "")?;
            if url.starts_with("http://") || url.starts_with("https://") {
                return Ok(url);
            }
        }
        Err(End::Stopped)
    }

    fn dialect(&mut self, name: &str) -> Result<Dialect, End> {
        let all = [
            Dialect::Anthropic,
            Dialect::OpenAiChat,
            Dialect::OpenAiResponses,
            Dialect::Gemini,
        ];
        let mut word = self.args.r#type.clone();
        for _ in 0..TRIES {
            if !self.args.yes {
                let question =
                    format!("What {name} speaks: anthropic, openai, openai-responses or gemini");
                word = self.ask.line(&question, &word)?;
            }
            if let Some(dialect) = all.iter().find(|it| it.name() == word) {
                return Ok(*dialect);
            }
            if self.args.yes {
                break;
            }
        }
        Err(End::Failed(format!(
            "{word:?} is no type: anthropic, openai, openai-responses or gemini"
        )))
    }

    /// Those of Anthropic's dialect by themselves; others only if somebody says so.
    fn who_answers_claude(&mut self, services: &[Service]) -> Result<Vec<Candidate>, End> {
        let own = services
            .iter()
            .filter(|it| it.dialect == Dialect::Anthropic);
        let mut claude: Vec<Candidate> = own
            .map(|it| Candidate {
                provider: it.name.clone(),
                model: None,
            })
            .collect();
        for word in &self.args.fallback {
            let named = word.split_once('=').filter(|it| !it.1.is_empty());
            let Some((provider, model)) = named else {
                return Err(End::Failed(format!("--fallback {word}: write NAME=MODEL")));
            };
            if !services.iter().any(|it| it.name == provider) {
                return Err(End::Failed(format!(
                    "--fallback {word}: {provider} is none of the providers"
                )));
            }
            claude.push(Candidate {
                provider: provider.to_owned(),
                model: Some(model.to_owned()),
            });
        }
        let others = services
            .iter()
            .filter(|it| it.dialect != Dialect::Anthropic);
        for it in others.filter(|_| self.args.fallback.is_empty()) {
            let proposed = stand_in(&it.name).unwrap_or_default();
            let model = match claude.first() {
                None => {
                    let question = format!(
                        "Model of {} that answers Claude Code, which asks for claude-…",
                        it.name
                    );
                    self.ask.line(&question, proposed)?
                }
                Some(first) => {
                    let question = format!(
                        "May {} answer Claude Code when {} cannot? Your source code goes there then. Its model{}, or n",
                        it.name,
                        first.provider,
                        if proposed.is_empty() {
                            String::new()
                        } else {
                            format!(" (such as {proposed})")
                        }
                    );
                    self.ask.line(&question, "n")?
                }
            };
            let model = match model.as_str() {
                "y" | "yes" => proposed,
                "n" | "no" | "" => continue,
                model => model,
            };
            if !model.is_empty() {
                claude.push(Candidate {
                    provider: it.name.clone(),
                    model: Some(model.to_owned()),
                });
            }
        }
        if claude.is_empty() {
            let name = services
                .first()
                .map(|it| it.name.as_str())
                .unwrap_or_default();
            return Err(End::Failed(format!(
                "nobody would answer Claude Code: say which model does, with --fallback {name}=MODEL"
            )));
        }
        Ok(claude)
    }

    fn address(&mut self) -> Result<(String, u16), End> {
        let host = self
            .options
            .host
            .clone()
            .unwrap_or_else(|| "127.0.0.1".to_owned());
        let free = |port: u16| TcpListener::bind((host.as_str(), port)).is_ok();
        let usual = PORTS.start;
        let port = match self.options.port {
            Some(port) => port,
            None => PORTS.into_iter().find(|it| free(*it)).unwrap_or(usual),
        };
        if self.options.port.is_none() && port != usual {
            self.say(&format!("Port {usual} is taken on this machine.\n"));
        }
        if self.options.host.is_some() && self.options.port.is_some() {
            return Ok((host, port));
        }
        for _ in 0..TRIES {
            let answer = self
                .ask
                .line("Where it listens", &format!("{host}:{port}"))?;
            let (said, number) = answer.rsplit_once(':').unwrap_or((&answer, ""));
            let said = said.trim_start_matches('[').trim_end_matches(']');
            if let (false, Ok(number)) = (said.is_empty(), number.parse::<u16>()) {
                return Ok((said.to_owned(), number));
            }
            self.say("Please write it as HOST:PORT.\n");
        }
        Err(End::Stopped)
    }

    fn wants_gateway_key(&mut self, host: &str) -> Result<bool, End> {
        if self.args.gateway_key {
            return Ok(true);
        }
        if !LOCAL.contains(&host) {
            self.say("Other machines get there, so clients must show a key; one is made.\n");
            return Ok(true);
        }
        let question =
            "Shall clients show a key? Without one, every program of this machine may call";
        Ok(self.ask.yes(question, false)?)
    }
}

/// The vendors that are known, in lines that fit a terminal.
fn known() -> String {
    let mut text = "\nKnown: ".to_owned();
    let mut width = text.len();
    for vendor in VENDORS {
        if WIDTH < width + vendor.name.len() {
            text.push_str("\n       ");
            width = 7;
        }
        text.push_str(vendor.name);
        text.push_str(", ");
        width += vendor.name.len() + 2;
    }
    text.push_str("\n       and any other as NAME=URL.\n");
    text
}
