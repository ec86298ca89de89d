//! Counting whole bodies, and the promises that hold for any input.

use proptest::prelude::*;
use serde_json::Value;
use serde_json::json;

use crate::protocol::anthropic;
use crate::protocol::canonical::Losses;
use crate::tokens::Count;
use crate::tokens::Counter;
use crate::tokens::quick_estimate;
use crate::tokens::vocabulary::Encoding;

const MODEL: &str = "gpt-5";

// Loading a vocabulary takes longer than most tests.
thread_local!(static COUNTER: Counter = Counter::new());

fn count(body: &Value) -> u64 {
    let body = body.to_string();
    COUNTER
        .with(|counter| counter.messages(body.as_bytes(), MODEL))
        .expect("countable")
        .corrected(1.0)
}

fn of_blocks(blocks: &Value) -> u64 {
    count(&json!({"messages": [{"role": "user", "content": blocks}]}))
}

#[test]
fn string_and_text_block_count_alike() {
    let text = "Tell me a story about points and signals.";
    assert_eq!(
        of_blocks(&json!(text)),
        of_blocks(&json!([{"type": "text", "text": text}]))
    );
}

#[test]
fn every_part_of_a_request_adds_tokens() {
    let user = json!({"role": "user", "content": "hello there"});
    let mut body = json!({"messages": [user]});
    let mut last = count(&body);
    for (key, value) in [
        ("system", json!([{"type": "text", "text": "be brief"}])),
        (
            "messages",
            json!([user, {"role": "assistant", "content": "hi"}, user]),
        ),
        (
            "tools",
            json!([{"name": "look", "description": "looks", "input_schema": {"type": "object"}}]),
        ),
    ] {
        body[key] = value;
        let now = count(&body);
        assert!(last < now, "{key}: {last} then {now}");
        last = now;
    }
}

#[test]
fn blocks_count_what_the_model_reads() {
    let nothing = of_blocks(&json!([]));
    let thinking = json!([{"type": "thinking", "thinking": "long ".repeat(100), "signature": "x"}]);
    assert_eq!(of_blocks(&thinking), nothing);
    let redacted = json!([{"type": "redacted_thinking", "data": "abc"}]);
    assert_eq!(of_blocks(&redacted), nothing);

    let inner = json!([{"type": "text", "text": "result text"}]);
    let result = json!([{"type": "tool_result", "tool_use_id": "t", "content": inner}]);
    let plain = json!([{"type": "tool_result", "tool_use_id": "t", "content": "result text"}]);
    assert_eq!(of_blocks(&result), of_blocks(&plain));

    let document = json!([{"type": "document", "source": {"type": "text", "data": "result text"}}]);
    assert_eq!(of_blocks(&document), of_blocks(&inner));

    let call = |input: Value| json!([{"type": "tool_use", "id": "t", "name": "n", "input": input}]);
    assert!(of_blocks(&call(json!({}))) < of_blocks(&call(json!({"path": "/tmp/a"}))));

    let address = json!([{"type": "image", "source": {"type": "url", "url": "http://x/y.png"}}]);
    assert_eq!(of_blocks(&address), nothing + 1600);
    let gif = json!([{"type": "image", "source": {"type": "base64", "data": "R0lGODlhZABkAAAA"}}]);
    assert_eq!(of_blocks(&gif), nothing + 14);
    let pdf = json!([{"type": "document", "source": {"type": "base64", "data": "JVBERi0="}}]);
    assert_eq!(of_blocks(&pdf), nothing + 2500);
    assert!(nothing < of_blocks(&json!([{"type": "of tomorrow", "words": "some"}])));
}

#[test]
fn a_vendor_tool_counts_as_the_vendor_says() {
    let with = |tool: Value| count(&json!({"messages": [], "tools": [tool]}));
    let bash = with(json!({"type": "bash_20250124", "name": "bash"}));
    let search = with(json!({"type": "web_search_20250305", "name": "web_search"}));
    assert_eq!(search - bash, 1_650 - 245);
}

#[test]
fn a_body_and_what_is_read_from_it_count_alike() {
    let call = json!({"type": "tool_use", "id": "t", "name": "look", "input": {"path": "/tmp/a"}});
    let picture = json!({"type": "image", "source": {"type": "base64", "media_type": "image/gif", "data": "R0lGODlhZABkAAAA"}});
    let plain = json!({"type": "document", "title": "a title", "source": {"type": "text", "media_type": "text/plain", "data": "words"}});
    let pdf = json!({"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": "JVBERi0="}});
    let found = json!({"type": "search_result", "title": "a title", "source": "http://x/y", "content": [{"type": "text", "text": "a text"}]});
    let result = json!({"type": "tool_result", "tool_use_id": "t", "content": [{"type": "text", "text": "seen"}, picture]});
    let schema = json!({"type": "object", "properties": {"path": {"type": "string"}}});
    let body = json!({
        "model": MODEL,
        "system": [{"type": "text", "text": "be brief"}],
        "messages": [
            {"role": "user", "content": [{"type": "text", "text": "hello"}, picture, plain, pdf, found]},
            {"role": "assistant", "content": [call]},
            {"role": "user", "content": [result]},
        ],
        "tools": [
            {"name": "look", "description": "looks", "input_schema": schema},
            {"type": "bash_20250124", "name": "bash"},
            {"type": "web_search_20250305", "name": "web_search"},
        ],
    });
    let body = body.to_string();
    let request = anthropic::count_tokens(body.as_bytes(), &mut Losses::default()).expect("read");
    COUNTER.with(|counter| {
        let of_body = counter.messages(body.as_bytes(), MODEL).expect("countable");
        assert_eq!(counter.request(&request, MODEL), of_body);
        assert!(245 + 1_650 + 2_500 < of_body.guessed, "{of_body:?}");
    });
}

