//! Listening sockets, bound before anything else starts: an address that is taken ends the process at once with a
//! sentence, and port 0 is known before it is announced. A supervised process gets them from its supervisor.

use std::fs::Permissions;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::{IntoRawFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, anyhow};
use async_trait::async_trait;
use parking_lot::Mutex;
use pingora::listeners::{L4BufferSettings, ListenerConfig};
use pingora::server::{Fds, ListenFds, ShutdownWatch};
use pingora::services::Service;
use pingora::services::listening;
use tokio::sync::watch;

use crate::config::{ListenAddress, Listener, Surface};
use crate::proxy::Cap;
use crate::supervise::{self, Post, SocketFile};

/// A bound address.
pub struct Bound {
    socket: Socket,
    /// What the configuration says of it.
    pub listener: Listener,
    /// Where it is, for TCP.
    pub address: Option<SocketAddr>,
    /// Of a Unix socket that is not the supervisor's.
    pub file: Option<SocketFile>,
}

enum Socket {
    Tcp(TcpListener),
    /// With its file and the file's permissions.
    Unix(UnixListener, PathBuf, u32),
}

/// Where is listened, for people.
#[derive(Clone, Debug)]
pub struct Listening {
    /// `https://127.0.0.1:8443`, `unix:/run/pointsman.sock`.
    pub url: String,
    /// The same without the scheme, for TCP.
    pub address: Option<SocketAddr>,
    /// What is served there.
    pub surface: Surface,
    /// A name that its certificate is for.
    pub host: Option<String>,
}

impl Bound {
    /// The socket of a listener; port 0 takes a free one.
    pub fn bind(supervisor: Option<&Post>, listener: &Listener) -> anyhow::Result<Self> {
        let bound = match &listener.address {
            ListenAddress::Tcp { host, port } => bind_tcp(supervisor, &listener.name, host, *port),
            ListenAddress::Unix { path, mode } => match supervisor {
                Some(supervisor) => supervisor.listen_unix(path, *mode).map(|it| (it, None)),
                None => supervise::bind_unix(path, *mode).map(|(it, file)| (it, Some(file))),
            }
            .map(|(socket, file)| (Socket::Unix(socket, path.clone(), *mode), file)),
        };
        let (socket, file) = bound.map_err(|why| anyhow!(why))?;
        let address = match &socket {
            Socket::Tcp(socket) => {
                let address = socket.local_addr();
                Some(address.with_context(|| format!("cannot listen on {}", listener.address))?)
            }
            Socket::Unix(..) => None,
        };
        Ok(Bound {
            socket,
            listener: listener.clone(),
            address,
            file,
        })
    }

    /// Whether only this machine can reach it.
    pub fn is_local(&self) -> bool {
        let is_near = self.address.is_none_or(|it| it.ip().is_loopback());
        is_near && !self.listener.proxy_protocol
    }

    /// Where it is, for people.
    pub fn shown(&self) -> Listening {
        let url = match self.address {
            Some(address) => format!("{}://{address}", self.listener.scheme()),
            None => self.listener.address.to_string(),
        };
        let certificate = self
            .listener
            .tls
            .as_ref()
            .and_then(|it| it.certificates.first());
        let mut names = certificate.into_iter().flat_map(|it| &it.names);
        Listening {
            url,
            address: self.address,
            surface: self.listener.surface,
            host: names.find(|it| !it.contains('*')).cloned(),
        }
    }

    /// Makes it the door of an application, which stays shut until `open`.
    pub fn serve(self, cap: Cap, open: watch::Receiver<bool>) -> Door {
        let mut door = Door::shut(&self.listener.name, cap, open);
        match self.socket {
            Socket::Unix(socket, path, mode) => door.add_unix(socket, &path, mode),
            Socket::Tcp(socket) => {
                let address = self.address.map_or_else(String::new, |it| it.to_string());
                let listener = ListenerConfig::tcp(&address).l4_buffer(unread());
                door.inner.add_listener(listener);
                door.fds.lock().add(address, socket.into_raw_fd());
            }
        }
        door
    }
}

/// Nothing is read ahead: the turnstile, TLS and HTTP/2 have buffers of their own, and Pingora's would be 64 KiB for
/// each connection, idle ones included.
fn unread() -> L4BufferSettings {
    L4BufferSettings::default().read(0)
}

fn bind_tcp(
    supervisor: Option<&Post>,
    name: &str,
    host: &str,
    port: u16,
) -> Result<(Socket, Option<SocketFile>), String> {
    let socket = match supervisor {
        Some(supervisor) => supervisor.listen(name, host, port),
        None => supervise::bind(host, port),
    };
    Ok((Socket::Tcp(socket?), None))
}

/// A Pingora service that serves sockets which are bound already.
pub struct Door {
    inner: listening::Service<Cap>,
    fds: ListenFds,
    open: watch::Receiver<bool>,
}

impl Door {
    /// Without a socket yet.
    pub fn shut(name: &str, cap: Cap, open: watch::Receiver<bool>) -> Door {
        Door {
            inner: listening::Service::new(name.to_owned(), cap),
            fds: Arc::new(Mutex::new(Fds::new())),
            open,
        }
    }

    /// Serves a socket of the supervisor's as well.
    pub fn with_private(mut self, socket: impl Into<OwnedFd>, path: &Path) -> Door {
        self.add_unix(socket, path, 0o600);
        self
    }

    /// Pingora sets the permissions once more, and would open the file to everybody if it was not told.
    fn add_unix(&mut self, socket: impl Into<OwnedFd>, path: &Path, mode: u32) {
        let path = path.display().to_string();
        let listener = ListenerConfig::uds(&path).permissions(Permissions::from_mode(mode));
        self.inner.add_listener(listener.l4_buffer(unread()));
        self.fds.lock().add(path, socket.into().into_raw_fd());
    }
}

#[async_trait]
impl Service for Door {
    async fn start_service(
        &mut self,
        _: Option<ListenFds>,
        mut shutdown: ShutdownWatch,
        listeners_per_fd: usize,
    ) {
        tokio::select! {
            opened = self.open.wait_for(|open| *open) => if opened.is_err() {
                return;
            },
            () = begun(&mut shutdown) => return,
        }
        let fds = Some(Arc::clone(&self.fds));
        Service::start_service(&mut self.inner, fds, shutdown, listeners_per_fd).await;
    }

    fn name(&self) -> &str {
        Service::name(&self.inner)
    }
}

/// Resolves when the end has begun.
async fn begun(shutdown: &mut ShutdownWatch) {
    let _ = shutdown.wait_for(|begun| *begun).await;
}
