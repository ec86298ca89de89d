//! Providers of `type: zed`, a service that hosts models of several makers: how we sign in there, how it is spoken to,
//! how long its threads last and what they cost.
//!
//! The keys are those of the seeds' design (`zed_config`, `session_config`), read as the service really is: what they
//! call `burn` is `max` there, and a thread belongs to one conversation.

use crate::config::fault::Report;
use crate::config::model::{
    CallPath, Provider, ProviderAuth, Route, RouteCandidate, Settings, Target,
};
use crate::config::provider;
use crate::config::read::Reader;
use crate::config::tree::Node;
use crate::config::units;
use crate::config::url::{Address, masked};
use crate::config::walk::join;
use crate::config::zed_terms::{
    Billing, Generation, ThreadTerms, Trigger, Zed, ZedAccount, ZedMode,
};
use crate::types::{Dialect, MicroUsd, Secret};

/// The type as written.
pub(super) const TYPE: &str = "zed";
/// The service itself.
const SERVICE: &str = "https://cloud.zed.dev";
/// How a provider is signed in at: as an account, or with a token that somebody else takes care of.
pub(super) fn credentials(
    reader: &Reader<'_>,
    report: &mut Report,
) -> (ProviderAuth, Vec<Secret>, Option<ZedAccount>) {
    let asked = reader.choice("auth_type");
    let by_account = matches!(asked, None | Some("api_key"))
        && !matches!(reader.text("auth_value"), Some("passthrough" | "oauth"));
    if !by_account {
        let (auth, keys) = provider::credentials(reader, None, true, report);
        if matches!(auth, ProviderAuth::OAuth | ProviderAuth::ServiceAccount) {
            report.fault(
                reader.at("auth_type"),
                "does not exist with zed; give the account as `auth_value`, or a token with `auth_type: auth_token`",
            );
        }
        return (auth, keys, None);
    }
    if reader.has("api_keys") {
        report.fault(
            reader.at("api_keys"),
            "is one account each with zed; write a provider for each, told apart by `account_email`",
        );
    }
    // A reference that led nowhere, or a value of a wrong type, has been told already.
    let account = match (reader.text("auth_value"), reader.raw("auth_value")) {
        (Some(text), _) => account(text)
            .map_err(|remedy| report.fault(reader.at("auth_value"), remedy))
            .ok(),
        (None, None | Some(Node::Null)) => {
            let remedy = "is missing: give the account, its number and its access token in one text, for example \
                          ${ZED_ACCOUNT}";
            report.fault(reader.at("auth_value"), remedy);
            None
        }
        (None, Some(_)) => None,
    };
    (ProviderAuth::ZedAccount, Vec::new(), account)
}

/// `12345 token`; the error quotes nothing of it.
fn account(text: &str) -> Result<ZedAccount, String> {
    let again = "write the account's number, a space, and its access token";
    let Some((number, token)) = text.trim().split_once([' ', ':']) else {
        return Err(format!("is no account: {again}"));
    };
    let user_id = number
        .parse()
        .map_err(|_| format!("does not begin with an account's number: {again}"))?;
    let token = token.trim();
    if token.is_empty() || !token.bytes().all(|it| it.is_ascii_graphic()) {
        return Err(format!(
            "holds no access token that fits into a header: {again}"
        ));
    }
    Ok(ZedAccount {
        user_id,
        access_token: Secret::new(token.to_owned()),
    })
}

/// The address for people, and where requests go.
pub(super) fn target(reader: &Reader<'_>, report: &mut Report) -> (String, Option<Target>) {
    if reader.has("endpoint_url") {
        report.fault(
            reader.at("endpoint_url"),
            "cannot be used with zed, which has several paths; use `base_url`",
        );
    }
    let base = reader.text("base_url").unwrap_or(SERVICE);
    let shown = masked(base).trim_end_matches('/').to_owned();
    let address = provider::parsed(reader, "base_url", base, Address::parse_base, report);
    let target = address.map(|address| {
        let root = address.path.trim_end_matches('/');
        let inference = CallPath::Fixed(format!("{root}/completions"));
        Target {
            models: Some(format!("{root}/models")),
            ..address.target_at(inference)
        }
    });
    (shown, target)
}

