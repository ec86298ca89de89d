//! The example files, the tables they must agree with, and the documents of the old systems.

use std::collections::BTreeSet;
use std::path::Path;

use super::{KEY, ONE, lines, loaded, names, options, provider, sections};
use crate::config::keys::TOP;
use crate::config::table::{Kind, State, Table, find};
use crate::config::tree::{self, Node};
use crate::config::{Env, LoadOptions, Provider, load, schema};

/// Switches on what an example has commented out as `#key: …`.
fn switched_on(text: &str) -> String {
    let lines: Vec<String> = text
        .lines()
        .map(|line| {
            let indent = line.len() - line.trim_start().len();
            let (space, rest) = line.split_at(indent);
            match rest.strip_prefix('#') {
                Some(key) if key.starts_with(|it: char| it.is_ascii_lowercase()) => {
                    format!("{space}{key}")
                }
                _ => line.to_owned(),
            }
        })
        .collect();
    lines.join("\n")
}

fn everything() -> Env {
    Env::from([
        ("ANTHROPIC_API_KEY", KEY),
        ("ANTHROPIC_KEY_A", KEY),
        ("OAUTH_CLIENT_SECRET", KEY),
        ("OAUTH_STORE_KEY", "0123456789abcdef0123456789abcdef"),
        ("ANTHROPIC_KEY_B", "sk-b"),
        ("OPENROUTER_API_KEY", KEY),
        ("OPENROUTER_KEY_A", KEY),
        ("OPENROUTER_KEY_B", "sk-b"),
        ("TOGETHER_API_KEY", KEY),
        ("OPENAI_API_KEY", KEY),
        ("GEMINI_API_KEY", KEY),
        ("AZURE_OPENAI_API_KEY", KEY),
        ("MIRROR_API_KEY", KEY),
        ("GATEWAY_KEY", "gw-7f3a"),
        ("GATEWAY_KEY_B", "gw-8e1b"),
        ("POINTSMAN_ADMIN_KEY", "admin-7f3a"),
    ])
}

#[test]
fn every_example_loads() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("conf");
    let mut seen = 0;
    for dir in [root.clone(), root.join("seeds")] {
        for entry in std::fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_none_or(|it| it != "yaml") {
                continue;
            }
            let options = LoadOptions {
                config: Some(path.clone()),
                ..options(everything())
            };
            let config = load(&options).map_err(|it| lines(&it));
            assert!(config.is_ok(), "{}: {config:?}", path.display());
            let config = config.unwrap();
            assert!(config.providers.iter().any(Provider::is_active));
            assert!(config.routes.iter().all(|it| !it.candidates.is_empty()));
            seen += 1;
        }
    }
    assert_eq!(seen, 9);
}

#[test]
fn the_full_example_has_every_key_and_the_schema_knows_them() {
    let directory = tempfile::tempdir().unwrap();
    let text = switched_on(include_str!("../../../conf/full.yaml"));
    let text = with_certificates(&text, directory.path());
    let config = loaded(&text, everything());
    assert!(config.is_ok(), "{config:?}");
    let tree = tree::parse("full.yaml", &text).unwrap();
    let mut written = BTreeSet::new();
    collect(&tree, TOP, &schema(), &mut written);
    for (rows, name) in sections() {
        for field in rows {
            let found = written.contains(&(names(rows), field.key));
            assert!(found, "conf/full.yaml lacks {} in {name}", field.key);
        }
    }
}

/// Leads to certificates that are there.
fn with_certificates(text: &str, directory: &Path) -> String {
    let made = rcgen::generate_simple_self_signed(vec!["gateway.example".to_owned()]).unwrap();
    for (file, pem) in [
        ("fullchain.pem", made.cert.pem()),
        ("clients.pem", made.cert.pem()),
        ("corporate-ca.pem", made.cert.pem()),
        ("privkey.pem", made.key_pair.serialize_pem()),
    ] {
        std::fs::write(directory.join(file), pem).unwrap();
    }
    text.replace("/etc/pointsman/tls", &directory.display().to_string())
}

