//! OAuth profiles, and providers that sign in with them.

use super::{loaded, note};
use crate::config::{Config, ProviderAuth};

const PROFILE: &str = "{authorize_url: 'https://as.b/authorize', token_url: 'https://as.b/token', client_id: c, \
                       redirect_uri: 'http://localhost:1/cb'}";

fn with(provider: &str, oauth: &str) -> String {
    format!(
        "providers: [{{name: a, base_url: 'https://a.b', auth_type: oauth{provider}}}, {{name: k, base_url: \
         'https://a.b', auth_value: sk-0123456789}}]\noauth: {oauth}\n"
    )
}

fn one(provider: &str) -> String {
    with(provider, &format!("{{profiles: {{p: {PROFILE}}}}}"))
}

#[test]
fn the_only_profile_need_not_be_named() {
    for provider in ["", ", oauth: p", ", account_email: A@B.C"] {
        let config = loaded(&one(provider), []).unwrap();
        let found = &config.providers[0];
        assert!(
            found.is_active() && found.auth == ProviderAuth::OAuth,
            "{provider}"
        );
        let profile = found.oauth.as_ref().unwrap();
        assert_eq!(
            (profile.name.as_str(), profile.client_id.as_str()),
            ("p", "c")
        );
        assert!(!profile.json && !profile.sends_state && profile.client_secret.is_none());
    }
    let config = loaded(&one(""), []).unwrap();
    let path = config.oauth.store.path.unwrap();
    assert_eq!(path.to_str(), Some("data/oauth-tokens"));
    assert!(config.oauth.auto_refresh);
}

#[test]
fn what_is_wrong_is_told_with_its_remedy() {
    let two = format!("{{profiles: {{p: {PROFILE}, q: {PROFILE}}}}}");
    let changed = |from: &str, to: &str| {
        let profile = PROFILE.replace(from, to);
        with("", &format!("{{profiles: {{p: {profile}}}}}"))
    };
    for (text, expected) in [
        (
            with("", &two),
            "providers[0].oauth: is missing: there are several",
        ),
        (
            with(", oauth: x", &two),
            "providers[0].oauth = x: is no profile",
        ),
        (
            changed("https://as.b/token", "http://as.b/token"),
            "token_url",
        ),
        (
            changed("https://as.b/authorize", "http://as.b/x"),
            "authorize_url",
        ),
        (
            changed("http://localhost:1/cb", "http://as.b/cb"),
            "redirect_uri",
        ),
        (
            changed("client_id: c", "token_params: {code: x}, client_id: c"),
            "token_params.code",
        ),
        (changed(", client_id: c", ""), "client_id: is missing"),
        (
            with(
                "",
                &format!("{{profiles: {{p: {PROFILE}}}, store: {{key: short-canary}}}}"),
            ),
            "oauth.store.key",
        ),
    ] {
        let all = loaded(&text, []).unwrap_err().join("\n");
        assert!(all.contains(expected), "{expected}: {all}");
        assert!(!all.contains("short-canary"), "{all}");
    }
}

#[test]
fn the_seeds_switches_work() {
    let text = format!(
        "{}settings: {{oauth: {{enable_persistence: false, enable_auto_refresh: false, service_name: s, proxy: \
         'http://127.0.0.1:1'}}}}\n",
        one("")
    );
    let config = loaded(&text, []).unwrap();
    assert!(config.oauth.store.path.is_none() && !config.oauth.auto_refresh);
    let profile = &config.oauth.profiles[0];
    let proxy = profile.way.proxy_to(&profile.token_target);
    assert_eq!(proxy.unwrap().port, 1);
    assert!(note(&config, "settings.oauth.service_name").is_some());
}

fn ids(config: &Config) -> Vec<&str> {
    config.providers.iter().map(|it| it.id.as_str()).collect()
}

#[test]
fn accounts_stand_for_their_provider_with_the_share_it_had() {
    let text = format!(
        "{}model_routes: {{'*': [{{provider: a, weight: 3}}, {{provider: k, priority: 2}}]}}\n",
        one("")
    );
    let config = loaded(&text, []).unwrap();
    let nobody = config.clone().with_accounts(|_| Vec::new());
    assert_eq!(ids(&nobody), ["a", "k"]);
    let config = config.with_accounts(|profile| {
        assert_eq!(profile, "p");
        vec!["x@b.c".to_owned(), "y@b.c".to_owned()]
    });
    assert_eq!(ids(&config), ["a#x@b.c", "a#y@b.c", "k"]);
    let candidates = &config.routes[0].candidates;
    let places: Vec<usize> = candidates.iter().map(|it| it.provider).collect();
    assert_eq!(places, [0, 1, 2]);
    let weight: f64 = candidates[..2].iter().map(|it| it.weight).sum();
    assert!((weight - 3.0).abs() < 1e-9);
    assert!(config.providers[0].takes_turns && !config.providers[2].takes_turns);
}

#[test]
fn an_account_that_is_named_is_left_to_who_names_it() {
    let more = "name: a, base_url: 'https://a.b', auth_type: oauth, account_email: X@b.c";
    let text = one("").replacen("{name: k", &format!("{{{more}}}, {{name: k"), 1);
    let config = loaded(&text, []).unwrap();
    let config = config.with_accounts(|_| vec!["x@b.c".to_owned(), "y@b.c".to_owned()]);
    assert_eq!(ids(&config), ["a#y@b.c", "a#x@b.c", "k"]);
}
