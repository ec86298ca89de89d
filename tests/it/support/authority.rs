//! An authorization server as RFC 6749 and RFC 7636 have it: codes are good once and for their challenge only, refresh
//! tokens are good once where they rotate. It can be told to fail.

use std::collections::HashMap;
use std::collections::VecDeque;
use std::sync::Arc;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use parking_lot::Mutex;
use serde_json::Value;
use serde_json::json;
use sha2::Digest;
use sha2::Sha256;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::script::Gate;
use super::setup::Provider;
use super::setup::Setup;
use super::soon;
use super::upstream::read_request;
use super::wire::Buffer;
use super::wire::Head;

/// A code as a person brings it back.
#[derive(Clone, Debug)]
pub struct Agreed {
    /// The code.
    pub code: String,
    /// The state that it came with.
    pub state: String,
    /// Where the browser is sent, with both.
    pub callback: String,
}

impl Agreed {
    /// The path and query of the callback.
    pub fn target(&self) -> String {
        let (_, rest) = self.callback.split_once("://").unwrap();
        rest[rest.find('/').unwrap()..].to_owned()
    }

    /// As pages show it for copying.
    pub fn pasted(&self) -> String {
        format!("{}#{}", self.code, self.state)
    }
}

/// A call of the token endpoint.
#[derive(Clone, Debug)]
pub struct Asked {
    /// Its head.
    pub head: Head,
    /// Its parameters, however they were written.
    pub params: HashMap<String, String>,
}

/// How it behaves.
#[derive(Clone, Debug)]
struct Ways {
    lives: Option<u64>,
    rotates: bool,
    /// Its answers hold what they must and no more.
    is_terse: bool,
    tells_email: bool,
    gate: Option<Gate>,
    failures: VecDeque<Answer>,
}

#[derive(Default)]
struct State {
    ways: Option<Ways>,
    /// Code to challenge, redirect and account.
    codes: HashMap<String, (String, String, String)>,
    /// Refresh tokens that are good, and whose.
    refresh: HashMap<String, String>,
    asked: Vec<Asked>,
    profiles: usize,
    granted: usize,
}

struct Shared {
    state: Mutex<State>,
    changed: watch::Sender<()>,
}

/// A running one.
pub struct Authority {
    url: String,
    shared: Arc<Shared>,
    accepting: JoinHandle<()>,
}

impl Drop for Authority {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// The access token that it grants as the `number`th, counted from 1.
pub fn access(number: usize) -> String {
    format!("at-canary-{number:02}-0123456789abcdef")
}

/// The refresh token that comes with it.
pub fn refresh(number: usize) -> String {
    format!("rt-canary-{number:02}-0123456789abcdef")
}

impl Authority {
    /// One that rotates refresh tokens, with access tokens that are good for an hour.
    pub async fn start() -> Authority {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let ways = Ways {
            lives: Some(3600),
            rotates: true,
            is_terse: false,
            tells_email: true,
            gate: None,
            failures: VecDeque::new(),
        };
        let shared = Arc::new(Shared {
            state: Mutex::new(State {
                ways: Some(ways),
                ..State::default()
            }),
            changed: watch::Sender::new(()),
        });
        let accepting = tokio::spawn(accept(listener, Arc::clone(&shared)));
        Authority {
            url,
            shared,
            accepting,
        }
    }

    fn change(&self, change: impl FnOnce(&mut Ways)) {
        change(self.shared.state.lock().ways.as_mut().unwrap());
    }

    /// Access tokens are good that long, in seconds; `None` does not tell.
    pub fn lives(self, lives: Option<u64>) -> Authority {
        self.change(|ways| ways.lives = lives);
        self
    }

    /// From now on they are good that long.
    pub fn live_for(&self, lives: u64) {
        self.change(|ways| ways.lives = Some(lives));
    }

    /// Refresh tokens stay good, and are not told again.
    pub fn keeps_refresh_tokens(self) -> Authority {
        self.change(|ways| ways.rotates = false);
        self
    }

    /// The answer is as short as the standard allows.
    pub fn terse(self) -> Authority {
        self.change(|ways| {
            (ways.lives, ways.is_terse, ways.tells_email) = (None, true, false);
        });
        self
    }

    /// It tells who has signed in nowhere but at its profile page.
    pub fn anonymous(self) -> Authority {
        self.change(|ways| ways.tells_email = false);
        self
    }

