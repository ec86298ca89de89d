//! Turns, rests and room.

use std::time::Duration;

use super::super::told::Allowance;
use super::*;

fn pool(strategy: KeyStrategy) -> KeyPool {
    KeyPool::new(
        ["a", "b", "c"].map(|k| Secret::new(k.to_owned())).to_vec(),
        strategy,
        Pace::default(),
    )
}

fn picks(pool: &KeyPool, now: Instant, times: usize) -> String {
    let key = |_| {
        pool.pick(now, &[])
            .and_then(|k| pool.secret(k))
            .map_or("-", Secret::expose)
    };
    (0..times).map(key).collect()
}

#[test]
fn round_robin_takes_turns_and_failover_the_first() {
    let now = Instant::now();
    assert_eq!(picks(&pool(KeyStrategy::RoundRobin), now, 4), "abca");
    assert_eq!(picks(&pool(KeyStrategy::Failover), now, 3), "aaa");
    let random = picks(&pool(KeyStrategy::Random), now, 200);
    assert!(
        ["a", "b", "c"].iter().all(|k| random.contains(k)),
        "{random}"
    );
}

#[test]
fn a_preferred_key_is_taken_out_of_turn_while_it_may_be_used() {
    let (pool, now) = (pool(KeyStrategy::RoundRobin), Instant::now());
    let last = KeyIndex(2);
    let bound = pool.fingerprint(last).unwrap();
    assert_eq!(pool.with_fingerprint(bound), Some(last));
    assert_eq!(pool.with_fingerprint(!bound), None);
    assert_eq!(pool.pick_preferring(now, &[], Some(last)), Some(last));
    assert_eq!(pool.pick(now, &[]), Some(KeyIndex(0)), "took no turn");
    assert_eq!(
        pool.pick_preferring(now, &[last], Some(last)),
        Some(KeyIndex(1))
    );
    pool.cool(last, now + Duration::from_secs(5), "rate limit");
    assert_eq!(
        pool.pick_preferring(now, &[], Some(last)),
        Some(KeyIndex(0))
    );
}

#[test]
fn resting_benched_and_tried_keys_are_passed_over() {
    let (pool, now) = (pool(KeyStrategy::Failover), Instant::now());
    pool.cool(KeyIndex(0), now + Duration::from_secs(5), "rate limit");
    pool.bench(KeyIndex(1), "401".to_owned());
    assert_eq!(pool.pick(now, &[]), Some(KeyIndex(2)));
    assert_eq!(pool.pick(now, &[KeyIndex(2)]), None);
    assert!(!pool.all_benched());
    assert_eq!(pool.next_usable(now), Some(now + Duration::from_secs(5)));
    assert_eq!(
        pool.pick(now + Duration::from_secs(5), &[]),
        Some(KeyIndex(0))
    );
}

#[test]
fn a_reload_keeps_cooldowns_and_forgives_benches() {
    let (old, mut new, now) = (
        pool(KeyStrategy::Failover),
        pool(KeyStrategy::Failover),
        Instant::now(),
    );
    old.cool(KeyIndex(0), now + Duration::from_secs(5), "rate limit");
    old.bench(KeyIndex(1), "401".to_owned());
    new.inherit(&old);
    assert_eq!(new.pick(now, &[]), Some(KeyIndex(1)));
}

#[test]
fn a_probe_tries_the_benched_and_brings_back_no_other() {
    let (pool, now) = (pool(KeyStrategy::Failover), Instant::now());
    assert_eq!(pool.for_probe(), Some(KeyIndex(0)));
    pool.bench(KeyIndex(1), "401".to_owned());
    pool.bench(KeyIndex(2), "401".to_owned());
    let probed = pool.for_probe().unwrap();
    assert_ne!(probed, KeyIndex(0));
    pool.unbench(probed);
    assert_eq!(pool.pick(now, &[KeyIndex(0)]), Some(probed));
    assert_eq!(pool.pick(now, &[KeyIndex(0), probed]), None);
}

#[test]
fn an_empty_pool_is_usable_and_picks_nothing() {
    let pool = KeyPool::new(Vec::new(), KeyStrategy::RoundRobin, Pace::default());
    assert!(
        pool.any_usable(Instant::now())
            && pool.pick(Instant::now(), &[]).is_none()
            && pool.for_probe().is_none()
            && !pool.all_benched()
    );
}

fn told(remaining: u64) -> Told {
    let requests = Allowance {
        limit: Some(100),
        remaining,
        resets_in: Some(Duration::from_secs(60)),
    };
    Told {
        requests: Some(requests),
        tokens: None,
    }
}

