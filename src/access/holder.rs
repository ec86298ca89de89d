//! Named keys: who holds one, and what it is good for.

use std::sync::Arc;
use std::time::SystemTime;

use crate::access::limits::{Caps, Limits};
use crate::config::KeyEntry;
use crate::error::{Fault, FaultKind};
use crate::routing::Pattern;
use crate::types::calendar::rfc3339;

/// Claude Code puts this behind a model's name to ask for the long context.
const LONG_CONTEXT: &str = "[1m]";

/// The holder of a named key.
#[derive(Clone, Debug)]
pub struct Holder {
    /// The key's name: its budget, its rows in the ledger and its tenant hang on it.
    pub name: Arc<str>,
    /// The team, for reports.
    pub team: Option<Arc<str>>,
    /// What it may use.
    pub limits: Limits,
    expires: Option<SystemTime>,
    revoked: bool,
    models: Vec<Pattern>,
    routes: Vec<String>,
    providers: Vec<String>,
}

impl Holder {
    /// Of an entry of the configuration.
    pub fn new(entry: &KeyEntry) -> Self {
        Holder {
            name: entry.name.as_str().into(),
            team: entry.team.as_deref().map(Arc::from),
            limits: Limits {
                rpm: entry.rpm,
                tpm: entry.tpm,
                max_concurrent: entry.max_concurrent,
                caps: Caps {
                    daily: entry.daily,
                    monthly: entry.monthly,
                },
            },
            expires: entry.expires,
            revoked: entry.revoked,
            models: entry.models.iter().map(|it| Pattern::new(it)).collect(),
            routes: entry.routes.clone(),
            providers: entry.providers.clone(),
        }
    }

    /// Whether the key is still good.
    pub fn is_good(&self, now: SystemTime) -> Result<(), Fault> {
        let refused = |text: String| Err(Fault::new(FaultKind::Unauthenticated, text));
        let name = &self.name;
        if self.revoked {
            return refused(format!(
                "the gateway key \"{name}\" was revoked; ask for another"
            ));
        }
        match self.expires.filter(|at| *at <= now) {
            Some(at) => {
                let at = rfc3339(at);
                refused(format!(
                    "the gateway key \"{name}\" expired at {at}; ask for another"
                ))
            }
            None => Ok(()),
        }
    }

    /// Whether a model may be asked for, by the client's name for it.
    pub fn may_ask_for(&self, model: &str) -> bool {
        let short = model.strip_suffix(LONG_CONTEXT).unwrap_or(model);
        let fits = |pattern: &Pattern| pattern.matches(model) || pattern.matches(short);
        self.models.is_empty() || self.models.iter().any(fits)
    }

    /// Whether a route may be taken, by its pattern or the label of its rule.
    pub fn may_take(&self, route: &str) -> bool {
        self.routes.is_empty() || self.routes.iter().any(|it| it == route)
    }

    /// Whether a provider may be asked.
    pub fn may_use(&self, provider: &str) -> bool {
        self.providers.is_empty() || self.providers.iter().any(|it| it == provider)
    }

    /// The refusal of a model.
    pub fn not_allowed(&self, model: &str) -> Fault {
        let (name, model) = (&self.name, model.escape_debug());
        let text = format!("model: the gateway key \"{name}\" may not use \"{model}\"");
        Fault::new(FaultKind::Forbidden, text)
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    fn holder(change: impl FnOnce(&mut KeyEntry)) -> Holder {
        let mut entry = KeyEntry::new("alice", [7; 32]);
        change(&mut entry);
        Holder::new(&entry)
    }

    #[test]
    fn a_key_is_good_until_it_expires_or_is_revoked() {
        let end = UNIX_EPOCH + Duration::from_secs(86_400);
        let key = holder(|it| it.expires = Some(end));
        assert!(key.is_good(end - Duration::from_nanos(1)).is_ok());
        let fault = key.is_good(end).unwrap_err();
        assert_eq!(fault.kind, FaultKind::Unauthenticated);
        assert!(fault.public.contains("1970-01-02T00:00:00Z"), "{fault:?}");
        assert!(holder(|it| it.revoked = true).is_good(UNIX_EPOCH).is_err());
        assert!(holder(|_| {}).is_good(end).is_ok());
    }

    #[test]
    fn what_is_not_narrowed_is_allowed() {
        let key = holder(|_| {});
        assert!(key.may_ask_for("any") && key.may_take("any") && key.may_use("any"));
        let key = holder(|it| {
            it.models = vec!["*sonnet*".to_owned(), "claude-haiku-4-5".to_owned()];
            it.routes = vec!["*sonnet*".to_owned()];
            it.providers = vec!["anthropic".to_owned()];
        });
        for (model, may) in [
            ("claude-sonnet-4-5", true),
            ("claude-sonnet-4-5[1m]", true),
            ("claude-haiku-4-5[1m]", true),
            ("claude-opus-4-5", false),
            ("", false),
        ] {
            assert_eq!(key.may_ask_for(model), may, "{model}");
        }
        assert!(key.may_take("*sonnet*") && !key.may_take("*"));
        assert!(key.may_use("anthropic") && !key.may_use("anthropic#b"));
    }
}
