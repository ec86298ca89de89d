//! A naive reader of OpenAI Responses: checks that what a stream tells in pieces, in whole items and at its end is the
//! same, and gives the last.

use std::collections::HashMap;

use serde_json::{Value, json};

/// Reads a stream to its end and gives the response it ends with. Panics where pieces, items and end disagree, where
/// numbers have gaps, or where an event is out of place.
pub fn read_stream(what: &str, bytes: &[u8]) -> Value {
    let mut reader = Reader::default();
    let text = String::from_utf8(bytes.to_vec()).unwrap();
    assert!(text.ends_with("\n\n"), "{what}");
    for event in text.split_terminator("\n\n") {
        let (name, data) = event.split_once('\n').unwrap();
        let name = name.strip_prefix("event: ").unwrap();
        let data: Value = serde_json::from_str(data.strip_prefix("data: ").unwrap()).unwrap();
        assert_eq!(data["type"], name, "{what}");
        assert_eq!(data["sequence_number"], reader.events, "{what}: {name}");
        reader.events += 1;
        reader.read(what, name, &data);
    }
    reader.end.unwrap_or_else(|| panic!("{what}: no end"))
}

/// The texts of an item's parts, by kind and index.
type Parts = HashMap<(String, u64), String>;

#[derive(Default)]
struct Reader {
    events: u64,
    items: Vec<Value>,
    /// The item that was added and is not done: its id, and what deltas said, by kind and index.
    open: Option<(String, Parts)>,
    end: Option<Value>,
}

impl Reader {
    fn read(&mut self, what: &str, name: &str, data: &Value) {
        assert!(self.end.is_none(), "{what}: {name} after the end");
        match name {
            "response.created" => assert_eq!(self.events, 1, "{what}"),
            "response.in_progress" => assert_eq!(self.events, 2, "{what}"),
            "response.output_item.added" => {
                assert!(self.open.is_none(), "{what}: two items at once");
                assert_eq!(data["output_index"], json!(self.items.len()), "{what}");
                let id = data["item"]["id"].as_str().unwrap().to_owned();
                self.open = Some((id, HashMap::new()));
            }
            "response.output_item.done" => {
                let (id, said) = self.open.take().unwrap();
                assert_eq!(data["output_index"], json!(self.items.len()), "{what}");
                assert_eq!(data["item"]["id"], id, "{what}");
                check_item(what, &data["item"], &said);
                self.items.push(data["item"].clone());
            }
            "response.completed" | "response.incomplete" => {
                assert!(self.open.is_none(), "{what}: an item never ends");
                let response = &data["response"];
                assert_eq!(
                    name.strip_prefix("response.").unwrap(),
                    response["status"],
                    "{what}"
                );
                assert_eq!(
                    response["output"],
                    Value::Array(self.items.clone()),
                    "{what}"
                );
                self.end = Some(response.clone());
            }
            _ => self.piece(what, name, data),
        }
    }

    fn piece(&mut self, what: &str, name: &str, data: &Value) {
        let (id, said) = self
            .open
            .as_mut()
            .unwrap_or_else(|| panic!("{what}: {name} outside"));
        assert_eq!(data["item_id"], *id, "{what}: {name}");
        assert_eq!(
            data["output_index"],
            json!(self.items.len()),
            "{what}: {name}"
        );
        let index = data["content_index"].as_u64().unwrap_or_default();
        let (kind, step) = name.rsplit_once('.').unwrap();
        let text = said.entry((kind.to_owned(), index)).or_default();
        match step {
            "delta" => text.push_str(data["delta"].as_str().unwrap()),
            "done" => {
                let whole = ["text", "arguments", "input", "refusal"];
                let whole = whole.iter().find_map(|key| data[*key].as_str());
                if let Some(whole) = whole.filter(|_| kind != "response.code_interpreter_call_code")
                {
                    assert_eq!(text, whole, "{what}: {name}");
                }
            }
            _ => {}
        }
    }
}

/// Whether an item says what its deltas said.
fn check_item(what: &str, item: &Value, said: &HashMap<(String, u64), String>) {
    let said = |kind: &str, index: usize| {
        let key = (format!("response.{kind}"), index as u64);
        json!(said.get(&key).map(String::as_str).unwrap_or_default())
    };
    match item["type"].as_str().unwrap() {
        "message" => {
            for (index, part) in item["content"].as_array().unwrap().iter().enumerate() {
                match part["type"].as_str().unwrap() {
                    "output_text" => assert_eq!(part["text"], said("output_text", index), "{what}"),
                    "refusal" => assert_eq!(part["refusal"], said("refusal", index), "{what}"),
                    other => panic!("{what}: {other}"),
                }
            }
        }
        "reasoning" => {
            let texts = item["summary"]
                .as_array()
                .unwrap()
                .iter()
                .map(|it| it["text"].as_str().unwrap());
            let text = texts.collect::<String>();
            // An item of the vendor's own comes whole.
            if said("reasoning_summary_text", 0) != "" {
                assert_eq!(json!(text), said("reasoning_summary_text", 0), "{what}");
            }
        }
        "function_call" => assert_eq!(
            item["arguments"],
            said("function_call_arguments", 0),
            "{what}"
        ),
        "custom_tool_call" => {
            assert_eq!(item["input"], said("custom_tool_call_input", 0), "{what}");
        }
        _ => {}
    }
}
