//! Recorded requests of OpenAI's SDKs and of what builds on them: all are read but for those that lean on what only the
//! vendor keeps. Recorded answers, sent back as history, are read as well.

use pointsman::protocol::canonical::{Losses, TranslateError};
use pointsman::protocol::openai_responses::inbound;
use serde_json::{Value, json};

use super::recordings;

#[test]
fn recorded_requests_are_read() {
    let Some(folder) = recordings::folder("openai-responses") else {
        return;
    };
    let (mut read, mut kept) = (0, 0);
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        if !name.ends_with(".req.json") {
            continue;
        }
        let recorded: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        let request = &recorded["request"];
        let is_answered = recorded["status"].as_u64().is_some_and(|it| it < 300);
        if !recorded["uri"].as_str().unwrap().ends_with("/responses") || !request.is_object() {
            continue;
        }
        let mut losses = Losses::default();
        match inbound(request.to_string().as_bytes(), &mut losses) {
            Ok(canonical) => {
                read += 1;
                assert_eq!(request["model"], canonical.model, "{name}");
                assert!(!canonical.messages.is_empty(), "{name}");
            }
            Err(TranslateError::KeptElsewhere(_)) => kept += 1,
            Err(error) => assert!(!is_answered, "{name}: {error}"),
        }
    }
    assert!(200 < read && 10 < kept, "{read} read, {kept} refused");
}

#[test]
fn recorded_answers_are_read_as_history() {
    let Some(folder) = recordings::folder("openai-responses") else {
        return;
    };
    let mut read = 0;
    for (name, body) in recordings::answers(&folder, "").bodies {
        let Ok(mut body) = serde_json::from_slice::<Value>(&body) else {
            continue;
        };
        let Value::Array(mut input) = body["output"].take() else {
            continue;
        };
        if input.iter().any(|it| it["type"] == "compaction") {
            continue;
        }
        input.push(json!({"role": "user", "content": "go on"}));
        let request = json!({"model": "m", "input": input}).to_string();
        let canonical = inbound(request.as_bytes(), &mut Losses::default());
        let canonical = canonical.unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(!canonical.messages.is_empty());
        read += 1;
    }
    assert!(100 < read, "{read} read");
}
