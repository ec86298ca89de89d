use super::*;

fn event(data: &str) -> String {
    format!("data: {data}\n\n")
}

const START: &str = r#"{"type":"message_start","message":{"id":"msg_1","type":"message","role":"assistant","model":"m","content":[],"stop_reason":null,"new":1.50,"usage":{"input_tokens":3,"output_tokens":1,"cache_creation":{"a":0}}}}"#;
const END: &str = r#"{"type":"message_delta","delta":{"stop_reason":"end_turn","container":{"id":"c"}},"usage":{"input_tokens":null,"output_tokens":9},"context_management":{"edits":[]}}"#;
const STOP: &str = r#"{"type":"message_stop"}"#;

fn together(events: &[&str]) -> Result<String, StreamError> {
    let bytes: String = events.iter().map(|it| event(it)).collect();
    let mut whole = Reassemble::new();
    whole.push(bytes.as_bytes())?;
    whole.finish().map(|it| String::from_utf8(it).unwrap())
}

/// The content that these events of blocks come to.
fn content(events: &[&str]) -> Result<String, StreamError> {
    let message = together(&[&[START], events, &[END, STOP]].concat())?;
    let (_, content) = message.split_once("\"content\":[").unwrap();
    let (content, _) = content.split_once("],\"stop_reason\"").unwrap();
    Ok(content.to_owned())
}

#[test]
fn the_end_overwrites_the_start_and_unknown_fields_stay() {
    assert_eq!(
        together(&[START, END, STOP]).unwrap(),
        r#"{"id":"msg_1","type":"message","role":"assistant","model":"m","content":[],"stop_reason":"end_turn","new":1.50,"usage":{"input_tokens":3,"output_tokens":9,"cache_creation":{"a":0}},"container":{"id":"c"},"context_management":{"edits":[]}}"#
    );
}

#[test]
fn text_keeps_its_escapes_even_across_deltas() {
    let blocks = [
        r#"{"type":"content_block_start","index":0,"content_block":{"type":"text","text":"a"}}"#,
        r#"{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"\n\ud83d"}}"#,
        r#"{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"\ude00é"}}"#,
        r#"{"type":"content_block_stop","index":0}"#,
    ];
    assert_eq!(
        content(&blocks).unwrap(),
        r#"{"type":"text","text":"a\n\ud83d\ude00é"}"#
    );
}

#[test]
fn thinking_gets_its_signature_and_text_its_citations() {
    let blocks = [
        r#"{"type":"content_block_start","index":0,"content_block":{"type":"thinking","thinking":""}}"#,
        r#"{"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"h"}}"#,
        r#"{"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"m"}}"#,
        r#"{"type":"content_block_delta","index":0,"delta":{"type":"signature_delta","signature":"EuYD=="}}"#,
        r#"{"type":"content_block_stop","index":0}"#,
        r#"{"type":"content_block_start","index":1,"content_block":{"citations":[ ],"type":"text","text":""}}"#,
        r#"{"type":"content_block_delta","index":1,"delta":{"type":"citations_delta","citation":{"n":1}}}"#,
        r#"{"type":"content_block_delta","index":1,"delta":{"type":"citations_delta","citation":{"n":2}}}"#,
        r#"{"type":"content_block_delta","index":1,"delta":{"type":"text_delta","text":"x"}}"#,
        r#"{"type":"content_block_stop","index":1}"#,
    ];
    assert_eq!(
        content(&blocks).unwrap(),
        r#"{"type":"thinking","thinking":"hm","signature":"EuYD=="},{"citations":[{"n":1},{"n":2}],"type":"text","text":"x"}"#
    );
}

