//! Durations and sizes as people write them.

use std::time::Duration;

use crate::config::tree::Node;

/// Longest duration taken: clocks can add it without overflow.
const MAX_SECONDS: f64 = 365.0 * 86_400.0;
/// Most tokens taken.
const MAX_TOKENS: f64 = 1e9;
/// Largest size taken.
const MAX_BYTES: f64 = (1_u64 << 40) as f64;

/// Seconds as a number, or `10s`, `5m`, `500ms`, `1h`, `2d`. `None`: not a duration, negative, or over a year.
pub(super) fn duration(node: &Node) -> Option<Duration> {
    let seconds = match node {
        Node::Text { text, .. } => {
            let (number, unit) = split(text)?;
            let scale = match unit.as_str() {
                "" | "s" | "sec" | "secs" | "second" | "seconds" => 1.0,
                "ms" => 0.001,
                "m" | "min" | "mins" | "minute" | "minutes" => 60.0,
                "h" | "hour" | "hours" => 3600.0,
                "d" | "day" | "days" => 86_400.0,
                _ => return None,
            };
            number * scale
        }
        other => number(other)?,
    };
    if (0.0..=MAX_SECONDS).contains(&seconds) {
        Duration::try_from_secs_f64(seconds).ok()
    } else {
        None
    }
}

/// Tokens as a number, or `200k`, `1M`. `None`: not a number of tokens, negative, or over a billion.
pub(super) fn tokens(node: &Node) -> Option<u64> {
    let tokens = match node {
        Node::Text { text, .. } => {
            let (number, unit) = split(text)?;
            let scale = match unit.as_str() {
                "" => 1.0,
                "k" => 1e3,
                "m" => 1e6,
                _ => return None,
            };
            number * scale
        }
        other => number(other)?,
    };
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the range was just checked"
    )]
    (0.0..=MAX_TOKENS)
        .contains(&tokens)
        .then_some(tokens as u64)
}

/// Bytes as a number, or `64MiB`, `10 MB`, `512k`. `None`: not a size, negative, or over a tebibyte.
pub(super) fn size(node: &Node) -> Option<usize> {
    let bytes = match node {
        Node::Text { text, .. } => {
            let (number, unit) = split(text)?;
            let scale = match unit.as_str() {
                "" | "b" => 1.0,
                "kb" => 1e3,
                "mb" => 1e6,
                "gb" => 1e9,
                "k" | "kib" => 1024.0,
                "m" | "mib" => 1_048_576.0,
                "g" | "gib" => 1_073_741_824.0,
                _ => return None,
            };
            number * scale
        }
        other => number(other)?,
    };
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the range was just checked"
    )]
    (0.0..=MAX_BYTES).contains(&bytes).then_some(bytes as usize)
}

/// A number, also when it came as text out of an environment reference.
pub(super) fn number(node: &Node) -> Option<f64> {
    match node {
        Node::Int(it) => Some(*it as f64),
        Node::Float(it) => Some(*it),
        Node::Text { text, .. } => text.trim().parse().ok(),
        Node::Null | Node::Bool(_) | Node::List(_) | Node::Map(_) | Node::Tagged | Node::Broken => {
            None
        }
    }
}

/// A whole number from zero.
pub(super) fn count(node: &Node) -> Option<u64> {
    match node {
        Node::Int(it) => u64::try_from(*it).ok(),
        Node::Text { text, .. } => text.trim().parse().ok(),
        Node::Null
        | Node::Bool(_)
        | Node::Float(_)
        | Node::List(_)
        | Node::Map(_)
        | Node::Tagged
        | Node::Broken => None,
    }
}

/// `true` or `false`, also as text out of an environment reference.
pub(super) fn boolean(node: &Node) -> Option<bool> {
    match node {
        Node::Bool(it) => Some(*it),
        Node::Text { text, .. } => match text.trim().to_ascii_lowercase().as_str() {
            "true" | "yes" | "on" | "1" => Some(true),
            "false" | "no" | "off" | "0" => Some(false),
            _ => None,
        },
        Node::Null
        | Node::Int(_)
        | Node::Float(_)
        | Node::List(_)
        | Node::Map(_)
        | Node::Tagged
        | Node::Broken => None,
    }
}

