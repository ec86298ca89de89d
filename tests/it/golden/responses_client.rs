//! Clients of OpenAI Responses: what is made of their requests, and each trap of their answers as stream and as object.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

use pointsman::protocol::canonical::{
    BlockStart, Citation, EncodeContext, Event, Losses, StopReason, Usage,
};
use pointsman::protocol::envelope::{ReasoningKind, seal_reasoning};
use pointsman::protocol::openai_responses::{Assemble, Encode, inbound};
use pointsman::protocol::translate::{AnswerContext, BodyTranslator, StreamTranslator};
use pointsman::types::Dialect;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::naive::responses_client::read_stream;

fn snapshot(kind: &str, name: &str, text: &str) {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path(format!(
        "../../fixtures/openai_responses/client/{kind}/snapshots"
    ));
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!(name, text));
}

const REQUESTS: [&str; 4] = [
    "codex_first_turn",
    "codex_tool_loop",
    "agents_sdk",
    "settings",
];

#[test]
fn requests_are_read_as_recorded() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures/openai_responses/client/request");
    let page = include_str!("../../fixtures/openai_responses/client/README.md");
    let on_disk = std::fs::read_dir(&folder).unwrap().filter(|entry| {
        let path = entry.as_ref().unwrap().path();
        path.extension().is_some_and(|ending| ending == "json")
    });
    assert_eq!(
        on_disk.count(),
        REQUESTS.len(),
        "a fixture is missing from the table"
    );
    for name in REQUESTS {
        assert!(
            page.contains(&format!("`request/{name}`")),
            "{name} is not in README.md"
        );
        let body = std::fs::read(folder.join(format!("{name}.json"))).unwrap();
        let mut losses = Losses::default();
        let mut request = inbound(&body, &mut losses).unwrap();
        // A map without an order.
        let native: BTreeMap<_, _> = std::mem::take(&mut request.native).into_iter().collect();
        request.echo.clear();
        let lost: Vec<String> = losses.kept().iter().map(ToString::to_string).collect();
        let text = format!("{request:#?}\nnative: {native:#?}\nlost: {lost:#?}\n");
        snapshot("request", name, &text);
    }
}

fn raw(json: &Value) -> Box<RawValue> {
    RawValue::from_string(json.to_string()).unwrap()
}

/// Shorthand for the events of an answer.
struct Answer(Vec<Event>);

impl Answer {
    fn new() -> Self {
        Answer(vec![Event::Start {
            id: Some("msg_provider".to_owned()),
            model: Some("some-model".to_owned()),
        }])
    }

    fn block(mut self, start: BlockStart, inside: Vec<Event>) -> Self {
        self.0.push(Event::BlockStart(start));
        self.0.extend(inside);
        self.0.push(Event::BlockStop);
        self
    }

    fn text(self, pieces: &[&str]) -> Self {
        let pieces = pieces.iter().map(|it| Event::Text((*it).to_owned()));
        self.block(BlockStart::Text, pieces.collect())
    }

    fn thinking(self, pieces: &[&str], signature: &str) -> Self {
        let pieces = pieces.iter().map(|it| Event::Thinking((*it).to_owned()));
        let mut inside: Vec<Event> = pieces.collect();
        inside.push(Event::Signature(signature.to_owned()));
        self.block(BlockStart::Thinking, inside)
    }

    fn redacted(self, data: String) -> Self {
        self.block(BlockStart::RedactedThinking { data }, Vec::new())
    }

    fn call(self, name: &str, pieces: &[&str]) -> Self {
        let id = format!("toolu_{}", self.0.len());
        let name = name.to_owned();
        let pieces = pieces
            .iter()
            .map(|it| Event::ToolArguments((*it).to_owned()));
        self.block(BlockStart::ToolUse { id, name }, pieces.collect())
    }

    fn server(self, name: &str, input: &Value, kind: &str, content: &Value) -> Self {
        let id = format!("srvtoolu_{}", self.0.len());
        let call = BlockStart::ServerToolUse {
            id: id.clone(),
            name: name.to_owned(),
            input: raw(input),
        };
        let result = BlockStart::ServerToolResult {
            tool_use_id: id,
            kind: kind.to_owned(),
            content: raw(content),
        };
        self.block(call, Vec::new()).block(result, Vec::new())
    }

    fn finish(mut self, stop: StopReason, explanation: Option<&str>) -> Vec<Event> {
        self.0.push(Event::Finish {
            stop,
            stop_sequence: None,
            explanation: explanation.map(str::to_owned),
            usage: Some(Usage {
                input: 10,
                cache_read: 200,
                cache_creation: 30,
                output: 44,
                thinking: Some(12),
            }),
        });
        self.0
    }
}

