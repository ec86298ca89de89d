//! A checked configuration as YAML for people: every value that holds, every secret masked.

use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::config::classes::{Classes, Condition};
use crate::config::egress::Way;
use crate::config::listeners::{ListenAddress, Listener};
use crate::config::model::{
    AffinitySettings, CacheMode, CacheSettings, Capture, Config, Cors, DeclaredPrice,
    Deduplication, Http2, KeyEntry, KeyStrategy, LogLevel, ModelFacts, PerAddress, Probe, ProbeAsk,
    Provider, ProviderAuth, Route, RouteCandidate, RouteRule, Settings, Sharing, Stalls, Target,
    Timeouts, TokenCounting, Tracing,
};
use crate::config::oauth::{OAuthProfile, OAuthSettings};
use crate::config::service_account::ServiceAccount;
use crate::config::tls::{Certificate, Tls, fingerprint};
use crate::config::zed_terms::{Billing, ModeTerms, Zed, ZedMode};
use crate::types::calendar::rfc3339;
use crate::types::quirks::{Said, ThinkingStyle};
use crate::types::{MicroUsd, Quirks, Secret};

/// The whole configuration in the shape of the file, defaults filled in, secrets masked.
pub fn dump(config: &Config) -> String {
    // Only maps with keys that are no texts fail, and there are none.
    serde_yaml::to_string(&masked_tree(config)).unwrap_or_default()
}

/// The same as a value.
pub fn masked_tree(config: &Config) -> Value {
    let mut settings = settings(&config.settings);
    settings.insert("default_route".to_owned(), json!(config.default_route));
    let routes: Map<String, Value> = config
        .routes
        .iter()
        .map(|it| (it.pattern.clone(), route(it, &config.providers)))
        .collect();
    let providers: Vec<Value> = config.providers.iter().map(provider).collect();
    json!({
        "providers": providers,
        "model_routes": routes,
        "route_rules": config.rules.iter().map(|it| rule(it, &config.providers)).collect::<Vec<_>>(),
        "settings": settings,
        "listeners": config.listeners.iter().map(listener).collect::<Vec<_>>(),
        "auth": {
            "enabled": !config.auth.is_open(),
            "api_keys": masked(&config.auth.keys),
            "exempt_paths": config.auth.exempt_paths,
            "i_know": config.auth.open_on_purpose,
        },
        "keys": config.auth.named.as_ref().map(|it| it.iter().map(key).collect::<Vec<_>>()),
        "ledger": config.ledger.as_ref().map(|it| json!({
            "path": it.path,
            "retention_days": it.retention_days,
        })),
        "oauth": oauth(&config.oauth),
        "admin": {
            "key": config.admin.key.as_ref().map(Secret::masked),
            "listen": config.admin.listen,
            "requests": config.admin.requests,
        },
    })
}

fn key(it: &KeyEntry) -> Value {
    let dollars = |it: Option<MicroUsd>| it.map(MicroUsd::dollars);
    json!({
        "name": it.name,
        "team": it.team,
        "models": it.models,
        "routes": it.routes,
        "providers": it.providers,
        "rpm": it.rpm,
        "tpm": it.tpm,
        "max_concurrent": it.max_concurrent,
        "daily_usd": dollars(it.daily),
        "monthly_usd": dollars(it.monthly),
        "expires": it.expires.map(rfc3339),
        "revoked": it.revoked,
    })
}

fn listener(it: &Listener) -> Value {
    let mode = match it.address {
        ListenAddress::Unix { mode, .. } => Some(format!("{mode:04o}")),
        ListenAddress::Tcp { .. } => None,
    };
    json!({
        "address": it.address.to_string(),
        "surface": it.surface.word(),
        "http2": it.http2,
        "proxy_protocol": it.proxy_protocol,
        "mode": mode,
        "tls": it.tls.as_ref().map(|it| tls(it)),
    })
}

fn tls(it: &Tls) -> Value {
    let certificate = |it: &Certificate| {
        json!({
            "cert": it.cert,
            "key": it.key,
            "names": it.names,
            "expires": it.expires,
            "sha256": it.fingerprint,
        })
    };
    json!({
        "certificates": it.certificates.iter().map(certificate).collect::<Vec<_>>(),
        "client_ca": it.client_ca,
        "client_auth": it.client_auth.word(),
    })
}

