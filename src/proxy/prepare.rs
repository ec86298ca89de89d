//! What an attempt sends and what it expects back: the client's own bytes where the dialect is the same, a translation
//! where it is not.

use bytes::Bytes;

use super::answer::{Expect, Shape};
use super::attempt::Outgoing;
use super::choose::Candidate;
use super::exchange::Exchange;
use super::send::Origin;
use super::{profile, send};
use crate::credential::KeyIndex;
use crate::error::{Fault, FaultKind};
use crate::protocol::anthropic::{Rewrite, Thinking};
use crate::protocol::translate::{self, RequestContext};
use crate::tokens::quick_estimate;
use crate::types::Dialect;

impl Exchange<'_, '_> {
    /// What is sent, and what is expected back.
    pub(super) fn prepare(
        &mut self,
        candidate: &Candidate,
        key: Option<KeyIndex>,
        thinking: Thinking,
    ) -> Result<(Outgoing, Expect), Fault> {
        let endpoint = &candidate.endpoint;
        let stream = self.request.head.stream;
        let same = endpoint.dialect == Dialect::Anthropic;
        let (body, shape) = match endpoint.dialect {
            Dialect::Anthropic => (self.rewritten(candidate, thinking), Shape::Same { stream }),
            Dialect::OpenAiChat => self.translated(candidate)?,
        };
        let origin = match (same, stream || endpoint.provider.stream_only) {
            (true, _) => Origin::Client(&self.request.headers),
            (false, true) => Origin::OursForStream,
            (false, false) => Origin::OursForWhole,
        };
        let headers = send::signed_headers(
            &endpoint.provider,
            endpoint.dialect,
            origin,
            key.and_then(|key| endpoint.keys.secret(key)),
            &self.request.credentials,
        )?;
        let query = self.request.query.as_deref().filter(|_| same);
        let path = send::with_query(endpoint.target.inference.clone(), query);
        let outgoing = Outgoing {
            method: http::Method::POST,
            path,
            headers,
            body,
        };
        Ok((outgoing, Expect { shape }))
    }

    fn rewritten(&self, candidate: &Candidate, thinking: Thinking) -> Bytes {
        let rewrite = Rewrite {
            model: candidate.model.as_str(),
            thinking,
            always_stream: candidate.endpoint.provider.stream_only,
        };
        let (head, body) = (&self.request.head, &self.request.body.bytes);
        head.rewrite(body, &rewrite)
    }

    fn translated(&mut self, candidate: &Candidate) -> Result<(Bytes, Shape), Fault> {
        let endpoint = &candidate.endpoint;
        let model = candidate.model.as_str();
        let profile = profile::of(endpoint, model);
        let context = RequestContext {
            model,
            profile: &profile,
            message_id: self.request.id.as_str().replacen("req_", "msg_", 1),
            input_estimate: quick_estimate(self.request.body.bytes.len()),
            always_stream: endpoint.provider.stream_only,
        };
        let translation =
            translate::request(&self.request.body.bytes, context).map_err(|error| {
                Fault::new(FaultKind::InvalidRequest, error.to_string())
                    .with_code(error.error_code())
            })?;
        self.losses = translation.losses;
        let (stream, context) = (self.request.head.stream, Box::new(translation.context));
        Ok((
            Bytes::from(translation.body),
            Shape::Translated { stream, context },
        ))
    }
}
