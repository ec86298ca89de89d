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
