//! How a provider fares, in words.

use std::time::{Duration, Instant, SystemTime};

use crate::credential::KeyView;
use crate::health::{BreakerState, EndpointView};
use crate::snapshot::{Endpoint, Snapshot};

/// How long an error is told about after which a provider has served again.
const FRESH: Duration = Duration::from_secs(300);
/// Characters of an error that are shown.
const MAX_ERROR: usize = 300;

/// How much of a worry it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mood {
    /// It serves.
    Well,
    /// It does not for a moment, and comes back by itself.
    Resting,
    /// It does not.
    Down,
    /// It is not meant to.
    Off,
}

impl Mood {
    /// The class that its sign has.
    pub fn class(self) -> &'static str {
        match self {
            Mood::Well => "well",
            Mood::Resting => "resting",
            Mood::Down => "down",
            Mood::Off => "off",
        }
    }
}

/// A sentence with a moment in the middle of it, perhaps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sentence {
    /// What stands before the moment.
    pub before: String,
    /// The moment.
    pub at: Option<SystemTime>,
    /// What follows it.
    pub after: String,
}

impl Sentence {
    fn plain(text: impl Into<String>) -> Self {
        Sentence {
            before: text.into(),
            at: None,
            after: String::new(),
        }
    }

    fn until(before: &str, at: Option<SystemTime>, after: String) -> Self {
        match at {
            None => Sentence::plain(format!("{before}{after}")),
            Some(_) => Sentence {
                before: format!("{before} until "),
                at,
                after,
            },
        }
    }
}

/// One provider, as the page shows it.
#[derive(Debug)]
pub struct Standing {
    /// Its name, with the account.
    pub id: String,
    /// What it speaks, and where it is.
    pub place: String,
    /// The proxy on its way.
    pub proxy: Option<String>,
    /// How it fares.
    pub mood: Mood,
    /// The same in words.
    pub state: Sentence,
    /// Keys that are not usable.
    pub keys: Vec<Sentence>,
    /// What went wrong last, while that matters.
    pub error: Option<(SystemTime, String)>,
    /// Average time to the first content, milliseconds.
    pub ttft_ms: Option<f64>,
    /// Requests under way there, and how many may be.
    pub in_flight: Option<(usize, Option<usize>)>,
    /// All its keys were refused.
    pub is_locked_out: bool,
}

/// Every provider of the configuration.
pub fn standings(snapshot: &Snapshot, now: Instant, wall: SystemTime) -> Vec<Standing> {
    let clock = Moments { now, wall };
    let all = snapshot.config.providers.iter().enumerate();
    all.map(|(index, provider)| {
        let target = provider.target.as_ref();
        let proxy = target.and_then(|it| provider.way.proxy_to(it));
        let mut standing = Standing {
            id: provider.id.to_string(),
            place: format!("{} · {}", provider.kind, provider.base_url),
            proxy: proxy.map(ToString::to_string),
            mood: Mood::Off,
            state: match &provider.inactive {
                Some(why) if provider.enabled => Sentence::plain(why),
                _ => Sentence::plain("disabled"),
            },
            keys: Vec::new(),
            error: None,
            ttft_ms: None,
            in_flight: None,
            is_locked_out: false,
        };
        if let Some(endpoint) = snapshot.endpoint(index) {
            fill(&mut standing, endpoint, &clock);
        }
        standing
    })
    .collect()
}

fn fill(standing: &mut Standing, endpoint: &Endpoint, clock: &Moments) {
    let view = endpoint.health.view(clock.now);
    let keys = endpoint.keys.view(clock.now);
    (standing.mood, standing.state) = state(endpoint, &view, &keys, clock);
    standing.is_locked_out = endpoint.keys.all_benched();
    standing.keys = key_notes(&keys, clock);
    standing.ttft_ms = view.ttft_ms;
    standing.in_flight = Some((view.in_flight, endpoint.provider.max_in_flight));
    let is_fresh = |at: SystemTime| clock.wall.duration_since(at).unwrap_or_default() < FRESH;
    let matters = |at: &SystemTime| standing.mood != Mood::Well || is_fresh(*at);
    standing.error = view.last_error.filter(|(at, _)| matters(at));
    if let Some((_, text)) = &mut standing.error {
        shorten(text);
    }
}

