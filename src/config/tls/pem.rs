//! Files with certificates and keys, and what a certificate says of itself.

use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{ASN1Time, FromDer, X509Certificate};
use zeroize::Zeroizing;

use super::fingerprint;
use crate::config::expand::others_may_read;
use crate::config::fault::Report;

/// Largest file of certificates, bytes: bundles of authorities have hundreds.
const MAX_BYTES: u64 = 1 << 20;
/// A certificate that ends sooner is told about, seconds: two weeks.
const SOON: i64 = 14 * 86_400;

/// What a certificate says of itself.
pub struct Facts {
    /// Names and addresses it is for.
    pub names: Vec<String>,
    /// The last day it is good for.
    pub expires: String,
    /// Its SHA-256.
    pub fingerprint: String,
    begins: String,
    /// When it ends, seconds since 1970.
    pub not_after: i64,
    not_before: i64,
}

impl Facts {
    /// Those of a certificate. The error says what is wrong with it.
    pub fn of(der: &CertificateDer<'_>) -> Result<Facts, &'static str> {
        let (_, parsed) =
            X509Certificate::from_der(der).map_err(|_| "holds a broken certificate")?;
        let names = parsed.subject_alternative_name().ok().flatten();
        let names = names.map(|it| it.value.general_names.iter().filter_map(name).collect());
        let validity = parsed.validity();
        Ok(Facts {
            names: names.unwrap_or_default(),
            begins: day(validity.not_before),
            expires: day(validity.not_after),
            fingerprint: fingerprint(der),
            not_before: validity.not_before.timestamp(),
            not_after: validity.not_after.timestamp(),
        })
    }
}

fn name(name: &GeneralName<'_>) -> Option<String> {
    match name {
        GeneralName::DNSName(name) => Some(name.to_ascii_lowercase()),
        GeneralName::IPAddress(bytes) => match bytes.len() {
            4 => <[u8; 4]>::try_from(*bytes)
                .ok()
                .map(|it| std::net::Ipv4Addr::from(it).to_string()),
            _ => <[u8; 16]>::try_from(*bytes)
                .ok()
                .map(|it| std::net::Ipv6Addr::from(it).to_string()),
        },
        _ => None,
    }
}

fn day(time: ASN1Time) -> String {
    let time = time.to_datetime();
    let month = u8::from(time.month());
    format!("{:04}-{month:02}-{:02}", time.year(), time.day())
}

/// Warns of a certificate that clients refuse, or soon will.
pub fn judge_dates(facts: &Facts, path: &str, report: &mut Report) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let now = now.map_or(0, |it| i64::try_from(it.as_secs()).unwrap_or(i64::MAX));
    let expires = &facts.expires;
    if facts.not_after < now {
        report.warn(
            path,
            format!("holds a certificate that expired on {expires}; renew it"),
        );
    } else if facts.not_after - now < SOON {
        report.warn(
            path,
            format!("holds a certificate that expires on {expires}; renew it soon"),
        );
    } else if now < facts.not_before {
        let text = format!(
            "holds a certificate that is not good before {}",
            facts.begins
        );
        report.warn(path, text);
    }
}

/// The certificates in a file, of which there is at least one.
pub fn chain(
    dir: &Path,
    file: &str,
    path: &str,
    report: &mut Report,
) -> Option<Vec<CertificateDer<'static>>> {
    let text = read(dir, file, path, report)?;
    let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    let remedy = match all {
        Ok(all) if !all.is_empty() => return Some(all),
        Ok(_) => "holds no certificate in PEM (`-----BEGIN CERTIFICATE-----`)",
        Err(_) => "is not PEM as it should be; was it cut short?",
    };
    report.fault_at(path, file, remedy);
    None
}

/// The private key in a file, which nobody else should be able to read.
pub fn key(
    dir: &Path,
    file: &str,
    path: &str,
    report: &mut Report,
) -> Option<PrivateKeyDer<'static>> {
    let text = read(dir, file, path, report)?;
    if std::fs::metadata(dir.join(file)).is_ok_and(|it| others_may_read(&it)) {
        let text = "can be read by everyone on this machine; run chmod 600 on it";
        report.warn(path, text);
    }
    let remedy = match PrivateKeyDer::from_pem_slice(&text) {
        Ok(key) => return Some(key),
        Err(pem::Error::NoItemsFound) => {
            let marker = b"ENCRYPTED PRIVATE KEY";
            if text.windows(marker.len()).any(|it| it == marker) {
                "is locked with a passphrase; unlock it with `openssl pkey -in FILE -out FILE`"
            } else {
                "holds no private key in PEM (`-----BEGIN PRIVATE KEY-----`)"
            }
        }
        Err(_) => "is not PEM as it should be; was it cut short?",
    };
    report.fault_at(path, file, remedy);
    None
}

fn read(dir: &Path, file: &str, path: &str, report: &mut Report) -> Option<Zeroizing<Vec<u8>>> {
    let place = dir.join(file);
    report.files.insert(place.clone());
    let read = std::fs::metadata(&place).and_then(|facts| {
        if facts.is_file() && facts.len() <= MAX_BYTES {
            std::fs::read(&place).map(Some)
        } else {
            Ok(None)
        }
    });
    let remedy = match read {
        Ok(Some(bytes)) => return Some(Zeroizing::new(bytes)),
        Ok(None) => "is not a file of at most 1 MiB".to_owned(),
        Err(error) => format!("cannot be read: {}", error.kind()),
    };
    report.fault_at(path, file, remedy);
    None
}
