//! What became of a call with each key, and what that means.

use std::time::Duration;

use super::report::Finding;
use super::together::together;
use super::ways::shown;
use crate::cli::progress::Progress;
use crate::config::{Config, Provider, ProviderAuth};
use crate::error::FaultKind;
use crate::runtime::{Patient, Trials, Tried};

/// Models of a list that are named to whoever asked for another one.
const NAMED: usize = 5;
/// Characters of a provider's own words.
const QUOTED: usize = 200;

/// What became of the calls to one provider.
#[derive(Default)]
pub struct Tries {
    /// The models it lists.
    listed: Vec<String>,
    /// By key.
    tried: Vec<Tried>,
    /// How far its clock is ahead of ours.
    pub ahead: Option<i64>,
}

/// Whether clients sign in there themselves.
pub fn is_the_clients(provider: &Provider) -> bool {
    provider.auth == ProviderAuth::Passthrough
}

/// Tries every key of a provider.
pub async fn tried(trials: &Trials, patient: &Patient, progress: &Progress) -> Tries {
    let listed = trials.models(patient).await.unwrap_or_default();
    let model = trials.model(patient, &listed);
    let call = |key: usize| {
        let model = &model;
        async move {
            let tried = trials.call(patient, key, model).await;
            progress.step();
            tried
        }
    };
    let tried = together((0..patient.keys.len()).map(call).collect()).await;
    Tries {
        listed,
        ahead: tried.iter().find_map(|it| it.ahead),
        tried,
    }
}

/// One line for each key.
pub fn findings(config: &Config, patient: &Patient, tries: &Tries) -> Vec<Finding> {
    let provider = config
        .providers
        .iter()
        .find(|it| it.id.as_str() == patient.name);
    if provider.is_some_and(is_the_clients) {
        let text = format!(
            "{}: clients sign in themselves; nothing to try",
            patient.name
        );
        return vec![Finding::note(text)];
    }
    let each = patient.keys.iter().zip(&tries.tried);
    each.map(|(key, tried)| {
        let whose = if key.is_empty() {
            patient.name.clone()
        } else {
            format!("{} {key}", patient.name)
        };
        told(&whose, tried, &tries.listed, &place(config, patient))
    })
    .collect()
}

/// Where the key stands.
fn place(config: &Config, patient: &Patient) -> String {
    let i = config
        .providers
        .iter()
        .position(|it| it.id.as_str() == patient.name);
    i.map_or_else(
        || patient.name.clone(),
        |i| format!("providers[{i}] ({})", patient.name),
    )
}

/// What a call with a key means. `place` is where it stands in the configuration.
pub fn told(whose: &str, tried: &Tried, listed: &[String], place: &str) -> Finding {
    let (model, took) = (&tried.model, shown(tried.took));
    let fault = match &tried.outcome {
        Ok(()) => return Finding::good(format!("{whose} answers as {model} ({took})")),
        Err(fault) => fault,
    };
    let said: String = fault.public.chars().take(QUOTED).collect();
    let said = said.replace(['\n', '\r'], " ");
    match &fault.kind {
        FaultKind::UpstreamAuth { status: 403 } => Finding::broken(
            format!("{whose} may not do this (403): {said}"),
            format!(
                "the key is known but not allowed: look at its permissions and region in the provider's console; it stands at {place}"
            ),
        ),
        FaultKind::UpstreamAuth { status } => Finding::broken(
            format!("{whose} is refused ({status}): {said}"),
            format!(
                "put a good key into {place}, or into the variable it names; look for blanks and missing letters first"
            ),
        ),
        FaultKind::UpstreamCredit { status } => Finding::broken(
            format!("{whose} has no credit left ({status}): {said}"),
            "top up the account there; until then requests go to the next key or candidate",
        ),
        FaultKind::UpstreamLimited { after } => Finding::doubtful(
            format!("{whose} is rate limited{}: {said}", for_so_long(*after)),
            "it comes back by itself; more keys (`api_keys`) or a second candidate carry the load meanwhile",
        ),
        FaultKind::UpstreamOverloaded { .. } => Finding::doubtful(
            format!("{whose}: the provider is overloaded: {said}"),
            "nothing is wrong here; a second candidate in the route answers meanwhile",
        ),
        FaultKind::UpstreamModelNotFound => Finding::broken(
            format!("{whose}: model {model} is not known there: {said}"),
            other_models(listed),
        ),
        FaultKind::UpstreamRejected { .. } | FaultKind::UpstreamContextTooLong
            if is_about_length(&said) =>
        {
            // Models that think cannot say anything in one token: the key is good.
            Finding::good(format!("{whose} answers as {model} ({took})"))
        }
        FaultKind::UpstreamRejected { status: 404 } => Finding::broken(
            format!("{whose}: nothing is served at that path (404): {said}"),
            format!(
                "look at `base_url` and `type` of {place}: `pointsman check --verbose` shows where calls go"
            ),
        ),
        FaultKind::UpstreamRejected { status } => Finding::doubtful(
            format!("{whose} is taken, but the call for {model} was refused ({status}): {said}"),
            "real requests may fare better; name a model of that provider in a route to have that one tried",
        ),
        FaultKind::UpstreamStatus { status } => Finding::broken(
            format!("{whose}: the provider fails ({status}): {said}"),
            "nothing is wrong here: look at its status page; a second candidate in the route answers meanwhile",
        ),
        FaultKind::UpstreamBadAnswer => Finding::broken(
            format!(
                "{whose}: what comes back is no answer: {said}{}",
                source(fault.source.as_deref())
            ),
            format!("look at `base_url` and `type` of {place}: that service speaks something else"),
        ),
        FaultKind::UpstreamTimeout(_) => Finding::broken(
            format!("{whose}: {said}"),
            "the provider is slow or stuck; a second candidate in the route answers meanwhile",
        ),
        FaultKind::CredentialsDead => Finding::broken(
            format!("{whose}: {said}"),
            "sign in again (`pointsman login`), or look at the service account's key",
        ),
        _ => Finding::broken(
            format!("{whose}: {said}{}", source(fault.source.as_deref())),
            "see what is said of the way to that provider, then try again",
        ),
    }
}

