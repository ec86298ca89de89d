use std::fmt::Write;

use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::{Value, json};

use super::*;
use crate::protocol::canonical::{BlockStart, ToolNames};
use crate::protocol::frame::SseDecoder;
use crate::protocol::frame::limit::{MAX_HELD_BYTES, MAX_TOOL_CALLS};

fn ctx() -> DecodeContext {
    let mut names = ToolNames::default();
    names.insert("long_1a2b3c4d".to_owned(), "a.long.name".to_owned());
    DecodeContext {
        names,
        seed: "msg_01seed".to_owned(),
        ..DecodeContext::default()
    }
}

fn decode(pieces: &[&[u8]]) -> (Vec<String>, Result<(), StreamError>) {
    let mut frames = SseDecoder::new();
    let mut decode = Decode::new(ctx());
    let mut out = Vec::new();
    let mut ended = Ok(());
    for piece in pieces {
        ended = ended.and_then(|()| frames.push(piece, |frame| decode.push(frame, &mut out)));
    }
    let ended = ended
        .and_then(|()| frames.finish(|frame| decode.push(frame, &mut out)))
        .and_then(|()| decode.finish(&mut out));
    (out.iter().map(shown).collect(), ended)
}

/// An event in a few letters.
fn shown(event: &Event) -> String {
    match event {
        Event::Start { id, model } => format!("start {id:?} {model:?}"),
        Event::BlockStart(block) => match block {
            BlockStart::Text => "[text".to_owned(),
            BlockStart::Thinking => "[thinking".to_owned(),
            BlockStart::RedactedThinking { data } => format!("[redacted {data}"),
            BlockStart::ToolUse { id, name } => format!("[call {id} {name}"),
            BlockStart::ServerToolUse { id, name, input } => format!("[server {id} {name} {input}"),
            BlockStart::ServerToolResult {
                tool_use_id,
                kind,
                content,
            } => format!("[{kind} {tool_use_id} {content}"),
            BlockStart::Unknown(raw) => format!("[unknown {raw}"),
        },
        Event::Text(text) => format!("t {text}"),
        Event::Thinking(text) => format!("h {text}"),
        Event::Signature(text) => format!("s {text}"),
        Event::ToolArguments(text) => format!("a {text}"),
        Event::Citation(it) => format!("c {:?} {:?}", it.url, it.document),
        Event::Logprobs(_) => "logprobs".to_owned(),
        Event::BlockStop => "]".to_owned(),
        Event::Finish {
            stop,
            stop_sequence,
            explanation,
            usage,
        } => {
            let usage = usage.map(|it| (it.input, it.cache_read, it.cache_creation, it.output));
            format!("finish {stop:?} {stop_sequence:?} {explanation:?} {usage:?}")
        }
    }
}

fn event(data: &Value) -> String {
    format!(
        "event: {}\ndata: {data}\n\n",
        data["type"].as_str().unwrap()
    )
}

fn start() -> Value {
    json!({"type": "message_start", "message": {"id": "msg_a", "type": "message", "model": "m", "content": [],
        "stop_reason": null, "usage": {"input_tokens": 5, "cache_read_input_tokens": 2, "output_tokens": 1}}})
}

fn open(index: u64, block: impl Into<Value>) -> Value {
    let block: Value = block.into();
    json!({"type": "content_block_start", "index": index, "content_block": block})
}

fn delta(index: u64, delta: impl Into<Value>) -> Value {
    let delta: Value = delta.into();
    json!({"type": "content_block_delta", "index": index, "delta": delta})
}

fn words(index: u64, text: &str) -> Value {
    delta(index, json!({"type": "text_delta", "text": text}))
}

fn arguments(index: u64, text: &str) -> Value {
    delta(
        index,
        json!({"type": "input_json_delta", "partial_json": text}),
    )
}

fn close(index: u64) -> Value {
    json!({"type": "content_block_stop", "index": index})
}

fn end(reason: &str) -> [Value; 2] {
    [
        json!({"type": "message_delta", "delta": {"stop_reason": reason, "stop_sequence": null}, "usage": {"output_tokens": 9}}),
        json!({"type": "message_stop"}),
    ]
}

fn stream(events: &[Value]) -> String {
    events.iter().map(event).collect()
}

