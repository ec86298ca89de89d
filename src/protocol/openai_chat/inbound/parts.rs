//! The content of a message: a string, or a list of parts.

use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use crate::protocol::anthropic::field::{self, Path};
use crate::protocol::canonical::{
    Block, DocumentSource, ImageSource, LossKind, Losses, Problem, TranslateError,
};
use crate::protocol::envelope::{ReasoningKind, seal_reasoning};

use super::wire;

/// What one message says.
#[derive(Default)]
pub(super) struct Content {
    /// Its blocks.
    pub blocks: Vec<Block>,
    /// Wishes to cache, by index of their block.
    pub controls: Vec<(usize, Value)>,
}

impl Content {
    /// Appends one block.
    pub fn push(&mut self, block: Block) {
        self.blocks.push(block);
    }

    /// Appends all of `other`.
    pub fn append(&mut self, other: Content) {
        let before = self.blocks.len();
        self.blocks.extend(other.blocks);
        let moved = |(block, control): (usize, Value)| (before.saturating_add(block), control);
        self.controls.extend(other.controls.into_iter().map(moved));
    }

    /// Takes in the `cache_control` of the message itself, which means its end.
    pub fn mark(&mut self, control: wire::Raw<'_>, at: Path<'_>) -> Result<(), TranslateError> {
        let control: Option<Map<String, Value>> =
            field::optional_object(control, at.key("cache_control"))?;
        if let (Some(control), Some(last)) = (control, self.blocks.len().checked_sub(1)) {
            self.controls.push((last, Value::Object(control)));
        }
        Ok(())
    }

    /// Drops what is not text: instructions are nothing else.
    pub fn keep_text(&mut self, at: Path<'_>, losses: &mut Losses) {
        if self.blocks.iter().all(|it| matches!(it, Block::Text(_))) {
            return;
        }
        let mut kept = Vec::with_capacity(self.blocks.len());
        // Where each block is now.
        let mut places = Vec::with_capacity(self.blocks.len());
        for block in std::mem::take(&mut self.blocks) {
            if matches!(block, Block::Text(_)) {
                places.push(Some(kept.len()));
                kept.push(block);
            } else {
                places.push(None);
                losses.add(at.bracketed(), LossKind::NoPlace);
            }
        }
        let controls = std::mem::take(&mut self.controls).into_iter();
        let moved = controls.filter_map(|(of, it)| Some((places.get(of).copied().flatten()?, it)));
        self.controls = moved.collect();
        self.blocks = kept;
    }
}

/// Reads a string, which is one text, or a list of parts.
pub(super) fn content(
    raw: &RawValue,
    at: Path<'_>,
    losses: &mut Losses,
) -> Result<Content, TranslateError> {
    let mut content = Content::default();
    if field::is_string(raw) {
        content.push(Block::Text(field::read(raw, at, field::STRING)?));
        return Ok(content);
    }
    for (index, raw) in field::list(raw, at)?.into_iter().enumerate() {
        let at = at.index(index);
        let wire: wire::Part<'_> = field::object(raw, at)?;
        let Some(block) = part(&wire, at, losses)? else {
            continue;
        };
        if let Some(control) = control(&wire, at)? {
            content.controls.push((content.blocks.len(), control));
        }
        content.push(block);
    }
    Ok(content)
}

/// `None` is a part that has no place.
fn part(
    wire: &wire::Part<'_>,
    at: Path<'_>,
    losses: &mut Losses,
) -> Result<Option<Block>, TranslateError> {
    let kind = field::string(wire.kind, at.key("type"))?;
    Ok(Some(match kind.as_str() {
        // The last two are the words of Responses for it; clients mix them up.
        "text" | "input_text" | "output_text" => {
            Block::Text(field::string(wire.text, at.key("text"))?)
        }
        "refusal" => Block::Text(field::string(wire.refusal, at.key("refusal"))?),
        "image_url" => image(wire.image_url, at.key("image_url"))?,
        "file" => file(wire.file, at.key("file"))?,
        "thinking" => {
            let text = thinking(wire.thinking, at.key("thinking"))?;
            if text.is_empty() {
                return Ok(None);
            }
            Block::Thinking {
                text,
                signature: seal_reasoning(ReasoningKind::Content, ""),
            }
        }
        "input_audio" => {
            return Err(TranslateError::Unsupported {
                path: at.dotted(),
                reason: "the models here take no audio; send a transcript as text",
            });
        }
        _ => {
            losses.add(at.bracketed(), LossKind::UnknownType);
            return Ok(None);
        }
    }))
}

