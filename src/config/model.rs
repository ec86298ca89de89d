//! The checked configuration: every name resolved, every value in range. Nothing past this point sees what the
//! human wrote.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use crate::config::classes::Classes;
use crate::config::egress::Way;
use crate::config::listeners::Listener;
use crate::config::oauth::{OAuthProfile, OAuthSettings};
use crate::config::service_account::ServiceAccount;
use crate::config::zed_terms::{Billing, Zed, ZedMode};
use crate::types::quirks::ThinkingStyle;
use crate::types::{Dialect, EndpointId, MicroUsd, Network, Quirks, Secret, Vendor};

/// All of it.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where it came from.
    pub source: Source,
    /// In file order, disabled and not-yet-active ones included, so that people see them.
    pub providers: Vec<Provider>,
    /// In file order.
    pub routes: Vec<Route>,
    /// In file order; the first that fits a request stands in for its route.
    pub rules: Vec<RouteRule>,
    /// Pattern (as written in `routes`) that serves unknown models.
    pub default_route: Option<String>,
    /// Behaviour.
    pub settings: Settings,
    /// Where it listens: the short form first, then the list, then that of `admin.listen`.
    pub listeners: Vec<Listener>,
    /// Who may call.
    pub auth: Auth,
    /// Who may administer.
    pub admin: Admin,
    /// Who may be signed in as by OAuth.
    pub oauth: OAuthSettings,
    /// Where usage is written down, if it is.
    pub ledger: Option<LedgerSettings>,
    /// What people should be told once at start: deprecated keys, keys not active yet, doubtful values.
    pub notes: Vec<Note>,
}

/// Where a configuration came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A file.
    File(PathBuf),
    /// Provider keys in the environment.
    Environment,
    /// Neither: the simulated providers.
    Demo,
}

/// Something to tell once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// Where: `settings.cooldown_seconds`.
    pub path: String,
    /// What: lower case, names the remedy.
    pub text: String,
    /// Whether it deserves a warning rather than a remark.
    pub warning: bool,
}

/// One endpoint: a base URL with its credentials.
#[derive(Clone, Debug)]
pub struct Provider {
    /// Identity that health and statistics hang on.
    pub id: EndpointId,
    /// As written; several accounts may share it.
    pub name: String,
    /// The account, where several share the name.
    pub account_email: Option<String>,
    /// The type as written: `anthropic`, `openai`, `zed` …
    pub kind: String,
    /// The wire protocol; with Zed that of most of its models.
    pub dialect: Option<Dialect>,
    /// On whose platform it runs.
    pub platform: Platform,
    /// Whose service it is, where the operator says so; otherwise its host tells.
    pub vendor: Option<&'static Vendor>,
    /// As written, without a trailing slash, for people.
    pub base_url: String,
    /// Where requests go; `None` for a provider that is not active.
    pub target: Option<Target>,
    /// How we sign in.
    pub auth: ProviderAuth,
    /// The header that a key goes into under `api_key`; `None` is the dialect's usual one.
    pub key_header: Option<&'static str>,
    /// Credentials in file order; empty unless `auth` needs one.
    pub keys: Vec<Secret>,
    /// Whose tokens we sign in with, where `auth` says so.
    pub service_account: Option<ServiceAccount>,
    /// Where and how we sign in by OAuth, where `auth` says so.
    pub oauth: Option<OAuthProfile>,
    /// Stands, with others of its name, for one that names no account: they take turns as `key_strategy` says.
    pub takes_turns: bool,
    /// How one of several keys is chosen.
    pub key_strategy: KeyStrategy,
    /// As written.
    pub enabled: bool,
    /// Why it is skipped although enabled.
    pub inactive: Option<String>,
    /// Headers added to every request: lower-case names, and values that are often credentials.
    pub headers: Vec<(String, Secret)>,
    /// How it is reached.
    pub way: Way,
    /// Limits of time, the settings already applied.
    pub timeouts: Timeouts,
    /// HTTP version towards the provider.
    pub http2: Http2,
    /// Requests at once; `None` is no limit.
    pub max_in_flight: Option<usize>,
    /// Requests a minute with each key; `None` is no limit.
    pub rpm: Option<u64>,
    /// Tokens a minute with each key; `None` is no limit.
    pub tpm: Option<u64>,
    /// Active health check.
    pub probe: Option<Probe>,
    /// Where an OpenAI-compatible service differs, for all its models.
    pub quirks: Quirks,
    /// Declared facts about models, by glob pattern of the upstream model.
    pub models: BTreeMap<String, ModelFacts>,
    /// Legacy: model for all names that are not small ones (`None`, or `passthrough`, or a name).
    pub big_model: Option<String>,
    /// Legacy: model for names with `haiku`, `mini`, `flash`.
    pub small_model: Option<String>,
    /// The provider answers every call with a stream; JSON answers are assembled from it.
    pub stream_only: bool,
    /// What is paid for there.
    pub billing: Billing,
    /// How Zed's service is spoken to, where this is it.
    pub zed: Option<Zed>,
}

