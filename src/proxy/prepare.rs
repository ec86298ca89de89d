//! What an attempt sends and what it expects back: the client's own bytes where the dialect is the same, a translation
//! where it is not.

use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http::header::{HeaderName, HeaderValue};

use super::answer::{Expect, Shape};
use super::attempt::Outgoing;
use super::choose::Candidate;
use super::estimate::{PromptEstimate, model_of};
use super::exchange::Exchange;
use super::send::Origin;
use super::{profile, send, vertex, zed};
use crate::config::OnLoss;
use crate::credential::{Bearer, KeyIndex};
use crate::error::{Fault, FaultKind};
use crate::protocol::anthropic::{Rewrite, Thinking};
use crate::protocol::canonical::Losses;
use crate::protocol::profile::Profile;
use crate::protocol::translate::{self, Asked, RequestContext, Translation};
use crate::tokens::quick_estimate;

/// What one attempt is made of.
pub(super) struct Ready {
    /// What is sent.
    pub(super) outgoing: Outgoing,
    /// What is expected back.
    pub(super) expect: Expect,
    /// What the translation lost.
    pub(super) losses: Losses,
    /// The prompt's size before its provider has told.
    pub(super) estimate: Option<PromptEstimate>,
}

/// A body to send, and what its answer becomes.
struct Prepared {
    body: Bytes,
    shape: Shape,
    /// Headers that the body needs.
    headers: Vec<(&'static str, String)>,
    losses: Losses,
    estimate: Option<PromptEstimate>,
}

impl Exchange<'_, '_> {
    /// What is sent, and what is expected back.
    pub(super) fn prepare(
        &self,
        candidate: &Candidate,
        key: Option<KeyIndex>,
        bearer: Option<&Bearer>,
        thinking: Thinking,
    ) -> Result<Ready, Fault> {
        let endpoint = &candidate.endpoint;
        let stream = self.request.head.stream;
        let streamed = stream || endpoint.provider.stream_only;
        let spoken = candidate.spoken;
        let same = spoken.dialect == self.request.dialect;
        let prepared = if same {
            let dialect = spoken.dialect;
            Prepared {
                body: self.rewritten(candidate, thinking),
                shape: Shape::Same {
                    dialect,
                    stream,
                    asked: Box::new(self.asked()),
                },
                headers: Vec::new(),
                losses: Losses::default(),
                estimate: None,
            }
        } else {
            self.translated(candidate, thinking)?
        };
        let origin = match (same, streamed) {
            // A client's headers are for its vendor, not for whoever hosts its models.
            _ if zed::is_zed(endpoint) => Origin::OursForLines,
            (true, _) => Origin::Client(&self.request.headers),
            (false, true) => Origin::OursForStream,
            (false, false) => Origin::OursForWhole,
        };
        let mut headers = send::signed_headers(
            &endpoint.provider,
            spoken.dialect,
            origin,
            endpoint.secret(key, bearer),
            &self.request.credentials,
        )?;
        if let Some(terms) = &endpoint.provider.zed {
            headers.extend(zed::headers(terms));
        }
        let betas = prepared
            .headers
            .into_iter()
            .filter(|_| !zed::is_zed(endpoint));
        for (name, value) in betas {
            let value = HeaderValue::from_str(&value).map_err(Fault::internal)?;
            headers.push((HeaderName::from_static(name), value));
        }
        let query = self.request.query.as_deref().filter(|_| same);
        let query = vertex::query(endpoint, query).filter(|_| !zed::is_zed(endpoint));
        let model = vertex::model(endpoint, candidate.model.as_str());
        let path = endpoint.target.inference.of(&model, streamed);
        let client: &[_] = if same { &self.request.headers } else { &[] };
        let body = vertex::body(endpoint, prepared.body, vertex::Call::Message, client)?;
        let turn = self.zed_turn(candidate);
        let body = zed::body(endpoint, spoken, candidate.model.as_str(), turn, body)?;
        let outgoing = Outgoing {
            method: http::Method::POST,
            path: send::with_query(path, query),
            headers,
            body,
        };
        let shape = prepared.shape;
        Ok(Ready {
            outgoing,
            expect: Expect {
                shape,
                wrapped: zed::wrapping(endpoint, spoken),
            },
            losses: prepared.losses,
            estimate: prepared.estimate,
        })
    }

