//! Clients of Chat Completions: whatever an answer says, the stream and the body say it, and the crate's own reader of
//! this dialect hears it; whatever this dialect can ask, is understood again after it was written in it.

use pointsman::protocol::canonical::{
    Block, BlockStart, DecodeContext, EncodeContext, Event, ImageSource, Losses, Message, Request,
    Role, StopReason, Tool, ToolChoice, ToolResult, ToolResultPart, ToolUse, Usage,
};
use pointsman::protocol::envelope::{ReasoningKind, seal_reasoning};
use pointsman::protocol::frame::SseDecoder;
use pointsman::protocol::openai_chat::{Assemble, Decode, Encode, Profile, inbound, outbound};
use pointsman::protocol::upstream_error::StreamError;
use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::answers::pieces;

/// One block of an answer.
#[derive(Clone, Debug)]
enum Part {
    Text(Vec<String>),
    Thinking(Vec<String>, String),
    Redacted(String),
    /// Name, and arguments that are an object, in pieces.
    Call(String, String, Vec<Index>),
    Server,
}

fn words() -> impl Strategy<Value = String> {
    "[a-c\"\\\\é😀\n ]{1,6}"
}

fn seal() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("EqQB".to_owned()),
        Just(String::new()),
        Just(seal_reasoning(ReasoningKind::Content, "")),
        Just(seal_reasoning(
            ReasoningKind::Responses,
            "{\"id\":\"rs_1\"}"
        )),
        Just(seal_reasoning(ReasoningKind::Gemini, "QUJD")),
    ]
}

fn object() -> impl Strategy<Value = String> {
    prop_oneof![
        Just(String::new()),
        Just("{}".to_owned()),
        (words(), any::<u64>())
            .prop_map(|(text, n)| format!(r#"{{"b": {n},"a":{}}}"#, json!(text))),
    ]
}

fn part() -> impl Strategy<Value = Part> {
    let texts = || prop::collection::vec(words(), 1..4);
    let cuts = prop::collection::vec(any::<Index>(), 0..3);
    prop_oneof![
        3 => texts().prop_map(Part::Text),
        2 => (texts(), seal()).prop_map(|(texts, seal)| Part::Thinking(texts, seal)),
        1 => prop_oneof![Just("UkVE".to_owned()), Just("pm1.g.QUJD".to_owned())].prop_map(Part::Redacted),
        3 => ("tool_[abc]", object(), cuts).prop_map(|(name, arguments, cuts)| Part::Call(name, arguments, cuts)),
        1 => Just(Part::Server),
    ]
}

fn end() -> impl Strategy<Value = (StopReason, Option<Usage>)> {
    let stop = prop::sample::select(
        &[
            StopReason::EndTurn,
            StopReason::MaxTokens,
            StopReason::StopSequence,
            StopReason::PauseTurn,
            StopReason::Refusal,
            StopReason::ContextWindowExceeded,
        ][..],
    );
    let usage = (1..99u64, 0..99u64, 0..99u64, 0..99u64, any::<bool>()).prop_map(
        |(input, cache_read, cache_creation, output, thinking)| Usage {
            input,
            cache_read,
            cache_creation,
            output,
            thinking: thinking.then_some(output / 2),
        },
    );
    (stop, prop::option::of(usage))
}

/// The pieces of a JSON text, cut between characters.
fn cut<'a>(text: &'a str, cuts: &[Index]) -> Vec<&'a str> {
    let mut places: Vec<usize> = cuts
        .iter()
        .map(|it| text.floor_char_boundary(it.index(text.len() + 1)))
        .collect();
    places.sort_unstable();
    let mut from = 0;
    let mut out = Vec::new();
    for place in places.into_iter().chain([text.len()]) {
        out.push(&text[from..place]);
        from = place;
    }
    out
}

fn raw(json: &str) -> Box<RawValue> {
    RawValue::from_string(json.to_owned()).unwrap()
}

