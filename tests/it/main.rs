//! The integration tests, in one binary, so that linking is paid once.
#![expect(
    clippy::disallowed_methods,
    clippy::format_push_string,
    reason = "tasks of a test end with its runtime, and its strings are short"
)]

#[cfg(test)]
mod corpus;
#[cfg(test)]
mod golden;
#[cfg(test)]
mod journeys;
#[cfg(test)]
mod naive;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod support;
