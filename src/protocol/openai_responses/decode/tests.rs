use serde_json::{Value, json};

use super::*;
use crate::protocol::canonical::BlockStart;
use crate::protocol::frame::limit::{MAX_HELD_BYTES, MAX_TOOL_CALLS};

fn push(decode: &mut Decode, event: &Value, out: &mut Vec<Event>) -> Result<(), StreamError> {
    let data = event.to_string();
    let frame = Frame {
        event: b"",
        data: data.as_bytes(),
    };
    decode.push(frame, out)
}

fn call(index: usize) -> Value {
    json!({"type": "response.output_item.added", "output_index": index,
        "item": {"type": "function_call", "call_id": format!("call_{index:09}"), "name": "n"}})
}

#[test]
fn what_waits_for_an_open_call_is_bounded() {
    let mut decode = Decode::new(DecodeContext::default());
    let mut out = Vec::new();
    push(&mut decode, &call(0), &mut out).unwrap();
    let begun =
        json!({"type": "response.function_call_arguments.delta", "output_index": 0, "delta": "{"});
    push(&mut decode, &begun, &mut out).unwrap();
    let shown = out.len();
    let text = json!({"type": "response.output_text.delta", "output_index": 1,
        "delta": "x".repeat(MAX_HELD_BYTES / 4)});
    for _ in 0..3 {
        push(&mut decode, &text, &mut out).unwrap();
    }
    assert_eq!(out.len(), shown);
    let given = push(&mut decode, &text, &mut out);
    assert_eq!(given, Err(StreamError::TooMuch("interleaved output items")));
    // After an error nothing more is said.
    assert_eq!(push(&mut decode, &text, &mut out), Ok(()));
    assert_eq!(decode.finish(&mut out), Ok(()));
    assert_eq!(out.len(), shown);
}

#[test]
fn long_ids_and_early_arguments_are_not_kept_without_end() {
    let long = "x".repeat(MAX_HELD_BYTES / 4);
    let message = json!({"type": "message", "id": long});
    let named = json!({"type": "function_call", "id": "fc", "call_id": long, "name": "n"});
    let early = json!({"type": "function_call", "call_id": "c", "name": "n", "arguments": long});
    for item in [message, named, early] {
        let mut decode = Decode::new(DecodeContext::default());
        let given = (0..8).try_for_each(|index| {
            let event =
                json!({"type": "response.output_item.added", "output_index": index, "item": item});
            push(&mut decode, &event, &mut Vec::new())
        });
        assert_eq!(given, Err(StreamError::TooMuch("ids and names of items")));
    }
}

#[test]
fn floods_are_refused() {
    let mut decode = Decode::new(DecodeContext::default());
    let mut out = Vec::new();
    let flood = |decode: &mut Decode, out: &mut Vec<Event>, event: &dyn Fn(usize) -> Value| {
        (0..10_000).try_for_each(|index| push(decode, &event(index), out))
    };
    let given = flood(&mut decode, &mut out, &call);
    assert_eq!(given, Err(StreamError::TooMuch("tool calls")));
    let starts = out.iter().filter(|it| matches!(it, Event::BlockStart(_)));
    assert!(starts.count() <= MAX_TOOL_CALLS);
    let given = flood(
        &mut Decode::new(DecodeContext::default()),
        &mut out,
        &|index| json!({"type": "response.output_item.added", "output_index": index, "item": {"type": "message"}}),
    );
    assert_eq!(given, Err(StreamError::TooMuch("items of an answer")));
    let given = flood(
        &mut Decode::new(DecodeContext::default()),
        &mut out,
        &|index| json!({"type": "response.output_text.delta", "output_index": 0, "content_index": index, "delta": "x"}),
    );
    assert_eq!(given, Err(StreamError::TooMuch("parts of a message")));
    let given = flood(
        &mut Decode::new(DecodeContext::default()),
        &mut out,
        &|index| {
            json!({"type": "response.output_item.done", "output_index": index,
            "item": {"type": "web_search_call", "action": {"query": "q"}}})
        },
    );
    assert_eq!(given, Err(StreamError::TooMuch("web searches")));
}

#[test]
fn a_call_that_goes_on_after_its_end_is_a_fault() {
    let mut decode = Decode::new(DecodeContext::default());
    let mut out = Vec::new();
    push(&mut decode, &call(0), &mut out).unwrap();
    let done = json!({"type": "response.output_item.done", "output_index": 0,
        "item": {"type": "function_call", "arguments": "{}"}});
    push(&mut decode, &done, &mut out).unwrap();
    push(&mut decode, &done, &mut out).unwrap();
    let more = |text: &str| json!({"type": "response.function_call_arguments.delta", "output_index": 0, "delta": text});
    push(&mut decode, &more(" \n"), &mut out).unwrap();
    let given = push(&mut decode, &more("{\"a\":1}"), &mut out);
    assert!(matches!(given, Err(StreamError::Malformed(_))));
    let arguments = out
        .iter()
        .filter(|it| matches!(it, Event::ToolArguments(_)));
    assert_eq!(arguments.count(), 1);
}

