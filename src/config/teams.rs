//! `keys` and `ledger` → named keys, and where what they use is written down.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::SystemTime;

use crate::config::fault::Report;
use crate::config::model::{Auth, KeyEntry, LedgerSettings, Provider, Route, RouteRule};
use crate::config::read::Reader;
use crate::types::calendar::parse_moment;
use crate::types::{Day, MicroUsd};

/// Where the ledger is unless it is said.
const DEFAULT_PATH: &str = "data/ledger.sqlite";
/// Longer than a quarter.
const DEFAULT_RETENTION: u32 = 100;
/// Budgets of a month are counted from it.
const LEAST_RETENTION: u32 = 32;
/// Longest name of a key or a team, in bytes.
const MAX_NAME: usize = 64;
/// SHA-256 of nothing.
const DIGEST_OF_NOTHING: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// Reads `keys`; `None` when there is no such list.
pub(super) fn keys(
    top: &Reader<'_>,
    auth: &Auth,
    is_off: bool,
    report: &mut Report,
) -> Option<Vec<KeyEntry>> {
    if !top.has("keys") {
        return None;
    }
    if is_off {
        report.fault(
            "keys",
            "mean nothing with `auth: {enabled: false}`; remove one of both",
        );
    }
    let readers = top.list("keys");
    if readers.is_empty() && auth.keys.is_empty() {
        report.warn(
            "keys",
            "is an empty list: nobody may call; make one with `pointsman keys create`",
        );
    }
    let (mut names, mut digests) = (BTreeSet::new(), BTreeSet::new());
    let mut entries = Vec::new();
    for reader in &readers {
        let Some(entry) = key(reader, report) else {
            continue;
        };
        if !names.insert(entry.name.clone()) {
            report.fault_at(reader.at("name"), &entry.name, "names two keys; rename one");
        }
        if !digests.insert(entry.sha256) {
            let text = "is the digest of another key, too; every holder needs a key of their own";
            report.fault(reader.at("sha256"), text);
        }
        entries.push(entry);
    }
    Some(entries)
}

fn key(reader: &Reader<'_>, report: &mut Report) -> Option<KeyEntry> {
    let name = name(reader, "name", report);
    let text = reader.text("sha256").unwrap_or_default();
    let digest = digest(text);
    if digest.is_none() && reader.has("sha256") {
        report.fault(
            reader.at("sha256"),
            "must be the 64 hexadecimal digits of a key's SHA-256, not the key; `pointsman keys create` prints them",
        );
    }
    let mut money = |key: &str| {
        let dollars = reader.number(key)?;
        if dollars <= 0.0 {
            let text = "would refuse every request; write dollars above 0, or `revoked: true`";
            report.fault(reader.at(key), text);
        }
        Some(MicroUsd::of_dollars(dollars))
    };
    let (daily, monthly) = (money("daily_usd"), money("monthly_usd"));
    let expires = reader.text("expires").and_then(|text| {
        let end = expiry(text);
        if end.is_none() {
            report.fault_at(
                reader.at("expires"),
                text,
                "must be the last day it is good, as 2027-01-31, or a moment, as 2027-01-31T12:00:00Z",
            );
        }
        end
    });
    Some(KeyEntry {
        team: reader
            .text("team")
            .and_then(|_| self::name(reader, "team", report)),
        models: texts(reader, "models"),
        routes: texts(reader, "routes"),
        providers: texts(reader, "providers"),
        rpm: reader.count("rpm"),
        tpm: reader.tokens("tpm"),
        max_concurrent: reader.count("max_concurrent"),
        daily,
        monthly,
        expires,
        revoked: reader.boolean("revoked").unwrap_or(false),
        ..KeyEntry::new(&name?, digest?)
    })
}

fn texts(reader: &Reader<'_>, key: &str) -> Vec<String> {
    reader.texts(key).into_iter().map(str::to_owned).collect()
}

/// A name that logs, tables and messages can bear.
fn name(reader: &Reader<'_>, key: &str, report: &mut Report) -> Option<String> {
    let text = reader.text(key)?;
    let plain = |it: char| it.is_alphanumeric() || matches!(it, '-' | '_' | '.' | '@');
    if text.len() <= MAX_NAME && text.chars().all(plain) {
        return Some(text.to_owned());
    }
    let remedy = "must be at most 64 letters, digits, and - _ . @";
    report.fault_at(reader.at(key), text, remedy);
    None
}

/// The 32 bytes of 64 hexadecimal digits, with or without `sha256:` before them.
fn digest(text: &str) -> Option<[u8; 32]> {
    let text = text.trim();
    let digits = text.strip_prefix("sha256:").unwrap_or(text);
    if digits.len() != 64 || digits.eq_ignore_ascii_case(DIGEST_OF_NOTHING) {
        return None;
    }
    let mut bytes = [0_u8; 32];
    for (byte, pair) in bytes.iter_mut().zip(digits.as_bytes().chunks(2)) {
        let pair = std::str::from_utf8(pair).ok()?;
        let is_hex = pair.bytes().all(|it| it.is_ascii_hexdigit());
        *byte = u8::from_str_radix(pair, 16).ok().filter(|_| is_hex)?;
    }
    Some(bytes)
}

/// When a key ends: at the end of its last day, or at a moment.
pub fn expiry(text: &str) -> Option<SystemTime> {
    let text = text.trim();
    let end_of = |day: Day| day.next().start();
    Day::parse(text).map(end_of).or_else(|| parse_moment(text))
}

/// What keys are narrowed to must be there, or a typing error would lock their holders out.
pub(super) fn check_scopes(
    entries: &[KeyEntry],
    (providers, routes, rules): (&[Provider], &[Route], &[RouteRule]),
    report: &mut Report,
) {
    for (i, entry) in entries.iter().enumerate() {
        for name in &entry.providers {
            if !providers.iter().any(|it| it.name == *name) {
                let text = "is no provider; write a name from `providers`";
                report.fault_at(format!("keys[{i}].providers"), name, text);
            }
        }
        for name in &entry.routes {
            let known = routes.iter().any(|it| it.pattern == *name)
                || rules.iter().any(|it| it.label == *name);
            if !known {
                let text = "is no route; write a pattern of `model_routes` as it stands there, or route_rules[0]";
                report.fault_at(format!("keys[{i}].routes"), name, text);
            }
        }
    }
}

/// Reads `ledger`. There is one where it is written, and where budgets must outlive a restart.
pub(super) fn ledger(
    top: &Reader<'_>,
    entries: &[KeyEntry],
    report: &mut Report,
) -> Option<LedgerSettings> {
    let reader = top.section("ledger");
    let has_caps = entries.iter().any(KeyEntry::has_caps);
    let wanted = reader
        .boolean("enabled")
        .unwrap_or(top.has("ledger") || has_caps);
    if !wanted {
        if has_caps {
            let text = "is false: budgets of keys begin anew with every restart";
            report.warn(reader.at("enabled"), text);
        }
        return None;
    }
    let retention_days = reader.count("retention_days").unwrap_or(DEFAULT_RETENTION);
    if has_caps && retention_days < LEAST_RETENTION {
        let text = format!("is too short to count a month; write {LEAST_RETENTION} or more");
        report.fault(reader.at("retention_days"), text);
    }
    Some(LedgerSettings {
        path: PathBuf::from(reader.text("path").unwrap_or(DEFAULT_PATH)),
        retention_days,
    })
}
