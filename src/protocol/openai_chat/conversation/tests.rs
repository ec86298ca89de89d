//! The order of turns, rule by rule.

use serde_json::{Value, json};

use crate::protocol::openai_chat::profile::{Profile, Replay};
use crate::protocol::openai_chat::sample::{call, result, send, talk, text, try_send, with};
use crate::types::quirks::{CacheMarks, IdStyle, MidSystem, Prefill};

fn generic() -> Profile {
    Profile::generic()
}

fn turns(messages: &[(&str, Value)]) -> Vec<String> {
    send(&talk(messages), &generic()).turns()
}

#[test]
fn results_come_right_behind_their_calls_in_the_order_of_the_calls() {
    let turns = turns(&[
        ("user", json!("go")),
        ("assistant", json!([call("a"), call("b"), call("c")])),
        (
            "user",
            json!([
                text("before"),
                result("c", "3"),
                result("a", "1"),
                text("after"),
                result("b", "2")
            ]),
        ),
        ("assistant", json!("done")),
    ]);
    assert_eq!(
        turns,
        [
            "user: go",
            "assistant: - [\"a\", \"b\", \"c\"]",
            "tool: 1",
            "tool: 2",
            "tool: 3",
            "user: before\n\nafter",
            "assistant: done"
        ]
    );
}

#[test]
fn text_after_a_call_moves_before_it() {
    let content = json!([text("one "), text("text"), call("a"), text("two")]);
    let turns = turns(&[
        ("user", json!("go")),
        ("assistant", content),
        ("user", json!([result("a", "1")])),
    ]);
    assert_eq!(turns[1], "assistant: one text\n\ntwo [\"a\"]");
}

#[test]
fn calls_without_result_get_a_stand_in() {
    let sent = send(
        &talk(&[
            ("user", json!("go")),
            ("assistant", json!([call("a"), call("b")])),
            ("user", json!([result("b", "2")])),
            ("assistant", json!([call("c")])),
        ]),
        &generic(),
    );
    assert_eq!(
        sent.turns(),
        [
            "user: go",
            "assistant: - [\"a\", \"b\"]",
            "tool: [no result]",
            "tool: 2",
            "assistant: - [\"c\"]",
            "tool: [no result]"
        ]
    );
    assert_eq!(
        sent.lost,
        [
            "messages[1] missing tool result filled in",
            "messages[3] missing tool result filled in"
        ]
    );
}

#[test]
fn results_without_call_become_text() {
    let sent = send(
        &talk(&[
            ("user", json!([result("x", "early")])),
            ("assistant", json!([call("a")])),
            (
                "user",
                json!([result("a", "1"), result("a", "again"), result("x", "late")]),
            ),
        ]),
        &generic(),
    );
    assert_eq!(
        sent.turns(),
        [
            "user: Tool result: early",
            "assistant: - [\"a\"]",
            "tool: 1",
            "user: Tool result: again\n\nTool result: late"
        ]
    );
    assert_eq!(sent.lost.len(), 3);
}

#[test]
fn results_say_something_even_when_they_say_nothing() {
    let failed = |content: Value| json!({"type": "tool_result", "tool_use_id": "a", "is_error": true, "content": content});
    for (block, said) in [
        (
            json!({"type": "tool_result", "tool_use_id": "a"}),
            "(no output)",
        ),
        (result("a", ""), "(no output)"),
        (failed(json!("broken")), "Error: broken"),
        (failed(json!([])), "Error: (no output)"),
        (
            json!({"type": "tool_result", "tool_use_id": "a", "content": [text("x"), text("y")]}),
            "x\ny",
        ),
    ] {
        let turns = turns(&[
            ("user", json!("go")),
            ("assistant", json!([call("a")])),
            ("user", json!([block])),
        ]);
        assert_eq!(turns[2], format!("tool: {said}"));
    }
}

#[test]
fn pictures_of_results_follow_all_results() {
    let picture =
        json!({"type": "image", "source": {"type": "url", "url": "https://a.example/b.png"}});
    let with_picture =
        json!({"type": "tool_result", "tool_use_id": "a", "content": [text("see"), picture]});
    let sent = send(
        &talk(&[
            ("user", json!("go")),
            ("assistant", json!([call("a"), call("b")])),
            (
                "user",
                json!([with_picture, result("b", "2"), text("then")]),
            ),
        ]),
        &generic(),
    );
    assert_eq!(
        sent.turns()[2..],
        [
            "tool: see\n(picture in the next user message)",
            "tool: 2",
            "user: From tool call a:|(media)|then"
        ]
    );
}

