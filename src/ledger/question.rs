//! What may be asked of the ledger: how much, of whom or what, and of which time.

use std::time::{Duration, SystemTime};

use thiserror::Error;

use crate::types::Day;
use crate::types::calendar::parse_moment;

/// Most lines of an answer; the dearest stay.
const MAX_LINES: usize = 10_000;
/// Where nothing is said.
const DEFAULT_SPAN: Duration = Duration::from_secs(30 * 24 * 3600);

/// What lines are about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// Teams.
    Team,
    /// Keys.
    Key,
    /// Models, as providers were asked for them.
    Model,
    /// Endpoints.
    Provider,
    /// Days in UTC.
    Day,
    /// Sessions, by their digests.
    Session,
}

impl By {
    /// All words.
    pub const WORDS: [&'static str; 6] = ["team", "key", "model", "provider", "day", "session"];

    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            By::Team => "team",
            By::Key => "key",
            By::Model => "model",
            By::Provider => "provider",
            By::Day => "day",
            By::Session => "session",
        }
    }

    /// What a word means.
    pub fn of_word(word: &str) -> Option<Self> {
        let all = [
            By::Team,
            By::Key,
            By::Model,
            By::Provider,
            By::Day,
            By::Session,
        ];
        all.into_iter().find(|it| it.word() == word)
    }

    fn column(self) -> &'static str {
        match self {
            By::Team => "team",
            By::Key => "key",
            By::Model => "COALESCE(model_sent, model_asked)",
            By::Provider => "provider",
            By::Day => "strftime('%Y-%m-%d', time / 1000, 'unixepoch')",
            By::Session => "session",
        }
    }
}

/// A question as people write it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Words<'a> {
    /// `key`, `team` …
    pub by: Option<&'a str>,
    /// `2026-11-01`, a moment, or `7d`, `24h` ago.
    pub since: Option<&'a str>,
    /// The same; a day is meant whole.
    pub until: Option<&'a str>,
}

/// What of it is not understood.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum QuestionError {
    /// Not one of the words.
    #[error("by: must be one of team, key, model, provider, day, session")]
    By,
    /// No time.
    #[error(
        "{0}: must be a day (2026-11-01), a moment (2026-11-01T08:00:00Z), or a time ago (7d, 24h)"
    )]
    Time(&'static str),
}

/// A question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Question {
    /// What lines are about.
    pub by: By,
    /// From this moment on.
    pub since: SystemTime,
    /// Up to this one, which is not in it.
    pub until: SystemTime,
}

impl Question {
    /// Reads a question; where nothing is said it is about keys and the last thirty days.
    pub fn read(words: Words<'_>, now: SystemTime) -> Result<Self, QuestionError> {
        let by = match words.by {
            None => By::Key,
            Some(word) => By::of_word(word).ok_or(QuestionError::By)?,
        };
        let since = match words.since {
            None => now.checked_sub(DEFAULT_SPAN).unwrap_or(now),
            Some(text) => moment(text, now, Day::start).ok_or(QuestionError::Time("since"))?,
        };
        let until = match words.until {
            // The rows of this very moment are in it.
            None => now + Duration::from_secs(1),
            Some(text) => {
                moment(text, now, |day| day.next().start()).ok_or(QuestionError::Time("until"))?
            }
        };
        Ok(Question { by, since, until })
    }

    /// Nothing of it is of a stranger's making.
    pub(super) fn sql(&self) -> String {
        let (column, order) = match self.by {
            By::Day => (self.by.column(), "1"),
            by => (by.column(), "10 DESC, 2 DESC, 1"),
        };
        format!(
            "SELECT {column}, COUNT(*), SUM(outcome != 'ok'), SUM(source != 'own'),
                SUM(input), SUM(cache_read), SUM(cache_write), SUM(output), SUM(reasoning),
                COALESCE(SUM(cost), 0), SUM(cost IS NULL AND input IS NOT NULL), SUM(price_guessed)
            FROM requests WHERE ?1 <= time AND time < ?2 GROUP BY 1 ORDER BY {order} LIMIT {MAX_LINES}"
        )
    }
}

fn moment(text: &str, now: SystemTime, of_day: fn(Day) -> SystemTime) -> Option<SystemTime> {
    let text = text.trim();
    let day = Day::parse(text).map(of_day);
    day.or_else(|| parse_moment(text)).or_else(|| {
        let hours = |digits: &str, each: u64| digits.parse::<u64>().ok()?.checked_mul(each);
        let hours = match text.strip_suffix('d') {
            Some(days) => hours(days, 24)?,
            None => hours(text.strip_suffix('h')?, 1)?,
        };
        now.checked_sub(Duration::from_secs(hours.checked_mul(3600)?))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(words: Words<'_>) -> Result<Question, QuestionError> {
        Question::read(words, Day::parse("2026-11-20").unwrap().start())
    }

    fn at(text: &str) -> SystemTime {
        parse_moment(text).unwrap()
    }

    #[test]
    fn times_are_days_moments_or_ago() {
        for (since, meant) in [
            ("2026-11-01", "2026-11-01T00:00:00Z"),
            ("2026-11-01T08:00:00Z", "2026-11-01T08:00:00Z"),
            ("7d", "2026-11-13T00:00:00Z"),
            ("24h", "2026-11-19T00:00:00Z"),
        ] {
            let words = Words {
                since: Some(since),
                ..Words::default()
            };
            assert_eq!(read(words).unwrap().since, at(meant), "{since}");
        }
        let whole_day = Words {
            until: Some("2026-11-01"),
            ..Words::default()
        };
        assert_eq!(read(whole_day).unwrap().until, at("2026-11-02T00:00:00Z"));
        let default = read(Words::default()).unwrap();
        assert_eq!(
            (default.by, default.since),
            (By::Key, at("2026-10-21T00:00:00Z"))
        );
    }

    #[test]
    fn what_is_not_understood_is_said() {
        for since in [
            "",
            "yesterday",
            "7",
            "-1d",
            "99999999999999999999d",
            "9223372036854775807h",
        ] {
            let words = Words {
                since: Some(since),
                ..Words::default()
            };
            assert_eq!(read(words), Err(QuestionError::Time("since")), "{since}");
        }
        let by = Words {
            by: Some("key; DROP TABLE requests"),
            ..Words::default()
        };
        assert_eq!(read(by), Err(QuestionError::By));
        for word in By::WORDS {
            assert_eq!(By::of_word(word).unwrap().word(), word);
        }
    }
}
