//! Bodies that are kept for people to look at, where the configuration asks for it: the request as soon as its route is
//! known, the answer when it has ended. A request that shares another's answer keeps none of its own.

use super::exchange::Exchange;
use crate::config::Capture;
use crate::snapshot::Snapshot;
use crate::telemetry::capture::{Body, Part, Tap};
use crate::types::Secret;

/// A header that is added to calls may hold a credential, or a word; so long it is no word.
const CREDENTIAL_LENGTH: usize = 16;

impl Exchange<'_, '_> {
    fn capture(&self) -> Option<&Capture> {
        let capture = self.snapshot.config.settings.capture.as_ref()?;
        let routes = &capture.routes;
        (routes.is_empty() || routes.contains(&self.route)).then_some(capture)
    }

    /// The route is known: keeps the request, and begins to collect its answer.
    pub(super) fn keep_bodies(&mut self) {
        let Some(capture) = self.capture() else {
            return;
        };
        if capture.requests {
            let bytes = self.request.body.bytes.clone();
            self.keep_body(capture, Part::Request, bytes);
        }
        let tap = capture.responses.then(|| Tap::new(capture));
        self.client.tap = tap;
    }

    /// The answer has ended: keeps what the client got.
    pub(super) fn keep_answer(&mut self) {
        let tap = self.client.tap.take();
        if let (Some(tap), Some(capture)) = (tap, self.capture()) {
            self.keep_body(capture, Part::Response, tap.into_bytes());
        }
    }

    fn keep_body(&self, capture: &Capture, part: Part, bytes: bytes::Bytes) {
        let mut secrets = secrets(&self.snapshot);
        let own = self.request.credentials.iter();
        let own = own.filter_map(|(_, value)| value.to_str().ok());
        secrets.extend(own.map(|it| Secret::new(it.to_owned())));
        let id = &self.request.id;
        let body = Body {
            id,
            part,
            bytes,
            secrets,
        };
        self.edge.shared.captures.keep(capture, body);
    }
}

/// Every secret that the configuration holds, and every token that was fetched.
fn secrets(snapshot: &Snapshot) -> Vec<Secret> {
    let config = &snapshot.config;
    let mut all: Vec<Secret> = snapshot.active().flat_map(|it| it.secrets()).collect();
    for provider in &config.providers {
        all.extend(provider.keys.iter().cloned());
        all.extend(provider.way.secrets().into_iter().cloned());
    }
    let added = config.providers.iter().flat_map(|it| &it.headers);
    let traced = config.settings.tracing.iter().flat_map(|it| &it.headers);
    let headers = added.chain(traced).map(|(_, value)| value);
    all.extend(
        headers
            .filter(|it| CREDENTIAL_LENGTH <= it.expose().len())
            .cloned(),
    );
    all.extend(config.auth.keys.iter().cloned());
    all.extend(config.admin.key.clone());
    all
}
