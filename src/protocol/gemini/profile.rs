//! What one model takes: the field-by-field answer to "may this be sent?". The guess is in `guess.rs`.

use crate::protocol::profile::Overrides;
use crate::types::quirks::ThinkingStyle;

/// What one model takes.
#[expect(
    clippy::struct_excessive_bools,
    reason = "a table of what is accepted, each on its own"
)]
#[derive(Clone, Debug)]
pub struct Profile {
    /// Largest `maxOutputTokens`, thinking included.
    pub max_output: Option<u64>,
    /// How thinking is asked for.
    pub thinks: Thinks,
    /// Takes pictures.
    pub images: bool,
    /// Takes PDFs and other files.
    pub documents: bool,
    /// Fetches `fileData` from public addresses of the web; otherwise only from Google's own stores.
    pub web_files: bool,
    /// Takes `systemInstruction`; otherwise the system prompt is the first thing the user says.
    pub system: bool,
    /// Calls functions.
    pub functions: bool,
    /// Answers in JSON on demand.
    pub json: bool,
    /// Answers in JSON on demand beside tools of any kind: Gemini 3 and later; before, both together are a 400
    /// (`Function calling with a response mime type: 'application/json' is unsupported`).
    pub json_beside_tools: bool,
    /// Takes JSON Schemas (`parametersJsonSchema`, `responseJsonSchema`) instead of the subset of OpenAPI.
    pub json_schema: bool,
    /// Knows the mode `VALIDATED`, which keeps calls to their schemas.
    pub validated: bool,
    /// Google's own tools beside functions.
    pub built_ins: BuiltIns,
    /// Takes pictures inside `functionResponse`; otherwise they follow the responses.
    pub result_parts: bool,
    /// Refuses a history of calls without thought signatures: the first unsigned call of each turn gets the value that
    /// Google accepts in their place.
    pub thought_signatures: bool,
    /// Accepts `temperature`, `topP`, `topK`, `stopSequences`.
    pub sampling: bool,
    /// Accepts `presencePenalty` and `frequencyPenalty`.
    pub penalties: bool,
    /// Is Vertex AI, whose `countTokens` takes the request's fields at its top level, and which knows no ids of calls:
    /// they are a 400 there (`Unknown name "id" at 'contents[1].parts[0].function_call'`), and order tells all.
    pub vertex: bool,
}

/// How thinking is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Thinks {
    /// Not at all: the model does as it does.
    NotAsked,
    /// `thinkingBudget`, in tokens.
    Budget {
        /// The smallest one.
        least: u64,
        /// The largest one.
        most: u64,
        /// 0 turns thinking off.
        off: bool,
        /// It thinks when nothing is said.
        by_default: bool,
    },
    /// `thinkingLevel`: `low`, `high` and perhaps those between.
    Level {
        /// Knows `minimal`.
        minimal: bool,
        /// Knows `medium`.
        medium: bool,
    },
}

/// Google's own tools (search, code, addresses) beside the client's functions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BuiltIns {
    /// One or the other: before Gemini 3.
    Alone,
    /// Both, if `includeServerSideToolInvocations` is set: Gemini 3 at the Gemini API. The mode `AUTO` is refused then.
    Announced,
    /// Both: Gemini 3 at Vertex, which does not know that field.
    Beside,
}

/// Budgets that every model takes that takes any.
const ANY_BUDGET: Thinks = Thinks::Budget {
    least: 512,
    most: 24_576,
    off: false,
    by_default: true,
};
/// Levels, likewise.
const ANY_LEVEL: Thinks = Thinks::Level {
    minimal: false,
    medium: false,
};

impl Profile {
    /// Applies what the configuration says over the guess.
    pub fn with(mut self, overrides: &Overrides) -> Self {
        let set = |field: &mut bool, value: Option<bool>| *field = value.unwrap_or(*field);
        set(&mut self.images, overrides.images);
        set(&mut self.documents, overrides.files);
        set(&mut self.sampling, overrides.sampling);
        set(&mut self.json, overrides.structured_output);
        match (overrides.thinking, overrides.thinking_style, self.thinks) {
            (Some(false), ..) => self.thinks = Thinks::NotAsked,
            (_, Some(ThinkingStyle::Budget), Thinks::NotAsked | Thinks::Level { .. }) => {
                self.thinks = ANY_BUDGET;
            }
            (_, Some(ThinkingStyle::Level), Thinks::NotAsked | Thinks::Budget { .. }) => {
                self.thinks = ANY_LEVEL;
            }
            _ => {}
        }
        self.max_output = overrides.max_output.or(self.max_output);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_configuration_has_the_last_word() {
        let guess = || Profile::guess("generativelanguage.googleapis.com", "gemini-2.5-flash");
        let told = guess().with(&Overrides {
            images: Some(false),
            files: Some(false),
            sampling: Some(false),
            thinking: Some(false),
            max_output: Some(1000),
            ..Overrides::default()
        });
        assert!(!told.images && !told.documents && !told.sampling);
        assert_eq!(
            (told.thinks, told.max_output),
            (Thinks::NotAsked, Some(1000))
        );
        let untold = guess().with(&Overrides::default());
        assert!(untold.images && untold.documents && untold.sampling);
        assert_eq!(untold.thinks, guess().thinks);
    }

    #[test]
    fn how_a_model_thinks_and_what_it_keeps_to_can_be_declared() {
        let told = |model, style| {
            let overrides = Overrides {
                thinking_style: Some(style),
                structured_output: Some(false),
                ..Overrides::default()
            };
            Profile::guess("generativelanguage.googleapis.com", model).with(&overrides)
        };
        let flash = told("gemini-2.5-flash", ThinkingStyle::Level);
        assert_eq!((flash.thinks, flash.json), (ANY_LEVEL, false));
        let tuned = told("4512345", ThinkingStyle::Budget);
        assert_eq!(tuned.thinks, ANY_BUDGET);
        // What is known of a model is not made less by saying so again.
        let known = Profile::guess("generativelanguage.googleapis.com", "gemini-2.5-flash");
        let again = told("gemini-2.5-flash", ThinkingStyle::Budget);
        assert_eq!(again.thinks, known.thinks);
    }
}
