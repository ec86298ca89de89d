//! Reads a stream as an Anthropic client does, and is as strict about it.

use serde_json::Value;

use super::client::Ending;
use super::client::Reply;

/// Puts the content blocks of a stream together again, checking that they are opened and closed in order.
pub fn assemble(reply: &Reply) -> Vec<Value> {
    assert_eq!(
        (reply.status, reply.ending),
        (200, Ending::Complete),
        "{}",
        reply.text()
    );
    let mut blocks: Vec<Value> = Vec::new();
    let mut arguments = String::new();
    let mut open = false;
    let names = reply.event_names();
    assert_eq!(
        names.first().map(String::as_str),
        Some("message_start"),
        "{}",
        reply.text()
    );
    assert_eq!(
        names.last().map(String::as_str),
        Some("message_stop"),
        "{}",
        reply.text()
    );
    for event in reply.events().iter().filter(|event| !event.data.is_empty()) {
        let data = event.json();
        assert_eq!(data["type"], event.name, "{event:?}");
        match event.name.as_str() {
            "content_block_start" => {
                assert!(!open, "two blocks open: {}", reply.text());
                assert_eq!(data["index"], blocks.len(), "{event:?}");
                open = true;
                blocks.push(data["content_block"].clone());
            }
            "content_block_delta" => {
                assert!(open, "{event:?}");
                let block = blocks.last_mut().unwrap();
                let delta = &data["delta"];
                for (part, field) in [
                    ("text", "text"),
                    ("thinking", "thinking"),
                    ("signature", "signature"),
                ] {
                    if let Some(piece) = delta[part].as_str() {
                        let so_far = block[field].as_str().unwrap_or_default();
                        block[field] = format!("{so_far}{piece}").into();
                    }
                }
                arguments.push_str(delta["partial_json"].as_str().unwrap_or_default());
            }
            "content_block_stop" => {
                assert!(open, "{event:?}");
                open = false;
                let block = blocks.last_mut().unwrap();
                if !arguments.is_empty() {
                    block["input"] = serde_json::from_str(&arguments).unwrap();
                    arguments.clear();
                }
            }
            _ => {}
        }
    }
    assert!(!open, "a block was left open: {}", reply.text());
    blocks
}
