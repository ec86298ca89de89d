//! Every call in the documents of the two systems, made as it is written, against the configurations of the same
//! documents. What is replaced: addresses of providers by a scripted one, placeholder keys by others, the port by a
//! free one.

use serde_json::{Value, json};

use super::worker::GATEWAY;
use crate::support::answers::{MODEL, completion, completion_stream, message, stream};
use crate::support::client::{Reply, Request};
use crate::support::eventually;
use crate::support::proxy::Proxy;
use crate::support::script::Act;
use crate::support::setup::Setup;
use crate::support::upstream::Upstream;

/// A call, and what its document says of the answer.
pub struct Call {
    /// Numbers of the documents, `000` to `004`.
    pub documents: &'static [&'static str],
    /// `GET`.
    pub method: &'static str,
    /// Path.
    pub path: &'static str,
    /// What its body asks for.
    pub asks: Option<Asks>,
    expects: fn(&Reply),
}

/// What a body asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asks {
    /// Model.
    pub model: &'static str,
    /// Limit of tokens.
    pub max_tokens: Option<u64>,
    /// Whether a stream, where that is written.
    pub stream: Option<bool>,
    /// With a tool in OpenAI's words.
    pub tool: bool,
}

const SONNET: &str = "claude-3-5-sonnet-20241022";
const HAIKU: &str = "claude-3-5-haiku-20241022";

const fn asks(model: &'static str, max_tokens: Option<u64>, stream: Option<bool>) -> Asks {
    Asks {
        model,
        max_tokens,
        stream,
        tool: false,
    }
}

const fn get(documents: &'static [&'static str], path: &'static str, expects: fn(&Reply)) -> Call {
    Call {
        documents,
        method: "GET",
        path,
        asks: None,
        expects,
    }
}

const fn post(
    documents: &'static [&'static str],
    path: &'static str,
    asks: Option<Asks>,
    expects: fn(&Reply),
) -> Call {
    Call {
        documents,
        method: "POST",
        path,
        asks,
        expects,
    }
}

/// All of them.
pub const CALLS: &[Call] = &[
    get(&["000", "004"], "/", is_status),
    get(&["000", "001", "003", "004"], "/providers", is_providers),
    post(&["000", "001", "004"], "/providers/reload", None, is_reload),
    get(&["001", "003"], "/health", is_healthy),
    post(
        &["000", "001", "004"],
        "/v1/messages/count_tokens",
        Some(asks(HAIKU, None, None)),
        is_count,
    ),
    post(
        &["000", "001"],
        "/v1/messages",
        Some(asks(SONNET, Some(100), None)),
        is_message,
    ),
    post(
        &["000"],
        "/v1/messages",
        Some(asks("custom-model-name", Some(50), None)),
        is_message,
    ),
    post(
        &["001"],
        "/v1/messages",
        Some(asks(SONNET, Some(200), Some(true))),
        is_stream,
    ),
    post(
        &["001"],
        "/v1/messages",
        Some(asks(HAIKU, Some(10), None)),
        is_message,
    ),
    post(
        &["001"],
        "/v1/messages",
        Some(asks(SONNET, Some(50), Some(false))),
        is_message,
    ),
    post(
        &["001"],
        "/v1/messages",
        Some(asks(SONNET, Some(100), Some(false))),
        is_message,
    ),
    post(
        &["002"],
        "/v1/messages",
        Some(asks(SONNET, Some(100), None)),
        is_message,
    ),
    post(
        &["002"],
        "/v1/messages",
        Some(asks(SONNET, Some(100), Some(true))),
        is_stream,
    ),
    post(
        &["002"],
        "/v1/messages",
        Some(asks(SONNET, Some(1000), None)),
        is_message,
    ),
    post(
        &["002"],
        "/v1/messages",
        Some(asks(SONNET, Some(1000), Some(true))),
        is_stream,
    ),
    post(
        &["002"],
        "/v1/messages",
        Some(Asks {
            model: SONNET,
            max_tokens: Some(1000),
            stream: None,
            tool: true,
        }),
        is_message,
    ),
    get(&["002"], "/health", is_workers_health),
    get(&["002"], "/admin/dev/info", is_development),
    post(&["002"], "/admin/config/reload", None, is_workers_reload),
];

fn is_status(reply: &Reply) {
    let it = ok(reply);
    assert_eq!(it["status"], "healthy", "{it}");
    assert!(
        it["service"].is_string() && it["version"].is_string(),
        "{it}"
    );
    assert!(
        it["providers_available"].as_u64().is_some_and(|it| 0 < it),
        "{it}"
    );
}

fn is_providers(reply: &Reply) {
    let it = ok(reply);
    let providers = it["providers"].as_array().unwrap();
    assert_eq!(it["total_providers"], providers.len(), "{it}");
    for key in [
        "healthy_providers",
        "selection_strategy",
        "total_model_routes",
    ] {
        assert!(!it[key].is_null(), "{key} in {it}");
    }
    for key in [
        "name",
        "type",
        "base_url",
        "enabled",
        "healthy",
        "failure_count",
        "last_failure_time",
        "models",
        "status",
    ] {
        assert!(!providers[0][key].is_null(), "{key} in {it}");
    }
}

