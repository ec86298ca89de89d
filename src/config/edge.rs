//! What stands between us and the world: proxies whose word counts, and web pages that may call.

use std::time::Duration;

use crate::config::fault::Report;
use crate::config::listeners::Listener;
use crate::config::model::{Auth, Cors, Settings};
use crate::config::overrides::Overrides;
use crate::config::read::Reader;
use crate::types::Network;

/// How long browsers remember what they were told.
const MAX_AGE: Duration = Duration::from_secs(600);
const ANY: &str = "*";

/// Networks of trusted proxies.
pub(super) fn trusted_proxies(reader: &Reader<'_>, report: &mut Report) -> Vec<Network> {
    let mut networks = Vec::new();
    for text in reader.texts("trusted_proxies") {
        match text.trim().parse() {
            Ok(network) => networks.push(network),
            Err(_) => report.fault_at(
                reader.at("trusted_proxies"),
                text,
                "must be an address or a network, as 10.0.0.0/8",
            ),
        }
    }
    networks
}

/// Web pages that may call, as the file has it.
pub(super) fn cors(reader: &Reader<'_>, report: &mut Report) -> Option<Cors> {
    let section = reader.section("cors");
    let texts = section.texts("origins");
    let listed = origins(&texts, &mut |text, remedy| {
        report.fault_at(section.at("origins"), text, remedy);
    });
    listed.map(|(origins, any_origin)| Cors {
        origins,
        any_origin,
        max_age: section.duration("max_age").unwrap_or(MAX_AGE),
    })
}

/// The environment's word over the file's. `ENABLE_CORS` alone is what it was where it comes from: every page.
pub(super) fn override_cors(settings: &mut Settings, overrides: &Overrides, report: &mut Report) {
    let Some(enabled) = overrides.cors else {
        if overrides.cors_origin.is_some() {
            report.remark("CORS_ORIGIN", "has no effect without ENABLE_CORS=true");
        }
        return;
    };
    let from_file = settings.cors.take().filter(|_| enabled);
    let max_age = from_file.as_ref().map_or(MAX_AGE, |it| it.max_age);
    let texts: Vec<&str> = match &overrides.cors_origin {
        Some(text) => text.split(',').map(str::trim).collect(),
        None => vec![ANY],
    };
    let listed = origins(&texts, &mut |_, remedy| {
        report.fault_in_env("CORS_ORIGIN", remedy.to_owned());
    });
    settings.cors = match (overrides.cors_origin.is_some(), from_file) {
        (false, Some(from_file)) => Some(from_file),
        _ => listed
            .filter(|_| enabled)
            .map(|(origins, any_origin)| Cors {
                origins,
                any_origin,
                max_age,
            }),
    };
}

/// Origins, and whether any is among them; `None` for none at all.
fn origins(
    texts: &[&str],
    fault: &mut dyn FnMut(&str, &'static str),
) -> Option<(Vec<String>, bool)> {
    let mut listed = Vec::new();
    for text in texts.iter().filter(|it| **it != ANY) {
        if is_origin(text) {
            listed.push((*text).to_owned());
        } else {
            fault(
                text,
                "must be an origin as browsers write it: https://app.example, without a path, in lower case",
            );
        }
    }
    let any = texts.contains(&ANY);
    (any || !listed.is_empty()).then_some((listed, any))
}

fn is_origin(text: &str) -> bool {
    let Some((scheme, authority)) = text.split_once("://") else {
        return false;
    };
    let fits =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-.:[]_".contains(&byte);
    let default_port = match scheme {
        "http" => ":80",
        "https" => ":443",
        _ => "://",
    };
    !scheme.is_empty()
        && scheme
            .bytes()
            .all(|it| it.is_ascii_lowercase() || b"+-.".contains(&it))
        && !authority.is_empty()
        && authority.bytes().all(fits)
        && !authority.ends_with(default_port)
}

/// What would open the gateway to people who are not meant.
pub(super) fn check(settings: &Settings, listeners: &[Listener], auth: &Auth, report: &mut Report) {
    if settings.cors.as_ref().is_some_and(|it| it.any_origin) && auth.is_open() {
        report.fault(
            "settings.cors.origins",
            "lets every web page use the providers without a key; list the origins, or set auth.api_key",
        );
    }
    let announced = listeners.iter().filter(|it| it.proxy_protocol);
    if settings.trusted_proxies.is_empty() {
        for listener in announced {
            let path = if listener.is_main() {
                "settings.proxy_protocol".to_owned()
            } else {
                format!("{}.proxy_protocol", listener.name)
            };
            report.warn(
                path,
                "believes whoever reaches the port; list the load balancers in settings.trusted_proxies",
            );
        }
    }
    if settings.proxy_protocol && !listeners.iter().any(Listener::is_main) {
        report.warn(
            "settings.proxy_protocol",
            "has no effect: it is for the listener of settings.host and settings.port; write it in `listeners`",
        );
    }
}
