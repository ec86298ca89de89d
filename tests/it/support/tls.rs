//! Certificates of our own, and clients that look at them.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tempfile::TempDir;
use tokio::io::{AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::client::Client;
use super::h2c::H2Client;
use super::soon;

/// A connection with TLS.
pub type Stream = TlsStream<TcpStream>;
/// An HTTP/1.1 client over TLS.
pub type TlsClient = Client<ReadHalf<Stream>, WriteHalf<Stream>>;

/// An authority, and a directory for what it has signed.
pub struct Authority {
    certificate: rcgen::Certificate,
    key: KeyPair,
    directory: TempDir,
}

/// A certificate with its key, in files.
#[derive(Clone, Debug)]
pub struct Pair {
    /// The certificate.
    pub cert: PathBuf,
    /// Its key.
    pub key: PathBuf,
}

impl Pair {
    /// As the configuration has it.
    pub fn yaml(&self) -> String {
        format!(
            "{{cert: {}, key: {}}}",
            self.cert.display(),
            self.key.display()
        )
    }

    /// Another pair takes its place, one file after the other.
    pub fn become_like(&self, other: &Pair) {
        fs::copy(&other.cert, &self.cert).unwrap();
        fs::copy(&other.key, &self.key).unwrap();
    }
}

impl Authority {
    /// A new one.
    pub fn new() -> Authority {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params
            .distinguished_name
            .push(DnType::CommonName, "journeys");
        let certificate = params.self_signed(&key).unwrap();
        let directory = TempDir::new().unwrap();
        fs::write(directory.path().join("ca.pem"), certificate.pem()).unwrap();
        Authority {
            certificate,
            key,
            directory,
        }
    }

    /// Its own certificate.
    pub fn file(&self) -> PathBuf {
        self.directory.path().join("ca.pem")
    }

    /// A path beside its files.
    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// A certificate for these names, in files called `file`.
    pub fn server(&self, file: &str, names: &[&str]) -> Pair {
        let names: Vec<String> = names.iter().map(|it| (*it).to_owned()).collect();
        self.sign(file, CertificateParams::new(names).unwrap())
    }

    /// A certificate for a client of this name.
    pub fn client(&self, name: &str) -> Pair {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        self.sign(name, params)
    }

    fn sign(&self, file: &str, params: CertificateParams) -> Pair {
        let key = KeyPair::generate().unwrap();
        let signed = params
            .signed_by(&key, &self.certificate, &self.key)
            .unwrap();
        let pair = Pair {
            cert: self.path(&format!("{file}.pem")),
            key: self.path(&format!("{file}.key")),
        };
        fs::write(&pair.cert, signed.pem()).unwrap();
        fs::write(&pair.key, key.serialize_pem()).unwrap();
        restrict(&pair.key);
        pair
    }

    /// A client that trusts it.
    pub fn trusted(&self) -> Dialler {
        let mut authorities = RootCertStore::empty();
        authorities.add(self.certificate.der().clone()).unwrap();
        Dialler {
            authorities,
            shows: None,
            versions: rustls::ALL_VERSIONS.to_vec(),
        }
    }
}

fn restrict(file: &Path) {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(file, fs::Permissions::from_mode(0o600)).unwrap();
}

/// Makes connections.
#[derive(Clone)]
pub struct Dialler {
    authorities: RootCertStore,
    shows: Option<Pair>,
    versions: Vec<&'static rustls::SupportedProtocolVersion>,
}

impl Dialler {
    /// It shows this certificate.
    pub fn showing(mut self, pair: &Pair) -> Dialler {
        self.shows = Some(pair.clone());
        self
    }

    /// It speaks nothing newer.
    pub fn at_most_tls12(mut self) -> Dialler {
        self.versions = vec![&rustls::version::TLS12];
        self
    }

    /// A connection for `name`, offering these protocols.
    pub async fn dial(
        &self,
        address: SocketAddr,
        name: &str,
        alpn: &[&str],
    ) -> std::io::Result<Stream> {
        self.dial_after(b"", address, name, alpn).await
    }

    /// The same as a load balancer does it, which says first whom it brings.
    pub async fn dial_announced(
        &self,
        address: SocketAddr,
        announcement: &[u8],
        name: &str,
        protocol: &str,
    ) -> std::io::Result<Stream> {
        self.dial_after(announcement, address, name, &[protocol])
            .await
    }

    async fn dial_after(
        &self,
        before: &[u8],
        address: SocketAddr,
        name: &str,
        alpn: &[&str],
    ) -> std::io::Result<Stream> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&self.versions)
            .unwrap()
            .with_root_certificates(self.authorities.clone());
        let mut config = match &self.shows {
            None => builder.with_no_client_auth(),
            Some(pair) => {
                let chain = CertificateDer::pem_file_iter(&pair.cert).unwrap();
                let chain = chain.collect::<Result<_, _>>().unwrap();
                let key = PrivateKeyDer::from_pem_file(&pair.key).unwrap();
                builder.with_client_auth_cert(chain, key).unwrap()
            }
        };
        config.alpn_protocols = alpn.iter().map(|it| it.as_bytes().to_vec()).collect();
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        stream.write_all(before).await?;
        let name = ServerName::try_from(name.to_owned()).unwrap();
        let handshake = TlsConnector::from(Arc::new(config)).connect(name, stream);
        soon("a TLS handshake", handshake).await
    }

    /// An HTTP/1.1 client.
    pub async fn http1(&self, address: SocketAddr, name: &str) -> TlsClient {
        Client::through(self.dial(address, name, &["http/1.1"]).await.unwrap())
    }

    /// An HTTP/2 client.
    pub async fn http2(&self, address: SocketAddr, name: &str) -> H2Client {
        let stream = self.dial(address, name, &["h2", "http/1.1"]).await.unwrap();
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
        H2Client::over(stream).await
    }
}

/// The certificate that the other side has shown.
pub fn shown(stream: &Stream) -> CertificateDer<'static> {
    let chain = stream.get_ref().1.peer_certificates().unwrap();
    chain[0].clone().into_owned()
}

/// The certificate in a file.
pub fn in_file(pair: &Pair) -> CertificateDer<'static> {
    CertificateDer::from_pem_file(&pair.cert).unwrap()
}