fn is_reload(reply: &Reply) {
    let it = ok(reply);
    assert_eq!(it["status"], "success", "{it}");
    assert!(
        it["message"].is_string() && it["providers_count"].is_u64(),
        "{it}"
    );
}

fn is_healthy(reply: &Reply) {
    assert_eq!(ok(reply)["status"], "healthy");
}

fn is_count(reply: &Reply) {
    let it = ok(reply);
    assert!(it["input_tokens"].as_u64().is_some_and(|it| 0 < it), "{it}");
}

fn is_message(reply: &Reply) {
    let it = ok(reply);
    assert_eq!(
        (&it["type"], &it["role"]),
        (&"message".into(), &"assistant".into())
    );
    assert_eq!(
        it["content"][0],
        json!({"type": "text", "text": "fine"}),
        "{it}"
    );
    assert_eq!(it["stop_reason"], "end_turn", "{it}");
    let keys = it.as_object().unwrap();
    for key in ["id", "model", "stop_sequence", "usage"] {
        assert!(keys.contains_key(key), "{key} in {it}");
    }
    for key in ["input_tokens", "output_tokens"] {
        assert!(it["usage"][key].is_u64(), "{it}");
    }
}

fn is_stream(reply: &Reply) {
    assert_eq!(reply.status, 200, "{}", reply.text());
    let mut names = reply.event_names();
    names.retain(|it| it != "ping");
    names.dedup();
    assert_eq!(
        names,
        [
            "message_start",
            "content_block_start",
            "content_block_delta",
            "content_block_stop",
            "message_delta",
            "message_stop",
        ]
    );
}

fn is_workers_health(reply: &Reply) {
    let it = ok(reply);
    assert_eq!(it["status"], "healthy", "{it}");
    assert!(it["timestamp"].is_string() && it["uptime"].is_f64(), "{it}");
    let expected =
        json!({"upstreamCount": 2, "currentUpstream": "openai-api", "loadBalance": "failover"});
    assert_eq!(it["config"], expected);
}

fn is_development(reply: &Reply) {
    let it = ok(reply);
    assert_eq!(it["status"], "development", "{it}");
    assert_eq!(it["environment"]["PROXY_ACCESS_KEY"], "***", "{it}");
    assert!(!reply.text().contains("sk-1234567890abcdef"));
}

fn is_workers_reload(reply: &Reply) {
    let it = ok(reply);
    assert_eq!(it["status"], "success", "{it}");
    assert_eq!(it["config"]["upstreamCount"], 2, "{it}");
}

fn ok(reply: &Reply) -> Value {
    assert_eq!(reply.status, 200, "{}", reply.text());
    reply.json()
}

/// The configuration of each document, as it is kept here.
fn configuration(document: &str) -> &'static str {
    match document {
        "000" => include_str!("../../../conf/seeds/balancer-routes.yaml"),
        "001" => include_str!("../../../conf/seeds/balancer-config-yaml.yaml"),
        "003" => include_str!("../../../conf/seeds/balancer-thresholds.yaml"),
        "004" => include_str!("../../../conf/seeds/balancer-quickstart.yaml"),
        _ => include_str!("../../fixtures/config/worker-proxy.json"),
    }
}

