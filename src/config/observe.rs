//! `settings.tracing`, `settings.access_log`, `settings.capture` → what is shown to operators, and where it goes.
//!
//! OpenTelemetry's usual variables fill in what `tracing` leaves out, but never switch it on: on a developer's machine they
//! are often there for another program.

use crate::config::env::Env;
use crate::config::fault::Report;
use crate::config::model::{AccessLog, Capture, Route, RouteRule, Settings, Target, Tracing};
use crate::config::overrides::Overrides;
use crate::config::provider;
use crate::config::read::Reader;
use crate::config::url::{Address, masked};
use crate::types::Secret;

/// Where collectors take traces.
const TRACES_PATH: &str = "/v1/traces";
/// Tells the collector's base address.
const ENDPOINT: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";
/// The whole URL for traces.
const TRACES_ENDPOINT: &str = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT";
/// `name=value,name=value`, percent-encoded.
const HEADERS: &str = "OTEL_EXPORTER_OTLP_HEADERS";
/// What the service is called.
const SERVICE_NAME: &str = "OTEL_SERVICE_NAME";
/// `name=value,name=value`: what else is said of this process.
const RESOURCE: &str = "OTEL_RESOURCE_ATTRIBUTES";

/// Reads the three sections into `settings`.
pub(super) fn observe(
    settings: &mut Settings,
    reader: &Reader<'_>,
    (env, overrides): (&Env, &Overrides),
    report: &mut Report,
) {
    settings.access_log = AccessLog {
        json: match reader.section("access_log").choice("format") {
            Some(format) => format == "json",
            None => settings.log.json,
        },
        sample: sample(reader, overrides, report),
    };
    let tracing = reader.section("tracing");
    let wanted = reader.has("tracing") && tracing.boolean("enabled").unwrap_or(true);
    settings.tracing = wanted
        .then(|| read_tracing(&tracing, env, &settings.app_name, report))
        .flatten();
    settings.capture = capture(reader, overrides, report);
}

/// The share of good requests that have a line. The old switches speak of the request and of its answer; one line tells
/// of both, so it is left out when both are off.
fn sample(reader: &Reader<'_>, overrides: &Overrides, report: &mut Report) -> f64 {
    let written = share(&reader.section("access_log"), report);
    match (overrides.request_logs, overrides.response_logs) {
        (Some(false), Some(false)) => 0.0,
        _ => written,
    }
}

/// A share of all requests: 0 to 1.
fn share(reader: &Reader<'_>, report: &mut Report) -> f64 {
    let share = reader.number("sample").unwrap_or(1.0);
    if 1.0 < share {
        let text = share.to_string();
        report.fault_at(reader.at("sample"), &text, "must be a share from 0 to 1");
    }
    share
}

fn read_tracing(
    reader: &Reader<'_>,
    env: &Env,
    app_name: &str,
    report: &mut Report,
) -> Option<Tracing> {
    let (endpoint, target) = collector(reader, env, report)?;
    let mut headers = provider::headers(reader, "headers", report);
    if headers.is_empty() {
        let told = env.filled(HEADERS).unwrap_or_default();
        headers = pairs(told, HEADERS, report)
            .into_iter()
            .filter_map(|(name, value)| header(&name, value, report))
            .collect();
    }
    let name = reader.text("service_name").or(env.filled(SERVICE_NAME));
    let resource = env.filled(RESOURCE).unwrap_or_default();
    Some(Tracing {
        endpoint,
        target,
        headers,
        sample: share(reader, report),
        accept: reader.boolean("accept").unwrap_or(true),
        propagate: reader.boolean("propagate").unwrap_or(false),
        service_name: name.unwrap_or(app_name).to_owned(),
        resource: pairs(resource, RESOURCE, report),
        timeout: reader
            .duration("timeout")
            .unwrap_or(std::time::Duration::from_secs(10)),
    })
}

/// The collector's address, for people, and where its traces go.
fn collector(reader: &Reader<'_>, env: &Env, report: &mut Report) -> Option<(String, Target)> {
    let sources = [
        (reader.text("endpoint"), reader.at("endpoint")),
        (env.filled(TRACES_ENDPOINT), TRACES_ENDPOINT.to_owned()),
        (env.filled(ENDPOINT), ENDPOINT.to_owned()),
    ];
    let written = sources
        .into_iter()
        .find_map(|(text, path)| Some((text?, path)));
    let Some((text, path)) = written else {
        let remedy = "is missing: give the collector's address, for example http://127.0.0.1:4318";
        report.fault(reader.at("endpoint"), remedy);
        return None;
    };
    match Address::parse_endpoint(text.trim()) {
        Ok(mut address) => {
            // A whole URL is taken as it is, a base address gets the usual path.
            if path != TRACES_ENDPOINT && !address.path.ends_with(TRACES_PATH) {
                address.path.push_str(TRACES_PATH);
            }
            Some((masked(text), address.whole_target()))
        }
        Err(remedy) => {
            report.fault_at(path, &masked(text), remedy.replace("auth_value", "headers"));
            None
        }
    }
}

