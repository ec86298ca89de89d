//! How much thought is asked for, and how much room it gets.
//!
//! `maxOutputTokens` counts thinking in. A limit that was meant for the answer is easily used up by thinking, and the
//! answer is then empty. So whatever may be thought is added to the client's limit: the budget where there is one, what
//! usually comes of a level where there is none. Anthropic's own limit counts a budget in as well, so an answer may
//! become longer there than it was meant to; an answer that is missing would be worse.

use crate::protocol::canonical::{Effort, LossKind, Losses, Request, Thinking};

use super::profile::{Profile, Thinks};
use super::wire_request::ThinkingConfig;

/// Budgets up to these many tokens count as that much effort; steps as in other dialects.
const BUDGETS: [(u64, Effort); 4] = [
    (512, Effort::Minimal),
    (1024, Effort::Low),
    (8192, Effort::Medium),
    (24_576, Effort::High),
];

/// What is thought when nobody says how much, in tokens.
const USUAL: u64 = 8192;

/// What is sent of thinking, and the tokens it may need.
pub(super) struct Ask {
    pub config: Option<ThinkingConfig>,
    pub room: u64,
}

/// Asks for as much thought as the request does.
pub(super) fn ask(request: &Request, profile: &Profile, losses: &mut Losses) -> Ask {
    match profile.thinks {
        Thinks::NotAsked => {
            if !matches!(request.thinking, None | Some(Thinking::Disabled)) {
                losses.add("thinking", LossKind::Dropped);
            }
            if request.effort.is_some() {
                losses.add("output_config.effort", LossKind::Dropped);
            }
            Ask {
                config: None,
                room: 0,
            }
        }
        Thinks::Budget {
            least,
            most,
            off,
            by_default,
        } => Budgets {
            least,
            most,
            off,
            by_default,
        }
        .ask(request, losses),
        Thinks::Level { minimal, medium } => levels(request, minimal, medium, losses),
    }
}

/// Thoughts are shown to those who asked for thinking, not to those who only asked for effort.
fn shown(request: &Request) -> Option<bool> {
    match request.thinking {
        Some(Thinking::Budget(_) | Thinking::Adaptive) => Some(true),
        Some(Thinking::Disabled) | None => None,
    }
}

struct Budgets {
    least: u64,
    most: u64,
    off: bool,
    by_default: bool,
}

impl Budgets {
    fn ask(&self, request: &Request, losses: &mut Losses) -> Ask {
        let budget = match (request.thinking, request.effort) {
            (Some(Thinking::Disabled), _) if self.off => Some(0),
            (Some(Thinking::Disabled), _) => {
                losses.add("thinking", LossKind::NotDisabled);
                Some(self.least)
            }
            (Some(Thinking::Budget(tokens)), _) => Some(self.clamp(tokens, losses)),
            (Some(Thinking::Adaptive) | None, Some(effort)) => {
                Some(self.of(effort).clamp(self.least, self.most))
            }
            (Some(Thinking::Adaptive), None) => None,
            (None, None) => {
                return Ask {
                    config: None,
                    room: if self.by_default { USUAL } else { 0 },
                };
            }
        };
        Ask {
            config: Some(ThinkingConfig {
                include_thoughts: shown(request),
                thinking_budget: Some(
                    budget.map_or(-1, |it| i64::try_from(it).unwrap_or(i64::MAX)),
                ),
                thinking_level: None,
            }),
            room: budget.unwrap_or(USUAL),
        }
    }

    fn clamp(&self, tokens: u64, losses: &mut Losses) -> u64 {
        if tokens < self.least {
            losses.add("thinking.budget_tokens", LossKind::Raised);
        } else if self.most < tokens {
            losses.add("thinking.budget_tokens", LossKind::Lowered);
        }
        tokens.clamp(self.least, self.most)
    }

    fn of(&self, effort: Effort) -> u64 {
        match effort {
            Effort::XHigh | Effort::Max => self.most,
            Effort::Minimal | Effort::Low | Effort::Medium | Effort::High => usual(effort),
        }
    }
}

fn levels(request: &Request, minimal: bool, medium: bool, losses: &mut Losses) -> Ask {
    let effort = match (request.thinking, request.effort) {
        (Some(Thinking::Disabled), _) => {
            // `minimal` is almost none, but not none.
            losses.add("thinking", LossKind::NotDisabled);
            Some(Effort::Minimal)
        }
        (_, Some(effort)) => {
            if Effort::High < effort {
                losses.add("output_config.effort", LossKind::Lowered);
            }
            Some(effort)
        }
        (Some(Thinking::Budget(tokens)), None) => Some(effort_of(tokens)),
        (Some(Thinking::Adaptive) | None, None) => None,
    };
    let level = effort.map(|effort| match effort {
        Effort::Minimal if minimal => "minimal",
        Effort::Minimal | Effort::Low => "low",
        Effort::Medium if medium => "medium",
        Effort::Medium | Effort::High | Effort::XHigh | Effort::Max => "high",
    });
    let include_thoughts = shown(request);
    let config = ThinkingConfig {
        include_thoughts,
        thinking_budget: None,
        thinking_level: level,
    };
    let budget = match request.thinking {
        Some(Thinking::Budget(tokens)) => tokens,
        Some(Thinking::Adaptive | Thinking::Disabled) | None => 0,
    };
    Ask {
        config: (config != ThinkingConfig::default()).then_some(config),
        room: effort.map_or(USUAL, usual).max(budget),
    }
}

