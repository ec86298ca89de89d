//! How Zed's service wraps the dialects of the models that it hosts.
//!
//! - `envelope`: a request of the dialect within, put into one of the service's;
//! - `unwrap`: its lines (NDJSON), opened into the events of the dialect within;
//! - `status`: what it says of a request in between;
//! - `error`: its refusals, read;
//! - `headers`: what both sides say in headers.
//!
//! The service's interface is not published. What is said here follows the source of the editor, which is (late 2025:
//! `cloud_llm_client` and `language_models/provider/cloud.rs`; 2026: `cloud_llm_client`, `language_models_cloud`; seen
//! November 2026).

mod envelope;
mod error;
pub mod headers;
mod status;
mod unwrap;

pub use envelope::{Envelope, wrapped};
pub use error::{Refusal, parse_error};
pub use status::{Told, UsageTold};
pub use unwrap::{Lines, Unwrap};
