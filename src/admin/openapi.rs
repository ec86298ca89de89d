//! What may be called, for programs (`GET /openapi.json`) and for people (`GET /docs`): the web framework of the system we
//! succeed made both by itself.

use std::fmt::Write;

use serde_json::{Map, Value, json};

/// Who may call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    /// Everybody.
    Anyone,
    /// Who has a gateway key, where there is one.
    Callers,
    /// Who may administer.
    Operators,
}

/// One call: method, path, what it does, who may.
pub type Described = (&'static str, &'static str, &'static str, Who);

/// All of them; names in braces stand for anything.
pub const CALLS: &[Described] = &[
    ("POST", "/v1/messages", "Anthropic Messages", Who::Callers),
    (
        "POST",
        "/v1/messages/count_tokens",
        "The tokens of a request",
        Who::Callers,
    ),
    (
        "POST",
        "/v1/chat/completions",
        "OpenAI Chat Completions",
        Who::Callers,
    ),
    ("POST", "/v1/responses", "OpenAI Responses", Who::Callers),
    (
        "POST",
        "/v1/responses/input_tokens",
        "The tokens of a request",
        Who::Callers,
    ),
    (
        "GET",
        "/v1/models",
        "The models that may be asked for",
        Who::Callers,
    ),
    ("GET", "/v1/models/{model}", "One of them", Who::Callers),
    ("GET", "/", "A small status", Who::Anyone),
    (
        "GET",
        "/health",
        "Whether every route can be served",
        Who::Anyone,
    ),
    ("GET", "/livez", "Whether the process lives", Who::Anyone),
    ("GET", "/readyz", "Whether it takes new work", Who::Anyone),
    ("GET", "/docs", "This list", Who::Anyone),
    (
        "GET",
        "/openapi.json",
        "This list, for programs",
        Who::Anyone,
    ),
    (
        "GET",
        "/providers",
        "Every provider and how it fares",
        Who::Operators,
    ),
    (
        "POST",
        "/providers/reload",
        "Read the configuration again",
        Who::Operators,
    ),
    (
        "POST",
        "/admin/config/reload",
        "The same, as the worker proxy answered it",
        Who::Operators,
    ),
    (
        "GET",
        "/admin/dev/info",
        "The configuration in force, in development",
        Who::Operators,
    ),
    (
        "GET",
        "/admin/requests",
        "The last requests, step by step",
        Who::Operators,
    ),
    (
        "GET",
        "/admin/usage",
        "What was used, by key, team, model or provider",
        Who::Operators,
    ),
    (
        "GET",
        "/zed/threads/status",
        "Threads kept at Zed's service",
        Who::Operators,
    ),
    (
        "GET",
        "/zed/cost-analysis",
        "What requests to Zed's service came to",
        Who::Operators,
    ),
    (
        "POST",
        "/admin/cache/purge",
        "Empty the cache of answers",
        Who::Operators,
    ),
    (
        "POST",
        "/cleanup",
        "The same, as the balancer answered it",
        Who::Operators,
    ),
    ("GET", "/metrics", "Metrics for Prometheus", Who::Operators),
    (
        "GET",
        "/oauth/authorize",
        "Begin a login, and go there",
        Who::Operators,
    ),
    (
        "GET",
        "/oauth/callback",
        "Where a login comes back to",
        Who::Anyone,
    ),
    (
        "GET",
        "/oauth/generate-url",
        "Begin a login, and be told where",
        Who::Operators,
    ),
    (
        "POST",
        "/oauth/exchange-code",
        "End a login by hand",
        Who::Operators,
    ),
    (
        "GET",
        "/oauth/status",
        "The accounts and their tokens",
        Who::Operators,
    ),
    (
        "POST",
        "/oauth/refresh/{email}",
        "Refresh an account's token",
        Who::Operators,
    ),
    (
        "DELETE",
        "/oauth/tokens/{email}",
        "Sign an account out",
        Who::Operators,
    ),
    ("DELETE", "/oauth/tokens", "Sign all out", Who::Operators),
];

/// `GET /openapi.json`: OpenAPI 3.1.
pub fn openapi(title: &str) -> Value {
    let mut paths: Map<String, Value> = Map::new();
    for (method, path, summary, who) in CALLS {
        let entry = paths.entry(*path).or_insert_with(|| json!({}));
        if let Some(entry) = entry.as_object_mut() {
            entry.insert(method.to_ascii_lowercase(), operation(path, summary, *who));
        }
    }
    let key = |description: &str| json!({"type": "apiKey", "in": "header", "name": "x-api-key", "description": description});
    json!({
        "openapi": "3.1.0",
        "info": {"title": title, "version": env!("CARGO_PKG_VERSION")},
        "paths": paths,
        "components": {"securitySchemes": {
            "gateway_key": key("A gateway key, where there is one; also as a bearer token"),
            "admin_key": key("The admin key, where there is one; without one, calls of this machine"),
        }},
    })
}

fn operation(path: &str, summary: &str, who: Who) -> Value {
    let security = match who {
        Who::Anyone => json!([]),
        Who::Callers => json!([{"gateway_key": []}]),
        Who::Operators => json!([{"admin_key": []}]),
    };
    let names = path
        .split('{')
        .skip(1)
        .filter_map(|it| it.split('}').next());
    let parameters: Vec<Value> = names
        .map(|name| json!({"name": name, "in": "path", "required": true, "schema": {"type": "string"}}))
        .collect();
    json!({
        "summary": summary,
        "security": security,
        "parameters": parameters,
        "responses": {"200": {"description": summary}},
    })
}

/// `GET /docs`: a page without scripts.
pub fn page() -> String {
    let mut rows = String::new();
    for (method, path, summary, who) in CALLS {
        let who = match who {
            Who::Anyone => "anyone",
            Who::Callers => "callers",
            Who::Operators => "operators",
        };
        let _ = writeln!(
            rows,
            "<tr><td><code>{method}</code><td><code>{path}</code><td>{summary}<td>{who}"
        );
    }
    format!(
        "<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\"><title>Pointsman: what may be called</title>\n\
         <meta name=\"viewport\" content=\"width=device-width\"><meta name=\"color-scheme\" content=\"light dark\">\n\
         <style>body{{font:16px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:56rem;padding:0 1rem}}\
         td,th{{padding:.2rem 1rem .2rem 0;text-align:left;vertical-align:top}}</style>\n\
         <h1>What may be called</h1>\n<p>For programs: <a href=\"/openapi.json\">openapi.json</a>.</p>\n\
         <table><thead><tr><th>method<th>path<th>what<th>who<tbody>\n{rows}</table>\n"
    )
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_call_is_in_both_once() {
        let document = openapi("pointsman");
        let mut seen = BTreeSet::new();
        for (method, path, summary, _) in CALLS {
            assert!(seen.insert((method, path)), "{method} {path}");
            let operation = &document["paths"][path][method.to_ascii_lowercase()];
            assert_eq!(operation["summary"], *summary);
            assert!(page().contains(&format!("<code>{path}</code>")));
        }
        assert_eq!(
            document["paths"]["/v1/models/{model}"]["get"]["parameters"][0]["name"],
            "model"
        );
        assert_eq!(
            document["paths"]["/providers"]["get"]["security"][0],
            json!({"admin_key": []})
        );
    }
}
