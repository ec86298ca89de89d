//! Whose model it is that a service hosts for others, and what is spoken with it there.

use crate::types::Dialect;

/// The maker of a model that Zed's service hosts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Hosted {
    /// Claude.
    Anthropic,
    /// GPT.
    OpenAi,
    /// Gemini.
    Google,
    /// Grok.
    XAi,
    /// Open models, on Baseten's machines.
    Baseten,
}

impl Hosted {
    /// All of them.
    pub const ALL: [Hosted; 5] = [
        Hosted::Anthropic,
        Hosted::OpenAi,
        Hosted::Google,
        Hosted::XAi,
        Hosted::Baseten,
    ];

    /// Its word in requests and in the list of models.
    pub fn word(self) -> &'static str {
        match self {
            Hosted::Anthropic => "anthropic",
            Hosted::OpenAi => "open_ai",
            Hosted::Google => "google",
            Hosted::XAi => "x_ai",
            Hosted::Baseten => "baseten",
        }
    }

    /// The one of that word.
    pub fn of_word(word: &str) -> Option<Self> {
        Hosted::ALL.into_iter().find(|it| it.word() == word)
    }

    /// The maker of a model that no list names, by what makers call their models.
    pub fn of_model(model: &str) -> Self {
        let name = model.rsplit('/').next().unwrap_or(model);
        let begins = |with: &[&str]| with.iter().any(|it| name.starts_with(it));
        if begins(&["claude"]) {
            Hosted::Anthropic
        } else if begins(&["gemini", "gemma"]) {
            Hosted::Google
        } else if begins(&["grok"]) {
            Hosted::XAi
        } else if begins(&["gpt", "chatgpt", "codex", "o1", "o3", "o4"]) {
            Hosted::OpenAi
        } else {
            Hosted::Baseten
        }
    }

    /// What is spoken with its models; `openai` is what is spoken with GPT.
    pub fn dialect(self, openai: Dialect) -> Dialect {
        match self {
            Hosted::Anthropic => Dialect::Anthropic,
            Hosted::OpenAi => openai,
            Hosted::Google => Dialect::Gemini,
            Hosted::XAi | Hosted::Baseten => Dialect::OpenAiChat,
        }
    }

    /// The host of the maker's own service, by which its ways are known; none for who has none.
    pub fn host(self) -> &'static str {
        match self {
            Hosted::Anthropic => "api.anthropic.com",
            Hosted::OpenAi => "api.openai.com",
            Hosted::Google => "generativelanguage.googleapis.com",
            Hosted::XAi => "api.x.ai",
            Hosted::Baseten => "",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_is_known_by_its_name() {
        for (model, hosted) in [
            ("claude-sonnet-4-5", Hosted::Anthropic),
            ("anthropic/claude-opus-5", Hosted::Anthropic),
            ("gpt-5.6-codex", Hosted::OpenAi),
            ("o3-mini", Hosted::OpenAi),
            ("gemini-3-pro", Hosted::Google),
            ("grok-code-fast-1", Hosted::XAi),
            ("kimi-k3", Hosted::Baseten),
            ("", Hosted::Baseten),
        ] {
            assert_eq!(Hosted::of_model(model), hosted, "{model}");
        }
    }

    #[test]
    fn every_word_leads_back() {
        for hosted in Hosted::ALL {
            assert_eq!(Hosted::of_word(hosted.word()), Some(hosted));
        }
        assert_eq!(Hosted::of_word("openai"), None);
    }
}
