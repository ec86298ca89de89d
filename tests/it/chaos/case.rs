//! One case: a fault in one shape, protocol and dialect, with the healthy provider in one position.

use std::sync::Arc;

use pointsman::types::Dialect;
use serde_json::Value;

use super::fault::{Fault, Health, Outcome, Part};
use super::play::{POISON, Protocol, Scene};
use super::providers::{Faulty, Healthy};
use super::standing::Standing;
use super::words::{self, Shape};
use crate::naive::clients::{self, Heard};
use crate::support::client::{Client, Ending, Reply, Request};
use crate::support::proxy::Proxy;
use crate::support::script::Gate;
use crate::support::setup::{Provider, Setup, key_of};

/// Which of the candidates is healthy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Position {
    First,
    Second,
    Third,
}

/// What speaks with what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Way {
    pub client: Dialect,
    pub upstream: Dialect,
}

impl Way {
    /// Whether answers change their dialect on it.
    pub fn is_translated(self) -> bool {
        self.client != self.upstream
    }

    /// One position is enough for it: the way from one provider to the next is the same for all dialects.
    pub fn is_rare(self) -> bool {
        matches!(self.upstream, Dialect::OpenAiResponses | Dialect::Gemini)
    }
}

/// Which case it is.
#[derive(Clone, Copy)]
pub struct Case {
    pub fault: Fault,
    pub shape: Shape,
    pub protocol: Protocol,
    pub way: Way,
    pub position: Position,
}

impl Case {
    /// Its name in reports.
    pub fn name(&self) -> String {
        let (shape, protocol, position) = (self.shape, self.protocol, self.position);
        let (client, upstream) = (self.way.client, self.way.upstream);
        format!(
            "{} | {shape:?} | {protocol:?} | {client:?} of {upstream:?} | healthy: {position:?}",
            self.fault.name
        )
    }

    /// How many candidates come before the healthy one.
    fn ahead(&self) -> usize {
        match self.position {
            Position::First => 0,
            Position::Second => 1,
            Position::Third => 2,
        }
    }

    /// The healthy one speaks the other dialect where it comes third, so that failover crosses dialects as well.
    fn healthy_dialect(&self) -> Dialect {
        match (self.position, self.way.upstream) {
            (Position::Third, Dialect::Anthropic) => Dialect::OpenAiChat,
            (Position::Third, _) => Dialect::Anthropic,
            (Position::First | Position::Second, dialect) => dialect,
        }
    }
}

/// A case on stage: its providers run.
pub struct Stage {
    case: Case,
    /// Tells this case's providers, model and session from the others'.
    id: String,
    gate: Gate,
    /// Those ahead of the healthy one, or one behind it.
    faulty: Vec<Faulty>,
    healthy: Healthy,
}

/// What a case leaves in logs and states.
pub struct Trace {
    pub stage: Arc<Stage>,
    /// The requests that were made.
    pub requests: Vec<String>,
}

impl Stage {
    /// Starts the providers of a case.
    pub async fn open(case: Case, id: String) -> Stage {
        let gate = Gate::new();
        let scene = Scene {
            dialect: case.way.upstream,
            shape: case.shape,
            protocol: case.protocol,
            shown: gate.clone(),
        };
        let mut faulty = Vec::new();
        for index in 0..case.ahead().max(1) {
            faulty.push(Faulty::open(part_of(&case, index), &scene).await);
        }
        let answer = words::good(case.healthy_dialect(), case.shape, &text_of(&id));
        let healthy = Healthy::open(case.protocol, case.shape, answer).await;
        Stage {
            case,
            id,
            gate,
            faulty,
            healthy,
        }
    }

    /// Its name in reports.
    pub fn name(&self) -> String {
        self.case.name()
    }

    /// Adds its providers and its route.
    pub fn set_up(&self, setup: Setup) -> Setup {
        let case = &self.case;
        let protocol = |provider: Provider| match case.protocol {
            Protocol::Http1 => provider,
            Protocol::Http2 => provider.with("http2: on"),
        };
        let mut names: Vec<String> = (0..self.faulty.len())
            .map(|it| self.faulty_name(it))
            .collect();
        let faulty = self.faulty.iter().zip(&names).map(|(faulty, name)| {
            let provider = protocol(words::provider(case.way.upstream, name, &faulty.url()));
            timed(provider, case.fault.timeouts)
        });
        let (name, url) = (self.healthy_name(), self.healthy.url());
        let healthy = protocol(words::provider(case.healthy_dialect(), &name, &url));
        let healthy = timed(healthy, "");
        let setup = setup.providers(faulty.chain([healthy]));
        names.insert(case.ahead().min(names.len()), name);
        let candidates: Vec<String> = names
            .iter()
            .enumerate()
            .map(|(at, name)| format!("provider: {name}, model: passthrough, priority: {at}"))
            .collect();
        let candidates: Vec<&str> = candidates.iter().map(String::as_str).collect();
        setup.route(&self.id, &candidates)
    }

