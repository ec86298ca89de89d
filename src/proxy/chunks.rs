//! Where a chunked request body ends (RFC 9112 §7.1), strictly: whoever is more generous with the line ends of a framing
//! than the proxy in front of it lets one request hide in another.
//!
//! Only finds the end and refuses what is malformed; the data is taken out by Pingora.

/// Most bytes of chunk extensions and trailers in one body: both are read to be thrown away.
const MAX_EXTRAS: usize = 16 * 1024;
/// Most digits of a chunk's size: 15 of them are 10^18 bytes.
const MAX_DIGITS: u8 = 15;

/// The framing is malformed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed;

/// Follows one chunked body.
#[derive(Debug)]
pub struct Chunks {
    state: State,
    extras: usize,
}

/// What may come next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Size {
        digits: u8,
        size: u64,
    },
    Extension {
        size: u64,
    },
    SizeEnd {
        size: u64,
    },
    Data {
        left: u64,
    },
    DataEnd,
    DataEndLf,
    /// The beginning of a trailer line, or of the last line.
    LineStart,
    Trailer,
    TrailerEnd,
    LastLf,
    Done,
    Broken,
}

const SIZE: State = State::Size { digits: 0, size: 0 };

impl Chunks {
    /// Nothing has come yet.
    pub fn new() -> Self {
        Chunks {
            state: SIZE,
            extras: 0,
        }
    }

    /// Whether the body is over.
    pub fn is_done(&self) -> bool {
        self.state == State::Done
    }

    /// Whether it is malformed, and nothing behind it means anything.
    pub fn is_broken(&self) -> bool {
        self.state == State::Broken
    }

    /// Looks at the next bytes; where the body ends, if among them.
    pub fn scan(&mut self, bytes: &[u8]) -> Result<Option<usize>, Malformed> {
        let mut at = 0;
        while let Some(byte) = bytes.get(at) {
            match self.state {
                State::Done => return Ok(Some(at)),
                State::Data { left } => {
                    let here = left.min((bytes.len() - at) as u64);
                    self.state = match left - here {
                        0 => State::DataEnd,
                        left => State::Data { left },
                    };
                    at += usize::try_from(here).map_err(|_| Malformed)?;
                }
                _ => {
                    let next = self.step(*byte);
                    self.state = next.unwrap_or(State::Broken);
                    next?;
                    at += 1;
                }
            }
        }
        Ok(self.is_done().then_some(at))
    }

    fn step(&mut self, byte: u8) -> Result<State, Malformed> {
        let next = match (self.state, byte) {
            (State::Size { digits, size }, _) if byte.is_ascii_hexdigit() => {
                if digits == MAX_DIGITS {
                    return Err(Malformed);
                }
                let digit = char::from(byte).to_digit(16).map_or(0, u64::from);
                State::Size {
                    digits: digits + 1,
                    size: size * 16 + digit,
                }
            }
            (State::Size { digits: 1.., size }, b';') => State::Extension { size },
            (State::Size { digits: 1.., size } | State::Extension { size }, b'\r') => {
                State::SizeEnd { size }
            }
            (State::Extension { size }, _) => {
                self.extra(byte)?;
                State::Extension { size }
            }
            (State::SizeEnd { size: 0 }, b'\n') => State::LineStart,
            (State::SizeEnd { size }, b'\n') => State::Data { left: size },
            (State::DataEnd, b'\r') => State::DataEndLf,
            (State::DataEndLf, b'\n') => SIZE,
            (State::LineStart, b'\r') => State::LastLf,
            (State::Trailer, b'\r') => State::TrailerEnd,
            (State::LineStart | State::Trailer, _) => {
                self.extra(byte)?;
                State::Trailer
            }
            (State::TrailerEnd, b'\n') => State::LineStart,
            (State::LastLf, b'\n') => State::Done,
            (
                State::Size { .. }
                | State::SizeEnd { .. }
                | State::DataEnd
                | State::DataEndLf
                | State::TrailerEnd
                | State::LastLf
                | State::Broken,
                _,
            ) => return Err(Malformed),
            // Neither comes here: `scan` deals with them.
            (State::Data { .. } | State::Done, _) => return Err(Malformed),
        };
        Ok(next)
    }

