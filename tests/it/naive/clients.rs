//! What a client hears, in each of the three dialects, streamed and whole: simple readers that share nothing with the
//! crate and keep the text of arguments as it stood.

use pointsman::types::Dialect;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

/// An answer as a client of some dialect heard it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Heard {
    /// What was said for people: each piece, and whether something stood between it and the one before.
    pub texts: Vec<String>,
    pub thinking: Vec<String>,
    /// Name and arguments, without spaces between tokens.
    pub calls: Vec<(String, String)>,
    /// In the words of the dialect; of Responses its status and the reason.
    pub end: String,
    /// All of the prompt, read from cache, written to cache, answer.
    pub usage: Option<[u64; 4]>,
    /// How often the answer ended.
    pub ends: usize,
    /// An explanation beside the text.
    pub refusal: String,
}

impl Heard {
    /// All text, without blank space, which dialects set between pieces.
    pub fn words(&self) -> String {
        squeezed(&self.texts.concat())
    }

    /// All thinking, likewise.
    pub fn thoughts(&self) -> String {
        squeezed(&self.thinking.concat())
    }
}

/// A text without its blank space.
pub fn squeezed(text: &str) -> String {
    text.split_whitespace().collect()
}

/// JSON without the spaces between its tokens; numbers, escapes and order stay as they are.
pub fn compact(json: &str) -> String {
    let (mut inside, mut escaped) = (false, false);
    json.chars()
        .filter(|c| {
            let kept = inside || !c.is_ascii_whitespace();
            match c {
                _ if escaped => escaped = false,
                '\\' if inside => escaped = true,
                '"' => inside = !inside,
                _ => {}
            }
            kept
        })
        .collect()
}

/// Reads a stream, whole or cut.
pub fn stream(client: Dialect, what: &str, bytes: &[u8]) -> Heard {
    let text = std::str::from_utf8(bytes).unwrap();
    assert!(
        text.is_empty() || text.ends_with("\n\n"),
        "{what}: ends inside an event"
    );
    let mut heard = Heard::default();
    let mut reader = Reader::default();
    for event in text.split_terminator("\n\n") {
        let (name, data) = match event.split_once('\n') {
            Some((name, data)) => (name.strip_prefix("event: ").unwrap(), data),
            None => ("", event),
        };
        let data = data.strip_prefix("data: ").unwrap();
        assert_eq!(heard.ends, 0, "{what}: {event} after the end");
        if data == "[DONE]" {
            assert_eq!(client, Dialect::OpenAiChat, "{what}");
            heard.ends += 1;
            continue;
        }
        let json: Value = serde_json::from_str(data).unwrap();
        assert_eq!(
            name.is_empty(),
            client == Dialect::OpenAiChat,
            "{what}: {event}"
        );
        match client {
            Dialect::Anthropic => reader.anthropic(&json, &mut heard),
            Dialect::OpenAiChat => chat(&json, &mut heard),
            Dialect::OpenAiResponses => reader.responses(&json, data, &mut heard),
            Dialect::Gemini => panic!("nobody's dialect"),
        }
    }
    for (_, arguments) in &mut heard.calls {
        *arguments = compact(arguments);
    }
    heard
}

/// Reads a whole answer.
pub fn body(client: Dialect, bytes: &[u8]) -> Heard {
    match client {
        Dialect::Anthropic => anthropic_body(bytes),
        Dialect::OpenAiChat => chat_body(bytes),
        Dialect::OpenAiResponses => {
            let mut heard = Heard::default();
            responses_object(std::str::from_utf8(bytes).unwrap(), &mut heard);
            heard
        }
        Dialect::Gemini => panic!("nobody's dialect"),
    }
}

/// What the reader of a stream has to remember.
#[derive(Default)]
struct Reader {
    /// The kind of the block that was read last, in dialects without blocks the field.
    last: String,
    /// What the begin of a message counted.
    prompt: Option<[u64; 3]>,
}

