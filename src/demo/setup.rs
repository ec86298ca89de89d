//! The configuration of the demo: what a person would write to use the two simulated providers, already checked.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use crate::config::{
    Config, Http2, KeyStrategy, Provider, ProviderAuth, Route, RouteCandidate, Target, Timeouts,
};
use crate::demo::openai;
use crate::demo::providers::Providers;
use crate::types::{Dialect, EndpointId};

/// The pattern that serves every model.
const EVERYTHING: &str = "*";

/// Fills the providers and routes of an empty configuration (`Source::Demo`); everything else, such as the port, stays
/// as it is. Every model goes to `simulated-anthropic` under its own name, then to `simulated-openai` under another.
pub fn config(providers: &Providers, empty: &Config) -> Config {
    let mut config = empty.clone();
    config.providers = vec![
        provider(Dialect::Anthropic, providers.anthropic()),
        provider(Dialect::OpenAiChat, providers.openai()),
    ];
    config.routes = vec![Route {
        pattern: EVERYTHING.to_owned(),
        candidates: vec![candidate(0, None), candidate(1, Some(openai::MODEL))],
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
    }
}

fn provider(dialect: Dialect, address: SocketAddr) -> Provider {
    let (inference, count_tokens) = match dialect {
        Dialect::Anthropic => ("/v1/messages", Some("/v1/messages/count_tokens")),
        Dialect::OpenAiChat => ("/v1/chat/completions", None),
    };
    let name = format!("simulated-{dialect}");
    Provider {
        id: EndpointId::new(&name, None),
        name,
        account_email: None,
        kind: dialect.to_string(),
        dialect: Some(dialect),
        base_url: format!("http://{address}"),
        target: Some(Target {
            tls: false,
            host: address.ip().to_string(),
            port: address.port(),
            authority: address.to_string(),
            inference: inference.to_owned(),
            count_tokens: count_tokens.map(str::to_owned),
            models: Some("/v1/models".to_owned()),
        }),
        auth: ProviderAuth::None,
        keys: Vec::new(),
        key_strategy: KeyStrategy::default(),
        enabled: true,
        inactive: None,
        headers: Vec::new(),
        proxy: None,
        timeouts: Timeouts::default(),
        http2: Http2::Off,
        max_in_flight: None,
        probe: None,
        models: BTreeMap::new(),
        big_model: None,
        small_model: None,
        stream_only: false,
    }
}
