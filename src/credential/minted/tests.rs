//! When tokens are fetched: a clock turned by hand, a mint that counts its calls.

use std::collections::VecDeque;
use std::sync::Arc;

use tokio::sync::Notify;
use tokio::task::JoinSet;

use super::*;

/// Gives `t1`, `t2` … with a life of an hour, unless the script says otherwise.
#[derive(Default)]
struct Press {
    calls: Mutex<usize>,
    script: Mutex<VecDeque<Result<u64, MintError>>>,
    /// Each call waits for this, where a test asks for it.
    gate: Option<Notify>,
}

struct Shared(Arc<Press>);

#[async_trait]
impl Mint for Shared {
    async fn mint(&self) -> Result<Minted, MintError> {
        let call = {
            let mut calls = self.0.calls.lock();
            *calls += 1;
            *calls
        };
        if let Some(gate) = &self.0.gate {
            gate.notified().await;
        }
        let next = self.0.script.lock().pop_front();
        Ok(Minted {
            token: Secret::new(format!("t{call}")),
            lives: Duration::from_secs(next.unwrap_or(Ok(3600))?),
        })
    }
}

struct Bench {
    source: Arc<TokenSource>,
    press: Arc<Press>,
    clock: Clock,
}

impl Bench {
    fn of(press: Press) -> Bench {
        let clock = Clock::by_hand(SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000));
        let press = Arc::new(press);
        let mint = Box::new(Shared(Arc::clone(&press)));
        let source = TokenSource::new(mint, "v".to_owned(), clock.clone(), || 0.0);
        Bench {
            source: Arc::new(source),
            press,
            clock,
        }
    }

    fn scripted(script: impl IntoIterator<Item = Result<u64, MintError>>) -> Bench {
        let script = Mutex::new(script.into_iter().collect());
        Bench::of(Press {
            script,
            ..Press::default()
        })
    }

    fn calls(&self) -> usize {
        *self.press.calls.lock()
    }

    async fn token(&self) -> String {
        self.source
            .token()
            .await
            .unwrap()
            .secret
            .expose()
            .to_owned()
    }

    fn passes(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }
}

fn unreachable() -> MintError {
    MintError::Unreachable {
        why: "nobody there".to_owned(),
    }
}

fn refused() -> MintError {
    MintError::Refused {
        status: 400,
        why: "invalid_grant".to_owned(),
    }
}

#[tokio::test]
async fn a_token_is_used_while_it_is_good_and_never_in_its_last_seconds() {
    let bench = Bench::scripted([]);
    assert_eq!(bench.token().await, "t1");
    bench.passes(3589);
    assert_eq!((bench.token().await.as_str(), bench.calls()), ("t1", 1));
    bench.passes(1);
    assert_eq!((bench.token().await.as_str(), bench.calls()), ("t2", 2));
}

#[tokio::test]
async fn the_background_fetches_ahead_so_that_no_request_pays() {
    let bench = Bench::scripted([]);
    bench.source.keep_fresh().await;
    assert_eq!(bench.calls(), 1);
    // Five minutes ahead of the end, less a quarter of that at most.
    bench.passes(3600 - 226);
    bench.source.keep_fresh().await;
    assert_eq!(bench.calls(), 1);
    bench.passes(1);
    bench.source.keep_fresh().await;
    bench.source.keep_fresh().await;
    assert_eq!((bench.token().await.as_str(), bench.calls()), ("t2", 2));
}

#[tokio::test]
async fn jitter_moves_the_renewal_forward_only() {
    let clock = Clock::by_hand(SystemTime::UNIX_EPOCH);
    let press = Arc::new(Press::default());
    let mint = Box::new(Shared(Arc::clone(&press)));
    let source = TokenSource::new(mint, "v".to_owned(), clock.clone(), || 1.0);
    source.keep_fresh().await;
    clock.advance(Duration::from_secs(3600 - 300));
    source.keep_fresh().await;
    assert_eq!(*press.calls.lock(), 2);
}

#[tokio::test]
async fn a_short_life_is_lived_to_nine_tenths() {
    let bench = Bench::scripted([Ok(20)]);
    assert_eq!(bench.token().await, "t1");
    bench.passes(17);
    assert_eq!(bench.token().await, "t1");
    bench.passes(1);
    assert_eq!(bench.token().await, "t2");
}

#[tokio::test]
async fn a_hundred_callers_make_one_call() {
    let bench = Bench::of(Press {
        gate: Some(Notify::new()),
        ..Press::default()
    });
    let mut callers = JoinSet::new();
    for _ in 0..100 {
        let source = Arc::clone(&bench.source);
        callers.spawn(async move { source.token().await.unwrap().secret });
    }
    while bench.calls() == 0 {
        tokio::task::yield_now().await;
    }
    // Meanwhile the background leaves it to them.
    bench.source.keep_fresh().await;
    bench.press.gate.as_ref().unwrap().notify_one();
    let tokens = callers.join_all().await;
    assert!(tokens.len() == 100 && tokens.iter().all(|it| it.expose() == "t1"));
    assert_eq!(bench.calls(), 1);
}

