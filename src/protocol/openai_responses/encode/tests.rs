use serde_json::Value;

use super::*;
use crate::protocol::canonical::{BlockStart, StopReason};

fn events(out: &[u8]) -> Vec<Value> {
    let text = std::str::from_utf8(out).unwrap();
    text.split_terminator("\n\n")
        .map(|event| {
            let (name, data) = event.split_once('\n').unwrap();
            let data: Value = serde_json::from_str(data.strip_prefix("data: ").unwrap()).unwrap();
            assert_eq!(data["type"], name.strip_prefix("event: ").unwrap());
            data
        })
        .collect()
}

fn begun() -> (Encode, Vec<u8>) {
    let ctx = EncodeContext {
        message_id: "msg_01".to_owned(),
        ..EncodeContext::default()
    };
    let (mut encode, mut out) = (Encode::new(ctx), Vec::new());
    let start = Event::Start {
        id: None,
        model: None,
    };
    encode.push(&start, &mut out);
    encode.push(&Event::BlockStart(BlockStart::Text), &mut out);
    (encode, out)
}

#[test]
fn a_failure_goes_on_where_the_stream_stood() {
    let (mut encode, mut out) = begun();
    encode.push(&Event::Text("half".to_owned()), &mut out);
    encode.fail(
        "rate_limit_exceeded",
        Some("rate_limit_exceeded"),
        "slow down",
        &mut out,
    );
    let length = out.len();
    // Nothing follows.
    encode.push(&Event::BlockStop, &mut out);
    encode.fail("server_error", None, "again", &mut out);
    assert_eq!(out.len(), length);
    let events = events(&out);
    let numbers: Vec<u64> = events
        .iter()
        .map(|it| it["sequence_number"].as_u64().unwrap())
        .collect();
    assert_eq!(numbers, (0..7).collect::<Vec<u64>>());
    let [.., error, failed] = events.as_slice() else {
        panic!("too few events");
    };
    assert_eq!(error["type"], "error");
    for told in [error, &error["error"], &failed["response"]["error"]] {
        assert_eq!(
            (&told["code"], &told["message"]),
            (&"rate_limit_exceeded".into(), &"slow down".into())
        );
    }
    assert_eq!(failed["type"], "response.failed");
    assert_eq!(failed["response"]["id"], "resp_01");
    assert_eq!(failed["response"]["status"], "failed");
    // Half a message is no message.
    assert_eq!(failed["response"]["output"], serde_json::json!([]));
}

#[test]
fn an_error_in_a_stream_of_another_writer() {
    let mut out = Vec::new();
    error_event("server_error", "it broke", None, &mut out);
    let events = events(&out);
    assert_eq!(events.len(), 2);
    assert_eq!(events[0]["error"]["type"], "server_error");
    assert_eq!(events[0]["code"], Value::Null);
    assert_eq!(events[1]["response"]["error"]["code"], "server_error");
}

#[test]
fn an_answer_beyond_its_bound_fails() {
    let (mut encode, mut out) = begun();
    let piece = Event::Text("x".repeat(8 << 20));
    for _ in 0..8 {
        out.clear();
        encode.push(&piece, &mut out);
        assert!(out.starts_with(b"event: response.output_text.delta"));
    }
    out.clear();
    encode.push(&Event::Text("y".to_owned()), &mut out);
    let kinds: Vec<Value> = events(&out).iter().map(|it| it["type"].clone()).collect();
    assert_eq!(
        kinds,
        ["response.output_text.delta", "error", "response.failed"]
    );
    out.clear();
    encode.push(&Event::BlockStop, &mut out);
    let finish = Event::Finish {
        stop: StopReason::EndTurn,
        stop_sequence: None,
        explanation: None,
        usage: None,
    };
    encode.push(&finish, &mut out);
    assert!(out.is_empty());
}

#[test]
fn texts_around_a_block_that_has_no_item_are_two_messages() {
    let (mut encode, mut out) = begun();
    let unknown = serde_json::value::RawValue::from_string("{}".to_owned()).unwrap();
    for event in [
        Event::Text("One.".to_owned()),
        Event::BlockStop,
        Event::BlockStart(BlockStart::Unknown(unknown)),
        Event::BlockStop,
        Event::BlockStart(BlockStart::Text),
        Event::Text("Two.".to_owned()),
    ] {
        encode.push(&event, &mut out);
    }
    let added = events(&out);
    let added = added
        .iter()
        .filter(|it| it["type"] == "response.output_item.added");
    assert_eq!(added.count(), 2);
}

/// Anthropic's models search in parallel: all calls first, then what each found.
#[test]
fn parallel_searches_keep_their_own_sources_and_failed_ones_are_told_as_failed() {
    let raw = |json: Value| serde_json::value::to_raw_value(&json).unwrap();
    let asked = |id: &str| BlockStart::ServerToolUse {
        id: id.to_owned(),
        name: "web_search".to_owned(),
        input: raw(serde_json::json!({"query": id})),
    };
    let given = |id: &str, content: Value| BlockStart::ServerToolResult {
        tool_use_id: id.to_owned(),
        kind: "web_search_tool_result".to_owned(),
        content: raw(content),
    };
    let hit = |url: &str| serde_json::json!([{"type": "web_search_result", "url": url}]);
    let error =
        serde_json::json!({"type": "web_search_tool_result_error", "error_code": "unavailable"});
    let (mut encode, mut out) = (Encode::new(EncodeContext::default()), Vec::new());
    let start = Event::Start {
        id: None,
        model: None,
    };
    encode.push(&start, &mut out);
    for block in [
        asked("a"),
        asked("b"),
        asked("c"),
        given("b", hit("https://b.example")),
        given("a", hit("https://a.example")),
        given("c", error),
        asked("d"),
        given("d", hit("https://d.example")),
    ] {
        encode.push(&Event::BlockStart(block), &mut out);
        encode.push(&Event::BlockStop, &mut out);
    }
    let end = Event::Finish {
        stop: StopReason::EndTurn,
        stop_sequence: None,
        explanation: None,
        usage: None,
    };
    encode.push(&end, &mut out);
    let events = events(&out);
    let told: Vec<(u64, String, String, usize)> = events
        .iter()
        .filter(|it| it["type"] == "response.output_item.done")
        .map(|it| {
            let (item, action) = (&it["item"], &it["item"]["action"]);
            let text = |value: &Value| value.as_str().unwrap().to_owned();
            let sources = action["sources"].as_array().map_or(0, Vec::len);
            let at = it["output_index"].as_u64().unwrap();
            (at, text(&action["query"]), text(&item["status"]), sources)
        })
        .collect();
    let row =
        |at, query: &str, status: &str, sources| (at, query.to_owned(), status.to_owned(), sources);
    let expected = [
        row(0, "a", "completed", 1),
        row(1, "b", "completed", 1),
        row(2, "c", "failed", 0),
        row(3, "d", "completed", 1),
    ];
    assert_eq!(told, expected);
    let whole = &events.last().unwrap()["response"]["output"];
    assert_eq!(whole[0]["action"]["sources"][0]["url"], "https://a.example");
    assert_eq!(whole[2]["status"], "failed");
}
