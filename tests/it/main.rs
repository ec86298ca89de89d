//! One integration binary, so that linking is paid once: fixtures, recordings, and the real program between real
//! sockets.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    clippy::format_push_string,
    reason = "tests stop at the first surprise, their tasks end with their runtime, and their strings are short"
)]

#[cfg(test)]
mod chaos;
#[cfg(test)]
mod compatibility;
#[cfg(test)]
mod corpus;
#[cfg(test)]
mod golden;
mod journeys;
#[cfg(test)]
mod naive;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod seeds;
#[cfg(test)]
mod shell;
#[cfg(test)]
mod soak;
mod support;
