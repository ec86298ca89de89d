//! What must hold for any bytes: no panic, no output that depends on where the bytes were cut, no broken JSON sent on,
//! no answer many times as large as what it was made of.

use std::path::Path;

use bytes::Bytes;
use pointsman::config::{self, Env, LoadOptions};
use pointsman::protocol::answer::{AnswerReader, Reading};
use pointsman::protocol::anthropic::{RequestHead, Rewrite, Thinking};
use pointsman::protocol::canonical::Losses;
use pointsman::protocol::errors;
use pointsman::protocol::frame::{FrameTooLarge, SseDecoder};
use pointsman::protocol::profile::{Overrides, Profile};
use pointsman::protocol::translate::{
    self, AnswerContext, BodyTranslator, RequestContext, StreamTranslator,
};
use pointsman::protocol::zed::{Lines, Unwrap};
use pointsman::routing::Pattern;
use pointsman::types::Dialect;
use serde::de::IgnoredAny;

/// All dialects of clients.
const CLIENTS: [Dialect; 3] = [
    Dialect::Anthropic,
    Dialect::OpenAiChat,
    Dialect::OpenAiResponses,
];
/// All dialects of providers, and a model of each kind that is written differently.
const PROVIDERS: [(Dialect, &str, &str); 9] = [
    (Dialect::Anthropic, "api.anthropic.com", "claude-sonnet-4-5"),
    (Dialect::Anthropic, "api.anthropic.com", "claude-opus-5"),
    (Dialect::OpenAiChat, "api.openai.com", "gpt-5"),
    (Dialect::OpenAiChat, "api.mistral.ai", "mistral-large"),
    (Dialect::OpenAiChat, "api.deepseek.com", "deepseek-chat"),
    (Dialect::OpenAiChat, "localhost", "qwen3"),
    (Dialect::OpenAiResponses, "api.openai.com", "gpt-5"),
    (
        Dialect::Gemini,
        "generativelanguage.googleapis.com",
        "gemini-2.5-flash",
    ),
    (
        Dialect::Gemini,
        "generativelanguage.googleapis.com",
        "gemini-3-pro",
    ),
];
/// Output for each byte of input that is still no attack: an event around one character.
const GROWTH: usize = 2048;

/// The first byte says how many cuts there are, the next ones where.
fn cut(data: &[u8]) -> (Vec<&[u8]>, &[u8]) {
    let Some((count, rest)) = data.split_first() else {
        return (Vec::new(), data);
    };
    let (places, text) = rest.split_at(usize::from(count % 8).min(rest.len()));
    let mut places: Vec<usize> = places
        .iter()
        .map(|place| usize::from(*place) * (text.len() + 1) / 256)
        .collect();
    places.sort_unstable();
    let mut pieces = Vec::new();
    let mut from = 0;
    for place in places.into_iter().chain([text.len()]) {
        pieces.push(&text[from..place]);
        from = place;
    }
    (pieces, text)
}

/// Server-sent events.
pub fn frames(data: &[u8]) {
    let (pieces, whole) = cut(data);
    let read = |pieces: &[&[u8]]| {
        let mut decoder = SseDecoder::new();
        let mut frames: Vec<(Vec<u8>, Vec<u8>)> = Vec::new();
        let mut ended: Result<(), FrameTooLarge> = Ok(());
        for piece in pieces {
            ended = ended.and_then(|()| {
                decoder.push(piece, |frame| {
                    frames.push((frame.event.to_vec(), frame.data.to_vec()));
                    Ok(())
                })
            });
        }
        ended = ended.and_then(|()| {
            decoder.finish(|frame| {
                frames.push((frame.event.to_vec(), frame.data.to_vec()));
                Ok(())
            })
        });
        (frames, ended)
    };
    assert_eq!(read(&pieces), read(&[whole]));
}

/// Answers of a provider.
pub fn answer(provider: Dialect, data: &[u8]) {
    let (pieces, whole) = cut(data);
    for client in CLIENTS {
        let (out, ended) = streamed(provider, client, &pieces);
        let (at_once, ended_at_once) = streamed(provider, client, &[whole]);
        assert_eq!(ended, ended_at_once, "{provider} for {client}");
        assert_eq!(
            String::from_utf8_lossy(&out),
            String::from_utf8_lossy(&at_once),
            "{provider} for {client}"
        );
        assert!(std::str::from_utf8(&out).is_ok(), "{provider} for {client}");
        assert!(out.len() <= whole.len() * GROWTH + 64 * 1024);
        let mut body = BodyTranslator::new(context(provider, client));
        let read = pieces.iter().try_for_each(|piece| body.push(piece));
        if let Ok(answer) = read.and_then(|()| body.finish()) {
            assert!(serde_json::from_slice::<IgnoredAny>(&answer.body).is_ok());
        }
    }
    relayed(provider, &pieces, whole);
}

