//! Days, months and moments in UTC, as budgets, limits and reports name them. Dates before 1970 are 1970.

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Seconds of a day.
const DAY: u64 = 86_400;
/// From March of year 0 to 1970, in days.
const DAYS_TO_1970: u64 = 719_468;
const DAYS_OF_400_YEARS: u64 = 146_097;
/// Later years are typing errors.
const MAX_YEAR: u64 = 9_999;

/// A day in UTC; `Display` is `2026-03-09`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Day(u64);

impl Day {
    /// The day of a moment.
    pub fn of(time: SystemTime) -> Self {
        Day(seconds(time) / DAY)
    }

    /// `2026-03-09`.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('-');
        let mut part = |length: usize| {
            let part = parts.next().filter(|it| it.len() == length)?;
            let digits = part.bytes().all(|it| it.is_ascii_digit());
            digits.then(|| part.parse::<u64>().ok()).flatten()
        };
        let (year, month, day) = (part(4)?, part(2)?, part(2)?);
        if parts.next().is_some() || !(1970..=MAX_YEAR).contains(&year) {
            return None;
        }
        let found = Day::from_civil(year, month, day);
        // 31 April would be 1 May.
        (found.civil() == (year, month, day)).then_some(found)
    }

    /// Its first moment.
    pub fn start(self) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(self.0 * DAY)
    }

    /// The day after.
    pub fn next(self) -> Self {
        Day(self.0 + 1)
    }

    /// The first day of its month.
    pub fn first_of_month(self) -> Self {
        let (year, month, _) = self.civil();
        Day::from_civil(year, month, 1)
    }

    /// The first day of the month after its own.
    pub fn next_month(self) -> Self {
        let (year, month, _) = self.civil();
        if month == 12 {
            Day::from_civil(year + 1, 1, 1)
        } else {
            Day::from_civil(year, month + 1, 1)
        }
    }

    /// So many days before.
    pub fn before(self, days: u64) -> Self {
        Day(self.0.saturating_sub(days))
    }

    /// Year, month and day. Years begin in March here, so that the leap day comes last and every month but the last
    /// has the length the formula gives it.
    fn civil(self) -> (u64, u64, u64) {
        let days = self.0 + DAYS_TO_1970;
        let era = days / DAYS_OF_400_YEARS;
        let of_era = days % DAYS_OF_400_YEARS;
        let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
        let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let from_march = (5 * of_year + 2) / 153;
        let day = of_year - (153 * from_march + 2) / 5 + 1;
        let month = (from_march + 2) % 12 + 1;
        (era * 400 + year_of_era + u64::from(month <= 2), month, day)
    }

    fn from_civil(year: u64, month: u64, day: u64) -> Self {
        let year = year - u64::from(month <= 2);
        let (era, of_era) = (year / 400, year % 400);
        let from_march = (month + 9) % 12;
        let of_year = (153 * from_march + 2) / 5 + day.saturating_sub(1);
        let day_of_era = of_era * 365 + of_era / 4 - of_era / 100 + of_year;
        Day((era * DAYS_OF_400_YEARS + day_of_era).saturating_sub(DAYS_TO_1970))
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = self.civil();
        write!(f, "{year:04}-{month:02}-{day:02}")
    }
}

/// `2026-03-09T16:05:59Z`.
pub fn rfc3339(time: SystemTime) -> String {
    let seconds = seconds(time);
    let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    format!("{}T{hour:02}:{minute:02}:{second:02}Z", Day::of(time))
}

/// A moment as [`rfc3339`] writes it, with or without a fraction, in UTC.
pub fn parse_moment(text: &str) -> Option<SystemTime> {
    let (day, time) = text.strip_suffix(['Z', 'z'])?.split_once(['T', 't', ' '])?;
    let time = time.split('.').next()?;
    let mut parts = time.split(':');
    let mut part = |below: u64| {
        let part = parts.next().filter(|it| it.len() == 2)?;
        part.parse::<u64>().ok().filter(|it| *it < below)
    };
    let (hour, minute, second) = (part(24)?, part(60)?, part(60)?);
    if parts.next().is_some() {
        return None;
    }
    let of_day = Duration::from_secs(hour * 3600 + minute * 60 + second);
    Some(Day::parse(day)?.start() + of_day)
}

/// Milliseconds since 1970.
pub fn unix_millis(time: SystemTime) -> i64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

fn seconds(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    since.as_secs()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(seconds)
    }

    #[test]
    fn agrees_with_known_moments() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_704_067_199, "2023-12-31T23:59:59Z"),
            (1_773_072_359, "2026-03-09T16:05:59Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
        ] {
            assert_eq!(rfc3339(at(seconds)), text);
            assert_eq!(parse_moment(text), Some(at(seconds)), "{text}");
        }
        let fraction = parse_moment("2026-03-09T16:05:59.75Z");
        assert_eq!(fraction, Some(at(1_773_072_359)));
    }

    #[test]
    fn months_have_their_lengths() {
        for (day, first, next) in [
            ("2026-01-31", "2026-01-01", "2026-02-01"),
            ("2028-02-29", "2028-02-01", "2028-03-01"),
            ("2026-12-31", "2026-12-01", "2027-01-01"),
        ] {
            let day = Day::parse(day).unwrap();
            assert_eq!(day.first_of_month().to_string(), first);
            assert_eq!(day.next_month().to_string(), next);
        }
    }

    #[test]
    fn what_is_no_date_is_none() {
        for text in [
            "",
            "2026",
            "2026-1-1",
            "2026-13-01",
            "2026-00-01",
            "2026-04-31",
            "2027-02-29",
            "1969-12-31",
            "2026-01-01x",
            "2026-01-01-",
            "+026-01-01",
            "20260101",
        ] {
            assert_eq!(Day::parse(text), None, "{text}");
        }
        for text in [
            "2026-03-09",
            "2026-03-09T25:00:00Z",
            "2026-03-09T10:00:00",
            "2026-03-09T1:2:3Z",
        ] {
            assert_eq!(parse_moment(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn every_day_is_itself(days in 0_u64..2_900_000) {
            let day = Day(days);
            prop_assert_eq!(Day::parse(&day.to_string()), Some(day));
            prop_assert!(day.first_of_month() <= day && day < day.next_month());
        }
    }
}
