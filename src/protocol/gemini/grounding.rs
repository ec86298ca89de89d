//! What Google Search found, and which sources the text rests on.
//!
//! It arrives at the end of an answer, when the text is there: `groundingMetadata` with queries, sources, and the
//! segments of the text that rest on them; `citationMetadata` with addresses that the text repeats. Segments are
//! counted in bytes of all text so far; a span is told only where its text is found there.

use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;

use crate::protocol::canonical::Citation;
use crate::protocol::envelope::PREFIX;
use crate::protocol::frame::limit::MAX_SPAN_BYTES;
use crate::protocol::openai_chat::wire_answer::{Count, Text};

/// Sources, segments and queries of one answer, each.
const MAX_ENTRIES: usize = 256;
/// Queries, joined, in bytes.
const MAX_QUERY_BYTES: usize = 2000;

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Metadata<'a> {
    #[serde(borrow)]
    web_search_queries: Option<Vec<Text<'a>>>,
    #[serde(borrow)]
    grounding_chunks: Option<Vec<Chunk<'a>>>,
    #[serde(borrow)]
    grounding_supports: Option<Vec<Support<'a>>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Chunk<'a> {
    #[serde(borrow)]
    web: Option<Address<'a>>,
    #[serde(borrow)]
    maps: Option<Address<'a>>,
    #[serde(borrow)]
    retrieved_context: Option<Address<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Address<'a> {
    #[serde(borrow)]
    uri: Text<'a>,
    #[serde(borrow)]
    title: Text<'a>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Support<'a> {
    #[serde(borrow)]
    segment: Option<Segment<'a>>,
    grounding_chunk_indices: Option<Vec<usize>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Segment<'a> {
    start_index: Count,
    end_index: Count,
    #[serde(borrow)]
    text: Text<'a>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Citations<'a> {
    #[serde(borrow)]
    citation_sources: Option<Vec<CitationSource<'a>>>,
    #[serde(borrow)]
    citations: Option<Vec<CitationSource<'a>>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct CitationSource<'a> {
    #[serde(borrow)]
    uri: Text<'a>,
    #[serde(borrow)]
    title: Text<'a>,
}

/// A source.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Source {
    url: Option<String>,
    title: Option<String>,
    /// Found by a search of the web.
    web: bool,
}

/// A segment of the text and the sources it rests on.
#[derive(Debug)]
struct Rest {
    start: u64,
    end: u64,
    text: String,
    sources: Vec<usize>,
}

/// What is known of an answer's sources.
#[derive(Debug, Default)]
pub(super) struct Grounding {
    queries: Vec<String>,
    sources: Vec<Source>,
    rests: Vec<Rest>,
    cited: Vec<Source>,
}

impl Grounding {
    /// Takes `groundingMetadata`; a later one replaces what an earlier one told. What cannot be read is left out.
    pub fn take(&mut self, raw: &str) {
        let Ok(told) = serde_json::from_str::<Metadata<'_>>(raw) else {
            return;
        };
        for query in told
            .web_search_queries
            .iter()
            .flatten()
            .filter_map(Text::get)
        {
            if self.queries.len() < MAX_ENTRIES && !self.queries.iter().any(|it| it == query) {
                self.queries.push(query.to_owned());
            }
        }
        if let Some(chunks) = told.grounding_chunks.filter(|it| !it.is_empty()) {
            self.sources = chunks.iter().take(MAX_ENTRIES).map(source).collect();
        }
        if let Some(supports) = told.grounding_supports.filter(|it| !it.is_empty()) {
            self.rests = supports.iter().take(MAX_ENTRIES).filter_map(rest).collect();
        }
    }

    /// Takes `citationMetadata`.
    pub fn take_citations(&mut self, raw: &str) {
        let Ok(told) = serde_json::from_str::<Citations<'_>>(raw) else {
            return;
        };
        let sources = told
            .citation_sources
            .iter()
            .chain(&told.citations)
            .flatten();
        for it in sources.filter(|it| it.uri.get().is_some()) {
            let source = Source {
                url: it.uri.get().map(str::to_owned),
                title: it.title.get().map(str::to_owned),
                web: false,
            };
            if self.cited.len() < MAX_ENTRIES && !self.cited.contains(&source) {
                self.cited.push(source);
            }
        }
    }

    /// The citations of a text block; each is given once. `offset` is the bytes of text before the block.
    pub fn citations(&mut self, block: &str, offset: u64) -> Vec<Citation> {
        let mut found = Vec::new();
        for rest in std::mem::take(&mut self.rests) {
            let span = span(block, offset, &rest);
            for source in rest.sources.iter().filter_map(|it| self.sources.get(*it)) {
                if source.url.is_some() || source.title.is_some() {
                    found.push(citation(source, span));
                }
            }
        }
        found.extend(
            std::mem::take(&mut self.cited)
                .iter()
                .map(|it| citation(it, None)),
        );
        found
    }

    /// The search as Anthropic's tool would tell it: its input, and the content of its result. `None` when there was
    /// no search of the web. One that names no source says so, instead of looking as if nothing had been found.
    pub fn search(&self) -> Option<(Box<RawValue>, Box<RawValue>)> {
        let web = self.sources.iter().filter(|it| it.web);
        let results: Vec<serde_json::Value> = web
            .filter_map(|it| Some((it, it.url.as_deref()?)))
            .map(|(it, url)| {
                json!({
                    "type": "web_search_result",
                    "url": url,
                    "title": it.title.as_deref().unwrap_or(url),
                    "encrypted_content": PREFIX,
                    "page_age": null,
                })
            })
            .collect();
        if results.is_empty() && self.queries.is_empty() {
            return None;
        }
        let mut query = self.queries.join("; ");
        while MAX_QUERY_BYTES < query.len() {
            query.pop();
        }
        let content = if results.is_empty() {
            json!({"type": "web_search_tool_result_error", "error_code": "unavailable"})
        } else {
            json!(results)
        };
        let input = serde_json::value::to_raw_value(&json!({ "query": query })).ok()?;
        Some((input, serde_json::value::to_raw_value(&content).ok()?))
    }
}

