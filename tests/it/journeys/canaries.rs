//! Everything the program writes, at its loudest and with everything failing, searched for words that were planted
//! wherever a secret or a conversation can stand.

use std::fs;
use std::path::Path;

use sha2::Digest;
use sha2::Sha256;

use crate::support::answers::{
    MODEL, ask, ask_stream, begins, delta, error_body, error_event, open_text, says, start,
};
use crate::support::client::Request;
use crate::support::eventually;
use crate::support::proxy::{Launch, Proxy};
use crate::support::script::Act;
use crate::support::setup::{Provider, Setup};
use crate::support::upstream::Upstream;

/// Part of every credential: of providers, of clients, of operators. Without the shape of any vendor's keys, so that
/// nothing is found by its looks.
const SECRET: &str = "quokka";
/// Part of everything said, asked or named by clients and models.
const CONTENT: &str = "numbat";

const GATEWAY: &str = "quokka-gateway-5d1e77aa";
const NAMED: &str = "quokka-named-5d1e77aa0b";
const ADMIN: &str = "quokka-admin-5d1e77aa";
const PROVIDER: &str = "quokka-provider-5d1e77aa";
const HEADER: &str = "quokka-header-5d1e77aa";
const EGRESS: &str = "quokka-egress-5d1e77aa";
const EGRESS_BASIC: &str = "c29tZWJvZHk6cXVva2thLWVncmVzcy01ZDFlNzdhYQ==";
const CLIENT: &str = "quokka-client-5d1e77aa";
const TOKEN: &str = "quokka-token-5d1e77aa";

/// What may never be written, whatever it is a part of.
fn words() -> Vec<String> {
    let digest = Sha256::digest(NAMED.as_bytes());
    let throw_away = include_str!("../../fixtures/credential/throw-away-test-key.pem");
    let key = throw_away.lines().filter(|it| !it.starts_with('-'));
    let fixed = [SECRET, EGRESS_BASIC, "eyJhbGciOi"].map(str::to_owned);
    let found = fixed.into_iter().chain([format!("{digest:x}")]);
    found.chain(key.map(str::to_owned)).collect()
}

fn holds_no(words: &[String], place: &str, bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    for word in words {
        if let Some(at) = text.find(word.as_str()) {
            let around: String = text[..at].chars().rev().take(200).collect();
            let around: String = around.chars().rev().collect();
            panic!("{word} in {place}, behind: {around}");
        }
    }
}

/// The providers, and what each is asked for by: the name of its model.
struct Cast {
    refusing: Upstream,
    breaking: Upstream,
    erring: Upstream,
    forwarding: Upstream,
    egress: Upstream,
    tokens: Upstream,
    keys: tempfile::TempDir,
}

impl Cast {
    async fn gather() -> Cast {
        let quotes = |status: u16, kind: &str, what: &str| {
            let headers = [("x-echo", what), ("content-type", "application/json")];
            Act::answer(status, &headers, error_body(kind, &format!("bad {what}")))
        };
        let broken = "event: content_block_delta\ndata: {\"numbat-broken\": \n\n";
        let keys = tempfile::tempdir().unwrap();
        fs::write(keys.path().join("key"), PROVIDER).unwrap();
        Cast {
            refusing: Upstream::first(
                [
                    quotes(401, "authentication_error", PROVIDER),
                    quotes(500, "api_error", HEADER),
                    quotes(400, "invalid_request_error", HEADER),
                    Act::new()
                        .send(format!("HTTP/1.1 garbage {PROVIDER}\r\n\r\n"))
                        .close(),
                ],
                says("numbat-answer"),
            )
            .await,
            breaking: Upstream::first(
                [
                    begins(&[start(), open_text(), delta("numbat-cut")]).reset(),
                    begins(&[start(), open_text(), delta("numbat-cut"), broken.to_owned()]).reset(),
                    begins(&[broken.to_owned()]).reset(),
                ],
                Act::answer(200, &[], "{\"numbat-unparsable"),
            )
            .await,
            erring: erring().await,
            forwarding: Upstream::always(quotes(401, "authentication_error", CLIENT)).await,
            egress: Upstream::always(quotes(407, "proxy", EGRESS)).await,
            tokens: Upstream::always(quotes(400, "invalid_grant", TOKEN)).await,
            keys,
        }
    }

