//! A stream put together to the response it builds up, for a client of this dialect that asked for a body and got a
//! stream.
//!
//! The last event holds all of it, and goes out as it stands: items that we do not know, and seals, stay what they are.
//! Some providers leave `output` empty there; the items that were told one by one then take its place.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::protocol::canonical::{DecodeContext, Event};
use crate::protocol::frame::limit::MAX_MESSAGE_BYTES;
use crate::protocol::frame::{Frame, SseDecoder};
use crate::protocol::scan;
use crate::protocol::upstream_error::StreamError;

use super::Decode;

/// Gathers the events of one stream.
#[derive(Debug)]
pub struct Reassemble {
    frames: SseDecoder,
    gathered: Gathered,
}

#[derive(Debug)]
struct Gathered {
    /// Judges the stream: its grammar, its errors, its end.
    decode: Decode,
    events: Vec<Event>,
    /// Whole items by their place.
    items: BTreeMap<u64, String>,
    kept: usize,
    response: Option<String>,
}

/// What is looked at of an event.
#[derive(Deserialize)]
struct Told<'a> {
    #[serde(rename = "type", default)]
    kind: String,
    #[serde(default)]
    output_index: Option<u64>,
    #[serde(borrow, default)]
    item: Option<&'a RawValue>,
    #[serde(borrow, default)]
    response: Option<&'a RawValue>,
}

impl Default for Reassemble {
    fn default() -> Self {
        Reassemble {
            frames: SseDecoder::new(),
            gathered: Gathered {
                decode: Decode::new(DecodeContext::default()),
                events: Vec::new(),
                items: BTreeMap::new(),
                kept: 0,
                response: None,
            },
        }
    }
}

impl Reassemble {
    /// Takes the next bytes. `Upstream` for an error inside the stream, `TooMuch` beyond [`MAX_MESSAGE_BYTES`].
    pub fn push(&mut self, bytes: &[u8]) -> Result<(), StreamError> {
        let Reassemble { frames, gathered } = self;
        frames.push(bytes, |frame| gathered.frame(frame))
    }

    /// The end was seen: the response is whole, and what follows does not matter.
    pub fn is_complete(&self) -> bool {
        self.gathered.response.is_some()
    }

    /// The response as JSON. `Truncated` when the stream did not end.
    pub fn finish(mut self) -> Result<Vec<u8>, StreamError> {
        let Reassemble { frames, gathered } = &mut self;
        frames.finish(|frame| gathered.frame(frame))?;
        let response = gathered.response.take().ok_or(StreamError::Truncated)?;
        Ok(with_items(response.into_bytes(), &gathered.items))
    }
}

impl Gathered {
    fn frame(&mut self, frame: Frame<'_>) -> Result<(), StreamError> {
        if self.response.is_some() {
            return Ok(());
        }
        self.decode.push(frame, &mut self.events)?;
        let ended = matches!(self.events.last(), Some(Event::Finish { .. }));
        self.events.clear();
        // Half a character in a text makes an event unreadable here; the decoder has repaired what it needed.
        let Ok(told) = serde_json::from_slice::<Told<'_>>(frame.data) else {
            return if ended {
                Err(StreamError::Malformed("an end without its response"))
            } else {
                Ok(())
            };
        };
        if ended {
            let response = told.response.map(|it| it.get().to_owned());
            self.response =
                Some(response.ok_or(StreamError::Malformed("an end without its response"))?);
        } else if let ("response.output_item.done", Some(index), Some(item)) =
            (told.kind.as_str(), told.output_index, told.item)
        {
            self.kept = self.kept.saturating_add(item.get().len());
            if MAX_MESSAGE_BYTES < self.kept {
                return Err(StreamError::TooMuch("the whole message"));
            }
            self.items.insert(index, item.get().to_owned());
        }
        Ok(())
    }
}

