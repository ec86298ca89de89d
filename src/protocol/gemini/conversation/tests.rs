//! The order of turns, rule by rule.

use serde_json::{Value, json};

use crate::protocol::gemini::Profile;
use crate::protocol::gemini::sample::{Sent, call, model, result, send, talk, text, with};

const THREE: &str = "gemini-3-pro-preview";

fn sent(messages: &[(&str, Value)]) -> Sent {
    send(&talk(messages), &model("gemini-2.5-pro"))
}

fn sealed(signature: &str) -> Value {
    json!({"type": "redacted_thinking", "data": format!("pm1.g.{signature}")})
}

fn thought(words: &str, signature: &str) -> Value {
    json!({"type": "thinking", "thinking": words, "signature": signature})
}

/// Signatures of the parts of the second turn.
fn signatures(content: Value, name: &str) -> Vec<Value> {
    let talk = talk(&[
        ("user", json!("go")),
        ("assistant", content),
        ("user", json!("on")),
    ]);
    let sent = send(&talk, &model(name));
    let parts = sent.body["contents"][1]["parts"]
        .as_array()
        .unwrap()
        .clone();
    parts
        .iter()
        .map(|it| it["thoughtSignature"].clone())
        .collect()
}

#[test]
fn responses_come_right_behind_their_calls_in_the_order_of_the_calls() {
    let sent = sent(&[
        ("user", json!("go")),
        (
            "assistant",
            json!([text("I will."), call("a"), text("And then."), call("b")]),
        ),
        (
            "user",
            json!([
                text("before"),
                result("b", "2"),
                result("a", "1"),
                text("after")
            ]),
        ),
        ("assistant", json!("done")),
    ]);
    assert_eq!(
        sent.turns(),
        [
            "user: go",
            "model: I will.|>a Run|And then.|>b Run",
            "user: <a Run|<b Run|before|after",
            "model: done"
        ]
    );
    let responses = &sent.body["contents"][2]["parts"];
    assert_eq!(
        responses[0]["functionResponse"]["response"],
        json!({"output": "1"})
    );
    assert_eq!(
        sent.lost,
        ["messages the answer begun may not be continued"]
    );
}

#[test]
fn calls_without_result_get_a_stand_in_and_results_without_call_become_text() {
    let sent = sent(&[
        ("user", json!([result("x", "early")])),
        ("assistant", json!([call("a"), call("b"), call("a")])),
        ("user", json!([result("b", "2"), result("b", "again")])),
        ("assistant", json!([call("c")])),
    ]);
    assert_eq!(
        sent.turns(),
        [
            "user: Tool result: early",
            "model: >a Run|>b Run",
            "user: <a Run|<b Run|Tool result: again",
            "model: >c Run",
            "user: <c Run"
        ]
    );
    let response = &sent.body["contents"][4]["parts"][0]["functionResponse"]["response"];
    assert_eq!(*response, json!({"error": "[no result]"}));
    assert_eq!(
        sent.lost,
        [
            "messages[0].content[0] sent as text: no such tool call before it",
            "messages[1].content[2] dropped: a second of its name",
            "messages[1] missing tool result filled in",
            "messages[2].content[1] sent as text: no such tool call before it",
            "messages[3] missing tool result filled in"
        ]
    );
}

#[test]
fn instructions_in_the_middle_never_part_calls_from_responses() {
    let sent = sent(&[
        ("system", json!("First of all.")),
        ("user", json!("go")),
        ("assistant", json!([call("a")])),
        ("system", json!("Be quick.")),
        ("user", json!([result("a", "1")])),
    ]);
    assert_eq!(
        sent.body["systemInstruction"],
        json!({"parts": [{"text": "First of all."}]})
    );
    assert_eq!(
        sent.turns(),
        [
            "user: go",
            "model: >a Run",
            "user: <a Run|<system-reminder>\nBe quick.\n</system-reminder>"
        ]
    );
}

#[test]
fn the_user_begins_and_roles_alternate() {
    let sent = sent(&[
        ("assistant", json!("Hello.")),
        ("user", json!([text("")])),
        ("assistant", json!([thought("gone", "EqQB")])),
        ("assistant", json!("Still here.")),
        ("user", json!("one")),
        ("user", json!("two")),
    ]);
    assert_eq!(
        sent.turns(),
        [
            "user: (the conversation begins)",
            "model: Hello.|Still here.",
            "user: one|two"
        ]
    );
    assert_eq!(sent.lost, Vec::<String>::new());
}

