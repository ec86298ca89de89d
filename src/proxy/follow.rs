//! A client that gets an answer which another request called for: one under way, from its start, or one that is kept.
//!
//! It has its own ids, its own pings, its own deadline and its own pace; only the call is not its own. As long as it
//! has been shown nothing, it can still make one.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::HeaderMap;
use http::header::HeaderName;
use pingora::http::ResponseHeader;

use super::answer::visible;
use super::bill::Ended;
use super::closing::stopped;
use super::downstream::{Downstream, Gone, Shown};
use super::exchange::End;
use super::refuse;
use super::request::{Arrival, Request};
use super::service::Shared;
use super::timers::Alarm;
use crate::cache::{Answer, Batch, Ending, Follow, Head, Refusal};
use crate::error::{Fault, FaultKind, Timer};
use crate::ledger::Source;
use crate::protocol::errors;
use crate::telemetry::{AccessLine, End as LineEnd, TokenCounts};

/// Bytes that are read from the log at once: a late follower catches up in several writes.
const BATCH: usize = 64 * 1024;
/// Tells a client where its answer comes from.
const CACHE_MARK: &str = "x-pointsman-cache";

/// How it went.
pub enum Followed {
    /// The client has got an answer, an error, or has left.
    Answered,
    /// Who made the call is lost, and the client has been shown nothing of an answer yet.
    Orphaned,
}

/// One client that follows.
struct Follower<'f, 's> {
    shared: &'f Shared,
    arrival: &'f Arrival,
    client: &'f mut Downstream<'s>,
    request: &'f mut Request,
    head: Option<Arc<Head>>,
    /// What came of an answer that is not streamed.
    whole: Vec<Bytes>,
    ttft: Option<Duration>,
}

/// Follows a call under way.
pub async fn follow(
    shared: &Shared,
    arrival: &Arrival,
    client: &mut Downstream<'_>,
    request: &mut Request,
    seat: Follow,
) -> Followed {
    let mut follower = Follower {
        shared,
        arrival,
        client,
        request,
        head: None,
        whole: Vec::new(),
        ttft: None,
    };
    match follower.run(seat).await {
        Some(end) => {
            follower.log(&end, "shared", Source::Shared);
            Followed::Answered
        }
        None => Followed::Orphaned,
    }
}

/// Gives an answer that is kept.
pub async fn replay(
    shared: &Shared,
    arrival: &Arrival,
    client: &mut Downstream<'_>,
    request: &mut Request,
    answer: &Answer,
) {
    let mut follower = Follower {
        shared,
        arrival,
        client,
        request,
        head: Some(Arc::clone(&answer.head)),
        whole: Vec::new(),
        ttft: None,
    };
    let batch = Batch {
        pieces: answer.pieces.clone(),
        ending: Some(Ending::Whole),
        ..Batch::default()
    };
    let end = match follower.show(batch, "hit").await {
        Ok(Step::Over(end)) => end,
        Ok(Step::More | Step::Orphaned) | Err(Gone) => End::Left,
    };
    follower.log(&end, "hit", Source::Cache);
}

/// What is next.
enum Step {
    More,
    Over(End),
    Orphaned,
}

impl Follower<'_, '_> {
    /// `None`: the call is lost, and another one can be made.
    async fn run(&mut self, mut seat: Follow) -> Option<End> {
        let mut alarm = Alarm::at(self.next_moment());
        let closing = Arc::clone(&self.arrival.closing);
        let mut hurried = std::pin::pin!(closing.hurried());
        loop {
            let batch = seat.read(BATCH);
            let is_news = !batch.pieces.is_empty() || batch.ending.is_some() || batch.lost;
            if is_news {
                match self.show(batch, "shared").await {
                    Ok(Step::More) => continue,
                    Ok(Step::Over(end)) => return Some(end),
                    Ok(Step::Orphaned) => return None,
                    Err(Gone) => return Some(End::Left),
                }
            }
            let at = self.next_moment();
            if at < alarm.at || alarm.rang {
                alarm = Alarm::at(at);
            }
            tokio::select! { biased;
                () = seat.changed() => {}
                () = self.client.left() => return Some(End::Left),
                () = hurried.as_mut() => {
                    return Some(self.stop().await.unwrap_or(End::Left));
                }
                () = alarm.sleep.as_mut() => {
                    alarm.rang = true;
                    match self.time_passed().await {
                        Ok(None) => {}
                        Ok(Some(end)) => return Some(end),
                        Err(Gone) => return Some(End::Left),
                    }
                }
            }
        }
    }

