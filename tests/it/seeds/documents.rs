//! The documents themselves, where they lie beside the checkout: every call and every configuration in them is either
//! played by a row of [`CALLS`], kept as a fixture, or an exception with its reason.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde_json::Value;

use super::calls::{Asks, CALLS};

/// Calls that are not of the systems, or that contradict them: the document, a piece of the command, and why.
const EXCEPTIONS: &[(&str, &str, &str)] = &[
    (
        "001",
        "your-provider-url/health",
        "asks a provider, not the balancer",
    ),
    (
        "001",
        "jq '.[] | {name: .name",
        "wants a list where all other documents have an object with `providers`",
    ),
    ("002", "api.openai.com", "asks the provider itself"),
    (
        "002",
        "generativelanguage.googleapis.com",
        "asks the provider itself",
    ),
];

/// Blocks that are marked as JSON and are none: the document, how it begins, and why.
const NO_JSON: &[(&str, &str, &str)] = &[
    (
        "002",
        "data: {\"type\":\"message_start\"",
        "a stream; its events are those of `is_stream`",
    ),
    (
        "002",
        "{\n    \"model\": \"claude-3-5-sonnet-20241022\",\n    \"stream\": true,\n    \"messages\": [...]",
        "cut short; the whole request is another block",
    ),
];

struct Document {
    number: String,
    text: String,
}

/// A fenced block.
struct Block<'d> {
    language: &'d str,
    text: &'d str,
}

impl Document {
    fn blocks(&self) -> Vec<Block<'_>> {
        let mut pieces = self.text.split("```");
        pieces.next();
        let mut blocks = Vec::new();
        while let Some(block) = pieces.next() {
            let (language, text) = block.split_once('\n').unwrap_or((block, ""));
            blocks.push(Block { language, text });
            pieces.next();
        }
        blocks
    }
}

/// `None` where they are not there: the project does not carry them.
fn documents() -> Option<Vec<Document>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let directory = root.join("../shared/reference/seeds");
    let entries = fs::read_dir(directory).ok()?;
    let mut documents: Vec<Document> = entries
        .map(|entry| {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            let bytes = fs::read(&path).unwrap();
            Document {
                number: name.split('_').next().unwrap().to_owned(),
                text: String::from_utf8_lossy(&bytes).into_owned(),
            }
        })
        .collect();
    documents.sort_by(|a, b| a.number.cmp(&b.number));
    assert_eq!(documents.len(), 5);
    Some(documents)
}

/// Commands of a script: words with their quotes resolved.
fn commands(script: &str) -> Vec<Vec<String>> {
    let mut commands = vec![Vec::new()];
    let (mut word, mut quote, mut begun) = (String::new(), None, false);
    let mut characters = script.chars().peekable();
    while let Some(it) = characters.next() {
        match (quote, it) {
            (Some(open), it) if it == open => quote = None,
            (Some(_), it) => word.push(it),
            (None, '\'' | '"') => (quote, begun) = (Some(it), true),
            (None, '\\') if characters.peek() == Some(&'\n') => drop(characters.next()),
            (None, '#') if !begun => while characters.next_if(|it| *it != '\n').is_some() {},
            (None, ' ' | '\n' | '|' | ';') => {
                if begun {
                    commands.last_mut().unwrap().push(std::mem::take(&mut word));
                    begun = false;
                }
                if it != ' ' {
                    commands.push(Vec::new());
                }
            }
            (None, it) => {
                word.push(it);
                begun = true;
            }
        }
    }
    if begun {
        commands.last_mut().unwrap().push(word);
    }
    commands
}

/// A curl command.
#[derive(Debug, Default)]
struct Curl {
    method: String,
    url: String,
    body: Option<Value>,
}

impl Curl {
    fn of(words: &[String]) -> Option<Curl> {
        let (first, words) = words.split_first()?;
        if first != "curl" {
            return None;
        }
        let mut curl = Curl::default();
        let mut words = words.iter();
        while let Some(word) = words.next() {
            match word.as_str() {
                "-X" => curl.method.clone_from(words.next().unwrap()),
                "-H" => drop(words.next().unwrap()),
                "-d" => {
                    let body = words.next().unwrap();
                    curl.body = Some(serde_json::from_str(body).unwrap());
                }
                "-s" | "-v" => {}
                url => url.clone_into(&mut curl.url),
            }
        }
        if curl.method.is_empty() {
            "GET".clone_into(&mut curl.method);
        }
        Some(curl)
    }

