//! Which requests are better paid for by tokens, and which by sessions: a pure function of what a request looks like.
//!
//! In the order of the seeds: sessions for what is large by any measure, tokens for what is small by all of them, else
//! whichever the words speak for, else whether there are tools.

use std::fmt;

use crate::config::{Billing, Classes, Condition, Trigger};

/// Bytes of a text in which words and files are looked for.
const MAX_LOOKED_AT: usize = 64 * 1024;
/// Characters of a plain question.
const QUESTION: usize = 200;
/// Characters of a text that is a task.
const TASK: u64 = 2000;
/// Files that are several.
const SEVERAL: usize = 2;
/// Words that weigh this much speak of work in several steps.
const STEPS: f64 = 2.0;
/// How a question begins.
const ASKING: [&str; 20] = [
    "what",
    "who",
    "when",
    "where",
    "why",
    "how",
    "which",
    "is",
    "are",
    "does",
    "do",
    "can",
    "could",
    "should",
    "什么",
    "如何",
    "为什么",
    "谁",
    "哪",
    "怎么",
];
/// Endings that make a name without any folder a file.
const ENDINGS: [&str; 40] = [
    "rs", "py", "js", "ts", "tsx", "jsx", "go", "java", "kt", "c", "h", "cc", "cpp", "hpp", "cs",
    "rb", "php", "swift", "scala", "sh", "sql", "html", "css", "scss", "vue", "md", "txt", "json",
    "yaml", "yml", "toml", "xml", "lock", "ini", "cfg", "conf", "csv", "proto", "lua", "zig",
];

/// What a request looks like.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Facts {
    /// Tools it offers.
    pub tools: u64,
    /// Characters of the last message.
    pub length: u64,
    /// Files it names.
    pub files: usize,
    /// It is a plain question.
    pub is_question: bool,
    /// How much its words speak for sessions.
    pub session_score: f64,
    /// How much they speak for tokens.
    pub token_score: f64,
}

impl Facts {
    /// Of a request with so many tools whose last message is `text`.
    pub fn of(text: &str, tools: u64, classes: &Classes) -> Self {
        let looked_at = prefix(text).to_lowercase();
        Facts {
            tools,
            length: text.chars().count() as u64,
            files: files(prefix(text)),
            is_question: is_question(&looked_at),
            session_score: score(&looked_at, &classes.session_words),
            token_score: score(&looked_at, &classes.token_words),
        }
    }

    /// What makes it large, if anything does that is among `triggers`.
    pub fn trigger(&self, triggers: &[Trigger]) -> Option<Trigger> {
        let is = |trigger: &&Trigger| match trigger {
            Trigger::ComplexCodingTask => TASK <= self.length || SEVERAL <= self.files,
            Trigger::MultiStepAnalysis => {
                STEPS <= self.session_score && self.token_score < self.session_score
            }
            Trigger::AgentPanelUsage => 0 < self.tools,
        };
        triggers.iter().find(is).copied()
    }
}

impl fmt::Display for Facts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} tools, {} characters, {} files, words {} for sessions and {} for tokens",
            self.tools, self.length, self.files, self.session_score, self.token_score
        )
    }
}

/// What decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// The client's own wish.
    Asked,
    /// A condition for sessions.
    Large,
    /// All conditions for tokens.
    Small,
    /// Its words.
    Words,
    /// Nothing but whether it has tools.
    Tools,
}

impl Why {
    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Why::Asked => "asked for",
            Why::Large => "large",
            Why::Small => "small",
            Why::Words => "by its words",
            Why::Tools => "by its tools",
        }
    }
}

/// What is better paid for, and why.
pub fn decide(classes: &Classes, facts: &Facts) -> (Billing, Why) {
    if classes.force_session.iter().any(|it| holds(it, facts)) {
        return (Billing::Session, Why::Large);
    }
    let small = &classes.force_token;
    if !small.is_empty() && small.iter().all(|it| holds(it, facts)) {
        return (Billing::Token, Why::Small);
    }
    if facts.token_score + 1.0 < facts.session_score {
        return (Billing::Session, Why::Words);
    }
    if facts.session_score + 1.0 < facts.token_score {
        return (Billing::Token, Why::Words);
    }
    let default = if 0 < facts.tools {
        classes.with_tools
    } else {
        classes.without_tools
    };
    (default, Why::Tools)
}

fn holds(condition: &Condition, facts: &Facts) -> bool {
    let from = |least: Option<u64>, it: u64| least.is_none_or(|least| least <= it);
    let to = |most: Option<u64>, it: u64| most.is_none_or(|most| it <= most);
    from(condition.tools_from, facts.tools)
        && to(condition.tools_to, facts.tools)
        && from(condition.length_from, facts.length)
        && to(condition.length_to, facts.length)
        && condition
            .several_files
            .is_none_or(|wanted| wanted == (SEVERAL <= facts.files))
        && condition
            .simple_question
            .is_none_or(|wanted| wanted == facts.is_question)
}

/// The beginning of a text that is looked into.
fn prefix(text: &str) -> &str {
    let mut end = text.len().min(MAX_LOOKED_AT);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default()
}

fn score(text: &str, words: &[(String, f64)]) -> f64 {
    let said = words.iter().filter(|(word, _)| mentions(text, word));
    said.map(|(_, much)| much).sum()
}

