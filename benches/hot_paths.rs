//! The parts of the product that every request, event or byte passes, each by itself:
//! `cargo bench --bench hot_paths`.

use std::hint::black_box;
use std::path::Path;

use anyhow::anyhow;
use bytes::Bytes;
use criterion::{Criterion, Throughput};
use pointsman::config::{Env, LoadOptions, from_text};
use pointsman::protocol::anthropic::{RequestHead, StreamTap};
use pointsman::protocol::frame::{FrameTooLarge, SseDecoder};
use pointsman::routing::Table;
use pointsman::types::Dialect;

#[path = "overhead/answers.rs"]
#[expect(dead_code, reason = "the other bench needs the rest")]
mod answers;
#[path = "overhead/requests.rs"]
#[expect(dead_code, reason = "the other bench needs the rest")]
mod requests;
#[path = "hot_paths/translation.rs"]
mod translation;

/// What the product's binary uses.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

const MIB: usize = 1024 * 1024;
/// A large configuration: half exact names, half globs.
const ROUTES: usize = 100;

fn main() -> anyhow::Result<()> {
    let mut criterion = Criterion::default().configure_from_args();
    answers(&mut criterion);
    translation::answers(&mut criterion);
    requests(&mut criterion);
    routes(&mut criterion)?;
    criterion.final_summary();
    Ok(())
}

/// Streams of 200 events, pushed event by event, as they come.
fn answers(criterion: &mut Criterion) {
    let anthropic = answers::anthropic_events(answers::EVENTS);
    let mut group = criterion.benchmark_group("200 events");
    group.throughput(Throughput::Elements(answers::EVENTS as u64));
    group.bench_function("SSE decode", |b| {
        b.iter(|| {
            let mut decoder = SseDecoder::new();
            let mut bytes = 0;
            for event in &anthropic {
                let read = decoder.push(black_box(event), |frame| {
                    bytes += frame.data.len();
                    Ok::<_, FrameTooLarge>(())
                });
                let _ = black_box(read);
            }
            bytes
        });
    });
    group.bench_function("tap of a passed-through stream", |b| {
        b.iter(|| {
            let mut tap = StreamTap::new();
            for event in &anthropic {
                let _ = black_box(tap.push(black_box(event)));
            }
            tap.usage()
        });
    });
    group.finish();
}

/// A megabyte of a coding agent's session.
fn requests(criterion: &mut Criterion) {
    let body = Bytes::from(requests::body("claude-sonnet-4-5", true, MIB));
    let mut group = criterion.benchmark_group("1 MB request");
    group.throughput(Throughput::Bytes(MIB as u64));
    group.bench_function("head scan", |b| {
        b.iter(|| RequestHead::read(Dialect::Anthropic, black_box(&body)));
    });
    group.bench_function("head scan and another model", |b| {
        b.iter(|| {
            RequestHead::read(Dialect::Anthropic, black_box(&body))
                .map(|it| it.rewritten(&body, "other"))
        });
    });
    group.finish();
    translation::requests(criterion, &body);
}

fn routes(criterion: &mut Criterion) -> anyhow::Result<()> {
    let candidates = "[{provider: p, model: passthrough, priority: 1}]";
    let route = |i| match i % 2 {
        0 => format!("  vendor-model-{i}: {candidates}\n"),
        _ => format!("  \"*family-{i}*\": {candidates}\n"),
    };
    let text = format!(
        "providers: [{{name: p, type: anthropic, base_url: 'http://127.0.0.1:1', auth_type: none}}]\n\
         model_routes:\n{}  \"*sonnet*\": {candidates}\n",
        (0..ROUTES).map(route).collect::<String>()
    );
    let options = LoadOptions::new(Env::default());
    let config = from_text("bench.yaml", &text, Path::new("."), &options)
        .map_err(|faults| anyhow!("{faults:?}"))?;
    let table = Table::new(&config);
    let mut group = criterion.benchmark_group("route match, 101 routes");
    for (name, model) in [
        ("exact", "vendor-model-60"),
        ("glob", "claude-sonnet-4-5-20250929"),
        ("none", "unheard-of"),
    ] {
        group.bench_function(name, |b| b.iter(|| drop(table.resolve(black_box(model)))));
    }
    group.finish();
    Ok(())
}
