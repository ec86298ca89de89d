//! Where a passage of an answer comes from: the kinds of `citations_delta`.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::protocol::canonical::Citation;

/// The fields of all kinds: `char_location`, `page_location`, `content_block_location`, `web_search_result_location`
/// and `search_result_location`.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Wire {
    url: Option<String>,
    /// Of a search result: its address, or whatever the client named it by.
    source: Option<String>,
    title: Option<String>,
    document_title: Option<String>,
    cited_text: Option<String>,
    document_index: Option<u64>,
}

/// Reads one; `None` is one that names nothing. The part of the answer that rests on it is the block it stands in.
pub(super) fn read(raw: &RawValue) -> Option<Citation> {
    let wire: Wire = serde_json::from_str(raw.get()).ok()?;
    let citation = Citation {
        url: wire.url.or(wire.source),
        title: wire.title.or(wire.document_title),
        cited_text: wire.cited_text,
        document: wire.document_index,
        span: None,
    };
    (citation != Citation::default()).then_some(citation)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_tells_what_it_knows() {
        let read = |json: &str| read(serde_json::from_str::<&RawValue>(json).unwrap());
        let web = r#"{"type":"web_search_result_location","url":"https://a.example","title":"A","cited_text":"so","encrypted_index":"E"}"#;
        let expected = Citation {
            url: Some("https://a.example".to_owned()),
            title: Some("A".to_owned()),
            cited_text: Some("so".to_owned()),
            ..Citation::default()
        };
        assert_eq!(read(web), Some(expected));
        let page = r#"{"type":"page_location","document_index":2,"document_title":"B","cited_text":"x","start_page_number":1,"end_page_number":2}"#;
        let expected = Citation {
            title: Some("B".to_owned()),
            cited_text: Some("x".to_owned()),
            document: Some(2),
            ..Citation::default()
        };
        assert_eq!(read(page), Some(expected));
        assert_eq!(read(r#"{"type":"later"}"#), None);
    }
}
