//! From a running attempt to the client: held back until the first content, then as it comes. A hedge is listened to
//! as well, until either shows content.

use std::sync::Arc;
use std::time::{Instant, SystemTime};

use bytes::Bytes;
use http::HeaderMap;
use pingora::http::ResponseHeader;

use super::answer::Refused;
use super::attempt::{Progress, Running};
use super::choose::Candidate;
use super::closing::stopped;
use super::downstream::{Gone, Shown};
use super::estimate::PromptEstimate;
use super::exchange::{End, Ending, Exchange, Outcome};
use super::timers::{Alarm, Due, stalled_text};
use super::{finish, hedge, judge, refuse};
use crate::cache;
use crate::config::Timeouts;
use crate::credential::{KeyIndex, Told};
use crate::error::{Fault, FaultKind, Timer};
use crate::protocol::canonical::Losses;
use crate::telemetry::metrics::Histogram;
use crate::types::Dialect;

/// One attempt being relayed.
pub(super) struct Relay {
    pub(super) running: Running,
    pub(super) timeouts: Timeouts,
    pub(super) begun: Instant,
    /// When another one may begin beside it.
    pub(super) slow_at: Option<Instant>,
    /// What came of it before its turn had come; with `true` its end.
    pub(super) ready: Option<(Vec<Bytes>, bool)>,
    /// What its translation lost.
    losses: Losses,
    /// The prompt's size before its provider has told.
    estimate: Option<PromptEstimate>,
    key: Option<KeyIndex>,
    head: Option<Box<ResponseHeader>>,
    /// Pieces of an answer that is not streamed; it is written at once.
    whole: Vec<Bytes>,
    pub(super) committed: bool,
    /// When content was written last, and where silences are told.
    shown: Option<(Instant, Histogram)>,
}

/// What an attempt's progress comes to.
pub(super) enum News {
    /// Nothing that the client could see.
    Nothing,
    /// Pieces of its answer; with `true` the last.
    Pieces(Vec<Bytes>, bool),
    /// No more of an answer, behind these pieces.
    Broken(Vec<Bytes>),
}

impl Relay {
    /// Of an attempt that has just been started.
    pub(super) fn new(
        timeouts: Timeouts,
        key: Option<KeyIndex>,
        running: Running,
        losses: Losses,
        estimate: Option<PromptEstimate>,
    ) -> Self {
        Relay {
            running,
            timeouts,
            begun: Instant::now(),
            slow_at: None,
            ready: None,
            losses,
            estimate,
            key,
            head: None,
            whole: Vec::new(),
            committed: false,
            shown: None,
        }
    }

    /// Takes what the attempt gave.
    pub(super) fn read(&mut self, candidate: &Candidate, progress: Progress) -> News {
        let Progress::Answer {
            head,
            mut pieces,
            end,
        } = progress
        else {
            return News::Broken(Vec::new());
        };
        if let Some(head) = head {
            learn(candidate, self, &head.headers);
            self.head = Some(head);
        }
        if !end {
            return if pieces.is_empty() {
                News::Nothing
            } else {
                News::Pieces(pieces, false)
            };
        }
        let mut incoming = self.running.attempt().incoming();
        match incoming.close() {
            Ok(rest) => pieces.extend(rest),
            Err(_) => return News::Broken(pieces),
        }
        if pieces.is_empty() && !self.committed && self.whole.is_empty() {
            // Where the provider has refused, that comes before this.
            incoming.fail(bad_answer("an empty answer"));
            return News::Broken(pieces);
        }
        News::Pieces(pieces, true)
    }
}

