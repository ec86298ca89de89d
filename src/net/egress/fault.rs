//! What goes wrong on the way through an egress proxy: a fault of the way, not of the provider behind it. Nothing of
//! what the proxy said is quoted, and nothing that it was told.

use std::fmt;
use std::io;
use std::time::Duration;

use pingora::{BError, Error, ErrorType};
use thiserror::Error as ThisError;

/// A proxy that did not let us through.
#[derive(Debug)]
pub struct EgressFault {
    /// As people know it: `https://***@proxy.example:8443`.
    pub(super) proxy: String,
    /// What it did.
    pub(super) what: What,
    /// Whether another address of it is worth a try.
    pub another: bool,
}

/// What a proxy did instead of letting us through.
#[derive(Debug, ThisError)]
pub(super) enum What {
    #[error("cannot be reached: {0}")]
    Unreachable(#[source] io::Error),
    #[error("accepts no connection within {0:?}")]
    Silent(Duration),
    #[error("shows no certificate that is believed: {0}")]
    Certificate(#[source] io::Error),
    #[error("speaks no TLS that we understand: {0}")]
    NoTls(#[source] io::Error),
    #[error("wants a name and a password (407); write them into its address")]
    NoCredentials,
    #[error("refuses this name and password")]
    BadCredentials,
    #[error("does not let us connect to {target}: status {status}")]
    Refused { target: String, status: u16 },
    #[error("cannot connect to {target}: {why}")]
    Unconnected { target: String, why: &'static str },
    #[error("answers with something that is not {0}; is this the right port and scheme?")]
    Garbage(&'static str),
    #[error("offers no way to sign in that we have")]
    NoMethod,
    #[error("was given a {0} that is longer than 255 bytes, which SOCKS cannot say")]
    TooLong(&'static str),
    #[error("broke the connection off: {0}")]
    Broken(#[source] io::Error),
    #[error("says nothing within {0:?}")]
    Hangs(Duration),
}

impl EgressFault {
    /// What the system said, where it was asked.
    pub fn io(&self) -> Option<&io::Error> {
        match &self.what {
            What::Unreachable(error)
            | What::Certificate(error)
            | What::NoTls(error)
            | What::Broken(error) => Some(error),
            _ => None,
        }
    }

    /// The fault behind an error of Pingora's, if it is one.
    pub fn of(error: &Error) -> Option<&EgressFault> {
        error.root_cause().downcast_ref()
    }
}

impl fmt::Display for EgressFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "egress proxy {} {}", self.proxy, self.what)
    }
}

impl std::error::Error for EgressFault {}

impl From<EgressFault> for BError {
    fn from(fault: EgressFault) -> BError {
        Error::because(ErrorType::ConnectProxyFailure, "egress proxy", fault)
    }
}
