//! Every recorded answer of four protocols, for clients of three dialects, streamed and whole: naive readers of either
//! end hear the same.

use pointsman::protocol::translate::{
    AnswerContext, BodyTranslator, StreamTranslator, body_answer, stream_from_body,
};
use pointsman::protocol::upstream_error::StreamError;
use pointsman::types::Dialect;
use serde_json::Value;

use crate::corpus::recordings;
use crate::naive::anthropic::{blocks, facts, joined};
use crate::naive::assembly::put_together;
use crate::naive::clients::{self, Heard, squeezed};
use crate::naive::{gemini, openai, responses};

const ESTIMATE: u64 = 4321;

const CLIENTS: [Dialect; 3] = [
    Dialect::Anthropic,
    Dialect::OpenAiChat,
    Dialect::OpenAiResponses,
];

/// A protocol of the corpus.
struct Protocol {
    provider: Dialect,
    folder: &'static str,
    /// What ends a stream that was recorded without its frames.
    done: &'static str,
    /// A naive reader of its streams, and of its bodies.
    stream: fn(&[u8]) -> Option<Said>,
    body: fn(&[u8]) -> Option<Said>,
    /// Streams and bodies there have to be, at least.
    least: (usize, usize),
}

const PROTOCOLS: [Protocol; 4] = [
    Protocol {
        provider: Dialect::Anthropic,
        folder: "anthropic",
        done: "",
        stream: anthropic_stream,
        body: anthropic_body,
        least: (95, 150),
    },
    Protocol {
        provider: Dialect::OpenAiChat,
        folder: "openai-chat",
        done: "data: [DONE]\n\n",
        stream: |bytes| chat(&openai::Said::stream(bytes)),
        body: |bytes| chat(&openai::Said::body(bytes)?),
        least: (140, 250),
    },
    Protocol {
        provider: Dialect::OpenAiResponses,
        folder: "openai-responses",
        done: "",
        stream: |bytes| responses_answer(&responses::Said::stream(bytes)?),
        body: |bytes| responses_answer(&responses::Said::body(bytes)?),
        least: (75, 240),
    },
    Protocol {
        provider: Dialect::Gemini,
        folder: "gemini",
        done: "",
        stream: |bytes| gemini_answer(&gemini::Said::stream(bytes)),
        // A body that says something has come whole, whether it names its end or not.
        body: |bytes| {
            let mut said = gemini::Said::body(bytes);
            if !said.text.is_empty() {
                said.finish.get_or_insert_default();
            }
            gemini_answer(&said)
        },
        least: (75, 220),
    },
];

/// What a whole answer said, as its provider's naive reader has it.
struct Said {
    /// Without blank space; `None` where more was shown than text.
    words: Option<String>,
    thoughts: String,
    calls: Vec<(String, Value)>,
    /// In Anthropic's words.
    stop: String,
    /// All of the prompt, read from cache, written to cache, answer; `None` where the recording does not tell.
    usage: Option<[Option<u64>; 4]>,
}

fn parsed(arguments: &str) -> Value {
    match serde_json::from_str(arguments) {
        Ok(value) => value,
        Err(_) if arguments.trim().is_empty() => Value::Object(serde_json::Map::new()),
        Err(_) => Value::String(arguments.to_owned()),
    }
}

fn counted(it: &openai::Counted) -> [Option<u64>; 4] {
    let prompt = it.input + it.cache_read + it.cache_creation;
    [prompt, it.cache_read, it.cache_creation, it.output].map(Some)
}

fn anthropic_stream(bytes: &[u8]) -> Option<Said> {
    let text = String::from_utf8(bytes.to_vec()).unwrap();
    let end = text.find("message_stop\"")?;
    let line = text[end..].find('\n').map_or(text.len(), |it| end + it);
    let first = format!("{}\n\n", &text[..line]);
    facts(first.as_bytes())
        .complete
        .then(|| message(&put_together(first.as_bytes())))
}

fn anthropic_body(bytes: &[u8]) -> Option<Said> {
    let body: Value = serde_json::from_slice(bytes).ok()?;
    (body["type"] == "message").then(|| message(&body))
}