#[test]
fn results_tell_output_and_error() {
    let failed =
        json!({"type": "tool_result", "tool_use_id": "a", "is_error": true, "content": "broken"});
    let parts =
        json!({"type": "tool_result", "tool_use_id": "b", "content": [text("x"), text("y")]});
    let nothing = json!({"type": "tool_result", "tool_use_id": "c"});
    let sent = sent(&[
        ("user", json!("go")),
        ("assistant", json!([call("a"), call("b"), call("c")])),
        ("user", json!([failed, parts, nothing])),
    ]);
    let turn = sent.body["contents"][2]["parts"].as_array().unwrap();
    let told: Vec<&Value> = turn
        .iter()
        .map(|it| &it["functionResponse"]["response"])
        .collect();
    assert_eq!(
        told,
        [
            &json!({"error": "broken"}),
            &json!({"output": "x\ny"}),
            &json!({"output": ""})
        ]
    );
}

#[test]
fn pictures_of_results_stand_inside_them_or_behind_all_of_them() {
    let picture = json!({"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AA=="}});
    let result_a =
        json!({"type": "tool_result", "tool_use_id": "a", "content": [text("see"), picture]});
    let talk = talk(&[
        ("user", json!("go")),
        ("assistant", json!([call("a"), call("b")])),
        ("user", json!([result_a, result("b", "2"), text("well?")])),
    ]);
    let before = send(&talk, &model("gemini-2.5-pro"));
    assert_eq!(
        before.turns()[2],
        "user: <a Run|<b Run|From the function Run:|(media)|well?"
    );
    let inside = send(&talk, &model(THREE));
    assert_eq!(inside.turns()[2], "user: <a Run|<b Run|well?");
    let response = &inside.body["contents"][2]["parts"][0]["functionResponse"];
    let blob = json!({"inlineData": {"mimeType": "image/png", "data": "AA=="}});
    assert_eq!(response["parts"], json!([blob]));
    assert_eq!(response["response"], json!({"output": "see"}));
}

#[test]
fn signatures_go_back_to_the_part_they_came_with() {
    let content = json!([
        thought("hm", "pm1.g.dGg="),
        text("I will."),
        sealed("dGV4dA=="),
        sealed(""),
        call("a"),
        sealed("YQ=="),
        call("b"),
        sealed("ZW5k")
    ]);
    assert_eq!(
        signatures(content, "gemini-2.5-pro"),
        [
            json!("dGg="),
            json!("dGV4dA=="),
            Value::Null,
            json!("YQ=="),
            json!("ZW5k")
        ]
    );
}

#[test]
fn a_thought_is_sent_with_geminis_own_signature_only() {
    let own = json!([thought("hm", "pm1.g.dGg="), text("said")]);
    let talk = talk(&[
        ("user", json!("go")),
        ("assistant", own),
        ("user", json!("on")),
    ]);
    let sent = send(&talk, &model(THREE));
    assert_eq!(
        sent.body["contents"][1]["parts"][0],
        json!({"text": "hm", "thought": true, "thoughtSignature": "dGg="})
    );
    for foreign in [
        "EqQB",
        "pm1.c.",
        "pm1.g.",
        "pm1.g.not base64!",
        "pm1.r.{}",
        "pm1.z.dGg=",
    ] {
        let content = json!([
            thought("hm", foreign),
            json!({"type": "redacted_thinking", "data": foreign}),
            text("said")
        ]);
        assert_eq!(signatures(content, THREE), [Value::Null], "{foreign}");
    }
}

#[test]
fn foreign_calls_get_the_stand_in_where_signatures_are_demanded() {
    let skip = json!("skip_thought_signature_validator");
    let foreign = json!([thought("hm", "EqQB"), call("a"), call("b")]);
    assert_eq!(
        signatures(foreign.clone(), THREE),
        [skip.clone(), Value::Null]
    );
    assert_eq!(
        signatures(foreign, "gemini-2.5-pro"),
        [Value::Null, Value::Null]
    );
    let own = json!([sealed("YQ=="), call("a"), call("b")]);
    assert_eq!(signatures(own, THREE), [json!("YQ=="), Value::Null]);
    // Each step of a turn has its own first call.
    let talk = talk(&[
        ("user", json!("go")),
        ("assistant", json!([call("a")])),
        ("user", json!([result("a", "1")])),
        ("assistant", json!([call("b")])),
        ("user", json!([result("b", "2")])),
    ]);
    let sent = send(&talk, &model(THREE));
    for turn in [1, 3] {
        assert_eq!(
            sent.body["contents"][turn]["parts"][0]["thoughtSignature"],
            skip
        );
    }
}

