//! What a soak counts, and the table it prints.

use std::collections::BTreeMap;
use std::collections::HashSet;
use std::fs;
use std::time::Duration;

use parking_lot::Mutex;

/// Failures of which the words are kept.
const KEPT: usize = 40;

/// What clients saw.
#[derive(Default)]
pub struct Tally(Mutex<Counts>);

/// The same to be looked at.
#[derive(Clone, Default)]
pub struct Counts {
    /// By name.
    pub named: BTreeMap<&'static str, u64>,
    /// Errors that a client saw before any content.
    pub refused: u64,
    /// What must never be seen.
    pub wrong: u64,
    /// The words of the first of both.
    pub words: Vec<String>,
    /// The longest time a request took.
    pub longest: Duration,
    /// The longest time by which this process was late.
    pub late: Duration,
}

impl Tally {
    /// Counts one.
    pub fn add(&self, what: &'static str) {
        *self.0.lock().named.entry(what).or_default() += 1;
    }

    /// Counts an error that a client saw before any content.
    pub fn refused(&self, words: String) {
        let mut counts = self.0.lock();
        counts.refused += 1;
        counts.keep(words);
    }

    /// Counts something that must never be seen.
    pub fn wrong(&self, words: String) {
        let mut counts = self.0.lock();
        counts.wrong += 1;
        counts.keep(words);
    }

    /// Keeps the longest time.
    pub fn longest(&self, took: Duration) {
        let mut counts = self.0.lock();
        counts.longest = counts.longest.max(took);
    }

    /// Keeps the longest time by which this process was late.
    pub fn late(&self, by: Duration) {
        let mut counts = self.0.lock();
        counts.late = counts.late.max(by);
    }

    /// What there is.
    pub fn counts(&self) -> Counts {
        self.0.lock().clone()
    }
}

impl Counts {
    fn keep(&mut self, words: String) {
        if self.words.len() < KEPT {
            self.words.push(words);
        }
    }

    /// One count.
    pub fn of(&self, what: &str) -> u64 {
        self.named.get(what).copied().unwrap_or(0)
    }
}

/// What the operating system says about the proxy at one moment.
#[derive(Clone, Copy, Debug)]
pub struct Vitals {
    /// Since the start of the soak.
    pub at: Duration,
    /// Resident memory, KiB.
    pub resident: usize,
    /// TCP connections in any state, the listener among them.
    pub connections: usize,
    /// Open files that are no such connections.
    pub files: usize,
    /// Threads.
    pub threads: usize,
}

impl Vitals {
    /// Looks.
    pub fn of(process: u32, at: Duration) -> Vitals {
        let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap();
        let number = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            let value = line.and_then(|line| line.split_whitespace().next());
            value.unwrap().parse().unwrap()
        };
        let (connections, files) = files(process);
        Vitals {
            at,
            resident: number("VmRSS:"),
            connections,
            files,
            threads: number("Threads:"),
        }
    }
}

/// How many TCP connections a process has, and how many other files.
fn files(process: u32) -> (usize, usize) {
    let table = fs::read_to_string(format!("/proc/{process}/net/tcp")).unwrap();
    let inode = |row: &str| {
        row.split_whitespace()
            .nth(9)
            .map(|it| format!("socket:[{it}]"))
    };
    let known: HashSet<String> = table.lines().filter_map(inode).collect();
    let files = fs::read_dir(format!("/proc/{process}/fd"))
        .unwrap()
        .flatten();
    // What has been closed since is neither.
    let links = files.filter_map(|it| fs::read_link(it.path()).ok());
    let (connections, others): (Vec<_>, Vec<_>) =
        links.partition(|link| link.to_str().is_some_and(|it| known.contains(it)));
    (connections.len(), others.len())
}

/// The median of the resident memory within a stretch of time, KiB.
pub fn resident(vitals: &[Vitals], from: Duration, until: Duration) -> usize {
    let within = vitals.iter().filter(|it| from <= it.at && it.at < until);
    let mut all: Vec<usize> = within.map(|it| it.resident).collect();
    all.sort_unstable();
    all[all.len() / 2]
}
