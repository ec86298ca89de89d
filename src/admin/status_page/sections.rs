//! The sections of the page.

use serde_json::Value;

use super::advice::Advice;
use super::html::Html;
use super::recent::{Failover, Recent};
use super::words::{Mood, Sentence, Standing};
use super::{Facts, Today};
use crate::admin::status::health;
use crate::config::Source;

/// Warnings of the configuration that are shown.
const MAX_WARNINGS: usize = 10;

/// Whether all is well, in one sentence.
pub fn verdict(html: &mut Html, facts: &Facts<'_>, standings: &[Standing]) {
    let meant = standings.iter().filter(|it| it.mood != Mood::Off).count();
    let well = standings.iter().filter(|it| it.mood == Mood::Well).count();
    let (class, text) = match (well, meant) {
        (0, _) => ("verdict down", "No provider can serve.".to_owned()),
        (1, 1) => ("verdict well", "The provider serves.".to_owned()),
        (2, 2) => ("verdict well", "Both providers serve.".to_owned()),
        (well, meant) if well == meant => ("verdict well", format!("All {meant} providers serve.")),
        (well, meant) => (
            "verdict resting",
            format!("{well} of {meant} providers serve."),
        ),
    };
    html.line("p", &[("class", class), ("role", "status")], &text);
    let (_, value) = health(facts.snapshot, facts.refused.is_some(), facts.now);
    let without = value
        .get("routes_without_provider")
        .and_then(Value::as_array);
    if let Some(without) = without.filter(|_| 0 < well) {
        html.element("p", &[("class", "without")], |it| {
            it.text("Nobody serves ");
            for (index, route) in without.iter().filter_map(Value::as_str).enumerate() {
                it.text(if index == 0 { "" } else { ", " });
                it.element("code", &[], |it| it.name(route));
            }
            it.text(" now.");
        });
    }
}

/// What there is to do.
pub fn next(html: &mut Html, advice: &[Advice]) {
    for piece in advice {
        let class = if piece.is_a_worry {
            "advice worry"
        } else {
            "advice"
        };
        html.element("div", &[("class", class)], |it| {
            it.element("h3", &[], |it| it.name(&piece.about));
            for text in &piece.texts {
                it.line("p", &[], text);
            }
            for command in &piece.commands {
                it.element("pre", &[], |it| it.line("code", &[], command));
            }
        });
    }
}

/// Every provider, and how it fares.
pub fn providers(html: &mut Html, standings: &[Standing], recent: &Recent) {
    const COLUMNS: [&str; 5] = ["Provider", "State", "First content", "In flight", "Share"];
    table(html, &COLUMNS, |it| {
        for standing in standings {
            row(it, |it| provider(it, standing, recent));
        }
    });
    let served: u64 = recent.served.values().sum();
    if 0 < served {
        let text = format!(
            "Share of the last {} that were served.",
            counted(served, "request")
        );
        html.line("p", &[("class", "quiet")], &text);
    }
}

fn provider(html: &mut Html, standing: &Standing, recent: &Recent) {
    html.element("th", &[("scope", "row"), ("role", "rowheader")], |it| {
        it.element("span", &[("class", "name")], |it| it.name(&standing.id));
        it.line("small", &[], &standing.place);
        if let Some(proxy) = &standing.proxy {
            it.line("small", &[], &format!("through {proxy}"));
        }
    });
    cell(html, "State", |it| {
        let class = format!("state {}", standing.mood.class());
        it.element("span", &[("class", &class)], |it| {
            sentence(it, &standing.state);
        });
        for note in &standing.keys {
            it.element("small", &[], |it| sentence(it, note));
        }
        if let Some((at, what)) = &standing.error {
            it.element("small", &[("class", "error")], |it| {
                it.text("last error ");
                it.moment(*at);
                it.text(": ");
                it.name(what);
            });
        }
    });
    let ttft = standing.ttft_ms.map_or("–".to_owned(), milliseconds);
    number(html, "First content", &ttft);
    let in_flight = match standing.in_flight {
        None => "–".to_owned(),
        Some((count, None)) => count.to_string(),
        Some((count, Some(most))) => format!("{count} of {most}"),
    };
    number(html, "In flight", &in_flight);
    let share = recent.share(&standing.id);
    let share = share.filter(|_| standing.mood != Mood::Off);
    let share = share.map_or("–".to_owned(), |it| format!("{it} %"));
    number(html, "Share", &share);
}

/// Where one provider stepped in for another.
pub fn failovers(html: &mut Html, recent: &Recent) {
    if recent.failovers.is_empty() {
        if 0 < recent.requests {
            let text = format!(
                "None among the last {}.",
                counted(recent.requests, "request")
            );
            html.line("p", &[("class", "quiet")], &text);
        }
        return;
    }
    table(html, &["Time", "Model", "Failed", "Served by"], |it| {
        for failover in &recent.failovers {
            row(it, |it| one_failover(it, failover));
        }
    });
}

