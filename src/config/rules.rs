//! `route_rules` → [`RouteRule`]s.

use crate::config::fault::Report;
use crate::config::model::{Provider, RouteRule, Terms, When};
use crate::config::read::Reader;
use crate::config::routes::candidates_of;
use crate::config::settings;
use crate::config::tree::Node;
use crate::config::walk::join;

/// Headers with credentials, which no rule gets to see.
const CREDENTIALS: &[&str] = &[
    "authorization",
    "proxy-authorization",
    "x-api-key",
    "api-key",
    "x-goog-api-key",
    "cookie",
];

/// Reads the rules, in file order.
pub(super) fn rules(
    top: &Reader<'_>,
    providers: &[Provider],
    terms: Terms,
    report: &mut Report,
) -> Vec<RouteRule> {
    let readers = top.list("route_rules");
    readers
        .iter()
        .map(|it| rule(it, providers, terms, report))
        .collect()
}

fn rule(
    reader: &Reader<'_>,
    providers: &[Provider],
    terms: Terms,
    report: &mut Report,
) -> RouteRule {
    let models = match reader.texts("models").as_slice() {
        [] => vec!["*".to_owned()],
        written => written.iter().map(|it| (*it).to_owned()).collect(),
    };
    if models.iter().any(|it| it.trim().is_empty()) {
        let path = reader.at("models");
        report.fault(
            path,
            "holds an empty pattern; write `\"*\"` for every model",
        );
    }
    let entries = reader.list("candidates");
    if reader.raw("candidates") == Some(&Node::List(Vec::new())) {
        let path = reader.at("candidates");
        report.fault(path, "is empty; add `- provider: …`, or remove the rule");
    }
    let candidates = entries
        .iter()
        .filter(|it| it.boolean("enabled").unwrap_or(true))
        .flat_map(|it| candidates_of(it, providers, report))
        .collect();
    RouteRule {
        label: reader.path.clone(),
        models,
        when: when(reader, report),
        candidates,
        terms: settings::route_terms(reader, terms),
    }
}

fn when(rule: &Reader<'_>, report: &mut Report) -> When {
    let reader = rule.section("when");
    let when = When {
        agent: reader.boolean("agent"),
        tokens_over: reader.tokens("tokens_over"),
        tokens_under: reader.tokens("tokens_under"),
        images: reader.boolean("images"),
        thinking: reader.boolean("thinking"),
        headers: headers(&reader, report),
    };
    let asks = |it: &Node| !matches!(it, Node::Null) && *it != Node::Map(Vec::new());
    let entries = rule.entries("when").map(|it| it.1);
    if matches!(rule.raw("when"), Some(Node::Map(_))) && !entries.into_iter().any(asks) {
        let remedy = "asks nothing: the rule would hide every route; name a condition, or write the route under \
                      model_routes";
        report.fault(rule.at("when"), remedy);
    }
    if let (Some(over), Some(under)) = (when.tokens_over, when.tokens_under)
        && under <= over
    {
        let remedy =
            format!("no prompt is longer than {over} tokens and shorter than {under}; swap them");
        report.fault(rule.at("when"), remedy);
    }
    when
}

fn headers(reader: &Reader<'_>, report: &mut Report) -> Vec<(String, String)> {
    let section = reader.entries("header");
    let mut headers = Vec::new();
    for (name, node) in section {
        let path = join(&reader.at("header"), name);
        let lower = name.to_ascii_lowercase();
        if http::HeaderName::from_bytes(lower.as_bytes()).is_err() {
            report.fault(path, "is not a header name");
        } else if CREDENTIALS.contains(&lower.as_str()) {
            report.fault(
                path,
                "is a credential, which no rule gets to see; let clients send a header of yours",
            );
        } else if let Some(value) = text_of(node) {
            headers.push((lower, value));
        }
    }
    headers
}

/// Anything that has a text; the walk has told of the rest.
fn text_of(node: &Node) -> Option<String> {
    match node {
        Node::Text { text, .. } => Some(text.clone()),
        Node::Bool(_) | Node::Int(_) | Node::Float(_) => node.shown(),
        Node::Null | Node::List(_) | Node::Map(_) | Node::Tagged | Node::Broken => None,
    }
}
