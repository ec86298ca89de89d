//! Thinking, both ways of it: how much is asked for, and what the model is shown again of what it thought before.
//!
//! Only what Anthropic signed may go back, and only unchanged; anything else is a 400. What other vendors thought, and
//! what nobody signed, is left out without a word: every conversation that moved here has some.

use crate::protocol::anthropic::profile::{Profile, Quiet, Thinks, TopEffort};
use crate::protocol::canonical::{Block, Effort, LossKind, Losses, Request, Thinking};
use crate::protocol::envelope::{self, ReasoningKind};

use super::wire;
use super::wire::Body;

/// Least budget that is accepted, tokens.
const LEAST_BUDGET: u64 = 1024;
/// What a budget that was not asked for in so many words leaves for the answer, tokens.
const LEFT_FOR_ANSWER: u64 = 1024;

/// The budgets that stand for an effort, tokens. Steps as other translators have them, so that clients tuned to those
/// behave alike.
const BUDGETS: [(Effort, u64); 6] = [
    (Effort::Minimal, 1024),
    (Effort::Low, 1024),
    (Effort::Medium, 8192),
    (Effort::High, 24_576),
    (Effort::XHigh, 32_768),
    (Effort::Max, 32_768),
];

/// What is asked for.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Asked {
    /// `thinking`.
    pub thinking: Option<wire::Thinking>,
    /// `output_config.effort`.
    pub effort: Option<&'static str>,
    /// `max_tokens`, which a budget counts against.
    pub max_tokens: u64,
}

impl Asked {
    /// Whether sampling and prefill must do without.
    pub fn thinks(&self) -> bool {
        match self.thinking {
            Some(wire::Thinking::Enabled { .. } | wire::Thinking::Adaptive { .. }) => true,
            Some(wire::Thinking::Disabled | wire::Thinking::BetweenTools) | None => false,
        }
    }
}

/// What is known of the rest of the request.
#[derive(Clone, Copy)]
pub(super) struct Circumstances {
    /// `max_tokens` as it would be sent.
    pub max_tokens: u64,
    /// A tool must be called.
    pub forced: bool,
    /// A loop of tool calls is under way that did not begin with thinking.
    pub loop_without_thought: bool,
}

/// Asks for as much thought as the request does.
pub(super) fn ask(
    request: &Request,
    profile: &Profile,
    at: Circumstances,
    losses: &mut Losses,
) -> Asked {
    let mut asked = Asked {
        thinking: None,
        effort: None,
        max_tokens: at.max_tokens,
    };
    if request.thinking == Some(Thinking::Disabled) {
        asked.thinking = quiet(profile, losses);
        let cap = asked.thinking.is_some() && profile.quiet_effort_is_high;
        asked.effort = effort(request.effort, profile, cap, losses);
        return asked;
    }
    if request.thinking.is_none() && request.effort.is_none() {
        return asked;
    }
    // A warm-up of the cache gives no room to think.
    let thinks = 0 < at.max_tokens;
    match (profile.thinking, request.thinking) {
        (Thinks::Never, _) => {
            let path = if request.thinking.is_some() {
                "thinking"
            } else {
                "output_config.effort"
            };
            losses.add(path, LossKind::Dropped);
        }
        (Thinks::Either, Some(Thinking::Budget(budget)))
            if thinks && !at.forced && !at.loop_without_thought =>
        {
            asked.budget(budget, true, at, losses);
        }
        (Thinks::Budget, _) if thinks => {
            let wanted = budget_of(request);
            let told = matches!(request.thinking, Some(Thinking::Budget(_)));
            asked.budget(wanted, told, at, losses);
            asked.effort = effort(request.effort, profile, false, losses);
        }
        (Thinks::Either | Thinks::Adaptive, thinking) if thinks => {
            let display = profile.thinking_is_hidden.then_some("summarized");
            asked.thinking = Some(wire::Thinking::Adaptive { display });
            let wanted = match thinking {
                Some(Thinking::Budget(budget)) => request.effort.or(Some(effort_of(budget))),
                Some(Thinking::Adaptive | Thinking::Disabled) | None => request.effort,
            };
            asked.effort = effort(wanted, profile, false, losses);
        }
        (Thinks::Budget | Thinks::Either | Thinks::Adaptive, _) => {}
    }
    asked
}