    fn faulty_name(&self, index: usize) -> String {
        format!("{}-faulty{index}", self.id)
    }

    fn healthy_name(&self) -> String {
        format!("{}-healthy", self.id)
    }

    fn request(&self) -> Request {
        words::ask(self.case.way.client, self.case.shape, &self.id, &self.id)
    }

    /// Plays the case and checks what the client and the providers see.
    pub async fn play(self: Arc<Self>, proxy: Arc<Proxy>) -> Trace {
        let mut requests = Vec::new();
        let ahead = self.case.ahead();
        let outcome = if ahead == 0 {
            Outcome::Rescued
        } else {
            self.case.fault.outcome
        };
        match outcome {
            Outcome::Rescued => {
                let reply = proxy.ask(self.request()).await;
                self.is_the_healthy_answer(&reply, ahead + 1);
                requests.push(id_of(&reply));
                self.calls_are(ahead, 1);
            }
            Outcome::Served => {
                self.gate.open();
                let reply = proxy.ask(self.request()).await;
                self.is_the_first_answer(&reply);
                requests.push(id_of(&reply));
                self.only_the_first_was_called();
            }
            Outcome::AsSent(statuses) => {
                let reply = proxy.ask(self.request()).await;
                assert!(statuses.contains(&reply.status), "{}", shown(&reply));
                requests.push(id_of(&reply));
                self.only_the_first_was_called();
            }
            Outcome::Told => {
                let mut client = proxy.connect().await;
                requests.push(self.is_told(&mut client).await);
                self.calls_are(ahead, 0);
                // Clients repeat on the connection they have just read from.
                let repeat = client.ask(self.request()).await;
                // Who failed before is tried again, who broke off is not.
                self.is_the_healthy_answer(&repeat, ahead);
                assert_eq!(self.faulty[ahead - 1].calls(1), 1, "calls of who broke off");
                requests.push(id_of(&repeat));
            }
        }
        for seen in (0..self.healthy.calls()).map(|it| self.healthy.seen(it)) {
            assert!(seen.contains(&key_of(&self.healthy_name())), "{seen}");
            assert!(!seen.contains("faulty"), "the faulty one's traces: {seen}");
        }
        Trace {
            stage: self,
            requests,
        }
    }

    fn calls_are(&self, faulty: usize, healthy: usize) {
        let called = |(at, it): (usize, &Faulty)| it.calls(usize::from(at < faulty));
        let calls: Vec<usize> = self.faulty.iter().enumerate().map(called).collect();
        let expected: Vec<usize> = (0..calls.len())
            .map(|it| usize::from(it < faulty))
            .collect();
        assert_eq!(calls, expected, "calls of the faulty ones");
        assert_eq!(self.healthy.calls(), healthy, "calls of the healthy one");
    }

    fn only_the_first_was_called(&self) {
        self.calls_are(1, 0);
    }

    /// All of the healthy provider's answer, and nothing of anyone else's.
    fn is_the_healthy_answer(&self, reply: &Reply, attempts: usize) {
        assert_eq!(
            (reply.status, reply.ending),
            (200, Ending::Complete),
            "{}",
            shown(reply)
        );
        assert!(!shown(reply).contains("poison"), "{}", shown(reply));
        let attempts = attempts.to_string();
        assert_eq!(
            reply.header("x-pointsman-attempts"),
            Some(attempts.as_str())
        );
        let name = self.healthy_name();
        assert_eq!(reply.header("x-pointsman-provider"), Some(name.as_str()));
        let (dialect, text) = (self.case.healthy_dialect(), text_of(&self.id));
        if self.case.way.client == dialect {
            assert_eq!(reply.text(), words::good(dialect, self.case.shape, &text));
        }
        self.is_whole(reply, &text);
    }

    /// All of the first provider's answer.
    fn is_the_first_answer(&self, reply: &Reply) {
        assert_eq!(
            (reply.status, reply.ending),
            (200, Ending::Complete),
            "{}",
            shown(reply)
        );
        self.is_whole(reply, POISON);
    }

    fn is_whole(&self, reply: &Reply, text: &str) {
        let (client, shape) = (self.case.way.client, self.case.shape);
        let heard = match shape {
            Shape::Json => clients::body(client, &reply.body),
            Shape::Sse => heard(client, &reply.text()),
        };
        assert_eq!((heard.texts.concat().as_str(), heard.ends), (text, 1));
        let end = if client == Dialect::Anthropic {
            "end_turn"
        } else {
            "stop"
        };
        assert_eq!(heard.end, end);
        // Chat Completions counts in a stream for those who ask.
        if client == Dialect::Anthropic || shape == Shape::Json {
            assert_eq!(heard.usage, Some([11, 0, 0, 3]));
        }
    }

