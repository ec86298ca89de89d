//! Any order of the events of any items, any of them left out that others repeat, any damage, any split: the output
//! keeps the grammar, nothing is lost or told twice, nothing depends on where the bytes were cut.

use pointsman::protocol::envelope;
use pointsman::protocol::translate::{AnswerContext, BodyTranslator, StreamTranslator};
use pointsman::protocol::upstream_error::StreamError;
use pointsman::types::Dialect;
use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::{Value, json};

use crate::naive::anthropic::{blocks, joined, read_stream};
use crate::properties::answers::pieces;

fn ctx() -> AnswerContext {
    AnswerContext::between(Dialect::OpenAiResponses, Dialect::Anthropic).named(
        "claude-test",
        "msg_any",
        0,
    )
}

fn translate(pieces: &[&[u8]]) -> (Vec<u8>, Result<(), StreamError>, bool) {
    let mut translator = StreamTranslator::new(ctx());
    let mut out = Vec::new();
    let mut ended = Ok(());
    for piece in pieces {
        ended = ended.and_then(|()| translator.push(piece, &mut out));
    }
    let ended = ended.and_then(|()| translator.finish(&mut out));
    (out, ended, translator.has_content())
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Message,
    /// Told and sealed; the first event may tell that a seal will come.
    Reasoning {
        sealed: bool,
        promised: bool,
    },
    Function,
    Custom,
    Search,
}

/// One item, and which of its events are sent.
#[derive(Clone, Debug)]
struct Item {
    kind: Kind,
    length: usize,
    cuts: Vec<Index>,
    /// Deltas that are sent, at most: the whole tells the rest.
    deltas: usize,
    added: bool,
    text_done: bool,
}

fn item() -> impl Strategy<Value = Item> {
    let kind = prop_oneof![
        3 => Just(Kind::Message),
        2 => (any::<bool>(), any::<bool>())
            .prop_map(|(sealed, promised)| Kind::Reasoning { sealed, promised: sealed && promised }),
        3 => Just(Kind::Function),
        1 => Just(Kind::Custom),
        1 => Just(Kind::Search),
    ];
    let cuts = prop::collection::vec(any::<Index>(), 0..4);
    (
        kind,
        0..9usize,
        cuts,
        0..6usize,
        any::<bool>(),
        any::<bool>(),
    )
        .prop_map(|(kind, length, cuts, deltas, added, text_done)| Item {
            kind,
            length,
            cuts,
            deltas,
            added,
            text_done,
        })
}

impl Item {
    /// What the `number`th item says: its own letter, so that it can be found again.
    fn says(&self, number: usize) -> String {
        let letter = char::from(b'a' + u8::try_from(number).unwrap());
        let words: String = std::iter::repeat_n(letter, self.length).collect();
        match self.kind {
            Kind::Function => format!("{{\"x\":\"{words}\"}}"),
            Kind::Custom => format!("{words}\"\n"),
            Kind::Message | Kind::Reasoning { .. } | Kind::Search => words,
        }
    }

    fn whole(&self, number: usize) -> Value {
        let says = self.says(number);
        match self.kind {
            Kind::Message => json!({"type": "message", "id": format!("msg_{number}"),
                "content": [{"type": "output_text", "text": says, "annotations": []}]}),
            Kind::Reasoning { sealed, .. } => {
                let parts = if says.is_empty() {
                    json!([])
                } else {
                    json!([{"type": "summary_text", "text": says}])
                };
                let seal = sealed.then(|| format!("seal{number}"));
                json!({"type": "reasoning", "id": format!("rs_{number}"), "summary": parts, "encrypted_content": seal})
            }
            Kind::Function => json!({"type": "function_call", "id": format!("fc_{number}"),
                "call_id": format!("call_{number}23456789"), "name": format!("tool_{number}"), "arguments": says}),
            Kind::Custom => json!({"type": "custom_tool_call", "id": format!("ctc_{number}"),
                "call_id": format!("call_{number}23456789"), "name": format!("tool_{number}"), "input": says}),
            Kind::Search => {
                json!({"type": "web_search_call", "id": format!("ws_{number}"), "status": "completed",
                "action": {"type": "search", "query": format!("q{number}{says}")}})
            }
        }
    }

    fn events(&self, number: usize) -> Vec<Value> {
        let says = self.says(number);
        let mut events = Vec::new();
        let whole = self.whole(number);
        if self.added {
            let mut begun = whole.clone();
            for key in ["content", "summary"] {
                if begun.get(key).is_some() {
                    begun[key] = json!([]);
                }
            }
            for key in ["arguments", "input"] {
                if begun.get(key).is_some() {
                    begun[key] = json!("");
                }
            }
            if !matches!(self.kind, Kind::Reasoning { promised: true, .. }) {
                begun.as_object_mut().unwrap().remove("encrypted_content");
            }
            events.push(json!({"type": "response.output_item.added", "output_index": number, "item": begun}));
        }
        let (delta, done, key) = match self.kind {
            Kind::Message => ("output_text.delta", "output_text.done", "text"),
            Kind::Reasoning { .. } => (
                "reasoning_summary_text.delta",
                "reasoning_summary_text.done",
                "text",
            ),
            Kind::Function => (
                "function_call_arguments.delta",
                "function_call_arguments.done",
                "arguments",
            ),
            Kind::Custom => (
                "custom_tool_call_input.delta",
                "custom_tool_call_input.done",
                "input",
            ),
            Kind::Search => (
                "web_search_call.searching",
                "web_search_call.completed",
                "none",
            ),
        };
        for piece in pieces(says.as_bytes(), &self.cuts)
            .into_iter()
            .take(self.deltas)
        {
            let piece = std::str::from_utf8(piece).unwrap();
            events.push(json!({"type": format!("response.{delta}"), "output_index": number, "delta": piece}));
        }
        if self.text_done {
            let mut event = json!({"type": format!("response.{done}"), "output_index": number});
            event[key] = json!(says);
            events.push(event);
        }
        events.push(
            json!({"type": "response.output_item.done", "output_index": number, "item": whole}),
        );
        events
    }
}

