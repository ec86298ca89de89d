//! Thinking, both ways of it: how much is asked for, and what a provider is shown again of what it thought before.
//!
//! Reasoning of one vendor means nothing to another. What Anthropic signed is dropped for everyone else without a
//! word, every turn has some; it goes back only to a Claude model behind OpenRouter. What we sealed ourselves
//! (`protocol/envelope`) goes back to those who want it.

use serde_json::{Value, json};

use crate::protocol::canonical::{Block, Effort, LossKind, Losses, Request, Thinking};
use crate::protocol::envelope::{self, ReasoningKind};

use super::profile::{EffortScale, Family, Profile, Reasoning, Replay};
use super::wire_request as wire;

/// Budgets up to these many tokens count as that much effort. Steps as other translators have them, so that clients
/// tuned to those behave alike.
const BUDGETS: [(u64, Effort); 4] = [
    (512, Effort::Minimal),
    (1024, Effort::Low),
    (8192, Effort::Medium),
    (24_576, Effort::High),
];

/// The words OpenRouter knows.
const OPENROUTER: EffortScale = EffortScale {
    none: true,
    minimal: true,
    xhigh: true,
    max: false,
};

/// Asks for as much thought as the request does. `forced` tells that a tool must be called.
pub(crate) fn ask(
    request: &Request,
    profile: &Profile,
    forced: bool,
    losses: &mut Losses,
) -> wire::Thought {
    let mut out = wire::Thought::default();
    let budget = match request.thinking {
        Some(Thinking::Budget(tokens)) => Some(tokens),
        Some(Thinking::Adaptive | Thinking::Disabled) | None => None,
    };
    let off = request.thinking == Some(Thinking::Disabled);
    let thinks = request.thinking.is_some() && !off;
    match profile.reasoning {
        Reasoning::Unsupported => {
            if thinks {
                losses.add("thinking", LossKind::Dropped);
            }
            if request.effort.is_some() {
                losses.add("output_config.effort", LossKind::Dropped);
            }
        }
        Reasoning::Effort(scale) => {
            if off && scale.none {
                out.reasoning_effort = Some("none");
            } else if off {
                losses.add("thinking", LossKind::NotDisabled);
            } else if thinks || request.effort.is_some() {
                let effort = request.effort.or(budget.map(effort_of));
                let effort = effort.unwrap_or(Effort::Medium);
                out.reasoning_effort = Some(word(effort, scale, losses));
            }
        }
        Reasoning::OpenRouter => {
            out.reasoning = match (off, request.effort, budget) {
                (true, _, _) => Some(wire::OpenRouterReasoning::Enabled(false)),
                (false, Some(effort), _) => Some(wire::OpenRouterReasoning::Effort(word(
                    effort, OPENROUTER, losses,
                ))),
                (false, None, Some(tokens)) => Some(wire::OpenRouterReasoning::MaxTokens(tokens)),
                (false, None, None) => thinks.then_some(wire::OpenRouterReasoning::Enabled(true)),
            };
        }
        Reasoning::Switch => {
            if thinks && forced {
                losses.add("thinking", LossKind::DisabledByForcedTool);
            }
            let kind = if off || forced { "disabled" } else { "enabled" };
            out.thinking = (off || forced || thinks).then_some(wire::Switch { kind });
        }
        Reasoning::EnableThinking => {
            // Open Qwen models refuse to think in an answer that is not streamed.
            if thinks && !request.stream {
                losses.add("thinking", LossKind::OnlyStreamedThinks);
            }
            let thinks = thinks && request.stream;
            out.enable_thinking = (off || thinks).then_some(thinks);
            out.thinking_budget = budget.filter(|_| thinks);
        }
    }
    out
}

fn effort_of(budget: u64) -> Effort {
    BUDGETS
        .into_iter()
        .find(|(limit, _)| budget <= *limit)
        .map_or(Effort::XHigh, |(_, effort)| effort)
}

fn word(effort: Effort, scale: EffortScale, losses: &mut Losses) -> &'static str {
    let lowered = |losses: &mut Losses, to| {
        losses.add("output_config.effort", LossKind::Lowered);
        to
    };
    match effort {
        Effort::Minimal if scale.minimal => "minimal",
        Effort::Minimal | Effort::Low => "low",
        Effort::Medium => "medium",
        Effort::High => "high",
        Effort::Max if scale.max => "max",
        Effort::XHigh if scale.xhigh => "xhigh",
        Effort::Max if scale.xhigh => lowered(losses, "xhigh"),
        Effort::XHigh | Effort::Max => lowered(losses, "high"),
    }
}