fn events(parts: &[Part], stop: StopReason, usage: Option<Usage>) -> Vec<Event> {
    let mut out = vec![Event::Start {
        id: None,
        model: None,
    }];
    for (at, part) in parts.iter().enumerate() {
        match part {
            Part::Text(texts) => {
                out.push(Event::BlockStart(BlockStart::Text));
                out.extend(texts.iter().cloned().map(Event::Text));
            }
            Part::Thinking(texts, seal) => {
                out.push(Event::BlockStart(BlockStart::Thinking));
                out.extend(texts.iter().cloned().map(Event::Thinking));
                out.push(Event::Signature(seal.clone()));
            }
            Part::Redacted(data) => {
                out.push(Event::BlockStart(BlockStart::RedactedThinking {
                    data: data.clone(),
                }));
            }
            Part::Call(name, arguments, cuts) => {
                let id = format!("toolu_01{at:06}");
                let name = name.clone();
                out.push(Event::BlockStart(BlockStart::ToolUse { id, name }));
                let pieces = cut(arguments, cuts).into_iter();
                out.extend(pieces.map(|it| Event::ToolArguments(it.to_owned())));
            }
            Part::Server => out.push(Event::BlockStart(BlockStart::ServerToolUse {
                id: format!("srvtoolu_{at}"),
                name: "web_search".to_owned(),
                input: raw("{}"),
            })),
        }
        out.push(Event::BlockStop);
    }
    let called = parts.iter().any(|it| matches!(it, Part::Call(..)));
    out.push(Event::Finish {
        stop: match stop {
            StopReason::EndTurn if called => StopReason::ToolUse,
            other => other,
        },
        stop_sequence: None,
        explanation: None,
        usage,
    });
    out
}

/// What an answer says, however it is cut into events.
#[derive(Debug, Default, PartialEq)]
struct Said {
    text: String,
    thinking: String,
    calls: Vec<(String, String, Value)>,
    stop: Option<StopReason>,
    usage: Option<Usage>,
}

/// What a reader of this dialect has to hear: texts with something between them are paragraphs.
fn expected(parts: &[Part], events: &[Event]) -> Said {
    let mut said = Said::default();
    let (mut apart, mut thoughts) = (false, 0);
    for part in parts {
        match part {
            Part::Text(texts) => {
                if std::mem::take(&mut apart) && !said.text.is_empty() {
                    said.text.push_str("\n\n");
                }
                said.text.push_str(&texts.concat());
                continue;
            }
            Part::Thinking(texts, _) => {
                if 0 < thoughts {
                    said.thinking.push_str("\n\n");
                }
                said.thinking.push_str(&texts.concat());
                thoughts += 1;
            }
            Part::Redacted(_) => thoughts += 1,
            Part::Call(..) | Part::Server => {}
        }
        apart = true;
    }
    let heard = hear(events);
    said.calls = heard.calls;
    said.stop = heard.stop.map(|stop| match stop {
        StopReason::StopSequence | StopReason::PauseTurn if said.calls.is_empty() => {
            StopReason::EndTurn
        }
        // Calls count, not the word.
        StopReason::StopSequence | StopReason::PauseTurn => StopReason::ToolUse,
        StopReason::ContextWindowExceeded => StopReason::MaxTokens,
        other => other,
    });
    said.usage = heard.usage;
    said
}

fn hear(events: &[Event]) -> Said {
    let mut said = Said::default();
    let mut arguments: Option<(String, String, String)> = None;
    for event in events {
        match event {
            Event::Text(text) => said.text.push_str(text),
            Event::Thinking(text) => said.thinking.push_str(text),
            Event::BlockStart(BlockStart::ToolUse { id, name }) => {
                arguments = Some((id.clone(), name.clone(), String::new()));
            }
            Event::ToolArguments(piece) => arguments.as_mut().unwrap().2.push_str(piece),
            Event::BlockStop => {
                if let Some((id, name, json)) = arguments.take() {
                    let json = if json.trim().is_empty() { "{}" } else { &json };
                    said.calls
                        .push((id, name, serde_json::from_str(json).unwrap()));
                }
            }
            Event::Finish { stop, usage, .. } => {
                said.stop = Some(*stop);
                said.usage = *usage;
            }
            _ => {}
        }
    }
    said
}

fn context() -> EncodeContext {
    EncodeContext {
        model: "m".to_owned(),
        message_id: "msg_1".to_owned(),
        stream_usage: true,
        ..EncodeContext::default()
    }
}

fn written(events: &[Event]) -> (Vec<u8>, Vec<u8>) {
    let mut encode = Encode::new(context());
    let mut assemble = Assemble::new(context());
    let mut stream = Vec::new();
    for event in events {
        encode.push(event, &mut stream);
        assemble.push(event).unwrap();
    }
    (stream, assemble.finish().unwrap())
}

