//! An answer as others may get it: its head without what belongs to one request, and its pieces as they came.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use http::header::HeaderMap;
use http::{HeaderName, StatusCode};

/// What one header costs beside its text, bytes.
const HEADER_COST: usize = 64;
/// What one piece costs beside its bytes.
pub(super) const PIECE_COST: usize = 64;
/// Headers that are about one request: its ids, how often was tried, what was traced.
const PERSONAL: [&str; 5] = [
    "x-pointsman-request-id",
    "x-pointsman-attempts",
    "x-pointsman-trace",
    "x-pointsman-losses",
    "x-pointsman-cache",
];
/// Headers that say how the body is framed, which each client is told for itself.
const FRAMING: [&str; 2] = ["content-length", "transfer-encoding"];
/// Families of headers that are about the moment of the answer.
const MOMENTARY: [&str; 4] = [
    "anthropic-ratelimit-",
    "x-ratelimit-",
    "retry-after",
    "date",
];

/// The head of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// Its status.
    pub status: StatusCode,
    /// Its headers, those of one request already gone.
    pub headers: HeaderMap,
}

impl Head {
    /// The head that all who share an answer may get. The provider's `request-id` stays, ours does not.
    pub fn shared(status: StatusCode, headers: &HeaderMap) -> Self {
        let ours = headers.get("x-pointsman-request-id");
        let is_ours = headers.get("request-id") == ours;
        let stays = |name: &HeaderName| {
            let text = name.as_str();
            let is_our_id = is_ours && text == "request-id";
            !(is_our_id || PERSONAL.contains(&text) || FRAMING.contains(&text))
        };
        let kept = headers.iter().filter(|(name, _)| stays(name));
        Head {
            status,
            headers: kept.map(|(n, v)| (n.clone(), v.clone())).collect(),
        }
    }

    /// The head for those who get the answer later: nothing in it is about the moment it was given.
    fn lasting(&self) -> Self {
        let stays = |name: &HeaderName| {
            let text = name.as_str();
            text != "request-id" && !MOMENTARY.iter().any(|family| text.starts_with(family))
        };
        let kept = self.headers.iter().filter(|(name, _)| stays(name));
        Head {
            status: self.status,
            headers: kept.map(|(n, v)| (n.clone(), v.clone())).collect(),
        }
    }
}

/// A whole answer.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Its head.
    pub head: Arc<Head>,
    /// Its body, in the pieces it came in.
    pub pieces: Vec<Bytes>,
}

impl Answer {
    /// The answer to be kept: its pieces in memory of their own, so that they hold no more than their bytes.
    pub(super) fn lasting(&self) -> Self {
        let mut all = BytesMut::with_capacity(self.pieces.iter().map(Bytes::len).sum());
        for piece in &self.pieces {
            all.extend_from_slice(piece);
        }
        let mut all = all.freeze();
        let pieces = self.pieces.iter();
        Answer {
            head: Arc::new(self.head.lasting()),
            pieces: pieces.map(|piece| all.split_to(piece.len())).collect(),
        }
    }

    /// About how much memory it takes, bytes.
    pub(super) fn cost(&self) -> usize {
        let headers = self.head.headers.iter();
        let headers: usize = headers
            .map(|(name, value)| name.as_str().len() + value.len() + HEADER_COST)
            .sum();
        let pieces: usize = self.pieces.iter().map(|it| it.len() + PIECE_COST).sum();
        headers + pieces
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(lines: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, value.parse().unwrap());
        }
        headers
    }

    #[test]
    fn what_belongs_to_one_request_is_not_shared() {
        let own = headers(&[
            ("request-id", "req_1"),
            ("x-pointsman-request-id", "req_1"),
            ("x-pointsman-trace", "a=served"),
            ("x-pointsman-provider", "a"),
            ("content-length", "7"),
            ("anthropic-ratelimit-requests-remaining", "3"),
        ]);
        let head = Head::shared(StatusCode::OK, &own);
        let left = headers(&[
            ("x-pointsman-provider", "a"),
            ("anthropic-ratelimit-requests-remaining", "3"),
        ]);
        assert_eq!(head.headers, left);
        assert_eq!(
            head.lasting().headers,
            headers(&[("x-pointsman-provider", "a")])
        );
        let theirs = headers(&[("request-id", "up"), ("x-pointsman-request-id", "req_1")]);
        let head = Head::shared(StatusCode::OK, &theirs);
        assert_eq!(head.headers, headers(&[("request-id", "up")]));
    }

    #[test]
    fn a_kept_answer_holds_its_own_bytes_and_its_pieces() {
        let large = Bytes::from(vec![b'x'; 1000]);
        let answer = Answer {
            head: Arc::new(Head::shared(StatusCode::OK, &HeaderMap::new())),
            pieces: vec![large.slice(0..3), large.slice(500..501)],
        };
        let kept = answer.lasting();
        assert_eq!(kept.pieces, [&b"xxx"[..], b"x"]);
        assert_eq!(kept.cost(), 4 + 2 * PIECE_COST);
    }
}
