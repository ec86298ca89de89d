//! What answers cost, by the table of prices, and what keys may still spend. Keys and teams are those of the
//! configuration.

use prometheus::{CounterVec, Error, GaugeVec, IntCounterVec, Opts, Registry};

use super::{counters, registered};

/// Of a key without a team.
const NO_TEAM: &str = "none";

/// What one answer cost.
#[derive(Clone, Copy, Debug)]
pub struct Cost<'c> {
    /// Who answered.
    pub provider: &'c str,
    /// The named key that asked, with its team.
    pub key: Option<(&'c str, Option<&'c str>)>,
    /// Dollars, where anything is known.
    pub dollars: Option<f64>,
    /// Whether the model has a price.
    pub priced: bool,
}

/// What a key may spend in a span of time, and has.
#[derive(Clone, Copy, Debug)]
pub struct BudgetState<'s> {
    /// Its name.
    pub key: &'s str,
    /// `daily` or `monthly`.
    pub span: &'static str,
    /// Dollars.
    pub limit: f64,
    /// Dollars.
    pub used: f64,
}

pub(super) struct Money {
    by_provider: CounterVec,
    by_key: CounterVec,
    unpriced: IntCounterVec,
    limits: GaugeVec,
    used: GaugeVec,
}

impl Money {
    pub(super) fn new(registry: &Registry) -> Result<Self, Error> {
        let dollars = |name, help, labels: &[&str]| {
            registered(registry, CounterVec::new(Opts::new(name, help), labels))
        };
        let gauge = |name, help| {
            let labels = ["key", "span"];
            registered(registry, GaugeVec::new(Opts::new(name, help), &labels))
        };
        Ok(Money {
            by_provider: dollars(
                "pointsman_cost_dollars_total",
                "What answers cost by the table of prices.",
                &["provider"],
            )?,
            by_key: dollars(
                "pointsman_key_cost_dollars_total",
                "What answers to a named key cost by the table of prices.",
                &["key", "team"],
            )?,
            unpriced: counters(
                registry,
                "pointsman_unpriced_answers_total",
                "Answers of models without a price: they cost nothing here, or for a key with a budget as much as the dearest.",
                &["provider"],
            )?,
            limits: gauge(
                "pointsman_key_budget_dollars",
                "What a named key may spend in a day or a month (UTC).",
            )?,
            used: gauge(
                "pointsman_key_budget_used_dollars",
                "What it has spent in this one, as far as this process knows.",
            )?,
        })
    }

    pub(super) fn spent(&self, cost: &Cost<'_>) {
        if let Some(dollars) = cost.dollars {
            let provider = self.by_provider.with_label_values(&[cost.provider]);
            provider.inc_by(dollars);
            if let Some((key, team)) = cost.key {
                let labels = [key, team.unwrap_or(NO_TEAM)];
                self.by_key.with_label_values(&labels).inc_by(dollars);
            }
        }
        if !cost.priced {
            self.unpriced.with_label_values(&[cost.provider]).inc();
        }
    }

    pub(super) fn set(&self, budgets: &[BudgetState<'_>]) {
        self.limits.reset();
        self.used.reset();
        for it in budgets {
            let labels = [it.key, it.span];
            self.limits.with_label_values(&labels).set(it.limit);
            self.used.with_label_values(&labels).set(it.used);
        }
    }
}
