//! Any message: as a stream it says the same, and put together again it is the same, wherever the bytes were cut.

use std::collections::HashMap;

use pointsman::protocol::anthropic::{Reassemble, stream_of};
use pointsman::protocol::upstream_error::StreamError;
use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::naive::assembly::{check_order, put_together};
use crate::properties::answers::pieces;

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((".{0,4}", inner), 0..4)
                .prop_map(|pairs| Value::Object(pairs.into_iter().collect())),
        ]
    })
}

fn any_object() -> impl Strategy<Value = Value> {
    prop::collection::vec((".{0,4}", any_json()), 0..4)
        .prop_map(|pairs| Value::Object(pairs.into_iter().collect()))
}

fn block() -> impl Strategy<Value = Value> {
    let citations = prop::option::of(prop::collection::vec(any_object(), 0..3));
    let tool = prop::sample::select(&["tool_use", "server_tool_use", "mcp_tool_use"][..]);
    prop_oneof![
        any::<String>().prop_map(|it| json!({"type": "text", "text": it})),
        (any::<String>(), citations)
            .prop_map(|(it, list)| json!({"type": "text", "citations": list, "text": it})),
        (any::<String>(), "[A-Za-z0-9+/]{0,9}").prop_map(
            |(it, signature)| json!({"type": "thinking", "thinking": it, "signature": signature})
        ),
        (tool, any_object()).prop_map(
            |(kind, input)| json!({"type": kind, "id": "toolu_1", "name": "n", "input": input})
        ),
        (".{0,8}", any_object(), any_json()).prop_map(|(kind, mut block, input)| {
            block["type"] = json!(format!("later_{kind}"));
            block["input"] = input;
            block
        }),
    ]
}

fn message() -> impl Strategy<Value = Value> {
    let stop = prop::sample::select(&["end_turn", "tool_use", "refusal", "later"][..]);
    let more = prop::sample::subsequence(
        &["container", "stop_details", "context_management", "later"][..],
        0..=4,
    );
    (
        prop::collection::vec(block(), 0..5),
        stop,
        more,
        any_object(),
        any_object(),
    )
        .prop_map(|(content, stop, more, usage, value)| {
            let mut message = json!({
                "id": "msg_any", "type": "message", "role": "assistant", "model": "m", "content": content,
                "stop_reason": stop, "stop_sequence": null, "usage": usage,
            });
            for key in more {
                message[key] = value.clone();
            }
            message
        })
}

fn reassemble(pieces: &[&[u8]]) -> Result<Vec<u8>, StreamError> {
    let mut whole = Reassemble::new();
    for piece in pieces {
        whole.push(piece)?;
    }
    whole.finish()
}

fn read(message: &[u8]) -> Value {
    serde_json::from_slice(message).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn a_message_survives_the_way_through_a_stream(
        message in message(),
        pretty in any::<bool>(),
        cuts in prop::collection::vec(any::<Index>(), 0..6),
    ) {
        let text = if pretty { format!("{message:#}") } else { message.to_string() };
        let stream = stream_of(text.as_bytes()).unwrap();
        check_order("any", &stream);
        prop_assert_eq!(&put_together(&stream), &message);
        let whole = reassemble(&pieces(&stream, &cuts)).unwrap();
        prop_assert_eq!(&read(&whole), &message);
        prop_assert_eq!(reassemble(&[&stream]), Ok(whole));
    }

    #[test]
    fn damage_never_gives_half_a_message(
        message in message(),
        damage in prop::collection::vec((any::<Index>(), any::<u8>(), 0..3u8), 1..4),
        cuts in prop::collection::vec(any::<Index>(), 0..4),
    ) {
        let mut bytes = stream_of(message.to_string().as_bytes()).unwrap();
        for (place, byte, how) in damage {
            let place = place.index(bytes.len());
            match how {
                0 => bytes[place] = byte,
                1 => bytes.insert(place, byte),
                _ => bytes.truncate(place + 1),
            }
        }
        let whole = reassemble(&[&bytes]);
        prop_assert_eq!(&reassemble(&pieces(&bytes, &cuts)), &whole);
        if let Ok(whole) = whole {
            // Numbers pass as they stood, and damage makes some that no float can hold.
            let object: HashMap<String, Box<RawValue>> = serde_json::from_slice(&whole).unwrap();
            prop_assert!(object["content"].get().starts_with('['));
            prop_assert!(memmem(&bytes, b"message_stop"));
        }
    }

    #[test]
    fn any_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(stream_of(&bytes).is_err());
        prop_assert!(reassemble(&[&bytes]).is_err());
    }
}

fn memmem(bytes: &[u8], needle: &[u8]) -> bool {
    bytes.windows(needle.len()).any(|it| it == needle)
}
