//! A naive reader of Gemini's answers: concatenates what it finds, without any state machine.

use serde_json::{Map, Value, json};

/// What an answer says.
#[expect(clippy::struct_excessive_bools, reason = "independent observations")]
#[derive(Debug, Default)]
pub struct Said {
    pub text: String,
    pub thinking: String,
    /// Name and arguments of each call.
    pub calls: Vec<(String, Value)>,
    /// Signatures of calls and texts, in order; those of tools that Google runs left out.
    pub signatures: Vec<String>,
    /// Something was shown that is no text: code, a picture.
    pub more: bool,
    pub searched: bool,
    pub finish: Option<String>,
    pub blocked: bool,
    pub error: bool,
    /// Whether any candidate came.
    pub candidates: bool,
    counts: Map<String, Value>,
    in_pieces: bool,
}

impl Said {
    /// Reads a stream, in which an error may stand as bare JSON.
    pub fn stream(bytes: &[u8]) -> Self {
        let mut said = Said::default();
        let text = String::from_utf8_lossy(bytes).replace("\r\n", "\n");
        let mut bare = String::new();
        for line in text.lines() {
            match line.strip_prefix("data:") {
                Some(data) => said.add(&serde_json::from_str(data).unwrap()),
                None => bare.push_str(line),
            }
        }
        if let Ok(chunk) = serde_json::from_str::<Value>(&bare) {
            said.add(&chunk);
        }
        said
    }

    /// Reads a body.
    pub fn body(bytes: &[u8]) -> Self {
        let mut said = Said::default();
        match serde_json::from_slice::<Value>(bytes).unwrap() {
            Value::Array(chunks) => chunks.iter().for_each(|it| said.add(it)),
            chunk => said.add(&chunk),
        }
        said
    }

    fn add(&mut self, chunk: &Value) {
        self.error |= !chunk["error"].is_null();
        if self.error {
            return;
        }
        for (key, value) in chunk["usageMetadata"].as_object().into_iter().flatten() {
            if value.is_u64() {
                self.counts.insert(key.clone(), value.clone());
            }
        }
        self.blocked |= chunk["promptFeedback"]["blockReason"].is_string();
        for candidate in chunk["candidates"].as_array().into_iter().flatten() {
            self.candidates = true;
            if let Some(reason) = candidate["finishReason"].as_str() {
                self.finish = Some(reason.to_owned());
            }
            let grounding = &candidate["groundingMetadata"];
            let web = grounding["groundingChunks"]
                .as_array()
                .into_iter()
                .flatten();
            self.searched |= web.into_iter().any(|it| it["web"]["uri"].is_string());
            self.searched |= grounding["webSearchQueries"]
                .as_array()
                .is_some_and(|it| !it.is_empty());
            let parts = candidate["content"]["parts"].as_array();
            for part in parts.into_iter().flatten() {
                self.part(part);
            }
        }
    }

    fn part(&mut self, part: &Value) {
        let call = &part["functionCall"];
        let text = part["text"].as_str().unwrap_or_default();
        if call.is_object() {
            self.call(call);
        } else if part["thought"] == true {
            self.thinking.push_str(text);
            return;
        } else if [
            "executableCode",
            "codeExecutionResult",
            "inlineData",
            "fileData",
        ]
        .iter()
        .any(|key| part[*key].is_object())
        {
            self.more = true;
            return;
        } else if part["toolCall"].is_object() || part["toolResponse"].is_object() {
            return;
        }
        self.text.push_str(text);
        if let Some(signature) = part["thoughtSignature"].as_str() {
            self.signatures.push(signature.to_owned());
        }
    }

    fn call(&mut self, call: &Value) {
        if let Some(name) = call["name"].as_str() {
            let args = match &call["args"] {
                Value::Null => json!({}),
                args => args.clone(),
            };
            self.calls.push((name.to_owned(), args));
        }
        for piece in call["partialArgs"].as_array().into_iter().flatten() {
            self.in_pieces = true;
            let (_, args) = self.calls.last_mut().unwrap();
            put(args, piece);
        }
    }

    /// Whether the answer came to its end.
    pub fn complete(&self) -> bool {
        !self.error && (self.blocked || (self.candidates && self.finish.is_some()))
    }

    /// Anthropic's word for the end.
    pub fn stop_reason(&self) -> &'static str {
        match self.finish.as_deref() {
            _ if self.blocked => "refusal",
            Some("MAX_TOKENS") => "max_tokens",
            Some("SAFETY" | "RECITATION" | "MODEL_ARMOR") => "refusal",
            _ if !self.calls.is_empty() => "tool_use",
            _ => "end_turn",
        }
    }

    /// Tokens: all of the prompt, and of the output; `None` when nothing was counted.
    pub fn counted(&self) -> Option<(u64, u64)> {
        let number = |key: &str| self.counts.get(key).and_then(Value::as_u64);
        let prompt = number("promptTokenCount").unwrap_or(0)
            + number("toolUsePromptTokenCount").unwrap_or(0);
        let thoughts = number("thoughtsTokenCount").unwrap_or(0);
        let output = match number("candidatesTokenCount") {
            Some(answer) => answer + thoughts,
            None => number("totalTokenCount")
                .unwrap_or(0)
                .saturating_sub(prompt),
        };
        (0 < prompt + output).then_some((prompt, output))
    }
}

impl Said {
    /// Tokens in all, as Gemini added them up.
    pub fn total(&self) -> Option<u64> {
        self.counts.get("totalTokenCount").and_then(Value::as_u64)
    }
}

/// Puts `{"jsonPath": "$.a[0].b", "stringValue": …}` in its place; texts of one place are joined.
fn put(args: &mut Value, piece: &Value) {
    let path = piece["jsonPath"]
        .as_str()
        .unwrap()
        .replace('[', ".")
        .replace(']', "");
    let mut place = args;
    for step in path.split('.').skip(1) {
        place = match step.parse::<usize>() {
            Ok(index) => {
                if place.is_null() {
                    *place = json!([]);
                }
                let list = place.as_array_mut().unwrap();
                if list.len() <= index {
                    list.push(Value::Null);
                }
                &mut list[index]
            }
            Err(_) => &mut place[step],
        };
    }
    *place = match (place.as_str(), &piece["stringValue"]) {
        (Some(begun), Value::String(text)) => json!(format!("{begun}{text}")),
        (_, Value::String(text)) => json!(text),
        _ if !piece["numberValue"].is_null() => piece["numberValue"].clone(),
        _ => piece["boolValue"].clone(),
    };
}
