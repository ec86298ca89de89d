//! Providers that answer in the other form than asked, and thinking that they do not take back: both are put right
//! before another provider is asked.

use serde_json::Value;
use serde_json::json;

use crate::support::answers::MODEL;
use crate::support::answers::ask;
use crate::support::answers::ask_stream;
use crate::support::answers::delta;
use crate::support::answers::error_body;
use crate::support::answers::error_event;
use crate::support::answers::message;
use crate::support::answers::open_text;
use crate::support::answers::refuses;
use crate::support::answers::says;
use crate::support::answers::start;
use crate::support::answers::stream;
use crate::support::answers::streams;
use crate::support::assembly::assemble;
use crate::support::client::Request;
use crate::support::proxy::Proxy;
use crate::support::script::Act;
use crate::support::setup::Provider;
use crate::support::setup::Setup;
use crate::support::upstream::Upstream;

async fn pair(first: &Upstream, second: &Upstream) -> Proxy {
    let setup = Setup::of([
        Provider::anthropic("a", &first.url()),
        Provider::anthropic("b", &second.url()),
    ]);
    Proxy::start(setup).await
}

#[tokio::test]
async fn a_message_where_a_stream_was_asked_for_becomes_one() {
    let whole = json!({
        "id": "msg_01Whole", "type": "message", "role": "assistant", "model": MODEL,
        "content": [
            {"type": "thinking", "thinking": "hm", "signature": "EuYD=="},
            {"type": "text", "text": "Hello there"},
            {"type": "tool_use", "id": "toolu_1", "name": "Bash", "input": {"command": "ls"}},
        ],
        "stop_reason": "tool_use", "stop_sequence": null,
        "usage": {"input_tokens": 11, "output_tokens": 3, "service_tier": "standard"},
    });
    let first = Upstream::script([Act::answer(200, &[], whole.to_string())]).await;
    let second = Upstream::silent().await;
    let proxy = pair(&first, &second).await;
    let reply = proxy.ask(Request::messages(ask_stream("hi"))).await;
    assert_eq!(
        reply.header("content-type"),
        Some("text/event-stream; charset=utf-8")
    );
    assert_eq!(json!(assemble(&reply)), whole["content"]);
    let events = reply.events();
    let data = |name: &str| -> Value { events.iter().find(|it| it.name == name).unwrap().json() };
    assert_eq!(data("message_start")["message"]["id"], "msg_01Whole");
    let end = data("message_delta");
    assert_eq!(
        (&end["delta"]["stop_reason"], &end["usage"]),
        (&json!("tool_use"), &whole["usage"])
    );
    assert_eq!((first.calls(), second.calls()), (1, 0));
}

/// An answer whose end was seen is paid for: what the connection does afterwards must not buy a second one.
#[tokio::test]
async fn a_stream_put_together_survives_what_the_connection_does_after_its_end() {
    let whole = |tail: fn(Act) -> Act| tail(Act::stream().data(stream("Hello there")));
    for act in [whole(Act::hang), whole(Act::reset), whole(Act::close)] {
        let first = Upstream::script([act]).await;
        let second = Upstream::silent().await;
        let proxy = pair(&first, &second).await;
        let reply = proxy.ask(Request::messages(ask("hi"))).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        assert_eq!(
            reply.json()["content"],
            json!([{"type": "text", "text": "Hello there"}])
        );
        assert_eq!((first.calls(), second.calls()), (1, 0));
    }
}

#[tokio::test]
async fn an_answer_that_cannot_be_put_right_is_asked_of_the_next() {
    let json = [("content-type", "application/json")];
    let half = message("half");
    let begun = [start(), open_text(), delta("half")].concat();
    let bodies = [
        half[..half.len() - 9].to_owned(),
        error_body("overloaded_error", "Overloaded"),
        r#"{"choices":[]}"#.to_owned(),
    ];
    for body in bodies {
        let first = Upstream::script([Act::answer(200, &json, &body)]).await;
        let second = Upstream::script([streams("rescued")]).await;
        let proxy = pair(&first, &second).await;
        let reply = proxy.ask(Request::messages(ask_stream("hi"))).await;
        assert_eq!(
            (reply.status, reply.text()),
            (200, stream("rescued")),
            "{body}"
        );
    }
    for events in [
        begun.clone(),
        format!("{begun}{}", error_event("overloaded_error", "Overloaded")),
        "data: {}\n\n".to_owned(),
    ] {
        let first = Upstream::script([Act::events(&events)]).await;
        let second = Upstream::script([says("rescued")]).await;
        let proxy = pair(&first, &second).await;
        let reply = proxy.ask(Request::messages(ask("hi"))).await;
        assert_eq!(
            (reply.status, reply.text()),
            (200, message("rescued")),
            "{events}"
        );
    }
}

