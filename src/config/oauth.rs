//! `oauth` → profiles to sign in with, and where tokens are kept. Everything about an authorization server is the
//! operator's to write: no address and no client id of any vendor is built in.

use std::path::PathBuf;
use std::time::Duration;

use crate::config::access::is_loopback;
use crate::config::egress::{Via, Way, Ways};
use crate::config::fault::Report;
use crate::config::model::{ProviderAuth, Target};
use crate::config::near::hint;
use crate::config::provider;
use crate::config::read::Reader;
use crate::config::secrets;
use crate::config::units;
use crate::config::url::{Address, masked};
use crate::config::walk::join;
use crate::types::Secret;

/// Where tokens are kept unless it is said.
const DEFAULT_PATH: &str = "data/oauth-tokens";
/// Time before its end at which a token is refreshed unless it is said.
const DEFAULT_LEAD: Duration = Duration::from_secs(300);
/// Characters that a key of the store has at least.
const LEAST_KEY: usize = 32;
/// Parameters of the address where a person signs in that we write ourselves.
const OWN_AUTHORIZE: &[&str] = &[
    "response_type",
    "client_id",
    "redirect_uri",
    "scope",
    "state",
    "code_challenge",
    "code_challenge_method",
];
/// Parameters of token requests that we write ourselves.
const OWN_TOKEN: &[&str] = &[
    "grant_type",
    "client_id",
    "client_secret",
    "redirect_uri",
    "code",
    "code_verifier",
    "state",
    "refresh_token",
];
/// The key of a provider that names a profile.
const PROFILE: &str = "oauth";

/// Who may be signed in as, and where that is kept.
#[derive(Clone, Debug, Default)]
pub struct OAuthSettings {
    /// In file order.
    pub profiles: Vec<OAuthProfile>,
    /// Where tokens are kept.
    pub store: OAuthStore,
    /// Whether tokens are refreshed ahead of their end; otherwise when somebody needs one.
    pub auto_refresh: bool,
}

impl OAuthSettings {
    /// The profile of that name.
    pub fn profile(&self, name: &str) -> Option<&OAuthProfile> {
        self.profiles.iter().find(|it| it.name == name)
    }
}

/// Where tokens are kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OAuthStore {
    /// The file; `None` keeps them in memory only.
    pub path: Option<PathBuf>,
    /// What it is encrypted with; `None`: with a key of its own in a file beside it.
    pub key: Option<Secret>,
}

/// An authorization server, and who we are there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OAuthProfile {
    /// What it is called.
    pub name: String,
    /// Where a person signs in, as written.
    pub authorize_url: String,
    /// Where codes and refresh tokens are exchanged.
    pub token_target: Target,
    /// Where it is told who has signed in.
    pub profile_target: Option<Target>,
    /// Our id there.
    pub client_id: String,
    /// Our secret there, if we can keep one.
    pub client_secret: Option<Secret>,
    /// Whether the secret goes into the body instead of `Authorization: Basic`.
    pub secret_in_body: bool,
    /// What is asked for.
    pub scopes: Vec<String>,
    /// Where the person is sent afterwards.
    pub redirect_uri: String,
    /// The name of the authorization server (RFC 9207), where it gives one.
    pub issuer: Option<String>,
    /// Whether token requests are JSON instead of a form.
    pub json: bool,
    /// Whether the request for the code repeats the state.
    pub sends_state: bool,
    /// Further parameters of the address where a person signs in.
    pub authorize_params: Vec<(String, Secret)>,
    /// Further parameters of token requests.
    pub token_params: Vec<(String, Secret)>,
    /// Headers for providers; lists such as `anthropic-beta` are added to.
    pub upstream_headers: Vec<(String, Secret)>,
    /// How it is reached.
    pub way: Way,
    /// Time before its end at which a token is refreshed.
    pub refresh_lead: Duration,
}

/// Reads `oauth` at the top and in `settings`.
pub(super) fn oauth(
    top: &Reader<'_>,
    settings: &Reader<'_>,
    ways: &Ways<'_>,
    report: &mut Report,
) -> OAuthSettings {
    let (section, old) = (top.section("oauth"), settings.section("oauth"));
    let store = section.section("store");
    let keeps = old.boolean("enable_persistence").unwrap_or(true);
    let path = store.text("path").unwrap_or(DEFAULT_PATH);
    let fallback = ways.read(&old, report).via;
    let profiles = section.named("profiles");
    OAuthSettings {
        profiles: profiles
            .iter()
            .filter_map(|(name, reader)| profile(name, reader, (ways, &fallback), report))
            .collect(),
        store: OAuthStore {
            path: keeps.then(|| PathBuf::from(path)),
            key: key(&store, report),
        },
        auto_refresh: old.boolean("enable_auto_refresh").unwrap_or(true),
    }
}

fn key(store: &Reader<'_>, report: &mut Report) -> Option<Secret> {
    let text = store.text("key")?;
    let text = text.trim();
    if text.is_empty() {
        return None;
    }
    if text.len() < LEAST_KEY || secrets::is_placeholder(text) {
        report.fault(
            store.at("key"),
            format!(
                "is too short or a placeholder; give {LEAST_KEY} random characters or more, for example those of \
                 `openssl rand -base64 32`"
            ),
        );
        return None;
    }
    Some(Secret::new(text.to_owned()))
}

