//! The demo: with no configuration and no keys, two simulated providers run inside the process and the real proxy
//! path leads to them. One speaks Anthropic Messages and fails every third call, in a different way each time; the
//! other speaks OpenAI Chat Completions and always answers. A newcomer sees an answer, a stream and a failover
//! between two dialects within a minute, and nothing leaves the machine.
//!
//! In reading order: `providers` (sockets and tasks), `setup` (the configuration that leads to them), `http` and
//! `connection` (a very small HTTP/1.1 server), `simulator` (which path, which failure), `asked` (what a request
//! says), `reply` (what is said to it), `anthropic` and `openai` (how it is written), `banner` (what people read at
//! start).
//!
//! The simulators are deliberately written without the translators of `protocol/`: a fault in one would otherwise
//! hide the same fault in the other.

mod anthropic;
mod asked;
mod banner;
mod connection;
mod http;
mod openai;
mod providers;
mod reply;
mod setup;
mod simulator;

pub use banner::banner_text;
pub use providers::{Addresses, Providers};
pub use setup::config;

#[cfg(test)]
mod tests;