#[test]
fn consecutive_turns_are_merged_and_empty_ones_dropped() {
    let turns = turns(&[
        ("user", json!("a")),
        ("user", json!([text(""), text("b")])),
        ("assistant", json!("c")),
        ("assistant", json!([text("d")])),
        ("user", json!("")),
        ("assistant", json!("e")),
        ("user", json!("f")),
        ("assistant", json!([])),
        ("user", json!("g")),
    ]);
    assert_eq!(
        turns,
        ["user: a\n\nb", "assistant: c\n\nd\n\ne", "user: f\n\ng"]
    );
}

#[test]
fn calls_of_consecutive_assistant_turns_are_answered_together() {
    let turns = turns(&[
        ("user", json!("go")),
        ("assistant", json!([text("x"), call("a")])),
        ("assistant", json!([call("b"), call("a")])),
        ("user", json!([result("a", "1")])),
        ("user", json!([result("b", "2"), text("y")])),
    ]);
    assert_eq!(
        turns,
        [
            "user: go",
            "assistant: x [\"a\", \"b\"]",
            "tool: 1",
            "tool: 2",
            "user: y"
        ]
    );
}

#[test]
fn a_conversation_without_content_is_refused() {
    for body in [
        talk(&[("user", json!(""))]),
        talk(&[("system", json!("only instructions"))]),
    ] {
        let error = try_send(&body, &generic()).err().unwrap().to_string();
        assert_eq!(
            error,
            "messages: at least one message with content is required"
        );
    }
}

#[test]
fn system_messages_never_part_calls_from_results() {
    let body = talk(&[
        ("user", json!("go")),
        ("assistant", json!([call("a")])),
        ("system", json!("rule")),
        ("user", json!([result("a", "1"), text("next")])),
    ]);
    let in_place = Profile {
        mid_system: MidSystem::InPlace,
        ..generic()
    };
    assert_eq!(
        send(&body, &in_place).turns()[2..],
        ["tool: 1", "system: rule", "user: next"]
    );
    let reminded = "user: <system-reminder>\nrule\n</system-reminder>\n\nnext";
    assert_eq!(send(&body, &generic()).turns()[2..], ["tool: 1", reminded]);
}

#[test]
fn the_system_prompt_is_joined_without_the_attribution_line() {
    let system = json!([
        text("x-anthropic-billing-header: cc_version=1;"),
        text("Be brief."),
        text(""),
        text("Be kind.")
    ]);
    let mut body = with(json!({"system": system}));
    assert_eq!(
        send(&body, &generic()).turns()[0],
        "system: Be brief.\n\nBe kind."
    );
    body["system"] = json!("x-anthropic-billing-header: cc_version=1;\n\nBe brief.");
    assert_eq!(send(&body, &generic()).turns()[0], "system: Be brief.");
    body["system"] = json!("x-anthropic-billing-header: cc_version=1;");
    assert_eq!(send(&body, &generic()).turns(), ["user: hi"]);
    body["system"] = json!("Be brief.");
    body["messages"] =
        json!([{"role": "system", "content": "Be early."}, {"role": "user", "content": "hi"}]);
    assert_eq!(
        send(&body, &generic()).turns(),
        ["system: Be brief.\n\nBe early.", "user: hi"]
    );
    let developer = Profile {
        developer: true,
        ..generic()
    };
    assert_eq!(
        send(&body, &developer).turns()[0],
        "developer: Be brief.\n\nBe early."
    );
}

#[test]
fn a_bridge_stands_where_a_user_may_not_follow_tools() {
    let body = talk(&[
        ("user", json!("go")),
        ("assistant", json!([call("a")])),
        ("user", json!([result("a", "1"), text("next")])),
        ("assistant", json!("ok")),
        ("user", json!("last")),
    ]);
    let profile = Profile {
        bridge_after_tools: true,
        null_content: false,
        ..generic()
    };
    let sent = send(&body, &profile);
    assert_eq!(
        sent.turns()[1..],
        [
            "assistant:  [\"a\"]",
            "tool: 1",
            "assistant: (tool results received)",
            "user: next",
            "assistant: ok",
            "user: last"
        ]
    );
}