fn provider(it: &Provider) -> Value {
    let calls = it.target.as_ref().map(|target| {
        let scheme = if target.tls { "https" } else { "http" };
        let path = target.inference.shown();
        format!("{scheme}://{}{path}", target.authority)
    });
    let headers: Map<String, Value> = it
        .headers
        .iter()
        .map(|(name, value)| (name.clone(), json!(value.masked())))
        .collect();
    let models: Map<String, Value> = it
        .models
        .iter()
        .map(|(pattern, facts)| (pattern.clone(), model(facts)))
        .collect();
    json!({
        "name": it.name,
        "account_email": it.account_email,
        "type": it.kind,
        "vendor": it.vendor.map(|it| it.name),
        "base_url": it.base_url,
        "calls_go_to": calls,
        "auth_type": auth_type(it.auth),
        "api_keys": masked(&it.keys),
        "service_account": it.service_account.as_ref().map(service_account),
        "oauth": it.oauth.as_ref().map(|it| &it.name),
        "key_strategy": key_strategy(it.key_strategy),
        "enabled": it.enabled,
        "inactive": it.inactive,
        "headers": headers,
        "proxy": proxy(&it.way, it.target.as_ref()),
        "ca": authorities(&it.way),
        "timeouts": timeouts(it.timeouts),
        "http2": http2(it.http2),
        "max_in_flight": it.max_in_flight,
        "rpm": it.rpm,
        "tpm": it.tpm,
        "probe": it.probe.as_ref().map(probe),
        "quirks": quirks(&it.quirks),
        "models": models,
        "stream_only": it.stream_only,
        "billing_model": it.billing.word(),
        "zed_config": it.zed.as_ref().map(zed),
        "session_config": it.zed.as_ref().map(session),
        "big_model": it.big_model,
        "small_model": it.small_model,
    })
}

fn zed(it: &Zed) -> Value {
    let threads = &it.threads;
    json!({
        "account": it.account.as_ref().map(|_| "***"),
        "generation": it.generation.year(),
        "version": it.version,
        "organization_id": it.organization_id,
        "system_id": it.system_id,
        "openai_dialect": it.openai.name(),
        "default_mode": it.mode.word(),
        "auto_mode_triggers": it.triggers.iter().map(|it| it.word()).collect::<Vec<_>>(),
        "context_management": {
            "max_context_tokens": threads.max_context,
            "rotation_threshold": threads.threshold,
        },
        "thread_management": {
            "ttl": seconds(threads.ttl),
            "auto_rotate": threads.auto_rotate,
            "max_retries": threads.max_retries,
            "error_classification": {
                "thread_rotation_errors": threads.thread_errors,
                "prompt_continuation_errors": threads.prompt_errors,
            },
        },
    })
}

fn session(it: &Zed) -> Value {
    let mode = |it: &ModeTerms| {
        json!({
            "cost_per_prompt": it.per_prompt.dollars(),
            "cost_per_request": it.per_request.dollars(),
            "max_tool_calls": it.max_tool_calls,
        })
    };
    json!({"modes": {"normal": mode(&it.normal), "max": mode(&it.max)}})
}

fn classes(it: &Classes) -> Value {
    let condition = |it: &Condition| {
        let all = json!({
            "tool_count_gte": it.tools_from,
            "tool_count_lte": it.tools_to,
            "text_length_gte": it.length_from,
            "text_length_lte": it.length_to,
            "has_multiple_files": it.several_files,
            "simple_question": it.simple_question,
        });
        match all {
            Value::Object(all) => {
                let said = all.into_iter().filter(|(_, it)| !it.is_null());
                said.collect::<Map<_, _>>()
            }
            _ => Map::new(),
        }
    };
    let conditions = |list: &[Condition]| list.iter().map(condition).collect::<Vec<_>>();
    let words = |list: &[(String, f64)]| {
        let pairs = list.iter().map(|(word, much)| (word.clone(), json!(much)));
        pairs.collect::<Map<_, _>>()
    };
    json!({
        "enabled": true,
        "force_session_based": conditions(&it.force_session),
        "force_token_based": conditions(&it.force_token),
        "session_keywords": words(&it.session_words),
        "token_keywords": words(&it.token_words),
        "default_with_tools": it.with_tools.word(),
        "default_without_tools": it.without_tools.word(),
    })
}

fn oauth(it: &OAuthSettings) -> Value {
    let profiles = it.profiles.iter();
    json!({
        "profiles": profiles.map(|it| (it.name.clone(), oauth_profile(it))).collect::<Map<_, _>>(),
        "store": {
            "path": it.store.path,
            "key": it.store.key.as_ref().map(|_| "***"),
        },
        "auto_refresh": it.auto_refresh,
    })
}

