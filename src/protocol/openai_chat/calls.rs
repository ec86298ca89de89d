//! Tool calls under way: which call a piece belongs to, and what is known of each.
//!
//! Providers disagree on how pieces name their call (recorded 2026): by `index` (OpenAI), without one (Mistral), with
//! the id repeated or emptied in later pieces (Qwen), with one index for several calls (Gemini's endpoint), starting
//! at 1, with the id after the name, without any id at all. A name may come whole, in pieces, longer in each piece, or
//! again in each: until arguments begin, or the call is shown, it may grow.

use crate::protocol::canonical::ToolNames;
use crate::protocol::frame::limit::{MAX_NAME_BYTES, MAX_TOOL_CALLS};
use crate::protocol::openai_chat::surrogate::Joiner;
use crate::protocol::upstream_error::StreamError;

/// Ids shorter than this are counters (`0`, `call_1`) that come again in the next turn.
const SHORTEST_UNIQUE_ID: usize = 9;

/// One tool call.
#[derive(Debug, Default)]
pub(crate) struct Call {
    /// The provider's position.
    index: Option<u64>,
    /// The provider's id, as it was sent.
    sent_id: Option<String>,
    /// The client's name of the tool; empty until it is known.
    pub name: String,
    /// The name as the provider sent it.
    sent_name: String,
    /// How far the arguments are.
    pub progress: JsonProgress,
    /// Arguments that could not be shown yet.
    pub held: String,
    /// Joins characters cut between two pieces.
    pub joiner: Joiner,
    /// Its beginning is shown, name and all.
    pub shown: bool,
    /// Shown, and closed again.
    pub closed: bool,
    /// Its argument is free text, which is wrapped into an object while it comes.
    pub free: bool,
}

impl Call {
    /// Whether it can be shown: its name is known and whole, and waiting for its id is pointless. Arguments tell that the
    /// name is whole, and so does something else that is `followed` by.
    pub fn is_ready(&self, followed: bool) -> bool {
        let whole = self.progress.begun() || (followed && self.sent_id.is_some());
        !self.name.is_empty() && whole
    }

    /// Takes a name, or a piece of one. False: there is no end to it.
    fn take_name(&mut self, piece: &str) -> bool {
        let over = self.shown || self.progress.begun();
        if piece == self.sent_name || (over && !self.sent_name.is_empty()) {
            return true;
        }
        if piece.starts_with(&self.sent_name) {
            piece.clone_into(&mut self.sent_name);
        } else {
            self.sent_name.push_str(piece);
        }
        self.sent_name.len() <= MAX_NAME_BYTES
    }

    /// Whether nothing at all is known of it.
    pub fn is_ghost(&self) -> bool {
        self.name.is_empty() && self.sent_id.is_none() && !self.progress.begun()
    }
}

/// What one piece says about its call.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct PieceHead<'a> {
    pub index: Option<u64>,
    pub id: Option<&'a str>,
    pub name: Option<&'a str>,
    /// Whether arguments come with it.
    pub has_arguments: bool,
    /// In a whole body each entry is a call of its own.
    pub whole: bool,
}

impl PieceHead<'_> {
    fn says_nothing(&self) -> bool {
        self.id.is_none() && self.name.is_none() && !self.has_arguments
    }
}

/// The calls of one answer, in the order they began.
#[derive(Debug, Default)]
pub(crate) struct Calls {
    known: Vec<Call>,
    names: ToolNames,
    /// Makes ids of our own unique: the answer's message id.
    seed: String,
}

impl Calls {
    pub fn new(names: ToolNames, seed: &str) -> Self {
        Calls {
            known: Vec::new(),
            names,
            seed: sanitise(seed.strip_prefix("msg_").unwrap_or(seed)),
        }
    }

    /// Finds the call that a piece belongs to, or begins one (`true`). `None` is a piece that names nothing and belongs
    /// to nothing: some providers fill the place of a call that way in chunks that have none.
    pub fn locate(&mut self, piece: PieceHead<'_>) -> Result<Option<(usize, bool)>, StreamError> {
        let known = self
            .continued(piece)
            .filter(|slot| !self.begins_anew(*slot, piece));
        let (slot, is_new) = match known {
            Some(slot) => (slot, false),
            None if piece.says_nothing() => return Ok(None),
            None if MAX_TOOL_CALLS <= self.known.len() => {
                return Err(StreamError::TooMuch("tool calls"));
            }
            None => {
                self.known.push(Call {
                    index: piece.index,
                    ..Call::default()
                });
                (self.known.len() - 1, true)
            }
        };
        if let Some(call) = self.known.get_mut(slot) {
            if call.sent_id.is_none() {
                call.sent_id = piece.id.map(str::to_owned);
            }
            if let Some(name) = piece.name {
                if !call.take_name(name) {
                    return Err(StreamError::TooMuch("a tool's name"));
                }
                self.names
                    .restore(&call.sent_name)
                    .clone_into(&mut call.name);
            }
        }
        Ok(Some((slot, is_new)))
    }

