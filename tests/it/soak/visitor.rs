//! One of the many clients: asks, reads, checks every answer, sometimes leaves half way, and thinks before it asks again.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use std::time::Instant;

use fastrand::Rng;
use pointsman::types::Dialect;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use super::dialects;
use super::dialects::Ear;
use super::provider::Ledger;
use super::tally::Tally;
use super::words::Heard;
use super::words::recognise;
use crate::support::client::Request;
use crate::support::wire::Buffer;
use crate::support::wire::Framing;
use crate::support::wire::Head;

/// Nothing takes this long unless it hangs; no pause of a provider and no timer of the proxy comes near it.
const PATIENCE: Duration = Duration::from_secs(40);
/// Milliseconds between two requests of a client.
const THOUGHT_MS: std::ops::Range<u64> = 100..1_500;
/// Clients that may ask the same at once.
const CIRCLE: usize = 8;
/// Clients of a circle that ask within the same so many milliseconds ask the same.
const SAME_MS: u128 = 400;
/// Requests of a session.
const SESSION: u64 = 25;

/// What every client knows.
pub struct World {
    /// Where the proxy is.
    pub address: SocketAddr,
    /// What providers did.
    pub ledger: Arc<Ledger>,
    /// What clients saw.
    pub tally: Tally,
    /// When it all began.
    pub began: Instant,
    /// When clients stop asking.
    pub until: Instant,
}

/// A request and what its client is going to do with the answer.
struct Plan {
    client: Dialect,
    stream: bool,
    nonce: String,
    request: Request,
    /// Leaves after so many pieces of the body.
    leaves: Option<usize>,
}

