//! Signing in and out by OAuth: the calls below `/oauth/`. All but the callback are the operator's; a browser that is
//! sent back there has no key, and the state that it brings speaks for it.

use std::sync::Arc;

use bytes::Bytes;
use http::StatusCode;
use http::header::ACCEPT;
use pingora::proxy::Session;
use serde::Deserialize;
use serde_json::{Value, json};

use super::downstream::Downstream;
use super::local::{percent_decoded, query_value};
use super::receive::{self, OAuthCall};
use super::refuse;
use super::request::Arrival;
use super::service::Edge;
use crate::admin;
use crate::credential::MintError;
use crate::error::{Fault, FaultKind};
use crate::oauth::{
    Login, LoginError, Returned, SignedIn, StoreError, Wanted, choose, read_pasted, read_query,
};
use crate::telemetry::AccessLine;
use crate::types::Secret;

/// An answer of ours.
struct Reply {
    status: StatusCode,
    content: Content,
}

enum Content {
    Json(Value),
    /// For a browser: a headline, and a sentence.
    Page(&'static str, String),
    /// Sends a browser on.
    Elsewhere(String),
}

/// What `POST /oauth/exchange-code` is given.
#[derive(Deserialize)]
struct Exchange {
    #[serde(default)]
    code: String,
    state: Option<String>,
    account_email: Option<String>,
}

/// Answers a call.
pub async fn serve(edge: &Edge, session: &mut Session, arrival: &Arrival, call: OAuthCall) {
    let method = session.req_header().method.clone();
    let answered = answer(edge, session, arrival, call).await;
    let mut client = Downstream::new(session, arrival);
    let status = match answered {
        Ok(reply) => write(&mut client, reply).await,
        Err(fault) => {
            let dialect = receive::dialect_of(&arrival.path);
            let _ = refuse::plain(&mut client, &arrival.id, dialect, &fault, None, &[]).await;
            client.status
        }
    };
    let duration = arrival.started.elapsed();
    let (id, path) = (&arrival.id, &arrival.path);
    edge.shared.tell(&AccessLine {
        client: arrival.client,
        certificate: arrival.certificate.as_ref(),
        ..AccessLine::of(id, method.as_str(), path, status, duration)
    });
}

async fn answer(
    edge: &Edge,
    session: &mut Session,
    arrival: &Arrival,
    call: OAuthCall,
) -> Result<Reply, Fault> {
    let config = &arrival.snapshot.config;
    let mut body = Bytes::new();
    if call == OAuthCall::Exchange {
        let memory = &edge.shared.memory;
        let read = receive::read_body(session, &config.settings, memory).await?;
        body = read.bytes.clone();
    } else if !session.as_mut().is_body_done() {
        receive::discard_body(session, &config.settings).await;
    }
    if config.oauth.profiles.is_empty() {
        let text = "there is no OAuth profile; write `oauth.profiles` into the configuration";
        return Err(Fault::new(FaultKind::UnknownPath, text));
    }
    let uri = &session.req_header().uri;
    let query = uri.query().unwrap_or_default().to_owned();
    let accepts = session.req_header().headers.get(ACCEPT);
    let is_browser =
        accepts.is_some_and(|it| memchr::memmem::find(it.as_bytes(), b"text/html").is_some());
    let desk = Desk { edge, arrival };
    let last = arrival.path.rsplit('/').next().unwrap_or_default();
    Ok(match call {
        OAuthCall::Status => {
            let accounts = edge.shared.live.accounts();
            Reply::ok(admin::oauth_status(accounts))
        }
        OAuthCall::Authorize => desk.begin(&query, is_browser).await?,
        OAuthCall::GenerateUrl => desk.begin(&query, false).await?,
        OAuthCall::Callback => desk.called_back(read_query(&query)).await,
        OAuthCall::Exchange => desk.exchange(&body).await,
        OAuthCall::Refresh => desk.refresh(&percent_decoded(last)).await,
        OAuthCall::Remove if arrival.path == "/oauth/tokens" => desk.remove(None).await?,
        OAuthCall::Remove => desk.remove(Some(percent_decoded(last))).await?,
    })
}

struct Desk<'a> {
    edge: &'a Edge,
    arrival: &'a Arrival,
}

