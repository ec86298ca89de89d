//! What the tests of this room trace with.

use std::time::Duration;

use crate::config::{CallPath, Target, Tracing};

/// Everything traced, to nowhere.
pub fn settings() -> Tracing {
    Tracing {
        endpoint: String::new(),
        target: Target {
            tls: false,
            host: String::new(),
            port: 1,
            authority: String::new(),
            inference: CallPath::Fixed(String::new()),
            count_tokens: None,
            models: None,
        },
        headers: Vec::new(),
        sample: 1.0,
        accept: true,
        propagate: false,
        service_name: String::new(),
        resource: Vec::new(),
        timeout: Duration::from_secs(1),
    }
}