fn text_of(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn number(value: &Value, path: &str) -> u64 {
    value.pointer(path).and_then(Value::as_u64).unwrap_or(0)
}

impl Reader {
    fn anthropic(&mut self, data: &Value, heard: &mut Heard) {
        let delta = &data["delta"];
        match data["type"].as_str().unwrap() {
            "message_start" => self.prompt = Some(anthropic_prompt(&data["message"]["usage"])),
            "content_block_start" => {
                let block = &data["content_block"];
                let kind = text_of(&block["type"]);
                match kind.as_str() {
                    // Pieces of one text are one text.
                    "text" if self.last != "text" => heard.texts.push(String::new()),
                    "thinking" => heard.thinking.push(String::new()),
                    "tool_use" => heard.calls.push((text_of(&block["name"]), String::new())),
                    _ => {}
                }
                self.last = kind;
            }
            "content_block_delta" => match delta["type"].as_str().unwrap() {
                "text_delta" => *heard.texts.last_mut().unwrap() += &text_of(&delta["text"]),
                "thinking_delta" => {
                    *heard.thinking.last_mut().unwrap() += &text_of(&delta["thinking"]);
                }
                "input_json_delta" if self.last == "tool_use" => {
                    heard.calls.last_mut().unwrap().1 += &text_of(&delta["partial_json"]);
                }
                _ => {}
            },
            "content_block_stop" => {
                if let Some((_, arguments)) = heard.calls.last_mut().filter(|it| it.1.is_empty()) {
                    arguments.push_str("{}");
                }
            }
            "message_delta" => {
                heard.end = text_of(&delta["stop_reason"]);
                heard.refusal = text_of(&delta["stop_details"]["explanation"]);
                let usage = &data["usage"];
                let prompt = if usage["input_tokens"].is_u64() {
                    anthropic_prompt(usage)
                } else {
                    self.prompt.unwrap()
                };
                heard.usage = Some(with_output(prompt, number(usage, "/output_tokens")));
            }
            "message_stop" => heard.ends += 1,
            "ping" => {}
            other => panic!("{other}"),
        }
    }

    fn responses(&mut self, data: &Value, raw: &str, heard: &mut Heard) {
        let kind = data["type"].as_str().unwrap();
        match kind {
            "response.output_item.added" => {
                self.last = text_of(&data["item"]["type"]);
                match self.last.as_str() {
                    "message" => heard.texts.push(String::new()),
                    "reasoning" => heard.thinking.push(String::new()),
                    "function_call" => heard
                        .calls
                        .push((text_of(&data["item"]["name"]), String::new())),
                    _ => {}
                }
            }
            "response.output_text.delta" => {
                *heard.texts.last_mut().unwrap() += &text_of(&data["delta"]);
            }
            "response.refusal.delta" => heard.refusal += &text_of(&data["delta"]),
            "response.reasoning_summary_text.delta" => {
                *heard.thinking.last_mut().unwrap() += &text_of(&data["delta"]);
            }
            "response.function_call_arguments.delta" => {
                heard.calls.last_mut().unwrap().1 += &text_of(&data["delta"]);
            }
            "response.completed" | "response.incomplete" => {
                heard.ends += 1;
                // What the end repeats has to be what was told.
                let mut whole = Heard::default();
                responses_object(member(raw, "response"), &mut whole);
                let mut told = heard.clone();
                told.end.clone_from(&whole.end);
                told.usage = whole.usage;
                for (_, arguments) in &mut told.calls {
                    *arguments = compact(arguments);
                }
                for list in [&mut told, &mut whole] {
                    list.texts.retain(|it| !it.is_empty());
                    list.thinking.retain(|it| !it.is_empty());
                }
                assert_eq!(told, whole, "the end says something else");
                *heard = whole;
            }
            _ => {}
        }
    }
}

/// One chunk of Chat Completions.
fn chat(chunk: &Value, heard: &mut Heard) {
    if chunk["usage"].is_object() {
        heard.usage = Some(chat_usage(&chunk["usage"]));
    }
    let Some(choice) = chunk["choices"].get(0) else {
        return;
    };
    let delta = &choice["delta"];
    for (key, into) in [
        ("content", &mut heard.texts),
        ("reasoning_content", &mut heard.thinking),
    ] {
        if let Some(more) = delta[key].as_str().filter(|it| !it.is_empty()) {
            if into.is_empty() {
                into.push(String::new());
            }
            into[0] += more;
        }
    }
    heard.refusal += &text_of(&delta["refusal"]);
    for call in delta["tool_calls"].as_array().into_iter().flatten() {
        let index = usize::try_from(call["index"].as_u64().unwrap()).unwrap();
        if index == heard.calls.len() {
            assert!(!text_of(&call["id"]).is_empty());
            let name = text_of(&call["function"]["name"]);
            heard.calls.push((name, String::new()));
        }
        heard.calls[index].1 += &text_of(&call["function"]["arguments"]);
    }
    if let Some(end) = choice["finish_reason"].as_str() {
        assert!(heard.end.is_empty(), "a second finish_reason");
        heard.end = end.to_owned();
    }
}

fn with_output(prompt: [u64; 3], output: u64) -> [u64; 4] {
    [prompt[0], prompt[1], prompt[2], output]
}

fn anthropic_prompt(usage: &Value) -> [u64; 3] {
    let (read, written) = (
        number(usage, "/cache_read_input_tokens"),
        number(usage, "/cache_creation_input_tokens"),
    );
    [
        number(usage, "/input_tokens") + read + written,
        read,
        written,
    ]
}

fn chat_usage(usage: &Value) -> [u64; 4] {
    let all = [
        number(usage, "/prompt_tokens"),
        number(usage, "/prompt_tokens_details/cached_tokens"),
        number(usage, "/prompt_tokens_details/cache_write_tokens"),
        number(usage, "/completion_tokens"),
    ];
    assert_eq!(number(usage, "/total_tokens"), all[0] + all[3]);
    all
}

/// A member of an object as it stands.
fn member<'a>(json: &'a str, name: &str) -> &'a str {
    let members: std::collections::HashMap<String, &RawValue> = serde_json::from_str(json).unwrap();
    members[name].get()
}