impl Desk<'_> {
    async fn begin(&self, query: &str, is_browser: bool) -> Result<Reply, Fault> {
        let value = |name: &str| query_value(query, name);
        let (provider, profile) = (value("provider"), value("profile"));
        let email = value("account_email");
        let wanted = Wanted {
            provider: provider.as_deref(),
            profile: profile.as_deref(),
            email: email.as_deref(),
        };
        let config = &self.arrival.snapshot.config;
        let (profile, email) = match choose(config, wanted) {
            Ok(chosen) => chosen,
            Err(why) => return Ok(Reply::refused(StatusCode::BAD_REQUEST, &why, None)),
        };
        let accounts = Arc::clone(self.edge.shared.live.accounts());
        let (with, whose) = (profile.clone(), email.clone());
        let begun = blocking(move || accounts.begin(&with, whose.as_deref())).await?;
        Ok(match begun {
            Err(error) => refused(&error),
            Ok(Login { url, .. }) if is_browser => Reply {
                status: StatusCode::FOUND,
                content: Content::Elsewhere(url),
            },
            Ok(login) => Reply::ok(admin::login(&login, &profile.name, email.as_deref())),
        })
    }

    /// A browser is back from the authorization server.
    async fn called_back(&self, returned: Returned) -> Reply {
        let page = |status, title, text| Reply {
            status,
            content: Content::Page(title, text),
        };
        match self.finish(returned, None).await {
            Ok(it) => {
                let text = format!(
                    "Account {} is in use now. This page can be closed.",
                    it.email
                );
                page(StatusCode::OK, "Signed in", text)
            }
            Err(error) => {
                let text = match &error {
                    LoginError::Exchange(why) => format!("{error}: {why}"),
                    error => error.to_string(),
                };
                page(status_of(&error), "Not signed in", text)
            }
        }
    }

    /// Somebody has brought a code by hand.
    async fn exchange(&self, body: &[u8]) -> Reply {
        let Ok(given) = serde_json::from_slice::<Exchange>(body) else {
            let text = "the body must be JSON: {\"code\": …, \"account_email\": …}";
            return Reply::refused(StatusCode::BAD_REQUEST, text, None);
        };
        let mut returned = read_pasted(&given.code);
        if returned.state.is_none() {
            let state = given.state.filter(|it| !it.is_empty());
            returned.state = state.map(Secret::new);
        }
        let email = given.account_email.filter(|it| !it.trim().is_empty());
        match self.finish(returned, email).await {
            Ok(it) => Reply::ok(admin::signed_in(&it)),
            Err(error) => refused(&error),
        }
    }

    async fn finish(
        &self,
        returned: Returned,
        email: Option<String>,
    ) -> Result<SignedIn, LoginError> {
        let live = &self.edge.shared.live;
        let settings = &self.arrival.snapshot.config.oauth;
        let signed_in = live.accounts().finish(settings, returned, email).await?;
        self.follow().await;
        Ok(signed_in)
    }

    async fn refresh(&self, email: &str) -> Reply {
        let settings = &self.arrival.snapshot.config.oauth;
        let accounts = self.edge.shared.live.accounts();
        match accounts.refresh(settings, email).await {
            Some(Ok(seen)) => Reply::ok(admin::refreshed(&seen, accounts.now())),
            Some(Err(error)) => {
                let status = match &error {
                    MintError::NeedsLogin { .. } => StatusCode::CONFLICT,
                    _ => StatusCode::BAD_GATEWAY,
                };
                let details = error.to_string();
                Reply::refused(status, "Failed to refresh token", Some(&details))
            }
            None => unknown(email),
        }
    }

    async fn remove(&self, email: Option<String>) -> Result<Reply, Fault> {
        let accounts = Arc::clone(self.edge.shared.live.accounts());
        let whose = email.clone();
        let removed = blocking(move || accounts.remove(whose.as_deref())).await?;
        let removed = match removed {
            Ok(removed) => removed,
            Err(error) => return Ok(broken(&error)),
        };
        self.follow().await;
        if let Some(email) = email.filter(|_| removed.is_empty()) {
            return Ok(unknown(&email));
        }
        log::info!("OAuth: {} accounts signed out", removed.len());
        Ok(Reply::ok(json!({
            "status": "success",
            "message": format!("Removed {} tokens", removed.len()),
            "removed": removed,
        })))
    }

    /// Puts the accounts that there are now in force.
    async fn follow(&self) {
        let live = Arc::clone(&self.edge.shared.live);
        // It logs itself what goes wrong.
        let _ = blocking(move || live.follow_accounts()).await;
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Fault> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(Fault::internal)
}

