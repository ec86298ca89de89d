//! What a change does to a file, as people know it from version control: a unified diff, with secrets masked.

use std::fmt::Write;

use crate::cli::output::Style;
use crate::types::Secret;

/// Lines of context around a change.
const CONTEXT: usize = 3;
/// Beyond so many comparisons the changed part is shown as a whole, taken out and put in.
const MAX_COMPARED: usize = 4_000_000;
/// Parts of the names of values that are shown masked, in upper case.
const SECRET_NAMES: [&str; 7] = [
    "TOKEN",
    "KEY",
    "SECRET",
    "PASSWORD",
    "AUTH",
    "CREDENTIAL",
    "HEADERS",
];

/// What keys begin with, whatever stands before them.
const SECRET_BEGINNINGS: [&str; 7] = ["sk-", "pmk-", "AIza", "gsk_", "xai-", "Bearer ", "ghp_"];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Same,
    Out,
    In,
}

/// The difference between two versions of the file `name`; empty when there is none. `exists` is whether there is an
/// old version.
pub fn unified(name: &str, old: &str, new: &str, exists: bool, style: Style) -> String {
    let (before, after): (Vec<&str>, Vec<&str>) = (old.lines().collect(), new.lines().collect());
    let steps = steps(&before, &after);
    if steps.iter().all(|it| it.0 == Kind::Same) {
        return String::new();
    }
    let from = if exists { name } else { "/dev/null" };
    let mut text = format!("--- {from}\n+++ {name}\n");
    for hunk in hunks(&steps) {
        let part = steps.get(hunk.clone()).unwrap_or_default();
        let earlier = steps.get(..hunk.start).unwrap_or_default();
        let count =
            |steps: &[(Kind, &str)], but: Kind| steps.iter().filter(|it| it.0 != but).count();
        let place = |but: Kind| match (count(earlier, but), count(part, but)) {
            (before, 0) => format!("{before},0"),
            (before, 1) => format!("{}", before + 1),
            (before, lines) => format!("{},{lines}", before + 1),
        };
        let head = format!("@@ -{} +{} @@", place(Kind::In), place(Kind::Out));
        let _ = writeln!(text, "{}", style.dim(&head));
        for (kind, line) in part {
            let line = masked(line);
            let line = match kind {
                Kind::Same => format!(" {line}"),
                Kind::Out => style.red(&format!("-{line}")),
                Kind::In => style.green(&format!("+{line}")),
            };
            let _ = writeln!(text, "{line}");
        }
    }
    text
}

/// What leads from one list of lines to the other.
fn steps<'t>(before: &[&'t str], after: &[&'t str]) -> Vec<(Kind, &'t str)> {
    let head = before.iter().zip(after).take_while(|(a, b)| a == b).count();
    let (a, b) = (&before[head..], &after[head..]);
    let tail = a.iter().rev().zip(b.iter().rev());
    let tail = tail.take_while(|(a, b)| a == b).count();
    let (a, b) = (&a[..a.len() - tail], &b[..b.len() - tail]);
    let same = |lines: &[&'t str]| -> Vec<(Kind, &'t str)> {
        lines.iter().map(|it| (Kind::Same, *it)).collect()
    };
    let mut steps = same(&before[..head]);
    steps.extend(middle(a, b));
    steps.extend(same(&before[before.len() - tail..]));
    steps
}

/// The same for lists that differ at both ends: the longest common subsequence stays.
fn middle<'t>(a: &[&'t str], b: &[&'t str]) -> Vec<(Kind, &'t str)> {
    let whole = MAX_COMPARED < a.len().saturating_mul(b.len());
    let width = b.len() + 1;
    let mut common = vec![0_u32; if whole { 0 } else { (a.len() + 1) * width }];
    if !whole {
        for i in (0..a.len()).rev() {
            for j in (0..b.len()).rev() {
                common[i * width + j] = if a[i] == b[j] {
                    common[(i + 1) * width + j + 1] + 1
                } else {
                    common[(i + 1) * width + j].max(common[i * width + j + 1])
                };
            }
        }
    }
    let (mut i, mut j, mut steps) = (0, 0, Vec::new());
    while i < a.len() || j < b.len() {
        if !whole && i < a.len() && j < b.len() && a[i] == b[j] {
            steps.push((Kind::Same, a[i]));
            (i, j) = (i + 1, j + 1);
        } else if i < a.len()
            && (whole || j == b.len() || common[i * width + j + 1] <= common[(i + 1) * width + j])
        {
            steps.push((Kind::Out, a[i]));
            i += 1;
        } else {
            steps.push((Kind::In, b[j]));
            j += 1;
        }
    }
    steps
}

/// Ranges of steps that are shown together.
fn hunks(steps: &[(Kind, &str)]) -> Vec<std::ops::Range<usize>> {
    let mut hunks: Vec<std::ops::Range<usize>> = Vec::new();
    for (i, _) in steps
        .iter()
        .enumerate()
        .filter(|(_, it)| it.0 != Kind::Same)
    {
        let (start, end) = (
            i.saturating_sub(CONTEXT),
            (i + CONTEXT + 1).min(steps.len()),
        );
        match hunks.last_mut() {
            Some(last) if start <= last.end => last.end = end,
            _ => hunks.push(start..end),
        }
    }
    hunks
}