impl Exchange<'_, '_> {
    /// Relays an attempt's answer, or finds out why there is none.
    pub(super) async fn relay(&mut self, candidate: &Candidate, relay: &mut Relay) -> Outcome {
        self.at_home.key = relay.key;
        self.tried = Some((candidate.clone(), relay.key));
        self.losses = std::mem::take(&mut relay.losses);
        self.estimate = relay.estimate;
        let outcome = self.pump(candidate, relay).await;
        let told = relay.running.attempt().incoming().failure_told();
        self.hear(candidate, told);
        if relay.committed {
            self.told = relay.running.attempt().told();
            if !matches!(outcome, Outcome::Served) {
                spend(candidate, relay);
            }
            self.served_by = Some(candidate.clone());
        }
        if let Outcome::Served = outcome {
            relay.running.tidy_up().await;
        }
        outcome
    }

    async fn pump(&mut self, candidate: &Candidate, relay: &mut Relay) -> Outcome {
        if let Some((pieces, end)) = relay.ready.take()
            && let Some(outcome) = self.show(candidate, relay, pieces, end).await
        {
            return outcome;
        }
        let mut alarm = Alarm::at(self.next_timer(relay).0);
        let closing = Arc::clone(&self.edge.shared.closing);
        let mut hurried = std::pin::pin!(closing.hurried());
        loop {
            // Moments mostly move later: an alarm that rings too early costs less than one set anew for every event.
            let at = self.next_timer(relay).0;
            if at < alarm.at || alarm.rang {
                alarm = Alarm::at(at);
            }
            tokio::select! { biased;
                progress = relay.running.next() => {
                    let news = relay.read(candidate, progress);
                    if let Some(outcome) = self.answer(candidate, relay, news).await {
                        return outcome;
                    }
                }
                progress = hedge::next(&mut self.hedge) => {
                    if self.hedge_gave(relay, progress) {
                        return Outcome::Overtaken;
                    }
                }
                () = self.client.left() => return Outcome::Left,
                () = hurried.as_mut() => return self.broke_off(relay, stopped()),
                () = alarm.sleep.as_mut() => {
                    alarm.rang = true;
                    if let Some(outcome) = self.time_passed(candidate, relay).await {
                        return outcome;
                    }
                }
            }
        }
    }

    /// Takes what came of the attempt. `Some`: the attempt is over.
    async fn answer(
        &mut self,
        candidate: &Candidate,
        relay: &mut Relay,
        news: News,
    ) -> Option<Outcome> {
        match news {
            News::Nothing => None,
            News::Pieces(pieces, end) => self.show(candidate, relay, pieces, end).await,
            News::Broken(before) => {
                // What came before the break still goes out, unless nothing has been shown: then another provider may
                // serve as if nothing had happened.
                if relay.committed
                    && let Some(outcome) = self.show(candidate, relay, before, false).await
                {
                    return Some(outcome);
                }
                Some(self.broken(candidate, relay).await)
            }
        }
    }

    /// Shows the client pieces of the answer. `Some`: the attempt is over.
    async fn show(
        &mut self,
        candidate: &Candidate,
        relay: &mut Relay,
        mut pieces: Vec<Bytes>,
        end: bool,
    ) -> Option<Outcome> {
        if pieces.is_empty() && !end {
            return None;
        }
        let streamed = self.request.head.stream || self.shown() == Shown::Content;
        // An answer that is handed out whole has nothing to wait for once its own end was seen.
        let end = end || (!streamed && relay.running.attempt().incoming().is_complete());
        if !relay.committed {
            relay.committed = true;
            relay.slow_at = None;
            self.call_off();
            self.ttft = Some(self.request.started.elapsed());
            let health = &candidate.endpoint.health;
            health.promising(relay.begun, Instant::now());
            if let Some(head) = relay.head.as_mut() {
                finish::mark_head(self, candidate, head);
            }
            let usage_is_known = relay.running.attempt().told().usage.is_some();
            self.keep_prompt(candidate, usage_is_known);
            if streamed {
                self.bind_home(candidate);
                self.request.shed();
            }
        }
        if end {
            whole(candidate, relay);
            self.charge_whole(candidate, &relay.running.attempt().told());
            self.keep_whole(relay, &pieces);
            if !streamed {
                self.bind_home(candidate);
            }
        }
        let relayed_error = relay.running.attempt().incoming().relayed_error();
        let relayed_error =
            relayed_error.map(|fault| judge::masked_fault(&self.any_case(candidate), fault));
        if relayed_error.is_some() {
            self.steer_away(candidate);
            pieces = judge::masked_pieces(&candidate.endpoint, pieces);
        }
        let written = if streamed {
            let written = self.client.stream(relay.head.take(), pieces, end).await;
            self.measure_silence(candidate, relay);
            written
        } else if end {
            let mut all = std::mem::take(&mut relay.whole);
            all.append(&mut pieces);
            self.write_whole(relay, all).await
        } else {
            relay.whole.append(&mut pieces);
            return None;
        };
        let is_broken = relay.running.attempt().incoming().is_broken();
        match (written, relayed_error) {
            (Err(Gone), _) => Some(Outcome::Left),
            (Ok(()), Some(fault)) if !end => Some(Outcome::Cut(fault, Ending::Silence)),
            (Ok(()), None) if !end && is_broken => Some(self.broken(candidate, relay).await),
            (Ok(()), _) => end.then_some(Outcome::Served),
        }
    }

