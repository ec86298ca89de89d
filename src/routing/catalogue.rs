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

impl Listed {
    /// When it was made, in seconds since 1970, to the day.
    pub fn created(&self) -> u64 {
        let mut parts = self.created_at.split(['-', 'T']).map(|it| it.parse().ok());
        let mut next = || parts.next().flatten();
        let (Some(year), Some(month), Some(day)) = (next(), next(), next()) else {
            return 0;
        };
        seconds_of(year, month, day)
    }
}

/// Midnight of a day after 1970: years begin in March, so that the leap day is their last.
fn seconds_of(year: u64, month: u64, day: u64) -> u64 {
    let (year, month) = if month < 3 {
        (year - 1, month + 9)
    } else {
        (year, month - 3)
    };
    let days = 365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day;
    // Days from March of year 0 to 1970-01-01, and one because days of a month count from 1.
    days.saturating_sub(719_469) * 86_400
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_counted_right() {
        for (created_at, seconds) in [
            ("1970-01-01T00:00:00Z", 0),
            ("2000-02-29T00:00:00Z", 951_782_400),
            ("2025-09-29T00:00:00Z", 1_759_104_000),
            ("2026-03-01T00:00:00Z", 1_772_323_200),
            ("nothing", 0),
        ] {
            let listed = Listed {
                created_at,
                ..named("m")
            };
            assert_eq!(listed.created(), seconds, "{created_at}");
        }
    }
}
