//! The log file: a bounded queue, and a thread that writes it.
//!
//! A request never waits for the disk. When the queue is full, or the disk refuses, lines are lost and counted; the
//! count goes into the file as soon as it can be written again.

use std::fs::File;
use std::fs::OpenOptions;
use std::io;
use std::io::Write;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;
use std::sync::mpsc::Receiver;
use std::sync::mpsc::SyncSender;
use std::sync::mpsc::TrySendError;
use std::sync::mpsc::sync_channel;
use std::time::Duration;
use std::time::Instant;
use std::time::SystemTime;

use crate::telemetry::json;
use crate::telemetry::line::Line;

/// Lines that may wait for the disk.
const QUEUE_LINES: usize = 8 * 1024;
/// Lines are written together up to this many bytes.
const BATCH_BYTES: usize = 64 * 1024;
/// Time between two tries to open a file that could not be written.
const REOPEN_AFTER: Duration = Duration::from_secs(5);

/// Time between two tries to get into a full queue, for those who may wait.
const FLUSH_RETRY: Duration = Duration::from_millis(1);

/// Where JSON lines go.
pub(super) struct FileSink {
    queue: SyncSender<Job>,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    lost: AtomicU64,
    reopen: AtomicBool,
}

enum Job {
    Line(String),
    /// Answered when everything before it is written.
    Flush(SyncSender<()>),
}

impl FileSink {
    /// Starts the thread. The file and its directories are created when the first line comes.
    pub(super) fn new(path: PathBuf) -> Self {
        let (queue, jobs) = sync_channel(QUEUE_LINES);
        let shared = Arc::new(Shared::default());
        let writer = Writer {
            path,
            shared: Arc::clone(&shared),
            file: None,
            failed_at: None,
            torn: false,
            told_lost: 0,
        };
        // Without a thread the receiver is gone, and every line counts as lost.
        let _ = std::thread::Builder::new()
            .name("log-file".to_owned())
            .spawn(move || writer.run(&jobs));
        FileSink { queue, shared }
    }

    /// Queues a line, or counts it as lost.
    pub(super) fn write(&self, line: String) {
        if self.queue.try_send(Job::Line(line)).is_err() {
            self.shared.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Waits until everything queued is written, at most so long.
    pub(super) fn flush(&self, wait: Duration) {
        let until = Instant::now() + wait;
        let (done, written) = sync_channel(1);
        let mut job = Job::Flush(done);
        while let Err(TrySendError::Full(unsent)) = self.queue.try_send(job) {
            if until <= Instant::now() {
                return;
            }
            // The queue has no sending with a time limit, and a hanging disk must not hold up the end.
            std::thread::sleep(FLUSH_RETRY);
            job = unsent;
        }
        let _ = written.recv_timeout(until.saturating_duration_since(Instant::now()));
    }

    /// Opens the file anew before the next line.
    pub(super) fn reopen(&self) {
        self.shared.reopen.store(true, Ordering::Relaxed);
    }

    /// Lines lost so far.
    pub(super) fn lost(&self) -> u64 {
        self.shared.lost.load(Ordering::Relaxed)
    }
}

struct Writer {
    path: PathBuf,
    shared: Arc<Shared>,
    file: Option<File>,
    /// When the file could last not be opened or written.
    failed_at: Option<Instant>,
    /// Whether the last failure may have left half a line behind.
    torn: bool,
    /// Lost lines the file knows of.
    told_lost: u64,
}

impl Writer {
    fn run(mut self, jobs: &Receiver<Job>) {
        while let Ok(job) = jobs.recv() {
            let mut batch = Batch::default();
            let mut flushes = Vec::new();
            batch.add(job, &mut flushes);
            while batch.text.len() < BATCH_BYTES {
                match jobs.try_recv() {
                    Ok(job) => batch.add(job, &mut flushes),
                    Err(_) => break,
                }
            }
            self.write(&batch);
            for flush in flushes {
                let _ = flush.try_send(());
            }
        }
    }

    fn write(&mut self, batch: &Batch) {
        if self.shared.reopen.swap(false, Ordering::Relaxed) {
            self.file = None;
            self.failed_at = None;
        }
        if batch.lines == 0 {
            return;
        }
        if let Err(error) = self.try_write(batch) {
            self.shared.lost.fetch_add(batch.lines, Ordering::Relaxed);
            self.file = None;
            if let Some(error) = error {
                self.failed_at = Some(Instant::now());
                // Goes to the console; in the queue of this very file it is one line more to lose.
                log::warn!(path:% = self.path.display(), error:%; "log file cannot be written, lines are lost");
            }
        }
    }

    /// `Err(None)`: not tried, the last failure is too recent.
    fn try_write(&mut self, batch: &Batch) -> Result<(), Option<io::Error>> {
        let mut file = match self.file.take() {
            Some(file) => file,
            None if self.failed_at.is_some_and(|at| at.elapsed() < REOPEN_AFTER) => {
                return Err(None);
            }
            None => open(&self.path)?,
        };
        if std::mem::replace(&mut self.torn, true) {
            file.write_all(b"\n")?;
        }
        let lost = self.shared.lost.load(Ordering::Relaxed);
        if self.told_lost < lost {
            file.write_all(lost_line(lost - self.told_lost).as_bytes())?;
            self.told_lost = lost;
        }
        file.write_all(&batch.text)?;
        self.failed_at = None;
        self.torn = false;
        self.file = Some(file);
        Ok(())
    }
}

fn open(path: &Path) -> io::Result<File> {
    if let Some(directory) = path.parent() {
        std::fs::create_dir_all(directory)?;
    }
    let mut options = OpenOptions::new();
    options.create(true).append(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o640);
    options.open(path)
}

fn lost_line(count: u64) -> String {
    json::render(&Line {
        time: SystemTime::now(),
        level: log::Level::Warn,
        target: module_path!().to_owned(),
        message: "log lines were lost".to_owned(),
        fields: vec![("lines".to_owned(), count.into())],
    })
}

#[derive(Default)]
struct Batch {
    text: Vec<u8>,
    lines: u64,
}

impl Batch {
    fn add(&mut self, job: Job, flushes: &mut Vec<SyncSender<()>>) {
        match job {
            Job::Line(line) => {
                self.text.extend_from_slice(line.as_bytes());
                self.lines += 1;
            }
            Job::Flush(done) => flushes.push(done),
        }
    }
}
