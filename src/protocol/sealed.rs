//! Cuts what another dialect left behind in a conversation of OpenAI's dialects: reasoning sealed in our envelopes,
//! which their providers would refuse. `anthropic/head.rs` does the same for Anthropic's.

use std::ops::Range;

use crate::protocol::anthropic::cut_elements;
use crate::protocol::envelope;
use crate::protocol::scan;
use crate::protocol::splice::{Splice, with_comma};

/// Chat Completions: `reasoning_details` with an envelope goes from its message, whole.
pub fn cut_details(body: &[u8], messages: usize, splice: &mut Splice) {
    let Ok((turns, _)) = scan::elements(body, messages) else {
        return;
    };
    for turn in turns.iter().filter(|turn| is_sealed(body, turn)) {
        let Ok((members, _)) = scan::members(body, turn.start) else {
            continue;
        };
        let sealed = members.iter().filter(|member| {
            body.get(member.key.clone()) == Some(b"reasoning_details")
                && is_sealed(body, &member.value)
        });
        for member in sealed {
            let whole = member.key.start.saturating_sub(1)..member.value.end;
            splice.cut(with_comma(body, whole));
        }
    }
}

/// Responses: a `reasoning` item with an envelope goes whole.
pub fn cut_items(body: &[u8], input: usize, splice: &mut Splice) {
    let Ok((items, _)) = scan::elements(body, input) else {
        return;
    };
    let cut: Vec<bool> = items
        .iter()
        .map(|item| is_sealed_item(body, item))
        .collect();
    cut_elements(body, &items, &cut, splice);
}

/// Whether a string in `range` begins like an envelope.
fn is_sealed(body: &[u8], range: &Range<usize>) -> bool {
    let quoted = [b"\"", envelope::PREFIX.as_bytes()].concat();
    let text = body.get(range.clone()).unwrap_or_default();
    memchr::memmem::find(text, &quoted).is_some()
}

fn is_sealed_item(body: &[u8], item: &Range<usize>) -> bool {
    if !is_sealed(body, item) {
        return false;
    }
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
    }) && is(b"encrypted_content", &|value| is_sealed(body, value))
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn cut(body: &str, cut: fn(&[u8], usize, &mut Splice)) -> String {
        let body = Bytes::copy_from_slice(body.as_bytes());
        let mut splice = Splice::default();
        cut(&body, 0, &mut splice);
        String::from_utf8(splice.apply(&body).to_vec()).unwrap()
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
