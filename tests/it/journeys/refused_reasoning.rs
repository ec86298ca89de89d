//! A conversation goes on at a provider that cannot read the reasoning of its earlier turns: another organisation's,
//! another vendor's. `reshape` has the same for Anthropic's thinking.

use serde_json::{Value, json};

use crate::support::answers::{MODEL, completion, event};
use crate::support::client::Request;
use crate::support::proxy::Proxy;
use crate::support::script::Act;
use crate::support::setup::{Provider, Setup};
use crate::support::upstream::Upstream;

const SEAL: &str = "The encrypted content gAAA...ng== could not be verified.";
const SEALED_ITEM: &str =
    r#"{"type":"reasoning","id":"rs_1","summary":[],"encrypted_content":"gAAAAAB"},"#;

fn refuses_seal() -> Act {
    let error = json!({"message": SEAL, "type": "invalid_request_error", "param": null,
        "code": "invalid_encrypted_content"});
    Act::answer(400, &[], json!({ "error": error }).to_string())
}

fn response(text: &str) -> Act {
    let content = json!([{"type": "output_text", "annotations": [], "text": text}]);
    let item = json!({"type": "message", "id": "msg_1", "status": "completed", "role": "assistant",
        "content": content});
    let usage = json!({"input_tokens": 11, "output_tokens": 3, "total_tokens": 14});
    let body = json!({"id": "resp_1", "object": "response", "created_at": 1_760_000_000, "model": "m",
        "status": "completed", "output": [item], "error": null, "usage": usage});
    Act::answer(200, &[], body.to_string())
}

fn gemini(text: &str) -> Act {
    let candidate = json!({"content": {"role": "model", "parts": [{"text": text}]},
        "finishReason": "STOP", "index": 0});
    Act::answer(200, &[], json!({ "candidates": [candidate] }).to_string())
}

/// A Responses conversation with reasoning in it, as odd as a client may write it.
fn sealed_conversation() -> String {
    let call = r#"{"type":"function_call","call_id":"c1","name":"n","arguments":"{}"}"#;
    let result = r#"{"type":"function_call_output","call_id":"c1","output":"caf\u00e9"}"#;
    format!(
        r#"{{"model":"m", "store":false,"input":[{{"role":"user","content":"hi"}}, {SEALED_ITEM}{call},{result}]}}"#
    )
}

async fn alone(provider: Provider) -> Proxy {
    Proxy::start(Setup::of([provider])).await
}

#[tokio::test]
async fn a_conversation_of_another_organisation_is_repaired_and_other_bytes_stay() {
    let body = sealed_conversation();
    // Inside a stream it says so as well.
    let error = json!({"type": "error", "code": "invalid_encrypted_content", "message": SEAL,
        "param": null, "sequence_number": 0});
    let inside = Act::events(event("error", &error.to_string()));
    for refusal in [refuses_seal(), inside] {
        let upstream = Upstream::script([refusal, response("healed")]).await;
        let proxy = alone(Provider::responses("o", &upstream.url())).await;
        let reply = proxy.ask(Request::post("/v1/responses", &body)).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        assert!(reply.text().contains("healed"), "{}", reply.text());
        assert_eq!(upstream.seen(0).text(), body);
        assert_eq!(upstream.seen(1).text(), body.replace(SEALED_ITEM, ""));
        assert_eq!(proxy.provider("o").await["failure_count"], 0);
    }
}

