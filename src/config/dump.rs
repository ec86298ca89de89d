//! A checked configuration as text for people: every value that holds, every secret masked.

use std::fmt::{self, Write};
use std::time::Duration;

use crate::config::model::{Auth, Config, Provider, Route, Settings, Timeouts};

/// The whole configuration in the shape of the file, defaults filled in, secrets masked.
pub fn dump(config: &Config) -> String {
    let mut out = String::new();
    // Writing to a string cannot fail.
    let _ = write_all(&mut out, config);
    out
}

fn write_all(out: &mut String, config: &Config) -> fmt::Result {
    writeln!(out, "providers:")?;
    for provider in &config.providers {
        write_provider(out, provider)?;
    }
    writeln!(out, "model_routes:")?;
    for route in &config.routes {
        write_route(out, route, &config.providers)?;
    }
    write_settings(out, &config.settings)?;
    if let Some(pattern) = &config.default_route {
        writeln!(out, "  default_route: {pattern:?}")?;
    }
    write_access(out, &config.auth)?;
    writeln!(out, "admin:")?;
    let key = config.admin.key.as_ref().map(crate::types::Secret::masked);
    writeln!(out, "  key: {}", key.as_deref().unwrap_or("null"))?;
    writeln!(
        out,
        "  listen: {}",
        config.admin.listen.as_deref().unwrap_or("null")
    )
}

fn write_provider(out: &mut String, it: &Provider) -> fmt::Result {
    writeln!(out, "  - name: {:?}", it.name)?;
    if let Some(account) = &it.account_email {
        writeln!(out, "    account_email: {account}")?;
    }
    writeln!(out, "    type: {}", it.kind)?;
    writeln!(out, "    base_url: {}", it.base_url)?;
    if let Some(target) = &it.target {
        let scheme = if target.tls { "https" } else { "http" };
        let path = target.inference.split('?').next().unwrap_or_default();
        writeln!(
            out,
            "    # calls go to {scheme}://{}{path}",
            target.authority
        )?;
    }
    writeln!(out, "    auth_type: {:?}", it.auth)?;
    for key in &it.keys {
        writeln!(out, "    # key {}", key.masked())?;
    }
    writeln!(out, "    enabled: {}", it.enabled)?;
    if let Some(why) = &it.inactive {
        writeln!(out, "    # {why}")?;
    }
    for (name, _) in &it.headers {
        writeln!(out, "    # header {name}: ***")?;
    }
    if let Some(proxy) = &it.proxy {
        let who = if proxy.credentials.is_some() {
            "***@"
        } else {
            ""
        };
        writeln!(
            out,
            "    proxy: {:?} {who}{}:{}",
            proxy.scheme, proxy.host, proxy.port
        )?;
    }
    writeln!(out, "    timeouts: {}", timers(it.timeouts))?;
    if let Some(limit) = it.max_in_flight {
        writeln!(out, "    max_in_flight: {limit}")?;
    }
    Ok(())
}

fn write_route(out: &mut String, route: &Route, providers: &[Provider]) -> fmt::Result {
    writeln!(out, "  {:?}:", route.pattern)?;
    for it in &route.candidates {
        let name = providers.get(it.provider).map_or("?", |it| it.id.as_str());
        let model = it.model.as_deref().unwrap_or("passthrough");
        writeln!(
            out,
            "    - {{provider: {name:?}, model: {model:?}, priority: {}, weight: {}}}",
            it.priority, it.weight
        )?;
    }
    Ok(())
}

fn write_settings(out: &mut String, it: &Settings) -> fmt::Result {
    writeln!(out, "settings:")?;
    writeln!(out, "  host: {}", it.host)?;
    writeln!(out, "  port: {}", it.port)?;
    writeln!(out, "  selection_strategy: {:?}", it.strategy)?;
    let durations = [
        ("failure_cooldown", it.failure_cooldown),
        ("unhealthy_reset_timeout", it.unhealthy_reset_timeout),
        ("credit_cooldown", it.credit_cooldown),
        ("max_retry_wait", it.max_retry_wait),
        ("request_deadline", it.request_deadline),
        ("ping_after", it.ping_after),
        ("ping_interval", it.ping_interval),
        ("client_write_timeout", it.client_write_timeout),
        ("client_read_timeout", it.client_read_timeout),
        ("keepalive_timeout", it.keepalive_timeout),
        ("drain_timeout", it.drain_timeout),
    ];
    for (name, value) in durations {
        writeln!(out, "  {name}: {}", seconds(value))?;
    }
    writeln!(out, "  unhealthy_threshold: {}", it.unhealthy_threshold)?;
    writeln!(
        out,
        "  unhealthy_reset_on_success: {}",
        it.unhealthy_reset_on_success
    )?;
    writeln!(out, "  unhealthy_http_codes: {:?}", it.unhealthy_http_codes)?;
    writeln!(out, "  fail_open: {}", it.fail_open)?;
    writeln!(out, "  max_attempts: {}", it.max_attempts)?;
    writeln!(
        out,
        "  max_keys_per_candidate: {}",
        it.max_keys_per_candidate
    )?;
    writeln!(out, "  max_body_bytes: {}", it.max_body_bytes)?;
    writeln!(out, "  max_buffered_bytes: {}", it.max_buffered_bytes)?;
    writeln!(out, "  max_connections: {}", it.max_connections)?;
    match it.max_in_flight {
        Some(limit) => writeln!(out, "  max_in_flight: {limit}")?,
        None => writeln!(out, "  max_in_flight: null")?,
    }
    writeln!(out, "  log_level: {:?}", it.log.level)?;
    if let Some(file) = &it.log.file {
        writeln!(out, "  log_file_path: {}", file.display())?;
    }
    Ok(())
}

fn write_access(out: &mut String, auth: &Auth) -> fmt::Result {
    writeln!(out, "auth:")?;
    writeln!(out, "  enabled: {}", !auth.keys.is_empty())?;
    for key in &auth.keys {
        writeln!(out, "  # key {}", key.masked())?;
    }
    if !auth.exempt_paths.is_empty() {
        writeln!(out, "  exempt_paths: {:?}", auth.exempt_paths)?;
    }
    Ok(())
}

fn timers(it: Timeouts) -> String {
    format!(
        "{{connect: {}, connect_total: {}, first_byte: {}, first_byte_whole: {}, first_content: {}, idle: {}}}",
        seconds(it.connect),
        seconds(it.connect_total),
        seconds(it.first_byte),
        seconds(it.first_byte_whole),
        seconds(it.first_content),
        seconds(it.idle)
    )
}

fn seconds(it: Duration) -> String {
    format!("{}s", it.as_secs_f64())
}
