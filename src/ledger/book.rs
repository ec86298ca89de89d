//! Rows on their way to the file: handed over by requests, written by whoever calls [`Ledger::write`] from time to time.

use std::collections::VecDeque;
use std::fmt;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

use parking_lot::Mutex;

use crate::ledger::row::Row;
use crate::ledger::store::{Spending, Store, StoreError};
use crate::types::Day;

/// Rows that wait at most, about ten megabytes; the oldest give way.
const MAX_WAITING: usize = 20_000;
/// Rows written in one transaction.
const BATCH: usize = 2_000;
/// Time between two tries while the file cannot be written.
const PATIENCE: Duration = Duration::from_secs(5);
/// Time between two lines about that in the log.
const SAID_EVERY: Duration = Duration::from_secs(60);
/// Time between two looks for rows that are too old.
const PRUNED_EVERY: Duration = Duration::from_secs(3600);

/// The ledger of this process.
#[derive(Default)]
pub struct Ledger {
    waiting: Mutex<Waiting>,
    /// Held while somebody writes.
    writer: Mutex<Writer>,
    /// Why nothing can be written, if so.
    trouble: Mutex<Option<String>>,
}

#[derive(Default)]
struct Waiting {
    rows: VecDeque<Row>,
    dropped: u64,
}

#[derive(Default)]
struct Writer {
    store: Option<Store>,
    again: Option<Instant>,
    said: Option<Instant>,
    pruned: Option<Instant>,
}

/// What an operator should know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// Why nothing can be written, if so.
    pub why: Option<String>,
    /// Rows that wait.
    pub waiting: usize,
    /// Rows that were lost since the start.
    pub dropped: u64,
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("usage ledger: ")?;
        if let Some(why) = &self.why {
            write!(f, "cannot be written ({why}), {} rows wait, ", self.waiting)?;
        }
        write!(f, "{} rows were lost since the start", self.dropped)
    }
}

impl fmt::Debug for Ledger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Ledger({:?})", self.trouble())
    }
}

impl Ledger {
    /// Takes a row; it is written soon. Never waits for the disk.
    pub fn record(&self, row: Row) {
        self.waiting.lock().push(row);
    }

    /// What an operator should know, if anything.
    pub fn trouble(&self) -> Option<Trouble> {
        let why = self.trouble.lock().clone();
        let waiting = self.waiting.lock();
        let trouble = Trouble {
            why,
            waiting: waiting.rows.len(),
            dropped: waiting.dropped,
        };
        (trouble.why.is_some() || 0 < trouble.dropped).then_some(trouble)
    }

    /// Writes what waits to the file at `path`. Blocks on the disk.
    pub fn write(&self, path: &Path, now: Instant) {
        let mut writer = self.writer.lock();
        if writer.again.is_some_and(|again| now < again) {
            return;
        }
        let written = self.write_with(&mut writer, path);
        self.note(&mut writer, written, now);
    }

    /// Writes what waits, be it time or not: the process is about to end.
    pub fn finish(&self, path: &Path) {
        let mut writer = self.writer.lock();
        if let Err(error) = self.write_with(&mut writer, path) {
            log::error!("usage ledger: the last rows are lost: {error}");
        }
    }

    /// What keys have spent by `day`, by the file.
    pub fn spending(&self, path: &Path, day: Day, now: Instant) -> Vec<Spending> {
        let mut writer = self.writer.lock();
        if writer.again.is_some_and(|again| now < again) {
            return Vec::new();
        }
        let read = store(&mut writer, path).and_then(|store| store.spending(day));
        match read {
            Ok(spending) => spending,
            Err(error) => {
                self.note(&mut writer, Err(error), now);
                Vec::new()
            }
        }
    }

    /// Deletes rows older than `days`, some at a time.
    pub fn prune(&self, days: u32, wall: SystemTime, now: Instant) {
        let mut writer = self.writer.lock();
        let due = |at: Instant| PRUNED_EVERY <= now.saturating_duration_since(at);
        if !writer.pruned.is_none_or(due) {
            return;
        }
        let oldest = Day::of(wall).before(u64::from(days));
        let Some(store) = &mut writer.store else {
            return;
        };
        match store.prune(oldest) {
            Ok(true) => {}
            Ok(false) => writer.pruned = Some(now),
            Err(error) => {
                writer.pruned = Some(now);
                self.note(&mut writer, Err(error), now);
            }
        }
    }

    fn write_with(&self, writer: &mut Writer, path: &Path) -> Result<(), StoreError> {
        loop {
            let rows = self.waiting.lock().take();
            if rows.is_empty() {
                // Nothing to write proves nothing: what could not be opened is tried.
                let was_well = self.trouble.lock().is_none();
                return if was_well {
                    Ok(())
                } else {
                    store(writer, path).map(drop)
                };
            }
            let written = store(writer, path).and_then(|store| store.write(&rows));
            if let Err(error) = written {
                self.waiting.lock().put_back(rows);
                return Err(error);
            }
        }
    }

    fn note(&self, writer: &mut Writer, written: Result<(), StoreError>, now: Instant) {
        let Err(error) = written else {
            if self.trouble.lock().take().is_some() {
                log::info!("usage ledger: can be written again");
            }
            (writer.again, writer.said) = (None, None);
            return;
        };
        // What is wrong with a connection may be wrong with it alone.
        writer.store = None;
        writer.again = Some(now + PATIENCE);
        *self.trouble.lock() = Some(error.to_string());
        let due = |at: Instant| SAID_EVERY <= now.saturating_duration_since(at);
        if writer.said.is_none_or(due) {
            writer.said = Some(now);
            if let Some(trouble) = self.trouble() {
                log::warn!("{trouble}");
            }
        }
    }
}

impl Waiting {
    fn push(&mut self, row: Row) {
        self.rows.push_back(row);
        self.shrink();
    }

    fn take(&mut self) -> Vec<Row> {
        let count = self.rows.len().min(BATCH);
        self.rows.drain(..count).collect()
    }

    fn put_back(&mut self, rows: Vec<Row>) {
        for row in rows.into_iter().rev() {
            self.rows.push_front(row);
        }
        self.shrink();
    }

    fn shrink(&mut self) {
        while MAX_WAITING < self.rows.len() {
            self.rows.pop_front();
            self.dropped += 1;
        }
    }
}

fn store<'w>(writer: &'w mut Writer, path: &Path) -> Result<&'w mut Store, StoreError> {
    if !writer.store.as_ref().is_some_and(|it| it.is_at(path)) {
        writer.store = None;
    }
    match &mut writer.store {
        Some(store) => Ok(store),
        empty => Ok(empty.insert(Store::open(path)?)),
    }
}

#[cfg(test)]
mod tests;
