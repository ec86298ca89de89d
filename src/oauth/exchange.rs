//! Token requests and what their answers mean (RFC 6749 §4.1.3, §5, §6). No I/O.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use zeroize::Zeroizing;

use super::redirect::{escaped, one_line};
use crate::config::OAuthProfile;
use crate::credential::MintError;
use crate::types::Secret;

/// A token request, ready to be sent.
pub(super) struct TokenRequest {
    /// Its body.
    pub body: Zeroizing<String>,
    /// What the body is.
    pub content_type: &'static str,
    /// `Authorization`, where the client shows its secret there.
    pub authorization: Option<Secret>,
}

/// What a server has granted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Granted {
    pub access: Secret,
    /// Absent where the old one stays good, or where there is none.
    pub refresh: Option<Secret>,
    /// How long the access token is good, in seconds, where it is told.
    pub lives: Option<u64>,
    /// Absent where it is what was asked for.
    pub scopes: Option<Vec<String>>,
    pub who: Who,
}

/// Who has signed in, as far as the server tells.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Who {
    pub email: Option<String>,
    pub id: Option<String>,
    pub name: Option<String>,
}

/// The request for the tokens of a `code`.
pub(super) fn for_code(
    profile: &OAuthProfile,
    code: &Secret,
    verifier: &Secret,
    state: &Secret,
) -> TokenRequest {
    let mut params = vec![
        ("grant_type", "authorization_code"),
        ("code", code.expose()),
        ("redirect_uri", &profile.redirect_uri),
        ("code_verifier", verifier.expose()),
    ];
    if profile.sends_state {
        params.push(("state", state.expose()));
    }
    request(profile, params)
}

/// The request for new tokens.
pub(super) fn for_refresh(profile: &OAuthProfile, refresh: &Secret) -> TokenRequest {
    let params = vec![
        ("grant_type", "refresh_token"),
        ("refresh_token", refresh.expose()),
    ];
    request(profile, params)
}

fn request<'a>(profile: &'a OAuthProfile, mut params: Vec<(&'a str, &'a str)>) -> TokenRequest {
    params.push(("client_id", &profile.client_id));
    let in_body = profile
        .client_secret
        .as_ref()
        .filter(|_| profile.secret_in_body);
    params.extend(in_body.map(|it| ("client_secret", it.expose())));
    let further = profile.token_params.iter();
    params.extend(further.map(|(name, value)| (name.as_str(), value.expose())));
    let (body, content_type) = if profile.json {
        let map: Map<String, Value> = params
            .into_iter()
            .map(|(name, value)| (name.to_owned(), json!(value)))
            .collect();
        (Value::Object(map).to_string(), "application/json")
    } else {
        let pairs: Vec<String> = params
            .into_iter()
            .map(|(name, value)| format!("{}={}", escaped(name), escaped(value)))
            .collect();
        (pairs.join("&"), "application/x-www-form-urlencoded")
    };
    let in_header = profile
        .client_secret
        .as_ref()
        .filter(|_| !profile.secret_in_body);
    TokenRequest {
        body: Zeroizing::new(body),
        content_type,
        authorization: in_header.map(|it| basic(&profile.client_id, it)),
    }
}

/// RFC 6749 §2.3.1: both are escaped as in a form before they are put together.
fn basic(id: &str, secret: &Secret) -> Secret {
    let text = Zeroizing::new(format!("{}:{}", escaped(id), escaped(secret.expose())));
    Secret::new(format!("Basic {}", BASE64_STANDARD.encode(text.as_bytes())))
}

#[derive(Deserialize)]
struct Answered {
    access_token: Option<String>,
    refresh_token: Option<String>,
    expires_in: Option<Value>,
    token_type: Option<String>,
    scope: Option<Value>,
    #[serde(flatten)]
    rest: Map<String, Value>,
}

#[derive(Deserialize)]
struct Refusal {
    error: Option<Value>,
    error_description: Option<String>,
}

/// Why a token request came to nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// What we showed is no good any more: only a new login helps.
    Grant(String),
    /// Anything else.
    Other(MintError),
}

