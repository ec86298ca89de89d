//! The bounds of the cache, and who goes first.

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use proptest::prelude::*;

use super::*;
use crate::cache::{Call, Head, Keys, Tenant, Who};
use crate::types::Dialect;

const TTL: Duration = Duration::from_secs(60);

fn answer(size: usize) -> Answer {
    Answer {
        head: Arc::new(Head::shared(StatusCode::OK, &HeaderMap::new())),
        pieces: vec![Bytes::from(vec![b'x'; size])],
    }
}

fn limits(entries: usize, bytes: usize) -> Limits {
    Limits {
        ttl: TTL,
        entries,
        bytes,
    }
}

fn keys(count: u8) -> Vec<Key> {
    let keys = Keys::default();
    let key = |at: u8| {
        let body: &[&[u8]] = &[&[at]];
        let call = Call {
            dialect: Dialect::Anthropic,
            query: None,
            rule: None,
            headers: &[],
            body,
        };
        keys.key(Tenant::new(Who::Local, &[]), &call, None)
    };
    (0..count).map(key).collect()
}

#[test]
fn the_least_recently_used_goes_first() {
    let (cache, keys, now) = (Cache::default(), keys(3), Instant::now());
    let limits = limits(2, 1 << 20);
    cache.put(keys[0], &answer(1), &limits, now);
    cache.put(keys[1], &answer(1), &limits, now);
    assert!(cache.get(&keys[0], TTL, now).is_some());
    cache.put(keys[2], &answer(1), &limits, now);
    let there: Vec<bool> = keys
        .iter()
        .map(|key| cache.get(key, TTL, now).is_some())
        .collect();
    assert_eq!(there, [true, false, true]);
    let view = cache.view();
    assert_eq!((view.hits, view.misses, view.entries), (3, 1, 2));
    assert_eq!(cache.purge(), 2);
    assert_eq!((cache.view().entries, cache.view().bytes), (0, 0));
}

#[test]
fn age_ends_an_entry_and_a_reload_that_shortens_it_counts_at_once() {
    let (cache, keys, now) = (Cache::default(), keys(1), Instant::now());
    cache.put(keys[0], &answer(1), &limits(9, 1 << 20), now);
    let later = now + Duration::from_secs(30);
    assert!(cache.get(&keys[0], TTL, later).is_some());
    assert!(
        cache
            .get(&keys[0], Duration::from_secs(30), later)
            .is_none()
    );
    assert_eq!(cache.view().entries, 0);
}

#[test]
fn what_does_not_fit_at_all_throws_nobody_out() {
    let (cache, keys, now) = (Cache::default(), keys(2), Instant::now());
    let limits = limits(9, 2000);
    cache.put(keys[0], &answer(100), &limits, now);
    cache.put(keys[1], &answer(5000), &limits, now);
    assert!(cache.get(&keys[0], TTL, now).is_some());
    assert!(cache.get(&keys[1], TTL, now).is_none());
}

proptest! {
    #[test]
    fn bounds_hold_after_every_step(
        steps in prop::collection::vec((0_usize..12, 0_usize..4000, any::<bool>()), 1..200),
    ) {
        let (cache, keys, now) = (Cache::default(), keys(12), Instant::now());
        let limits = limits(5, 8000);
        for (key, size, puts) in steps {
            if puts {
                cache.put(keys[key], &answer(size), &limits, now);
            } else if let Some(found) = cache.get(&keys[key], TTL, now) {
                prop_assert_eq!(found.pieces.len(), 1);
            }
            let view = cache.view();
            prop_assert!(view.entries <= 5 && view.bytes <= 8000, "{:?}", view);
            let state = cache.state.lock();
            prop_assert_eq!(state.order.len(), state.entries.len());
            let sum: usize = state.entries.values().map(|it| it.cost).sum();
            prop_assert_eq!(sum, state.bytes);
        }
    }
}
