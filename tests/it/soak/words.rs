//! Answers that describe themselves: who said them, to whom, in which call, and how long they are. A client can tell a
//! whole one from a part of one and from anything else without asking anybody.

use std::fmt::Write;

/// One answer of a provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Speech {
    /// Who says it.
    pub provider: String,
    /// Which call it answers, counted over all providers.
    pub call: u64,
    /// What the request was marked with.
    pub nonce: String,
    /// How many words it has.
    pub words: usize,
}

/// What a text is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heard {
    /// No text at all.
    Nothing,
    /// All of it.
    Whole(Speech),
    /// Its beginning.
    Part(Speech),
    /// Something else.
    Foreign,
}

/// Words in a piece.
const STEP: usize = 3;

impl Speech {
    /// The pieces it is said in. The first one is the line that describes it.
    pub fn pieces(&self) -> Vec<String> {
        let mut pieces = vec![format!(
            "[{} {} {} {}]",
            self.provider, self.call, self.nonce, self.words
        )];
        let mut rng = fastrand::Rng::with_seed(self.call);
        for at in (0..self.words).step_by(STEP) {
            let mut piece = String::new();
            for _ in at..(at + STEP).min(self.words) {
                // Bytes of several kinds: a piece cut in the middle of a letter must not pass.
                write!(piece, " {:x}ø→", rng.u16(..)).unwrap();
            }
            pieces.push(piece);
        }
        pieces.push(format!(" [end {}]", self.call));
        pieces
    }

    /// All of it.
    pub fn text(&self) -> String {
        self.pieces().concat()
    }
}

/// Tells what a text is.
pub fn recognise(text: &str) -> Heard {
    if text.is_empty() {
        return Heard::Nothing;
    }
    let Some(speech) = described(text) else {
        return Heard::Foreign;
    };
    let whole = speech.text();
    if whole == text {
        Heard::Whole(speech)
    } else if whole.starts_with(text) {
        Heard::Part(speech)
    } else {
        Heard::Foreign
    }
}

fn described(text: &str) -> Option<Speech> {
    let (line, _) = text.strip_prefix('[')?.split_once(']')?;
    let mut parts = line.split(' ');
    Some(Speech {
        provider: parts.next()?.to_owned(),
        call: parts.next()?.parse().ok()?,
        nonce: parts.next()?.to_owned(),
        words: parts.next()?.parse().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::{Heard, Speech, recognise};

    #[test]
    fn only_all_of_it_is_whole() {
        let speech = Speech {
            provider: "alpha".to_owned(),
            call: 7,
            nonce: "n1".to_owned(),
            words: 10,
        };
        let text = speech.text();
        assert_eq!(recognise(&text), Heard::Whole(speech.clone()));
        let pieces = speech.pieces();
        for count in 1..pieces.len() {
            assert_eq!(
                recognise(&pieces[..count].concat()),
                Heard::Part(speech.clone())
            );
        }
        assert_eq!(recognise(""), Heard::Nothing);
        for other in [
            "hello".to_owned(),
            text.replacen('ø', "", 1),
            format!("{text} "),
            format!("{text}{text}"),
            pieces[..2].concat() + &pieces[3..].concat(),
        ] {
            assert_eq!(recognise(&other), Heard::Foreign, "{other}");
        }
    }
}
