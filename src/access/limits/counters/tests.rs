//! Limits held against calls that come, go and cost.

use std::time::UNIX_EPOCH;

use proptest::prelude::*;

use super::*;

fn clock() -> Clock {
    // 2026-11-20T23:59:00Z
    Clock::by_hand(UNIX_EPOCH + Duration::from_secs(1_795_219_140))
}

fn today(clock: &Clock) -> Day {
    Day::of(clock.wall())
}

fn used(tokens: u64, micros: u64) -> Used {
    Used {
        tokens,
        cost: MicroUsd(micros),
    }
}

#[test]
fn a_refused_request_takes_nothing() {
    let (clock, counters) = (clock(), LocalCounters::default());
    let limits = Limits {
        rpm: Some(2),
        tpm: Some(100),
        ..Limits::default()
    };
    let admit = |prompt| counters.admit("k", &limits, prompt, Moment::of(&clock));
    admit(90).unwrap();
    for _ in 0..5 {
        assert!(matches!(admit(50), Err(Denied::Tokens { most: 100, .. })));
    }
    admit(10).unwrap();
    assert!(matches!(admit(1), Err(Denied::Requests { most: 2, .. })));
    let standing = counters.standing("k", &limits, clock.now());
    assert_eq!(standing.requests.unwrap().left, 0);
    assert_eq!(standing.tokens.unwrap().left, 0);
    clock.advance(Duration::from_secs(30));
    assert_eq!(
        counters.standing("k", &limits, clock.now()).tokens,
        Some(Left {
            most: 100,
            left: 50,
            full_in: Duration::from_secs(30)
        })
    );
}

#[test]
fn what_was_reserved_is_replaced_by_what_was_used() {
    let (clock, counters) = (clock(), LocalCounters::default());
    let limits = Limits {
        tpm: Some(1_000),
        ..Limits::default()
    };
    let admit = |prompt| counters.admit("k", &limits, prompt, Moment::of(&clock));
    let left = || {
        counters
            .standing("k", &limits, clock.now())
            .tokens
            .unwrap()
            .left
    };
    let reserved = admit(600).unwrap();
    assert_eq!(left(), 400);
    counters.settle("k", reserved, Some(used(50, 0)), today(&clock));
    assert_eq!(left(), 950);
    // What was learned from it: most of this key's prompts are in the provider's cache.
    let reserved = admit(600).unwrap();
    assert!((400..500).contains(&left()), "{}", left());
    counters.settle("k", reserved, None, today(&clock));
    assert_eq!(left(), 950, "a call that came to nothing costs nothing");
}

#[test]
fn places_come_back() {
    let (clock, counters) = (clock(), LocalCounters::default());
    let limits = Limits {
        max_concurrent: Some(1),
        ..Limits::default()
    };
    let admit = || counters.admit("k", &limits, 0, Moment::of(&clock));
    let reserved = admit().unwrap();
    assert_eq!(admit(), Err(Denied::Concurrency { most: 1 }));
    assert!(
        counters
            .admit("other", &limits, 0, Moment::of(&clock))
            .is_ok()
    );
    counters.settle("k", reserved, None, today(&clock));
    assert!(admit().is_ok());
}

#[test]
fn a_budget_holds_until_midnight() {
    let (clock, counters) = (clock(), LocalCounters::default());
    let limits = Limits {
        caps: Caps {
            daily: Some(MicroUsd(1_000)),
            monthly: None,
        },
        ..Limits::default()
    };
    let admit = || counters.admit("k", &limits, 10, Moment::of(&clock));
    let reserved = admit().unwrap();
    counters.settle("k", reserved, Some(used(10, 1_000)), today(&clock));
    let Err(Denied::Budget(reached)) = admit() else {
        panic!("the budget is spent");
    };
    assert_eq!(reached.resets, today(&clock).next().start());
    clock.advance(Duration::from_secs(59));
    assert!(admit().is_err());
    clock.advance(Duration::from_secs(1));
    assert!(admit().is_ok());
}

#[test]
fn what_a_ledger_has_counted_holds() {
    let (clock, counters) = (clock(), LocalCounters::default());
    let limits = Limits {
        caps: Caps {
            daily: None,
            monthly: Some(MicroUsd(1_000)),
        },
        ..Limits::default()
    };
    let told = Spent {
        day: today(&clock),
        today: MicroUsd(0),
        this_month: MicroUsd(1_000),
    };
    counters.spent_at_least("k", told);
    assert!(counters.admit("k", &limits, 0, Moment::of(&clock)).is_err());
    assert!(counters.admit("j", &limits, 0, Moment::of(&clock)).is_ok());
}

#[test]
fn a_limit_that_a_reload_lowers_holds_at_once() {
    let (clock, counters) = (clock(), LocalCounters::default());
    let rpm = |rpm| Limits {
        rpm,
        ..Limits::default()
    };
    let admit = |limits| counters.admit("k", &limits, 0, Moment::of(&clock));
    admit(rpm(Some(100))).unwrap();
    admit(rpm(Some(1))).unwrap();
    assert!(admit(rpm(Some(1))).is_err());
    admit(rpm(None)).unwrap();
    admit(rpm(Some(1))).unwrap();
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Admit(u64),
    /// Ends the oldest call under way, at this price.
    End(u64),
    Wait(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (0_u64..500).prop_map(Step::Admit),
        3 => (0_u64..400).prop_map(Step::End),
        1 => (1_u64..90_000).prop_map(Step::Wait),
    ]
}

proptest! {
    /// On no day is more spent than the cap and what the calls under way came to when it was reached.
    #[test]
    fn a_budget_is_passed_by_no_more_than_what_is_in_flight(
        steps in prop::collection::vec(step(), 1..300),
    ) {
        const CAP: u64 = 1_000;
        let (clock, counters) = (clock(), LocalCounters::default());
        let caps = Caps { daily: Some(MicroUsd(CAP)), monthly: None };
        let limits = Limits { caps, max_concurrent: Some(4), ..Limits::default() };
        let mut under_way = std::collections::VecDeque::new();
        let (mut day, mut spent) = (today(&clock), 0_u64);
        for step in steps {
            if day != today(&clock) {
                (day, spent) = (today(&clock), 0);
            }
            match step {
                Step::Admit(prompt) => {
                    let admitted = counters.admit("k", &limits, prompt, Moment::of(&clock));
                    if let Ok(reserved) = admitted {
                        prop_assert!(spent < CAP, "admitted although {spent} are spent");
                        under_way.push_back(reserved);
                    }
                    prop_assert!(under_way.len() <= 4);
                }
                Step::End(micros) => {
                    if let Some(reserved) = under_way.pop_front() {
                        counters.settle("k", reserved, Some(used(micros, micros)), today(&clock));
                        spent += micros;
                        prop_assert!(spent < CAP + 4 * 400);
                    }
                }
                Step::Wait(seconds) => clock.advance(Duration::from_secs(seconds)),
            }
        }
        while let Some(reserved) = under_way.pop_front() {
            counters.settle("k", reserved, None, today(&clock));
        }
        let accounts = counters.accounts.lock();
        if let Some(account) = accounts.get("k") {
            prop_assert_eq!((account.in_flight, account.reserved), (0, MicroUsd(0)));
        }
    }
}
