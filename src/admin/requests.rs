//! `GET /admin/requests`: what became of the last requests, and why.
//!
//! Kept in memory, as text, so that its size is known: the oldest give way when there are too many of them or they are
//! too large. Bodies, headers and texts of providers never get here; keys only as masks.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::time::{Duration, SystemTime};

use parking_lot::Mutex;
use serde::Serialize;
use serde_json::{Value, json};

use super::status::epoch;

/// Bytes of all records.
const MAX_BYTES: usize = 4 * 1024 * 1024;
/// Characters of a name that a stranger chose.
const MAX_NAME: usize = 128;
/// Characters of a text.
const MAX_TEXT: usize = 1000;

/// What is told of one request.
pub struct RequestRecord<'r> {
    /// Its id.
    pub id: &'r str,
    /// The client's dialect.
    pub dialect: &'static str,
    /// The pattern that matched.
    pub route: &'r str,
    /// The client's session.
    pub session: Option<&'r str>,
    /// The model the client asked for.
    pub model_asked: &'r str,
    /// The model the provider was asked for.
    pub model_sent: Option<&'r str>,
    /// The endpoint whose answer the client got.
    pub provider: Option<&'r str>,
    /// Whether the client asked for a stream.
    pub stream: bool,
    /// The status the client got.
    pub status: Option<u16>,
    /// How it ended: `ok`, `rejected` …
    pub end: &'static str,
    /// The fault it ended with.
    pub fault: Option<&'static str>,
    /// Whether an attempt ran beside another one, and the answer was its: `won`, `lost`.
    pub hedge: Option<&'static str>,
    /// Everything that was done about it, in order.
    pub steps: Vec<StepRecord>,
    /// What translation could not say.
    pub losses: String,
    /// Tokens of the prompt, those of the cache included; of the cache; of the answer.
    pub tokens: Option<[u64; 3]>,
    /// Time to the first content.
    pub ttft: Option<Duration>,
    /// Whole time.
    pub duration: Duration,
}

/// One thing that was done about a request.
pub struct StepRecord {
    /// The endpoint.
    pub endpoint: String,
    /// The key, masked.
    pub key: Option<String>,
    /// What came of it.
    pub what: String,
    /// How long it took, where something was tried.
    pub took: Option<Duration>,
    /// Whether it was tried beside another one.
    pub hedge: bool,
}

/// Which requests are asked for.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// At most so many.
    pub limit: Option<usize>,
    /// Those of this session.
    pub session: Option<String>,
    /// Those that ended so: `ok`, `rejected`, `client_gone` …, or with this fault.
    pub outcome: Option<String>,
}

/// The last requests, newest last.
#[derive(Debug, Default)]
pub struct RecentRequests {
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    records: VecDeque<Record>,
    bytes: usize,
}

#[derive(Debug)]
struct Record {
    session: Option<String>,
    end: &'static str,
    fault: Option<&'static str>,
    json: String,
}

impl RecentRequests {
    /// Remembers a request, and forgets the oldest beyond `most`.
    pub fn remember(&self, request: &RequestRecord<'_>, most: usize) {
        if most == 0 {
            *self.kept.lock() = Kept::default();
            return;
        }
        let record = Record {
            session: request.session.map(|it| short(it, MAX_NAME).into_owned()),
            end: request.end,
            fault: request.fault,
            json: request.json(SystemTime::now()),
        };
        let mut kept = self.kept.lock();
        kept.bytes += record.json.len();
        kept.records.push_back(record);
        while most < kept.records.len() || MAX_BYTES < kept.bytes {
            let Some(oldest) = kept.records.pop_front() else {
                break;
            };
            kept.bytes = kept.bytes.saturating_sub(oldest.json.len());
        }
    }

    /// Those that are asked for, newest first.
    pub fn view(&self, filter: &Filter) -> Value {
        let kept = self.kept.lock();
        let matching = kept.records.iter().rev().filter(|it| it.matches(filter));
        let shown = matching.take(filter.limit.unwrap_or(usize::MAX));
        let texts: Vec<String> = shown.map(|it| it.json.clone()).collect();
        let total = kept.records.len();
        drop(kept);
        let read = |text: &String| serde_json::from_str(text).unwrap_or(Value::Null);
        let requests: Vec<Value> = texts.iter().map(read).collect();
        json!({"kept": total, "requests": requests})
    }
}

impl Record {
    fn matches(&self, filter: &Filter) -> bool {
        let of_session = filter.session.as_ref().map(|it| short(it, MAX_NAME));
        let outcome = filter.outcome.as_deref();
        (of_session.is_none() || of_session.as_deref() == self.session.as_deref())
            && outcome.is_none_or(|it| it == self.end || Some(it) == self.fault)
    }
}

/// The text that is kept: every request writes one, so no tree is built for it.
#[derive(Serialize)]
struct Text<'r> {
    request_id: &'r str,
    time: f64,
    end: &'static str,
    fault: Option<&'static str>,
    status: Option<u16>,
    model_asked: Cow<'r, str>,
    model_sent: Option<Cow<'r, str>>,
    provider: Option<&'r str>,
    route: Cow<'r, str>,
    dialect: &'static str,
    stream: bool,
    session: Option<Cow<'r, str>>,
    hedge: Option<&'static str>,
    steps: Vec<Step<'r>>,
    losses: Option<Cow<'r, str>>,
    tokens: Option<Tokens>,
    ttft_ms: Option<u64>,
    duration_ms: u64,
}