    fn setup(&self) -> Setup {
        let egress = self
            .egress
            .url()
            .replace("http://", &format!("http://somebody:{EGRESS}@"));
        let file = format!("${{file:{}/key}}", self.keys.path().display());
        let digest = Sha256::digest(NAMED.as_bytes());
        let providers = [
            Provider::anthropic("refusing", &self.refusing.url())
                .keyed(&[&format!("\"{file}\"")])
                .with(&format!("headers: {{x-team-token: {HEADER}}}")),
            Provider::anthropic("breaking", &self.breaking.url())
                .keyed(&["quokka-breaking-5d1e77aa"]),
            Provider::anthropic("erring", &self.erring.url()).keyed(&[PROVIDER]),
            Provider::anthropic("forwarding", &self.forwarding.url()).passthrough(),
            Provider::anthropic("behind", "http://192.0.2.1:9")
                .keyed(&["quokka-behind-5d1e77aa"])
                .with(&format!("proxy: \"{egress}\"")),
            Provider::vertex("fetching", "http://127.0.0.1:9", &self.tokens.url()),
            Provider::vertex_with_token("given", "http://127.0.0.1:9", TOKEN),
        ];
        let names = [
            "refusing",
            "breaking",
            "erring",
            "forwarding",
            "behind",
            "fetching",
            "given",
        ];
        let setup = names.into_iter().fold(Setup::of(providers), |setup, name| {
            setup.route(name, &[&format!("provider: {name}, model: passthrough")])
        });
        setup
            .setting("log_level: DEBUG")
            .setting("unhealthy_threshold: 100")
            .section(&format!("auth: {{enabled: true, api_key: {GATEWAY}}}"))
            .section(&format!(
                "keys: [{{name: alice, sha256: \"{digest:x}\", team: t}}]"
            ))
            .section("admin: {key: \"${ADMIN_KEY:-}\"}")
            .section("ledger: {path: usage.sqlite}")
    }
}

/// A provider that quotes its key inside its answers: once before the first word, then behind it.
async fn erring() -> Upstream {
    let error = error_event("api_error", &format!("bad {PROVIDER}"));
    let words = [start(), open_text(), delta("numbat-word"), error.clone()];
    let late = begins(&words).end();
    Upstream::first([begins(&[start(), error]).end()], late).await
}

/// A request with a secret and a word of the conversation wherever one fits.
fn planted(model: &str, body: &str) -> Request {
    let body = body.replace(MODEL, model);
    Request::post("/v1/messages?beta=true&token=numbat-query", body)
        .header("anthropic-version", "2023-06-01")
        .header("x-api-key", GATEWAY)
        .header("authorization", &format!("Bearer {CLIENT}"))
        .header("cookie", "session=quokka-cookie")
        .header("x-goog-api-key", "quokka-goog")
        .header("x-pointsman-debug", "1")
        .header("x-claude-code-session-id", "session-of-somebody")
}

/// Calls of every kind that go wrong. No answer shows a secret; a credential that is forwarded may come back to the
/// client who brought it, and to nobody else.
async fn provoke(proxy: &Proxy) {
    let words = words();
    for model in [
        "refusing",
        "breaking",
        "erring",
        "forwarding",
        "behind",
        "fetching",
        "given",
        "nobody",
    ] {
        for body in [ask("numbat-prompt"), ask_stream("numbat-prompt")] {
            for _ in 0..3 {
                let reply = proxy.ask(planted(model, &body)).await;
                let head = String::from_utf8_lossy(&reply.head.bytes).replace(CLIENT, "");
                holds_no(&words, model, head.as_bytes());
                holds_no(&words, model, reply.text().replace(CLIENT, "").as_bytes());
            }
        }
    }
    for request in [
        planted("refusing", "{\"numbat-no-json"),
        planted(
            "refusing",
            r#"{"model":["numbat"],"messages":"numbat-text"}"#,
        ),
        Request::messages(ask("numbat")).header("x-api-key", "quokka-wrong"),
        Request::messages(ask("numbat")).header("x-api-key", NAMED),
        Request::post("/v1/unknown?key=quokka-query", "{}").header("x-api-key", GATEWAY),
        Request::get("/providers").header("authorization", "Bearer quokka-wrong"),
    ] {
        let reply = proxy.ask(request).await;
        holds_no(&words, "an error", &reply.head.bytes);
        holds_no(&words, "an error", reply.text().as_bytes());
    }
    // Malformed at first, and on a connection that has served: who reads the head is another one then.
    for first in ["", "GET /livez HTTP/1.1\r\nhost: a\r\n\r\n"] {
        let mut client = proxy.connect().await;
        client.send(first).await;
        client
            .send("GET /numbat?quokka=1 HTTP/1.1\r\nx-api-key quokka-malformed\r\nquokka\0\r\n\r\n")
            .await;
        holds_no(&words, "a malformed head", &client.closed().await);
    }
}

