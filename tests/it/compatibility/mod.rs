//! `docs/compatibility.md`: what each client's dialect can say to each kind of provider. Written from what the
//! translation really does, so that it cannot lie: the test fails when the page says something else, and
//! `POINTSMAN_WRITE_DOCS=1` writes it anew.

mod features;

use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::Path;

use pointsman::protocol::anthropic::Thinking;
use pointsman::protocol::profile::{Overrides, Profile};
use pointsman::protocol::translate::{self, RequestContext};
use pointsman::types::Dialect;
use serde_json::{Value, json};

use features::Feature;

const CLIENTS: [(Dialect, &str); 3] = [
    (Dialect::Anthropic, "Anthropic Messages"),
    (Dialect::OpenAiChat, "OpenAI Chat Completions"),
    (Dialect::OpenAiResponses, "OpenAI Responses"),
];

/// Kinds of providers, with a model whose abilities are those of the kind today.
const PROVIDERS: [(&str, Dialect, &str, &str); 5] = [
    (
        "anthropic",
        Dialect::Anthropic,
        "api.anthropic.com",
        "claude-sonnet-4-5",
    ),
    ("openai", Dialect::OpenAiChat, "api.openai.com", "gpt-5"),
    (
        "openai (compatible)",
        Dialect::OpenAiChat,
        "models.example.com",
        "some-model",
    ),
    (
        "openai-responses",
        Dialect::OpenAiResponses,
        "api.openai.com",
        "gpt-5",
    ),
    (
        "gemini",
        Dialect::Gemini,
        "generativelanguage.googleapis.com",
        "gemini-3-pro",
    ),
];

const INTRODUCTION: &str = "# What each client can say to each provider

This page is written by the tests from what the translation does; do not edit it (`POINTSMAN_WRITE_DOCS=1 cargo nextest run
compatibility` writes it anew). Same dialect: the request passes byte for byte, whatever it holds, and the provider decides.
Another dialect: **✓** said in full · **text** in the cell: what becomes of it (a *loss*: logged, counted, listed in
`x-pointsman-losses` with `x-pointsman-debug: 1`, refused where a route says `on_loss: refuse`) · **refused**: the next
candidate is asked, and with none the client gets a 400 that names the field · **–** the client's dialect has no words for it.

The models behind the columns: claude-sonnet-4-5, gpt-5 (twice), an unknown model at an unknown provider, gemini-3-pro. Other
models take other things; `models` and `quirks` in the configuration say what yours takes.
";

/// What becomes of a request with that feature.
fn outcome(client: Dialect, fields: &Value, provider: (&str, Dialect, &str, &str)) -> String {
    let (_, dialect, host, model) = provider;
    let Some(fields) = fields.as_object() else {
        return "–".to_owned();
    };
    if client == dialect {
        return "✓".to_owned();
    }
    let mut body = match client {
        Dialect::OpenAiResponses => json!({"model": "m", "input": "hi"}),
        _ => {
            json!({"model": "m", "max_tokens": 4096, "messages": [{"role": "user", "content": "hi"}]})
        }
    };
    for (key, value) in fields {
        body[key.as_str()] = value.clone();
    }
    let profile = Profile::of(dialect, host, model, &Overrides::default());
    let context = RequestContext {
        client,
        model,
        profile: &profile,
        message_id: "msg_1".to_owned(),
        input_estimate: 1,
        created: 1,
        always_stream: false,
        thinking: Thinking::Kept,
    };
    match translate::request(body.to_string().as_bytes(), context) {
        Err(_) => "refused".to_owned(),
        Ok(translation) if translation.losses.is_empty() => "✓".to_owned(),
        Ok(translation) => {
            let losses = translation.losses.kept().iter();
            let texts: BTreeSet<&str> = losses.map(|loss| loss.kind.text()).collect();
            texts.into_iter().collect::<Vec<_>>().join("; ")
        }
    }
}

fn fields(feature: &Feature, client: Dialect) -> &Value {
    match client {
        Dialect::Anthropic | Dialect::Gemini => &feature.anthropic,
        Dialect::OpenAiChat => &feature.chat,
        Dialect::OpenAiResponses => &feature.responses,
    }
}

fn page() -> String {
    let mut page = INTRODUCTION.to_owned();
    for (client, name) in CLIENTS {
        write!(page, "\n## {name} in\n\n|  |").unwrap();
        for (provider, ..) in PROVIDERS {
            write!(page, " {provider} |").unwrap();
        }
        page.push_str("\n|---|");
        page.push_str(&"---|".repeat(PROVIDERS.len()));
        page.push('\n');
        for feature in features::all() {
            let fields = fields(&feature, client);
            if fields.is_null() {
                continue;
            }
            write!(page, "| {} |", feature.name).unwrap();
            for provider in PROVIDERS {
                write!(page, " {} |", outcome(client, fields, provider)).unwrap();
            }
            page.push('\n');
        }
    }
    page
}

#[test]
fn the_page_says_what_the_translation_does() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/compatibility.md");
    let page = page();
    if std::env::var_os("POINTSMAN_WRITE_DOCS").is_some() {
        std::fs::write(&file, &page).unwrap();
    }
    let written = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(
        written == page,
        "docs/compatibility.md is out of date; write it with POINTSMAN_WRITE_DOCS=1"
    );
}

#[test]
fn text_and_tools_reach_every_provider_whole() {
    for (client, _) in CLIENTS {
        for feature in features::all() {
            if !matches!(
                feature.name,
                "text" | "system prompt" | "tools" | "tool result" | "tools forbidden"
            ) {
                continue;
            }
            for provider in PROVIDERS {
                let outcome = outcome(client, fields(&feature, client), provider);
                assert_eq!(
                    outcome, "✓",
                    "{} from {client} to {}",
                    feature.name, provider.0
                );
            }
        }
    }
}
