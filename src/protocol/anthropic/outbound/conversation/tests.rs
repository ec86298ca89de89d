//! Trap by trap: what the API refuses, and what it gets instead.

use serde_json::{Value, json};

use super::*;
use crate::protocol::anthropic::{messages, outbound};
use crate::protocol::canonical::{DocumentSource, ImageSource, ToolResult, ToolResultPart};

struct Sent {
    body: Value,
    lost: Vec<String>,
    headers: Vec<(&'static str, String)>,
}

fn send(request: &Request, model: &str) -> Sent {
    let profile = Profile::guess("api.anthropic.com", model);
    let mut losses = Losses::default();
    let sent = outbound(request, model, &profile, &mut losses).unwrap();
    let mut body: Value = serde_json::from_slice(&sent.body).unwrap();
    unmark(&mut body);
    Sent {
        body,
        lost: losses.kept().iter().map(ToString::to_string).collect(),
        headers: sent.headers,
    }
}

/// Cache marks are another test's.
fn unmark(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.remove("cache_control");
            fields.values_mut().for_each(unmark);
        }
        Value::Array(all) => all.iter_mut().for_each(unmark),
        _ => {}
    }
}

/// A request with these turns, each a role and a content.
fn talk(turns: &[(&str, Value)]) -> Request {
    let turns: Vec<Value> = turns
        .iter()
        .map(|(role, content)| json!({"role": role, "content": content}))
        .collect();
    let body = json!({"model": "m", "max_tokens": 9000, "messages": turns}).to_string();
    messages(body.as_bytes(), &mut Losses::default()).unwrap()
}

/// `role: blocks` of each message: words as they are, the rest by type and id.
fn turns(sent: &Sent) -> Vec<String> {
    let block = |block: &Value| match block["type"].as_str().unwrap() {
        "text" => block["text"].as_str().unwrap().to_owned(),
        "tool_use" => format!("call {}", block["id"].as_str().unwrap()),
        "tool_result" => {
            let failed = if block["is_error"] == true { "!" } else { "" };
            let said = block["content"].as_array().map_or(String::new(), |parts| {
                let texts = parts
                    .iter()
                    .map(|it| it["text"].as_str().unwrap_or("(media)"));
                texts.collect::<Vec<_>>().join(",")
            });
            format!(
                "result {}{failed}={said}",
                block["tool_use_id"].as_str().unwrap()
            )
        }
        other => other.to_owned(),
    };
    let turn = |message: &Value| {
        let blocks: Vec<String> = message["content"]
            .as_array()
            .unwrap()
            .iter()
            .map(block)
            .collect();
        format!(
            "{}: {}",
            message["role"].as_str().unwrap(),
            blocks.join("|")
        )
    };
    sent.body["messages"]
        .as_array()
        .unwrap()
        .iter()
        .map(turn)
        .collect()
}

fn call(id: &str) -> Value {
    json!({"type": "tool_use", "id": id, "name": "Run", "input": {}})
}

fn result(id: &str, text: &str) -> Value {
    json!({"type": "tool_result", "tool_use_id": id, "content": text})
}

fn text(text: &str) -> Value {
    json!({"type": "text", "text": text})
}

fn thought(signature: &str) -> Value {
    json!({"type": "thinking", "thinking": "hm", "signature": signature})
}

const NEW: &str = "claude-opus-5";
const OLD: &str = "claude-sonnet-4-5";

#[test]
fn the_user_speaks_first() {
    let sent = send(
        &talk(&[("assistant", json!("a")), ("user", json!("b"))]),
        NEW,
    );
    assert_eq!(turns(&sent), ["user: (begin)", "assistant: a", "user: b"]);
    let sent = send(&talk(&[("system", json!("s"))]), NEW);
    assert_eq!(turns(&sent), ["user: (begin)"]);
    assert_eq!(sent.body["system"], json!([text("s")]));
}

