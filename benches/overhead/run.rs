//! A whole run: every case in rounds, the two proxies in turns within each, so that what disturbs the machine
//! disturbs both.

use std::path::Path;
use std::thread;
use std::time::Duration;

use crate::answers;
use crate::cases::{Answer, CASES, Case, SLOW_STREAMS};
use crate::load::{self, Expect, Job, Outcome};
use crate::process::Process;
use crate::report;
use crate::requests;

/// Many short rounds rather than few long ones: what disturbs the machine lasts seconds.
const ROUNDS: usize = 9;
const STARTS: usize = 5;
const SLOW_REPETITIONS: usize = 3;
/// After the first answer, before memory counts as idle.
const SETTLE: Duration = Duration::from_secs(1);

/// What a case gave, one entry per round.
pub struct CaseResult {
    /// Which.
    pub case: &'static Case,
    /// Without a proxy; its CPU time is the upstream's.
    pub direct: Outcome,
    /// Through the bare proxy.
    pub bare: Vec<Outcome>,
    /// Through the product.
    pub product: Vec<Outcome>,
}

/// The bare proxy's figures and the product's.
pub struct Pair<T> {
    /// The bare proxy's.
    pub bare: T,
    /// The product's.
    pub product: T,
}

/// Runs the cases whose name contains `filter`, and prints the tables.
pub fn run(filter: &str) -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let upstream = Process::upstream(dir.path())?;
    if "idle and start".contains(filter) {
        let (idle, start) = idle_and_start(dir.path(), upstream.port)?;
        report::idle_and_start(&idle, start);
    }
    let bare = Process::bare(dir.path(), upstream.port)?;
    let product = Process::product(dir.path(), upstream.port)?;
    let mut results = Vec::new();
    for case in CASES.iter().filter(|it| it.name.contains(filter)) {
        results.push(measure(case, &upstream, &bare, &product)?);
        report::progress(case.name);
    }
    report::cases(&results);
    drop((bare, product));
    if "slow streams".contains(filter) {
        report::slow_streams(&slow_streams(dir.path(), upstream.port)?);
    }
    Ok(())
}

fn measure(
    case: &'static Case,
    upstream: &Process,
    bare: &Process,
    product: &Process,
) -> anyhow::Result<CaseResult> {
    let body = requests::body(case.model, case.answer != Answer::Message, case.body_bytes);
    let answer = case.answer.body();
    let job = |port, path, requests, expect| Job {
        port,
        path,
        body: &body,
        connections: case.connections,
        requests,
        expect,
    };
    let same = Expect::Bytes(&answer);
    let translated = match case.answer {
        Answer::Translated => Expect::Deltas(answers::translated_deltas()),
        Answer::Message | Answer::Stream => same,
    };
    let few = case.requests.div_ceil(4);
    let direct = load::run(&job(upstream.port, case.path, few, same), upstream)?;
    let bare_job = job(bare.port, case.path, case.requests, same);
    let product_job = job(product.port, "/v1/messages", case.requests, translated);
    let mut result = CaseResult {
        case,
        direct,
        bare: Vec::new(),
        product: Vec::new(),
    };
    for round in 0..ROUNDS {
        // Who goes first changes, so that neither always runs on a warmer machine.
        if round % 2 == 0 {
            result.bare.push(load::run(&bare_job, bare)?);
            result.product.push(load::run(&product_job, product)?);
        } else {
            result.product.push(load::run(&product_job, product)?);
            result.bare.push(load::run(&bare_job, bare)?);
        }
    }
    Ok(result)
}

/// Resident memory after the first answer, KiB, and the times to it.
fn idle_and_start(dir: &Path, upstream: u16) -> anyhow::Result<(Pair<u64>, Pair<Vec<Duration>>)> {
    let mut times = Pair {
        bare: Vec::new(),
        product: Vec::new(),
    };
    for _ in 1..STARTS {
        times.bare.push(Process::bare(dir, upstream)?.first_answer);
        times
            .product
            .push(Process::product(dir, upstream)?.first_answer);
    }
    let (bare, product) = (
        Process::bare(dir, upstream)?,
        Process::product(dir, upstream)?,
    );
    times.bare.push(bare.first_answer);
    times.product.push(product.first_answer);
    thread::sleep(SETTLE);
    let idle = Pair {
        bare: bare.rss_kib()?,
        product: product.rss_kib()?,
    };
    Ok((idle, times))
}

/// Most memory in each repetition, KiB. Fresh processes, so that earlier cases leave nothing behind.
fn slow_streams(dir: &Path, upstream: u16) -> anyhow::Result<Pair<Vec<u64>>> {
    let (bare, product) = (
        Process::bare(dir, upstream)?,
        Process::product(dir, upstream)?,
    );
    let body = requests::body("bench-slow", true, 1024);
    let answer = answers::anthropic_events(answers::SLOW_EVENTS).concat();
    let repetition = |process: &Process, path: &str| {
        let job = Job {
            port: process.port,
            path,
            body: &body,
            connections: SLOW_STREAMS,
            requests: 1,
            expect: Expect::Bytes(&answer),
        };
        Ok::<_, anyhow::Error>(load::run(&job, process)?.rss_kib)
    };
    let mut memory = Pair {
        bare: Vec::new(),
        product: Vec::new(),
    };
    for _ in 0..SLOW_REPETITIONS {
        memory.bare.push(repetition(&bare, "/slow/v1/messages")?);
        memory.product.push(repetition(&product, "/v1/messages")?);
    }
    Ok(memory)
}
