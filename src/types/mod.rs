//! Words everyone shares: names, identities, secrets, and the plain table of vendors. No behaviour beyond parsing,
//! display and looking up.

mod clock;
mod dialect;
mod identity;
mod ids;
mod model;
pub mod quirks;
mod secret;
pub mod vendor;
mod vendors;

pub use clock::Clock;
pub use dialect::Dialect;
pub use identity::ModelIdentity;
pub use ids::{EndpointId, RequestId};
pub use model::{ModelName, UpstreamModel};
pub use quirks::Quirks;
pub use secret::Secret;
pub use vendor::Vendor;
