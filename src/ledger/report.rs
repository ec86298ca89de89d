//! An answer of the ledger, for people and for programs.

use std::fmt::Write;

use serde_json::{Value, json};

use crate::ledger::question::Question;
use crate::types::MicroUsd;
use crate::types::calendar::rfc3339;

/// What stands where a request had no name of the kind asked for.
const NOBODY: &str = "-";
const HEAD: [&str; 11] = [
    "requests",
    "failed",
    "shared",
    "input",
    "cache_read",
    "cache_write",
    "output",
    "reasoning",
    "cost_usd",
    "unpriced",
    "guessed",
];

/// One line: sums over the requests of one name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Line {
    /// The key, the team …
    pub name: Option<String>,
    /// Requests.
    pub requests: u64,
    /// Those that did not end well.
    pub failed: u64,
    /// Those that were answered by another's call, or from the cache.
    pub shared: u64,
    /// Input that no cache had.
    pub input: u64,
    /// Input the provider's cache had.
    pub cache_read: u64,
    /// Input written to it.
    pub cache_write: u64,
    /// Output.
    pub output: u64,
    /// The part of it that was reasoning.
    pub reasoning: u64,
    /// Money, as far as prices are known.
    pub cost: MicroUsd,
    /// Requests that nobody knows the price of; not in the cost.
    pub unpriced: u64,
    /// Requests charged at the dearest price because nobody knows theirs; in the cost.
    pub guessed: u64,
}

/// An answer.
#[derive(Clone, Debug)]
pub struct Report {
    question: Question,
    /// The dearest first; days in order.
    pub lines: Vec<Line>,
}

impl Line {
    fn cells(&self) -> [String; 11] {
        [
            self.requests,
            self.failed,
            self.shared,
            self.input,
            self.cache_read,
            self.cache_write,
            self.output,
            self.reasoning,
        ]
        .map(|it| it.to_string())
        .into_iter()
        .chain([
            format!("{:.6}", self.cost.dollars()),
            self.unpriced.to_string(),
            self.guessed.to_string(),
        ])
        .collect::<Vec<String>>()
        .try_into()
        .unwrap_or_default()
    }

    fn add(&mut self, other: &Line) {
        self.requests += other.requests;
        self.failed += other.failed;
        self.shared += other.shared;
        self.input += other.input;
        self.cache_read += other.cache_read;
        self.cache_write += other.cache_write;
        self.output += other.output;
        self.reasoning += other.reasoning;
        self.cost = self.cost.plus(other.cost);
        self.unpriced += other.unpriced;
        self.guessed += other.guessed;
    }

    fn json(&self, by: &str) -> Value {
        json!({
            by: self.name,
            "requests": self.requests,
            "failed": self.failed,
            "shared": self.shared,
            "tokens": {
                "input": self.input,
                "cache_read": self.cache_read,
                "cache_write": self.cache_write,
                "output": self.output,
                "reasoning": self.reasoning,
            },
            "cost_usd": self.cost.dollars(),
            "unpriced": self.unpriced,
            "guessed": self.guessed,
        })
    }
}

impl Report {
    pub(super) fn new(question: &Question, lines: Vec<Line>) -> Self {
        Report {
            question: *question,
            lines,
        }
    }

    /// All lines together.
    pub fn total(&self) -> Line {
        let mut total = Line::default();
        for line in &self.lines {
            total.add(line);
        }
        total
    }

    /// For programs.
    pub fn json(&self) -> Value {
        let by = self.question.by.word();
        let mut total = self.total().json("total");
        if let Some(total) = total.as_object_mut() {
            total.remove("total");
        }
        json!({
            "by": by,
            "since": rfc3339(self.question.since),
            "until": rfc3339(self.question.until),
            "usage": self.lines.iter().map(|it| it.json(by)).collect::<Vec<_>>(),
            "total": total,
        })
    }

    /// For spreadsheets: RFC 4180.
    pub fn csv(&self) -> String {
        let mut text = format!("{},{}\r\n", self.question.by.word(), HEAD.join(","));
        for line in &self.lines {
            let name = line.name.as_deref().unwrap_or_default();
            let _ = write!(text, "{},{}\r\n", csv_cell(name), line.cells().join(","));
        }
        text
    }

    /// For people: rows of cells, the head first and the total last.
    pub fn rows(&self) -> Vec<Vec<String>> {
        let head = std::iter::once(self.question.by.word()).chain(HEAD);
        let mut rows: Vec<Vec<String>> = vec![head.map(str::to_owned).collect()];
        let row = |name: &str, line: &Line| {
            let name = name.chars().filter(|it| !it.is_control()).collect();
            std::iter::once(name).chain(line.cells()).collect()
        };
        for line in &self.lines {
            rows.push(row(line.name.as_deref().unwrap_or(NOBODY), line));
        }
        rows.push(row("total", &self.total()));
        rows
    }
}

/// Names of models are of strangers' making: what a spreadsheet would take for a formula gets a quote before it.
fn csv_cell(text: &str) -> String {
    let is_formula = text.starts_with(['=', '+', '-', '@', '\t', '\r']);
    let text = if is_formula {
        format!("'{text}")
    } else {
        text.to_owned()
    };
    if text.contains(['"', ',', '\n', '\r']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_is_neither_a_formula_nor_two_cells() {
        for (text, cell) in [
            ("plain", "plain"),
            ("a,b", "\"a,b\""),
            ("a\"b", "\"a\"\"b\""),
            ("=cmd()", "'=cmd()"),
            ("-1", "'-1"),
            ("@a,b", "\"'@a,b\""),
        ] {
            assert_eq!(csv_cell(text), cell);
        }
    }
}
