//! Tools that the provider ran itself: a search, a page that was opened, code. Shown as the items of OpenAI's own tools,
//! with what they gave as far as those have a place for it.

use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::fields::{Fields, object};
use super::{Place, Sink, added};

/// Which of OpenAI's tools it is shown as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Search,
    OpenPage,
    Code,
}

impl Kind {
    /// By Anthropic's name of the tool; `None` has no item.
    pub fn of(name: &str) -> Option<Self> {
        match name {
            "web_search" => Some(Kind::Search),
            "web_fetch" => Some(Kind::OpenPage),
            "code_execution" => Some(Kind::Code),
            _ => None,
        }
    }

    /// What its ids begin with.
    pub fn prefix(self) -> &'static str {
        match self {
            Kind::Search | Kind::OpenPage => "ws",
            Kind::Code => "ci",
        }
    }
}

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// Not, as far as was told; its answer goes on all the same.
    Untold,
    Good,
    Failed,
}

/// A call whose result may follow.
#[derive(Debug)]
pub(super) struct ServerCall {
    place: Place,
    kind: Kind,
    tool_use_id: String,
    /// `action` of a search; of code its text.
    asked: Value,
    /// Addresses that were found, or what the code printed.
    given: Option<Value>,
    end: End,
    held: usize,
}

impl ServerCall {
    /// A call that was made.
    pub fn new(
        place: Place,
        kind: Kind,
        tool_use_id: &str,
        input: &RawValue,
        sink: &mut impl Sink,
    ) -> Self {
        let input_value: Value = serde_json::from_str(input.get()).unwrap_or_default();
        let word = |key: &str| {
            input_value
                .get(key)
                .and_then(Value::as_str)
                .unwrap_or_default()
        };
        let asked = match kind {
            Kind::Search => json!({"type": "search", "query": word("query")}),
            Kind::OpenPage => json!({"type": "open_page", "url": word("url")}),
            Kind::Code => json!(word("code")),
        };
        let call = ServerCall {
            place,
            kind,
            tool_use_id: tool_use_id.to_owned(),
            asked,
            given: None,
            end: End::Untold,
            held: input.get().len(),
        };
        added(&call.place, &call.item("in_progress"), sink);
        match kind {
            Kind::Search | Kind::OpenPage => {
                call.told("response.web_search_call.in_progress", sink);
                call.told("response.web_search_call.searching", sink);
            }
            Kind::Code => {
                call.told("response.code_interpreter_call.in_progress", sink);
                sink.event("response.code_interpreter_call_code.done", |out| {
                    call.place.tell(out);
                    out.json("code", call.asked.to_string().as_bytes());
                });
                call.told("response.code_interpreter_call.interpreting", sink);
            }
        }
        call
    }

    /// What the call gave, if the result is this call's.
    pub fn result(&mut self, tool_use_id: &str, content: &RawValue) {
        if tool_use_id != self.tool_use_id {
            return;
        }
        let Ok(content) = serde_json::from_str::<Value>(content.get()) else {
            return;
        };
        self.end = if is_error(&content) {
            End::Failed
        } else {
            End::Good
        };
        let given = match self.kind {
            Kind::Search => sources(&content),
            Kind::OpenPage => None,
            Kind::Code => Some(printed(&content)),
        };
        self.held = self
            .held
            .saturating_add(given.as_ref().map_or(0, |it| it.to_string().len()));
        self.given = given;
    }

    /// Whether its result has come.
    pub fn has_result(&self) -> bool {
        self.end != End::Untold
    }

    /// Its place among the items.
    pub fn output_index(&self) -> u64 {
        self.place.output_index
    }

    /// The whole item as JSON.
    pub fn finished(self, sink: &mut impl Sink) -> Vec<u8> {
        if self.end == End::Failed {
            // There is no event for it.
            return self.item("failed");
        }
        self.told(
            match self.kind {
                Kind::Search | Kind::OpenPage => "response.web_search_call.completed",
                Kind::Code => "response.code_interpreter_call.completed",
            },
            sink,
        );
        self.item("completed")
    }

    /// Bytes held.
    pub fn held(&self) -> usize {
        self.held
    }

    fn told(&self, kind: &'static str, sink: &mut impl Sink) {
        sink.event(kind, |out| self.place.tell(out));
    }

    fn item(&self, status: &str) -> Vec<u8> {
        object(("id", &self.place.id), |out| match self.kind {
            Kind::Search | Kind::OpenPage => {
                out.text("type", "web_search_call");
                out.text("status", status);
                let mut action = self.asked.clone();
                if let (Some(sources), Some(action)) = (&self.given, action.as_object_mut()) {
                    action.insert("sources".to_owned(), sources.clone());
                }
                json_member(out, "action", &action);
            }
            Kind::Code => {
                out.text("type", "code_interpreter_call");
                out.text("status", status);
                json_member(out, "code", &self.asked);
                // There is no container whose files could be asked for.
                out.text("container_id", "");
                json_member(out, "outputs", self.given.as_ref().unwrap_or(&Value::Null));
            }
        })
    }
}

fn json_member(out: &mut Fields<'_>, key: &str, value: &Value) {
    out.json(key, value.to_string().as_bytes());
}

/// Whether a result is Anthropic's `…_tool_result_error`.
fn is_error(content: &Value) -> bool {
    let kind = content.get("type").and_then(Value::as_str);
    kind.is_some_and(|kind| kind.ends_with("_error"))
}

/// The addresses of a `web_search_tool_result`.
fn sources(content: &Value) -> Option<Value> {
    let results = content.as_array()?.iter();
    let urls = results.filter_map(|it| it.get("url").and_then(Value::as_str));
    let sources: Vec<Value> = urls.map(|url| json!({"type": "url", "url": url})).collect();
    Some(Value::Array(sources))
}

/// What a `code_execution_result` printed, or the reason why it is an error.
fn printed(content: &Value) -> Value {
    let texts = ["stdout", "stderr", "error_code"].into_iter();
    let texts = texts.filter_map(|key| content.get(key).and_then(Value::as_str));
    let texts: Vec<&str> = texts.filter(|it| !it.is_empty()).collect();
    json!([{"type": "logs", "logs": texts.join("\n")}])
}
