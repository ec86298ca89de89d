//! What the proxy must know of a request to send it on, read without parsing the rest. It began as Anthropic's and reads
//! the other clients' dialects as well, which differ in a few names.

use std::ops::Range;

use bytes::Bytes;
use serde::Deserialize;
use thiserror::Error;

use crate::protocol::anthropic::{foreign_citation, foreign_tools, own_blocks};
use crate::protocol::envelope;
use crate::protocol::scan::{self, Member, ScanError, Watch};
use crate::protocol::sealed;
use crate::protocol::splice::{Splice, with_comma};
use crate::types::Dialect;

/// Longest model name accepted, bytes.
const MAX_MODEL_BYTES: usize = 256;

/// What the dialects call the limit of an answer's length.
const LENGTH_LIMITS: [&str; 3] = ["max_tokens", "max_completion_tokens", "max_output_tokens"];

/// Why a request cannot be sent anywhere.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum HeadError {
    /// Not UTF-8.
    #[error("the request body is not valid UTF-8 (byte {0})")]
    Utf8(usize),
    /// Not JSON, or not an object.
    #[error("the request body is not valid JSON: {0}")]
    Json(#[from] ScanError),
    /// JSON, but not an object.
    #[error("the request body must be a JSON object")]
    NotAnObject,
    /// Something follows the object.
    #[error("the request body is not valid JSON: text after the end at byte {0}")]
    Trailing(usize),
    /// A required field is absent.
    #[error("{0}: field required")]
    Missing(&'static str),
    /// A field stands twice, so that its meaning is unclear.
    #[error("{0}: given more than once")]
    Twice(&'static str),
    /// A field has the wrong type or form.
    #[error("{0}: {1}")]
    Wrong(&'static str, &'static str),
}

impl HeadError {
    /// Whether the body is no JSON object at all, whatever is in it.
    pub fn is_about_the_form(&self) -> bool {
        match self {
            HeadError::Utf8(_)
            | HeadError::Json(_)
            | HeadError::NotAnObject
            | HeadError::Trailing(_) => true,
            HeadError::Missing(_) | HeadError::Twice(_) | HeadError::Wrong(..) => false,
        }
    }
}

/// The parts of a request that decide where it goes. Ranges are into the body.
#[derive(Clone, Debug)]
pub struct RequestHead {
    /// The client's dialect.
    pub dialect: Dialect,
    /// The model asked for.
    pub model: String,
    /// Whether the client wants a stream.
    pub stream: bool,
    /// Whether the model is asked to think.
    pub thinks: bool,
    /// The seeds' `provider: "name"` pin; an object of that name is another vendor's and no pin.
    pub pin: Option<String>,
    /// The seeds' wish: `preferred_billing_model`, whatever it says.
    pub billing: Option<String>,
    /// The session of the client, where `metadata.user_id` tells.
    pub session: Option<String>,
    model_at: Range<usize>,
    stream_at: Option<Range<usize>>,
    pin_at: Option<Range<usize>>,
    billing_at: Option<Range<usize>>,
    messages_at: Option<Range<usize>>,
    /// Whether the same call gives the same answer.
    pub answers: Answers,
    metadata_at: Option<Range<usize>>,
    tools_at: Option<Range<usize>>,
    tool_choice_at: Option<Range<usize>>,
    /// The limits of an answer's length.
    limits_at: Vec<Range<usize>>,
    /// Something in it looks like thinking, or a search, that another dialect left behind.
    has_envelopes: bool,
}

impl RequestHead {
    /// Reads the head of the body of a client of that dialect.
    pub fn read(dialect: Dialect, body: &[u8]) -> Result<Self, HeadError> {
        if let Err(error) = simdutf8::compat::from_utf8(body) {
            return Err(HeadError::Utf8(error.valid_up_to()));
        }
        let start = scan::skip_space(body, 0);
        if body.get(start).is_some_and(|first| *first != b'{') && scan::is_value(body, start) {
            return Err(HeadError::NotAnObject);
        }
        let mut watch = Watch::strings_with(envelope::PREFIX).or(own_blocks::ID_PREFIX);
        let (members, end) = scan::members_watching(body, start, &mut watch)?;
        let end = scan::skip_space(body, end);
        if end < body.len() {
            return Err(HeadError::Trailing(end));
        }
        let model = one(body, &members, "model")?.ok_or(HeadError::Missing("model"))?;
        let messages = conversation(dialect, body, &members)?;
        let stream_at = one(body, &members, "stream")?.map(|m| m.value.clone());
        let stream = match stream_at.as_ref().map(|at| text(body, at)) {
            None | Some(b"false" | b"null") => false,
            Some(b"true") => true,
            Some(_) => return Err(HeadError::Wrong("stream", "must be true or false")),
        };
        let pin = one(body, &members, "provider")?.and_then(|m| Some((string(body, &m.value)?, m)));
        let billing = one(body, &members, "preferred_billing_model")?;
        let session = match dialect {
            Dialect::Anthropic | Dialect::Gemini => {
                one(body, &members, "metadata")?.and_then(|m| session_of(text(body, &m.value)))
            }
            Dialect::OpenAiChat | Dialect::OpenAiResponses => {
                one(body, &members, "prompt_cache_key")?.and_then(|m| string(body, &m.value))
            }
        };
        let thinks = members
            .iter()
            .any(|m| asks_to_think(text(body, &m.key), text(body, &m.value)));
        let named = |keys: &'static [&'static str]| {
            let is_named = move |m: &&Member| {
                let key = text(body, &m.key);
                keys.iter().any(|name| name.as_bytes() == key)
            };
            members.iter().filter(is_named).map(|m| m.value.clone())
        };
        Ok(RequestHead {
            answers: answers(body, &members),
            metadata_at: named(&["metadata"]).next(),
            tools_at: named(&["tools"]).next(),
            tool_choice_at: named(&["tool_choice"]).next(),
            limits_at: named(&LENGTH_LIMITS).collect(),
            dialect,
            model: model_name(body, &model.value)?,
            stream,
            thinks,
            session,
            model_at: model.value.clone(),
            stream_at,
            pin_at: pin.as_ref().map(|(_, m)| m.key.start - 1..m.value.end),
            pin: pin.map(|(name, _)| name),
            billing_at: billing.map(|m| m.key.start - 1..m.value.end),
            billing: billing.and_then(|m| string(body, &m.value)),
            messages_at: messages.map(|m| m.value.clone()),
            has_envelopes: watch.seen,
        })
    }

    /// What of the body decides the answer, in pieces: `metadata` does not, nor do the limits of its length where the
    /// operator says so.
    pub fn deciding<'b>(&self, body: &'b [u8], with_limits: bool) -> Vec<&'b [u8]> {
        let limits = self.limits_at.iter().filter(|_| !with_limits);
        let mut left_out: Vec<&Range<usize>> = self.metadata_at.iter().chain(limits).collect();
        left_out.sort_by_key(|range| range.start);
        let mut at = 0;
        let mut pieces = Vec::with_capacity(left_out.len() + 1);
        for range in left_out {
            pieces.push(text(body, &(at..range.start)));
            at = range.end;
        }
        pieces.push(body.get(at..).unwrap_or_default());
        pieces
    }

    /// The body for a provider of the client's dialect: `model` in place of the asked one, our own pin and the thinking and
    /// searches that another dialect left behind cut out, every other byte as it was.
    pub fn rewritten(&self, body: &Bytes, model: &str) -> Bytes {
        let asked_as_is = Rewrite {
            model,
            thinking: Thinking::Kept,
            always_stream: false,
            stream_usage: false,
        };
        self.rewrite(body, &asked_as_is)
    }

    /// Like [`rewritten`](Self::rewritten), but all thinking of earlier turns is cut, whoever signed it: for a provider
    /// that refuses to take it back.
    pub fn without_thinking(&self, body: &Bytes, model: &str) -> Bytes {
        let forgetful = Rewrite {
            model,
            thinking: Thinking::Cut,
            always_stream: false,
            stream_usage: false,
        };
        self.rewrite(body, &forgetful)
    }

    /// The body with tools in Anthropic's words where an Anthropic client has put them in OpenAI's; `None` where there is
    /// nothing to change, which is so of nearly all. Another body has another head.
    pub fn with_own_tools(&self, body: &Bytes) -> Option<Bytes> {
        if self.dialect != Dialect::Anthropic {
            return None;
        }
        foreign_tools::translated(body, self.tools_at.as_ref(), self.tool_choice_at.as_ref())
    }

    /// The body without the wish that is ours alone.
    pub fn without_wish(&self, body: &Bytes) -> Bytes {
        let mut splice = Splice::default();
        if let Some(billing) = &self.billing_at {
            splice.cut(with_comma(body, billing.clone()));
        }
        splice.apply(body)
    }

    /// How many turns the conversation has.
    pub fn turns(&self, body: &[u8]) -> usize {
        let turns = self.messages_at.as_ref();
        turns.map_or(0, |at| {
            scan::elements(body, at.start).map_or(0, |(turns, _)| turns.len())
        })
    }

    /// The body for a provider of the client's dialect, with these changes and no others.
    pub fn rewrite(&self, body: &Bytes, rewrite: &Rewrite<'_>) -> Bytes {
        let mut splice = Splice::default();
        if rewrite.model != self.model {
            let name = serde_json::Value::from(rewrite.model).to_string();
            splice.replace(self.model_at.clone(), name);
        }
        if let Some(pin) = &self.pin_at {
            splice.cut(with_comma(body, pin.clone()));
        }
        if let Some(billing) = &self.billing_at {
            splice.cut(with_comma(body, billing.clone()));
        }
        if rewrite.always_stream && !self.stream {
            let after = self.model_at.end;
            match &self.stream_at {
                Some(at) => splice.replace(at.clone(), "true"),
                None => splice.replace(after..after, ",\"stream\":true"),
            }
            if rewrite.stream_usage {
                let counted = ",\"stream_options\":{\"include_usage\":true}";
                splice.replace(after..after, counted);
            }
        }
        let may_cut = match rewrite.thinking {
            Thinking::Kept => self.has_envelopes,
            Thinking::Cut | Thinking::CutBefore(_) => true,
        };
        if let (true, Some(messages)) = (may_cut, &self.messages_at) {
            match self.dialect {
                Dialect::Anthropic | Dialect::Gemini => {
                    cut_thinking(body, messages.start, rewrite.thinking, &mut splice);
                }
                Dialect::OpenAiChat => {
                    sealed::cut_details(body, messages.start, rewrite.thinking, &mut splice);
                }
                Dialect::OpenAiResponses => {
                    sealed::cut_items(body, messages.start, rewrite.thinking, &mut splice);
                }
            }
        }
        splice.apply(body)
    }
}

