//! Who pays for a request, what is held for it meanwhile, and what is written down of it in the end.
//!
//! What a request was charged is settled before its client gets the last byte, as with all that is learned of an answer:
//! the client's next request comes at once and must find the place free and the budget right.

use std::sync::Arc;
use std::time::Duration;

use http::header::{HeaderName, HeaderValue};

use super::asked;
use super::choose::Candidate;
use super::exchange::{End, Exchange};
use super::request::{Arrival, Request};
use super::service::Shared;
use crate::access::limits::{Counters, Denied, Moment, Reserved, Used, headers};
use crate::access::{Access, Holder, Verdict};
use crate::credential::KeyIndex;
use crate::error::Fault;
use crate::ledger::{Row, Source, digest_of};
use crate::protocol::answer::Told;
use crate::protocol::canonical::Usage;
use crate::routing::dearest;
use crate::telemetry::metrics::Cost;
use crate::types::{Clock, Day, Dialect, EndpointId, MicroUsd, Price, TokenKinds};

/// The account of one request.
pub struct Bill {
    shared: Arc<Shared>,
    holder: Option<Arc<Holder>>,
    /// The name of the key shown.
    key: Option<String>,
    /// Whether there is a ledger.
    is_written: bool,
    /// The prompt's estimated size, where limits asked for it.
    prompt: u64,
    hold: Option<Hold>,
    charge: Option<Charge>,
}

/// What a request was charged.
#[derive(Clone, Copy, Debug, Default)]
struct Charge {
    tokens: Option<TokenKinds>,
    estimated: bool,
    cost: Option<MicroUsd>,
    price_guessed: bool,
}

/// What is held of a key's limits; dropping it gives it back.
struct Hold {
    counters: Arc<dyn Counters>,
    clock: Clock,
    key: Arc<str>,
    reserved: Option<Reserved>,
}

impl Hold {
    fn settle(&mut self, used: Option<Used>) {
        if let Some(reserved) = self.reserved.take() {
            let day = Day::of(self.clock.wall());
            self.counters.settle(&self.key, reserved, used, day);
        }
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.settle(None);
    }
}

/// How a request ended, for its row.
pub struct Ended<'a> {
    /// `ok`, `rejected` …
    pub outcome: &'static str,
    /// The fault.
    pub fault: Option<&'static str>,
    /// The status the client got.
    pub status: Option<u16>,
    /// Time to the first content.
    pub ttft: Option<Duration>,
    /// Calls made.
    pub attempts: u32,
    /// The endpoint that answered, or was tried last.
    pub provider: Option<&'a str>,
    /// The model it was asked for.
    pub model_sent: Option<&'a str>,
    /// Its key, masked.
    pub endpoint_key: Option<String>,
    /// Where the answer came from.
    pub source: Source,
}

impl Bill {
    /// The account of a request that shows these credentials.
    pub fn of(shared: &Arc<Shared>, arrival: &Arrival, access: &Access) -> Self {
        let plain = || match access.verdict {
            Verdict::Granted { key: 0 } => Some("gateway".to_owned()),
            Verdict::Granted { key } => Some(format!("gateway#{}", key + 1)),
            Verdict::Open | Verdict::Missing | Verdict::Wrong => None,
        };
        let holder = access.holder.clone();
        let named = holder.as_ref().map(|it| it.name.as_ref().to_owned());
        Bill {
            shared: Arc::clone(shared),
            key: named.or_else(plain),
            holder,
            is_written: arrival.snapshot.config.ledger.is_some(),
            prompt: 0,
            hold: None,
            charge: None,
        }
    }

    /// Who holds the key, if it is a named one.
    pub fn holder(&self) -> Option<&Arc<Holder>> {
        self.holder.as_ref()
    }

    /// Whether a model may be asked for.
    pub fn may_ask_for(&self, model: &str) -> Result<(), Fault> {
        match &self.holder {
            Some(holder) if !holder.may_ask_for(model) => Err(holder.not_allowed(model)),
            _ => Ok(()),
        }
    }

