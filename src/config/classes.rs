//! `routing`: which requests are better paid for by tokens, and which by sessions.

use crate::config::fault::Report;
use crate::config::read::Reader;
use crate::config::units;
use crate::config::walk::join;
use crate::config::zed_terms::Billing;

/// Words that speak for sessions where nobody says otherwise. The seeds' own, and the same in English.
const SESSION_WORDS: &[(&str, f64)] = &[
    ("搜索", 2.0),
    ("分析", 2.0),
    ("调试", 2.0),
    ("扫描", 2.0),
    ("项目", 1.0),
    ("步骤", 1.0),
    ("继续", 1.0),
    ("遍历", 1.0),
    ("search", 2.0),
    ("analyze", 2.0),
    ("analyse", 2.0),
    ("debug", 2.0),
    ("scan", 2.0),
    ("project", 1.0),
    ("step", 1.0),
    ("continue", 1.0),
    ("walk through", 1.0),
];
/// Words that speak for tokens.
const TOKEN_WORDS: &[(&str, f64)] = &[
    ("什么是", 2.0),
    ("如何", 2.0),
    ("解释", 1.0),
    ("写一个", 1.0),
    ("创建一个", 1.0),
    ("定义", 1.0),
    ("what is", 2.0),
    ("how do", 2.0),
    ("explain", 1.0),
    ("write a", 1.0),
    ("create a", 1.0),
    ("define", 1.0),
];

/// How requests are told apart.
#[derive(Clone, Debug, PartialEq)]
pub struct Classes {
    /// Sessions for what any of these fits.
    pub force_session: Vec<Condition>,
    /// Tokens for what all of these fit; empty forces nothing.
    pub force_token: Vec<Condition>,
    /// Words, in lower case, that speak for sessions, and how much.
    pub session_words: Vec<(String, f64)>,
    /// The same for tokens.
    pub token_words: Vec<(String, f64)>,
    /// For what nothing else decides, and has tools.
    pub with_tools: Billing,
    /// For what nothing else decides, and has none.
    pub without_tools: Billing,
}

impl Default for Classes {
    fn default() -> Self {
        let words = |list: &[(&str, f64)]| {
            let owned = list.iter().map(|(word, much)| ((*word).to_owned(), *much));
            owned.collect()
        };
        Classes {
            force_session: vec![
                Condition {
                    tools_from: Some(3),
                    ..Condition::default()
                },
                Condition {
                    length_from: Some(2000),
                    ..Condition::default()
                },
                Condition {
                    several_files: Some(true),
                    ..Condition::default()
                },
            ],
            force_token: vec![Condition {
                tools_to: Some(0),
                length_to: Some(200),
                simple_question: Some(true),
                ..Condition::default()
            }],
            session_words: words(SESSION_WORDS),
            token_words: words(TOKEN_WORDS),
            with_tools: Billing::Session,
            without_tools: Billing::Token,
        }
    }
}

/// What may be asked of a request; all that is given must hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Condition {
    /// So many tools or more.
    pub tools_from: Option<u64>,
    /// So many tools or fewer.
    pub tools_to: Option<u64>,
    /// So many characters or more.
    pub length_from: Option<u64>,
    /// So many characters or fewer.
    pub length_to: Option<u64>,
    /// Whether several files are named.
    pub several_files: Option<bool>,
    /// Whether it is a plain question.
    pub simple_question: Option<bool>,
}

/// Reads `routing`, at the top or in the settings; `None` where requests are not told apart.
pub(super) fn classes(
    top: &Reader<'_>,
    settings: &Reader<'_>,
    report: &mut Report,
) -> Option<Classes> {
    let from = [top, settings].into_iter().find(|it| it.has("routing"))?;
    let reader = from.section("routing");
    if reader.boolean("enabled") == Some(false) {
        return None;
    }
    let mut classes = Classes::default();
    let lists = [
        ("force_session_based", &mut classes.force_session),
        ("force_token_based", &mut classes.force_token),
    ];
    for (key, list) in lists {
        if reader.has(key) {
            *list = reader.list(key).iter().map(condition).collect();
            for (i, one) in list.iter().enumerate() {
                if *one == Condition::default() {
                    let path = format!("{}[{i}]", reader.at(key));
                    report.fault(path, "asks for nothing, and so fits everything; remove it");
                }
            }
        }
    }
    let words = [
        ("session_keywords", &mut classes.session_words),
        ("token_keywords", &mut classes.token_words),
    ];
    for (key, list) in words {
        if reader.has(key) {
            *list = weights(&reader, key, report);
        }
    }
    let choice = |key| reader.choice(key).and_then(Billing::of_word);
    classes.with_tools = choice("default_with_tools").unwrap_or(classes.with_tools);
    classes.without_tools = choice("default_without_tools").unwrap_or(classes.without_tools);
    Some(classes)
}

fn condition(reader: &Reader<'_>) -> Condition {
    let exactly = reader.count("tool_count");
    Condition {
        tools_from: reader.count("tool_count_gte").or(exactly),
        tools_to: reader.count("tool_count_lte").or(exactly),
        length_from: reader.count("text_length_gte"),
        length_to: reader.count("text_length_lte"),
        several_files: reader.boolean("has_multiple_files"),
        simple_question: reader.boolean("simple_question"),
    }
}

fn weights(reader: &Reader<'_>, key: &str, report: &mut Report) -> Vec<(String, f64)> {
    let mut words = Vec::new();
    for (word, node) in reader.entries(key) {
        if word.trim().is_empty() {
            report.fault(join(&reader.at(key), word), "is no word");
        } else if let Some(much) = units::number(node) {
            words.push((word.to_lowercase(), much));
        }
    }
    words
}
