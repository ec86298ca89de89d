//! A naive reader of Chat Completions answers: concatenates what it finds, without any state machine.

use serde_json::Value;

/// What an answer says.
#[expect(clippy::struct_excessive_bools, reason = "independent observations")]
#[derive(Debug, Default)]
pub struct Said {
    pub text: String,
    pub thinking: String,
    /// Name and arguments of each call.
    pub calls: Vec<(String, String)>,
    pub usage: Option<Counted>,
    pub finish: Option<String>,
    pub refused: bool,
    pub error: bool,
    pub done: bool,
    /// Whether any choice came.
    pub choices: bool,
    ids: Vec<(Option<u64>, Option<String>)>,
}

/// Tokens in Anthropic's way of counting.
#[derive(Debug, PartialEq, Eq)]
pub struct Counted {
    pub input: u64,
    pub cache_read: u64,
    pub cache_creation: u64,
    pub output: u64,
}

impl Said {
    /// Reads a stream.
    pub fn stream(bytes: &[u8]) -> Self {
        let mut said = Said::default();
        for line in String::from_utf8_lossy(bytes).lines() {
            if line.trim_end() == "event: error" {
                said.error = true;
            }
            let Some(data) = line.strip_prefix("data:").map(str::trim) else {
                continue;
            };
            if data == "[DONE]" {
                said.done = true;
            } else if !said.done && !said.error {
                said.add(&serde_json::from_str(data).unwrap(), "delta");
            }
        }
        said.split_think();
        said
    }

    /// Reads a body; `None` when it is not JSON.
    pub fn body(bytes: &[u8]) -> Option<Self> {
        let mut said = Said::default();
        said.add(&serde_json::from_slice(bytes).ok()?, "message");
        said.done = true;
        said.split_think();
        Some(said)
    }

    fn add(&mut self, chunk: &Value, key: &str) {
        self.error |= !chunk["error"].is_null() || !chunk["detail"].is_null();
        if self.error {
            return;
        }
        let usage = match &chunk["usage"] {
            Value::Null => &chunk["x_groq"]["usage"],
            usage => usage,
        };
        if usage.is_object() {
            self.usage = counted(usage).or(self.usage.take());
        }
        for choice in chunk["choices"].as_array().into_iter().flatten() {
            if choice["index"].as_u64().unwrap_or(0) != 0 {
                continue;
            }
            self.choices = true;
            self.delta(&choice[key], key == "message");
            if let Some(finish) = choice["finish_reason"].as_str().filter(|it| !it.is_empty()) {
                self.finish = Some(finish.to_owned());
            }
        }
    }

    fn delta(&mut self, delta: &Value, whole: bool) {
        let named = ["reasoning_content", "reasoning", "reasoning_text"]
            .iter()
            .find_map(|key| delta[*key].as_str().filter(|it| !it.is_empty()));
        match named {
            Some(text) => self.thinking.push_str(text),
            None => {
                for detail in delta["reasoning_details"].as_array().into_iter().flatten() {
                    self.thinking
                        .push_str(detail["text"].as_str().unwrap_or_default());
                    self.thinking
                        .push_str(detail["summary"].as_str().unwrap_or_default());
                }
            }
        }
        self.text
            .push_str(delta["content"].as_str().unwrap_or_default());
        for part in delta["content"].as_array().into_iter().flatten() {
            self.text
                .push_str(part["text"].as_str().unwrap_or_default());
            for inner in part["thinking"].as_array().into_iter().flatten() {
                self.thinking
                    .push_str(inner["text"].as_str().unwrap_or_default());
            }
        }
        if let Some(refusal) = delta["refusal"].as_str().filter(|it| !it.is_empty()) {
            self.text.push_str(refusal);
            self.refused = true;
        }
        for call in delta["tool_calls"].as_array().into_iter().flatten() {
            self.call(call, whole);
        }
    }

    fn call(&mut self, call: &Value, whole: bool) {
        let index = call["index"].as_u64();
        let id = call["id"]
            .as_str()
            .filter(|it| !it.is_empty())
            .map(str::to_owned);
        let name = call["function"]["name"].as_str().unwrap_or_default();
        let known = self.ids.iter().rposition(|(known_index, known_id)| {
            !whole
                && index.is_some()
                && *known_index == index
                && (id.is_none() || *known_id == id || name.is_empty())
        });
        let slot = known.unwrap_or_else(|| {
            self.ids.push((index, id));
            self.calls.push((name.to_owned(), String::new()));
            self.calls.len() - 1
        });
        let arguments = call["function"]["arguments"].as_str().unwrap_or_default();
        self.calls[slot].1.push_str(arguments);
    }

    fn split_think(&mut self) {
        let Some(inside) = self.text.trim_start().strip_prefix("<think>") else {
            return;
        };
        let (thinking, text) = inside.split_once("</think>").unwrap_or((inside, ""));
        let (thinking, text) = (
            thinking.to_owned(),
            text.trim_start_matches('\n').to_owned(),
        );
        self.thinking.push_str(&thinking);
        self.text = text;
    }

    /// Whether the answer came to its end.
    pub fn complete(&self) -> bool {
        !self.error && self.choices && (self.done || self.finish.is_some())
    }

    /// Anthropic's word for the end.
    pub fn stop_reason(&self) -> &'static str {
        match self.finish.as_deref() {
            Some("length") => "max_tokens",
            Some("content_filter") => "refusal",
            _ if !self.calls.is_empty() => "tool_use",
            _ if self.refused => "refusal",
            _ => "end_turn",
        }
    }
}

fn counted(usage: &Value) -> Option<Counted> {
    let number = |path: &str| usage.pointer(path).and_then(Value::as_u64);
    let prompt = number("/prompt_tokens").unwrap_or(0);
    let completion = number("/completion_tokens").unwrap_or(0);
    if prompt + completion == 0 {
        return None;
    }
    let cache_read = number("/prompt_tokens_details/cached_tokens")
        .or(number("/prompt_cache_hit_tokens"))
        .or(number("/cached_tokens"))
        .unwrap_or(0);
    let cache_creation = number("/prompt_tokens_details/cache_write_tokens").unwrap_or(0);
    let beyond = number("/total_tokens")
        .unwrap_or(0)
        .saturating_sub(prompt + completion);
    Some(Counted {
        input: prompt.saturating_sub(cache_read + cache_creation),
        cache_read,
        cache_creation,
        output: completion + beyond,
    })
}