    /// What is left of the key's limits, in the client's words.
    pub fn headers(&self, dialect: Dialect) -> Vec<(HeaderName, HeaderValue)> {
        let Some(holder) = &self.holder else {
            return Vec::new();
        };
        let (counters, clock) = (&self.shared.counters, &self.shared.clock);
        let standing = counters.standing(&holder.name, &holder.limits, clock.now());
        headers(&standing, dialect, clock.wall())
    }

    fn admit(&mut self, model: &str, body: &[u8]) -> Result<(), Fault> {
        self.may_ask_for(model)?;
        let Some(holder) = &self.holder else {
            return Ok(());
        };
        if holder.limits.count_tokens() {
            self.prompt = asked::prompt_tokens(body);
        }
        let (counters, clock) = (&self.shared.counters, &self.shared.clock);
        let at = Moment::of(clock);
        let admitted = counters.admit(&holder.name, &holder.limits, self.prompt, at);
        let reserved = admitted.inspect_err(|denied| tell(holder, denied))?;
        self.hold = Some(Hold {
            counters: Arc::clone(counters),
            clock: clock.clone(),
            key: Arc::clone(&holder.name),
            reserved: Some(reserved),
        });
        Ok(())
    }

    /// Charges what was used, once.
    fn charge(
        &mut self,
        tokens: Option<TokenKinds>,
        estimated: bool,
        price: Option<Price>,
        session: Option<MicroUsd>,
        provider: Option<&EndpointId>,
    ) {
        if self.charge.is_some() {
            return;
        }
        let priced = price.is_some() || session.is_some();
        let limits = self.holder.as_ref().map(|it| it.limits);
        let has_caps = limits.is_some_and(|it| !it.caps.is_empty());
        // A budget must not be passed because a model is new.
        let price_guessed = price.is_none() && session.is_none() && has_caps && tokens.is_some();
        let price = if price_guessed {
            Some(dearest())
        } else {
            price
        };
        let cost = session.or_else(|| tokens.and_then(|tokens| Some(price?.of(&tokens))));
        self.charge = Some(Charge {
            tokens,
            estimated,
            cost,
            price_guessed,
        });
        if let Some(provider) = provider {
            let holder = self.holder.as_ref();
            self.shared.metrics.spent(&Cost {
                provider: provider.as_str(),
                key: holder.map(|it| (&*it.name, it.team.as_deref())),
                dollars: cost.map(MicroUsd::dollars),
                priced,
            });
        }
        if let Some(hold) = &mut self.hold {
            let used = tokens.map(|tokens| Used {
                tokens: tokens.limited(),
                cost: cost.unwrap_or_default(),
            });
            hold.settle(used);
        }
    }
}

/// A budget that is used up is the operator's business; limits a minute are daily life.
fn tell(holder: &Holder, denied: &Denied) {
    let name = &holder.name;
    match denied {
        Denied::Budget(reached) => log::info!(
            "key {name}: its {} budget of {} is used up",
            reached.span.word(),
            reached.cap
        ),
        Denied::Requests { .. } | Denied::Tokens { .. } | Denied::Concurrency { .. } => {
            log::debug!("key {name}: {denied:?}");
        }
    }
}

impl Request {
    /// Lets the request in within its key's limits, and holds what it may use.
    pub fn admit(&mut self) -> Result<(), Fault> {
        self.bill.admit(&self.head.model, &self.body.bytes)
    }

    /// Closes the account and hands its row over.
    pub fn close(&mut self, ended: Ended<'_>) {
        let bill = &mut self.bill;
        bill.charge(None, false, None, None, None);
        if !bill.is_written {
            return;
        }
        let charge = bill.charge.unwrap_or_default();
        let holder = bill.holder.as_ref();
        let team = holder.and_then(|it| it.team.as_deref());
        let wall = bill.shared.clock.wall();
        let row = Row {
            key: bill.key.take(),
            team: team.map(str::to_owned),
            session: self.session.as_deref().map(digest_of),
            agent: self.agent.as_deref().map(digest_of),
            model_sent: ended.model_sent.map(str::to_owned),
            provider: ended.provider.map(str::to_owned),
            endpoint_key: ended.endpoint_key,
            tokens: charge.tokens,
            estimated: charge.estimated,
            cost: charge.cost,
            price_guessed: charge.price_guessed,
            ttft: ended.ttft,
            duration: self.started.elapsed(),
            stream: self.head.stream,
            outcome: ended.outcome,
            fault: ended.fault,
            status: ended.status,
            attempts: ended.attempts,
            source: ended.source,
            ..Row::new(
                wall,
                self.id.as_str(),
                self.dialect.name(),
                &self.head.model,
            )
        };
        bill.shared.ledger.record(row);
    }

