//! Reads one provider's answer and says what the client gets: the same bytes while a tap listens, or bytes of the
//! client's dialect.
//!
//! Nothing comes out before the commit point, the first content: until then every fault is invisible to the client,
//! because the caller may still turn to another provider. Pure: bytes in, bytes out.

use bytes::{Bytes, BytesMut};

use crate::error::Fault;
use crate::protocol::anthropic::{Reassemble, stream_of};
use crate::protocol::canonical::Usage;
use crate::protocol::openai_responses;
use crate::protocol::tap::{self, Tap};
use crate::protocol::translate::{AnswerContext, AnswerFacts, BodyTranslator, StreamTranslator};
use crate::protocol::upstream_error::{StreamError, UpstreamError};
use crate::protocol::zed;
use crate::types::Dialect;

/// Bytes of a streamed answer that may be held back before its first content.
const MAX_HELD_BYTES: usize = 4 * 1024 * 1024;
/// Bytes of an answer that is not streamed, or of one event that is relayed: a hundred times what a model says at most,
/// and room for a picture that only the client understands.
const MAX_WHOLE_BYTES: usize = 32 * 1024 * 1024;

/// How an answer has to be read.
pub enum Reading {
    /// Events of the client's own dialect, relayed untouched.
    PassStream(Dialect),
    /// A whole answer of the client's own dialect, relayed untouched.
    PassWhole(Dialect),
    /// Whatever the provider sends, for a client of another dialect that wants a stream.
    ToStream(Box<AnswerContext>),
    /// Whatever the provider sends, for a client of another dialect that wants a whole answer.
    ToWhole(Box<AnswerContext>),
    /// An Anthropic message, for a client that wants its events.
    StreamFromWhole,
    /// Anthropic events, for a client that wants the message.
    WholeFromStream,
    /// Events of OpenAI Responses, for a client that wants the response.
    ResponseFromStream,
    /// Anything, relayed untouched and unread.
    PassRaw,
}

/// What an answer told about itself.
#[derive(Clone, Debug, Default)]
pub struct Told {
    /// Tokens, as far as known.
    pub usage: Option<Usage>,
    /// Why it ended, in Anthropic's words.
    pub stop_reason: Option<String>,
    /// Our estimate of the output, in tokens, where the answer was read closely enough to make one.
    pub output_estimate: Option<u64>,
    /// What Zed's service told besides the answer.
    pub wrapping: Option<zed::Told>,
}

impl Told {
    pub(super) fn facts(facts: AnswerFacts) -> Self {
        let stop_reason = facts.stop.map(|stop| stop.as_anthropic().to_owned());
        Told {
            usage: facts.usage,
            stop_reason,
            output_estimate: Some(facts.output_estimate()),
            wrapping: None,
        }
    }
}

/// Reads one answer.
pub struct AnswerReader {
    machine: Machine,
    held: BytesMut,
    committed: bool,
    told: Told,
    broken: Option<StreamError>,
    /// Opens what comes in first, where it is wrapped.
    wrapping: Option<Box<zed::Unwrap>>,
}

enum Machine {
    PassStream(Box<Tap>),
    PassWhole(Dialect),
    ToStream(Box<StreamTranslator>),
    ToWhole(Box<BodyTranslator>),
    StreamFromWhole,
    WholeFromStream(Box<Reassemble>),
    ResponseFromStream(Box<openai_responses::Reassemble>),
    PassRaw,
    Over,
}

impl AnswerReader {
    /// A reader of that kind, nothing read.
    pub fn new(reading: Reading) -> Self {
        let machine = match reading {
            Reading::PassStream(dialect) => Machine::PassStream(Box::new(Tap::new(dialect))),
            Reading::PassWhole(dialect) => Machine::PassWhole(dialect),
            Reading::ToStream(context) => {
                Machine::ToStream(Box::new(StreamTranslator::new(*context)))
            }
            Reading::ToWhole(context) => Machine::ToWhole(Box::new(BodyTranslator::new(*context))),
            Reading::StreamFromWhole => Machine::StreamFromWhole,
            Reading::WholeFromStream => Machine::WholeFromStream(Box::default()),
            Reading::ResponseFromStream => Machine::ResponseFromStream(Box::default()),
            Reading::PassRaw => Machine::PassRaw,
        };
        AnswerReader {
            machine,
            held: BytesMut::new(),
            committed: false,
            told: Told::default(),
            broken: None,
            wrapping: None,
        }
    }