/// A line of a file of settings without the secrets in it: every quoted text that stands behind the name of a secret, be
/// it `"name": "value"` or `name = "value"`, and every one that looks like a key.
fn masked(line: &str) -> String {
    let (mut out, mut rest, mut before) = (String::new(), line, String::new());
    while let Some(open) = rest.find('"') {
        let (head, tail) = rest.split_at(open);
        let text = tail.get(1..).unwrap_or_default();
        let Some(close) = end_of(text) else {
            break;
        };
        let value = text.get(..close).unwrap_or_default();
        // What stands between the last name and this text: `: ` or `= ` makes it a value.
        let names = match head.trim() {
            ":" => before.clone(),
            other => other.trim_end_matches(['=', ' ']).to_owned(),
        };
        let is_value = head.trim_end().ends_with([':', '=']);
        out.push_str(head);
        if (is_value && is_secret_name(&names) && !is_variable(value)) || looks_like_a_key(value) {
            let shown = Secret::new(value.to_owned()).masked();
            let _ = write!(out, "\"{shown}\"");
        } else {
            out.push_str(tail.get(..close + 2).unwrap_or_default());
        }
        value.clone_into(&mut before);
        rest = text.get(close + 1..).unwrap_or_default();
    }
    out + rest
}

/// Where a quoted text ends.
fn end_of(text: &str) -> Option<usize> {
    let mut escaped = false;
    text.bytes().position(|it| {
        let ends = it == b'"' && !escaped;
        escaped = it == b'\\' && !escaped;
        ends
    })
}

fn is_secret_name(name: &str) -> bool {
    let upper = name.to_ascii_uppercase();
    SECRET_NAMES.iter().any(|it| upper.contains(it))
}

/// Whether this is the name of a variable, in which a secret is.
fn is_variable(text: &str) -> bool {
    let fits = |it: char| it.is_ascii_uppercase() || it.is_ascii_digit() || it == '_';
    text.contains('_') && text.chars().all(fits)
}

fn looks_like_a_key(text: &str) -> bool {
    SECRET_BEGINNINGS.iter().any(|it| text.contains(it)) && 8 < text.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn diff(old: &str, new: &str) -> String {
        unified("f", old, new, true, Style::PLAIN)
    }

    #[test]
    fn it_is_what_people_know() {
        let old = "a\nb\nc\nd\ne\nf\ng\nh\ni\nj\nk\n";
        let new = old.replace("b\n", "B\n").replace("k\n", "k\nl\n");
        assert_eq!(
            diff(old, &new),
            "--- f\n+++ f\n@@ -1,5 +1,5 @@\n a\n-b\n+B\n c\n d\n e\n@@ -9,3 +9,4 @@\n i\n j\n k\n+l\n"
        );
        assert_eq!(diff(old, old), "");
        let made = unified("f", "", "a\nb\n", false, Style::PLAIN);
        assert_eq!(made, "--- /dev/null\n+++ f\n@@ -0,0 +1,2 @@\n+a\n+b\n");
    }

    #[test]
    fn secrets_are_masked_wherever_they_stand() {
        for line in [
            r#"  "env": {"MY_API_KEY": "sk-canary-0123456789", "x": "y", "TOKEN" : "canary-0123456789abc"}"#,
            r#"api_token = "canary-0123456789abcdef" # mine"#,
            r#""ANTHROPIC_CUSTOM_HEADERS": "x-api-key: canary-0123456789""#,
            r#""note": "sk-canary-0123456789abcdef""#,
            r#""a\"b_KEY": "canary-0123456789abcdef""#,
        ] {
            let shown = masked(line);
            assert!(!shown.contains("canary-0"), "{shown}");
        }
        for line in [
            r#"env_key = "POINTSMAN_KEY""#,
            r#""ANTHROPIC_BASE_URL": "http://127.0.0.1:8080","#,
            r#"an "open text"#,
            "",
        ] {
            assert_eq!(masked(line), line);
        }
    }

    proptest! {
        #[test]
        fn its_lines_are_both_files(
            old in prop::collection::vec("[ab]", 0..12),
            new in prop::collection::vec("[ab]", 0..12),
        ) {
            let (a, b): (Vec<&str>, Vec<&str>) =
                (old.iter().map(String::as_str).collect(), new.iter().map(String::as_str).collect());
            let steps = steps(&a, &b);
            let side = |but: Kind| -> Vec<&str> {
                steps.iter().filter(|it| it.0 != but).map(|it| it.1).collect()
            };
            prop_assert_eq!(side(Kind::In), a);
            prop_assert_eq!(side(Kind::Out), b);
        }

        #[test]
        fn any_line_can_be_masked(line in ".{0,40}") {
            let _ = masked(&line);
        }
    }
}