fn message(message: &Value) -> Said {
    let count = |key: &str| message["usage"][key].as_u64().unwrap_or(0);
    let (read, written) = (
        count("cache_read_input_tokens"),
        count("cache_creation_input_tokens"),
    );
    let prompt = count("input_tokens") + read + written;
    let call = |it: &Value| {
        let input = match &it["input"]["_raw"] {
            Value::String(text) => Value::String(text.clone()),
            _ => it["input"].clone(),
        };
        (it["name"].as_str().unwrap().to_owned(), input)
    };
    Said {
        words: Some(squeezed(&joined(message, "text", "text"))),
        thoughts: squeezed(&joined(message, "thinking", "thinking")),
        calls: blocks(message, "tool_use").map(call).collect(),
        stop: message["stop_reason"].as_str().unwrap().to_owned(),
        usage: Some([prompt, read, written, count("output_tokens")].map(Some)),
    }
}

fn chat(said: &openai::Said) -> Option<Said> {
    said.complete().then(|| Said {
        words: Some(squeezed(&said.text)),
        thoughts: squeezed(&said.thinking),
        calls: said
            .calls
            .iter()
            .map(|(name, it)| (name.clone(), parsed(it)))
            .collect(),
        stop: said.stop_reason().to_owned(),
        usage: said.usage.as_ref().map(counted),
    })
}

fn responses_answer(said: &responses::Said) -> Option<Said> {
    said.complete().then(|| Said {
        words: Some(squeezed(&said.text)),
        thoughts: squeezed(&said.thinking),
        calls: said
            .calls
            .iter()
            .map(|(name, it)| (name.clone(), parsed(it)))
            .collect(),
        stop: said.stop_reason().to_owned(),
        usage: said.usage.as_ref().map(counted),
    })
}

fn gemini_answer(said: &gemini::Said) -> Option<Said> {
    said.complete().then(|| Said {
        words: (!said.more).then(|| squeezed(&said.text)),
        thoughts: squeezed(&said.thinking),
        calls: said.calls.clone(),
        stop: said.stop_reason().to_owned(),
        usage: said
            .counted()
            .map(|(prompt, output)| [Some(prompt), None, None, Some(output)]),
    })
}

fn ctx(provider: Dialect, client: Dialect) -> AnswerContext {
    let mut ctx = AnswerContext::between(provider, client).named("m", "msg_corpus", ESTIMATE);
    ctx.encode.stream_usage = true;
    ctx
}

/// The bytes a streaming client gets, and how it ended.
fn streamed(ctx: AnswerContext, pieces: &[&[u8]]) -> (Vec<u8>, Result<(), StreamError>) {
    let mut translator = StreamTranslator::new(ctx);
    let mut out = Vec::new();
    for piece in pieces {
        if let Err(error) = translator.push(piece, &mut out) {
            return (out, Err(error));
        }
    }
    let ended = translator.finish(&mut out);
    assert_eq!(ended.is_ok(), translator.is_complete());
    (out, ended)
}

/// The body a client that does not stream gets.
fn whole(ctx: AnswerContext, bytes: &[u8]) -> Result<Vec<u8>, StreamError> {
    let mut translator = BodyTranslator::new(ctx);
    translator.push(bytes)?;
    Ok(translator.finish()?.body)
}

/// What the end is called.
fn end_in(client: Dialect, said: &Said, heard: &Heard) -> String {
    let calls = !said.calls.is_empty();
    let end = match (client, said.stop.as_str()) {
        (Dialect::OpenAiChat, "tool_use") if calls => "tool_calls",
        (Dialect::OpenAiChat, "max_tokens" | "model_context_window_exceeded") => "length",
        (Dialect::OpenAiChat, "refusal") => "content_filter",
        (Dialect::OpenAiChat, _) => "stop",
        (Dialect::OpenAiResponses, "max_tokens" | "model_context_window_exceeded") => {
            "incomplete max_output_tokens"
        }
        (Dialect::OpenAiResponses, "refusal")
            if !calls && heard.words().is_empty() && heard.refusal.is_empty() =>
        {
            "incomplete content_filter"
        }
        (Dialect::OpenAiResponses, _) => "completed",
        (_, stop) => stop,
    };
    end.to_owned()
}

