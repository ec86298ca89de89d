//! Claude's models as clients know them, so that a gateway whose routes are patterns has names to list.

/// Ids, names and dates as the vendor's list of models gave them in August 2026.
const CLAUDE: [(&str, &str, &str); 11] = [
    ("claude-opus-5", "Claude Opus 5", "2026-07-24T00:00:00Z"),
    ("claude-sonnet-5", "Claude Sonnet 5", "2026-06-29T00:00:00Z"),
    ("claude-fable-5", "Claude Fable 5", "2026-06-07T00:00:00Z"),
    ("claude-opus-4-8", "Claude Opus 4.8", "2026-05-28T00:00:00Z"),
    ("claude-opus-4-7", "Claude Opus 4.7", "2026-04-14T00:00:00Z"),
    (
        "claude-sonnet-4-6",
        "Claude Sonnet 4.6",
        "2026-02-17T00:00:00Z",
    ),
    ("claude-opus-4-6", "Claude Opus 4.6", "2026-02-04T00:00:00Z"),
    (
        "claude-opus-4-5-20251101",
        "Claude Opus 4.5",
        "2025-11-24T00:00:00Z",
    ),
    (
        "claude-haiku-4-5-20251001",
        "Claude Haiku 4.5",
        "2025-10-15T00:00:00Z",
    ),
    (
        "claude-sonnet-4-5-20250929",
        "Claude Sonnet 4.5",
        "2025-09-29T00:00:00Z",
    ),
    (
        "claude-opus-4-1-20250805",
        "Claude Opus 4.1",
        "2025-08-05T00:00:00Z",
    ),
];

/// When a model that is not in the catalogue is said to be made: the field is required, the date unknown.
const UNKNOWN_DATE: &str = "1970-01-01T00:00:00Z";

/// A model that may be asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// What to ask for.
    pub id: String,
    /// What people call it.
    pub display_name: String,
    /// When it was made, RFC 3339.
    pub created_at: &'static str,
}

/// All models of the catalogue.
pub fn claude() -> impl Iterator<Item = Listed> {
    CLAUDE.iter().map(|(id, name, created_at)| Listed {
        id: (*id).to_owned(),
        display_name: (*name).to_owned(),
        created_at,
    })
}

/// A model by name, with what the catalogue knows of it.
pub fn named(id: &str) -> Listed {
    let known = claude().find(|model| model.id == id);
    known.unwrap_or_else(|| Listed {
        id: id.to_owned(),
        display_name: id.to_owned(),
        created_at: UNKNOWN_DATE,
    })
}
