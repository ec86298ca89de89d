//! The providers of a case: those that fail, and the one that is in order.

use super::fault::Part;
use super::play::{Protocol, Scene};
use super::words::Shape;
use crate::support::h2c::H2Upstream;
use crate::support::script::Act;
use crate::support::upstream::{Refusing, Upstream};

/// A provider that fails.
pub enum Faulty {
    Playing(Upstream),
    Absent(Refusing),
}

impl Faulty {
    /// Starts it, if there is anything to start.
    pub async fn open(part: Part, scene: &Scene) -> Faulty {
        match part {
            Part::Plays(play) => Faulty::Playing(Upstream::always(play(scene)).await),
            Part::Absent => Faulty::Absent(Refusing::new()),
        }
    }

    /// Its address.
    pub fn url(&self) -> String {
        match self {
            Faulty::Playing(upstream) => upstream.url(),
            Faulty::Absent(refusing) => refusing.url(),
        }
    }

    /// How often it was called, or how often it should have been where nobody can tell.
    pub fn calls(&self, should: usize) -> usize {
        match self {
            Faulty::Playing(upstream) => upstream.calls(),
            Faulty::Absent(_) => should,
        }
    }
}

/// The provider that is in order.
pub enum Healthy {
    Http1(Upstream),
    Http2(H2Upstream),
}

impl Healthy {
    /// Starts it.
    pub async fn open(protocol: Protocol, shape: Shape, answer: String) -> Healthy {
        match (protocol, shape) {
            (Protocol::Http1, Shape::Json) => {
                Healthy::Http1(Upstream::always(Act::answer(200, &[], answer)).await)
            }
            (Protocol::Http1, Shape::Sse) => {
                Healthy::Http1(Upstream::always(Act::events(answer)).await)
            }
            (Protocol::Http2, Shape::Json) => Healthy::Http2(H2Upstream::always_json(answer).await),
            (Protocol::Http2, Shape::Sse) => Healthy::Http2(H2Upstream::always(answer).await),
        }
    }

    /// Its address.
    pub fn url(&self) -> String {
        match self {
            Healthy::Http1(upstream) => upstream.url(),
            Healthy::Http2(upstream) => upstream.url(),
        }
    }

    /// How often it was called.
    pub fn calls(&self) -> usize {
        match self {
            Healthy::Http1(upstream) => upstream.calls(),
            Healthy::Http2(upstream) => upstream.seen().len(),
        }
    }

    /// Head and body of a request, as text.
    pub fn seen(&self, index: usize) -> String {
        match self {
            Healthy::Http1(upstream) => {
                let seen = upstream.seen(index);
                format!("{:?} {}", seen.headers(), seen.text())
            }
            Healthy::Http2(upstream) => {
                let seen = &upstream.seen()[index];
                let body = String::from_utf8_lossy(&seen.body);
                format!("{:?} {body}", seen.headers)
            }
        }
    }
}
