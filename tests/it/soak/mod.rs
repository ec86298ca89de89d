//! The soak: many clients for a long time, providers that fail at random, one of them well at any time.
//!
//! It asks what no journey can: whether anything is left over when thousands of requests have met every fault in every
//! order. A minute of it is a part of every run; `tests/run --soak [seconds]` lasts as long as you like, on the release
//! build. It stands in the integration binary because the real program, its configuration and the wire are there.

mod dialects;
mod provider;
mod report;
mod tally;
mod visitor;
mod weather;
mod words;

use std::sync::Arc;
use std::time::Duration;
use std::time::Instant;

use pointsman::types::Dialect;
use serde_json::Value;
use tokio::task::JoinSet;

use self::provider::Ledger;
use self::provider::Provider;
use self::report::Report;
use self::tally::Tally;
use self::tally::Vitals;
use self::visitor::World;
use self::weather::Forecast;
use self::weather::Sky;
use self::weather::TICK;
use crate::support::proxy::Proxy;
use crate::support::setup;
use crate::support::setup::Setup;

/// What everything random is drawn from.
const SEED: u64 = 4;
const CLIENTS: usize = 200;
/// How long a soak lasts that nobody has asked for.
const SHORT: Duration = Duration::from_secs(60);
/// How many of the providers take turns in being well; the last one never is for long.
const REIGNING: usize = 5;
/// How long the end may take: as long as nobody would call a leak.
const PATIENCE: Duration = Duration::from_secs(15);
/// How often the process is looked at.
const LOOK: Duration = Duration::from_secs(1);
/// Time between two looks at what is awaited.
const STEP: Duration = Duration::from_millis(50);

fn providers(ledger: &Arc<Ledger>) -> Vec<Arc<Provider>> {
    [
        ("alpha", Dialect::Anthropic, 3),
        ("bravo", Dialect::OpenAiChat, 2),
        ("carol", Dialect::Gemini, 2),
        ("delta", Dialect::OpenAiResponses, 1),
        ("echo", Dialect::Anthropic, 1),
        ("fickle", Dialect::OpenAiChat, 1),
    ]
    .map(|(name, dialect, keys)| Provider::new(name, dialect, keys, ledger))
    .into()
}

/// Short timers, so that a minute holds many faults: a request that meets a stall at each of five providers and a
/// pause of a second still ends within `weather::OVERLAP`.
fn settings(providers: &[Arc<Provider>]) -> Setup {
    let configured = providers.iter().map(|it| {
        let kind = match it.dialect {
            Dialect::Anthropic => "anthropic",
            Dialect::OpenAiChat => "openai",
            Dialect::OpenAiResponses => "openai-responses",
            Dialect::Gemini => "gemini",
        };
        let keys: Vec<&str> = it.keys.iter().map(String::as_str).collect();
        let provider = setup::Provider::speaking(kind, &it.name, &it.url())
            .keyed(&keys)
            .with("probe: {interval: 1s, path: /v1/models}");
        if it.name == "fickle" {
            provider.with("max_in_flight: 12")
        } else {
            provider
        }
    });
    let candidates = |priority: fn(usize) -> usize| -> Vec<String> {
        let line = |(at, it): (usize, &Arc<Provider>)| {
            let priority = priority(at);
            format!(
                "provider: {}, model: passthrough, priority: {priority}",
                it.name
            )
        };
        providers.iter().enumerate().map(line).collect()
    };
    let (ordered, equal) = (candidates(|at| at + 1), candidates(|_| 1));
    let ordered: Vec<&str> = ordered.iter().map(String::as_str).collect();
    let equal: Vec<&str> = equal.iter().map(String::as_str).collect();
    Setup::of(configured)
        .route("soak-order", &ordered)
        .route("soak-turns", &equal)
        .setting("selection_strategy: round_robin")
        .setting("max_attempts: 6")
        .setting("failure_cooldown: 2s")
        .setting("max_retry_wait: 1s")
        .setting("affinity: {return_after: 2s}")
        .setting("deduplication: all")
        // Its files are counted from outside, which is not for everybody otherwise.
        .setting("core_dumps: true")
        .setting("ping_after: 700ms")
        .setting("ping_interval: 400ms")
        .setting("timeouts: {connect: 1s, connect_total: 1s, first_byte: 3s, first_byte_whole: 3s, first_content: 3s, idle: 3s}")
}

