//! `generationConfig`: limits, sampling, thinking and the shape of the answer.

use serde_json::{Number, Value};

use crate::protocol::canonical::{JsonFormat, LossKind, Losses, Request};

use super::profile::Profile;
use super::schema::{self, Target};
use super::thinking;
use super::wire_request::GenerationConfig;

/// Most stop sequences that are accepted.
const MAX_STOP: usize = 5;
/// Most alternatives that are told of a token.
const MAX_LOGPROBS: u64 = 20;

/// Writes the configuration; `None` when there is nothing to say. `answer` is the shape of the answer.
pub(super) fn config<'a>(
    request: &'a Request,
    profile: &Profile,
    answer: Answer,
    losses: &mut Losses,
) -> Option<GenerationConfig<'a>> {
    let thought = thinking::ask(request, profile, losses);
    let max_output_tokens = limit(request, profile, thought.room, losses);
    let mut sampling = Sampling { losses };
    let on = profile.sampling;
    let config = GenerationConfig {
        max_output_tokens,
        temperature: sampling.keep("temperature", request.temperature.as_ref(), on),
        top_p: sampling.keep("top_p", request.top_p.as_ref(), on),
        top_k: sampling.keep("top_k", request.top_k.as_ref(), on),
        stop_sequences: sampling.stop(&request.stop_sequences, on),
        seed: sampling.seed(request.seed.as_ref()),
        presence_penalty: sampling.penalty(
            "presence_penalty",
            request.presence_penalty.as_ref(),
            profile,
        ),
        frequency_penalty: sampling.penalty(
            "frequency_penalty",
            request.frequency_penalty.as_ref(),
            profile,
        ),
        response_logprobs: request.logprobs.map(|_| true),
        logprobs: sampling.logprobs(request.logprobs),
        response_mime_type: answer.mime_type,
        response_schema: answer.schema,
        response_json_schema: answer.json_schema,
        thinking_config: thought.config,
    };
    (config != GenerationConfig::default()).then_some(config)
}

fn limit(request: &Request, profile: &Profile, room: u64, losses: &mut Losses) -> Option<u64> {
    let wanted = request.max_tokens?;
    if wanted == 0 {
        losses.add("max_tokens", LossKind::Raised);
        return Some(1);
    }
    let most = profile.max_output.unwrap_or(u64::MAX);
    if most < wanted {
        losses.add("max_tokens", LossKind::Lowered);
    }
    Some(wanted.saturating_add(room).min(most))
}

struct Sampling<'b> {
    losses: &'b mut Losses,
}

impl Sampling<'_> {
    fn keep<'a>(
        &mut self,
        path: &str,
        value: Option<&'a Number>,
        accepted: bool,
    ) -> Option<&'a Number> {
        if value.is_some() && !accepted {
            self.losses.add(path, LossKind::NotAccepted);
        }
        value.filter(|_| accepted)
    }

    /// No penalty is sent as none: a model that refuses penalties accepts that.
    fn penalty<'a>(
        &mut self,
        path: &str,
        value: Option<&'a Number>,
        profile: &Profile,
    ) -> Option<&'a Number> {
        let value = value.filter(|it| it.as_f64() != Some(0.0));
        self.keep(path, value, profile.sampling && profile.penalties)
    }

    /// A seed has 32 bits here.
    fn seed<'a>(&mut self, value: Option<&'a Number>) -> Option<&'a Number> {
        let fits = value.is_some_and(|it| it.as_i64().is_some_and(|it| i32::try_from(it).is_ok()));
        self.keep("seed", value, fits)
    }

    fn logprobs(&mut self, wanted: Option<u64>) -> Option<u64> {
        let wanted = wanted.filter(|it| 0 < *it)?;
        if MAX_LOGPROBS < wanted {
            self.losses.add("top_logprobs", LossKind::Lowered);
        }
        Some(wanted.min(MAX_LOGPROBS))
    }

    fn stop<'a>(&mut self, sequences: &'a [String], accepted: bool) -> Vec<&'a str> {
        let path = "stop_sequences";
        let sequences: Vec<&str> = sequences
            .iter()
            .map(String::as_str)
            .filter(|it| !it.is_empty())
            .collect();
        if sequences.is_empty() {
            return sequences;
        }
        if !accepted {
            self.losses.add(path, LossKind::NotAccepted);
            return Vec::new();
        }
        if MAX_STOP < sequences.len() {
            self.losses.add(path, LossKind::CutShort);
        }
        sequences.into_iter().take(MAX_STOP).collect()
    }
}

/// The shape that an answer must have.
#[derive(Default)]
pub(super) struct Answer {
    mime_type: Option<&'static str>,
    schema: Option<Value>,
    json_schema: Option<Value>,
    /// What to tell a model that cannot be held to a shape.
    pub instruction: Option<String>,
}

impl Answer {
    /// The shape that the client asked for, of a model that has tools or has not.
    pub fn of(
        format: Option<&JsonFormat>,
        profile: &Profile,
        has_tools: bool,
        losses: &mut Losses,
    ) -> Self {
        let Some(format) = format else {
            return Answer::default();
        };
        let path = "output_config.format";
        if !profile.json || (has_tools && !profile.json_beside_tools) {
            losses.add(path, LossKind::AsInstruction);
            let answer = if has_tools {
                "Unless you call a tool, answer"
            } else {
                "Answer"
            };
            let instruction = match &format.schema {
                None => format!("{answer} with a single JSON object and with nothing else."),
                Some(schema) => format!(
                    "{answer} with a single JSON object that matches this JSON Schema, and with nothing else:\n{schema}"
                ),
            };
            return Answer {
                instruction: Some(instruction),
                ..Answer::default()
            };
        }
        let mut answer = Answer {
            mime_type: Some("application/json"),
            ..Answer::default()
        };
        if let Some(schema) = &format.schema {
            let target = Target::of(profile);
            let cleaned = schema::answer(schema, target);
            if cleaned.simplified {
                losses.add(path, LossKind::SchemaSimplified);
            }
            match target {
                Target::JsonSchema => answer.json_schema = Some(cleaned.schema),
                Target::OpenApi => answer.schema = Some(cleaned.schema),
            }
        }
        answer
    }
}
