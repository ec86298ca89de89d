//! Server-sent events: an incremental decoder (bytes to frames) and a writer.
//!
//! The decoder follows the WHATWG rules (LF, CRLF and CR line ends, byte order mark, comments, `data:` with or
//! without a space, several `data` lines), with two allowances that real providers need: the last event may lack its
//! blank line, and `id` and `retry` are ignored. It does not look into the data.
//!
//! It is the hot path of every answer. A frame whose single `data` line lies within one push is lent out of the
//! caller's bytes; only what is cut by the end of a push is copied.
//!
//! Gemini writes errors into its streams as bare JSON, over many lines and without `data:`. A decoder made for that
//! gathers such lines, from one that begins with a bracket to the next blank line or the end, and hands them out like
//! any event's data.

use memchr::memchr2;
use thiserror::Error;

use crate::protocol::frame::limit::MAX_EVENT_BYTES;

/// One event of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// The `event` line; empty when there was none. Not checked to be UTF-8.
    pub event: &'a [u8],
    /// The `data` lines, joined with LF. Not checked to be UTF-8.
    pub data: &'a [u8],
}

/// An event passes [`MAX_EVENT_BYTES`]; the stream cannot be read on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("an event of the stream is larger than {MAX_EVENT_BYTES} bytes")]
pub struct FrameTooLarge;

/// Cuts a stream of bytes into frames. Any split of the bytes gives the same frames.
#[expect(
    clippy::struct_excessive_bools,
    reason = "what was seen, each on its own"
)]
#[derive(Debug, Default)]
pub struct SseDecoder {
    /// The beginning of a line whose end has not come.
    line: Vec<u8>,
    /// `event` of the event under way.
    event: Vec<u8>,
    /// `data` of the event under way, as far as it had to be copied.
    data: Vec<u8>,
    /// Whether the event under way has a `data` line, in `data` or lent.
    has_data: bool,
    /// The last push ended in CR: an LF at the start of the next one belongs to it.
    after_cr: bool,
    /// A first line has been read, so that a byte order mark no longer may come.
    begun: bool,
    /// Lines of bare JSON are gathered.
    gathers: bool,
    /// Those gathered for the event under way.
    bare: Vec<u8>,
}

impl SseDecoder {
    /// A decoder at the start of a stream.
    pub fn new() -> Self {
        Self::default()
    }

    /// One that hands out bare JSON between events as if it were an event's data.
    pub fn gathering_bare_json() -> Self {
        SseDecoder {
            gathers: true,
            ..Self::default()
        }
    }

