//! Moments of an exchange: when an attempt has stalled, and when a waiting client needs a sign of life.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use pingora::prelude::sleep;
use tokio::time::Instant as TimerInstant;

use super::downstream::{Gone, Shown};
use super::exchange::Exchange;
use super::relay::Relay;
use crate::error::Timer;
use crate::protocol::errors;

/// What a timer means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Due {
    /// The client needs a sign of life.
    Ping,
    /// The attempt has stalled.
    Stalled(Timer),
    /// The attempt is slow: another one may begin beside it.
    Slow,
    /// That one has stalled.
    HedgeStalled(Timer),
}

/// Longest sleep at a time. Pingora's sleeps are kept until they ring, even when nobody waits for them any more.
const LONGEST_SLEEP: Duration = Duration::from_secs(60);

/// Rings at a moment, or earlier when that is far away. Pingora's sleep is exact to 10 ms and,
/// unlike the runtime's own, does not wake the runtime to be set.
pub(super) struct Alarm {
    /// When it rings.
    pub(super) at: Instant,
    /// Whether it has.
    pub(super) rang: bool,
    /// Waits for it.
    pub(super) sleep: Pin<Box<dyn Future<Output = ()> + Send>>,
}

impl Alarm {
    /// Rings at that moment.
    pub(super) fn at(at: Instant) -> Self {
        let now = Instant::now();
        let wait = at.saturating_duration_since(now).min(LONGEST_SLEEP);
        Alarm {
            at: now + wait,
            rang: false,
            sleep: Box::pin(sleep(wait)),
        }
    }
}

impl Exchange<'_, '_> {
    /// The next moment at which something is due, and what.
    pub(super) fn next_timer(&self, relay: &Relay) -> (Instant, Due) {
        let (at, timer) = self.stalls(relay);
        let mut next = (at, Due::Stalled(timer));
        let mut earlier = |at: Instant, due: Due| {
            if at < next.0 {
                next = (at, due);
            }
        };
        if let Some(hedge) = &self.hedge {
            let (at, timer) = self.stalls(&hedge.relay);
            earlier(at, Due::HedgeStalled(timer));
        } else if let Some(at) = relay.slow_at {
            earlier(at, Due::Slow);
        }
        if let Some(at) = self.next_ping() {
            earlier(at, Due::Ping);
        }
        next
    }

    /// When an attempt that stays silent has stalled, and by which timer.
    fn stalls(&self, relay: &Relay) -> (Instant, Timer) {
        let incoming = relay.running.attempt().incoming();
        let (head_at, last_byte_at) = (incoming.head_at, incoming.last_byte_at);
        drop(incoming);
        let (stream, timeouts) = (self.request.head.stream, &relay.timeouts);
        let quiet = last_byte_at.map_or(relay.begun, |at| at) + timeouts.idle;
        let mut next = match head_at {
            None if stream => (relay.begun + timeouts.first_byte, Timer::FirstByte),
            None => (relay.begun + timeouts.first_byte_whole, Timer::FirstByte),
            Some(_) => (quiet, Timer::Idle),
        };
        let mut earlier = |at: Instant, timer: Timer| {
            if at < next.0 {
                next = (at, timer);
            }
        };
        if stream && !relay.committed {
            earlier(relay.begun + timeouts.first_content, Timer::FirstContent);
        }
        if !relay.committed || !stream {
            earlier(self.request.deadline, Timer::Deadline);
        }
        next
    }

    /// When a streaming client needs its next sign of life.
    fn next_ping(&self) -> Option<Instant> {
        if !self.request.head.stream || self.client.is_quiet() {
            return None;
        }
        let settings = &self.snapshot.config.settings;
        match self.shown() {
            Shown::Nothing => Some(self.request.started + settings.ping_after),
            Shown::Waiting | Shown::Content => {
                Some(self.client.last_write + settings.ping_interval)
            }
            Shown::Everything => None,
        }
    }

    /// Gives a streaming client a sign of life, and a head before it if it has none.
    pub(super) async fn ping(&mut self) -> Result<(), Gone> {
        if self.shown() == Shown::Nothing {
            self.client.open_early(Vec::new()).await?;
        }
        self.client.ping(errors::ping(self.request.dialect)).await
    }

    /// Waits between two tries, with signs of life for the client. False: the client left.
    pub(super) async fn wait(&mut self, wait: Duration) -> bool {
        let until = Instant::now() + wait;
        let closing = Arc::clone(&self.edge.shared.closing);
        let mut hurried = std::pin::pin!(closing.hurried());
        loop {
            let ping = self.next_ping().filter(|at| *at < until);
            let at = TimerInstant::from_std(ping.unwrap_or(until));
            tokio::select! { biased;
                () = self.client.left() => return false,
                // The next try ends the request.
                () = hurried.as_mut() => return true,
                () = tokio::time::sleep_until(at) => {
                    if ping.is_none() {
                        return true;
                    }
                    if self.ping().await.is_err() {
                        return false;
                    }
                }
            }
        }
    }
}

/// What a stall is called where a client may read it.
pub(super) fn stalled_text(timer: Timer) -> &'static str {
    match timer {
        Timer::Connect => "the provider could not be reached in time",
        Timer::FirstByte => "the provider did not answer in time",
        Timer::FirstContent => "the provider sent no content in time",
        Timer::Idle => "the provider fell silent",
        Timer::Deadline => "the request took too long",
    }
}