/// The items in place of an `output` that is empty or not there.
fn with_items(response: Vec<u8>, items: &BTreeMap<u64, String>) -> Vec<u8> {
    let Ok((members, end)) = scan::members(&response, 0) else {
        return response;
    };
    let output = members
        .iter()
        .find(|it| response.get(it.key.clone()) == Some(b"\"output\""))
        .or_else(|| {
            members
                .iter()
                .find(|it| response.get(it.key.clone()) == Some(b"output"))
        });
    let is_empty = |at: &std::ops::Range<usize>| {
        let list = response.get(at.clone()).unwrap_or_default();
        list == b"null" || scan::elements(&response, at.start).is_ok_and(|(all, _)| all.is_empty())
    };
    let list: Vec<&str> = items.values().map(String::as_str).collect();
    let list = format!("[{}]", list.join(","));
    match output {
        _ if items.is_empty() => response,
        Some(member) if is_empty(&member.value) => {
            let (before, after) = (
                response.get(..member.value.start),
                response.get(member.value.end..),
            );
            [
                before.unwrap_or_default(),
                list.as_bytes(),
                after.unwrap_or_default(),
            ]
            .concat()
        }
        Some(_) => response,
        None => {
            let comma = if members.is_empty() { "" } else { "," };
            let before = response.get(..end.saturating_sub(1)).unwrap_or_default();
            [
                before,
                comma.as_bytes(),
                b"\"output\":",
                list.as_bytes(),
                b"}",
            ]
            .concat()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(data: &str) -> String {
        format!("data: {data}\n\n")
    }

    fn stream(output: &str) -> String {
        let items = [
            r#"{"type":"response.output_item.done","output_index":1,"item":{"type":"message","role":"assistant","content":[{"type":"output_text","text":"a"}],"new":1.50}}"#,
            r#"{"type":"response.output_item.done","output_index":0,"item":{"type":"local_shell_call","id":"lsh_1"}}"#,
        ];
        let end = format!(
            r#"{{"type":"response.completed","response":{{"id":"resp_1","status":"completed"{output},"usage":null}}}}"#
        );
        items
            .iter()
            .map(|it| event(it))
            .chain([event(&end)])
            .collect()
    }

    fn put_together(stream: &str, piece: usize) -> Result<String, StreamError> {
        let mut whole = Reassemble::default();
        for piece in stream.as_bytes().chunks(piece) {
            whole.push(piece)?;
        }
        whole.finish().map(|it| String::from_utf8(it).unwrap())
    }

    #[test]
    fn what_the_end_holds_goes_out_as_it_stands() {
        let output = r#", "output": [ {"type":"anything","x":1.0} ]"#;
        let expected = format!(r#"{{"id":"resp_1","status":"completed"{output},"usage":null}}"#);
        for piece in [1, 7, 4096] {
            assert_eq!(
                put_together(&stream(output), piece).as_deref(),
                Ok(expected.as_str())
            );
        }
    }

    #[test]
    fn items_that_the_end_forgets_are_put_in_their_order() {
        for output in [",\"output\":[]", ",\"output\":null", ""] {
            let whole = put_together(&stream(output), 64).unwrap();
            let whole: serde_json::Value = serde_json::from_str(&whole).unwrap();
            let kinds: Vec<&str> = whole["output"]
                .as_array()
                .unwrap()
                .iter()
                .map(|it| it["type"].as_str().unwrap())
                .collect();
            assert_eq!(kinds, ["local_shell_call", "message"], "{output}");
        }
    }

    #[test]
    fn a_stream_without_its_end_is_none() {
        let all = stream(",\"output\":[]");
        let cut = &all[..all.find("data: {\"type\":\"response.completed").unwrap()];
        assert_eq!(put_together(cut, 64), Err(StreamError::Truncated));
        let failed = event(
            r#"{"type":"response.failed","response":{"status":"failed","error":{"code":"server_error","message":"m"}}}"#,
        );
        assert!(matches!(
            put_together(&failed, 64),
            Err(StreamError::Upstream(_))
        ));
    }
}
