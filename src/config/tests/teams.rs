//! Named keys, the ledger, limits of client addresses.

use std::path::Path;
use std::time::Duration;

use super::{ONE, loaded, note};
use crate::types::calendar::rfc3339;

const DIGEST: &str = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";
const OTHER: &str = "b5bb9d8014a0f9b1d61e21e796d78dccdf1352f23cd32812f4850b878ae4944c";

fn with_key(rest: &str) -> String {
    format!("{ONE}keys: [{{name: alice, sha256: '{DIGEST}'{rest}}}]\n")
}

#[test]
fn a_key_is_read_with_all_it_may() {
    let text = with_key(
        ", team: t, models: '*sonnet*', providers: [a], rpm: 60, tpm: 200k, max_concurrent: 3, daily_usd: 2.5, \
         expires: 2027-01-31",
    );
    let config = loaded(&text, []).unwrap();
    let [key] = config.auth.named() else {
        panic!("{config:?}");
    };
    assert_eq!(
        (key.rpm, key.tpm, key.max_concurrent),
        (Some(60), Some(200_000), Some(3))
    );
    assert_eq!(
        (key.models.as_slice(), key.sha256[0]),
        (&["*sonnet*".to_owned()][..], 0x9f)
    );
    assert_eq!(key.daily.unwrap().0, 2_500_000);
    assert_eq!(
        rfc3339(key.expires.unwrap()),
        "2027-02-01T00:00:00Z",
        "its last day is whole"
    );
    assert!(!config.auth.is_open());
    let shown = crate::config::dump(&config);
    assert!(
        shown.contains("alice") && !shown.contains(DIGEST),
        "{shown}"
    );
}

#[test]
fn what_is_wrong_with_keys_is_said_and_no_key_is_quoted() {
    for (text, fault) in [
        (
            with_key(", rpm: 0"),
            "keys[0].rpm = 0: must be a whole number",
        ),
        (
            with_key(", daily_usd: 0"),
            "keys[0].daily_usd: would refuse every request",
        ),
        (
            with_key(", expires: 2027-02-30"),
            "keys[0].expires = 2027-02-30: must be the last day",
        ),
        (
            with_key(", providers: [b]"),
            "keys[0].providers = b: is no provider",
        ),
        (with_key(", routes: [x]"), "keys[0].routes = x: is no route"),
        (
            with_key(", modls: [x]"),
            "keys[0].modls: is not a known key; did you mean `models`?",
        ),
        (
            with_key("").replace("alice", "a b"),
            "keys[0].name = a b: must be at most 64",
        ),
        (
            with_key("").replace(DIGEST, "pmk-secret"),
            "keys[0].sha256: must be the 64",
        ),
        (
            with_key("").replace(DIGEST, &"+f".repeat(32)),
            "keys[0].sha256: must be the 64",
        ),
        (
            with_key("}, {name: bob, sha256: ''"),
            "keys[1].sha256: must be the 64",
        ),
        (
            format!("{ONE}keys: [{{name: a}}]\n"),
            "keys[0].sha256: is missing",
        ),
        (
            with_key(&format!("}}, {{name: alice, sha256: '{OTHER}'")),
            "keys[1].name = alice: names two keys",
        ),
        (
            with_key(&format!("}}, {{name: bob, sha256: '{DIGEST}'")),
            "keys[1].sha256: is the digest of another key",
        ),
        (
            with_key("") + "auth: {enabled: false}\n",
            "keys: mean nothing with `auth: {enabled: false}`",
        ),
        (
            with_key(", daily_usd: 1") + "ledger: {retention_days: 5}\n",
            "ledger.retention_days: is too short",
        ),
    ] {
        let faults = loaded(&text, []).unwrap_err().join("\n");
        assert!(faults.contains(fault), "{fault} not in:\n{faults}");
        assert!(
            !faults.contains("pmk-secret") && !faults.contains(DIGEST),
            "{faults}"
        );
    }
}

#[test]
fn a_listener_for_all_is_content_with_named_keys() {
    let public = "settings: {host: 0.0.0.0}\n";
    assert!(loaded(&format!("{ONE}{public}"), []).is_err());
    assert!(loaded(&(with_key("") + public), []).is_ok());
    let none = loaded(&format!("{ONE}{public}keys: []\n"), []).unwrap();
    assert!(!none.auth.is_open(), "an empty list closes");
    assert!(note(&none, "keys").unwrap().contains("nobody may call"));
}

#[test]
fn the_ledger_is_there_where_it_is_wanted_or_budgets_need_it() {
    let ledger = |text: &str| loaded(text, []).unwrap().ledger;
    assert_eq!(ledger(ONE), None);
    assert_eq!(ledger(&with_key("")), None);
    let needed = ledger(&with_key(", monthly_usd: 5")).unwrap();
    assert_eq!(
        (needed.path.as_path(), needed.retention_days),
        (Path::new("data/ledger.sqlite"), 100)
    );
    let wanted = ledger(&format!(
        "{ONE}ledger: {{path: x.sqlite, retention_days: 7}}\n"
    ))
    .unwrap();
    assert_eq!(
        (wanted.path.as_path(), wanted.retention_days),
        (Path::new("x.sqlite"), 7)
    );
    let text = with_key(", monthly_usd: 5") + "ledger: {enabled: false}\n";
    let off = loaded(&text, []).unwrap();
    assert_eq!(off.ledger, None);
    assert!(
        note(&off, "ledger.enabled")
            .unwrap()
            .contains("anew with every restart")
    );
}

#[test]
fn the_old_rate_limit_of_the_environment_works() {
    let per_address = |env: &[(&'static str, &'static str)]| {
        let text = format!("{ONE}settings: {{per_address: {{requests: 7, window: 1h}}}}\n");
        let env = env
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let env: crate::config::Env = env.collect();
        let config = loaded(&text, env).unwrap();
        let it = config.settings.per_address;
        (it.requests, it.window)
    };
    let minute = Duration::from_secs(60);
    assert_eq!(per_address(&[]), (Some(7), minute * 60));
    assert_eq!(
        per_address(&[("ENABLE_RATE_LIMIT", "true")]),
        (Some(100), minute)
    );
    assert_eq!(
        per_address(&[("ENABLE_RATE_LIMIT", "false")]),
        (None, minute)
    );
    let all = [
        ("ENABLE_RATE_LIMIT", "true"),
        ("RATE_LIMIT_WINDOW", "1500"),
        ("RATE_LIMIT_MAX_REQUESTS", "5"),
    ];
    assert_eq!(per_address(&all), (Some(5), Duration::from_millis(1_500)));
    assert_eq!(
        per_address(&all[1..]),
        (Some(7), minute * 60),
        "not without the switch"
    );
    let wrong = [("ENABLE_RATE_LIMIT", "perhaps"), ("RATE_LIMIT_WINDOW", "0")];
    let faults = loaded(ONE, wrong).unwrap_err().join("\n");
    assert!(
        faults.contains("ENABLE_RATE_LIMIT") && faults.contains("RATE_LIMIT_WINDOW"),
        "{faults}"
    );
}

#[test]
fn failures_of_this_machine_count_only_where_the_limit_is_written() {
    let limits = |text: &str| {
        let text = format!("{ONE}settings: {{per_address: {{{text}}}}}\n");
        let it = loaded(&text, []).unwrap().settings.per_address;
        (it.failed_sign_ins, it.counts_loopback)
    };
    assert_eq!(limits(""), (Some(30), false));
    assert_eq!(limits("failed_sign_ins: 5"), (Some(5), true));
    assert_eq!(limits("failed_sign_ins: 0"), (None, true));
}
