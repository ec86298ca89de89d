//! Chunks to events, rule by rule.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::protocol::canonical::{BlockStart, ToolNames};

/// Events in short: `text(…)`, `>name id {…}`, `[` and `]` around blocks.
fn short(events: &[Event]) -> Vec<String> {
    events
        .iter()
        .map(|event| match event {
            Event::Start { id, model } => {
                format!(
                    "start {} {}",
                    id.as_deref().unwrap_or("-"),
                    model.as_deref().unwrap_or("-")
                )
            }
            Event::BlockStart(BlockStart::Text) => "[text".to_owned(),
            Event::BlockStart(BlockStart::Thinking) => "[thinking".to_owned(),
            Event::BlockStart(BlockStart::RedactedThinking { data }) => format!("[sealed {data}"),
            Event::BlockStart(BlockStart::ToolUse { id, name }) => format!("[call {id} {name}"),
            Event::BlockStart(BlockStart::ServerToolUse { id, name, input }) => {
                format!("[{name} {id} {input}")
            }
            Event::BlockStart(BlockStart::ServerToolResult { kind, content, .. }) => {
                format!("[{kind} {content}")
            }
            Event::BlockStart(BlockStart::Unknown(raw)) => format!("[unknown {raw}"),
            Event::Text(text) => format!("text {text}"),
            Event::Thinking(text) => format!("thought {text}"),
            Event::Signature(text) => format!("signed {text}"),
            Event::Citation(it) => {
                format!("cites {} {:?}", it.url.as_deref().unwrap_or("-"), it.span)
            }
            Event::Logprobs(raw) => format!("logprobs {raw}"),
            Event::ToolArguments(text) => format!("arguments {text}"),
            Event::BlockStop => "]".to_owned(),
            Event::Finish {
                stop,
                explanation,
                usage,
                ..
            } => format!(
                "finish {} {} {:?}",
                stop.as_anthropic(),
                explanation.as_deref().unwrap_or("-"),
                usage.map(|it| (it.input, it.cache_read, it.output, it.thinking))
            ),
        })
        .collect()
}

fn decode(chunks: &[Value]) -> (Vec<String>, Result<(), StreamError>) {
    let mut names = ToolNames::default();
    names.insert("sent_name".to_owned(), "the client's name".to_owned());
    let mut decode = Decode::new(DecodeContext {
        names,
        seed: "msg_1".to_owned(),
        stop_sequences: Vec::new(),
    });
    let mut out = Vec::new();
    let mut ended = Ok(());
    for chunk in chunks {
        let data = chunk.to_string();
        let frame = Frame {
            event: b"",
            data: data.as_bytes(),
        };
        ended = ended.and_then(|()| decode.push(frame, &mut out));
    }
    let ended = ended.and_then(|()| decode.finish(&mut out));
    (short(&out), ended)
}

#[expect(clippy::needless_pass_by_value, reason = "reads better at the callers")]
fn parts(parts: Value) -> Value {
    json!({"candidates": [{"content": {"role": "model", "parts": parts}}]})
}

fn stop() -> Value {
    json!({"candidates": [{"finishReason": "STOP"}]})
}

/// The events of these parts, each in its own chunk, between start and finish.
fn shown(each: &[Value]) -> Vec<String> {
    let mut chunks: Vec<Value> = each.iter().map(|it| parts(json!([it]))).collect();
    chunks.push(stop());
    let (events, ended) = decode(&chunks);
    assert_eq!(ended, Ok(()));
    events[1..events.len() - 1].to_vec()
}

#[test]
fn signatures_stand_where_the_way_back_finds_them() {
    let whole = shown(&[
        json!({"text": "hm ", "thought": true}),
        json!({"text": "so", "thought": true, "thoughtSignature": "dGg="}),
        json!({"text": "I "}),
        json!({"text": "will."}),
        json!({"text": "", "thoughtSignature": "dGV4dA=="}),
        json!({"functionCall": {"name": "sent_name", "args": {"a": 1}}}),
        json!({"functionCall": {"name": "b"}, "thoughtSignature": "Yg=="}),
        json!({"functionCall": {"name": "b", "args": null}}),
    ]);
    assert_eq!(
        whole,
        [
            "[thinking",
            "thought hm ",
            "thought so",
            "signed pm1.g.dGg=",
            "]",
            "[text",
            "text I ",
            "text will.",
            "]",
            "[sealed pm1.g.dGV4dA==",
            "]",
            "[sealed pm1.g.",
            "]",
            "[call toolu_msg_1_0 the client's name",
            "arguments {\"a\":1}",
            "]",
            "[sealed pm1.g.Yg==",
            "]",
            "[call toolu_msg_1_1 b",
            "arguments {}",
            "]",
            "[call toolu_msg_1_2 b",
            "arguments {}",
            "]",
        ]
    );
}

