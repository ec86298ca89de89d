//! How keys are described. One row per key serves the walk that finds faults, the JSON Schema and the notes about old
//! keys: three descriptions would drift apart, which is why no derive is used for the schema.

/// A section: its rows.
pub(super) type Table = &'static [Field];

/// One key.
#[derive(Clone, Copy, Debug)]
pub(super) struct Field {
    /// As written.
    pub key: &'static str,
    /// What it holds.
    pub kind: Kind,
    /// Its default as written; empty when there is none.
    pub default: &'static str,
    /// One line for people.
    pub doc: &'static str,
    /// Whether it works.
    pub state: State,
    /// Whether it must be there.
    pub required: bool,
}

/// Whether a key works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// It does.
    Active,
    /// It does, under an old name; the new one is in the same section.
    Old(&'static str),
    /// It is taken and has no effect; why.
    Unused(&'static str),
}

/// What a key holds.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    /// True or false.
    Bool,
    /// A whole number in a range.
    Count(u64, u64),
    /// A finite number from zero.
    Number,
    /// Text.
    Text,
    /// Text nobody may see.
    Secret,
    /// A duration above zero.
    Duration,
    /// A duration.
    DurationOrZero,
    /// Bytes, above zero.
    Size,
    /// Tokens, above zero; `200k` is 200,000.
    Tokens,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// Texts.
    Texts,
    /// Texts nobody may see.
    Secrets,
    /// HTTP statuses.
    Codes,
    /// Any of these words.
    Choices(&'static [&'static str]),
    /// Free names with secret texts: headers.
    Headers,
    /// Free names with a number from zero each.
    Weights,
    /// A section.
    One(Table),
    /// One of these words, or a section.
    ChoiceOr(&'static [&'static str], Table),
    /// A list of sections.
    Many(Table),
    /// Free names with a section each.
    Named(Table),
    /// Free names with a section each, or for short with nothing but the list under this key of it.
    NamedShort(&'static str, Table),
    /// Anything: whoever reads it checks it.
    Any,
}

impl Field {
    /// A row.
    pub const fn new(
        key: &'static str,
        kind: Kind,
        default: &'static str,
        doc: &'static str,
    ) -> Self {
        Field {
            key,
            kind,
            default,
            doc,
            state: State::Active,
            required: false,
        }
    }

    /// The same key under an old name.
    pub const fn old(key: &'static str, kind: Kind, new: &'static str) -> Self {
        Field {
            state: State::Old(new),
            ..Field::new(key, kind, "", "old name")
        }
    }

    /// Taken without effect.
    pub const fn unused(self, why: &'static str) -> Self {
        Field {
            state: State::Unused(why),
            ..self
        }
    }

    /// Must be there.
    pub const fn required(self) -> Self {
        Field {
            required: true,
            ..self
        }
    }
}

impl Kind {
    /// The rows of a section below this key.
    pub fn rows(self) -> Table {
        match self {
            Kind::One(rows)
            | Kind::ChoiceOr(_, rows)
            | Kind::Many(rows)
            | Kind::Named(rows)
            | Kind::NamedShort(_, rows) => rows,
            Kind::Bool
            | Kind::Count(..)
            | Kind::Number
            | Kind::Text
            | Kind::Secret
            | Kind::Duration
            | Kind::DurationOrZero
            | Kind::Size
            | Kind::Tokens
            | Kind::Choice(_)
            | Kind::Texts
            | Kind::Secrets
            | Kind::Codes
            | Kind::Choices(_)
            | Kind::Headers
            | Kind::Weights
            | Kind::Any => &[],
        }
    }

    /// Whether nobody may see the value.
    pub fn is_secret(self) -> bool {
        matches!(self, Kind::Secret | Kind::Secrets | Kind::Headers)
    }
}

/// The row of `key`.
pub(super) fn find(rows: Table, key: &str) -> Option<&'static Field> {
    rows.iter().find(|it| it.key == key)
}