#[test]
fn keys_with_room_go_before_keys_with_little() {
    for strategy in [
        KeyStrategy::Failover,
        KeyStrategy::RoundRobin,
        KeyStrategy::Random,
    ] {
        let (pool, now) = (pool(strategy), Instant::now());
        pool.learn(KeyIndex(0), now, told(2));
        pool.learn(KeyIndex(1), now, told(5));
        assert_eq!(picks(&pool, now, 3), "ccc");
        pool.learn(KeyIndex(2), now, told(3));
        assert_eq!(picks(&pool, now, 3), "bbb", "the one with most of it");
        let later = now + Duration::from_secs(60);
        assert!(picks(&pool, later, 30).contains('a') || strategy == KeyStrategy::Random);
    }
    let (turns, now) = (pool(KeyStrategy::RoundRobin), Instant::now());
    turns.learn(KeyIndex(0), now, told(90));
    turns.learn(KeyIndex(1), now, told(20));
    assert_eq!(picks(&turns, now, 4), "abca", "enough is enough");
}

#[test]
fn a_preferred_key_is_kept_until_nothing_is_left_of_it() {
    let (pool, now) = (pool(KeyStrategy::Failover), Instant::now());
    let bound = KeyIndex(1);
    pool.learn(bound, now, told(1));
    assert_eq!(pool.pick_preferring(now, &[], Some(bound)), Some(bound));
    pool.learn(bound, now, told(0));
    assert_eq!(
        pool.pick_preferring(now, &[], Some(bound)),
        Some(KeyIndex(0))
    );
    // Told to be empty is no refusal: alone it is tried all the same.
    let others = [KeyIndex(0), KeyIndex(2)];
    assert_eq!(pool.pick_preferring(now, &others, Some(bound)), Some(bound));
}

#[test]
fn an_operators_pace_is_kept_and_a_key_comes_back() {
    let pace = Pace {
        rpm: Some(2),
        tpm: Some(1000),
    };
    let one = Secret::new("a".to_owned());
    let pool = KeyPool::new(vec![one], KeyStrategy::RoundRobin, pace);
    let now = Instant::now();
    let key = pool.pick(now, &[]).unwrap();
    assert!(pool.pick(now, &[]).is_some());
    assert!(pool.pick(now, &[]).is_none() && !pool.any_usable(now));
    let back = pool.next_usable(now).unwrap();
    assert!(back <= now + Duration::from_secs(61), "{:?}", back - now);
    assert!(pool.any_usable(back));
    pool.spent(key, back, 1000);
    assert!(!pool.any_usable(back));
    let view = pool.view(back).remove(0);
    assert_eq!((view.requests_left, view.tokens_left), (Some(2), Some(0)));
    assert!(view.cooling.is_some() && view.room < 0.01, "{view:?}");
    assert_eq!(view.why.as_deref(), Some("as many as rpm and tpm allow"));
}

#[test]
fn what_an_old_request_learns_after_a_reload_is_not_lost() {
    let (old, mut new) = (pool(KeyStrategy::Failover), pool(KeyStrategy::Failover));
    let now = Instant::now();
    let under_way = old.begin(KeyIndex(0)).unwrap();
    new.inherit(&old);
    old.cool(KeyIndex(0), now + Duration::from_secs(9), "rate limited");
    assert_eq!(new.pick(now, &[]), Some(KeyIndex(1)));
    assert_eq!(new.view(now)[0].in_flight, 1);
    drop(under_way);
    assert_eq!(new.view(now)[0].in_flight, 0);
}

#[test]
fn a_shorter_rest_does_not_end_a_longer_one() {
    let (pool, now) = (pool(KeyStrategy::Failover), Instant::now());
    let soon = now + Duration::from_secs(5);
    pool.cool(KeyIndex(0), now + Duration::from_secs(600), "out of credit");
    pool.cool(KeyIndex(0), soon, "rate limited");
    assert_eq!(pool.pick(soon, &[]), Some(KeyIndex(1)));
}

#[test]
fn a_pool_tells_since_when_it_can_be_used() {
    let (pool, now) = (pool(KeyStrategy::RoundRobin), Instant::now());
    let later = now + Duration::from_secs(5);
    assert_eq!(pool.usable_since(now), Some(None));
    pool.cool(KeyIndex(0), later, "rate limit");
    pool.bench(KeyIndex(1), "401".to_owned());
    assert_eq!(pool.usable_since(now), Some(None), "the third");
    pool.cool(KeyIndex(2), later, "rate limit");
    assert_eq!(pool.usable_since(now), None);
    assert_eq!(pool.usable_since(later), Some(Some(later)));
}
