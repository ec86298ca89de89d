//! The simulated providers over real sockets: what a proxy in front of them sees.

use std::fmt::Write;
use std::future::Future;
use std::net::SocketAddr;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::JoinSet;

use crate::demo::{Addresses, Providers};

/// Runs `test` against both providers without pauses, and ends them in good order.
fn with_providers<F: Future<Output = ()>>(test: impl FnOnce(SocketAddr, SocketAddr) -> F) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let providers = Providers::bind().unwrap();
        let Addresses { anthropic, openai } = providers.addresses();
        let (stop, stopped) = oneshot::channel::<()>();
        let mut serving = JoinSet::new();
        serving.spawn(providers.serve_paced(0..=0, async {
            let _ = stopped.await;
        }));
        test(anthropic, openai).await;
        stop.send(()).unwrap();
        serving.join_next().await.unwrap().unwrap().unwrap();
    });
}

struct Got {
    status: u16,
    head: String,
    body: String,
}

impl Got {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

/// Sends one request on a connection of its own; `None` if the connection is reset behind the head of the answer.
async fn call(address: SocketAddr, method: &str, path: &str, body: &str) -> Option<Got> {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let length = body.len();
    let request = format!(
        "{method} {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    match stream.read_to_end(&mut answer).await {
        Ok(_) => Some(parse(&answer)),
        Err(error) => {
            assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
            assert!(answer.ends_with(b"transfer-encoding: chunked\r\n\r\n"));
            None
        }
    }
}

fn parse(answer: &[u8]) -> Got {
    let answer = std::str::from_utf8(answer).unwrap();
    let (head, mut rest) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    let mut body = String::new();
    if head.contains("transfer-encoding: chunked") {
        loop {
            let (size, data) = rest.split_once("\r\n").unwrap();
            let (data, after) = data.split_at(usize::from_str_radix(size, 16).unwrap());
            body.push_str(data);
            rest = after.strip_prefix("\r\n").unwrap();
            if data.is_empty() {
                assert_eq!(rest, "", "something follows the last chunk");
                break;
            }
        }
    } else {
        let length = format!("content-length: {}", rest.len());
        assert!(head.contains(&length), "{head}");
        body.push_str(rest);
    }
    Got {
        status,
        head: head.to_owned(),
        body,
    }
}

fn ask(text: &str, stream: bool) -> Value {
    json!({
        "model": "m",
        "stream": stream,
        "max_tokens": 1000,
        "messages": [{"role": "user", "content": text}],
    })
}

async fn post(address: SocketAddr, path: &str, body: &Value) -> Got {
    call(address, "POST", path, &body.to_string())
        .await
        .unwrap()
}

const MESSAGES: &str = "/v1/messages";
const COMPLETIONS: &str = "/v1/chat/completions";

/// Puts an Anthropic stream together again and checks its grammar on the way.
fn assemble_anthropic(stream: &str) -> (Vec<Value>, Value) {
    let mut blocks: Vec<Value> = Vec::new();
    let mut open: Option<String> = None;
    let mut end = Value::Null;
    let mut names = Vec::new();
    for frame in stream.strip_suffix("\n\n").unwrap().split("\n\n") {
        let (name, data) = frame.split_once('\n').unwrap();
        let name = name.strip_prefix("event: ").unwrap();
        let data: Value = serde_json::from_str(data.strip_prefix("data: ").unwrap()).unwrap();
        assert_eq!(data["type"], name);
        names.push(name.to_owned());
        match name {
            "message_start" => assert_eq!(data["message"]["content"], json!([])),
            "ping" => {}
            "content_block_start" => {
                assert!(open.is_none());
                assert_eq!(data["index"], blocks.len());
                blocks.push(data["content_block"].clone());
                open = Some(String::new());
            }
            "content_block_delta" => {
                assert_eq!(data["index"], blocks.len() - 1);
                let (kind, text) = match blocks.last().unwrap()["type"].as_str().unwrap() {
                    "text" => ("text_delta", &data["delta"]["text"]),
                    _ => ("input_json_delta", &data["delta"]["partial_json"]),
                };
                assert_eq!(data["delta"]["type"], kind);
                open.as_mut().unwrap().push_str(text.as_str().unwrap());
            }
            "content_block_stop" => {
                assert_eq!(data["index"], blocks.len() - 1);
                let (block, text) = (blocks.last_mut().unwrap(), open.take().unwrap());
                if block["type"] == "text" {
                    block["text"] = text.into();
                } else {
                    block["input"] = serde_json::from_str(&text).unwrap();
                }
            }
            "message_delta" => end = data,
            "message_stop" => {}
            other => panic!("unexpected event {other}"),
        }
    }
    assert!(open.is_none());
    assert_eq!(names[0], "message_start");
    assert_eq!(names[names.len() - 2..], ["message_delta", "message_stop"]);
    for once in ["message_start", "message_delta", "message_stop"] {
        assert_eq!(names.iter().filter(|it| *it == once).count(), 1);
    }
    (blocks, end)
}

/// Puts an OpenAI stream together again: text, arguments of the tool call, reason of the end, usage.
fn assemble_openai(stream: &str) -> (String, String, Value, Value) {
    let stream = stream.strip_suffix("data: [DONE]\n\n").unwrap();
    let (mut text, mut arguments) = (String::new(), String::new());
    let (mut finish, mut usage) = (Value::Null, Value::Null);
    for (i, frame) in stream.split_terminator("\n\n").enumerate() {
        let chunk: Value = serde_json::from_str(frame.strip_prefix("data: ").unwrap()).unwrap();
        assert_eq!(chunk["object"], "chat.completion.chunk");
        assert_eq!(usage, Value::Null, "a chunk follows the usage");
        usage = chunk["usage"].clone();
        let choice = &chunk["choices"][0];
        if i == 0 {
            assert_eq!(choice["delta"]["role"], "assistant");
        }
        text += choice["delta"]["content"].as_str().unwrap_or_default();
        let call = &choice["delta"]["tool_calls"][0];
        arguments += call["function"]["arguments"].as_str().unwrap_or_default();
        if !choice["finish_reason"].is_null() {
            assert_eq!(finish, Value::Null, "two ends");
            finish = choice["finish_reason"].clone();
        }
    }
    (text, arguments, finish, usage)
}

#[test]
fn an_anthropic_answer_says_the_same_whole_and_streamed() {
    with_providers(async |anthropic, _| {
        let whole = post(anthropic, MESSAGES, &ask("what is a pointsman?", false)).await;
        assert!(whole.head.contains("request-id: req_"));
        let whole = whole.json();
        let text = whole["content"][0]["text"].as_str().unwrap();
        assert!(text.contains("“what is a pointsman?”"), "{text}");
        assert_eq!(whole["stop_reason"], "end_turn");

        let got = post(anthropic, MESSAGES, &ask("what is a pointsman?", true)).await;
        assert!(got.head.contains("text/event-stream"));
        let (blocks, end) = assemble_anthropic(&got.body);
        assert_eq!(blocks[0]["text"], text);
        assert_eq!(end["delta"]["stop_reason"], "end_turn");
        assert_eq!(
            end["usage"]["output_tokens"],
            whole["usage"]["output_tokens"]
        );
        assert!(0 < end["usage"]["input_tokens"].as_u64().unwrap());
    });
}

#[test]
fn an_openai_answer_says_the_same_whole_and_streamed() {
    with_providers(async |_, openai| {
        let whole = post(openai, COMPLETIONS, &ask("hi", false)).await.json();
        let choice = &whole["choices"][0];
        assert_eq!(choice["finish_reason"], "stop");
        let mut request = ask("hi", true);
        let got = post(openai, COMPLETIONS, &request).await;
        let (text, arguments, finish, usage) = assemble_openai(&got.body);
        assert_eq!(choice["message"]["content"], text);
        assert_eq!((arguments.as_str(), finish), ("", json!("stop")));
        assert_eq!(usage, Value::Null);
        request["stream_options"] = json!({"include_usage": true});
        let got = post(openai, COMPLETIONS, &request).await;
        let (.., usage) = assemble_openai(&got.body);
        assert_eq!(
            usage["completion_tokens"],
            whole["usage"]["completion_tokens"]
        );
    });
}

#[test]
fn a_tool_is_called_when_asked_for_and_its_answer_ends_the_turn() {
    with_providers(async |anthropic, openai| {
        let mut request = ask("please use the tool", true);
        request["tools"] = json!([{"name": "Bash", "input_schema": {"type": "object"}}]);
        let got = post(anthropic, MESSAGES, &request).await;
        let (blocks, end) = assemble_anthropic(&got.body);
        assert_eq!(end["delta"]["stop_reason"], "tool_use");
        assert_eq!(blocks[1]["name"], "Bash");
        let command = blocks[1]["input"]["command"].clone();
        assert_eq!(command, r#"echo "hello from pointsman""#);

        let result =
            json!([{"type": "tool_result", "tool_use_id": blocks[1]["id"], "content": "hello"}]);
        let messages = request["messages"].as_array_mut().unwrap();
        messages.push(json!({"role": "assistant", "content": blocks}));
        messages.push(json!({"role": "user", "content": result}));
        request["stream"] = json!(false);
        let whole = post(anthropic, MESSAGES, &request).await.json();
        assert_eq!(whole["stop_reason"], "end_turn");
        assert!(
            whole["content"][0]["text"]
                .as_str()
                .unwrap()
                .contains("“hello”")
        );

        let mut request = ask("run it", true);
        request["tools"] = json!([{"type": "function", "function": {"name": "Bash"}}]);
        let got = post(openai, COMPLETIONS, &request).await;
        let (_, arguments, finish, _) = assemble_openai(&got.body);
        assert_eq!(finish, "tool_calls");
        request["stream"] = json!(false);
        let whole = post(openai, COMPLETIONS, &request).await.json();
        let message = &whole["choices"][0]["message"];
        assert_eq!(message["tool_calls"][0]["function"]["arguments"], arguments);
        let arguments: Value = serde_json::from_str(&arguments).unwrap();
        assert_eq!(arguments["command"], command);
    });
}

#[test]
fn every_third_call_fails_in_another_way() {
    with_providers(async |anthropic, openai| {
        let mut seen = Vec::new();
        for number in 1..=18 {
            // The second round is not streamed.
            let body = ask("hi", number <= 9).to_string();
            seen.push(match call(anthropic, "POST", MESSAGES, &body).await {
                None => "reset".to_owned(),
                Some(got) if got.body.contains("event: error") => {
                    let (start, error) = got.body.split_once("event: error\ndata: ").unwrap();
                    assert!(start.starts_with("event: message_start"));
                    assert!(!start.contains("content_block"));
                    let error: Value = serde_json::from_str(error).unwrap();
                    format!("{} {}", got.status, error["error"]["type"])
                }
                Some(got) if got.status == 200 => "ok".to_owned(),
                Some(got) => format!("{} {}", got.status, got.json()["error"]["type"]),
            });
        }
        let (overloaded, reset) = (r#"529 "overloaded_error""#, "reset");
        let streamed = [overloaded, reset, r#"200 "overloaded_error""#];
        let whole = [overloaded, reset, r#"500 "api_error""#];
        let expected: Vec<&str> = streamed
            .into_iter()
            .chain(whole)
            .flat_map(|it| ["ok", "ok", it])
            .collect();
        assert_eq!(seen, expected);
        for _ in 0..7 {
            assert_eq!(
                post(openai, COMPLETIONS, &ask("hi", false)).await.status,
                200
            );
        }
    });
}

#[test]
fn other_paths_answer_without_counting_as_calls() {
    with_providers(async |anthropic, openai| {
        let count = post(
            anthropic,
            "/v1/messages/count_tokens?beta=true",
            &ask("hi", false),
        )
        .await;
        assert!(0 < count.json()["input_tokens"].as_u64().unwrap());
        for (address, listed) in [(anthropic, 3), (openai, 1)] {
            let models = call(address, "GET", "/v1/models?limit=1000", "")
                .await
                .unwrap();
            assert_eq!(models.json()["data"].as_array().unwrap().len(), listed);
            let missing = call(address, "GET", "/nowhere", "").await.unwrap();
            assert_eq!(missing.status, 404);
        }
        assert_eq!(
            call(anthropic, "POST", MESSAGES, "{}")
                .await
                .unwrap()
                .status,
            400
        );
        assert_eq!(
            call(openai, "POST", COMPLETIONS, "no")
                .await
                .unwrap()
                .status,
            400
        );
        let garbage = call(openai, "GET", "/a b", "").await.unwrap();
        assert_eq!(
            (garbage.status, garbage.head.contains("connection: close")),
            (400, true)
        );
        for _ in 0..2 {
            assert_eq!(
                post(anthropic, MESSAGES, &ask("hi", false)).await.status,
                200
            );
        }
    });
}

#[test]
fn large_bodies_in_chunks_and_by_length_share_a_connection() {
    with_providers(async |anthropic, _| {
        let mut stream = TcpStream::connect(anthropic).await.unwrap();
        let body = ask(&"word ".repeat(1_000_000), false).to_string();
        let mut request = format!("POST {MESSAGES} HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n");
        for chunk in body.as_bytes().chunks(60_000) {
            let chunk = std::str::from_utf8(chunk).unwrap();
            let _ = write!(request, "{:x}\r\n{chunk}\r\n", chunk.len());
        }
        request += "0\r\n\r\n";
        let _ = write!(
            request,
            "POST {MESSAGES} HTTP/1.1\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        let (mut reading, mut writing) = stream.split();
        let mut answers = String::new();
        let (written, read) = tokio::join!(
            writing.write_all(request.as_bytes()),
            reading.read_to_string(&mut answers)
        );
        written.unwrap();
        read.unwrap();
        let input_tokens = format!("\"input_tokens\":{}", body.len().div_ceil(4));
        assert_eq!(answers.matches("HTTP/1.1 200 OK").count(), 2);
        assert_eq!(answers.matches(&input_tokens).count(), 2);
    });
}

#[test]
fn a_stop_finishes_streams_and_closes_idle_connections() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let providers = Providers::bind().unwrap();
        let Addresses { anthropic, openai } = providers.addresses();
        let (stop, stopped) = oneshot::channel::<()>();
        let mut serving = JoinSet::new();
        serving.spawn(providers.serve_paced(1..=1, async {
            let _ = stopped.await;
        }));
        let mut idle = TcpStream::connect(openai).await.unwrap();
        let mut busy = TcpStream::connect(anthropic).await.unwrap();
        let body = ask("hi", true).to_string();
        let head = format!(
            "POST {MESSAGES} HTTP/1.1\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        busy.write_all((head + &body).as_bytes()).await.unwrap();
        // The first byte shows that the stream has begun.
        let mut answer = vec![busy.read_u8().await.unwrap()];
        stop.send(()).unwrap();
        busy.read_to_end(&mut answer).await.unwrap();
        assemble_anthropic(&parse(&answer).body);
        assert_eq!(idle.read(&mut [0]).await.unwrap(), 0);
        serving.join_next().await.unwrap().unwrap().unwrap();
        assert!(TcpStream::connect(anthropic).await.is_err());
    });
}