/// Reads the terms of all providers of this type; what a provider does not say itself, `settings` and the top say.
pub(super) fn terms(
    top: &Reader<'_>,
    settings: &Reader<'_>,
    providers: &mut [Provider],
    report: &mut Report,
) {
    let readers = top.list("providers");
    for (provider, reader) in providers.iter_mut().zip(&readers) {
        let own = [reader, settings];
        let written = own
            .iter()
            .find_map(|it| it.choice("billing_model").and_then(Billing::of_word));
        if let Some(billing) = written {
            provider.billing = billing;
        }
        let mut unheard = Report::new("");
        let judge = if provider.enabled {
            &mut *report
        } else {
            &mut unheard
        };
        let Some(zed) = &mut provider.zed else {
            for key in ["zed_config", "session_config"] {
                if reader.has(key) {
                    judge.warn(
                        reader.at(key),
                        "has no effect: only providers of `type: zed` have one",
                    );
                }
            }
            continue;
        };
        let sections = [reader, settings, top].map(|it| it.section("zed_config"));
        let sessions = own.map(|it| it.section("session_config"));
        read(
            zed,
            &Layers(sections.to_vec()),
            &Layers(sessions.to_vec()),
            judge,
        );
    }
}

fn read(zed: &mut Zed, own: &Layers<'_>, session: &Layers<'_>, report: &mut Report) {
    zed.generation = match own.first("generation", |it| it.count::<u64>("generation")) {
        Some(2025) => Generation::Of2025,
        _ => Generation::Of2026,
    };
    let text = |key| own.first(key, |it| it.text(key)).map(str::to_owned);
    zed.version = text("version");
    zed.organization_id = text("organization_id");
    zed.system_id = text("system_id");
    for (key, value) in [("version", &zed.version), ("system_id", &zed.system_id)] {
        if value
            .as_ref()
            .is_some_and(|it| !it.bytes().all(|it| it.is_ascii_graphic()))
        {
            report.fault(own.at(key), "does not fit into a header");
        }
    }
    if own.first("openai_dialect", |it| it.choice("openai_dialect")) == Some("openai") {
        zed.openai = Dialect::OpenAiChat;
    }
    let mode = |from: &Layers<'_>| from.first("default_mode", |it| it.choice("default_mode"));
    zed.mode = mode(own)
        .or_else(|| mode(session))
        .map_or(zed.mode, ZedMode::of_word);
    if let Some(words) = own.first("auto_mode_triggers", |it| {
        Some(it.texts("auto_mode_triggers"))
    }) {
        zed.triggers = words.into_iter().filter_map(Trigger::of_word).collect();
    }
    if zed.mode == ZedMode::Max && zed.generation == Generation::Of2026 {
        report.warn(
            own.at("default_mode"),
            "is not told to a service of 2026, which has no modes; it decides only what is counted here",
        );
    }
    threads(&mut zed.threads, own, session, report);
    modes(zed, session, report);
}

fn threads(terms: &mut ThreadTerms, own: &Layers<'_>, session: &Layers<'_>, report: &mut Report) {
    let context = own.section("context_management");
    let management = own.section("thread_management");
    let errors = management.section("error_classification");
    let tokens =
        |it: &Layers<'_>| it.first("max_context_tokens", |it| it.tokens("max_context_tokens"));
    terms.max_context = tokens(&context).or_else(|| tokens(session));
    if let Some(part) = context.first("rotation_threshold", |it| it.number("rotation_threshold")) {
        if 0.0 < part && part <= 1.0 {
            terms.threshold = part;
        } else {
            let path = context.at("rotation_threshold");
            report.fault_at(path, &part.to_string(), "must be above 0 and at most 1");
        }
    }
    let ttl = management.first("ttl", |it| it.duration("ttl"));
    let ttl = ttl.or_else(|| session.first("session_ttl", |it| it.duration("session_ttl")));
    terms.ttl = ttl.unwrap_or(terms.ttl);
    let rotates = management.first("auto_rotate", |it| it.boolean("auto_rotate"));
    terms.auto_rotate = rotates.unwrap_or(terms.auto_rotate);
    let retries = management.first("max_retries", |it| it.count("max_retries"));
    terms.max_retries = retries.unwrap_or(terms.max_retries);
    let texts = |key: &'static str| {
        let written = errors.first(key, |it| Some(it.texts(key)));
        written.map(|it| it.into_iter().map(str::to_owned).collect::<Vec<String>>())
    };
    if let Some(codes) = texts("thread_rotation_errors") {
        terms.thread_errors = codes;
    }
    if let Some(codes) = texts("prompt_continuation_errors") {
        terms.prompt_errors = codes;
    }
}