fn one_failover(html: &mut Html, failover: &Failover) {
    cell(html, "Time", |it| it.moment(failover.at));
    cell(html, "Model", |it| it.name(&failover.model));
    cell(html, "Failed", |it| {
        for (provider, what) in &failover.from {
            it.element("span", &[("class", "step")], |it| {
                it.name(provider);
                it.text(": ");
                it.name(what);
            });
        }
    });
    cell(html, "Served by", |it| match &failover.to {
        Some(provider) => it.name(provider),
        None => it.line("span", &[("class", "state down")], "nobody"),
    });
}

/// How much there was.
pub fn figures(html: &mut Html, facts: &Facts<'_>, standings: &[Standing], recent: &Recent) {
    let in_flight = standings.iter().filter_map(|it| it.in_flight);
    let in_flight: usize = in_flight.map(|(count, _)| count).sum();
    html.element("dl", &[], |it| {
        figure(it, "In flight", &in_flight.to_string(), "");
        if 0 < recent.requests {
            let last = format!("of the last {}", recent.requests);
            figure(it, "Ended well", &recent.well.to_string(), &last);
        }
        match facts.today {
            Today::Counted {
                requests,
                input,
                output,
                dollars,
                unpriced,
            } => {
                figure(it, "Requests today", &grouped(requests), "");
                figure(it, "Tokens in, today", &grouped(input), "");
                figure(it, "Tokens out, today", &grouped(output), "");
                let note = match unpriced {
                    0 => String::new(),
                    n => format!("{} without a known price", counted(n, "request")),
                };
                figure(it, "Cost today", &format!("${dollars:.2}"), &note);
            }
            Today::Unread => figure(
                it,
                "Today",
                "–",
                "the ledger cannot be read; the log says why",
            ),
            Today::Off => {}
        }
    });
    let hint = match facts.today {
        Today::Off => {
            "With a ledger, requests, tokens and cost of today stand here: ledger: {path: data/usage.db}."
        }
        Today::Unread | Today::Counted { .. } => "Today is the day in UTC.",
    };
    html.line("p", &[("class", "quiet")], hint);
}

fn figure(html: &mut Html, what: &'static str, value: &str, note: &str) {
    html.element("div", &[], |it| {
        it.line("dt", &[], what);
        it.element("dd", &[], |it| {
            it.text(value);
            if !note.is_empty() {
                it.line("small", &[], note);
            }
        });
    });
}

/// What is in force, and what is doubtful about it.
pub fn configuration(html: &mut Html, facts: &Facts<'_>) {
    let config = &facts.snapshot.config;
    let source = match &config.source {
        Source::File(path) => path.display().to_string(),
        Source::Environment => "provider keys from the environment".to_owned(),
        Source::Demo => "none: the simulated providers of the demo".to_owned(),
    };
    html.element("p", &[], |it| {
        it.element("code", &[], |it| it.name(&source));
        it.text(&format!(", generation {}.", facts.snapshot.generation));
    });
    let warnings = config.notes.iter().filter(|it| it.warning);
    let warnings = warnings.map(|it| format!("{}: {}", it.path, it.text));
    let all: Vec<String> = facts.troubles.iter().cloned().chain(warnings).collect();
    if all.is_empty() {
        return;
    }
    html.element("ul", &[("class", "warnings")], |it| {
        for warning in all.iter().take(MAX_WARNINGS) {
            it.line("li", &[], warning);
        }
        if let Some(more) = all.len().checked_sub(MAX_WARNINGS).filter(|it| 0 < *it) {
            it.line(
                "li",
                &[],
                &format!("and {more} more; pointsman check tells all"),
            );
        }
    });
}

/// Narrow screens show its rows as cards, by a style that takes the meaning from a table; hence the roles.
fn table(html: &mut Html, columns: &[&'static str], rows: impl FnOnce(&mut Html)) {
    html.element("table", &[("role", "table")], |it| {
        it.element("thead", &[("role", "rowgroup")], |it| {
            row(it, |it| {
                for column in columns {
                    let attributes = [("scope", "col"), ("role", "columnheader")];
                    it.line("th", &attributes, column);
                }
            });
        });
        it.element("tbody", &[("role", "rowgroup")], rows);
    });
}

fn row(html: &mut Html, cells: impl FnOnce(&mut Html)) {
    html.element("tr", &[("role", "row")], cells);
}

fn cell(html: &mut Html, label: &'static str, inside: impl FnOnce(&mut Html)) {
    html.element("td", &[("role", "cell"), ("data-label", label)], |it| {
        it.element("div", &[], inside);
    });
}

fn number(html: &mut Html, label: &'static str, text: &str) {
    let attributes = [("role", "cell"), ("data-label", label), ("class", "number")];
    html.element("td", &attributes, |it| it.line("div", &[], text));
}

fn sentence(html: &mut Html, sentence: &Sentence) {
    html.text(&sentence.before);
    if let Some(at) = sentence.at {
        html.moment(at);
    }
    html.text(&sentence.after);
}

fn milliseconds(ms: f64) -> String {
    if ms < 1000.0 {
        format!("{ms:.0} ms")
    } else {
        format!("{:.1} s", ms / 1000.0)
    }
}

fn counted(count: u64, what: &str) -> String {
    match count {
        1 => format!("1 {what}"),
        count => format!("{} {what}s", grouped(count)),
    }
}

/// `1,234,567`.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.char_indices() {
        if 0 < index && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
