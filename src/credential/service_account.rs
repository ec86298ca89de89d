//! Tokens of a Google service account: an assertion that we sign ourselves, exchanged for a token (RFC 7523, as
//! <https://developers.google.com/identity/protocols/oauth2/service-account> has it, seen November 2026).

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use bytes::Bytes;
use serde::Deserialize;
use serde_json::json;
use zeroize::Zeroizing;

use super::minted::{Mint, MintError, Minted};
use crate::config::{ServiceAccount, Target};
use crate::types::{Clock, Secret};

/// What the token may be used for; roles of the account say more.
const SCOPE: &str = "https://www.googleapis.com/auth/cloud-platform";
/// The grant of RFC 7523, escaped for a form.
const GRANT: &str = "urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer";
/// How long an assertion is good; also the longest that Google takes.
const ASSERTION_LIFE: Duration = Duration::from_secs(3600);
/// Life of a token whose answer does not tell.
const UNTOLD_LIFE: Duration = Duration::from_secs(300);
/// Characters of the endpoint's own words that are kept.
const MAX_WORDS: usize = 200;

/// Posts a form, for whoever fetches tokens.
#[async_trait]
pub trait PostForm: Send + Sync {
    /// Posts `form`, already escaped, and gives the whole answer; the error is fit for logs.
    async fn post_form(&self, to: &Target, form: Zeroizing<String>) -> Result<Answer, String>;
}

/// An answer to a form.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Its status; redirects are not followed.
    pub status: u16,
    /// Its body, whole.
    pub body: Bytes,
}

/// Fetches the tokens of one service account.
pub struct ServiceAccountMint {
    account: ServiceAccount,
    way: Arc<dyn PostForm>,
    clock: Clock,
}

impl ServiceAccountMint {
    /// For `account`, whose token endpoint is reached through `way`.
    pub fn new(account: ServiceAccount, way: Arc<dyn PostForm>, clock: Clock) -> Self {
        ServiceAccountMint {
            account,
            way,
            clock,
        }
    }
}

#[async_trait]
impl Mint for ServiceAccountMint {
    async fn mint(&self) -> Result<Minted, MintError> {
        let assertion = assertion(&self.account, self.clock.wall())?;
        let form = format!("grant_type={GRANT}&assertion={}", assertion.as_str());
        let answered = self
            .way
            .post_form(&self.account.token_target, Zeroizing::new(form))
            .await;
        let answer = answered.map_err(|why| MintError::Unreachable { why })?;
        read(&answer, &assertion)
    }
}

/// The assertion: a JWT of RFC 7519, signed with `RS256`.
fn assertion(account: &ServiceAccount, now: SystemTime) -> Result<Zeroizing<String>, MintError> {
    let issued = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let mut header = json!({"alg": "RS256", "typ": "JWT"});
    if let Some(id) = &account.key_id {
        header["kid"] = json!(id);
    }
    let claims = json!({
        "iss": account.email,
        "scope": SCOPE,
        "aud": account.token_uri,
        "iat": issued,
        "exp": issued + ASSERTION_LIFE.as_secs(),
    });
    let coded = |it: &[u8]| BASE64_URL_SAFE_NO_PAD.encode(it);
    let mut text = coded(header.to_string().as_bytes());
    let _ = write!(text, ".{}", coded(claims.to_string().as_bytes()));
    let signature = account
        .sign(text.as_bytes())
        .ok_or(MintError::Internal("the system has no randomness"))?;
    let _ = write!(text, ".{}", coded(&signature));
    Ok(Zeroizing::new(text))
}

#[derive(Deserialize)]
struct Granted {
    access_token: Option<String>,
    expires_in: Option<u64>,
    token_type: Option<String>,
}

#[derive(Deserialize)]
struct Refusal {
    error: Option<String>,
    error_description: Option<String>,
}

fn read(answer: &Answer, assertion: &str) -> Result<Minted, MintError> {
    match answer.status {
        200..=299 => granted(&answer.body),
        status @ (408 | 429 | 500..) => Err(MintError::Unavailable { status }),
        status => Err(MintError::Refused {
            status,
            why: words(&answer.body, assertion),
        }),
    }
}

fn granted(body: &[u8]) -> Result<Minted, MintError> {
    let granted: Granted = serde_json::from_slice(body)
        .map_err(|_| MintError::Malformed("something other than JSON"))?;
    let token = granted
        .access_token
        .ok_or(MintError::Malformed("no access_token"))?;
    let token = Secret::new(token);
    if token.expose().is_empty() || !token.expose().bytes().all(|it| it.is_ascii_graphic()) {
        return Err(MintError::Malformed("an access_token that fits no header"));
    }
    let kind = granted.token_type.unwrap_or_else(|| "Bearer".to_owned());
    if !kind.eq_ignore_ascii_case("bearer") {
        return Err(MintError::Malformed("a token of another type than Bearer"));
    }
    let lives = granted.expires_in.map_or(UNTOLD_LIFE, Duration::from_secs);
    if lives.is_zero() {
        return Err(MintError::Malformed("a token that has ended already"));
    }
    Ok(Minted { token, lives })
}

/// What the endpoint says about its refusal, on one line and without our own assertion.
fn words(body: &[u8], assertion: &str) -> String {
    let Ok(refusal) = serde_json::from_slice::<Refusal>(body) else {
        return "no reason given".to_owned();
    };
    let parts = [refusal.error, refusal.error_description];
    let text = parts.into_iter().flatten().collect::<Vec<_>>().join(": ");
    let text: String = text
        .replace(assertion, "***")
        .chars()
        .map(|it| if it.is_control() { ' ' } else { it })
        .take(MAX_WORDS)
        .collect();
    if text.is_empty() {
        "no reason given".to_owned()
    } else {
        text
    }
}

#[cfg(test)]
mod tests;
