//! Pointsman: a reverse proxy that keeps AI coding clients running.

pub mod access;
pub mod config;
pub mod credential;
pub mod demo;
pub mod error;
pub mod health;
pub mod net;
pub mod protocol;
pub mod routing;
pub mod telemetry;
pub mod tokens;
pub mod types;