/// Tokens that an effort is worth.
fn usual(effort: Effort) -> u64 {
    match effort {
        Effort::Minimal => 512,
        Effort::Low => 1024,
        Effort::Medium => USUAL,
        Effort::High | Effort::XHigh | Effort::Max => 24_576,
    }
}

fn effort_of(budget: u64) -> Effort {
    BUDGETS
        .into_iter()
        .find(|(limit, _)| budget <= *limit)
        .map_or(Effort::High, |(_, effort)| effort)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOGLE: &str = "generativelanguage.googleapis.com";

    /// Budget or level, room, and what was lost.
    fn asked(
        model: &str,
        thinking: Option<Thinking>,
        effort: Option<Effort>,
    ) -> (String, u64, String) {
        let request = Request {
            thinking,
            effort,
            ..Request::default()
        };
        let mut losses = Losses::default();
        let ask = ask(&request, &Profile::guess(GOOGLE, model), &mut losses);
        let config = ask.config.map_or_else(String::new, |it| {
            assert!(it.thinking_budget.is_none() || it.thinking_level.is_none());
            let shown = if it.include_thoughts == Some(true) {
                " shown"
            } else {
                ""
            };
            match (it.thinking_budget, it.thinking_level) {
                (Some(tokens), _) => format!("{tokens}{shown}"),
                (None, level) => format!("{}{shown}", level.unwrap_or("-")),
            }
        });
        (config, ask.room, losses.to_string())
    }

    #[test]
    fn every_model_is_asked_in_its_own_way() {
        use Thinking::{Adaptive, Budget, Disabled};
        let (off, lower, raise) = (
            "thinking not disabled: the model cannot",
            "thinking.budget_tokens lowered",
            "thinking.budget_tokens raised",
        );
        let flash = "gemini-2.5-flash";
        let lite = "gemini-2.5-flash-lite";
        let pro = "gemini-2.5-pro";
        let three = "gemini-3-pro-preview";
        let later = "gemini-3.1-pro-preview";
        let quick = "gemini-3-flash-preview";
        for (model, thinking, effort, config, room, lost) in [
            (flash, None, None, "", 8192, ""),
            (lite, None, None, "", 0, ""),
            (flash, Some(Disabled), None, "0", 0, ""),
            (flash, Some(Disabled), Some(Effort::High), "0", 0, ""),
            (pro, Some(Disabled), None, "128", 128, off),
            (flash, Some(Budget(4000)), None, "4000 shown", 4000, ""),
            (
                pro,
                Some(Budget(50_000)),
                None,
                "32768 shown",
                32_768,
                lower,
            ),
            (lite, Some(Budget(100)), None, "512 shown", 512, raise),
            (flash, Some(Adaptive), None, "-1 shown", 8192, ""),
            (
                pro,
                Some(Adaptive),
                Some(Effort::Max),
                "32768 shown",
                32_768,
                "",
            ),
            (flash, None, Some(Effort::Low), "1024", 1024, ""),
            (three, None, None, "", 8192, ""),
            (three, Some(Disabled), None, "low", 512, off),
            (quick, Some(Disabled), None, "minimal", 512, off),
            (three, Some(Adaptive), None, "- shown", 8192, ""),
            (
                three,
                Some(Adaptive),
                Some(Effort::Medium),
                "high shown",
                8192,
                "",
            ),
            (later, None, Some(Effort::Medium), "medium", 8192, ""),
            (later, Some(Budget(40_000)), None, "high shown", 40_000, ""),
            (quick, Some(Budget(1024)), None, "low shown", 1024, ""),
            (
                three,
                None,
                Some(Effort::Max),
                "high",
                24_576,
                "output_config.effort lowered",
            ),
            (
                "gemini-2.0-flash",
                Some(Adaptive),
                None,
                "",
                0,
                "thinking dropped",
            ),
            ("gemini-2.0-flash", Some(Disabled), None, "", 0, ""),
        ] {
            assert_eq!(
                asked(model, thinking, effort),
                (config.to_owned(), room, lost.to_owned()),
                "{model} {thinking:?} {effort:?}"
            );
        }
    }
}
