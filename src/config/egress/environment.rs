//! The proxies that the environment names: `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY`, each in small
//! letters as well, which win. Nothing of it is looked at for a provider whose configuration says something.

use std::sync::Arc;

use super::no_proxy::NoProxy;
use super::{EgressProxy, Via, Way, parse};
use crate::config::env::Env;
use crate::config::fault::Report;
use crate::config::model::{Provider, Target};
use crate::config::oauth::OAuthSettings;

/// For targets inside TLS, in the order in which they count.
const HTTPS: &[&str] = &["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"];
/// For targets in the clear.
const HTTP: &[&str] = &["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"];
/// Who is called without any.
const EXCEPTIONS: &[&str] = &["no_proxy", "NO_PROXY"];

/// What the environment says about proxies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProxyEnvironment {
    https: Named,
    http: Named,
    except: NoProxy,
}

/// A proxy as a variable names it.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Named {
    Nobody,
    Proxy(EgressProxy),
    /// The variable, and what is wrong with it.
    Broken(&'static str, String),
}

impl Named {
    fn proxy(&self) -> Option<&EgressProxy> {
        match self {
            Named::Proxy(proxy) => Some(proxy),
            Named::Nobody | Named::Broken(..) => None,
        }
    }
}

impl ProxyEnvironment {
    /// What it says, if anything.
    pub(in crate::config) fn read(env: &Env) -> Option<Arc<Self>> {
        let found = ProxyEnvironment {
            https: named(env, HTTPS),
            http: named(env, HTTP),
            except: filled(env, EXCEPTIONS).map_or_else(NoProxy::default, |it| NoProxy::new(it.1)),
        };
        let nothing = found.https == Named::Nobody && found.http == Named::Nobody;
        (!nothing).then(|| Arc::new(found))
    }

    /// The proxy for calls to `target`.
    pub(super) fn proxy_to(&self, target: &Target) -> Option<&EgressProxy> {
        self.named(target)?.proxy()
    }

    /// All proxies in it.
    pub(super) fn proxies(&self) -> impl Iterator<Item = &EgressProxy> {
        self.https.proxy().into_iter().chain(self.http.proxy())
    }

    fn named(&self, target: &Target) -> Option<&Named> {
        if self.except.spares(&target.host, target.port) {
            return None;
        }
        Some(if target.tls { &self.https } else { &self.http })
    }
}

fn filled<'e>(env: &'e Env, variables: &[&'static str]) -> Option<(&'static str, &'e str)> {
    let mut filled = variables
        .iter()
        .filter_map(|it| Some((*it, env.filled(it)?.trim())));
    filled.next()
}

fn named(env: &Env, variables: &[&'static str]) -> Named {
    let Some((variable, text)) = filled(env, variables) else {
        return Named::Nobody;
    };
    // Without a scheme it is `http://` everywhere.
    let whole = if text.contains("://") {
        text.replacen("socks://", "socks5://", 1)
    } else {
        format!("http://{text}")
    };
    // Some write the slash behind it that browsers show.
    match parse(&whole) {
        Ok(proxy) => Named::Proxy(EgressProxy {
            variable: Some(variable),
            ..proxy
        }),
        Err(remedy) => Named::Broken(variable, remedy),
    }
}

/// Refuses what is broken and would be used, and tells who is called through what the environment names: nobody is to
/// wonder where requests go.
pub(in crate::config) fn explain(
    providers: &[Provider],
    oauth: &OAuthSettings,
    report: &mut Report,
) {
    for provider in providers.iter().filter(|it| it.is_active()) {
        let account = provider.service_account.as_ref();
        let targets = provider
            .target
            .iter()
            .chain(account.map(|it| &it.token_target));
        for target in targets {
            tell(&provider.name, &provider.way, target, report);
        }
    }
    for profile in &oauth.profiles {
        let name = format!("OAuth profile {}", profile.name);
        let targets = [Some(&profile.token_target), profile.profile_target.as_ref()];
        for target in targets.into_iter().flatten() {
            tell(&name, &profile.way, target, report);
        }
    }
}

fn tell(who: &str, way: &Way, target: &Target, report: &mut Report) {
    let Via::Environment(environment) = &way.via else {
        return;
    };
    match environment.named(target) {
        Some(Named::Broken(variable, remedy)) => {
            let remedy = format!("{remedy}; it is the way to {who}, unless its `proxy` says none");
            report.fault_in_env(variable, remedy);
        }
        Some(Named::Proxy(proxy)) => {
            let host = &target.host;
            let variable = proxy.variable.unwrap_or_default();
            let text = format!("{who}: {host} is called through {proxy}; `proxy: none` ends that");
            report.remark(variable, text);
        }
        Some(Named::Nobody) | None => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::model::CallPath;

    fn target(tls: bool, host: &str) -> Target {
        Target {
            tls,
            host: host.to_owned(),
            port: if tls { 443 } else { 80 },
            authority: host.to_owned(),
            inference: CallPath::Fixed("/".to_owned()),
            count_tokens: None,
            models: None,
        }
    }

    #[test]
    fn small_letters_win_and_all_proxy_is_for_the_rest() {
        for (variables, https, http) in [
            (
                &[("HTTPS_PROXY", "http://a:1")][..],
                Some("http://a:1"),
                None,
            ),
            (
                &[("https_proxy", "http://a:1"), ("HTTPS_PROXY", "http://b:1")],
                Some("http://a:1"),
                None,
            ),
            (&[("HTTP_PROXY", "a:3128")], None, Some("http://a:3128")),
            (
                &[("http_proxy", "https://a"), ("ALL_PROXY", "socks5h://c")],
                Some("socks5://c:1080"),
                Some("https://a:443"),
            ),
            (
                &[("all_proxy", "socks://c:9"), ("HTTPS_PROXY", " ")],
                Some("socks5://c:9"),
                Some("socks5://c:9"),
            ),
            (
                &[("HTTPS_PROXY", "http://me:pw@[::1]:8080/")],
                Some("http://***@[::1]:8080"),
                None,
            ),
        ] {
            let env: Env = variables
                .iter()
                .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
                .collect();
            let found = ProxyEnvironment::read(&env).unwrap();
            let to = |tls| {
                found
                    .proxy_to(&target(tls, "api.example"))
                    .map(ToString::to_string)
            };
            assert_eq!(
                (to(true).as_deref(), to(false).as_deref()),
                (https, http),
                "{variables:?}"
            );
            assert_eq!(found.proxy_to(&target(true, "localhost")), None);
        }
    }

    #[test]
    fn an_environment_without_proxies_says_nothing() {
        assert_eq!(
            ProxyEnvironment::read(&Env::from([("NO_PROXY", "*"), ("HTTPS_PROXY", "")])),
            None
        );
    }
}
