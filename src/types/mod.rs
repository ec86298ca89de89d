//! Words everyone shares: names, identities, secrets. No behaviour beyond parsing and display.

mod clock;
mod dialect;
mod ids;
mod model;
mod secret;

pub use clock::Clock;
pub use dialect::Dialect;
pub use ids::{EndpointId, RequestId};
pub use model::{ModelName, UpstreamModel};
pub use secret::Secret;
