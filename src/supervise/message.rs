//! What supervisor and worker say to each other. They may be of different versions: what is not understood is passed
//! over, and fields are only ever added.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// Spoken by both; a worker that speaks another one is not started.
pub const PROTOCOL: u32 = 1;

/// From a worker.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "say", rename_all = "snake_case")]
pub enum FromWorker {
    /// The first word.
    Hello {
        /// [`PROTOCOL`] of its version.
        protocol: u32,
        /// Its version.
        version: String,
    },
    /// It wants to listen; the answer is [`ToWorker::Socket`] or [`ToWorker::Refused`].
    Listen {
        /// What the listener is for: with port 0 it tells two of them apart.
        name: String,
        /// Host name or address.
        host: String,
        /// 0 takes a free one, the same for every later worker.
        port: u16,
    },
    /// It wants to listen on a Unix socket; the answer is [`ToWorker::Socket`] or [`ToWorker::Refused`].
    ListenUnix {
        /// Its file.
        path: PathBuf,
        /// The file's permissions, when it is bound.
        mode: u32,
    },
    /// It wants a socket on which the supervisor asks it; the answer is [`ToWorker::Socket`] with a path.
    Private {
        /// [`CHECK`] or [`DOOR`].
        name: String,
    },
    /// Everything is built: it can be asked on [`CHECK`].
    Built {
        /// How long it may drain, seconds.
        drain_seconds: u64,
    },
    /// It drains.
    Leaving,
    /// It cannot serve.
    Failed {
        /// For people, perhaps of several lines.
        why: String,
    },
    /// Something that a later version says.
    #[serde(other)]
    Unknown,
}

/// To a worker.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "say", rename_all = "snake_case")]
pub enum ToWorker {
    /// A listening socket comes with this.
    Socket {
        /// Where it is, for a private one.
        path: Option<String>,
    },
    /// There is no such socket.
    Refused {
        /// For people.
        why: String,
    },
    /// The doors may be opened.
    Open,
    /// Something that a later version says.
    #[serde(other)]
    Unknown,
}

/// Answers as soon as everything is built.
pub const CHECK: &str = "check";
/// Answers when the doors are open, by the service that serves them.
pub const DOOR: &str = "door";