/// What a client saw.
enum Seen {
    /// All of an answer, and the connection may carry more.
    Whole,
    /// A stream that was broken off and said so.
    Cut,
    /// It left.
    Left,
    /// An error, and nothing of an answer.
    Refused(String),
    /// Something that must never be seen.
    Wrong(&'static str, String),
}

struct Connection {
    stream: TcpStream,
    buffer: Buffer,
}

/// What came back.
struct Reply {
    head: Head,
    status: u16,
    ear: Ear,
    body: Vec<u8>,
    /// The body ended as its framing says.
    complete: bool,
}

/// Lives until the world ends.
pub async fn live(world: Arc<World>, number: usize) {
    let mut rng = Rng::with_seed(super::SEED ^ (0x5eed << 16) ^ u64::try_from(number).unwrap());
    // Not all at once: who opens a laptop's lid is alone.
    pause(&mut rng, 0..2_000).await;
    let mut connection = None;
    for turn in 0.. {
        if world.until <= Instant::now() {
            return;
        }
        let plan = plan(&world, number, turn, &mut rng);
        let seen = visit(&world, &plan, &mut connection).await;
        let again = matches!(seen, Seen::Cut);
        world.note(&plan, seen, number);
        if again {
            // As Claude Code does: the same without a stream, and at once.
            let whole = plan.unstreamed();
            let seen = visit(&world, &whole, &mut connection).await;
            world.tally.add("repeated after a cut");
            world.note(&whole, seen, number);
        }
        if rng.u8(..) < 40 {
            connection = None;
        }
        pause(&mut rng, THOUGHT_MS).await;
    }
}

fn plan(world: &World, number: usize, turn: u64, rng: &mut Rng) -> Plan {
    let client = [
        Dialect::Anthropic,
        Dialect::Anthropic,
        Dialect::OpenAiChat,
        Dialect::OpenAiResponses,
    ][number % 4];
    let stream = rng.u8(..) < 170;
    let shares = rng.u8(..) < 40;
    // Members of a circle speak one dialect, and what they share asks for one thing.
    let circle = (number % 4, number / (4 * CIRCLE));
    let (nonce, stream, model) = if shares {
        let moment = world.began.elapsed().as_millis() / SAME_MS;
        let (kind, place) = circle;
        (
            format!("c{kind}-{place}-{moment}"),
            moment.is_multiple_of(2),
            "soak-turns",
        )
    } else {
        let model = if rng.bool() {
            "soak-turns"
        } else {
            "soak-order"
        };
        (format!("v{number}-{turn}"), stream, model)
    };
    let filler = match rng.u8(..) {
        _ if shares => 0,
        0..8 => 150_000,
        8..64 => 6_000,
        _ => 100,
    };
    let text = format!(
        "<<{nonce}>> {}",
        "all work and no play ".repeat(filler / 21)
    );
    let body = dialects::request(client, model, &text, stream);
    let mut request = Request::post(dialects::path(client), body);
    if !shares && !number.is_multiple_of(3) {
        let session = format!("soak-{number}-{}", turn / SESSION);
        request = request.header("x-claude-code-session-id", &session);
    }
    Plan {
        client,
        stream,
        nonce,
        request,
        leaves: (rng.u8(..) < 26).then(|| rng.usize(..12)),
    }
}

impl Plan {
    fn unstreamed(&self) -> Plan {
        let body = self.request.body_bytes();
        let body = String::from_utf8(body).unwrap();
        let body = body.replacen(r#""stream":true"#, r#""stream":false"#, 1);
        Plan {
            client: self.client,
            stream: false,
            nonce: self.nonce.clone(),
            request: self.request.clone().body(body),
            leaves: None,
        }
    }
}

/// One request and its answer, on the connection there is or on a new one.
async fn visit(world: &World, plan: &Plan, kept: &mut Option<Connection>) -> Seen {
    let began = Instant::now();
    let (mut connection, reused) = match kept.take() {
        Some(connection) => (connection, "reused"),
        None => match Connection::open(world.address).await {
            Ok(connection) => (connection, "new"),
            Err(error) => return Seen::Refused(format!("no connection: {}", error.kind())),
        },
    };
    let exchanged = tokio::time::timeout(PATIENCE, connection.exchange(plan)).await;
    let reply = match exchanged {
        Err(_) => return Seen::Wrong("hung", format!("{} s", PATIENCE.as_secs())),
        Ok(Err(error)) => {
            return Seen::Refused(format!(
                "no answer on a {reused} connection: {}",
                error.kind()
            ));
        }
        Ok(Ok(None)) => {
            connection.leave();
            return Seen::Left;
        }
        Ok(Ok(Some(reply))) => reply,
    };
    let seen = judge(world, plan, &reply);
    world.measure(&reply, began);
    let closes = reply
        .head
        .headers
        .get("connection")
        .is_some_and(|it| it == "close");
    if reply.complete && !closes && connection.buffer.0.is_empty() {
        *kept = Some(connection);
    }
    seen
}

fn judge(world: &World, plan: &Plan, reply: &Reply) -> Seen {
    if reply.status != 200 {
        let text = String::from_utf8_lossy(&reply.body).into_owned();
        return Seen::Refused(format!("status {}: {text}", reply.status));
    }
    if plan.stream {
        judge_stream(world, plan, reply)
    } else {
        judge_whole(plan, reply)
    }
}

fn judge_whole(plan: &Plan, reply: &Reply) -> Seen {
    let body = || String::from_utf8_lossy(&reply.body).into_owned();
    if !reply.complete {
        return Seen::Wrong("JSON cut short", body());
    }
    let text = dialects::text_of(plan.client, &reply.body);
    match recognise(&text.unwrap_or_default()) {
        Heard::Whole(speech) if speech.nonce == plan.nonce => Seen::Whole,
        Heard::Whole(_) => Seen::Wrong("an answer to somebody else", body()),
        Heard::Part(_) => Seen::Wrong("JSON that seems whole and is not", body()),
        Heard::Nothing | Heard::Foreign => Seen::Wrong("JSON with another text", body()),
    }
}

fn judge_stream(world: &World, plan: &Plan, reply: &Reply) -> Seen {
    let ear = &reply.ear;
    if let Some(what) = &ear.nonsense {
        return Seen::Wrong("nonsense in a stream", what.clone());
    }
    if !reply.complete || ear.has_rest() {
        return Seen::Wrong("a connection cut without a word", ear.text.clone());
    }
    let heard = recognise(&ear.text);
    if let Heard::Whole(speech) | Heard::Part(speech) = &heard {
        if speech.nonce != plan.nonce {
            return Seen::Wrong("an answer to somebody else", ear.text.clone());
        }
        let named = reply.head.headers.get("x-pointsman-provider");
        if named.is_some_and(|named| named != speech.provider) {
            return Seen::Wrong("another provider in the headers", ear.text.clone());
        }
    }
    match (heard, ear.ended, &ear.error) {
        (Heard::Foreign, ..) => Seen::Wrong("a stream with another text", ear.text.clone()),
        (Heard::Nothing, false, Some(error)) => Seen::Refused(format!("in a stream: {error}")),
        (Heard::Whole(_), true, None) => Seen::Whole,
        (Heard::Part(_) | Heard::Nothing, true, _) => {
            Seen::Wrong("a cut stream that ends as if whole", ear.text.clone())
        }
        (Heard::Whole(_), true, Some(error)) => Seen::Wrong("an end and an error", error.clone()),
        (_, false, None) => Seen::Wrong("a stream without end or error", ear.text.clone()),
        (Heard::Part(speech) | Heard::Whole(speech), false, Some(error)) => {
            if world.ledger.has_broken(speech.call) {
                Seen::Cut
            } else {
                Seen::Wrong("a cut that no provider made", error.clone())
            }
        }
    }
}

impl World {
    fn note(&self, plan: &Plan, seen: Seen, number: usize) {
        let tally = &self.tally;
        tally.add("requests");
        tally.add(if plan.stream {
            "streams"
        } else {
            "whole answers asked for"
        });
        let at = self.began.elapsed().as_secs_f64();
        match seen {
            Seen::Whole => tally.add("answered whole"),
            Seen::Cut => tally.add("cut and told so"),
            Seen::Left => tally.add("left by the client"),
            Seen::Refused(what) => {
                tally.refused(format!(
                    "{at:.1} s, client {number}, {}: {what}",
                    plan.nonce
                ));
            }
            Seen::Wrong(what, detail) => {
                tally.wrong(format!(
                    "{at:.1} s, client {number}, {}: {what}: {detail}",
                    plan.nonce
                ));
            }
        }
    }

