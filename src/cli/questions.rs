//! Questions at a terminal: a line with what Enter takes, yes or no, and a secret that is not shown. No arrows, no
//! colours that matter: it works over a serial line. And the same questions where nobody is asked.

use std::io::{self, BufRead, IsTerminal, Read, Write};

use rustix::termios::{
    LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcsetattr,
};
use zeroize::Zeroizing;

use crate::types::Secret;

/// Longest secret that is read, bytes.
const MAX_SECRET: usize = 8 * 1024;
/// Times that an answer may make no sense.
const TRIES: usize = 5;

/// The person has ended it, or there is nobody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stopped;

/// Who answers.
pub trait Ask {
    /// Says something that no answer belongs to.
    fn say(&mut self, text: &str);
    /// A line; what Enter takes is `default`.
    fn line(&mut self, question: &str, default: &str) -> Result<String, Stopped>;
    /// A secret; `None` for none.
    fn secret(&mut self, question: &str) -> Result<Option<Secret>, Stopped>;

    /// Yes or no.
    fn yes(&mut self, question: &str, default: bool) -> Result<bool, Stopped> {
        let (shown, word) = if default { ("Y/n", "y") } else { ("y/N", "n") };
        for _ in 0..TRIES {
            let answer = self.line(&format!("{question} ({shown})"), word)?;
            match answer.to_ascii_lowercase().as_str() {
                "y" | "yes" => return Ok(true),
                "n" | "no" => return Ok(false),
                _ => self.say("Please answer y or n.\n"),
            }
        }
        Err(Stopped)
    }
}

/// Nobody is asked: every answer is the default.
#[derive(Debug, Default)]
pub struct Defaults {
    /// What would have been shown.
    pub said: String,
}

impl Ask for Defaults {
    fn say(&mut self, text: &str) {
        self.said.push_str(text);
    }

    fn line(&mut self, _: &str, default: &str) -> Result<String, Stopped> {
        Ok(default.to_owned())
    }

    fn secret(&mut self, _: &str) -> Result<Option<Secret>, Stopped> {
        Ok(None)
    }
}

/// The person at the terminal.
#[derive(Debug)]
pub struct Terminal(());

impl Terminal {
    /// If there is one: somebody who types and reads.
    pub fn open() -> Option<Terminal> {
        (io::stdin().is_terminal() && io::stdout().is_terminal()).then_some(Terminal(()))
    }
}

impl Ask for Terminal {
    fn say(&mut self, text: &str) {
        show(text);
    }

    fn line(&mut self, question: &str, default: &str) -> Result<String, Stopped> {
        // A yes or no shows its default itself.
        if default.is_empty() || question.ends_with(')') {
            show(&format!("{question}: "));
        } else {
            show(&format!("{question} [{default}]: "));
        }
        let mut line = String::new();
        match io::stdin().lock().read_line(&mut line) {
            Ok(0) | Err(_) => Err(Stopped),
            Ok(_) if line.trim().is_empty() => Ok(default.to_owned()),
            Ok(_) => Ok(line.trim().to_owned()),
        }
    }

    fn secret(&mut self, question: &str) -> Result<Option<Secret>, Stopped> {
        // Before the question: who pastes is fast.
        let quiet = Quiet::new().ok_or(Stopped)?;
        show(&format!("{question}: "));
        let read = read_secret(&mut io::stdin().lock());
        drop(quiet);
        show("\n");
        read.map(|text| {
            let text = text.trim();
            (!text.is_empty()).then(|| Secret::new(text.to_owned()))
        })
    }
}

fn show(text: &str) {
    let mut out = io::stdout().lock();
    // Who cannot read the question answers nothing.
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// A terminal that shows nothing of what is typed, and hands over each key at once, Ctrl-C too: a program that were ended
/// there would leave it like that.
struct Quiet(Termios);

impl Quiet {
    fn new() -> Option<Quiet> {
        let before = tcgetattr(io::stdin()).ok()?;
        let mut modes = before.clone();
        modes
            .local_modes
            .remove(LocalModes::ECHO | LocalModes::ICANON | LocalModes::ISIG);
        modes.special_codes[SpecialCodeIndex::VMIN] = 1;
        modes.special_codes[SpecialCodeIndex::VTIME] = 0;
        tcsetattr(io::stdin(), OptionalActions::Drain, &modes).ok()?;
        Some(Quiet(before))
    }
}

impl Drop for Quiet {
    fn drop(&mut self) {
        let _ = tcsetattr(io::stdin(), OptionalActions::Drain, &self.0);
    }
}

/// Reads up to Enter; backspace and Ctrl-U do what they do everywhere.
fn read_secret(input: &mut impl Read) -> Result<Zeroizing<String>, Stopped> {
    let mut typed = Zeroizing::new(Vec::with_capacity(MAX_SECRET));
    let mut byte = [0_u8; 1];
    loop {
        if input.read_exact(&mut byte).is_err() {
            return Err(Stopped);
        }
        match byte[0] {
            b'\r' | b'\n' => break,
            // Ctrl-C, and Ctrl-D on nothing.
            3 => return Err(Stopped),
            4 if typed.is_empty() => return Err(Stopped),
            8 | 127 => {
                typed.pop();
            }
            21 => typed.clear(),
            other if typed.len() < MAX_SECRET => typed.push(other),
            _ => {}
        }
    }
    let text = std::str::from_utf8(&typed).map_err(|_| Stopped)?;
    Ok(Zeroizing::new(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_what_was_typed_with_its_corrections() {
        let typed = |bytes: &[u8]| read_secret(&mut &bytes[..]).map(|it| it.to_string());
        assert_eq!(typed(b"abc\n"), Ok("abc".to_owned()));
        assert_eq!(typed(b"abx\x7fc\r"), Ok("abc".to_owned()));
        assert_eq!(typed(b"wrong\x15right\n"), Ok("right".to_owned()));
        assert_eq!(typed(b"ab\x03"), Err(Stopped));
        assert_eq!(typed(b"\x04"), Err(Stopped));
        assert_eq!(typed(b"ab"), Err(Stopped), "the terminal is gone");
        let long = [vec![b'a'; 2 * MAX_SECRET], b"\n".to_vec()].concat();
        assert_eq!(typed(&long).unwrap().len(), MAX_SECRET);
    }

    #[test]
    fn a_yes_is_a_yes() {
        struct Says(Vec<&'static str>);
        impl Ask for Says {
            fn say(&mut self, _: &str) {}
            fn line(&mut self, question: &str, default: &str) -> Result<String, Stopped> {
                assert!(question.contains("(Y/n)") || question.contains("(y/N)"));
                match self.0.pop() {
                    Some("") => Ok(default.to_owned()),
                    Some(answer) => Ok(answer.to_owned()),
                    None => Err(Stopped),
                }
            }
            fn secret(&mut self, _: &str) -> Result<Option<Secret>, Stopped> {
                Ok(None)
            }
        }
        for (answers, default, expected) in [
            (vec![""], true, Ok(true)),
            (vec![""], false, Ok(false)),
            (vec!["NO"], true, Ok(false)),
            (vec!["yes", "what"], false, Ok(true)),
            (vec!["y", "e", "d", "c", "b", "a"], false, Err(Stopped)),
        ] {
            assert_eq!(Says(answers).yes("Really?", default), expected);
        }
    }
}