    /// Closes the account of a request that was refused at the door.
    pub fn close_refused(&mut self, fault: &'static str, status: Option<u16>) {
        self.close(Ended {
            outcome: "rejected",
            fault: Some(fault),
            status,
            ttft: None,
            attempts: 0,
            provider: None,
            model_sent: None,
            endpoint_key: None,
            source: Source::Own,
        });
    }
}

impl Exchange<'_, '_> {
    /// Charges an answer that is whole.
    pub(super) fn charge_whole(&mut self, candidate: &Candidate, told: &Told) {
        self.charge(candidate, told, |usage| usage.output);
    }

    /// Charges what there was of an answer that broke off: what its provider told at the beginning says nothing of the
    /// output.
    fn charge_part(&mut self, candidate: &Candidate, told: &Told) {
        let seen = told.output_estimate.unwrap_or(0);
        self.charge(candidate, told, |usage| usage.output.max(seen));
    }

    fn charge(&mut self, candidate: &Candidate, told: &Told, output: impl FnOnce(&Usage) -> u64) {
        let (tokens, estimated) = match &told.usage {
            Some(usage) => (kinds(usage, output(usage)), false),
            None => (self.estimated(told.output_estimate), true),
        };
        let price = candidate.endpoint.price(candidate.model.as_str());
        let session = self.session_cost(candidate);
        let provider = Some(candidate.endpoint.id());
        let bill = &mut self.request.bill;
        bill.charge(Some(tokens), estimated, price, session, provider);
        self.count_thread(candidate, told, tokens);
    }

    fn estimated(&self, output: Option<u64>) -> TokenKinds {
        let translated = self.estimate.map(|it| it.tokens);
        TokenKinds {
            input: translated.unwrap_or(self.request.bill.prompt),
            output: output.unwrap_or(0),
            ..TokenKinds::default()
        }
    }

    /// Charges what the exchange came to, if that has not been done.
    pub(super) fn charge_rest(&mut self, end: &End) {
        if let Some(candidate) = self.served_by.clone() {
            let told = std::mem::take(&mut self.told);
            match end {
                End::Served => self.charge_whole(&candidate, &told),
                End::Left | End::Cut(_) | End::Refused(_) => self.charge_part(&candidate, &told),
            }
            self.told = told;
        } else if let (End::Left, true, Some((candidate, _))) =
            (end, self.trail.is_trying(), self.tried.clone())
        {
            // The provider has read the prompt: who leaves before the first word does not read for nothing.
            self.charge_part(&candidate, &Told::default());
        }
    }

    /// Closes the account of an exchange that has ended.
    pub(super) fn close(&mut self, end: &End, outcome: &'static str) {
        self.charge_rest(end);
        let fault = match end {
            End::Cut(fault) | End::Refused(fault) => Some(fault.kind.label()),
            End::Served | End::Left => None,
        };
        let served = self.served_by.clone().map(|it| (it, self.at_home.key));
        let last: Option<(Candidate, Option<KeyIndex>)> = served.or_else(|| self.tried.clone());
        let is_served = self.served_by.is_some();
        let last = last.as_ref();
        self.request.close(Ended {
            outcome,
            fault,
            status: self.client.status,
            ttft: self.ttft,
            attempts: self.trail.attempts,
            provider: last.map(|(it, _)| it.endpoint.id().as_str()),
            model_sent: last.filter(|_| is_served).map(|(it, _)| it.model.as_str()),
            endpoint_key: last.and_then(|(it, key)| Some(it.endpoint.keys.label((*key)?))),
            source: Source::Own,
        });
    }
}

fn kinds(usage: &Usage, output: u64) -> TokenKinds {
    TokenKinds {
        input: usage.input,
        cache_read: usage.cache_read,
        cache_write: usage.cache_creation,
        output,
        reasoning: usage.thinking.unwrap_or(0),
    }
}