/// `name=value,name=value` of OpenTelemetry's variables.
fn pairs(text: &str, name: &str, report: &mut Report) -> Vec<(String, String)> {
    let mut all = Vec::new();
    for part in text.split(',').map(str::trim).filter(|it| !it.is_empty()) {
        match part.split_once('=') {
            Some((key, value)) => all.push((key.trim().to_owned(), decoded(value.trim()))),
            None => report.fault_in_env(name, "must be name=value,name=value"),
        }
    }
    all
}

fn header(name: &str, value: String, report: &mut Report) -> Option<(String, Secret)> {
    let lower = name.to_ascii_lowercase();
    let good = http::HeaderName::from_bytes(lower.as_bytes()).is_ok()
        && http::HeaderValue::from_str(&value).is_ok();
    if !good {
        report.fault_in_env(HEADERS, "names what is no header");
        return None;
    }
    Some((lower, Secret::new(value)))
}

/// `%20` as a space; what is no escape stays.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let escaped = after.split_at_checked(2).filter(|_| *first == b'%');
        let byte = escaped.and_then(|(digits, tail)| {
            let digits = std::str::from_utf8(digits).ok()?;
            Some((u8::from_str_radix(digits, 16).ok()?, tail))
        });
        let (byte, tail) = byte.unwrap_or((*first, after));
        bytes.push(byte);
        rest = tail;
    }
    String::from_utf8(bytes).unwrap_or_else(|_| text.to_owned())
}

fn capture(settings: &Reader<'_>, overrides: &Overrides, report: &mut Report) -> Option<Capture> {
    let reader = settings.section("capture");
    let asked = [
        ("ENABLE_REQUEST_LOGS", overrides.request_logs),
        ("ENABLE_RESPONSE_LOGS", overrides.response_logs),
    ];
    let Some(directory) = reader.text("directory") else {
        // Nobody's prompts are written to disk because of a variable that once meant something milder.
        for (name, _) in asked.iter().filter(|it| it.1 == Some(true)) {
            report.remark(
                *name,
                "shows a line for each request, not what is in it: bodies go to `settings.capture.directory`, where that is \
                 set",
            );
        }
        if settings.has("capture") {
            report.fault(reader.at("directory"), "is missing: where bodies go");
        }
        return None;
    };
    let capture = Capture {
        directory: directory.into(),
        requests: asked[0]
            .1
            .or(reader.boolean("requests"))
            .unwrap_or_default(),
        responses: asked[1]
            .1
            .or(reader.boolean("responses"))
            .unwrap_or_default(),
        routes: reader.texts("routes").into_iter().map(Into::into).collect(),
        max_body_bytes: reader.size("max_body_bytes").unwrap_or(1 << 20),
        max_bytes: reader.size("max_bytes").unwrap_or(256 << 20),
        max_files: reader.count("max_files").unwrap_or(1000),
    };
    let what = match (capture.requests, capture.responses) {
        (true, true) => "requests and answers",
        (true, false) => "requests",
        (false, true) => "answers",
        (false, false) => {
            report.remark(
                &reader.path,
                "captures nothing: set `requests` or `responses`",
            );
            return None;
        }
    };
    let whose = match capture.routes.len() {
        0 => "of everyone",
        _ => "of some routes",
    };
    report.warn(
        &reader.path,
        format!(
            "bodies of {what} {whose}, with whatever people wrote, go to {}",
            capture.directory.display()
        ),
    );
    Some(capture)
}

/// Names the routes of `capture` that are none.
pub(super) fn check_routes(
    settings: &Settings,
    routes: &[Route],
    rules: &[RouteRule],
    report: &mut Report,
) {
    let Some(capture) = &settings.capture else {
        return;
    };
    let known = |label: &String| {
        routes.iter().any(|it| it.pattern == *label) || rules.iter().any(|it| it.label == *label)
    };
    for label in capture.routes.iter().filter(|it| !known(it)) {
        let text = format!("{label} is no route: write its pattern, or route_rules[0]");
        report.warn("settings.capture.routes", text);
    }
}