    /// What was shown stays, and an error ends it. Gives the request's id.
    async fn is_told(&self, client: &mut Client) -> String {
        client.send(self.request().bytes()).await;
        let head = client.head().await;
        assert!(head.line.contains(" 200 "), "{}", head.line);
        let mut text = String::new();
        while !text.contains(POISON) {
            let piece = client.piece().await;
            text += &String::from_utf8(piece.unwrap_or_else(|| panic!("cut: {text}"))).unwrap();
        }
        self.gate.open();
        text += &client.rest().await;

        assert!(!text.contains("healthy words"), "mixed: {text}");
        assert!(text.ends_with("\n\n"), "ends inside an event: {text}");
        let last = text.trim_end().rfind("\n\n").map_or(0, |at| at + 2);
        let (before, error) = text.split_at(last);
        let told = heard(self.case.way.client, before);
        assert_eq!(
            (told.texts.concat().as_str(), told.ends),
            (POISON, 0),
            "{text}"
        );
        is_error(self.case.way.client, error);
        head.headers
            .get("x-pointsman-request-id")
            .unwrap()
            .to_owned()
    }

    /// Checks what the case has left behind.
    pub fn has_left(&self, requests: &[String], providers: &Value, log: &[Value]) {
        for id in requests {
            let lines = log
                .iter()
                .filter(|it| it["target"] == "access" && it["request.id"] == **id);
            assert_eq!(lines.count(), 1, "access lines of {id}");
        }
        let struck = match self.case.fault.outcome {
            Outcome::Told => self.case.ahead().saturating_sub(1)..self.case.ahead(),
            Outcome::Rescued | Outcome::Served | Outcome::AsSent(_) => 0..self.case.ahead(),
        };
        for index in 0..self.faulty.len() {
            let name = self.faulty_name(index);
            let standing = Standing::of(&name, providers, log);
            if struck.contains(&index) {
                standing.is(self.case.fault.health, &self.id);
            } else if self.case.ahead() == 0 {
                standing.is(Health::Unharmed, &self.id);
            }
        }
        Standing::of(&self.healthy_name(), providers, log).is(Health::Unharmed, &self.id);
    }
}

/// Where content breaks off it was begun: the provider ahead of it fails plainly. Where a provider serves or refuses
/// for good, nobody comes behind it.
fn part_of(case: &Case, index: usize) -> Part {
    match (case.fault.outcome, case.position) {
        (Outcome::Told, Position::Third) if index == 0 => Part::Plays(|scene| {
            let body = words::error_body(scene.dialect, words::Trouble::Broken);
            scene.refuses(500, &[], &body)
        }),
        _ => case.fault.part,
    }
}

/// Connecting may take as long as a busy machine makes it.
fn timed(provider: Provider, timeouts: &str) -> Provider {
    let patient = "connect: 20s, connect_total: 20s";
    let separator = if timeouts.is_empty() { "" } else { ", " };
    provider.with(&format!("timeouts: {{{patient}{separator}{timeouts}}}"))
}

/// What the healthy provider says.
fn text_of(id: &str) -> String {
    format!("healthy words for {id}")
}

fn shown(reply: &Reply) -> String {
    String::from_utf8_lossy(&reply.head.bytes).into_owned() + &reply.text()
}

fn id_of(reply: &Reply) -> String {
    reply.header("x-pointsman-request-id").unwrap().to_owned()
}

/// What a client hears of a stream, which may be spelt oddly.
fn heard(client: Dialect, text: &str) -> Heard {
    let text = text.replace("\r\n", "\n");
    let text = text
        .replace("data:{", "data: {")
        .replace("data:[", "data: [");
    let signs = |it: &&str| !it.starts_with(':') && !it.starts_with("event: ping");
    let text: String = text.split_inclusive("\n\n").filter(signs).collect();
    clients::stream(client, "stream", text.as_bytes())
}

/// An error event of a dialect.
fn is_error(client: Dialect, event: &str) {
    let data = match client {
        Dialect::Anthropic => event.strip_prefix("event: error\ndata: "),
        _ => event.strip_prefix("data: "),
    };
    let data = data.unwrap_or_else(|| panic!("no error event: {event}"));
    let data: Value = serde_json::from_str(data.trim_end()).unwrap();
    let kind = data["error"]["type"].as_str().unwrap();
    let known = match client {
        Dialect::Anthropic => ["api_error", "overloaded_error"],
        _ => ["server_error", "overloaded_error"],
    };
    assert!(known.contains(&kind), "{event}");
    assert!(data["error"]["message"].is_string(), "{event}");
}
