//! Words everyone shares: names, identities, secrets, the plain table of vendors, money and days, and one way to count
//! what happened lately. No behaviour beyond parsing, display, looking up and that.

pub mod calendar;
mod client_certificate;
mod clock;
mod dialect;
mod hosted;
mod identity;
mod ids;
mod model;
mod money;
mod network;
pub mod quirks;
mod recent;
mod secret;
pub mod vendor;
mod vendors;

pub use calendar::Day;
pub use client_certificate::ClientCertificate;
pub use clock::Clock;
pub use dialect::Dialect;
pub use hosted::Hosted;
pub use identity::ModelIdentity;
pub use ids::{EndpointId, RequestId};
pub use model::{ModelName, UpstreamModel};
pub use money::{MicroUsd, Price, TokenKinds};
pub use network::{Network, NotANetwork};
pub use quirks::Quirks;
pub use recent::Recent;
pub use secret::Secret;
pub use vendor::Vendor;
