//! `tls` of a listener → certificates that belong to their keys, and what is asked of clients. The files are read and
//! tried here, so that a pair which does not work is refused with the configuration it is in, and never met by a client.

pub(super) mod pem;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::pki_types::CertificateDer;
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{ClientHello, ResolvesServerCert, WebPkiClientVerifier};
use rustls::sign::CertifiedKey;
use rustls::{RootCertStore, SignatureScheme};
use sha2::{Digest, Sha256};

use crate::config::fault::Report;
use crate::config::read::Reader;

/// Makes a listener an encrypted one.
#[derive(Clone, Debug)]
pub struct Tls {
    /// The first is shown to clients that name no server, or one that is not here.
    pub certificates: Vec<Certificate>,
    /// Where the authorities are whose certificates clients may show.
    pub client_ca: Option<PathBuf>,
    /// Whether clients must show one.
    pub client_auth: ClientAuth,
    /// Picks a certificate.
    pub resolver: Arc<dyn ResolvesServerCert>,
    /// Looks at those of clients, where they are asked for.
    pub verifier: Option<Arc<dyn ClientCertVerifier>>,
    /// Of two that differ in anything that matters, this differs.
    pub identity: [u8; 32],
}

/// A certificate with its key, as people see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// The file of the chain.
    pub cert: PathBuf,
    /// The file of the key.
    pub key: PathBuf,
    /// The names it is for, in lower case.
    pub names: Vec<String>,
    /// The last day it is good for: `2026-11-20`.
    pub expires: String,
    /// The same in seconds since 1970.
    pub not_after: i64,
    /// Its SHA-256, in hexadecimal.
    pub fingerprint: String,
}

/// Whether clients show certificates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum ClientAuth {
    /// They are not asked.
    #[default]
    None,
    /// They are asked; without one they are served, with a bad one not.
    Optional,
    /// Without a good one they are not served.
    Required,
}

impl ClientAuth {
    /// As the file says it.
    pub const WORDS: &[&str] = &["none", "optional", "required"];

    /// As the file says it.
    pub fn word(self) -> &'static str {
        match self {
            ClientAuth::None => "none",
            ClientAuth::Optional => "optional",
            ClientAuth::Required => "required",
        }
    }
}

/// All certificates of a listener.
#[derive(Debug)]
struct Certificates(Vec<(Vec<String>, Arc<CertifiedKey>)>);

impl Certificates {
    /// The one for a server name, else the first; of several for that name the first that the client can verify.
    fn pick(&self, name: Option<&str>, schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        let name = name.map(str::to_ascii_lowercase);
        let is_for = |names: &[String]| {
            let name = name.as_deref();
            name.is_some_and(|name| names.iter().any(|it| matches(it, name)))
        };
        let can = |key: &CertifiedKey| key.key.choose_scheme(schemes).is_some();
        let named = self.0.iter().filter(|it| is_for(&it.0));
        named
            .chain(&self.0)
            .find(|it| can(&it.1))
            .or(self.0.first())
            .map(|it| Arc::clone(&it.1))
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.pick(hello.server_name(), hello.signature_schemes())
    }
}

/// Whether a name of a certificate, perhaps with `*` for its first label, is for `name`.
fn matches(pattern: &str, name: &str) -> bool {
    match pattern.strip_prefix("*.") {
        Some(parent) => name
            .split_once('.')
            .is_some_and(|(label, rest)| !label.is_empty() && rest == parent),
        None => pattern == name,
    }
}

/// Reads `tls`, relative files from `dir`. `None`: something is wrong with it, which has been told.
pub(super) fn tls(reader: &Reader<'_>, dir: &Path, report: &mut Report) -> Option<Tls> {
    let before = report.faults.len();
    let pairs = reader.list("certificates");
    if pairs.is_empty() && reader.has("certificates") {
        report.fault(
            reader.at("certificates"),
            "is empty; add `- {cert: FILE, key: FILE}`",
        );
    }
    let mut identity = Sha256::new();
    let (mut certificates, mut keys) = (Vec::new(), Vec::new());
    for pair in &pairs {
        if let Some((certificate, key)) = certificate(pair, dir, &mut identity, report) {
            keys.push((certificate.names.clone(), key));
            certificates.push(certificate);
        }
    }
    let client_auth = client_auth(reader, report);
    let verifier = match client_auth {
        ClientAuth::None => None,
        ClientAuth::Optional | ClientAuth::Required => {
            verifier(reader, client_auth, dir, &mut identity, report)
        }
    };
    identity.update(client_auth.word());
    (before == report.faults.len()).then(|| Tls {
        certificates,
        client_ca: reader.text("client_ca").map(|it| dir.join(it)),
        client_auth,
        resolver: Arc::new(Certificates(keys)),
        verifier,
        identity: identity.finalize().into(),
    })
}

/// What is said, or what naming authorities means.
fn client_auth(reader: &Reader<'_>, report: &mut Report) -> ClientAuth {
    let has_authorities = reader.has("client_ca");
    match reader.choice("client_auth") {
        Some("none") => {
            if has_authorities {
                let text = "has no effect: `client_auth` is none";
                report.warn(reader.at("client_ca"), text);
            }
            ClientAuth::None
        }
        None if !has_authorities => ClientAuth::None,
        Some(word) if !has_authorities => {
            report.fault_at(
                reader.at("client_auth"),
                word,
                "needs `client_ca`: a file with the authorities whose certificates are accepted",
            );
            ClientAuth::None
        }
        Some("optional") => ClientAuth::Optional,
        Some(_) | None => ClientAuth::Required,
    }
}

