//! Web pages of other origins: which of them may call, and how their browsers are told (Fetch standard, CORS protocol).
//!
//! Off unless configured. Keys come in headers that a page has to know, never in cookies, so that no answer ever allows
//! credentials; and the surface of administration is no page's but our own.

use http::HeaderMap;
use http::header::{self, HeaderName, HeaderValue};
use pingora::http::ResponseHeader;

use crate::config::Cors;

/// Methods of all that a page may call.
const METHODS: &str = "GET, HEAD, POST";
/// Longest list of headers that a browser is told it may send.
const MAX_HEADERS: usize = 4096;

/// A page may read the answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// Whose pages.
    origin: HeaderValue,
}

impl Grant {
    /// What is granted to the page that sent these headers, if one did.
    pub fn of(cors: Option<&Cors>, headers: &HeaderMap) -> Option<Grant> {
        let mut origins = headers.get_all(header::ORIGIN).into_iter();
        let origin = origins.next().filter(|_| origins.next().is_none())?;
        let cors = cors?;
        let is_listed = cors
            .origins
            .iter()
            .any(|it| it.as_bytes() == origin.as_bytes());
        match (is_listed, cors.any_origin) {
            (true, _) => Some(Grant {
                origin: origin.clone(),
            }),
            (false, true) => Some(Grant {
                origin: HeaderValue::from_static("*"),
            }),
            (false, false) => None,
        }
    }

    /// Says so in the head of an answer.
    pub fn write(&self, head: &mut ResponseHeader) {
        let mut put = |name: HeaderName, value: HeaderValue| {
            let _ = head.insert_header(name, value);
        };
        put(header::ACCESS_CONTROL_ALLOW_ORIGIN, self.origin.clone());
        // All of them: none tells more than the body does.
        let all = HeaderValue::from_static("*");
        put(header::ACCESS_CONTROL_EXPOSE_HEADERS, all);
        let _ = head.append_header(header::VARY, HeaderValue::from_static("origin"));
    }
}

/// The answer to a browser whose page was granted something and that asks before it calls; `None` if these headers ask
/// nothing of the kind.
pub fn preflight(cors: &Cors, asked: &HeaderMap) -> Option<Vec<(HeaderName, HeaderValue)>> {
    asked.get(header::ACCESS_CONTROL_REQUEST_METHOD)?;
    let mut headers = vec![
        (
            header::ACCESS_CONTROL_ALLOW_METHODS,
            HeaderValue::from_static(METHODS),
        ),
        (
            header::ACCESS_CONTROL_MAX_AGE,
            cors.max_age.as_secs().into(),
        ),
    ];
    // Whatever it wants to send: what an SDK adds next month is as good as what it adds today.
    if let Some(names) = asked.get(header::ACCESS_CONTROL_REQUEST_HEADERS) {
        let is_list = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_., ".contains(byte);
        let bytes = names.as_bytes();
        if bytes.len() <= MAX_HEADERS && bytes.iter().all(is_list) {
            headers.push((header::ACCESS_CONTROL_ALLOW_HEADERS, names.clone()));
        }
    }
    Some(headers)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn cors(origins: &[&str], any_origin: bool) -> Cors {
        Cors {
            origins: origins.iter().map(|it| (*it).to_owned()).collect(),
            any_origin,
            max_age: Duration::from_secs(600),
        }
    }

    fn headers(lines: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, HeaderValue::from_static(value));
        }
        headers
    }

    fn granted(cors: Option<&Cors>, origins: &[&'static str]) -> Option<String> {
        let lines: Vec<_> = origins.iter().map(|it| ("origin", *it)).collect();
        let grant = Grant::of(cors, &headers(&lines))?;
        Some(grant.origin.to_str().unwrap().to_owned())
    }

    #[test]
    fn only_the_very_origin_is_granted() {
        let listed = cors(&["https://app.example"], false);
        let own = || Some("https://app.example".to_owned());
        assert_eq!(granted(Some(&listed), &["https://app.example"]), own());
        for other in [
            &[][..],
            &["https://app.example."],
            &["https://app.example:443"],
            &["https://APP.example"],
            &["http://app.example"],
            &["https://app.example.evil"],
            &["https://evil.app.example"],
            &["null"],
            &["https://app.example", "https://app.example"],
            &["https://app.example https://evil"],
        ] {
            assert_eq!(granted(Some(&listed), other), None, "{other:?}");
        }
        assert_eq!(granted(None, &["https://app.example"]), None);
        let any = cors(&[], true);
        assert_eq!(granted(Some(&any), &["https://x"]), Some("*".to_owned()));
    }

    #[test]
    fn a_preflight_gets_what_it_asks_for_and_never_credentials() {
        let cors = cors(&["https://app.example"], false);
        let asked = headers(&[
            ("origin", "https://app.example"),
            ("access-control-request-method", "POST"),
            (
                "access-control-request-headers",
                "x-api-key, anthropic-version",
            ),
        ]);
        assert!(Grant::of(Some(&cors), &asked).is_some());
        let answer: HeaderMap = preflight(&cors, &asked).unwrap().into_iter().collect();
        assert_eq!(
            answer["access-control-allow-headers"],
            "x-api-key, anthropic-version"
        );
        assert_eq!(answer["access-control-max-age"], "600");
        assert!(!answer.contains_key("access-control-allow-credentials"));
        let odd = headers(&[
            ("access-control-request-method", "POST"),
            ("access-control-request-headers", "x\"><script>"),
        ]);
        let answer: HeaderMap = preflight(&cors, &odd).unwrap().into_iter().collect();
        assert!(!answer.contains_key("access-control-allow-headers"));
        assert!(preflight(&cors, &headers(&[])).is_none());
    }
}
