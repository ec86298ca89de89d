//! From what a human wrote to what the proxy runs on: text → value tree with paths → [`Config`].
//!
//! Every key is one row of a table (`keys.rs`). The same rows find unknown and misspelt keys, wrong types and old names
//! (`walk.rs`), give typed access (`read.rs`) and print the JSON Schema (`schema.rs`); a schema derived from structs
//! would be a second description that drifts from the first. All faults are collected and told at once, and no value
//! that may be a secret is ever part of one.

mod access;
mod accounts;
mod classes;
mod diff;
mod dump;
mod edge;
mod edit;
mod egress;
mod env;
mod expand;
mod facts;
mod fault;
mod import;
mod keys;
mod listeners;
mod load;
mod model;
mod near;
mod oauth;
mod observe;
mod overrides;
mod page;
mod provider;
mod read;
mod routes;
mod rules;
mod schema;
mod secrets;
mod service_account;
mod settings;
mod table;
mod teams;
mod tls;
mod tree;
mod units;
mod url;
mod vendors;
mod vertex;
mod walk;
mod zed;
mod zed_terms;

pub use classes::{Classes, Condition};
pub use diff::changes;
pub use dump::{dump, masked_tree};
pub use edit::{
    Document, DocumentKind, EditError, Edited, NewUpstream, Update, Upstream, add_key, remove_key,
    revoke_key,
};
pub use egress::{Authorities, EgressProxy, EgressScheme, ProxyEnvironment, Via, Way};
pub use env::Env;
pub use fault::ConfigFault;
pub use import::{Imported, is_kind, to_yaml};
pub use listeners::{ListenAddress, Listener, Surface};
pub use load::{LoadOptions, Loaded, from_text, load, load_with_files, locate};
pub use model::{
    AccessLog, Admin, AffinitySettings, Auth, CacheMode, CacheSettings, CallPath, Capture, Config,
    Cors, DeclaredPrice, Deduplication, HealthPage, Http2, KeyEntry, KeyStrategy, LedgerSettings,
    LogLevel, LogSettings, Mode, ModelFacts, Note, OnLoss, PerAddress, Platform, Probe, ProbeAsk,
    Provider, ProviderAuth, Route, RouteCandidate, RouteRule, Settings, Sharing, Source, Stalls,
    Strategy, Target, Terms, Timeouts, TokenCounting, Tracing, When, Wish,
};
pub use oauth::{OAuthProfile, OAuthSettings, OAuthStore};
pub use schema::schema;
pub use service_account::ServiceAccount;
pub use teams::expiry;
pub use tls::{Certificate, ClientAuth, Tls, cryptography, fingerprint};
pub use url::masked as masked_address;
pub use zed_terms::{
    Billing, DEFAULT_CONTEXT, Generation, ModeTerms, ThreadTerms, Trigger, Zed, ZedAccount, ZedMode,
};

#[cfg(test)]
mod tests;