#[test]
fn same_roles_become_one_turn_and_empty_words_none() {
    let sent = send(
        &talk(&[
            ("user", json!("a")),
            ("user", json!([text(""), text(" \n"), text("b")])),
            ("assistant", json!("")),
            ("assistant", json!("c")),
            ("user", json!("  ")),
            ("assistant", json!([text("d")])),
            ("user", json!("e")),
        ]),
        NEW,
    );
    assert_eq!(turns(&sent), ["user: a|b", "assistant: c|d", "user: e"]);
    assert!(sent.lost.is_empty());
}

#[test]
fn results_come_first_in_one_message() {
    let sent = send(
        &talk(&[
            ("user", json!("q")),
            ("assistant", json!([text("a"), call("x"), call("y")])),
            ("user", json!([text("also"), result("y", "2")])),
            ("user", json!([result("x", "1"), text("and")])),
        ]),
        NEW,
    );
    assert_eq!(
        turns(&sent),
        [
            "user: q",
            "assistant: a|call x|call y",
            "user: result y=2|result x=1|also|and"
        ]
    );
    assert!(sent.lost.is_empty());
}

#[test]
fn calls_without_results_are_answered_and_results_without_calls_are_words() {
    let sent = send(
        &talk(&[
            ("user", json!([result("z", "0")])),
            ("assistant", json!([call("x"), call("y"), call("x")])),
            (
                "user",
                json!([result("y", "2"), result("y", "3"), text("go")]),
            ),
            ("assistant", json!([call("w")])),
        ]),
        NEW,
    );
    assert_eq!(
        turns(&sent),
        [
            "user: Tool result:|0",
            "assistant: call x|call y",
            "user: result y=2|result x!=[no result]|Tool result:|3|go",
            "assistant: call w",
            "user: result w!=[no result]",
        ]
    );
    assert_eq!(
        sent.lost,
        [
            "messages[0].content[0] sent as text: no such tool call before it",
            "messages[1].content[2] dropped: a second of its name",
            "messages[1] missing tool result filled in",
            "messages[2].content[1] sent as text: no such tool call before it",
            "messages[3] missing tool result filled in",
        ]
    );
}

#[test]
fn an_id_that_comes_again_in_a_later_turn_is_told_apart() {
    let turn = [
        ("assistant", json!([call("call_0")])),
        ("user", json!([result("call_0", "r")])),
    ];
    let all = [&[("user", json!("q"))][..], &turn, &turn, &turn].concat();
    let sent = send(&talk(&all), NEW);
    assert_eq!(
        turns(&sent)[1..],
        [
            "assistant: call call_0",
            "user: result call_0=r",
            "assistant: call call_0_2",
            "user: result call_0_2=r",
            "assistant: call call_0_3",
            "user: result call_0_3=r",
        ]
    );
}

#[test]
fn instructions_amid_the_conversation_stand_behind_the_user_or_are_reminders() {
    let talk = talk(&[
        ("system", json!("top")),
        ("user", json!("q")),
        ("assistant", json!([call("x")])),
        ("system", json!("be brief")),
        ("user", json!([result("x", "1"), text("go")])),
        ("assistant", json!("a")),
        ("system", json!("be kind")),
        ("assistant", json!("b")),
        ("user", json!("c")),
        ("system", json!("one")),
        ("system", json!("two")),
    ]);
    let sent = send(&talk, NEW);
    assert_eq!(
        turns(&sent),
        [
            "user: q",
            "assistant: call x",
            "user: result x=1|go",
            "system: be brief",
            "assistant: a",
            // Nobody spoke before it.
            "user: <system-reminder>\nbe kind\n</system-reminder>",
            "assistant: b",
            "user: c",
            "system: one|two",
        ]
    );
    assert_eq!(sent.body["system"], json!([text("top")]));
    let sent = send(&talk, OLD);
    assert_eq!(
        turns(&sent)[2],
        "user: result x=1|<system-reminder>\nbe brief\n</system-reminder>|go"
    );
    assert!(turns(&sent).iter().all(|turn| !turn.starts_with("system")));
}