impl Provider {
    /// Whether requests may be sent to it.
    pub fn is_active(&self) -> bool {
        self.enabled && self.inactive.is_none() && self.target.is_some()
    }
}

/// On whose platform a provider's models run: others than the vendor's own want the same dialect in another envelope.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Platform {
    /// The vendor's, or what passes for it.
    #[default]
    Own,
    /// Google Cloud's: the model stands in the path, the version in the body.
    Vertex,
    /// Zed's: models of several makers, each in its own dialect, in an envelope.
    Zed,
}

/// Where requests to a provider go. Paths are complete and start with `/`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Whether TLS is spoken.
    pub tls: bool,
    /// Host name or address, without brackets.
    pub host: String,
    /// Port.
    pub port: u16,
    /// The `host` header: with port unless it is the scheme's own, IPv6 in brackets.
    pub authority: String,
    /// The inference call.
    pub inference: CallPath,
    /// The call that counts tokens; `None` where the provider has none.
    pub count_tokens: Option<CallPath>,
    /// Path of the list of models; `None` when `endpoint_url` replaced the whole URL.
    pub models: Option<String>,
}

/// Path of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CallPath {
    /// The same for all models, for example `/v1/messages` or `/api/v1/chat/completions`.
    Fixed(String),
    /// The model is part of it: `/v1beta/models/{model}:generateContent`.
    PerModel {
        /// What stands before the model.
        before: String,
        /// What follows it when a whole answer is asked for.
        whole: &'static str,
        /// What follows it when a stream is asked for.
        stream: &'static str,
    },
}

impl CallPath {
    /// The path for `model`, with its query.
    pub fn of(&self, model: &str, streamed: bool) -> String {
        match self {
            CallPath::Fixed(path) => path.clone(),
            CallPath::PerModel {
                before,
                whole,
                stream,
            } => {
                let mut path = before.clone();
                push_segment(model, &mut path);
                path.push_str(if streamed { stream } else { whole });
                path
            }
        }
    }

    /// The path for people.
    pub fn shown(&self) -> String {
        match self {
            CallPath::Fixed(path) => path.split('?').next().unwrap_or_default().to_owned(),
            CallPath::PerModel { before, whole, .. } => format!("{before}{{model}}{whole}"),
        }
    }
}

/// A client names the model: nothing of it may end the path segment it stands in.
fn push_segment(text: &str, out: &mut String) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~' | b'@') {
            out.push(char::from(byte));
        } else {
            out.push('%');
            for nibble in [byte >> 4, byte & 15] {
                out.extend(HEX.get(usize::from(nibble)).map(|it| char::from(*it)));
            }
        }
    }
}

/// How we sign in at a provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProviderAuth {
    /// The dialect's usual way: `x-api-key` for Anthropic, `x-goog-api-key` for Gemini, `Authorization: Bearer` for
    /// OpenAI's dialects, `api-key` for those at Azure.
    ApiKey,
    /// `Authorization: Bearer`.
    AuthToken,
    /// `Authorization: Bearer` with a token that is fetched for a service account.
    ServiceAccount,
    /// The client's own credential.
    Passthrough,
    /// Nothing.
    None,
    /// `Authorization: Bearer` with a token of an account that has signed in by OAuth.
    OAuth,
    /// `Authorization: Bearer` with a token that is fetched for an account of Zed's.
    ZedAccount,
}