fn modes(zed: &mut Zed, session: &Layers<'_>, report: &mut Report) {
    let most = "max_tool_calls_per_session";
    limit_calls(&mut zed.normal.max_tool_calls, session, most, report);
    let modes = session.section("modes");
    for (key, terms) in [("normal", &mut zed.normal), ("max", &mut zed.max)] {
        let written = modes.section(key);
        let dollars = |key: &'static str| {
            let dollars = written.first(key, |it| it.number(key));
            MicroUsd::of_dollars(dollars.unwrap_or_default())
        };
        terms.per_prompt = dollars("cost_per_prompt");
        terms.per_request = dollars("cost_per_request");
        let limit = &mut terms.max_tool_calls;
        limit_calls(limit, &written, "max_tool_calls", report);
    }
}

/// A number of calls, or -1 for no limit, over what `limit` is otherwise.
fn limit_calls(limit: &mut Option<u64>, from: &Layers<'_>, key: &'static str, report: &mut Report) {
    let Some(node) = from.first(key, |it| it.raw(key)) else {
        return;
    };
    let count = units::count(node).filter(|it| 0 < *it);
    if count.is_some() || units::number(node) == Some(-1.0) {
        *limit = count;
    } else if !matches!(node, Node::Broken) {
        report.fault(
            from.at(key),
            "must be a whole number above 0, or -1 for no limit",
        );
    }
}

/// The same section in several places; the first that says something counts.
#[derive(Clone)]
struct Layers<'a>(Vec<Reader<'a>>);

impl<'a> Layers<'a> {
    fn first<T>(&self, key: &str, read: impl Fn(&Reader<'a>) -> Option<T>) -> Option<T> {
        let saying = self.0.iter().find(|it| it.has(key))?;
        read(saying)
    }

    fn section(&self, key: &str) -> Layers<'a> {
        Layers(self.0.iter().map(|it| it.section(key)).collect())
    }

    fn at(&self, key: &str) -> String {
        let saying = self.0.iter().find(|it| it.has(key)).or(self.0.first());
        saying.map_or_else(|| key.to_owned(), |it| it.at(key))
    }
}

/// Says what a mode that is asked for does not do, and what cannot be told apart.
pub(super) fn check_routes(
    settings: &Settings,
    providers: &[Provider],
    routes: &[Route],
    report: &mut Report,
) {
    let candidates = || routes.iter().flat_map(|it| &it.candidates);
    for (route, candidate) in routes
        .iter()
        .flat_map(|route| route.candidates.iter().map(move |it| (route, it)))
    {
        let provider = providers.get(candidate.provider);
        let (Some(mode), Some(provider)) = (candidate.wish.mode, provider) else {
            continue;
        };
        let path = join("model_routes", &route.pattern);
        let name = &provider.name;
        match &provider.zed {
            None => report.warn(
                path,
                format!("`mode` has no effect with {name}: only providers of `type: zed` have modes"),
            ),
            Some(zed) if zed.generation == Generation::Of2026 && mode == ZedMode::Max => report.warn(
                path,
                format!(
                    "mode max is not told to {name}: services of 2026 have no modes; it decides only what is counted here"
                ),
            ),
            Some(_) => {}
        }
    }
    let billing = |it: &RouteCandidate| {
        let provider = providers.get(it.provider).map(|it| it.billing);
        it.wish.billing.or(provider)
    };
    let mut classes: Vec<Billing> = candidates().filter_map(billing).collect();
    classes.dedup();
    if settings.classes.is_some() && classes.len() < 2 {
        report.remark(
            "routing",
            "has nothing to choose: all candidates are billed alike; see `billing_model`",
        );
    }
}
