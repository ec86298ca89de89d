//! Egress proxies on loopback ports, of all three kinds, and a front that puts TLS before a provider.

use std::fs;
use std::net::SocketAddr;
use std::sync::Arc;

use parking_lot::Mutex;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

use super::tls::Pair;
use super::upstream::Upstream;

/// What a proxy speaks.
#[derive(Clone)]
pub enum Speaks {
    /// `CONNECT` in the clear.
    Http,
    /// `CONNECT` inside TLS, with this certificate.
    Https(Pair),
    /// SOCKS5.
    Socks,
    /// Nothing: it says this after the first byte, and hangs on.
    Nonsense(&'static [u8]),
    /// The same inside TLS.
    NonsenseInside(Pair, &'static [u8]),
}

/// What a proxy was asked, one entry a tunnel.
type Asked = Arc<Mutex<Vec<String>>>;

/// An egress proxy on a loopback port.
pub struct Egress {
    /// Where it is.
    pub address: SocketAddr,
    asked: Asked,
    accepting: JoinHandle<()>,
}

impl Drop for Egress {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl Egress {
    /// One that lets everybody through.
    pub async fn start(speaks: Speaks) -> Egress {
        Egress::answering(speaks, "").await
    }

    /// One that answers `CONNECT` with this status line; with nothing it makes the tunnel.
    pub async fn answering(speaks: Speaks, refusal: &'static str) -> Egress {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let asked = Asked::default();
        let seen = Arc::clone(&asked);
        let accepting = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (seen, speaks) = (Arc::clone(&seen), speaks.clone());
                tokio::spawn(serve(stream, speaks, seen, refusal));
            }
        });
        Egress {
            address,
            asked,
            accepting,
        }
    }

    /// What it was asked so far.
    pub fn asked(&self) -> Vec<String> {
        self.asked.lock().clone()
    }
}

async fn serve(stream: TcpStream, speaks: Speaks, asked: Asked, refusal: &'static str) {
    match speaks {
        Speaks::Http => connect(stream, &asked, refusal).await,
        Speaks::Socks => socks5(stream, &asked).await,
        Speaks::Nonsense(bytes) => nonsense(stream, bytes).await,
        Speaks::Https(pair) => {
            // Who does not believe the certificate leaves in the middle of it.
            if let Ok(stream) = acceptor(&pair, &[]).accept(stream).await {
                connect(stream, &asked, refusal).await;
            }
        }
        Speaks::NonsenseInside(pair, bytes) => {
            if let Ok(stream) = acceptor(&pair, &[]).accept(stream).await {
                nonsense(stream, bytes).await;
            }
        }
    }
}

async fn nonsense<S: AsyncRead + AsyncWrite + Unpin>(mut stream: S, bytes: &[u8]) {
    let _ = stream.read_u8().await;
    let _ = stream.write_all(bytes).await;
    let _ = stream.flush().await;
    let mut rest = Vec::new();
    let _ = stream.read_to_end(&mut rest).await;
}

async fn connect<S: AsyncRead + AsyncWrite + Unpin>(mut stream: S, asked: &Asked, refusal: &str) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let Ok(byte) = stream.read_u8().await else {
            return;
        };
        head.push(byte);
    }
    let head = String::from_utf8(head).unwrap();
    asked.lock().push(head.clone());
    if !refusal.is_empty() {
        let answer = format!("{refusal}\r\ncontent-length: 2\r\n\r\nno");
        let _ = stream.write_all(answer.as_bytes()).await;
        let _ = stream.flush().await;
        return;
    }
    let target = head.split(' ').nth(1).unwrap().to_owned();
    let answer = "HTTP/1.1 200 Connection established\r\nvia: here\r\n\r\n";
    stream.write_all(answer.as_bytes()).await.unwrap();
    stream.flush().await.unwrap();
    tunnel(stream, &target).await;
}

