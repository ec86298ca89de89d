//! Recorded traffic. It is not part of the repository; `POINTSMAN_CORPUS` names its directory.

mod answers;
mod chat_requests;
mod counts;
pub mod items;
pub mod order;
mod recordings;
mod requests;
mod reshape;
mod responses;
mod responses_client;
