//! One case: bytes in, answers out, what becomes of the connection, and what the provider saw.

use crate::support::answers::ask;
use crate::support::answers::message;
use crate::support::answers::says;
use crate::support::client::Client;
use crate::support::client::Request;
use crate::support::proxy::Proxy;
use crate::support::setup::Provider;
use crate::support::setup::Setup;
use crate::support::upstream::Upstream;

/// What becomes of the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Then {
    /// It is closed.
    Closed,
    /// It serves the next request.
    Open,
}

/// One row.
#[derive(Clone, Debug)]
pub struct Case {
    /// Its name, with its number in the catalogue.
    pub name: String,
    bytes: Vec<u8>,
    statuses: Vec<u16>,
    then: Then,
    calls: usize,
}

/// A case whose answer is one error, after which the connection is closed.
pub fn refused(name: &str, bytes: impl Into<Vec<u8>>, status: u16) -> Case {
    Case {
        name: name.to_owned(),
        bytes: bytes.into(),
        statuses: vec![status],
        then: Then::Closed,
        calls: 0,
    }
}

/// A case with these answers, after which the connection goes on.
pub fn answered(name: &str, bytes: impl Into<Vec<u8>>, statuses: &[u16]) -> Case {
    Case {
        statuses: statuses.to_vec(),
        then: Then::Open,
        ..refused(name, bytes, 0)
    }
}

impl Case {
    /// The provider is asked that often.
    pub fn calls(mut self, calls: usize) -> Case {
        self.calls = calls;
        self
    }

    /// The connection is closed after the answers.
    pub fn closes(mut self) -> Case {
        self.then = Then::Closed;
        self
    }

    /// The same as the second request of a connection.
    pub fn later(&self) -> Case {
        let first = "GET /livez HTTP/1.1\r\nhost: a\r\n\r\n".as_bytes();
        Case {
            name: format!("{}, later", self.name),
            bytes: [first, &self.bytes].concat(),
            statuses: [&[200][..], &self.statuses].concat(),
            ..self.clone()
        }
    }
}

/// `POST /v1/messages` with these lines and a good body, in whatever framing the lines say.
pub fn post(lines: &str) -> String {
    format!("POST /v1/messages HTTP/1.1\r\nhost: a\r\n{lines}\r\n\r\n")
}

/// A good request, whole.
pub fn good() -> String {
    let body = ask("hi");
    let length = body.len();
    format!(
        "{}{body}",
        post(&format!(
            "content-type: application/json\r\ncontent-length: {length}"
        ))
    )
}

/// Plays all cases, one after the other, and tells of every one that went wrong.
pub async fn play(cases: &[Case]) {
    play_with(cases, |setup| setup).await;
}

/// The same with further settings.
pub async fn play_with(cases: &[Case], more: impl Fn(Setup) -> Setup) {
    let upstream = Upstream::always(says("good")).await;
    let setup = Setup::of([Provider::anthropic("a", &upstream.url())]);
    let proxy = Proxy::start(more(setup)).await;
    let mut complaints = Vec::new();
    for case in cases {
        let before = upstream.calls();
        if let Err(complaint) = play_one(&proxy, case).await {
            complaints.push(format!("{}: {complaint}", case.name));
        }
        let reply = proxy.ask(Request::messages(ask("after"))).await;
        if (reply.status, reply.text()) != (200, message("good")) {
            complaints.push(format!("{}: the next got {}", case.name, reply.status));
        }
        let calls = upstream.calls() - before - 1;
        if calls != case.calls {
            complaints.push(format!("{}: {calls} calls", case.name));
        }
        for index in before..upstream.calls() {
            if let Some(why) = is_odd(&upstream, index) {
                complaints.push(format!("{}: the provider saw {why}", case.name));
            }
        }
    }
    let all = complaints.join("\n");
    assert!(
        complaints.is_empty(),
        "{} of {} cases went wrong:\n{all}",
        complaints.len(),
        cases.len()
    );
    println!("{} cases", cases.len());
}

/// Whether a provider was sent anything but one plain call.
fn is_odd(upstream: &Upstream, index: usize) -> Option<String> {
    let seen = upstream.seen(index);
    let is_call = seen.head.line == "POST /v1/messages HTTP/1.1";
    let lengths = seen.headers().all("content-length");
    let is_whole = lengths == [seen.body.len().to_string()];
    let is_clean = ["transfer-encoding", "x-hop", "upgrade", "expect"]
        .iter()
        .all(|name| seen.header(name).is_none());
    let is_json = serde_json::from_slice::<serde_json::Value>(&seen.body).is_ok();
    let is_ours = seen.headers().all("x-api-key").len() == 1;
    let is_plain = is_call && is_whole && is_clean && is_json && is_ours;
    (!is_plain).then(|| format!("{:?}", seen.head))
}

async fn play_one(proxy: &Proxy, case: &Case) -> Result<(), String> {
    let mut client = proxy.connect().await;
    client.send(&case.bytes).await;
    if case.then == Then::Closed {
        let got = answers(&client.closed().await)?;
        return (got == case.statuses)
            .then_some(())
            .ok_or(format!("{got:?} instead of {:?}", case.statuses));
    }
    for status in &case.statuses {
        let reply = client.reply().await;
        if reply.status != *status {
            return Err(format!("{} instead of {status}", reply.status));
        }
    }
    next_is_served(&mut client).await
}

async fn next_is_served(client: &mut Client) -> Result<(), String> {
    client.send(Request::get("/livez").bytes()).await;
    let reply = client.reply().await;
    let is_served = reply.status == 200 && reply.text().contains("alive");
    is_served
        .then_some(())
        .ok_or(format!("then {}", reply.status))
}

/// The statuses of what came before the end. Every error is one of ours, in JSON.
pub fn answers(mut bytes: &[u8]) -> Result<Vec<u16>, String> {
    let mut statuses = Vec::new();
    while !bytes.is_empty() {
        let text = String::from_utf8_lossy(bytes);
        let (head, _) = text.split_once("\r\n\r\n").ok_or(format!("{text:?}"))?;
        let status = head.split(' ').nth(1).and_then(|it| it.parse().ok());
        let status: u16 = status.ok_or(format!("{head:?}"))?;
        let head = head.to_ascii_lowercase();
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length: ")?.parse::<usize>().ok());
        let begin = head.len() + 4;
        let body = &bytes[begin..begin + length.unwrap_or(0)];
        if 400 <= status {
            let json: serde_json::Value = serde_json::from_slice(body)
                .map_err(|_| format!("{status} with {:?}", String::from_utf8_lossy(body)))?;
            let told = json["error"]["message"].as_str().unwrap_or_default();
            if told.is_empty() || !head.contains("content-type: application/json") {
                return Err(format!("{head} {json}"));
            }
        }
        statuses.push(status);
        bytes = &bytes[begin + body.len()..];
    }
    Ok(statuses)
}

impl Case {
    /// After these answers to what came before.
    pub fn after(mut self, statuses: &[u16]) -> Case {
        self.statuses = [statuses, &self.statuses].concat();
        self
    }
}
