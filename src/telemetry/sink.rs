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
use std::sync::atomic::Ordering;
use std::time::Duration;
use std::time::Instant;
use std::time::SystemTime;

use super::queue::{Batch, Outlet, Queue, queue};
use crate::telemetry::json;
use crate::telemetry::line::Line;

/// Time between two tries to open a file that could not be written.
const REOPEN_AFTER: Duration = Duration::from_secs(5);

/// Where JSON lines go.
pub(super) struct FileSink {
    queue: Queue,
    reopen: Arc<AtomicBool>,
}

impl FileSink {
    /// Starts the thread. The file and its directories are created when the first line comes.
    pub(super) fn new(path: PathBuf) -> Self {
        let (queue, outlet) = queue();
        let reopen = Arc::new(AtomicBool::new(false));
        let writer = Writer {
            path,
            outlet,
            reopen: Arc::clone(&reopen),
            file: None,
            failed_at: None,
            torn: false,
            told_lost: 0,
        };
        // Without a thread the other end is gone, and every line counts as lost.
        let _ = std::thread::Builder::new()
            .name("log-file".to_owned())
            .spawn(move || writer.run());
        FileSink { queue, reopen }
    }

    /// Queues a line, or counts it as lost.
    pub(super) fn write(&self, line: String) {
        self.queue.write(line.into_bytes());
    }

    /// Waits until everything queued is written, at most so long.
    pub(super) fn flush(&self, wait: Duration) {
        self.queue.flush(wait);
    }

    /// Opens the file anew before the next line.
    pub(super) fn reopen(&self) {
        self.reopen.store(true, Ordering::Relaxed);
    }

    /// Lines lost so far.
    pub(super) fn lost(&self) -> u64 {
        self.queue.lost()
    }
}

struct Writer {
    path: PathBuf,
    outlet: Outlet,
    reopen: Arc<AtomicBool>,
    file: Option<File>,
    /// When the file could last not be opened or written.
    failed_at: Option<Instant>,
    /// Whether the last failure may have left half a line behind.
    torn: bool,
    /// Lost lines the file knows of.
    told_lost: u64,
}

impl Writer {
    fn run(mut self) {
        while let Some(batch) = self.outlet.next() {
            self.write(&batch);
            batch.written();
        }
    }

    fn write(&mut self, batch: &Batch) {
        if self.reopen.swap(false, Ordering::Relaxed) {
            self.file = None;
            self.failed_at = None;
        }
        if batch.lines == 0 {
            return;
        }
        if let Err(error) = self.try_write(batch) {
            self.outlet.lost.fetch_add(batch.lines, Ordering::Relaxed);
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
        let lost = self.outlet.lost.load(Ordering::Relaxed);
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
