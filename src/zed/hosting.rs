//! The list of models that the service hosts: fetched at start and again every few minutes, kept meanwhile. Until it
//! has come a model's maker is told by its name.

use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use serde::Deserialize;

use super::calls::{Ask, Calls};
use crate::types::{Clock, Hosted, Secret};

/// How often the list is fetched.
const FRESH_FOR: Duration = Duration::from_secs(600);
/// Rest after it could not be.
const REST: Duration = Duration::from_secs(30);
/// Models of one list that are kept.
const MAX_MODELS: usize = 1000;
/// We know xAI's models.
const TAKES_XAI: &str = "x-zed-client-supports-x-ai";

/// One model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostedModel {
    /// Its name there.
    pub id: String,
    /// Whose it is.
    pub hosted: Hosted,
    /// Its context window, tokens.
    pub context: Option<u64>,
    /// The same in the larger mode.
    pub max_context: Option<u64>,
    /// Whether there is a larger mode.
    pub has_max_mode: Option<bool>,
}

/// What one endpoint hosts.
pub struct Hosting {
    calls: Arc<dyn Calls>,
    /// Path of the list.
    path: String,
    /// Whose list, for the log.
    name: String,
    clock: Clock,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    models: Arc<[HostedModel]>,
    fetched: Option<Instant>,
    due: Option<Instant>,
    is_fetching: bool,
    /// It could not be fetched, which has been told.
    failing: bool,
}

impl Hosting {
    /// Nothing known yet of the list at `path`.
    pub fn new(calls: Arc<dyn Calls>, path: String, name: String, clock: Clock) -> Self {
        Hosting {
            calls,
            path,
            name,
            clock,
            state: Mutex::default(),
        }
    }

    /// What is known of a model.
    pub fn model(&self, id: &str) -> Option<HostedModel> {
        let models = self.models();
        models.iter().find(|it| it.id == id).cloned()
    }

    /// All models.
    pub fn models(&self) -> Arc<[HostedModel]> {
        Arc::clone(&self.state.lock().models)
    }

    /// How long ago they were fetched.
    pub fn age(&self) -> Option<Duration> {
        let fetched = self.state.lock().fetched?;
        Some(self.clock.now().saturating_duration_since(fetched))
    }

    /// Whether it is time to fetch them; whoever is told so does, with [`Hosting::fetch`].
    pub fn begin_fetch(&self) -> bool {
        let now = self.clock.now();
        let mut state = self.state.lock();
        let due = !state.is_fetching && state.due.is_none_or(|due| due <= now);
        state.is_fetching |= due;
        due
    }

    /// Fetches them with this token, if it can.
    pub async fn fetch(&self, token: Option<Secret>) {
        let _done = Fetching(self);
        let mut headers = vec![(TAKES_XAI, Secret::new("true".to_owned()))];
        if let Some(token) = token {
            let bearer = Secret::new(format!("Bearer {}", token.expose()));
            headers.push(("authorization", bearer));
        }
        let ask = Ask {
            path: self.path.clone(),
            headers,
            body: None,
        };
        let read = match self.calls.call(ask).await {
            Ok(answer) if answer.status == 200 => read(&answer.body),
            Ok(answer) => Err(format!("status {}", answer.status)),
            Err(why) => Err(why),
        };
        let now = self.clock.now();
        let mut state = self.state.lock();
        match read {
            Ok(models) => {
                (state.fetched, state.due) = (Some(now), Some(now + FRESH_FOR));
                state.failing = false;
                log::debug!("provider {} hosts {} models", self.name, models.len());
                state.models = models.into();
            }
            Err(why) => {
                state.due = Some(now + REST);
                let is_news = !std::mem::replace(&mut state.failing, true);
                drop(state);
                let level = if is_news {
                    log::Level::Warn
                } else {
                    log::Level::Debug
                };
                let (name, rest) = (&self.name, REST.as_secs());
                log::log!(
                    level,
                    "the models of provider {name} cannot be listed: {why}; asked again every {rest} s"
                );
            }
        }
    }

    /// Nothing came of it; asked again before long.
    pub fn give_up(&self) {
        let mut state = self.state.lock();
        state.is_fetching = false;
        state.due = Some(self.clock.now() + Duration::from_secs(1));
    }
}

/// Ends a fetch, be it cancelled.
struct Fetching<'a>(&'a Hosting);

impl Drop for Fetching<'_> {
    fn drop(&mut self) {
        self.0.state.lock().is_fetching = false;
    }
}

#[derive(Deserialize)]
struct List {
    models: Vec<Listed>,
}

#[derive(Deserialize)]
struct Listed {
    provider: String,
    id: String,
    #[serde(default)]
    max_token_count: Option<u64>,
    #[serde(default)]
    max_token_count_in_max_mode: Option<u64>,
    #[serde(default)]
    supports_max_mode: Option<bool>,
}

/// Models of makers that nobody knows here are left out.
fn read(body: &[u8]) -> Result<Vec<HostedModel>, String> {
    let list: List = serde_json::from_slice(body)
        .map_err(|_| "an answer that is no list of models".to_owned())?;
    let known = list.models.into_iter().filter_map(|it| {
        Some(HostedModel {
            hosted: Hosted::of_word(&it.provider)?,
            id: it.id,
            context: it.max_token_count,
            max_context: it.max_token_count_in_max_mode,
            has_max_mode: it.supports_max_mode,
        })
    });
    Ok(known.take(MAX_MODELS).collect())
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use async_trait::async_trait;
    use bytes::Bytes;

    use super::*;
    use crate::zed::Answer;

    struct Desk(Mutex<Vec<Result<Answer, String>>>);

    #[async_trait]
    impl Calls for Desk {
        async fn call(&self, ask: Ask) -> Result<Answer, String> {
            assert_eq!((ask.path.as_str(), ask.body), ("/models", None));
            self.0.lock().remove(0)
        }
    }

    fn answer(status: u16, body: &'static str) -> Answer {
        Answer {
            status,
            body: Bytes::from(body),
        }
    }

    const LIST: &str = r#"{"models":[
        {"provider":"anthropic","id":"claude-x","max_token_count":200000,"max_token_count_in_max_mode":1000000,"supports_max_mode":true},
        {"provider":"x_ai","id":"odd-name"},{"provider":"unheard_of","id":"y"}],"default_model":"claude-x"}"#;

    #[tokio::test]
    async fn a_list_is_kept_while_it_is_fresh_and_when_the_next_one_fails() {
        let clock = Clock::by_hand(UNIX_EPOCH);
        let desk = Desk(Mutex::new(vec![
            Ok(answer(200, LIST)),
            Ok(answer(200, "<html>")),
            Err("nobody there".to_owned()),
        ]));
        let hosting = Hosting::new(
            Arc::new(desk),
            "/models".to_owned(),
            "z".to_owned(),
            clock.clone(),
        );
        assert!(hosting.begin_fetch() && !hosting.begin_fetch());
        hosting.fetch(None).await;
        assert_eq!(hosting.models().len(), 2);
        assert_eq!(hosting.model("odd-name").unwrap().hosted, Hosted::XAi);
        assert_eq!(
            hosting.model("claude-x").unwrap().max_context,
            Some(1_000_000)
        );
        assert!(!hosting.begin_fetch());
        for wait in [FRESH_FOR, REST] {
            clock.advance(wait);
            assert!(hosting.begin_fetch());
            hosting.fetch(None).await;
            assert_eq!(hosting.models().len(), 2);
        }
    }
}
