//! Plays tables: every row with a proxy of its own, several at a time, and tells of every case that went wrong.

use std::future::Future;
use std::sync::Arc;

use pointsman::types::Dialect;
use serde_json::Value;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::case::{Case, Position, Stage, Trace, Way};
use super::fault::Fault;
use crate::support::eventually;
use crate::support::proxy::Proxy;
use crate::support::setup::Setup;

/// Rows that are played at a time.
const ROWS: usize = 3;

const WAYS: [Way; 4] = [
    Way { client: Dialect::Anthropic, upstream: Dialect::Anthropic },
    Way { client: Dialect::Anthropic, upstream: Dialect::OpenAiChat },
    Way { client: Dialect::OpenAiChat, upstream: Dialect::OpenAiChat },
    Way { client: Dialect::OpenAiChat, upstream: Dialect::Anthropic },
];

const POSITIONS: [Position; 3] = [Position::First, Position::Second, Position::Third];

/// What went wrong, by the name of its case.
type Complaints = Vec<String>;

/// Plays all rows of a table.
pub async fn play(rows: &[Fault]) {
    let places = Arc::new(Semaphore::new(ROWS));
    let mut playing = JoinSet::new();
    for row in rows.iter().copied() {
        let places = Arc::clone(&places);
        playing.spawn(async move {
            let _place = places.acquire_owned().await.unwrap();
            play_row(row).await
        });
    }
    let (mut cases, mut complaints) = (0, Vec::new());
    while let Some(row) = playing.join_next().await {
        let (count, more) = row.unwrap();
        cases += count;
        complaints.extend(more);
    }
    complaints.sort_unstable();
    let count = complaints.len();
    let all = complaints.join("\n");
    assert!(complaints.is_empty(), "{count} of {cases} cases went wrong:\n{all}");
    println!("{cases} cases");
}

/// Every case of a row.
fn cases(fault: Fault) -> Vec<Case> {
    let mut cases = Vec::new();
    for shape in fault.shapes.iter().copied() {
        for protocol in fault.protocols.iter().copied() {
            for way in WAYS {
                for position in POSITIONS {
                    cases.push(Case { fault, shape, protocol, way, position });
                }
            }
        }
    }
    cases
}

/// Plays a row. Gives the number of its cases.
async fn play_row(fault: Fault) -> (usize, Complaints) {
    let mut stages = Vec::new();
    for (index, case) in cases(fault).into_iter().enumerate() {
        stages.push(Arc::new(Stage::open(case, format!("case{index:02}")).await));
    }
    let setup = stages.iter().fold(Setup::default(), |setup, stage| stage.set_up(setup));
    let proxy = Arc::new(Proxy::start(setup).await);
    let plays = stages.iter().map(|stage| {
        (stage.name(), Arc::clone(stage).play(Arc::clone(&proxy)))
    });
    let (traces, mut complaints) = each(plays).await;
    let (providers, log) = afterwards(&proxy, &traces).await;
    let (providers, log) = (Arc::new(providers), Arc::new(log));
    let checks = traces.into_iter().map(|Trace { stage, requests }| {
        let (providers, log) = (Arc::clone(&providers), Arc::clone(&log));
        (stage.name(), async move { stage.has_left(&requests, &providers, &log) })
    });
    complaints.extend(each(checks).await.1);
    (stages.len(), complaints)
}

/// Runs futures in tasks of their own. What panics is a complaint.
async fn each<T, F>(futures: impl Iterator<Item = (String, F)>) -> (Vec<T>, Complaints)
where
    T: Send + 'static,
    F: Future<Output = T> + Send + 'static,
{
    let tasks: Vec<_> = futures.map(|(name, future)| (name, tokio::spawn(future))).collect();
    let (mut values, mut complaints) = (Vec::new(), Vec::new());
    for (name, task) in tasks {
        match task.await {
            Ok(value) => values.push(value),
            Err(error) => complaints.push(format!("{name}: {}", words_of(error))),
        }
    }
    (values, complaints)
}

fn words_of(error: tokio::task::JoinError) -> String {
    let panic = error.into_panic();
    let text = panic.downcast_ref::<String>().cloned();
    let text = text.or_else(|| panic.downcast_ref::<&str>().map(|it| (*it).to_owned()));
    text.unwrap_or_default()
}

/// State and log when all is over: nothing is under way any more, every request has its line.
async fn afterwards(proxy: &Proxy, traces: &[Trace]) -> (Value, Vec<Value>) {
    let requests: usize = traces.iter().map(|it| it.requests.len()).sum();
    let providers = eventually("the end of everything", || async {
        let all = proxy.providers().await;
        let list = all["providers"].as_array().unwrap();
        list.iter().all(|it| it["in_flight"] == 0).then_some(all)
    })
    .await;
    let log = eventually("a line for each request", || async {
        let log = proxy.log_file();
        let lines = log.lines().map(|it| serde_json::from_str(it).unwrap());
        let lines: Vec<Value> = lines.collect();
        let told = |it: &&Value| it["target"] == "access" && it["path"] != "/providers";
        (requests <= lines.iter().filter(told).count()).then_some(lines)
    })
    .await;
    (providers, log)
}