fn oauth_profile(it: &OAuthProfile) -> Value {
    let url = |it: &Target| {
        let scheme = if it.tls { "https" } else { "http" };
        format!("{scheme}://{}{}", it.authority, it.inference.shown())
    };
    let named = |list: &[(String, Secret)]| -> Map<String, Value> {
        let one = |(name, value): &(String, Secret)| (name.clone(), json!(value.masked()));
        list.iter().map(one).collect()
    };
    json!({
        "authorize_url": it.authorize_url,
        "token_url": url(&it.token_target),
        "profile_url": it.profile_target.as_ref().map(url),
        "client_id": it.client_id,
        "client_secret": it.client_secret.as_ref().map(|_| "***"),
        "client_secret_in": if it.secret_in_body { "body" } else { "header" },
        "scopes": it.scopes,
        "redirect_uri": it.redirect_uri,
        "issuer": it.issuer,
        "token_request_format": if it.json { "json" } else { "form" },
        "send_state": it.sends_state,
        "authorize_params": named(&it.authorize_params),
        "token_params": named(&it.token_params),
        "upstream_headers": named(&it.upstream_headers),
        "proxy": proxy(&it.way, Some(&it.token_target)),
        "ca": authorities(&it.way),
        "refresh_lead": seconds(it.refresh_lead),
    })
}

fn service_account(it: &ServiceAccount) -> Value {
    json!({"client_email": it.email, "token_uri": it.token_uri, "private_key": "***"})
}

fn model(it: &ModelFacts) -> Value {
    json!({
        "context": it.context,
        "max_output": it.max_output,
        "tools": it.tools,
        "images": it.images,
        "documents": it.documents,
        "thinking": it.thinking,
        "price": it.price.map(price),
        "thinking_style": it.thinking_style.map(ThinkingStyle::word),
        "structured_output": it.structured_output,
        "prefill": it.prefill,
        "quirks": quirks(&it.quirks),
    })
}

fn price(it: DeclaredPrice) -> Value {
    json!({
        "input": it.input,
        "output": it.output,
        "cache_read": it.cache_read,
        "cache_write": it.cache_write,
    })
}

/// What is said; the built-in table says the rest.
fn quirks(it: &Quirks) -> Map<String, Value> {
    let said = it.said().into_iter().map(|(key, said)| {
        let value = match said {
            Said::Switch(on) => json!(on),
            Said::Word(word) => json!(word),
            Said::Words(words) => json!(words),
        };
        (key.to_owned(), value)
    });
    said.collect()
}

fn route(it: &Route, providers: &[Provider]) -> Value {
    json!({
        "candidates": candidates(&it.candidates, providers),
        "on_loss": it.terms.on_loss.word(),
        "timeouts": stalls(it.terms.stalls),
        "hedge_after": or_never(it.terms.hedge_after),
    })
}

fn rule(it: &RouteRule, providers: &[Provider]) -> Value {
    let headers = it.when.headers.iter();
    json!({
        "models": it.models,
        "when": {
            "agent": it.when.agent,
            "tokens_over": it.when.tokens_over,
            "tokens_under": it.when.tokens_under,
            "images": it.when.images,
            "thinking": it.when.thinking,
            "header": headers.map(|(name, _)| (name.clone(), json!("***"))).collect::<Map<_, _>>(),
        },
        "candidates": candidates(&it.candidates, providers),
        "on_loss": it.terms.on_loss.word(),
        "timeouts": stalls(it.terms.stalls),
        "hedge_after": or_never(it.terms.hedge_after),
    })
}

fn or_never(time: Option<Duration>) -> String {
    seconds(time.unwrap_or_default())
}

fn candidates(list: &[RouteCandidate], providers: &[Provider]) -> Value {
    let candidates = list.iter().map(|it| {
        json!({
            "provider": providers.get(it.provider).map(|it| it.id.as_str()),
            "model": it.model.as_deref().unwrap_or("passthrough"),
            "priority": it.priority,
            "weight": it.weight,
            "mode": it.wish.mode.map(ZedMode::word),
            "preferred_billing_model": it.wish.billing.map(Billing::word),
        })
    });
    candidates.collect()
}

