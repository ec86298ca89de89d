//! Where an endpoint's tokens come from, and the way to them.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::Method;
use http::header::{HeaderName, HeaderValue};
use zeroize::Zeroizing;

use super::{Endpoint, Snapshot};
use crate::config::{Provider, Target, Way, Zed};
use crate::credential::{Answer, PostForm, ServiceAccountMint, TokenSource};
use crate::net::{Call, Client};
use crate::oauth::Accounts;
use crate::types::Clock;
use crate::zed::{self, AccountMint, Ask, Calls, Hosting};

/// Longest wait for a token endpoint; requests that wait for a token give up sooner.
const PATIENCE: Duration = Duration::from_secs(10);

/// The token source of `provider`, if it signs in with tokens. While account and way stay the same it is that of the
/// `old` configuration, with the token at hand there.
pub(super) fn source(
    provider: &Provider,
    client: &Arc<Client>,
    accounts: &Accounts,
    old: Option<&Snapshot>,
) -> Option<Arc<TokenSource>> {
    if let Some(profile) = &provider.oauth {
        return Some(accounts.source(profile, provider.account_email.as_deref()));
    }
    if let Some(zed) = &provider.zed {
        return zed_source(provider, zed, client, old);
    }
    let account = provider.service_account.as_ref()?;
    let before = old.and_then(|old| old.active().find(|it| it.id() == &provider.id));
    let same = before.filter(|it| {
        let before = &it.provider;
        before.service_account.as_ref() == Some(account) && before.way == provider.way
    });
    if let Some(tokens) = same.and_then(|it| it.tokens.as_ref()) {
        return Some(Arc::clone(tokens));
    }
    let clock = Clock::system();
    let way = Arc::new(WayOut {
        client: Arc::clone(client),
        way: provider.way.clone(),
    });
    let mint = ServiceAccountMint::new(account.clone(), way, clock.clone());
    let name = provider.id.to_string();
    Some(Arc::new(TokenSource::new(
        Box::new(mint),
        name,
        clock,
        fastrand::f64,
    )))
}

/// The tokens of an account of Zed's service.
fn zed_source(
    provider: &Provider,
    zed: &Zed,
    client: &Arc<Client>,
    old: Option<&Snapshot>,
) -> Option<Arc<TokenSource>> {
    let account = zed.account.as_ref()?;
    let signs_in_alike = |it: &&Arc<Endpoint>| {
        let asks = |it: &Zed| {
            (
                it.organization_id.clone(),
                it.system_id.clone(),
                it.generation,
            )
        };
        let before = it.provider.zed.as_ref();
        before.is_some_and(|it| it.account.as_ref() == Some(account) && asks(it) == asks(zed))
    };
    if let Some(tokens) = same_place(provider, old)
        .filter(signs_in_alike)
        .and_then(|it| it.tokens.as_ref())
    {
        return Some(Arc::clone(tokens));
    }
    let (calls, clock) = (way(provider, client)?, Clock::system());
    let (account, zed) = (account.clone(), zed.clone());
    let mint = AccountMint::new(account, zed, root(provider)?, calls, clock.clone());
    let name = provider.id.to_string();
    Some(Arc::new(TokenSource::new(
        Box::new(mint),
        name,
        clock,
        fastrand::f64,
    )))
}

/// What Zed's service hosts, for `provider` if it is that. A reload keeps the list of an address that stays the same.
pub(super) fn hosting(
    provider: &Provider,
    client: &Arc<Client>,
    old: Option<&Snapshot>,
) -> Option<Arc<Hosting>> {
    provider.zed.as_ref()?;
    if let Some(before) = same_place(provider, old).and_then(|it| it.hosting.as_ref()) {
        return Some(Arc::clone(before));
    }
    let path = provider.target.as_ref()?.models.clone()?;
    let name = provider.id.to_string();
    let hosting = Hosting::new(way(provider, client)?, path, name, Clock::system());
    Some(Arc::new(hosting))
}

/// The endpoint of the same name, address and way out before.
fn same_place<'o>(provider: &Provider, old: Option<&'o Snapshot>) -> Option<&'o Arc<Endpoint>> {
    let mut active = old?.active();
    active.find(|it| {
        let before = &it.provider;
        it.id() == &provider.id && before.target == provider.target && before.way == provider.way
    })
}

/// What stands before all paths of the service.
fn root(provider: &Provider) -> Option<String> {
    let models = provider.target.as_ref()?.models.as_ref()?;
    models.strip_suffix("/models").map(str::to_owned)
}

fn way(provider: &Provider, client: &Arc<Client>) -> Option<Arc<dyn Calls>> {
    Some(Arc::new(WayThere {
        client: Arc::clone(client),
        target: provider.target.clone()?,
        way: provider.way.clone(),
    }))
}

/// The way to the provider itself, for calls of our own.
struct WayThere {
    client: Arc<Client>,
    target: Target,
    way: Way,
}

#[async_trait]
impl Calls for WayThere {
    async fn call(&self, ask: Ask) -> Result<zed::Answer, String> {
        let mut headers = Vec::with_capacity(ask.headers.len());
        for (name, value) in ask.headers {
            let text = Zeroizing::new(value.expose().as_bytes().to_vec());
            let mut value = HeaderValue::from_maybe_shared(Bytes::from_owner(text))
                .map_err(|_| format!("{name} is no header value"))?;
            value.set_sensitive(true);
            headers.push((HeaderName::from_static(name), value));
        }
        let (method, body) = match ask.body {
            Some(body) => (Method::POST, Bytes::from(body)),
            None => (Method::GET, Bytes::new()),
        };
        let call = Call {
            method,
            target: &self.target,
            path: &ask.path,
            headers,
            body,
            way: Some(&self.way),
            timeout: PATIENCE,
        };
        match self.client.send(call).await {
            Ok(answer) => Ok(zed::Answer {
                status: answer.status.as_u16(),
                body: answer.body,
            }),
            Err(error) => Err(error.to_string()),
        }
    }
}

/// The provider's way out, for calls of our own.
struct WayOut {
    client: Arc<Client>,
    way: Way,
}

#[async_trait]
impl PostForm for WayOut {
    async fn post_form(&self, to: &Target, form: Zeroizing<String>) -> Result<Answer, String> {
        let path = to.inference.of("", false);
        let form = Bytes::copy_from_slice(form.as_bytes());
        let answered = self
            .client
            .post_form(to, &path, form, &self.way, PATIENCE)
            .await;
        match answered {
            Ok(answer) => Ok(Answer {
                status: answer.status.as_u16(),
                body: answer.body,
            }),
            Err(error) => Err(error.to_string()),
        }
    }
}
