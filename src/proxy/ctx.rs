//! What Pingora carries along for us: a client's session is an exchange, a subrequest is an attempt.

use std::sync::Arc;

use tokio::sync::Notify;

use super::attempt::Attempt;

/// The context of one Pingora session.
pub enum Ctx {
    /// A client's session.
    Client {
        /// What belongs to its connection.
        connection: Option<Connection>,
    },
    /// One try at one endpoint.
    Attempt(Arc<Attempt>),
}

/// What belongs to a client's connection and travels from request to request.
#[derive(Clone)]
pub struct Connection {
    /// Rings when a later request's head has arrived, which ends the front's deadline for it.
    pub head_done: Arc<Notify>,
    /// Whether it has carried a request before: the front has not seen the bytes of this one's head.
    pub is_reused: bool,
}