/// What an answer means. `shown` is what the request showed; no text quotes it.
pub(super) fn read(status: u16, body: &[u8], shown: &[&Secret]) -> Result<Granted, Refused> {
    match status {
        200..=299 => granted(body).map_err(|what| Refused::Other(MintError::Malformed(what))),
        408 | 429 | 500.. => Err(Refused::Other(MintError::Unavailable { status })),
        _ => Err(refusal(status, body, shown)),
    }
}

fn granted(body: &[u8]) -> Result<Granted, &'static str> {
    let answered: Answered =
        serde_json::from_slice(body).map_err(|_| "something other than JSON")?;
    let access = answered.access_token.ok_or("no access_token")?;
    if access.is_empty() || !access.bytes().all(|it| it.is_ascii_graphic()) {
        return Err("an access_token that fits no header");
    }
    let kind = answered.token_type.as_deref().unwrap_or("Bearer");
    if !kind.eq_ignore_ascii_case("bearer") {
        return Err("a token of another type than Bearer");
    }
    let lives = answered.expires_in.as_ref().and_then(seconds);
    if lives == Some(0) {
        return Err("a token that has ended already");
    }
    Ok(Granted {
        access: Secret::new(access),
        refresh: answered
            .refresh_token
            .filter(|it| !it.is_empty())
            .map(Secret::new),
        lives,
        scopes: answered.scope.as_ref().map(scopes),
        who: who(&Value::Object(answered.rest)),
    })
}

/// A number, or a number as text.
fn seconds(value: &Value) -> Option<u64> {
    let number = value.as_f64();
    let number = number.or_else(|| value.as_str()?.trim().parse().ok())?;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "rounded down within bounds"
    )]
    (0.0..=1e10).contains(&number).then_some(number as u64)
}

fn scopes(value: &Value) -> Vec<String> {
    let texts: Vec<&str> = match value {
        Value::Array(items) => items.iter().filter_map(Value::as_str).collect(),
        other => other.as_str().into_iter().collect(),
    };
    let words = texts.into_iter().flat_map(str::split_whitespace);
    words.map(str::to_owned).collect()
}

/// Who has signed in, as token answers and profile pages tell it: inside `account`, or at the top as OpenID Connect
/// does.
pub(super) fn who(value: &Value) -> Who {
    let text = |paths: &[&str]| {
        paths
            .iter()
            .find_map(|path| value.pointer(path)?.as_str())
            .map(one_line)
            .filter(|it| !it.is_empty())
    };
    Who {
        email: text(&[
            "/account/email_address",
            "/account/email",
            "/email",
            "/email_address",
        ])
        .map(|it| it.to_lowercase()),
        id: text(&["/account/uuid", "/account/id", "/sub"]),
        name: text(&["/organization/name", "/account/name", "/name"]),
    }
}

fn refusal(status: u16, body: &[u8], shown: &[&Secret]) -> Refused {
    let (code, more) = match serde_json::from_slice::<Refusal>(body) {
        Ok(it) => (it.error, it.error_description),
        Err(_) => (None, None),
    };
    // Some servers put their own error object where the standard has a word.
    let kind = code.as_ref().and_then(|it| {
        it.as_str()
            .or_else(|| it.get("type").and_then(Value::as_str))
    });
    let message = || {
        let message = code.as_ref()?.get("message")?;
        message.as_str().map(str::to_owned)
    };
    let mut text = match (kind, more.or_else(message)) {
        (Some(kind), Some(more)) => format!("{kind}: {more}"),
        (Some(kind), None) => kind.to_owned(),
        (None, Some(more)) => more,
        (None, None) => "no reason given".to_owned(),
    };
    for secret in shown.iter().filter(|it| !it.expose().is_empty()) {
        text = text.replace(secret.expose(), "***");
    }
    let why = one_line(&text);
    if kind == Some("invalid_grant") {
        Refused::Grant(why)
    } else {
        Refused::Other(MintError::Refused { status, why })
    }
}

#[cfg(test)]
mod tests;
