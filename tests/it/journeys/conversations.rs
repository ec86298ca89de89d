//! Conversations that change providers between turns: what one vendor left in the history, the next one can take.

use serde_json::json;

use crate::support::answers::MODEL;
use crate::support::answers::completion_chunk;
use crate::support::answers::completion_end;
use crate::support::answers::message;
use crate::support::answers::refuses;
use crate::support::answers::says;
use crate::support::assembly::assemble;
use crate::support::client::Request;
use crate::support::proxy::Proxy;
use crate::support::script::Act;
use crate::support::setup::Provider;
use crate::support::setup::Setup;
use crate::support::upstream::Upstream;

/// Anthropic is down for one turn; another vendor thinks and answers. When Anthropic is back, it must not meet
/// thinking that is not its own: it would refuse the whole conversation.
#[tokio::test]
async fn a_conversation_goes_to_another_vendor_and_comes_back() {
    let reasoning = [
        completion_chunk(
            &json!({"role": "assistant", "content": "", "reasoning_content": "let me "}),
            None,
        ),
        completion_chunk(&json!({"reasoning_content": "think"}), None),
        completion_chunk(&json!({"content": "42"}), None),
        completion_chunk(&json!({}), Some("stop")),
        completion_end(),
    ]
    .concat();
    let first = Upstream::script([refuses(500, "api_error", "boom"), says("43"), says("44")]).await;
    let second = Upstream::script([Act::events(reasoning)]).await;
    let setup = Setup::of([
        Provider::anthropic("a", &first.url()),
        Provider::openai("o", &second.url()),
    ]);
    let proxy = Proxy::start(setup).await;
    let mut body = json!({
        "model": MODEL, "max_tokens": 2048, "stream": true, "thinking": {"type": "enabled", "budget_tokens": 1024},
        "messages": [{"role": "user", "content": "what is it?"}],
    });

    let reply = proxy.ask(Request::messages(body.to_string())).await;
    let blocks = assemble(&reply);
    assert_eq!(blocks.len(), 2, "{blocks:?}");
    assert_eq!(
        (&blocks[0]["type"], &blocks[0]["thinking"]),
        (&json!("thinking"), &json!("let me think"))
    );
    assert!(blocks[0]["signature"].is_string(), "{blocks:?}");
    assert_eq!(blocks[1], json!({"type": "text", "text": "42"}));
    assert_eq!((first.calls(), second.calls()), (1, 1));

    // A signature of Anthropic's own stays where it is.
    let own = json!({"type": "thinking", "thinking": "mine", "signature": "EqQBCkgIARABGAIiQL=="});
    body["stream"] = json!(false);
    let history = body["messages"].as_array_mut().unwrap();
    history.push(json!({"role": "assistant", "content": blocks}));
    history.push(json!({"role": "user", "content": "and the next?"}));
    history.push(json!({"role": "assistant", "content": [own, {"type": "text", "text": "43?"}]}));
    history.push(json!({"role": "user", "content": "sure?"}));
    for answer in ["43", "44"] {
        let reply = proxy.ask(Request::messages(body.to_string())).await;
        assert_eq!((reply.status, reply.text()), (200, message(answer)));
    }

    for index in [1, 2] {
        let seen = first.seen(index);
        let sent = seen.json();
        assert_eq!(
            sent["messages"][1]["content"],
            json!([{"type": "text", "text": "42"}]),
            "{sent}"
        );
        assert_eq!(sent["messages"][3]["content"][0], own, "{sent}");
        assert!(!seen.text().contains("let me think"), "{sent}");
        let mut expected = body.clone();
        expected["messages"][1]["content"] = json!([{"type": "text", "text": "42"}]);
        assert_eq!(sent, expected);
    }
    assert_eq!((first.calls(), second.calls()), (3, 1));
}

#[tokio::test]
async fn a_refused_signature_is_repaired_once() {
    let refused = refuses(
        400,
        "invalid_request_error",
        "messages.1.content.0: Invalid `signature` in `thinking` block",
    );
    let upstream =
        Upstream::script([refused.clone(), says("healed"), refused.clone(), refused]).await;
    let proxy = Proxy::start(Setup::of([Provider::anthropic("a", &upstream.url())])).await;
    let body = json!({
        "model": MODEL, "max_tokens": 2048,
        "messages": [
            {"role": "user", "content": "hi"},
            {"role": "assistant", "content": [
                {"type": "thinking", "thinking": "of another account", "signature": "c2lnbmF0dXJl"},
                {"type": "text", "text": "hello"},
            ]},
            {"role": "user", "content": "go on"},
        ],
    });
    let reply = proxy.ask(Request::messages(body.to_string())).await;
    assert_eq!((reply.status, reply.text()), (200, message("healed")));
    assert_eq!(upstream.seen(0).json(), body);
    let healed = upstream.seen(1).json();
    assert_eq!(
        healed["messages"][1]["content"],
        json!([{"type": "text", "text": "hello"}]),
        "{healed}"
    );

    let reply = proxy.ask(Request::messages(body.to_string())).await;
    assert_eq!(reply.status, 400, "{}", reply.text());
    assert_eq!(upstream.calls(), 4);
}