/// How one of several keys is chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum KeyStrategy {
    /// One after the other.
    #[default]
    RoundRobin,
    /// Any.
    Random,
    /// The first usable one in file order.
    Failover,
}

/// HTTP version towards a provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Http2 {
    /// Over TLS whatever the provider offers, in the clear HTTP/1.1.
    #[default]
    Auto,
    /// Always; in the clear with prior knowledge.
    On,
    /// Never.
    Off,
}

/// Limits of time of one attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// TCP connection.
    pub connect: Duration,
    /// TCP and TLS together.
    pub connect_total: Duration,
    /// Head of a streamed answer.
    pub first_byte: Duration,
    /// Head of an answer that is not streamed, which is the whole answer.
    pub first_byte_whole: Duration,
    /// First content of a streamed answer.
    pub first_content: Duration,
    /// Silence between two pieces of an answer.
    pub idle: Duration,
}

impl Default for Timeouts {
    /// The defaults of DESIGN §4.
    fn default() -> Self {
        Timeouts {
            connect: Duration::from_secs(2),
            connect_total: Duration::from_secs(5),
            first_byte: Duration::from_secs(60),
            first_byte_whole: Duration::from_secs(600),
            first_content: Duration::from_secs(180),
            idle: Duration::from_secs(90),
        }
    }
}

/// An active health check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probe {
    /// Time between two checks.
    pub interval: Duration,
    /// What is asked.
    pub ask: ProbeAsk,
}

/// What a probe asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProbeAsk {
    /// `GET` of a path; any status below 500 counts as alive.
    Path(String),
    /// A request of one token to this model; costs money.
    Model(String),
}

/// Declared facts about a model; `None` is unknown, which never excludes it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ModelFacts {
    /// Context window in tokens.
    pub context: Option<u64>,
    /// Largest `max_tokens` it accepts; larger ones are clamped when translating.
    pub max_output: Option<u64>,
    /// Takes tools.
    pub tools: Option<bool>,
    /// Takes pictures.
    pub images: Option<bool>,
    /// Takes documents (PDF).
    pub documents: Option<bool>,
    /// Can think.
    pub thinking: Option<bool>,
    /// How it thinks.
    pub thinking_style: Option<ThinkingStyle>,
    /// Keeps to a JSON Schema that the request gives.
    pub structured_output: Option<bool>,
    /// Continues an answer that the client has begun.
    pub prefill: Option<bool>,
    /// Dollars per million tokens.
    pub price: Option<DeclaredPrice>,
    /// Where an OpenAI-compatible service differs, for this model.
    pub quirks: Quirks,
}

/// A price as the operator declares it, in dollars per million tokens.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DeclaredPrice {
    /// Input.
    pub input: f64,
    /// Output.
    pub output: f64,
    /// Input read from the provider's cache; absent: the usual part of the input's price.
    pub cache_read: Option<f64>,
    /// Input written to the provider's cache; absent: likewise.
    pub cache_write: Option<f64>,
}

/// One pattern and who serves it.
#[derive(Clone, Debug)]
pub struct Route {
    /// As written: `*sonnet*`, `claude-opus-4-1`.
    pub pattern: String,
    /// In file order; disabled ones are gone, ones on inactive providers stay.
    pub candidates: Vec<RouteCandidate>,
    /// How.
    pub terms: Terms,
}

/// How the requests of a route are served, whoever serves them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Terms {
    /// What happens when a translation cannot say everything.
    pub on_loss: OnLoss,
    /// How long an attempt may be silent, where it is not as long as its provider says.
    pub stalls: Stalls,
    /// Silence of an attempt before another one begins beside it; `None` never.
    pub hedge_after: Option<Duration>,
}

/// The timers of a route; `None` leaves a provider's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Stalls {
    /// Head of a streamed answer.
    pub first_byte: Option<Duration>,
    /// Head of an answer that is not streamed, which is the whole answer.
    pub first_byte_whole: Option<Duration>,
    /// First content of a streamed answer.
    pub first_content: Option<Duration>,
    /// Silence between two pieces of an answer.
    pub idle: Option<Duration>,
}

