//! An active health check: an attempt without a client.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::Method;

use super::answer::{Expect, Shape};
use super::attempt::{Attempt, Outgoing, Progress, Running};
use super::profile;
use super::send::{self, Origin};
use super::service::Shared;
use super::{vertex, zed};
use crate::config::ProbeAsk;
use crate::credential::{Bearer, KeyIndex};
use crate::protocol::anthropic::Thinking;
use crate::protocol::translate::{self, RequestContext};
use crate::snapshot::Endpoint;
use crate::types::Dialect;

/// Longest wait for a probe's answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// What a probe found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finding {
    /// The endpoint answers.
    Alive,
    /// It answers, and takes this key, or needs none.
    SignedIn(Option<KeyIndex>),
    /// It does not answer, or with a server error.
    Dead,
}

/// Asks `endpoint` what its configuration says.
pub async fn probe(shared: &Shared, endpoint: &Arc<Endpoint>, ask: &ProbeAsk) -> Finding {
    let key = endpoint.keys.for_probe();
    let asked = tokio::time::timeout(PATIENCE, status_of(shared, endpoint, ask, key)).await;
    match asked.ok().flatten() {
        Some(200..=299) => Finding::SignedIn(key),
        Some(status) if status < 500 => Finding::Alive,
        Some(_) | None => Finding::Dead,
    }
}

async fn status_of(
    shared: &Shared,
    endpoint: &Arc<Endpoint>,
    ask: &ProbeAsk,
    key: Option<KeyIndex>,
) -> Option<u16> {
    let bearer = endpoint.bearer().await.ok()?;
    let outgoing = outgoing(endpoint, ask, key, bearer.as_ref())?;
    let group = endpoint.connection_group(key, &[]);
    let attempt = Attempt::new(
        Arc::clone(endpoint),
        group,
        outgoing,
        Expect {
            shape: Shape::Raw,
            wrapped: None,
        },
    );
    let mut running = Running::start(shared.app().ok()?, shared.template().await.ok()?, attempt);
    loop {
        match running.next().await {
            Progress::Answer {
                head: Some(head), ..
            } => return Some(head.status.as_u16()),
            Progress::Answer { head: None, .. } => {}
            Progress::Broken => return None,
        }
    }
}

/// An Anthropic request in the endpoint's dialect.
fn spoken(endpoint: &Endpoint, model: &str, body: String) -> Option<Bytes> {
    let spoken = endpoint.spoken(model);
    if spoken.dialect == Dialect::Anthropic {
        let body = vertex::body(endpoint, Bytes::from(body), vertex::Call::Message, &[]);
        return zed::body(endpoint, spoken, model, None, body.ok()?).ok();
    }
    let context = RequestContext {
        client: Dialect::Anthropic,
        model,
        profile: &profile::of(endpoint, spoken, model),
        message_id: String::new(),
        input_estimate: 0,
        created: 0,
        always_stream: endpoint.provider.zed.is_some(),
        thinking: Thinking::Kept,
    };
    let translation = translate::request(body.as_bytes(), context).ok()?;
    zed::body(endpoint, spoken, model, None, Bytes::from(translation.body)).ok()
}

/// The call that a probe makes.
pub(super) fn outgoing(
    endpoint: &Endpoint,
    ask: &ProbeAsk,
    key: Option<KeyIndex>,
    bearer: Option<&Bearer>,
) -> Option<Outgoing> {
    let (method, path, body) = match ask {
        ProbeAsk::Path(path) => (Method::GET, path.clone(), Bytes::new()),
        ProbeAsk::Model(model) => {
            let messages = serde_json::json!([{"role": "user", "content": "ping"}]);
            let body = serde_json::json!({"model": model, "max_tokens": 1, "messages": messages});
            let named = vertex::model(endpoint, model);
            let path = endpoint.target.inference.of(&named, false);
            (
                Method::POST,
                path,
                spoken(endpoint, model, body.to_string())?,
            )
        }
    };
    let origin = Origin::OursForWhole;
    let secret = endpoint.secret(key, bearer);
    let mut headers =
        send::signed_headers(&endpoint.provider, endpoint.dialect, origin, secret, &[]).ok()?;
    headers.extend(endpoint.provider.zed.iter().flat_map(zed::headers));
    Some(Outgoing {
        method,
        path,
        headers,
        body,
    })
}
