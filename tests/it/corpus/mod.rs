//! Recorded traffic. It is not part of the repository; `POINTSMAN_CORPUS` names its directory.

mod answers;
mod anthropic_answers;
mod anthropic_requests;
pub mod order;
mod recordings;
mod requests;
mod reshape;
pub mod turns;
