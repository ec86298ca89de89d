//! The vendors and servers that are known by name: where they are, how one signs in, and where they differ from OpenAI.
//!
//! One table for both rooms that need it: the configuration (addresses, keys in the environment, `vendor:`) and the
//! protocols (quirks), neither of which may import the other. It is plain data: what a column does stands in
//! `protocol/openai_chat/profile.rs`.

use super::{Dialect, Quirks};

pub use super::vendors::VENDORS;

/// One vendor, or one server that people run themselves.
#[derive(Debug, PartialEq, Eq)]
pub struct Vendor {
    /// Its name: `vendor:` in the configuration, and of the provider that its key in the environment makes.
    pub name: &'static str,
    /// Its domains; hosts below them are its own. None for what people run themselves.
    pub domains: &'static [&'static str],
    /// What it speaks at `base_url`.
    pub dialect: Dialect,
    /// Its address; empty where every customer has another one.
    pub base_url: &'static str,
    /// The path that calls in OpenAI's dialects stand below where an address has none; `/` for none at all.
    pub root: &'static str,
    /// How one signs in where it speaks OpenAI's dialects.
    pub key: KeyPlace,
    /// Environment variables that may hold its key, in order of preference.
    pub variables: &'static [&'static str],
    /// Model names that are its own.
    pub patterns: &'static [&'static str],
    /// Where its OpenAI-compatible service differs.
    pub quirks: Quirks,
    /// Where it differs for models whose name contains a word; later rows lie over earlier ones.
    pub models: &'static [(&'static str, Quirks)],
}

/// Where a key goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyPlace {
    /// `Authorization: Bearer`.
    Bearer,
    /// A header of its own.
    Header(&'static str),
    /// There usually is none.
    Nowhere,
}

impl Vendor {
    /// The vendor of that name.
    pub fn named(name: &str) -> Option<&'static Vendor> {
        VENDORS.iter().find(|it| it.name == name)
    }

    /// The vendor whose host this is. Ports and case do not matter.
    pub fn of_host(host: &str) -> Option<&'static Vendor> {
        let host = host.to_ascii_lowercase();
        let host = host.split(':').next().unwrap_or_default();
        VENDORS.iter().find(|it| it.has_host(host))
    }

    fn has_host(&self, host: &str) -> bool {
        self.domains.iter().any(|domain| {
            host.strip_suffix(domain)
                .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
        })
    }

    /// The host of its own address, if it has one.
    pub fn host(&self) -> Option<&'static str> {
        let authority = self.base_url.split('/').nth(2)?;
        authority.split(':').next().filter(|it| !it.is_empty())
    }

    /// Where it differs for `model`, a name in lower case.
    pub fn quirks_of(&self, model: &str) -> Quirks {
        let fitting = self.models.iter().filter(|it| model.contains(it.0));
        fitting.fold(self.quirks, |below, it| it.1.over(below))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn hosts_are_matched_by_domain_and_not_by_substring() {
        let name = |host: &str| Vendor::of_host(host).map(|it| it.name);
        assert_eq!(name("api.openai.com"), Some("openai"));
        assert_eq!(name("openai.com"), Some("openai"));
        assert_eq!(name("API.OpenAI.com:443"), Some("openai"));
        assert_eq!(name("r.openai.azure.com"), Some("azure"));
        assert_eq!(name("r.services.ai.azure.com"), Some("azure"));
        for other in ["notopenai.com", "openai.com.example", "localhost", ""] {
            assert_eq!(name(other), None, "{other}");
        }
    }

    #[test]
    fn names_and_domains_are_given_once() {
        let names: BTreeSet<&str> = VENDORS.iter().map(|it| it.name).collect();
        assert_eq!(names.len(), VENDORS.len());
        for vendor in VENDORS {
            for domain in vendor.domains {
                let owner = Vendor::of_host(domain).map(|it| it.name);
                assert_eq!(owner, Some(vendor.name), "{domain}");
            }
        }
    }

    #[test]
    fn an_address_is_at_a_vendors_own_domain_or_on_this_machine() {
        for vendor in VENDORS.iter().filter(|it| !it.base_url.is_empty()) {
            let host = vendor.host().unwrap();
            let own = vendor.has_host(host) && !vendor.domains.is_empty();
            let local = host == "localhost" && vendor.domains.iter().all(|it| *it != "localhost");
            assert!(own || local, "{}", vendor.name);
            assert!(local != vendor.base_url.starts_with("https://"), "{host}");
        }
    }

    #[test]
    fn words_for_models_are_written_as_they_are_compared() {
        for (word, quirks) in VENDORS.iter().flat_map(|it| it.models) {
            assert_eq!(*word, word.to_ascii_lowercase());
            assert_ne!(*quirks, Quirks::NONE, "{word}");
        }
    }
}
