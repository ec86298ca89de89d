//! Every field name of the logs, once. Names of OpenTelemetry's GenAI conventions (v1.40) where they exist.

/// Identifies the client's request.
pub const REQUEST_ID: &str = "request.id";
/// HTTP method of the client's request.
pub const METHOD: &str = "method";
/// Path of the client's request, without its query.
pub const PATH: &str = "path";
/// Where the client is, behind trusted proxies.
pub const CLIENT_ADDRESS: &str = "client.address";
/// Dialect of the client.
pub const DOWNSTREAM_DIALECT: &str = "downstream.dialect";
/// Dialect of the provider.
pub const UPSTREAM_DIALECT: &str = "upstream.dialect";
/// Pattern of the route.
pub const ROUTE: &str = "route";
/// Endpoint of an attempt, or the one that answered.
pub const ENDPOINT: &str = "endpoint";
/// Number of an attempt, from 1.
pub const ATTEMPT: &str = "attempt";
/// Attempts a request took.
pub const ATTEMPTS: &str = "attempts";
/// Where an answer came from: `hit`, `miss`, `shared`.
pub const CACHE_OUTCOME: &str = "cache.outcome";
/// Whether a hedge ran, and the answer was its: `won`, `lost`.
pub const HEDGE_OUTCOME: &str = "hedge.outcome";
/// Why another attempt is made.
pub const RETRY_REASON: &str = "retry.reason";
/// State of an endpoint's circuit.
pub const BREAKER_STATE: &str = "breaker.state";
/// Milliseconds until the first content.
pub const TTFT_MS: &str = "ttft_ms";
/// Milliseconds of a whole request or attempt.
pub const DURATION_MS: &str = "duration_ms";
/// HTTP status shown to the client, or got from the provider.
pub const STATUS: &str = "status";
/// The trace it belongs to.
pub const TRACE_ID: &str = "trace_id";
/// Its span in it.
pub const SPAN_ID: &str = "span_id";
/// The share of such lines that are written, where not all are.
pub const SAMPLE: &str = "sample";
/// Whether the answer was streamed.
pub const STREAM: &str = "stream";
/// How a request ended.
pub const END: &str = "end";
/// Why a request was rejected.
pub const END_REASON: &str = "end.reason";
/// What went wrong, one of a closed set.
pub const FAULT_KIND: &str = "fault.kind";
/// Whose fault it was.
pub const FAULT_BLAME: &str = "fault.blame";
/// What only the log may know about a fault.
pub const FAULT_SOURCE: &str = "fault.source";
/// Errors counted against an endpoint, as `1/2`.
pub const COUNT: &str = "count";
/// The provider that answered.
pub const GEN_AI_PROVIDER_NAME: &str = "gen_ai.provider.name";
/// The operation, for example `chat`.
pub const GEN_AI_OPERATION_NAME: &str = "gen_ai.operation.name";
/// The model the client asked for.
pub const GEN_AI_REQUEST_MODEL: &str = "gen_ai.request.model";
/// The model the provider was asked for.
pub const GEN_AI_RESPONSE_MODEL: &str = "gen_ai.response.model";
/// Why the model stopped.
pub const GEN_AI_FINISH_REASONS: &str = "gen_ai.response.finish_reasons";
/// Input tokens, those of the cache included.
pub const GEN_AI_INPUT_TOKENS: &str = "gen_ai.usage.input_tokens";
/// Output tokens.
pub const GEN_AI_OUTPUT_TOKENS: &str = "gen_ai.usage.output_tokens";
/// Input tokens read from the provider's cache.
pub const GEN_AI_CACHE_READ_TOKENS: &str = "gen_ai.usage.cache_read.input_tokens";
/// Input tokens written to the provider's cache.
pub const GEN_AI_CACHE_CREATION_TOKENS: &str = "gen_ai.usage.cache_creation.input_tokens";
/// The tokens are our estimate, because the provider counted none.
pub const USAGE_ESTIMATED: &str = "usage.estimated";
/// Subject of the certificate that the client has shown.
pub const CLIENT_SUBJECT: &str = "tls.client.subject";
/// SHA-256 of the certificate that the client has shown.
pub const CLIENT_FINGERPRINT: &str = "tls.client.hash.sha256";