impl Stalls {
    /// These timers over a provider's.
    pub fn over(&self, base: Timeouts) -> Timeouts {
        Timeouts {
            connect: base.connect,
            connect_total: base.connect_total,
            first_byte: self.first_byte.unwrap_or(base.first_byte),
            first_byte_whole: self.first_byte_whole.unwrap_or(base.first_byte_whole),
            first_content: self.first_content.unwrap_or(base.first_content),
            idle: self.idle.unwrap_or(base.idle),
        }
    }
}

/// What happens when a translation cannot say everything that a request says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum OnLoss {
    /// The request goes out; what was lost is told in the log.
    #[default]
    Warn,
    /// The next candidate is tried; when none is left, the client is told what was lost.
    Refuse,
}

impl OnLoss {
    /// The words of the configuration.
    pub(super) const WORDS: &[&str] = &["warn", "refuse"];

    /// What a word means.
    pub(super) fn of_word(word: &str) -> Self {
        if word == "refuse" {
            OnLoss::Refuse
        } else {
            OnLoss::Warn
        }
    }

    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            OnLoss::Warn => "warn",
            OnLoss::Refuse => "refuse",
        }
    }
}

/// A route for some requests only.
#[derive(Clone, Debug)]
pub struct RouteRule {
    /// How logs and people call it: `route_rules[0]`.
    pub label: String,
    /// Patterns of the models it is about.
    pub models: Vec<String>,
    /// What else must hold.
    pub when: When,
    /// As in a route.
    pub candidates: Vec<RouteCandidate>,
    /// How.
    pub terms: Terms,
}

/// What must hold of a request; all that is given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct When {
    /// Whether a sub-agent asks.
    pub agent: Option<bool>,
    /// The prompt is estimated to be longer, in tokens.
    pub tokens_over: Option<u64>,
    /// The prompt is estimated to be shorter, in tokens.
    pub tokens_under: Option<u64>,
    /// Whether there are pictures in it.
    pub images: Option<bool>,
    /// Whether thinking is asked for.
    pub thinking: Option<bool>,
    /// Headers, in lower case, and the whole value each must have.
    pub headers: Vec<(String, String)>,
}

impl When {
    /// Whether nothing is asked.
    pub fn is_empty(&self) -> bool {
        *self == When::default()
    }
}

/// One way to serve a route.
#[derive(Clone, Debug, PartialEq)]
pub struct RouteCandidate {
    /// Index into `Config::providers`.
    pub provider: usize,
    /// The model to send; `None` is `passthrough`.
    pub model: Option<String>,
    /// Smaller is tried first.
    pub priority: u32,
    /// Share among equals under the strategy `weighted`.
    pub weight: f64,
    /// What else is said of it.
    pub wish: Wish,
}

/// What a candidate is to be like, where that is not as its provider says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wish {
    /// The mode to ask in, with Zed.
    pub mode: Option<ZedMode>,
    /// What is paid for.
    pub billing: Option<Billing>,
}

/// How candidates of equal priority are ordered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Strategy {
    /// File order.
    #[default]
    Priority,
    /// One after the other.
    RoundRobin,
    /// Any.
    Random,
    /// By weight.
    Weighted,
    /// The one with the fewest requests under way.
    LeastBusy,
    /// The faster of two drawn by lot.
    Fastest,
    /// By price.
    Cheapest,
}

impl Strategy {
    /// The word of the configuration.
    pub fn word(self) -> &'static str {
        match self {
            Strategy::Priority => "priority",
            Strategy::RoundRobin => "round_robin",
            Strategy::Random => "random",
            Strategy::Weighted => "weighted",
            Strategy::LeastBusy => "least_busy",
            Strategy::Fastest => "fastest",
            Strategy::Cheapest => "cheapest",
        }
    }
}

