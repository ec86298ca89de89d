//! Which requests are the same, and for whom: a tenant and a digest of every byte that matters.
//!
//! The tenant is a part of the key by itself, compared whole: two tenants never share, whatever the digest. The digest
//! is a keyed one of 128 bits (its keys are random and leave this process as little as the digests do): a request of a
//! coding agent has a megabyte, and SHA-256 would take a millisecond for it where this takes 40 microseconds.

use std::hash::{BuildHasher, Hasher};

use foldhash::quality::RandomState;
use http::header::{HeaderName, HeaderValue};
use sha2::{Digest, Sha256};

use crate::types::Dialect;

/// Families of headers that change what a provider answers.
const TELLING: [&str; 2] = ["anthropic-", "openai-"];

/// Who asks.
#[derive(Clone, Copy, Debug)]
pub enum Who<'a> {
    /// The holder of this gateway key, by the key's digest.
    Holder(&'a [u8; 32]),
    /// Somebody on this machine: there are no gateway keys.
    Local,
}

/// Whose answers these are; nobody else gets them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Tenant([u8; 32]);

impl Tenant {
    /// The tenant of who asks; `credentials` are those of its own that a provider would get (`passthrough`).
    pub fn new(who: Who<'_>, credentials: &[(HeaderName, HeaderValue)]) -> Self {
        let mut hasher = Sha256::new();
        match who {
            Who::Holder(digest) => {
                hasher.update(b"holder");
                hasher.update(digest);
            }
            Who::Local => hasher.update(b"local"),
        }
        for (name, value) in credentials {
            for text in [name.as_str().as_bytes(), value.as_bytes()] {
                hasher.update(text.len().to_le_bytes());
                hasher.update(text);
            }
        }
        Tenant(hasher.finalize().into())
    }
}

/// What of a call decides its answer.
pub struct Call<'a> {
    /// The client's dialect.
    pub dialect: Dialect,
    /// The query of its URL.
    pub query: Option<&'a str>,
    /// The rule that decides who answers it, where one does.
    pub rule: Option<&'a str>,
    /// Its headers; only those that change an answer count.
    pub headers: &'a [(HeaderName, HeaderValue)],
    /// Its body without what changes no answer, in pieces.
    pub body: &'a [&'a [u8]],
}

/// A call of one tenant, and perhaps of one agent of one session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Key {
    tenant: Tenant,
    call: [u64; 2],
    scope: Option<[u64; 2]>,
}

impl Key {
    /// The same call, whichever session makes it.
    pub fn unscoped(self) -> Self {
        Key {
            scope: None,
            ..self
        }
    }
}

/// Makes keys. They are worth nothing outside the process, or beside those of another maker.
#[derive(Debug, Default)]
pub struct Keys([RandomState; 2]);

impl Keys {
    /// The key of a call; `scope` narrows it, for example to a session and an agent.
    pub fn key(&self, tenant: Tenant, call: &Call<'_>, scope: Option<[&str; 2]>) -> Key {
        let digest = |state: &RandomState| {
            let mut hasher = state.build_hasher();
            put(&mut hasher, call.dialect.name().as_bytes());
            hasher.write_u8(u8::from(call.query.is_some()));
            put(&mut hasher, call.query.unwrap_or_default().as_bytes());
            put(&mut hasher, call.rule.unwrap_or_default().as_bytes());
            for (name, value) in call.headers.iter().filter(|(name, _)| is_telling(name)) {
                put(&mut hasher, name.as_str().as_bytes());
                put(&mut hasher, value.as_bytes());
            }
            hasher.write_usize(call.body.len());
            for piece in call.body {
                put(&mut hasher, piece);
            }
            hasher.finish()
        };
        let narrowed = |state: &RandomState, parts: [&str; 2]| {
            let mut hasher = state.build_hasher();
            for part in parts {
                put(&mut hasher, part.as_bytes());
            }
            hasher.finish()
        };
        let [one, two] = &self.0;
        Key {
            tenant,
            call: [digest(one), digest(two)],
            scope: scope.map(|parts| [narrowed(one, parts), narrowed(two, parts)]),
        }
    }
}