    async fn show(&mut self, batch: Batch, mark: &str) -> Result<Step, Gone> {
        if batch.lost {
            let text = "the client read too slowly to follow the answer it shares";
            let fault = Fault::new(FaultKind::UpstreamBadAnswer, text);
            return Ok(match self.client.shown() {
                Shown::Content => Step::Over(self.cut(fault, false).await?),
                Shown::Nothing | Shown::Waiting | Shown::Everything => Step::Orphaned,
            });
        }
        if self.head.is_none() {
            self.head = batch.head;
        }
        let whole = matches!(batch.ending, Some(Ending::Whole));
        if self.request.head.stream {
            if !batch.pieces.is_empty() || whole {
                self.stream(batch.pieces, whole, mark).await?;
            }
        } else {
            self.whole.extend(batch.pieces);
            if whole {
                self.give_whole(mark).await?;
            }
        }
        match batch.ending {
            None => Ok(Step::More),
            Some(Ending::Whole) => Ok(Step::Over(End::Served)),
            Some(Ending::Cut { fault, told }) => Ok(Step::Over(self.cut(fault, told).await?)),
            Some(Ending::Refused(why)) => self.refuse(&why, mark).await.map(Step::Over),
            Some(Ending::Abandoned) if self.client.shown() == Shown::Content => {
                let fault = Fault::internal("the request that made the shared call was lost");
                Ok(Step::Over(self.cut(fault, false).await?))
            }
            Some(Ending::Abandoned) => Ok(Step::Orphaned),
        }
    }

    async fn stream(&mut self, pieces: Vec<Bytes>, end: bool, mark: &str) -> Result<(), Gone> {
        let head = match self.client.shown() {
            Shown::Nothing => Some(Box::new(self.make_head(mark).ok_or(Gone)?)),
            Shown::Waiting | Shown::Content | Shown::Everything => None,
        };
        if !pieces.is_empty() && self.ttft.is_none() {
            self.ttft = Some(self.request.started.elapsed());
            self.request.shed();
        }
        self.client.stream(head, pieces, end).await
    }

    async fn give_whole(&mut self, mark: &str) -> Result<(), Gone> {
        let head = self.make_head(mark).ok_or(Gone)?;
        self.ttft = Some(self.request.started.elapsed());
        let mut pieces = std::mem::take(&mut self.whole);
        let body = match pieces.len() {
            0 | 1 => pieces.pop().unwrap_or_default(),
            _ => Bytes::from(pieces.concat()),
        };
        self.client.whole(head, body).await
    }

    fn make_head(&self, mark: &str) -> Option<ResponseHeader> {
        let shared = self.head.as_ref()?;
        self.own_head(shared, mark)
    }

    /// The head with the ids of this request.
    fn own_head(&self, shared: &Head, mark: &str) -> Option<ResponseHeader> {
        let mut head = self.client.head(shared.status)?;
        if shared.headers.contains_key("request-id") {
            head.remove_header("request-id");
        }
        for (name, value) in &shared.headers {
            head.append_header(name, value.clone()).ok()?;
        }
        head.insert_header(CACHE_MARK, visible(mark)).ok()?;
        Some(head)
    }

    /// The answer broke off.
    async fn cut(&mut self, fault: Fault, told: bool) -> Result<End, Gone> {
        if told {
            self.client.stream(None, Vec::new(), true).await?;
        } else {
            let request = &self.request;
            let event = refuse::event(self.client.shown(), request.dialect, &request.id, &fault);
            self.client.stream_error(event).await?;
        }
        Ok(End::Cut(fault))
    }

    /// The process waits no longer.
    async fn stop(&mut self) -> Result<End, Gone> {
        if self.client.shown() == Shown::Content {
            return self.cut(stopped(), false).await;
        }
        let why = Refusal {
            fault: stopped(),
            retry_after: None,
            answer: None,
            own_words: false,
        };
        self.refuse(&why, "shared").await
    }

