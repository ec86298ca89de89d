//! Providers of `type: vertex`, Claude on Google Cloud: where their calls go, and how we sign in there.
//!
//! Hosts as the vendor's own SDKs build them (anthropic 2.11 for Python, vertex-sdk 1.1 for TypeScript, seen November
//! 2026).

use crate::config::fault::Report;
use crate::config::model::{CallPath, ProviderAuth, Target};
use crate::config::provider;
use crate::config::read::Reader;
use crate::config::service_account::{self, ServiceAccount};
use crate::config::url::{Address, masked};
use crate::types::Secret;

/// The type as written.
pub(super) const TYPE: &str = "vertex";
/// Keys that no other type reads.
const OWN_KEYS: [&str; 4] = ["project", "location", "service_account", "credentials_file"];

/// The two that hold a service account.
const KEY_FILES: [&str; 2] = ["service_account", "credentials_file"];

/// How a provider is signed in at.
pub(super) struct Credentials {
    pub auth: ProviderAuth,
    pub keys: Vec<Secret>,
    pub service_account: Option<ServiceAccount>,
}

impl From<(ProviderAuth, Vec<Secret>)> for Credentials {
    fn from((auth, keys): (ProviderAuth, Vec<Secret>)) -> Self {
        Credentials {
            auth,
            keys,
            service_account: None,
        }
    }
}

/// Tells who writes keys of this type into a provider of another.
pub(super) fn warn_of_keys(reader: &Reader<'_>, report: &mut Report) {
    for key in OWN_KEYS.into_iter().filter(|key| reader.has(key)) {
        report.warn(
            reader.at(key),
            "has no effect: only providers of `type: vertex` have one",
        );
    }
    if reader.choice("auth_type") == Some("service_account") {
        report.fault_at(
            reader.at("auth_type"),
            "service_account",
            "is for providers of `type: vertex` only",
        );
    }
}

/// A service account, or a token that somebody else takes care of.
pub(super) fn credentials(reader: &Reader<'_>, report: &mut Report) -> Credentials {
    let written = KEY_FILES
        .into_iter()
        .filter(|key| reader.has(key))
        .collect::<Vec<_>>();
    match written.as_slice() {
        [] => by_token(reader, report),
        [key] => by_account(reader, key, report),
        [first, second, ..] => {
            report.fault(
                reader.at(second),
                format!("stands beside `{first}`; keep one of them"),
            );
            by_account(reader, first, report)
        }
    }
}

fn by_account(reader: &Reader<'_>, key: &str, report: &mut Report) -> Credentials {
    for beside in ["auth_value", "api_keys"] {
        if reader.has(beside) {
            report.fault(
                reader.at(beside),
                format!("stands beside `{key}`; keep one of them"),
            );
        }
    }
    if let Some(other) = reader
        .choice("auth_type")
        .filter(|it| *it != "service_account")
    {
        report.fault_at(
            reader.at("auth_type"),
            other,
            format!("does not go with `{key}`; remove one of them"),
        );
    }
    // A value of a wrong type, or a reference that led nowhere, has been told already.
    let account = reader.text(key).and_then(|text| {
        service_account::parse(text)
            .map_err(|remedy| report.fault(reader.at(key), remedy))
            .ok()
    });
    Credentials {
        auth: ProviderAuth::ServiceAccount,
        keys: Vec::new(),
        service_account: account,
    }
}

fn by_token(reader: &Reader<'_>, report: &mut Report) -> Credentials {
    let asked = reader.choice("auth_type");
    if asked == Some("api_key") {
        report.fault_at(
            reader.at("auth_type"),
            "api_key",
            "does not exist on Vertex; give a service account (`credentials_file`), or a token with `auth_type: auth_token`",
        );
    }
    let signs_in = ["auth_type", "auth_value", "api_keys"];
    let silent = !signs_in.iter().any(|key| reader.raw(key).is_some());
    if silent || asked == Some("service_account") {
        report.fault(
            reader.at("service_account"),
            "is missing: give the key file of a service account, for example `credentials_file: /etc/pointsman/key.json`, or a \
             token with `auth_type: auth_token`",
        );
        return (ProviderAuth::ServiceAccount, Vec::new()).into();
    }
    let (auth, keys) = provider::credentials(reader, true, report);
    let auth = match auth {
        ProviderAuth::ApiKey => ProviderAuth::AuthToken,
        other => other,
    };
    (auth, keys).into()
}