fn profile(
    name: &str,
    reader: &Reader<'_>,
    (ways, fallback): (&Ways<'_>, &Via),
    report: &mut Report,
) -> Option<OAuthProfile> {
    let token = called(reader, "token_url", report);
    let profile = called(reader, "profile_url", report);
    let authorize_url = authorize_url(reader, report);
    let redirect_uri = redirect_uri(reader, report);
    let client_id = reader.text("client_id").unwrap_or_default().to_owned();
    if !client_id.bytes().all(|it| it.is_ascii_graphic()) {
        report.fault(reader.at("client_id"), "holds a space or a line break");
    }
    Some(OAuthProfile {
        name: name.to_owned(),
        authorize_url: authorize_url?,
        token_target: token?,
        profile_target: profile,
        client_id,
        client_secret: reader
            .text("client_secret")
            .filter(|it| !it.is_empty())
            .map(|it| Secret::new(it.to_owned())),
        secret_in_body: reader.choice("client_secret_in") == Some("body"),
        scopes: scopes(reader),
        redirect_uri: redirect_uri?,
        issuer: reader.text("issuer").map(str::to_owned),
        json: reader.choice("token_request_format") == Some("json"),
        sends_state: reader.boolean("send_state").unwrap_or(false),
        authorize_params: params(reader, "authorize_params", OWN_AUTHORIZE, report),
        token_params: params(reader, "token_params", OWN_TOKEN, report),
        upstream_headers: provider::headers(reader, "upstream_headers", report),
        way: ways.read_or(reader, fallback, report),
        refresh_lead: reader.duration("refresh_lead").unwrap_or(DEFAULT_LEAD),
    })
}

/// An address that secrets are sent to.
fn called(reader: &Reader<'_>, key: &str, report: &mut Report) -> Option<Target> {
    let text = reader.text(key)?;
    let address = provider::parsed(reader, key, text, Address::parse_endpoint, report)?;
    if !address.tls() && !is_loopback(&address.host) {
        report.fault_at(
            reader.at(key),
            &masked(text),
            "is without TLS; whoever reads what is sent there can sign in as us",
        );
    }
    Some(address.whole_target())
}

fn authorize_url(reader: &Reader<'_>, report: &mut Report) -> Option<String> {
    let text = reader.text("authorize_url")?;
    let parse = |it: &str| Address::parse(it, &["https", "http"]);
    let address = provider::parsed(reader, "authorize_url", text, parse, report)?;
    if !address.tls() && !is_loopback(&address.host) {
        let remedy = "is without TLS; a person would sign in there for everybody to see";
        report.fault_at(reader.at("authorize_url"), &masked(text), remedy);
    }
    Some(text.to_owned())
}

fn redirect_uri(reader: &Reader<'_>, report: &mut Report) -> Option<String> {
    let text = reader.text("redirect_uri")?;
    let parse = |it: &str| Address::parse(it, &["https", "http"]);
    let address = provider::parsed(reader, "redirect_uri", text, parse, report)?;
    if !address.tls() && !is_loopback(&address.host) {
        let remedy = "is without TLS on another machine; the code would travel in the clear";
        report.fault_at(reader.at("redirect_uri"), &masked(text), remedy);
    }
    Some(text.to_owned())
}

/// As a list, or as one text with spaces.
fn scopes(reader: &Reader<'_>) -> Vec<String> {
    let texts = reader.texts("scopes");
    let words = texts.iter().flat_map(|it| it.split_whitespace());
    words.map(str::to_owned).collect()
}

fn params(
    reader: &Reader<'_>,
    key: &str,
    own: &[&str],
    report: &mut Report,
) -> Vec<(String, Secret)> {
    let mut params = Vec::new();
    for (name, node) in reader.entries(key) {
        let value = units::text(node).map(str::to_owned);
        let Some(value) = value.or_else(|| node.shown()) else {
            continue;
        };
        if own.contains(&name) {
            let place = join(&reader.at(key), name);
            report.fault(place, "is a parameter that is written anyway; remove it");
        } else {
            params.push((name.to_owned(), Secret::new(value)));
        }
    }
    params
}

/// The profile that a provider signs in with, or why it cannot; a name that leads nowhere is a fault.
pub(super) fn profile_of(
    reader: &Reader<'_>,
    auth: ProviderAuth,
    profiles: &[OAuthProfile],
    report: &mut Report,
) -> Result<Option<OAuthProfile>, String> {
    let named = reader.text(PROFILE);
    if auth != ProviderAuth::OAuth {
        if named.is_some() {
            report.warn(
                reader.at(PROFILE),
                "has no effect without `auth_type: oauth`",
            );
        }
        return Ok(None);
    }
    let found = match (named, profiles) {
        (Some(name), _) => profiles.iter().find(|it| it.name == name),
        (None, [only]) => Some(only),
        (None, _) => None,
    };
    if let Some(found) = found {
        return Ok(Some(found.clone()));
    }
    match named {
        Some(name) if !profiles.is_empty() => {
            let known = profiles.iter().map(|it| it.name.as_str());
            let text = format!("is no profile of `oauth.profiles`{}", hint(name, known));
            report.fault_at(reader.at(PROFILE), name, text);
        }
        None if !profiles.is_empty() => {
            let text = "is missing: there are several profiles; name one of `oauth.profiles`";
            report.fault(reader.at(PROFILE), text);
        }
        _ => {}
    }
    Err("auth_type oauth needs a profile in `oauth.profiles` (see docs/oauth.md)".to_owned())
}