#[test]
fn what_is_guessed_is_not_corrected() {
    let count = Count {
        counted: 100,
        guessed: 1_600,
    };
    assert_eq!(count.corrected(1.5), 1_750);
}

#[test]
fn no_tools_need_no_instructions_for_tools() {
    assert_eq!(
        count(&json!({"messages": [], "tools": []})),
        count(&json!({"messages": []}))
    );
}

#[test]
fn what_is_no_request_is_an_error() {
    let counter = Counter::new();
    for body in [
        "",
        "{",
        "[]",
        "null",
        "12",
        "{}",
        r#"{"messages": "hi"}"#,
        r#"{"messages": [1]}"#,
        r#"{"messages": [], "tools": {}}"#,
        "\u{feff}{}",
    ] {
        let outcome = counter.messages(body.as_bytes(), MODEL);
        assert!(outcome.is_err(), "{body}");
    }
    assert!(
        counter
            .messages(b"{\"messages\":[],\"x\":\"\xff\"}", MODEL)
            .is_err()
    );
}

#[test]
fn half_a_surrogate_pair_is_counted_not_refused() {
    let body = br#"{"messages":[{"role":"user","content":"a \ud83d b"}]}"#;
    assert!(Counter::new().messages(body, MODEL).is_ok());
}

#[test]
fn deep_json_never_overflows_the_stack() {
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let counter = Counter::new();
    assert!(counter.messages(deep.as_bytes(), MODEL).is_err());
    let unclosed = "{\"messages\":[".repeat(100_000);
    assert!(counter.messages(unclosed.as_bytes(), MODEL).is_err());
    let as_content = format!(r#"{{"messages":[{{"role":"user","content":{deep}}}]}}"#);
    assert!(counter.messages(as_content.as_bytes(), MODEL).is_ok());
    let nested = r#"{"type":"tool_result","content":["#;
    let nested = format!("{}{}", nested.repeat(20_000), "]}".repeat(20_000));
    let nested = format!(r#"{{"messages":[{{"role":"user","content":[{nested}]}}]}}"#);
    assert!(counter.messages(nested.as_bytes(), MODEL).is_ok());
}

#[test]
fn threads_can_share_a_counter() {
    fn shared<T: Send + Sync>() {}
    shared::<Counter>();
}

#[test]
fn the_quick_estimate_is_a_quarter_of_the_bytes() {
    assert_eq!(quick_estimate(0), 0);
    assert_eq!(quick_estimate(1), 1);
    assert_eq!(quick_estimate(4000), 1000);
}

fn json_value() -> impl Strategy<Value = Value> {
    let word = prop_oneof![
        Just("text"),
        Just("tool_use"),
        Just("tool_result"),
        Just("image"),
        Just("document"),
        Just("base64"),
        Just("content"),
        Just("type"),
        Just("source"),
        Just("data"),
        Just("name"),
        Just("messages"),
        Just("system"),
        Just("tools"),
        Just("input_schema"),
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<i64>().prop_map(Value::from),
        ".{0,20}".prop_map(Value::from),
        word.clone().prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 40, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::vec((word.clone().prop_map(str::to_owned), inner), 0..6)
                .prop_map(|pairs| Value::Object(pairs.into_iter().collect())),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_json_is_counted_or_refused(content in json_value(), tools in json_value()) {
        COUNTER.with(|counter| {
            let body = json!({"system": content, "messages": [{"content": content}]});
            prop_assert!(counter.messages(body.to_string().as_bytes(), "claude").is_ok());
            let body = json!({"messages": content, "tools": tools});
            let _ = counter.messages(body.to_string().as_bytes(), "claude");
            Ok(())
        })?;
    }

    #[test]
    fn any_bytes_are_counted_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = Counter::new().messages(&bytes, MODEL);
    }

    #[test]
    fn two_texts_joined_cost_no_more_than_apart(a in "(?s).{0,300}", b in "(?s).{0,300}") {
        COUNTER.with(|counter| {
            let tokens = |text: &str| {
                let mut meter = counter.vocabularies.meter(Encoding::O200k);
                meter.add(text);
                meter.tokens()
            };
            let apart = tokens(&a) + tokens(&b);
            let joined = tokens(&format!("{a}{b}"));
            prop_assert!(joined <= apart + 4, "{joined} for {apart}");
            Ok(())
        })?;
    }
}
