//! Counting a prompt: the body of `countTokens` and what comes back.

use serde_json::{Value, json};

use super::Profile;
use crate::protocol::canonical::{Losses, Outbound, Request, ToolNames, TranslateError};

/// Writes the body of `countTokens` for `request`.
pub fn count_tokens_body(
    request: &Request,
    model: &str,
    _profile: &Profile,
    _losses: &mut Losses,
) -> Result<Outbound, TranslateError> {
    let contents: Vec<Value> = request.system.iter().map(|it| json!(it)).collect();
    let request = json!({"model": format!("models/{model}"), "contents": contents});
    Ok(Outbound {
        body: json!({"generateContentRequest": request})
            .to_string()
            .into_bytes(),
        headers: Vec::new(),
        names: ToolNames::default(),
        prewarm: false,
    })
}

/// The tokens that an answer of `countTokens` tells; `None` when it is none.
pub fn counted(body: &[u8]) -> Option<u64> {
    let value: Value = serde_json::from_slice(body).ok()?;
    value.get("totalTokens")?.as_u64()
}