fn source(source: Option<&str>) -> String {
    source.map(|it| format!(" ({it})")).unwrap_or_default()
}

fn for_so_long(after: Option<Duration>) -> String {
    after
        .map(|it| format!(" for {} s", it.as_secs()))
        .unwrap_or_default()
}

fn is_about_length(said: &str) -> bool {
    let said = said.to_ascii_lowercase();
    [
        "max_tokens",
        "max_output_tokens",
        "max_completion_tokens",
        "output limit",
    ]
    .iter()
    .any(|it| said.contains(it))
}

fn other_models(listed: &[String]) -> String {
    if listed.is_empty() {
        return "name a model that it has in `model_routes`".to_owned();
    }
    let names: Vec<&str> = listed.iter().take(NAMED).map(String::as_str).collect();
    format!(
        "name a model that it has in `model_routes`: {}{}",
        names.join(", "),
        if NAMED < listed.len() { " …" } else { "" }
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::doctor::report::Level;
    use crate::error::{Fault, Timer};

    #[test]
    fn every_end_of_a_call_has_its_meaning_and_its_remedy() {
        let told = |kind: FaultKind, text: &str| {
            let tried = Tried {
                model: "m".to_owned(),
                outcome: Err(Fault::new(kind, text)),
                took: Duration::from_millis(40),
                ahead: None,
            };
            told("a sk-0…9", &tried, &["m1".to_owned()], "providers[0] (a)")
        };
        for (kind, level, remedy) in [
            (
                FaultKind::UpstreamAuth { status: 401 },
                Level::Broken,
                "good key",
            ),
            (
                FaultKind::UpstreamAuth { status: 403 },
                Level::Broken,
                "permissions",
            ),
            (
                FaultKind::UpstreamCredit { status: 402 },
                Level::Broken,
                "top up",
            ),
            (FaultKind::UpstreamModelNotFound, Level::Broken, "m1"),
            (
                FaultKind::UpstreamLimited { after: None },
                Level::Doubtful,
                "by itself",
            ),
            (
                FaultKind::UpstreamOverloaded { after: None },
                Level::Doubtful,
                "meanwhile",
            ),
            (
                FaultKind::UpstreamRejected { status: 404 },
                Level::Broken,
                "base_url",
            ),
            (
                FaultKind::UpstreamRejected { status: 400 },
                Level::Doubtful,
                "route",
            ),
            (
                FaultKind::UpstreamStatus { status: 500 },
                Level::Broken,
                "status page",
            ),
            (FaultKind::UpstreamBadAnswer, Level::Broken, "type"),
            (
                FaultKind::UpstreamTimeout(Timer::Deadline),
                Level::Broken,
                "slow",
            ),
            (FaultKind::CredentialsDead, Level::Broken, "login"),
            (FaultKind::UpstreamUnreachable, Level::Broken, "way"),
        ] {
            let found = told(kind.clone(), "two\nlines");
            assert_eq!(found.level, level, "{kind:?}");
            assert!(found.remedy.as_ref().unwrap().contains(remedy), "{found:?}");
            assert!(!found.text.contains('\n'), "{found:?}");
        }
        let short = told(
            FaultKind::UpstreamRejected { status: 400 },
            "Could not finish: max_tokens was reached",
        );
        assert_eq!(short.level, Level::Good, "{short:?}");
        let long = told(FaultKind::UpstreamStatus { status: 500 }, &"x".repeat(5000));
        assert!(long.text.len() < 400);
    }
}