    /// Takes the next bytes and calls `sink` for each frame that they complete. An error of `sink` ends the push; the
    /// rest of `bytes` is then lost, which is fine for a stream that is given up.
    pub fn push<E: From<FrameTooLarge>>(
        &mut self,
        bytes: &[u8],
        mut sink: impl FnMut(Frame<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut rest = bytes;
        if self.after_cr && !rest.is_empty() {
            self.after_cr = false;
            rest = rest.strip_prefix(b"\n").unwrap_or(rest);
        }
        let mut lent: &[u8] = &[];
        while let Some(end) = memchr2(b'\n', b'\r', rest) {
            let (line, tail) = rest.split_at(end);
            rest = match tail {
                [b'\r', b'\n', after @ ..] => after,
                [b'\r'] => {
                    self.after_cr = true;
                    &[]
                }
                [_, after @ ..] => after,
                [] => &[],
            };
            if self.line.is_empty() {
                self.take_line(line, &mut lent, &mut sink)?;
            } else {
                self.carried_line(line, &mut sink)?;
            }
        }
        self.data.extend_from_slice(lent);
        self.line.extend_from_slice(rest);
        self.check_size(0)?;
        Ok(())
    }

    /// Ends the stream: an event without its blank line is delivered.
    pub fn finish<E: From<FrameTooLarge>>(
        &mut self,
        mut sink: impl FnMut(Frame<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        if !self.line.is_empty() {
            self.carried_line(&[], &mut sink)?;
        }
        self.dispatch(&mut &[][..], &mut sink)
    }

    /// A line that began in an earlier push and ends with `end`. It is the first of its push, so nothing is lent yet.
    fn carried_line<E: From<FrameTooLarge>>(
        &mut self,
        end: &[u8],
        sink: &mut impl FnMut(Frame<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut line = std::mem::take(&mut self.line);
        line.extend_from_slice(end);
        let mut lent: &[u8] = &[];
        self.take_line(&line, &mut lent, sink)?;
        self.data.extend_from_slice(lent);
        line.clear();
        self.line = line;
        Ok(())
    }

    /// One whole line, without its end.
    fn take_line<'a, E: From<FrameTooLarge>>(
        &mut self,
        line: &'a [u8],
        lent: &mut &'a [u8],
        sink: &mut impl FnMut(Frame<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let line = if self.begun {
            line
        } else {
            self.begun = true;
            line.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(line)
        };
        if let Some(value) = field(line, b"data") {
            self.check_size(lent.len().saturating_add(value.len()))?;
            if self.has_data {
                self.data.extend_from_slice(lent);
                self.data.push(b'\n');
                self.data.extend_from_slice(value);
                *lent = &[];
            } else {
                self.has_data = true;
                *lent = value;
            }
        } else if line.is_empty() {
            self.dispatch(lent, sink)?;
        } else if let Some(value) = field(line, b"event") {
            self.event.clear();
            self.event.extend_from_slice(value);
        } else if self.gathers {
            let begins = matches!(line.trim_ascii_start().first(), Some(b'{' | b'['));
            if begins || !self.bare.is_empty() {
                self.check_size(lent.len().saturating_add(line.len()))?;
                self.bare.extend_from_slice(line);
                self.bare.push(b'\n');
            }
        }
        Ok(())
    }

    /// The blank line: hands out the event, if it has data.
    fn dispatch<E: From<FrameTooLarge>>(
        &mut self,
        lent: &mut &[u8],
        sink: &mut impl FnMut(Frame<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let handed = if self.has_data {
            if self.data.is_empty() {
                self.check_size(lent.len())?;
                sink(Frame {
                    event: &self.event,
                    data: lent,
                })
            } else {
                self.data.extend_from_slice(lent);
                self.check_size(0)?;
                sink(Frame {
                    event: &self.event,
                    data: &self.data,
                })
            }
        } else {
            Ok(())
        };
        *lent = &[];
        self.data.clear();
        self.event.clear();
        self.has_data = false;
        handed?;
        if self.bare.is_empty() {
            return Ok(());
        }
        let bare = std::mem::take(&mut self.bare);
        sink(Frame {
            event: &[],
            data: &bare,
        })
    }

    fn check_size(&self, more: usize) -> Result<(), FrameTooLarge> {
        let size = self.line.len() + self.data.len() + self.event.len() + self.bare.len();
        if size.saturating_add(more) <= MAX_EVENT_BYTES {
            Ok(())
        } else {
            Err(FrameTooLarge)
        }
    }
}

/// The value of a line, if the line is of the field `name`; one space after the colon is not part of it.
fn field<'a>(line: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    match line.strip_prefix(name)? {
        [] => Some(&[]),
        [b':', b' ', value @ ..] | [b':', value @ ..] => Some(value),
        _ => None,
    }
}

/// Appends one event. `data` must be a single line, which JSON without raw line ends is.
pub fn write_frame(event: &str, data: &[u8], out: &mut Vec<u8>) {
    debug_assert!(memchr2(b'\n', b'\r', data).is_none());
    if !event.is_empty() {
        out.extend_from_slice(b"event: ");
        out.extend_from_slice(event.as_bytes());
        out.push(b'\n');
    }
    out.extend_from_slice(b"data: ");
    out.extend_from_slice(data);
    out.extend_from_slice(b"\n\n");
}

/// Appends a comment, which clients skip: a sign of life that is no event. `text` must be a single line.
pub fn write_comment(text: &str, out: &mut Vec<u8>) {
    debug_assert!(memchr2(b'\n', b'\r', text.as_bytes()).is_none());
    out.extend_from_slice(b": ");
    out.extend_from_slice(text.as_bytes());
    out.extend_from_slice(b"\n\n");
}

#[cfg(test)]
mod tests;
