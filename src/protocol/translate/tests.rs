use super::*;
use crate::protocol::frame::limit::{MAX_HELD_BYTES, MAX_TOOL_CALLS};
use crate::protocol::upstream_error::StreamError;
use crate::types::Dialect;

fn translator() -> StreamTranslator {
    let ctx = AnswerContext::between(Dialect::OpenAiChat, Dialect::Anthropic);
    StreamTranslator::new(ctx.named("", "msg_1", 0))
}

fn chunk(delta: &str) -> String {
    format!("data: {{\"choices\":[{{\"index\":0,\"delta\":{delta}}}]}}\n\n")
}

/// Pushes chunks one by one; `None` while no content was reported.
fn content_after(chunks: &[&str]) -> Option<usize> {
    let mut translator = translator();
    chunks.iter().position(|it| {
        translator.push(it.as_bytes(), &mut Vec::new()).unwrap();
        translator.has_content()
    })
}

#[test]
fn the_commit_point_is_the_first_thing_a_reader_sees() {
    let role = &chunk(r#"{"role":"assistant","content":""}"#);
    let nothing = &chunk(r#"{"content":null,"reasoning_content":""}"#);
    let filter = "data: {\"choices\":[],\"prompt_filter_results\":[]}\n\n";
    let usage = "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":3}}\n\n";
    for content in [
        r#"{"content":"a"}"#,
        r#"{"content":"\n\nx"}"#,
        r#"{"reasoning":"a"}"#,
        r#"{"refusal":"a"}"#,
        r#"{"tool_calls":[{"index":0,"id":"call_1","function":{"name":"n","arguments":"{"}}]}"#,
    ] {
        let content = &chunk(content);
        let all = [
            ": comment\n\n",
            filter,
            role,
            nothing,
            usage,
            content.as_str(),
        ];
        assert_eq!(content_after(&all), Some(5), "{content}");
    }
    // The rest of a function's name may follow.
    let named =
        r#"{"tool_calls":[{"index":0,"id":"call_1","function":{"name":"n","arguments":""}}]}"#;
    assert_eq!(content_after(&[role, &chunk(named)]), None);
    // Spaces may be the beginning of a thinking tag; the end of an empty answer is content as well.
    assert_eq!(content_after(&[role, &chunk(r#"{"content":"\n"}"#)]), None);
    let stop = "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n";
    assert_eq!(
        content_after(&[role, stop, usage, "data: [DONE]\n\n"]),
        Some(3)
    );
}

#[test]
fn an_error_before_content_leaves_the_commit_open() {
    let mut translator = translator();
    let mut out = Vec::new();
    let role = chunk(r#"{"role":"assistant"}"#);
    translator.push(role.as_bytes(), &mut out).unwrap();
    let error = b"data: {\"error\":{\"message\":\"Overloaded\",\"code\":529}}\n\n";
    let error = translator.push(error, &mut out).unwrap_err();
    assert!(error.upstream().is_some());
    assert!(!translator.has_content() && !translator.is_complete());
    // Whatever follows is ignored, and the end does not fake one.
    let length = out.len();
    translator
        .push(chunk(r#"{"content":"a"}"#).as_bytes(), &mut out)
        .unwrap();
    translator.finish(&mut out).unwrap();
    assert!(!translator.is_complete());
    assert_eq!(out.len(), length);
}

#[test]
fn placeholders_of_errors_are_none_and_groqs_is_one() {
    let with = |extra: &str| {
        let data =
            format!("data: {{\"choices\":[{{\"delta\":{{\"content\":\"a\"}}}}],{extra}}}\n\n");
        translator().push(data.as_bytes(), &mut Vec::new())
    };
    for nothing in ["null", "\"\"", "{}", "false"] {
        assert_eq!(with(&format!("\"error\":{nothing}")), Ok(()), "{nothing}");
        assert_eq!(
            with(&format!("\"x_groq\":{{\"error\":{nothing}}}")),
            Ok(()),
            "{nothing}"
        );
    }
    let error = with("\"x_groq\":{\"error\":\"over capacity\"}").unwrap_err();
    assert_eq!(error.upstream().unwrap().message, "over capacity");
}

#[test]
fn what_is_no_object_is_malformed() {
    for data in ["[]", "[{\"choices\":[]}]", "null", "\"text\"", "7", "ping"] {
        let frame = format!("data: {data}\n\n");
        let given = translator().push(frame.as_bytes(), &mut Vec::new());
        assert!(matches!(given, Err(StreamError::Malformed(_))), "{data}");
    }
}

#[test]
fn usage_is_known_before_the_end() {
    let mut translator = translator();
    let usage =
        b"data: {\"choices\":[],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":4}}\n\n";
    translator.push(usage, &mut Vec::new()).unwrap();
    assert_eq!(
        translator.usage().map(|it| (it.input, it.output)),
        Some((3, 4))
    );
    assert_eq!(translator.stop_reason(), None);
}

#[test]
fn a_flood_of_calls_is_refused() {
    let mut translator = translator();
    let mut out = Vec::new();
    let mut last = Ok(());
    for index in 0..=MAX_TOOL_CALLS {
        assert_eq!(last, Ok(()));
        let call = format!(
            r#"{{"tool_calls":[{{"index":{index},"id":"call_{index:09}","function":{{"name":"n","arguments":"{{}}"}}}}]}}"#
        );
        last = translator.push(chunk(&call).as_bytes(), &mut out);
    }
    assert_eq!(last, Err(StreamError::TooMuch("tool calls")));
}

#[test]
fn what_waits_for_an_open_call_is_bounded() {
    let mut translator = translator();
    let mut out = Vec::new();
    let open = r#"{"tool_calls":[{"index":0,"id":"call_000000","function":{"name":"n","arguments":"{"}}]}"#;
    translator.push(chunk(open).as_bytes(), &mut out).unwrap();
    let text = chunk(&format!(
        "{{\"content\":\"{}\"}}",
        "x".repeat(MAX_HELD_BYTES / 4)
    ));
    for _ in 0..4 {
        translator.push(text.as_bytes(), &mut out).unwrap();
    }
    assert!(out.len() < 1000);
    let given = translator.push(chunk(r#"{"content":"y"}"#).as_bytes(), &mut out);
    assert_eq!(given, Err(StreamError::TooMuch("interleaved tool calls")));
}

#[test]
fn an_event_without_end_is_refused() {
    let mut translator = translator();
    let part = "x".repeat(1 << 20);
    let given: Result<(), StreamError> =
        (0..6).try_for_each(|_| translator.push(part.as_bytes(), &mut Vec::new()));
    assert!(matches!(given, Err(StreamError::Frame(_))));
}

#[test]
fn a_call_that_goes_on_after_it_was_closed_is_a_fault() {
    let mut translator = translator();
    let mut out = Vec::new();
    let whole = r#"{"tool_calls":[{"index":0,"id":"call_000000","function":{"name":"n","arguments":"{}"}}]}"#;
    let space = r#"{"tool_calls":[{"index":0,"function":{"arguments":" \n"}}]}"#;
    let more = r#"{"tool_calls":[{"index":0,"function":{"arguments":"{\"a\":1}"}}]}"#;
    for good in [whole, r#"{"content":"text"}"#, space] {
        translator.push(chunk(good).as_bytes(), &mut out).unwrap();
    }
    let given = translator.push(chunk(more).as_bytes(), &mut out);
    assert!(matches!(given, Err(StreamError::Malformed(_))));
}

#[test]
fn deep_nesting_is_refused_or_skipped_but_never_followed() {
    let deep = "[".repeat(100_000) + &"]".repeat(100_000);
    for field in ["content", "ignored", "reasoning_details"] {
        let mut translator = translator();
        let data = chunk(&format!("{{\"{field}\":{deep}}}"));
        let _either_way = translator.push(data.as_bytes(), &mut Vec::new());
    }
}

/// What a chat client hears of this chat stream.
fn chat_to(client: Dialect, chunks: &[String]) -> String {
    let mut ctx = AnswerContext::between(Dialect::OpenAiChat, client).named("m", "msg_1", 0);
    ctx.encode.freeform = vec!["patch".to_owned()];
    let mut translator = StreamTranslator::new(ctx);
    let mut out = Vec::new();
    for chunk in chunks {
        translator.push(chunk.as_bytes(), &mut out).unwrap();
    }
    translator.finish(&mut out).unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn calls_with_a_free_text_are_calls() {
    let piece = |index: u64, head: &str, input: &str| {
        chunk(&format!(
            r#"{{"tool_calls":[{{"index":{index},{head}"custom":{{{input}}}}}]}}"#
        ))
    };
    let head = |id: &str| format!(r#""id":"{id}","type":"custom","#);
    let chunks = [
        piece(0, &head("call_000000"), r#""name":"patch","input":"""#),
        piece(0, "", r#""input":"a\"b""#),
        piece(0, "", r#""input":"\nc\\""#),
        piece(1, &head("call_000001"), r#""name":"other","input":"null""#),
        "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"tool_calls\"}]}\n\n".to_owned(),
        "data: [DONE]\n\n".to_owned(),
    ];
    // Shown as it comes: a client that watches it is not kept waiting for the end.
    assert_eq!(content_after(&[&chunks[0]]), Some(0));
    let read = |client| {
        let stream = chat_to(client, &chunks);
        let data = stream.lines().filter_map(|it| it.strip_prefix("data: {"));
        let data = data.map(|it| serde_json::from_str::<serde_json::Value>(&format!("{{{it}")));
        data.map(Result::unwrap).collect::<Vec<_>>()
    };
    let joined = |client, path: &str| -> String {
        let all = read(client);
        let pieces = all.iter().filter_map(|it| it.pointer(path)?.as_str());
        pieces.collect()
    };
    assert_eq!(
        joined(Dialect::Anthropic, "/delta/partial_json"),
        r#"{"input":"a\"b\nc\\"}{"input":"null"}"#
    );
    let call = "/choices/0/delta/tool_calls/0";
    let input = format!("{call}/custom/input");
    assert_eq!(joined(Dialect::OpenAiChat, &input), "a\"b\nc\\");
    let arguments = format!("{call}/function/arguments");
    assert_eq!(
        joined(Dialect::OpenAiChat, &arguments),
        r#"{"input":"null"}"#
    );
}

#[test]
fn items_that_only_their_own_dialect_knows_are_content_to_who_speaks_it() {
    let added = r#"data: {"type":"response.output_item.added","output_index":0,"item":{"type":"image_generation_call","id":"ig_1"}}"#;
    let mut observer = Observer::new(Dialect::OpenAiResponses);
    observer.push(b"data: {\"type\":\"response.created\",\"response\":{}}\n\n");
    assert!(!observer.has_content());
    observer.push(format!("{added}\n\n").as_bytes());
    assert!(observer.has_content());
}

#[test]
fn bytes_that_json_does_not_know_as_space_make_the_same_fault_however_they_are_cut() {
    let ended = |pieces: &[&str]| {
        let mut translator = StreamTranslator::new(AnswerContext::between(
            Dialect::Anthropic,
            Dialect::Anthropic,
        ));
        let mut out = Vec::new();
        for piece in pieces {
            translator.push(piece.as_bytes(), &mut out)?;
        }
        translator.finish(&mut out)
    };
    let whole = ended(&["\u{c}{}\r"]);
    assert!(whole.is_err());
    assert_eq!(ended(&["\u{c}", "{}\r"]), whole);
    assert_eq!(
        ended(&[" \n", "{}"]),
        Err(StreamError::Malformed("a message without content"))
    );
}