fn context(provider: Dialect, client: Dialect) -> AnswerContext {
    AnswerContext::between(provider, client).named("model", "msg_fuzz", 10)
}

fn streamed(provider: Dialect, client: Dialect, pieces: &[&[u8]]) -> (Vec<u8>, Result<(), String>) {
    let mut translator = StreamTranslator::new(context(provider, client));
    let mut out = Vec::new();
    let mut ended = Ok(());
    for piece in pieces {
        ended = ended.and_then(|()| translator.push(piece, &mut out));
    }
    let ended = ended.and_then(|()| translator.finish(&mut out));
    (out, ended.map_err(|error| error.to_string()))
}

/// The same dialect: what comes out is a beginning of what came in.
fn relayed(provider: Dialect, pieces: &[&[u8]], whole: &[u8]) {
    let mut reader = AnswerReader::new(Reading::PassStream(provider));
    let mut out = Vec::new();
    for piece in pieces {
        match reader.push(Bytes::copy_from_slice(piece)) {
            Ok(given) => out.extend(given.into_iter().flatten()),
            Err(_) => return,
        }
    }
    if let Ok(given) = reader.finish() {
        out.extend(given.into_iter().flatten());
    }
    assert!(whole.starts_with(&out), "{provider}");
}

/// Requests of a client.
pub fn request(client: Dialect, data: &[u8]) {
    let whole = Bytes::copy_from_slice(data);
    if let Ok(head) = RequestHead::read(client, &whole) {
        for thinking in [Thinking::Kept, Thinking::Cut, Thinking::CutBefore(1)] {
            let rewrite = Rewrite {
                model: "another",
                thinking,
                always_stream: true,
                stream_usage: true,
            };
            let sent = head.rewrite(&whole, &rewrite);
            assert!(RequestHead::read(client, &sent).is_ok());
        }
    }
    let mut losses = Losses::default();
    if translate::canonical(client, data, &mut losses).is_err() {
        return;
    }
    for (provider, host, model) in PROVIDERS {
        let profile = Profile::of(provider, host, model, &Overrides::default());
        let context = RequestContext {
            client,
            model,
            profile: &profile,
            message_id: "msg_fuzz".to_owned(),
            input_estimate: 10,
            created: 1,
            always_stream: false,
            thinking: Thinking::Kept,
        };
        if let Ok(translation) = translate::request(data, context) {
            let sent = serde_json::from_slice::<IgnoredAny>(&translation.body);
            assert!(sent.is_ok(), "{client} to {provider}");
        }
    }
}

/// Error bodies of providers, shown to every client.
pub fn errors(data: &[u8]) {
    let (status, body) = data.split_at(data.len().min(2));
    let status = status
        .iter()
        .fold(0, |all, byte| all * 256 + u16::from(*byte));
    for (provider, ..) in PROVIDERS {
        let error = errors::parse(provider, (status != 0).then_some(status), body);
        assert!(!error.message.is_empty());
        for client in CLIENTS {
            let (status, shown) = errors::translated(client, &error, "req_fuzz");
            assert!((400..=599).contains(&status), "{status}");
            assert!(serde_json::from_slice::<IgnoredAny>(&shown).is_ok());
        }
    }
}

/// Lines of Zed's service.
pub fn zed(data: &[u8]) {
    let (pieces, whole) = cut(data);
    let kinds = [Lines::Events, Lines::Statuses, Lines::StatusesAndEnd];
    for (dialect, ..) in PROVIDERS {
        for lines in kinds {
            let open = |pieces: &[&[u8]]| {
                let mut unwrap = Unwrap::new(dialect, lines);
                let mut out = Vec::new();
                let mut ended = Ok(());
                for piece in pieces {
                    ended = ended.and_then(|()| unwrap.push(piece, &mut out));
                }
                ended = ended.and_then(|()| unwrap.finish(&mut out));
                (out, ended)
            };
            let opened = open(&pieces);
            assert!(opened.0.len() <= GROWTH * (whole.len() + 1));
            assert_eq!(opened, open(&[whole]));
        }
    }
}

/// Route patterns: the first line is the pattern, the rest a name.
pub fn route(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let (pattern, name) = text.split_once('\n').unwrap_or((text, text));
    let parsed = Pattern::new(pattern);
    let matches = parsed.matches(name);
    if matches {
        assert!(Pattern::new(&format!("*{pattern}*")).matches(name));
    }
}

/// Configuration files.
pub fn config(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    // Whoever writes a configuration may name any file, endless ones included.
    if !text.contains("${file") {
        let mut options = LoadOptions::new(Env::default());
        options.no_env_file = true;
        let _ = config::from_text("fuzz.yaml", text, Path::new("/nonexistent"), &options);
    }
}