#[tokio::test]
async fn a_repair_of_sealed_reasoning_is_remembered_and_what_came_later_stays() {
    let body = sealed_conversation();
    let answers = [refuses_seal(), response("healed"), response("at once")];
    let upstream = Upstream::script(answers).await;
    let proxy = alone(Provider::responses("o", &upstream.url())).await;
    let ask = |body: &str| {
        let request = Request::post("/v1/responses", body);
        request.header("session_id", "session-1")
    };
    assert_eq!(proxy.ask(ask(&body)).await.status, 200);
    let own = SEALED_ITEM.replace("rs_1", "rs_2");
    let later = format!(r#",{own}{{"role":"user","content":"and now"}}]}}"#);
    let next = body.replace("]}", &later);
    let reply = proxy.ask(ask(&next)).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert_eq!(upstream.calls(), 3);
    assert_eq!(upstream.seen(2).text(), next.replacen(SEALED_ITEM, "", 1));
}

#[tokio::test]
async fn without_sealed_reasoning_there_is_nothing_to_repair() {
    let body = sealed_conversation().replace(SEALED_ITEM, "");
    let upstream = Upstream::script([refuses_seal()]).await;
    let proxy = alone(Provider::responses("o", &upstream.url())).await;
    let reply = proxy.ask(Request::post("/v1/responses", &body)).await;
    assert_eq!(reply.status, 400, "{}", reply.text());
    assert!(reply.text().contains(SEAL), "{}", reply.text());
    assert_eq!(upstream.calls(), 1);
}

#[tokio::test]
async fn a_repair_of_sealed_reasoning_that_fails_leaves_the_first_refusal() {
    let upstream = Upstream::script([refuses_seal(), Act::answer(500, &[], "{}")]).await;
    let proxy = alone(Provider::responses("o", &upstream.url())).await;
    let request = Request::post("/v1/responses", sealed_conversation());
    let reply = proxy.ask(request).await;
    assert_eq!(reply.status, 400, "{}", reply.text());
    assert!(reply.text().contains(SEAL), "{}", reply.text());
    assert_eq!(upstream.calls(), 2);
}

/// An Anthropic conversation whose assistant called a tool after a thought that is sealed so.
fn thoughtful(seal: &str) -> String {
    let said = json!([
        {"type": "redacted_thinking", "data": seal},
        {"type": "tool_use", "id": "toolu_1", "name": "look", "input": {}},
    ]);
    let found = json!([{"type": "tool_result", "tool_use_id": "toolu_1", "content": "it"}]);
    json!({"model": MODEL, "max_tokens": 64,
    "tools": [{"name": "look", "input_schema": {"type": "object"}}],
    "messages": [
        {"role": "user", "content": "hi"},
        {"role": "assistant", "content": said},
        {"role": "user", "content": found},
    ]})
    .to_string()
}

#[tokio::test]
async fn claude_code_goes_on_at_openai_with_another_organisation_after_a_repair() {
    let item = json!({"type": "reasoning", "summary": [], "encrypted_content": "gAAAAAB"});
    let body = thoughtful(&format!("pm1.r.{item}")).replace(MODEL, "gpt-5");
    let upstream = Upstream::script([refuses_seal(), response("healed")]).await;
    let proxy = alone(Provider::responses("o", &upstream.url())).await;
    let reply = proxy.ask(Request::messages(body)).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    let kinds = |call: usize| {
        let sent = upstream.seen(call).json();
        let items = sent["input"].as_array().unwrap().iter();
        let kind = |it: &Value| it["type"].as_str().unwrap_or("message").to_owned();
        items.map(kind).collect::<Vec<_>>()
    };
    let rest = ["message", "function_call", "function_call_output"];
    assert_eq!(kinds(0), [rest[0], "reasoning", rest[1], rest[2]]);
    assert_eq!(kinds(1), rest);
}

#[tokio::test]
async fn a_repair_for_another_dialect_leaves_what_its_provider_sealed_later() {
    let item = |text: &str| json!({"type": "reasoning", "summary": [], "encrypted_content": text});
    let body = thoughtful(&format!("pm1.r.{}", item("foreign"))).replace(MODEL, "gpt-5");
    let answers = [refuses_seal(), response("healed"), response("at once")];
    let upstream = Upstream::script(answers).await;
    let proxy = alone(Provider::responses("o", &upstream.url())).await;
    let ask = |body: &str| {
        let request = Request::messages(body);
        request.header("x-claude-code-session-id", "session-1")
    };
    assert_eq!(proxy.ask(ask(&body)).await.status, 200);
    let mut next: Value = serde_json::from_str(&body).unwrap();
    let turns = next["messages"].as_array_mut().unwrap();
    let seal = format!("pm1.r.{}", item("own"));
    let said = json!([{"type": "redacted_thinking", "data": seal}, {"type": "text", "text": "so"}]);
    turns.push(json!({"role": "assistant", "content": said}));
    turns.push(json!({"role": "user", "content": "and now"}));
    assert_eq!(proxy.ask(ask(&next.to_string())).await.status, 200);
    assert_eq!(upstream.calls(), 3);
    let sent = upstream.seen(2).text();
    assert!(
        sent.contains("\"own\"") && !sent.contains("\"foreign\""),
        "{sent}"
    );
}

#[tokio::test]
async fn claude_code_goes_on_at_gemini_after_a_repair_of_its_thought_signatures() {
    for text in [
        "Corrupted thought signature.",
        "Unable to submit request because Thought signature is not valid.",
    ] {
        let error = json!({"code": 400, "message": text, "status": "INVALID_ARGUMENT"});
        let refusal = Act::answer(400, &[], json!({ "error": error }).to_string());
        let upstream = Upstream::script([refusal, gemini("healed")]).await;
        let provider = Provider::gemini("g", &upstream.url());
        let model = "gemini-3-flash-preview";
        let proxy = alone(provider).await;
        let body = thoughtful("pm1.g.Zm9yZWlnbg==").replace(MODEL, model);
        let reply = proxy.ask(Request::messages(body)).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        let signature = |call: usize| {
            let sent = upstream.seen(call).json();
            sent["contents"][1]["parts"][0]["thoughtSignature"].clone()
        };
        assert_eq!(signature(0), "Zm9yZWlnbg==");
        assert_eq!(signature(1), "skip_thought_signature_validator");
    }
}

#[tokio::test]
async fn a_router_that_quotes_its_vendor_is_repaired_too() {
    let raw = json!({"error": {"code": 400, "message": "Corrupted thought signature."}});
    let error = json!({"message": "Provider returned error", "code": 400,
        "metadata": {"raw": raw.to_string(), "provider_name": "Google AI Studio"}});
    let refusal = Act::answer(400, &[], json!({ "error": error }).to_string());
    let good = Act::answer(200, &[], completion("healed"));
    let upstream = Upstream::script([refusal, good]).await;
    let proxy = alone(Provider::openai("r", &upstream.url())).await;
    let details = r#","reasoning_details":[{"type":"reasoning.encrypted","data":"Zm9y","format":"google-gemini-v1"}]"#;
    let body = format!(
        r#"{{"model":"m","messages":[{{"role":"user","content":"hi"}},{{"role":"assistant","content":"so"{details}}},{{"role":"user","content":"on"}}]}}"#
    );
    let reply = proxy
        .ask(Request::post("/v1/chat/completions", &body))
        .await;
    assert_eq!((reply.status, reply.text()), (200, completion("healed")));
    assert_eq!(upstream.seen(0).text(), body);
    assert_eq!(upstream.seen(1).text(), body.replace(details, ""));
}
