//! How far one gets on the way to a provider, step by step and with times, for people who look for what is wrong: the name,
//! the connection, and what is spoken on it before HTTP.

use std::net::{IpAddr, SocketAddr};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use pingora::Error;
use pingora::connectors::TransportConnector;
use pingora::upstreams::peer::Peer;
use tokio::net::TcpStream;

use super::peer::PeerFactory;
use super::resolve;

/// Longest wait for each of the later steps.
const PATIENCE: Duration = Duration::from_secs(6);

/// One step on the way.
#[derive(Clone, Debug)]
pub struct Step {
    /// Which.
    pub stage: Stage,
    /// To whom: `api.example:443`.
    pub to: String,
    /// How long it took.
    pub took: Duration,
    /// What came of it: the addresses, or why there is no next step.
    pub outcome: Result<String, String>,
}

/// Which step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// The name of the host, or of the egress proxy.
    Name,
    /// A TCP connection to it.
    Connection,
    /// The tunnel through the egress proxy, and TLS.
    Session,
}

/// Goes ways to see how far one gets.
#[derive(Default)]
pub struct Surveyor {
    /// Made for the first that needs it: it reads the system's certificates.
    connector: OnceLock<TransportConnector>,
}

impl Surveyor {
    /// Goes the way to a provider; the last step is the one that failed, if any did.
    pub async fn go(&self, peers: &PeerFactory) -> Vec<Step> {
        let (host, port) = peers.first_hop();
        let mut steps = Vec::new();
        let addresses = if let Ok(literal) = host.parse::<IpAddr>() {
            vec![literal]
        } else {
            let (step, addresses) = name(host, port).await;
            steps.push(step);
            addresses
        };
        if addresses.is_empty() {
            return steps;
        }
        steps.push(connection(host, port, &addresses).await);
        if steps.iter().all(|it| it.outcome.is_ok())
            && let Some(step) = self.session(peers, host, port).await
        {
            steps.push(step);
        }
        steps
    }

    /// What is spoken before HTTP, if anything is.
    async fn session(&self, peers: &PeerFactory, host: &str, port: u16) -> Option<Step> {
        let peer = peers.peer(0).await.ok()?;
        let tunnel = peer.options.custom_l4.is_some();
        if !peer.tls() && !tunnel {
            return None;
        }
        let connector = self.connector.get_or_init(|| TransportConnector::new(None));
        let began = Instant::now();
        let made = tokio::time::timeout(PATIENCE, connector.new_stream(&*peer)).await;
        let outcome = match made {
            Ok(Ok(_)) => Ok(match (tunnel, peer.tls()) {
                (true, true) => "tunnel and TLS".to_owned(),
                (true, false) => "tunnel".to_owned(),
                (false, _) => "TLS".to_owned(),
            }),
            Ok(Err(error)) => Err(describe(&error)),
            Err(_) => Err(format!("nothing within {PATIENCE:?}")),
        };
        Some(Step {
            stage: Stage::Session,
            to: if tunnel {
                format!("{} through {host}:{port}", peer.sni())
            } else {
                format!("{host}:{port}")
            },
            took: began.elapsed(),
            outcome,
        })
    }
}

/// What a name means.
async fn name(host: &str, port: u16) -> (Step, Vec<IpAddr>) {
    let began = Instant::now();
    let found = resolve::ask(host, port).await;
    let took = began.elapsed();
    let (outcome, addresses) = match found {
        Ok(found) if found.is_empty() => (Err("it has no address".to_owned()), found),
        Ok(found) => (Ok(listed(&found)), found),
        Err(error) => (Err(plain(&error.to_string())), Vec::new()),
    };
    let step = Step {
        stage: Stage::Name,
        to: host.to_owned(),
        took,
        outcome,
    };
    (step, addresses)
}

/// A connection to the first address that takes one.
async fn connection(host: &str, port: u16, addresses: &[IpAddr]) -> Step {
    let began = Instant::now();
    let mut outcome = Err(String::new());
    for address in addresses {
        let left = PATIENCE.saturating_sub(began.elapsed());
        let address = SocketAddr::new(*address, port);
        outcome = match tokio::time::timeout(left, TcpStream::connect(address)).await {
            Ok(Ok(_)) => Ok(address.to_string()),
            Ok(Err(error)) => Err(format!("{address}: {}", plain(&error.to_string()))),
            Err(_) => Err(format!("{address}: nothing within {PATIENCE:?}")),
        };
        if outcome.is_ok() {
            break;
        }
    }
    Step {
        stage: Stage::Connection,
        to: format!("{host}:{port}"),
        took: began.elapsed(),
        outcome,
    }
}

fn listed(addresses: &[IpAddr]) -> String {
    let first: Vec<String> = addresses.iter().take(2).map(ToString::to_string).collect();
    let more = addresses.len().saturating_sub(first.len());
    let listed = first.join(", ");
    if more == 0 {
        listed
    } else {
        format!("{listed} and {more} more")
    }
}

/// The reason of an error of Pingora's; no request has been written, so that nothing of one is in it.
fn describe(error: &Error) -> String {
    use pingora::ErrorType::{ConnectTimedout, TLSHandshakeTimedout};
    let kind = error.etype();
    if matches!(kind, ConnectTimedout | TLSHandshakeTimedout) {
        return "no answer in time".to_owned();
    }
    let cause = plain(&error.root_cause().to_string());
    if cause.trim().is_empty() {
        kind.as_str().to_owned()
    } else {
        format!("{}: {}", kind.as_str(), cause.trim())
    }
}

/// A text of the system without its number.
fn plain(text: &str) -> String {
    match text.split_once(" (os error") {
        Some((text, _)) => text.to_owned(),
        None => text.to_owned(),
    }
}
