//! The status page: what `GET /providers` and `GET /admin/requests` tell, for people, in one look.
//!
//! It is whole without a script. The script asks for [`live`] every few seconds and puts in place what has changed.
//! Styles and script are files of their own, so that the page's policy allows nothing inside it.

mod advice;
mod html;
mod recent;
mod sections;
mod words;

use std::time::{Instant, SystemTime};

use serde_json::Value;

use html::Html;
use recent::Recent;
use sections::{configuration, failovers, figures, next, providers, verdict};

use crate::snapshot::Snapshot;

/// How the page looks.
pub const STYLE: &str = include_str!("page.css");
/// What keeps it up to date.
pub const SCRIPT: &str = include_str!("page.js");
/// Its sign in a browser's tab.
pub const ICON: &str = include_str!("icon.svg");
/// What a browser may do with it: nothing but these files, and asking here again.
pub const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; \
                          base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// What the page tells.
pub struct Facts<'a> {
    /// What is in force.
    pub snapshot: &'a Snapshot,
    /// What `GET /admin/requests` gives.
    pub requests: &'a Value,
    /// Why what is on disk is not in force, if it is not.
    pub refused: Option<&'a str>,
    /// What the ledger has counted today.
    pub today: Today,
    /// Other things that an operator should know.
    pub troubles: Vec<String>,
    /// Where the page was asked for: `http://127.0.0.1:8080`.
    pub address: &'a str,
    /// Now.
    pub now: Instant,
    /// The same on the wall.
    pub wall: SystemTime,
}

/// What the ledger has counted today.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Today {
    /// There is none.
    Off,
    /// It cannot be read now.
    Unread,
    /// So much.
    Counted {
        /// Requests.
        requests: u64,
        /// Tokens of prompts, those of caches included.
        input: u64,
        /// Tokens of answers.
        output: u64,
        /// Dollars, as far as prices are known.
        dollars: f64,
        /// Requests whose price nobody knows.
        unpriced: u64,
    },
}

/// The whole page.
pub fn page(facts: &Facts<'_>) -> String {
    let name = &facts.snapshot.config.settings.app_name;
    let mut html = Html::document();
    html.element("html", &[("lang", "en")], |it| {
        it.element("head", &[], |it| head(it, name));
        it.element("body", &[], |it| {
            it.element("header", &[], |it| {
                it.line("h1", &[], name);
                it.line(
                    "p",
                    &[("class", "version")],
                    concat!("version ", env!("CARGO_PKG_VERSION")),
                );
                it.line("p", &[("id", "pulse")], "");
                it.element("noscript", &[], |it| {
                    it.line("p", &[], "Reload this page for how things stand now.");
                });
            });
            it.element("main", &[("id", "live")], |it| parts(it, facts));
        });
    });
    html.finish()
}

fn head(html: &mut Html, name: &str) {
    html.open("meta", &[("charset", "utf-8")]);
    let (viewport, scheme) = ("width=device-width, initial-scale=1", "light dark");
    html.open("meta", &[("name", "viewport"), ("content", viewport)]);
    html.open("meta", &[("name", "color-scheme"), ("content", scheme)]);
    html.line("title", &[], &format!("{name} · status"));
    html.open(
        "link",
        &[("rel", "icon"), ("href", "/admin/status/icon.svg")],
    );
    html.open(
        "link",
        &[("rel", "stylesheet"), ("href", "/admin/status/page.css")],
    );
    html.element(
        "script",
        &[("src", "/admin/status/page.js"), ("defer", "")],
        |_| {},
    );
}

/// What changes on it.
pub fn live(facts: &Facts<'_>) -> String {
    let mut html = Html::new();
    parts(&mut html, facts);
    html.finish()
}

fn parts(html: &mut Html, facts: &Facts<'_>) {
    let standings = words::standings(facts.snapshot, facts.now, facts.wall);
    let recent = Recent::of(facts.requests);
    let (config, address) = (&facts.snapshot.config, facts.address);
    let advice = advice::advice(config, &standings, &recent, facts.refused, address);
    part(html, "verdict", "", |it| verdict(it, facts, &standings));
    part(html, "next", "What to try next", |it| next(it, &advice));
    part(html, "providers", "Providers", |it| {
        providers(it, &standings, &recent);
    });
    part(html, "failovers", "Last failovers", |it| {
        failovers(it, &recent);
    });
    part(html, "figures", "Figures", |it| {
        figures(it, facts, &standings, &recent);
    });
    part(html, "config", "Configuration", |it| {
        configuration(it, facts);
    });
}

/// A section that is put in place as a whole; one without anything inside is not seen.
fn part(html: &mut Html, name: &'static str, title: &'static str, inside: impl FnOnce(&mut Html)) {
    html.element("section", &[("id", name), ("data-part", name)], |it| {
        let mut content = Html::new();
        inside(&mut content);
        if !content.is_empty() {
            if !title.is_empty() {
                it.line("h2", &[], title);
            }
            it.append(&content);
        }
    });
}