    /// Where it goes at one of the systems' own addresses.
    fn path(&self) -> Option<&str> {
        ["8080", "9090", "3000"]
            .iter()
            .find_map(|port| self.url.strip_prefix(&format!("http://localhost:{port}")))
    }
}

fn asks(body: &Value) -> Asks {
    let known = CALLS.iter().filter_map(|it| it.asks);
    let model = body["model"].as_str().unwrap();
    let model = known.map(|it| it.model).find(|it| *it == model);
    Asks {
        model: model.unwrap_or_else(|| panic!("no row asks for the model of {body}")),
        max_tokens: body["max_tokens"].as_u64(),
        stream: body["stream"].as_bool(),
        tool: body["tools"][0]["function"]["name"].is_string(),
    }
}

/// The row that plays a call.
fn row(document: &str, method: &str, path: &str, asks: Option<Asks>) -> Option<usize> {
    CALLS.iter().position(|it| {
        it.documents.contains(&document)
            && (it.method, it.path) == (method, path)
            && it.asks == asks
    })
}

#[test]
fn every_call_is_played_or_an_exception() {
    let Some(documents) = documents() else { return };
    let (mut found, mut excused) = (BTreeSet::new(), BTreeSet::new());
    let mut count = 0;
    for document in &documents {
        let number = document.number.as_str();
        for block in document.blocks() {
            // What `watch` repeats is a command of its own.
            let script = block.text.replace("watch -n 2 'curl", "curl");
            let script = script.replace("| jq .'", "| jq .");
            if !script.contains("curl ") {
                continue;
            }
            for words in commands(&script) {
                let Some(curl) = Curl::of(&words) else {
                    continue;
                };
                count += 1;
                let is_excused = |it: &&(&str, &str, &str)| {
                    it.0 == number && (curl.url.contains(it.1) || piped(&script, &curl, it.1))
                };
                if let Some(exception) = EXCEPTIONS.iter().find(is_excused) {
                    excused.insert(exception.1);
                    continue;
                }
                let path = curl.path().unwrap_or_else(|| panic!("{number}: {curl:?}"));
                let asks = curl.body.as_ref().map(asks);
                let row = row(number, &curl.method, path, asks);
                let row = row.unwrap_or_else(|| panic!("{number}: no row plays {curl:?}"));
                found.insert((number.to_owned(), row));
            }
        }
        found.extend(requests(document));
    }
    assert_eq!(count, 43, "calls in the documents");
    assert_eq!(excused.len(), EXCEPTIONS.len());
    for (row, call) in CALLS.iter().enumerate() {
        for document in call.documents {
            let is_there = found.contains(&((*document).to_owned(), row));
            assert!(is_there, "{document} has no {} {}", call.method, call.path);
        }
    }
}

/// Whether the line of a call ends in this.
fn piped(script: &str, curl: &Curl, tail: &str) -> bool {
    let mut lines = script.lines();
    lines.any(|it| it.contains(&curl.url) && it.contains(tail))
}

/// The rows that play the requests that stand alone, as JSON.
fn requests(document: &Document) -> Vec<(String, usize)> {
    let mut rows = Vec::new();
    for block in document.blocks() {
        let Ok(body) = serde_json::from_str::<Value>(block.text) else {
            continue;
        };
        if body["messages"].is_array() {
            let asks = Some(asks(&body));
            let row = row(&document.number, "POST", "/v1/messages", asks);
            let row = row.unwrap_or_else(|| panic!("{}: no row plays {body}", document.number));
            rows.push((document.number.clone(), row));
        }
    }
    rows
}

