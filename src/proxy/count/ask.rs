//! Asking a provider for its own count.

use std::sync::Arc;
use std::time::Instant;

use bytes::{Bytes, BytesMut};
use http::header::{HeaderName, HeaderValue};

use crate::protocol::translate::{self, CountContext};
use crate::proxy::answer::{Expect, Shape};
use crate::proxy::attempt::{Attempt, Outgoing, Progress, Running};
use crate::proxy::choose::Candidate;
use crate::proxy::profile;
use crate::proxy::request::Request;
use crate::proxy::send::{self, Origin};
use crate::proxy::service::Edge;
use crate::proxy::vertex;

/// Longest answer of a provider to a count, bytes.
const MAX_ANSWER: usize = 64 * 1024;

/// A provider's own count in the client's dialect; `None` when it gives none. Says nothing about its health.
pub async fn ask(edge: &Edge, candidate: &Candidate, request: &Request) -> Option<Bytes> {
    let endpoint = &candidate.endpoint;
    let key = endpoint.keys.beside_limits(Instant::now());
    let bearer = endpoint.bearer().await.ok()?;
    let call = call(candidate, request)?;
    let mut headers = send::signed_headers(
        &endpoint.provider,
        candidate.spoken.dialect,
        call.origin,
        endpoint.secret(key, bearer.as_ref()),
        &request.credentials,
    )
    .ok()?;
    headers.extend(call.headers);
    let path = endpoint.target.count_tokens.as_ref()?;
    let model = vertex::model(endpoint, candidate.model.as_str());
    let path = path.of(&model, false);
    let outgoing = Outgoing {
        method: http::Method::POST,
        path: send::with_query(path, call.query),
        headers,
        body: call.body,
    };
    let group = endpoint.connection_group(key, &request.credentials);
    let expect = Expect {
        shape: Shape::Raw,
        wrapped: None,
    };
    let attempt = Attempt::new(Arc::clone(endpoint), group, outgoing, expect);
    let (app, template) = (edge.shared.app().ok()?, edge.shared.template().await.ok()?);
    let answer = whole(Running::start(app, template, attempt)).await?;
    let tokens = translate::counted(candidate.spoken.dialect, &answer)?;
    if candidate.spoken.dialect == request.dialect {
        return Some(answer);
    }
    Some(Bytes::from(translate::count_answer(
        request.dialect,
        tokens,
    )))
}

/// What is sent, but for path and credential.
struct Call<'r> {
    body: Bytes,
    origin: Origin<'r>,
    headers: Vec<(HeaderName, HeaderValue)>,
    query: Option<&'r str>,
}

fn call<'r>(candidate: &Candidate, request: &'r Request) -> Option<Call<'r>> {
    let (endpoint, model) = (&candidate.endpoint, candidate.model.as_str());
    if candidate.spoken.dialect == request.dialect {
        let body = request
            .head
            .rewritten(&request.body.bytes, &vertex::model(endpoint, model));
        return Some(Call {
            body: vertex::body(endpoint, body, vertex::Call::Count, &request.headers).ok()?,
            origin: Origin::Client(&request.headers),
            headers: Vec::new(),
            query: vertex::query(endpoint, request.query.as_deref()),
        });
    }
    let profile = profile::of(endpoint, candidate.spoken, model);
    let context = CountContext {
        client: request.dialect,
        model,
        profile: &profile,
    };
    let body = request.head.without_wish(&request.body.bytes);
    let call = translate::count_call(&body, context).ok()??;
    let mut headers = Vec::with_capacity(call.headers.len());
    for (name, value) in call.headers {
        let value = HeaderValue::from_str(&value).ok()?;
        headers.push((HeaderName::from_static(name), value));
    }
    let body = Bytes::from(call.body);
    Some(Call {
        body: vertex::body(endpoint, body, vertex::Call::Count, &[]).ok()?,
        origin: Origin::OursForWhole,
        headers,
        query: None,
    })
}

/// The whole body of an answer; `None` when there is none, or too much of it.
async fn whole(mut running: Running) -> Option<Bytes> {
    let mut answer = BytesMut::new();
    loop {
        match running.next().await {
            Progress::Broken => return None,
            Progress::Answer { pieces, end, .. } => {
                for piece in &pieces {
                    answer.extend_from_slice(piece);
                }
                if MAX_ANSWER < answer.len() {
                    return None;
                }
                if end {
                    break;
                }
            }
        }
    }
    running.tidy_up().await;
    Some(answer.freeze())
}