    /// The same, for an answer that comes in lines of Zed's service.
    #[must_use]
    pub fn opening(self, lines: zed::Unwrap) -> Self {
        AnswerReader {
            wrapping: Some(Box::new(lines)),
            ..self
        }
    }

    /// What Zed's service told besides the answer.
    pub fn wrapping(&self) -> Option<&zed::Told> {
        self.wrapping.as_ref().map(|it| it.told())
    }

    /// Reads the next piece. Returns what the client gets for it, everything held before included.
    pub fn push(&mut self, piece: Bytes) -> Result<Option<Bytes>, StreamError> {
        let Some(lines) = &mut self.wrapping else {
            return self.read(piece);
        };
        let mut events = Vec::with_capacity(piece.len() + 64);
        let opened = lines.push(&piece, &mut events);
        let committed = self.committed;
        let shown = if events.is_empty() {
            None
        } else {
            self.read(Bytes::from(events))?
        };
        match opened {
            // The client is reading along: what came before the failure still goes out.
            Err(error) if committed && shown.is_some() => self.broken = Some(error),
            Err(error) => return Err(error),
            Ok(()) => {}
        }
        Ok(shown)
    }

    /// Reads the next piece of an answer that is wrapped in nothing.
    fn read(&mut self, piece: Bytes) -> Result<Option<Bytes>, StreamError> {
        match &mut self.machine {
            Machine::PassStream(tap) => {
                tap.push(&piece)?;
                let committed = tap.has_content();
                if !self.committed && !committed {
                    tap.check_unseen()?;
                }
                self.release_events(piece, committed)
            }
            Machine::ToStream(translator) => {
                let mut out = Vec::with_capacity(piece.len() + 256);
                if let Err(error) = translator.push(&piece, &mut out) {
                    if !self.committed || out.is_empty() {
                        return Err(error);
                    }
                    // The client is reading along: what came before the failure still goes out.
                    self.broken = Some(error);
                }
                let committed = translator.has_content();
                self.release(Bytes::from(out), committed)
            }
            Machine::ToWhole(translator) => {
                translator.push(&piece)?;
                self.finish_if_complete()
            }
            Machine::PassWhole(_) | Machine::StreamFromWhole
                if self.held.len() + piece.len() <= MAX_WHOLE_BYTES =>
            {
                self.held.extend_from_slice(&piece);
                Ok(None)
            }
            Machine::PassWhole(_) | Machine::StreamFromWhole => {
                Err(StreamError::TooMuch("the whole message"))
            }
            Machine::WholeFromStream(gathered) => {
                gathered.push(&piece)?;
                self.finish_if_complete()
            }
            Machine::ResponseFromStream(gathered) => {
                gathered.push(&piece)?;
                self.finish_if_complete()
            }
            Machine::PassRaw => {
                self.committed = true;
                Ok(Some(piece))
            }
            Machine::Over => Ok(None),
        }
    }

    /// A message put together from a stream goes out when the stream's own end is seen: what the connection does
    /// after that must not lose it.
    fn finish_if_complete(&mut self) -> Result<Option<Bytes>, StreamError> {
        if self.is_complete() {
            self.finish_reading()
        } else {
            Ok(None)
        }
    }

