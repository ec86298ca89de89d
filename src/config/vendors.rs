//! Providers from keys in the environment, for the vendors that are known, and the routes to them. Source code never
//! goes to a second company unless somebody wrote that route, so nobody here serves another's names.

use std::collections::BTreeMap;

use crate::config::egress::{Way, Ways};
use crate::config::env::Env;
use crate::config::model::{
    Http2, KeyStrategy, Platform, Provider, ProviderAuth, Route, RouteCandidate, Terms, Timeouts,
    Wish,
};
use crate::config::secrets;
use crate::config::url::Address;
use crate::config::zed_terms::Billing;
use crate::types::vendor::{VENDORS, Vendor};
use crate::types::{EndpointId, Quirks, Secret};

/// The vendor whose address this host is.
pub(super) fn of_host(host: &str) -> Option<&'static Vendor> {
    VENDORS.iter().find(|it| it.host() == Some(host))
}

/// Providers for the keys in the environment.
pub(super) fn providers(env: &Env, timeouts: Timeouts, ways: &Ways<'_>) -> Vec<Provider> {
    VENDORS
        .iter()
        .filter_map(|vendor| {
            let key = vendor
                .variables
                .iter()
                .find_map(|it| env.filled(it))
                .and_then(|it| secrets::secret(it.trim()).ok())?;
            provider(vendor, key, timeouts, ways.unsaid())
        })
        .collect()
}

fn provider(vendor: &Vendor, key: Secret, timeouts: Timeouts, way: Way) -> Option<Provider> {
    let address = Address::parse_base(vendor.base_url).ok()?;
    Some(Provider {
        id: EndpointId::new(vendor.name, None),
        name: vendor.name.to_owned(),
        account_email: None,
        kind: vendor.dialect.to_string(),
        dialect: Some(vendor.dialect),
        platform: Platform::default(),
        vendor: None,
        base_url: vendor.base_url.to_owned(),
        target: Some(address.target(vendor.dialect)),
        auth: ProviderAuth::ApiKey,
        key_header: None,
        keys: vec![key],
        service_account: None,
        oauth: None,
        takes_turns: false,
        key_strategy: KeyStrategy::default(),
        enabled: true,
        inactive: None,
        headers: Vec::new(),
        way,
        timeouts,
        http2: Http2::default(),
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
    })
}

/// Each provider's own names, passed through.
pub(super) fn routes(providers: &[Provider], terms: Terms) -> Vec<Route> {
    providers
        .iter()
        .enumerate()
        .filter_map(|(i, it)| Some((i, Vendor::named(&it.name)?)))
        .flat_map(|(i, vendor)| vendor.patterns.iter().map(move |it| alone(it, i)))
        .map(|route| Route { terms, ..route })
        .collect()
}

/// A route with one candidate that keeps the client's model name.
pub(super) fn alone(pattern: &str, provider: usize) -> Route {
    Route {
        pattern: pattern.to_owned(),
        candidates: vec![RouteCandidate {
            provider,
            model: None,
            priority: 1,
            weight: 1.0,
            wish: Wish::default(),
        }],
        terms: Terms::default(),
    }
}
