//! What the last requests tell: who served them, and where one provider stepped in for another.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use serde_json::Value;

/// Failovers that are shown.
const SHOWN: usize = 8;
/// What the step of the attempt that served is called.
const SERVED: &str = "served";

/// The last requests, summed up.
#[derive(Debug, Default)]
pub struct Recent {
    /// How many they are.
    pub requests: u64,
    /// Those that ended well.
    pub well: u64,
    /// How many each provider served.
    pub served: BTreeMap<String, u64>,
    /// The newest first.
    pub failovers: Vec<Failover>,
}

/// A request that a provider did not serve, and what became of it.
#[derive(Debug, PartialEq, Eq)]
pub struct Failover {
    /// When it ended.
    pub at: SystemTime,
    /// The model asked for.
    pub model: String,
    /// Who failed, and how, in order.
    pub from: Vec<(String, String)>,
    /// Who served it; `None`: nobody.
    pub to: Option<String>,
}

impl Recent {
    /// Of what `GET /admin/requests` gives.
    pub fn of(view: &Value) -> Recent {
        let mut recent = Recent::default();
        let requests = view.get("requests").and_then(Value::as_array);
        for request in requests.into_iter().flatten() {
            recent.requests += 1;
            let ended = request.get("end").and_then(Value::as_str);
            recent.well += u64::from(ended == Some("ok"));
            if let Some(provider) = text(request, "provider") {
                *recent.served.entry(provider).or_default() += 1;
            }
            if recent.failovers.len() < SHOWN {
                recent.failovers.extend(failover(request));
            }
        }
        recent
    }

    /// The share of the last requests that `provider` served, of a hundred.
    pub fn share(&self, provider: &str) -> Option<u64> {
        let all: u64 = self.served.values().sum();
        let its = self.served.get(provider).copied().unwrap_or_default();
        (its * 100 + all / 2).checked_div(all)
    }
}

fn failover(request: &Value) -> Option<Failover> {
    let steps = request.get("steps").and_then(Value::as_array)?;
    let tried = steps
        .iter()
        .filter(|it| it.get("ms").is_some_and(Value::is_u64));
    let failed = tried.filter_map(|it| Some((text(it, "provider")?, text(it, "what")?)));
    let from: Vec<(String, String)> = failed.filter(|(_, what)| what != SERVED).collect();
    let seconds = request.get("time").and_then(Value::as_f64)?;
    let since = Duration::try_from_secs_f64(seconds).ok()?;
    (!from.is_empty()).then(|| Failover {
        at: SystemTime::UNIX_EPOCH + since,
        model: text(request, "model_asked").unwrap_or_default(),
        from,
        to: text(request, "provider"),
    })
}

fn text(value: &Value, key: &str) -> Option<String> {
    value.get(key).and_then(Value::as_str).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn shares_and_failovers_are_found() {
        let step = |provider: &str, what: &str, ms: Option<u64>| json!({"provider": provider, "what": what, "ms": ms});
        let view = json!({"kept": 3, "requests": [
            {"time": 2.0, "end": "ok", "model_asked": "m", "provider": "b",
             "steps": [step("z", "circuit open", None), step("a", "500 upstream_status", Some(3)), step("b", "served", Some(4))]},
            {"time": 1.0, "end": "rejected", "model_asked": "n", "provider": null,
             "steps": [step("a", "connect_timeout", Some(9))]},
            {"time": 0.5, "end": "ok", "model_asked": "m", "provider": "b", "steps": [step("b", "served", Some(1))]},
            {"time": 0.4, "end": "ok", "model_asked": "m", "provider": "a", "steps": [step("a", "served", Some(1))]},
        ]});
        let recent = Recent::of(&view);
        assert_eq!((recent.requests, recent.well), (4, 3));
        let shares = ["a", "b", "c"].map(|it| recent.share(it));
        assert_eq!(shares, [Some(33), Some(67), Some(0)]);
        let told: Vec<_> = recent
            .failovers
            .iter()
            .map(|it| (it.model.as_str(), it.to.as_deref()))
            .collect();
        assert_eq!(told, [("m", Some("b")), ("n", None)]);
        assert_eq!(
            recent.failovers[0].from,
            [("a".to_owned(), "500 upstream_status".to_owned())]
        );
        assert_eq!(Recent::of(&json!({"requests": []})).share("a"), None);
    }
}