impl Reply {
    fn ok(value: Value) -> Self {
        Reply {
            status: StatusCode::OK,
            content: Content::Json(value),
        }
    }

    fn refused(status: StatusCode, error: &str, details: Option<&str>) -> Self {
        let mut value = json!({"error": error});
        if let (Some(details), Some(value)) = (details, value.as_object_mut()) {
            value.insert("details".to_owned(), details.into());
        }
        Reply {
            status,
            content: Content::Json(value),
        }
    }
}

fn unknown(email: &str) -> Reply {
    let details = format!("no account {} has signed in", email.escape_debug());
    Reply::refused(StatusCode::NOT_FOUND, "Account not found", Some(&details))
}

fn broken(error: &StoreError) -> Reply {
    let details = error.to_string();
    let text = "the OAuth store cannot be used";
    Reply::refused(StatusCode::SERVICE_UNAVAILABLE, text, Some(&details))
}

fn refused(error: &LoginError) -> Reply {
    let details = match error {
        LoginError::Exchange(why) => Some(why.as_str()),
        LoginError::Store(error) => return broken(error),
        _ => None,
    };
    Reply::refused(status_of(error), &error.to_string(), details)
}

fn status_of(error: &LoginError) -> StatusCode {
    match error {
        LoginError::Store(_) => StatusCode::SERVICE_UNAVAILABLE,
        LoginError::NoRandomness => StatusCode::INTERNAL_SERVER_ERROR,
        LoginError::NoCode
        | LoginError::NoState
        | LoginError::UnknownState
        | LoginError::Unclear(_)
        | LoginError::Denied(_)
        | LoginError::Issuer
        | LoginError::OtherAccount { .. }
        | LoginError::BadEmail
        | LoginError::NoProfile(_)
        | LoginError::Exchange(_) => StatusCode::BAD_REQUEST,
    }
}

/// Writes the answer; the status that the client got.
async fn write(client: &mut Downstream<'_>, reply: Reply) -> Option<u16> {
    let mut head = client.head(reply.status)?;
    let body = match reply.content {
        Content::Json(value) => {
            let _ = head.insert_header("content-type", "application/json");
            Bytes::from(value.to_string())
        }
        Content::Page(title, text) => {
            let _ = head.insert_header("content-type", "text/html; charset=utf-8");
            let policy = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'";
            let _ = head.insert_header("content-security-policy", policy);
            let _ = head.insert_header("x-content-type-options", "nosniff");
            page(title, &text)
        }
        Content::Elsewhere(url) => {
            let _ = head.insert_header("location", url);
            Bytes::new()
        }
    };
    // The address of this page holds a code.
    let _ = head.insert_header("referrer-policy", "no-referrer");
    let _ = head.insert_header("cache-control", "no-store");
    let _ = client.whole(head, body).await;
    client.status
}

fn page(title: &str, text: &str) -> Bytes {
    let text: String = text.chars().map(plain).collect();
    Bytes::from(format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>{title} · Pointsman</title>\
         <style>:root{{color-scheme:light dark}}body{{font:1rem/1.5 system-ui,sans-serif;max-width:40rem;margin:4rem \
         auto;padding:0 1rem}}</style><h1>{title}</h1><p>{text}</p></html>\n"
    ))
}

/// A character of a page: what others wrote is text there, whatever it looks like.
fn plain(character: char) -> String {
    match character {
        '<' => "&lt;".to_owned(),
        '>' => "&gt;".to_owned(),
        '&' => "&amp;".to_owned(),
        '"' => "&quot;".to_owned(),
        '\'' => "&#39;".to_owned(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_wrote_is_only_text_on_a_page() {
        let page = page("Not signed in", "<script>alert(\"1\")</script> & 'x'");
        let page = String::from_utf8_lossy(&page);
        assert!(!page.contains("<script>"), "{page}");
        assert!(
            page.contains("&lt;script&gt;alert(&quot;1&quot;)"),
            "{page}"
        );
    }
}