/// A wish to cache in Anthropic's words. The life time in OpenAI's is not one that Anthropic knows.
fn control(wire: &wire::Part<'_>, at: Path<'_>) -> Result<Option<Value>, TranslateError> {
    let control: Option<Map<String, Value>> =
        field::optional_object(wire.cache_control, at.key("cache_control"))?;
    let mark: Option<Map<String, Value>> = field::optional_object(
        wire.prompt_cache_breakpoint,
        at.key("prompt_cache_breakpoint"),
    )?;
    let control = control.map(Value::Object);
    Ok(control.or_else(|| mark.map(|_| json!({"type": "ephemeral"}))))
}

/// A picture: an object with its address, or, from some clients, the address itself.
fn image(raw: wire::Raw<'_>, at: Path<'_>) -> Result<Block, TranslateError> {
    const WANTED: &str = "a web address or a base64 data URL";
    let raw = field::required(raw, at)?;
    let inner: wire::ImageUrl<'_>;
    let url_at = at.key("url");
    let (raw, at) = if field::is_string(raw) {
        (raw, at)
    } else {
        inner = field::object(raw, at)?;
        (field::required(inner.url, url_at)?, url_at)
    };
    let wire::Text(url) = field::read(raw, at, field::STRING)?;
    if let Some((media_type, data)) = data_url(&url) {
        return Ok(media(media_type, data, None));
    }
    if is_web(&url) {
        Ok(Block::Image(ImageSource::Url(url.into_owned())))
    } else {
        Err(at.expected(WANTED))
    }
}

/// A document: in the request, on the web or in the vendor's store.
fn file(raw: wire::Raw<'_>, at: Path<'_>) -> Result<Block, TranslateError> {
    let wire: wire::File<'_> = field::object(field::required(raw, at)?, at)?;
    let title = field::optional_string(wire.filename, at.key("filename"))?;
    let Some(raw) = wire.file_data else {
        // Named by the field that any provider could read.
        let id = field::optional_string(wire.file_id, at.key("file_id"))?;
        let id = id.ok_or_else(|| at.key("file_data").error(Problem::Missing))?;
        return Ok(document(DocumentSource::File(id), title));
    };
    let wire::Text(data) = field::read(raw, at.key("file_data"), field::STRING)?;
    if let Some((media_type, data)) = data_url(&data) {
        return Ok(media(media_type, data, title));
    }
    if is_web(&data) {
        return Ok(document(DocumentSource::Url(data.into_owned()), title));
    }
    if data.starts_with("data:") {
        return Err(at.key("file_data").expected("a base64 data URL"));
    }
    // Bare base64, which some clients send; of what, only the name could tell, and PDF is what is read.
    let source = DocumentSource::Base64 {
        media_type: PDF.to_owned(),
        data: data.into_owned(),
    };
    Ok(document(source, title))
}

const PDF: &str = "application/pdf";

fn document(source: DocumentSource, title: Option<String>) -> Block {
    Block::Document {
        source,
        title,
        context: None,
    }
}

/// Bytes in the request are a picture or a document by their type, whatever the part is called.
fn media(media_type: &str, data: &str, title: Option<String>) -> Block {
    let media_type = media_type.to_ascii_lowercase();
    let data = data.to_owned();
    if media_type.starts_with("image/") {
        Block::Image(ImageSource::Base64 { media_type, data })
    } else {
        document(DocumentSource::Base64 { media_type, data }, title)
    }
}

fn is_web(url: &str) -> bool {
    let scheme = |it: &str| {
        url.get(..it.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(it))
    };
    scheme("https://") || scheme("http://")
}

/// Media type and base64 of a data URL; `None` for anything else, one in percent code included.
fn data_url(url: &str) -> Option<(&str, &str)> {
    let scheme = url.get(..5)?;
    if !scheme.eq_ignore_ascii_case("data:") {
        return None;
    }
    let (head, data) = url.get(5..)?.split_once(',')?;
    let mut words = head.split(';').map(str::trim);
    let media_type = words.next().filter(|it| it.contains('/'))?;
    let encoded = words.any(|it| it.eq_ignore_ascii_case("base64"));
    encoded.then_some((media_type, data))
}

/// Mistral's thinking: texts in a list, or one string.
fn thinking(raw: wire::Raw<'_>, at: Path<'_>) -> Result<String, TranslateError> {
    let raw = field::required(raw, at)?;
    if field::is_string(raw) {
        return field::read(raw, at, field::STRING);
    }
    let mut text = String::new();
    for (index, raw) in field::list(raw, at)?.into_iter().enumerate() {
        let at = at.index(index);
        let part: wire::Part<'_> = field::object(raw, at)?;
        text.push_str(&field::optional_string(part.text, at.key("text"))?.unwrap_or_default());
    }
    Ok(text)
}
