//! Calls and ways of a configuration that nobody serves yet, or that another process serves: what `doctor` and `init` ask.
//! The calls go through the code of every request, so that what works here works there.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use pingora::proxy::HttpProxy;
use pingora::server::configuration::ServerConf;

use super::reload::Reloader;
use crate::access::limits::LocalCounters;
use crate::config::{Config, LoadOptions, Platform, ProbeAsk, Surface};
use crate::credential::KeyIndex;
use crate::error::Fault;
use crate::net::{Step, Surveyor};
use crate::proxy::{Edge, Shared, models_in, trial};
use crate::snapshot::{Endpoint, Live};
use crate::telemetry::metrics::Metrics;
use crate::types::Dialect;

/// Longest wait for one call: a large model may take its time for one token.
const PATIENCE: Duration = Duration::from_secs(20);
/// Longest wait for tokens that are being refreshed.
const REFRESH: Duration = Duration::from_secs(40);
/// Between two looks at them.
const POLL: Duration = Duration::from_millis(50);

/// Providers that can be asked.
pub struct Trials {
    shared: Arc<Shared>,
    /// What calls run on; nothing is listened to.
    _proxy: Arc<HttpProxy<Edge>>,
    surveyor: Surveyor,
}

/// One provider that can be asked.
#[derive(Clone)]
pub struct Patient {
    endpoint: Arc<Endpoint>,
    /// Its keys, masked, in file order; one empty text where it signs in otherwise.
    pub keys: Vec<String>,
    /// As logs call it.
    pub name: String,
    /// Which of `Config::providers` it is, accounts of OAuth in their places.
    pub index: usize,
}

/// What came of a call with one key.
pub struct Tried {
    /// The model that was asked for.
    pub model: String,
    /// Why there is no answer.
    pub outcome: Result<(), Fault>,
    /// How long it took.
    pub took: Duration,
    /// How far the provider's clock is ahead of ours, in seconds, as far as it tells.
    pub ahead: Option<i64>,
}

impl Trials {
    /// Of a configuration; nothing is called yet.
    pub fn new(config: Config, options: LoadOptions) -> anyhow::Result<Trials> {
        let live = Arc::new(Live::new(config)?);
        let reloader = Arc::new(Reloader::new(Arc::clone(&live), options, None, false));
        let counters = Arc::new(LocalCounters::default());
        let shared = Shared::new(live, reloader, Metrics::new()?, counters);
        let proxy = Edge::proxy(
            &shared,
            Surface::All,
            true,
            &Arc::new(ServerConf::default()),
        );
        Ok(Trials {
            shared,
            _proxy: proxy,
            surveyor: Surveyor::default(),
        })
    }

    /// Every provider that can be called, in file order.
    pub fn patients(&self) -> Vec<Patient> {
        let snapshot = self.shared.live.current();
        let all = snapshot.endpoints.iter().enumerate();
        all.filter_map(|(index, it)| Some((index, it.as_ref()?)))
            .map(|(index, endpoint)| {
                let masked = |key: KeyIndex| endpoint.keys.masked(key);
                let keys: Vec<String> = endpoint.keys.all().map(masked).collect();
                Patient {
                    keys: if keys.is_empty() {
                        vec![String::new()]
                    } else {
                        keys
                    },
                    name: endpoint.id().to_string(),
                    endpoint: Arc::clone(endpoint),
                    index,
                }
            })
            .collect()
    }

    /// Waits for tokens that are being refreshed: one that is granted and not written down is lost for good.
    pub async fn settle(&self) {
        let accounts = self.shared.live.accounts();
        let settled = async {
            while 0 < accounts.under_way() {
                tokio::time::sleep(POLL).await;
            }
        };
        let _ = tokio::time::timeout(REFRESH, settled).await;
    }

    /// How far one gets on the way to it.
    pub async fn way(&self, patient: &Patient) -> Vec<Step> {
        self.surveyor.go(&patient.endpoint.peers).await
    }

    /// The models that it lists; `None` where it lists none, or does not answer.
    pub async fn models(&self, patient: &Patient) -> Option<Vec<String>> {
        let path = patient.endpoint.target.models.clone()?;
        let key = patient.endpoint.keys.all().next();
        let ask = ProbeAsk::Path(path);
        let answer = trial(&self.shared, &patient.endpoint, key, &ask, PATIENCE).await;
        models_in(&answer.outcome.ok()?)
    }