#[test]
fn an_id_is_the_same_in_every_turn_and_request() {
    let long = "x".repeat(64);
    let body = talk(&[
        ("user", json!("go")),
        ("assistant", json!([call(&long)])),
        ("user", json!([result(&long, "1")])),
        ("assistant", json!([call(&long)])),
        ("user", json!([result(&long, "2")])),
    ]);
    for ids in [IdStyle::UpTo40, IdStyle::Nine] {
        let profile = Profile { ids, ..generic() };
        let sent = send(&body, &profile).body;
        let messages = &sent["messages"];
        let id = &messages[1]["tool_calls"][0]["id"];
        assert_eq!(id, &messages[2]["tool_call_id"]);
        assert_eq!(id, &messages[3]["tool_calls"][0]["id"]);
        assert_eq!(id, &messages[4]["tool_call_id"]);
        assert_eq!(sent, send(&body, &profile).body);
    }
}

#[test]
fn a_turn_reads_the_same_when_more_turns_follow() {
    let mut turns = vec![
        ("user", json!("go")),
        ("assistant", json!([text("look"), call("a")])),
        ("user", json!([result("a", "1"), text("next")])),
        ("assistant", json!("ok")),
        ("user", json!("again")),
    ];
    let long = send(&talk(&turns), &generic()).body;
    turns.truncate(3);
    let short = send(&talk(&turns), &generic()).body;
    let short = short["messages"].as_array().unwrap();
    let long = long["messages"].as_array().unwrap();
    assert_eq!(short[..], long[..short.len()]);
}

#[test]
fn arguments_are_an_object_of_the_client_s_bytes() {
    let broken = json!({"type": "tool_use", "id": "b", "name": "Run", "input": "not an object"});
    let sent = send(
        &talk(&[
            ("user", json!("go")),
            ("assistant", json!([call("a"), broken])),
        ]),
        &generic(),
    );
    let calls = &sent.body["messages"][1]["tool_calls"];
    assert_eq!(calls[0]["function"]["arguments"], "{}");
    assert_eq!(
        calls[1]["function"]["arguments"],
        "{\"input\":\"not an object\"}"
    );
    assert!(
        sent.lost
            .contains(&"messages[1].content[1].input wrapped: not an object".to_owned())
    );
}

#[test]
fn reasoning_goes_back_where_it_is_wanted() {
    let thinking = |text: &str, signature: &str| json!({"type": "thinking", "thinking": text, "signature": signature});
    let body = |first: Value| {
        talk(&[
            ("user", json!("go")),
            ("assistant", json!([first, text("x"), call("a")])),
            ("user", json!([result("a", "1")])),
            (
                "assistant",
                json!([thinking("no call", "pm1.c."), text("y")]),
            ),
            ("user", json!("z")),
        ])
    };
    let reasoning = |replay, first: &Value| {
        let profile = Profile {
            replay,
            ..generic()
        };
        let sent = send(&body(first.clone()), &profile);
        assert_eq!(sent.lost, Vec::<String>::new());
        let messages = sent.body["messages"].clone();
        assert_eq!(
            messages[3].get("reasoning_content"),
            None,
            "only where there are calls"
        );
        messages[1].get("reasoning_content").cloned()
    };
    let ours = thinking("mine", "pm1.c.");
    let foreign = thinking("theirs", "EqQB");
    let empty = Replay::Content { filler: Some("") };
    let space = Replay::Content { filler: Some(" ") };
    let none = Replay::Content { filler: None };
    assert_eq!(reasoning(empty, &ours), Some(json!("mine")));
    assert_eq!(reasoning(empty, &foreign), Some(json!("")));
    assert_eq!(reasoning(space, &foreign), Some(json!(" ")));
    assert_eq!(reasoning(none, &foreign), None);
    assert_eq!(reasoning(Replay::Nothing, &ours), None);
    assert_eq!(reasoning(Replay::Details, &ours), None);
}