async fn socks5(mut stream: TcpStream, asked: &Asked) {
    let mut greeting = [0; 2];
    stream.read_exact(&mut greeting).await.unwrap();
    let mut methods = vec![0; usize::from(greeting[1])];
    stream.read_exact(&mut methods).await.unwrap();
    let mut note = format!("methods {methods:?}");
    if methods.contains(&2) {
        stream.write_all(&[5, 2]).await.unwrap();
        assert_eq!(stream.read_u8().await.unwrap(), 1);
        for _ in 0..2 {
            let mut word = vec![0; usize::from(stream.read_u8().await.unwrap())];
            stream.read_exact(&mut word).await.unwrap();
            note = format!("{note} {}", String::from_utf8(word).unwrap());
        }
        stream.write_all(&[1, 0]).await.unwrap();
    } else {
        stream.write_all(&[5, 0]).await.unwrap();
    }
    let mut request = [0; 4];
    stream.read_exact(&mut request).await.unwrap();
    let host = if request[3] == 1 {
        let mut address = [0; 4];
        stream.read_exact(&mut address).await.unwrap();
        std::net::Ipv4Addr::from(address).to_string()
    } else {
        let mut name = vec![0; usize::from(stream.read_u8().await.unwrap())];
        stream.read_exact(&mut name).await.unwrap();
        String::from_utf8(name).unwrap()
    };
    let port = stream.read_u16().await.unwrap();
    asked
        .lock()
        .push(format!("{note} kind {} {host}:{port}", request[3]));
    stream
        .write_all(&[5, 0, 0, 1, 127, 0, 0, 1, 0, 1])
        .await
        .unwrap();
    tunnel(stream, &format!("{host}:{port}")).await;
}

/// Names that end in `.test` are this machine's.
async fn tunnel<S: AsyncRead + AsyncWrite + Unpin>(mut stream: S, target: &str) {
    let (host, port) = target.rsplit_once(':').unwrap();
    let host = match host.rsplit_once('.') {
        Some((_, "test")) => "127.0.0.1",
        _ => host,
    };
    if let Ok(mut upstream) = TcpStream::connect(format!("{host}:{port}")).await {
        let _ = copy_bidirectional(&mut stream, &mut upstream).await;
    }
}

fn acceptor(pair: &Pair, alpn: &[&str]) -> TlsAcceptor {
    let chain = CertificateDer::pem_slice_iter(&fs::read(&pair.cert).unwrap())
        .collect::<Result<Vec<_>, _>>()
        .unwrap();
    let key = PrivateKeyDer::from_pem_file(&pair.key).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    config.alpn_protocols = alpn.iter().map(|it| it.as_bytes().to_vec()).collect();
    TlsAcceptor::from(Arc::new(config))
}

/// TLS in front of a provider.
pub struct TlsFront {
    /// Where it is.
    pub address: SocketAddr,
    /// The protocol agreed on and the name asked for, one entry a connection.
    pub agreed: Arc<Mutex<Vec<String>>>,
    accepting: JoinHandle<()>,
}

impl Drop for TlsFront {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl TlsFront {
    /// In front of `upstream`, with this certificate, offering these protocols.
    pub async fn start(upstream: &Upstream, pair: &Pair, alpn: &[&str]) -> TlsFront {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let behind = upstream.url().replace("http://", "");
        let acceptor = acceptor(pair, alpn);
        let agreed = Arc::new(Mutex::new(Vec::new()));
        let notes = Arc::clone(&agreed);
        let accepting = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, behind, notes) =
                    (acceptor.clone(), behind.clone(), Arc::clone(&notes));
                tokio::spawn(async move {
                    let Ok(mut stream) = acceptor.accept(stream).await else {
                        return;
                    };
                    let (_, tls) = stream.get_ref();
                    let protocol = tls.alpn_protocol().unwrap_or(b"none");
                    let protocol = String::from_utf8_lossy(protocol).into_owned();
                    let name = tls.server_name().unwrap_or("nobody");
                    notes.lock().push(format!("{protocol} for {name}"));
                    let mut upstream = TcpStream::connect(behind).await.unwrap();
                    let _ = copy_bidirectional(&mut stream, &mut upstream).await;
                });
            }
        });
        TlsFront {
            address,
            agreed,
            accepting,
        }
    }

    /// Its address under a name that only a proxy knows.
    pub fn url(&self, name: &str) -> String {
        format!("https://{name}:{}", self.address.port())
    }
}