/// Behaviour.
#[derive(Clone, Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a switch of the file by itself"
)]
pub struct Settings {
    /// Address to listen on.
    pub host: String,
    /// Port to listen on; 0 picks a free one.
    pub port: u16,
    /// Worker threads; `None` is one per core.
    pub threads: Option<usize>,
    /// Order of candidates.
    pub strategy: Strategy,
    /// What routes say that do not say it themselves.
    pub terms: Terms,
    /// How long an open circuit stays open at first.
    pub failure_cooldown: Duration,
    /// Errors that open a circuit.
    pub unhealthy_threshold: u32,
    /// Within this time; zero never forgets.
    pub unhealthy_reset_timeout: Duration,
    /// Whether a success zeroes the count.
    pub unhealthy_reset_on_success: bool,
    /// Statuses that count as errors besides the table of FAILURES §1; client faults never do.
    pub unhealthy_http_codes: Vec<u16>,
    /// Texts (case-insensitive) in an error message that count as errors; seeds' `unhealthy_error_types`,
    /// `failover_error_types` and `unhealthy_exception_patterns` end here.
    pub unhealthy_texts: Vec<String>,
    /// Regular expressions on short error-like bodies.
    pub unhealthy_response_body_patterns: Vec<String>,
    /// Texts (case-insensitive) that mean a credential has no money left, beyond the built-in ones.
    pub credit_patterns: Vec<String>,
    /// Bench of a credential without money.
    pub credit_cooldown: Duration,
    /// How often a refused key is looked at again where no probe does; zero never.
    pub key_recheck: Duration,
    /// Try the endpoint whose cooldown ends first rather than refuse.
    pub fail_open: bool,
    /// Candidates tried for one request.
    pub max_attempts: usize,
    /// Keys tried of one candidate.
    pub max_keys_per_candidate: usize,
    /// Longest wait for a lone rate-limited or overloaded provider.
    pub max_retry_wait: Duration,
    /// Whole request until the commit.
    pub request_deadline: Duration,
    /// Silence before a streaming client gets its head and pings.
    pub ping_after: Duration,
    /// Time between two pings.
    pub ping_interval: Duration,
    /// Longest wait for a client that does not read.
    pub client_write_timeout: Duration,
    /// Longest wait for a client's whole request head, and for silence inside its body.
    pub client_read_timeout: Duration,
    /// Idle keep-alive of a client's connection.
    pub keepalive_timeout: Duration,
    /// Bytes of one request body.
    pub max_body_bytes: usize,
    /// Bytes of all request bodies in memory.
    pub max_buffered_bytes: usize,
    /// Connections of clients at once.
    pub max_connections: usize,
    /// Connections of one client address at once; `None` is no limit.
    pub max_connections_per_address: Option<usize>,
    /// Requests at once over all; `None` is no limit.
    pub max_in_flight: Option<usize>,
    /// Limits of each client address.
    pub per_address: PerAddress,
    /// Proxies in front of us, whose word on where a client is counts.
    pub trusted_proxies: Vec<Network>,
    /// A load balancer announces the client at the beginning of each connection (PROXY protocol).
    pub proxy_protocol: bool,
    /// Web pages that may call; `None`: none.
    pub cors: Option<Cors>,
    /// Drain on shutdown.
    pub drain_timeout: Duration,
    /// How often the configuration's files are looked at; zero never.
    pub watch_config: Duration,
    /// Longest time until a new worker serves.
    pub upgrade_timeout: Duration,
    /// Where the supervisor has its control socket; `None` is one of the system's places.
    pub runtime_dir: Option<PathBuf>,
    /// Whether a crash may leave the memory on disk.
    pub core_dumps: bool,
    /// Whether sessions stay where they were served.
    pub affinity: AffinitySettings,
    /// Token counting.
    pub token_counting: TokenCounting,
    /// Identical calls at once.
    pub deduplication: Deduplication,
    /// Answers that are given again; `None` keeps none.
    pub cache: Option<CacheSettings>,
    /// Logs.
    pub log: LogSettings,
    /// The lines of requests.
    pub access_log: AccessLog,
    /// Traces; `None` makes none.
    pub tracing: Option<Tracing>,
    /// Bodies that are kept for people to look at; `None` keeps none.
    pub capture: Option<Capture>,
    /// `service` in the answer of `GET /`.
    pub app_name: String,
    /// What the process is run for.
    pub mode: Mode,
    /// The page that tells how it fares.
    pub health_page: HealthPage,
    /// Which requests are better paid for by tokens, and which by sessions; `None`: nobody asks.
    pub classes: Option<Classes>,
}

