//! One line for each request: readable on the console, all of it as fields in the file.

use std::net::IpAddr;
use std::time::Duration;

use log::Level;
use log::Metadata;
use log::Record;
use log::kv::Value;

use crate::telemetry::fields;
use crate::telemetry::tracing::Trace;
use crate::types::ClientCertificate;
use crate::types::Dialect;
use crate::types::RequestId;

/// Target of access lines.
pub const ACCESS_TARGET: &str = "access";
/// Their message where fields say the rest.
pub(super) const ACCESS_MESSAGE: &str = "request finished";
/// Longest name shown on the console, in characters.
const MAX_SHOWN: usize = 80;

/// What is known about a request when it has ended.
#[derive(Clone, Debug)]
pub struct AccessLine<'r> {
    /// Identifies it.
    pub request_id: &'r RequestId,
    /// Its method.
    pub method: &'r str,
    /// Its path; a query is cut off, because keys may be in it.
    pub path: &'r str,
    /// Where the client is, as far as that is known.
    pub client: Option<IpAddr>,
    /// How the client speaks; `None` for what is not inference.
    pub dialect: Option<Dialect>,
    /// The model the client asked for.
    pub model_asked: Option<&'r str>,
    /// The model the provider was asked for.
    pub model_sent: Option<&'r str>,
    /// The endpoint that answered, or was tried last.
    pub provider: Option<&'r str>,
    /// How many attempts it took.
    pub attempts: u32,
    /// Whether an attempt ran beside another one, and the answer was its: `won`, `lost`.
    pub hedge: Option<&'static str>,
    /// The status the client got; `None` when it left before.
    pub status: Option<u16>,
    /// Whether the answer was streamed.
    pub stream: bool,
    /// From the last byte of the request to the first content.
    pub ttft: Option<Duration>,
    /// From the first byte of the request to the end.
    pub duration: Duration,
    /// Where the answer came from if not from a call of this request's own: `hit`, `shared`; `miss` if the cache was
    /// asked in vain.
    pub cache: Option<&'static str>,
    /// Tokens, as far as the provider said; those of a shared answer count once, where the call was made.
    pub tokens: TokenCounts,
    /// Why the model stopped, in the client's words.
    pub stop_reason: Option<&'r str>,
    /// The certificate that the client has shown.
    pub certificate: Option<&'r ClientCertificate>,
    /// How it ended.
    pub end: End<'r>,
    /// The route it took.
    pub route: Option<&'r str>,
    /// Whose service answered, in OpenTelemetry's words.
    pub vendor: Option<&'static str>,
    /// Candidates that were not tried, and why, for its span.
    pub skipped: Vec<String>,
    /// Its place in a trace.
    pub trace: Option<&'r Trace>,
}

/// Tokens of a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TokenCounts {
    /// Input, those of the cache included.
    pub input: Option<u64>,
    /// Output.
    pub output: Option<u64>,
    /// Input read from the provider's cache.
    pub cache_read: Option<u64>,
    /// Input written to the provider's cache.
    pub cache_creation: Option<u64>,
    /// The provider counted nothing: these are our estimates.
    pub estimated: bool,
}

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End<'r> {
    /// The client has the whole answer.
    Ok,
    /// The client left.
    ClientGone,
    /// The answer broke off after it had begun.
    UpstreamBroke,
    /// A limit of time was passed.
    Timeout,
    /// The process ended before the answer did.
    Stopped,
    /// The client got an error; the label of its fault.
    Rejected(&'r str),
}

impl End<'_> {
    /// As the logs say it.
    pub fn label(&self) -> &'static str {
        match self {
            End::Ok => "ok",
            End::ClientGone => "client_gone",
            End::UpstreamBroke => "upstream_broke",
            End::Timeout => "timeout",
            End::Stopped => "stopped",
            End::Rejected(_) => "rejected",
        }
    }
}

