//! Standard error: a bounded queue, and a thread that writes it.
//!
//! A request never waits for whoever reads the console. A pipe whose reader has stopped (a pager, a paused terminal, a
//! log collector that hangs) takes 64 KiB and then blocks who writes. When the queue is full, lines are lost and
//! counted; the count is told as soon as somebody reads again.

use std::io;
use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;
use std::sync::mpsc::Receiver;
use std::sync::mpsc::SyncSender;
use std::sync::mpsc::TrySendError;
use std::sync::mpsc::sync_channel;
use std::time::Duration;
use std::time::Instant;

/// Lines that may wait for their reader.
const QUEUE_LINES: usize = 8 * 1024;
/// Lines are written together up to this many bytes.
const BATCH_BYTES: usize = 64 * 1024;
/// Time between two tries to get into a full queue, for those who may wait.
const FLUSH_RETRY: Duration = Duration::from_millis(1);

/// Where lines for people go.
#[derive(Clone)]
pub(super) struct Terminal {
    queue: SyncSender<Job>,
    lost: Arc<AtomicU64>,
}

enum Job {
    Line(Vec<u8>),
    /// Answered when everything before it is written.
    Flush(SyncSender<()>),
}

impl Terminal {
    /// Starts the thread that writes to `out`.
    pub(super) fn new(out: impl Write + Send + 'static) -> Self {
        let (queue, jobs) = sync_channel(QUEUE_LINES);
        let lost = Arc::new(AtomicU64::new(0));
        let told = Arc::clone(&lost);
        // Without a thread the receiver is gone, and every line counts as lost.
        let _ = std::thread::Builder::new()
            .name("log-console".to_owned())
            .spawn(move || run(out, &jobs, &told));
        Terminal { queue, lost }
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
            std::thread::sleep(FLUSH_RETRY);
            job = unsent;
        }
        let _ = written.recv_timeout(until.saturating_duration_since(Instant::now()));
    }
}

/// Takes one line at a time, as the logger hands them over.
impl Write for Terminal {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if self.queue.try_send(Job::Line(line.to_vec())).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn run(mut out: impl Write, jobs: &Receiver<Job>, lost: &AtomicU64) {
    while let Ok(first) = jobs.recv() {
        let (mut text, mut flushes) = (Vec::new(), Vec::new());
        let mut next = Some(first);
        while let Some(job) = next {
            match job {
                Job::Line(line) => text.extend_from_slice(&line),
                Job::Flush(done) => flushes.push(done),
            }
            let more = text.len() < BATCH_BYTES;
            next = more.then(|| jobs.try_recv().ok()).flatten();
        }
        // A console that is gone is no reason not to serve.
        let _ = out.write_all(&text);
        let count = lost.swap(0, Ordering::Relaxed);
        if 0 < count {
            let _ = writeln!(out, "{count} log lines were lost: nobody read them in time");
        }
        for flush in flushes {
            let _ = flush.try_send(());
        }
    }
}

#[cfg(test)]
mod tests {
    use parking_lot::Mutex;

    use super::*;

    /// Writes nothing for as long as the lock is held.
    struct Held(Arc<Mutex<Vec<u8>>>);

    impl Write for Held {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn who_logs_does_not_wait_for_who_reads() {
        let read = Arc::new(Mutex::new(Vec::new()));
        let stopped = read.lock();
        let mut terminal = Terminal::new(Held(Arc::clone(&read)));
        for number in 0..100_000 {
            let line = format!("{number}\n");
            terminal.write_all(line.as_bytes()).expect("queued or lost");
        }
        drop(stopped);
        terminal.flush(Duration::from_secs(10));
        let text = String::from_utf8(read.lock().clone()).expect("text");
        assert!(text.starts_with("0\n1\n"), "in order from the first");
        assert!(
            text.contains(" log lines were lost"),
            "{} lines",
            text.lines().count()
        );
    }
}