#[test]
fn a_signature_ends_the_part_it_came_with() {
    let whole = shown(&[
        json!({"text": "one", "thoughtSignature": "MQ=="}),
        json!({"text": "two"}),
        json!({"thoughtSignature": "Mg=="}),
        json!({"text": "", "thoughtSignature": "Mw=="}),
        json!({"text": "", "thought": true, "thoughtSignature": "NA=="}),
    ]);
    assert_eq!(
        whole,
        [
            "[text",
            "text one",
            "]",
            "[sealed pm1.g.MQ==",
            "]",
            "[text",
            "text two",
            "]",
            "[sealed pm1.g.Mg==",
            "]",
            "[sealed pm1.g.Mw==",
            "]",
            "[sealed pm1.g.NA==",
            "]",
        ]
    );
}

#[test]
fn own_ids_are_kept_where_they_are_good() {
    let call = |id: &str| json!({"functionCall": {"id": id, "name": "f", "args": {}}});
    let whole = shown(&[call("abc-1"), call("abc-1"), call("a b"), call("")]);
    let ids: Vec<&String> = whole.iter().filter(|it| it.starts_with("[call")).collect();
    assert_eq!(
        ids,
        [
            "[call abc-1 f",
            "[call toolu_msg_1_1 f",
            "[call toolu_msg_1_2 f",
            "[call toolu_msg_1_3 f"
        ]
    );
}

#[test]
fn arguments_in_pieces_are_shown_when_they_are_whole() {
    let piece = |piece: Value, more: bool| json!({"functionCall": {"partialArgs": [piece], "willContinue": more}});
    let begin =
        json!({"functionCall": {"name": "f", "willContinue": true}, "thoughtSignature": "Zg=="});
    let place = json!({"jsonPath": "$.a", "stringValue": "Bos", "willContinue": true});
    let rest = json!({"jsonPath": "$.a", "stringValue": "ton"});
    let ended = [
        begin.clone(),
        piece(place.clone(), true),
        piece(rest.clone(), true),
        json!({"functionCall": {}}),
        json!({"functionCall": {"name": "g", "args": {}}}),
    ];
    let f = [
        "[sealed pm1.g.Zg==",
        "]",
        "[call toolu_msg_1_0 f",
        "arguments {\"a\":\"Boston\"}",
        "]",
    ];
    let g = ["[call toolu_msg_1_1 g", "arguments {}", "]"];
    assert_eq!(shown(&ended), [&f[..], &g[..]].concat());
    // The terminal part may be missing: the last piece tells, or the next call, or the end.
    let told = [
        begin.clone(),
        piece(place.clone(), true),
        piece(rest.clone(), false),
    ];
    assert_eq!(shown(&told), f);
    let next = [
        begin.clone(),
        piece(place.clone(), true),
        piece(rest.clone(), true),
        json!({"functionCall": {"name": "g", "args": {}}}),
    ];
    assert_eq!(shown(&next), [&f[..], &g[..]].concat());
    assert_eq!(
        shown(&[
            begin.clone(),
            piece(place.clone(), true),
            piece(rest, true),
            json!({"text": ""})
        ]),
        f
    );
    // Cut by the limit: not to be run.
    let cut = [
        parts(json!([begin])),
        parts(json!([piece(place, true)])),
        json!({"candidates": [{"finishReason": "MAX_TOKENS"}]}),
    ];
    let (events, ended) = decode(&cut);
    assert_eq!(ended, Ok(()));
    assert!(
        events.contains(&"arguments {\"a\":\"Bos\"".to_owned()),
        "{events:?}"
    );
    assert!(events.last().unwrap().starts_with("finish max_tokens"));
}

#[test]
fn code_and_pictures_become_text() {
    let whole = shown(&[
        json!({"text": "Look:"}),
        json!({"executableCode": {"language": "PYTHON", "code": "print(1)"}, "thoughtSignature": "x"}),
        json!({"codeExecutionResult": {"outcome": "OUTCOME_OK", "output": "1\n"}}),
        json!({}),
        json!({"toolCall": {"toolType": "FILE_SEARCH"}, "thoughtSignature": "y"}),
        json!({"inlineData": {"mimeType": "image/png", "data": "AAAA"}}),
    ]);
    assert_eq!(
        whole,
        [
            "[text",
            "text Look:",
            "text \n",
            "text ```python\nprint(1)\n```\n",
            "text ```text\n1\n```\n",
            "text (a file, image/png, which cannot be shown here)\n",
            "]",
        ]
    );
}