fn shorten(text: &mut String) {
    if let Some((end, _)) = text.char_indices().nth(MAX_ERROR) {
        text.truncate(end);
        text.push('…');
    }
}

fn state(
    endpoint: &Endpoint,
    view: &EndpointView,
    keys: &[KeyView],
    clock: &Moments,
) -> (Mood, Sentence) {
    if let Some(why) = endpoint.out_of_use() {
        return (Mood::Down, Sentence::plain(why));
    }
    if endpoint.keys.all_benched() {
        let text = "out of use: all its keys were refused";
        return (Mood::Down, Sentence::plain(text));
    }
    if !endpoint.keys.any_usable(clock.now) {
        let why = keys.iter().find_map(|it| it.why.as_deref());
        let until = endpoint.keys.next_usable(clock.now);
        let after = format!(": all its keys rest ({})", why.unwrap_or("refused"));
        let sentence = Sentence::until("resting", until.map(|it| clock.moment(it)), after);
        return (Mood::Resting, sentence);
    }
    of_circuit(view, clock)
}

fn of_circuit(view: &EndpointView, clock: &Moments) -> (Mood, Sentence) {
    match (view.state, view.cooling) {
        (BreakerState::Open { until }, _) => {
            let last = view.last_error.as_ref().map(|(_, it)| label(it));
            let after = last.map_or_else(String::new, |it| {
                format!(" after {}", times(view.errors, it))
            });
            let at = Some(clock.moment(until));
            (Mood::Down, Sentence::until("circuit open", at, after))
        }
        (_, Some((until, why))) => {
            let at = Some(clock.moment(until));
            (
                Mood::Resting,
                Sentence::until("resting", at, format!(": {why}")),
            )
        }
        (BreakerState::HalfOpen { trial: true }, None) => (
            Mood::Resting,
            Sentence::plain("being tried again right now"),
        ),
        (BreakerState::HalfOpen { trial: false }, None) => (
            Mood::Resting,
            Sentence::plain("the next request tries it again"),
        ),
        (BreakerState::Closed, None) if 0 < view.errors => {
            let text = format!("serving, {} lately", times(view.errors, ""));
            (Mood::Well, Sentence::plain(text))
        }
        (BreakerState::Closed, None) if view.served == 0 => {
            (Mood::Well, Sentence::plain("ready, not asked yet"))
        }
        (BreakerState::Closed, None) => (Mood::Well, Sentence::plain("serving")),
    }
}

/// The short name that an error begins with.
pub fn label(error: &str) -> &str {
    error.split(':').next().unwrap_or(error)
}

/// `3 timeouts`.
fn times(count: u32, label: &str) -> String {
    let (one, many) = match label {
        "connect_timeout" | "first_byte_timeout" | "first_content_timeout" | "idle_timeout" => {
            ("timeout", "timeouts")
        }
        "upstream_status" => ("server error", "server errors"),
        "upstream_unreachable" => ("failed connection", "failed connections"),
        "upstream_bad_answer" => ("broken answer", "broken answers"),
        "upstream_overloaded" => ("overload", "overloads"),
        "egress_proxy" => ("failure of its proxy", "failures of its proxy"),
        _ => ("error", "errors"),
    };
    match count {
        0 => format!("too many {many}"),
        1 => format!("1 {one}"),
        count => format!("{count} {many}"),
    }
}

fn key_notes(keys: &[KeyView], clock: &Moments) -> Vec<Sentence> {
    let of = keys.len();
    let numbered = keys.iter().enumerate();
    let out = numbered.filter(|(_, it)| it.benched || it.cooling.is_some());
    out.map(|(index, key)| {
        let which = format!("key {} of {of}", index + 1);
        let why = key.why.as_deref().unwrap_or("refused");
        match key.cooling.filter(|_| !key.benched) {
            None => Sentence::plain(format!("{which} benched: {why}")),
            Some(left) => {
                let at = Some(clock.wall + left);
                Sentence::until(&format!("{which} resting"), at, format!(": {why}"))
            }
        }
    })
    .collect()
}

/// Now, on both clocks.
struct Moments {
    now: Instant,
    wall: SystemTime,
}

impl Moments {
    fn moment(&self, at: Instant) -> SystemTime {
        self.wall + at.saturating_duration_since(self.now)
    }
}
