//! Listening sockets, bound before anything else starts: an address that is taken ends the process at once with a
//! sentence, and port 0 is known before it is announced.

use std::io;
use std::net::{SocketAddr, TcpListener, ToSocketAddrs};
use std::os::fd::IntoRawFd;
use std::sync::Arc;

use anyhow::{Context, anyhow};
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
        let socket =
            TcpListener::bind(addresses.as_slice()).map_err(|error| refused(host, port, &error))?;
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

/// Why an address cannot be bound, and what to do.
fn refused(host: &str, port: u16, error: &io::Error) -> anyhow::Error {
    let remedy = match error.kind() {
        io::ErrorKind::AddrInUse => {
            "another process listens there; end it, or choose another port with --port or settings.port"
        }
        io::ErrorKind::AddrNotAvailable => {
            "this machine has no such address; choose another with --host or settings.host"
        }
        io::ErrorKind::PermissionDenied => "this user may not; choose a port from 1024 on",
        _ => return anyhow!("cannot listen on {host}:{port}: {error}"),
    };
    anyhow!("cannot listen on {host}:{port}: {remedy}")
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_that_is_taken_names_the_remedy() {
        let first = Bound::bind("127.0.0.1", 0).unwrap();
        let port = first.address().port();
        let error = Bound::bind("127.0.0.1", port).err().unwrap().to_string();
        assert!(error.starts_with(&format!(
            "cannot listen on 127.0.0.1:{port}: another process"
        )));
        assert!(error.contains("--port"), "{error}");
    }

    #[test]
    fn an_address_of_another_machine_names_the_remedy() {
        let error = Bound::bind("192.0.2.1", 0).err().unwrap().to_string();
        assert!(error.contains("--host"), "{error}");
    }
}
