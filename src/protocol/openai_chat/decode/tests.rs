//! What is told about a text, beside it.

use super::*;
use crate::protocol::canonical::BlockStart;
use crate::protocol::frame::SseDecoder;

/// The events of a stream of these chunks, as words.
fn events(chunks: &[&str]) -> Vec<String> {
    let mut decode = Decode::new(DecodeContext::default());
    let (mut frames, mut out) = (SseDecoder::new(), Vec::new());
    for chunk in chunks.iter().chain(&["[DONE]"]) {
        let bytes = format!("data: {chunk}\n\n");
        frames
            .push(bytes.as_bytes(), |frame| decode.push(frame, &mut out))
            .unwrap();
    }
    decode.finish(&mut out).unwrap();
    out.iter().map(word).collect()
}

fn word(event: &Event) -> String {
    match event {
        Event::Start { .. } => "start".to_owned(),
        Event::BlockStart(BlockStart::Text) => "text:".to_owned(),
        Event::BlockStart(BlockStart::ToolUse { name, .. }) => format!("call {name}:"),
        Event::BlockStart(_) => "block:".to_owned(),
        Event::Text(text) => text.clone(),
        Event::Citation(it) => {
            let title = it.title.as_deref().unwrap_or("-");
            format!(
                "<{} {title} {:?}>",
                it.url.as_deref().unwrap_or("-"),
                it.span
            )
        }
        Event::Logprobs(raw) => raw.get().to_owned(),
        Event::BlockStop => "stop".to_owned(),
        Event::Finish { .. } => "finish".to_owned(),
        Event::Thinking(_) | Event::Signature(_) | Event::ToolArguments(_) => "…".to_owned(),
    }
}