#[test]
fn sources_are_cited_before_their_text_closes() {
    let grounding = json!({"webSearchQueries": ["q"], "groundingChunks": [{"web": {"uri": "https://a.example", "title": "A"}}],
        "groundingSupports": [{"segment": {"startIndex": 2, "endIndex": 7, "text": "Élan"}, "groundingChunkIndices": [0]}]});
    let last = json!({"candidates": [{"content": {"parts": [{"text": "", "thoughtSignature": "cw=="}]},
        "finishReason": "STOP", "groundingMetadata": grounding}]});
    let (events, ended) = decode(&[
        parts(json!([{"text": "A É"}])),
        parts(json!([{"text": "lan."}])),
        last.clone(),
    ]);
    assert_eq!(ended, Ok(()));
    assert_eq!(
        events[1..events.len() - 1],
        [
            "[text",
            "text A É",
            "text lan.",
            "cites https://a.example Some((2, 6))",
            "]",
            "[web_search srvtoolu_pm1_msg_1 {\"query\":\"q\"}",
            "]",
            "[web_search_tool_result [{\"type\":\"web_search_result\",\"url\":\"https://a.example\",\"title\":\"A\",\"encrypted_content\":\"pm1.\",\"page_age\":null}]",
            "]",
        ]
    );
}

#[test]
fn likely_tokens_belong_to_the_open_text() {
    let logprobs = json!({"chosenCandidates": [{"token": "hi", "logProbability": -0.5}]});
    let (events, _) = decode(&[
        json!({"candidates": [{"content": {"parts": [{"text": "hi"}]}, "logprobsResult": logprobs}]}),
        stop(),
    ]);
    assert!(
        events[3].starts_with("logprobs [{\"token\":\"hi\""),
        "{events:?}"
    );
}

#[test]
fn a_blocked_prompt_is_a_refusal() {
    let (events, ended) = decode(&[json!({"promptFeedback": {"blockReason": "SAFETY"},
        "usageMetadata": {"promptTokenCount": 7, "totalTokenCount": 7}})]);
    assert_eq!(ended, Ok(()));
    assert_eq!(
        events,
        ["start - -", "finish refusal SAFETY Some((7, 0, 0, None))"]
    );
    let (events, _) = decode(&[
        json!({"promptFeedback": {"blockReason": "NEW_WORD", "blockReasonMessage": "Because."}}),
    ]);
    assert_eq!(events.last().unwrap(), "finish refusal Because. None");
    let (_, ended) = decode(&[json!({"promptFeedback": {"safetyRatings": []}})]);
    assert_eq!(ended, Err(StreamError::Truncated));
}

#[test]
fn an_answer_that_cannot_be_read_is_an_error_unless_it_says_something() {
    let failed = json!({"candidates": [{"content": {}, "finishReason": "MALFORMED_FUNCTION_CALL", "finishMessage": "odd"}]});
    let (events, ended) = decode(std::slice::from_ref(&failed));
    let error = ended.unwrap_err();
    let error = error.upstream().unwrap();
    assert_eq!((error.kind, error.http_status()), (ErrorKind::Server, 502));
    let message = "the model's answer could not be read: MALFORMED_FUNCTION_CALL: odd";
    assert_eq!(error.message, message);
    assert_eq!(events, ["start - -"]);
    let thought = parts(json!([{"text": "hm", "thought": true}]));
    let (_, ended) = decode(&[thought, failed.clone()]);
    assert_eq!(ended.unwrap_err().upstream().unwrap().message, message);
    let (events, ended) = decode(&[parts(json!([{"text": "I"}])), failed.clone()]);
    assert_eq!(ended, Ok(()));
    let note = "(the model's next step failed: MALFORMED_FUNCTION_CALL: odd)";
    assert!(events.concat().contains(note), "{events:?}");
    assert_eq!(events.last().unwrap(), "finish end_turn - None");
    let (events, _) = decode(&[parts(json!([{"functionCall": {"name": "f"}}])), failed]);
    assert_eq!(events.last().unwrap(), "finish tool_use - None");
}

#[test]
fn a_stream_without_an_end_was_cut() {
    for chunks in [
        vec![],
        vec![parts(json!([{"text": "I"}]))],
        vec![json!({"this": "is not"})],
    ] {
        assert_eq!(decode(&chunks).1, Err(StreamError::Truncated));
    }
}

#[test]
fn errors_end_the_answer_wherever_they_stand() {
    let error = json!({"error": {"code": 503, "message": "The model is overloaded.", "status": "UNAVAILABLE"}});
    for chunks in [
        vec![error.clone()],
        vec![stop(), error.clone()],
        vec![json!([error])],
    ] {
        let ended = decode(&chunks).1.unwrap_err();
        assert_eq!(ended.upstream().unwrap().kind, ErrorKind::Overloaded);
    }
}