/// What the same call gives when it is made again, as far as providers promise that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answers {
    /// The same.
    Alike,
    /// Something else.
    Varied,
}

/// What changes in a body on its way to a provider of the client's dialect.
#[derive(Clone, Copy, Debug)]
pub struct Rewrite<'a> {
    /// The model to ask for.
    pub model: &'a str,
    /// What becomes of the thinking of earlier turns.
    pub thinking: Thinking,
    /// The provider only streams: ask for a stream whatever the client wants.
    pub always_stream: bool,
    /// A stream that is asked for so is asked for with its tokens counted.
    pub stream_usage: bool,
}

/// What becomes of the thinking of earlier turns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Thinking {
    /// It stays, but for that which another dialect left behind.
    Kept,
    /// All of it goes.
    Cut,
    /// That of the first turns goes; the later ones keep theirs.
    CutBefore(usize),
}

impl Thinking {
    /// What becomes of that of the turn at this place: it stays, or all of it goes.
    pub fn of_turn(self, at: usize) -> Thinking {
        match self {
            Thinking::CutBefore(turns) if at < turns => Thinking::Cut,
            Thinking::CutBefore(_) => Thinking::Kept,
            Thinking::Kept | Thinking::Cut => self,
        }
    }
}

/// Temperature 0, and nothing that looks at the world.
fn answers(body: &[u8], members: &[Member]) -> Answers {
    let mut is_cold = false;
    for member in members {
        let value = text(body, &member.value);
        match text(body, &member.key) {
            b"temperature" => {
                is_cold = serde_json::from_slice::<f64>(value).is_ok_and(|it| it == 0.0);
            }
            b"tools" | b"functions" | b"mcp_servers" | b"web_search_options" | b"container"
                if !matches!(value, b"null" | b"[]") =>
            {
                return Answers::Varied;
            }
            // What they refer to may change.
            b"previous_response_id" | b"conversation" | b"prompt" if value != b"null" => {
                return Answers::Varied;
            }
            _ => {}
        }
    }
    if is_cold {
        Answers::Alike
    } else {
        Answers::Varied
    }
}

