//! A small HTTP client for calls of our own: tokens, sign-ins, checks. Whole answers of bounded size in bounded time,
//! certificates always checked, redirects never followed, nothing pooled. Requests of clients never pass here.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::{self, HeaderName, HeaderValue};
use http::{HeaderMap, Method, StatusCode};
use pingora::connectors::http::Connector;
use pingora::http::RequestHeader;
use pingora::protocols::http::client::HttpSession;
use pingora::upstreams::peer::HttpPeer;
use thiserror::Error;

use super::peer::{PeerError, PeerFactory};
use super::resolve::Resolver;
use super::trust::Trusts;
use crate::config::{Target, Way};

/// Largest body of an answer, bytes.
const MAX_ANSWER: usize = 1024 * 1024;
/// Addresses of one host that are tried for one call.
const MAX_ADDRESSES: usize = 4;
/// Heads before the final one (`103` and the like) that one answer may have.
const MAX_EARLY_HEADS: usize = 8;

/// One call.
pub struct Call<'a> {
    /// `GET` or `POST`.
    pub method: Method,
    /// Host and port; what it says about paths is not looked at.
    pub target: &'a Target,
    /// Path and query.
    pub path: &'a str,
    /// Headers besides those that every call has.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// The body of a `POST`.
    pub body: Bytes,
    /// How the target is reached; `None` is directly.
    pub way: Option<&'a Way>,
    /// For all of it, from the name's resolution to the last byte.
    pub timeout: Duration,
}

/// A whole answer, whatever its status.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Bytes,
}

/// Why there is no answer.
#[derive(Debug, Error)]
pub enum CallError {
    /// No peer.
    #[error(transparent)]
    Peer(#[from] PeerError),
    /// No connection; with Pingora's word for it.
    #[error("no connection to {host}: {why}")]
    Connect {
        /// To whom.
        host: String,
        /// Why not: `ConnectRefused`.
        why: String,
    },
    /// A connection that broke, or an answer that is no HTTP.
    #[error("{host} did not answer: {why}")]
    Broken {
        /// Who.
        host: String,
        /// Why not.
        why: String,
    },
    /// Not all of it in time.
    #[error("{host} did not answer within {after:?}")]
    TimedOut {
        /// Who.
        host: String,
        /// The limit.
        after: Duration,
    },
    /// A body beyond the limit.
    #[error("{0} answered with more than 1 MiB")]
    TooLarge(String),
    /// A call that cannot be written.
    #[error("the call cannot be written: {0}")]
    Invalid(String),
}

/// Makes calls of our own.
pub struct Client {
    /// Made at the first call: it reads the system's certificates.
    connector: OnceLock<Connector>,
    resolver: Arc<Resolver>,
    trusts: Arc<Trusts>,
}

impl Client {
    /// A client that looks names up in `resolver`.
    pub fn new(resolver: Arc<Resolver>) -> Self {
        Client::sharing(resolver, Arc::default())
    }

    /// The same, with authorities that others look at, too.
    pub fn sharing(resolver: Arc<Resolver>, trusts: Arc<Trusts>) -> Self {
        Client {
            connector: OnceLock::new(),
            resolver,
            trusts,
        }
    }

    /// Makes a call and gives its whole answer.
    pub async fn send(&self, call: Call<'_>) -> Result<Answer, CallError> {
        let timed_out = |_| CallError::TimedOut {
            host: call.target.host.clone(),
            after: call.timeout,
        };
        // Large, and rarely needed: not inside whatever future calls for it.
        let answered = Box::pin(self.answered(&call));
        tokio::time::timeout(call.timeout, answered)
            .await
            .map_err(timed_out)?
    }

    /// Posts a form that is already escaped.
    pub async fn post_form(
        &self,
        target: &Target,
        path: &str,
        form: Bytes,
        way: &Way,
        timeout: Duration,
    ) -> Result<Answer, CallError> {
        let kind = HeaderValue::from_static("application/x-www-form-urlencoded");
        self.send(Call {
            method: Method::POST,
            target,
            path,
            headers: vec![(header::CONTENT_TYPE, kind)],
            body: form,
            way: Some(way),
            timeout,
        })
        .await
    }

