//! One answer for several requests: while it is still coming (a flight that others board), and afterwards (the cache).
//!
//! Neither knows providers, sockets or HTTP versions. The exchange that asks a provider leads the flight and says what
//! its client gets; everyone else who asks the same thing replays that from the start, each at its own pace. What is
//! "the same thing", and for whom, is decided in one place ([`Keys`]); whether a request may take part at all is the
//! proxy's decision.

mod answer;
mod flight;
mod flights;
mod key;
mod store;

pub use answer::{Answer, Head};
pub use flight::{Batch, Ending, Follow, Lead, Refusal};
pub use flights::{Boarding, Flights, FlightsView};
pub use key::{Call, Key, Keys, Tenant, Who};
pub use store::{Cache, CacheView, Limits};
