//! Where an endpoint's tokens come from, and the way to them.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use zeroize::Zeroizing;

use super::Snapshot;
use crate::config::{EgressProxy, Provider, Target};
use crate::credential::{Answer, PostForm, ServiceAccountMint, TokenSource};
use crate::net::Client;
use crate::oauth::Accounts;
use crate::types::Clock;

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
    let account = provider.service_account.as_ref()?;
    let before = old.and_then(|old| old.active().find(|it| it.id() == &provider.id));
    let same = before.filter(|it| {
        let before = &it.provider;
        before.service_account.as_ref() == Some(account) && before.proxy == provider.proxy
    });
    if let Some(tokens) = same.and_then(|it| it.tokens.as_ref()) {
        return Some(Arc::clone(tokens));
    }
    let clock = Clock::system();
    let way = Arc::new(Way {
        client: Arc::clone(client),
        proxy: provider.proxy.clone(),
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

/// The provider's way out, for calls of our own.
struct Way {
    client: Arc<Client>,
    proxy: Option<EgressProxy>,
}

#[async_trait]
impl PostForm for Way {
    async fn post_form(&self, to: &Target, form: Zeroizing<String>) -> Result<Answer, String> {
        let path = to.inference.of("", false);
        let form = Bytes::copy_from_slice(form.as_bytes());
        let answered = self
            .client
            .post_form(to, &path, form, self.proxy.as_ref(), PATIENCE)
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