    /// A byte of an extension or a trailer.
    fn extra(&mut self, byte: u8) -> Result<(), Malformed> {
        self.extras += 1;
        let fits = byte == b'\t' || (b' ' <= byte && byte != 0x7f);
        if fits && self.extras <= MAX_EXTRAS {
            Ok(())
        } else {
            Err(Malformed)
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn end_of(bytes: &[u8]) -> Result<Option<usize>, Malformed> {
        Chunks::new().scan(bytes)
    }

    #[test]
    fn ordinary_bodies_end_where_they_end() {
        for body in [
            "0\r\n\r\n",
            "5\r\nhello\r\n0\r\n\r\n",
            "000A;name=\"value\"\r\n0123456789\r\n0\r\nx-trailer: 1\r\ny: 2\r\n\r\n",
        ] {
            let with_more = format!("{body}GET / HTTP/1.1\r\n");
            assert_eq!(end_of(body.as_bytes()), Ok(Some(body.len())), "{body}");
            assert_eq!(end_of(with_more.as_bytes()), Ok(Some(body.len())), "{body}");
            for cut in 0..body.len() {
                assert_eq!(end_of(&body.as_bytes()[..cut]), Ok(None), "{body} {cut}");
            }
        }
    }

    #[test]
    fn what_others_may_read_otherwise_is_refused() {
        for body in [
            "\r\n",
            "-1\r\n",
            "+5\r\nhello\r\n",
            "0x5\r\nhello\r\n",
            " 5\r\nhello\r\n",
            "5 \r\nhello\r\n",
            "5\nhello\r\n",
            "5\rhello\r\n",
            "5\r\nhello\n0\r\n\r\n",
            "5\r\nhelloo\r\n",
            "5\r\nhell\r\n0\r\n\r\n",
            "5;a\nb\r\nhello\r\n",
            "5;a\0\r\nhello\r\n",
            "1234567890abcdef1\r\n",
            "ffffffffffffffff\r\n",
            "g\r\n",
            "0\r\nx: 1\n\r\n",
            "0\r\n\rx",
        ] {
            assert_eq!(end_of(body.as_bytes()), Err(Malformed), "{body:?}");
        }
        let long = format!("5;{}\r\n", "x".repeat(MAX_EXTRAS + 1));
        assert_eq!(end_of(long.as_bytes()), Err(Malformed));
    }

    #[test]
    fn what_is_malformed_stays_so() {
        let mut chunks = Chunks::new();
        assert_eq!(chunks.scan(b"x"), Err(Malformed));
        assert_eq!(chunks.scan(b"0\r\n\r\n"), Err(Malformed));
    }

    proptest! {
        #[test]
        fn any_split_finds_the_same_end(
            pieces in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 1..40), 0..6),
            behind in proptest::collection::vec(any::<u8>(), 0..20),
            cuts in proptest::collection::vec(1_usize..9, 1..40),
        ) {
            let mut body = Vec::new();
            for piece in &pieces {
                body.extend(format!("{:x}\r\n", piece.len()).bytes());
                body.extend_from_slice(piece);
                body.extend_from_slice(b"\r\n");
            }
            body.extend_from_slice(b"0\r\n\r\n");
            let length = body.len();
            body.extend_from_slice(&behind);
            let (mut chunks, mut seen, mut cuts) = (Chunks::new(), 0, cuts.iter().cycle());
            let end = loop {
                let size = (*cuts.next().unwrap()).min(body.len() - seen);
                if let Some(end) = chunks.scan(&body[seen..seen + size]).unwrap() {
                    break seen + end;
                }
                seen += size;
            };
            prop_assert_eq!(end, length);
        }

        #[test]
        fn nonsense_is_no_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = Chunks::new().scan(&bytes);
        }
    }
}