#[test]
fn text_after_the_end_of_its_message_is_shown_and_closed() {
    let mut decode = Decode::new(DecodeContext::default());
    let mut out = Vec::new();
    let done = json!({"type": "response.output_item.done", "output_index": 0,
        "item": {"type": "message", "content": "once"}});
    push(&mut decode, &done, &mut out).unwrap();
    let more = json!({"type": "response.output_text.delta", "output_index": 0, "delta": " more"});
    push(&mut decode, &more, &mut out).unwrap();
    let end = json!({"type": "response.completed", "response": {"status": "completed"}});
    push(&mut decode, &end, &mut out).unwrap();
    let texts: String = out
        .iter()
        .filter_map(|it| match it {
            Event::Text(text) => Some(text.as_str()),
            _ => None,
        })
        .collect();
    assert_eq!(texts, "once more");
    assert!(matches!(out.last(), Some(Event::Finish { .. })));
}

#[test]
fn usage_is_known_even_of_an_answer_that_failed() {
    let mut decode = Decode::new(DecodeContext::default());
    let failed = json!({"type": "response.failed", "response": {"status": "failed",
        "error": {"code": "server_error", "message": "m"}, "usage": {"input_tokens": 3, "output_tokens": 4}}});
    let given = push(&mut decode, &failed, &mut Vec::new());
    assert!(matches!(given, Err(StreamError::Upstream(_))));
    assert_eq!(decode.usage().map(|it| (it.input, it.output)), Some((3, 4)));
}

#[test]
fn deep_nesting_is_skipped_or_refused_but_never_followed() {
    let deep = "[".repeat(100_000) + &"]".repeat(100_000);
    for (kind, field) in [
        ("response.output_text.delta", "delta"),
        ("response.output_item.done", "item"),
        ("response.output_text.annotation.added", "annotation"),
        ("response.completed", "response"),
        ("error", "error"),
    ] {
        let data = format!("{{\"type\":\"{kind}\",\"{field}\":{deep}}}");
        let frame = Frame {
            event: b"",
            data: data.as_bytes(),
        };
        let mut decode = Decode::new(DecodeContext::default());
        let _either_way = decode.push(frame, &mut Vec::new());
        let item = format!(
            "{{\"output\":[{{\"type\":\"reasoning\",\"encrypted_content\":\"x\",\"summary\":{deep}}}]}}"
        );
        let _either_way =
            Decode::new(DecodeContext::default()).body(item.as_bytes(), &mut Vec::new());
    }
}

#[test]
fn a_call_that_only_the_end_tells_of_is_made() {
    let message = json!({"type": "message", "id": "msg_1", "role": "assistant",
        "content": [{"type": "output_text", "text": "I will."}]});
    let call = |id: &str| json!({"type": "function_call", "id": format!("fc_{id}"), "call_id": id, "name": "n", "arguments": "{}"});
    let done = |(index, item): (usize, &&Value)| json!({"type": "response.output_item.done", "output_index": index, "item": item});
    let end = |output: &[&Value]| json!({"type": "response.completed", "response": {"status": "completed", "output": output}});
    let (one, two, renamed) = (call("call_one"), call("call_two"), call("call_new"));
    let nameless = json!({"type": "function_call", "name": "n", "arguments": "{}"});
    for (told, output, calls) in [
        (vec![&message], vec![&message, &one, &two], 2),
        (vec![&message, &one], vec![&message, &one, &two], 2),
        (vec![&message, &one], vec![&message, &one], 1),
        // Told under another id.
        (vec![&message, &one], vec![&message, &renamed], 1),
        (vec![&nameless, &nameless], vec![&one, &two], 2),
        (vec![&one], vec![], 1),
    ] {
        let mut decode = Decode::new(DecodeContext::default());
        let mut out = Vec::new();
        for item in told.iter().enumerate() {
            push(&mut decode, &done(item), &mut out).unwrap();
        }
        push(&mut decode, &end(&output), &mut out).unwrap();
        let made = |it: &&Event| matches!(it, Event::BlockStart(BlockStart::ToolUse { .. }));
        assert_eq!(
            out.iter().filter(made).count(),
            calls,
            "{told:?} {output:?}"
        );
        let stop = match out.last() {
            Some(Event::Finish { stop, .. }) => *stop,
            other => panic!("{other:?}"),
        };
        assert_eq!(stop, StopReason::ToolUse);
    }
}
