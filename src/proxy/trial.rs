//! One call to see whether a key serves, made as a client's would be, for people who look for what is wrong. It teaches
//! nothing: neither health nor keys learn of it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use http::HeaderMap;

use super::answer::{Expect, Shape};
use super::attempt::{Attempt, Progress, Running};
use super::judge::{Case, fault_of};
use super::probe;
use super::service::Shared;
use crate::config::ProbeAsk;
use crate::credential::KeyIndex;
use crate::error::{Fault, FaultKind, Timer};
use crate::protocol::errors;
use crate::snapshot::Endpoint;
use crate::types::RequestId;

/// Most of an answer's body that is read, bytes.
const MAX_BODY: usize = 4 * 1024 * 1024;

/// What came of a call.
pub struct Trial {
    /// The headers of the answer; empty without one.
    pub headers: HeaderMap,
    /// The body of a good answer, or why there is none.
    pub outcome: Result<Bytes, Fault>,
    /// From the call to the end of its answer.
    pub took: Duration,
}

/// Asks `endpoint` with one of its keys.
pub async fn trial(
    shared: &Shared,
    endpoint: &Arc<Endpoint>,
    key: Option<KeyIndex>,
    ask: &ProbeAsk,
    patience: Duration,
) -> Trial {
    let began = Instant::now();
    let asked = asked(shared, endpoint, key, ask);
    // Large, and rarely needed: not inside whatever future calls for it.
    let waited = tokio::time::timeout(patience, Box::pin(asked)).await;
    let (headers, outcome) = waited.unwrap_or_else(|_| {
        let kind = FaultKind::UpstreamTimeout(Timer::Deadline);
        let fault = Fault::new(kind, format!("no answer within {patience:?}"));
        (HeaderMap::new(), Err(fault))
    });
    Trial {
        headers,
        outcome,
        took: began.elapsed(),
    }
}

async fn asked(
    shared: &Shared,
    endpoint: &Arc<Endpoint>,
    key: Option<KeyIndex>,
    ask: &ProbeAsk,
) -> (HeaderMap, Result<Bytes, Fault>) {
    match answered(shared, endpoint, key, ask).await {
        Ok((headers, outcome)) => (headers, outcome),
        Err(fault) => (HeaderMap::new(), Err(fault)),
    }
}

async fn answered(
    shared: &Shared,
    endpoint: &Arc<Endpoint>,
    key: Option<KeyIndex>,
    ask: &ProbeAsk,
) -> Result<(HeaderMap, Result<Bytes, Fault>), Fault> {
    let no_token = |error| Fault::new(FaultKind::CredentialsDead, format!("no token: {error}"));
    let bearer = endpoint.bearer().await.map_err(no_token)?;
    let outgoing = probe::outgoing(endpoint, ask, key, bearer.as_ref())
        .ok_or_else(|| Fault::internal("the call cannot be written"))?;
    let group = endpoint.connection_group(key, &[]);
    let shape = Expect {
        shape: Shape::Raw,
        wrapped: None,
    };
    let attempt = Attempt::new(Arc::clone(endpoint), group, outgoing, shape);
    let began = Instant::now();
    let (app, template) = (shared.app()?, shared.template().await?);
    let mut running = Running::start(app, template, Arc::clone(&attempt));
    let (mut headers, mut body) = (HeaderMap::new(), BytesMut::new());
    while let Progress::Answer { head, pieces, end } = running.next().await {
        if let Some(head) = head {
            headers = head.headers.clone();
        }
        for piece in pieces {
            body.extend_from_slice(&piece);
        }
        if end || MAX_BODY < body.len() {
            break;
        }
    }
    let snapshot = shared.live.current();
    let case = Case {
        snapshot: &snapshot,
        began,
        endpoint,
        key,
        model: "",
        dialect: endpoint.dialect,
        request: &RequestId::random(),
        credentials: &[],
        fingerprint: None,
    };
    let mut incoming = attempt.incoming();
    if let Some(refused) = incoming.take_refused() {
        return Ok((headers, Err(fault_of(&case, &refused))));
    }
    if let Some(fault) = incoming.take_fault() {
        return Ok((headers, Err(fault)));
    }
    drop(incoming);
    let body = body.freeze();
    if endpoint.provider.zed.is_some() {
        return Ok((headers, Ok(body))); // lines of a stream, whatever was asked for
    }
    Ok((headers, told_inside(endpoint, &body).map_or(Ok(body), Err)))
}

/// Some services answer 200 and tell of an error in the body.
fn told_inside(endpoint: &Endpoint, body: &Bytes) -> Option<Fault> {
    let Ok(value) = serde_json::from_slice::<serde_json::Value>(body) else {
        // Some only stream.
        let streams = [&b"data:"[..], b"event:", b":"]
            .iter()
            .any(|it| body.starts_with(it));
        let fault = Fault::new(FaultKind::UpstreamBadAnswer, "it is no JSON");
        return (!streams).then_some(fault);
    };
    value.get("error").filter(|it| !it.is_null())?;
    let error = errors::parse(endpoint.dialect, None, body);
    let text = super::judge::without_keys(endpoint, &error.message);
    Some(Fault::new(error.fault_kind(None), text))
}

/// The models that the answer to a call for them lists; `None` where it is no such answer.
pub fn models_in(body: &Bytes) -> Option<Vec<String>> {
    let value: serde_json::Value = serde_json::from_slice(body).ok()?;
    // Gemini's are called `models/gemini-…`.
    let list = value.get("data").or_else(|| value.get("models"))?;
    let name = |it: &serde_json::Value| {
        let name = it.get("id").or_else(|| it.get("name"))?.as_str()?;
        Some(name.strip_prefix("models/").unwrap_or(name).to_owned())
    };
    Some(list.as_array()?.iter().filter_map(name).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn models_are_listed_in_two_shapes() {
        let list = |text: &'static str| models_in(&Bytes::from_static(text.as_bytes()));
        assert_eq!(
            list(r#"{"data":[{"id":"claude-a"},{"id":"b"}]}"#),
            Some(vec!["claude-a".to_owned(), "b".to_owned()])
        );
        assert_eq!(
            list(r#"{"models":[{"name":"models/gemini-x"}]}"#),
            Some(vec!["gemini-x".to_owned()])
        );
        assert_eq!(list("<html>"), None);
        assert_eq!(list("{}"), None);
    }
}