    /// The call that a piece seems to continue.
    fn continued(&self, piece: PieceHead<'_>) -> Option<usize> {
        if piece.whole {
            return None;
        }
        let by_id = |id| {
            self.known
                .iter()
                .rposition(|it| it.sent_id.as_deref() == Some(id))
        };
        match (piece.index, piece.id) {
            (Some(index), _) => self.known.iter().rposition(|it| it.index == Some(index)),
            (None, Some(id)) => by_id(id),
            (None, None) => self.known.len().checked_sub(1),
        }
    }

    /// Whether a piece that seems to continue a call is the first of another one.
    fn begins_anew(&self, slot: usize, piece: PieceHead<'_>) -> bool {
        let (Some(call), Some(name)) = (self.known.get(slot), piece.name) else {
            return false;
        };
        if call.name.is_empty() {
            return false;
        }
        let other_id = matches!((piece.id, &call.sent_id), (Some(new), Some(old)) if new != old);
        let complete = call.progress.is_complete() && piece.has_arguments;
        let other_name = piece.index.is_none() && name != call.sent_name;
        other_id || complete || other_name
    }

    pub fn get(&self, slot: usize) -> Option<&Call> {
        self.known.get(slot)
    }

    pub fn get_mut(&mut self, slot: usize) -> Option<&mut Call> {
        self.known.get_mut(slot)
    }

    /// The id under which a call is shown: the provider's own where it can be, in Anthropic's charset and unlike any
    /// other of this answer.
    pub fn shown_id(&self, slot: usize) -> String {
        let sent = self.known.get(slot).and_then(|it| it.sent_id.as_deref());
        client_id(sent, &self.seed, slot, |id| {
            self.known
                .iter()
                .take(slot)
                .filter_map(|it| it.sent_id.as_deref())
                .any(|earlier| sanitise(earlier) == id)
        })
    }
}

/// The id under which the client sees the `number`th call of an answer. `seed` is the answer's own, `taken` tells the
/// ids of calls before.
pub(crate) fn client_id(
    sent: Option<&str>,
    seed: &str,
    number: usize,
    taken: impl Fn(&str) -> bool,
) -> String {
    let Some(sent) = sent else {
        return format!("toolu_{seed}_{number}");
    };
    let id = sanitise(sent);
    if taken(&id) {
        format!("{id}_{seed}_{number}")
    } else if id.len() < SHORTEST_UNIQUE_ID {
        format!("{id}_{seed}")
    } else {
        id
    }
}

/// Anthropic's charset of ids is `[a-zA-Z0-9_-]`; anything else becomes `_`.
pub(crate) fn sanitise(id: &str) -> String {
    id.chars()
        .map(|it| match it {
            'a'..='z' | 'A'..='Z' | '0'..='9' | '_' | '-' => it,
            _ => '_',
        })
        .collect()
}

/// Follows JSON text from piece to piece, to know when one value is whole. It does not check the text.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct JsonProgress {
    depth: u32,
    in_string: bool,
    escaped: bool,
    state: Whole,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Whole {
    #[default]
    NotBegun,
    Open,
    Complete,
}

impl JsonProgress {
    /// Takes the next piece.
    pub fn push(&mut self, text: &str) {
        for byte in text.bytes() {
            if self.in_string {
                match byte {
                    _ if self.escaped => self.escaped = false,
                    b'\\' => self.escaped = true,
                    b'"' => {
                        self.in_string = false;
                        self.settle();
                    }
                    _ => {}
                }
                continue;
            }
            match byte {
                b' ' | b'\n' | b'\r' | b'\t' => continue,
                b'{' | b'[' => self.depth = self.depth.saturating_add(1),
                b'}' | b']' => self.depth = self.depth.saturating_sub(1),
                b'"' => self.in_string = true,
                _ => {}
            }
            self.state = Whole::Open;
            if matches!(byte, b'}' | b']') {
                self.settle();
            }
        }
    }

    fn settle(&mut self) {
        if self.depth == 0 {
            self.state = Whole::Complete;
        }
    }

    /// Whether a whole object, list or string has been seen, and nothing after it.
    pub fn is_complete(self) -> bool {
        self.state == Whole::Complete
    }

    /// Whether anything but spaces has been seen.
    pub fn begun(self) -> bool {
        self.state != Whole::NotBegun
    }
}
