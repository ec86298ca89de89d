//! How a provider stands after a case: its health, its key, and what the log says of it.

use serde_json::Value;

use super::fault::Health;

/// How a provider stands afterwards.
pub struct Standing<'a> {
    state: &'a Value,
    /// Log lines of counted errors.
    counted: Vec<&'a str>,
    /// Log lines at ERROR.
    alarms: usize,
}

impl<'a> Standing<'a> {
    /// Looks it up.
    pub fn of(name: &str, providers: &'a Value, log: &'a [Value]) -> Standing<'a> {
        let all = providers["providers"].as_array().unwrap();
        let state = all.iter().find(|it| it["name"] == name).unwrap();
        let about = |text: &str| {
            log.iter()
                .filter(|it| it["message"].as_str().unwrap().contains(text))
                .collect::<Vec<_>>()
        };
        let counted = about(&format!("recorded error for provider {name}:"));
        let alarms = about(&format!("provider {name} "))
            .into_iter()
            .filter(|it| it["level"] == "ERROR");
        Standing {
            state,
            counted: counted
                .iter()
                .map(|it| it["message"].as_str().unwrap())
                .collect(),
            alarms: alarms.count(),
        }
    }

    /// Checks that a fault has done this to it, and nothing else.
    pub fn is(&self, health: Health, model: &str) {
        let (state, counted) = (self.state, &self.counted);
        let errors = match health {
            Health::Counted(_) | Health::Quiet | Health::KeyBenched => 1,
            Health::Unharmed | Health::KeyRests | Health::ModelUnknown => 0,
        };
        assert_eq!(state["failure_count"], errors, "{state}");
        assert_eq!(counted.len(), errors, "{counted:?}");
        let key = match health {
            Health::KeyRests => "resting",
            Health::KeyBenched => "benched",
            Health::Unharmed | Health::Counted(_) | Health::Quiet | Health::ModelUnknown => {
                "usable"
            }
        };
        assert_eq!(state["keys"][0]["state"], key, "{state}");
        // The moment of quiet may be over by now.
        let quiet = state["reason"] == "overloaded";
        let last_error = state["last_error"].as_str().unwrap_or_default();
        match health {
            Health::Quiet => assert!(last_error.starts_with("upstream_overloaded"), "{state}"),
            _ => assert!(!quiet, "{state}"),
        }
        assert_eq!(self.alarms, usize::from(health == Health::KeyBenched));
        let unknown = state["unsupported_models"].as_array().unwrap();
        assert_eq!(
            unknown.contains(&model.into()),
            health == Health::ModelUnknown,
            "{state}"
        );
        if let Health::Counted(reasons) = health {
            let known = |it: &str| counted[0].contains(&format!("count=1/2, reason={it}"));
            assert!(reasons.iter().any(|it| known(it)), "{counted:?}");
        }
    }
}
