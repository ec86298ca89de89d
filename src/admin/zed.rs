//! `GET /zed/threads/status` and `GET /zed/cost-analysis`: the threads that are kept at Zed's service, and what they
//! came to.

use std::time::Instant;

use serde_json::{Map, Value, json};

use crate::config::{ModeTerms, Provider};
use crate::snapshot::Snapshot;
use crate::types::{EndpointId, MicroUsd};
use crate::zed::{Rotation, Spent, ThreadView, Threads};

/// Threads that are listed.
const MAX_LISTED: usize = 500;

/// The threads that may still be gone on with, last used first; of one provider only, where it is named.
pub fn threads(snapshot: &Snapshot, threads: &Threads, provider: Option<&str>) -> Value {
    let all = threads.view(Instant::now());
    let is_asked = |it: &&ThreadView| provider.is_none_or(|name| it.endpoint.as_str() == name);
    let asked: Vec<&ThreadView> = all.iter().filter(is_asked).collect();
    let listed: Vec<Value> = asked.iter().take(MAX_LISTED).map(|it| thread(it)).collect();
    let rotations: Map<String, Value> = threads
        .rotations()
        .into_iter()
        .map(|(why, times)| (why.word().to_owned(), json!(times)))
        .collect();
    json!({
        "active": asked.len(),
        "threads": listed,
        "rotations": rotations,
        "providers": providers(snapshot, threads),
    })
}

fn thread(it: &ThreadView) -> Value {
    let share = if it.max_context == 0 {
        0.0
    } else {
        it.context as f64 / it.max_context as f64
    };
    json!({
        "provider": it.endpoint.as_str(),
        "thread_id": it.thread_id,
        "prompt_id": it.prompt_id,
        "model": it.model,
        "mode": mode(it.is_max),
        "age_seconds": it.age.as_secs(),
        "idle_seconds": it.idle.as_secs(),
        "ends_in_seconds": it.ends_in.as_secs(),
        "context_tokens": it.context,
        "max_context_tokens": it.max_context,
        "context_used": (share * 1000.0).round() / 1000.0,
        "tool_calls": it.tool_calls,
        "requests": it.requests,
        "prompts": it.prompts,
        "rotations": it.rotations,
        "last_rotation": it.last_rotation.map(Rotation::word),
    })
}

/// What is known of each endpoint: the models it hosts, and what of its plan is used.
fn providers(snapshot: &Snapshot, threads: &Threads) -> Value {
    let plans = threads.plans();
    let of = |id: &EndpointId| {
        let plan = plans.iter().find(|it| it.0 == *id);
        plan.map(|(_, (amount, limit))| json!({"requests": amount, "limit": limit}))
    };
    let active = snapshot.active().filter_map(|it| {
        let hosting = it.hosting.as_ref()?;
        Some(json!({
            "name": it.id().as_str(),
            "models": hosting.models().len(),
            "models_age_seconds": hosting.age().map(|it| it.as_secs()),
            "plan": of(it.id()),
        }))
    });
    active.collect()
}

/// What requests came to by the operator's own prices, as sessions and as tokens.
pub fn costs(snapshot: &Snapshot, threads: &Threads) -> Value {
    let (mut session, mut token, mut unpriced) = (MicroUsd(0), MicroUsd(0), 0);
    let mut listed = Vec::new();
    for ((endpoint, is_max), spent) in threads.spent() {
        session = session.plus(spent.session_cost);
        token = token.plus(spent.token_cost);
        unpriced += spent.unpriced;
        let mut active = snapshot.active().map(|it| &it.provider);
        let provider = active.find(|it| it.id == endpoint);
        listed.push(row(&endpoint, is_max, &spent, provider));
    }
    json!({
        "currency": "USD",
        "providers": listed,
        "total": {
            "session_cost": session.dollars(),
            "token_cost": token.dollars(),
            "requests_without_price": unpriced,
        },
    })
}

fn row(endpoint: &EndpointId, is_max: bool, spent: &Spent, provider: Option<&Provider>) -> Value {
    let per_prompt = (0 < spent.prompts).then(|| spent.requests as f64 / spent.prompts as f64);
    let terms = provider.and_then(|it| Some(it.zed.as_ref()?.terms(is_max)));
    let tokens = &spent.tokens;
    json!({
        "provider": endpoint.as_str(),
        "mode": mode(is_max),
        "billing_model": provider.map(|it| it.billing.word()),
        "prices": terms.map(prices),
        "prompts": spent.prompts,
        "requests": spent.requests,
        "requests_with_tool_results": spent.continued,
        "requests_per_prompt": per_prompt.map(|it| (it * 100.0).round() / 100.0),
        "tokens": {
            "input": tokens.input,
            "cache_read": tokens.cache_read,
            "cache_write": tokens.cache_write,
            "output": tokens.output,
        },
        "session_cost": spent.session_cost.dollars(),
        "token_cost": spent.token_cost.dollars(),
        "requests_without_price": spent.unpriced,
        "cheaper": cheaper(spent),
    })
}

fn prices(terms: &ModeTerms) -> Value {
    json!({
        "per_prompt": terms.per_prompt.dollars(),
        "per_request": terms.per_request.dollars(),
    })
}

/// Which of the two would have cost less; nothing where one of them has no price.
fn cheaper(spent: &Spent) -> Option<&'static str> {
    let none = MicroUsd(0);
    if spent.session_cost == none || spent.token_cost == none || 0 < spent.unpriced {
        return None;
    }
    Some(if spent.session_cost <= spent.token_cost {
        "session_based"
    } else {
        "token_based"
    })
}

fn mode(is_max: bool) -> &'static str {
    if is_max { "max" } else { "normal" }
}