/// Reads a stream, cut anywhere.
fn decoded(stream: &[u8], cuts: &[Index]) -> Vec<Event> {
    let mut frames = SseDecoder::new();
    let mut decode = Decode::new(DecodeContext::default());
    let mut out = Vec::new();
    for piece in pieces(stream, cuts) {
        frames
            .push::<StreamError>(piece, |frame| decode.push(frame, &mut out))
            .unwrap();
    }
    decode.finish(&mut out).unwrap();
    out
}

/// The message that a client puts together from a stream, as the vendor's own libraries do.
fn joined(stream: &[u8]) -> Value {
    let mut message = json!({"reasoning_details": [], "tool_calls": []});
    let text = |message: &mut Value, key: &str, more: &Value| {
        if let Some(more) = more.as_str() {
            let all = message[key].as_str().unwrap_or_default().to_owned() + more;
            message[key] = Value::String(all);
        }
    };
    for data in std::str::from_utf8(stream).unwrap().lines() {
        let Some(data) = data.strip_prefix("data: ").filter(|it| *it != "[DONE]") else {
            continue;
        };
        let chunk: Value = serde_json::from_str(data).unwrap();
        let delta = &chunk["choices"][0]["delta"];
        text(&mut message, "content", &delta["content"]);
        text(
            &mut message,
            "reasoning_content",
            &delta["reasoning_content"],
        );
        for detail in delta["reasoning_details"].as_array().into_iter().flatten() {
            message["reasoning_details"]
                .as_array_mut()
                .unwrap()
                .push(detail.clone());
        }
        for piece in delta["tool_calls"].as_array().into_iter().flatten() {
            let index = usize::try_from(piece["index"].as_u64().unwrap()).unwrap();
            let calls = message["tool_calls"].as_array_mut().unwrap();
            if index == calls.len() {
                calls.push(piece.clone());
                calls[index].as_object_mut().unwrap().remove("index");
            } else {
                let more = piece["function"]["arguments"].as_str().unwrap();
                let all = calls[index]["function"]["arguments"]
                    .as_str()
                    .unwrap()
                    .to_owned();
                calls[index]["function"]["arguments"] = Value::String(all + more);
            }
        }
    }
    message
}

/// What the next request makes of an answer.
fn replayed(message: &Value) -> String {
    let mut message = message.clone();
    message["role"] = json!("assistant");
    let body = json!({"model": "m", "messages": [{"role": "user", "content": "x"}, message]});
    let mut losses = Losses::default();
    let request = inbound(body.to_string().as_bytes(), &mut losses).unwrap();
    assert!(losses.is_empty(), "{losses}");
    format!("{:#?}", request.messages.get(1))
}

proptest! {
    #[test]
    fn what_is_written_is_heard(
        parts in prop::collection::vec(part(), 0..7),
        (stop, usage) in end(),
        cuts in prop::collection::vec(any::<Index>(), 0..5),
    ) {
        let events = events(&parts, stop, usage);
        let (stream, body) = written(&events);
        let mut want = expected(&parts, &events);
        if usage.is_none() {
            // An estimate stands in its place; of nothing at all nothing can be told.
            want.usage = hear(&decoded(&stream, &[])).usage;
        }
        prop_assert_eq!(&hear(&decoded(&stream, &cuts)), &want);
        let mut whole = Vec::new();
        Decode::new(DecodeContext::default()).body(&body, &mut whole).unwrap();
        prop_assert_eq!(&hear(&whole), &want);
    }

    /// The reasoning comes back signature for signature, whether the client streamed or not.
    #[test]
    fn what_a_client_sends_back_is_what_was_said(
        parts in prop::collection::vec(part(), 1..7),
        (stop, usage) in end(),
    ) {
        let events = events(&parts, stop, usage);
        let (stream, body) = written(&events);
        let body: Value = serde_json::from_slice(&body).unwrap();
        let whole = replayed(&body["choices"][0]["message"]);
        prop_assert_eq!(&replayed(&joined(&stream)), &whole);
        for part in &parts {
            match part {
                Part::Thinking(texts, seal) => {
                    let seal = if seal.is_empty() { "pm1.c." } else { seal };
                    let block = format!(
                        "{:#?}",
                        Block::Thinking { text: texts.concat(), signature: seal.to_owned() }
                    );
                    let indented = block.replace('\n', "\n            ");
                    prop_assert!(whole.contains(&indented), "{} is not in {}", block, whole);
                }
                Part::Redacted(data) => prop_assert!(whole.contains(data.as_str())),
                Part::Text(_) | Part::Call(..) | Part::Server => {}
            }
        }
    }
}

// Requests.