/// What a message of these events becomes between its start and its finish.
fn inside(events: &[Value], stop: &str) -> Vec<String> {
    let all = [&[start()], events, &end(stop)].concat();
    let (mut out, ended) = decode(&[stream(&all).as_bytes()]);
    assert_eq!(ended, Ok(()));
    out.remove(0);
    out.pop();
    out
}

fn tool(id: &str, name: &str) -> Value {
    json!({"type": "tool_use", "id": id, "name": name, "input": {}})
}

fn plain() -> Value {
    json!({"type": "text", "text": ""})
}

#[test]
fn a_message_from_start_to_stop() {
    let ping = json!({"type": "ping"});
    let thinking = json!({"type": "thinking", "thinking": "", "signature": ""});
    let events = [
        open(0, thinking.clone()),
        ping.clone(),
        delta(0, json!({"type": "thinking_delta", "thinking": "hm"})),
        delta(0, json!({"type": "signature_delta", "signature": "EqQB"})),
        close(0),
        open(1, plain()),
        words(1, "Hi"),
        words(1, ""),
        delta(
            1,
            json!({"type": "citations_delta", "citation": {"type": "char_location", "document_index": 3, "cited_text": "x"}}),
        ),
        close(1),
        open(2, tool("toolu_1", "long_1a2b3c4d")),
        arguments(2, ""),
        arguments(2, "{\"a\":"),
        arguments(2, "1.50}"),
        close(2),
        json!({"type": "later", "x": 1}),
    ];
    let all = [&[start()], &events[..], &end("tool_use")].concat();
    let (out, ended) = decode(&[stream(&all).as_bytes()]);
    assert_eq!(ended, Ok(()));
    assert_eq!(
        out,
        [
            "start Some(\"msg_a\") Some(\"m\")",
            "[thinking",
            "h hm",
            "s EqQB",
            "]",
            "[text",
            "t Hi",
            "c None Some(3)",
            "]",
            "[call toolu_1 a.long.name",
            "a {\"a\":",
            "a 1.50}",
            "]",
            "finish ToolUse None None Some((5, 2, 0, 9))",
        ]
    );
}

#[test]
fn blocks_open_with_their_first_content() {
    let thinking =
        |signature: &str| json!({"type": "thinking", "thinking": "", "signature": signature});
    assert!(inside(&[open(0, plain()), close(0)], "refusal").is_empty());
    assert!(inside(&[open(0, thinking("")), close(0)], "end_turn").is_empty());
    // Thinking that is not shown has its seal and nothing else.
    let hidden = delta(0, json!({"type": "signature_delta", "signature": "EqQB"}));
    assert_eq!(
        inside(&[open(0, thinking("")), hidden, close(0)], "end_turn"),
        ["[thinking", "s EqQB", "]"]
    );
    assert_eq!(
        inside(&[open(0, thinking("EqQB")), close(0)], "end_turn"),
        ["[thinking", "s EqQB", "]"]
    );
    let carried = json!({"type": "text", "text": "Hi"});
    assert_eq!(
        inside(&[open(0, carried), words(0, "!"), close(0)], "end_turn"),
        ["[text", "t Hi", "t !", "]"]
    );
}

#[test]
fn arguments_in_the_start_count_when_no_others_come() {
    let filled = json!({"type": "tool_use", "id": "toolu_1", "name": "n", "input": {"a": 1.50}});
    assert_eq!(
        inside(
            &[open(0, filled.clone()), arguments(0, ""), close(0)],
            "tool_use"
        ),
        ["[call toolu_1 n", "a {\"a\":1.5}", "]"]
    );
    assert_eq!(
        inside(&[open(0, filled), arguments(0, "{}"), close(0)], "tool_use"),
        ["[call toolu_1 n", "a {}", "]"]
    );
    assert_eq!(
        inside(&[open(0, tool("toolu_1", "n")), close(0)], "tool_use"),
        ["[call toolu_1 n", "]"]
    );
}