/// The only member called `key`.
fn one<'a>(
    body: &[u8],
    members: &'a [Member],
    key: &'static str,
) -> Result<Option<&'a Member>, HeadError> {
    let mut named = members
        .iter()
        .filter(|m| text(body, &m.key) == key.as_bytes());
    let first = named.next();
    match named.next() {
        Some(_) => Err(HeadError::Twice(key)),
        None => Ok(first),
    }
}

fn text<'a>(body: &'a [u8], range: &Range<usize>) -> &'a [u8] {
    body.get(range.clone()).unwrap_or_default()
}

fn string(body: &[u8], range: &Range<usize>) -> Option<String> {
    serde_json::from_slice(text(body, range)).ok()
}

/// The turns so far. Responses may be given a text instead, which holds nothing to be cut.
fn conversation<'a>(
    dialect: Dialect,
    body: &[u8],
    members: &'a [Member],
) -> Result<Option<&'a Member>, HeadError> {
    let key = match dialect {
        Dialect::Anthropic | Dialect::OpenAiChat | Dialect::Gemini => "messages",
        Dialect::OpenAiResponses => "input",
    };
    let found = one(body, members, key)?;
    let first = found.and_then(|m| body.get(m.value.start));
    match (found, first, dialect) {
        (Some(found), Some(b'['), _) => Ok(Some(found)),
        (Some(_), Some(b'"'), Dialect::OpenAiResponses) => Ok(None),
        (Some(_), _, Dialect::OpenAiResponses) => {
            Err(HeadError::Wrong(key, "must be a string or an array"))
        }
        (Some(_), ..) => Err(HeadError::Wrong(key, "must be an array")),
        // A stored prompt or an earlier answer may stand in for it; the provider knows.
        (None, _, Dialect::OpenAiResponses) => Ok(None),
        (None, ..) => Err(HeadError::Missing(key)),
    }
}

