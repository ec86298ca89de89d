//! The gateway's own keys, plain and named: any one of them, in any of the headers clients use, lets a request in.

use std::sync::Arc;

use http::HeaderMap;
use http::HeaderName;
use http::HeaderValue;
use sha2::Digest;
use sha2::Sha256;
use subtle::Choice;
use subtle::ConditionallySelectable;
use subtle::ConstantTimeEq;

use crate::access::extract;
use crate::access::holder::Holder;
use crate::config::KeyEntry;
use crate::error::Fault;
use crate::error::FaultKind;
use crate::types::Secret;

/// The configured gateway keys, as digests.
#[derive(Clone)]
pub struct GatewayKeys {
    /// Of the plain keys, then of the named ones.
    digests: Vec<[u8; 32]>,
    /// Who holds the last of them.
    holders: Vec<Arc<Holder>>,
    /// Nobody may call without a key, even if no key is left.
    is_closed: bool,
}

/// What the credentials of a request are worth.
#[derive(Debug)]
pub struct Access {
    /// Whether it may call.
    pub verdict: Verdict,
    /// Who holds the key, if it is a named one.
    pub holder: Option<Arc<Holder>>,
    /// Headers that carried a gateway key, one entry a line. They never go to a provider.
    pub spent: Vec<HeaderName>,
    /// Credentials that are not ours, as they came: what a provider with `auth_type: passthrough` gets, all others
    /// do not. Marked sensitive, so that `Debug` hides them.
    pub rest: Vec<(HeaderName, HeaderValue)>,
}

/// Whether a request may call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// No gateway key is configured: everyone may.
    Open,
    /// A valid key.
    Granted {
        /// Its position in the configuration, from 0: the tenant.
        key: u32,
    },
    /// No credential at all.
    Missing,
    /// Credentials, but none is a gateway key.
    Wrong,
}

impl GatewayKeys {
    /// Takes the keys of the configuration; none lets everyone in.
    pub fn new(keys: &[Secret]) -> Self {
        GatewayKeys {
            digests: keys
                .iter()
                .map(|key| digest(key.expose().as_bytes()))
                .collect(),
            holders: Vec::new(),
            is_closed: false,
        }
    }

    /// With named keys besides; a list of them that is there closes the gateway, be it empty.
    pub fn with_named(mut self, entries: Option<&[KeyEntry]>) -> Self {
        let Some(entries) = entries else { return self };
        for entry in entries {
            self.digests.push(entry.sha256);
            self.holders.push(Arc::new(Holder::new(entry)));
        }
        self.is_closed = true;
        self
    }

    /// Who holds a key, if it is a named one.
    fn holder(&self, key: u32) -> Option<&Arc<Holder>> {
        let plain = self.digests.len().saturating_sub(self.holders.len());
        let index = usize::try_from(key).ok()?.checked_sub(plain)?;
        self.holders.get(index)
    }

    /// Everyone who holds a named key.
    pub fn holders(&self) -> impl Iterator<Item = &Arc<Holder>> {
        self.holders.iter()
    }

    /// Whether everyone may call.
    pub fn is_open(&self) -> bool {
        self.digests.is_empty() && !self.is_closed
    }

    /// Judges a request by its headers. Takes equally long for every wrong key of a length.
    pub fn authenticate(&self, headers: &HeaderMap) -> Access {
        let mut granted: Option<u32> = None;
        let mut spent = Vec::new();
        let mut rest = Vec::new();
        for line in extract::credentials(headers) {
            if let Some(key) = self.position(line.token) {
                granted = granted.or(Some(key));
                spent.push(line.name);
            } else {
                let mut value = line.value.clone();
                value.set_sensitive(true);
                rest.push((line.name, value));
            }
        }
        let verdict = match granted {
            _ if self.is_open() => Verdict::Open,
            Some(key) => Verdict::Granted { key },
            None if rest.is_empty() => Verdict::Missing,
            None => Verdict::Wrong,
        };
        let holder = granted.and_then(|key| self.holder(key)).cloned();
        Access {
            verdict,
            holder,
            spent,
            rest,
        }
    }