impl<'r> AccessLine<'r> {
    /// A line with nothing but what every request has; it ended well.
    pub fn of(
        request_id: &'r RequestId,
        method: &'r str,
        path: &'r str,
        status: Option<u16>,
        duration: Duration,
    ) -> Self {
        AccessLine {
            request_id,
            method,
            path,
            client: None,
            dialect: None,
            model_asked: None,
            model_sent: None,
            provider: None,
            attempts: 0,
            hedge: None,
            status,
            stream: false,
            ttft: None,
            duration,
            cache: None,
            tokens: TokenCounts::default(),
            stop_reason: None,
            certificate: None,
            end: End::Ok,
            route: None,
            vendor: None,
            skipped: Vec::new(),
            trace: None,
        }
    }
}

impl AccessLine<'_> {
    /// Logs it, at INFO: always when something went wrong, otherwise this share of all.
    pub fn emit(&self, sample: f64) {
        if sample < 1.0 && self.went_well() && sample <= fastrand::f64() {
            return;
        }
        self.write(sample);
    }

    fn went_well(&self) -> bool {
        matches!(self.end, End::Ok) && self.status.is_none_or(|status| status < 400)
    }

    fn write(&self, sample: f64) {
        let metadata = Metadata::builder()
            .level(Level::Info)
            .target(ACCESS_TARGET)
            .build();
        // The line is dear enough to ask first whether anybody reads it.
        if !log::logger().enabled(&metadata) {
            return;
        }
        let mut fields = self.fields();
        if sample < 1.0 && self.went_well() {
            fields.push((fields::SAMPLE, Value::from(sample)));
        }
        log::logger().log(
            &Record::builder()
                .metadata(metadata)
                .args(format_args!("{}", self.sentence()))
                .key_values(&fields)
                .build(),
        );
    }

    /// The line for people: what is always there first and in columns, the rest behind it.
    pub(super) fn sentence(&self) -> String {
        let status = self.status.map_or("---".to_owned(), |it| it.to_string());
        let ttft = self.ttft.map_or("-".to_owned(), time);
        let mut parts = vec![format!(
            "{status} {:<4} {:<20} {:>7} {ttft:>7}",
            self.method,
            short(self.path_only()),
            time(self.duration),
        )];
        parts.extend(self.choice());
        parts.extend(self.cache.filter(|it| *it != "miss").map(str::to_owned));
        parts.extend(self.token_text());
        parts.extend(self.stop_reason.map(short));
        match self.end {
            End::Ok => {}
            End::Rejected(why) => parts.push(format!("rejected:{}", short(why))),
            End::ClientGone | End::UpstreamBroke | End::Timeout | End::Stopped => {
                parts.push(self.end.label().to_owned());
            }
        }
        parts.extend(self.certificate.map(|it| short(it.subject())));
        parts.push(self.request_id.to_string());
        parts.join("  ")
    }

    /// `asked → sent @ provider (2 attempts, hedge won)`, without what says nothing new.
    fn choice(&self) -> Option<String> {
        let asked = self.model_asked?;
        let mut text = short(asked);
        if let Some(sent) = self.model_sent.filter(|sent| *sent != asked) {
            text = format!("{text} → {}", short(sent));
        }
        if let Some(provider) = self.provider {
            text = format!("{text} @ {}", short(provider));
        }
        if let Some(hedge) = self.hedge {
            text = format!("{text} ({} attempts, hedge {hedge})", self.attempts);
        } else if 1 < self.attempts {
            text = format!("{text} ({} attempts)", self.attempts);
        }
        Some(text)
    }

    /// `in 1200 (900 cached) out 50`; estimates as `in ~1200 out ~50`.
    fn token_text(&self) -> Option<String> {
        let about = if self.tokens.estimated { "~" } else { "" };
        let input = self.tokens.input.map(|input| match self.tokens.cache_read {
            Some(cached) if 0 < cached => format!("in {input} ({cached} cached)"),
            _ => format!("in {about}{input}"),
        });
        let output = self.tokens.output;
        let output = output.map(|output| format!("out {about}{output}"));
        let text: Vec<String> = input.into_iter().chain(output).collect();
        (!text.is_empty()).then(|| text.join(" "))
    }

    /// Its path, without what may hold keys.
    pub(super) fn path_only(&self) -> &str {
        self.path.split(['?', '#']).next().unwrap_or_default()
    }

    /// The line for machines.
    pub(super) fn fields(&self) -> Vec<(&'static str, Value<'_>)> {
        let dialect = self.dialect.map(|dialect| Value::from(dialect.name()));
        let why = match &self.end {
            End::Rejected(why) => Some(Value::from(*why)),
            End::Ok | End::ClientGone | End::UpstreamBroke | End::Timeout | End::Stopped => None,
        };
        let all = [
            (
                fields::REQUEST_ID,
                Some(Value::from(self.request_id.as_str())),
            ),
            (
                fields::TRACE_ID,
                self.trace.map(|it| Value::from_display(&it.id)),
            ),
            (
                fields::SPAN_ID,
                self.trace.map(|it| Value::from_display(&it.span)),
            ),
            (fields::METHOD, Some(Value::from(self.method))),
            (fields::PATH, Some(Value::from(self.path_only()))),
            (
                fields::CLIENT_ADDRESS,
                self.client.as_ref().map(Value::from_display),
            ),
            (fields::STATUS, self.status.map(Value::from)),
            (fields::END, Some(Value::from(self.end.label()))),
            (fields::END_REASON, why),
            (
                fields::DURATION_MS,
                Some(Value::from(millis(self.duration))),
            ),
            (
                fields::TTFT_MS,
                self.ttft.map(|ttft| Value::from(millis(ttft))),
            ),
            (fields::STREAM, Some(Value::from(self.stream))),
            (fields::DOWNSTREAM_DIALECT, dialect),
            (fields::ROUTE, self.route.map(Value::from)),
            (fields::ENDPOINT, self.provider.map(Value::from)),
            (fields::ATTEMPTS, Some(Value::from(self.attempts))),
            (fields::HEDGE_OUTCOME, self.hedge.map(Value::from)),
            (fields::CACHE_OUTCOME, self.cache.map(Value::from)),
            (
                fields::GEN_AI_REQUEST_MODEL,
                self.model_asked.map(Value::from),
            ),
            (
                fields::GEN_AI_RESPONSE_MODEL,
                self.model_sent.map(Value::from),
            ),
            (
                fields::GEN_AI_FINISH_REASONS,
                self.stop_reason.map(Value::from),
            ),
            (
                fields::GEN_AI_INPUT_TOKENS,
                self.tokens.input.map(Value::from),
            ),
            (
                fields::GEN_AI_OUTPUT_TOKENS,
                self.tokens.output.map(Value::from),
            ),
            (
                fields::GEN_AI_CACHE_READ_TOKENS,
                self.tokens.cache_read.map(Value::from),
            ),
            (
                fields::GEN_AI_CACHE_CREATION_TOKENS,
                self.tokens.cache_creation.map(Value::from),
            ),
            (
                fields::USAGE_ESTIMATED,
                self.tokens.estimated.then(|| Value::from(true)),
            ),
            (
                fields::CLIENT_SUBJECT,
                self.certificate.map(|it| Value::from(it.subject())),
            ),
            (
                fields::CLIENT_FINGERPRINT,
                self.certificate.map(|it| Value::from(it.fingerprint())),
            ),
        ];
        all.into_iter()
            .filter_map(|(name, value)| value.map(|value| (name, value)))
            .collect()
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// `812ms`, `12.3s`, `4m05s`: at most seven characters below three hours.
fn time(time: Duration) -> String {
    match time.as_secs() {
        0 => format!("{}ms", time.as_millis()),
        1..=99 => format!("{:.1}s", time.as_secs_f64()),
        seconds => format!("{}m{:02}s", seconds / 60, seconds % 60),
    }
}

fn short(text: &str) -> String {
    match text.char_indices().nth(MAX_SHOWN) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}
