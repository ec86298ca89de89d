//! The compiled routes of one configuration.

use crate::config::Config;
use crate::config::Provider;
use crate::config::Route;
use crate::config::RouteCandidate;
use crate::config::Terms;
use crate::routing::near;
use crate::routing::pattern::Pattern;
use crate::routing::when::{Asked, Rule};

/// Claude Code puts this behind a model's name to ask for the long context.
const LONG_CONTEXT: &str = "[1m]";
/// Without `default_route`, the pattern that contains the first of these, else the next, serves unknown models.
const DEFAULT_WORDS: [&str; 2] = ["sonnet", "opus"];

/// All routes, the most specific pattern first.
#[derive(Clone, Debug)]
pub struct Table {
    entries: Vec<Entry>,
    default: Option<usize>,
    rules: Vec<Rule>,
}

#[derive(Clone, Debug)]
struct Entry {
    pattern: Pattern,
    written: String,
    candidates: Vec<RouteCandidate>,
    terms: Terms,
    /// Whether any of its providers is enabled and active.
    is_active: bool,
}

/// What a model name leads to.
#[derive(Clone, Debug, PartialEq)]
pub enum Resolution<'t> {
    /// A route.
    Route {
        /// Its pattern, as written.
        pattern: &'t str,
        /// Who may serve it, in file order; may be empty, and some may be on inactive providers.
        candidates: &'t [RouteCandidate],
        /// How.
        terms: Terms,
        /// No pattern fits; this is the default route, which deserves a warning.
        fallback: bool,
    },
    /// No pattern fits, and there is no default.
    NoRoute {
        /// Patterns the client may have meant, as written, the nearest first, at most three.
        near: Vec<String>,
    },
}

impl Table {
    /// Compiles the routes. A `default_route` that is none of the patterns is no default.
    pub fn new(config: &Config) -> Self {
        let is_active = |index: usize| config.providers.get(index).is_some_and(Provider::is_active);
        let rules = config.rules.iter().map(|it| Rule::new(it, is_active));
        Table {
            rules: rules.collect(),
            ..Table::compile(&config.routes, config.default_route.as_deref(), is_active)
        }
    }

    fn compile(routes: &[Route], default: Option<&str>, is_active: impl Fn(usize) -> bool) -> Self {
        let default = default.or_else(|| usual_default(routes));
        let mut entries: Vec<Entry> = routes
            .iter()
            .map(|route| Entry {
                pattern: Pattern::new(&route.pattern),
                written: route.pattern.clone(),
                candidates: route.candidates.clone(),
                terms: route.terms,
                is_active: route.candidates.iter().any(|it| is_active(it.provider)),
            })
            .collect();
        // The sort is stable: equally specific patterns stay in file order.
        entries.sort_by(|a, b| a.pattern.by_specificity(&b.pattern));
        let default = entries
            .iter()
            .position(|entry| Some(entry.written.as_str()) == default);
        Table {
            entries,
            default,
            rules: Vec::new(),
        }
    }

    /// What the first rule that fits a request leads to.
    pub fn rule(&self, model: &str, asked: &Asked<'_>) -> Option<Resolution<'_>> {
        let short = without_long_context(model).unwrap_or(model);
        let rule = self
            .rules
            .iter()
            .find(|it| it.fits(&[model, short], asked))?;
        Some(Resolution::Route {
            pattern: &rule.label,
            candidates: &rule.candidates,
            terms: rule.terms,
            fallback: false,
        })
    }

    /// Headers that rules look at, in lower case.
    pub fn watched_headers(&self) -> impl Iterator<Item = &str> {
        self.rules.iter().flat_map(Rule::headers)
    }

    /// The route for a model. Of the patterns that fit, the most specific one with an active provider; if none has
    /// one, the most specific. A `[1m]` at the end is left out of account unless a pattern fits it too.
    pub fn resolve(&self, model: &str) -> Resolution<'_> {
        let found = self
            .find(model)
            .or_else(|| self.find(without_long_context(model)?));
        let default = || self.default.and_then(|default| self.entries.get(default));
        match (found, default()) {
            (Some(entry), _) => entry.resolution(false),
            (None, Some(entry)) => entry.resolution(true),
            (None, None) => {
                let entries = self.entries.iter();
                let patterns = entries.map(|entry| (entry.written.as_str(), &entry.pattern));
                Resolution::NoRoute {
                    near: near::nearest(without_long_context(model).unwrap_or(model), patterns),
                }
            }
        }
    }

    /// Every pattern as written, the most specific first.
    pub fn patterns(&self) -> impl Iterator<Item = &str> {
        self.entries.iter().map(|entry| entry.written.as_str())
    }

    fn find(&self, model: &str) -> Option<&Entry> {
        let mut fitting = self
            .entries
            .iter()
            .filter(|entry| entry.pattern.matches(model));
        let first = fitting.next()?;
        if first.is_active {
            return Some(first);
        }
        fitting.find(|entry| entry.is_active).or(Some(first))
    }
}

