//! What following a call costs: the time from an event of the leader until the last of N followers has it, against a
//! bare channel that hands the same bytes to as many tasks, in the same run: `cargo bench --bench sharing`.
#![expect(clippy::print_stdout, reason = "its output is a table")]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow};
use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use pointsman::cache::{Boarding, Call, Ending, Flights, Follow, Key, Keys, Lead, Tenant, Who};
use pointsman::types::Dialect;
use tokio::sync::{Notify, broadcast};
use tokio::task::JoinSet;

/// What the product's binary uses.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Events of one answer.
const EVENTS: usize = 500;
/// Bytes of an event.
const EVENT_BYTES: usize = 160;
/// Runs of each, taken in turns; the median counts.
const RUNS: usize = 9;
/// Bytes of a coding agent's request.
const MIB: usize = 1024 * 1024;

fn main() -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    println!(
        "{EVENTS} events of {EVENT_BYTES} bytes, median of {RUNS} runs, time per event until the last has it"
    );
    for followers in [1, 50, 1000] {
        let (mut flight, mut bare) = (Vec::new(), Vec::new());
        for _ in 0..RUNS {
            bare.push(runtime.block_on(through_a_channel(followers))?);
            flight.push(runtime.block_on(through_a_flight(followers))?);
        }
        let (flight, bare) = (median(flight), median(bare));
        let ratio = flight.as_secs_f64() / bare.as_secs_f64();
        println!(
            "{followers:>5} followers: flight {flight:>10.2?}  channel {bare:>10.2?}  ratio {ratio:.2}"
        );
    }
    println!("leader alone, per event: {:.0?}", alone());
    println!("key of a 1 MiB request: {:.1?}", key_of_a_megabyte());
    Ok(())
}

fn median(mut runs: Vec<Duration>) -> Duration {
    runs.sort();
    runs.get(runs.len() / 2).copied().unwrap_or_default()
}

/// Counts who has got an event, and rings when all have.
#[derive(Default)]
struct Tally {
    got: AtomicUsize,
    all: Notify,
}

impl Tally {
    fn got(&self, pieces: usize, goal: usize) {
        if self.got.fetch_add(pieces, Ordering::Relaxed) + pieces == goal {
            self.all.notify_one();
        }
    }
}

fn event() -> Bytes {
    Bytes::from(vec![b'x'; EVENT_BYTES])
}

async fn through_a_channel(followers: usize) -> anyhow::Result<Duration> {
    let (sender, _) = broadcast::channel::<Bytes>(16);
    let tally = Arc::new(Tally::default());
    let mut tasks = JoinSet::new();
    for _ in 0..followers {
        let (mut receiver, tally) = (sender.subscribe(), Arc::clone(&tally));
        tasks.spawn(async move {
            while receiver.recv().await.is_ok() {
                tally.got(1, followers);
            }
        });
    }
    let mut spent = Duration::ZERO;
    for _ in 0..EVENTS {
        tally.got.store(0, Ordering::Relaxed);
        let begun = Instant::now();
        sender
            .send(event())
            .map_err(|_| anyhow!("nobody listens"))?;
        tally.all.notified().await;
        spent += begun.elapsed();
    }
    drop(sender);
    while tasks.join_next().await.is_some() {}
    Ok(spent / u32::try_from(EVENTS)?)
}

async fn through_a_flight(followers: usize) -> anyhow::Result<Duration> {
    let (flights, key) = (Flights::default(), key(&Keys::default(), &[b"{}"]));
    let lead = lead(&flights, key).context("nobody leads yet")?;
    lead.head(StatusCode::OK, &HeaderMap::new());
    let tally = Arc::new(Tally::default());
    let mut tasks = JoinSet::new();
    for _ in 0..followers {
        let Boarding::Follow(seat) = flights.board(key, true) else {
            return Err(anyhow!("the flight is closed"));
        };
        tasks.spawn(hear(seat, Arc::clone(&tally), followers));
    }
    let mut spent = Duration::ZERO;
    for _ in 0..EVENTS {
        tally.got.store(0, Ordering::Relaxed);
        let begun = Instant::now();
        lead.push(event());
        tally.all.notified().await;
        spent += begun.elapsed();
    }
    lead.end(Ending::Whole);
    while tasks.join_next().await.is_some() {}
    Ok(spent / u32::try_from(EVENTS)?)
}

async fn hear(mut seat: Follow, tally: Arc<Tally>, followers: usize) {
    loop {
        let batch = seat.read(usize::MAX);
        if !batch.pieces.is_empty() {
            tally.got(batch.pieces.len(), followers);
        }
        if batch.ending.is_some() {
            return;
        }
        seat.changed().await;
    }
}

/// What a leader pays that nobody follows.
fn alone() -> Duration {
    let (flights, key) = (Flights::default(), key(&Keys::default(), &[b"{}"]));
    let event = event();
    let begun = Instant::now();
    if let Some(lead) = lead(&flights, key) {
        for _ in 0..EVENTS {
            lead.push(event.clone());
        }
    }
    begun.elapsed() / u32::try_from(EVENTS).unwrap_or(1)
}

fn key_of_a_megabyte() -> Duration {
    let (keys, body) = (Keys::default(), vec![b'x'; MIB]);
    let once = || {
        let begun = Instant::now();
        std::hint::black_box(key(&keys, &[std::hint::black_box(&body)]));
        begun.elapsed()
    };
    median((0..100).map(|_| once()).collect())
}

fn key(keys: &Keys, body: &[&[u8]]) -> Key {
    let call = Call {
        rule: None,
        dialect: Dialect::Anthropic,
        query: None,
        headers: &[],
        body,
    };
    keys.key(Tenant::new(Who::Local, &[]), &call, None)
}

fn lead(flights: &Flights, key: Key) -> Option<Lead> {
    match flights.board(key, true) {
        Boarding::Lead(lead) => Some(lead),
        Boarding::Follow(_) | Boarding::Alone => None,
    }
}
