//! Routes for some requests only: which of the rules fits a request.

use crate::config::{RouteCandidate, RouteRule, Terms, When};
use crate::routing::pattern::Pattern;

/// A request as rules see it. What is dear to find out is asked only where a rule wants to know.
pub struct Asked<'a> {
    /// Whether a sub-agent asks.
    pub agent: bool,
    /// Whether thinking is asked for.
    pub thinking: bool,
    /// Whether there are pictures in it.
    pub images: &'a dyn Fn() -> bool,
    /// About how long the prompt is.
    pub tokens: &'a dyn Fn() -> u64,
    /// Whether a header, in lower case, has that value.
    pub header: &'a dyn Fn(&str, &str) -> bool,
}

/// A rule, compiled.
#[derive(Clone, Debug)]
pub(super) struct Rule {
    pub label: String,
    models: Vec<Pattern>,
    when: When,
    pub candidates: Vec<RouteCandidate>,
    pub terms: Terms,
    /// Whether any of its providers is enabled and active; one without gives way, as a route does.
    is_active: bool,
}

impl Rule {
    pub fn new(rule: &RouteRule, is_active: impl Fn(usize) -> bool) -> Self {
        Rule {
            label: rule.label.clone(),
            models: rule.models.iter().map(|it| Pattern::new(it)).collect(),
            when: rule.when.clone(),
            candidates: rule.candidates.clone(),
            terms: rule.terms,
            is_active: rule.candidates.iter().any(|it| is_active(it.provider)),
        }
    }

    /// Whether it is about a request for any of these names of one model.
    pub fn fits(&self, names: &[&str], asked: &Asked<'_>) -> bool {
        let is_about = |name: &&str| self.models.iter().any(|it| it.matches(name));
        self.is_active && names.iter().any(is_about) && holds(&self.when, asked)
    }

    /// Headers it looks at.
    pub fn headers(&self) -> impl Iterator<Item = &str> {
        self.when.headers.iter().map(|(name, _)| name.as_str())
    }
}

/// Whether all that is given holds; what is dear is looked at last.
fn holds(when: &When, asked: &Asked<'_>) -> bool {
    when.agent.is_none_or(|wanted| wanted == asked.agent)
        && when.thinking.is_none_or(|wanted| wanted == asked.thinking)
        && when
            .headers
            .iter()
            .all(|(name, value)| (asked.header)(name, value))
        && when.images.is_none_or(|wanted| wanted == (asked.images)())
        && (when.tokens_over.is_none() && when.tokens_under.is_none() || {
            let tokens = (asked.tokens)();
            when.tokens_over.is_none_or(|least| least < tokens)
                && when.tokens_under.is_none_or(|most| tokens < most)
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(models: &[&str], when: When) -> Rule {
        let rule = RouteRule {
            label: "route_rules[0]".to_owned(),
            models: models.iter().map(|it| (*it).to_owned()).collect(),
            when,
            candidates: vec![RouteCandidate {
                provider: 0,
                model: None,
                priority: 1,
                weight: 1.0,
                wish: crate::config::Wish::default(),
            }],
            terms: Terms::default(),
        };
        Rule::new(&rule, |_| true)
    }

    const PLAIN: Asked<'static> = Asked {
        agent: false,
        thinking: false,
        images: &|| false,
        tokens: &|| 1000,
        header: &|name, value| name == "x-team" && value == "a",
    };

    #[test]
    fn all_that_is_given_must_hold() {
        let team = |value: &str| vec![("x-team".to_owned(), value.to_owned())];
        let none = When::default();
        for (when, fits) in [
            (none.clone(), true),
            (
                When {
                    agent: Some(true),
                    ..none.clone()
                },
                false,
            ),
            (
                When {
                    agent: Some(false),
                    ..none.clone()
                },
                true,
            ),
            (
                When {
                    thinking: Some(true),
                    ..none.clone()
                },
                false,
            ),
            (
                When {
                    images: Some(false),
                    ..none.clone()
                },
                true,
            ),
            (
                When {
                    tokens_over: Some(999),
                    ..none.clone()
                },
                true,
            ),
            (
                When {
                    tokens_over: Some(1000),
                    ..none.clone()
                },
                false,
            ),
            (
                When {
                    tokens_under: Some(1001),
                    ..none.clone()
                },
                true,
            ),
            (
                When {
                    tokens_under: Some(1000),
                    ..none.clone()
                },
                false,
            ),
            (
                When {
                    tokens_over: Some(10),
                    tokens_under: Some(20),
                    ..none.clone()
                },
                false,
            ),
            (
                When {
                    headers: team("a"),
                    ..none.clone()
                },
                true,
            ),
            (
                When {
                    headers: team("b"),
                    ..none.clone()
                },
                false,
            ),
            (
                When {
                    headers: team("a"),
                    agent: Some(true),
                    ..none.clone()
                },
                false,
            ),
        ] {
            assert_eq!(
                rule(&["*"], when.clone()).fits(&["m"], &PLAIN),
                fits,
                "{when:?}"
            );
        }
    }

    #[test]
    fn a_rule_is_about_its_models_under_any_of_their_names() {
        let rule = rule(&["*opus*", "gpt-5"], When::default());
        assert!(rule.fits(&["claude-opus-5"], &PLAIN));
        assert!(rule.fits(&["gpt-5[1m]", "gpt-5"], &PLAIN));
        assert!(!rule.fits(&["claude-sonnet-5"], &PLAIN));
    }

    #[test]
    fn nothing_dear_is_looked_at_without_need() {
        let dear = Asked {
            images: &|| unreachable!(),
            tokens: &|| unreachable!(),
            ..PLAIN
        };
        let cheap = When {
            agent: Some(false),
            ..When::default()
        };
        assert!(rule(&["*"], cheap).fits(&["m"], &dear));
        let refused_early = When {
            agent: Some(true),
            images: Some(true),
            tokens_over: Some(1),
            ..When::default()
        };
        assert!(!rule(&["*"], refused_early).fits(&["m"], &dear));
    }
}
