//! What `pointsman config` does to files of either kind.

use super::{Document, EditError, NewUpstream, Update};

const OURS: &str = "\
# the desk
providers:
  - name: main        # first
    type: anthropic
    base_url: https://api.anthropic.com
    auth_value: ${MAIN_KEY}   # from the safe
  - {name: spare, type: openai, base_url: 'https://b.example/v1', api_keys: [\"k-1\", \"k-2\"], enabled: false}

model_routes:
  \"*\":
    - {provider: main, priority: 1}
    - {provider: spare, model: gpt-5, priority: 2}   # when main fails
  '*haiku*':
    candidates:
      - provider: main
  \"*gpt*\": [{provider: spare}]
keys:
  - name: alice
    sha256: \"00\"
    providers: [main]
";

fn document(text: &str) -> Document {
    Document::read(text).unwrap()
}

fn new(name: &str, kind: &str) -> NewUpstream {
    NewUpstream {
        name: name.to_owned(),
        base_url: "https://c.example".to_owned(),
        kind: kind.to_owned(),
        about: None,
        keys: Vec::new(),
        without_key: false,
    }
}

fn keys(all: &[&str]) -> Vec<String> {
    all.iter().map(|it| (*it).to_owned()).collect()
}

#[test]
fn upstreams_are_found_by_name_account_and_place() {
    let text = "providers:\n- {name: a, account_email: x@y}\n- {name: a, account_email: z@y}\n- {name: 4o-main}\n";
    let it = document(text);
    assert_eq!(it.find("4o-main"), Ok(2));
    assert_eq!(it.find("1"), Ok(1));
    assert_eq!(it.find("a#z@y"), Ok(1));
    assert_eq!(it.find("a"), Err(EditError::Ambiguous("a".to_owned())));
    let error = it.find("4").unwrap_err().to_string();
    assert!(
        error.contains("0 (a#x@y), 1 (a#z@y), 2 (4o-main)"),
        "{error}"
    );
}

#[test]
fn a_key_more_keeps_the_reference_and_the_comment() {
    let edited = document(OURS).add_keys(0, &keys(&["sk-2"])).unwrap();
    let old = "auth_value: ${MAIN_KEY}   # from the safe";
    let new = "api_keys: [\"${MAIN_KEY}\", sk-2]   # from the safe";
    assert_eq!(edited.text, OURS.replace(old, new));
    let edited = document(OURS).add_keys(1, &keys(&["k, 3"])).unwrap();
    assert_eq!(edited.text, OURS.replace("\"k-2\"]", "\"k-2\", \"k, 3\"]"));
    assert!(
        !edited.switched_on,
        "it was off with keys: somebody meant that"
    );
    let edited = document(OURS).remove_keys(1, &[1, 0]).unwrap();
    assert_eq!(edited.text, OURS.replace("[\"k-1\", \"k-2\"]", "[]"));
}

#[test]
fn the_first_key_switches_on_and_signs_in_as_such_services_want() {
    let it = document("# mine\n").add(&new("c", "claude")).unwrap().text;
    let entry = "  - name: c\n    type: anthropic\n    base_url: https://c.example\n";
    assert_eq!(
        it,
        format!("# mine\n\nproviders:\n{entry}    enabled: false\n")
    );
    let edited = document(&it).add_keys(0, &keys(&["k"])).unwrap();
    assert!(edited.switched_on);
    let expected =
        format!("# mine\n\nproviders:\n{entry}    api_keys: [k]\n    auth_type: auth_token\n");
    assert_eq!(edited.text, expected);
    let old = document("").add(&new("o", "openaiold")).unwrap().text;
    assert!(
        old.contains("    quirks:\n      max_completion_tokens: false\n"),
        "{old}"
    );
    let vendor = NewUpstream {
        base_url: String::new(),
        keys: keys(&["k"]),
        ..new("d", "deepseek")
    };
    let vendor = document("").add(&vendor).unwrap().text;
    assert_eq!(
        vendor,
        "providers:\n  - name: d\n    vendor: deepseek\n    api_keys: [k]\n"
    );
}

#[test]
fn the_one_in_use_goes_first_everywhere_it_is_named() {
    let edited = document(OURS).make_current(1).unwrap();
    let expected = OURS
        .replace(
            "{provider: main, priority: 1}",
            "{provider: main, priority: 2}",
        )
        .replace("model: gpt-5, priority: 2}", "model: gpt-5, priority: 1}");
    // Others move behind it in their order.
    let expected = expected.replace(", enabled: false}", "}");
    assert_eq!(edited.text, expected);
    assert_eq!(edited.told, ["*haiku*"]);
    assert!(edited.switched_on);
    let again = document(&edited.text).make_current(1).unwrap();
    assert_eq!(again.text, edited.text);
    let back = document(&edited.text).make_current(0).unwrap();
    assert!(document(&back.text).upstreams()[0].current, "{}", back.text);
    // The only candidate of everything is replaced, as it was; a route is made where there is none.
    let text = "providers: [{name: a}, {name: b}]\nmodel_routes:\n  \"*\":\n    - {provider: a, priority: 1}\n    #- {provider: b}\n";
    let edited = document(text).make_current(1).unwrap();
    assert_eq!(
        edited.text,
        text.replace("{provider: a, p", "{provider: b, p")
    );
    let edited = document("providers: [{name: a}, {name: b}]\n")
        .make_current(1)
        .unwrap();
    let route = "\nmodel_routes:\n  \"*\":\n    - provider: b\n";
    assert_eq!(
        edited.text,
        format!("providers: [{{name: a}}, {{name: b}}]\n{route}")
    );
}

#[test]
fn a_new_name_is_followed_and_what_goes_is_named_nowhere() {
    let update = Update {
        name: Some("first one".to_owned()),
        ..Update::default()
    };
    let edited = document(OURS).update(0, &update).unwrap();
    let expected = OURS
        .replace("name: main ", "name: \"first one\" ")
        .replace("provider: main", "provider: \"first one\"")
        .replace("[main]", "[\"first one\"]");
    assert_eq!(edited.text, expected);
    let edited = document(OURS).remove(0).unwrap();
    assert_eq!(edited.told, ["*haiku*"]);
    let left = document(&edited.text);
    assert_eq!(left.upstreams().len(), 1);
    assert!(!edited.text.contains("provider: main"), "{}", edited.text);
    assert!(edited.text.contains("# when main fails"), "{}", edited.text);
    // Who may use it is not for us to change: the check tells.
    assert!(edited.text.contains("providers: [main]"), "{}", edited.text);
    let all = left.clear().unwrap().text;
    assert!(
        !all.contains("model_routes") && all.starts_with("# the desk\n"),
        "{all}"
    );
}

#[test]
fn kinds_addresses_and_strategies_change() {
    let update = Update {
        base_url: Some("https://d.example/v1".to_owned()),
        kind: Some("groq".to_owned()),
        about: Some("neu".to_owned()),
        ..Update::default()
    };
    let edited = document(OURS).update(1, &update).unwrap();
    let old = "{name: spare, type: openai, base_url: 'https://b.example/v1', api_keys: [\"k-1\", \"k-2\"], enabled: false}";
    let new = "{name: spare, base_url: https://d.example/v1, api_keys: [\"k-1\", \"k-2\"], enabled: false, vendor: groq, description: neu}";
    assert_eq!(edited.text, OURS.replace(old, new));
    let edited = document(OURS).balance("round-robin", None).unwrap();
    assert_eq!(edited.text.matches("key_strategy: round_robin").count(), 2);
}

#[test]
fn anchors_that_are_shared_are_named() {
    let text = "x-keys: &keys [k-1]\nproviders:\n- name: a\n  api_keys: *keys\n- name: b\n  api_keys: *keys\n";
    assert_eq!(
        document(text).add_keys(0, &keys(&["k-2"])),
        Err(EditError::Shared("keys".to_owned()))
    );
    let edited = document(text).remove(1).unwrap();
    assert_eq!(
        edited.text,
        text.replace("- name: b\n  api_keys: *keys\n", "")
    );
}

const WORKER: &str = r#"{
    "upstream": [
        {"name": "a", "baseUrl": "https://a.example", "apiKeys": ["k-1"], "serviceType": "openai"},
        {"name": "b", "baseUrl": "https://b.example", "apiKeys": [], "serviceType": "gemini", "x": 1e2},
        {"name": "c", "baseUrl": "https://c.example", "serviceType": "claude"}
    ],
    "currentUpstream": 1
}
"#;

#[test]
fn the_worker_proxys_file_keeps_its_order_and_its_style() {
    let it = document(WORKER);
    let edited = it.remove(0).unwrap().text;
    assert!(document(&edited).upstreams()[0].current, "{edited}");
    assert!(edited.contains("\"currentUpstream\": 0"), "{edited}");
    let edited = it.remove(2).unwrap().text;
    assert!(edited.contains("\"currentUpstream\": 1"), "{edited}");
    let edited = it.add_keys(2, &keys(&["k-1", "k-2"])).unwrap().text;
    let after = "\"serviceType\": \"claude\", \"apiKeys\": [\"k-1\", \"k-2\"]}";
    assert_eq!(
        edited,
        WORKER.replace("\"serviceType\": \"claude\"}", after)
    );
    let edited = it.add_keys(1, &keys(&["k-1", "k-2"])).unwrap().text;
    assert_eq!(edited, WORKER.replace("[]", "[\"k-1\", \"k-2\"]"));
    let edited = it.balance("round_robin", None).unwrap().text;
    assert!(
        edited.contains(",\n    \"loadBalance\": \"round-robin\"\n}"),
        "{edited}"
    );
    let edited = it.make_current(2).unwrap().text;
    assert_eq!(edited, WORKER.replace(": 1\n", ": 2\n"));
    let edited = it.clear().unwrap().text;
    assert_eq!(
        edited,
        "{\n    \"upstream\": [],\n    \"currentUpstream\": 0\n}\n"
    );
    let named = document(&WORKER.replace(": 1\n", ": \"b\"\n"));
    let update = Update {
        name: Some("bb".to_owned()),
        ..Update::default()
    };
    let edited = named.update(1, &update).unwrap().text;
    assert!(edited.contains("\"currentUpstream\": \"bb\""), "{edited}");
    assert_eq!(
        it.add(&new("a", "openai")),
        Err(EditError::NameTaken("a".to_owned()))
    );
}