    /// Token calls wait for this.
    pub fn waits_for(&self, gate: &Gate) {
        self.change(|ways| ways.gate = Some(gate.clone()));
    }

    /// The next token call is answered so.
    pub fn fails(&self, status: u16, headers: &[(&str, &str)], body: &str) {
        let headers = headers.iter();
        let headers = headers
            .map(|(n, v)| ((*n).to_owned(), (*v).to_owned()))
            .collect();
        self.change(|ways| ways.failures.push_back((status, headers, body.to_owned())));
    }

    /// Refresh tokens that it has given are good no more.
    pub fn revokes(&self) {
        self.shared.state.lock().refresh.clear();
    }

    /// A person opens `url`, signs in as `email` and agrees.
    pub fn agree(&self, url: &str, email: &str) -> Agreed {
        let query = url.split_once('?').unwrap().1;
        assert!(url.starts_with(&self.url), "{url}");
        let asked = pairs(query);
        assert_eq!(asked["response_type"], "code");
        assert_eq!(asked["client_id"], "journey-client");
        assert_eq!(asked["code_challenge_method"], "S256");
        assert_eq!(asked["code_challenge"].len(), 43);
        let mut state = self.shared.state.lock();
        let code = format!("code-canary-{:02}-0123456789", state.codes.len() + 1);
        let known = (
            asked["code_challenge"].clone(),
            asked["redirect_uri"].clone(),
            email.to_owned(),
        );
        state.codes.insert(code.clone(), known);
        let redirect = &asked["redirect_uri"];
        Agreed {
            callback: format!("{redirect}?code={code}&state={}", asked["state"]),
            state: asked["state"].clone(),
            code,
        }
    }

    /// Calls of the token endpoint so far.
    pub fn calls(&self) -> usize {
        self.shared.state.lock().asked.len()
    }

    /// How many of them were for a refresh.
    pub fn refreshes(&self) -> usize {
        let state = self.shared.state.lock();
        let is = |it: &&Asked| it.params["grant_type"] == "refresh_token";
        state.asked.iter().filter(is).count()
    }

    /// Calls of the profile page so far.
    pub fn profile_calls(&self) -> usize {
        self.shared.state.lock().profiles
    }

    /// A call of the token endpoint.
    pub fn asked(&self, index: usize) -> Asked {
        self.shared.state.lock().asked[index].clone()
    }

    /// Waits until the token endpoint has been called that often.
    pub async fn called(&self, times: usize) {
        let mut changes = self.shared.changed.subscribe();
        soon("a token call", async {
            while self.calls() < times {
                changes.changed().await.unwrap();
            }
        })
        .await;
    }

    /// The lines of a profile for it, but for its name and its redirect.
    pub fn lines(&self) -> String {
        let url = &self.url;
        format!(
            "authorize_url: {url}/authorize, token_url: {url}/token, client_id: journey-client, scopes: [infer, profile]"
        )
    }

    /// A setup with these providers and a profile `desk` for it; no secret of the first logins may be printed.
    pub fn setup(&self, providers: impl IntoIterator<Item = Provider>, more: &str) -> Setup {
        self.setup_with(providers, more, "")
    }

