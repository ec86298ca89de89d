//! `model_routes` → [`Route`]s: names resolved to providers, and the routes that follow from providers alone when none
//! are written.

use crate::config::fault::Report;
use crate::config::model::{Provider, Route, RouteCandidate, RouteRule, Terms, Wish};
use crate::config::near::hint;
use crate::config::read::Reader;
use crate::config::settings;
use crate::config::vendors;
use crate::config::walk::join;
use crate::config::zed_terms::{Billing, ZedMode};
use crate::types::Dialect;

/// The legacy pair `big_model`/`small_model`: patterns of small models. `-mini` rather than `mini`, which would also
/// take gemini and minimax; `*` is everything else.
const SMALL_PATTERNS: &[&str] = &["*haiku*", "*-mini*", "*flash*"];

/// Reads the routes. Written ones come first; providers with `big_model` or `small_model` that none of them names get
/// the routes of the old system, in file order as priorities; with nothing written at all, providers serve the names
/// that are their own.
pub(super) fn routes(
    top: &Reader<'_>,
    providers: &[Provider],
    rules: &[RouteRule],
    terms: Terms,
    report: &mut Report,
) -> Vec<Route> {
    let mut routes = Vec::new();
    for (pattern, whole, candidates) in top.named_short("model_routes") {
        if pattern.trim().is_empty() {
            report.fault(
                whole.path,
                "is an empty pattern; write `\"*\"` for every model",
            );
            continue;
        }
        if candidates.is_empty() {
            // Anything but a list has been told already.
            if whole.is_empty_list() || whole.section("candidates").is_empty_list() {
                report.fault(
                    whole.path,
                    "has no candidates; add `- provider: …`, or remove the route",
                );
            }
            continue;
        }
        let candidates = candidates
            .iter()
            .filter(|it| it.boolean("enabled").unwrap_or(true))
            .flat_map(|it| candidates_of(it, providers, report))
            .collect();
        routes.push(Route {
            pattern: pattern.to_owned(),
            candidates,
            terms: settings::route_terms(&whole, terms),
        });
    }
    let written = routes.len();
    legacy(&mut routes, providers, report);
    if routes.is_empty() {
        routes = own_names(providers, report);
    }
    for route in routes.iter_mut().skip(written) {
        route.terms = terms;
    }
    tell_unreached(&routes, rules, providers, report);
    routes
}

/// One entry; a name that several accounts share gives a candidate for each.
pub(super) fn candidates_of(
    reader: &Reader<'_>,
    providers: &[Provider],
    report: &mut Report,
) -> Vec<RouteCandidate> {
    let Some(name) = reader.text("provider") else {
        return Vec::new();
    };
    let account = reader.text("account_email").map(str::to_lowercase);
    let named: Vec<usize> = indices(providers, |it| it.name == name);
    if named.is_empty() && providers.is_empty() {
        // That there are none at all is told once, not here.
        return Vec::new();
    }
    if named.is_empty() {
        let known = providers.iter().map(|it| it.name.as_str());
        report.fault_at(
            reader.at("provider"),
            name,
            format!("is no provider{}", hint(name, known)),
        );
        return Vec::new();
    }
    let meant: Vec<usize> = named
        .into_iter()
        .filter(|i| {
            let of = providers.get(*i).and_then(|it| it.account_email.as_ref());
            account.is_none() || of == account.as_ref()
        })
        .collect();
    if let Some(account) = account.filter(|_| meant.is_empty()) {
        report.fault_at(
            reader.at("account_email"),
            &account,
            format!("is no account of {name}"),
        );
    }
    let model = reader.text("model").filter(|it| *it != "passthrough");
    meant
        .into_iter()
        .map(|provider| RouteCandidate {
            provider,
            model: model.map(str::to_owned),
            priority: reader.count("priority").unwrap_or(1),
            weight: reader.number("weight").unwrap_or(1.0),
            wish: wish(reader),
        })
        .collect()
}

/// What is said of a candidate besides who it is.
fn wish(reader: &Reader<'_>) -> Wish {
    Wish {
        mode: reader.choice("mode").map(ZedMode::of_word),
        billing: reader
            .choice("preferred_billing_model")
            .and_then(Billing::of_word),
    }
}

fn indices(providers: &[Provider], which: impl Fn(&Provider) -> bool) -> Vec<usize> {
    providers
        .iter()
        .enumerate()
        .filter(|it| which(it.1))
        .map(|it| it.0)
        .collect()
}

