//! Providers of `type: zed`, a service that hosts models of several makers: how we sign in there, how it is spoken to,
//! how long its threads last and what they cost.
//!
//! The keys are those of the seeds' design (`zed_config`, `session_config`), read as the service really is: what they
//! call `burn` is `max` there, and a thread belongs to one conversation.

use std::fmt;
use std::time::Duration;

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
use crate::types::{Dialect, MicroUsd, Secret};

/// The type as written.
pub(super) const TYPE: &str = "zed";
/// The service itself.
const SERVICE: &str = "https://cloud.zed.dev";
/// What a thread holds where nobody says, tokens.
pub const DEFAULT_CONTEXT: u64 = 120_000;
/// Calls of tools of a thread in normal mode where nobody says.
const DEFAULT_TOOL_CALLS: u64 = 25;
/// Codes that say that a thread cannot go on. Those of the seeds; the service is free to have others.
const THREAD_ERRORS: [&str; 6] = [
    "context_length_exceeded",
    "thread_expired",
    "thread_not_found",
    "thread_limit_reached",
    "invalid_thread_state",
    "thread_corrupted",
];
/// Codes that say that a prompt cannot go on.
const PROMPT_ERRORS: [&str; 3] = [
    "tool_calls_limit_exceeded",
    "tool_use_limit_reached",
    "user_interaction_required",
];

/// What is paid for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Billing {
    /// Tokens.
    Token,
    /// Prompts or requests, however large.
    Session,
}

impl Billing {
    /// The words of the configuration, and of a request's own wish.
    pub const WORDS: &[&str] = &["token_based", "session_based", "token", "session"];

    /// What a word means.
    pub fn of_word(word: &str) -> Option<Self> {
        match word {
            "token_based" | "token" => Some(Billing::Token),
            "session_based" | "session" => Some(Billing::Session),
            _ => None,
        }
    }

    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Billing::Token => "token_based",
            Billing::Session => "session_based",
        }
    }
}

/// How much of a model is asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum ZedMode {
    /// The usual.
    #[default]
    Normal,
    /// More context and as many calls of tools as it takes.
    Max,
    /// Whichever fits the request.
    Auto,
}

impl ZedMode {
    /// The words of the configuration.
    pub(super) const WORDS: &[&str] = &["normal", "max", "burn", "auto"];

    /// What a word means.
    pub(super) fn of_word(word: &str) -> Self {
        match word {
            "max" | "burn" => ZedMode::Max,
            "auto" => ZedMode::Auto,
            _ => ZedMode::Normal,
        }
    }

    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            ZedMode::Normal => "normal",
            ZedMode::Max => "max",
            ZedMode::Auto => "auto",
        }
    }
}

/// What makes a request large.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trigger {
    /// A long text, or one about several files.
    ComplexCodingTask,
    /// Words that speak of work in several steps.
    MultiStepAnalysis,
    /// Tools.
    AgentPanelUsage,
}

impl Trigger {
    /// The words of the configuration.
    pub(super) const WORDS: &[&str] = &[
        "complex_coding_task",
        "multi_step_analysis",
        "agent_panel_usage",
    ];
    /// All of them, in the order of their words.
    const ALL: [Trigger; 3] = [
        Trigger::ComplexCodingTask,
        Trigger::MultiStepAnalysis,
        Trigger::AgentPanelUsage,
    ];

    fn of_word(word: &str) -> Option<Self> {
        let mut pairs = Trigger::WORDS.iter().zip(Trigger::ALL);
        pairs.find_map(|(it, trigger)| (*it == word).then_some(trigger))
    }

    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Trigger::ComplexCodingTask => "complex_coding_task",
            Trigger::MultiStepAnalysis => "multi_step_analysis",
            Trigger::AgentPanelUsage => "agent_panel_usage",
        }
    }
}

/// Which interface of the service is spoken to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Generation {
    /// Late 2025: it is told mode and intent, and an answer ends with its connection.
    Of2025,
    /// 2026: neither, and it says when a stream has ended.
    #[default]
    Of2026,
}