/// The page that tells how it fares.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HealthPage {
    /// Whether there is one.
    pub enabled: bool,
    /// Where it would be.
    pub path: String,
}

impl HealthPage {
    /// Where it is; `None`: nowhere.
    pub fn path(&self) -> Option<&str> {
        self.enabled.then_some(self.path.as_str())
    }
}

/// What the process is run for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Mode {
    /// For people who rely on it.
    #[default]
    Production,
    /// To be looked into: `GET /admin/dev/info`.
    Development,
}

impl Mode {
    /// The words of the configuration.
    pub const WORDS: &'static [&'static str] = &["production", "development"];

    /// The word of the configuration.
    pub fn word(self) -> &'static str {
        match self {
            Mode::Production => "production",
            Mode::Development => "development",
        }
    }
}

/// Web pages that may call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cors {
    /// Their origins, exactly as browsers write them: `https://app.example`.
    pub origins: Vec<String>,
    /// Any page at all.
    pub any_origin: bool,
    /// How long a browser need not ask again.
    pub max_age: Duration,
}

/// Whether, and for how long, sessions stay where they were served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AffinitySettings {
    /// They do.
    pub enabled: bool,
    /// For this long after each answer: the life of the provider's prompt cache.
    pub ttl: Duration,
    /// How long a better candidate must be well before a session that was pushed to a lower priority goes back.
    pub return_after: Duration,
}

/// Token counting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenCounting {
    /// Never ask a provider.
    pub always_use_local: bool,
    /// Longest wait for a provider's count.
    pub timeout: Duration,
    /// Failures in a row before only local counts are given.
    pub failure_threshold: u32,
    /// For this long.
    pub api_failure_cooldown: Duration,
}

/// Sharing of identical calls that are under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deduplication {
    /// Which ones.
    pub mode: Sharing,
    /// A different limit of the answer's length makes a different call.
    pub max_tokens_count: bool,
}

/// Which identical calls share an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Sharing {
    /// Those that are recognisably one call made again: of one agent of one session, or marked as a repeat.
    #[default]
    Auto,
    /// All.
    All,
    /// None.
    Off,
}

/// The cache of answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CacheSettings {
    /// Which answers.
    pub mode: CacheMode,
    /// How long they are kept.
    pub ttl: Duration,
    /// How many.
    pub max_entries: usize,
    /// How many bytes.
    pub max_bytes: usize,
}

/// Which answers are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum CacheMode {
    /// Those to calls with temperature 0 and without tools.
    #[default]
    Deterministic,
    /// All.
    All,
}

/// Logs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogSettings {
    /// Least level shown.
    pub level: LogLevel,
    /// Colour on a terminal; `None` decides by terminal and `NO_COLOR`.
    pub color: Option<bool>,
    /// JSON lines go here.
    pub file: Option<PathBuf>,
    /// The console gets JSON lines, too.
    pub json: bool,
}

/// The lines of requests.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AccessLog {
    /// As JSON on the console.
    pub json: bool,
    /// The share of requests that went well whose lines are written; of the others all are.
    pub sample: f64,
}

impl Default for AccessLog {
    fn default() -> Self {
        AccessLog {
            json: false,
            sample: 1.0,
        }
    }
}

/// Where traces go, and of what.
#[derive(Clone, Debug, PartialEq)]
pub struct Tracing {
    /// The collector, for people.
    pub endpoint: String,
    /// Where its traces are sent.
    pub target: Target,
    /// Headers added to every export: lower-case names, and values that are often credentials.
    pub headers: Vec<(String, Secret)>,
    /// The share of requests without a decision of their client's that are traced.
    pub sample: f64,
    /// Whether a client's `traceparent` is followed.
    pub accept: bool,
    /// Whether providers get one of ours.
    pub propagate: bool,
    /// `service.name`.
    pub service_name: String,
    /// What else is said of this process.
    pub resource: Vec<(String, String)>,
    /// Longest wait for the collector.
    pub timeout: Duration,
}

