//! A short cut for the common chunk.
//!
//! The chunks of one stream are alike but for the text that they add. So the last chunk that added nothing but text is
//! remembered as what stood before the text and what stood after it. A chunk with the same head and tail, and between
//! them the inside of a JSON string, parses to the same thing with another text: JSON is read from left to right, and
//! the reader's state after the head is the same. Every other chunk is parsed as usual. OpenAI and Mistral pad their
//! chunks with a string of varying length; it may differ as well.

use std::borrow::Cow;

use memchr::memchr2;

use crate::protocol::openai_chat::wire_answer as wire;

/// Where the text of a chunk goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Channel {
    #[default]
    Text,
    Thinking,
    /// The arguments of the call at this index.
    Arguments(Option<u64>),
}

/// The chunk to compare with.
#[derive(Debug, Default)]
pub(crate) struct Template {
    /// Up to and with the quote that opens the text; empty while nothing is remembered.
    head: Vec<u8>,
    /// From the quote that closes the text, to the end or to the quote that opens the padding.
    tail: Vec<u8>,
    /// From the quote that closes the padding; empty when there is none.
    end: Vec<u8>,
    channel: Channel,
}

impl Template {
    /// Remembers a chunk, if it adds nothing but text that stands in `data` without escapes.
    pub fn learn(&mut self, data: &[u8], chunk: &wire::Chunk<'_>) {
        self.head.clear();
        let Some((channel, text)) = sole_text(chunk) else {
            return;
        };
        let Some((head, tail)) = around(data, text) else {
            return;
        };
        let padding = chunk.obfuscation.get().or(chunk.p.get());
        let (tail, end) = padding
            .and_then(|padding| around(tail, padding))
            .unwrap_or((tail, &[]));
        self.channel = channel;
        self.head.extend_from_slice(head);
        self.tail.clear();
        self.tail.extend_from_slice(tail);
        self.end.clear();
        self.end.extend_from_slice(end);
    }

    /// The text of a chunk that is like the remembered one.
    pub fn read<'a>(&self, data: &'a [u8]) -> Option<(Channel, Cow<'a, str>)> {
        if self.head.is_empty() {
            return None;
        }
        let (text, rest) = string(data.strip_prefix(&*self.head)?)?;
        let rest = rest.strip_prefix(&*self.tail)?;
        if self.end.is_empty() {
            if !rest.is_empty() {
                return None;
            }
        } else {
            let (padding, rest) = string(rest)?;
            if rest != self.end || !padding.iter().all(u8::is_ascii_alphanumeric) {
                return None;
            }
        }
        if text.iter().all(|it| 0x20 <= *it && *it != b'\\') {
            let text = simdutf8::basic::from_utf8(text).ok()?;
            return Some((self.channel, Cow::Borrowed(text)));
        }
        let open = self.head.len().checked_sub(1)?;
        let close = self.head.len().checked_add(text.len())?;
        let text: String = serde_json::from_slice(data.get(open..=close)?).ok()?;
        Some((self.channel, Cow::Owned(text)))
    }
}

/// Splits the inside of a JSON string from the quote that closes it and what follows.
fn string(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut at = 0;
    loop {
        let rest = bytes.get(at..)?;
        let found = memchr2(b'"', b'\\', rest)?;
        if rest.get(found) == Some(&b'"') {
            return bytes.split_at_checked(at + found);
        }
        at += found + 2;
    }
}

/// The text that a chunk adds, if it does nothing else.
fn sole_text<'c>(chunk: &'c wire::Chunk<'_>) -> Option<(Channel, &'c str)> {
    let [choice] = chunk.choices.as_deref()? else {
        return None;
    };
    let plain = chunk.error.is_none()
        && chunk.usage.is_none()
        && chunk.x_groq.is_none()
        && chunk.object.get() != Some("error")
        && choice.error.is_none()
        && choice.usage.is_none()
        && choice.logprobs.is_none()
        && choice.index.or_zero() == 0
        && choice.finish_reason.get().is_none();
    let delta = choice.delta.as_ref().filter(|_| plain)?;
    if delta.reasoning_details.is_some()
        || delta.refusal.get().is_some()
        || delta.annotations.is_some()
        || delta.function_call.is_some()
    {
        return None;
    }
    let content = match &delta.content {
        wire::Content::Absent => None,
        wire::Content::Text(text) => Some(&**text).filter(|it| !it.is_empty()),
        wire::Content::Parts(_) => return None,
    };
    let mut reasonings = [
        &delta.reasoning_content,
        &delta.reasoning,
        &delta.reasoning_text,
    ]
    .into_iter()
    .filter_map(wire::Text::get);
    let reasoning = reasonings.next();
    if reasonings.next().is_some() {
        return None;
    }
    let calls = delta.tool_calls.as_deref().unwrap_or_default();
    match (content, reasoning, calls) {
        (Some(text), None, []) => Some((Channel::Text, text)),
        (None, Some(text), []) => Some((Channel::Thinking, text)),
        (None, None, [call]) if call.id.get().is_none() => {
            let function = call
                .function
                .as_ref()
                .filter(|it| it.name.get().is_none())?;
            let raw = function.arguments?.get();
            let text = raw.strip_prefix('"')?.strip_suffix('"')?;
            (!text.is_empty()).then_some((Channel::Arguments(call.index.0), text))
        }
        _ => None,
    }
}

