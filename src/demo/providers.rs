//! The sockets of the two simulated providers, and the one task that owns all their connections.

use std::future::Future;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::demo::connection::{Connection, Pause};
use crate::demo::simulator::Simulator;
use crate::types::Dialect;

/// Pauses between the words of a stream, in milliseconds.
const PAUSE: Pause = 20..=40;
/// Rest after a connection could not be accepted, which is a lack of file descriptors as a rule.
const ACCEPT_REST: Duration = Duration::from_millis(50);

/// Where the simulated providers listen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Addresses {
    /// The Anthropic-type provider, the flaky one.
    pub anthropic: SocketAddr,
    /// The OpenAI-type provider.
    pub openai: SocketAddr,
}

/// The two simulated providers, listening but not answering yet.
#[derive(Debug)]
pub struct Providers {
    anthropic: Socket,
    openai: Socket,
}

#[derive(Debug)]
struct Socket {
    listener: TcpListener,
    address: SocketAddr,
}

impl Providers {
    /// Takes two free ports of 127.0.0.1. Needs no runtime, so that it can be done before the server starts; clients
    /// may connect from now on and are answered once [`Providers::serve`] runs.
    pub fn bind() -> io::Result<Providers> {
        Ok(Providers {
            anthropic: Socket::bind()?,
            openai: Socket::bind()?,
        })
    }

    /// Where they listen. Outlives [`Providers::serve`], because each reload needs it again.
    pub fn addresses(&self) -> Addresses {
        Addresses {
            anthropic: self.anthropic.address,
            openai: self.openai.address,
        }
    }

    /// Answers until `shutdown` is ready, then closes the listeners and the idle connections, and returns when the
    /// answers under way are finished. Dropping it ends everything at once. A proxy that is being drained still fails
    /// over, so `shutdown` belongs behind the drain, not at its beginning. Errors if the sockets cannot be used.
    pub async fn serve(self, shutdown: impl Future<Output = ()>) -> io::Result<()> {
        self.serve_paced(PAUSE, shutdown).await
    }

    /// The same with other pauses.
    pub(super) async fn serve_paced(
        self,
        pause: Pause,
        shutdown: impl Future<Output = ()>,
    ) -> io::Result<()> {
        let anthropic = tokio::net::TcpListener::from_std(self.anthropic.listener)?;
        let openai = tokio::net::TcpListener::from_std(self.openai.listener)?;
        let flaky = Arc::new(Simulator::new(Dialect::Anthropic));
        let steady = Arc::new(Simulator::new(Dialect::OpenAiChat));
        let (stop, stopping) = watch::channel(false);
        let mut connections = JoinSet::new();
        let mut shutdown = pin!(shutdown);
        loop {
            let (accepted, simulator) = tokio::select! {
                () = &mut shutdown => break,
                accepted = anthropic.accept() => (accepted, &flaky),
                accepted = openai.accept() => (accepted, &steady),
                Some(_) = connections.join_next() => continue,
            };
            let Ok((stream, _)) = accepted else {
                tokio::time::sleep(ACCEPT_REST).await;
                continue;
            };
            let connection = Connection {
                stream,
                simulator: Arc::clone(simulator),
                pause: pause.clone(),
                stopping: stopping.clone(),
            };
            connections.spawn(connection.run());
        }
        drop((anthropic, openai));
        stop.send_replace(true);
        while connections.join_next().await.is_some() {}
        Ok(())
    }
}

impl Socket {
    fn bind() -> io::Result<Socket> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        Ok(Socket { listener, address })
    }
}
