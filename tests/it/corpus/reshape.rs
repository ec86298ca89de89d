//! Every recorded Anthropic answer in the other form: streams put together, messages taken apart.

use pointsman::protocol::anthropic::{BodyTap, Reassemble, stream_of};
use pointsman::protocol::upstream_error::StreamError;
use serde_json::Value;

use crate::corpus::recordings;
use crate::naive::anthropic::facts;
use crate::naive::assembly::{check_order, put_together};

fn reassemble(pieces: &[&[u8]]) -> Result<Vec<u8>, StreamError> {
    let mut whole = Reassemble::new();
    for piece in pieces {
        whole.push(piece)?;
    }
    whole.finish()
}

#[test]
fn recorded_streams_become_the_message_a_client_would_read() {
    let Some(folder) = recordings::folder("anthropic") else {
        return;
    };
    let streams = recordings::answers(&folder, "").streams;
    let mut whole = 0;
    for (name, bytes) in &streams {
        let told = facts(bytes);
        let message = reassemble(&[bytes]);
        for pieces in recordings::cuts(bytes) {
            assert_eq!(reassemble(&pieces), message, "{name}");
        }
        let message = match message {
            Ok(message) => message,
            Err(error) => {
                assert_eq!(error.upstream().is_some(), told.error.is_some(), "{name}");
                assert!(!told.complete, "{name}: {error}");
                continue;
            }
        };
        whole += 1;
        let read: Value = serde_json::from_slice(&message).unwrap();
        assert_eq!(read, put_together(bytes), "{name}");
        assert!(
            matches!(BodyTap::read(&message), BodyTap::Message { .. }),
            "{name}"
        );
        // And back.
        let again = stream_of(&message).unwrap();
        check_order(name, &again);
        assert_eq!(put_together(&again), read, "{name}");
        assert_eq!(reassemble(&[&again]), Ok(message), "{name}");
    }
    println!("{} streams, {whole} of them whole", streams.len());
    assert!(
        100 < streams.len() && 95 < whole,
        "{} streams, {whole} whole",
        streams.len()
    );
}

#[test]
fn recorded_messages_become_the_stream_of_the_same_message() {
    let Some(folder) = recordings::folder("anthropic") else {
        return;
    };
    let (mut messages, mut others) = (0, 0);
    for (name, bytes) in &recordings::answers(&folder, "").bodies {
        let body: Value = serde_json::from_slice(bytes).unwrap();
        let stream = match stream_of(bytes) {
            Ok(stream) => stream,
            Err(error) => {
                assert_ne!(body["type"], "message", "{name}: {error}");
                others += 1;
                continue;
            }
        };
        messages += 1;
        check_order(name, &stream);
        let read = put_together(&stream);
        for (key, value) in read.as_object().unwrap() {
            assert_eq!(
                *value,
                body.get(key).cloned().unwrap_or_default(),
                "{name}: {key}"
            );
        }
        assert!(
            body.as_object()
                .unwrap()
                .keys()
                .all(|key| read.get(key).is_some()),
            "{name}"
        );
        let again: Value = serde_json::from_slice(&reassemble(&[&stream]).unwrap()).unwrap();
        assert_eq!(again, read, "{name}");
    }
    println!("{messages} messages, {others} others");
    assert!(150 < messages && 3 < others, "{messages} {others}");
}