fn settings(it: &Settings) -> Map<String, Value> {
    let whole = json!({
        "host": it.host,
        "port": it.port,
        "threads": it.threads,
        "selection_strategy": it.strategy.word(),
        "on_loss": it.terms.on_loss.word(),
        "failure_cooldown": seconds(it.failure_cooldown),
        "unhealthy_threshold": it.unhealthy_threshold,
        "unhealthy_reset_timeout": seconds(it.unhealthy_reset_timeout),
        "unhealthy_reset_on_success": it.unhealthy_reset_on_success,
        "unhealthy_http_codes": it.unhealthy_http_codes,
        "unhealthy_error_types": it.unhealthy_texts,
        "unhealthy_response_body_patterns": it.unhealthy_response_body_patterns,
        "credit_patterns": it.credit_patterns,
        "credit_cooldown": seconds(it.credit_cooldown),
        "key_recheck": seconds(it.key_recheck),
        "fail_open": it.fail_open,
        "max_attempts": it.max_attempts,
        "max_keys_per_candidate": it.max_keys_per_candidate,
        "max_retry_wait": seconds(it.max_retry_wait),
        "request_deadline": seconds(it.request_deadline),
        "ping_after": seconds(it.ping_after),
        "ping_interval": seconds(it.ping_interval),
        "hedge_after": or_never(it.terms.hedge_after),
        "client_write_timeout": seconds(it.client_write_timeout),
        "client_read_timeout": seconds(it.client_read_timeout),
        "keepalive_timeout": seconds(it.keepalive_timeout),
        "drain_timeout": seconds(it.drain_timeout),
        "max_body_bytes": it.max_body_bytes,
        "max_buffered_bytes": it.max_buffered_bytes,
        "max_connections": it.max_connections,
        "max_in_flight": it.max_in_flight,
        "per_address": per_address(it.per_address),
        "affinity": affinity(it.affinity),
        "token_counting": token_counting(&it.token_counting),
        "deduplication": deduplication(it.deduplication),
        "cache": it.cache.map(cache),
        "watch_config": seconds(it.watch_config),
        "app_name": it.app_name,
        "routing": it.classes.as_ref().map(classes),
    });
    let supervisor = json!({
        "upgrade_timeout": seconds(it.upgrade_timeout),
        "runtime_dir": it.runtime_dir,
        "core_dumps": it.core_dumps,
    });
    let parts = [whole, supervisor, edge(it), sight(it)];
    parts.into_iter().flat_map(fields).collect()
}

fn fields(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(fields) => fields,
        _ => Map::new(),
    }
}

fn per_address(it: PerAddress) -> Value {
    json!({
        "requests": it.requests,
        "window": seconds(it.window),
        "max_concurrent": it.max_concurrent,
        "failed_sign_ins": it.failed_sign_ins.unwrap_or(0),
        "failed_window": seconds(it.failed_window),
    })
}

/// The settings of what stands between us and the world.
fn edge(it: &Settings) -> Value {
    let trusted = it.trusted_proxies.iter().map(ToString::to_string);
    json!({
        "max_connections_per_address": it.max_connections_per_address,
        "trusted_proxies": trusted.collect::<Vec<String>>(),
        "proxy_protocol": it.proxy_protocol,
        "cors": it.cors.as_ref().map(cors),
    })
}

fn cors(it: &Cors) -> Value {
    let any = it.any_origin.then(|| "*".to_owned());
    let origins: Vec<String> = it.origins.iter().cloned().chain(any).collect();
    json!({
        "origins": origins,
        "max_age": seconds(it.max_age),
    })
}

/// What is shown to operators.
fn sight(it: &Settings) -> Value {
    json!({
        "mode": it.mode.word(),
        "health_check": {
            "enabled": it.health_page.enabled,
            "path": it.health_page.path,
        },
        "log_level": log_level(it.log.level),
        "log_color": it.log.color,
        "log_file_path": it.log.file,
        "log_format": format(it.log.json),
        "access_log": {"format": format(it.access_log.json), "sample": it.access_log.sample},
        "tracing": it.tracing.as_ref().map(tracing),
        "capture": it.capture.as_ref().map(capture),
    })
}

fn affinity(it: AffinitySettings) -> Value {
    json!({
        "enabled": it.enabled,
        "ttl": seconds(it.ttl),
        "return_after": seconds(it.return_after),
    })
}

fn token_counting(it: &TokenCounting) -> Value {
    json!({
        "always_use_local": it.always_use_local,
        "timeout": seconds(it.timeout),
        "failure_threshold": it.failure_threshold,
        "api_failure_cooldown": seconds(it.api_failure_cooldown),
    })
}

