//! One provider that can be called: its configuration with its live counterparts.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::Instant;

use http::header::{HeaderName, HeaderValue};

use crate::config::{ModelFacts, Provider, ProviderAuth, Target};
use crate::credential::{Bearer, KeyIndex, KeyPool, MintError, TokenSource};
use crate::health::{EndpointHealth, Standing};
use crate::net::PeerFactory;
use crate::routing::{Pattern, Vitals, blended, price_of};
use crate::types::{Dialect, EndpointId, Hosted, Price, Secret};
use crate::zed::Hosting;

/// Parts of the names of headers that hold credentials.
const CREDENTIAL_NAMES: [&str; 9] = [
    "auth",
    "cookie",
    "credential",
    "key",
    "pass",
    "secret",
    "session",
    "signature",
    "token",
];
/// Shorter values of such headers are words, which may stand anywhere.
const MIN_CREDENTIAL: usize = 8;

/// An endpoint that requests may be sent to.
pub struct Endpoint {
    /// What the operator wrote.
    pub provider: Provider,
    /// What it speaks.
    pub dialect: Dialect,
    /// Where it is.
    pub target: Target,
    /// How it fares.
    pub health: Arc<EndpointHealth>,
    /// Its keys.
    pub keys: KeyPool,
    /// Where its tokens come from, if it signs in with tokens.
    pub tokens: Option<Arc<TokenSource>>,
    /// The way to it.
    pub peers: PeerFactory,
    /// `provider.models`, compiled.
    pub facts: Vec<(Pattern, ModelFacts)>,
    /// What Zed's service hosts, where this is it.
    pub hosting: Option<Arc<Hosting>>,
}

/// What is spoken with a model at an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spoken {
    /// The dialect.
    pub dialect: Dialect,
    /// Whose model it is, where models of several makers are hosted.
    pub hosted: Option<Hosted>,
}

impl Endpoint {
    /// Its identity.
    pub fn id(&self) -> &EndpointId {
        &self.provider.id
    }

    /// What is spoken with `model` there.
    pub fn spoken(&self, model: &str) -> Spoken {
        let Some(terms) = &self.provider.zed else {
            return Spoken {
                dialect: self.dialect,
                hosted: None,
            };
        };
        let listed = self.hosting.as_ref().and_then(|it| it.model(model));
        let hosted = listed.map_or_else(|| Hosted::of_model(model), |it| it.hosted);
        Spoken {
            dialect: hosted.dialect(terms.openai),
            hosted: Some(hosted),
        }
    }

    /// What is declared about `model` there; the most specific pattern speaks.
    pub fn facts(&self, model: &str) -> Option<&ModelFacts> {
        let matching = self
            .facts
            .iter()
            .filter(|(pattern, _)| pattern.matches(model));
        matching
            .min_by(|(a, _), (b, _)| a.by_specificity(b))
            .map(|(_, facts)| facts)
    }

    /// Whether a request could be sent now, credentials included.
    pub fn is_usable(&self, now: Instant) -> bool {
        self.health.check(now, "", None).is_ok()
            && self.keys.any_usable(now)
            && self.out_of_use().is_none()
    }

    /// Why it cannot be used until a person does something: its account must sign in.
    pub fn out_of_use(&self) -> Option<String> {
        self.tokens.as_ref()?.dead()
    }

    /// The token to sign in with; `None` for an endpoint that signs in otherwise. Waits for one no longer than for a
    /// connection.
    pub async fn bearer(&self) -> Result<Option<Bearer>, MintError> {
        let Some(tokens) = &self.tokens else {
            return Ok(None);
        };
        let patience = self.provider.timeouts.connect_total;
        let late = |_| MintError::Unreachable {
            why: format!("no token within {patience:?}"),
        };
        let waited = tokio::time::timeout(patience, tokens.token()).await;
        waited.map_err(late)?.map(Some)
    }