#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow)]
    content: Vec<&'a RawValue>,
}

fn anthropic_body(bytes: &[u8]) -> Heard {
    let whole: Value = serde_json::from_slice(bytes).unwrap();
    let usage = &whole["usage"];
    let mut heard = Heard {
        end: text_of(&whole["stop_reason"]),
        usage: Some(with_output(
            anthropic_prompt(usage),
            number(usage, "/output_tokens"),
        )),
        ends: 1,
        refusal: text_of(&whole["stop_details"]["explanation"]),
        ..Heard::default()
    };
    let message: Message = serde_json::from_slice(bytes).unwrap();
    let mut last = String::new();
    for raw in message.content {
        let block: Value = serde_json::from_str(raw.get()).unwrap();
        let kind = text_of(&block["type"]);
        match kind.as_str() {
            "text" if last == "text" => {
                *heard.texts.last_mut().unwrap() += &text_of(&block["text"]);
            }
            "text" => heard.texts.push(text_of(&block["text"])),
            "thinking" => heard.thinking.push(text_of(&block["thinking"])),
            "tool_use" => heard
                .calls
                .push((text_of(&block["name"]), compact(member(raw.get(), "input")))),
            _ => {}
        }
        last = kind;
    }
    heard
}

fn chat_body(bytes: &[u8]) -> Heard {
    let whole: Value = serde_json::from_slice(bytes).unwrap();
    assert_eq!(whole["object"], "chat.completion");
    let choice = &whole["choices"][0];
    let message = &choice["message"];
    let some = |key: &str| {
        let text = message[key].as_str().filter(|it| !it.is_empty());
        text.map(str::to_owned).into_iter().collect::<Vec<_>>()
    };
    let calls = message["tool_calls"].as_array().into_iter().flatten();
    Heard {
        texts: some("content"),
        thinking: some("reasoning_content"),
        calls: calls
            .map(|it| {
                let function = &it["function"];
                let arguments = compact(function["arguments"].as_str().unwrap());
                (text_of(&function["name"]), arguments)
            })
            .collect(),
        end: text_of(&choice["finish_reason"]),
        usage: Some(chat_usage(&whole["usage"])),
        ends: 1,
        refusal: text_of(&message["refusal"]),
    }
}

/// The object of Responses; of reasoning its summary is shown, or all of it where it has none.
fn responses_object(raw: &str, heard: &mut Heard) {
    let whole: Value = serde_json::from_str(raw).unwrap();
    let reason = text_of(&whole["incomplete_details"]["reason"]);
    heard.end = format!("{} {reason}", text_of(&whole["status"]))
        .trim()
        .to_owned();
    heard.ends = 1;
    let usage = &whole["usage"];
    let all = [
        number(usage, "/input_tokens"),
        number(usage, "/input_tokens_details/cached_tokens"),
        number(usage, "/input_tokens_details/cache_write_tokens"),
        number(usage, "/output_tokens"),
    ];
    assert_eq!(number(usage, "/total_tokens"), all[0] + all[3]);
    heard.usage = Some(all);
    for item in whole["output"].as_array().unwrap() {
        let parts = |list: &str, key: &str| -> String {
            let parts = item[list].as_array().into_iter().flatten();
            parts.map(|it| text_of(&it[key])).collect()
        };
        match item["type"].as_str().unwrap() {
            "message" => {
                heard.texts.push(parts("content", "text"));
                heard.refusal += &parts("content", "refusal");
            }
            "reasoning" => {
                let summary = parts("summary", "text");
                let full = parts("content", "text");
                heard
                    .thinking
                    .push(if summary.is_empty() { full } else { summary });
            }
            "function_call" => heard.calls.push((
                text_of(&item["name"]),
                compact(item["arguments"].as_str().unwrap()),
            )),
            _ => {}
        }
    }
}
