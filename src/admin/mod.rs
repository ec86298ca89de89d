//! What is shown to people who look after a gateway: pure views of the configuration and of how endpoints fare.
//! Whether somebody may look is decided in `access/`, the writing is done in `proxy/local.rs`.

mod status;

pub use status::{health, model, models, providers};
