//! `settings.mode` and `settings.health_check` → what is shown, and where the health page is.

use crate::config::fault::Report;
use crate::config::model::{HealthPage, Mode, Settings};
use crate::config::overrides::Overrides;
use crate::config::read::Reader;

/// Where it is unless somebody moves it.
const HEALTH: &str = "/health";
/// Where other things are, whole or with what lies below.
const TAKEN: &[&str] = &[
    "/v1",
    "/api",
    "/admin",
    "/providers",
    "/oauth",
    "/zed",
    "/metrics",
    "/livez",
    "/readyz",
    "/cleanup",
    "/docs",
    "/openapi.json",
];

/// What the process is run for, as the file has it.
pub(super) fn mode(reader: &Reader<'_>) -> Mode {
    match reader.choice("mode") {
        Some("development") => Mode::Development,
        _ => Mode::Production,
    }
}

/// The health page, as the file has it.
pub(super) fn health_page(reader: &Reader<'_>, report: &mut Report) -> HealthPage {
    let section = reader.section("health_check");
    let path = section.text("path").unwrap_or(HEALTH);
    if let Err(remedy) = check(path) {
        report.fault_at(section.at("path"), path, remedy);
    }
    HealthPage {
        enabled: section.boolean("enabled").unwrap_or(true),
        path: path.to_owned(),
    }
}

/// The environment's word over the file's.
pub(super) fn override_pages(settings: &mut Settings, overrides: &Overrides) {
    settings.mode = overrides.mode.unwrap_or(settings.mode);
    let page = &mut settings.health_page;
    page.enabled = overrides.health_check.unwrap_or(page.enabled);
    if let Some(path) = &overrides.health_path {
        page.path.clone_from(path);
    }
}

/// Whether the health page can be there; the error is a remedy.
pub(super) fn check(path: &str) -> Result<(), String> {
    let plain = |it: u8| it.is_ascii_alphanumeric() || b"/-._~".contains(&it);
    let segments = path.strip_prefix('/').unwrap_or_default().split('/');
    let is_path = path.starts_with('/')
        && path.bytes().all(plain)
        && segments
            .into_iter()
            .all(|it| !matches!(it, "" | "." | ".."));
    if !is_path {
        return Err("must be a plain path such as /health".to_owned());
    }
    let is_taken = |taken: &&str| {
        let below = path.strip_prefix(*taken);
        below.is_some_and(|it| it.is_empty() || it.starts_with('/'))
    };
    match TAKEN.iter().find(|it| is_taken(it)) {
        Some(taken) => Err(format!(
            "is where something else is ({taken}); choose another path"
        )),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_health_page_has_a_plain_path_of_its_own() {
        for path in ["/health", "/healthz", "/status/deep", "/v1x", "/a-b_c.d~e"] {
            assert_eq!(check(path), Ok(()), "{path}");
        }
        for path in [
            "",
            "/",
            "health",
            "/a?b",
            "/a b",
            "/a//b",
            "/../a",
            "/a/",
            "/ä",
            "/v1",
            "/v1/x",
            "/admin",
            "/providers/x",
            "/metrics",
        ] {
            assert!(check(path).is_err(), "{path}");
        }
    }
}
