//! Which of its candidates a request prefers by what is paid for there: the client's own wish, or what the request looks
//! like (`routing::classes`). The others stay, behind them.

use std::fmt;

use super::choose::Candidate;
use super::request::Request;
use super::zed;
use crate::config::Billing;
use crate::error::{Fault, FaultKind};
use crate::routing::{Facts, Why, decide};
use crate::snapshot::Snapshot;

/// How far behind candidates go that are paid for otherwise than preferred: behind all priorities that anybody writes.
const BEHIND: u32 = 1 << 30;

/// What a request is better paid for by.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Decision {
    billing: Billing,
    why: Why,
    facts: Option<Facts>,
}

impl fmt::Display for Decision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, {}", self.billing.word(), self.why.word())?;
        match &self.facts {
            Some(facts) => write!(f, " ({facts})"),
            None => Ok(()),
        }
    }
}

/// Puts the candidates first that are paid for as is preferred. `None` where there was nothing to choose.
pub fn prefer(
    snapshot: &Snapshot,
    request: &Request,
    candidates: &mut [Candidate],
) -> Result<Option<Decision>, Fault> {
    let wish = wish(request)?;
    let first = candidates.first().map(Candidate::billing);
    if candidates.iter().all(|it| Some(it.billing()) == first) {
        return Ok(None);
    }
    let decision = match (wish, &snapshot.config.settings.classes) {
        (Some(billing), _) => Decision {
            billing,
            why: Why::Asked,
            facts: None,
        },
        (None, Some(classes)) => {
            let facts = zed::facts(request.dialect, &request.body.bytes, classes);
            let (billing, why) = decide(classes, &facts);
            Decision {
                billing,
                why,
                facts: Some(facts),
            }
        }
        (None, None) => return Ok(None),
    };
    for candidate in candidates.iter_mut() {
        if candidate.billing() != decision.billing {
            candidate.priority = candidate.priority.saturating_add(BEHIND);
        }
    }
    candidates.sort_by_key(|it| it.billing() != decision.billing);
    Ok(Some(decision))
}

/// How many candidates come first because of what is paid for there: all of them, where nothing was preferred.
pub fn preferred(candidates: &[Candidate]) -> usize {
    candidates
        .iter()
        .take_while(|it| it.priority < BEHIND)
        .count()
}

/// What the client asks for itself.
fn wish(request: &Request) -> Result<Option<Billing>, Fault> {
    let Some(word) = &request.head.billing else {
        return Ok(None);
    };
    match Billing::of_word(word) {
        Some(billing) => Ok(Some(billing)),
        None => Err(Fault::new(
            FaultKind::InvalidRequest,
            "preferred_billing_model: must be token_based or session_based",
        )),
    }
}
