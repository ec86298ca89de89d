//! What is shown to people who look after a gateway: pure views of the configuration, of how endpoints fare, and of what
//! became of the last requests. Whether somebody may look is decided in `access/`, the writing is done in
//! `proxy/local.rs`.

mod metrics;
mod oauth;
mod openapi;
mod requests;
mod status;
pub mod status_page;
mod worker;
pub mod zed;

pub use metrics::{budget_states, certificate_states, endpoint_states};
pub use oauth::{login, oauth_status, refreshed, signed_in};
pub use openapi::{CALLS, openapi, page};
pub use requests::{Filter, RecentRequests, RequestRecord, StepRecord};
pub use status::{health, model, models, providers};
pub use worker::{development, of_worker, reloaded};
