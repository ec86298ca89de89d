//! `auth` and `admin` → who may call and who may steer. A listener that others can reach does not start open by
//! accident.

use std::net::IpAddr;

use crate::config::fault::Report;
use crate::config::listeners::{ListenAddress, Listener, Surface};
use crate::config::model::{Admin, Auth};
use crate::config::overrides::Overrides;
use crate::config::read::Reader;
use crate::config::secrets;
use crate::config::settings::listen_host;
use crate::config::teams;
use crate::config::url::split_port;
use crate::types::Secret;

/// The last requests that are told about, where nothing is said.
const REQUESTS_TOLD: usize = 200;

/// Reads `auth` at the top and in `settings`; the environment's key replaces all of the file's. Also says whether any
/// key was written, be it a good one or one that was refused.
pub(super) fn auth(
    top: &Reader<'_>,
    settings: &Reader<'_>,
    overrides: &Overrides,
    report: &mut Report,
) -> (Auth, bool) {
    let sections = [top.section("auth"), settings.section("auth")];
    let flag = |key: &str| sections.iter().find_map(|it| it.boolean(key));
    let enabled = flag("enabled");
    let mut keys: Vec<Secret> = overrides.gateway_key.iter().cloned().collect();
    let mut written = overrides.gateway_key_written;
    if keys.is_empty() && enabled != Some(false) {
        written |= sections
            .iter()
            .any(|it| it.has("api_key") || it.has("api_keys"));
        keys = sections
            .iter()
            .flat_map(|it| gateway_keys(it, report))
            .collect();
        if keys.is_empty() && enabled == Some(true) && !written && !top.has("keys") {
            let place = sections.iter().find(|it| it.has("enabled"));
            report.fault(
                place.map_or_else(|| "auth".to_owned(), |it| it.at("api_key")),
                "is missing: give the key that callers must show, or set `enabled: false`",
            );
        }
    }
    let mut exempt_paths = Vec::new();
    for section in &sections {
        for path in section.texts("exempt_paths") {
            if path.starts_with('/') {
                exempt_paths.push(path.to_owned());
            } else {
                report.fault_at(section.at("exempt_paths"), path, "must start with /");
            }
        }
    }
    let mut auth = Auth {
        keys,
        named: None,
        exempt_paths,
        open_on_purpose: enabled == Some(false) && flag("i_know") == Some(true),
    };
    auth.named = teams::keys(top, &auth, enabled == Some(false), report);
    (auth, written)
}

fn gateway_keys(section: &Reader<'_>, report: &mut Report) -> Vec<Secret> {
    let one = section
        .text("api_key")
        .map(|it| (section.at("api_key"), it));
    let path = section.at("api_keys");
    let several = section
        .texts("api_keys")
        .into_iter()
        .enumerate()
        .map(|(i, it)| (format!("{path}[{i}]"), it));
    let mut keys = Vec::new();
    for (path, text) in one.into_iter().chain(several) {
        match own_key(text) {
            Ok(key) => keys.push(key),
            Err(remedy) => report.fault(path, remedy),
        }
    }
    keys
}

/// A key of ours: neither empty nor a placeholder that everybody knows.
pub(super) fn own_key(text: &str) -> Result<Secret, &'static str> {
    let key = secrets::secret(text)?;
    if secrets::is_placeholder(text) {
        return Err(
            "is a placeholder that everybody knows; make a key of your own, for example with `openssl rand -hex 24`",
        );
    }
    Ok(key)
}

/// Reads `admin`.
pub(super) fn admin(top: &Reader<'_>, overrides: &Overrides, report: &mut Report) -> Admin {
    let section = top.section("admin");
    let mut key = overrides.admin_key.clone();
    // An empty one comes from `${POINTSMAN_ADMIN_KEY:-}`: there is none.
    if let Some(text) = section
        .text("key")
        .filter(|it| !it.is_empty() && key.is_none())
    {
        match own_key(text) {
            Ok(own) => key = Some(own),
            Err(remedy) => report.fault(section.at("key"), remedy),
        }
    }
    let listen = section.text("listen").map(|text| {
        match listener(text) {
            Ok(_) => {}
            Err(remedy) => report.fault_at(section.at("listen"), text, remedy),
        }
        text.to_owned()
    });
    let requests = section.count("requests").unwrap_or(REQUESTS_TOLD);
    Admin {
        key,
        listen,
        requests,
    }
}