#[test]
fn every_json_block_is_a_fixture_a_request_or_an_answer() {
    let Some(documents) = documents() else { return };
    let config: Value =
        serde_json::from_str(include_str!("../../fixtures/config/worker-proxy.json")).unwrap();
    let mut count = 0;
    for document in &documents {
        for block in document.blocks().iter().filter(|it| it.language == "json") {
            count += 1;
            let Ok(value) = serde_json::from_str::<Value>(block.text) else {
                let is_known = |it: &(&str, &str, &str)| {
                    it.0 == document.number && block.text.starts_with(it.1)
                };
                assert!(NO_JSON.iter().any(is_known), "{}", block.text);
                continue;
            };
            if value.get("upstream").is_some() {
                assert_eq!(value, config, "the fixture is the document's file");
            } else if value.get("env").is_some() {
                // What Claude Code reads: an address and a header, both of which every call of that document uses.
                assert_eq!(value["env"]["ANTHROPIC_BASE_URL"], "http://localhost:3000");
            } else if value["status"] == "healthy" {
                let keys: BTreeSet<&String> = value["config"].as_object().unwrap().keys().collect();
                assert_eq!(keys.len(), 3, "played by `is_workers_health`");
            } else {
                let is_answer = value["type"] == "message";
                assert!(is_answer || value["messages"].is_array(), "{value}");
            }
        }
    }
    assert_eq!(count, 10);
}

#[test]
fn every_yaml_block_is_kept_here() {
    let Some(documents) = documents() else { return };
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("conf/seeds");
    let kept: Vec<serde_yaml::Value> = fs::read_dir(root)
        .unwrap()
        .map(|it| serde_yaml::from_str(&fs::read_to_string(it.unwrap().path()).unwrap()).unwrap())
        .collect();
    let (mut count, mut words) = (0, 0);
    for document in &documents {
        for block in document.blocks().iter().filter(|it| it.language == "yaml") {
            let Ok(value) = serde_yaml::from_str::<serde_yaml::Value>(block.text) else {
                words += 1; // a list of words that 003 marks as YAML
                continue;
            };
            count += 1;
            for section in ["providers", "model_routes", "settings"] {
                let part = &value[section];
                let is_kept =
                    part.is_null() || kept.iter().any(|it| holds(&it[section], part, section));
                assert!(is_kept, "{}: {section} of\n{}", document.number, block.text);
            }
        }
    }
    assert_eq!((count, words), (11, 1));
}

/// Whether what is kept has all of a part: providers as they are, candidates by whom and what they ask, settings by name.
fn holds(kept: &serde_yaml::Value, part: &serde_yaml::Value, section: &str) -> bool {
    match section {
        "providers" => part.as_sequence().unwrap().iter().all(|it| {
            let kept = kept.as_sequence().into_iter().flatten();
            let named = kept.filter(|kept| kept["name"] == it["name"]);
            named.into_iter().any(|kept| {
                let fields = it.as_mapping().unwrap().iter();
                let mut fields = fields.filter(|it| it.0 != "enabled");
                fields.all(|(key, value)| kept.get(key) == Some(value))
            })
        }),
        "model_routes" => part.as_mapping().unwrap().iter().all(|(pattern, all)| {
            let kept = kept.get(pattern).and_then(|it| it.as_sequence());
            all.as_sequence().unwrap().iter().all(|it| {
                let mut kept = kept.into_iter().flatten();
                kept.any(|kept| ["provider", "model"].iter().all(|key| kept[key] == it[key]))
            })
        }),
        _ => part
            .as_mapping()
            .unwrap()
            .keys()
            .all(|key| kept.get(key).is_some()),
    }
}

#[test]
fn every_variable_is_in_the_environment_that_is_played() {
    let Some(documents) = documents() else { return };
    let kept = include_str!("../../fixtures/config/worker-proxy.env");
    let names: BTreeSet<&str> = kept
        .lines()
        .filter_map(|it| Some(it.split_once('=')?.0))
        .collect();
    let mut count = 0;
    for document in documents.iter().filter(|it| it.number == "002") {
        for line in document.text.lines() {
            let line = line.strip_prefix("echo \"").unwrap_or(line);
            let Some((name, _)) = line.split_once('=') else {
                continue;
            };
            let is_name = |it: char| it.is_ascii_uppercase() || it == '_';
            if !name.is_empty() && name.chars().all(is_name) {
                count += 1;
                assert!(names.contains(name), "{name}");
            }
        }
    }
    assert_eq!(names.len(), 16);
    assert!(16 < count, "{count}");
}
