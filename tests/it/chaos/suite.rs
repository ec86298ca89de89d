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

/// Rows that are on stage at a time.
const ROWS: usize = 4;
/// Cases of them that are played at a time: no more than a small machine can do without being late itself.
const CASES: usize = 16;

/// An Anthropic client, relayed and translated.
pub const ANTHROPIC: &[Way] = &[
    Way {
        client: Dialect::Anthropic,
        upstream: Dialect::Anthropic,
    },
    Way {
        client: Dialect::Anthropic,
        upstream: Dialect::OpenAiChat,
    },
];

/// Clients of two dialects, relayed and translated, and providers of all four.
pub const ALL: &[Way] = &[
    Way {
        client: Dialect::Anthropic,
        upstream: Dialect::Anthropic,
    },
    Way {
        client: Dialect::Anthropic,
        upstream: Dialect::OpenAiChat,
    },
    Way {
        client: Dialect::OpenAiChat,
        upstream: Dialect::OpenAiChat,
    },
    Way {
        client: Dialect::OpenAiChat,
        upstream: Dialect::Anthropic,
    },
    Way {
        client: Dialect::Anthropic,
        upstream: Dialect::OpenAiResponses,
    },
    Way {
        client: Dialect::Anthropic,
        upstream: Dialect::Gemini,
    },
];

/// What went wrong, by the name of its case.
type Complaints = Vec<String>;

/// Plays all rows of a table, between these dialects.
pub async fn play(ways: &'static [Way], rows: &[Fault]) {
    let places = Arc::new(Semaphore::new(ROWS));
    let turns = Arc::new(Semaphore::new(CASES));
    let mut playing = JoinSet::new();
    for row in rows.iter().copied() {
        let (places, turns) = (Arc::clone(&places), Arc::clone(&turns));
        playing.spawn(async move {
            let _place = places.acquire_owned().await.unwrap();
            play_row(ways, row, turns).await
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
    assert!(
        complaints.is_empty(),
        "{count} of {cases} cases went wrong:\n{all}"
    );
    println!("{cases} cases");
}

/// Every case of a row. A healthy provider in front hides all faults alike: once for each shape and protocol is enough.
fn cases(ways: &[Way], fault: Fault) -> Vec<Case> {
    let mut cases = Vec::new();
    for shape in fault.shapes.iter().copied() {
        for protocol in fault.protocols.iter().copied() {
            let mut push = |way, position| {
                cases.push(Case {
                    fault,
                    shape,
                    protocol,
                    way,
                    position,
                });
            };
            push(ways[0], Position::First);
            for way in ways.iter().copied().filter(|it| fault.is_played(*it)) {
                push(way, Position::Second);
                if !way.is_rare() {
                    push(way, Position::Third);
                }
            }
        }
    }
    cases
}

/// Plays a row. Gives the number of its cases.
async fn play_row(ways: &[Way], fault: Fault, turns: Arc<Semaphore>) -> (usize, Complaints) {
    let mut stages = Vec::new();
    for (index, case) in cases(ways, fault).into_iter().enumerate() {
        stages.push(Arc::new(Stage::open(case, format!("case{index:02}")).await));
    }
    // Who is late on a busy machine must not look faulty for it.
    let patient = Setup::default().setting("ping_after: 60s");
    let setup = stages
        .iter()
        .fold(patient, |setup, stage| stage.set_up(setup));
    let proxy = Arc::new(Proxy::start(setup).await);
    let plays = stages.iter().map(|stage| {
        let play = Arc::clone(stage).play(Arc::clone(&proxy));
        let turns = Arc::clone(&turns);
        (stage.name(), async move {
            let _turn = turns.acquire_owned().await.unwrap();
            play.await
        })
    });
    let (traces, mut complaints) = each(plays).await;
    let (providers, log) = afterwards(&proxy, &traces).await;
    let (providers, log) = (Arc::new(providers), Arc::new(log));
    let checks = traces.into_iter().map(|Trace { stage, requests }| {
        let (providers, log) = (Arc::clone(&providers), Arc::clone(&log));
        (stage.name(), async move {
            stage.has_left(&requests, &providers, &log);
        })
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
    let tasks: Vec<_> = futures
        .map(|(name, future)| (name, tokio::spawn(future)))
        .collect();
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
    let providers = eventually("the end of everything", || async {
        let all = proxy.providers().await;
        let list = all["providers"].as_array().unwrap();
        list.iter().all(|it| it["in_flight"] == 0).then_some(all)
    })
    .await;
    let log = eventually("a line for each request", || async {
        let log = proxy.log_file();
        let mut requests = traces.iter().flat_map(|it| &it.requests);
        let told = |id: &String| {
            log.contains(&format!(
                r#""message":"request finished","request_id":"{id}""#
            ))
        };
        requests.all(told).then_some(log)
    })
    .await;
    let parsed =
        |line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
    (providers, log.lines().map(parsed).collect())
}