fn deduplication(it: Deduplication) -> Value {
    json!({
        "mode": match it.mode {
            Sharing::Auto => "auto",
            Sharing::All => "all",
            Sharing::Off => "off",
        },
        "include_max_tokens_in_signature": it.max_tokens_count,
    })
}

fn cache(it: CacheSettings) -> Value {
    json!({
        "mode": match it.mode {
            CacheMode::Deterministic => "deterministic",
            CacheMode::All => "all",
        },
        "ttl": seconds(it.ttl),
        "max_entries": it.max_entries,
        "max_bytes": it.max_bytes,
    })
}

fn format(json: bool) -> &'static str {
    if json { "json" } else { "text" }
}

fn tracing(it: &Tracing) -> Value {
    let headers = it.headers.iter();
    json!({
        "endpoint": it.endpoint,
        "headers": headers.map(|(name, value)| (name.clone(), json!(value.masked()))).collect::<Map<_, _>>(),
        "sample": it.sample,
        "accept": it.accept,
        "propagate": it.propagate,
        "service_name": it.service_name,
        "timeout": seconds(it.timeout),
    })
}

fn capture(it: &Capture) -> Value {
    json!({
        "directory": it.directory,
        "requests": it.requests,
        "responses": it.responses,
        "routes": it.routes,
        "max_body_bytes": it.max_body_bytes,
        "max_bytes": it.max_bytes,
        "max_files": it.max_files,
    })
}

fn timeouts(it: Timeouts) -> Value {
    json!({
        "connect": seconds(it.connect),
        "connect_total": seconds(it.connect_total),
        "first_byte": seconds(it.first_byte),
        "first_byte_whole": seconds(it.first_byte_whole),
        "first_content": seconds(it.first_content),
        "idle": seconds(it.idle),
    })
}

/// What is said; the rest is each provider's.
fn stalls(it: Stalls) -> Map<String, Value> {
    let timers = [
        ("first_byte", it.first_byte),
        ("first_byte_whole", it.first_byte_whole),
        ("first_content", it.first_content),
        ("idle", it.idle),
    ];
    let said = timers
        .into_iter()
        .filter_map(|(key, time)| Some((key.to_owned(), json!(seconds(time?)))));
    said.collect()
}

/// The proxy on the way to `target`, and the variable that names it.
fn proxy(way: &Way, target: Option<&Target>) -> Option<String> {
    let proxy = way.proxy_to(target?)?;
    Some(match proxy.variable {
        Some(variable) => format!("{proxy} ({variable})"),
        None => proxy.to_string(),
    })
}

/// Whose certificates are believed besides, or instead.
fn authorities(it: &Way) -> Value {
    let of = it.authorities.as_ref();
    of.map_or(Value::Null, |it| {
        let shown: Vec<String> = it.certificates.iter().map(fingerprint).collect();
        json!({"files": it.files, "only": it.only, "fingerprints": shown})
    })
}

fn probe(it: &Probe) -> Value {
    let interval = seconds(it.interval);
    match &it.ask {
        ProbeAsk::Path(path) => json!({"interval": interval, "path": path}),
        ProbeAsk::Model(model) => json!({"interval": interval, "model": model}),
    }
}

fn masked(keys: &[Secret]) -> Vec<String> {
    keys.iter().map(Secret::masked).collect()
}

fn seconds(it: Duration) -> String {
    format!("{}s", it.as_secs_f64())
}

fn auth_type(it: ProviderAuth) -> &'static str {
    match it {
        ProviderAuth::ApiKey => "api_key",
        ProviderAuth::AuthToken => "auth_token",
        ProviderAuth::ServiceAccount => "service_account",
        ProviderAuth::Passthrough => "passthrough",
        ProviderAuth::None => "none",
        ProviderAuth::OAuth => "oauth",
        ProviderAuth::ZedAccount => "api_key",
    }
}

fn key_strategy(it: KeyStrategy) -> &'static str {
    match it {
        KeyStrategy::RoundRobin => "round_robin",
        KeyStrategy::Random => "random",
        KeyStrategy::Failover => "failover",
    }
}

fn http2(it: Http2) -> &'static str {
    match it {
        Http2::Auto => "auto",
        Http2::On => "on",
        Http2::Off => "off",
    }
}

fn log_level(it: LogLevel) -> &'static str {
    match it {
        LogLevel::Debug => "DEBUG",
        LogLevel::Info => "INFO",
        LogLevel::Warning => "WARNING",
        LogLevel::Error => "ERROR",
    }
}
