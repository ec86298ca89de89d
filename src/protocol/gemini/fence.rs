//! Code that Google ran and what it printed, as fenced text.

use crate::protocol::gemini::wire_answer::{Code, CodeResult};

/// Code between fences that it cannot end.
pub(super) fn code(code: &Code<'_>) -> String {
    let language = code.language.get().unwrap_or_default();
    let language: String = language
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .map(|c| c.to_ascii_lowercase())
        .collect();
    let language = if language == "languageunspecified" {
        ""
    } else {
        &language
    };
    fenced(language, code.code.get().unwrap_or_default())
}

/// What code printed, and how it ended if not well.
pub(super) fn result(result: &CodeResult<'_>) -> String {
    let output = fenced("text", result.output.get().unwrap_or_default());
    match result.outcome.get() {
        None | Some("OUTCOME_OK" | "OUTCOME_UNSPECIFIED") => output,
        Some(outcome) => format!("({outcome})\n{output}"),
    }
}

fn fenced(language: &str, text: &str) -> String {
    let mut longest = 0;
    let mut run = 0;
    for c in text.chars() {
        run = if c == '`' { run + 1 } else { 0 };
        longest = longest.max(run);
    }
    let fence = "`".repeat(3.max(longest + 1));
    let end = if text.is_empty() || text.ends_with('\n') {
        ""
    } else {
        "\n"
    };
    format!("{fence}{language}\n{text}{end}{fence}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fences_are_longer_than_what_they_hold() {
        assert_eq!(fenced("python", "a\n"), "```python\na\n```\n");
        assert_eq!(fenced("", "a"), "```\na\n```\n");
        assert_eq!(fenced("", "x ````"), "`````\nx ````\n`````\n");
        assert_eq!(fenced("text", ""), "```text\n```\n");
    }

    #[test]
    fn a_failure_is_named() {
        let read = |json: &'static str| result(&serde_json::from_str(json).unwrap());
        assert_eq!(
            read(r#"{"outcome":"OUTCOME_OK","output":"1"}"#),
            "```text\n1\n```\n"
        );
        assert_eq!(
            read(r#"{"outcome":"OUTCOME_FAILED","output":"no"}"#),
            "(OUTCOME_FAILED)\n```text\nno\n```\n"
        );
    }
}