/// What stands before and after `text` in `data`, quotes included, if `text` is a part of `data`.
fn around<'a>(data: &'a [u8], text: &str) -> Option<(&'a [u8], &'a [u8])> {
    let at = text.as_ptr().addr().checked_sub(data.as_ptr().addr())?;
    let end = at.checked_add(text.len())?;
    let (head, tail) = (data.get(..at)?, data.get(end..)?);
    let is_there = data.get(at..end) == Some(text.as_bytes());
    (is_there && head.ends_with(b"\"") && tail.starts_with(b"\"")).then_some((head, tail))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn learned(data: &str) -> Template {
        let mut template = Template::default();
        template.learn(data.as_bytes(), &serde_json::from_str(data).unwrap());
        template
    }

    #[test]
    fn a_chunk_that_differs_in_its_text_is_read() {
        let template =
            learned(r#"{"id":"x","choices":[{"delta":{"content":"a"},"finish_reason":null}]}"#);
        let read = |text: &str| {
            let data = format!(
                r#"{{"id":"x","choices":[{{"delta":{{"content":{text}}},"finish_reason":null}}]}}"#
            );
            template.read(data.as_bytes()).map(|(channel, text)| {
                assert_eq!(channel, Channel::Text);
                text.into_owned()
            })
        };
        assert_eq!(read("\"b é\"").as_deref(), Some("b é"));
        assert_eq!(read("\"\"").as_deref(), Some(""));
        assert_eq!(read(r#""\"\n\\\u00e9""#).as_deref(), Some("\"\n\\é"));
        // Another structure between the same head and tail, and text that is not JSON.
        assert_eq!(read(r#""b","role":"x""#), None);
        assert_eq!(read("\"\n\""), None);
        assert_eq!(read(r#""\ud83d""#), None);
        assert_eq!(read(r#""\""#), None);
        assert_eq!(read("null"), None);
    }

    #[test]
    fn thinking_and_arguments_are_read_as_well() {
        let thinking = learned(r#"{"choices":[{"delta":{"content":null,"reasoning":"a"}}]}"#);
        let read = thinking.read(br#"{"choices":[{"delta":{"content":null,"reasoning":"bc"}}]}"#);
        assert_eq!(read, Some((Channel::Thinking, "bc".into())));
        let call = r#"{"choices":[{"delta":{"tool_calls":[{"index":2,"function":{"arguments":"{\"a"}}]}}]}"#;
        let next = call.replace(r#"{\"a"#, r#"\":1}"#);
        let read = learned(call)
            .read(next.as_bytes())
            .map(|(channel, it)| (channel, it.into_owned()));
        assert_eq!(
            read,
            Some((Channel::Arguments(Some(2)), "\":1}".to_owned()))
        );
    }

    #[test]
    fn padding_may_differ() {
        let template = learned(r#"{"choices":[{"delta":{"content":"a"}}],"obfuscation":"xyz"}"#);
        let read = |data: &str| {
            template
                .read(data.as_bytes())
                .map(|(_, it)| it.into_owned())
        };
        let like = r#"{"choices":[{"delta":{"content":"b\"c"}}],"obfuscation":"longer9"}"#;
        assert_eq!(read(like).as_deref(), Some("b\"c"));
        for unlike in [
            r#"{"choices":[{"delta":{"content":"b"}}],"obfuscation":"x","error":{}}"#,
            r#"{"choices":[{"delta":{"content":"b"}}],"obfuscation":"\"}"#,
            r#"{"choices":[{"delta":{"content":"b"}}],"obfuscation":"x"}}"#,
            r#"{"choices":[{"delta":{"content":"b"}}],"usage":{},"obfuscation":"x"}"#,
        ] {
            assert_eq!(read(unlike), None, "{unlike}");
        }
    }

    #[test]
    fn a_chunk_that_does_more_is_not_remembered() {
        for data in [
            r#"{"choices":[{"delta":{"content":"a"},"finish_reason":"stop"}]}"#,
            r#"{"choices":[{"delta":{"content":"a"}}],"usage":{"prompt_tokens":1}}"#,
            r#"{"choices":[{"delta":{"content":"a"},"usage":{"prompt_tokens":1}}]}"#,
            r#"{"choices":[{"delta":{"content":"a","reasoning":"b"}}]}"#,
            r#"{"choices":[{"delta":{"content":"a","reasoning_details":[]}}]}"#,
            r#"{"choices":[{"delta":{"content":"a","refusal":"b"}}]}"#,
            r#"{"choices":[{"delta":{"content":"a","annotations":[]}}]}"#,
            r#"{"choices":[{"delta":{"content":"a"},"logprobs":{"content":[]}}]}"#,
            r#"{"choices":[{"delta":{"content":"a"},"index":1}]}"#,
            r#"{"choices":[{"delta":{"content":"a"}},{"delta":{"content":"b"},"index":1}]}"#,
            r#"{"choices":[{"delta":{"content":"a"}}],"error":{"code":1}}"#,
            r#"{"choices":[{"delta":{"content":"a\n"}}]}"#,
            r#"{"choices":[{"delta":{"content":""}}]}"#,
            r#"{"choices":[{"delta":{"tool_calls":[{"id":"x","function":{"arguments":"a"}}]}}]}"#,
            r#"{"choices":[{"delta":{"tool_calls":[{"function":{"name":"n","arguments":"a"}}]}}]}"#,
            r#"{"choices":[{"delta":{"tool_calls":[{"function":{"arguments":{}}}]}}]}"#,
        ] {
            assert_eq!(learned(data).read(data.as_bytes()), None, "{data}");
        }
    }
}