    /// The model to ask for where one will do: one that routes name, else the one of the list that looks cheapest, else one
    /// that everybody of its kind has.
    pub fn model(&self, patient: &Patient, listed: &[String]) -> String {
        let snapshot = self.shared.live.current();
        let routes = snapshot.config.routes.iter().map(|it| &it.candidates);
        let rules = snapshot.config.rules.iter().map(|it| &it.candidates);
        let mut named = routes
            .chain(rules)
            .flatten()
            .filter(|it| it.provider == patient.index)
            .filter_map(|it| it.model.clone());
        let usual = match (patient.endpoint.provider.platform, patient.endpoint.dialect) {
            (Platform::Vertex, _) => "claude-haiku-4-5@20251001",
            (Platform::Own, Dialect::Anthropic) | (Platform::Zed, _) => "claude-haiku-4-5",
            (Platform::Own, Dialect::OpenAiChat | Dialect::OpenAiResponses) => "gpt-5-mini",
            (Platform::Own, Dialect::Gemini) => "gemini-2.5-flash",
        };
        named
            .next()
            .or_else(|| cheapest(listed))
            .unwrap_or_else(|| usual.to_owned())
    }

    /// Asks for one token with the key at that place.
    pub async fn call(&self, patient: &Patient, key: usize, model: &str) -> Tried {
        let key = patient.endpoint.keys.all().nth(key);
        let ask = ProbeAsk::Model(model.to_owned());
        let answer = trial(&self.shared, &patient.endpoint, key, &ask, PATIENCE).await;
        let date = answer.headers.get(http::header::DATE);
        let date = date.and_then(|it| httpdate::parse_http_date(it.to_str().ok()?).ok());
        Tried {
            model: model.to_owned(),
            outcome: answer.outcome.map(|_| ()),
            took: answer.took,
            ahead: date.map(|theirs| ahead(theirs, SystemTime::now())),
        }
    }
}

fn ahead(theirs: SystemTime, ours: SystemTime) -> i64 {
    let seconds = |span: Duration| i64::try_from(span.as_secs()).unwrap_or(i64::MAX);
    match theirs.duration_since(ours) {
        Ok(ahead) => seconds(ahead),
        Err(behind) => -seconds(behind.duration()),
    }
}

/// The model that looks cheapest, by the words that vendors use for it, and that answers a chat.
fn cheapest(listed: &[String]) -> Option<String> {
    const SMALL: [&str; 6] = ["haiku", "nano", "flash-lite", "mini", "flash", "small"];
    const OTHER: [&str; 15] = [
        "embed",
        "tts",
        "whisper",
        "image",
        "audio",
        "realtime",
        "moderation",
        "dall-e",
        "video",
        "live",
        "search",
        "transcribe",
        "codex",
        "instruct",
        "robotics",
    ];
    let talks = |it: &&String| !OTHER.iter().any(|word| it.contains(word));
    let small = SMALL.iter().find_map(|word| {
        let fitting = listed.iter().filter(talks).filter(|it| it.contains(word));
        // The plainest name is the one that lasts.
        fitting.min_by_key(|it| it.len())
    });
    small.or_else(|| listed.iter().find(talks)).cloned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_token_is_asked_of_a_small_model_that_talks() {
        let of = |names: &[&str]| {
            let names: Vec<String> = names.iter().map(|it| (*it).to_owned()).collect();
            cheapest(&names)
        };
        assert_eq!(
            of(&[
                "claude-opus-4-6",
                "claude-haiku-4-5-20251001",
                "claude-haiku-4-5"
            ])
            .as_deref(),
            Some("claude-haiku-4-5")
        );
        assert_eq!(
            of(&["gpt-4o-mini-tts", "gpt-5-mini", "text-embedding-3-small"]).as_deref(),
            Some("gpt-5-mini")
        );
        assert_eq!(of(&["glm-4.6"]).as_deref(), Some("glm-4.6"));
        assert_eq!(of(&["dall-e-3"]), None);
    }

    #[test]
    fn clocks_are_compared_both_ways() {
        let now = SystemTime::now();
        let minute = Duration::from_secs(60);
        assert_eq!(ahead(now + minute, now), 60);
        assert_eq!(ahead(now, now + minute), -60);
    }
}
