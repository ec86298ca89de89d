//! `GET /admin/usage?by=key&since=7d&until=…&format=csv`: what the ledger has counted.

use std::time::SystemTime;

use bytes::Bytes;
use serde_json::Value;

use super::local::query_value;
use crate::error::{Fault, FaultKind};
use crate::ledger::{Question, Report, StoreError, Words, ask};
use crate::routing::PRICES_AS_OF;
use crate::snapshot::Snapshot;

/// A content type and a text of it.
type Answer = Result<(&'static str, Bytes), Fault>;

/// Answers the question of a query.
pub async fn answer(snapshot: &Snapshot, query: &str) -> Answer {
    let value = |name: &str| query_value(query, name);
    let (by, since, until) = (value("by"), value("since"), value("until"));
    let words = Words {
        by: by.as_deref(),
        since: since.as_deref(),
        until: until.as_deref(),
    };
    let invalid = |text: String| Fault::new(FaultKind::InvalidRequest, text);
    let question =
        Question::read(words, SystemTime::now()).map_err(|error| invalid(error.to_string()))?;
    let is_csv = match value("format").as_deref() {
        None | Some("json") => false,
        Some("csv") => true,
        Some(_) => return Err(invalid("format: must be json or csv".to_owned())),
    };
    let Some(ledger) = &snapshot.config.ledger else {
        let text = "there is no ledger; write `ledger: {path: …}` into the configuration";
        return Err(Fault::new(FaultKind::UnknownPath, text));
    };
    let path = ledger.path.clone();
    // Reading many rows takes its time, and the disk's.
    let asked = tokio::task::spawn_blocking(move || ask(&path, &question));
    let asked = asked.await.map_err(Fault::internal)?;
    let report = asked.map_err(|error| unread(&error))?;
    Ok(if is_csv {
        ("text/csv; charset=utf-8", Bytes::from(report.csv()))
    } else {
        ("application/json", Bytes::from(json(&report).to_string()))
    })
}

fn json(report: &Report) -> Value {
    let mut value = report.json();
    if let Some(value) = value.as_object_mut() {
        value.insert("prices_as_of".to_owned(), PRICES_AS_OF.into());
    }
    value
}

fn unread(error: &StoreError) -> Fault {
    match error {
        StoreError::Missing { .. } => {
            let text = "the ledger has no rows yet: nothing has been served";
            Fault::new(FaultKind::UnknownPath, text)
        }
        StoreError::File { .. } | StoreError::Sql { .. } | StoreError::Later { .. } => {
            let text = "the ledger cannot be read now; the log says why";
            log::warn!("usage ledger: {error}");
            Fault::new(FaultKind::Overloaded, text)
        }
    }
}
