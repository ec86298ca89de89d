//! Lines in, events out: however the bytes are cut, and whatever is missing at the end.

use proptest::prelude::*;

use super::*;
use crate::error::FaultKind;

const START: &str = r#"{"type":"message_start","message":{"id":"m"}}"#;
const DELTA: &str = r#"{"type":"content_block_delta","index":0,"delta":{"text":"é \" \n"}}"#;
const STOP: &str = r#"{"type":"message_stop"}"#;

fn event(text: &str) -> String {
    format!("{{\"event\":{text}}}\n")
}

fn status(text: &str) -> String {
    format!("{{\"status\":{text}}}\n")
}

/// What is given out, and how it ended.
fn opened(within: Dialect, lines: Lines, pieces: &[&[u8]]) -> (String, Result<(), StreamError>) {
    let mut unwrap = Unwrap::new(within, lines);
    let mut out = Vec::new();
    for piece in pieces {
        if let Err(error) = unwrap.push(piece, &mut out) {
            return (String::from_utf8(out).unwrap(), Err(error));
        }
    }
    let ended = unwrap.finish(&mut out);
    (String::from_utf8(out).unwrap(), ended)
}

fn whole(lines: Lines, text: &str) -> (String, Result<(), StreamError>) {
    opened(Dialect::Anthropic, lines, &[text.as_bytes()])
}

fn message() -> String {
    [START, DELTA, STOP].map(event).concat()
}

fn sse() -> String {
    format!(
        "event: message_start\ndata: {START}\n\nevent: content_block_delta\ndata: {DELTA}\n\nevent: message_stop\ndata: {STOP}\n\n"
    )
}