    async fn answered(&self, call: &Call<'_>) -> Result<Answer, CallError> {
        let head = head_of(call)?;
        let mut session = self.connect(call).await?;
        let broken = |error: Box<pingora::Error>| CallError::Broken {
            host: call.target.host.clone(),
            why: error.etype().as_str().to_owned(),
        };
        session
            .write_request_header(Box::new(head))
            .await
            .map_err(broken)?;
        if !call.body.is_empty() {
            session
                .write_request_body(call.body.clone(), true)
                .await
                .map_err(broken)?;
        }
        session.finish_request_body().await.map_err(broken)?;
        let (status, headers) = final_head(&mut session, call).await?;
        let mut body = BytesMut::new();
        while let Some(piece) = session.read_response_body().await.map_err(broken)? {
            if MAX_ANSWER < body.len() + piece.len() {
                return Err(CallError::TooLarge(call.target.host.clone()));
            }
            body.extend_from_slice(&piece);
        }
        Ok(Answer {
            status,
            headers,
            body: body.freeze(),
        })
    }

    async fn connect(&self, call: &Call<'_>) -> Result<HttpSession, CallError> {
        let connector = self.connector.get_or_init(|| Connector::new(None));
        let (target, resolver) = (call.target.clone(), Arc::clone(&self.resolver));
        let peers = PeerFactory::for_calls(target, call.way, resolver, &self.trusts);
        let mut tried = 0;
        loop {
            let peer: Box<HttpPeer> = peers.peer(0).await?;
            let error = match connector.get_http_session(&*peer).await {
                Ok((session, _)) => return Ok(session),
                Err(error) => error,
            };
            tried += 1;
            let failure = peers.connect_failed(&peer, &error);
            if !failure.another || MAX_ADDRESSES <= tried {
                let why = failure.way;
                let why = why.unwrap_or_else(|| error.etype().as_str().to_owned());
                let host = call.target.host.clone();
                return Err(CallError::Connect { host, why });
            }
        }
    }
}

/// The head of the answer that counts.
async fn final_head(
    session: &mut HttpSession,
    call: &Call<'_>,
) -> Result<(StatusCode, HeaderMap), CallError> {
    let broken = |why: &str| CallError::Broken {
        host: call.target.host.clone(),
        why: why.to_owned(),
    };
    for _ in 0..MAX_EARLY_HEADS {
        session
            .read_response_header()
            .await
            .map_err(|error| broken(error.etype().as_str()))?;
        let head = session.response_header().ok_or_else(|| broken("no head"))?;
        if !head.status.is_informational() {
            return Ok((head.status, head.headers.clone()));
        }
    }
    Err(broken("nothing but early heads"))
}

fn head_of(call: &Call<'_>) -> Result<RequestHeader, CallError> {
    let invalid =
        |error: Box<pingora::Error>| CallError::Invalid(error.etype().as_str().to_owned());
    let room = call.headers.len() + 6;
    let method = call.method.clone();
    let mut head =
        RequestHeader::build(method, call.path.as_bytes(), Some(room)).map_err(invalid)?;
    let agent = concat!("pointsman/", env!("CARGO_PKG_VERSION"));
    let fixed = [
        (header::HOST, call.target.authority.as_str()),
        (header::ACCEPT, "application/json"),
        (header::ACCEPT_ENCODING, "identity"),
        (header::USER_AGENT, agent),
        (header::CONNECTION, "close"),
    ];
    for (name, value) in fixed {
        head.insert_header(name, value).map_err(invalid)?;
    }
    for (name, value) in &call.headers {
        head.insert_header(name.clone(), value.clone())
            .map_err(invalid)?;
    }
    if call.method == Method::POST {
        head.insert_header(header::CONTENT_LENGTH, call.body.len())
            .map_err(invalid)?;
    }
    Ok(head)
}

#[cfg(test)]
mod tests;
