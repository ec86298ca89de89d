//! Any answer written in any dialect and read for any client; any conversation for any provider.

use pointsman::protocol::canonical::{BlockStart, EncodeContext, Event, StopReason, Usage};
use pointsman::protocol::profile::{Overrides, Profile};
use pointsman::protocol::translate::{AnswerContext, StreamTranslator, body_answer};
use pointsman::protocol::{anthropic, openai_chat, openai_responses};
use pointsman::types::Dialect;
use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::json;

use super::answers::pieces;
use crate::corpus::matrix_requests::{UPSTREAMS, rules, sent};
use crate::golden::random;
use crate::naive::clients::{self, Heard};

const DIALECTS: [Dialect; 3] = [
    Dialect::Anthropic,
    Dialect::OpenAiChat,
    Dialect::OpenAiResponses,
];

#[derive(Clone, Debug)]
enum Part {
    Text(Vec<String>),
    Thinking(Vec<String>),
    Redacted,
    Call(&'static str, Vec<&'static str>),
}

fn part() -> impl Strategy<Value = Part> {
    let words = || prop::collection::vec("[a-c<\"\\\\é😀]{1,6}", 1..4);
    let call = prop_oneof![
        Just(("tool_a", vec!["{}"])),
        Just(("tool_b", vec!["{\"b\":", "1.50", ",\"a\":[1e2]}"])),
        Just(("tool_a", vec!["{\"x\":\"\\u00e9 ", "{\\\"\"}"])),
    ];
    prop_oneof![
        3 => words().prop_map(Part::Text),
        2 => words().prop_map(Part::Thinking),
        1 => Just(Part::Redacted),
        3 => call.prop_map(|(name, pieces)| Part::Call(name, pieces)),
    ]
}

fn events(parts: &[Part], stop: StopReason) -> Vec<Event> {
    let mut events = vec![Event::Start {
        id: None,
        model: None,
    }];
    for (at, part) in parts.iter().enumerate() {
        match part {
            Part::Text(pieces) => {
                events.push(Event::BlockStart(BlockStart::Text));
                events.extend(pieces.iter().cloned().map(Event::Text));
            }
            Part::Thinking(pieces) => {
                events.push(Event::BlockStart(BlockStart::Thinking));
                events.extend(pieces.iter().cloned().map(Event::Thinking));
                events.push(Event::Signature("EqQB".to_owned()));
            }
            Part::Redacted => events.push(Event::BlockStart(BlockStart::RedactedThinking {
                data: "UkVE".to_owned(),
            })),
            Part::Call(name, pieces) => {
                let (id, name) = (format!("toolu_{at:012}"), (*name).to_owned());
                events.push(Event::BlockStart(BlockStart::ToolUse { id, name }));
                events.extend(
                    pieces
                        .iter()
                        .map(|it| Event::ToolArguments((*it).to_owned())),
                );
            }
        }
        events.push(Event::BlockStop);
    }
    let called = parts.iter().any(|it| matches!(it, Part::Call(..)));
    events.push(Event::Finish {
        stop: if called && stop == StopReason::EndTurn {
            StopReason::ToolUse
        } else {
            stop
        },
        stop_sequence: None,
        explanation: None,
        usage: Some(Usage {
            input: 7,
            cache_read: 5,
            cache_creation: 3,
            output: 9,
            thinking: None,
        }),
    });
    events
}

/// A stream and a body of that dialect.
fn written(dialect: Dialect, events: &[Event]) -> (Vec<u8>, Vec<u8>) {
    let context = || EncodeContext {
        model: "m".to_owned(),
        message_id: "msg_1".to_owned(),
        stream_usage: true,
        ..EncodeContext::default()
    };
    let mut stream = Vec::new();
    macro_rules! both {
        ($room:ident) => {{
            let mut encode = $room::Encode::new(context());
            let mut assemble = $room::Assemble::new(context());
            for event in events {
                encode.push(event, &mut stream);
                assemble.push(event).unwrap();
            }
            assemble.finish().unwrap()
        }};
    }
    let body = match dialect {
        Dialect::OpenAiChat => both!(openai_chat),
        Dialect::OpenAiResponses => both!(openai_responses),
        Dialect::Anthropic | Dialect::Gemini => both!(anthropic),
    };
    (stream, body)
}

/// What must be heard, but for how the end is called.
fn expected(parts: &[Part]) -> (String, String, Vec<(String, String)>) {
    let (mut text, mut thinking, mut calls) = (String::new(), String::new(), Vec::new());
    for part in parts {
        match part {
            Part::Text(pieces) => text += &pieces.concat(),
            Part::Thinking(pieces) => thinking += &pieces.concat(),
            Part::Redacted => {}
            Part::Call(name, pieces) => {
                calls.push(((*name).to_owned(), clients::compact(&pieces.concat())));
            }
        }
    }
    (text, thinking, calls)
}

