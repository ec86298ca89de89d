//! Words everyone shares: names, identities, secrets, the plain table of vendors, and one way to count what happened
//! lately. No behaviour beyond parsing, display, looking up and that.

mod clock;
mod dialect;
mod identity;
mod ids;
mod model;
pub mod quirks;
mod recent;
mod secret;
pub mod vendor;
mod vendors;

pub use clock::Clock;
pub use dialect::Dialect;
pub use identity::ModelIdentity;
pub use ids::{EndpointId, RequestId};
pub use model::{ModelName, UpstreamModel};
pub use quirks::Quirks;
pub use recent::Recent;
pub use secret::Secret;
pub use vendor::Vendor;
