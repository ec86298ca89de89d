//! With which profile a login is meant.

use crate::config::{Config, OAuthProfile, Provider};

/// What somebody says about a login.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wanted<'a> {
    /// The provider it is for.
    pub provider: Option<&'a str>,
    /// The profile.
    pub profile: Option<&'a str>,
    /// Who will sign in.
    pub email: Option<&'a str>,
}

/// The profile that is meant, and who is expected to sign in. The error says what to write.
pub fn choose<'c>(
    config: &'c Config,
    wanted: Wanted<'_>,
) -> Result<(&'c OAuthProfile, Option<String>), String> {
    let email = wanted.email.filter(|it| !it.is_empty()).map(str::to_owned);
    if let Some(name) = wanted.profile {
        let found = config.oauth.profile(name);
        let found = found.ok_or_else(|| unknown("profile", name, &profiles(config)))?;
        return Ok((found, email));
    }
    let all: Vec<(&Provider, &OAuthProfile)> = config
        .providers
        .iter()
        .filter_map(|it| Some((it, it.oauth.as_ref()?)))
        .collect();
    if let Some(name) = wanted.provider {
        let its: Vec<_> = all.iter().filter(|(it, _)| it.name == name).collect();
        let Some((_, profile)) = its.first() else {
            let names: Vec<&str> = all.iter().map(|(it, _)| it.name.as_str()).collect();
            return Err(unknown("provider with OAuth", name, &names));
        };
        // One that names its account takes nobody else.
        let only = match its.as_slice() {
            [(it, _)] if !it.takes_turns => it.account_email.clone(),
            _ => None,
        };
        return Ok((profile, email.or(only)));
    }
    match config.oauth.profiles.as_slice() {
        [only] => Ok((only, email)),
        [] => Err("there is no profile in `oauth.profiles`; see docs/oauth.md".to_owned()),
        _ => Err(format!(
            "there are several profiles: name one of {}",
            profiles(config).join(", ")
        )),
    }
}

fn profiles(config: &Config) -> Vec<&str> {
    let all = config.oauth.profiles.iter();
    all.map(|it| it.name.as_str()).collect()
}

fn unknown(what: &str, name: &str, known: &[&str]) -> String {
    let name = name.escape_debug();
    let mut known = known.to_vec();
    known.dedup();
    match known.as_slice() {
        [] => format!("there is no {what} \"{name}\""),
        _ => format!(
            "there is no {what} \"{name}\"; there is {}",
            known.join(", ")
        ),
    }
}