#[test]
fn ids_of_imitations_are_made_plain_and_unique() {
    let call = |index, id: Value| {
        [
            open(
                index,
                json!({"type": "tool_use", "id": id, "name": "n", "input": {}}),
            ),
            close(index),
        ]
    };
    let events = [
        call(0, json!("toolu_1")),
        call(1, json!("toolu_1")),
        call(2, json!("")),
        call(3, json!("functions.n:3")),
        call(4, Value::Null),
    ]
    .concat();
    let ids: Vec<String> = inside(&events, "end_turn")
        .into_iter()
        .filter_map(|it| Some(it.strip_prefix("[call ")?.to_owned()))
        .collect();
    assert_eq!(
        ids,
        [
            "toolu_1 n",
            "toolu_01seed_1 n",
            "toolu_01seed_2 n",
            "toolu_01seed_3 n",
            "toolu_01seed_4 n"
        ]
    );
}

#[test]
fn blocks_of_servers_are_given_whole() {
    let search =
        json!({"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {}});
    let found = json!({"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": [{"url": "u"}], "caller": {}});
    let mcp = json!({"type": "mcp_tool_result", "tool_use_id": "mcptoolu_1", "is_error": false, "content": []});
    let compaction = json!({"type": "compaction", "content": null});
    let events = [
        open(0, search),
        arguments(0, "{\"query\": "),
        arguments(0, "\"x\"}"),
        close(0),
        open(1, found),
        close(1),
        open(2, json!({"type": "redacted_thinking", "data": "Emo"})),
        close(2),
        open(3, mcp),
        close(3),
        open(4, compaction),
        delta(4, json!({"type": "compaction_delta", "content": "so far"})),
        close(4),
    ];
    assert_eq!(
        inside(&events, "end_turn"),
        [
            "[server srvtoolu_1 web_search {\"query\": \"x\"}",
            "]",
            "[web_search_tool_result srvtoolu_1 [{\"url\":\"u\"}]",
            "]",
            "[redacted Emo",
            "]",
            "[unknown {\"type\":\"mcp_tool_result\",\"tool_use_id\":\"mcptoolu_1\",\"is_error\":false,\"content\":[]}",
            "]",
            "[unknown {\"type\":\"compaction\",\"content\":\"so far\"}",
            "]",
        ]
    );
}

/// Found by fuzzing: it was opened once for its text and once for all of it.
#[test]
fn a_block_of_a_kind_yet_unknown_that_has_text_opens_once() {
    let events = [
        open(0, json!({"type": "aside", "text": "by the way"})),
        close(0),
        open(1, json!({"type": "text", "text": ""})),
        words(1, "hi"),
        close(1),
    ];
    let shown = inside(&events, "end_turn");
    assert_eq!(
        shown,
        [
            r#"[unknown {"type":"aside","text":"by the way"}"#,
            "]",
            "[text",
            "t hi",
            "]"
        ]
    );
}

/// Found by fuzzing: its text opened it as a text block, and then came its signature.
#[test]
fn a_thinking_block_is_one_whatever_else_it_carries() {
    let block = json!({"type": "thinking", "thinking": "", "signature": "s1", "text": "x",
        "citations": [{"type": "char_location", "cited_text": "c", "document_index": 0}]});
    let shown = inside(&[open(0, block), close(0)], "end_turn");
    assert_eq!(shown, ["[thinking", "s s1", "]"]);
}

#[test]
fn interleaved_blocks_wait_for_each_other() {
    let events = [
        open(0, plain()),
        words(0, "a"),
        open(1, tool("toolu_1", "n")),
        arguments(1, "{"),
        words(0, "b"),
        open(2, plain()),
        words(2, "c"),
        close(2),
        arguments(1, "}"),
        close(0),
        close(1),
        open(3, plain()),
        words(3, "d"),
        close(3),
    ];
    assert_eq!(
        inside(&events, "tool_use"),
        [
            "[text",
            "t a",
            "t b",
            "]",
            "[call toolu_1 n",
            "a {",
            "a }",
            "]",
            "[text",
            "t c",
            "]",
            "[text",
            "t d",
            "]"
        ]
    );
}

#[test]
fn what_was_never_closed_closes_at_the_end() {
    let events = [
        open(0, plain()),
        words(0, "a"),
        open(1, tool("toolu_1", "n")),
        arguments(1, "{\"a"),
    ];
    assert_eq!(
        inside(&events, "max_tokens"),
        ["[text", "t a", "]", "[call toolu_1 n", "a {\"a", "]"]
    );
}

#[test]
fn a_start_that_comes_twice_is_ignored_and_another_messages_is_not() {
    let text = [open(0, plain()), words(0, "a"), close(0)];
    let all = [&[start(), start()], &text[..], &end("end_turn")].concat();
    assert_eq!(decode(&[stream(&all).as_bytes()]).1, Ok(()));
    let mut other = start();
    other["message"]["id"] = json!("msg_b");
    let spliced = [&[start()], &text[..], &[other], &end("end_turn")].concat();
    assert_eq!(
        decode(&[stream(&spliced).as_bytes()]).1,
        Err(StreamError::Malformed("a second message in one stream"))
    );
}

#[test]
fn a_message_may_be_whole_in_its_start() {
    let mut whole = start();
    whole["message"]["content"] =
        json!([{"type": "tool_use", "id": "toolu_1", "name": "n", "input": {"a": 1}}]);
    whole["message"]["stop_reason"] = json!("tool_use");
    let (out, ended) = decode(&[stream(&[whole, json!({"type": "message_stop"})]).as_bytes()]);
    assert_eq!(ended, Ok(()));
    assert_eq!(
        out[1..],
        [
            "[call toolu_1 n",
            "a {\"a\":1}",
            "]",
            "finish ToolUse None None Some((5, 2, 0, 1))"
        ]
    );
}

#[test]
fn why_it_ended() {
    let finish = |delta: Value, call: bool| {
        let block = if call {
            vec![open(0, tool("toolu_1", "n"))]
        } else {
            Vec::new()
        };
        let ending = [
            json!({"type": "message_delta", "delta": delta}),
            json!({"type": "message_delta", "delta": {"stop_reason": null}, "usage": {"input_tokens": null, "output_tokens": 3}}),
            json!({"type": "message_stop"}),
        ];
        let all = [&[start()], &block[..], &ending].concat();
        let (mut out, ended) = decode(&[stream(&all).as_bytes()]);
        assert_eq!(ended, Ok(()));
        out.pop()
            .unwrap()
            .replace("finish ", "")
            .replace(" Some((5, 2, 0, 3))", "")
    };
    for (word, call, stop) in [
        ("end_turn", false, "EndTurn"),
        ("end_turn", true, "ToolUse"),
        ("tool_use", true, "ToolUse"),
        ("tool_use", false, "EndTurn"),
        ("max_tokens", true, "MaxTokens"),
        ("compaction", false, "MaxTokens"),
        ("pause_turn", false, "PauseTurn"),
        (
            "model_context_window_exceeded",
            false,
            "ContextWindowExceeded",
        ),
        ("later", false, "EndTurn"),
    ] {
        let given = finish(json!({"stop_reason": word, "stop_sequence": "x"}), call);
        assert_eq!(given, format!("{stop} None None"), "{word}");
    }
    assert_eq!(finish(json!({}), true), "ToolUse None None");
    assert_eq!(
        finish(
            json!({"stop_reason": "stop_sequence", "stop_sequence": "END"}),
            false
        ),
        "StopSequence Some(\"END\") None"
    );
    let refused = json!({"stop_reason": "refusal", "stop_details": {"type": "refusal", "category": null, "explanation": "no"}});
    assert_eq!(finish(refused, false), "Refusal None Some(\"no\")");
}

#[test]
fn errors_inside_the_stream_end_it() {
    let overloaded =
        r#"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}"#;
    for (event, data) in [
        ("error", overloaded),
        ("", overloaded),
        (
            "",
            r#"{"error":{"type":"overloaded_error","message":"Overloaded"}}"#,
        ),
    ] {
        let name = if event.is_empty() {
            String::new()
        } else {
            format!("event: {event}\n")
        };
        let text = stream(&[start(), open(0, plain())]) + &format!("{name}data: {data}\n\n");
        let (out, ended) = decode(&[text.as_bytes()]);
        assert_eq!(ended.unwrap_err().upstream().unwrap().message, "Overloaded");
        // An open block without content is no content.
        assert_eq!(out.len(), 1, "{out:?}");
    }
}

#[test]
fn a_cut_stream_is_not_whole() {
    let all = [
        &[start(), open(0, plain()), words(0, "a"), close(0)],
        &end("end_turn")[..1],
    ]
    .concat();
    let (out, ended) = decode(&[stream(&all).as_bytes()]);
    assert_eq!(ended, Err(StreamError::Truncated));
    assert!(!out.iter().any(|it| it.starts_with("finish")));
    assert_eq!(decode(&[b""]).1, Err(StreamError::Truncated));
}

#[test]
fn what_is_not_of_the_dialect_is_malformed() {
    let text = |index| open(index, plain());
    let cases: [&[Value]; 11] = [
        &[text(0)],
        &[start(), words(0, "a")],
        &[start(), close(0)],
        &[start(), text(0), text(0)],
        &[start(), text(0), close(0), words(0, "a")],
        &[start(), text(0), arguments(0, "{}")],
        &[start(), text(0), delta(0, json!({"type": "text_delta"}))],
        &[
            start(),
            open(0, json!({"type": "tool_use", "id": "toolu_1", "name": ""})),
        ],
        &[start(), open(0, json!("text"))],
        &[start(), json!({"type": "content_block_start", "index": 0})],
        &[json!({"type": "message_start"})],
    ];
    for events in cases {
        let (_, ended) = decode(&[stream(events).as_bytes()]);
        assert!(
            matches!(ended, Err(StreamError::Malformed(_))),
            "{events:?}: {ended:?}"
        );
    }
    for data in ["{", "[]", "ping"] {
        let (_, ended) = decode(&[format!("data: {data}\n\n").as_bytes()]);
        assert!(
            matches!(ended, Err(StreamError::Malformed(_))),
            "{data}: {ended:?}"
        );
    }
    // Events yet unknown may have any form, and imitations end with OpenAI's mark.
    let odd = format!(
        "event: later\ndata: {{\n\n{}data: [DONE]\n\n",
        stream(&[&[start()], &end("end_turn")[..]].concat())
    );
    assert_eq!(decode(&[odd.as_bytes()]).1, Ok(()));
}

#[test]
fn a_flood_is_refused() {
    let mut calls = stream(&[start()]);
    for index in 0..=MAX_TOOL_CALLS {
        let call = [
            open(index as u64, tool(&format!("toolu_{index}"), "n")),
            close(index as u64),
        ];
        calls += &stream(&call);
    }
    assert_eq!(
        decode(&[calls.as_bytes()]).1,
        Err(StreamError::TooMuch("tool calls"))
    );
    let mut blocks = stream(&[start()]);
    for index in 0..=1024 {
        blocks += &stream(&[open(index, plain())]);
    }
    assert_eq!(
        decode(&[blocks.as_bytes()]).1,
        Err(StreamError::TooMuch("open blocks"))
    );
    let waiting = [start(), open(0, plain()), open(1, plain())];
    let mut held = stream(&waiting);
    for _ in 0..5 {
        held += &event(&words(1, &"x".repeat(MAX_HELD_BYTES / 4)));
    }
    assert_eq!(
        decode(&[held.as_bytes()]).1,
        Err(StreamError::TooMuch("blocks that wait for others"))
    );
}

fn body(body: &Value) -> (Vec<String>, Result<(), StreamError>) {
    let mut decode = Decode::new(ctx());
    let mut out = Vec::new();
    let ended = decode.body(body.to_string().as_bytes(), &mut out);
    (out.iter().map(shown).collect(), ended)
}

#[test]
fn a_whole_body_is_the_same_message() {
    let (out, ended) = body(
        &json!({"id": "msg_a", "type": "message", "role": "assistant", "model": "m",
        "content": [
            {"type": "thinking", "thinking": "hm", "signature": "EqQB"},
            {"type": "text", "text": ""},
            {"type": "text", "text": "Hi", "citations": [{"type": "web_search_result_location", "url": "u"}]},
            {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"q": 1}},
            {"type": "tool_use", "id": "toolu_1", "name": "n", "input": {}},
            {"type": "tool_use", "id": "toolu_2", "name": "n", "input": {"z": 1, "a": [2]}}
        ],
        "stop_reason": "tool_use", "usage": {"input_tokens": 5, "output_tokens": 7}}),
    );
    assert_eq!(ended, Ok(()));
    assert_eq!(
        out,
        [
            "start Some(\"msg_a\") Some(\"m\")",
            "[thinking",
            "h hm",
            "s EqQB",
            "]",
            "[text",
            "t Hi",
            "c Some(\"u\") None",
            "]",
            "[server srvtoolu_1 web_search {\"q\":1}",
            "]",
            "[call toolu_1 n",
            "]",
            "[call toolu_2 n",
            "a {\"z\":1,\"a\":[2]}",
            "]",
            "finish ToolUse None None Some((5, 0, 0, 7))",
        ]
    );
}

#[test]
fn bodies_that_are_no_message() {
    let error =
        json!({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}});
    assert!(body(&error).1.unwrap_err().upstream().is_some());
    assert!(
        body(&json!({"error": {"message": "x"}}))
            .1
            .unwrap_err()
            .upstream()
            .is_some()
    );
    for other in [
        json!({"type": "message"}),
        json!([]),
        json!({"input_tokens": 3}),
        json!("x"),
    ] {
        assert!(
            matches!(body(&other).1, Err(StreamError::Malformed(_))),
            "{other}"
        );
    }
}

