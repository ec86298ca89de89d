//! Cuts what another dialect left behind in a conversation of OpenAI's dialects: reasoning sealed in our envelopes,
//! which their providers would refuse. Where a provider has refused it, what any vendor sealed goes as well.
//! `anthropic/head.rs` does the same for Anthropic's.

use std::ops::Range;

use crate::protocol::anthropic::{Thinking, cut_elements};
use crate::protocol::envelope;
use crate::protocol::scan;
use crate::protocol::splice::{Splice, with_comma};

/// Chat Completions: `reasoning_details` goes from its message, whole, where it has an envelope or all thinking goes.
pub fn cut_details(body: &[u8], messages: usize, thinking: Thinking, splice: &mut Splice) {
    let Ok((turns, _)) = scan::elements(body, messages) else {
        return;
    };
    for (at, turn) in turns.iter().enumerate() {
        let all = thinking.of_turn(at) == Thinking::Cut;
        if !all && !is_sealed(body, turn) {
            continue;
        }
        let Ok((members, _)) = scan::members(body, turn.start) else {
            continue;
        };
        let sealed = members.iter().filter(|member| {
            body.get(member.key.clone()) == Some(b"reasoning_details")
                && (all || is_sealed(body, &member.value))
        });
        for member in sealed {
            let whole = member.key.start.saturating_sub(1)..member.value.end;
            splice.cut(with_comma(body, whole));
        }
    }
}

/// Responses: a `reasoning` item with an envelope goes whole; where all thinking goes, one that anybody sealed.
pub fn cut_items(body: &[u8], input: usize, thinking: Thinking, splice: &mut Splice) {
    let Ok((items, _)) = scan::elements(body, input) else {
        return;
    };
    let cut: Vec<bool> = items
        .iter()
        .enumerate()
        .map(|(at, item)| match thinking.of_turn(at) {
            Thinking::Cut => is_reasoning(body, item, |seal| is_text(body, seal)),
            Thinking::Kept | Thinking::CutBefore(_) => {
                is_sealed(body, item) && is_reasoning(body, item, |seal| is_sealed(body, seal))
            }
        })
        .collect();
    cut_elements(body, &items, &cut, splice);
}

/// Whether a string in `range` begins like an envelope.
fn is_sealed(body: &[u8], range: &Range<usize>) -> bool {
    let quoted = [b"\"", envelope::PREFIX.as_bytes()].concat();
    let text = body.get(range.clone()).unwrap_or_default();
    memchr::memmem::find(text, &quoted).is_some()
}

/// Whether a value is a string with something in it.
fn is_text(body: &[u8], value: &Range<usize>) -> bool {
    value.len() > "\"\"".len() && body.get(value.start) == Some(&b'"')
}

/// Whether an item is reasoning with a seal that is like that.
fn is_reasoning(
    body: &[u8],
    item: &Range<usize>,
    is_meant: impl Fn(&Range<usize>) -> bool,
) -> bool {
    let Ok((members, _)) = scan::members(body, item.start) else {
        return false;
    };
    let is = |key: &[u8], matches: &dyn Fn(&Range<usize>) -> bool| {
        members
            .iter()
            .any(|m| body.get(m.key.clone()) == Some(key) && matches(&m.value))
    };
    is(b"type", &|value| {
        body.get(value.clone()) == Some(b"\"reasoning\"")
    }) && is(b"encrypted_content", &is_meant)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    type Cut = fn(&[u8], usize, Thinking, &mut Splice);

    fn without(body: &str, cut: Cut, thinking: Thinking) -> String {
        let body = Bytes::copy_from_slice(body.as_bytes());
        let mut splice = Splice::default();
        cut(&body, 0, thinking, &mut splice);
        String::from_utf8(splice.apply(&body).to_vec()).unwrap()
    }

    fn cut(body: &str, cut: Cut) -> String {
        without(body, cut, Thinking::Kept)
    }

    #[test]
    fn a_refusal_takes_all_details_of_the_turns_that_were_refused() {
        let details = r#","reasoning_details":[{"type":"reasoning.encrypted","data":"gAAA"}]"#;
        let turn = |details: &str| {
            format!(r#"{{"role":"assistant","content":"a"{details},"reasoning":"b"}}"#)
        };
        let body = format!("[{}, {}]", turn(details), turn(details));
        let both = without(&body, cut_details, Thinking::Cut);
        assert_eq!(both, format!("[{}, {}]", turn(""), turn("")));
        let first = without(&body, cut_details, Thinking::CutBefore(1));
        assert_eq!(first, format!("[{}, {}]", turn(""), turn(details)));
        assert_eq!(cut(&body, cut_details), body);
    }

    #[test]
    fn a_refusal_takes_all_sealed_items_of_the_turns_that_were_refused() {
        let sealed = r#"{"type":"reasoning","summary":[],"encrypted_content":"gAAA"}"#;
        let plain = r#"{"type":"reasoning","id":"rs_2","summary":[],"encrypted_content":null}"#;
        let empty = r#"{"type":"reasoning","id":"rs_2","summary":[],"encrypted_content":""}"#;
        let compacted = r#"{"type":"compaction","encrypted_content":"gAAA"}"#;
        let body = format!("[{sealed},{plain} ,{compacted},{empty}, {sealed}]");
        let all = without(&body, cut_items, Thinking::Cut);
        assert_eq!(all, format!("[{plain} ,{compacted},{empty}]"));
        let first = without(&body, cut_items, Thinking::CutBefore(4));
        assert_eq!(first, format!("[{plain} ,{compacted},{empty}, {sealed}]"));
        assert_eq!(cut(&body, cut_items), body);
    }

    #[test]
    fn sealed_details_go_and_foreign_ones_stay() {
        let body = r#"[{"role":"assistant","content":"a","reasoning_details":[{"data":"pm1.c."}]},
            {"role":"assistant","reasoning_details":[{"data":"gAAA"}],"content":"pm1.c. is text"}]"#;
        let expected = body.replace(r#","reasoning_details":[{"data":"pm1.c."}]"#, "");
        assert_eq!(cut(body, cut_details), expected);
    }

    #[test]
    fn sealed_reasoning_items_go_with_their_comma() {
        let sealed =
            r#"{"type":"reasoning","id":"rs_1","summary":[],"encrypted_content":"pm1.a.x"}"#;
        let foreign = sealed.replace("pm1.a.x", "gAAAA");
        let message = r#"{"type":"message","role":"user","content":"pm1.a. said he"}"#;
        let body = format!("[{sealed}, {message},{foreign} ,{sealed}]");
        assert_eq!(cut(&body, cut_items), format!("[ {message},{foreign}]"));
    }
}
