//! Which model a name means, whoever's spelling it is: the same one is `claude-sonnet-4-5` to its vendor,
//! `anthropic/claude-sonnet-4.5` at OpenRouter and `us.anthropic.claude-sonnet-4-5-20250929-v1:0` at Bedrock.

/// Claude Code puts this behind a name to ask for the long context.
const LONG_CONTEXT: &str = "[1m]";
/// What OpenRouter puts behind a name to choose among those who serve the model.
const ROUTES: [&str; 6] = [":free", ":nitro", ":floor", ":exacto", ":beta", ":extended"];

/// A model, apart from how its name is spelt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelIdentity {
    name: String,
    date: Option<String>,
}

impl ModelIdentity {
    /// The model that `name` means.
    pub fn of(name: &str) -> Self {
        let lower = name.trim().to_ascii_lowercase();
        let text = lower.strip_suffix(LONG_CONTEXT).unwrap_or(&lower);
        let text = text.rsplit('/').next().unwrap_or_default();
        let text = text.split_once("anthropic.").map_or(text, |it| it.1);
        let route = ROUTES.iter().find_map(|it| text.strip_suffix(it));
        let text = without_revision(route.unwrap_or(text));
        // Vertex writes the date behind an `@`, and `default` for none.
        let text = text.strip_suffix("@default").unwrap_or(text);
        let text = text.replace(['.', '_', '@'], "-");
        let text = text.strip_suffix("-latest").unwrap_or(&text);
        let (name, date) = match dated(text) {
            Some((name, date)) => (name, Some(date)),
            None => (text, None),
        };
        ModelIdentity {
            name: name.to_owned(),
            date,
        }
    }

    /// Its name in lower case, without vendor and date, with dashes for dots: `claude-sonnet-4-5`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether both are one model. A name without a date means the model whatever its date.
    pub fn is(&self, other: &ModelIdentity) -> bool {
        let dates = (&self.date, &other.date);
        self.name == other.name && !matches!(dates, (Some(a), Some(b)) if a != b)
    }
}

/// Bedrock's `-v1:0` at the end.
fn without_revision(text: &str) -> &str {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|it| it.is_ascii_digit());
    match text.rsplit_once("-v") {
        Some((name, revision)) => match revision.split_once(':') {
            Some((major, minor)) if digits(major) && digits(minor) => name,
            _ => text,
        },
        None => text,
    }
}

/// Name and date of `…-20250929` and `…-2025-09-29`.
fn dated(text: &str) -> Option<(&str, String)> {
    for length in [8, 10] {
        let Some((name, date)) = text
            .len()
            .checked_sub(length)
            .and_then(|at| text.split_at_checked(at))
        else {
            continue;
        };
        let digits: String = date.chars().filter(|it| *it != '-').collect();
        let dashes: Vec<usize> = date.match_indices('-').map(|it| it.0).collect();
        let shaped = dashes == if length == 8 { vec![] } else { vec![4, 7] };
        let year = digits.starts_with("20") && digits.bytes().all(|it| it.is_ascii_digit());
        if let Some(name) = name.strip_suffix('-')
            && shaped
            && year
            && digits.len() == 8
        {
            return Some((name, digits));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn same(a: &str, b: &str) -> bool {
        ModelIdentity::of(a).is(&ModelIdentity::of(b))
    }

    #[test]
    fn spellings_of_one_model() {
        for name in [
            "claude-sonnet-4-5",
            "Claude-Sonnet-4-5[1m]",
            "claude-sonnet-4-5-20250929",
            "claude-sonnet-4-5-latest",
            "claude-sonnet-4-5@20250929",
            "claude-sonnet-4-5@default",
            "anthropic/claude-sonnet-4.5",
            "anthropic/claude-sonnet-4.5:beta",
            "us.anthropic.claude-sonnet-4-5-20250929-v1:0",
        ] {
            assert!(same(name, "claude-sonnet-4-5-20250929"), "{name}");
            assert_eq!(ModelIdentity::of(name).name(), "claude-sonnet-4-5");
        }
        assert!(same("gpt-5-mini-2025-08-07", "openai/gpt-5-mini"));
        assert!(same(
            "deepseek/deepseek-chat-v3.1:free",
            "deepseek-chat-v3-1"
        ));
    }

    #[test]
    fn different_models_stay_different() {
        for (a, b) in [
            ("claude-sonnet-4-5", "claude-sonnet-4"),
            ("claude-3-5-sonnet-20240620", "claude-3-5-sonnet-20241022"),
            ("gpt-5", "gpt-5-mini"),
            ("gpt-4-0613", "gpt-4"),
            ("qwen3:14b", "qwen3:8b"),
            ("x-19991231", "x"),
            ("x-2025-0807", "x"),
            ("20250929", ""),
            ("", "gpt-5"),
        ] {
            assert!(!same(a, b), "{a} {b}");
        }
    }

    proptest! {
        #[test]
        fn every_name_is_its_own_model_under_any_vendor(name in "[a-z0-9.:é@-]{0,24}") {
            prop_assert!(same(&name, &name));
            let elsewhere = format!("vendor/{}[1m]", name.to_uppercase());
            prop_assert!(same(&name.to_uppercase(), &elsewhere), "{name}");
        }
    }
}
