//! Zed's service, scripted: it signs accounts in, lists its models, and answers calls of them with acts. It refuses who
//! does not sign in as it wants, so that a journey which got an answer has signed in rightly.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;

use parking_lot::Mutex;
use serde_json::Value;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

use super::script::Act;
use super::script::End;
use super::script::perform;
use super::upstream::read_request;
use super::wire::Buffer;
use super::wire::Head;

/// The account's access token.
pub const ACCESS: &str = "zat-canary-0123456789abcdef";
/// The account's number.
pub const USER: u64 = 4711;
/// A head that says that there are statuses.
pub const STATUSES: (&str, &str) = ("x-zed-server-supports-status-messages", "true");

/// A call of a model as it arrived.
#[derive(Clone, Debug)]
pub struct Asked {
    /// Request line and headers.
    pub head: Head,
    /// The body.
    pub body: Vec<u8>,
}

impl Asked {
    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// A member of the envelope, which is a text.
    pub fn told(&self, key: &str) -> String {
        let envelope = self.json();
        envelope[key].as_str().unwrap_or_default().to_owned()
    }

    /// A header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.headers.get(name)
    }
}

#[derive(Default)]
struct State {
    script: VecDeque<Act>,
    always: Option<Act>,
    asked: Vec<Asked>,
    granted: usize,
    refuses_accounts: bool,
    listed: usize,
    sign_ins: Vec<String>,
}

/// The service on a loopback port of its own.
pub struct Service {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
    accepting: JoinHandle<()>,
}

impl Drop for Service {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl Service {
    /// Answers calls with these acts, and then as the last of them.
    pub async fn of(acts: impl IntoIterator<Item = Act>) -> Service {
        let mut script: VecDeque<Act> = acts.into_iter().collect();
        let always = script.pop_back();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(Mutex::new(State {
            script,
            always,
            ..State::default()
        }));
        let accepting = tokio::spawn(accept(listener, Arc::clone(&state)));
        Service {
            address,
            state,
            accepting,
        }
    }

    /// Where it is.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Signs nobody in any more.
    pub fn refuse_accounts(&self) {
        self.state.lock().refuses_accounts = true;
    }

    /// Calls of models so far.
    pub fn calls(&self) -> usize {
        self.state.lock().asked.len()
    }

    /// A call of a model, counted from 0.
    pub fn asked(&self, index: usize) -> Asked {
        match self.state.lock().asked.get(index) {
            Some(asked) => asked.clone(),
            None => panic!("the service was not asked {} times", index + 1),
        }
    }

    /// Tokens granted so far.
    pub fn granted(&self) -> usize {
        self.state.lock().granted
    }

    /// Times that the list of models was fetched.
    pub fn listed(&self) -> usize {
        self.state.lock().listed
    }

    /// Request line, credential and body of each sign-in.
    pub fn sign_ins(&self) -> Vec<String> {
        self.state.lock().sign_ins.clone()
    }
}

/// The token that a sign-in brings, counted from 1.
pub fn token(number: usize) -> String {
    format!("llm-canary-{number}-0123456789")
}

/// A line with a status.
pub fn status(status: &Value) -> String {
    format!("{}\n", json!({ "status": status }))
}

/// The word for the end.
pub fn ended() -> String {
    status(&json!("stream_ended"))
}

/// The lines of server-sent events.
pub fn lines(sse: &str) -> String {
    let data = sse.lines().filter_map(|it| it.strip_prefix("data: "));
    let events = data.filter(|it| *it != "[DONE]");
    let lines: Vec<String> = events.map(|it| format!("{{\"event\":{it}}}\n")).collect();
    lines.concat()
}

/// An act that gives these lines, which tell statuses.
pub fn gives(lines: impl AsRef<str>) -> Act {
    gives_with(&[STATUSES], lines)
}

/// The same with these headers.
pub fn gives_with(headers: &[(&str, &str)], lines: impl AsRef<str>) -> Act {
    let plain = [("content-type", "text/plain; charset=utf-8")];
    let headers: Vec<(&str, &str)> = plain.iter().chain(headers).copied().collect();
    Act::answer(200, &headers, lines.as_ref())
}

/// An act that refuses in the service's words.
pub fn refuses(status: u16, headers: &[(&str, &str)], body: &Value) -> Act {
    Act::answer(status, headers, body.to_string())
}

async fn accept(listener: TcpListener, state: Arc<Mutex<State>>) {
    while let Ok((stream, _)) = listener.accept().await {
        tokio::spawn(serve(stream, Arc::clone(&state)));
    }
}

async fn serve(mut stream: TcpStream, state: Arc<Mutex<State>>) {
    stream.set_nodelay(true).unwrap();
    let mut buffer = Buffer::default();
    while let Some((head, body)) = read_request(&mut stream, &mut buffer).await {
        let act = answer(&mut state.lock(), head, body);
        if perform(act, &mut stream, &mut buffer, 1).await != End::Next {
            return;
        }
    }
}

fn answer(state: &mut State, head: Head, body: Vec<u8>) -> Act {
    let path = head.line.split(' ').nth(1).unwrap_or_default().to_owned();
    let signed = head
        .headers
        .get("authorization")
        .unwrap_or_default()
        .to_owned();
    match path.as_str() {
        "/client/users/me" | "/client/llm_tokens" => {
            let body = String::from_utf8_lossy(&body);
            state
                .sign_ins
                .push(format!("{} {signed} {body}", head.line));
            sign_in(state, &path, &signed)
        }
        _ if signed != format!("Bearer {}", token(state.granted)) => {
            let gone = [("x-zed-expired-token", "true")];
            refuses(
                401,
                &gone,
                &json!({"code": "expired", "message": "expired token"}),
            )
        }
        "/models" => {
            state.listed += 1;
            Act::answer(200, &[], models().to_string())
        }
        "/completions" => {
            state.asked.push(Asked { head, body });
            let next = state.script.pop_front().or_else(|| state.always.clone());
            next.unwrap_or_else(|| Act::answer(500, &[], "unscripted"))
        }
        _ => Act::answer(404, &[], "{}"),
    }
}

fn sign_in(state: &mut State, path: &str, signed: &str) -> Act {
    if state.refuses_accounts || signed != format!("{USER} {ACCESS}") {
        return Act::answer(401, &[], format!("unknown account {ACCESS}"));
    }
    if path == "/client/users/me" {
        let me = json!({"user": {"id_v2": "u"}, "default_organization_id": "org-1", "plan": {}});
        return Act::answer(200, &[], me.to_string());
    }
    state.granted += 1;
    let token = token(state.granted);
    Act::answer(200, &[], json!({ "token": token }).to_string())
}

fn models() -> Value {
    let model = |provider: &str, id: &str| {
        json!({"provider": provider, "id": id, "display_name": id, "max_token_count": 200_000,
            "max_token_count_in_max_mode": 200_000, "max_output_tokens": 64_000, "supports_tools": true,
            "supports_images": true, "supports_thinking": true, "supports_max_mode": true})
    };
    json!({
        "models": [
            model("anthropic", "claude-sonnet-4-5"),
            model("open_ai", "gpt-journey"),
            model("google", "gemini-journey"),
            model("x_ai", "odd-journey"),
        ],
        "default_model": "claude-sonnet-4-5",
        "recommended_models": [],
    })
}