/// Whether a field asks for thinking: `thinking` of Anthropic unless it is disabled, `reasoning_effort` and
/// `reasoning` of OpenAI unless the effort is `none`.
fn asks_to_think(key: &[u8], value: &[u8]) -> bool {
    #[derive(Deserialize)]
    struct Switch {
        r#type: String,
    }
    #[derive(Deserialize)]
    struct Reasoning {
        effort: Option<String>,
    }
    let is_on = |effort: Option<String>| effort.is_some_and(|effort| effort != "none");
    match key {
        b"thinking" => {
            serde_json::from_slice(value).is_ok_and(|switch: Switch| switch.r#type != "disabled")
        }
        b"reasoning_effort" => serde_json::from_slice(value).is_ok_and(is_on),
        b"reasoning" => serde_json::from_slice(value).is_ok_and(|it: Reasoning| is_on(it.effort)),
        _ => false,
    }
}

fn model_name(body: &[u8], range: &Range<usize>) -> Result<String, HeadError> {
    let name = string(body, range).ok_or(HeadError::Wrong("model", "must be a string"))?;
    if name.is_empty() || name.chars().any(char::is_control) {
        return Err(HeadError::Wrong(
            "model",
            "must be a name without control characters",
        ));
    }
    if MAX_MODEL_BYTES < name.len() {
        Err(HeadError::Wrong("model", "is longer than 256 bytes"))
    } else {
        Ok(name)
    }
}

/// The session inside `metadata.user_id`: a field of a JSON text (newer clients) or the part after `_session_`.
/// Observed with Claude Code, undocumented.
fn session_of(metadata: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Metadata {
        user_id: Option<String>,
    }
    #[derive(Deserialize)]
    struct UserId {
        session_id: Option<String>,
    }
    let user_id = serde_json::from_slice::<Metadata>(metadata).ok()?.user_id?;
    if let Ok(parsed) = serde_json::from_str::<UserId>(&user_id) {
        return parsed.session_id;
    }
    let (_, session) = user_id.rsplit_once("_session_")?;
    (!session.is_empty()).then(|| session.to_owned())
}

/// Cuts thinking blocks, those that carry our envelope or all of assistant turns, searches that we made up, and
/// citations of other providers. What cannot be walked is left for the provider to judge.
fn cut_thinking(body: &[u8], messages: usize, thinking: Thinking, splice: &mut Splice) {
    let Ok((turns, _)) = scan::elements(body, messages) else {
        return;
    };
    let mut emptied = vec![false; turns.len()];
    for (at, (turn, emptied)) in turns.iter().zip(&mut emptied).enumerate() {
        let thinking = thinking.of_turn(at);
        let Some(blocks) = content_blocks(body, turn, thinking) else {
            continue;
        };
        let cut: Vec<bool> = blocks
            .iter()
            .map(|block| match thinking {
                Thinking::Kept => is_sealed(body, block),
                Thinking::Cut | Thinking::CutBefore(_) => {
                    is_thinking(body, block) || is_sealed(body, block)
                }
            })
            .collect();
        // A turn without content is an error there, so the whole turn goes.
        *emptied = !cut.is_empty() && cut.iter().all(|cut| *cut);
        if !*emptied {
            cut_elements(body, &blocks, &cut, splice);
            let kept = blocks.iter().zip(&cut).filter(|(_, cut)| !**cut);
            for (block, _) in kept.filter(|(block, _)| holds_ours(body, block)) {
                foreign_citation::cut(body, block, splice);
            }
        }
    }
    cut_elements(body, &turns, &emptied, splice);
}

/// The content blocks of a turn that may hold thinking to cut.
fn content_blocks(
    body: &[u8],
    turn: &Range<usize>,
    thinking: Thinking,
) -> Option<Vec<Range<usize>>> {
    let (members, _) = scan::members(body, turn.start).ok()?;
    let member = |key: &[u8]| members.iter().find(|m| text(body, &m.key) == key);
    if thinking == Thinking::Cut && text(body, &member(b"role")?.value) != b"\"assistant\"" {
        return None;
    }
    let content = member(b"content")?;
    let (blocks, _) = scan::elements(body, content.value.start).ok()?;
    Some(blocks)
}

/// Cuts the elements of a list that are marked: each with the comma after it, or before it when none that stays
/// follows.
pub(crate) fn cut_elements(body: &[u8], all: &[Range<usize>], cut: &[bool], splice: &mut Splice) {
    let last_kept = cut.iter().rposition(|cut| !cut);
    let mut end_before = None;
    for (at, (element, cut)) in all.iter().zip(cut).enumerate() {
        if *cut && last_kept.is_some_and(|last| at < last) {
            splice.cut(with_comma(body, element.clone()));
        } else if *cut {
            splice.cut(end_before.unwrap_or(element.start)..element.end);
        }
        end_before = Some(element.end);
    }
}

fn is_thinking(body: &[u8], block: &Range<usize>) -> bool {
    #[derive(Deserialize)]
    struct Block {
        #[serde(rename = "type")]
        kind: String,
    }
    let block = serde_json::from_slice::<Block>(text(body, block));
    block.is_ok_and(|it| matches!(it.kind.as_str(), "thinking" | "redacted_thinking"))
}

/// What every mark of ours has in common.
const OURS: &[u8] = b"pm1";

fn holds_ours(body: &[u8], block: &Range<usize>) -> bool {
    memchr::memmem::find(text(body, block), OURS).is_some()
}

/// Whether a block came from another dialect: thinking in our envelope, or a search that we made up.
fn is_sealed(body: &[u8], block: &Range<usize>) -> bool {
    #[derive(Deserialize)]
    struct Block {
        #[serde(rename = "type")]
        kind: String,
        signature: Option<String>,
        data: Option<String>,
        id: Option<String>,
        tool_use_id: Option<String>,
    }
    if !holds_ours(body, block) {
        return false;
    }
    let raw = text(body, block);
    let Ok(block) = serde_json::from_slice::<Block>(raw) else {
        return false;
    };
    let carrier = match block.kind.as_str() {
        "thinking" => block.signature,
        "redacted_thinking" => block.data,
        kind => {
            return own_blocks::is_own(kind, block.id.as_deref(), block.tool_use_id.as_deref());
        }
    };
    carrier.is_some_and(|carrier| envelope::is_ours(&carrier))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn rewritten(body: &str, model: &str) -> String {
        let body = Bytes::copy_from_slice(body.as_bytes());
        let head = RequestHead::read(Dialect::Anthropic, &body).unwrap();
        String::from_utf8(head.rewritten(&body, model).to_vec()).unwrap()
    }

    #[test]
    fn reads_what_decides() {
        let user = json!({"device_id": "d", "session_id": "s-1"}).to_string();
        let body =
            json!({"model": "m", "stream": true, "messages": [], "metadata": {"user_id": user}});
        let head = RequestHead::read(Dialect::Anthropic, body.to_string().as_bytes()).unwrap();
        assert_eq!(
            (head.model.as_str(), head.stream, head.session.as_deref()),
            ("m", true, Some("s-1"))
        );
        let older = json!({"model": "m", "messages": [], "metadata": {"user_id": "user_a_account_b_session_c"}});
        let head = RequestHead::read(Dialect::Anthropic, older.to_string().as_bytes()).unwrap();
        assert_eq!((head.stream, head.session.as_deref()), (false, Some("c")));
    }

    #[test]
    fn what_decides_an_answer_leaves_metadata_out_and_limits_if_told_so() {
        let body = br#"{"model":"m","max_tokens":5,"messages":[],"metadata":{"a":{"max_tokens":1}},"max_completion_tokens": 7 }"#;
        let head = RequestHead::read(Dialect::Anthropic, body).unwrap();
        let joined = |with_limits| {
            let pieces = head.deciding(body, with_limits);
            String::from_utf8(pieces.join(&b"|"[..])).unwrap()
        };
        assert_eq!(
            joined(true),
            r#"{"model":"m","max_tokens":5,"messages":[],"metadata":|,"max_completion_tokens": 7 }"#
        );
        assert_eq!(
            joined(false),
            r#"{"model":"m","max_tokens":|,"messages":[],"metadata":|,"max_completion_tokens": | }"#
        );
    }

    #[test]
    fn only_cold_calls_without_tools_answer_alike() {
        for (field, expected) in [
            (r#""x":1"#, Answers::Varied),
            (r#""temperature":0"#, Answers::Alike),
            (r#""temperature":0.0"#, Answers::Alike),
            (r#""temperature":1e-9"#, Answers::Varied),
            (r#""temperature":null"#, Answers::Varied),
            (r#""temperature":0,"tools":[]"#, Answers::Alike),
            (r#""temperature":0,"tools":[{}]"#, Answers::Varied),
            (r#""tools":[{}],"temperature":0"#, Answers::Varied),
            (r#""temperature":0,"functions":[{}]"#, Answers::Varied),
            (
                r#""temperature":0,"web_search_options":{}"#,
                Answers::Varied,
            ),
            (
                r#""temperature":0,"previous_response_id":7"#,
                Answers::Varied,
            ),
        ] {
            let body = format!(r#"{{"model":"m","messages":[],{field}}}"#);
            let head = RequestHead::read(Dialect::Anthropic, body.as_bytes()).unwrap();
            assert_eq!(head.answers, expected, "{body}");
        }
    }

    #[test]
    fn thinking_is_asked_for_unless_it_is_disabled() {
        for (thinking, asked) in [
            (json!({"type": "enabled", "budget_tokens": 1024}), true),
            (json!({"type": "adaptive"}), true),
            (json!({"type": "disabled"}), false),
            (json!(null), false),
            (json!("enabled"), false),
        ] {
            let body = json!({"model": "m", "messages": [], "thinking": thinking});
            let head = RequestHead::read(Dialect::Anthropic, body.to_string().as_bytes()).unwrap();
            assert_eq!(head.thinks, asked, "{thinking}");
        }
        let earlier = json!([{"role": "assistant", "content": [{"type": "thinking"}]}]);
        let body = json!({"model": "m", "messages": earlier});
        assert!(
            !RequestHead::read(Dialect::Anthropic, body.to_string().as_bytes())
                .unwrap()
                .thinks
        );
    }

    #[test]
    fn without_a_reason_the_body_stays_the_same_bytes() {
        let body = " {\"x\": 1.0e3,\"model\" :\"m\", \"messages\":[{\"role\":\"user\",\"content\":\"\\u00e9\"}]}\n";
        assert_eq!(rewritten(body, "m"), body);
        assert_eq!(rewritten(body, "n\"2"), body.replace("\"m\"", "\"n\\\"2\""));
    }

    #[test]
    fn the_pin_is_cut_and_an_object_of_that_name_stays() {
        assert_eq!(
            rewritten(r#"{"provider":"A", "model":"m","messages":[]}"#, "m"),
            r#"{ "model":"m","messages":[]}"#
        );
        assert_eq!(
            rewritten(r#"{"model":"m","messages":[] , "provider":"A"}"#, "m"),
            r#"{"model":"m","messages":[] }"#
        );
        let object = r#"{"model":"m","messages":[],"provider":{"order":["x"]}}"#;
        assert_eq!(rewritten(object, "m"), object);
    }

    fn block(kind: &str, field: &str, value: &str) -> Value {
        json!({"type": kind, field: value})
    }

    #[test]
    fn our_own_thinking_is_cut_wherever_it_stands() {
        let sealed = envelope::seal_reasoning(envelope::ReasoningKind::Content, "");
        let ours = json!({"type": "thinking", "thinking": "hm", "signature": sealed});
        let redacted = block("redacted_thinking", "data", &sealed);
        let real = json!({"type": "thinking", "thinking": "hm", "signature": "EuYD"});
        let said = block("text", "text", "pm1. is only a word here");
        let cases = [
            (vec![&ours, &said], Some(vec![&said])),
            (vec![&said, &ours], Some(vec![&said])),
            (vec![&said, &ours, &redacted], Some(vec![&said])),
            (
                vec![&ours, &said, &ours, &real, &redacted],
                Some(vec![&said, &real]),
            ),
            (vec![&ours, &redacted], None),
            (vec![&real, &said], Some(vec![&real, &said])),
        ];
        for (before, after) in cases {
            let turn = |content: &Vec<&Value>| json!({"role": "assistant", "content": content});
            let user = json!({"role": "user", "content": "q"});
            let body = json!({"model": "m", "messages": [user, turn(&before), user]}).to_string();
            let result: Value = serde_json::from_str(&rewritten(&body, "m")).unwrap();
            let expected = match &after {
                Some(content) => json!([user, turn(content), user]),
                None => json!([user, user]),
            };
            assert_eq!(result["messages"], expected);
        }
    }

    #[test]
    fn searches_that_we_made_up_are_cut() {
        let call = |id: &str| json!({"type": "server_tool_use", "id": id, "name": "web_search", "input": {}});
        let found = |id: &str, content: Value| json!({"type": "web_search_tool_result", "tool_use_id": id, "content": content});
        let hit = |seal: &str| json!([{"type": "web_search_result", "title": "A", "url": "https://a.example", "encrypted_content": seal}]);
        let said = block("text", "text", "so");
        let (ours, theirs) = ("srvtoolu_pm1_a", "srvtoolu_01");
        let user = json!({"role": "user", "content": "q"});
        for results in [hit("pm1.w.x"), json!([])] {
            let content = json!([
                call(ours),
                found(ours, results),
                call(theirs),
                found(theirs, hit("EqQB")),
                said
            ]);
            let body = json!({"model": "m", "messages": [user, {"role": "assistant", "content": content}, user]});
            let kept = json!([call(theirs), found(theirs, hit("EqQB")), said]);
            let result: Value = serde_json::from_str(&rewritten(&body.to_string(), "m")).unwrap();
            assert_eq!(result["messages"][1]["content"], kept);
            let bytes = Bytes::from(body.to_string());
            let head = RequestHead::read(Dialect::Anthropic, &bytes).unwrap();
            let result: Value =
                serde_json::from_slice(&head.without_thinking(&bytes, "m")).unwrap();
            assert_eq!(result["messages"][1]["content"], kept);
        }
        // A tool of the client may have any id.
        let own = json!({"type": "tool_use", "id": ours, "name": "web_search", "input": {}});
        let body = json!({"model": "m", "messages": [{"role": "assistant", "content": [own]}]});
        assert_eq!(rewritten(&body.to_string(), "m"), body.to_string());
    }

    #[test]
    fn all_thinking_of_assistant_turns_is_cut_and_nothing_else() {
        let cases = [
            (
                r#"[{"content":[{"type":"thinking","thinking":"a","signature":"E"} , {"type":"text","text":"\u00e9"}],"role":"assistant"}]"#,
                r#"[{"content":[ {"type":"text","text":"\u00e9"}],"role":"assistant"}]"#,
            ),
            (
                r#"[{"role":"assistant","content":[{"type":"text","text":"b"}, {"data":"x","type":"redacted_thinking"}]}]"#,
                r#"[{"role":"assistant","content":[{"type":"text","text":"b"}]}]"#,
            ),
            // A turn of nothing else goes, also where several do at the end.
            (
                r#"[{"role":"user","content":"q"}, {"role":"assistant","content":[{"type":"thinking"}]}, {"role":"assistant","content":[{"type":"redacted_thinking"}]}]"#,
                r#"[{"role":"user","content":"q"}]"#,
            ),
            (
                r#"[{"role":"assistant","content":[{"type":"thinking"}]},{"role":"user","content":"q"}]"#,
                r#"[{"role":"user","content":"q"}]"#,
            ),
            (
                r#"[ {"role":"assistant","content":[{"type":"thinking"}]} ]"#,
                "[  ]",
            ),
            // Not the assistant's, not a block of its own, not there at all.
            (
                r#"[{"role":"user","content":[{"type":"thinking"}]}]"#,
                r#"[{"role":"user","content":[{"type":"thinking"}]}]"#,
            ),
            (
                r#"[{"role":"assistant","content":[{"type":"text","text":"{\"type\":\"thinking\"}"}]}]"#,
                r#"[{"role":"assistant","content":[{"type":"text","text":"{\"type\":\"thinking\"}"}]}]"#,
            ),
            (
                r#"[{"role":"assistant","content":"thinking"},{"role":"assistant","content":[]}]"#,
                r#"[{"role":"assistant","content":"thinking"},{"role":"assistant","content":[]}]"#,
            ),
        ];
        for (before, after) in cases {
            let body = |messages: &str| {
                format!(r#"{{"model":"m","thinking":{{"type":"adaptive"}},"messages":{messages}}}"#)
            };
            let bytes = Bytes::from(body(before));
            let head = RequestHead::read(Dialect::Anthropic, &bytes).unwrap();
            assert_eq!(head.without_thinking(&bytes, "m"), body(after));
            assert_eq!(head.rewritten(&bytes, "m"), bytes);
            let renamed = body(after).replace(r#""m""#, r#""n""#);
            assert_eq!(head.without_thinking(&bytes, "n"), renamed);
        }
    }

    #[test]
    fn a_provider_that_only_streams_is_asked_for_a_stream() {
        for (before, after) in [
            (
                r#"{"messages":[],"stream":false,"model":"m"}"#,
                r#"{"messages":[],"stream":true,"model":"n"}"#,
            ),
            (
                r#"{"messages":[],"stream": null,"model":"m"}"#,
                r#"{"messages":[],"stream": true,"model":"n"}"#,
            ),
            (
                r#"{"stream":true,"model":"m","messages":[]}"#,
                r#"{"stream":true,"model":"n","messages":[]}"#,
            ),
            (
                r#"{"messages":[],"model":"m","provider":"p"}"#,
                r#"{"messages":[],"model":"n","stream":true}"#,
            ),
        ] {
            let body = Bytes::from(before);
            let rewrite = Rewrite {
                model: "n",
                thinking: Thinking::Kept,
                always_stream: true,
                stream_usage: false,
            };
            let head = RequestHead::read(Dialect::Anthropic, &body).unwrap();
            assert_eq!(head.rewrite(&body, &rewrite), after);
        }
    }

    #[test]
    fn faults_name_the_field() {
        for (body, message) in [
            (
                "",
                "the request body is not valid JSON: unexpected end at byte 0",
            ),
            ("[]", "the request body must be a JSON object"),
            ("{\"messages\":[]}", "model: field required"),
            ("{\"model\":\"m\"}", "messages: field required"),
            ("{\"model\":1,\"messages\":[]}", "model: must be a string"),
            (
                "{\"model\":\"\",\"messages\":[]}",
                "model: must be a name without control characters",
            ),
            (
                "{\"model\":\"m\",\"model\":\"n\",\"messages\":[]}",
                "model: given more than once",
            ),
            (
                "{\"model\":\"m\",\"messages\":{}}",
                "messages: must be an array",
            ),
            (
                "{\"model\":\"m\",\"messages\":[],\"stream\":1}",
                "stream: must be true or false",
            ),
            (
                "{\"model\":\"m\",\"messages\":[]} x",
                "the request body is not valid JSON: text after the end at byte 28",
            ),
        ] {
            assert_eq!(
                RequestHead::read(Dialect::Anthropic, body.as_bytes())
                    .unwrap_err()
                    .to_string(),
                message,
                "{body}"
            );
        }
        assert_eq!(
            RequestHead::read(Dialect::Anthropic, b"{\"a\":\"\xff\"}").unwrap_err(),
            HeadError::Utf8(6)
        );
    }
}