#[test]
fn events_leave_as_the_maker_would_have_sent_them() {
    let told = [
        status(r#"{"queued":{"position":1}}"#),
        status(r#""started""#),
        message(),
        status(r#"{"usage_updated":{"amount":1,"limit":"unlimited"}}"#),
        status(r#""stream_ended""#),
    ]
    .concat();
    assert_eq!(whole(Lines::StatusesAndEnd, &told), (sse(), Ok(())));
    assert_eq!(whole(Lines::Statuses, &message()), (sse(), Ok(())));
    let raw = [START, DELTA, STOP].map(|it| format!("{it}\r\n")).concat();
    assert_eq!(whole(Lines::Events, &raw), (sse(), Ok(())));
    // The last line needs no end.
    assert_eq!(whole(Lines::Events, raw.trim_end()), (sse(), Ok(())));
}

#[test]
fn without_the_word_for_its_end_an_answer_was_cut() {
    let (out, ended) = whole(Lines::StatusesAndEnd, &message());
    assert_eq!(ended, Err(StreamError::Truncated));
    assert!(out.contains("content_block_delta") && !out.contains("message_stop"));
    let ended_early = event(START) + &status(r#""stream_ended""#);
    let (out, ended) = whole(Lines::StatusesAndEnd, &ended_early);
    // Whether the answer itself is whole is for its own reader to say.
    assert_eq!(ended, Ok(()));
    assert!(!out.contains("message_stop"));
}

#[test]
fn a_failure_is_the_makers_before_and_after_content() {
    let failed = status(
        r#"{"failed":{"code":"upstream_http_529","message":"Overloaded","request_id":"r","retry_after":null}}"#,
    );
    for before in [String::new(), event(START) + &event(DELTA)] {
        let (_, ended) = whole(Lines::StatusesAndEnd, &(before + &failed + &message()));
        let error = ended.unwrap_err();
        assert_eq!(
            error.fault_kind(),
            FaultKind::UpstreamOverloaded { after: None }
        );
    }
}

#[test]
fn the_limit_of_tool_calls_ends_an_answer_that_has_said_nothing() {
    let limit = status(r#""tool_use_limit_reached""#);
    let (_, ended) = whole(Lines::Statuses, &(event(START) + &limit));
    let kind = ended.unwrap_err().fault_kind();
    assert!(
        matches!(kind, FaultKind::UpstreamLimited { .. }),
        "{kind:?}"
    );
    // An answer that is whole is an answer.
    let (out, ended) = whole(Lines::Statuses, &(limit + &message()));
    assert_eq!((out, ended), (sse(), Ok(())));
}

#[test]
fn chats_get_the_word_that_ends_them_once_they_have_ended() {
    let chunk = r#"{"choices":[{"index":0,"delta":{"content":"a"}}]}"#;
    let last = r#"{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"#;
    let usage = r#"{"choices":[],"usage":{"prompt_tokens":1}}"#;
    let chat = |lines, text: String| opened(Dialect::OpenAiChat, lines, &[text.as_bytes()]);
    let all = [chunk, last, usage].map(event).concat();
    let expected = format!("data: {chunk}\n\ndata: {last}\n\ndata: {usage}\n\ndata: [DONE]\n\n");
    let end = status(r#""stream_ended""#);
    let told = chat(Lines::StatusesAndEnd, all.clone() + &end);
    assert_eq!(told, (expected.clone(), Ok(())));
    assert_eq!(chat(Lines::Statuses, all), (expected, Ok(())));
    let (out, _) = chat(Lines::StatusesAndEnd, event(chunk) + &end);
    assert!(!out.contains("DONE"), "{out}");
}

#[test]
fn what_is_no_line_of_the_service_is_told_as_such() {
    for (lines, text) in [
        (Lines::Statuses, "{\"other\":1}\n"),
        (Lines::Statuses, "event: message_start\n"),
        (Lines::Statuses, "{\"event\":7}\n"),
        (Lines::Events, "<html>\n"),
        (Lines::Events, "{\"type\":\n"),
    ] {
        let (_, ended) = whole(lines, text);
        assert!(matches!(ended, Err(StreamError::Malformed(_))), "{text}");
    }
    let (_, ended) = opened(Dialect::Anthropic, Lines::Events, &[b"{\"a\":\"\xff\"}\n"]);
    assert!(matches!(ended, Err(StreamError::Malformed(_))));
}

#[test]
fn a_line_that_does_not_end_is_not_kept_for_ever() {
    let piece = vec![b' '; 1 << 20];
    let mut unwrap = Unwrap::new(Dialect::Anthropic, Lines::Statuses);
    let mut out = Vec::new();
    let mut pushed = (0..5).map(|_| unwrap.push(&piece, &mut out));
    assert!(pushed.any(|it| it == Err(StreamError::Frame(FrameTooLarge))));
}

/// A line of any kind; most of them are good.
fn any_line() -> impl Strategy<Value = String> {
    prop_oneof![
        6 => prop::sample::select(vec![START, DELTA, STOP]).prop_map(event),
        1 => Just(status(r#""stream_ended""#)),
        1 => Just(status(r#""tool_use_limit_reached""#)),
        1 => Just(status(r#"{"queued":{"position":2}}"#)),
        1 => Just(status(r#"{"failed":{"code":"x","message":"é"}}"#)),
        1 => Just("\r\n".to_owned()),
        1 => ".{0,20}",
    ]
}

proptest! {
    #[test]
    fn any_split_gives_the_same(
        text in prop::collection::vec(any_line(), 0..12).prop_map(|it| it.concat()),
        cuts in prop::collection::vec(0_usize..600, 0..12),
        lines in prop::sample::select(vec![Lines::Events, Lines::Statuses, Lines::StatusesAndEnd]),
        within in prop::sample::select(vec![
            Dialect::Anthropic, Dialect::OpenAiChat, Dialect::OpenAiResponses, Dialect::Gemini,
        ]),
    ) {
        let bytes = text.as_bytes();
        let mut cuts: Vec<usize> = cuts.into_iter().map(|it| it.min(bytes.len())).collect();
        cuts.extend([0, bytes.len()]);
        cuts.sort_unstable();
        let pieces: Vec<&[u8]> = cuts.windows(2).map(|it| &bytes[it[0]..it[1]]).collect();
        prop_assert_eq!(opened(within, lines, &pieces), opened(within, lines, &[bytes]));
    }

    #[test]
    fn garbage_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = opened(Dialect::Gemini, Lines::StatusesAndEnd, &[&bytes]);
    }
}