impl Asked {
    /// Thinking up to a budget: at least 1024 tokens and fewer than `max_tokens`. A budget that the client `told` is
    /// kept if it can be; one that stands for an effort leaves room for the answer.
    fn budget(&mut self, wanted: u64, told: bool, at: Circumstances, losses: &mut Losses) {
        if at.forced {
            losses.add("thinking", LossKind::DisabledByForcedTool);
            return;
        }
        if at.loop_without_thought {
            losses.add("thinking", LossKind::NotAccepted);
            return;
        }
        let left = if told { 1 } else { LEFT_FOR_ANSWER };
        let most = self.max_tokens.saturating_sub(left);
        let budget = wanted.min(most).max(LEAST_BUDGET);
        if told && budget < wanted {
            losses.add("thinking.budget_tokens", LossKind::Lowered);
        }
        if told && wanted < budget {
            losses.add("thinking.budget_tokens", LossKind::Raised);
        }
        if self.max_tokens <= budget {
            losses.add("max_tokens", LossKind::Raised);
            self.max_tokens = self.max_tokens.saturating_add(budget);
        }
        self.thinking = Some(wire::Thinking::Enabled {
            budget_tokens: budget,
        });
    }
}

fn quiet(profile: &Profile, losses: &mut Losses) -> Option<wire::Thinking> {
    match profile.quiet {
        _ if profile.thinking == Thinks::Never => None,
        Quiet::ByDefault => None,
        Quiet::Disabled => Some(wire::Thinking::Disabled),
        Quiet::BetweenTools => Some(wire::Thinking::BetweenTools),
        Quiet::Impossible => {
            losses.add("thinking", LossKind::NotDisabled);
            None
        }
    }
}

fn budget_of(request: &Request) -> u64 {
    if let Some(Thinking::Budget(budget)) = request.thinking {
        return budget;
    }
    let effort = request.effort.unwrap_or(Effort::Medium);
    BUDGETS
        .into_iter()
        .find(|(of, _)| *of == effort)
        .map_or(LEAST_BUDGET, |(_, budget)| budget)
}

/// The effort that a budget stands for.
fn effort_of(budget: u64) -> Effort {
    BUDGETS
        .into_iter()
        .find(|(of, most)| *of != Effort::Minimal && budget <= *most)
        .map_or(Effort::XHigh, |(effort, _)| effort)
}

fn effort(
    wanted: Option<Effort>,
    profile: &Profile,
    at_most_high: bool,
    losses: &mut Losses,
) -> Option<&'static str> {
    let top = match profile.effort? {
        _ if at_most_high => TopEffort::High,
        top => top,
    };
    let mut lowered = |to| {
        losses.add("output_config.effort", LossKind::Lowered);
        to
    };
    Some(match (wanted?, top) {
        (Effort::Minimal | Effort::Low, _) => "low",
        (Effort::Medium, _) => "medium",
        (Effort::High, _) => "high",
        (Effort::XHigh, TopEffort::Max) => "xhigh",
        (Effort::Max, TopEffort::Max | TopEffort::MaxWithoutXHigh) => "max",
        (Effort::XHigh | Effort::Max, _) => lowered("high"),
    })
}

/// A thinking block of an earlier turn as the model may see it; `None` when it is not the model's.
pub(super) fn recall<'a>(block: &'a Block, profile: &Profile) -> Option<Body<'a>> {
    if profile.thinking == Thinks::Never {
        return None;
    }
    let (text, seal) = match block {
        Block::Thinking { text, signature } => (Some(text.as_str()), signature.as_str()),
        Block::RedactedThinking { data } => (None, data.as_str()),
        Block::Text(_)
        | Block::Image(_)
        | Block::Document { .. }
        | Block::SearchResult { .. }
        | Block::ToolUse(_)
        | Block::ToolResult(_)
        | Block::Unknown { .. } => return None,
    };
    let signed = |signature| Body::Thinking {
        thinking: text.unwrap_or_default(),
        signature,
    };
    let body = match envelope::open(seal).map(|it| (it.kind, it.payload)) {
        Some((ReasoningKind::Anthropic, signature)) => signed(signature),
        Some((ReasoningKind::AnthropicRedacted, data)) => Body::RedactedThinking { data },
        Some((
            ReasoningKind::Content
            | ReasoningKind::Details
            | ReasoningKind::Responses
            | ReasoningKind::Gemini,
            _,
        )) => return None,
        None if envelope::is_ours(seal) => return None,
        None if text.is_some() => signed(seal),
        None => Body::RedactedThinking { data: seal },
    };
    match &body {
        Body::Thinking { signature: "", .. } | Body::RedactedThinking { data: "" } => None,
        _ => Some(body),
    }
}

#[cfg(test)]
mod tests;
