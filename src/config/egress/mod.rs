//! The way to a provider: which proxy it leads through, and whose certificates are believed on it. What the
//! configuration says of a provider holds; where it says nothing, the environment does, as with other programs.

mod environment;
mod no_proxy;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use sha2::{Digest, Sha256};

use crate::config::env::Env;
use crate::config::fault::Report;
use crate::config::model::Target;
use crate::config::read::Reader;
use crate::config::tls::pem;
use crate::config::url::{Address, masked};
use crate::types::Secret;

pub use environment::ProxyEnvironment;
pub(super) use environment::explain;

/// What `proxy` says for "none, whatever the environment says".
const NONE: &str = "none";
/// Schemes of proxies.
const SCHEMES: &[&str] = &["http", "https", "socks5", "socks5h"];

/// How a provider is reached.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Way {
    /// Through whom.
    pub via: Via,
    /// Authorities of the operator's, for the provider and for a proxy inside TLS alike.
    pub authorities: Option<Arc<Authorities>>,
}

impl Way {
    /// The proxy that calls to `target` go through.
    pub fn proxy_to(&self, target: &Target) -> Option<&EgressProxy> {
        match &self.via {
            Via::Direct => None,
            Via::Own(proxy) => Some(proxy),
            Via::Environment(environment) => environment.proxy_to(target),
        }
    }

    /// Every secret in it.
    pub fn secrets(&self) -> Vec<&Secret> {
        let proxies: Vec<&EgressProxy> = match &self.via {
            Via::Direct => Vec::new(),
            Via::Own(proxy) => vec![proxy],
            Via::Environment(environment) => environment.proxies().collect(),
        };
        let credentials = proxies.into_iter().flat_map(|it| &it.credentials);
        credentials.map(|(_, password)| password).collect()
    }
}

/// Through whom a provider is reached.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Via {
    /// Nobody.
    #[default]
    Direct,
    /// A proxy of its own.
    Own(EgressProxy),
    /// What the environment says for the host that is called.
    Environment(Arc<ProxyEnvironment>),
}

/// An egress proxy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EgressProxy {
    /// How it is spoken to.
    pub scheme: EgressScheme,
    /// Its host name or address.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// Name and password.
    pub credentials: Option<(String, Secret)>,
    /// The environment variable that names it, if one does.
    pub variable: Option<&'static str>,
}

impl fmt::Display for EgressProxy {
    /// Without name and password: `https://***@proxy.example:8443`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = self.scheme.word();
        let who = self.credentials.as_ref().map_or("", |_| "***@");
        let (open, close) = if self.host.contains(':') {
            ("[", "]")
        } else {
            ("", "")
        };
        write!(
            f,
            "{scheme}://{who}{open}{}{close}:{}",
            self.host, self.port
        )
    }
}

/// How an egress proxy is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EgressScheme {
    /// `CONNECT` in the clear.
    Http,
    /// `CONNECT` inside TLS.
    Https,
    /// SOCKS5, names resolved by the proxy.
    Socks5,
}

impl EgressScheme {
    /// As an address has it.
    pub fn word(self) -> &'static str {
        match self {
            EgressScheme::Http => "http",
            EgressScheme::Https => "https",
            EgressScheme::Socks5 => "socks5",
        }
    }
}

/// Authorities that the operator believes.
#[derive(Clone, PartialEq, Eq)]
pub struct Authorities {
    /// Where they stand.
    pub files: Vec<PathBuf>,
    /// Whether those of the system are not believed besides.
    pub only: bool,
    /// Their certificates; each is fit to be a root.
    pub certificates: Vec<CertificateDer<'static>>,
    /// Of two that differ in anything, this differs.
    pub identity: [u8; 32],
}

impl fmt::Debug for Authorities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authorities")
            .field("files", &self.files)
            .field("only", &self.only)
            .finish_non_exhaustive()
    }
}

/// What ways are read with.
pub(super) struct Ways<'d> {
    /// What the environment says, if anything.
    environment: Option<Arc<ProxyEnvironment>>,
    /// Where relative files are.
    dir: &'d Path,
}