    fn measure(&self, reply: &Reply, began: Instant) {
        let header = |name| reply.head.headers.get(name);
        let attempts: u64 = header("x-pointsman-attempts").map_or(0, |it| it.parse().unwrap());
        if 1 < attempts {
            self.tally.add("answered after a failover");
        }
        if header("x-pointsman-cache") == Some("shared") {
            self.tally.add("shared another's call");
        }
        if 0 < reply.ear.pings {
            self.tally.add("streams with pings");
        }
        self.tally.longest(began.elapsed());
    }
}

impl Connection {
    async fn open(address: SocketAddr) -> io::Result<Connection> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Connection {
            stream,
            buffer: Buffer::default(),
        })
    }

    /// Sends a request and reads its answer; `None` when the client has had enough.
    async fn exchange(&mut self, plan: &Plan) -> io::Result<Option<Reply>> {
        self.stream.write_all(&plan.request.bytes()).await?;
        if plan.leaves == Some(0) {
            return Ok(None);
        }
        let head = self.buffer.head(&mut self.stream).await?;
        let head = head.ok_or(io::ErrorKind::UnexpectedEof)?;
        let status = head.line.split(' ').nth(1).and_then(|it| it.parse().ok());
        let mut reply = Reply {
            status: status.ok_or(io::ErrorKind::InvalidData)?,
            ear: Ear::new(plan.client),
            body: Vec::new(),
            complete: false,
            head,
        };
        let is_stream = plan.stream && reply.status == 200;
        let mut pieces = 0;
        match reply.head.framing() {
            Framing::Length(length) => {
                reply.body = self.buffer.exactly(length, &mut self.stream).await?;
                reply.complete = reply.body.len() == length;
            }
            Framing::Chunked => {
                while let Ok(Some(data)) = self.buffer.chunk(&mut self.stream).await {
                    if data.is_empty() {
                        reply.complete = true;
                        break;
                    }
                    if is_stream {
                        reply.ear.push(&data);
                    } else {
                        reply.body.extend_from_slice(&data);
                    }
                    pieces += 1;
                    if plan.leaves == Some(pieces) {
                        return Ok(None);
                    }
                }
            }
            Framing::None => return Err(io::ErrorKind::InvalidData.into()),
        }
        Ok(Some(reply))
    }