fn source(chunk: &Chunk<'_>) -> Source {
    let address = chunk.web.as_ref().or(chunk.maps.as_ref());
    let address = address.or(chunk.retrieved_context.as_ref());
    let text = |it: &Text<'_>| it.get().map(str::to_owned);
    Source {
        url: address.and_then(|it| text(&it.uri)),
        title: address.and_then(|it| text(&it.title)),
        web: chunk.web.is_some(),
    }
}

fn rest(support: &Support<'_>) -> Option<Rest> {
    let segment = support.segment.as_ref()?;
    let sources = support.grounding_chunk_indices.as_deref()?;
    Some(Rest {
        start: segment.start_index.or_zero(),
        end: segment.end_index.or_zero(),
        text: segment.text.get().unwrap_or_default().to_owned(),
        sources: sources.iter().take(MAX_ENTRIES).copied().collect(),
    })
}

fn citation(source: &Source, span: Option<(u64, u64)>) -> Citation {
    Citation {
        url: source.url.clone(),
        title: source.title.clone(),
        cited_text: None,
        document: None,
        span,
    }
}

/// The characters of `block` that a segment is, if its bytes are there.
fn span(block: &str, offset: u64, rest: &Rest) -> Option<(u64, u64)> {
    let byte = |it: u64| usize::try_from(it.checked_sub(offset)?).ok();
    let (start, end) = (byte(rest.start)?, byte(rest.end)?);
    if MAX_SPAN_BYTES < end {
        return None;
    }
    let segment = block.get(start..end)?;
    if segment.is_empty() || segment != rest.text {
        return None;
    }
    let chars = |text: &str| u64::try_from(text.chars().count()).unwrap_or(u64::MAX);
    let before = chars(block.get(..start)?);
    Some((before, before.saturating_add(chars(segment))))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOLD: &str = r#"{"webSearchQueries":["rivers","lakes"],
        "groundingChunks":[{"web":{"uri":"https://a.example","title":"A"}},{"web":{"uri":"https://b.example"}},{}],
        "groundingSupports":[
            {"segment":{"endIndex":7,"text":"Éclair"},"groundingChunkIndices":[0,1,2,9]},
            {"segment":{"startIndex":8,"endIndex":11,"text":"not"},"groundingChunkIndices":[0]}]}"#;

    fn told(raw: &str) -> Grounding {
        let mut grounding = Grounding::default();
        grounding.take(raw);
        grounding
    }

    #[test]
    fn spans_are_counted_in_characters_and_checked() {
        let mut grounding = told(TOLD);
        let found = grounding.citations("Éclair and more", 0);
        let shown: Vec<_> = found
            .iter()
            .map(|it| (it.url.as_deref().unwrap(), it.span))
            .collect();
        let expected = [
            ("https://a.example", Some((0, 6))),
            ("https://b.example", Some((0, 6))),
            ("https://a.example", None),
        ];
        assert_eq!(shown, expected);
        assert!(
            grounding.citations("Éclair and more", 0).is_empty(),
            "given twice"
        );
        let shifted = told(r#"{"groundingChunks":[{"web":{"uri":"u"}}],
            "groundingSupports":[{"segment":{"startIndex":7,"endIndex":9,"text":"ab"},"groundingChunkIndices":[0]}]}"#)
        .citations("xxab", 5);
        assert_eq!(shifted.first().unwrap().span, Some((2, 4)));
    }

    #[test]
    fn a_search_is_told_with_its_sources() {
        let (input, content) = told(TOLD).search().unwrap();
        assert_eq!(input.get(), r#"{"query":"rivers; lakes"}"#);
        assert_eq!(
            content.get(),
            r#"[{"type":"web_search_result","url":"https://a.example","title":"A","encrypted_content":"pm1.","page_age":null},{"type":"web_search_result","url":"https://b.example","title":"https://b.example","encrypted_content":"pm1.","page_age":null}]"#
        );
    }

    #[test]
    fn a_search_without_sources_does_not_look_like_one_that_found_nothing() {
        let (_, content) = told(r#"{"webSearchQueries":["x"],"groundingChunks":[{},{}]}"#)
            .search()
            .unwrap();
        assert_eq!(
            content.get(),
            r#"{"type":"web_search_tool_result_error","error_code":"unavailable"}"#
        );
        for nothing in [
            "{}",
            "[]",
            r#"{"groundingChunks":[{"retrievedContext":{"uri":"x"}}]}"#,
        ] {
            assert!(told(nothing).search().is_none(), "{nothing}");
        }
    }

    #[test]
    fn repeated_addresses_are_cited_once() {
        let mut grounding = Grounding::default();
        let raw = r#"{"citations":[{"startIndex":1,"endIndex":2,"uri":"https://a.example","license":""},{"license":"mit"}]}"#;
        grounding.take_citations(raw);
        grounding.take_citations(raw);
        let found = grounding.citations("text", 0);
        assert_eq!(found.len(), 1);
        assert_eq!(
            found.first().unwrap().url.as_deref(),
            Some("https://a.example")
        );
    }
}
