//! Listening sockets, bound before anything else starts: an address that is taken ends the process at once with a
//! sentence, and port 0 is known before it is announced.

use std::net::{SocketAddr, TcpListener, ToSocketAddrs};
use std::os::fd::IntoRawFd;
use std::sync::Arc;

use anyhow::Context;
use async_trait::async_trait;
use parking_lot::Mutex;
use pingora::server::{Fds, ListenFds, ShutdownWatch};
use pingora::services::Service;
use pingora::services::listening;

use crate::proxy::Cap;

/// A bound address.
pub struct Bound {
    socket: TcpListener,
    address: SocketAddr,
}

impl Bound {
    /// Binds `host:port`; port 0 takes a free one.
    pub fn bind(host: &str, port: u16) -> anyhow::Result<Self> {
        let name = || format!("cannot listen on {host}:{port}");
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        let addresses: Vec<SocketAddr> =
            (bare, port).to_socket_addrs().with_context(name)?.collect();
        let socket = TcpListener::bind(addresses.as_slice()).with_context(name)?;
        socket.set_nonblocking(true).with_context(name)?;
        let address = socket.local_addr().with_context(name)?;
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

    /// Makes it the door of an application.
    pub fn serve(self, name: &str, cap: Cap) -> Door {
        let address = self.address.to_string();
        let mut inner = listening::Service::new(name.to_owned(), cap);
        inner.add_tcp(&address);
        let mut fds = Fds::new();
        fds.add(address, self.socket.into_raw_fd());
        Door {
            inner,
            fds: Arc::new(Mutex::new(fds)),
        }
    }
}

/// A Pingora service that serves a socket which is bound already.
pub struct Door {
    inner: listening::Service<Cap>,
    fds: ListenFds,
}

#[async_trait]
impl Service for Door {
    async fn start_service(
        &mut self,
        _: Option<ListenFds>,
        shutdown: ShutdownWatch,
        listeners_per_fd: usize,
    ) {
        let fds = Some(Arc::clone(&self.fds));
        Service::start_service(&mut self.inner, fds, shutdown, listeners_per_fd).await;
    }

    fn name(&self) -> &str {
        Service::name(&self.inner)
    }
}