fn told(heard: &Heard) -> (String, String, Vec<(String, String)>) {
    (heard.words(), heard.thoughts(), heard.calls.clone())
}

fn end(client: Dialect, stop: StopReason, called: bool, said: bool) -> &'static str {
    match (client, stop) {
        (Dialect::OpenAiChat, StopReason::MaxTokens) => "length",
        (Dialect::OpenAiChat, StopReason::Refusal) => "content_filter",
        (Dialect::OpenAiChat, _) if called => "tool_calls",
        (Dialect::OpenAiChat, _) => "stop",
        (Dialect::OpenAiResponses, StopReason::MaxTokens) => "incomplete max_output_tokens",
        (Dialect::OpenAiResponses, StopReason::Refusal) if !said => "incomplete content_filter",
        (Dialect::OpenAiResponses, _) => "completed",
        (_, StopReason::EndTurn) if called => "tool_use",
        (_, other) => other.as_anthropic(),
    }
}

proptest! {
    #[test]
    fn any_answer_is_heard_through_any_two_dialects(
        parts in prop::collection::vec(part(), 0..7),
        stop in prop::sample::select(&[StopReason::EndTurn, StopReason::MaxTokens, StopReason::Refusal][..]),
        cuts in prop::collection::vec(any::<Index>(), 0..5),
    ) {
        let events = events(&parts, stop);
        let wanted = expected(&parts);
        let called = !wanted.2.is_empty();
        let said = called || !wanted.0.is_empty();
        for provider in DIALECTS {
            let (stream, body) = written(provider, &events);
            for client in DIALECTS {
                let what = format!("{provider} to {client}");
                let mut context = AnswerContext::between(provider, client).named("m", "msg_2", 1);
                context.encode.stream_usage = true;
                let mut translator = StreamTranslator::new(context.clone());
                let mut out = Vec::new();
                for piece in pieces(&stream, &cuts) {
                    translator.push(piece, &mut out).unwrap();
                }
                translator.finish(&mut out).unwrap();
                let streamed = clients::stream(client, &what, &out);
                let whole = clients::body(client, &body_answer(&body, context).unwrap().body);
                for heard in [&streamed, &whole] {
                    prop_assert_eq!(&told(heard), &wanted, "{}", &what);
                    prop_assert_eq!(heard.usage, Some([15, 5, 3, 9]), "{}", &what);
                    prop_assert_eq!(heard.ends, 1, "{}", &what);
                    // A refusal that was told is a complete answer in Responses.
                    if provider != Dialect::OpenAiResponses || stop != StopReason::Refusal {
                        prop_assert_eq!(&heard.end, end(client, stop, called, said), "{}", &what);
                    }
                }
            }
        }
    }

    /// A conversation nobody would hold, from clients of all dialects, keeps the rules of all providers, and what was
    /// written, read and written again stays as it is.
    #[test]
    fn any_conversation_keeps_the_rules_of_any_provider(messages in prop::collection::vec(random::message(), 1..9)) {
        let mut messages = messages;
        messages.push(json!({"role": "user", "content": "the end"}));
        let body = json!({"model": "m", "max_tokens": 9, "messages": messages}).to_string();
        let mut bodies = vec![(Dialect::Anthropic, body)];
        for (dialect, host, model) in UPSTREAMS {
            let profile = Profile::of(dialect, host, model, &Overrides::default());
            let (client, body) = bodies[0].clone();
            let (first, _) = sent(client, body.as_bytes(), model, &profile).unwrap();
            rules(&format!("{body} for {model} at {host}"), dialect, &first);
            if dialect != Dialect::Gemini {
                bodies.push((dialect, first.to_string()));
            }
        }
        for (client, body) in &bodies[1..] {
            for (dialect, host, model) in UPSTREAMS {
                let profile = Profile::of(dialect, host, model, &Overrides::default());
                let (again, losses) = sent(*client, body.as_bytes(), model, &profile).unwrap();
                rules(&format!("{client}: {body} for {model} at {host}"), dialect, &again);
                if *client == dialect && losses.is_empty() {
                    // Turns side by side are joined by the first reading.
                    let joined = sent(dialect, again.to_string().as_bytes(), model, &profile).unwrap();
                    let last = sent(dialect, joined.0.to_string().as_bytes(), model, &profile).unwrap();
                    prop_assert_eq!(&last.0, &joined.0, "{} for {}", body, model);
                }
            }
        }
    }
}
