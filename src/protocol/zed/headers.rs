//! Headers of Zed's service, in lower case.

/// We understand lines that are no events.
pub const TAKES_STATUSES: &str = "x-zed-client-supports-status-messages";
/// We understand the line that tells the end of a stream.
pub const TAKES_END: &str = "x-zed-client-supports-stream-ended-request-completion-status";
/// We know xAI's models.
pub const TAKES_XAI: &str = "x-zed-client-supports-x-ai";
/// The version of the editor that we speak as.
pub const VERSION: &str = "x-zed-version";
/// The machine that signs in.
pub const SYSTEM: &str = "x-zed-system-id";
/// There are lines that are no events.
pub const GIVES_STATUSES: &str = "x-zed-server-supports-status-messages";
/// The token has ended.
pub const EXPIRED_TOKEN: &str = "x-zed-expired-token";
/// The token says something that is no longer so.
pub const OUTDATED_TOKEN: &str = "x-zed-outdated-token";
/// Older versions than this are not served.
pub const MINIMUM_VERSION: &str = "x-zed-minimum-required-version";
/// Which allowance of the plan is used up.
pub const LIMIT_RESOURCE: &str = "x-zed-subscription-limit-resource";
/// The account's plan.
pub const PLAN: &str = "x-zed-plan";
/// The prompt has used all its tool calls (where there are no statuses).
pub const TOOL_LIMIT: &str = "x-zed-tool-use-limit-reached";
/// Requests that the plan allows (where there are no statuses).
pub const USAGE_LIMIT: &str = "x-zed-model-requests-usage-limit";
/// Requests that were made of them (where there are no statuses).
pub const USAGE_AMOUNT: &str = "x-zed-model-requests-usage-amount";
/// What all of them begin with.
pub const FAMILY: &str = "x-zed-";
