//! The listening sockets: bound here, kept for ever, lent to workers. Between two workers connections wait in them
//! instead of being refused.

use std::collections::HashMap;
use std::io;
use std::net::{SocketAddr, TcpListener, ToSocketAddrs};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixListener;
use std::path::PathBuf;

use rustix::net::sockopt::{set_socket_reuseaddr, set_socket_reuseport};
use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with};

use super::machine::Generation;
use super::unix::{SocketFile, bind_unix};

/// Connections that wait while no worker takes them; the kernel's own limit (`somaxconn`) may be lower.
pub(super) const BACKLOG: i32 = 4096;

/// What a worker asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wish {
    /// A TCP port.
    Tcp {
        /// What the listener is for.
        name: String,
        /// Host name or address.
        host: String,
        /// 0 is any.
        port: u16,
    },
    /// A Unix socket.
    Unix {
        /// Its file.
        path: PathBuf,
        /// The file's permissions; its worker sets them again when it opens its doors.
        mode: u32,
    },
}

impl Wish {
    /// Whether one socket serves both.
    fn is_met_by(&self, other: &Wish) -> bool {
        match (self, other) {
            (
                Wish::Tcp { name, host, port },
                Wish::Tcp {
                    name: n,
                    host: h,
                    port: p,
                },
            ) => host == h && port == p && (*port != 0 || name == n),
            (Wish::Unix { path, .. }, Wish::Unix { path: p, .. }) => path == p,
            (Wish::Tcp { .. }, Wish::Unix { .. }) | (Wish::Unix { .. }, Wish::Tcp { .. }) => false,
        }
    }
}

/// A socket that is listened on.
#[derive(Debug)]
enum Socket {
    Tcp(TcpListener),
    Unix(UnixListener, SocketFile),
}

impl Socket {
    fn copy(&self) -> Result<OwnedFd, String> {
        let copy = match self {
            Socket::Tcp(socket) => socket.as_fd().try_clone_to_owned(),
            Socket::Unix(socket, _) => socket.as_fd().try_clone_to_owned(),
        };
        copy.map_err(|error| format!("cannot hand over a socket: {error}"))
    }

    fn shown(&self) -> Option<String> {
        match self {
            Socket::Tcp(socket) => socket.local_addr().ok().map(|it| it.to_string()),
            Socket::Unix(_, file) => Some(file.to_string()),
        }
    }
}

/// All of them, and who uses which.
#[derive(Debug, Default)]
pub struct Sockets {
    held: Vec<(Wish, Socket)>,
    wishes: HashMap<Generation, Vec<Wish>>,
}

impl Sockets {
    /// A copy of the socket that a worker wants, which is bound if there is none.
    pub fn lend(&mut self, worker: Generation, wish: Wish) -> Result<OwnedFd, String> {
        let at = self.held.iter().position(|(held, _)| wish.is_met_by(held));
        let lent = if let Some((_, socket)) = at.and_then(|at| self.held.get(at)) {
            socket.copy()?
        } else {
            let socket = match &wish {
                Wish::Tcp { host, port, .. } => Socket::Tcp(self.bind_beside(host, *port)?),
                Wish::Unix { path, mode } => {
                    let (socket, file) = bind_unix(path, *mode)?;
                    Socket::Unix(socket, file)
                }
            };
            let lent = socket.copy()?;
            self.held.push((wish.clone(), socket));
            lent
        };
        self.wishes.entry(worker).or_default().push(wish);
        Ok(lent)
    }

    /// Where they are, for people.
    pub fn addresses(&self) -> Vec<String> {
        let sockets = self.held.iter().map(|(_, socket)| socket);
        sockets.filter_map(Socket::shown).collect()
    }

    /// Closes what only a worker has wanted that will not serve.
    pub fn forget(&mut self, worker: Generation) {
        if self.wishes.remove(&worker).is_some() {
            self.close_unwanted();
        }
    }

    /// Closes what this worker does not want: it is the one that serves.
    pub fn adopt(&mut self, worker: Generation) {
        self.wishes.retain(|other, _| *other == worker);
        self.close_unwanted();
    }

    fn close_unwanted(&mut self) {
        let wishes = &self.wishes;
        let wanted = |held: &Wish| wishes.values().flatten().any(|wish| wish.is_met_by(held));
        self.held.retain(|(held, _)| wanted(held));
    }

    /// Binds an address that may overlap with one held here, as 0.0.0.0 does with 127.0.0.1: for that moment both say
    /// that they share. Nobody else's socket does, so an address that is taken stays taken.
    fn bind_beside(&self, host: &str, port: u16) -> Result<TcpListener, String> {
        let neighbours = || {
            self.held.iter().filter_map(|(_, socket)| match socket {
                Socket::Tcp(socket) => Some(socket).filter(|it| port != 0 && is_at(it, port)),
                Socket::Unix(..) => None,
            })
        };
        if neighbours().next().is_none() {
            return bind(host, port);
        }
        let share = |on: bool| {
            for socket in neighbours() {
                let _ = set_socket_reuseport(socket, on);
            }
        };
        share(true);
        let bound = bind_sharing(host, port);
        share(false);
        bound.map_err(|error| refused(host, port, &error))
    }
}

fn is_at(socket: &TcpListener, port: u16) -> bool {
    socket.local_addr().is_ok_and(|it| it.port() == port)
}

/// Listens on `host:port`, at once or not at all; port 0 takes a free one. The error names the remedy.
pub fn bind(host: &str, port: u16) -> Result<TcpListener, String> {
    let bound = addresses(host, port).and_then(|all| TcpListener::bind(all.as_slice()));
    bound
        .and_then(listening)
        .map_err(|error| refused(host, port, &error))
}

