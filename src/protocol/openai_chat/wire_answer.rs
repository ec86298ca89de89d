//! Answers of the Chat Completions dialect as they stand on the wire: `chat.completion.chunk` and `chat.completion`.
//!
//! Shape: <https://platform.openai.com/docs/api-reference/chat> (2026-11) plus the fields that compatible providers
//! add; see `decode.rs` for who sends what. Everything borrows from the bytes where it can: this is parsed for every
//! piece of every answer. Fields of a wrong type in places that do not matter are read as absent.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

/// One chunk of a stream, or a whole body.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Chunk<'a> {
    #[serde(borrow)]
    pub id: Text<'a>,
    #[serde(borrow)]
    pub model: Text<'a>,
    #[serde(borrow)]
    pub object: Text<'a>,
    #[serde(borrow)]
    pub choices: Option<Vec<Choice<'a>>>,
    #[serde(borrow)]
    pub usage: Option<&'a RawValue>,
    #[serde(borrow)]
    pub x_groq: Option<&'a RawValue>,
    /// Perplexity: what was found, in every chunk.
    #[serde(borrow)]
    pub search_results: Option<&'a RawValue>,
    /// The same of older versions: addresses alone.
    #[serde(borrow)]
    pub citations: Option<&'a RawValue>,
    #[serde(borrow)]
    pub error: Option<&'a RawValue>,
    #[serde(borrow)]
    pub message: Option<&'a RawValue>,
    #[serde(borrow)]
    pub detail: Option<&'a RawValue>,
    /// OpenAI: padding against listeners who measure lengths.
    #[serde(borrow)]
    pub obfuscation: Text<'a>,
    /// The same of Mistral.
    #[serde(borrow)]
    pub p: Text<'a>,
}

/// One of `n` alternatives.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Choice<'a> {
    pub index: Count,
    /// In a stream.
    #[serde(borrow)]
    pub delta: Option<Delta<'a>>,
    /// In a whole body.
    #[serde(borrow)]
    pub message: Option<Delta<'a>>,
    #[serde(borrow)]
    pub finish_reason: Text<'a>,
    /// vLLM: the stop string that was met; a token's number otherwise.
    #[serde(borrow)]
    pub stop_reason: Text<'a>,
    /// The same of SGLang.
    #[serde(borrow)]
    pub matched_stop: Text<'a>,
    #[serde(borrow)]
    pub logprobs: Option<&'a RawValue>,
    /// OpenRouter: the error that ended this choice.
    #[serde(borrow)]
    pub error: Option<&'a RawValue>,
    /// Moonshot: the usage of a stream.
    #[serde(borrow)]
    pub usage: Option<&'a RawValue>,
}

/// How likely the tokens of a chunk were.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Logprobs<'a> {
    #[serde(borrow)]
    pub content: Option<&'a RawValue>,
    #[serde(borrow)]
    pub refusal: Option<&'a RawValue>,
}

/// What a chunk adds, or the whole message.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Delta<'a> {
    #[serde(borrow)]
    pub content: Content<'a>,
    #[serde(borrow)]
    pub reasoning_content: Text<'a>,
    #[serde(borrow)]
    pub reasoning: Text<'a>,
    #[serde(borrow)]
    pub reasoning_text: Text<'a>,
    #[serde(borrow)]
    pub reasoning_details: Option<&'a RawValue>,
    #[serde(borrow)]
    pub refusal: Text<'a>,
    #[serde(borrow)]
    pub annotations: Option<&'a RawValue>,
    /// OpenRouter: pictures that the model made.
    #[serde(borrow)]
    pub images: Option<&'a RawValue>,
    #[serde(borrow)]
    pub tool_calls: Option<Vec<ToolCall<'a>>>,
    #[serde(borrow)]
    pub function_call: Option<Function<'a>>,
}

/// A picture: its address, or all of it as a `data:` URL.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Image<'a> {
    #[serde(borrow)]
    pub image_url: Option<ImageUrl<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct ImageUrl<'a> {
    #[serde(borrow)]
    pub url: Text<'a>,
}

