//! One integration binary, so that linking is paid once: the real program between real sockets.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    clippy::format_push_string,
    reason = "tests stop at the first surprise, their tasks end with their runtime, and their strings are short"
)]

mod journeys;
mod support;