/// Two providers, one of each dialect, that answer what a call wants.
async fn providers(call: &Call) -> (Upstream, Upstream) {
    let json = [("content-type", "application/json")];
    let wants_stream = call.asks.is_some_and(|it| it.stream == Some(true));
    let anthropic = if call.path.ends_with("count_tokens") {
        Act::answer(200, &json, r#"{"input_tokens":14}"#)
    } else if wants_stream {
        Act::events(stream("fine"))
    } else {
        Act::answer(200, &json, message("fine"))
    };
    let openai = if wants_stream {
        Act::events(completion_stream("fine"))
    } else {
        Act::answer(200, &json, completion("fine"))
    };
    (
        Upstream::always(anthropic).await,
        Upstream::always(openai).await,
    )
}

/// The balancer's file with these providers.
fn balancer(document: &str, anthropic: &str, openai: &str) -> Setup {
    let mut file: serde_yaml::Value = serde_yaml::from_str(configuration(document)).unwrap();
    for provider in file["providers"].as_sequence_mut().unwrap() {
        let url = if provider["type"] == "openai" {
            openai
        } else {
            anthropic
        };
        provider["base_url"] = url.into();
        if provider["auth_type"] == "api_key" {
            provider["auth_value"] = "sk-canary-document-0123456789".into();
        }
        // Nobody listens there.
        provider.as_mapping_mut().unwrap().remove("proxy");
    }
    file["settings"]["port"] = 0.into();
    file["settings"]["log_file_path"] = "journey.jsonl".into();
    // Two of one document's three levels.
    file["settings"]["log_level"] = "INFO".into();
    Setup::file("config.yaml", serde_yaml::to_string(&file).unwrap())
}

/// The worker proxy's file and variables with these providers.
fn worker(openai: &str, gemini: &str) -> Setup {
    let text = configuration("002")
        .replace("https://api.openai.com", openai)
        .replace("https://generativelanguage.googleapis.com", gemini);
    let env = include_str!("../../fixtures/config/worker-proxy.env")
        .replace("PORT=3000", "PORT=0")
        .replace("your-proxy-access-key", GATEWAY);
    Setup::file("config.json", text)
        .beside(".env", env)
        .secret(GATEWAY)
}

fn request(call: &Call, document: &str) -> Request {
    let request = match call.asks {
        Some(asks) => Request::post(call.path, body(asks).to_string()),
        None if call.method == "POST" => Request::post(call.path, ""),
        None => Request::new(call.method, call.path),
    };
    if document == "002" && call.asks.is_some() {
        request.header("x-api-key", GATEWAY)
    } else {
        request
    }
}

fn body(asks: Asks) -> Value {
    let mut body = json!({"model": asks.model, "messages": [{"role": "user", "content": "test"}]});
    if let Some(max_tokens) = asks.max_tokens {
        body["max_tokens"] = max_tokens.into();
    }
    if let Some(stream) = asks.stream {
        body["stream"] = stream.into();
    }
    if asks.tool {
        let city = json!({"type": "string", "description": "a city"});
        let parameters = json!({"type": "object", "properties": {"location": city}});
        body["tools"] = json!([{"type": "function", "function": {
            "name": "get_weather", "description": "the weather", "parameters": parameters,
        }}]);
    }
    body
}

async fn plays(document: &str) {
    let calls = CALLS.iter().filter(|it| it.documents.contains(&document));
    let mut played = 0;
    for call in calls {
        let (anthropic, openai) = providers(call).await;
        let setup = if document == "002" {
            worker(&openai.url(), &anthropic.url())
        } else {
            balancer(document, &anthropic.url(), &openai.url())
        };
        let launch = crate::support::proxy::Launch {
            env: &[
                ("ANTHROPIC_API_KEY", "sk-canary-document-0123456789"),
                ("TOGETHER_API_KEY", "sk-canary-document-0123456789"),
            ],
            ..crate::support::proxy::Launch::default()
        };
        let proxy = Proxy::launch(setup, launch).await;
        let reply = proxy.ask(request(call, document)).await;
        (call.expects)(&reply);
        if call.asks.is_some_and(|it| it.tool) {
            let sent = openai.only().json();
            assert_eq!(
                sent["tools"][0]["function"]["name"], "get_weather",
                "{sent}"
            );
        }
        if document != "002" && call.path == "/v1/messages" {
            leaves_a_line(&proxy).await;
        }
        played += 1;
    }
    assert!(0 < played, "no call of {document}");
}

/// What the documents' `jq` and `grep` look for in the log file.
async fn leaves_a_line(proxy: &Proxy) {
    let line = eventually("the line of the request", || async {
        let log = proxy.log_file();
        let line = log.lines().find(|it| it.contains("response_time"));
        line.map(|it| serde_json::from_str::<Value>(it).unwrap())
    })
    .await;
    for key in ["timestamp", "level", "message", "request_id"] {
        assert!(line[key].is_string(), "{key} in {line}");
    }
    assert!(line["response_time"].is_number(), "{line}");
    assert!(line["message"].as_str().unwrap().contains("request"));
}

#[tokio::test]
async fn the_balancers_english_readme() {
    plays("000").await;
}

#[tokio::test]
async fn the_balancers_readme_of_config_yaml() {
    plays("001").await;
}

#[tokio::test]
async fn the_worker_proxys_readme() {
    plays("002").await;
}

#[tokio::test]
async fn the_balancers_readme_of_thresholds() {
    plays("003").await;
}

#[tokio::test]
async fn the_balancers_quick_start() {
    plays("004").await;
}

#[tokio::test]
async fn a_tool_in_openais_words_reaches_a_provider_of_anthropics_in_its_own() {
    let upstream = Upstream::always(Act::answer(200, &[], message("fine"))).await;
    let setup = Setup::of([crate::support::setup::Provider::anthropic(
        "a",
        &upstream.url(),
    )]);
    let proxy = Proxy::start(setup).await;
    let asks = Asks {
        model: MODEL,
        max_tokens: Some(10),
        stream: None,
        tool: true,
    };
    let body = body(asks);
    let reply = proxy.ask(Request::messages(body.to_string())).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    let sent = upstream.only().json();
    let function = &body["tools"][0]["function"];
    assert_eq!(
        sent["tools"],
        json!([{
            "name": function["name"],
            "description": function["description"],
            "input_schema": function["parameters"],
        }])
    );
}
