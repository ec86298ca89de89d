//! Translation in every direction: a megabyte of a conversation, and streams of 200 events.

use std::hint::black_box;

use criterion::{Criterion, Throughput};
use pointsman::protocol::anthropic::Thinking;
use pointsman::protocol::canonical::{BlockStart, EncodeContext, Event, Losses, StopReason, Usage};
use pointsman::protocol::profile::{Overrides, Profile};
use pointsman::protocol::translate::{
    AnswerContext, Observer, RequestContext, StreamTranslator, Translation, canonical, request,
};
use pointsman::protocol::{anthropic, openai_chat, openai_responses};
use pointsman::types::Dialect;

const CLIENTS: [Dialect; 3] = [
    Dialect::Anthropic,
    Dialect::OpenAiChat,
    Dialect::OpenAiResponses,
];

const PROVIDERS: [(Dialect, &str, &str); 4] = [
    (Dialect::Anthropic, "api.anthropic.com", "claude-sonnet-4-5"),
    (Dialect::OpenAiChat, "gateway.example", "some-model"),
    (Dialect::OpenAiResponses, "api.openai.com", "gpt-5.6"),
    (
        Dialect::Gemini,
        "generativelanguage.googleapis.com",
        "gemini-3-pro",
    ),
];

/// Text deltas of a stream.
const DELTAS: usize = 200;

fn translated(client: Dialect, body: &[u8], model: &str, profile: &Profile) -> Option<Translation> {
    let context = RequestContext {
        client,
        model,
        profile,
        message_id: "msg_bench".to_owned(),
        input_estimate: 1,
        created: 1,
        always_stream: false,
        thinking: Thinking::Kept,
    };
    request(body, context).ok()
}

/// Requests: each client's read alone, and written for each provider.
pub fn requests(criterion: &mut Criterion, messages: &[u8]) {
    let profile = |(dialect, host, model)| Profile::of(dialect, host, model, &Overrides::default());
    let mut group = criterion.benchmark_group("1 MB translated");
    for (client, provider) in CLIENTS.into_iter().zip(PROVIDERS) {
        // The same conversation as a client of that dialect has it.
        let body = match client {
            Dialect::Anthropic => messages.to_vec(),
            _ => translated(Dialect::Anthropic, messages, provider.2, &profile(provider))
                .map_or_else(Vec::new, |it| it.body),
        };
        group.throughput(Throughput::Bytes(body.len() as u64));
        group.bench_function(format!("{client} read"), |b| {
            b.iter(|| drop(canonical(client, black_box(&body), &mut Losses::default())));
        });
        for provider in PROVIDERS.into_iter().filter(|it| it.0 != client) {
            let profile = profile(provider);
            group.bench_function(format!("{client} to {}", provider.0), |b| {
                b.iter(|| translated(client, black_box(&body), provider.2, &profile));
            });
        }
    }
    group.finish();
}

/// A message of one text.
fn events() -> Vec<Event> {
    let words = [
        " the",
        " function",
        " returns",
        "\n    let",
        " `Vec`",
        " early",
        ",",
        " caf\u{e9}",
    ];
    let mut events = vec![
        Event::Start {
            id: None,
            model: None,
        },
        Event::BlockStart(BlockStart::Text),
    ];
    events.extend(
        (0..DELTAS).filter_map(|i| Some(Event::Text((*words.get(i % words.len())?).to_owned()))),
    );
    events.push(Event::BlockStop);
    events.push(Event::Finish {
        stop: StopReason::EndTurn,
        stop_sequence: None,
        explanation: None,
        usage: Some(Usage {
            input: 2_000,
            output: 200,
            ..Usage::default()
        }),
    });
    events
}

fn context() -> EncodeContext {
    EncodeContext {
        model: "bench".to_owned(),
        message_id: "msg_01bench".to_owned(),
        ..EncodeContext::default()
    }
}

/// Each event as a client of that dialect gets it.
fn written(client: Dialect, events: &[Event]) -> Vec<Vec<u8>> {
    match client {
        Dialect::OpenAiChat => {
            let mut encode = openai_chat::Encode::new(context());
            each(events, |event, out| encode.push(event, out))
        }
        Dialect::OpenAiResponses => {
            let mut encode = openai_responses::Encode::new(context());
            each(events, |event, out| encode.push(event, out))
        }
        Dialect::Anthropic | Dialect::Gemini => {
            let mut encode = anthropic::Encode::new(context());
            each(events, |event, out| encode.push(event, out))
        }
    }
}

fn each(events: &[Event], mut write: impl FnMut(&Event, &mut Vec<u8>)) -> Vec<Vec<u8>> {
    let bytes = |event| {
        let mut bytes = Vec::new();
        write(event, &mut bytes);
        bytes
    };
    events.iter().map(bytes).collect()
}

/// The same stream as each provider sends it, event by event.
fn sent(provider: Dialect, events: &[Event]) -> Vec<Vec<u8>> {
    if provider != Dialect::Gemini {
        return written(provider, events);
    }
    let chunk = |event: &Event| {
        let (text, finish) = match event {
            Event::Text(text) => (text.as_str(), serde_json::Value::Null),
            Event::Finish { .. } => ("", "STOP".into()),
            _ => return Vec::new(),
        };
        let chunk = serde_json::json!({
            "candidates": [{"content": {"parts": [{"text": text}], "role": "model"}, "index": 0, "finishReason": finish}],
            "usageMetadata": {"promptTokenCount": 2000, "candidatesTokenCount": 200, "totalTokenCount": 2200},
            "modelVersion": "bench", "responseId": "bench",
        });
        format!("data: {chunk}\r\n\r\n").into_bytes()
    };
    events.iter().map(chunk).collect()
}

/// Answers: each provider's stream read alone, written alone for each client, and translated.
pub fn answers(criterion: &mut Criterion) {
    let events = events();
    let mut group = criterion.benchmark_group("200 deltas");
    group.throughput(Throughput::Elements(DELTAS as u64));
    for client in CLIENTS {
        group.bench_function(format!("{client} written"), |b| {
            b.iter(|| written(client, black_box(&events)));
        });
    }
    for (provider, ..) in PROVIDERS {
        let stream = sent(provider, &events);
        group.bench_function(format!("{provider} read"), |b| {
            b.iter(|| {
                let mut observer = Observer::new(provider);
                for event in &stream {
                    observer.push(black_box(event));
                }
                observer.usage()
            });
        });
        for client in CLIENTS.into_iter().filter(|it| *it != provider) {
            group.bench_function(format!("{provider} to {client}"), |b| {
                b.iter(|| {
                    let context = AnswerContext::between(provider, client).named("m", "msg_1", 1);
                    let mut translator = StreamTranslator::new(context);
                    let mut out = Vec::new();
                    for event in &stream {
                        out.clear();
                        let _ = black_box(translator.push(black_box(event), &mut out));
                    }
                    translator.is_complete()
                });
            });
        }
    }
    group.finish();
}
