//! From a running attempt to the client: held back until the first content, then as it comes.

use std::time::{Instant, SystemTime};

use bytes::Bytes;
use http::HeaderMap;
use pingora::http::ResponseHeader;

use super::answer::Refused;
use super::attempt::{Progress, Running};
use super::choose::Candidate;
use super::downstream::{Gone, Shown};
use super::exchange::{End, Ending, Exchange, Outcome};
use super::timers::{Alarm, Due, stalled_text};
use super::{finish, refuse};
use crate::cache;
use crate::config::Timeouts;
use crate::credential::{KeyIndex, Told};
use crate::error::{Fault, FaultKind};
use crate::telemetry::metrics::Histogram;
use crate::types::Dialect;

/// One attempt being relayed.
pub(super) struct Relay {
    pub(super) running: Running,
    pub(super) timeouts: Timeouts,
    pub(super) begun: Instant,
    key: Option<KeyIndex>,
    head: Option<Box<ResponseHeader>>,
    /// Pieces of an answer that is not streamed; it is written at once.
    whole: Vec<Bytes>,
    pub(super) committed: bool,
    /// When content was written last, and where silences are told.
    shown: Option<(Instant, Histogram)>,
}

impl Exchange<'_, '_> {
    /// Relays an attempt's answer, or finds out why there is none.
    pub(super) async fn relay(
        &mut self,
        candidate: &Candidate,
        key: Option<KeyIndex>,
        running: Running,
    ) -> Outcome {
        let mut relay = Relay {
            running,
            timeouts: self.terms.stalls.over(candidate.endpoint.provider.timeouts),
            begun: Instant::now(),
            key,
            head: None,
            whole: Vec::new(),
            committed: false,
            shown: None,
        };
        let outcome = self.pump(candidate, &mut relay).await;
        if relay.committed {
            self.told = relay.running.attempt().told();
            if !matches!(outcome, Outcome::Served) {
                spend(candidate, &relay);
            }
            self.served_by = Some(candidate.clone());
        }
        if let Outcome::Served = outcome {
            relay.running.tidy_up().await;
        }
        outcome
    }

    async fn pump(&mut self, candidate: &Candidate, relay: &mut Relay) -> Outcome {
        let mut alarm = Alarm::at(self.next_timer(relay).0);
        loop {
            // Moments mostly move later: an alarm that rings too early costs less than one set anew for every event.
            let at = self.next_timer(relay).0;
            if at < alarm.at || alarm.rang {
                alarm = Alarm::at(at);
            }
            tokio::select! { biased;
                progress = relay.running.next() => {
                    let done = match progress {
                        Progress::Answer { head, pieces, end } => self.answer(candidate, relay, head, pieces, end).await,
                        Progress::Broken => Some(self.broken(candidate, relay).await),
                    };
                    if let Some(outcome) = done {
                        return outcome;
                    }
                }
                () = self.client.left() => return Outcome::Left,
                () = alarm.sleep.as_mut() => {
                    alarm.rang = true;
                    if let Some(outcome) = self.time_passed(candidate, relay).await {
                        return outcome;
                    }
                }
            }
        }
    }

    /// Takes what the attempt gave. `Some`: the attempt is over.
    async fn answer(
        &mut self,
        candidate: &Candidate,
        relay: &mut Relay,
        head: Option<Box<ResponseHeader>>,
        mut pieces: Vec<Bytes>,
        end: bool,
    ) -> Option<Outcome> {
        if let Some(head) = head {
            learn(candidate, relay, &head.headers);
            relay.head = Some(head);
        }
        if end {
            let closed = relay.running.attempt().incoming().close();
            if let Ok(rest) = closed {
                pieces.extend(rest);
            } else {
                // What came before the break still goes out, unless nothing has been shown: then another provider may
                // serve as if nothing had happened.
                if relay.committed
                    && let Some(outcome) = self.show(candidate, relay, pieces, false).await
                {
                    return Some(outcome);
                }
                return Some(self.broken(candidate, relay).await);
            }
            let refused = relay.running.attempt().incoming().take_refused();
            if let Some(refused) = refused {
                return Some(self.refused(candidate, refused));
            }
        }
        if pieces.is_empty() && !end {
            return None;
        }
        if end && pieces.is_empty() && !relay.committed && relay.whole.is_empty() {
            return Some(Outcome::Failed(bad_answer("an empty answer"), None));
        }
        self.show(candidate, relay, pieces, end).await
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
            self.keep_whole(relay, &pieces);
            if !streamed {
                self.bind_home(candidate);
            }
        }
        let relayed_error = relay.running.attempt().incoming().relayed_error();
        if relayed_error.is_some() {
            self.steer_away(candidate);
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

    fn refused(&self, candidate: &Candidate, refused: Refused) -> Outcome {
        Outcome::Failed(self.fault_of(candidate, &refused), Some(refused))
    }

    /// The attempt ended without the rest of its answer.
    async fn broken(&mut self, candidate: &Candidate, relay: &mut Relay) -> Outcome {
        let (fault, refused, complete) = {
            let mut incoming = relay.running.attempt().incoming();
            let complete = relay.committed && incoming.is_complete();
            (incoming.take_fault(), incoming.take_refused(), complete)
        };
        if complete {
            // The answer's own end was seen: nothing is missing.
            whole(candidate, relay);
            self.keep_whole(relay, &[]);
            return match self.client.stream(None, Vec::new(), true).await {
                Ok(()) => Outcome::Served,
                Err(Gone) => Outcome::Left,
            };
        }
        if let (Some(refused), false) = (refused, relay.committed) {
            return self.refused(candidate, refused);
        }
        let fault = fault.unwrap_or_else(|| bad_answer("the attempt ended without an answer"));
        self.broke_off(relay, fault)
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
        if let Some(lead) = self.client.lead() {
            let (fault, told) = (fault.clone(), matches!(ending, Ending::Silence));
            lead.end(cache::Ending::Cut { fault, told });
        }
        let written = match ending {
            Ending::ErrorEvent(event) => self.client.stream_error(event).await,
            Ending::Silence => {
                self.client.session().set_keepalive(None);
                self.client.stream(None, Vec::new(), true).await
            }
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
            Due::Stalled(timer) => {
                let fault = Fault::new(FaultKind::UpstreamTimeout(timer), stalled_text(timer));
                Some(self.broke_off(relay, fault))
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
    let prompt = match candidate.endpoint.dialect {
        Dialect::Anthropic => usage.prompt().saturating_sub(usage.cache_read),
        Dialect::OpenAiChat | Dialect::OpenAiResponses | Dialect::Gemini => usage.prompt(),
    };
    let tokens = prompt.saturating_add(usage.output);
    candidate.endpoint.keys.spent(key, Instant::now(), tokens);
}

fn bad_answer(what: &'static str) -> Fault {
    Fault::new(
        FaultKind::UpstreamBadAnswer,
        "the provider's answer broke off",
    )
    .with_source(what)
}
