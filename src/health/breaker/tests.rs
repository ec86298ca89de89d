//! Circuits step by step, and on random walks.

use proptest::prelude::*;

use super::*;

const POLICY: BreakerPolicy = BreakerPolicy {
    threshold: 2,
    window: Duration::from_secs(300),
    cooldown: Duration::from_secs(180),
    reset_on_success: true,
};

fn after(start: Instant, seconds: u64) -> Instant {
    start + Duration::from_secs(seconds)
}

#[test]
fn opens_at_the_threshold_and_lets_one_trial_decide() {
    let (mut breaker, t) = (Breaker::new(POLICY), Instant::now());
    assert_eq!(breaker.error(t, t, None).opened, None);
    let second = breaker.error(after(t, 1), after(t, 1), None);
    assert_eq!(
        (second.count, second.opened),
        (2, Some(Duration::from_secs(180)))
    );
    assert_eq!(
        breaker.admit(after(t, 2)),
        Admission::Refused(Some(after(t, 181)))
    );
    assert_eq!(breaker.admit(after(t, 181)), Admission::Trial);
    assert_eq!(
        breaker.admit(after(t, 181)),
        Admission::Refused(None),
        "one trial at a time"
    );
    breaker.success(after(t, 181), after(t, 182));
    assert_eq!(breaker.admit(after(t, 182)), Admission::Pass);
    assert_eq!(breaker.count(), 0);
}

#[test]
fn a_failed_trial_doubles_the_cooldown_up_to_half_an_hour() {
    let (mut breaker, mut t) = (Breaker::new(POLICY), Instant::now());
    breaker.error(t, t, None);
    breaker.error(t, t, None);
    for expected in [360, 720, 1440, 1800, 1800] {
        t += Duration::from_secs(1800);
        assert_eq!(breaker.admit(t), Admission::Trial);
        assert_eq!(
            breaker.error(t, t, None).opened,
            Some(Duration::from_secs(expected))
        );
    }
}

#[test]
fn a_promising_trial_that_breaks_opens_again_at_once() {
    let (mut breaker, t) = (Breaker::new(POLICY), Instant::now());
    breaker.error(t, t, None);
    breaker.error(t, t, None);
    assert_eq!(breaker.admit(after(t, 200)), Admission::Trial);
    breaker.promising(after(t, 200));
    assert_eq!(breaker.admit(after(t, 200)), Admission::Pass);
    assert!(
        breaker
            .error(after(t, 201), after(t, 201), None)
            .opened
            .is_some()
    );
}

#[test]
fn a_stream_from_before_the_outage_closes_nothing() {
    let (mut breaker, t) = (Breaker::new(POLICY), Instant::now());
    breaker.error(after(t, 1), after(t, 1), None);
    breaker.error(after(t, 2), after(t, 2), None);
    breaker.success(t, after(t, 3));
    assert_eq!(
        breaker.admit(after(t, 4)),
        Admission::Refused(Some(after(t, 182)))
    );
    breaker.success(after(t, 5), after(t, 6));
    assert_eq!(breaker.admit(after(t, 7)), Admission::Pass);
}

#[test]
fn errors_from_before_the_outage_take_no_trial_away() {
    let (mut breaker, t) = (Breaker::new(POLICY), Instant::now());
    breaker.error(after(t, 1), after(t, 1), None);
    breaker.error(after(t, 2), after(t, 2), None);
    assert_eq!(breaker.admit(after(t, 200)), Admission::Trial);
    // Begun before the circuit opened, timed out only now.
    let late = breaker.error(t, after(t, 201), None);
    assert_eq!((late.opened, late.ignored), (None, Some(Ignored::Late)));
    breaker.promising(t);
    breaker.abandon(t);
    assert_eq!(breaker.admit(after(t, 202)), Admission::Refused(None));
    breaker.success(after(t, 200), after(t, 203));
    assert_eq!(breaker.state(), BreakerState::Closed);
    breaker.error(t, after(t, 204), None);
    assert_eq!(breaker.count(), 0, "nor do they count once it is over");
}

#[test]
fn an_abandoned_trial_leaves_the_place_to_the_next() {
    let (mut breaker, t) = (Breaker::new(POLICY), Instant::now());
    breaker.error(t, t, None);
    breaker.error(t, t, None);
    assert_eq!(breaker.admit(after(t, 200)), Admission::Trial);
    breaker.abandon(after(t, 200));
    assert_eq!(breaker.admit(after(t, 200)), Admission::Trial);
}

#[test]
fn repeats_of_one_request_count_once_and_different_ones_each() {
    let (mut breaker, t) = (Breaker::new(POLICY), Instant::now());
    for i in 0..5 {
        let counted = breaker.error(after(t, i), after(t, i), Some(7));
        assert_eq!(
            (counted.count, counted.ignored, counted.opened),
            (1, (0 < i).then_some(Ignored::Repeat), None)
        );
    }
    assert!(
        breaker
            .error(after(t, 6), after(t, 6), Some(8))
            .opened
            .is_some()
    );
}

#[test]
fn errors_older_than_the_window_are_forgotten() {
    let (mut breaker, t) = (Breaker::new(POLICY), Instant::now());
    breaker.error(t, t, None);
    assert_eq!(breaker.error(after(t, 300), after(t, 300), None).count, 1);
}

#[test]
fn errors_are_bounded_and_a_high_threshold_is_reached_all_the_same() {
    for window in [Duration::ZERO, Duration::from_secs(300)] {
        let policy = BreakerPolicy {
            threshold: 300,
            window,
            ..POLICY
        };
        let (mut breaker, t) = (Breaker::new(policy), Instant::now());
        // Successes in between keep the rate good; they do not zero the count here.
        breaker.policy.reset_on_success = false;
        for i in 1..=300 {
            assert_eq!(breaker.error(t, t, None).opened.is_some(), i == 300, "{i}");
            (0..2).for_each(|_| breaker.remember(t, true));
        }
        for _ in 0..1000 {
            breaker.error(t, t, None);
        }
        assert_eq!(breaker.count(), 300);
    }
}

