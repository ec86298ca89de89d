//! What a start-up says: which providers, which are skipped and why, where to point a client.

use std::fmt::Write;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::check::note_line;
use super::output::{Style, columns};
use crate::config::{Config, LogLevel, Provider, Source};
use crate::demo;
use crate::runtime::{Listening, Prepared};

/// The banner of a process that is about to serve.
pub fn text(prepared: &Prepared, style: Style) -> String {
    let config = &prepared.snapshot.config;
    if config.source == Source::Demo {
        return demo::banner_text(&address(prepared));
    }
    let mut text = String::new();
    let active = config
        .providers
        .iter()
        .filter(|provider| provider.is_active())
        .count();
    let _ = writeln!(
        text,
        "{} {}",
        style.bold("Pointsman"),
        style.dim(concat!("v", env!("CARGO_PKG_VERSION")))
    );
    let _ = writeln!(text, "  configuration  {}", source(config));
    let _ = writeln!(
        text,
        "  providers      {active}/{} active",
        config.providers.len()
    );
    let rows: Vec<Vec<String>> = config.providers.iter().map(row).collect();
    for (line, provider) in columns(&rows).iter().zip(&config.providers) {
        let line = if provider.is_active() {
            style.green(line)
        } else {
            style.yellow(line)
        };
        let _ = writeln!(text, "    {line}");
    }
    let _ = writeln!(text, "  log            {}", log(config));
    for note in &config.notes {
        let _ = writeln!(text, "  {}", note_line(note, style));
    }
    let (traffic, admin): (Vec<&Listening>, Vec<&Listening>) = prepared
        .listening
        .iter()
        .partition(|it| it.surface.has_traffic());
    for it in admin {
        let _ = writeln!(text, "  admin          {}", it.url);
    }
    for it in &traffic {
        let _ = writeln!(text, "  listening on {}", style.bold(&it.url));
    }
    let command = traffic.iter().find_map(|it| client_command(config, it));
    if let Some(command) = command {
        let _ = writeln!(text, "  Claude Code:   {command}");
    }
    text
}

/// Where the demo listens, which has one address.
fn address(prepared: &Prepared) -> String {
    let mut addresses = prepared.listening.iter().filter_map(|it| it.address);
    addresses
        .next()
        .map_or_else(String::new, |it| it.to_string())
}

/// What points a client of this machine here.
fn client_command(config: &Config, listening: &Listening) -> Option<String> {
    let mut address = listening.address?;
    match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => address.set_ip(Ipv4Addr::LOCALHOST.into()),
        IpAddr::V6(ip) if ip.is_unspecified() => address.set_ip(Ipv6Addr::LOCALHOST.into()),
        IpAddr::V4(_) | IpAddr::V6(_) => {}
    }
    let (scheme, _) = listening.url.split_once("://")?;
    let place = match &listening.host {
        Some(host) => format!("{host}:{}", address.port()),
        None => address.to_string(),
    };
    let key = if config.auth.is_open() {
        ""
    } else {
        "ANTHROPIC_AUTH_TOKEN=<gateway key> "
    };
    Some(format!("ANTHROPIC_BASE_URL={scheme}://{place} {key}claude"))
}

fn source(config: &Config) -> String {
    match &config.source {
        Source::File(path) => path.display().to_string(),
        Source::Environment => "provider keys from the environment".to_owned(),
        Source::Demo => "none: simulated providers".to_owned(),
    }
}

fn row(provider: &Provider) -> Vec<String> {
    let sign = if provider.is_active() { "✓" } else { "✗" };
    let why = match (&provider.inactive, provider.enabled) {
        (_, false) => "disabled".to_owned(),
        (Some(why), true) => why.clone(),
        (None, true) => String::new(),
    };
    vec![
        format!(
            "[{sign}] {} ({}): {}",
            provider.id, provider.kind, provider.base_url
        ),
        why,
    ]
}

fn log(config: &Config) -> String {
    let level = match config.settings.log.level {
        LogLevel::Debug => "DEBUG",
        LogLevel::Info => "INFO",
        LogLevel::Warning => "WARNING",
        LogLevel::Error => "ERROR",
    };
    match &config.settings.log.file {
        Some(file) => format!("{level}, {}", file.display()),
        None => level.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{LoadOptions, Surface, from_text};

    #[test]
    fn the_command_for_a_client_can_be_pasted() {
        let command = |sections: &str, address: &str| {
            let text = format!(
                "providers: [{{name: a, base_url: 'https://a.b', auth_value: sk-0123456789}}]\n{sections}"
            );
            let options = LoadOptions::new(crate::config::Env::default());
            let config = from_text("c.yaml", &text, std::path::Path::new("."), &options).unwrap();
            let listening = Listening {
                url: format!("http://{address}"),
                address: address.parse().ok(),
                surface: Surface::All,
                host: None,
            };
            client_command(&config, &listening).unwrap()
        };
        assert_eq!(
            command("", "127.0.0.1:8080"),
            "ANTHROPIC_BASE_URL=http://127.0.0.1:8080 claude"
        );
        let key = "auth: {api_key: gateway-0123456789}";
        for (address, shown) in [("0.0.0.0:80", "127.0.0.1:80"), ("[::]:80", "[::1]:80")] {
            assert_eq!(
                command(key, address),
                format!(
                    "ANTHROPIC_BASE_URL=http://{shown} ANTHROPIC_AUTH_TOKEN=<gateway key> claude"
                )
            );
        }
    }
}
