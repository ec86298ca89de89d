//! Whether the addresses are ours, free, or somebody else's, and how long certificates last.

use std::io::ErrorKind;
use std::net::TcpListener;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, SystemTime};

use super::port;
use super::report::Finding;
use crate::cli::health;
use crate::config::{Certificate, Config, ListenAddress, Listener};
use crate::types::Day;

/// A certificate that ends within this time should be renewed.
const SOON: Duration = Duration::from_secs(21 * 24 * 3600);

/// Every listener.
pub fn all(config: &Config) -> Vec<Finding> {
    let mut found = Vec::new();
    for listener in &config.listeners {
        found.push(match &listener.address {
            ListenAddress::Tcp { host, port } => tcp(listener, host, *port),
            ListenAddress::Unix { path, .. } => unix(listener, path),
        });
        let certificates = listener.tls.iter().flat_map(|it| &it.certificates);
        let now = SystemTime::now();
        found.extend(certificates.map(|it| certificate(it, now)));
    }
    if config.auth.open_on_purpose && config.listeners.iter().any(|it| !it.is_local()) {
        found.push(Finding::doubtful(
            "whoever reaches this machine may call, at your cost (`auth: {i_know: true}`)",
            "set `auth: {api_key: …}`, or make named keys: pointsman keys create NAME --write",
        ));
    }
    found
}

fn tcp(listener: &Listener, host: &str, port: u16) -> Finding {
    let place = format!("{}://{}", listener.scheme(), listener.address);
    if port == 0 {
        return Finding::note(format!(
            "{place}: a free port each time, which clients cannot know"
        ));
    }
    let Err(error) = TcpListener::bind((host, port)) else {
        return Finding::note(format!("{place} is free: Pointsman is not running"))
            .with("start it: pointsman");
    };
    match error.kind() {
        ErrorKind::AddrInUse => taken(listener, &place, port),
        ErrorKind::PermissionDenied => Finding::broken(
            format!("{place}: this user may not listen there"),
            "take a port above 1023, or allow it: setcap cap_net_bind_service=+ep, AmbientCapabilities of systemd",
        ),
        ErrorKind::AddrNotAvailable => Finding::broken(
            format!("{place}: this machine has no such address"),
            "look at `settings.host`: 127.0.0.1 is this machine alone, 0.0.0.0 every address it has",
        ),
        _ => Finding::broken(
            format!("{place}: {error}"),
            "look at `settings.host` and `settings.port`",
        ),
    }
}

fn taken(listener: &Listener, place: &str, port: u16) -> Finding {
    let why = match health::is_ready(listener) {
        Ok(()) => return Finding::good(format!("{place}: Pointsman answers")),
        Err(why) => why,
    };
    if why.contains("no new work") {
        return Finding::doubtful(
            format!("{place}: Pointsman {why}"),
            "wait until it has ended, then start it anew",
        );
    }
    let (who, way) = match port::holder(port) {
        Some((name, id)) => (
            format!("{name} (process {id})"),
            format!("end it (kill {id})"),
        ),
        None => (
            "another program".to_owned(),
            format!("find and end it (ss -ltnp 'sport = :{port}')"),
        ),
    };
    Finding::broken(
        format!("{place} is taken by {who}, which does not answer like Pointsman: {why}"),
        format!("{way}, or take another port: settings.port, or --port"),
    )
}

fn unix(listener: &Listener, path: &Path) -> Finding {
    let place = listener.address.to_string();
    match (UnixStream::connect(path), path.exists()) {
        (Ok(_), _) => match health::is_ready(listener) {
            Ok(()) => Finding::good(format!("{place}: Pointsman answers")),
            Err(why) => Finding::broken(why, "another program has that socket; take another path"),
        },
        (Err(error), true) if error.kind() == ErrorKind::PermissionDenied => Finding::doubtful(
            format!("{place}: this user may not use it"),
            "run this as the user or in the group that Pointsman runs as",
        ),
        (Err(_), _) => Finding::note(format!("{place}: nobody listens; Pointsman is not running"))
            .with("start it: pointsman"),
    }
}

fn certificate(it: &Certificate, now: SystemTime) -> Finding {
    let names = if it.names.is_empty() {
        it.cert.display().to_string()
    } else {
        it.names.join(" ")
    };
    let text = format!("certificate for {names}, good until {}", it.expires);
    let ends = Day::parse(&it.expires).map(Day::start);
    let left = ends.and_then(|it| it.duration_since(now).ok());
    if left.is_some_and(|it| SOON <= it) {
        Finding::good(text)
    } else {
        Finding::doubtful(
            text,
            "renew it, and put the new files in the same place: they are read by themselves",
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::doctor::report::Level;
    use crate::config::{Env, LoadOptions, from_text};

    fn found(sections: &str) -> Vec<Finding> {
        let text = format!(
            "providers: [{{name: a, base_url: 'https://a.b', auth_value: sk-0123456789}}]\n{sections}"
        );
        let options = LoadOptions::new(Env::default());
        all(&from_text("c.yaml", &text, Path::new("/"), &options).unwrap())
    }

    #[test]
    fn a_port_is_free_or_somebody_elses() {
        let server = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = server.local_addr().unwrap().port();
        // It takes the question and says something else.
        let answering = std::thread::spawn(move || {
            use std::io::Write;
            let (mut stream, _) = server.accept().unwrap();
            stream.write_all(b"SSH-2.0-x\r\n").unwrap();
            server
        });
        let taken = found(&format!("settings: {{port: {port}}}"));
        drop(answering.join().unwrap());
        assert_eq!(taken[0].level, Level::Broken, "{taken:?}");
        if cfg!(target_os = "linux") {
            let me = std::process::id().to_string();
            assert!(taken[0].text.contains(&me), "{taken:?}");
        }
        let free = found(&format!("settings: {{port: {port}}}"));
        assert_eq!(free[0].level, Level::Note, "{free:?}");
        let nowhere = found("settings: {host: 192.0.2.1}\nauth: {api_key: gw-0123456789}");
        assert!(nowhere[0].text.contains("no such address"), "{nowhere:?}");
    }

    #[test]
    fn certificates_are_renewed_in_time() {
        let of = |expires: &str| Certificate {
            cert: "c".into(),
            key: "k".into(),
            names: vec!["a.example".to_owned()],
            expires: expires.to_owned(),
            not_after: 0,
            fingerprint: String::new(),
        };
        let now = Day::parse("2026-11-20").unwrap().start();
        assert_eq!(certificate(&of("2027-01-01"), now).level, Level::Good);
        assert_eq!(certificate(&of("2026-12-01"), now).level, Level::Doubtful);
        assert_eq!(certificate(&of("2026-01-01"), now).level, Level::Doubtful);
    }
}
