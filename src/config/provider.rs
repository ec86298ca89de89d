//! `providers[]` → [`Provider`]: address, credentials, limits. What is disabled is read but not judged.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::config::egress::Ways;
use crate::config::facts;
use crate::config::fault::Report;
use crate::config::model::{
    Http2, KeyStrategy, Platform, Probe, ProbeAsk, Provider, ProviderAuth, Target, Timeouts,
};
use crate::config::oauth::{self, OAuthProfile};
use crate::config::read::Reader;
use crate::config::secrets;
use crate::config::settings;
use crate::config::tree::Node;
use crate::config::units;
use crate::config::url::{Address, masked};
use crate::config::vertex;
use crate::config::walk::join;
use crate::config::zed;
use crate::config::zed_terms::{Billing, Zed};
use crate::types::vendor::KeyPlace;
use crate::types::{Dialect, EndpointId, Secret, Vendor};

/// Headers that belong to the connection or to us.
const OWN_HEADERS: &[&str] = &[
    "host",
    "content-length",
    "content-type",
    "transfer-encoding",
    "connection",
    "keep-alive",
    "upgrade",
    "te",
    "trailer",
    "proxy-authorization",
    "proxy-connection",
    "accept-encoding",
];

/// Reads all providers; `base` are the limits of time they start from.
pub(super) fn providers(
    readers: &[Reader<'_>],
    base: Timeouts,
    (profiles, ways): (&[OAuthProfile], &Ways<'_>),
    report: &mut Report,
) -> Vec<Provider> {
    let mut seen = BTreeSet::new();
    let mut providers = Vec::new();
    for reader in readers {
        let enabled = reader.boolean("enabled").unwrap_or(true);
        let mut unheard = Report::new("");
        let judge = if enabled { &mut *report } else { &mut unheard };
        let provider = provider(reader, enabled, base, (profiles, ways), judge);
        if !provider.name.is_empty() && !seen.insert(provider.id.clone()) {
            report.fault_at(
                reader.at("name"),
                &provider.name,
                "is the name of an earlier provider, too; rename one, or tell accounts apart with `account_email`",
            );
        }
        providers.push(provider);
    }
    providers
}

fn provider(
    reader: &Reader<'_>,
    enabled: bool,
    base: Timeouts,
    (profiles, ways): (&[OAuthProfile], &Ways<'_>),
    report: &mut Report,
) -> Provider {
    let name = name(reader, report);
    let account_email = reader.text("account_email").map(str::to_lowercase);
    let vendor = reader.choice("vendor").and_then(Vendor::named);
    let kind = reader
        .choice("type")
        .unwrap_or_else(|| vendor.map_or(Dialect::Anthropic, |it| it.dialect).name());
    let dialect = dialect(kind);
    let platform = platform(kind);
    let mut zed = None;
    let vertex::Credentials {
        auth,
        keys,
        service_account,
    } = match platform {
        Platform::Vertex => vertex::credentials(reader, report),
        Platform::Zed => {
            vertex::warn_of_keys(reader, report);
            let (auth, keys, account) = zed::credentials(reader, report);
            zed = Some(Zed {
                account,
                ..Zed::default()
            });
            (auth, keys).into()
        }
        Platform::Own => {
            vertex::warn_of_keys(reader, report);
            credentials(reader, vendor, dialect.is_some(), report).into()
        }
    };
    let oauth = oauth::profile_of(reader, auth, profiles, report);
    let inactive = inactive(kind, dialect).or_else(|| oauth.as_ref().err().cloned());
    if let Some(why) = inactive.as_ref().filter(|_| enabled) {
        report.warn(&reader.path, format!("{name}: {why}; it is skipped"));
    }
    let timeouts = settings::over(&reader.section("timeouts"), base);
    if reader.section("timeouts").has("first_byte_whole") {
        let path = reader.section("timeouts").at("first_byte_whole");
        settings::warn_if_short(timeouts, path, report);
    }
    let (base_url, target) = match platform {
        Platform::Vertex => vertex::target(reader, service_account.as_ref(), report),
        Platform::Zed => zed::target(reader, report),
        Platform::Own => target(reader, vendor, dialect, inactive.is_some(), report),
    };
    Provider {
        id: EndpointId::new(&name, account_email.as_deref()),
        name,
        account_email,
        kind: kind.to_owned(),
        dialect,
        platform,
        vendor,
        base_url,
        probe: probe(&reader.section("probe"), target.as_ref(), report),
        key_header: key_header(vendor, dialect, target.as_ref()),
        target: target.filter(|_| inactive.is_none()),
        auth,
        keys,
        service_account,
        oauth: oauth.unwrap_or_default(),
        takes_turns: false,
        key_strategy: key_strategy(reader.choice("key_strategy")),
        enabled,
        inactive,
        headers: headers(reader, "headers", report),
        way: ways.read(reader, report),
        timeouts,
        http2: match reader.choice("http2") {
            Some("on") => Http2::On,
            Some("off") => Http2::Off,
            _ => Http2::Auto,
        },
        max_in_flight: reader.count("max_in_flight"),
        quirks: facts::quirks(reader),
        rpm: pace(reader, "rpm", auth, report),
        tpm: pace(reader, "tpm", auth, report),
        models: facts::models(reader),
        big_model: reader.text("big_model").map(str::to_owned),
        small_model: reader.text("small_model").map(str::to_owned),
        stream_only: zed.is_some() || reader.boolean("stream_only").unwrap_or(false),
        billing: if zed.is_some() {
            Billing::Session
        } else {
            Billing::Token
        },
        zed,
    }
}

fn name(reader: &Reader<'_>, report: &mut Report) -> String {
    let name = reader.text("name").unwrap_or_default();
    if name.chars().any(char::is_control) || 100 < name.len() || name.trim() != name {
        report.fault_at(
            reader.at("name"),
            name,
            "must be at most 100 bytes on one line, without spaces around it",
        );
    }
    name.to_owned()
}

fn platform(kind: &str) -> Platform {
    match kind {
        vertex::TYPE => Platform::Vertex,
        zed::TYPE => Platform::Zed,
        _ => Platform::Own,
    }
}

fn dialect(kind: &str) -> Option<Dialect> {
    match kind {
        "anthropic" | vertex::TYPE | zed::TYPE => Some(Dialect::Anthropic),
        "openai" => Some(Dialect::OpenAiChat),
        "openai-responses" => Some(Dialect::OpenAiResponses),
        "gemini" => Some(Dialect::Gemini),
        _ => None,
    }
}

fn inactive(kind: &str, dialect: Option<Dialect>) -> Option<String> {
    dialect
        .is_none()
        .then(|| format!("type {kind} is not active yet"))
}

/// Where a vendor of OpenAI's dialects has its key, if in a header of its own. Anthropic's and Google's dialects have
/// theirs everywhere.
fn key_header(
    vendor: Option<&Vendor>,
    dialect: Option<Dialect>,
    target: Option<&Target>,
) -> Option<&'static str> {
    let openai = matches!(
        dialect,
        Some(Dialect::OpenAiChat | Dialect::OpenAiResponses)
    );
    let vendor = vendor.or_else(|| Vendor::of_host(&target?.host));
    match vendor.filter(|_| openai)?.key {
        KeyPlace::Header(name) => Some(name),
        KeyPlace::Bearer | KeyPlace::Nowhere => None,
    }
}

/// The way to sign in with keys or without, and the keys.
pub(super) fn credentials(
    reader: &Reader<'_>,
    vendor: Option<&Vendor>,
    active_type: bool,
    report: &mut Report,
) -> (ProviderAuth, Vec<Secret>) {
    let value = reader.text("auth_value");
    let any_key = reader.has("auth_value") || reader.has("api_keys");
    let auth = match (reader.choice("auth_type"), value) {
        (_, Some("passthrough")) | (Some("passthrough"), _) => ProviderAuth::Passthrough,
        (_, Some("oauth")) | (Some("oauth"), _) => ProviderAuth::OAuth,
        (Some("none"), _) => ProviderAuth::None,
        (Some("auth_token"), _) => ProviderAuth::AuthToken,
        (Some("service_account"), _) => ProviderAuth::ServiceAccount,
        (Some(_), _) => ProviderAuth::ApiKey,
        (None, _) if vendor.is_some_and(|it| it.key == KeyPlace::Nowhere) && !any_key => {
            ProviderAuth::None
        }
        (None, _) => ProviderAuth::ApiKey,
    };
    let needs_key = match auth {
        ProviderAuth::ApiKey | ProviderAuth::AuthToken => true,
        ProviderAuth::Passthrough
        | ProviderAuth::None
        | ProviderAuth::OAuth
        | ProviderAuth::ServiceAccount
        | ProviderAuth::ZedAccount => false,
    };
    if !needs_key {
        let magic = matches!(value, None | Some("passthrough" | "oauth" | "none" | ""));
        if !magic || reader.has("api_keys") {
            report.warn(
                &reader.path,
                "gives a key that `auth_type` leaves unused; remove one of the two",
            );
        }
        return (auth, Vec::new());
    }
    let several = reader.texts("api_keys");
    let written: Vec<(String, &str)> = if let Some(value) = value {
        if reader.has("api_keys") {
            report.fault(
                reader.at("api_keys"),
                "stands beside `auth_value`; keep one of them",
            );
        }
        vec![(reader.at("auth_value"), value)]
    } else {
        let path = reader.at("api_keys");
        let place = |(i, key)| (format!("{path}[{i}]"), key);
        several.into_iter().enumerate().map(place).collect()
    };
    let none = |key| match reader.raw(key) {
        None | Some(Node::Null) => true,
        Some(Node::List(items)) => items.is_empty(),
        // Broken references and wrong types have been told already.
        Some(_) => false,
    };
    if active_type && none("auth_value") && none("api_keys") {
        report.fault(
            reader.at("auth_value"),
            "is missing: give the key, for example ${PROVIDER_API_KEY}, or set `auth_type: passthrough` or `none`",
        );
    }
    (auth, checked_keys(&written, report))
}

fn checked_keys(written: &[(String, &str)], report: &mut Report) -> Vec<Secret> {
    let mut keys: Vec<Secret> = Vec::new();
    for (path, text) in written {
        match secrets::secret(text) {
            Ok(key) if keys.contains(&key) => {
                report.warn(path, "is the same key as an earlier one; it is used once");
            }
            Ok(key) => {
                if secrets::is_placeholder(text) {
                    report.warn(path, "looks like an example's placeholder, not like a key");
                }
                keys.push(key);
            }
            Err(remedy) => report.fault(path, remedy),
        }
    }
    keys
}

/// The key strategy of a word; a round by default.
pub(super) fn key_strategy(word: Option<&str>) -> KeyStrategy {
    match word {
        Some("random") => KeyStrategy::Random,
        Some("failover") => KeyStrategy::Failover,
        _ => KeyStrategy::RoundRobin,
    }
}

/// The address for people, and where requests go.
fn target(
    reader: &Reader<'_>,
    vendor: Option<&'static Vendor>,
    dialect: Option<Dialect>,
    inactive: bool,
    report: &mut Report,
) -> (String, Option<Target>) {
    let written = reader.text("base_url");
    let endpoint = reader.text("endpoint_url");
    let own = vendor.and_then(|it| own_address(it, dialect?));
    let base = written.or_else(|| own.filter(|_| endpoint.is_none()));
    let address = base.and_then(|it| parsed(reader, "base_url", it, Address::parse_base, report));
    let whole =
        endpoint.and_then(|it| parsed(reader, "endpoint_url", it, Address::parse_endpoint, report));
    let unwritten = !reader.has("base_url") && !reader.has("endpoint_url");
    if unwritten && own.is_none() && !inactive {
        report.fault(
            reader.at("base_url"),
            "is missing: give the provider's address, for example https://api.anthropic.com",
        );
    }
    let shown = masked(base.or(endpoint).unwrap_or_default());
    let target = match (whole, address, dialect) {
        (Some(_), _, Some(Dialect::Gemini)) => {
            report.fault(
                reader.at("endpoint_url"),
                "cannot be one URL for a provider of type gemini: the model is a part of the path; write `base_url`",
            );
            None
        }
        (Some(whole), ..) => Some(whole.whole_target()),
        (None, Some(address), Some(dialect)) => {
            tell_misfit(reader, &address, vendor, dialect, report);
            Some(address.rooted(vendor, dialect).target(dialect))
        }
        (None, _, _) => None,
    };
    (shown.trim_end_matches('/').to_owned(), target)
}

/// The vendor's own address for a dialect, where it has one.
fn own_address(vendor: &'static Vendor, dialect: Dialect) -> Option<&'static str> {
    let openai = matches!(dialect, Dialect::OpenAiChat | Dialect::OpenAiResponses);
    let speaks = openai || dialect == vendor.dialect;
    (speaks && !vendor.base_url.is_empty()).then_some(vendor.base_url)
}

/// Addresses that are right in themselves and wrong for what is spoken there.
fn tell_misfit(
    reader: &Reader<'_>,
    address: &Address,
    vendor: Option<&Vendor>,
    dialect: Dialect,
    report: &mut Report,
) {
    if dialect == Dialect::Gemini && address.path.ends_with("/openai") {
        report.warn(
            reader.at("base_url"),
            "ends in /openai, where Google speaks OpenAI's dialect; remove that part, or write `type: openai`",
        );
    }
    let azure = vendor
        .or_else(|| Vendor::of_host(&address.host))
        .is_some_and(|it| it.name == "azure");
    if azure && address.path.contains("/deployments/") {
        report.fault(
            reader.at("base_url"),
            "names a deployment; write the whole URL with its api-version as `endpoint_url`, or end it at /openai/v1",
        );
    }
}

/// The address under `key`, or the fault in it.
pub(super) fn parsed(
    reader: &Reader<'_>,
    key: &str,
    text: &str,
    parse: impl Fn(&str) -> Result<Address, String>,
    report: &mut Report,
) -> Option<Address> {
    match parse(text) {
        Ok(address) => Some(address),
        Err(remedy) => {
            report.fault_at(reader.at(key), &masked(text), remedy);
            None
        }
    }
}

/// The headers under `key`, in lower case.
pub(super) fn headers(
    reader: &Reader<'_>,
    key: &str,
    report: &mut Report,
) -> Vec<(String, Secret)> {
    let mut headers = Vec::new();
    for (name, node) in reader.entries(key) {
        let path = join(&reader.at(key), name);
        let Some(value) = units::text(node)
            .map(str::to_owned)
            .or_else(|| node.shown())
        else {
            continue;
        };
        let lower = name.to_ascii_lowercase();
        if http::HeaderName::from_bytes(lower.as_bytes()).is_err() {
            report.fault(path, "is not a header name");
        } else if OWN_HEADERS.contains(&lower.as_str()) {
            report.fault(path, "is a header the proxy writes itself; remove it");
        } else if http::HeaderValue::from_str(&value).is_err() {
            report.fault(path, "holds a line break or control character");
        } else {
            headers.push((lower, Secret::new(value)));
        }
    }
    headers
}

fn probe(reader: &Reader<'_>, target: Option<&Target>, report: &mut Report) -> Option<Probe> {
    let ask = match (reader.text("path"), reader.text("model")) {
        (Some(_), Some(_)) => {
            report.fault(
                &reader.path,
                "asks for a path and a model; keep one of them",
            );
            return None;
        }
        (Some(path), None) if !path.starts_with('/') => {
            report.fault_at(reader.at("path"), path, "must start with /");
            return None;
        }
        (Some(path), None) => {
            if path.parse::<http::uri::PathAndQuery>().is_err() {
                report.fault_at(reader.at("path"), path, "is not a path");
            }
            ProbeAsk::Path(path.to_owned())
        }
        (None, Some(model)) => ProbeAsk::Model(model.to_owned()),
        (None, None) if !reader.has("interval") => return None,
        (None, None) => {
            let models = target.and_then(|it| it.models.clone());
            ProbeAsk::Path(models.unwrap_or_else(|| "/".to_owned()))
        }
    };
    Some(Probe {
        interval: reader
            .duration("interval")
            .unwrap_or(Duration::from_secs(30)),
        ask,
    })
}

/// A limit per key, which only keys of ours have.
fn pace(reader: &Reader<'_>, key: &str, auth: ProviderAuth, report: &mut Report) -> Option<u64> {
    let limit = reader.count(key)?;
    match auth {
        ProviderAuth::ApiKey | ProviderAuth::AuthToken => Some(limit),
        ProviderAuth::Passthrough
        | ProviderAuth::ServiceAccount
        | ProviderAuth::OAuth
        | ProviderAuth::ZedAccount
        | ProviderAuth::None => {
            report.warn(
                reader.at(key),
                "is a limit per key, and there is none here; remove it",
            );
            None
        }
    }
}