/// An answer and the trap it shows.
type Trap = (&'static str, Vec<Event>);

/// Text with what belongs to it.
fn texts() -> Vec<Trap> {
    let citation = |url: Option<&str>, span| {
        Event::Citation(Box::new(Citation {
            url: url.map(str::to_owned),
            title: Some("A page".to_owned()),
            span,
            ..Citation::default()
        }))
    };
    let cited = vec![
        Event::Text("größer".to_owned()),
        citation(Some("https://a.example"), None),
        citation(Some("https://b.example"), Some((0, 3))),
        // A document of the request has no address.
        citation(None, None),
    ];
    let logprobs = json!([{"token": "yes", "logprob": -0.25, "bytes": null,
        "top_logprobs": [{"token": "no", "logprob": -2.5, "bytes": [110, 111]}]}]);
    let told = vec![
        Event::Text("yes".to_owned()),
        Event::Logprobs(raw(&logprobs)),
    ];
    vec![
        (
            "text_cut_by_citations_is_one_message",
            Answer::new()
                .text(&["It is "])
                .block(BlockStart::Text, cited)
                .text(&["."])
                .finish(StopReason::EndTurn, None),
        ),
        (
            "log_probabilities_are_told",
            Answer::new()
                .block(BlockStart::Text, told)
                .finish(StopReason::EndTurn, None),
        ),
    ]
}

/// Reasoning, and what the provider did itself.
fn reasoning_and_searches() -> Vec<Trap> {
    let openai = json!({"id": "rs_openai", "type": "reasoning", "summary": [], "encrypted_content": "gAAAA"});
    let results =
        json!([{"type": "web_search_result", "url": "https://a.example", "title": "A page"}]);
    let printed =
        json!({"type": "code_execution_result", "stdout": "2\n", "stderr": "", "return_code": 0});
    vec![
        (
            "reasoning_of_every_origin",
            Answer::new()
                .redacted("ErUB".to_owned())
                .redacted(seal_reasoning(
                    ReasoningKind::Responses,
                    &openai.to_string(),
                ))
                .redacted(seal_reasoning(ReasoningKind::Gemini, "CiQB"))
                .thinking(&["plain"], &seal_reasoning(ReasoningKind::Content, ""))
                .thinking(&[], "EqQB")
                .thinking(&["unsigned"], "")
                .finish(StopReason::EndTurn, None),
        ),
        (
            "searches_and_code_of_the_provider",
            Answer::new()
                .server(
                    "web_search",
                    &json!({"query": "q"}),
                    "web_search_tool_result",
                    &results,
                )
                .server(
                    "web_fetch",
                    &json!({"url": "https://a.example"}),
                    "web_fetch_tool_result",
                    &json!({}),
                )
                .server(
                    "code_execution",
                    &json!({"code": "print(1+1)"}),
                    "code_execution_tool_result",
                    &printed,
                )
                .server("mcp", &json!({}), "mcp_tool_result", &json!([]))
                .text(&["done"])
                .finish(StopReason::EndTurn, None),
        ),
    ]
}

/// Calls of the client's tools.
fn calls() -> Vec<Trap> {
    vec![
        (
            "a_codex_turn_with_signed_thinking",
            Answer::new()
                .thinking(&["Let me ", "look."], "EqQB")
                .text(&["I will ", "look.\n"])
                .call("exec_command", &["{\"cmd\": ", "\"ls\", \"n\": 1.50}"])
                .call("update_plan", &[])
                .finish(StopReason::ToolUse, None),
        ),
        (
            "free_text_is_unescaped_while_it_comes",
            Answer::new()
                .call(
                    "apply_patch_text",
                    &["{\"in", "put\":\"*** Begin", " Patch\\", "n+\\u00", "e9\"}"],
                )
                .call("apply_patch_text", &["{\"patch\":", "\"another name\"}"])
                .call("files__draft", &["{\"input\":\"x\"}"])
                .finish(StopReason::ToolUse, None),
        ),
        (
            "built_in_tools_get_their_own_items",
            Answer::new()
                .call(
                    "local_shell",
                    &["{\"command\":[\"ls\"],\"timeout_ms\":100}"],
                )
                .call("local_shell", &["{\"command\":\"ls | wc\"}"])
                .call("shell", &["{\"commands\":", "[\"ls\",\"pwd\"]}"])
                .call(
                    "apply_patch",
                    &["{\"type\":\"create_file\",\"path\":\"a\",\"diff\":\"+x\\n\"}"],
                )
                .call("tool_search", &["{\"query\":\"mail\"}"])
                .call("files__read", &["{\"path\":\"a\"}"])
                .finish(StopReason::ToolUse, None),
        ),
        (
            "a_call_that_does_not_fit_its_item_is_a_function_call",
            Answer::new()
                .call("apply_patch", &["{\"type\":\"create_file\"}"])
                .call("shell", &["{\"comm"])
                .finish(StopReason::ToolUse, None),
        ),
        (
            "cut_inside_a_call",
            Answer::new()
                .text(&["writing"])
                .call("exec_command", &["{\"cmd\": \"rm -r"])
                .finish(StopReason::MaxTokens, None),
        ),
    ]
}

/// Ends that are not the usual one.
fn ends() -> Vec<Trap> {
    let mut uncounted = Answer::new()
        .text(&["eight characters"])
        .finish(StopReason::EndTurn, None);
    if let Some(Event::Finish { usage, .. }) = uncounted.last_mut() {
        *usage = None;
    }
    vec![
        (
            "a_refusal_is_a_part_of_its_own",
            Answer::new().finish(StopReason::Refusal, Some("This cannot be answered.")),
        ),
        (
            "a_refusal_after_text_is_complete",
            Answer::new()
                .text(&["I begin"])
                .finish(StopReason::Refusal, Some("This cannot be continued.")),
        ),
        (
            "filtered_before_a_word",
            Answer::new().finish(StopReason::Refusal, None),
        ),
        (
            "an_empty_answer",
            Answer::new().finish(StopReason::EndTurn, None),
        ),
        ("tokens_never_counted", uncounted),
    ]
}

fn ctx() -> EncodeContext {
    let tools = json!([
        {"type": "custom", "name": "apply_patch_text"},
        {"type": "namespace", "name": "files", "description": "", "tools": [
            {"type": "function", "name": "read"}, {"type": "custom", "name": "draft"}]},
        {"type": "local_shell"}, {"type": "shell"}, {"type": "apply_patch"},
        {"type": "tool_search", "execution": "client"}]);
    let body = json!({"model": "gpt-5-codex", "input": "hi", "tools": tools}).to_string();
    let request = inbound(body.as_bytes(), &mut Losses::default()).unwrap();
    EncodeContext {
        model: request.model,
        message_id: "msg_01fixture".to_owned(),
        input_estimate: 1234,
        created: 1_790_000_000,
        stream_usage: false,
        older_functions: false,
        freeform: vec!["apply_patch_text".to_owned(), "files__draft".to_owned()],
        native: request.native,
        echo: json!({"store": false, "reasoning": {"effort": "high", "summary": "auto"}})
            .as_object()
            .unwrap()
            .clone(),
    }
}

#[test]
fn answers() {
    let traps = [texts(), reasoning_and_searches(), calls(), ends()];
    for (name, events) in traps.into_iter().flatten() {
        let (mut encode, mut assemble) = (Encode::new(ctx()), Assemble::new(ctx()));
        let mut stream = Vec::new();
        for event in &events {
            encode.push(event, &mut stream);
            assemble.push(event).unwrap();
        }
        let streamed = read_stream(name, &stream);
        let whole = assemble.finish().unwrap();
        assert_eq!(
            streamed,
            serde_json::from_slice::<Value>(&whole).unwrap(),
            "{name}"
        );
        let mut text = String::from_utf8(stream).unwrap();
        write!(
            text,
            "--- as a body\n{}\n",
            String::from_utf8(whole).unwrap()
        )
        .unwrap();
        snapshot("answer", name, &text);
    }
}

/// The streams of another dialect, all the way to such a client.
#[test]
fn streams_of_chat_providers_reach_the_client() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/openai_chat/stream");
    let mut whole = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.display().to_string();
        if path.extension().is_none_or(|it| it != "sse") {
            continue;
        }
        let bytes = std::fs::read(&path).unwrap();
        let ctx = || AnswerContext {
            encode: ctx(),
            ..AnswerContext::between(Dialect::OpenAiChat, Dialect::OpenAiResponses)
        };
        let stream = |pieces: &[&[u8]]| {
            let (mut translator, mut out) = (StreamTranslator::new(ctx()), Vec::new());
            let mut pushed = pieces.iter().map(|piece| translator.push(piece, &mut out));
            let ended = pushed.find(Result::is_err).unwrap_or(Ok(()));
            drop(pushed);
            (ended.and_then(|()| translator.finish(&mut out)), out)
        };
        let (ended, out) = stream(&[&bytes]);
        let single: Vec<&[u8]> = bytes.chunks(1).collect();
        assert_eq!(stream(&single), (ended.clone(), out.clone()), "{name}");
        if ended.is_err() {
            assert!(
                !String::from_utf8(out)
                    .unwrap()
                    .contains("event: response.completed"),
                "{name}"
            );
            continue;
        }
        whole += 1;
        let mut body = BodyTranslator::new(ctx());
        body.push(&bytes).unwrap();
        let body = body.finish().unwrap().body;
        let body: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(read_stream(&name, &out), body, "{name}");
    }
    assert!(30 < whole, "{whole}");
}
