//! How token requests are sent.

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::Method;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderName, HeaderValue};
use serde_json::Value;

use super::exchange::{self, Granted, Refused, TokenRequest, Who};
use crate::config::{OAuthProfile, Target};
use crate::credential::{MintError, wait_told};
use crate::net::{Answer, Call, Client};
use crate::types::Secret;

/// Longest wait for an authorization server.
const PATIENCE: Duration = Duration::from_secs(30);

/// Sends a token request. `shown` is what it shows; no error quotes it.
pub(super) async fn token(
    client: &Client,
    profile: &OAuthProfile,
    request: TokenRequest,
    shown: &[&Secret],
) -> Result<Granted, Refused> {
    let mut headers = vec![(CONTENT_TYPE, HeaderValue::from_static(request.content_type))];
    if let Some(secret) = &request.authorization {
        headers.push((AUTHORIZATION, hidden(secret.expose())?));
    }
    let body = Bytes::copy_from_slice(request.body.as_bytes());
    let target = &profile.token_target;
    let answer = send(client, profile, Method::POST, target, headers, body).await?;
    let read = exchange::read(answer.status.as_u16(), &answer.body, shown);
    read.map_err(|refused| match refused {
        Refused::Other(MintError::Unavailable { status }) => {
            Refused::Other(match wait_told(&answer.headers, SystemTime::now()) {
                Some(after) => MintError::Limited { status, after },
                None => MintError::Unavailable { status },
            })
        }
        other => other,
    })
}

/// Asks who has signed in, where the profile has a place to ask. That nobody tells is no failure.
pub(super) async fn who(client: &Client, profile: &OAuthProfile, access: &Secret) -> Option<Who> {
    let target = profile.profile_target.as_ref()?;
    let value = hidden(&format!("Bearer {}", access.expose())).ok()?;
    let headers = vec![(AUTHORIZATION, value)];
    let answered = send(client, profile, Method::GET, target, headers, Bytes::new()).await;
    let name = &profile.name;
    let answer = match answered {
        Ok(answer) if answer.status.is_success() => answer,
        Ok(answer) => {
            let status = answer.status.as_u16();
            log::warn!("OAuth profile {name}: profile_url answered with status {status}");
            return None;
        }
        Err(_) => {
            log::warn!("OAuth profile {name}: profile_url cannot be reached");
            return None;
        }
    };
    let value: Value = serde_json::from_slice(&answer.body).ok()?;
    Some(exchange::who(&value))
}

async fn send(
    client: &Client,
    profile: &OAuthProfile,
    method: Method,
    target: &Target,
    headers: Vec<(HeaderName, HeaderValue)>,
    body: Bytes,
) -> Result<Answer, Refused> {
    let path = target.inference.of("", false);
    let call = Call {
        method,
        target,
        path: &path,
        headers,
        body,
        way: Some(&profile.way),
        timeout: PATIENCE,
    };
    client.send(call).await.map_err(|error| {
        Refused::Other(MintError::Unreachable {
            why: error.to_string(),
        })
    })
}

fn hidden(text: &str) -> Result<HeaderValue, Refused> {
    let mut value = HeaderValue::from_str(text)
        .map_err(|_| Refused::Other(MintError::Internal("a secret that fits no header")))?;
    value.set_sensitive(true);
    Ok(value)
}