/// A piece of a tool call, or a whole one.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct ToolCall<'a> {
    pub index: Count,
    #[serde(borrow)]
    pub id: Text<'a>,
    #[serde(borrow)]
    pub function: Option<Function<'a>>,
    #[serde(borrow)]
    pub custom: Option<Custom<'a>>,
}

/// The called tool of free text.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Custom<'a> {
    #[serde(borrow)]
    pub name: Text<'a>,
    #[serde(borrow)]
    pub input: Text<'a>,
}

/// The called function.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Function<'a> {
    #[serde(borrow)]
    pub name: Text<'a>,
    /// A string holding JSON; the JSON itself at some providers.
    #[serde(borrow)]
    pub arguments: Option<&'a RawValue>,
}

/// Tokens, whoever counted them.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Usage {
    pub prompt_tokens: Count,
    pub completion_tokens: Count,
    pub total_tokens: Count,
    pub prompt_tokens_details: Option<PromptDetails>,
    pub completion_tokens_details: Option<CompletionDetails>,
    /// DeepSeek.
    pub prompt_cache_hit_tokens: Count,
    /// DeepSeek.
    pub prompt_cache_miss_tokens: Count,
    /// Moonshot.
    pub cached_tokens: Count,
    /// Perplexity and others: outside of the details.
    pub reasoning_tokens: Count,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct PromptDetails {
    pub cached_tokens: Count,
    pub cache_write_tokens: Count,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct CompletionDetails {
    pub reasoning_tokens: Count,
}

/// Where Groq keeps the usage of a stream.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct GroqExtra<'a> {
    #[serde(borrow)]
    pub usage: Option<&'a RawValue>,
    #[serde(borrow)]
    pub error: Option<&'a RawValue>,
}

/// One part of a content that is a list: OpenAI's text and refusal, Mistral's thinking.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Part<'a> {
    #[serde(borrow, rename = "type")]
    pub kind: Text<'a>,
    #[serde(borrow)]
    pub text: Text<'a>,
    #[serde(borrow)]
    pub refusal: Text<'a>,
    #[serde(borrow)]
    pub thinking: Content<'a>,
}

/// A string; anything else is read as absent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Text<'a>(Option<Cow<'a, str>>);

impl<'a> Text<'a> {
    /// The string, if there is one and it is not empty.
    pub fn get(&self) -> Option<&str> {
        self.0.as_deref().filter(|it| !it.is_empty())
    }

    /// Takes the string out, if there is one and it is not empty.
    pub fn take(&mut self) -> Option<Cow<'a, str>> {
        self.0.take().filter(|it| !it.is_empty())
    }
}

/// A string, or a list of parts; anything else is read as absent.
#[derive(Debug, Default)]
pub(crate) enum Content<'a> {
    #[default]
    Absent,
    Text(Cow<'a, str>),
    Parts(Vec<Part<'a>>),
}

/// A count of things. Fractions are cut, negative numbers are nought, absurd ones are capped at [`MAX_COUNT`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Count(pub Option<u64>);

/// The largest count that survives clients that compute in floating point.
pub(crate) const MAX_COUNT: u64 = (1 << 53) - 1;

impl Count {
    /// The count, or nought.
    pub fn or_zero(self) -> u64 {
        self.0.unwrap_or(0)
    }
}

/// Visits whatever comes and keeps what it can.
struct AnyVisitor<T>(std::marker::PhantomData<T>);

/// What a lenient type makes of the JSON types; each default reads the value as absent.
trait Lenient<'de>: Default {
    const EXPECTED: &'static str;
    fn borrowed(_: &'de str) -> Self {
        Self::default()
    }
    fn owned(_: &str) -> Self {
        Self::default()
    }
    fn unsigned(_: u64) -> Self {
        Self::default()
    }
    fn float(_: f64) -> Self {
        Self::default()
    }
    fn list<A: SeqAccess<'de>>(mut list: A) -> Result<Self, A::Error> {
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Self::default())
    }
    fn map<A: MapAccess<'de>>(mut map: A) -> Result<Self, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Self::default())
    }
}