/// Host of a `host:port` to listen on.
fn listener(text: &str) -> Result<String, String> {
    let expected = || "must be host:port, for example 127.0.0.1:9091".to_owned();
    match split_port(text) {
        Ok((host, Some(_))) => listen_host(host),
        Ok((_, None)) | Err(_) => Err(expected()),
    }
}

/// Refuses to serve models beyond loopback without a key, unless somebody has said that this is meant. Where a load
/// balancer announces clients (`is_announced`), they come from anywhere.
pub(super) fn check_listener(path: &str, listener: &Listener, auth: &Auth, report: &mut Report) {
    if !listener.surface.has_traffic() || !is_exposed(listener) || !auth.is_open() {
        return;
    }
    if auth.open_on_purpose {
        report.warn(
            path,
            "can be reached from other machines without a key, as `i_know: true` confirms",
        );
        return;
    }
    report.fault_at(
        path,
        &host_of(listener),
        "can be reached from other machines; set `auth: {api_key: …}` (or PROXY_ACCESS_KEY, or `keys`), listen on 127.0.0.1, or \
         confirm with `auth: {enabled: false, i_know: true}`",
    );
}

/// The same for administration, which has a key of its own.
pub(super) fn check_admin_listener(
    path: &str,
    listener: &Listener,
    admin: &Admin,
    report: &mut Report,
) {
    if listener.surface == Surface::Admin && is_exposed(listener) && admin.key.is_none() {
        report.fault_at(
            path,
            &listener.address.to_string(),
            "can be reached from other machines; set `admin.key`, or listen on 127.0.0.1",
        );
    }
}

/// Says when nobody will be able to administer.
pub(super) fn check_admin(listeners: &[Listener], admin: &Admin, report: &mut Report) {
    let is_for_admin = |it: &&Listener| it.surface != Surface::Traffic;
    let mut reached = listeners.iter().filter(is_for_admin);
    if admin.key.is_none() && !listeners.is_empty() && !reached.any(Listener::is_local) {
        report.remark(
            "admin.key",
            "is missing: beyond loopback /providers, /admin and /metrics stay closed without one",
        );
    }
}

/// Whether other machines can reach it. An address that is none has been told.
fn is_exposed(listener: &Listener) -> bool {
    let is_known = match &listener.address {
        ListenAddress::Tcp { host, .. } => !host.is_empty(),
        ListenAddress::Unix { .. } => true,
    };
    is_known && !listener.is_local()
}

/// What decides who reaches it.
fn host_of(listener: &Listener) -> String {
    match &listener.address {
        ListenAddress::Tcp { host, .. } => host.clone(),
        ListenAddress::Unix { .. } => listener.address.to_string(),
    }
}

/// Whether only this machine can reach `host`. A name other than localhost may be anything.
pub(super) fn is_loopback(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost")
        || host
            .parse::<IpAddr>()
            .is_ok_and(|it| it.to_canonical().is_loopback())
}

/// Whether a request to `host` and `port` would come back to us.
pub(super) fn is_ourselves(listeners: &[Listener], host: &str, port: u16) -> bool {
    listeners.iter().any(|listener| match &listener.address {
        ListenAddress::Tcp { host: own, port: p } => *p == port && port != 0 && is_same(own, host),
        ListenAddress::Unix { .. } => false,
    })
}

/// Whether whoever calls `host` reaches what listens on `own`.
fn is_same(own: &str, host: &str) -> bool {
    let is_any = |host: &str| host.parse::<IpAddr>().is_ok_and(|it| it.is_unspecified());
    own.eq_ignore_ascii_case(host)
        || (is_loopback(host) || is_any(host)) && (is_any(own) || is_loopback(own))
}
