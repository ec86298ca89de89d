//! Recorded traffic. It is not part of the repository; `POINTSMAN_CORPUS` names its directory.

mod answers;
mod counts;
pub mod order;
mod recordings;
mod requests;
mod reshape;