    /// The upstream has nothing more. Returns the rest of what the client gets, or why the answer is not whole.
    pub fn finish(&mut self) -> Result<Option<Bytes>, StreamError> {
        let mut events = Vec::new();
        let opened = match &mut self.wrapping {
            Some(lines) => lines.finish(&mut events),
            None => Ok(()),
        };
        if events.is_empty() {
            opened?;
            return self.finish_reading();
        }
        let first = self.read(Bytes::from(events))?;
        opened?;
        let rest = self.finish_reading()?;
        Ok(match (first, rest) {
            (Some(first), Some(rest)) => Some(Bytes::from([first, rest].concat())),
            (first, rest) => first.or(rest),
        })
    }

    fn finish_reading(&mut self) -> Result<Option<Bytes>, StreamError> {
        match std::mem::replace(&mut self.machine, Machine::Over) {
            Machine::PassStream(mut tap) => {
                let ended = tap.finish();
                self.told = tap.told();
                if let Err(error) = ended {
                    self.machine = Machine::PassStream(tap);
                    return Err(error);
                }
                Ok(self.rest())
            }
            Machine::ToStream(mut translator) => {
                let mut out = Vec::new();
                let ended = translator.finish(&mut out);
                self.told = stream_told(&translator);
                if let Err(error) = ended {
                    // Its last words are still to be said.
                    self.machine = Machine::ToStream(translator);
                    return Err(error);
                }
                self.held.extend_from_slice(&out);
                Ok(self.rest())
            }
            Machine::PassWhole(dialect) => {
                self.told = tap::whole_told(dialect, &self.held)?;
                Ok(self.rest())
            }
            Machine::StreamFromWhole => {
                self.told = tap::whole_told(Dialect::Anthropic, &self.held)?;
                let events = stream_of(&self.held.split())?;
                self.committed = true;
                Ok(Some(Bytes::from(events)))
            }
            Machine::WholeFromStream(gathered) => {
                let message = gathered.finish()?;
                self.told = tap::whole_told(Dialect::Anthropic, &message)?;
                self.committed = true;
                Ok(Some(Bytes::from(message)))
            }
            Machine::ResponseFromStream(gathered) => {
                let response = gathered.finish()?;
                self.told = tap::whole_told(Dialect::OpenAiResponses, &response)?;
                self.committed = true;
                Ok(Some(Bytes::from(response)))
            }
            Machine::ToWhole(translator) => {
                let answer = translator.finish()?;
                self.told = Told::facts(answer.facts);
                self.committed = true;
                Ok(Some(Bytes::from(answer.body)))
            }
            Machine::PassRaw | Machine::Over => Ok(None),
        }
    }

    /// Why nothing more will come, although what was handed out last is good.
    pub fn take_broken(&mut self) -> Option<StreamError> {
        self.broken.take()
    }

    /// Whether content has been handed out: from now on a fault is visible.
    pub fn committed(&self) -> bool {
        self.committed
    }

    /// Whether the answer's own end has been seen, so that nothing is missing if the connection breaks now.
    pub fn is_complete(&self) -> bool {
        match &self.machine {
            Machine::PassStream(tap) => tap.is_complete(),
            Machine::ToStream(translator) => translator.is_complete(),
            Machine::ToWhole(translator) => translator.is_complete(),
            Machine::WholeFromStream(gathered) => gathered.is_complete(),
            Machine::ResponseFromStream(gathered) => gathered.is_complete(),
            Machine::PassWhole(_) | Machine::StreamFromWhole | Machine::PassRaw => false,
            Machine::Over => true,
        }
    }

    /// The error that ends the client's stream, where it has to go on from what was written.
    pub fn fail(&mut self, fault: &Fault) -> Option<Vec<u8>> {
        match &mut self.machine {
            Machine::ToStream(translator) => translator.fail(fault),
            _ => None,
        }
    }

    /// The provider's error that the client has already been told of, in the provider's own words.
    pub fn relayed_error(&self) -> Option<&UpstreamError> {
        match &self.machine {
            Machine::PassStream(tap) if self.committed => tap.error(),
            _ => None,
        }
    }

    /// What the answer has told so far.
    pub fn told(&self) -> Told {
        Told {
            wrapping: self.wrapping().cloned(),
            ..self.told_within()
        }
    }