fn certificate(
    pair: &Reader<'_>,
    dir: &Path,
    identity: &mut Sha256,
    report: &mut Report,
) -> Option<(Certificate, Arc<CertifiedKey>)> {
    let (cert_file, key_file) = (pair.text("cert"), pair.text("key"));
    let chain = cert_file.and_then(|it| pem::chain(dir, it, &pair.at("cert"), report));
    let key = key_file.and_then(|it| pem::key(dir, it, &pair.at("key"), report));
    let (chain, key, cert_file, key_file) = (chain?, key?, cert_file?, key_file?);
    let facts = match pem::Facts::of(chain.first()?) {
        Ok(facts) => facts,
        Err(remedy) => {
            report.fault_at(pair.at("cert"), cert_file, remedy);
            return None;
        }
    };
    for der in &chain {
        identity.update(der);
    }
    let key = match CertifiedKey::from_der(chain, key, &cryptography()) {
        Ok(key) => Arc::new(key),
        Err(error) => {
            report.fault_at(pair.at("key"), key_file, unfit(&error, cert_file));
            return None;
        }
    };
    pem::judge_dates(&facts, &pair.at("cert"), report);
    if facts.names.is_empty() {
        let text =
            "is for no DNS name and no address (subjectAltName), so that no client accepts it";
        report.warn(pair.at("cert"), text);
    }
    let certificate = Certificate {
        cert: dir.join(cert_file),
        key: dir.join(key_file),
        names: facts.names,
        expires: facts.expires,
        not_after: facts.not_after,
        fingerprint: facts.fingerprint,
    };
    Some((certificate, key))
}

fn unfit(error: &rustls::Error, cert_file: &str) -> String {
    match error {
        rustls::Error::InconsistentKeys(_) => {
            format!("is not the key of the certificate in {cert_file}")
        }
        rustls::Error::InvalidCertificate(_) => {
            format!("cannot be compared with the certificate in {cert_file}, which is broken")
        }
        _ => {
            "is no key that can be used; take RSA from 2048 bits, ECDSA P-256 or P-384, or Ed25519"
                .to_owned()
        }
    }
}

fn verifier(
    reader: &Reader<'_>,
    client_auth: ClientAuth,
    dir: &Path,
    identity: &mut Sha256,
    report: &mut Report,
) -> Option<Arc<dyn ClientCertVerifier>> {
    let (file, path) = (reader.text("client_ca")?, reader.at("client_ca"));
    let mut authorities = RootCertStore::empty();
    for authority in pem::chain(dir, file, &path, report)? {
        if let Ok(facts) = pem::Facts::of(&authority) {
            pem::judge_dates(&facts, &path, report);
        }
        identity.update(&authority);
        if authorities.add(authority).is_err() {
            let remedy = "holds something that is no certificate of an authority";
            report.fault_at(path, file, remedy);
            return None;
        }
    }
    let authorities = Arc::new(authorities);
    let builder = WebPkiClientVerifier::builder_with_provider(authorities, cryptography());
    let builder = match client_auth {
        ClientAuth::Optional => builder.allow_unauthenticated(),
        ClientAuth::None | ClientAuth::Required => builder,
    };
    match builder.build() {
        Ok(verifier) => Some(verifier),
        Err(error) => {
            report.fault_at(path, file, format!("cannot be used: {error}"));
            None
        }
    }
}

/// What TLS is made of here.
pub fn cryptography() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

/// The SHA-256 of a certificate in hexadecimal.
pub fn fingerprint(der: &CertificateDer<'_>) -> String {
    use std::fmt::Write;
    let digest = Sha256::digest(der);
    digest
        .iter()
        .fold(String::with_capacity(64), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_one_label() {
        for (pattern, name, fits) in [
            ("a.example", "a.example", true),
            ("a.example", "b.example", false),
            ("*.example", "a.example", true),
            ("*.example", "example", false),
            ("*.example", ".example", false),
            ("*.example", "a.b.example", false),
            ("*", "example", false),
        ] {
            assert_eq!(matches(pattern, name), fits, "{pattern} {name}");
        }
    }

    #[test]
    fn of_two_for_a_name_the_one_that_the_client_can_verify_is_picked() {
        let made = |algorithm| {
            let key = rcgen::KeyPair::generate_for(algorithm).unwrap();
            let params = rcgen::CertificateParams::new(vec!["a.example".to_owned()]).unwrap();
            let chain = vec![params.self_signed(&key).unwrap().der().clone()];
            let key = rustls::pki_types::PrivateKeyDer::try_from(key.serialize_der()).unwrap();
            let key = CertifiedKey::from_der(chain, key, &cryptography()).unwrap();
            (vec!["a.example".to_owned()], Arc::new(key))
        };
        let all = Certificates(vec![
            made(&rcgen::PKCS_ED25519),
            made(&rcgen::PKCS_ECDSA_P256_SHA256),
        ]);
        let picked = |name: Option<&str>, schemes: &[SignatureScheme]| {
            let key = all.pick(name, schemes).unwrap();
            all.0.iter().position(|it| Arc::ptr_eq(&it.1, &key))
        };
        let (new, old) = (
            SignatureScheme::ED25519,
            SignatureScheme::ECDSA_NISTP256_SHA256,
        );
        assert_eq!(picked(Some("A.example"), &[old, new]), Some(0));
        assert_eq!(picked(Some("a.example"), &[old]), Some(1));
        assert_eq!(picked(None, &[old]), Some(1));
        assert_eq!(picked(Some("a.example"), &[]), Some(0));
    }
}