/// Text.
pub(super) fn text(node: &Node) -> Option<&str> {
    match node {
        Node::Text { text, .. } => Some(text),
        Node::Null
        | Node::Bool(_)
        | Node::Int(_)
        | Node::Float(_)
        | Node::List(_)
        | Node::Map(_)
        | Node::Tagged
        | Node::Broken => None,
    }
}

/// A list of texts; one text alone is a list of one.
pub(super) fn texts(node: &Node) -> Option<Vec<&str>> {
    match node {
        Node::List(items) => items.iter().map(text).collect(),
        other => text(other).map(|it| vec![it]),
    }
}

/// A list of HTTP statuses; one alone is a list of one.
pub(super) fn codes(node: &Node) -> Option<Vec<u16>> {
    let code = |it: &Node| {
        count(it)
            .and_then(|it| u16::try_from(it).ok())
            .filter(|it| (100..=599).contains(it))
    };
    match node {
        Node::List(items) => items.iter().map(code).collect(),
        other => code(other).map(|it| vec![it]),
    }
}

/// One of `choices`, whatever its case, with `-` for `_`; `true` and `false` are `on` and `off`.
pub(super) fn choice(node: &Node, choices: &[&'static str]) -> Option<&'static str> {
    let word = match node {
        Node::Bool(true) => "on".to_owned(),
        Node::Bool(false) => "off".to_owned(),
        other => text(other)?.trim().to_ascii_lowercase().replace('-', "_"),
    };
    choices
        .iter()
        .copied()
        .find(|it| it.to_ascii_lowercase().replace('-', "_") == word)
}

/// Number and unit of `10 s`.
fn split(text: &str) -> Option<(f64, String)> {
    let text = text.trim();
    let end = text
        .find(|it: char| !(it.is_ascii_digit() || it == '.'))
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    Some((number.parse().ok()?, unit.trim().to_ascii_lowercase()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        let table = [
            ("10s", Some(10_000)),
            ("5m", Some(300_000)),
            ("500ms", Some(500)),
            ("1.5 h", Some(5_400_000)),
            ("90", Some(90_000)),
            ("-1s", None),
            ("ten", None),
            ("10 parsecs", None),
            ("2000d", None),
            ("", None),
        ];
        for (text, expected) in table {
            let found = duration(&Node::text(text)).map(|it| it.as_millis());
            assert_eq!(found, expected, "{text}");
        }
        assert_eq!(
            duration(&Node::Float(0.25)),
            Some(Duration::from_millis(250))
        );
        assert_eq!(duration(&Node::Float(f64::NAN)), None);
        assert_eq!(duration(&Node::Int(-3)), None);
        assert_eq!(duration(&Node::Bool(true)), None);
    }

    #[test]
    fn sizes() {
        let table = [
            ("64MiB", Some(64 << 20)),
            ("10 MB", Some(10_000_000)),
            ("512k", Some(512 << 10)),
            ("1", Some(1)),
            ("1e99", None),
            ("4 TiB", None),
        ];
        for (text, expected) in table {
            assert_eq!(size(&Node::text(text)), expected, "{text}");
        }
        assert_eq!(size(&Node::Float(f64::INFINITY)), None);
    }

    #[test]
    fn choices_forgive_case_and_dashes() {
        let some = ["round_robin", "on", "WARNING"];
        assert_eq!(
            choice(&Node::text("Round-Robin"), &some),
            Some("round_robin")
        );
        assert_eq!(choice(&Node::Bool(true), &some), Some("on"));
        assert_eq!(choice(&Node::text("warning"), &some), Some("WARNING"));
        assert_eq!(choice(&Node::text("other"), &some), None);
    }
}