    fn told_within(&self) -> Told {
        match &self.machine {
            Machine::PassStream(tap) => tap.told(),
            Machine::ToStream(translator) => stream_told(translator),
            Machine::ToWhole(_)
            | Machine::PassWhole(_)
            | Machine::StreamFromWhole
            | Machine::WholeFromStream(_)
            | Machine::ResponseFromStream(_)
            | Machine::PassRaw
            | Machine::Over => self.told.clone(),
        }
    }

    /// Hands out `piece`, or holds it back before the commit.
    fn release(&mut self, piece: Bytes, committed: bool) -> Result<Option<Bytes>, StreamError> {
        if self.committed {
            return Ok((!piece.is_empty()).then_some(piece));
        }
        if committed && self.held.is_empty() {
            self.committed = true;
            return Ok(Some(piece));
        }
        self.held.extend_from_slice(&piece);
        if committed {
            return Ok(Some(self.take()));
        }
        if MAX_HELD_BYTES < self.held.len() {
            return Err(StreamError::TooMuch("events before the first content"));
        }
        Ok(None)
    }

    /// Hands out whole events only: a ping or an error of ours must never land inside one. What follows the last
    /// blank line waits for its rest.
    fn release_events(
        &mut self,
        piece: Bytes,
        committed: bool,
    ) -> Result<Option<Bytes>, StreamError> {
        if !self.committed && !committed {
            return self.release(piece, false);
        }
        let Some(end) = last_blank_line(&self.held, &piece) else {
            self.held.extend_from_slice(&piece);
            return if self.held.len() <= MAX_WHOLE_BYTES {
                Ok(None)
            } else {
                Err(StreamError::TooMuch("an event that does not end"))
            };
        };
        self.committed = true;
        if self.held.is_empty() && end == piece.len() {
            return Ok(Some(piece));
        }
        let mut out = self.held.split();
        out.extend_from_slice(piece.get(..end).unwrap_or_default());
        self.held
            .extend_from_slice(piece.get(end..).unwrap_or_default());
        Ok(Some(out.freeze()))
    }

    fn take(&mut self) -> Bytes {
        self.committed = true;
        self.held.split().freeze()
    }

    fn rest(&mut self) -> Option<Bytes> {
        self.committed = true;
        (!self.held.is_empty()).then(|| self.held.split().freeze())
    }
}

/// Where in `piece` the last blank line ends, `before` being what came before it. Line ends may be LF, CRLF or CR.
fn last_blank_line(before: &[u8], piece: &[u8]) -> Option<usize> {
    let at = |back: usize, end: usize| match end.checked_sub(back) {
        Some(i) => piece.get(i),
        None => before
            .len()
            .checked_sub(back - end)
            .and_then(|i| before.get(i)),
    };
    let mut end = piece.len();
    loop {
        let newline = memchr::memrchr2(b'\n', b'\r', piece.get(..end)?)?;
        end = newline + 1;
        let blank = matches!(
            (at(3, end), at(2, end), at(1, end)),
            (_, Some(b'\n'), Some(b'\n'))
                | (Some(b'\n'), Some(b'\r'), Some(b'\n'))
                | (_, Some(b'\r'), Some(b'\r'))
        );
        if blank {
            return Some(end);
        }
        end = newline;
    }
}