fn user_blocks() -> impl Strategy<Value = Vec<Block>> {
    let block = prop_oneof![
        3 => words().prop_map(Block::Text),
        1 => Just(Block::Image(ImageSource::Url("https://a.example/b.png".to_owned()))),
        1 => Just(Block::Image(ImageSource::Base64 {
            media_type: "image/png".to_owned(),
            data: "AA==".to_owned(),
        })),
    ];
    prop::collection::vec(block, 1..4)
}

/// A turn of the model and what follows it: its calls are all answered, in order.
fn turn() -> impl Strategy<Value = Vec<Message>> {
    let calls = prop::collection::vec(("tool_[ab]", object(), words()), 0..3);
    (words(), calls, prop::option::of(user_blocks())).prop_map(|(text, calls, user)| {
        let mut said = vec![Block::Text(text)];
        let mut answered = Vec::new();
        for (at, (name, arguments, result)) in calls.into_iter().enumerate() {
            let id = format!("call_{at}");
            let json = if arguments.is_empty() {
                "{}"
            } else {
                &arguments
            };
            said.push(Block::ToolUse(ToolUse {
                id: id.clone(),
                name,
                input: raw(json),
            }));
            answered.push(Block::ToolResult(ToolResult {
                tool_use_id: id,
                content: vec![ToolResultPart::Text(result)],
                is_error: false,
            }));
        }
        match user {
            Some(blocks) => answered.extend(blocks),
            None if answered.is_empty() => answered.push(Block::Text("and".to_owned())),
            None => {}
        }
        let message = |role, blocks| Message { role, blocks };
        vec![
            message(Role::Assistant, said),
            message(Role::User, answered),
        ]
    })
}

fn request() -> impl Strategy<Value = Request> {
    let tools = ["tool_a", "tool_b"].map(|name| Tool {
        name: name.to_owned(),
        description: Some(format!("Does {name}.")),
        input_schema: json!({"type": "object", "properties": {"z": {"type": "number"}, "a": {}}}),
        strict: None,
        freeform: None,
        typed: None,
    });
    let choice = prop::option::of(prop_oneof![
        Just(ToolChoice::Auto),
        Just(ToolChoice::Any),
        Just(ToolChoice::None),
        Just(ToolChoice::Tool("tool_a".to_owned())),
    ]);
    (
        prop::option::of(words()),
        user_blocks(),
        prop::collection::vec(turn(), 0..4),
        choice,
        (prop::option::of(1..9999u64), any::<bool>(), any::<bool>()),
        prop::collection::vec("[A-Z]{1,4}", 0..4),
    )
        .prop_map(
            move |(system, first, turns, choice, (limit, serial, stream), stop)| {
                let first = Message {
                    role: Role::User,
                    blocks: first,
                };
                Request {
                    model: "m".to_owned(),
                    max_tokens: limit,
                    system: system.into_iter().collect(),
                    messages: [first]
                        .into_iter()
                        .chain(turns.into_iter().flatten())
                        .collect(),
                    tools: tools.to_vec(),
                    tool_choice: choice,
                    parallel_tool_calls: serial.then_some(false),
                    stop_sequences: stop,
                    temperature: Some(serde_json::Number::from_f64(0.5).unwrap()),
                    user: Some("u".to_owned()),
                    stream,
                    // What is written always asks for it where it streams.
                    stream_usage: stream,
                    ..Request::default()
                }
            },
        )
}

proptest! {
    #[test]
    fn what_this_dialect_can_ask_is_understood(request in request()) {
        let mut losses = Losses::default();
        let sent = outbound(&request, "m", &Profile::generic(), &mut losses).unwrap();
        prop_assert!(losses.is_empty(), "{}", losses);
        let read = inbound(&sent.body, &mut losses).unwrap();
        prop_assert!(losses.is_empty(), "{}", losses);
        prop_assert_eq!(format!("{:#?}", plain(read)), format!("{:#?}", plain(request)));
    }
}

/// Brings texts side by side together: the dialect joins them where nothing else is said, with an empty line.
fn plain(mut request: Request) -> Request {
    for message in &mut request.messages {
        let mut blocks: Vec<Block> = Vec::new();
        for block in message.blocks.drain(..) {
            match (blocks.last_mut(), block) {
                (Some(Block::Text(last)), Block::Text(more)) => {
                    last.push_str("\n\n");
                    last.push_str(&more);
                }
                (_, block) => blocks.push(block),
            }
        }
        message.blocks = blocks;
    }
    request
}
