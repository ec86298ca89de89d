//! Listeners: where they are, what they serve, who must have a key, and certificates that do not work.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use rcgen::{CertificateParams, KeyPair, date_time_ymd};

use super::{ONE, lines, options};
use crate::config::{ClientAuth, Config, Surface, from_text, load_with_files};

const KEYED: &str = "auth: {api_key: gateway-0123456789}\n";

fn loaded_in(dir: &Path, text: &str) -> Result<Config, Vec<String>> {
    from_text("c.yaml", &format!("{ONE}{text}"), dir, &options([])).map_err(|it| lines(&it))
}

fn loaded(text: &str) -> Result<Config, Vec<String>> {
    loaded_in(Path::new("."), text)
}

/// A directory with a certificate from `begin` to `end`, called `a`, and another one's key.
fn certificates(begin: i32, end: i32) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec!["Gateway.example".to_owned()]).unwrap();
    params.not_before = date_time_ymd(begin, 1, 1);
    params.not_after = date_time_ymd(end, 1, 1);
    let write = |name: &str, text: String| {
        let file = dir.path().join(name);
        fs::write(&file, text).unwrap();
        fs::set_permissions(&file, Permissions::from_mode(0o600)).unwrap();
    };
    write("a.pem", params.self_signed(&key).unwrap().pem());
    write("a.key", key.serialize_pem());
    write("other.key", KeyPair::generate().unwrap().serialize_pem());
    dir
}

fn with_tls(tls: &str) -> String {
    format!("listeners: [{{address: '127.0.0.1:8443', tls: {{{tls}}}}}]\n")
}

const PAIR: &str = "certificates: [{cert: a.pem, key: a.key}]";

#[test]
fn the_short_form_is_one_listener_and_steps_back_for_a_list() {
    let shown = |text: &str| -> Vec<String> {
        let config = loaded(text).unwrap();
        let all = config.listeners.iter();
        all.map(|it| format!("{} {} {}", it.name, it.address, it.surface.word()))
            .collect()
    };
    assert_eq!(shown(""), ["edge 127.0.0.1:8080 all"]);
    let list = "listeners: [{address: '127.0.0.1:1'}, {address: 'unix:/run/p.sock'}]\n";
    assert_eq!(
        shown(list),
        [
            "listeners[0] 127.0.0.1:1 all",
            "listeners[1] unix:/run/p.sock all"
        ]
    );
    assert_eq!(
        shown(&format!("settings: {{port: 9}}\n{list}"))[0],
        "edge 127.0.0.1:9 all"
    );
    // Where something is for administration, the rest is not, unless it says so.
    assert_eq!(
        shown("admin: {listen: '127.0.0.1:2'}\n"),
        ["edge 127.0.0.1:8080 traffic", "admin 127.0.0.1:2 admin"]
    );
    let list = "listeners: [{address: '[::1]:1'}, {address: 'localhost:2', surface: all}, {address: 'unix:/a', surface: admin}]\n";
    assert_eq!(
        shown(list),
        [
            "listeners[0] [::1]:1 traffic",
            "listeners[1] localhost:2 all",
            "listeners[2] unix:/a admin"
        ]
    );
}

#[test]
fn what_is_no_listener_is_told() {
    let long = format!("listeners: [{{address: 'unix:/{}'}}]\n", "x".repeat(120));
    for (text, expected) in [
        ("listeners: []\n", "c.yaml: listeners: is an empty list"),
        (
            "listeners: [{http2: true}]\n",
            "listeners[0].address: is missing",
        ),
        (
            "listeners: [{address: '8443'}]\n",
            "listeners[0].address = 8443: must be host:port",
        ),
        (
            "listeners: [{address: '::1:8443'}]\n",
            "listeners[0].address = ::1:8443: must be host:port",
        ),
        (
            "listeners: [{address: 'unix:run/p.sock'}]\n",
            "must be unix: and an absolute path",
        ),
        (long.as_str(), "must be unix: and an absolute path"),
        (
            "listeners: [{address: 'unix:/p', mode: '0999'}]\n",
            "has a `mode` that is none",
        ),
        (
            "listeners: [{address: 'unix:/p', mode: '0070'}]\n",
            "has a `mode` that is none",
        ),
        (
            "listeners: [{address: '127.0.0.1:1', surface: admin}]\n",
            "listeners: none of them serves models",
        ),
        (
            "listeners: [{address: '127.0.0.1:1'}, {address: '127.0.0.1:1'}]\n",
            "listeners[1].address = 127.0.0.1:1: is that of listeners[0] address, too",
        ),
        (
            "listeners: [{address: 'unix:/a'}, {address: 'unix:/a'}]\n",
            "listeners[1].address = unix:/a: is that of listeners[0] address, too; take another file",
        ),
    ] {
        let faults = loaded(text).unwrap_err();
        assert!(faults[0].contains(expected), "{text}: {faults:?}");
    }
}

