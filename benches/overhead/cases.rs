//! The cases and the bars they are held to.

use crate::answers;

/// One kind of request.
pub struct Case {
    /// For people.
    pub name: &'static str,
    /// Model, which decides the provider at the product: `bench-` and a provider's name.
    pub model: &'static str,
    /// Path at the upstream, which the bare proxy is asked for.
    pub path: &'static str,
    /// Size of the request's body, bytes.
    pub body_bytes: usize,
    /// What comes back from the upstream.
    pub answer: Answer,
    /// Connections at once.
    pub connections: usize,
    /// Requests on each connection in one round.
    pub requests: usize,
    /// Least acceptable requests per CPU-second, as a ratio to the bare proxy's.
    pub bar: Option<f64>,
}

/// What comes back.
#[derive(Clone, Copy, PartialEq)]
pub enum Answer {
    /// A small JSON message.
    Message,
    /// A Messages stream.
    Stream,
    /// A Chat Completions stream, which the product translates.
    Translated,
}

impl Answer {
    /// The upstream's body.
    pub fn body(self) -> Vec<u8> {
        match self {
            Answer::Message => answers::message(),
            Answer::Stream => answers::anthropic_events(answers::EVENTS).concat(),
            Answer::Translated => answers::openai_events(answers::EVENTS).concat(),
        }
    }
}

const KIB: usize = 1024;
const MESSAGE: Case = Case {
    name: "1 KB body",
    model: "bench-message",
    path: "/message/v1/messages",
    body_bytes: KIB,
    answer: Answer::Message,
    connections: 16,
    requests: 800,
    bar: Some(0.70),
};
const SINGLES: Case = Case {
    name: "200 single events",
    model: "bench-singles",
    path: "/singles/v1/messages",
    answer: Answer::Stream,
    requests: 6,
    bar: Some(0.80),
    ..MESSAGE
};
const BURST: Case = Case {
    name: "200 events in one burst",
    model: "bench-burst",
    path: "/burst/v1/messages",
    answer: Answer::Stream,
    requests: 100,
    bar: Some(1.5),
    ..MESSAGE
};

/// All cases, in the order of the table.
pub const CASES: [Case; 8] = [
    MESSAGE,
    Case {
        name: "1 KB body, one connection",
        connections: 1,
        requests: 5_000,
        bar: None,
        ..MESSAGE
    },
    Case {
        name: "200 KB body",
        body_bytes: 200 * KIB,
        connections: 4,
        requests: 600,
        bar: Some(1.0),
        ..MESSAGE
    },
    Case {
        name: "1 MB body",
        body_bytes: KIB * KIB,
        connections: 4,
        requests: 250,
        bar: Some(1.5),
        ..MESSAGE
    },
    SINGLES,
    BURST,
    Case {
        name: "200 single events, translated",
        model: "bench-openai-singles",
        path: "/singles/v1/chat/completions",
        answer: Answer::Translated,
        bar: Some(0.55),
        ..SINGLES
    },
    Case {
        name: "200 events in one burst, translated",
        model: "bench-openai-burst",
        path: "/burst/v1/chat/completions",
        answer: Answer::Translated,
        bar: Some(0.55),
        ..BURST
    },
];

/// Slow streams at once.
pub const SLOW_STREAMS: usize = 1_000;
/// Most memory with them, as a ratio to the bare proxy's.
pub const SLOW_BAR: f64 = 1.3;
/// The last repetition of them may need that much of the first one's memory to count as flat.
pub const FLAT_BAR: f64 = 1.1;
/// Most memory before the load, KiB.
pub const IDLE_BAR_KIB: u64 = 20 * 1024;
/// Most time from the start of the process to its first answer, milliseconds.
pub const START_BAR_MILLIS: f64 = 100.0;