/// Routes of providers with `big_model` or `small_model`. A provider with one of the two uses it for all names.
fn legacy(routes: &mut Vec<Route>, providers: &[Provider], report: &mut Report) {
    let named: Vec<usize> = routes
        .iter()
        .flat_map(|it| it.candidates.iter().map(|it| it.provider))
        .collect();
    let free: Vec<(usize, &Provider)> = providers
        .iter()
        .enumerate()
        .filter(|(i, it)| {
            it.enabled && !named.contains(i) && (it.big_model.is_some() || it.small_model.is_some())
        })
        .collect();
    if free.is_empty() {
        return;
    }
    let candidates = |small: bool| -> Vec<RouteCandidate> {
        free.iter()
            .zip(1..)
            .map(|((provider, it), priority)| {
                let (first, second) = if small {
                    (&it.small_model, &it.big_model)
                } else {
                    (&it.big_model, &it.small_model)
                };
                RouteCandidate {
                    provider: *provider,
                    model: first
                        .as_ref()
                        .or(second.as_ref())
                        .filter(|it| *it != "passthrough")
                        .cloned(),
                    priority,
                    weight: 1.0,
                    wish: Wish::default(),
                }
            })
            .collect()
    };
    for (pattern, small) in SMALL_PATTERNS
        .iter()
        .map(|it| (*it, true))
        .chain([("*", false)])
    {
        if routes.iter().any(|it| it.pattern == pattern) {
            continue;
        }
        routes.push(Route {
            pattern: pattern.to_owned(),
            candidates: candidates(small),
            terms: Terms::default(),
        });
    }
    report.remark(
        "model_routes",
        "big_model and small_model became the routes \"*haiku*\", \"*-mini*\", \"*flash*\" and \"*\"; write model_routes \
         to see and change them",
    );
}

/// Without any route: a lone provider serves every name, several serve their vendor's names, the first one of a kind
/// wins.
fn own_names(providers: &[Provider], report: &mut Report) -> Vec<Route> {
    let active = indices(providers, Provider::is_active);
    if let [only] = active.as_slice() {
        report.remark(
            "model_routes",
            "is missing: every model goes to the only provider, under the client's name for it",
        );
        return vec![vendors::alone("*", *only)];
    }
    let mut routes: Vec<Route> = Vec::new();
    for i in active {
        let Some(provider) = providers.get(i) else {
            continue;
        };
        let vendor = provider
            .target
            .as_ref()
            .and_then(|it| vendors::of_host(&it.host));
        let patterns: &[&str] = match (vendor, provider.dialect) {
            (Some(vendor), _) => vendor.patterns,
            (None, Some(Dialect::Anthropic)) => &["claude*"],
            (None, Some(Dialect::Gemini)) => &["gemini-*"],
            (None, Some(Dialect::OpenAiChat | Dialect::OpenAiResponses) | None) => &[],
        };
        for pattern in patterns {
            if !routes.iter().any(|it| it.pattern == *pattern) {
                routes.push(vendors::alone(pattern, i));
            }
        }
    }
    if !routes.is_empty() {
        report.remark(
            "model_routes",
            "is missing: each provider serves its own vendor's model names only, without failover; write model_routes",
        );
    }
    routes
}

/// Providers without a route and routes without a provider serve nobody.
fn tell_unreached(
    routes: &[Route],
    rules: &[RouteRule],
    providers: &[Provider],
    report: &mut Report,
) {
    let active = |i: usize| providers.get(i).is_some_and(Provider::is_active);
    for route in routes {
        if !route.candidates.iter().any(|it| active(it.provider)) {
            report.warn(
                join("model_routes", &route.pattern),
                "has no active provider: its models get an error",
            );
        }
    }
    for rule in rules {
        if !rule.candidates.iter().any(|it| active(it.provider)) {
            report.warn(
                rule.label.clone(),
                "has no active provider: its requests take the routes behind it",
            );
        }
    }
    for (i, provider) in providers.iter().enumerate() {
        let of_routes = routes.iter().flat_map(|it| &it.candidates);
        let of_rules = rules.iter().flat_map(|it| &it.candidates);
        let reached = of_routes.chain(of_rules).any(|it| it.provider == i);
        if provider.is_active() && !reached {
            report.warn(
                format!("providers[{i}]"),
                format!(
                    "{}: no route names it; add it to model_routes",
                    provider.name
                ),
            );
        }
    }
}

/// The pattern for unknown models: the one asked for, else the first with sonnet, else the first with opus.
pub(super) fn default_route(
    settings: &Reader<'_>,
    routes: &[Route],
    report: &mut Report,
) -> Option<String> {
    let patterns = || routes.iter().map(|it| it.pattern.as_str());
    if let Some(asked) = settings.text("default_route") {
        if !patterns().any(|it| it == asked) {
            report.fault_at(
                settings.at("default_route"),
                asked,
                format!("is no pattern of model_routes{}", hint(asked, patterns())),
            );
        }
        return Some(asked.to_owned());
    }
    ["sonnet", "opus"].iter().find_map(|word| {
        patterns()
            .find(|it| it.to_ascii_lowercase().contains(word))
            .map(str::to_owned)
    })
}