#[test]
fn every_listener_that_others_reach_needs_a_key() {
    for (text, path) in [
        ("{address: '0.0.0.0:1'}", "listeners[0].address = 0.0.0.0:"),
        (
            "{address: 'gateway.example:1', surface: traffic}",
            "listeners[0].address = gateway.example:",
        ),
        (
            "{address: '127.0.0.1:1'}, {address: '[::]:1'}",
            "listeners[1].address = :::",
        ),
    ] {
        let list = format!("listeners: [{text}]\n");
        let faults = loaded(&list).unwrap_err();
        assert!(faults[0].contains(path), "{faults:?}");
        assert!(faults[0].contains("can be reached from other machines"));
        assert!(loaded(&format!("{list}{KEYED}")).is_ok());
    }
    // Administration has a key of its own.
    let list = "listeners: [{address: '127.0.0.1:1'}, {address: '0.0.0.0:2', surface: admin}]\n";
    let faults = loaded(&format!("{list}{KEYED}")).unwrap_err();
    assert!(faults[0].contains("set `admin.key`"), "{faults:?}");
    assert!(loaded(&format!("{list}admin: {{key: admin-0123456789}}\n")).is_ok());
    assert!(loaded("listeners: [{address: 'unix:/run/p.sock', mode: '0666'}]\n").is_ok());
}

#[test]
fn a_load_balancer_is_in_front_of_each_listener_that_says_so() {
    let announced = |text: &str| -> Vec<bool> {
        let config = loaded(&format!("{text}{KEYED}")).unwrap();
        config
            .listeners
            .iter()
            .map(|it| it.proxy_protocol)
            .collect()
    };
    let list =
        "listeners: [{address: '127.0.0.1:1', proxy_protocol: true}, {address: '127.0.0.1:2'}]\n";
    assert_eq!(announced(list), [true, false]);
    // The setting is for the short form alone.
    let setting = "settings: {port: 9, proxy_protocol: true}\n";
    assert_eq!(announced(setting), [true]);
    let others = "listeners: [{address: '127.0.0.1:1'}]\n";
    assert_eq!(announced(&format!("{setting}{others}")), [true, false]);
    // It brings clients from elsewhere, wherever it is bound.
    let faults = loaded(list).unwrap_err();
    assert!(
        faults[0].contains("listeners[0].address = 127.0.0.1: can be reached from other machines"),
        "{faults:?}"
    );
    let admin = "{address: '127.0.0.1:1', surface: admin, proxy_protocol: true}";
    let faults = loaded(&format!(
        "listeners: [{admin}, {{address: '127.0.0.1:2'}}]\n{KEYED}"
    ));
    let faults = faults.unwrap_err();
    assert!(faults[0].contains("set `admin.key`"), "{faults:?}");
    let faults = loaded("listeners: [{address: 'unix:/a', proxy_protocol: true}]\n").unwrap_err();
    assert!(
        faults[0].contains("proxy_protocol: is not for Unix sockets"),
        "{faults:?}"
    );
    for (text, path, word) in [
        (list, "listeners[0].proxy_protocol", "believes whoever"),
        (setting, "settings.proxy_protocol", "believes whoever"),
        (
            "settings: {proxy_protocol: true}\nlisteners: [{address: '127.0.0.1:1'}]\n",
            "settings.proxy_protocol",
            "has no effect",
        ),
    ] {
        let config = loaded(&format!("{text}{KEYED}")).unwrap();
        let told =
            |it: &crate::config::Note| it.warning && it.path == path && it.text.contains(word);
        assert!(config.notes.iter().any(told), "{text}: {:?}", config.notes);
    }
}

#[test]
fn a_provider_that_is_a_listener_of_ours_is_refused() {
    let text = "providers: [{name: a, base_url: 'http://127.0.0.1:9', auth_value: sk-0123456789abcdef}]\n\
                listeners: [{address: '127.0.0.1:8'}, {address: '127.0.0.1:9'}]\n";
    let faults = from_text("c.yaml", text, Path::new("."), &options([])).unwrap_err();
    assert!(lines(&faults)[0].contains("requests would go round in circles"));
}

#[test]
fn a_good_pair_is_known_by_its_names_and_dates() {
    let dir = certificates(2020, 2090);
    let config = loaded_in(dir.path(), &with_tls(PAIR)).unwrap();
    assert!(!config.notes.iter().any(|it| it.warning), "{config:?}");
    let listener = &config.listeners[0];
    assert_eq!(
        (listener.scheme(), listener.surface),
        ("https", Surface::All)
    );
    let tls = listener.tls.as_ref().unwrap();
    assert_eq!(tls.client_auth, ClientAuth::None);
    let certificate = &tls.certificates[0];
    assert_eq!(certificate.names, ["gateway.example"]);
    assert_eq!(certificate.expires, "2090-01-01");
    assert_eq!(certificate.fingerprint.len(), 64);
    // The private key is in nothing that can be shown.
    let key = fs::read_to_string(dir.path().join("a.key")).unwrap();
    let shown = format!("{config:?}{}", crate::config::dump(&config));
    let line = key.lines().nth(1).unwrap();
    assert!(!shown.contains(line));
    // What has not changed counts as the same, so that sessions can be resumed.
    let again = loaded_in(dir.path(), &with_tls(PAIR)).unwrap();
    let identity = |it: &Config| it.listeners[0].tls.as_ref().unwrap().identity;
    assert_eq!(identity(&again), identity(&config));
    let asking = format!("{PAIR}, client_ca: a.pem");
    let asking = loaded_in(dir.path(), &with_tls(&asking)).unwrap();
    assert_ne!(identity(&asking), identity(&config));
    let tls = asking.listeners[0].tls.as_ref().unwrap();
    assert_eq!(tls.client_auth, ClientAuth::Required);
}

