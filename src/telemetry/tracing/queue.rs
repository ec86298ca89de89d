//! Spans on their way to the collector. The queue is bounded: when the collector is away for long, the oldest go, and are
//! counted. A request never waits for any of it.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{Notify, oneshot};

use super::span::Span;

/// Spans that wait at most; some 1 KiB each.
const MAX_WAITING: usize = 8 * 1024;
/// Spans that are sent at once.
const BATCH: usize = 512;

/// Spans that wait for the collector, and what became of the others.
#[derive(Default)]
pub struct Traces {
    waiting: Mutex<VecDeque<Span>>,
    /// Rings when a batch is full, or somebody wants everything sent.
    due: Notify,
    /// Who wants to know when that has been tried.
    flushes: Mutex<Vec<oneshot::Sender<()>>>,
    exported: AtomicU64,
    dropped: AtomicU64,
    refused: AtomicU64,
}

/// What became of spans.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SpanCounts {
    /// The collector has them.
    pub exported: u64,
    /// They waited too long.
    pub dropped: u64,
    /// The collector did not want them.
    pub refused: u64,
}

impl Traces {
    /// Spans to be sent.
    pub fn push(&self, spans: impl IntoIterator<Item = Span>) {
        let mut waiting = self.waiting.lock();
        waiting.extend(spans);
        self.bound(&mut waiting);
        let full = BATCH <= waiting.len();
        drop(waiting);
        if full {
            self.due.notify_one();
        }
    }

    /// The next batch; empty when nothing waits.
    pub fn take(&self) -> Vec<Span> {
        let mut waiting = self.waiting.lock();
        let count = BATCH.min(waiting.len());
        waiting.drain(..count).collect()
    }

    /// The collector is away: the batch waits on, in front of the others, as far as there is room.
    pub fn give_back(&self, batch: Vec<Span>) {
        let mut waiting = self.waiting.lock();
        for span in batch.into_iter().rev() {
            waiting.push_front(span);
        }
        self.bound(&mut waiting);
    }

    /// Nobody wants them any more.
    pub fn clear(&self) {
        self.waiting.lock().clear();
    }

    fn bound(&self, waiting: &mut VecDeque<Span>) {
        let many = waiting.len().saturating_sub(MAX_WAITING);
        waiting.drain(..many);
        self.dropped.fetch_add(count(many), Ordering::Relaxed);
    }

    /// So many have arrived, and so many of them were not wanted.
    pub fn sent(&self, spans: usize, refused: u64) {
        let refused = refused.min(count(spans));
        self.refused.fetch_add(refused, Ordering::Relaxed);
        self.exported
            .fetch_add(count(spans) - refused, Ordering::Relaxed);
    }

    /// What has become of all so far.
    pub fn counts(&self) -> SpanCounts {
        SpanCounts {
            exported: self.exported.load(Ordering::Relaxed),
            dropped: self.dropped.load(Ordering::Relaxed),
            refused: self.refused.load(Ordering::Relaxed),
        }
    }

    /// Resolves when a batch is full or everything is to be sent at once, but not later than after `interval`. True: at
    /// once, for the last time. Cancel safe.
    pub async fn due(&self, interval: Duration) -> bool {
        let rang = tokio::time::timeout(interval, self.due.notified()).await;
        rang.is_ok() && !self.flushes.lock().is_empty()
    }

    /// Has everything sent at once; waits until that has been tried, at most so long.
    pub async fn flush(&self, wait: Duration) {
        if self.waiting.lock().is_empty() {
            return;
        }
        let (done, tried) = oneshot::channel();
        self.flushes.lock().push(done);
        self.due.notify_one();
        let _ = tokio::time::timeout(wait, tried).await;
    }

    /// Everything has been tried.
    pub fn flushed(&self) {
        for done in self.flushes.lock().drain(..) {
            let _ = done.send(());
        }
    }
}

fn count(spans: usize) -> u64 {
    u64::try_from(spans).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::tracing::sample::settings;
    use crate::telemetry::tracing::{Kind, SpanId, Trace};

    fn spans(from: u64, until: u64) -> Vec<Span> {
        let trace = Trace::begin(&settings(), None, &[]);
        let span = |start| Span {
            trace: trace.id,
            id: SpanId::random(),
            parent: None,
            parent_is_remote: false,
            state: String::new(),
            name: String::new(),
            kind: Kind::Server,
            start,
            end: start,
            attributes: Vec::new(),
            error: None,
        };
        (from..until).map(span).collect()
    }

    #[test]
    fn the_oldest_go_when_nobody_takes_them() {
        let most = count(MAX_WAITING);
        let traces = Traces::default();
        traces.push(spans(0, most + 10));
        assert_eq!(traces.counts().dropped, 10);
        let batch = traces.take();
        assert_eq!((batch.len(), batch[0].start), (BATCH, 10));
        // Meanwhile others have come.
        traces.push(spans(most + 10, most + 20));
        traces.give_back(batch);
        assert_eq!(traces.counts().dropped, 20);
        assert_eq!(traces.take()[0].start, 20);
        traces.sent(5, 2);
        let counts = traces.counts();
        assert_eq!((counts.exported, counts.refused), (3, 2));
    }

    #[tokio::test]
    async fn a_flush_waits_until_everything_was_tried() {
        let traces = Traces::default();
        traces.flush(Duration::from_secs(60)).await;
        traces.push(spans(0, 3));
        let exporter = async {
            assert!(traces.due(Duration::from_secs(60)).await);
            assert_eq!(traces.take().len(), 3);
            traces.flushed();
        };
        tokio::join!(traces.flush(Duration::from_secs(60)), exporter);
        // A full batch rings as well, but is no flush.
        traces.push(spans(0, count(BATCH)));
        assert!(!traces.due(Duration::from_secs(60)).await);
    }
}