#[test]
fn reasoning_details_are_rebuilt_for_the_vendor_that_sealed_them() {
    let signature = "pm1.d.[{\"type\":\"reasoning.summary\",\"format\":\"google-gemini-v1\",\"index\":0},\
        {\"type\":\"reasoning.encrypted\",\"data\":\"x\",\"format\":\"google-gemini-v1\",\"index\":1},{\"type\":\"reasoning.text\",\"text\":\"whole\"}]";
    let body = talk(&[
        ("user", json!("go")),
        (
            "assistant",
            json!([{"type": "thinking", "thinking": "sum", "signature": signature}, text("x")]),
        ),
        ("user", json!("z")),
    ]);
    let details = |model| {
        send(&body, &Profile::guess("openrouter.ai", model)).body["messages"][1]["reasoning_details"].clone()
    };
    let whole = json!({"type": "reasoning.text", "text": "whole"});
    assert_eq!(
        details("google/gemini-3-pro"),
        json!([
        {"type": "reasoning.summary", "format": "google-gemini-v1", "index": 0, "summary": "sum"},
        {"type": "reasoning.encrypted", "data": "x", "format": "google-gemini-v1", "index": 1}, whole])
    );
    assert_eq!(details("anthropic/claude-opus-5"), json!([whole]));
    let broken = talk(&[
        ("user", json!("go")),
        (
            "assistant",
            json!([
        {"type": "thinking", "thinking": "sum", "signature": "pm1.d.not json"}, text("x")]),
        ),
        ("user", json!("z")),
    ]);
    let sent = send(
        &broken,
        &Profile::guess("openrouter.ai", "google/gemini-3-pro"),
    );
    assert_eq!(
        sent.body["messages"][1],
        json!({"role": "assistant", "content": "x"})
    );
}

#[test]
fn a_turn_of_thinking_alone_is_no_message() {
    let thinking = json!([{"type": "thinking", "thinking": "hm", "signature": "pm1.c."}]);
    assert_eq!(
        turns(&[
            ("user", json!("a")),
            ("assistant", thinking),
            ("user", json!("b"))
        ]),
        ["user: a\n\nb"]
    );
}

#[test]
fn an_answer_begun_is_marked_as_such() {
    let body = talk(&[("user", json!("list")), ("assistant", json!("1."))]);
    let sent = |prefill| {
        send(
            &body,
            &Profile {
                prefill,
                ..generic()
            },
        )
    };
    assert_eq!(
        sent(Prefill::Prefix).body["messages"][1]["prefix"],
        json!(true)
    );
    assert_eq!(
        sent(Prefill::Partial).body["messages"][1]["partial"],
        json!(true)
    );
    assert_eq!(
        sent(Prefill::ContinueFinal).body["continue_final_message"],
        json!(true)
    );
    assert_eq!(
        sent(Prefill::ContinueFinal).body["add_generation_prompt"],
        json!(false)
    );
    assert_eq!(
        sent(Prefill::Plain).lost,
        ["messages the answer begun may not be continued"]
    );
}

#[test]
fn cache_marks_go_where_they_are_known() {
    let mark = json!({"type": "ephemeral", "ttl": "1h"});
    let mut body = talk(&[
        (
            "user",
            json!([{"type": "text", "text": "a", "cache_control": mark}]),
        ),
        ("assistant", json!([call("a")])),
        (
            "user",
            json!([{"type": "tool_result", "tool_use_id": "a", "content": "1", "cache_control": mark}]),
        ),
    ]);
    body["system"] = json!([{"type": "text", "text": "s", "cache_control": mark}]);
    let sent = |cache| send(&body, &Profile { cache, ..generic() }).body["messages"].clone();
    let part = |text: &str, key: &str, value: &Value| {
        let mut part = json!({"type": "text", "text": text});
        part[key] = value.clone();
        json!([part])
    };
    let plain = sent(CacheMarks::Nothing);
    assert_eq!(
        [
            &plain[0]["content"],
            &plain[1]["content"],
            &plain[3]["content"]
        ],
        ["s", "a", "1"]
    );
    for (cache, key, value) in [
        (CacheMarks::CacheControl, "cache_control", mark.clone()),
        (
            CacheMarks::Breakpoint,
            "prompt_cache_breakpoint",
            json!({"mode": "explicit"}),
        ),
    ] {
        let marked = sent(cache);
        assert_eq!(marked[0]["content"], part("s", key, &value));
        assert_eq!(marked[1]["content"], part("a", key, &value));
        assert_eq!(marked[3]["content"], part("1", key, &value));
    }
}

#[test]
fn the_first_call_of_a_turn_carries_google_s_stand_in() {
    let body = talk(&[
        ("user", json!("go")),
        ("assistant", json!([call("a"), call("b")])),
    ]);
    let sent = send(
        &body,
        &Profile::guess("generativelanguage.googleapis.com", "gemini-3-pro"),
    )
    .body;
    let calls = &sent["messages"][1]["tool_calls"];
    assert_eq!(
        calls[0]["extra_content"]["google"]["thought_signature"],
        "skip_thought_signature_validator"
    );
    assert_eq!(calls[1].get("extra_content"), None);
}
