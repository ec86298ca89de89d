//! What the provider did with tools of its own: web searches and programs, as the blocks of Anthropic's server tools.
//!
//! A web search tells its sources only where they were asked for, and some providers never do. Then the sources that
//! the following text cites stand in for them: the call's block is shown at once, its result when the citing message
//! is whole. A search whose sources nobody tells ends in an error, so that no client takes it for one that found
//! nothing. Steps inside a search (`open_page`, `find_in_page`) are not shown.

use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::protocol::canonical::{BlockStart, Event};
use crate::protocol::openai_chat::calls::sanitise;
use crate::protocol::openai_responses::wire_answer as wire;
use crate::protocol::upstream_error::StreamError;

/// Sources of one answer.
const MAX_SOURCES: usize = 512;
/// Searches of one answer that wait for their sources.
const MAX_WAITING: usize = 256;
/// Marks the ids as ours: no other vendor may see these blocks again as its own.
const ID: &str = "srvtoolu_pm1_";

/// The searches of one answer.
#[derive(Debug, Default)]
pub(super) struct Searches {
    seed: String,
    /// Blocks shown so far.
    calls: usize,
    /// Ids of searches without a result.
    waiting: Vec<String>,
    /// Address and title of what was cited since.
    found: Vec<(String, Option<String>)>,
}

impl Searches {
    pub fn new(seed: &str) -> Self {
        Searches {
            seed: sanitise(seed.strip_prefix("msg_").unwrap_or(seed)).replace('-', "_"),
            ..Searches::default()
        }
    }

    /// The text cites a source.
    pub fn found(&mut self, url: &str, title: Option<&str>) {
        let known = || self.found.iter().any(|(known, _)| known == url);
        if !self.waiting.is_empty() && self.found.len() < MAX_SOURCES && !known() {
            self.found.push((url.to_owned(), title.map(str::to_owned)));
        }
    }

    /// A web search is done.
    pub fn searched(
        &mut self,
        item: &wire::Item<'_>,
        out: &mut Vec<Event>,
    ) -> Result<(), StreamError> {
        let action: wire::Action<'_> = wire::lenient(item.action);
        let Some(query) = query(item, &action) else {
            return Ok(());
        };
        let id = self.call("web_search", &json!({ "query": query }), out)?;
        let sources: Vec<Value> = action
            .sources
            .iter()
            .flatten()
            .take(MAX_SOURCES)
            .filter_map(|source| {
                let title = source.title.get().or(source.name.get());
                let url = source.url.get().or(title.map(|_| ""))?;
                Some(page(url, title))
            })
            .collect();
        if !sources.is_empty() {
            return show(&id, "web_search_tool_result", &Value::from(sources), out);
        }
        if item.status.get() == Some("failed") {
            return unavailable(&id, out);
        }
        if MAX_WAITING <= self.waiting.len() {
            return Err(StreamError::TooMuch("web searches"));
        }
        self.waiting.push(id);
        Ok(())
    }

    /// A message is whole: what it cites is the result of the searches before it.
    pub fn settle(&mut self, out: &mut Vec<Event>) -> Result<(), StreamError> {
        if self.found.is_empty() {
            return Ok(());
        }
        let pages = self.found.drain(..);
        let pages: Vec<Value> = pages
            .map(|(url, title)| page(&url, title.as_deref()))
            .collect();
        let pages = Value::from(pages);
        for id in self.waiting.drain(..) {
            show(&id, "web_search_tool_result", &pages, out)?;
        }
        Ok(())
    }

    /// The answer is whole: nobody told the sources of what still waits.
    pub fn finish(&mut self, out: &mut Vec<Event>) -> Result<(), StreamError> {
        self.settle(out)?;
        for id in self.waiting.drain(..) {
            unavailable(&id, out)?;
        }
        Ok(())
    }

    /// A program has run.
    pub fn ran(&mut self, item: &wire::Item<'_>, out: &mut Vec<Event>) -> Result<(), StreamError> {
        let Some(code) = item.code.get() else {
            return Ok(());
        };
        let id = self.call("code_execution", &json!({ "code": code }), out)?;
        let outputs: Vec<wire::Printed<'_>> = wire::lenient(item.outputs);
        let logs: Vec<&str> = outputs.iter().filter_map(|it| it.logs.get()).collect();
        let failed = item.status.get() == Some("failed");
        let result = json!({
            "type": "code_execution_result",
            "stdout": logs.join("\n"),
            "stderr": "",
            "return_code": i32::from(failed),
            "content": [],
        });
        show(&id, "code_execution_tool_result", &result, out)
    }

    fn call(
        &mut self,
        name: &str,
        input: &Value,
        out: &mut Vec<Event>,
    ) -> Result<String, StreamError> {
        let id = format!("{ID}{}_{}", self.seed, self.calls);
        self.calls = self.calls.saturating_add(1);
        out.push(Event::BlockStart(BlockStart::ServerToolUse {
            id: id.clone(),
            name: name.to_owned(),
            input: raw(input)?,
        }));
        out.push(Event::BlockStop);
        Ok(id)
    }
}

/// What was searched for. xAI tells it in `arguments`, the others in `action`.
fn query(item: &wire::Item<'_>, action: &wire::Action<'_>) -> Option<String> {
    if !matches!(action.kind.get(), None | Some("search")) {
        return None;
    }
    let queries = action.queries.as_deref().unwrap_or_default();
    let told = action.query.get().map(str::to_owned);
    let told = told.or_else(|| (!queries.is_empty()).then(|| queries.join("; ")));
    told.or_else(|| {
        let arguments: Value = serde_json::from_str(&wire::json_text(item.arguments)).ok()?;
        Some(arguments.get("query")?.as_str()?.to_owned())
    })
}

fn page(url: &str, title: Option<&str>) -> Value {
    json!({
        "type": "web_search_result",
        "url": url,
        "title": title.unwrap_or(url),
        "encrypted_content": "pm1.",
        "page_age": null,
    })
}

fn unavailable(id: &str, out: &mut Vec<Event>) -> Result<(), StreamError> {
    let error = json!({"type": "web_search_tool_result_error", "error_code": "unavailable"});
    show(id, "web_search_tool_result", &error, out)
}

fn show(id: &str, kind: &str, content: &Value, out: &mut Vec<Event>) -> Result<(), StreamError> {
    out.push(Event::BlockStart(BlockStart::ServerToolResult {
        tool_use_id: id.to_owned(),
        kind: kind.to_owned(),
        content: raw(content)?,
    }));
    out.push(Event::BlockStop);
    Ok(())
}

fn raw(value: &Value) -> Result<Box<RawValue>, StreamError> {
    serde_json::value::to_raw_value(value)
        .map_err(|_| StreamError::Malformed("a web search that cannot be told"))
}
