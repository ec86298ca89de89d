//! One fault type for everything that goes wrong with a request: whose fault it is, and what may be tried next.
//!
//! Modules have small error types of their own; on the way into `proxy/` each becomes a [`Fault`]. Nothing here
//! renders: the shape a client sees is made in `protocol/<dialect>/error.rs`, the log line in `proxy/finish.rs`.

use std::fmt;
use std::time::Duration;

/// Whose fault it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blame {
    /// The client sent something wrong, or left.
    Downstream,
    /// The provider, or the way to it.
    Upstream,
    /// Pointsman.
    Internal,
}

/// What may be tried after a fault, as long as nothing has been shown to the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// Nothing: the same request fails the same way everywhere.
    Never,
    /// The same endpoint, on a fresh connection.
    SameEndpoint,
    /// Another key of the same endpoint, then another endpoint.
    NextKey,
    /// Another endpoint.
    NextEndpoint,
    /// An endpoint of another provider: every key of this one meets the same fate.
    NextProvider,
}

/// Which limit of time was passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Timer {
    /// No connection within its time.
    Connect,
    /// No response head.
    FirstByte,
    /// A head, but no content.
    FirstContent,
    /// Silence between two pieces of an answer.
    Idle,
    /// The whole request took too long.
    Deadline,
}

/// What happened, in our own words. See FAILURES §1 of the design for the policy behind each.
#[derive(Clone, Debug, PartialEq)]
pub enum FaultKind {
    /// The request cannot be understood, or asks for what cannot be expressed.
    InvalidRequest,
    /// The request cannot be said in this candidate's dialect, or not without a loss that its route forbids; another
    /// candidate may take it.
    Untranslatable,
    /// No gateway key, or a wrong one.
    Unauthenticated,
    /// A valid key that may not do this.
    Forbidden,
    /// No such path.
    UnknownPath,
    /// The path exists, the method does not; holds the `allow` header.
    MethodNotAllowed(&'static str),
    /// No route serves this model.
    ModelNotFound,
    /// The request body passes a limit.
    TooLarge,
    /// The request body is compressed in a way that is not known here.
    UnsupportedCoding,
    /// The request expects what is not done here.
    UnknownExpectation,
    /// The client took too long to send its request.
    RequestTimeout,
    /// Our own caps: connections, bodies in memory, requests in flight.
    Overloaded,
    /// The process is ending and waits no longer.
    Stopping,
    /// A limit of the client's key or address.
    RateLimited {
        /// When to come back.
        after: Duration,
    },
    /// The budget of the client's key is used up.
    BudgetExceeded,
    /// The client left.
    Cancelled,
    /// The provider answered with an error status that says nothing about its health.
    UpstreamRejected {
        /// Its status.
        status: u16,
    },
    /// The provider refused our credential (401, 403).
    UpstreamAuth {
        /// Its status.
        status: u16,
    },
    /// The credential has no money left (402, or texts that say so).
    UpstreamCredit {
        /// Its status.
        status: u16,
    },
    /// The credential is rate limited.
    UpstreamLimited {
        /// How long the provider asks us to wait.
        after: Option<Duration>,
    },
    /// The provider as a whole is overloaded (529, `overloaded_error`).
    UpstreamOverloaded {
        /// How long the provider asks us to wait.
        after: Option<Duration>,
    },
    /// The provider does not know this model.
    UpstreamModelNotFound,
    /// The request does not fit the model's context window.
    UpstreamContextTooLong,
    /// A server error of the provider.
    UpstreamStatus {
        /// Its status.
        status: u16,
    },
    /// An answer that makes no sense: not the dialect, cut, an error inside a 200.
    UpstreamBadAnswer,
    /// No connection: DNS, refused, TLS.
    UpstreamUnreachable,
    /// The egress proxy on the way to the provider does not let us through.
    UpstreamEgress,
    /// A pooled connection was dead before a byte of the answer came.
    UpstreamStaleConnection,
    /// A limit of time was passed.
    UpstreamTimeout(Timer),
    /// No candidate could be tried, or none gave a usable answer.
    NoEndpoint,
    /// Every candidate refused our credentials.
    CredentialsDead,
    /// A bug.
    Internal,
}

/// One fault: its kind, a text fit for the client, and what only the log may know.
#[derive(Clone, Debug)]
pub struct Fault {
    /// What happened.
    pub kind: FaultKind,
    /// For the client: lower case, names the field and the remedy, never a secret or an internal.
    pub public: String,
    /// A stable code that clients match on (`error.details.error_code`), where there is one.
    pub code: Option<&'static str>,
    /// For the log only.
    pub source: Option<String>,
}

impl Fault {
    /// A fault with a text for the client.
    pub fn new(kind: FaultKind, public: impl Into<String>) -> Self {
        Fault {
            kind,
            public: public.into(),
            code: None,
            source: None,
        }
    }

    /// Adds what only the log may know.
    pub fn with_source(mut self, source: impl fmt::Display) -> Self {
        self.source = Some(source.to_string());
        self
    }