#[test]
fn half_of_ten_results_open_it_even_when_successes_zero_the_count() {
    let (mut breaker, t) = (
        Breaker::new(BreakerPolicy {
            threshold: 100,
            ..POLICY
        }),
        Instant::now(),
    );
    for i in 0..4 {
        breaker.success(after(t, i), after(t, i));
        assert_eq!(breaker.error(after(t, i), after(t, i), None).opened, None);
    }
    breaker.success(after(t, 5), after(t, 5));
    assert!(
        breaker
            .error(after(t, 5), after(t, 5), None)
            .opened
            .is_some()
    );
}

/// What may happen to a circuit next.
#[derive(Clone, Copy, Debug)]
enum Step {
    Wait(u64),
    Admit,
    Finish(usize, Finish),
    Anyway,
    Probe(bool),
}

#[derive(Clone, Copy, Debug)]
enum Finish {
    Success,
    Error(Option<u64>),
    Promise,
    Leave,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let finish = prop_oneof![
        Just(Finish::Success),
        prop::option::of(0_u64..4).prop_map(Finish::Error),
        prop::option::of(0_u64..4).prop_map(Finish::Error),
        Just(Finish::Promise),
        Just(Finish::Leave),
    ];
    let step = prop_oneof![
        (0_u64..400_000).prop_map(Step::Wait),
        Just(Step::Admit),
        Just(Step::Admit),
        (0_usize..8, finish).prop_map(|(which, how)| Step::Finish(which, how)),
        Just(Step::Anyway),
        any::<bool>().prop_map(Step::Probe),
    ];
    prop::collection::vec(step, 1..200)
}

/// A request on its way: when it began, and whether it is a trial.
type OnItsWay = Vec<(Instant, bool)>;

fn finish(
    breaker: &mut Breaker,
    now: Instant,
    under_way: &mut OnItsWay,
    which: usize,
    how: Finish,
) {
    if under_way.is_empty() {
        return;
    }
    let place = which % under_way.len();
    if let Finish::Promise = how {
        return breaker.promising(under_way[place].0);
    }
    let (began, trial) = under_way.swap_remove(place);
    let (closed_before, late) = (
        breaker.state() == BreakerState::Closed,
        breaker.is_late(began),
    );
    match how {
        Finish::Success => {
            breaker.success(began, now);
            assert!(late || breaker.state() == BreakerState::Closed);
            assert!(late || breaker.count() == 0);
        }
        Finish::Error(fingerprint) => {
            let counted = breaker.error(began, now, fingerprint);
            if let Some(cooldown) = counted.opened {
                assert!(!late, "an outage that is known already opens nothing");
                assert!(POLICY.cooldown <= cooldown && cooldown <= MAX_COOLDOWN);
                assert_eq!(
                    breaker.state(),
                    BreakerState::Open {
                        until: now + cooldown
                    }
                );
            }
            let enough = POLICY.threshold <= counted.count;
            assert!(!(closed_before && enough && !late) || counted.opened.is_some());
        }
        Finish::Promise | Finish::Leave => {}
    }
    // As a dropped permit does.
    if trial {
        breaker.abandon(began);
    }
}

fn admit(breaker: &mut Breaker, now: Instant, under_way: &mut OnItsWay) {
    let (foreseen, state) = (breaker.peek(now), breaker.state());
    let admission = breaker.admit(now);
    assert_eq!(foreseen, admission);
    match admission {
        Admission::Pass => {
            assert_eq!(state, BreakerState::Closed);
            under_way.push((now, false));
        }
        Admission::Trial => {
            let another = under_way
                .iter()
                .any(|(began, trial)| *trial && !breaker.is_late(*began));
            assert!(!another, "one trial at a time");
            under_way.push((now, true));
        }
        Admission::Refused(Some(until)) => assert!(now < until && until <= now + MAX_COOLDOWN),
        Admission::Refused(None) => {
            let trial = under_way
                .iter()
                .any(|(began, trial)| *trial && !breaker.is_late(*began));
            assert!(trial, "a trial that is refused for is under way");
        }
    }
}

proptest! {
    /// Whatever happens in whatever order: one trial at a time, cooldowns within their bounds, no error of the past that
    /// opens, and never a circuit that stays shut for good.
    #[test]
    fn every_walk_keeps_the_rules(walk in steps()) {
        let start = Instant::now();
        let (mut breaker, mut now) = (Breaker::new(POLICY), start);
        let mut under_way = OnItsWay::new();
        for step in walk {
            // No two things happen in the same moment.
            now += Duration::from_millis(1);
            match step {
                Step::Wait(millis) => now += Duration::from_millis(millis),
                Step::Admit => admit(&mut breaker, now, &mut under_way),
                Step::Finish(which, how) => finish(&mut breaker, now, &mut under_way, which, how),
                Step::Anyway => under_way.push((now, false)),
                Step::Probe(true) => breaker.success(now, now),
                Step::Probe(false) => {
                    breaker.trip(now);
                    prop_assert_ne!(breaker.state(), BreakerState::Closed);
                }
            }
            prop_assert!(breaker.count() as usize <= ERRORS_KEPT);
            prop_assert!(breaker.results.len() <= RATE_KEPT);
        }
        while let Some((began, trial)) = under_way.pop() {
            if trial {
                breaker.abandon(began);
            }
        }
        let much_later = now + MAX_COOLDOWN;
        prop_assert!(!matches!(breaker.admit(much_later), Admission::Refused(_)));
    }
}
