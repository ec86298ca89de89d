//! The built-in table: what a model's name, and for a little the host, tell about what it takes. As of November 2026.
//!
//! | model | differs in |
//! | --- | --- |
//! | Gemini 3 and later | levels of thinking, thought signatures are demanded, pictures inside results, Google's tools beside functions, JSON answers beside tools |
//! | Gemini 2.5 | budgets of thinking: Pro 128 to 32 768, Flash 0 to 24 576, Flash-Lite 0 or 512 to 24 576 |
//! | Gemini 2.0 | no thinking, 8192 tokens of output, penalties |
//! | Gemini 1.5 and before | as 2.0, and schemas in the subset of OpenAPI only |
//! | Gemma | no system prompt; before Gemma 4 no functions and no JSON either |
//! | `…-image`, `…-tts` | no functions, no thinking to be asked for |
//!
//! A name that tells no version (an alias such as `gemini-flash-latest`, a tuned model) is taken for a Gemini 3; how
//! to ask it for thinking is known for the aliases only.

use super::profile::{BuiltIns, Profile, Thinks};

/// Output of Gemini 2.5 and later, in tokens.
const LONG_OUTPUT: u64 = 65_536;
/// Output of models that make pictures, in tokens.
const IMAGE_OUTPUT: u64 = 32_768;
/// Output of everything before, in tokens.
const SHORT_OUTPUT: u64 = 8192;

impl Profile {
    /// What is known of `model` at `host`.
    pub fn guess(host: &str, model: &str) -> Self {
        let model = model.to_ascii_lowercase();
        // `models/gemini-2.5-pro`, `publishers/google/models/gemini-2.5-pro`, `tunedModels/…`.
        let name = model.rsplit('/').next().unwrap_or_default();
        let vertex = host.to_ascii_lowercase().contains("aiplatform");
        if let Some(major) = version(name, "gemma-").map(|(major, _)| major) {
            return gemma(vertex, 4 <= major);
        }
        let told = version(name, "gemini-");
        let special = name.contains("-image") || name.contains("-tts");
        let version = told.unwrap_or((3, 1));
        let three = (3, 0) <= version;
        let thinks = if special || (told.is_none() && !name.ends_with("-latest")) {
            Thinks::NotAsked
        } else {
            thinks(version, name)
        };
        Profile {
            max_output: Some(match version {
                _ if special => IMAGE_OUTPUT,
                _ if (2, 5) <= version => LONG_OUTPUT,
                _ => SHORT_OUTPUT,
            }),
            thinks,
            images: !name.contains("-tts"),
            documents: !name.contains("-tts"),
            web_files: (2, 5) <= version,
            system: !special,
            functions: !special,
            json: !special,
            json_beside_tools: three,
            json_schema: (2, 0) <= version,
            validated: (2, 5) <= version,
            built_ins: match (three, vertex) {
                (false, _) => BuiltIns::Alone,
                (true, false) => BuiltIns::Announced,
                (true, true) => BuiltIns::Beside,
            },
            result_parts: three,
            thought_signatures: three,
            sampling: true,
            penalties: version < (2, 5),
            vertex,
        }
    }
}

fn gemma(vertex: bool, modern: bool) -> Profile {
    Profile {
        max_output: Some(SHORT_OUTPUT),
        thinks: Thinks::NotAsked,
        images: true,
        documents: false,
        web_files: false,
        system: false,
        functions: modern,
        json: modern,
        json_beside_tools: false,
        json_schema: modern,
        validated: false,
        built_ins: BuiltIns::Alone,
        result_parts: false,
        thought_signatures: false,
        sampling: true,
        penalties: false,
        vertex,
    }
}

fn thinks(version: (u32, u32), name: &str) -> Thinks {
    let budget = |least, most, off, by_default| Thinks::Budget {
        least,
        most,
        off,
        by_default,
    };
    match version {
        (3.., _) => Thinks::Level {
            minimal: name.contains("flash"),
            // The first Gemini 3 Pro knew two levels only.
            medium: name.contains("flash") || (3, 1) <= version,
        },
        (2, 5..) if name.contains("lite") => budget(512, 24_576, true, false),
        (2, 5..) if name.contains("flash") => budget(1, 24_576, true, true),
        (2, 5..) => budget(128, 32_768, false, true),
        _ => Thinks::NotAsked,
    }
}

/// Major and minor after `prefix`: `gemini-2.5-pro` is (2, 5), `gemma-3n-e4b-it` is (3, 0).
fn version(name: &str, prefix: &str) -> Option<(u32, u32)> {
    let rest = name.strip_prefix(prefix)?;
    let end = rest
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(rest.len());
    let number = rest.get(..end)?;
    let (major, minor) = number.split_once('.').unwrap_or((number, "0"));
    Some((major.parse().ok()?, minor.parse().unwrap_or(0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guess(model: &str) -> Profile {
        Profile::guess("generativelanguage.googleapis.com", model)
    }

    #[test]
    fn thinking_is_asked_for_as_the_model_has_it() {
        let level = |minimal, medium| Thinks::Level { minimal, medium };
        let budget = |least, most, off, by_default| Thinks::Budget {
            least,
            most,
            off,
            by_default,
        };
        for (model, thinks) in [
            ("gemini-2.0-flash", Thinks::NotAsked),
            ("gemini-2.5-pro", budget(128, 32_768, false, true)),
            ("models/gemini-2.5-flash", budget(1, 24_576, true, true)),
            ("gemini-2.5-flash-lite", budget(512, 24_576, true, false)),
            ("gemini-2.5-flash-image", Thinks::NotAsked),
            ("gemini-3-pro-preview", level(false, false)),
            ("gemini-3.1-pro-preview", level(false, true)),
            ("Gemini-3-Flash-Preview", level(true, true)),
            ("gemini-3.5-flash-lite", level(true, true)),
            ("gemini-flash-latest", level(true, true)),
            ("gemini-pro-latest", level(false, true)),
            ("4512345", Thinks::NotAsked),
            ("gemma-3-27b-it", Thinks::NotAsked),
        ] {
            assert_eq!(guess(model).thinks, thinks, "{model}");
        }
    }

    #[test]
    fn generations_differ_in_what_they_take() {
        let old = guess("gemini-1.5-pro");
        assert!(!old.json_schema && old.penalties && !old.web_files);
        let two = guess("gemini-2.0-flash");
        assert!(two.json_schema && two.penalties && !two.validated);
        assert_eq!(two.max_output, Some(8192));
        let middle = guess("gemini-2.5-flash");
        assert!(middle.validated && !middle.penalties && !middle.thought_signatures);
        assert_eq!(middle.built_ins, BuiltIns::Alone);
        let three = guess("gemini-3-pro-preview");
        assert!(three.thought_signatures && three.result_parts);
        assert_eq!(three.built_ins, BuiltIns::Announced);
        let vertex = Profile::guess("eu-aiplatform.googleapis.com", "gemini-3-pro-preview");
        assert!(vertex.vertex);
        assert_eq!(vertex.built_ins, BuiltIns::Beside);
        let gemma = guess("gemma-3n-e4b-it");
        assert!(!gemma.system && !gemma.functions && !gemma.json);
        assert!(!guess("gemma-4-31b-it").system && guess("gemma-4-31b-it").functions);
    }
}
