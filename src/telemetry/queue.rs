//! A bounded queue between those who log and the thread that writes: who logs never waits. When it is full, lines are
//! lost and counted.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::time::{Duration, Instant};

/// Lines that may wait for their writer.
const LINES: usize = 8 * 1024;
/// Lines are written together up to this many bytes.
const BATCH_BYTES: usize = 64 * 1024;
/// Time between two tries to get into a full queue, for those who may wait.
const FLUSH_RETRY: Duration = Duration::from_millis(1);

/// The end that lines go into.
#[derive(Clone)]
pub(super) struct Queue {
    jobs: SyncSender<Job>,
    lost: Arc<AtomicU64>,
}

/// The end that lines come out of.
pub(super) struct Outlet {
    jobs: Receiver<Job>,
    /// Lines that were lost so far.
    pub lost: Arc<AtomicU64>,
}

enum Job {
    Line(Vec<u8>),
    /// Answered when everything before it is written.
    Flush(SyncSender<()>),
}

/// Lines to be written together.
#[derive(Default)]
pub(super) struct Batch {
    pub text: Vec<u8>,
    pub lines: u64,
    flushes: Vec<SyncSender<()>>,
}

/// A queue with both its ends.
pub(super) fn queue() -> (Queue, Outlet) {
    let (sender, jobs) = sync_channel(LINES);
    let lost = Arc::new(AtomicU64::new(0));
    let outlet = Outlet {
        jobs,
        lost: Arc::clone(&lost),
    };
    (Queue { jobs: sender, lost }, outlet)
}

impl Queue {
    /// Queues a line, or counts it as lost.
    pub(super) fn write(&self, line: Vec<u8>) {
        if self.jobs.try_send(Job::Line(line)).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Waits until everything queued is written, at most so long.
    pub(super) fn flush(&self, wait: Duration) {
        let until = Instant::now() + wait;
        let (done, written) = sync_channel(1);
        let mut job = Job::Flush(done);
        while let Err(TrySendError::Full(unsent)) = self.jobs.try_send(job) {
            if until <= Instant::now() {
                return;
            }
            // The queue has no sending with a time limit, and a hanging disk must not hold up the end.
            std::thread::sleep(FLUSH_RETRY);
            job = unsent;
        }
        let _ = written.recv_timeout(until.saturating_duration_since(Instant::now()));
    }

    /// Lines lost so far.
    pub(super) fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }
}

impl Outlet {
    /// Waits for lines, and takes as many as are written together. `None`: nobody will log any more.
    pub(super) fn next(&self) -> Option<Batch> {
        let mut batch = Batch::default();
        batch.add(self.jobs.recv().ok()?);
        while batch.text.len() < BATCH_BYTES {
            let Ok(job) = self.jobs.try_recv() else {
                break;
            };
            batch.add(job);
        }
        Some(batch)
    }
}

impl Batch {
    fn add(&mut self, job: Job) {
        match job {
            Job::Line(line) => {
                self.text.extend_from_slice(&line);
                self.lines += 1;
            }
            Job::Flush(done) => self.flushes.push(done),
        }
    }

    /// Tells those who wait for it that it is written.
    pub(super) fn written(self) {
        for flush in self.flushes {
            let _ = flush.try_send(());
        }
    }
}