/// Lengths keep neighbours apart.
fn put(hasher: &mut impl Hasher, bytes: &[u8]) {
    hasher.write_usize(bytes.len());
    hasher.write(bytes);
}

fn is_telling(name: &HeaderName) -> bool {
    let name = name.as_str();
    TELLING.iter().any(|family| name.starts_with(family))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn header(name: &'static str, value: &'static str) -> (HeaderName, HeaderValue) {
        (
            HeaderName::from_static(name),
            HeaderValue::from_static(value),
        )
    }

    fn call<'a>(body: &'a [&'a [u8]], headers: &'a [(HeaderName, HeaderValue)]) -> Call<'a> {
        Call {
            dialect: Dialect::Anthropic,
            query: None,
            rule: None,
            headers,
            body,
        }
    }

    fn local() -> Tenant {
        Tenant::new(Who::Local, &[])
    }

    #[test]
    fn every_part_that_matters_makes_another_key_and_nothing_else_does() {
        let keys = Keys::default();
        let body: &[&[u8]] = &[b"{}"];
        let base = keys.key(local(), &call(body, &[]), None);
        let agent = [header("user-agent", "x"), header("x-stainless-lang", "js")];
        assert_eq!(base, keys.key(local(), &call(body, &agent), None));
        let beta = [header("anthropic-beta", "a")];
        let other_beta = [header("anthropic-beta", "b")];
        let query = Call {
            query: Some("beta=true"),
            ..call(body, &[])
        };
        let empty_query = Call {
            query: Some(""),
            ..call(body, &[])
        };
        let rule = Call {
            rule: Some("route_rules[0]"),
            ..call(body, &[])
        };
        let dialect = Call {
            dialect: Dialect::OpenAiChat,
            ..call(body, &[])
        };
        let mut all = vec![
            base,
            keys.key(local(), &rule, None),
            keys.key(local(), &call(body, &beta), None),
            keys.key(local(), &call(body, &other_beta), None),
            keys.key(local(), &query, None),
            keys.key(local(), &empty_query, None),
            keys.key(local(), &dialect, None),
            keys.key(local(), &call(&[b"{ }"], &[]), None),
            keys.key(local(), &call(&[b"{", b"}"], &[]), None),
            keys.key(local(), &call(body, &[]), Some(["s", ""])),
            keys.key(local(), &call(body, &[]), Some(["s", "a"])),
            keys.key(local(), &call(body, &[]), Some(["sa", ""])),
        ];
        let count = all.len();
        all.sort_by_key(|key| format!("{key:?}"));
        all.dedup();
        assert_eq!(all.len(), count);
        let scoped = keys.key(local(), &call(body, &[]), Some(["s", "a"]));
        assert_eq!(scoped.unscoped(), base);
    }

    #[test]
    fn tenants_differ_by_key_and_by_forwarded_credential() {
        let one = [header("x-api-key", "sk-1")];
        let two = [header("x-api-key", "sk-2")];
        let elsewhere = [header("authorization", "sk-1")];
        let mut all = vec![
            local(),
            Tenant::new(Who::Local, &one),
            Tenant::new(Who::Local, &two),
            Tenant::new(Who::Local, &elsewhere),
            Tenant::new(Who::Holder(&[1; 32]), &[]),
            Tenant::new(Who::Holder(&[2; 32]), &[]),
            Tenant::new(Who::Holder(&[1; 32]), &one),
        ];
        let count = all.len();
        all.sort_by_key(|tenant| tenant.0);
        all.dedup();
        assert_eq!(all.len(), count);
        assert_eq!(Tenant::new(Who::Local, &one), Tenant::new(Who::Local, &one));
    }

    proptest! {
        #[test]
        fn one_changed_byte_anywhere_makes_another_key(
            mut body in prop::collection::vec(any::<u8>(), 1..5000),
            at in any::<prop::sample::Index>(),
            flip in 1_u8..,
        ) {
            let keys = Keys::default();
            let before = keys.key(local(), &call(&[&body], &[]), None);
            prop_assert_eq!(before, keys.key(local(), &call(&[&body], &[]), None));
            let at = at.index(body.len());
            body[at] ^= flip;
            prop_assert_ne!(before, keys.key(local(), &call(&[&body], &[]), None));
        }
    }
}
