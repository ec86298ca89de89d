//! The configuration of the demo: what a person would write to use the two simulated providers, already checked.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use crate::config::{
    Billing, CallPath, Config, Http2, KeyStrategy, Platform, Provider, ProviderAuth, Route,
    RouteCandidate, Target, Terms, Timeouts, Way, Wish,
};
use crate::demo::openai;
use crate::demo::providers::Addresses;
use crate::types::{Dialect, EndpointId, Quirks};

/// The pattern that serves every model.
const EVERYTHING: &str = "*";

/// Fills the providers and routes of an empty configuration (`Source::Demo`); everything else, such as the port, stays
/// as it is. Called at start and again at each reload that finds nothing. Every model goes to `simulated-anthropic` under its own name, then to `simulated-openai` under another.
pub fn config(addresses: Addresses, empty: &Config) -> Config {
    let mut config = empty.clone();
    config.providers = vec![
        provider(Dialect::Anthropic, addresses.anthropic),
        provider(Dialect::OpenAiChat, addresses.openai),
    ];
    config.routes = vec![Route {
        pattern: EVERYTHING.to_owned(),
        candidates: vec![candidate(0, None), candidate(1, Some(openai::MODEL))],
        terms: Terms::default(),
    }];
    config.default_route = Some(EVERYTHING.to_owned());
    config
}

/// Providers are preferred in their order.
fn candidate(provider: usize, model: Option<&str>) -> RouteCandidate {
    RouteCandidate {
        provider,
        model: model.map(str::to_owned),
        priority: if provider == 0 { 1 } else { 2 },
        weight: 1.0,
        wish: Wish::default(),
    }
}

fn provider(dialect: Dialect, address: SocketAddr) -> Provider {
    let (inference, count_tokens) = match dialect {
        Dialect::Anthropic => ("/v1/messages", Some("/v1/messages/count_tokens")),
        Dialect::OpenAiChat | Dialect::OpenAiResponses | Dialect::Gemini => {
            ("/v1/chat/completions", None)
        }
    };
    let name = format!("simulated-{dialect}");
    Provider {
        id: EndpointId::new(&name, None),
        name,
        account_email: None,
        kind: dialect.to_string(),
        dialect: Some(dialect),
        platform: Platform::default(),
        vendor: None,
        base_url: format!("http://{address}"),
        target: Some(Target {
            tls: false,
            host: address.ip().to_string(),
            port: address.port(),
            authority: address.to_string(),
            inference: CallPath::Fixed(inference.to_owned()),
            count_tokens: count_tokens.map(|it: &str| CallPath::Fixed(it.to_owned())),
            models: Some("/v1/models".to_owned()),
        }),
        auth: ProviderAuth::None,
        key_header: None,
        keys: Vec::new(),
        service_account: None,
        oauth: None,
        takes_turns: false,
        key_strategy: KeyStrategy::default(),
        enabled: true,
        inactive: None,
        headers: Vec::new(),
        way: Way::default(),
        timeouts: Timeouts::default(),
        http2: Http2::Off,
        max_in_flight: None,
        rpm: None,
        tpm: None,
        probe: None,
        quirks: Quirks::NONE,
        models: BTreeMap::new(),
        big_model: None,
        small_model: None,
        stream_only: false,
        billing: Billing::Token,
        zed: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use crate::config::{Env, LoadOptions, Source, from_text, load};

    #[test]
    fn it_is_what_a_person_would_write_for_two_addresses() {
        let addresses = Addresses {
            anthropic: ([127, 0, 0, 1], 4001).into(),
            openai: ([127, 0, 0, 1], 4002).into(),
        };
        let dir = tempfile::tempdir().unwrap();
        let mut options = LoadOptions::new(Env::default());
        options.dir = dir.path().to_owned();
        options.port = Some(9);
        let empty = load(&options).unwrap();
        assert_eq!(empty.source, Source::Demo);
        let filled = config(addresses, &empty);

        let text = r#"
providers:
  - {name: simulated-anthropic, type: anthropic, base_url: "http://127.0.0.1:4001", auth_type: none, http2: off}
  - {name: simulated-openai, type: openai, base_url: "http://127.0.0.1:4002", auth_type: none, http2: off}
model_routes:
  "*":
    - {provider: simulated-anthropic, priority: 1}
    - {provider: simulated-openai, model: simulated-gpt, priority: 2}
settings: {default_route: "*"}
"#;
        let written = from_text("demo", text, dir.path(), &options).unwrap();
        assert!(filled.providers.iter().all(Provider::is_active));
        let outline = |it: &Config| {
            format!(
                "{:#?} {:#?} {:#?} {:#?}",
                it.providers, it.routes, it.default_route, it.settings
            )
        };
        assert_eq!(outline(&filled), outline(&written));
    }
}
