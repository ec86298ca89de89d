//! Any sequence of deltas, any damage, any split: the output keeps the grammar, nothing is lost, nothing depends on
//! where the bytes were cut.

use std::fmt::Write;

use pointsman::protocol::anthropic::StreamTap;
use pointsman::protocol::translate::{AnswerContext, BodyTranslator, StreamTranslator};
use pointsman::protocol::upstream_error::StreamError;
use pointsman::types::Dialect;
use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::{Value, json};

use crate::naive::anthropic::{blocks, facts, joined, read_stream};

fn ctx() -> AnswerContext {
    AnswerContext::between(Dialect::OpenAiChat, Dialect::Anthropic).named(
        "claude-test",
        "msg_any",
        0,
    )
}

/// The bytes, how it ended, and whether content was reported.
fn translate(pieces: &[&[u8]]) -> (Vec<u8>, Result<(), StreamError>, bool) {
    let mut translator = StreamTranslator::new(ctx());
    let mut out = Vec::new();
    let mut ended = Ok(());
    for piece in pieces {
        ended = ended.and_then(|()| translator.push(piece, &mut out));
    }
    let ended = ended.and_then(|()| translator.finish(&mut out));
    (out, ended, translator.has_content())
}

/// One thing that a provider sends.
#[derive(Clone, Debug)]
enum Said {
    Text(String),
    Thinking(String),
    /// A piece of one of a few calls.
    Arguments(usize, String),
    Usage(u64, u64),
    Finish(&'static str),
    Comment,
}

fn said() -> impl Strategy<Value = Said> {
    let text = "[a-c<\"\\\\é\n ]{0,6}";
    prop_oneof![
        text.prop_map(Said::Text),
        text.prop_map(Said::Thinking),
        (0..4usize, "[{}a\\[\\]\"1, ]{0,5}").prop_map(|(call, text)| Said::Arguments(call, text)),
        (0..100u64, 0..100u64).prop_map(|(prompt, completion)| Said::Usage(prompt, completion)),
        prop::sample::select(&["stop", "length", "tool_calls", ""][..]).prop_map(Said::Finish),
        Just(Said::Comment),
    ]
}

/// The stream of what is said, with each call's id and name on its first piece.
fn stream(script: &[Said]) -> String {
    let mut begun = [false; 4];
    let mut stream = String::new();
    for said in script {
        let (delta, finish) = match said {
            Said::Text(text) => (json!({ "content": text }), Value::Null),
            Said::Thinking(text) => (json!({ "reasoning_content": text }), Value::Null),
            Said::Arguments(call, text) => {
                let mut piece = json!({"index": call, "function": {"arguments": text}});
                if !std::mem::replace(&mut begun[*call], true) {
                    piece["id"] = json!(format!("call_{call}23456789"));
                    piece["function"]["name"] = json!(format!("tool_{call}"));
                }
                (json!({ "tool_calls": [piece] }), Value::Null)
            }
            Said::Usage(prompt, completion) => {
                let usage = json!({"prompt_tokens": prompt, "completion_tokens": completion});
                let chunk = json!({"choices": [], "usage": usage});
                write!(stream, "data: {chunk}\n\n").unwrap();
                continue;
            }
            Said::Finish(reason) => (json!({}), json!(reason)),
            Said::Comment => {
                stream += ": here\n\n";
                continue;
            }
        };
        let choice = json!({"index": 0, "delta": delta, "finish_reason": finish});
        write!(stream, "data: {}\n\n", json!({ "choices": [choice] })).unwrap();
    }
    stream
        + "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n"
}

/// What was said on one channel, joined.
fn concat(script: &[Said], pick: impl Fn(&Said) -> Option<&str>) -> String {
    script.iter().filter_map(pick).collect()
}

/// `bytes` cut at any places.
pub fn pieces<'a>(bytes: &'a [u8], cuts: &[Index]) -> Vec<&'a [u8]> {
    let mut places: Vec<usize> = cuts.iter().map(|it| it.index(bytes.len() + 1)).collect();
    places.sort_unstable();
    let mut from = 0;
    let mut pieces = Vec::new();
    for place in places.into_iter().chain([bytes.len()]) {
        pieces.push(&bytes[from..place]);
        from = place;
    }
    pieces
}

