//! What a request says, in either dialect: read leniently, because a simulator that quibbles would hide what the
//! proxy does. The two dialects differ so little in what matters here that one reader serves both.

use serde_json::Value;

/// Name of the tool that the demo may call; coding clients of both dialects declare it.
const SHELL_TOOL: &str = "Bash";
/// Notes that Claude Code adds to what a person typed.
const REMINDER: (&str, &str) = ("<system-reminder>", "</system-reminder>");

/// What the simulators need to know of a request.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Asked {
    /// Echoed in the answer.
    pub model: String,
    pub stream: bool,
    /// OpenAI only: the stream ends with a chunk of usage.
    pub include_usage: bool,
    /// Limit of the answer, in tokens.
    pub max_tokens: Option<usize>,
    /// The size of the request, in tokens.
    pub input_tokens: usize,
    /// What the person typed last, without the notes of its client.
    pub text: String,
    /// What a tool has just answered.
    pub tool_result: Option<String>,
    /// Whether a tool is asked for in plain words, and the one we can call is there.
    pub wants_tool: bool,
}

impl Asked {
    /// Reads a body; `None` if it is no JSON object with `messages`.
    pub fn read(body: &[u8]) -> Option<Asked> {
        let request: Value = serde_json::from_slice(body).ok()?;
        let messages = request.get("messages")?.as_array()?;
        let mut asked = Asked {
            model: text_at(&request, "/model").to_owned(),
            stream: is_true(&request, "/stream"),
            include_usage: is_true(&request, "/stream_options/include_usage"),
            max_tokens: ["/max_tokens", "/max_completion_tokens"]
                .iter()
                .find_map(|it| request.pointer(it)?.as_u64())
                .and_then(|it| usize::try_from(it).ok()),
            input_tokens: tokens(body.len()),
            text: String::new(),
            tool_result: None,
            wants_tool: false,
        };
        asked.read_turn(messages);
        asked.wants_tool = may_call_shell(&request) && asks_for_tool(&asked.text);
        Some(asked)
    }

    /// Reads what came after the last words of the assistant.
    fn read_turn(&mut self, messages: &[Value]) {
        let is_assistant = |it: &&Value| text_at(it, "/role") == "assistant";
        let turn = messages.rsplit(|it| is_assistant(&it)).next();
        for message in turn.unwrap_or_default() {
            let content = message.get("content").unwrap_or(&Value::Null);
            match text_at(message, "/role") {
                "tool" => self.tool_result = Some(plain_text(content)),
                "user" => self.read_user(content),
                _ => {}
            }
        }
    }

    fn read_user(&mut self, content: &Value) {
        let results = content.as_array().into_iter().flatten();
        for block in results.filter(|it| text_at(it, "/type") == "tool_result") {
            self.tool_result = block
                .get("content")
                .map(plain_text)
                .or_else(|| Some(String::new()));
        }
        let text = without_reminders(&plain_text(content));
        if !text.is_empty() {
            self.text = text;
        }
    }
}

/// Tokens in so many bytes, roughly, and never none.
pub(super) fn tokens(bytes: usize) -> usize {
    bytes.div_ceil(4).max(1)
}

/// The text of a string or of text blocks, which is the same in both dialects.
fn plain_text(content: &Value) -> String {
    match content {
        Value::String(text) => text.clone(),
        Value::Array(blocks) => {
            let texts = blocks.iter().filter(|it| text_at(it, "/type") == "text");
            let texts: Vec<&str> = texts.map(|it| text_at(it, "/text")).collect();
            texts.join("\n")
        }
        _ => String::new(),
    }
}

fn without_reminders(text: &str) -> String {
    let (open, close) = REMINDER;
    let mut kept = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(open) {
        kept.push_str(before);
        rest = after.split_once(close).map_or("", |it| it.1);
    }
    kept.push_str(rest);
    kept.trim().to_owned()
}

