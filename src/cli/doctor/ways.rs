//! What the ways to providers look like.

use std::time::Duration;

use super::report::Finding;
use crate::config::{Config, Provider};
use crate::net::{Stage, Step};

/// One line for a way that leads there, or for the step at which it ends.
pub fn findings(provider: &str, steps: &[Step]) -> Vec<Finding> {
    let failed = steps.iter().find(|it| it.outcome.is_err());
    if let Some(step) = failed {
        let why = step.outcome.as_ref().err().cloned().unwrap_or_default();
        let (what, remedy) = ended(step, &why);
        return vec![Finding::broken(
            format!("{provider}: {what}: {why}"),
            remedy,
        )];
    }
    let named = steps.iter().any(|it| it.stage == Stage::Name);
    let parts: Vec<String> = steps.iter().map(|it| part(it, named)).collect();
    vec![Finding::good(format!("{provider}: {}", parts.join(", ")))]
}

fn part(step: &Step, named: bool) -> String {
    let took = shown(step.took);
    let outcome = step.outcome.as_deref().unwrap_or_default();
    match step.stage {
        Stage::Name => format!("{} is {outcome} ({took})", step.to),
        Stage::Connection if named => format!("connects ({took})"),
        Stage::Connection => format!("{} connects ({took})", step.to),
        Stage::Session => format!("{outcome} ({took})"),
    }
}

/// A time for people.
pub fn shown(took: Duration) -> String {
    let milliseconds = took.as_secs_f64() * 1e3;
    if milliseconds < 10_000.0 {
        format!("{milliseconds:.0} ms")
    } else {
        format!("{:.1} s", took.as_secs_f64())
    }
}

/// What it is at which a way ends, and what to do.
fn ended(step: &Step, why: &str) -> (String, &'static str) {
    match step.stage {
        Stage::Name => (
            format!("the name {} is not known", step.to),
            "look at `base_url` (or `proxy`) for a slip, then at this machine's DNS: /etc/resolv.conf, a VPN, no network at all",
        ),
        Stage::Connection if why.contains("refused") => (
            format!("no connection to {}", step.to),
            "nobody listens there: look at host and port in `base_url` (or `proxy`), and whether that service runs",
        ),
        Stage::Connection => (
            format!("no connection to {}", step.to),
            "a firewall or a missing route: where the network is left through a proxy, write `proxy: http://…` at the provider",
        ),
        Stage::Session if why.to_ascii_lowercase().contains("cert") => (
            format!("TLS with {}", step.to),
            "its certificate is not trusted here: a proxy that opens TLS (install its authority), a wrong host in `base_url`, \
             a wrong clock, or no ca-certificates on this machine",
        ),
        Stage::Session if why.contains("roxy") || step.to.contains("through") => (
            format!("the way to {}", step.to),
            "the egress proxy refuses: look at its address, name and password in `proxy`",
        ),
        Stage::Session => (
            format!("TLS with {}", step.to),
            "that port does not speak TLS: http:// instead of https:// in `base_url`, or another port",
        ),
    }
}

/// Providers that nobody calls.
pub fn skipped(config: &Config) -> Vec<Finding> {
    let idle = config.providers.iter().filter(|it| !it.is_active());
    let finding = |it: &Provider| match (&it.inactive, it.enabled) {
        (Some(why), true) => Finding::doubtful(
            format!("{} is skipped: {why}", it.id),
            "see `pointsman check`",
        ),
        _ => Finding::note(format!("{} is disabled", it.id)),
    };
    idle.map(finding).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::doctor::report::Level;

    fn step(stage: Stage, outcome: Result<&str, &str>) -> Step {
        Step {
            stage,
            to: "api.example:443".to_owned(),
            took: Duration::from_millis(12),
            outcome: outcome.map(str::to_owned).map_err(str::to_owned),
        }
    }

    #[test]
    fn a_way_is_one_line_and_its_end_has_a_remedy() {
        let whole = [
            step(Stage::Name, Ok("192.0.2.1")),
            step(Stage::Connection, Ok("192.0.2.1:443")),
            step(Stage::Session, Ok("TLS")),
        ];
        let found = findings("a", &whole);
        assert_eq!(
            found[0].text,
            "a: api.example:443 is 192.0.2.1 (12 ms), connects (12 ms), TLS (12 ms)"
        );
        for (stage, why, remedy) in [
            (Stage::Name, "no such host", "base_url"),
            (Stage::Connection, "Connection refused", "nobody listens"),
            (Stage::Connection, "nothing within 6s", "firewall"),
            (
                Stage::Session,
                "invalid peer certificate: UnknownIssuer",
                "not trusted",
            ),
            (
                Stage::Session,
                "ConnectProxyFailure: CONNECT was refused",
                "egress proxy",
            ),
            (
                Stage::Session,
                "TLSHandshakeFailure: corrupt message",
                "does not speak TLS",
            ),
        ] {
            let found = findings("a", &[step(stage, Err(why))]);
            assert_eq!(found[0].level, Level::Broken);
            assert!(
                found[0].remedy.as_ref().unwrap().contains(remedy),
                "{found:?}"
            );
        }
    }
}