fn refused(text: &str) -> Act {
    refuses(400, "invalid_request_error", text)
}

const SIGNATURE: &str = "messages.1.content.0: Invalid `signature` in `thinking` block";

/// A conversation with thinking in it, and one without.
fn conversations() -> [String; 2] {
    let thinking = json!({"type": "thinking", "thinking": "foreign", "signature": "c2ln"});
    let text = json!({"type": "text", "text": "hello"});
    [json!([thinking, text]), json!([text])].map(|said| {
        let messages = json!([
            {"role": "user", "content": "hi"},
            {"role": "assistant", "content": said},
            {"role": "user", "content": "go on"},
        ]);
        json!({"model": MODEL, "max_tokens": 64, "stream": true, "messages": messages}).to_string()
    })
}

#[tokio::test]
async fn a_repair_that_fails_leaves_the_first_refusal() {
    let [with, _] = conversations();
    for repeat in [
        refused("something else is wrong"),
        refuses(500, "api_error", "boom"),
        refused(SIGNATURE),
    ] {
        let first = Upstream::script([refused(SIGNATURE), repeat]).await;
        let second = Upstream::silent().await;
        let proxy = pair(&first, &second).await;
        let reply = proxy.ask(Request::messages(&with)).await;
        assert_eq!(
            (reply.status, reply.text()),
            (400, error_body("invalid_request_error", SIGNATURE))
        );
        assert_eq!((first.calls(), second.calls()), (2, 0));
        assert_eq!(proxy.provider("a").await["failure_count"], 0);
    }
}

#[tokio::test]
async fn a_repaired_conversation_streams() {
    let [with, _] = conversations();
    let upstream = Upstream::script([refused(SIGNATURE), streams("healed")]).await;
    let proxy = pair(&upstream, &upstream).await;
    let reply = proxy.ask(Request::messages(&with)).await;
    assert_eq!((reply.status, reply.text()), (200, stream("healed")));
    let cut = r#"{"type":"thinking","thinking":"foreign","signature":"c2ln"},"#;
    assert_eq!(upstream.seen(1).text(), with.replace(cut, ""));
}

#[tokio::test]
async fn there_is_nothing_to_repair_without_thinking_or_in_other_refusals() {
    let [with, without] = conversations();
    for (body, text) in [(&without, SIGNATURE), (&with, "max_tokens: Field required")] {
        let upstream = Upstream::script([refused(text)]).await;
        let proxy = pair(&upstream, &upstream).await;
        let reply = proxy.ask(Request::messages(body)).await;
        assert_eq!(
            (reply.status, reply.text()),
            (400, error_body("invalid_request_error", text))
        );
        assert_eq!(upstream.calls(), 1);
    }
}

#[tokio::test]
async fn a_repair_is_remembered_for_the_session_and_its_own_thinking_stays() {
    let [with, _] = conversations();
    let answers = [refused(SIGNATURE), streams("healed"), streams("at once")];
    let upstream = Upstream::script(answers).await;
    let setup = Setup::of([Provider::anthropic("a", &upstream.url())]);
    let proxy = Proxy::start(setup).await;
    let ask = |body: String| {
        let request = Request::messages(body);
        request.header("x-claude-code-session-id", "session-1")
    };
    assert_eq!(proxy.ask(ask(with.clone())).await.status, 200);
    let mut next: Value = serde_json::from_str(&with).unwrap();
    let turns = next["messages"].as_array_mut().unwrap();
    let own = json!({"type": "thinking", "thinking": "own", "signature": "b3du"});
    let said = json!([own, {"type": "text", "text": "healed"}]);
    turns.push(json!({"role": "assistant", "content": said}));
    turns.push(json!({"role": "user", "content": "and now"}));
    assert_eq!(proxy.ask(ask(next.to_string())).await.status, 200);
    assert_eq!(upstream.calls(), 3);
    let sent = upstream.seen(2).json();
    let text = json!([{"type": "text", "text": "hello"}]);
    assert_eq!(sent["messages"][1]["content"], text, "{sent}");
    assert_eq!(sent["messages"][3]["content"], said, "{sent}");
}