#[tokio::test]
async fn a_caller_that_leaves_hands_its_turn_on() {
    let bench = Bench::of(Press {
        gate: Some(Notify::new()),
        ..Press::default()
    });
    let source = Arc::clone(&bench.source);
    let mut leaving = JoinSet::new();
    leaving.spawn(async move { source.token().await.is_ok() });
    while bench.calls() == 0 {
        tokio::task::yield_now().await;
    }
    leaving.shutdown().await;
    bench.press.gate.as_ref().unwrap().notify_one();
    assert_eq!((bench.token().await.as_str(), bench.calls()), ("t2", 2));
}

#[tokio::test]
async fn after_a_failure_nobody_asks_for_a_while_and_the_while_doubles() {
    let bench = Bench::scripted([Err(unreachable()), Err(unreachable()), Err(unreachable())]);
    for (failures, rest) in [(1, 1), (2, 2), (3, 4)] {
        assert_eq!(bench.source.token().await.unwrap_err(), unreachable());
        bench.passes(rest - 1);
        if rest != 1 {
            // All of those who come meanwhile get the reason at once.
            assert_eq!(bench.source.token().await.unwrap_err(), unreachable());
            bench.source.keep_fresh().await;
            assert_eq!(bench.calls(), failures);
        }
        bench.passes(1);
    }
    assert!(bench.source.view().why.is_some());
    assert_eq!(bench.token().await, "t4");
    assert_eq!(bench.source.view().why, None);
}

#[tokio::test]
async fn a_refusal_rests_longer_and_no_rest_is_endless() {
    let bench = Bench::scripted(std::iter::repeat_n(Err(refused()), 12));
    let mut rests = Vec::new();
    for call in 1..=12 {
        assert_eq!(bench.source.token().await.unwrap_err(), refused());
        assert_eq!(bench.calls(), call);
        let mut rest = 0;
        while bench.source.resting().is_some() {
            bench.passes(1);
            rest += 1;
        }
        rests.push(rest);
    }
    assert_eq!(rests[..6], [15, 30, 60, 120, 240, 300]);
    assert_eq!(rests[11], 300);
}

#[tokio::test]
async fn a_failure_costs_nothing_while_the_old_token_is_good() {
    let bench = Bench::scripted([Ok(3600), Err(unreachable())]);
    bench.token().await;
    bench.passes(3400);
    bench.source.keep_fresh().await;
    assert_eq!((bench.token().await.as_str(), bench.calls()), ("t1", 2));
}

#[tokio::test]
async fn one_refusal_of_a_token_brings_a_new_one_and_the_next_does_not() {
    let bench = Bench::scripted([]);
    let first = bench.source.token().await.unwrap();
    // Many requests were under way with it; they share what comes next.
    assert!(bench.source.refused(&first));
    assert!(bench.source.refused(&first));
    let second = bench.source.token().await.unwrap();
    assert!(bench.source.refused(&first));
    assert_eq!((second.secret.expose(), bench.calls()), ("t2", 2));
    assert!(!bench.source.refused(&second));
    assert_eq!((bench.token().await.as_str(), bench.calls()), ("t2", 2));
    bench.passes(31);
    assert!(bench.source.refused(&second));
    assert_eq!(bench.token().await, "t3");
}

#[tokio::test]
async fn replaced_tokens_stay_secret_for_a_while() {
    let bench = Bench::scripted([]);
    let knows = |token: &str| bench.source.any_secret(|it| it.expose() == token);
    for _ in 0..4 {
        bench.token().await;
        bench.passes(3600);
    }
    assert!(!knows("t1") && knows("t2") && knows("t3") && knows("t4"));
    let secrets = bench.source.secrets();
    let all: Vec<&str> = secrets.iter().map(Secret::expose).collect();
    assert_eq!(all, ["t4", "t3", "t2"]);
}

#[tokio::test]
async fn nothing_that_is_printed_holds_a_token() {
    let bench = Bench::scripted([]);
    let bearer = bench.source.token().await.unwrap();
    let printed = format!("{:?} {bearer:?} {:?}", bench.source, bench.source.view());
    assert!(!printed.contains("t1"), "{printed}");
}

#[tokio::test]
async fn an_endpoint_that_says_when_to_come_back_is_taken_at_its_word() {
    for (told, rests) in [(1, 5), (60, 60), (9999, 300)] {
        let limited = MintError::Limited {
            status: 429,
            after: Duration::from_secs(told),
        };
        let bench = Bench::scripted([Err(limited.clone()), Err(limited), Ok(60)]);
        for calls in [1, 2] {
            bench.source.keep_fresh().await;
            bench.clock.advance(Duration::from_secs(rests - 1));
            bench.source.keep_fresh().await;
            assert_eq!(bench.calls(), calls, "{told}");
            bench.clock.advance(Duration::from_secs(1));
        }
        assert_eq!(bench.token().await, "t3");
    }
}

#[tokio::test]
async fn a_token_can_be_fetched_in_spite_of_everything_and_forgotten() {
    let bench = Bench::scripted([Ok(3600), Err(MintError::Internal("x")), Ok(3600)]);
    assert_eq!(bench.token().await, "t1");
    assert!(bench.source.fetch().await.is_err());
    // The one at hand stays.
    assert_eq!(bench.token().await, "t1");
    // The source rests, but not for who asks so.
    assert_eq!(bench.source.fetch().await.unwrap().secret.expose(), "t3");
    assert_eq!(bench.token().await, "t3");
    bench.source.forget();
    assert!(bench.source.at_hand().is_none());
    assert_eq!(bench.token().await, "t4");
    assert_eq!(bench.source.view().uses, 4);
}
