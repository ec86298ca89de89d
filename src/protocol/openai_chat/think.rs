//! `<think>…</think>` at the start of an answer's text, as raw models without a reasoning parser write it.
//!
//! Only the first thing of an answer counts: further on a text may well be about the tag. The tags may be cut anywhere.

/// What a piece of content turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Piece<'a> {
    Text(&'a str),
    Thinking(&'a str),
}

#[derive(Debug)]
enum State {
    /// Nothing but spaces and the beginning of a tag so far, held back.
    Start(String),
    /// Inside; held back is what may be the beginning of the closing tag.
    Inside(String),
    /// Just closed: line ends before the text are the template's, not the model's.
    Closed,
    /// Everything is text.
    Plain,
}

/// Splits content into thinking and text.
#[derive(Debug)]
pub(crate) struct ThinkTag(State);

const OPEN: &str = "<think>";
const CLOSE: &str = "</think>";
/// Spaces before a tag that are waited through, in bytes.
const MAX_SPACES: usize = 64;

impl ThinkTag {
    pub fn new() -> Self {
        ThinkTag(State::Start(String::new()))
    }

    /// Whether content passes through untouched from here on.
    pub fn is_plain(&self) -> bool {
        matches!(self.0, State::Plain)
    }

    /// Whether something is held back.
    pub fn holds(&self) -> bool {
        match &self.0 {
            State::Start(held) | State::Inside(held) => !held.is_empty(),
            State::Closed | State::Plain => false,
        }
    }

    /// Takes the next content.
    pub fn push<E>(
        &mut self,
        content: &str,
        sink: &mut impl FnMut(Piece<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        match std::mem::replace(&mut self.0, State::Plain) {
            State::Plain => emit(Piece::Text(content), sink),
            State::Start(mut held) => {
                held.push_str(content);
                self.start(held, sink)
            }
            State::Inside(mut held) => {
                held.push_str(content);
                self.inside(held, sink)
            }
            State::Closed => self.closed(content, sink),
        }
    }

    /// Gives out what is held back, because something else follows.
    pub fn flush<E>(&mut self, sink: &mut impl FnMut(Piece<'_>) -> Result<(), E>) -> Result<(), E> {
        match &mut self.0 {
            State::Start(held) => {
                let held = std::mem::take(held);
                if !held.is_empty() {
                    self.0 = State::Plain;
                }
                emit(Piece::Text(&held), sink)
            }
            State::Inside(held) => emit(Piece::Thinking(&std::mem::take(held)), sink),
            State::Closed | State::Plain => Ok(()),
        }
    }

    fn start<E>(
        &mut self,
        held: String,
        sink: &mut impl FnMut(Piece<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let trimmed = held.trim_start();
        if let Some(inside) = trimmed.strip_prefix(OPEN) {
            return self.inside(inside.to_owned(), sink);
        }
        if OPEN.starts_with(trimmed) && held.len() <= MAX_SPACES {
            self.0 = State::Start(held);
            return Ok(());
        }
        emit(Piece::Text(&held), sink)
    }

    fn inside<E>(
        &mut self,
        mut held: String,
        sink: &mut impl FnMut(Piece<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        if let Some((thinking, text)) = held.split_once(CLOSE) {
            emit(Piece::Thinking(thinking), sink)?;
            return self.closed(text, sink);
        }
        let keep = (1..CLOSE.len())
            .rev()
            .find(|n| CLOSE.get(..*n).is_some_and(|head| held.ends_with(head)))
            .unwrap_or(0);
        let tail = held.split_off(held.len() - keep);
        emit(Piece::Thinking(&held), sink)?;
        self.0 = State::Inside(tail);
        Ok(())
    }

    fn closed<E>(
        &mut self,
        text: &str,
        sink: &mut impl FnMut(Piece<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let text = text.trim_start_matches(['\n', '\r']);
        self.0 = if text.is_empty() {
            State::Closed
        } else {
            State::Plain
        };
        emit(Piece::Text(text), sink)
    }
}

fn emit<E>(piece: Piece<'_>, sink: &mut impl FnMut(Piece<'_>) -> Result<(), E>) -> Result<(), E> {
    match piece {
        Piece::Text("") | Piece::Thinking("") => Ok(()),
        Piece::Text(_) | Piece::Thinking(_) => sink(piece),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Pushes the pieces and gives (thinking, text).
    fn split(pieces: &[&str]) -> (String, String) {
        let mut found = (String::new(), String::new());
        let mut sink = |piece: Piece<'_>| {
            match piece {
                Piece::Thinking(it) => found.0.push_str(it),
                Piece::Text(it) => found.1.push_str(it),
            }
            Ok::<(), ()>(())
        };
        let mut tag = ThinkTag::new();
        for piece in pieces {
            tag.push(piece, &mut sink).unwrap();
        }
        tag.flush(&mut sink).unwrap();
        found
    }

    #[test]
    fn a_tag_is_found_wherever_it_is_cut() {
        let text = "\n<think>\nwhy </thin not</think>\n\nbecause <think>";
        for a in 0..=text.len() {
            for b in a..=text.len() {
                let (first, rest) = text.split_at(a);
                let (second, third) = rest.split_at(b - a);
                assert_eq!(
                    split(&[first, second, third]),
                    ("\nwhy </thin not".to_owned(), "because <think>".to_owned()),
                    "cut at {a} and {b}"
                );
            }
        }
    }

    #[test]
    fn other_starts_are_text() {
        for text in [
            "  ",
            "<",
            "<thin",
            "<thought>x",
            "a <think>b</think>",
            "\n\nx",
        ] {
            assert_eq!(split(&[text]), (String::new(), text.to_owned()));
        }
        let spaces = " ".repeat(100);
        assert_eq!(split(&[&spaces, "<think>"]).1, format!("{spaces}<think>"));
    }

    #[test]
    fn an_open_tag_at_the_end_is_thinking() {
        assert_eq!(
            split(&["<think>a</th"]),
            ("a</th".to_owned(), String::new())
        );
    }
}