/// The address for people, and where requests go.
pub(super) fn target(
    reader: &Reader<'_>,
    account: Option<&ServiceAccount>,
    report: &mut Report,
) -> (String, Option<Target>) {
    if reader.has("endpoint_url") {
        report.fault(
            reader.at("endpoint_url"),
            "cannot be used on Vertex, where every model has a URL of its own; use `base_url`",
        );
    }
    let project = reader
        .text("project")
        .or_else(|| account.and_then(|it| it.project.as_deref()));
    // A key file with a fault has been told already; it might have named the project.
    let mut unheard = Report::new("");
    let faulty = account.is_none() && KEY_FILES.iter().any(|key| reader.has(key));
    let judge = match project {
        None if faulty => &mut unheard,
        _ => &mut *report,
    };
    let examples = "for example my-project-123";
    let project = named(reader, "project", project, judge, examples);
    let location = reader.text("location");
    let examples = "for example us-east5, europe-west1 or global";
    let location = named(reader, "location", location, report, examples);
    let base = match (reader.text("base_url"), location) {
        (Some(base), _) => base.to_owned(),
        (None, Some(location)) => format!("https://{}", host(location)),
        (None, None) => return (String::new(), None),
    };
    let shown = masked(&base).trim_end_matches('/').to_owned();
    let address = provider::parsed(reader, "base_url", &base, Address::parse_base, report);
    let (Some(address), Some(project), Some(location)) = (address, project, location) else {
        return (shown, None);
    };
    (shown, Some(calls(&address, project, location)))
}

/// The value of `key` when it can stand in a path.
fn named<'t>(
    reader: &Reader<'_>,
    key: &str,
    value: Option<&'t str>,
    report: &mut Report,
    examples: &str,
) -> Option<&'t str> {
    let Some(value) = value else {
        // A reference that led nowhere has been told already.
        if !reader.has(key) {
            report.fault(reader.at(key), format!("is missing: give it, {examples}"));
        }
        return None;
    };
    let plain = |it: u8| it.is_ascii_alphanumeric() || matches!(it, b'-' | b'.' | b':');
    let ends = value.starts_with(['.', '-', ':']) || value.ends_with(['.', '-', ':']);
    if value.bytes().all(plain) && !ends {
        return Some(value);
    }
    report.fault_at(
        reader.at(key),
        value,
        format!("holds what no {key} has; give its id, {examples}"),
    );
    None
}

fn host(location: &str) -> String {
    match location {
        "global" => "aiplatform.googleapis.com".to_owned(),
        "us" | "eu" => format!("aiplatform.{location}.rep.googleapis.com"),
        region => format!("{region}-aiplatform.googleapis.com"),
    }
}

fn calls(address: &Address, project: &str, location: &str) -> Target {
    let root = match address.path.as_str() {
        "" => "/v1",
        path => path,
    };
    let before =
        format!("{root}/projects/{project}/locations/{location}/publishers/anthropic/models/");
    let count = CallPath::Fixed(format!("{before}count-tokens:rawPredict"));
    let inference = CallPath::PerModel {
        before,
        whole: ":rawPredict",
        stream: ":streamRawPredict",
    };
    Target {
        count_tokens: Some(count),
        ..address.target_at(inference)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_as_the_vendors_sdks_build_them() {
        for (location, expected) in [
            ("us-east5", "us-east5-aiplatform.googleapis.com"),
            ("europe-west1", "europe-west1-aiplatform.googleapis.com"),
            ("global", "aiplatform.googleapis.com"),
            ("us", "aiplatform.us.rep.googleapis.com"),
            ("eu", "aiplatform.eu.rep.googleapis.com"),
        ] {
            assert_eq!(host(location), expected);
        }
    }

    #[test]
    fn a_model_never_leaves_its_segment() {
        let address = Address::parse_base("https://a.b").unwrap();
        let target = calls(&address, "p", "global");
        let models = "/v1/projects/p/locations/global/publishers/anthropic/models";
        for (model, streamed, expected) in [
            ("claude-x@20250929", false, "claude-x@20250929:rawPredict"),
            ("claude-x", true, "claude-x:streamRawPredict"),
            ("a/../b;c?d#e", false, "a%2F..%2Fb%3Bc%3Fd%23e:rawPredict"),
        ] {
            assert_eq!(
                target.inference.of(model, streamed),
                format!("{models}/{expected}")
            );
        }
        let count = target.count_tokens.unwrap().of("claude-x", false);
        assert_eq!(count, format!("{models}/count-tokens:rawPredict"));
    }
}
