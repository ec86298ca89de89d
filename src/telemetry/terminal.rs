//! Standard error: a bounded queue, and a thread that writes it.
//!
//! A request never waits for whoever reads the console. A pipe whose reader has stopped (a pager, a paused terminal, a
//! log collector that hangs) takes 64 KiB and then blocks who writes. When the queue is full, lines are lost and
//! counted; the count is told as soon as somebody reads again.

use std::io;
use std::io::Write;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::queue::{Outlet, Queue, queue};

/// Where lines for people go.
#[derive(Clone)]
pub(super) struct Terminal {
    queue: Queue,
}

impl Terminal {
    /// Starts the thread that writes to `out`.
    pub(super) fn new(out: impl Write + Send + 'static) -> Self {
        let (queue, outlet) = queue();
        // Without a thread the other end is gone, and every line counts as lost.
        let _ = std::thread::Builder::new()
            .name("log-console".to_owned())
            .spawn(move || run(out, &outlet));
        Terminal { queue }
    }

    /// Waits until everything queued is written, at most so long.
    pub(super) fn flush(&self, wait: Duration) {
        self.queue.flush(wait);
    }
}

/// Takes one line at a time, as the logger hands them over.
impl Write for Terminal {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.queue.write(line.to_vec());
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn run(mut out: impl Write, outlet: &Outlet) {
    while let Some(batch) = outlet.next() {
        // A console that is gone is no reason not to serve.
        let _ = out.write_all(&batch.text);
        let count = outlet.lost.swap(0, Ordering::Relaxed);
        if 0 < count {
            let _ = writeln!(out, "{count} log lines were lost: nobody read them in time");
        }
        batch.written();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

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
