//! A naive reader of OpenAI Responses answers: takes whole items where a body or a stream gives them, and no state
//! machine.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::naive::openai::Counted;

/// What an answer says.
#[derive(Debug, Default)]
pub struct Said {
    pub text: String,
    pub thinking: String,
    /// Name and arguments of each call.
    pub calls: Vec<(String, String)>,
    /// Queries of web searches.
    pub searches: Vec<String>,
    /// What the provider sealed.
    pub sealed: Vec<String>,
    pub usage: Option<Counted>,
    pub status: Option<String>,
    pub reason: Option<String>,
    pub refused: bool,
    pub error: bool,
    /// The `response` object came, or its end.
    pub ended: bool,
}

impl Said {
    /// Reads a stream up to its first end. `None` is a line that is not JSON.
    pub fn stream(bytes: &[u8]) -> Option<Self> {
        let mut said = Said::default();
        let text = String::from_utf8_lossy(bytes);
        let mut items: Vec<(u64, Value)> = Vec::new();
        let mut deltas: BTreeMap<u64, String> = BTreeMap::new();
        for line in text.lines() {
            let Some(data) = line.strip_prefix("data:").map(str::trim) else {
                continue;
            };
            if data.is_empty() || data == "[DONE]" {
                continue;
            }
            let data: Value = serde_json::from_str(data).ok()?;
            match data["type"].as_str().unwrap_or_default() {
                "error" => {
                    said.error = true;
                    break;
                }
                "response.output_item.done" => {
                    items.push((data["output_index"].as_u64()?, data["item"].clone()));
                }
                "response.output_text.delta" => {
                    let shown = deltas.entry(data["output_index"].as_u64()?).or_default();
                    shown.push_str(data["delta"].as_str()?);
                }
                "response.completed" | "response.incomplete" | "response.failed" => {
                    said.end(&data["response"]);
                    break;
                }
                _ => {}
            }
        }
        for (index, item) in &items {
            let before = said.text.len();
            said.item(item);
            // Recordings shortened by hand: what was shown cannot be taken back.
            if let Some(shown) = deltas.get(index)
                && !said.text[before..].starts_with(shown)
            {
                said.text.replace_range(before.., shown);
            }
        }
        Some(said)
    }

    /// Reads a body; `None` when it is not JSON.
    pub fn body(bytes: &[u8]) -> Option<Self> {
        let mut said = Said::default();
        let body: Value = serde_json::from_slice(bytes).ok()?;
        said.error = body["status"] != "failed" && !body["error"].is_null();
        if body["object"] == "response" && body["output"].is_array() && !said.error {
            said.end(&body);
            for item in body["output"].as_array().into_iter().flatten() {
                said.item(item);
            }
        }
        Some(said)
    }

    fn end(&mut self, response: &Value) {
        let text = |it: &Value| it.as_str().map(str::to_owned);
        self.ended = true;
        self.status = text(&response["status"]);
        self.reason = text(&response["incomplete_details"]["reason"]);
        self.error |= self.status.as_deref() == Some("failed");
        self.usage = counted(&response["usage"]);
    }

    fn item(&mut self, item: &Value) {
        let text = |it: &Value| it.as_str().unwrap_or_default().to_owned();
        match item["type"].as_str().unwrap_or_default() {
            "message" => {
                for part in item["content"].as_array().into_iter().flatten() {
                    self.text += part["text"].as_str().unwrap_or_default();
                    if let Some(refusal) = part["refusal"].as_str() {
                        self.text += refusal;
                        self.refused = true;
                    }
                }
            }
            "reasoning" => {
                let texts = |key: &str| -> Vec<String> {
                    let parts = item[key].as_array().into_iter().flatten();
                    parts
                        .map(|part| text(&part["text"]))
                        .filter(|it| !it.is_empty())
                        .collect()
                };
                let summary = texts("summary");
                let said = if summary.is_empty() {
                    texts("content")
                } else {
                    summary
                };
                self.thinking += &said.join("\n\n");
                if let Some(sealed) = item["encrypted_content"].as_str() {
                    self.sealed.push(sealed.to_owned());
                }
            }
            "function_call" => self
                .calls
                .push((text(&item["name"]), text(&item["arguments"]))),
            "custom_tool_call" => {
                let input = serde_json::json!({"input": item["input"]}).to_string();
                self.calls.push((text(&item["name"]), input));
            }
            "web_search_call" => {
                let arguments = text(&item["arguments"]);
                let arguments: Value = serde_json::from_str(&arguments).unwrap_or_default();
                let query = item["action"]["query"].as_str();
                self.searches
                    .extend(query.or(arguments["query"].as_str()).map(str::to_owned));
            }
            _ => {}
        }
    }

    /// Whether the answer came to its end.
    pub fn complete(&self) -> bool {
        let unfinished = ["queued", "in_progress", "cancelled"];
        let status = self.status.as_deref().unwrap_or_default();
        self.ended && !self.error && !unfinished.contains(&status)
    }

    /// Anthropic's word for the end.
    pub fn stop_reason(&self) -> &'static str {
        match (self.status.as_deref(), self.reason.as_deref()) {
            (Some("incomplete"), Some("content_filter")) => "refusal",
            (Some("incomplete"), _) => "max_tokens",
            _ if !self.calls.is_empty() => "tool_use",
            _ if self.refused => "refusal",
            _ => "end_turn",
        }
    }
}

fn counted(usage: &Value) -> Option<Counted> {
    let number = |path: &str| usage.pointer(path).and_then(Value::as_u64);
    let input = number("/input_tokens").unwrap_or(0);
    let output = number("/output_tokens").unwrap_or(0);
    if input + output == 0 {
        return None;
    }
    let cache_read = number("/input_tokens_details/cached_tokens").unwrap_or(0);
    let cache_creation = number("/input_tokens_details/cache_write_tokens").unwrap_or(0);
    let total = number("/total_tokens").unwrap_or(0);
    Some(Counted {
        input: input.saturating_sub(cache_read + cache_creation),
        cache_read,
        cache_creation,
        output: output + total.saturating_sub(input + output),
    })
}
