//! Pointsman: a reverse proxy that keeps AI coding clients running.

pub mod cli;
pub mod config;
pub mod error;
pub mod protocol;
pub mod types;
