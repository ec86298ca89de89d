//! What is said in each dialect: by clients, by good providers, and by faulty ones up to where they fail.

use pointsman::types::Dialect;
use serde_json::json;

use crate::support::answers;
use crate::support::client::Request;
use crate::support::setup::Provider;

/// In which form an answer is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// In one piece.
    Json,
    /// As a stream of events.
    Sse,
}

/// What an error inside an answer means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// Something broke at the provider's.
    Broken,
    /// It has no capacity.
    Overloaded,
    /// The key asked too often.
    Limited,
    /// The key is wrong.
    Refused,
    /// The money of the key is gone.
    Credit,
}

impl Trouble {
    /// Type and text, as Anthropic and OpenAI say it.
    fn words(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Trouble::Broken => ("api_error", "server_error", "poison: internal error"),
            Trouble::Overloaded => ("overloaded_error", "overloaded_error", "poison: Overloaded"),
            Trouble::Limited => (
                "rate_limit_error",
                "rate_limit_exceeded",
                "poison: too fast",
            ),
            Trouble::Refused => ("authentication_error", "invalid_api_key", "poison: bad key"),
            Trouble::Credit => (
                "billing_error",
                "insufficient_quota",
                "poison: Your credit balance is too low",
            ),
        }
    }
}

/// What is asked, in a client's dialect.
pub fn ask(client: Dialect, shape: Shape, model: &str, session: &str) -> Request {
    let stream = shape == Shape::Sse;
    let body = json!({"model": model, "max_tokens": 64, "stream": stream,
        "messages": [{"role": "user", "content": format!("question of {session}")}]});
    let path = match client {
        Dialect::OpenAiChat => "/v1/chat/completions",
        _ => "/v1/messages",
    };
    Request::post(path, body.to_string()).header("x-claude-code-session-id", session)
}

/// A provider of a dialect.
pub fn provider(dialect: Dialect, name: &str, url: &str) -> Provider {
    match dialect {
        Dialect::OpenAiChat => Provider::openai(name, url),
        _ => Provider::anthropic(name, url),
    }
}

/// A whole answer.
pub fn good(dialect: Dialect, shape: Shape, text: &str) -> String {
    match shape {
        Shape::Json => body(dialect, text),
        Shape::Sse => [
            begin(dialect),
            says(dialect, text),
            closing(dialect),
            end(dialect),
        ]
        .concat(),
    }
}

/// A whole answer in one piece.
pub fn body(dialect: Dialect, text: &str) -> String {
    match dialect {
        Dialect::OpenAiChat => answers::completion(text),
        _ => answers::message(text),
    }
}

/// What a stream says before there is content.
pub fn begin(dialect: Dialect) -> String {
    match dialect {
        Dialect::OpenAiChat => {
            answers::completion_chunk(&json!({"role": "assistant", "content": ""}), None)
        }
        _ => [answers::start(), answers::ping(), answers::open_text()].concat(),
    }
}

/// A piece of content.
pub fn says(dialect: Dialect, text: &str) -> String {
    match dialect {
        Dialect::OpenAiChat => answers::completion_chunk(&json!({"content": text}), None),
        _ => answers::delta(text),
    }
}

/// What follows the content up to why the model stopped.
pub fn closing(dialect: Dialect) -> String {
    if dialect == Dialect::OpenAiChat {
        return answers::completion_chunk(&json!({}), Some("stop"));
    }
    let all = answers::finish();
    let stop = all.find("event: message_stop").unwrap();
    all[..stop].to_owned()
}

/// The end of the answer.
pub fn end(dialect: Dialect) -> String {
    match dialect {
        Dialect::OpenAiChat => answers::completion_end(),
        _ => answers::event("message_stop", r#"{"type":"message_stop"}"#),
    }
}

/// Something that keeps a stream open and says nothing.
pub fn sign_of_life(dialect: Dialect) -> String {
    match dialect {
        Dialect::OpenAiChat => ": OPENROUTER PROCESSING\n\n".to_owned(),
        _ => answers::ping(),
    }
}

/// An event that is no JSON.
pub fn nonsense(dialect: Dialect) -> String {
    match dialect {
        Dialect::OpenAiChat => "data: {poison\n\n".to_owned(),
        _ => "event: content_block_delta\ndata: {poison\n\n".to_owned(),
    }
}

/// An error as a body.
pub fn error_body(dialect: Dialect, trouble: Trouble) -> String {
    let (anthropic, openai, text) = trouble.words();
    match dialect {
        Dialect::OpenAiChat => {
            json!({"error": {"message": text, "type": openai, "param": null, "code": openai}})
                .to_string()
        }
        _ => answers::error_body(anthropic, text),
    }
}

/// An error as an event of a stream.
pub fn error_event(dialect: Dialect, trouble: Trouble) -> String {
    if dialect == Dialect::OpenAiChat {
        return format!("data: {}\n\n", error_body(dialect, trouble));
    }
    let (anthropic, _, text) = trouble.words();
    answers::error_event(anthropic, text)
}