/// Notes each key of `node` under its table; every one must be in `schema`, too.
fn collect(
    node: &Node,
    rows: Table,
    schema: &serde_json::Value,
    out: &mut BTreeSet<(String, &'static str)>,
) {
    let Node::Map(entries) = node else {
        return;
    };
    for (key, value) in entries {
        let field = find(rows, key).unwrap_or_else(|| panic!("{key}"));
        out.insert((names(rows), field.key));
        let below = &schema["properties"][key];
        assert!(below["description"].is_string(), "the schema lacks {key}");
        match (field.kind, value) {
            (Kind::One(rows), _) => collect(value, rows, below, out),
            (Kind::ChoiceOr(_, rows), _) => collect(value, rows, &below["anyOf"][1], out),
            (Kind::Many(rows), Node::List(items)) => {
                for it in items {
                    collect(it, rows, &below["items"], out);
                }
            }
            (Kind::Named(rows), Node::Map(entries)) => {
                let below = &below["additionalProperties"];
                for (_, it) in entries {
                    collect(it, rows, below, out);
                }
            }
            (Kind::NamedShort(listed, rows), Node::Map(entries)) => {
                let [list, whole] = [0, 1].map(|i| &below["additionalProperties"]["anyOf"][i]);
                for (_, route) in entries {
                    let Node::List(items) = route else {
                        collect(route, rows, whole, out);
                        continue;
                    };
                    let rows = find(rows, listed).unwrap().kind.rows();
                    for it in items {
                        collect(it, rows, &list["items"], out);
                    }
                }
            }
            _ => {}
        }
    }
}

#[test]
fn written_defaults_change_nothing() {
    let defaults = |rows: Table| -> String {
        rows.iter()
            .filter(|it| !it.default.is_empty() && it.state == State::Active)
            .fold(String::new(), |out, it| {
                out + it.key + ": " + it.default + ", "
            })
    };
    let settings = find(TOP, "settings").unwrap().kind.rows();
    let timers = find(settings, "timeouts").unwrap().kind.rows();
    let providers = find(TOP, "providers").unwrap().kind.rows();
    let affinity = find(settings, "affinity").unwrap().kind.rows();
    let counting = find(settings, "token_counting").unwrap().kind.rows();
    let text = format!(
        "{}settings: {{{}timeouts: {{{}}}, token_counting: {{{}}}, affinity: {{{}}}}}\n",
        provider(&defaults(providers)),
        defaults(settings),
        defaults(timers),
        defaults(counting),
        defaults(affinity),
    );
    let written = loaded(&text, []).unwrap();
    let absent = loaded(ONE, []).unwrap();
    assert_eq!(format!("{written:#?}"), format!("{absent:#?}"));
}

#[test]
fn tables_are_sound() {
    for (rows, name) in sections() {
        let keys: BTreeSet<&str> = rows.iter().map(|it| it.key).collect();
        assert_eq!(keys.len(), rows.len(), "a key of {name} is described twice");
        for field in rows {
            assert!(!field.doc.is_empty(), "{name}.{}", field.key);
            if let State::Old(new) = field.state {
                assert!(keys.contains(new), "{name}.{} leads to {new}", field.key);
            }
        }
    }
}

/// The documents of the old systems, where a corpus of them is at hand: every YAML block loads. Blocks that show a part
/// only are laid over the document's whole configuration; one block is a list of words and no YAML at all.
#[test]
fn the_documents_of_the_old_systems_load() {
    let Some(corpus) = std::env::var_os("POINTSMAN_CORPUS") else {
        return;
    };
    let corpus = Path::new(&corpus);
    let places = [corpus.join("seeds"), corpus.with_file_name("seeds")];
    let Some(dir) = places.iter().find(|it| it.is_dir()) else {
        return;
    };
    let (mut loads, mut words) = (0, 0);
    for entry in std::fs::read_dir(dir).unwrap() {
        let text = std::fs::read(entry.unwrap().path()).unwrap();
        let text = String::from_utf8_lossy(&text).into_owned();
        let mut whole: Option<serde_yaml::Value> = None;
        for block in text.split("```yaml\n").skip(1) {
            let block = block.split("```").next().unwrap();
            let Ok(part) = serde_yaml::from_str::<serde_yaml::Value>(block) else {
                words += 1;
                continue;
            };
            let merged = whole
                .as_ref()
                .map_or_else(|| part.clone(), |it| laid_over(it, &part));
            let config = loaded(&serde_yaml::to_string(&merged).unwrap(), everything());
            assert!(config.is_ok(), "{block}\n{config:?}");
            assert!(!config.unwrap().routes.is_empty());
            whole.get_or_insert(part);
            loads += 1;
        }
    }
    assert_eq!((loads, words), (11, 1));
}

/// `part` over `whole`: sections by key, providers by name.
fn laid_over(whole: &serde_yaml::Value, part: &serde_yaml::Value) -> serde_yaml::Value {
    use serde_yaml::Value;
    match (whole, part) {
        (Value::Mapping(whole), Value::Mapping(part)) => {
            let mut out = whole.clone();
            for (key, value) in part {
                let merged = whole
                    .get(key)
                    .map_or_else(|| value.clone(), |it| laid_over(it, value));
                out.insert(key.clone(), merged);
            }
            Value::Mapping(out)
        }
        (Value::Sequence(whole), Value::Sequence(part))
            if part.iter().all(|it| it.get("name").is_some()) =>
        {
            let over = |it: &Value| {
                let same = part.iter().find(|new| new.get("name") == it.get("name"));
                same.map_or_else(|| it.clone(), |new| laid_over(it, new))
            };
            Value::Sequence(whole.iter().map(over).collect())
        }
        _ => part.clone(),
    }
}

#[test]
fn the_configuration_for_kubernetes_loads_once_its_keys_are_mounted() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let file = root.join("docker/kubernetes/config.yaml");
    let text = std::fs::read_to_string(file).unwrap();
    let keys = tempfile::tempdir().unwrap();
    for name in ["anthropic", "gateway"] {
        std::fs::write(keys.path().join(name), KEY).unwrap();
    }
    let mounted = text.replace("/etc/pointsman-keys", &keys.path().display().to_string());
    let options = LoadOptions::new(Env::default());
    let config =
        crate::config::from_text("config.yaml", &mounted, Path::new("/"), &options).unwrap();
    assert_eq!(config.settings.host, "0.0.0.0");
    assert_eq!(config.auth.keys.len(), 1);
}
