//! A row of the tables: what a provider does wrong, and what is to come of it.

use pointsman::types::Dialect;

use super::case::Way;
use super::play::{Protocol, Scene};
use super::words::Shape;
use crate::support::script::Act;

/// What a fault does to the provider's standing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Health {
    /// Nothing.
    Unharmed,
    /// One error is counted, for one of these reasons.
    Counted(&'static [&'static str]),
    /// One error is counted, and the whole provider has a moment of quiet.
    Quiet,
    /// The key rests.
    KeyRests,
    /// The key is not used again; it was the last one, so an error is counted as well.
    KeyBenched,
    /// It is not asked for this model again.
    ModelUnknown,
}

/// What a fault comes to for the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It strikes before the commit: the next provider's answer is all that is seen.
    Rescued,
    /// It strikes after the commit: what was shown stays, an error ends it, and the session goes elsewhere.
    Told,
    /// It is none: the answer is whole.
    Served,
    /// The client's own fault: returned as sent; in translation with a status that the client's dialect knows.
    AsSent(&'static [u16]),
}

/// How the faulty provider plays its part.
#[derive(Clone, Copy)]
pub enum Part {
    /// It listens and does this.
    Plays(fn(&Scene) -> Act),
    /// Nobody listens at its address.
    Absent,
}

/// One fault.
#[derive(Clone, Copy)]
pub struct Fault {
    /// Its name, with its number in the catalogue.
    pub name: &'static str,
    pub part: Part,
    pub shapes: &'static [Shape],
    pub protocols: &'static [Protocol],
    /// Only where answers are translated.
    pub only_translated: bool,
    /// Only of dialects whose streams say that they end. Of Gemini's more may follow the reason for stopping.
    pub needs_an_end: bool,
    /// Times of the faulty provider.
    pub timeouts: &'static str,
    pub outcome: Outcome,
    pub health: Health,
}

const BOTH_SHAPES: &[Shape] = &[Shape::Json, Shape::Sse];
const BOTH_PROTOCOLS: &[Protocol] = &[Protocol::Http1, Protocol::Http2];

/// A broken answer.
pub const BROKEN: Health = Health::Counted(&["upstream_bad_answer"]);
/// A server error.
pub const STATUS: Health = Health::Counted(&["upstream_status"]);
/// No connection.
pub const UNREACHABLE: Health = Health::Counted(&["upstream_unreachable"]);

impl Fault {
    /// A fault in every shape and protocol, which is not seen and counted as a broken answer unless told otherwise.
    pub const fn new(name: &'static str, play: fn(&Scene) -> Act) -> Fault {
        Fault {
            name,
            part: Part::Plays(play),
            shapes: BOTH_SHAPES,
            protocols: BOTH_PROTOCOLS,
            only_translated: false,
            needs_an_end: false,
            timeouts: "",
            outcome: Outcome::Rescued,
            health: BROKEN,
        }
    }

    /// Nobody listens.
    pub const fn absent(name: &'static str) -> Fault {
        let mut fault = Fault::new(name, |scene| scene.play().close());
        fault.part = Part::Absent;
        fault
    }

    /// Only in answers of one piece.
    pub const fn json(mut self) -> Fault {
        self.shapes = &[Shape::Json];
        self
    }

    /// Only in streams.
    pub const fn sse(mut self) -> Fault {
        self.shapes = &[Shape::Sse];
        self
    }

    /// Only over HTTP/1.
    pub const fn http1(mut self) -> Fault {
        self.protocols = &[Protocol::Http1];
        self
    }

    /// Only over HTTP/2.
    pub const fn http2(mut self) -> Fault {
        self.protocols = &[Protocol::Http2];
        self
    }

    /// Only where answers are translated.
    pub const fn translated(mut self) -> Fault {
        self.only_translated = true;
        self
    }

    /// Only where a stream says that it ends.
    pub const fn behind_the_end(mut self) -> Fault {
        self.needs_an_end = true;
        self
    }

    /// With these times at the faulty provider: `idle: 300ms`.
    pub const fn timeouts(mut self, timeouts: &'static str) -> Fault {
        self.timeouts = timeouts;
        self
    }

    /// With this effect on the provider's standing.
    pub const fn health(mut self, health: Health) -> Fault {
        self.health = health;
        self
    }

    /// It strikes after the commit.
    pub const fn told(mut self) -> Fault {
        self.outcome = Outcome::Told;
        self.sse()
    }

    /// It does no harm.
    pub const fn served(mut self) -> Fault {
        self.outcome = Outcome::Served;
        self.health = Health::Unharmed;
        self
    }

    /// It is the client's.
    pub const fn as_sent(mut self, statuses: &'static [u16]) -> Fault {
        self.outcome = Outcome::AsSent(statuses);
        self.health = Health::Unharmed;
        self
    }

    /// Whether it is played on that way.
    pub fn is_played(&self, way: Way) -> bool {
        let translated = way.is_translated() || !self.only_translated;
        translated && (way.upstream != Dialect::Gemini || !self.needs_an_end)
    }
}