/// What operators look at shows neither secrets nor a word of any conversation.
async fn inspect(proxy: &Proxy) {
    let mut words = words();
    words.push(CONTENT.to_owned());
    eventually("the ledger to be written", || async {
        let usage = Request::get("/admin/usage").header("x-api-key", ADMIN);
        (proxy.ask(usage).await.status == 200).then_some(())
    })
    .await;
    for path in [
        "/",
        "/health",
        "/livez",
        "/readyz",
        "/providers",
        "/metrics",
        "/admin/requests",
        "/admin/usage",
        "/v1/models",
    ] {
        let request = Request::get(path).header("x-api-key", ADMIN);
        let request = if path == "/v1/models" {
            Request::get(path).header("x-api-key", GATEWAY)
        } else {
            request
        };
        let reply = proxy.ask(request).await;
        assert!(
            [200, 503].contains(&reply.status),
            "{path}: {} {}",
            reply.status,
            reply.text()
        );
        holds_no(&words, path, &reply.head.bytes);
        holds_no(&words, path, reply.text().as_bytes());
    }
    for command in [
        &["check"][..],
        &["check", "--verbose"],
        &["check", "--json"],
        &["keys", "list"],
        &["usage", "--by", "session"],
    ] {
        let (text, _) = proxy.command(command);
        assert!(!text.is_empty(), "{command:?}");
        holds_no(&words, &command.join(" "), text.as_bytes());
    }
}

/// Configurations that are refused are told of without what stands in them.
async fn break_the_configuration(proxy: &Proxy) {
    let words = words();
    let good = fs::read_to_string(proxy.config_path()).unwrap();
    for wrong in [
        "providers: [quokka-broken, {".to_owned(),
        good.replace("auth_type: api_key", "auth_type: nonsense"),
        good.replace(
            "auth_value: quokka-breaking",
            "auth_value: 'quokka breaking'",
        ),
        good.replace("http://somebody:", "ftp://somebody:"),
        good.replace("BEGIN PRIVATE KEY", "BEGIN RSA PRIVATE KEY"),
    ] {
        assert_ne!(wrong, good);
        fs::write(proxy.config_path(), &wrong).unwrap();
        let reply = proxy
            .ask(Request::post("/providers/reload", "").header("x-api-key", ADMIN))
            .await;
        assert_eq!(reply.status, 500, "{}", reply.text());
        holds_no(&words, "an answer to a reload", reply.text().as_bytes());
        let (code, said) = proxy.upgrade().await;
        assert_eq!(code, Some(1));
        holds_no(&words, "an answer to an upgrade", said.as_bytes());
        inspect(proxy).await;
    }
    fs::write(proxy.config_path(), &good).unwrap();
    let (code, said) = proxy.upgrade().await;
    assert_eq!(code, Some(0), "{said}");
}

/// Every file below `directory` but those that were written here.
fn sweep(directory: &Path, words: &[String], seen: &mut Vec<String>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let kind = fs::symlink_metadata(&path).unwrap().file_type();
        if kind.is_dir() {
            sweep(&path, words, seen);
        } else if kind.is_file() && !path.ends_with("config.yaml") {
            holds_no(
                words,
                &path.display().to_string(),
                &fs::read(&path).unwrap(),
            );
            seen.push(path.file_name().unwrap().to_string_lossy().into_owned());
        }
    }
}

#[tokio::test]
async fn nothing_planted_is_found_in_anything_written() {
    let cast = Cast::gather().await;
    let launch = Launch {
        arguments: &["run", "--supervise"],
        env: &[("RUST_LOG", "trace"), ("ADMIN_KEY", ADMIN)],
        ..Launch::default()
    };
    let mut proxy = Proxy::launch(cast.setup(), launch).await;
    provoke(&proxy).await;
    inspect(&proxy).await;
    break_the_configuration(&proxy).await;
    provoke(&proxy).await;
    inspect(&proxy).await;
    // What was planted has been where it should: otherwise nothing was checked.
    assert_eq!(cast.refusing.seen(0).header("x-api-key"), Some(PROVIDER));
    assert_eq!(cast.refusing.seen(0).header("x-team-token"), Some(HEADER));
    let bearer = format!("Bearer {CLIENT}");
    assert_eq!(
        cast.forwarding.seen(0).header("authorization"),
        Some(bearer.as_str())
    );
    let basic = format!("Basic {EGRESS_BASIC}");
    assert_eq!(
        cast.egress.seen(0).header("proxy-authorization"),
        Some(basic.as_str())
    );
    assert!(cast.tokens.seen(0).text().contains("eyJhbGciOi"));

    proxy.signal("TERM");
    assert_eq!(proxy.ends().await, Some(0));
    let mut words = words();
    words.push(CONTENT.to_owned());
    holds_no(&words, "the console", proxy.console().as_bytes());
    assert!(proxy.console().contains("DEBUG"), "{}", proxy.console());
    let mut seen = Vec::new();
    sweep(proxy.config_path().parent().unwrap(), &words, &mut seen);
    for file in ["journey.jsonl", "usage.sqlite"] {
        assert!(seen.iter().any(|it| it == file), "{file} among {seen:?}");
    }
}