    /// How long the client has waited for this piece of its stream.
    fn measure_silence(&self, candidate: &Candidate, relay: &mut Relay) {
        let now = self.client.last_write;
        if let Some((last, gaps)) = &mut relay.shown {
            gaps.observe(now.duration_since(*last).as_secs_f64());
            *last = now;
        } else {
            let metrics = &self.edge.shared.metrics;
            relay.shown = Some((now, metrics.gaps(candidate.endpoint.id().as_str())));
        }
    }

    /// Keeps an answer that is whole with these `last` pieces, where a cache wants it.
    fn keep_whole(&self, relay: &Relay, last: &[Bytes]) {
        if self.ticket.is_some() {
            let told = relay.running.attempt().told();
            let all = [&relay.whole, last].concat();
            self.keep(relay.head.as_deref(), &told, &all);
        }
    }

    async fn write_whole(&mut self, relay: &mut Relay, mut pieces: Vec<Bytes>) -> Result<(), Gone> {
        let Some(head) = relay.head.take() else {
            return Err(Gone);
        };
        let body = match pieces.len() {
            0 | 1 => pieces.pop().unwrap_or_default(),
            _ => Bytes::from(pieces.concat()),
        };
        self.client.whole(*head, body).await
    }

    /// Why there is no (rest of an) answer: what the provider said, or what went wrong.
    pub(super) fn failure(&self, candidate: &Candidate, relay: &Relay) -> (Fault, Option<Refused>) {
        let mut incoming = relay.running.attempt().incoming();
        let (fault, refused) = (incoming.take_fault(), incoming.take_refused());
        drop(incoming);
        match (refused, fault) {
            (Some(refused), _) => (self.fault_of(candidate, &refused), Some(refused)),
            (None, Some(fault)) => (judge::masked_fault(&self.any_case(candidate), fault), None),
            (None, None) => (bad_answer("the attempt ended without an answer"), None),
        }
    }

    /// The attempt ended without the rest of its answer.
    async fn broken(&mut self, candidate: &Candidate, relay: &mut Relay) -> Outcome {
        if relay.committed && relay.running.attempt().incoming().is_complete() {
            // The answer's own end was seen: nothing is missing.
            whole(candidate, relay);
            self.charge_whole(candidate, &relay.running.attempt().told());
            self.keep_whole(relay, &[]);
            return match self.client.stream(None, Vec::new(), true).await {
                Ok(()) => Outcome::Served,
                Err(Gone) => Outcome::Left,
            };
        }
        match self.failure(candidate, relay) {
            (fault, Some(refused)) if !relay.committed => Outcome::Failed(fault, Some(refused)),
            (fault, _) => self.broke_off(relay, fault),
        }
    }