fn stream_told(translator: &StreamTranslator) -> Told {
    Told::facts(translator.facts())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn blank_lines_in_all_line_ends_and_across_pieces() {
        for (before, piece, end) in [
            ("", "a\n\nb", Some(3)),
            ("", "a\r\n\r\nb", Some(5)),
            ("", "a\r\rb", Some(3)),
            ("a\n", "\nb", Some(1)),
            ("a\r\n", "\r\n", Some(2)),
            ("a\r\n\r", "\n", Some(1)),
            ("", "a\nb\r\nc", None),
            ("", "", None),
            ("a", "b", None),
        ] {
            assert_eq!(
                last_blank_line(before.as_bytes(), piece.as_bytes()),
                end,
                "{before:?} {piece:?}"
            );
        }
    }

    const STREAM: &str = concat!(
        "event: message_start\r\ndata: {\"type\":\"message_start\",\"message\":{}}\r\n\r\n",
        ": a comment\n\n",
        "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"delta\":{\"type\":\"text_delta\",\"text\":\"hi\"}}\n\n",
        "event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"}}\n\n",
        "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n",
    );

    fn relayed(cuts: &[usize]) -> Vec<Bytes> {
        let (mut reader, mut out, mut from) = (
            AnswerReader::new(Reading::PassStream(Dialect::Anthropic)),
            Vec::new(),
            0,
        );
        for cut in cuts.iter().copied().chain([STREAM.len()]) {
            out.extend(reader.push(Bytes::from(&STREAM[from..cut])).unwrap());
            from = cut;
        }
        out.extend(reader.finish().unwrap());
        out
    }

    proptest! {
        #[test]
        fn any_split_relays_the_same_bytes_in_whole_events(mut cuts in prop::collection::vec(0..STREAM.len(), 0..20)) {
            cuts.sort_unstable();
            let out = relayed(&cuts);
            prop_assert_eq!(out.concat(), STREAM.as_bytes());
            for piece in &out {
                prop_assert!(piece.ends_with(b"\n\n") || piece.ends_with(b"\r\n\r\n"));
            }
        }
    }

    #[test]
    fn nothing_is_shown_before_the_first_content() {
        let mut reader = AnswerReader::new(Reading::PassStream(Dialect::Anthropic));
        let (before, content) = STREAM.split_at(STREAM.find("event: content_block_delta").unwrap());
        assert_eq!(reader.push(Bytes::from(before)).unwrap(), None);
        assert!(
            reader
                .push(Bytes::from(content))
                .unwrap()
                .unwrap()
                .starts_with(b"event: message_start")
        );
    }

    #[test]
    fn a_whole_message_is_bounded() {
        let mut reader = AnswerReader::new(Reading::PassWhole(Dialect::Anthropic));
        let piece = Bytes::from(vec![b' '; MAX_WHOLE_BYTES]);
        assert_eq!(reader.push(piece).unwrap(), None);
        assert!(reader.push(Bytes::from_static(b" ")).is_err());
    }

    #[test]
    fn an_event_that_does_not_end_is_not_held_for_ever() {
        let content = "data: {\"type\":\"response.output_text.delta\",\"output_index\":0,\"delta\":\"a\"}\n\n";
        for dialect in [Dialect::OpenAiResponses, Dialect::OpenAiChat] {
            let mut reader = AnswerReader::new(Reading::PassStream(dialect));
            let content = match dialect {
                Dialect::OpenAiChat => {
                    "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"a\"}}]}\n\n"
                }
                _ => content,
            };
            assert!(reader.push(Bytes::from(content)).unwrap().is_some());
            let piece = Bytes::from(vec![b'x'; 1 << 20]);
            let pieces = MAX_WHOLE_BYTES / piece.len();
            for _ in 0..pieces {
                assert_eq!(reader.push(piece.clone()).unwrap(), None);
            }
            let error = reader.push(piece).unwrap_err();
            assert_eq!(error, StreamError::TooMuch("an event that does not end"));
        }
    }

    #[test]
    fn an_answer_without_its_end_is_an_error() {
        let mut reader = AnswerReader::new(Reading::PassStream(Dialect::Anthropic));
        reader
            .push(Bytes::from(&STREAM[..STREAM.len() - 60]))
            .unwrap();
        assert_eq!(reader.finish().unwrap_err(), StreamError::Truncated);
        let mut reader = AnswerReader::new(Reading::PassWhole(Dialect::Anthropic));
        reader
            .push(Bytes::from_static(b"{\"type\":\"message\""))
            .unwrap();
        assert!(reader.finish().is_err());
    }
}