#[test]
fn an_instruction_stays_last_when_the_turn_behind_it_comes_to_nothing() {
    let sent = send(
        &talk(&[
            ("user", json!("q")),
            ("system", json!("s")),
            ("assistant", json!([thought("pm1.c.")])),
            ("user", json!("again")),
        ]),
        NEW,
    );
    assert_eq!(turns(&sent), ["user: q|again", "system: s"]);
}

#[test]
fn foreign_thinking_goes_and_a_turn_of_nothing_else_with_it() {
    let sent = send(
        &talk(&[
            ("user", json!("q")),
            ("assistant", json!([thought("pm1.c."), thought("")])),
            ("user", json!("r")),
            (
                "assistant",
                json!([
                    thought("EqQB"),
                    text("a"),
                    thought("pm1.a.EqQC"),
                    call("x"),
                    thought("EqQD")
                ]),
            ),
            ("user", json!([result("x", "1")])),
        ]),
        NEW,
    );
    assert_eq!(
        turns(&sent),
        [
            "user: q|r",
            "assistant: thinking|a|thinking|call x",
            "user: result x=1"
        ]
    );
    assert_eq!(sent.body["messages"][1]["content"][2]["signature"], "EqQC");
    assert!(sent.lost.is_empty());
}

#[test]
fn an_answer_begun_is_continued_where_that_is_accepted() {
    let mut request = talk(&[("user", json!("q")), ("assistant", json!("It is \n"))]);
    let sent = send(&request, OLD);
    assert_eq!(turns(&sent), ["user: q", "assistant: It is"]);
    assert!(sent.lost.is_empty());
    let behind = ["user: q", "assistant: It is \n", "user: Continue."];
    let sent = send(&request, "claude-opus-4-6");
    assert_eq!(turns(&sent), behind);
    assert_eq!(
        sent.lost,
        ["messages the answer begun may not be continued"]
    );
    request.effort = Some(crate::protocol::canonical::Effort::Low);
    assert_eq!(turns(&send(&request, OLD)), behind);
}

#[test]
fn a_budget_needs_a_loop_that_began_with_thinking() {
    let talk = |first: Value, second: Value| {
        let mut request = talk(&[
            ("user", json!("q")),
            ("assistant", json!([first, call("x")])),
            ("user", json!([result("x", "1")])),
            ("assistant", json!([second, call("y")])),
            ("user", json!([result("y", "2")])),
        ]);
        request.thinking = Some(crate::protocol::canonical::Thinking::Budget(2000));
        request
    };
    let thinks =
        |request: &Request, model: &str| send(request, model).body.get("thinking").is_some();
    assert!(thinks(&talk(thought("EqQB"), text("a")), OLD));
    assert!(thinks(&talk(text("a"), thought("EqQB")), OLD));
    let without = talk(text("a"), thought("pm1.c."));
    assert!(!thinks(&without, OLD));
    assert_eq!(
        send(&without, OLD).lost,
        ["thinking dropped: not accepted by the model"]
    );
    // Models that think as they see fit do not mind, and a new question ends the loop.
    assert!(thinks(&without, "claude-opus-4-6"));
    let mut asked = without;
    asked.messages.push(Message {
        role: Role::User,
        blocks: vec![Block::Text("and now?".to_owned())],
    });
    assert!(!thinks(&asked, OLD));
}

fn call_with(input: &str) -> Request {
    let mut request = talk(&[("user", json!("q")), ("assistant", json!([call("x")]))]);
    if let Some(Block::ToolUse(call)) = request.messages[1].blocks.first_mut() {
        call.input = RawValue::from_string(input.to_owned()).unwrap();
    }
    request
}