    /// The same with another line beside the profiles.
    pub fn setup_with(
        &self,
        providers: impl IntoIterator<Item = Provider>,
        more: &str,
        store: &str,
    ) -> Setup {
        let lines = self.lines();
        let profile = format!(
            "oauth:\n  profiles:\n    desk: {{{lines}, redirect_uri: http://localhost:9/oauth/callback{more}}}\n{store}"
        );
        let setup = Setup::of(providers).section(&profile);
        let secrets = (1..20).flat_map(|it| [access(it), refresh(it)]);
        let codes = (1..20).map(|it| format!("code-canary-{it:02}-0123456789"));
        secrets
            .chain(codes)
            .fold(setup, |setup, it| setup.secret(&it))
    }
}

/// Parameters of a query or a form.
fn pairs(text: &str) -> HashMap<String, String> {
    let pairs = text.split('&').filter_map(|it| it.split_once('='));
    pairs.map(|(n, v)| (n.to_owned(), unescaped(v))).collect()
}

fn unescaped(text: &str) -> String {
    let mut parts = text.split('%');
    let mut bytes = parts.next().unwrap().as_bytes().to_vec();
    for part in parts {
        bytes.push(u8::from_str_radix(&part[..2], 16).unwrap());
        bytes.extend_from_slice(&part.as_bytes()[2..]);
    }
    String::from_utf8(bytes).unwrap()
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    while let Ok((stream, _)) = listener.accept().await {
        tokio::spawn(serve(stream, Arc::clone(&shared)));
    }
}

async fn serve(mut stream: TcpStream, shared: Arc<Shared>) {
    let mut buffer = Buffer::default();
    let Some((head, body)) = read_request(&mut stream, &mut buffer).await else {
        return;
    };
    let (status, headers, body) = answer(&shared, head, &body).await;
    let mut text = format!(
        "HTTP/1.1 {status} So\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n",
        body.len()
    );
    for (name, value) in headers {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    // Whoever has left hears nothing.
    let _ = stream
        .write_all(format!("{text}\r\n{body}").as_bytes())
        .await;
}

type Answer = (u16, Vec<(String, String)>, String);

async fn answer(shared: &Shared, head: Head, body: &[u8]) -> Answer {
    if head.line.starts_with("GET /profile") {
        return profile(shared, &head);
    }
    let text = std::str::from_utf8(body).unwrap();
    let params = if head.headers.get("content-type") == Some("application/json") {
        let value: HashMap<String, String> = serde_json::from_str(text).unwrap();
        value
    } else {
        pairs(text)
    };
    let (gate, failure) = {
        let mut state = shared.state.lock();
        let asked = Asked {
            head,
            params: params.clone(),
        };
        state.asked.push(asked);
        let ways = state.ways.as_mut().unwrap();
        (ways.gate.clone(), ways.failures.pop_front())
    };
    shared.changed.send_replace(());
    if let Some(gate) = gate {
        gate.pass().await;
    }
    match failure {
        Some(failure) => failure,
        None => grant(&mut shared.state.lock(), &params),
    }
}

fn profile(shared: &Shared, head: &Head) -> Answer {
    let mut state = shared.state.lock();
    state.profiles += 1;
    let signed_in = head.headers.get("authorization").unwrap_or_default();
    assert!(signed_in.starts_with("Bearer at-canary-"), "{signed_in}");
    let body = json!({"account": {"uuid": "u-1", "email": "Told@Example.com"}});
    (200, Vec::new(), body.to_string())
}

fn refused(error: &str) -> Answer {
    let body = json!({"error": error, "error_description": "no such grant"});
    (400, Vec::new(), body.to_string())
}

fn grant(state: &mut State, params: &HashMap<String, String>) -> Answer {
    let email = match params["grant_type"].as_str() {
        "authorization_code" => {
            let Some((challenge, redirect, email)) = state.codes.remove(&params["code"]) else {
                return refused("invalid_grant");
            };
            let digest = Sha256::digest(params["code_verifier"].as_bytes());
            if BASE64_URL_SAFE_NO_PAD.encode(digest) != challenge {
                return refused("invalid_grant");
            }
            assert_eq!(params["redirect_uri"], redirect);
            email
        }
        "refresh_token" => {
            let Some(email) = state.refresh.get(&params["refresh_token"]).cloned() else {
                return refused("invalid_grant");
            };
            if state.ways.as_ref().unwrap().rotates {
                state.refresh.remove(&params["refresh_token"]);
            }
            email
        }
        other => panic!("{other}"),
    };
    state.granted += 1;
    let number = state.granted;
    let is_first = params["grant_type"] == "authorization_code";
    let ways = state.ways.clone().unwrap();
    let mut body = json!({"token_type": "Bearer", "access_token": access(number)});
    if let Some(lives) = ways.lives {
        body["expires_in"] = json!(lives);
    }
    if !ways.is_terse && (is_first || ways.rotates) {
        body["refresh_token"] = json!(refresh(number));
        state.refresh.insert(refresh(number), email.clone());
    }
    if !ways.is_terse {
        body["scope"] = json!("infer profile");
    }
    if ways.tells_email && is_first {
        body["account"] = json!({"uuid": format!("u-{email}"), "email_address": email});
        body["organization"] = json!({"uuid": "o", "name": "Signal Box"});
    }
    (200, Vec::new(), Value::to_string(&body))
}
