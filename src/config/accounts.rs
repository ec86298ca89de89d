//! Providers that sign in by OAuth, one for each account that has signed in: an account is an endpoint, with health and
//! limits of its own.

use crate::config::model::{Config, Provider, ProviderAuth, RouteCandidate};
use crate::types::EndpointId;

impl Config {
    /// The same with each provider that names no account in place for each of those that `signed_in` gives for its
    /// profile; while there are none, it stays as it is. Accounts that a provider of the same name names are left to it.
    #[must_use]
    pub fn with_accounts(mut self, signed_in: impl Fn(&str) -> Vec<String>) -> Config {
        let before = std::mem::take(&mut self.providers);
        // For each provider as written, the places of those that stand for it.
        let mut places: Vec<Vec<usize>> = Vec::new();
        for provider in &before {
            let first = self.providers.len();
            self.providers.extend(spread(provider, &before, &signed_in));
            places.push((first..self.providers.len()).collect());
        }
        for route in &mut self.routes {
            replace(&mut route.candidates, &places);
        }
        for rule in &mut self.rules {
            replace(&mut rule.candidates, &places);
        }
        self
    }
}

fn spread(
    provider: &Provider,
    all: &[Provider],
    signed_in: &impl Fn(&str) -> Vec<String>,
) -> Vec<Provider> {
    let profile = provider.oauth.as_ref().map(|it| it.name.as_str());
    let open = provider.auth == ProviderAuth::OAuth && provider.account_email.is_none();
    let Some(profile) = profile.filter(|_| open && provider.is_active()) else {
        return vec![provider.clone()];
    };
    let is_named = |email: &String| {
        all.iter()
            .any(|it| it.name == provider.name && it.account_email.as_ref() == Some(email))
    };
    let mut accounts = signed_in(profile);
    accounts.retain(|it| !is_named(it));
    if accounts.is_empty() {
        return vec![provider.clone()];
    }
    let one = |email: String| Provider {
        id: EndpointId::new(&provider.name, Some(&email)),
        account_email: Some(email),
        takes_turns: true,
        ..provider.clone()
    };
    accounts.into_iter().map(one).collect()
}

fn replace(candidates: &mut Vec<RouteCandidate>, places: &[Vec<usize>]) {
    let mut replaced = Vec::with_capacity(candidates.len());
    for candidate in candidates.iter() {
        let several = places
            .get(candidate.provider)
            .map_or(&[][..], Vec::as_slice);
        for place in several {
            replaced.push(RouteCandidate {
                provider: *place,
                // Together they have the share that was written.
                weight: candidate.weight / several.len() as f64,
                ..candidate.clone()
            });
        }
    }
    *candidates = replaced;
}
