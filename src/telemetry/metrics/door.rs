//! What comes to the listeners: connections, handshakes, and who may not sign in. A listener is called as the
//! configuration calls it.

use prometheus::{Error, IntCounterVec, IntGauge, IntGaugeVec, Registry};

use super::{counters, gauges};

/// Why a connection was turned away before its first request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TurnedAway {
    /// `max_connections`.
    Full,
    /// `max_connections_per_address`.
    Crowded,
    /// It did not announce its client, or may not.
    Unannounced,
}

impl TurnedAway {
    const ALL: [TurnedAway; 3] = [
        TurnedAway::Full,
        TurnedAway::Crowded,
        TurnedAway::Unannounced,
    ];

    fn label(self) -> &'static str {
        match self {
            TurnedAway::Full => "max_connections",
            TurnedAway::Crowded => "max_connections_per_address",
            TurnedAway::Unannounced => "proxy_protocol",
        }
    }
}

/// What a TLS handshake came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Handshake {
    /// A connection.
    Done,
    /// Nothing in time.
    Late,
    /// The client left in the middle.
    Left,
    /// It spoke something else.
    NotTls,
    /// Client and server have no version or cipher in common.
    Incompatible,
    /// The client showed no certificate, or none that is accepted.
    ClientCertificate,
    /// The client did not accept ours, or gave another reason of its own.
    RefusedByClient,
    /// It broke the protocol.
    Broken,
}

impl Handshake {
    const ALL: [Handshake; 8] = [
        Handshake::Done,
        Handshake::Late,
        Handshake::Left,
        Handshake::NotTls,
        Handshake::Incompatible,
        Handshake::ClientCertificate,
        Handshake::RefusedByClient,
        Handshake::Broken,
    ];

    fn label(self) -> &'static str {
        match self {
            Handshake::Done => "ok",
            Handshake::Late => "timeout",
            Handshake::Left => "left",
            Handshake::NotTls => "not_tls",
            Handshake::Incompatible => "incompatible",
            Handshake::ClientCertificate => "client_certificate",
            Handshake::RefusedByClient => "refused_by_client",
            Handshake::Broken => "broken",
        }
    }
}

/// Why somebody could not sign in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignIn {
    /// No key.
    Missing,
    /// Another key, or for administration none.
    Wrong,
    /// A key that has expired or was revoked.
    Expired,
    /// Its address has failed too often.
    LockedOut,
    /// Administration without a key, from where it needs one.
    Elsewhere,
}

impl SignIn {
    const ALL: [SignIn; 5] = [
        SignIn::Missing,
        SignIn::Wrong,
        SignIn::Expired,
        SignIn::LockedOut,
        SignIn::Elsewhere,
    ];

    fn label(self) -> &'static str {
        match self {
            SignIn::Missing => "missing",
            SignIn::Wrong => "wrong",
            SignIn::Expired => "expired",
            SignIn::LockedOut => "locked_out",
            SignIn::Elsewhere => "elsewhere",
        }
    }
}

/// What is counted at all listeners.
pub(super) struct Doors {
    open: IntGaugeVec,
    turned_away: IntCounterVec,
    handshakes: IntCounterVec,
    sign_ins: IntCounterVec,
}

/// What is counted at one.
#[derive(Clone)]
pub struct DoorCounts {
    listener: String,
    open: IntGauge,
    turned_away: IntCounterVec,
    handshakes: IntCounterVec,
}

impl Doors {
    pub(super) fn new(registry: &Registry) -> Result<Self, Error> {
        let sign_ins = counters(
            registry,
            "pointsman_sign_ins_refused_total",
            "Requests that were refused for the key they showed: missing, wrong, expired (or revoked), locked_out (the address failed too often), elsewhere (administration without a key from another machine or page).",
            &["reason"],
        )?;
        // A counter that is not there before its first time has no rate when it matters.
        for reason in SignIn::ALL {
            sign_ins.with_label_values(&[reason.label()]);
        }
        Ok(Doors {
            open: gauges(
                registry,
                "pointsman_connections",
                "Open connections of clients.",
                &["listener"],
            )?,
            turned_away: counters(
                registry,
                "pointsman_connections_refused_total",
                "Connections that were closed before their first request, by the setting that did it.",
                &["listener", "reason"],
            )?,
            handshakes: counters(
                registry,
                "pointsman_tls_handshakes_total",
                "TLS handshakes: ok, or why not.",
                &["listener", "outcome"],
            )?,
            sign_ins,
        })
    }

    pub(super) fn of(&self, listener: &str, has_tls: bool) -> DoorCounts {
        for reason in TurnedAway::ALL {
            let labels = [listener, reason.label()];
            self.turned_away.with_label_values(&labels);
        }
        for outcome in Handshake::ALL.iter().filter(|_| has_tls) {
            let labels = [listener, outcome.label()];
            self.handshakes.with_label_values(&labels);
        }
        DoorCounts {
            listener: listener.to_owned(),
            open: self.open.with_label_values(&[listener]),
            turned_away: self.turned_away.clone(),
            handshakes: self.handshakes.clone(),
        }
    }

    pub(super) fn sign_in_refused(&self, reason: SignIn) {
        self.sign_ins.with_label_values(&[reason.label()]).inc();
    }
}

impl DoorCounts {
    /// A connection has come.
    pub fn opened(&self) {
        self.open.inc();
    }

    /// One has gone.
    pub fn closed(&self) {
        self.open.dec();
    }

    /// One was turned away.
    pub fn turned_away(&self, reason: TurnedAway) {
        let labels = [self.listener.as_str(), reason.label()];
        self.turned_away.with_label_values(&labels).inc();
    }

    /// A handshake has ended.
    pub fn shook_hands(&self, outcome: Handshake) {
        let labels = [self.listener.as_str(), outcome.label()];
        self.handshakes.with_label_values(&labels).inc();
    }
}