/// The events of all items, each item's in its own order, woven as `order` says.
fn stream(items: &[Item], order: &[Index]) -> String {
    let mut waiting: Vec<std::vec::IntoIter<Value>> = items
        .iter()
        .enumerate()
        .map(|(number, item)| item.events(number).into_iter())
        .collect();
    let mut stream =
        String::from("data: {\"type\":\"response.created\",\"response\":{\"id\":\"r\"}}\n\n");
    let mut order = order.iter();
    while !waiting.is_empty() {
        let next = order.next().map_or(0, |it| it.index(waiting.len()));
        match waiting[next].next() {
            Some(event) => stream += &format!("data: {event}\n\n"),
            None => drop(waiting.remove(next)),
        }
    }
    stream
        + "data: {\"type\":\"response.completed\",\"response\":{\"status\":\"completed\",\"output\":[]}}\n\n"
}

/// What of a text the `number`th item said.
fn of_item(text: &str, number: usize) -> String {
    let letter = char::from(b'a' + u8::try_from(number).unwrap());
    text.chars().filter(|it| *it == letter).collect()
}

fn check(message: &Value, items: &[Item]) {
    let text = joined(message, "text", "text");
    let thinking = joined(message, "thinking", "thinking");
    let content = message["content"].as_array().unwrap();
    let seals: Vec<&str> = content
        .iter()
        .filter_map(|it| it["signature"].as_str().or(it["data"].as_str()))
        .map(|it| envelope::open(it).unwrap().payload)
        .collect();
    for (number, item) in items.iter().enumerate() {
        let says = item.says(number);
        let name = format!("tool_{number}");
        let calls: Vec<&Value> = blocks(message, "tool_use")
            .filter(|it| it["name"] == name.as_str())
            .collect();
        match item.kind {
            Kind::Message => assert_eq!(of_item(&text, number), says),
            Kind::Reasoning { sealed, .. } => {
                assert_eq!(of_item(&thinking, number), says);
                let seal = format!("seal{number}\"");
                let times = seals.iter().filter(|it| it.contains(&seal)).count();
                assert_eq!(times, usize::from(sealed), "{seal} in {seals:?}");
            }
            Kind::Function => {
                assert_eq!(calls.len(), 1);
                assert_eq!(calls[0]["input"], says.as_str());
            }
            Kind::Custom => {
                assert_eq!(calls.len(), 1);
                let input: Value =
                    serde_json::from_str(calls[0]["input"].as_str().unwrap()).unwrap();
                assert_eq!(input, json!({ "input": says }));
            }
            Kind::Search => {
                let query = format!("q{number}{says}");
                let call = blocks(message, "server_tool_use")
                    .find(|it| it["input"]["query"] == query.as_str());
                let id = &call.unwrap()["id"];
                let results =
                    blocks(message, "web_search_tool_result").filter(|it| it["tool_use_id"] == *id);
                assert_eq!(results.count(), 1);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn whatever_comes_in_whatever_order_arrives_once(
        items in prop::collection::vec(item(), 0..7),
        order in prop::collection::vec(any::<Index>(), 0..60),
        cuts in prop::collection::vec(any::<Index>(), 0..6),
    ) {
        let source = stream(&items, &order);
        let (out, ended, _) = translate(&[source.as_bytes()]);
        let again = translate(&pieces(source.as_bytes(), &cuts));
        prop_assert_eq!((&again.0, &again.1), (&out, &ended));
        prop_assert_eq!(ended, Ok(()));
        let message = read_stream("any", &out);
        prop_assert_eq!(&message["complete"], true);
        check(&message, &items);
    }

    #[test]
    fn damage_never_breaks_the_grammar(
        items in prop::collection::vec(item(), 0..4),
        order in prop::collection::vec(any::<Index>(), 0..20),
        damage in prop::collection::vec((any::<Index>(), any::<u8>(), 0..3u8), 0..4),
        cuts in prop::collection::vec(any::<Index>(), 0..4),
    ) {
        let mut bytes = stream(&items, &order).into_bytes();
        for (place, byte, how) in damage {
            let place = place.index(bytes.len());
            match how {
                0 => bytes[place] = byte,
                1 => bytes.insert(place, byte),
                _ => bytes.truncate(place + 1),
            }
        }
        let (out, ended, has_content) = translate(&[&bytes]);
        let again = translate(&pieces(&bytes, &cuts));
        prop_assert_eq!((&again.0, &again.1, again.2), (&out, &ended, has_content));
        let message = read_stream("damaged", &out);
        prop_assert_eq!(message["complete"] == true, ended.is_ok());
        let mut body = BodyTranslator::new(ctx());
        let assembled = body.push(&bytes).and_then(|()| body.finish());
        prop_assert_eq!(assembled.err(), ended.err());
    }

    #[test]
    fn any_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let (out, ended, has_content) = translate(&[&bytes]);
        prop_assert!(ended.is_err() && out.is_empty() && !has_content);
    }
}