impl<'d> Ways<'d> {
    /// With the proxies of `env`, and files below `dir`.
    pub fn new(env: &Env, dir: &'d Path) -> Self {
        Ways {
            environment: ProxyEnvironment::read(env),
            dir,
        }
    }

    /// Where nothing is said.
    pub fn unsaid(&self) -> Way {
        let environment = self.environment.as_ref();
        Way {
            via: environment.map_or(Via::Direct, |it| Via::Environment(Arc::clone(it))),
            authorities: None,
        }
    }

    /// Reads `proxy`, `ca` and `ca_only`.
    pub fn read(&self, reader: &Reader<'_>, report: &mut Report) -> Way {
        self.read_or(reader, &self.unsaid().via, report)
    }

    /// The same; where `proxy` says nothing, the way is `fallback`.
    pub fn read_or(&self, reader: &Reader<'_>, fallback: &Via, report: &mut Report) -> Way {
        Way {
            via: via(reader, report).unwrap_or_else(|| fallback.clone()),
            authorities: authorities(reader, self.dir, report).map(Arc::new),
        }
    }
}

/// What `proxy` says; `None` where it says nothing.
fn via(reader: &Reader<'_>, report: &mut Report) -> Option<Via> {
    let text = reader.text("proxy").filter(|it| !it.is_empty())?;
    if text.eq_ignore_ascii_case(NONE) {
        return Some(Via::Direct);
    }
    match parse(text) {
        Ok(proxy) => Some(Via::Own(proxy)),
        Err(remedy) => {
            report.fault_at(reader.at("proxy"), &masked(text), remedy);
            None
        }
    }
}

/// The proxy at an address; the error is a remedy.
fn parse(text: &str) -> Result<EgressProxy, String> {
    let address = Address::parse(text, SCHEMES)?;
    if !address.path.is_empty() || address.query.is_some() {
        return Err("has a path or query; a proxy has neither".to_owned());
    }
    let credentials = address.userinfo.as_deref().map(|it| {
        let (name, password) = it.split_once(':').unwrap_or((it, ""));
        (unescape(name), Secret::new(unescape(password)))
    });
    Ok(EgressProxy {
        scheme: match address.scheme {
            "http" => EgressScheme::Http,
            "https" => EgressScheme::Https,
            _ => EgressScheme::Socks5,
        },
        port: address.effective_port(),
        host: address.host,
        credentials,
        variable: None,
    })
}

/// Undoes `%40` and the like; what is no escape stays.
fn unescape(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let escaped = after.get(..2).filter(|_| *first == b'%').and_then(|it| {
            let hex = std::str::from_utf8(it).ok()?;
            u8::from_str_radix(hex, 16).ok()
        });
        bytes.push(escaped.unwrap_or(*first));
        rest = after
            .get(if escaped.is_some() { 2 } else { 0 }..)
            .unwrap_or_default();
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn authorities(reader: &Reader<'_>, dir: &Path, report: &mut Report) -> Option<Authorities> {
    let (texts, path) = (reader.texts("ca"), reader.at("ca"));
    let files: Vec<&str> = texts.into_iter().filter(|it| !it.is_empty()).collect();
    let only = reader.boolean("ca_only").unwrap_or(false);
    if files.is_empty() {
        if only {
            let remedy = "leaves nobody to believe: name the file of your authority as `ca`";
            report.fault(reader.at("ca_only"), remedy);
        }
        return None;
    }
    let mut identity = Sha256::new_with_prefix([u8::from(only)]);
    let (mut certificates, mut fits) = (Vec::new(), RootCertStore::empty());
    for file in &files {
        for authority in pem::chain(dir, file, &path, report)? {
            match pem::Facts::of(&authority) {
                Ok(facts) => pem::judge_dates(&facts, &path, report),
                Err(remedy) => {
                    report.fault_at(&path, file, remedy);
                    return None;
                }
            }
            if fits.add(authority.clone()).is_err() {
                let remedy = "holds something that is no certificate of an authority";
                report.fault_at(&path, file, remedy);
                return None;
            }
            identity.update(&authority);
            certificates.push(authority);
        }
    }
    Some(Authorities {
        files: files.iter().map(|it| dir.join(it)).collect(),
        only,
        certificates,
        identity: identity.finalize().into(),
    })
}
