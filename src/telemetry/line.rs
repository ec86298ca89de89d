//! One log record, copied out of the facade: secrets blacked out, lengths bounded, not yet dressed for an output.

use std::time::SystemTime;

use log::Level;
use log::Record;
use log::kv::Error;
use log::kv::Key;
use log::kv::Value;
use log::kv::VisitSource;
use log::kv::VisitValue;
use serde_json::Value as Json;

use crate::telemetry::redact::redact;

/// Longest message or value, in bytes; nobody reads more, and some of it may come from strangers.
const MAX_TEXT: usize = 4 * 1024;

/// A log record.
pub(super) struct Line {
    pub(super) time: SystemTime,
    pub(super) level: Level,
    pub(super) target: String,
    pub(super) message: String,
    /// Strings, numbers and booleans, in the order of the call.
    pub(super) fields: Vec<(String, Json)>,
}

impl Line {
    /// Copies a record.
    pub(super) fn of(record: &Record<'_>, time: SystemTime) -> Line {
        let mut fields = Fields(Vec::new());
        // A value that cannot be read is left out; the rest of the line is worth more than the reason.
        let _ = record.key_values().visit(&mut fields);
        Line {
            time,
            level: record.level(),
            target: record.target().to_owned(),
            message: clean(&record.args().to_string()),
            fields: fields.0,
        }
    }
}

fn clean(text: &str) -> String {
    // Cut behind the redaction, which would not know half a secret.
    let mut text = redact(text).into_owned();
    if MAX_TEXT < text.len() {
        text.truncate(text.floor_char_boundary(MAX_TEXT));
        text.push('…');
    }
    text
}

struct Fields(Vec<(String, Json)>);

impl<'kvs> VisitSource<'kvs> for Fields {
    fn visit_pair(&mut self, key: Key<'kvs>, value: Value<'kvs>) -> Result<(), Error> {
        let mut json = AsJson(Json::Null);
        value.visit(&mut json)?;
        self.0.push((key.as_str().to_owned(), json.0));
        Ok(())
    }
}

struct AsJson(Json);

impl VisitValue<'_> for AsJson {
    fn visit_any(&mut self, value: Value<'_>) -> Result<(), Error> {
        self.0 = clean(&value.to_string()).into();
        Ok(())
    }

    fn visit_null(&mut self) -> Result<(), Error> {
        self.0 = Json::Null;
        Ok(())
    }

    fn visit_u64(&mut self, value: u64) -> Result<(), Error> {
        self.0 = value.into();
        Ok(())
    }

    fn visit_i64(&mut self, value: i64) -> Result<(), Error> {
        self.0 = value.into();
        Ok(())
    }

    fn visit_f64(&mut self, value: f64) -> Result<(), Error> {
        self.0 = value.into();
        Ok(())
    }

    fn visit_bool(&mut self, value: bool) -> Result<(), Error> {
        self.0 = value.into();
        Ok(())
    }

    fn visit_str(&mut self, value: &str) -> Result<(), Error> {
        self.0 = clean(value).into();
        Ok(())
    }
}
