//! Listening sockets, bound before anything else starts: an address that is taken ends the process at once with a
//! sentence, and port 0 is known before it is announced. A supervised process gets them from its supervisor.

use std::fs::Permissions;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::{IntoRawFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, anyhow};
use async_trait::async_trait;
use parking_lot::Mutex;
use pingora::server::{Fds, ListenFds, ShutdownWatch};
use pingora::services::Service;
use pingora::services::listening;
use tokio::sync::watch;

use crate::proxy::Cap;
use crate::supervise::{self, Post};

/// A bound address.
pub struct Bound {
    socket: TcpListener,
    address: SocketAddr,
}

impl Bound {
    /// The socket of the listener `name`, at `host:port`; port 0 takes a free one.
    pub fn bind(
        supervisor: Option<&Post>,
        name: &str,
        host: &str,
        port: u16,
    ) -> anyhow::Result<Self> {
        let socket = match supervisor {
            Some(supervisor) => supervisor.listen(name, host, port),
            None => supervise::bind(host, port),
        };
        let socket = socket.map_err(|why| anyhow!(why))?;
        let address = socket
            .local_addr()
            .with_context(|| format!("cannot listen on {host}:{port}"))?;
        Ok(Bound { socket, address })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Whether only this machine can reach it.
    pub fn is_loopback(&self) -> bool {
        self.address.ip().is_loopback()
    }

    /// Makes it the door of an application, which stays shut until `open`.
    pub fn serve(self, name: &str, cap: Cap, open: watch::Receiver<bool>) -> Door {
        let address = self.address.to_string();
        let mut door = Door::shut(name, cap, open);
        door.inner.add_tcp(&address);
        door.fds.lock().add(address, self.socket.into_raw_fd());
        door
    }
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
        let path = path.display().to_string();
        self.inner
            .add_uds(&path, Some(Permissions::from_mode(0o600)));
        self.fds.lock().add(path, socket.into().into_raw_fd());
        self
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