fn may_call_shell(request: &Value) -> bool {
    let names = |tool: &Value| {
        [text_at(tool, "/name"), text_at(tool, "/function/name")].contains(&SHELL_TOOL)
    };
    let choice = request.get("tool_choice").unwrap_or(&Value::Null);
    let forbidden = choice == "none" || text_at(choice, "/type") == "none";
    let tools = request.get("tools").and_then(Value::as_array);
    !forbidden && tools.is_some_and(|it| it.iter().any(names))
}

fn asks_for_tool(text: &str) -> bool {
    let text = text.to_lowercase();
    let mut words = text.split(|it: char| !it.is_alphanumeric());
    text.contains("use the tool") || text.contains("use a tool") || words.any(|it| it == "run")
}

fn text_at<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value
        .pointer(pointer)
        .and_then(Value::as_str)
        .unwrap_or_default()
}

fn is_true(value: &Value, pointer: &str) -> bool {
    value
        .pointer(pointer)
        .and_then(Value::as_bool)
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    use serde_json::json;

    fn read(request: &Value) -> Asked {
        Asked::read(request.to_string().as_bytes()).unwrap()
    }

    #[test]
    fn the_last_words_of_the_person_are_found_among_notes_and_older_turns() {
        let asked = read(
            &json!({"model": "m", "max_tokens": 7, "stream": true, "messages": [
                {"role": "user", "content": "old"},
                {"role": "assistant", "content": "answer"},
                {"role": "user", "content": [
                    {"type": "text", "text": "<system-reminder>note</system-reminder>"},
                    {"type": "text", "text": "new <system-reminder>x</system-reminder>words"}]},
                {"role": "system", "content": "agents"},
            ]}),
        );
        assert_eq!(
            (asked.model.as_str(), asked.text.as_str()),
            ("m", "new words")
        );
        assert_eq!((asked.stream, asked.max_tokens), (true, Some(7)));
        assert_eq!(asked.tool_result, None);
    }

    #[test]
    fn a_tool_is_wanted_only_when_it_is_there_asked_for_and_allowed() {
        let ask = |text: &str, rest: Value| {
            let mut request = json!({"messages": [{"role": "user", "content": text}]});
            let rest = rest.as_object().cloned().unwrap_or_default();
            request.as_object_mut().unwrap().extend(rest);
            read(&request).wants_tool
        };
        let anthropic = json!({"tools": [{"name": "Read"}, {"name": "Bash"}]});
        let openai = json!({"tools": [{"type": "function", "function": {"name": "Bash"}}]});
        assert!(ask("Run a command", anthropic.clone()));
        assert!(ask("please use the tool", openai.clone()));
        assert!(!ask("what runs here?", anthropic));
        assert!(!ask("run it", json!({"tools": [{"name": "Read"}]})));
        assert!(!ask("run it", json!({})));
        let forbidden = [json!("none"), json!({"type": "none"})];
        for choice in forbidden {
            let request = json!({"tools": [{"name": "Bash"}], "tool_choice": choice});
            assert!(!ask("run it", request));
        }
    }

    #[test]
    fn the_answer_of_a_tool_is_found_in_both_dialects() {
        let anthropic = read(&json!({"messages": [
            {"role": "assistant", "content": []},
            {"role": "user", "content": [
                {"type": "tool_result", "tool_use_id": "t", "content": [{"type": "text", "text": "hi"}]},
                {"type": "text", "text": "<system-reminder>run</system-reminder>"}]},
        ]}));
        let openai = read(&json!({"messages": [
            {"role": "assistant", "content": null},
            {"role": "tool", "tool_call_id": "t", "content": "hi"},
            {"role": "user", "content": "<system-reminder>x</system-reminder>"},
        ]}));
        assert_eq!(anthropic.tool_result.as_deref(), Some("hi"));
        assert_eq!(openai.tool_result.as_deref(), Some("hi"));
        assert_eq!(anthropic.text, "");
    }

    #[test]
    fn what_is_no_request_is_none() {
        for body in ["", "[]", "{}", r#"{"messages": 1}"#, "\u{0}"] {
            assert_eq!(Asked::read(body.as_bytes()), None);
        }
    }
}
