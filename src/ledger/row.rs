//! One row: what one request was and what it came to.

use std::fmt::Write;
use std::time::{Duration, SystemTime};

use sha2::{Digest, Sha256};

use crate::types::{MicroUsd, TokenKinds};

/// Bytes of a session's digest that are kept: enough to tell sessions apart.
const DIGEST_BYTES: usize = 8;
/// Characters of a name that a stranger chose.
const MAX_NAME: usize = 128;

/// Where an answer came from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Source {
    /// A call of the request's own.
    #[default]
    Own,
    /// The call of another request.
    Shared,
    /// The cache.
    Cache,
}

impl Source {
    /// As it is written down.
    pub fn word(self) -> &'static str {
        match self {
            Source::Own => "own",
            Source::Shared => "shared",
            Source::Cache => "cache",
        }
    }
}

/// One request.
#[derive(Clone, Debug)]
pub struct Row {
    /// When it ended.
    pub time: SystemTime,
    /// Its id.
    pub id: String,
    /// The name of the key it showed.
    pub key: Option<String>,
    /// The team of that key.
    pub team: Option<String>,
    /// The client's session, as [`digest_of`] it.
    pub session: Option<String>,
    /// The sub-agent, likewise.
    pub agent: Option<String>,
    /// The client's dialect.
    pub dialect: &'static str,
    /// The model asked for.
    pub model_asked: String,
    /// The model the provider was asked for.
    pub model_sent: Option<String>,
    /// The endpoint that answered, or was tried last.
    pub provider: Option<String>,
    /// The endpoint's key, masked.
    pub endpoint_key: Option<String>,
    /// Tokens; `None` where nothing was used, or somebody else's call was.
    pub tokens: Option<TokenKinds>,
    /// The provider did not count: these are our estimates.
    pub estimated: bool,
    /// What it cost; `None` where nobody knows the price.
    pub cost: Option<MicroUsd>,
    /// Nobody knows the price; as much as the dearest model was charged.
    pub price_guessed: bool,
    /// Time to the first content.
    pub ttft: Option<Duration>,
    /// Whole time.
    pub duration: Duration,
    /// Whether the client wanted a stream.
    pub stream: bool,
    /// How it ended: `ok`, `rejected` …
    pub outcome: &'static str,
    /// The fault it ended with.
    pub fault: Option<&'static str>,
    /// The status the client got.
    pub status: Option<u16>,
    /// Calls made for it.
    pub attempts: u32,
    /// Where the answer came from.
    pub source: Source,
}

impl Row {
    /// A row of a request that came to nothing yet.
    pub fn new(time: SystemTime, id: &str, dialect: &'static str, model_asked: &str) -> Self {
        Row {
            time,
            id: id.to_owned(),
            key: None,
            team: None,
            session: None,
            agent: None,
            dialect,
            model_asked: model_asked.chars().take(MAX_NAME).collect(),
            model_sent: None,
            provider: None,
            endpoint_key: None,
            tokens: None,
            estimated: false,
            cost: None,
            price_guessed: false,
            ttft: None,
            duration: Duration::ZERO,
            stream: false,
            outcome: "ok",
            fault: None,
            status: None,
            attempts: 0,
            source: Source::Own,
        }
    }
}

/// What is kept of a session: the first 16 hexadecimal digits of its SHA-256. It tells sessions apart, and whoever knows
/// one finds it; but a client that puts a name or an address where its session belongs leaves none here.
pub fn digest_of(session: &str) -> String {
    let digest = Sha256::digest(session.as_bytes());
    let mut text = String::with_capacity(DIGEST_BYTES * 2);
    for byte in digest.iter().take(DIGEST_BYTES) {
        let _ = write!(text, "{byte:02x}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_is_not_written_as_it_is() {
        assert_eq!(digest_of("abc"), "ba7816bf8f01cfea");
        assert_ne!(digest_of("a"), digest_of("b"));
    }
}
