//! Where clients of this machine find Pointsman, and what they show there: as its configuration says, or as the person
//! does.

use std::net::IpAddr;

use http::header::{AUTHORIZATION, HeaderMap, HeaderValue};

use super::How;
use crate::access::{GatewayKeys, Verdict};
use crate::cli::questions::Ask;
use crate::config::{Auth, ClientAuth, Config, ListenAddress, Listener, LoadOptions, load};
use crate::types::Secret;

/// The variable in which a gateway key may be, for clients and for us.
pub const VARIABLE: &str = "POINTSMAN_KEY";
/// What clients show that insist on showing something.
pub const ANYTHING: &str = "pointsman";

/// What a client is told.
pub struct Gateway {
    /// The address, without a slash at its end.
    pub url: String,
    /// The key; `None` where nobody asks for one.
    pub key: Option<Secret>,
    /// The configuration, where there is one without a fault.
    pub config: Option<Config>,
}

/// What the person and the configuration say.
pub fn of(how: &How, options: &LoadOptions, ask: &mut dyn Ask) -> Result<Gateway, String> {
    let config = match load(options) {
        Ok(config) => Some(config),
        Err(_) if how.url.is_some() => None,
        Err(faults) => {
            let first = faults.first().map(ToString::to_string);
            return Err(format!(
                "the configuration has a fault, so it does not tell where Pointsman is; put that right, or give --url: {}",
                first.unwrap_or_default()
            ));
        }
    };
    let url = match (&how.url, &config) {
        (Some(url), _) => checked(url)?,
        (None, Some(config)) => addresses(config).into_iter().next().ok_or(
            "the configuration listens on no fixed TCP port, which clients need; give --url",
        )?,
        (None, None) => return Err("give --url".to_owned()),
    };
    let key = match (&how.key, &config) {
        (Some(key), _) => Some(Secret::new(key.clone())),
        (None, Some(config)) => key_of(config, options, ask)?,
        (None, None) => options
            .env
            .filled(VARIABLE)
            .map(|it| Secret::new(it.to_owned())),
    };
    if let (Some(key), Some(config)) = (&key, &config)
        && how.url.is_none()
        && !accepts(&config.auth, key)
    {
        return Err(
            "Pointsman would not take that key: it is none of the configuration's".to_owned(),
        );
    }
    Ok(Gateway { url, key, config })
}

/// Addresses under which programs of this machine reach what serves models, the simplest first.
pub fn addresses(config: &Config) -> Vec<String> {
    let serves = |it: &&Listener| it.surface.has_traffic();
    let mut listeners: Vec<&Listener> = config.listeners.iter().filter(serves).collect();
    listeners.sort_by_key(|it| match &it.tls {
        None => 0,
        Some(tls) if tls.client_auth != ClientAuth::Required => 1,
        Some(_) => 2,
    });
    listeners.into_iter().filter_map(url_of).collect()
}

fn url_of(listener: &Listener) -> Option<String> {
    let ListenAddress::Tcp { host, port } = &listener.address else {
        return None;
    };
    if *port == 0 {
        return None;
    }
    let certificates = listener.tls.iter().flat_map(|it| &it.certificates);
    let mut named = certificates.flat_map(|it| &it.names);
    let name = named.find(|it| !it.contains('*'));
    let host = match (name, host.parse::<IpAddr>()) {
        (Some(name), _) => name.clone(),
        (None, Ok(IpAddr::V4(ip))) if ip.is_unspecified() => "127.0.0.1".to_owned(),
        (None, Ok(IpAddr::V6(ip))) if ip.is_unspecified() => "[::1]".to_owned(),
        (None, Ok(IpAddr::V6(ip))) => format!("[{ip}]"),
        (None, _) => host.clone(),
    };
    Some(format!("{}://{host}:{port}", listener.scheme()))
}

/// Whether a request that shows `key` may call.
pub fn accepts(auth: &Auth, key: &Secret) -> bool {
    let Ok(mut value) = HeaderValue::from_str(&format!("Bearer {}", key.expose())) else {
        return false;
    };
    value.set_sensitive(true);
    let mut headers = HeaderMap::new();
    headers.insert(AUTHORIZATION, value);
    let keys = GatewayKeys::new(&auth.keys).with_named(auth.named.as_deref());
    matches!(
        keys.authenticate(&headers).verdict,
        Verdict::Open | Verdict::Granted { .. }
    )
}

