//! The worker's end: it asks its supervisor for sockets, says how far it is, and hears when it may open its doors.

use std::io;
use std::net::TcpListener;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::channel::{Channel, MAX_MESSAGE};
use super::message::{CHECK, DOOR, FromWorker, PROTOCOL, ToWorker};

/// Longest text of a failure, bytes: escaped it still fits into a message.
const MAX_WHY: usize = MAX_MESSAGE / 8;

/// A worker's way to its supervisor.
#[derive(Debug)]
pub struct Post(Channel);

/// What a worker hears.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opening {
    /// It may open its doors.
    Open,
    /// The supervisor is gone.
    Lost,
}

impl Post {
    /// The supervisor at standard input, which is empty afterwards.
    pub fn at_stdin() -> io::Result<Post> {
        let end = io::stdin().as_fd().try_clone_to_owned()?;
        let post = Post(Channel::over(end)?);
        rustix::stdio::dup2_stdin(std::fs::File::open("/dev/null")?)?;
        post.say(&FromWorker::Hello {
            protocol: PROTOCOL,
            version: env!("CARGO_PKG_VERSION").to_owned(),
        })?;
        Ok(post)
    }

    /// The socket of a listener.
    pub fn listen(&self, name: &str, host: &str, port: u16) -> Result<TcpListener, String> {
        let (socket, _) = self.ask(&FromWorker::Listen {
            name: name.to_owned(),
            host: host.to_owned(),
            port,
        })?;
        Ok(TcpListener::from(socket))
    }

    /// The Unix socket of a listener.
    pub fn listen_unix(&self, path: &Path, mode: u32) -> Result<UnixListener, String> {
        let path = path.to_owned();
        let (socket, _) = self.ask(&FromWorker::ListenUnix { path, mode })?;
        Ok(UnixListener::from(socket))
    }

    /// The socket on which the supervisor asks as soon as everything is built.
    pub fn check(&self) -> Result<(UnixListener, PathBuf), String> {
        self.private(CHECK)
    }

    /// The socket on which the supervisor asks when the doors are open.
    pub fn door(&self) -> Result<(UnixListener, PathBuf), String> {
        self.private(DOOR)
    }

    fn private(&self, name: &str) -> Result<(UnixListener, PathBuf), String> {
        let name = name.to_owned();
        let (socket, path) = self.ask(&FromWorker::Private { name })?;
        let path = path.ok_or("the supervisor handed over a socket without a place")?;
        Ok((UnixListener::from(socket), PathBuf::from(path)))
    }

    fn ask(&self, wish: &FromWorker) -> Result<(OwnedFd, Option<String>), String> {
        self.say(wish).map_err(|error| lost(&error))?;
        match self.0.receive::<ToWorker>() {
            Ok(Some((ToWorker::Socket { path }, Some(socket)))) => Ok((socket, path)),
            Ok(Some((ToWorker::Refused { why }, _))) => Err(why),
            Ok(Some(_)) => Err("the supervisor answered something else".to_owned()),
            Ok(None) => Err("the supervisor is gone".to_owned()),
            Err(error) => Err(lost(&error)),
        }
    }

    /// Everything is built; draining may take this long.
    pub fn built(&self, drain: Duration) -> io::Result<()> {
        let drain_seconds = drain.as_secs();
        self.say(&FromWorker::Built { drain_seconds })
    }

    /// The drain has begun. A supervisor that is gone need not know.
    pub fn leave(&self) {
        let _ = self.say(&FromWorker::Leaving);
    }

    /// It cannot serve. Whether anybody was there to hear it.
    pub fn fail(&self, why: &str) -> bool {
        let end = why.floor_char_boundary(MAX_WHY);
        let why = why.get(..end).unwrap_or_default().to_owned();
        self.say(&FromWorker::Failed { why }).is_ok()
    }

    /// What the supervisor says next.
    pub async fn next(&self) -> Opening {
        self.receive().await.unwrap_or(Opening::Lost)
    }

    async fn receive(&self) -> io::Result<Opening> {
        let ear = self.0.ear()?;
        loop {
            match ear.hear::<ToWorker>().await? {
                None => return Ok(Opening::Lost),
                Some((ToWorker::Open, _)) => return Ok(Opening::Open),
                Some(_) => {}
            }
        }
    }

    fn say(&self, message: &FromWorker) -> io::Result<()> {
        self.0.send(message, None)
    }
}

fn lost(error: &io::Error) -> String {
    format!("the supervisor cannot be reached: {error}")
}