/// A whole answer as some client heard it, against what its provider said.
fn check(what: &str, client: Dialect, heard: &Heard, said: &Said) {
    assert_eq!(heard.ends, 1, "{what}: ends");
    match &said.words {
        Some(words) => assert_eq!(heard.words(), *words, "{what}: text"),
        None => assert!(!heard.words().is_empty(), "{what}: nothing shown"),
    }
    assert_eq!(heard.thoughts(), said.thoughts, "{what}: thinking");
    let calls: Vec<(String, Value)> = heard
        .calls
        .iter()
        .map(|(name, it)| (name.clone(), unwrapped(&parsed(it))))
        .collect();
    let expected: Vec<(String, Value)> = said
        .calls
        .iter()
        .map(|(name, it)| (name.clone(), as_compact(it)))
        .collect();
    assert_eq!(calls, expected, "{what}: calls");
    assert_eq!(heard.end, end_in(client, said, heard), "{what}: end");
    let usage = heard.usage.unwrap_or_else(|| panic!("{what}: no usage"));
    match said.usage {
        Some(expected) => {
            for (told, expected) in usage.into_iter().zip(expected) {
                assert_eq!(told, expected.unwrap_or(told), "{what}: {usage:?}");
            }
        }
        None => assert_eq!(usage[0], ESTIMATE, "{what}: no estimate"),
    }
}

/// Arguments that are no JSON, or cut short, are wrapped where an object is needed.
fn unwrapped(arguments: &Value) -> Value {
    match &arguments["_raw"] {
        Value::String(text) => as_compact(&parsed(text)),
        _ => as_compact(arguments),
    }
}

fn as_compact(arguments: &Value) -> Value {
    match arguments {
        Value::String(text) => Value::String(clients::compact(text)),
        other => other.clone(),
    }
}

/// Streams and bodies may differ in how arguments that were cut short look.
fn comparable(heard: &Heard) -> Heard {
    let mut heard = heard.clone();
    for (_, arguments) in &mut heard.calls {
        if let Value::String(text) = unwrapped(&parsed(arguments)) {
            *arguments = text;
        }
    }
    for list in [&mut heard.texts, &mut heard.thinking] {
        list.retain(|it| !it.is_empty());
    }
    heard
}

/// What all clients were told of one answer, in either form.
fn agree(what: &str, all: &[(Dialect, Heard)]) {
    let (_, first) = &all[0];
    for (client, heard) in all {
        let calls = |it: &Heard| comparable(it).calls;
        // Down to the text of numbers.
        assert_eq!(calls(heard), calls(first), "{what} for {client:?}");
        assert_eq!(heard.usage, first.usage, "{what} for {client:?}");
        let texts = |it: &Heard| -> Vec<String> {
            let texts = it.texts.iter().filter(|it| !it.is_empty()).cloned();
            if *client == Dialect::OpenAiChat {
                vec![texts.collect::<Vec<_>>().join("\n\n")]
            } else {
                texts.collect()
            }
        };
        let told = |it: &Heard| {
            let mut told = texts(it);
            told.retain(|it| !it.is_empty());
            told
        };
        // Responses shows searches between texts, which others show as blocks, too.
        assert_eq!(told(heard), told(first), "{what} for {client:?}: texts");
    }
}