/// What stands before the last blank line: an event without one has not come.
fn finished_events(bytes: &[u8]) -> &[u8] {
    let end = bytes
        .windows(2)
        .rposition(|it| it == b"\n\n")
        .map_or(0, |it| it + 2);
    &bytes[..end]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn whatever_is_said_arrives_once_and_in_order(
        script in prop::collection::vec(said(), 0..25),
        cuts in prop::collection::vec(any::<Index>(), 0..6),
    ) {
        let source = stream(&script);
        let (out, ended, _) = translate(&[source.as_bytes()]);
        let again = translate(&pieces(source.as_bytes(), &cuts));
        prop_assert_eq!((&again.0, &again.1), (&out, &ended));
        // The only fault this script can have: arguments that go on after they were whole and shown.
        if ended == Err(StreamError::Malformed("arguments of a tool call after their end")) {
            return Ok(());
        }
        prop_assert_eq!(ended, Ok(()));
        let message = read_stream("any", &out);
        prop_assert_eq!(&message["complete"], true);
        let text = concat(&script, |it| match it { Said::Text(it) => Some(it), _ => None });
        let thinking = concat(&script, |it| match it { Said::Thinking(it) => Some(it), _ => None });
        prop_assert_eq!(joined(&message, "text", "text"), text);
        prop_assert_eq!(joined(&message, "thinking", "thinking"), thinking);
        let mut calls = 0;
        for call in blocks(&message, "tool_use") {
            calls += 1;
            let number: usize = call["name"].as_str().unwrap()[5..].parse().unwrap();
            let arguments = concat(&script, |it| match it {
                Said::Arguments(call, it) if *call == number => Some(it),
                _ => None,
            });
            // Spaces after a whole value may come when its block is closed already.
            let input = call["input"].as_str().unwrap();
            prop_assert!(arguments.starts_with(input));
            prop_assert_eq!(arguments[input.len()..].trim(), "");
        }
        let begun = (0..4).filter(|call| {
            script.iter().any(|it| matches!(it, Said::Arguments(it, _) if it == call))
        });
        prop_assert_eq!(calls, begun.count());
    }

    #[test]
    fn damage_never_breaks_the_grammar(
        script in prop::collection::vec(said(), 0..8),
        damage in prop::collection::vec((any::<Index>(), any::<u8>(), 0..3u8), 0..4),
        cuts in prop::collection::vec(any::<Index>(), 0..4),
    ) {
        let mut bytes = stream(&script).into_bytes();
        for (place, byte, how) in damage {
            let place = place.index(bytes.len());
            match how {
                0 => bytes[place] = byte,
                1 => bytes.insert(place, byte),
                _ => bytes.truncate(place + 1),
            }
        }
        let (out, ended, has_content) = translate(&[&bytes]);
        let again = translate(&pieces(&bytes, &cuts));
        prop_assert_eq!((&again.0, &again.1, again.2), (&out, &ended, has_content));
        let message = read_stream("damaged", &out);
        if ended.is_ok() {
            prop_assert_eq!(&message["complete"], true);
            prop_assert!(has_content);
        } else {
            prop_assert!(message.is_null() || message["complete"] == false);
        }
        let shows = |it: &Value| it["type"] != "text" || it["text"] != "";
        if message["content"].as_array().is_some_and(|it| it.iter().any(shows)) {
            prop_assert!(has_content);
        }
        let mut body = BodyTranslator::new(ctx());
        let assembled = body.push(&bytes).and_then(|()| body.finish());
        prop_assert_eq!(assembled.err(), ended.err());
    }

    #[test]
    fn a_tap_sees_what_was_written_wherever_it_is_cut(
        script in prop::collection::vec(said(), 0..15),
        length in any::<Index>(),
        cuts in prop::collection::vec(any::<Index>(), 0..6),
    ) {
        let (out, ..) = translate(&[stream(&script).as_bytes()]);
        let whole = length.index(3) == 0;
        let out = if whole { &out[..] } else { &out[..length.index(out.len() + 1)] };
        let watch = |pieces: &[&[u8]]| {
            let mut tap = StreamTap::new();
            for piece in pieces {
                tap.push(piece).unwrap();
            }
            let stop = tap.stop_reason().map(str::to_owned);
            (tap.has_started(), tap.has_content(), tap.is_complete(), tap.usage(), stop)
        };
        let seen = watch(&[out]);
        prop_assert_eq!(&watch(&pieces(out, &cuts)), &seen);
        let single: Vec<&[u8]> = out.chunks(1).collect();
        prop_assert_eq!(&watch(&single), &seen);
        let expected = facts(finished_events(out));
        prop_assert_eq!(seen.2, expected.complete);
        prop_assert_eq!(seen.4, expected.stop_reason);
    }

    #[test]
    fn any_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let (out, ended, has_content) = translate(&[&bytes]);
        prop_assert!(ended.is_err() && out.is_empty() && !has_content);
    }
}
