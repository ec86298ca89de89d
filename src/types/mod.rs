//! Words everyone shares: names, identities, secrets, and one way to count what happened lately. No behaviour beyond
//! parsing, display and that.

mod dialect;
mod ids;
mod model;
mod recent;
mod secret;

pub use dialect::Dialect;
pub use ids::{EndpointId, RequestId};
pub use model::{ModelName, UpstreamModel};
pub use recent::Recent;
pub use secret::Secret;