fn text(text: &str, rest: &str) -> String {
    format!(r#"{{"choices":[{{"index":0,"delta":{{"content":"{text}"{rest}}}}}]}}"#)
}

const SOURCE: &str = r#","annotations":[{"type":"url_citation","url_citation":{"url":"u","title":"T","start_index":0,"end_index":2}}]"#;

#[test]
fn sources_of_a_text_are_told_while_it_is_open() {
    let said = events(&[&text("Hi", ""), &text("", SOURCE)]);
    assert_eq!(
        said,
        [
            "start",
            "text:",
            "Hi",
            "<u T Some((0, 2))>",
            "stop",
            "finish"
        ]
    );
}

#[test]
fn sources_that_come_first_wait_for_their_text() {
    let said = events(&[&text("", SOURCE), &text("Hi", "")]);
    assert_eq!(
        said,
        [
            "start",
            "text:",
            "Hi",
            "<u T Some((0, 2))>",
            "stop",
            "finish"
        ]
    );
}

#[test]
fn sources_of_a_second_text_do_not_tell_places_of_the_first() {
    let call = r#"{"choices":[{"delta":{"tool_calls":[{"index":0,"id":"call_12345678","function":{"name":"f","arguments":"{}"}}]}}]}"#;
    let said = events(&[&text("Hi", ""), call, &text("you", SOURCE)]);
    assert_eq!(
        said[6..],
        ["stop", "text:", "you", "<u T None>", "stop", "finish"]
    );
}

#[test]
fn sources_beside_the_choices_are_told_once() {
    let chunk = |text: &str| {
        format!(
            r#"{{"citations":["u"],"search_results":[{{"url":"u","title":"T"}}],"choices":[{{"delta":{{"content":"{text}"}}}}]}}"#
        )
    };
    let said = events(&[&chunk("a"), &chunk("b")]);
    assert_eq!(
        said,
        ["start", "text:", "a", "b", "<u T None>", "stop", "finish"]
    );
}

#[test]
fn log_probabilities_follow_their_text() {
    let chunk = |text: &str, tokens: &str| {
        format!(r#"{{"choices":[{{"delta":{{"content":"{text}"}},"logprobs":{tokens}}}]}}"#)
    };
    let said = events(&[
        &chunk("", r#"{"content":[],"refusal":null}"#),
        &chunk("a", r#"{"content":[{"token":"a","logprob":-0.10}]}"#),
        &chunk("b", "0.5"),
        &chunk("c", "null"),
    ]);
    let tokens = r#"[{"token":"a","logprob":-0.10}]"#;
    assert_eq!(
        said,
        ["start", "text:", "a", tokens, "b", "c", "stop", "finish"]
    );
}

#[test]
fn a_flood_of_sources_without_a_text_is_refused() {
    let mut decode = Decode::new(DecodeContext::default());
    let long = "u".repeat(1 << 20);
    let chunk = text("", &SOURCE.replace("\"u\"", &format!("\"{long}\"")));
    let frame = Frame {
        event: b"",
        data: chunk.as_bytes(),
    };
    let mut out = Vec::new();
    let mut given = Ok(());
    for _ in 0..5 {
        given = given.and_then(|()| decode.push(frame, &mut out));
    }
    assert!(matches!(given, Err(StreamError::TooMuch(_))));
}

fn call(function: &str) -> String {
    format!(
        r#"{{"choices":[{{"delta":{{"tool_calls":[{{"index":0,"id":"call_12345678","function":{{{function}}}}}]}}}}]}}"#
    )
}

#[test]
fn a_functions_name_in_pieces_is_joined_until_arguments_begin() {
    let name = |name: &str| call(&format!(r#""name":"{name}","arguments":"""#));
    let arguments = call(r#""arguments":"{}""#);
    let named = |name: &str| call(&format!(r#""name":"{name}","arguments":"{{}}""#));
    let expected = ["start", "call get_weather:", "…", "stop", "finish"];
    for chunks in [
        vec![name("get_"), name("weather"), arguments.clone()],
        vec![name("get_"), name("get_wea"), named("get_weather")],
        vec![name("get_weather"), name(""), named("get_weather")],
        vec![name("get_"), named("weather")],
    ] {
        let chunks: Vec<&str> = chunks.iter().map(String::as_str).collect();
        assert_eq!(events(&chunks), expected, "{chunks:?}");
    }
    // Without arguments, at the end; and when something else follows, at once.
    let alone = events(&[&name("get_"), &name("weather")]);
    assert_eq!(alone, ["start", "call get_weather:", "stop", "finish"]);
    let before = events(&[&name("get_"), &name("weather"), &arguments, &text("so", "")]);
    assert_eq!(before[1], "call get_weather:");
}

#[test]
fn a_functions_name_has_an_end() {
    let mut decode = Decode::new(DecodeContext::default());
    let mut given = Ok(());
    for number in 0..5 {
        let piece = format!("{number}{}", "n".repeat(20 << 10));
        let chunk = call(&format!(r#""name":"{piece}""#));
        let frame = Frame {
            event: b"",
            data: chunk.as_bytes(),
        };
        given = given.and_then(|()| decode.push(frame, &mut Vec::new()));
    }
    assert_eq!(given, Err(StreamError::TooMuch("a tool's name")));
}

#[test]
fn a_picture_that_a_model_made_is_mentioned() {
    let data = r#"{"type":"image_url","image_url":{"url":"data:image/png;base64,AAAA"}}"#;
    let link = r#"{"type":"image_url","image_url":{"url":"https://a.example/b.png"}}"#;
    let images = format!(r#","images":[{data},{link}]"#);
    let said = events(&[
        &text("Here:", ""),
        &text("", &images),
        &text("", r#","images":null"#),
    ]);
    let pictures = [
        "\n(a file, image/png, which cannot be shown here)\n",
        "\n(a file, at https://a.example/b.png)\n",
    ];
    assert_eq!(
        said,
        [
            "start",
            "text:",
            "Here:",
            pictures[0],
            pictures[1],
            "stop",
            "finish"
        ]
    );
}
