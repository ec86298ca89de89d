//! The figures of a soak, and the bars they are held to.

use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use super::provider::Provider;
use super::tally::Counts;
use super::tally::Vitals;
use super::tally::resident;

/// What memory may have grown by, of the first minute's.
const GROWTH: f64 = 0.10;
/// What may come on top in a soak that is too short for its first minute to be like any other, KiB.
const SHORT_GROWTH: f64 = 6.0 * 1024.0;
/// From which length on nothing comes on top.
const LONG: Duration = Duration::from_secs(300);
/// Threads that may be started later than the first request: the vocabularies of local counts are loaded by one.
const LATE_THREADS: usize = 2;
/// Files that may be opened later than the first request: those of such a thread.
const LATE_FILES: usize = 2;
/// A soak in which less was going on proves nothing: requests, failovers and cuts per minute.
const FEWEST: [(&str, u64); 3] = [
    ("answered whole", 2_000),
    ("answered after a failover", 60),
    ("cut and told so", 10),
];

/// Whether `GET /providers` says that nothing is under way: no place and no key is held, no call shared.
pub fn is_idle(providers: &Value) -> bool {
    let idle = |value: &Value| value["in_flight"] == 0;
    let list = providers["providers"].as_array().unwrap();
    let mut keys = list.iter().flat_map(|it| it["keys"].as_array().unwrap());
    let sharing = &providers["sharing"];
    list.iter().all(idle) && keys.all(idle) && sharing["under_way"] == 0 && sharing["bytes"] == 0
}

/// Everything that was found out.
pub struct Report {
    /// How long it lasted.
    pub length: Duration,
    /// The weather of each provider.
    pub strips: Vec<String>,
    /// What clients saw.
    pub counts: Counts,
    /// The providers and what they did.
    pub providers: Vec<Arc<Provider>>,
    /// The process before the first request.
    pub before: Vitals,
    /// The process meanwhile.
    pub vitals: Vec<Vitals>,
    /// The process after the last connection.
    pub after: Vitals,
    /// Connections that the providers still had then.
    pub open: usize,
    /// `GET /providers` after the last request.
    pub quiet: Value,
}

impl Report {
    /// Memory in the first and in the last minute, or the sixth of a short soak, KiB.
    fn memory(&self) -> (usize, usize) {
        let (skipped, stretch) = if LONG <= self.length {
            (Duration::ZERO, Duration::from_secs(60))
        } else {
            (self.length / 6, self.length / 6)
        };
        let first = resident(&self.vitals, skipped, skipped + stretch);
        let last = resident(
            &self.vitals,
            self.length.saturating_sub(stretch),
            Duration::MAX,
        );
        (first, last)
    }

    /// Prints it all.
    pub fn print(&self) {
        let mut text = format!("\nsoak of {} s\n", self.length.as_secs());
        self.write_counts(&mut text).unwrap();
        self.write_providers(&mut text).unwrap();
        self.write_vitals(&mut text).unwrap();
        eprintln!("{text}");
    }

    fn write_counts(&self, out: &mut String) -> std::fmt::Result {
        for (what, count) in &self.counts.named {
            writeln!(out, "  {count:>8}  {what}")?;
        }
        writeln!(
            out,
            "  {:>8}  errors before the commit",
            self.counts.refused
        )?;
        writeln!(
            out,
            "  {:>8}  answers that must never be seen",
            self.counts.wrong
        )?;
        for words in &self.counts.words {
            writeln!(out, "            {words}")?;
        }
        let (longest, late) = (self.counts.longest, self.counts.late);
        writeln!(
            out,
            "  longest request {longest:.1?}; this process was late by up to {late:.0?}"
        )
    }

    fn write_providers(&self, out: &mut String) -> std::fmt::Result {
        for (provider, strip) in self.providers.iter().zip(&self.strips) {
            let (name, connections) = (&provider.name, provider.connections());
            writeln!(
                out,
                "  {name} ({:?}): {connections} connections",
                provider.dialect
            )?;
            writeln!(out, "  {strip}")?;
            for (fate, count) in provider.fates() {
                writeln!(out, "  {count:>8}  {fate}")?;
            }
        }
        let (retries, sharing) = (&self.quiet["retry_budget"], &self.quiet["sharing"]);
        writeln!(out, "  retry budget {retries}, sharing {sharing}")
    }

    fn write_vitals(&self, out: &mut String) -> std::fmt::Result {
        let every = self.vitals.len().div_ceil(120).max(1) * 5;
        let looks = self.vitals.iter().step_by(every);
        for it in [&self.before].into_iter().chain(looks).chain([&self.after]) {
            let (at, mib) = (it.at.as_secs(), it.resident as f64 / 1024.0);
            let (connections, files, threads) = (it.connections, it.files, it.threads);
            writeln!(
                out,
                "  {at:>4} s  {mib:>6.1} MiB  {connections:>4} connections  {files:>3} files  {threads:>3} threads"
            )?;
        }
        let (first, last) = self.memory();
        let ratio = last as f64 / first as f64;
        writeln!(
            out,
            "  memory first {first} KiB, last {last} KiB, ratio {ratio:.3}"
        )
    }

    /// Fails when a bar is missed.
    pub fn judge(&self) {
        let counts = &self.counts;
        assert_eq!(
            counts.refused, 0,
            "errors before the commit: {:#?}",
            counts.words
        );
        assert_eq!(
            counts.wrong, 0,
            "answers that must never be seen: {:#?}",
            counts.words
        );
        assert!(is_idle(&self.quiet), "not idle: {:#}", self.quiet);
        let minutes = self.length.as_secs_f64() / 60.0;
        for (what, fewest) in FEWEST {
            let fewest = fewest as f64 * minutes;
            let count = counts.of(what);
            assert!(fewest <= count as f64, "only {count} times: {what}");
        }
        let (first, last) = self.memory();
        let slack = if LONG <= self.length {
            0.0
        } else {
            SHORT_GROWTH
        };
        let most = first as f64 * (1.0 + GROWTH) + slack;
        assert!(
            last as f64 <= most,
            "memory grew from {first} to {last} KiB"
        );
        assert_eq!(self.open, 0, "connections left at the providers");
        let connections = (self.before.connections, self.after.connections);
        assert_eq!(connections.0, connections.1, "connections before and after");
        // Not those before: threads start with the first request, and each has a few files of its own.
        let running = self.vitals.iter().map(|it| it.files).min();
        let files = (running.unwrap(), self.after.files);
        assert!(
            files.1 <= files.0 + LATE_FILES,
            "files meanwhile and at last: {files:?}"
        );
        let threads = (self.vitals[0].threads, self.after.threads);
        assert!(
            threads.1 <= threads.0 + LATE_THREADS,
            "threads at first and at last: {threads:?}"
        );
    }
}