    /// The request, for an answer in another form than asked for.
    fn asked(&self) -> Asked {
        Asked {
            body: self.request.body.bytes.clone(),
            model: self.request.head.model.clone(),
            message_id: self.message_id(),
            input_estimate: quick_estimate(self.request.body.bytes.len()),
            created: now(),
        }
    }

    fn message_id(&self) -> String {
        self.request.id.as_str().replacen("req_", "msg_", 1)
    }

    fn rewritten(&self, candidate: &Candidate, thinking: Thinking) -> Bytes {
        let rewrite = Rewrite {
            // On its way out of the body a model need not be put in.
            model: if vertex::is_vertex(&candidate.endpoint) {
                &self.request.head.model
            } else {
                candidate.model.as_str()
            },
            thinking,
            always_stream: candidate.endpoint.provider.stream_only,
            stream_usage: may_count_streams(candidate),
        };
        let (head, body) = (&self.request.head, &self.request.body.bytes);
        head.rewrite(body, &rewrite)
    }

    fn translated(&self, candidate: &Candidate, thinking: Thinking) -> Result<Prepared, Fault> {
        let mut translation = self.translation(candidate, thinking)?;
        if self.terms.on_loss == OnLoss::Refuse && !translation.losses.is_empty() {
            return Err(refused(candidate, &translation.losses));
        }
        let estimate = PromptEstimate::of_translation(
            &self.edge.shared.calibration,
            model_of(candidate),
            translation.body.len(),
            &translation.attachments,
        );
        translation.context.encode.input_estimate = estimate.tokens;
        let (stream, context) = (self.request.head.stream, Box::new(translation.context));
        Ok(Prepared {
            body: Bytes::from(translation.body),
            shape: Shape::Translated { stream, context },
            headers: translation.headers,
            losses: translation.losses,
            estimate: Some(estimate),
        })
    }

    /// The request in the candidate's dialect.
    pub(super) fn translation(
        &self,
        candidate: &Candidate,
        thinking: Thinking,
    ) -> Result<Translation, Fault> {
        let endpoint = &candidate.endpoint;
        let model = candidate.model.as_str();
        let profile = profile::of(endpoint, candidate.spoken, model);
        let context = RequestContext {
            client: self.request.dialect,
            model,
            profile: &profile,
            message_id: self.message_id(),
            // Made when it is known what is sent.
            input_estimate: 0,
            created: now(),
            always_stream: endpoint.provider.stream_only,
            thinking,
        };
        let body = self.request.head.without_wish(&self.request.body.bytes);
        translate::request(&body, context).map_err(|error| {
            Fault::new(FaultKind::Untranslatable, error.to_string()).with_code(error.error_code())
        })
    }
}

/// What a client reads when its route forbids losses.
fn refused(candidate: &Candidate, losses: &Losses) -> Fault {
    let text = format!(
        "its route allows no losses in translation, and {} with model {} would lose {}: {losses}",
        candidate.endpoint.id(),
        candidate.model.as_str().escape_debug(),
        losses.total(),
    );
    Fault::new(FaultKind::Untranslatable, text)
}

/// Whether a stream that the client did not ask for is asked for with its tokens counted.
fn may_count_streams(candidate: &Candidate) -> bool {
    let (endpoint, model) = (&candidate.endpoint, candidate.model.as_str());
    endpoint.provider.stream_only
        && matches!(profile::of(endpoint, candidate.spoken, model), Profile::OpenAiChat(it) if it.stream_usage)
}

/// Seconds since 1970.
fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.unwrap_or_default().as_secs()
}
