//! What a call to Google Cloud needs besides the dialect: see `protocol::anthropic::for_vertex` for why.

use std::borrow::Cow;

use bytes::Bytes;
use http::header::{HeaderName, HeaderValue};

use crate::config::Platform;
use crate::error::Fault;
use crate::protocol::anthropic::{count_for_vertex, for_vertex, vertex_model, vertex_version};
use crate::snapshot::Endpoint;

/// What a body asks for.
#[derive(Clone, Copy)]
pub enum Call {
    /// A message.
    Message,
    /// A count.
    Count,
}

/// Whether `endpoint` is one of Google Cloud's.
pub fn is_vertex(endpoint: &Endpoint) -> bool {
    endpoint.provider.platform == Platform::Vertex
}

/// The name of `model` at `endpoint`.
pub fn model<'m>(endpoint: &Endpoint, model: &'m str) -> Cow<'m, str> {
    if is_vertex(endpoint) {
        vertex_model(model)
    } else {
        Cow::Borrowed(model)
    }
}

/// The body of a call to `endpoint`. `client`: the headers of a client whose own body this is, and so its version.
pub fn body(
    endpoint: &Endpoint,
    body: Bytes,
    call: Call,
    client: &[(HeaderName, HeaderValue)],
) -> Result<Bytes, Fault> {
    if !is_vertex(endpoint) {
        return Ok(body);
    }
    let asked = client.iter().find(|(name, _)| name == "anthropic-version");
    let version = vertex_version(asked.and_then(|(_, value)| value.to_str().ok()));
    // Betas stay in their header, as with the vendor's SDKs.
    let enveloped = match call {
        Call::Message => for_vertex(&body, version, []),
        Call::Count => count_for_vertex(&body, version),
    };
    enveloped.map_err(Fault::internal)
}

/// A client's query there: `?beta=true` and the like mean nothing on its paths.
pub fn query<'q>(endpoint: &Endpoint, query: Option<&'q str>) -> Option<&'q str> {
    query.filter(|_| !is_vertex(endpoint))
}