/// Whether a word stands there; one of letters at the beginning of a word only.
fn mentions(text: &str, word: &str) -> bool {
    let of_letters = word.starts_with(|it: char| it.is_ascii_alphanumeric());
    text.match_indices(word).any(|(at, _)| {
        let before = text.get(..at).and_then(|it| it.chars().next_back());
        !of_letters || !before.is_some_and(char::is_alphanumeric)
    })
}

fn is_question(text: &str) -> bool {
    let text = text.trim();
    if text.is_empty() || text.contains('\n') || QUESTION < text.chars().count() {
        return false;
    }
    let begins = |word: &str| {
        let rest = text.strip_prefix(word);
        rest.is_some_and(|it| !word.is_ascii() || !it.starts_with(char::is_alphanumeric))
    };
    text.ends_with(['?', '？']) || ASKING.iter().any(|it| begins(it))
}

/// How many different files a text names; more than [`SEVERAL`] are not told apart any more.
fn files(text: &str) -> usize {
    let mut found: Vec<&str> = Vec::new();
    let cuts = |it: char| it.is_whitespace() || "\"'`()[]{}<>,;:|，。；：（）".contains(it);
    for word in text.split(cuts) {
        let word = word.trim_end_matches(['.', '!', '?', '？', '！']);
        if is_file(word) && !found.contains(&word) {
            found.push(word);
            if found.len() == 16 {
                break;
            }
        }
    }
    found.len()
}

fn is_file(word: &str) -> bool {
    let Some((stem, ending)) = word.rsplit_once('.') else {
        return false;
    };
    let plain = (1..=5).contains(&ending.len())
        && ending.starts_with(|it: char| it.is_ascii_alphabetic())
        && ending.bytes().all(|it| it.is_ascii_alphanumeric());
    if stem.starts_with("//") {
        // What follows the colon of a web address.
        return false;
    }
    let in_folder = stem.contains(['/', '\\']);
    let named = stem
        .rsplit(['/', '\\'])
        .next()
        .is_some_and(|it| !it.is_empty());
    plain && named && (in_folder || ENDINGS.contains(&ending))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn class(text: &str, tools: u64) -> (Billing, Why) {
        let classes = Classes::default();
        decide(&classes, &Facts::of(text, tools, &classes))
    }

    #[test]
    fn the_seeds_order_decides() {
        let long = "x".repeat(2000);
        for (text, tools, expected) in [
            ("什么是 Rust?", 3, (Billing::Session, Why::Large)),
            (long.as_str(), 0, (Billing::Session, Why::Large)),
            (
                "compare src/a.rs and lib/b.py",
                0,
                (Billing::Session, Why::Large),
            ),
            ("什么是所有权？", 0, (Billing::Token, Why::Small)),
            ("what is a monad?", 0, (Billing::Token, Why::Small)),
            ("what is a monad?", 1, (Billing::Token, Why::Words)),
            ("请分析并调试这个项目", 0, (Billing::Session, Why::Words)),
            (
                "please debug and scan it",
                0,
                (Billing::Session, Why::Words),
            ),
            ("good morning", 1, (Billing::Session, Why::Tools)),
            ("good morning", 0, (Billing::Token, Why::Tools)),
        ] {
            assert_eq!(class(text, tools), expected, "{text} with {tools} tools");
        }
    }

    #[test]
    fn files_are_paths_and_names_with_known_endings() {
        for (text, expected) in [
            ("look at src/main.rs, src/main.rs and `Cargo.toml`.", 2),
            ("e.g. this, i.e. that. Node.js? 1.5 times", 1),
            ("https://example.com/a.html", 0),
            ("C:\\work\\a.bin and ./b.xyz", 2),
            (".rs / .py", 0),
            ("", 0),
        ] {
            assert_eq!(files(text), expected, "{text}");
        }
    }

    #[test]
    fn words_stand_at_the_beginning_of_words() {
        assert!(mentions("please step in", "step"));
        assert!(mentions("debugging", "debug"));
        assert!(!mentions("footstep", "step"));
        assert!(mentions("继续分析", "分析"));
    }

    #[test]
    fn plain_questions_are_short_and_ask() {
        for (text, expected) in [
            ("why is it so", true),
            ("It rains?", true),
            ("whatever you do", false),
            ("one\ntwo?", false),
            ("do it now", true),
            ("如何安装", true),
            ("", false),
        ] {
            assert_eq!(is_question(text), expected, "{text}");
        }
        assert!(!is_question(&format!("{}?", "x".repeat(200))));
    }

    #[test]
    fn what_is_large_is_told_by_the_triggers_that_count() {
        let classes = Classes::default();
        let facts = |text: &str, tools| Facts::of(text, tools, &classes);
        let all = [
            Trigger::ComplexCodingTask,
            Trigger::MultiStepAnalysis,
            Trigger::AgentPanelUsage,
        ];
        for (facts, expected) in [
            (facts("a.rs b.rs", 0), Some(Trigger::ComplexCodingTask)),
            (facts("debug it", 0), Some(Trigger::MultiStepAnalysis)),
            (facts("hi", 1), Some(Trigger::AgentPanelUsage)),
            (facts("hi", 0), None),
        ] {
            assert_eq!(facts.trigger(&all), expected);
            assert_eq!(facts.trigger(&[]), None);
        }
    }

    proptest! {
        #[test]
        fn any_text_is_decided(text in "\\PC{0,300}", tools in 0_u64..5) {
            let (billing, why) = class(&text, tools);
            if 3 <= tools {
                prop_assert_eq!((billing, why), (Billing::Session, Why::Large));
            }
        }
    }
}
