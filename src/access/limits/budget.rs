//! Money spent today and this month, in UTC.

use std::time::SystemTime;

use crate::types::{Day, MicroUsd};

/// The time a budget is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Span {
    /// A day.
    Day,
    /// A month.
    Month,
}

impl Span {
    /// The word of the configuration.
    pub fn word(self) -> &'static str {
        match self {
            Span::Day => "daily",
            Span::Month => "monthly",
        }
    }
}

/// What a key has spent by a day: on that day, and from the first of its month on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spent {
    /// The day.
    pub day: Day,
    /// On it.
    pub today: MicroUsd,
    /// In its month.
    pub this_month: MicroUsd,
}

/// Caps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Caps {
    /// A day.
    pub daily: Option<MicroUsd>,
    /// A month.
    pub monthly: Option<MicroUsd>,
}

/// A cap that has been reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reached {
    /// Which.
    pub span: Span,
    /// How much it is.
    pub cap: MicroUsd,
    /// When it begins anew.
    pub resets: SystemTime,
}

impl Caps {
    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        *self == Caps::default()
    }
}

impl Spent {
    /// Nothing yet.
    pub fn nothing(day: Day) -> Self {
        Spent {
            day,
            today: MicroUsd(0),
            this_month: MicroUsd(0),
        }
    }

    /// Goes on to a later day. A clock that is set back changes nothing: what was spent was spent.
    pub fn roll(&mut self, day: Day) {
        if day <= self.day {
            return;
        }
        self.today = MicroUsd(0);
        if day.first_of_month() != self.day.first_of_month() {
            self.this_month = MicroUsd(0);
        }
        self.day = day;
    }

    /// Spends.
    pub fn add(&mut self, day: Day, amount: MicroUsd) {
        self.roll(day);
        self.today = self.today.plus(amount);
        self.this_month = self.this_month.plus(amount);
    }

    /// Others have counted, too: the larger count holds, where it is about the same time.
    pub fn at_least(&mut self, other: Spent) {
        self.roll(other.day);
        if other.day == self.day {
            self.today = self.today.max(other.today);
        }
        if other.day.first_of_month() == self.day.first_of_month() {
            self.this_month = self.this_month.max(other.this_month);
        }
    }

    /// The cap that is reached with what is `reserved` besides. Of two it is the one that holds longer.
    pub fn reached(&self, caps: &Caps, reserved: MicroUsd) -> Option<Reached> {
        let reached = |cap: Option<MicroUsd>, spent: MicroUsd, span, resets: Day| {
            let cap = cap.filter(|cap| *cap <= spent.plus(reserved))?;
            Some(Reached {
                span,
                cap,
                resets: resets.start(),
            })
        };
        let next_month = self.day.next_month();
        let month = reached(caps.monthly, self.this_month, Span::Month, next_month);
        month.or_else(|| reached(caps.daily, self.today, Span::Day, self.day.next()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> Day {
        Day::parse(text).unwrap()
    }

    const CAPS: Caps = Caps {
        daily: Some(MicroUsd(10)),
        monthly: Some(MicroUsd(25)),
    };

    fn span(spent: &Spent) -> Option<(Span, SystemTime)> {
        spent
            .reached(&CAPS, MicroUsd(0))
            .map(|it| (it.span, it.resets))
    }

    #[test]
    fn a_day_begins_anew_at_midnight_and_a_month_on_its_first() {
        let mut spent = Spent::nothing(day("2026-11-29"));
        spent.add(day("2026-11-29"), MicroUsd(9));
        assert_eq!(span(&spent), None);
        spent.add(day("2026-11-29"), MicroUsd(1));
        assert_eq!(span(&spent), Some((Span::Day, day("2026-11-30").start())));
        spent.add(day("2026-11-30"), MicroUsd(10));
        assert_eq!(span(&spent), Some((Span::Day, day("2026-12-01").start())));
        spent.add(day("2026-11-30"), MicroUsd(5));
        let december = day("2026-12-01");
        assert_eq!(span(&spent), Some((Span::Month, december.start())));
        spent.roll(december);
        assert_eq!(spent, Spent::nothing(december));
    }

    #[test]
    fn a_clock_set_back_gives_no_money_back() {
        let mut spent = Spent::nothing(day("2026-11-29"));
        spent.add(day("2026-11-29"), MicroUsd(10));
        spent.add(day("2026-11-28"), MicroUsd(1));
        assert_eq!(spent.today, MicroUsd(11));
    }

    #[test]
    fn what_is_reserved_counts_as_spent() {
        let mut spent = Spent::nothing(day("2026-11-29"));
        spent.add(day("2026-11-29"), MicroUsd(6));
        assert!(spent.reached(&CAPS, MicroUsd(3)).is_none());
        assert!(spent.reached(&CAPS, MicroUsd(4)).is_some());
        assert!(spent.reached(&Caps::default(), MicroUsd(99)).is_none());
    }

    #[test]
    fn the_larger_count_of_the_same_time_holds() {
        let mut spent = Spent::nothing(day("2026-11-29"));
        spent.add(day("2026-11-29"), MicroUsd(6));
        let told = |day, today, this_month| Spent {
            day,
            today: MicroUsd(today),
            this_month: MicroUsd(this_month),
        };
        spent.at_least(told(day("2026-11-29"), 4, 20));
        assert_eq!((spent.today, spent.this_month), (MicroUsd(6), MicroUsd(20)));
        spent.at_least(told(day("2026-11-28"), 50, 60));
        assert_eq!((spent.today, spent.this_month), (MicroUsd(6), MicroUsd(60)));
        spent.at_least(told(day("2026-10-31"), 70, 80));
        assert_eq!((spent.today, spent.this_month), (MicroUsd(6), MicroUsd(60)));
        spent.at_least(told(day("2026-12-01"), 1, 1));
        assert_eq!((spent.today, spent.this_month), (MicroUsd(1), MicroUsd(1)));
    }
}
