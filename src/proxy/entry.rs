//! The first bytes of a connection: TLS where the listener has certificates, and which HTTP is spoken.
//!
//! Pingora could do the handshakes of a listener, but out of our sight: for up to a minute, uncounted, with an ERROR in
//! the log for each scanner that comes by, unseen by a drain that waits for fresh connections, and with the certificates
//! of its start. Here a handshake is a part of the connection, and takes the certificates of the configuration that is
//! in force: a reload needs to tell nobody.

mod encrypted;

use std::any::Any;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use async_trait::async_trait;
use pingora::listeners::tls::{Acceptor, TlsSettings};
use pingora::listeners::{ALPN, TlsAccept};
use pingora::protocols::l4::stream::Stream as Socket;
use pingora::protocols::tls::TlsRef;
use pingora::protocols::{Ssl, Stream};
use pingora::proxy::Session;
use pingora::{Error, ErrorType, OrErr, Result};
use rustls::pki_types::CertificateDer;
use x509_parser::prelude::{FromDer, X509Certificate};

use super::front::{PREFACE, begins_as_http2};
use super::http1::refuse;
use super::request_head::HeadFault;
use super::service::Shared;
use crate::config::{Listener, Tls, fingerprint};
use crate::telemetry::metrics::{DoorCounts, Handshake};
use crate::types::ClientCertificate;
use encrypted::Encrypted;

/// What every TLS client begins with.
const HANDSHAKE: u8 = 0x16;
/// For who speaks in the clear where TLS is spoken.
const NOT_TLS: HeadFault = HeadFault {
    status: 400,
    reason: "Bad Request",
    text: "this port is for TLS; write https:// in place of http://",
};

/// Of a connection that agreed on HTTP/2 and never spoke it.
const NOTHING_BEGUN: &str = "ended before the preface";

/// The way into one listener.
pub struct Entry {
    shared: Arc<Shared>,
    /// As it was when it was opened; `None` is a private socket, which has no TLS.
    opened_as: Option<Listener>,
    counts: DoorCounts,
    acceptor: ArcSwapOption<Accepting>,
}

/// Made once for each set of certificates, because it remembers sessions that clients may resume.
struct Accepting {
    identity: [u8; 32],
    http2: bool,
    acceptor: Acceptor,
}

impl Entry {
    /// The way into `listener`; what comes of handshakes is told to `counts`.
    pub fn new(shared: &Arc<Shared>, listener: Option<&Listener>, counts: DoorCounts) -> Self {
        Entry {
            counts,
            shared: Arc::clone(shared),
            opened_as: listener.cloned(),
            acceptor: ArcSwapOption::empty(),
        }
    }

    /// Lets a connection in, with whether it speaks HTTP/2 in the clear. `None`: it is to be closed.
    pub async fn admit(&self, mut stream: Stream, patience: Duration) -> Option<(Stream, bool)> {
        let (tls, http2) = self.terms();
        if let Some(tls) = tls
            && !is_private(&stream)
        {
            let shaken = self.shake_hands(stream, &tls, http2, patience).await;
            let outcome = shaken.as_ref().err().copied();
            self.counts.shook_hands(outcome.unwrap_or(Handshake::Done));
            return Some((shaken.ok()?, false)); // told by ALPN
        }
        let is_http2 = http2
            && tokio::time::timeout(patience, begins_as_http2(&mut stream))
                .await
                .ok()??;
        Some((stream, is_http2))
    }

    /// What the configuration in force says of this listener. One that it does not know any more is served as it was
    /// when it was opened, until the upgrade that closes it.
    fn terms(&self) -> (Option<Arc<Tls>>, bool) {
        let Some(opened_as) = &self.opened_as else {
            return (None, true);
        };
        let snapshot = self.shared.live.current();
        let mut all = snapshot.config.listeners.iter();
        let now = all.find(|it| it.is_at_the_place_of(opened_as));
        let listener = now.unwrap_or(opened_as);
        (listener.tls.clone(), listener.http2)
    }

    async fn shake_hands(
        &self,
        mut stream: Stream,
        tls: &Tls,
        http2: bool,
        patience: Duration,
    ) -> std::result::Result<Stream, Handshake> {
        let deadline = tokio::time::Instant::now() + patience;
        let mut first = [0];
        let peek = stream.try_peek(&mut first);
        let peeked = tokio::time::timeout_at(deadline, peek).await;
        let peeked = peeked.map_err(|_| Handshake::Late)?;
        peeked.map_err(|_| Handshake::Left)?;
        if first != [HANDSHAKE] {
            if first[0].is_ascii_uppercase() {
                refuse(&mut stream, &NOT_TLS, "invalid_request_error").await;
            }
            return Err(Handshake::NotTls);
        }
        let accepting = self.accepting(tls, http2).ok_or(Handshake::Broken)?;
        let socket = stream.into_any().downcast::<Socket>();
        let socket = socket.map_err(|_| Handshake::Broken)?;
        let handshake = Box::pin(begin(&accepting.acceptor, *socket));
        match tokio::time::timeout_at(deadline, handshake).await {
            Ok(Ok(stream)) => Ok(Box::new(stream)),
            Ok(Err(error)) => {
                log::debug!("a TLS connection did not begin: {error}");
                Err(said(&error.to_string()))
            }
            Err(_) => {
                log::debug!("a TLS connection did not begin in time");
                Err(Handshake::Late)
            }
        }
    }