/// One thing that a provider sends, in any order.
fn any_event() -> impl Strategy<Value = Value> {
    let index = || 0..3u64;
    let block = prop::sample::select(vec![
        plain(),
        json!({"type": "thinking", "thinking": "", "signature": ""}),
        tool("toolu_1", "n"),
        json!({"type": "server_tool_use", "id": "srvtoolu_1", "name": "s", "input": {}}),
        json!({"type": "redacted_thinking", "data": "x"}),
        json!({"type": "later", "x": 1}),
    ]);
    let piece = prop::sample::select(vec![
        json!({"type": "text_delta", "text": "é\n"}),
        json!({"type": "thinking_delta", "thinking": "h"}),
        json!({"type": "signature_delta", "signature": "S"}),
        json!({"type": "input_json_delta", "partial_json": "{"}),
        json!({"type": "later_delta", "x": "y"}),
    ]);
    prop_oneof![
        4 => (index(), block).prop_map(|(index, block)| open(index, block)),
        6 => (index(), piece).prop_map(|(index, piece)| delta(index, piece)),
        4 => index().prop_map(close),
        1 => Just(start()),
        1 => Just(json!({"type": "ping"})),
        1 => Just(end("end_turn")[0].clone()),
        1 => Just(end("end_turn")[1].clone()),
    ]
}