    /// Adds the code that clients match on.
    pub fn with_code(mut self, code: Option<&'static str>) -> Self {
        self.code = code;
        self
    }

    /// A bug of ours; the client gets its request id and nothing else.
    pub fn internal(source: impl fmt::Display) -> Self {
        Fault::new(
            FaultKind::Internal,
            "internal error; quote the request id when you report it",
        )
        .with_source(source)
    }

    /// Whose fault it is.
    pub fn blame(&self) -> Blame {
        self.kind.blame()
    }

    /// What may be tried next.
    pub fn retry(&self) -> Retry {
        self.kind.retry()
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.kind.label(), self.public)?;
        match &self.source {
            Some(source) => write!(f, " ({source})"),
            None => Ok(()),
        }
    }
}

impl FaultKind {
    /// Whose fault it is.
    pub fn blame(&self) -> Blame {
        use FaultKind::*;
        match self {
            InvalidRequest
            | Untranslatable
            | Unauthenticated
            | Forbidden
            | UnknownPath
            | MethodNotAllowed(_)
            | ModelNotFound
            | TooLarge
            | UnsupportedCoding
            | UnknownExpectation
            | RequestTimeout
            | RateLimited { .. }
            | BudgetExceeded
            | Cancelled
            | UpstreamRejected { .. }
            | UpstreamContextTooLong => Blame::Downstream,
            UpstreamAuth { .. }
            | UpstreamCredit { .. }
            | UpstreamLimited { .. }
            | UpstreamOverloaded { .. }
            | UpstreamModelNotFound
            | UpstreamStatus { .. }
            | UpstreamBadAnswer
            | UpstreamUnreachable
            | UpstreamEgress
            | UpstreamStaleConnection
            | UpstreamTimeout(_)
            | NoEndpoint
            | CredentialsDead => Blame::Upstream,
            Overloaded | Stopping | Internal => Blame::Internal,
        }
    }

    /// What may be tried next, before anything has been shown to the client.
    pub fn retry(&self) -> Retry {
        use FaultKind::*;
        match self {
            InvalidRequest
            | Unauthenticated
            | Forbidden
            | UnknownPath
            | MethodNotAllowed(_)
            | ModelNotFound
            | TooLarge
            | UnsupportedCoding
            | UnknownExpectation
            | RequestTimeout
            | Overloaded
            | Stopping
            | RateLimited { .. }
            | BudgetExceeded
            | Cancelled
            | UpstreamRejected { .. }
            | NoEndpoint
            | CredentialsDead
            | Internal => Retry::Never,
            UpstreamStaleConnection => Retry::SameEndpoint,
            UpstreamAuth { .. } | UpstreamCredit { .. } | UpstreamLimited { .. } => Retry::NextKey,
            Untranslatable
            | UpstreamModelNotFound
            | UpstreamContextTooLong
            | UpstreamStatus { .. }
            | UpstreamBadAnswer
            | UpstreamUnreachable
            | UpstreamEgress
            | UpstreamTimeout(_) => Retry::NextEndpoint,
            UpstreamOverloaded { .. } => Retry::NextProvider,
        }
    }

    /// A short name for logs, traces and metrics: a closed set.
    pub fn label(&self) -> &'static str {
        use FaultKind::*;
        match self {
            InvalidRequest => "invalid_request",
            Untranslatable => "untranslatable",
            Unauthenticated => "unauthenticated",
            Forbidden => "forbidden",
            UnknownPath => "unknown_path",
            MethodNotAllowed(_) => "method_not_allowed",
            ModelNotFound => "model_not_found",
            TooLarge => "too_large",
            UnsupportedCoding => "unsupported_coding",
            UnknownExpectation => "unknown_expectation",
            RequestTimeout => "request_timeout",
            Overloaded => "overloaded",
            Stopping => "stopping",
            RateLimited { .. } => "rate_limited",
            BudgetExceeded => "budget_exceeded",
            Cancelled => "cancelled",
            UpstreamRejected { .. } => "upstream_rejected",
            UpstreamAuth { .. } => "upstream_auth",
            UpstreamCredit { .. } => "upstream_credit",
            UpstreamLimited { .. } => "upstream_limited",
            UpstreamOverloaded { .. } => "upstream_overloaded",
            UpstreamModelNotFound => "upstream_model_not_found",
            UpstreamContextTooLong => "upstream_context_too_long",
            UpstreamStatus { .. } => "upstream_status",
            UpstreamBadAnswer => "upstream_bad_answer",
            UpstreamUnreachable => "upstream_unreachable",
            UpstreamEgress => "egress_proxy",
            UpstreamStaleConnection => "upstream_stale_connection",
            UpstreamTimeout(Timer::Connect) => "connect_timeout",
            UpstreamTimeout(Timer::FirstByte) => "first_byte_timeout",
            UpstreamTimeout(Timer::FirstContent) => "first_content_timeout",
            UpstreamTimeout(Timer::Idle) => "idle_timeout",
            UpstreamTimeout(Timer::Deadline) => "deadline",
            NoEndpoint => "no_endpoint",
            CredentialsDead => "credentials_dead",
            Internal => "internal",
        }
    }
}
