use super::*;

/// A short stream: thinking by signature alone, then an empty text block.
const STREAM: &str = "event: message_start\r\n\
data: {\"type\":\"message_start\",\"message\":{\"id\":\"msg_1\",\"usage\":{\"input_tokens\":46,\"cache_read_input_tokens\":7,\"output_tokens\":3}}}\r\n\r\n\
: comment\n\
event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"thinking\",\"thinking\":\"\",\"signature\":\"\"}}\n\n\
event: ping\ndata: {\"type\": \"ping\"}\n\n\
event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"signature_delta\",\"signature\":\"EuY\"}   }\n\n\
event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":0}\n\n\
event: later_invention\ndata: {\"type\":\"later_invention\",\"delta\":7}\n\n\
event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\",\"stop_sequence\":null},\"usage\":{\"output_tokens\":40,\"output_tokens_details\":{\"thinking_tokens\":9}}}\n\n\
event: message_stop\ndata: {\"type\":\"message_stop\" }\n\n";

fn tap(pieces: &[&str]) -> StreamTap {
    let mut tap = StreamTap::new();
    for piece in pieces {
        tap.push(piece.as_bytes()).unwrap();
    }
    tap
}

#[test]
fn a_stream_cut_anywhere_is_seen_the_same() {
    for (at, _) in STREAM.char_indices() {
        let (head, tail) = STREAM.split_at(at);
        let tap = tap(&[head, tail]);
        assert!(tap.has_started() && tap.has_content() && tap.has_ping() && tap.is_complete());
        assert_eq!(tap.stop_reason(), Some("end_turn"));
        assert_eq!(
            tap.usage(),
            Some(Usage {
                input: 46,
                cache_read: 7,
                cache_creation: 0,
                output: 40,
                thinking: Some(9)
            })
        );
        assert!(tap.error().is_none() && !tap.is_malformed());
    }
}

#[test]
fn content_is_what_a_reader_would_see() {
    let seen = |event: &str, data: &str| {
        tap(&[&format!("event: {event}\ndata: {data}\n\n")]).has_content()
    };
    let start = |block: &str| {
        let data = format!("{{\"type\":\"content_block_start\",\"content_block\":{block}}}");
        seen("content_block_start", &data)
    };
    let delta = |delta: &str| {
        let data = format!("{{\"type\":\"content_block_delta\",\"delta\":{delta}}}");
        seen("content_block_delta", &data)
    };
    assert!(!start(r#"{"type":"text","text":""}"#));
    assert!(!start(
        r#"{"type":"thinking","thinking":"","signature":""}"#
    ));
    assert!(start(
        r#"{"type":"tool_use","id":"t","name":"n","input":{}}"#
    ));
    assert!(start(
        r#"{"type":"server_tool_use","id":"t","name":"n","input":{}}"#
    ));
    assert!(start(r#"{"type":"redacted_thinking","data":"x"}"#));
    assert!(start(r#"{"type":"not_yet_invented"}"#));
    assert!(!delta(r#"{"type":"text_delta","text":""}"#));
    assert!(!delta(r#"{"type":"input_json_delta","partial_json":""}"#));
    assert!(delta(r#"{"type":"text_delta","text":"\n"}"#));
    assert!(delta(r#"{"type":"thinking_delta","thinking":"a"}"#));
    assert!(delta(r#"{"type":"citations_delta","citation":{}}"#));
    assert!(!seen(
        "message_start",
        r#"{"type":"message_start","message":{}}"#
    ));
    assert!(!seen("ping", "{}"));
    assert!(!seen(
        "error",
        r#"{"type":"error","error":{"type":"api_error","message":"m"}}"#
    ));
    assert!(seen("message_stop", r#"{"type":"message_stop"}"#));
    assert!(!seen(
        "message_delta",
        r#"{"type":"message_delta","delta":{"stop_reason":null}}"#
    ));
    assert!(seen(
        "message_delta",
        r#"{"type":"message_delta","delta":{"stop_reason":"end_turn"}}"#
    ));
}

#[test]
fn an_error_inside_is_read_and_is_no_end() {
    let data = r#"{"type":"error","error":{"details":null,"type":"overloaded_error","message":"Overloaded"}}"#;
    for text in [
        format!("event: error\ndata: {data}\n\n"),
        format!("data: {data}\n\n"),
    ] {
        let tap = tap(&[&text]);
        let error = tap.error().unwrap();
        assert_eq!(error.error_type.as_deref(), Some("overloaded_error"));
        assert_eq!(error.message, "Overloaded");
        assert_eq!(
            error.kind,
            crate::protocol::upstream_error::ErrorKind::Overloaded
        );
        assert!(!tap.is_complete() && !tap.has_content());
    }
}

#[test]
fn a_last_event_without_its_blank_line_counts_at_the_end() {
    let mut tap = tap(&["event: message_stop\ndata: {\"type\":\"message_stop\"}"]);
    assert!(!tap.is_complete());
    tap.finish().unwrap();
    assert!(tap.is_complete());
}

#[test]
fn garbage_is_noted_but_does_not_end_the_relay() {
    let tap = tap(&["event: message_delta\ndata: {\"type\":\n\n"]);
    assert!(tap.is_malformed());
    assert!(!tap.has_content());
}

#[test]
fn bodies_are_told_apart() {
    let message = br#"{"id":"msg_1","type":"message","content":[{"deep":[[[]]]}],"stop_reason":"tool_use","usage":{"input_tokens":3,"output_tokens":4}}"#;
    assert_eq!(
        BodyTap::read(message),
        BodyTap::Message {
            usage: Some(Usage {
                input: 3,
                output: 4,
                ..Usage::default()
            }),
            stop_reason: Some("tool_use".to_owned())
        }
    );
    for body in [
        r#"{"type":"error","error":{"type":"overloaded_error","message":"m"}}"#,
        r#"{"error":{"message":"m","type":"server_error"}}"#,
        r#"{"error":"m"}"#,
    ] {
        assert!(matches!(BodyTap::read(body.as_bytes()), BodyTap::Error(it) if it.message == "m"));
    }
    for body in [
        "",
        "<html>",
        "{\"type\":\"mess",
        "[]",
        "{}",
        r#"{"type":"other"}"#,
        "\"x\"",
    ] {
        assert_eq!(
            BodyTap::read(body.as_bytes()),
            BodyTap::NotMessage,
            "{body}"
        );
    }
}