impl Entry {
    fn resolution(&self, fallback: bool) -> Resolution<'_> {
        Resolution::Route {
            pattern: &self.written,
            candidates: &self.candidates,
            terms: self.terms,
            fallback,
        }
    }
}

fn usual_default(routes: &[Route]) -> Option<&str> {
    DEFAULT_WORDS.iter().find_map(|word| {
        let mut patterns = routes.iter().map(|route| route.pattern.as_str());
        patterns.find(|pattern| pattern.to_ascii_lowercase().contains(word))
    })
}

fn without_long_context(model: &str) -> Option<&str> {
    let at = model.len().checked_sub(LONG_CONTEXT.len())?;
    let (name, suffix) = model.split_at_checked(at)?;
    suffix.eq_ignore_ascii_case(LONG_CONTEXT).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Routes, each served by one provider of its own; those whose pattern ends in `!` by an inactive one.
    fn table(patterns: &[&str], default: Option<&str>) -> Table {
        let routes: Vec<Route> = patterns
            .iter()
            .enumerate()
            .map(|(provider, pattern)| Route {
                pattern: pattern.trim_end_matches('!').to_owned(),
                candidates: vec![RouteCandidate {
                    provider,
                    model: None,
                    priority: 1,
                    weight: 1.0,
                    wish: crate::config::Wish::default(),
                }],
                terms: Terms::default(),
            })
            .collect();
        Table::compile(&routes, default, |provider| {
            !patterns[provider].ends_with('!')
        })
    }

    fn route<'t>(table: &'t Table, model: &str) -> Option<(&'t str, bool)> {
        match table.resolve(model) {
            Resolution::Route {
                pattern, fallback, ..
            } => Some((pattern, fallback)),
            Resolution::NoRoute { .. } => None,
        }
    }

    #[test]
    fn the_most_specific_pattern_wins_then_file_order() {
        let table = table(
            &[
                "*",
                "*sonnet*",
                "claude-*-4",
                "claude-sonnet-4-5",
                "*-4-5*xx",
                "*4-5xx*",
            ],
            None,
        );
        for (model, pattern) in [
            ("claude-sonnet-4-5", "claude-sonnet-4-5"),
            ("Claude-Sonnet-4-5", "claude-sonnet-4-5"),
            ("claude-sonnet-4", "claude-*-4"),
            ("sonnet", "*sonnet*"),
            ("gpt-5", "*"),
            ("a-4-5xx", "*-4-5*xx"),
        ] {
            assert_eq!(route(&table, model), Some((pattern, false)), "{model}");
        }
    }

    #[test]
    fn the_long_context_suffix_is_ignored_unless_a_pattern_knows_it() {
        let table = table(
            &["claude-sonnet-4-5", "claude-opus-4[1m]", "claude-opus-4"],
            Some("none"),
        );
        assert_eq!(
            route(&table, "claude-sonnet-4-5[1m]"),
            Some(("claude-sonnet-4-5", false))
        );
        assert_eq!(
            route(&table, "claude-sonnet-4-5[1M]"),
            Some(("claude-sonnet-4-5", false))
        );
        assert_eq!(
            route(&table, "claude-opus-4[1m]"),
            Some(("claude-opus-4[1m]", false))
        );
        assert_eq!(route(&table, "[1m]"), None);
        assert_eq!(route(&table, "é[1m"), None);
    }

    #[test]
    fn unknown_models_go_to_the_default() {
        let both = ["*opus*", "My-Sonnet", "*sonnet*"];
        assert_eq!(route(&table(&both, None), "x"), Some(("My-Sonnet", true)));
        assert_eq!(route(&table(&both[..1], None), "x"), Some(("*opus*", true)));
        assert_eq!(
            route(&table(&both, Some("*opus*")), "x"),
            Some(("*opus*", true))
        );
        assert_eq!(route(&table(&both, Some("none")), "x"), None);
        assert_eq!(route(&table(&["gpt-*"], None), "x"), None);
        assert_eq!(route(&table(&[], None), "x"), None);
    }

    #[test]
    fn a_route_without_an_active_provider_gives_way_to_one_with() {
        let table = table(&["claude-sonnet-4!", "*sonnet*", "*opus*!"], Some("none"));
        assert_eq!(route(&table, "claude-sonnet-4"), Some(("*sonnet*", false)));
        assert_eq!(route(&table, "claude-opus-4"), Some(("*opus*", false)));
    }

    #[test]
    fn without_a_route_near_names_are_given() {
        let table = table(&["gpt-4o", "o3"], None);
        let near = Resolution::NoRoute {
            near: vec!["gpt-4o".to_owned()],
        };
        assert_eq!(table.resolve("gpt-4p"), near);
        assert_eq!(table.resolve("gpt-4p[1m]"), near);
        assert_eq!(
            table.resolve(&"a".repeat(1_000_000)),
            Resolution::NoRoute { near: vec![] }
        );
    }
}
