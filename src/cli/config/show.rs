//! What a file says about upstreams, for people and programs. Keys are masked; references are shown as written.

use std::fmt::Write;
use std::path::Path;

use serde_json::{Value, json};

use super::{Telling, shown};
use crate::cli::words::Lang;
use crate::config::{Document, DocumentKind, Upstream};
use crate::types::Secret;

/// A key as people may see it; a reference to the environment or to a file is no secret.
pub(super) fn masked(key: &str) -> String {
    let inside = key.strip_prefix("${").and_then(|it| it.strip_suffix('}'));
    // Of several references what stands between them is a part of the key.
    if inside.is_some_and(|it| !it.contains('}') && !it.contains(":-")) {
        key.to_owned()
    } else {
        Secret::new(key.to_owned()).masked()
    }
}

pub(super) fn masked_keys(upstream: &Upstream) -> Vec<String> {
    upstream.keys.iter().map(|it| masked(it.expose())).collect()
}

/// Credentials in an address are nobody's business.
fn address(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else {
        return url.to_owned();
    };
    let end = rest.find('/').unwrap_or(rest.len());
    match rest.get(..end).and_then(|it| it.rfind('@')) {
        Some(at) => format!("{scheme}://***{}", rest.get(at..).unwrap_or_default()),
        None => url.to_owned(),
    }
}

pub(super) fn text(document: &Document, file: &Path, telling: Telling) -> String {
    let Telling { lang, style, .. } = telling;
    let upstreams = document.upstreams();
    let mut text = String::new();
    let _ = writeln!(
        text,
        "{} {}",
        style.bold(lang.choose("configuration:", "当前配置:")),
        shown(file)
    );
    if let Some(strategy) = document.strategy() {
        let _ = writeln!(
            text,
            "{} {strategy}",
            lang.choose("load balancing:", "负载均衡策略:")
        );
    }
    if document.kind() == DocumentKind::Worker {
        let current = upstreams.iter().position(|it| it.current);
        let current = current.map_or("-".to_owned(), |it| it.to_string());
        let _ = writeln!(
            text,
            "{} {current}",
            lang.choose("current upstream:", "当前上游索引:")
        );
    }
    if upstreams.is_empty() {
        let _ = writeln!(text, "{}", lang.choose("no upstreams", "没有上游"));
    }
    for (i, it) in upstreams.iter().enumerate() {
        let account = it
            .account
            .as_ref()
            .map(|it| format!("#{it}"))
            .unwrap_or_default();
        let mut marks = String::new();
        if it.current {
            marks.push_str(&style.green(lang.choose(" (current)", " (当前)")));
        }
        if !it.enabled {
            marks.push_str(&style.yellow(lang.choose(" (off)", " (已停用)")));
        }
        let name = style.bold(&format!("{}{account}", it.name));
        let _ = writeln!(text, "\n[{i}] {name}{marks}");
        details(it, lang, &mut text);
    }
    text
}

fn details(it: &Upstream, lang: Lang, text: &mut String) {
    let mut line = |english: &str, chinese: &str, value: &str| {
        let _ = writeln!(text, "    {} {value}", lang.choose(english, chinese));
    };
    line("type:", "类型:", &it.kind);
    line("address:", "地址:", &address(&it.base_url));
    if let Some(about) = &it.about {
        line("about:", "备注:", about);
    }
    if let Some(way) = &it.sign_in {
        line("signs in with:", "登录方式:", way);
        return;
    }
    line("API keys:", "API密钥数量:", &it.keys.len().to_string());
    if let Some(strategy) = &it.strategy {
        line("load balancing:", "负载均衡策略:", strategy);
    }
    for (i, key) in masked_keys(it).iter().enumerate() {
        let _ = writeln!(text, "      [{i}] {key}");
    }
}

pub(super) fn json(document: &Document, file: &Path) -> Value {
    let upstream = |(i, it): (usize, &Upstream)| {
        json!({
            "index": i,
            "name": it.name,
            "account": it.account,
            "type": it.kind,
            "base_url": address(&it.base_url),
            "description": it.about,
            "enabled": it.enabled,
            "current": it.current,
            "signs_in_with": it.sign_in,
            "key_strategy": it.strategy.clone().or_else(|| document.strategy()),
            "keys": masked_keys(it),
        })
    };
    let upstreams = document.upstreams();
    let upstreams: Vec<Value> = upstreams.iter().enumerate().map(upstream).collect();
    json!({"ok": true, "file": shown(file), "upstreams": upstreams})
}