#[test]
fn odd_words_and_ratings_are_borne() {
    let chunk = json!({"candidates": [{"content": {"parts": [{"text": "I"}], "role": 3}, "finishReason": "NEW",
        "safetyRatings": [{"category": 7}, null, "x"], "index": 0},
        {"index": 1, "content": {"parts": [{"text": "other"}]}}],
        "usageMetadata": {"promptTokenCount": "4", "serviceTier": []}, "responseId": "r", "modelVersion": "v", "new": {}});
    let (events, ended) = decode(&[chunk]);
    assert_eq!(ended, Ok(()));
    assert_eq!(
        events,
        [
            "start r v",
            "[text",
            "text I",
            "]",
            "finish end_turn - Some((4, 0, 0, None))"
        ]
    );
}

#[test]
fn bodies_are_answers_or_lists_of_chunks() {
    let body = |text: &str| {
        let mut decode = Decode::new(DecodeContext::default());
        let mut out = Vec::new();
        decode
            .body(text.as_bytes(), &mut out)
            .map(|()| short(&out).len())
    };
    let whole = r#"{"candidates":[{"content":{"parts":[{"text":"I"}]},"finishReason":"STOP"}]}"#;
    assert_eq!(body(whole), Ok(5));
    assert_eq!(body(&format!("[{whole},\r\n{whole}]")), Ok(6));
    assert_eq!(
        body(r#"{"candidates":[{"content":{"parts":[{"text":"I"}]}}]}"#),
        Ok(5)
    );
    assert_eq!(
        body(r#"[{"candidates":[{"content":{"parts":[{"text":"I"}]}}]}]"#),
        Err(StreamError::Truncated)
    );
    assert_eq!(
        body(r#"{"candidates":[{"content":{}}]}"#),
        Err(StreamError::Truncated)
    );
    assert_eq!(body(whole.get(..40).unwrap()), Err(StreamError::Truncated));
    assert_eq!(
        body("{}"),
        Err(StreamError::Malformed("a body without candidates"))
    );
    assert_eq!(
        body("<html>"),
        Err(StreamError::Malformed("a chunk that is not a JSON object"))
    );
    assert!(
        body(r#"[{"error":{"code":400,"message":"no"}}]"#)
            .unwrap_err()
            .upstream()
            .is_some()
    );
}

fn any_part() -> impl Strategy<Value = Value> {
    let signature = || prop::option::of("[a-z]{1,3}");
    prop_oneof![
        3 => ("[a-cé\n]{0,4}", signature(), any::<bool>()).prop_map(|(text, signature, thought)| {
            let mut part = json!({"text": text});
            if thought {
                part["thought"] = json!(true);
            }
            if let Some(signature) = signature {
                part["thoughtSignature"] = json!(signature);
            }
            part
        }),
        2 => ("f|g", signature()).prop_map(|(name, signature)| {
            json!({"functionCall": {"name": name, "args": {"x": 1}}, "thoughtSignature": signature})
        }),
        1 => Just(json!({"functionCall": {"name": "p", "willContinue": true}})),
        1 => Just(json!({"functionCall": {"partialArgs": [{"jsonPath": "$.a", "stringValue": "x"}], "willContinue": true}})),
        1 => Just(json!({"functionCall": {}})),
        1 => Just(json!({"executableCode": {"code": "x"}})),
        1 => Just(json!({})),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    /// The grammar of events holds for any parts, and every signature is there but that of a text at the end.
    #[test]
    fn any_parts_keep_the_grammar(each in prop::collection::vec(any_part(), 0..12)) {
        let mut chunks: Vec<Value> = each.iter().map(|it| parts(json!([it]))).collect();
        chunks.push(stop());
        let (events, ended) = decode(&chunks);
        if ended.is_err() {
            prop_assert_eq!(ended, Err(StreamError::Malformed("a function call without a name")));
            return Ok(());
        }
        let mut open = false;
        for event in &events[1..events.len() - 1] {
            match event.as_bytes().first() {
                Some(b'[') => prop_assert!(!std::mem::replace(&mut open, true)),
                Some(b']') => prop_assert!(std::mem::replace(&mut open, false)),
                _ => prop_assert!(open),
            }
        }
        prop_assert!(!open);
        let sealed = events.iter().filter_map(|it| it.split_once("pm1.g.")).filter(|it| !it.1.is_empty());
        let sent = each.iter().filter(|it| it["thoughtSignature"].is_string());
        let missing = sent.count() - sealed.count();
        let last = events.iter().rfind(|it| it.starts_with('['));
        let ends_in_text = last.is_some_and(|it| it.starts_with("[text"));
        prop_assert!(missing <= usize::from(ends_in_text), "{missing} missing: {events:?}");
    }
}
