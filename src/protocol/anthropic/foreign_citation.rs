//! Sources that another provider names for its text, as citations of this dialect, and how they are known again.
//!
//! A citation of the web holds an index that Anthropic seals and looks at when the text comes back. Ours holds our own
//! mark in its place: clients show the source and keep it, and on the way to Anthropic it is cut out again.

use std::ops::Range;

use serde::Deserialize;

use crate::protocol::anthropic::head::cut_elements;
use crate::protocol::anthropic::text::push_json_string;
use crate::protocol::canonical::Citation;
use crate::protocol::envelope;
use crate::protocol::scan;
use crate::protocol::splice::Splice;

/// Appends a source as a citation; one without an address has no form here, and appends nothing.
pub(super) fn push(source: &Citation, out: &mut Vec<u8>) {
    let Some(url) = &source.url else { return };
    out.extend_from_slice(b"{\"type\":\"web_search_result_location\",\"cited_text\":");
    push_json_string(source.cited_text.as_deref().unwrap_or_default(), out);
    out.extend_from_slice(b",\"url\":");
    push_json_string(url, out);
    out.extend_from_slice(b",\"title\":");
    match &source.title {
        Some(title) => push_json_string(title, out),
        None => out.extend_from_slice(b"null"),
    }
    out.extend_from_slice(b",\"encrypted_index\":");
    push_json_string(envelope::PREFIX, out);
    out.push(b'}');
}

/// Cuts the citations of a text block that are ours.
pub(super) fn cut(body: &[u8], block: &Range<usize>, splice: &mut Splice) {
    let Ok((members, _)) = scan::members(body, block.start) else {
        return;
    };
    let named = |key: &[u8]| {
        let member = members
            .iter()
            .find(|m| body.get(m.key.clone()) == Some(key));
        member.map(|it| it.value.clone())
    };
    let is_text = |at: Range<usize>| body.get(at) == Some(b"\"text\"".as_slice());
    let Some(list) = named(b"citations").filter(|_| named(b"type").is_some_and(is_text)) else {
        return;
    };
    let Ok((entries, _)) = scan::elements(body, list.start) else {
        return;
    };
    let ours: Vec<bool> = entries
        .iter()
        .map(|at| body.get(at.clone()).is_some_and(is_ours))
        .collect();
    if ours.contains(&true) {
        cut_elements(body, &entries, &ours, splice);
    }
}

fn is_ours(citation: &[u8]) -> bool {
    #[derive(Deserialize)]
    struct Sealed {
        encrypted_index: Option<String>,
    }
    let sealed = serde_json::from_slice::<Sealed>(citation).ok();
    let index = sealed.and_then(|it| it.encrypted_index);
    index.is_some_and(|it| envelope::is_ours(&it))
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use serde_json::{Value, json};

    use super::*;
    use crate::protocol::anthropic::{Assemble, Encode, Reassemble, RequestHead};
    use crate::protocol::canonical::{BlockStart, EncodeContext, Event, StopReason};
    use crate::types::Dialect;

    /// The content of an answer whose text rests on these sources.
    fn content(sources: &[Citation]) -> Value {
        let mut events = vec![
            Event::Start {
                id: None,
                model: None,
            },
            Event::BlockStart(BlockStart::Text),
            Event::Text("Rivers flow.".to_owned()),
        ];
        events.extend(sources.iter().cloned().map(Box::new).map(Event::Citation));
        events.push(Event::BlockStop);
        events.push(Event::BlockStart(BlockStart::Text));
        events.push(Event::Text("Lakes do not.".to_owned()));
        events.push(Event::BlockStop);
        events.push(Event::Finish {
            stop: StopReason::EndTurn,
            stop_sequence: None,
            explanation: None,
            usage: None,
        });
        let mut body = Assemble::new(EncodeContext::default());
        let (mut stream, mut out) = (Encode::new(EncodeContext::default()), Vec::new());
        for event in &events {
            body.push(event).unwrap();
            stream.push(event, &mut out);
        }
        let mut streamed = Reassemble::new();
        streamed.push(&out).unwrap();
        let read = |json: Vec<u8>| serde_json::from_slice::<Value>(&json).unwrap();
        let (streamed, body) = (
            read(streamed.finish().unwrap()),
            read(body.finish().unwrap()),
        );
        assert_eq!(streamed["content"], body["content"]);
        body["content"].clone()
    }

    fn source(url: Option<&str>, title: Option<&str>) -> Citation {
        Citation {
            url: url.map(str::to_owned),
            title: title.map(str::to_owned),
            ..Citation::default()
        }
    }

    #[test]
    fn sources_of_other_providers_are_shown_as_citations() {
        let content = content(&[
            source(Some("https://a.example"), Some("A")),
            source(None, Some("a file")),
            source(Some("https://b.example"), None),
        ]);
        let citation = |url: &str, title: Value| {
            json!({"type": "web_search_result_location", "cited_text": "", "url": url, "title": title,
                "encrypted_index": "pm1."})
        };
        let expected = json!([
            {"type": "text", "text": "Rivers flow.", "citations": [
                citation("https://a.example", json!("A")), citation("https://b.example", Value::Null)]},
            {"type": "text", "text": "Lakes do not."},
        ]);
        assert_eq!(content, expected);
    }

    #[test]
    fn citations_of_other_providers_never_reach_anthropic() {
        let theirs = r#"{"type":"web_search_result_location","url":"u","title":"pm1.","encrypted_index":"Eo8B"}"#;
        let ours = r#"{"type":"web_search_result_location","url":"u","encrypted_index":"pm1."}"#;
        for (citations, kept) in [
            (ours.to_owned(), String::new()),
            (format!("{ours},{theirs},{ours}"), theirs.to_owned()),
            (theirs.to_owned(), theirs.to_owned()),
        ] {
            let body = |citations: &str| {
                format!(
                    r#"{{"model":"m","messages":[{{"role":"assistant","content":[{{"citations":[{citations}],"type":"text","text":"pm1."}}]}}]}}"#
                )
            };
            let sent = Bytes::from(body(&citations));
            let head = RequestHead::read(Dialect::Anthropic, &sent).unwrap();
            assert_eq!(head.rewritten(&sent, "m"), body(&kept));
            assert_eq!(head.without_thinking(&sent, "m"), body(&kept));
        }
    }
}
