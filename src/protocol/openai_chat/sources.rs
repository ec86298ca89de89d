//! What an answer rests on: `annotations` beside the text at OpenAI, OpenRouter and others, and Perplexity's
//! `search_results` and `citations` beside the choices, told anew in every chunk.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::protocol::canonical::Citation;
use crate::protocol::openai_chat::wire_answer::{Count, Text};

/// Sources of one list that are read.
const MAX_SOURCES: usize = 512;

/// One entry of `annotations`. Its fields stand in an object named by its type, or, from some providers, beside it.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Annotation<'a> {
    #[serde(borrow, rename = "type")]
    kind: Text<'a>,
    #[serde(borrow)]
    url_citation: Option<Source<'a>>,
    #[serde(borrow, flatten)]
    flat: Source<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Source<'a> {
    #[serde(borrow)]
    url: Text<'a>,
    #[serde(borrow)]
    title: Text<'a>,
    /// OpenRouter: what the page says.
    #[serde(borrow)]
    content: Text<'a>,
    start_index: Count,
    end_index: Count,
}

impl Source<'_> {
    fn read(self) -> Option<Citation> {
        let text = |it: &Text<'_>| it.get().map(str::to_owned);
        let span = self.start_index.0.zip(self.end_index.0);
        Some(Citation {
            url: Some(text(&self.url)?),
            title: text(&self.title),
            cited_text: text(&self.content),
            document: None,
            // Some providers tell nought for what they do not know.
            span: span.filter(|(start, end)| start < end),
        })
    }
}

/// The sources among `annotations`. What is no list of them names none.
pub(super) fn annotations(raw: &RawValue) -> Vec<Citation> {
    let entries = list(raw).filter_map(|entry| {
        let entry: Annotation<'_> = serde_json::from_str(entry.get()).ok()?;
        match entry.kind.get() {
            Some("url_citation") | None => entry.url_citation.unwrap_or(entry.flat).read(),
            Some(_) => None,
        }
    });
    entries.collect()
}

/// The sources that stand beside the choices: objects, or addresses alone.
pub(super) fn beside_choices(raw: &RawValue) -> Vec<Citation> {
    let entries = list(raw).filter_map(|entry| {
        if let Ok(url) = serde_json::from_str::<Cow<'_, str>>(entry.get()) {
            return Some(Citation {
                url: Some(url.into_owned()),
                ..Citation::default()
            });
        }
        serde_json::from_str::<Source<'_>>(entry.get()).ok()?.read()
    });
    entries.collect()
}

fn list(raw: &RawValue) -> impl Iterator<Item = &RawValue> {
    let entries: Vec<&RawValue> = serde_json::from_str(raw.get()).unwrap_or_default();
    entries.into_iter().take(MAX_SOURCES)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(from: fn(&RawValue) -> Vec<Citation>, json: &str) -> Vec<Citation> {
        from(serde_json::from_str(json).unwrap())
    }

    fn source(url: &str, title: Option<&str>, span: Option<(u64, u64)>) -> Citation {
        Citation {
            url: Some(url.to_owned()),
            title: title.map(str::to_owned),
            span,
            ..Citation::default()
        }
    }

    #[test]
    fn annotations_are_read_in_either_form() {
        let nested = r#"[{"type":"url_citation","url_citation":{"url":"https://a.example","title":"A","start_index":0,"end_index":6}},
            {"type":"file_citation","file_citation":{"file_id":"f"}},3,
            {"type":"url_citation","url":"https://b.example","start_index":0,"end_index":0}]"#;
        assert_eq!(
            read(annotations, nested),
            [
                source("https://a.example", Some("A"), Some((0, 6))),
                source("https://b.example", None, None)
            ]
        );
        assert_eq!(read(annotations, "{}"), []);
    }

    #[test]
    fn sources_beside_the_choices_are_objects_or_addresses() {
        let mixed = r#"[{"title":"A","url":"https://a.example","date":null},"https://b.example",{"title":"no address"}]"#;
        assert_eq!(
            read(beside_choices, mixed),
            [
                source("https://a.example", Some("A"), None),
                source("https://b.example", None, None)
            ]
        );
    }
}