    /// There is no answer.
    async fn refuse(&mut self, why: &Refusal, mark: &str) -> Result<End, Gone> {
        let (id, dialect, fault) = (&self.request.id, self.request.dialect, &why.fault);
        let in_stream = !why.own_words && refuse::opens_a_stream(self.request, fault);
        match (self.client.shown(), &why.answer) {
            (Shown::Nothing, _) if in_stream => {
                let mark = (HeaderName::from_static(CACHE_MARK), visible(mark));
                self.client.open_early(vec![mark]).await?;
                let event = refuse::event(Shown::Waiting, dialect, id, fault);
                self.client.stream_error(event).await?;
            }
            (Shown::Nothing, Some((head, body))) => {
                let head = self.own_head(head, mark).ok_or(Gone)?;
                self.client.whole(head, body.clone()).await?;
            }
            (Shown::Nothing | Shown::Everything, _) => {
                refuse::plain(self.client, id, dialect, fault, why.retry_after, &[]).await?;
            }
            (shown @ (Shown::Waiting | Shown::Content), _) => {
                let event = refuse::event(shown, dialect, id, fault);
                self.client.stream_error(event).await?;
            }
        }
        Ok(End::Refused(fault.clone()))
    }

    /// When this client is due a sign of life, or its time is up.
    fn next_moment(&self) -> Instant {
        let settings = &self.arrival.snapshot.config.settings;
        let ping = match self.client.shown() {
            _ if !self.request.head.stream => None,
            Shown::Nothing => Some(self.request.started + settings.ping_after),
            Shown::Waiting | Shown::Content => {
                Some(self.client.last_write + settings.ping_interval)
            }
            Shown::Everything => None,
        };
        let deadline = (self.client.shown() != Shown::Content).then_some(self.request.deadline);
        let far = Instant::now() + settings.request_deadline;
        ping.into_iter().chain(deadline).min().unwrap_or(far)
    }

    async fn time_passed(&mut self) -> Result<Option<End>, Gone> {
        let now = Instant::now();
        if now < self.next_moment() {
            return Ok(None);
        }
        if self.client.shown() != Shown::Content && self.request.deadline <= now {
            let kind = FaultKind::UpstreamTimeout(Timer::Deadline);
            let late = Refusal {
                fault: Fault::new(kind, "the request took too long"),
                retry_after: None,
                answer: None,
                own_words: false,
            };
            return self.refuse(&late, "shared").await.map(Some);
        }
        if self.client.shown() == Shown::Nothing {
            self.client.open_early(Vec::new()).await?;
        }
        let ping = errors::ping(self.request.dialect);
        self.client.ping(ping).await.map(|()| None)
    }

    /// The line of this request; the tokens stand in that of the request that made the call.
    fn log(&mut self, end: &End, mark: &'static str, source: Source) {
        let header = |headers: &HeaderMap| {
            let provider = headers.get("x-pointsman-provider")?;
            provider.to_str().ok().map(str::to_owned)
        };
        let provider = self.head.as_ref().and_then(|head| header(&head.headers));
        let duration = self.request.started.elapsed();
        let (id, path) = (&self.request.id, &self.arrival.path);
        let (line_end, fault) = match end {
            End::Served => (LineEnd::Ok, None),
            End::Left => (LineEnd::ClientGone, None),
            End::Cut(fault) => {
                let stopped = fault.kind == FaultKind::Stopping;
                let end = if stopped {
                    LineEnd::Stopped
                } else {
                    LineEnd::UpstreamBroke
                };
                (end, Some(fault.kind.label()))
            }
            End::Refused(fault) => {
                let label = fault.kind.label();
                (LineEnd::Rejected(label), Some(label))
            }
        };
        self.shared.finished(&AccessLine {
            client: self.arrival.client,
            dialect: Some(self.request.dialect),
            model_asked: Some(&self.request.head.model),
            provider: provider.as_deref(),
            stream: self.request.head.stream,
            ttft: self.ttft,
            cache: Some(mark),
            tokens: TokenCounts::default(),
            certificate: self.arrival.certificate.as_ref(),
            end: line_end,
            trace: self.arrival.trace.as_ref(),
            ..AccessLine::of(id, "POST", path, self.client.status, duration)
        });
        self.request.close(Ended {
            outcome: line_end.label(),
            fault,
            status: self.client.status,
            ttft: self.ttft,
            attempts: 0,
            provider: provider.as_deref(),
            model_sent: None,
            endpoint_key: None,
            source,
        });
    }
}
