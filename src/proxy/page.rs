//! The status page at `/` and `/admin/status`, its files, and what its script asks for.
//!
//! At `/` it is for browsers of whoever may administer; everybody else gets the few words in JSON that they always got.
//! At `/admin/status` a browser is asked for the admin key, as the password of any name: it remembers it, and no cookie and
//! no form of ours is needed.

use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use http::HeaderMap;
use http::header::{ACCEPT, HOST, HeaderName, HeaderValue, WWW_AUTHENTICATE};
use parking_lot::Mutex;
use pingora::proxy::Session;

use super::entry;
use super::service::Edge;
use crate::admin::Filter;
use crate::admin::status_page::{self, Facts, Today};
use crate::error::{Fault, FaultKind};
use crate::ledger::{Question, Words, ask};
use crate::snapshot::Snapshot;
use crate::types::Day;

/// Where the page is for who has to show a key.
const STATUS: &str = "/admin/status";
/// How long what the ledger has counted is shown before it is asked again: the page asks every two seconds.
const COUNTED_FOR: Duration = Duration::from_secs(10);
/// Requests whose failovers are looked for.
const LOOKED_AT: usize = 200;

/// What may be called of the page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PageCall {
    /// `GET /admin/status`, and `GET /` of a browser that may: all of it.
    Whole,
    /// `GET /admin/status/live`: what changes.
    Live,
    /// `GET /admin/status/page.css`.
    Style,
    /// `GET /admin/status/page.js`.
    Script,
    /// `GET /admin/status/icon.svg`.
    Icon,
}

/// Whether somebody would rather have a page than JSON.
pub fn is_wanted(headers: &HeaderMap) -> bool {
    let mut accepted = headers.get_all(ACCEPT).into_iter();
    accepted.any(|it| memchr::memmem::find(it.as_bytes(), b"text/html").is_some())
}

/// Whether a path is that of the page or of something on it.
pub fn is_of_page(path: &str) -> bool {
    path.strip_prefix(STATUS)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// What makes a browser ask for the admin key.
pub fn challenge(path: &str, fault: &Fault) -> Vec<(HeaderName, HeaderValue)> {
    if path != STATUS || fault.kind != FaultKind::Unauthenticated {
        return Vec::new();
    }
    let words = r#"Basic realm="Pointsman: the admin key is the password", charset="UTF-8""#;
    vec![(WWW_AUTHENTICATE, HeaderValue::from_static(words))]
}

/// A content type and a body.
pub async fn answer(
    edge: &Edge,
    snapshot: &Snapshot,
    session: &Session,
    call: PageCall,
) -> (&'static str, Bytes) {
    let whole = match call {
        PageCall::Style => {
            return (
                "text/css; charset=utf-8",
                Bytes::from_static(status_page::STYLE.as_bytes()),
            );
        }
        PageCall::Script => {
            return (
                "text/javascript; charset=utf-8",
                Bytes::from_static(status_page::SCRIPT.as_bytes()),
            );
        }
        PageCall::Icon => {
            return (
                "image/svg+xml",
                Bytes::from_static(status_page::ICON.as_bytes()),
            );
        }
        PageCall::Whole => true,
        PageCall::Live => false,
    };
    let shared = &edge.shared;
    let requests = shared.requests.view(&Filter {
        limit: Some(LOOKED_AT),
        ..Filter::default()
    });
    let refused = shared.reload.refused();
    let facts = Facts {
        snapshot,
        requests: &requests,
        refused: refused.as_deref(),
        today: shared.today.of(snapshot).await,
        troubles: shared
            .ledger
            .trouble()
            .iter()
            .map(ToString::to_string)
            .collect(),
        address: &address(session),
        now: Instant::now(),
        wall: SystemTime::now(),
    };
    let text = if whole {
        status_page::page(&facts)
    } else {
        status_page::live(&facts)
    };
    ("text/html; charset=utf-8", Bytes::from(text))
}

/// Where the browser found us, to be shown in commands: whatever else stands in a `host` header is not.
fn address(session: &Session) -> String {
    let head = session.req_header();
    let line = head.headers.get(HOST).and_then(|it| it.to_str().ok());
    let authority = head.uri.authority().map(http::uri::Authority::as_str);
    let plain = |it: &&str| {
        let fits = |it: u8| it.is_ascii_alphanumeric() || b".-:[]".contains(&it);
        !it.is_empty() && it.len() < 256 && it.bytes().all(fits)
    };
    let host = authority.or(line).filter(plain).unwrap_or("127.0.0.1:8080");
    let scheme = if entry::is_encrypted(session) {
        "https"
    } else {
        "http"
    };
    format!("{scheme}://{host}")
}

/// What the ledger has counted today, as of a few seconds ago.
#[derive(Debug, Default)]
pub struct CountedToday(Mutex<Option<(Instant, PathBuf, Today)>>);

impl CountedToday {
    async fn of(&self, snapshot: &Snapshot) -> Today {
        let Some(ledger) = &snapshot.config.ledger else {
            return Today::Off;
        };
        let path = ledger.path.clone();
        let known = self.0.lock().clone();
        let is_fresh =
            |it: &(Instant, PathBuf, Today)| it.0.elapsed() < COUNTED_FOR && it.1 == path;
        if let Some((_, _, today)) = known.filter(is_fresh) {
            return today;
        }
        // Reading many rows takes its time, and the disk's.
        let asked = path.clone();
        let counted = tokio::task::spawn_blocking(move || counted(&asked));
        let today = counted.await.unwrap_or(Today::Unread);
        *self.0.lock() = Some((Instant::now(), path, today));
        today
    }
}

fn counted(path: &std::path::Path) -> Today {
    let wall = SystemTime::now();
    let today = Day::of(wall).to_string();
    let words = Words {
        by: Some("day"),
        since: Some(&today),
        until: None,
    };
    let Ok(question) = Question::read(words, wall) else {
        return Today::Unread;
    };
    let (mut requests, mut input, mut output, mut dollars, mut unpriced) = (0, 0, 0, 0.0, 0);
    match ask(path, &question) {
        Ok(report) => {
            for line in &report.lines {
                requests += line.requests;
                input += line.input + line.cache_read + line.cache_write;
                output += line.output;
                dollars += line.cost.dollars();
                unpriced += line.unpriced;
            }
        }
        // Nothing has been written yet.
        Err(crate::ledger::StoreError::Missing { .. }) => {}
        Err(_) => return Today::Unread,
    }
    Today::Counted {
        requests,
        input,
        output,
        dollars,
        unpriced,
    }
}