impl Generation {
    /// The year.
    pub fn year(self) -> u16 {
        match self {
            Generation::Of2025 => 2025,
            Generation::Of2026 => 2026,
        }
    }
}

/// Who we are at the service.
#[derive(Clone, PartialEq, Eq)]
pub struct ZedAccount {
    /// The account's number.
    pub user_id: u64,
    /// What it was granted when it signed in.
    pub access_token: Secret,
}

impl fmt::Debug for ZedAccount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ZedAccount(***)")
    }
}

/// How the service is spoken to.
#[derive(Clone, Debug, PartialEq)]
pub struct Zed {
    /// Who signs in there for tokens; `None` where somebody else takes care of them.
    pub account: Option<ZedAccount>,
    /// Which of its interfaces.
    pub generation: Generation,
    /// The version of the editor to speak as.
    pub version: Option<String>,
    /// Who pays; `None` is the account's default.
    pub organization_id: Option<String>,
    /// The machine that signs in.
    pub system_id: Option<String>,
    /// What is spoken with OpenAI's models there.
    pub openai: Dialect,
    /// The mode to ask in.
    pub mode: ZedMode,
    /// What looks large under `auto`.
    pub triggers: Vec<Trigger>,
    /// How long threads last.
    pub threads: ThreadTerms,
    /// What the normal mode costs and allows.
    pub normal: ModeTerms,
    /// What the larger one does.
    pub max: ModeTerms,
}

impl Default for Zed {
    fn default() -> Self {
        Zed {
            account: None,
            generation: Generation::default(),
            version: None,
            organization_id: None,
            system_id: None,
            openai: Dialect::OpenAiResponses,
            mode: ZedMode::default(),
            triggers: Trigger::ALL.to_vec(),
            threads: ThreadTerms::default(),
            normal: ModeTerms {
                max_tool_calls: Some(DEFAULT_TOOL_CALLS),
                ..ModeTerms::default()
            },
            max: ModeTerms::default(),
        }
    }
}

impl Zed {
    /// What a mode costs and allows.
    pub fn terms(&self, is_max: bool) -> &ModeTerms {
        if is_max { &self.max } else { &self.normal }
    }
}

/// How long threads last.
#[derive(Clone, Debug, PartialEq)]
pub struct ThreadTerms {
    /// What a thread holds, tokens; `None` is the model's window.
    pub max_context: Option<u64>,
    /// Part of it from which on a new one begins.
    pub threshold: f64,
    /// Rest after which a new one begins.
    pub ttl: Duration,
    /// Whether a new one begins before the service refuses the old one.
    pub auto_rotate: bool,
    /// New ones for one request.
    pub max_retries: u32,
    /// Codes upon which a new thread begins.
    pub thread_errors: Vec<String>,
    /// Codes upon which a new prompt begins.
    pub prompt_errors: Vec<String>,
}

impl Default for ThreadTerms {
    fn default() -> Self {
        let texts = |list: &[&str]| list.iter().map(|it| (*it).to_owned()).collect();
        ThreadTerms {
            max_context: None,
            threshold: 0.8,
            ttl: Duration::from_secs(3600),
            auto_rotate: true,
            max_retries: 3,
            thread_errors: texts(&THREAD_ERRORS),
            prompt_errors: texts(&PROMPT_ERRORS),
        }
    }
}

/// What a mode costs and allows.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ModeTerms {
    /// A prompt, with all calls of tools that come of it.
    pub per_prompt: MicroUsd,
    /// Each request.
    pub per_request: MicroUsd,
    /// Calls of tools of a thread; `None` is no limit.
    pub max_tool_calls: Option<u64>,
}

impl ModeTerms {
    /// Whether anything is said about costs.
    pub fn has_costs(&self) -> bool {
        self.per_prompt != MicroUsd(0) || self.per_request != MicroUsd(0)
    }
}

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
