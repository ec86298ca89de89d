//! The tables, in Markdown.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "printing is what this file is for"
)]

use std::time::Duration;

use crate::cases::{FLAT_BAR, IDLE_BAR_KIB, SLOW_BAR, SLOW_STREAMS, START_BAR_MILLIS};
use crate::load::Outcome;
use crate::run::{CaseResult, Pair};

/// Says that a case is done.
pub fn progress(name: &str) {
    eprintln!("measured: {name}");
}

/// Work per CPU-second and latency.
pub fn cases(results: &[CaseResult]) {
    if results.is_empty() {
        return;
    }
    println!(
        "\n| Case | CPU per request: bare, ours (\u{b5}s) | Requests per CPU-second, ours to bare: median (min..max) | Bar | |"
    );
    println!("|---|---|---|---|---|");
    for result in results {
        let ratios = sorted(
            result
                .bare
                .iter()
                .zip(&result.product)
                .map(|(bare, ours)| bare.cpu_micros / ours.cpu_micros),
        );
        let ratio = ratios[ratios.len() / 2];
        let (bar, met) = match result.case.bar {
            Some(bar) => (format!("\u{2265} {bar:.2}"), met(bar <= ratio)),
            None => (String::new(), ""),
        };
        println!(
            "| {} | {:.0}, {:.0} | **{ratio:.2}** ({:.2}..{:.2}) | {bar} | {met} |",
            result.case.name,
            median(&result.bare, |it| it.cpu_micros),
            median(&result.product, |it| it.cpu_micros),
            ratios[0],
            ratios[ratios.len() - 1],
        );
    }
    println!(
        "\n| Case | p50 direct, bare, ours (\u{b5}s) | ours to bare | Reads of the client per answer: bare, ours |"
    );
    println!("|---|---|---|---|");
    for CaseResult {
        case,
        direct,
        bare,
        product,
    } in results
    {
        let (slow, ours) = (
            median(bare, |it| it.p50_micros),
            median(product, |it| it.p50_micros),
        );
        println!(
            "| {} | {:.0}, {slow:.0}, {ours:.0} | {:.2} | {:.0}, {:.0} |",
            case.name,
            direct.p50_micros,
            ours / slow,
            median(bare, |it| it.reads),
            median(product, |it| it.reads),
        );
    }
}

/// Memory before the load, and the time to start.
pub fn idle_and_start(idle: &Pair<u64>, start: Pair<Vec<Duration>>) {
    let millis = |times: Vec<Duration>| {
        let times = sorted(times.iter().map(|it| it.as_secs_f64() * 1e3));
        (times[times.len() / 2], times[times.len() - 1])
    };
    let ((bare, bare_most), (ours, most)) = (millis(start.bare), millis(start.product));
    println!("\n| | bare | ours | Bar | |\n|---|---|---|---|---|");
    println!(
        "| Memory after the first answer (MiB) | {:.1} | {:.1} | \u{2264} {} | {} |",
        mib(idle.bare),
        mib(idle.product),
        IDLE_BAR_KIB / 1024,
        met(idle.product <= IDLE_BAR_KIB),
    );
    println!(
        "| Start to first answer (ms): median (max) | {bare:.0} ({bare_most:.0}) | {ours:.0} ({most:.0}) | \u{2264} {START_BAR_MILLIS:.0} | {} |",
        met(ours <= START_BAR_MILLIS),
    );
}

/// Memory under many slow streams.
pub fn slow_streams(memory: &Pair<Vec<u64>>) {
    println!(
        "\n| {SLOW_STREAMS} slow streams, repetition | bare (MiB) | ours (MiB) | ours to bare | Bar | |"
    );
    println!("|---|---|---|---|---|---|");
    for (i, (&bare, &ours)) in memory.bare.iter().zip(&memory.product).enumerate() {
        let ratio = ours as f64 / bare as f64;
        println!(
            "| {} | {:.1} | {:.1} | {ratio:.2} | \u{2264} {SLOW_BAR} | {} |",
            i + 1,
            mib(bare),
            mib(ours),
            met(ratio <= SLOW_BAR),
        );
    }
    let growth = |of: &[u64]| of[of.len() - 1] as f64 / of[0] as f64;
    let (bare, ours) = (growth(&memory.bare), growth(&memory.product));
    println!(
        "| last to first | {bare:.2} | {ours:.2} | | \u{2264} {FLAT_BAR} | {} |",
        met(ours <= FLAT_BAR)
    );
}

fn met(is_met: bool) -> &'static str {
    if is_met { "met" } else { "**missed**" }
}

fn mib(kib: u64) -> f64 {
    kib as f64 / 1024.0
}

fn median(outcomes: &[Outcome], of: impl Fn(&Outcome) -> f64) -> f64 {
    sorted(outcomes.iter().map(of))[outcomes.len() / 2]
}

fn sorted(values: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values
}