    /// Before the commit a fault is the exchange's to handle; after it the client must be told inside the stream.
    fn broke_off(&self, relay: &mut Relay, fault: Fault) -> Outcome {
        if !relay.committed {
            return Outcome::Failed(fault, None);
        }
        if self.shown() != Shown::Content {
            // Nothing of an answer that is not streamed was written yet.
            relay.committed = false;
            return Outcome::Failed(fault, None);
        }
        let words = relay.running.attempt().incoming().last_words(&fault);
        let event = words.unwrap_or_else(|| refuse::stream_event(self, &fault));
        Outcome::Cut(fault, Ending::ErrorEvent(event))
    }

    /// Ends the client's stream, whose answer broke off.
    pub(super) async fn end_cut(&mut self, fault: Fault, ending: Ending) -> End {
        self.charge_rest(&End::Cut(fault.clone()));
        if let Some(lead) = self.client.lead() {
            let (fault, told) = (fault.clone(), matches!(ending, Ending::Silence));
            lead.end(cache::Ending::Cut { fault, told });
        }
        let written = match ending {
            Ending::ErrorEvent(event) => self.client.stream_error(event).await,
            // The connection stays here as well.
            Ending::Silence => self.client.stream(None, Vec::new(), true).await,
        };
        match written {
            Ok(()) => End::Cut(fault),
            Err(Gone) => End::Left,
        }
    }

    /// A timer rang: for a ping, for a stall, or too early because its reason has moved.
    async fn time_passed(&mut self, candidate: &Candidate, relay: &mut Relay) -> Option<Outcome> {
        let (at, due) = self.next_timer(relay);
        if Instant::now() < at {
            return None;
        }
        match due {
            Due::Ping => match self.ping().await {
                Ok(()) => None,
                Err(Gone) => Some(Outcome::Left),
            },
            Due::Stalled(_) if relay.running.attempt().incoming().is_complete() => {
                Some(self.broken(candidate, relay).await)
            }
            Due::Stalled(timer) => Some(self.broke_off(relay, stalled(timer))),
            Due::Slow => {
                self.begin_hedge(candidate, relay).await;
                None
            }
            Due::HedgeStalled(timer) => {
                self.hedge_failed(relay, Some(stalled(timer)));
                None
            }
        }
    }
}

/// Credits an endpoint with a whole answer, before the client gets the end of it: its next request comes at once and
/// must find what this one has taught.
fn whole(candidate: &Candidate, relay: &Relay) {
    let health = &candidate.endpoint.health;
    health.success(Instant::now(), relay.begun.elapsed());
    if let Some(usage) = relay.running.attempt().told().usage {
        health.tokens(usage.prompt(), usage.cache_read);
    }
    spend(candidate, relay);
}

/// Tells the key what the head of its answer says about its limits, good answer or not.
fn learn(candidate: &Candidate, relay: &Relay, headers: &HeaderMap) {
    if let Some(key) = relay.key {
        let told = Told::read(headers, SystemTime::now());
        candidate.endpoint.keys.learn(key, Instant::now(), told);
    }
}

/// Tells the key what its answer has cost. Anthropic holds no tokens against a limit that its cache had.
fn spend(candidate: &Candidate, relay: &Relay) {
    let usage = relay.running.attempt().told().usage;
    let (Some(key), Some(usage)) = (relay.key, usage) else {
        return;
    };
    let prompt = match candidate.spoken.dialect {
        Dialect::Anthropic => usage.prompt().saturating_sub(usage.cache_read),
        Dialect::OpenAiChat | Dialect::OpenAiResponses | Dialect::Gemini => usage.prompt(),
    };
    let tokens = prompt.saturating_add(usage.output);
    candidate.endpoint.keys.spent(key, Instant::now(), tokens);
}

fn stalled(timer: Timer) -> Fault {
    Fault::new(FaultKind::UpstreamTimeout(timer), stalled_text(timer))
}

fn bad_answer(what: &'static str) -> Fault {
    Fault::new(
        FaultKind::UpstreamBadAnswer,
        "the provider's answer broke off",
    )
    .with_source(what)
}