#[test]
fn arguments_keep_their_text() {
    let body = r#"{"model":"m","max_tokens":9,"messages":[{"role":"user","content":"go"},
        {"role":"assistant","content":[{"type":"tool_use","id":"a","name":"Run","input":{"z":1.50,"a":12345678901234567890}}]}]}"#;
    let mut losses = crate::protocol::canonical::Losses::default();
    let request = crate::protocol::anthropic::messages(body.as_bytes(), &mut losses).unwrap();
    let sent = super::super::outbound(&request, "m", &model(THREE), &mut losses).unwrap();
    let sent = String::from_utf8(sent.body).unwrap();
    assert!(
        sent.contains(r#""args":{"z":1.50,"a":12345678901234567890}"#),
        "{sent}"
    );
}

#[test]
fn gemma_hears_the_system_prompt_from_the_user_and_of_calls_in_words() {
    let mut body = talk(&[
        ("user", json!("go")),
        ("assistant", json!([call("a")])),
        ("user", json!([result("a", "1")])),
    ]);
    body["system"] = json!("Be brief.");
    let sent = send(&body, &model("gemma-3-27b-it"));
    assert!(sent.body.get("systemInstruction").is_none());
    assert_eq!(
        sent.turns(),
        [
            "user: Be brief.|go",
            "model: Tool call: Run {}",
            "user: Tool result: 1"
        ]
    );
}

#[test]
fn the_attribution_line_is_not_sent() {
    let body = with(json!({"system": "x-anthropic-billing-header: cc_version=1;\n\nBe brief."}));
    let sent = send(&body, &model(THREE));
    assert_eq!(
        sent.body["systemInstruction"]["parts"],
        json!([{"text": "Be brief."}])
    );
    let alone = with(json!({"system": "x-anthropic-billing-header: cc_version=1;"}));
    assert!(
        send(&alone, &model(THREE))
            .body
            .get("systemInstruction")
            .is_none()
    );
}

#[test]
fn addresses_are_fetched_where_that_is_plausible() {
    let picture = |url: &str| json!({"type": "image", "source": {"type": "url", "url": url}});
    let open = picture("https://a.example/b.webp");
    let inner = picture("http://10.0.0.1/b.png");
    let gif = json!({"type": "image", "source": {"type": "base64", "media_type": "image/gif", "data": "AA=="}});
    let talk = talk(&[("user", json!([open, inner, gif]))]);
    let sent = send(&talk, &model("gemini-2.5-pro"));
    assert_eq!(
        sent.body["contents"][0]["parts"],
        json!([
            {"fileData": {"mimeType": "image/webp", "fileUri": "https://a.example/b.webp"}},
            {"text": "(a picture at http://10.0.0.1/b.png)"},
            {"text": "(a picture of a type that this model cannot see)"}
        ])
    );
    assert_eq!(
        sent.lost,
        [
            "messages[0].content[1] sent as text: the address only",
            "messages[0].content[2] dropped: not accepted by the model"
        ]
    );
    let old = send(&talk, &model("gemini-2.0-flash"));
    assert_eq!(old.turns()[0].matches("(a picture at").count(), 2);
}

#[test]
fn calls_have_no_ids_at_vertex_which_refuses_them() {
    let talk = talk(&[
        ("user", json!("go")),
        ("assistant", json!([call("a"), call("b")])),
        ("user", json!([result("b", "2"), result("a", "1")])),
    ]);
    let vertex = Profile::guess("europe-west1-aiplatform.googleapis.com", THREE);
    let sent = send(&talk, &vertex);
    let turns = ["user: go", "model: >- Run|>- Run", "user: <- Run|<- Run"];
    assert_eq!(sent.turns(), turns);
    let answers = sent.body["contents"][2]["parts"].as_array().unwrap();
    let outputs: Vec<&Value> = answers
        .iter()
        .map(|it| &it["functionResponse"]["response"]["output"])
        .collect();
    assert_eq!(outputs, ["1", "2"]);
}
