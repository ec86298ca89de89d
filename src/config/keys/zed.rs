//! Keys of Zed's service, and of the choice between what is billed by tokens and what by sessions.

use crate::config::keys::{BIG, old, row};
use crate::config::table::{Field, Kind, Table};
use crate::config::zed_terms::{Billing, Trigger, ZedMode};

use Kind::{
    Any, Bool, Choice, Choices, Count, Duration, Many, Number, One, Text, Texts, Tokens, Weights,
};

const OWN_THREADS: &str = "each conversation has a thread of its own anyway";
const NO_SUMMARIES: &str =
    "clients send their whole conversation each time; it is never rewritten or summarised";

pub(super) const ZED_CONFIG: Field = row("zed_config", One(ZED), "", "zed: how it is spoken to");
pub(super) const SESSION_CONFIG: Field = row(
    "session_config",
    One(SESSION),
    "",
    "zed: limits and costs of sessions; what `zed_config` says as well counts there",
);
pub(super) const BILLING_MODEL: Field = row(
    "billing_model",
    Choice(Billing::WORDS),
    "",
    "what is paid for there, for `routing`; absent: sessions with zed, tokens elsewhere",
);
pub(super) const ROUTING: Field = row(
    "routing",
    One(CLASSES),
    "",
    "choice between token and session billing, by what a request looks like",
);
/// How a route's candidate is billed, and in which mode it is asked.
pub(super) const MODE: Field = row(
    "mode",
    Choice(ZedMode::WORDS),
    "",
    "zed: the mode to ask in; absent: as the provider says",
);
pub(super) const SESSION_MODE: Field = Field::old("session_mode", Choice(ZedMode::WORDS), "mode");
pub(super) const CANDIDATE_BILLING: Field = row(
    "preferred_billing_model",
    Choice(Billing::WORDS),
    "",
    "what is paid for here, where it is not as the provider says",
);

const ZED: Table = &[
    row(
        "generation",
        Count(2025, 2026),
        "2026",
        "which of its interfaces: 2025 is told mode and intent, 2026 says when a stream has ended",
    ),
    row(
        "version",
        Text,
        "",
        "version of the editor to speak as; absent: none is told",
    ),
    row(
        "organization_id",
        Text,
        "",
        "who pays; absent: the account's default",
    ),
    row(
        "system_id",
        Text,
        "",
        "the machine that signs in, as the editor calls it",
    ),
    row(
        "openai_dialect",
        Choice(&["openai-responses", "openai"]),
        "openai-responses",
        "what is spoken with OpenAI's models there",
    ),
    row(
        "default_mode",
        Choice(ZedMode::WORDS),
        "normal",
        "the mode to ask in; auto: max for what looks large; burn is another word for max",
    ),
    row(
        "auto_mode_triggers",
        Choices(Trigger::WORDS),
        "",
        "what looks large under auto; absent: all of them",
    ),
    old(
        "auto_burn_mode_triggers",
        Choices(Trigger::WORDS),
        "auto_mode_triggers",
    ),
    row(
        "context_management",
        One(CONTEXT),
        "",
        "when a thread is full",
    ),
    row(
        "thread_management",
        One(THREADS),
        "",
        "how long a thread lasts",
    ),
];

const CONTEXT: Table = &[
    row(
        "max_context_tokens",
        Tokens,
        "",
        "what a thread holds; absent: the model's window as the service tells it, else 120k",
    ),
    row(
        "rotation_threshold",
        Number,
        "0.8",
        "part of it from which on a new thread begins; 0 to 1",
    ),
    row("summarization_method", Text, "", "old switch").unused(NO_SUMMARIES),
];

const THREADS: Table = &[
    row(
        "ttl",
        Duration,
        "1h",
        "rest after which a new thread begins",
    ),
    row(
        "auto_rotate",
        Bool,
        "true",
        "false: a new thread begins only where the service refuses the old one",
    ),
    row(
        "max_retries",
        Count(0, 10),
        "3",
        "new threads for one request whose thread is refused",
    ),
    row(
        "error_classification",
        One(ERRORS),
        "",
        "which refusals are about a thread",
    ),
    row("task_based_isolation", Bool, "", "old switch").unused(OWN_THREADS),
    row("summarization_max_length", Count(0, BIG), "", "old limit").unused(NO_SUMMARIES),
];

const ERRORS: Table = &[
    row(
        "thread_rotation_errors",
        Texts,
        "",
        "codes upon which a new thread begins; absent: the known ones",
    ),
    row(
        "prompt_continuation_errors",
        Texts,
        "",
        "codes upon which the thread goes on with a new prompt; absent: the known ones",
    ),
];

const SESSION: Table = &[
    row("max_context_tokens", Tokens, "", "what a thread holds"),
    row(
        "max_tool_calls_per_session",
        Any,
        "25",
        "calls of tools after which a new thread begins, in normal mode; -1 never",
    ),
    row(
        "session_ttl",
        Duration,
        "1h",
        "rest after which a new thread begins",
    ),
    row(
        "default_mode",
        Choice(ZedMode::WORDS),
        "normal",
        "the mode to ask in",
    ),
    row("modes", One(MODES), "", "what each mode costs and allows"),
];

const MODES: Table = &[
    row("normal", One(TERMS), "", "the normal mode"),
    row("max", One(TERMS), "", "the larger one"),
    old("burn", One(TERMS), "max"),
];

const TERMS: Table = &[
    row(
        "cost_per_prompt",
        Number,
        "0",
        "dollars for a prompt, with all calls of tools that come of it",
    ),
    row("cost_per_request", Number, "0", "dollars for each request"),
    row(
        "max_tool_calls",
        Any,
        "",
        "calls of tools after which a new thread begins; -1 never",
    ),
];

const CLASSES: Table = &[
    row("enabled", Bool, "true", "whether requests are told apart"),
    row(
        "force_session_based",
        Many(CONDITION),
        "",
        "sessions for what any of these fits; absent: 3 tools, 2000 characters, several files",
    ),
    row(
        "force_token_based",
        Many(CONDITION),
        "",
        "tokens for what all of these fit; absent: no tools, 200 characters, a simple question",
    ),
    row(
        "session_keywords",
        Weights,
        "",
        "words that speak for sessions, and how much; absent: the built-in ones",
    ),
    row(
        "token_keywords",
        Weights,
        "",
        "words that speak for tokens, and how much; absent: the built-in ones",
    ),
    row(
        "default_with_tools",
        Choice(Billing::WORDS),
        "session_based",
        "for what nothing else decides, and has tools",
    ),
    row(
        "default_without_tools",
        Choice(Billing::WORDS),
        "token_based",
        "for what nothing else decides, and has none",
    ),
];

/// All that is given must hold.
const CONDITION: Table = &[
    row("tool_count", Count(0, BIG), "", "so many tools"),
    row("tool_count_gte", Count(0, BIG), "", "so many tools or more"),
    row(
        "tool_count_lte",
        Count(0, BIG),
        "",
        "so many tools or fewer",
    ),
    row(
        "text_length_gte",
        Count(0, BIG),
        "",
        "so many characters of the last message, or more",
    ),
    row(
        "text_length_lte",
        Count(0, BIG),
        "",
        "so many characters of the last message, or fewer",
    ),
    row(
        "has_multiple_files",
        Bool,
        "",
        "whether it names several files",
    ),
    row(
        "simple_question",
        Bool,
        "",
        "whether it is a plain question",
    ),
];
