//! Pointsman: a reverse proxy that keeps AI coding clients running.
//!
//! | reading order | rooms |
//! |---|---|
//! | start | [`cli`], [`config`], [`demo`], [`runtime`] |
//! | the trip | [`proxy`], over [`snapshot`] |
//! | who may call, and how much | [`access`] |
//! | where it goes | [`routing`], [`health`], [`credential`] |
//! | how it is said | [`protocol`], [`tokens`], [`net`] |
//! | what is shown | [`telemetry`], [`admin`] |
//! | services with ways of their own | [`zed`] |
//! | what was used | [`ledger`] |
//! | shared words | [`types`], [`error`] |

pub mod cli;
pub mod config;
pub mod demo;
pub mod runtime;
pub mod supervise;

pub mod proxy;
pub mod snapshot;

pub mod access;
pub mod cache;
pub mod ledger;

pub mod credential;
pub mod health;
pub mod routing;
pub mod zed;

pub mod net;
pub mod oauth;
pub mod protocol;
pub mod tokens;

pub mod admin;
pub mod telemetry;

pub mod error;
pub mod types;
