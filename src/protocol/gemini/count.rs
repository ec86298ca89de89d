//! Counting a prompt: the body of `countTokens` and what comes back.

use serde::Serialize;
use serde_json::Value;

use crate::protocol::canonical::{Losses, Outbound, Request, TranslateError};
use crate::protocol::openai_chat::names::sent_model;

use super::names::Names;
use super::outbound::body;
use super::profile::Profile;
use super::wire_request as wire;

/// At the Gemini API only a whole request counts system prompt and tools in.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Wrapped<'a> {
    generate_content_request: Named<'a>,
}

#[derive(Serialize)]
struct Named<'a> {
    model: String,
    #[serde(flatten)]
    request: wire::Request<'a>,
}

/// Writes the body of `countTokens` for `request`: system prompt, conversation and tools, as a call would send them.
pub fn count_tokens_body(
    request: &Request,
    model: &str,
    profile: &Profile,
    losses: &mut Losses,
) -> Result<Outbound, TranslateError> {
    let mut names = Names::default();
    let mut request = body(request, profile, &mut names, losses)?;
    // How the answer is made costs nothing of the prompt.
    request.generation_config = None;
    request.tool_config = None;
    let body = if profile.vertex {
        serde_json::to_vec(&request)
    } else {
        let name = sent_model(model);
        let name = name.strip_prefix("models/").unwrap_or(name);
        serde_json::to_vec(&Wrapped {
            generate_content_request: Named {
                model: format!("models/{name}"),
                request,
            },
        })
    };
    Ok(Outbound {
        body: body.map_err(TranslateError::Json)?,
        headers: Vec::new(),
        names: names.into_tool_names(),
        prewarm: false,
    })
}

/// The tokens that an answer of `countTokens` tells; `None` when it is none.
pub fn counted(body: &[u8]) -> Option<u64> {
    let value: Value = serde_json::from_slice(body).ok()?;
    value.get("totalTokens")?.as_u64()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::sample::with;
    use super::*;
    use crate::protocol::anthropic;

    fn sent(host: &str) -> Value {
        let body = with(json!({"system": "Be brief.", "temperature": 1, "tools": [
            {"name": "Run", "input_schema": {"type": "object", "properties": {"a": {"type": "string"}}}}]}));
        let mut losses = Losses::default();
        let request = anthropic::messages(body.to_string().as_bytes(), &mut losses).unwrap();
        let profile = Profile::guess(host, "gemini-2.5-pro");
        let sent = count_tokens_body(&request, "gemini-2.5-pro[1m]", &profile, &mut losses);
        serde_json::from_slice(&sent.unwrap().body).unwrap()
    }

    #[test]
    fn a_whole_request_is_counted() {
        let body = sent("generativelanguage.googleapis.com");
        let request = &body["generateContentRequest"];
        assert_eq!(request["model"], "models/gemini-2.5-pro");
        assert_eq!(
            request["systemInstruction"]["parts"][0]["text"],
            "Be brief."
        );
        assert_eq!(request["contents"][0]["parts"][0]["text"], "hi");
        assert_eq!(
            request["tools"][0]["functionDeclarations"][0]["name"],
            "Run"
        );
        assert!(request.get("generationConfig").is_none());
        assert_eq!(body.as_object().unwrap().len(), 1);
    }

    #[test]
    fn vertex_counts_at_the_top() {
        let body = sent("europe-west1-aiplatform.googleapis.com");
        assert!(body.get("generateContentRequest").is_none());
        assert_eq!(body["contents"][0]["parts"][0]["text"], "hi");
        assert_eq!(body["systemInstruction"]["parts"][0]["text"], "Be brief.");
    }

    #[test]
    fn the_total_is_read() {
        assert_eq!(
            counted(br#"{"totalTokens": 31, "totalBillableCharacters": 88}"#),
            Some(31)
        );
        for other in [&b"{}"[..], b"[]", b"x", br#"{"error":{"code":400}}"#] {
            assert_eq!(counted(other), None);
        }
    }
}