/// The reasoning of one assistant turn that goes back to the provider.
#[derive(Default)]
pub(crate) struct Recall<'a> {
    texts: Vec<&'a str>,
    details: Vec<Value>,
}

impl<'a> Recall<'a> {
    /// Takes a thinking block in, as far as this provider wants it.
    pub fn take(&mut self, block: &'a Block, profile: &Profile) {
        let (text, seal) = match block {
            Block::Thinking { text, signature } => (Some(text.as_str()), signature.as_str()),
            Block::RedactedThinking { data } => (None, data.as_str()),
            Block::Text(_)
            | Block::Image(_)
            | Block::Document { .. }
            | Block::SearchResult { .. }
            | Block::ToolUse(_)
            | Block::ToolResult(_)
            | Block::Unknown { .. } => return,
        };
        match (profile.replay, envelope::open(seal)) {
            (Replay::Nothing, _) => {}
            (Replay::Content { .. }, Some(opened)) => match opened.kind {
                ReasoningKind::Content | ReasoningKind::Details => {
                    self.texts.extend(text.filter(|text| !text.is_empty()));
                }
                ReasoningKind::Responses
                | ReasoningKind::Gemini
                | ReasoningKind::Anthropic
                | ReasoningKind::AnthropicRedacted => {}
            },
            (Replay::Content { .. }, None) => {}
            (Replay::Details, Some(opened)) => match opened.kind {
                // OpenRouter always tells details; plain text came from elsewhere.
                ReasoningKind::Content
                | ReasoningKind::Responses
                | ReasoningKind::Gemini
                | ReasoningKind::Anthropic
                | ReasoningKind::AnthropicRedacted => {}
                ReasoningKind::Details => {
                    self.details
                        .extend(unsealed(opened.payload, text, profile.family));
                }
            },
            (Replay::Details, None) => {
                let anthropic = !seal.is_empty() && !envelope::is_ours(seal);
                if anthropic && profile.family == Family::Claude {
                    let index = self.details.len();
                    self.details.push(claude_detail(text, seal, index));
                }
            }
        }
    }

    /// Whether there is nothing to send back.
    pub fn is_empty(&self) -> bool {
        self.texts.is_empty() && self.details.is_empty()
    }

    /// Puts the reasoning on the assistant message that it belongs to.
    pub fn put(self, message: &mut wire::Assistant<'_>, replay: Replay) {
        if let (Replay::Content { filler }, false) = (replay, message.tool_calls.is_empty()) {
            message.reasoning_content = if self.texts.is_empty() {
                filler.map(str::to_owned)
            } else {
                Some(self.texts.join("\n"))
            };
        }
        message.reasoning_details = self.details;
    }
}

/// The details of an envelope, the block's text put back; those that another vendor sealed are left out.
fn unsealed(payload: &str, text: Option<&str>, family: Family) -> Vec<Value> {
    let mut details: Vec<Value> = serde_json::from_str(payload).unwrap_or_default();
    let mut text = text;
    for detail in details.iter_mut().filter_map(Value::as_object_mut) {
        let field = match detail.get("type").and_then(Value::as_str) {
            Some("reasoning.text") => "text",
            Some("reasoning.summary") => "summary",
            Some(_) | None => continue,
        };
        if !detail.contains_key(field) {
            detail.insert(field.to_owned(), json!(text.take().unwrap_or_default()));
        }
    }
    details.retain(|detail| {
        detail.is_object() && opens(detail.get("format").and_then(Value::as_str), family)
    });
    details
}

/// Whether a model can read what was sealed in this format.
fn opens(format: Option<&str>, family: Family) -> bool {
    let Some(format) = format else {
        return true;
    };
    let sealed_by = [
        ("anthropic-", Family::Claude),
        ("google-", Family::Gemini),
        ("openai-", Family::OpenAi),
        ("xai-", Family::Grok),
    ];
    sealed_by
        .into_iter()
        .find(|(prefix, _)| format.starts_with(prefix))
        .is_none_or(|(_, vendor)| vendor == family)
}

fn claude_detail(text: Option<&str>, seal: &str, index: usize) -> Value {
    match text {
        Some(text) => json!({
            "type": "reasoning.text", "text": text, "signature": seal,
            "format": "anthropic-claude-v1", "index": index
        }),
        None => json!({
            "type": "reasoning.encrypted", "data": seal,
            "format": "anthropic-claude-v1", "index": index
        }),
    }
}
