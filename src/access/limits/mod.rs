//! What may be used: requests and tokens a minute, requests at once, money, for each key; requests, and failed
//! sign-ins, for each client address.

mod address;
mod bucket;
mod budget;
mod counters;
mod tell;

pub use address::{AddressLimits, Addresses, Place};
pub use bucket::{Bucket, Rate};
pub use budget::{Caps, Reached, Span, Spent};
pub use counters::{
    Counters, Denied, Left, Limits, LocalCounters, Moment, Reserved, Standing, Used,
};
pub use tell::headers;