fn duration() -> Duration {
    let asked = std::env::var("POINTSMAN_SOAK_SECONDS").ok();
    let seconds = asked.map(|it| it.parse().unwrap());
    seconds.map_or(SHORT, Duration::from_secs).max(SHORT / 2)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_clients_see_no_fault_while_one_provider_is_well() {
    let length = duration();
    let ledger = Arc::new(Ledger::default());
    let providers = providers(&ledger);
    let proxy = Proxy::start_program(&program(), settings(&providers)).await;
    // Nobody listens yet, so not even a probe has a connection.
    let before = Vitals::of(proxy.id(), Duration::ZERO);

    let forecast = Forecast::new(SEED, providers.len(), REIGNING, length);
    let strips = (0..providers.len()).map(|at| forecast.strip(at, length));
    let strips = strips.collect();
    let began = Instant::now();
    let world = Arc::new(World {
        address: proxy.address(),
        ledger,
        tally: Tally::default(),
        began,
        until: began + length,
    });
    let mut around = JoinSet::new();
    for provider in &providers {
        around.spawn(Arc::clone(provider).run());
    }
    around.spawn(change_weather(forecast, providers.clone(), began));
    around.spawn(feel_pauses(Arc::clone(&world)));
    let vitals = visited(&world, &proxy).await;

    let quiet = quiet(&proxy).await;
    around.shutdown().await;
    for provider in &providers {
        provider.set_sky(Sky::Refuse);
    }
    let after = let_go(&world, &proxy, &providers, before).await;
    let report = Report {
        length,
        strips,
        counts: world.tally.counts(),
        open: providers.iter().map(|it| it.open()).sum(),
        providers,
        before,
        vitals,
        after,
        quiet,
    };
    report.print();
    report.judge();
}

/// Lets all clients live, and looks at the process meanwhile.
async fn visited(world: &Arc<World>, proxy: &Proxy) -> Vec<Vitals> {
    let mut clients = JoinSet::new();
    for number in 0..CLIENTS {
        clients.spawn(visitor::live(Arc::clone(world), number));
    }
    let mut vitals = Vec::new();
    while Instant::now() < world.until {
        tokio::time::sleep(LOOK).await;
        vitals.push(Vitals::of(proxy.id(), world.began.elapsed()));
    }
    while let Some(ended) = clients.join_next().await {
        ended.unwrap();
    }
    vitals
}

/// The program under test: the one built with these tests, unless another one is named.
fn program() -> std::path::PathBuf {
    let named = std::env::var_os("POINTSMAN_SOAK_PROGRAM");
    named.map_or_else(|| env!("CARGO_BIN_EXE_pointsman").into(), Into::into)
}

async fn change_weather(forecast: Forecast, providers: Vec<Arc<Provider>>, began: Instant) {
    let mut ticks = tokio::time::interval(TICK);
    loop {
        ticks.tick().await;
        for (at, provider) in providers.iter().enumerate() {
            provider.set_sky(forecast.at(at, began.elapsed()));
        }
    }
}

/// Tells a busy machine from a fault: the longest time by which this process was late.
async fn feel_pauses(world: Arc<World>) {
    loop {
        let slept = Instant::now();
        tokio::time::sleep(STEP).await;
        world.tally.late(slept.elapsed().saturating_sub(STEP));
    }
}

/// Waits until nothing is under way any more, and gives what `GET /providers` says then.
async fn quiet(proxy: &Proxy) -> Value {
    let begun = Instant::now();
    loop {
        let all = proxy.providers().await;
        if report::is_idle(&all) || PATIENCE < begun.elapsed() {
            return all;
        }
        tokio::time::sleep(STEP).await;
    }
}

/// Waits until the proxy has let go of every connection, now that its providers are down.
async fn let_go(
    world: &World,
    proxy: &Proxy,
    providers: &[Arc<Provider>],
    before: Vitals,
) -> Vitals {
    let begun = Instant::now();
    loop {
        let now = Vitals::of(proxy.id(), world.began.elapsed());
        let open: usize = providers.iter().map(|it| it.open()).sum();
        let is_clean = open == 0 && now.connections <= before.connections;
        if is_clean || PATIENCE < begun.elapsed() {
            return now;
        }
        tokio::time::sleep(STEP).await;
    }
}