#[test]
fn a_tools_input_is_its_own_text() {
    for (start, pieces, input) in [
        (
            "{}",
            &[r#"{\"b\":1.50,"#, r#"\"a\":12345678901234567890}"#][..],
            r#"{"b":1.50,"a":12345678901234567890}"#,
        ),
        ("{}", &[""], "{}"),
        ("{}", &[], "{}"),
        (r#"{"at":"start"}"#, &[""], r#"{"at":"start"}"#),
        ("{}", &[r#"{\"cut\": \"he"#], r#"{"_raw":"{\"cut\": \"he"}"#),
    ] {
        let start = format!(
            r#"{{"type":"content_block_start","index":0,"content_block":{{"type":"tool_use","id":"t","input":{start},"caller":{{}}}}}}"#
        );
        let mut events = vec![start];
        events.extend(pieces.iter().map(|it| {
            format!(r#"{{"type":"content_block_delta","index":0,"delta":{{"type":"input_json_delta","partial_json":"{it}"}}}}"#)
        }));
        // A call cut by `max_tokens` is not closed by the stream.
        let events: Vec<&str> = events.iter().map(String::as_str).collect();
        assert_eq!(
            content(&events).unwrap(),
            format!(r#"{{"type":"tool_use","id":"t","input":{input},"caller":{{}}}}"#)
        );
    }
}

#[test]
fn unknown_blocks_deltas_and_events_are_kept_or_passed_over() {
    let blocks = [
        r#"{"type":"content_block_start","index":0,"content_block":{"type":"later","x":null,"y":1}}"#,
        r#"{"type":"ping"}"#,
        r#"{"type":"content_block_delta","index":0,"delta":{"type":"later_delta","x":"a","y":2}}"#,
        r#"{"type":"content_block_delta","index":0,"delta":{"type":"later_delta","x":"b","z":[3]}}"#,
        r#"{"type":"someday"}"#,
        r#"{"type":"content_block_stop","index":0}"#,
        r#"{"type":"content_block_start","index":1,"content_block":{"type":"result","content":[{"text":"t"}]}}"#,
    ];
    assert_eq!(
        content(&blocks).unwrap(),
        r#"{"type":"later","x":"ab","y":2,"z":[3]},{"type":"result","content":[{"text":"t"}]}"#
    );
}

#[test]
fn a_second_start_begins_anew() {
    let text =
        r#"{"type":"content_block_start","index":0,"content_block":{"type":"text","text":"once"}}"#;
    let message = together(&[START, text, START, text, END, STOP]).unwrap();
    assert_eq!(message.matches("once").count(), 1, "{message}");
}

#[test]
fn what_is_no_whole_message_is_an_error() {
    let error = r#"{"type":"error","error":{"details":null,"type":"overloaded_error","message":"Overloaded"}}"#;
    let text =
        r#"{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}"#;
    let delta =
        r#"{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"a"}}"#;
    for events in [&[][..], &[START], &[START, text, delta], &[START, END]] {
        assert_eq!(together(events), Err(StreamError::Truncated), "{events:?}");
    }
    for events in [
        &[error][..],
        &[START, error],
        &[START, text, delta, error, END, STOP],
    ] {
        let upstream = together(events).unwrap_err();
        let upstream = upstream.upstream().unwrap();
        assert_eq!(upstream.message, "Overloaded", "{events:?}");
    }
    for events in [
        &[STOP][..],
        &[END],
        &[START, delta],
        &[START, text, &delta.replace(":0", ":1")],
        &[START, "<html>"],
        &[r#"{"type":"message_start"}"#],
    ] {
        let error = together(events).unwrap_err();
        assert!(
            matches!(error, StreamError::Malformed(_)),
            "{events:?}: {error}"
        );
    }
}

#[test]
fn what_follows_the_end_does_not_matter() {
    let message = together(&[START, END, STOP]);
    assert_eq!(together(&[START, END, STOP, "[DONE]", START]), message);
    let mut whole = Reassemble::new();
    whole.push(event(START).as_bytes()).unwrap();
    assert!(!whole.is_complete());
    // The last event may lack its blank line.
    let end = event(END) + event(STOP).trim_end();
    whole.push(end.as_bytes()).unwrap();
    assert!(!whole.is_complete());
    assert_eq!(whole.finish(), message.map(String::into_bytes));
}

#[test]
fn memory_is_bounded() {
    let piece = "x".repeat(1 << 20);
    let delta = event(&format!(
        r#"{{"type":"content_block_delta","index":0,"delta":{{"type":"text_delta","text":"{piece}"}}}}"#
    ));
    let text =
        r#"{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}"#;
    let mut whole = Reassemble::new();
    whole
        .push((event(START) + &event(text)).as_bytes())
        .unwrap();
    let pushed = (0..=64).try_for_each(|_| whole.push(delta.as_bytes()));
    assert_eq!(pushed, Err(StreamError::TooMuch("the whole message")));
}
