//! What Pingora carries along for us: a client's session is an exchange, a subrequest is an attempt.

use std::sync::Arc;

use super::attempt::Attempt;

/// The context of one Pingora session.
pub enum Ctx {
    /// A client's session.
    Client,
    /// One try at one endpoint.
    Attempt(Arc<Attempt>),
}