#[test]
fn every_recorded_stream_is_heard_by_every_client() {
    for protocol in &PROTOCOLS {
        let Some(folder) = recordings::folder(protocol.folder) else {
            return;
        };
        let streams = recordings::answers(&folder, protocol.done).streams;
        let mut heard_whole = 0;
        for (name, bytes) in &streams {
            let said = (protocol.stream)(bytes);
            let mut all = Vec::new();
            for client in CLIENTS {
                let what = format!("{name} for {client:?}");
                let ctx = || ctx(protocol.provider, client);
                let (out, ended) = streamed(ctx(), &[bytes]);
                for length in [1, 7, 1000] {
                    let pieces: Vec<&[u8]> = bytes.chunks(length).collect();
                    assert!(
                        streamed(ctx(), &pieces) == (out.clone(), ended.clone()),
                        "{what}: by {length}"
                    );
                }
                let heard = clients::stream(client, &what, &out);
                let body = whole(ctx(), bytes);
                assert_eq!(body.is_ok(), ended.is_ok(), "{what}: {ended:?}");
                if let Err(error) = ended {
                    assert_eq!(heard.ends, 0, "{what}: {error}");
                    continue;
                }
                assert!(said.is_some(), "{what}: no end was recorded");
                check(&what, client, &heard, said.as_ref().unwrap());
                let body = clients::body(client, &body.unwrap());
                assert_eq!(comparable(&heard), comparable(&body), "{what}: body");
                cut_short(&what, ctx, bytes);
                all.push((client, heard));
            }
            assert!(all.is_empty() || all.len() == CLIENTS.len(), "{name}");
            if !all.is_empty() {
                heard_whole += 1;
                agree(name, &all);
            }
        }
        println!("{}: {heard_whole} of {}", protocol.folder, streams.len());
        assert!(
            protocol.least.0 < heard_whole,
            "{}: {heard_whole}",
            protocol.folder
        );
    }
}

/// However early a stream is cut, nobody hears an end before the provider said it.
fn cut_short(what: &str, ctx: impl Fn() -> AnswerContext, bytes: &[u8]) {
    for part in 1..8 {
        let cut = &bytes[..bytes.len() * part / 8];
        let (out, ended) = streamed(ctx(), &[cut]);
        let heard = clients::stream(ctx().client, what, &out);
        let expected = usize::from(ended.is_ok());
        assert_eq!(heard.ends, expected, "{what}: cut at {}", cut.len());
        assert_eq!(heard.end.is_empty(), ended.is_err(), "{what}");
        assert_eq!(whole(ctx(), cut).is_ok(), ended.is_ok(), "{what}");
    }
}

#[test]
fn every_recorded_body_is_heard_by_every_client() {
    for protocol in &PROTOCOLS {
        let Some(folder) = recordings::folder(protocol.folder) else {
            return;
        };
        let bodies = recordings::answers(&folder, "").bodies;
        let mut heard_whole = 0;
        for (name, bytes) in &bodies {
            let said = (protocol.body)(bytes);
            let mut all = Vec::new();
            for client in CLIENTS {
                let what = format!("{name} for {client:?}");
                let ctx = || ctx(protocol.provider, client);
                let answer = body_answer(bytes, ctx());
                let mut out = Vec::new();
                let streamed = stream_from_body(bytes, ctx(), &mut out);
                let answer = match (answer, streamed) {
                    (Ok(answer), Ok(facts)) => {
                        assert_eq!(answer.facts, facts, "{what}");
                        answer
                    }
                    (Err(one), Err(other)) => {
                        assert_eq!(one, other, "{what}");
                        assert!(said.is_none(), "{what}: {one}");
                        let heard = clients::stream(client, &what, &out);
                        assert_eq!(heard.ends, 0, "{what}");
                        continue;
                    }
                    both => panic!("{what}: {both:?}"),
                };
                let said = said.as_ref();
                let said = said.unwrap_or_else(|| panic!("{what}: no answer was recorded"));
                let body = clients::body(client, &answer.body);
                check(&what, client, &body, said);
                let heard = clients::stream(client, &what, &out);
                assert_eq!(comparable(&heard), comparable(&body), "{what}: stream");
                all.push((client, body));
            }
            assert!(all.is_empty() || all.len() == CLIENTS.len(), "{name}");
            if !all.is_empty() {
                heard_whole += 1;
                agree(name, &all);
            }
        }
        println!("{}: {heard_whole} of {}", protocol.folder, bodies.len());
        assert!(
            protocol.least.1 < heard_whole,
            "{}: {heard_whole}",
            protocol.folder
        );
    }
}
