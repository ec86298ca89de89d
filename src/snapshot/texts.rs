//! What error texts mean to this operator: the seeds' patterns, compiled once.

use regex::{Regex, RegexBuilder};

use crate::config::Settings;

/// Longest body that the response patterns are held against: longer ones are answers that talk *about* errors.
const SHORT_BODY: usize = 4 * 1024;
/// Memory of one compiled pattern, bytes.
const REGEX_SIZE: usize = 1 << 20;

/// The operator's text rules.
#[derive(Debug, Default)]
pub struct TextRules {
    unhealthy: Vec<String>,
    body: Vec<Regex>,
    credit: Vec<String>,
}

impl TextRules {
    /// Compiles the settings. A pattern that is no regular expression counts as plain text, as in the seeds.
    pub fn new(settings: &Settings) -> Self {
        let lower = |texts: &[String]| texts.iter().map(|text| text.to_lowercase()).collect();
        let compile = |pattern: &String| {
            let build = |text: &str| {
                RegexBuilder::new(text)
                    .case_insensitive(true)
                    .size_limit(REGEX_SIZE)
                    .build()
            };
            build(pattern)
                .or_else(|_| build(&regex::escape(pattern)))
                .ok()
        };
        TextRules {
            unhealthy: lower(&settings.unhealthy_texts),
            body: settings
                .unhealthy_response_body_patterns
                .iter()
                .filter_map(compile)
                .collect(),
            credit: lower(&settings.credit_patterns),
        }
    }

    /// Whether an error message is one the operator counts against the endpoint.
    pub fn is_unhealthy(&self, message: &str) -> bool {
        contains_any(message, &self.unhealthy)
    }

    /// Whether an error message says that the credential has no money left.
    pub fn is_credit(&self, message: &str) -> bool {
        contains_any(message, &self.credit)
    }

    /// Whether a short body, whatever its status, is an error to the operator.
    pub fn is_unhealthy_body(&self, body: &[u8]) -> bool {
        if self.body.is_empty() || SHORT_BODY <= body.len() {
            return false;
        }
        let text = String::from_utf8_lossy(body);
        self.body.iter().any(|pattern| pattern.is_match(&text))
    }
}

fn contains_any(message: &str, texts: &[String]) -> bool {
    !texts.is_empty() && {
        let message = message.to_lowercase();
        texts.iter().any(|text| message.contains(text.as_str()))
    }
}