/// Panics unless the grammar is kept.
fn check(out: &[String], whole: bool) {
    let mut open = false;
    for (at, event) in out.iter().enumerate() {
        match event.chars().next() {
            Some('[') => assert!(!std::mem::replace(&mut open, true), "{out:?}"),
            Some(']') => assert!(std::mem::replace(&mut open, false), "{out:?}"),
            Some('t' | 'h' | 'a' | 'c') => assert!(open, "{out:?}"),
            _ if event.starts_with("start") => assert_eq!(at, 0),
            Some('s') => assert!(open && out[at + 1] == "]", "{out:?}"),
            _ => assert!(
                event.starts_with("finish") && !open && at + 1 == out.len(),
                "{out:?}"
            ),
        }
    }
    assert_eq!(whole, out.last().is_some_and(|it| it.starts_with("finish")));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1024))]

    #[test]
    fn any_events_in_any_pieces_keep_the_grammar(
        events in prop::collection::vec(any_event(), 0..24),
        tail in any::<bool>(),
        cuts in prop::collection::vec(any::<Index>(), 0..6),
    ) {
        let tail = if tail { end("tool_use").to_vec() } else { Vec::new() };
        let mut text = stream(&[&[start()], &events[..], &tail].concat());
        write!(text, ": comment\n\n").unwrap();
        let (out, ended) = decode(&[text.as_bytes()]);
        check(&out, ended.is_ok());
        let mut places: Vec<usize> = cuts.iter().map(|it| it.index(text.len() + 1)).collect();
        places.sort_unstable();
        let mut pieces = Vec::new();
        let mut from = 0;
        for place in places.into_iter().chain([text.len()]) {
            pieces.push(&text.as_bytes()[from..place]);
            from = place;
        }
        prop_assert_eq!(decode(&pieces), (out, ended));
    }

    #[test]
    fn any_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(decode(&[&bytes]).1.is_err());
        let _ = Decode::new(ctx()).body(&bytes, &mut Vec::new());
    }
}
