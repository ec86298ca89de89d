//! A client's request in a provider's dialect.

use bytes::Bytes;

use crate::protocol::anthropic::Thinking;
use crate::protocol::canonical::{
    Attachments, DecodeContext, EncodeContext, Losses, Outbound, Request, TranslateError,
};
use crate::protocol::profile::Profile;
use crate::protocol::translate::AnswerContext;
use crate::protocol::{anthropic, gemini, openai_chat, openai_responses};
use crate::types::Dialect;

/// A client's request in a provider's dialect, and what its answer has to be read with.
#[derive(Debug)]
pub struct Translation {
    /// The body to send.
    pub body: Vec<u8>,
    /// Headers that the body needs, beyond those every call has.
    pub headers: Vec<(&'static str, String)>,
    /// For the reader of the answer.
    pub context: AnswerContext,
    /// What could not be said.
    pub losses: Losses,
    /// What of the request is not text.
    pub attachments: Attachments,
}

/// What [`request`] needs to know besides the request itself.
#[derive(Debug)]
pub struct RequestContext<'a> {
    /// The client's dialect.
    pub client: Dialect,
    /// The model to ask the provider for.
    pub model: &'a str,
    /// What the provider takes, and so its dialect.
    pub profile: &'a Profile,
    /// The id of the message to come, `msg_` and letters and digits.
    pub message_id: String,
    /// Our estimate of the prompt, in tokens.
    pub input_estimate: u64,
    /// Now, in seconds since 1970.
    pub created: u64,
    /// The provider only streams: ask for a stream whatever the client wants.
    pub always_stream: bool,
    /// What becomes of the thinking of earlier turns.
    pub thinking: Thinking,
}

/// A request whose answer may come in another form than asked for.
#[derive(Debug)]
pub struct Asked {
    /// Its body.
    pub body: Bytes,
    /// The model it names.
    pub model: String,
    /// The id of the message to come, `msg_` and letters and digits.
    pub message_id: String,
    /// Our estimate of the prompt, in tokens.
    pub input_estimate: u64,
    /// Now, in seconds since 1970.
    pub created: u64,
}

/// What is needed to write an answer of `dialect` in its other form: a stream as a body, or the other way round.
pub fn same(dialect: Dialect, asked: &Asked) -> AnswerContext {
    let mut ctx = AnswerContext::between(dialect, dialect);
    ctx = ctx.named(&asked.model, &asked.message_id, asked.input_estimate);
    ctx.encode.created = asked.created;
    // What cannot be read was not ours to read: the provider has taken it.
    if let Ok(mut request) = canonical(dialect, &asked.body, &mut Losses::default()) {
        ctx.decode.stop_sequences = std::mem::take(&mut request.stop_sequences);
        ctx.encode.learn(request);
    }
    ctx
}

/// Reads a request of `client`'s dialect. A Gemini request is never one: nobody calls us in that dialect.
pub fn canonical(
    client: Dialect,
    body: &[u8],
    losses: &mut Losses,
) -> Result<Request, TranslateError> {
    match client {
        Dialect::Anthropic => anthropic::messages(body, losses),
        Dialect::OpenAiChat => openai_chat::inbound(body, losses),
        Dialect::OpenAiResponses => openai_responses::inbound(body, losses),
        Dialect::Gemini => Err(TranslateError::NotAClient),
    }
}

/// Translates a client's request for a provider of another dialect.
pub fn request(body: &[u8], ctx: RequestContext<'_>) -> Result<Translation, TranslateError> {
    let mut losses = Losses::default();
    let mut request = canonical(ctx.client, body, &mut losses)?;
    request.stream |= ctx.always_stream;
    match (ctx.thinking, ctx.client) {
        (Thinking::Kept, _) => {}
        (Thinking::CutBefore(turns), Dialect::Anthropic) => request.forget_thinking(turns),
        // Several turns of OpenAI's clients may have become one message.
        (Thinking::Cut | Thinking::CutBefore(_), _) => request.forget_thinking(usize::MAX),
    }
    let outbound = outbound(&request, ctx.model, ctx.profile, &mut losses)?;
    let attachments = Attachments::of(&request);
    let decode = DecodeContext {
        names: outbound.names,
        seed: ctx.message_id.clone(),
        stop_sequences: std::mem::take(&mut request.stop_sequences),
    };
    let mut encode = EncodeContext {
        message_id: ctx.message_id,
        input_estimate: ctx.input_estimate,
        created: ctx.created,
        ..EncodeContext::default()
    };
    encode.learn(request);
    Ok(Translation {
        body: outbound.body,
        headers: outbound.headers,
        context: AnswerContext {
            provider: ctx.profile.dialect(),
            client: ctx.client,
            decode,
            encode,
        },
        losses,
        attachments,
    })
}

pub(super) fn outbound(
    request: &Request,
    model: &str,
    profile: &Profile,
    losses: &mut Losses,
) -> Result<Outbound, TranslateError> {
    match profile {
        Profile::Anthropic(profile) => anthropic::outbound(request, model, profile, losses),
        Profile::OpenAiChat(profile) => openai_chat::outbound(request, model, profile, losses),
        Profile::OpenAiResponses(profile) => {
            openai_responses::outbound(request, model, profile, losses)
        }
        Profile::Gemini(profile) => gemini::outbound(request, model, profile, losses),
    }
}
