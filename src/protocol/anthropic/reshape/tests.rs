use super::*;

fn events(message: &str) -> Vec<(String, String)> {
    let stream = String::from_utf8(stream_of(message.as_bytes()).unwrap()).unwrap();
    let events = stream.split_terminator("\n\n").map(|it| {
        let (event, data) = it.split_once('\n').unwrap();
        let event = event.strip_prefix("event: ").unwrap();
        (
            event.to_owned(),
            data.strip_prefix("data: ").unwrap().to_owned(),
        )
    });
    events.collect()
}

/// The events of one block, their type and index left out.
fn block(block: &str) -> Vec<String> {
    let message = format!(r#"{{"type":"message","content":[{block}]}}"#);
    let events = events(&message);
    let (first, last) = (&events[0].0, &events[events.len() - 1].0);
    assert_eq!(
        (first.as_str(), last.as_str()),
        ("message_start", "message_stop")
    );
    let inner = &events[1..events.len() - 2];
    let inner = inner.iter().map(|(event, data)| {
        let head = format!(r#"{{"type":"{event}","index":0"#);
        data.strip_prefix(&head).unwrap().to_owned()
    });
    inner.collect()
}

#[test]
fn the_frame_of_a_message() {
    let message = r#"{ "id":"msg_1","type":"message", "role":"assistant","model":"m",
        "content":[],"stop_reason":"refusal","stop_sequence":null,"stop_details":{"type":"refusal"},
        "container":{"id":"c"},"new":{"n":1.50},"context_management":{"edits":[]},
        "usage":{"input_tokens":3,
                 "output_tokens":9,"service_tier":"standard"}}"#;
    let spaces = " ".repeat(17);
    let usage =
        format!(r#"{{"input_tokens":3, {spaces}"output_tokens":9,"service_tier":"standard"}}"#);
    let expected = [
        (
            "message_start",
            format!(
                r#"{{"type":"message_start","message":{{"id":"msg_1","type":"message","role":"assistant","model":"m","content":[],"stop_reason":null,"stop_sequence":null,"stop_details":null,"container":null,"new":{{"n":1.50}},"usage":{usage}}}}}"#
            ),
        ),
        (
            "message_delta",
            format!(
                r#"{{"type":"message_delta","delta":{{"stop_reason":"refusal","stop_sequence":null,"stop_details":{{"type":"refusal"}},"container":{{"id":"c"}}}},"usage":{usage},"context_management":{{"edits":[]}}}}"#
            ),
        ),
        ("message_stop", r#"{"type":"message_stop"}"#.to_owned()),
    ];
    assert_eq!(
        events(message),
        expected.map(|(event, data)| (event.to_owned(), data))
    );
}

#[test]
fn counters_are_there_even_when_nobody_counted() {
    let events = events(r#"{"type":"message","content":[]}"#);
    for (event, data) in &events[..2] {
        assert!(
            data.contains(r#""usage":{"input_tokens":0,"output_tokens":0}"#),
            "{event}"
        );
    }
}

#[test]
fn text_opens_empty() {
    assert_eq!(
        block(r#"{"type":"text","text":"a\n\ud83dé","citations":[{"n":1}, {"n":2}]}"#),
        [
            r#","content_block":{"type":"text","text":"","citations":[]}}"#,
            r#","delta":{"type":"text_delta","text":"a\n\ud83dé"}}"#,
            r#","delta":{"type":"citations_delta","citation":{"n":1}}}"#,
            r#","delta":{"type":"citations_delta","citation":{"n":2}}}"#,
            "}",
        ]
    );
    let start = r#","content_block":{"type":"text","text":"","citations":null}}"#;
    assert_eq!(
        block(r#"{"type":"text","text":"","citations":null}"#),
        [start, "}"]
    );
}

#[test]
fn thinking_is_signed_last() {
    assert_eq!(
        block(r#"{"signature":"EuYD==","type":"thinking","thinking":"hm"}"#),
        [
            r#","content_block":{"signature":"","type":"thinking","thinking":""}}"#,
            r#","delta":{"type":"thinking_delta","thinking":"hm"}}"#,
            r#","delta":{"type":"signature_delta","signature":"EuYD=="}}"#,
            "}",
        ]
    );
    // `display: omitted`.
    assert_eq!(
        block(r#"{"type":"thinking","thinking":"","signature":"EuYD=="}"#),
        [
            r#","content_block":{"type":"thinking","thinking":"","signature":""}}"#,
            r#","delta":{"type":"signature_delta","signature":"EuYD=="}}"#,
            "}",
        ]
    );
}

#[test]
fn a_tools_input_goes_as_it_was_written() {
    assert_eq!(
        block(
            "{\"type\":\"tool_use\",\"id\":\"t\",\"name\":\"n\",\"input\":{ \"b\":1.50,\n\"a\":12345678901234567890},\"caller\":{\"type\":\"direct\"}}"
        ),
        [
            r#","content_block":{"type":"tool_use","id":"t","name":"n","input":{},"caller":{"type":"direct"}}}"#,
            r#","delta":{"type":"input_json_delta","partial_json":"{ \"b\":1.50,\n\"a\":12345678901234567890}"}}"#,
            "}",
        ]
    );
    for input in ["{}", "{ }", "null", "[1]"] {
        let whole = format!(r#"{{"type":"server_tool_use","input":{input}}}"#);
        assert_eq!(
            block(&whole),
            [&format!(r#","content_block":{whole}}}"#), "}"],
            "{input}"
        );
    }
}

#[test]
fn other_blocks_are_whole_when_they_open() {
    for whole in [
        r#"{"type":"redacted_thinking","data":"x"}"#,
        r#"{"type":"web_search_tool_result","tool_use_id":"t","content":[{"text":"a"}]}"#,
        r#"{"type":"later","text":"a","input":{"b":1}}"#,
        r#"{"type":"text","text":["not","a","string"]}"#,
        r#"{"text":"no type"}"#,
    ] {
        let start = format!(r#","content_block":{whole}}}"#);
        assert_eq!(block(whole), [&start, "}"]);
    }
}

#[test]
fn what_is_no_message_is_an_error() {
    for body in [
        "",
        "[]",
        "<html>",
        r#"{"type":"error","error":{}}"#,
        r#"{"id":"msg_1","content":[]}"#,
        r#"{"type":"message"}"#,
        r#"{"type":"message","content":"text"}"#,
        r#"{"type":"message","content":["text"]}"#,
        r#"{"type":"message","content":[]"#,
    ] {
        let error = stream_of(body.as_bytes()).unwrap_err();
        assert!(
            matches!(error, StreamError::Malformed(_)),
            "{body}: {error}"
        );
    }
}