#[test]
fn dates_and_open_files_are_warned_about() {
    for (begin, end, expected) in [
        (2001, 2002, "expired on 2002-01-01; renew it"),
        (2080, 2090, "is not good before 2080-01-01"),
    ] {
        let dir = certificates(begin, end);
        let config = loaded_in(dir.path(), &with_tls(PAIR)).unwrap();
        let note = &config.notes[0];
        assert_eq!(note.path, "listeners[0].tls.certificates[0].cert");
        assert!(note.warning && note.text.contains(expected), "{note:?}");
    }
    let dir = certificates(2020, 2090);
    let key = dir.path().join("a.key");
    fs::set_permissions(&key, Permissions::from_mode(0o644)).unwrap();
    let config = loaded_in(dir.path(), &with_tls(PAIR)).unwrap();
    assert!(config.notes[0].text.contains("chmod 600"), "{config:?}");
}

#[test]
fn a_certificate_that_ends_soon_is_warned_about() {
    let dir = certificates(2020, 2090);
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec!["a.example".to_owned()]).unwrap();
    let week = std::time::Duration::from_secs(7 * 86_400);
    params.not_after = (std::time::SystemTime::now() + week).into();
    fs::write(
        dir.path().join("a.pem"),
        params.self_signed(&key).unwrap().pem(),
    )
    .unwrap();
    fs::write(dir.path().join("a.key"), key.serialize_pem()).unwrap();
    let config = loaded_in(dir.path(), &with_tls(PAIR)).unwrap();
    assert!(config.notes[0].text.contains("renew it soon"), "{config:?}");
}

#[test]
fn pairs_that_do_not_work_are_told() {
    let dir = certificates(2020, 2090);
    fs::write(
        dir.path().join("locked.key"),
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n",
    )
    .unwrap();
    fs::write(dir.path().join("empty"), "").unwrap();
    for (tls, expected) in [
        ("", "listeners[0].tls.certificates: is missing"),
        ("certificates: []", "certificates: is empty"),
        (
            "certificates: [{cert: a.pem}]",
            "certificates[0].key: is missing",
        ),
        (
            "certificates: [{cert: none.pem, key: a.key}]",
            "certificates[0].cert = none.pem: cannot be read: entity not found",
        ),
        (
            "certificates: [{cert: ., key: a.key}]",
            "is not a file of at most 1 MiB",
        ),
        (
            "certificates: [{cert: a.pem, key: other.key}]",
            "certificates[0].key = other.key: is not the key of the certificate in a.pem",
        ),
        (
            "certificates: [{cert: a.key, key: a.key}]",
            "cert = a.key: holds no certificate in PEM",
        ),
        (
            "certificates: [{cert: a.pem, key: a.pem}]",
            "key = a.pem: holds no private key in PEM",
        ),
        (
            "certificates: [{cert: a.pem, key: locked.key}]",
            "is locked with a passphrase",
        ),
        (
            "certificates: [{cert: a.pem, key: a.key}], client_auth: required",
            "client_auth = required: needs `client_ca`",
        ),
        (
            "certificates: [{cert: a.pem, key: a.key}], client_ca: empty",
            "client_ca = empty: holds no certificate",
        ),
    ] {
        let faults = loaded_in(dir.path(), &with_tls(tls)).unwrap_err();
        assert!(faults[0].contains(expected), "{tls}: {faults:?}");
        assert_eq!(faults.len(), 1, "{faults:?}");
    }
    let unix = format!("listeners: [{{address: 'unix:/a', tls: {{{PAIR}}}}}]\n");
    let faults = loaded_in(dir.path(), &unix).unwrap_err();
    assert!(faults[0].contains("not for Unix sockets"), "{faults:?}");
}

#[test]
fn its_files_are_watched_even_those_that_are_not_there() {
    let dir = certificates(2020, 2090);
    let tls = "certificates: [{cert: a.pem, key: a.key}], client_ca: ca.pem";
    let file = dir.path().join("config.yaml");
    fs::write(&file, format!("{ONE}{}", with_tls(tls))).unwrap();
    let mut options = options([]);
    options.config = Some(file);
    let loaded = load_with_files(&options);
    assert!(loaded.outcome.is_err());
    for name in ["a.pem", "a.key", "ca.pem"] {
        assert!(loaded.files.contains(&dir.path().join(name)), "{name}");
    }
}