    /// What a key is known by beyond this configuration, where its position may be another's.
    pub fn id(&self, key: u32) -> Option<&[u8; 32]> {
        self.digests.get(usize::try_from(key).ok()?)
    }

    /// Which of the keys a token is. Every key is looked at, whether or not one was found already.
    fn position(&self, token: &[u8]) -> Option<u32> {
        let given = digest(token);
        let mut found = Choice::from(0);
        let mut position = 0_u32;
        for (index, known) in (0_u32..).zip(&self.digests) {
            let same = known.ct_eq(&given);
            position.conditional_assign(&index, same);
            found |= same;
        }
        bool::from(found).then_some(position)
    }
}

impl Access {
    /// Lets the request in, or says why not: the same words whatever was wrong.
    pub fn admit(&self) -> Result<(), Fault> {
        match self.verdict {
            Verdict::Open | Verdict::Granted { .. } => Ok(()),
            // Claude Code 2.1.328 shows "Not logged in" instead of a message that contains `x-api-key`, which would
            // hide the remedy.
            Verdict::Missing | Verdict::Wrong => Err(Fault::new(
                FaultKind::Unauthenticated,
                "invalid or missing gateway key; give it to the client as its api key or auth token",
            )),
        }
    }
}

/// SHA-256 makes all keys equally long, and a comparison of digests tells nothing about the keys.
pub(super) fn digest(key: &[u8]) -> [u8; 32] {
    Sha256::digest(key).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    type Lines = &'static [(&'static str, &'static [u8])];

    fn keys(texts: &[&str]) -> GatewayKeys {
        let keys: Vec<Secret> = texts
            .iter()
            .map(|key| Secret::new((*key).to_owned()))
            .collect();
        GatewayKeys::new(&keys)
    }

    fn judge(keys: &GatewayKeys, lines: &[(&'static str, &[u8])]) -> Access {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            let value = HeaderValue::from_bytes(value).expect("a header value");
            headers.append(HeaderName::from_static(name), value);
        }
        keys.authenticate(&headers)
    }

    #[test]
    fn any_one_valid_key_in_any_place_lets_in() {
        let keys = keys(&["first-key", "second-key"]);
        let table: &[(Lines, Verdict)] = &[
            (&[("x-api-key", b"first-key")], Verdict::Granted { key: 0 }),
            (&[("x-api-key", b"second-key")], Verdict::Granted { key: 1 }),
            (&[("api-key", b"second-key")], Verdict::Granted { key: 1 }),
            (
                &[("authorization", b"Bearer first-key")],
                Verdict::Granted { key: 0 },
            ),
            (
                &[("authorization", b"bEARER  first-key")],
                Verdict::Granted { key: 0 },
            ),
            (
                &[("authorization", b"first-key")],
                Verdict::Granted { key: 0 },
            ),
            (
                &[
                    ("x-api-key", b"wrong"),
                    ("authorization", b"Bearer first-key"),
                ],
                Verdict::Granted { key: 0 },
            ),
            (
                &[
                    ("x-api-key", b"first-key"),
                    ("authorization", b"Bearer wrong"),
                ],
                Verdict::Granted { key: 0 },
            ),
            (
                &[("x-api-key", b"wrong"), ("x-api-key", b"second-key")],
                Verdict::Granted { key: 1 },
            ),
            (&[], Verdict::Missing),
            (&[("x-api-key", b"")], Verdict::Missing),
            (&[("authorization", b"Bearer ")], Verdict::Missing),
            (&[("x-api-key", b"first-ke")], Verdict::Wrong),
            (&[("x-api-key", b"first-keyy")], Verdict::Wrong),
            (&[("x-api-key", b"FIRST-KEY")], Verdict::Wrong),
            (&[("x-api-key", b"Bearer first-key")], Verdict::Wrong),
            (&[("authorization", b"Basic first-key")], Verdict::Wrong),
            (&[("x-api-key", b"first-key, second-key")], Verdict::Wrong),
            (&[("x-api-key", b"\xff\xfe")], Verdict::Wrong),
            (&[("x-api-key", b"' OR 1=1 --")], Verdict::Wrong),
            (&[("x-api-key", b"{{7*7}}")], Verdict::Wrong),
            (&[("x-other", b"first-key")], Verdict::Missing),
        ];
        for (lines, verdict) in table {
            assert_eq!(judge(&keys, lines).verdict, *verdict, "{lines:?}");
        }
    }

    #[test]
    fn a_huge_key_is_merely_wrong() {
        let huge = vec![b'a'; 64 * 1024];
        let access = judge(&keys(&["k"]), &[("x-api-key", &huge)]);
        assert_eq!(access.verdict, Verdict::Wrong);
    }

    #[test]
    fn without_keys_everyone_may_and_keeps_every_credential() {
        let access = judge(
            &keys(&[]),
            &[("x-api-key", b"sk"), ("authorization", b"Bearer t")],
        );
        assert_eq!(access.verdict, Verdict::Open);
        assert_eq!(access.rest.len(), 2);
        assert!(access.admit().is_ok());
    }

    #[test]
    fn an_empty_configured_key_opens_nothing() {
        for lines in [
            &[][..],
            &[("x-api-key", b"".as_slice())],
            &[("authorization", b"Bearer")],
        ] {
            assert_eq!(judge(&keys(&[""]), lines).verdict, Verdict::Missing);
        }
    }

    #[test]
    fn gateway_keys_are_spent_and_other_credentials_remain_as_they_came() {
        let keys = keys(&["ours", "ours-too"]);
        let lines: &[(&'static str, &[u8])] = &[
            ("x-api-key", b"ours"),
            ("authorization", b"bearer  theirs"),
            ("authorization", b"ours-too"),
        ];
        let access = judge(&keys, lines);
        assert_eq!(access.spent, ["x-api-key", "authorization"]);
        let [(name, value)] = access.rest.as_slice() else {
            panic!("one credential remains: {access:?}");
        };
        assert_eq!(
            (name.as_str(), value.as_bytes()),
            ("authorization", b"bearer  theirs".as_slice())
        );
        assert!(!format!("{access:?}").contains("theirs"));
    }

    #[test]
    fn a_named_key_is_known_by_its_digest_and_tells_its_holder() {
        let entry = KeyEntry::new("alice", digest(b"alices-key"));
        let keys = keys(&["plain"]).with_named(Some(&[entry]));
        let named = judge(&keys, &[("x-api-key", b"alices-key")]);
        assert_eq!(named.verdict, Verdict::Granted { key: 1 });
        assert_eq!(&*named.holder.unwrap().name, "alice");
        let plain = judge(&keys, &[("x-api-key", b"plain")]);
        assert!(plain.verdict == Verdict::Granted { key: 0 } && plain.holder.is_none());
        let text = format!("{:x}", Sha256::digest(b"alices-key"));
        let digest_shown = judge(&keys, &[("x-api-key", text.as_bytes())]);
        assert_eq!(digest_shown.verdict, Verdict::Wrong);
        assert_ne!(keys.id(0), keys.id(1), "each is a tenant of its own");
    }

    #[test]
    fn a_list_of_named_keys_without_any_closes_the_gateway() {
        let keys = keys(&[]).with_named(Some(&[]));
        assert!(!keys.is_open());
        assert_eq!(judge(&keys, &[]).verdict, Verdict::Missing);
    }

    #[test]
    fn every_refusal_says_the_same() {
        let keys = keys(&["ours"]);
        let missing = judge(&keys, &[]).admit().expect_err("missing");
        let wrong = judge(&keys, &[("x-api-key", b"sk-ant-x")])
            .admit()
            .expect_err("wrong");
        assert_eq!(missing.public, wrong.public);
        assert_eq!(wrong.kind, FaultKind::Unauthenticated);
        assert!(wrong.source.is_none());
    }
}