/// Bodies that are kept for people to look at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Capture {
    /// Where.
    pub directory: PathBuf,
    /// What clients sent.
    pub requests: bool,
    /// What they got.
    pub responses: bool,
    /// Only of these routes; empty means all.
    pub routes: Vec<String>,
    /// Of one body; the rest is left out.
    pub max_body_bytes: usize,
    /// Of all files.
    pub max_bytes: usize,
    /// How many files.
    pub max_files: usize,
}

/// Log levels in the seeds' words; `CRITICAL` is `Error`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum LogLevel {
    /// Everything about decisions.
    Debug,
    /// Life cycle and one line a request.
    #[default]
    Info,
    /// Degraded.
    Warning,
    /// An operator must act.
    Error,
}

/// Who may call.
#[derive(Clone, Debug, Default)]
pub struct Auth {
    /// Plain gateway keys, any one of which suffices.
    pub keys: Vec<Secret>,
    /// Named keys; a list that is there, be it empty, means that nobody calls without a key.
    pub named: Option<Vec<KeyEntry>>,
    /// Paths that need no key, exact.
    pub exempt_paths: Vec<String>,
    /// The operator has confirmed (`i_know: true`) that a listener beyond loopback has no key.
    pub open_on_purpose: bool,
}

impl Auth {
    /// Whether everyone may call.
    pub fn is_open(&self) -> bool {
        self.keys.is_empty() && self.named.is_none()
    }

    /// The named keys.
    pub fn named(&self) -> &[KeyEntry] {
        self.named.as_deref().unwrap_or_default()
    }
}

/// A named key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyEntry {
    /// What it is called.
    pub name: String,
    /// SHA-256 of the key.
    pub sha256: [u8; 32],
    /// Whose it is, for reports.
    pub team: Option<String>,
    /// Patterns of the models it may ask for; none is all.
    pub models: Vec<String>,
    /// Patterns of the routes, or labels of the rules, it may take; none is all.
    pub routes: Vec<String>,
    /// Names of the providers that may be asked for it; none is all.
    pub providers: Vec<String>,
    /// Requests a minute.
    pub rpm: Option<u64>,
    /// Tokens a minute.
    pub tpm: Option<u64>,
    /// Requests at once.
    pub max_concurrent: Option<u32>,
    /// What it may spend a day, in UTC.
    pub daily: Option<MicroUsd>,
    /// What it may spend a month, in UTC.
    pub monthly: Option<MicroUsd>,
    /// From when on it is no good any more.
    pub expires: Option<SystemTime>,
    /// It is no good any more.
    pub revoked: bool,
}

impl KeyEntry {
    /// A key without limits.
    pub fn new(name: &str, sha256: [u8; 32]) -> Self {
        KeyEntry {
            name: name.to_owned(),
            sha256,
            team: None,
            models: Vec::new(),
            routes: Vec::new(),
            providers: Vec::new(),
            rpm: None,
            tpm: None,
            max_concurrent: None,
            daily: None,
            monthly: None,
            expires: None,
            revoked: false,
        }
    }

    /// Whether what it spends is limited.
    pub fn has_caps(&self) -> bool {
        self.daily.is_some() || self.monthly.is_some()
    }
}

/// Where usage is written down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LedgerSettings {
    /// The file.
    pub path: PathBuf,
    /// How long rows are kept, in days.
    pub retention_days: u32,
}

/// Limits of each client address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PerAddress {
    /// Requests within `window`; `None` is no limit.
    pub requests: Option<u64>,
    /// See `requests`.
    pub window: Duration,
    /// Requests at once; `None` is no limit.
    pub max_concurrent: Option<u32>,
    /// Failed sign-ins within `window_failed`; `None` is no limit.
    pub failed_sign_ins: Option<u64>,
    /// See `failed_sign_ins`.
    pub failed_window: Duration,
    /// Whether failures of this machine count: only where the limit was written.
    pub counts_loopback: bool,
}

/// Who may administer.
#[derive(Clone, Debug, Default)]
pub struct Admin {
    /// The admin key.
    pub key: Option<Secret>,
    /// A listener of its own, `host:port`; the main one then serves no admin surface.
    pub listen: Option<String>,
    /// How many of the last requests are told about.
    pub requests: usize,
}
