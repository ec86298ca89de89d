//! From what a human wrote to what the proxy runs on: text → value tree with paths → [`Config`].

mod model;

pub use model::{
    Admin, Auth, Config, EgressProxy, EgressScheme, Http2, KeyStrategy, LogLevel, LogSettings,
    ModelFacts, Note, Probe, ProbeAsk, Provider, ProviderAuth, Quirks, Route, RouteCandidate,
    Settings, Source, Strategy, Target, Timeouts, TokenCounting,
};