/// The same beside sockets that share for a moment.
fn bind_sharing(host: &str, port: u16) -> io::Result<TcpListener> {
    let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
    for address in addresses(host, port)? {
        let family = match address {
            SocketAddr::V4(_) => AddressFamily::INET,
            SocketAddr::V6(_) => AddressFamily::INET6,
        };
        let socket = socket_with(family, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
        set_socket_reuseaddr(&socket, true)?;
        set_socket_reuseport(&socket, true)?;
        match rustix::net::bind(&socket, &address) {
            Ok(()) => {
                rustix::net::listen(&socket, BACKLOG)?;
                set_socket_reuseport(&socket, false)?;
                return listening(TcpListener::from(socket));
            }
            Err(error) => last = error.into(),
        }
    }
    Err(last)
}

fn addresses(host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    Ok((bare, port).to_socket_addrs()?.collect())
}

/// Blocking, it would freeze the runtimes of all workers.
fn listening(socket: TcpListener) -> io::Result<TcpListener> {
    socket.set_nonblocking(true)?;
    // The standard library's queue is a short one.
    rustix::net::listen(&socket, BACKLOG)?;
    Ok(socket)
}

/// Why an address cannot be bound, and what to do.
fn refused(host: &str, port: u16, error: &io::Error) -> String {
    let remedy = match error.kind() {
        io::ErrorKind::AddrInUse => {
            "another process listens there; end it, or choose another port with --port or settings.port"
        }
        io::ErrorKind::AddrNotAvailable => {
            "this machine has no such address; choose another with --host or settings.host"
        }
        io::ErrorKind::PermissionDenied => "this user may not; choose a port from 1024 on",
        _ => return format!("cannot listen on {host}:{port}: {error}"),
    };
    format!("cannot listen on {host}:{port}: {remedy}")
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: Generation = Generation(1);
    const NEW: Generation = Generation(2);

    fn wish(name: &str, host: &str, port: u16) -> Wish {
        Wish::Tcp {
            name: name.to_owned(),
            host: host.to_owned(),
            port,
        }
    }

    fn address(socket: OwnedFd) -> SocketAddr {
        TcpListener::from(socket).local_addr().unwrap()
    }

    #[test]
    fn an_address_that_is_taken_names_the_remedy() {
        let first = bind("127.0.0.1", 0).unwrap();
        let port = first.local_addr().unwrap().port();
        let error = bind("127.0.0.1", port).unwrap_err();
        assert!(error.starts_with(&format!(
            "cannot listen on 127.0.0.1:{port}: another process"
        )));
        assert!(error.contains("--port"), "{error}");
    }

    #[test]
    fn an_address_of_another_machine_names_the_remedy() {
        let error = bind("192.0.2.1", 0).unwrap_err();
        assert!(error.contains("--host"), "{error}");
    }

    #[test]
    fn any_port_stays_the_same_port_for_the_same_listener() {
        let mut sockets = Sockets::default();
        let mut lend = |worker, name| {
            let lent = sockets.lend(worker, wish(name, "127.0.0.1", 0));
            address(lent.unwrap())
        };
        let edge = lend(OLD, "edge");
        let admin = lend(OLD, "admin");
        assert_ne!(edge, admin);
        assert_eq!(lend(NEW, "admin"), admin);
        assert_eq!(lend(NEW, "edge"), edge);
    }

    #[test]
    fn addresses_follow_the_worker_that_serves() {
        let mut sockets = Sockets::default();
        let kept = address(sockets.lend(OLD, wish("edge", "127.0.0.1", 0)).unwrap());
        sockets.lend(OLD, wish("admin", "127.0.0.1", 0)).unwrap();
        sockets.adopt(OLD);
        sockets.lend(NEW, wish("edge", "127.0.0.1", 0)).unwrap();
        sockets.lend(NEW, wish("other", "127.0.0.1", 0)).unwrap();
        assert_eq!(sockets.addresses().len(), 3);

        // It fails: what only it has wanted is closed.
        sockets.forget(NEW);
        assert_eq!(sockets.addresses().len(), 2);
        // It serves: what only the old one has wanted is closed.
        sockets.lend(NEW, wish("edge", "127.0.0.1", 0)).unwrap();
        sockets.adopt(NEW);
        assert_eq!(sockets.addresses(), [kept.to_string()]);
    }

    #[test]
    fn the_file_of_a_socket_goes_with_the_last_worker_that_wants_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s");
        let wish = || Wish::Unix {
            path: path.clone(),
            mode: 0o660,
        };
        let mut sockets = Sockets::default();
        sockets.lend(OLD, wish()).unwrap();
        sockets.adopt(OLD);
        sockets.lend(NEW, wish()).unwrap();
        sockets.forget(NEW);
        assert_eq!(sockets.addresses(), [format!("unix:{}", path.display())]);
        assert!(path.exists());
        sockets.adopt(NEW);
        assert!(sockets.addresses().is_empty() && !path.exists());
    }

    #[test]
    fn all_addresses_of_a_port_can_take_over_from_one_of_them() {
        let mut sockets = Sockets::default();
        let free = address(sockets.lend(OLD, wish("any", "127.0.0.1", 0)).unwrap());
        sockets.forget(OLD);
        let port = free.port();
        sockets.lend(OLD, wish("edge", "127.0.0.1", port)).unwrap();
        let wide = sockets.lend(NEW, wish("edge", "0.0.0.0", port)).unwrap();
        sockets.adopt(NEW);
        assert_eq!(address(wide).to_string(), format!("0.0.0.0:{port}"));
        // Nobody else may share it.
        assert!(bind("127.0.0.1", port).is_err());
    }
}