    /// What it is signed in with: a token that was fetched, or a key.
    pub fn secret<'a>(
        &'a self,
        key: Option<KeyIndex>,
        bearer: Option<&'a Bearer>,
    ) -> Option<&'a Secret> {
        let key = || key.and_then(|key| self.keys.secret(key));
        bearer.map(|it| &it.secret).or_else(key)
    }

    /// Whether this is so of any credential that [`Endpoint::secrets`] gives; looks, but copies none.
    pub fn any_secret(&self, is: impl Fn(&str) -> bool) -> bool {
        let tokens = self.tokens.as_ref();
        self.provider.keys.iter().any(|it| is(it.expose()))
            || self.account().is_some_and(|it| is(it.expose()))
            || tokens.is_some_and(|it| it.any_secret(|it| is(it.expose())))
            || self.header_credentials().any(is)
    }

    /// Every credential of ours that an answer may quote.
    pub fn secrets(&self) -> Vec<Secret> {
        let tokens = self.tokens.iter().flat_map(|it| it.secrets());
        let headers = self.header_credentials();
        let headers = headers.map(|it| Secret::new(it.to_owned()));
        let keys = self.provider.keys.iter().chain(self.account()).cloned();
        keys.chain(tokens).chain(headers).collect()
    }

    /// What an account of Zed's was granted.
    fn account(&self) -> Option<&Secret> {
        let account = self.provider.zed.as_ref()?.account.as_ref()?;
        Some(&account.access_token)
    }

    /// Credentials among the headers that the operator adds, without the scheme before them (`Basic`).
    fn header_credentials(&self) -> impl Iterator<Item = &str> {
        let headers = self.provider.headers.iter();
        headers
            .filter(|(name, _)| is_of_credential(name))
            .filter_map(|(_, value)| value.expose().split(' ').next_back())
            .filter(|it| MIN_CREDENTIAL <= it.len())
    }

    /// Whether a request for `model` could be sent now, credentials and capacity included, and since when.
    pub fn standing(&self, now: Instant, model: &str) -> Standing {
        let Some(keys) = self.keys.usable_since(now) else {
            return Standing::Refused;
        };
        if self.out_of_use().is_some() {
            return Standing::Refused;
        }
        let max_in_flight = self.provider.max_in_flight;
        match self.health.standing(now, model, max_in_flight) {
            Standing::Well(since) => Standing::Well(since.max(keys)),
            other => other,
        }
    }

    /// What strategies compare of it as a candidate for `model`.
    pub fn vitals(&self, now: Instant, model: &str) -> Vitals {
        let load = self.health.load(now);
        Vitals {
            is_usable: self.standing(now, model) != Standing::Refused,
            in_flight: load.in_flight,
            ttft_ms: load.ttft_ms,
            price: self.price(model).map(|it| blended((it.input, it.output))),
        }
    }

    /// What `model` costs there, as far as anybody knows.
    pub fn price(&self, model: &str) -> Option<Price> {
        let declared = self.facts(model).and_then(|it| it.price.as_ref());
        price_of(model, declared)
    }

    /// Separates pooled connections of different credentials: of the key itself, whose place in the list may be
    /// another's after a reload, or under passthrough of all that the `client` signs in with.
    pub fn connection_group(
        &self,
        key: Option<KeyIndex>,
        client: &[(HeaderName, HeaderValue)],
    ) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.provider.id.hash(&mut hasher);
        let account = self.provider.service_account.as_ref();
        account.map(|it| &it.email).hash(&mut hasher);
        self.account().map(Secret::expose).hash(&mut hasher);
        let secret = key.and_then(|key| self.keys.secret(key));
        secret.map(Secret::expose).hash(&mut hasher);
        if self.provider.auth == ProviderAuth::Passthrough {
            client.hash(&mut hasher);
        }
        hasher.finish()
    }
}

/// Whether a header holds a credential, by its name. Others are settings, and may stand in any answer.
fn is_of_credential(name: &str) -> bool {
    CREDENTIAL_NAMES.iter().any(|it| name.contains(it))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_told_apart_by_their_names() {
        for (name, is) in [
            ("x-team-token", true),
            ("ocp-apim-subscription-key", true),
            ("proxy-authorization", true),
            ("anthropic-beta", false),
            ("x-title", false),
        ] {
            assert_eq!(is_of_credential(name), is, "{name}");
        }
    }
}
