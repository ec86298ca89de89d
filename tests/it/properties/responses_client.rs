//! Any answer as a client of OpenAI Responses gets it: stream and object say the same, and sent back as history they are
//! what the model said.

use pointsman::protocol::canonical::{
    Block, BlockStart, Citation, EncodeContext, Event, Losses, Request, StopReason, Usage,
};
use pointsman::protocol::openai_responses::{Assemble, Encode, inbound};
use proptest::prelude::*;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::naive::responses_client::read_stream;

/// One block of an answer.
#[derive(Clone, Debug)]
enum Said {
    Text(Vec<String>, bool),
    Thinking(Vec<String>, Option<String>),
    Redacted(String),
    /// Name and arguments of a call, and where they are cut.
    Call(&'static str, String, usize),
    Search,
    Unknown,
}

fn words() -> impl Strategy<Value = String> {
    "[a-c<\"\\\\é😀\n]{1,6}"
}

fn seal() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("EqQB"),
        Just("pm1.c."),
        Just("pm1.g.CiQB"),
        Just("pm1.d.[{}]"),
        Just("pm1.z.x")
    ]
    .prop_map(str::to_owned)
}

fn call() -> impl Strategy<Value = Said> {
    let text = words().prop_map(|text| json!({"input": text}).to_string());
    let arguments = prop_oneof![
        (
            Just("plain"),
            prop_oneof![
                Just("{}".to_owned()),
                Just("{\"b\": 1.50,\"a\":[]}".to_owned())
            ]
        ),
        (Just("ns__inner"), Just("{\"x\":1}".to_owned())),
        (Just("free"), text),
        (
            Just("local_shell"),
            Just(r#"{"command":["ls","-a"],"env":{}}"#.to_owned())
        ),
        (
            Just("shell"),
            Just(r#"{"commands":["ls"],"timeout_ms":9}"#.to_owned())
        ),
        (
            Just("apply_patch"),
            Just(r#"{"type":"update_file","path":"a","diff":"@@\n-x\n+y\n"}"#.to_owned())
        ),
        (Just("tool_search"), Just(r#"{"query":"x"}"#.to_owned())),
        // Does not fit the item.
        (Just("shell"), Just(r#"{"wrong":1}"#.to_owned())),
    ];
    (arguments, 1..9usize).prop_map(|((name, arguments), cut)| Said::Call(name, arguments, cut))
}

fn said() -> impl Strategy<Value = Said> {
    let pieces = || prop::collection::vec(words(), 0..4);
    prop_oneof![
        3 => (pieces(), any::<bool>()).prop_map(|(pieces, cited)| Said::Text(pieces, cited)),
        2 => (pieces(), prop::option::of(seal())).prop_map(|(pieces, seal)| Said::Thinking(pieces, seal)),
        1 => seal().prop_map(Said::Redacted),
        3 => call(),
        1 => Just(Said::Search),
        1 => Just(Said::Unknown),
    ]
}

fn raw(json: &str) -> Box<RawValue> {
    RawValue::from_string(json.to_owned()).unwrap()
}

fn events(blocks: &[Said], stop: StopReason, explanation: Option<String>) -> Vec<Event> {
    let mut events = vec![Event::Start {
        id: None,
        model: None,
    }];
    for (index, block) in blocks.iter().enumerate() {
        let id = format!("call_{index}");
        match block {
            Said::Text(pieces, cited) => {
                events.push(Event::BlockStart(BlockStart::Text));
                events.extend(pieces.iter().cloned().map(Event::Text));
                if *cited {
                    events.push(Event::Citation(Box::new(Citation {
                        url: Some("https://a.example".to_owned()),
                        ..Citation::default()
                    })));
                    events.push(Event::Logprobs(raw(
                        r#"[{"token":"a","logprob":-0.5,"bytes":null}]"#,
                    )));
                }
            }
            Said::Thinking(pieces, seal) => {
                events.push(Event::BlockStart(BlockStart::Thinking));
                events.extend(pieces.iter().cloned().map(Event::Thinking));
                events.extend(seal.clone().map(Event::Signature));
            }
            Said::Redacted(data) => {
                events.push(Event::BlockStart(BlockStart::RedactedThinking {
                    data: data.clone(),
                }));
            }
            Said::Call(name, arguments, cut) => {
                let name = (*name).to_owned();
                events.push(Event::BlockStart(BlockStart::ToolUse { id, name }));
                let chars: Vec<char> = arguments.chars().collect();
                events.extend(
                    chars
                        .chunks(*cut)
                        .map(|it| Event::ToolArguments(it.iter().collect())),
                );
            }
            Said::Search => {
                let (name, input) = ("web_search".to_owned(), raw(r#"{"query":"q"}"#));
                let tool_use_id = id.clone();
                events.push(Event::BlockStart(BlockStart::ServerToolUse {
                    id,
                    name,
                    input,
                }));
                events.push(Event::BlockStop);
                events.push(Event::BlockStart(BlockStart::ServerToolResult {
                    tool_use_id,
                    kind: "web_search_tool_result".to_owned(),
                    content: raw(r#"[{"type":"web_search_result","url":"https://a.example"}]"#),
                }));
            }
            Said::Unknown => events.push(Event::BlockStart(BlockStart::Unknown(raw(
                "{\"type\":\"new\"}",
            )))),
        }
        events.push(Event::BlockStop);
    }
    events.push(Event::Finish {
        stop,
        stop_sequence: None,
        explanation,
        usage: Some(Usage {
            input: 1,
            cache_read: 2,
            cache_creation: 3,
            output: 4,
            thinking: Some(2),
        }),
    });
    events
}

const TOOLS: &str = r#"[{"type":"function","name":"plain"},{"type":"custom","name":"free"},
    {"type":"namespace","name":"ns","description":"","tools":[{"type":"function","name":"inner"}]},
    {"type":"local_shell"},{"type":"shell"},{"type":"apply_patch"},
    {"type":"tool_search","execution":"client"}]"#;

/// A request with these tools and this input.
fn request(input: &Value) -> Request {
    let tools: Value = serde_json::from_str(TOOLS).unwrap();
    let body = json!({"model": "m", "tools": tools, "input": input});
    inbound(body.to_string().as_bytes(), &mut Losses::default()).unwrap()
}

fn ctx() -> EncodeContext {
    let request = request(&json!("hi"));
    EncodeContext {
        message_id: "msg_any".to_owned(),
        model: "m".to_owned(),
        freeform: vec!["free".to_owned()],
        native: request.native,
        echo: request.echo,
        ..EncodeContext::default()
    }
}

/// What the model said, as the history of the next request should have it.
fn expected(blocks: &[Said]) -> Vec<String> {
    let mut expected = Vec::new();
    for (index, block) in blocks.iter().enumerate() {
        match block {
            Said::Text(pieces, _) if pieces.is_empty() => {}
            Said::Text(pieces, _) => expected.push(format!("text {}", pieces.concat())),
            // Without a seal nobody takes it back.
            Said::Thinking(_, None) => {}
            Said::Thinking(pieces, Some(seal)) if pieces.is_empty() && seal.starts_with("pm1.") => {
                expected.push(format!("redacted {seal}"));
            }
            Said::Thinking(pieces, Some(seal)) => {
                expected.push(format!("thinking {} {seal}", pieces.concat()));
            }
            Said::Redacted(data) => expected.push(format!("redacted {data}")),
            Said::Call(name, arguments, _) => {
                let arguments: Value = serde_json::from_str(arguments).unwrap();
                expected.push(format!("call call_{index} {name} {arguments}"));
            }
            Said::Search | Said::Unknown => {}
        }
    }
    expected
}

fn history(output: &Value) -> Vec<String> {
    let mut input = output.as_array().unwrap().clone();
    input.push(json!({"role": "user", "content": "go on"}));
    let request = request(&Value::Array(input));
    let blocks = request.messages.iter().flat_map(|it| &it.blocks);
    let mut told: Vec<String> = blocks
        .map(|block| match block {
            Block::Text(text) => format!("text {text}"),
            Block::Thinking { text, signature } => format!("thinking {text} {signature}"),
            Block::RedactedThinking { data } => format!("redacted {data}"),
            Block::ToolUse(it) => {
                let input: Value = serde_json::from_str(it.input.get()).unwrap();
                format!("call {} {} {input}", it.id, it.name)
            }
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(told.pop().as_deref(), Some("text go on"));
    told
}

/// Arguments of the vendor's own items come back in the vendor's order.
fn in_order(told: &str) -> String {
    match told.split_once('{') {
        Some((head, arguments)) if head.starts_with("call ") => {
            let arguments: serde_json::Map<String, Value> =
                serde_json::from_str(&format!("{{{arguments}")).unwrap();
            let mut members: Vec<String> = arguments
                .iter()
                .map(|(key, it)| format!("{key}:{it}"))
                .collect();
            members.sort();
            format!("{head}{}", members.join(","))
        }
        _ => told.to_owned(),
    }
}

fn stop() -> impl Strategy<Value = StopReason> {
    prop_oneof![
        Just(StopReason::EndTurn),
        Just(StopReason::ToolUse),
        Just(StopReason::MaxTokens),
        Just(StopReason::Refusal),
        Just(StopReason::ContextWindowExceeded),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn stream_object_and_history_say_what_was_said(
        blocks in prop::collection::vec(said(), 0..7),
        stop in stop(),
        explanation in prop::option::of(Just("not this".to_owned())),
    ) {
        let explanation = explanation.filter(|_| stop == StopReason::Refusal);
        let (mut encode, mut assemble) = (Encode::new(ctx()), Assemble::new(ctx()));
        let mut stream = Vec::new();
        for event in events(&blocks, stop, explanation.clone()) {
            encode.push(&event, &mut stream);
            assemble.push(&event).unwrap();
        }
        let what = format!("{blocks:?} {stop:?}");
        let streamed = read_stream(&what, &stream);
        let whole: Value = serde_json::from_slice(&assemble.finish().unwrap()).unwrap();
        prop_assert_eq!(&streamed, &whole);
        prop_assert_eq!(&whole["usage"], &json!({
            "input_tokens": 6, "input_tokens_details": {"cached_tokens": 2, "cache_write_tokens": 3},
            "output_tokens": 4, "output_tokens_details": {"reasoning_tokens": 2}, "total_tokens": 10}));
        let mut expected = expected(&blocks);
        expected.extend(explanation.map(|it| format!("text {it}")));
        let expected: Vec<String> = expected.iter().map(|it| in_order(it)).collect();
        let told: Vec<String> = history(&whole["output"]).iter().map(|it| in_order(it)).collect();
        prop_assert_eq!(told, expected);
    }

    #[test]
    fn an_answer_without_its_end_is_none(blocks in prop::collection::vec(said(), 0..4)) {
        let mut events = events(&blocks, StopReason::EndTurn, None);
        events.pop();
        let (mut encode, mut assemble) = (Encode::new(ctx()), Assemble::new(ctx()));
        let mut stream = Vec::new();
        for event in &events {
            encode.push(event, &mut stream);
            assemble.push(event).unwrap();
        }
        let stream = String::from_utf8(stream).unwrap();
        for end in ["response.completed", "response.incomplete", "response.failed"] {
            let line = format!("event: {end}\n");
            prop_assert!(!stream.contains(&line));
        }
        prop_assert!(assemble.finish().is_err());
    }

    #[test]
    fn no_bytes_make_the_reader_panic(body in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = inbound(&body, &mut Losses::default());
    }
}