#[test]
fn arguments_are_an_object_and_keep_their_text() {
    for (input, sent, lost) in [
        (
            r#"{"b":1.50, "a":12345678901234567890123}"#,
            r#"{"b":1.50, "a":12345678901234567890123}"#,
            false,
        ),
        ("null", "{}", false),
        (r#""""#, "{}", false),
        ("[1]", r#"{"_raw":"[1]"}"#, true),
        (r#""{\"a\":1}""#, r#"{"a":1}"#, true),
        (r#""half{""#, r#"{"_raw":"half{"}"#, true),
    ] {
        let request = call_with(input);
        let profile = Profile::guess("api.anthropic.com", NEW);
        let mut losses = Losses::default();
        let given = outbound(&request, NEW, &profile, &mut losses).unwrap();
        let body = String::from_utf8(given.body).unwrap();
        assert!(
            body.contains(&format!(r#""input":{sent}"#)),
            "{input}: {body}"
        );
        let wrapped = losses
            .to_string()
            .contains("messages[1].content[0].input wrapped");
        assert_eq!(wrapped, lost, "{input}");
    }
}

fn answered(parts: Vec<ToolResultPart>, is_error: bool) -> Sent {
    let mut request = call_with("{}");
    request.messages.push(Message {
        role: Role::User,
        blocks: vec![Block::ToolResult(ToolResult {
            tool_use_id: "x".to_owned(),
            content: parts,
            is_error,
        })],
    });
    send(&request, NEW)
}

#[test]
fn results_that_failed_say_something_and_hold_text_only() {
    let picture = || {
        ToolResultPart::Image(ImageSource::Base64 {
            media_type: "image/jpg".to_owned(),
            data: "AA==".to_owned(),
        })
    };
    let last = |sent: &Sent| turns(sent).pop().unwrap();
    assert_eq!(
        last(&answered(Vec::new(), true)),
        "user: result x!=(no output)"
    );
    assert_eq!(last(&answered(Vec::new(), false)), "user: result x=");
    let blank = || vec![ToolResultPart::Text(" \n".to_owned())];
    assert_eq!(last(&answered(blank(), false)), "user: result x=");
    let seen = answered(vec![picture()], false);
    let image = &seen.body["messages"][2]["content"][0]["content"][0];
    assert_eq!(image["source"]["media_type"], "image/jpeg");
    assert_eq!(
        last(&answered(vec![picture()], true)),
        "user: result x=Error:,(media)"
    );
}

fn shown(block: Block, model: &str) -> (Value, Vec<String>, Vec<(&'static str, String)>) {
    let request = Request {
        messages: vec![Message {
            role: Role::User,
            blocks: vec![block],
        }],
        ..Request::default()
    };
    let sent = send(&request, model);
    (
        sent.body["messages"][0]["content"][0].clone(),
        sent.lost,
        sent.headers,
    )
}

#[test]
fn pictures_of_every_source() {
    let base64 = |media_type: &str| ImageSource::Base64 {
        media_type: media_type.to_owned(),
        data: "AA==".to_owned(),
    };
    let source = |image: ImageSource| {
        let (block, lost, headers) = shown(Block::Image(image), NEW);
        (block.get("source").cloned(), lost.join(";"), headers.len())
    };
    let inline = json!({"type": "base64", "media_type": "image/png", "data": "AA=="});
    assert_eq!(
        source(base64("image/png")),
        (Some(inline.clone()), String::new(), 0)
    );
    let url = "https://a.example/b.png";
    assert_eq!(
        source(ImageSource::Url(url.to_owned())),
        (Some(json!({"type": "url", "url": url})), String::new(), 0)
    );
    let data = ImageSource::Url("data:image/png;base64,AA==".to_owned());
    assert_eq!(source(data), (Some(inline), String::new(), 0));
    let file = ImageSource::File("file_011".to_owned());
    assert_eq!(
        source(file),
        (
            Some(json!({"type": "file", "file_id": "file_011"})),
            String::new(),
            1
        )
    );
    for (other, why) in [
        (
            ImageSource::File("file-abc".to_owned()),
            "dropped: a file of another vendor",
        ),
        (base64("image/tiff"), "dropped: not accepted by the model"),
        (
            ImageSource::Url("ftp://a.example".to_owned()),
            "dropped: not accepted by the model",
        ),
    ] {
        assert_eq!(
            source(other),
            (None, format!("messages[0].content[0] {why}"), 0)
        );
    }
}

#[test]
fn documents_of_every_source() {
    let sent = |source: DocumentSource, model: &str| {
        let document = Block::Document {
            source,
            title: Some("T".to_owned()),
            context: Some(String::new()),
        };
        let (block, lost, _) = shown(document, model);
        (block, lost.join(";"))
    };
    let base64 = |media_type: &str, data: &str| DocumentSource::Base64 {
        media_type: media_type.to_owned(),
        data: data.to_owned(),
    };
    let (pdf, lost) = sent(base64("application/pdf", "JVBE"), NEW);
    let expected = json!({"type": "document", "title": "T", "source":
        {"type": "base64", "media_type": "application/pdf", "data": "JVBE"}});
    assert_eq!((pdf, lost.as_str()), (expected, ""));
    let plain = json!({"type": "text", "media_type": "text/plain", "data": "hello"});
    for source in [
        DocumentSource::Text("hello".to_owned()),
        base64("text/markdown; charset=utf-8", "aGVsbG8="),
        DocumentSource::Url("data:application/json;base64,aGVsbG8=".to_owned()),
    ] {
        let (block, lost) = sent(source, NEW);
        assert_eq!((&block["source"], lost.as_str()), (&plain, ""));
    }
    let blocks = DocumentSource::Blocks(vec![Block::Text("a".to_owned())]);
    let (block, _) = sent(blocks, NEW);
    assert_eq!(
        block["source"],
        json!({"type": "content", "content": [text("a")]})
    );
    for (source, model) in [
        (base64("application/msword", "AA=="), NEW),
        (base64("application/pdf", "JVBE"), "claude-3-haiku"),
        (
            DocumentSource::Url("https://a.example/b.pdf".to_owned()),
            "claude-3-haiku",
        ),
    ] {
        let (block, lost) = sent(source, model);
        assert_eq!(block["type"], "text");
        assert_eq!(
            lost,
            "messages[0].content[0] dropped: the model takes no documents"
        );
    }
}

#[test]
fn what_only_people_may_say_the_model_does_not() {
    let image = json!({"type": "image", "source": {"type": "url", "url": "https://a.example"}});
    let sent = send(
        &talk(&[
            ("user", json!([text("q"), call("u"), thought("EqQB")])),
            ("assistant", json!([image, result("x", "r"), text("a")])),
            ("user", json!("b")),
        ]),
        NEW,
    );
    assert_eq!(
        turns(&sent),
        [
            "user: q|Tool call: Run {}",
            "assistant: Tool result:|r|a",
            "user: b"
        ]
    );
    assert_eq!(sent.lost.len(), 4, "{:?}", sent.lost);
}

#[test]
fn blocks_of_this_dialect_stand_as_they_stood_and_others_are_lost() {
    let raw = |id: &str| json!({"type": "server_tool_use", "id": id, "name": "web_search", "input": {"query": "x"}});
    let found = |id: &str| {
        json!({"type": "web_search_tool_result", "tool_use_id": id, "content":
        [{"type": "web_search_result", "title": "A", "url": "https://a.example", "encrypted_content": "pm1."}]})
    };
    let sent = send(
        &talk(&[
            ("user", json!("q")),
            (
                "assistant",
                json!([raw("srvtoolu_01"), found("srvtoolu_01"), raw("srvtoolu_pm1_a"), found("srvtoolu_pm1_a"), {"type": "image_generation_call"}]),
            ),
            ("user", json!("b")),
        ]),
        NEW,
    );
    let content = sent.body["messages"][1]["content"].as_array().unwrap();
    assert_eq!(content[..2], [raw("srvtoolu_01"), found("srvtoolu_01")]);
    assert_eq!(content[2..], [text("\n\nA: https://a.example\n\n")]);
    assert_eq!(sent.lost, ["messages[1].content[4] dropped: unknown type"]);
}
