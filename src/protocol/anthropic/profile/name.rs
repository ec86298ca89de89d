//! The names of Anthropic's models, in the spellings of the vendor, of clouds and of gateways.

/// A line of models.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Family {
    Opus,
    Sonnet,
    Haiku,
    Fable,
    Mythos,
    /// Before there were families.
    Early,
}

/// What a model's name says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Name {
    /// A family and its version; 0.0 where only one ever had no number.
    Claude(Family, (u32, u32)),
    /// Anthropic's, but of no family or number that is known.
    NewClaude,
    /// Another vendor's.
    Other,
}

/// The last version before there were families.
const LAST_EARLY: u32 = 2;

impl Name {
    /// Understands `claude-opus-4-5-20251101`, `claude-3-7-sonnet-latest`, `anthropic/claude-sonnet-4.5`,
    /// `us.anthropic.claude-opus-4-6-v1`, `claude-sonnet-4-5@20250929`, `anthropic.claude-3-haiku-20240307-v1:0` and
    /// others with the same words in any order.
    pub fn read(model: &str) -> Self {
        let model = sent(model).to_ascii_lowercase();
        let words: Vec<&str> = model
            .split(|c: char| !c.is_ascii_alphanumeric())
            .filter(|word| !word.is_empty())
            .collect();
        let start = words.iter().position(|word| *word == "claude");
        let said = words.get(start.unwrap_or(0)..).unwrap_or_default();
        let family = said.iter().find_map(|word| family(word));
        let mut numbers = said
            .iter()
            // Dates, and versions of the packaging, stand behind the model's own.
            .take_while(|word| !is_date(word) && !is_packaging(word))
            .filter_map(|word| word.parse::<u32>().ok());
        let version = (numbers.next(), numbers.next().unwrap_or(0));
        match (family, version) {
            (Some(Family::Mythos), (None, _)) if said.contains(&"preview") => {
                Name::Claude(Family::Mythos, (0, 0))
            }
            (Some(family), (Some(major), minor)) => Name::Claude(family, (major, minor)),
            (None, (Some(major), minor)) if start.is_some() && major <= LAST_EARLY => {
                Name::Claude(Family::Early, (major, minor))
            }
            _ if start.is_some() || family.is_some() => Name::NewClaude,
            _ => Name::Other,
        }
    }
}

/// What clients append to ask for a context of a million tokens.
const LONG: &str = "[1m]";

/// The model's name as the provider knows it.
pub(in crate::protocol::anthropic) fn sent(model: &str) -> &str {
    model.strip_suffix(LONG).unwrap_or(model)
}

fn family(word: &str) -> Option<Family> {
    Some(match word {
        "opus" => Family::Opus,
        "sonnet" => Family::Sonnet,
        "haiku" => Family::Haiku,
        "fable" => Family::Fable,
        "mythos" => Family::Mythos,
        "instant" => Family::Early,
        _ => return None,
    })
}

fn is_date(word: &str) -> bool {
    6 <= word.len() && word.bytes().all(|b| b.is_ascii_digit())
}

fn is_packaging(word: &str) -> bool {
    word.strip_prefix('v')
        .is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_vendor_clouds_and_gateways() {
        use Family::*;
        for (model, family, version) in [
            ("claude-sonnet-4-5-20250929", Sonnet, (4, 5)),
            ("claude-sonnet-4-5@20250929", Sonnet, (4, 5)),
            ("anthropic.claude-sonnet-4-5-20250929-v1:0", Sonnet, (4, 5)),
            ("us.anthropic.claude-opus-4-6-v1", Opus, (4, 6)),
            ("global.anthropic.claude-opus-4-20250514-v1:0", Opus, (4, 0)),
            (
                "arn:aws:bedrock:eu-west-1:123456789012:inference-profile/eu.anthropic.claude-haiku-4-5-20251001-v1:0",
                Haiku,
                (4, 5),
            ),
            ("anthropic/claude-sonnet-4.5", Sonnet, (4, 5)),
            ("anthropic/claude-3.7-sonnet:thinking", Sonnet, (3, 7)),
            ("claude-3-5-sonnet-v2@20241022", Sonnet, (3, 5)),
            ("claude-3-opus@20240229", Opus, (3, 0)),
            ("anthropic.claude-3-haiku-20240307-v1:0", Haiku, (3, 0)),
            ("claude-4-opus-20250514", Opus, (4, 0)),
            ("claude-opus-4@20250514", Opus, (4, 0)),
            ("claude-opus-5", Opus, (5, 0)),
            ("Claude-Fable-5-2[1m]", Fable, (5, 2)),
            ("claude-mythos-preview", Mythos, (0, 0)),
            ("databricks-claude-sonnet-4-6", Sonnet, (4, 6)),
            ("sonnet-4-5", Sonnet, (4, 5)),
            ("claude-2.1", Early, (2, 1)),
            ("claude-instant-1.2", Early, (1, 2)),
        ] {
            assert_eq!(Name::read(model), Name::Claude(family, version), "{model}");
        }
    }

    #[test]
    fn what_has_no_number_or_family_is_new_and_what_is_no_claude_is_another() {
        for model in [
            "claude-latest",
            "claude-saga-7",
            "claude-opus",
            "anthropic/claude",
        ] {
            assert_eq!(Name::read(model), Name::NewClaude, "{model}");
        }
        for model in ["glm-4.6", "kimi-k2", "deepseek-chat", "", "claudette-1"] {
            assert_eq!(Name::read(model), Name::Other, "{model}");
        }
    }
}