#[derive(Serialize)]
struct Step<'r> {
    provider: Cow<'r, str>,
    key: Option<&'r str>,
    what: Cow<'r, str>,
    ms: Option<u64>,
    hedge: bool,
}

#[derive(Serialize)]
struct Tokens {
    input: u64,
    cache_read: u64,
    output: u64,
}

impl RequestRecord<'_> {
    fn json(&self, now: SystemTime) -> String {
        let text = Text {
            request_id: self.id,
            time: epoch(now),
            end: self.end,
            fault: self.fault,
            status: self.status,
            model_asked: short(self.model_asked, MAX_NAME),
            model_sent: self.model_sent.map(|it| short(it, MAX_NAME)),
            provider: self.provider,
            route: short(self.route, MAX_NAME),
            dialect: self.dialect,
            stream: self.stream,
            session: self.session.map(|it| short(it, MAX_NAME)),
            hedge: self.hedge,
            steps: self.steps.iter().map(StepRecord::text).collect(),
            losses: (!self.losses.is_empty()).then(|| short(&self.losses, MAX_TEXT)),
            tokens: self.tokens.map(|[input, cache_read, output]| Tokens {
                input,
                cache_read,
                output,
            }),
            ttft_ms: self.ttft.map(millis),
            duration_ms: millis(self.duration),
        };
        // Nothing in it can fail to be written.
        serde_json::to_string(&text).unwrap_or_default()
    }
}

impl StepRecord {
    fn text(&self) -> Step<'_> {
        Step {
            provider: short(&self.endpoint, MAX_NAME),
            key: self.key.as_deref(),
            what: short(&self.what, MAX_TEXT),
            ms: self.took.map(millis),
            hedge: self.hedge,
        }
    }
}

fn millis(it: Duration) -> u64 {
    u64::try_from(it.as_millis()).unwrap_or(u64::MAX)
}

fn short(text: &str, most: usize) -> Cow<'_, str> {
    // No character is shorter than a byte.
    if text.len() <= most {
        return Cow::Borrowed(text);
    }
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()).into(),
        None => Cow::Borrowed(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record<'r>(id: &'r str, session: &'r str, end: &'static str) -> RequestRecord<'r> {
        RequestRecord {
            id,
            dialect: "anthropic",
            route: "*",
            session: Some(session),
            model_asked: "m",
            model_sent: Some("m"),
            provider: Some("a"),
            stream: true,
            status: Some(200),
            end,
            fault: (end == "rejected").then_some("no_endpoint"),
            hedge: None,
            steps: Vec::new(),
            losses: String::new(),
            tokens: Some([3, 1, 2]),
            ttft: None,
            duration: Duration::from_millis(5),
        }
    }

    fn ids(recent: &RecentRequests, filter: &Filter) -> Vec<String> {
        let view = recent.view(filter);
        let requests = view["requests"].as_array().unwrap();
        let id = |it: &Value| it["request_id"].as_str().unwrap().to_owned();
        requests.iter().map(id).collect()
    }

    #[test]
    fn the_newest_come_first_and_filters_filter() {
        let recent = RecentRequests::default();
        for (id, session, end) in [("1", "s", "ok"), ("2", "t", "rejected"), ("3", "s", "ok")] {
            recent.remember(&record(id, session, end), 200);
        }
        let all = Filter::default();
        assert_eq!(ids(&recent, &all), ["3", "2", "1"]);
        let limit = Filter {
            limit: Some(1),
            ..all.clone()
        };
        assert_eq!(ids(&recent, &limit), ["3"]);
        let session = Filter {
            session: Some("s".to_owned()),
            ..all.clone()
        };
        assert_eq!(ids(&recent, &session), ["3", "1"]);
        for outcome in ["rejected", "no_endpoint"] {
            let outcome = Filter {
                outcome: Some(outcome.to_owned()),
                ..all.clone()
            };
            assert_eq!(ids(&recent, &outcome), ["2"]);
        }
        recent.remember(&record("4", "s", "ok"), 2);
        assert_eq!(ids(&recent, &all), ["4", "3"]);
        recent.remember(&record("5", "s", "ok"), 0);
        assert!(ids(&recent, &all).is_empty());
    }

    #[test]
    fn strangers_fill_no_memory() {
        let recent = RecentRequests::default();
        let long = "x".repeat(1 << 20);
        for _ in 0..10_000 {
            let mut request = record("1", &long, "ok");
            (request.model_asked, request.route) = (&long, &long);
            request.losses.clone_from(&"y".repeat(5000));
            recent.remember(&request, 10_000);
        }
        let kept = recent.kept.lock();
        assert!(kept.bytes <= MAX_BYTES && 1000 < kept.records.len());
        let bytes: usize = kept.records.iter().map(|it| it.json.len()).sum();
        assert_eq!(bytes, kept.bytes);
    }
}