    fn accepting(&self, tls: &Tls, http2: bool) -> Option<Arc<Accepting>> {
        let known = self.acceptor.load_full();
        let fits = |it: &Arc<Accepting>| it.identity == tls.identity && it.http2 == http2;
        if let Some(known) = known.filter(fits) {
            return Some(known);
        }
        let new = Arc::new(Accepting {
            identity: tls.identity,
            http2,
            acceptor: acceptor(tls, http2)?,
        });
        self.acceptor.store(Some(Arc::clone(&new)));
        Some(new)
    }
}

/// The handshake, and the preface where it has agreed on HTTP/2. What HTTP/1.1 begins with is read in `front`.
async fn begin(acceptor: &Acceptor, socket: Socket) -> Result<Encrypted> {
    let mut stream = Encrypted::new(acceptor.tls_handshake(socket).await?);
    if matches!(stream.selected_alpn_proto(), Some(ALPN::H2)) {
        let begun = stream.begins_with(PREFACE).await;
        if !begun.or_err(ErrorType::ReadError, NOTHING_BEGUN)? {
            return Error::e_explain(ErrorType::InvalidHTTPHeader, "no preface of HTTP/2");
        }
    }
    Ok(stream)
}

/// What an error of a handshake means. Pingora hands on the words of rustls, and nothing else of it.
fn said(error: &str) -> Handshake {
    let says = |words: &str| error.contains(words);
    if says("received fatal alert") {
        Handshake::RefusedByClient
    } else if says("peer is incompatible") || says("doesn't support any known protocol") {
        Handshake::Incompatible
    } else if says("invalid peer certificate") || says("peer sent no certificates") {
        Handshake::ClientCertificate
    } else if says("handshake eof") || says("reset by peer") || says(NOTHING_BEGUN) {
        Handshake::Left
    } else {
        Handshake::Broken
    }
}

/// The certificate that the client of this session has shown.
pub fn certificate_of(session: &Session) -> Option<ClientCertificate> {
    let tls = session.as_ref().digest()?.ssl_digest.as_ref()?;
    tls.extension.get::<ClientCertificate>().cloned()
}

/// Whether the client speaks TLS with us.
pub fn is_encrypted(session: &Session) -> bool {
    let digest = session.as_ref().digest();
    digest.is_some_and(|it| it.ssl_digest.is_some())
}

/// Whether it came through a Unix socket: the supervisor's, since a listener with TLS is none.
fn is_private(stream: &Stream) -> bool {
    let digest = stream.get_socket_digest();
    digest.is_some_and(|it| it.local_addr().is_some_and(|it| it.as_unix().is_some()))
}

/// Always there: nothing is read here any more that could be missing.
fn acceptor(tls: &Tls, http2: bool) -> Option<Acceptor> {
    let mut settings = TlsSettings::with_callbacks(Box::new(Introduction)).ok()?;
    settings.set_cert_resolver(Arc::clone(&tls.resolver));
    if let Some(verifier) = &tls.verifier {
        settings.set_client_cert_verifier(Arc::clone(verifier));
    }
    settings.set_alpn(if http2 { ALPN::H2H1 } else { ALPN::H1 });
    Some(settings.build())
}

/// Notes who the client is.
struct Introduction;

#[async_trait]
impl TlsAccept for Introduction {
    async fn handshake_complete_callback(
        &self,
        tls: &TlsRef,
    ) -> Option<Arc<dyn Any + Send + Sync>> {
        let der = tls.peer_certificate_der()?;
        let (_, certificate) = X509Certificate::from_der(der).ok()?;
        let fingerprint = fingerprint(&CertificateDer::from(der));
        let subject = certificate.subject().to_string();
        Some(Arc::new(ClientCertificate::new(&subject, &fingerprint)))
    }
}

#[cfg(test)]
mod tests {
    use rustls::{AlertDescription, CertificateError, Error, PeerIncompatible};

    use super::*;

    /// The words are rustls', and may change with it.
    #[test]
    fn errors_of_handshakes_are_told_apart_by_their_words() {
        for (error, expected) in [
            (
                Error::AlertReceived(AlertDescription::UnknownCA),
                Handshake::RefusedByClient,
            ),
            (
                Error::PeerIncompatible(PeerIncompatible::NoCipherSuitesInCommon),
                Handshake::Incompatible,
            ),
            (Error::NoApplicationProtocol, Handshake::Incompatible),
            (Error::NoCertificatesPresented, Handshake::ClientCertificate),
            (
                Error::InvalidCertificate(CertificateError::UnknownIssuer),
                Handshake::ClientCertificate,
            ),
            (Error::DecryptError, Handshake::Broken),
        ] {
            assert_eq!(said(&format!("failure: {error}")), expected, "{error}");
        }
        let reset = std::io::Error::from_raw_os_error(104).to_string();
        assert_eq!(said(&reset), Handshake::Left, "{reset}");
    }
}
