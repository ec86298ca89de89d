//! Bodies kept for people to look at: off unless asked for, a file each, credentials blacked out.
//!
//! A request never waits for the disk: a bounded queue and a thread (`writer`). What does not fit into the queue is not
//! kept, and counted. Headers are never captured. Answers are what the client got, requests what it sent.

mod writer;

use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;

use crate::config::Capture;
use crate::telemetry::timestamp::rfc3339;
use crate::types::{RequestId, Secret};
use writer::Writer;

/// Files that may wait for the disk.
const QUEUE_FILES: usize = 256;
/// Bytes that may.
const QUEUE_BYTES: usize = 64 << 20;
/// Beyond the limit of one body, bytes: a secret that the limit would cut in two must still be known as one.
const LONGEST_SECRET: usize = 8 * 1024;
/// Time between two tries to get into a full queue, for those who may wait.
const FLUSH_RETRY: Duration = Duration::from_millis(1);

/// Which body it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// What the client sent.
    Request,
    /// What it got.
    Response,
}

impl Part {
    fn ending(self) -> &'static str {
        match self {
            Part::Request => "-request.json",
            Part::Response => "-response.txt",
        }
    }
}

/// One body to be kept.
pub struct Body<'b> {
    /// Of which request.
    pub id: &'b RequestId,
    /// Which of its two.
    pub part: Part,
    /// The bytes, or their beginning.
    pub bytes: Bytes,
    /// What must not be in the file.
    pub secrets: Vec<Secret>,
}

/// Collects an answer, as far as it is kept.
#[derive(Debug)]
pub struct Tap {
    bytes: Vec<u8>,
    most: usize,
}

impl Tap {
    /// Keeps what `settings` allow of one body.
    pub fn new(settings: &Capture) -> Self {
        Tap {
            bytes: Vec::new(),
            most: most(settings),
        }
    }

    /// More of it.
    pub fn push(&mut self, piece: &[u8]) {
        let room = self.most - self.bytes.len();
        let piece = piece.get(..room).unwrap_or(piece);
        self.bytes.extend_from_slice(piece);
    }

    /// All of it.
    pub fn into_bytes(self) -> Bytes {
        self.bytes.into()
    }
}

/// One byte more than is kept tells that there was more.
fn most(settings: &Capture) -> usize {
    settings.max_body_bytes.saturating_add(LONGEST_SECRET)
}

/// Bodies on their way to the disk.
#[derive(Default)]
pub struct Captures {
    /// The thread starts with the first body.
    queue: OnceLock<SyncSender<Job>>,
    waiting: Arc<AtomicUsize>,
    lost: Arc<AtomicU64>,
}

enum Job {
    File {
        settings: Capture,
        name: String,
        bytes: Bytes,
        secrets: Vec<Secret>,
    },
    /// Answered when everything before it is written.
    Flush(SyncSender<()>),
}

impl Captures {
    /// Keeps a body, or counts it as lost.
    pub fn keep(&self, settings: &Capture, body: Body<'_>) {
        let most = most(settings);
        let bytes = body.bytes.slice(..most.min(body.bytes.len()));
        let time = rfc3339(SystemTime::now()).replace(':', "-");
        let (length, ending) = (bytes.len(), body.part.ending());
        let job = Job::File {
            settings: settings.clone(),
            name: format!("{time}-{}{ending}", body.id),
            bytes,
            secrets: body.secrets,
        };
        let before = self.waiting.fetch_add(length, Ordering::Relaxed);
        let fits = before == 0 || before.saturating_add(length) <= QUEUE_BYTES;
        if !fits || self.queue().try_send(job).is_err() {
            self.waiting.fetch_sub(length, Ordering::Relaxed);
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Bodies that were not kept: the queue was full, or the disk refused.
    pub fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }

    /// Waits until everything so far is written, at most so long.
    pub fn flush(&self, wait: Duration) {
        let Some(queue) = self.queue.get() else {
            return;
        };
        let until = Instant::now() + wait;
        let (done, written) = sync_channel(1);
        let mut job = Job::Flush(done);
        while let Err(TrySendError::Full(unsent)) = queue.try_send(job) {
            if until <= Instant::now() {
                return;
            }
            std::thread::sleep(FLUSH_RETRY);
            job = unsent;
        }
        let _ = written.recv_timeout(until.saturating_duration_since(Instant::now()));
    }

    fn queue(&self) -> &SyncSender<Job> {
        self.queue.get_or_init(|| {
            let (queue, jobs) = sync_channel(QUEUE_FILES);
            let (waiting, lost) = (Arc::clone(&self.waiting), Arc::clone(&self.lost));
            // Without a thread the receiver is gone, and every body counts as lost.
            let _ = std::thread::Builder::new()
                .name("capture".to_owned())
                .spawn(move || run(&jobs, &waiting, &lost));
            queue
        })
    }
}

fn run(jobs: &Receiver<Job>, waiting: &AtomicUsize, lost: &AtomicU64) {
    let mut writer = Writer::default();
    while let Ok(job) = jobs.recv() {
        match job {
            Job::File {
                settings,
                name,
                bytes,
                secrets,
            } => {
                if !writer.write(&settings, &name, &bytes, &secrets) {
                    lost.fetch_add(1, Ordering::Relaxed);
                }
                waiting.fetch_sub(bytes.len(), Ordering::Relaxed);
            }
            Job::Flush(done) => {
                let _ = done.try_send(());
            }
        }
    }
}

#[cfg(test)]
mod tests;
