//! Whose certificates are believed: the system's authorities, and those that the operator names for a provider.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, OnceLock, Weak};

use parking_lot::Mutex;
use pingora::protocols::tls::CaType;
use pingora_core::tls::{
    CertificateDer, ClientConfig, RootCertStore, install_default_crypto_provider,
    load_native_certs, version,
};
use pingora_core::utils::tls::WrappedX509;
use x509_parser::prelude::{FromDer, X509Certificate, X509Error};

use crate::config::Authorities;

/// What [`Authorities`] come to. Providers with the same ones share it.
#[derive(Default)]
pub struct Trusts {
    /// Read at first need, like Pingora's own.
    system: OnceLock<Vec<CertificateDer<'static>>>,
    known: Mutex<HashMap<Option<[u8; 32]>, Weak<Trust>>>,
}

impl Trusts {
    /// Nothing is read yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// That of `authorities`; without any the system's alone.
    pub fn of(&self, authorities: Option<&Authorities>) -> Arc<Trust> {
        let identity = authorities.map(|it| it.identity);
        let mut known = self.known.lock();
        if let Some(trust) = known.get(&identity).and_then(Weak::upgrade) {
            return trust;
        }
        let trust = Arc::new(self.made(authorities));
        known.retain(|_, it| 0 < it.strong_count());
        known.insert(identity, Arc::downgrade(&trust));
        trust
    }

    fn made(&self, authorities: Option<&Authorities>) -> Trust {
        let only = authorities.is_some_and(|it| it.only);
        let named = authorities.iter().flat_map(|it| &it.certificates).cloned();
        let mut all: Vec<CertificateDer<'static>> = named.collect();
        if !only {
            all.extend(self.system.get_or_init(system).iter().cloned());
        }
        Trust {
            identity: authorities.map(|it| it.identity),
            pingora: authorities.map(|_| all.iter().filter_map(wrapped).collect()),
            all,
            client: OnceLock::new(),
        }
    }
}

/// Authorities in the shapes in which they are needed.
pub struct Trust {
    /// Tells pooled connections apart; `None` is what everybody has.
    pub identity: Option<[u8; 32]>,
    /// For connections that Pingora makes; `None` leaves it its own.
    pub pingora: Option<Arc<CaType>>,
    all: Vec<CertificateDer<'static>>,
    client: OnceLock<Arc<ClientConfig>>,
}

impl Trust {
    /// For TLS that we speak ourselves, with a proxy.
    pub fn client(&self) -> Arc<ClientConfig> {
        let made = || {
            let mut roots = RootCertStore::empty();
            roots.add_parsable_certificates(self.all.iter().cloned());
            // The default provider is what Pingora has installed for itself by now; installing it twice does nothing.
            install_default_crypto_provider();
            let versions = [&version::TLS12, &version::TLS13];
            let builder = ClientConfig::builder_with_protocol_versions(&versions);
            Arc::new(builder.with_root_certificates(roots).with_no_client_auth())
        };
        Arc::clone(self.client.get_or_init(made))
    }
}

impl fmt::Debug for Trust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} authorities", self.all.len())
    }
}

/// The system's authorities, or those of `SSL_CERT_FILE` and `SSL_CERT_DIR`. Pingora refuses a whole list for one that
/// it cannot read: those are left out here.
fn system() -> Vec<CertificateDer<'static>> {
    let mut all = load_native_certs().unwrap_or_else(|error| {
        log::warn!("the system's certificate authorities cannot be read: {error}");
        Vec::new()
    });
    all.retain(|it| RootCertStore::empty().add(it.clone()).is_ok() && wrapped(it).is_some());
    all
}

fn wrapped(der: &CertificateDer<'static>) -> Option<WrappedX509> {
    WrappedX509::try_new(der.to_vec(), |raw| parsed(raw)).ok()
}

fn parsed(der: &[u8]) -> Result<X509Certificate<'_>, x509_parser::nom::Err<X509Error>> {
    X509Certificate::from_der(der).map(|it| it.1)
}