impl<'de, T: Lenient<'de>> Visitor<'de> for AnyVisitor<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(T::EXPECTED)
    }
    fn visit_borrowed_str<E: Error>(self, it: &'de str) -> Result<T, E> {
        Ok(T::borrowed(it))
    }
    fn visit_str<E: Error>(self, it: &str) -> Result<T, E> {
        Ok(T::owned(it))
    }
    fn visit_bool<E: Error>(self, _: bool) -> Result<T, E> {
        Ok(T::default())
    }
    fn visit_u64<E: Error>(self, it: u64) -> Result<T, E> {
        Ok(T::unsigned(it))
    }
    fn visit_i64<E: Error>(self, it: i64) -> Result<T, E> {
        Ok(T::unsigned(u64::try_from(it).unwrap_or(0)))
    }
    fn visit_f64<E: Error>(self, it: f64) -> Result<T, E> {
        Ok(T::float(it))
    }
    fn visit_unit<E: Error>(self) -> Result<T, E> {
        Ok(T::default())
    }
    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<T, A::Error> {
        T::list(list)
    }
    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
        T::map(map)
    }
}

impl<'de: 'a, 'a> Lenient<'de> for Text<'a> {
    const EXPECTED: &'static str = "a string";
    fn borrowed(it: &'de str) -> Self {
        Text(Some(Cow::Borrowed(it)))
    }
    fn owned(it: &str) -> Self {
        Text(Some(Cow::Owned(it.to_owned())))
    }
}

impl<'de: 'a, 'a> Lenient<'de> for Content<'a> {
    const EXPECTED: &'static str = "a string or a list of parts";
    fn borrowed(it: &'de str) -> Self {
        Content::Text(Cow::Borrowed(it))
    }
    fn owned(it: &str) -> Self {
        Content::Text(Cow::Owned(it.to_owned()))
    }
    fn list<A: SeqAccess<'de>>(mut list: A) -> Result<Self, A::Error> {
        let mut parts = Vec::new();
        while let Some(part) = list.next_element::<PartOrText<'a>>()? {
            parts.push(part.0);
        }
        Ok(Content::Parts(parts))
    }
}

impl Lenient<'_> for Count {
    const EXPECTED: &'static str = "a number";
    fn borrowed(it: &str) -> Self {
        Self::owned(it)
    }
    fn owned(it: &str) -> Self {
        Count(it.trim().parse().ok().map(|it: u64| it.min(MAX_COUNT)))
    }
    fn unsigned(it: u64) -> Self {
        Count(Some(it.min(MAX_COUNT)))
    }
    fn float(it: f64) -> Self {
        // A cast saturates: not-a-number and negatives become nought.
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "saturates"
        )]
        Count(Some((it as u64).min(MAX_COUNT)))
    }
}

/// An element of a content list: a part, or a bare string that stands for a text part.
#[derive(Default)]
struct PartOrText<'a>(Part<'a>);

impl<'de: 'a, 'a> Lenient<'de> for PartOrText<'a> {
    const EXPECTED: &'static str = "a content part";
    fn borrowed(it: &'de str) -> Self {
        PartOrText(Part {
            text: Text::borrowed(it),
            ..Part::default()
        })
    }
    fn owned(it: &str) -> Self {
        PartOrText(Part {
            text: Text::owned(it),
            ..Part::default()
        })
    }
    fn map<A: MapAccess<'de>>(map: A) -> Result<Self, A::Error> {
        Part::deserialize(serde::de::value::MapAccessDeserializer::new(map)).map(PartOrText)
    }
}

macro_rules! lenient {
    ($($name:ty),*) => {$(
        impl<'de: 'a, 'a> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
                input.deserialize_any(AnyVisitor(std::marker::PhantomData))
            }
        }
    )*};
}
lenient!(Text<'a>, Content<'a>, PartOrText<'a>);

impl<'de> Deserialize<'de> for Count {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        input.deserialize_any(AnyVisitor(std::marker::PhantomData))
    }
}