    /// Half of those who leave close their connection, the others are killed.
    fn leave(self) {
        if self
            .stream
            .local_addr()
            .is_ok_and(|it| it.port().is_multiple_of(2))
        {
            let _ = self.stream.set_zero_linger();
        }
    }
}

async fn pause(rng: &mut Rng, range: std::ops::Range<u64>) {
    tokio::time::sleep(Duration::from_millis(rng.u64(range))).await;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::soak::words::Speech;
    use crate::support::answers::{error_event, finish};

    fn speech() -> Speech {
        Speech {
            provider: "alpha".to_owned(),
            call: 0,
            nonce: "n".to_owned(),
            words: 9,
        }
    }

    fn seen(client: Dialect, broken: bool, stream: &str) -> Seen {
        let ledger = Ledger::default();
        if broken {
            ledger.breaks(0);
        }
        let now = Instant::now();
        let world = World {
            address: SocketAddr::from(([127, 0, 0, 1], 0)),
            ledger: Arc::new(ledger),
            tally: Tally::default(),
            began: now,
            until: now,
        };
        let plan = Plan {
            client,
            stream: true,
            nonce: "n".to_owned(),
            request: Request::get("/"),
            leaves: None,
        };
        let mut ear = Ear::new(client);
        ear.push(stream.as_bytes());
        let reply = Reply {
            head: Head::default(),
            status: 200,
            ear,
            body: Vec::new(),
            complete: true,
        };
        judge(&world, &plan, &reply)
    }

    fn said(client: Dialect, pieces: &[String]) -> String {
        let told = |piece: &String| dialects::piece(client, piece);
        dialects::opening(client) + &pieces.iter().map(told).collect::<String>()
    }

    #[test]
    fn a_client_knows_a_whole_stream_from_every_other() {
        let client = Dialect::Anthropic;
        let pieces = speech().pieces();
        let whole = said(client, &pieces);
        let part = said(client, &pieces[..3]);
        let error = error_event("api_error", "cut");
        assert!(matches!(
            seen(client, false, &(whole.clone() + &finish())),
            Seen::Whole
        ));
        assert!(matches!(
            seen(client, true, &(part.clone() + &error)),
            Seen::Cut
        ));
        let nothing = said(client, &[]) + &error;
        assert!(matches!(seen(client, true, &nothing), Seen::Refused(_)));
        for (wrong, broken) in [
            (part.clone() + &finish(), true),
            (part.clone() + &error + &finish(), true),
            (part.clone() + &error, false),
            (part, true),
            (whole.clone(), false),
            (whole.clone() + &finish() + &error, true),
            (whole.replacen("n 9", "m 9", 1) + &finish(), false),
            (said(client, &["hello".to_owned()]) + &finish(), false),
        ] {
            assert!(
                matches!(seen(client, broken, &wrong), Seen::Wrong(..)),
                "{wrong}"
            );
        }
    }

    #[test]
    fn whatever_the_client_speaks() {
        for client in [Dialect::OpenAiChat, Dialect::OpenAiResponses] {
            let pieces = speech().pieces();
            let end = dialects::closing(client, &speech().text());
            let whole = said(client, &pieces) + &end;
            assert!(
                matches!(seen(client, false, &whole), Seen::Whole),
                "{client:?}"
            );
            let part = said(client, &pieces[..2]);
            let error = "data: {\"type\":\"error\",\"error\":{\"message\":\"cut\"}}\n\n";
            assert!(matches!(
                seen(client, true, &(part.clone() + error)),
                Seen::Cut
            ));
            assert!(matches!(
                seen(client, true, &(part + &end)),
                Seen::Wrong(..)
            ));
        }
    }
}
