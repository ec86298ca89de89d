//! Recorded traffic. It is not part of the repository; `POINTSMAN_CORPUS` names its directory.

mod answers;
mod counts;
mod chat_requests;
pub mod items;
pub mod order;
mod recordings;
mod requests;
mod reshape;
mod responses;
mod responses_client;