fn key_of(
    config: &Config,
    options: &LoadOptions,
    ask: &mut dyn Ask,
) -> Result<Option<Secret>, String> {
    if config.auth.is_open() {
        return Ok(None);
    }
    if let Some(key) = config.auth.keys.first() {
        return Ok(Some(key.clone()));
    }
    let at_hand = options.env.filled(VARIABLE);
    if let Some(key) = at_hand.map(|it| Secret::new(it.to_owned()))
        && accepts(&config.auth, &key)
    {
        return Ok(Some(key));
    }
    ask.say("Of named keys only digests are kept, so the key itself has to be given once more.\n");
    let typed = ask.secret("The gateway key (it is not shown)");
    typed.ok().flatten().map(Some).ok_or_else(|| {
        format!(
            "a gateway key is needed: make one with `pointsman keys create NAME --write`, and give it as --key or ${VARIABLE}"
        )
    })
}

/// An address as clients want it.
fn checked(url: &str) -> Result<String, String> {
    let wrong = || format!("--url {url}: write it as http://host:port");
    let rest = url
        .strip_prefix("http://")
        .or_else(|| url.strip_prefix("https://"))
        .ok_or_else(wrong)?;
    if rest.is_empty() || rest.starts_with('/') || rest.contains(['@', ' ', '"']) {
        return Err(wrong());
    }
    let url = url.trim_end_matches('/');
    Ok(url.strip_suffix("/v1").unwrap_or(url).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::questions::Defaults;
    use crate::config::Env;

    fn gateway(sections: &str, how: &How) -> Result<(String, Option<String>), String> {
        let dir = tempfile::tempdir().unwrap();
        let text = format!(
            "providers: [{{name: a, base_url: 'https://a.b', auth_value: sk-0123456789}}]\n{sections}\n"
        );
        std::fs::write(dir.path().join("config.yaml"), text).unwrap();
        let mut options = LoadOptions::new(Env::from([("HOME", "/nowhere")]));
        options.dir = dir.path().to_owned();
        let gateway = of(how, &options, &mut Defaults::default())?;
        Ok((gateway.url, gateway.key.map(|it| it.expose().to_owned())))
    }

    #[test]
    fn the_configuration_tells_where_and_with_what() {
        let how = How::default();
        let open = gateway("", &how).unwrap();
        assert_eq!(open, ("http://127.0.0.1:8080".to_owned(), None));
        let key = gateway(
            "settings: {host: 0.0.0.0, port: 9090}\nauth: {api_key: gw-0123456789}",
            &how,
        );
        let key = key.unwrap();
        assert_eq!(key.0, "http://127.0.0.1:9090");
        assert_eq!(key.1.as_deref(), Some("gw-0123456789"));
        let six = gateway("settings: {host: '::1'}", &how).unwrap();
        assert_eq!(six.0, "http://[::1]:8080");
        let none = gateway("settings: {port: 0}", &how).unwrap_err();
        assert!(none.contains("--url"), "{none}");
        let named = gateway("keys: []", &how).unwrap_err();
        assert!(named.contains("keys create"), "{named}");
    }

    #[test]
    fn the_person_says_it_otherwise() {
        let how = |url: &str| How {
            url: Some(url.to_owned()),
            key: Some("k".to_owned()),
            ..How::default()
        };
        let said = gateway("", &how("https://llm.example/v1/")).unwrap();
        assert_eq!(said.0, "https://llm.example");
        let broken = gateway("nonsense: [", &how("http://a:1")).unwrap();
        assert_eq!(broken.1.as_deref(), Some("k"));
        for url in ["a:1", "http://", "ftp://a", "http://u:p@a"] {
            assert!(gateway("", &how(url)).is_err(), "{url}");
        }
        let wrong = How {
            key: Some("other".to_owned()),
            ..How::default()
        };
        let refused = gateway("auth: {api_key: gw-0123456789}", &wrong).unwrap_err();
        assert!(refused.contains("would not take"), "{refused}");
        assert!(!refused.contains("other"));
    }
}
