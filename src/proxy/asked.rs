//! What a request asks for, as far as rules and candidates want to know: found out when somebody asks, because bodies
//! are large and most configurations never do.

use super::request::Request;
use crate::routing::{Asked, Resolution, Table};
use crate::types::Dialect;

/// Bytes of JSON per token, roughly: between English prose and code full of quotes and escapes.
const BYTES_PER_TOKEN: usize = 4;
/// About what a picture costs, tokens.
const TOKENS_PER_IMAGE: usize = 1500;
/// How encoded pictures and files begin, in all dialects.
const ENCODED: [&[u8]; 2] = [b";base64,", b"\"data\":\""];
/// Shorter texts are no pictures.
const SHORTEST_IMAGE: usize = 1024;

/// The rule that fits a request, if one does.
fn rule<'t>(table: &'t Table, request: &Request) -> Option<Resolution<'t>> {
    let (head, body) = (&request.head, &request.body.bytes);
    let asked = Asked {
        agent: request.agent.is_some(),
        thinking: head.thinks,
        images: &|| has_images(head.dialect, body),
        tokens: &|| prompt_tokens(body),
        header: &|name, wanted| {
            let mut named = request.watched.iter().filter(|(it, _)| it == name);
            named.any(|(_, value)| value == wanted)
        },
    };
    table.rule(&head.model, &asked)
}

/// What the rule that fits a request is called: the same body under another rule is another request.
pub fn rule_name<'t>(table: &'t Table, request: &Request) -> Option<&'t str> {
    match rule(table, request)? {
        Resolution::Route { pattern, .. } => Some(pattern),
        Resolution::NoRoute { .. } => None,
    }
}

/// Where a request may go: its rule's candidates, or its route's.
pub fn resolve<'t>(table: &'t Table, request: &Request) -> Resolution<'t> {
    rule(table, request).unwrap_or_else(|| table.resolve(&request.head.model))
}

/// Whether there are pictures in a body.
pub fn has_images(dialect: Dialect, body: &[u8]) -> bool {
    let mentions = |text: &str| memchr::memmem::find(body, text.as_bytes()).is_some();
    match dialect {
        Dialect::Anthropic | Dialect::Gemini => mentions("\"image\"") && mentions("\"source\""),
        Dialect::OpenAiChat => mentions("\"image_url\""),
        Dialect::OpenAiResponses => mentions("\"input_image\""),
    }
}

/// About how many tokens a prompt has: by its length, encoded pictures and files aside.
pub fn prompt_tokens(body: &[u8]) -> u64 {
    let (mut encoded, mut images) = (0, 0);
    for start in ENCODED {
        for at in memchr::memmem::find_iter(body, start) {
            let rest = body.get(at + start.len()..).unwrap_or_default();
            let long = memchr::memchr(b'"', rest).unwrap_or(rest.len());
            if SHORTEST_IMAGE <= long {
                encoded += long;
                images += 1;
            }
        }
    }
    let text = body.len().saturating_sub(encoded) / BYTES_PER_TOKEN;
    (text + images * TOKENS_PER_IMAGE) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_are_not_counted_by_their_bytes() {
        let text = format!(r#"{{"messages":"{}"}}"#, "word ".repeat(8000));
        let plain = prompt_tokens(text.as_bytes());
        assert!((10_000..10_010).contains(&plain), "{plain}");
        let data = "A".repeat(1_000_000);
        for picture in [
            format!(r#"{{"type":"base64","data":"{data}"}}"#),
            format!(r#"{{"url":"data:image/png;base64,{data}"}}"#),
        ] {
            let tokens = prompt_tokens(picture.as_bytes());
            assert!((1500..1520).contains(&tokens), "{tokens}");
        }
    }
}
